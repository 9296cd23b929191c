"""A meter that is nothing but its map: an insulation tester, an independent voltmeter.

Owns the choice of what becomes a value: every polled number, under the name that says its unit. It only reads: a
measurement that has to be started (and puts a test voltage on the pack) is not this driver's to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packbench.core.samples import MeterSample, Quality
from packbench.drivers.mapped_reading import group_readings, identity_of, joined, names_of, numbers_of, read_blocks
from packbench.drivers.protocols import Identity
from packbench.maps.conventions import measures
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.modbus import ModbusRequest


class MappedMeter:
    """`protocols.Meter` by map.

    Args:
        device: The map; the loader has checked that its numbers are named with their units.
        link: The bus.
        unit: Unit number on that bus.
        settings: The map's options by name; ratings that its scales refer to.
    """

    def __init__(
        self,
        device: DeviceType,
        link: Link[ModbusRequest, bytes],
        unit: int,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._device = device
        self._link = link
        numbers = numbers_of({**device.options, **(settings or {})})
        self._poll = group_readings(device, "poll", unit, numbers)
        self._once = group_readings(device, "once", unit, numbers)
        self._values = {item.meaning: item.name for item in device.fields_of("poll") if measures(item)}
        self.quantities = frozenset(self._values)
        self._alarms = names_of(device, "alarms")

    async def identify(self) -> Identity:
        _, values, _ = await read_blocks(self._link, self._once)
        return identity_of(self._device, values)

    async def read(self) -> MeterSample:
        """One reading; a number that the device has not got yet is not in it."""
        t_ns, values, bad = await read_blocks(self._link, self._poll)
        found = {meaning: float(values[name]) for meaning, name in self._values.items() if name in values}
        quality = Quality.IMPLAUSIBLE if bad else Quality.GOOD
        alarms = joined(values, self._alarms) if self._alarms else None
        return MeterSample(t_ns, found, alarms, quality)
