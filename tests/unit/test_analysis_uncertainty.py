"""The GUM budget: each path of each error, correlation over repeats, Welch-Satterthwaite."""

import math
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from packbench.analysis.ends import StepEnd
from packbench.analysis.uncertainty import (
    Accuracies,
    CycleFigures,
    Term,
    combine,
    contributions,
    cycle_terms,
    scaled,
    stated_accuracies,
)
from packbench.core.result import Contribution
from packbench.core.specs import Accuracy, BenchSpec, DeviceSpec, Instrument

ROOT3 = math.sqrt(3.0)
ZERO = Accuracy(0.0, 0.0)


def combined(value, budget, unit) -> Any:
    return combine(value, budget, unit)


def device(role, period_ns):
    return DeviceSpec(role, "x", "x", 1, period_ns, 10**9, 10**9)


def bench(sense_point: Any = "cycler", instruments=()):
    return BenchSpec(
        "b", "b", device("cycler", 500_000_000), device("bms", 1_000_000_000), device("board", 200_000_000),
        200_000_000, 500_000_000, 20_000_000, sense_point, 0.004, 0.0002, 25.0, MappingProxyType({}), 2.0, 2,
        MappingProxyType({}), tuple(instruments),
    )  # fmt: skip


def stated(current=ZERO, voltage=ZERO, cell=ZERO, time=ZERO):
    return Accuracies(current, voltage, cell, time)


def an_end(cell: int | None = 3, limit_v=4.2, ah_per_v=130.0, ohm=0.001, current_a=8.0, reading_v=None, pack_v=400.0):
    reading_v = limit_v if reading_v is None else reading_v
    cells = np.array([limit_v - 0.1, limit_v - 0.08, reading_v]) if limit_v > 3.5 else np.array([3.2, 3.1, reading_v])
    return StepEnd(cell, limit_v, ah_per_v, ohm, current_a, reading_v, cells, pack_v)


def a_cycle(charge_end=None, discharge_end=None):
    return CycleFigures(
        capacity_ah=120.0, energy_wh=43200.0, duration_h=4.0, current_a=30.0, volt_hours=1440.0,
        amp2_hours=3600.0, start_voltage_v=400.0, charge_end=charge_end, discharge_end=discharge_end,
    )  # fmt: skip


def term(terms, name):
    return next(each for each in terms if each.name == name)


def test_a_current_gain_is_relative_and_the_same_in_every_repeat():
    found = term(cycle_terms(a_cycle(), bench(), stated(current=Accuracy(0.001, 0.0))), "current_gain")
    assert found.charge_ah == pytest.approx(0.001 * 120.0 / ROOT3)
    assert found.energy_wh == pytest.approx(0.001 * 43200.0 / ROOT3)
    assert found.correlated


def test_a_current_offset_grows_with_time():
    found = term(cycle_terms(a_cycle(), bench(), stated(current=Accuracy(0.0, 0.04))), "current_offset")
    assert found.charge_ah == pytest.approx(0.04 * 4.0 / ROOT3)
    assert found.energy_wh == pytest.approx(0.04 * 1440.0 / ROOT3)


def test_the_charge_end_current_takes_its_part_of_the_offset_back():
    # An offset +o ends the charge at a true current lower by o: R o more volts of OCV, R S o more Ah.
    cycle = a_cycle(charge_end=an_end(ohm=0.001, ah_per_v=130.0))
    found = term(cycle_terms(cycle, bench(), stated(current=Accuracy(0.0, 0.04))), "current_offset")
    assert found.charge_ah == pytest.approx(0.04 * (4.0 - 0.13) / ROOT3)


def test_normal_bounds_are_two_standard_uncertainties():
    found = term(cycle_terms(a_cycle(), bench(), stated(current=Accuracy(0.001, 0.0, "normal"))), "current_gain")
    assert found.charge_ah == pytest.approx(0.0005 * 120.0)


def test_cell_offsets_act_through_dq_dv_at_both_ends():
    cycle = a_cycle(an_end(), an_end(limit_v=2.8, ah_per_v=5.0, ohm=0.0, pack_v=300.0))
    terms = cycle_terms(cycle, bench(), stated(cell=Accuracy(0.0, 0.002)))
    full, empty = term(terms, "charge_end_voltage"), term(terms, "cutoff_voltage")
    assert full.charge_ah == pytest.approx(130.0 * 0.002 / ROOT3, rel=0.03)
    assert full.energy_wh == pytest.approx(400.0 * full.charge_ah)
    assert empty.charge_ah == pytest.approx(5.0 * 0.002 / ROOT3, rel=0.03)
    assert empty.energy_wh == pytest.approx(300.0 * empty.charge_ah)


def test_one_cell_gain_acts_on_both_ends_with_opposite_signs():
    cycle = a_cycle(an_end(), an_end(limit_v=2.8, ah_per_v=5.0, ohm=0.0))
    found = term(cycle_terms(cycle, bench(), stated(cell=Accuracy(0.0002, 0.0))), "cell_end_gain")
    assert found.charge_ah == pytest.approx(0.0002 / ROOT3 * (4.2 * 130.0 - 2.8 * 5.0))


def test_ending_early_on_noise_is_counted_with_its_size():
    cycle = a_cycle(an_end(reading_v=4.1985))
    found = term(cycle_terms(cycle, bench(), stated(cell=Accuracy(0.0, 0.0, noise=0.001))), "charge_end_noise")
    assert found.charge_ah == pytest.approx(130.0 * 0.0015)


