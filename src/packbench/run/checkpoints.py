"""When a run writes down where it stands, and in which words.

Owns the rhythm and the event's data. Must not write: the channel hands over the event. A row says how far the running
step has come, too; a checkpoint is due where no row has said it lately, since what flowed after the last word of either
is what a resumed run has not seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from packbench.core.records import Row
from packbench.engine.checkpoint import Checkpoint, checkpoint_of
from packbench.engine.reentering import tapered_to
from packbench.engine.state import EngineState
from packbench.profile.plan import End, Plan
from packbench.store.codec import step_event, step_from

CHECKPOINT: Final = "checkpoint"
FLOWING_NS: Final = 2_000_000_000
"""While current flows: at the bench's usual C/3, 0.02 % of a capacity."""
RESTING_NS: Final = 60_000_000_000


class Checkpoints:
    """Decides which moments are written down."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._number = 0
        self._taper_a: float | None = None
        self._held = False
        self._said_ns = 0
        """From the run's beginning: when a checkpoint or a row last said how far the step has come."""

    def follow(self, plan: Plan) -> None:
        """The running test goes on with another plan."""
        self._plan = plan

    def row(self, row: Row) -> None:
        """A row was recorded."""
        self._said_ns = row.t_ns

    def look(self, state: EngineState, now_ns: int) -> dict[str, Any] | None:
        """The event's data when one is due."""
        step = state.step
        if step.running is None or step.finished or isinstance(step.running, End):
            return None
        taper_a, run_ns = tapered_to(state.control), now_ns - state.started_ns
        held = step.hold is not None
        if (step.number, taper_a, held) == (self._number, self._taper_a, self._held):
            pause_ns = FLOWING_NS if step.drive is not None else RESTING_NS
            if run_ns - self._said_ns < pause_ns:
                return None
        self._number, self._taper_a, self._held, self._said_ns = step.number, taper_a, held, run_ns
        return to_data(checkpoint_of(self._plan, state, now_ns))


def to_data(checkpoint: Checkpoint) -> dict[str, Any]:
    """As plain JSON; a number that is none is null."""
    data: dict[str, Any] = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
    for name in ("current_a", "voltage_v", "temperature_min_c", "temperature_max_c"):
        data[name] = _finite(data[name])
    data["drive"] = None if checkpoint.drive is None else list(checkpoint.drive)
    data["amounts"] = [_finite(amount) for amount in checkpoint.amounts]
    data["loops"] = [list(pair) for pair in checkpoint.loops]
    data["rounds"] = [[loop, [list(pair) for pair in done]] for loop, done in checkpoint.rounds]
    data["variables"] = [[name, _finite(value)] for name, value in checkpoint.variables]
    data["closing"] = None if checkpoint.closing is None else step_event(checkpoint.closing).data
    return data


def from_data(data: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint that `to_data` wrote. Raises LookupError, TypeError or ValueError for anything else."""
    # Records from before a step could be held do not say that it was.
    values: dict[str, Any] = {name: data[name] for name in Checkpoint.__slots__ if name != "held"}
    values["held"] = bool(data.get("held", False))
    for name in ("current_a", "voltage_v", "temperature_min_c", "temperature_max_c"):
        values[name] = _number(values[name])
    values["drive"] = None if data["drive"] is None else _pair(data["drive"])
    values["amounts"] = tuple(_number(amount) for amount in data["amounts"])
    values["loops"] = tuple((int(loop), int(done)) for loop, done in data["loops"])
    values["rounds"] = tuple((int(loop), tuple(_pair(pair) for pair in done)) for loop, done in data["rounds"])
    values["variables"] = tuple((str(name), _number(value)) for name, value in data["variables"])
    values["closing"] = None if data["closing"] is None else step_from(data["closing"])
    return Checkpoint(**values)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _pair(pair: Sequence[Any]) -> tuple[float, float]:
    first, second = pair
    return float(first), float(second)
