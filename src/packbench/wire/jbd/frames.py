"""JBD (Jiabaida, Xiaoxiang, Overkill Solar): frames and payloads of its serial protocol, both directions.

Owns the frame (head DD, register, length, data, complement sum, tail 77), the few messages a bench needs and
the habits of the boards. Must not know a driver's order of questions. The line is point to point at 9600 8N1:
there is no address, so an answer is known by its register alone.

What has to be known about the frames:

- A reply's checksum covers its status byte, a request's its register: the same positions in both. So a
  request that an adapter echoes is a valid frame of this protocol, and must not be taken for an answer.
- The register of a reply stands outside its checksum.
- Some boards put A5 where the register belongs (simat/BatteryMonitor#12). Such an answer is known by its
  shape alone; `JbdCodec.reply_header` says whether it is taken.

Sources: JBD General Protocol V4; captures in syssi/esphome-jbd-bms docs/pdus; simat/BatteryMonitor#12.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from packbench.core.errors import BadReply, DeviceRefused
from packbench.wire.checks import negated_sum16
from packbench.wire.counters import LineCounters
from packbench.wire.explained import Direction, Explained
from packbench.wire.headed import Buffer, FrameShape, cut_frame
from packbench.wire.jbd.data import (
    Explainable,
    decode_basic,
    decode_cells,
    decode_counts,
    decode_model,
    decode_word,
)

READ: Final = 0xA5
WRITE: Final = 0x5A
OK: Final = 0x00
REFUSED: Final = 0x80

FACTORY_ENTER: Final = 0x00
FACTORY_LEAVE: Final = 0x01
BASIC: Final = 0x03
CELLS: Final = 0x04
MODEL: Final = 0x05
USE_PASSWORD: Final = 0x06
DESIGN_CAPACITY: Final = 0x10
CHARGE_OVER_CURRENT: Final = 0x28
DISCHARGE_OVER_CURRENT: Final = 0x29
FUNCTIONS: Final = 0x2D
TEXTS: Final = (0xA0, 0xA1, 0xA2)
"""Maker, device name, bar code: a length byte, then text."""
ERROR_COUNTS: Final = 0xAA
REMAINING: Final = 0xE0
FETS: Final = 0xE1
BALANCE_TEST: Final = 0xE2

EEPROM: Final = frozenset((*range(0x10, 0x47), *TEXTS))
"""What can be read and written in factory mode alone."""

FACTORY_KEY: Final = b"\x56\x78"
LEAVE_SAVING: Final = b"\x28\x28"
LEAVE_DISCARDING: Final = b"\x00\x00"

ReplyHeader = Literal["register", "request", "either"]
REPLY_HEADERS: Final[tuple[ReplyHeader, ...]] = ("register", "request", "either")

_NAMES: Final = {
    FACTORY_ENTER: "enter factory mode",
    FACTORY_LEAVE: "leave factory mode",
    BASIC: "basic information",
    CELLS: "cell voltages",
    MODEL: "model",
    USE_PASSWORD: "password",
    ERROR_COUNTS: "error counters",
    REMAINING: "remaining capacity",
    FETS: "MOS control",
    BALANCE_TEST: "balance test",
}


class JbdRefused(DeviceRefused):
    """The device's own error reply; `status` is its status byte (80 in the document)."""

    def __init__(self, request: JbdRequest, status: int) -> None:
        super().__init__(f"{request.describe()}: refused with status {status:02X}")
        self.status = status


@dataclass(frozen=True, slots=True)
class JbdRequest:
    """One request. Make it with the functions below."""

    register: int
    write: bool = False
    data: bytes = b""

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no harm: reads alone."""
        return not self.write

    def describe(self) -> str:
        """For people: what was asked."""
        name = _NAMES.get(self.register, f"register {self.register:02X}")
        return f"{'write' if self.write else 'read'} {name}"


def read_register(register: int) -> JbdRequest:
    """Read a register; the answer is its data."""
    return JbdRequest(register)


def write_register(register: int, data: bytes) -> JbdRequest:
    """Write a register (0 to 255 bytes); the answer is empty."""
    return JbdRequest(register, True, data)


def enter_factory() -> JbdRequest:
    """Open the EEPROM registers."""
    return JbdRequest(FACTORY_ENTER, True, FACTORY_KEY)


def leave_factory(*, save: bool) -> JbdRequest:
    """Close the EEPROM registers; what was written is kept or forgotten."""
    return JbdRequest(FACTORY_LEAVE, True, LEAVE_SAVING if save else LEAVE_DISCARDING)


def set_fets(*, charge: bool, discharge: bool) -> JbdRequest:
    """Switch the charge and discharge MOSFETs. Absolute: both are set."""
    return JbdRequest(FETS, True, bytes((0, (not charge) | (not discharge) << 1)))


def fets_of(data: bytes) -> tuple[bool, bool]:
    """(charge on, discharge on) that a MOS control request asks for. Raises BadReply for another length."""
    if len(data) != 2:
        raise BadReply(f"MOS control with {len(data)} bytes, expected 2")
    return not data[1] & 1, not data[1] & 2


# ------------------------------------------------------------------- frames


def _frame(first: int, second: int, data: bytes) -> bytes:
    body = bytes((second, len(data))) + data
    return bytes((0xDD, first)) + body + struct.pack(">HB", negated_sum16(body), 0x77)


def _valid(frame: Buffer) -> bool:
    return frame[-1] == 0x77 and negated_sum16(frame[2:-3]) == frame[-3] << 8 | frame[-2]


_SHAPE: Final = FrameShape(
    starts=re.compile(rb"\xdd"),
    header=4,
    size=lambda buffer, pos: 7 + buffer[pos + 3],
    valid=_valid,
)


def request_frame(request: JbdRequest) -> bytes:
    """The bytes of a request. Raises ValueError when its data are longer than 255 bytes."""
    return _frame(WRITE if request.write else READ, request.register, request.data)


def reply_frame(register: int, data: bytes = b"", *, status: int = OK, header: int | None = None) -> bytes:
    """The bytes of a reply; `header` is what stands in the register's place (A5 on some boards)."""
    return _frame(register if header is None else header, status, data)


