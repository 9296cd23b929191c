"""The grammar of end conditions and of a loop's agreement.

Owns the texts `variable operator value` and `capacity within 3 % of rated for 2 cycles`, and how all/any nest.
Must not resolve a value nor a label: that is the compiler's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from packbench.config.document import list_of, mapping_of
from packbench.config.validation import suggestion
from packbench.core.units import EXPECTED, UnitError, parse_quantity
from packbench.profile.amounts import READINGS, USER_PREFIX, cell_number, reading_dimension
from packbench.profile.language.values import Value, parse_any, parse_magnitude, parse_of, parse_voltage
from packbench.profile.plan import Operator

CONDITION_EXPECTED = "variable operator value, such as 'cell_min <= cell_cutoff' or 'step_ah >= 10 Ah'"
AGREEMENT_EXPECTED = "capacity within TOLERANCE for N cycles, such as 'capacity within 3 % of rated for 2 cycles'"

_CONDITION = re.compile(
    r"\s*([A-Za-z_][A-Za-z0-9_]*|\$[a-z0-9_.-]+|dV/dt|dT/dt|abs\(\s*dV/dt\s*\))\s*((?>>=|<=|==|!=|>|<|=|≥|≤))\s*(\S.*?)\s*"
)
_AGREEMENT = re.compile(r"\s*(capacity|energy)(?:\s+of\s+(\S+))?\s+within\s+(.+?)\s+for\s+(\S+)\s+cycles\s*")
_COUNT = re.compile(r"[1-9][0-9]{0,5}")
_SIGNED = frozenset({"dV/dt", "dT/dt"})
_GROUPS_MAX = 64
"""Conjunctions that one nested condition may come to."""


@dataclass(frozen=True, slots=True)
class TestText:
    """A parsed `variable operator value`."""

    __test__ = False
    variable: str
    operator: Operator
    value: Value
    text: str


@dataclass(frozen=True, slots=True)
class ConditionText:
    """A parsed condition: any of its groups, all of a group's tests."""

    groups: tuple[tuple[TestText, ...], ...]


@dataclass(frozen=True, slots=True)
class AgreementText:
    """A parsed `capacity within T for N cycles`: the tolerance absolute or as a fraction of rated."""

    quantity: Literal["ah", "wh"]
    label: str | None
    within: float | None
    """In Ah, or in Wh."""
    within_of_rated: float | None
    cycles: int


def is_agreement(value: object) -> bool:
    """Whether a loop's `until` was meant as an agreement between its rounds."""
    return isinstance(value, str) and re.match(r"\s*(?:capacity|energy)\b|.*\bwithin\b", value) is not None


def parse_condition(value: object) -> ConditionText:
    """A condition: a text, or {all: [...]}, {any: [...]}, nested as deep as one likes. Raises UnitError."""
    entry = mapping_of(value)
    if entry is None:
        return ConditionText(((parse_test(value),),))
    if len(entry) != 1 or next(iter(entry)) not in ("all", "any"):
        raise UnitError(
            f"the keys {', '.join(entry) or 'none'}", f"all or any, each with a list, or {CONDITION_EXPECTED}"
        )
    word, items = next(iter(entry.items()))
    parts = _parts(word, items)
    if word == "any":
        return ConditionText(tuple(group for part in parts for group in part.groups))
    groups = tuple(
        tuple(test for group in combination for test in group)
        for combination in product(*(part.groups for part in parts))
    )
    if len(groups) > _GROUPS_MAX:
        raise UnitError(f"{len(groups)} combinations", f"at most {_GROUPS_MAX}")
    return ConditionText(groups)


def _parts(word: str, items: Any) -> list[ConditionText]:
    several = list_of(items)
    if not several:
        raise UnitError(f"{word} of nothing", f"a list of conditions: {CONDITION_EXPECTED}")
    return [parse_condition(item) for item in several]


def parse_test(value: object) -> TestText:
    """Read `variable operator value`, the unit checked against the variable. Raises UnitError."""
    if not isinstance(value, str):
        raise UnitError(repr(value) if value is not None else "nothing", CONDITION_EXPECTED)
    match = _CONDITION.fullmatch(value)
    if match is None:
        raise UnitError(repr(value), CONDITION_EXPECTED)
    name, sign, amount = match.groups()
    if name.startswith("abs("):
        name = "abs(dV/dt)"
    if not name.startswith(USER_PREFIX) and name not in READINGS and cell_number(name) is None:
        raise UnitError(f"the variable {name!r}", suggestion(name, READINGS))
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
    return TestText(name, operator, _bound(name, amount), " ".join(value.split()))


def _bound(variable: str, amount: str) -> Value:
    """What the variable is compared with."""
    if variable.startswith(USER_PREFIX):
        return parse_any(amount)
    dimension = reading_dimension(variable)
    if dimension is None:
        return _count(variable, amount)
    if dimension == "voltage" and variable != "cell_spread":
        return parse_voltage(amount, "pack" if variable == "voltage" else "cell")
    if dimension == "current":
        return parse_magnitude(amount)
    value = parse_of(amount, dimension)
    may_be_negative = dimension in ("temperature", "temperature_difference") or variable in _SIGNED
    if not may_be_negative and isinstance(value.amount, float | int) and value.amount < 0.0:
        raise UnitError(repr(amount), f"{EXPECTED[dimension]}, not below 0 ({variable} is a magnitude)")
    return value


def _count(variable: str, amount: str) -> Value:
    if _COUNT.fullmatch(amount):
        return Value(float(amount), None, amount)
    if amount.startswith(USER_PREFIX):
        return parse_any(amount)
    raise UnitError(repr(amount), f"a whole number from 1 for {variable}, without a unit")


def parse_agreement(value: object) -> AgreementText:
    """Read `capacity within 3 % of rated for 2 cycles`. Raises UnitError."""
    match = _AGREEMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise UnitError(repr(value) if value is not None else "nothing", AGREEMENT_EXPECTED)
    word, label, tolerance, count = match.groups()
    quantity: Literal["ah", "wh"] = "ah" if word == "capacity" else "wh"
    if not _COUNT.fullmatch(count) or int(count) < 2:
        raise UnitError(f"{count} cycles", "a whole number of cycles, at least 2")
    if tolerance.endswith("of rated"):
        fraction = parse_quantity(tolerance.removesuffix("of rated").strip(), "ratio")
        if not 0.0 < fraction < 1.0:
            raise UnitError(repr(tolerance), "more than 0 % and less than 100 % of rated")
        return AgreementText(quantity, label, None, fraction, int(count))
    if tolerance.endswith("%"):
        raise UnitError(repr(tolerance), f"{tolerance} of rated: a ratio says of what")
    within = parse_quantity(tolerance, "charge" if quantity == "ah" else "energy")
    if within <= 0.0:
        raise UnitError(repr(tolerance), "a tolerance of more than 0")
    return AgreementText(quantity, label, within, None, int(count))
