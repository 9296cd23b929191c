"""The C core once it has tripped, across the wrap of its tick, and at its edges towards the host."""

from __future__ import annotations

import pytest
from tests.firmware.harness import CONFIG, OPERATOR, Rig, refusal

from packbench_board.codec import WIRE_MAX
from packbench_board.codes import (
    IDLE_US,
    LOAD_BREAK_MAX_US,
    RX_MAX_BYTES,
    TX_MAX_BYTES,
    EventKind,
    Flag,
    Input,
    Output,
    Refusal,
    ResetCause,
    State,
    TripCode,
)
from packbench_board.core import CoreMissing, HostCore, load
from packbench_board.frames import (
    FIRMWARE_HASH,
    PROTOCOL_HASH,
    Ack,
    Arm,
    Close,
    Event,
    EventQuery,
    Hello,
    Nak,
    Open,
    Reset,
    Status,
    StatusQuery,
    Trip,
)

LEASE_US = CONFIG.lease_ms * 1000
WRAP_US = 1 << 32


# ---- the latch ----------------------------------------------------------------------------------------------------


def tripped() -> Rig:
    rig = Rig()
    rig.close()
    assert isinstance(rig.ask(Trip(77)), Ack)
    rig.run(300_000)
    return rig


def test_a_hosts_trip_latches_with_its_code() -> None:
    status = tripped().status()
    assert (status.state, status.trip_code, status.trip_detail) == (State.TRIPPED, TripCode.HOST, 77)


def test_the_first_cause_is_kept() -> None:
    rig = tripped()
    rig.inputs &= ~Input.ESTOP_OK
    rig.run(10_000)
    rig.ask(Trip(78))
    status = rig.status()
    assert (status.trip_code, status.trip_detail) == (TripCode.HOST, 77)


def test_while_tripped_only_the_whitelist_is_answered() -> None:
    rig = tripped()
    for request in (CONFIG, Arm(9, rig.greet().config_crc), Close()):
        assert refusal(rig.ask(request)) == Refusal.TRIPPED
    assert isinstance(rig.ask(Open()), Ack)
    assert isinstance(rig.beat(1, 99), Status)
    assert rig.state is State.TRIPPED


def test_reset_needs_the_key_and_a_newer_token_and_forgets_the_configuration() -> None:
    rig = tripped()
    assert refusal(rig.ask(Reset(2, OPERATOR))) == Refusal.KEY_OFF
    rig.turn_key()
    assert refusal(rig.ask(Reset(1, OPERATOR))) == Refusal.OLD_TOKEN
    assert isinstance(rig.ask(Reset(2, OPERATOR)), Ack)
    assert rig.state is State.SAFE
    assert not rig.greet().flags & Flag.CONFIGURED
    assert refusal(rig.arm(2)) == Refusal.OLD_TOKEN
    rig.close(3)


def test_a_key_that_is_left_turned_is_no_decision() -> None:
    rig = Rig()
    rig.inputs |= Input.KEY_ON
    rig.close()
    rig.ask(Trip(77))
    rig.run(300_000)
    assert refusal(rig.ask(Reset(2, OPERATOR))) == Refusal.KEY_OFF
    rig.turn_key()
    assert isinstance(rig.ask(Reset(2, OPERATOR)), Ack)


def test_a_reset_names_its_operator() -> None:
    rig = tripped()
    rig.turn_key()
    assert refusal(rig.ask(Reset(2, bytes(16)))) == Refusal.NO_OPERATOR
    assert rig.state is State.TRIPPED


@pytest.mark.parametrize(
    ("cause", "code"), [(ResetCause.WATCHDOG, TripCode.WATCHDOG), (ResetCause.BROWN_OUT, TripCode.BROWN_OUT)]
)
def test_a_board_that_was_reset_by_force_comes_up_tripped(cause: ResetCause, code: TripCode) -> None:
    rig = Rig(cause=cause)
    rig.step()
    assert (rig.status().trip_code, rig.core.outputs & Output.CONTACTOR) == (code, 0)
    assert refusal(rig.arm(1)) == Refusal.TRIPPED
    for harmless in (ResetCause.POWER_ON, ResetCause.PIN, ResetCause.SOFTWARE):
        assert Rig(cause=harmless).state is State.SAFE


@pytest.mark.parametrize("cause", list(ResetCause))
def test_a_latch_outlasts_a_reset_of_the_board_where_memory_does(cause: ResetCause) -> None:
    before = tripped()
    rig = Rig(cause=cause, kept=before.core.latch)
    rig.step()
    status = rig.status()
    assert (status.state, status.trip_code, status.trip_detail) == (State.TRIPPED, TripCode.HOST, 77)
    assert refusal(rig.arm(1)) == Refusal.TRIPPED
    assert refusal(rig.ask(Reset(1, OPERATOR))) == Refusal.KEY_OFF
    rig.turn_key()
    assert isinstance(rig.ask(Reset(1, OPERATOR)), Ack)
    assert rig.core.latch == (0, 0)
    rig.close(2)


