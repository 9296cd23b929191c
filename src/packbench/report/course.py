"""The expected course of a test as a picture: pack voltage, current, cells and temperature over the steps.

Owns the drawing and the file. Must not simulate: it is handed lines (report/keeping.py) and steps. The
picture says of itself that it is simulated, wherever it is pasted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from rich.cells import cell_len

from packbench.core.errors import PackbenchError
from packbench.core.samples import FloatArray
from packbench.report.numbers import NBSP, duration, number, significant
from packbench.report.series import decimate
from packbench.report.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    PALE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH_IN,
    house_style,
    tidy,
    to_svg,
)
from packbench.report.terminal import cut
from packbench.report.texts import Lang, text

Series = Literal["voltage_v", "current_a", "cell_min_v", "cell_max_v", "temperature_c", "chamber_c"]
SERIES: Final[tuple[Series, ...]] = (
    "voltage_v", "current_a", "cell_min_v", "cell_max_v", "temperature_c", "chamber_c",
)  # fmt: skip
Line = tuple[FloatArray, FloatArray]
"""Seconds from the start, and values."""

_MARK: Final = "#8a6100"
"""As the reports' provenance mark."""
_STOP: Final = "#b00020"
"""As a trip in the reports' figures."""
_PNG_DPI: Final = 200
_HEAD_IN: Final = 0.42
_FOOT_IN: Final = 0.28
_FOOT_CELLS: Final = 125
"""Letters that the foot has room for beside the program's name."""
_SPAN_MIN: Final[dict[Series, float]] = {"temperature_c": 2.0, "voltage_v": 0.02, "current_a": 0.2}
"""A scale shows no less than this: noise is not to look like news."""
_TIME_UNITS: Final = ((172_800.0, 86_400.0, "d"), (7200.0, 3600.0, "h"), (180.0, 60.0, "min"), (0.0, 1.0, "s"))
"""(from this length on in s, the unit in s, its symbol)."""
_NAMED_SHARE: Final = 0.011
"""Of the width of the picture, a letter: a step's name is written where it fits."""
_PARTED_MAX: Final = 60
"""Of more steps no ends are drawn."""
_PHASES_MAX: Final = 1000
"""More steps than this are no longer told apart by eye: neighbours of a kind are drawn as one."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One executed step."""

    label: str
    kind: str
    started_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Course:
    """What is drawn."""

    title: str
    subtitle: str
    lines: Mapping[Series, Line]
    phases: tuple[Phase, ...]
    series: int
    """Cells in series: of a single one, the pack's voltage is the cell's."""
    cell_full_v: float
    cell_cutoff_v: float
    duration_s: float
    made_with: str
    stopped: str = ""
    """Why it stopped before the profile's end; "": it did not."""


def write_course(course: Course, path: Path, lang: Lang) -> None:
    """Write the picture as SVG or PNG, by the file's suffix.

    Raises FontMissing when Chinese is wanted and there is no font for it, PackbenchError when the file cannot be
    written.
    """
    with house_style(lang):
        figure = draw_course(course, lang)
        try:
            if path.suffix.lower() == ".png":
                figure.savefig(path, format="png", dpi=_PNG_DPI, metadata={"Software": course.made_with})
            else:
                path.write_text(to_svg(figure), encoding="utf-8")
        except OSError as error:
            raise PackbenchError(f"{path}: cannot be written: {error.strerror or error}") from error


def draw_course(course: Course, lang: Lang) -> Figure:
    """The picture, drawn inside `house_style`."""
    panels = 4 if course.series > 1 else 3
    inches = 1.1 + 1.3 * panels
    figure = Figure(figsize=(WIDTH_IN, inches), facecolor="white")
    room = (0.0, _FOOT_IN / inches, 1.0, 1.0 - (_HEAD_IN + _FOOT_IN) / inches)
    figure.set_layout_engine("constrained", rect=room)
    unit_s, unit = next((unit_s, symbol) for from_s, unit_s, symbol in _TIME_UNITS if course.duration_s >= from_s)
    grid = figure.add_gridspec(panels + 1, 1, height_ratios=(0.16, *(1.0,) * panels))
    strip = figure.add_subplot(grid[0])
    stack = [figure.add_subplot(grid[row + 1], sharex=strip) for row in range(panels)]
    _steps(strip, course, lang, unit_s)
    _plain(stack[0], course, "voltage_v", unit_s, BLUE, text("axis.voltage", lang))
    _plain(stack[1], course, "current_a", unit_s, INK, text("axis.current", lang))
    stack[1].axhline(0, color=MUTED, linewidth=0.6, zorder=1)
    if course.series > 1:
        _cells(stack[2], course, unit_s, lang)
    _temperature(stack[-1], course, unit_s, lang)
    for axes in stack:
        _edges(axes, course, unit_s)
        axes.tick_params(axis="x", labelbottom=axes is stack[-1])
    strip.set_xlim(0, max(course.duration_s, 1e-9) / unit_s)
    stack[-1].set_xlabel(text("axis.time", lang, unit=unit))
    figure.align_ylabels(stack)
    _frame(figure, course, lang)
    return figure


