"""The engine's state as data, and back: what a run needs to go on in the step in which it was cut short.

Owns that form. Must not know a file. In it is what nobody could find out again: totals, counters, variables, settled
formulas, how far a charge has been tapered. Not in it is what the step makes anew when it is entered again
(`reentering`): what a controller has learnt of the pack, how long a condition has held, rates. Instants are relative to
the run's beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packbench.core.records import StepRecord
from packbench.engine.evaluate import amounts_of, settled
from packbench.engine.meter import Meter
from packbench.engine.reentering import tapered_to
from packbench.engine.state import EngineState, StepState
from packbench.profile.amounts import Formula
from packbench.profile.plan import AnyStep, Plan


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stood. Every instant counts from its beginning."""

    number: int
    """Of the running step, in the order of execution, from 1."""
    step: int
    """Its index in the plan, from 1."""
    cycle: int
    began_ns: int
    elapsed_ns: int
    """Of its own time, which stands still while it is held."""
    metered_ns: int
    """Up to when Ah and Wh run."""
    ah: float
    wh: float
    current_a: float
    voltage_v: float
    drive: tuple[float, float] | None
    """Current and voltage commanded; None: output off."""
    taper_a: float | None
    """The most that may flow, where a cell's limit has stepped the current down; None: it has not."""
    temperature_min_c: float
    temperature_max_c: float
    amounts: tuple[float, ...]
    """What the step's formulas were settled to, in their order."""
    loops: tuple[tuple[int, int], ...]
    rounds: tuple[tuple[int, tuple[tuple[float, float], ...]], ...]
    variables: tuple[tuple[str, float], ...]
    cycle_ah: float
    cycle_wh: float
    cycle_began_ns: int
    test_ah: float
    test_wh: float
    closing: StepRecord | None
    """The step before, where its current had not settled yet: its end is not on record."""
    held: bool = False
    """The step stood still by an operator's word, and does so until another one."""


def checkpoint_of(plan: Plan, state: EngineState, now_ns: int) -> Checkpoint:
    """Where the state stands now; a step runs."""
    step, meter, origin_ns = state.step, state.meter, state.started_ns
    assert step.running is not None
    return Checkpoint(
        number=step.number,
        step=step.index + 1,
        cycle=step.cycle,
        began_ns=step.first_ns - origin_ns,
        elapsed_ns=step.own_ns(now_ns),
        metered_ns=meter.t_ns - origin_ns,
        ah=meter.ah,
        wh=meter.wh,
        current_a=meter.current_a,
        voltage_v=meter.voltage_v,
        drive=None if step.drive is None else (step.drive.current_a, step.drive.voltage_v),
        taper_a=tapered_to(state.control),
        temperature_min_c=state.temperature_min_c,
        temperature_max_c=state.temperature_max_c,
        amounts=tuple(amounts_of(plan.steps[step.index], step.running)),
        loops=step.loop_counts,
        rounds=tuple(step.rounds.items()),
        variables=tuple(step.variables.items()),
        cycle_ah=step.cycle_ah,
        cycle_wh=step.cycle_wh,
        cycle_began_ns=step.cycle_started_ns - origin_ns,
        test_ah=step.test_ah,
        test_wh=step.test_wh,
        closing=step.closing,
        held=step.hold is not None,
    )


def restored(plan: Plan, saved: Checkpoint, ended: Iterable[StepRecord], now_ns: int, run_ns: int) -> EngineState:
    """The state of a run that stood there; its running step is yet to be entered again.

    `ended`: the records of the steps before. `run_ns`: how long ago the run began. The step's own time goes on where it
    stood. Raises ValueError when the checkpoint is of another plan.
    """
    origin_ns = now_ns - run_ns
    if not 1 <= saved.step <= len(plan.steps):
        raise ValueError(f"the record speaks of step {saved.step}, the profile has {len(plan.steps)}")
    records = tuple(ended)
    closing = saved.closing
    if closing is not None and any(record.number == closing.number for record in records):
        closing = None
    planned = plan.steps[saved.step - 1]
    step = StepState(
        index=saved.step - 1,
        number=saved.number,
        cycle=saved.cycle,
        started_ns=now_ns - saved.elapsed_ns,
        drive=None,
        held_since_ns=(),
        running=_with_amounts(planned, iter(saved.amounts)),
        loop_counts=saved.loops,
        rounds=dict(saved.rounds),
        variables=dict(saved.variables),
        past={record.step - 1: record for record in (*records, *([] if closing is None else [closing]))},
        closing=closing,
        cycle_ah=saved.cycle_ah,
        cycle_wh=saved.cycle_wh,
        cycle_started_ns=origin_ns + saved.cycle_began_ns,
        test_ah=saved.test_ah,
        test_wh=saved.test_wh,
        began_ns=origin_ns + saved.began_ns,
    )
    meter = Meter(now_ns, 0.0, saved.voltage_v, saved.ah, saved.wh)
    return EngineState(step, meter, origin_ns, saved.temperature_min_c, saved.temperature_max_c)


def _with_amounts(planned: AnyStep, amounts: Iterator[float]) -> AnyStep:
    """The step as its beginning had settled it. Raises ValueError when the record is of another plan."""

    def number(_formula: Formula) -> float:
        amount = next(amounts, None)
        if amount is None:
            raise ValueError(f"the record has too few amounts for step {planned.label}")
        return amount

    return settled(planned, number)
