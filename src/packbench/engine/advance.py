"""The engine: (plan, state, snapshot, now) -> (state, effects).

Owns the walk through a plan. It must not await, read a clock or know a device; it decides only
from what it is given, so that replaying recorded snapshots reproduces every effect. Safety limits
are not its business: `safety.judge` runs first and may stop everything.
"""

from __future__ import annotations

from dataclasses import replace

from packbench.core.samples import Snapshot
from packbench.engine.conditions import cell_behind, first_met
from packbench.engine.control import Asked
from packbench.engine.effects import Effect, StepEnded
from packbench.engine.entering import SETTLE_NS, enter, left_loops, variable_set
from packbench.engine.meeting import met_at, overshoot
from packbench.engine.permitted import beyond
from packbench.engine.prelude import FROM_THE_TOP, Begin
from packbench.engine.readings import Reading
from packbench.engine.state import EngineState, Hold, StepState
from packbench.engine.steps import Ending, logic_of
from packbench.engine.walk import (
    before_first,
    finished,
    left,
    metered,
    overdue,
    record_of,
    started,
    stop,
    temperatures,
    too_long_held,
    with_tail,
)
from packbench.profile.plan import Condition, End, Pause, Plan

__all__ = ["OPERATOR_JUMP", "advance", "answer", "jump", "start", "stop"]

OPERATOR_JUMP = "operator jump"
"""The end reason of a step that an operator has left."""

SETTLED_A = 1.0
"""Below this the output counts as off (the faults catalogue's |I| < 1 A)."""

Outcome = tuple[EngineState, tuple[Effect, ...]]


def start(plan: Plan, snapshot: Snapshot, now_ns: int, begin: Begin = FROM_THE_TOP) -> Outcome:
    """Begin the first step, or what the prelude has led to."""
    effects: list[Effect] = [variable_set(name, value) for name, value in begin.variables]
    state = started(before_first(now_ns, dict(begin.variables)), snapshot, now_ns)
    return _on(plan, state, begin.index, snapshot, now_ns, effects)


