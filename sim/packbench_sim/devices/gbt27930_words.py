"""What a simulated GB/T 27930 BMS says of its pack: readings as messages.

Owns the step from the plant's readings to the messages, with the resolution and the bounds of each field. Must not
know when anything is said (`gbt27930` does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from packbench.config.chemistry import CHEMISTRIES
from packbench.core.specs import PackSpec
from packbench.wire.gbt27930.messages import (
    MODE_CC,
    NORMAL,
    SECOND,
    SET,
    Bcl,
    Bcp,
    Bcs,
    Bhm,
    Bmt,
    Bmv,
    Brm,
    Bsd,
    Bsm,
    GbtMessage,
)
from packbench_sim.parts import BmsReading

_TYPES: Final = {"lfp": 3, "lmo": 4, "nmc": 6}
_STATES: Final = {
    "cell_over_voltage": ("cell_voltage", SET),
    "cell_under_voltage": ("cell_voltage", SECOND),
    "soc_high": ("soc", SET),
    "soc_low": ("soc", SECOND),
    "charge_over_current": ("over_current", SET),
    "over_temperature": ("over_temperature", SET),
    "insulation_low": ("insulation", SET),
    "connector_fault": ("connector", SET),
}
_CELLS_MAX: Final = 256
_SENSORS_MAX: Final = 128
_REMAINING_MAX_S: Final = 600 * 60.0


@dataclass(frozen=True, slots=True)
class Plate:
    """What a BMS says of itself besides what it measures."""

    maker: str = "PKBH"
    """4 characters."""
    vin: str = "PACKBENCH00000001"
    """17 characters."""
    brm_bytes: int = 49


class Words:
    """The messages of one pack."""

    def __init__(self, pack: PackSpec, plate: Plate) -> None:
        self._pack, self._plate = pack, plate
        limits = pack.limits
        self._cell_max_v = limits.cell_voltage_max_v or pack.cell_full_v
        self._voltage_max_v = pack.cell_full_v * pack.series
        self._current_max_a = _within(limits.charge_current_max_a or pack.rated_capacity_ah, 0.0, 400.0)
        hottest_c = limits.temperature_max_c
        self._temperature_max_c = 60.0 if hottest_c is None else hottest_c

    def bhm(self) -> Bhm:
        """The highest charging voltage."""
        return Bhm(_volts(self._voltage_max_v))

    def measured(self, kind: type[GbtMessage], reading: BmsReading) -> GbtMessage:
        """The message of a kind that follows from a reading."""
        if kind is Brm:
            return self.brm(reading)
        if kind is Bcp:
            return self.bcp(reading)
        if kind is Bcl:
            return self.bcl(reading)
        if kind is Bcs:
            return self.bcs(reading)
        if kind is Bsm:
            return self.bsm(reading)
        if kind is Bmv:
            return self.bmv(reading)
        if kind is Bmt:
            return self.bmt(reading)
        return self.bsd(reading)

    def brm(self, reading: BmsReading) -> Brm:
        """Who it is."""
        pack, plate = self._pack, self._plate
        return Brm(
            version_minor=1,
            version_major=1,
            battery_type=_TYPES[pack.chemistry],
            capacity_ah=_within(pack.rated_capacity_ah, 0.0, 6553.4),
            voltage_v=_volts(CHEMISTRIES[pack.chemistry].nominal_v * pack.series),
            maker=plate.maker,
            charges=min(reading.cycles, 0xFF_FFFE),
            owned=1,
            vin=plate.vin,
            length=plate.brm_bytes,
        )

    def bcp(self, reading: BmsReading) -> Bcp:
        """What the pack allows, and how it is."""
        return Bcp(
            _cell(self._cell_max_v),
            self._current_max_a,
            _within(self._pack.rated_energy_wh, 0.0, 1_000_000.0),
            _volts(self._voltage_max_v),
            _celsius(self._temperature_max_c),
            _within(reading.soc, 0.0, 1.0),
            _volts(reading.voltage_v),
        )

    def bcl(self, reading: BmsReading) -> Bcl:
        """What it wants now."""
        return Bcl(_volts(self._voltage_max_v), _within(reading.charge_limit_a, 0.0, 400.0), MODE_CC)

    def bcs(self, reading: BmsReading) -> Bcs:
        """What it measures."""
        missing_ah = (1.0 - _within(reading.soc, 0.0, 1.0)) * self._pack.rated_capacity_ah
        limit_a = reading.charge_limit_a
        remaining_s = missing_ah / limit_a * 3600.0 if limit_a > 0 else _REMAINING_MAX_S
        return Bcs(
            _volts(reading.voltage_v),
            _within(reading.current_a, -6153.0, 400.0),
            _cell(float(reading.cell_voltages_v.max())),
            0,
            _within(reading.soc, 0.0, 1.0),
            _within(remaining_s, 0.0, _REMAINING_MAX_S),
        )

    def bsm(self, reading: BmsReading) -> Bsm:
        """Its state. An alarm that this message has no bits for still has to show: charging is forbidden."""
        states = [_STATES[name] for name in reading.alarms if name in _STATES]
        nameless = any(name not in _STATES for name in reading.alarms)
        forbidden = nameless or reading.charge_limit_a <= 0
        temperatures_c = reading.temperatures_c
        return Bsm(
            _number(int(reading.cell_voltages_v.argmax())),
            _celsius(float(temperatures_c.max())),
            _number(int(temperatures_c.argmax())),
            _celsius(float(temperatures_c.min())),
            _number(int(temperatures_c.argmin())),
            permit=NORMAL if forbidden else SET,
            **dict(states),
        )

    def bmv(self, reading: BmsReading) -> Bmv:
        """Its cells, in one group."""
        cells = tuple(_cell(value) for value in reading.cell_voltages_v.tolist()[:_CELLS_MAX])
        return Bmv(cells, (0,) * len(cells))

    def bmt(self, reading: BmsReading) -> Bmt:
        """Its sensors."""
        return Bmt(tuple(_celsius(value) for value in reading.temperatures_c.tolist()[:_SENSORS_MAX]))

    def bsd(self, reading: BmsReading) -> Bsd:
        """How it is at the end."""
        cells, temperatures_c = reading.cell_voltages_v, reading.temperatures_c
        return Bsd(
            _within(reading.soc, 0.0, 1.0),
            _cell(float(cells.min())),
            _cell(float(cells.max())),
            _celsius(float(temperatures_c.min())),
            _celsius(float(temperatures_c.max())),
        )


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _volts(value: float) -> float:
    return _within(value, 0.0, 6553.4)


def _cell(value: float) -> float:
    return _within(value, 0.0, 24.0)


def _celsius(value: float) -> float:
    return _within(value, -50.0, 200.0)


def _number(index: int) -> int:
    """Counts from 1; the last that the message has room for stands for all beyond."""
    return min(index + 1, 255)
