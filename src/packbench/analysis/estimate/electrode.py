"""A cell as two electrodes: what its voltage is over the charge moved at a steady current.

Owns the equations. Everything is scaled to a rated capacity of 1: charge, capacities, and currents in C. Must not fit
anything. It is a single-particle model in its quasi-steady state: under a constant current the surface of a particle
runs ahead of its mean by a constant (diffusion), to which come Butler-Volmer's overpotential on either side and an
ohmic resistance. Curves of electrodes: configs/estimate/half-cells.json.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from packbench.core.samples import FloatArray

THERMAL_V = 2.0 * 0.025693
"""2 R T / F at 25 degC."""
NAMES = ("log_q_n", "log_q_p", "q_li", "x_start", "r", "lead_n", "lead_p", "log_k_n", "log_k_p")
"""Of the nine parameters: electrode capacities, cyclable lithium (all over rated capacity), stoichiometry of the
negative electrode at the start, resistance x rated capacity (ohm Ah), the surface's lead and the kinetics a C."""
Q_N, Q_P, Q_LI, X_START, R, LEAD_N, LEAD_P, K_N, K_P = range(9)
POINTS = 1500
EDGE = 2e-3


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two electrodes: open-circuit potentials over stoichiometry, and how a fresh cell is balanced."""

    name: str
    chemistry: str
    stoichiometry: FloatArray
    """Rising, evenly spaced."""
    negative_v: FloatArray
    positive_v: FloatArray
    fresh: tuple[float, float, float]
    """q_n, q_p, q_li over rated capacity."""
    correction: tuple[FloatArray, FloatArray] = field(default=(np.array([0.0, 1.0]), np.zeros(2)))
    """(stoichiometry of the negative electrode, V): what a reference showed beyond the curves."""

    def ocv(self, theta: FloatArray, x: FloatArray) -> FloatArray:
        """Open-circuit voltage at stoichiometries of the negative electrode."""
        y = (theta[Q_LI] - x * np.exp(theta[Q_N])) / np.exp(theta[Q_P])
        return self.at(self.positive_v, y) - self.at(self.negative_v, x) + self._bent(x)

    def voltage(self, theta: FloatArray, charge: FloatArray, rate_c: float) -> FloatArray:
        """Under a steady current (C; positive charges), at charges since the start."""
        q_n, q_p = np.exp(theta[Q_N]), np.exp(theta[Q_P])
        x = theta[X_START] + charge / q_n
        y = (theta[Q_LI] - x * q_n) / q_p
        at_n, at_p = x + theta[LEAD_N] * rate_c / q_n, y - theta[LEAD_P] * rate_c / q_p
        over_n = np.arcsinh(np.exp(theta[K_N]) * rate_c / q_n / exchange(at_n))
        over_p = np.arcsinh(np.exp(theta[K_P]) * rate_c / q_p / exchange(at_p))
        open_v = self.at(self.positive_v, at_p) - self.at(self.negative_v, at_n)
        return open_v + theta[R] * rate_c + THERMAL_V * (over_n + over_p) + self._bent(x)

    def ends(self, theta: FloatArray, low_v: float, high_v: float) -> tuple[float, float]:
        """Stoichiometries of the negative electrode when empty and when full, at rest."""
        q_n, q_p = np.exp(theta[Q_N]), np.exp(theta[Q_P])
        least = max(EDGE, (theta[Q_LI] - (1.0 - EDGE) * q_p) / q_n)
        most = min(1.0 - EDGE, theta[Q_LI] / q_n)
        x = np.linspace(min(least, most - EDGE), most, POINTS)
        rising = np.maximum.accumulate(self.ocv(theta, x))
        empty, full = np.interp((low_v, high_v), rising, x)
        return float(empty), float(full)

    def capacity(self, theta: FloatArray, low_v: float, high_v: float) -> float:
        """Charge between empty and full at rest, over rated capacity."""
        empty, full = self.ends(theta, low_v, high_v)
        return (full - empty) * float(np.exp(theta[Q_N]))

    def _bent(self, x: FloatArray) -> FloatArray:
        return np.asarray(np.interp(x, *self.correction), dtype=np.float64)

    def at(self, curve: FloatArray, where: FloatArray) -> FloatArray:
        """A curve, continued straight beyond its ends."""
        grid = self.stoichiometry
        step = float(grid[1] - grid[0])
        below = np.minimum(where - grid[0], 0.0) * float(curve[1] - curve[0]) / step
        above = np.maximum(where - grid[-1], 0.0) * float(curve[-1] - curve[-2]) / step
        return np.interp(where, grid, curve) + below + above


def exchange(at: FloatArray) -> FloatArray:
    """How the exchange current depends on the stoichiometry."""
    return np.sqrt(np.clip(at * (1.0 - at), 1e-4, 1.0))
