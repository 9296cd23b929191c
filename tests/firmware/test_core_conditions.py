"""Conditions of the core that no sensible host reaches: every one is decided both ways here or in the other tests.

`make firmware-coverage` measures it. What only a corrupted memory could bring about is brought about by writing into
that memory: the branch that catches it must work, too.
"""

from __future__ import annotations

import ctypes
from struct import Struct

import pytest
from tests.firmware.harness import CONFIG, OPERATOR, Rig, refusal
from tests.firmware.reference import frame

from packbench_board.codes import RX_MAX_BYTES, TX_MAX_BYTES, Flag, Refusal, State, TripCode
from packbench_board.core import HostCore
from packbench_board.frames import (
    FIELDS,
    FIRMWARE_HASH,
    PROTOCOL_HASH,
    TYPES,
    Ack,
    Arm,
    Close,
    Configure,
    Hello,
    Nak,
    Open,
    Prove,
    Reset,
    Sign,
    Status,
    StatusQuery,
    Trip,
)

RANGES = {
    "lease_ms": (100, 2000),
    "precharge_settle_ms": (None, 1000),
    "precharge_timeout_ms": (10, 10_000),
    "limit_delay_ms": (None, 20),
    "precharge_delta_mv": (1, 100_000),
    "voltage_max_mv": (1, 2_000_000),
    "voltage_min_mv": (1, 2_000_000),
    "charge_max_ma": (1, 2_000_000),
    "discharge_max_ma": (1, 2_000_000),
    "temperature_max_dc": (-400, 2000),
    "temperature_min_dc": (-400, 2000),
    "wake_timeout_ms": (None, 60_000),
    "pack_timeout_ms": (None, 60_000),
    "residual_timeout_ms": (None, 60_000),
    "match_timeout_ms": (None, 60_000),
    "precharge_pause_ms": (1, 60_000),
    "precharge_tries": (1, 10),
    "sign_timeout_ms": (None, 60_000),
    "sign_current_ma": (1, 2_000_000),
    "sign_delta_mv": (0, 100_000),
    "current_noise_ma": (0, 100_000),
}
OUTSIDE = [
    (name, value)
    for name, (low, high) in RANGES.items()
    for value in ([] if low is None else [low - 1]) + ([] if high is None else [high + 1])
]


@pytest.mark.parametrize(("name", "value"), OUTSIDE)
def test_each_field_alone_is_held_to_its_range(rig: Rig, name: str, value: int) -> None:
    assert refusal(rig.ask(CONFIG._replace(**{name: value}))) == Refusal.BAD_VALUE
    assert isinstance(rig.ask(CONFIG), Ack)


def test_limits_of_temperature_must_not_contradict_each_other(rig: Rig) -> None:
    assert refusal(rig.ask(CONFIG._replace(temperature_min_dc=600))) == Refusal.BAD_VALUE


@pytest.mark.parametrize("name", Configure._fields)
def test_a_configuration_that_differs_in_one_field_is_another(rig: Rig, name: str) -> None:
    assert isinstance(rig.ask(CONFIG), Ack)
    other = CONFIG._replace(**{name: getattr(CONFIG, name) + 1})
    assert refusal(rig.ask(other)) in (Refusal.CONFIG_LOCKED, Refusal.BAD_VALUE)


def test_another_firmware_may_not_arm(rig: Rig) -> None:
    rig.ask(CONFIG)
    rig.ask(Hello(PROTOCOL_HASH, FIRMWARE_HASH ^ 1))
    assert refusal(rig.ask(Arm(1, rig.status().trip_detail))) == Refusal.FIRMWARE_MISMATCH


def test_an_armed_board_may_be_armed_anew(rig: Rig) -> None:
    rig.arm(1)
    crc = rig.greet().config_crc
    assert isinstance(rig.ask(Arm(2, crc)), Ack)
    assert refusal(rig.beat(1, 1)) == Refusal.WRONG_TOKEN


def opening() -> Rig:
    """A board that waits for low current, after an OPEN."""
    rig = Rig()
    rig.close(config=CONFIG._replace(sign_timeout_ms=1000))
    rig.current_a = 2.0
    rig.ask(Open())
    assert rig.state is State.OPENING
    return rig


def test_while_opening_nothing_begins_and_a_further_trip_moves_no_deadline() -> None:
    rig = opening()
    assert refusal(rig.ask(Close())) == Refusal.BAD_STATE
    assert refusal(rig.ask(Prove())) == Refusal.BAD_STATE
    assert refusal(rig.ask(Sign(1000))) == Refusal.BAD_STATE
    assert refusal(rig.ask(Arm(2, 0))) == Refusal.BAD_STATE
    began_us = rig.t_us
    rig.run(40_000)
    assert isinstance(rig.ask(Trip(1)), Ack)
    rig.run(80_000)
    assert rig.coil_changes[-1] == (began_us + 80_000, False)
    assert rig.state is State.TRIPPED


def test_closing_again_is_acknowledged_and_changes_nothing(rig: Rig) -> None:
    rig.arm(1)
    rig.ask(Close())
    assert isinstance(rig.ask(Close()), Ack)
    rig.run(100_000)
    assert isinstance(rig.ask(Close()), Ack)
    assert rig.state is State.CLOSED
    assert refusal(rig.ask(Sign(1000))) == Refusal.BAD_STATE, "no sign is asked for"


