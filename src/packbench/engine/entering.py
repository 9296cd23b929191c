"""Entering a step: through everything that takes no time, to the first command of the next one.

Owns loops' ends, jumps, variables and chamber set-points on the way. Set-points that only the run knows are judged
before they are given (`permitted`); a step one of whose ends is true before anything is read of it gives none.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import NamedTuple

from packbench.core.samples import Snapshot
from packbench.engine.conditions import condition_holds, first_met
from packbench.engine.effects import Effect, Note, OutputOff, SetChamber, StepBegan
from packbench.engine.evaluate import value_of, worked_out
from packbench.engine.permitted import beyond, impossible
from packbench.engine.readings import Reading
from packbench.engine.state import NOT_HELD, EngineState, StepState
from packbench.engine.steps import logic_of
from packbench.engine.walk import around, out_of, slopes_of
from packbench.profile.plan import AnyStep, ChamberSet, Condition, End, Goto, LoopEnd, Plan, SetVariables

SETTLE_NS = 2_000_000_000
"""A current has settled this long after its command at the latest, whatever the readings show."""


class Entered(NamedTuple):
    """Where entering has led to."""

    state: EngineState
    wrong: str | None = None
    """Why the step may not begin; its output is off."""
    met: Condition | None = None
    """An end that is true already: by a time, a charge, a variable. Its output is off."""


def enter(
    plan: Plan, state: EngineState, snapshot: Snapshot, index: int, now_ns: int, effects: list[Effect]
) -> Entered:
    """Into the step that begins at or after `index`, the meter at zero."""
    state, index, wrong = _through(plan, state, snapshot, index, now_ns, effects)
    if wrong is not None:
        return Entered(state._replace(step=replace(state.step, index=index)), wrong)
    running = worked_out(plan.steps[index], Reading(state, snapshot, now_ns))
    state = _standing(state, running, index, now_ns)
    step = state.step
    effects.append(StepBegan(step.number, index + 1, running.label, step.cycle))
    if isinstance(running, End):
        effects.append(OutputOff())
        return Entered(state)
    reason = impossible(running, plan.most)
    met, _ = first_met(running.until, step.held_since_ns, Reading(state, snapshot, now_ns, since_ns=step.fresh_ns))
    if reason is not None or met is not None:
        effects.append(OutputOff())
        return Entered(state, _refused(running, reason), met)
    beginning = logic_of(plan, running).begin(running, snapshot, now_ns)
    drive = beginning.drive
    if drive is None:
        effects.append(OutputOff())
    elif (reason := beyond(drive, plan.most)) is not None:
        effects.append(OutputOff())
        return Entered(state, _refused(running, reason))
    else:
        effects.append(drive)
        state = state._replace(meter=state.meter.commanded(now_ns, drive.current_a))
    effects += beginning.effects
    return Entered(state._replace(step=replace(step, drive=drive), control=beginning.control))


def _standing(state: EngineState, running: AnyStep, index: int, now_ns: int) -> EngineState:
    """The state in a step before its first command."""
    step = replace(
        state.step,
        index=index,
        number=state.step.number + 1,
        started_ns=now_ns,
        began_ns=None,
        running=running,
        fresh_ns=now_ns + SETTLE_NS,
        held_since_ns=(NOT_HELD,) * len(running.until),
        drive=None,
    )
    return state._replace(step=step, slopes=slopes_of(step), control=None)


def _refused(step: AnyStep, reason: str | None) -> str | None:
    return None if reason is None else f"step {step.label} cannot begin: {reason}"


def _through(
    plan: Plan, state: EngineState, snapshot: Snapshot, index: int, now_ns: int, effects: list[Effect]
) -> tuple[EngineState, int, str | None]:
    """From `index` on to the next step that takes time."""
    while True:
        planned, step = plan.steps[index], state.step
        reading = Reading(state, snapshot, now_ns)
        if isinstance(planned, LoopEnd):
            met = any(condition_holds(condition, reading) for condition in planned.until)
            step, index = around(planned, step, index, effects, met=met, now_ns=now_ns)
        elif isinstance(planned, Goto):
            jumps = not planned.until or any(condition_holds(condition, reading) for condition in planned.until)
            if jumps:
                step = left_loops(plan, step, index, planned.target)
            index = planned.target if jumps else index + 1
        elif isinstance(planned, SetVariables):
            step, reason = _assigned(planned, state, snapshot, now_ns, effects)
            if reason is not None:
                return state, index, reason
            index += 1
        elif isinstance(planned, ChamberSet):
            temperature = planned.temperature_c
            value_c = None if temperature is None else value_of(temperature, reading)
            if value_c is not None and not isfinite(value_c):
                return state, index, f"step {planned.label}: its temperature is not known"
            effects.append(SetChamber(value_c))
            index += 1
        else:
            return state, index, None
        state = state._replace(step=step)


def _assigned(
    planned: SetVariables, state: EngineState, snapshot: Snapshot, now_ns: int, effects: list[Effect]
) -> tuple[StepState, str | None]:
    """The step's state with the variables' new values; or the name of one that has none."""
    step = state.step
    for name, amount in planned.values:
        value = value_of(amount, Reading(state._replace(step=step), snapshot, now_ns))
        if not isfinite(value):
            return step, f"step {planned.label}: ${name} has no value"
        step = replace(step, variables={**step.variables, name: value})
        effects.append(variable_set(name, value))
    return step, None


def variable_set(name: str, value: float) -> Note:
    """A variable has been given a value."""
    return Note("variable_set", f"${name} = {value:.10g}")


def left_loops(plan: Plan, step: StepState, index: int, target: int) -> StepState:
    """After a jump: out of the loops that it leads out of."""
    loops = {loop for loop, _ in step.loop_counts} | step.rounds.keys()
    return out_of(step, [loop for loop in loops if _jumped_out_of(plan, loop, index, target)])


def _jumped_out_of(plan: Plan, loop_end: int, index: int, goto: int) -> bool:
    """Whether a jump from `index` to `goto` leaves the loop that ends at `loop_end`."""
    loop = plan.steps[loop_end]
    assert isinstance(loop, LoopEnd)
    return loop.start <= index <= loop_end and not loop.start <= goto <= loop_end
