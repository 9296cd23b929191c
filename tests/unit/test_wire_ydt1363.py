"""YD/T 1363 frames: both checksums, wrong examples of documents, other people's mistakes, noise, any bytes at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.golden import golden_frames
from tests.unit.ydt1363_frames import PYLON_ALARMS, PYLON_GROUP_MIXED, PYLON_MANAGEMENT, SEPLOS_REFUSAL, answer, line

from packbench.core.errors import BadReply, DeviceError
from packbench.wire.ydt1363 import pylontech, seplos_v2
from packbench.wire.ydt1363.frames import (
    BAD_CHECKSUM,
    BAD_FORMAT,
    BAD_LENGTH,
    LIFEPO4,
    MAX_FRAME,
    MAX_INFO,
    OK,
    RETURN_CODES,
    BrokenRequest,
    YdtCodec,
    YdtRefused,
    YdtRequest,
    checksum,
    explain,
    length_field,
    reply_frame,
    request_frame,
    take_apart,
    take_request,
)
from packbench.wire.ydt1363.info import MAX_SENSORS, Cursor

GOLDEN = golden_frames("pylontech", "seplos_v2")
READ = pylontech.read_analog(2)
REPLY = next(item.frame for item in GOLDEN if item.family == "pylontech" and item.direction == "reply")
FIVE_DIGITS = b"~20024693" + b"1002E" + b"02" * 23
FIVE_DIGITS += b"%04X\r" % checksum(FIVE_DIGITS[1:])
"""LENID 02E: the nibbles add up to 16, and python-pylontech's LCHKSUM becomes 16 instead of 0."""


def info_with_sum(total: int, size: int) -> bytes:
    """INFO of `size` bytes whose reply frame (ADR 02, VER 20) sums up to `total` between ~ and CHKSUM."""
    missing = total - (-checksum(reply_frame(0x20, 2, bytes(size))[1:-5]) & 0xFFFF)
    raised, rest = divmod(missing, 22)
    digits = ["F"] * raised + (["9", str(rest - 9)] if 9 < rest < 17 else ["0123456789_______ABCDEF"[rest]])
    return bytes.fromhex("".join(digits).ljust(2 * size, "0"))


# ------------------------------------------------------------------ checksums


@pytest.mark.parametrize("item", GOLDEN, ids=lambda item: item.frame[:20].decode())
def test_golden_frames_are_whole(item) -> None:
    assert take_apart(item.frame).fault == OK


@pytest.mark.parametrize(
    ("characters", "expected"),
    [(0, 0x0000), (2, 0xE002), (18, 0xD012), (0x2E, 0x002E), (0x96, 0x1096), (0xFFF, 0x3FFF)],
)
def test_length_has_its_own_checksum(characters: int, expected: int) -> None:
    assert length_field(characters) == expected


def test_length_cannot_hold_more_than_its_twelve_bits() -> None:
    with pytest.raises(ValueError, match="4096"):
        length_field(MAX_INFO + 1)


@given(st.integers(0, MAX_INFO))
def test_nibbles_of_length_add_up_to_nothing(characters: int) -> None:
    field = length_field(characters)
    assert sum(field >> shift & 0xF for shift in (0, 4, 8, 12)) % 16 == 0
    assert field & 0xFFF == characters


@pytest.mark.parametrize(
    ("printed", "right"), [(b"~1203400456ABCEFEFC72\r", b"FC71"), (REPLY.replace(b"E27A\r", b"E1A2\r"), b"E27A")]
)
def test_checksums_that_the_documents_print_wrong_are_refused(printed: bytes, right: bytes) -> None:
    assert b"%04X" % checksum(printed[1:-5]) == right
    assert take_apart(printed).fault == BAD_CHECKSUM
    with pytest.raises(BadReply, match="CHKSUM"):
        pylontech.explain("reply", printed)
    codec = YdtCodec()
    assert answer(READ, printed, codec) is None
    assert codec.counters.crc_errors == 1


