"""A set-point that is not followed, also where it changes every second: tripped in time, and never at an edge."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.test_safety_judge import EXPECTED, LIMITS, S, view

from packbench.safety.judge import SafetyState, judge
from packbench.safety.view import Expectation

BENCH = replace(EXPECTED, current_a=0.0, setpoint_tolerance_a=2.0, setpoint_delay_ns=2 * S)
"""As the benches state it: 2 A, 2 s."""
CYCLE = (10.0, 25.0, -30.0, 0.0, -15.0, -40.0, 20.0, 5.0, -25.0, 30.0)
"""A, one a second."""
Follows = Callable[[float, float, float], float]
"""(set-point before, set-point, s since the command) to the current that flows."""


def well(before_a: float, wanted_a: float, since_s: float) -> float:
    """Ramps within 50 ms of a command that takes 30 ms to act."""
    share = min(max((since_s - 0.03) / 0.05, 0.0), 1.0)
    return before_a + share * (wanted_a - before_a)


def played(
    follows: Follows,
    *,
    poll_s: float = 0.5,
    phase_s: float = 0.005,
    seconds: float = 60.0,
    fault_s: float = 0.0,
    cycle: tuple[float, ...] = CYCLE,
    every_s: float = 1.0,
    expected: Expectation = BENCH,
) -> float | None:
    """When it trips, in s after `fault_s`, from when on `follows` holds; None: it does not."""
    state = SafetyState(0)
    commands: list[tuple[float, float]] = [(-10.0, 0.0)]
    next_s, poll_at_s, turn = 0.0, phase_s, 0
    while poll_at_s < seconds:
        if next_s <= poll_at_s:
            commands.append((next_s, cycle[turn % len(cycle)]))
            # Acknowledged 20 ms after it was sent.
            wanted_a = commands[-1][1]
            expected = expected.told(round((next_s + 0.02) * S), wanted_a, 16.8 if wanted_a > 0 else 10.4)
            turn, next_s = turn + 1, next_s + every_s
            continue
        (_, before_a), (at_s, wanted_a) = commands[-2], commands[-1]
        how = follows if poll_at_s >= fault_s else well
        reading = view(poll_at_s, current_a=how(before_a, wanted_a, poll_at_s - at_s))
        state = judge(state, reading, LIMITS, expected)
        if state.latched is not None:
            assert state.latched.trip.rule == "setpoint_not_followed"
            return poll_at_s - fault_s
        poll_at_s += poll_s
    return None


@pytest.mark.parametrize("poll_s", [0.1, 0.5])
@pytest.mark.parametrize("phase_s", [0.005, 0.045, 0.25])
def test_a_cycle_of_one_second_that_is_followed_is_no_fault(poll_s: float, phase_s: float) -> None:
    assert played(well, poll_s=poll_s, phase_s=phase_s) is None


def test_whatever_the_cycle_an_edge_is_no_fault() -> None:
    dice = random.Random(7)
    for _ in range(60):
        cycle = tuple(dice.uniform(-50.0, 50.0) for _ in range(17))
        poll_s, phase_s, every_s = dice.choice((0.1, 0.2, 0.5, 1.0)), dice.random() / 5, dice.choice((0.5, 1.0, 3.0))
        assert played(well, poll_s=poll_s, phase_s=phase_s, every_s=every_s, cycle=cycle, seconds=30.0) is None


FAULTS: dict[str, Follows] = {
    "ignores what it is told": lambda before_a, wanted_a, since_s: 0.0,
    "is stuck at what it had": lambda before_a, wanted_a, since_s: 18.0,
    "gives four fifths": lambda before_a, wanted_a, since_s: 0.8 * well(before_a, wanted_a, since_s),
    "has its sign wrong": lambda before_a, wanted_a, since_s: -well(before_a, wanted_a, since_s),
}
DRIVES = (20.0, -35.0, 25.0, -40.0, -18.0, 30.0, -12.0, 45.0)
"""A, one a second, none of them near 0."""


@pytest.mark.parametrize("poll_s", [0.1, 0.5])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_cycle_of_one_second_that_is_not_followed_trips_within_the_budget(fault: str, poll_s: float) -> None:
    """Deviation beyond the band for 2 s (faults catalogue, power.setpoint), and what is undecided at an edge."""
    for fault_s in (10.0, 10.3, 10.7):
        trips_s = played(FAULTS[fault], poll_s=poll_s, fault_s=fault_s, cycle=DRIVES)
        assert trips_s is not None
        assert 2.0 <= trips_s <= 2.0 + 1.0 + poll_s


@pytest.mark.parametrize("fault", FAULTS)
def test_halts_in_a_cycle_put_off_a_trip_by_no_more_than_themselves(fault: str) -> None:
    cycle = (20.0, -35.0, 25.0, -40.0, -18.0, 30.0, 0.0, 0.0, 45.0)
    trips_s = played(FAULTS[fault], fault_s=0.0, cycle=cycle)
    assert trips_s is not None
    assert trips_s <= 4.0


def test_a_power_that_is_followed_hides_no_fault() -> None:
    """A command at every reading, each a hair beside the last."""
    power = tuple(-30.0 * 1.0005**turn for turn in range(200))
    assert played(well, every_s=0.1, poll_s=0.1, cycle=power, seconds=15.0) is None
    trips_s = played(FAULTS["gives four fifths"], every_s=0.1, poll_s=0.1, cycle=power, fault_s=5.0)
    assert trips_s is not None
    assert 2.0 <= trips_s <= 2.2


def test_a_bench_may_give_its_cycler_longer() -> None:
    slow = replace(BENCH, setpoint_delay_ns=5 * S)
    late: Follows = lambda before_a, wanted_a, since_s: wanted_a if since_s >= 4.5 else before_a  # noqa: E731
    assert played(late, every_s=20.0, expected=slow) is None
    assert played(late, every_s=20.0) is not None
    never = played(FAULTS["ignores what it is told"], every_s=20.0, expected=slow)
    assert never is not None
    assert 5.0 <= never <= 6.0
    # Not where nothing has changed for long.
    fails = played(FAULTS["ignores what it is told"], every_s=20.0, expected=slow, fault_s=15.0)
    assert fails is not None
    assert 2.0 <= fails <= 2.5


def test_a_reading_at_an_edge_neither_begins_nor_ends_a_deviation() -> None:
    told = BENCH.told(0, 20.0, 16.8)
    state = SafetyState(0)
    for t_s in (1.0, 1.5, 2.0, 2.5):
        state = judge(state, view(t_s, current_a=10.0), LIMITS, told)
    assert state.pending
    state = judge(state, view(2.6, current_a=10.0), LIMITS, told.told(round(2.55 * S), 0.0, 16.8))
    assert state.pending, "on its way, for all anybody knows; the deviation before it is no less true"
    fresh = judge(SafetyState(0), view(2.6, current_a=10.0), LIMITS, told.told(round(2.55 * S), 0.0, 16.8))
    assert not fresh.pending
    good = judge(state, view(2.9, current_a=0.5), LIMITS, told.told(round(2.55 * S), 0.0, 16.8))
    assert not good.pending
