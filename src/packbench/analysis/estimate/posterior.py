"""All aged sisters of a reference that a beginning of a discharge allows, each with its weight.

Owns the prior over how a cell ages, the likelihood, and the sampling (importance sampling whose proposals follow the
posterior). A fit would give one sister; where the window is on a plateau many are as likely, and the spread of their
capacities is the interval. The prior is a statement on second-life cells, not on any data at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packbench.analysis.estimate.electrode import K_N, LEAD_N, Q_LI, Q_N, Q_P, X_START, Pair, R
from packbench.analysis.estimate.electrode_fit import MODEL_WIDTH, NOISE_V
from packbench.analysis.estimate.from_rest import at_rest, capacities, voltages
from packbench.core.samples import FloatArray

LITHIUM_LOST_MAX, ACTIVE_LOST_MAX = 0.30, 0.20
"""Uniform, independent: of the cyclable lithium, and of either electrode's active material (house assumption: down to
about 60 % SOH, where no pack is worth a second life)."""
LOST_LEAST = -0.03
"""Sisters differ when new, so an aged one may have more of something than the reference (house assumption)."""
FILM_MAX_OHM_AH = 0.1
"""Added resistance times rated capacity, uniform; beyond, it soon becomes impossible."""
FILM_SOFT_OHM_AH = 0.003
KINETICS_SD = 0.1
"""Relative, of each electrode's lead and exchange current, as for a charge."""
LOST = 3
UNKNOWNS = 7
FIRST, NEXT, ROUNDS = 8000, 2500, 4
EFFECTIVE_MIN = 60.0
"""Samples that count, below which the likelihood is flattened for the next proposal."""
FREEDOM = 5.0
TAILS = (0.025, 0.975)


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """What is asked of: the first part of a discharge from rest."""

    hours: FloatArray
    """Since the current began."""
    rate_c: float
    rest_v: float
    low_v: float
    high_v: float


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What the reference taught: its electrodes, and what the equations missed of it."""

    pair: Pair
    theta: FloatArray
    missed_v: FloatArray
    """Of the reference at the same hours: added to every sister's voltage."""
    model_v: float
    """What the equations may miss of a sister beyond that (standard deviation, alike over `MODEL_WIDTH` of charge)."""
    scale: float


@dataclass(frozen=True, slots=True)
class Posterior:
    """Capacities over rated."""

    capacity: float
    """Mean."""
    sd: float
    low: float
    high: float
    """Of 95 %."""
    misfit_v: float
    """Root mean square that the most likely sister leaves."""
    below: float
    """Charge from the rest down to empty."""


