"""Set-points, end conditions and limits against the pack and the limits in force.

Owns the judgement of single numbers, each pointing at the profile's line. Must not know a bench
(`check` does). The compiler runs these with the pack's and the profile's limits, `check_plan` once
more with all of the run's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packbench.config.chemistry import CHEMISTRIES
from packbench.config.fields import LIMIT_KEYS, LIMIT_PAIRS, limit_unit
from packbench.core.errors import Problem
from packbench.core.limits import LIMIT_NAMES, LimitSet
from packbench.core.specs import PackSpec
from packbench.profile.plan import AnyStep, CcCharge, CccvCharge, CcDischarge, Condition, Place, Rest

Places = Mapping[tuple[int, str], Place]

SLACK = 1e-9
"""Relative slack of comparisons between products of the same file's numbers."""

_RISING_LIMITS: dict[str, str] = {
    "voltage": "pack_voltage_max_v",
    "cell_max": "cell_voltage_max_v",
    "cell_spread": "cell_spread_max_v",
    "temperature_max": "temperature_max_c",
}
"""A rising variable to the safety limit that it meets."""
_FALLING_LIMITS: dict[str, str] = {
    "voltage": "pack_voltage_min_v",
    "cell_min": "cell_voltage_min_v",
    "temperature_min": "temperature_min_c",
}


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes Problems about one step (or about the profile, index -1), pointing at its lines."""

    index: int
    file: str
    places: Places

    def write(self, attribute: str, message: str, found: str, expected: str) -> Problem:
        """A Problem about an attribute, at its own place or the nearest one around it."""
        key = attribute
        while (place := self.places.get((self.index, key))) is None and key:
            key = key.rpartition(".")[0]
        # What the file does not have is named under the nearest thing it has; a list that the file
        # writes as one value has no items.
        missing = [part for part in attribute[len(key) :].split(".") if part and not part.isdigit()]
        if place is None:
            around = f"steps[{self.index + 1}]" if self.index >= 0 else ""
            field = ".".join(part for part in (around, attribute) if part)
            return Problem(message, self.file, None, None, field, found, expected)
        field = ".".join([place.field, *missing])
        return Problem(message, self.file, place.line, place.column, field, found, expected)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The tightest of several layers of limits, with the layer each one comes from."""

    limits: LimitSet
    origin: Mapping[str, str]

    def of(self, name: str) -> tuple[float | None, str]:
        """A limit and whose it is, in words."""
        return getattr(self.limits, name), f"the {self.origin.get(name, 'run')}'s {LIMIT_KEYS[name]}"


def tightest(layers: Mapping[str, LimitSet]) -> Bounds:
    """Merge layers; a limit that nobody states stays None (refusing that is `merge_limits`' business)."""
    values: dict[str, float] = {}
    origin: dict[str, str] = {}
    for name in LIMIT_NAMES:
        for layer, limits in layers.items():
            value = getattr(limits, name)
            if value is not None and (name not in values or _wider(name, values[name], value)):
                values[name], origin[name] = value, layer
    return Bounds(LimitSet(**values), origin)


def limit_problems(
    limits: LimitSet, index: int, attribute: str, pack: PackSpec, file: str, places: Places
) -> list[Problem]:
    """Limits that are impossible, outside the chemistry, or wider than the pack's own."""
    pen = Pen(index, file, places)
    problems: list[Problem] = []
    for low_name, high_name in LIMIT_PAIRS:
        low, high = getattr(limits, low_name), getattr(limits, high_name)
        if low is not None and high is not None and low >= high:
            unit = limit_unit(low_name)
            expected = f"less than {LIMIT_KEYS[high_name]}, {high:g} {unit}"
            problems.append(
                pen.write(f"{attribute}.{LIMIT_KEYS[low_name]}", "impossible limit", f"{low:g} {unit}", expected)
            )
    window = CHEMISTRIES[pack.chemistry]
    for name in LIMIT_NAMES:
        value, outer = getattr(limits, name), getattr(pack.limits, name)
        if value is None:
            continue
        key, unit = LIMIT_KEYS[name], limit_unit(name)
        cells = pack.series if name.startswith("pack_voltage") else 1
        low_v, high_v = window.cell_min_v * cells, window.cell_max_v * cells
        if name.startswith(("pack_voltage", "cell_voltage")) and not low_v <= value <= high_v:
            expected = f"{low_v:g} to {high_v:g} V, what {cells} {pack.chemistry} cell(s) in series can take"
            problems.append(pen.write(f"{attribute}.{key}", "impossible limit", f"{value:g} V", expected))
        elif outer is not None and _wider(name, value, outer):
            expected = f"within the pack's own limit, {outer:g} {unit}"
            problems.append(pen.write(f"{attribute}.{key}", "limit not nested", f"{value:g} {unit}", expected))
    return problems


