"""What the terminal shows: the live line while a run goes on, and the summary when it has ended.

Owns rich renderables and their plain-text twins. Must not decide or measure; it is handed frozen
states and results. It works at 80 columns, with NO_COLOR, and into a pipe, where it prints a plain
line when something changed instead of drawing over itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from packbench.clock import stopwatch_s
from packbench.core.result import Measured, Result
from packbench.report.content import invalid_words, run_duration_s, temperature_max_c, trip_words
from packbench.report.content_diagnostics import diagnostic_facts
from packbench.report.content_profile import ended_words, title_of, variable_facts
from packbench.report.content_tables import longest_steps, step_reason
from packbench.report.content_tables import step_table as step_content
from packbench.report.numbers import ABSENT, duration, measured, number, with_unit
from packbench.report.texts import Lang, comma, name_of, text

WIDTH: Final = 80
STEPS_ON_TERMINAL: Final = 50
"""More would push the summary off the screen."""
_BAR_CELLS: Final = 18
_REDRAW_S: Final = 0.1
_PLAIN_LINE_S: Final = 10.0
"""Into a pipe: at most one line in this time, besides one for each new step."""

_VERDICT_STYLE: Final = {"PASS": "bold green", "FAIL": "bold red", "INVALID": "bold yellow", "ABORTED": "bold yellow"}


@dataclass(frozen=True, slots=True)
class LiveState:
    """What the bench shows at one moment. None or NaN: no reading."""

    step_label: str
    step_number: int
    """Counts from 1, in order of execution."""
    steps_total_label: str
    """How many steps there are, as text: "≤ 21" when repeats may end early; "" when unknown."""
    voltage_v: float | None
    current_a: float | None
    cell_min_v: float | None
    cell_max_v: float | None
    temperature_c: float | None
    step_ah: float | None
    cycle: int
    bench_time_s: float
    speedup: float | None
    """Bench time over real time; None or 1 on real hardware: not shown."""
    progress: float
    """Of the whole profile, 0 to 1."""
    message: str = ""


def live_lines(state: LiveState, lang: Lang = "en", width: int = WIDTH) -> tuple[str, str]:
    """The two live lines as plain text, neither wider than `width` terminal cells."""
    share = _share(state)
    full = round(share * _BAR_CELLS)
    step = f"{text('live.step', lang)} {state.step_number}"
    if state.steps_total_label:
        step += f"/{state.steps_total_label}"
    head = f"{'█' * full}{'░' * (_BAR_CELLS - full)} {100 * share:3.0f} %  {step} "
    tail = f"  {text('live.bench_time', lang)} {duration(state.bench_time_s)}"
    if state.cycle > 0:
        tail = f"  {text('live.cycle', lang)} {state.cycle}{tail}"
    if state.speedup is not None and math.isfinite(state.speedup) and state.speedup >= 1.5:
        tail += f"  ×{state.speedup:,.0f}"
    room = max(width - cell_len(head) - cell_len(tail), 0)
    first = head + fit(state.step_label, room) + tail
    cells = f"{number(state.cell_min_v, 3)}–{number(state.cell_max_v, 3)} V"
    second = "  ".join(
        (
            f"{number(state.voltage_v, 2):>7} V",
            f"{number(state.current_a, 2):>7} A",
            f"{text('live.cells', lang)} {cells}",
            f"{number(state.temperature_c, 1):>5} °C",
            f"{number(state.step_ah, 2):>7} Ah",
        )
    )
    room = width - cell_len(second) - 2
    if state.message and room > 3:
        second += "  " + fit(state.message, room).rstrip()
    return cut(first, width), cut(second, width)


def live_line(state: LiveState, lang: Lang = "en", width: int = WIDTH) -> RenderableType:
    """The two live lines for rich: coloured where the terminal has colours, never wrapped."""
    first, second = live_lines(state, lang, width)
    top = Text(first, no_wrap=True, overflow="crop")
    top.stylize("cyan", 0, _BAR_CELLS)
    return Group(top, Text(second, no_wrap=True, overflow="crop"))


def plain_line(state: LiveState, lang: Lang = "en", width: int = WIDTH) -> str:
    """One line for a pipe or a log, no wider than `width`."""
    parts = (
        duration(state.bench_time_s),
        f"{100 * _share(state):.0f} %",
        f"{text('live.step', lang)} {state.step_number} {state.step_label}",
        f"{number(state.voltage_v, 2)} V",
        f"{number(state.current_a, 2)} A",
        f"{number(state.cell_min_v, 3)}–{number(state.cell_max_v, 3)} V",
        f"{number(state.step_ah, 2)} Ah",
        state.message,
    )
    return cut("  ".join(part for part in parts if part), width)


class LiveView:
    """Shows states as they come: redrawn on a terminal, plain lines at a modest rate elsewhere.

    Use it as a context manager. `update` may be called as often as one likes: it returns at once
    unless enough real time has passed. `elapsed_s` is real seconds from an arbitrary start.
    """

    def __init__(self, console: Console, lang: Lang = "en", elapsed_s: Callable[[], float] = stopwatch_s) -> None:
        self._console = console
        self.lang: Lang = lang
        self._elapsed_s = elapsed_s
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._due_s = -math.inf
        self._shown_step = -1
        self._last: LiveState | None = None

    def __enter__(self) -> LiveView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._last is not None:
            self._print(self._last)

    def ask(self, question: RenderableType) -> None:
        """Print a question; the live line stays away until the next `update`."""
        if self._live is not None:
            self._live.stop()
            self._console.bell()
        self._console.print(question, soft_wrap=True)

    def due(self) -> bool:
        """Whether an update would be shown now: lets the caller skip making a state."""
        return self._elapsed_s() >= self._due_s

    def update(self, state: LiveState) -> None:
        """Show the state, or drop it when the last one is too recent."""
        now_s = self._elapsed_s()
        new_step = state.step_number != self._shown_step
        self._last = state
        if now_s < self._due_s and not (new_step and self._live is None):
            return
        self._due_s = now_s + (_PLAIN_LINE_S if self._live is None else _REDRAW_S)
        self._shown_step = state.step_number
        if self._live is None:
            self._print(state)
        else:
            self._live.start()
            self._live.update(live_line(state, self.lang, self._console.width), refresh=True)

    def _print(self, state: LiveState) -> None:
        self._console.print(plain_line(state, self.lang), markup=False, highlight=False, soft_wrap=True)
        self._last = None


def summary(result: Result, lang: Lang = "en") -> RenderableType:
    """The table a lab engineer would frame: the verdict and every figure with its uncertainty."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), expand=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    verdict = Text(name_of("verdict", result.verdict, lang), style=_VERDICT_STYLE.get(result.verdict, "bold"))
    table.add_row(text("verdict", lang), verdict)
    for trip in result.trips:
        table.add_row(text("trip_title", lang), Text(trip_words(trip, lang), style="bold red"))
    for position, reason in enumerate(invalid_words(result, lang)):
        table.add_row("" if position else text("because", lang), Text(reason, style="yellow"))
    if result.subject == "capacity":
        table.add_row(text("capacity", lang), Text(_full(result.capacity_ah, lang), style="bold"))
    for fact in variable_facts(result):
        table.add_row(fact.label, Text(fact.value, style="bold" if result.subject == "profile" else ""))
    rows = (
        ("energy", _full(result.energy_wh, lang)),
        ("soh", _full(result.soh, lang)),
        ("soce", _full(result.soce, lang)),
        ("weakest_cell", _weakest(result, lang)),
        ("spread", _full(result.cell_spread_v, lang)),
    )
    more = (
        ("temperature_max", with_unit(temperature_max_c(result), "°C", 3)),
        ("repeats", _repeats(result, lang)),
        ("end_reason", ended_words(result, lang)),
        ("duration", duration(run_duration_s(result))),
        ("serial", result.serial or text("not_stated", lang)),
        ("run", result.run_id),
    )
    told = [(text(key, lang), shown) for key, shown in rows]
    told += [(fact.label, fact.value) for fact in diagnostic_facts(result, lang)]
    told += [(text(key, lang), shown) for key, shown in more]
    for label, shown in told:
        if shown != ABSENT:
            table.add_row(label, shown)
    mark = name_of("provenance", result.provenance, lang)
    style = "bold" if result.provenance == "measured" else "bold yellow"
    table.add_row(text("provenance", lang), Text(mark, style=style))
    return Panel(
        table,
        title=f"[bold]{title_of(result, lang)}[/bold]",
        title_align="left",
        box=box.ROUNDED,
        expand=False,
        padding=(1, 2),
        border_style="red" if result.trips else "dim",
    )


