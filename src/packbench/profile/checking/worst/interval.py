"""Intervals: every value that a quantity may have, and whether it may have none.

Owns their arithmetic: a result holds whatever the operands hold. `missing` says that the value may be NaN as well,
which ends no step and is no set-point.
"""

from __future__ import annotations

from math import inf, isnan
from typing import NamedTuple


class Interval(NamedTuple):
    """From `lo` to `hi`."""

    lo: float
    hi: float
    missing: bool = False

    @property
    def point(self) -> bool:
        """One value alone."""
        return self.lo == self.hi and not self.missing

    @property
    def middle(self) -> float:
        """Half-way."""
        return 0.5 * (self.lo + self.hi)


NOTHING_KNOWN = Interval(-inf, inf, True)
ZERO = Interval(0.0, 0.0)


def hull(a: Interval, b: Interval) -> Interval:
    """What either may be."""
    return Interval(min(a.lo, b.lo), max(a.hi, b.hi), a.missing or b.missing)


def within(a: Interval, b: Interval) -> bool:
    """Whether b holds everything that a may be."""
    return b.lo <= a.lo and a.hi <= b.hi and (b.missing or not a.missing)


def cut(a: Interval, lo: float, hi: float) -> Interval:
    """What of `a` lies between; where nothing does, the nearer end."""
    return Interval(min(max(a.lo, lo), hi), max(min(a.hi, hi), lo), a.missing)


def plus(a: Interval, b: Interval) -> Interval:
    """a + b."""
    return _sound(a.lo + b.lo, a.hi + b.hi, missing=a.missing or b.missing)


def minus(a: Interval, b: Interval) -> Interval:
    """a - b."""
    return _sound(a.lo - b.hi, a.hi - b.lo, missing=a.missing or b.missing)


def times(a: Interval, b: Interval) -> Interval:
    """a x b."""
    products = (_product(a.lo, b.lo), _product(a.lo, b.hi), _product(a.hi, b.lo), _product(a.hi, b.hi))
    return Interval(min(products), max(products), a.missing or b.missing)


def scaled(a: Interval, factor: float) -> Interval:
    """A multiple."""
    return times(a, Interval(factor, factor))


def over(a: Interval, b: Interval) -> Interval:
    """a / b; a division that may be by 0 may come to anything, and to nothing."""
    if b.lo <= 0.0 <= b.hi:
        return NOTHING_KNOWN
    return times(a, Interval(1.0 / b.hi, 1.0 / b.lo, b.missing))


def widened(a: Interval, by: float) -> Interval:
    """More on both sides."""
    return Interval(a.lo - by, a.hi + by, a.missing)


def magnitude(a: Interval) -> Interval:
    """|a|."""
    if a.lo >= 0.0:
        return a
    if a.hi <= 0.0:
        return Interval(-a.hi, -a.lo, a.missing)
    return Interval(0.0, max(-a.lo, a.hi), a.missing)


def _sound(lo: float, hi: float, *, missing: bool) -> Interval:
    """Bounds that came to nothing (infinity less infinity) say nothing, and so may the value."""
    if isnan(lo) or isnan(hi):
        return Interval(-inf if isnan(lo) else lo, inf if isnan(hi) else hi, True)
    return Interval(lo, hi, missing)


def _product(a: float, b: float) -> float:
    return 0.0 if a == 0.0 or b == 0.0 else a * b
