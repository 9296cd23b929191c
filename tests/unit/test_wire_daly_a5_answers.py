"""Daly A5 answers: frames in any order and number, and the traps that fool a plain reader."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from tests.unit.daly_a5_parts import BUFFER_KEPT, READ, READ_REPLY, asked, cells_frame

from packbench.core.errors import BadReply
from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5 import FRAME_BYTES, HOST_UART, read, reply_frame, request_frame
from packbench.wire.daly.a5_faults import FAULT_NAMES, Faults, decode_faults, encode_faults

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
