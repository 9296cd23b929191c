"""Waveforms: pulses, profiles of current and power, which end with their time.

Owns their course and outcome. A waveform is summed up once: the charge of one period, how far it swings on the way,
its heat; however often it repeats, it costs no more. A clamp may take any part of a segment's current away, so where
one may be met each segment moves between nothing and its full charge.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from packbench.config.cell_bounds import LOW_SOC, LOW_SOC_FACTOR, MIDDLE_SOC_FACTOR
from packbench.core.limits import LimitSet
from packbench.profile.amounts import constant
from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.drives import FOLLOWS
from packbench.profile.checking.worst.ends import Window, window_of
from packbench.profile.checking.worst.heat import Warmth, heated
from packbench.profile.checking.worst.interval import ZERO, Interval, hull
from packbench.profile.checking.worst.outcome import Between, Moved, Outcome, WayOut, filtered, hottest, left, possible
from packbench.profile.checking.worst.state import State
from packbench.profile.checking.worst.values import (
    between_steps,
    elsewhere,
    error_a,
    temperatures,
    value_of,
    voltage,
)
from packbench.profile.plan import Waveform

AT_CLAMP_S = 1.0
"""A clamp ends a waveform no earlier (engine/steps/waveform.py)."""
SEPARATE_BLOCKS = 60
"""A longer waveform's heat is that of its mean square, with one period's own on top."""


@dataclass(frozen=True, slots=True)
class Period:
    """One round of the segments with full currents; Ah, A, s."""

    seconds: float
    net_ah: Interval
    high_ah: float
    """How far the charge comes above that at its beginning at most, and below it."""
    low_ah: float
    charged_ah: float
    """The most that flows in, and out."""
    discharged_ah: float
    least_a: float
    """Of the signed currents."""
    most_a: float
    square_a2s: float
    edges: int


class Wave:
    """The course of one execution."""

    def __init__(self, world: World, state: State, step: Waveform, known: Period | None) -> None:
        self.world, self.state, self.step = world, state, step
        self.max_s = step.max_time_ns / 1e9
        self.lasting_s = step.period_ns * step.repeat / 1e9
        readings = between_steps(world, state)
        self.high_v = value_of(step.clamp_high_v, state, readings).hi / world.series
        self.low_v = value_of(step.clamp_low_v, state, readings).lo / world.series
        self.period = known or _period(world, state, step, self._volts(self.low_v, self.high_v))
        self.ohm = world.most_ohm_at(min(state.temperature_c.lo, state.around_c.lo))
        high_ah, low_ah = self.swings_ah(step.repeat)
        capacity_ah = world.capacity_ah.lo
        curve = world.curves.charging
        self.soc = Interval(
            max(state.soc.lo + low_ah / capacity_ah, curve.surely(self.low_v) - world.pack_spread - 0.05),
            min(state.soc.hi + high_ah / capacity_ah, curve.surely(self.high_v) + world.pack_certain + 0.05),
        )
        self.soc = hull(self.soc, state.soc)
        flowing_a = Interval(min(self.period.least_a, 0.0), max(self.period.most_a, 0.0))
        self.flowing_a = flowing_a
        self.whole_a = hull(flowing_a, state.filtered_a)
        free = voltage(world, state, self.soc, flowing_a, of_pack=True, filtered_a=self.whole_a)
        self.clamped_high = free.hi / world.series >= self.high_v
        self.clamped_low = free.lo / world.series <= self.low_v
        self.volts = i.cut(free, self.low_v * world.series * 0.99, self.high_v * world.series * 1.01)

    def _volts(self, low_v: float, high_v: float) -> Interval:
        return Interval(max(low_v, 0.1) * self.world.series, high_v * self.world.series)

    def swings_ah(self, rounds: int) -> tuple[float, float]:
        """How far above and below its beginning the charge may come within so many periods."""
        period, last = self.period, max(rounds - 1, 0)
        high_ah = max(period.high_ah, last * period.net_ah.hi + period.high_ah)
        low_ah = min(period.low_ah, last * period.net_ah.lo + period.low_ah)
        return high_ah, low_ah

    def net_ah(self, seconds: Interval) -> Interval:
        """Signed charge after a time, clamps or not."""
        period = self.period
        if self.world.expected:
            rounds = seconds.hi / period.seconds
            return i.scaled(period.net_ah, rounds)
        whole = seconds.point and abs(seconds.hi - self.lasting_s) < 1e-6
        if whole and not (self.clamped_high or self.clamped_low):
            return i.scaled(period.net_ah, float(self.step.repeat))
        rounds = min(int(seconds.hi / period.seconds) + 1, self.step.repeat)
        high_ah, low_ah = self.swings_ah(rounds)
        if self.clamped_high:
            low_ah -= period.charged_ah * rounds
        if self.clamped_low:
            high_ah += period.discharged_ah * rounds
        return Interval(max(low_ah, -period.discharged_ah * rounds), min(high_ah, period.charged_ah * rounds))

    def reaches(self, name: str, bound: Interval, *, rising: bool, over_s: float) -> Window | None:
        """See `ends.Course`."""
        if name != "step_ah" or not rising:
            return Window(over_s, inf) if name in ("dV/dt", "abs(dV/dt)", "dT/dt") else None
        largest_ah = max(self.period.charged_ah, self.period.discharged_ah)
        rounds = int(max(bound.lo - self.error_ah(1), 0.0) / largest_ah) if largest_ah else self.step.repeat
        return Window(rounds * self.period.seconds, inf) if self.reads("step_ah").hi >= bound.lo else Window(inf, inf)

    def error_ah(self, rounds: int) -> float:
        """What the meter may count wrongly around the edges."""
        if self.world.expected:
            return 0.0
        before_a = max(abs(self.state.current_a.lo), abs(self.state.current_a.hi))
        step_a = self.flowing_a.hi - self.flowing_a.lo
        edge_s = self.world.cycler_s + self.world.latency_s
        edges_as = (before_a + step_a * (self.period.edges * rounds + 1)) * edge_s
        return (edges_as + error_a(self.world, ZERO) * self.period.seconds * rounds) / 3600.0

    def reads(self, name: str) -> Interval:
        """See `ends.Course`."""
        world, state = self.world, self.state
        flowing_a = hull(self.flowing_a, state.current_a)
        match name:
            case "voltage" | "cell_max" | "cell_min":
                of_pack = name == "voltage"
                return voltage(world, state, self.soc, flowing_a, of_pack=of_pack, filtered_a=self.whole_a)
            case "current" | "power":
                read_a = Interval(0.0, i.magnitude(i.widened(flowing_a, error_a(world, flowing_a))).hi)
                return read_a if name == "current" else i.times(read_a, self.reads("voltage"))
            case "step_ah":
                net = i.widened(self.net_ah(Interval(0.0, self.lasting_s)), self.error_ah(self.step.repeat))
                return i.magnitude(hull(net, ZERO))
            case "step_wh":
                return Interval(0.0, self.throughput_ah(self.step.repeat) * self.volts.hi)
            case "cycle_ah" | "test_ah" | "cycle_wh" | "test_wh":
                moved = self.reads(f"step_{name[-2:]}").hi
                return i.magnitude(i.widened(getattr(state, name), moved))
            case "step_time":
                return Interval(0.0, self.max_s)
            case "cycle_time" | "test_time":
                base = state.cycle_s if name == "cycle_time" else state.test_s
                return Interval(base.lo, base.hi + self.max_s)
            case "cycle":
                return state.cycle
            case "temperature_max" | "temperature_min":
                warm = self.warmth(Interval(0.0, self.lasting_s))
                whole = Interval(min(warm.end_c.lo, state.temperature_c.lo), max(warm.peak_c, state.temperature_c.hi))
                return temperatures(world, whole, self.swing())
            case _:
                return elsewhere(world, state, name)

    def throughput_ah(self, rounds: int) -> float:
        """The most that flows, in and out together."""
        return (self.period.charged_ah + self.period.discharged_ah) * rounds

    def swing(self) -> float:
        """Charge moved so far, this step's with it, in capacities."""
        return self.state.totals.swing + self.throughput_ah(self.step.repeat) / self.world.capacity_ah.lo

    def warmth(self, lasting_s: Interval) -> Warmth:
        """By the mean square, and one period's heat at once: pulses come in any order."""
        world, period = self.world, self.period
        factor = LOW_SOC_FACTOR if self.soc.lo < LOW_SOC else MIDDLE_SOC_FACTOR
        factor = 1.0 if world.expected else factor
        mean_a2 = period.square_a2s / period.seconds
        blocks = [(lasting_s.hi, mean_a2, factor)]
        if not world.expected:
            peak_a2 = max(self.flowing_a.hi**2, self.flowing_a.lo**2)
            blocks.append((period.square_a2s / peak_a2 if peak_a2 else 0.0, peak_a2, factor))
        return heated(world, self.state.temperature_c, self.state.around_c, blocks, lasting_s)


