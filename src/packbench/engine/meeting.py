"""When, between two samples, a bound was met, and how far it had been passed at the second.

Owns the interpolation by the samples' own times. The step ends on the sample; what is found here is recorded
beside it.
"""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.conditions import left_of
from packbench.engine.evaluate import value_of
from packbench.engine.readings import CELLS, TIMES, Reading
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
    """The instant at which the bound was met: between the last two samples of its source, else None."""
    test = met.alone
    if test is None or state.before is None or state.meter_before is None:
        return None
    reading = Reading(state, snapshot, now_ns, met.window_ns)
    value, bound = left_of(test, reading), value_of(test.value, reading)
    if test.variable in TIMES:
        return now_ns - round((value - bound) * 1e9)
    before = Reading(state._replace(meter=state.meter_before), state.before, state.before.t_ns, met.window_ns)
    earlier, earlier_bound = left_of(test, before), value_of(test.value, before)
    t_ns, earlier_ns = _source_ns(test, snapshot, state), _source_ns(test, state.before, before.state)
    if t_ns is None or earlier_ns is None or not earlier_ns < t_ns:
        return None
    gap, earlier_gap = value - bound, earlier - earlier_bound
    if gap == earlier_gap or earlier_gap * gap > 0.0 or earlier_gap != earlier_gap:  # noqa: PLR0124 - NaN
        return None
    return earlier_ns + round((t_ns - earlier_ns) * (-earlier_gap / (gap - earlier_gap)))


def _source_ns(test: Test, snapshot: Snapshot, state: EngineState) -> int | None:
    """When the variable's source was read."""
    if test.variable.endswith(("_ah", "_wh")):
        return state.meter.t_ns
    if test.variable in CELLS or test.variable.startswith(("cell_", "temperature_")):
        return None if snapshot.bms is None else snapshot.bms.t_ns
    return None if snapshot.cycler is None else snapshot.cycler.t_ns
