"""Waveforms: pulses, profiles of current and power, which end with their time.

Owns their course and outcome. A waveform is summed up once: the charge of one period, how far it swings on the way,
its heat; however often it repeats, it costs no more. A clamp may take any part of a segment's current away, so where
one may be met each segment moves between nothing and its full charge.
"""

from __future__ import annotations

from math import exp, inf

from packbench.config.cell_bounds import LOW_SOC, LOW_SOC_FACTOR, MIDDLE_SOC_FACTOR
from packbench.core.limits import LimitSet
from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.drives import FOLLOWS
from packbench.profile.checking.worst.ends import Window, window_of
from packbench.profile.checking.worst.heat import Warmth, coldest, heated
from packbench.profile.checking.worst.interval import ZERO, Interval, hull
from packbench.profile.checking.worst.outcome import Between, Moved, Outcome, WayOut, filtered, hottest, left, possible
from packbench.profile.checking.worst.period import Period, Shape, period_of, shape_of
from packbench.profile.checking.worst.state import State
from packbench.profile.checking.worst.values import (
    begun_with,
    between_steps,
    elsewhere,
    error_a,
    temperatures,
    voltage,
)
from packbench.profile.plan import Waveform

VOLTAGES = ("voltage", "cell_max", "cell_min")
AT_CLAMP_S = 1.0
"""A clamp ends a waveform no earlier (engine/steps/waveform.py)."""
ROUNDS_APART = 100
"""A waveform of more rounds gets as hot as it would in the end."""


