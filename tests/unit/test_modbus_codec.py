"""Frames: golden ones, wrong ones, noisy ones, and any bytes at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from packbench.core.errors import BadReply, DeviceError, DeviceRefused
from packbench.drivers.golden import parse_request
from packbench.wire.modbus import (
    MAX_BUFFER,
    ModbusCodec,
    ModbusRefused,
    ModbusRequest,
    crc16,
    read_coil,
    read_coils,
    read_registers,
    rtu_frame,
    write_coil,
    write_register,
    write_registers,
)

FRAMES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "frames" / "golden_frames.json").read_text("utf-8")
)
FRAMES = [frame for frame in FRAMES if frame["family"] in ("ea_psb", "jk_pb")]
REQUESTS = [frame for frame in FRAMES if frame["dir"] == "req"]
READ = read_registers(1, 507, 3)
READ_REPLY = bytes.fromhex("01030626200c9b091b9350")


@given(st.binary(max_size=300))
def test_crc_is_pymodbus_s(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@pytest.mark.parametrize("frame", REQUESTS, ids=lambda frame: frame["hex"])
def test_golden_requests_are_encoded_byte_for_byte(frame: dict[str, Any]) -> None:
    raw = bytes.fromhex(frame["hex"])
    _, request = parse_request("rtu", raw)
    assert ModbusCodec("rtu").encode(request) == raw


def test_golden_replies_are_all_accepted_as_the_answer_to_their_request() -> None:
    """Every reply in the file follows its request, or is the echo of a write, or a refusal."""
    answered = 0
    previous: ModbusRequest | None = None
    for frame in FRAMES:
        raw = bytes.fromhex(frame["hex"])
        if frame["dir"] == "req":
            _, previous = parse_request("rtu", raw)
            continue
        request = previous
        if raw[1] & 0x80 and (request is None or request.function != raw[1] & 0x7F or request.function == 5):
            request = write_coil(raw[0], 402, True)
        assert request is not None
        codec = ModbusCodec("rtu")
        codec.encode(request)
        if raw[1] & 0x80:
            with pytest.raises(ModbusRefused) as refused:
                codec.decode(request, bytearray(raw))
            assert refused.value.code == raw[2]
        else:
            payload = codec.decode(request, bytearray(raw))
            assert payload == (b"" if request.function > 4 else raw[3:-2])
        answered += 1
    assert answered == sum(frame["dir"] == "rsp" for frame in FRAMES) == 13


def test_mbap_golden_exchange() -> None:
    codec = ModbusCodec("mbap", transaction=0x4710)
    request = read_registers(0, 121, 2)
    assert codec.encode(request).hex() == "471100000006000300790002"
    assert codec.decode(request, bytearray.fromhex("47110000000700030443fa0000")) == bytes.fromhex("43fa0000")


def test_transaction_ids_go_round_without_zero() -> None:
    codec = ModbusCodec("mbap", transaction=0xFFFE)
    assert [codec.encode(READ)[:2].hex() for _ in range(3)] == ["ffff", "0001", "0002"]


@pytest.mark.parametrize("cut", range(1, len(READ_REPLY)))
def test_a_reply_in_two_pieces_is_complete_with_the_second(cut: int) -> None:
    codec = ModbusCodec("rtu")
    codec.encode(READ)
    buffer = bytearray(READ_REPLY[:cut])
    assert codec.decode(READ, buffer) is None
    buffer += READ_REPLY[cut:]
    assert codec.decode(READ, buffer) == READ_REPLY[3:-2]


@pytest.mark.parametrize(
    "noise",
    [b"\x00", b"\x01\x03\xfa", b"\x01", b"AT\r\n", b"\xff" * 40, b"\x01\x03\x06\x01\x02\x03\x04\x05\x06\x00\x00"],
    ids=lambda noise: noise.hex(),
)
def test_rtu_finds_the_reply_behind_noise(noise: bytes) -> None:
    codec = ModbusCodec("rtu")
    codec.encode(READ)
    assert codec.decode(READ, bytearray(noise + READ_REPLY)) == READ_REPLY[3:-2]
    assert codec.counters.noise_bytes == len(noise)


def test_rtu_skips_another_unit_s_frame_and_counts_it() -> None:
    codec = ModbusCodec("rtu")
    codec.encode(READ)
    foreign = rtu_frame(2, bytes.fromhex("0306aaaabbbbcccc"))
    assert codec.decode(READ, bytearray(foreign + READ_REPLY)) == READ_REPLY[3:-2]
    assert codec.counters.foreign_frames == 1


def test_rtu_crc_error_is_counted_and_not_believed() -> None:
    codec = ModbusCodec("rtu")
    codec.encode(READ)
    broken = bytearray(READ_REPLY)
    broken[4] ^= 1
    assert codec.decode(READ, broken) is None
    assert codec.counters.crc_errors == 1


def test_mbap_late_reply_is_dropped_by_its_id() -> None:
    codec = ModbusCodec("mbap")
    late = codec.encode(READ)[:2] + bytes.fromhex("0000000901030600010002 0003")
    codec.encode(READ)
    right = codec.encode(READ)[:2] + bytes.fromhex("000000090103060004000500 06")
    assert codec.decode(READ, bytearray(late + right)) == bytes.fromhex("000400050006")
    assert codec.counters.foreign_frames == 1


def test_mbap_gets_past_a_bad_header() -> None:
    codec = ModbusCodec("mbap")
    right = codec.encode(READ)[:2] + bytes.fromhex("000000090103060004000500 06")
    for noise in (b"\x12\x34\x56\x78\x00\x06\x01\x03", b"\x99\x99\x00\x00\x00\xf0\x01", b"\x00" * 9):
        assert codec.decode(READ, bytearray(noise + right)) == bytes.fromhex("000400050006"), noise.hex()


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (read_registers(1, 0, 3), "0103040001 0002"),
        (read_registers(1, 0, 3), "0103080001 0002 0003 0004"),
        (write_register(1, 501, 5), "0106 01f5 0006"),
        (write_register(1, 501, 5), "0106 01f6 0005"),
        (write_coil(1, 402, True), "0105 0192 0000"),
        (write_registers(1, 32, b"\0\5\0\6"), "0110 0020 0003"),
        (read_coil(1, 402), "0101 03 ff 00 00"),
    ],
)
@pytest.mark.parametrize("framing", ["mbap", "rtu"])
def test_a_reply_that_does_not_fit_is_refused(framing: Any, request_: ModbusRequest, reply: str) -> None:
    codec = ModbusCodec(framing)
    sent = codec.encode(request_)
    body = bytes.fromhex(reply)
    mbap = sent[:4] + len(body).to_bytes(2, "big") + body
    frame = mbap if framing == "mbap" else rtu_frame(body[0], body[1:])
    with pytest.raises(BadReply):
        codec.decode(request_, bytearray(frame))


def test_mbap_wrong_unit_or_function_is_refused() -> None:
    for body in ("020306000100020003", "010406000100020003"):
        codec = ModbusCodec("mbap")
        sent = codec.encode(READ)
        raw = bytes.fromhex(body)
        with pytest.raises(BadReply):
            codec.decode(READ, bytearray(sent[:4] + len(raw).to_bytes(2, "big") + raw))


def test_limited_mode_coils_come_in_two_bytes() -> None:
    codec = ModbusCodec("rtu")
    request = read_coil(0, 405)
    for data, expected in (("02ff00", b"\xff\x00"), ("020000", b"\x00\x00"), ("0101", b"\x01")):
        codec.encode(request)
        answer = codec.decode(request, bytearray(rtu_frame(0, bytes.fromhex("01" + data))))
        assert answer == expected


def test_an_exception_names_its_code() -> None:
    codec = ModbusCodec("rtu")
    request = write_coil(1, 402, True)
    codec.encode(request)
    with pytest.raises(DeviceRefused, match="local control") as refused:
        codec.decode(request, bytearray.fromhex("018517029e"))
    assert isinstance(refused.value, ModbusRefused)
    assert refused.value.code == 0x17


@given(
    framing=st.sampled_from(["mbap", "rtu"]),
    request=st.sampled_from(
        [READ, read_registers(1, 0, 124), write_coil(1, 402, True), write_registers(1, 0, b"\0\1")]
    ),
    chunks=st.lists(
        st.one_of(
            st.binary(max_size=400),
            st.sampled_from([b"\x01\x03", b"\x01\x03\xff", b"\x00\x01\x00\x00\x00\xfe", b"\x01\x83\x02\xc0\xf1"]),
        ),
        max_size=12,
    ),
)
def test_any_bytes_give_an_answer_a_typed_error_or_nothing_within_bounds(
    framing: Any, request: ModbusRequest, chunks: list[bytes]
) -> None:
    codec = ModbusCodec(framing)
    codec.encode(request)
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        before = len(buffer)
        try:
            answer = codec.decode(request, buffer)
        except DeviceError:
            answer = b""
        assert len(buffer) <= before
        if answer is not None:
            break
        assert len(buffer) <= MAX_BUFFER


@given(st.binary(max_size=60).filter(lambda noise: b"\x01\x03" not in noise and b"\x01\x83" not in noise))
def test_rtu_resynchronises_within_one_frame(noise: bytes) -> None:
    codec = ModbusCodec("rtu")
    codec.encode(READ)
    buffer = bytearray(noise)
    first = codec.decode(READ, buffer)
    assert first is None
    buffer += READ_REPLY
    assert codec.decode(READ, buffer) == READ_REPLY[3:-2]


def test_a_device_may_answer_under_another_unit() -> None:
    """Daly's board asked at 0x81 answers as 0x51; an answer under the unit that was asked is somebody else's."""
    request = read_registers(0x81, 0, 1)
    codec = ModbusCodec("rtu", reply_unit_offset=-0x30)
    codec.encode(request)
    foreign, ours = rtu_frame(0x81, b"\x03\x02\0\1"), rtu_frame(0x51, b"\x03\x02\0\2")
    assert codec.decode(request, bytearray(foreign + ours)) == b"\0\2"
    assert codec.counters.foreign_frames == 1


def test_many_coils_are_one_answer() -> None:
    request = read_coils(1, 0x1200, 0x90)
    codec = ModbusCodec("rtu")
    assert codec.encode(request)[:6] == bytes.fromhex("010112000090")
    data = bytes(range(18))
    assert codec.decode(request, bytearray(rtu_frame(1, bytes((1, 18)) + data))) == data
    with pytest.raises(BadReply, match="17 data bytes, expected 18"):
        codec.decode(request, bytearray(rtu_frame(1, bytes((1, 17)) + data[:17])))
    with pytest.raises(ValueError, match="cannot read 0 coils"):
        read_coils(1, 0, 0)
