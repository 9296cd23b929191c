"""What a person sees who goes on with a run: where it stood, and the bench held against its record.

Owns two tables, in both languages. The findings are those of `run/resuming`; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from packbench.app.job import Job
from packbench.report.texts import LANGS, Lang
from packbench.run.resuming import Found, Stood
from packbench.safety.sources import NAMES


@dataclass(frozen=True, slots=True)
class _Words:
    step: str
    cycle: str
    in_step: str
    current: str
    last: str
    held: str
    was: str
    now: str
    same: str
    other: str


_EN = _Words(
    step="Step",
    cycle="cycle {cycle}",
    in_step="In the step",
    current="Current",
    last="Last record",
    held="The bench held against the record",
    was="recorded",
    now="found",
    same="matches",
    other="DOES NOT MATCH",
)
_ZH = _Words(
    step="工步",
    cycle="第 {cycle} 次循环",
    in_step="本工步内",
    current="电流",
    last="最后记录",
    held="台架与记录对照",
    was="记录值",
    now="当前值",
    same="一致",
    other="不一致",
)
_WORDS: dict[Lang, _Words] = {"en": _EN, "zh": _ZH}
_FOUND = {
    **NAMES,
    "soc": ("SOC by the BMS", "BMS 报告的 SOC"),
    "cells": ("number of cells", "单体数"),
    "cells_mean": ("mean of the cells", "单体平均电压"),
    "cells_pattern": ("cells against each other", "单体间相对变化"),
    "temperature": ("hottest sensor", "最高温度"),
    "gap": ("time unobserved", "无人监测的时间"),
    "word": ("operator's request", "操作请求"),
}
_SAID_ZH = (
    ("at most ", "至多 "),
    ("within ", "不超过 "),
    ("not said", "未报告"),
    ("a reading", "有读数"),
    ("none", "无"),
    ("not carried out: say it again", "未执行，请重新提出"),
    ("jump to ", "跳转至 "),
)
"""What a finding begins with, as run/resuming words it."""


def stood_table(job: Job, where: Stood, lang: Lang) -> Table:
    """Where the run stood."""
    words, saved = _WORDS[lang], where.checkpoint
    step = job.plan.steps[saved.step - 1]
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        (words.step, f"{saved.number} ({step.label}), {words.cycle.format(cycle=saved.cycle)}"),
        (words.in_step, f"{saved.elapsed_ns / 1e9:.1f} s, {saved.ah:.3f} Ah, {saved.wh:.2f} Wh"),
        (words.current, f"{saved.current_a:.2f} A, {saved.voltage_v:.2f} V"),
        (words.last, where.wall),
    ):
        table.add_row(Text(name, style="dim"), value)
    return table


def compared_table(found: Sequence[Found], lang: Lang) -> Table:
    """Everything that was held against the record: what matched, and what did not."""
    words = _WORDS[lang]
    table = Table(box=None, pad_edge=False, title=words.held, title_justify="left", title_style="bold")
    for heading in ("", words.was, words.now, ""):
        table.add_column(heading, header_style="dim")
    for one in found:
        verdict = Text(words.same, "green") if one.ok else Text(words.other, "bold red")
        if one.name == "word":
            verdict = Text()  # nothing of the bench: a reminder
        name = _FOUND[one.name][LANGS.index(lang)]
        table.add_row(Text(name, style="dim"), Text(_said(one.was, lang)), Text(_said(one.now, lang)), verdict)
    return table


def _said(words: str, lang: Lang) -> str:
    if lang == "zh":
        for en, zh in _SAID_ZH:
            if words.startswith(en):
                return zh + words.removeprefix(en)
    return words
