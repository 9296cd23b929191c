"""How one field lies in a GB/T 27930 message: numbers, bits, texts, lists.

Owns the ways in which the standard writes a value (little-endian, scale and offset, 2-bit states, all ones for
"not given") and their exact inverses. It exists so that `gbt27930_messages` is a table of facts. Must not know
any message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class Field(Protocol):
    """One attribute of a message, and where it lies."""

    @property
    def name(self) -> str:
        """The attribute of the message's class."""
        ...

    def get(self, payload: bytes) -> Any:
        """The value; a field that the message is too short for gives None."""
        ...

    def put(self, payload: bytearray, value: Any) -> None:
        """Write it; `payload` is all ones before the first field. Raises ValueError for what does not fit."""
        ...


@dataclass(frozen=True, slots=True)
class Number:
    """An unsigned integer of some bytes: value = (raw - zero) * num / den. All ones is None, both ways."""

    name: str
    at: int
    """Offset in bytes from 0."""
    size: int
    num: int = 1
    den: int = 1
    zero: int = 0
    first_bit: int = 0
    width: int = 0
    """Bits from `first_bit` on; 0: the whole field."""
    whole: bool = False
    """A count: an int instead of a float."""

    def get(self, payload: bytes) -> float | None:
        if len(payload) < self.at + self.size:
            return None
        ones = self._ones()
        raw = int.from_bytes(payload[self.at : self.at + self.size], "little") >> self.first_bit & ones
        if raw == ones:
            return None
        scaled = (raw - self.zero) * self.num
        return scaled if self.whole else scaled / self.den

    def put(self, payload: bytearray, value: float | None) -> None:
        if len(payload) < self.at + self.size:
            return
        ones = self._ones()
        raw = ones if value is None else round(value * self.den / self.num) + self.zero
        if not 0 <= raw <= ones or (value is not None and raw == ones):
            raise ValueError(f"{self.name} = {value} does not fit {self.width or 8 * self.size} bits")
        _put_bits(payload, 8 * self.at + self.first_bit, ones, raw)

    def _ones(self) -> int:
        return (1 << (self.width or 8 * self.size)) - 1


@dataclass(frozen=True, slots=True)
class Bits:
    """A few bits as they are: a code, or bits without a meaning."""

    name: str
    first_bit: int
    """Counts from 0 through the whole message, least significant first."""
    width: int

    def get(self, payload: bytes) -> int | None:
        if 8 * len(payload) < self.first_bit + self.width:
            return None
        return int.from_bytes(payload, "little") >> self.first_bit & (1 << self.width) - 1

    def put(self, payload: bytearray, value: int | None) -> None:
        if 8 * len(payload) < self.first_bit + self.width:
            return
        ones = (1 << self.width) - 1
        raw = ones if value is None else value
        if not 0 <= raw <= ones:
            raise ValueError(f"{self.name} = {value} does not fit {self.width} bits")
        _put_bits(payload, self.first_bit, ones, raw)


@dataclass(frozen=True, slots=True)
class States:
    """Several 2-bit states as a tuple, in the order of `first_bits`."""

    name: str
    first_bits: tuple[int, ...]

    def get(self, payload: bytes) -> tuple[int, ...]:
        word = int.from_bytes(payload, "little")
        return tuple(word >> bit & 3 for bit in self.first_bits)

    def put(self, payload: bytearray, value: tuple[int, ...]) -> None:
        for bit, state in zip(self.first_bits, value, strict=True):
            if not 0 <= state <= 3:
                raise ValueError(f"{self.name}: {state} does not fit 2 bits")
            _put_bits(payload, bit, 3, state)


@dataclass(frozen=True, slots=True)
class Unused:
    """The bits of a mask, as they are: the standard wants ones, and not every device obeys."""

    name: str
    mask: int

    def get(self, payload: bytes) -> int:
        return int.from_bytes(payload, "little") & self.mask

    def put(self, payload: bytearray, value: int) -> None:
        if value & ~self.mask:
            raise ValueError(f"{self.name} = {value:#x} is outside {self.mask:#x}")
        _put_bits(payload, 0, self.mask, value)


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are. All ones is None, both ways. `size` 0: all there are."""

    name: str
    at: int = 0
    size: int = 0

    def get(self, payload: bytes) -> bytes | None:
        data = payload[self.at : self.at + self.size] if self.size else payload[self.at :]
        return None if data.count(0xFF) == len(data) and self.size else data

    def put(self, payload: bytearray, value: bytes | None) -> None:
        if value is None or len(payload) < self.at + self.size:
            return
        if self.size and len(value) != self.size:
            raise ValueError(f"{self.name} has {len(value)} bytes, not {self.size}")
        payload[self.at : self.at + len(value)] = value


@dataclass(frozen=True, slots=True)
class Text:
    """ASCII as the standard calls it; every byte is kept. All ones is None, both ways."""

    name: str
    at: int
    size: int

    def get(self, payload: bytes) -> str | None:
        data = payload[self.at : self.at + self.size]
        return None if data == b"\xff" * self.size else data.decode("latin-1")

    def put(self, payload: bytearray, value: str | None) -> None:
        if value is not None:
            Raw(self.name, self.at, self.size).put(payload, value.encode("latin-1"))


@dataclass(frozen=True, slots=True)
class Numbers:
    """The same number again and again to the end of the message."""

    name: str
    each: Number

    def get(self, payload: bytes) -> tuple[float | None, ...]:
        size = self.each.size
        return tuple(self.each.get(payload[at : at + size]) for at in range(0, len(payload), size))

    def put(self, payload: bytearray, value: tuple[float | None, ...]) -> None:
        size = self.each.size
        for at, item in enumerate(value):
            part = payload[at * size : (at + 1) * size]
            self.each.put(part, item)
            payload[at * size : (at + 1) * size] = part


def _put_bits(payload: bytearray, first_bit: int, ones: int, raw: int) -> None:
    word = int.from_bytes(payload, "little") & ~(ones << first_bit) | raw << first_bit
    payload[:] = word.to_bytes(len(payload), "little")
