"""ICA and DVA: dQ/dV and dV/dQ of the constant-current part of a step.

Owns the smoothing, and states it with every curve. The rows are averaged into POINTS bins of equal charge (which takes
any sampling, even or not), and a Savitzky-Golay filter of second order over WINDOW bins gives voltage and dV/dQ at
once; dQ/dV is its reciprocal. A bin without a row is filled along the line between its neighbours. Pure.

Uncertainty of dV/dQ: the filter's own weights times the scatter of the bins about the smoothed curve (type A; rounding
included), and the gains of both meters. A bias by the smoothing itself is not in it: features narrower than the window
are flattened.
"""

from __future__ import annotations

import math

import numpy as np

from packbench.analysis.diagnose.evidence import Evidence, Meters, Span, figure, holed, temperature_at, without_budget
from packbench.analysis.extremes import standard_bound
from packbench.analysis.table import FloatArray, SampleTable, cumulative_ah
from packbench.core.diagnostics import DerivativeCurve, Peak
from packbench.core.measured import Contribution

POINTS = 200
WINDOW = 11
"""Bins; odd. 5.5 % of the step's charge."""
ROWS_MIN = 100
STEADY_REL = 0.03
LEAST_REL = 0.5
"""A step that moves less than this part of the largest discharge is no curve."""
PEAKS_MAX = 6
FLAT = 2.0
"""Below so many of its own standard uncertainties dV/dQ is not told from none."""


def derivatives(evidence: Evidence) -> tuple[DerivativeCurve, ...]:
    """Of the counted discharge and of the charge before it, as far as they are long and steady enough."""
    if evidence.counted is None:
        return ()
    chosen = [evidence.counted]
    before = [place for place in range(evidence.counted) if evidence.spans[place].charge_ah > 0.0]
    largest_ah = abs(evidence.spans[evidence.counted].charge_ah)
    long = [place for place in before if evidence.spans[place].charge_ah >= LEAST_REL * largest_ah]
    if long:
        chosen.insert(0, long[-1])
    found = (_of(evidence, evidence.spans[place]) for place in chosen)
    return tuple(curve for curve in found if curve is not None)


def steady_rows(evidence: Evidence, span: Span) -> SampleTable | None:
    """The constant-current part of a step; None where it is short of rows, or has a gap."""
    if span.high - span.low < ROWS_MIN or holed(evidence, span.started_s, span.ended_s):
        return None
    rows = evidence.rows.part(slice(span.low, span.high))
    size_a = np.abs(rows.current_a)
    usual_a = float(np.median(size_a))
    off = np.flatnonzero(np.abs(size_a - usual_a) > STEADY_REL * usual_a)
    edges = np.concatenate(((-1,), off, (size_a.size,)))
    widest = int(np.argmax(np.diff(edges)))
    rows = rows.part(slice(int(edges[widest]) + 1, int(edges[widest + 1])))
    return rows if len(rows) >= ROWS_MIN else None


def mean_voltage(evidence: Evidence, rows: SampleTable) -> tuple[FloatArray, str]:
    """(voltage, whose): the mean of the cells where all were read, else the pack's over its cells, else the pack's."""
    cells_v = rows.cell_voltages_v
    if cells_v.shape[1] and np.isfinite(cells_v).all():
        return cells_v.mean(axis=1), "mean_cell"
    if evidence.pack is not None and evidence.pack.series > 0:
        return rows.voltage_v / evidence.pack.series, "mean_cell"
    return rows.voltage_v, "pack"


