"""Recorded samples as numpy columns, and the few things every analysis asks of them.

Owns the column form of a run: one array a quantity, row by row as recorded. Must not interpolate
over gaps, and must not know of capacity or verdicts. It exists so that an analysis is a function
of arrays, whether the rows came from our store, a BDF file or a test. Positive current charges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packbench.core.records import Row
from packbench.core.samples import FloatArray

IntArray = NDArray[np.int64]
SECONDS_PER_HOUR = 3600.0
EDGE_S = 1e-6
"""Instants closer than this are the same instant (records are in integer nanoseconds)."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleTable:
    """Recorded samples, n rows in the order of time."""

    t_s: FloatArray
    """shape (n,): seconds from the start of the run, never falling."""
    voltage_v: FloatArray
    """shape (n,): at the pack's terminals."""
    current_a: FloatArray
    """shape (n,): positive charges."""
    cell_voltages_v: FloatArray
    """shape (n, series); (n, 0) when no cell was recorded."""
    temperatures_c: FloatArray
    """shape (n, sensors); (n, 0) when none was recorded."""
    step: IntArray
    """shape (n,): index into the plan's steps, from 1."""
    cycle: IntArray
    """shape (n,), from 1."""
    gaps_s: tuple[tuple[float, float], ...] = ()
    """Stretches without data, (from, to) in seconds from the start of the run: what flowed in them was not seen."""

    def __len__(self) -> int:
        return self.t_s.size

    def part(self, which: slice | NDArray[np.bool_]) -> SampleTable:
        """Some of the rows: views for a slice, copies for a mask of shape (n,)."""
        return SampleTable(
            self.t_s[which],
            self.voltage_v[which],
            self.current_a[which],
            self.cell_voltages_v[which],
            self.temperatures_c[which],
            self.step[which],
            self.cycle[which],
            self.gaps_s,
        )

    @property
    def metered_s(self) -> FloatArray:
        """shape (n,): the rows' instants on a time that stands still in gaps: what integrals are taken over."""
        return self.metered(self.t_s)

    def metered(self, t_s: FloatArray) -> FloatArray:
        """Instants on that time, shape as given."""
        unseen_s = [np.clip(t_s - from_s, 0.0, to_s - from_s) for from_s, to_s in self.gaps_s]
        return t_s - sum(unseen_s) if unseen_s else t_s

    def between(self, started_s: float, ended_s: float) -> SampleTable:
        """The rows of a closed interval of time (views, not copies)."""
        low = int(np.searchsorted(self.t_s, started_s - EDGE_S, side="left"))
        high = int(np.searchsorted(self.t_s, ended_s + EDGE_S, side="right"))
        return self.part(slice(low, high))

    def of_step(self, step: int, started_s: float, ended_s: float) -> SampleTable:
        """The rows of one executed step: in its time, and marked with its index."""
        rows = self.between(started_s, ended_s)
        return rows.part(rows.step == step)


def table_from_rows(rows: Sequence[Row]) -> SampleTable:
    """Columns from recorded rows. Rows without cells get NaN where others have them."""
    series = max((row.cell_voltages_v.size for row in rows), default=0)
    sensors = max((len(row.temperatures_c) for row in rows), default=0)
    cells = np.full((len(rows), series), np.nan)
    temperatures = np.full((len(rows), sensors), np.nan)
    for index, row in enumerate(rows):
        cells[index, : row.cell_voltages_v.size] = row.cell_voltages_v
        temperatures[index, : len(row.temperatures_c)] = row.temperatures_c
    return SampleTable(
        np.array([row.t_ns for row in rows], dtype=np.float64) / 1e9,
        np.array([row.voltage_v for row in rows], dtype=np.float64),
        np.array([row.current_a for row in rows], dtype=np.float64),
        cells,
        temperatures,
        np.array([row.step for row in rows], dtype=np.int64),
        np.array([row.cycle for row in rows], dtype=np.int64),
    )


def trapezoid(t_s: FloatArray, values: FloatArray) -> float:
    """Integral over time by trapezoids on the samples' own instants, in (unit of values) x s."""
    return 0.0 if t_s.size < 2 else float(np.trapezoid(values, t_s))


def charge_ah(rows: SampleTable, started_s: float, ended_s: float) -> float:
    """Signed charge of a step from its stored samples alone; the ends are held to the nearest row."""
    return _held_integral(rows, rows.current_a, started_s, ended_s) / SECONDS_PER_HOUR


def energy_wh(rows: SampleTable, started_s: float, ended_s: float) -> float:
    """Signed energy of a step from its stored samples alone."""
    return _held_integral(rows, rows.current_a * rows.voltage_v, started_s, ended_s) / SECONDS_PER_HOUR


def cumulative_ah(rows: SampleTable) -> FloatArray:
    """shape (n,): signed charge from the first row on, by trapezoids."""
    total = np.zeros(len(rows))
    if len(rows) > 1:
        parts = 0.5 * (rows.current_a[1:] + rows.current_a[:-1]) * np.diff(rows.metered_s)
        np.cumsum(parts / SECONDS_PER_HOUR, out=total[1:])
    return total


def _held_integral(rows: SampleTable, values: FloatArray, started_s: float, ended_s: float) -> float:
    t_s = rows.metered_s
    if t_s.size == 0:
        return 0.0
    began_s, over_s = rows.metered(np.array((started_s, ended_s))).tolist()
    head = float(values[0]) * max(float(t_s[0]) - began_s, 0.0)
    tail = float(values[-1]) * max(over_s - float(t_s[-1]), 0.0)
    return head + trapezoid(t_s, values) + tail
