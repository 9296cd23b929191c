"""The largest of many channels that each have their own offset: where did the true extreme stand?

Owns one question. A charge ends when *any* cell's reading reaches the limit, so the ending channel
is picked for reading high: its own offset no longer has mean zero, and another cell may truly
stand higher. Given all the readings r_c at the end, what is known of M = max_c (r_c - d_c), d_c
being the channels' independent offsets? Worked out on a grid, without random numbers, from each
cell's posterior p(v_c | r_c) ~ p_offset(r_c - v_c) * p_cells(v_c).

p_cells is a Student t (8 degrees of freedom: an outlying cell is believed to be one) around the
readings' median, its scale from their variance (outliers left out) less the offsets' own. With few
cells nothing is known of the population, and it is flat. Assumption: offsets are independent
between channels (a common error is the gain's, and is dealt with where the gain is). A cell that no
other can overtake stands for itself: its offset has mean zero, whatever the others look like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from packbench.core.samples import FloatArray
from packbench.core.specs import Accuracy

POPULATION_MIN_CELLS = 12
"""Fewer cells than this say nothing about how cells scatter."""
POPULATION_DOF = 8.0
GRID_POINTS = 801
OUTLIER_IQR = 2.2
"""Readings this many inter-quartile ranges from the median (3 sigma of a normal) do not make the scale."""
SCALE_LEAST = 0.3
"""The cells' own scale is not resolved below this part of the offsets' (96 cells: 9 % of their variance)."""


@dataclass(frozen=True, slots=True)
class Extreme:
    """The true extreme relative to the extreme reading, V."""

    mean_v: float
    sd_v: float


def standard_bound(bound: float, distribution: str) -> float:
    """Standard uncertainty of a stated bound: rectangular a / sqrt(3) (GUM 4.3.7), normal with k = 2 (4.3.3)."""
    return bound / (math.sqrt(3.0) if distribution == "rectangular" else 2.0)


def true_maximum(readings_v: FloatArray, accuracy: Accuracy) -> Extreme:
    """Mean and standard deviation of max(true) - max(reading) for independent channel offsets.

    `readings_v` has shape (cells,), noise already averaged out. Mirror the signs for a minimum.
    """
    offset_sd_v = standard_bound(accuracy.offset, accuracy.distribution)
    readings_v = readings_v[np.isfinite(readings_v)]
    if readings_v.size == 0 or offset_sd_v == 0.0:
        return Extreme(0.0, 0.0)
    reach_v = accuracy.offset * (1.0 if accuracy.distribution == "rectangular" else 2.0)
    top_v = float(readings_v.max())
    near_v = readings_v[readings_v > top_v - 2.0 * reach_v] - top_v
    if near_v.size == 1:
        return Extreme(0.0, offset_sd_v)
    centre_v, scale_v = _population(readings_v, offset_sd_v)
    grid_v = np.linspace(-3.0 * reach_v, reach_v, GRID_POINTS)
    offsets_v = near_v[:, None] - grid_v[None, :]
    if accuracy.distribution == "rectangular":
        density = (np.abs(offsets_v) <= reach_v).astype(np.float64)
    else:
        density = np.exp(-0.5 * (offsets_v / offset_sd_v) ** 2)
    if scale_v is not None:
        distance = (grid_v + top_v - centre_v) / scale_v
        density = density * (1.0 + distance**2 / POPULATION_DOF) ** (-0.5 * (POPULATION_DOF + 1.0))
    cumulated = np.cumsum(density, axis=1)
    below_all = np.prod(cumulated / cumulated[:, -1:], axis=0)
    weights = np.diff(below_all, prepend=0.0)
    mean_v = float(np.sum(weights * grid_v))
    variance = float(np.sum(weights * (grid_v - mean_v) ** 2))
    return Extreme(mean_v, math.sqrt(max(variance, 0.0)))


def _population(readings_v: FloatArray, offset_sd_v: float) -> tuple[float, float | None]:
    """Centre and scale of how the cells themselves scatter; scale None: nothing is known."""
    if readings_v.size < POPULATION_MIN_CELLS:
        return 0.0, None
    low_v, centre_v, high_v = (float(value) for value in np.percentile(readings_v, (25.0, 50.0, 75.0)))
    inner_v = readings_v[np.abs(readings_v - centre_v) <= OUTLIER_IQR * (high_v - low_v)]
    least_v2 = (SCALE_LEAST * offset_sd_v) ** 2
    return centre_v, math.sqrt(max(float(np.var(inner_v)) - offset_sd_v**2, least_v2))
