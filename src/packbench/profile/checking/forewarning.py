"""What of the worst case an author should hear before the run: warnings, each at its step.

Owns which findings of the analysis are worth a remark. It warns of what the profile or the bench could do something
about; what hangs on the single cells of one pack is the safety rules' business, and only noted in the estimate.
"""

from __future__ import annotations

from math import inf

from packbench.core.errors import Problem
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.checking.bounds import Bounds, tightest
from packbench.profile.checking.estimate import StepBounds, estimate_plan
from packbench.profile.checking.pen import Pen
from packbench.profile.plan import AnyStep, DrivenStep, Plan, Rest, Soak, Waveform

_UNITS = {"power": "W", "voltage": "V", "resistance": "ohm", "temperature": "degC", "on_cell_limit.end_current": "A"}
POWER_SLACK = 1.06
"""A power that is followed is beyond its set-point for moments."""


def worst_case_warnings(plan: Plan, pack: PackSpec, bench: BenchSpec | None = None) -> list[Problem]:
    """Warnings about a plan that has no errors: what the worst pack, or the best, may make of its steps."""
    layers = {"profile": plan.limits, "pack": pack.limits, **({} if bench is None else bench.limits)}
    warnings: list[Problem] = []
    for row in estimate_plan(plan, pack, bench).steps:
        step = plan.steps[row.index]
        pen = Pen(row.index, plan.source_file, plan.places)
        bounds = tightest({**layers, "step": step.protect})
        if row.overdue and row.may_end and not (isinstance(step, Rest | Soak) and pen.states("max_time")):
            warnings.append(_overdue(step, row, pen))
        if row.may_not_begin and not row.cannot_begin:
            found = "a set-point that may come to nothing, or beyond a limit"
            warnings.append(pen.write("", "may not begin", found, "min(..., ...) or max(..., ...) around the formula"))
        if isinstance(step, DrivenStep):
            warnings += _too_hot(row, bounds, pen)
            warnings += _too_much_power(row, pack, bench, pen)
    return warnings


def worst_case_errors(plan: Plan, pack: PackSpec, bench: BenchSpec | None = None) -> list[Problem]:
    """Steps that no pack can begin, or come to an end of, in a plan that has no other errors."""
    errors: list[Problem] = []
    for row in estimate_plan(plan, pack, bench).steps:
        step = plan.steps[row.index]
        pen = Pen(row.index, plan.source_file, plan.places)
        if row.cannot_begin:
            errors.append(_cannot_begin(step, row, pen))
        elif row.overdue and not row.may_end:
            found = f"no end that any pack comes to before max_time, {_span(step.max_time_ns / 1e9)}, or a safety limit"
            errors.append(pen.write("until", "cannot end", found, "an end that surely comes, such as `for`"))
    return errors


def _cannot_begin(step: AnyStep, row: StepBounds, pen: Pen) -> Problem:
    attribute, found, expected = "", "no pack that could carry it within the limits", "a set-point within the limits"
    if row.refused is not None:
        attribute, ends = row.refused.attribute, row.refused.unit
        power = isinstance(step, Waveform) and step.quantity == "power" and not attribute.startswith("clamp")
        unit = (
            ends
            if ends
            else "W"
            if power
            else _UNITS.get(attribute, "V" if attribute.startswith(("clamp", "on_cell")) else "A")
        )
        low, high, _ = row.refused.value
        found = f"{low:.4g} {unit}" if low == high else f"{low:.4g} to {high:.4g} {unit}"
        least, most, _ = row.refused.allowed
        expected = f"{least:.4g} to {most:.4g} {unit}" if most < inf else f"at least {least:.4g} {unit}"
        if ends:
            expected = f"{expected}, and more than 0: else this holds from the start"
            return pen.write(attribute, "impossible limit", found, expected)
    return pen.write(attribute, "no pack can begin with this", found, expected)


def _overdue(step: AnyStep, row: StepBounds, pen: Pen) -> Problem:
    """No end that surely comes within max_time. How long a pack may rest at most is its author's own word."""
    found = f"max_time {_span(step.max_time_ns / 1e9)}, and no end that every pack comes to before"
    return pen.write("max_time", "may be aborted by max_time", found, "an end that surely comes, such as `for`")


def _too_hot(row: StepBounds, bounds: Bounds, pen: Pen) -> list[Problem]:
    """What a worn pack is expected to come to; the worst of everything at once is only noted in the estimate."""
    if "temperature_max_c" not in row.may_pass:
        return []
    limit_c, whose = bounds.of("temperature_max_c")
    if limit_c is None or row.worn_c <= limit_c:
        return []
    found = f"{row.worn_c:.0f} degC in a worn pack, {row.temperature_c.expected:.0f} degC expected"
    return [pen.write("", "may get too hot", found, f"at most {limit_c:g} degC, {whose}")]


def _too_much_power(row: StepBounds, pack: PackSpec, bench: BenchSpec | None, pen: Pen) -> list[Problem]:
    """A power that the cycler does not have: it would give less current than it was told."""
    if bench is None:
        return []
    rated_w = float(bench.cycler.settings.get("rated_power_w", pack.max_power_w))
    if row.power_w.max <= rated_w * POWER_SLACK:
        return []
    found = f"up to {row.power_w.max:.0f} W"
    return [pen.write("", "more power than the cycler has", found, f"at most {rated_w:g} W, {bench.name}'s cycler")]


def _span(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds / 3600.0:.3g} h" if seconds >= 3600.0 else f"{seconds / 60.0:.3g} min"
