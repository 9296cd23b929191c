"""One round of a waveform, summed up.

Owns the sums: how much flows, how far it swings on the way, how much heat is left of it. They are made once of the
segments' own values, amperes or watts; a power becomes a current when the pack's voltages are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.drives import FOLLOWS, MOST_A
from packbench.profile.checking.worst.interval import Interval
from packbench.profile.checking.worst.state import State
from packbench.profile.checking.worst.values import Readings, begun_with
from packbench.profile.plan import Waveform

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The segments' values over one round. Sums run up to the end of each segment."""

    seconds: float
    charged: tuple[Floats, Floats]
    """Value times hours of what flows in, at least and at most; and out."""
    discharged: tuple[Floats, Floats]
    busy_h: Floats
    """With current."""
    least: float
    """The smallest value, negative where there is a discharge."""
    most: float
    left: float
    """Value squared times seconds, each second's share as much as cooling leaves of it at the round's end."""
    left_most: float
    """The most of that at any moment of the round."""
    edges: int


@dataclass(frozen=True, slots=True)
class Period:
    """One round with currents, in Ah, A and s."""

    seconds: float
    net_ah: Interval
    high_ah: float
    """How far the charge comes above that at the round's beginning at most, and below it."""
    low_ah: float
    charged_ah: float
    """The most that flows in, and out."""
    discharged_ah: float
    flowing_a: Interval
    """Signed, with nothing in it."""
    left_a2s: float
    left_most_a2s: float
    edges: int


def shape_of(world: World, state: State, step: Waveform, readings: Readings) -> Shape:
    """The segments of a step that begins in `state`."""
    limits, power = world.limits, step.quantity == "power"
    lowest = -(world.power_w if power else limits.discharge_current_max_a or MOST_A)
    highest = world.power_w if power else limits.charge_current_max_a or MOST_A
    known: dict[float, Interval] = {}
    values: list[Interval] = []
    for segment in step.segments:
        value = segment.value
        found = known.get(value) if isinstance(value, float | int) else None
        if found is None:
            found = begun_with(value, state, readings, lowest, highest)
            if step.quantity == "current" and (found.lo or found.hi):
                found = i.widened(found, world.current_error_a(max(abs(found.lo), abs(found.hi))))
            if isinstance(value, float | int):
                known[value] = found
        values.append(found)
    low, high = np.array([value.lo for value in values]), np.array([value.hi for value in values])
    seconds = np.array([segment.for_ns / 1e9 for segment in step.segments])
    hours = seconds / 3600.0
    left = left_most = 0.0
    for square, lasts_s in zip(np.maximum(low**2, high**2).tolist(), seconds.tolist(), strict=True):
        decay = exp(-lasts_s / world.cooling_s.hi)
        left = left * decay + square * world.cooling_s.hi * (1.0 - decay)
        left_most = max(left_most, left)
    return Shape(
        seconds=step.period_ns / 1e9,
        charged=(np.cumsum(np.maximum(low, 0.0) * hours), np.cumsum(np.maximum(high, 0.0) * hours)),
        discharged=(np.cumsum(np.maximum(-high, 0.0) * hours), np.cumsum(np.maximum(-low, 0.0) * hours)),
        busy_h=np.cumsum(np.where((low != 0.0) | (high != 0.0), hours, 0.0)),
        least=min(float(low.min()), 0.0),
        most=max(float(high.max()), 0.0),
        left=left,
        left_most=left_most,
        edges=1 + int(np.count_nonzero(np.diff(low)) + np.count_nonzero(np.diff(high))),
    )


def period_of(world: World, shape: Shape, volts: Interval | None) -> Period:
    """The currents of a round. `volts`: the pack's, for watts; None: the values are amperes."""
    each = Interval(1.0, 1.0)
    if volts is not None:
        follows = 0.0 if world.expected else FOLLOWS
        each = Interval((1.0 - follows) / volts.hi, (1.0 + follows) / volts.lo)
    flowing_a = Interval(shape.least * each.hi, shape.most * each.hi)
    error_a = 0.0 if volts is None else world.current_error_a(max(-flowing_a.lo, flowing_a.hi))
    flowing_a = Interval(flowing_a.lo - error_a * (shape.least < 0.0), flowing_a.hi + error_a * (shape.most > 0.0))
    error_ah = error_a * shape.busy_h
    highs = shape.charged[1] * each.hi - shape.discharged[0] * each.lo + error_ah
    lows = shape.charged[0] * each.lo - shape.discharged[1] * each.hi - error_ah
    square = each.hi**2
    return Period(
        seconds=shape.seconds,
        net_ah=Interval(float(lows[-1]), float(highs[-1])),
        high_ah=max(float(highs.max()), 0.0),
        low_ah=min(float(lows.min()), 0.0),
        charged_ah=float(shape.charged[1][-1] * each.hi + error_ah[-1]) if shape.most > 0.0 else 0.0,
        discharged_ah=float(shape.discharged[1][-1] * each.hi + error_ah[-1]) if shape.least < 0.0 else 0.0,
        flowing_a=flowing_a,
        left_a2s=shape.left * square,
        left_most_a2s=shape.left_most * square,
        edges=shape.edges,
    )
