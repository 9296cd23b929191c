"""Student's t quantile against printed tables."""

import math

import pytest

from packbench.analysis.student import coverage_factor, incomplete_beta, t_cdf

# GUM (JCGM 100:2008) table G.2, p = 95 % and 99.73 %
GUM_G2_95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 8: 2.31, 10: 2.23, 20: 2.09, 50: 2.01, 100: 1.984}
GUM_G2_9973 = {1: 235.8, 2: 19.21, 5: 5.51, 10: 3.96, 50: 3.16}


@pytest.mark.parametrize(("dof", "k"), GUM_G2_95.items())
def test_the_quantile_at_95_percent_is_the_gum_table(dof, k):
    assert coverage_factor(dof) == pytest.approx(k, abs=0.0051 if dof < 100 else 0.00051)


@pytest.mark.parametrize(("dof", "k"), GUM_G2_9973.items())
def test_the_quantile_at_3_sigma_is_the_gum_table(dof, k):
    assert coverage_factor(dof, 0.9973) == pytest.approx(k, rel=2e-3)


def test_without_degrees_of_freedom_it_is_the_normal_distribution():
    assert coverage_factor(None) == pytest.approx(1.959963984540054, abs=1e-10)
    assert coverage_factor(math.inf) == coverage_factor(None)
    assert coverage_factor(1e6) == pytest.approx(1.95996, abs=1e-5)


def test_two_degrees_of_freedom_have_a_closed_form():
    # t for 2 dof: k = p sqrt(2 / (1 - p^2))
    for p in (0.5, 0.9, 0.95, 0.999):
        assert coverage_factor(2, p) == pytest.approx(p * math.sqrt(2.0 / (1.0 - p * p)), rel=1e-10)


def test_degrees_of_freedom_need_not_be_whole():
    assert coverage_factor(4) > coverage_factor(4.5) > coverage_factor(5)


def test_the_distribution_is_symmetric_and_its_beta_function_has_its_ends():
    assert t_cdf(0.0, 3) == 0.5
    assert t_cdf(1.3, 7) + t_cdf(-1.3, 7) == pytest.approx(1.0, abs=1e-14)
    assert incomplete_beta(0.0, 2, 3) == 0.0
    assert incomplete_beta(1.0, 2, 3) == 1.0
    assert incomplete_beta(0.25, 1.0, 2.0) == pytest.approx(1.0 - 0.75**2)


def test_nonsense_is_refused():
    for bad in (0.0, 1.0, -0.5):
        with pytest.raises(ValueError, match="coverage probability"):
            coverage_factor(5, bad)
    with pytest.raises(ValueError, match="not defined"):
        incomplete_beta(1.5, 1, 1)
