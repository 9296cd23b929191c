"""What a formula may come to, and what may be read at a moment between two steps.

Owns the evaluation of an expression over intervals, as engine/evaluate does over numbers. What may not be there (a
step that was jumped over, a source that nobody has) is marked as missing.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from packbench.profile.amounts import (
    Amount,
    Apply,
    Constant,
    Expression,
    Formula,
    Past,
    Read,
    RoundVariable,
    UserVariable,
    cell_number,
)
from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.interval import NOTHING_KNOWN, ZERO, Interval
from packbench.profile.checking.worst.state import State

Readings = Callable[[str], Interval]
"""What a variable of the language may read."""

CHAMBER_C = (-100.0, 200.0)
"""No chamber is colder or hotter: what a formula without bounds is taken for."""

_PAST = {
    "ah": "ah",
    "wh": "wh",
    "time": "seconds",
    "voltage": "voltage_v",
    "temperature": "temperature_c",
    "resistance": "resistance_ohm",
}


def value_of(amount: Amount, state: State, readings: Readings) -> Interval:
    """The amount in the project's own unit."""
    if isinstance(amount, Formula):
        return i.scaled(evaluate(amount.expression, state, readings), 1.0 / amount.factor)
    return Interval(amount, amount)


def begun_with(amount: Amount, state: State, readings: Readings, lo: float, hi: float) -> Interval:
    """What a step goes on with: of a value that may be anything, or nothing, what lies between two bounds.

    Beyond them, and of nothing, it does not begin (`doubts`).
    """
    value = value_of(amount, state, readings)
    return i.cut(value, lo, hi) if value.missing or inf in (-value.lo, value.hi) else value


def evaluate(expression: Expression, state: State, readings: Readings) -> Interval:
    """An expression, in base units."""
    match expression:
        case Constant(value):
            return Interval(value, value)
        case UserVariable(name, factor):
            return i.scaled(state.variables.get(name, NOTHING_KNOWN), factor)
        case RoundVariable(_, loop, values):
            done = state.rounds.get(loop, ZERO)
            last = len(values) - 1
            reached = values[min(int(done.lo), last) : min(int(done.hi), last) + 1]
            return Interval(min(reached), max(reached))
        case Past():
            return _past(expression, state)
        case Read(name, factor):
            return i.scaled(readings(name), factor)
        case Apply(operator, operands):
            return _applied(operator, [evaluate(operand, state, readings) for operand in operands])


def moves(amount: Amount) -> bool:
    """Whether an amount looks at a reading, and so changes while a step runs."""
    return isinstance(amount, Formula) and _reads(amount.expression)


def _reads(expression: Expression) -> bool:
    if isinstance(expression, Apply):
        return any(_reads(operand) for operand in expression.operands)
    return isinstance(expression, Read)


def _past(asked: Past, state: State) -> Interval:
    passed = state.past.get(asked.step)
    if passed is None:
        return NOTHING_KNOWN
    value: Interval = getattr(passed, _PAST[asked.quantity])
    missing = value.missing or asked.step in state.optional
    return i.scaled(value._replace(missing=missing), asked.factor)


def _applied(operator: str, values: list[Interval]) -> Interval:
    match operator, values:
        case "+", [a, b]:
            return i.plus(a, b)
        case "-", [a, b]:
            return i.minus(a, b)
        case "*", [a, b]:
            return i.times(a, b)
        case "/", [a, b]:
            return i.over(a, b)
        case "neg", [a]:
            return i.scaled(a, -1.0)
        case "abs", [a]:
            return i.magnitude(a)
        case "min", _:
            lows, highs = [value.lo for value in values], [value.hi for value in values]
            return Interval(min(lows), min(highs), any(value.missing for value in values))
        case "max", _:
            lows, highs = [value.lo for value in values], [value.hi for value in values]
            return Interval(max(lows), max(highs), any(value.missing for value in values))
        case _:
            raise AssertionError(f"no operation {operator} of {len(values)}")


