"""The figures of a report, as SVG text.

Owns what is drawn and how it is labelled. Must not analyse: every figure shows recorded columns or
the result as they are, thinned for print. Time axes are hours from the start; gaps stay empty.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from packbench.core.result import Contribution, Result
from packbench.core.samples import FloatArray
from packbench.report.document import Drawn
from packbench.report.inputs import Columns
from packbench.report.numbers import as_number, milli, number, significant
from packbench.report.series import Span, break_at, decimate, envelope, last_stretch, spans_of
from packbench.report.style import (
    BLUE,
    INK,
    MUTED,
    PALE,
    PURPLE,
    SHADE,
    SKY,
    VERMILLION,
    WIDTH_IN,
    house_style,
    tidy,
    to_svg,
)
from packbench.report.texts import Lang, name_of, text

_TIME_UNITS: Final = ((7200.0, 3600.0, "h"), (180.0, 60.0, "min"), (0.0, 1.0, "s"))
"""(from this length on in s, the unit in s, its symbol)."""
_CELL_POINTS: Final = 120
"""Points of one cell's line in the zoom: a discharge end is smooth."""
_ZOOM_SHARE: Final = 0.12
_ZOOM_MIN_S: Final = 120.0
_ZOOM_MAX_S: Final = 2400.0
_BUDGET_BARS: Final = 10


def draw_all(result: Result, rows: Columns, lang: Lang, cell_cutoff_v: float | None = None) -> tuple[Drawn, ...]:
    """All figures that the data allow; those without data are left out.

    `cell_cutoff_v` is what the end condition "cell_min <= cell_cutoff" refers to.
    """
    drawn: list[Drawn] = []
    with house_style(lang):
        if rows.t_s.size >= 2:
            drawn.append(Drawn("overview", _overview(result, rows, lang)))
            if rows.cells_v.shape[1] > 1:
                drawn.append(Drawn("spread", _cell_spread(result, rows, lang)))
            zoom = (
                _discharge_end(result, rows, lang, cell_cutoff_v)
                if rows.cells_v.shape[1] and result.capacity_ah is not None
                else None
            )
            if zoom is not None:
                drawn.append(zoom)
        if result.capacity_ah is not None and result.capacity_ah.budget:
            drawn.append(Drawn("budget", _budget(result.capacity_ah.budget, lang)))
    return tuple(drawn)


def gap_spans(result: Result) -> tuple[Span, ...]:
    """The gaps as (start, end) in seconds; those without both times are not drawn."""
    found: list[Span] = []
    for gap in result.gaps:
        start, end = as_number(gap.get("started_s")), as_number(gap.get("ended_s"))
        if start is not None and end is not None:
            found.append((start, end))
    return tuple(found)


def _overview(result: Result, rows: Columns, lang: Lang) -> str:
    panels: list[tuple[str, FloatArray, str]] = [
        ("axis.voltage", rows.voltage_v, BLUE),
        ("axis.current", rows.current_a, INK),
    ]
    if np.isfinite(rows.temperature_max_c).any():
        panels.append(("axis.temperature", rows.temperature_max_c, VERMILLION))
    figure = Figure(figsize=(WIDTH_IN, 1.15 * len(panels) + 0.4))
    stack = _stack(figure, len(panels))
    gaps = gap_spans(result)
    unit_s, unit = _time_unit(_last_s(result, rows))
    for axes, (label, values, colour) in zip(stack, panels, strict=True):
        _backdrop(axes, result, rows, unit_s)
        x, y = break_at(*decimate(rows.t_s, values), gaps)
        axes.plot(x / unit_s, y, color=colour)
        axes.set_ylabel(text(label, lang))
    stack[1].axhline(0, color=MUTED, linewidth=0.6, zorder=1)
    _cycle_names(stack[0], rows, lang, unit_s)
    _trip_name(stack[0], result, lang, unit_s)
    stack[0].set_xlim(0, _last_s(result, rows) / unit_s)
    stack[-1].set_xlabel(text("axis.time", lang, unit=unit))
    return to_svg(figure)


