"""Modbus frames, both framings, for `run/port.py`: what to send, and what of the received bytes is the answer.

Owns the checks that keep a wrong frame from being believed (unit, function, exact length, transaction
id, echo of a write, CRC), resynchronisation after noise, and the bounds of its buffer. Requests are built
by pymodbus (FramerSocket, FramerRTU and its PDU classes). Finding and checking a reply is ours: pymodbus's
RTU framer throws a whole buffer away on one bad CRC, its socket framer never gets past a bad header, and
its list of 108 Python integers costs more than the rest of an exchange; data stay bytes until a register
map decodes them. Must not do I/O, wait, or retry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from packbench.core.errors import BadReply, DeviceRefused
from packbench.wire.counters import LineCounters

Framing = Literal["mbap", "rtu"]

READ_COILS: Final = 1
READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_COIL: Final = 5
WRITE_REGISTER: Final = 6
WRITE_REGISTERS: Final = 16

MAX_COILS: Final = 2000
MAX_RTU_FRAME: Final = 256
MAX_MBAP_LENGTH: Final = 254
MAX_BUFFER: Final = 1024
"""Bytes kept between two calls at the very most."""

EXCEPTION_NAMES: Final = {
    1: "function not supported",
    2: "no such address",
    3: "illegal value or length",
    4: "device failure",
    5: "acknowledged, not done yet",
    6: "busy",
    7: "access denied",
    10: "gateway has no path",
    11: "gateway got no answer",
    0x17: "device is in local control",
}


class ModbusRefused(DeviceRefused):
    """The device's own exception reply; `code` is its exception code."""

    def __init__(self, request: ModbusRequest, code: int) -> None:
        name = EXCEPTION_NAMES.get(code, "no name known")
        super().__init__(f"{request.describe()}: refused with exception {code} ({name})")
        self.code = code


