"""The cell that ends a discharge, and what the next one would still have given.

Owns the margin. Method: at the end the weakest cell stands at its cut-off and the next one at
v2 > v1. The weakest cell itself passed v2 a little earlier, on the same discharge, at the same
current; the charge from there to the end is taken as what the next cell still had. Assumption:
near its end the next cell falls along the weakest cell's own curve (same chemistry and load). For
cells of other capacity or resistance that shape differs by their ratio, so SHAPE_REL of the margin
is one of its uncertainties. On a plateau the voltage says little, and U says so.
"""

from __future__ import annotations

import math

import numpy as np

from packbench.analysis.ends import StepEnd
from packbench.analysis.extremes import standard_bound
from packbench.analysis.table import SampleTable, cumulative_ah
from packbench.analysis.uncertainty import combine
from packbench.core.result import Contribution, Measured, Note, WeakestCell
from packbench.core.samples import FloatArray
from packbench.core.specs import Accuracy

SHAPE_REL = 0.15
"""Bound (rectangular) on how far the next cell's curve may differ in shape: a house rule."""
SMOOTHING_ROWS = 5


def named(
    rows: SampleTable, end: StepEnd | None, cell: int, reason: str, accuracy: Accuracy | None
) -> WeakestCell | None:
    """The cell that ended a discharge, with its margin and whether that settles it; None where there is no margin.

    A cell of many is named only with its margin (`rows` and `end` are the discharge's; too few samples give none).
    A single cell is the weakest without one.
    """
    if rows.cell_voltages_v.shape[1] == 1:
        return WeakestCell(cell, reason, None)
    found = None if end is None else margin(rows, end, accuracy)
    if end is None or found is None:
        return None
    decided = None if found.U is None else bool(found.value > found.U)
    others_v = np.where(np.isfinite(end.cell_readings_v), end.cell_readings_v, np.inf)
    others_v[cell - 1] = np.inf
    return WeakestCell(cell, reason, found, decided, int(np.argmin(others_v)) + 1)


def undecided_note(weakest: WeakestCell | None) -> list[Note]:
    """What must be said when the margin lies within its own uncertainty."""
    if weakest is None or weakest.decided is not False:
        return []
    return [
        Note(
            "weakest_not_decided",
            f"Which cell is the weakest is not decided: cell {weakest.index} ended the discharge, but its margin "
            f"before cell {weakest.next_index} lies within its own uncertainty.",
            f"最弱单体尚不能确定：放电由 {weakest.index} 号单体终止，但其与 {weakest.next_index} 号单体"
            "之间的余量小于自身不确定度。",
        )
    ]


def margin(rows: SampleTable, end: StepEnd, cell: Accuracy | None) -> Measured | None:
    """Ah that the second cell to reach its cut-off would still have given; None with a single cell.

    `rows` are the discharge's; `end` is its end, on a cell. Without an accuracy statement U is None.
    """
    if end.cell is None or end.cell_readings_v.size < 2:
        return None
    others = np.delete(end.cell_readings_v, end.cell - 1)
    others = others[np.isfinite(others)]
    if others.size == 0:
        return None
    next_v = float(others.min())
    to_go_ah, curve_v = _falling_curve(rows, end.cell)
    value, slope = _to_go(to_go_ah, curve_v, next_v)
    if cell is None:
        return Measured(value, None, None, 0.95, "Ah")
    channel_v = math.hypot(standard_bound(cell.offset, cell.distribution), cell.resolution / math.sqrt(12.0))
    budget = (
        Contribution("cutoff_voltage", channel_v * end.ah_per_v, None, correlated=True),
        Contribution("next_cell_voltage", channel_v * slope, None, correlated=True),
        Contribution("curve_shape", SHAPE_REL * value / math.sqrt(3.0), None, correlated=True),
    )
    return combine(value, budget, "Ah")


def _falling_curve(rows: SampleTable, cell: int) -> tuple[FloatArray, FloatArray]:
    """(Ah still to go, V) of one cell, smoothed and never rising: shape (n,) each, in order of time."""
    v = rows.cell_voltages_v[:, cell - 1]
    good = np.isfinite(v)
    charge = cumulative_ah(rows)
    to_go = np.abs(charge[-1] - charge[good])
    v = v[good]
    if v.size >= 3 * SMOOTHING_ROWS:
        half = SMOOTHING_ROWS // 2
        padded = np.concatenate((np.full(half, v[0]), v, 2.0 * v[-1] - v[-2 : -2 - half : -1]))
        v = np.convolve(padded, np.full(SMOOTHING_ROWS, 1.0 / SMOOTHING_ROWS), mode="valid")
    return to_go, np.minimum.accumulate(v)


def _to_go(to_go_ah: FloatArray, curve_v: FloatArray, at_v: float) -> tuple[float, float]:
    """(Ah to go where the curve passes at_v, |dQ/dV| there)."""
    rising_v, rising_ah = curve_v[::-1], to_go_ah[::-1]
    value = float(np.interp(at_v, rising_v, rising_ah))
    step_v = 0.01
    above = float(np.interp(at_v + step_v, rising_v, rising_ah))
    below = float(np.interp(at_v - step_v, rising_v, rising_ah))
    return value, (above - below) / (2.0 * step_v)
