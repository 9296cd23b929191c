"""What a report is made of: the result, the recorded columns, and who measured with what.

Owns the shape that the composition root fills in. Must not read files or the store; it exists so
that HTML, PDF and figures all draw from one frozen thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packbench.core.records import Row
from packbench.core.result import Result
from packbench.core.samples import FloatArray
from packbench.core.specs import Instrument, PackSpec
from packbench.report.content_second_life import SecondLife

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The recorded rows as columns, all of length n; NaN where there was no reading."""

    t_s: FloatArray
    """From the start of the run, ascending."""
    voltage_v: FloatArray
    current_a: FloatArray
    """Positive charges."""
    temperature_max_c: FloatArray
    cells_v: FloatArray
    """shape (n, series); series 0: no cell voltages were recorded."""
    step: IntArray
    """Index into the plan's steps, from 1."""
    cycle: IntArray

    def __post_init__(self) -> None:
        n = self.t_s.size
        lengths = {
            name: getattr(self, name).shape[0]
            for name in ("voltage_v", "current_a", "temperature_max_c", "cells_v", "step", "cycle")
        }
        wrong = {name: length for name, length in lengths.items() if length != n}
        if wrong or self.cells_v.ndim != 2:
            raise ValueError(f"columns must have {n} rows and cells_v two dimensions; found {wrong}")


@dataclass(frozen=True, slots=True, eq=False)
class ReportInputs:
    """Everything that a report shows."""

    result: Result
    rows: Columns
    instruments: tuple[Instrument, ...]
    profile_title_en: str
    profile_title_zh: str
    pack_title: str
    bench_title: str
    software_version: str
    pack: PackSpec | None = None
    """For the rated figures; None: not shown."""
    wall_seconds: float | None = None
    """Real time that the run took."""
    second_life: SecondLife | None = None
    """Grade, applications and value; None: not asked for, or not to be said of this result."""


def no_columns() -> Columns:
    """Columns of a record that has no time series (a work-step export)."""
    nothing = np.empty(0)
    index = np.empty(0, dtype=np.int64)
    return Columns(nothing, nothing, nothing, nothing, np.empty((0, 0)), index, index)


def columns_of(rows: Sequence[Row]) -> Columns:
    """Turn recorded rows into columns. Rows before the first BMS reading get NaN cells.

    The number of cells is that of the widest row; a row with fewer gets NaN for all of them, since
    nobody can say which cell is missing.
    """
    if not rows:
        return no_columns()
    series = max(row.cell_voltages_v.size for row in rows)
    cells_v = np.full((len(rows), series), np.nan)
    for position, row in enumerate(rows):
        if row.cell_voltages_v.size == series:
            cells_v[position] = row.cell_voltages_v
    return Columns(
        t_s=np.array([row.t_ns for row in rows], dtype=np.float64) * 1e-9,
        voltage_v=np.array([row.voltage_v for row in rows]),
        current_a=np.array([row.current_a for row in rows]),
        temperature_max_c=np.array([max(row.temperatures_c, default=float("nan")) for row in rows]),
        cells_v=cells_v,
        step=np.array([row.step for row in rows], dtype=np.int64),
        cycle=np.array([row.cycle for row in rows], dtype=np.int64),
    )
