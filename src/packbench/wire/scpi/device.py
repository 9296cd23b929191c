"""SCPI over a byte stream, the answering side: messages as a device hears them, headers, errors, answers.

Owns the cutting of messages out of received bytes (bounded like the device's own buffer), the matching of short
and long headers, the error queue, and IEEE 488.2's rule for a question that comes before the last answer was
taken. Must not know any device's commands or keep time. Never fails on any bytes: what cannot be read is an error
of the queue, as on the device.

Sources: EA Programming Guide ModBus & SCPI, REV24 (buffer of 256 bytes: an overflow is not answered and gives
-225; queue of 5; codes); SCPI-99 vol. 1, 6.2 (short and long forms, optional nodes) and vol. 2, 21.8 (codes);
IEEE 488.2, 6.3.2.3 (-410 "Query INTERRUPTED").
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from packbench.core.errors import BadReply
from packbench.wire.scpi.messages import MAX_COMMANDS, MAX_MESSAGE
from packbench.wire.scpi.text import Command, is_text, quoted, split_commands

COMMAND_ERROR: Final = -100
SYNTAX_ERROR: Final = -102
PARAMETER_NOT_ALLOWED: Final = -108
UNDEFINED_HEADER: Final = -113
EXECUTION_ERROR: Final = -200
IN_LOCAL: Final = -201
PARAMETER_ERROR: Final = -220
SETTINGS_CONFLICT: Final = -221
OUT_OF_RANGE: Final = -222
TOO_MUCH_DATA: Final = -223
ILLEGAL_VALUE: Final = -224
OUT_OF_MEMORY: Final = -225
QUEUE_OVERFLOW: Final = -350
QUERY_INTERRUPTED: Final = -410
SAFETY_OVP: Final = -999

ERROR_TEXTS: Final = {
    0: "No error",
    COMMAND_ERROR: "Command error",
    SYNTAX_ERROR: "Syntax error",
    PARAMETER_NOT_ALLOWED: "Parameter not allowed",
    UNDEFINED_HEADER: "Undefined header",
    EXECUTION_ERROR: "Execution error",
    IN_LOCAL: "Invalid while in local",
    PARAMETER_ERROR: "Parameter error",
    SETTINGS_CONFLICT: "Settings conflict",
    OUT_OF_RANGE: "Data out of range",
    TOO_MUCH_DATA: "Too much data",
    ILLEGAL_VALUE: "Illegal parameter value",
    OUT_OF_MEMORY: "Out of memory",
    QUEUE_OVERFLOW: "Queue overflow",
    QUERY_INTERRUPTED: "Query INTERRUPTED",
    SAFETY_OVP: "Safety OVP",
}

T = TypeVar("T")


class Message(NamedTuple):
    """One line as the device hears it."""

    commands: tuple[Command, ...]
    error: int = 0
    """Nothing of it can be carried out, for this reason; 0 when it can."""


def take_message(buffer: bytearray, *, most_commands: int = MAX_COMMANDS) -> Message | None:
    """The next message, taken out of `buffer`; None while its LF is not there.

    `buffer` is cut to one byte more than a message may have, so that endless bytes end in -225 with the next LF.
    """
    while (end := buffer.find(b"\n")) >= 0:
        line = bytes(buffer[:end]).removesuffix(b"\r")
        del buffer[: end + 1]
        if end + 1 > MAX_MESSAGE:
            return Message((), OUT_OF_MEMORY)
        if not line.strip():
            continue
        if not is_text(line):
            return Message((), SYNTAX_ERROR)
        try:
            commands = split_commands(line.decode("ascii"))
        except BadReply:
            return Message((), SYNTAX_ERROR)
        return Message(commands) if len(commands) <= most_commands else Message((), TOO_MUCH_DATA)
    del buffer[MAX_MESSAGE + 1 :]
    return None


def answer_line(answers: tuple[str, ...], ending: bytes = b"\n") -> bytes:
    """The answers to one message's queries in one line; b"" when there are none."""
    return ";".join(answers).encode("ascii", "replace") + ending if answers else b""


# --------------------------------------------------------------------- headers


