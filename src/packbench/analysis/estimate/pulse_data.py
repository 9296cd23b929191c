"""Pulse tests of many cells as columns.

Owns the shape of what a model is trained on and asked about. Must not read files (`pulse_table` does).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packbench.core.samples import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PulseTests:
    """n pulse tests, one row each; several rows may be of one cell."""

    cells: NDArray[np.str_]
    """shape (n,): the physical cell."""
    voltages: FloatArray
    """shape (n, 21): U1 to U21, V."""
    capacity_ah: FloatArray
    """shape (n,): measured; NaN where the file states none."""
    nominal_ah: FloatArray
    """shape (n,); NaN where the file states none."""
    counted_soc: FloatArray
    """shape (n,): charge counted from empty over *nominal* capacity; NaN where not stated. Never a BMS's SOC."""
    material: NDArray[np.str_]
    """shape (n,): as the file has it, upper case; empty where it states none."""
    lines: NDArray[np.int64]
    """shape (n,): the row in the file, from 1."""

    def __len__(self) -> int:
        return self.cells.size

    @property
    def soh(self) -> FloatArray:
        """shape (n,): measured capacity over nominal."""
        return self.capacity_ah / self.nominal_ah

    def part(self, which: NDArray[np.bool_]) -> PulseTests:
        """Some of the rows."""
        return PulseTests(
            self.cells[which],
            self.voltages[which],
            self.capacity_ah[which],
            self.nominal_ah[which],
            self.counted_soc[which],
            self.material[which],
            self.lines[which],
        )
