"""Reading the beginning of a discharge, and its reference: a rest in the file, then a steady current.

Owns what of a table is a discharge from rest. What it means is `discharge`'s.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from packbench.analysis.bdf_import import read_table, samples_of
from packbench.analysis.estimate.discharge import Discharge
from packbench.analysis.estimate.stretch import averaged, cells_of, moved, steady
from packbench.analysis.table import SampleTable
from packbench.core.errors import InputError, Problem
from packbench.core.result import Note
from packbench.core.specs import PackSpec

SETTLING_S = 120.0
"""Left out: what builds up within it (the electrolyte, mostly) is not in the equations."""
REST_S_MIN = 600.0
"""A shorter rest is not one: the voltage still moves."""
BEGINNING_S_MAX = 60.0
"""Between the last row of the rest and the first of the steady current."""
POINTS, REFERENCE_POINTS = 57, 200


def read_discharge(path: Path, table: SampleTable, pack: PackSpec, points: int) -> Discharge | Note:
    """The rest and what follows it; or why it is no discharge from rest."""
    rows, current_a, _ = steady(path, table)
    still = np.abs(table.current_a[: rows.start]) <= 0.05 * abs(current_a)
    if not still.any():
        return _no_rest(None)
    last = int(np.flatnonzero(still)[-1])
    flowing = np.flatnonzero(~still[:last])
    first = int(flowing[-1]) + 1 if flowing.size else 0
    rested_s = float(table.t_s[last] - table.t_s[first])
    if rested_s < REST_S_MIN or table.t_s[rows.start] - table.t_s[last] > BEGINNING_S_MAX:
        return _no_rest(rested_s)
    rated, rate_c = pack.rated_capacity_ah, current_a / pack.rated_capacity_ah
    whole = slice(last, rows.stop)
    charge = np.abs(moved(table, whole, rated))
    cells_v = cells_of(path, table, pack)
    edges = np.linspace(abs(rate_c) * SETTLING_S / 3600.0, float(charge[-1]), points + 1)
    means = [averaged(charge, cells_v[whole, number], edges) for number in range(cells_v.shape[1])]
    hours = 0.5 * (edges[1:] + edges[:-1]) / abs(rate_c)
    return Discharge(hours, np.column_stack(means), cells_v[last], rate_c)


def read_reference(path: Path, pack: PackSpec) -> Discharge:
    """A healthy sister's whole discharge. Raises InputError where it is none."""
    if not path.is_file():
        raise InputError(Problem("no such file", file=str(path), found="nothing", expected="a BDF table"))
    table = samples_of(read_table(path).columns)
    course = read_discharge(path, table, pack, REFERENCE_POINTS)
    expected = f"a whole discharge, from {REST_S_MIN / 60:.0f} min of rest at full to empty"
    if isinstance(course, Note):
        raise InputError(Problem("another course", str(path), field="--reference", found="no rest", expected=expected))
    last_v = float(np.median(course.cells_v[-1]))
    if course.rate_c > 0.0 or last_v > pack.cell_cutoff_v + 0.1 * (pack.cell_full_v - pack.cell_cutoff_v):
        found = "a charge" if course.rate_c > 0.0 else f"an end at {last_v:.3f} V a cell"
        raise InputError(Problem("another course", str(path), field="--reference", found=found, expected=expected))
    return course


def _no_rest(rested_s: float | None) -> Note:
    told = ("none", "没有静置") if rested_s is None else (f"{rested_s:.0f} s", f"静置 {rested_s:.0f} s")
    return Note(
        "no_rest",
        f"a discharge needs the rest at full before it in the same file, {REST_S_MIN:.0f} s at least, and a current "
        f"that is steady within {BEGINNING_S_MAX:.0f} s; found {told[0]}",
        f"放电估计需要同一文件中放电前的满电静置（至少 {REST_S_MIN:.0f} 秒），且电流在 {BEGINNING_S_MAX:.0f} 秒内稳定；"
        f"{told[1]}",
    )
