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
from packbench.profile.checking.ends import condition_problems, lasting_ns
from packbench.profile.checking.pen import Pen, Places, lasting_text
from packbench.profile.plan import (
    AnyStep,
    CellLimit,
    ChamberSet,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    Soak,
    Waveform,
)


def step_problems(
    step: AnyStep, index: int, pack: PackSpec, layers: Mapping[str, LimitSet], file: str, places: Places, rounds: int
) -> list[Problem]:
    """Set-points and end conditions that cannot be right on this pack within these limits.

    `rounds`: the most that the variable `cycle` can come to.
    """
    pen = Pen(index, file, places)
    bounds = tightest({**layers, "step": step.protect})
    problems: list[Problem] = []
    match step:
        case ConstantCurrent():
            problems += too_much(pen, "current", step.current_a, bounds, step.sign)
            problems += _clamp(pen, "clamp", step.clamp_voltage_v, step.sign, pack, bounds)
        case ConstantVoltage():
            problems += too_much(pen, "current", step.current_a, bounds, step.sign)
            problems += _held(step, pen, pack, bounds)
        case ConstantPower() | ConstantResistance():
            problems += _clamp(pen, "clamp", step.clamp_voltage_v, step.sign, pack, bounds)
            problems += _drawn(step, pen, pack, bounds)
        case Waveform():
            problems += _waveform(step, pen, pack, bounds)
        case Soak() | ChamberSet():
            problems += _conditioned(step, pen, bounds)
        case _:
            pass
    if isinstance(step, ConstantCurrent | ConstantVoltage | ConstantPower) and step.cell_limit is not None:
        current_a = None if isinstance(step, ConstantPower) else constant(step.current_a)
        problems += _cell_limit(step.cell_limit, current_a, pen, pack, bounds)
    problems += _protected_too_late(step, pen)
    for position, condition in enumerate(step.until):
        problems += condition_problems(step, condition, pen, f"until.{position}", pack, bounds, rounds)
    return problems


def _protected_too_late(step: AnyStep, pen: Pen) -> list[Problem]:
    """Limits of the step's own that begin to count when it is over."""
    lasts_ns = min(step.max_time_ns, lasting_ns(step))
    if isinstance(step, Waveform):
        lasts_ns = min(lasts_ns, step.period_ns * step.repeat)
    if not step.protect_delay_ns or step.protect_delay_ns < lasts_ns:
        return []
    found = lasting_text(step.protect_delay_ns / 1e9)
    expected = f"less than the step lasts, {lasting_text(lasts_ns / 1e9)}: it protects nothing"
    return [pen.write("protect.delay", "impossible limit", found, expected)]


def too_much(pen: Pen, attribute: str, current: Amount, bounds: Bounds, sign: int) -> list[Problem]:
    """A step's current beyond the limit of its direction."""
    most_a, whose = bounds.of("charge_current_max_a" if sign > 0 else "discharge_current_max_a")
    current_a = constant(current)
    if current_a is None or most_a is None or abs(current_a) <= most_a * (1 + SLACK):
        return []
    expected = f"at most {most_a:g} A, {whose}"
    return [pen.write(attribute, "set-point beyond a limit", f"{abs(current_a):g} A", expected)]


def _clamp(pen: Pen, attribute: str, clamp: Amount, sign: int, pack: PackSpec, bounds: Bounds) -> list[Problem]:
    """A clamp that somebody stated beyond a limit, or where the step has ended before it begins."""
    clamp_v = constant(clamp)
    if clamp_v is None:
        return []
    full_v, cutoff_v = pack.cell_full_v * pack.series, pack.cell_cutoff_v * pack.series
    limit_v, whose = bounds.of("pack_voltage_max_v" if sign > 0 else "pack_voltage_min_v")
    if not pen.states(attribute):  # a default keeps within the pack's own limit
        limit_v, whose = _own_limit(pack, sign)
    expected = None
    if sign > 0 and limit_v is not None and clamp_v > limit_v * (1 + SLACK):
        expected = f"at most {limit_v:g} V, {whose}"
    elif sign > 0 and clamp_v <= cutoff_v:
        expected = f"more than pack_cutoff, {cutoff_v:g} V"
    elif sign < 0 and limit_v is not None and clamp_v < limit_v * (1 - SLACK):
        expected = f"at least {limit_v:g} V, {whose}"
    elif sign < 0 and clamp_v >= full_v:
        expected = f"less than pack_full, {full_v:g} V"
    return [] if expected is None else [pen.write(attribute, "impossible limit", f"{clamp_v:g} V", expected)]


