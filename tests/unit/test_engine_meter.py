"""Charge and energy at commands: what a reading that was on its way counts for, and what no reading shows."""

from __future__ import annotations

import pytest
from tests.unit.engine_parts import S, condition, discharge, drive, end, ended, plan, rest, snapshot

from packbench.engine.meter import Meter

AS = 3600.0


def reading(t_s: float) -> int:
    return round(t_s * S)


def test_the_first_reading_of_a_command_counts_for_the_whole_interval() -> None:
    meter = Meter(0, 0.0, 4.0, 0.0, 0.0).commanded(0, -10.0).extended(reading(1), -10.0, 3.9)
    assert meter.ah * AS == pytest.approx(-10.0)
    assert meter.wh * AS == pytest.approx(-39.0)
    assert meter.extended(reading(2), -12.0, 3.9).ah * AS == pytest.approx(-21.0), "then trapezoids again"


def test_a_reading_on_its_way_shows_the_old_current_and_the_next_one_the_new() -> None:
    """Commanded at 1 s between two polls, read 8 ms later: half a second of half the old current would be wrong."""
    meter = Meter(reading(0.5), 0.0, 4.0, 0.0, 0.0).commanded(reading(1), -100.0)
    meter = meter.extended(reading(1.008), 0.1, 4.0).extended(reading(1.5), -100.0, 3.9)
    assert meter.ah * AS == pytest.approx(-100.0 * 0.492, rel=0.001)


def test_a_command_that_shows_late_may_have_been_followed_at_any_time() -> None:
    meter = Meter(0, -10.0, 4.0, 0.0, 0.0).commanded(0, 0.0).extended(reading(0.5), -10.0, 4.0)
    assert meter.extended(reading(1.0), 0.0, 4.1).ah * AS == pytest.approx(-5.0 - 2.5)


def test_at_a_clamp_a_command_is_seen_though_it_is_not_reached() -> None:
    meter = Meter(0, 0.0, 4.0, 0.0, 0.0).commanded(0, 50.0).extended(reading(1), 20.0, 4.2)
    assert meter.ah * AS == pytest.approx(20.0)
    assert meter.wanted_a is None


def test_between_two_commands_without_a_reading_what_was_commanded_counts() -> None:
    meter = Meter(0, 0.0, 4.0, 0.0, 0.0).commanded(0, 10.0).commanded(reading(0.2), -20.0)
    assert meter.ah * AS == pytest.approx(2.0)
    meter = meter.extended(reading(0.5), -20.0, 4.0)
    assert meter.ah * AS == pytest.approx(2.0 - 6.0)
    # Once read, the reading is what is held.
    assert meter.held(reading(1.0)).ah * AS == pytest.approx(-4.0 - 10.0)


def test_a_command_that_was_never_given_moves_nothing() -> None:
    meter = Meter(0, 2.0, 4.0, 0.0, 0.0).commanded(0, 50.0)
    assert meter.held(reading(1.0)).ah * AS == pytest.approx(50.0)
    assert meter.withdrawn(1.0).held(reading(1.0)).ah * AS == pytest.approx(1.0), "what was commanded before it"
    off = meter.commanded(0, 0.0)
    assert off.withdrawn(50.0) == off, "an off is not withdrawn"


def test_a_tail_of_a_step_that_another_current_follows_is_not_that_current() -> None:
    first, second = discharge(10.0, condition("step_time", ">=", 2)), discharge(20.0, condition("step_time", ">=", 5))
    views = [snapshot(0), snapshot(1, -10.0), snapshot(2, -10.0)]
    _, effects = drive(plan(first, second, end()), [*views, snapshot(3, -20.0)])
    (record,) = ended(effects)
    assert record.tail_ah == 0.0
    _, effects = drive(plan(first, rest(9), end()), [*views, snapshot(2.1, -9.5), snapshot(2.2, 0.0)])
    (record,) = ended(effects)
    assert record.tail_ah * AS == pytest.approx(-0.975)
