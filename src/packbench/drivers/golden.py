"""Holds a device file against what its device really said.

Owns the replay of its golden exchanges through the same codecs and layouts that drivers use: request
re-encoded byte for byte, reply accepted, values as the source states them, and the values encoded back to
the same bytes. It exists because a protocol shared by driver and simulator agrees with itself even when it
is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from packbench.core.errors import DeviceError
from packbench.core.samples import FloatArray
from packbench.maps.codec import compile_layout
from packbench.maps.schema import DeviceType, Golden, Protocol
from packbench.wire import ant, tdt
from packbench.wire.daly import a5 as daly_a5
from packbench.wire.explained import Direction, Explained
from packbench.wire.gbt27930 import frames as gbt27930
from packbench.wire.jbd import frames as jbd
from packbench.wire.jk_4e57 import frames as jk_4e57
from packbench.wire.modbus import (
    READ_COILS,
    WRITE_COIL,
    WRITE_REGISTERS,
    Framing,
    ModbusCodec,
    ModbusRefused,
    ModbusRequest,
    crc_ok,
)
from packbench.wire.neware import frames as neware
from packbench.wire.scpi import messages as scpi
from packbench.wire.ydt1363 import dialects as ydt1363_dialects

Explain = Callable[[Direction, bytes], Explained]

EXPLAIN: dict[Protocol, Explain] = {
    "ant": ant.explain,
    "daly-a5": daly_a5.explain,
    "gbt27930": gbt27930.explain,
    "jbd": jbd.explain,
    "jk-4e57": jk_4e57.explain,
    "neware": neware.explain,
    "scpi": scpi.explain,
    "tdt": tdt.explain,
    "ydt1363": ydt1363_dialects.explain,
}
"""What a frame of each protocol says; Modbus is held to the device's own map instead."""


def check_golden(device: DeviceType) -> list[str]:
    """What differs, one line each; empty when the map agrees with all its captures."""
    problems: list[str] = []
    for number, golden in enumerate(device.golden, start=1):
        problems += [f"{device.name}: golden {number} ({golden.source}): {text}" for text in _check(device, golden)]
    return problems


def parse_request(framing: Framing, frame: bytes) -> tuple[int, ModbusRequest]:
    """(transaction id, request) of a request frame. Raises ValueError when it is none."""
    if framing == "rtu":
        if len(frame) < 8 or not crc_ok(frame):
            raise ValueError("the request's checksum is wrong")
        return 0, _request(frame[0], frame[1:-2])
    if len(frame) < 12 or frame[2:4] != b"\0\0" or int.from_bytes(frame[4:6], "big") != len(frame) - 6:
        raise ValueError("the request's header is wrong")
    return int.from_bytes(frame[:2], "big"), _request(frame[6], frame[7:])


def _request(unit: int, pdu: bytes) -> ModbusRequest:
    function, address = pdu[0], int.from_bytes(pdu[1:3], "big")
    if function == WRITE_REGISTERS:
        return ModbusRequest(unit, function, address, int.from_bytes(pdu[3:5], "big"), pdu[6:])
    if function > 4:
        return ModbusRequest(unit, function, address, 1, pdu[3:5])
    return ModbusRequest(unit, function, address, int.from_bytes(pdu[3:5], "big"))


def _check(device: DeviceType, golden: Golden) -> list[str]:
    if golden.framing is None:
        return _check_frames(EXPLAIN[device.protocol], golden)
    return _check_modbus(device, golden, golden.framing)


