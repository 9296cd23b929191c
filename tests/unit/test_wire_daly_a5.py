"""Daly A5 frames: what the captures say, the habits that fool a plain reader, and any bytes at all."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.golden import GoldenFrame, golden_frames

from packbench.core.errors import BadReply, DeviceError
from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5 import (
    FRAME_BYTES,
    HOST_RS485,
    HOST_UART,
    DalyCodec,
    DalyRequest,
    explain,
    read,
    reply_frame,
    request_frame,
    take_request,
    write,
)
from packbench.wire.daly.a5_faults import FAULT_NAMES, Faults, decode_faults, encode_faults

GOLDEN = golden_frames("daly_a5")
READ = read(data.PACK)
READ_REPLY = bytes.fromhex("a501900802100000753001f4ea")
BUFFER_KEPT = FRAME_BYTES - 1

MEANINGS: dict[str, dict[str, Any]] = {
    "a501900802100000753001f4ea": {"voltage_v": 52.8, "current_a": 0.0, "soc": 0.5},
    "a50191080ec8050e9c0901f4c2": {
        "cell_max_v": 3.784,
        "cell_max_index": 5,
        "cell_min_v": 3.74,
        "cell_min_index": 9,
        "spare": "01f4",
    },
    "a50192083d013d019c0901f456": {
        "temperature_max_c": 21.0,
        "temperature_max_index": 1,
        "temperature_min_c": 21.0,
        "temperature_min_index": 1,
        "spare": "9c0901f4",
    },
    "a50193080001011000004e20c1": {
        "activity": 0,
        "charge_mos": 1,
        "discharge_mos": 1,
        "life": 16,
        "remaining_ah": 20.0,
    },
    "a50194080e0100000200002073": {
        "cells": 14,
        "sensors": 1,
        "charger": 0,
        "load": 0,
        "io_bits": 2,
        "cycles": 0,
        "spare": "20",
    },
    "a5019608013d00000000000082": {"frame": 1, "temperatures_c": (21.0, *[-40.0] * 6)},
    "a5019508010ec00ec20ec720d7": {"frame": 1, "cell_voltages_v": (3.776, 3.778, 3.783), "spare": "20"},
    "a5019508030ec20ec20e9c20b0": {"frame": 3, "cell_voltages_v": (3.778, 3.778, 3.74), "spare": "20"},
    "a501900800850000753001e44d": {"voltage_v": 13.3, "current_a": 0.0, "soc": 0.484},
    "a501940804020000000000438b": {
        "cells": 4,
        "sensors": 2,
        "charger": 0,
        "load": 0,
        "io_bits": 0,
        "cycles": 0,
        "spare": "43",
    },
    "a501900802fc000075a1000052": {"voltage_v": 76.4, "current_a": -11.3, "soc": 0.0},
}


def cells_frame(number: int, first_v: float = 3.3) -> bytes:
    """Frame `number` of a 0x95 reply, every cell 1 mV above the one before."""
    cells = tuple(round(first_v + 0.001 * (3 * (number - 1) + n), 3) for n in range(3))
    return reply_frame(1, data.CELLS, data.encode_cells_frame(data.CellsFrame(number, cells)))


def asked(request: DalyRequest) -> DalyCodec:
    codec = DalyCodec()
    codec.encode(request)
    return codec


# ------------------------------------------------------------------ captures


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.frame.hex())
def test_golden_frames_mean_what_their_source_says_and_come_back_byte_for_byte(golden: GoldenFrame) -> None:
    found = explain(golden.direction, golden.frame)
    assert found.again == golden.frame
    command = golden.frame[2]
    if golden.direction == "request":
        assert found.values == {"board": 1, "host": HOST_RS485, "command": command}
    else:
        assert found.values == {"board": 1, "command": command, **MEANINGS[golden.frame.hex()]}


def test_every_golden_reply_has_a_stated_meaning() -> None:
    assert {golden.frame.hex() for golden in GOLDEN if golden.direction == "reply"} == set(MEANINGS)


@pytest.mark.parametrize(
    "golden", [golden for golden in GOLDEN if golden.direction == "request"], ids=lambda golden: golden.frame.hex()
)
def test_the_codec_produces_the_golden_requests(golden: GoldenFrame) -> None:
    assert DalyCodec().encode(read(golden.frame[2])) == golden.frame
    assert take_request(bytearray(golden.frame)) == read(golden.frame[2])


def test_explain_refuses_what_is_no_frame_or_goes_the_other_way() -> None:
    broken = bytearray(READ_REPLY)
    broken[4] ^= 1
    for direction, frame in (
        ("reply", bytes(broken)),
        ("reply", READ_REPLY[:-1]),
        ("reply", b""),
        ("reply", request_frame(READ)),
        ("request", READ_REPLY),
        ("request", reply_frame(0xC1, data.PACK, bytes(8))),
        ("reply", reply_frame(0x00, data.PACK, bytes(8))),
    ):
        with pytest.raises(BadReply):
            explain(direction, frame)  # pyright: ignore[reportArgumentType]


def test_a_command_without_a_meaning_of_its_own_is_explained_as_bytes() -> None:
    frame = reply_frame(1, 0x5A, bytes(range(8)))
    found = explain("reply", frame)
    assert found.values == {"board": 1, "command": 0x5A, "data": "0001020304050607"}
    assert found.again == frame


# ------------------------------------------------------------------- requests


def test_addresses_of_hosts_and_boards() -> None:
    assert request_frame(read(data.PACK, board=3))[1] == 0x42
    assert request_frame(read(data.PACK, host=HOST_UART))[1] == 0x80
    codec = asked(request := read(data.PACK, board=3))
    third = reply_frame(3, data.PACK, READ_REPLY[4:-1])
    assert third[1] == 3
    assert codec.decode(request, bytearray(READ_REPLY + third)) == (READ_REPLY[4:-1],)
    assert codec.counters.foreign_frames == 1, "board 1 answered somebody else"


def test_reads_may_be_repeated_and_writes_may_not() -> None:
    reads = [0x50, 0x53, 0x57, *range(0x90, 0x99)]
    assert all(DalyRequest(command).repeatable for command in reads)
    assert not any(DalyRequest(command).repeatable for command in (0x00, 0x21, 0xD9, 0xDA, 0x10, 0x99))


def test_what_cannot_be_asked_is_refused_before_it_is_sent() -> None:
    for make in (
        lambda: read(data.PACK, 2),
        lambda: read(data.CELLS, 0),
        lambda: read(data.CELLS, 17),
        lambda: read(data.PACK, board=0),
        lambda: read(data.PACK, board=64),
        lambda: read(data.PACK, host=0x41),
        lambda: request_frame(write(data.SWITCH_CHARGE, b"\1")),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            make()


def test_a_request_says_what_it_is_for_people() -> None:
    assert read(data.CELLS, 5, board=2).describe() == "board 2: cell voltages (0x95)"
    assert DalyRequest(0x77).describe() == "board 1: command (0x77)"


def test_writes_as_python_daly_bms_sends_them() -> None:
    on = write(data.SWITCH_DISCHARGE, data.encode_switch(data.Switch(1)))
    assert request_frame(on).hex() == "a540d9080100000000000000c7"
    assert explain("request", request_frame(on)).values["on"] == 1
    soc = write(data.SET_SOC, data.encode_set_soc(data.SetSoc(0.875)))
    assert request_frame(soc).hex() == "a5402108000000000000036b7c"
    assert data.decode_set_soc(soc.payload) == data.SetSoc(0.875)


def test_a_switch_reply_carries_leftovers_behind_its_first_byte() -> None:
    """Noted by python-daly-bms 0.5.0 (set_charge_mosfet): the tail is that of an earlier 0x94 reply."""
    payload = bytes.fromhex("0101000002006cbe")
    assert data.decode_switch(payload) == data.Switch(1, bytes.fromhex("01000002006cbe"))
    assert data.encode_switch(data.decode_switch(payload)) == payload


# -------------------------------------------------------------------- answers


def test_a_single_reply() -> None:
    codec = asked(READ)
    buffer = bytearray(READ_REPLY)
    answer = codec.decode(READ, buffer)
    assert answer == (READ_REPLY[4:-1],)
    assert not buffer
    assert codec.counters.noise_bytes == 0


@pytest.mark.parametrize("size", range(1, FRAME_BYTES))
def test_byte_by_byte_and_in_pieces_of_every_size(size: int) -> None:
    request = read(data.CELLS, 3)
    stream = b"".join(cells_frame(number) for number in (1, 2, 3))
    codec = asked(request)
    buffer = bytearray()
    answer = None
    for at in range(0, len(stream), size):
        assert len(buffer) <= BUFFER_KEPT
        buffer += stream[at : at + size]
        answer = codec.decode(request, buffer)
        assert (answer is not None) == (at + size >= len(stream))
    assert answer == tuple(cells_frame(number)[4:-1] for number in (1, 2, 3))


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))), ids=str)
def test_frames_of_one_answer_may_come_in_any_order(order: tuple[int, ...]) -> None:
    request = read(data.CELLS, 3)
    codec = asked(request)
    answer = codec.decode(request, bytearray(b"".join(cells_frame(number) for number in order)))
    assert answer is not None
    assert [data.decode_cells_frame(payload).frame for payload in answer] == [1, 2, 3]
    assert data.decode_cells_frame(answer[2]).cell_voltages_v == (3.306, 3.307, 3.308)


@pytest.mark.parametrize("order", [list(range(1, 17)), list(range(16, 0, -1))], ids=["up", "down"])
def test_a_uart_board_that_sends_all_sixteen_frames(order: list[int]) -> None:
    stream = b"".join(cells_frame(number) for number in order)
    for needed in (1, 5, 16):
        request = read(data.CELLS, needed, host=HOST_UART)
        codec = asked(request)
        answer = codec.decode(request, bytearray(stream))
        assert answer == tuple(cells_frame(number)[4:-1] for number in range(1, needed + 1))
        assert codec.counters.foreign_frames == 0


def test_frames_that_were_not_needed_do_not_answer_the_next_question() -> None:
    """Five frames are needed, sixteen are sent: eleven arrive while something else, or the same, is asked."""
    surplus = b"".join(cells_frame(number, first_v=2.0) for number in range(6, 17))
    request = read(data.TEMPERATURES)
    codec = asked(request)
    temperatures = reply_frame(1, data.TEMPERATURES, bytes.fromhex("013d000000000000"))
    assert codec.decode(request, bytearray(surplus + temperatures)) == (bytes.fromhex("013d000000000000"),)
    assert codec.counters.foreign_frames == 11
    request = read(data.CELLS, 5)
    codec.encode(request)
    fresh = [cells_frame(number) for number in range(1, 6)]
    assert codec.decode(request, bytearray(surplus + b"".join(fresh))) == tuple(frame[4:-1] for frame in fresh)


def test_what_an_unfinished_answer_left_behind_is_not_part_of_the_next() -> None:
    request = read(data.CELLS, 2)
    codec = asked(request)
    assert codec.decode(request, bytearray(cells_frame(1, first_v=2.0))) is None
    codec.encode(request)
    assert codec.decode(request, bytearray(cells_frame(2))) is None, "frame 1 has to come anew"
    answer = codec.decode(request, bytearray(cells_frame(1)))
    assert answer == (cells_frame(1)[4:-1], cells_frame(2)[4:-1])


def test_a_frame_sent_twice_counts_once_and_the_newer_one_counts() -> None:
    request = read(data.CELLS, 2)
    codec = asked(request)
    assert codec.decode(request, bytearray(cells_frame(1, first_v=2.0) + cells_frame(1))) is None
    assert codec.decode(request, bytearray(cells_frame(2))) == (cells_frame(1)[4:-1], cells_frame(2)[4:-1])


def test_frames_numbered_from_zero_are_refused_instead_of_moving_every_cell() -> None:
    request = read(data.CELLS, 2)
    codec = asked(request)
    with pytest.raises(BadReply, match="count from 1"):
        codec.decode(request, bytearray(cells_frame(0)))


def test_the_battery_code_takes_five_frames() -> None:
    text = b"B2023-PACK-0042 spare  text of it  "
    request = read(data.CODE, data.CODE_FRAMES)
    codec = asked(request)
    frames = [
        reply_frame(1, data.CODE, data.encode_code_frame(data.CodeFrame(n + 1, text[7 * n : 7 * n + 7])))
        for n in range(5)
    ]
    answer = codec.decode(request, bytearray(b"".join(frames)))
    assert answer is not None
    assert b"".join(data.decode_code_frame(payload).characters for payload in answer) == text


# ---------------------------------------------------------------------- traps


def test_a_sleeping_board_s_echo_is_never_an_answer() -> None:
    codec = asked(READ)
    with pytest.raises(BadReply, match=r"sleeps.*adapter echoes"):
        codec.decode(READ, bytearray(request_frame(READ)))


def test_an_echo_is_told_even_with_a_damaged_checksum_and_behind_noise() -> None:
    """maland16/daly-bms-uart#11: the checksum of the echo matches only sometimes."""
    echo = bytearray(request_frame(READ))
    echo[-1] ^= 0x40
    with pytest.raises(BadReply, match="sleeps"):
        asked(READ).decode(READ, bytearray(b"\x00\xa5" + echo))