def _wider(name: str, value: float, outer: float) -> bool:
    """Whether a limit allows more than the outer one, beyond rounding."""
    slack = SLACK * abs(outer)
    return value < outer - slack if "_min_" in name else value > outer + slack


def step_problems(
    step: AnyStep, index: int, pack: PackSpec, layers: Mapping[str, LimitSet], file: str, places: Places
) -> list[Problem]:
    """Set-points and end conditions that cannot be right on this pack within these limits."""
    pen = Pen(index, file, places)
    bounds = tightest({**layers, "step": step.protect})
    if isinstance(step, CccvCharge | CcCharge):
        problems = _charge(step, pen, pack, bounds)
    elif isinstance(step, CcDischarge):
        problems = _discharge(step, pen, pack, bounds)
    else:
        problems = []
    for position, condition in enumerate(step.until):
        problems += _condition(step, condition, pen, f"until.{position}", pack, bounds)
    return problems


def too_much(step: CcCharge | CccvCharge | CcDischarge, pen: Pen, most_a: float | None, whose: str) -> list[Problem]:
    """A step's current beyond `most_a`."""
    if most_a is None or step.current_a <= most_a * (1 + SLACK):
        return []
    return [pen.write("current", "set-point beyond a limit", f"{step.current_a:g} A", f"at most {most_a:g} A, {whose}")]


def _charge(step: CcCharge | CccvCharge, pen: Pen, pack: PackSpec, bounds: Bounds) -> list[Problem]:
    problems = too_much(step, pen, *bounds.of("charge_current_max_a"))
    full_v, cutoff_v = pack.cell_full_v * pack.series, pack.cell_cutoff_v * pack.series
    if isinstance(step, CccvCharge):
        found = f"{step.voltage_v:g} V"
        limit_v, whose = bounds.of("pack_voltage_max_v")
        if step.voltage_v > full_v * (1 + SLACK):
            problems.append(pen.write("voltage", "impossible limit", found, f"at most pack_full, {full_v:g} V"))
        elif step.voltage_v <= cutoff_v:
            problems.append(pen.write("voltage", "impossible limit", found, f"more than pack_cutoff, {cutoff_v:g} V"))
        elif limit_v is not None and step.voltage_v > limit_v * (1 + SLACK):
            expected = f"at most {limit_v:g} V, {whose}"
            problems.append(pen.write("voltage", "set-point beyond a limit", found, expected))
        if step.end_current_a >= step.current_a:
            expected = f"less than the charge's current, {step.current_a:g} A"
            problems.append(pen.write("end_current", "impossible limit", f"{step.end_current_a:g} A", expected))
    else:
        limit_v = pack.limits.pack_voltage_max_v
        if limit_v is not None and step.clamp_voltage_v > limit_v * (1 + SLACK):
            expected = f"at most the pack's pack_voltage_max, {limit_v:g} V"
            problems.append(pen.write("clamp", "impossible limit", f"{step.clamp_voltage_v:g} V", expected))
        elif step.clamp_voltage_v <= cutoff_v:
            expected = f"more than pack_cutoff, {cutoff_v:g} V"
            problems.append(pen.write("clamp", "impossible limit", f"{step.clamp_voltage_v:g} V", expected))
    return problems + _cell_limit(step, pen, pack, bounds)


