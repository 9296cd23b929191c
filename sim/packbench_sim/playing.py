"""What an emulator is made of: the device's file, where it stands on its bus, and the plant behind it.

Owns that one shape, which every player in `wiring.py` gets, and the checking of the words a person sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite, nan

from packbench.core.errors import InputError, Problem
from packbench.core.specs import PackSpec
from packbench.maps.schema import DeviceType, Scheme
from packbench.wire.modbus import Framing
from packbench_sim.cells import SOUND_OHM
from packbench_sim.parts import BmsPart, CyclerPart, WireDevice

Silent = Callable[[int], bool]
"""Whether the device says nothing at an instant (a fault)."""
Switches = Callable[[int, bool, bool], None]
"""(instant, charging allowed, discharging allowed): what a BMS does with its own switches."""
Surroundings = Callable[[int, float], None]
"""(instant, air temperature in degC): what a climate chamber does to the pack."""

Insulation = Callable[[int], float]
"""Instant to the resistance between pack and case, ohm."""
Energy = Callable[[int], float]
"""Instant to the energy that went into the pack until then, net, J."""


def _no_switches(_t_ns: int, _charge: bool, _discharge: bool) -> None:
    """Nothing follows the switches."""


def _no_surroundings(_t_ns: int, _temperature_c: float) -> None:
    """Nothing follows the chamber."""


def _sound(_t_ns: int) -> float:
    """Nothing behind it that leaks to its case."""
    return SOUND_OHM


def _no_energy(_t_ns: int) -> float:
    """No pack behind it."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Playing:
    """One emulator's part."""

    type: DeviceType
    unit: int
    scheme: Scheme
    pack: PackSpec
    """The pack behind it: rated capacity, series cells."""
    cycler: CyclerPart
    bms: BmsPart
    silent: Silent | None = None
    switches: Switches = _no_switches
    surroundings: Surroundings = _no_surroundings
    ambient_c: float = 25.0
    insulation: Insulation = _sound
    energy_j: Energy = _no_energy
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Words of the device's own (`asleep=1`), by name; see `option`."""

    @property
    def framing(self) -> Framing:
        """How Modbus is framed on this link."""
        return "mbap" if self.scheme == "modbus+tcp" else "rtu"

    def option(self, name: str, default: float) -> float:
        """An option of the device as a number. Raises InputError when its word is none."""
        text = self.options.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = nan
        if not isfinite(value):
            raise InputError(Problem("", field=f"--set {name}", found=text, expected="a number"))
        return value

    def text(self, name: str, default: str) -> str:
        """An option of the device as it was written."""
        return self.options.get(name, default)


@dataclass(frozen=True, slots=True)
class Player:
    """How a device is played, and which words it understands."""

    make: Callable[[Playing], WireDevice]
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Option to what it does, for people (`devices emulate NAME --help` lists them by `devices show`)."""