def test_an_echo_is_not_an_answer_even_where_the_data_would_be_believed() -> None:
    request = replace(READ, payload=READ_REPLY[4:-1])
    with pytest.raises(BadReply, match="sleeps"):
        asked(request).decode(request, bytearray(request_frame(request)))


def test_another_master_s_request_is_foreign() -> None:
    codec = asked(READ)
    other = request_frame(read(data.PACK, board=2)) + request_frame(read(data.STATUS))
    assert codec.decode(READ, bytearray(other + READ_REPLY)) == (READ_REPLY[4:-1],)
    assert codec.counters.foreign_frames == 2


def test_a_late_reply_to_another_command_is_dropped_and_counted() -> None:
    codec = asked(READ)
    late = reply_frame(1, data.STATE, bytes(8))
    assert codec.decode(READ, bytearray(late)) is None
    assert codec.decode(READ, bytearray(READ_REPLY)) == (READ_REPLY[4:-1],)
    assert codec.counters.foreign_frames == 1


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00",
        b"\xa5",
        b"\xa5\x01\x90\x08",
        b"\xa5" * 30,
        b"AT\r\n",
        READ_REPLY[:-1],
        bytes.fromhex("a501900802100000753001f4eb"),
    ],
    ids=lambda noise: noise.hex(),
)
def test_the_reply_is_found_behind_noise(noise: bytes) -> None:
    codec = asked(READ)
    buffer = bytearray(noise)
    assert codec.decode(READ, buffer) is None
    buffer += READ_REPLY
    assert codec.decode(READ, buffer) == (READ_REPLY[4:-1],)
    assert codec.counters.noise_bytes == len(noise)


