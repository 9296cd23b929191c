"""The GUM budget of capacity and energy, from what the bench file states of its instruments.

Owns the propagation: which error does what to a capacity, which errors are the same in every
repeat, and how they become U = k u_c. docs/uncertainty.md is this module in prose. Sources:
JCGM 100 (GUM) 4.3, 5.1, G.3, G.4; JJF 1059.1. Assumptions beyond them are said where they are made.

Signs: a reading is true * (1 + gain) + offset, positive current charges. Each term below is what
its error does to `measured minus true` capacity; terms that one error reaches on several paths
(an offset bends the integral and the end of charge) are added with their signs before squaring.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from packbench.analysis.ends import StepEnd
from packbench.analysis.extremes import standard_bound, true_maximum
from packbench.analysis.student import coverage_factor
from packbench.core.result import Contribution, Measured
from packbench.core.specs import Accuracy, BenchSpec

COVERAGE_P = 0.95
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class CycleFigures:
    """One counted discharge and the charge before it: what the budget needs to know."""

    capacity_ah: float
    energy_wh: float
    duration_h: float
    current_a: float
    """Magnitude, mean."""
    volt_hours: float
    """Integral of the pack's voltage over the discharge, V h."""
    amp2_hours: float
    """Integral of the squared current over the discharge, A^2 h."""
    start_voltage_v: float
    """The pack's voltage as the discharge began."""
    charge_end: StepEnd | None
    discharge_end: StepEnd | None
    unseen_ah: float = 0.0
    """The most that gaps in it may have hidden (gaps.py)."""


@dataclass(frozen=True, slots=True)
class Term:
    """One standard contribution to one discharge."""

    name: str
    charge_ah: float
    energy_wh: float
    correlated: bool
    """True: the same error in every repeat."""


@dataclass(frozen=True, slots=True)
class Accuracies:
    """The accuracy statements a budget rests on."""

    current: Accuracy
    voltage: Accuracy
    cell: Accuracy
    time: Accuracy


def stated_accuracies(bench: BenchSpec) -> Accuracies | None:
    """The bench's statements, or None when one that the budget needs is missing."""
    try:
        return Accuracies(
            bench.accuracy("cycler", "current_a"),
            bench.accuracy("cycler", "voltage_v"),
            bench.accuracy("bms", "cell_voltage_v"),
            bench.accuracy("cycler", "time"),
        )
    except KeyError:
        return None


def cycle_terms(cycle: CycleFigures, bench: BenchSpec, stated: Accuracies) -> tuple[Term, ...]:
    """Every contribution to one discharge's capacity and energy."""
    terms = (*_current_terms(cycle, bench, stated), *_voltage_terms(cycle, bench, stated), *_end_terms(cycle, stated))
    if not cycle.unseen_ah:
        return terms
    # Nothing is added for it: the truth lies between the figure and the figure plus the most that may have flowed.
    unseen_ah = cycle.unseen_ah / math.sqrt(3.0)
    return (*terms, Term("unseen_in_gaps", unseen_ah, unseen_ah * cycle.start_voltage_v, correlated=False))


def _current_terms(cycle: CycleFigures, bench: BenchSpec, stated: Accuracies) -> list[Term]:
    """What the cycler's ammeter and the clock do to the integral, and to the current that ends the charge."""
    current = stated.current
    gain = standard_bound(current.gain, current.distribution)
    offset = standard_bound(current.offset, current.distribution)
    clock = standard_bound(stated.time.gain, stated.time.distribution)
    full_ah_per_a = full_a = 0.0
    if cycle.charge_end is not None:
        full_ah_per_a = cycle.charge_end.resistance_ohm * cycle.charge_end.ah_per_v
        full_a = cycle.charge_end.current_a
    full_v = cycle.start_voltage_v
    by_gain_ah = full_ah_per_a * full_a
    poll_s = bench.cycler.poll_period_ns / 1e9
    rounding = _undithered(current) * current.resolution / math.sqrt(12.0)
    noise_ah = current.noise * math.sqrt(cycle.duration_h * SECONDS_PER_HOUR * poll_s) / SECONDS_PER_HOUR
    mean_v = cycle.volt_hours / cycle.duration_h if cycle.duration_h > 0.0 else 0.0
    delay_s = (bench.bms.poll_period_ns + bench.cycler.poll_period_ns) / 1e9
    delay_ah = cycle.current_a * delay_s / SECONDS_PER_HOUR / math.sqrt(3.0)
    end_v = cycle.discharge_end.pack_voltage_v if cycle.discharge_end is not None else mean_v
    return [
        Term(
            "current_gain",
            gain * abs(cycle.capacity_ah + by_gain_ah),
            gain * abs(cycle.energy_wh + full_v * by_gain_ah),
            correlated=True,
        ),
        Term(
            "current_offset",
            offset * abs(cycle.duration_h - full_ah_per_a),
            offset * abs(cycle.volt_hours - full_v * full_ah_per_a),
            correlated=True,
        ),
        Term("current_resolution", rounding * cycle.duration_h, rounding * cycle.volt_hours, correlated=True),
        Term("current_noise", noise_ah, noise_ah * mean_v, correlated=False),
        Term("time_base", clock * cycle.capacity_ah, clock * cycle.energy_wh, correlated=True),
        Term("end_delay", delay_ah, delay_ah * end_v, correlated=False),
    ]