@pytest.mark.parametrize(("total", "expected"), [(0x10000, b"0000"), (0xFFFF, b"0001"), (0x10001, b"FFFF")])
def test_a_sum_that_overflows_is_still_four_digits(total: int, expected: bytes) -> None:
    """dbus-serialbattery takes the sum modulo FFFF, python-pylontech makes 10000 of a sum of 0."""
    info = info_with_sum(total, 600)
    frame = reply_frame(0x20, 2, info)
    assert sum(frame[1:-5]) == total
    assert frame[-5:-1] == expected
    assert take_apart(frame).info == info
    reply = answer(YdtRequest(0x20, 2, 0x42), frame)
    assert reply is not None
    assert reply.info == info


def test_a_checksum_of_five_digits_is_a_broken_request_and_no_more() -> None:
    whole = reply_frame(0x20, 2, info_with_sum(0x10000, 600))
    buffer = bytearray(whole[:-5] + b"10000\r" + request_frame(READ))
    broken = take_request(buffer)
    assert broken == BrokenRequest(0x20, 2, LIFEPO4, BAD_CHECKSUM)
    assert take_request(buffer) == READ


# ---------------------------------------------------------- the device's side


def test_a_length_of_five_digits_is_refused_and_the_next_request_heard() -> None:
    buffer = bytearray(FIVE_DIGITS + request_frame(READ))
    assert take_request(buffer) == BrokenRequest(0x20, 2, LIFEPO4, BAD_LENGTH)
    assert take_request(buffer) == READ
    assert not buffer


def test_a_length_of_five_digits_is_taken_where_that_is_asked_for() -> None:
    buffer = bytearray(FIVE_DIGITS)
    assert take_request(buffer, lenient_length=True) == YdtRequest(0x20, 2, 0x93, b"\x02" * 23)


def test_leniency_takes_no_other_wrong_length() -> None:
    for text in (b"20024693100010", b"200246930002", b"20024693E0040202020202", b"20024693100"):
        padded = text.ljust(12, b"0")
        frame = b"~%b%04X\r" % (padded, checksum(padded))
        assert take_apart(frame, lenient_length=True).fault == BAD_LENGTH, text


def test_an_odd_number_of_digits_is_a_wrong_format() -> None:
    text = b"20024642F001" + b"0"
    assert take_apart(b"~%b%04X\r" % (text, checksum(text))).fault == BAD_FORMAT


def test_requests_come_out_of_noise_one_by_one() -> None:
    first, second = pylontech.read_alarms(2), seplos_v2.read_telemetry(0)
    buffer = bytearray(b"\x00\xffAT\r\n~20" + request_frame(first) + b"garbage\r" + request_frame(second) + b"~2002")
    assert take_request(buffer) == first
    assert take_request(buffer) == second
    assert take_request(buffer) is None
    assert buffer == b"~2002"


@pytest.mark.parametrize(
    "item", [item for item in GOLDEN if item.direction == "request"], ids=lambda item: item.meaning
)
def test_golden_requests_are_taken_and_written_alike(item) -> None:
    request = take_request(bytearray(item.frame))
    assert isinstance(request, YdtRequest)
    assert request_frame(request) == item.frame


def test_what_a_frame_cannot_hold_is_refused() -> None:
    for request in (YdtRequest(0x20, 256, 0x42), YdtRequest(0x20, 2, -1), YdtRequest(0x20, 2, 0x42, bytes(2048))):
        with pytest.raises(ValueError):
            request_frame(request)


# ------------------------------------------------------------ the host's side


