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
    return Ways(plan).reached([0])


class Ways:
    """Which steps some way through a plan comes to, and what it passes before."""

    def __init__(self, plan: Plan) -> None:
        self._next = [tuple(successors(step, index)) for index, step in enumerate(plan.steps)]
        self._without: dict[frozenset[int], set[int]] = {}
        self._after: dict[frozenset[int], set[int]] = {}

    def reached(self, starts: list[int], avoiding: frozenset[int] = frozenset()) -> set[int]:
        """Every step that some way comes to from others, without passing those that are avoided."""
        found: set[int] = set()
        waiting = list(starts)
        while waiting:
            index = waiting.pop()
            if index in found or index in avoiding or index >= len(self._next):
                continue
            found.add(index)
            waiting += self._next[index]
        return found

    def may_come_without(self, passed: list[int], index: int) -> bool:
        """Whether some way comes to a step without having passed any of others."""
        key = frozenset(passed) - {index}
        if key not in self._without:
            self._without[key] = self.reached([0], key)
        return index in self._without[key]

    def may_come_before(self, passed: list[int], index: int) -> bool:
        """Whether some way to a step has passed one of others before."""
        key = frozenset(passed)
        if key not in self._after:
            self._after[key] = self.reached([after for one in passed for after in self._next[one]])
        return index in self._after[key]

    def may_have_come_at_first(self, passed: list[int], index: int) -> bool:
        """Whether one of others may have been passed when a way comes to a step for the first time."""
        if not self.may_come_without(passed, index):
            return True
        before = self.reached([0], frozenset({index}))
        return any(one in before for one in passed)


ROUNDS_MAX = 1_000_000
"""Of a loop within loops: no record could hold more."""


def _rounds_within(plan: Plan, end: int) -> int:
    """How often a loop goes round in all, within the loops around it."""
    loop = plan.steps[end]
    assert isinstance(loop, LoopEnd)
    rounds = loop.repeat
    for index, other in enumerate(plan.steps[end + 1 :], start=end + 1):
        if isinstance(other, LoopEnd) and other.start <= loop.start and end < index:
            rounds *= other.repeat
    return rounds


def most_rounds(plan: Plan) -> int:
    """The most that the variable `cycle` can come to: it counts on with every round of every loop."""
    loops = [(step.start, index, step.repeat) for index, step in enumerate(plan.steps) if isinstance(step, LoopEnd)]
    rounds = 1
    for start, end, repeat in loops:
        times = 1
        for outer_start, outer_end, outer_repeat in loops:
            if outer_start <= start and end < outer_end:
                times *= outer_repeat
        rounds += times * (repeat - 1)
    return rounds


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
            rounds = _rounds_within(plan, index)
            if rounds > ROUNDS_MAX and not any(problem.message == "too many rounds" for problem in problems):
                found = f"{rounds} rounds, with those of the loops around it"
                problems.append(pen.write("repeat", "too many rounds", found, f"at most {ROUNDS_MAX}"))
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
        if index in known or (isinstance(step, End) and (index, "") not in plan.places):
            continue
        pen = Pen(index, plan.source_file, plan.places)
        if isinstance(step, LoopEnd):
            expected = "a last step that goes on: a loop whose round never ends runs once"
            return [pen.write("", "a loop that never comes round", f"loop {step.label!r}", expected)]
        before = plan.steps[index - 1]
        what = "ends the profile" if isinstance(before, End) else "always goes elsewhere"
        expected = f"a step that something leads to; {before.label!r} before it {what}"
        return [pen.write("", "unreachable", f"step {step.label!r}, which nothing leads to", expected)]
    return []
