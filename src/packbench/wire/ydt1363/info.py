"""INFO of YD/T 1363 frames: what the payloads of all dialects are made of.

Owns the reading of bytes from front to back with their bounds, the units that the documents share
(0.1 K above absolute zero, alarm bytes) and the names that alarm bytes and bits get. Knows no message; those
are the dialects' (`pylontech`, `seplos_v2`, `pace`).

Source: SEPLOS BMS communication protocol V2.0 tables 9 and 12; PYLON low voltage RS485 protocol V3.3 has the
same. The alarm bytes 80 to EF (the maker's own) are PACE's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from packbench.core.errors import BadReply

MAX_CELLS: Final = 32
MAX_SENSORS: Final = 16
"""More than any pack on this line has; a count beyond them is a byte of another message."""
MAX_PACKS: Final = 16
STATE_OK: Final = 0x00
STATE_BELOW: Final = 0x01
STATE_ABOVE: Final = 0x02
STATE_OTHER: Final = 0xF0


class Message(Protocol):
    """What INFO of a reply says."""

    def values(self) -> dict[str, Any]:
        """By name, in SI units; the names of `core.samples` where it has one."""
        ...

    def encode(self) -> bytes:
        """INFO again."""
        ...


@dataclass(frozen=True, slots=True)
class Nothing:
    """An empty INFO: the answer to 4F, whose meaning is in VER."""

    def values(self) -> dict[str, Any]:
        """None."""
        return {}

    def encode(self) -> bytes:
        """No bytes."""
        return b""


def decode_nothing(info: bytes) -> Nothing:
    """An empty INFO."""
    if info:
        raise BadReply(f"{len(info)} bytes where none belong")
    return Nothing()


class Cursor:
    """Reads INFO from front to back, big-endian; BadReply where it is too short or too long."""

    __slots__ = ("_at", "_data", "_what")

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """So many bytes."""
        if count > self.left:
            raise BadReply(f"{self._what}: {len(self._data)} bytes are too few")
        self._at += count
        return self._data[self._at - count : self._at]

    def unsigned(self, size: int = 2) -> int:
        """An unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def scaled(self, divisor: int, size: int = 2) -> float:
        """An unsigned integer in `divisor` parts of its unit."""
        return self.unsigned(size) / divisor

    def signed(self, divisor: int) -> float:
        """A signed integer of two bytes in `divisor` parts of its unit."""
        return int.from_bytes(self.take(2), "big", signed=True) / divisor

    def celsius(self) -> float:
        """A temperature in 0.1 K above absolute zero, as degrees Celsius (the documents subtract 2731)."""
        return (self.unsigned() - 2731) / 10

    def count(self, most: int) -> int:
        """One byte that says how many things follow; more than `most` of them is no such message."""
        value = self.unsigned(1)
        if value > most:
            raise BadReply(f"{self._what}: {value} of a thing of which there are at most {most}")
        return value

    def states(self, count: int) -> tuple[int, ...]:
        """So many alarm bytes: 00 normal, 01 below, 02 above, 80 to F0 other. Any other is another message's."""
        found = tuple(self.take(count))
        for state in found:
            if state > STATE_ABOVE and not 0x80 <= state <= STATE_OTHER:
                raise BadReply(f"{self._what}: {state:02X} is no alarm state")
        return found

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise BadReply(f"{self._what}: {self.left} of {len(self._data)} bytes are too many")


PackT = TypeVar("PackT", bound=Message)


@dataclass(frozen=True, slots=True)
class Packs(Generic[PackT]):
    """One pack's values, or those of a whole group."""

    flag: int
    command: int
    """The number of the only pack, or how many packs follow."""
    packs: tuple[PackT, ...]

    @property
    def count(self) -> int:
        """How many packs there are."""
        return len(self.packs)

    def values(self) -> dict[str, Any]:
        """The values of the only pack, or `packs` of a group."""
        if self.count == 1:
            return self.packs[0].values()
        return {"packs": [pack.values() for pack in self.packs]}

    def encode(self) -> bytes:
        """See `Message`."""
        return bytes((self.flag, self.command)) + b"".join(pack.encode() for pack in self.packs)


def decode_packs(info: bytes, what: str, read: Callable[[Cursor, int], PackT], appended_most: int = 0) -> Packs[PackT]:
    """Read a flag, a pack's number or a count of packs, and the packs. Raises BadReply.

    The documents show both and do not say how to tell them apart; the length does. So it does for what firmware
    appends to each pack's documented bytes, up to `appended_most` of them: then all packs must be of one size, for
    appended bytes can look like the beginning of another pack.

    Args:
        info: INFO.
        what: For people.
        read: Reads one pack with so many appended bytes.
        appended_most: See above.
    """
    cursor = Cursor(info, what)
    flag, command = cursor.unsigned(1), cursor.unsigned(1)
    body = cursor.take(cursor.left)
    counts = (1, command) if 2 <= command <= MAX_PACKS else (1,)
    for count in counts:
        size, rest = divmod(len(body), count)
        if rest:
            continue
        try:
            pieces = (body[size * index : size * (index + 1)] for index in range(count))
            return Packs(flag, command, tuple(_pack(piece, what, read, appended_most) for piece in pieces))
        except BadReply:
            continue
    cursor = Cursor(body, what)
    found = tuple(read(cursor, 0) for _ in range(counts[-1]))
    cursor.end()
    return Packs(flag, command, found)


def _pack(piece: bytes, what: str, read: Callable[[Cursor, int], PackT], appended_most: int) -> PackT:
    """The pack that these bytes are, appended ones included."""
    cursor = Cursor(piece, what)
    found = read(cursor, 0)
    if not cursor.left:
        return found
    if cursor.left > appended_most:
        raise BadReply(f"{what}: {cursor.left} bytes more than are known")
    return read(Cursor(piece, what), cursor.left)


def scaled(value: float, factor: int, size: int = 2) -> bytes:
    """The inverse of `Cursor.scaled`. Raises OverflowError for what does not fit."""
    return round(factor * value).to_bytes(size, "big")


def signed(value: float, factor: int) -> bytes:
    """The inverse of `Cursor.signed`. Raises OverflowError for what does not fit."""
    return round(factor * value).to_bytes(2, "big", signed=True)


def kelvin(temperature_c: float) -> bytes:
    """The inverse of `Cursor.celsius`. Raises OverflowError for what does not fit."""
    return (round(10 * temperature_c) + 2731).to_bytes(2, "big")


def state_names(found: tuple[int, ...], below: str, above: str, other: str) -> list[str]:
    """What the alarm bytes of one quantity say, each name once."""
    names: list[str] = []
    if STATE_BELOW in found:
        names.append(below)
    if STATE_ABOVE in found:
        names.append(above)
    if any(state > STATE_ABOVE for state in found):
        names.append(other)
    return names


def bit_names(value: int, names: Mapping[int, str], unknown: str) -> list[str]:
    """The names of the bits that are set, lowest first; one without a name is `unknown` and its number."""
    return [names.get(bit, f"{unknown}_bit_{bit}") for bit in range(value.bit_length()) if value >> bit & 1]


def text(raw: bytes) -> str:
    """Characters as people read them: padding (NUL, space, the hyphens that Pylontech fills with) is cut off."""
    return raw.decode("ascii", "replace").rstrip("\0 -").strip()
