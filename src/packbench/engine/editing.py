"""Another plan for a running test: what may be changed, and the state moved over to it.

Owns that judgement. What has been executed, and the step that runs, stay as they are: a record speaks of steps by their
place, and a figure of a step must have been made under the rule that the plan states. So the two plans are the same up
to the last step that was executed (or runs), loops that are being gone round keep their place and what they compare
(how often they go round may change), and the rule of the result is the same. Targets of jumps are compared by the
labels of what they lead to, since steps that were put in move all that follows.

Pure. Whether the new plan is sound for pack and bench is the checker's; what may be said by whom is `run/controls`'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

from packbench.core.errors import RequestRefused
from packbench.engine.state import EngineState
from packbench.profile.amounts import Formula
from packbench.profile.plan import AnyStep, Condition, End, LoopEnd, Pause, Plan, Test


def moved_to(old: Plan, new: Plan, state: EngineState) -> EngineState:
    """The state under the new plan. Raises RequestRefused, naming the step that it does not allow to be changed."""
    step = state.step
    if step.finished or step.running is None or isinstance(step.running, End):
        raise RequestRefused("the profile has come to its end")
    last = max((step.index, *step.past))
    for index, planned in enumerate(old.steps[: last + 1]):
        _require_same(old, new, index, planned, runs=index == step.index)
    for loop in {loop for loop, _ in step.loop_counts} | step.rounds.keys():
        _require_loop(old, new, loop)
    if _portrait(old.result, old) != _portrait(new.result, new):
        raise RequestRefused("result: the rule of the result may not change in a running test")
    return state._replace(step=replace(step, running=_aimed(step.running, new.steps[step.index])))


def _require_same(old: Plan, new: Plan, index: int, planned: AnyStep, *, runs: bool) -> None:
    """Raises RequestRefused where a step that was executed, or runs, is another one in the new plan."""
    word = "runs" if runs else "has been executed"
    if index >= len(new.steps):
        raise RequestRefused(f"step {planned.label!r} {word}, and is not in the edited profile")
    other = new.steps[index]
    if isinstance(planned, LoopEnd) and isinstance(other, LoopEnd) and planned.label == other.label:
        return _require_loop(old, new, index)
    if type(planned) is not type(other) or planned.label != other.label:
        raise RequestRefused(f"step {planned.label!r} {word}; the edited profile has {other.label!r} in its place")
    for field in fields(planned):
        if _portrait(getattr(planned, field.name), old) != _portrait(getattr(other, field.name), new):
            raise RequestRefused(f"step {planned.label!r} {word}: its {field.name} may not change")
    return None


def _require_loop(old: Plan, new: Plan, index: int) -> None:
    """Raises RequestRefused where a loop that is being gone round is another one in the new plan."""
    planned, other = old.steps[index], new.steps[index] if index < len(new.steps) else None
    assert isinstance(planned, LoopEnd)
    if (
        not isinstance(other, LoopEnd)
        or planned.start != other.start
        or _portrait(planned.agreement, old) != _portrait(other.agreement, new)
    ):
        head = old.steps[planned.start].label
        raise RequestRefused(f"the loop that begins with step {head!r} is being gone round: only its repeat may change")


def _portrait(value: Any, plan: Plan) -> Any:
    """A value of a plan, with the steps that it points at by their labels."""
    return tuple(_drawn(value, plan, ""))


def _drawn(value: Any, plan: Plan, name: str) -> Iterator[Any]:
    if name in _POINTERS and isinstance(value, int):
        if name == "loop" and isinstance(end := plan.steps[value], LoopEnd):
            value = end.start
        yield _aim(plan.steps[value]) if value < len(plan.steps) else "the end"
    elif isinstance(value, tuple):
        yield "("
        for one in cast("tuple[Any, ...]", value):
            yield from _drawn(one, plan, "")
        yield ")"
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__
        for field in fields(value):
            yield from _drawn(getattr(value, field.name), plan, field.name)
    else:
        yield value


def _aim(step: AnyStep) -> Any:
    """What a jump leads to: a step by its label, an end by its word, for most ends are called after their place."""
    return (step.verdict, step.reason_en, step.reason_zh) if isinstance(step, End) else step.label


_POINTERS = frozenset({"goto", "target", "start", "loop", "step", "capacity_step"})
"""Fields of a plan's parts that hold the place of a step."""


def _aimed(running: AnyStep, planned: AnyStep) -> AnyStep:
    """The running step, its formulas worked out, with its jumps where the new plan has what they lead to."""
    until = tuple(_condition(one, new) for one, new in zip(running.until, planned.until, strict=True))
    running = replace(running, until=until) if until != running.until else running
    if isinstance(running, Pause) and isinstance(planned, Pause):
        return replace(running, answers=planned.answers)
    return running


def _condition(running: Condition, planned: Condition) -> Condition:
    """A condition of the running step; what its beginning has settled stays so."""
    tests = tuple(_test(one, new) for one, new in zip(running.tests, planned.tests, strict=True))
    return replace(running, tests=tests, goto=planned.goto)


def _test(running: Test, planned: Test) -> Test:
    value = planned.value if isinstance(running.value, Formula) else running.value
    return replace(running, value=value, left=planned.left)
