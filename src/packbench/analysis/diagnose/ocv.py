"""Open-circuit voltage over charge: from rests, or as the mean of a slow charge and a slow discharge.

Owns both. A rest of ten minutes or more gives a point, at its end; five points over half the capacity make a curve,
one a branch (after charging, after discharging), since hysteresis keeps them apart. A charge and a discharge give the
mean only where both were slow and went all the way: half of what lies between them is then the bound of what the mean
may be wrong by. Pure.
"""

from __future__ import annotations

import math

import numpy as np

from packbench.analysis.diagnose.derivatives import mean_voltage, steady_rows
from packbench.analysis.diagnose.evidence import Evidence, Span, charge_along, figure, holed, without_budget
from packbench.analysis.extremes import standard_bound
from packbench.analysis.table import FloatArray, cumulative_ah
from packbench.core.diagnostics import OcvCurve, OcvPoint
from packbench.core.measured import Contribution, Measured

REST_S = 600.0
POINTS_MIN = 5
REACH_REL = 0.5
SLOW_PER_H = 1.0 / 9.0
"""House rule: C/10 with room for a faded capacity. Faster, polarisation bends the mean."""
SAME_REL = 0.05
GRID = np.linspace(0.0, 1.0, 21)


def ocv_curves(evidence: Evidence) -> tuple[OcvCurve, ...]:
    """The curves that the record carries."""
    found = [_of_rests(evidence, branch) for branch in ("charge", "discharge")]
    found.append(_of_slow(evidence))
    return tuple(curve for curve in found if curve is not None)


def slowest_per_h(evidence: Evidence) -> float | None:
    """Rate of the slower of the steps that moved most of the capacity; None without a capacity or such steps."""
    capacity = evidence.capacity_ah
    if capacity is None:
        return None
    long = [span for span in evidence.spans if abs(span.charge_ah) > 0.8 * capacity.value]
    return min((_rate(span, capacity) for span in long), default=None)


def _rate(span: Span, capacity: Measured) -> float:
    return abs(span.charge_ah) / max((span.ended_s - span.started_s) / 3600.0, 1e-9) / capacity.value


def _of_rests(evidence: Evidence, branch: str) -> OcvCurve | None:
    charge_ah = charge_along(evidence)
    places = [
        place
        for place, span in enumerate(evidence.spans)
        if "rest" in span.kind
        and span.ended_s - span.started_s >= REST_S
        and span.high - span.low >= 3
        and _branch(evidence, place) == branch
        and math.isfinite(float(charge_ah[span.high - 1]))
    ]
    if len(places) < POINTS_MIN or holed(
        evidence, evidence.spans[places[0]].ended_s, evidence.spans[places[-1]].ended_s
    ):
        return None
    at_ah = [float(charge_ah[evidence.spans[place].high - 1]) for place in places]
    capacity = evidence.capacity_ah
    rated = None if evidence.pack is None else evidence.pack.rated_capacity_ah
    whole_ah = capacity.value if capacity is not None else rated
    if whole_ah is not None and max(at_ah) - min(at_ah) < REACH_REL * whole_ah:
        return None
    empty_ah = min(at_ah)
    if evidence.counted is not None and capacity is not None:
        empty_ah = float(charge_ah[evidence.spans[evidence.counted].high - 1])
    points: list[OcvPoint] = []
    whose = "pack"
    for place, moved_ah in sorted(zip(places, at_ah, strict=True), key=lambda each: each[1]):
        span = evidence.spans[place]
        voltage, whose = _rested(evidence, span)
        soc = None if capacity is None or evidence.counted is None else (moved_ah - empty_ah) / capacity.value
        points.append(OcvPoint(moved_ah - min(at_ah), soc, voltage))
    return OcvCurve("rests", branch, whose, None, tuple(points))


def _branch(evidence: Evidence, place: int) -> str:
    for span in reversed(evidence.spans[:place]):
        if "rest" not in span.kind and span.charge_ah != 0.0:
            return "charge" if span.charge_ah > 0.0 else "discharge"
    return ""


