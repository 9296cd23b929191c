"""The carbon footprint: arithmetic checked by hand, uncertainty by Monte Carlo, DC alone refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from packbench.core.errors import InputError
from packbench.core.result import Measured
from packbench.files import packaged_configs
from packbench.trace.carbon.bench_energy import BenchEnergy, counted
from packbench.trace.carbon.factors import STAGES, FactorsModel, load_factors
from packbench.trace.carbon.footprint import footprint, footprint_to_dict

SHIPPED = packaged_configs() / "carbon" / "assumptions.yaml"
TEXT = """carbon: mine
stages:
  RawMaterialExtraction: {kg_co2e_per_kwh: 40.0, U: 20 %, basis: declared, source: a}
  MainProduction: {kg_co2e_per_kwh: 30.0, U: 10 %, basis: declared, source: b}
  Distribution: {kg_co2e_per_kwh: 2.0, U: 20 %, basis: literature, source: c}
  Recycling: {kg_co2e_per_kwh: 5.0, U: 20 %, basis: literature, source: d}
electricity: {kg_co2e_per_kwh: 0.5, U: 10 %, basis: literature, source: e}
first_life:
  {usable_energy: 40 kWh,
   full_cycles_per_year: 60.0, years: 8.0, mean_energy: 100 %, U: 10 %, basis: declared, source: f}
second_life: {full_cycles_per_year: 250.0, years: 6.0, mean_energy: 90 %, U: 10 %, basis: assumption, source: g}
allocation: {rule: cut-off}
repurposing:
  - {name: lorry, stage: Distribution, kg_co2e: 27.0, U: 20 %, basis: assumption, source: h}
