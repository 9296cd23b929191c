"""The arm sequence step by step: what each one waits for, how it is refused, and what is switched on meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.firmware.harness import CONFIG, RELEASE_US, Rig, refusal

from packbench_board.codes import Fitted, Input, Output, Phase, Refusal, State, TripCode
from packbench_board.frames import Ack, Close, Configure, Prove, Sign, Status, Trip

WHOLE = CONFIG._replace(
    residual_timeout_ms=400,
    match_timeout_ms=400,
    sign_timeout_ms=1000,
    precharge_tries=3,
    precharge_timeout_ms=200,
    fitted=int(Fitted.BMS_OK | Fitted.PACK_CLOSED | Fitted.INSULATION_OK | Fitted.TEMPERATURE_1),
)
WAKE, REQUEST, ENABLE = Output.BMS_WAKE, Output.PACK_REQUEST, Output.CYCLER_ENABLE


def begun(config: Configure = WHOLE, token: int = 1) -> Rig:
    """A whole bench whose board has just been told to close: BMS asleep, pack open, cycler off."""
    rig = Rig()
    rig.pack_v = rig.cycler_v = 0.0
    rig.core.set_temperatures([25.0])
    rig.inputs |= Input.INSULATION_OK
    assert isinstance(rig.arm(token, config), Ack)
    assert isinstance(rig.ask(Close()), Ack)
    return rig


def wait(rig: Rig, duration_us: int, token: int = 1) -> None:
    """Time passes, with a host that renews."""
    end_us = rig.t_us + duration_us
    while rig.t_us < end_us:
        rig.run(min(50_000, end_us - rig.t_us))
        rig.beat(token, rig.t_us + 1)


def phase(rig: Rig) -> Phase:
    return Phase(rig.status().phase)


def wake(rig: Rig) -> None:
    rig.inputs |= Input.BMS_OK
    rig.step()


def connect(rig: Rig) -> None:
    wake(rig)
    rig.inputs |= Input.PACK_CLOSED
    rig.pack_v = 360.0
    rig.step()


def settle(rig: Rig) -> None:
    """What is seen at the next step lasts long enough to be believed."""
    rig.run(1_000 + CONFIG.precharge_settle_ms * 1000)


def match(rig: Rig) -> None:
    connect(rig)
    settle(rig)
    assert phase(rig) is Phase.MATCH
    rig.cycler_v = 359.0
    settle(rig)
    assert phase(rig) is Phase.PRECHARGE


def closed(rig: Rig) -> None:
    match(rig)
    wait(rig, CONFIG.precharge_settle_ms * 1000 + RELEASE_US + 2000)
    assert phase(rig) is Phase.SIGN


def assert_refused(rig: Rig, code: Refusal) -> None:
    status = rig.status()
    assert (status.state, status.trip_code, status.refused, status.phase) == (State.SAFE, 0, code, Phase.NONE)
    assert status.outputs == WAKE
    assert not rig.coil
    assert refusal(rig.ask(Close())) == Refusal.NOT_ARMED


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


def test_no_pulse_in_time() -> None:
    rig = begun()
    closed(rig)
    wait(rig, WHOLE.sign_timeout_ms * 1000 + 1000)
    assert_refused(rig, Refusal.SIGN_ABSENT)


@pytest.mark.parametrize(
    ("announced_ma", "current_a", "pack_v", "delta_mv", "refused"),
    [
        (1500, 1.5, 360.0, 0, 0),
        (-1500, -1.5, 360.0, 0, 0),
        (1500, 0.75, 360.0, 0, 0),
        (1500, 1.5, 360.5, 100, 0),
        (1500, 1.5, 360.05, 100, 0),
        (1500, 1.5, 359.95, 100, 0),
        (1500, -1.5, 360.0, 0, Refusal.SIGN_WRONG),
        (-1500, 1.5, 360.0, 0, Refusal.SIGN_WRONG),
        (1500, 1.5, 359.9, 100, Refusal.SIGN_WRONG),
        (-1500, -1.5, 360.1, 100, Refusal.SIGN_WRONG),
    ],
)
def test_the_pulse_shows_its_sign(
    announced_ma: int, current_a: float, pack_v: float, delta_mv: int, refused: int
) -> None:
    rig = begun(WHOLE._replace(sign_delta_mv=delta_mv))
    closed(rig)
    rig.ask(Sign(announced_ma))
    rig.current_a, rig.pack_v = current_a, pack_v
    wait(rig, CONFIG.precharge_settle_ms * 1000 + 100_000)
    if refused:
        assert_refused(rig, Refusal(refused))
    else:
        assert phase(rig) is Phase.DONE


def test_a_pulse_that_is_too_small_shows_nothing() -> None:
    rig = begun()
    closed(rig)
    rig.ask(Sign(1500))
    rig.current_a = 0.749
    wait(rig, 500_000)
    assert phase(rig) is Phase.SIGN


@pytest.mark.parametrize("current_ma", [0, 3001, -3001])
def test_a_pulse_beyond_what_may_flow_is_not_taken(current_ma: int) -> None:
    rig = begun()
    assert refusal(rig.ask(Sign(1500))) == Refusal.BAD_STATE
    closed(rig)
    assert refusal(rig.ask(Sign(current_ma))) == Refusal.BAD_VALUE


@pytest.mark.parametrize("way", [1, -1])
def test_a_pulse_that_noise_could_meet_is_not_taken(way: int) -> None:
    rig = begun(WHOLE._replace(current_noise_ma=60))
    closed(rig)
    for current_ma in (1, 60, 120):
        assert refusal(rig.ask(Sign(way * current_ma))) == Refusal.BAD_VALUE
    rig.current_a = way * 0.06
    assert isinstance(rig.ask(Sign(way * 121)), Ack)
    wait(rig, 200_000)
    assert phase(rig) is Phase.SIGN, "the noise does not show it"
    rig.current_a = way * 0.061
    wait(rig, 50_000)
    assert phase(rig) is Phase.DONE


def test_until_the_sign_is_shown_no_more_than_the_pulse_may_flow() -> None:
    rig = begun()
    closed(rig)
    rig.ask(Sign(3000))
    rig.current_a = 3.5
    wait(rig, 200_000)
    assert rig.status().trip_code == TripCode.OVER_CURRENT
    proven = begun()
    closed(proven)
    proven.ask(Sign(3000))
    proven.current_a = 2.0
    wait(proven, 50_000)
    proven.current_a = 100.0
    wait(proven, 200_000)
    assert (proven.status().phase, proven.coil) == (Phase.DONE, True)


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


# ---- the proof test -----------------------------------------------------------------------------------------------


def test_the_end_of_the_lease_as_a_proof_opens_without_a_latch() -> None:
    rig = begun()
    closed(rig)
    assert isinstance(rig.beat(1, rig.t_us + 2), Status)
    last_us = rig.t_us
    assert isinstance(rig.ask(Prove()), Ack)
    rig.run(CONFIG.lease_ms * 1000 + 50_000)
    assert rig.coil_changes[-1] == (last_us + CONFIG.lease_ms * 1000, False)
    status = rig.status()
    assert (status.state, status.trip_code, status.refused) == (State.SAFE, 0, 0)
    assert refusal(rig.ask(Close())) == Refusal.NOT_ARMED


def test_a_heartbeat_takes_the_proof_back() -> None:
    rig = begun()
    closed(rig)
    rig.ask(Prove())
    assert isinstance(rig.beat(1, rig.t_us + 2), Status)
    rig.run(CONFIG.lease_ms * 1000 + 50_000)
    assert rig.status().trip_code == TripCode.LEASE


def test_a_proof_is_made_closed_and_without_current_alone() -> None:
    rig = begun()
    assert refusal(rig.ask(Prove())) == Refusal.BAD_STATE
    closed(rig)
    for current_a in (1.0, -1.0, float("nan")):
        rig.current_a = current_a
        assert refusal(rig.ask(Prove())) == Refusal.LOAD
    rig.current_a = 0.999
    assert isinstance(rig.ask(Prove()), Ack)
    rig.current_a = 5.0
    rig.run(20_000)
    assert rig.status().trip_code == TripCode.OVER_CURRENT, "a limit is a limit during a proof as well"
