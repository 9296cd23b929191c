"""The grammar of formulas: `0.1 * $capacity`, `cell_full - 50 mV`, `ah(discharge) / 3 h`.

Owns the way from text to a tree. Must not know a pack, what a name stands for or whether dimensions fit:
that is `resolve`. It exists so that a profile can compute from what it has measured, and so that what it
may compute stays small enough to be bounded before a run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from packbench.config.validation import suggestion
from packbench.core.units import (
    EXPECTED,
    UNITS,
    Dimension,
    Rate,
    UnitError,
    advice_for,
    parse_quantity,
    parse_rate,
    parse_time_ns,
)
from packbench.profile.amounts import PAST, READINGS, PastQuantity, cell_number

FORMULA_EXPECTED = "a formula, such as 0.1 * $capacity, cell_full - 50 mV or ah(discharge) / 3 h"

WORDS: dict[str, Dimension] = {
    "pack_full": "voltage",
    "pack_cutoff": "voltage",
    "cell_full": "voltage",
    "cell_cutoff": "voltage",
    "rated": "charge",
    "rated_energy": "energy",
    "Pmax": "power",
}
"""What the pack file states."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit, in the project's own; `dimension` None: a plain number."""

    value: float
    dimension: Dimension | None


@dataclass(frozen=True, slots=True)
class RateNumber:
    """A current relative to the rated capacity."""

    rate: Rate


@dataclass(frozen=True, slots=True)
class Word:
    """One of `WORDS`, or a reading."""

    name: str


@dataclass(frozen=True, slots=True)
class Name:
    """`$name`."""

    name: str


@dataclass(frozen=True, slots=True)
class PastCall:
    """`ah(label)`, `resistance(label, 10 s)`."""

    quantity: PastQuantity
    label: str
    at_ns: int | None = None
    piece: int | None = None
    """Of a resistance: of which piece of the train, from 1; None: the first that has the read-out."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator or a function on others."""

    operator: Literal["+", "-", "*", "/", "neg", "abs", "min", "max"]
    operands: tuple[Tree, ...]


Tree = Number | RateNumber | Word | Name | PastCall | Operation

_UNIT_WORDS = sorted((*UNITS, "I1", "I3", "I5", "It", "C"), key=len, reverse=True)
_UNIT = rf"%\s*Pmax|{'|'.join(re.escape(unit) for unit in _UNIT_WORDS)}"
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_TIME = rf"{_NUMBER}\s*(?:{'|'.join(unit for unit, (known, _) in UNITS.items() if known == 'time')})(?![\w/%])"
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<over>C\s*/\s*[0-9]+(?:\.[0-9]+)?(?![\w.]))
    |(?P<times>{_TIME}(?:\s+{_TIME})+)
    |(?P<number>{_NUMBER})(?:\s*(?P<unit>{_UNIT})(?![\w/%]))?
    |(?P<rate>I[135t](?!\w))
    |(?P<user>\$(?:[a-z0-9]+(?:[-_][a-z0-9]+)*\.)*[a-z][a-z0-9_]*)
    |(?P<past>(?:{"|".join(PAST)})\s*\(\s*(?P<arguments>[^()]*)\))
    |(?P<slope>dV/dt|dT/dt)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>[-+*/(),])
    )""",
    re.VERBOSE,
)
_NO_UNIT = re.compile(r"\s*([^\W\d]\S*)")
_LABEL = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
FORMULA_MARKS = r"[$(*]| [-+/] "
"""What a text that was meant to be computed has in it."""
_DEPTH_MAX = 30
_TOKENS_MAX = 200


def quoted(text: str) -> str:
    """A text of the author in quotes, for a message; not all of a long one."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def looks_like_formula(text: str) -> bool:
    """Whether a text that is no literal was meant to be computed."""
    return re.search(FORMULA_MARKS, text) is not None


def parse_formula(text: str) -> Tree:
    """Read a formula. Raises UnitError, saying where it stops being one."""
    return _Parser(text).whole()


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    tree: Tree | None = None


