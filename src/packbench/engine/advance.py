"""The engine: (plan, state, snapshot, now) -> (state, effects).

Owns the walk through a plan. It must not await, read a clock or know a device; it decides only
from what it is given, so that replaying recorded snapshots reproduces every effect. Safety limits
are not its business: `safety.judge` runs first and may stop everything.
"""

from __future__ import annotations

from dataclasses import replace

from packbench.core.records import StepRecord
from packbench.core.samples import Snapshot
from packbench.engine.conditions import READERS, Reading, cell_behind, first_met
from packbench.engine.effects import Effect, Finish, Note, OutputOff, StepBegan, StepEnded
from packbench.engine.meter import Meter
from packbench.engine.state import NOT_HELD, EngineState, StepState
from packbench.engine.steps import LOGIC, Ending
from packbench.profile.plan import Agreement, Condition, End, LoopEnd, Plan

SETTLED_A = 1.0
"""Below this the output counts as off (the faults catalogue's |I| < 1 A)."""
SETTLE_NS = 2_000_000_000
"""The tail of a step is counted this long at most."""


def start(plan: Plan, snapshot: Snapshot, now_ns: int) -> tuple[EngineState, tuple[Effect, ...]]:
    """Begin the first step."""
    voltage_v = snapshot.pack_voltage_v
    meter = Meter(now_ns, 0.0, voltage_v, 0.0, 0.0)
    effects: list[Effect] = []
    step = _enter(plan, _before_first(now_ns), 0, now_ns, effects)
    low_c, high_c = _temperatures(snapshot)
    return EngineState(step, meter, now_ns, low_c, high_c), tuple(effects)


def advance(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int) -> tuple[EngineState, tuple[Effect, ...]]:
    """Take in a reading. Called for every new sample of any source."""
    if state.step.finished:
        return state, ()
    state = _metered(state, snapshot)
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
    if now_ns - step.started_ns > planned.max_time_ns:
        reason = f"step {planned.label} lasted longer than its {planned.max_time_ns / 1e9:g} s"
        return stop(plan, state, snapshot, now_ns, reason)
    if outcome.drive is not None:
        effects.append(outcome.drive)
        step = replace(step, drive=outcome.drive, taper=outcome.taper, held_since_ns=held)
        state = state._replace(step=step)
    elif held is not step.held_since_ns:
        state = state._replace(step=replace(step, held_since_ns=held))
    return state, tuple(effects)


def stop(
    plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, reason: str
) -> tuple[EngineState, tuple[Effect, ...]]:
    """End the run here, by somebody else's word (a trip, an operator) or a step's own time limit."""
    if state.step.finished:
        return state, ()
    effects: list[Effect] = [OutputOff()]
    if state.step.closing is not None:
        effects.append(StepEnded(replace(state.step.closing, tail_ah=state.meter.ah)))
    state = state._replace(meter=state.meter.held(now_ns))
    if not isinstance(plan.steps[state.step.index], End):
        effects.append(StepEnded(_record(plan, state, snapshot, now_ns, Ending(reason))))
    effects.append(Finish("aborted", reason))
    return state._replace(step=replace(state.step, finished=True, drive=None, closing=None)), tuple(effects)


def _metered(state: EngineState, snapshot: Snapshot) -> EngineState:
    """The meter moved on to a new cycler reading; the same state when there is none."""
    cycler = snapshot.cycler
    if cycler is None or cycler.t_ns <= state.meter.t_ns:
        return state
    low_c, high_c = state.temperature_min_c, state.temperature_max_c
    bms = snapshot.bms
    if bms is not None:
        # Written so that NaN (nothing read yet) gives way to the first reading.
        low_c = low_c if low_c <= bms.temperature_min_c else bms.temperature_min_c
        high_c = high_c if high_c >= bms.temperature_max_c else bms.temperature_max_c
    meter = state.meter.extended(cycler.t_ns, cycler.current_a, snapshot.pack_voltage_v)
    return EngineState(state.step, meter, state.started_ns, low_c, high_c)


