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


class Slopes(NamedTuple):
    """The points of the running step, the oldest first."""

    window_ns: int = 0
    """The longest that any condition asks for; 0: none does."""
    spacing_ns: int = 0
    points: tuple[Point, ...] = ()

    def extended(self, point: Point) -> Slopes:
        """After a reading: the same object when it comes too soon after the last kept one."""
        points = self.points
        if points and point.t_ns - points[-1].t_ns < self.spacing_ns:
            return self
        oldest_ns = point.t_ns - self.window_ns - self.spacing_ns
        kept = points
        while len(kept) > 1 and kept[1].t_ns <= oldest_ns:
            kept = kept[1:]
        return Slopes(self.window_ns, self.spacing_ns, (*kept, point))

    def since(self, now_ns: int, window_ns: int) -> Point | None:
        """The newest kept point that is at least a window old; None: the window is not full."""
        found = None
        for point in self.points:
            if now_ns - point.t_ns < window_ns:
                break
            found = point
        return found


NO_SLOPES = Slopes()
