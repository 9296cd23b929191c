"""A flat plan seen as what it is made of: steps, and loops of steps; and its amounts, round by round.

Owns the nesting of loops and what a formula comes to when only the round is needed to know it. Must not know a
format.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast

from packbench.profile.amounts import Amount, Apply, Constant, Expression, Formula, RoundVariable, operate
from packbench.profile.plan import AnyStep, LoopEnd

Rounds = Mapping[int, int]
"""Index of a loop's LoopEnd to the round it is in, from 0."""


@dataclass(frozen=True, slots=True)
class Body:
    """A loop."""

    end: int
    """Index of its LoopEnd."""
    nodes: tuple[Node, ...]


Node = int | Body
"""The index of a step, or a loop."""


def tree(steps: tuple[AnyStep, ...]) -> tuple[Node, ...]:
    """The steps of a plan, nested as its loops are."""
    return _nodes(steps, 0, len(steps))


def _nodes(steps: tuple[AnyStep, ...], low: int, high: int) -> tuple[Node, ...]:
    nodes: list[Node] = []
    index = high - 1
    while index >= low:
        step = steps[index]
        if isinstance(step, LoopEnd):
            nodes.append(Body(index, _nodes(steps, step.start, index)))
            index = step.start
        else:
            nodes.append(index)
        index -= 1
    return tuple(reversed(nodes))


def number(amount: Amount | None, rounds: Rounds) -> float | None:
    """What an amount comes to in these rounds; None: only the run knows (or there is none)."""
    if amount is None:
        return None
    if not isinstance(amount, Formula):
        return float(amount)
    value = _value(amount.expression, rounds)
    return None if value is None or not math.isfinite(value) else value / amount.factor


def _value(expression: Expression, rounds: Rounds) -> float | None:
    match expression:
        case Constant(value):
            return value
        case RoundVariable(_, loop, values):
            return values[rounds[loop]] if loop in rounds else None
        case Apply(operator, operands):
            known = [value for operand in operands if (value := _value(operand, rounds)) is not None]
            return operate(operator, known) if len(known) == len(operands) else None
        case _:
            return None


def varies(steps: tuple[AnyStep, ...], body: Body) -> bool:
    """Whether a loop's rounds differ: a step of it reads one of its variables."""
    start = steps[body.end]
    assert isinstance(start, LoopEnd)
    return any(
        isinstance(part, RoundVariable) and part.loop == body.end
        for step in steps[start.start : body.end]
        for part in _parts(step)
    )


def _parts(value: Any) -> Iterator[Any]:
    """Everything that a frozen value is made of."""
    yield value
    inner: Iterable[Any] = ()
    if is_dataclass(value):
        inner = (getattr(value, field.name) for field in fields(value))
    elif isinstance(value, tuple):
        inner = cast("tuple[Any, ...]", value)
    for part in inner:
        yield from _parts(part)
