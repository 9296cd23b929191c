"""Gaussian process regression with one length a group of columns, and its leave-one-cell-out predictions.

Owns the kernel (Matern 3/2 plus linear plus noise), the choice of its hyper-parameters, and prediction. Must not
know batteries. Two things it does that a library's does not: rows of one physical cell share one label, so the
hyper-parameters are those that predict *whole cells left out* best (the marginal likelihood would take the cells for
known and learn nothing), by the closed form for groups with its gradient; and everything is a handful of numbers.

With P = inv(K), t the labels, a = P t and g a cell's rows: the residuals of g predicted from the others are
inv(P_gg) a_g, with covariance inv(P_gg) (Rasmussen & Williams 5.4.2, for groups).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packbench.core.samples import FloatArray

Groups = tuple[tuple[int, ...], ...]
Cells = list[NDArray[np.intp]]
"""Row numbers of each cell."""
JITTER = 1e-7
TAIL_DOF = 4.0
"""The hyper-parameters are scored with Student's t: a few odd cells must not rule."""
TUNING_ROWS_MAX = 400
ITERATIONS_MAX = 25
_PRIOR = (0.5, 1.2)
"""Mean and sd of a log length; of the signal, the linear part and the noise below."""
_PRIOR_LAST = ((0.0, 1.0), (-1.0, 1.0), (-2.0, 1.0))
_CELL_WEIGHT = 3.0
"""How much one cell weighs against the prior: rows of a cell are nearly one observation."""


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """A fitted process. Everything but `theta` follows from the data; `theta` is what is written down."""

    groups: Groups
    theta: FloatArray
    """Log of: a length a group, the signal, the linear part, the noise; of standardised columns and labels."""
    centre: FloatArray
    spread: FloatArray
    label_centre: float
    label_spread: float
    rows: FloatArray
    """The training rows, standardised, shape (n, columns)."""
    inverse: FloatArray
    weights: FloatArray
    labels: FloatArray
    """Standardised."""

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (noise in it) at rows of shape (m, columns)."""
        z = (x - self.centre) / self.spread
        length = len(self.groups)
        across, _ = _matern(_distances(z, self.rows, self.groups), self.theta)
        linear = np.exp(2 * self.theta[length + 1]) / z.shape[1]
        across = across + linear * (z @ self.rows.T)
        own = np.exp(2 * self.theta[length]) + linear * np.sum(z * z, axis=1) + np.exp(2 * self.theta[length + 2])
        variance = own - np.sum((across @ self.inverse) * across, axis=1)
        mean = across @ self.weights * self.label_spread + self.label_centre
        return mean, np.sqrt(np.maximum(variance, 1e-10)) * self.label_spread

    def left_out(self, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation at the training rows, each cell predicted from the others."""
        mean, sd = np.empty(self.labels.size), np.empty(self.labels.size)
        for rows in cells:
            covariance = _inverse(self.inverse[np.ix_(rows, rows)])
            mean[rows] = self.labels[rows] - covariance @ self.weights[rows]
            sd[rows] = np.sqrt(np.maximum(np.diag(covariance), 1e-10))
        return mean * self.label_spread + self.label_centre, sd * self.label_spread


def cells_of(names: NDArray[np.str_]) -> Cells:
    """Row numbers by cell, in the order of the names."""
    order = np.argsort(names, kind="stable")
    _, starts = np.unique(names[order], return_index=True)
    return np.split(order, starts[1:])


def fit(x: FloatArray, y: FloatArray, names: NDArray[np.str_], groups: Groups) -> Process:
    """Choose the hyper-parameters and fit. `names`: the physical cell of each row."""
    centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    z = (x - centre) / spread
    t = (y - y.mean()) / max(float(y.std()), 1e-9)
    chosen: NDArray[np.intp] = np.arange(t.size, dtype=np.intp)
    if t.size > TUNING_ROWS_MAX:
        chosen = np.sort(np.random.default_rng(0).permutation(t.size)[:TUNING_ROWS_MAX])
    objective = _objective(z[chosen], t[chosen], cells_of(names[chosen]), groups)
    theta = minimise(objective, _prior(len(groups))[0], ITERATIONS_MAX)
    return fitted(x, y, groups, theta)


def fitted(x: FloatArray, y: FloatArray, groups: Groups, theta: FloatArray) -> Process:
    """The process of known hyper-parameters on its training data."""
    centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    z = (x - centre) / spread
    label_centre, label_spread = float(y.mean()), max(float(y.std()), 1e-9)
    t = (y - label_centre) / label_spread
    inverse = _inverse(_kernel(_distances(z, z, groups), z @ z.T / z.shape[1], theta)[0])
    return Process(groups, theta, centre, spread, label_centre, label_spread, z, inverse, inverse @ t, t)


