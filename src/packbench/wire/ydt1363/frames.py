"""YD/T 1363.3 frames in ASCII, both sides: the line that Pylontech, Seplos V2 and PACE speak.

    ~ VER ADR CID1 CID2 LENGTH INFO CHKSUM CR      CID2 of a request; its reply has a return code (RTN) there

Owns the frame, its two checksums, the return codes and the search for the answer in what was received.
What INFO means is each dialect's module (`pylontech`, `seplos_v2`, `pace`), which describes its commands in
a `Dialect`. Must not wait, retry or do I/O.

Why a dialect tells the shape of every answer: a reply repeats neither CID2 nor anything else of the request
but ADR, and no frame is numbered. The late answer to another command is told from the right one by its
address and by what it is made of, or not at all.

Sources: PYLON low voltage RS485 protocol V3.3 (2018-08-21) section 3, SEPLOS BMS communication protocol V2.0
sections II and III (both print `~1203400456ABCEFEFC72` as an example; its checksum is FC71).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from packbench.core.errors import BadReply, DeviceRefused
from packbench.wire.counters import LineCounters
from packbench.wire.explained import Direction, Explained
from packbench.wire.ydt1363.info import Message

LIFEPO4: Final = 0x46
"""CID1 of a lithium iron phosphate battery; the only one that the three documents know."""
MAX_INFO: Final = 0xFFF
"""Characters of INFO: LENID has 12 bits."""
MAX_FRAME: Final = 1 + 12 + MAX_INFO + 4 + 1

ASK_VERSION: Final = 0x4F
"""CID2 that every dialect with versions answers, whatever VER the request has."""

OK: Final = 0x00
BAD_VERSION: Final = 0x01
BAD_CHECKSUM: Final = 0x02
BAD_LENGTH: Final = 0x03
BAD_COMMAND: Final = 0x04
BAD_FORMAT: Final = 0x05
BAD_DATA: Final = 0x06
BAD_ADDRESS: Final = 0x90
BAD_DEVICE: Final = 0xE1

RETURN_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        OK: "normal",
        BAD_VERSION: "version not spoken",
        BAD_CHECKSUM: "CHKSUM wrong",
        BAD_LENGTH: "LCHKSUM wrong",
        BAD_COMMAND: "command (CID2) not known",
        BAD_FORMAT: "command format wrong",
        BAD_DATA: "invalid data",
        0x07: "no data",
        0x09: "operation or write failed",
        BAD_ADDRESS: "address wrong",
        0x91: "communication between packs failed",
        BAD_DEVICE: "device type (CID1) not known",
        0xE2: "execution failed",
        0xE3: "device fault",
        0xE4: "not permitted",
    }
)
"""Of all dialects together: 90 and 91 are Pylontech's, 07 and E2 to E4 Seplos's, 09 was seen on PACE."""

# Written in capitals here; the PyPI package `pylontech` sends small letters in INFO, and its CHKSUM counts them so.
_FRAME: Final = re.compile(rb"~([0-9A-Fa-f]{16,%d})\r" % (MAX_FRAME - 2))
_BEGUN: Final = re.compile(rb"~[0-9A-Fa-f]{0,%d}\Z" % (MAX_FRAME - 2))


class YdtRefused(DeviceRefused):
    """The device's own error reply; `code` is its return code (RTN)."""

    def __init__(self, request: YdtRequest, code: int) -> None:
        super().__init__(f"{request.describe()}: refused with RTN {code:02X} ({RETURN_CODES[code]})")
        self.code = code


class YdtReply(NamedTuple):
    """The answer to a request."""

    version: int
    """VER as the device wrote it: 0x21 is V2.1. All there is to the answer to 4F."""
    info: bytes
    """INFO, two characters a byte."""


def _any_message(_request: YdtRequest, _message: Message) -> bool:
    """An answer that repeats nothing of its request."""
    return True


@dataclass(frozen=True, slots=True)
class Command:
    """One CID2 of a dialect."""

    name: str
    decode: Callable[[bytes], Message]
    """INFO of the answer to its message; BadReply for bytes that are none."""
    repeats: Callable[[YdtRequest, Message], bool] = _any_message
    """Whether what an answer repeats of its request (pack numbers) is what this request had."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one family of devices says on this line."""

    name: str
    version: int
    """VER of its requests."""
    commands: Mapping[int, Command]
    """By CID2. All of them read: none changes anything in the device."""


UNKNOWN: Final = Dialect("YD/T 1363", 0x20, MappingProxyType({}))
"""Nothing known: any answer fits."""