def _period(world: World, state: State, step: Waveform, volts: Interval) -> Period:
    """The segments summed up, each with the currents that it may have."""
    readings = between_steps(world, state)
    follows = 0.0 if world.expected else FOLLOWS
    net_lo = net_hi = high = low = charged = discharged = square = 0.0
    least_a = most_a = 0.0
    edges = 0
    before = None
    known: dict[float, Interval] = {}
    for segment in step.segments:
        value = segment.value
        amps = known.get(value) if isinstance(value, float) else None
        if amps is None:
            amps = value_of(value, state, readings)
            if step.quantity == "power":
                amps = i.over(amps, volts)
                amps = i.widened(amps, follows * max(abs(amps.lo), abs(amps.hi)))
            if amps != ZERO:
                amps = i.widened(amps, world.current_error_a(max(abs(amps.lo), abs(amps.hi))))
            if isinstance(value, float):
                known[value] = amps
        hours = segment.for_ns / 3.6e12
        net_lo, net_hi = net_lo + amps.lo * hours, net_hi + amps.hi * hours
        high, low = max(high, net_hi), min(low, net_lo)
        charged += max(amps.hi, 0.0) * hours
        discharged += max(-amps.lo, 0.0) * hours
        square += max(amps.hi**2, amps.lo**2) * segment.for_ns / 1e9
        least_a, most_a = min(least_a, amps.lo), max(most_a, amps.hi)
        edges += amps != before
        before = amps
    return Period(
        step.period_ns / 1e9,
        Interval(net_lo, net_hi),
        high,
        low,
        charged,
        discharged,
        least_a,
        most_a,
        square,
        edges,
    )


