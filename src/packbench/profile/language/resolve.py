"""From a parsed value to an amount: names looked up, dimensions checked, what is known worked out.

Owns dimensional analysis and constant folding. Must not read text (`formula`, `values`) nor the state of
a run. Base units are V, A, s, K; a dimension is its exponents in them, and an absolute temperature is
marked apart: 25 degC + 2 K is a temperature, 2 x 25 degC is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite

from packbench.core.specs import PackSpec
from packbench.core.units import EXPECTED, Dimension, UnitError
from packbench.profile.amounts import (
    FACTORS,
    PAST,
    Amount,
    Apply,
    Constant,
    Expression,
    Formula,
    Past,
    Read,
    operate,
    reading_dimension,
)
from packbench.profile.language.formula import Name, Number, Operation, PastCall, RateNumber, Tree, Word, quoted

Exponents = tuple[int, int, int, int]
"""Of V, A, s, K."""

_EXPONENTS: dict[Dimension, Exponents] = {
    "voltage": (1, 0, 0, 0),
    "current": (0, 1, 0, 0),
    "power": (1, 1, 0, 0),
    "time": (0, 0, 1, 0),
    "charge": (0, 1, 1, 0),
    "energy": (1, 1, 1, 0),
    "temperature": (0, 0, 0, 1),
    "temperature_difference": (0, 0, 0, 1),
    "temperature_rate": (0, 0, -1, 1),
    "voltage_rate": (1, 0, -1, 0),
    "resistance": (1, -1, 0, 0),
    "ratio": (0, 0, 0, 0),
}
_PLAIN: Exponents = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a quantity is: its exponents, and whether it is an absolute temperature."""

    exponents: Exponents
    absolute: bool = False

    @property
    def dimension(self) -> Dimension | None:
        """Its name, where it has one."""
        if self.absolute:
            return "temperature"
        for name, found in _EXPONENTS.items():
            if found == self.exponents and name != "temperature":
                return name
        return None

    @property
    def words(self) -> str:
        """What it is called, with its article."""
        if self.exponents == _PLAIN and not self.absolute:
            return "a plain number or a ratio"
        name = self.dimension
        return "something of no known dimension" if name is None else with_article(name.replace("_", " "))


def with_article(noun: str) -> str:
    """A noun with a or an."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def kind_of(dimension: Dimension | None) -> Kind:
    """The kind of a named dimension; None: a plain number."""
    return Kind(_PLAIN) if dimension is None else Kind(_EXPONENTS[dimension], dimension == "temperature")


def factor_of(dimension: Dimension | None) -> float:
    """From the project's own unit to base units."""
    return 1.0 if dimension is None else FACTORS.get(dimension, 1.0)


