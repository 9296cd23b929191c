"""A curve of any length in a fixed amount of memory: for runs of days whose samples nobody stores.

Owns the thinning while samples come in. Must not know of matplotlib, nor what the series mean. Kept of
each stretch of samples are the first, the lowest, the highest and the last of every series (M4, Jugel
et al., VLDB 2014): drawn, that is the line that all samples would have given, peaks and edges included.
"""

from __future__ import annotations

import numpy as np

from packbench.core.samples import FloatArray

STRETCHES_MAX = 2048
"""More than a page has points: beyond, two stretches become one."""
_CHUNK = 4096
"""Samples that wait until they are looked at together. A power of two, as is the number in a stretch."""
_FIRST, _LOW, _HIGH, _LAST = range(4)


class CurveKeeper:
    """Takes samples of several series at common instants; hands out each series as a line.

    Args:
        series: How many there are.
    """

    def __init__(self, series: int) -> None:
        self._series = series
        self._waiting: list[tuple[float, ...]] = []
        self._samples_each = 1
        """Samples of one stretch."""
        self._spans: FloatArray = np.empty((0, 2))
        """First and last instant of each stretch."""
        self._kept: FloatArray = np.empty((0, 4, series))
        self._room = _CHUNK

    def add(self, sample: tuple[float, ...]) -> None:
        """One sample: its instant, then a number a series, NaN where there is none."""
        self._waiting.append(sample)
        if len(self._waiting) >= self._room:
            self._take()

    def line(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Instants and values of a series, counted from 0; points that are not finite are left out."""
        self._take()
        if self._samples_each == 1:
            x, y = self._spans[:, 0], self._kept[:, _FIRST, index]
        else:
            first, low, high, last = (self._kept[:, part, index] for part in range(4))
            rising = first <= last
            middle = self._spans.mean(axis=1)
            x = np.column_stack((self._spans[:, 0], middle, middle, self._spans[:, 1])).ravel()
            y = np.column_stack((first, np.where(rising, low, high), np.where(rising, high, low), last)).ravel()
        there = np.isfinite(y)
        return x[there], y[there]

    def _take(self) -> None:
        if not self._waiting:
            return
        samples = np.array(self._waiting)
        self._waiting.clear()
        each = self._samples_each
        whole = len(samples) // each * each
        for part in (samples[:whole].reshape(-1, each, 1 + self._series), samples[None, whole:]):
            if part.size:
                self._spans = np.concatenate((self._spans, part[:, (0, -1), 0]))
                self._kept = np.concatenate((self._kept, _four(part[:, :, 1:])))
        while len(self._spans) > STRETCHES_MAX:
            self._merge()

    def _merge(self) -> None:
        """Two neighbours become one stretch; one that is left over stays."""
        even = len(self._spans) // 2 * 2
        spans = self._spans[:even].reshape(-1, 4)[:, (0, 3)]
        pairs = self._kept[:even].reshape(-1, 2, 4, self._series)
        merged = np.stack(
            (
                pairs[:, 0, _FIRST],
                np.fmin(pairs[:, 0, _LOW], pairs[:, 1, _LOW]),
                np.fmax(pairs[:, 0, _HIGH], pairs[:, 1, _HIGH]),
                pairs[:, 1, _LAST],
            ),
            axis=1,
        )
        self._spans = np.concatenate((spans, self._spans[even:]))
        self._kept = np.concatenate((merged, self._kept[even:]))
        self._samples_each *= 2
        self._room = max(_CHUNK, self._samples_each)


def _four(stretches: FloatArray) -> FloatArray:
    """First, lowest, highest, last of each stretch and series: (n, samples, series) to (n, 4, series)."""
    low, high = np.fmin.reduce(stretches, axis=1), np.fmax.reduce(stretches, axis=1)
    return np.stack((stretches[:, 0], low, high, stretches[:, -1]), axis=1)
