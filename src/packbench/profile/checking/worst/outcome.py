"""What one execution of a step may come to: its ways out, and everything in between.

Owns the shape that all kinds of step answer in, and the part of it that they share: which end may come when, and
the state that it leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp, inf
from typing import NamedTuple

from packbench.config.cell_bounds import SOC_LEAST, SOC_MOST
from packbench.core.limits import LimitSet
from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.ends import Window
from packbench.profile.checking.worst.heat import Warmth
from packbench.profile.checking.worst.interval import Interval
from packbench.profile.checking.worst.state import Passed, State, Totals
from packbench.profile.checking.worst.values import temperatures


@dataclass(frozen=True, slots=True)
class WayOut:
    """One end of a step, and when it may come."""

    text: str
    """As the step's record says it; a limiting cell is `a cell`."""
    goto: int | None
    """None: the next step."""
    window: Window
    condition: int | None = None
    """Which of `until`; None: an end of the step's own."""


class Moved(NamedTuple):
    """What flowed between a step's beginning and one of its ends. Charge and energy are signed and as measured."""

    soc: Interval
    filtered_a: Interval
    current_a: Interval
    charge_ah: Interval
    energy_wh: Interval
    throughput_ah: Interval
    throughput_wh: Interval
    temperature_c: Interval
    voltage_v: Interval
    """The pack's, at the end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One execution."""

    ends: tuple[tuple[WayOut, State], ...]
    duration_s: Interval
    charge_ah: Interval
    energy_wh: Interval
    power_w: Interval
    """Largest magnitude."""
    hottest_c: Interval
    """As read."""
    overdue: bool
    """It may last longer than max_time, which ends the run."""
    warmth: Warmth
    beyond: LimitSet
    """The worst that the pack may come to where a limit of that name watches it; None: it is kept in any case."""


class Between(NamedTuple):
    """Seconds after the beginning at which an end may come."""

    soonest_s: float
    latest_s: float


def possible(ways: list[WayOut], world: World, max_s: float) -> tuple[list[WayOut], float, bool]:
    """The ends that may come, the latest instant for any of them, and whether max_time may come first.

    Expected is the end that comes first of those that surely come; where none does, the first that may.
    """
    latest_s = min((way.window.latest_s for way in ways), default=inf)
    if world.expected:
        sure = [way for way in ways if way.window.latest_s <= max_s]
        if sure:
            first = min(sure, key=lambda way: way.window.latest_s)
            return [replace(first, window=Window(latest_s, latest_s))], latest_s, False
        early = [way for way in ways if way.window.soonest_s <= max_s]
        if not early:
            return [], max_s, True
        first = min(early, key=lambda way: way.window.soonest_s)
        soonest_s = first.window.soonest_s
        return [replace(first, window=Window(soonest_s, soonest_s))], soonest_s, False
    horizon_s = min(latest_s, max_s)
    return [way for way in ways if way.window.soonest_s <= horizon_s], horizon_s, latest_s > max_s


def left(
    world: World,
    state: State,
    index: int,
    ways: list[WayOut],
    horizon_s: float,
    moved: Callable[[WayOut, Between], Moved],
) -> list[tuple[WayOut, State, Moved]]:
    """Every end with the state behind it."""
    found: list[tuple[WayOut, State, Moved]] = []
    for way in ways:
        between = Between(way.window.soonest_s, horizon_s)
        gone = moved(way, between)
        found.append((way, _after(world, state, index, between, gone), gone))
    return found


def _after(world: World, state: State, index: int, between: Between, moved: Moved) -> State:
    seconds = Interval(between.soonest_s, between.latest_s)
    swing = moved.throughput_ah.hi / world.capacity_ah.lo
    totals = state.totals.plus(Totals(seconds, moved.throughput_ah, moved.throughput_wh, swing))
    hottest_c = hottest(world, state, moved.temperature_c, totals.swing)
    passed = None
    if index in world.asked.steps:
        passed = Passed(
            ah=i.magnitude(moved.charge_ah),
            wh=i.magnitude(moved.energy_wh),
            seconds=seconds,
            voltage_v=moved.voltage_v,
            temperature_c=hottest_c,
            resistance_ohm=Interval(-inf, inf, True),
        )
    return replace(
        state,
        soc=i.cut(moved.soc, SOC_LEAST, SOC_MOST),
        filtered_a=moved.filtered_a,
        current_a=moved.current_a,
        temperature_c=moved.temperature_c,
        hottest_c=Interval(max(state.hottest_c.lo, hottest_c.lo), max(state.hottest_c.hi, hottest_c.hi)),
        past=state.past if passed is None else {**state.past, index: passed},
        optional=state.optional - {index},
        test_s=i.plus(state.test_s, seconds),
        cycle_s=i.plus(state.cycle_s, seconds),
        step_s=seconds,
        test_ah=i.plus(state.test_ah, moved.charge_ah),
        test_wh=i.plus(state.test_wh, moved.energy_wh),
        cycle_ah=i.plus(state.cycle_ah, moved.charge_ah),
        cycle_wh=i.plus(state.cycle_wh, moved.energy_wh),
        totals=totals,
    )


def hottest(world: World, state: State, end_c: Interval, swing: float) -> Interval:
    """The hottest reading of a step that began in `state` and ended within `end_c`."""
    # It read at least what it began with, and at most the hotter of both ends: `end_c` holds the peak.
    return temperatures(world, Interval(state.temperature_c.lo, max(state.temperature_c.hi, end_c.hi)), swing)


def filtered(world: World, before_a: Interval, flowing_a: Interval, seconds: Interval) -> Interval:
    """The current as polarisation feels it, after one between two bounds has flowed for so long."""
    return Interval(
        -_filtered_most(world, -before_a.lo, -flowing_a.lo, seconds),
        _filtered_most(world, before_a.hi, flowing_a.hi, seconds),
    )


def _filtered_most(world: World, before_a: float, flowing_a: float, seconds: Interval) -> float:
    if flowing_a >= before_a:
        return flowing_a + (before_a - flowing_a) * _left_of(seconds.hi, world.relaxing_s.lo)
    return flowing_a + (before_a - flowing_a) * _left_of(seconds.lo, world.relaxing_s.hi)


def _left_of(seconds: float, tau_s: float) -> float:
    return 0.0 if seconds > 40.0 * tau_s else exp(-seconds / tau_s)
