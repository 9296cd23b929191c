"""When, between two samples, a bound was met, and how far it had been passed at the second.

Owns the interpolation by the samples' own times. The step ends on the sample; what is found here is recorded
beside it.
"""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.conditions import left_of, names_of
from packbench.engine.evaluate import value_of
from packbench.engine.readings import TIMES, Reading, Source, read_ns, source_of
from packbench.engine.state import EngineState
from packbench.profile.plan import Condition, Test


def overshoot(met: Condition, state: EngineState, snapshot: Snapshot, now_ns: int) -> float | None:
    """By how much the ending quantity had passed its bound; None where several tests ended the step."""
    test = met.alone
    if test is None:
        return None
    reading = Reading(state, snapshot, now_ns, met.window_ns)
    return abs(left_of(test, reading) - value_of(test.value, reading))


def met_at(met: Condition, state: EngineState, snapshot: Snapshot, now_ns: int) -> int | None:
    """The instant at which the bound was met, between the last two samples of its source, both of this step.

    None where that cannot be said: several tests or sources, a bound that the step's first reading had met already.
    """
    test = met.alone
    if test is None:
        return None
    reading = Reading(state, snapshot, now_ns, met.window_ns)
    value, bound = left_of(test, reading), value_of(test.value, reading)
    if test.variable in TIMES:
        return now_ns - round((value - bound) * 1e9)
    span = _span_ns(test, state, snapshot)
    if span is None or state.before is None or state.meter_before is None:
        return None
    earlier_ns, t_ns = span
    before = Reading(state._replace(meter=state.meter_before), state.before, state.before.t_ns, met.window_ns)
    earlier_gap, gap = left_of(test, before) - value_of(test.value, before), value - bound
    if gap == earlier_gap or earlier_gap * gap > 0.0 or earlier_gap != earlier_gap:  # noqa: PLR0124 - NaN
        return None
    return earlier_ns + round((t_ns - earlier_ns) * (-earlier_gap / (gap - earlier_gap)))


def _span_ns(test: Test, state: EngineState, snapshot: Snapshot) -> tuple[int, int] | None:
    """When the one source of a test was read before, and now."""
    sources: set[Source] = {source_of(name) for name in names_of(test)}
    if len(sources) != 1 or state.before is None or state.meter_before is None:
        return None
    (source,) = sources
    t_ns = read_ns(source, state, snapshot)
    earlier_ns = read_ns(source, state._replace(meter=state.meter_before), state.before)
    if t_ns is None or earlier_ns is None or not earlier_ns < t_ns:
        return None
    # A counter begins with the step; a reading from before is of another current.
    first_ns = state.step.started_ns if source == "counted" else state.step.fresh_ns
    return (earlier_ns, t_ns) if earlier_ns >= first_ns else None
