"""The worst case by hand: bounds of steps and plans, what ends them, and what an author is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from packbench.app.job import find_beside
from packbench.config import cell_bounds
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.checking.estimate import Bounds, Estimate, StepBounds, estimate_plan
from packbench.profile.checking.forewarning import worst_case_warnings
from packbench.profile.language.compiler import compile_profile
from packbench_sim import chemistry as simulated

CONFIGS = Path(__file__).parents[2] / "configs"
HEAD = "profile: t\ntitle: {en: T, zh: 测}\nsteps:\n"


def read(path: str) -> str:
    return (CONFIGS / path).read_text(encoding="utf-8")


PACK = load_pack(read("packs/nmc-96s.yaml"), "nmc-96s.yaml")
LFP = load_pack(read("packs/lfp-16s.yaml"), "lfp-16s.yaml")
CELL = load_pack(read("packs/lmo-25ah.yaml"), "lmo.yaml")
BENCH = load_bench(read("benches/sim-hv.yaml"), "sim-hv.yaml")
LOW = load_bench(read("benches/sim-lv.yaml"), "sim-lv.yaml")
RATED_AH = PACK.rated_capacity_ah

FULL = (
    "  - cccv_charge: {label: full, current: 1 I3, voltage: pack_full, end_current: 0.05 I1,"
    " on_cell_limit: {at: cell_full, action: taper, end_current: 0.05 I1}}\n"
)
EMPTY = "  - cc_discharge: {label: empty, current: 1 I3, until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]}\n"


def estimate(steps: str, pack: PackSpec = PACK, **given) -> Estimate:
    return estimate_plan(compile_profile(HEAD + steps, "t.yaml", pack), pack, given.get("bench", BENCH))


def row(steps: str, label: str, pack: PackSpec = PACK, **given) -> StepBounds:
    return next(row for row in estimate(steps, pack, **given).steps if row.label == label)


def warned(steps: str, pack: PackSpec = PACK, bench=BENCH) -> list[tuple[str, int | None]]:
    plan = compile_profile(HEAD + steps, "t.yaml", pack)
    return [(problem.message, problem.line) for problem in worst_case_warnings(plan, pack, bench)]


def assert_ordered(bounds: Bounds) -> None:
    assert bounds.min <= bounds.expected <= bounds.max


@pytest.mark.parametrize("pack", [PACK, LFP, CELL], ids=lambda pack: pack.chemistry)
def test_the_simulated_cells_are_of_those_that_the_bounds_hold(pack: PackSpec):
    columns, soc = simulated.chemistry(pack.chemistry).columns(), simulated.SOC_GRID
    ocv_v, branch_v = columns[simulated.ROWS.index("ocv_v")], columns[simulated.ROWS.index("hysteresis_v")]
    empty, full = (np.interp(v, ocv_v, soc) for v in (pack.cell_cutoff_v, pack.cell_full_v))
    ours = (soc - empty) / (full - empty)
    inside = (ours >= cell_bounds.SOC_LEAST) & (ours <= cell_bounds.SOC_MOST)
    band = np.array(cell_bounds.ocv_band(pack.chemistry, pack.cell_cutoff_v, pack.cell_full_v))
    low_v, high_v = np.interp(ours, band[:, 0], band[:, 1]), np.interp(ours, band[:, 0], band[:, 2])
    # At the very ends, where the band is a point, hysteresis is 3 mV beside it.
    assert (ocv_v - branch_v >= low_v - 0.004)[inside].all()
    assert (ocv_v + branch_v <= high_v + 0.004)[inside].all()
    least, _, most = cell_bounds.CELL_BOUNDS[pack.chemistry].ohm_ah
    ohm_ah = sum(columns[simulated.ROWS.index(name)] for name in ("r0_ohm_ah", "r1_ohm_ah", "r2_ohm_ah"))
    half = np.interp(0.5, ours, ohm_ah)
    assert least <= half <= most / 2.4, "new cells leave room for worn ones"
    shape = np.array(cell_bounds.RESISTANCE_OVER_SOC)
    assert (ohm_ah / half <= np.interp(ours, shape[:, 0], shape[:, 1]))[inside].all()
    slope_v = np.diff(ocv_v) / np.diff(ours)
    for (from_v, least_v), until_v in zip(
        table := cell_bounds.CELL_BOUNDS[pack.chemistry].slope_v, [*(v for v, _ in table[1:]), 9.9], strict=True
    ):
        part = inside[1:] & inside[:-1] & (ocv_v[:-1] >= from_v) & (ocv_v[1:] <= until_v)
        assert (slope_v[part] >= least_v).all()
    dudt = columns[simulated.ROWS.index("dudt_v_k")]
    assert np.abs(dudt).max() <= cell_bounds.ENTROPY_V_K[0]
    range_v_k = np.ptp((np.cumsum(dudt) * simulated.SOC_GRID_STEP)[(soc >= 0) & (soc <= 1)])
    assert range_v_k <= cell_bounds.ENTROPY_V_K[1]


def test_a_full_discharge_gives_half_to_110_percent_of_rated():
    found = row(FULL + EMPTY, "empty")
    # 50 % less what the lowest cell is ahead (10 %) and the resistance leaves; 110 % and what is missed by polls.
    assert -1.14 * RATED_AH < found.charge_ah.min < -1.09 * RATED_AH
    assert -0.45 * RATED_AH < found.charge_ah.max < -0.25 * RATED_AH
    assert found.charge_ah.expected == pytest.approx(-0.8 * RATED_AH, rel=0.01)
    assert 0.75 * 3600 < found.duration_s.min < 1.5 * 3600
    assert found.duration_s.expected == pytest.approx(0.8 * 3 * 3600, rel=0.03)
    assert 3.25 * 3600 < found.duration_s.max < 3.5 * 3600
    assert found.power_w.max == pytest.approx(50 * 96 * 4.3, rel=0.03)
    assert found.may_end == ("cell_min <= cell_cutoff", "voltage <= pack_cutoff")
    assert (found.fires, found.overdue) == (None, False)


def test_a_charge_after_a_discharge_takes_at_least_what_the_least_pack_holds():
    found = row(FULL + EMPTY + FULL.replace("label: full", "label: again"), "again")
    assert 0.25 * RATED_AH < found.charge_ah.min < 0.5 * RATED_AH < 1.05 * RATED_AH < found.charge_ah.max
    assert found.duration_s.min > 0.8 * 3600
    # Constant current to the end, and a tail of less than three hours behind it.
    assert 3.3 * 3600 < found.duration_s.max < 6.6 * 3600
    assert not found.overdue
    assert found.may_end == (
        "current <= 7.5 A at 403.2 V",
        "a cell at 4.2 V at the end current 7.5 A",
    )


def test_time_is_exact_and_fires():
    steps = "  - rest: {label: r, for: 10 min}\n  - cc_charge: {label: c, current: 30 A, for: 20 s}\n"
    whole = estimate(steps)
    rest, charge = whole.steps
    assert (rest.duration_s.min, rest.duration_s.max, rest.fires) == (600.0, 600.0, "step_time >= 10 min")
    assert (charge.duration_s.min, charge.duration_s.max, charge.fires) == (20.0, 20.0, "step_time >= 20 s")
    assert charge.charge_ah.expected == pytest.approx(30 * 20 / 3600)
    assert charge.charge_ah.min < 30 * 20 / 3600 < charge.charge_ah.max
    # A current settles for two seconds after the last step.
    assert whole.duration_s.min == pytest.approx(620.0)
    assert whole.duration_s.max == pytest.approx(623.0)
    assert whole.step_duration_s == pytest.approx((600.0, 20.0, 0.0))


def test_a_charge_that_is_counted_ends_by_it():
    found = row(
        FULL + "  - cc_discharge: {label: d, current: 30 A, until: [step_ah >= 15 Ah, cell_min <= cell_cutoff]}\n", "d"
    )
    assert found.fires == "step_ah >= 15 Ah"
    assert found.duration_s.min == pytest.approx(1800.0, rel=0.01)
    assert found.duration_s.max == pytest.approx(1800.0, rel=0.01)
    assert (found.charge_ah.min, found.charge_ah.max) == pytest.approx((-15.0, -15.0), abs=0.25)
    energy_wh = 15 * 96 * 4.0
    assert -energy_wh * 1.08 < found.energy_wh.min < found.energy_wh.max < -energy_wh * 0.85


@pytest.mark.parametrize("sign", ["charge", "discharge"])
@pytest.mark.parametrize("end", ["step_ah >= 1 Ah", "step_wh >= 50 Wh"])
def test_a_clamp_takes_time_and_gives_no_charge(sign: str, end: str):
    found = row(f"  - cc_{sign}: {{label: a, current: 0.5C, until: [{end}]}}\n", "a", LFP, bench=LOW)
    # A pack that begins at its clamp may take until max_time; more than it was told never flows, nor heats.
    assert found.overdue
    assert max(abs(found.charge_ah.min), found.charge_ah.max) < 1.6
    assert found.temperature_c.max < 33.0


def test_a_long_pulse_moves_no_more_than_the_pack_holds():
    found = row("  - pulse: {label: a, train: [{discharge: 0.5C, for: 20 h}]}\n", "a", LFP, bench=LOW)
    assert -1.3 * LFP.rated_capacity_ah < found.charge_ah.min < -1.1 * LFP.rated_capacity_ah
    assert found.temperature_c.max < 75.0


def test_pauses_take_the_operators_time():
    first = "  - pause: {label: p, prompt: {en: Go?, zh: 好?}, max_time: 2 h}\n"
    assert row(first + EMPTY, "p").duration_s == Bounds(0.0, 0.0, 0.0)  # asked before the pack is connected
    assert row(EMPTY + first, "p").duration_s == Bounds(0.0, 60.0, 7200.0)


def test_what_an_earlier_step_came_to_is_known_of_the_same_pack():
    steps = FULL + EMPTY + "  - cc_charge: {label: half, current: 1 I3, until: step_ah >= 0.5 * ah(empty)}\n"
    found = row(steps, "half")
    # Of one pack, half of what it gave: between half of the least and half of the most; and never to its full voltage.
    assert 0.12 * RATED_AH < found.charge_ah.min < 0.25 * RATED_AH
    assert 0.54 * RATED_AH < found.charge_ah.max < 0.58 * RATED_AH
    again = row(
        FULL + EMPTY + "  - cc_charge: {label: half, current: 1 I3, for: 20 min}\n" + EMPTY.replace("empty", "e"), "e"
    )
    assert again.charge_ah.max > -0.55 * RATED_AH


def test_whichever_comes_first_may_end_a_step():
    both = "  - rest: {label: r, for: 1 h, until: temperature_max <= 26 degC}\n"
    found = row(both, "r")
    assert (found.duration_s.min, found.duration_s.max) == (0.0, 3600.0)
    assert found.may_end == ("temperature_max <= 26 degC", "step_time >= 1 h")
    never = "  - rest: {label: r, for: 1 h, until: temperature_max >= 50 degC}\n"
    assert row(never, "r").fires == "step_time >= 1 h"
    held = "  - rest: {label: r, for: 1 h, until: {when: temperature_max <= 45 degC, for: 1 min}}\n"
    assert row(held, "r").duration_s.min == 60.0
    assert row(held, "r").duration_s.max < 70.0
    all_of = "  - rest: {label: r, for: 1 h, until: {all: [temperature_max <= 45 degC, step_time >= 2 min]}}\n"
    assert 120.0 <= row(all_of, "r").duration_s.max < 130.0


def test_jumps_lead_around_steps():
    steps = (
        "  - cc_discharge: {label: d, current: 1 I3, for: 1 h,"
        " until: {when: cell_min <= cell_cutoff, goto: away}}\n"
        "  - rest: {label: r, for: 2 h}\n"
        "  - rest: {label: away, for: 1 min}\n"
    )
    whole = estimate(steps)
    assert whole.duration_s.min == pytest.approx(60.0)
    assert whole.duration_s.max == pytest.approx(3 * 3600 + 60 + 3)
    assert whole.duration_s.expected == pytest.approx(3 * 3600 + 60)
    always = estimate(
        "  - rest: {for: 1 min}\n  - goto: {to: away, when: test_time >= 30 s}\n"
        + steps[steps.index("  - rest: {label: r") :]
    )
    assert always.duration_s.max == pytest.approx(123.0)
    assert not next(row for row in always.steps if row.label == "r").reached


def test_rounds_are_multiplied():
    both = "cc_charge: {current: 30 A, for: 20 s}, cc_discharge: {current: 30 A, for: 20 s}"
    for repeat in (4, 4000):
        whole = estimate(f"  - loop: {{repeat: {repeat}, steps: [{both}]}}\n")
        assert whole.duration_s.min == pytest.approx(40.0 * repeat)
        assert whole.duration_s.max == pytest.approx(40.0 * repeat + 3)
        assert whole.charge_ah.expected == pytest.approx(repeat * 2 * 30 * 20 / 3600)
    nested = f"  - loop: {{repeat: 1000, steps: [{{loop: {{repeat: 1000, steps: [{both}]}}}}, rest: {{for: 1 s}}]}}\n"
    whole = estimate(nested)
    assert whole.duration_s.min == pytest.approx(1000 * (1000 * 40.0 + 1.0))
    assert whole.temperature_c.max < 45.0, "a loop that is gone through together is as hot as it would settle"


def test_a_loop_may_end_sooner():
    body = "rest: {label: r, for: 1 min}"
    assert estimate(f"  - loop: {{repeat: 5, until: cycle >= 3, steps: [{body}]}}\n").duration_s.max == 183.0
    assert estimate(f"  - loop: {{repeat: 500, until: test_time >= 2 h, steps: [{body}]}}\n").duration_s.min == 7200.0
    agree = FULL[4:].replace("\n", "").replace("  - ", "")
    steps = (
        f"  - loop:\n      repeat: 5\n      until: capacity of empty within 3 % of rated for 2 cycles\n      steps:\n"
        f"        - {agree}\n        - {EMPTY[4:]}"
    )
    whole, one = (
        estimate(steps),
        row(FULL + EMPTY + FULL.replace("label: full", "label: f") + EMPTY.replace("empty", "e"), "e"),
    )
    assert whole.duration_s.min > one.duration_s.min * 2
    assert whole.duration_s.expected == pytest.approx(sum(whole.step_duration_s) * 2, rel=0.3)
    assert 5 * 2 * RATED_AH < whole.charge_ah.max < 5 * 2 * 1.15 * RATED_AH


def test_a_loops_variable_has_each_of_its_values():
    steps = "  - loop: {each: {rate: [0.1C, 0.5C, 0.2C]}, steps: [cc_charge: {label: c, current: $rate, for: 6 min}]}\n"
    found = row(steps, "c")
    assert found.charge_ah.max == pytest.approx(0.05 * RATED_AH, rel=0.05)
    assert found.charge_ah.min < 0.01 * RATED_AH
    assert estimate(steps).charge_ah.expected == pytest.approx(0.08 * RATED_AH)


def test_waveforms_last_as_long_as_they_say():
    steps = FULL + (
        "  - cc_discharge: {current: 1 I3, for: 30 min}\n"
        "  - pulse: {label: p, repeat: 20, train: [{discharge: 0.5C, for: 10 s}, {rest: 40 s},"
        " {charge: 0.25C, for: 10 s}]}\n"
    )
    found = row(steps, "p")
    assert (found.duration_s.min, found.duration_s.max) == (1200.0, 1200.0)
    assert found.fires == "the waveform's end"
    net_ah = 20 * (75 * 10 - 37.5 * 10) / 3600
    assert found.charge_ah.expected == pytest.approx(-net_ah)
    assert found.charge_ah.min < -net_ah < found.charge_ah.max


def test_a_cold_pack_resists_more():
    cold = replace(BENCH, ambient_c=5.0)
    assert row(FULL + EMPTY, "empty", bench=cold).charge_ah.max > row(FULL + EMPTY, "empty").charge_ah.max
    hot = row(FULL + EMPTY, "empty", bench=cold).temperature_c
    assert hot.max < row(FULL + EMPTY, "empty").temperature_c.max


def test_one_cell_has_no_others_beside_it():
    alone = load_bench(read("benches/sim-cell.yaml"), "sim-cell.yaml")
    found = row(FULL + EMPTY, "empty", CELL, bench=alone)
    assert found.charge_ah.max < -0.28 * CELL.rated_capacity_ah


def test_warned_of_an_end_that_may_not_come():
    clamped = "  - cc_charge: {current: C/3, clamp: 0.9 * pack_full, until: step_ah >= 0.6 * rated}\n"
    assert warned(clamped) == [("may be aborted by max_time", 4)]
    assert warned(FULL + EMPTY) == []
    assert warned(FULL + EMPTY, LFP, LOW) == []
    rest = "  - rest: {until: abs(dV/dt) <= 1 mV/min}\n"
    assert warned(rest) == [("may be aborted by max_time", 4)]
    assert warned(rest.replace("}\n", ", for: 2 h}\n")) == []


def test_warned_of_heat_and_power():
    fast = replace(PACK.limits, charge_current_max_a=450.0, discharge_current_max_a=450.0)
    hard, strong = replace(PACK, limits=fast, max_power_w=2e5), replace(BENCH, limits={})
    steps = "  - rest: {for: 1 s}\n" + EMPTY.replace("1 I3", "2C")
    assert ("may get too hot", 5) in warned(steps, hard, strong)
    weak = replace(LOW, cycler=replace(LOW.cycler, settings={**LOW.cycler.settings, "rated_power_w": 1000.0}))
    assert ("more power than the cycler has", 4) in warned(
        "  - pulse: {train: [{discharge: 0.5C, for: 5 s}]}\n", LFP, weak
    )


def test_warned_of_a_step_that_may_not_begin():
    steps = FULL + EMPTY + "  - cc_charge: {current: 'ah(empty) / 30 min', for: 1 min}\n"
    assert ("may not begin", 6) in warned(steps)
    assert warned(steps.replace("ah(empty) / 30 min", "min(0.5C, ah(empty) / 30 min)")) == []


@pytest.mark.parametrize(
    ("pack", "bench"), [(PACK, BENCH), (LFP, LOW), (CELL, None)], ids=["nmc-96s", "lfp-16s", "lmo-25ah"]
)
def test_bounds_are_ordered_over_the_library(pack: PackSpec, bench: BenchSpec | None):
    refused: list[str] = []
    for profile in sorted(CONFIGS.glob("profiles/*.yaml")):
        try:
            plan = compile_profile(profile.read_text(encoding="utf-8"), str(profile), pack, find_beside)
        except InputError:
            refused.append(profile.stem)
            continue
        found = estimate_plan(plan, pack, bench)
        for bounds in (found.duration_s, found.charge_ah, found.energy_wh, found.temperature_c):
            assert_ordered(bounds)
        for step in found.steps:
            for bounds in (step.duration_s, step.charge_ah, step.energy_wh, step.power_w, step.temperature_c):
                assert_ordered(bounds)
            assert step.duration_s.max <= plan.steps[step.index].max_time_ns / 1e9
    # A cell that PulseBat pulsed may be pulsed with 1.5 C; these packs may not.
    assert refused == ([] if pack is CELL else ["pulse-test"])


def test_the_residual_capacity_takes_at_most_five_cycles():
    plan = compile_profile(read("profiles/gbt34015-residual-capacity.yaml"), "g.yaml", PACK)
    found = estimate_plan(plan, PACK, BENCH)
    # Two cycles of an 80 % pack: about 2 x (2.6 h + 4 h + 1 h), less the charge it came with.
    assert 11 * 3600 < found.duration_s.expected < 16 * 3600
    assert 5 * 2 * 1.1 * RATED_AH < found.charge_ah.max < 5 * 2 * 1.15 * RATED_AH
