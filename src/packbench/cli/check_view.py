"""What `packbench check` shows: the bounds, the simulated run beside them, and what was held against the bench.

Owns tables and words, in both languages. Must not check or compute anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from packbench.app.bus_cycle import Freshness
from packbench.app.disk import Room, size_text
from packbench.app.job import Job
from packbench.app.rehearsal import Rehearsal
from packbench.core.records import StepRecord
from packbench.profile.checking.estimate import Bounds, Estimate, StepBounds
from packbench.report.explain import end_reason_short
from packbench.report.numbers import ABSENT, duration, number
from packbench.report.texts import Lang, text

STEPS_SHOWN: Final = 50
"""More would push everything else off the screen; --json has them all."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything a check came to."""

    job: Job
    bounds: Estimate
    ages: tuple[Freshness, ...]
    room: Room
    rehearsal: Rehearsal | None = None


def bounds_table(checked: Checked, lang: Lang) -> Table:
    """Least, expected and most; what the simulated run came to in a column of its own."""
    job, bounds, rehearsal = checked.job, checked.bounds, checked.rehearsal
    table = Table(
        title=_WORDS["title"][lang].format(profile=job.plan.name, pack=job.pack.name, bench=job.bench.name),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
    )
    table.add_column("")
    for heading in ("least", "expected", "most", *(["simulated"] if rehearsal else [])):
        style = "cyan" if heading == "simulated" else None
        table.add_column(_WORDS[heading][lang], justify="right", style=style)
    simulated: tuple[float | None, ...] = (None,) * 4
    if rehearsal is not None:
        throughput_ah = rehearsal.charged_ah + rehearsal.discharged_ah
        simulated = (rehearsal.duration_s / 3600, throughput_ah, rehearsal.energy_wh, rehearsal.temperature_max_c)
    rows: tuple[tuple[str, Bounds, float, int], ...] = (
        ("duration", bounds.duration_s, 3600.0, 2),
        ("charge", bounds.charge_ah, 1.0, 1),
        ("energy", bounds.energy_wh, 1.0, 1),
        ("temperature", bounds.temperature_c, 1.0, 1),
    )
    for (name, span, unit, decimals), value in zip(rows, simulated, strict=True):
        cells = [number(bound / unit, decimals) for bound in (span.min, span.expected, span.max)]
        table.add_row(_WORDS[name][lang], *cells, *([number(value, decimals)] if rehearsal else []))
    return table


def worst_case_table(bounds: Estimate, lang: Lang) -> Table:
    """What each step may come to over everything that is not known of the pack, and how it may end."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column(text("step", lang), overflow="fold")
    for key in ("duration", "charge_ah", "temp_max"):
        table.add_column(text(key, lang).replace(" / ", "\n/ "), justify="right", no_wrap=True)
    table.add_column(_WORDS["may_end"][lang], overflow="fold")
    for step in bounds.steps:
        ends = (step.fires,) if step.fires is not None else step.may_end
        shown = _WORDS["or"][lang].join(end_reason_short(reason, lang) for reason in ends)
        table.add_row(
            Text(step.label),
            *_figures(step),
            Text(shown or ABSENT, style="" if step.fires is not None or len(ends) == 1 else "dim"),
        )
    table.caption = _WORDS["worst"][lang]
    table.caption_justify = "left"
    return table


def _figures(step: StepBounds) -> tuple[str, str, str]:
    """Duration, charge and temperature; of a step that nothing leads to there are none."""
    if not step.reached:
        return ABSENT, ABSENT, ABSENT
    return (
        _span(duration(step.duration_s.min), duration(step.duration_s.max)),
        _span(number(step.charge_ah.min, 1), number(step.charge_ah.max, 1)),
        number(step.temperature_c.max, 1),
    )


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} … {high}"


def bench_lines(checked: Checked, lang: Lang) -> tuple[RenderableType, ...]:
    """How fresh the sources stay, and what the record takes, one line each."""
    ages = "  ".join(
        f"{_WORDS[age.source][lang]} {number(age.age_s, 2)}/{number(age.stale_after_s, 2)} s" for age in checked.ages
    )
    room = checked.room
    record = _WORDS["record"][lang].format(
        size=size_text(room.needed_bytes), rows=room.rows, free=size_text(room.free_bytes), folder=room.folder
    )
    return (Text(f"{_WORDS['fresh'][lang]}  {ages}", style="dim"), Text(record, style="dim"), Text(""))


def simulated_lines(rehearsal: Rehearsal, plot: str | None, lang: Lang) -> tuple[RenderableType, ...]:
    """The steps of the simulated run, how it ended, and how long it took to compute."""
    speed = rehearsal.duration_s / max(rehearsal.wall_seconds, 1e-9)
    lines: list[RenderableType] = [_steps(rehearsal, lang)]
    if not rehearsal.completed:
        lines.append(Text(stopped_words(rehearsal, lang), style="bold red"))
    lines.append(Text(_WORDS["wall"][lang].format(wall=rehearsal.wall_seconds, speed=speed)))
    if plot is not None:
        lines.append(Text(_WORDS["plot"][lang].format(path=plot), overflow="fold"))
    return (*lines, Text(""))


def stopped_words(rehearsal: Rehearsal, lang: Lang) -> str:
    """Why the simulated run did not come to the profile's end."""
    trip = rehearsal.trip
    why = rehearsal.reason if trip is None else trip.text_zh if lang == "zh" else trip.text_en
    return _WORDS["stopped"][lang].format(after=duration(rehearsal.duration_s), why=why)


