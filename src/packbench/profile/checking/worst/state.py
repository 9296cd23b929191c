"""What is known of a run between two steps: of the pack, of the profile's variables, of what lies behind.

Owns the abstract state and its two operations: joining what two ways lead to, and growing where a loop does not
settle. Everything is an interval; a state holds every run that is held by what came before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType

from packbench.profile.checking.worst.interval import ZERO, Interval, hull, plus, within

Amounts = Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Passed:
    """What the last execution of a step came to."""

    ah: Interval
    """Magnitudes, as formulas ask for them."""
    wh: Interval
    seconds: Interval
    voltage_v: Interval
    temperature_c: Interval
    resistance_ohm: Interval


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run has come to so far: added up, and multiplied where a loop's rounds are alike."""

    seconds: Interval = ZERO
    moved_ah: Interval = ZERO
    """Throughput: in and out together."""
    moved_wh: Interval = ZERO
    swing: float = 0.0
    """The most throughput, in capacities of the mean cell."""

    def plus(self, other: Totals) -> Totals:
        """Both."""
        return Totals(
            plus(self.seconds, other.seconds),
            plus(self.moved_ah, other.moved_ah),
            plus(self.moved_wh, other.moved_wh),
            self.swing + other.swing,
        )

    def rounds(self, least: int, most: int) -> Totals:
        """As often as that."""

        def repeated(total: Interval) -> Interval:
            return Interval(total.lo * least, total.hi * most)

        return Totals(repeated(self.seconds), repeated(self.moved_ah), repeated(self.moved_wh), self.swing * most)

    def joined(self, other: Totals) -> Totals:
        """What either may be."""
        return Totals(
            hull(self.seconds, other.seconds),
            hull(self.moved_ah, other.moved_ah),
            hull(self.moved_wh, other.moved_wh),
            max(self.swing, other.swing),
        )


@dataclass(frozen=True, slots=True)
class State:
    """Between two steps."""

    soc: Interval
    """Of the mean cell."""
    filtered_a: Interval
    """The current as the polarisation still feels it; signed."""
    current_a: Interval
    """Of the step before; signed: it may still be seen in a step's first moments."""
    temperature_c: Interval
    """Of every cell, without reversible heat."""
    around_c: Interval
    hottest_c: Interval
    """The hottest reading so far."""
    variables: Amounts
    past: Mapping[int, Passed]
    optional: frozenset[int]
    """Steps of `past` that may not have run."""
    rounds: Mapping[int, Interval]
    """By the index of a loop's end: rounds done."""
    test_s: Interval
    cycle_s: Interval
    step_s: Interval
    """Of the step before."""
    cycle: Interval
    test_ah: Interval
    """Signed, as the three that follow; of ended steps."""
    test_wh: Interval
    cycle_ah: Interval
    cycle_wh: Interval
    totals: Totals

    def joined(self, other: State) -> State:
        """What either way leads to."""
        if self is other:
            return self
        return replace(
            self,
            **{name: hull(getattr(self, name), getattr(other, name)) for name in _INTERVALS},
            variables=_joined(self.variables, other.variables),
            past=_joined_past(self.past, other.past),
            optional=self.optional | other.optional | (self.past.keys() ^ other.past.keys()),
            rounds={
                index: hull(self.rounds.get(index, ZERO), other.rounds.get(index, ZERO))
                for index in self.rounds.keys() | other.rounds.keys()
            },
            totals=self.totals.joined(other.totals),
        )

    def holds(self, other: State) -> bool:
        """Whether nothing of `other` is new, what only counts the run apart."""
        return (
            all(within(getattr(other, name), getattr(self, name)) for name in _SETTLING)
            and self.variables.keys() == other.variables.keys()
            and all(within(value, self.variables[name]) for name, value in other.variables.items())
            and self.past.keys() == other.past.keys()
            and other.optional <= self.optional
            and all(_held(value, self.past[index]) for index, value in other.past.items())
        )

    def grown(self, other: State) -> State:
        """Both, and everything that moved moved as far as it may."""
        joined = self.joined(other)
        variables = {
            name: value if name in self.variables and within(value, self.variables[name]) else Interval(-inf, inf, True)
            for name, value in joined.variables.items()
        }
        past = {
            index: _all_of(value) if index not in self.past or not _held(value, self.past[index]) else value
            for index, value in joined.past.items()
        }
        return replace(joined, variables=variables, past=past)


Arriving = dict[int, State]
"""What leads to a step, by its index."""


def arrive(states: Arriving, target: int, state: State) -> None:
    """One more way to a step."""
    known = states.get(target)
    states[target] = state if known is None else known.joined(state)


_INTERVALS = (
    "soc", "filtered_a", "current_a", "temperature_c", "around_c", "hottest_c", "test_s", "cycle_s", "step_s", "cycle",
    "test_ah", "test_wh", "cycle_ah", "cycle_wh",
)  # fmt: skip
_SETTLING = ("soc", "filtered_a", "current_a", "temperature_c", "around_c", "step_s")
"""What decides the next round; the rest only counts."""
_PASSED = ("ah", "wh", "seconds", "voltage_v", "temperature_c", "resistance_ohm")


def nothing() -> Mapping[str, Interval]:
    """No variables."""
    return MappingProxyType({})


def _joined(a: Amounts, b: Amounts) -> Amounts:
    if a is b:
        return a
    found: dict[str, Interval] = {}
    for name in a.keys() | b.keys():
        here, there = a.get(name), b.get(name)
        if here is None or there is None:
            alone = here or there
            assert alone is not None
            found[name] = alone._replace(missing=True)
        else:
            found[name] = hull(here, there)
    return found


def _joined_past(a: Mapping[int, Passed], b: Mapping[int, Passed]) -> Mapping[int, Passed]:
    if a is b:
        return a
    found = {**a, **b}
    for index in a.keys() & b.keys():
        here, there = a[index], b[index]
        if here is not there:
            found[index] = Passed(*(hull(getattr(here, name), getattr(there, name)) for name in _PASSED))
    return found


def _held(value: Passed, by: Passed) -> bool:
    return value is by or all(within(getattr(value, name), getattr(by, name)) for name in _PASSED)


def _all_of(_: Passed) -> Passed:
    """The same step, of which no more is known than its signs."""
    magnitude, anything = Interval(0.0, inf), Interval(-inf, inf)
    return Passed(magnitude, magnitude, magnitude, anything, anything, anything._replace(missing=True))
