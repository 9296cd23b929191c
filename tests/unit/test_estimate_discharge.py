"""The equations of a cell that leaves its rest, and the posterior over its sisters, against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from packbench.analysis.estimate.electrode import LEAD_N, LEAD_P, Q_LI, Q_N, Q_P, X_START, Pair, R
from packbench.analysis.estimate.from_rest import at_rest, capacities, voltages
from packbench.analysis.estimate.posterior import Beginning, Known, Sampler
from packbench.analysis.estimate.window_file import half_cells

LIMITS_V = (2.5, 4.2)
HOURS = np.linspace(0.04, 0.5, 57)


def chen() -> tuple[Pair, np.ndarray]:
    pair = half_cells()[0][0]
    q_n, q_p, q_li = pair.fresh
    theta = np.array([np.log(q_n), np.log(q_p), q_li, 0.9, 0.05, 0.02, 0.06, -0.6, -0.6])
    return pair, at_rest(pair, theta[None], LIMITS_V[1])[0]


def test_a_cell_starts_from_its_rest_and_ends_where_a_steady_current_has_settled() -> None:
    pair, theta = chen()
    assert voltages(pair, theta[None], np.array([0.0]), 0.0)[0, 0] == pytest.approx(4.2, abs=1e-6)
    assert pair.ocv(theta, np.array([theta[X_START]]))[0] == pytest.approx(4.2, abs=1e-6)
    # Long after the start the lead has built up: the quasi-steady equations of `electrode`, at the same charge.
    hours = np.array([1.5, 1.8])
    settled = pair.voltage(theta, -0.5 * hours, -0.5)
    assert voltages(pair, theta[None], hours, -0.5)[0] == pytest.approx(settled, abs=2e-3)


def test_the_surface_leads_as_a_sphere_under_a_constant_flux_does() -> None:
    """Finite differences of Fick's law in a sphere against the closed form, by way of a straight curve."""
    grid = np.linspace(0.002, 0.998, 499)
    straight = Pair("line", "nmc", grid, np.zeros(499), 4.0 - grid, (1.0, 1.0, 1.5))
    lead, rate_c = 0.02, -1.0
    theta = np.zeros(9)
    theta[[Q_N, Q_P, Q_LI, X_START, LEAD_N, LEAD_P]] = 0.0, 0.0, 1.5, 0.8, lead, lead
    theta[7:] = -30.0
    tau_h, shells = 15.0 * lead, 120
    faces = np.linspace(0.0, 1.0, shells + 1)
    volume = np.diff(faces**3) / 3.0
    y = np.full(shells, 0.7)
    step = 5e-6
    hours = (0.01, 0.05, 0.2)
    seen: list[float] = []
    for k in range(1, round(hours[-1] / step) + 1):
        flux = np.zeros(shells + 1)
        flux[1:-1] = -(faces[1:-1] ** 2) * np.diff(y) * shells
        flux[-1] = rate_c * tau_h / 3.0
        y = y - step / tau_h * np.diff(flux) / volume
        if any(k == round(hour / step) for hour in hours):
            seen.append(4.0 - (y[-1] - flux[-1] / shells / 2.0))
    assert voltages(straight, theta[None], np.array(hours), rate_c)[0] == pytest.approx(seen, abs=3e-4)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Sisters that the prior draws, seen with noise: 95 % of the intervals hold, and what is told is near."""
    pair, theta = chen()
    known = Known(pair, theta, np.zeros(HOURS.size), 0.0005, 1.0)
    sampler = Sampler(known, Beginning(HOURS, -0.5, 4.2, *LIMITS_V))
    draw = np.random.default_rng(3)
    held, off_sd = [], []
    for _ in range(20):
        sister = theta.copy()
        sister[Q_N] += np.log1p(-draw.uniform(0.0, 0.2))
        sister[Q_P] += np.log1p(-draw.uniform(0.0, 0.2))
        sister[Q_LI] *= 1.0 - draw.uniform(0.0, 0.3)
        sister[R] += draw.uniform(0.0, 0.1)
        sister = at_rest(pair, sister[None], 4.2)
        truth = capacities(pair, sister, *LIMITS_V)[0]
        found = sampler.of(voltages(pair, sister, HOURS, -0.5)[0] + 0.0005 * draw.normal(size=HOURS.size))
        held.append(found.low <= truth <= found.high)
        off_sd.append((found.capacity - truth) / found.sd)
        assert found.below == pytest.approx(found.capacity)
    assert sum(held) >= 18
    assert np.std(off_sd) < 1.4


def test_the_posterior_is_that_of_the_prior_weighed_by_the_likelihood() -> None:
    """Where the voltage says little, plain draws from the prior are enough to know it by."""
    pair, theta = chen()
    known = Known(pair, theta, np.zeros(HOURS.size), 0.02, 1.0)
    seen = at_rest(pair, np.array([theta]) + np.array([-0.1, -0.08, -0.15, 0, 0.03, 0, 0, 0, 0]), 4.2)
    voltage_v = voltages(pair, seen, HOURS, -0.5)[0]
    found = Sampler(known, Beginning(HOURS, -0.5, 4.2, *LIMITS_V)).of(voltage_v)
    draw = np.random.default_rng(4)
    sisters = np.tile(theta, (6000, 1))
    for place in (Q_N, Q_P):
        sisters[:, place] += np.log1p(-draw.uniform(-0.03, 0.2, 6000))
    sisters[:, Q_LI] *= 1.0 - draw.uniform(-0.03, 0.3, 6000)
    sisters[:, LEAD_N:7] *= np.exp(0.1 * draw.normal(size=(6000, 2)))
    sisters[:, 7:] += 0.1 * draw.normal(size=(6000, 2))
    sisters = at_rest(pair, sisters, 4.2)
    apart = 0.5 * (HOURS[:, None] - HOURS[None])
    covariance = 0.02**2 * np.exp(-0.5 * (apart / 0.05) ** 2) + 0.0007**2 * np.eye(HOURS.size)
    inverse, ones = np.linalg.inv(covariance), np.full(HOURS.size, -0.5)
    left = voltage_v - voltages(pair, sisters, HOURS, -0.5)
    film = left @ inverse @ ones / (ones @ inverse @ ones)
    left -= film[:, None] * ones
    beyond = np.maximum(-film, 0.0) + np.maximum(film - 0.1, 0.0)
    log_weight = -0.5 * (np.einsum("ij,jk,ik->i", left, inverse, left) + (beyond / 0.003) ** 2)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    sisters[:, R] += np.clip(film, 0.0, 0.1)
    capacity = capacities(pair, sisters, *LIMITS_V)
    mean = weight @ capacity
    sd = np.sqrt(weight @ (capacity - mean) ** 2)
    assert 1.0 / (weight @ weight) > 150.0
    assert found.capacity == pytest.approx(mean, abs=0.25 * sd)
    assert found.sd == pytest.approx(sd, rel=0.15)