bench_energy: {counted_by: ac_meter, begin_kwh: 100.0, end_kwh: 108.0, U: 1 %, basis: measured, source: meter 7}
"""
CURVE = (
    "bench_energy: {counted_by: efficiency_curve,"
    " curve: [{power: 1 kW, efficiency: 80 %}, {power: 4 kW, efficiency: 90 %}],"
    " standby: 100 W, regenerative: true, U: 1 %, basis: declared, source: data sheet}"
)
REMAINING = Measured(20_000.0, 400.0, 2.0, 0.95, "Wh")
FIRST_KWH, SECOND_KWH = 40 * 60 * 8.0, 20 * 250 * 6 * 0.9


def model(*changes: tuple[str, str]) -> FactorsModel:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return load_factors(text, "f.yaml")


def with_curve(*changes: tuple[str, str]) -> FactorsModel:
    return model((TEXT.splitlines()[-1], CURVE), *changes)


def met(given: FactorsModel) -> BenchEnergy:
    return counted(given.bench_energy, np.empty(0), np.empty(0), 0.0)


def test_cut_off_by_hand() -> None:
    given = model()
    found = footprint(given, REMAINING, met(given))
    assert found.delivered_kwh["first_life"].value == pytest.approx(FIRST_KWH)
    assert found.delivered_kwh["second_life"].value == pytest.approx(SECOND_KWH)
    assert found.per_kwh("first_life").value == pytest.approx((40 + 30 + 2) * 40 / FIRST_KWH)
    assert found.per_kwh("first_life", "Recycling").value == 0.0
    assert found.per_kwh("second_life", "RawMaterialExtraction").value == 0.0
    assert found.per_kwh("second_life", "MainProduction").value == pytest.approx(8 * 0.5 / SECOND_KWH)
    assert found.per_kwh("second_life", "Distribution").value == pytest.approx(27 / SECOND_KWH)
    assert found.per_kwh("second_life", "Recycling").value == pytest.approx(5 * 40 / SECOND_KWH)
    assert [each.name for each in found.assumptions] == ["second_life", "lorry"]


@pytest.mark.parametrize(
    ("rule", "share"),
    [("{rule: by-energy}", FIRST_KWH / (FIRST_KWH + SECOND_KWH)), ("{rule: fixed, first_life_share: 25 %}", 0.25)],
)
def test_shared_by_the_rule_and_nothing_is_lost(rule: str, share: float) -> None:
    given = model(("{rule: cut-off}", rule))
    found = footprint(given, REMAINING, met(given))
    assert found.per_kwh("first_life").value == pytest.approx(77 * 40 * share / FIRST_KWH)
    whole = sum(found.per_kwh(life).value * found.delivered_kwh[life].value for life in ("first_life", "second_life"))
    assert whole == pytest.approx(77 * 40 + 8 * 0.5 + 27)


def test_the_uncertainty_is_what_monte_carlo_finds() -> None:
    given = model(("{rule: cut-off}", "{rule: fixed, first_life_share: 50 %}"))
    found = footprint(given, REMAINING, met(given)).per_kwh("second_life")
    dice = np.random.default_rng(8)
    n = 200_000

    def drawn(value: float, relative_u: float) -> np.ndarray:
        return value * (1 + relative_u / 2 * dice.standard_normal(n))

    kg = sum(0.5 * 40 * drawn(value, u) for value, u in ((40.0, 0.2), (30.0, 0.1), (2.0, 0.2), (5.0, 0.2)))
    kg = kg + drawn(8.0, 0.01) * drawn(0.5, 0.1) + drawn(27.0, 0.2)
    kwh = drawn(SECOND_KWH, 0.1) * drawn(1.0, 0.02)
    low, high = np.quantile(kg / kwh, (0.025, 0.975))
    assert pytest.approx((high - low) / 2, rel=0.05) == found.U


def test_an_efficiency_curve_by_hand() -> None:
    given = with_curve().bench_energy
    hour = np.array([0.0, 3600.0])
    charge = counted(given, hour, np.array([1000.0, 1000.0]), 0.0)
    assert charge.kwh == pytest.approx(1 / 0.8)
    assert charge.dc_net_kwh == pytest.approx(1.0)
    discharge = counted(given, hour, np.array([-4000.0, -4000.0]), 0.0)
    assert discharge.kwh == pytest.approx(-4 * 0.9)
    assert counted(given, hour, np.zeros(2), 0.0).kwh == pytest.approx(0.1)
    burnt = with_curve(("regenerative: true", "regenerative: false")).bench_energy
    assert counted(burnt, hour, np.array([-4000.0, -4000.0]), 0.0).kwh == pytest.approx(0.1)


def test_the_curves_uncertainty_covers_a_curve_that_is_off_by_it() -> None:
    hour = np.array([0.0, 3600.0])
    power = np.array([4000.0, 4000.0])
    stated = counted(with_curve().bench_energy, hour, power, 0.0)
    worse = counted(with_curve(("4 kW, efficiency: 90 %", "4 kW, efficiency: 89 %")).bench_energy, hour, power, 0.0)
    # First order in the efficiency, plus 1 % of the standby power.
    assert stated.U_kwh == pytest.approx(worse.kwh - stated.kwh, rel=0.05)
    back = counted(with_curve().bench_energy, hour, -power, 0.0)
    less = counted(with_curve(("4 kW, efficiency: 90 %", "4 kW, efficiency: 89 %")).bench_energy, hour, -power, 0.0)
    assert back.U_kwh == pytest.approx(less.kwh - back.kwh, rel=0.05)
    reading = counted(with_curve().bench_energy, hour, power, 0.01)
    assert reading.U_kwh == pytest.approx(np.hypot(stated.U_kwh, 0.04))


def test_a_test_beyond_the_curve_is_refused() -> None:
    with pytest.raises(InputError, match="found 5000 W in the test, expected at most 4000 W"):
        counted(with_curve().bench_energy, np.array([0.0, 1.0]), np.array([0.0, -5000.0]), 0.0)


def test_what_went_back_to_the_mains_is_no_credit() -> None:
    given = with_curve()
    back = counted(given.bench_energy, np.array([0.0, 3600.0]), np.array([-4000.0, -4000.0]), 0.0)
    assert footprint(given, REMAINING, back).per_kwh("second_life", "MainProduction").value == 0.0


@pytest.mark.parametrize(
    ("old", "new", "field", "expected"),
    [
        ("counted_by: ac_meter", "counted_by: dc", "bench_energy.counted_by", "ac_meter or efficiency_curve"),
        (", end_kwh: 108.0", "", "bench_energy.end_kwh", "a value, for ac_meter"),
        ("end_kwh: 108.0", "end_kwh: 99.0", "bench_energy.end_kwh", "at least 100"),
        ("source: meter 7", "source: meter 7, standby: 5 W", "bench_energy.standby", "nothing, with ac_meter"),
        ("{rule: cut-off}", "{rule: fixed}", "allocation.first_life_share", "a share from 0 % to 100 %"),
        (
            "{rule: cut-off}",
            "{rule: cut-off, first_life_share: 50 %}",
            "allocation.first_life_share",
            "nothing: cut-off",
        ),
        ("basis: declared, source: b", "basis: declared", "stages.MainProduction.source", ""),
        ("basis: declared, source: b", "basis: true, source: b", "stages.MainProduction.basis", "assumption"),
        ("kg_co2e_per_kwh: 30.0", "kg_co2e_per_kwh: -1.0", "stages.MainProduction.kg_co2e_per_kwh", ""),
    ],
)
def test_wrong_factors_are_told_by_line(old: str, new: str, field: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        model((old, new))
    problem = caught.value.problems[0]
    assert (problem.file, problem.field) == ("f.yaml", field)
    assert problem.line is not None
    assert expected in str(problem.expected)


def test_the_curve_must_rise() -> None:
    with pytest.raises(InputError, match="more than the point before"):
        with_curve(("power: 4 kW", "power: 500 W"))


def test_what_is_shipped_is_all_marked_assumption() -> None:
    shipped = load_factors(Path(SHIPPED).read_text("utf-8"), "assumptions.yaml")
    found = footprint_to_dict(footprint(shipped, REMAINING, BenchEnergy(1.0, 0.1, "ac_meter", "x")))
    assert len(found["assumptions"]) == len(found["sources"]) == len(STAGES) + 5
