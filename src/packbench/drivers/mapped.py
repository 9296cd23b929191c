"""A BMS that is nothing but its map.

Owns the way from a map's blocks to one BmsSample: read every polled block, put the fields where
`core.samples` has a place for them, mark what is implausible. No device is known here; a device that
needs an "if" gets a driver of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from packbench.core.samples import BmsSample, FloatArray, Quality, bms_sample
from packbench.drivers.protocols import Identity
from packbench.maps.codec import Decoded, Layout, compile_block
from packbench.maps.schema import Block, DeviceType
from packbench.transport.link import Link
from packbench.wire.modbus import ModbusRequest, read_registers

_NUMBERS = ("voltage_v", "current_a", "soc", "soh", "charge_limit_a", "discharge_limit_a")
_FLAGS = ("balancing", "charging_allowed", "discharging_allowed")
_SAMPLED = frozenset((*_NUMBERS, *_FLAGS, "cycles", "alarms"))
_NO_CELLS: FloatArray = np.empty(0)


class _Reading:
    """One block: its request and its codec."""

    __slots__ = ("layout", "request")

    def __init__(self, device: DeviceType, block: Block, unit: int, parameters: dict[str, float]) -> None:
        self.request: ModbusRequest = read_registers(unit, block.address, block.count, block.function)
        self.layout: Layout = compile_block(device, block, parameters)


class MappedBms:
    """`protocols.Bms` by map.

    Args:
        device: The map.
        link: The bus.
        unit: Unit number on that bus.
        parameters: Ratings that scales of the map refer to.
    """

    def __init__(
        self,
        device: DeviceType,
        link: Link[ModbusRequest, bytes],
        unit: int,
        parameters: dict[str, float] | None = None,
    ) -> None:
        self._device = device
        self._link = link
        parameters = parameters or {}
        self._poll = tuple(_Reading(device, block, unit, parameters) for block in device.group("poll"))
        self._once = tuple(_Reading(device, block, unit, parameters) for block in device.group("once"))
        self._settings: dict[str, Any] = {}
        self._settings_bad: tuple[str, ...] = ()
        self._temperature_names = tuple(
            name for name, item in device.fields.items() if (item.quantity or name) == "temperatures_c"
        )
        self._flag_names = tuple(name for name, item in device.fields.items() if item.quantity == "flags")
        self._flags_known = frozenset(bit for name in self._flag_names for _, bit in device.fields[name].names)
        # An instant per value of the alive counter: a counter that stands still is an old measurement.
        self._alive: int | None = None
        self._alive_ns = 0

    async def identify(self) -> Identity:
        """Read the blocks that do not change, and keep the settings among them."""
        values: dict[str, Any] = {}
        bad: list[str] = []
        for item in self._once:
            reply = await self._link.exchange(item.request)
            decoded = item.layout.decode(reply.value)
            values |= decoded.values
            bad += decoded.implausible
        self._settings = {name: value for name, value in values.items() if name in _SAMPLED}
        self._settings_bad = tuple(bad)
        return Identity(
            str(values.get("model", self._device.title)),
            str(values.get("serial", "")),
            str(values.get("firmware", "")),
        )

    async def read(self) -> BmsSample:
        """One sample. Its instant is that of the oldest block in it, and of the newest measurement."""
        first = self._poll[0]
        reply = await self._link.exchange(first.request)
        t_ns = reply.t_ns
        decoded = first.layout.decode(reply.value)
        for item in self._poll[1:]:
            reply = await self._link.exchange(item.request)
            more = item.layout.decode(reply.value)
            decoded.values.update(more.values)
            if more.implausible:
                decoded = Decoded(decoded.values, decoded.implausible + more.implausible)
        return self._sample(t_ns, decoded)

    def _sample(self, t_ns: int, decoded: Decoded) -> BmsSample:
        values = decoded.values if not self._settings else {**self._settings, **decoded.values}
        get = values.get
        alive: int | None = get("alive")
        if alive is not None:
            if alive == self._alive:
                t_ns = self._alive_ns
            else:
                self._alive, self._alive_ns = alive, t_ns
        voltage_v, current_a, soc, soh, charge_a, discharge_a = map(get, _NUMBERS)
        balancing, charging, discharging = self._flags(values)
        if charging is False:
            charge_a = 0.0
        if discharging is False:
            discharge_a = 0.0
        bad = decoded.implausible or self._settings_bad
        return bms_sample(
            t_ns,
            get("cell_voltages_v", _NO_CELLS),
            self._temperatures(values),
            voltage_v=voltage_v,
            current_a=current_a,
            soc=soc,
            soh=soh,
            cycles=get("cycles"),
            alarms=get("alarms", ()),
            charge_limit_a=charge_a,
            discharge_limit_a=discharge_a,
            balancing=balancing,
            quality=Quality.IMPLAUSIBLE if bad else Quality.GOOD,
        )

    def _temperatures(self, values: dict[str, Any]) -> tuple[float, ...]:
        found: list[float] = []
        for name in self._temperature_names:
            value = values.get(name)
            if value is None:
                continue
            if isinstance(value, np.ndarray):
                found += value.tolist()
            else:
                found.append(value)
        return tuple(found)

    def _flags(self, values: dict[str, Any]) -> tuple[bool | None, bool | None, bool | None]:
        """(balancing, charging allowed, discharging allowed); None where the device does not say."""
        flags: tuple[str, ...] = ()
        for name in self._flag_names:
            flags += values.get(name, ())
        balancing, charging, discharging = (
            name in flags if name in self._flags_known else None if (value := values.get(name)) is None else bool(value)
            for name in _FLAGS
        )
        return balancing, charging, discharging
