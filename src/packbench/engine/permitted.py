"""Whether set-points that only the run knows may be given: numbers, of the right sign, within the limits in force.

Owns that judgement, for a step that begins and for a command while it runs. The plan's own check has judged what was
known before.
"""

from __future__ import annotations

from math import isfinite

from packbench.engine.effects import Drive
from packbench.profile.plan import AnyStep, CellLimit, ConstantPower, Most, Segment, Waveform

SLACK = 1e-6
"""Relative: set-points are products of the same numbers as the limits."""
_MAGNITUDES = frozenset({"end_current_a"})
_POSITIVE = frozenset({"current_a", "power_w", "voltage_v", "resistance_ohm"})


def impossible(step: AnyStep, most: Most | None) -> str | None:
    """Why a step may not begin with the amounts it has come to; None: it may, as far as they go."""
    for name in type(step).__slots__:
        value = getattr(step, name)
        if isinstance(value, float) and (wrong := _number(name, value)) is not None:
            return wrong
        if isinstance(value, CellLimit) and not (_is_number(value.voltage_v) and _is_number(value.end_current_a)):
            return "its limit of a single cell has no value"
    bounds = (test.value for condition in step.until for test in condition.tests)
    if any(isinstance(bound, float) and not isfinite(bound) for bound in bounds):
        return "one of its ends has no value"
    if isinstance(step, ConstantPower):
        return _power(step.power_w, most)
    if isinstance(step, Waveform):
        return next((wrong for segment in step.segments if (wrong := _segment(step, segment, most)) is not None), None)
    return None


def beyond(drive: Drive, most: Most | None) -> str | None:
    """Why a command may not be given; None: it may."""
    if not isfinite(drive.current_a) or not isfinite(drive.voltage_v):
        return "its set-point is no number"
    if most is None or drive.current_a == 0.0:
        return None
    if (wrong := _current(drive.current_a, most)) is not None:
        return wrong
    if not most.voltage_min_v * (1 - SLACK) <= drive.voltage_v <= most.voltage_max_v * (1 + SLACK):
        return f"a voltage of {drive.voltage_v:.6g} V is outside {most.voltage_min_v:g} to {most.voltage_max_v:g} V"
    return None


def _number(name: str, value: float) -> str | None:
    what = name.rpartition("_")[0].replace("_", " ")
    if not isfinite(value):
        return f"its {what} has no value"
    if (name in _MAGNITUDES and value < 0.0) or (name in _POSITIVE and value <= 0.0):
        return f"its {what} comes to {value:.6g}"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and isfinite(value)


def _segment(step: Waveform, segment: Segment, most: Most | None) -> str | None:
    value = segment.value
    if not isinstance(value, float | int) or not isfinite(value):
        return "one of its segments has no value"
    if segment.sign and value * segment.sign <= 0.0:
        way = "charge" if segment.sign > 0 else "discharge"
        return f"a {way} of one of its pieces comes to {value * segment.sign:.6g}"
    return _current(value, most) if step.quantity == "current" else _power(value, most)


def _current(current_a: float, most: Most | None) -> str | None:
    if most is None:
        return None
    limit_a = most.charge_current_a if current_a > 0.0 else most.discharge_current_a
    within = abs(current_a) <= limit_a * (1.0 + SLACK)
    return None if within else f"a current of {current_a:.6g} A is beyond {limit_a:g} A"


def _power(power_w: object, most: Most | None) -> str | None:
    if most is None or not isinstance(power_w, float | int) or abs(power_w) <= most.power_w * (1.0 + SLACK):
        return None
    return f"a power of {power_w:.6g} W is beyond {most.power_w:g} W"
