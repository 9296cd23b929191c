"""Applications: meets, fails, unknown; what limits; probabilities; files refused in their own words."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.second_life_parts import PROFILE, having, known

from packbench.core.errors import InputError
from packbench.core.result import Measured
from packbench.files import packaged_configs
from packbench.report.second_life_words import limiting_words
from packbench.secondlife.applications.match import Known, LifeDraws, Match, match
from packbench.secondlife.applications.profile import load_profile
from packbench.secondlife.draws import Draws
from packbench.secondlife.life.remaining import Ended, Fade, Refused

DRAWS = Draws(1, 4000)
STORAGE = load_profile(PROFILE, "p.yaml")
NAMES = sorted(path.stem for path in (packaged_configs() / "applications").glob("*.yaml"))


def lives(years: float) -> LifeDraws:
    nothing = np.zeros(DRAWS.count)
    end = Ended(Fade(*[nothing] * 6), np.full(DRAWS.count, years), nothing > 0)
    return LifeDraws(end, end.years * 200.0)


def matched(*, years: float = 10.0, **figures: float) -> Match:
    return match(STORAGE, known(**figures), lives(years), DRAWS)


def test_meets_and_fails_with_what_limits() -> None:
    good = matched(dcir_rise=0.2)
    assert (good.verdict, good.p) == ("meets", 1.0)
    bad = matched(dcir_rise=0.8)
    assert (bad.verdict, bad.p) == ("fails", 0.0)
    assert limiting_words(bad, "en") == "rise of DC resistance 80.0\u00a0%, at most 50.0\u00a0% asked (assumption: so)"
    assert limiting_words(bad, "zh").startswith("直流内阻增长 80.0")
    short = matched(years=7.0, dcir_rise=0.2)
    assert short.limiting is not None
    assert (short.verdict, short.limiting.figure) == ("fails", "life_years")
    assert "7\u00a0a, at least 8\u00a0a asked ([GB/T 1-2000 3.1])" in limiting_words(short, "en")


def test_unknown_stays_unknown() -> None:
    found = matched()
    assert (found.verdict, found.p) == ("unknown", None)
    assert found.limiting is not None
    assert (found.limiting.figure, found.limiting.verdict) == ("dcir_rise", "unknown")
    assert "not known" in limiting_words(found, "en")
    # One that fails decides, even where another is unknown.
    assert matched(soh=0.5).verdict == "fails"
    refused = match(STORAGE, known(dcir_rise=0.2), LifeDraws(None, None, (Refused("knee", "beyond", "超出"),)), DRAWS)
    assert (refused.verdict, refused.p) == ("unknown", None)
    assert limiting_words(refused, "en") == "remaining life not known: beyond"


def test_a_power_that_the_test_showed_meets_and_never_fails() -> None:
    asked = PROFILE.replace("dcir_rise, at_most: 0.5", "continuous_w_per_kwh, at_least: 250.0")
    profile = load_profile(asked, "p.yaml")

    def of(value: float, *, shown: bool) -> Match:
        figure = Known(Measured(value, 0.0, 2.0, 0.9545, "W/kWh"), is_lower_bound=shown)
        return match(profile, having(continuous_w_per_kwh=figure), lives(10.0), DRAWS)

    assert [of(value, shown=True).verdict for value in (300.0, 200.0)] == ["meets", "unknown"]
    assert [of(value, shown=False).verdict for value in (300.0, 200.0)] == ["meets", "fails"]
    assert "showed 200\u00a0W/kWh and no more" in limiting_words(of(200.0, shown=True), "en")


def test_probability_by_hand_and_jointly() -> None:
    # SOH 0.72 with U 0.04 (k = 2): one standard uncertainty above 0.70, Phi(1) = 0.8413.
    near = matched(soh=0.72, u=0.04, dcir_rise=0.2)
    assert near.p == pytest.approx(0.8413, abs=0.02)
    assert near.limiting is not None
    assert near.limiting.p == pytest.approx(0.8413, abs=1e-4)
    # An independent rise at 0.4 with U 0.1: two standard uncertainties from 0.5, 0.9772: the product.
    rise = Known(Measured(0.4, 0.1, 2.0, 0.9545, "1"))
    both = match(STORAGE, having(0.72, 0.04, dcir_rise=rise), lives(10.0), DRAWS)
    assert both.p == pytest.approx(0.8413 * 0.9772, abs=0.02)


def test_soh_and_energy_move_together() -> None:
    asked = PROFILE.replace("dcir_rise, at_most: 0.5", "energy_kwh, at_least: 9.8")
    energy = Known(Measured(10.0, 0.4, 2.0, 0.9545, "kWh"))  # one standard uncertainty as well
    found = match(load_profile(asked, "p.yaml"), having(0.72, 0.04, energy_kwh=energy), lives(10.0), DRAWS)
    assert found.p == pytest.approx(0.8413, abs=0.02)  # 0.71 were they independent


def test_no_stated_uncertainty_leaves_the_probability_unknown() -> None:
    bare = having(dcir_rise=known(dcir_rise=0.2)["dcir_rise"], soh_=Known(Measured(0.8, None, None, 0.95, "1")))
    found = match(STORAGE, bare, lives(10.0), DRAWS)
    assert (found.verdict, found.p) == ("meets", None)


def test_recycling_is_always_open() -> None:
    path = packaged_configs() / "applications" / "recycle.yaml"
    recycle = load_profile(path.read_text(encoding="utf-8"), str(path))
    found = match(recycle, {}, LifeDraws(None, None), DRAWS)
    assert (found.verdict, found.p, found.limiting) == ("meets", 1.0, None)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_applications_are_read(name: str) -> None:
    path = packaged_configs() / "applications" / f"{name}.yaml"
    assert load_profile(path.read_text(encoding="utf-8"), str(path)).application == name


def test_six_applications_are_shipped() -> None:
    assert NAMES == [
        "data-centre-ups", "low-speed-vehicle", "recycle", "stationary-storage", "swap", "telecom-base-station",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "field", "expected"),
    [
        ("soh, at_least: 0.7", "soh, at_most: 0.7", "requirements[1].at_least", "at_least, for soh"),
        ("dcir_rise, at_most: 0.5", "dcir_rise, at_most: 0.5, at_least: 0.1", "requirements[2].at_least", "alone"),
        ("figure: dcir_rise", "figure: colour", "requirements[2].figure", "'soh'"),
        ("figure: life_years, at_least", "figure: soh, at_least", "requirements[3].figure", "each figure once"),
        ('"assumption: so"', "somebody", "requirements[2].source", "or house, or assumption"),
        ("depth_of_discharge: {value: 0.5,", "depth_of_discharge: {value: 50.0,",
         "service.depth_of_discharge.value", "0.01 to 1"),
        ("end_of_life_soh: {value: 0.6,", "end_of_life_soh: {value: 0.6, low: 0.5, high: 0.7,",
         "service.end_of_life_soh.low", "a value alone"),
        ("title: {en: a, zh: b}", "title: {en: a, zh: b}\nalways_open: true", "service", "always open"),
        ("application: storage", "application: My Storage", "application", "a name such as"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_where_it_is_wrong(old: str, new: str, field: str, expected: str) -> None:
    assert old in PROFILE
    with pytest.raises(InputError) as refused:
        load_profile(PROFILE.replace(old, new, 1), "p.yaml")
    found = {problem.field: problem for problem in refused.value.problems}
    assert field in found, found
    assert found[field].line
    assert expected in (found[field].expected or "")
