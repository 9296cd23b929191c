"""Constant voltage where the cycler holds none: the engine commands the current (control/holding.py)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from packbench.core.samples import Snapshot
from packbench.engine.control import Holding
from packbench.engine.control.followed import source_at
from packbench.engine.control.holding import first_current, held, learnt, next_current, prior, worth_sending
from packbench.engine.effects import Drive
from packbench.engine.state import EngineState
from packbench.engine.steps.cells import taper_start, watch_cells
from packbench.engine.steps.logic import NOTHING, Beginning, Ending, Outcome
from packbench.engine.steps.voltage import CV_SETTLE_NS
from packbench.profile.amounts import constant
from packbench.profile.plan import ConstantVoltage, Most, Test

GUARD = 0.005
"""Of the voltage: where the cycler's clamp stands beyond it when no limits are known."""


@dataclass(frozen=True, slots=True)
class HeldVoltageLogic:
    """The engine holds the pack's voltage, with at most the step's current, until it has fallen to the end current."""

    most: Most | None

    def begin(self, step: ConstantVoltage, snapshot: Snapshot, now_ns: int) -> Beginning:
        current_a, voltage_v, _ = _amounts(step)
        source = prior(source_at(snapshot), voltage_v, current_a)
        first_a = first_current(source, step.sign, voltage_v, current_a)
        holding = Holding(source, now_ns, now_ns, taper=taper_start(step.cell_limit, now_ns))
        return Beginning(Drive(step.sign * first_a, self.guard_v(step.sign, voltage_v)), holding)

    def watch(self, step: ConstantVoltage, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        before, drive, cycler = state.control, state.step.drive, snapshot.cycler
        assert isinstance(before, Holding) and drive is not None
        most_a, voltage_v, end_a = _amounts(step)
        taper, ending = watch_cells(step.cell_limit, before.taper, state, snapshot, now_ns)
        if ending is not None:
            return Outcome(ending=ending)
        holding = before if taper is before.taper else replace(before, taper=taper)
        driven_a, read = abs(drive.current_a), False
        if cycler is not None and cycler.t_ns > before.read_ns:
            since_ns = cycler.t_ns - before.commanded_ns
            if read := before.source.arrived(cycler.current_a, drive.current_a, since_ns):
                holding = learnt(holding, step.sign, cycler.t_ns, snapshot.pack_voltage_v, cycler.current_a)
        over = read and now_ns - state.step.started_ns >= CV_SETTLE_NS and held(holding, step.sign, voltage_v)
        if over and end_a is not None and abs(holding.source.current_a) <= end_a:
            reason = f"current <= {end_a:g} A at {voltage_v:g} V"
            return Outcome(ending=Ending(reason, bound=Test("current", "<=", end_a)))
        wanted_a = driven_a
        if read:
            wanted_a = next_current(holding, step.sign, voltage_v, most_a, driven_a)
            if not worth_sending(holding, voltage_v, driven_a, wanted_a):
                wanted_a = driven_a
        if taper is not None:
            wanted_a = min(wanted_a, taper.current_a)
        if wanted_a == driven_a:
            return NOTHING if holding is before else Outcome(control=holding)
        command = Drive(step.sign * wanted_a, drive.voltage_v)
        return Outcome(drive=command, control=replace(holding, commanded_ns=now_ns))

    def due_ns(self, step: ConstantVoltage, state: EngineState) -> int | None:
        return None

    def guard_v(self, sign: int, voltage_v: float) -> float:
        """Where the cycler's own clamp stands: half-way to the pack's limit."""
        if self.most is None:
            return voltage_v * (1.0 + sign * GUARD)
        return 0.5 * (voltage_v + (self.most.voltage_max_v if sign > 0 else self.most.voltage_min_v))


def _amounts(step: ConstantVoltage) -> tuple[float, float, float | None]:
    """Current, voltage and end current."""
    current_a, voltage_v = constant(step.current_a), constant(step.voltage_v)
    assert current_a is not None and voltage_v is not None
    return current_a, voltage_v, constant(step.end_current_a)
