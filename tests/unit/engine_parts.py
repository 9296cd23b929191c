"""Plans, snapshots and a hand that drives the engine, for its tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from packbench.core.limits import LimitSet
from packbench.core.records import StepRecord
from packbench.core.samples import CyclerSample, Snapshot, bms_sample
from packbench.engine.advance import advance, start
from packbench.engine.effects import Drive, Effect, StepBegan, StepEnded
from packbench.engine.state import EngineState
from packbench.profile.plan import (
    AnyStep,
    Condition,
    ConstantCurrent,
    End,
    Goto,
    LoopEnd,
    Plan,
    RecordRule,
    Rest,
    Segment,
    Test,
    Waveform,
)

S = 1_000_000_000
RECORD = RecordRule(dt_ns=S)
HOUR = 3600 * S


def condition(variable: str, operator: str, value: float, for_s: float = 0, goto: int | None = None) -> Condition:
    return Condition((Test(variable, operator, value),), int(for_s * S), goto, f"{variable} {operator} {value:g}")  # type: ignore[arg-type]


def rest(seconds: float, label: str = "rest") -> Rest:
    return Rest(
        label=label, kind="rest", until=(condition("step_time", ">=", seconds),), record=RECORD, max_time_ns=HOUR
    )


def discharge(current_a: float = 10.0, *until: Condition) -> ConstantCurrent:
    return ConstantCurrent(
        sign=-1,
        label="discharge",
        kind="cc_discharge",
        until=until or (condition("cell_min", "<=", 3.0),),
        record=RECORD,
        max_time_ns=HOUR,
        current_a=current_a,
        clamp_voltage_v=5.0,
    )


def end() -> End:
    return End(label="end", kind="end", record=RECORD, max_time_ns=HOUR)


def plan(*steps: AnyStep) -> Plan:
    return Plan("p", "p", "p", steps, LimitSet(), None, "", "p.yaml")


def snapshot(t_s: float, current_a: float = 0.0, cells: tuple[float, ...] = (3.6, 3.7), **cycler: object) -> Snapshot:
    t_ns = round(t_s * S)
    sample = CyclerSample(t_ns, sum(cells), current_a, current_a != 0, "cc" if current_a else "off")
    sample = sample._replace(**cycler)  # type: ignore[arg-type]
    bms = bms_sample(t_ns, np.array(cells), (25.0, 26.0))
    return Snapshot(t_ns, sample, bms, None, sum(cells))


def drive(the_plan: Plan, snapshots: list[Snapshot]) -> tuple[EngineState, list[Effect]]:
    state, effects = start(the_plan, snapshots[0], snapshots[0].t_ns)
    everything = list(effects)
    for view in snapshots[1:]:
        state, effects = advance(the_plan, state, view, view.t_ns)
        everything += effects
    return state, everything


def instant(label: str, kind: str) -> dict[str, Any]:
    """What a step that takes no time has in any case."""
    return {"label": label, "kind": kind, "record": RECORD, "max_time_ns": S}


def loop(start: int, repeat: int, label: str = "loop", **more: Any) -> LoopEnd:
    return LoopEnd(**instant(label, "loop"), start=start, repeat=repeat, **more)


def goto(target: int, *until: Condition) -> Goto:
    return Goto(**instant("goto", "goto"), target=target, until=until)


def waveform(*segments: tuple[float, float] | Segment, **more: Any) -> Waveform:
    """A waveform of (seconds, value) pieces."""
    pieces = tuple(
        piece if isinstance(piece, Segment) else Segment(round(piece[0] * S), piece[1]) for piece in segments
    )
    shared: dict[str, Any] = {
        "label": "wave",
        "kind": "pulse",
        "record": RECORD,
        "max_time_ns": HOUR,
        "quantity": "current",
        "repeat": 1,
        "clamp_high_v": 9.0,
        "clamp_low_v": 5.0,
        "on_limit": "hold",
    }
    return Waveform(**{**shared, **more}, segments=pieces)


def began(effects: Sequence[Effect]) -> list[str]:
    """The labels of the steps that began."""
    return [effect.label for effect in effects if isinstance(effect, StepBegan)]


def ended(effects: Sequence[Effect]) -> list[StepRecord]:
    """The records of the steps that ended."""
    return [effect.record for effect in effects if isinstance(effect, StepEnded)]


def driven(effects: Sequence[Effect]) -> list[float]:
    """The currents that were commanded."""
    return [effect.current_a for effect in effects if isinstance(effect, Drive)]
