"""The true extreme of many channels, against brute force."""

import math

import numpy as np
import pytest

from packbench.analysis.extremes import standard_bound, true_maximum
from packbench.core.specs import Accuracy

RECTANGULAR = Accuracy(0.0, 0.002)
NORMAL = Accuracy(0.0, 0.002, "normal")


def test_bounds_become_standard_uncertainties_as_the_gum_says():
    assert standard_bound(0.003, "rectangular") == pytest.approx(0.003 / math.sqrt(3.0))
    assert standard_bound(0.003, "normal") == pytest.approx(0.0015)


@pytest.mark.parametrize("accuracy", [RECTANGULAR, NORMAL])
def test_a_lone_cell_has_just_its_own_offset(accuracy):
    found = true_maximum(np.array([4.2]), accuracy)
    assert found.mean_v == pytest.approx(0.0, abs=2e-5)
    assert found.sd_v == pytest.approx(standard_bound(accuracy.offset, accuracy.distribution), rel=0.02)


def test_a_cell_far_above_the_rest_has_just_its_own_offset():
    readings = np.append(np.linspace(4.10, 4.13, 95), 4.2)
    found = true_maximum(readings, RECTANGULAR)
    assert abs(found.mean_v) < 0.0002
    assert found.sd_v == pytest.approx(0.002 / math.sqrt(3.0), rel=0.05)


def test_two_channels_at_the_same_reading_stand_higher_than_they_say():
    # Max of two independent uniforms on +-a: mean a/3, sd a sqrt(2)/3 / ... = 2a sqrt(1/18).
    found = true_maximum(np.array([4.2, 4.2]), RECTANGULAR)
    assert found.mean_v == pytest.approx(0.002 / 3.0, rel=0.02)
    assert found.sd_v == pytest.approx(2 * 0.002 * math.sqrt(1.0 / 18.0), rel=0.02)


@pytest.mark.parametrize("outlier_sd", [0.0, 6.0])
@pytest.mark.parametrize("spread_v", [0.0003, 0.002, 0.01])
def test_over_many_packs_of_96_cells_its_interval_covers_and_is_not_wide(spread_v, outlier_sd):
    rng = np.random.default_rng(5)
    said, happened = [], []
    for _ in range(150):
        true = 4.2 + spread_v * rng.standard_normal(96)
        true[30] += outlier_sd * spread_v
        readings = true + rng.uniform(-0.002, 0.002, 96)
        found = true_maximum(readings, RECTANGULAR)
        said.append(math.hypot(found.mean_v, found.sd_v))
        happened.append(abs(true.max() - readings.max()))
    assert np.mean(np.array(happened) <= 1.96 * np.array(said)) >= 0.9
    assert float(np.sqrt(np.mean(np.square(said)))) < 1.5 * float(np.sqrt(np.mean(np.square(happened))))


def test_a_matched_pack_ends_on_the_channel_that_reads_highest():
    # All cells equal: the ending channel reads high by nearly the bound, so the truth is lower.
    readings = 4.2 + np.random.default_rng(2).uniform(-0.002, 0.002, 96)
    found = true_maximum(readings, RECTANGULAR)
    assert found.mean_v < -0.0008


def test_no_offset_or_no_reading_means_nothing_to_say():
    assert true_maximum(np.array([4.2, 4.1]), Accuracy(0.001, 0.0)).sd_v == 0.0
    assert true_maximum(np.array([np.nan]), RECTANGULAR).sd_v == 0.0