def test_the_answer_arrives_byte_by_byte() -> None:
    codec = YdtCodec()
    codec.encode(READ)
    buffer = bytearray()
    for byte in REPLY[:-1]:
        buffer.append(byte)
        assert codec.decode(READ, buffer) is None
    buffer += b"\r"
    reply = codec.decode(READ, buffer)
    assert reply is not None
    assert (reply.version, len(reply.info)) == (0x20, 0x7A // 2)
    assert not buffer
    assert codec.counters.noise_bytes == codec.counters.foreign_frames == codec.counters.crc_errors == 0


@pytest.mark.parametrize(
    "noise", [b"\n", b"\x00" * 9, b"AT\r\n", b"~", b"~20024600F07A", b"~2002~~", bytes(range(126))]
)
def test_noise_in_front_costs_only_itself(noise: bytes) -> None:
    codec = YdtCodec()
    assert answer(READ, noise + REPLY, codec) is not None
    assert codec.counters.noise_bytes == len(noise)


def test_what_follows_the_answer_stays_in_the_buffer() -> None:
    codec = YdtCodec()
    codec.encode(READ)
    buffer = bytearray(REPLY + b"~20")
    assert codec.decode(READ, buffer) is not None
    assert buffer == b"~20"


def test_a_damaged_answer_is_counted_and_not_believed() -> None:
    codec = YdtCodec()
    damaged = bytearray(REPLY)
    damaged[20] = ord("7")
    assert answer(READ, bytes(damaged) + REPLY, codec) is not None
    assert codec.counters.crc_errors == 1


def test_a_wrong_length_with_a_right_checksum_is_not_believed() -> None:
    text = REPLY[1:9] + b"F07C" + REPLY[13:-5]
    codec = YdtCodec()
    assert answer(READ, b"~%b%04X\r" % (text, checksum(text)), codec) is None
    assert codec.counters.crc_errors == 1


@pytest.mark.parametrize(
    "foreign",
    [
        reply_frame(0x20, 3, take_apart(REPLY).info),
        reply_frame(0x20, 2, take_apart(REPLY).info, device=0x4F),
        request_frame(pylontech.read_alarms(2)),
        request_frame(READ),
        PYLON_ALARMS,
        PYLON_MANAGEMENT,
    ],
    ids=["address", "device", "another_request", "own_echo", "late_alarms", "late_management"],
)
def test_what_answers_something_else_is_skipped(foreign: bytes) -> None:
    """A reply carries VER, ADR, CID1 and RTN, not the command that it answers."""
    codec = YdtCodec()
    reply = answer(READ, foreign + REPLY, codec)
    assert reply == (0x20, take_apart(REPLY).info)
    assert codec.counters.foreign_frames == 1


def test_an_echo_whose_command_is_a_return_code_too_is_an_echo() -> None:
    """90 counts packs (PACE) and means "address wrong" (Pylontech)."""
    request = YdtRequest(0x25, 1, 0x90)
    codec = YdtCodec()
    assert answer(request, request_frame(request) + line("~25014600E00202FD35"), codec) == (0x25, b"\x02")
    assert codec.counters.foreign_frames == 1


def test_a_shape_that_nothing_is_answered_with_raises() -> None:
    with pytest.raises(BadReply, match="address 02: analog values of 02: 3 bytes"):
        answer(READ, reply_frame(0x20, 2, b"\x01\x02\x03"))


def test_another_version_means_other_amperes() -> None:
    with pytest.raises(BadReply, match="version 25, not 20"):
        answer(READ, reply_frame(0x25, 2, take_apart(REPLY).info))


def test_a_reply_of_two_packs_is_not_that_of_pack_2() -> None:
    """The count of packs stands where the pack's address stands."""
    codec = YdtCodec()
    with pytest.raises(BadReply):
        answer(pylontech.read_analog(2), PYLON_GROUP_MIXED, codec)
    assert answer(pylontech.read_analog(2, pylontech.ALL), PYLON_GROUP_MIXED, codec) is not None
    with pytest.raises(BadReply):
        answer(pylontech.read_analog(2, pylontech.ALL), REPLY, codec)


@pytest.mark.parametrize("code", [code for code in RETURN_CODES if code != OK], ids=lambda code: f"{code:02X}")
def test_every_return_code_is_a_refusal(code: int) -> None:
    with pytest.raises(YdtRefused, match=f"refused with RTN {code:02X}") as refused:
        answer(READ, reply_frame(0x20, 2, code=code))
    assert refused.value.code == code


def test_a_captured_refusal() -> None:
    with pytest.raises(YdtRefused, match="not known") as refused:
        answer(YdtRequest(0x20, 0, 0x92), SEPLOS_REFUSAL)
    assert refused.value.code == 0x04
    assert seplos_v2.explain("reply", SEPLOS_REFUSAL).values["refused"] == 0x04
    assert seplos_v2.explain("reply", SEPLOS_REFUSAL).again == SEPLOS_REFUSAL


def test_reading_may_be_repeated_and_the_unknown_may_not() -> None:
    assert READ.repeatable
    assert not YdtRequest(0x20, 2, 0x95).repeatable
    assert not YdtRequest(0x20, 2, 0x94, b"\x02", dialect=pylontech.DIALECT).repeatable


def test_an_unknown_return_code_explains_nothing() -> None:
    with pytest.raises(BadReply, match="return code 55"):
        pylontech.explain("reply", reply_frame(0x20, 2, code=0x55))


@pytest.mark.parametrize("state", [0x03, 0x0C, 0x7F, 0xF1, 0xFF])
def test_an_alarm_byte_is_one_of_a_few(state: int) -> None:
    """High bytes of cell voltages are none."""
    for good in (0x00, 0x01, 0x02, 0x80, 0xEF, 0xF0):
        assert Cursor(bytes((good,)), "").states(1) == (good,)
    with pytest.raises(BadReply, match=f"{state:02X} is no alarm state"):
        Cursor(bytes((0, state)), "").states(2)


def test_a_count_beyond_any_pack_is_another_message_s_byte() -> None:
    assert Cursor(b"\x10", "").count(MAX_SENSORS) == 16
    with pytest.raises(BadReply, match="17 of a thing"):
        Cursor(b"\x11", "").count(MAX_SENSORS)


# ----------------------------------------------------------------- properties

FRAME_TEXT = st.text("0123456789ABCDEF~\r\n", max_size=60).map(str.encode)
STREAM = st.lists(
    st.one_of(st.binary(max_size=40), FRAME_TEXT, st.sampled_from([REPLY, PYLON_ALARMS, SEPLOS_REFUSAL, FIVE_DIGITS])),
    max_size=8,
).map(b"".join)
REQUESTS = st.builds(
    YdtRequest,
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=300),
    st.integers(0, 255),
)


