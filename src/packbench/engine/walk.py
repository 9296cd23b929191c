"""What stepping (`advance`) and following (`follow`) share: counting, steps that take no time, records, the stop.

Owns how a step is counted and closed and what comes after it, whoever decides that it is over. Must not decide
that itself. It exists so that a step's record means the same whether the bench or the cycler ended the step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from packbench.core.records import ReadOut, StepRecord
from packbench.core.samples import Snapshot
from packbench.engine.conditions import names_of
from packbench.engine.control import Control, Wave
from packbench.engine.effects import Effect, Finish, Note, OutputOff, StepEnded
from packbench.engine.meter import Meter
from packbench.engine.slopes import Point, Slope, Slopes
from packbench.engine.state import EngineState, Hold, StepState
from packbench.engine.steps.logic import Ending
from packbench.profile.plan import Agreement, AnyStep, End, LoopEnd, Plan

NO_VARIABLES: Mapping[str, float] = MappingProxyType({})


def before_first(now_ns: int, variables: Mapping[str, float] = NO_VARIABLES) -> StepState:
    """No step has begun: number 0. `variables`: those that have a value before."""
    return StepState(
        index=0,
        number=0,
        cycle=1,
        started_ns=now_ns,
        drive=None,
        held_since_ns=(),
        variables=variables,
        cycle_started_ns=now_ns,
    )


def started(step: StepState, snapshot: Snapshot, now_ns: int) -> EngineState:
    """The state at a run's beginning: nothing counted, no current yet."""
    return EngineState(step, Meter(now_ns, 0.0, snapshot.pack_voltage_v, 0.0, 0.0), now_ns, *temperatures(snapshot))


def metered(state: EngineState, snapshot: Snapshot) -> EngineState:
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
    step, meter = state.step, state.meter.extended(cycler.t_ns, cycler.current_a, snapshot.pack_voltage_v)
    if meter.wanted_a is None and cycler.t_ns <= step.fresh_ns:
        # The step's own current: this reading is the first that counts.
        step = replace(step, fresh_ns=cycler.t_ns - 1)
    slopes = state.slopes
    if slopes:
        point = Point(cycler.t_ns, snapshot.pack_voltage_v, high_of(snapshot))
        slopes = tuple([slope.extended(point) for slope in slopes])
    before, meter_before = state.before, state.meter_before
    return EngineState(step, meter, state.started_ns, low_c, high_c, before, meter_before, slopes, state.control)


def high_of(snapshot: Snapshot) -> float:
    """The hottest sensor, in degC; NaN without one."""
    return float("nan") if snapshot.bms is None else snapshot.bms.temperature_max_c


def temperatures(snapshot: Snapshot) -> tuple[float, float]:
    """(coldest, hottest) of the newest BMS reading in degC; NaN without one."""
    bms = snapshot.bms
    return (float("nan"), float("nan")) if bms is None else (bms.temperature_min_c, bms.temperature_max_c)


def slopes_of(state: StepState) -> Slopes:
    """The empty points of a step that begins, one set for each window that its conditions ask rates over."""
    windows = {
        condition.window_ns
        for condition in (() if state.running is None else state.running.until)
        if any("/dt" in name for test in condition.tests for name in names_of(test))
    }
    return tuple(Slope(window_ns) for window_ns in sorted(windows))


def left(plan: Plan, step: StepState, record: StepRecord) -> StepState:
    """The step's state with what its record adds to the totals and to what is remembered of it. No step runs."""
    rounds = step.rounds
    for loop, cycles in plan.compared.get(step.index, ()):
        own = (*rounds.get(loop, ()), (abs(record.charge_ah), abs(record.energy_wh)))
        rounds = {**rounds, loop: own[-cycles:]}
    return replace(
        step,
        running=None,
        rounds=rounds,
        past={**step.past, step.index: record},
        cycle_ah=step.cycle_ah + record.charge_ah,
        cycle_wh=step.cycle_wh + record.energy_wh,
        test_ah=step.test_ah + record.charge_ah,
        test_wh=step.test_wh + record.energy_wh,
    )


def through_loops(plan: Plan, step: StepState, index: int, effects: list[Effect]) -> tuple[StepState, int]:
    """From `index` on to the next step that takes time, where nothing but loops lies between (step programs)."""
    while isinstance(planned := plan.steps[index], LoopEnd):
        step, index = around(planned, step, index, effects, met=False, now_ns=step.started_ns)
    return step, index