class HeaderTable(Generic[T]):
    """What a device does for which header.

    Args:
        entries: By header in SCPI's notation, `[SOURce:]VOLTage[:LEVel]`: capitals are the short form, brackets may
            be left out, `|` separates spellings.
        abbreviated: Whether every length between the short and the long form is understood as well, as Delta's
            devices do (`CUR`, `CURR`, `CURRENT`); SCPI itself knows the two forms alone.
    """

    def __init__(self, entries: Mapping[str, T], *, abbreviated: bool = False) -> None:
        self._entries = tuple((_pattern(notation, abbreviated), value) for notation, value in entries.items())
        self._known: dict[str, T | None] = {}

    def find(self, header: str, path: str = "") -> T | None:
        """The entry of a header; None when the device has no such command.

        Args:
            header: As it came, in any case; a colon in front means the root.
            path: The nodes above the command before it in the same message. A header that is none from the
                root is looked for there (SCPI-99 vol. 1, 6.2.4); EA's devices are told everything from the root.
        """
        found = self._look_up(header)
        if found is None and path and not header.startswith((":", "*")):
            found = self._look_up(f"{path}:{header}")
        return found

    def _look_up(self, header: str) -> T | None:
        key = header.upper()
        if key in self._known:
            return self._known[key]
        found = next((value for pattern, value in self._entries if pattern.fullmatch(key)), None)
        if len(self._known) < 256:
            self._known[key] = found
        return found


def path_of(header: str) -> str:
    """The nodes above a header: where a header that follows it in the same message may be looked for."""
    return "" if header.startswith("*") else header.removeprefix(":").rpartition(":")[0]


def _pattern(notation: str, abbreviated: bool) -> re.Pattern[str]:
    spellings = "|".join(_nodes(spelling, abbreviated) for spelling in notation.split("|"))
    return re.compile(f":?(?:{spellings})")


def _nodes(notation: str, abbreviated: bool) -> str:
    """A regular expression over capitals."""
    out = ""
    for token in re.findall(r"[A-Z*][A-Z*0-9]*[a-z]*|[\[\]:]", notation):
        match token:
            case "[":
                out += "(?:"
            case "]":
                out += ")?"
            case ":":
                out += ":"
            case word:
                short = word.rstrip("abcdefghijklmnopqrstuvwxyz")
                out += re.escape(short) + _rest(word[len(short) :].upper(), abbreviated)
    return out


def _rest(rest: str, abbreviated: bool) -> str:
    if not rest:
        return ""
    if not abbreviated:
        return f"(?:{rest})?"
    return "".join(f"(?:{letter}" for letter in rest) + ")?" * len(rest)


# -------------------------------------------------------------- errors, answers


class ErrorEntry(NamedTuple):
    """One error of the queue."""

    code: int
    text: str

    def line(self) -> str:
        """As `SYST:ERR?` answers it."""
        return f"{self.code},{quoted(self.text)}"


@dataclass(slots=True)
class ErrorQueue:
    """Errors wait here until they are asked for; nothing of them is ever pushed."""

    size: int = 5
    _entries: deque[ErrorEntry] = field(default_factory=deque[ErrorEntry], init=False)

    def push(self, code: int) -> None:
        """Add one. What does not fit turns the newest into -350 (SCPI-99 vol. 2, 21.8.1)."""
        entry = ErrorEntry(code, ERROR_TEXTS.get(code, "Error"))
        if len(self._entries) < self.size:
            self._entries.append(entry)
        else:
            self._entries[-1] = ErrorEntry(QUEUE_OVERFLOW, ERROR_TEXTS[QUEUE_OVERFLOW])

    def pop(self) -> ErrorEntry:
        """The oldest, which leaves the queue; code 0 when there is none."""
        return self._entries.popleft() if self._entries else ErrorEntry(0, ERROR_TEXTS[0])

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


@dataclass(slots=True)
class OutputQueue:
    """The answer a device still has to give, and IEEE 488.2's rule for it: a message that comes first drops it."""

    pending: bytes = b""

    def interrupted(self) -> bool:
        """A new message begins: whether an answer nobody took is dropped by it (-410)."""
        had, self.pending = bool(self.pending), b""
        return had

    def take(self) -> bytes:
        """The answer is read."""
        out, self.pending = self.pending, b""
        return out
