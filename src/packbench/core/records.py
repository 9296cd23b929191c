"""What a run leaves behind, as plain records: recorded rows, ended steps, trips, events.

Owns the shapes that flow from the engine and the safety rules to the store, the analysis and the
report. Must not hold behaviour. SI units; positive current charges; step and cycle numbers and
cell indices count from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from packbench.core.samples import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One recorded sample: the bench at one cycler reading, with the newest BMS reading."""

    t_ns: int
    """Monotonic, from the start of the run."""
    step: int
    """Index into the plan's steps, from 1."""
    cycle: int
    voltage_v: float
    """At the pack's terminals."""
    cycler_voltage_v: float
    current_a: float
    step_ah: float
    """Signed since the step began."""
    step_wh: float
    bms_t_ns: int
    """When the BMS values were read; -1: never."""
    cell_voltages_v: FloatArray
    temperatures_c: tuple[float, ...]
    bms_current_a: float | None
    soc: float | None


@dataclass(frozen=True, slots=True)
class ReadOut:
    """Voltage and resistance at a stated time after an edge of current (engine/control/wave.py)."""

    piece: int
    """Of the train, from 1, counted on through its repeats."""
    at_ns: int
    """After the edge."""
    voltage_v: float
    current_a: float
    resistance_ohm: float
    """Change of voltage over change of current since just before the edge."""
    taken_ns: int | None = None
    """After the edge, too: the sample that stands for it, being the nearest; None: two samples lie around it."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One executed step, as it ended."""

    number: int
    """Execution order, from 1."""
    step: int
    """Index into the plan's steps, from 1."""
    label: str
    kind: str
    cycle: int
    started_ns: int
    """From the start of the run."""
    ended_ns: int
    charge_ah: float
    """Signed: positive charged the pack. Counted up to the sample that ended the step."""
    energy_wh: float
    tail_ah: float
    """Signed charge that still flowed after that sample, until the output was off."""
    end_reason: str
    end_cell: int | None
    """The cell that ended the step, from 1; None when no cell did."""
    voltage_end_v: float
    current_end_a: float
    cell_min_end_v: float
    cell_max_end_v: float
    temperature_min_c: float
    temperature_max_c: float
    imbalance_limited: bool
    overshoot: float | None = None
    """By how much the ending quantity had passed its limit on that sample, in its own unit."""
    met_ns: int | None = None
    """When it met its limit, between the last two samples by their own times; from the start of the run."""
    read_outs: tuple[ReadOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Trip:
    """A latched stop: which rule, on what, when."""

    rule: str
    fault_id: str
    t_ns: int
    """From the start of the run."""
    value: float | None
    limit: float | None
    unit: str
    text_en: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the event log. `data` is JSON: str, int, finite float, bool, None, list, dict."""

    t_ns: int
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time without recorded data: recorded, never interpolated."""

    started_ns: int
    ended_ns: int
    reason: str
    unseen_ah: float | None = None
    """The most that may have flowed in it, either way; None: nobody can say."""
