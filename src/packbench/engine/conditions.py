"""End conditions: reading a variable and comparing it.

Owns what each variable of the profile language means on a snapshot. Adding one is one line in
`READERS`. A variable whose source is absent reads NaN, and every comparison with NaN is false:
absence never ends a step by itself (staleness is the safety rules' business).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from packbench.core.samples import Snapshot
from packbench.engine.state import NOT_HELD, EngineState
from packbench.profile.plan import Condition, Variable

NAN = float("nan")


class Reading(NamedTuple):
    """What a condition looks at."""

    state: EngineState
    snapshot: Snapshot
    now_ns: int


def _current(reading: Reading) -> float:
    cycler = reading.snapshot.cycler
    return NAN if cycler is None else abs(cycler.current_a)


def _power(reading: Reading) -> float:
    cycler = reading.snapshot.cycler
    return NAN if cycler is None else abs(cycler.current_a * reading.snapshot.pack_voltage_v)


def _bms(attribute: str) -> Callable[[Reading], float]:
    def read(reading: Reading) -> float:
        bms = reading.snapshot.bms
        return NAN if bms is None else getattr(bms, attribute)

    return read


def _spread(reading: Reading) -> float:
    bms = reading.snapshot.bms
    return NAN if bms is None else bms.cell_max_v - bms.cell_min_v


READERS: dict[Variable, Callable[[Reading], float]] = {
    "voltage": lambda reading: reading.snapshot.pack_voltage_v,
    "current": _current,
    "power": _power,
    "step_time": lambda reading: (reading.now_ns - reading.state.step.started_ns) / 1e9,
    "test_time": lambda reading: (reading.now_ns - reading.state.started_ns) / 1e9,
    "step_ah": lambda reading: abs(reading.state.meter.ah),
    "step_wh": lambda reading: abs(reading.state.meter.wh),
    "cycle_ah": lambda reading: abs(reading.state.step.cycle_ah + reading.state.meter.ah),
    "cycle_wh": lambda reading: abs(reading.state.step.cycle_wh + reading.state.meter.wh),
    "cell_max": _bms("cell_max_v"),
    "cell_min": _bms("cell_min_v"),
    "cell_spread": _spread,
    "temperature_max": _bms("temperature_max_c"),
    "temperature_min": _bms("temperature_min_c"),
    "cycle": lambda reading: float(reading.state.step.cycle),
}


def holds(operator: str, value: float, bound: float) -> bool:
    """`value operator bound`; false for NaN."""
    if operator == ">=":
        return value >= bound
    if operator == "<=":
        return value <= bound
    return value > bound if operator == ">" else value < bound


def cell_behind(condition: Condition, snapshot: Snapshot) -> int | None:
    """The cell that made a condition true, from 1; None when no single cell did."""
    if snapshot.bms is None:
        return None
    if condition.variable == "cell_min":
        return snapshot.bms.cell_min_index
    return snapshot.bms.cell_max_index if condition.variable == "cell_max" else None


def first_met(
    conditions: tuple[Condition, ...], held_since_ns: tuple[int, ...], reading: Reading
) -> tuple[Condition | None, tuple[int, ...]]:
    """The first condition that has held long enough, and since when each one holds.

    Returns the given tuple itself when nothing changed.
    """
    changed: list[int] | None = None
    for position, condition in enumerate(conditions):
        value = READERS[condition.variable](reading)
        since_ns = held_since_ns[position]
        if not holds(condition.operator, value, condition.value):
            if since_ns != NOT_HELD:
                changed = changed if changed is not None else list(held_since_ns)
                changed[position] = NOT_HELD
            continue
        if since_ns == NOT_HELD:
            since_ns = reading.now_ns
            changed = changed if changed is not None else list(held_since_ns)
            changed[position] = since_ns
        if reading.now_ns - since_ns >= condition.for_ns:
            return condition, tuple(changed) if changed is not None else held_since_ns
    return None, tuple(changed) if changed is not None else held_since_ns
