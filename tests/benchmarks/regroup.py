"""How fast modules and cells are regrouped, how far from the bound, and how much better than sorting and slicing.

    python tests/benchmarks/regroup.py [--seeds 5]

Simulated members: SOH normal around 0.82 with a deviation of 0.06, one in twenty 0.05 lower; resistance rising with
what is lost, and 8 % of its own; mean voltage with a deviation of 12 mV of its own. Energy at C/3.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np

from packbench.secondlife.regrouping.bound import sort_and_slice
from packbench.secondlife.regrouping.members import Member, Shape, Table, spread_ah
from packbench.secondlife.regrouping.plan import Plan, make_plan
from packbench.secondlife.regrouping.rules import Rules

CASES = (
    ("24 into 6 packs of 4s1p", 24, Shape(6, 4, 1), 10.0, True),
    ("24 into 1 pack of 6s4p", 24, Shape(1, 6, 4), 10.0, False),
    ("24 into 4 packs of 3s2p", 24, Shape(4, 3, 2), 10.0, False),
    ("1000 into 5 packs of 96s2p", 1000, Shape(5, 96, 2), 60.0, False),
    ("1200 into 5 packs of 96s2p", 1200, Shape(5, 96, 2), 60.0, False),
    ("5000 into 26 packs of 96s2p", 5000, Shape(26, 96, 2), None, False),
)
"""Name, members, shape, limit in seconds, whether it must be proven."""


def members(count: int, seed: int) -> Table:
    """So many members, by chance."""
    dice = np.random.default_rng(seed)
    soh = np.clip(dice.normal(0.82, 0.06, count) - 0.05 * (dice.random(count) < 0.05), 0.4, 1.0)
    ohm = 1e-3 * (1 + 2 * (1 - soh) + dice.normal(0, 0.08, count))
    volt = 3.65 - 0.1 * (1 - soh) + dice.normal(0, 0.012, count)
    rows = enumerate(zip(soh.tolist(), ohm.tolist(), volt.tolist(), strict=True))
    return Table.of([Member(f"m{n}", 50 * s, r, soh=s, voltage_v=v) for n, (s, r, v) in rows])


def main() -> int:
    """Print a line a case; 1 where a limit was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    print(f"{'case':28} {'seconds':>12} {'proven':>8} {'gap %':>15} {'over slicing %':>20} {'spread, sliced Ah':>18}")
    missed: list[str] = []
    for name, count, shape, limit_s, must in CASES:
        plans: list[Plan] = []
        took: list[float] = []
        spreads: list[tuple[float, float]] = []
        for seed in range(seeds if count < 5000 else 1):
            table = members(count, seed)
            before = time.perf_counter()
            plans.append(make_plan(table, shape, Rules(), limit_s=2.0))
            took.append(time.perf_counter() - before)
            spreads.append((plans[-1].spread_ah, float(spread_ah(table, sort_and_slice(table, shape)).sum())))
        proven = sum(plan.status == "optimal" and (plan.spread_proven or not must) for plan in plans)
        gaps, margins = [100 * plan.gap for plan in plans], [100 * (plan.margin or 0.0) for plan in plans]
        print(
            f"{name:28} {_range(took, 2):>12} {proven:>4} of {len(plans)} {_range(gaps, 4):>15} "
            f"{_range(margins, 3):>20} {statistics.median(one for one, _ in spreads):>9.3f} "
            f"{statistics.median(one for _, one in spreads):>8.3f}",
            flush=True,
        )
        if (limit_s is not None and max(took) > limit_s) or (must and proven < len(plans)):
            missed.append(name)
    print("missed: " + ", ".join(missed) if missed else "every limit held")
    return 1 if missed else 0


def _range(values: list[float], digits: int) -> str:
    """Median and largest."""
    return f"{statistics.median(values):.{digits}f}..{max(values):.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
