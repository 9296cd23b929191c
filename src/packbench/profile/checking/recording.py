"""How much a run may write down, in the worst case: rows, and executed steps with their events.

Owns the count. Must not know how large a row is (`store.size`) nor where it goes (`app.disk`). Every loop goes all its
rounds and every step lasts as long as it may. A row that is written because something changed can come with every
reading, unless the change is larger than what the bench's instruments state as noise and the step's own course is
smooth: then there are as many as fit between the limits in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from packbench.core.specs import BenchSpec
from packbench.profile.plan import AnyStep, End, InstantStep, LoopEnd, Plan, RecordRule, Waveform

COUNT_MAX = 10**15
"""Beyond any disk: loops within loops are not counted further."""
_SIGMAS = 8.5
"""Between two readings: 6 standard deviations of their difference, which a run of years does not see by chance."""
_TEMPERATURE_SWING_K = 200.0
_WAYS = 2.0
"""A smooth step's voltage may turn once: as a resting cell's does."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a run writes down at most."""

    rows: int
    steps: int
    """Executions of steps that take time."""


def written_at_most(plan: Plan, bench: BenchSpec, duration_max_s: float) -> Written:
    """Rows and executed steps of a plan in the worst case.

    `duration_max_s`: of the whole run, where something bounds it closer than the steps' own time limits do.
    """
    by_steps = changed = besides = executed = 0
    finest_ns = 0
    for step, times in zip(plan.steps, _executions(plan), strict=True):
        if isinstance(step, InstantStep | End):
            continue
        poll_ns = _poll_ns(step, bench)
        interval_ns, changes = _pace(step, poll_ns, plan, bench)
        finest_ns = interval_ns if not finest_ns else min(finest_ns, interval_ns)
        readings = -(-step.max_time_ns // poll_ns)
        by_steps += times * min(readings, -(-step.max_time_ns // interval_ns) + changes)
        changed += times * changes
        # The first reading, the one that ends it, and those of its edges, which the step's clock asks for.
        edges = len(step.segments) * step.repeat if isinstance(step, Waveform) else 0
        besides += times * (2 + edges + _before(step, bench))
        executed += times
    by_time = by_steps if not finest_ns else int(duration_max_s * 1e9 // finest_ns) + 1 + changed
    return Written(min(min(by_steps, by_time) + besides, COUNT_MAX), min(executed, COUNT_MAX))


def _executions(plan: Plan) -> list[int]:
    """How often each step is executed at most."""
    times = [1] * len(plan.steps)
    for index, step in enumerate(plan.steps):
        if isinstance(step, LoopEnd):
            for inner in range(step.start, index):
                times[inner] = min(times[inner] * step.repeat, COUNT_MAX)
    return times


def _before(step: AnyStep, bench: BenchSpec) -> int:
    """Rows of the step before that are wanted for this one's first edge."""
    around = step.record.around
    if around is None:
        return 0
    fastest_ns = min(bench.cycler.poll_period_ns, bench.cycler.poll_fast_ns)
    return around.before_ns // max(around.dt_ns, fastest_ns) + 1


def _poll_ns(step: AnyStep, bench: BenchSpec) -> int:
    """How often the cycler is read in a step at most: without a reading there is no row."""
    looked_at_closely = isinstance(step, Waveform) or step.record.around is not None
    usual_ns = bench.cycler.poll_period_ns
    return min(usual_ns, bench.cycler.poll_fast_ns) if looked_at_closely else usual_ns


def _pace(step: AnyStep, poll_ns: int, plan: Plan, bench: BenchSpec) -> tuple[int, int]:
    """The least time between two rows that time asks for, and how many come besides because something changed."""
    rule = step.record
    changes = 0.0 if (rule.dv_v, rule.di_a, rule.dt_k) == (None, None, None) else inf
    if changes and not isinstance(step, Waveform):
        changes = _changes(rule, plan, bench)
    if changes == inf:
        return poll_ns, 0
    wanted_ns = rule.dt_ns if rule.around is None else min(rule.dt_ns, rule.around.dt_ns)
    return max(wanted_ns, poll_ns), int(changes)


def _changes(rule: RecordRule, plan: Plan, bench: BenchSpec) -> float:
    """Rows of a smooth step that changes ask for; infinite where noise alone may ask."""
    most = plan.most
    if most is None:
        return inf
    volts = most.voltage_max_v - most.voltage_min_v
    amperes = most.charge_current_a + most.discharge_current_a
    return (
        _rows(rule.dv_v, volts, _noise(bench, "cycler", "voltage_v"))
        + _rows(rule.di_a, amperes, _noise(bench, "cycler", "current_a"))
        + _rows(rule.dt_k, _TEMPERATURE_SWING_K, _noise(bench, "bms", "temperature_c"))
    )


def _rows(change: float | None, swing: float, noise: float) -> float:
    if change is None:
        return 0.0
    return inf if change <= noise else _WAYS * swing / (change - noise) + 1


def _noise(bench: BenchSpec, instrument: str, quantity: str) -> float:
    """The most by which two readings of the same thing differ; infinite where the bench file does not say."""
    try:
        accuracy = bench.accuracy(instrument, quantity)
    except KeyError:
        return inf
    return _SIGMAS * accuracy.noise + accuracy.resolution
