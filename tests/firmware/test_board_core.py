"""The C core's state machine, stepped in virtual time: what closes the contactor, and everything that opens it."""

from __future__ import annotations

import pytest
from tests.firmware.harness import CONFIG, RELEASE_US, Rig, refusal

from packbench_board.codes import AUX_TIMEOUT_US, LOAD_BREAK_MAX_US, Flag, Input, Output, Refusal, State, TripCode
from packbench_board.frames import FIRMWARE_HASH, PROTOCOL_HASH, Ack, Arm, Close, Hello, Open, Status

LEASE_US = CONFIG.lease_ms * 1000
PACK = Output.BMS_WAKE | Output.PACK_REQUEST


def test_powers_up_safe_with_everything_off(rig: Rig) -> None:
    rig.step()
    assert rig.core.outputs == 0
    assert rig.state is State.SAFE


def test_contactor_closed_at_power_up_is_a_failed_self_test(rig: Rig) -> None:
    rig.aux_follows = False
    rig.inputs |= Input.AUX_CLOSED
    status = rig.status()
    assert (status.state, status.trip_code) == (State.TRIPPED, TripCode.SELF_TEST)


def test_closes_after_arm_precharge_and_settling(rig: Rig) -> None:
    assert isinstance(rig.arm(1), Ack)
    start_us = rig.t_us
    assert isinstance(rig.ask(Close()), Ack)
    assert rig.core.outputs == Output.PRECHARGE | Output.CYCLER_ENABLE | PACK
    rig.run(CONFIG.precharge_settle_ms * 1000)
    assert rig.coil_changes == [(start_us + CONFIG.precharge_settle_ms * 1000, True)]
    rig.run(RELEASE_US)
    assert rig.core.outputs == Output.CONTACTOR | Output.CYCLER_ENABLE | PACK


def test_arming_is_refused_step_by_step(rig: Rig) -> None:
    assert refusal(rig.ask(Close())) == Refusal.NOT_ARMED
    assert refusal(rig.ask(Arm(1, 0))) == Refusal.PROTOCOL_MISMATCH
    rig.ask(Hello(PROTOCOL_HASH ^ 1, FIRMWARE_HASH))
    assert refusal(rig.ask(Arm(1, 0))) == Refusal.PROTOCOL_MISMATCH
    rig.greet()
    assert refusal(rig.ask(Arm(1, 0))) == Refusal.NOT_CONFIGURED
    assert isinstance(rig.ask(CONFIG), Ack)
    crc = rig.greet().config_crc
    assert refusal(rig.ask(Arm(1, crc ^ 1))) == Refusal.CONFIG_MISMATCH
    assert refusal(rig.ask(Arm(0, crc))) == Refusal.OLD_TOKEN
    assert isinstance(rig.ask(Arm(1, crc)), Ack)
    assert isinstance(rig.ask(Arm(1, crc)), Ack), "a repeated request is not an error"


def test_a_repeated_arm_renews_nothing(rig: Rig) -> None:
    rig.arm(1)
    crc = rig.greet().config_crc
    rig.run(300_000)
    assert isinstance(rig.ask(Arm(1, crc)), Ack)
    assert rig.status().lease_left_ms == 200


@pytest.mark.parametrize(
    "change",
    [
        {"lease_ms": 99},
        {"lease_ms": 2001},
        {"voltage_max_mv": 0},
        {"voltage_min_mv": -1},
        {"voltage_min_mv": CONFIG.voltage_max_mv},
        {"discharge_max_ma": 2_000_001},
        {"limit_delay_ms": 21},
        {"precharge_timeout_ms": 9},
        {"precharge_delta_mv": 0},
    ],
)
def test_a_configuration_out_of_range_is_refused(rig: Rig, change: dict[str, int]) -> None:
    assert refusal(rig.ask(CONFIG._replace(**change))) == Refusal.BAD_VALUE
    assert not rig.greet().flags & Flag.CONFIGURED


def test_the_configuration_is_taken_once(rig: Rig) -> None:
    assert isinstance(rig.ask(CONFIG), Ack)
    assert isinstance(rig.ask(CONFIG), Ack)
    assert refusal(rig.ask(CONFIG._replace(charge_max_ma=120_000))) == Refusal.CONFIG_LOCKED


@pytest.mark.parametrize("delta_v", [5.0, -5.0, 360.0])
def test_never_closes_while_both_sides_differ(rig: Rig, delta_v: float) -> None:
    rig.arm(1)
    rig.cycler_v = rig.pack_v - delta_v
    rig.ask(Close())
    for counter in range(1, 11):
        rig.run(100_000)
        rig.beat(1, counter)
    assert rig.coil_changes == []
    status = rig.status()
    assert (status.state, status.trip_code, status.refused) == (State.SAFE, 0, Refusal.PRECHARGE_FAILED)
    assert status.outputs == Output.BMS_WAKE