class Sampler:
    """Sisters by the prior, computed once, and the posterior of any cell that rested at the same voltage."""

    def __init__(self, known: Known, beginning: Beginning) -> None:
        self._known, self._at = known, beginning
        charge = beginning.hours * beginning.rate_c
        apart = charge[:, None] - charge[None]
        covariance = known.model_v**2 * np.exp(-0.5 * (apart / MODEL_WIDTH) ** 2)
        covariance[np.diag_indices_from(covariance)] += NOISE_V**2
        self._whiten = np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)), dtype=np.float64)
        self._ohm = self._whiten @ np.full(charge.size, beginning.rate_c)
        """A film of 1 ohm Ah, as the residuals see it: linear, so that each sister's best film is found directly."""
        draw = np.random.default_rng(1)
        most = np.array([ACTIVE_LOST_MAX, ACTIVE_LOST_MAX, LITHIUM_LOST_MAX])
        self._most = most
        lost = LOST_LEAST + (most - LOST_LEAST) * draw.random((FIRST, LOST))
        self._first = np.column_stack([lost, draw.normal(size=(FIRST, UNKNOWNS - LOST))])
        self._first_v = self._voltages(self._first)

    def of(self, voltage_v: FloatArray) -> Posterior:
        """The posterior of a cell with these voltages at the beginning's hours."""
        draw = np.random.default_rng(2)
        unknowns = self._first
        log_weight, film, rms_v = self._likelihood(self._first_v, voltage_v)
        for _ in range(ROUNDS):
            unknowns, log_proposed = _proposed(unknowns, _flattened(log_weight), draw)
            inside = ((unknowns[:, :LOST] >= LOST_LEAST) & (unknowns[:, :LOST] <= self._most)).all(axis=1)
            unknowns, log_proposed = unknowns[inside], log_proposed[inside]
            likelihood, film, rms_v = self._likelihood(self._voltages(unknowns), voltage_v)
            log_weight = likelihood - 0.5 * (unknowns[:, LOST:] ** 2).sum(axis=1) - log_proposed
        return self._summary(unknowns, log_weight, film, float(rms_v[log_weight.argmax()]))

    def _thetas(self, unknowns: FloatArray) -> FloatArray:
        thetas = np.tile(self._known.theta, (len(unknowns), 1))
        thetas[:, Q_N] += np.log1p(-unknowns[:, 0])
        thetas[:, Q_P] += np.log1p(-unknowns[:, 1])
        thetas[:, Q_LI] *= 1.0 - unknowns[:, 2]
        thetas[:, LEAD_N:K_N] *= np.exp(KINETICS_SD * unknowns[:, 3:5])
        thetas[:, K_N:] += KINETICS_SD * unknowns[:, 5:]
        return at_rest(self._known.pair, thetas, self._at.rest_v)

    def _voltages(self, unknowns: FloatArray) -> FloatArray:
        known, at = self._known, self._at
        return voltages(known.pair, self._thetas(unknowns), at.hours, at.rate_c) + known.missed_v

    def _likelihood(self, sisters_v: FloatArray, voltage_v: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(log likelihood at its best film, that film in ohm Ah, rms left) of each sister."""
        left_v = voltage_v - sisters_v
        white = left_v @ self._whiten.T
        film = white @ self._ohm / float(self._ohm @ self._ohm)
        misfit = ((white - film[:, None] * self._ohm) ** 2).sum(axis=1)
        beyond = np.maximum(-film, 0.0) + np.maximum(film - FILM_MAX_OHM_AH, 0.0)
        rms_v = np.sqrt(((left_v - film[:, None] * self._at.rate_c) ** 2).mean(axis=1))
        return -0.5 * (misfit + (beyond / FILM_SOFT_OHM_AH) ** 2), film, rms_v

    def _summary(self, unknowns: FloatArray, log_weight: FloatArray, film: FloatArray, misfit_v: float) -> Posterior:
        known, at = self._known, self._at
        thetas = self._thetas(unknowns)
        width = np.exp(thetas[:, Q_N])
        full = at_rest(known.pair, thetas, at.high_v)
        above = (full - thetas)[:, X_START] * width * known.scale
        thetas[:, R] += np.clip(film, 0.0, FILM_MAX_OHM_AH)
        capacity = capacities(known.pair, thetas, at.low_v, at.high_v) * known.scale
        weight = _normal(log_weight)
        mean = float(weight @ capacity)
        sd = float(np.sqrt(weight @ (capacity - mean) ** 2))
        order = np.argsort(capacity)
        reached = np.cumsum(weight[order])
        low, high = (float(capacity[order][min(np.searchsorted(reached, p), len(order) - 1)]) for p in TAILS)
        return Posterior(mean, sd, low, high, misfit_v, mean - float(weight @ above))


def _normal(log_weight: FloatArray) -> FloatArray:
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum()


def _flattened(log_weight: FloatArray) -> FloatArray:
    """Weights of which enough samples have one."""
    power = 1.0
    while True:
        weight = _normal(power * log_weight)
        if 1.0 / float(weight @ weight) > EFFECTIVE_MIN or power < 1e-4:
            return weight
        power *= 0.8


def _proposed(unknowns: FloatArray, weight: FloatArray, draw: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Samples of a Student t over these weights (its tails are wider than the posterior's), and their log density."""
    mean = weight @ unknowns
    apart = unknowns - mean
    floor = np.array([1e-6] * LOST + [1e-3] * (UNKNOWNS - LOST))
    root = np.linalg.cholesky(1.5 * ((apart * weight[:, None]).T @ apart + np.diag(floor)))
    normal = draw.normal(size=(NEXT, UNKNOWNS)) * np.sqrt(FREEDOM / draw.chisquare(FREEDOM, NEXT))[:, None]
    log_density = -0.5 * (FREEDOM + UNKNOWNS) * np.log1p((normal**2).sum(axis=1) / FREEDOM)
    return mean + normal @ root.T, log_density
