"""The arm sequence step by step: what each one waits for, how it is refused, and what is switched on meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.firmware.arm_steps import (
    ENABLE,
    REQUEST,
    WAKE,
    WHOLE,
    assert_refused,
    begun,
    closed,
    connect,
    match,
    phase,
    settle,
    wait,
    wake,
)
from tests.firmware.harness import CONFIG, RELEASE_US, Rig

from packbench_board.codes import Input, Output, Phase, Refusal, State, TripCode
from packbench_board.frames import Ack, Sign, Trip


def test_each_step_switches_on_what_it_needs_and_no_more() -> None:
    rig = begun()
    assert (phase(rig), rig.core.outputs) == (Phase.WAKE, WAKE | REQUEST)
    wake(rig)
    assert (phase(rig), rig.core.outputs) == (Phase.PACK, WAKE | REQUEST)
    rig.inputs |= Input.PACK_CLOSED
    rig.pack_v = 360.0
    rig.cycler_v = 360.0
    rig.step()
    assert (phase(rig), rig.core.outputs) == (Phase.RESIDUAL, WAKE | REQUEST), "no enable while it looks"
    rig.cycler_v = 100.0
    settle(rig)
    assert (phase(rig), rig.core.outputs) == (Phase.MATCH, WAKE | REQUEST | ENABLE)
    rig.cycler_v = 359.0
    settle(rig)
    assert (phase(rig), rig.core.outputs) == (Phase.PRECHARGE, WAKE | REQUEST | ENABLE | Output.PRECHARGE)
    rig.run(CONFIG.precharge_settle_ms * 1000)
    assert phase(rig) is Phase.CLOSING
    assert rig.core.outputs == WAKE | REQUEST | ENABLE | Output.PRECHARGE | Output.CONTACTOR
    rig.run(RELEASE_US + 1000)
    assert (phase(rig), rig.core.outputs) == (Phase.SIGN, WAKE | REQUEST | ENABLE | Output.CONTACTOR)
    assert isinstance(rig.ask(Sign(1500)), Ack)
    rig.current_a = 1.5
    rig.run(CONFIG.precharge_settle_ms * 1000 + 1000)
    assert (phase(rig), rig.core.outputs) == (Phase.DONE, WAKE | REQUEST | ENABLE | Output.CONTACTOR)


def test_the_precharge_relay_is_on_before_the_contactor_even_without_a_settling_time() -> None:
    """Found by fuzzing: without one, matching and closing fell into the same cycle."""
    rig = begun(WHOLE._replace(precharge_settle_ms=0, residual_timeout_ms=0, match_timeout_ms=0))
    rig.cycler_v = 360.0
    connect(rig)
    assert (phase(rig), rig.coil) == (Phase.PRECHARGE, False), "asked twice in one instant"
    rig.run(1)
    assert (phase(rig), rig.coil) == (Phase.PRECHARGE, False), "two looks are too few"
    rig.run(1)
    assert (phase(rig), rig.coil) == (Phase.CLOSING, True)


@pytest.mark.parametrize("apart_v", [0.0, 100.0])
def test_one_sample_does_not_show_that_the_contactor_is_open(apart_v: float) -> None:
    """A welded contactor, and a sensor with a glitch now and then."""
    rig = begun()
    rig.cycler_v = 360.0
    connect(rig)
    start_us = rig.t_us
    while rig.state is State.PRECHARGE:
        rig.cycler_v = apart_v
        rig.run(1_000)
        rig.cycler_v = 360.0
        wait(rig, 9_000)
    assert rig.status().trip_code == TripCode.RESIDUAL_VOLTAGE
    assert rig.t_us - start_us >= WHOLE.residual_timeout_ms * 1000
    assert rig.coil_changes == []


def test_samples_of_invalid_sensors_show_nothing() -> None:
    """The amplifier's supply comes and goes; while it is away both sides read as if they stood apart."""
    rig = begun(WHOLE._replace(limit_delay_ms=20))
    rig.cycler_v = 360.0
    connect(rig)
    for lost, cycler_v in ((Input.SENSORS_OK, 0.0), (Input.SENSORS_OK, 0.0), (0, 360.0)):
        rig.inputs = rig.inputs & ~Input.SENSORS_OK if lost else rig.inputs | Input.SENSORS_OK
        rig.cycler_v = cycler_v
        rig.run(9_000)
    assert phase(rig) is Phase.RESIDUAL


