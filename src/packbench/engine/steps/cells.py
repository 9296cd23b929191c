"""One cell at its limit during a charge: taper, or end, as the profile says."""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.control import Taper
from packbench.engine.control.taper import next_current
from packbench.engine.effects import Drive
from packbench.engine.state import StepState
from packbench.engine.steps.logic import NOTHING, Ending, Outcome
from packbench.profile.amounts import constant
from packbench.profile.plan import CellLimit


def taper_start(limit: CellLimit | None, current_a: float, now_ns: int) -> Taper | None:
    """Where a taper begins; None for a step that does not taper."""
    return Taper(current_a, now_ns) if limit is not None and limit.action == "taper" else None


def watch_cells(
    limit: CellLimit | None, voltage_v: float, state: StepState, snapshot: Snapshot, now_ns: int
) -> Outcome:
    """What a reading of the cells changes."""
    bms = snapshot.bms
    if limit is None or bms is None or bms.t_ns <= state.started_ns:
        return NOTHING
    limit_v = constant(limit.voltage_v)
    assert limit_v is not None
    if not bms.cell_max_v >= limit_v:
        return NOTHING
    over_v = bms.cell_max_v - limit_v
    at_limit = f"cell {bms.cell_max_index} at {limit_v:g} V"
    if limit.action == "end":
        return Outcome(ending=Ending(at_limit, bms.cell_max_index, imbalance_limited=True, overshoot=over_v))
    end_a = constant(limit.end_current_a) or 0.0
    assert isinstance(state.control, Taper)
    taper = next_current(state.control, bms.cell_max_v, limit_v, end_a, now_ns)
    if taper is None:
        return Outcome(
            ending=Ending(f"{at_limit} at the end current {end_a:g} A", bms.cell_max_index, overshoot=over_v)
        )
    if taper is state.control:
        return NOTHING
    return Outcome(drive=Drive(taper.current_a, voltage_v), control=taper)