class Wave:
    """The course of one execution."""

    def __init__(self, world: World, state: State, step: Waveform, known: Shape | None) -> None:
        self.world, self.state, self.step = world, state, step
        self.max_s = step.max_time_ns / 1e9
        self.lasting_s = step.period_ns * step.repeat / 1e9
        readings = between_steps(world, state)
        limits, full_v = world.limits, world.curves.charging.high_v(1.0) * world.series
        least_v, most_v = limits.pack_voltage_min_v or 0.0, limits.pack_voltage_max_v or full_v
        self.high_v = begun_with(step.clamp_high_v, state, readings, least_v, most_v).hi / world.series
        self.low_v = begun_with(step.clamp_low_v, state, readings, least_v, most_v).lo / world.series
        self.ohm = world.most_ohm_at(min(state.temperature_c.lo, state.around_c.lo))
        self.shape = known or shape_of(world, state, step, readings)
        self.period = self._period()
        self.flowing_a = self.period.flowing_a
        self.whole_a = hull(self.flowing_a, state.filtered_a)
        self.soc = self._soc()
        free = self._voltage(self.soc, self.whole_a)
        # At a clamp a falling current leaves the cable's drop to the pack (assumed.World.cable_ohm).
        cable_v = world.cable_ohm * max(self.flowing_a.hi, -self.flowing_a.lo)
        self.clamped_high = free.hi / world.series >= self.high_v
        self.clamped_low = free.lo / world.series <= self.low_v
        most_v, least_v = self.high_v * world.series * 1.01 + cable_v, self.low_v * world.series * 0.99 - cable_v
        self.volts = i.cut(free, least_v, most_v)

    def _period(self) -> Period:
        """With the currents of the pack's voltages: first those of the clamps, then those that come of them."""
        world, state = self.world, self.state
        if self.step.quantity == "current":
            return period_of(world, self.shape, None)
        clamps = Interval(max(self.low_v, 0.1) * world.series, self.high_v * world.series)
        volts = clamps
        for _ in range(3):
            self.period = period_of(world, self.shape, volts)
            found = self._voltage(self._soc(), hull(self.period.flowing_a, state.filtered_a))
            volts = i.cut(found, clamps.lo, clamps.hi)
        return period_of(world, self.shape, volts)

    def _voltage(self, soc: Interval, flowing_a: Interval) -> Interval:
        return voltage(self.world, self.state, soc, flowing_a, of_pack=True, filtered_a=flowing_a)

    def _soc(self) -> Interval:
        """Of the mean cell, at any moment; the clamps keep it from going further than they do."""
        world, state = self.world, self.state
        high_ah, low_ah = self.swings_ah(self.step.repeat)
        curve = world.curves.charging
        soc = Interval(
            max(state.soc.lo + low_ah / world.capacity_ah.lo, curve.surely(self.low_v) - world.pack_spread - 0.05),
            min(state.soc.hi + high_ah / world.capacity_ah.lo, curve.surely(self.high_v) + world.pack_certain + 0.05),
        )
        return hull(soc, state.soc)

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
        if name in VOLTAGES and self.world.expected:
            return self._expected_voltage(name, bound, rising=rising)
        if name != "step_ah" or not rising:
            return Window(over_s, inf) if name in ("dV/dt", "abs(dV/dt)", "dT/dt") else None
        largest_ah = max(self.period.charged_ah, self.period.discharged_ah)
        rounds = int(max(bound.lo - self.error_ah(1), 0.0) / largest_ah) if largest_ah else self.step.repeat
        return Window(rounds * self.period.seconds, inf) if self.reads("step_ah").hi >= bound.lo else Window(inf, inf)

    def _expected_voltage(self, name: str, bound: Interval, *, rising: bool) -> Window:
        """When the net charge has brought the usual pack to a voltage, its pulses on top."""
        world, net_ah = self.world, self.period.net_ah.middle
        cells = world.series if name == "voltage" else 1
        most_a = self.flowing_a.hi if rising else self.flowing_a.lo
        open_v = bound.middle / cells - self.ohm * most_a
        way_ah = (world.curves.charging.surely(open_v) - self.state.soc.middle) * world.capacity_ah.middle
        if way_ah == 0.0 or (way_ah > 0.0) != rising:
            return Window(0.0, 0.0)
        if net_ah == 0.0 or (net_ah > 0.0) != rising:
            return Window(inf, inf)
        seconds = way_ah / net_ah * self.period.seconds
        return Window(seconds, seconds)

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
        """The most that flows, in and out together: what does not come back again is no more than the pack has."""
        charged_ah, discharged_ah = self.period.charged_ah * rounds, self.period.discharged_ah * rounds
        one_way_ah = (self.soc.hi - self.soc.lo) * self.world.capacity_ah.hi
        return min(charged_ah + discharged_ah, 2.0 * min(charged_ah, discharged_ah) + one_way_ah)

    def swing(self) -> float:
        """Charge moved so far, this step's with it, in capacities."""
        return self.state.totals.swing + self.throughput_ah(self.step.repeat) / self.world.capacity_ah.lo

    def warmth(self, lasting_s: Interval) -> Warmth:
        """Round after round: what is left of one's heat at its end, and the most of it on the way."""
        world, period = self.world, self.period
        tau_s = world.cooling_s.hi
        rounds = min(self.step.repeat, int(lasting_s.hi / period.seconds) + 1)
        apart = min(rounds, ROUNDS_APART)
        high_rounds = apart - self._low_rounds(rounds)
        decay = exp(-period.seconds / tau_s)
        hot_c, around_c = self.state.temperature_c.hi, self.state.around_c.hi
        peak_c = steady_c = ends_c = max(hot_c, around_c)
        for number in range(apart):
            kelvin_per_a2s = self._factor(low=number >= high_rounds) * world.most_ohm_at(hot_c) / world.heat_j_k.lo
            settled_c = around_c + kelvin_per_a2s * period.left_a2s / (1.0 - decay)
            steady_c = max(steady_c, settled_c)
            peak_c = max(peak_c, hot_c + kelvin_per_a2s * period.left_most_a2s)
            hot_c = settled_c + (hot_c - settled_c) * decay
            ends_c = max(ends_c, hot_c)
        if rounds > apart:
            ends_c = max(ends_c, steady_c)
        peak_c = max(peak_c, ends_c)
        if world.expected:
            return Warmth(Interval(hot_c, hot_c), peak_c, steady_c, steady_c)
        at_once_c = self._at_once(rounds, low=high_rounds < apart)
        peak_c, ends_c = min(peak_c, at_once_c), min(ends_c, at_once_c)
        limit_c = steady_c
        if not lasting_s.point:
            # It may end in the middle of a round, again and again, but never hotter than its greatest current makes it.
            most_a2 = max(period.flowing_a.hi, -period.flowing_a.lo) ** 2
            ohm = self._factor(low=high_rounds < apart) * world.most_ohm_at(self.state.temperature_c.hi)
            limit_c = max(steady_c, around_c + ohm * most_a2 * tau_s / world.heat_j_k.lo)
            ends_c = min(peak_c, limit_c)
        return Warmth(Interval(coldest(world, self.state, lasting_s), ends_c), peak_c, steady_c, limit_c)

    def _at_once(self, rounds: int, *, low: bool) -> float:
        """All of its charge in one go at its largest current: nothing that moves as much gets hotter."""
        most_a = max(self.flowing_a.hi, -self.flowing_a.lo)
        state, flowing_s = self.state, self.throughput_ah(rounds) * 3600.0 / most_a if most_a > 0.0 else 0.0
        blocks = ((flowing_s, most_a**2, self._factor(low=low)),)
        warmest_c = max(state.temperature_c.hi, state.around_c.hi)
        whole = heated(self.world, Interval(warmest_c, warmest_c), state.around_c, blocks, Interval(0.0, flowing_s))
        return whole.peak_c

    def _low_rounds(self, rounds: int) -> int:
        """How many rounds may have cells of little charge in them, which resist more: the last ones."""
        if self.soc.lo >= LOW_SOC:
            return 0
        down_ah = -self.period.net_ah.hi
        if down_ah <= 0.0:
            return rounds
        return min(rounds, int((LOW_SOC - self.soc.lo) * self.world.capacity_ah.hi / down_ah) + 2)

    def _factor(self, *, low: bool) -> float:
        if self.world.expected:
            return 1.0
        return LOW_SOC_FACTOR if low else MIDDLE_SOC_FACTOR

    def power_w(self) -> Interval:
        """The largest magnitude, while no clamp takes any of it away."""
        shape = self.shape
        if self.step.quantity == "power":
            most_w = max(shape.most, -shape.least)
            return Interval(most_w * (1.0 - FOLLOWS), most_w * (1.0 + FOLLOWS))
        most_a = max(self.flowing_a.hi, -self.flowing_a.lo)
        return Interval(0.95 * most_a * self.volts.lo, most_a * self.volts.hi)


