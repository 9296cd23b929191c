"""The engine beside a cycler that runs the program by itself: (plan, state, snapshot, now) -> (state, effects).

Owns what is concluded from the cycler's word of where its program stands: steps begin and end when the program's
do. It commands nothing but the program's start and its stop, and takes no word for granted: a program may only go
where the plan goes, and leave a step only at one of the step's own ends. The program's steps are the plan's, one
for one (`profile/to_neware.py`).

A step began before the first reading that shows it, by the step time which that reading states. Until then the
step before it is counted on at its last reading, from then on the new one at its first. A reading of a step's first
moment is passed over: it shows a current that is still on its way.
"""

from __future__ import annotations

from dataclasses import replace

from packbench.core.samples import CyclerSample, ProgramState, Snapshot
from packbench.engine.conditions import left_of
from packbench.engine.effects import Drive, Effect, Launch, OutputOff, StepBegan, StepEnded
from packbench.engine.evaluate import value_of
from packbench.engine.meter import Meter
from packbench.engine.prelude import FROM_THE_TOP, Begin
from packbench.engine.readings import Reading
from packbench.engine.state import EngineState, StepState
from packbench.engine.steps import LOGIC, Ending
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
    through_loops,
)
from packbench.profile.amounts import constant
from packbench.profile.plan import Condition, ConstantVoltage, End, InstantStep, Plan, Test

BEGINS_WITHIN_NS = 60_000_000_000
"""The start may take 30 s to be answered, and readings are seconds old (configs/devices/neware-bts8.yaml)."""
ON_ITS_WAY_S = 1.0
"""A current has settled this long after its step began."""
LATE_S = 10.0
"""How long a step lasted is known to the age of two readings."""
NEAR = {"voltage": 0.05, "step_ah": 0.05, "current": 1.0}
"""How far a quantity may be from its bound, as a part of the bound, at the last reading before the program went on:
it goes the rest of the way between two readings. A step that somebody ended by hand is further away."""

Outcome = tuple[EngineState, tuple[Effect, ...]]


def start(plan: Plan, snapshot: Snapshot, now_ns: int, begin: Begin = FROM_THE_TOP) -> Outcome:
    """Have the program begin. The plan's first step begins when a reading shows it."""
    assert begin.index == 0, "a step program asks nobody"
    return started(before_first(now_ns), snapshot, now_ns), (Launch(),)


def expected_drive(plan: Plan, program: ProgramState, snapshot: Snapshot) -> Drive | None:
    """What the cycler should be doing by its own word of where it stands; None: nothing flows."""
    if program.status != "running" or program.step is None or not 1 <= program.step <= len(plan.steps):
        return None
    planned = plan.steps[program.step - 1]
    if isinstance(planned, InstantStep | End):
        return None
    return LOGIC[type(planned)].begin(planned, snapshot, snapshot.t_ns).drive


