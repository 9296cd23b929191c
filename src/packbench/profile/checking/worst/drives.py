"""What a step with a current in one direction asks of the cycler, mirrored into that direction (`curve`).

Owns the set-points: how much current flows while nothing holds it back, the voltage that the cycler holds, and
what single cells are watched for. A power and a load resistance become a current by the pack's voltages.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.interval import Interval
from packbench.profile.checking.worst.state import State
from packbench.profile.checking.worst.values import Readings, begun_with, between_steps
from packbench.profile.plan import (
    Amount,
    CellLimit,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    DirectedStep,
)

FOLLOWS = 0.05
"""How far a current that follows the voltage is from right for a while: of its first command, and of a resistance
that is learnt from noisy readings. [A]"""
MOST_A, LEAST_OHM = 1e4, 1e-6
"""No bench has more current, nor a smaller load: what a formula without bounds is taken for."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A single cell's limit: its voltage mirrored, in V."""

    least_v: float
    most_v: float
    tapers: bool
    end_a: float
    """The least current that a taper comes down to while it goes on; 0: it may come to nothing."""
    text: str


@dataclass(frozen=True, slots=True)
class Drive:
    """Voltages are mirrored, per cell."""

    sign: int
    amps: Interval
    """While nothing holds it back; magnitudes."""
    held_least_v: float
    """The held voltage as it may be, at the pack's terminals."""
    held_most_v: float
    regulates: bool
    """A constant voltage is the step's own aim; else it is a clamp."""
    end_a: Interval | None
    """The current at which a constant voltage ends."""
    end_text: str
    cell: Watched | None


def drive_of(step: DirectedStep, world: World, state: State, turn_v: float) -> Drive | None:
    """The set-points of a step that begins in `state`; None: it has none that it may begin with.

    `turn_v`: where one of its ends surely turns it, mirrored per cell; inf: none does.
    """
    readings = between_steps(world, state)
    is_cv = isinstance(step, ConstantVoltage)
    limits, amount = world.limits, step.voltage_v if is_cv else step.clamp_voltage_v
    full_v = world.curves.charging.high_v(1.0) * world.series
    pack_v = begun_with(amount, state, readings, limits.pack_voltage_min_v or 0.0, limits.pack_voltage_max_v or full_v)
    held = _mirrored(pack_v, step.sign, world)
    error_v = world.pack_error_v(held.hi)
    amps = _amps(step, world, state, readings, min(turn_v, held.hi + error_v))
    if amps is None:
        return None
    end_a = None
    end_text = ""
    if is_cv and step.end_current_a is not None:
        end_a = begun_with(step.end_current_a, state, readings, 0.0, amps.hi)
        end_text = f"current <= {_shown(step.end_current_a)} A at {_shown(step.voltage_v)} V"
    cell_limit = None if isinstance(step, ConstantResistance) else step.cell_limit
    return Drive(
        sign=step.sign,
        amps=amps,
        held_least_v=held.lo - error_v,
        held_most_v=held.hi + error_v + world.cable_ohm * amps.hi / world.series,
        regulates=is_cv,
        end_a=end_a,
        end_text=end_text,
        cell=None if cell_limit is None else _watched(cell_limit, world, state, readings, amps.hi),
    )


def _amps(step: DirectedStep, world: World, state: State, readings: Readings, turn_v: float) -> Interval | None:
    """The magnitude of the current while nothing holds it back; what the limits refuse is not begun."""
    limits = world.limits
    most_a = limits.charge_current_max_a if step.sign > 0 else limits.discharge_current_max_a
    if isinstance(step, ConstantCurrent | ConstantVoltage):
        amps = begun_with(step.current_a, state, readings, 0.0, MOST_A if most_a is None else most_a)
        amps = Interval(amps.lo - world.current_error_a(amps.lo), amps.hi + world.current_error_a(amps.hi))
    else:
        volts = _volts(step.sign, world, state, turn_v)
        if isinstance(step, ConstantPower):
            amps = i.over(begun_with(step.power_w, state, readings, 0.0, world.power_w), volts)
        else:
            resistance_ohm = begun_with(step.resistance_ohm, state, readings, LEAST_OHM, 1.0 / LEAST_OHM)
            amps = i.over(volts, i.cut(resistance_ohm, LEAST_OHM, inf))
        follows = 0.0 if world.expected else FOLLOWS
        amps = Interval(amps.lo * (1.0 - follows), amps.hi * (1.0 + follows))
        amps = i.widened(amps, world.current_error_a(amps.hi))
    ceiling_a = inf if most_a is None else most_a * 1.01 + world.current_error_a(most_a)
    if amps.hi <= 0.0 or amps.lo > ceiling_a:
        return None
    return Interval(max(amps.lo, 0.0), min(amps.hi, ceiling_a))


def _volts(sign: int, world: World, state: State, turn_v: float) -> Interval:
    """The pack's voltages during a step that turns at a mirrored voltage at the latest."""
    curve = world.curves.towards(sign)
    start_u = state.soc.lo if sign > 0 else -state.soc.hi
    left_a = min(state.filtered_a.lo, 0.0) if sign > 0 else min(-state.filtered_a.hi, 0.0)
    ohm = world.most_ohm_at(state.temperature_c.lo) * curve.shape(start_u - world.pack_spread)
    begin_v = curve.low_v(start_u - world.pack_spread) + ohm * left_a
    turn_v = max(begin_v, min(turn_v, curve.high_v(curve.last_u)))
    ends = (sign * begin_v * world.series, sign * turn_v * world.series)
    return Interval(max(min(ends), 1e-3), max(ends))


def _mirrored(pack_v: Interval, sign: int, world: World) -> Interval:
    ends = (sign * pack_v.lo / world.series, sign * pack_v.hi / world.series)
    return Interval(min(ends), max(ends))


def _watched(limit: CellLimit, world: World, state: State, readings: Readings, most_a: float) -> Watched:
    """Only charges watch their cells: nothing is to be mirrored."""
    curve = world.curves.charging
    at_v = begun_with(limit.voltage_v, state, readings, curve.low_v(0.0), curve.high_v(1.0))
    end_a = begun_with(limit.end_current_a, state, readings, 0.0, most_a)
    error_v = world.cell_error_v(at_v.hi)
    text = f"a cell at {_shown(limit.voltage_v)} V"
    if limit.action == "taper":
        text = f"{text} at the end current {_shown(limit.end_current_a)} A"
    least_a = max(end_a.lo - world.current_error_a(end_a.lo), 0.0)
    return Watched(at_v.lo - error_v, at_v.hi + error_v, limit.action == "taper", least_a, text)


def _shown(amount: Amount) -> str:
    return f"{amount:g}" if isinstance(amount, float | int) else amount.text
