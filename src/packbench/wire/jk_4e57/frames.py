"""JK BMS, the older "4E57" protocol (GPS/TTL port or RS-485, 115200 8N1): frames, both directions.

Owns the frame and the few requests a bench needs; the items inside are `jk_4e57_items`. Must not know a
driver's order of questions, nor the pauses the board needs.

A frame: 4E 57, length (two bytes, counts everything but the first two), terminal number, command, source,
type, items, record number, 68, two unused bytes, sum of every byte up to and including the 68. The sum is
weak: corrupted bytes of a loose wire got through it (syssi/esphome-jk-bms#247), so length and end mark are
held too, and a driver looks at what it gets. The board has no reply that says no, and its maker says that
this line cannot be written to (syssi/esphome-jk-bms, jk_modbus.cpp), against its own document: no driver does.

Sources: the vendor's protocol as translated in syssi/esphome-jk-bms docs; real captures there.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Any, Final

from packbench.core.errors import BadReply
from packbench.wire.checks import sum16
from packbench.wire.counters import LineCounters
from packbench.wire.explained import Direction, Explained
from packbench.wire.headed import Buffer, FrameShape, cut_frame
from packbench.wire.jk_4e57.items import ITEMS, JkConventions, JkTable, Raw, decode_table, encode_item

ACTIVATE: Final = 1
WRITE: Final = 2
READ: Final = 3
PASSWORD: Final = 5
READ_ALL: Final = 6

EVERYTHING: Final = b"\0"
"""In place of a code: every item."""

FROM_BMS: Final = 0
FROM_PC: Final = 3

REQUEST: Final = 0
REPLY: Final = 1
UNSOLICITED: Final = 2

MAX_FRAME: Final = 1024
"""Bytes; the whole table of a pack of 32 cells has 339."""

_COMMANDS: Final = {ACTIVATE: "activate", WRITE: "write", READ: "read", PASSWORD: "password", READ_ALL: "read all"}
_HEAD: Final = struct.Struct(">2sHIBBB")
_TAIL: Final = struct.Struct(">IBHH")
_END: Final = 0x68


@dataclass(frozen=True, slots=True)
class JkFrame:
    """One frame, either way."""

    command: int
    source: int
    kind: int
    """REQUEST, REPLY or UNSOLICITED."""
    data: bytes
    """Items; in a request for everything a single 0."""
    terminal: int = 0
    record: int = 0
    unused: int = 0
    """Where a CRC was meant to be; 0 in every capture."""

    def encode(self) -> bytes:
        """The bytes. Raises ValueError for a frame longer than MAX_FRAME."""
        size = _HEAD.size + len(self.data) + _TAIL.size
        if size > MAX_FRAME:
            raise ValueError(f"no frame has {size} bytes")
        head = _HEAD.pack(b"NW", size - 2, self.terminal, self.command, self.source, self.kind)
        body = head + self.data + struct.pack(">IB", self.record, _END)
        return body + struct.pack(">HH", self.unused, sum16(body))


@dataclass(frozen=True, slots=True)
class JkRequest:
    """One request. Make it with the functions below."""

    command: int
    data: bytes = EVERYTHING
    terminal: int = 0
    source: int = FROM_PC
    record: int = 0

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no harm: everything but writes and the password before them."""
        return self.command not in (WRITE, PASSWORD)

    @property
    def silent(self) -> bool:
        """Whether nobody waits for a reply: no source says that a board answers when it is woken."""
        return self.command == ACTIVATE

    def describe(self) -> str:
        """For people: what was asked."""
        name = _COMMANDS.get(self.command, f"command {self.command:02X}")
        item = ITEMS.get(self.data[0]) if self.data else None
        return f"{name} {item.name}" if item is not None and self.command in (READ, WRITE) else name


def activate() -> JkRequest:
    """Wake a board that sleeps."""
    return JkRequest(ACTIVATE)


def read_all() -> JkRequest:
    """Read every item; the answer is all of them."""
    return JkRequest(READ_ALL)


def read_item(code: int) -> JkRequest:
    """Read one item; the answer holds it, perhaps among others."""
    return JkRequest(READ, bytes((code,)))


def send_password(password: bytes) -> JkRequest:
    """The password (10 bytes at most), which must come before a write."""
    return JkRequest(PASSWORD, encode_item(0xB2, password)[1:])


def write_item(code: int, raw: Raw) -> JkRequest:
    """Write one item. Raises ValueError for an unknown or read-only one, or what it cannot hold."""
    if code not in ITEMS or not ITEMS[code].writable:
        raise ValueError(f"item {code:02X} cannot be written")
    return JkRequest(WRITE, encode_item(code, raw))