@given(REQUESTS)
def test_a_request_is_taken_as_it_was_written(request: YdtRequest) -> None:
    buffer = bytearray(request_frame(request))
    assert take_request(buffer) == request
    assert not buffer


@given(st.integers(0, 255), st.integers(0, 255), st.sampled_from(sorted(RETURN_CODES)), st.binary(max_size=2047))
def test_a_reply_is_taken_apart_into_what_it_was_made_of(version: int, address: int, code: int, info: bytes) -> None:
    assert take_apart(reply_frame(version, address, info, code)) == (version, address, LIFEPO4, code, info, OK)


@given(STREAM, st.data())
def test_any_bytes_in_any_pieces_give_an_answer_or_a_typed_error(stream: bytes, data: st.DataObject) -> None:
    codec = YdtCodec()
    codec.encode(READ)
    buffer = bytearray()
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        buffer += stream[:cut]
        stream = stream[cut:]
        with suppress(DeviceError):
            reply = codec.decode(READ, buffer)
            assert reply is None or READ.accepts(reply.info)
        assert len(buffer) < MAX_FRAME


@given(STREAM)
def test_any_bytes_are_requests_or_nothing(stream: bytes) -> None:
    buffer = bytearray(stream)
    while take_request(buffer, lenient_length=True) is not None:
        pass
    assert len(buffer) < MAX_FRAME


@pytest.mark.parametrize("endless", [b"\x00" * 100_000, b"~" * 100_000, b"~" + b"A" * 100_000, b"~20\r" * 25_000])
def test_endless_bytes_are_not_kept(endless: bytes) -> None:
    codec = YdtCodec()
    codec.encode(READ)
    buffer = bytearray(endless)
    assert codec.decode(READ, buffer) is None
    assert len(buffer) < MAX_FRAME
    assert codec.counters.noise_bytes == len(endless) - len(buffer)
    buffer += REPLY
    assert codec.decode(READ, buffer) is not None


@given(st.sampled_from([item.frame for item in GOLDEN] + [PYLON_ALARMS, PYLON_MANAGEMENT]), st.data())
def test_one_changed_character_is_always_noticed(frame: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(frame) - 2))
    other = data.draw(st.sampled_from(b"0123456789ABCDEF").filter(lambda digit: digit != frame[at]))
    changed = frame[:at] + bytes((other,)) + frame[at + 1 :]
    assert take_apart(changed).fault != OK


@given(st.one_of(st.binary(max_size=80), FRAME_TEXT))
def test_explain_makes_a_frame_of_nothing_else(data: bytes) -> None:
    for direction in ("request", "reply"):
        with suppress(BadReply):
            assert explain(pylontech.DIALECT, direction, data).again == data
