"""SOH from pulses: a small stack of Gaussian processes, an interval that was calibrated on cells left out, a domain.

Owns training and asking. Must not read files, and must never be given a BMS's SOC: the second head takes the charge
counted from empty over nominal capacity, which somebody measured. What is kept of a model is its training tests and
a few numbers a process (`pulse_json`): all else follows from them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from packbench.analysis.estimate import gaussian
from packbench.analysis.estimate.conformal import factor
from packbench.analysis.estimate.domain import Domain, domain_of
from packbench.analysis.estimate.features import Kind, features
from packbench.analysis.estimate.gaussian import Process
from packbench.analysis.estimate.pulse_data import PulseTests
from packbench.core.samples import FloatArray

KINDS: tuple[Kind, ...] = ("log", "linear", "raw")
COVERAGE_P = 0.95
WEIGHT_STEPS = 4
CELLS_MIN = 8
"""Fewer physical cells than these train nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One question: with the counted charge, or without."""

    kinds: tuple[Kind, ...]
    processes: tuple[Process, ...]
    weights: tuple[float, ...]
    factor: float
    """The interval's half-width over the predicted standard deviation."""
    counted: bool

    def predict(self, voltages: FloatArray, counted_soc: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """SOH and the standard deviation that `factor` multiplies, each shape (n,)."""
        mean, sd = np.zeros(len(voltages)), np.zeros(len(voltages))
        for kind, process, weight in zip(self.kinds, self.processes, self.weights, strict=True):
            of_kind = process.predict(features(voltages, kind, counted_soc if self.counted else None).values)
            mean += weight * of_kind[0]
            sd += weight * of_kind[1]
        return mean, sd


@dataclass(frozen=True, slots=True, eq=False)
class PulseModel:
    """A trained model."""

    tests: PulseTests
    """What it was trained on."""
    free: Head
    """Nothing known but the 21 voltages."""
    counted: Head | None
    """The charge counted from empty known too; None: the training data did not state it."""
    domain: Domain

    @property
    def nominal_ah(self) -> float:
        """Of the type of cell it was trained on."""
        return float(np.median(self.tests.nominal_ah))


def train(tests: PulseTests, *, heads: tuple[bool, ...] = (False, True)) -> PulseModel:
    """Train on measured cells; every choice is made inside, by cells left out. `heads`: False free, True counted."""
    made: dict[bool, Head] = {}
    for counted in heads:
        if counted and not np.isfinite(tests.counted_soc).all():
            continue
        made[counted] = _train_head(tests, KINDS, counted=counted)
    cells = gaussian.cells_of(tests.cells)
    return PulseModel(tests, made.get(False) or made[True], made.get(True), domain_of(tests.voltages, cells))


def _train_head(tests: PulseTests, kinds: tuple[Kind, ...], *, counted: bool) -> Head:
    soc = tests.counted_soc if counted else None
    processes: list[Process] = []
    for kind in kinds:
        seen = features(tests.voltages, kind, soc)
        processes.append(gaussian.fit(seen.values, tests.soh, tests.cells, seen.groups))
    return _stacked(tests, kinds, tuple(processes), None, counted=counted)


def _stacked(
    tests: PulseTests,
    kinds: tuple[Kind, ...],
    processes: tuple[Process, ...],
    weights: tuple[float, ...] | None,
    *,
    counted: bool,
) -> Head:
    """Weigh the processes by what each says of cells left out, and calibrate the interval on the same."""
    cells = gaussian.cells_of(tests.cells)
    out = [process.left_out(cells) for process in processes]
    means, sds = np.array([mean for mean, _ in out]), np.array([sd for _, sd in out])
    if weights is None:
        weights = min(_weightings(len(processes)), key=lambda w: float(np.mean(np.abs(w @ means - tests.soh))))
    chosen = np.array(weights)
    scores = np.abs(chosen @ means - tests.soh) / (chosen @ sds)
    return Head(kinds, processes, tuple(weights), factor(scores, cells, COVERAGE_P), counted)


def rebuilt(
    tests: PulseTests, kinds: tuple[Kind, ...], thetas: list[FloatArray], weights: tuple[float, ...], *, counted: bool
) -> Head:
    """A head from the numbers that were written down."""
    processes: list[Process] = []
    for kind, theta in zip(kinds, thetas, strict=True):
        seen = features(tests.voltages, kind, tests.counted_soc if counted else None)
        processes.append(gaussian.fitted(seen.values, tests.soh, seen.groups, theta))
    return _stacked(tests, kinds, tuple(processes), weights, counted=counted)


def with_domain(tests: PulseTests, free: Head, counted: Head | None) -> PulseModel:
    """A model of heads that were rebuilt."""
    return PulseModel(tests, free, counted, domain_of(tests.voltages, gaussian.cells_of(tests.cells)))


def _weightings(count: int) -> Iterator[tuple[float, ...]]:
    """Every way to share 1 in quarters; the even share first, so that a tie keeps it."""
    yield (1.0 / count,) * count
    for shares in itertools.product(range(WEIGHT_STEPS + 1), repeat=count):
        if sum(shares) == WEIGHT_STEPS:
            yield tuple(share / WEIGHT_STEPS for share in shares)
