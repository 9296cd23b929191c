"""Capacity from a piece of a charge: the electrodes behind it, by way of a healthy sister of the type.

Owns what is asked of the data, what is refused, and what the cells' figures make of the pack. A piece of voltage
alone does not say what the rest of the curve is; the open-circuit curves of known electrodes do, once a whole course
of one healthy cell or pack *of the same type* has shown which electrodes these are and how fast they are. What is left
open then is the balance of the aged cell: both electrodes' capacities and the lithium between them. The fit says how
far the window pins that down, and where it does not (a plateau), there is no figure. Pure; `window_file` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from packbench.analysis.estimate.electrode import Q_N, X_START, Pair
from packbench.analysis.estimate.electrode_fit import Fitted, Stretch, aged_prior, fit, fresh_prior
from packbench.analysis.estimate.outcome import CellEstimate, Estimated, estimated
from packbench.core.result import Note
from packbench.core.samples import FloatArray

COVERAGE_P = 0.95
COVERAGE_K = 2.0
SD_MAX = 0.025
"""Largest relative standard deviation that is told."""
MISFIT_MAX_V = 0.001
REFERENCE_MISFIT_MAX_V = 0.002
"""A reference that no pair of electrodes explains to this is of another kind of cell."""
SCALE_OFF_MAX = 0.025
"""Between what the reference's electrodes hold and what was measured of it: more, and they are not its electrodes."""
RATE_FACTOR_MAX = 1.25
"""Between the window's current and the reference's: what was learnt of the kinetics holds near its own current."""
CHARGE_MIN = 0.12
"""Of rated: a shorter window is not even tried."""
CORRECTION_WIDTH = 0.006
CHARGE_STARTS = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85)
REFERENCE_STARTS = (0.003, 0.01, 0.02, 0.05, 0.1)
ODD_SCORE, ODD_V, ODD_CELLS_MIN = 5.0, 0.003, 6
MAD_TO_SD = 1.4826


@dataclass(frozen=True, slots=True, eq=False)
class Type:
    """What a reference taught of a type of cell."""

    pair: Pair
    theta: FloatArray
    rate_c: float
    misfit_v: float
    scale: float
    """Measured capacity of the reference over what its electrodes say between the limits at rest."""
    limits_v: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A piece of a course: the same charges for all cells."""

    charge: FloatArray
    """shape (n,): since the window's start, over rated capacity; signed."""
    cells_v: FloatArray
    """shape (n, cells)."""
    rate_c: float


def learn(
    pairs: Sequence[Pair], course: Stretch, capacity: float, limits_v: tuple[float, float]
) -> Type | tuple[Note, ...]:
    """The type behind a whole course of a healthy cell whose capacity (over rated) was measured; or why not."""
    fits: list[tuple[Fitted, Pair]] = []
    for pair in pairs:
        prior = fresh_prior(pair)
        starts = [_at(prior.mean, x) for x in REFERENCE_STARTS]
        fits.append((fit(pair, course, limits_v, prior, starts, noise_v=0.001, model_v=0.001), pair))
    best, pair = min(fits, key=lambda one: one[0].misfit_v)
    if best.misfit_v > REFERENCE_MISFIT_MAX_V:
        return (unknown_electrodes(best.misfit_v, pairs),)
    x = best.theta[X_START] + course.charge / np.exp(best.theta[Q_N])
    left = course.voltage_v - pair.voltage(best.theta, course.charge, course.rate_c)
    order = np.argsort(x)
    x, left = x[order], left[order]
    near = np.exp(-0.5 * ((x[:, None] - x[None]) / CORRECTION_WIDTH) ** 2)
    corrected = replace(pair, correction=(x, near @ left / near.sum(axis=1)))
    scale = capacity / corrected.capacity(best.theta, *limits_v)
    if abs(scale - 1.0) > SCALE_OFF_MAX:
        return (does_not_close(scale),)
    return Type(corrected, best.theta, course.rate_c, best.misfit_v, scale, limits_v)


def unknown_electrodes(misfit_v: float, pairs: Sequence[Pair]) -> Note:
    """No known electrodes explain a reference."""
    told = f"{misfit_v * 1000.0:.1f} mV", f"{REFERENCE_MISFIT_MAX_V * 1000.0:.0f} mV"
    names = ", ".join(pair.name for pair in pairs)
    return Note(
        "unknown_electrodes",
        f"no known pair of electrodes ({names}) explains the reference: {told[0]} rms are left, {told[1]} is the most",
        f"已知的电极组合（{names}）都不能解释参考过程：残差 {told[0]}（均方根），上限 {told[1]}",
    )


