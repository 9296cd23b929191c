"""What a register map says about a device: facts, no behaviour, no expressions.

Owns the frozen shapes that the driver's side and the simulator's side share. Reading the YAML is
`maps/file.py`, turning registers into values is `maps/codec.py`. The first "if" a device needs
belongs in its driver. Addresses are the device's own; SI units after scaling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

FieldType = Literal["u8", "u16", "s16", "u32", "s32", "f32", "char", "bits16", "bits32"]
WordOrder = Literal["high_first", "low_first"]
Addressing = Literal["register", "byte_offset"]
Framing = Literal["mbap", "rtu"]

REGISTERS_OF: MappingProxyType[str, int] = MappingProxyType(
    {"u8": 1, "u16": 1, "s16": 1, "bits16": 1, "u32": 2, "s32": 2, "f32": 2, "bits32": 2}
)


@dataclass(frozen=True, slots=True)
class Field:
    """One value (or array of values) in the registers."""

    name: str
    address: int
    type: FieldType
    count: int = 1
    """Elements of an array; for "char" the length in bytes (even)."""
    word_order: WordOrder = "high_first"
    byte: Literal["high", "low"] = "low"
    """Which half of the register a "u8" is."""
    scale: float = 1.0
    """SI value of one count."""
    offset: float = 0.0
    """SI value of zero counts."""
    full_scale_of: str | None = None
    """A parameter (a rating): value = parameter * raw / full_scale_raw, instead of `scale`."""
    full_scale_raw: int = 1
    raw_max: int | None = None
    """Highest raw value the device accepts (set values of a device that scales by its rating)."""
    unit: str = ""
    low: float | None = None
    """Plausible range in SI units; outside, the reading is IMPLAUSIBLE and a write is refused."""
    high: float | None = None
    access: Literal["r", "w", "rw"] = "r"
    sentinels: tuple[int, ...] = ()
    """Raw values by which the device says "this reading is invalid"."""
    absent: tuple[int, ...] = ()
    """Raw values by which the device says "not fitted": the value is left out."""
    names: tuple[tuple[int, str], ...] = ()
    """Bit number to name, for "bits16" and "bits32"."""
    unknown_bits: Literal["report", "ignore"] = "report"
    """A set bit without a name is reported as `<field>_bit_<n>`, or ignored."""
    quantity: str | None = None
    """What of `core.samples` it is, when that is not its own name; several fields may add up to one list.
    Besides those: "flags" (names out of `balancing, charging_allowed, discharging_allowed`), those three
    themselves (any number but 0), and "none" (the driver's own or nobody's business)."""
    count_from: str | None = None
    """Field that says how many elements of this array exist."""
    mask_from: str | None = None
    """Field whose bit n says that element n exists."""
    unsure: str | None = None
    """What is not confirmed about it, and where that was read."""

    @property
    def registers(self) -> int:
        """How many registers it covers."""
        return (self.count + 1) // 2 if self.type == "char" else REGISTERS_OF[self.type] * self.count

    @property
    def is_integer(self) -> bool:
        """Whether its value is a plain count (unscaled)."""
        return (
            self.type not in ("f32", "char") and self.scale == 1.0 and self.offset == 0.0 and self.full_scale_of is None
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of registers read (or written) in one exchange: one moment of the device."""

    name: str
    address: int
    count: int
    function: int = 3
    group: str = "poll"
    """"poll": every reading; "once": when the device is identified; others are the driver's."""
    unsure: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What the device needs of the line."""

    gap_ns: int = 0
    """Silence between its reply and the next request."""
    turnaround_ns: int = 0
    """Worst delay of a reply: after a time-out the line stays quiet this long."""
    reply_timeout_ns: int = 1_000_000_000
    baudrate: int = 115_200


@dataclass(frozen=True, slots=True)
class Golden:
    """A captured or documented exchange that the map is held against."""

    framing: Framing
    source: str
    request: bytes = b""
    reply: bytes = b""
    block: str | None = None
    """The block it reads, when it is one of the map's; else the address in the request counts."""
    values: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Field name to the value the source states."""
    parameters: MappingProxyType[str, float] = field(default_factory=lambda: MappingProxyType({}))
    refused: int | None = None
    """The exception code the reply carries."""


@dataclass(frozen=True, slots=True)
class DeviceMap:
    """A device's register map, from configs/devices/*.yaml."""

    name: str
    title: str
    kind: Literal["cycler", "bms", "chamber", "meter"]
    driver: str
    """"mapped" or the name of a driver of its own (`ea-psb`)."""
    framings: tuple[Framing, ...]
    unit: int
    """Default unit number."""
    line: Line
    addressing: Addressing
    max_registers: int
    """The most one read may ask for."""
    stale_after_ns: int
    verified_on_hardware: bool
    sources: tuple[str, ...]
    fields: MappingProxyType[str, Field]
    blocks: tuple[Block, ...]
    coils: MappingProxyType[str, int]
    options: MappingProxyType[str, Any]
    """Facts that are unsure, with the default used; a bench's `settings` override them by name."""
    golden: tuple[Golden, ...] = ()

    def block(self, name: str) -> Block:
        """The block of that name; KeyError."""
        for block in self.blocks:
            if block.name == name:
                return block
        raise KeyError(name)

    def group(self, name: str) -> tuple[Block, ...]:
        """The blocks of a group, in file order."""
        return tuple(block for block in self.blocks if block.group == name)

    def words_between(self, start: int, end: int) -> int:
        """Registers from address `start` to address `end` (numbers may count bytes, see `addressing`)."""
        return (end - start) // (2 if self.addressing == "byte_offset" else 1)

    def fields_in(self, address: int, count: int) -> tuple[Field, ...]:
        """The fields that lie wholly in a stretch of `count` registers, by address then file order."""
        inside = [
            item
            for item in self.fields.values()
            if item.address >= address and self.words_between(address, item.address) + item.registers <= count
        ]
        return tuple(sorted(inside, key=lambda item: item.address))