def _cell_spread(result: Result, rows: Columns, lang: Lang) -> str:
    figure = Figure(figsize=(WIDTH_IN, 2.95))
    top, bottom = _stack(figure, 2, ratios=(2.2, 1))
    gaps = gap_spans(result)
    unit_s, unit = _time_unit(_last_s(result, rows))
    for axes in (top, bottom):
        _backdrop(axes, result, rows, unit_s)
    band = envelope(rows.t_s, rows.cells_v)
    x, low = break_at(band.x, band.low, gaps)
    _, mean = break_at(band.x, band.mean, gaps)
    _, high = break_at(band.x, band.high, gaps)
    top.fill_between(x / unit_s, low, high, color=SKY, alpha=0.45, linewidth=0)
    top.plot(x / unit_s, mean, color=BLUE, linewidth=0.9)
    handles: list[Any] = [
        Patch(color=SKY, alpha=0.45, label=text("legend.band", lang)),
        Line2D([], [], color=BLUE, linewidth=0.9, label=text("legend.mean", lang)),
    ]
    weakest = _weakest_column(result, rows)
    if weakest is not None:
        xw, yw = break_at(*decimate(rows.t_s, rows.cells_v[:, weakest]), gaps)
        top.plot(xw / unit_s, yw, color=VERMILLION, linewidth=1.0, linestyle=(0, (4, 1.4)))
        label = text("legend.weakest", lang, index=weakest + 1)
        handles.append(Line2D([], [], color=VERMILLION, linestyle=(0, (4, 1.4)), label=label))
    top.set_ylabel(text("axis.cell_voltage", lang))
    _legend(top, handles)
    spread_mv = 1e3 * (rows.cells_v.max(axis=1) - rows.cells_v.min(axis=1))
    xs, ys = break_at(*decimate(rows.t_s, spread_mv), gaps)
    bottom.plot(xs / unit_s, ys, color=PURPLE)
    bottom.set_ylim(bottom=0)
    bottom.set_ylabel(text("axis.spread", lang))
    bottom.set_xlim(0, _last_s(result, rows) / unit_s)
    bottom.set_xlabel(text("axis.time", lang, unit=unit))
    return to_svg(figure)


def _discharge_end(result: Result, rows: Columns, lang: Lang, cell_cutoff_v: float | None) -> Drawn | None:
    found = _zoom_window(result, rows)
    if found is None:
        return None
    window, cycle = found
    to_end_s = rows.t_s[window] - rows.t_s[window.stop - 1]
    unit_s, unit = _time_unit(-float(to_end_s[0]))
    to_end = to_end_s / unit_s
    cells_v = rows.cells_v[window]
    series = cells_v.shape[1]
    weakest = _weakest_column(result, rows)
    figure = Figure(figsize=(WIDTH_IN, 3.0 if series > 1 else 2.2))
    grid = figure.add_gridspec(2 if series > 1 else 1, 1, height_ratios=(1.7, 1) if series > 1 else (1,))
    top = figure.add_subplot(grid[0])
    tidy(top)
    others = [column for column in range(series) if column != weakest]
    lines = [np.column_stack(decimate(to_end, cells_v[:, column], _CELL_POINTS)) for column in others]
    top.add_collection(LineCollection(lines, colors=PALE if series > 1 else BLUE, linewidths=0.6))
    top.autoscale_view()
    handles: list[Any] = []
    if series > 1:
        handles.append(Line2D([], [], color=PALE, label=text("legend.others", lang)))
    if weakest is not None:
        top.plot(*decimate(to_end, cells_v[:, weakest]), color=VERMILLION, linewidth=1.4)
        label = text("legend.weakest", lang, index=weakest + 1)
        handles.append(Line2D([], [], color=VERMILLION, linewidth=1.4, label=label))
    cutoff = _cutoff_v(result, cycle, cell_cutoff_v)
    if cutoff is not None:
        top.axhline(cutoff, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        label = text("legend.cutoff", lang, value=significant(cutoff, 4))
        handles.append(Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (2, 2)), label=label))
    top.set_ylabel(text("axis.cell_voltage", lang))
    top.set_xlabel(text("axis.time_to_end", lang, unit=unit))
    top.xaxis.set_major_formatter(FuncFormatter(_without_sign))
    _legend(top, handles)
    if series > 1:
        _end_bars(figure.add_subplot(grid[1]), cells_v[-1], weakest, cutoff, lang)
    return Drawn("end", to_svg(figure), cycle)