def does_not_close(scale: float) -> Note:
    """A reference's electrodes hold another capacity than was measured."""
    told = f"{scale - 1.0:+.1%}", f"{SCALE_OFF_MAX:.1%}"
    return Note(
        "reference_does_not_close",
        f"what was measured of the reference differs by {told[0]} from what its electrodes hold; {told[1]} is "
        "the most: not a whole course, not this capacity, or other electrodes",
        f"参考电芯的实测容量与其电极模型相差 {told[0]}，上限 {told[1]}：过程不完整、容量有误，或电极不同",
    )


def estimate_window(
    kind: Type, window: Window, rated_ah: float
) -> tuple[tuple[CellEstimate, ...], CellEstimate, dict[str, Any]]:
    """Every cell's capacity, and the pack's when all cells have one."""
    refusals = unfit(float(np.max(np.abs(window.charge))), window.rate_c, kind.rate_c)
    count = window.cells_v.shape[1]
    odd = unlike_rest(window.cells_v)
    if refusals:
        cells = tuple(CellEstimate(f"cell {n + 1}", (), None, None, (), odd.get(n, ())) for n in range(count))
        return cells, CellEstimate("pack", (), None, None, refusals), {}
    first: Fitted | None = None
    fits: list[Fitted] = []
    order = np.argsort(np.abs(window.cells_v.mean(axis=0) - np.median(window.cells_v.mean(axis=0))))
    found: dict[int, Fitted] = {}
    for number in order.tolist():
        found[number] = _fitted(kind, window, window.cells_v[:, number], first)
        first = first or found[number]
    fits = [found[number] for number in range(count)]
    cells = tuple(
        _cell(f"cell {number + 1}", one, kind, window, rated_ah, odd.get(number, ())) for number, one in enumerate(fits)
    )
    details = {
        "electrodes": kind.pair.name,
        "reference_misfit_v": kind.misfit_v,
        "cells": [{"misfit_v": one.misfit_v, "relative_sd": one.sd / one.capacity} for one in fits],
    }
    return cells, _pack(cells, fits, kind, rated_ah), details


def _at(theta: FloatArray, x_start: float) -> FloatArray:
    moved = theta.copy()
    moved[X_START] = x_start
    return moved