def test_a_wrong_checksum_is_counted_and_not_believed() -> None:
    codec = asked(READ)
    broken = bytearray(READ_REPLY)
    broken[5] ^= 1
    assert codec.decode(READ, broken) is None
    assert codec.counters.crc_errors == 1
    other = bytearray(reply_frame(2, data.PACK, bytes(8)))
    other[5] ^= 1
    assert codec.decode(READ, other) is None
    assert codec.counters.crc_errors == 1, "another board's damage is not ours"


def test_a_frame_of_another_length_is_none_whatever_its_checksum() -> None:
    for length in (0, 7, 9):
        body = READ_REPLY[:3] + bytes((length,)) + READ_REPLY[4:-1]
        codec = asked(READ)
        assert codec.decode(READ, bytearray(body + bytes((sum(body) & 0xFF,)))) is None
        assert codec.counters.crc_errors == codec.counters.foreign_frames == 0


def test_leftovers_of_earlier_replies_change_no_value_and_come_back() -> None:
    for leftover in (b"\0\0", b"\1\xf4", b"\xff\xff"):
        payload = bytes.fromhex("0ec8050e9c09") + leftover
        found = data.decode_cell_range(payload)
        assert replace(found, spare=b"\0\0") == data.CellRange(3.784, 5, 3.74, 9)
        assert data.encode_cell_range(found) == payload


