"""Reading a window, and its reference: any BDF table, and the longest stretch of steady current in it.

Owns the files, the electrodes' curves (configs/estimate/half-cells.json) and what of a table is a window. What it
means is `window`'s.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from packbench.analysis.bdf_import import read_table, samples_of
from packbench.analysis.estimate.discharge import Sister, estimate_discharge, learn_discharge
from packbench.analysis.estimate.discharge_file import POINTS as DISCHARGE_POINTS
from packbench.analysis.estimate.discharge_file import read_discharge, read_reference
from packbench.analysis.estimate.electrode import Pair
from packbench.analysis.estimate.electrode_fit import Stretch
from packbench.analysis.estimate.outcome import CellEstimate, Estimate
from packbench.analysis.estimate.stretch import averaged, cells_of, steady
from packbench.analysis.estimate.stretch import moved as moved_of
from packbench.analysis.estimate.window import Type, Window, estimate_window, learn
from packbench.analysis.table import SampleTable
from packbench.core.errors import InputError, Problem
from packbench.core.result import Note
from packbench.core.samples import FloatArray, Provenance
from packbench.core.specs import PackSpec
from packbench.files import packaged_configs

SETTLING_S = 120.0
"""Left out where the current began within the file: the surfaces of the electrodes are still on their way."""
POINTS, REFERENCE_POINTS = 60, 160
SUFFIXES = (".csv", ".parquet", ".pq")
METHOD_DISCHARGE = "all sisters that ageing may have made of a healthy one, weighed by the beginning of a discharge"
METHOD = "balance of two known electrodes fitted to the window (lithium and active material lost), by a healthy sister"


def estimate_window_file(
    path: Path, pack: PackSpec | None, reference: Path | None, reference_ah: float | None
) -> Estimate:
    """Capacity of every cell and of the pack from a piece of a charge or discharge.

    Args:
        path: BDF table with the window (cells' voltages where it has them).
        pack: Its type: cells in series, rated capacity, limits.
        reference: BDF table of a healthy sister's whole course: a charge from empty for a charge, a discharge from
            full, with the rest before it, for a discharge.
        reference_ah: The capacity that was measured of that sister, Ah.

    Raises InputError when a file cannot be read or something that is needed is not given.
    """
    table = samples_of(read_table(path).columns)
    if pack is None:
        raise InputError(Problem("the type of pack is needed: its limits and rated capacity", field="--pack"))
    cells_of(path, table, pack)
    rows, current_a, _ = steady(path, table)
    rated, moved_ah = pack.rated_capacity_ah, float(np.max(np.abs(moved_of(table, rows, 1.0))))
    model: dict[str, Any] = {}
    details: dict[str, Any] = {"current_a": current_a, "moved_ah": moved_ah}
    if reference is None or reference_ah is None:
        cells, whole = (), CellEstimate("pack", (), None, None, (_no_reference(),))
    else:
        model = _model(pack, reference, reference_ah)
        asked = _charge if current_a > 0.0 else _discharge
        cells, whole, found = asked(path, table, pack, reference, reference_ah / rated)
        details |= found
    return Estimate(
        kind="window",
        method=METHOD if current_a > 0.0 else METHOD_DISCHARGE,
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        provenance=str(Provenance.IMPORTED),
        model=model,
        cells=cells,
        pack=whole,
        notes=(_meaning(),),
        details=details,
    )


_Told = tuple[tuple[CellEstimate, ...], CellEstimate, dict[str, Any]]


def _charge(path: Path, table: SampleTable, pack: PackSpec, reference: Path, capacity: float) -> _Told:
    window = _window(path, table, pack)
    known = learn(half_cells()[0], _course(reference, pack), capacity, (pack.cell_cutoff_v, pack.cell_full_v))
    if isinstance(known, Type):
        return estimate_window(known, window, pack.rated_capacity_ah)
    return (), CellEstimate("pack", (), None, None, known), {}


def _discharge(path: Path, table: SampleTable, pack: PackSpec, reference: Path, capacity: float) -> _Told:
    window = read_discharge(path, table, pack, DISCHARGE_POINTS)
    if isinstance(window, Note):
        return (), CellEstimate("pack", (), None, None, (window,)), {}
    course, limits_v = read_reference(reference, pack), (pack.cell_cutoff_v, pack.cell_full_v)
    known = learn_discharge(half_cells()[0], course, capacity, limits_v)
    if isinstance(known, Sister):
        return estimate_discharge(known, window, pack.rated_capacity_ah)
    return (), CellEstimate("pack", (), None, None, known), {}


def _model(pack: PackSpec, reference: Path, reference_ah: float) -> dict[str, Any]:
    """What an estimate rests on."""
    try:
        sha256 = hashlib.sha256(reference.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(Problem(error.strerror or "cannot be read", file=str(reference))) from error
    return {
        "name": f"{pack.name} by {reference.name}",
        "data": [{"file": reference.name, "sha256": sha256}],
        "source": "the reference given; electrodes' curves from the publications PyBaMM names",
        "licence": "curves: BSD-3-Clause (LICENSE-PyBaMM)",
        "half_cells_sha256": half_cells()[1],
        "reference_ah": reference_ah,
    }


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


def _window(path: Path, table: SampleTable, pack: PackSpec) -> Window:
    """Means over equal pieces of charge."""
    rows, current_a, began = steady(path, table)
    rated = pack.rated_capacity_ah
    moved = np.abs(moved_of(table, rows, rated))
    cells = cells_of(path, table, pack)[rows]
    rate_c = current_a / rated
    first = abs(rate_c) * SETTLING_S / 3600.0 if began else 0.0
    edges = np.linspace(min(first, float(moved[-1])), float(moved[-1]), POINTS + 1)
    middles = 0.5 * (edges[1:] + edges[:-1])
    means = np.column_stack([averaged(moved, cells[:, number], edges) for number in range(cells.shape[1])])
    return Window(middles - middles[0], means, rate_c)


def _course(path: Path, pack: PackSpec) -> Stretch:
    """The reference's median cell over its whole charge."""
    if not path.is_file():
        raise InputError(Problem("no such file", file=str(path), found="nothing", expected="a BDF table"))
    table = samples_of(read_table(path).columns)
    rows, current_a, _ = steady(path, table)
    rated = pack.rated_capacity_ah
    moved = np.abs(moved_of(table, rows, rated))
    rate_c = current_a / rated
    if rate_c < 0.0:
        raise InputError(
            Problem(
                "another course", str(path), field="--reference", found="a discharge", expected="a charge from empty"
            )
        )
    voltage_v = np.median(cells_of(path, table, pack)[rows], axis=1)
    edges = np.linspace(abs(rate_c) * SETTLING_S / 3600.0, float(moved[-1]), REFERENCE_POINTS + 1)
    middles = 0.5 * (edges[1:] + edges[:-1])
    return Stretch(middles - middles[0], averaged(moved, voltage_v, edges), rate_c)


def _no_reference() -> Note:
    return Note(
        "no_reference",
        "a piece of voltage alone does not say what the rest of the curve is: give a whole charge (for a discharge, a "
        "whole discharge) of a healthy sister of this type (--reference) and the capacity that was measured of it "
        "(--reference-ah)",
        "仅凭一段电压无法推知其余曲线：请给出同型号健康电芯或电池包的完整充电过程（放电估计则为完整放电过程）（--reference）"
        "及其实测容量（--reference-ah）",
    )


def _meaning() -> Note:
    return Note(
        "estimate",
        "An estimate, not a measurement: it releases nothing. Capacity is what the reference's was: measured alike.",
        "这是估计值，不是测量值，不能作为放行依据。容量的含义与参考电芯的实测容量相同。",
    )