@dataclass(frozen=True, slots=True)
class YdtRequest:
    """One request. Make it with the functions of a dialect's module."""

    version: int
    address: int
    command: int
    """CID2."""
    info: bytes = b""
    device: int = LIFEPO4
    """CID1."""
    dialect: Dialect = field(default=UNKNOWN, compare=False, repr=False)

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no harm: what the dialect knows only reads."""
        return self.command in self.dialect.commands

    def describe(self) -> str:
        """For people: what was asked of which address."""
        known = self.dialect.commands.get(self.command)
        what = f"command {self.command:02X}" if known is None else known.name
        return f"{self.dialect.name} address {self.address:02X}: {what}" + (
            f" of {self.info.hex().upper()}" if self.info else ""
        )

    def accepts(self, info: bytes) -> bool:
        """Whether `info` can be the answer."""
        known = self.dialect.commands.get(self.command)
        return known is None or self._fits(known, info)

    def fits_another(self, info: bytes) -> bool:
        """Whether `info` is what another command of the dialect is answered with."""
        return any(
            self._fits(known, info) for command, known in self.dialect.commands.items() if command != self.command
        )

    def _fits(self, command: Command, info: bytes) -> bool:
        try:
            message = command.decode(info)
        except BadReply:
            return False
        return command.repeats(self, message)


# ----------------------------------------------------------------------------- frames


def length_field(characters: int) -> int:
    """LENGTH for so many characters of INFO (0..4095): LCHKSUM in the upper nibble, LENID below."""
    if not 0 <= characters <= MAX_INFO:
        raise ValueError(f"INFO cannot hold {characters} characters")
    nibbles = (characters & 0xF) + (characters >> 4 & 0xF) + (characters >> 8)
    return (-nibbles & 0xF) << 12 | characters


def checksum(text: bytes) -> int:
    """CHKSUM: the two's complement of the sum of all characters between ~ and CHKSUM, modulo 65536."""
    return -sum(text) & 0xFFFF


def _frame(version: int, address: int, device: int, code: int, info: bytes) -> bytes:
    header = bytes((version, address, device, code)) + length_field(2 * len(info)).to_bytes(2, "big")
    text = (header + info).hex().upper().encode()
    return b"~%b%04X\r" % (text, checksum(text))


def request_frame(request: YdtRequest) -> bytes:
    """The bytes of a request. Raises ValueError for what its fields cannot hold."""
    return _frame(request.version, request.address, request.device, request.command, request.info)


def reply_frame(version: int, address: int, info: bytes = b"", code: int = OK, device: int = LIFEPO4) -> bytes:
    """The bytes of a reply; an error reply has a `code` and no INFO."""
    return _frame(version, address, device, code, info)


class Frame(NamedTuple):
    """A frame taken apart; both directions look alike."""

    version: int
    address: int
    device: int
    code: int
    """CID2 or RTN."""
    info: bytes
    fault: int = OK
    """The return code a device owes for it: BAD_CHECKSUM, BAD_LENGTH or BAD_FORMAT. INFO is empty then."""


def take_apart(frame: bytes, *, lenient_length: bool = False) -> Frame:
    """A frame's parts, with what is wrong with it. `frame`: whole, `~` to CR, hexadecimal digits between.

    Args:
        frame: What `_FRAME` matches: at least 16 digits.
        lenient_length: Take a LENGTH of five digits too, as python-pylontech and dbus-serialbattery write it
            when the nibbles of LENID add up to a multiple of 16 (their LCHKSUM becomes 16).

    Raises BadReply for bytes that are no such frame at all.
    """
    if _FRAME.fullmatch(frame) is None:
        raise BadReply(f"no YD/T 1363 frame: {frame[:40]!r}")
    text = frame[1:-5]
    version, address, device, code = bytes.fromhex(text[:8].decode())
    fault = OK
    info = text[12:]
    length = int(text[8:12], 16)
    if checksum(text) != int(frame[-5:-1], 16):
        fault = BAD_CHECKSUM
    elif length_field(len(info)) != length:
        if lenient_length and info and text[8:10] == b"10" and length_field(len(info) - 1) == int(text[10:13], 16):
            info = info[1:]
        else:
            fault = BAD_LENGTH
    if fault == OK and len(info) % 2:
        fault = BAD_FORMAT
    return Frame(version, address, device, code, b"" if fault else bytes.fromhex(info.decode()), fault)


def _cut_frame(buffer: bytearray) -> tuple[bytes | None, int]:
    """The first whole frame, removed with all before it, and how many bytes of noise were in front.

    Without a frame only what may be the beginning of one is kept. A frame cannot hide in noise: `~` occurs
    at its beginning alone, so another `~` means that the one before was cut short.
    """
    match = _FRAME.search(buffer)
    if match is None:
        begun = _BEGUN.search(buffer)
        noise = len(buffer) if begun is None else begun.start()
        del buffer[:noise]
        return None, noise
    start, end = match.span()
    frame = bytes(buffer[start:end])
    del buffer[:end]
    return frame, start