def test_settling_starts_anew_when_the_sides_part(rig: Rig) -> None:
    rig.arm(1)
    rig.ask(Close())
    rig.run(15_000)
    rig.cycler_v = 340.0
    rig.run(1_000)
    rig.cycler_v = 360.0
    agreed_us = rig.t_us
    rig.run(40_000)
    assert rig.coil_changes == [(agreed_us + 1_000 + CONFIG.precharge_settle_ms * 1000, True)]


def test_does_not_close_while_a_limit_is_exceeded_within_its_delay(rig: Rig) -> None:
    rig.arm(1)
    rig.ask(Close())
    rig.run(15_000)
    rig.pack_v = rig.cycler_v = 404.0
    rig.run(50_000)
    assert rig.coil_changes == []
    assert rig.status().trip_code == TripCode.OVER_VOLTAGE


# ---- the lease ------------------------------------------------------------------------------------------------


def test_a_silent_host_opens_the_contactor_at_the_end_of_the_lease(closed: Rig) -> None:
    closed.beat(1, 1)
    last_us = closed.t_us
    closed.run(2 * LEASE_US)
    assert closed.coil_changes[-1] == (last_us + LEASE_US, False)
    status = closed.status()
    assert (status.state, status.trip_code) == (State.TRIPPED, TripCode.LEASE)


def test_with_current_flowing_it_waits_for_the_load_break_and_no_longer(closed: Rig) -> None:
    closed.current_a = -80.0
    closed.beat(1, 1)
    last_us = closed.t_us
    closed.run(2 * LEASE_US)
    assert closed.enable_off_us == last_us + LEASE_US
    assert closed.coil_changes[-1] == (last_us + LEASE_US + LOAD_BREAK_MAX_US, False)


def test_it_opens_as_soon_as_the_current_is_low(closed: Rig) -> None:
    closed.current_a = 80.0
    closed.ask(Open())
    start_us = closed.t_us
    closed.run(30_000)
    assert closed.coil
    closed.current_a = 0.99
    closed.run(1_000)
    assert closed.coil_changes[-1] == (start_us + 31_000, False)
    assert closed.state is State.SAFE


def test_an_unknown_current_is_not_taken_for_a_low_one(closed: Rig) -> None:
    closed.ask(Open())
    assert not closed.coil
    again = Rig()
    again.close()
    again.current_a = float("nan")
    again.ask(Open())
    start_us = again.t_us
    again.run(100_000)
    assert again.coil_changes[-1] == (start_us + LOAD_BREAK_MAX_US, False)


def test_heartbeats_keep_it_closed(closed: Rig) -> None:
    closed.beat(1, 1)
    for counter in range(2, 12):
        closed.run(LEASE_US - 1)
        assert isinstance(closed.beat(1, counter), Status)
    assert closed.coil


def test_a_wrong_token_or_an_old_counter_renews_nothing(closed: Rig) -> None:
    closed.beat(1, 7)
    last_us = closed.t_us
    for _ in range(4):
        closed.run(100_000)
        assert refusal(closed.beat(2, 100)) == Refusal.WRONG_TOKEN
        assert refusal(closed.beat(1, 7)) == Refusal.OLD_COUNTER
        assert refusal(closed.beat(1, 6)) == Refusal.OLD_COUNTER
    closed.run(LEASE_US)
    assert closed.coil_changes[-1] == (last_us + LEASE_US, False)


def test_a_heartbeat_that_comes_at_the_end_of_the_lease_is_too_late(closed: Rig) -> None:
    closed.beat(1, 1)
    closed.t_us += LEASE_US
    status = closed.beat(1, 2)
    assert isinstance(status, Status)
    assert status.trip_code == TripCode.LEASE
    assert not closed.coil


def test_a_beat_to_a_board_that_is_not_armed_is_answered_and_renews_nothing(rig: Rig) -> None:
    status = rig.beat(99, 1)
    assert isinstance(status, Status)
    assert (status.state, status.lease_left_ms) == (State.SAFE, 0)


def test_an_arming_lapses_without_a_trip_while_nothing_is_energised(rig: Rig) -> None:
    rig.arm(1)
    assert rig.core.outputs == Output.BMS_WAKE
    rig.run(LEASE_US)
    status = rig.status()
    assert (status.state, status.flags & Flag.ARMED, status.outputs) == (State.SAFE, 0, Output.BMS_WAKE)
    assert refusal(rig.ask(Close())) == Refusal.NOT_ARMED
    assert refusal(rig.ask(Arm(1, rig.greet().config_crc))) == Refusal.OLD_TOKEN


