"""A cell's open-circuit voltage as a band over its state of charge, looked at in the direction of the current.

Owns where a voltage may first be reached, and from where on it surely is. A discharge is the mirror image of a
charge: state of charge and voltages change their sign, so that everything rises along a step. Curves are straight
between the points of the grid, as the tables are whose points lie on it.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from math import inf

import numpy as np
from numpy.typing import NDArray

from packbench.config.cell_bounds import RESISTANCE_OVER_SOC, SOC_LEAST, SOC_MOST, Band
from packbench.profile.checking.worst.interval import Interval

STEP = 0.005
_COUNT = round((SOC_MOST - SOC_LEAST) / STEP) + 1
_GRID = np.linspace(SOC_LEAST, SOC_MOST, _COUNT)

Floats = NDArray[np.float64]


class Curve:
    """The band in one direction; `u` is the state of charge, negative in a discharge's mirror image."""

    def __init__(self, low_v: Floats, high_v: Floats, shape: Floats, first_u: float) -> None:
        self._first_u = first_u
        self._low, self._high, self._shape = low_v, high_v, shape
        self._low_list, self._high_list, self._shape_list = low_v.tolist(), high_v.tolist(), shape.tolist()
        self._low_sum = _integrals(low_v)
        self._high_sum = _integrals(high_v)
        self.last_u = first_u + (len(low_v) - 1) * STEP

    def low_v(self, u: float) -> float:
        """The least open-circuit voltage."""
        return self._at(self._low_list, u)

    def high_v(self, u: float) -> float:
        """The greatest."""
        return self._at(self._high_list, u)

    def shape(self, u: float) -> float:
        """The most by which resistance exceeds that at half charge."""
        return self._at(self._shape_list, u)

    def most_shape(self, a: float, b: float) -> float:
        """The most of it between two states of charge."""
        first, last = self._index(a), self._index(b) + 2
        return max(self._shape_list[first:last])

    def reach(self, voltage_v: float, from_u: float, drop_v: float) -> float:
        """The least u from `from_u` on at which the voltage may be reached; inf: never.

        `drop_v`: what the current adds to it, at half charge.
        """
        if self.high_v(from_u) + drop_v * self.shape(from_u) >= voltage_v:
            return from_u
        if not drop_v:
            return self._crossing(self._high_list, voltage_v)
        first = self._index(from_u) + 1
        reached = self._high[first:] + drop_v * self._shape[first:]
        found = int(np.argmax(reached >= voltage_v))
        if reached[found] < voltage_v:
            return inf
        if found == 0:
            before_u = max(from_u, self._u(first - 1))
            before_v = self.high_v(before_u) + drop_v * self.shape(before_u)
        else:
            before_u, before_v = self._u(first + found - 1), float(reached[found - 1])
        after_u, after_v = self._u(first + found), float(reached[found])
        return before_u + (after_u - before_u) * (voltage_v - before_v) / (after_v - before_v)

    def distance(self, voltage_v: float, start: Interval, drop_v: float) -> float:
        """How far the nearest start is from where the voltage may be reached; 0: it may be there already."""
        u = self.reach(voltage_v, start.lo, drop_v)
        if u <= start.hi:
            return 0.0
        # Between lo and hi it is not reached; beyond, it is first reached at u or later.
        return u - start.hi

    def surely(self, voltage_v: float) -> float:
        """The least u from which on every cell's open-circuit voltage is at least this; inf: it never surely is."""
        return self._crossing(self._low_list, voltage_v)

    def mean_low_v(self, u: float, to_u: float) -> float:
        """The mean of the least voltage on the way."""
        return self._mean(self._low_sum, self._low_list, u, to_u)

    def mean_high_v(self, u: float, to_u: float) -> float:
        """The mean of the greatest voltage on the way."""
        return self._mean(self._high_sum, self._high_list, u, to_u)

    def _u(self, index: int) -> float:
        return self._first_u + index * STEP

    def _index(self, u: float) -> int:
        """The grid's last point not after u."""
        place = int((u - self._first_u) / STEP)
        return min(max(place, 0), _COUNT - 2)

    def _at(self, values: list[float], u: float) -> float:
        place = (u - self._first_u) / STEP
        if place <= 0.0:
            return values[0]
        if place >= _COUNT - 1:
            return values[-1]
        index = int(place)
        return values[index] + (values[index + 1] - values[index]) * (place - index)

    def _crossing(self, values: list[float], voltage_v: float) -> float:
        """Where a rising line comes to a voltage; -inf is not an answer: below its beginning it is the beginning."""
        index = bisect_left(values, voltage_v)
        if index == 0:
            return self._first_u
        if index == _COUNT:
            return inf
        before_v, after_v = values[index - 1], values[index]
        return self._u(index - 1) + STEP * (voltage_v - before_v) / (after_v - before_v)

    def _mean(self, sums: list[float], values: list[float], u: float, to_u: float) -> float:
        if to_u - u < 1e-9:
            return self._at(values, u)
        return (self._integral(sums, values, to_u) - self._integral(sums, values, u)) / (to_u - u)

    def _integral(self, sums: list[float], values: list[float], u: float) -> float:
        """From the grid's beginning; beyond its ends the values are held."""
        if u <= self._first_u:
            return values[0] * (u - self._first_u)
        if u >= self.last_u:
            return sums[-1] + values[-1] * (u - self.last_u)
        index = self._index(u)
        return sums[index] + 0.5 * (values[index] + self._at(values, u)) * (u - self._u(index))


class Curves:
    """The band of a pack's cells, both ways."""

    def __init__(self, band: Band, *, middle: bool) -> None:
        soc = [point[0] for point in band]
        low: Floats = np.interp(_GRID, soc, [point[1] for point in band])
        high: Floats = np.interp(_GRID, soc, [point[2] for point in band])
        if middle:
            low = high = 0.5 * (low + high)
        # Equal values side by side would have no crossing between them.
        low, high = np.maximum.accumulate(low), np.maximum.accumulate(high)
        at, factors = [point[0] for point in RESISTANCE_OVER_SOC], [point[1] for point in RESISTANCE_OVER_SOC]
        shape: Floats = np.ones(_COUNT) if middle else np.interp(_GRID, at, factors)
        self.charging = Curve(low, high, shape, SOC_LEAST)
        self.discharging = Curve(-high[::-1], -low[::-1], shape[::-1], -SOC_MOST)

    def towards(self, sign: int) -> Curve:
        """In the direction of a current."""
        return self.charging if sign > 0 else self.discharging


@lru_cache(maxsize=8)
def curves_of(band: Band, *, middle: bool) -> Curves:
    """The curves of a band, made once."""
    return Curves(band, middle=middle)


def _integrals(values: Floats) -> list[float]:
    steps = 0.5 * STEP * (values[1:] + values[:-1])
    return [0.0, *np.cumsum(steps).tolist()]