def _temperatures(snapshot: Snapshot) -> tuple[float, float]:
    bms = snapshot.bms
    return (float("nan"), float("nan")) if bms is None else (bms.temperature_min_c, bms.temperature_max_c)


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
    record = _record(plan, state, snapshot, now_ns, ending)
    leaving = replace(
        step,
        capacities=(*step.capacities, (step.index, abs(record.charge_ah))),
        closing=record,
        cycle_ah=step.cycle_ah + record.charge_ah,
        cycle_wh=step.cycle_wh + record.energy_wh,
    )
    if goto is not None:
        # A loop that is jumped out of begins anew when it is entered again.
        inside = tuple(entry for entry in leaving.loop_counts if not _jumped_out_of(plan, entry[0], step.index, goto))
        leaving = replace(leaving, loop_counts=inside)
    entered = _enter(plan, leaving, step.index + 1 if goto is None else goto, now_ns, effects)
    low_c, high_c = _temperatures(snapshot)
    return EngineState(entered, state.meter.restarted(), state.started_ns, low_c, high_c), tuple(effects)


def _jumped_out_of(plan: Plan, loop_end: int, index: int, goto: int) -> bool:
    """Whether a jump from `index` to `goto` leaves the loop that ends at `loop_end`."""
    loop = plan.steps[loop_end]
    assert isinstance(loop, LoopEnd)
    return loop.start <= index <= loop_end and not loop.start <= goto <= loop_end


def _enter(plan: Plan, step: StepState, index: int, now_ns: int, effects: list[Effect]) -> StepState:
    """Begin the step at `index`, going through loop ends, which take no time."""
    while isinstance(planned := plan.steps[index], LoopEnd):
        step, index = _loop(planned, step, index, effects)
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


def _loop(planned: LoopEnd, step: StepState, index: int, effects: list[Effect]) -> tuple[StepState, int]:
    """Go round again, or on."""
    counts = dict(step.loop_counts)
    done = counts.get(index, 0) + 1
    agreed = planned.agreement is not None and agree(planned.agreement, step.capacities)
    if agreed or done >= planned.repeat:
        if planned.agreement is not None:
            text = f"after {done} rounds the capacities {'agree' if agreed else 'still do not agree'}"
            effects.append(Note("loop_done", text))
        counts[index] = 0
        return replace(step, loop_counts=tuple(counts.items())), index + 1
    counts[index] = done
    again = replace(step, loop_counts=tuple(counts.items()), cycle=step.cycle + 1, cycle_ah=0.0, cycle_wh=0.0)
    return again, planned.start


def agree(agreement: Agreement, capacities: tuple[tuple[int, float], ...]) -> bool:
    """Whether the last N capacities of the agreement's step lie within its tolerance."""
    values = [ah for index, ah in capacities if index == agreement.step][-agreement.cycles :]
    return len(values) == agreement.cycles and max(values) - min(values) <= agreement.within_ah


def _record(plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, ending: Ending) -> StepRecord:
    """What the step leaves behind."""
    step, bms = state.step, snapshot.bms
    nan = float("nan")
    return StepRecord(
        number=step.number,
        step=step.index + 1,
        label=plan.steps[step.index].label,
        kind=plan.steps[step.index].kind,
        cycle=step.cycle,
        started_ns=step.started_ns - state.started_ns,
        ended_ns=now_ns - state.started_ns,
        charge_ah=state.meter.ah,
        energy_wh=state.meter.wh,
        tail_ah=0.0,
        end_reason=ending.reason,
        end_cell=ending.end_cell,
        voltage_end_v=snapshot.pack_voltage_v,
        current_end_a=state.meter.current_a,
        cell_min_end_v=nan if bms is None else bms.cell_min_v,
        cell_max_end_v=nan if bms is None else bms.cell_max_v,
        temperature_min_c=state.temperature_min_c,
        temperature_max_c=state.temperature_max_c,
        imbalance_limited=ending.imbalance_limited,
        overshoot=ending.overshoot,
    )


def _overshoot(met: Condition, state: EngineState, snapshot: Snapshot, now_ns: int) -> float | None:
    """By how much the ending quantity had passed its bound; None where the bound is a waiting time."""
    if met.for_ns:
        return None
    return abs(READERS[met.variable](Reading(state, snapshot, now_ns)) - met.value)


def _before_first(now_ns: int) -> StepState:
    return StepState(index=0, number=0, cycle=1, started_ns=now_ns, drive=None, held_since_ns=())
