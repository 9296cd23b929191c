"""Where the values of each GB/T 27930 message lie, and the way from bytes to message and back.

Owns the table of layouts (byte and bit positions, scales, lengths), `decode_message` and `encode_message`: exact
inverses of each other on every payload of a right length. Sources: see `gbt27930_messages`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from packbench.core.errors import BadReply
from packbench.wire.gbt27930.fields import Bits, Field, Number, Numbers, Raw, States, Text, Unused
from packbench.wire.gbt27930.messages import (
    Bcl,
    Bcp,
    Bcs,
    Bem,
    Bhm,
    Bmt,
    Bmv,
    Brm,
    Bro,
    Bsd,
    Bsm,
    Bsp,
    Bst,
    Ccs,
    Cem,
    Chm,
    Cml,
    Crm,
    Cro,
    Csd,
    Cst,
    Cts,
    GbtMessage,
)

MessageT = TypeVar("MessageT")


class Layout(NamedTuple):
    """One message."""

    fields: tuple[Field, ...]
    lengths: tuple[int, ...] | range
    """Bytes, those of the standard last."""
    length_of: Callable[[Any], int] | None = None
    """The length of one message; None: it has but one."""


def _volts(name: str, at: int) -> Number:
    return Number(name, at, 2, 1, 10)


def _amps(name: str, at: int) -> Number:
    """Raw 4000 is 0 A and discharge counts up; positive charges here."""
    return Number(name, at, 2, -1, 10, 4000)


def _cell(name: str, at: int, width: int = 0) -> Number:
    return Number(name, at, 2, 1, 100, width=width)


def _celsius(name: str, at: int) -> Number:
    return Number(name, at, 1, zero=50)


def _minutes(name: str, at: int) -> Number:
    return Number(name, at, 2, 60)


def _tenth_kwh(name: str, at: int) -> Number:
    return Number(name, at, 2, 100)


def _percent(name: str, at: int) -> Number:
    return Number(name, at, 1, 1, 100)


def _count(name: str, at: int, size: int, zero: int = 0) -> Number:
    return Number(name, at, size, zero=zero, whole=True)


def _byte(name: str, at: int) -> Bits:
    return Bits(name, 8 * at, 8)


def _pair(name: str, at: int, bit: int) -> Bits:
    return Bits(name, 8 * at + bit, 2)


def _stop(first_bits: tuple[int, ...]) -> tuple[Field, ...]:
    """2-bit states in 4 bytes, and the bits between them."""
    used = sum(3 << bit for bit in first_bits)
    return States("states", first_bits), Unused("unused", 0xFFFF_FFFF & ~used)


def _own_length(message: Brm | Cml | Ccs) -> int:
    return message.length


def _cells_length(message: Bmv) -> int:
    return 2 * len(message.cell_voltages_v)


def _sensors_length(message: Bmt) -> int:
    return len(message.temperatures_c)


def _data_length(message: Bsp) -> int:
    return len(message.data)


_STATE: Final = (_byte("state", 0),)

LAYOUTS: Final[dict[type, Layout]] = {
    Chm: Layout((_byte("version_minor", 0), Bits("version_major", 8, 16)), (3,)),
    Bhm: Layout((_volts("voltage_max_v", 0),), (2,)),
    Crm: Layout((*_STATE, _count("charger_number", 1, 4), Text("region", 5, 3)), (8,)),
    Brm: Layout(
        (
            _byte("version_minor", 0),
            Bits("version_major", 8, 16),
            _byte("battery_type", 3),
            Number("capacity_ah", 4, 2, 1, 10),
            _volts("voltage_v", 6),
            Text("maker", 8, 4),
            Raw("serial", 12, 4),
            _count("made_year", 16, 1, -1985),
            _count("made_month", 17, 1),
            _count("made_day", 18, 1),
            _count("charges", 19, 3),
            _count("owned", 22, 1),
            _byte("reserved", 23),
            Text("vin", 24, 17),
            Raw("software", 41, 8),
        ),
        (41, 49),
        _own_length,
    ),
    Bcp: Layout(
        (
            _cell("cell_voltage_max_v", 0),
            _amps("charge_current_max_a", 2),
            _tenth_kwh("energy_wh", 4),
            _volts("voltage_max_v", 6),
            _celsius("temperature_max_c", 8),
            Number("soc", 9, 2, 1, 1000),
            _volts("voltage_v", 11),
        ),
        (13,),
    ),
    Cts: Layout((Raw("clock", 0, 7),), (7,)),
    Cml: Layout(
        (
            _volts("voltage_max_v", 0),
            _volts("voltage_min_v", 2),
            _amps("current_max_a", 4),
            _amps("current_min_a", 6),
        ),
        (6, 8),
        _own_length,
    ),
    Bro: Layout(_STATE, (1,)),
    Cro: Layout(_STATE, (1,)),
    Bcl: Layout((_volts("voltage_demand_v", 0), _amps("current_demand_a", 2), _byte("mode", 4)), (5,)),
    Bcs: Layout(
        (
            _volts("voltage_v", 0),
            _amps("current_a", 2),
            _cell("cell_voltage_max_v", 4, 12),
            Bits("cell_group", 44, 4),
            _percent("soc", 6),
            _minutes("remaining_s", 7),
        ),
        (9,),
    ),
    Ccs: Layout(
        (
            _volts("voltage_v", 0),
            _amps("current_a", 2),
            _minutes("elapsed_s", 4),
            _pair("permit", 6, 0),
            Bits("unused", 50, 6),
            _byte("spare", 7),
        ),
        (6, 7, 8),
        _own_length,
    ),
    Bsm: Layout(
        (
            _count("cell_max_number", 0, 1, -1),
            _celsius("temperature_max_c", 1),
            _count("temperature_max_number", 2, 1, -1),
            _celsius("temperature_min_c", 3),
            _count("temperature_min_number", 4, 1, -1),
            _pair("cell_voltage", 5, 0),
            _pair("soc", 5, 2),
            _pair("over_current", 5, 4),
            _pair("over_temperature", 5, 6),
            _pair("insulation", 6, 0),
            _pair("connector", 6, 2),
            _pair("permit", 6, 4),
            _pair("unused", 6, 6),
        ),
        (7,),
    ),
    Bmv: Layout(
        (
            Numbers("cell_voltages_v", _cell("cell_voltages_v", 0, 12)),
            Numbers("groups", Number("groups", 0, 2, first_bit=12, width=4, whole=True)),
        ),
        range(2, 513, 2),
        _cells_length,
    ),
    Bmt: Layout(
        (Numbers("temperatures_c", _celsius("temperatures_c", 0)),),
        range(1, 129),
        _sensors_length,
    ),
    Bsp: Layout((Raw("data"),), range(1, 17), _data_length),
    Bst: Layout(_stop(tuple(range(0, 28, 2))), (4,)),
    Cst: Layout(_stop((*range(0, 20, 2), 24, 26)), (4,)),
    Bsd: Layout(
        (
            _percent("soc", 0),
            _cell("cell_voltage_min_v", 1),
            _cell("cell_voltage_max_v", 3),
            _celsius("temperature_min_c", 5),
            _celsius("temperature_max_c", 6),
        ),
        (7,),
    ),
    Csd: Layout((_minutes("elapsed_s", 0), _tenth_kwh("energy_wh", 2), _count("charger_number", 4, 4)), (8,)),
    Bem: Layout(_stop((0, 2, 8, 10, 16, 18, 24)), (4,)),
    Cem: Layout(_stop((0, 8, 10, 16, 18, 20, 24)), (4,)),
}


def decode_message(kind: type[MessageT], payload: bytes) -> MessageT:
    """The message of a payload.

    Raises:
        BadReply: Its length is none of this message's.
    """
    layout = LAYOUTS[kind]
    if len(payload) not in layout.lengths:
        raise BadReply(f"{kind.__name__.upper()} of {len(payload)} bytes, expected {_lengths(layout)}")
    values = {field.name: field.get(payload) for field in layout.fields}
    if layout.length_of is _own_length:
        values["length"] = len(payload)
    return kind(**values)


def encode_message(message: GbtMessage) -> bytes:
    """The payload of a message; what a shorter form of it has no room for is left out.

    Raises:
        ValueError: A value does not fit its field, or no such message has that length.
    """
    layout = LAYOUTS[type(message)]
    length = layout.lengths[-1] if layout.length_of is None else layout.length_of(message)
    if length not in layout.lengths:
        raise ValueError(f"{type(message).__name__.upper()} of {length} bytes, expected {_lengths(layout)}")
    payload = bytearray(b"\xff" * length)
    for field in layout.fields:
        field.put(payload, getattr(message, field.name))
    return bytes(payload)


def _lengths(layout: Layout) -> str:
    lengths = layout.lengths
    return f"{lengths[0]} to {lengths[-1]}" if isinstance(lengths, range) else " or ".join(map(str, lengths))
