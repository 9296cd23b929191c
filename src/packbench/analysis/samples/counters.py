"""A cycler's own charge counters: when they reset, whether they have a sign, and whether they are right.

Owns the recognition and the cross-check. A counter is read in every way it can be (reset at each
step, at each cycle, never; with or without a sign), and the way that comes nearest to our own
integral of the current, step by step, is taken. The integral stays the figure: a counter that
disagrees is reported with both figures and never averaged in. One that fits in no way is said so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from packbench.analysis.samples.imported import CounterName
from packbench.analysis.table import FloatArray, IntArray

Resets = Literal["never", "cycle", "step"]
Way = Literal["charge", "discharge", "signed", "unsigned"]

RECOGNISED_REL = 0.2
"""A reading of a counter further from the integral than this, over all steps, is no reading of it."""


@dataclass(frozen=True, slots=True, eq=False)
class CounterReading:
    """A counter as it was understood."""

    name: CounterName
    resets: Resets
    way: Way
    per_step: FloatArray
    """shape (steps,): what it counted in each step, in Ah or Wh, with our sign; NaN where it says nothing."""
    expected: FloatArray
    """shape (steps,): our own integral of the same direction."""

    def deviation(self) -> FloatArray:
        """shape (steps,): counter less integral, over the integral; NaN where nothing flowed."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.expected != 0.0, (self.per_step - self.expected) / np.abs(self.expected), np.nan)


def read_counter(
    name: CounterName, values: FloatArray, starts: IntArray, cycle: IntArray, integral: FloatArray
) -> CounterReading | None:
    """The counter's reading that fits the integral best; None when none does.

    `values` and `cycle`, shape (n,); `starts`, shape (steps,): first row of each step; `integral`,
    shape (steps,): our own signed integral of each step.
    """
    ends = np.append(starts[1:], values.size) - 1
    new_cycle = np.ones(starts.size, dtype=np.bool_)
    new_cycle[1:] = cycle[starts[1:]] != cycle[starts[1:] - 1]
    best: tuple[float, CounterReading] | None = None
    for resets in ("never", "cycle", "step"):
        delta = _deltas(values, ends, _zeroed(resets, new_cycle))
        for way in _ways(name):
            per_step, expected = _directed(way, delta, integral)
            known = np.isfinite(per_step)
            moved = float(np.sum(np.abs(expected[known])))
            if moved == 0.0:
                continue
            off = float(np.sum(np.abs(per_step[known] - expected[known]))) / moved
            if best is None or off < best[0] - 1e-12:
                best = off, CounterReading(name, resets, way, per_step, expected)
    return None if best is None or best[0] > RECOGNISED_REL else best[1]


def _zeroed(resets: Resets, new_cycle: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if resets == "step":
        return np.ones_like(new_cycle)
    zeroed = new_cycle.copy() if resets == "cycle" else np.zeros_like(new_cycle)
    zeroed[0] = False
    return zeroed


def _deltas(values: FloatArray, ends: IntArray, zeroed: NDArray[np.bool_]) -> FloatArray:
    """What the counter moved by in each step. The file may begin with a counter that already stands somewhere."""
    last = values[ends]
    before = np.append(values[0], last[:-1])
    return last - np.where(zeroed, 0.0, before)


def _ways(name: CounterName) -> tuple[Way, ...]:
    if name in ("charge", "charge_energy"):
        return ("charge",)
    if name in ("discharge", "discharge_energy"):
        return ("discharge",)
    return ("signed", "unsigned")


def _directed(way: Way, delta: FloatArray, integral: FloatArray) -> tuple[FloatArray, FloatArray]:
    if way == "charge":
        return np.abs(delta), np.maximum(integral, 0.0)
    if way == "discharge":
        return -np.abs(delta), np.minimum(integral, 0.0)
    if way == "unsigned":
        return np.copysign(np.abs(delta), integral), integral
    return delta, integral
