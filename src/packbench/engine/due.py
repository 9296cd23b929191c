"""The next instant at which time alone changes something.

Owns the answer to "when must I look again, sample or not?". It exists so that a pulse of five seconds lasts five
seconds, whatever the polls' period (GB 38031-2025 6.3: +-0.1 s [S]).
"""

from __future__ import annotations

from packbench.engine.conditions import names_of
from packbench.engine.readings import TIMES
from packbench.engine.state import NOT_HELD, EngineState
from packbench.engine.steps import logic_of
from packbench.profile.amounts import constant
from packbench.profile.plan import Condition, End, Plan


def due_ns(plan: Plan, state: EngineState, now_ns: int) -> int | None:
    """The instant (monotonic ns), after now; None: only a reading can change anything."""
    step = state.step
    running = step.running
    if step.finished or running is None or isinstance(running, End):
        return None
    if step.hold is not None:
        return step.hold.until_ns if step.hold.until_ns > now_ns else None
    dues = [step.started_ns + running.max_time_ns + 1]
    if (own_ns := logic_of(plan, running).due_ns(running, state)) is not None:
        dues.append(own_ns)
    for condition, since_ns in zip(running.until, step.held_since_ns, strict=True):
        dues += _begins(condition, state)
        if since_ns != NOT_HELD and all(name in TIMES for test in condition.tests for name in names_of(test)):
            dues.append(since_ns + condition.for_ns)
    return min((at_ns for at_ns in dues if at_ns > now_ns), default=None)


def _begins(condition: Condition, state: EngineState) -> list[int]:
    """When the tests of a condition that ask for a time become true."""
    origins = {
        "step_time": state.step.started_ns,
        "cycle_time": state.step.cycle_started_ns,
        "test_time": state.started_ns,
    }
    return [
        origins[test.variable] + first_ns(value, strictly=test.operator == ">")
        for test in condition.tests
        if test.rising and test.variable in origins and (value := constant(test.value)) is not None
    ]


def first_ns(seconds: float, *, strictly: bool) -> int:
    """The first whole nanosecond that is at least (or: more than) so many seconds."""
    found_ns = round(seconds * 1e9)
    while found_ns / 1e9 < seconds or (strictly and found_ns / 1e9 <= seconds):
        found_ns += 1
    return found_ns
