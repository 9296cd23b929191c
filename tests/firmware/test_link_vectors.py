"""Golden vectors: C, Python and a slow reference agree on every byte of every message."""

from __future__ import annotations

import json
from binascii import crc_hqx
from pathlib import Path
from struct import Struct
from typing import Any

import pytest
from firmware_bridge.protocol.spec import read_spec
from tests.firmware.reference import crc16, frame, unstuff

from packbench.core.errors import DeviceRefused
from packbench_board import frames
from packbench_board.codec import BoardCodec, encode_frame
from packbench_board.codes import Refusal
from packbench_board.core import HostCore

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
SPEC = read_spec()
MESSAGES = {kind.__name__: kind for kind in frames.TYPES}


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def message_of(vector: dict[str, Any]) -> Any:
    fields: dict[str, Any] = {
        name: value.encode().ljust(16, b"\0") if isinstance(value, str) else value
        for name, value in vector["fields"].items()
    }
    return MESSAGES[camel(vector["message"])](**fields)


ids = [f"{vector['message']}-{vector['sequence']}" for vector in VECTORS]


def test_there_is_a_vector_for_every_message() -> None:
    assert {vector["message"] for vector in VECTORS} == {message.name for message in SPEC.messages}


def test_the_crcs_published_check_value() -> None:
    # "123456789" gives 0x29B1: the check value of CRC-16/CCITT-FALSE in every catalogue of CRCs.
    assert crc16(b"123456789") == crc_hqx(b"123456789", 0xFFFF) == 0x29B1


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_c_writes_the_vector(vector: dict) -> None:
    assert HostCore().encode(message_of(vector), vector["sequence"]).hex() == vector["wire"]


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_c_reads_the_vector(vector: dict) -> None:
    message = message_of(vector)
    number = frames.TYPES[type(message)]
    assert HostCore().decode(bytes.fromhex(vector["wire"])) == (number, vector["sequence"], tuple(message))


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_python_writes_or_reads_the_vector(vector: dict) -> None:
    message = message_of(vector)
    if type(message) in frames.REQUESTS:
        assert encode_frame(message, vector["sequence"]).hex() == vector["wire"]
        return
    codec = BoardCodec()
    request = frames.StatusQuery()
    if isinstance(message, frames.HelloReply):
        request = frames.Hello(0, 0)
    elif isinstance(message, frames.Ack):
        request = frames.Close()
    elif isinstance(message, frames.Event):
        request = frames.EventQuery(0)
    elif isinstance(message, frames.Snapshot):
        request = frames.SnapshotQuery()
    *_, written = (codec.encode(request) for _ in range(vector["sequence"]))
    assert written == b"\0" + encode_frame(request, vector["sequence"])
    if isinstance(message, frames.Nak):
        with pytest.raises(DeviceRefused, match="wrong_token"):
            codec.decode(request, bytearray.fromhex(vector["wire"]))
    else:
        assert codec.decode(request, bytearray.fromhex(vector["wire"])) == message


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_the_reference_makes_the_vector_from_link_yaml(vector: dict) -> None:
    (message,) = (entry for entry in SPEC.messages if entry.name == vector["message"])
    codes = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i16": "h", "i32": "i", "text16": "16s"}
    layout = Struct("<" + "".join(codes[field.type] for field in message.fields))
    payload = layout.pack(*message_of(vector))
    assert frame(message.id, vector["sequence"], payload).hex() == vector["wire"]
    assert unstuff(bytes.fromhex(vector["wire"])[:-1])[3:-2] == payload


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_one_wrong_bit_anywhere_is_noticed_by_c(vector: dict) -> None:
    core = HostCore()
    wire = bytes.fromhex(vector["wire"])
    for bit in range(8 * (len(wire) - 1)):
        spoilt = bytearray(wire)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert core.decode(bytes(spoilt)) is None


def test_another_version_is_no_frame() -> None:
    wire = frame(0x08, 1, b"", version=1)
    core = HostCore()
    assert core.step(0, 0x3C, (0.0, 0.0, 0.0), wire) == b""
    assert core.step(0, 0x3C, (0.0, 0.0, 0.0), frame(0x08, 1, b"")) != b""


def test_an_unknown_type_and_a_wrong_length_are_refused_by_name() -> None:
    core = HostCore()
    for wire, number in ((frame(0x77, 5, b""), 0x77), (frame(0x06, 5, b"\1\2\3"), 0x06), (frame(0x82, 5, b""), 0x82)):
        reply = core.decode(core.step(0, 0x3C, (0.0, 0.0, 0.0), wire))
        assert reply == (0x84, 5, (number, Refusal.UNKNOWN))
