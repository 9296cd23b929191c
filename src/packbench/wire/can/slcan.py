"""slcan: CAN frames as lines of text on a serial port, both sides of it.

Owns the lines that a host and its adapter exchange, and the reading of a stream of them: pieces, noise, lines
run into each other. A malformed line costs itself alone and is counted; it never raises. Must not do I/O,
wait, or know what a frame means.

Sources: the LAWICEL CAN232 command set as python-can 4.6 speaks it (can/interfaces/slcan.py, which is also
where the table of bit rates comes from: S7 is 750 kbit/s there and 800 kbit/s in LAWICEL's own manual, S9 is
python-can's). There is no checksum: what protects a line is that its length must fit its length code exactly
and that the letters which begin a line are not hexadecimal digits. CAN FD lines (d D b B) are not spoken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from packbench.wire.can.frame import DATA_MAX, EXTENDED_ID_MAX, STANDARD_ID_MAX, CanFrame
from packbench.wire.counters import LineCounters

END: Final = b"\r"
OK: Final = b"\r"
ERROR: Final = b"\a"

BITRATE_CODES: Final = {
    10_000: b"S0",
    20_000: b"S1",
    50_000: b"S2",
    100_000: b"S3",
    125_000: b"S4",
    250_000: b"S5",
    500_000: b"S6",
    750_000: b"S7",
    1_000_000: b"S8",
    83_300: b"S9",
}
BITRATES: Final = {code: bitrate for bitrate, code in BITRATE_CODES.items()}

MAX_LINE: Final = 64
"""Bytes of the longest line kept: an extended frame with a time stamp has 30."""
FLAG_NAMES: Final = (
    "rx_queue_full",
    "tx_queue_full",
    "error_warning",
    "data_overrun",
    "",
    "error_passive",
    "arbitration_lost",
    "bus_error",
)
"""Bits 0 to 7 of the reply to F (SJA1000 as LAWICEL documents it; not seen in a capture: unsure)."""

_STARTS: Final = b"tTrR"
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")

ReplyKind = Literal["ok", "error", "version", "serial", "flags"]
CommandKind = Literal[
    "blank", "bitrate", "open", "listen", "close", "transmit", "version", "serial", "flags", "unknown"
]
_PLAIN_COMMANDS: Final[dict[bytes, CommandKind]] = {
    b"": "blank",
    b"O": "open",
    b"L": "listen",
    b"C": "close",
    b"V": "version",
    b"N": "serial",
    b"F": "flags",
}
_COMMAND_LETTERS: Final = {kind: letter for letter, kind in _PLAIN_COMMANDS.items()}
_REPLY_LETTERS: Final[dict[bytes, ReplyKind]] = {b"V": "version", b"N": "serial", b"F": "flags"}
_LETTERS: Final = {kind: letter for letter, kind in _REPLY_LETTERS.items()}
_QUEUED: Final = (b"", b"z", b"Z")
"""What acknowledges a command: nothing, or for a transmitted frame LAWICEL's z (11 bits) and Z (29 bits)."""


@dataclass(frozen=True, slots=True)
class AdapterReply:
    """What an adapter says besides received frames."""

    kind: ReplyKind
    text: str = ""
    """What is behind V, N or F; the letter of LAWICEL's acknowledgement of a frame (z, Z)."""

    @property
    def flags(self) -> tuple[str, ...]:
        """The names of the bits set in a reply to F."""
        if self.kind != "flags":
            return ()
        return tuple(name for bit, name in enumerate(FLAG_NAMES) if name and int(self.text, 16) >> bit & 1)

    def line(self) -> bytes:
        """Its bytes, the end included."""
        if self.kind == "error":
            return ERROR
        return _LETTERS.get(self.kind, b"") + self.text.encode("ascii") + END


@dataclass(frozen=True, slots=True)
class HostCommand:
    """What a host asks of its adapter."""

    kind: CommandKind
    frame: CanFrame | None = None
    """Of "transmit"."""
    bitrate: int | None = None
    """Of "bitrate", in bit/s."""

    def line(self) -> bytes:
        """Its bytes, the end included. Raises ValueError for "unknown", and for a bit rate that slcan has not."""
        if self.frame is not None:
            return frame_line(self.frame)
        if self.bitrate is not None:
            return bitrate_line(self.bitrate)
        if self.kind not in _COMMAND_LETTERS:
            raise ValueError(f"no line says {self.kind!r}")
        return _COMMAND_LETTERS[self.kind] + END


def frame_line(frame: CanFrame) -> bytes:
    """The line of one frame, to the adapter or from it: t and T carry data, r and R ask for them."""
    letter = ("r" if frame.remote else "t") if not frame.extended else ("R" if frame.remote else "T")
    width = 8 if frame.extended else 3
    text = f"{letter}{frame.can_id:0{width}X}{frame.length_code:X}{frame.data.hex().upper()}"
    return text.encode("ascii") + END


