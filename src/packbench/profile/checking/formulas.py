"""Formulas of a plan: what they look at exists, and has come to something when they are worked out.

Owns the way to every amount of a step, and the judgement of what a formula refers to. Must not work one out (the
engine does) nor judge its dimension (`language/resolve`). It exists because a set-point that comes to nothing ends a
run in its middle, with the pack as it then is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packbench.core.errors import Problem
from packbench.core.specs import PackSpec
from packbench.profile.amounts import Amount, Apply, Expression, Formula, Past, Read, UserVariable, cell_number
from packbench.profile.checking.flow import Ways
from packbench.profile.checking.pen import Pen
from packbench.profile.plan import (
    AnyStep,
    ChamberSet,
    Condition,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    Pause,
    Plan,
    Rest,
    SetVariables,
    Soak,
    Waveform,
)

Leaf = Read | Past | UserVariable


@dataclass(frozen=True, slots=True)
class Use:
    """A formula of a step that looks at something."""

    attribute: str
    leaf: Leaf
    waits: bool
    """It is a condition's: nothing to look at is no end yet."""
    given: frozenset[str] = frozenset()
    """Variables that the step itself has given a value before."""


def amounts_of(step: AnyStep) -> list[tuple[str, Amount]]:
    """A step's set-points and other amounts with the attributes that state them; conditions apart."""
    found: list[tuple[str, Amount | None]] = []
    match step:
        case ConstantCurrent():
            found += [("current", step.current_a), ("clamp", step.clamp_voltage_v)]
        case ConstantVoltage():
            found += [("current", step.current_a), ("voltage", step.voltage_v), ("end_current", step.end_current_a)]
        case ConstantPower():
            found += [("power", step.power_w), ("clamp", step.clamp_voltage_v)]
        case ConstantResistance():
            found += [("resistance", step.resistance_ohm), ("clamp", step.clamp_voltage_v)]
        case Waveform():
            found += [("clamp_high", step.clamp_high_v), ("clamp_low", step.clamp_low_v)]
            where = "train.{}" if step.kind == "pulse" else "peak"
            found += [(where.format(at), segment.value) for at, segment in enumerate(step.segments)]
        case Soak() | ChamberSet():
            found.append(("temperature", step.temperature_c))
        case SetVariables():
            found += [(name.rpartition(".")[2], amount) for name, amount in step.values]
        case _:
            pass
    if isinstance(step, ConstantCurrent | ConstantVoltage | ConstantPower) and step.cell_limit is not None:
        limit = step.cell_limit
        found += [("on_cell_limit.at", limit.voltage_v), ("on_cell_limit.end_current", limit.end_current_a)]
    return [(attribute, amount) for attribute, amount in found if amount is not None]


def uses_of(step: AnyStep) -> Iterator[Use]:
    """Everything that the formulas of a step look at, its conditions' variables among them."""
    given: set[str] = set()
    assigned = [name for name, _ in step.values] if isinstance(step, SetVariables) else []
    for position, (attribute, amount) in enumerate(amounts_of(step)):
        for leaf in _leaves(amount):
            yield Use(attribute, leaf, waits=False, given=frozenset(given))
        if assigned:
            given.add(assigned[position])
    for position, condition in enumerate(step.until):
        yield from _of_condition(condition, f"until.{position}")


def _of_condition(condition: Condition, attribute: str) -> Iterator[Use]:
    for order, test in enumerate(condition.tests):
        here = f"{attribute}.tests.{order}"
        if test.left is None:
            yield Use(here, Read(test.variable, 1.0), waits=True)
        else:
            for leaf in _leaves(test.left):
                yield Use(here, leaf, waits=True)
        for leaf in _leaves(test.value):
            yield Use(here, leaf, waits=True)


def _leaves(amount: Amount) -> Iterator[Leaf]:
    if isinstance(amount, Formula):
        yield from _of_expression(amount.expression)


def _of_expression(expression: Expression) -> Iterator[Leaf]:
    if isinstance(expression, Apply):
        for operand in expression.operands:
            yield from _of_expression(operand)
    elif isinstance(expression, Read | Past | UserVariable):
        yield expression


