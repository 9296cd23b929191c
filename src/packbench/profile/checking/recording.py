"""How much a run may write down, in the worst case: rows, and executed steps with their events.

Owns the count. Must not know how large a row is (`store.size`) nor where it goes (`app.disk`). Every loop goes all its
rounds, every step lasts as long as it may, and whatever triggers a row but time may trigger one with every reading.
"""

from __future__ import annotations

from dataclasses import dataclass

from packbench.profile.plan import End, InstantStep, LoopEnd, Plan, RecordRule, Waveform

COUNT_MAX = 10**15
"""Beyond any disk: loops within loops are not counted further."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a run writes down at most."""

    rows: int
    steps: int
    """Executions of steps that take time."""


def written_at_most(plan: Plan, poll_period_ns: int, duration_max_s: float) -> Written:
    """Rows and executed steps of a plan in the worst case.

    `poll_period_ns`: the cycler's shortest, no row comes without a reading of it. `duration_max_s`: of the whole run, where
    something bounds it closer than the steps' own time limits do.
    """
    by_steps = at_edges = executed = 0
    finest_ns = 0
    for step, times in zip(plan.steps, _executions(plan), strict=True):
        if isinstance(step, InstantStep | End):
            continue
        interval_ns = _interval_ns(step.record, poll_period_ns)
        finest_ns = interval_ns if not finest_ns else min(finest_ns, interval_ns)
        by_steps += times * -(-step.max_time_ns // interval_ns)
        # The first reading, the one that ends it, and those of its edges, which the step's clock asks for.
        edges = len(step.segments) * step.repeat if isinstance(step, Waveform) else 0
        at_edges += times * (2 + edges)
        executed += times
    by_time = by_steps if not finest_ns else int(duration_max_s * 1e9 // finest_ns) + 1
    return Written(min(min(by_steps, by_time) + at_edges, COUNT_MAX), min(executed, COUNT_MAX))


def _executions(plan: Plan) -> list[int]:
    """How often each step is executed at most."""
    times = [1] * len(plan.steps)
    for index, step in enumerate(plan.steps):
        if isinstance(step, LoopEnd):
            for inner in range(step.start, index):
                times[inner] = min(times[inner] * step.repeat, COUNT_MAX)
    return times


def _interval_ns(rule: RecordRule, poll_period_ns: int) -> int:
    """The least time between two rows."""
    if (rule.dv_v, rule.di_a, rule.dt_k) != (None, None, None):
        return poll_period_ns
    wanted_ns = rule.dt_ns if rule.around is None else min(rule.dt_ns, rule.around.dt_ns)
    return max(wanted_ns, poll_period_ns)
