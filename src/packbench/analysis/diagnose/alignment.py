"""Cell by cell: how each cell's discharge curve lies on the weakest cell's.

Owns the fit. Cells of one make have one curve over their own state of charge; under the same current, a cell of another
capacity and another starting charge shows the same curve stretched and shifted:

    v_i(z) = V_ref(b (z + l)) + r        z: what the pack still gives, Ah, the reference ending at 0

b is the reference's capacity over the cell's own, l what the cell has left when the pack ends, r a constant voltage
(its other resistance times the current, and its channel's offset). Gauss-Newton by least squares on bins of equal
charge; where a cell would leave the reference's curve, at its top, the bins are left out. Pure.

Uncertainty: the covariance of the fit, with the residuals' own scatter and with as many independent bins as their
correlation leaves; and what a change of r over the discharge would do to the fit. A channel's offset is in r and so
in no figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from packbench.analysis.table import FloatArray

BINS = 200
ROUNDS = 12
USED_MIN = 0.6
"""Of the bins must lie on the reference's curve."""
LEAST_SCALE, APART_REL = 1e-12, 1e-5
"""A parameter that moves nothing, or that two others can stand for, is not known."""
SETTLED = 1e-3
"""A fit ends early when a round moves it by less than this part of what is allowed."""
WHOLE_REL, END_SHAPE_REL = 0.5, 0.5
"""Bounds (rectangular) on how far r may change over a whole step, and over its end, of itself: house rules."""
OFFSET_LEAST_V = 0.001
"""And never less than this."""
SHIFT_MOST = 0.12
"""A cell further from its end than this part of the step is not looked for."""
GUESSES = 71
RATIO_BOUND = 0.05
"""Bound (rectangular) on how far two cells' capacities differ where only an end is compared."""
FLAT_V = 0.15
"""The middle 60 % of LFP spans a third of this, of NMC and LMO twice to four times."""
MODEL_U_REL = 0.0015
"""What the model itself is worth (a house rule): simulated NMC and LMO packs came out within 0.03 to 0.2 %, rms."""
END_REL = 0.08
"""The part of the discharge at its end in which resistances rise."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """One cell against the reference."""

    ratio: float
    """The reference's capacity over this one's (b)."""
    left_ah: float
    """What it still has when the pack ends (l)."""
    covariance: FloatArray
    """shape (2, 2): of ratio and left_ah."""


def binned_cells(moved_ah: FloatArray, cells_v: FloatArray, bins: int = BINS) -> tuple[FloatArray, FloatArray]:
    """(Ah still to go in the middle of each bin, mean cell voltages (bins, series)), in the order of time."""
    total_ah = float(moved_ah[-1])
    place = np.minimum((moved_ah / total_ah * bins).astype(np.int64), bins - 1)
    firsts = np.flatnonzero(np.diff(place, prepend=-1))
    counts = np.diff(np.append(firsts, place.size))
    mean_v = np.add.reduceat(cells_v, firsts, axis=0) / counts[:, None]
    mean_ah = np.add.reduceat(moved_ah, firsts) / counts
    return total_ah - mean_ah, mean_v


def align(to_go_ah: FloatArray, reference_v: FloatArray, cell_v: FloatArray) -> Aligned | None:
    """Fit one cell; None where the fit does not settle or too little of it lies on the reference. z falls with time."""
    rising_ah, rising_v = to_go_ah[::-1], reference_v[::-1]
    slope: FloatArray = np.asarray(np.gradient(rising_v, rising_ah), dtype=np.float64)

    def around(at: FloatArray) -> Around | None:
        ratio, left_ah, offset_v = (float(one) for one in at)
        at_ah = ratio * (to_go_ah + left_ah)
        used = (at_ah >= rising_ah[0]) & (at_ah <= rising_ah[-1])
        if not 0.3 < ratio < 3.0 or np.count_nonzero(used) < USED_MIN * used.size:
            return None
        steep, z = np.interp(at_ah[used], rising_ah, slope), to_go_ah[used]
        missing = cell_v[used] - np.interp(at_ah[used], rising_ah, rising_v) - offset_v
        return np.column_stack((steep * (z + left_ah), steep * ratio, np.ones(z.size))), missing, z

    first = np.array((1.0, _first_left(rising_ah, rising_v, cell_v), 0.0))
    fit = _gauss_newton(around, first, np.array((1e-4, 1e-4 * float(rising_ah[-1]), np.inf)))
    if fit is None:
        return None
    (ratio, left_ah, offset_v), covariance, design, z = fit.at.tolist(), fit.covariance, fit.design, fit.z
    covariance = covariance[:2, :2] + _by_shape(design, z, WHOLE_REL * offset_v)
    return Aligned(ratio, left_ah, covariance)


Around = tuple[FloatArray, FloatArray, FloatArray]
"""(design, what is missing, Ah still to go) of the bins that are used, at some parameters."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    at: FloatArray
    covariance: FloatArray
    design: FloatArray
    z: FloatArray


def _gauss_newton(around: Callable[[FloatArray], Around | None], first: FloatArray, within: FloatArray) -> _Fit | None:
    """Least squares from a first guess; None where a round leaves the curve, or the last still moves by `within`."""
    at, fit, change = first, None, within
    for _ in range(ROUNDS):
        seen = around(at)
        if seen is None:
            return None
        design, missing, z = seen
        solved = _solve(design, missing)
        if solved is None:
            return None
        change, covariance = solved
        at = at + change
        fit = _Fit(at, covariance, design, z)
        if np.all(np.abs(change) < SETTLED * within):
            break
    return fit if np.all(np.abs(change) < within) else None


