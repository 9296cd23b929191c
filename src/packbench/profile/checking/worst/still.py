"""Steps without current: rest, soak, pause.

Owns their course and outcome: time passes, polarisation and temperatures settle, a little charge leaks away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, log

from packbench.core.limits import LimitSet
from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.ends import Window, window_of
from packbench.profile.checking.worst.heat import cooled, reaching
from packbench.profile.checking.worst.interval import ZERO, Interval, hull
from packbench.profile.checking.worst.outcome import Between, Moved, Outcome, WayOut, filtered, hottest, left, possible
from packbench.profile.checking.worst.state import State
from packbench.profile.checking.worst.values import (
    CHAMBER_C,
    begun_with,
    between_steps,
    elsewhere,
    error_a,
    temperatures,
    voltage,
)
from packbench.profile.plan import Pause, Rest, Soak

ANSWERED_S = 60.0
"""How long an answer is expected to take. [A]"""

StillStep = Rest | Soak | Pause


@dataclass(frozen=True, slots=True)
class Still:
    """The course of one execution."""

    world: World
    state: State
    max_s: float

    def reaches(self, name: str, bound: Interval, *, rising: bool, over_s: float) -> Window | None:
        """See `ends.Course`."""
        if name in ("dV/dt", "abs(dV/dt)", "dT/dt"):
            return Window(over_s, inf)
        if name not in ("temperature_max", "temperature_min"):
            return None
        world, state = self.world, self.state
        by_k = world.entropic_k(state.totals.swing) + world.temperature_error_k(bound.hi)
        return Window(*reaching(world, state.temperature_c, state.around_c, i.widened(bound, by_k), rising=rising))

    def reads(self, name: str) -> Interval:
        """See `ends.Course`."""
        world, state = self.world, self.state
        flowing_a = hull(state.current_a, ZERO)
        if name in ("voltage", "cell_max", "cell_min"):
            return voltage(world, state, self._soc(self.max_s), flowing_a, of_pack=name == "voltage")
        match name:
            case "current" | "power":
                read_a = i.magnitude(i.widened(flowing_a, error_a(world, flowing_a)))
                read_a = Interval(0.0, read_a.hi)
                return read_a if name == "current" else i.times(read_a, self.reads("voltage"))
            case "step_ah" | "step_wh":
                volts = 1.0 if name == "step_ah" else self.reads("voltage").hi
                return Interval(0.0, self.tail_ah(self.max_s) * volts)
            case "cycle_ah" | "test_ah" | "cycle_wh" | "test_wh":
                tail = self.reads(f"step_{name[-2:]}").hi
                return i.magnitude(i.widened(getattr(state, name), tail))
            case "step_time":
                return Interval(0.0, self.max_s)
            case "cycle_time" | "test_time":
                base = state.cycle_s if name == "cycle_time" else state.test_s
                return Interval(base.lo, base.hi + self.max_s)
            case "cycle":
                return state.cycle
            case "temperature_max" | "temperature_min":
                warm = cooled(world, state.temperature_c, state.around_c, Interval(0.0, self.max_s))
                around = Interval(min(warm.end_c.lo, state.temperature_c.lo), warm.peak_c)
                return temperatures(world, around, state.totals.swing)
            case _:
                return elsewhere(world, state, name)

    def tail_ah(self, seconds: float) -> float:
        """What the meter may still count of the current before, and of its own offset."""
        before_a = max(abs(self.state.current_a.lo), abs(self.state.current_a.hi))
        edge_s = self.world.cycler_s + self.world.latency_s
        return (before_a * edge_s + error_a(self.world, ZERO) * seconds) / 3600.0

    def _soc(self, seconds: float) -> Interval:
        soc = self.state.soc
        return Interval(soc.lo - self.world.leak_per_s * seconds, soc.hi)


def still_outcome(world: World, state: State, step: StillStep, index: int) -> Outcome:
    """One execution."""
    course = Still(world, state, step.max_time_ns / 1e9)
    ways = [
        WayOut(condition.text, condition.goto, window_of(condition, course), at)
        for at, condition in enumerate(step.until)
    ]
    around_c, soaked_c = state.around_c, Interval(-inf, inf)
    if isinstance(step, Pause):
        answered = Window(ANSWERED_S, inf) if world.expected and course.max_s > ANSWERED_S else Window(0.0, inf)
        if index in world.asked.before:
            answered = Window(0.0, 0.0)
        ways += [WayOut(f"answered {answer.word}", answer.goto, answered) for answer in step.choices]
    elif isinstance(step, Soak):
        way, around_c, soaked_c = _soak(course, step)
        ways.append(way)
    ways, horizon_s, overdue = possible(ways, world, course.max_s)
    if isinstance(step, Pause):
        overdue = False  # who asks knows that an answer may not come
    settled = Still(world, replace(state, around_c=hull(state.around_c, around_c)), course.max_s)
    found = left(world, settled.state, index, ways, horizon_s, lambda _, between: _rested(settled, between))
    if isinstance(step, Soak):
        found = [(way, _soaked(way, after, around_c, soaked_c), gone) for way, after, gone in found]
    lasting_s = Interval(min((way.window.soonest_s for way in ways), default=horizon_s), horizon_s)
    if overdue:
        lasting_s = Interval(lasting_s.lo, course.max_s)
    warm = cooled(world, state.temperature_c, settled.state.around_c, lasting_s)
    whole = _rested(settled, Between(lasting_s.lo, lasting_s.hi))
    read_c = temperatures(world, Interval(min(warm.end_c.lo, state.temperature_c.lo), warm.peak_c), state.totals.swing)
    return Outcome(
        ends=tuple((way, after) for way, after, _ in found),
        duration_s=lasting_s,
        charge_ah=whole.charge_ah,
        energy_wh=whole.energy_wh,
        power_w=ZERO,
        hottest_c=hottest(world, state, Interval(warm.end_c.lo, warm.peak_c), state.totals.swing),
        overdue=overdue,
        warmth=warm,
        beyond=LimitSet(temperature_max_c=read_c.hi, temperature_min_c=read_c.lo),
    )


def _soak(course: Still, step: Soak) -> tuple[WayOut, Interval, Interval]:
    """When every sensor surely has been near the target for long enough.

    With it the chamber's temperature, and that of the cells behind this end.
    """
    world, state = course.world, course.state
    target_c = begun_with(step.temperature_c, state, between_steps(world, state), *CHAMBER_C)
    at_c = Interval(target_c.lo - world.chamber_k, target_c.hi + world.chamber_k)
    stable_s = step.stable_ns / 1e9
    read_k, reversible_k = world.temperature_error_k(target_c.hi), world.entropic_k(state.totals.swing)
    error_k = read_k + reversible_k
    # Reversible heat goes as any other does: without current there comes no more of it.
    away_k = max(state.temperature_c.hi - at_c.lo, at_c.hi - state.temperature_c.lo) + reversible_k
    room_k = step.within_k - read_k - world.chamber_k
    latest_s = inf
    if away_k <= step.within_k - read_k and room_k >= 0.0:
        latest_s = stable_s
    elif room_k > 0.0:
        latest_s = stable_s + world.cooling_s.hi * log(max(away_k / room_k, 1.0)) + 2.0 * world.relaxing_s.hi
    soonest_s = stable_s
    if world.expected:
        latest_s = stable_s + world.cooling_s.hi * log(max(away_k / step.within_k, 1.0))
        soonest_s = latest_s
    amount = step.temperature_c
    shown = f"{amount:g}" if isinstance(amount, float | int) else amount.text
    text = f"every sensor within {step.within_k:g} K of {shown} degC for {step.stable_ns / 1e9:g} s"
    soaked_c = target_c if world.expected else i.widened(target_c, step.within_k + error_k)
    return WayOut(text, None, Window(soonest_s, latest_s + world.bms_s)), at_c, soaked_c


def _soaked(way: WayOut, after: State, around_c: Interval, soaked_c: Interval) -> State:
    """Behind a soak's own end the chamber has its temperature, and the pack has followed."""
    if way.condition is not None:
        return after
    return replace(after, around_c=around_c, temperature_c=i.cut(after.temperature_c, soaked_c.lo, soaked_c.hi))


def _rested(course: Still, between: Between) -> Moved:
    world, state = course.world, course.state
    seconds = Interval(between.soonest_s, between.latest_s)
    tail_ah = course.tail_ah(between.latest_s)
    charge_ah = Interval(-tail_ah, tail_ah)
    volts = course.reads("voltage")
    filtered_a = filtered(world, state.filtered_a, ZERO, seconds)
    after_a = ZERO if between.soonest_s > world.latency_s or world.expected else hull(state.current_a, ZERO)
    soc = Interval(state.soc.lo - world.leak_per_s * between.latest_s, state.soc.hi)
    warm = cooled(world, state.temperature_c, state.around_c, seconds)
    return Moved(
        soc=soc,
        filtered_a=filtered_a,
        current_a=after_a,
        charge_ah=charge_ah,
        energy_wh=i.times(charge_ah, Interval(volts.hi, volts.hi)),
        throughput_ah=ZERO,
        throughput_wh=ZERO,
        temperature_c=warm.end_c,
        voltage_v=voltage(world, state, soc, after_a, of_pack=True, filtered_a=filtered_a),
    )