def test_a_pack_that_ends_on_its_own_voltage_has_the_cyclers_error():
    cycle = a_cycle(charge_end=an_end(cell=None, limit_v=400.0, ah_per_v=1.3))
    terms = cycle_terms(cycle, bench(), stated(voltage=Accuracy(0.0005, 0.06), cell=Accuracy(0.01, 1.0)))
    assert term(terms, "charge_end_voltage").charge_ah == pytest.approx(1.3 * 0.06 / ROOT3)
    assert term(terms, "pack_end_gain").charge_ah == pytest.approx(1.3 * 400.0 * 0.0005 / ROOT3)
    assert not [each for each in terms if each.name == "cell_end_gain"]


def test_a_single_cell_is_known_from_both_meters_together():
    # Cell channel 2 mV, cycler 4 mV (rectangular): weights 4 to 1, u = 2 mV / sqrt(3) / sqrt(1.25).
    end = StepEnd(1, 4.2, 10.0, 0.001, 1.0, 4.2, np.array([4.2]), 4.195)
    terms = cycle_terms(
        a_cycle(charge_end=end), bench(), stated(voltage=Accuracy(0.0, 0.004), cell=Accuracy(0.0, 0.002))
    )
    assert term(terms, "charge_end_voltage").charge_ah == pytest.approx(10.0 * 0.002 / ROOT3 / 1.25**0.5)
    assert term(terms, "charge_end_noise").charge_ah == pytest.approx(10.0 * 0.001)
    assert not [each for each in terms if each.name == "cell_end_gain"]


def test_the_cable_counts_only_when_the_cycler_senses_at_its_own_terminals():
    at_cycler = cycle_terms(a_cycle(), bench("cycler"), stated())
    assert term(at_cycler, "sense_point").energy_wh == pytest.approx(0.0002 * 3600.0)
    assert term(at_cycler, "sense_point").charge_ah == 0.0
    at_pack = cycle_terms(a_cycle(), bench("pack"), stated())
    assert not [each for each in at_pack if each.name == "sense_point"]


def test_noise_dithers_rounding_away():
    coarse = stated(current=Accuracy(0.0, 0.0, resolution=0.1))
    dithered = stated(current=Accuracy(0.0, 0.0, resolution=0.1, noise=0.1))
    assert term(cycle_terms(a_cycle(), bench(), coarse), "current_resolution").charge_ah == pytest.approx(
        0.1 / math.sqrt(12.0) * 4.0
    )
    assert term(cycle_terms(a_cycle(), bench(), dithered), "current_resolution").charge_ah < 1e-6


def test_averaging_helps_what_is_independent_and_nothing_else():
    terms = [Term("gain", 0.3, 1.0, correlated=True), Term("delay", 0.3, 1.0, correlated=False)]
    lines = contributions([100.0, 100.0, 100.0, 100.0], [terms] * 4, energy=False)
    sizes = {line.name: line.standard_u for line in lines}
    assert sizes["gain"] == pytest.approx(0.3)
    assert sizes["delay"] == pytest.approx(0.15)


def test_scatter_of_the_repeats_comes_with_its_degrees_of_freedom():
    lines = contributions([100.0, 101.0], [[], []], energy=False)
    assert [(line.name, line.dof, line.correlated) for line in lines] == [("repeatability", 1.0, False)]
    assert lines[0].standard_u == pytest.approx(0.5)
    assert contributions([100.0], [[]], energy=False) == ()


def test_k_follows_welch_satterthwaite():
    # Scatter alone, 1 degree of freedom: k is Student's 12.71. With as much again of type B: nu = 4.
    alone = combined(100.0, [Contribution("repeatability", 0.5, 1.0, correlated=False)], "Ah")
    assert alone.k == pytest.approx(12.706, abs=0.001)
    assert pytest.approx(0.5 * 12.706, abs=0.001) == alone.U
    scatter = Contribution("repeatability", 0.5, 1.0, correlated=False)
    both = combined(100.0, [scatter, Contribution("gain", 0.5, None, correlated=True)], "Ah")
    assert both.k == pytest.approx(2.776, abs=0.001)
    assert pytest.approx(2.776 * math.sqrt(0.5), abs=0.001) == both.U
    assert combined(1.0, [Contribution("gain", 0.1, None, correlated=True)], "Ah").k == pytest.approx(1.95996, abs=1e-4)


def test_a_health_is_its_capacity_over_an_exact_number():
    soh = scaled(combined(120.0, [Contribution("gain", 0.6, None, correlated=True)], "Ah"), 150.0, "1")
    assert soh.value == pytest.approx(0.8)
    assert pytest.approx(1.95996 * 0.6 / 150.0, rel=1e-5) == soh.U
    assert soh.budget[0].standard_u == pytest.approx(0.004)


def test_a_bench_without_a_statement_gives_no_budget():
    assert stated_accuracies(bench()) is None
    quantities = MappingProxyType({"current_a": ZERO, "voltage_v": ZERO, "time": ZERO})
    cycler = Instrument("cycler", "1", "c", "2026-01-01", "2027-01-01", quantities)
    assert stated_accuracies(bench(instruments=[cycler])) is None
    bms = Instrument("bms", "2", "c", "2026-01-01", "2027-01-01", MappingProxyType({"cell_voltage_v": ZERO}))
    assert stated_accuracies(bench(instruments=[cycler, bms])) == stated()
