"""A BMS that is nothing but its map.

Owns the way from a map's blocks to one BmsSample: put the fields where `core.samples` has a place for them, leave out
what the map does not have, mark what is implausible. No device is known here; a device that needs an "if" gets a
driver of its own (and may use this one).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from packbench.core.samples import BmsSample, FloatArray, Quality, bms_sample
from packbench.drivers.mapped_reading import Flags, group_readings, identity_of, joined, names_of, read_blocks
from packbench.drivers.protocols import Identity
from packbench.maps.codec import Decoded
from packbench.maps.conventions import FLAGS
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.modbus import ModbusRequest

_NUMBERS = ("voltage_v", "current_a", "soc", "soh", "charge_limit_a", "discharge_limit_a", "cycles")
_FLAGS = FLAGS["bms"]
_NO_CELLS: FloatArray = np.empty(0)


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
        parameters: Mapping[str, float] | None = None,
    ) -> None:
        self._device = device
        self._link = link
        self._poll = group_readings(device, "poll", unit, parameters or {})
        self._once = group_readings(device, "once", unit, parameters or {})
        self._settings: dict[str, Any] = {}
        self._settings_bad: tuple[str, ...] = ()
        self._kept = frozenset(item.name for item in device.fields_of("once") if item.meaning in _NUMBERS)
        read = (*device.fields_of("once"), *device.fields_of("poll"))
        fields = {item.meaning: item.name for item in read if item.meaning in (*_NUMBERS, "alive")}
        self._numbers = tuple(fields.get(name, "") for name in _NUMBERS)
        self._counter = fields.get("alive", "")
        self._cells = names_of(device, "cell_voltages_v")
        self._temperatures = names_of(device, "temperatures_c")
        self._alarms = names_of(device, "alarms")
        self._flags = Flags(device, _FLAGS)
        # An instant per value of the alive counter: a counter that stands still is an old measurement.
        self._alive: int | None = None
        self._alive_ns = 0

    async def identify(self) -> Identity:
        """Read the blocks that do not change, and keep the settings among them."""
        _, values, bad = await read_blocks(self._link, self._once)
        self._settings = {name: value for name, value in values.items() if name in self._kept}
        self._settings_bad = bad
        return identity_of(self._device, values)

    async def read(self) -> BmsSample:
        """One sample. Its instant is that of the oldest block in it, and of the newest measurement."""
        t_ns, values, bad = await read_blocks(self._link, self._poll)
        return self._sample(t_ns, Decoded(values, bad))

    def _sample(self, t_ns: int, decoded: Decoded) -> BmsSample:
        values = decoded.values if not self._settings else {**self._settings, **decoded.values}
        get = values.get
        alive: int | None = get(self._counter)
        if alive is not None:
            if alive == self._alive:
                t_ns = self._alive_ns
            else:
                self._alive, self._alive_ns = alive, t_ns
        voltage_v, current_a, soc, soh, charge_a, discharge_a, cycles = map(get, self._numbers)
        flags = self._flags.read(values)
        if flags.get("charging_allowed") is False:
            charge_a = 0.0
        if flags.get("discharging_allowed") is False:
            discharge_a = 0.0
        bad = decoded.implausible or self._settings_bad
        return bms_sample(
            t_ns,
            self._cell_voltages(values),
            tuple(_listed(values, self._temperatures)),
            voltage_v=voltage_v,
            current_a=current_a,
            soc=soc,
            soh=soh,
            cycles=cycles,
            alarms=joined(values, self._alarms) if self._alarms else None,
            charge_limit_a=charge_a,
            discharge_limit_a=discharge_a,
            balancing=flags.get("balancing"),
            quality=Quality.IMPLAUSIBLE if bad else Quality.GOOD,
        )

    def _cell_voltages(self, values: Mapping[str, Any]) -> FloatArray:
        """Shape (n,), in the order of the fields."""
        if len(self._cells) == 1 and isinstance(cells := values.get(self._cells[0]), np.ndarray):
            # The usual case: one array, as it was decoded.
            return cast("FloatArray", cells)
        found = _listed(values, self._cells)
        return np.array(found) if found else _NO_CELLS


def _listed(values: Mapping[str, Any], names: tuple[str, ...]) -> list[float]:
    """The numbers of several fields; those that are not fitted are left out."""
    found: list[float] = []
    for name in names:
        value = values.get(name)
        if isinstance(value, np.ndarray):
            found += cast("FloatArray", value).tolist()
        elif value is not None:
            found.append(float(value))
    return found
