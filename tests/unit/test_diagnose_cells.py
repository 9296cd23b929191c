"""Cells, balance and fade: against the simulator's own cells, and in closed form."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from tests.benchmarks import redraws
from tests.unit import analysis_run as run_made
from tests.unit import diagnose_records as made

from packbench.analysis.diagnose.alignment import align, shift
from packbench.analysis.diagnose.fade import fade_of
from packbench.config.pack import load_pack
from packbench.core.diagnostics import CycleEfficiency, DcResistance, ResistanceAt
from packbench.core.errors import InputError
from packbench.core.measured import Measured

Z_AH = np.linspace(99.75, 0.25, 200)


def sloping_v(to_go_ah):
    return 3.3 + 0.006 * to_go_ah + 0.05 * np.sin(to_go_ah / 9.0) - 0.5 * np.exp(-to_go_ah / 3.0)


def flat_v(to_go_ah):
    return 3.3 + 0.0004 * to_go_ah - 0.6 * np.exp(-to_go_ah / 3.0)


@pytest.mark.parametrize(("ratio", "left_ah", "offset_v"), [(1.04, 2.0, 0.004), (0.97, 0.5, -0.003), (1.0, 6.0, 0.0)])
def test_a_stretched_and_shifted_curve_is_found_again(ratio, left_ah, offset_v):
    cell_v = sloping_v(ratio * (Z_AH + left_ah)) + offset_v
    found: Any = align(Z_AH, sloping_v(Z_AH), cell_v)
    assert found.ratio == pytest.approx(ratio, rel=2e-3)
    assert found.left_ah == pytest.approx(left_ah, abs=0.15)
    assert abs(found.left_ah - left_ah) < 2.0 * np.sqrt(found.covariance[1, 1]) + 0.02


def test_on_a_flat_curve_the_knee_says_how_much_is_left():
    for left_ah in (0.0, 1.5, 4.0):
        found: Any = shift(Z_AH, flat_v(Z_AH), flat_v(Z_AH + left_ah) + 0.003, 0.3)
        assert abs(found.shift_ah - left_ah) < 2.0 * found.standard_u_ah + 0.02
        assert found.standard_u_ah < 0.5


def test_another_curve_altogether_gives_nothing_or_a_wide_answer():
    found = align(Z_AH, sloping_v(Z_AH), 3.5 + 0.0 * Z_AH)
    assert found is None or found.covariance[0, 0] ** 0.5 > 0.05
    line_v = 3.0 + 0.01 * Z_AH
    assert align(Z_AH, line_v, line_v + 0.01) is None, "a shift and an offset are the same on a straight line"
    assert align(Z_AH, 3.5 + 0.0 * Z_AH, line_v) is None


@pytest.fixture(scope="module", params=(("lfp", 2), ("nmc", 3), ("lmo", 4)), ids=lambda each: each[0])
def pack(request: pytest.FixtureRequest):
    case = redraws.case(*request.param)
    return case, redraws.drawn_result(case, 11)


def test_the_cells_capacities_are_those_of_the_simulated_cells(pack):
    case, result = pack
    cells = result.diagnostics.cells
    true_ah = redraws.PackModel(case.pack, 25.0).cells.capacity_as / 3600.0
    found_ah = np.array([one.capacity_ah.value for one in cells.cells])
    # The plant counts from no charge at all; the test from the cut-off under load, which is common to all cells.
    common = float(np.mean(found_ah / true_ah))
    assert 0.94 < common < 1.02
    wide_ah = np.array([one.capacity_ah.U for one in cells.cells])
    assert np.all(np.abs(found_ah - common * true_ah) <= wide_ah)
    assert np.std(found_ah / true_ah) < 0.002, "relative to each other, whatever the ammeter's error"
    true_spread = (true_ah.max() - true_ah.min()) / true_ah.mean()
    assert abs(cells.capacity_spread.value - true_spread) <= cells.capacity_spread.U
    assert true_spread > 2.0 * cells.capacity_spread.U


def test_the_cells_resistances_are_within_their_uncertainty_of_what_perfect_meters_read(pack):
    case, result = pack
    perfect: Any = redraws.drawn_result(case, 11, perfect=True).diagnostics
    assert result.diagnostics.cells.resistance_at_s == perfect.cells.resistance_at_s == 10.0
    pairs = list(zip(result.diagnostics.cells.cells, perfect.cells.cells, strict=True))
    inside = [abs(one.resistance_ohm.value - true.resistance_ohm.value) <= one.resistance_ohm.U for one, true in pairs]
    assert np.mean(inside) >= 0.9
    scale = redraws.PackModel(case.pack, 25.0).cells.resistance_scale
    assert np.corrcoef([one.resistance_ohm.value for one, _ in pairs], scale)[0, 1] > 0.5


def balanced_ah(case):
    """What the pack gives with all cells as full as its fullest one was."""
    course = redraws.Course(case, redraws.InstrumentErrors.none(case.pack.series), 0)
    course.charge()
    plant = {**case.pack.plant, "imbalance_sd": 0.0, "initial_soc": min(float(course.pack.soc.max()), 1.0)}
    even = replace(case, pack=replace(case.pack, plant=MappingProxyType(plant)))
    course = redraws.Course(even, redraws.InstrumentErrors.none(case.pack.series), 0)
    course.rest()
    return -course.discharge().charge_ah


def test_what_balancing_would_give_back_is_what_the_balanced_pack_gives():
    case = redraws.case("nmc", 3)
    truth = redraws.true_end(case)
    found: Any = redraws.drawn_result(case, 11).diagnostics
    assert found.balance.limited_by == "imbalance"
    assert found.balance.full and found.balance.decided
    assert found.balance.discharge_cell == truth.cell
    true_gain_ah = balanced_ah(case) - truth.capacity_ah
    assert true_gain_ah > 0.5
    assert abs(found.balance.gain_ah.value - true_gain_ah) <= found.balance.gain_ah.U
    alike: Any = redraws.drawn_result(redraws.case("nmc", 1), 11).diagnostics
    assert alike.balance.limited_by == "cell"
    assert alike.balance.decided is False, "one cell ends both: nothing to give back"


def test_a_charge_that_a_cell_ended_at_high_current_is_said_not_to_be_full():
    run = run_made.made_up_run()
    assert run_made.analysed(run).diagnostics.balance.full
    early, parts = [], []
    for step in run.steps:
        rows = run.rows.of_step(step.step, step.started_ns / 1e9, step.ended_ns / 1e9)
        if step.kind == "cccv_charge":
            rows = rows.part(rows.current_a > 10.0)
        parts.append(rows)
        early.append(replace(step, ended_ns=round(float(rows.t_s[-1]) * 1e9)))
    result = run_made.analysed(replace(run, steps=tuple(early), rows=run_made.joined(parts)))
    assert result.diagnostics.balance.full is False
    assert result.diagnostics.balance.limited_by == "not_full"
    (note,) = [note for note in result.notes if note.key == "charge_not_full"]
    assert "16.7 A" in note.text_en and "16.7 A" in note.text_zh


def edge(soc, ohm, after_a=-50.0, rest_s=3600.0):
    read_out = ResistanceAt(10.0, Measured(ohm, 0.01 * ohm, 2.0, 0.95, "ohm"))
    return DcResistance(
        5, 1, 10.0, 0.0, 0.0, after_a, rest_s, None, Measured(soc, 0.01, 2.0, 0.95, "1"), (read_out,)
    )  # fmt: skip


def test_the_fade_figures_follow_the_formulas_and_say_nothing_without_a_begin_of_life():
    rows = made.table(np.array([0.0, 9.0, 11.0]), np.array([48.0, 48.0, 45.0]), np.array([0.0, 0.0, -50.0]))
    capacity = Measured(40.0, 0.2, 2.0, 0.95, "Ah")
    pack = replace(run_made.PACK, bol_resistance_ohm=0.04, bol_power_w=40000.0, bol_round_trip_efficiency=0.97)
    cycles = (CycleEfficiency(2, (3,), (4,), capacity, Measured(0.94, 0.002, 2.0, 0.95, "1")),)
    edges = (edge(0.81, 0.05), edge(0.49, 0.052), edge(0.19, 0.07, rest_s=10.0))
    evidence = made.evidence(rows, spans=(), pack=pack, capacity_ah=capacity)
    found: Any = fade_of(evidence, edges, cycles)
    assert found.capacity_fade.value == pytest.approx(1.0 - 40.0 / 50.0)
    assert pytest.approx(0.2 / 50.0) == found.capacity_fade.U
    assert found.resistance_increase.value == pytest.approx(0.3)
    assert found.round_trip_fade.value == pytest.approx(1.0 - 0.94 / 0.97)
    least_v = 4 * 2.8
    assert found.powers[0].power_w.value == pytest.approx(least_v * (48.0 - least_v) / 0.05)
    assert len(found.powers) == 1, "ten seconds are no rest: the voltage before the edge at 19 % is no open-circuit one"
    assert found.power_fade.value == pytest.approx(1.0 - found.powers[0].power_w.value / 40000.0)
    bare: Any = fade_of(replace(evidence, pack=run_made.PACK), edges, cycles)
    assert bare.resistance_increase is None and bare.power_fade is None and bare.round_trip_fade is None


def test_a_pack_file_may_state_its_begin_of_life():
    text = (redraws.CONFIGS / "packs/lfp-16s.yaml").read_text(encoding="utf-8")
    assert load_pack(text, "lfp").bol_resistance_ohm is None
    stated = text.replace("limits:", "begin_of_life: {resistance: 12 mohm, round_trip_efficiency: 0.97}\nlimits:", 1)
    pack = load_pack(stated, "lfp")
    assert (pack.bol_resistance_ohm, pack.bol_power_w, pack.bol_round_trip_efficiency) == (0.012, None, 0.97)
    with pytest.raises(InputError, match=r"begin_of_life\.round_trip_efficiency"):
        load_pack(stated.replace("0.97", "97"), "lfp")