def _cell_limit(step: CcCharge | CccvCharge, pen: Pen, pack: PackSpec, bounds: Bounds) -> list[Problem]:
    cell = step.cell_limit
    if cell is None:
        return []
    problems: list[Problem] = []
    limit_v, whose = bounds.of("cell_voltage_max_v")
    found = f"{cell.voltage_v:g} V"
    if not pack.cell_cutoff_v < cell.voltage_v <= pack.cell_full_v * (1 + SLACK):
        expected = f"more than cell_cutoff, {pack.cell_cutoff_v:g} V, and at most cell_full, {pack.cell_full_v:g} V"
        problems.append(pen.write("on_cell_limit.at", "impossible limit", found, expected))
    elif limit_v is not None and cell.voltage_v >= limit_v * (1 - SLACK):
        expected = f"less than {limit_v:g} V, {whose}: safety stops the run there"
        problems.append(pen.write("on_cell_limit.at", "impossible limit", found, expected))
    if cell.action == "taper" and cell.end_current_a >= step.current_a:
        expected = f"less than the charge's current, {step.current_a:g} A"
        found = f"{cell.end_current_a:g} A"
        problems.append(pen.write("on_cell_limit.end_current", "impossible limit", found, expected))
    return problems


def _discharge(step: CcDischarge, pen: Pen, pack: PackSpec, bounds: Bounds) -> list[Problem]:
    problems = too_much(step, pen, *bounds.of("discharge_current_max_a"))
    limit_v = pack.limits.pack_voltage_min_v
    found = f"{step.clamp_voltage_v:g} V"
    if limit_v is not None and step.clamp_voltage_v < limit_v * (1 - SLACK):
        expected = f"at least the pack's pack_voltage_min, {limit_v:g} V"
        problems.append(pen.write("clamp", "impossible limit", found, expected))
    if step.clamp_voltage_v >= pack.cell_full_v * pack.series:
        expected = f"less than pack_full, {pack.cell_full_v * pack.series:g} V"
        problems.append(pen.write("clamp", "impossible limit", found, expected))
    return problems


def _condition(
    step: AnyStep, condition: Condition, pen: Pen, attribute: str, pack: PackSpec, bounds: Bounds
) -> list[Problem]:
    """A bound that holds from the start, or that safety would meet first."""
    scale = {"voltage": pack.series, "cell_min": 1, "cell_max": 1}.get(condition.variable)
    charging, discharging = isinstance(step, CcCharge | CccvCharge), isinstance(step, CcDischarge)
    if scale is not None and isinstance(step, Rest):
        return []
    falling = condition.operator in ("<=", "<")
    unit = "V" if scale is not None or condition.variable == "cell_spread" else "degC"
    value, found = condition.value, f"{condition.text!r} ({condition.value:g} {unit})"
    if scale is not None and discharging and falling and value >= pack.cell_full_v * scale * (1 - SLACK):
        expected = f"less than full, {pack.cell_full_v * scale:g} V: this cut-off is above it"
        return [pen.write(attribute, "impossible limit", found, expected)]
    if scale is not None and charging and not falling and value <= pack.cell_cutoff_v * scale * (1 + SLACK):
        expected = f"more than the cut-off, {pack.cell_cutoff_v * scale:g} V: this holds from the start"
        return [pen.write(attribute, "impossible limit", found, expected)]
    name = (_FALLING_LIMITS if falling else _RISING_LIMITS).get(condition.variable)
    if name is None or (scale is not None and charging == falling):
        return []
    limit, whose = bounds.of(name)
    if limit is None or (value > limit + SLACK * abs(limit) if falling else value < limit - SLACK * abs(limit)):
        return []
    expected = f"{'more' if falling else 'less'} than {limit:g} {unit}, {whose}: safety stops the run there"
    return [pen.write(attribute, "impossible limit", found, expected)]