def test_the_sign_of_the_current_is_an_option() -> None:
    payload = bytes.fromhex("02fc000075a10000")
    assert data.decode_pack(payload).current_a == -11.3, "the document: above 30000 discharges"
    assert data.decode_pack(payload, "charge").current_a == 11.3
    for higher_raw in ("discharge", "charge"):
        assert data.encode_pack(data.decode_pack(payload, higher_raw), higher_raw) == payload
    zero = data.decode_pack(bytes.fromhex("0210000075300000"))
    assert str(zero.current_a) == "0.0", "not minus zero"


def test_a_second_voltage_of_zero_is_no_voltage() -> None:
    assert data.decode_pack(bytes.fromhex("0210000075300000")).gathered_voltage_v is None
    assert data.decode_pack(bytes.fromhex("0210020e75300000")).gathered_voltage_v == 52.6


@pytest.mark.parametrize(
    ("payload", "alarms"),
    [
        ("0100000000000000", ("cell_over_voltage_warning",)),
        ("0200000000000000", ("cell_over_voltage",)),
        ("0800000000000000", ("cell_under_voltage",)),
        ("c000000000000000", ("pack_under_voltage_warning", "pack_under_voltage")),
        ("0002000000000000", ("charge_over_temperature",)),
        ("0080000000000000", ("discharge_under_temperature",)),
        ("00000a0000000000", ("charge_over_current", "discharge_over_current")),
        ("0000800000000000", ("soc_low",)),
        ("0000000a00000000", ("cell_spread", "temperature_spread")),
        ("0000001000000000", ("alarms_bit_28",)),
        ("0000000080000000", ("discharge_mos_open",)),
        ("0000000000200000", ("precharge",)),
        ("0000000000000c00", ("short_circuit", "low_voltage_no_charge")),
        ("00000000000000ff", ()),
    ],
)
def test_fault_bits_have_names(payload: str, alarms: tuple[str, ...]) -> None:
    found = decode_faults(bytes.fromhex(payload))
    assert found.alarms == alarms
    assert encode_faults(found).hex() == payload


