"""What a plan leaves behind on its way to a target: each thing once, at its line.

Owns what a target can do in general, the writing of Problems about a plan, and the reading of what its author wrote
there (a rate is kept as a rate). Must not decide what becomes of a step (`from_plan`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from packbench.core.errors import Problem
from packbench.core.units import Rate, UnitError, parse_rate
from packbench.profile.amounts import USER_PREFIX, Amount, Formula
from packbench.profile.checking.pen import Pen
from packbench.profile.exchange.outline import Account, Level
from packbench.profile.exchange.tree import Rounds, number
from packbench.profile.plan import Plan

_VALUE_AT = re.compile(r"""["']?([^"'#,}\]]+?)["']?\s*(?:[,}\]#]|$)""")


@dataclass(frozen=True, slots=True)
class Target:
    """What a format can say at all."""

    name: str
    knows: str
    """What ends a step there, for the texts."""
    is_one_cell: bool
    """Whether its voltage is one cell's, for which every cell of the pack stands."""
    has_temperature: bool
    records_changes: bool
    """Whether it writes samples down at a change of voltage or current."""


@dataclass(slots=True)
class Leaving:
    """Notes down what stays behind, and what is said otherwise."""

    plan: Plan
    target: Target
    rated_ah: float
    account: Account = field(default_factory=Account)

    def lose(self, index: int, attribute: str, found: str, expected: str) -> None:
        """What the target cannot carry; index -1: of the profile as a whole."""
        message = f"{self.target.name} cannot carry this"
        self._note(self.account.dropped, self.pen(index).write(attribute, message, found, expected))

    def remark(self, index: int, attribute: str, message: str) -> None:
        """What the target is told in other words."""
        place = self.pen(index).write(attribute, "", "", "")
        problem = Problem(message, place.file, place.line, place.column, place.field, source_line=place.source_line)
        self._note(self.account.warnings, problem)

    def pen(self, index: int) -> Pen:
        """Writes about a step."""
        return Pen(index, self.plan.source_file, self.plan.places)

    def states(self, index: int, attribute: str) -> bool:
        """Whether the author wrote it: a default of the language is nothing that could be lost."""
        return (index, attribute) in self.plan.places

    def known(self, index: int, attribute: str, amount: Amount, rounds: Rounds) -> float | None:
        """An amount's number; None, and noted, when only the run knows."""
        value = number(amount, rounds)
        if value is None:
            text = amount.text if isinstance(amount, Formula) else str(amount)
            self.lose(index, attribute, f"{text}, which only the run knows", "a number")
        return value

    def level(self, index: int, attribute: str, amount: Amount, rounds: Rounds) -> Level | None:
        """A current, with its rate where that is what the author wrote."""
        current_a = self.known(index, attribute, amount, rounds)
        if current_a is None:
            return None
        written = self._written(index, attribute)
        if written.startswith(USER_PREFIX):
            written = self._written(-1, f"parameters.{written.removeprefix(USER_PREFIX)}")
        return self.level_as(written, current_a)

    def level_as(self, written: str, current_a: float) -> Level:
        """A current that stands in the text as `written`."""
        try:
            rate: Rate | None = parse_rate(written)
        except UnitError:
            rate = None
        is_it = rate is not None and math.isclose(rate.amperes(self.rated_ah), abs(current_a), rel_tol=1e-9)
        return Level(current_a, rate.per_hour if rate is not None and is_it else None)

    def _written(self, index: int, attribute: str) -> str:
        """A value as its author wrote it; empty where it stands nowhere."""
        place = self.plan.places.get((index, attribute))
        if place is None or place.source_line is None:
            return ""
        match = _VALUE_AT.match(place.source_line[place.column - 1 :])
        return match[1] if match is not None else ""

    @staticmethod
    def _note(problems: list[Problem], problem: Problem) -> None:
        if problem not in problems:
            problems.append(problem)
