"""How a step ended, seen in its own samples: readings without their noise, and dQ/dV there.

Owns the local fits at the end of a charge or a discharge. Must not know of budgets. It exists
because a step that ends on a voltage turns an error of that voltage into charge: dQ = dV * dQ/dV,
with dQ/dV taken from the same curve, at its end, on the cell that ended it.

Two models, both linear least squares in the last stretch of the step, q counted from its end:
  constant current    v = a + b q + c q^2
  falling current     v = a + b q + c q^2 + R (i - i_end)      (taper, or CV)
`1/|b|` is dQ/dV at the end current, R what the end current costs in voltage. The last sample is
left out: it was picked for crossing the limit, so its noise has a sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packbench.analysis.table import SampleTable, cumulative_ah
from packbench.core.samples import FloatArray

WINDOW_V = 0.06
"""First try at the stretch that is fitted, per cell: well above noise, well below curvature."""
WINDOW_MAX_V = 0.5
ROWS_MIN = 8
SLOPE_REL_SE_MAX = 0.1
"""A slope less certain than this gets a wider window."""
STEADY_REL = 0.03
SMOOTH_ROWS = 40
"""The noise-free reading at the end is fitted over at most this many of the last rows."""


@dataclass(frozen=True, slots=True, eq=False)
class StepEnd:
    """The end of one step on one quantity (a cell's voltage, or the pack's)."""

    cell: int | None
    """The cell that ended it, from 1; None: the pack's voltage did."""
    limit_v: float
    ah_per_v: float
    """|dQ/dV| at the end, Ah/V."""
    resistance_ohm: float
    """What a change of the end current costs in voltage; 0 for a step that ends at full current."""
    current_a: float
    """Magnitude at the end."""
    reading_v: float
    """The ending quantity's reading at the end, noise fitted away."""
    cell_readings_v: FloatArray
    """shape (series,): every cell's reading at the end, noise fitted away."""
    pack_voltage_v: float


def fit_end(rows: SampleTable, cell: int | None, limit_v: float, series: int) -> StepEnd | None:
    """Fit the end of a step from its rows; None when they do not say enough (too few, flat, no cells)."""
    if len(rows) < ROWS_MIN + 1 or (cell is not None and rows.cell_voltages_v.shape[1] < cell):
        return None
    q_ah = cumulative_ah(rows)
    q_ah = (q_ah - q_ah[-1])[:-1]
    quantity = rows.voltage_v if cell is None else rows.cell_voltages_v[:, cell - 1]
    quantity, current_a = quantity[:-1], rows.current_a[:-1]
    if not np.isfinite(quantity).all():
        rows = _only(rows, np.append(np.isfinite(quantity), True))
        return fit_end(rows, cell, limit_v, series)
    fit = _slope(q_ah, quantity, current_a, WINDOW_V * (1 if cell is not None else series))
    if fit is None:
        return None
    slope_v_per_ah, resistance_ohm, start = fit
    end_current_a = float(np.median(current_a[-3:]))
    steady = _steady_from(current_a, end_current_a)
    smooth = slice(min(max(steady, start, current_a.size - SMOOTH_ROWS), current_a.size - ROWS_MIN // 2), None)
    cells_v = _value_at_end(q_ah[smooth], rows.cell_voltages_v[:-1][smooth])
    pack_v = _value_at_end(q_ah[smooth], rows.voltage_v[:-1][smooth][:, None])
    reading_v = float(pack_v[0]) if cell is None else float(cells_v[cell - 1])
    return StepEnd(
        cell,
        limit_v,
        1.0 / abs(slope_v_per_ah),
        max(resistance_ohm, 0.0),
        abs(end_current_a),
        reading_v,
        cells_v,
        float(pack_v[0]),
    )


def _only(rows: SampleTable, keep: NDArray[np.bool_]) -> SampleTable:
    """The rows whose ending quantity was read."""
    return SampleTable(
        rows.t_s[keep],
        rows.voltage_v[keep],
        rows.current_a[keep],
        rows.cell_voltages_v[keep],
        rows.temperatures_c[keep],
        rows.step[keep],
        rows.cycle[keep],
    )


def _slope(q_ah: FloatArray, v: FloatArray, current_a: FloatArray, window_v: float) -> tuple[float, float, int] | None:
    """(dv/dq at the end in V/Ah, R in ohm, first row used), from the least window that makes the slope certain."""
    widest_v = window_v * WINDOW_MAX_V / WINDOW_V
    while True:
        outside = np.flatnonzero(np.abs(v - np.median(v[-3:])) > window_v)
        start = min(int(outside[-1]) + 1 if outside.size else 0, v.size - ROWS_MIN)
        columns = [np.ones(v.size - start), q_ah[start:], q_ah[start:] ** 2]
        spread_a = current_a[start:] - current_a[-1]
        tapered = bool(np.max(np.abs(spread_a)) > STEADY_REL * np.max(np.abs(current_a)))
        if tapered:
            columns.append(spread_a)
        design = np.column_stack(columns)
        solution, _, rank, _ = np.linalg.lstsq(design, v[start:], rcond=None)
        slope = float(solution[1])
        if rank == design.shape[1] and slope != 0.0:
            spare = max(v.size - start - design.shape[1], 1)
            residual = float(np.sum((v[start:] - design @ solution) ** 2)) / spare
            error = float(np.sqrt(residual * np.linalg.inv(design.T @ design)[1, 1]))
            if error < SLOPE_REL_SE_MAX * abs(slope) or window_v >= widest_v or start == 0:
                return slope, float(solution[3]) if tapered else 0.0, start
        elif window_v >= widest_v or start == 0:
            return None
        window_v *= 1.5


def _steady_from(current_a: FloatArray, end_current_a: float) -> int:
    """First row of the last stretch at the end current, with at least four rows in it."""
    away = np.flatnonzero(np.abs(current_a - end_current_a) > STEADY_REL * abs(end_current_a))
    return min(int(away[-1]) + 1 if away.size else 0, current_a.size - 4)


def _value_at_end(q_ah: FloatArray, values: FloatArray) -> FloatArray:
    """Each column's value at the end of the step (q = 0), by a line or a parabola through its rows."""
    degree = 2 if q_ah.size >= 3 * ROWS_MIN else 1
    design = np.vander(q_ah, degree + 1, increasing=True)
    solution = np.linalg.lstsq(design, values, rcond=None)[0]
    return np.asarray(solution[0], dtype=np.float64)
