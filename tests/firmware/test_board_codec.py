"""The host's codec: COBS as a property, late answers, noise, refusals, a bounded buffer."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.firmware.reference import frame, stuff, unstuff

from packbench.core.errors import BadReply, DeviceRefused
from packbench_board import cobs
from packbench_board.codec import WIRE_MAX, BoardCodec, encode_frame
from packbench_board.codes import Refusal
from packbench_board.core import HostCore
from packbench_board.frames import (
    FIELDS,
    REQUESTS,
    TYPES,
    Ack,
    Close,
    Heartbeat,
    Hello,
    HelloReply,
    Nak,
    Open,
    Status,
    StatusQuery,
)

RANGES = {
    "B": st.integers(0, 0xFF),
    "H": st.integers(0, 0xFFFF),
    "I": st.integers(0, 0xFFFFFFFF),
    "Q": st.integers(0, 0xFFFFFFFFFFFFFFFF),
    "h": st.integers(-0x8000, 0x7FFF),
    "i": st.integers(-0x80000000, 0x7FFFFFFF),
    "16s": st.binary(min_size=16, max_size=16),
}


def messages_of(kind):
    return st.tuples(*(RANGES[code] for code in re.findall(r"16s|.", FIELDS[TYPES[kind]]))).map(kind._make)


any_request = st.sampled_from(list(REQUESTS)).flatmap(messages_of)
any_message = st.sampled_from(list(TYPES)).flatmap(messages_of)
CORE = HostCore()


@given(st.binary(max_size=cobs.BLOCK_MAX))
def test_cobs_is_the_reference_and_comes_back(data: bytes) -> None:
    encoded = cobs.encode(data)
    assert encoded == stuff(data)
    assert 0 not in encoded[:-1]
    block = bytearray(encoded[:-1])
    assert cobs.decode(block)
    assert block[1:] == data == unstuff(encoded[:-1])


@given(st.binary(max_size=300).map(lambda data: data.replace(b"\0", b"\1")))
def test_cobs_takes_only_what_it_would_have_made(data: bytes) -> None:
    block = bytearray(data)
    good = cobs.decode(block)
    assert len(block) == len(data)
    if good and 0 < len(data) <= cobs.BLOCK_MAX and 0xFF not in data:
        assert cobs.encode(bytes(block[1:])) == data + b"\0"


def test_cobs_refuses_a_zero_where_a_code_belongs() -> None:
    assert not cobs.decode(bytearray(b"\2\1\0"))


def test_cobs_refuses_what_does_not_fit_one_block() -> None:
    cobs.encode(bytes(range(1, 254)))
    with pytest.raises(ValueError, match="254 bytes"):
        cobs.encode(bytes(254))


@given(any_request, st.integers(0, 255))
def test_c_reads_every_request_that_python_writes(request, sequence: int) -> None:
    wire = encode_frame(request, sequence)
    assert wire == CORE.encode(request, sequence)
    assert CORE.decode(wire) == (TYPES[type(request)], sequence, tuple(request))


@given(any_message.filter(lambda m: isinstance(m, (Status, HelloReply))))
def test_python_reads_every_answer_that_c_writes(answer) -> None:
    codec = BoardCodec()
    request = StatusQuery() if isinstance(answer, Status) else Hello(0, 0)
    codec.encode(request)
    buffer = bytearray(CORE.encode(answer, 1))
    assert codec.decode(request, buffer) == answer
    assert not buffer


def status() -> Status:
    return Status(4, 9, 0, 7, 0x3D, 5, 0, 0, 500, 0, 123, 360000, 360000, 0, 250, 7)


def test_an_answer_in_pieces_is_waited_for() -> None:
    codec = BoardCodec()
    codec.encode(StatusQuery())
    wire = CORE.encode(status(), 1)
    buffer = bytearray()
    for byte in wire[:-1]:
        buffer.append(byte)
        assert codec.decode(StatusQuery(), buffer) is None
    buffer.append(wire[-1])
    assert codec.decode(StatusQuery(), buffer) == status()


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    codec = BoardCodec()
    codec.encode(StatusQuery())
    late = CORE.encode(status()._replace(state=2), 1)
    codec.encode(StatusQuery())
    assert codec.decode(StatusQuery(), bytearray(late)) is None
    assert codec.late == 1
    assert codec.decode(StatusQuery(), bytearray(late + CORE.encode(status(), 2))) == status()


def test_sequence_numbers_never_repeat_within_a_turn_and_leave_out_zero() -> None:
    codec = BoardCodec()
    numbers = [unstuff(codec.encode(StatusQuery())[1:-1])[2] for _ in range(510)]
    assert numbers == [*range(1, 256), *range(1, 256)]


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_an_answer_is_found_after_noise(before: bytes, after: bytes) -> None:
    codec = BoardCodec()
    codec.encode(StatusQuery())
    buffer = bytearray(before + b"\0" + CORE.encode(status(), 1) + after)
    assert codec.decode(StatusQuery(), buffer) == status()
    assert buffer == after


def test_endless_noise_keeps_the_buffer_bounded() -> None:
    codec = BoardCodec()
    codec.encode(StatusQuery())
    noise = random.Random(1)
    buffer = bytearray()
    for _ in range(2000):
        buffer += bytes(noise.randrange(1, 256) for _ in range(16))
        assert codec.decode(StatusQuery(), buffer) is None
        assert len(buffer) <= WIRE_MAX
    assert codec.discarded > 0
    buffer += b"\0" + CORE.encode(status(), 1)
    assert codec.decode(StatusQuery(), buffer) == status()


def test_every_wrong_bit_is_discarded() -> None:
    wire = CORE.encode(status(), 1)
    for bit in range(8 * (len(wire) - 1)):
        codec = BoardCodec()
        codec.encode(StatusQuery())
        spoilt = bytearray(wire)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert codec.decode(StatusQuery(), spoilt) is None
        assert codec.discarded > 0


def test_a_refusal_names_its_reason() -> None:
    codec = BoardCodec()
    codec.encode(Close())
    with pytest.raises(DeviceRefused, match="refused close: not_armed"):
        codec.decode(Close(), bytearray(CORE.encode(Nak(TYPES[Close], Refusal.NOT_ARMED), 1)))


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (Heartbeat(1, 1), Ack(TYPES[Heartbeat])),
        (Close(), status()),
        (Close(), Ack(TYPES[Open])),
        (Hello(0, 0), status()),
        (StatusQuery(), HelloReply(0, 0, 0, 0, 0)),
    ],
)
def test_an_answer_of_the_wrong_kind_is_no_answer(request_, answer) -> None:
    codec = BoardCodec()
    codec.encode(request_)
    with pytest.raises(BadReply):
        codec.decode(request_, bytearray(CORE.encode(answer, 1)))


@pytest.mark.parametrize("wire", [frame(0x99, 1, b""), frame(0x82, 1, b"\1\2\3"), frame(0x01, 1, b"\1\2\3\4")])
def test_a_foreign_message_under_the_right_sequence_is_no_answer(wire: bytes) -> None:
    codec = BoardCodec()
    codec.encode(StatusQuery())
    with pytest.raises(BadReply, match="none of this link"):
        codec.decode(StatusQuery(), bytearray(wire))
