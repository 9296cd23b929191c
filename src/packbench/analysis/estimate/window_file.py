"""Reading a window, and its reference: any BDF table, and the longest stretch of steady current in it.

Owns the files, the electrodes' curves (configs/estimate/half-cells.json) and what of a table is a window. What it
means is `window`'s.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from packbench.analysis.bdf_import import read_table, samples_of
from packbench.analysis.estimate.electrode import Pair
from packbench.analysis.estimate.electrode_fit import Stretch
from packbench.analysis.estimate.outcome import CellEstimate, Estimate
from packbench.analysis.estimate.window import Type, Window, estimate_window, learn
from packbench.analysis.table import SampleTable
from packbench.core.errors import InputError, Problem
from packbench.core.result import Note
from packbench.core.samples import FloatArray, Provenance
from packbench.core.specs import PackSpec
from packbench.files import packaged_configs

STEADY_REL = 0.02
"""How far the current may be from its median to be steady."""
SETTLING_S = 120.0
"""Left out where the current began within the file: the surfaces of the electrodes are still on their way."""
POINTS, REFERENCE_POINTS = 60, 160
ROWS_MIN = 20
SUFFIXES = (".csv", ".parquet", ".pq")
METHOD = "balance of two known electrodes fitted to the window (lithium and active material lost), by a healthy sister"


def estimate_window_file(
    path: Path, pack: PackSpec | None, reference: Path | None, reference_ah: float | None
) -> Estimate:
    """Capacity of every cell and of the pack from a piece of a charge or discharge.

    Args:
        path: BDF table with the window (cells' voltages where it has them).
        pack: Its type: cells in series, rated capacity, limits.
        reference: BDF table of a whole charge from empty of a healthy sister.
        reference_ah: The capacity that was measured of that sister, Ah.

    Raises InputError when a file cannot be read or something that is needed is not given.
    """
    table = samples_of(read_table(path).columns)
    if pack is None:
        raise InputError(Problem("the type of pack is needed: its limits and rated capacity", field="--pack"))
    window = _window(path, table, pack)
    rated = pack.rated_capacity_ah
    details: dict[str, Any] = {
        "current_a": window.rate_c * rated,
        "moved_ah": float(np.max(np.abs(window.charge))) * rated,
    }
    model: dict[str, Any] = {}
    if window.rate_c < 0.0:
        cells, whole = (), CellEstimate("pack", (), None, None, (_discharge(),))
    elif reference is None or reference_ah is None:
        cells, whole = (), CellEstimate("pack", (), None, None, (_no_reference(),))
    else:
        pairs, about = half_cells()
        known = learn(pairs, _course(reference, pack), reference_ah / rated, (pack.cell_cutoff_v, pack.cell_full_v))
        model = {
            "name": f"{pack.name} by {reference.name}",
            "data": [{"file": reference.name, "sha256": hashlib.sha256(reference.read_bytes()).hexdigest()}],
            "source": "the reference given; electrodes' curves from the publications PyBaMM names",
            "licence": "curves: BSD-3-Clause (LICENSE-PyBaMM)",
            "half_cells_sha256": about,
            "reference_ah": reference_ah,
        }
        if isinstance(known, Type):
            cells, whole, fitted = estimate_window(known, window, rated)
            details |= fitted
        else:
            cells, whole = (), CellEstimate("pack", (), None, None, known)
    return Estimate(
        kind="window",
        method=METHOD,
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        provenance=str(Provenance.IMPORTED),
        model=model,
        cells=cells,
        pack=whole,
        notes=(_meaning(),),
        details=details,
    )


def half_cells() -> tuple[list[Pair], str]:
    """The known pairs of electrodes, and the hash of their file."""
    data = (packaged_configs() / "estimate" / "half-cells.json").read_bytes()
    document = json.loads(data)
    grid = document["stoichiometry"]
    x: FloatArray = np.linspace(float(grid["first"]), float(grid["last"]), int(grid["count"]))
    pairs = [
        Pair(
            one["name"],
            one["chemistry"],
            x,
            np.array(one["negative_v"]),
            np.array(one["positive_v"]),
            tuple(one["fresh"]),
        )
        for one in document["pairs"]
    ]
    return pairs, hashlib.sha256(data).hexdigest()


def _steady(path: Path, table: SampleTable) -> tuple[slice, float, bool]:
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


def _moved(table: SampleTable, rows: slice, rated_ah: float) -> FloatArray:
    """Charge since the stretch's first row, over rated capacity, signed; from the samples' own current."""
    t_s, current = table.t_s[rows], table.current_a[rows]
    parts = 0.5 * (current[1:] + current[:-1]) * np.diff(t_s)
    return np.concatenate([[0.0], np.cumsum(parts)]) / 3600.0 / rated_ah


def _cells(path: Path, table: SampleTable, pack: PackSpec) -> FloatArray:
    """Voltages of the cells; without them, the pack's over its cells in series, as one."""
    cells = table.cell_voltages_v
    if not cells.shape[1]:
        return table.voltage_v[:, None] / pack.series
    if cells.shape[1] != pack.series:
        found, expected = f"{cells.shape[1]} cells", f"{pack.series}, as the pack has in series"
        raise InputError(Problem("another number of cells", file=str(path), found=found, expected=expected))
    return cells


def _window(path: Path, table: SampleTable, pack: PackSpec) -> Window:
    """Means over equal pieces of charge."""
    rows, current_a, began = _steady(path, table)
    rated = pack.rated_capacity_ah
    moved = np.abs(_moved(table, rows, rated))
    cells = _cells(path, table, pack)[rows]
    rate_c = current_a / rated
    first = abs(rate_c) * SETTLING_S / 3600.0 if began or rate_c < 0.0 else 0.0
    edges = np.linspace(min(first, float(moved[-1])), float(moved[-1]), POINTS + 1)
    middles = 0.5 * (edges[1:] + edges[:-1])
    averaged = np.column_stack([_averaged(moved, cells[:, number], edges) for number in range(cells.shape[1])])
    sign = 1.0 if rate_c > 0.0 else -1.0
    return Window((middles - middles[0]) * sign, averaged, rate_c)


def _averaged(moved: FloatArray, voltage_v: FloatArray, edges: FloatArray) -> FloatArray:
    """Mean voltage between edges of charge, from its integral: exact for any spacing of the samples."""
    total = np.concatenate([[0.0], np.cumsum(0.5 * (voltage_v[1:] + voltage_v[:-1]) * np.diff(moved))])
    return np.diff(np.interp(edges, moved, total)) / np.diff(edges)


def _course(path: Path, pack: PackSpec) -> Stretch:
    """The reference's median cell over its whole charge."""
    if not path.is_file():
        raise InputError(Problem("no such file", file=str(path), found="nothing", expected="a BDF table"))
    table = samples_of(read_table(path).columns)
    rows, current_a, _ = _steady(path, table)
    rated = pack.rated_capacity_ah
    moved = np.abs(_moved(table, rows, rated))
    rate_c = current_a / rated
    if rate_c < 0.0:
        raise InputError(
            Problem(
                "another course", str(path), field="--reference", found="a discharge", expected="a charge from empty"
            )
        )
    voltage_v = np.median(_cells(path, table, pack)[rows], axis=1)
    edges = np.linspace(abs(rate_c) * SETTLING_S / 3600.0, float(moved[-1]), REFERENCE_POINTS + 1)
    middles = 0.5 * (edges[1:] + edges[:-1])
    return Stretch(middles - middles[0], _averaged(moved, voltage_v, edges), rate_c)


def _discharge() -> Note:
    return Note(
        "discharge",
        "a discharge has no figure: its beginning, at the top of the curve, does not pin the balance of the electrodes "
        "down; charge the pack for a while instead",
        "放电过程没有结果：放电初段处于曲线顶部，不能确定电极配比；请改用一段充电过程",
    )


def _no_reference() -> Note:
    return Note(
        "no_reference",
        "a piece of voltage alone does not say what the rest of the curve is: give a whole charge of a healthy sister "
        "of this type (--reference) and the capacity that was measured of it (--reference-ah)",
        "仅凭一段电压无法推知其余曲线：请给出同型号健康电芯或电池包的完整充电过程（--reference）及其实测容量（--reference-ah）",
    )


def _meaning() -> Note:
    return Note(
        "estimate",
        "An estimate, not a measurement: it releases nothing. Capacity is what the reference's was: measured alike.",
        "这是估计值，不是测量值，不能作为放行依据。容量的含义与参考电芯的实测容量相同。",
    )
