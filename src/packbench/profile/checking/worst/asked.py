"""What a plan's formulas look back at: the variables of loops, and steps that have run.

Owns that search. What nobody asks for need not be remembered, nor told apart from one round to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, cast

from packbench.profile.amounts import Apply, Constant, Expression, Formula, Past, RoundVariable, UserVariable
from packbench.profile.plan import CellLimit, Condition, Goto, LoopEnd, Pause, Plan, Segment, SetVariables, Test


@dataclass(frozen=True, slots=True)
class Asked:
    """Indices into the plan's steps."""

    loops: frozenset[int] = frozenset()
    """Ends of the loops whose variables somebody reads."""
    steps: frozenset[int] = frozenset()
    """Of which somebody asks what their last execution came to."""
    formulas: frozenset[int] = frozenset()
    """Steps that have any."""
    before: frozenset[int] = frozenset()
    """Pauses that are asked before the run begins (engine/prelude.py)."""


def asked_in(plan: Plan) -> Asked:
    """Everything that a plan asks for."""
    loops, steps, formulas = set[int](), set[int](), set[int]()
    for index, step in enumerate(plan.steps):
        if isinstance(step, LoopEnd) and step.agreement is not None:
            steps.add(step.agreement.step)
        for field in fields(step):
            for expression in _formulas(getattr(step, field.name)):
                formulas.add(index)
                for leaf in _leaves(expression):
                    if isinstance(leaf, RoundVariable):
                        loops.add(leaf.loop)
                    else:
                        steps.add(leaf.step)
    return Asked(frozenset(loops), frozenset(steps), frozenset(formulas), _asked_before(plan))


def _asked_before(plan: Plan) -> frozenset[int]:
    """The pauses that nothing but pauses, jumps without a condition and values known by then come before."""
    loops = {step.start for step in plan.steps if isinstance(step, LoopEnd)}
    found, seen, left = set[int](), set[int](), [0]
    while left:
        index = left.pop()
        if index in loops or index in seen:
            continue
        seen.add(index)
        match plan.steps[index]:
            case Pause() as pause:
                found.add(index)
                left += [index + 1 if answer.goto is None else answer.goto for answer in pause.choices]
            case Goto(target=target, until=()):
                left.append(target)
            case SetVariables(values=values) if not any(_reads(value) for _, value in values):
                left.append(index + 1)
            case _:
                pass
    return frozenset(found)


def _reads(value: Any) -> bool:
    """Whether a value is asked of the run: more than numbers and the profile's own variables."""
    return any(not _settled(expression) for expression in _formulas(value))


def _settled(expression: Expression) -> bool:
    if isinstance(expression, Apply):
        return all(_settled(operand) for operand in expression.operands)
    return isinstance(expression, Constant | UserVariable)


def _formulas(value: Any) -> Iterator[Expression]:
    """Those of a field's value, or of an entry of it."""
    match value:
        case Formula(expression):
            yield expression
        case tuple():
            for item in cast("tuple[Any, ...]", value):
                yield from _formulas(item)
        case Segment(value=amount):
            if isinstance(amount, Formula):
                yield amount.expression
        case CellLimit(voltage_v=at_v, end_current_a=end_a):
            yield from _formulas((at_v, end_a))
        case Condition(tests=tests):
            yield from _formulas(tests)
        case Test(value=amount, left=left):
            yield from _formulas((amount, left))
        case _:
            return


def _leaves(expression: Expression) -> Iterator[RoundVariable | Past]:
    if isinstance(expression, RoundVariable | Past):
        yield expression
    elif isinstance(expression, Apply):
        for operand in expression.operands:
            yield from _leaves(operand)