def _plain(axes: Axes, course: Course, name: Series, unit_s: float, colour: str, label: str) -> None:
    tidy(axes)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    x, y = decimate(*course.lines[name])
    axes.plot(x / unit_s, y, color=colour)
    axes.set_ylabel(label)
    low, high = axes.get_ylim()
    if y.size and high - low < _SPAN_MIN[name]:
        axes.set_ylim((low + high - _SPAN_MIN[name]) / 2, (low + high + _SPAN_MIN[name]) / 2)


def _cells(axes: Axes, course: Course, unit_s: float, lang: Lang) -> None:
    """From the lowest to the highest cell, with what the cells are charged and discharged to."""
    tidy(axes)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    (x, low), (x_high, high) = decimate(*course.lines["cell_min_v"]), decimate(*course.lines["cell_max_v"])
    if x.size and x_high.size:
        every = np.union1d(x, x_high)
        band = (np.interp(every, x, low), np.interp(every, x_high, high))
        axes.fill_between(every / unit_s, *band, color=SKY, alpha=0.45, linewidth=0)
        axes.plot(x / unit_s, low, color=BLUE, linewidth=0.8)
        axes.plot(x_high / unit_s, high, color=SKY, linewidth=0.8)
    axes.margins(y=0.1)
    for value, words, above in (
        (course.cell_full_v, text("course.full", lang, value=significant(course.cell_full_v, 3)), False),
        (course.cell_cutoff_v, text("legend.cutoff", lang, value=significant(course.cell_cutoff_v, 3)), True),
    ):
        axes.axhline(value, color=MUTED, linewidth=0.7, linestyle=(0, (2, 2)))
        axes.annotate(
            words,
            (0.0, value),
            xycoords=("axes fraction", "data"),
            xytext=(3, 1.5 if above else -2.0),
            textcoords="offset points",
            va="bottom" if above else "top",
            fontsize=6.5,
            color=MUTED,
        )
    axes.set_ylabel(text("axis.cell_voltage", lang))


def _temperature(axes: Axes, course: Course, unit_s: float, lang: Lang) -> None:
    """The hottest sensor, with its peak marked, and the air of the chamber where there is one."""
    axes.margins(y=0.18)
    air_x, air_y = decimate(*course.lines["chamber_c"])
    if air_y.size:
        axes.plot(air_x / unit_s, air_y, color=MUTED, linewidth=0.8, linestyle=(0, (4, 1.4)))
        handle = Line2D([], [], color=MUTED, linewidth=0.8, linestyle=(0, (4, 1.4)), label=text("course.chamber", lang))
        axes.legend(handles=[handle], loc="best", frameon=False, fontsize=6.5, handlelength=2.2, borderaxespad=0.2)
    _plain(axes, course, "temperature_c", unit_s, VERMILLION, text("axis.temperature", lang))
    x, y = course.lines["temperature_c"]
    if not y.size:
        return
    at = int(y.argmax())
    axes.plot(x[at] / unit_s, y[at], marker="o", markersize=3.2, color=VERMILLION, clip_on=False)
    share = float(x[at]) / max(float(x[-1]), 1e-9)
    axes.annotate(
        f"{number(float(y[at]), 1)}{NBSP}°C",
        (float(x[at]) / unit_s, float(y[at])),
        xytext=(4 if share < 0.85 else -4, 3),
        textcoords="offset points",
        ha="left" if share < 0.85 else "right",
        fontsize=7.5,
        color=VERMILLION,
    )


