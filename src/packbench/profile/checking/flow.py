"""Which step may follow which, and whether every one of them can be come to.

Owns the graph of a plan: what a step's ends, jumps and answers lead to. Must not know a number. It exists so that
a step that nothing leads to is refused: its author meant something else.
"""

from __future__ import annotations

from packbench.core.errors import Problem
from packbench.profile.checking.pen import Pen
from packbench.profile.plan import (
    AnyStep,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    End,
    Goto,
    LoopEnd,
    Pause,
    Plan,
    Soak,
    Waveform,
)


def successors(step: AnyStep, index: int) -> frozenset[int]:
    """The indices of the steps that may come after the one at `index`."""
    if isinstance(step, End):
        return frozenset()
    if isinstance(step, LoopEnd):
        return frozenset({index + 1, step.start})
    if isinstance(step, Goto):
        return frozenset({step.target, index + 1} if step.until else {step.target})
    if isinstance(step, Pause):
        ways = {index + 1 if answer.goto is None else answer.goto for answer in step.answers}
        return frozenset(ways or {index + 1})
    jumps = {condition.goto for condition in step.until if condition.goto is not None}
    return frozenset({*jumps, index + 1} if goes_on(step) else jumps)


def goes_on(step: AnyStep) -> bool:
    """Whether a step has an end that leads to the next one, besides its jumps."""
    if not step.until or any(condition.goto is None for condition in step.until):
        return True
    if isinstance(step, Waveform | Soak):
        return True
    if isinstance(step, ConstantVoltage) and step.end_current_a is not None:
        return True
    return isinstance(step, ConstantCurrent | ConstantVoltage | ConstantPower) and step.cell_limit is not None


def reached(plan: Plan) -> set[int]:
    """The indices of every step that some way through the plan comes to."""
    found: set[int] = set()
    waiting = [0]
    while waiting:
        index = waiting.pop()
        if index in found or index >= len(plan.steps):
            continue
        found.add(index)
        waiting += successors(plan.steps[index], index)
    return found


def flow_problems(plan: Plan) -> list[Problem]:
    """The first step that nothing leads to; jumps that go back or nowhere, loops without a body."""
    problems: list[Problem] = []
    last = len(plan.steps) - 1
    for index, step in enumerate(plan.steps):
        pen = Pen(index, plan.source_file, plan.places)
        if isinstance(step, LoopEnd):
            if not 0 <= step.start < index:
                problems.append(pen.write("", "empty loop", f"start {step.start + 1}", f"1 to {index}"))
            if step.repeat < 1:
                problems.append(pen.write("repeat", "", str(step.repeat), "1 or more"))
            continue
        for attribute, target in _jumps(step):
            if not index < target <= last:
                expected = f"a later step, at most {last + 1}"
                problems.append(pen.write(attribute, "goto nowhere", f"step {target + 1}", expected))
        if not isinstance(step, End) and step.max_time_ns <= 0:
            problems.append(pen.write("max_time", "", f"{step.max_time_ns} ns", "more than 0"))
    if not problems:
        problems += _unreachable(plan)
    return problems


def _jumps(step: AnyStep) -> list[tuple[str, int]]:
    found = [(f"until.{at}", condition.goto) for at, condition in enumerate(step.until)]
    if isinstance(step, Pause):
        found += [(f"answers.{answer.word}", answer.goto) for answer in step.answers]
    if isinstance(step, Goto):
        found.append(("", step.target))
    return [(attribute, target) for attribute, target in found if target is not None]


def _unreachable(plan: Plan) -> list[Problem]:
    known = reached(plan)
    for index, step in enumerate(plan.steps):
        implied = isinstance(step, LoopEnd) or (isinstance(step, End) and (index, "") not in plan.places)
        if index not in known and not implied:
            found = f"step {step.label!r}, which nothing leads to"
            pen = Pen(index, plan.source_file, plan.places)
            return [pen.write("", "unreachable", found, "a step that some step leads to")]
    return []
