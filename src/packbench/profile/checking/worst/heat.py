"""How hot cells get: one thermal mass a cell, its resistance's heat, cooling towards the surroundings.

Owns the bounds of a temperature over a step. Reversible heat is `assumed`'s, since it does not add up. Heat counts as
what the full resistance makes of the current; what polarisation still gives off afterwards is why cooling begins
`LAG` of its time constants late. The hottest case is followed on its own: the warmer a cell, the less it resists.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, inf, log
from typing import NamedTuple

from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.interval import Interval
from packbench.profile.checking.worst.state import State

LAG = 2.0
PIECES = 6
"""A long stretch is followed in so many: resistance is taken where each one begins."""


class Warmth(NamedTuple):
    """A step's temperatures, without reversible heat."""

    end_c: Interval
    peak_c: float
    steady_c: float
    """Beyond which it would never go, however often the step came to its own end."""
    limit_c: float
    """And where it may end earlier, again and again."""


def heated(
    world: World,
    t_c: Interval,
    around_c: Interval,
    blocks: Iterable[tuple[float, float, float]],
    lasting_s: Interval,
) -> Warmth:
    """A step with current: blocks of (seconds, square of the current, factor on the resistance), the hottest last."""
    tau_s, capacity_j_k = world.cooling_s.hi, world.heat_j_k.lo
    hot_c, around_hot_c = t_c.hi, around_c.hi
    peak_c = steady_c = max(hot_c, around_hot_c)
    for seconds, square_a, factor in blocks:
        pieces = 1 if seconds < 120.0 else PIECES
        decay = exp(-seconds / pieces / tau_s)
        for _ in range(pieces):
            level_c = around_hot_c + square_a * factor * world.most_ohm_at(hot_c) * tau_s / capacity_j_k
            hot_c = level_c + (hot_c - level_c) * decay
            steady_c = max(steady_c, level_c)
            peak_c = max(peak_c, hot_c)
    if world.expected:
        return Warmth(Interval(hot_c, hot_c), peak_c, steady_c, steady_c)
    return Warmth(Interval(_cooling(world, t_c.lo, around_c.lo, lasting_s), peak_c), peak_c, steady_c, steady_c)


def cooled(world: World, t_c: Interval, around_c: Interval, lasting_s: Interval) -> Warmth:
    """A step without current."""
    if t_c.hi > around_c.hi:
        rested_s = max(lasting_s.lo - _lag_s(world), 0.0)
        hot_c = around_c.hi + (t_c.hi - around_c.hi) * _decay(rested_s, world.cooling_s.hi)
    else:
        hot_c = around_c.hi + (t_c.hi - around_c.hi) * _decay(lasting_s.hi, world.cooling_s.lo)
    peak_c = max(t_c.hi, hot_c)
    cold_c = hot_c if world.expected else min(_cooling(world, t_c.lo, around_c.lo, lasting_s), hot_c)
    steady_c = max(peak_c, around_c.hi)
    return Warmth(Interval(cold_c, hot_c), peak_c, steady_c, steady_c)


def reaching(world: World, t_c: Interval, around_c: Interval, bound: Interval, *, rising: bool) -> tuple[float, float]:
    """(soonest, latest) seconds until every cell of a resting pack may, and surely does, stand beyond a temperature.

    Mirrored for a rising one: temperatures change their sign.
    """
    if rising:
        t_c, around_c, bound = (Interval(-value.hi, -value.lo) for value in (t_c, around_c, bound))
    fast_s, slow_s = world.cooling_s.lo, world.cooling_s.hi
    soonest = _falls(t_c.lo, around_c.lo, bound.hi, fast_s)
    if t_c.hi <= bound.lo and around_c.hi <= bound.lo:
        latest = 0.0
    else:
        latest = _falls(t_c.hi, around_c.hi, bound.lo, slow_s) + _lag_s(world)
    return soonest, max(soonest, latest)


def _falls(from_c: float, to_c: float, bound_c: float, tau_s: float) -> float:
    """Seconds until what cools from `from_c` towards `to_c` has come down to a bound; inf: never."""
    if from_c <= bound_c:
        return 0.0
    return inf if bound_c <= to_c else tau_s * log((from_c - to_c) / (bound_c - to_c))


def coldest(world: World, state: State, lasting_s: Interval) -> float:
    """The least that a step with current, whose heat nobody counts on, may leave of a temperature."""
    return _cooling(world, state.temperature_c.lo, state.around_c.lo, lasting_s)


def _cooling(world: World, from_c: float, around_c: float, lasting_s: Interval) -> float:
    if from_c > around_c:
        return around_c + (from_c - around_c) * _decay(lasting_s.hi, world.cooling_s.lo)
    return around_c + (from_c - around_c) * _decay(lasting_s.lo, world.cooling_s.hi)


def _lag_s(world: World) -> float:
    return 0.0 if world.expected else LAG * world.relaxing_s.hi


def _decay(seconds: float, tau_s: float) -> float:
    return 0.0 if seconds == inf else exp(-seconds / tau_s)
