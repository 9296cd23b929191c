"""Which cells look unlike the rest of their file.

Owns a robust comparison of each cell with the others at the same counted charge (at any, where the file states none).
Needs no model, so it also works on a chemistry that nobody has trained.
"""

from __future__ import annotations

import numpy as np

from packbench.analysis.estimate.domain import NAMES, summary
from packbench.analysis.estimate.pulse_data import PulseTests
from packbench.core.result import Note
from packbench.core.samples import FloatArray

CELLS_MIN = 6
"""Fewer cells have no rest to be unlike."""
SCORE_MIN = 5.0
"""Robust standard deviations (1.4826 MAD) from the median of the others, the median over the cell's tests."""
LEVEL_STEP = 0.05
MAD_TO_SD = 1.4826
LEAST = np.array((0.005, 0.08, 0.08, 0.08, 0.002, 0.1))
"""Differences smaller than these are not worth a name, however tight the rest: V, log, log, log, V/C, log."""


def unlike(tests: PulseTests) -> dict[str, tuple[Note, ...]]:
    """Cell to what is unusual about it; cells like the rest are absent."""
    names = np.unique(tests.cells)
    if names.size < CELLS_MIN:
        return {}
    offsets, scores = _scores(tests)
    told: dict[str, tuple[Note, ...]] = {}
    for name in names:
        own = tests.cells == name
        offset, score = np.median(offsets[own], axis=0), np.median(scores[own], axis=0)
        odd = np.flatnonzero((np.abs(score) >= SCORE_MIN) & (np.abs(offset) >= LEAST))
        if odd.size:
            told[str(name)] = tuple(_note(int(index), float(offset[index]), float(score[index])) for index in odd)
    return told


def _scores(tests: PulseTests) -> tuple[FloatArray, FloatArray]:
    """Distance from the median of the rest, and the same in robust standard deviations; each (n, 6)."""
    seen = summary(tests.voltages)
    known = np.isfinite(tests.counted_soc)
    level = np.where(known, np.round(np.where(known, tests.counted_soc, 0.0) / LEVEL_STEP), -1.0)
    offsets, scores = np.zeros_like(seen), np.zeros_like(seen)
    for one in np.unique(level):
        rows = np.flatnonzero(level == one)
        if np.unique(tests.cells[rows]).size < CELLS_MIN:
            continue
        offset = seen[rows] - np.median(seen[rows], axis=0)
        spread = MAD_TO_SD * np.median(np.abs(offset), axis=0)
        offsets[rows], scores[rows] = offset, offset / np.maximum(spread, 1e-9)
    if not known.all():
        offsets[:, 0] = scores[:, 0] = 0.0  # a rest voltage at an unknown charge says nothing
    return offsets, scores


def _note(index: int, offset: float, score: float) -> Note:
    en, zh, unit = NAMES[index]
    is_ratio = 1 <= index <= 3
    told = f"{np.expm1(offset) * 100.0:+.0f} %" if is_ratio else f"{offset:+.4g} {unit}"
    return Note(
        "unlike_rest",
        f"{en} {told} against the median of the rest ({abs(score):.1f} robust sd)",
        f"{zh}与其余电芯的中位数相差 {told}（{abs(score):.1f} 倍稳健标准差）",
    )
