"""Constant power and constant resistance: the current follows the pack's voltage.

A cycler is told a current; the engine works it out anew at every reading, from what it has learnt of the pack's
resistance (control/source.py). It is sent when it has moved, so that hours of slowly falling voltage are some
hundred commands. What is sent is ahead of what is wanted by as much as it may fall behind before the next command:
a current that only followed would be too small all through a discharge at constant power, and the step too long.
"""

from __future__ import annotations

from dataclasses import replace

from packbench.core.samples import Snapshot
from packbench.engine.control import Source
from packbench.engine.effects import Drive
from packbench.engine.state import StepState
from packbench.engine.steps.cells import watch_cells
from packbench.engine.steps.logic import NOTHING, Beginning, Outcome
from packbench.profile.amounts import constant
from packbench.profile.plan import ConstantPower, ConstantResistance

CHANGE = 0.0005
"""Relative change of a current from one command to the next; a twentieth of GB 38031-2025 6.3's +-1 % [S]."""


def source_at(snapshot: Snapshot) -> Source:
    """What the newest reading says of the pack."""
    cycler = snapshot.cycler
    return Source(snapshot.pack_voltage_v, 0.0 if cycler is None else cycler.current_a)


def followed(source: Source, snapshot: Snapshot, t_ns: int) -> Source:
    """The source after a moment: the same object when the cycler has said nothing new."""
    cycler = snapshot.cycler
    if cycler is None or cycler.t_ns < t_ns:
        return source
    if (source.voltage_v, source.current_a) == (snapshot.pack_voltage_v, cycler.current_a):
        return source
    return source.learnt(snapshot.pack_voltage_v, cycler.current_a)


def adjusted(source: Source, wanted_a: float, clamp_v: float, state: StepState) -> Outcome:
    """The command for a current, when it has moved enough; half a change ahead, in the direction it is going."""
    drive = state.drive
    assert drive is not None
    half_a = 0.5 * CHANGE * abs(drive.current_a)
    behind_a = wanted_a - drive.current_a
    # The way back is longer: noise about a command that is ahead must not turn it round.
    back_a = half_a if source.heading == 0 else 3.0 * half_a
    if -back_a <= behind_a * (source.heading or 1) <= half_a:
        return NOTHING if source is state.control else Outcome(control=source)
    heading = 1 if behind_a > 0.0 else -1
    return Outcome(drive=Drive(wanted_a + heading * half_a, clamp_v), control=replace(source, heading=heading))


class ConstantPowerLogic:
    """Constant power at the pack's terminals."""

    def begin(self, step: ConstantPower, snapshot: Snapshot, now_ns: int) -> Beginning:
        power_w, clamp_v = constant(step.power_w), constant(step.clamp_voltage_v)
        assert power_w is not None and clamp_v is not None
        source = source_at(snapshot)
        return Beginning(Drive(source.current_for_power(step.sign * power_w), clamp_v), source)

    def watch(self, step: ConstantPower, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        power_w, clamp_v = constant(step.power_w), constant(step.clamp_voltage_v)
        assert isinstance(state.control, Source) and power_w is not None and clamp_v is not None
        cells = watch_cells(step.cell_limit, clamp_v, state, snapshot, now_ns)
        if cells.ending is not None:
            return cells
        source = followed(state.control, snapshot, state.started_ns)
        return adjusted(source, source.current_for_power(step.sign * power_w), clamp_v, state)

    def due_ns(self, step: ConstantPower, state: StepState) -> int | None:
        return None


class ConstantResistanceLogic:
    """The current of a load resistance."""

    def begin(self, step: ConstantResistance, snapshot: Snapshot, now_ns: int) -> Beginning:
        load_ohm, clamp_v = constant(step.resistance_ohm), constant(step.clamp_voltage_v)
        assert load_ohm is not None and clamp_v is not None
        source = source_at(snapshot)
        return Beginning(Drive(source.current_for_resistance(load_ohm), clamp_v), source)

    def watch(self, step: ConstantResistance, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        load_ohm, clamp_v = constant(step.resistance_ohm), constant(step.clamp_voltage_v)
        assert isinstance(state.control, Source) and load_ohm is not None and clamp_v is not None
        source = followed(state.control, snapshot, state.started_ns)
        return adjusted(source, source.current_for_resistance(load_ohm), clamp_v, state)

    def due_ns(self, step: ConstantResistance, state: StepState) -> int | None:
        return None
