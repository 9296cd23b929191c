"""A curve in a fixed amount of memory: no peak is lost, wherever it is, and what is drawn is what was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packbench.report.keeping import STRETCHES_MAX, CurveKeeper

NAN = float("nan")


def kept(samples: np.ndarray) -> CurveKeeper:
    """samples: shape (n, 1 + series)."""
    keeper = CurveKeeper(samples.shape[1] - 1)
    for row in samples.tolist():
        keeper.add(tuple(row))
    return keeper


def test_a_short_curve_is_kept_as_it_is() -> None:
    samples = np.column_stack((np.arange(1000.0), np.sin(np.arange(1000.0)), np.arange(1000.0)))
    keeper = kept(samples)
    for index in range(2):
        x, y = keeper.line(index)
        assert np.array_equal(x, samples[:, 0])
        assert np.array_equal(y, samples[:, 1 + index])


@pytest.mark.parametrize("count", [2048, 2049, 4096, 5000, 50_001, 300_000])
def test_a_long_one_keeps_its_peaks_and_its_ends_in_bounded_memory(count: int) -> None:
    dice = np.random.default_rng(count)
    t_s = np.arange(count) * 0.5
    values = np.cumsum(dice.normal(size=count))
    peak, hole = dice.integers(0, count, 2)
    values[peak] += 1e6
    values[hole] -= 1e6
    x, y = kept(np.column_stack((t_s, values))).line(0)
    assert x.size <= 4 * STRETCHES_MAX
    assert (y.max(), y.min()) == (values.max(), values.min())
    assert (x[0], x[-1], y[0], y[-1]) == (t_s[0], t_s[-1], values[0], values[-1])
    assert np.all(np.diff(x) >= 0)
    width_s = 0.5 * 2 * max(1, count / (STRETCHES_MAX / 2))
    assert abs(x[int(y.argmax())] - t_s[int(values.argmax())]) <= width_s, "the peak is where it was"


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9000), st.integers(0, 2**32 - 1))
def test_the_line_stays_within_the_samples_around_each_instant(count: int, seed: int) -> None:
    """A square wave: what is drawn between two instants takes no value that the samples between them did not have."""
    dice = np.random.default_rng(seed)
    values = np.repeat(dice.integers(-5, 6, count // 7 + 1), 7)[:count].astype(float)
    t_s = np.arange(count, dtype=float)
    x, y = kept(np.column_stack((t_s, values))).line(0)
    width = 2 * max(1, count // (STRETCHES_MAX // 2))
    for at in dice.integers(0, x.size, min(50, x.size)):
        low, high = np.searchsorted(t_s, (x[at] - width, x[at] + width))
        assert y[at] in values[low : high + 1]


def test_what_is_no_number_is_left_out_and_hides_nothing() -> None:
    values = np.full(20_000, NAN)
    values[15_000], values[9_999] = 7.0, -7.0
    x, y = kept(np.column_stack((np.arange(20_000.0), values, np.arange(20_000.0)))).line(0)
    assert set(y.tolist()) == {7.0, -7.0}
    assert x.size >= 2
    empty = CurveKeeper(1)
    assert [part.size for part in empty.line(0)] == [0, 0]


def test_it_may_be_looked_at_while_it_grows() -> None:
    samples = np.column_stack((np.arange(30_000.0), np.arange(30_000.0) % 977))
    keeper = CurveKeeper(1)
    for count, row in enumerate(samples.tolist()):
        keeper.add(tuple(row))
        if count % 777 == 0:
            assert keeper.line(0)[0][-1] == count
    x, y = keeper.line(0)
    assert x.size <= 4 * STRETCHES_MAX
    assert (y.min(), y.max(), x[-1]) == (0, 976, 29_999)
