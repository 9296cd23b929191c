"""A number of a second-life file: its value, how low and how high it may be, and where it comes from.

Owns the form of such a number and of its source, and the triangle that a Monte Carlo draws it from. Must not hold a
number of its own. It exists so that profiles, ageing and money are written, refused and drawn in one way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import BaseModel, Field

from packbench.config.document import Document, Path
from packbench.config.validation import StrictModel
from packbench.core.errors import Problem
from packbench.core.samples import FloatArray

_SOURCE: Final = re.compile(r"(house|assumption)(: .+)?|\[[^\]]{4,}\].*")
SOURCE_EXPECTED: Final = "a tag such as [GB/T ...] or [author, year], or house, or assumption"
SOURCE_HELP: Final = "where the number comes from: [standard and clause], [author, year], house or assumption"


@dataclass(frozen=True, slots=True)
class Spread:
    """A number and its hard ends, in the unit that its name states. Between them it is drawn from a triangle."""

    value: float
    low: float
    high: float
    source: str

    @property
    def is_assumed(self) -> bool:
        """Nobody but this file says so."""
        return self.source.startswith(("house", "assumption"))

    def at(self, u: FloatArray) -> FloatArray:
        """The triangle's quantiles at probabilities `u`; the value itself where low and high are the same.

        Source: the triangular distribution's inverse, GUM 4.3.9 for its use where little is known.
        """
        width = self.high - self.low
        if width <= 0.0:
            return np.full_like(u, self.value)
        left, right = self.value - self.low, self.high - self.value
        rising = self.low + np.sqrt(u * width * left)
        falling = self.high - np.sqrt((1.0 - u) * width * right)
        return np.where(u * width <= left, rising, falling)


class SpreadModel(StrictModel):
    """How a file writes it; without low and high the number is taken as exact."""

    value: float = Field(allow_inf_nan=False, description="a number")
    low: float | None = Field(default=None, allow_inf_nan=False, description="the least that it may be")
    high: float | None = Field(default=None, allow_inf_nan=False, description="the most that it may be")
    source: str = Field(description=SOURCE_HELP)

    @property
    def spread(self) -> Spread:
        """The number itself."""
        low = self.value if self.low is None else self.low
        return Spread(self.value, low, self.value if self.high is None else self.high, self.source)


def exactly(value: float, source: str) -> Spread:
    """A number without a range."""
    return Spread(value, value, value, source)


def source_problem(document: Document, path: Path, source: str) -> list[Problem]:
    """What is wrong with the words that say where a number comes from."""
    return [] if _SOURCE.fullmatch(source) else [document.problem("", path, document.found(path), SOURCE_EXPECTED)]


def spread_problems(
    document: Document, path: Path, spread: SpreadModel, least: float, most: float, unit: str
) -> list[Problem]:
    """What is wrong with one number: its source, the order of its ends, what it can be at all."""
    problems = source_problem(document, (*path, "source"), spread.source)
    low, value, high = spread.spread.low, spread.spread.value, spread.spread.high
    if (spread.low is None) != (spread.high is None):
        missing = "low" if spread.low is None else "high"
        problems.append(document.problem("", (*path, missing), "nothing", "low and high, or neither", at=path))
    elif not low <= value <= high:
        here = (*path, "low" if low > value else "high")
        expected = f"at {'most' if low > value else 'least'} the value, {value:g}"
        problems.append(document.problem("", here, document.found(here), expected))
    elif low < least or high > most:
        here = (*path, "value" if spread.low is None else "low" if low < least else "high")
        expected = f"{least:g} to {most:g} {unit}".rstrip()
        problems.append(document.problem("", here, document.found(here), expected))
    return problems


def spreads_in(model: BaseModel) -> Iterator[tuple[str, SpreadModel]]:
    """The numbers among a model's fields, by name."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, SpreadModel):
            yield name, value
