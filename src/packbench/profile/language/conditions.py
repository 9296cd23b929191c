"""The grammar of end conditions and of a loop's agreement.

Owns the texts `variable operator value` and `capacity within 3 % of rated for 2 cycles`, and how all/any nest.
Must not resolve a value nor a label: that is the compiler's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal

from packbench.config.document import Path, list_of, mapping_of
from packbench.config.validation import suggestion
from packbench.core.units import EXPECTED, UnitError, parse_quantity
from packbench.profile.amounts import READINGS, USER_PREFIX, cell_number, reading_dimension
from packbench.profile.language.formula import quoted
from packbench.profile.language.values import Value, parse_any, parse_magnitude, parse_of, parse_voltage
from packbench.profile.plan import Operator

CONDITION_EXPECTED = "variable operator value, such as 'cell_min <= cell_cutoff' or 'step_ah >= 10 Ah'"
AGREEMENT_EXPECTED = "capacity within TOLERANCE for N cycles, such as 'capacity within 3 % of rated for 2 cycles'"

_CONDITION = re.compile(
    r"\s*([A-Za-z_][A-Za-z0-9_]*|\$[a-z0-9_.-]+|dV/dt|dT/dt|abs\(\s*dV/dt\s*\))\s*((?>[<>=!≥≤]+(?:\s+[<>=!≥≤]+)*))\s*(\S.*?)\s*"
)
_SIDES = re.compile(r"\s*([^<>=!≥≤]*?)\s*[<>=!≥≤]+\s*([^<>=!≥≤]*?)\s*")
_JOINED = re.compile(r"\s(and|or|&&|\|\|)\s", re.IGNORECASE)
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
    path: Path = ()
    """From the condition to this test, where it stands in an all or any."""


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


def parse_condition(value: object, path: Path = ()) -> ConditionText:
    """A condition: a text, or {all: [...]}, {any: [...]}, nested as deep as one likes. Raises UnitError.

    `path` leads from the condition as a whole to this part of it.
    """
    entry = mapping_of(value)
    if entry is None:
        return ConditionText(((parse_test(value, path),),))
    word = _group_word(entry, path)
    parts = _parts(word, entry[word], (*path, word))
    combinations = prod(len(part.groups) for part in parts)
    count = sum(len(part.groups) for part in parts) if word == "any" else combinations
    if count > _GROUPS_MAX:
        raise UnitError(f"{count} combinations", f"at most {_GROUPS_MAX}", path)
    if word == "any":
        return ConditionText(tuple(group for part in parts for group in part.groups))
    return ConditionText(
        tuple(
            tuple(test for group in combination for test in group)
            for combination in product(*(part.groups for part in parts))
        )
    )


def _group_word(entry: dict[str, Any], path: Path) -> str:
    """`all` or `any`: the one key of a group."""
    words = [word for word in entry if word in ("all", "any")]
    if len(words) == 2:
        raise UnitError("both all and any", "one of them; the other nested in it", path)
    if len(entry) == 1 and words:
        return words[0]
    if path and set(entry) & {"when", "for", "goto", "over"}:
        wrong = ", ".join(key for key in entry if key not in ("all", "any"))
        expected = "the condition alone: when, for, goto and over belong to the whole of all or any"
        raise UnitError(f"{wrong} within a group", expected, path)
    keys = ", ".join(entry) or "none"
    raise UnitError(f"the keys {keys}", f"all or any, each with a list, or {CONDITION_EXPECTED}", path)


def _parts(word: str, items: Any, path: Path) -> list[ConditionText]:
    several = list_of(items)
    if not several:
        found = f"{word} of nothing" if several is not None or items is None else f"{word} of no list"
        raise UnitError(found, "a list of conditions, such as [cell_min <= cell_cutoff, step_ah >= 10 Ah]", path)
    return [parse_condition(item, (*path, position)) for position, item in enumerate(several)]


def parse_test(value: object, path: Path = ()) -> TestText:
    """Read `variable operator value`, the unit checked against the variable. Raises UnitError."""
    if not isinstance(value, str):
        raise UnitError(_shown(value), CONDITION_EXPECTED, path)
    match = _CONDITION.fullmatch(value)
    if match is None:
        raise UnitError(quoted(value), f"{CONDITION_EXPECTED}{_advice(value)}", path)
    name, sign, amount = match.groups()
    if name.startswith("abs("):
        name = "abs(dV/dt)"
    try:
        if not name.startswith(USER_PREFIX) and name not in READINGS and cell_number(name) is None:
            raise UnitError(f"the variable {name!r}", suggestion(name, READINGS))
        return TestText(name, _operator(sign), _bound(name, amount), " ".join(value.split()), path)
    except UnitError as error:
        if (joined := _JOINED.search(f" {value} ")) is not None:
            how = "{all: [...]}" if joined[1].lower() in ("and", "&&") else "a list of conditions, of which any"
            raise UnitError(quoted(value), f"one condition; {joined[1]} is written as {how}", path) from error
        raise UnitError(error.found, error.expected, path) from error


def _operator(sign: str) -> Operator:
    match sign:
        case ">=" | "<=" | ">" | "<":
            return sign
        case "≥":
            return ">="
        case "≤":
            return "<="
        case "==" | "=" | "!=":
            reason = "one of >=, <=, >, < (samples never meet a value exactly)"
        case _:
            reason = "one of >=, <=, >, <"
    raise UnitError(f"the operator {sign!r}", reason)


def _shown(value: object) -> str:
    """What stands where a condition should, for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return "a list" if list_of(value) is not None else repr(value)


def _advice(text: str) -> str:
    """What to write instead of a text that is nearly a condition."""
    if is_agreement(text):
        return " (an agreement between rounds is the only `until` of a loop)"
    sides = _SIDES.fullmatch(text)
    if sides is None:
        return ""
    left, right = sides.groups()
    if right in READINGS or cell_number(right) is not None:
        return " (the variable stands on the left)"
    if left in ("|dV/dt|", "abs(dT/dt)", "|dT/dt|"):
        return " (write abs(dV/dt))" if "V" in left else " (dT/dt is compared with its sign)"
    return " (on the left stands one variable; a formula may stand on the right)" if left and right else ""


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
        raise UnitError(_shown(value), AGREEMENT_EXPECTED)
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