def test_fault_names_are_all_different_and_others_are_refused() -> None:
    assert len(set(FAULT_NAMES.values())) == len(FAULT_NAMES) == 48
    for name in ("over_voltage", "alarms_bit_56", "alarms_bit_x"):
        with pytest.raises(ValueError, match=r"\w"):
            encode_faults(Faults((name,)))


def test_balancing_bits_are_cells_from_the_lowest_bit_on() -> None:
    payload = bytes.fromhex("0140000000800000")
    found = data.decode_balancing(payload)
    assert found.balancing_bits == 1 | 1 << 14 | 1 << 47
    assert data.encode_balancing(found) == payload


# ---------------------------------------------------------------- device side


def test_a_device_hears_requests_behind_noise_and_between_replies() -> None:
    asking = request_frame(read(data.STATUS, board=2, host=HOST_UART))
    broken = bytearray(asking)
    broken[-1] ^= 1
    buffer = bytearray(b"\xa5\x00" + broken + READ_REPLY + asking + asking[:5])
    assert take_request(buffer) == DalyRequest(data.STATUS, board=2, host=HOST_UART)
    assert take_request(buffer) is None
    buffer += asking[5:]
    assert take_request(buffer) == DalyRequest(data.STATUS, board=2, host=HOST_UART)
    assert not buffer


def test_what_no_host_sends_is_no_request() -> None:
    """Addresses of boards, and those of a board 64 that could not answer below the hosts' addresses."""
    for address in (0x01, 0x3F, 0x7F, 0xBF, 0xC0, 0xFF):
        assert take_request(bytearray(reply_frame(address, data.PACK, bytes(8)))) is None


def test_a_device_takes_a_host_s_filler_as_it_is() -> None:
    """Some hosts fill the data with AA or 55, so that the line settles before the checksum."""
    request = replace(READ, payload=b"\xaa\x55" * 4)
    assert take_request(bytearray(request_frame(request))) == request


# ------------------------------------------------------------------ properties


requests = st.builds(
    DalyRequest,
    command=st.integers(0, 255),
    payload=st.binary(min_size=8, max_size=8),
    board=st.integers(1, 0x3F),
    host=st.sampled_from([HOST_RS485, HOST_UART]),
)


