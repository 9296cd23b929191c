"""A cell as two electrodes that leave their rest: voltage over time at a steady current, for many cells at once.

Owns the equations of a discharge from full. They are `electrode`'s, with the surface's lead as it builds up: a sphere's
exact answer to a constant flux, whose end value is tau/15 of the flux, so that the lead alone states its time constant.
Shapes: thetas (n, 9) as `electrode.NAMES`, hours (m,), voltages (n, m). Must not fit anything.
"""

from __future__ import annotations

import numpy as np

from packbench.analysis.estimate.electrode import (
    K_N,
    K_P,
    LEAD_N,
    LEAD_P,
    Q_LI,
    Q_N,
    Q_P,
    THERMAL_V,
    X_START,
    Pair,
    R,
    exchange,
)
from packbench.core.samples import FloatArray

HALVINGS = 32
CAPACITY_RATE_C = -1.0 / 3.0
"""At which a capacity is reckoned, as is usual; a reference measured otherwise has the difference in its scale."""
LONGEST = 1.2
"""Of rated: no discharge is followed further."""
CAPACITY_POINTS = 181
CHUNK = 2000
ROOTS = 60


def _build_up() -> tuple[FloatArray, FloatArray]:
    """(time over tau, part of the final lead): 1 - 10 sum exp(-l**2 s) / l**2 over the roots of tan l = l (Crank)."""
    near = (np.arange(1, ROOTS + 1) + 0.5) * np.pi
    root = near - 1.0 / near
    for _ in range(20):
        root -= (np.sin(root) - root * np.cos(root)) / (root * np.sin(root))
    s = np.concatenate([[0.0], np.geomspace(1e-6, 3.0, 400)])
    part = 1.0 - 10.0 * (np.exp(-np.outer(s, root**2)) / root**2).sum(axis=1)
    # What the roots that were left out hold at the start goes at once.
    part[0] = 0.0
    return s, np.maximum(part, 0.0)


_S, _PART = _build_up()


def voltages(pair: Pair, thetas: FloatArray, hours: FloatArray, rate_c: float) -> FloatArray:
    """Of cells that are at rest at their `x_start` at hour 0."""
    q_n, q_p = np.exp(thetas[:, Q_N, None]), np.exp(thetas[:, Q_P, None])
    lead_n, lead_p = thetas[:, LEAD_N, None], thetas[:, LEAD_P, None]
    x = thetas[:, X_START, None] + rate_c * hours / q_n
    y = (thetas[:, Q_LI, None] - x * q_n) / q_p
    at_n = x + lead_n * rate_c / q_n * np.interp(hours / (15.0 * lead_n), _S, _PART)
    at_p = y - lead_p * rate_c / q_p * np.interp(hours / (15.0 * lead_p), _S, _PART)
    over_n = np.arcsinh(np.exp(thetas[:, K_N, None]) * rate_c / q_n / exchange(at_n))
    over_p = np.arcsinh(np.exp(thetas[:, K_P, None]) * rate_c / q_p / exchange(at_p))
    open_v = pair.at(pair.positive_v, at_p) - pair.at(pair.negative_v, at_n)
    return open_v + thetas[:, R, None] * rate_c + THERMAL_V * (over_n + over_p)


def at_rest(pair: Pair, thetas: FloatArray, rest_v: float) -> FloatArray:
    """The same cells at the stoichiometry where they rest at this voltage."""
    q_n, q_p = np.exp(thetas[:, Q_N]), np.exp(thetas[:, Q_P])
    low, high = np.full(len(thetas), 0.02), np.minimum(0.999, thetas[:, Q_LI] / q_n - 1e-3)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        y = (thetas[:, Q_LI] - middle * q_n) / q_p
        below = pair.at(pair.positive_v, y) - pair.at(pair.negative_v, middle) < rest_v
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    moved = thetas.copy()
    moved[:, X_START] = (low + high) / 2.0
    return moved


def capacities(pair: Pair, thetas: FloatArray, low_v: float, high_v: float) -> FloatArray:
    """Charge from rest at `high_v` down to `low_v` at a third of C, over rated."""
    hours = np.linspace(0.0, LONGEST / -CAPACITY_RATE_C, CAPACITY_POINTS)
    found: list[FloatArray] = []
    for start in range(0, len(thetas), CHUNK):
        full = at_rest(pair, thetas[start : start + CHUNK], high_v)
        v = voltages(pair, full, hours, CAPACITY_RATE_C)
        below = v < low_v
        below[:, -1] = True
        last = np.maximum(below.argmax(axis=1), 1)
        rows = np.arange(len(v))
        before, after = v[rows, last - 1], v[rows, last]
        part = np.clip((before - low_v) / np.maximum(before - after, 1e-9), 0.0, 1.0)
        found.append(-CAPACITY_RATE_C * (hours[last - 1] + part * (hours[last] - hours[last - 1])))
    return np.concatenate(found)
