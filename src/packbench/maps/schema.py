"""What a device file says about a type of device: facts, no behaviour, no expressions.

Owns the frozen shapes that the driver's side and the simulator's side share: the links and limits of every
device, and the register map of one that speaks Modbus. Reading the YAML is `maps/file.py`, turning registers
into values is `maps/codec.py`. The first "if" a device needs belongs in its driver. Addresses are the
device's own; SI units after scaling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from packbench.wire.modbus import Framing

FieldType = Literal["u8", "u16", "s16", "u32", "s32", "f32", "char", "bits16", "bits32"]
WordOrder = Literal["high_first", "low_first"]
Addressing = Literal["register", "byte_offset"]
Kind = Literal["cycler", "bms", "chamber", "meter"]
Protocol = Literal["modbus", "scpi", "neware", "jbd", "daly-a5", "jk-4e57", "ydt1363", "gbt27930", "ant", "tdt"]
Scheme = Literal["modbus+tcp", "rtu+tcp", "scpi+tcp", "xml+tcp", "serial", "pty", "slcan"]

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
    """SI value of one count; negative where the device counts the other way round (a discharge-positive current)."""
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
    states: tuple[tuple[int, str], ...] = ()
    """Raw value to name, for a "u8" or "u16" that says one of a few things; any other value is IMPLAUSIBLE."""
    quantity: str | None = None
    """What of `core.samples` it is, when that is not its own name; several fields may add up to one list.
    Besides those: "flags" (bits named as `maps/conventions.py` lists them), those flags themselves (any number
    but 0), and "none" (the driver's own or nobody's business)."""
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
    def meaning(self) -> str:
        """What it is: its quantity, which is its own name when it states none."""
        return self.quantity or self.name

    @property
    def is_integer(self) -> bool:
        """Whether its value is a plain count (unscaled)."""
        return (
            self.type not in ("f32", "char") and self.scale == 1.0 and self.offset == 0.0 and self.full_scale_of is None
        )

    @property
    def is_number(self) -> bool:
        """Whether its value is a number (or an array of them): no text, no names."""
        return self.type != "char" and not self.names and not self.states


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of registers read (or written) in one exchange: one moment of the device."""

    name: str
    address: int
    count: int
    function: int = 3
    group: str = "poll"
    """"poll": every reading; "once": when the device is identified; others are the driver's ("setpoint")."""
    write_function: Literal[6, 16] = 16
    """How it is written, where it is: 6 for a device that writes single registers only."""
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
    exchanges: int = 0
    """Questions of one reading; 0: as many as its map has polled blocks."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the device can do, for `check`. None: the device or the bench file says, or nobody knows."""

    min_period_s: float = 0.0
    """The shortest time between two readings that it keeps up with."""
    voltage_max_v: float | None = None
    current_max_a: float | None = None
    power_max_w: float | None = None
    sinks: bool | None = None
    """Whether a cycler can discharge a pack."""
    slew_a_s: float | None = None
    voltage_accuracy: float | None = None
    """Of full scale, as the data sheet states it."""
    current_accuracy: float | None = None
    """Of full scale, as the data sheet states it."""
    cells_max: int | None = None
    """Cells that a BMS (or one answer of its protocol) can report."""
    cells_reported: bool = True
    """Whether every cell's voltage is in its readings."""
    discharges: bool = True
    """Whether a pack can be discharged while it is watched (GB/T 27930 is charge-only)."""
    holds_voltage: bool = True
    """Whether a cycler holds a constant voltage by itself; where it does not, the engine does."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What its driver and emulator have been held against, in words; empty: nothing yet."""

    frames: str = ""
    """Captured or documented frames."""
    peers: str = ""
    """Independent programs that ran against it."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A captured or documented exchange that the device file is held against."""

    framing: Framing | None
    """How Modbus was framed; None for other protocols."""
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
class DeviceType:
    """A type of device, from configs/devices/*.yaml; register facts are empty where it speaks no Modbus."""

    name: str
    title: str
    kind: Kind
    driver: str
    """"mapped" or the name of a driver of its own (`ea-psb`); "none": decoded only."""
    protocol: Protocol
    links: tuple[Scheme, ...]
    """URL schemes by which it can be reached."""
    unit: int
    """Default unit number (or address)."""
    reply_unit_offset: int
    """Added to the unit asked, it is the one that answers."""
    line: Line
    capabilities: Capabilities
    confirmed: Confirmed
    emulated_pack: str | None
    """The pack that its emulator is given when nobody names one; None: nobody plays it."""
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

    def fields_of(self, group: str) -> tuple[Field, ...]:
        """The fields that the blocks of a group read, block by block."""
        return tuple(item for block in self.group(group) for item in self.fields_in(block.address, block.count))

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