@given(requests)
def test_what_a_host_sends_is_what_a_device_takes(request: DalyRequest) -> None:
    buffer = bytearray(request_frame(request))
    assert take_request(buffer) == request
    assert not buffer
    assert explain("request", request_frame(request)).again == request_frame(request)


@given(board=st.integers(1, 0x3F), command=st.integers(0, 255), payload=st.binary(min_size=8, max_size=8))
def test_any_reply_is_explained_and_comes_back_byte_for_byte(board: int, command: int, payload: bytes) -> None:
    frame = reply_frame(board, command, payload)
    assert explain("reply", frame).again == frame


@given(st.binary(max_size=20).filter(lambda payload: len(payload) != 8))
def test_decoders_refuse_every_other_length(payload: bytes) -> None:
    for decode in (
        data.decode_pack,
        data.decode_cell_range,
        data.decode_temperature_range,
        data.decode_state,
        data.decode_status,
        data.decode_cells_frame,
        data.decode_temperatures_frame,
        data.decode_balancing,
        decode_faults,
        data.decode_rated,
        data.decode_production,
        data.decode_code_frame,
        data.decode_switch,
        data.decode_set_soc,
    ):
        with pytest.raises(BadReply):
            decode(payload)


@given(st.binary(min_size=8, max_size=8))
def test_a_soc_setting_comes_back_byte_for_byte(payload: bytes) -> None:
    assert data.encode_set_soc(data.decode_set_soc(payload)) == payload


def test_values_that_no_frame_can_carry_are_refused() -> None:
    for encode in (
        lambda: data.encode_pack(data.Pack(-1.0, 0.0, 0.5)),
        lambda: data.encode_pack(data.Pack(50.0, 5000.0, 0.5)),
        lambda: data.encode_temperature_range(data.TemperatureRange(300.0, 1, 20.0, 1)),
        lambda: data.encode_status(data.Status(300, 1, 0, 0, 0, 0)),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            encode()


chunks = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.sampled_from(
            [
                b"\xa5",
                b"\xa5\x01\x90\x08",
                READ_REPLY[:-1],
                request_frame(READ),
                cells_frame(1),
                cells_frame(0),
                reply_frame(2, data.PACK, bytes(8)),
                b"\xa5\x01\x95\x08" * 20,
            ]
        ),
    ),
    max_size=12,
)


@given(request=st.sampled_from([READ, read(data.CELLS, 16), read(data.CODE, 5)]), pieces=chunks)
def test_any_bytes_give_an_answer_a_typed_error_or_nothing_within_bounds(
    request: DalyRequest, pieces: list[bytes]
) -> None:
    codec = asked(request)
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        before = len(buffer)
        try:
            answer = codec.decode(request, buffer)
        except DeviceError:
            continue
        assert len(buffer) <= before
        if answer is not None:
            break
        assert len(buffer) <= BUFFER_KEPT


@given(chunks)
def test_any_bytes_give_a_device_requests_or_nothing_within_bounds(pieces: list[bytes]) -> None:
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while (request := take_request(buffer)) is not None:
            assert request_frame(request)
        assert len(buffer) <= BUFFER_KEPT


@given(st.binary(max_size=60).filter(lambda noise: b"\xa5" not in noise))
def test_it_resynchronises_within_one_frame(noise: bytes) -> None:
    codec = asked(READ)
    buffer = bytearray(noise)
    assert codec.decode(READ, buffer) is None
    buffer += READ_REPLY
    assert codec.decode(READ, buffer) == (READ_REPLY[4:-1],)


@given(st.integers(0, 2**32 - 1))
def test_sixteen_frames_in_any_order_among_noise_and_foreign_frames(seed: int) -> None:
    rng = random.Random(seed)
    request = read(data.CELLS, 16)
    pieces = [cells_frame(number) for number in range(1, 17)]
    pieces += [reply_frame(2, data.CELLS, bytes(8)), b"\0\1\2", READ_REPLY]
    rng.shuffle(pieces)
    codec = asked(request)
    answer = codec.decode(request, bytearray(b"".join(pieces)))
    assert answer is not None
    assert [payload[0] for payload in answer] == list(range(1, 17))
