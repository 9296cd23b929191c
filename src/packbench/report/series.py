"""Thinning time series for drawing: few points, and every peak still there.

Owns pure array work. Must not know of matplotlib. It exists because a line of 100,000 points is
slow to print and a line that lost its peak is a lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packbench.core.samples import FloatArray

Span = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """Lowest, mean and highest of many series over time, each of shape (m,)."""

    x: FloatArray
    low: FloatArray
    mean: FloatArray
    high: FloatArray


def decimate(x: FloatArray, y: FloatArray, max_points: int = 2000) -> tuple[FloatArray, FloatArray]:
    """At most `max_points` of a line: lowest and highest of each bucket, and both ends.

    Points with y not finite are left out before.
    """
    if max_points < 4:
        raise ValueError("max_points must be at least 4")
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    if x.size <= max_points:
        return x, y
    keep = _extremes(y, (max_points - 2) // 2)
    keep = np.unique(np.concatenate(([0], keep, [x.size - 1])))
    return x[keep], y[keep]


def envelope(x: FloatArray, many: FloatArray, max_points: int = 600) -> Envelope:
    """Envelope of `many` (n, series) in at most `max_points` buckets; rows not wholly finite are left out."""
    whole = np.isfinite(many).all(axis=1)
    x, many = x[whole], many[whole]
    if x.size == 0:
        return Envelope(x, x, x, x)
    low, mean, high = many.min(axis=1), many.mean(axis=1), many.max(axis=1)
    if x.size <= max_points:
        return Envelope(x, low, mean, high)
    starts = _bucket_starts(x.size, max_points)
    counts = np.diff(np.append(starts, x.size))
    return Envelope(
        np.add.reduceat(x, starts) / counts,
        np.minimum.reduceat(low, starts),
        np.add.reduceat(mean, starts) / counts,
        np.maximum.reduceat(high, starts),
    )


def break_at(x: FloatArray, y: FloatArray, gaps: tuple[Span, ...]) -> tuple[FloatArray, FloatArray]:
    """Put a NaN into a line wherever a gap lies between two of its points: nothing is drawn across."""
    places = [int(np.searchsorted(x, end)) for _start, end in gaps]
    inside = [(place, gap) for place, gap in zip(places, gaps, strict=True) if 0 < place < x.size]
    if not inside:
        return x, y
    at = [place for place, _gap in inside]
    middle = [(gap[0] + gap[1]) / 2 for _place, gap in inside]
    return np.insert(x, at, middle), np.insert(y, at, np.nan)


def spans_of(labels: NDArray[np.int64], x: FloatArray) -> list[tuple[int, float, float]]:
    """Stretches of equal label: (label, first x, first x of the next stretch), in order."""
    if labels.size == 0:
        return []
    edges = np.flatnonzero(np.diff(labels)) + 1
    starts = np.concatenate(([0], edges))
    ends = np.concatenate((edges, [labels.size - 1]))
    return [(int(labels[start]), float(x[start]), float(x[end])) for start, end in zip(starts, ends, strict=True)]


def last_stretch(mask: NDArray[np.bool_]) -> tuple[int, int] | None:
    """The last run of true values as (first, one after the last); None when there is none."""
    true = np.flatnonzero(mask)
    if true.size == 0:
        return None
    end = int(true[-1])
    before = np.flatnonzero(~mask[:end])
    start = int(before[-1]) + 1 if before.size else 0
    return start, end + 1


def _bucket_starts(size: int, buckets: int) -> NDArray[np.int64]:
    return np.linspace(0, size, buckets, endpoint=False).astype(np.int64)


def _extremes(y: FloatArray, buckets: int) -> NDArray[np.int64]:
    starts = _bucket_starts(y.size, buckets)
    ends = np.append(starts[1:], y.size)
    pairs = [
        (start + int(y[start:end].argmin()), start + int(y[start:end].argmax()))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return np.array(pairs, dtype=np.int64).ravel()
