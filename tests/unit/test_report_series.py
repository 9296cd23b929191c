"""Thinning keeps peaks, ends and gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packbench.report.series import break_at, decimate, envelope, last_stretch, spans_of


@settings(deadline=None)
@given(st.integers(0, 20_000), st.integers(4, 2000), st.integers(0, 2**32 - 1))
def test_decimation_keeps_the_extremes_and_both_ends(n, most, seed):
    y = np.random.default_rng(seed).normal(size=n)
    x = np.arange(n, dtype=float)
    xs, ys = decimate(x, y, most)
    assert xs.size <= most
    assert (np.diff(xs) > 0).all()
    if n:
        assert ys.min() == y.min() and ys.max() == y.max()
        assert (xs[0], xs[-1]) == (x[0], x[-1])


def test_decimation_leaves_out_what_is_not_finite():
    x, y = decimate(np.arange(4.0), np.array([1.0, np.nan, np.inf, 2.0]))
    assert x.tolist() == [0.0, 3.0] and y.tolist() == [1.0, 2.0]


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="at least 4"):
        decimate(np.zeros(2), np.zeros(2), 3)


def test_envelope_holds_every_cell():
    many = np.random.default_rng(1).normal(3.6, 0.1, (5000, 96))
    band = envelope(np.arange(5000.0), many, 300)
    assert band.x.size == 300
    assert band.low.min() == many.min() and band.high.max() == many.max()
    assert band.mean.mean() == pytest.approx(many.mean(), abs=1e-4)


def test_envelope_of_nothing_is_empty():
    assert envelope(np.arange(3.0), np.full((3, 2), np.nan)).x.size == 0


def test_nothing_is_drawn_across_a_gap():
    x, y = break_at(np.array([0.0, 1.0, 9.0]), np.array([5.0, 6.0, 7.0]), ((1.0, 9.0),))
    assert x.tolist() == [0.0, 1.0, 5.0, 9.0]
    assert np.isnan(y[2]) and np.isfinite(y[[0, 1, 3]]).all()


def test_a_gap_outside_the_line_changes_nothing():
    x = np.array([0.0, 1.0])
    assert break_at(x, x, ((5.0, 9.0),))[0] is x


def test_spans_and_last_stretch():
    assert spans_of(np.array([1, 1, 2, 2, 2]), np.arange(5.0)) == [(1, 0.0, 2.0), (2, 2.0, 4.0)]
    assert spans_of(np.empty(0, dtype=np.int64), np.empty(0)) == []
    assert last_stretch(np.array([True, False, True, True, False])) == (2, 4)
    assert last_stretch(np.array([True, True])) == (0, 2)
    assert last_stretch(np.zeros(3, dtype=bool)) is None