class _Parser:
    """Recursive descent over the tokens; sums of products of factors."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        if len(self._tokens) > _TOKENS_MAX:
            raise self._refused("a formula too long to be followed: use `set` for its parts")
        self._at = 0
        self._depth = 0

    def whole(self) -> Tree:
        tree = self._sum()
        if self._at < len(self._tokens):
            raise self._refused(f"{self._tokens[self._at].text!r} after a complete formula")
        return tree

    def _sum(self) -> Tree:
        tree = self._product()
        while (sign := self._take("+", "-")) is not None:
            tree = Operation("+" if sign == "+" else "-", (tree, self._product()))
        return tree

    def _product(self) -> Tree:
        tree = self._factor()
        while (sign := self._take("*", "/")) is not None:
            tree = Operation("*" if sign == "*" else "/", (tree, self._factor()))
        return tree

    def _factor(self) -> Tree:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise self._refused("a formula nested too deeply")
        tree = self._inner()
        self._depth -= 1
        return tree

    def _inner(self) -> Tree:
        if self._take("-") is not None:
            following = self._tokens[self._at].tree if self._at < len(self._tokens) else None
            if isinstance(following, Number) and following.dimension == "temperature":
                # -10 degC is a temperature as it is read; there is no negative of one.
                self._at += 1
                return Number(-following.value, "temperature")
            return Operation("neg", (self._factor(),))
        if self._take("(") is not None:
            tree = self._sum()
            self._close()
            return tree
        if self._at >= len(self._tokens):
            raise self._refused("a formula that stops short")
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "word" and token.text in ("abs", "min", "max"):
            return self._function(token.text)
        if token.tree is None:
            raise self._refused(f"{token.text!r} where a value should be")
        return token.tree

    def _function(self, name: str) -> Tree:
        if self._take("(") is None:
            raise self._refused(f"{name} without its parentheses")
        operands = [self._sum()]
        while self._take(",") is not None:
            operands.append(self._sum())
        self._close()
        if (name == "abs") != (len(operands) == 1):
            raise self._refused(f"{name} of {len(operands)}")
        operator: Literal["abs", "min", "max"] = "abs" if name == "abs" else "min" if name == "min" else "max"
        return Operation(operator, tuple(operands))

    def _close(self) -> None:
        if self._take(")") is None:
            raise self._refused("a parenthesis that nobody closes")

    def _take(self, *signs: str) -> str | None:
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind == "sign" and token.text in signs:
                self._at += 1
                return token.text
        return None

    def _refused(self, what: str) -> UnitError:
        return UnitError(f"{quoted(self._text)}: {what}", FORMULA_EXPECTED)


def _tokens(text: str) -> list[_Token]:
    if re.search(r"[0-9],[0-9]", text):
        expected = "a decimal point in numbers, and a space after a comma that separates"
        raise UnitError(f"{quoted(text)}: a comma between digits", expected)
    tokens: list[_Token] = []
    at = 0
    while at < len(text) and text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.end() == at:
            raise UnitError(f"{quoted(text)}: {quoted(text[at:].strip())} is not understood", FORMULA_EXPECTED)
        at = match.end()
        if match["number"] is not None and match["unit"] is None and (word := _NO_UNIT.match(text, at)) is not None:
            raise _unknown_unit(text, match["number"], word[1])
        tokens.append(_token(text, match))
    return tokens


def _unknown_unit(text: str, number: str, unit: str) -> UnitError:
    advice = advice_for(unit)
    expected = f"a unit that is known ({advice})" if advice else "a unit that is known, or an operator between the two"
    return UnitError(f"{quoted(text)}: {number} {unit}", expected)


def _token(text: str, match: re.Match[str]) -> _Token:
    kind = match.lastgroup or ""
    word = match[0].strip()
    if match["number"] is not None:
        return _Token("value", word, _number(text, match["number"], match["unit"]))
    if match["times"] is not None:
        return _Token("value", word, Number(parse_quantity(word, "time"), "time"))
    if match["past"] is not None:
        return _Token("value", word, _past(text, match))
    if match["over"] is not None or match["rate"] is not None:
        rate = parse_rate(word)
        assert rate is not None
        return _Token("value", word, RateNumber(rate))
    if match["user"] is not None:
        return _Token("value", word, Name(word[1:]))
    if match["slope"] is not None:
        return _Token("value", word, Word(word))
    if match["word"] is not None:
        return _word_token(text, word)
    return _Token(kind if kind == "sign" else "sign", word)


def _word_token(text: str, word: str) -> _Token:
    """A word of the pack, a reading, or the name of a function."""
    if word in WORDS or word in READINGS or cell_number(word) is not None:
        return _Token("word", word, Word(word))
    if word in ("abs", "min", "max"):
        return _Token("word", word)
    if word in ("C", "c"):
        raise UnitError(f"{quoted(text)}: {word!r} alone", "a rate with its number, such as 1C, 0.5C or C/3")
    near = suggestion(word, (*WORDS, *READINGS))
    hint = f"a variable of the profile is written with a $: ${word}"
    known = f"; {near[near.index('(did') :].strip('()')}" if "(did" in near else ""
    raise UnitError(f"{quoted(text)}: {word!r} is not known", f"{FORMULA_EXPECTED} ({hint}{known})")


def _number(text: str, number: str, unit: str | None) -> Tree:
    value = float(number)
    if not isfinite(value):
        raise UnitError(f"{quoted(text)}: {number}, which is not finite", FORMULA_EXPECTED)
    if unit is None:
        return Number(value, None)
    if unit.endswith("Pmax"):
        return Operation("*", (Number(value / 100.0, "ratio"), Word("Pmax")))
    if unit in ("I1", "I3", "I5", "It", "C"):
        rate = parse_rate(f"{number}{unit}")
        if rate is None:
            raise UnitError(quoted(text), EXPECTED["current"])
        return RateNumber(rate)
    dimension, factor = UNITS[unit]
    if not isfinite(value * factor):
        raise UnitError(f"{quoted(text)}: {number} {unit}, which is not finite", FORMULA_EXPECTED)
    return Number(value * factor, dimension)


def _past(text: str, match: re.Match[str]) -> PastCall:
    name, _, _ = match["past"].partition("(")
    quantity: PastQuantity = next(known for known in PAST if known == name.strip())
    label, *more = (part.strip() for part in match["arguments"].split(","))
    if not _LABEL.fullmatch(label):
        raise UnitError(f"{quoted(text)}: {quantity}({label})", f"{quantity}(the label of a step)")
    if quantity != "resistance":
        if more:
            raise UnitError(f"{quoted(text)}: {match['past'].strip()}", f"{quantity}({label})")
        return PastCall(quantity, label)
    if not 1 <= len(more) <= 2 or not all(re.fullmatch(r"[1-9][0-9]{0,4}", piece) for piece in more[1:]):
        expected = f"resistance({label}, 10 s), or resistance({label}, 10 s, 3): which read-out, of which piece"
        raise UnitError(f"{quoted(text)}: {match['past'].strip()}", expected)
    return PastCall(quantity, label, parse_time_ns(more[0]), int(more[1]) if more[1:] else None)