# -------------------------------------------------------------------------- host side


@dataclass(slots=True)
class YdtCodec:
    """`transport.link.Codec` for every dialect; several may share a bus, each request brings its own.

    A frame whose code is no return code is a request (another master's, or our own off the line), and not
    believed. VER must be that of the request, for the same bytes mean other amperes in another dialect; only 4F is
    asked in order to learn it.
    """

    counters: LineCounters = field(default_factory=LineCounters)
    _sent: bytes = field(default=b"", init=False)

    def encode(self, request: YdtRequest) -> bytes:
        """The bytes of one request."""
        self._sent = request_frame(request)
        return self._sent

    def decode(self, request: YdtRequest, buffer: bytearray) -> YdtReply | None:
        """Take the answer to `request` from `buffer`; see `transport.link.Codec`.

        What another command of the dialect is answered with is a late reply, and skipped; an INFO of a shape
        that the dialect does not know raises BadReply.
        """
        while True:
            raw, noise = _cut_frame(buffer)
            self.counters.noise_bytes += noise
            if raw is None:
                return None
            frame = take_apart(raw)
            if frame.fault:
                self.counters.crc_errors += 1
                continue
            if not self._answers(request, raw, frame):
                self.counters.foreign_frames += 1
                continue
            if frame.code != OK:
                raise YdtRefused(request, frame.code)
            if frame.version != request.version and request.command != ASK_VERSION:
                raise BadReply(
                    f"{request.describe()}: answered in version {frame.version:02X}, not {request.version:02X}"
                )
            if request.accepts(frame.info):
                return YdtReply(frame.version, frame.info)
            if not request.fits_another(frame.info):
                raise BadReply(
                    f"{request.describe()}: {len(frame.info)} bytes came, which are no answer of this dialect"
                )
            self.counters.foreign_frames += 1

    def _answers(self, request: YdtRequest, raw: bytes, frame: Frame) -> bool:
        return (
            raw != self._sent
            and frame.address == request.address
            and frame.device == request.device
            and frame.code in RETURN_CODES
        )


# ------------------------------------------------------------------------ device side


class BrokenRequest(NamedTuple):
    """A request that did not come through whole: what a device may answer with `reply_frame(..., code=fault)`."""

    version: int
    address: int
    device: int
    fault: int


def take_request(buffer: bytearray, *, lenient_length: bool = False) -> YdtRequest | BrokenRequest | None:
    """The first request in `buffer`, removed with all before it; None: none is complete yet.

    Args:
        buffer: What came; at most a frame's length is kept.
        lenient_length: See `take_apart`.
    """
    raw, _ = _cut_frame(buffer)
    if raw is None:
        return None
    frame = take_apart(raw, lenient_length=lenient_length)
    if frame.fault:
        return BrokenRequest(frame.version, frame.address, frame.device, frame.fault)
    return YdtRequest(frame.version, frame.address, frame.code, frame.info, frame.device)


# --------------------------------------------------------------------------- for people


def explain(dialect: Dialect, direction: Direction, frame: bytes) -> Explained:
    """What a frame of a dialect says, and the frame made anew. Raises BadReply for bytes that are none.

    A reply does not tell which command it answers: the first of the dialect's that its INFO fits.
    """
    parts = take_apart(frame)
    if parts.fault or frame != frame.upper():
        raise BadReply(f"{dialect.name}: {RETURN_CODES[parts.fault]}: {frame[:60]!r}")
    version, address, device, code, info, _ = parts
    values: dict[str, Any] = {"address": address, "protocol_version": f"{version >> 4}.{version & 0xF}"}
    if direction == "request":
        if version != dialect.version and code != ASK_VERSION:
            raise BadReply(f"{dialect.name}: version {version:02X} is not {dialect.version:02X}")
        request = YdtRequest(version, address, code, info, device, dialect)
        values |= {"command": code, "asked": request.describe()}
        if info:
            values["pack"] = info[0]
        return Explained(values, request_frame(request))
    if code not in RETURN_CODES:
        raise BadReply(f"{dialect.name}: a reply with an unknown return code {code:02X}")
    if code != OK:
        return Explained({**values, "refused": code}, reply_frame(version, address, info, code, device))
    for command in dialect.commands.values():
        try:
            message = command.decode(info)
        except BadReply:
            continue
        if version != dialect.version and message.encode():
            raise BadReply(f"{dialect.name}: version {version:02X} is not {dialect.version:02X}")
        values |= {"answers": command.name, **message.values()}
        return Explained(values, reply_frame(version, address, message.encode(), OK, device))
    raise BadReply(f"{dialect.name}: {len(info)} bytes that answer no command known here")