def between_steps(world: World, state: State) -> Readings:
    """What is read at the end of a step, before the next one begins."""

    def read(name: str) -> Interval:
        match name:
            case "voltage" | "cell_max" | "cell_min":
                return voltage(world, state, state.soc, state.current_a, of_pack=name == "voltage")
            case "current":
                return i.magnitude(i.widened(state.current_a, error_a(world, state.current_a)))
            case "power":
                flowing = i.widened(state.current_a, error_a(world, state.current_a))
                return i.magnitude(i.times(flowing, read("voltage")))
            case "step_ah" | "step_wh":
                return ZERO
            case "test_ah" | "test_wh" | "cycle_ah" | "cycle_wh":
                return i.magnitude(getattr(state, name))
            case "step_time" | "cycle_time" | "test_time":
                return getattr(state, f"{name.removesuffix('_time')}_s")
            case "cycle":
                return state.cycle
            case "temperature_max" | "temperature_min":
                return temperatures(world, state.temperature_c, state.totals.swing)
            case _:
                return elsewhere(world, state, name)

    return read


def elsewhere(world: World, state: State, name: str) -> Interval:
    """What hangs on no single step: spreads, what other sources read, rates."""
    match name:
        case "cell_spread":
            # Within the limits that safety keeps, or nobody knows: it is a difference of two of the pack's cells.
            limit_v = world.limits.cell_spread_max_v
            return Interval(0.0, inf if limit_v is None else limit_v)
        case "temperature_spread":
            readings = temperatures(world, state.temperature_c, state.totals.swing)
            return Interval(0.0, readings.hi - readings.lo)
        case "chamber_temperature":
            return i.widened(state.around_c, 50.0)._replace(missing=True)
        case "insulation":
            return Interval(0.0, inf, True)
        case "soc":
            return Interval(0.0, 1.0, True)
        case "dV/dt" | "dT/dt":
            return NOTHING_KNOWN
        case "abs(dV/dt)":
            return Interval(0.0, inf, True)
        case _:
            assert cell_number(name) is not None, name
            return voltage(world, state, state.soc, state.current_a, of_pack=False)


def voltage(
    world: World, state: State, soc: Interval, current_a: Interval, *, of_pack: bool, filtered_a: Interval | None = None
) -> Interval:
    """The voltage as it may be read of the pack, or of any of its cells, in V.

    `filtered_a`: what polarisation feels, where it is no longer the state's.
    """
    filtered_a = state.filtered_a if filtered_a is None else filtered_a
    spread = world.pack_spread if of_pack else world.cell_spread
    curve = world.curves.charging
    low_u, high_u = soc.lo - spread, soc.hi + spread
    ohm = world.most_ohm_at(state.temperature_c.lo) * curve.most_shape(low_u, high_u)
    low_v = curve.low_v(low_u) + ohm * min(filtered_a.lo, current_a.lo, 0.0)
    high_v = curve.high_v(high_u) + ohm * max(filtered_a.hi, current_a.hi, 0.0)
    if of_pack:
        low_v, high_v = low_v - world.pack_error_v(low_v), high_v + world.pack_error_v(high_v)
        return Interval(low_v * world.series, high_v * world.series)
    return Interval(low_v - world.cell_error_v(low_v), high_v + world.cell_error_v(high_v))


def temperatures(world: World, t_c: Interval, swing: float) -> Interval:
    """What any sensor may read, reversible heat included."""
    by_k = world.entropic_k(swing)
    return Interval(
        t_c.lo - by_k - world.temperature_error_k(t_c.lo), t_c.hi + by_k + world.temperature_error_k(t_c.hi)
    )


def error_a(world: World, current_a: Interval) -> float:
    """Of the larger of the two."""
    return world.current_error_a(max(abs(current_a.lo), abs(current_a.hi)))
