"""Cell chemistries: OCV, resistances, hysteresis, entropy and heat capacity, with their sources.

Owns the numbers that make a cell an NMC, LFP or LMO cell, and their resampling onto one uniform
SOC grid so that a lookup is an integer index. Must not know packs, ages or currents. It exists so
that every parameter of the simulated pack can be read, sourced and doubted in one place.

Marks used below (docs/simulation.md repeats them):
[P]  measured: medians of the PulseBat retired-cell pulses (Tao et al., Nature Communications 15,
     10154 (2024), doi 10.1038/s41467-024-54454-0, MIT data): rest voltage U1, instantaneous step
     U2 - U1 and 5 s polarisation U3 - U2 at 0.5 C against charge over actual capacity.
[L]  literature, the value is within the published range; the reference stands beside it.
[A]  assumption of this project, typical of the chemistry; no cell was measured for it.

Resistances are stated as ohm times ampere-hour of rated capacity (area-independent), since the
resistance of a cell of one make scales with the reciprocal of its capacity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray

SOC_GRID_MIN = -0.1
SOC_GRID_MAX = 1.1
SOC_GRID_STEP = 0.0005
SOC_GRID = np.linspace(SOC_GRID_MIN, SOC_GRID_MAX, round((SOC_GRID_MAX - SOC_GRID_MIN) / SOC_GRID_STEP) + 1)

ROWS = (
    *("ocv_v", "ocv_rise_v", "r1_ohm_ah", "r2_ohm_ah", "r0_ohm_ah", "hysteresis_v", "dudt_v_k"),
    *("r1_rise_ohm_ah", "r2_rise_ohm_ah", "r0_rise_ohm_ah"),
)
"""Rows of `Chemistry.columns()`: OCV with its rise to the next grid point (it is interpolated), the
rest at the middle of the grid step (taken as they are: 0.05 % of SOC wide), the resistances' rise over it."""

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Chemistry:
    """Parameters of a fresh cell at 25 degC. SOC is charge over the cell's actual capacity."""

    name: str
    title: str
    ocv_v: Points
    """(soc, V), strictly rising; continues a little below 0 and above 1."""
    r0_ohm_ah: float
    """Ohmic resistance times rated capacity at 50 % SOC."""
    r1_ohm_ah: float
    r2_ohm_ah: float
    r0_shape: Points
    """(soc, factor): dependence on SOC; 1 at 50 %."""
    r1_shape: Points
    r2_shape: Points
    tau1_s: float
    """Time constants are common to all cells and constant: the filtered currents of the two RC
    pairs are then the same for every cell in series (Plett's ESC model; see pack.py)."""
    tau2_s: float
    activation_j_mol: tuple[float, float, float]
    """Arrhenius activation energies of R1, R2, R0."""
    hysteresis_v: Points
    """(soc, V): half the gap between the charge and the discharge branch."""
    hysteresis_gamma: float
    """Rate at which the branch is reached, per unit of SOC (Plett 2004)."""
    dudt_v_k: Points
    """(soc, V/K): entropy coefficient dU/dT."""
    heat_capacity_j_k_ah: float
    """Heat capacity per ampere-hour of rated capacity."""

    def columns(self) -> FloatArray:
        """Everything over SOC, shape (len(ROWS), len(SOC_GRID)); read-only."""
        return _columns(self.name)


