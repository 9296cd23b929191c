"""Set-points of single steps against the pack and the limits in force.

Owns the judgement of single numbers, each pointing at the profile's line. Must not know a bench (`check` does).
The compiler runs these with the pack's and the profile's limits, `check_plan` once more with all of the run's.
What only the run knows (a formula) is judged by the engine when the step begins.
"""

from __future__ import annotations

from collections.abc import Mapping

from packbench.core.errors import Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import PackSpec
from packbench.profile.amounts import Amount, constant
from packbench.profile.checking.bounds import SLACK, Bounds, tightest
from packbench.profile.checking.ends import condition_problems
from packbench.profile.checking.pen import Pen, Places
from packbench.profile.plan import (
    AnyStep,
    CellLimit,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    Waveform,
)


def step_problems(
    step: AnyStep, index: int, pack: PackSpec, layers: Mapping[str, LimitSet], file: str, places: Places
) -> list[Problem]:
    """Set-points and end conditions that cannot be right on this pack within these limits."""
    pen = Pen(index, file, places)
    bounds = tightest({**layers, "step": step.protect})
    problems: list[Problem] = []
    match step:
        case ConstantCurrent():
            problems += too_much(pen, "current", step.current_a, bounds, step.sign)
            problems += _clamp(pen, "clamp", step.clamp_voltage_v, step.sign, pack)
        case ConstantVoltage():
            problems += too_much(pen, "current", step.current_a, bounds, step.sign)
            problems += _held(step, pen, pack, bounds)
        case ConstantPower() | ConstantResistance():
            problems += _clamp(pen, "clamp", step.clamp_voltage_v, step.sign, pack)
            problems += _drawn(step, pen, pack, bounds)
        case Waveform():
            problems += _waveform(step, pen, pack, bounds)
        case _:
            pass
    if isinstance(step, ConstantCurrent | ConstantVoltage | ConstantPower) and step.cell_limit is not None:
        current_a = None if isinstance(step, ConstantPower) else constant(step.current_a)
        problems += _cell_limit(step.cell_limit, current_a, pen, pack, bounds)
    for position, condition in enumerate(step.until):
        problems += condition_problems(step, condition, pen, f"until.{position}", pack, bounds)
    return problems


def too_much(pen: Pen, attribute: str, current: Amount, bounds: Bounds, sign: int) -> list[Problem]:
    """A step's current beyond the limit of its direction."""
    most_a, whose = bounds.of("charge_current_max_a" if sign > 0 else "discharge_current_max_a")
    current_a = constant(current)
    if current_a is None or most_a is None or abs(current_a) <= most_a * (1 + SLACK):
        return []
    expected = f"at most {most_a:g} A, {whose}"
    return [pen.write(attribute, "set-point beyond a limit", f"{abs(current_a):g} A", expected)]


def _clamp(pen: Pen, attribute: str, clamp: Amount, sign: int, pack: PackSpec) -> list[Problem]:
    """A clamp beyond the pack's limit, or where the step has ended before it begins."""
    clamp_v = constant(clamp)
    if clamp_v is None:
        return []
    full_v, cutoff_v = pack.cell_full_v * pack.series, pack.cell_cutoff_v * pack.series
    found, limits = f"{clamp_v:g} V", pack.limits
    expected = None
    if sign > 0:
        if limits.pack_voltage_max_v is not None and clamp_v > limits.pack_voltage_max_v * (1 + SLACK):
            expected = f"at most the pack's pack_voltage_max, {limits.pack_voltage_max_v:g} V"
        elif clamp_v <= cutoff_v:
            expected = f"more than pack_cutoff, {cutoff_v:g} V"
    elif limits.pack_voltage_min_v is not None and clamp_v < limits.pack_voltage_min_v * (1 - SLACK):
        expected = f"at least the pack's pack_voltage_min, {limits.pack_voltage_min_v:g} V"
    elif clamp_v >= full_v:
        expected = f"less than pack_full, {full_v:g} V"
    return [] if expected is None else [pen.write(attribute, "impossible limit", found, expected)]