def _steps(rehearsal: Rehearsal, lang: Lang) -> Table:
    steps = rehearsal.steps
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    for key in ("step_no", "step", "cycle", "duration", "charge_ah", "voltage_end", "temp_max", "end_reason"):
        words = key in ("step", "end_reason")
        heading = text(key, lang).replace(" / ", "\n/ ")
        table.add_column(heading, justify="left" if words else "right", overflow="fold", no_wrap=not words)
    for step in _longest(steps):
        table.add_row(
            str(step.number),
            Text(step.label),
            str(step.cycle) if step.cycle else ABSENT,
            duration((step.ended_ns - step.started_ns) / 1e9),
            number(step.charge_ah, 3),
            number(step.voltage_end_v, 2 if step.voltage_end_v >= 10 else 3),
            number(step.temperature_max_c, 1),
            Text(end_reason_short(step.end_reason, lang, step.end_cell)),
        )
    if len(steps) > STEPS_SHOWN:
        table.caption = _WORDS["longest"][lang].format(shown=STEPS_SHOWN, all=len(steps))
        table.caption_justify = "left"
    return table


def _longest(steps: tuple[StepRecord, ...]) -> tuple[StepRecord, ...]:
    if len(steps) <= STEPS_SHOWN:
        return steps
    ranked = sorted(steps, key=lambda step: step.started_ns - step.ended_ns)[:STEPS_SHOWN]
    return tuple(sorted(ranked, key=lambda step: step.number))


_WORDS: Final[dict[str, dict[Lang, str]]] = {
    "title": {"en": "{profile} on {pack}, {bench}", "zh": "{profile}：{pack}，{bench}"},
    "least": {"en": "least", "zh": "最小"},
    "expected": {"en": "expected", "zh": "预计"},
    "most": {"en": "most", "zh": "最大"},
    "simulated": {"en": "simulated", "zh": "模拟"},
    "duration": {"en": "Duration / h", "zh": "历时 / h"},
    "charge": {"en": "Charge moved / Ah", "zh": "充放电量 / Ah"},
    "energy": {"en": "Energy moved / Wh", "zh": "充放能量 / Wh"},
    "temperature": {"en": "Highest temperature / °C", "zh": "最高温度 / °C"},
    "fresh": {
        "en": "Oldest reading with one lost answer, of what is allowed:",
        "zh": "丢失一次应答时的最大读数滞后 / 允许值：",
    },
    "cycler": {"en": "cycler", "zh": "充放电设备"},
    "bms": {"en": "BMS", "zh": "BMS"},
    "board": {"en": "board", "zh": "联锁板"},
    "chamber": {"en": "chamber", "zh": "温箱"},
    "meter": {"en": "meter", "zh": "测量仪表"},
    "record": {
        "en": "Record: at most {size} ({rows:,} samples) of {free} free in {folder}",
        "zh": "记录：最多 {size}（{rows:,} 行），{folder} 剩余 {free}",
    },
    "wall": {
        "en": "Simulated in {wall:.1f} s ({speed:,.0f} times real time), with ideal instruments: no measurement.",
        "zh": "模拟用时 {wall:.1f} s（实时的 {speed:,.0f} 倍），理想仪器；非实测数据。",
    },
    "plot": {"en": "Plot: {path}", "zh": "曲线图：{path}"},
    "stopped": {
        "en": "The simulated run stopped after {after}, before the profile's end: {why}",
        "zh": "模拟运行在 {after} 时提前停止：{why}",
    },
    "longest": {
        "en": "These are the {shown} longest of {all} steps; --json has them all.",
        "zh": "此处仅列出全部 {all} 个工步中历时最长的 {shown} 个；完整列表见 --json。",
    },
    "may_end": {"en": "Ends by", "zh": "结束方式"},
    "or": {"en": " or ", "zh": " 或 "},
    "worst": {
        "en": "Bounds for 50 to 110 % of the rated capacity and whatever else is not known of the pack. "
        "Of several ends, the pack decides.",
        "zh": "上下界按额定容量的 50% 至 110% 及电池的其他未知因素计算；列出多种结束方式时，由电池实际状态决定。",
    },
    "no_errors": {"en": "No errors.", "zh": "没有错误。"},
    "default_pack": {"en": "No --pack: checked for {pack}.", "zh": "未给出 --pack：按 {pack} 检查。"},
}


def word(key: str, lang: Lang, **fields: object) -> str:
    """One of the command's own sentences."""
    return _WORDS[key][lang].format(**fields)
