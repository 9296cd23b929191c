"""The figures of the diagnostics, as SVG text: open-circuit voltage, incremental capacity, differential voltage.

Owns what is drawn and how it is labelled. Must not analyse: every curve is drawn as the result has it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from packbench.core.diagnostics import DerivativeCurve, Diagnostics, OcvCurve
from packbench.core.result import Result
from packbench.report.document import Drawn
from packbench.report.style import BLUE, GREEN, PURPLE, VERMILLION, WIDTH_IN, house_style, tidy, to_svg
from packbench.report.texts import Lang, text

_COLOURS: Final = {"charge": VERMILLION, "discharge": BLUE, "mean": GREEN}
_HIGHEST_PERCENT: Final = 98.0
"""The scale of dV/dQ leaves out the steep ends, which would press all else flat."""


def draw_diagnostics(result: Result, lang: Lang) -> tuple[Drawn, ...]:
    """The curves that there are."""
    told = result.diagnostics
    if told is None or not (told.derivatives or told.ocv):
        return ()
    drawn: list[Drawn] = []
    with house_style(lang):
        if told.derivatives:
            drawn.append(Drawn("derivatives", _derivatives(told, lang)))
        if told.ocv:
            drawn.append(Drawn("ocv", _ocv(told.ocv, lang)))
    return tuple(drawn)


def _derivatives(told: Diagnostics, lang: Lang) -> str:
    figure = Figure(figsize=(WIDTH_IN, 2.7))
    grid = figure.add_gridspec(1, 2)
    left, right = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    handles: list[Any] = []
    tops: list[float] = []
    for curve in told.derivatives:
        colour = _COLOURS[curve.direction]
        inverse = np.array([np.nan if value is None else value for value in curve.dq_dv_ah_v], dtype=np.float64)
        left.plot(curve.voltage_v, inverse, color=colour)
        steepness = np.abs(np.array(curve.dv_dq_v_ah)) * 1e3
        right.plot(curve.charge_ah, steepness, color=colour)
        tops.append(float(np.percentile(steepness, _HIGHEST_PERCENT)) * 1.15)
        handles.append(Line2D([], [], color=colour, label=_name(curve, lang)))
    for axes in (left, right):
        tidy(axes)
        axes.set_ylim(bottom=0)
    right.set_ylim(top=max(tops))
    left.set_xlabel(text("axis.cell_voltage" if told.derivatives[0].of == "mean_cell" else "axis.voltage", lang))
    left.set_ylabel(text("axis.dq_dv", lang))
    right.set_xlabel(text("axis.moved", lang))
    right.set_ylabel(text("axis.dv_dq", lang))
    _legend(left, handles)
    return to_svg(figure)


def _name(curve: DerivativeCurve, lang: Lang) -> str:
    words = text(f"branch.{curve.direction}", lang)
    return words if curve.rate_per_h is None else f"{words}, C/{1.0 / curve.rate_per_h:.1f}"


def _ocv(curves: tuple[OcvCurve, ...], lang: Lang) -> str:
    figure = Figure(figsize=(WIDTH_IN, 2.5))
    axes = figure.add_subplot()
    tidy(axes)
    handles: list[Any] = []
    by_soc = all(point.soc is not None for curve in curves for point in curve.points)
    for curve in curves:
        colour = _COLOURS.get(curve.branch, PURPLE)
        x = [100.0 * (point.soc or 0.0) if by_soc else point.charge_ah for point in curve.points]
        axes.plot(x, [point.voltage_v.value for point in curve.points], color=colour, marker="o", markersize=3)
        words = text(f"ocv.{curve.method}", lang, branch=text(f"branch.{curve.branch}", lang))
        handles.append(Line2D([], [], color=colour, marker="o", markersize=3, label=words))
    axes.margins(x=0.02)
    axes.set_xlabel(text("axis.soc" if by_soc else "axis.moved", lang))
    axes.set_ylabel(text("axis.cell_voltage" if curves[0].of == "mean_cell" else "axis.voltage", lang))
    _legend(axes, handles)
    return to_svg(figure)


def _legend(axes: Axes, handles: list[Any]) -> None:
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(handles), frameon=False)