def test_a_match_by_invalid_sensors_is_none() -> None:
    rig = begun(WHOLE._replace(limit_delay_ms=20))
    connect(rig)
    settle(rig)
    rig.cycler_v = 360.0
    rig.inputs &= ~Input.SENSORS_OK
    rig.run(15_000)
    rig.inputs |= Input.SENSORS_OK
    rig.run(CONFIG.precharge_settle_ms * 1000)
    assert phase(rig) is Phase.MATCH, "the settling time runs from the first valid look"
    rig.run(1_000)
    assert phase(rig) is Phase.PRECHARGE


def test_a_residual_look_that_ends_on_an_invalid_sensor_names_the_sensor() -> None:
    rig = begun(WHOLE._replace(limit_delay_ms=20))
    rig.cycler_v = 360.0
    connect(rig)
    wait(rig, WHOLE.residual_timeout_ms * 1000 - 5_000)
    rig.inputs &= ~Input.SENSORS_OK
    rig.run(6_000)
    assert rig.status().trip_code == TripCode.SENSOR_INVALID


def test_one_sample_does_not_show_that_the_cycler_stands_at_the_packs_voltage() -> None:
    rig = begun()
    connect(rig)
    settle(rig)
    while rig.state is State.PRECHARGE:
        rig.cycler_v = 360.0
        rig.run(1_000)
        rig.cycler_v = 0.0
        wait(rig, 9_000)
        assert phase(rig) in (Phase.MATCH, Phase.NONE)
    assert_refused(rig, Refusal.VOLTAGE_MISMATCH)


def test_a_bms_that_does_not_wake() -> None:
    rig = begun()
    wait(rig, WHOLE.wake_timeout_ms * 1000 - 1000)
    assert phase(rig) is Phase.WAKE
    wait(rig, 2000)
    assert_refused(rig, Refusal.BMS_ASLEEP)


def test_a_pack_whose_own_contactors_do_not_close() -> None:
    rig = begun()
    wake(rig)
    rig.pack_v = 360.0
    wait(rig, WHOLE.pack_timeout_ms * 1000 + 1000)
    assert_refused(rig, Refusal.PACK_ABSENT)


def test_a_pack_without_a_voltage() -> None:
    rig = begun()
    wake(rig)
    rig.inputs |= Input.PACK_CLOSED
    wait(rig, WHOLE.pack_timeout_ms * 1000 + 1000)
    assert_refused(rig, Refusal.PACK_ABSENT)


@pytest.mark.parametrize("pack_v", [403.3, 360.0])
def test_a_pack_outside_a_limit(pack_v: float) -> None:
    rig = begun()
    if pack_v == 360.0:
        rig.core.set_temperatures([61.0])
    wake(rig)
    rig.inputs |= Input.PACK_CLOSED
    rig.pack_v = pack_v
    wait(rig, WHOLE.pack_timeout_ms * 1000 + 1000)
    assert_refused(rig, Refusal.OUT_OF_LIMITS)


def test_sensors_that_say_nothing_are_no_absent_pack() -> None:
    rig = begun()
    wake(rig)
    rig.inputs |= Input.PACK_CLOSED
    rig.pack_v = float("nan")
    wait(rig, WHOLE.pack_timeout_ms * 1000 + 1000)
    assert_refused(rig, Refusal.OUT_OF_LIMITS)


