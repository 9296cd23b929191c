"""End conditions against the pack, the step and the limits in force: whether one can be met, and whether it waits.

Owns the judgement of single tests and of those that stand together. A test that can never be true makes its whole
condition impossible; one that is true from the start is judged where it stands alone. What only the run knows (a
formula) is not judged.
"""

from __future__ import annotations

from itertools import combinations
from math import inf

from packbench.core.errors import Problem
from packbench.core.specs import PackSpec
from packbench.core.units import Dimension
from packbench.profile.amounts import READINGS, cell_number, constant
from packbench.profile.checking.bounds import SLACK, Bounds
from packbench.profile.checking.pen import Pen, lasting_text
from packbench.profile.plan import (
    AnyStep,
    Condition,
    ConstantCurrent,
    ConstantResistance,
    ConstantVoltage,
    DirectedStep,
    Goto,
    LoopEnd,
    Rest,
    Soak,
    Test,
)

HIGHEST: dict[str, str] = {
    "voltage": "pack_voltage_max_v",
    "cell_max": "cell_voltage_max_v",
    "cell_any": "cell_voltage_max_v",
    "cell_spread": "cell_spread_max_v",
    "temperature_max": "temperature_max_c",
}
"""A variable to the safety limit that it meets when it rises."""
LOWEST: dict[str, str] = {
    "voltage": "pack_voltage_min_v",
    "cell_min": "cell_voltage_min_v",
    "cell_any": "cell_voltage_min_v",
    "temperature_min": "temperature_min_c",
}
"""Likewise, when it falls."""
_WITHIN: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("cell_min", "cell_max"), ("cell_voltage_min_v", "cell_voltage_max_v")),
    "voltage": ("pack_voltage_min_v", "pack_voltage_max_v"),
    **dict.fromkeys(("temperature_min", "temperature_max"), ("temperature_min_c", "temperature_max_c")),
}
"""Variables that lie between two limits as long as a run goes on."""
MAGNITUDES = frozenset(
    [*(f"{since}_{what}" for since in ("step", "cycle", "test") for what in ("ah", "wh", "time")), "current", "power"]
)
"""Variables that are never less than 0."""
CHARGE_MOST = 1.1
"""Of the rated capacity: no pack holds more (worst/assumed). [A]"""
_CELLS = frozenset({"cell_min", "cell_max", "cell_any"})
_NO_CURRENT = frozenset({"current", "power", "step_ah", "step_wh"})
_ORDERED = (("cell_min", "cell_max"), ("temperature_min", "temperature_max"))
"""Variables of which the first is never above the second."""
UNITS: dict[Dimension, str] = {
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
    "ratio": "",
}


def condition_problems(
    step: AnyStep, condition: Condition, pen: Pen, attribute: str, pack: PackSpec, bounds: Bounds, rounds: int
) -> list[Problem]:
    """What is impossible about a condition. `rounds`: the most that `cycle` can come to."""
    problems: list[Problem] = []
    alone = len(condition.tests) == 1 and not isinstance(step, Goto | LoopEnd)
    for order, test in enumerate(condition.tests):
        value = constant(test.value)
        if value is None or test.left is not None:
            continue
        expected = _never(test, value, step, bounds, rounds) or _too_much_charge(test, value, step, pack)
        if expected is None and alone:
            expected = _from_the_start(test, value, step, pack, bounds)
        if expected is not None:
            where = f"{attribute}.tests.{order}"
            problems.append(pen.write(where, "impossible limit", _found(test, value, condition.text), expected))
    if not problems:
        problems += _against_each_other(condition, pen, attribute)
        problems += _too_long(step, condition, pen, attribute)
    return problems


def _found(test: Test, value: float, text: str) -> str:
    name = test.variable if cell_number(test.variable) is None else "voltage"
    dimension = READINGS[name]
    shown = f"{value:.4g}" if dimension != "ratio" else f"{value * 100:.4g} %"
    unit = "" if dimension is None or dimension == "ratio" else f" {UNITS[dimension]}"
    if dimension == "time":
        shown, unit = lasting_text(value), ""
    return f"{text!r} ({shown}{unit})" if " and " not in text else f"{test.variable} {test.operator} {shown}{unit}"


def _never(test: Test, value: float, step: AnyStep, bounds: Bounds, rounds: int) -> str | None:
    """Why a test can never be true; None: it can."""
    variable, rising = test.variable, test.rising
    if variable == "soc" and not _holds_somewhere(test, value, 0.0, 1.0):
        return "0 to 100 %"
    if variable == "cycle" and rising and value > rounds:
        return f"at most {rounds}: no more rounds are gone" if rounds > 1 else "a loop: cycle stays 1 without one"
    if isinstance(step, Rest | Soak) and variable in _NO_CURRENT and rising and value > 0.0:
        return "a time, a voltage or a temperature: no current flows here"
    if variable == "step_time" and rising and value * 1e9 >= step.max_time_ns and not isinstance(step, Goto | LoopEnd):
        most = lasting_text(step.max_time_ns / 1e9)
        return f"less than max_time, {most}, which ends the run as aborted (or a longer max_time)"
    if variable == "current" and rising and isinstance(step, ConstantCurrent | ConstantVoltage):
        most_a = constant(step.current_a)
        if most_a is not None and value > most_a * 1.01:
            return f"at most the step's current, {most_a:g} A"
    return _stopped_before(test, value, bounds)


