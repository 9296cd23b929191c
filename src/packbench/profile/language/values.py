"""A value of the profile as its author writes it: a literal with its unit, a word of the pack, or a formula.

Owns which of the three a text is, and the errors of each. Must not resolve: a `Value` becomes an amount only
against a pack and the names around it (`resolve`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from packbench.config.validation import suggestion
from packbench.core.units import EXPECTED, Dimension, Rate, UnitError, parse_current, parse_quantity
from packbench.profile.amounts import Amount, constant
from packbench.profile.language.formula import (
    WORDS,
    Number,
    Operation,
    RateNumber,
    Tree,
    Word,
    looks_like_formula,
    parse_formula,
    quoted,
)
from packbench.profile.language.resolve import Scope, resolve, with_article, word_amount

VoltageOf = Literal["pack", "cell"]

_VOLTAGE_WORDS: dict[str, VoltageOf] = {
    "pack_full": "pack",
    "pack_cutoff": "pack",
    "cell_full": "cell",
    "cell_cutoff": "cell",
}
_PMAX = re.compile(r"[0-9.]+\s*%\s*Pmax")


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the profile: SI, or relative to the pack, or a formula, until it is resolved."""

    amount: float | Rate | str | Tree
    """SI number, a Rate, a word of the pack, or a formula."""
    dimension: Dimension | None
    text: str
    """As the author wrote it."""
    positive: bool = False
    """Whether it must come to more than 0."""

    def resolve(self, scope: Scope) -> Amount:
        """The amount at this place of the profile. Raises UnitError."""
        amount = self._amount(scope)
        known = constant(amount)
        if self.positive and known is not None and known <= 0.0:
            expected = f"{EXPECTED[self.dimension]}, more than 0" if self.dimension else "more than 0"
            raise UnitError(f"{quoted(self.text)}, which is {known:g}", expected)
        return amount

    def _amount(self, scope: Scope) -> Amount:
        match self.amount:
            case Rate():
                return self.amount.amperes(scope.pack.rated_capacity_ah)
            case str():
                value = word_amount(self.amount, scope.pack)
                assert value is not None, "a word of the pack"
                return value
            case float() | int():
                return self.amount
            case _:
                return resolve(self.amount, self.dimension, scope, self.text)

    @property
    def tree(self) -> Tree:
        """As a part of a formula."""
        match self.amount:
            case Rate():
                return RateNumber(self.amount)
            case str():
                return Word(self.amount)
            case float() | int():
                return Number(self.amount, self.dimension)
            case _:
                return self.amount


def parse_voltage(value: object, of: VoltageOf) -> Value:
    """A voltage of the pack or of a cell: `3.65 V`, a word of that scope, a formula. Raises UnitError."""
    words = [word for word, whose in _VOLTAGE_WORDS.items() if whose == of]
    expected = f"{EXPECTED['voltage']}, or {' or '.join(words)}"
    if isinstance(value, str) and value.strip() in _VOLTAGE_WORDS:
        word = value.strip()
        if _VOLTAGE_WORDS[word] != of:
            other = "one cell's voltage" if of == "pack" else "the whole pack's voltage"
            raise UnitError(f"{word!r}, {other}", f"{' or '.join(words)}: {of} against {of}")
        return Value(word, "voltage", word)
    try:
        number = parse_quantity(value, "voltage")
    except UnitError as error:
        if (formula := _formula(value, "voltage", positive=True)) is not None:
            return formula
        hint = suggestion(value, words) if isinstance(value, str) and re.fullmatch(r"[a-z_]+", value) else ""
        extra = f" {hint[hint.index('(') :]}" if "(" in hint else _spaced(value)
        raise UnitError(error.found, expected + extra) from error
    if number <= 0.0:
        raise UnitError(repr(value), f"{expected}, more than 0")
    return Value(number, "voltage", str(value))


