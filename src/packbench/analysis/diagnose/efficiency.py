"""Coulombic and energy efficiency by cycle.

Owns which charge belongs to which discharge. A pack must come back to where it was: only what lies between two
discharges that ended alike (on the same condition of a cell, or at the same voltage) is a cycle, since a charge that
began at an unknown state of charge says nothing. Pure.

Budget of Qd/Qc (and of Ed/Ec with V dt in place of dt): a gain of the ammeter, of the voltmeter or of the clock is in
both and cancels; the ammeter's offset takes from one what it adds to the other and counts twice; the noise of the
reading that ended each discharge moves both ends through dQ/dV; the cable inside the voltmeter's loop costs both ways.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from packbench.analysis.diagnose.evidence import Evidence, Meters, Span, figure, holed, without_budget
from packbench.analysis.ends import fit_end
from packbench.analysis.extremes import standard_bound
from packbench.analysis.table import SECONDS_PER_HOUR
from packbench.core.diagnostics import CycleEfficiency
from packbench.core.measured import Contribution

SAME_END_REL = 0.01
"""Two discharges ended alike when their last voltages are this close, relative."""
LEAST_REL = 0.3
"""A discharge of less than this part of the largest is a piece (a pulse, a correction), not a cycle's."""


def efficiencies(evidence: Evidence) -> tuple[CycleEfficiency, ...]:
    """One for every charge and discharge between two like ends, in order."""
    largest_ah = max((-span.charge_ah for span in evidence.spans), default=0.0)
    if largest_ah <= 0.0:
        return ()
    ends = [
        place
        for place, span in enumerate(evidence.spans)
        if span.charge_ah < 0.0
        and "rest" not in span.kind
        and _ends_a_discharge(evidence.spans, place)
        and span.end_voltage_v is not None
    ]
    found: list[CycleEfficiency] = []
    for first, last in pairwise(ends):
        between = evidence.spans[first + 1 : last + 1]
        charge = [span for span in between if span.charge_ah > 0.0]
        discharge = [span for span in between if span.charge_ah < 0.0 and "rest" not in span.kind]
        charge = [span for span in charge if "rest" not in span.kind]
        given_ah = -math.fsum(span.charge_ah for span in discharge)
        if (
            not charge
            or math.fsum(span.energy_wh for span in charge) <= 0.0
            or given_ah < LEAST_REL * largest_ah
            or not _alike(evidence.spans[first], evidence.spans[last])
        ):
            continue
        if holed(evidence, evidence.spans[first].ended_s, evidence.spans[last].ended_s):
            continue
        found.append(_of(evidence, charge, discharge))
    return tuple(found)


def _ends_a_discharge(spans: Sequence[Span], place: int) -> bool:
    """The next step that moves charge is a charge, or there is none."""
    moved_ah = 0.01 * abs(spans[place].charge_ah)
    for span in spans[place + 1 :]:
        if abs(span.charge_ah) > moved_ah:
            return span.charge_ah > 0.0
    return True


def _alike(first: Span, second: Span) -> bool:
    if first.end_cell is not None and second.end_cell is not None and first.end_reason:
        # A cell's own limit: the pack's voltage then differs by what the other cells still had.
        return first.end_reason == second.end_reason
    one_v, other_v = first.end_voltage_v, second.end_voltage_v
    return one_v is not None and other_v is not None and abs(one_v - other_v) <= SAME_END_REL * abs(other_v)


def _of(evidence: Evidence, charge: list[Span], discharge: list[Span]) -> CycleEfficiency:
    in_ah, out_ah = math.fsum(span.charge_ah for span in charge), -math.fsum(span.charge_ah for span in discharge)
    in_wh, out_wh = math.fsum(span.energy_wh for span in charge), -math.fsum(span.energy_wh for span in discharge)
    coulombic, energy = out_ah / in_ah, out_wh / in_wh
    charge_lines = energy_lines = None
    if evidence.meters is not None:
        charge_lines = _charge_budget(evidence, evidence.meters, charge, discharge)
        energy_lines = _energy_budget(evidence, evidence.meters, charge, discharge)
    return CycleEfficiency(
        cycle=discharge[-1].cycle,
        charge_steps=tuple(span.number for span in charge),
        discharge_steps=tuple(span.number for span in discharge),
        coulombic=without_budget(figure(coulombic, charge_lines, "1")),
        energy=without_budget(figure(energy, energy_lines, "1")),
    )


def _hours(spans: list[Span]) -> float:
    return math.fsum(span.ended_s - span.started_s for span in spans) / SECONDS_PER_HOUR


def _charge_budget(
    evidence: Evidence, meters: Meters, charge: list[Span], discharge: list[Span]
) -> tuple[Contribution, ...]:
    in_ah, out_ah = math.fsum(span.charge_ah for span in charge), -math.fsum(span.charge_ah for span in discharge)
    ratio, current = out_ah / in_ah, meters.current
    weight_h = (_hours(discharge) + ratio * _hours(charge)) / in_ah
    poll_h = (evidence.start_within_s or 0.0) / SECONDS_PER_HOUR
    noise = current.noise * math.sqrt(poll_h * (_hours(discharge) + ratio**2 * _hours(charge))) / in_ah
    return (
        Contribution("current_offset", weight_h * standard_bound(current.offset, current.distribution), None, True),
        Contribution("current_noise", noise, None, correlated=False),
        Contribution("cutoff_noise", _end_ah(evidence, meters, discharge[-1]) / in_ah, None, correlated=False),
    )


def _energy_budget(
    evidence: Evidence, meters: Meters, charge: list[Span], discharge: list[Span]
) -> tuple[Contribution, ...]:
    in_wh, out_wh = math.fsum(span.energy_wh for span in charge), -math.fsum(span.energy_wh for span in discharge)
    in_ah, out_ah = math.fsum(span.charge_ah for span in charge), -math.fsum(span.charge_ah for span in discharge)
    ratio, current, voltage = out_wh / in_wh, meters.current, meters.voltage
    weight_vh = math.fsum(span.volt_hours for span in discharge) + ratio * math.fsum(s.volt_hours for s in charge)
    heat = math.fsum(span.amp2_hours for span in discharge) + ratio * math.fsum(span.amp2_hours for span in charge)
    last_v = discharge[-1].end_voltage_v or 0.0
    offset_a = standard_bound(current.offset, current.distribution)
    offset_v = standard_bound(voltage.offset, voltage.distribution)
    return (
        Contribution("current_offset", weight_vh * offset_a / in_wh, None, correlated=True),
        Contribution("voltage_offset", abs(out_ah - ratio * in_ah) * offset_v / in_wh, None, correlated=True),
        Contribution("sense_point", heat * evidence.cable_u_ohm / in_wh, None, correlated=True),
        Contribution("cutoff_noise", _end_ah(evidence, meters, discharge[-1]) * last_v / in_wh, None, correlated=False),
    )


def _end_ah(evidence: Evidence, meters: Meters, span: Span) -> float:
    """Charge that the noise and the rounding of the ending readings are worth, both ends of the cycle together."""
    if span.high - span.low < 3 or evidence.pack is None:
        return 0.0
    rows = evidence.rows.part(slice(span.low, span.high))
    end = fit_end(rows, span.end_cell, 0.0, evidence.pack.series, evidence.pack.rated_capacity_ah)
    if end is None:
        return 0.0
    meter = meters.voltage if span.end_cell is None else meters.cell
    return math.sqrt(2.0) * math.hypot(meter.noise, meter.resolution / math.sqrt(12.0)) * end.ah_per_v
