"""From rows and steps to a Result: the figures, and everything that keeps them from counting."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit import analysis_run as made

from packbench.analysis.verdict import Signature
from packbench.core.records import Gap, Trip
from packbench.profile.plan import Condition, Test


def changed_step(run, number, **changes):
    steps = tuple(replace(step, **changes) if step.number == number else step for step in run.steps)
    return replace(run, steps=steps)


def test_the_result_is_the_mean_of_the_agreeing_cycles():
    result = made.analysed(made.made_up_run())
    assert result.verdict == "PASS"
    assert result.valid
    assert result.invalid_reasons == ()
    assert result.capacity_ah.value == pytest.approx(40.1, abs=1e-3)
    assert result.capacities_ah == pytest.approx((40.0, 40.2), abs=1e-3)
    assert result.agreeing_cycles == (1, 2)
    assert result.soh.value == pytest.approx(40.1 / 50.0, abs=1e-4)
    assert pytest.approx(result.capacity_ah.U / 50.0) == result.soh.U
    assert result.soce.value == pytest.approx(result.energy_wh.value / 740.0)
    assert result.notes == ()
    assert result.limits["cell_voltage_max_v"] == {"value": 4.25, "unit": "V", "origin": "pack"}


def test_two_repeats_that_differ_by_half_a_percent_cost_coverage_factor():
    # s/sqrt(2) = 0.1 Ah with one degree of freedom beside the instruments: k well above 2.
    result = made.analysed(made.made_up_run())
    names = {line.name: line for line in result.capacity_ah.budget}
    assert names["repeatability"].standard_u == pytest.approx(0.1, abs=1e-3)
    assert names["repeatability"].dof == 1.0
    assert result.capacity_ah.k > 2.05
    same = made.analysed(made.made_up_run((40.0, 40.0)))
    assert same.capacity_ah.k == pytest.approx(1.95996, abs=1e-4)


def test_the_ends_are_found_in_the_samples():
    result = made.analysed(made.made_up_run((40.0, 40.0)))
    names = {line.name: line.standard_u for line in result.capacity_ah.budget}
    # charge end: 125 Ah/V and 2 mV / sqrt(3); cut-off: dv/dq at q = 0 is 0.015 + 0.5 / 0.8
    assert names["charge_end_voltage"] == pytest.approx(125.0 * 0.002 / 3**0.5, rel=0.05)
    assert names["cutoff_voltage"] == pytest.approx(0.002 / 3**0.5 / 0.64, rel=0.05)


def test_a_charge_that_ended_on_time_owes_nothing_to_a_voltmeter():
    run = made.made_up_run((40.0, 40.0))
    timed = tuple(
        replace(step, end_cell=None, end_reason="3 min", voltage_end_v=0.9 * step.voltage_end_v)
        if step.charge_ah > 0
        else step
        for step in run.steps
    )
    names = {line.name for line in made.analysed(replace(run, steps=timed)).capacity_ah.budget if line.standard_u}
    assert not any(name.startswith("charge_end") for name in names)
    assert "cutoff_voltage" in names


def test_the_weakest_cell_comes_with_what_the_next_one_would_still_give():
    result = made.analysed(made.made_up_run())
    assert result.weakest_cell.index == 3
    assert result.weakest_cell.reason == "cell_min <= 2.8 V"
    assert result.weakest_cell.margin_ah.value == pytest.approx(made.NEXT_AH, rel=0.03)
    assert 0.01 < result.weakest_cell.margin_ah.U < 0.2
    spread = made.curve_v(np.array([5.0, 0.0]))
    assert result.cell_spread_v.value == pytest.approx(spread[0] - spread[1], abs=1e-6)
    assert pytest.approx(1.96 * 2**0.5 * 0.002 / 3**0.5, rel=0.1) == result.cell_spread_v.U


def close_cells(next_ah):
    """The made-up run with its second cell this much (Ah) behind the weakest in every discharge."""
    run = made.made_up_run()
    cells = run.rows.cell_voltages_v.copy()
    for step in run.steps:
        rows = (run.rows.t_s >= step.started_ns / 1e9) & (run.rows.t_s <= step.ended_ns / 1e9)
        if step.kind == "cc_discharge":
            to_go = np.interp(run.rows.t_s[rows], (step.started_ns / 1e9, step.ended_ns / 1e9), (-step.charge_ah, 0.0))
            cells[rows, 1] = made.curve_v(to_go + next_ah)
    return replace(run, rows=replace(run.rows, cell_voltages_v=cells))


def test_a_margin_within_its_own_uncertainty_decides_nothing_and_says_so():
    close, clear = made.analysed(close_cells(0.002)), made.analysed(close_cells(made.NEXT_AH))
    assert close.weakest_cell.margin_ah.value < close.weakest_cell.margin_ah.U
    assert close.weakest_cell.decided is False
    assert close.weakest_cell.next_index == 2
    assert [note.text_en for note in close.notes if note.key == "weakest_not_decided"]
    assert clear.weakest_cell.decided is True
    assert not [note for note in clear.notes if note.key == "weakest_not_decided"]


def test_a_cell_of_many_is_not_named_without_a_margin():
    run = made.made_up_run()
    blind = run.rows.cell_voltages_v.copy()
    blind[:, [0, 1, 3]] = np.nan
    assert made.analysed(replace(run, rows=replace(run.rows, cell_voltages_v=blind))).weakest_cell is None


def test_a_single_cell_has_no_spread_and_no_margin():
    run = made.made_up_run()
    lone = replace(run.rows, cell_voltages_v=run.rows.cell_voltages_v[:, 2:3])
    steps = tuple(replace(step, end_cell=1) for step in run.steps)
    result = made.analysed(replace(run, rows=lone, steps=steps, pack=replace(made.PACK, series=1)))
    assert result.cell_spread_v is None
    assert result.weakest_cell.index == 1
    assert result.weakest_cell.margin_ah is None
    assert result.weakest_cell.decided is None


def test_only_a_measured_pass_releases():
    assert made.analysed(made.made_up_run()).releasing
    for provenance in ("simulated", "emulated", "imported"):
        result = made.analysed(made.made_up_run(provenance=provenance))
        assert result.verdict == "PASS"
        assert not result.releasing
    assert not made.analysed(made.made_up_run(plan=made.plan(min_soh=0.9))).releasing
    # A test key is anybody's: what it signed is whole, and releases nothing.
    by_test_key = made.analysed(made.made_up_run(signature=Signature("key-2")))
    assert (by_test_key.verdict, by_test_key.releasing) == ("PASS", False)


def test_a_record_without_a_valid_signature_is_no_pass():
    for problem in ("the record is not signed", "the key was revoked"):
        signature = Signature("key-1", by_bench=True, problem_en=problem, problem_zh="签名无效")
        invalid(made.made_up_run(signature=signature), problem)


def test_a_health_below_the_profiles_bound_fails_and_is_valid():
    result = made.analysed(made.made_up_run(plan=made.plan(min_soh=0.81)))
    assert result.verdict == "FAIL"
    assert result.valid
    assert made.analysed(made.made_up_run(plan=made.plan(min_soh=0.80))).verdict == "PASS"


def invalid(run, *words):
    result = made.analysed(run)
    assert result.verdict == "INVALID"
    assert not result.valid
    assert not result.releasing
    assert len(result.invalid_reasons) == len(result.invalid_reasons_zh) == 1
    for word in words:
        assert word in result.invalid_reasons[0]
    return result


def test_an_overdue_certificate_makes_it_invalid_from_the_next_day_on():
    invalid(made.made_up_run(bench=made.bench(instruments=made.instruments("2026-11-22"))), "cert-1", "2026-11-22")
    last_day = made.bench(instruments=made.instruments("2026-11-23"))
    assert made.analysed(made.made_up_run(bench=last_day)).valid


def test_capacities_that_do_not_agree_are_shown_and_invalid():
    result = invalid(made.made_up_run((40.0, 42.0)), "no 2 consecutive", "1.5 Ah")
    assert result.capacity_ah.value == pytest.approx(41.0, abs=1e-3)
    assert result.agreeing_cycles == ()


def test_one_discharge_where_two_must_agree_is_invalid():
    result = invalid(made.made_up_run((40.0,)), "no 2 consecutive")
    assert [note.key for note in result.notes] == ["one_discharge"]


def test_a_discharge_too_warm_or_never_measured_is_invalid():
    invalid(changed_step(made.made_up_run(), 4, temperature_max_c=37.2), "cycle 2", "37.2 degC")
    invalid(changed_step(made.made_up_run(), 2, temperature_min_c=16.0), "cycle 1", "16.0 degC")
    run = changed_step(made.made_up_run(), 4, temperature_max_c=float("nan"))
    invalid(run, "cycle 2", "nan")


def test_a_gap_in_a_counted_discharge_is_invalid_and_one_elsewhere_is_not():
    run = made.made_up_run()
    inside = run.steps[1].started_ns + 1_000_000_000
    result = invalid(replace(run, gaps=(Gap(inside, inside + 7_000_000_000, "link lost"),)), "7.0 s", "link lost")
    assert result.gaps[0]["ended_s"] - result.gaps[0]["started_s"] == pytest.approx(7.0)
    assert made.analysed(replace(run, gaps=(Gap(0, 1_000_000_000, "link lost"),))).valid


def test_balancing_during_the_discharge_is_invalid_and_not_knowing_is_said():
    invalid(made.made_up_run(balancing=True), "balanced")
    unknown = made.analysed(made.made_up_run(balancing=None))
    assert unknown.valid
    assert [note.key for note in unknown.notes] == ["balancing_unknown"]


def test_samples_that_do_not_fit_the_count_are_invalid():
    run = made.made_up_run()
    off = changed_step(run, 4, charge_ah=run.steps[3].charge_ah * 1.0012)
    invalid(off, "cycle 2", "stored samples", "Ah")
    assert made.analysed(changed_step(run, 4, charge_ah=run.steps[3].charge_ah * 1.0008)).valid


def test_a_discharge_that_time_ended_is_no_capacity():
    by_time = Condition((Test("step_time", ">=", 14400.0),), 0, None, "step_time >= 4 h")
    plan = made.plan(until=(*made.plan().steps[2].until, by_time))
    invalid(changed_step(made.made_up_run(plan=plan), 4, end_reason="step_time >= 4 h", end_cell=None), "cut-off")


def test_a_trip_aborts_and_the_broken_discharge_does_not_count():
    trip = Trip("over_temperature", "F12", 10**12, 56.0, 55.0, "degC", "a cell is too hot", "电芯过热")
    result = made.analysed(made.made_up_run(trips=(trip,), completed=False, end_reason="over_temperature"))
    assert result.verdict == "ABORTED"
    assert not result.valid
    assert "a cell is too hot" in result.invalid_reasons[0]
    assert "电芯过热" in result.invalid_reasons_zh[0]
    assert result.capacities_ah == pytest.approx((40.0,), abs=1e-3)
    assert result.trips[0]["rule"] == "over_temperature"
    assert result.trips[0]["t_s"] == 1000.0


def test_a_run_without_any_discharge_has_no_figures_and_says_so():
    run = made.made_up_run()
    result = made.analysed(replace(run, steps=run.steps[:1], completed=False, end_reason="stopped by the operator"))
    assert result.verdict == "ABORTED"
    assert result.capacity_ah is None
    assert result.weakest_cell is None
    assert "no discharge reached its end" in result.invalid_reasons


def test_a_bench_without_accuracies_gives_figures_without_uncertainty():
    instrument = replace(made.instruments()[0], quantities={})
    result = made.analysed(made.made_up_run(bench=made.bench(instruments=(instrument,))))
    assert result.verdict == "INVALID"
    assert result.capacity_ah.U is None
    assert result.soh.U is None
    assert result.weakest_cell.margin_ah.U is None
    assert result.weakest_cell.decided is None


def test_an_imbalance_that_ended_the_charge_is_marked():
    assert not made.analysed(made.made_up_run()).imbalance_limited
    assert made.analysed(changed_step(made.made_up_run(), 3, imbalance_limited=True)).imbalance_limited