def follow(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
    """Take in a reading. Called for every new sample of any source."""
    if state.step.finished:
        return state, ()
    cycler, effects = snapshot.cycler, ()
    if cycler is not None and cycler.program is not None and cycler.t_ns > state.meter.t_ns:
        state, effects = _heard(plan, state, snapshot, cycler, cycler.program)
    if effects:
        return state, effects
    if state.step.number:
        late = overdue(plan, state, now_ns)
    else:
        waited = now_ns - state.started_ns > BEGINS_WITHIN_NS
        late = f"the program did not begin within {BEGINS_WITHIN_NS / 1e9:g} s" if waited else None
    return (state, ()) if late is None else stop(plan, state, snapshot, now_ns, late)


def _heard(plan: Plan, state: EngineState, snapshot: Snapshot, cycler: CyclerSample, program: ProgramState) -> Outcome:
    """A new reading of the cycler, with the state of its program."""
    step = state.step
    if program.status == "running":
        if step.number and (program.step, program.cycle) == (step.index + 1, step.cycle):
            return metered(state, snapshot)._replace(step=replace(step, seen=snapshot)), ()
        if program.step is None:
            return metered(state, snapshot), ()
        if program.step_time_s is not None and program.step_time_s < ON_ITS_WAY_S:
            return state, ()
        return _moved(plan, state, snapshot, cycler, program)
    if step.number and program.status == "finished":
        return _finished(plan, state, snapshot, cycler)
    if not step.number and program.status in ("idle", "finished"):
        # Still the state before the start.
        return metered(state, snapshot), ()
    words = {"idle": "was stopped", "paused": "was paused", "protected": "was stopped by the cycler's protection"}
    return _broken(plan, state, snapshot, f"the program {words[program.status]} at {_name(plan, state)}, unasked")


def _moved(plan: Plan, state: EngineState, snapshot: Snapshot, cycler: CyclerSample, program: ProgramState) -> Outcome:
    """Another step runs than at the last reading."""
    step, effects = state.step, list[Effect]()
    began_ns = cycler.t_ns if program.step_time_s is None else cycler.t_ns - round(program.step_time_s * 1e9)
    # The last reading still showed the step before; what an old one showed before the start says nothing.
    began_ns = max(began_ns, state.meter.t_ns if step.number else state.started_ns)
    leaving = step
    if step.number:
        state = state._replace(meter=state.meter.held(began_ns))
        leaving = _ended(plan, state, began_ns, effects)
        if leaving is None:
            return _broken(plan, state, snapshot, f"the program left {_name(plan, state)} before any of its ends")
    after, index = through_loops(plan, leaving, step.index + 1 if step.number else 0, effects)
    if program.step != index + 1 or (step.number and program.cycle - step.cycle not in (0, 1)):
        reason = f"the program went from {_name(plan, state)} to its step {program.step}, not to step {index + 1}"
        return _broken(plan, state, snapshot, reason)
    entered = replace(
        after, index=index, number=step.number + 1, cycle=program.cycle, started_ns=began_ns, seen=snapshot
    )
    effects.append(StepBegan(entered.number, index + 1, plan.steps[index].label, entered.cycle))
    meter = Meter(began_ns, cycler.current_a, snapshot.pack_voltage_v, 0.0, 0.0).held(cycler.t_ns)
    return EngineState(entered, meter, state.started_ns, *temperatures(snapshot)), tuple(effects)


def _finished(plan: Plan, state: EngineState, snapshot: Snapshot, cycler: CyclerSample) -> Outcome:
    """The program is over. Its last current fell to nothing somewhere between two readings."""
    state, effects = metered(state, snapshot), list[Effect]()
    leaving = _ended(plan, state, cycler.t_ns, effects)
    after, index = state.step, state.step.index
    if leaving is not None:
        after, index = through_loops(plan, leaving, state.step.index + 1, effects)
    planned = plan.steps[index]
    if not isinstance(planned, End):
        return _broken(plan, state, snapshot, f"the program finished early, at {_name(plan, state)}")
    effects += [
        StepBegan(after.number + 1, index + 1, planned.label, after.cycle),
        OutputOff(),
        finished(planned, after.variables),
    ]
    over = replace(after, index=index, number=after.number + 1, started_ns=cycler.t_ns, seen=None, finished=True)
    return state._replace(step=over), tuple(effects)


def _broken(plan: Plan, state: EngineState, snapshot: Snapshot, reason: str) -> Outcome:
    """The program did what nobody asked for: the run ends with the reading that showed it."""
    return stop(plan, metered(state, snapshot), snapshot, snapshot.t_ns, reason)


def _ended(plan: Plan, state: EngineState, ended_ns: int, effects: list[Effect]) -> StepState | None:
    """Close the running step: its state with its totals, its record among the effects. None: it was not at an end."""
    step = state.step
    assert step.seen is not None
    reading = Reading(state, step.seen, ended_ns)
    nearest = min(_ends(plan, step.index), key=lambda end: _way_left(end, reading))
    if _way_left(nearest, reading) > 1.0:
        return None
    record = record_of(plan, state, step.seen, ended_ns, Ending(nearest.text))
    effects.append(StepEnded(record))
    return left(plan, step, record)


def _ends(plan: Plan, index: int) -> tuple[Condition, ...]:
    """The ends of a step's own."""
    planned = plan.steps[index]
    end_a = constant(planned.end_current_a) if isinstance(planned, ConstantVoltage) else None
    if not isinstance(planned, ConstantVoltage) or end_a is None:
        return planned.until
    text = f"current <= {end_a:g} A at {constant(planned.voltage_v):g} V"
    return (*planned.until, Condition((Test("current", "<=", end_a),), 0, None, text))


def _way_left(end: Condition, reading: Reading) -> float:
    """How far a step was from an end, as a part of what may lie between two readings; 0: it had come to it.

    A step program's ends are single tests against numbers (profile/exchange/neware.py refuses others).
    """
    (test,) = end.tests
    value, bound = left_of(test, reading), value_of(test.value, reading)
    short = bound - value if test.rising else value - bound
    between = LATE_S if test.variable == "step_time" else NEAR[test.variable] * bound
    return max(short / between, 0.0)


def _name(plan: Plan, state: EngineState) -> str:
    """The running step, for people."""
    step = state.step
    return f"step {step.index + 1} ({plan.steps[step.index].label})" if step.number else "its start"
