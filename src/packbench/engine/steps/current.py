"""Constant current into or out of the pack."""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.effects import Drive
from packbench.engine.state import StepState
from packbench.engine.steps.cells import taper_start, watch_cells
from packbench.engine.steps.logic import Beginning, Outcome
from packbench.profile.amounts import constant
from packbench.profile.plan import ConstantCurrent


class ConstantCurrentLogic:
    """The cycler holds the current; a charge also watches what the profile says about a single cell's limit."""

    def begin(self, step: ConstantCurrent, snapshot: Snapshot, now_ns: int) -> Beginning:
        current_a, clamp_v = constant(step.current_a), constant(step.clamp_voltage_v)
        assert current_a is not None and clamp_v is not None
        return Beginning(Drive(step.sign * current_a, clamp_v), taper_start(step.cell_limit, current_a, now_ns))

    def watch(self, step: ConstantCurrent, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        clamp_v = constant(step.clamp_voltage_v)
        assert clamp_v is not None
        return watch_cells(step.cell_limit, clamp_v, state, snapshot, now_ns)

    def due_ns(self, step: ConstantCurrent, state: StepState) -> int | None:
        return None