def test_the_counter_starts_anew_with_each_arming(closed: Rig) -> None:
    closed.beat(1, 1000)
    closed.ask(Open())
    closed.run(RELEASE_US)
    closed.arm(2)
    closed.run(300_000)
    assert isinstance(closed.beat(2, 1), Status)
    assert closed.status().lease_left_ms == CONFIG.lease_ms


def test_each_closing_settles_anew(closed: Rig) -> None:
    closed.ask(Open())
    closed.run(AUX_TIMEOUT_US)
    closed.arm(2)
    start_us = closed.t_us
    closed.ask(Close())
    closed.run(50_000)
    assert closed.coil_changes[-1] == (start_us + CONFIG.precharge_settle_ms * 1000, True)


def test_open_before_closing_takes_the_arming_back(rig: Rig) -> None:
    rig.arm(1)
    assert isinstance(rig.ask(Open()), Ack)
    assert rig.core.outputs == Output.BMS_WAKE
    assert refusal(rig.ask(Close())) == Refusal.NOT_ARMED


def test_open_during_precharge_ends_it(rig: Rig) -> None:
    rig.arm(1)
    rig.ask(Close())
    rig.ask(Open())
    assert rig.core.outputs == Output.BMS_WAKE
    rig.run(100_000)
    assert rig.coil_changes == []
    assert rig.state is State.SAFE


def test_opening_disarms(closed: Rig) -> None:
    closed.ask(Open())
    closed.run(RELEASE_US)
    assert closed.state is State.SAFE
    assert refusal(closed.ask(Close())) == Refusal.NOT_ARMED
    assert isinstance(closed.arm(2), Ack)
    assert isinstance(closed.ask(Close()), Ack)


# ---- own limits and inputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("pack_v", 403.21, TripCode.OVER_VOLTAGE),
        ("pack_v", 268.79, TripCode.UNDER_VOLTAGE),
        ("current_a", 110.01, TripCode.OVER_CURRENT),
        ("current_a", -110.01, TripCode.OVER_CURRENT),
        ("pack_v", float("nan"), TripCode.SENSOR_INVALID),
        ("current_a", float("inf"), TripCode.SENSOR_INVALID),
    ],
)
def test_own_limits_take_the_enable_within_their_delay(closed: Rig, name: str, value: float, code: TripCode) -> None:
    setattr(closed, name, value)
    start_us = closed.t_us
    closed.run(100_000)
    assert closed.enable_off_us is not None
    assert closed.enable_off_us - start_us <= CONFIG.limit_delay_ms * 1000 + 1_000
    assert not closed.coil
    status = closed.status()
    assert (status.state, status.trip_code) == (State.TRIPPED, code)


@pytest.mark.parametrize(("charge_a", "discharge_a"), [(40, 110), (110, 40)])
def test_each_direction_of_the_current_has_its_own_limit(charge_a: int, discharge_a: int) -> None:
    config = CONFIG._replace(charge_max_ma=charge_a * 1000, discharge_max_ma=discharge_a * 1000)
    for limit_a in (float(charge_a), -float(discharge_a)):
        rig = Rig()
        rig.close(config=config)
        rig.current_a = limit_a
        rig.run(50_000)
        assert rig.coil
        rig.current_a += 0.001 if limit_a > 0 else -0.001
        rig.run(11_000)
        assert rig.status().trip_code == TripCode.OVER_CURRENT


def flicker(rig: Rig, beyond_us: int, within_us: int, times: int) -> None:
    """A current beyond its limit on and off, seen at 1 kHz as by a real board, with a host that renews."""
    for _ in range(times):
        for at_us in range(0, beyond_us + within_us, 1_000):
            rig.t_us += 1_000
            rig.current_a = 200.0 if at_us < beyond_us else 0.0
            rig.beat(1, rig.t_us)


def test_a_limit_passed_for_less_than_its_delay_is_let_pass(closed: Rig) -> None:
    flicker(closed, 9_000, 36_000, 20)
    assert closed.status().trip_code == TripCode.NONE
    flicker(closed, 1_000, 4_000, 200)
    assert (closed.status().trip_code, closed.coil) == (TripCode.NONE, True), "a fifth of the time never adds up"


