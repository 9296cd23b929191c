"""Rests: the voltage at stated times after the current stopped, and the slow time constant where one can be fitted.

Owns both. The fit is v = v_inf + a exp(-t/tau) over the rest without its fast beginning; tau is tried on a grid, the
other two follow by least squares, and it is given only where it explains the readings down to their own noise, is seen
for at least twice its length, and is known to a quarter. Two or more slow processes give no tau. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from packbench.analysis.diagnose.evidence import Evidence, Span, figure, temperature_at, without_budget
from packbench.analysis.extremes import standard_bound
from packbench.analysis.table import EDGE_S, FloatArray
from packbench.core.diagnostics import Relaxation, VoltageAfter
from packbench.core.measured import Contribution, Measured

TIMES_S = (1.0, 10.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
LEAST_S = 60.0
"""A shorter rest is a pause in a pulse train, whose resistances say more."""
RESTS_MAX = 60
FIT_LEAST_ROWS = 30
FIT_MOST_ROWS = 400
FAST_S, FAST_SHARE = 30.0, 0.1
"""The fast beginning: this long, or this part of the rest, whichever is longer."""
TAUS = 64
SEEN_TAUS = 2.0
KNOWN_REL = 0.25
MISFIT = 1.5
"""The fit's residual may be this many times the readings' own noise."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One exponential: where it leads, how long it takes, with their standard uncertainties by the residuals."""

    settled_v: float
    settled_u_v: float
    tau_s: float
    tau_u_s: float
    dof: float


def relaxations(evidence: Evidence) -> tuple[Relaxation, ...]:
    """Every rest long enough after a current, in order."""
    found: list[Relaxation] = []
    for place, span in enumerate(evidence.spans):
        if "rest" not in span.kind or span.ended_s - span.started_s < LEAST_S or span.high - span.low < 3:
            continue
        before_a = _current_before(evidence, place)
        if before_a == 0.0:
            continue
        found.append(_of(evidence, span, before_a))
        if len(found) == RESTS_MAX:
            break
    return tuple(found)


def _current_before(evidence: Evidence, place: int) -> float:
    for span in reversed(evidence.spans[:place]):
        hours = (span.ended_s - span.started_s) / 3600.0
        if "rest" in span.kind or span.charge_ah == 0.0 or hours <= 0.0:
            continue
        if span.high > span.low:
            return float(evidence.rows.current_a[max(span.high - 2, span.low)])
        return span.charge_ah / hours
    return 0.0


def _of(evidence: Evidence, span: Span, before_a: float) -> Relaxation:
    rows = evidence.rows.part(slice(span.low, span.high))
    since_s = rows.t_s - span.started_s
    from_s = max(FAST_S, FAST_SHARE * float(since_s[-1]))
    floor_v = 0.0 if evidence.meters is None else evidence.meters.voltage.resolution / math.sqrt(12.0)
    fit = None
    if not any(start_s < span.ended_s and end_s > span.started_s for start_s, end_s in evidence.gaps_s):
        fit = fit_exponential(since_s[since_s >= from_s], rows.voltage_v[since_s >= from_s], floor_v)
    return Relaxation(
        step=span.number,
        cycle=span.cycle,
        after_a=before_a,
        duration_s=span.ended_s - span.started_s,
        temperature_c=temperature_at(evidence, span.high - 1, span.high),
        voltages=_voltages(evidence, since_s, rows.voltage_v),
        time_constant_s=None if fit is None else _fitted(fit.tau_s, fit.tau_u_s, fit.dof, "s"),
        settled_v=None if fit is None else _settled(evidence, fit),
        fitted_from_s=None if fit is None else from_s,
    )


def _voltages(evidence: Evidence, since_s: FloatArray, voltage_v: FloatArray) -> tuple[VoltageAfter, ...]:
    """At each stated time, between the two samples around it; absent where they are further apart than the time."""
    taken: list[VoltageAfter] = []
    for at_s in TIMES_S:
        right = int(np.searchsorted(since_s, at_s, side="left"))
        if right >= since_s.size:
            break
        left = right if float(since_s[right]) == at_s else right - 1
        if left < 0 or float(since_s[right] - since_s[left]) > at_s + EDGE_S:
            continue
        pair = slice(left, right + 1)
        value_v = float(np.interp(at_s, since_s[pair], voltage_v[pair]))
        bend_v = abs(float(voltage_v[right] - voltage_v[left])) / 8.0
        taken.append(VoltageAfter(at_s, without_budget(figure(value_v, _reading(evidence, value_v, bend_v), "V"))))
    return tuple(taken)


