"""What all drivers that are nothing but a map share: reading its blocks, and finding values by what they mean.

Owns the way from a group of blocks to one set of values with its instant, from those to an identity, and the switches
(a coil or a register). Must not know what a cycler or a BMS is; the names are `maps/conventions.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from packbench.drivers.protocols import Identity
from packbench.drivers.setpoints import encode_values
from packbench.maps.codec import Decoded, Layout, compile_block
from packbench.maps.conventions import SWITCHES
from packbench.maps.schema import Block, DeviceType
from packbench.transport.link import Link
from packbench.wire.modbus import ModbusRequest, read_registers, write_coil, write_register


class BlockReading(NamedTuple):
    """One block: its request and its codec."""

    request: ModbusRequest
    layout: Layout


def block_reading(device: DeviceType, block: Block, unit: int, parameters: Mapping[str, float]) -> BlockReading:
    """How a block is asked for. Raises InputError when a scale needs a parameter that is not there."""
    request = read_registers(unit, block.address, block.count, block.function)
    return BlockReading(request, compile_block(device, block, dict(parameters)))


def group_readings(
    device: DeviceType, group: str, unit: int, parameters: Mapping[str, float]
) -> tuple[BlockReading, ...]:
    """How all blocks of a group are asked for, in file order."""
    return tuple(block_reading(device, block, unit, parameters) for block in device.group(group))


async def read_blocks(
    link: Link[ModbusRequest, bytes], readings: tuple[BlockReading, ...], *, urgent: bool = False
) -> tuple[int, dict[str, Any], tuple[str, ...]]:
    """(instant, values by field name, implausible fields): one exchange a block; the instant is the oldest block's.

    `urgent`: ahead of what waits on the bus. No blocks give instant 0 and no values. Raises DeviceError.
    """
    t_ns = 0
    values: dict[str, Any] = {}
    implausible: tuple[str, ...] = ()
    for request, layout in readings:
        reply = await link.exchange(request, urgent=urgent)
        decoded: Decoded = layout.decode(reply.value)
        if values:
            values.update(decoded.values)
        else:
            t_ns, values = reply.t_ns, decoded.values
        if decoded.implausible:
            implausible += decoded.implausible
    return t_ns, values, implausible


def numbers_of(settings: Mapping[str, Any]) -> dict[str, float]:
    """The settings that are numbers: ratings that scales of a map refer to."""
    return {
        name: float(value)
        for name, value in settings.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def identity_of(device: DeviceType, values: Mapping[str, Any]) -> Identity:
    """Who answered, in the map's words; the device's title where it has none."""
    return Identity(
        str(values.get("model", device.title)), str(values.get("serial", "")), str(values.get("firmware", ""))
    )


def names_of(device: DeviceType, meaning: str, group: str = "poll") -> tuple[str, ...]:
    """The fields of a group that have a meaning, each once."""
    return tuple(dict.fromkeys(item.name for item in device.fields_of(group) if item.meaning == meaning))


def joined(values: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of set bits in several fields, one after the other."""
    found: tuple[str, ...] = ()
    for name in names:
        found += values.get(name, ())
    return found


class Flags:
    """Bits that mean something, wherever the map has them: in a field of flags, or as a field of their own."""

    def __init__(self, device: DeviceType, names: tuple[str, ...]) -> None:
        self._names = names
        self._fields = names_of(device, "flags")
        self._bits_of = {name: frozenset(bit for _, bit in device.fields[name].names) for name in self._fields}
        self._bits = frozenset[str]().union(*self._bits_of.values())
        self._own = {name: found[0] for name in names if (found := names_of(device, name))}

    def known(self, name: str) -> bool:
        """Whether the device says it."""
        return name in self._bits or name in self._own

    def said_in(self, name: str) -> frozenset[str]:
        """The fields that say it."""
        if name not in self._bits:
            return frozenset({self._own[name]} if name in self._own else ())
        return frozenset(field for field, bits in self._bits_of.items() if name in bits)

    def read(self, values: Mapping[str, Any]) -> dict[str, bool]:
        """Those that the device says right now, by name; one that it does not say is not in it."""
        bits = joined(values, self._fields)
        found: dict[str, bool] = {}
        for name in self._names:
            if name in self._bits:
                found[name] = name in bits
            elif name in self._own and (value := values.get(self._own[name])) is not None:
                found[name] = bool(value)
        return found


def flag_readings(device: DeviceType, flags: Flags, name: str, unit: int) -> tuple[BlockReading, ...]:
    """How one polled flag is asked for by itself: the field that says it, without what a scale may be missing for."""
    said_in = flags.said_in(name)
    return tuple(
        block_reading(device, replace(block, address=item.address, count=item.registers), unit, {})
        for block in device.group("poll")
        for item in device.fields_in(block.address, block.count)
        if item.name in said_in
    )


class Switch(NamedTuple):
    """Something that is on or off: the two writes."""

    on: ModbusRequest
    off: ModbusRequest


def switches_of(device: DeviceType, unit: int) -> dict[str, Switch]:
    """The switches that the map has, by name."""
    found: dict[str, Switch] = {}
    for name in SWITCHES[device.kind]:
        if name in device.coils:
            address = device.coils[name]
            found[name] = Switch(write_coil(unit, address, True), write_coil(unit, address, False))
        elif name in device.fields:
            item = device.fields[name]
            layout = compile_block(device, Block(name, item.address, 1), {})
            on, off = (int.from_bytes(encode_values(device, layout, {name: value}), "big") for value in (1, 0))
            found[name] = Switch(write_register(unit, item.address, on), write_register(unit, item.address, off))
    return found