# fmt: off
NMC = Chemistry(
    name="nmc",
    title="NMC/graphite",
    # 5 % to 60 %: [P] NMC 21 Ah (52 cells; 55 and 60 % from 4 aged cells). Above: [L] shape of
    # Chen et al., J. Electrochem. Soc. 167 (2020) 080534. Below 5 %: [A] knee.
    ocv_v=(
        (-0.10, 0.80), (-0.05, 1.70), (-0.02, 2.45), (-0.01, 2.72), (0.00, 2.95), (0.01, 3.17),
        (0.02, 3.29), (0.03, 3.37), (0.05, 3.450), (0.10, 3.482), (0.15, 3.523), (0.20, 3.566),
        (0.25, 3.598), (0.30, 3.616), (0.35, 3.630), (0.40, 3.643), (0.45, 3.659), (0.50, 3.682),
        (0.55, 3.727), (0.60, 3.775), (0.65, 3.821), (0.70, 3.868), (0.75, 3.917), (0.80, 3.968),
        (0.85, 4.020), (0.90, 4.073), (0.95, 4.128), (1.00, 4.190), (1.03, 4.235), (1.06, 4.300),
        (1.10, 4.450),
    ),
    r0_ohm_ah=0.0382,  # [P]
    r1_ohm_ah=0.0245,  # [P] 5 s polarisation 0.0188 less 0.0008 of pair 2, over 1 - exp(-5/4) = 0.713
    r2_ohm_ah=0.0300,  # [A] slow diffusion, minutes; PulseBat pulses are too short to see it
    # [P] to 50 %, [A] above
    r0_shape=(
        (-0.1, 1.40), (0.0, 1.26), (0.05, 1.17), (0.10, 1.15), (0.20, 1.07), (0.30, 1.026), (0.50, 1.0),
        (1.0, 1.0), (1.1, 1.0),
    ),
    # [P] to 50 %, [A] above
    r1_shape=(
        (-0.1, 3.5), (0.0, 2.4), (0.05, 1.60), (0.10, 1.23), (0.20, 0.99), (0.30, 0.90), (0.50, 1.0),
        (0.8, 0.95), (1.0, 1.1), (1.1, 1.2),
    ),
    # [A]
    r2_shape=((-0.1, 5.0), (0.0, 3.0), (0.05, 1.9), (0.10, 1.4), (0.20, 1.1), (0.50, 1.0), (1.0, 1.0), (1.1, 1.0)),
    tau1_s=4.0,  # [A] charge transfer, seconds
    tau2_s=240.0,  # [A] diffusion
    # [L] Waag et al., Applied Energy 102 (2013) 885: ohmic weak, charge transfer strong
    activation_j_mol=(45_000.0, 30_000.0, 12_000.0),
    hysteresis_v=((-0.1, 0.0), (1.1, 0.0)),  # [A] a few mV, left out
    hysteresis_gamma=0.0,
    # [A] order of Viswanathan et al., J. Power Sources 195 (2010) 3720
    dudt_v_k=(
        (-0.1, -0.0002), (0.0, -0.0002), (0.2, -0.0001), (0.5, 0.00005), (0.8, -0.00005), (1.0, -0.0001),
        (1.1, -0.0001),
    ),
    heat_capacity_j_k_ah=21.0,  # [A] 0.021 kg/Ah, 1000 J/(kg K)
)