def _of(evidence: Evidence, span: Span) -> DerivativeCurve | None:
    rows = steady_rows(evidence, span)
    if rows is None:
        return None
    moved_ah = np.abs(cumulative_ah(rows))
    total_ah = float(moved_ah[-1])
    if total_ah <= 0.0:
        return None
    voltage_v, whose = mean_voltage(evidence, rows)
    binned_v = _binned(moved_ah, voltage_v, total_ah)
    step_ah = total_ah / POINTS
    smooth_v, slope, spread_v, weight = savitzky_golay(binned_v)
    slope = slope / step_ah
    gains = _gains(evidence.meters)
    error = np.full(POINTS, spread_v * weight / step_ah)
    error = np.hypot(error, np.abs(slope) * gains)
    known = np.abs(slope) > FLAT * error
    inverse = np.where(known, 1.0 / np.where(known, np.abs(slope), 1.0), np.nan)
    capacity = evidence.capacity_ah
    return DerivativeCurve(
        step=span.number,
        direction="charge" if span.charge_ah > 0.0 else "discharge",
        of=whose,
        rate_per_h=None if capacity is None else float(np.median(np.abs(rows.current_a))) / capacity.value,
        temperature_c=temperature_at(evidence, span.low, span.high),
        method_en=f"mean over {POINTS} bins of equal charge, then Savitzky-Golay of order 2 over {WINDOW} bins",
        method_zh=f"按等电量分 {POINTS} 段取平均，再以 {WINDOW} 段窗口做二阶 Savitzky-Golay 平滑",
        window_ah=WINDOW * step_ah,
        charge_ah=tuple(((np.arange(POINTS) + 0.5) * step_ah).tolist()),
        voltage_v=tuple(smooth_v.tolist()),
        dv_dq_v_ah=tuple(slope.tolist()),
        dv_dq_u_v_ah=tuple(error.tolist()),
        dq_dv_ah_v=tuple(None if math.isnan(value) else value for value in inverse.tolist()),
        peaks=_peaks(smooth_v, inverse, error, stated=evidence.meters is not None),
    )


def _gains(meters: Meters | None) -> float:
    if meters is None:
        return 0.0
    voltage, current = meters.cell, meters.current
    return math.hypot(
        standard_bound(voltage.gain, voltage.distribution), standard_bound(current.gain, current.distribution)
    )


def _binned(moved_ah: FloatArray, v: FloatArray, total_ah: float) -> FloatArray:
    """Mean voltage at the middle of every bin, shape (POINTS,).

    A bin's mean belongs to the mean charge of its rows, which need not be its middle: it is moved along the chord.
    """
    place = np.minimum((moved_ah / total_ah * POINTS).astype(np.int64), POINTS - 1)
    counts = np.bincount(place, minlength=POINTS).astype(np.float64)
    filled = counts > 0.0
    mean_ah = np.bincount(place, moved_ah, POINTS)[filled] / counts[filled]
    mean_v = np.bincount(place, v, POINTS)[filled] / counts[filled]
    middle_ah = (np.arange(POINTS) + 0.5) * total_ah / POINTS
    return np.interp(middle_ah, mean_ah, mean_v)


def savitzky_golay(values: FloatArray) -> tuple[FloatArray, FloatArray, float, float]:
    """(smoothed, its slope a bin, scatter of a bin, standard uncertainty of a slope over that scatter).

    A parabola by least squares through WINDOW points around each; the first and last half windows use the parabola
    of the nearest whole one. Source: Savitzky and Golay, Analytical Chemistry 36 (1964) 1627.
    """
    half = WINDOW // 2
    x = np.arange(-half, half + 1, dtype=np.float64)
    solve = np.asarray(np.linalg.pinv(np.vander(x, 3, increasing=True)), dtype=np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)
    a, b, c = (windows @ solve[k] for k in range(3))
    lead, tail = x[:half], x[half + 1 :]
    smooth = np.concatenate((a[0] + b[0] * lead + c[0] * lead**2, a, a[-1] + b[-1] * tail + c[-1] * tail**2))
    slope = np.concatenate((b[0] + 2.0 * c[0] * lead, b, b[-1] + 2.0 * c[-1] * tail))
    inner = values[half:-half] - a
    # Each residual has lost what the smoothing follows of its own point.
    scatter = float(np.median(np.abs(inner))) / 0.6745 / math.sqrt(max(1.0 - float(solve[0, half]), 0.1))
    return smooth, slope, scatter, float(np.sqrt((solve[1] ** 2).sum()))


def _peaks(v: FloatArray, inverse: FloatArray, error: FloatArray, *, stated: bool) -> tuple[Peak, ...]:
    """Local maxima that stand out from both sides by three times their own uncertainty, the highest first."""
    height = np.nan_to_num(inverse)
    u_height = error * height**2
    half = WINDOW // 2
    found: list[tuple[float, Peak]] = []
    for k in range(half, height.size - half):
        around = height[k - half : k + half + 1]
        if height[k] == 0.0 or height[k] < around.max():
            continue
        rise = float(height[k] - max(around[0], around[-1]))
        if rise <= 3.0 * float(u_height[k]):
            continue
        lines = (Contribution("curve", float(u_height[k]), None, correlated=False),) if stated else None
        one = without_budget(figure(float(height[k]), lines, "Ah/V"))
        found.append((float(height[k]), Peak(float(v[k]), one)))
    found.sort(key=lambda each: -each[0])
    return tuple(peak for _, peak in found[:PEAKS_MAX])
