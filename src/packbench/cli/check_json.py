"""What `packbench check --json` says beside errors and warnings.

Owns the shapes (DESIGN 10: the bounds' names are the contract's). Must not check or compute anything. A number that
is none is null.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from packbench.app.rehearsal import Rehearsal
from packbench.cli.check_view import Checked
from packbench.core.records import StepRecord
from packbench.profile.checking.estimate import Bounds, Estimate


def bounds_object(bounds: Estimate) -> dict[str, Any]:
    """The bounds, as the command line contract has them."""
    return {
        "duration_s": _span(bounds.duration_s),
        "charge_ah": _span(bounds.charge_ah),
        "energy_wh": _span(bounds.energy_wh),
        "temperature_c": _span(bounds.temperature_c),
    }


def steps_object(bounds: Estimate) -> list[dict[str, Any]]:
    """What the worst-case analysis says of each step."""
    return [
        {
            "label": step.label,
            "kind": step.kind,
            "duration_s": _span(step.duration_s),
            "charge_ah": _span(step.charge_ah),
            "energy_wh": _span(step.energy_wh),
            "power_w": _span(step.power_w),
            "temperature_c": _span(step.temperature_c),
            "may_end": list(step.may_end),
            "fires": step.fires,
        }
        for step in bounds.steps
    ]


def bench_object(checked: Checked) -> dict[str, Any]:
    """What was held against the bench."""
    room = checked.room
    return {
        "bus": [
            {
                "source": age.source,
                "shares_line_with": list(age.shares),
                "cycle_s": age.cycle_s,
                "oldest_s": age.age_s,
                "stale_after_s": age.stale_after_s,
            }
            for age in checked.ages
        ],
        "record": {
            "rows": room.rows,
            "bytes": room.needed_bytes,
            "free_bytes": room.free_bytes,
            "folder": str(room.folder),
        },
    }


def simulated_object(rehearsal: Rehearsal, plot: str | None) -> dict[str, Any]:
    """What the simulated run did."""
    trip = rehearsal.trip
    return {
        "duration_s": rehearsal.duration_s,
        "temperature_max_c": rehearsal.temperature_max_c,
        "charge_ah": rehearsal.charged_ah + rehearsal.discharged_ah,
        "charged_ah": rehearsal.charged_ah,
        "discharged_ah": rehearsal.discharged_ah,
        "energy_wh": rehearsal.energy_wh,
        "completed": rehearsal.completed,
        "verdict": rehearsal.verdict,
        "end_reason": rehearsal.reason,
        "trip": None if trip is None else {"rule": trip.rule, "text_en": trip.text_en, "text_zh": trip.text_zh},
        "steps": [_step_object(step) for step in rehearsal.steps],
        "wall_seconds": rehearsal.wall_seconds,
        "plot": plot,
    }


def _step_object(step: StepRecord) -> dict[str, Any]:
    return {
        "number": step.number,
        "step": step.step,
        "label": step.label,
        "kind": step.kind,
        "cycle": step.cycle,
        "started_s": step.started_ns / 1e9,
        "duration_s": (step.ended_ns - step.started_ns) / 1e9,
        "charge_ah": step.charge_ah,
        "energy_wh": step.energy_wh,
        "end_reason": step.end_reason,
        "end_cell": step.end_cell,
        "voltage_end_v": _finite(step.voltage_end_v),
        "cell_min_end_v": _finite(step.cell_min_end_v),
        "cell_max_end_v": _finite(step.cell_max_end_v),
        "temperature_max_c": _finite(step.temperature_max_c),
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _span(bounds: Bounds) -> dict[str, float | None]:
    return {"min": _finite(bounds.min), "expected": _finite(bounds.expected), "max": _finite(bounds.max)}
