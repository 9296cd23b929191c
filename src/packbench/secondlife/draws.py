"""The dice of a second-life estimate: one stream for each input, by its name, from one seed.

Owns the drawing alone. An input's draws depend on seed, count and name, and on no other input: a file that gains an
input changes nobody else's draws, and two packs that are compared meet the same luck. Must not read a clock or an
entropy of the machine.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from packbench.core.samples import FloatArray

SEED: Final = 1
COUNT: Final = 10_000
COUNT_MIN: Final = 100
COUNT_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Draws:
    """A seed and how many draws there are."""

    seed: int
    count: int

    def uniform(self, name: str) -> FloatArray:
        """Probabilities in (0, 1), one in each of `count` equal strata, in random order (Latin hypercube)."""
        generator = self._generator(name)
        return (generator.permutation(self.count) + generator.random(self.count)) / self.count

    def student(self, name: str, dof: float | None) -> FloatArray:
        """Student's t; None: the normal distribution."""
        generator = self._generator(name)
        return generator.standard_normal(self.count) if dof is None else generator.standard_t(dof, self.count)

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode("utf-8"))])


def quantiles(values: FloatArray, *probabilities: float) -> tuple[float, ...]:
    """Quantiles of the draws, linear between neighbours."""
    return tuple(float(value) for value in np.quantile(values, probabilities))
