"""The Modbus side of a simulated device: frames in, frames out, for both framings.

Owns framing, CRC, unit filter, resynchronisation and exception replies. Must not know any register:
subclasses answer reads and writes. Requests are decoded and replies encoded by pymodbus's PDU classes
and framers, so that the two ends of a simulated wire do not share one hand-written codec.
Register data stay bytes: pymodbus's own encoder spends 25 us on 108 integers. Decoded reads are kept,
because a poller asks the same thing for hours.
"""

from __future__ import annotations

from typing import Final, Literal

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest, WriteSingleCoilResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from packbench.wire.modbus import MAX_BUFFER, MAX_MBAP_LENGTH, READ_COILS, crc_ok, rtu_frame
from packbench_sim.playing import Silent

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
ACCESS_DENIED: Final = 7

_FRAMER: Final = FramerSocket(DecodePDU(True))
_READS_KEPT: Final = 64
SPOKEN: Final = frozenset({1, 3, 4, 5, 6, 16})
"""Functions that a device of the usual kind knows."""


class Refuse(Exception):
    """Answer with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ModbusSlave:
    """Base of the simulated Modbus devices; implements `parts.WireDevice`.

    Args:
        framing: "mbap" or "rtu".
        units: Unit numbers it answers to.
        foreign_unit_exception: What a request to another unit gets: an exception code, or None for silence.
        inter_byte_ns: A longer pause inside an RTU frame drops what came before it.
        functions: Functions it knows; others are refused with exception 1.
        silent: A fault: while it returns True, nothing is answered and nothing takes effect.
    """

    def __init__(
        self,
        framing: Literal["mbap", "rtu"],
        units: frozenset[int],
        *,
        foreign_unit_exception: int | None = None,
        inter_byte_ns: int = 50_000_000,
        functions: frozenset[int] = SPOKEN,
        silent: Silent | None = None,
    ) -> None:
        self._functions = functions
        self._framing = framing
        self._units = units
        self._foreign_unit_exception = foreign_unit_exception
        self._inter_byte_ns = inter_byte_ns
        self.silent = silent
        self._decoder = DecodePDU(True)
        self._reads: dict[bytes, ModbusPDU] = {}
        self._buffer = bytearray()
        self._last_ns = 0

    # What a device is made of; each may raise Refuse.

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        """2 x count bytes."""
        raise Refuse(ILLEGAL_FUNCTION)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        """Take the words in `payload`."""
        raise Refuse(ILLEGAL_FUNCTION)

    def read_coil(self, t_ns: int, address: int) -> bytes:
        """The data bytes of a one-coil reply."""
        raise Refuse(ILLEGAL_FUNCTION)

    def read_coils(self, t_ns: int, address: int, count: int) -> bytes:
        """The data bytes of a reply with `count` coils, the first in bit 0; any count may have been asked for."""
        if count != 1:
            raise Refuse(ILLEGAL_VALUE)
        return self.read_coil(t_ns, address)

    def write_coil(self, t_ns: int, address: int, on: bool) -> None:
        """Take one coil."""
        raise Refuse(ILLEGAL_FUNCTION)

    def tick(self, t_ns: int) -> int | None:
        """No clockwork of its own unless a subclass has one."""
        return None

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        """`parts.WireDevice.on_bytes`: answers every whole request in what has come so far."""
        buffer = self._buffer
        if (
            not buffer
            and self._framing == "mbap"
            and len(data) == 12
            and data[2:6] == b"\0\0\0\6"
            and not (self.silent is not None and self.silent(t_ns))
        ):
            # The usual case: one whole request of the usual length, and nothing before it.
            self._last_ns = t_ns
            return self._serve(t_ns, data[0] << 8 | data[1], data[6], data[7:])
        if buffer and t_ns - self._last_ns > self._inter_byte_ns:
            buffer.clear()
        self._last_ns = t_ns
        buffer += data[-MAX_BUFFER:]
        if len(buffer) > MAX_BUFFER:
            del buffer[: len(buffer) - MAX_BUFFER]
        if self.silent is not None and self.silent(t_ns):
            buffer.clear()
            return b""
        replies = b""
        cut = self._cut_mbap if self._framing == "mbap" else self._cut_rtu
        while (found := cut()) is not None:
            replies += self._serve(t_ns, *found)
        return replies

    def _serve(self, t_ns: int, transaction: int, unit: int, pdu: bytes) -> bytes:
        if unit not in self._units:
            if self._foreign_unit_exception is None:
                return b""
            reply = _encoded(ExceptionResponse(pdu[0] & 0x7F, self._foreign_unit_exception))
        else:
            reply = self._reply(t_ns, pdu)
        return _FRAMER.encode(reply, unit, transaction) if self._framing == "mbap" else rtu_frame(unit, reply)

    def _reply(self, t_ns: int, pdu: bytes) -> bytes:
        function = pdu[0] & 0x7F
        try:
            request = self._reads.get(pdu)
            if request is not None:
                return _data_reply(pdu[0], self.read_registers(t_ns, request.address, request.count))
            if pdu[0] not in self._functions:
                raise Refuse(ILLEGAL_FUNCTION)
            if pdu[0] == READ_COILS and len(pdu) == 5:
                # pymodbus decodes no more than 2000 of them: what to say to that is the device's own affair.
                address, count = pdu[1] << 8 | pdu[2], pdu[3] << 8 | pdu[4]
                return _data_reply(READ_COILS, self.read_coils(t_ns, address, count))
            request = self._decoder.decode(pdu) if _well_formed(pdu) else None
            if request is None:
                raise Refuse(ILLEGAL_VALUE)
            if isinstance(request, ReadHoldingRegistersRequest):
                if len(self._reads) < _READS_KEPT:
                    self._reads[pdu] = request
                return _data_reply(pdu[0], self.read_registers(t_ns, request.address, request.count))
            return _encoded(self._write(t_ns, request, pdu))
        except Refuse as refusal:
            return _encoded(ExceptionResponse(function, refusal.code))

    def _write(self, t_ns: int, request: ModbusPDU, pdu: bytes) -> ModbusPDU:
        address = request.address
        match request:
            case WriteSingleRegisterRequest():
                self.write_registers(t_ns, address, pdu[3:5])
                return WriteSingleRegisterResponse(address=address, registers=request.registers)
            case WriteMultipleRegistersRequest():
                self.write_registers(t_ns, address, pdu[6:])
                return WriteMultipleRegistersResponse(address=address, count=request.count)
            case WriteSingleCoilRequest():
                self.write_coil(t_ns, address, bool(request.bits[0]))
                return WriteSingleCoilResponse(address=address, bits=request.bits)
            case _:
                raise Refuse(ILLEGAL_FUNCTION)

    # ----------------------------------------------------------- framing

    def _cut_mbap(self) -> tuple[int, int, bytes] | None:
        """(transaction, unit, PDU) of the next whole frame; a header that cannot be one is skipped."""
        buffer = self._buffer
        while len(buffer) >= 8:
            length = buffer[4] << 8 | buffer[5]
            if buffer[2] or buffer[3] or not 3 <= length <= MAX_MBAP_LENGTH:
                del buffer[0]
                continue
            if len(buffer) < 6 + length:
                return None
            transaction, unit, pdu = buffer[0] << 8 | buffer[1], buffer[6], bytes(buffer[7 : 6 + length])
            del buffer[: 6 + length]
            return transaction, unit, pdu
        return None

    def _cut_rtu(self) -> tuple[int, int, bytes] | None:
        """The next frame with a valid CRC, wherever it begins; noise before it is dropped."""
        buffer = self._buffer
        pos = 0
        waiting = -1
        while len(buffer) - pos >= 4:
            size = _rtu_request_size(buffer, pos)
            if size > len(buffer) - pos and buffer[pos] in self._units:
                waiting = pos if waiting < 0 else waiting
            elif 0 < size <= len(buffer) - pos and crc_ok(buffer[pos : pos + size]):
                unit, pdu = buffer[pos], bytes(buffer[pos + 1 : pos + size - 2])
                del buffer[: pos + size]
                return 0, unit, pdu
            pos += 1
        del buffer[: waiting if waiting >= 0 else max(len(buffer) - 3, 0)]
        return None


def _data_reply(function: int, payload: bytes) -> bytes:
    return bytes((function, len(payload))) + payload


def _encoded(reply: ModbusPDU) -> bytes:
    return reply.function_code.to_bytes(1, "big") + reply.encode()


def _rtu_request_size(buffer: bytearray, pos: int) -> int:
    """Length in bytes of the request that begins at `pos`; 0: none does. Needs 2 bytes."""
    function = buffer[pos + 1]
    if function in (15, 16):
        return 9 + buffer[pos + 6] if len(buffer) > pos + 6 else 9
    return 8 if 1 <= function <= 6 else 0


def _well_formed(pdu: bytes) -> bool:
    """Lengths and counts that pymodbus leaves to its own server."""
    if pdu[0] in (3, 4):
        return len(pdu) == 5 and 1 <= (pdu[3] << 8 | pdu[4]) <= 125
    if pdu[0] == 16:
        return len(pdu) >= 8 and pdu[5] == len(pdu) - 6 == 2 * (pdu[3] << 8 | pdu[4]) and pdu[5] <= 246
    if pdu[0] == 5:
        return len(pdu) == 5 and pdu[3:] in (b"\xff\x00", b"\x00\x00")
    return len(pdu) == 5