def _rested(evidence: Evidence, span: Span) -> tuple[Measured, str]:
    """The voltage at a rest's end: the mean of its last tenth, and how far it still moved in its second half."""
    rows = evidence.rows.part(slice(span.low, span.high))
    v, whose = mean_voltage(evidence, rows)
    since_s = rows.t_s - rows.t_s[0]
    length_s = float(since_s[-1])
    last = v[since_s >= 0.9 * length_s]
    value = float(last.mean())
    half = v[(since_s >= 0.45 * length_s) & (since_s <= 0.55 * length_s)]
    moving_v = abs(value - float(half.mean())) if half.size else 0.0
    lines = _meter_lines(evidence, value, whose)
    if lines is None:
        return figure(value, None, "V"), whose
    lines = (*lines, Contribution("not_settled", moving_v / math.sqrt(3.0), None, correlated=False))
    return without_budget(figure(value, lines, "V")), whose


def _meter_lines(evidence: Evidence, value: float, whose: str) -> tuple[Contribution, ...] | None:
    """Of a voltage averaged over many readings: gain and offset alone; over cells, whose offsets are independent."""
    if evidence.meters is None:
        return None
    by_cells = whose == "mean_cell" and evidence.series > 0
    meter = evidence.meters.cell if by_cells else evidence.meters.voltage
    count = math.sqrt(evidence.series) if by_cells else 1.0
    if whose == "mean_cell" and not by_cells and evidence.pack is not None:
        count = float(evidence.pack.series)
    offset = standard_bound(meter.offset, meter.distribution) / count
    return (
        Contribution("voltage_gain", value * standard_bound(meter.gain, meter.distribution), None, correlated=True),
        Contribution("voltage_offset", offset, None, correlated=True),
    )


def _of_slow(evidence: Evidence) -> OcvCurve | None:
    capacity = evidence.capacity_ah
    if capacity is None or evidence.counted is None:
        return None
    discharge = evidence.spans[evidence.counted]
    charges = [
        span
        for span in evidence.spans
        if abs(span.charge_ah - abs(discharge.charge_ah)) <= SAME_REL * abs(discharge.charge_ah)
        and span.charge_ah > 0.0
        and _rate(span, capacity) <= SLOW_PER_H
    ]
    if not charges or _rate(discharge, capacity) > SLOW_PER_H:
        return None
    sides = [_over_soc(evidence, charges[-1], up=True), _over_soc(evidence, discharge, up=False)]
    (up_v, whose), (down_v, _) = sides
    if up_v is None or down_v is None:
        return None
    points: list[OcvPoint] = []
    for soc, high_v, low_v in zip(GRID.tolist(), up_v.tolist(), down_v.tolist(), strict=True):
        value = 0.5 * (high_v + low_v)
        lines = _meter_lines(evidence, value, whose)
        if lines is not None:
            gap_v = 0.5 * abs(high_v - low_v) / math.sqrt(3.0)
            lines = (*lines, Contribution("polarisation", gap_v, None, correlated=False))
        points.append(OcvPoint(soc * capacity.value, soc, without_budget(figure(value, lines, "V"))))
    rate = max(_rate(charges[-1], capacity), _rate(discharge, capacity))
    return OcvCurve("mean", "mean", whose, rate, tuple(points))


def _over_soc(evidence: Evidence, span: Span, *, up: bool) -> tuple[FloatArray | None, str]:
    """Voltage on the grid of SOC; None where the step is not steady for nearly all of its charge."""
    rows = steady_rows(evidence, span)
    if rows is None:
        return None, ""
    moved_ah = np.abs(cumulative_ah(rows))
    if float(moved_ah[-1]) < (1.0 - 2.0 * SAME_REL) * abs(span.charge_ah):
        return None, ""
    v, whose = mean_voltage(evidence, rows)
    soc = moved_ah / abs(span.charge_ah)
    soc = soc if up else 1.0 - soc
    order = slice(None) if up else slice(None, None, -1)
    return np.interp(GRID, soc[order], v[order]), whose