def _voltage_terms(cycle: CycleFigures, bench: BenchSpec, stated: Accuracies) -> list[Term]:
    """What the cycler's voltmeter and the cable do to the energy (nothing to the capacity)."""
    voltage = stated.voltage
    gain = standard_bound(voltage.gain, voltage.distribution)
    offset = standard_bound(voltage.offset, voltage.distribution)
    rounding = _undithered(voltage) * voltage.resolution / math.sqrt(12.0)
    terms = [
        Term("voltage_gain", 0.0, gain * cycle.energy_wh, correlated=True),
        Term("voltage_offset", 0.0, offset * cycle.capacity_ah, correlated=True),
        Term("voltage_resolution", 0.0, rounding * cycle.capacity_ah, correlated=True),
    ]
    if bench.sense_point == "cycler":
        terms.append(Term("sense_point", 0.0, bench.cable_resistance_u_ohm * cycle.amp2_hours, correlated=True))
    return terms


def _end_terms(cycle: CycleFigures, stated: Accuracies) -> list[Term]:
    """What an error of the voltage that ended the charge, or the discharge, does through dQ/dV."""
    terms: list[Term] = []
    gain_ah: dict[str, float] = {}
    gain_wh: dict[str, float] = {}
    sides = (
        (cycle.charge_end, 1.0, "charge_end", cycle.start_voltage_v),
        (cycle.discharge_end, -1.0, "cutoff", None),
    )
    for end, sign, name, pack_v in sides:
        if end is None:
            continue
        accuracy = stated.voltage if end.cell is None else stated.cell
        volts = end.pack_voltage_v if pack_v is None else pack_v
        both = _both_meters(end, stated)
        offset_v, shift_v = both if both is not None else _end_offset(end, sign, accuracy)
        rounding_v = _undithered(accuracy) * accuracy.resolution / 2.0
        noise_v = math.hypot(shift_v, rounding_v)
        terms.append(Term(f"{name}_voltage", *_through(end, offset_v, volts), correlated=True))
        terms.append(Term(f"{name}_noise", *_through(end, noise_v, volts), correlated=True))
        if both is not None:
            continue
        source = "pack_end_gain" if end.cell is None else "cell_end_gain"
        effect_ah = -sign * end.limit_v * end.ah_per_v
        gain_ah[source] = gain_ah.get(source, 0.0) + effect_ah
        gain_wh[source] = gain_wh.get(source, 0.0) + effect_ah * volts
    for source, effect_ah in gain_ah.items():
        accuracy = stated.voltage if source == "pack_end_gain" else stated.cell
        gain = standard_bound(accuracy.gain, accuracy.distribution)
        terms.append(Term(source, gain * abs(effect_ah), gain * abs(gain_wh[source]), correlated=True))
    return terms


