"""Within what a cell of a chemistry lies, from the best new one to the worst that a bench may be given.

Owns the numbers of the worst case: open-circuit voltage, resistance and heat between their bounds, whoever made the
cell. Estimates only, never control. The simulated cells (sim/packbench_sim/chemistry.py) are one make among those
that these bounds hold; a test holds the two against each other.

State of charge is the charge above `cell_cutoff` at rest over the charge between `cell_cutoff` and `cell_full` at
rest, so both ends of the curve are the pack file's own. Resistances are ohm times ampere-hour of rated capacity,
of direct current over minutes (with all polarisation), at 25 degC and half charge.

Sources: [L] the curves of Chen et al., J. Electrochem. Soc. 167 (2020) 080534 (NMC), Dreyer et al., Nature Materials
9 (2010) 448 (LFP) and the medians of PulseBat, Nature Communications 15 (2024) 10154 (LMO), widened by what other
makes, hysteresis and 20 K change. [A] all widths, the ends, and every resistance: of a new cell with low resistance,
of a used one, and of one with 2.5 times what a new one of middling resistance has.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

Points = tuple[tuple[float, float], ...]
Band = tuple[tuple[float, float, float], ...]
"""(state of charge, lowest V, highest V)"""

SOC_LEAST, SOC_MOST = -0.1, 1.1
"""No cell is thought of beyond: its voltage is outside every limit there."""


@dataclass(frozen=True, slots=True)
class CellBounds:
    """One chemistry."""

    ocv_v: Band
    """Between 5 % and 99 %."""
    beyond_full_v: Band
    """Above `cell_full`, in V over it."""
    slope_v: Points
    """(from this open-circuit voltage on, least rise in V per unit of charge)."""
    ohm_ah: tuple[float, float, float]
    """Least, usual in a retired pack, most."""


# fmt: off
CELL_BOUNDS: dict[str, CellBounds] = {
    "nmc": CellBounds(
        ocv_v=(
            (0.05, 3.25, 3.55), (0.10, 3.36, 3.60), (0.20, 3.46, 3.67), (0.30, 3.53, 3.71), (0.40, 3.57, 3.75),
            (0.50, 3.61, 3.80), (0.60, 3.68, 3.88), (0.70, 3.77, 3.97), (0.80, 3.87, 4.06), (0.90, 3.98, 4.14),
            (0.95, 4.06, 4.18), (0.99, 4.15, 4.20),
        ),
        beyond_full_v=((1.05, 0.03, 0.30), (1.10, 0.08, 0.60)),
        slope_v=((0.0, 3.0), (3.35, 0.2), (3.80, 0.6)),
        ohm_ah=(0.04, 0.12, 0.25),
    ),
    "lfp": CellBounds(
        ocv_v=(
            (0.05, 2.90, 3.22), (0.10, 3.12, 3.26), (0.20, 3.18, 3.31), (0.30, 3.22, 3.34), (0.40, 3.24, 3.35),
            (0.50, 3.25, 3.36), (0.60, 3.25, 3.37), (0.70, 3.27, 3.39), (0.80, 3.28, 3.39), (0.90, 3.29, 3.40),
            (0.95, 3.30, 3.43), (0.98, 3.32, 3.60), (0.99, 3.38, 3.64),
        ),
        beyond_full_v=((1.05, 0.20, 1.00), (1.10, 0.40, 1.60)),
        slope_v=((0.0, 1.5), (3.10, 0.02), (3.42, 2.0)),
        ohm_ah=(0.06, 0.18, 0.35),
    ),
    "lmo": CellBounds(
        ocv_v=(
            (0.05, 2.75, 3.40), (0.10, 2.85, 3.55), (0.20, 3.05, 3.70), (0.30, 3.18, 3.80), (0.40, 3.32, 3.85),
            (0.50, 3.48, 3.90), (0.60, 3.62, 3.95), (0.70, 3.74, 4.00), (0.80, 3.84, 4.05), (0.90, 3.94, 4.12),
            (0.95, 4.01, 4.16), (0.99, 4.12, 4.19),
        ),
        beyond_full_v=((1.05, 0.05, 0.35), (1.10, 0.12, 0.60)),
        slope_v=((0.0, 0.5), (4.05, 0.8)),
        ohm_ah=(0.06, 0.17, 0.33),
    ),
}
# fmt: on

RESISTANCE_OVER_SOC: Points = (
    (-0.10, 3.3),
    (-0.05, 2.9),
    (0.0, 2.4),
    (0.05, 1.9),
    (0.10, 1.6),
    (0.30, 1.15),
    (0.90, 1.15),
    (1.0, 1.4),
    (1.10, 1.6),
)
"""The most by which resistance exceeds that at half charge. [A], as PulseBat's medians below half charge."""
LOW_SOC = 0.15
LOW_SOC_FACTOR, MIDDLE_SOC_FACTOR = 1.9, 1.2
"""Means of the above, below and above `LOW_SOC`: for heat."""
ACTIVATION_K = (1400.0, 4600.0, 6000.0)
"""Activation energy over the gas constant: at least, at most in the cold, at most in the heat. [L] 12 to 50 kJ/mol:
Waag et al., Applied Energy 102 (2013) 885."""
POLARISATION_S = (1.0, 600.0)
"""Time constants of what relaxes within a test. [A] slower diffusion counts as open-circuit voltage."""
HEAT_J_K_AH = (18.0, 22.0, 30.0)
"""Heat capacity per ampere-hour of rated capacity: least, usual, most. [A] 0.02 kg/Ah of about 1000 J/(kg K)."""
COOLING_S = (600.0, 5400.0, 7200.0)
"""Time constant towards the surroundings: of a bare cell in moving air, usual, of a closed pack. [A]"""
ENTROPY_V_K = (4e-4, 7e-5)
"""Most of |dU/dT|, and how far its integral over charge goes from its least to its most. [A] the order of
Viswanathan et al., J. Power Sources 195 (2010) 3720."""
SELF_DISCHARGE_PER_DAY = 0.002
"""The most of its charge that a cell loses a day, with a BMS that feeds on it. [A]"""


def ocv_band(chemistry: str, cutoff_v: float, full_v: float) -> Band:
    """The open-circuit voltage of a cell over its whole range, both ends the pack's own."""
    bounds = CELL_BOUNDS[chemistry]
    first_v = bounds.ocv_v[0][2]
    knee = max(first_v - cutoff_v, 0.0)
    band: list[tuple[float, float, float]] = [
        (SOC_LEAST, cutoff_v - 2.6, cutoff_v - 0.30),
        (-0.05, cutoff_v - 1.7, cutoff_v - 0.15),
        (-0.02, cutoff_v - 0.9, cutoff_v - 0.05),
        (0.0, cutoff_v, cutoff_v),
        (0.01, cutoff_v, cutoff_v + 0.6 * knee),
        (0.02, cutoff_v, cutoff_v + 0.85 * knee),
    ]
    band += [(soc, _within(low, cutoff_v, full_v), _within(high, cutoff_v, full_v)) for soc, low, high in bounds.ocv_v]
    band.append((1.0, full_v, full_v))
    band += [(soc, full_v + low, full_v + high) for soc, low, high in bounds.beyond_full_v]
    return tuple(band)


def _within(value_v: float, cutoff_v: float, full_v: float) -> float:
    return min(max(value_v, cutoff_v), full_v)


def interpolated(points: Points, at: float) -> float:
    """A table's value between its points; beyond them, that of the nearest."""
    if at <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return points[-1][1]