def formula_problems(plan: Plan, pack: PackSpec) -> list[Problem]:
    """What formulas look at and nobody can ever have read."""
    problems: list[Problem] = []
    ways = Ways(plan)
    for index, step in enumerate(plan.steps):
        pen = Pen(index, plan.source_file, plan.places)
        for use in dict.fromkeys(uses_of(step)):
            problems += _of_use(use, index, plan, pack, pen, ways)
    return problems


def _of_use(use: Use, index: int, plan: Plan, pack: PackSpec, pen: Pen, ways: Ways) -> list[Problem]:
    match use.leaf:
        case Read(name, _):
            number = cell_number(name)
            if number is not None and number > pack.series:
                return [pen.write(use.attribute, "no such cell", name, f"cell_1 to cell_{pack.series}")]
            return []
        case Past():
            label = plan.steps[use.leaf.step].label
            still = isinstance(plan.steps[use.leaf.step], Rest | Soak | Pause)
            if still and use.leaf.quantity in ("ah", "wh"):
                found = f"{use.leaf.quantity}({label}), of a step without current"
                return [pen.write(use.attribute, "nothing to look at", found, "the label of a step with current")]
            if use.leaf.quantity == "resistance" and (expected := _read_out_missing(use.leaf, plan)) is not None:
                return [pen.write(use.attribute, "a read-out nobody takes", _asked(use.leaf, label), expected)]
            sources, found = [use.leaf.step], f"{use.leaf.quantity}({label})"
        case UserVariable(name, _):
            if name in use.given:
                return []
            sources, found = setters(plan, name), f"${name}"
    if ways.may_come_before(sources, index) and (use.waits or ways.may_have_come_at_first(sources, index)):
        return []
    expected = "something that has run before, on the way to here"
    return [pen.write(use.attribute, "nothing to look at yet", found, expected)]


def formula_warnings(plan: Plan) -> list[Problem]:
    """Set-points that look at a step, or a variable, that the run may have passed over."""
    warnings: list[Problem] = []
    ways = Ways(plan)
    for index, step in enumerate(plan.steps):
        pen = Pen(index, plan.source_file, plan.places)
        for use in dict.fromkeys(uses_of(step)):
            if use.waits or isinstance(use.leaf, Read):
                continue
            if isinstance(use.leaf, Past):
                sources, found = [use.leaf.step], f"{use.leaf.quantity}({plan.steps[use.leaf.step].label})"
            elif use.leaf.name in use.given:
                continue
            else:
                sources, found = setters(plan, use.leaf.name), f"${use.leaf.name}"
            if ways.may_come_without(sources, index):
                expected = "a step that every way to here passes: without it the run ends here"
                warnings.append(pen.write(use.attribute, "may not have run", found, expected))
    return warnings


def setters(plan: Plan, name: str) -> list[int]:
    """The steps that give a variable its value."""
    return [
        index
        for index, step in enumerate(plan.steps)
        if isinstance(step, SetVariables) and any(known == name for known, _ in step.values)
    ]


def _asked(past: Past, label: str) -> str:
    piece = "" if past.piece is None else f", {past.piece}"
    return f"resistance({label}, {(past.at_ns or 0) / 1e9:g} s{piece})"


def _read_out_missing(past: Past, plan: Plan) -> str | None:
    """Which read-outs there are, where the one asked for is none of them."""
    step = plan.steps[past.step]
    if not isinstance(step, Waveform) or step.kind != "pulse":
        return "a read-out of a pulse"
    count = len(step.segments) * step.repeat
    taken: dict[int, list[int]] = {}
    for at, segment in enumerate(step.segments):
        for at_ns in segment.read_outs_ns:
            taken.setdefault(at_ns, []).append(at + 1)
    if past.at_ns in taken and past.piece is None:
        return None
    if past.at_ns in taken and past.piece is not None and past.piece <= count:
        if (past.piece - 1) % len(step.segments) + 1 in taken[past.at_ns]:
            return None
        pieces = ", ".join(str(piece) for piece in taken[past.at_ns])
        return f"a piece that has this read-out: {pieces}"
    if past.at_ns in taken:
        return f"a piece of the train, 1 to {count}"
    times = ", ".join(f"{at_ns / 1e9:g} s" for at_ns in sorted(taken)) or "none: it states no read_outs"
    return f"one of the pulse's read-outs ({times})"