def step_table(result: Result, lang: Lang = "en") -> RenderableType:
    """The executed steps, in a form that fits 80 columns; of very many the longest, and a note that says so."""
    if not result.steps:
        return Group()
    content = step_content(result, lang, STEPS_ON_TERMINAL)
    chosen = (0, 1, 3, 4, 5, 6)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold", expand=False)
    for position in chosen:
        column = content.columns[position]
        quantity, _, unit = column.label.partition("\n")
        label = "\n".join((*quantity.split(" ", maxsplit=1), unit)) if unit else quantity
        table.add_column(label, justify=column.align, overflow="fold", no_wrap=column.align == "right")
    table.add_column(text("end_reason", lang), overflow="fold")
    for row, step in zip(content.rows, longest_steps(result, STEPS_ON_TERMINAL), strict=True):
        # The label alone: the type has no room here.
        cells = [row[position].split("\n")[0] for position in chosen]
        cells.append(step_reason(step, result, lang, short=True))
        table.add_row(*(Text(cell) for cell in cells))
    table.caption = content.note
    table.caption_justify = "left"
    return table


def _share(state: LiveState) -> float:
    return min(max(state.progress, 0.0), 1.0) if math.isfinite(state.progress) else 0.0


def fit(words: str, width: int) -> str:
    """Exactly `width` terminal cells: cut with an ellipsis or padded."""
    return set_cell_size(cut(words, width), width)