def parse_magnitude(value: object) -> Value:
    """A current's magnitude: amperes, a rate or a formula, more than 0. Raises UnitError."""
    value_of = _literal_or_formula(value, "current", parse_current, positive=True)
    amount = value_of.amount
    number = amount.per_hour if isinstance(amount, Rate) else amount
    if isinstance(number, float | int) and number <= 0.0:
        expected = f"{EXPECTED['current']}, more than 0 (the step's name says which way it flows)"
        raise UnitError(repr(value), expected)
    return value_of


def parse_power(value: object) -> Value:
    """A power's magnitude: watts, `30 %Pmax` or a formula, more than 0. Raises UnitError."""
    if isinstance(value, str) and _PMAX.fullmatch(value.strip()):
        return Value(parse_formula(value), "power", value, positive=True)
    return _positive(value, "power")


def parse_resistance(value: object) -> Value:
    """A resistance of more than 0. Raises UnitError."""
    return _positive(value, "resistance")


def parse_temperature(value: object) -> Value:
    """A temperature. Raises UnitError."""
    return _literal_or_formula(value, "temperature", lambda text: parse_quantity(text, "temperature"))


def parse_any(value: object) -> Value:
    """A value of whatever dimension: what a parameter or a variable is given. Raises UnitError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        found = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else "more than one value"
        raise UnitError(found, "a value with its unit, such as 50 % or 1 I3")
    text = str(value)
    tree = parse_formula(text)
    return Value(tree, None, text)


def parse_of(value: object, dimension: Dimension) -> Value:
    """A value of one dimension without further rules. Raises UnitError."""
    if dimension == "current":
        return _literal_or_formula(value, "current", parse_current)
    if dimension == "power" and isinstance(value, str) and _PMAX.fullmatch(value.strip()):
        return Value(parse_formula(value), "power", value)
    return _literal_or_formula(value, dimension, lambda text: parse_quantity(text, dimension))


def _positive(value: object, dimension: Dimension) -> Value:
    found = _literal_or_formula(value, dimension, lambda text: parse_quantity(text, dimension), positive=True)
    if isinstance(found.amount, float | int) and found.amount <= 0.0:
        raise UnitError(repr(value), f"{EXPECTED[dimension]}, more than 0")
    return found


def _literal_or_formula(
    value: object, dimension: Dimension, literal: Callable[[object], float | Rate], *, positive: bool = False
) -> Value:
    word = WORDS.get(value.strip()) if isinstance(value, str) else None
    if isinstance(value, str) and word is not None and dimension != "voltage":
        if word != dimension:
            raise UnitError(f"{value.strip()!r}, {with_article(word)}", EXPECTED[dimension])
        return Value(value.strip(), dimension, value.strip())
    try:
        return Value(literal(value), dimension, str(value))
    except UnitError as error:
        if (formula := _formula(value, dimension, positive=positive)) is not None:
            return formula
        raise UnitError(error.found, error.expected + (_spaced(value) or _same_word(value, dimension))) from None


def _spaced(value: object) -> str:
    """A hint for a formula that only lacks the spaces around its operators."""
    if not isinstance(value, str):
        return ""
    try:
        tree = parse_formula(value)
    except UnitError:
        return ""
    if not isinstance(tree, Operation) or len(tree.operands) != 2:
        return ""
    spaced = " ".join(re.sub(r"([-+/])", r" \1 ", value).split())
    return f" (a formula has spaces around its operators: {spaced})"


def _same_word(value: object, dimension: Dimension) -> str:
    """A hint for a word of the pack with a slip."""
    words = [word for word, known in WORDS.items() if known == dimension]
    alike = [word for word in words if isinstance(value, str) and word.lower() == value.strip().lower()]
    return f" (did you mean {alike[0]!r}?)" if alike else ""


def _formula(value: object, dimension: Dimension, *, positive: bool) -> Value | None:
    """The value as a formula, when it was meant as one; what is wrong with a formula is said of it."""
    if not isinstance(value, str) or not looks_like_formula(value):
        return None
    return Value(parse_formula(value), dimension, " ".join(value.split()), positive)
