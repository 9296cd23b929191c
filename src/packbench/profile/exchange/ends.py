"""The end conditions of a step, sorted into the few that other tools know.

Owns which condition becomes a voltage, a current or a time, and what of it is lost on the way. Must not know what a
target makes of them. Of several of a kind the one that comes first counts: the others are never met.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from packbench.profile.amounts import cell_number
from packbench.profile.exchange.leaving import Leaving
from packbench.profile.exchange.outline import Level, Phase, tidy
from packbench.profile.exchange.tree import Rounds, number
from packbench.profile.exchange.wording import time
from packbench.profile.plan import (
    AnyStep,
    Condition,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    Test,
)

_OPERATOR = re.compile(r"[<>]=?|[≤≥]")
_CELLS = ("cell_max", "cell_min", "cell_any")


@dataclass(slots=True)
class Ends:
    """When a step ends; voltages are the pack's."""

    above_v: float | None = None
    below_v: float | None = None
    falls_to: Level | None = None
    rises_to: Level | None = None
    time_ns: int | None = None

    def above(self, value_v: float) -> None:
        """Also at this voltage, from below."""
        self.above_v = value_v if self.above_v is None else min(self.above_v, value_v)

    def below(self, value_v: float) -> None:
        """Also at this voltage, from above."""
        self.below_v = value_v if self.below_v is None else max(self.below_v, value_v)

    def fall(self, level: Level) -> None:
        """Also when the current has fallen to this."""
        known = self.falls_to
        self.falls_to = level if known is None or level.current_a > known.current_a else known

    def rise(self, level: Level) -> None:
        """Also when the current has risen to this."""
        known = self.rises_to
        self.rises_to = level if known is None or level.current_a < known.current_a else known

    def after(self, time_ns: int) -> None:
        """Also after this time."""
        self.time_ns = time_ns if self.time_ns is None else min(self.time_ns, time_ns)

    def on(self, phase: Phase) -> Phase:
        """A phase that ends so."""
        return replace(
            phase,
            above_v=self.above_v,
            below_v=self.below_v,
            falls_to=self.falls_to,
            rises_to=self.rises_to,
            time_ns=self.time_ns,
        )


@dataclass(frozen=True, slots=True)
class Steady:
    """What a step holds, where that makes a charge or an energy a time."""

    variable: str
    per_hour: float
    """A, or W."""
    shown: str


def ends_of(
    index: int, step: AnyStep, leaving: Leaving, series: int, rounds: Rounds, steady: Steady | None = None
) -> Ends:
    """The ends of a step; what is not among them has been noted."""
    reader = _Reader(index, leaving, series, rounds, steady, Ends())
    for position, condition in enumerate(step.until):
        reader.condition(position, condition)
    return reader.ends


def note_clamp(
    index: int,
    step: ConstantCurrent | ConstantPower | ConstantResistance,
    leaving: Leaving,
    ends: Ends,
    rounds: Rounds,
) -> None:
    """A clamp that the author states is lost, unless the step ends before it comes there."""
    clamp_v = number(step.clamp_voltage_v, rounds)
    bound_v = ends.above_v if step.sign > 0 else ends.below_v
    is_first = clamp_v is not None and bound_v is not None and (bound_v - clamp_v) * step.sign <= 0.0
    if leaving.states(index, "clamp") and not is_first:
        leaving.lose(index, "clamp", "a voltage at which the cycler goes no further", "a step that ends there")


@dataclass(slots=True)
class _Reader:
    index: int
    leaving: Leaving
    series: int
    rounds: Rounds
    steady: Steady | None
    ends: Ends

    def condition(self, position: int, condition: Condition) -> None:
        where = f"until.{position}"
        if condition.goto is not None and condition.goto != self.index + 1:
            label = self.leaving.plan.steps[condition.goto].label
            self.leaving.lose(self.index, where, f"goto {label}", "an end that leads to the next step")
        test = condition.alone
        if test is None:
            self.leaving.lose(self.index, where, condition.text, f"one condition alone: {self._knows}")
            return
        if condition.for_ns:
            found = f"{condition.text} for {time(condition.for_ns)}"
            self.leaving.lose(self.index, where, found, "an end at once")
        if not self._take(where, test, condition.text):
            self.leaving.lose(self.index, where, condition.text, self._knows)

    @property
    def _knows(self) -> str:
        return self.leaving.target.knows

    def _take(self, where: str, test: Test, text: str) -> bool:
        """Put it where it belongs; False: the target knows no such end."""
        name = test.variable
        if name == "voltage":
            return self._voltage(where, test, 1)
        if name in _CELLS or cell_number(name) is not None:
            return self._cell(where, test, text)
        if name == "current":
            return self._current(where, test, text)
        if name == "step_time":
            return test.rising and self._known(where, test, lambda value: self.ends.after(round(value * 1e9)))
        if self.steady is not None and name == self.steady.variable and test.rising:
            return self._known(where, test, lambda value: self._as_time(where, value, text))
        return False

    def _known(self, where: str, test: Test, take: Callable[[float], None]) -> bool:
        """Take the value; one that only the run knows has been noted as such, so that this is no second loss."""
        value = self.leaving.known(self.index, where, test.value, self.rounds)
        if value is not None:
            take(value)
        return True

    def _voltage(self, where: str, test: Test, cells: int) -> bool:
        bound = self.ends.above if test.rising else self.ends.below
        return self._known(where, test, lambda value: bound(tidy(value * cells)))

    def _cell(self, where: str, test: Test, text: str) -> bool:
        if self.series > 1 and not self.leaving.target.is_one_cell:
            expected = f"a voltage of the whole pack: {self.series} times the cell's, at which a weak cell is beyond it"
            self.leaving.lose(self.index, where, text, expected)
        return self._voltage(where, test, self.series)

    def _current(self, where: str, test: Test, text: str) -> bool:
        value = self.leaving.known(self.index, where, test.value, self.rounds)
        if value is not None:
            level = self.leaving.level_as(_OPERATOR.split(text, maxsplit=1)[-1], value)
            (self.ends.rise if test.rising else self.ends.fall)(level)
        return True

    def _as_time(self, where: str, value: float, text: str) -> None:
        assert self.steady is not None
        time_ns = round(value / self.steady.per_hour * 3600e9)
        self.ends.after(time_ns)
        self.leaving.remark(self.index, where, f"{text} at {self.steady.shown} is told as a time, {time_ns / 1e9:g} s")