def _own_limit(pack: PackSpec, sign: int) -> tuple[float | None, str]:
    if sign > 0:
        return pack.limits.pack_voltage_max_v, "the pack's pack_voltage_max"
    return pack.limits.pack_voltage_min_v, "the pack's pack_voltage_min"


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
        attribute, at_v, current_a, found = "power", cutoff_v, power_w / cutoff_v, f"{power_w:g} W"
    else:
        resistance_ohm = constant(step.resistance_ohm)
        if resistance_ohm is None:
            return []
        attribute, at_v, current_a, found = "resistance", full_v, full_v / resistance_ohm, f"{resistance_ohm:g} ohm"
        power_w = full_v**2 / resistance_ohm
    if power_w > pack.max_power_w * (1 + SLACK):
        what = found if isinstance(step, ConstantPower) else f"{found}, at {full_v:g} V {power_w:.0f} W"
        expected = f"at most {pack.max_power_w:g} W, the pack's max_power"
        return [pen.write(attribute, "set-point beyond a limit", what, expected)]
    if most_a is None or current_a <= most_a * (1 + SLACK):
        return []
    expected = f"at most {most_a:g} A, {whose}"
    return [pen.write(attribute, "set-point beyond a limit", f"{found}, at {at_v:g} V {current_a:.4g} A", expected)]


def _waveform(step: Waveform, pen: Pen, pack: PackSpec, bounds: Bounds) -> list[Problem]:
    """The first piece that is too large, and both clamps."""
    problems = _clamp(pen, "clamp_high", step.clamp_high_v, 1, pack, bounds)
    problems += _clamp(pen, "clamp_low", step.clamp_low_v, -1, pack, bounds)
    low_v, high_v = constant(step.clamp_low_v), constant(step.clamp_high_v)
    if low_v is not None and high_v is not None and low_v >= high_v and not problems:
        where = "clamp_low" if pen.states("clamp_low") else "clamp_high"
        expected = (
            f"less than clamp_high, {high_v:g} V" if where == "clamp_low" else f"more than clamp_low, {low_v:g} V"
        )
        found = f"{low_v if where == 'clamp_low' else high_v:g} V"
        problems.append(pen.write(where, "impossible limit", found, expected))
    for position, segment in enumerate(step.segments):
        value = constant(segment.value)
        if value is None or value == 0.0:
            continue
        found = _piece(value, step, piece_attribute(step, position, pen), pen, pack, bounds)
        if found is not None:
            return [*problems, found]
    return problems


def _piece(value: float, step: Waveform, attribute: str, pen: Pen, pack: PackSpec, bounds: Bounds) -> Problem | None:
    """One piece's power or current against the limits."""
    if step.quantity == "power" and abs(value) > pack.max_power_w * (1 + SLACK):
        expected = f"at most {pack.max_power_w:g} W, the pack's max_power"
        return pen.write(attribute, "set-point beyond a limit", f"{value:g} W", expected)
    low_v = pack.cell_cutoff_v * pack.series
    current_a = value / low_v if step.quantity == "power" else value
    most_a, whose = bounds.of("charge_current_max_a" if value > 0.0 else "discharge_current_max_a")
    if most_a is None or abs(current_a) <= most_a * (1 + SLACK):
        return None
    found = f"{abs(current_a):g} A"
    if step.quantity == "power":
        found = f"{value:g} W, at {low_v:g} V {abs(current_a):.4g} A"
    return pen.write(attribute, "set-point beyond a limit", found, f"at most {most_a:g} A, {whose}")


def piece_attribute(step: Waveform, position: int, pen: Pen) -> str:
    """Where a segment's value is stated: its piece of the train, or what scales the table, or the table."""
    if step.kind == "pulse":
        return f"train.{position}"
    return next((key for key in ("peak", "scale", "points", "file") if pen.states(key)), "")


def _conditioned(step: Soak | ChamberSet, pen: Pen, bounds: Bounds) -> list[Problem]:
    """A chamber's temperature at which safety would stop the run."""
    if step.temperature_c is None or (temperature_c := constant(step.temperature_c)) is None:
        return []
    for name, upper in (("temperature_max_c", True), ("temperature_min_c", False)):
        limit_c, whose = bounds.of(name)
        if limit_c is not None and (temperature_c >= limit_c if upper else temperature_c <= limit_c):
            expected = f"{'less' if upper else 'more'} than {limit_c:g} degC, {whose}: safety stops the run there"
            return [pen.write("temperature", "impossible limit", f"{temperature_c:g} degC", expected)]
    return []


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
