"""Amounts of a plan: a number, or a formula that the engine works out when its step begins.

Owns the shapes of a formula, the variables that it may read and what its operators do. Must not parse text
(`formula`) nor know a run's state (`engine/evaluate.py`). A formula computes in base units (V, A, s, K); each
leaf and the whole carry the factor to the project's own units (Ah, Wh, K/min), so that `ah(discharge) / 3 h` is a
current.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packbench.core.units import Dimension

ReadingName = str
"""A key of `READINGS`, or `cell_N`: the voltage of one cell, from 1."""

READINGS: dict[str, Dimension | None] = {
    "voltage": "voltage",
    "current": "current",
    "power": "power",
    "step_time": "time",
    "cycle_time": "time",
    "test_time": "time",
    "step_ah": "charge",
    "step_wh": "energy",
    "cycle_ah": "charge",
    "cycle_wh": "energy",
    "test_ah": "charge",
    "test_wh": "energy",
    "cell_max": "voltage",
    "cell_min": "voltage",
    "cell_spread": "voltage",
    "cell_any": "voltage",
    "temperature_max": "temperature",
    "temperature_min": "temperature",
    "temperature_spread": "temperature_difference",
    "chamber_temperature": "temperature",
    "insulation": "resistance",
    "soc": "ratio",
    "cycle": None,
    "dV/dt": "voltage_rate",
    "abs(dV/dt)": "voltage_rate",
    "dT/dt": "temperature_rate",
}
"""What a condition or a formula may ask about, and its dimension (None: a plain count).

`current`, `power`, `*_ah`, `*_wh` are magnitudes; `*_ah` and `*_wh` net of charge and discharge. `cell_any` is a
condition's alone: any one cell, so the highest for >= and the lowest for <=. `soc` is what the BMS says. Rates are
those of the pack's voltage and of the hottest sensor over a condition's window.
"""

CELL_PREFIX = "cell_"
USER_PREFIX = "$"
"""A condition's variable that begins so is one of the profile's own."""


def reading_dimension(name: str) -> Dimension | None:
    """The dimension of a reading, `cell_N` included. Raises KeyError for an unknown one."""
    if name in READINGS:
        return READINGS[name]
    if cell_number(name) is not None:
        return "voltage"
    raise KeyError(name)


def cell_number(name: str) -> int | None:
    """N of `cell_N`, from 1; None for anything else."""
    digits = name.removeprefix(CELL_PREFIX)
    counts = digits != name and digits.isascii() and digits.isdigit() and not digits.startswith("0")
    return int(digits) if counts else None


FACTORS: dict[Dimension, float] = {"charge": 3600.0, "energy": 3600.0, "temperature_rate": 1.0 / 60.0}
"""From the project's own unit of a dimension to base units, where it is not 1: Ah, Wh, K/min."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A number in base units."""

    value: float


@dataclass(frozen=True, slots=True)
class Read:
    """A reading at the moment of evaluation."""

    name: ReadingName
    factor: float


@dataclass(frozen=True, slots=True)
class UserVariable:
    """A variable that a `set` step has given a value."""

    name: str
    factor: float


@dataclass(frozen=True, slots=True)
class RoundVariable:
    """A loop's variable: one value a round."""

    name: str
    loop: int
    """Index of the loop's LoopEnd."""
    values: tuple[float, ...]
    """In base units."""


PastQuantity = Literal["ah", "wh", "time", "voltage", "temperature", "resistance"]
PAST: dict[PastQuantity, Dimension] = {
    "ah": "charge",
    "wh": "energy",
    "time": "time",
    "voltage": "voltage",
    "temperature": "temperature",
    "resistance": "resistance",
}
"""What may be asked of a step that has ended: magnitudes of its charge and energy, how long it took, the pack's voltage
at its end, its hottest reading, and a read-out of a pulse."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the last execution of a step came to."""

    quantity: PastQuantity
    step: int
    """Index of the step."""
    factor: float
    at_ns: int | None = None
    """Of a resistance: which read-out, by its time after the edge."""
    piece: int | None = None
    """Of a resistance: of which piece of the train, from 1; None: the first that has it."""


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on others: + - * / of two, negation, abs of one, min and max of several."""

    operator: Literal["+", "-", "*", "/", "neg", "abs", "min", "max"]
    operands: tuple[Expression, ...]


Expression = Constant | Read | UserVariable | RoundVariable | Past | Apply


def operate(operator: str, values: list[float]) -> float:
    """The operation itself; NaN for a division by 0."""
    match operator, values:
        case "+", [a, b]:
            return a + b
        case "-", [a, b]:
            return a - b
        case "*", [a, b]:
            return a * b
        case "/", [a, b]:
            return a / b if b != 0.0 else float("nan")
        case "neg", [a]:
            return -a
        case "abs", [a]:
            return abs(a)
        case "min", _:
            return min(values)
        case "max", _:
            return max(values)
        case _:
            raise AssertionError(f"no operation {operator} of {len(values)}")


@dataclass(frozen=True, slots=True)
class Formula:
    """An amount that is known only when the run comes to it."""

    expression: Expression
    factor: float
    """The result in base units over this is in the project's own unit."""
    text: str
    """As the author wrote it."""


Amount = float | Formula
"""SI in the project's own units."""


def constant(amount: Amount | None) -> float | None:
    """The number, where it is known before the run; None where it is not (or there is none)."""
    return amount if isinstance(amount, float | int) else None


def shown(amount: Amount) -> str:
    """An amount for a text: its number, or what the author wrote."""
    return amount.text if isinstance(amount, Formula) else f"{amount:g}"
