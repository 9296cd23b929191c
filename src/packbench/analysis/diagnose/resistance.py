"""DC resistance after every edge of the current: by pulse, and at the start of any constant-current step.

Owns the edges and the read-outs. R(t) = (V(t) - V0) / (I(t) - I0), V0 and I0 being the last sample before the edge.
A time is read between two real samples and is absent where they are too far apart, where the edge itself is not
known well enough (it lies between two samples), or where the current did not stay (IEC 61960, ISO 12405-4: the
methods; times as in docs/diagnostics.md). Pure.

Budget: offsets cancel in both differences, so what is left is the gains, the noise and rounding of two readings
each, the unknown instant of the edge through dR/dt, and the bend of the curve between the two samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packbench.analysis.diagnose.evidence import (
    REST_REL,
    Evidence,
    Meters,
    Span,
    charge_along,
    figure,
    soc_at,
    temperature_at,
    without_budget,
)
from packbench.analysis.extremes import standard_bound
from packbench.analysis.table import EDGE_S, FloatArray, IntArray
from packbench.core.diagnostics import DcResistance, ResistanceAt
from packbench.core.measured import Contribution, Measured

TIMES_S = (0.1, 1.0, 2.0, 5.0, 10.0, 18.0, 30.0)
EDGE_REL = 0.05
"""A change of current below this part of the largest is no edge."""
STEADY_REL = 0.03
"""The current may move by this part of the edge until the read-out."""
EDGE_SHARE = 0.5
"""The edge's instant must be known to this part of the time that is read."""
RAMP_S = 1.0
"""Changes of current this close to each other, in one direction, are one edge."""
BEFORE_S = 15.0
"""The voltage before the edge may be this old (the coarsest record of GB 38031-2025 6.4)."""
STEADY_S = 2.0
"""The current must have been the same for so long before the edge."""
EDGES_MAX = 300


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of current: from the row before it to the row after it."""

    before: int
    after: int
    until: int
    """The last row at which the new current still held."""
    t_s: float
    """When it was."""
    within_s: float
    """Half of what is not known of that."""


def dc_resistances(evidence: Evidence) -> tuple[DcResistance, ...]:
    """Every edge after which a resistance can be read, in order of time; of very many the first EDGES_MAX."""
    found: list[DcResistance] = []
    charge_ah = charge_along(evidence)
    owner = _owners(evidence)
    rests_s = _rest_so_far(evidence)
    for edge in edges_of(evidence):
        read_outs = _read_outs(evidence, edge)
        span = owner(edge.after)
        if not read_outs or span is None:
            continue
        found.append(_described(evidence, (charge_ah, rests_s), edge, span, read_outs))
        if len(found) == EDGES_MAX:
            break
    return tuple(found)


def edges_of(evidence: Evidence) -> list[Edge]:
    """Edges towards a current: from rest, or to the other sign, or to more of the same sign."""
    rows = evidence.rows
    if len(rows) < 3:
        return []
    current_a, t_s = rows.current_a, rows.t_s
    largest_a = float(np.max(np.abs(current_a)))
    if largest_a == 0.0:
        return []
    jumps = np.flatnonzero(np.abs(np.diff(current_a)) >= EDGE_REL * largest_a)
    if jumps.size == 0:
        return []
    turned = np.diff(np.sign(current_a[jumps + 1] - current_a[jumps])) != 0
    apart = np.flatnonzero((np.diff(t_s[jumps]) > RAMP_S) | turned) + 1
    befores = jumps[np.concatenate(((0,), apart))]
    afters = jumps[np.concatenate((apart - 1, (jumps.size - 1,)))] + 1
    ends = np.append(befores[1:], len(rows) - 1)
    before_a, after_a = current_a[befores], current_a[afters]
    towards = (np.abs(after_a) >= EDGE_REL * largest_a) & (
        (np.abs(after_a) > np.abs(before_a)) | (np.sign(after_a) == -np.sign(before_a))
    )
    befores, afters, ends = (each[towards] for each in (befores, afters, ends))
    steady = _steady_before(t_s, current_a, befores, afters, jumps)
    befores, afters, ends = (each[steady].tolist() for each in (befores, afters, ends))
    starts_s = np.array([span.started_s for span in evidence.spans])
    return [
        Edge(before, after, _steady_until(current_a, before, after, end), *_instant(evidence, starts_s, before, after))
        for before, after, end in zip(befores, afters, ends, strict=True)
    ]


def _steady_before(
    t_s: FloatArray, current_a: FloatArray, befores: IntArray, afters: IntArray, jumps: IntArray
) -> NDArray[np.bool_]:
    """Which edges come after two seconds or more of one current: in a drive cycle no change stands for itself."""
    earlier = np.searchsorted(t_s, t_s[befores] - STEADY_S + EDGE_S, side="right") - 1
    there = earlier >= 0
    earlier = np.maximum(earlier, 0)
    last_jump = np.concatenate(((-1,), jumps))[np.searchsorted(jumps, befores, side="left")]
    drift_a = np.abs(current_a[earlier] - current_a[befores])
    return there & (last_jump < earlier) & (drift_a <= STEADY_REL * np.abs(current_a[afters] - current_a[befores]))


def _instant(evidence: Evidence, starts_s: FloatArray, before: int, after: int) -> tuple[float, float]:
    """(when the edge was, half of what is not known of it), in s."""
    before_s, after_s = float(evidence.rows.t_s[before]), float(evidence.rows.t_s[after])
    if evidence.start_within_s is not None and starts_s.size:
        place = int(np.searchsorted(starts_s, after_s, side="right")) - 1
        if place >= 0 and float(starts_s[place]) >= before_s - EDGE_S:
            before_s = float(starts_s[place])
            after_s = min(after_s, before_s + evidence.start_within_s)
    return 0.5 * (before_s + after_s), 0.5 * (after_s - before_s)


def _steady_until(current_a: FloatArray, before: int, after: int, end: int) -> int:
    allowed_a = STEADY_REL * abs(float(current_a[after] - current_a[before]))
    moved = np.abs(current_a[after : end + 1] - current_a[after]) > allowed_a
    return after + int(np.argmax(moved)) - 1 if moved.any() else end


def _owners(evidence: Evidence) -> _Owners:
    return _Owners(evidence.spans, np.array([span.low for span in evidence.spans], dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class _Owners:
    """Which step a row belongs to."""

    spans: tuple[Span, ...]
    lows: IntArray

    def __call__(self, row: int) -> Span | None:
        place = int(np.searchsorted(self.lows, row, side="right")) - 1
        while place >= 0 and not self.spans[place].low <= row < self.spans[place].high:
            place -= 1
        return None if place < 0 else self.spans[place]


def _read_outs(evidence: Evidence, edge: Edge) -> tuple[ResistanceAt, ...]:
    taken: list[ResistanceAt] = []
    for at_s in TIMES_S:
        place = placed(evidence, edge, at_s)
        if place is not None:
            taken.append(ResistanceAt(at_s, without_budget(resistance(evidence, edge, *place))))
    return tuple(taken)


def placed(evidence: Evidence, edge: Edge, at_s: float) -> tuple[tuple[int, int], tuple[float, float]] | None:
    """The rows around a time after an edge, that instant and how well it is known; None where it cannot be read."""
    t_s = evidence.rows.t_s
    edge_s, within_s = edge.t_s, edge.within_s
    if edge_s - float(t_s[edge.before]) > BEFORE_S:
        return None
    # A pulse of just this length ends with its last sample: no further away than the edge is known.
    late_s = max(edge_s + at_s - float(t_s[edge.until]), 0.0)
    if within_s > EDGE_SHARE * at_s + EDGE_S or late_s > within_s + EDGE_S:
        return None
    wanted_s = edge_s + at_s - late_s
    right = int(np.searchsorted(t_s, wanted_s, side="left"))
    left = right if float(t_s[right]) == wanted_s else right - 1
    if left < edge.after or float(t_s[right] - t_s[left]) > at_s + EDGE_S:
        return None
    return (left, right), (wanted_s, within_s + late_s)


def resistance(
    evidence: Evidence, edge: Edge, between: tuple[int, int], at: tuple[float, float], cell: int = 0
) -> Measured:
    """R at an instant between two rows, ohm; `at` is (instant in s, half-width of the edge's own), `cell` 0 the pack.

    A cell's reading has its own accuracy, and the age of a BMS's reading is part of what is not known of the time.
    """
    rows, (left, right), (wanted_s, within_s) = evidence.rows, between, at
    voltage_v = rows.voltage_v if cell == 0 else rows.cell_voltages_v[:, cell - 1]
    span_s = float(rows.t_s[right] - rows.t_s[left])
    share = 0.0 if span_s == 0.0 else (wanted_s - float(rows.t_s[left])) / span_s
    read_v = float(voltage_v[left] + share * (voltage_v[right] - voltage_v[left]))
    read_a = float(rows.current_a[left] + share * (rows.current_a[right] - rows.current_a[left]))
    change_v, change_a = read_v - float(voltage_v[edge.before]), read_a - float(rows.current_a[edge.before])
    value = change_v / change_a
    if evidence.meters is None:
        return figure(value, None, "ohm")
    near = slice(max(left - 1, edge.after), min(right + 2, edge.until + 1))
    slope_v_s = _slope(rows.t_s[near], voltage_v[near])
    lines = _budget(evidence.meters, value, change_a, cell=cell)
    lag_s = within_s if cell == 0 else within_s + evidence.bms_lag_s
    bend_v = abs(float(voltage_v[right] - voltage_v[left])) / 8.0
    lines += (
        Contribution("edge_instant", abs(slope_v_s / change_a) * lag_s / math.sqrt(3.0), None, correlated=False),
        Contribution("interpolation", bend_v / abs(change_a) / math.sqrt(3.0), None, correlated=False),
    )
    return figure(value, lines, "ohm")


def _budget(meters: Meters, value: float, change_a: float, *, cell: int) -> tuple[Contribution, ...]:
    voltage, current = meters.voltage if cell == 0 else meters.cell, meters.current
    twice = math.sqrt(2.0)
    reading_v = twice * math.hypot(voltage.noise, voltage.resolution / math.sqrt(12.0))
    reading_a = twice * math.hypot(current.noise, current.resolution / math.sqrt(12.0))
    size = abs(value)
    return (
        Contribution("voltage_gain", size * standard_bound(voltage.gain, voltage.distribution), None, correlated=True),
        Contribution("current_gain", size * standard_bound(current.gain, current.distribution), None, correlated=True),
        Contribution("voltage_noise", reading_v / abs(change_a), None, correlated=False),
        Contribution("current_noise", size * reading_a / abs(change_a), None, correlated=False),
    )


def _slope(t_s: FloatArray, v: FloatArray) -> float:
    """dV/dt over a few rows."""
    if t_s.size < 2 or float(t_s[-1]) == float(t_s[0]):
        return 0.0
    return float((v[-1] - v[0]) / (t_s[-1] - t_s[0]))


def _rest_so_far(evidence: Evidence) -> FloatArray:
    """shape (n,): how long no current has flowed, at every row, in s; 0 while it flows."""
    rows = evidence.rows
    if not len(rows):
        return np.empty(0)
    size_a = np.abs(rows.current_a)
    flowing = size_a > REST_REL * float(size_a.max())
    place = np.arange(len(rows))
    began = np.minimum(np.maximum.accumulate(np.where(flowing, place + 1, 0)), place)
    return np.where(flowing, 0.0, rows.t_s - rows.t_s[began])


def _described(
    evidence: Evidence,
    along: tuple[FloatArray, FloatArray],
    edge: Edge,
    span: Span,
    read_outs: tuple[ResistanceAt, ...],
) -> DcResistance:
    rows, (charge_ah, rests_s) = evidence.rows, along
    return DcResistance(
        step=span.number,
        cycle=span.cycle,
        t_s=edge.t_s,
        charge_ah=None if math.isnan(float(charge_ah[edge.before])) else float(charge_ah[edge.before]),
        before_a=float(rows.current_a[edge.before]),
        after_a=float(rows.current_a[edge.after]),
        rest_before_s=float(rests_s[edge.before]),
        temperature_c=temperature_at(evidence, edge.before, edge.after + 1),
        soc=soc_at(evidence, charge_ah, edge.before),
        read_outs=read_outs,
    )
