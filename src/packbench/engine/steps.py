"""One class a step type: how it begins, and what it does with each reading.

Owns the behaviour of steps beyond their `until` conditions. Adding a step type is one dataclass in
profile/plan.py, one class here, one line in `LOGIC`, one scenario. Pure: a step decides from its
own plan entry, its state and a snapshot, and returns what should change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from packbench.core.samples import Snapshot
from packbench.engine.effects import Drive
from packbench.engine.state import StepState, Taper
from packbench.engine.taper import next_current
from packbench.profile.plan import AnyStep, CcCharge, CccvCharge, CcDischarge, CellLimit, End, Rest

CV_SETTLE_NS = 2_000_000_000
"""A current below the end current in the first moments of a step is its ramp, not its end."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a step ends by its own nature."""

    reason: str
    end_cell: int | None = None
    imbalance_limited: bool = False
    overshoot: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reading did to a step: perhaps a new command, perhaps its end."""

    drive: Drive | None = None
    taper: Taper | None = None
    ending: Ending | None = None


NOTHING = Outcome()


class StepLogic(Protocol):
    """A step type."""

    def begin(self, step: AnyStep, now_ns: int) -> tuple[Drive | None, Taper | None]:
        """The first command (None: output off) and the taper's start, if the step tapers."""
        ...

    def watch(self, step: AnyStep, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        """What this reading changes."""
        ...


class RestLogic:
    """Output off; only `until` ends it."""

    def begin(self, step: AnyStep, now_ns: int) -> tuple[Drive | None, Taper | None]:
        return None, None

    def watch(self, step: AnyStep, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        return NOTHING


class CcDischargeLogic:
    """Constant current out of the pack; only `until` ends it."""

    def begin(self, step: AnyStep, now_ns: int) -> tuple[Drive | None, Taper | None]:
        assert isinstance(step, CcDischarge)
        return Drive(-step.current_a, step.clamp_voltage_v), None

    def watch(self, step: AnyStep, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        return NOTHING


class CcChargeLogic:
    """Constant current into the pack, with what the profile says about a single cell's limit."""

    def begin(self, step: AnyStep, now_ns: int) -> tuple[Drive | None, Taper | None]:
        assert isinstance(step, CcCharge)
        return Drive(step.current_a, step.clamp_voltage_v), _taper_start(step.cell_limit, step.current_a, now_ns)

    def watch(self, step: AnyStep, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        assert isinstance(step, CcCharge)
        return _watch_cells(step.cell_limit, step.clamp_voltage_v, state, snapshot, now_ns)


class CccvChargeLogic:
    """As CC, and the cycler holds the pack's voltage until the current has fallen to the end current."""

    def begin(self, step: AnyStep, now_ns: int) -> tuple[Drive | None, Taper | None]:
        assert isinstance(step, CccvCharge)
        return Drive(step.current_a, step.voltage_v), _taper_start(step.cell_limit, step.current_a, now_ns)

    def watch(self, step: AnyStep, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        assert isinstance(step, CccvCharge)
        cycler = snapshot.cycler
        if (
            cycler is not None
            and cycler.regulation == "cv"
            and abs(cycler.current_a) <= step.end_current_a
            and now_ns - state.started_ns >= CV_SETTLE_NS
        ):
            return Outcome(ending=Ending(f"current <= {step.end_current_a:g} A at {step.voltage_v:g} V"))
        return _watch_cells(step.cell_limit, step.voltage_v, state, snapshot, now_ns)


class EndLogic:
    """Output off; the engine finishes once the step before has settled."""

    def begin(self, step: AnyStep, now_ns: int) -> tuple[Drive | None, Taper | None]:
        return None, None

    def watch(self, step: AnyStep, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        return NOTHING


def _taper_start(limit: CellLimit | None, current_a: float, now_ns: int) -> Taper | None:
    return Taper(current_a, now_ns) if limit is not None and limit.action == "taper" else None


def _watch_cells(
    limit: CellLimit | None, voltage_v: float, state: StepState, snapshot: Snapshot, now_ns: int
) -> Outcome:
    """One cell at its limit during a charge: taper, or end, as the profile says."""
    bms = snapshot.bms
    if limit is None or bms is None or not bms.cell_max_v >= limit.voltage_v:
        return NOTHING
    over_v = bms.cell_max_v - limit.voltage_v
    at_limit = f"cell {bms.cell_max_index} at {limit.voltage_v:g} V"
    if limit.action == "end":
        return Outcome(ending=Ending(at_limit, bms.cell_max_index, imbalance_limited=True, overshoot=over_v))
    assert state.taper is not None
    taper = next_current(state.taper, bms.cell_max_v, limit.voltage_v, limit.end_current_a, now_ns)
    if taper is None:
        reason = f"{at_limit} at the end current {limit.end_current_a:g} A"
        return Outcome(ending=Ending(reason, bms.cell_max_index, overshoot=over_v))
    if taper is state.taper:
        return NOTHING
    return Outcome(drive=Drive(taper.current_a, voltage_v), taper=taper)


LOGIC: dict[type[AnyStep], StepLogic] = {
    Rest: RestLogic(),
    CcCharge: CcChargeLogic(),
    CccvCharge: CccvChargeLogic(),
    CcDischarge: CcDischargeLogic(),
    End: EndLogic(),
}
"""LoopEnd takes no time: the engine goes through it (engine/advance.py)."""
