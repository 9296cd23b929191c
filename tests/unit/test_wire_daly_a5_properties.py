"""Daly A5 frames: whatever is sent comes back, and any bytes stay within bounds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.daly_a5_parts import BUFFER_KEPT, READ, READ_REPLY, asked, cells_frame

from packbench.core.errors import BadReply, DeviceError
from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5 import (
    HOST_RS485,
    HOST_UART,
    DalyRequest,
    explain,
    read,
    reply_frame,
    request_frame,
    take_request,
)
from packbench.wire.daly.a5_faults import decode_faults

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
