"""The small texts of the profile language: conditions, agreements, references to the pack.

Owns their grammar and their dimensions. Must not resolve them: a `Value` becomes a number only
against a pack (`compiler`). It exists apart from the schema so that the language's vocabulary
stands in two tables, which a later step type or variable extends by one line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from packbench.config.validation import suggestion
from packbench.core.specs import PackSpec
from packbench.core.units import EXPECTED, Dimension, Rate, UnitError, parse_current, parse_quantity
from packbench.profile.plan import Operator, Variable

Scope = Literal["pack", "cell"]

VARIABLES: dict[str, Dimension | None] = {
    "voltage": "voltage",
    "current": "current",
    "power": "power",
    "step_time": "time",
    "test_time": "time",
    "step_ah": "charge",
    "step_wh": "energy",
    "cycle_ah": "charge",
    "cycle_wh": "energy",
    "cell_max": "voltage",
    "cell_min": "voltage",
    "cell_spread": "voltage",
    "temperature_max": "temperature",
    "temperature_min": "temperature",
    "cycle": None,
}
"""What a condition may ask about, and its dimension (None: a plain count)."""

WORDS: dict[str, Scope] = {
    "pack_full": "pack",
    "pack_cutoff": "pack",
    "cell_full": "cell",
    "cell_cutoff": "cell",
}
"""Voltages that the pack file states: of the whole pack, or of one cell."""

_CELL_VARIABLES = frozenset({"cell_max", "cell_min"})
_CONDITION = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*((?>>=|<=|==|!=|>|<|=|≥|≤))\s*(\S.*?)\s*")
_AGREEMENT = re.compile(r"\s*capacity\s+within\s+(.+?)\s+for\s+(\S+)\s+cycles\s*")
_COUNT = re.compile(r"[1-9][0-9]{0,5}")

CONDITION_EXPECTED = "variable operator value, such as 'cell_min <= cell_cutoff' or 'step_ah >= 10 Ah'"
AGREEMENT_EXPECTED = "capacity within TOLERANCE for N cycles, such as 'capacity within 3 % of rated for 2 cycles'"

assert set(VARIABLES) == set(get_args(Variable)), "the language and the engine name the same variables"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the profile: SI, or relative to the pack until it is resolved."""

    amount: float | Rate | str
    """SI number, a Rate, or one of WORDS."""
    text: str
    """As the author wrote it."""

    def resolve(self, pack: PackSpec) -> float:
        """The SI number for this pack."""
        if isinstance(self.amount, Rate):
            return self.amount.amperes(pack.rated_capacity_ah)
        if isinstance(self.amount, str):
            return word_voltage_v(self.amount, pack)
        return self.amount


@dataclass(frozen=True, slots=True)
class ConditionText:
    """A parsed `variable operator value`."""

    variable: Variable
    operator: Operator
    value: Value
    text: str


@dataclass(frozen=True, slots=True)
class AgreementText:
    """A parsed `capacity within T for N cycles`: the tolerance in Ah or as a fraction of rated."""

    within_ah: float | None
    within_of_rated: float | None
    cycles: int


def word_voltage_v(word: str, pack: PackSpec) -> float:
    """The voltage in V that a word stands for on this pack."""
    cell_v = pack.cell_full_v if word.endswith("full") else pack.cell_cutoff_v
    return cell_v * pack.series if WORDS[word] == "pack" else cell_v


