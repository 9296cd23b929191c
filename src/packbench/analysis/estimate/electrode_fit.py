"""The most likely electrodes behind a stretch of voltage, and how much they may be otherwise.

Owns the fit (Levenberg-Marquardt from several starts), its prior, and the spread of the capacity: Laplace's at the
best optimum and what other optima nearly as good say. Must not decide what is good enough (`window` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from packbench.analysis.estimate.electrode import K_N, LEAD_N, Q_LI, Q_N, Q_P, X_START, Pair, R
from packbench.core.samples import FloatArray

NOISE_V = 0.0007
MODEL_V = 0.0015
"""What the equations may be wrong by, alike over `MODEL_WIDTH` of charge."""
MODEL_WIDTH = 0.05
ITERATIONS_MAX = 60
NEARLY = 16.0
"""Optima whose misfit (twice the negative log) is within this of the best are heard, with their weight."""
PARAMETERS = 9
Residuals = Callable[[FloatArray], FloatArray]
Optimum = tuple[float, FloatArray, FloatArray]
"""Misfit, parameters, curvature."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Voltage of one cell at a steady current."""

    charge: FloatArray
    """Since its start, over rated capacity; signed."""
    voltage_v: FloatArray
    rate_c: float


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Normal, independent."""

    mean: FloatArray
    sd: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The best optimum."""

    theta: FloatArray
    capacity: float
    """Between empty and full at rest, over rated."""
    sd: float
    misfit_v: float
    """Root mean square of what is left."""


def fresh_prior(pair: Pair) -> Prior:
    """Before anything is known of a type: a cell balanced like the pair's, somewhat aged, of any kinetics."""
    q_n, q_p, q_li = pair.fresh
    mean = np.array([np.log(q_n) - 0.07, np.log(q_p) - 0.07, 0.9 * q_li, 0.45, 0.05, 0.02, 0.04, *np.log((0.5, 0.5))])
    return Prior(mean, np.array([0.07, 0.07, 0.1 * q_li, 0.4, 0.04, 0.02, 0.04, 1.0, 1.0]))


def aged_prior(reference: FloatArray) -> Prior:
    """Of a sister of a healthy reference: the same kinetics to 10 %, less of everything else, more resistance."""
    mean = reference.copy()
    mean[[Q_N, Q_P]] -= 0.07
    mean[Q_LI] *= 0.9
    mean[X_START] = 0.45
    mean[R] += 0.04
    sd = np.empty(PARAMETERS)
    sd[[Q_N, Q_P]] = 0.07
    sd[Q_LI] = 0.08 * reference[Q_LI]
    sd[X_START] = 0.4
    sd[R] = 0.03
    sd[LEAD_N:K_N] = 0.1 * np.abs(reference[LEAD_N:K_N]) + 1e-3
    sd[K_N:] = 0.1
    return Prior(mean, sd)


def fit(
    pair: Pair,
    stretch: Stretch,
    limits_v: tuple[float, float],
    prior: Prior,
    starts: Iterable[FloatArray],
    *,
    noise_v: float = NOISE_V,
    model_v: float = MODEL_V,
) -> Fitted:
    """The best of several starts, each a whole set of parameters."""
    apart = stretch.charge[:, None] - stretch.charge[None]
    covariance = model_v**2 * np.exp(-0.5 * (apart / MODEL_WIDTH) ** 2)
    covariance[np.diag_indices_from(covariance)] += noise_v**2
    whitening = np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)), dtype=np.float64)

    def residuals(theta: FloatArray) -> FloatArray:
        off = whitening @ (pair.voltage(theta, stretch.charge, stretch.rate_c) - stretch.voltage_v)
        return np.concatenate([off, (theta - prior.mean) / prior.sd])

    optima = [descended(residuals, start) for start in starts]
    misfit, theta, curvature = min(optima, key=lambda one: one[0])
    best = pair.capacity(theta, *limits_v)
    slope = np.empty(PARAMETERS)
    for index in range(PARAMETERS):
        moved = theta.copy()
        moved[index] += 1e-4
        slope[index] = (pair.capacity(moved, *limits_v) - best) / 1e-4
    variance = float(slope @ np.linalg.solve(curvature, slope))
    near = [(np.exp(-0.5 * (one[0] - misfit)), one[1]) for one in optima if one[0] - misfit < NEARLY]
    weights = np.array([weight for weight, _ in near])
    others = np.array([pair.capacity(other, *limits_v) for _, other in near])
    variance += float(weights @ (others - best) ** 2 / weights.sum())
    left = pair.voltage(theta, stretch.charge, stretch.rate_c) - stretch.voltage_v
    return Fitted(theta, best, float(np.sqrt(max(variance, 0.0))), float(np.sqrt(np.mean(left**2))))


def descended(residuals: Residuals, start: FloatArray) -> Optimum:
    """Levenberg-Marquardt from one start."""
    theta, damping = start.copy(), 1e-2
    r = residuals(theta)
    misfit = float(r @ r)
    curvature = np.eye(theta.size)
    for _ in range(ITERATIONS_MAX):
        jacobian = np.empty((r.size, theta.size))
        for index in range(theta.size):
            moved = theta.copy()
            moved[index] += 1e-5
            jacobian[:, index] = (residuals(moved) - r) / 1e-5
        curvature, gradient = jacobian.T @ jacobian, jacobian.T @ r
        for _ in range(8):
            tried = theta - np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), gradient)
            r_tried = residuals(tried)
            lower = float(r_tried @ r_tried)
            if np.isfinite(lower) and lower < misfit:
                break
            damping *= 4.0
        else:
            break
        gained, misfit, theta, r = misfit - lower, lower, tried, r_tried
        damping = max(damping / 5.0, 1e-8)
        if gained < 1e-3:
            break
    return misfit, theta, curvature
