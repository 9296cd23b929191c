"""What the engine costs a reading, in a profile of 1,000 steps, beside the bare pack model's own step.

Run it with `make bench`. It prints microseconds of CPU time, the least of several passes, and the ratio to
`PackModel.advance` measured in the same run: absolute figures drift with the machine, the ratio holds. Target: under
15 us for an ordinary reading. Not a test: nothing here passes or fails.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from time import process_time

import numpy as np

from packbench.config.pack import load_pack
from packbench.core.samples import CyclerSample, Snapshot, bms_sample
from packbench.core.specs import PackSpec
from packbench.engine.advance import advance, start
from packbench.engine.due import due_ns
from packbench.engine.state import EngineState
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import Plan
from packbench_sim.pack import PackModel

S = 1_000_000_000
CONFIGS = Path(__file__).parents[2] / "configs"
TARGET_US = 15.0
READINGS, PASSES = 2_000, 7
STEPS = {
    "ordinary reading (cc, three ends, a cell's limit)": """
  - cc_charge:
      current: C/5
      until: [voltage >= 404 V, {when: temperature_max >= 50 degC, for: 10 s}, step_ah >= 400 Ah]
      on_cell_limit: {at: cell_full, action: taper, end_current: 0.05C}
      max_time: 100 h""",
    "constant power": "\n  - cp_discharge: {power: 20 %Pmax, until: voltage <= 270 V, max_time: 100 h}",
    "a rate of change": "\n  - rest: {until: 'dV/dt >= 1 V/s', max_time: 100 h}",
    "a formula in an end": "\n  - cc_discharge: {current: C/5, until: 'voltage <= 50 * cell_max', max_time: 100 h}",
    "pulses with read-outs": """
  - pulse: {train: [{discharge: C/5, for: 30 s}, {rest: 30 s}], repeat: 10000, read_outs: [2 s, 10 s]}""",
}
"""What the step does that is measured; a thousand rests stand before it and after it."""


def plan_of(pack: PackSpec, step: str, steps: int) -> Plan:
    """The step in the middle of a profile of so many."""
    rests = "\n".join(["  - rest: {for: 1 s}"] * (steps // 2))
    text = f"profile: p\ntitle: {{en: p, zh: p}}\nsteps:\n{rests}{step}\n{rests}\n"
    return compile_profile(text, "p.yaml", pack)


def readings(pack: PackSpec, count: int, from_s: float) -> list[Snapshot]:
    """Readings twice a second, cells once."""
    cells = np.full(pack.series, 3.7)
    found: list[Snapshot] = []
    bms = bms_sample(0, cells, (25.0,) * pack.temperature_sensors)
    for turn in range(count):
        t_ns = round((from_s + turn / 2) * S)
        if turn % 2 == 0:
            bms = bms_sample(t_ns, cells, (25.0,) * pack.temperature_sensors)
        cycler = CyclerSample(t_ns, 355.0 + 0.001 * (turn % 7), -30.0 + 0.01 * (turn % 5), True, "cc")
        found.append(Snapshot(t_ns, cycler, bms, None, cycler.voltage_v))
    return found


def begun(plan: Plan, pack: PackSpec, index: int) -> tuple[EngineState, float]:
    """The state in the step at `index`, everything before it done, and when that was (s)."""
    (first,) = readings(pack, 1, 0.0)
    state, _ = start(plan, first, 0)
    t_s = 0.0
    while state.step.index < index:
        t_s += 1.0
        (view,) = readings(pack, 1, t_s)
        state, _ = advance(plan, state, view, view.t_ns)
    return state, t_s


def least_us(run: Callable[[], object], each: int) -> float:
    """Microseconds of CPU time of one of `each`, the least of several passes."""
    best = float("inf")
    for _ in range(PASSES):
        began = process_time()
        run()
        best = min(best, process_time() - began)
    return best / each * 1e6


def reading_us(pack: PackSpec, step: str, steps: int) -> float:
    """A reading of the running step, with the question of when to look again where its state has changed."""
    plan = plan_of(pack, step, steps)
    state, t_s = begun(plan, pack, steps // 2)
    views = readings(pack, READINGS, t_s + 0.5)

    def run() -> None:
        now = state
        for view in views:
            after, _ = advance(plan, now, view, view.t_ns)
            if after.step is not now.step or after.control is not now.control:
                due_ns(plan, after, view.t_ns)
            now = after
        assert now.step.index == steps // 2

    return least_us(run, len(views))


def step_end_us(pack: PackSpec, steps: int) -> float:
    """The end of a step and the beginning of the next one."""
    plan = plan_of(pack, "\n  - rest: {for: 1 s}", steps)
    views = readings(pack, 2 * (steps - 2), 0.5)[1::2]
    (first,) = readings(pack, 1, 0.0)

    def run() -> None:
        state, _ = start(plan, first, 0)
        for view in views:
            state, _ = advance(plan, state, view, view.t_ns)
        assert state.step.index >= steps - 3

    return least_us(run, len(views))


def round_us(pack: PackSpec, rounds: int) -> float:
    """A round of a long loop with variables and an agreement: nothing may grow with the rounds."""
    text = f"""profile: p
title: {{en: p, zh: p}}
result: {{capacity_of: discharge}}
steps:
  - loop:
      repeat: {rounds}
      until: capacity within 0.000001 Ah for 3 cycles
      steps:
        - cc_discharge: {{label: discharge, current: C/5, for: 1 s}}
        - set: {{moved: ah(discharge)}}
"""
    plan = compile_profile(text, "p.yaml", pack)
    views = readings(pack, 2 * (rounds - 2), 0.5)[1::2]
    (first,) = readings(pack, 1, 0.0)

    def run() -> None:
        state, _ = start(plan, first, 0)
        for view in views:
            state, _ = advance(plan, state, view, view.t_ns)
        assert state.step.cycle > rounds // 2

    return least_us(run, len(views))


def bare_us(pack: PackSpec) -> float:
    """The pack model's own step, alone."""
    model = PackModel(pack, 25.0)

    def run() -> None:
        for _ in range(READINGS):
            model.advance(0.5, -30.0)

    return least_us(run, READINGS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", default="nmc-96s")
    parser.add_argument("--steps", type=int, default=1_000)
    args = parser.parse_args()
    path = CONFIGS / f"packs/{args.pack}.yaml"
    pack = load_pack(path.read_text(encoding="utf-8"), str(path))
    bare = bare_us(pack)
    print(f"the engine at {args.steps:,} steps in the profile, {pack.name}; target {TARGET_US:g} us a reading")
    print(f"{'':52}{'us':>8}{'of the bare pack step':>24}")
    print(f"{'bare pack step (PackModel.advance)':52}{bare:>8.2f}{1:>24.1f}")
    rows = [(name, reading_us(pack, step, args.steps)) for name, step in STEPS.items()]
    rows.append(("the end of a step and the next one's beginning", step_end_us(pack, args.steps)))
    rows += [(f"a round of a loop of {rounds:,}", round_us(pack, rounds)) for rounds in (100, 10_000)]
    for name, cost in rows:
        print(f"{name:52}{cost:>8.2f}{cost / bare:>24.1f}")


if __name__ == "__main__":
    main()