def parse_voltage(value: object, scope: Scope) -> Value:
    """A voltage of the pack or of a cell: `3.65 V`, or a word of that scope. Raises UnitError."""
    words = [word for word, of in WORDS.items() if of == scope]
    expected = f"{EXPECTED['voltage']}, or {' or '.join(words)}"
    if isinstance(value, str) and value.strip() in WORDS:
        word = value.strip()
        if WORDS[word] != scope:
            other = "one cell's voltage" if scope == "pack" else "the whole pack's voltage"
            raise UnitError(f"{word!r}, {other}", f"{' or '.join(words)}: {scope} against {scope}")
        return Value(word, word)
    try:
        number = parse_quantity(value, "voltage")
    except UnitError as error:
        hint = suggestion(value, words) if isinstance(value, str) and re.fullmatch(r"[a-z_]+", value) else ""
        extra = f" {hint[hint.index('(') :]}" if "(" in hint else ""
        raise UnitError(error.found, expected + extra) from error
    if number <= 0.0:
        raise UnitError(repr(value), f"{expected}, more than 0")
    return Value(number, str(value))


def parse_magnitude(value: object) -> Value:
    """A current's magnitude: amperes or a rate, more than 0. Raises UnitError."""
    current = parse_current(value)
    if (current.per_hour if isinstance(current, Rate) else current) <= 0.0:
        expected = f"{EXPECTED['current']}, more than 0 (the step's name says which way it flows)"
        raise UnitError(repr(value), expected)
    return Value(current, str(value))


def parse_condition(value: object) -> ConditionText:
    """Read `variable operator value`, the unit checked against the variable. Raises UnitError."""
    if not isinstance(value, str):
        raise UnitError(repr(value) if value is not None else "nothing", CONDITION_EXPECTED)
    match = _CONDITION.fullmatch(value)
    if match is None:
        raise UnitError(repr(value), CONDITION_EXPECTED)
    name, sign, amount = match.groups()
    if name not in VARIABLES:
        raise UnitError(f"the variable {name!r}", suggestion(name, VARIABLES))
    operator: Operator
    match sign:
        case ">=" | "<=" | ">" | "<":
            operator = sign
        case "≥":
            operator = ">="
        case "≤":
            operator = "<="
        case _:
            raise UnitError(f"the operator {sign!r}", "one of >=, <=, >, < (samples never meet a value exactly)")
    variable: Variable = name  # type: ignore[assignment]
    return ConditionText(variable, operator, _condition_value(name, amount), " ".join(value.split()))


def _condition_value(variable: str, amount: str) -> Value:
    dimension = VARIABLES[variable]
    if dimension is None:
        if not _COUNT.fullmatch(amount):
            raise UnitError(repr(amount), f"a whole number from 1 for {variable}, without a unit")
        return Value(float(amount), amount)
    if variable == "voltage" or variable in _CELL_VARIABLES:
        return parse_voltage(amount, "cell" if variable in _CELL_VARIABLES else "pack")
    if dimension == "current":
        return parse_magnitude(amount)
    number = parse_quantity(amount, dimension)
    if dimension != "temperature" and number < 0.0:
        raise UnitError(repr(amount), f"{EXPECTED[dimension]}, not below 0 ({variable} is a magnitude)")
    return Value(number, amount)


def parse_agreement(value: object) -> AgreementText:
    """Read `capacity within 3 % of rated for 2 cycles`. Raises UnitError."""
    match = _AGREEMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise UnitError(repr(value) if value is not None else "nothing", AGREEMENT_EXPECTED)
    tolerance, count = match.groups()
    if not _COUNT.fullmatch(count) or int(count) < 2:
        raise UnitError(f"{count} cycles", "a whole number of cycles, at least 2")
    if tolerance.endswith("of rated"):
        fraction = parse_quantity(tolerance.removesuffix("of rated").strip(), "ratio")
        if not 0.0 < fraction < 1.0:
            raise UnitError(repr(tolerance), "more than 0 % and less than 100 % of rated")
        return AgreementText(None, fraction, int(count))
    if tolerance.endswith("%"):
        raise UnitError(repr(tolerance), f"{tolerance} of rated: a ratio says of what")
    within_ah = parse_quantity(tolerance, "charge")
    if within_ah <= 0.0:
        raise UnitError(repr(tolerance), "a tolerance of more than 0")
    return AgreementText(within_ah, None, int(count))