LFP = Chemistry(
    name="lfp",
    title="LFP/graphite",
    # [A] mean of both branches; two plateaus with the graphite step near 60-70 % as in
    # Dreyer et al., Nature Materials 9 (2010) 448 and Roscher & Sauer, J. Power Sources 196 (2011) 331.
    ocv_v=(
        (-0.10, 0.60), (-0.05, 1.50), (-0.02, 2.15), (-0.01, 2.40), (0.00, 2.62), (0.01, 2.84),
        (0.02, 2.97), (0.03, 3.05), (0.05, 3.130), (0.075, 3.180), (0.10, 3.207), (0.15, 3.232),
        (0.20, 3.250), (0.25, 3.266), (0.30, 3.281), (0.35, 3.289), (0.40, 3.2925), (0.50, 3.2955),
        (0.55, 3.298), (0.60, 3.303), (0.65, 3.316), (0.70, 3.3285), (0.80, 3.3325), (0.90, 3.3355),
        (0.95, 3.340), (0.97, 3.347), (0.98, 3.358), (0.99, 3.390), (1.00, 3.480), (1.01, 3.62),
        (1.03, 3.85), (1.10, 4.40),
    ),
    r0_ohm_ah=0.060,  # [A] 0.34 mohm at 176 Ah, as data sheets of prismatic cells state for AC 1 kHz
    r1_ohm_ah=0.030,  # [A]
    r2_ohm_ah=0.045,  # [A]
    # [A]
    r0_shape=((-0.1, 1.45), (0.0, 1.30), (0.05, 1.15), (0.10, 1.08), (0.30, 1.0), (0.50, 1.0), (1.0, 1.0), (1.1, 1.02)),
    # [A]
    r1_shape=(
        (-0.1, 3.0), (0.0, 2.2), (0.05, 1.5), (0.10, 1.2), (0.30, 1.0), (0.50, 1.0), (0.9, 1.05), (1.0, 1.4),
        (1.1, 1.6),
    ),
    # [A]
    r2_shape=(
        (-0.1, 4.5), (0.0, 2.8), (0.05, 1.7), (0.10, 1.3), (0.30, 1.0), (0.50, 1.0), (0.9, 1.1), (1.0, 1.6),
        (1.1, 2.0),
    ),
    tau1_s=6.0,  # [A]
    tau2_s=400.0,  # [A] LFP relaxes slowly
    activation_j_mol=(50_000.0, 35_000.0, 15_000.0),  # [L] as above
    # [L] gap about 20 mV on the plateau: Dreyer 2010
    hysteresis_v=(
        (-0.1, 0.0), (0.0, 0.002), (0.05, 0.008), (0.15, 0.010), (0.50, 0.010), (0.90, 0.008), (0.98, 0.004),
        (1.0, 0.001), (1.1, 0.0),
    ),
    hysteresis_gamma=25.0,  # [L] about 10 % of SOC to change branch: Roscher & Sauer 2011
    # [A]
    dudt_v_k=(
        (-0.1, -0.0004), (0.0, -0.0003), (0.2, -0.0001), (0.4, 0.0001), (0.7, -0.00005), (1.0, -0.0001),
        (1.1, -0.0001),
    ),
    heat_capacity_j_k_ah=19.5,  # [A] 0.0187 kg/Ah, 1050 J/(kg K)
)

LMO = Chemistry(
    name="lmo",
    title="LMO/graphite",
    # 8 % to 85 %: [P] LMO 10 Ah (95 retired cells). The ends: [A].
    ocv_v=(
        (-0.10, 0.70), (-0.05, 1.55), (-0.02, 2.15), (-0.01, 2.36), (0.00, 2.53), (0.01, 2.63),
        (0.02, 2.70), (0.03, 2.755), (0.05, 2.836), (0.10, 2.975), (0.15, 3.096), (0.20, 3.197),
        (0.25, 3.262), (0.30, 3.318), (0.35, 3.390), (0.40, 3.468), (0.45, 3.547), (0.50, 3.622),
        (0.55, 3.692), (0.60, 3.764), (0.65, 3.822), (0.70, 3.875), (0.75, 3.919), (0.80, 3.956),
        (0.85, 3.998), (0.90, 4.040), (0.95, 4.090), (1.00, 4.180), (1.02, 4.24), (1.05, 4.34),
        (1.10, 4.55),
    ),
    r0_ohm_ah=0.050,  # [A] 0.071 [P] at a median SOH of 87 %, over 1.4 for a fresh cell
    r1_ohm_ah=0.040,  # [A] 0.040 of 5 s [P], over 0.713 and over 1.4
    r2_ohm_ah=0.040,  # [A]
    # [P] to 50 %, [A] above
    r0_shape=(
        (-0.1, 1.45), (0.0, 1.32), (0.05, 1.22), (0.10, 1.16), (0.15, 1.05), (0.30, 1.01), (0.50, 1.0),
        (1.0, 1.0), (1.1, 1.0),
    ),
    # [P] to 50 %, [A] above
    r1_shape=(
        (-0.1, 4.5), (0.0, 3.2), (0.05, 2.35), (0.10, 1.87), (0.15, 1.44), (0.30, 1.26), (0.40, 1.15),
        (0.50, 1.0), (1.0, 1.0), (1.1, 1.1),
    ),
    # [A]
    r2_shape=((-0.1, 4.0), (0.0, 2.6), (0.05, 1.9), (0.10, 1.5), (0.30, 1.1), (0.50, 1.0), (1.0, 1.0), (1.1, 1.0)),
    tau1_s=4.0,  # [A]
    tau2_s=200.0,  # [A]
    activation_j_mol=(45_000.0, 30_000.0, 12_000.0),  # [L] as above
    hysteresis_v=((-0.1, 0.0), (1.1, 0.0)),
    hysteresis_gamma=0.0,
    dudt_v_k=((-0.1, -0.0002), (0.0, -0.0002), (0.3, 0.00005), (0.6, 0.0001), (1.0, -0.0001), (1.1, -0.0001)),  # [A]
    heat_capacity_j_k_ah=26.0,  # [A] 0.026 kg/Ah, 1000 J/(kg K)
)