def _held(step: ConstantVoltage, pen: Pen, pack: PackSpec, bounds: Bounds) -> list[Problem]:
    """A voltage to hold, and the current at which that ends."""
    problems: list[Problem] = []
    full_v, cutoff_v = pack.cell_full_v * pack.series, pack.cell_cutoff_v * pack.series
    voltage_v = constant(step.voltage_v)
    if voltage_v is not None:
        found = f"{voltage_v:g} V"
        name = "pack_voltage_max_v" if step.sign > 0 else "pack_voltage_min_v"
        limit_v, whose = bounds.of(name)
        beyond = limit_v is not None and (
            voltage_v > limit_v * (1 + SLACK) if step.sign > 0 else voltage_v < limit_v * (1 - SLACK)
        )
        if voltage_v > full_v * (1 + SLACK):
            problems.append(pen.write("voltage", "impossible limit", found, f"at most pack_full, {full_v:g} V"))
        elif step.sign > 0 and voltage_v <= cutoff_v:
            problems.append(pen.write("voltage", "impossible limit", found, f"more than pack_cutoff, {cutoff_v:g} V"))
        elif step.sign < 0 and voltage_v < cutoff_v * (1 - SLACK):
            problems.append(pen.write("voltage", "impossible limit", found, f"at least pack_cutoff, {cutoff_v:g} V"))
        elif step.sign < 0 and voltage_v >= full_v:
            problems.append(pen.write("voltage", "impossible limit", found, f"less than pack_full, {full_v:g} V"))
        elif beyond:
            expected = f"at {'most' if step.sign > 0 else 'least'} {limit_v:g} V, {whose}"
            problems.append(pen.write("voltage", "set-point beyond a limit", found, expected))
    end_a, current_a = constant(step.end_current_a), constant(step.current_a)
    if end_a is not None and current_a is not None and end_a >= current_a:
        way = "charge" if step.sign > 0 else "discharge"
        expected = f"less than the {way}'s current, {current_a:g} A"
        problems.append(pen.write("end_current", "impossible limit", f"{end_a:g} A", expected))
    return problems


def _drawn(step: ConstantPower | ConstantResistance, pen: Pen, pack: PackSpec, bounds: Bounds) -> list[Problem]:
    """A power or a resistance whose current goes beyond the limit where the voltage makes it largest."""
    name = "charge_current_max_a" if step.sign > 0 else "discharge_current_max_a"
    most_a, whose = bounds.of(name)
    full_v, cutoff_v = pack.cell_full_v * pack.series, pack.cell_cutoff_v * pack.series
    if isinstance(step, ConstantPower):
        power_w = constant(step.power_w)
        if power_w is None:
            return []
        if power_w > pack.max_power_w * (1 + SLACK):
            expected = f"at most {pack.max_power_w:g} W, the pack's max_power"
            return [pen.write("power", "set-point beyond a limit", f"{power_w:g} W", expected)]
        attribute, current_a, found = "power", power_w / cutoff_v, f"{power_w:g} W, at {cutoff_v:g} V"
    else:
        resistance_ohm = constant(step.resistance_ohm)
        if resistance_ohm is None:
            return []
        attribute, current_a = "resistance", full_v / resistance_ohm
        found = f"{resistance_ohm:g} ohm, at {full_v:g} V"
    if most_a is None or current_a <= most_a * (1 + SLACK):
        return []
    expected = f"at most {most_a:g} A, {whose}"
    return [pen.write(attribute, "set-point beyond a limit", f"{found} {current_a:.4g} A", expected)]


def _waveform(step: Waveform, pen: Pen, pack: PackSpec, bounds: Bounds) -> list[Problem]:
    """The largest piece of each direction, and both clamps."""
    problems = _clamp(pen, "clamp_high", step.clamp_high_v, 1, pack)
    problems += _clamp(pen, "clamp_low", step.clamp_low_v, -1, pack)
    low_v = pack.cell_cutoff_v * pack.series
    for position, segment in enumerate(step.segments):
        value = constant(segment.value)
        if value is None or value == 0.0:
            continue
        attribute = f"train.{position}" if step.kind == "pulse" else ""
        if step.quantity == "power" and abs(value) > pack.max_power_w * (1 + SLACK):
            expected = f"at most {pack.max_power_w:g} W, the pack's max_power"
            return [*problems, pen.write(attribute, "set-point beyond a limit", f"{value:g} W", expected)]
        current_a = value / low_v if step.quantity == "power" else value
        found = too_much(pen, attribute, current_a, bounds, 1 if value > 0 else -1)
        if found:
            return problems + found
    return problems


def _cell_limit(cell: CellLimit, current_a: float | None, pen: Pen, pack: PackSpec, bounds: Bounds) -> list[Problem]:
    problems: list[Problem] = []
    limit_v, whose = bounds.of("cell_voltage_max_v")
    at_v, end_a = constant(cell.voltage_v), constant(cell.end_current_a)
    if at_v is not None:
        found = f"{at_v:g} V"
        if not pack.cell_cutoff_v < at_v <= pack.cell_full_v * (1 + SLACK):
            expected = f"more than cell_cutoff, {pack.cell_cutoff_v:g} V, and at most cell_full, {pack.cell_full_v:g} V"
            problems.append(pen.write("on_cell_limit.at", "impossible limit", found, expected))
        elif limit_v is not None and at_v >= limit_v * (1 - SLACK):
            expected = f"less than {limit_v:g} V, {whose}: safety stops the run there"
            problems.append(pen.write("on_cell_limit.at", "impossible limit", found, expected))
    if cell.action == "taper" and current_a is not None and end_a is not None and end_a >= current_a:
        expected = f"less than the charge's current, {current_a:g} A"
        problems.append(pen.write("on_cell_limit.end_current", "impossible limit", f"{end_a:g} A", expected))
    return problems
