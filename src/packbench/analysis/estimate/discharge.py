"""Capacity from the beginning of a discharge from full, by way of a healthy sister of the type.

Owns what is learnt of the sister, what is refused, and the figures. At the top of the curve the voltage follows the
positive electrode; how much lithium is left behind in the negative one shows only where that one is not on a plateau.
So nothing is fitted: all sisters that ageing may have made are weighed (`posterior`), and where too many capacities
are as likely, there is no figure. Pure; `discharge_file` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from packbench.analysis.estimate.electrode import K_N, K_P, LEAD_N, LEAD_P, Q_LI, Q_N, Q_P, Pair, R
from packbench.analysis.estimate.electrode_fit import descended, fresh_prior
from packbench.analysis.estimate.from_rest import at_rest, capacities, voltages
from packbench.analysis.estimate.outcome import CellEstimate, Estimated, estimated
from packbench.analysis.estimate.posterior import Beginning, Known, Posterior, Sampler
from packbench.analysis.estimate.window import (
    COVERAGE_P,
    REFERENCE_MISFIT_MAX_V,
    SCALE_OFF_MAX,
    cells_refused,
    does_not_close,
    little_information,
    unfit,
    unknown_electrodes,
    unlike_rest,
    unlike_type,
)
from packbench.core.result import Note
from packbench.core.samples import FloatArray

SD_MAX = 0.035
"""Largest relative standard deviation that is told: a mean absolute error of 2.8 %, were all as wide."""
SLOPE_MIN_V = 0.003
"""A per cent of rated charge, median: flatter, it is a plateau (LFP). There a millivolt is a per cent, published curves
are not as right as that, and intervals held only 70 % of the cells that were tried."""
MODEL_MIN_V = 0.0005
MISFIT_FACTOR = 1.5
"""A sister may be missed by so many times what the equations missed of the reference."""
FULL_WITHIN_V = 0.05
"""Below full, a rest is not the beginning that was tried."""
RESTS_APART_V = 0.001
"""Cells whose rests are as close are asked of the same sisters."""
WEIGHED_V = 0.001
LEAST_LEAD = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Discharge:
    """From a rest, under a steady current."""

    hours: FloatArray
    """shape (n,): since the current began."""
    cells_v: FloatArray
    """shape (n, cells)."""
    rests_v: FloatArray
    """shape (cells,): of each before the current."""
    rate_c: float


@dataclass(frozen=True, slots=True, eq=False)
class Sister:
    """What a healthy one taught."""

    pair: Pair
    theta: FloatArray
    hours: FloatArray
    missed_v: FloatArray
    """What the equations miss of her, over `hours`."""
    misfit_v: float
    scale: float
    rate_c: float
    limits_v: tuple[float, float]


def learn_discharge(
    pairs: Sequence[Pair], course: Discharge, capacity: float, limits_v: tuple[float, float]
) -> Sister | tuple[Note, ...]:
    """The type behind a whole discharge of a healthy cell whose capacity (over rated) was measured; or why not."""
    voltage_v: FloatArray = np.median(course.cells_v, axis=1)
    rest_v = float(np.median(course.rests_v))
    found: list[tuple[float, FloatArray, FloatArray, Pair]] = []
    for pair in pairs:
        theta = _fitted(pair, course, voltage_v, rest_v)
        missed_v = voltage_v - voltages(pair, theta[None], course.hours, course.rate_c)[0]
        found.append((float(missed_v @ missed_v / missed_v.size) ** 0.5, theta, missed_v, pair))
    misfit_v, theta, missed_v, pair = min(found, key=lambda one: one[0])
    if not misfit_v <= REFERENCE_MISFIT_MAX_V:
        return (unknown_electrodes(misfit_v, pairs),)
    scale = capacity / float(capacities(pair, theta[None], *limits_v)[0])
    if abs(scale - 1.0) > SCALE_OFF_MAX:
        return (does_not_close(scale),)
    return Sister(pair, theta, course.hours, missed_v, misfit_v, scale, course.rate_c, limits_v)


def _fitted(pair: Pair, course: Discharge, voltage_v: FloatArray, rest_v: float) -> FloatArray:
    """The most likely electrodes of a healthy cell that rested at `rest_v`."""
    prior = fresh_prior(pair)
    free = [Q_N, Q_P, Q_LI, R, LEAD_N, LEAD_P, K_N, K_P]
    mean = prior.mean.copy()
    mean[[Q_N, Q_P, Q_LI]] = *np.log(pair.fresh[:2]), pair.fresh[2]

    def whole(part: FloatArray) -> FloatArray:
        theta = mean.copy()
        theta[free] = part
        theta[[LEAD_N, LEAD_P]] = np.abs(theta[[LEAD_N, LEAD_P]]) + LEAST_LEAD
        return at_rest(pair, theta[None], rest_v)[0]

    def residuals(part: FloatArray) -> FloatArray:
        left_v = voltages(pair, whole(part)[None], course.hours, course.rate_c)[0] - voltage_v
        return np.concatenate([left_v / WEIGHED_V, (part - mean[free]) / prior.sd[free]])

    _, part, _ = descended(residuals, mean[free])
    return whole(part)


def estimate_discharge(
    sister: Sister, window: Discharge, rated_ah: float
) -> tuple[tuple[CellEstimate, ...], CellEstimate, dict[str, Any]]:
    """Every cell's capacity, and the pack's when all cells have one."""
    refusals = [*unfit(float(window.hours[-1] * -window.rate_c), window.rate_c, sister.rate_c)]
    high_v = sister.limits_v[1]
    if float(window.rests_v.min()) < high_v - FULL_WITHIN_V:
        refusals.append(_not_full(float(window.rests_v.min()), high_v))
    odd = unlike_rest(window.cells_v)
    if refusals:
        whole = CellEstimate("pack", (), None, None, tuple(refusals))
        count = window.cells_v.shape[1]
        return tuple(CellEstimate(f"cell {n + 1}", (), None, None, (), odd.get(n, ())) for n in range(count)), whole, {}
    samplers: dict[int, Sampler] = {}
    found: list[Posterior] = []
    for number, rest_v in enumerate(window.rests_v.tolist()):
        level = round(rest_v / RESTS_APART_V)
        if level not in samplers:
            samplers[level] = _sampler(sister, window, level * RESTS_APART_V)
        found.append(samplers[level].of(window.cells_v[:, number]))
    cells = tuple(
        _cell(f"cell {n + 1}", one, sister, window, n, rated_ah, odd.get(n, ())) for n, one in enumerate(found)
    )
    details = {
        "electrodes": sister.pair.name,
        "reference_misfit_v": sister.misfit_v,
        "cells": [{"misfit_v": one.misfit_v, "relative_sd": one.sd / one.capacity} for one in found],
    }
    return cells, _pack(cells, found, rated_ah), details


def _sampler(sister: Sister, window: Discharge, rest_v: float) -> Sampler:
    missed_v = np.interp(window.hours, sister.hours, sister.missed_v)
    model_v = max(sister.misfit_v, MODEL_MIN_V)
    known = Known(sister.pair, sister.theta, missed_v, model_v, sister.scale)
    return Sampler(known, Beginning(window.hours, window.rate_c, rest_v, *sister.limits_v))


def _cell(
    name: str,
    found: Posterior,
    sister: Sister,
    window: Discharge,
    number: int,
    rated_ah: float,
    odd: tuple[Note, ...],
) -> CellEstimate:
    refusals: list[Note] = []
    most_v = MISFIT_FACTOR * max(sister.misfit_v, MODEL_MIN_V)
    if found.misfit_v > most_v:
        refusals.append(unlike_type(found.misfit_v, most_v))
    charge = window.hours * window.rate_c
    slope_v = float(np.median(np.abs(np.gradient(window.cells_v[:, number], charge)))) / 100.0
    if slope_v < SLOPE_MIN_V:
        refusals.append(_plateau(slope_v))
    if not (relative := found.sd / found.capacity) <= SD_MAX:
        refusals.append(little_information(relative, SD_MAX, charge, window.cells_v[:, number]))
    if refusals:
        return CellEstimate(name, (), None, None, tuple(refusals), odd)
    told = _figures(found.capacity, found.low, found.high, found.sd, rated_ah)
    return CellEstimate(name, (), *told, (), odd)


def _figures(value: float, low: float, high: float, sd: float, rated_ah: float) -> tuple[Estimated, Estimated]:
    scaled = [one * rated_ah for one in (value, low, high, sd)]
    ah = estimated(scaled[0], scaled[1], scaled[2], scaled[3], COVERAGE_P, "Ah")
    return ah, estimated(value, low, high, sd, COVERAGE_P, "1")


def _pack(cells: Sequence[CellEstimate], found: Sequence[Posterior], rated_ah: float) -> CellEstimate:
    """Cells in series as they are balanced: from the first one empty to the first one full."""
    if (refused := cells_refused(cells)) is not None:
        return CellEstimate("pack", (), None, None, (refused,))
    first = min(found, key=lambda one: one.below)
    value = first.below + min(one.capacity - one.below for one in found)
    off = value - first.capacity
    return CellEstimate("pack", (), *_figures(value, first.low + off, first.high + off, first.sd, rated_ah))


def _not_full(rest_v: float, high_v: float) -> Note:
    return Note(
        "not_full",
        f"the discharge began at a rest of {rest_v:.3f} V a cell; full is {high_v:.3f} V, {FULL_WITHIN_V * 1e3:.0f} mV "
        "below is the least",
        f"放电开始前的静置电压为 {rest_v:.3f} V，满电为 {high_v:.3f} V，最多允许低 {FULL_WITHIN_V * 1e3:.0f} mV",
    )


def _plateau(slope_v: float) -> Note:
    told = f"{slope_v * 1e3:.1f} mV", f"{SLOPE_MIN_V * 1e3:.0f} mV"
    return Note(
        "plateau",
        f"the voltage is on a plateau: {told[0]} a per cent of rated charge, {told[1]} is the least; no curve of "
        "electrodes is right to the millivolt that a per cent of capacity is there",
        f"电压处于平台区：每 1 % 额定电量变化 {told[0]}，至少需要 {told[1]}；电极曲线达不到所需的毫伏级精度",
    )