@dataclass(frozen=True, slots=True)
class Binding:
    """What `$name` stands for."""

    kind: Kind
    expression: Expression


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean at one place of a profile."""

    pack: PackSpec
    names: Mapping[str, Binding]
    label: Callable[[str], int]
    """Index of an earlier step, by its label as this file writes it. Raises UnitError where there is none."""


def no_steps(label: str) -> int:
    """Where no step has run. Raises UnitError."""
    raise UnitError(f"the step {label!r}", "a value that needs no step")


def resolve(tree: Tree, dimension: Dimension | None, scope: Scope, text: str) -> Amount:
    """The amount, which must be of `dimension`. Raises UnitError."""
    binding = bind(tree, scope, text)
    expected = kind_of(dimension)
    if binding.kind != expected:
        raise UnitError(
            f"{quoted(text)}, {binding.kind.words}", "a plain number" if dimension is None else EXPECTED[dimension]
        )
    return as_amount(binding.expression, factor_of(dimension), text)


def as_amount(expression: Expression, factor: float, text: str) -> Amount:
    """An expression as an amount: its number, where that is known."""
    if isinstance(expression, Constant):
        return expression.value / factor
    return Formula(expression, factor, text)


def bind(tree: Tree, scope: Scope, text: str) -> Binding:
    """The tree as an expression with its kind. Raises UnitError."""
    match tree:
        case Number(value, dimension):
            return Binding(kind_of(dimension), Constant(value * factor_of(dimension)))
        case RateNumber(rate):
            return Binding(kind_of("current"), Constant(rate.amperes(scope.pack.rated_capacity_ah)))
        case Word(name):
            return _word(name, scope)
        case Name(name):
            if name not in scope.names:
                raise UnitError(f"the variable ${name}", _names_here(name, scope.names))
            return scope.names[name]
        case PastCall(quantity, label, at_ns, piece):
            try:
                index = scope.label(label)
            except UnitError as error:
                raise UnitError(f"{quantity}({label})", error.expected) from error
            dimension = PAST[quantity]
            return Binding(kind_of(dimension), Past(quantity, index, factor_of(dimension), at_ns, piece))
        case Operation(operator, operands):
            return _operation(operator, [bind(operand, scope, text) for operand in operands], text)


def _names_here(name: str, names: Mapping[str, Binding]) -> str:
    """Which variables there are, and the one that is nearly `name`."""
    known = ", ".join(f"${known}" for known in sorted(names)) or "none here"
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean ${near[0]}?" if near else ""
    return f"a parameter, a loop's or an earlier `set`'s ({known}{hint})"


def word_amount(name: str, pack: PackSpec) -> float | None:
    """What a word of the pack stands for, in the project's own unit; None: it is none of the pack's."""
    values = {
        "pack_full": pack.cell_full_v * pack.series,
        "pack_cutoff": pack.cell_cutoff_v * pack.series,
        "cell_full": pack.cell_full_v,
        "cell_cutoff": pack.cell_cutoff_v,
        "rated": pack.rated_capacity_ah,
        "rated_energy": pack.rated_energy_wh,
        "Pmax": pack.max_power_w,
    }
    return values.get(name)


_WORD_DIMENSIONS: dict[str, Dimension] = {"rated": "charge", "rated_energy": "energy", "Pmax": "power"}


def _word(name: str, scope: Scope) -> Binding:
    value = word_amount(name, scope.pack)
    if value is not None:
        dimension = _WORD_DIMENSIONS.get(name, "voltage")
        return Binding(kind_of(dimension), Constant(value * factor_of(dimension)))
    if name == "cell_any":
        raise UnitError("cell_any in a formula", "cell_max or cell_min: cell_any is for conditions alone")
    dimension = reading_dimension(name)
    return Binding(kind_of(dimension), Read(name, factor_of(dimension)))


def _operation(operator: str, operands: list[Binding], text: str) -> Binding:
    kind = _combined(operator, [operand.kind for operand in operands], text)
    expressions = tuple(operand.expression for operand in operands)
    numbers = [expression.value for expression in expressions if isinstance(expression, Constant)]
    if len(numbers) < len(expressions):
        return Binding(kind, Apply(operator, expressions))  # type: ignore[arg-type]
    if operator == "/" and numbers[1] == 0.0:
        raise UnitError(f"{quoted(text)}, a division by 0", "a divisor that is not 0")
    value = operate(operator, numbers)
    if not isfinite(value):
        raise UnitError(f"{quoted(text)}, which is not finite", "a number that a bench can be told")
    return Binding(kind, Constant(value))


def _combined(operator: str, kinds: list[Kind], text: str) -> Kind:
    """The kind of a result. Raises UnitError for what cannot be combined."""
    first = kinds[0]
    if operator in ("neg", "abs"):
        if first.absolute:
            raise UnitError(f"{quoted(text)}, {operator} of a temperature", "a difference of temperatures")
        return first
    if operator in ("min", "max"):
        if any(kind != first for kind in kinds):
            raise UnitError(f"{quoted(text)}, {operator} of different things", "values of one dimension")
        return first
    second = kinds[1]
    if operator in ("*", "/"):
        if first.absolute or second.absolute:
            raise UnitError(f"{quoted(text)}, a temperature as a factor", "a difference of temperatures")
        sign = 1 if operator == "*" else -1
        a, b = first.exponents, second.exponents
        return Kind((a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2], a[3] + sign * b[3]))
    if first.exponents != second.exponents or (operator == "+" and first.absolute and second.absolute):
        names = [(kind.dimension or "something else").replace("_", " ") for kind in kinds]
        word = "plus" if operator == "+" else "minus"
        raise UnitError(f"{quoted(text)}, {names[0]} {word} {names[1]}", "two of the same dimension")
    if operator == "-":
        if second.absolute and not first.absolute:
            raise UnitError(f"{quoted(text)}, a difference minus a temperature", "a temperature first")
        return Kind(first.exponents, first.absolute and not second.absolute)
    return Kind(first.exponents, first.absolute or second.absolute)
