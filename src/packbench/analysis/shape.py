"""Records of a run in the shapes that a Result holds.

Owns the mapping of steps, gaps, trips and limits, field by field. Must not compute figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from packbench.analysis.said import in_chinese
from packbench.core.limits import LIMIT_NAMES, Limits
from packbench.core.records import Gap, ReadOut, StepRecord, Trip
from packbench.core.result import ReadOutResult, StepResult, Variable
from packbench.core.units import Dimension

NS = 1e9
LIMIT_UNITS = {"_v": "V", "_a": "A", "_c": "degC", "_k_min": "K/min"}

VARIABLE_UNITS: dict[Dimension | None, str] = {
    "voltage": "V",
    "current": "A",
    "power": "W",
    "time": "s",
    "charge": "Ah",
    "energy": "Wh",
    "temperature": "degC",
    "temperature_difference": "K",
    "temperature_rate": "K/min",
    "voltage_rate": "V/s",
    "resistance": "ohm",
    "ratio": "1",
    None: "",
}
"""Dimension of a profile's variable to the project's own unit of it."""


def variables_dict(
    values: Iterable[tuple[str, float]], dimensions: Mapping[str, Dimension | None]
) -> dict[str, Variable]:
    """The profile's own variables with their units, in the order in which they were first given a value."""
    return {name: Variable(value, VARIABLE_UNITS[dimensions.get(name)]) for name, value in values}


def step_result(record: StepRecord) -> StepResult:
    """One executed step; values that were never read are None."""
    return StepResult(
        number=record.number,
        label=record.label,
        kind=record.kind,
        cycle=record.cycle,
        duration_s=(record.ended_ns - record.started_ns) / NS,
        charge_ah=record.charge_ah,
        energy_wh=record.energy_wh,
        end_reason=record.end_reason,
        end_cell=record.end_cell,
        voltage_end_v=_finite(record.voltage_end_v),
        current_end_a=_finite(record.current_end_a),
        cell_min_end_v=_finite(record.cell_min_end_v),
        cell_max_end_v=_finite(record.cell_max_end_v),
        temperature_max_c=_finite(record.temperature_max_c),
        overshoot=record.overshoot,
        met_after_s=None if record.met_ns is None else (record.met_ns - record.started_ns) / NS,
        read_outs=tuple(_read_out(read_out) for read_out in record.read_outs),
    )


def _read_out(read_out: ReadOut) -> ReadOutResult:
    return ReadOutResult(
        read_out.piece,
        read_out.at_ns / NS,
        read_out.voltage_v,
        read_out.current_a,
        _finite(read_out.resistance_ohm),
        None if read_out.taken_ns is None else read_out.taken_ns / NS,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def gap_dict(gap: Gap) -> dict[str, Any]:
    """A stretch without data, in seconds from the start of the run."""
    told: dict[str, Any] = {
        "started_s": gap.started_ns / NS,
        "ended_s": gap.ended_ns / NS,
        "reason": gap.reason,
        "reason_zh": in_chinese(gap.reason),
    }
    return told if gap.unseen_ah is None else told | {"unseen_ah": gap.unseen_ah}


def trip_dict(trip: Trip) -> dict[str, Any]:
    """A trip, in the names of the command line contract (DESIGN 10)."""
    return {
        "rule": trip.rule,
        "fault_id": trip.fault_id,
        "t_s": trip.t_ns / NS,
        "value": trip.value,
        "limit": trip.limit,
        "unit": trip.unit,
        "text_en": trip.text_en,
        "text_zh": trip.text_zh,
    }


def limits_dict(limits: Limits) -> dict[str, Any]:
    """The limits in force: name to value, unit and the layer it came from."""
    origin = dict(limits.origin)
    table: dict[str, Any] = {}
    for name in LIMIT_NAMES:
        unit = next(unit for suffix, unit in LIMIT_UNITS.items() if name.endswith(suffix))
        table[name] = {"value": getattr(limits, name), "unit": unit, "origin": origin.get(name)}
    return table