def _inverse(matrix: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _distances(a: FloatArray, b: FloatArray, groups: Groups) -> list[FloatArray]:
    """Mean squared distance of each group, each (len(a), len(b))."""
    found: list[FloatArray] = []
    for group in groups:
        of_a, of_b = a[:, group], b[:, group]
        squares = np.sum(of_a**2, axis=1)[:, None] + np.sum(of_b**2, axis=1)[None] - 2.0 * of_a @ of_b.T
        found.append(np.maximum(squares, 0.0) / len(group))
    return found


def _matern(distances: list[FloatArray], theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The kernel's part without linear and noise, and the factor that its derivatives by the log lengths share."""
    squared = np.zeros_like(distances[0])
    for distance, log_length in zip(distances, theta, strict=False):
        squared += distance * np.exp(-2.0 * log_length)
    r = np.sqrt(3.0 * squared)
    decay = np.exp(2.0 * theta[len(distances)]) * np.exp(-r)
    return (1.0 + r) * decay, 3.0 * decay


def _kernel(distances: list[FloatArray], linear: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The whole kernel over the training rows, and that factor."""
    matern, slope = _matern(distances, theta)
    kernel = matern + np.exp(2.0 * theta[len(distances) + 1]) * linear
    kernel[np.diag_indices_from(kernel)] += np.exp(2.0 * theta[len(distances) + 2]) + JITTER
    return kernel, slope


def _prior(groups: int) -> tuple[FloatArray, FloatArray]:
    means, sds = zip(*([_PRIOR] * groups), *_PRIOR_LAST, strict=True)
    return np.array(means), np.array(sds)


Objective = Callable[[FloatArray], tuple[float, FloatArray]]


def _objective(z: FloatArray, t: FloatArray, cells: Cells, groups: Groups) -> Objective:
    """The negative log score of all cells left out in turn, plus the prior, with its gradient."""
    distances, linear = _distances(z, z, groups), z @ z.T / z.shape[1]
    prior_mean, prior_sd = _prior(len(groups))
    weight = _CELL_WEIGHT * len(cells) / t.size

    def value(theta: FloatArray) -> tuple[float, FloatArray]:
        kernel, slope = _kernel(distances, linear, theta)
        try:
            inverse = _inverse(kernel)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros_like(theta)
        score, pull = _left_out_score(inverse, t, cells)
        count = len(groups)
        shaped = pull * slope
        gradient = np.empty_like(theta)
        for group, distance in enumerate(distances):
            gradient[group] = np.sum(shaped * distance) * np.exp(-2.0 * theta[group])
        matern, _ = _matern(distances, theta)
        gradient[count] = 2.0 * np.sum(pull * matern)
        gradient[count + 1] = 2.0 * np.exp(2.0 * theta[count + 1]) * np.sum(pull * linear)
        gradient[count + 2] = 2.0 * np.exp(2.0 * theta[count + 2]) * np.trace(pull)
        off = (theta - prior_mean) / prior_sd
        return weight * score + 0.5 * float(off @ off), weight * gradient + off / prior_sd

    return value


def _left_out_score(inverse: FloatArray, t: FloatArray, cells: Cells) -> tuple[float, FloatArray]:
    """Student's negative log score of the cells left out, and its derivative by the kernel's entries."""
    weights = inverse @ t
    score, by_weights, by_inverse = 0.0, np.zeros_like(t), np.zeros_like(inverse)
    for rows in cells:
        block = np.ix_(rows, rows)
        covariance = _inverse(inverse[block])
        residual = covariance @ weights[rows]
        variance = np.maximum(np.diag(covariance), 1e-9)
        squared = residual**2 / variance
        score += float(np.sum(0.5 * np.log(variance) + 0.5 * (TAIL_DOF + 1) * np.log1p(squared / TAIL_DOF)))
        share = (TAIL_DOF + 1) / (TAIL_DOF + squared)
        by_variance = 0.5 / variance - 0.5 * share * squared / variance
        by_weights[rows] = covariance @ (share * residual / variance)
        by_block = -np.outer(by_weights[rows], residual) - covariance @ (by_variance[:, None] * covariance)
        by_inverse[block] = 0.5 * (by_block + by_block.T)
    outer = np.outer(inverse @ by_weights, weights)
    return score, -(inverse @ by_inverse @ inverse) - 0.5 * (outer + outer.T)


def minimise(objective: Objective, start: FloatArray, iterations_max: int) -> FloatArray:
    """Where a smooth function of a few variables is least (BFGS, backtracking); deterministic."""
    x = start.copy()
    value, gradient = objective(x)
    curvature = np.eye(x.size)
    for _ in range(iterations_max):
        step = -curvature @ gradient
        slope = float(step @ gradient)
        if slope > -1e-9:
            break
        scale = min(1.0, 1.5 / float(np.max(np.abs(step))))
        for _ in range(12):
            tried = objective(x + scale * step)
            if tried[0] <= value + 1e-4 * scale * slope:
                break
            scale *= 0.4
        else:
            break
        moved, turned = scale * step, tried[1] - gradient
        gained = value - tried[0]
        x, (value, gradient) = x + moved, tried
        product = float(moved @ turned)
        if product > 1e-12:
            left = np.eye(x.size) - np.outer(moved, turned) / product
            curvature = left @ curvature @ left.T + np.outer(moved, moved) / product
        if gained < 1e-4:
            break
    return x
