"""PyBaMM's aged cells for the tests of `estimate` on a partial charge or discharge, and the half-cells it knows.

Run once with the models' Python (`make peers`):

    .venv/models/bin/python tests/data/estimate/make_pybamm_cells.py [FOLDER]

and it writes pybamm_cells.json.gz and half-cells.json (which lies in configs/estimate).

Owns how the cells are made: another model family than our plant's (SPMe, one DFN a set), other
parameter sets, aged by a drawn loss of lithium and of active material on either side and by a film
resistance. What is stored is what a bench could see, and the capacities that it could measure.
Imports nothing of Packbench.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import numpy as np
import pybamm  # pyright: ignore[reportMissingImports]

SEED = 20261126
CELLS = 11
DFN_CELLS = 2
SAMPLE_S = 60.0
SETS = {
    "Chen2020": "nmc", "Mohtat2020": "nmc", "ORegan2022": "nmc", "Ai2020": "lco", "Prada2013": "lfp",
}  # fmt: skip
PUBLISHED = {
    "Chen2020": ("NMC811 / graphite-SiOx (LG M50)", "Chen et al., J. Electrochem. Soc. 167 (2020) 080534"),
    "Mohtat2020": ("NMC532 / graphite (pouch)", "Mohtat et al., J. Electrochem. Soc. 167 (2020) 110561"),
    "Prada2013": ("LFP / graphite (A123 26650)", "Prada et al., J. Electrochem. Soc. 160 (2013) A616"),
}
"""Sets whose electrodes Packbench knows; the others are strangers to it."""
LLI, LAM_N, LAM_P = (0.0, 0.22), (0.0, 0.15), (0.0, 0.15)
FILM_OHM_AH = (0.0, 0.08)
"""Added ohmic resistance times rated capacity."""


def aged(name: str, draw: np.random.Generator, fresh: bool) -> tuple[Any, dict[str, float], dict[str, float]]:
    """A cell's parameters, how it was aged, and its stoichiometries when empty and when full."""
    values = pybamm.ParameterValues(name)
    rated = values["Nominal cell capacity [A.h]"]
    ageing = {
        "lli": 0.0 if fresh else draw.uniform(*LLI),
        "lam_n": 0.0 if fresh else draw.uniform(*LAM_N),
        "lam_p": 0.0 if fresh else draw.uniform(*LAM_P),
        "film_ohm": 0.0 if fresh else draw.uniform(*FILM_OHM_AH) / rated,
    }
    param = pybamm.LithiumIonParameters()
    solver = pybamm.lithium_ion.ElectrodeSOHSolver
    q_li = values.evaluate(param.Q_Li_particles_init)
    for side, lost in (("Negative", "lam_n"), ("Positive", "lam_p")):
        key = f"{side} electrode active material volume fraction"
        values[key] = values[key] * (1.0 - ageing[lost])
    values["Contact resistance [Ohm]"] = ageing["film_ohm"] + values.get("Contact resistance [Ohm]", 0.0)
    q_n, q_p = values.evaluate(param.n.Q_init), values.evaluate(param.p.Q_init)
    q_li = min(q_li * (1.0 - ageing["lli"]), 0.98 * (q_n + q_p))
    ends = solver(values, param).solve({"Q_Li": q_li, "Q_n": q_n, "Q_p": q_p})
    return values, ageing, {key: float(ends[key]) for key in ("x_0", "x_100", "y_0", "y_100", "Q")}


def course(model: str, values: Any, ends: dict[str, float], full: bool, current_a: float, until: str) -> Any:
    """One constant-current course from full or from empty: (t, V), every SAMPLE_S."""
    at = "100" if full else "0"
    values = values.copy()
    for side, stoich in (("negative", f"x_{at}"), ("positive", f"y_{at}")):
        key = f"Initial concentration in {side} electrode [mol.m-3]"
        values[key] = ends[stoich] * values[f"Maximum concentration in {side} electrode [mol.m-3]"]
    chosen = pybamm.lithium_ion.SPMe if model == "SPMe" else pybamm.lithium_ion.DFN
    word = "Discharge" if full else "Charge"
    step = f"{word} at {current_a:.6f} A {until} ({SAMPLE_S:g} second period)"
    simulation = pybamm.Simulation(
        chosen({"contact resistance": "true"}), parameter_values=values, experiment=pybamm.Experiment([step])
    )
    solution = simulation.solve()
    return solution["Time [s]"].entries, solution["Voltage [V]"].entries


