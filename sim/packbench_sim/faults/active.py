"""Which faults are active in the plant, and when each is injected.

Owns the ids (the project's fault catalogue) that the plant and its wire devices can show, and the
reading of `ID@TIME`. Must not know how a rule reacts to one. It exists so that the same flag is
consulted at byte level (by the wire devices) and at object level (by the direct drivers).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from packbench.core.errors import InputError, Problem


@dataclass(slots=True)
class Faults:
    """Flags, all off at first. `Plant.inject` sets them; devices read them on every exchange."""

    bms_silent: bool = False
    """comms.bms_lost: the BMS answers nothing."""
    cycler_silent: bool = False
    """comms.cycler_lost: the cycler answers nothing; its own watchdog switches off later."""
    setpoint_ignored: bool = False
    """power.setpoint: the output settles at 80 % of the current asked for."""
    ignores_off: bool = False
    """power.ignores_off: "off" is acknowledged and not done."""
    welded: bool = False
    """power.weld: the contactor stays closed."""
    precharge_dead: bool = False
    """power.precharge: its relay is driven and does not close."""
    pack_reversed: bool = False
    """power.reversed: the board sees the pack the wrong way round."""
    shunt_reversed: bool = False
    """sensor.sign: the board sees the current the wrong way round."""
    chain_open: bool = False
    """pack.hvil: the interlock loop is open, and takes coil and enable away in hardware."""
    estop_pressed: bool = False
    """pack.hvil: it is the emergency stop that does."""
    cells_missing: bool = False
    """sensor.cells_missing: the BMS reports the first 85 % of the cells (81 of 96)."""
    weak_cell: bool = False
    """sensor.weak_cell: one cell was pushed over its limit."""
    frozen: bool = False
    """sensor.frozen: the BMS repeats its last values with fresh timestamps."""
    cooling_lost: bool = False
    """power.cooling: the conditioning heats instead of cooling, 3 K/min a cell."""
    scale_wrong: bool = False
    """sensor.scale: the cycler's voltage reading is wrong by a factor of 10."""
    balancing: bool = False
    """pack.balancing: the BMS says that it balances."""
    chamber_silent: bool = False
    """comms.chamber_lost: the climate chamber answers nothing, and does what it was told last."""
    meter_silent: bool = False
    """comms.meter_lost: the insulation meter answers nothing."""
    insulation_lost: bool = False
    """pack.insulation: a leak of 50 kohm between the pack and its case."""
    sentinel: bool = False
    """sensor.sentinel: one cell reads 65.535 V."""
    thermo_open: bool = False
    """sensor.thermo_open: one temperature sensor reads what an open one does."""
    sense_open: bool = False
    """sensor.sense_lead: a sense lead of the cycler is open, and it reads a fraction of the voltage."""
    coil_dead: bool = False
    """power.opened_hot: the coil's supply is gone."""
    pack_open: bool = False
    """power.load_dump: the pack has opened its own contactor."""
    overdriven: bool = False
    """power.overcurrent: the output runs away, beyond what the board allows."""
    mains_lost: bool = False
    """power.mains: the cycler has no supply."""
    gas: bool = False
    """pack.runaway: gas, and heat."""
    terminals_off: bool = False
    """power.precharge, slight: with the contactor open the cycler's terminals stay a tenth below what they are told."""
    bms_reversed: bool = False
    """sensor.sign, slight: the BMS reports its current the wrong way round."""
    meter_reversed: bool = False
    """sensor.sign, of the cycler's own meter: it shows its current the wrong way round."""
    switches_hot: bool = False
    """power.cooling, of the BMS's own switches: nobody but the BMS sees it, and raises an alarm."""
    cell_dead: bool = False
    """pack.deep_cell: one cell is deeply discharged."""
    forbids: bool = False
    """power.overcurrent, of what the BMS allows: it allows no current any more, and opens nothing."""
    sense_factor: float = 1.0
    """What is left of the cycler's voltage while `sense_open`."""
    scale: float = 1.0
    """How far the cycler's voltage is off while `scale_wrong`."""
    overdrive_a: float = 0.0
    """What its output runs away to while `overdriven`."""

    @property
    def any_reading(self) -> bool:
        """Whether the BMS misreads anything."""
        return self.cells_missing or self.sentinel or self.thermo_open