def _check_frames(explain: Explain, golden: Golden) -> list[str]:
    """Request and reply, each on its own; the values are the reply's, or the request's where there is none."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    directions: tuple[tuple[Direction, bytes], ...] = (("request", golden.request), ("reply", golden.reply))
    for direction, frame in directions:
        if not frame:
            continue
        try:
            explained = explain(direction, frame)
        except DeviceError as exc:
            problems.append(f"{direction}: {exc}")
            continue
        values = explained.values
        if explained.again != frame:
            problems.append(f"the {direction} is encoded as {explained.again.hex()}")
    return problems + [
        f"{name} is {values.get(name)!r}, expected {expected!r}"
        for name, expected in golden.values.items()
        if not _same(values.get(name), expected)
    ]


def _check_modbus(device: DeviceType, golden: Golden, framing: Framing) -> list[str]:
    try:
        codec, request = _encoded(device, golden, framing)
    except ValueError as exc:
        return [str(exc)]
    try:
        answer = codec.decode(request, bytearray(golden.reply))
    except ModbusRefused as exc:
        if exc.code != golden.refused:
            return [f"refused with {exc.code}, expected {golden.refused}"]
        return []
    except DeviceError as exc:
        return [str(exc)]
    if answer is None:
        return ["the reply is not complete or its checksum is wrong"]
    if golden.refused is not None:
        return [f"not refused, expected exception {golden.refused}"]
    return _compare(device, golden, request, request.payload or answer)


def _encoded(device: DeviceType, golden: Golden, framing: Framing) -> tuple[ModbusCodec, ModbusRequest]:
    """The codec that has just sent the golden's request (one it could answer, when it has none)."""
    if not golden.request:
        # An exception reply names its function alone.
        codec = ModbusCodec(framing)
        request = ModbusRequest(golden.reply[0], golden.reply[1] & 0x7F, 0, 1, b"\0\0")
        codec.encode(request)
        return codec, request
    transaction, request = parse_request(framing, golden.request)
    if golden.block is not None:
        block = device.block(golden.block)
        if (block.address, block.count) != (request.address, request.count):
            raise ValueError(f"the request is not that of the block {block.name}")
    codec = ModbusCodec(
        framing,
        transaction=transaction - 1 if transaction else 0,
        reply_unit_offset=device.reply_unit_offset,
    )
    encoded = codec.encode(request)
    if encoded != golden.request:
        raise ValueError(f"the request is encoded as {encoded.hex()}")
    return codec, request


def _compare(device: DeviceType, golden: Golden, request: ModbusRequest, data: bytes) -> list[str]:
    if request.function in (READ_COILS, WRITE_COIL):
        return _compare_coils(device, golden, request, data)
    if not golden.values:
        return []
    layout = compile_layout(device, request.address, request.count, dict(golden.parameters))
    decoded = layout.decode(data)
    problems = [f"{name} is implausible" for name in decoded.implausible]
    for name, expected in golden.values.items():
        found = decoded.values.get(name)
        if not _same(found, expected):
            problems.append(f"{name} is {found!r}, expected {expected!r}")
    if _all_numbers(device, decoded.values) and layout.encode(decoded.values) != data:
        problems.append("the values do not encode to the same bytes again")
    return problems


def _compare_coils(device: DeviceType, golden: Golden, request: ModbusRequest, data: bytes) -> list[str]:
    """The coil that is written, or those that are read: the first in bit 0 of the first byte."""
    problems: list[str] = []
    for name, expected in golden.values.items():
        at = device.coils.get(name, -1) - request.address
        if not 0 <= at < request.count:
            problems.append(f"coil {name} is not in it")
        elif (on := bool(data[at // 8] >> at % 8 & 1)) is not expected:
            problems.append(f"coil {name} is {on}, expected {expected}")
    return problems


def _all_numbers(device: DeviceType, values: dict[str, Any]) -> bool:
    """Texts lose what follows their end, so only numbers must come back byte for byte."""
    return all(device.fields[name].type != "char" for name in values)


def _same(found: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        wanted = cast("list[Any]", expected)
        if isinstance(found, np.ndarray):
            return found.size == len(wanted) and np.allclose(cast("FloatArray", found), wanted)
        return isinstance(found, tuple) and list(cast("tuple[Any, ...]", found)) == wanted
    if isinstance(expected, bool | str) or found is None or isinstance(found, str):
        return found == expected
    return bool(np.isclose(found, expected, rtol=1e-9, atol=1e-12))
