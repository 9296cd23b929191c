"""SCPI over a byte stream, the asking side: messages, and the answers to their queries.

Owns the line (ended by LF; CR LF is taken), the limits of a message, and the check that a line looks like the
answer that was asked for. Must not do I/O, wait, or know a command of any device: dialects are the drivers'.
The words are `scpi_text`'s, the answering side is `scpi_device`'s.

SCPI has neither checksum nor request number. What can be held against a line is its shape: an answer in amperes
is never taken for volts, a line with a byte that is no text is never believed in part (a "43.50V" of which the 4
was hit would read 3.50 V), and of two lines that both fit the later one answers the later question. The rest is
silence after a time-out, which is the port's. A command without a query gets no answer at all.

Source: EA Programming Guide ModBus & SCPI, REV24 (256 bytes and 5 commands a message, errors only when asked for).
That the answers to joined queries come joined by ";" is from public drivers of EA's devices, not from the guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from packbench.core.errors import BadReply
from packbench.wire.counters import LineCounters
from packbench.wire.explained import Direction, Explained
from packbench.wire.scpi.text import (
    NUMBER,
    QUANTITY,
    QUOTED,
    SWITCHES,
    is_text,
    parse_number,
    parse_quantity,
    quoted,
    split_commands,
    unquoted,
)

MAX_MESSAGE: Final = 256
"""Bytes of a message with its LF: the input buffer of EA's devices. More is refused before it is sent."""
MAX_COMMANDS: Final = 5
"""Commands of one message, joined by ";" (EA)."""
MAX_REPLY: Final = 1024
"""Bytes of an answer's line; a longer one is noise."""

Item = Literal["V", "A", "W", "Ohm", "Ah", "Wh", "number", "integer", "switch", "word", "text"]
"""One part of an answer: a quantity in that unit (which may be left out), a plain number, a whole number,
0/1/OFF/ON, a word (REMOTE), or any text ("text" at the end takes the rest of the line)."""
Value = float | int | bool | str | None
"""None: the device said "not a number". An infinity of SCPI's is one here."""
Answer = tuple[Value, ...]

_INTEGER: Final = re.compile(r"[+-]?\d+")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_/-]*|\d+")
_GAP: Final = re.compile(r"[ \t]*[,;][ \t]*")


@dataclass(frozen=True, slots=True)
class ScpiRequest:
    """One message. Make it with `command` or `query`."""

    text: str
    """Without the LF."""
    answer: tuple[Item, ...] = ()
    """The shape of what its queries answer, in one line; empty when there is no query."""
    consumes: bool = False
    """Asking takes something away from the device (an error from its queue): never asked twice."""

    def __post_init__(self) -> None:
        """Refuse what a device would not take. Raises ValueError."""
        if not self.text.isascii() or not self.text.isprintable():
            raise ValueError(f"{self.text!r} is no SCPI message")
        try:
            commands = split_commands(self.text)
        except BadReply as exc:
            raise ValueError(f"{self.text!r} is no SCPI message") from exc
        if len(self.text) + 1 > MAX_MESSAGE:
            raise ValueError(f"a message of {len(self.text) + 1} bytes; a device takes {MAX_MESSAGE}")
        if len(commands) > MAX_COMMANDS:
            raise ValueError(f"{len(commands)} commands in a message; a device takes {MAX_COMMANDS}")
        if any(item.query for item in commands) != bool(self.answer):
            raise ValueError(f"{self.text!r}: a query answers something, and nothing else does")

    @property
    def silent(self) -> bool:
        """Whether no answer will come: the exchange is complete when it is written."""
        return not self.answer

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no harm: queries alone, and none that takes something away."""
        return not self.consumes and all(item.query for item in split_commands(self.text))

    def describe(self) -> str:
        """For people: the message itself."""
        return self.text


def command(*texts: str) -> ScpiRequest:
    """Commands that answer nothing, joined by ";" in one message. Raises ValueError for what no device takes."""
    return ScpiRequest(";".join(texts))


def query(text: str, *answer: Item, consumes: bool = False) -> ScpiRequest:
    """A message that asks something; `answer` lists the parts of the line that comes back.

    The answers to several queries of one message come joined by ";" in one line. Raises ValueError.
    """
    return ScpiRequest(text, answer, consumes)


ASK_ERROR: Final = query("SYST:ERR?", "integer", "text", consumes=True)
"""The oldest error of the queue, which is taken out of it; code 0 when there is none."""


@dataclass(slots=True)
class ScpiCodec:
    """`transport.link.Codec` for SCPI; the answer is one value an item of `ScpiRequest.answer`."""

    counters: LineCounters = field(default_factory=LineCounters)

    def encode(self, request: ScpiRequest) -> bytes:
        """The message and its LF."""
        return request.text.encode("ascii") + b"\n"

    def decode(self, request: ScpiRequest, buffer: bytearray) -> Answer | None:
        """Take the answer to `request` from `buffer`; see `transport.link.Codec`.

        Raises BadReply when there are whole lines and none of them has the shape that was asked for.
        """
        if request.silent:
            self.counters.noise_bytes += len(buffer)
            buffer.clear()
            return ()
        found: Answer | None = None
        wrong: BadReply | None = None
        while (end := buffer.find(b"\n")) >= 0:
            line = bytes(buffer[:end]).removesuffix(b"\r")
            del buffer[: end + 1]
            if not is_text(line) or len(line) > MAX_REPLY:
                self.counters.noise_bytes += end + 1
                continue
            try:
                answer = parse_answer(request.answer, line.decode("ascii"))
            except BadReply as exc:
                self.counters.foreign_frames += 1
                wrong = exc
                continue
            # Answers come in the order of the questions: one before ours is late, and another question's.
            self.counters.foreign_frames += found is not None
            found = answer
        if found is not None:
            return found
        if len(buffer) > MAX_REPLY:
            # The NUL marks what is still to come of this line as noise, too.
            self.counters.noise_bytes += len(buffer)
            buffer[:] = b"\0"
        if wrong is not None:
            raise BadReply(f"{request.describe()}: {wrong}")
        return None


def parse_answer(items: tuple[Item, ...], line: str) -> Answer:
    """The values of an answer's line. Raises BadReply when it has another shape."""
    text = line.strip()
    values: list[Value] = []
    at = 0
    for index, item in enumerate(items):
        gap = _GAP.match(text, at) if index else None
        at = at if gap is None else gap.end()
        parsed = None if index and gap is None else _parse_item(item, text, at, last=index == len(items) - 1)
        if parsed is None:
            break
        value, at = parsed
        values.append(value)
    if len(values) != len(items) or at != len(text):
        raise BadReply(f"answered {line!r}, expected {', '.join(items)}")
    return tuple(values)