def _without_sign(value: float, _place: int | None) -> str:
    return f"{abs(value):g}"


def _end_bars(axes: Axes, last_v: FloatArray, weakest: int | None, cutoff: float | None, lang: Lang) -> None:
    """Each cell's voltage at the end, as a stem from the lower edge: the scale does not start at zero."""
    tidy(axes)
    index = np.arange(1, last_v.size + 1)
    lowest, highest = float(np.nanmin(last_v)), float(np.nanmax(last_v))
    floor = min(lowest, cutoff if cutoff is not None else lowest) - 0.12 * max(highest - lowest, 1e-3)
    colours = [VERMILLION if column == weakest else SKY for column in range(last_v.size)]
    axes.vlines(index, floor, last_v, colors=colours, linewidth=min(2.2, 200 / last_v.size), alpha=0.55)
    axes.scatter(index, last_v, color=BLUE, s=7, zorder=3, linewidths=0)
    if weakest is not None:
        place = (weakest + 1, float(last_v[weakest]))
        axes.scatter(*place, color=VERMILLION, s=26, zorder=4, linewidths=0, marker="D")
        axes.annotate(
            str(weakest + 1),
            place,
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=VERMILLION,
        )
    if cutoff is not None:
        axes.axhline(cutoff, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    axes.set_ylim(bottom=floor)
    axes.set_xlim(0, last_v.size + 1)
    stride = max(1, 4 * round(last_v.size / 48))
    axes.set_xticks([1, *range(stride, last_v.size + 1, stride)] if stride > 1 else index.tolist())
    axes.set_ylabel(text("axis.cell_voltage", lang))
    axes.set_xlabel(text("axis.cell_index", lang))


def _budget(budget: tuple[Contribution, ...], lang: Lang) -> str:
    shown = sorted_budget(budget)
    labels = [name_of("budget", line.name, lang) for line, _share in shown]
    values = [1e3 * line.standard_u for line, _share in shown]
    figure = Figure(figsize=(WIDTH_IN, 0.6 + 0.24 * len(shown)))
    axes = figure.add_subplot()
    tidy(axes)
    axes.grid(visible=False)
    place = np.arange(len(shown))
    axes.barh(place, values, height=0.62, color=[BLUE if line.correlated else SKY for line, _share in shown])
    for y, (value, (_line, share)) in enumerate(zip(values, shown, strict=True)):
        axes.annotate(
            f"{milli(1e-3 * value)}  ({number(100 * share, 1)} %)",
            (value, y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=INK,
        )
    axes.set_yticks(place, labels)
    axes.invert_yaxis()
    axes.set_xlim(0, max(values, default=1.0) * 1.22 or 1.0)
    axes.set_xlabel(text("axis.standard_u", lang))
    handles = [Patch(color=BLUE), Patch(color=SKY)]
    names = [text("correlated.true", lang), text("correlated.false", lang)]
    axes.legend(handles, names, title=text("correlated", lang), loc="lower right", frameon=False, title_fontsize=7.5)
    return to_svg(figure)


def sorted_budget(budget: tuple[Contribution, ...]) -> list[tuple[Contribution, float]]:
    """Contributions with their share of the variance, largest first; the small ones beyond ten as one."""
    ordered = sorted(budget, key=lambda line: (-abs(line.standard_u), line.name))
    total = sum(line.standard_u**2 for line in ordered) or 1.0
    if len(ordered) > _BUDGET_BARS:
        rest = ordered[_BUDGET_BARS - 1 :]
        together = sum(line.standard_u**2 for line in rest) ** 0.5
        ordered = [*ordered[: _BUDGET_BARS - 1], Contribution("other", together, None, correlated=False)]
    return [(line, line.standard_u**2 / total) for line in ordered]


def _stack(figure: Figure, count: int, ratios: tuple[float, ...] | None = None) -> list[Axes]:
    grid = figure.add_gridspec(count, 1, height_ratios=ratios or (1.0,) * count)
    stack: list[Axes] = []
    for position in range(count):
        axes = figure.add_subplot(grid[position], sharex=stack[0] if stack else None)
        tidy(axes)
        axes.tick_params(axis="x", labelbottom=position == count - 1)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        stack.append(axes)
    figure.align_ylabels()
    return stack


def _backdrop(axes: Axes, result: Result, rows: Columns, unit_s: float) -> None:
    """What lies behind the lines: alternate cycles shaded, gaps hatched, a trip as a red line."""
    for cycle, start, end in spans_of(rows.cycle, rows.t_s):
        if cycle % 2 == 0:
            axes.axvspan(start / unit_s, end / unit_s, color=SHADE, linewidth=0, zorder=0)
    for start, end in gap_spans(result):
        axes.axvspan(start / unit_s, end / unit_s, facecolor="none", edgecolor=PALE, hatch="////", linewidth=0)
    for when in _trip_times_s(result):
        axes.axvline(when / unit_s, color="#b00020", linewidth=1.2, clip_on=False)


def _cycle_names(axes: Axes, rows: Columns, lang: Lang, unit_s: float) -> None:
    spans = [span for span in spans_of(rows.cycle, rows.t_s) if span[0] > 0]
    whole_s = float(rows.t_s[-1] - rows.t_s[0]) or 1.0
    for cycle, start, end in spans:
        if (end - start) / whole_s < 0.06:
            continue
        axes.annotate(
            text("cycle_n", lang, n=cycle),
            ((start + end) / 2 / unit_s, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=MUTED,
        )


def _trip_name(axes: Axes, result: Result, lang: Lang, unit_s: float) -> None:
    for when in _trip_times_s(result)[:1]:
        axes.annotate(
            text("trip_mark", lang),
            (when / unit_s, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            fontsize=7.5,
            color="#b00020",
        )


def _trip_times_s(result: Result) -> list[float]:
    times = [as_number(trip.get("t_s")) for trip in result.trips]
    return [when for when in times if when is not None]


def _last_s(result: Result, rows: Columns) -> float:
    """The right edge of a time axis: the last row, or the trip that came after it."""
    return max([float(rows.t_s[-1]), *_trip_times_s(result)])


def _time_unit(length_s: float) -> tuple[float, str]:
    """The unit of a time axis of this length: its seconds and its symbol."""
    return next((unit_s, symbol) for from_s, unit_s, symbol in _TIME_UNITS if length_s >= from_s)


def _legend(axes: Axes, handles: list[Any]) -> None:
    if handles:
        axes.legend(
            handles=handles,
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=len(handles),
            frameon=False,
            borderaxespad=0.2,
            handlelength=1.8,
        )


def _weakest_column(result: Result, rows: Columns) -> int | None:
    if result.weakest_cell is None or rows.cells_v.shape[1] < 2:
        return None
    column = result.weakest_cell.index - 1
    return column if 0 <= column < rows.cells_v.shape[1] else None


def _zoom_window(result: Result, rows: Columns) -> tuple[slice, int] | None:
    """The last part of the discharge that counts: the last agreeing cycle, else the last one that ended."""
    ended = [step.cycle for step in result.steps if "discharge" in step.kind]
    if not ended:
        return None
    counts = result.agreeing_cycles[-1] if result.agreeing_cycles else ended[-1]
    discharging = rows.current_a < -0.02 * max(float(np.nanmax(np.abs(rows.current_a))), 1e-9)
    stretch = last_stretch(discharging & (rows.cycle == counts))
    if stretch is None or stretch[1] - stretch[0] < 3:
        return None
    first, after = stretch
    t_s = rows.t_s[first:after]
    length_s = float(t_s[-1] - t_s[0])
    zoom_s = min(max(_ZOOM_SHARE * length_s, _ZOOM_MIN_S), _ZOOM_MAX_S, length_s)
    start = first + int(np.searchsorted(t_s, float(t_s[-1]) - zoom_s))
    window = slice(start, after)
    if not np.isfinite(rows.cells_v[window]).any():
        return None
    return window, counts


def _cutoff_v(result: Result, cycle: int, named_v: float | None) -> float | None:
    """The cell cut-off as the discharge's own end condition states it."""
    for step in reversed(result.steps):
        if step.cycle == cycle and "discharge" in step.kind:
            if re.search(r"cell_min\s*<=?\s*cell_cutoff", step.end_reason):
                return named_v
            match = re.search(r"cell_min\s*<=?\s*(\d+(?:\.\d+)?)\s*(m?)V", step.end_reason)
            if match:
                return float(match[1]) * (1e-3 if match[2] else 1.0)
    return None