def _fitted(kind: Type, window: Window, voltage_v: FloatArray, near: Fitted | None) -> Fitted:
    """One cell; from everywhere, or also from where another cell of the pack was found."""
    prior = aged_prior(kind.theta)
    stretch = Stretch(window.charge, voltage_v, window.rate_c)
    everywhere = [_at(prior.mean, x) for x in CHARGE_STARTS]
    if near is not None:
        beside = [_at(near.theta, near.theta[X_START] + offset) for offset in (0.0, -0.08, 0.08)]
        found = fit(kind.pair, stretch, kind.limits_v, prior, [*beside, everywhere[len(everywhere) // 2]])
        if found.misfit_v <= MISFIT_MAX_V:
            return found
    return fit(kind.pair, stretch, kind.limits_v, prior, everywhere)


def unfit(moved: float, rate_c: float, reference_c: float) -> tuple[Note, ...]:
    """What makes a window useless before it is fitted."""
    found: list[Note] = []
    if moved < CHARGE_MIN:
        found.append(
            Note(
                "short_window",
                f"only {moved:.0%} of the rated capacity was moved; {CHARGE_MIN:.0%} is the least",
                f"只充放了额定容量的 {moved:.0%}，至少需要 {CHARGE_MIN:.0%}",
            )
        )
    ratio = rate_c / reference_c
    if not 1.0 / RATE_FACTOR_MAX <= ratio <= RATE_FACTOR_MAX:
        told = f"{rate_c:+.2f} C", f"{reference_c:+.2f} C"
        found.append(
            Note(
                "other_current",
                f"the current is {told[0]}, the reference's {told[1]}: what the reference taught holds near its own",
                f"电流为 {told[0]}，参考过程为 {told[1]}：由参考过程得到的参数只在相近电流下有效",
            )
        )
    return tuple(found)


def _cell(
    name: str, fitted: Fitted, kind: Type, window: Window, rated_ah: float, odd: tuple[Note, ...]
) -> CellEstimate:
    refusals: list[Note] = []
    relative = fitted.sd / fitted.capacity
    if fitted.misfit_v > MISFIT_MAX_V:
        refusals.append(unlike_type(fitted.misfit_v, MISFIT_MAX_V))
    if not relative <= SD_MAX:
        refusals.append(little_information(relative, SD_MAX, window.charge, window.cells_v.mean(axis=1)))
    if refusals:
        return CellEstimate(name, (), None, None, tuple(refusals), odd)
    return CellEstimate(name, (), *_figures(fitted.capacity * kind.scale, fitted.sd * kind.scale, rated_ah), (), odd)


def unlike_type(misfit_v: float, most_v: float) -> Note:
    """No aged sister explains a voltage."""
    told = f"{misfit_v * 1000.0:.1f} mV", f"{most_v * 1000.0:.1f} mV"
    return Note(
        "unlike_type",
        f"an aged sister of the reference does not explain this voltage: {told[0]} rms are left, {told[1]} is the most",
        f"参考电芯老化后的模型不能解释该电压：残差 {told[0]}（均方根），上限 {told[1]}",
    )


def little_information(relative: float, most: float, charge: FloatArray, voltage_v: FloatArray) -> Note:
    """Too many capacities are as likely."""
    slope = float(np.median(np.abs(np.gradient(voltage_v, np.abs(charge))))) * 10.0
    return Note(
        "little_information",
        f"the window says too little (a plateau, or no feature of the electrodes in it): relative standard "
        f"deviation {relative:.1%}, {most:.1%} is the most; slope {slope:.1f} mV a per cent of rated charge",
        f"该区间信息不足（平台区，或没有电极特征）：相对标准差 {relative:.1%}，上限 {most:.1%}；"
        f"斜率中位数为每 1 % 电量 {slope:.1f} mV",
    )


def _figures(value: float, sd: float, rated_ah: float) -> tuple[Estimated, Estimated]:
    low, high = value - COVERAGE_K * sd, value + COVERAGE_K * sd
    ah = estimated(value * rated_ah, low * rated_ah, high * rated_ah, sd * rated_ah, COVERAGE_P, "Ah")
    return ah, estimated(value, low, high, sd, COVERAGE_P, "1")


def _pack(cells: Sequence[CellEstimate], fits: Sequence[Fitted], kind: Type, rated_ah: float) -> CellEstimate:
    """Cells in series as they are balanced: from the first one empty to the first one full."""
    if (refused := cells_refused(cells)) is not None:
        return CellEstimate("pack", (), None, None, (refused,))
    below: list[float] = []
    above: list[float] = []
    for one in fits:
        empty, full = kind.pair.ends(one.theta, *kind.limits_v)
        width = float(np.exp(one.theta[Q_N]))
        below.append((one.theta[X_START] - empty) * width)
        above.append((full - one.theta[X_START]) * width)
    limiting = {int(np.argmin(below)), int(np.argmin(above))}
    value = (min(below) + min(above)) * kind.scale
    sd = max(fits[number].sd for number in limiting) * kind.scale
    return CellEstimate("pack", (), *_figures(value, sd, rated_ah))


def cells_refused(cells: Sequence[CellEstimate]) -> Note | None:
    """Why the pack has no figure: some cells have none."""
    refused = [cell.name for cell in cells if cell.capacity_ah is None]
    if not refused:
        return None
    listed = ", ".join(refused[:5])
    why = next(cell.refusals for cell in cells if cell.refusals)
    return Note(
        "cells_refused",
        f"{len(refused)} of {len(cells)} cells have no figure ({listed}): {why[0].text_en}",
        f"{len(cells)} 个电芯中有 {len(refused)} 个没有结果（{listed}）：{why[0].text_zh}",
    )


def unlike_rest(cells_v: FloatArray) -> dict[int, tuple[Note, ...]]:
    """Cells whose voltage is, or rises, unlike the rest's."""
    if cells_v.shape[1] < ODD_CELLS_MIN:
        return {}
    told: dict[int, tuple[Note, ...]] = {}
    looked = (
        ("level", "平均电压", cells_v.mean(axis=0), "mean voltage"),
        ("rise", "电压变化", cells_v[-1] - cells_v[0], "change of voltage"),
    )
    for key, zh, values, en in looked:
        offset = values - np.median(values)
        spread = MAD_TO_SD * float(np.median(np.abs(offset)))
        for number in np.flatnonzero((np.abs(offset) > ODD_V) & (np.abs(offset) > ODD_SCORE * spread)).tolist():
            mv = f"{offset[number] * 1000.0:+.1f} mV"
            note = Note(f"unlike_rest_{key}", f"{en} {mv} against the median cell", f"{zh}与中位电芯相差 {mv}")
            told[number] = (*told.get(number, ()), note)
    return told