def _parse_item(item: Item, text: str, at: int, *, last: bool) -> tuple[Value, int] | None:
    """(value, where it ends), or None when no such item begins there."""
    match item:
        case "text":
            string = QUOTED.match(text, at)
            end = len(text) if last else -1
            if string is not None and (not last or string.end() == len(text)):
                return unquoted(string[0]), string.end()
            if not last and (gap := _GAP.search(text, at)) is not None:
                end = gap.start()
            return None if end < 0 else (text[at:end], end)
        case "word" | "switch":
            found = _WORD.match(text, at)
            if found is None or (item == "switch" and found[0].upper() not in SWITCHES):
                return None
            return (SWITCHES[found[0].upper()] if item == "switch" else found[0]), found.end()
        case "number":
            found = NUMBER.match(text, at)
            return None if found is None else (parse_number(found[0]), found.end())
        case "integer":
            found = _INTEGER.match(text, at)
            return None if found is None else (int(found[0]), found.end())
        case unit:
            found = QUANTITY.match(text, at)
            if found is None or (found[4] or unit).lower() != unit.lower():
                return None
            return parse_quantity(found[0], unit), found.end()


# ---------------------------------------------------------------------- frames


class _Part(NamedTuple):
    """One field of an answer's line as it was written."""

    gap: str
    """The separator before it, spaces included."""
    text: str
    number: re.Match[str] | None
    """The match of `QUANTITY`, when it is a number."""

    @property
    def unit(self) -> str:
        """In lower case; "" when there is none."""
        return "" if self.number is None else (self.number[4] or "").lower()

    @property
    def again(self) -> str:
        """Separator and field, made from the pieces."""
        if self.number is None:
            inner = unquoted(self.text)
            return self.gap + (inner if inner == self.text else quoted(inner))
        return self.gap + "".join(piece or "" for piece in self.number.groups())


_NAMES: Final = {"v": "voltage_v", "a": "current_a", "w": "power_w", "ohm": "resistance_ohm", "ah": "ah", "wh": "wh"}


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a message or an answer's line says, and the same line made from that.

    A message: its `commands`. An answer: a quantity by the name of its unit (`voltage_v`, `current_a` positive when it
    sources, `power_w`), an error by `error` and `text`, plain numbers by `values`, anything else by `fields`. Raises
    BadReply when the bytes are not exactly one line of text, or a message is spaced in a way of its own: a device
    understands that, but it cannot be put together again.
    """
    ending = b"\r\n" if frame.endswith(b"\r\n") else b"\n"
    body = frame.removesuffix(ending)
    if not frame.endswith(b"\n") or not is_text(body) or len(body) > MAX_REPLY:
        raise BadReply(f"{frame!r} is not one line of SCPI text")
    text = body.decode("ascii")
    if direction == "request":
        commands = split_commands(text)
        texts = tuple(item.text for item in commands)
        again = ";".join(texts).encode() + ending
        if again != frame:
            raise BadReply(f"{frame!r} is written in another form than {again!r}")
        return Explained({"commands": texts}, again)
    parts = tuple(_parts(text))
    return Explained(_meaning(parts), "".join(part.again for part in parts).encode() + ending)


def _parts(text: str) -> Iterator[_Part]:
    """The fields of an answer's line; nothing of it is lost."""
    at, gap = 0, ""
    while True:
        string = QUOTED.match(text, at)
        found = _GAP.search(text, at if string is None else string.end())
        whole = text[at : None if found is None else found.start()]
        yield _Part(gap, whole, QUANTITY.fullmatch(whole))
        if found is None:
            return
        at, gap = found.end(), found[0]


def _meaning(parts: tuple[_Part, ...]) -> dict[str, Any]:
    units = [part.unit for part in parts]
    if all(part.number for part in parts):
        values = tuple(parse_quantity(part.text.strip(), part.unit) for part in parts)
        if all(units) and len(set(units)) == len(units):
            return {_NAMES[unit]: value for unit, value in zip(units, values, strict=True)}
        return {"values": values}
    if len(parts) == 2 and _INTEGER.fullmatch(parts[0].text) and parts[1].number is None:
        return {"error": int(parts[0].text), "text": unquoted(parts[1].text)}
    return {"fields": tuple(unquoted(part.text) for part in parts)}
