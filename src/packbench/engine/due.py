"""The next instant at which time alone changes something.

Owns the answer to "when must I look again, sample or not?". It exists so that a pulse of five seconds lasts five
seconds, whatever the polls' period (GB 38031-2025 6.3: +-0.1 s [S]).
"""

from __future__ import annotations

from packbench.engine.state import NOT_HELD, EngineState
from packbench.engine.steps import LOGIC
from packbench.profile.amounts import constant
from packbench.profile.plan import End, Plan


def due_ns(plan: Plan, state: EngineState) -> int | None:
    """The instant (monotonic ns); None: only a reading can change anything before the step's max_time."""
    step = state.step
    running = step.running
    if step.finished or running is None or isinstance(running, End):
        return None
    dues: list[int] = [step.started_ns + running.max_time_ns + 1]
    if (own_ns := LOGIC[type(running)].due_ns(running, step)) is not None:
        dues.append(own_ns)
    for condition, since_ns in zip(running.until, step.held_since_ns, strict=True):
        test = condition.alone
        if since_ns != NOT_HELD:
            dues.append(since_ns + condition.for_ns)
        elif test is not None and test.rising and (value := constant(test.value)) is not None:
            begins = {
                "step_time": step.started_ns,
                "cycle_time": step.cycle_started_ns,
                "test_time": state.started_ns,
            }.get(test.variable)
            if begins is not None:
                dues.append(begins + round(value * 1e9))
    return min(dues)
