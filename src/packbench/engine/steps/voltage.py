"""Constant voltage, with or without a constant current before it."""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.effects import Drive
from packbench.engine.state import EngineState
from packbench.engine.steps.cells import taper_start
from packbench.engine.steps.current import tapered
from packbench.engine.steps.logic import Beginning, Ending, Outcome
from packbench.profile.amounts import constant
from packbench.profile.plan import ConstantVoltage, Test

CV_SETTLE_NS = 2_000_000_000
"""A current below the end current in the first moments of a step is its ramp, not its end."""


class ConstantVoltageLogic:
    """The cycler holds the pack's voltage, with at most this current, until it has fallen to the end current."""

    def begin(self, step: ConstantVoltage, snapshot: Snapshot, now_ns: int) -> Beginning:
        current_a, voltage_v = constant(step.current_a), constant(step.voltage_v)
        assert current_a is not None and voltage_v is not None
        return Beginning(Drive(step.sign * current_a, voltage_v), taper_start(step.cell_limit, now_ns))

    def watch(self, step: ConstantVoltage, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        voltage_v, end_a, cycler = constant(step.voltage_v), constant(step.end_current_a), snapshot.cycler
        assert voltage_v is not None
        if (
            end_a is not None
            and cycler is not None
            and (cycler.regulation == "cv" or beyond(step.sign, snapshot.pack_voltage_v, voltage_v))
            and abs(cycler.current_a) <= end_a
            and now_ns - state.step.started_ns >= CV_SETTLE_NS
        ):
            reason = f"current <= {end_a:g} A at {voltage_v:g} V"
            return Outcome(ending=Ending(reason, bound=Test("current", "<=", end_a)))
        return tapered(step.cell_limit, voltage_v, state, snapshot, now_ns)

    def due_ns(self, step: ConstantVoltage, state: EngineState) -> int | None:
        return None


def beyond(sign: int, pack_v: float, voltage_v: float) -> bool:
    """Whether the pack stands beyond the voltage already: nothing flows, and few cyclers call that constant voltage."""
    return sign * (pack_v - voltage_v) >= 0.0
