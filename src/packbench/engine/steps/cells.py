"""One cell at its limit during a charge: taper, or end, as the profile says."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from packbench.core.samples import Snapshot
from packbench.engine.control import Taper
from packbench.engine.control.taper import next_current
from packbench.engine.state import EngineState
from packbench.engine.steps.logic import Ending
from packbench.profile.amounts import constant
from packbench.profile.plan import CellLimit


class Watched(NamedTuple):
    """What a reading of the cells came to."""

    taper: Taper | None
    """The same object when nothing has changed; None: the step does not taper."""
    ending: Ending | None = None


def taper_start(limit: CellLimit | None, now_ns: int) -> Taper | None:
    """Where a taper begins; None for a step that does not taper."""
    return Taper(inf, now_ns) if limit is not None and limit.action == "taper" else None


def watch_cells(
    limit: CellLimit | None, taper: Taper | None, state: EngineState, snapshot: Snapshot, now_ns: int
) -> Watched:
    """What a reading of the cells changes."""
    bms = snapshot.bms
    if limit is None or bms is None or bms.t_ns <= state.step.fresh_ns:
        return Watched(taper)
    limit_v, end_a = constant(limit.voltage_v), constant(limit.end_current_a)
    assert limit_v is not None and end_a is not None
    if not bms.cell_max_v >= limit_v:
        return Watched(taper)
    over_v = bms.cell_max_v - limit_v
    at_limit = f"cell {bms.cell_max_index} at {limit_v:g} V"
    if taper is None:
        return Watched(None, Ending(at_limit, bms.cell_max_index, imbalance_limited=True, overshoot=over_v))
    driven_a = 0.0 if state.step.drive is None else abs(state.step.drive.current_a)
    after = next_current(taper, driven_a, bms.cell_max_v, limit_v, end_a, now_ns)
    if after is None:
        reason = f"{at_limit} at the end current {end_a:g} A"
        return Watched(taper, Ending(reason, bms.cell_max_index, overshoot=over_v))
    return Watched(after)
