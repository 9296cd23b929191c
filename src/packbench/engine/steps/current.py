"""Constant current into or out of the pack."""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.control import Taper
from packbench.engine.effects import Drive
from packbench.engine.state import EngineState
from packbench.engine.steps.cells import taper_start, watch_cells
from packbench.engine.steps.logic import NOTHING, Beginning, Outcome
from packbench.profile.amounts import constant
from packbench.profile.plan import CellLimit, ConstantCurrent


class ConstantCurrentLogic:
    """The cycler holds the current; a charge also watches what the profile says about a single cell's limit."""

    def begin(self, step: ConstantCurrent, snapshot: Snapshot, now_ns: int) -> Beginning:
        current_a, clamp_v = constant(step.current_a), constant(step.clamp_voltage_v)
        assert current_a is not None and clamp_v is not None
        return Beginning(Drive(step.sign * current_a, clamp_v), taper_start(step.cell_limit, now_ns))

    def watch(self, step: ConstantCurrent, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        clamp_v = constant(step.clamp_voltage_v)
        assert clamp_v is not None
        return tapered(step.cell_limit, clamp_v, state, snapshot, now_ns)

    def due_ns(self, step: ConstantCurrent, state: EngineState) -> int | None:
        return None


def tapered(limit: CellLimit | None, voltage_v: float, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
    """What the cells change in a step whose current they alone step down."""
    taper = state.control
    assert taper is None or isinstance(taper, Taper)
    after, ending = watch_cells(limit, taper, state, snapshot, now_ns)
    if ending is not None:
        return Outcome(ending=ending)
    if after is None or after is taper:
        return NOTHING
    return Outcome(drive=Drive(after.current_a, voltage_v), control=after)