def _reading(evidence: Evidence, value_v: float, bend_v: float) -> tuple[Contribution, ...] | None:
    if evidence.meters is None:
        return None
    voltage = evidence.meters.voltage
    return (
        Contribution("voltage_gain", value_v * standard_bound(voltage.gain, voltage.distribution), None, True),
        Contribution("voltage_offset", standard_bound(voltage.offset, voltage.distribution), None, correlated=True),
        Contribution("voltage_noise", voltage.noise, None, correlated=False),
        Contribution("voltage_resolution", voltage.resolution / math.sqrt(12.0), None, correlated=False),
        Contribution("interpolation", bend_v / math.sqrt(3.0), None, correlated=False),
    )


def _fitted(value: float, standard_u: float, dof: float, unit: str) -> Measured:
    return without_budget(figure(value, (Contribution("fit", standard_u, dof, correlated=False),), unit))


def _settled(evidence: Evidence, fit: Fit) -> Measured:
    lines = _reading(evidence, fit.settled_v, 0.0)
    if lines is None:
        return figure(fit.settled_v, None, "V")
    systematic = tuple(line for line in lines if line.correlated)
    return without_budget(
        figure(fit.settled_v, (*systematic, Contribution("fit", fit.settled_u_v, fit.dof, correlated=False)), "V")
    )


def fit_exponential(t_s: FloatArray, v: FloatArray, floor_v: float = 0.0) -> Fit | None:
    """One exponential through a rest's readings; None where it does not describe them. `floor_v`: their rounding."""
    if t_s.size < FIT_LEAST_ROWS:
        return None
    noise_v = max(_noise(v), floor_v)
    thin = slice(None, None, max(1, t_s.size // FIT_MOST_ROWS))
    t_s, v = t_s[thin] - t_s[0], v[thin]
    length_s = float(t_s[-1])
    lowest_s, highest_s = 4.0 * length_s / t_s.size, length_s / SEEN_TAUS
    if lowest_s >= highest_s:
        return None
    taus = np.geomspace(lowest_s, highest_s, TAUS)
    errors = _errors(t_s, v, taus)
    best = int(np.argmin(errors))
    if best in (0, TAUS - 1):
        return None
    fine: FloatArray = np.geomspace(float(taus[best - 1]), float(taus[best + 1]), TAUS)
    tau_s = float(fine[int(np.argmin(_errors(t_s, v, fine)))])
    falling = np.exp(-t_s / tau_s)
    design = np.column_stack((np.ones(t_s.size), falling))
    (settled_v, size_v), *_ = np.linalg.lstsq(design, v, rcond=None)
    residual = v - design @ np.array((settled_v, size_v))
    dof = t_s.size - 3
    variance = max(float(residual @ residual) / dof, floor_v**2)
    if math.sqrt(variance) > MISFIT * max(noise_v, 1e-9) or abs(size_v) < 3.0 * math.sqrt(variance):
        return None
    jacobian = np.column_stack((design, size_v * t_s / tau_s**2 * falling))
    scale = np.maximum(np.abs(jacobian).max(axis=0), 1e-300)
    scaled = jacobian / scale
    inverse = np.asarray(np.linalg.pinv(scaled.T @ scaled), dtype=np.float64) / np.outer(scale, scale)
    settled_u_v, tau_u_s = (math.sqrt(variance * float(inverse[k, k])) for k in (0, 2))
    if tau_u_s > KNOWN_REL * tau_s:
        return None
    return Fit(float(settled_v), settled_u_v, tau_s, tau_u_s, float(dof))


def _errors(t_s: FloatArray, v: FloatArray, taus: FloatArray) -> FloatArray:
    """Sum of squared residuals of the best constant and exponential, for every tau; shape as `taus`."""
    falling = np.exp(-t_s[None, :] / taus[:, None])
    centred, centred_v = falling - falling.mean(axis=1, keepdims=True), v - v.mean()
    along = centred @ centred_v
    return float(centred_v @ centred_v) - along**2 / np.maximum((centred**2).sum(axis=1), 1e-300)


def _noise(v: FloatArray) -> float:
    """Standard deviation of a reading, from second differences."""
    return float(np.std(np.diff(v, 2))) / math.sqrt(6.0)