def test_a_reset_adds_its_own_cause_to_a_latch_that_it_found() -> None:
    rig = Rig(cause=ResetCause.WATCHDOG, kept=(int(TripCode.GAS), 0))
    assert rig.status().outputs == Output.ALARM, "the alarm sounds on"
    kinds = [rig.ask(EventQuery(number)) for number in range(6)]
    told = [(event.kind, event.code) for event in kinds if isinstance(event, Event)]
    assert (EventKind.TRIP, TripCode.GAS) in told
    assert (EventKind.CAUSE, TripCode.WATCHDOG) in told


def test_a_latch_that_does_not_exist_is_one_all_the_same() -> None:
    assert Rig(kept=(int(max(TripCode)) + 1, 0)).status().trip_code == TripCode.INTERNAL


def test_each_reset_needs_a_turn_of_the_key_of_its_own() -> None:
    rig = tripped()
    rig.turn_key()
    assert isinstance(rig.ask(Reset(2, OPERATOR)), Ack)
    assert isinstance(rig.ask(CONFIG), Ack)
    assert refusal(rig.ask(Reset(3, OPERATOR))) == Refusal.KEY_OFF
    assert rig.greet().flags & Flag.CONFIGURED
    rig.turn_key()
    assert isinstance(rig.ask(Reset(3, OPERATOR)), Ack)


def test_reset_does_not_hide_a_cause_that_lasts() -> None:
    rig = tripped()
    rig.turn_key()
    rig.inputs &= ~Input.ESTOP_OK
    rig.ask(Reset(2, OPERATOR))
    assert rig.status().trip_code == TripCode.ESTOP


def test_reset_is_refused_while_closed(closed: Rig) -> None:
    closed.inputs |= Input.KEY_ON
    assert refusal(closed.ask(Reset(2, OPERATOR))) == Refusal.BAD_STATE
    assert closed.coil


# ---- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before_us", [1, 10_000, 21_000, 250_000, 499_999, 500_000, 540_000])
def test_the_lease_is_right_across_the_wrap_of_the_tick(before_us: int) -> None:
    rig = Rig(WRAP_US - before_us)
    rig.close()
    rig.current_a = 50.0
    rig.beat(1, 1)
    last_us = rig.t_us
    rig.run(LEASE_US + 200_000)
    assert rig.coil_changes[-1] == (last_us + LEASE_US + LOAD_BREAK_MAX_US, False)
    assert rig.t_us > WRAP_US or before_us > LEASE_US


def test_uptime_counts_on_over_several_wraps() -> None:
    rig = Rig(12345)
    rig.step()
    while rig.t_us < 3 * WRAP_US:
        assert rig.core.next_us <= IDLE_US
        rig.t_us += rig.core.next_us
        rig.step()
    assert rig.status().uptime_us == rig.t_us - 12345
    rig.close()


def test_a_trip_is_still_latched_after_the_tick_came_round() -> None:
    rig = tripped()
    for _ in range(20):
        rig.t_us += IDLE_US
        rig.step()
        assert rig.state is State.TRIPPED
        assert not rig.coil


# ---- the library ----------------------------------------------------------------------------------------------------


def test_a_missing_library_names_the_command_that_makes_it(tmp_path) -> None:
    with pytest.raises(CoreMissing, match="make setup"):
        load(tmp_path / "libpackbench_core.so")


def test_two_cores_share_nothing() -> None:
    first, second = Rig(), Rig()
    first.close()
    assert second.state is State.SAFE
    assert not second.greet().flags & Flag.CONFIGURED


def test_more_bytes_than_one_step_takes_are_fed_in_turn() -> None:
    core = HostCore()
    query = core.encode(Hello(PROTOCOL_HASH, FIRMWARE_HASH), 9)
    sent = core.step(0, 0x3C, (360.0, 360.0, 0.0), b"\xaa" * 3000 + b"\0" + query)
    assert sent.count(b"\0") == 1
    assert not isinstance(core.decode(sent), Nak)


def test_more_answers_than_one_step_sends_are_dropped_and_harm_nothing() -> None:
    core = HostCore()
    query = core.encode(StatusQuery(), 1)
    flood = query * (RX_MAX_BYTES // len(query))
    sent = core.step(0, 0x3C, (360.0, 360.0, 0.0), flood)
    answer_size = len(sent) // sent.count(b"\0")
    assert sent.count(b"\0") == (TX_MAX_BYTES - WIRE_MAX) // answer_size + 1
    assert len(sent) <= TX_MAX_BYTES
    assert core.step(0, 0x3C, (360.0, 360.0, 0.0), query).count(b"\0") == 1