FAULT_FLAGS: dict[str, str] = {
    "comms.bms_lost": "bms_silent",
    "comms.cycler_lost": "cycler_silent",
    "power.setpoint": "setpoint_ignored",
    "power.ignores_off": "ignores_off",
    "power.weld": "welded",
    "power.cooling": "cooling_lost",
    "power.precharge": "precharge_dead",
    "power.reversed": "pack_reversed",
    "sensor.sign": "shunt_reversed",
    "pack.hvil": "chain_open",
    "sensor.cells_missing": "cells_missing",
    "sensor.weak_cell": "weak_cell",
    "sensor.frozen": "frozen",
    "sensor.scale": "scale_wrong",
    "pack.balancing": "balancing",
    "comms.chamber_lost": "chamber_silent",
    "comms.meter_lost": "meter_silent",
    "pack.insulation": "insulation_lost",
    "sensor.sentinel": "sentinel",
    "sensor.thermo_open": "thermo_open",
    "sensor.sense_lead": "sense_open",
    "power.opened_hot": "coil_dead",
    "power.load_dump": "pack_open",
    "power.overcurrent": "overdriven",
    "power.mains": "mains_lost",
    "pack.runaway": "gas",
    "pack.deep_cell": "cell_dead",
}
"""Fault id to the flag in `Faults`."""

SLIGHT_FLAGS = {"power.precharge": "terminals_off", "sensor.sign": "bms_reversed"}
"""The same of rows whose slight form is another thing that breaks."""
SWITCHES_HOT = "switches"
COLD = "cold"
APART = "apart"
SILENT_METER = "silent"
PASSING = "passing"
ESTOP = "estop"
METER = "meter"
FORBIDS = "forbids"
SLOW_CLOCK = "slow clock"
"""Forms of a slight fault beside the usual one: the BMS's switches are hot, one spot of the pack is too cold, a cell is
far from the others and within its limits, the meter that would see it says nothing any more, it is over before the
rule's delay is: nothing may come of it, the emergency stop is pressed instead of a door opened, it is the cycler's own
meter that is reversed, what flows is more than the BMS allows from now on, the board's oscillator is slow."""

SETPOINT_FAULT_FACTOR = 0.8
SCALE_FAULT_FACTOR = 0.1
COOLING_FAULT_K_MIN = 3.0
RUNAWAY_K_MIN = 20.0
SENTINEL_V = 65.535
OPEN_SENSOR_C = 300.0
"""What an open thermistor reads: beyond every field's range."""
TERMINALS_OFF_FACTOR = 0.9
SENSE_OPEN_FACTOR = 0.3
SENSE_LOW_FACTOR = 0.97
"""Of the pack's lowest voltage: what a bad contact of a sense lead may leave."""
DEEP_CELL_V = 1.2
OVERDRIVE_A = 200.0
SLIGHT_SCALE_FACTOR = 1.03
"""Beyond what the sum of the cells allows (1 %), and within every limit of the pack's voltage."""
LEAK_OHM = 50_000.0
WEAK_CELL_BEYOND_V = 0.05
"""How far past the maker's limit sensor.weak_cell pushes its cell."""
SLIGHTLY_BEYOND_V = 0.015
"""The same, where the BMS itself says nothing yet."""
SLIGHTLY_APART_V = 0.1
"""How far past the pack's spread one cell falls."""
SLIGHTLY_BEYOND_K = 2.5
"""One spot of a pack whose cooling has failed is so far past the maker's limit, and the rest is as it was."""

_UNIT_S = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}
_AT = re.compile(r"(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>s|min|h|)")


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault at an instant."""

    fault_id: str
    at_ns: int
    """From the start of the run."""


def parse_injection(text: str, allowed: Collection[str] = FAULT_FLAGS) -> Injection:
    """Read `ID@TIME` (`comms.bms_lost@90`, `@90 s`, `@10 min`, `@2 h`) of an allowed fault. Raises InputError."""
    fault_id, at, when = text.partition("@")
    fault_id = fault_id.strip()
    if fault_id not in allowed:
        raise InputError(Problem("", field="--fault", found=repr(fault_id), expected=f"one of {', '.join(allowed)}"))
    match = _AT.fullmatch(when.strip())
    if not at or match is None:
        raise InputError(
            Problem("", field="--fault", found=repr(text), expected="ID@TIME, e.g. comms.bms_lost@90 or @2 h")
        )
    return Injection(fault_id, round(float(match["value"]) * _UNIT_S[match["unit"]] * 1e9))
