"""What a source said and when: one sample a source, and the snapshot of the newest of each.

Owns the vocabulary of readings. Must not know where a reading came from: a real device and a
simulated one are the same thing here. SI units; positive current charges the pack.

Samples are named tuples: as immutable as the frozen dataclasses elsewhere, and made at a quarter
of their cost, several times a second on every bench and millions of times in a simulation.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Provenance(StrEnum):
    """How a record came to be (DESIGN 1). Only release gates may look at it."""

    MEASURED = "measured"
    EMULATED = "emulated"
    SIMULATED = "simulated"
    IMPORTED = "imported"


class Quality(IntEnum):
    """Whether a reading may be decided upon. Anything but GOOD is treated as no reading."""

    GOOD = 0
    IMPLAUSIBLE = 1
    """Decoded, but outside the field's range or a sentinel of the device."""


ProgramStatus = Literal["idle", "running", "paused", "finished", "protected"]
""""protected": it stopped by itself for a reason that somebody has to look at."""


class ProgramState(NamedTuple):
    """Where a cycler that runs a step program by itself stands in it, at the moment of its reading."""

    status: ProgramStatus
    step: int | None
    """Counts from 1; None: no step runs."""
    cycle: int
    """Counts from 1."""
    step_time_s: float | None
    """Since the step began; None: it does not say."""


class CyclerSample(NamedTuple):
    """The cycler's reading at its own terminals."""

    t_ns: int
    """Monotonic instant at which the complete reply was in hand."""
    voltage_v: float
    current_a: float
    output_on: bool
    regulation: str
    """"cc", "cv", "cp", "cr" or "off": which quantity the device says it holds; "unknown" when it does not say."""
    alarms: tuple[str, ...] | None = ()
    """None: the device says nothing of alarms."""
    quality: Quality = Quality.GOOD
    program: ProgramState | None = None
    """Of a cycler that runs programs by itself; None: it is told every set-point."""


class BmsSample(NamedTuple):
    """The BMS's reading. Absent values are None, never zero. Make it with `bms_sample`."""

    t_ns: int
    cell_voltages_v: FloatArray
    """shape (series cells,); not to be written to."""
    cell_min_v: float
    cell_max_v: float
    cell_min_index: int
    """Counts from 1."""
    cell_max_index: int
    """Counts from 1."""
    cell_sum_v: float
    temperatures_c: tuple[float, ...]
    temperature_min_c: float
    temperature_max_c: float
    voltage_v: float | None = None
    current_a: float | None = None
    soc: float | None = None
    soh: float | None = None
    cycles: int | None = None
    alarms: tuple[str, ...] | None = ()
    """None: the device says nothing of alarms."""
    charge_limit_a: float | None = None
    """Magnitude: the most the BMS allows right now."""
    discharge_limit_a: float | None = None
    """Magnitude: the most the BMS allows right now."""
    balancing: bool | None = None
    quality: Quality = Quality.GOOD


def bms_sample(
    t_ns: int,
    cell_voltages_v: FloatArray,
    temperatures_c: tuple[float, ...],
    *,
    voltage_v: float | None = None,
    current_a: float | None = None,
    soc: float | None = None,
    soh: float | None = None,
    cycles: int | None = None,
    alarms: tuple[str, ...] | None = (),
    charge_limit_a: float | None = None,
    discharge_limit_a: float | None = None,
    balancing: bool | None = None,
    quality: Quality = Quality.GOOD,
) -> BmsSample:
    """Make a BmsSample, with the extremes and the sum worked out once, here.

    No cells gives NaN extremes and index 0; no temperatures gives NaN. Comparing against NaN is
    false, so the safety rules ask for presence first (`cells_missing`).
    """
    if cell_voltages_v.size:
        low = int(cell_voltages_v.argmin())
        high = int(cell_voltages_v.argmax())
        low_v, high_v = cell_voltages_v.item(low), cell_voltages_v.item(high)
        total = float(np.add.reduce(cell_voltages_v))
    else:
        low = high = -1
        low_v = high_v = total = float("nan")
    return BmsSample(
        t_ns,
        cell_voltages_v,
        low_v,
        high_v,
        low + 1,
        high + 1,
        total,
        temperatures_c,
        min(temperatures_c, default=float("nan")),
        max(temperatures_c, default=float("nan")),
        voltage_v,
        current_a,
        soc,
        soh,
        cycles,
        alarms,
        charge_limit_a,
        discharge_limit_a,
        balancing,
        quality,
    )


class BoardSample(NamedTuple):
    """The interlock board's status."""

    t_ns: int
    state: str
    """"boot", "safe", "precharge", "closed", "opening" or "tripped"."""
    contactor_closed: bool
    """What the auxiliary contact says, not what was commanded."""
    trip_code: int = 0
    """0: none. The names are in firmware_bridge/protocol/link.yaml."""
    trip_name: str = ""
    phase: str = ""
    """How far the arm sequence is: "none", "wake", ... "done", as in link.yaml."""
    refused: str = ""
    """Why the last arm sequence failed, as in link.yaml."""
    pack_voltage_v: float | None = None
    """The board's own measurement, at the pack's side of the contactor."""
    cycler_voltage_v: float | None = None
    """The same, at the cycler's side."""
    current_a: float | None = None
    """The board's own measurement."""


class ChamberSample(NamedTuple):
    """A climate chamber's reading."""

    t_ns: int
    temperature_c: float
    """Of its air."""
    setpoint_c: float
    running: bool
    humidity: float | None = None
    """Relative, 0 to 1."""
    alarms: tuple[str, ...] | None = ()
    quality: Quality = Quality.GOOD


class MeterSample(NamedTuple):
    """A reading of any other instrument: an insulation tester, an independent voltmeter."""

    t_ns: int
    values: Mapping[str, float]
    """By quantity, named with its unit: `insulation_ohm`, `voltage_v`. Absent values are absent."""
    alarms: tuple[str, ...] | None = ()
    quality: Quality = Quality.GOOD


class Snapshot(NamedTuple):
    """The newest sample of every source. A source that never answered is None."""

    t_ns: int
    """Now, at the moment of the decision; the age of a sample is t_ns minus its own t_ns."""
    cycler: CyclerSample | None
    bms: BmsSample | None
    board: BoardSample | None
    pack_voltage_v: float = float("nan")
    """The cycler's voltage referred to the pack's terminals (sense point and cable, bench file)."""
    chamber: ChamberSample | None = None
    """None, too, on a bench that has none."""
    meter: MeterSample | None = None
    """None, too, on a bench that has none."""