# fmt: on

CHEMISTRIES = {chemistry.name: chemistry for chemistry in (NMC, LFP, LMO)}


def chemistry(name: str) -> Chemistry:
    """The chemistry of that name ("nmc", "lfp", "lmo"); InputError names the known ones."""
    try:
        return CHEMISTRIES[name]
    except KeyError:
        raise InputError(
            Problem("", field="chemistry", found=repr(name), expected=f"one of {', '.join(CHEMISTRIES)}")
        ) from None


@cache
def _columns(name: str) -> FloatArray:
    source = CHEMISTRIES[name]
    ocv_v = monotone_cubic(source.ocv_v)
    middle = SOC_GRID + 0.5 * SOC_GRID_STEP
    ohms = [
        ohm_ah * monotone_cubic(shape, middle)
        for ohm_ah, shape in (
            (source.r1_ohm_ah, source.r1_shape),
            (source.r2_ohm_ah, source.r2_shape),
            (source.r0_ohm_ah, source.r0_shape),
        )
    ]
    table = np.stack(
        (
            ocv_v,
            np.diff(ocv_v, append=ocv_v[-1]),
            *ohms,
            monotone_cubic(source.hysteresis_v, middle),
            monotone_cubic(source.dudt_v_k, middle),
            *(np.gradient(row) for row in ohms),
        )
    )
    table.setflags(write=False)
    return table


def monotone_cubic(points: Points, at: FloatArray = SOC_GRID) -> FloatArray:
    """Fritsch-Carlson monotone cubic through `points`, evaluated at `at`.

    No overshoot between points (SIAM J. Numer. Anal. 17 (1980) 238), so a rising OCV table stays
    rising; the slope, and with it dQ/dV, is continuous.
    """
    x, y = np.asarray(points, dtype=np.float64).T
    if np.any(np.diff(x) <= 0.0):
        raise ValueError("points must rise in x")
    width = np.diff(x)
    secant = np.diff(y) / width
    slope = np.empty_like(x)
    slope[0], slope[-1] = secant[0], secant[-1]
    left, right = secant[:-1], secant[1:]
    weight_left = 2.0 * width[1:] + width[:-1]
    weight_right = width[1:] + 2.0 * width[:-1]
    same_sign = left * right > 0.0
    safe_left = np.where(same_sign, left, 1.0)
    safe_right = np.where(same_sign, right, 1.0)
    harmonic = (weight_left + weight_right) / (weight_left / safe_left + weight_right / safe_right)
    slope[1:-1] = np.where(same_sign, harmonic, 0.0)
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(width) - 1)
    u = (at - x[piece]) / width[piece]
    return (
        y[piece] * (1.0 + 2.0 * u) * (1.0 - u) ** 2
        + width[piece] * slope[piece] * u * (1.0 - u) ** 2
        + y[piece + 1] * u * u * (3.0 - 2.0 * u)
        + width[piece] * slope[piece + 1] * u * u * (u - 1.0)
    )