def _by_shape(design: FloatArray, z: FloatArray, offset_v: float) -> FloatArray:
    """Covariance by what is no constant in r: a resistance changes over the discharge, and rises at its end."""
    size_v = max(abs(offset_v), OFFSET_LEAST_V) / math.sqrt(3.0)
    whole_ah = max(float(z[0]), 1e-9)
    solve = np.asarray(np.linalg.pinv(design), dtype=np.float64)
    tilt = solve @ (size_v * (1.0 - 2.0 * z / whole_ah))
    rise = solve @ (size_v * np.exp(-z / (END_REL * whole_ah)))
    return np.outer(tilt[:2], tilt[:2]) + np.outer(rise[:2], rise[:2])


def _first_left(rising_ah: FloatArray, rising_v: FloatArray, cell_v: FloatArray) -> float:
    """Where the cell stands at the end, on the reference's curve."""
    falling = np.maximum.accumulate(rising_v)
    return float(np.interp(float(cell_v[-1]), falling, rising_ah)) - float(rising_ah[0])


def _solve(design: FloatArray, missing: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """(change of the parameters, their covariance); None where the curve cannot tell them apart (a straight line)."""
    scale = np.abs(design).max(axis=0)
    if float(scale.min()) < LEAST_SCALE:
        return None
    scaled = design / scale
    sizes = np.asarray(np.linalg.svd(scaled, compute_uv=False), dtype=np.float64)
    if float(sizes[-1]) < APART_REL * float(sizes[0]):
        return None
    solution = np.asarray(np.linalg.lstsq(scaled, missing, rcond=None)[0], dtype=np.float64)
    residual = missing - scaled @ solution
    variance = float(residual @ residual) / max(missing.size - design.shape[1], 1)
    # Neighbouring residuals are alike (shape, not noise): fewer of them count.
    alike = float(residual[1:] @ residual[:-1]) / max(float(residual @ residual), 1e-300)
    variance *= (1.0 + max(alike, 0.0)) / max(1.0 - max(alike, 0.0), 0.02)
    inverse = np.asarray(np.linalg.pinv(scaled.T @ scaled), dtype=np.float64) / np.outer(scale, scale)
    return solution / scale, variance * inverse


@dataclass(frozen=True, slots=True)
class Shifted:
    """One cell against the reference near one end."""

    shift_ah: float
    """How far it stands from that end when the reference is there."""
    standard_u_ah: float


def shift(to_go_ah: FloatArray, reference_v: FloatArray, cell_v: FloatArray, part: float) -> Shifted | None:
    """Fit v_i(z) = V_ref(z + s) + r over the last part of a step, for curves whose middle says nothing (LFP).

    `to_go_ah` falls with time to the step's end. The first guess is the best of a grid, since a knee has two sides.
    """
    near = to_go_ah <= part * float(to_go_ah[0])
    z, v = to_go_ah[near], cell_v[near]
    rising_ah, rising_v = to_go_ah[::-1], reference_v[::-1]
    slope: FloatArray = np.asarray(np.gradient(rising_v, rising_ah), dtype=np.float64)
    guesses = np.linspace(-0.02, SHIFT_MOST, GUESSES) * float(to_go_ah[0])
    tried = [_residual(z, v, guess, rising_ah, rising_v) for guess in guesses.tolist()]

    def around(at: FloatArray) -> Around | None:
        s_ah, offset_v = (float(one) for one in at)
        used = (z + s_ah >= rising_ah[0]) & (z + s_ah <= rising_ah[-1])
        if np.count_nonzero(used) < USED_MIN * used.size:
            return None
        steep = np.interp(z[used] + s_ah, rising_ah, slope)
        missing = v[used] - np.interp(z[used] + s_ah, rising_ah, rising_v) - offset_v
        return np.column_stack((steep, np.ones(steep.size))), missing, z[used]

    first = np.array((float(guesses[int(np.argmin(tried))]), 0.0))
    fit = _gauss_newton(around, first, np.array((1e-4 * float(rising_ah[-1]), np.inf)))
    if fit is None:
        return None
    s_ah, offset_v = fit.at.tolist()
    covariance = fit.covariance + _by_shape(fit.design, fit.z, END_SHAPE_REL * offset_v)
    by_ratio_ah = abs(s_ah) * RATIO_BOUND / math.sqrt(3.0)
    return Shifted(s_ah, math.hypot(math.sqrt(max(float(covariance[0, 0]), 0.0)), by_ratio_ah))


def _residual(z: FloatArray, v: FloatArray, guess_ah: float, at_ah: FloatArray, at_v: FloatArray) -> float:
    used = (z + guess_ah >= at_ah[0]) & (z + guess_ah <= at_ah[-1])
    if np.count_nonzero(used) < USED_MIN * used.size:
        return math.inf
    return float(np.var(v[used] - np.interp(z[used] + guess_ah, at_ah, at_v)))


def flat(to_go_ah: FloatArray, v: FloatArray) -> bool:
    """Whether the middle of a curve is too flat to say where on it a cell stands."""
    middle = (to_go_ah > 0.2 * to_go_ah[0]) & (to_go_ah < 0.8 * to_go_ah[0])
    return float(np.ptp(v[middle])) < FLAT_V


def relative_u(one: Aligned) -> float:
    """Standard uncertainty of the ratio, relative."""
    return math.hypot(math.sqrt(max(float(one.covariance[0, 0]), 0.0)) / one.ratio, MODEL_U_REL)
