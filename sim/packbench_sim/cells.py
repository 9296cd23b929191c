"""The individual cells of one simulated pack: who is weak, who is out of balance.

Owns the `plant` keys of a pack file, their defaults, and the draw of the cells from the plant's
own seed. Must not know time or current. It exists so that a pack file makes the same pack in every
run: cells come from the plant seed alone, never from the run seed, which draws instruments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray
from packbench.core.specs import PackSpec
from packbench_sim.chemistry import chemistry

SOUND_OHM = 20_000_000.0
"""[A] The insulation of a dry pack."""
SPREAD_CUT = 3.0
"""Normal draws are cut at this many standard deviations: one cell in a pack is weak on purpose only."""


@dataclass(frozen=True, slots=True)
class WeakCell:
    """One cell worse than its neighbours."""

    cell: int
    """Counts from 1."""
    capacity_factor: float = 1.0
    resistance_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class PlantOptions:
    """The `plant` section of a pack file. Every key may be absent; these are the defaults."""

    soh: float = 1.0
    """Mean cell capacity over rated capacity."""
    capacity_spread: float = 0.005
    """Relative standard deviation of cell capacity. [A] 0.5 % for cells of one delivery."""
    resistance_factor: float = 1.0
    """Mean resistance over the fresh cell's."""
    resistance_spread: float = 0.02
    """Relative standard deviation of cell resistance. [A]"""
    weak_cells: tuple[WeakCell, ...] = ()
    imbalance_sd: float = 0.0
    """Standard deviation of the cells' SOC at the start."""
    initial_soc: float = 0.5
    """Mean SOC at the start, charge over actual capacity."""
    self_discharge_per_day: float = 0.0001
    """Mean fraction of capacity lost a day. [A] 0.3 % a month; single cells vary log-normally, sd 0.3."""
    seed: int = 1
    """Draws the cells."""
    initial_temperature_c: float | None = None
    """Cells at the start; absent: ambient."""
    temperature_spread_k: float = 0.0
    """Standard deviation of the cells' own ambient (place in the pack)."""
    thermal_tau_s: float = 5400.0
    """Time constant of a cell towards ambient in its housing. [A] 1.5 h for a pack without pumping."""
    entropic_heat: bool = True
    hysteresis: bool = True
    """False: the open-circuit voltage is the mean of both branches, whatever flowed before."""
    cycles: int = 0
    """What the BMS has counted so far."""
    insulation_ohm: float = SOUND_OHM
    """Between the pack and its case."""


def plant_options(plant: Mapping[str, Any], series: int) -> PlantOptions:
    """Read the `plant` mapping. Raises InputError that names every unknown key or impossible value."""
    problems: list[Problem] = []
    known = PlantOptions.__slots__
    values: dict[str, Any] = {}
    for key, value in plant.items():
        if key not in known:
            problems.append(Problem("", field=f"plant.{key}", found="an unknown key", expected=", ".join(known)))
        elif key == "weak_cells":
            values[key] = tuple(_weak_cell(entry) for entry in value)
        else:
            values[key] = value
    if problems:
        raise InputError(problems)
    options = PlantOptions(**values)
    problems += _impossible(options, series)
    if problems:
        raise InputError(problems)
    return options


def _weak_cell(entry: Mapping[str, Any] | WeakCell) -> WeakCell:
    return entry if isinstance(entry, WeakCell) else WeakCell(**entry)


def _impossible(options: PlantOptions, series: int) -> list[Problem]:
    checks = (
        ("soh", options.soh, 0.0 < options.soh <= 1.2, "above 0 and at most 1.2"),
        ("capacity_spread", options.capacity_spread, 0.0 <= options.capacity_spread < 0.2, "0 to 0.2"),
        ("resistance_factor", options.resistance_factor, options.resistance_factor > 0.0, "above 0"),
        ("resistance_spread", options.resistance_spread, 0.0 <= options.resistance_spread < 0.3, "0 to 0.3"),
        ("imbalance_sd", options.imbalance_sd, 0.0 <= options.imbalance_sd < 0.2, "0 to 0.2"),
        ("initial_soc", options.initial_soc, 0.0 <= options.initial_soc <= 1.0, "0 to 1"),
        ("thermal_tau_s", options.thermal_tau_s, options.thermal_tau_s > 0.0, "above 0"),
        ("insulation_ohm", options.insulation_ohm, options.insulation_ohm > 0.0, "above 0"),
    )
    problems = [
        Problem("", field=f"plant.{name}", found=str(value), expected=expected)
        for name, value, good, expected in checks
        if not good
    ]
    for weak in options.weak_cells:
        if not 1 <= weak.cell <= series:
            problems.append(Problem("", field="plant.weak_cells.cell", found=str(weak.cell), expected=f"1 to {series}"))
    return problems


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells in series, each array of shape (series,)."""

    capacity_as: FloatArray
    """Actual capacity in ampere-seconds."""
    resistance_scale: FloatArray
    """Multiplies the chemistry's ohm Ah to ohm: factor over rated capacity."""
    soc: FloatArray
    """At the start."""
    leak_a: FloatArray
    """Self-discharge as a current."""
    ambient_offset_k: FloatArray


def draw_cells(spec: PackSpec, options: PlantOptions) -> Cells:
    """Draw the cells of `spec` from PCG64(options.seed); the same file gives the same cells."""
    chemistry(spec.chemistry)
    n = spec.series
    rng = np.random.Generator(np.random.PCG64(options.seed))
    z = np.clip(rng.standard_normal((5, n)), -SPREAD_CUT, SPREAD_CUT)
    capacity_as = 3600.0 * spec.rated_capacity_ah * options.soh * (1.0 + options.capacity_spread * z[0])
    resistance = options.resistance_factor * (1.0 + options.resistance_spread * z[1]) / spec.rated_capacity_ah
    for weak in options.weak_cells:
        capacity_as[weak.cell - 1] *= weak.capacity_factor
        resistance[weak.cell - 1] *= weak.resistance_factor
    soc = options.initial_soc + options.imbalance_sd * z[2]
    leak_a = capacity_as * options.self_discharge_per_day / 86_400.0 * np.exp(0.3 * z[3])
    return Cells(capacity_as, resistance, soc, leak_a, options.temperature_spread_k * z[4])
