"""Capacity from 30 % SOC of a charge, and from 30 min of a discharge at C/2, on PyBaMM's aged cells.

    PYTHONPATH=. python tests/benchmarks/estimate_window.py

Reference: the set's fresh cell (DFN) with its measured capacity. Truth: a discharge at C/3 from full.
"""

from __future__ import annotations

import numpy as np
from tests.unit.estimate_cells import NOISE_V, can_charge, cells_of, course

from packbench.analysis.estimate.electrode_fit import Stretch
from packbench.analysis.estimate.window import Type, Window, estimate_window, learn
from packbench.analysis.estimate.window_file import half_cells

SETS = ("Chen2020", "Mohtat2020", "Prada2013", "ORegan2022", "Ai2020")
STARTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SETTLED_S = 120.0


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


def line(name: str, what: str, kind: Type, windows: list[tuple[dict, Window]]) -> None:
    errors, held = [], []
    for cell, window in windows:
        (one,), _, _ = estimate_window(kind, window, cell["rated_ah"])
        if one.capacity_ah is not None:
            errors.append(abs(one.capacity_ah.measured.value / cell["capacity_third_ah"] - 1.0) * 100.0)
            held.append(one.capacity_ah.low <= cell["capacity_third_ah"] <= one.capacity_ah.high)
    figure = f"MAE {np.mean(errors):5.2f} %  worst {max(errors):5.2f} %  held {np.mean(held):4.0%}" if errors else ""
    print(f"{name:12s}{what:24s} told {len(errors):2d} of {len(windows):2d}  {figure}", flush=True)


def main() -> None:
    draw = np.random.default_rng(1)

    def window_of(cell: dict, kind: str, low_s: float, high_s: float) -> Window:
        charge, v, rate, _ = stretch(cell, kind, low_s, high_s, 60)
        noisy = (v + NOISE_V * draw.normal(size=v.size))[:, None]
        return Window(charge, noisy, rate)

    for name in SETS:
        aged = cells_of(name)[1:]
        found = known_type(name, "charge")
        if isinstance(found, str):
            print(f"{name:12s}{'charge':24s} refused: {found}")
            continue
        for start in STARTS:
            able = [cell for cell in aged if can_charge(cell, start, 0.3)]
            whole_s = [cell["capacity_slow_ah"] / cell["charge_a"] * 3600.0 for cell in able]
            windows = [
                (cell, window_of(cell, "charge", start * s, (start + 0.3) * s))
                for cell, s in zip(able, whole_s, strict=True)
            ]
            line(name, f"charge, {start:.0%} to {start + 0.3:.0%}", found, windows)


if __name__ == "__main__":
    main()