def test_a_wider_limit_of_the_pulse_widens_nothing() -> None:
    rig = Rig()
    rig.close(config=CONFIG._replace(sign_timeout_ms=1000, sign_current_ma=200_000))
    rig.current_a = 111.0
    rig.run(200_000)
    assert rig.status().trip_code == TripCode.OVER_CURRENT


def test_errors_on_the_line_are_counted_and_stop_counting_at_the_top() -> None:
    core = HostCore()
    junk = b"\1\1\1\0" * (RX_MAX_BYTES // 4)
    for _ in range(65_536 * 4 // RX_MAX_BYTES + 2):
        core.step(0, 0x3C, (0.0, 0.0, 0.0), junk)
    status = core.message(0, 0x3C, (0.0, 0.0, 0.0), StatusQuery())
    assert isinstance(status, Status)
    assert status.rx_errors == 0xFFFF


def test_a_proof_may_be_made_while_the_test_runs(closed: Rig) -> None:
    assert isinstance(closed.ask(Prove()), Ack)


def test_a_reset_unlocks_the_configuration_of_a_board_that_is_not_tripped(rig: Rig) -> None:
    rig.ask(CONFIG)
    rig.turn_key()
    assert isinstance(rig.ask(Reset(1, OPERATOR)), Ack)
    assert isinstance(rig.ask(CONFIG._replace(lease_ms=400)), Ack)


def test_what_only_a_board_says_is_no_request(rig: Rig) -> None:
    for message in (Ack(1), Nak(1, 1)):
        assert refusal(rig.ask(message)) == Refusal.UNKNOWN  # type: ignore[arg-type]


def test_answers_that_do_not_fit_are_counted_to_the_top_and_no_further() -> None:
    core = HostCore()
    query = core.encode(StatusQuery(), 1)
    flood = query * (RX_MAX_BYTES // len(query))
    for _ in range(65_536 // (RX_MAX_BYTES // len(query) - TX_MAX_BYTES // 50) + 200):
        core.step(0, 0x3C, (0.0, 0.0, 0.0), flood)
    assert core.step(0, 0x3C, (0.0, 0.0, 0.0), query).count(b"\0") == 1


def test_no_more_is_taken_than_fits(rig: Rig) -> None:
    memory = rig.core._memory
    head = Struct("@IIdddI")
    head.pack_into(memory, 0, rig.t_us, rig.inputs, 360.0, 360.0, 0.0, RX_MAX_BYTES + 1)
    rig.core._step(rig.core._pointer)
    assert rig.state is State.SAFE


@pytest.mark.parametrize("number", sorted(set(TYPES.values())))
def test_a_payload_of_another_length_is_no_message(number: int) -> None:
    size = Struct("<" + FIELDS[number]).size
    for wrong in {size + 1, max(size - 1, 0)} - {size}:
        assert HostCore().decode(frame(number, 1, bytes(wrong))) is None


def test_a_message_that_does_not_exist_packs_to_nothing() -> None:
    core = HostCore()
    core._view[core._request_at] = 0xEE
    core._library.pb_host_encode(core._pointer)
    (size,) = Struct("@I").unpack_from(core._memory, Struct("@IIdddI").size + 8)
    assert size == len(frame(0xEE, 0, b""))


# ---- memory that was corrupted --------------------------------------------------------------------------------------


class Spoilt:
    """A rig and the places of its core's memory, found by what they hold."""

    def __init__(self) -> None:
        self.rig = Rig()
        memory = self.rig.core._memory
        self.bytes = (ctypes.c_uint8 * ctypes.sizeof(memory)).from_buffer(memory)
        self.known = bytes(self.bytes).rindex(b"123456789")

    def write(self, offset: int, value: int) -> None:
        """Offsets from the known text: the core's first bytes are state, phase, refused, reset cause."""
        self.bytes[self.known + offset] = value


def test_a_memory_that_does_not_keep_what_was_written_fails_the_self_test() -> None:
    spoilt = Spoilt()
    spoilt.write(0, ord("2"))
    assert spoilt.rig.status().trip_code == TripCode.SELF_TEST


def test_a_reset_repeats_the_self_test() -> None:
    spoilt = Spoilt()
    spoilt.write(0, ord("2"))
    rig = spoilt.rig
    rig.turn_key()
    assert isinstance(rig.ask(Reset(1, OPERATOR)), Ack)
    assert (rig.state, rig.status().trip_code) == (State.TRIPPED, TripCode.SELF_TEST)
    spoilt.write(0, ord("1"))
    rig.turn_key()
    assert isinstance(rig.ask(Reset(2, OPERATOR)), Ack)
    assert rig.state is State.SAFE


def test_a_state_that_does_not_exist_trips() -> None:
    spoilt = Spoilt()
    spoilt.rig.step()
    spoilt.write(-4, 77)
    assert spoilt.rig.status().trip_code == TripCode.INTERNAL
    assert spoilt.rig.state is State.TRIPPED


def test_a_precharge_that_nobody_armed_trips_by_its_lease() -> None:
    spoilt = Spoilt()
    spoilt.rig.step()
    spoilt.write(-4, State.PRECHARGE)
    assert spoilt.rig.status().trip_code == TripCode.LEASE


def test_a_configuration_in_a_state_that_takes_none_is_refused() -> None:
    spoilt = Spoilt()
    spoilt.rig.step()
    spoilt.write(-4, State.OPENING)
    spoilt.rig.current_a = 2.0
    assert isinstance(spoilt.rig.ask(CONFIG), Nak)
    assert not spoilt.rig.greet().flags & Flag.CONFIGURED
    assert TYPES[Configure] == 2