def waveform_outcome(world: World, state: State, step: Waveform, index: int, known: dict[int, Period]) -> Outcome:
    """One execution. `known`: the periods of steps whose amounts are all numbers, by their index."""
    course = Wave(world, state, step, known.get(index))
    if index not in known and not _has_formulas(step):
        known[index] = course.period
    ways = [
        WayOut(condition.text, condition.goto, window_of(condition, course), at)
        for at, condition in enumerate(step.until)
    ]
    ways.append(WayOut("the waveform's end", None, Window(course.lasting_s, course.lasting_s)))
    if step.on_limit == "end" and (course.clamped_high or course.clamped_low):
        ways.append(WayOut("a clamp of the waveform", None, Window(AT_CLAMP_S, inf)))
    ways, horizon_s, overdue = possible(ways, world, course.max_s)
    found = left(world, state, index, ways, horizon_s, lambda _, between: _moved(course, between))
    lasting_s = Interval(min((way.window.soonest_s for way in ways), default=horizon_s), horizon_s)
    whole = _moved(course, Between(lasting_s.lo, lasting_s.hi))
    warm = course.warmth(lasting_s)
    end_c = Interval(warm.end_c.lo, warm.peak_c)
    charge_ah, energy_wh = whole.charge_ah, whole.energy_wh
    for _, _, gone in found:
        charge_ah, energy_wh = hull(charge_ah, gone.charge_ah), hull(energy_wh, gone.energy_wh)
    if len(found) == 1:
        charge_ah, energy_wh = found[0][2].charge_ah, found[0][2].energy_wh
    most_a = max(course.flowing_a.hi, -course.flowing_a.lo)
    unclamped = not (course.clamped_high or course.clamped_low) and len(found) == 1
    return Outcome(
        ends=tuple((way, after) for way, after, _ in found),
        duration_s=lasting_s,
        charge_ah=charge_ah,
        energy_wh=energy_wh,
        power_w=Interval(most_a * course.volts.lo * 0.95 if unclamped else 0.0, most_a * course.volts.hi),
        hottest_c=hottest(world, state, end_c, course.swing()),
        overdue=overdue,
        steady_c=warm.steady_c,
        beyond=_beyond(course, end_c),
    )