def cut(words: str, width: int) -> str:
    """At most `width` terminal cells, with an ellipsis when something is lost."""
    if cell_len(words) <= width:
        return words
    return set_cell_size(words, width - 1).rstrip() + "…" if width > 1 else words[:width]


def _full(figure: Measured | None, lang: Lang) -> str:
    if figure is None:
        return ABSENT
    shown = measured(figure)
    if shown.expanded_u is None:
        return f"{shown.with_unit}{comma(lang)}{text('u_absent_short', lang)}"
    return f"{shown.full}{comma(lang)}k = {shown.k}{comma(lang)}p = {shown.p}"


def _weakest(result: Result, lang: Lang) -> str:
    weakest = result.weakest_cell
    if weakest is None:
        return ABSENT
    margin = ABSENT if weakest.margin_ah is None else measured(weakest.margin_ah).full
    parts = [text("cell_n", lang, index=weakest.index), text("margin_short", lang, margin=margin)]
    if weakest.decided is False:
        parts.append(text("not_decided_short", lang))
    return comma(lang).join(parts)


def _repeats(result: Result, lang: Lang) -> str:
    if not result.capacities_ah:
        return ABSENT
    marks = [
        number(capacity, 2) + ("*" if position in result.agreeing_cycles else "")
        for position, capacity in enumerate(result.capacities_ah, start=1)
    ]
    starred = f"  ({text('counts_short', lang)})" if result.agreeing_cycles else ""
    return f"{len(marks)}:  {' / '.join(marks)} Ah{starred}"