def around(
    planned: LoopEnd, step: StepState, index: int, effects: list[Effect], *, met: bool, now_ns: int
) -> tuple[StepState, int]:
    """Go round again, or on. `met`: one of the loop's conditions holds."""
    counts, agreement = dict(step.loop_counts), planned.agreement
    done = counts.get(index, 0) + 1
    agreed = agreement is not None and agree(agreement, step.rounds.get(index, ()))
    if agreed or met or done >= planned.repeat:
        if agreement is not None:
            text = f"after {done} rounds the capacities {'agree' if agreed else 'still do not agree'}"
            effects.append(Note("loop_done", text))
        elif planned.until:
            text = f"after {done} rounds its condition {'holds' if met else 'still does not hold'}"
            effects.append(Note("loop_done", text))
        return out_of(step, [index]), index + 1
    counts[index] = done
    again = replace(
        step,
        loop_counts=tuple(counts.items()),
        cycle=step.cycle + 1,
        cycle_ah=0.0,
        cycle_wh=0.0,
        cycle_started_ns=now_ns,
    )
    return again, planned.start


def out_of(step: StepState, loops: Collection[int]) -> StepState:
    """Out of these loops: they begin anew when they are entered again, and what they compare is of one pass."""
    if not loops:
        return step
    return replace(
        step,
        loop_counts=tuple(entry for entry in step.loop_counts if entry[0] not in loops),
        rounds={loop: own for loop, own in step.rounds.items() if loop not in loops},
    )


def agree(agreement: Agreement, rounds: Sequence[tuple[float, float]]) -> bool:
    """Whether the last N of the rounds, (Ah, Wh) each, lie within the agreement's tolerance."""
    place = 0 if agreement.quantity == "ah" else 1
    values = [entry[place] for entry in rounds][-agreement.cycles :]
    return len(values) == agreement.cycles and max(values) - min(values) <= agreement.within


def record_of(plan: Plan, state: EngineState, snapshot: Snapshot, ended_ns: int, ending: Ending) -> StepRecord:
    """What the running step leaves behind, with `snapshot` as its last moment."""
    step, bms = state.step, snapshot.bms
    nan = float("nan")
    return StepRecord(
        number=step.number,
        step=step.index + 1,
        label=plan.steps[step.index].label,
        kind=plan.steps[step.index].kind,
        cycle=step.cycle,
        started_ns=step.first_ns - state.started_ns,
        ended_ns=ended_ns - state.started_ns,
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
        met_ns=None if ending.met_ns is None else ending.met_ns - state.started_ns,
        read_outs=_read_outs(state.control),
    )


def _read_outs(control: Control | None) -> tuple[ReadOut, ...]:
    return control.read_outs if isinstance(control, Wave) else ()


def stop(
    plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, reason: str
) -> tuple[EngineState, tuple[Effect, ...]]:
    """End the run here, by somebody else's word (a trip, an operator) or a step's own time limit."""
    if state.step.finished:
        return state, ()
    step = state.step
    effects: list[Effect] = [OutputOff()]
    if step.closing is not None:
        effects.append(StepEnded(with_tail(step.closing, state)))
    state = state._replace(meter=state.meter.held(now_ns))
    runs = step.running is not None or step.seen is not None
    if runs and not isinstance(plan.steps[step.index], End):
        effects.append(StepEnded(record_of(plan, state, snapshot, now_ns, Ending(reason))))
    effects.append(Finish("aborted", reason, variables=tuple(step.variables.items())))
    return state._replace(step=replace(step, finished=True, drive=None, closing=None)), tuple(effects)


def with_tail(record: StepRecord, state: EngineState) -> StepRecord:
    """The record of the step before, with what has flowed since; not known where another current is driven."""
    return record if state.step.drive is not None else replace(record, tail_ah=state.meter.ah)


def finished(end: End, variables: Mapping[str, float]) -> Finish:
    """The profile's end by its own word."""
    reason = end.reason_en or "the profile's end"
    return Finish(end.verdict, reason, end.reason_zh, tuple(variables.items()))


def overdue(plan: Plan, state: EngineState, now_ns: int) -> str | None:
    """Why a step that lasts longer than it may ends the run; None: it does not yet."""
    planned = plan.steps[state.step.index]
    return None if now_ns - state.step.started_ns <= planned.max_time_ns else too_long(planned)


def too_long_held(hold: Hold) -> str:
    """Why a hold that nobody has ended ends the run."""
    return f"the pause lasted longer than its {(hold.until_ns - hold.since_ns) / 1e9:g} s"


def too_long(step: AnyStep) -> str:
    """Why a step that has lasted longer than it may ends the run."""
    return f"step {step.label} lasted longer than its {step.max_time_ns / 1e9:g} s"