def _has_formulas(step: Waveform) -> bool:
    amounts = [step.clamp_high_v, step.clamp_low_v, *(segment.value for segment in step.segments)]
    return any(constant(amount) is None for amount in amounts)


def _moved(course: Wave, between: Between) -> Moved:
    world, state = course.world, course.state
    seconds = Interval(between.soonest_s, between.latest_s)
    net_ah = course.net_ah(seconds)
    capacity_ah = world.capacity_ah
    moved_soc = i.over(net_ah, capacity_ah)
    soc = i.plus(state.soc, moved_soc)
    soc = i.cut(soc, course.soc.lo, course.soc.hi)
    rounds = min(int(seconds.hi / course.period.seconds) + 1, course.step.repeat)
    charge_ah = i.widened(net_ah, course.error_ah(rounds))
    flows_a = hull(course.flowing_a, ZERO)
    filtered_a = filtered(world, state.filtered_a, flows_a, seconds)
    most_ah = course.throughput_ah(rounds)
    clamped = course.clamped_high or course.clamped_low
    whole = seconds.point and not clamped
    least_ah = 0.8 * most_ah if whole else 0.0
    throughput_ah = Interval(most_ah if world.expected else least_ah, most_ah)
    warm = course.warmth(seconds)
    volts = course.volts
    energy_wh = i.scaled(charge_ah, volts.middle) if world.expected else _energy(course, rounds, charge_ah)
    return Moved(
        soc=soc,
        filtered_a=filtered_a,
        current_a=flows_a,
        charge_ah=charge_ah,
        energy_wh=energy_wh,
        throughput_ah=throughput_ah,
        throughput_wh=i.times(throughput_ah, volts),
        temperature_c=warm.end_c,
        voltage_v=voltage(world, state, soc, flows_a, of_pack=True, filtered_a=filtered_a),
    )


def _energy(course: Wave, rounds: int, charge_ah: Interval) -> Interval:
    """What flowed in at one voltage and out at another: the net charge at the mean, and the swing at the difference."""
    volts = course.volts
    swing_ah = course.throughput_ah(rounds) + course.error_ah(rounds)
    apart_wh = swing_ah * (volts.hi - volts.lo) * 0.5
    return i.widened(i.scaled(charge_ah, volts.middle), apart_wh + 0.002 * swing_ah * volts.hi)


def _beyond(course: Wave, end_c: Interval) -> LimitSet:
    """The worst that its currents do to pack and cells."""
    world, state = course.world, course.state
    cells = voltage(world, state, course.soc, course.flowing_a, of_pack=False, filtered_a=course.whole_a)
    charges, discharges = course.flowing_a.hi > 0.0, course.flowing_a.lo < 0.0
    most_a2 = max(course.flowing_a.hi**2, course.flowing_a.lo**2)
    shape = world.curves.charging.most_shape(course.soc.lo - world.cell_spread, course.soc.hi + world.cell_spread)
    rate_k_s = most_a2 * course.ohm * shape / world.heat_j_k.lo
    warm = temperatures(world, Interval(min(end_c.lo, state.temperature_c.lo), end_c.hi), course.swing())
    return LimitSet(
        pack_voltage_max_v=course.volts.hi if charges else None,
        pack_voltage_min_v=course.volts.lo if discharges else None,
        cell_voltage_max_v=cells.hi if charges else None,
        cell_voltage_min_v=cells.lo if discharges else None,
        temperature_max_c=warm.hi,
        temperature_min_c=warm.lo,
        temperature_rate_max_k_min=rate_k_s * 60.0,
        cell_spread_max_v=(cells.hi - cells.lo) if world.series > 1 else 0.0,
    )