def _steps(axes: Axes, course: Course, lang: Lang, unit_s: float) -> None:
    """What the test is doing, as a strip of colours; a step's name where there is room for it."""
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    for phase in _drawn_phases(course):
        width_s = phase.ended_s - phase.started_s
        axes.axvspan(
            phase.started_s / unit_s, phase.ended_s / unit_s, color=_colour(phase.kind), linewidth=0, alpha=0.85
        )
        if name := _fitting(phase.label, width_s / course.duration_s):
            axes.annotate(
                name,
                ((phase.started_s + phase.ended_s) / 2 / unit_s, 0.5),
                ha="center",
                va="center",
                fontsize=6.5,
                color=INK if _colour(phase.kind) == PALE else "white",
            )
    _part(axes, course, unit_s, "white", 2)
    families: list[_Family] = list(dict.fromkeys(_family(phase.kind) for phase in course.phases))
    handles = [Patch(color=_COLOURS[family], alpha=0.85, label=text(f"course.{family}", lang)) for family in families]
    if handles:
        axes.legend(
            handles=handles,
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=len(handles),
            frameon=False,
            borderaxespad=0.3,
            handlelength=1.0,
            handleheight=0.8,
            columnspacing=1.2,
            fontsize=7.0,
        )


def _fitting(label: str, share: float) -> str:
    """A step's name, of a sub-profile's step its last parts, where it fits into that share of the width; else ""."""
    while label and cell_len(label) * _NAMED_SHARE > share:
        label = label.partition(".")[2]
    return label


def _edges(axes: Axes, course: Course, unit_s: float) -> None:
    """Where a step ends, a hair line; of very many, none."""
    _part(axes, course, unit_s, PALE, 0)
    if course.stopped:
        axes.axvline(course.duration_s / unit_s, color=_STOP, linewidth=1.2, clip_on=False)


def _part(axes: Axes, course: Course, unit_s: float, colour: str, zorder: float) -> None:
    phases = _drawn_phases(course)
    if len(phases) <= _PARTED_MAX:
        for phase in phases[:-1]:
            axes.axvline(phase.ended_s / unit_s, color=colour, linewidth=0.5, zorder=zorder)


def _frame(figure: Figure, course: Course, lang: Lang) -> None:
    """Title, what it is of, and that nobody measured it."""
    inches = figure.get_figheight()
    left, top = 0.012, 1.0 - 0.10 / inches
    figure.text(left, top, course.title, va="top", fontsize=10.5, color=INK)
    figure.text(left, top - 0.20 / inches, course.subtitle, va="top", fontsize=8.0, color=MUTED)
    figure.text(
        0.983,
        top - 0.03 / inches,
        text("provenance.simulated", lang),
        va="top",
        ha="right",
        fontsize=8.0,
        color=_MARK,
        bbox={"boxstyle": "round,pad=0.35", "facecolor": "#fff7e0", "edgecolor": _MARK, "linewidth": 0.7},
    )
    how = text("course.duration", lang, duration=duration(course.duration_s))
    if course.stopped:
        words, colour = cut(f"{duration(course.duration_s)}  {course.stopped}", _FOOT_CELLS), _STOP
    else:
        words, colour = f"{how}  ·  {text('course.note', lang)}", MUTED
    foot: dict[str, Any] = {"va": "baseline", "fontsize": 6.8}
    figure.text(left, 0.10 / inches, words, color=colour, **foot)
    figure.text(0.988, 0.10 / inches, course.made_with, ha="right", color=MUTED, **foot)


def _drawn_phases(course: Course) -> tuple[Phase, ...]:
    """The steps, or of very many the stretches of one kind."""
    if len(course.phases) <= _PHASES_MAX:
        return course.phases
    merged: list[Phase] = []
    for phase in course.phases:
        if merged and _family(merged[-1].kind) == _family(phase.kind):
            merged[-1] = Phase("", phase.kind, merged[-1].started_s, phase.ended_s)
        else:
            merged.append(Phase("", phase.kind, phase.started_s, phase.ended_s))
    return tuple(merged)


_Family = Literal["charge", "discharge", "rest", "profile", "soak", "other"]
_COLOURS: Final[dict[_Family, str]] = {
    "charge": BLUE,
    "discharge": VERMILLION,
    "rest": PALE,
    "profile": PURPLE,
    "soak": GREEN,
    "other": SKY,
}


def _family(kind: str) -> _Family:
    if kind.endswith("discharge"):
        return "discharge"
    if kind.endswith("charge"):
        return "charge"
    if kind in ("rest", "soak"):
        return kind
    return "profile" if kind in ("pulse", "current_profile", "power_profile") else "other"


def _colour(kind: str) -> str:
    return _COLOURS[_family(kind)]
