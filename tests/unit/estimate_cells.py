"""PyBaMM's aged cells as BDF files of packs: a window of a charge or discharge, and a reference."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data" / "estimate" / "pybamm_cells.json.gz"
NOISE_V = 0.0005


@cache
def cells_of(name: str) -> tuple[dict[str, Any], ...]:
    """Every cell of a parameter set; the first is fresh and is the reference."""
    document = json.loads(gzip.decompress(DATA.read_bytes()))
    return tuple(cell for cell in document["cells"] if cell["set"] == name)


def course(cell: dict[str, Any], kind: str) -> tuple[np.ndarray, np.ndarray, float]:
    """(s, V, A) of `charge` or `half`."""
    v = np.array(cell[f"{kind}_mv10"]) / 1e4
    return np.minimum(60.0 * np.arange(v.size), cell[f"{kind}_s"]), v, cell[f"{kind}_a"]


def can_charge(cell: dict[str, Any], start: float, width: float) -> bool:
    """Whether the constant current lasts long enough for the window."""
    return (start + width) * cell["capacity_slow_ah"] <= cell["charge_s"] / 3600.0 * cell["charge_a"]


def write_bdf(path: Path, t_s: np.ndarray, current_a: float | np.ndarray, cells_v: np.ndarray) -> None:
    """One BDF table."""
    names = [
        "Test Time / s",
        "Voltage / V",
        "Current / A",
        *(f"Cell {n + 1} Voltage / V" for n in range(cells_v.shape[1])),
    ]
    rows = np.column_stack([t_s, cells_v.sum(axis=1), np.broadcast_to(current_a, t_s.size), cells_v])
    lines = [",".join(names), *(",".join(f"{value:.5f}" for value in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_reference(path: Path, name: str, series: int, kind: str = "charge") -> float:
    """The fresh cell's whole course as a pack's (a discharge with its rest); its capacity, Ah."""
    cell = cells_of(name)[0]
    t_s, v, current_a = course(cell, kind)
    if kind == "half":
        _write_rested(path, t_s, current_a, np.repeat(v[:, None], series, axis=1), cell["high_v"])
    else:
        write_bdf(path, t_s, current_a, np.repeat(v[:, None], series, axis=1))
    return cell["capacity_third_ah"]


def write_window(path: Path, cells: list[dict[str, Any]], starts: list[float], width: float) -> None:
    """A window of a charge: each cell from its own SOC (of its own capacity), `width` of the first one's."""
    draw = np.random.default_rng(7)
    moved_ah = width * cells[0]["capacity_slow_ah"]
    seconds = np.arange(0.0, moved_ah / cells[0]["charge_a"] * 3600.0, 10.0)
    columns = []
    for cell, start in zip(cells, starts, strict=True):
        t_s, v, current_a = course(cell, "charge")
        began_s = start * cell["capacity_slow_ah"] / current_a * 3600.0
        columns.append(np.interp(began_s + seconds, t_s, v) + NOISE_V * draw.normal(size=seconds.size))
    write_bdf(path, seconds, cells[0]["charge_a"], np.column_stack(columns))


def write_discharge(path: Path, cells: list[dict[str, Any]], minutes: float, seed: int = 0) -> None:
    """A rest at full and the beginning of a discharge at C/2 from it, of cells in series."""
    seconds = np.arange(0.0, minutes * 60.0, 10.0)
    draw = np.random.default_rng(seed)
    courses = [course(cell, "half") for cell in cells]
    columns = [np.interp(seconds, t_s, v) + NOISE_V * draw.normal(size=seconds.size) for t_s, v, _ in courses]
    _write_rested(path, seconds, courses[0][2], np.column_stack(columns), cells[0]["high_v"])


def _write_rested(path: Path, t_s: np.ndarray, current_a: float, cells_v: np.ndarray, rest_v: float) -> None:
    """A quarter of an hour's rest, then this."""
    rest_s = np.arange(0.0, 901.0, 60.0)
    whole_v = np.vstack([np.full((rest_s.size, cells_v.shape[1]), rest_v), cells_v])
    currents = np.concatenate([np.zeros(rest_s.size), np.full(t_s.size, current_a)])
    write_bdf(path, np.concatenate([rest_s, 901.0 + t_s]), currents, whole_v)


def write_pack(path: Path, name: str, series: int) -> None:
    """A pack file with the set's limits."""
    cell = cells_of(name)[0]
    low, high, rated = cell["low_v"], cell["high_v"], cell["rated_ah"]
    chemistry = cell["chemistry"] if cell["chemistry"] in ("nmc", "lfp") else "lmo"
    path.write_text(
        f"""pack: test-{name.lower()}
title: {{en: PyBaMM {name}, zh: PyBaMM {name}}}
chemistry: {chemistry}
series: {series}
rated_capacity: {rated} Ah
rated_energy: {rated * 3.6 * series:.1f} Wh
cell_full: {high} V
cell_cutoff: {low} V
temperature_sensors: 1
max_power: {rated * 4 * series:.0f} W
limits:
  pack_voltage_max: {(high + 0.08) * series:.2f} V
  pack_voltage_min: {(low - 0.08) * series:.2f} V
  cell_voltage_max: {high + 0.05:.2f} V
  cell_voltage_min: {low - 0.05:.2f} V
  charge_current_max: {rated:.2f} A
  discharge_current_max: {rated:.2f} A
  temperature_max: 55 degC
  temperature_min: 0 degC
  temperature_rate_max: 2 K/min
  cell_spread_max: 100 mV
""",
        encoding="utf-8",
    )
