"""Remaining life: by hand on straight lines, marched along curved ones, monotone, refused with reasons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.second_life_parts import AGEING

from packbench.core.errors import InputError
from packbench.files import packaged_configs
from packbench.secondlife.draws import Draws
from packbench.secondlife.life.ageing import load_ageing
from packbench.secondlife.life.remaining import Life, ended, fade, refusals, summed_up
from packbench.secondlife.spread import Spread, exactly

SHIPPED = load_ageing((packaged_configs() / "life" / "ageing.yaml").read_text(encoding="utf-8"), "ageing.yaml")
PLAIN = load_ageing(AGEING, "a.yaml")
SERVICE = {"temperature_c": 25.0, "depth_of_discharge": 0.5, "cycles_per_year": 200.0, "rest_soc": 0.5}
FEW = Draws(3, 400)
ROOM = exactly(25.0, "house")


def life(model, chemistry: str, soh: float, end: float = 0.6, draws: Draws = FEW, **service: float) -> Life:
    spreads = model.chemistries[chemistry].spreads()
    inputs = {name: spread.at(draws.uniform(name)) for name, spread in spreads.items()}
    inputs |= {name: np.full(draws.count, value) for name, value in (SERVICE | service).items()}
    inputs["soh"] = np.full(draws.count, soh)
    horizon = model.horizon_years.value
    return summed_up(inputs, ended(inputs, end, horizon), end, horizon)


def test_straight_lines_by_hand() -> None:
    # 1 % a year standing, 100 full cycles a year at 10 % a thousand: 2 % a year, 20 % left to lose.
    found = life(PLAIN, "lfp", 0.8)
    assert found.years.p5 == found.years.p95 == pytest.approx(10.0, abs=1e-6)
    assert found.cycles.median == pytest.approx(2000.0, abs=1e-3)
    assert found.p_beyond_horizon == found.p_knee_first == 0.0


def test_the_knee_ends_a_life_and_the_horizon_cuts_it() -> None:
    to_the_knee = life(PLAIN, "lfp", 0.8, end=0.3)
    assert (to_the_knee.years.median, to_the_knee.p_knee_first) == (pytest.approx(15.0), 1.0)
    idle = life(PLAIN, "lfp", 0.8, cycles_per_year=0.0, end=0.55)
    assert (idle.years.median, idle.p_beyond_horizon) == (20.0, 1.0)
    assert life(PLAIN, "lfp", 0.58).years.p95 == 0.0


@pytest.mark.parametrize("chemistry", ["lfp", "nmc", "lmo"])
def test_the_closed_form_is_the_march_along_both_power_laws(chemistry: str) -> None:
    """Each law as dL/dx = z a^(1/z) L^(1 - 1/z), marched by hand with 25 degC, 80 % depth and 50 % SOC."""
    values = {name: spread.value for name, spread in SHIPPED.chemistries[chemistry].spreads().items()}
    soh, years, steps = 0.82, 4.0, 100_000
    inputs = {name: np.array([value]) for name, value in {**values, **SERVICE, "depth_of_discharge": 0.8}.items()}
    inputs |= {"soh": np.array([soh]), "cycles_per_year": np.array([250.0])}
    standing, cycling = values["calendar_share"] * (1 - soh), (1 - values["calendar_share"]) * (1 - soh)
    x, y, dt = values["calendar_exponent"], values["cycle_exponent"], years / steps
    for _ in range(steps):
        standing += x * values["calendar_loss"] ** (1 / x) * standing ** (1 - 1 / x) * dt
        cycling += y * values["cycle_loss"] ** (1 / y) * cycling ** (1 - 1 / y) * 0.2 * dt
    assert fade(inputs).loss(np.array([years]))[0] == pytest.approx(standing + cycling, rel=1e-4)


def test_heat_shortens_and_depth_wears() -> None:
    assert life(SHIPPED, "lmo", 0.8, temperature_c=40.0).years.median < life(SHIPPED, "lmo", 0.8).years.median
    shallow = life(SHIPPED, "nmc", 0.9, depth_of_discharge=0.3)
    assert life(SHIPPED, "nmc", 0.9, depth_of_discharge=0.9).years.median < shallow.years.median
    # The first-year loss at 35 against 25 degC is the Arrhenius factor: exp(63 kJ/mol/R x 1.0884e-4/K) = 2.28.
    inputs = {name: np.array([spread.value]) for name, spread in SHIPPED.chemistries["lmo"].spreads().items()}
    inputs |= {"soh": np.ones(1), "cycles_per_year": np.zeros(1), "depth_of_discharge": np.ones(1)}
    inputs["rest_soc"] = np.full(1, 0.5)
    warm, cool = (
        fade({**inputs, "temperature_c": np.full(1, celsius)}).loss(np.ones(1))[0] for celsius in (35.0, 25.0)
    )
    assert warm / cool == pytest.approx(2.28, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["lfp", "nmc", "lmo"]),
    st.floats(0.5, 1.05),
    st.floats(0.0, 0.3),
    st.floats(15.0, 40.0),
    st.floats(0.1, 1.0),
    st.floats(0.0, 600.0),
)
def test_a_healthier_pack_never_lasts_shorter(
    chemistry: str, soh: float, more: float, celsius: float, depth: float, cycles: float
) -> None:
    service = {"temperature_c": celsius, "depth_of_discharge": depth, "cycles_per_year": cycles}
    worse, better = (life(SHIPPED, chemistry, value, draws=Draws(5, 100), **service) for value in (soh, soh + more))
    for low, high in ((worse.years, better.years), (worse.cycles, better.cycles)):
        assert 0.0 <= low.p5 <= low.median <= low.p95
        assert (high.p5 >= low.p5 - 1e-6) and (high.median >= low.median - 1e-6) and (high.p95 >= low.p95 - 1e-6)


def test_ranges_are_wide_and_the_same_seed_gives_the_same() -> None:
    found = life(SHIPPED, "nmc", 0.85, draws=Draws(1, 4000), cycles_per_year=300.0, depth_of_discharge=0.8)
    assert found.years.p95 > 3.0 * found.years.p5
    assert found == life(SHIPPED, "nmc", 0.85, draws=Draws(1, 4000), cycles_per_year=300.0, depth_of_discharge=0.8)
    other = life(SHIPPED, "nmc", 0.85, draws=Draws(2, 4000), cycles_per_year=300.0, depth_of_discharge=0.8)
    assert other != found
    assert other.years.median == pytest.approx(found.years.median, rel=0.05)


def test_what_cannot_be_said_is_refused_with_the_reason() -> None:
    def keys(chemistry: str | None, soh: float | None, room: Spread = ROOM) -> list[str]:
        found = refusals(SHIPPED, chemistry, soh, room)
        assert all(one.text_en and one.text_zh for one in found)
        return [one.key for one in found]

    assert keys("nmc", 0.8) == []
    assert keys(None, 0.8) == ["chemistry"]
    assert keys("lto", 0.8) == ["chemistry"]
    assert "lto" in refusals(SHIPPED, "lto", 0.8, ROOM)[0].text_en
    assert keys("nmc", None) == ["soh"]
    assert keys("nmc", 0.65) == ["knee"]
    assert "65.0%" in refusals(SHIPPED, "nmc", 0.64, ROOM)[0].text_en
    assert keys("nmc", 0.8, Spread(25.0, 5.0, 30.0, "house")) == ["temperature"]
    assert keys(None, None, Spread(25.0, 20.0, 60.0, "house")) == ["chemistry", "soh", "temperature"]


@pytest.mark.parametrize(
    ("old", "new", "field", "expected"),
    [
        ("knee_soh: {value: 0.5, source: house}", "knee_soh: {value: 0.5, source: they say}",
         "chemistries.lfp.knee_soh.source", "a tag such as"),
        ("calendar_loss: {value: 0.01,", "calendar_loss: {value: 0.01, low: 0.02, high: 0.03,",
         "chemistries.lfp.calendar_loss.low", "at most the value, 0.01"),
        ("calendar_loss: {value: 0.01,", "calendar_loss: {value: 0.01, low: 0.001,",
         "chemistries.lfp.calendar_loss.high", "low and high, or neither"),
        ("calendar_share: {value: 0.5,", "calendar_share: {value: 1.5,",
         "chemistries.lfp.calendar_share.value", "0.01 to 0.99 1"),
        ("horizon_years: {value: 20.0,", "horizon_years: {value: 20.0, low: 10.0, high: 30.0,",
         "horizon_years.low", "a value alone"),
        ("temperature_min_c: {value: 0.0,", "temperature_min_c: {value: 55.0,",
         "temperature_min_c.value", "less than temperature_max_c, 50"),
        ("    soc_slope: {value: 0.0, source: house}\n", "", "chemistries.lfp.soc_slope", "s of the factor"),
        ("ageing: plain", "ageing: plain\nextra: 1", "extra", "one of"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_where_it_is_wrong(old: str, new: str, field: str, expected: str) -> None:
    assert old in AGEING
    with pytest.raises(InputError) as refused:
        load_ageing(AGEING.replace(old, new, 1), "a.yaml")
    (problem,) = refused.value.problems
    assert (problem.file, problem.field) == ("a.yaml", field)
    assert problem.line
    assert expected in (problem.expected or "")


def test_every_shipped_parameter_says_where_it_comes_from() -> None:
    for chemistry in SHIPPED.chemistries.values():
        for spread in chemistry.spreads().values():
            assert spread.is_assumed or spread.source.startswith("[")
            assert spread.low < spread.high