def parse_frame(line: bytes, *, time_stamp: bool = False) -> CanFrame | None:
    """The frame of a line without its end; None when it is not one.

    `time_stamp`: the line has four digits more (LAWICEL's Z1, milliseconds), which are dropped.
    """
    if not line or line[0] not in _STARTS:
        return None
    letter, digits = line[:1], line[1:]
    extended = letter in b"TR"
    width = 8 if extended else 3
    if len(digits) <= width or not _HEX.issuperset(digits):
        return None
    can_id, length = int(digits[:width], 16), int(digits[width : width + 1], 16)
    rest = digits[width + 1 :]
    remote = letter in b"rR"
    size = 0 if remote else 2 * length
    id_max = EXTENDED_ID_MAX if extended else STANDARD_ID_MAX
    if can_id > id_max or length > DATA_MAX or len(rest) != size + 4 * time_stamp:
        return None
    data = bytes.fromhex(rest[:size].decode("ascii"))
    return CanFrame(can_id, data, extended, length if remote else None)


def bitrate_line(bitrate: int) -> bytes:
    """The line that sets a bit rate. Raises ValueError for one that slcan has not."""
    if bitrate not in BITRATE_CODES:
        raise ValueError(f"slcan has no {bitrate} bit/s")
    return BITRATE_CODES[bitrate] + END


def opening_lines(bitrate: int) -> tuple[bytes, ...]:
    """What opens a channel: end of whatever was half typed, close, bit rate, open. Raises ValueError as above."""
    return END, b"C" + END, bitrate_line(bitrate), b"O" + END


CLOSING_LINE: Final = b"C" + END


@dataclass(slots=True)
class LineReader:
    """Cuts a stream into lines; what both sides share."""

    counters: LineCounters = field(default_factory=LineCounters)
    malformed_lines: int = 0
    """Lines that nobody could have meant, lines cut short and lines run into the next one among them."""
    _buffer: bytearray = field(default_factory=bytearray, init=False)

    def _add(self, byte: int) -> None:
        """One byte of a line; of a line that is too long, the last MAX_LINE are kept, which are no line."""
        self._buffer.append(byte)
        if len(self._buffer) > MAX_LINE:
            self.counters.noise_bytes += 1
            del self._buffer[0]

    def _take(self) -> bytes:
        line = bytes(self._buffer)
        self._buffer.clear()
        return line


@dataclass(slots=True)
class HostReader(LineReader):
    """What comes from an adapter: received frames, and replies to what was asked."""

    time_stamps: bool = False
    """The adapter was told Z1 once and remembers it: every received frame carries a time stamp."""

    def feed(self, data: bytes) -> list[CanFrame | AdapterReply]:
        """Everything that is complete now, in order."""
        found: list[CanFrame | AdapterReply] = []
        for byte in data:
            if byte == ERROR[0]:
                if line := self._take():
                    self.malformed_lines += 1
                    self.counters.noise_bytes += len(line)
                found.append(AdapterReply("error"))
            elif byte == END[0]:
                item = self._line(self._take())
                if item is not None:
                    found.append(item)
            else:
                self._add(byte)
        return found

    def _line(self, line: bytes) -> CanFrame | AdapterReply | None:
        if line in _QUEUED:
            return AdapterReply("ok", line.decode("ascii"))
        if (frame := parse_frame(line, time_stamp=self.time_stamps)) is not None:
            return frame
        kind, text = _REPLY_LETTERS.get(line[:1]), line[1:]
        # A serial number may be any text, the other two are hexadecimal digits.
        readable = text.isalnum() if kind == "serial" else bool(text) and _HEX.issuperset(text)
        if kind is not None and readable and len(line) < MAX_LINE:
            return AdapterReply(kind, text.decode("ascii"))
        return self._salvage(line)

    def _salvage(self, line: bytes) -> CanFrame | None:
        """The whole frame at the end of a damaged line: a lost line end must not cost the line behind it."""
        self.malformed_lines += 1
        start = max(line.rfind(letter) for letter in _STARTS)
        frame = parse_frame(line[start:], time_stamp=self.time_stamps) if start > 0 else None
        self.counters.noise_bytes += len(line) if frame is None else start
        return frame


@dataclass(slots=True)
class AdapterReader(LineReader):
    """What comes from a host: its commands."""

    def feed(self, data: bytes) -> list[HostCommand]:
        """Every complete command, in order. Nothing that was sent is dropped without a reply: "unknown"."""
        found: list[HostCommand] = []
        for byte in data:
            if byte == END[0]:
                found.append(self._line(self._take()))
            else:
                self._add(byte)
        return found

    def _line(self, line: bytes) -> HostCommand:
        kind = _PLAIN_COMMANDS.get(line)
        if kind is not None:
            return HostCommand(kind)
        if line in BITRATES:
            return HostCommand("bitrate", bitrate=BITRATES[line])
        if (frame := parse_frame(line)) is not None:
            return HostCommand("transmit", frame)
        # An adapter acts on no part of a line that it did not understand: it says so, the host decides.
        self.malformed_lines += 1
        self.counters.noise_bytes += len(line)
        return HostCommand("unknown")