def advance(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
    """Take in a moment. Called for every new sample of any source, and at the instants that `due_ns` names."""
    if state.step.finished:
        return state, ()
    state = metered(state, snapshot)
    effects: list[Effect] = []
    step = state.step
    if step.closing is not None and _settled(step, snapshot, now_ns):
        effects.append(StepEnded(with_tail(step.closing, state)))
        step = replace(step, closing=None)
        state = state._replace(step=step)
    running = step.running
    assert running is not None
    if step.hold is not None:
        return _held(plan, state, snapshot, now_ns, step.hold)
    if isinstance(running, End):
        if step.closing is None:
            effects.append(finished(running, step.variables))
            state = state._replace(step=replace(step, finished=True))
        return state, tuple(effects)
    reading = Reading(state, snapshot, now_ns, since_ns=step.fresh_ns)
    met, held = first_met(running.until, step.held_since_ns, reading)
    if met is not None:
        ending = _ending(met, state, snapshot, now_ns)
        state = _watched(plan, state, snapshot, now_ns)
        return _on(plan, *_ended(plan, state, snapshot, now_ns, ending, effects), snapshot, now_ns, effects)
    outcome = logic_of(plan, running).watch(running, state, snapshot, now_ns)
    if outcome.control is not None:
        state = state._replace(control=outcome.control)
    if outcome.ending is not None:
        ending = _located(outcome.ending, state, snapshot, now_ns)
        return _on(plan, *_ended(plan, state, snapshot, now_ns, ending, effects), snapshot, now_ns, effects)
    if (reason := overdue(plan, state, now_ns)) is not None:
        return _stopped(plan, state, snapshot, now_ns, reason, effects)
    meter = state.meter
    if outcome.drive is not None:
        if (reason := beyond(outcome.drive, plan.most)) is not None:
            return _stopped(plan, state, snapshot, now_ns, f"step {running.label}: {reason}", effects)
        effects.append(outcome.drive)
        step = replace(step, drive=outcome.drive, held_since_ns=held)
        meter = meter.commanded(now_ns, outcome.drive.current_a)
    elif held is not step.held_since_ns:
        step = replace(step, held_since_ns=held)
    low_c, high_c, slopes, control = state.temperature_min_c, state.temperature_max_c, state.slopes, state.control
    after = EngineState(step, meter, state.started_ns, low_c, high_c, snapshot, meter, slopes, control)
    return after, tuple(effects)


def jump(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, index: int) -> Outcome:
    """End the running step by an operator's word and go on with the one at `index` (engine/intervening.py)."""
    effects: list[Effect] = []
    state = state._replace(step=replace(state.step, hold=None))
    ending = Ending(OPERATOR_JUMP, goto=index)
    return _on(plan, *_ended(plan, state, snapshot, now_ns, ending, effects), snapshot, now_ns, effects)


def answer(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, word: str) -> Outcome:
    """Take in the operator's answer to the pause that runs; a word that is none of its answers changes nothing."""
    step = state.step
    running = step.running
    if step.finished or not isinstance(running, Pause) or not isinstance(state.control, Asked):
        return state, ()
    if all(word != choice.word for choice in running.choices):
        return state, ()
    return advance(plan, state._replace(control=Asked(word)), snapshot, now_ns)


def _held(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, hold: Hold) -> Outcome:
    """A step that stands still: nothing ends it but the end of the operator's time."""
    if now_ns < hold.until_ns:
        return state, ()
    return _stopped(plan, state, snapshot, now_ns, too_long_held(hold), [])


def _located(ending: Ending, state: EngineState, snapshot: Snapshot, now_ns: int) -> Ending:
    """A step's own ending with the instant at which what it waited for came true."""
    if ending.bound is None:
        return ending
    met = Condition((ending.bound,), for_ns=0, goto=None, text=ending.reason)
    return replace(ending, met_ns=met_at(met, state, snapshot, now_ns))


def _ending(met: Condition, state: EngineState, snapshot: Snapshot, now_ns: int) -> Ending:
    """A condition that ends the step, with where it was met; one that had to last has no such point."""
    cell = cell_behind(met, snapshot)
    if met.for_ns:
        return Ending(met.text, cell, goto=met.goto)
    over, at_ns = overshoot(met, state, snapshot, now_ns), met_at(met, state, snapshot, now_ns)
    return Ending(met.text, cell, overshoot=over, goto=met.goto, met_ns=at_ns)


def _watched(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int) -> EngineState:
    """The state with what the step itself makes of its last reading (a read-out, say)."""
    running = state.step.running
    assert running is not None and not isinstance(running, End)
    control = logic_of(plan, running).watch(running, state, snapshot, now_ns).control
    return state if control is None else state._replace(control=control)


def _settled(step: StepState, snapshot: Snapshot, now_ns: int) -> bool:
    """Whether the step before has stopped flowing (or another current has taken over)."""
    current_a = 0.0 if snapshot.cycler is None else snapshot.cycler.current_a
    fresh = snapshot.cycler is not None and snapshot.cycler.t_ns > step.started_ns
    return step.drive is not None or (fresh and abs(current_a) < SETTLED_A) or now_ns - step.started_ns >= SETTLE_NS


def _ended(
    plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, ending: Ending, effects: list[Effect]
) -> tuple[EngineState, int]:
    """The state between two steps, and the index to go on from."""
    step = state.step
    if step.closing is not None:
        effects.append(StepEnded(with_tail(step.closing, state)))
    state = state._replace(meter=state.meter.commanded(now_ns, 0.0))
    record = record_of(plan, state, snapshot, now_ns, ending)
    leaving = replace(left(plan, step, record), closing=record)
    goto = ending.goto
    if goto is not None:
        leaving = left_loops(plan, leaving, step.index, goto)
    low_c, high_c = temperatures(snapshot)
    between = EngineState(
        leaving, state.meter.restarted(), state.started_ns, low_c, high_c, before=None, slopes=state.slopes
    )
    return between, step.index + 1 if goto is None else goto


def _on(plan: Plan, state: EngineState, index: int, snapshot: Snapshot, now_ns: int, effects: list[Effect]) -> Outcome:
    """On to the next step, past those that have ended before they begin; one that may not begin ends the run."""
    while True:
        entered = enter(plan, state, snapshot, index, now_ns, effects)
        if entered.wrong is not None:
            return _stopped(plan, entered.state, snapshot, now_ns, entered.wrong, effects)
        if entered.met is None:
            return entered.state, tuple(effects)
        ending = _ending(entered.met, entered.state, snapshot, now_ns)
        state, index = _ended(plan, entered.state, snapshot, now_ns, ending, effects)


def _stopped(
    plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, reason: str, effects: list[Effect]
) -> Outcome:
    """The end of the run, after what has happened in this turn already."""
    state, stopping = stop(plan, state, snapshot, now_ns, reason)
    return state, (*effects, *stopping)
