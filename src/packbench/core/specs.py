"""What a pack and a bench are, once their files have been read and checked.

Owns the frozen descriptions that every layer shares. Reading the YAML and reporting its errors is
`config`; nothing here touches a file. SI units, suffixed names, positive current charges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from packbench.core.limits import LimitSet

Distribution = Literal["rectangular", "normal"]
Precedence = Literal["tap", "bms"]
Role = Literal["cycler", "bms", "board", "cell_tap", "chamber", "meter"]
Fitted = Literal["chamber", "meter"]
"""Roles of devices that only some benches have."""


@dataclass(frozen=True, slots=True)
class PackSpec:
    """A type of pack (or module or cell) under test, from configs/packs/*.yaml."""

    name: str
    title: str
    chemistry: str
    """"nmc", "lfp" or "lmo"."""
    series: int
    parallel: int
    rated_capacity_ah: float
    rated_energy_wh: float
    cell_cutoff_v: float
    """Discharge cut-off of a cell (maker's data)."""
    cell_full_v: float
    """Charge limit of a cell (maker's data)."""
    temperature_sensors: int
    max_power_w: float
    limits: LimitSet
    """What the pack's maker allows: the pack's layer of the effective limits."""
    plant: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """How the simulator makes one (age, weak cell, imbalance); only `packbench_sim` reads it."""
    title_zh: str = ""
    default_bench: str | None = None
    """Name of the bench that suits it when a command names none."""
    insulation_min_ohm: float | None = None
    """The least insulation between pack and case with which it may be tested; None: it is not watched."""
    bol_resistance_ohm: float | None = None
    """When new, maker's data: 10 s at 50 % SOC; None: the file does not say."""
    bol_power_w: float | None = None
    """When new: discharge for 10 s at 80 % SOC."""
    bol_round_trip_efficiency: float | None = None
    """When new: energy out over energy in, a fraction."""
    insulation_monitor: bool = False
    """It has an insulation monitor of its own, which disturbs (and is disturbed by) one of the bench."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One accuracy statement of an instrument: an error bound and how it is distributed.

    The bound of one reading x is `gain * |x| + offset`; GUM 4.3.7: a rectangular bound a has
    standard uncertainty a / sqrt(3); "normal" bounds are expanded with k = 2 (certificate).
    Gain and offset are constant over one run (fully correlated between its samples).
    """

    gain: float
    """Relative, e.g. 0.001 for 0.1 % of reading."""
    offset: float
    """In the quantity's own SI unit (already multiplied out from % of full scale)."""
    distribution: Distribution = "rectangular"
    resolution: float = 0.0
    """Least step of a reading, in the quantity's SI unit."""
    noise: float = 0.0
    """Standard deviation of one reading, independent between readings."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A measuring device of the bench with its paper trail."""

    name: str
    serial: str
    certificate: str
    calibrated_on: str
    """YYYY-MM-DD"""
    due_on: str
    """YYYY-MM-DD; a run that ends after this day is invalid."""
    quantities: MappingProxyType[str, Accuracy]
    """Keys: "current_a", "voltage_v", "cell_voltage_v", "temperature_c", "energy_wh", "time" (gain only)."""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device of the bench: which map or driver, where it is, how often it is asked."""

    role: Role
    device: str
    """A name of configs/devices (`ea-psb`) or `packbench-board`."""
    url: str
    """DESIGN 10; `emulated:` + scheme asks for a live emulator of our own on that transport."""
    unit: int
    poll_period_ns: int
    stale_after_ns: int
    reply_timeout_ns: int
    settings: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Ratings and options of the device: e.g. rated_voltage_v, rated_current_a, rated_power_w."""
    stated_fast_ns: int | None = None
    """What the bench file says of `poll_fast_ns`, if it does."""

    @property
    def poll_fast_ns(self) -> int:
        """How often it is asked while things move fast (a pulse's edges); the usual period unless the bench says."""
        return self.poll_period_ns if self.stated_fast_ns is None else self.stated_fast_ns


@dataclass(frozen=True, slots=True)
class CellTapSpec:
    """An external monitor on the pack's cells (drivers/cell_tap.py). It is asked whenever the BMS is."""

    device: DeviceSpec
    """A device of the kind "bms"; period and age are the BMS's."""
    precedence: Precedence = "tap"
    """Whose cells (and temperatures) count; the other fills in what is missing."""
    cross_check_v: float | None = None
    """The most that the two may differ in any cell; None: they are not compared."""
    bms_required: bool = True
    """Whether a run goes on only while the pack's BMS answers too."""


@dataclass(frozen=True, slots=True)
class BenchSpec:
    """A bench, from configs/benches/*.yaml."""

    name: str
    title: str
    cycler: DeviceSpec
    bms: DeviceSpec
    board: DeviceSpec
    heartbeat_period_ns: int
    lease_ns: int
    contactor_release_ns: int
    sense_point: Literal["pack", "cycler"]
    cable_resistance_ohm: float
    cable_resistance_u_ohm: float
    """Standard uncertainty of the cable's resistance."""
    ambient_c: float
    limits: MappingProxyType[str, LimitSet]
    """Layers besides the pack: "cycler", "cable", "board"."""
    setpoint_tolerance_a: float
    setpoint_delay_ns: int
    alarm_policy: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """BMS alarm name to "stop" or "log"; an alarm not named stops."""
    instruments: tuple[Instrument, ...] = ()
    title_zh: str = ""
    cell_tap: CellTapSpec | None = None
    chamber: DeviceSpec | None = None
    """The climate chamber that the pack is in."""
    meter: DeviceSpec | None = None
    """An instrument that is read beside them: an insulation meter."""
    resume_automatic: bool = False
    """A run that was cut short may go on without a person's word."""
    resume_within_ns: int = 24 * 3_600_000_000_000
    """And no later than this."""
    max_hold_ns: int = 2 * 3_600_000_000_000
    """A run that an operator has paused for longer is stopped."""

    @property
    def devices(self) -> dict[str, DeviceSpec]:
        """Every device that is talked to, by its role."""
        found = {"cycler": self.cycler, "bms": self.bms, "board": self.board}
        if self.cell_tap is not None:
            found["cell_tap"] = self.cell_tap.device
        return {**found, **self.fitted}

    @property
    def fitted(self) -> dict[Fitted, DeviceSpec]:
        """What not every bench has, and what is polled and watched by itself where it is there."""
        found: dict[Fitted, DeviceSpec] = {}
        if self.chamber is not None:
            found["chamber"] = self.chamber
        if self.meter is not None:
            found["meter"] = self.meter
        return found

    def accuracy(self, instrument: str, quantity: str) -> Accuracy:
        """The accuracy of a quantity as an instrument ("cycler", "bms") reads it; KeyError if not stated."""
        for candidate in self.instruments:
            if candidate.name == instrument:
                return candidate.quantities[quantity]
        raise KeyError(instrument)