def _too_much_charge(test: Test, value: float, step: AnyStep, pack: PackSpec) -> str | None:
    """Why a charge or a discharge never comes to so much. Beside another end it is a guard, and right to be beyond."""
    most_ah = CHARGE_MOST * pack.rated_capacity_ah
    if not isinstance(step, DirectedStep) or test.variable != "step_ah" or not test.rising or not ends_alone(step):
        return None
    return f"at most {most_ah:g} Ah, 110 % of rated" if value > most_ah * (1 + SLACK) else None


def ends_alone(step: DirectedStep) -> bool:
    """Whether a step has no end besides the one of its `until`."""
    by_current = isinstance(step, ConstantVoltage) and step.end_current_a is not None
    by_cell = not isinstance(step, ConstantResistance) and step.cell_limit is not None
    return len(step.until) == 1 and not by_current and not by_cell


def _holds_somewhere(test: Test, value: float, low: float, high: float) -> bool:
    """Whether a test is true of anything from `low` to `high`."""
    if test.rising:
        return value < high or (value == high and test.operator == ">=")
    return value > low or (value == low and test.operator == "<=")


def _stopped_before(test: Test, value: float, bounds: Bounds) -> str | None:
    """Why safety would stop the run before a test is true."""
    rising = test.rising
    variable = test.variable if cell_number(test.variable) is None else "cell_any"
    name = (HIGHEST if rising else LOWEST).get(variable)
    if name is None:
        return None
    limit, whose = bounds.of(name)
    if limit is None or (value < limit - SLACK * abs(limit) if rising else value > limit + SLACK * abs(limit)):
        return None
    unit = "V" if name.endswith("_v") else "degC"
    return f"{'less' if rising else 'more'} than {limit:g} {unit}, {whose}: safety stops the run there"


def _from_the_start(test: Test, value: float, step: AnyStep, pack: PackSpec, bounds: Bounds) -> str | None:
    """Why a test is true whenever the step begins; None: it may wait."""
    variable, rising = test.variable, test.rising
    why = "this holds from the start"
    if variable == "soc" and (value <= 0.0 if rising else value >= 1.0):
        return f"more than 0 % and less than 100 %: {why}"
    if variable in MAGNITUDES and rising and value <= 0.0:
        return f"more than 0: {why}"
    if variable == "cycle" and rising and value <= 1.0:
        return f"2 or more: {why}"
    if isinstance(step, Rest | Soak) and variable in _NO_CURRENT and not rising:
        return f"a time, a voltage or a temperature: no current flows here, and {why}"
    variable = variable if cell_number(variable) is None else "cell_min"
    cells = 1 if variable in _CELLS else pack.series if variable == "voltage" else 0
    sign = step.sign if isinstance(step, DirectedStep) else 0
    if cells and sign < 0 and not rising and value >= pack.cell_full_v * cells * (1 - SLACK):
        return f"less than full, {pack.cell_full_v * cells:g} V: this cut-off is above it"
    if cells and sign > 0 and rising and value <= pack.cell_cutoff_v * cells * (1 + SLACK):
        return f"more than the cut-off, {pack.cell_cutoff_v * cells:g} V: {why}"
    low_name, high_name = _WITHIN.get(variable, ("", ""))
    if not low_name:
        return None
    limit, whose = bounds.of(low_name if rising else high_name)
    if limit is None or (value > limit if rising else value < limit):
        return None
    unit = "V" if low_name.endswith("_v") else "degC"
    return f"{'more' if rising else 'less'} than {limit:g} {unit}, {whose}: {why}"


def _against_each_other(condition: Condition, pen: Pen, attribute: str) -> list[Problem]:
    """Tests of one condition that cannot be true together."""
    known = [(test, value) for test in condition.tests if (value := constant(test.value)) is not None]
    for (one, first), (other, second) in combinations(known, 2):
        low, high = ((one, first), (other, second)) if one.rising else ((other, second), (one, first))
        same = low[0].variable == high[0].variable != "cell_any" or (low[0].variable, high[0].variable) in _ORDERED
        if one.rising == other.rising or not same or low[1] < high[1]:
            continue
        if low[1] == high[1] and low[0].operator == ">=" and high[0].operator == "<=":
            continue
        found = f"{low[0].variable} {low[0].operator} {low[1]:g} and {high[0].variable} {high[0].operator} {high[1]:g}"
        return [pen.write(attribute, "impossible together", found, "tests that can be true at one moment")]
    return []


def _too_long(step: AnyStep, condition: Condition, pen: Pen, attribute: str) -> list[Problem]:
    """A condition that must hold, or be looked at, for longer than the step lasts."""
    if isinstance(step, Goto | LoopEnd):
        return []
    lasts_ns = min(step.max_time_ns, lasting_ns(step))
    why = f"less than the step lasts, {lasting_text(lasts_ns / 1e9)}"
    if condition.for_ns and condition.for_ns >= lasts_ns:
        found = lasting_text(condition.for_ns / 1e9)
        return [pen.write(f"{attribute}.for", "impossible limit", found, why)]
    if any("/dt" in test.variable for test in condition.tests) and condition.window_ns >= lasts_ns:
        found = lasting_text(condition.window_ns / 1e9)
        return [pen.write(f"{attribute}.over", "impossible limit", found, why)]
    return []


def lasting_ns(step: AnyStep) -> float:
    """The longest that a step's own time conditions let it last; inf: they do not bound it."""
    times = [
        value * 1e9
        for condition in step.until
        if (test := condition.alone) is not None
        and test.variable == "step_time"
        and test.rising
        and (value := constant(test.value)) is not None
    ]
    return min(times, default=inf)
