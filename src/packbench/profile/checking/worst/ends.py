"""When an end condition may be met for the first time in a step, and when it surely has been.

Owns the windows of tests and conditions. What the variables do during a step is the step's course: `Course`. A test
that surely holds is one that goes on holding, so that several hold together and for as long as one likes.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple, Protocol

from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.interval import ZERO, Interval
from packbench.profile.checking.worst.state import State
from packbench.profile.checking.worst.values import Readings, moves, value_of
from packbench.profile.plan import Condition, Test

BMS_READS = ("cell", "temperature", "soc", "dT/dt")
SETTLES_S = 2.0
"""In a step's first moments readings may still be of the step before (engine/entering.py)."""
TIMES = ("step_time", "cycle_time", "test_time")


class Window(NamedTuple):
    """Seconds after the step's beginning."""

    soonest_s: float
    """inf: never."""
    latest_s: float
    """inf: not surely."""


NEVER = Window(inf, inf)
ANY_TIME = Window(0.0, inf)
AT_ONCE = Window(0.0, 0.0)


class Course(Protocol):
    """What is known of a step's readings while it runs."""

    @property
    def world(self) -> World:
        """The case."""
        ...

    @property
    def state(self) -> State:
        """What it begins with."""
        ...

    def reads(self, name: str) -> Interval:
        """Everything that a variable may read from the step's beginning to its end."""
        ...

    def reaches(self, name: str, bound: Interval, *, rising: bool, over_s: float) -> Window | None:
        """When it meets a bound; None: no more is known than what it may read."""
        ...


def window_of(condition: Condition, course: Course) -> Window:
    """When a condition may end the step, and when it surely has: seen, and held for as long as it must."""
    windows = [_test(test, course, condition.window_ns / 1e9) for test in condition.tests]
    held_s = condition.for_ns / 1e9
    soonest_s = max(window.soonest_s for window in windows) + held_s
    latest_s = max(window.latest_s for window in windows) + held_s
    exact = all(test.variable in TIMES for test in condition.tests) and len(windows) == 1 and not condition.for_ns
    if exact or latest_s == inf or course.world.expected:
        return Window(soonest_s, latest_s)
    return Window(soonest_s, max(latest_s, SETTLES_S) + _unseen_s(condition, course.world))


def decided(condition: Condition, state: State, readings: Readings) -> tuple[bool, bool]:
    """Whether a condition (may, surely does) hold at a moment between two steps."""
    found = [_compared(test, _left(test, state, readings), state, readings) for test in condition.tests]
    return all(may for may, _ in found), all(surely for _, surely in found)


def timed(base: Interval, bound: Interval, *, rising: bool) -> Window:
    """Of a time that runs on from `base`."""
    if not rising:
        return ANY_TIME if base.lo <= bound.hi else NEVER
    latest_s = inf if bound.missing else max(bound.hi - base.lo, 0.0)
    return Window(max(bound.lo - base.hi, 0.0), latest_s)


def _test(test: Test, course: Course, over_s: float) -> Window:
    state = course.state
    bound = value_of(test.value, state, course.reads)
    if test.left is None and not (moves(test.value) and test.variable not in TIMES):
        window = _reached(test, bound, course, over_s)
        if window is not None:
            return window
    may, surely = _compared(test, _left(test, state, course.reads), state, course.reads)
    if surely:
        return AT_ONCE
    return ANY_TIME if may else NEVER


def _reached(test: Test, bound: Interval, course: Course, over_s: float) -> Window | None:
    base = {
        "step_time": ZERO,
        "cycle_time": course.state.cycle_s,
        "test_time": course.state.test_s,
    }.get(test.variable)
    if base is not None:
        return timed(base, bound, rising=test.rising)
    window = course.reaches(named(test), bound, rising=test.rising, over_s=over_s)
    if window is None or not bound.missing:
        return window
    return Window(window.soonest_s, inf)


def named(test: Test) -> str:
    """The reading that a test means."""
    if test.variable == "cell_any":
        return "cell_max" if test.rising else "cell_min"
    return test.variable


def _left(test: Test, state: State, readings: Readings) -> Interval:
    return readings(named(test)) if test.left is None else value_of(test.left, state, readings)


def _compared(test: Test, left: Interval, state: State, readings: Readings) -> tuple[bool, bool]:
    bound = value_of(test.value, state, readings)
    low, high = (left, bound) if test.rising else (bound, left)
    # It holds where low >= high (or low > high).
    strict = test.operator in (">", "<")
    may = low.hi > high.lo if strict else low.hi >= high.lo
    surely = low.lo > high.hi if strict else low.lo >= high.hi
    return may, surely and not i.plus(low, high).missing


def _unseen_s(condition: Condition, world: World) -> float:
    if any(test.variable.startswith(BMS_READS) for test in condition.tests):
        return max(world.bms_s, world.cycler_s)
    return world.cycler_s