def cell(name: str, number: int, draw: np.random.Generator) -> dict[str, Any]:
    """One cell: courses of a charge at C/3, a discharge at C/2 from full, and capacities at C/3 and C/20."""
    model = "DFN" if number < DFN_CELLS else "SPMe"
    values, ageing, ends = aged(name, draw, fresh=number == 0)
    rated = values["Nominal cell capacity [A.h]"]
    low, high = values["Lower voltage cut-off [V]"], values["Upper voltage cut-off [V]"]
    t, v = course(model, values, ends, False, rated / 3, f"until {high} V")
    t_half, v_half = course(model, values, ends, True, rated / 2, f"until {low} V")
    t_third, _ = course(model, values, ends, True, rated / 3, f"until {low} V")
    if t[-1] / 3600 / 3 > 1.10 * t_third[-1] / 3600 / 3:
        raise ValueError("a charge takes more than a discharge gives: PyBaMM's balance is off")
    t_slow, _ = course(model, values, ends, True, rated / 20, f"until {low} V")
    return {
        "set": name, "chemistry": SETS[name], "model": model, "number": number, "rated_ah": rated,
        "low_v": low, "high_v": high, "ageing": ageing, "ends": ends,
        "capacity_third_ah": float(t_third[-1] / 3600 * rated / 3),
        "capacity_slow_ah": float(t_slow[-1] / 3600 * rated / 20),
        "charge_s": round(float(t[-1]), 2), "charge_a": rated / 3, "charge_mv10": tenths_of_mv(v),
        "half_s": round(float(t_half[-1]), 2), "half_a": -rated / 2, "half_mv10": tenths_of_mv(v_half),
    }  # fmt: skip


def tenths_of_mv(v: Any) -> list[int]:
    """As stored."""
    return np.round(v * 1e4).astype(int).tolist()


def half_cells() -> dict[str, Any]:
    """Open-circuit curves of the electrodes of the sets in PUBLISHED, over stoichiometry."""
    first, last, count = 0.002, 0.998, 499
    pairs = []
    for name, (title, source) in PUBLISHED.items():
        values = pybamm.ParameterValues(name)
        curves = []
        for side in ("Negative", "Positive"):
            u = values[f"{side} electrode OCP [V]"]
            grid = np.linspace(first, last, count)
            curves.append([round(float(np.squeeze(values.evaluate(u(pybamm.Scalar(float(x)))))), 5) for x in grid])
        param = pybamm.LithiumIonParameters()
        rated = values["Nominal cell capacity [A.h]"]
        balance = [
            float(np.squeeze(values.evaluate(q))) / rated
            for q in (param.n.Q_init, param.p.Q_init, param.Q_Li_particles_init)
        ]
        pairs.append({
            "name": name, "chemistry": SETS[name], "title": title, "source": source,
            "fresh": [round(each, 5) for each in balance], "negative_v": curves[0], "positive_v": curves[1],
        })  # fmt: skip
    return {
        "format": "packbench-half-cells/1",
        "about": "Open-circuit potentials of electrodes over stoichiometry, tabulated from the functions of PyBaMM "
        f"{pybamm.__version__} (BSD-3-Clause, LICENSE-PyBaMM), which state the publications named here.",
        "stoichiometry": {"first": first, "last": last, "count": count},
        "pairs": pairs,
    }


def written(document: dict[str, Any]) -> str:
    """One pair a line."""
    head = json.dumps({key: value for key, value in document.items() if key != "pairs"}, indent=1)
    return head[:-2] + ',\n "pairs": [\n  ' + ",\n  ".join(json.dumps(one) for one in document["pairs"]) + "\n ]\n}\n"


def main() -> None:
    """Make them all."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    (folder / "half-cells.json").write_text(written(half_cells()))
    cells: list[dict[str, Any]] = []
    for index, name in enumerate(SETS):
        draw = np.random.default_rng([SEED, index])
        for number in range(CELLS):
            try:
                made = cell(name, number, draw)
            except Exception as error:  # noqa: BLE001 - a draw that PyBaMM cannot balance is left out, and said
                sys.stderr.write(f"{name} {number}: {type(error).__name__}: {error}"[:200] + "\n")
                continue
            cells.append(made)
            sys.stderr.write(f"{name} {number} {made['model']} {made['capacity_third_ah']:.3f}\n")
        with gzip.GzipFile(folder / "pybamm_cells.json.gz", "wb", mtime=0) as file:
            file.write(
                json.dumps({"pybamm": pybamm.__version__, "seed": SEED, "sample_s": SAMPLE_S, "cells": cells}).encode()
            )


if __name__ == "__main__":
    main()
