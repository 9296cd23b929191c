"""What the drivers of the YD/T 1363 line (Pylontech, Seplos V2, PACE) have in common.

Owns the settings that every dialect has (VER, CID1, which temperatures count) and the making of a BmsSample
out of what one pack said. Knows no command; each driver asks its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.core.samples import BmsSample, Quality, bms_sample
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link, Reply
from packbench.wire.ydt1363.frames import YdtReply, YdtRequest

_CELL_MAX_V: Final = 5.5
_SENSOR_RANGE_C: Final = (-50.0, 150.0)
"""Outside, a value is a sensor's fault or none."""


class YdtLine:
    """A device's way onto the bus, with the options of its device file and the bench file's settings.

    Args:
        device: The device file.
        link: The bus.
        settings: The bench file's, by the options' names.
    """

    def __init__(self, device: DeviceType, link: Link[YdtRequest, YdtReply], settings: Mapping[str, Any]) -> None:
        self._link = link
        self._settings = {**device.options, **settings}
        self._version = self.hexadecimal("version")
        self._device = self.hexadecimal("device_type")
        self._cells_only = self.choice("temperatures", ("cells", "all")) == "cells"

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """An option that has one of a few values. Raises InputError for any other."""
        value = self._settings[name]
        if value not in allowed:
            raise InputError(Problem("", field=name, found=repr(value), expected=" or ".join(allowed)))
        return str(value)

    def hexadecimal(self, name: str) -> int:
        """An option that is a byte as the documents print it ("46"). Raises InputError for any other."""
        value = self._settings[name]
        if not isinstance(value, str) or re.fullmatch("[0-9A-Fa-f]{2}", value) is None:
            raise InputError(Problem("", field=name, found=repr(value), expected='two digits in quotes, as "46"'))
        return int(value, 16)

    def number(self, name: str, own: int) -> int:
        """An option that is "own" (then `own`) or a whole number of 0..255. Raises InputError for any other."""
        value = self._settings[name]
        if value == "own":
            return own
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0xFF:
            raise InputError(Problem("", field=name, found=repr(value), expected="own, or 0 to 255"))
        return value

    def counted(self, temperatures_c: tuple[float, ...], *, first: int = 0, last: int = 0) -> tuple[float, ...]:
        """Those of the cells alone, unless the settings want all: without the `first` and the `last` ones.

        A bench's limits are for cells, and FETs are meant to be hotter.
        """
        if not self._cells_only or len(temperatures_c) <= first + last:
            return temperatures_c
        return temperatures_c[first : len(temperatures_c) - last]

    async def ask(self, request: YdtRequest) -> Reply[YdtReply]:
        """One exchange, in the version and for the device type that the settings say."""
        return await self._link.exchange(replace(request, version=self._version, device=self._device))


@dataclass(frozen=True, slots=True)
class Heard:
    """What one pack said about itself, in the vocabulary of `core.samples`. None: it does not say."""

    cell_voltages_v: tuple[float, ...]
    temperatures_c: tuple[float, ...]
    """Those that count for the pack."""
    voltage_v: float
    current_a: float
    soc: float | None
    cycles: int
    alarms: tuple[str, ...]
    charging_allowed: bool
    discharging_allowed: bool
    soh: float | None = None
    charge_limit_a: float | None = None
    discharge_limit_a: float | None = None
    balancing: bool | None = None

    def sample(self, t_ns: int) -> BmsSample:
        """The sample. What is not allowed has a limit of zero."""
        cells = np.array(self.cell_voltages_v)
        cells.setflags(write=False)
        low_c, high_c = _SENSOR_RANGE_C
        plausible = all(cell <= _CELL_MAX_V for cell in self.cell_voltages_v) and all(
            low_c <= sensor <= high_c for sensor in self.temperatures_c
        )
        return bms_sample(
            t_ns,
            cells,
            self.temperatures_c,
            voltage_v=self.voltage_v,
            current_a=self.current_a,
            soc=None if self.soc is None else min(self.soc, 1.0),
            soh=self.soh,
            cycles=self.cycles,
            alarms=self.alarms,
            charge_limit_a=self.charge_limit_a if self.charging_allowed else 0.0,
            discharge_limit_a=self.discharge_limit_a if self.discharging_allowed else 0.0,
            balancing=self.balancing,
            quality=Quality.GOOD if plausible else Quality.IMPLAUSIBLE,
        )