# ------------------------------------------------------------------- frames


def _size(buffer: Buffer, pos: int) -> int:
    if buffer[pos + 1] != 0x57:
        return 0
    size = 2 + (buffer[pos + 2] << 8 | buffer[pos + 3])
    return size if _HEAD.size + _TAIL.size <= size <= MAX_FRAME else 0


def _valid(frame: Buffer) -> bool:
    return frame[-5] == _END and sum16(frame[:-4]) == frame[-2] << 8 | frame[-1]


_SHAPE: Final = FrameShape(starts=re.compile(b"N"), header=4, size=_size, valid=_valid)


def decode_frame(frame: bytes) -> JkFrame:
    """Take a whole frame apart. Raises BadReply for bytes that are none."""
    if len(frame) < _HEAD.size + _TAIL.size or _size(frame, 0) != len(frame) or not _valid(frame) or frame[0] != 0x4E:
        raise BadReply(f"no 4E57 frame: {frame[:32].hex()}")
    _, _, terminal, command, source, kind = _HEAD.unpack_from(frame)
    record, _, unused, _ = _TAIL.unpack_from(frame, len(frame) - _TAIL.size)
    return JkFrame(command, source, kind, frame[_HEAD.size : -_TAIL.size], terminal, record, unused)


def take_frame(buffer: bytearray, counters: LineCounters) -> JkFrame | None:
    """The next valid frame, whatever it says; noise before it is dropped."""
    frame = cut_frame(buffer, _SHAPE, counters)
    return None if frame is None else decode_frame(frame)


def request_frame(request: JkRequest) -> bytes:
    """The bytes of a request."""
    return JkFrame(request.command, request.source, REQUEST, request.data, request.terminal, request.record).encode()


def reply_frame(request: JkRequest, data: bytes) -> bytes:
    """The bytes of the reply to a request."""
    return JkFrame(request.command, FROM_BMS, REPLY, data, request.terminal, request.record).encode()


def take_request(buffer: bytearray) -> JkRequest | None:
    """Take the next request out of what a device received; everything else is dropped."""
    counters = LineCounters()
    while (frame := take_frame(buffer, counters)) is not None:
        # Some programs send with the type of an upload.
        if frame.kind != REPLY and frame.source != FROM_BMS:
            return JkRequest(frame.command, frame.data, frame.terminal, frame.source, frame.record)
    return None


@dataclass(slots=True)
class JkCodec:
    """`transport.link.Codec` for 4E57. The answer is the items of the reply, as bytes; b"" where none is waited for."""

    counters: LineCounters = field(default_factory=LineCounters)

    def encode(self, request: JkRequest) -> bytes:
        """See `transport.link.Codec`."""
        return request_frame(request)

    def decode(self, request: JkRequest, buffer: bytearray) -> bytes | None:
        """See `transport.link.Codec`. Requests of others, unsolicited frames and other commands are dropped."""
        if request.silent:
            return b""
        while (frame := take_frame(buffer, self.counters)) is not None:
            if self._answers(request, frame):
                return frame.data
            self.counters.foreign_frames += 1
        return None

    def _answers(self, request: JkRequest, frame: JkFrame) -> bool:
        if frame.kind != REPLY or frame.command != request.command:
            return False
        if request.terminal and frame.terminal != request.terminal:
            return False
        if request.command != READ or request.data == EVERYTHING:
            return True
        # A late answer to another item has the same command. What cannot be read is left to the driver's check.
        try:
            table = decode_table(frame.data)
        except BadReply:
            return True
        return table.raw(request.data[0]) is not None or bool(table.rest)


# ------------------------------------------------------------------ meaning


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a frame says, and the frame again. Raises BadReply for bytes that are none."""
    decoded = decode_frame(frame)
    if (direction == "request") != (decoded.source != FROM_BMS):
        raise BadReply(f"no {direction}: its source is {decoded.source}")
    values: dict[str, Any] = {"command": _COMMANDS.get(decoded.command, f"{decoded.command:02X}")}
    if decoded.terminal:
        values["terminal"] = decoded.terminal
    data = decoded.data
    if direction == "reply" or decoded.command == WRITE:
        table: JkTable = decode_table(data)
        values |= table.values(JkConventions())
        if table.rest:
            values["unknown"] = table.rest.hex()
        data = table.encode()
    elif decoded.command == READ and data not in (b"", EVERYTHING):
        values["item"] = ITEMS[data[0]].name if data[0] in ITEMS else f"{data[0]:02X}"
    again = JkFrame(
        decoded.command, decoded.source, decoded.kind, data, decoded.terminal, decoded.record, decoded.unused
    )
    return Explained(values, again.encode())