def test_a_reversed_pack_is_refused_at_once() -> None:
    rig = begun()
    wake(rig)
    rig.pack_v = -1.0
    rig.step()
    assert phase(rig) is Phase.PACK, "an offset is no reversed pack"
    rig.pack_v = -360.0
    rig.step()
    assert_refused(rig, Refusal.REVERSED)


def test_a_voltage_that_stays_behind_an_open_contactor_latches() -> None:
    rig = begun()
    rig.cycler_v = 360.0
    connect(rig)
    wait(rig, WHOLE.residual_timeout_ms * 1000 + 1000)
    status = rig.status()
    assert (status.state, status.trip_code) == (State.TRIPPED, TripCode.RESIDUAL_VOLTAGE)


def test_a_cycler_that_does_not_come_to_the_packs_voltage() -> None:
    rig = begun()
    rig.cycler_v = 100.0
    connect(rig)
    settle(rig)
    assert phase(rig) is Phase.MATCH
    wait(rig, WHOLE.match_timeout_ms * 1000 + 1000)
    assert_refused(rig, Refusal.VOLTAGE_MISMATCH)


def test_precharge_is_tried_with_a_pause_in_which_its_relay_is_off() -> None:
    rig = begun()
    match(rig)
    rig.cycler_v = 300.0
    seen: list[tuple[Phase, bool]] = []
    while rig.state is State.PRECHARGE:
        wait(rig, 10_000)
        now = (phase(rig), bool(rig.core.outputs & Output.PRECHARGE))
        if not seen or seen[-1] != now:
            seen.append(now)
    on, off = (Phase.PRECHARGE, True), (Phase.PAUSE, False)
    assert seen == [on, off, on, off, on, (Phase.NONE, False)]
    assert_refused(rig, Refusal.PRECHARGE_FAILED)


def test_a_later_try_may_succeed() -> None:
    rig = begun()
    match(rig)
    rig.cycler_v = 300.0
    wait(rig, WHOLE.precharge_timeout_ms * 1000 + 10_000)
    rig.cycler_v = 359.0
    wait(rig, 250_000)
    assert phase(rig) is Phase.SIGN


def test_a_contact_that_does_not_follow_its_coil_trips() -> None:
    rig = begun()
    rig.aux_follows = False
    match(rig)
    wait(rig, 300_000)
    assert rig.status().trip_code == TripCode.CONTACTOR_DROPPED


@pytest.mark.parametrize("until", [wake, connect, match, closed])
def test_a_lease_that_is_lost_on_the_way_trips(until: Callable[[Rig], None]) -> None:
    rig = begun(WHOLE._replace(match_timeout_ms=2000))
    until(rig)
    rig.run(CONFIG.lease_ms * 1000 + 1000)
    status = rig.status()
    assert (status.state, status.trip_code) == (State.TRIPPED, TripCode.LEASE)
    assert not rig.coil


@pytest.mark.parametrize("until", [wake, connect, match])
def test_a_hosts_trip_on_the_way_latches(until: Callable[[Rig], None]) -> None:
    rig = begun()
    until(rig)
    rig.ask(Trip(5))
    assert (rig.state, rig.core.outputs) == (State.TRIPPED, WAKE)


def test_a_pack_that_leaves_its_limits_after_it_was_found_trips() -> None:
    rig = begun()
    connect(rig)
    rig.inputs &= ~Input.INSULATION_OK
    wait(rig, 100_000)
    assert rig.status().trip_code == TripCode.INSULATION


def test_the_bms_is_kept_awake_a_minute_after_the_host_was_heard_last() -> None:
    rig = begun()
    wait(rig, WHOLE.wake_timeout_ms * 1000 + 1000)
    assert_refused(rig, Refusal.BMS_ASLEEP)
    rig.run(59_000_000)
    assert rig.core.outputs == WAKE
    rig.run(2_000_000)
    assert rig.core.outputs == 0