def _end_offset(end: StepEnd, sign: float, accuracy: Accuracy) -> tuple[float, float]:
    """(standard deviation, mean) of the true ending voltage less its limit, V.

    The mean (noise that ends a step early, and the channel picked for reading high) is known in
    sign but not corrected for: its square is added to the variance (GUM F.2.4.5), so that the
    figure shown stays the plain integral that anyone can repeat from the data.
    """
    early_v = end.reading_v - end.limit_v
    if end.cell is None:
        return standard_bound(accuracy.offset, accuracy.distribution), early_v
    extreme = true_maximum(sign * end.cell_readings_v, accuracy)
    picked_v = float(sign * (max(sign * end.cell_readings_v) - sign * end.reading_v))
    return extreme.sd_v, early_v + picked_v + sign * extreme.mean_v


def _both_meters(end: StepEnd, stated: Accuracies) -> tuple[float, float] | None:
    """A single cell is read by two meters, and whichever passes its limit first ends the step.

    (standard deviation, mean) of the true ending voltage less its limit, V: the two readings weighted
    by their variances (gain and offset of each together). None for a pack, where the meters read
    different things.
    """
    if end.cell_readings_v.size != 1 or not math.isfinite(float(end.cell_readings_v[0])):
        return None
    weights: list[float] = []
    for accuracy in (stated.cell, stated.voltage):
        gain = standard_bound(accuracy.gain, accuracy.distribution)
        offset = standard_bound(accuracy.offset, accuracy.distribution)
        variance = (gain * end.limit_v) ** 2 + offset**2
        if variance == 0.0:
            return None
        weights.append(1.0 / variance)
    total = math.fsum(weights)
    best_v = (weights[0] * float(end.cell_readings_v[0]) + weights[1] * end.pack_voltage_v) / total
    return 1.0 / math.sqrt(total), best_v - end.limit_v


def _through(end: StepEnd, volts_v: float, pack_v: float) -> tuple[float, float]:
    charge_ah = abs(volts_v) * end.ah_per_v
    return charge_ah, charge_ah * pack_v


def _undithered(accuracy: Accuracy) -> float:
    """How much of the rounding error is left once noise has dithered it: 1 without noise, falling to 0.

    The mean error of rounding under normal noise of standard deviation s falls as
    exp(-2 pi^2 (s/q)^2) with the step q (Widrow & Kollar, Quantization Noise, 2008, ch. 4).
    """
    if accuracy.resolution <= 0.0:
        return 0.0
    return math.exp(-2.0 * (math.pi * accuracy.noise / accuracy.resolution) ** 2)


def contributions(
    values: Sequence[float], per_cycle: Sequence[Sequence[Term]], *, energy: bool
) -> tuple[Contribution, ...]:
    """The budget of a mean over repeats: correlated terms stay, independent ones fall, scatter is added."""
    count = len(values)
    names = list(dict.fromkeys(term.name for terms in per_cycle for term in terms))
    lines: list[Contribution] = []
    for name in names:
        found = [term for terms in per_cycle for term in terms if term.name == name]
        sizes = [term.energy_wh if energy else term.charge_ah for term in found]
        correlated = found[0].correlated
        size = sum(sizes) / count if correlated else math.sqrt(math.fsum(s * s for s in sizes)) / count
        if size > 0.0:
            lines.append(Contribution(name, size, None, correlated))
    if count > 1:
        mean = math.fsum(values) / count
        sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
        lines.append(Contribution("repeatability", sd / math.sqrt(count), float(count - 1), correlated=False))
    return tuple(lines)


def combine(value: float, budget: Sequence[Contribution], unit: str, p: float = COVERAGE_P) -> Measured:
    """U = k u_c, k from the effective degrees of freedom (Welch-Satterthwaite, GUM G.4.1).

    Conservative where one rectangular component dominates: its own 95 % lies at k = 1.65.
    """
    variance = math.fsum(line.standard_u**2 for line in budget)
    combined = math.sqrt(variance)
    weight = math.fsum(line.standard_u**4 / line.dof for line in budget if line.dof is not None)
    dof = variance * variance / weight if weight > 0.0 else None
    k = coverage_factor(dof, p)
    return Measured(value, k * combined, k, p, unit, tuple(budget))


def scaled(figure: Measured, divisor: float, unit: str) -> Measured:
    """A figure over an exact reference value (SOH from a capacity and the rated one)."""
    budget = tuple(
        Contribution(line.name, line.standard_u / divisor, line.dof, line.correlated) for line in figure.budget
    )
    expanded = None if figure.U is None else figure.U / divisor
    return Measured(figure.value / divisor, expanded, figure.k, figure.p, unit, budget)
