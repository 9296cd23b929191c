"""Whether a step may come to set-points with which it cannot begin: the run would end there.

Owns the question that engine/permitted answers for one run, asked for all of them. What is known before the run has
been judged by the check.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from packbench.profile.amounts import Formula
from packbench.profile.checking.ends import CHARGE_MOST, ends_alone
from packbench.profile.checking.formulas import amounts_of
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.interval import Interval
from packbench.profile.checking.worst.state import State
from packbench.profile.checking.worst.values import between_steps, moves, value_of
from packbench.profile.plan import DirectedStep, TimedStep, Waveform

COUNTED = {"step_ah": "Ah", "step_wh": "Wh", "step_time": "s"}
"""What a step counts from 0, in which unit."""
SLACK = 1e-6
"""Relative, as the engine's."""


def doubtful(step: TimedStep, world: World, state: State) -> bool:
    """Whether one of a step's formulas may come to nothing, to the wrong sign, or beyond the limits."""
    readings = between_steps(world, state)
    bounds = [test.value for condition in step.until for test in condition.tests]
    if any(not moves(bound) and value_of(bound, state, readings).missing for bound in bounds):
        return True
    for attribute, amount in amounts_of(step):
        if isinstance(amount, Formula):
            value = value_of(amount, state, readings)
            allowed = _allowed(step, attribute, world)
            if value.missing or value.lo < allowed.lo or value.hi > allowed.hi:
                return True
    return False


class Refused(NamedTuple):
    """A set-point with which no pack can begin a step."""

    attribute: str
    value: Interval
    allowed: Interval
    unit: str = ""
    """Of an end; of a set-point, its attribute says it."""


def refused(step: TimedStep, world: World, state: State) -> Refused | None:
    """The first formula of a step that surely is beyond what it may come to; None: none is."""
    readings = between_steps(world, state)
    for attribute, amount in amounts_of(step):
        if isinstance(amount, Formula):
            value, allowed = value_of(amount, state, readings), _allowed(step, attribute, world)
            if value.hi < allowed.lo or value.lo > allowed.hi:
                return Refused(attribute, value, allowed)
    return _ended_before(step, world, state)


def _ended_before(step: TimedStep, world: World, state: State) -> Refused | None:
    """An end on what a step counts from 0 that surely holds already, or that no pack comes to."""
    readings = between_steps(world, state)
    for position, condition in enumerate(step.until):
        test = condition.alone
        if test is None or not test.rising or test.variable not in COUNTED or not isinstance(test.value, Formula):
            continue
        charge = test.variable == "step_ah" and isinstance(step, DirectedStep) and ends_alone(step)
        allowed = Interval(0.0, CHARGE_MOST * world.rated_ah if charge else inf)
        value = value_of(test.value, state, readings)
        if not moves(test.value) and (value.hi <= 0.0 or value.lo > allowed.hi * (1.0 + SLACK)):
            return Refused(f"until.{position}", value, allowed, COUNTED[test.variable])
    return None


def _allowed(step: TimedStep, attribute: str, world: World) -> Interval:
    """What an attribute may come to."""
    limits = world.limits
    charge_a, discharge_a = limits.charge_current_max_a or inf, limits.discharge_current_max_a or inf
    if isinstance(step, Waveform) and not attribute.startswith("clamp"):
        if step.quantity == "power":
            return _slack(-world.power_w, world.power_w)
        return _slack(-discharge_a, charge_a)
    match attribute:
        case "current":
            charging = isinstance(step, DirectedStep) and step.sign > 0
            return _slack(0.0, charge_a if charging else discharge_a)
        case "power":
            return _slack(0.0, world.power_w)
        case "end_current" | "on_cell_limit.end_current":
            return Interval(0.0, inf)
        case "resistance":
            return Interval(1e-9, inf)
        case "clamp" | "voltage" | "clamp_high" | "clamp_low":
            return _slack(limits.pack_voltage_min_v or 0.0, limits.pack_voltage_max_v or inf)
        case _:
            return Interval(-inf, inf)


def _slack(low: float, high: float) -> Interval:
    return Interval(low - SLACK * abs(low), high + SLACK * abs(high))
