"""Entering a step: through everything that takes no time, to the first command of the next one.

Owns loops' ends, jumps, variables and chamber set-points on the way, and the judgement of set-points that only
the run knows: one that is no number, or beyond the limits in force, ends the run instead of beginning.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from packbench.core.samples import Snapshot
from packbench.engine.conditions import condition_holds
from packbench.engine.effects import Drive, Effect, Note, OutputOff, SetChamber, StepBegan
from packbench.engine.evaluate import value_of, worked_out
from packbench.engine.readings import Reading
from packbench.engine.state import NOT_HELD, EngineState, StepState
from packbench.engine.steps import LOGIC
from packbench.engine.walk import around
from packbench.profile.plan import (
    AnyStep,
    ChamberSet,
    End,
    Goto,
    LoopEnd,
    Most,
    Plan,
    SetVariables,
)

SLACK = 1e-6
"""Relative: set-points are products of the same numbers as the limits."""


def enter(
    plan: Plan, state: EngineState, snapshot: Snapshot, index: int, now_ns: int, effects: list[Effect]
) -> tuple[StepState, str | None]:
    """The state in the step that begins at or after `index`; or the reason why it may not begin."""
    state, index, wrong = _through(plan, state, snapshot, index, now_ns, effects)
    step = state.step
    if wrong is not None:
        return replace(step, index=index), wrong
    running = worked_out(plan.steps[index], Reading(state, snapshot, now_ns))
    number = step.number + 1
    entered = replace(
        step,
        index=index,
        number=number,
        started_ns=now_ns,
        running=running,
        held_since_ns=(NOT_HELD,) * len(running.until),
        drive=None,
        control=None,
    )
    effects.append(StepBegan(number, index + 1, running.label, step.cycle))
    if isinstance(running, End):
        effects.append(OutputOff())
        return entered, None
    beginning = None
    reason = amounts_missing(running)
    if reason is None:
        beginning = LOGIC[type(running)].begin(running, snapshot, now_ns)
        if beginning.drive is not None:
            reason = beyond(beginning.drive, plan.most)
    if beginning is None or reason is not None:
        effects.append(OutputOff())
        return entered, f"step {running.label} cannot begin: {reason}"
    effects.append(beginning.drive if beginning.drive is not None else OutputOff())
    effects += beginning.effects
    return replace(entered, drive=beginning.drive, control=beginning.control), None


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
    """A loop that is jumped out of begins anew when it is entered again."""
    inside = tuple(entry for entry in step.loop_counts if not _jumped_out_of(plan, entry[0], index, target))
    return step if len(inside) == len(step.loop_counts) else replace(step, loop_counts=inside)


def _jumped_out_of(plan: Plan, loop_end: int, index: int, goto: int) -> bool:
    """Whether a jump from `index` to `goto` leaves the loop that ends at `loop_end`."""
    loop = plan.steps[loop_end]
    assert isinstance(loop, LoopEnd)
    return loop.start <= index <= loop_end and not loop.start <= goto <= loop_end


def amounts_missing(step: AnyStep) -> str | None:
    """The first amount of a step that came to no number; None: all did."""
    for name in type(step).__slots__:
        value = getattr(step, name)
        if isinstance(value, float) and not isfinite(value):
            return f"its {name.rpartition('_')[0].replace('_', ' ')} has no value"
    for segment in getattr(step, "segments", ()):
        if not isfinite(segment.value):
            return "one of its segments has no value"
    return None


def beyond(drive: Drive, most: Most | None) -> str | None:
    """Why a command may not be given; None: it may. Without known limits the plan's own check has judged it."""
    if most is None:
        return None if isfinite(drive.current_a) and isfinite(drive.voltage_v) else "its set-point is no number"
    limit_a = most.charge_current_a if drive.current_a > 0.0 else most.discharge_current_a
    if not abs(drive.current_a) <= limit_a * (1.0 + SLACK):
        return f"a current of {drive.current_a:.6g} A is beyond {limit_a:g} A"
    if drive.current_a != 0.0 and not most.voltage_min_v * (1 - SLACK) <= drive.voltage_v <= most.voltage_max_v * (
        1 + SLACK
    ):
        return f"a voltage of {drive.voltage_v:.6g} V is outside {most.voltage_min_v:g} to {most.voltage_max_v:g} V"
    return None
