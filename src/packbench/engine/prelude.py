"""What is asked before a pack is connected: the pauses that open a profile.

Owns the walk from a profile's first step to the first one that takes time or sets something on a device. The
questions on the way are asked while the contactor is open, so that what an answer turns away (a damaged pack, a
wrong polarity) is never connected. Pure: the answers so far in, what comes next out.

Variables that depend on nothing but each other are given their values on the way. A loop, a jump with a condition
and a value that must be read from the pack are the run's own: the walk ends there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from packbench.core.samples import Snapshot
from packbench.engine.effects import Finish
from packbench.engine.evaluate import value_of
from packbench.engine.readings import Reading
from packbench.engine.walk import before_first, finished, started
from packbench.profile.amounts import Amount, Apply, Constant, Expression, Formula, UserVariable
from packbench.profile.plan import End, Goto, LoopEnd, Pause, Plan, SetVariables


@dataclass(frozen=True, slots=True)
class Begin:
    """Nothing is left to ask: what the run begins with."""

    index: int = 0
    """Into plan.steps, from 0."""
    variables: tuple[tuple[str, float], ...] = ()
    """Given a value on the way, in the project's units."""


FROM_THE_TOP = Begin()


def prelude(plan: Plan, words: Sequence[str] = ()) -> Pause | Begin | Finish:
    """After the answers so far (`words`, in order): the next question, the run's beginning, or its end."""
    loops = {step.start for step in plan.steps if isinstance(step, LoopEnd)}
    left = list(words)
    variables: dict[str, float] = {}
    index = 0
    while index not in loops:
        step = plan.steps[index]
        match step:
            case Pause():
                if not left:
                    return step
                word = left.pop(0)
                goto = next(answer.goto for answer in step.choices if answer.word == word)
                index = index + 1 if goto is None else goto
            case Goto(target=target, until=()):
                index = target
            case SetVariables() if (values := _values(step, variables)) is not None:
                variables |= values
                index += 1
            case End():
                return finished(step, variables)
            case _:
                break
    return Begin(index, tuple(variables.items()))


def _values(step: SetVariables, before: Mapping[str, float]) -> dict[str, float] | None:
    """What a `set` gives its variables; None where only the run can tell."""
    found = dict(before)
    for name, amount in step.values:
        if not _settled(amount):
            return None
        state = started(before_first(0, found), Snapshot(0, None, None, None), 0)
        value = value_of(amount, Reading(state, Snapshot(0, None, None, None), 0))
        if not isfinite(value):
            return None
        found[name] = value
    return found


def _settled(amount: Amount) -> bool:
    """Whether an amount depends on nothing but the profile's own variables."""
    return not isinstance(amount, Formula) or _own(amount.expression)


def _own(expression: Expression) -> bool:
    match expression:
        case Constant() | UserVariable():
            return True
        case Apply():
            return all(_own(operand) for operand in expression.operands)
        case _:
            return False
