"""Rates of change over a window: of the pack's voltage, and of the hottest sensor.

Owns the few points that a rate needs. A step whose conditions ask for no rate keeps none.
"""

from __future__ import annotations

from typing import NamedTuple

POINTS = 10
"""Points a window: a rate is taken between now and the newest point that is a window old."""


class Point(NamedTuple):
    """One kept reading."""

    t_ns: int
    voltage_v: float
    temperature_c: float


class Slope(NamedTuple):
    """The points of one window in the running step, the oldest first."""

    window_ns: int
    points: tuple[Point, ...] = ()

    def extended(self, point: Point) -> Slope:
        """After a reading: the same object when it comes too soon after the last kept one."""
        points, spacing_ns = self.points, self.window_ns // POINTS
        if points and point.t_ns - points[-1].t_ns < spacing_ns:
            return self
        oldest_ns = point.t_ns - self.window_ns - spacing_ns
        first = 0
        while first + 1 < len(points) and points[first + 1].t_ns <= oldest_ns:
            first += 1
        return Slope(self.window_ns, (*points[first:], point))


Slopes = tuple[Slope, ...]
"""One a window."""


def since(slopes: Slopes, now_ns: int, window_ns: int) -> Point | None:
    """The newest kept point that is at least a window old; None: the window is not full, or nobody keeps it."""
    found = None
    for slope in slopes:
        if slope.window_ns == window_ns:
            for point in slope.points:
                if now_ns - point.t_ns < window_ns:
                    break
                found = point
    return found
