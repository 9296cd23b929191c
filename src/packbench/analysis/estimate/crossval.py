"""How good training is on cells it has not seen: nested cross-validation by physical cell.

Owns the folds, the baseline (ridge on U1..U21, its penalty chosen inside) and the table's figures. Every choice that
training makes is made anew inside each fold; a cell's rows are all inside or all outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packbench.analysis.estimate import gaussian
from packbench.analysis.estimate.gaussian import Cells
from packbench.analysis.estimate.pulse_data import PulseTests
from packbench.analysis.estimate.pulse_model import train
from packbench.core.samples import FloatArray

FOLDS = 5
PENALTIES = tuple(10.0**power for power in np.arange(-5.0, 3.5, 0.5))


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What was said of each row by a training that had not seen its cell; each shape (n,)."""

    soh: FloatArray
    half_width: FloatArray
    refused: NDArray[np.bool_]


def folds(cells: NDArray[np.str_], seed: int, count: int = FOLDS) -> Iterator[NDArray[np.bool_]]:
    """Masks of the rows left out."""
    names = np.unique(cells)
    np.random.default_rng(seed).shuffle(names)
    for fold in range(min(count, names.size)):
        yield np.isin(cells, names[fold::count])


def nested(tests: PulseTests, seed: int, *, counted: bool) -> Held:
    """The model's own training inside each fold."""
    soh, half, refused = np.empty(len(tests)), np.empty(len(tests)), np.zeros(len(tests), dtype=bool)
    for out in folds(tests.cells, seed):
        model = train(tests.part(~out), heads=(counted,))
        head = model.counted if counted else model.free
        assert head is not None, "counted charge is asked for where the data state none"
        asked = tests.part(out)
        soh[out], sd = head.predict(asked.voltages, asked.counted_soc)
        half[out] = head.factor * sd
        refused[out] = [bool(model.domain.refusals(row)) for row in asked.voltages]
    return Held(soh, half, refused)


def ridge(tests: PulseTests, seed: int) -> FloatArray:
    """The baseline: standardised U1..U21, the penalty by cells left out inside."""
    said = np.empty(len(tests))
    for out in folds(tests.cells, seed):
        inside, asked = tests.part(~out), tests.part(out)
        said[out] = _ridge(inside.voltages, inside.soh, gaussian.cells_of(inside.cells), asked.voltages)
    return said


def rest_voltage_alone(tests: PulseTests, seed: int, *, counted: bool) -> FloatArray:
    """The same process on U1 (and the counted charge) without any pulse: what the pulses add is the difference."""
    said = np.empty(len(tests))
    x = np.column_stack([tests.voltages[:, 0], tests.counted_soc]) if counted else tests.voltages[:, :1]
    groups = ((0,), (1,)) if counted else ((0,),)
    for out in folds(tests.cells, seed):
        process = gaussian.fit(x[~out], tests.soh[~out], tests.cells[~out], groups)
        said[out] = process.predict(x[out])[0]
    return said


def _ridge(x: FloatArray, y: FloatArray, cells: Cells, asked: FloatArray) -> FloatArray:
    centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-12)
    u, d, vt = np.linalg.svd((x - centre) / spread, full_matrices=False)
    t = y - y.mean()

    def left_out(penalty: float) -> float:
        hat = (u * (d * d / (d * d + penalty))) @ u.T + 1.0 / t.size
        residual = t - hat @ t
        errors: list[FloatArray] = [
            np.linalg.solve(np.eye(rows.size) - hat[np.ix_(rows, rows)], residual[rows]) for rows in cells
        ]
        return float(np.mean(np.abs(np.concatenate(errors))))

    penalty = min(PENALTIES, key=left_out)
    coefficients = vt.T @ ((d / (d * d + penalty)) * (u.T @ t))
    return (asked - centre) / spread @ coefficients + y.mean()
