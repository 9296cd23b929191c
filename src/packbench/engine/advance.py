"""The engine: (plan, state, snapshot, now) -> (state, effects).

Owns the walk through a plan. It must not await, read a clock or know a device; it decides only
from what it is given, so that replaying recorded snapshots reproduces every effect. Safety limits
are not its business: `safety.judge` runs first and may stop everything.
"""

from __future__ import annotations

from dataclasses import replace

from packbench.core.samples import Snapshot
from packbench.engine.conditions import READERS, Reading, cell_behind, first_met
from packbench.engine.effects import Effect, Finish, OutputOff, StepBegan, StepEnded
from packbench.engine.state import NOT_HELD, EngineState, StepState
from packbench.engine.steps import LOGIC, Ending
from packbench.engine.walk import (
    before_first,
    left,
    metered,
    overdue,
    record_of,
    started,
    stop,
    temperatures,
    through_loops,
)
from packbench.profile.plan import Condition, End, LoopEnd, Plan

SETTLED_A = 1.0
"""Below this the output counts as off (the faults catalogue's |I| < 1 A)."""
SETTLE_NS = 2_000_000_000
"""The tail of a step is counted this long at most."""


def start(plan: Plan, snapshot: Snapshot, now_ns: int) -> tuple[EngineState, tuple[Effect, ...]]:
    """Begin the first step."""
    effects: list[Effect] = []
    step = _enter(plan, before_first(now_ns), 0, now_ns, effects)
    return started(step, snapshot, now_ns), tuple(effects)


def advance(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int) -> tuple[EngineState, tuple[Effect, ...]]:
    """Take in a reading. Called for every new sample of any source."""
    if state.step.finished:
        return state, ()
    state = metered(state, snapshot)
    effects: list[Effect] = []
    step = state.step
    if step.closing is not None and _settled(step, snapshot, now_ns):
        effects.append(StepEnded(replace(step.closing, tail_ah=state.meter.ah)))
        step = replace(step, closing=None)
        state = state._replace(step=step)
    planned = plan.steps[step.index]
    if isinstance(planned, End):
        if step.closing is None:
            effects.append(Finish(planned.verdict, "the profile's end"))
            state = state._replace(step=replace(step, finished=True))
        return state, tuple(effects)
    assert not isinstance(planned, LoopEnd)
    met, held = first_met(planned.until, step.held_since_ns, Reading(state, snapshot, now_ns))
    if met is not None:
        ending = Ending(met.text, cell_behind(met, snapshot), overshoot=_overshoot(met, state, snapshot, now_ns))
        return _leave(plan, state, snapshot, now_ns, ending, met.goto, effects)
    outcome = LOGIC[type(planned)].watch(planned, step, snapshot, now_ns)
    if outcome.ending is not None:
        return _leave(plan, state, snapshot, now_ns, outcome.ending, None, effects)
    if (reason := overdue(plan, state, now_ns)) is not None:
        return stop(plan, state, snapshot, now_ns, reason)
    if outcome.drive is not None:
        effects.append(outcome.drive)
        step = replace(step, drive=outcome.drive, taper=outcome.taper, held_since_ns=held)
        state = state._replace(step=step)
    elif held is not step.held_since_ns:
        state = state._replace(step=replace(step, held_since_ns=held))
    return state, tuple(effects)


def _settled(step: StepState, snapshot: Snapshot, now_ns: int) -> bool:
    """Whether the step before has stopped flowing (or another current has taken over)."""
    current_a = 0.0 if snapshot.cycler is None else snapshot.cycler.current_a
    fresh = snapshot.cycler is not None and snapshot.cycler.t_ns > step.started_ns
    return step.drive is not None or (fresh and abs(current_a) < SETTLED_A) or now_ns - step.started_ns >= SETTLE_NS


def _leave(
    plan: Plan,
    state: EngineState,
    snapshot: Snapshot,
    now_ns: int,
    ending: Ending,
    goto: int | None,
    effects: list[Effect],
) -> tuple[EngineState, tuple[Effect, ...]]:
    """End the step, and enter the next one."""
    step = state.step
    if step.closing is not None:
        effects.append(StepEnded(replace(step.closing, tail_ah=state.meter.ah)))
    state = state._replace(meter=state.meter.held(now_ns))
    record = record_of(plan, state, snapshot, now_ns, ending)
    leaving = replace(left(step, record), closing=record)
    if goto is not None:
        # A loop that is jumped out of begins anew when it is entered again.
        inside = tuple(entry for entry in leaving.loop_counts if not _jumped_out_of(plan, entry[0], step.index, goto))
        leaving = replace(leaving, loop_counts=inside)
    entered = _enter(plan, leaving, step.index + 1 if goto is None else goto, now_ns, effects)
    return EngineState(entered, state.meter.restarted(), state.started_ns, *temperatures(snapshot)), tuple(effects)


def _jumped_out_of(plan: Plan, loop_end: int, index: int, goto: int) -> bool:
    """Whether a jump from `index` to `goto` leaves the loop that ends at `loop_end`."""
    loop = plan.steps[loop_end]
    assert isinstance(loop, LoopEnd)
    return loop.start <= index <= loop_end and not loop.start <= goto <= loop_end


def _enter(plan: Plan, step: StepState, index: int, now_ns: int, effects: list[Effect]) -> StepState:
    """Begin the step at `index`, going through loop ends, which take no time."""
    step, index = through_loops(plan, step, index, effects)
    planned = plan.steps[index]
    drive, taper = (None, None) if isinstance(planned, End) else LOGIC[type(planned)].begin(planned, now_ns)
    number = step.number + 1
    effects.append(StepBegan(number, index + 1, planned.label, step.cycle))
    effects.append(drive if drive is not None else OutputOff())
    return replace(
        step,
        index=index,
        number=number,
        started_ns=now_ns,
        drive=drive,
        taper=taper,
        held_since_ns=(NOT_HELD,) * len(planned.until),
    )


def _overshoot(met: Condition, state: EngineState, snapshot: Snapshot, now_ns: int) -> float | None:
    """By how much the ending quantity had passed its bound; None where the bound is a waiting time."""
    if met.for_ns:
        return None
    return abs(READERS[met.variable](Reading(state, snapshot, now_ns)) - met.value)
