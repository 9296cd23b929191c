"""Which figures of a run enter a passport, where, and which are left out with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.passport_parts import asked, facts, values
from tests.unit.passport_parts import measured as measured_alone
from tests.unit.test_carbon import REMAINING, met, model

from packbench.core.diagnostics import Cells, DcResistance, Diagnostics, Fade, PowerAt, ResistanceAt
from packbench.core.result import Measured, Result, StepResult
from packbench.trace.carbon.footprint import footprint
from packbench.trace.passport import schema
from packbench.trace.passport.fill import Passport, fill
from packbench.trace.passport.footprint_fields import CarbonFigures
from packbench.trace.passport.schema import KINDS, Kind

OHM = Measured(0.110, 0.002, 2.0, 0.95, "ohm")
FADE = Fade(
    capacity_fade=Measured(0.15, 0.004, 2.0, 0.95, "1"),
    resistance_increase=None,
    power_fade=None,
    round_trip_efficiency=Measured(0.95, 0.003, 2.0, 0.95, "1"),
    round_trip_fade=None,
    powers=(
        PowerAt(0.79, Measured(42_000.0, 800.0, 2.0, 0.95, "W"), OHM, 5),
        PowerAt(0.21, Measured(21_000.0, 500.0, 2.0, 0.95, "W"), OHM, 9),
    ),
)


def measured(**changed: Any) -> Result:
    """A result whose pulses were of 24 kW."""
    return measured_alone(**{"steps": pulses(), **changed})


def edge(soc: float, ohm: Measured = OHM, after_a: float = -50.0, step: int = 3) -> DcResistance:
    at = (ResistanceAt(10.0, ohm),)
    return DcResistance(step, 1, 0.0, None, 0.0, after_a, 900.0, None, Measured(soc, 0.01, 2.0, 0.95, "1"), at)


def diagnosed(**changed: Any) -> Diagnostics:
    parts: dict[str, Any] = {
        "dc_resistance": (
            edge(0.9),
            edge(0.49),
            edge(0.5, after_a=50.0),
            edge(0.79, after_a=-60.0, step=5),
            edge(0.21, after_a=-60.0, step=9),
        ),
        "fade": FADE,
    }
    return Diagnostics(**{**parts, **changed})


def pulses(volts: float = 400.0) -> tuple[StepResult, ...]:
    """The steps whose edges the powers were read at: 60 A."""
    return tuple(
        StepResult(number, "pulse", "pulse", 1, 12.0, -0.2, -80.0, "its end", None, volts, 0.0, None, None, None)
        for number in (5, 9)
    )


WHERE: dict[Kind, dict[str, tuple[str, float]]] = {
    "batterypass": {
        "round trip": (
            "PerformanceAndDurability.batteryCondition.remainingRoundTripEnergyEfficiency"
            ".remainingRoundTripEnergyEfficiencyValue",
            95.0,
        ),
        "power": (
            "PerformanceAndDurability.batteryCondition.remainingPowerCapability"
            ".remainingPowerCapabilityValue.powerCapabilityAt",
            42_000.0,
        ),
        "at": (
            "PerformanceAndDurability.batteryCondition.remainingPowerCapability.remainingPowerCapabilityValue.atSoC",
            79.0,
        ),
    },
    "catenax": {
        "round trip": ("performance.dynamic.roundTripEfficiency.remaining.value", 95.0),
        "power": ("performance.dynamic.power.remaining.value", 42_000.0),
        "resistance": ("performance.dynamic.resistance.remaining.pack.value", 0.110),
    },
    "din99100": {
        "round trip": ("performance.remainingRoundTripEfficiency.value", 95.0),
        "power": ("performance.remainingPowerAt80Soc.value", 42_000.0),
        "power at 20": ("performance.remainingPowerAt20Soc.value", 21_000.0),
        "resistance": ("performance.ohmicResistance.value", 0.110),
    },
}


def value_at(passport: Passport, path: str) -> Any:
    place: Any = passport.payload
    for key in schema.split(path) or ():
        place = place[key]
    return place


def without(kind: Kind, *prefixes: str) -> dict[str, Any]:
    return {path: value for path, value in values(kind).items() if not path.startswith(prefixes)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_run_measured_is_in_the_passport_with_its_origin(kind: Kind) -> None:
    passport = fill(asked(kind), measured(diagnostics=diagnosed()), [])
    for path, value in WHERE[kind].values():
        assert value_at(passport, path) == pytest.approx(value), path
        origin = passport.origins[path]
        assert (origin.originator, origin.date) == ("Li", "2026-11-25T20:00:00.5+00:00")
        assert "capacity on bench-1, run run-1; " in origin.method
        assert isinstance(origin.uncertainty, dict)
        assert origin.uncertainty["U"] > 0
    assert not passport.problems


def test_a_rate_of_self_discharge_is_not_made_of_a_falling_voltage() -> None:
    passport = fill(asked("catenax"), measured(diagnostics=diagnosed()), [])
    reasons = {each.figure: each.reason for each in passport.left_out}
    assert "capacity lost in a time" in reasons["self_discharge"]
    assert "when new" in reasons["resistance_fade"]
    assert "performance.dynamic.selfDischargingRate" in {leaf.path for leaf in passport.missing}


def test_a_run_without_them_says_why(kind: Kind = "catenax") -> None:
    nothing = fill(asked(kind), measured(diagnostics=Diagnostics()), [])
    reasons = {each.figure: each.reason for each in nothing.left_out}
    assert {"resistance", "power_80", "power_20", "round_trip"} <= set(reasons)
    assert "performance.dynamic.resistance.remaining.pack.value" in {leaf.path for leaf in nothing.missing}


RATED = "performance.rated."
NEW = {f"{RATED}resistance.pack": 0.1, f"{RATED}power.at80SoC": 50_000.0, f"{RATED}roundTripEfficiency.initial": 98.0}


def facts_with_method(method: str | None, stated: dict[str, Any]) -> list[Any]:
    return [
        replace(each, source=each.source.model_copy(update={"method": method})) for each in facts("catenax", stated)
    ]


def test_fades_by_the_facts_file_need_the_same_method() -> None:
    said = facts_with_method("DC, 10 s, at 50 % SOC (resistance) and 80 % SOC (power)", NEW)
    passport = fill(asked("catenax"), measured(diagnostics=diagnosed()), said)
    dynamic = "performance.dynamic."
    assert value_at(passport, f"{dynamic}resistance.increase.pack.value") == pytest.approx(10.0)
    assert value_at(passport, f"{dynamic}power.fade.value") == pytest.approx(16.0)
    assert value_at(passport, f"{dynamic}roundTripEfficiency.fade.value") == pytest.approx((1 - 95 / 98) * 100)
    origin = passport.origins[f"{dynamic}resistance.increase.pack.value"]
    assert "begin of life by Maker Ltd" in origin.method
    assert isinstance(origin.uncertainty, dict)
    assert origin.uncertainty["U"] == pytest.approx(2.0)
    unsaid = fill(asked("catenax"), measured(diagnostics=diagnosed()), facts_with_method("1 kHz impedance", NEW))
    reasons = {each.figure: each.reason for each in unsaid.left_out}
    assert "10 s at 50 % SOC" in reasons["resistance_fade"]
    assert "power_fade" in reasons
    assert "round_trip_fade" not in reasons


def test_pack_file_and_maker_must_state_the_same_begin_of_life() -> None:
    risen = replace(FADE, resistance_increase=Measured(0.10, 0.02, 2.0, 0.95, "1"))
    result = measured(diagnostics=diagnosed(fade=risen))
    method = "DC, 10 s, at 50 % SOC"
    assert not fill(asked("catenax"), result, facts_with_method(method, {f"{RATED}resistance.pack": 0.1})).problems
    (problem,) = fill(asked("catenax"), result, facts_with_method(method, {f"{RATED}resistance.pack": 0.09})).problems
    assert (problem.field, problem.found) == (f"{RATED}resistance.pack", "0.09")


def test_batterypass_finds_the_packs_own_initial_resistance_in_its_list() -> None:
    base = "PerformanceAndDurability.batteryTechicalProperties.initialInternalResistance"
    stated = {
        f"{base}[1].ohmicResistance": 0.02,
        f"{base}[1].batteryComponent": "cell",
        f"{base}[2].ohmicResistance": 0.1,
        f"{base}[2].batteryComponent": "pack",
    }
    said = [
        replace(each, source=each.source.model_copy(update={"method": "DC 10 s at 50 % SOC"}))
        for each in facts("batterypass", stated)
    ]
    passport = fill(asked("batterypass"), measured(diagnostics=diagnosed()), said)
    (item,) = value_at(passport, "PerformanceAndDurability.batteryCondition.internalResistanceIncrease")
    assert item["internalResistanceIncreaseValue"] == pytest.approx(10.0)
    assert item["batteryComponent"] == "pack"


@pytest.mark.parametrize(("spread", "found"), [(None, "did not measure"), (0.031, "3.1% apart"), (0.029, None)])
def test_remanufactured_means_cells_that_are_alike(spread: float | None, found: str | None) -> None:
    figure = None if spread is None else Measured(spread, 0.001, 2.0, 0.95, "1")
    cells = Cells((), figure, None, None, None)
    result = measured(diagnostics=Diagnostics(cells=cells), soh=Measured(0.95, 0.004, 2.0, 0.95, "1"))
    problems = [str(each) for each in fill(asked("din99100", status="remanufactured"), result, []).problems]
    assert [str(found) in problem for problem in problems] == ([True] if found else [])


ASSUMED = (
    ("basis: assumption, source: g", "basis: literature, source: g"),
    ("basis: assumption, source: h", "basis: declared, source: h"),
)


def carbon(*changes: tuple[str, str]) -> CarbonFigures:
    given = model(*changes)
    return CarbonFigures(footprint(given, REMAINING, met(given)), "mine.yaml (mine)")


@pytest.mark.parametrize("kind", KINDS)
def test_a_footprint_with_sources_fills_every_stage_and_says_what_it_rests_on(kind: Kind) -> None:
    given = carbon(*ASSUMED)
    passport = fill(asked(kind, carbon=given), measured(), [])
    assert not passport.problems
    second = given.footprint
    stages = [second.per_kwh("second_life", stage).value for stage in schema_stages()]
    if kind == "batterypass":
        told = passport.payload["CarbonFootprintForBatteries"]
        assert told["batteryCarbonFootprint"] == pytest.approx(second.per_kwh("second_life").value, abs=1e-6)
        assert [each["carbonFootprint"] for each in told["carbonFootprintPerLifecycleStage"]] == pytest.approx(
            stages, abs=1e-6
        )
        origin = passport.origins["CarbonFootprintForBatteries.batteryCarbonFootprint"]
        assert told["absoluteCarbonFootprint"] == pytest.approx(second.kg("second_life").value, abs=1e-6)
    elif kind == "catenax":
        told = passport.payload["sustainability"]["carbonFootprint"]
        assert [each["value"] for each in told] == pytest.approx(stages, abs=1e-6)
        origin = passport.origins["sustainability.carbonFootprint[1].value"]
    else:
        told = passport.payload["carbonFootprint"]
        assert told["total"]["value"] == pytest.approx(second.per_kwh("second_life").value, abs=1e-6)
        origin = passport.origins["carbonFootprint.total.value"]
    assert "second life" in origin.method
    assert "Recycling (literature)" in origin.method
    # What the second life carries nothing of is no basis of its figure.
    assert "RawMaterialExtraction" not in origin.method
    assert isinstance(origin.uncertainty, dict)
    assert origin.uncertainty["unit"] == "kg CO2e/kWh"


def schema_stages() -> tuple[str, ...]:
    return ("RawMaterialExtraction", "MainProduction", "Distribution", "Recycling")


@pytest.mark.parametrize("kind", KINDS)
def test_a_footprint_on_assumptions_makes_a_draft_that_names_them(kind: Kind) -> None:
    passport = fill(
        asked(kind, carbon=carbon()), measured(), facts(kind, without(kind, "Carbon", "sustainability.carbon"))
    )
    (problem,) = passport.problems
    assert "second_life, lorry" in str(problem.found)
    assert not passport.complete


def test_the_bench_energys_basis_counts_too() -> None:
    given = carbon(*ASSUMED, ("basis: measured, source: meter 7", "basis: assumption, source: meter 7"))
    (problem,) = fill(asked("din99100", carbon=given), measured(), []).problems
    assert "bench_energy" in str(problem.found)


def test_an_original_shows_its_first_life_and_waste_none() -> None:
    original = fill(asked("din99100", status="original", predecessor=None, carbon=carbon()), measured(), [])
    first = carbon().footprint.per_kwh("first_life").value
    assert original.payload["carbonFootprint"]["total"]["value"] == pytest.approx(first, abs=1e-6)
    assert not original.problems  # what is assumed is of the second life alone
    (problem,) = fill(asked("din99100", status="waste", predecessor=None, carbon=carbon()), measured(), []).problems
    assert "whose footprint" in str(problem)


def test_a_fact_cannot_overrule_the_computed_footprint() -> None:
    stated = {"CarbonFootprintForBatteries.batteryCarbonFootprint": 0.001}
    (problem,) = fill(asked("batterypass", carbon=carbon(*ASSUMED)), measured(), facts("batterypass", stated)).problems
    assert problem.field == "CarbonFootprintForBatteries.batteryCarbonFootprint"


def test_nobody_states_anything_tomorrow() -> None:
    said = [replace(each, source=each.source.model_copy(update={"date": "2026-11-27"})) for each in facts("din99100")]
    found = [str(each.found) for each in fill(asked("din99100"), measured(), said).problems]
    assert set(found) == {"stated by Maker Ltd on 2026-11-27"}


def test_a_power_is_not_drawn_from_a_far_weaker_pulse() -> None:
    said = facts_with_method("DC, 10 s, at 50 % SOC (resistance) and 80 % SOC (power)", NEW)
    faded = replace(FADE, power_fade=Measured(0.16, 0.02, 2.0, 0.95, "1"))
    for fade in (FADE, faded):
        weak = measured(diagnostics=diagnosed(fade=fade), steps=pulses(volts=340.0))
        passport = fill(asked("catenax"), weak, said)
        reasons = {each.figure: each.reason for each in passport.left_out}
        assert reasons["power_80"] == "42 kW would be drawn from a pulse of 20.4 kW, more than twice it"
        assert "power_20" not in reasons
        assert "power_fade" in reasons
        assert "power" not in passport.payload["performance"]["dynamic"]
