"""The words of SCPI text, for both sides of the wire: commands, numbers with units, quoted strings.

Owns how a command is taken apart and a number read. Must not know lines, devices or what a command does; it
exists so that host and device read one grammar. Every function gets text and returns values or raises BadReply;
nothing here fails on strange text in any other way.

Sources: SCPI-99 vol. 1, 7.2 (9.91E37 is "not a number", 9.9E37 infinity) and 6.2 (headers); IEEE 488.2, 7.7
(quoted strings, suffixes); EA Programming Guide ModBus & SCPI, REV24 (`43.50V`, `12.5V, 33.3A, 420W`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from packbench.core.errors import BadReply

# A number begins with a digit: the tail of a late "33.3A" must not read as 0.3 A.
NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[Ee][+-]?\d+)?")
QUANTITY: Final = re.compile(rf"({NUMBER.pattern})([ \t]*)(?:(k?)(V|Ah|A|Wh|W|Ohm))?", re.IGNORECASE)
"""Groups: the digits, the space after them, "k", the unit."""
QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
SWITCHES: Final = {"0": False, "1": True, "OFF": False, "ON": True}
_COMMAND: Final = re.compile(r"\s*([^\s?]*)(\??)(?:\s+(.*))?", re.DOTALL)
_NOT_A_NUMBER: Final = 9.91e37
_INFINITE: Final = 9.9e37


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a message."""

    header: str
    """As it was written, without "?"."""
    query: bool
    parameters: tuple[str, ...] = ()
    """What stands between commas, without the spaces around it; strings keep their quotes."""

    @property
    def text(self) -> str:
        """The command written anew."""
        asked = self.header + ("?" if self.query else "")
        return asked + (" " + ",".join(self.parameters) if self.parameters else "")


def split_commands(text: str) -> tuple[Command, ...]:
    """The commands of a message without its LF. Raises BadReply when one of them is empty or has no header."""
    commands: list[Command] = []
    for part in split_outside_quotes(text, ";"):
        match = _COMMAND.fullmatch(part)
        if match is None or not match[1]:
            raise BadReply(f"{part!r} is no command")
        tail = (match[3] or "").strip()
        parameters = tuple(item.strip() for item in split_outside_quotes(tail, ",")) if tail else ()
        commands.append(Command(match[1], bool(match[2]), parameters))
    return tuple(commands)


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """The parts between separators that are not inside quotes; spaces stay where they are."""
    if '"' not in text:
        return text.split(separator)
    parts: list[str] = []
    start, inside = 0, False
    for index, char in enumerate(text):
        inside ^= char == '"'
        if char == separator and not inside:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def unquoted(text: str) -> str:
    """A string's content; text that is not quoted stays as it is."""
    return text[1:-1].replace('""', '"') if QUOTED.fullmatch(text) else text


def quoted(text: str) -> str:
    """A string in quotes, its own doubled."""
    return '"' + text.replace('"', '""') + '"'


def is_text(line: bytes) -> bool:
    """Whether a line is one of text: printable ASCII and tabs, and not only spaces."""
    return bool(line.strip()) and all(0x20 <= byte < 0x7F or byte == 0x09 for byte in line)


def parse_number(text: str) -> float | None:
    """A number: None for SCPI's "not a number", infinite for its infinity. Raises BadReply for no number."""
    if NUMBER.fullmatch(text) is None:
        raise BadReply(f"{text!r} is no number")
    value = float(text)
    if math.isclose(value, _NOT_A_NUMBER, rel_tol=1e-9):
        return None
    return math.copysign(math.inf, value) if abs(value) >= _INFINITE else value


def parse_quantity(text: str, unit: str = "") -> float | None:
    """A number with or without its unit ("k" for thousands understood), in that unit.

    Args:
        text: The number's text, nothing before or after it.
        unit: The unit it may carry; "" for none.

    Raises BadReply for anything else, another unit included.
    """
    match = QUANTITY.fullmatch(text)
    if match is None or (match[4] or "").lower() not in ("", unit.lower()):
        raise BadReply(f"{text!r} is no number" + (f" in {unit}" if unit else ""))
    value = parse_number(match[1])
    return value * 1000.0 if match[3] and value is not None else value


def fixed(value: float, digits: int = 3) -> str:
    """A value as text: fixed point, no exponent, never "-0". Raises ValueError when it is not finite."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no value to send")
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text
