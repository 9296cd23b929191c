"""Capacity from 30 % SOC of a charge, and from 30 min of a discharge at C/2, on PyBaMM's aged cells.

    PYTHONPATH=. python tests/benchmarks/estimate_window.py [FURTHER_CELLS.json]

Reference: the set's fresh cell (DFN) with its measured capacity. Truth: a discharge at C/3 from full.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from tests.unit.estimate_cells import (
    NOISE_V,
    can_charge,
    cells_of,
    course,
    write_discharge,
    write_pack,
    write_reference,
)

from packbench.analysis.estimate.electrode_fit import Stretch
from packbench.analysis.estimate.outcome import CellEstimate
from packbench.analysis.estimate.window import Type, Window, estimate_window, learn
from packbench.analysis.estimate.window_file import estimate_window_file, half_cells
from packbench.config.pack import load_pack

SETS = ("Chen2020", "Mohtat2020", "Prada2013", "ORegan2022", "Ai2020")
STARTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SETTLED_S = 120.0
MINUTES = 30.0


def stretch(
    cell: dict, kind: str, low_s: float, high_s: float, points: int
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """(charge over rated from the start of the stretch, V, C, charge before it)."""
    t_s, v, current_a = course(cell, kind)
    seconds = np.linspace(low_s, high_s, points)
    rate = current_a / cell["rated_ah"]
    return (seconds - low_s) / 3600.0 * rate, np.interp(seconds, t_s, v), rate, -low_s / 3600.0 * rate


def known_type(name: str, kind: str) -> Type | str:
    """What the fresh cell teaches; or why nothing."""
    cell = cells_of(name)[0]
    charge, v, rate, _ = stretch(cell, kind, SETTLED_S, cell[f"{kind}_s"], 160)
    course_of = Stretch(charge, v, rate)
    found = learn(
        half_cells()[0], course_of, cell["capacity_third_ah"] / cell["rated_ah"], (cell["low_v"], cell["high_v"])
    )
    return found if isinstance(found, Type) else found[0].text_en


def told(name: str, what: str, cells: list[dict], found: list[CellEstimate]) -> None:
    """One line: how many have a figure, how far off these are, how often the interval holds."""
    errors, held = [], []
    for cell, one in zip(cells, found, strict=True):
        if one.capacity_ah is not None:
            errors.append(abs(one.capacity_ah.measured.value / cell["capacity_third_ah"] - 1.0) * 100.0)
            held.append(one.capacity_ah.low <= cell["capacity_third_ah"] <= one.capacity_ah.high)
    figure = f"MAE {np.mean(errors):5.2f} %  worst {max(errors):5.2f} %  held {np.mean(held):4.0%}" if errors else ""
    print(f"{name:12s}{what:24s} told {len(errors):2d} of {len(cells):2d}  {figure}", flush=True)


def charges(name: str, draw: np.random.Generator) -> None:
    """A line a window."""
    aged = cells_of(name)[1:]
    found = known_type(name, "charge")
    if isinstance(found, str):
        print(f"{name:12s}{'charge':24s} refused: {found}")
        return
    for start in STARTS:
        able = [cell for cell in aged if can_charge(cell, start, 0.3)]
        whole_s = [cell["capacity_slow_ah"] / cell["charge_a"] * 3600.0 for cell in able]
        estimates = []
        for cell, s in zip(able, whole_s, strict=True):
            charge, v, rate, _ = stretch(cell, "charge", start * s, (start + 0.3) * s, 60)
            window = Window(charge, (v + NOISE_V * draw.normal(size=v.size))[:, None], rate)
            estimates += estimate_window(found, window, cell["rated_ah"])[0]
        told(name, f"charge, {start:.0%} to {start + 0.3:.0%}", able, estimates)


def discharges(name: str, more: Path | None) -> None:
    """Half an hour of each cell's discharge at C/2, as files; `more` has cells of the same shape as the data's."""
    aged = list(cells_of(name)[1:])
    if more is not None:
        aged = [cell for cell in json.loads(more.read_text()) if cell["set"] == name]
    if not aged:
        return
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        reference_ah = write_reference(at / "reference.csv", name, 1, "half")
        write_pack(at / "pack.yaml", name, 1)
        pack = load_pack((at / "pack.yaml").read_text(encoding="utf-8"), "pack.yaml")
        estimates = []
        for number, cell in enumerate(aged):
            write_discharge(at / "window.csv", [cell], MINUTES, seed=number)
            one = estimate_window_file(at / "window.csv", pack, at / "reference.csv", reference_ah)
            if not one.cells and one.pack is not None:
                print(f"{name:12s}{'discharge':24s} refused: {one.pack.refusals[0].text_en}")
                return
            estimates += one.cells
    told(name, f"discharge, {MINUTES:.0f} min at C/2", aged, estimates)


def main() -> None:
    """All sets; a file of further cells replaces the discharges' (made as the data was, with other seeds)."""
    draw = np.random.default_rng(1)
    more = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for name in SETS:
        if more is None:
            charges(name, draw)
        discharges(name, more)


if __name__ == "__main__":
    main()