@dataclass(frozen=True, slots=True)
class ModbusRequest:
    """One request. Make it with the functions below, once where it repeats: its bytes are cached."""

    unit: int
    function: int
    address: int
    count: int
    """Registers or coils; 1 for the single writes."""
    payload: bytes = b""
    """What is written, big-endian words; empty for reads. A coil is FF00 or 0000."""

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no harm: reads alone (every write is the driver's decision)."""
        return self.function <= READ_INPUT

    def describe(self) -> str:
        """For people: what was asked of which unit."""
        verb = {1: "read coil", 3: "read", 4: "read input", 5: "write coil", 6: "write", 16: "write"}
        what = f"{verb.get(self.function, f'function {self.function}')} {self.address}"
        return f"unit {self.unit}: {what}" + (f"+{self.count}" if self.count > 1 else "")


def read_registers(unit: int, address: int, count: int, function: int = READ_HOLDING) -> ModbusRequest:
    """Read `count` (1..125) registers; the answer is their bytes."""
    if not 1 <= count <= 125 or function not in (READ_HOLDING, READ_INPUT):
        raise ValueError(f"function {function} cannot read {count} registers")
    return ModbusRequest(unit, function, address, count)


def read_coil(unit: int, address: int) -> ModbusRequest:
    """Read one coil; the answer is its data bytes, of which bit 0 is the state."""
    return read_coils(unit, address, 1)


def read_coils(unit: int, address: int, count: int) -> ModbusRequest:
    """Read `count` (1..2000) coils; the answer is their bytes, the first coil in bit 0 of the first."""
    if not 1 <= count <= MAX_COILS:
        raise ValueError(f"cannot read {count} coils")
    return ModbusRequest(unit, READ_COILS, address, count)


def write_coil(unit: int, address: int, on: bool) -> ModbusRequest:
    """Write one coil; the answer is empty."""
    return ModbusRequest(unit, WRITE_COIL, address, 1, b"\xff\x00" if on else b"\x00\x00")


def write_register(unit: int, address: int, value: int) -> ModbusRequest:
    """Write one register (0..65535); the answer is empty."""
    return ModbusRequest(unit, WRITE_REGISTER, address, 1, value.to_bytes(2, "big"))


def write_registers(unit: int, address: int, payload: bytes) -> ModbusRequest:
    """Write 1..123 registers in one frame; the answer is empty."""
    if len(payload) % 2 or not 2 <= len(payload) <= 246:
        raise ValueError(f"cannot write {len(payload)} bytes")
    return ModbusRequest(unit, WRITE_REGISTERS, address, len(payload) // 2, payload)


def _crc_tables(length: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint16]]:
    """Contribution of a byte to the CRC when `row` further bytes follow it (the CRC is linear)."""
    tables = np.zeros((length, 256), dtype=np.uint16)
    step = np.array(FramerRTU.crc16_table, dtype=np.uint16)
    tables[0] = step
    for row in range(1, length):
        previous = tables[row - 1]
        tables[row] = (previous >> 8) ^ step[previous & 0xFF]
    return tables


_STEP: Final = tuple(FramerRTU.crc16_table)
_TABLES: Final = _crc_tables(MAX_RTU_FRAME)
_ROWS: Final = np.arange(MAX_RTU_FRAME - 1, -1, -1)
_FOLD_FROM: Final = 64
"""Frames from this length on are folded by numpy: a Python loop over 221 bytes costs 15 us."""


def crc16(data: bytes | bytearray) -> int:
    """CRC-16/Modbus as the integer whose low byte goes first on the wire.

    The same as pymodbus's `FramerRTU.compute_CRC` with its bytes swapped.
    """
    size = len(data)
    if _FOLD_FROM <= size <= MAX_RTU_FRAME:
        terms = _TABLES[_ROWS[MAX_RTU_FRAME - size :], np.frombuffer(data, dtype=np.uint8)]
        return int(np.bitwise_xor.reduce(terms)) ^ _START[size]
    return _crc_loop(data)


def _crc_loop(data: bytes | bytearray) -> int:
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _STEP[(crc ^ byte) & 0xFF]
    return crc


_START: Final = tuple(_crc_loop(bytes(size)) for size in range(MAX_RTU_FRAME + 1))
"""What the start value FFFF alone contributes to the CRC of so many bytes."""


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """Unit, PDU, CRC."""
    body = unit.to_bytes(1, "big") + pdu
    return body + crc16(body).to_bytes(2, "little")


def crc_ok(frame: bytes | bytearray) -> bool:
    """Whether the last two bytes are the CRC of those before."""
    return crc16(frame[:-2]) == frame[-2] | frame[-1] << 8


_FRAMERS: Final = {"mbap": FramerSocket(DecodePDU(False)), "rtu": FramerRTU(DecodePDU(False))}


class _AnyCoilsRequest(ReadCoilsRequest):
    """Any number of coils: a captured request of a master that asks for too many comes back as it was."""

    MAX_COUNT = 0xFFFF


def _to_pymodbus(request: ModbusRequest) -> ModbusPDU:
    words = [int.from_bytes(request.payload[i : i + 2], "big") for i in range(0, len(request.payload), 2)]
    unit, address = request.unit, request.address
    match request.function:
        case 1:
            return _AnyCoilsRequest(dev_id=unit, address=address, count=request.count)
        case 3:
            return ReadHoldingRegistersRequest(dev_id=unit, address=address, count=request.count)
        case 4:
            return ReadInputRegistersRequest(dev_id=unit, address=address, count=request.count)
        case 5:
            return WriteSingleCoilRequest(dev_id=unit, address=address, bits=[words[0] != 0])
        case 6:
            return WriteSingleRegisterRequest(dev_id=unit, address=address, registers=words)
        case 16:
            return WriteMultipleRegistersRequest(dev_id=unit, address=address, registers=words)
        case other:
            raise ValueError(f"function {other} is not spoken here")


@dataclass(slots=True)
class ModbusCodec:
    """`transport.link.Codec` for Modbus: "mbap" (TCP port 502) or "rtu" (serial lines, RTU over TCP)."""

    framing: Framing
    counters: LineCounters = field(default_factory=LineCounters)
    transaction: int = 0
    """The last transaction id used."""
    reply_unit_offset: int = 0
    """A device that is asked under one unit and answers under another (Daly: asked 0x81, answers 0x51)."""
    _cache: dict[ModbusRequest, tuple[bytes, bytes]] = field(
        default_factory=dict[ModbusRequest, tuple[bytes, bytes]], init=False
    )
    """Request to its frame and to how a whole reply to it begins."""
    _sent: bytes = field(default=b"", init=False)
    _head: bytes = field(default=b"", init=False)

    @property
    def has_transaction_id(self) -> bool:
        """Whether a late reply can be told from the next one by an id (RTU cannot)."""
        return self.framing == "mbap"

    def encode(self, request: ModbusRequest) -> bytes:
        """The bytes of one request; MBAP gets the next transaction id (1..65535)."""
        found = self._cache.get(request)
        if found is None:
            found = _FRAMERS[self.framing].buildFrame(_to_pymodbus(request)), self._reply_head(request)
            if len(self._cache) < 256:
                self._cache[request] = found
        frame, head = found
        if self.framing == "mbap":
            self.transaction = self.transaction % 0xFFFF + 1
            number = self.transaction.to_bytes(2, "big")
            frame, head = number + frame[2:], number + head
        self._sent, self._head = frame, head
        return frame

    def decode(self, request: ModbusRequest, buffer: bytearray) -> bytes | None:
        """Take the answer to `request` from `buffer`; see `transport.link.Codec`.

        Register reads answer with 2 x count bytes, coil reads with their data bytes, writes with b"".
        """
        head = self._head
        if buffer.startswith(head) and request.function in (READ_HOLDING, READ_INPUT):
            # The usual case: one whole reply and nothing else. The head holds all that the long way checks.
            size = len(head) + 2 * request.count
            if self.framing == "mbap":
                if len(buffer) == size:
                    data = bytes(buffer[len(head) :])
                    buffer.clear()
                    return data
            elif len(buffer) == size + 2 and crc_ok(buffer):
                data = bytes(buffer[len(head) : -2])
                buffer.clear()
                return data
        pdu = self._cut_mbap(request, buffer) if self.framing == "mbap" else self._cut_rtu(request, buffer)
        return None if pdu is None else self._answer(request, pdu)

    def _reply_head(self, request: ModbusRequest) -> bytes:
        """How the whole reply to a register read begins, behind MBAP's transaction id; of no use for others."""
        size = 2 * request.count & 0xFF
        head = bytes((request.unit + self.reply_unit_offset & 0xFF, request.function, size))
        return b"\0\0" + (size + 3).to_bytes(2, "big") + head if self.framing == "mbap" else head

    def _answer(self, request: ModbusRequest, pdu: bytes) -> bytes:
        """Check a PDU that is addressed to us against what was asked."""
        function = request.function
        got = pdu[0]
        if got == function | 0x80 and len(pdu) == 2:
            raise ModbusRefused(request, pdu[1])
        if got != function:
            raise BadReply(f"{request.describe()}: answered with function {got}, {len(pdu)} bytes")
        if function in (READ_HOLDING, READ_INPUT):
            payload = pdu[2:]
            if len(payload) != 2 * request.count or pdu[1] != len(payload):
                raise BadReply(
                    f"{request.describe()}: {len(payload)} data bytes (count byte {pdu[1]}), "
                    f"expected {2 * request.count}"
                )
            return payload
        if function == READ_COILS:
            size = (request.count + 7) // 8
            # Of one coil also the two bytes FF00/0000 of an EA device in its limited mode.
            if pdu[1] != len(pdu) - 2 or not (pdu[1] == size or (request.count == 1 and pdu[1] == 2)):
                raise BadReply(f"{request.describe()}: {len(pdu) - 2} data bytes, expected {size}")
            return pdu[2:]
        start = 7 if self.framing == "mbap" else 1
        if pdu != self._sent[start : start + 5]:
            raise BadReply(f"{request.describe()}: the echo {pdu.hex()} is not what was written")
        return b""

    # ------------------------------------------------------------------ MBAP

    def _cut_mbap(self, request: ModbusRequest, buffer: bytearray) -> bytes | None:
        """The PDU of the frame with our transaction id; others are dropped and counted."""
        while len(buffer) >= 8:
            length = buffer[4] << 8 | buffer[5]
            if buffer[2] or buffer[3] or not 3 <= length <= MAX_MBAP_LENGTH:
                if not self._skip_to_header(buffer):
                    return None
                continue
            end = 6 + length
            if len(buffer) < end:
                # A header made of noise must not swallow the reply behind it.
                if not buffer.startswith(self._sent[:2]) and self._skip_to_header(buffer):
                    continue
                return None
            if not buffer.startswith(self._sent[:2]):
                self.counters.foreign_frames += 1
                del buffer[:end]
                continue
            unit, pdu = buffer[6], bytes(buffer[7:end])
            del buffer[:end]
            if unit != request.unit + self.reply_unit_offset:
                raise BadReply(f"{request.describe()}: answered by unit {unit}")
            return pdu
        return None

    def _skip_to_header(self, buffer: bytearray) -> bool:
        """Drop bytes up to the next place where our own header could begin; False: not there yet."""
        at = buffer.find(self._sent[:4], 1)
        if at < 0:
            drop = max(len(buffer) - MAX_RTU_FRAME, 0)
            if buffer[2] or buffer[3]:
                drop = max(len(buffer) - 3, drop)
            self.counters.noise_bytes += drop
            del buffer[:drop]
            return False
        self.counters.noise_bytes += at
        del buffer[:at]
        return True

    # ------------------------------------------------------------------- RTU

    def _cut_rtu(self, request: ModbusRequest, buffer: bytearray) -> bytes | None:
        """The PDU of the first valid frame from our unit that carries our function.

        Every position is tried: noise that looks like a header must not hide the reply behind it.
        """
        pos = 0
        waiting = -1
        unit = request.unit + self.reply_unit_offset
        while len(buffer) - pos >= 2:
            ours = buffer[pos] == unit and buffer[pos + 1] & 0x7F == request.function
            size = rtu_reply_size(buffer, pos)
            if size == 0 or (size > len(buffer) - pos and not ours):
                pos += 1
                continue
            if size > len(buffer) - pos:
                waiting = pos if waiting < 0 else waiting
                pos += 1
                continue
            frame = bytes(buffer[pos : pos + size])
            if not crc_ok(frame):
                self.counters.crc_errors += ours and waiting < 0
                pos += 1
                continue
            self.counters.noise_bytes += pos
            del buffer[: pos + size]
            if ours:
                return frame[1:-2]
            self.counters.foreign_frames += 1
            pos, waiting = 0, -1
        # Nothing yet: keep what may be the beginning of the answer, drop what cannot be.
        keep_from = waiting if waiting >= 0 else max(len(buffer) - 1, 0)
        self.counters.noise_bytes += keep_from
        del buffer[:keep_from]
        return None


def rtu_reply_size(buffer: bytes | bytearray, pos: int) -> int:
    """Length in bytes of the RTU reply that begins at `pos`; 0: no reply begins so. Needs 2 bytes."""
    function = buffer[pos + 1]
    if function & 0x80:
        return 5
    if function in (READ_COILS, 2, READ_HOLDING, READ_INPUT):
        # Until the count byte is there, the shortest reply is assumed to be on its way.
        return 5 + buffer[pos + 2] if len(buffer) > pos + 2 else 6
    if function in (WRITE_COIL, WRITE_REGISTER, 15, WRITE_REGISTERS):
        return 8
    return 0
