"""How a step ended, seen in its own samples: readings without their noise, and dQ/dV there.

Owns the local fits at the end of a charge or a discharge. Must not know of budgets. It exists
because a step that ends on a voltage turns an error of that voltage into charge: dQ = dV * dQ/dV,
with dQ/dV taken from the same curve, at its end, on the cell that ended it.

Two models, both linear least squares, q counted from the step's end (Ah):

  constant current   v = a + b q + c q^2
      in the last stretch of voltage: the loaded curve is what a later end would have followed.
  falling current    v = a + b q + c q^2 + R0 i + R1 i_60 + R2 i_600     (taper, or CV)
      i_60 and i_600 are the current through first-order filters of 60 s and 600 s: a basis for any
      polarisation between seconds and half an hour. Without them the slow relaxation during a taper
      passes for a flat curve and dQ/dV comes out nearly twice too large. Windows are tried from wide
      (8 % of rated) to narrow until the model fits to the readings' noise; a sharp knee gets a narrow
      one. A filter whose resistance comes out negative is left out.

1/|b| is dQ/dV, R0 + R1 + R2 what a change of the end current costs in voltage. The last sample is
left out: it was picked for crossing the limit, so its noise has a sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packbench.analysis.table import SampleTable, cumulative_ah
from packbench.core.samples import FloatArray

WINDOW_V = 0.06
"""Constant current: first try at the stretch that is fitted, per cell; well above noise, well below curvature."""
WINDOW_MAX_V = 0.5
WINDOWS_OF_RATED = (0.08, 0.05, 0.03, 0.02, 0.012, 0.007, 0.004)
"""Falling current: stretches tried, as parts of the rated capacity."""
FILTERS_S = (60.0, 600.0)
FIT_V = 0.001
"""A cell's model fits when its residual is not above this, or 1.3 times the readings' noise."""
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


@dataclass(frozen=True, slots=True)
class _Fit:
    """dv/dq at the end (V/Ah), resistance (ohm), first row used."""

    slope: float
    ohm: float
    start: int


def fit_end(rows: SampleTable, cell: int | None, limit_v: float, series: int, rated_ah: float) -> StepEnd | None:
    """Fit the end of a step from its rows; None when they do not say enough (too few, flat, no cells)."""
    if len(rows) < ROWS_MIN + 1 or (cell is not None and rows.cell_voltages_v.shape[1] < cell):
        return None
    quantity = rows.voltage_v if cell is None else rows.cell_voltages_v[:, cell - 1]
    readable = np.isfinite(quantity)
    readable[-1] = True  # the last row counts for its charge alone
    if np.count_nonzero(readable) <= ROWS_MIN:
        return None
    if not readable.all():
        rows, quantity = rows.part(readable), quantity[readable]
    q_ah = cumulative_ah(rows)
    q_ah = (q_ah - q_ah[-1])[:-1]
    v, current_a = quantity[:-1], rows.current_a[:-1]
    cells = series if cell is None else 1
    end_current_a = float(np.median(current_a[-3:]))
    if abs(end_current_a) < (1.0 - STEADY_REL) * float(np.max(np.abs(current_a))):
        fit = _falling(rows.t_s[:-1], q_ah, v, current_a, FIT_V * cells, rated_ah)
    else:
        fit = _steady(q_ah, v, WINDOW_V * cells)
    if fit is None or fit.slope == 0.0:
        return None
    away = np.flatnonzero(np.abs(current_a - end_current_a) > STEADY_REL * abs(end_current_a))
    first = max(int(away[-1]) + 1 if away.size else 0, fit.start, v.size - SMOOTH_ROWS)
    smooth = slice(min(first, v.size - ROWS_MIN // 2), None)
    cells_v = _value_at_end(q_ah[smooth], rows.cell_voltages_v[:-1][smooth])
    pack_v = _value_at_end(q_ah[smooth], rows.voltage_v[:-1][smooth][:, None])
    return StepEnd(
        cell,
        limit_v,
        1.0 / abs(fit.slope),
        max(fit.ohm, 0.0),
        abs(end_current_a),
        float(pack_v[0]) if cell is None else float(cells_v[cell - 1]),
        cells_v,
        float(pack_v[0]),
    )


def _steady(q_ah: FloatArray, v: FloatArray, window_v: float) -> _Fit | None:
    """Constant current: the least window of voltage that makes the slope certain."""
    widest_v = window_v * WINDOW_MAX_V / WINDOW_V
    while True:
        outside = np.flatnonzero(np.abs(v - np.median(v[-3:])) > window_v)
        start = min(int(outside[-1]) + 1 if outside.size else 0, v.size - ROWS_MIN)
        design = np.column_stack((np.ones(v.size - start), q_ah[start:], q_ah[start:] ** 2))
        solution, error, _ = _least_squares(design, v[start:])
        slope = float(solution[1])
        if error < SLOPE_REL_SE_MAX * abs(slope):
            return _Fit(slope, 0.0, start)
        if window_v >= widest_v or start == 0:
            return _Fit(slope, 0.0, start) if error < abs(slope) else None
        window_v *= 1.5


def _falling(
    t_s: FloatArray, q_ah: FloatArray, v: FloatArray, current_a: FloatArray, fit_v: float, rated_ah: float
) -> _Fit | None:
    """Taper or CV: the widest window in which the model fits to the noise."""
    filtered = [_filtered(t_s, current_a, tau_s) for tau_s in FILTERS_S]
    best: _Fit | None = None
    for part in WINDOWS_OF_RATED:
        start = min(int(np.searchsorted(q_ah, -part * rated_ah)), v.size - ROWS_MIN)
        currents = [each[start:] - each[-1] for each in (current_a, *filtered)]
        fit, residual_v = _polarised(q_ah[start:], v[start:], currents, start)
        if fit is None:
            continue
        best = fit
        if residual_v <= max(fit_v, 1.3 * _noise_v(v[start:])):
            break
    return best


def _polarised(q_ah: FloatArray, v: FloatArray, currents: list[FloatArray], start: int) -> tuple[_Fit | None, float]:
    """One window of the falling-current model; resistances that come out negative are left out."""
    base = [np.ones(q_ah.size), q_ah, q_ah**2]
    used = list(currents)
    while q_ah.size > len(base) + len(used):
        solution, error, residual_v = _least_squares(np.column_stack((*base, *used)), v)
        ohms = solution[len(base) :]
        if used and float(ohms.min()) < 0.0:
            used.pop(int(ohms.argmin()))
            continue
        slope = float(solution[1])
        if error > 0.5 * abs(slope):
            return None, residual_v
        return _Fit(slope, float(ohms.sum()), start), residual_v
    return None, float("inf")


def _least_squares(design: FloatArray, v: FloatArray) -> tuple[FloatArray, float, float]:
    """(solution, standard error of the slope in column 1, residual standard deviation)."""
    scale = np.maximum(np.abs(design).max(axis=0), 1e-300)
    scaled = design / scale
    solution = np.asarray(np.linalg.lstsq(scaled, v, rcond=None)[0], dtype=np.float64)
    residuals = v - scaled @ solution
    variance = float(residuals @ residuals) / max(v.size - design.shape[1], 1)
    inverse = np.asarray(np.linalg.pinv(scaled.T @ scaled), dtype=np.float64)
    error = float(np.sqrt(variance * float(inverse[1, 1]))) / float(scale[1])
    return solution / scale, error, float(np.sqrt(variance))


def _filtered(t_s: FloatArray, current_a: FloatArray, tau_s: float) -> FloatArray:
    """The current through a first-order filter, at rest before the step; shape (n,)."""
    keeps = np.exp(-np.diff(t_s) / tau_s).tolist()
    state, states = 0.0, [0.0]
    for keep, current in zip(keeps, current_a[:-1].tolist(), strict=True):
        state = keep * state + (1.0 - keep) * current
        states.append(state)
    return np.array(states)


def _noise_v(v: FloatArray) -> float:
    """Standard deviation of a reading, from second differences (steps of the current do not disturb the median)."""
    seconds = np.abs(np.diff(v, 2))
    return float(np.median(seconds)) / 0.6745 / 6.0**0.5 if seconds.size else 0.0


def _value_at_end(q_ah: FloatArray, values: FloatArray) -> FloatArray:
    """Each column's value at the end of the step (q = 0), by a line or a parabola; NaN where a row is missing."""
    degree = 2 if q_ah.size >= ROWS_MIN else 1
    design = np.vander(q_ah, degree + 1, increasing=True)
    at_end = np.full(values.shape[1], np.nan)
    read = np.isfinite(values).all(axis=0)
    at_end[read] = np.linalg.lstsq(design, values[:, read], rcond=None)[0][0]
    return at_end