def take_request(buffer: bytearray) -> JbdRequest | None:
    """Take the next request out of what a device received; replies of others and noise are dropped."""
    counters = LineCounters()
    while (frame := cut_frame(buffer, _SHAPE, counters)) is not None:
        if frame[1] in (READ, WRITE):
            return JbdRequest(frame[2], frame[1] == WRITE, frame[4:-3])
    return None


@dataclass(slots=True)
class JbdCodec:
    """`transport.link.Codec` for JBD. The answer is the data of the reply; writes answer with b"".

    `reply_header`: what must stand in a reply's register place. "register": the register. "request": A5.
    "either" (default): both, since nothing but the board's age tells, and a board never mixes them.
    """

    reply_header: ReplyHeader = "either"
    counters: LineCounters = field(default_factory=LineCounters)

    def encode(self, request: JbdRequest) -> bytes:
        """See `transport.link.Codec`."""
        return request_frame(request)

    def decode(self, request: JbdRequest, buffer: bytearray) -> bytes | None:
        """See `transport.link.Codec`. Raises JbdRefused; frames that answer something else are dropped."""
        while (frame := cut_frame(buffer, _SHAPE, self.counters)) is not None:
            if not self._answers(request, frame):
                self.counters.foreign_frames += 1
                continue
            if frame[2] != OK:
                raise JbdRefused(request, frame[2])
            return frame[4:-3]
        return None

    def _answers(self, request: JbdRequest, frame: bytes) -> bool:
        if self.reply_header != "request" and frame[1] == request.register:
            return True
        if self.reply_header == "register" or frame[1] != READ:
            return False
        # An echoed read has its register where the status belongs: no board's status.
        status, data = frame[2], frame[4:-3]
        if status == REFUSED:
            return not data
        return status == OK and (not data if request.write else _fits(request.register, data))


def _fits(register: int, data: bytes) -> bool:
    """Whether data without a register look like those of `register`."""
    if register not in _READABLE:
        return bool(data)
    try:
        _READABLE[register](data)
    except BadReply:
        return False
    return True


# ------------------------------------------------------------------ meaning

_READABLE: Final = {
    BASIC: decode_basic,
    CELLS: decode_cells,
    MODEL: decode_model,
    ERROR_COUNTS: decode_counts,
}


def _message(register: int, data: bytes) -> Explainable:
    decode = _READABLE.get(register)
    return decode_word(data) if decode is None else decode(data)


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a frame says, and the frame again. Raises BadReply for bytes that are none."""
    if len(frame) < 7 or len(frame) != 7 + frame[3] or frame[0] != 0xDD or not _valid(frame):
        raise BadReply(f"no JBD frame: {frame[:32].hex()}")
    return _explain_request(frame) if direction == "request" else _explain_reply(frame)


def _explain_request(frame: bytes) -> Explained:
    request = take_request(bytearray(frame))
    if request is None:
        raise BadReply(f"neither read nor write: {frame[1]:02X}")
    values: dict[str, Any] = {
        "operation": "write" if request.write else "read",
        "register": request.register,
        "asked": request.describe(),
    }
    if request.write and request.register == FETS:
        charge, discharge = fets_of(request.data)
        values |= {"charging_allowed": charge, "discharging_allowed": discharge}
        made = set_fets(charge=charge, discharge=discharge)
        # Bits without a meaning stay as they came.
        request = made if made.data == request.data else request
    elif request.data:
        values["data"] = request.data.hex()
    return Explained(values, request_frame(request))


def _explain_reply(frame: bytes) -> Explained:
    register, status, data = frame[1], frame[2], frame[4:-3]
    header = None
    values: dict[str, Any] = {"register": register}
    if register == READ and status in (OK, REFUSED):
        header = READ
        values = {"register": None}
        register = next((known for known in (BASIC, CELLS, MODEL) if _fits(known, data)), READ)
    if status != OK:
        return Explained({**values, "refused": status}, reply_frame(register, data, status=status, header=header))
    if not data:
        return Explained({**values, "acknowledged": True}, reply_frame(register, header=header))
    message = _message(register, data)
    return Explained({**values, **message.values()}, reply_frame(register, message.encode(), header=header))