@pytest.mark.parametrize(("beyond_us", "within_us"), [(9_000, 1_000), (4_000, 1_000), (1_000, 1_000), (1_000, 3_000)])
def test_a_good_sample_now_and_then_does_not_hide_a_limit_that_is_exceeded(
    closed: Rig, beyond_us: int, within_us: int
) -> None:
    """docs/board.md: within delay / (p - (1 - p) / 4) when exceeded in a share p of the time, a round, and a sample."""
    start_us, round_us = closed.t_us, beyond_us + within_us
    share = beyond_us / round_us
    bound_us = CONFIG.limit_delay_ms * 1000 / (share - (1 - share) / 4) + round_us + 1_000
    flicker(closed, beyond_us, within_us, 60)
    assert closed.status().trip_code == TripCode.OVER_CURRENT
    assert closed.enable_off_us is not None
    assert closed.enable_off_us - start_us <= bound_us


def test_a_cycle_that_comes_late_weighs_no_more_than_twice_the_delay(closed: Rig) -> None:
    closed.beat(1, 1)
    closed.current_a = 200.0
    closed.run(1_000)
    closed.current_a = 0.0
    closed.t_us += 300_000
    closed.step()
    assert closed.coil, "it ends on a good sample"
    fade_us = 4 * CONFIG.limit_delay_ms * 1000
    closed.t_us += fade_us + 4
    closed.current_a = 200.0
    closed.step()
    assert closed.coil, "half of it has faded"
    closed.run(1_000)
    assert closed.status().trip_code == TripCode.OVER_CURRENT


def test_a_sensor_that_is_invalid_on_and_off_trips(closed: Rig) -> None:
    for _ in range(20):
        closed.inputs ^= Input.SENSORS_OK
        closed.run(2_000)
    assert closed.status().trip_code == TripCode.SENSOR_INVALID


def test_evidence_does_not_outlast_an_opening(closed: Rig) -> None:
    closed.current_a = 200.0
    closed.run(9_000)
    closed.current_a = 0.0
    closed.ask(Open())
    closed.run(AUX_TIMEOUT_US)
    closed.arm(2)
    closed.ask(Close())
    closed.run(CONFIG.precharge_settle_ms * 1000 + RELEASE_US)
    closed.current_a = 200.0
    closed.run(9_000)
    assert closed.state is State.CLOSED


def test_at_the_limit_is_within_it(closed: Rig) -> None:
    closed.pack_v, closed.current_a = 403.2, -110.0
    closed.run(100_000)
    assert closed.coil


@pytest.mark.parametrize(
    ("which", "code"), [(Input.ESTOP_OK, TripCode.ESTOP), (Input.HVIL_OK, TripCode.HVIL), (Input.GAS_OK, TripCode.GAS)]
)
def test_inputs_trip_in_every_state(which: Input, code: TripCode) -> None:
    for prepare in (lambda rig: rig.step(), lambda rig: rig.arm(1), lambda rig: rig.close()):
        rig = Rig()
        prepare(rig)
        rig.inputs &= ~which
        rig.run(1_000)
        assert not rig.coil
        status = rig.status()
        assert (status.state, status.trip_code) == (State.TRIPPED, code)
        assert bool(status.outputs & Output.ALARM) is (code is TripCode.GAS)


def test_emergency_stop_does_not_wait_for_low_current(closed: Rig) -> None:
    closed.current_a = 100.0
    closed.inputs &= ~Input.ESTOP_OK
    closed.step()
    assert not closed.coil


def test_a_welded_contactor_trips(closed: Rig) -> None:
    closed.aux_follows = False
    closed.ask(Open())
    closed.run(300_000)
    assert closed.status().trip_code == TripCode.CONTACTOR_WELDED


def test_a_contact_that_sticks_is_seen_however_soon_the_next_closing_is_asked_for(closed: Rig) -> None:
    closed.beat(1, 1)
    closed.aux_follows = False
    closed.ask(Open())
    opened_us = closed.t_us
    closed.run(1_000)
    closed.arm(2)
    assert isinstance(closed.ask(Close()), Ack)
    closed.run(300_000)
    status = closed.status()
    assert (status.state, status.trip_code) == (State.TRIPPED, TripCode.CONTACTOR_WELDED)
    assert closed.coil_changes[-1] == (opened_us, False)


def test_a_closing_that_is_asked_for_at_once_waits_for_the_contact_of_the_last_opening(closed: Rig) -> None:
    closed.ask(Open())
    opened_us = closed.t_us
    closed.arm(2)
    assert isinstance(closed.ask(Close()), Ack)
    closed.run(300_000)
    assert closed.coil_changes[-1] == (opened_us + AUX_TIMEOUT_US + CONFIG.precharge_settle_ms * 1000, True)


def test_a_contactor_that_drops_by_itself_trips(closed: Rig) -> None:
    for counter in range(1, 4):
        closed.run(100_000)
        closed.beat(1, counter)
    closed.aux_follows = False
    closed.inputs &= ~Input.AUX_CLOSED
    closed.run(1_000)
    assert closed.status().trip_code == TripCode.CONTACTOR_DROPPED
