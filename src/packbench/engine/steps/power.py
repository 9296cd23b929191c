"""Constant power and constant resistance: the current follows the pack's voltage.

The engine works the current out anew at every reading, from what it has learnt of the pack's resistance
(control/source.py); control/followed.py says when it is sent. From the second reading on the power is within 1 %
(GB 38031-2025 6.3 [S]).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from packbench.core.samples import Snapshot
from packbench.engine.control import Followed, Source
from packbench.engine.control.followed import looked, sent, source_at
from packbench.engine.effects import Drive
from packbench.engine.state import EngineState
from packbench.engine.steps.cells import taper_start, watch_cells
from packbench.engine.steps.logic import NOTHING, Beginning, Outcome
from packbench.profile.amounts import Amount, constant
from packbench.profile.plan import CellLimit, ConstantPower, ConstantResistance

Wanted = Callable[[Source], float]
"""The signed current that a step wants of the pack as it is known."""


class ConstantPowerLogic:
    """Constant power at the pack's terminals."""

    def begin(self, step: ConstantPower, snapshot: Snapshot, now_ns: int) -> Beginning:
        return _begun(_power(step), step.clamp_voltage_v, step.cell_limit, snapshot, now_ns)

    def watch(self, step: ConstantPower, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        return _watched(_power(step), step.cell_limit, state, snapshot, now_ns)

    def due_ns(self, step: ConstantPower, state: EngineState) -> int | None:
        return None


class ConstantResistanceLogic:
    """The current of a load resistance."""

    def begin(self, step: ConstantResistance, snapshot: Snapshot, now_ns: int) -> Beginning:
        return _begun(_resistance(step), step.clamp_voltage_v, None, snapshot, now_ns)

    def watch(self, step: ConstantResistance, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        return _watched(_resistance(step), None, state, snapshot, now_ns)

    def due_ns(self, step: ConstantResistance, state: EngineState) -> int | None:
        return None


def _power(step: ConstantPower) -> Wanted:
    power_w = constant(step.power_w)
    assert power_w is not None
    return lambda source: source.current_for_power(step.sign * power_w)


def _resistance(step: ConstantResistance) -> Wanted:
    load_ohm = constant(step.resistance_ohm)
    assert load_ohm is not None
    return lambda source: source.current_for_resistance(load_ohm)


def _begun(wanted: Wanted, clamp: Amount, limit: CellLimit | None, snapshot: Snapshot, now_ns: int) -> Beginning:
    clamp_v = constant(clamp)
    assert clamp_v is not None
    source = source_at(snapshot)
    current_a = wanted(source)
    source = replace(source, scale_a=abs(current_a))
    followed = Followed(source, now_ns, now_ns, taper=taper_start(limit, now_ns))
    return Beginning(Drive(current_a, clamp_v), followed)


def _watched(wanted: Wanted, limit: CellLimit | None, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
    before, drive = state.control, state.step.drive
    assert isinstance(before, Followed) and drive is not None
    taper, ending = watch_cells(limit, before.taper, state, snapshot, now_ns)
    if ending is not None:
        return Outcome(ending=ending)
    followed = looked(before, drive, snapshot)
    if taper is not followed.taper:
        followed = replace(followed, taper=taper)
    wanted_a = wanted(followed.source)
    command = sent(followed, drive, wanted_a)
    if taper is not None and taper.current_a < wanted_a:
        # A cell is at its limit: less than the power asks for, in steps.
        command = None if drive.current_a == taper.current_a else (taper.current_a, 0)
    if command is not None:
        current_a, heading = command
        followed = replace(followed, heading=heading, commanded_ns=now_ns, clamped=False)
        return Outcome(drive=Drive(current_a, drive.voltage_v), control=followed)
    return NOTHING if followed is before else Outcome(control=followed)