def waveform_outcome(world: World, state: State, step: Waveform, index: int, known: dict[int, Shape]) -> Outcome:
    """One execution. `known`: the segments of steps whose amounts are all numbers, by their index."""
    course = Wave(world, state, step, known.get(index))
    if index not in world.asked.formulas:
        known[index] = course.shape
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
    whole_c = Interval(warm.end_c.lo, warm.peak_c)
    charge_ah, energy_wh = whole.charge_ah, whole.energy_wh
    for _, _, gone in found:
        charge_ah, energy_wh = hull(charge_ah, gone.charge_ah), hull(energy_wh, gone.energy_wh)
    if len(found) == 1:
        charge_ah, energy_wh = found[0][2].charge_ah, found[0][2].energy_wh
    power_w = course.power_w()
    unclamped = not (course.clamped_high or course.clamped_low) and len(found) == 1
    return Outcome(
        ends=tuple((way, after) for way, after, _ in found),
        duration_s=lasting_s,
        charge_ah=charge_ah,
        energy_wh=energy_wh,
        power_w=Interval(power_w.lo if unclamped else 0.0, power_w.hi),
        hottest_c=hottest(world, state, whole_c, course.swing()),
        overdue=overdue,
        warmth=warm,
        beyond=_beyond(course, whole_c),
    )


def _moved(course: Wave, between: Between) -> Moved:
    world, state = course.world, course.state
    seconds = Interval(between.soonest_s, between.latest_s)
    capacity_ah = world.capacity_ah
    least_soc, most_soc = course.soc.lo - state.soc.hi, course.soc.hi - state.soc.lo
    net_ah = course.net_ah(seconds)
    if not world.expected:
        miscounted = 1.0 + world.current_error.gain
        net_ah = i.cut(net_ah, miscounted * least_soc * capacity_ah.hi, miscounted * most_soc * capacity_ah.hi)
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
