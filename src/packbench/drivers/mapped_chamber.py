"""A climate chamber that is nothing but its map.

Owns the order of its commands: a set-point is written, read back, and only then run; it stops ahead of whatever
waits on the bus. Names are those of `maps/conventions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packbench.core.samples import ChamberSample, Quality
from packbench.drivers.mapped_reading import (
    Flags,
    group_readings,
    identity_of,
    joined,
    names_of,
    numbers_of,
    read_blocks,
    switches_of,
)
from packbench.drivers.protocols import Identity
from packbench.drivers.setpoints import SetBlock, read_back_ns
from packbench.maps.conventions import FLAGS, SETPOINT
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.modbus import ModbusRequest


class MappedChamber:
    """`protocols.Chamber` by map.

    Args:
        device: The map; the loader has checked that it says all that is needed here.
        link: The bus.
        unit: Unit number on that bus.
        settings: The map's options by name, `read_back_ms` (300) among them; ratings that its scales refer to.
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
        settings = {**device.options, **(settings or {})}
        numbers = numbers_of(settings)
        self._poll = group_readings(device, "poll", unit, numbers)
        self._once = group_readings(device, "once", unit, numbers)
        (block,) = device.group(SETPOINT)
        self._setpoint = SetBlock(device, link, unit, block, numbers, read_back_ns(settings))
        self._switches = switches_of(device, unit)
        self._flags = Flags(device, FLAGS["chamber"])
        self._alarms = names_of(device, "alarms")
        names = {item.meaning: item.name for item in device.fields_of("poll")}
        self._temperature = names["temperature_c"]
        self._shown_setpoint = names.get("setpoint_c", "set_temperature_c")
        self._humidity = names.get("humidity", "")

    async def identify(self) -> Identity:
        _, values, _ = await read_blocks(self._link, self._once)
        return identity_of(self._device, values)

    async def read(self) -> ChamberSample:
        """One reading. An air temperature or set-point that the device says is invalid makes it implausible."""
        t_ns, values, bad = await read_blocks(self._link, self._poll)
        temperature_c = values.get(self._temperature)
        setpoint_c = values.get(self._shown_setpoint)
        whole = temperature_c is not None and setpoint_c is not None
        return ChamberSample(
            t_ns,
            float("nan") if temperature_c is None else float(temperature_c),
            float("nan") if setpoint_c is None else float(setpoint_c),
            self._flags.read(values).get("running", False),
            values.get(self._humidity),
            joined(values, self._alarms) if self._alarms else None,
            Quality.GOOD if whole and not bad else Quality.IMPLAUSIBLE,
        )

    async def hold(self, temperature_c: float) -> None:
        """See `protocols.Chamber`. Raises DeviceRefused for a set-point outside the device's range."""
        if "remote" in self._switches:
            await self._link.exchange(self._switches["remote"].on)
        await self._setpoint.write({"set_temperature_c": temperature_c})
        await self._link.exchange(self._switches["run"].on)

    async def stop(self) -> None:
        await self._link.exchange(self._switches["run"].off, urgent=True)
