"""Working formulas out: the profile's own variables, a loop's values, what earlier steps came to, readings.

Owns the evaluation of an expression at a moment. What is not there (a step that has not run, a variable that was
never set) is NaN, which the engine takes for no set-point and no end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, cast

from packbench.engine.readings import NAN, Reading, reader_of
from packbench.profile.amounts import (
    Amount,
    Apply,
    Constant,
    Expression,
    Formula,
    Past,
    Read,
    RoundVariable,
    UserVariable,
    operate,
)
from packbench.profile.plan import AnyStep, CellLimit, Condition, Segment, Test


def value_of(amount: Amount, reading: Reading) -> float:
    """The amount now, in the project's own unit; NaN for what is not there."""
    if isinstance(amount, Formula):
        return evaluate(amount.expression, reading) / amount.factor
    return amount


def evaluate(expression: Expression, reading: Reading) -> float:
    """An expression now, in base units."""
    match expression:
        case Constant(value):
            return value
        case UserVariable(name, factor):
            return reading.state.step.variables.get(name, NAN) * factor
        case RoundVariable(_, loop, values):
            done = dict(reading.state.step.loop_counts).get(loop, 0)
            return values[min(done, len(values) - 1)]
        case Past():
            return _past(expression, reading)
        case Read(name, factor):
            return reader_of(name)(reading) * factor
        case Apply(operator, operands):
            return operate(operator, [evaluate(operand, reading) for operand in operands])


def _past(asked: Past, reading: Reading) -> float:
    record = reading.state.step.past.get(asked.step)
    if record is None:
        return NAN
    match asked.quantity:
        case "ah":
            value = abs(record.charge_ah)
        case "wh":
            value = abs(record.energy_wh)
        case "time":
            value = (record.ended_ns - record.started_ns) / 1e9
        case "voltage":
            value = record.voltage_end_v
        case "temperature":
            value = record.temperature_max_c
        case "resistance":
            found = (
                read_out.resistance_ohm
                for read_out in record.read_outs
                if read_out.at_ns == asked.at_ns and asked.piece in (None, read_out.piece)
            )
            value = next(found, NAN)
    return value * asked.factor


def worked_out(step: AnyStep, reading: Reading) -> AnyStep:
    """The step with every amount a number, as its beginning finds them; the same object when none is a formula.

    A condition's bound that looks at readings stays a formula: it is meant as it moves.
    """
    return settled(step, lambda formula: value_of(formula, reading))


def settled(step: AnyStep, number: Callable[[Formula], float]) -> AnyStep:
    """The step with every amount that its beginning settles a number, asked for one by one in a fixed order."""
    changed: dict[str, Any] = {}
    for field in fields(step):
        value = getattr(step, field.name)
        known = _known(value, number)
        if known is not value:
            changed[field.name] = known
    return replace(step, **changed) if changed else step


def amounts_of(planned: AnyStep, running: AnyStep) -> list[float]:
    """The numbers that a step's formulas were settled to, in the order in which `settled` asks for them."""
    found: list[float] = []
    for field in fields(planned):
        _collect(getattr(planned, field.name), getattr(running, field.name), found)
    return found


def _known(value: Any, number: Callable[[Formula], float]) -> Any:
    """A field's value, worked out; the same object when there was nothing to do."""
    if isinstance(value, Formula):
        return number(value)
    if isinstance(value, CellLimit):
        at_v, end_a = _known(value.voltage_v, number), _known(value.end_current_a, number)
        same = at_v is value.voltage_v and end_a is value.end_current_a
        return value if same else replace(value, voltage_v=at_v, end_current_a=end_a)
    if isinstance(value, tuple):
        items = cast("tuple[Any, ...]", value)
        known = tuple(_item(item, number) for item in items)
        return items if all(new is old for new, old in zip(known, items, strict=True)) else known
    return value


def _item(item: Any, number: Callable[[Formula], float]) -> Any:
    """An entry of a list, worked out: a segment's value, a condition's bounds."""
    if isinstance(item, Segment) and isinstance(item.value, Formula):
        return replace(item, value=number(item.value))
    if isinstance(item, Condition):
        tests = tuple(_test(test, number) for test in item.tests)
        changed = any(new is not old for new, old in zip(tests, item.tests, strict=True))
        return replace(item, tests=tests) if changed else item
    return item


def _test(test: Test, number: Callable[[Formula], float]) -> Test:
    if not isinstance(test.value, Formula) or read_by(test.value):
        return test
    return replace(test, value=number(test.value))


def _collect(planned: Any, running: Any, found: list[float]) -> None:
    """The numbers of one field; its shape is the same in both."""
    if isinstance(planned, Formula):
        if not isinstance(running, Formula):
            found.append(running)
    elif isinstance(planned, CellLimit):
        _collect(planned.voltage_v, running.voltage_v, found)
        _collect(planned.end_current_a, running.end_current_a, found)
    elif isinstance(planned, Segment | Test):
        _collect(planned.value, running.value, found)
    elif isinstance(planned, Condition):
        _collect(planned.tests, running.tests, found)
    elif isinstance(planned, tuple):
        for one, other in zip(cast("tuple[Any, ...]", planned), running, strict=True):
            _collect(one, other, found)


def read_by(amount: Amount) -> tuple[str, ...]:
    """The readings that an amount looks at; none: it does not change while a step runs."""
    return tuple(_reads(amount.expression)) if isinstance(amount, Formula) else ()


def _reads(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Read):
        yield expression.name
    elif isinstance(expression, Apply):
        for operand in expression.operands:
            yield from _reads(operand)
