"""Whether a model may say anything about a pulse test.

Owns the bounds of what was seen in training, the distance to the nearest cell seen, and the sentence
of a refusal. A model that answers outside what it has seen does worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packbench.analysis.estimate.features import FLOOR_V, responses
from packbench.analysis.estimate.gaussian import Cells
from packbench.core.result import Note
from packbench.core.samples import FloatArray

NEAR_P = 0.98
"""Share of the training rows, each with its own cell left out, that set how far is near."""
NEAR_FACTOR = 1.5
MARGIN = 0.15
"""Of the range seen: how far beyond it a single quantity may lie."""
NAMES = (
    ("rest voltage U1", "静置电压 U1", "V"),
    ("instantaneous response", "瞬时响应", "V/C"),
    ("5 s polarisation", "5 s 极化", "V/C"),
    ("response to switching off", "断流响应", "V/C"),
    ("remainder after the rest", "静置后残余", "V/C"),
    ("asymmetry of charge and discharge", "充放电不对称", "1"),
)


def summary(voltages: FloatArray) -> FloatArray:
    """The six quantities that place a test, shape (n, 6): rest voltage, mean log responses, remainder, asymmetry."""
    seen = responses(voltages)
    logs = [np.log(np.maximum(part.mean(axis=1), FLOOR_V)) for part in (seen.instant, seen.polarisation, seen.release)]
    sides = np.maximum(seen.polarisation, FLOOR_V)
    asymmetry = np.log(sides[:, 1] * sides[:, 3]) - np.log(sides[:, 0] * sides[:, 2])
    return np.column_stack([seen.rest_v, *logs, seen.remaining.mean(axis=1), asymmetry])


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """What was seen."""

    rows: FloatArray
    """shape (n, 6): of the training tests."""
    scale: FloatArray
    near: float
    """Largest distance to the nearest seen test that counts as near."""

    def refusals(self, voltages: FloatArray) -> tuple[Note, ...]:
        """Why one test, U1 to U21, is out of the domain; empty: it is in."""
        asked = summary(voltages[None])[0]
        low, high = self.rows.min(axis=0), self.rows.max(axis=0)
        margin = MARGIN * (high - low)
        beyond = [i for i in range(asked.size) if not low[i] - margin[i] <= asked[i] <= high[i] + margin[i]]
        if beyond:
            return tuple(
                _outside(index, float(asked[index]), float(low[index]), float(high[index])) for index in beyond
            )
        gaps = (self.rows - asked) / self.scale
        distances = np.sqrt(np.mean(gaps**2, axis=1))
        nearest = int(np.argmin(distances))
        if distances[nearest] <= self.near:
            return ()
        en, zh, _ = NAMES[int(np.argmax(np.abs(gaps[nearest])))]
        return (
            Note(
                "unlike_training",
                f"no cell of the training data is like this one: {distances[nearest]:.2f} from the nearest, "
                f"{self.near:.2f} is the most; it differs most in {en}",
                f"训练数据中没有与之相近的电芯：最近距离 {distances[nearest]:.2f}，上限 {self.near:.2f}；"
                f"差别最大的是{zh}",
            ),
        )


def domain_of(voltages: FloatArray, cells: Cells) -> Domain:
    """The domain of training tests."""
    rows = summary(voltages)
    scale = np.maximum(rows.std(axis=0), 1e-9)
    z = rows / scale
    nearest = np.empty(len(z))
    for own in cells:
        others = np.ones(len(z), dtype=bool)
        others[own] = False
        gaps = z[own][:, None] - z[others][None]
        nearest[own] = np.sqrt(np.mean(gaps**2, axis=2)).min(axis=1)
    return Domain(rows, scale, NEAR_FACTOR * float(np.quantile(nearest, NEAR_P)))


def _outside(index: int, asked: float, low: float, high: float) -> Note:
    en, zh, unit = NAMES[index]
    if 1 <= index <= 3:
        asked, low, high = float(np.exp(asked)), float(np.exp(low)), float(np.exp(high))
    span = f"{low:.4g} to {high:.4g} {unit}"
    return Note(
        "outside_training",
        f"{en} is {asked:.4g} {unit}; the training data have {span}",
        f"{zh}为 {asked:.4g} {unit}，训练数据的范围是 {low:.4g} 至 {high:.4g} {unit}",
    )
