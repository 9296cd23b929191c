"""What of a table is a stretch of steady current, and what it moved: shared by windows and discharges.

Owns finding it. Must not judge it.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from packbench.analysis.table import SampleTable
from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray
from packbench.core.specs import PackSpec

STEADY_REL = 0.02
"""How far the current may be from its median to be steady."""
ROWS_MIN = 20


def steady(path: Path, table: SampleTable) -> tuple[slice, float, bool]:
    """The longest stretch of steady current, its current, and whether it began within the file."""
    current = table.current_a
    largest = float(np.max(np.abs(current)))
    flows = np.abs(current) > 0.05 * largest
    if not flows.any():
        raise InputError(
            Problem("no current flows", file=str(path), field="Current / A", expected="a charge or discharge")
        )
    best = slice(0, 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (flows * np.sign(current)).astype(np.int64), [0]])))
    for low, high in itertools.pairwise(edges.tolist()):
        if not flows[low]:
            continue
        # Not the median: a constant voltage may last longer than the constant current before it.
        middle = float(np.quantile(np.abs(current[low:high]), 0.8) * np.sign(current[low]))
        steady = np.abs(current[low:high] - middle) <= STEADY_REL * abs(middle)
        marks = np.flatnonzero(np.diff(np.concatenate([[False], steady, [False]]).astype(np.int64)))
        for start, end in zip(marks[::2], marks[1::2], strict=True):
            if end - start > best.stop - best.start:
                best = slice(int(low + start), int(low + end))
    if best.stop - best.start < ROWS_MIN:
        found, expected = f"{best.stop - best.start} rows", f"at least {ROWS_MIN} rows of one current"
        raise InputError(
            Problem("no steady current", file=str(path), field="Current / A", found=found, expected=expected)
        )
    for gap_from, gap_to in table.gaps_s:
        if gap_from < table.t_s[best][-1] and gap_to > table.t_s[best][0]:
            raise InputError(Problem("a gap in the window", file=str(path), found=f"at {gap_from:.0f} s"))
    return best, float(np.median(current[best])), best.start > 0


def moved(table: SampleTable, rows: slice, rated_ah: float) -> FloatArray:
    """Charge since the stretch's first row, over rated capacity, signed; from the samples' own current."""
    t_s, current = table.t_s[rows], table.current_a[rows]
    parts = 0.5 * (current[1:] + current[:-1]) * np.diff(t_s)
    return np.concatenate([[0.0], np.cumsum(parts)]) / 3600.0 / rated_ah


def cells_of(path: Path, table: SampleTable, pack: PackSpec) -> FloatArray:
    """Voltages of the cells; without them, the pack's over its cells in series, as one."""
    cells = table.cell_voltages_v
    if not cells.shape[1]:
        return table.voltage_v[:, None] / pack.series
    if cells.shape[1] != pack.series:
        found, expected = f"{cells.shape[1]} cells", f"{pack.series}, as the pack has in series"
        raise InputError(Problem("another number of cells", file=str(path), found=found, expected=expected))
    return cells


def averaged(moved: FloatArray, voltage_v: FloatArray, edges: FloatArray) -> FloatArray:
    """Mean voltage between edges of charge, from its integral: exact for any spacing of the samples."""
    total = np.concatenate([[0.0], np.cumsum(0.5 * (voltage_v[1:] + voltage_v[:-1]) * np.diff(moved))])
    row = np.clip(np.searchsorted(moved, edges, side="right") - 1, 0, moved.size - 1)
    part = 0.5 * (voltage_v[row] + np.interp(edges, moved, voltage_v)) * (edges - moved[row])
    return np.diff(total[row] + part) / np.diff(edges)
