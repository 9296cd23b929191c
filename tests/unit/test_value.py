"""Value: by hand on exact inputs, floored by the material, monotone in SOH, a tornado that says what moves it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.second_life_parts import AGEING, MONEY, PROFILE, known

from packbench.core.errors import InputError
from packbench.files import packaged_configs
from packbench.report.figures_second_life import tornado_text
from packbench.secondlife.applications.profile import load_profile
from packbench.secondlife.draws import Draws, quantiles
from packbench.secondlife.life.ageing import load_ageing
from packbench.secondlife.spread import Spread
from packbench.secondlife.value.appraisal import Appraised, Files, PackFacts, appraise
from packbench.secondlife.value.assumptions import load_money
from packbench.secondlife.value.worth import Worth

PACK = PackFacts("lfp", 12.0)
RECYCLE = "application: recycle\ntitle: {en: a, zh: b}\nalways_open: true\n"
SHIPPED = packaged_configs()


def appraised(
    money: str = MONEY, *, profile: str = PROFILE, soh: float = 0.8, u: float = 0.0, pack: PackFacts = PACK
) -> Appraised:
    files = Files([load_profile(profile, "p")], load_ageing(AGEING, "a"), load_money(money, "m"))
    (found,) = appraise(files, known(soh, u), pack, Draws(1, 500)).applications
    return found


def worth(money: str = MONEY, *, profile: str = PROFILE, soh: float = 0.8, u: float = 0.0) -> Worth:
    found = appraised(money, profile=profile, soh=soh, u=u).worth
    assert found is not None
    return found


def test_the_median_is_the_hand_calculation_when_nothing_is_uncertain() -> None:
    """Five paid years of a life of ten: SOH falls by 2 % a year from 80 to 70 %, the mean energy is 10 x (1 + 7/8)/2.

    10 x 0.9375 kWh x half depth x 200 cycles x 5 years = 4687.5 kWh at 1 CNY; test 100, regroup 12 kWh x 20,
    logistics 12 x 5, warranty a tenth; material 12 x 30.
    """
    found = worth()
    expected = {
        "earned": 4687.5, "test": 100.0, "regroup": 240.0, "logistics": 60.0, "warranty": 468.75,
        "net": 3818.75, "material": 360.0, "value": 3818.75,
    }  # fmt: skip
    for part, amount in found.amounts.items():
        assert amount.median == pytest.approx(expected[part], rel=1e-9), part
        assert amount.p5 == amount.p95 == pytest.approx(amount.central)
    assert found.usable is not None
    assert (found.usable.median, found.usable_unit) == (pytest.approx(4687.5), "kWh")
    assert (found.p_floor, found.tornado) == (0.0, ())


def test_held_ready_is_paid_by_the_year_and_later_years_count_less() -> None:
    # 10 x 0.9375 x 0.5 = 4.6875 kWh held ready over five years at 10 %: times 3.790787, the annuity of the tables.
    by_year = MONEY.replace("per: kwh,", "per: kwh_year,").replace(
        "discount_rate: {value: 0.0", "discount_rate: {value: 0.1"
    )
    found = worth(by_year.replace("value: 1.0, source", "value: 100.0, source"))
    assert found.amounts["earned"].median == pytest.approx(100.0 * 4.6875 * 3.790787, rel=1e-6)
    assert found.usable is not None
    assert (found.usable.median, found.usable_unit) == (pytest.approx(4.6875 * 5), "kWh a")


def test_the_material_is_the_floor() -> None:
    cheap = worth(MONEY.replace("value: 1.0, source", "value: 0.05, source"))
    assert cheap.amounts["net"].median < 0.0
    assert cheap.amounts["value"].median == cheap.amounts["material"].median == pytest.approx(360.0)
    assert cheap.p_floor == 1.0
    # Material that costs money is a floor below zero: getting rid of the pack is not free.
    costly = MONEY.replace("value: 1.0, source", "value: 0.0, source").replace(
        "lfp: {value: 30.0", "lfp: {value: -10.0"
    )
    assert worth(costly).amounts["value"].median == pytest.approx(-120.0)
    assert appraised(profile=RECYCLE).worth is not None


def test_recycling_is_worth_its_material_and_no_more() -> None:
    found = worth(MONEY.replace("lfp: {value: 30.0", "lfp: {value: 30.0, low: 20.0, high: 60.0"), profile=RECYCLE)
    assert set(found.amounts) == {"material", "value"}
    assert found.amounts["value"].central == pytest.approx(360.0)
    assert 240.0 < found.amounts["value"].p5 < found.amounts["value"].median < found.amounts["value"].p95 < 720.0
    (bar,) = found.tornado
    assert (bar.value_at_low, bar.value_at_high) == (pytest.approx(240.0), pytest.approx(720.0))


def test_the_tornado_moves_one_input_at_a_time_and_is_sorted() -> None:
    wide = MONEY.replace("value: 1.0, source", "value: 1.0, low: 0.5, high: 2.0, source")
    wide = wide.replace("test_per_pack: {value: 100.0", "test_per_pack: {value: 100.0, low: 50.0, high: 400.0")
    found = worth(wide, u=0.04)
    assert [bar.name for bar in found.tornado][:2] == ["price", "test_per_pack"]
    assert {bar.name for bar in found.tornado} == {"price", "test_per_pack", "measured_state"}
    price, test, _state = found.tornado
    # Nine tenths of what is earned, less 400: at half and at twice the price.
    assert (price.net_at_low, price.net_at_high) == (pytest.approx(1709.375), pytest.approx(8037.5))
    assert (test.net_at_low, test.net_at_high) == (pytest.approx(3868.75), pytest.approx(3518.75))
    spans = [bar.span for bar in found.tornado]
    assert spans == sorted(spans, reverse=True)
    first = tornado_text(found, "en")[0]
    assert first.startswith("price: 0.5…2")
    assert first.endswith("1\u202f710…8\u202f040")
    assert first.index("░") < first.index("│") < first.index("█")


def test_monte_carlo_agrees_with_plain_dice() -> None:
    wide = MONEY.replace("value: 1.0, source", "value: 1.0, low: 0.5, high: 2.0, source")
    wide = wide.replace("warranty_share: {value: 0.1", "warranty_share: {value: 0.1, low: 0.0, high: 0.4")
    files = Files([load_profile(PROFILE, "p")], load_ageing(AGEING, "a"), load_money(wide, "m"))
    found = appraise(files, known(), PACK, Draws(4, 20_000)).applications[0].worth
    assert found is not None
    dice = np.random.default_rng(99)
    price, share = dice.triangular(0.5, 1.0, 2.0, 400_000), dice.triangular(0.0, 0.1, 0.4, 400_000)
    p5, median, p95 = quantiles(4687.5 * price * (1.0 - share) - 400.0, 0.05, 0.5, 0.95)
    net = found.amounts["net"]
    assert (net.p5, net.median, net.p95) == (
        pytest.approx(p5, rel=0.02), pytest.approx(median, rel=0.01), pytest.approx(p95, rel=0.02)
    )  # fmt: skip


def test_a_triangle_has_its_quantiles_and_a_point_is_a_point() -> None:
    u = (np.arange(200_000) + 0.5) / 200_000
    drawn = Spread(0.2, 0.1, 0.5, "house").at(u)
    assert drawn.mean() == pytest.approx((0.1 + 0.2 + 0.5) / 3, rel=1e-4)
    assert drawn.var() == pytest.approx((0.01 + 0.04 + 0.25 - 0.02 - 0.05 - 0.1) / 18, rel=1e-3)
    assert set(Spread(0.2, 0.2, 0.2, "house").at(u)) == {0.2}


@settings(max_examples=40, deadline=None)
@given(st.floats(0.51, 1.0), st.floats(0.0, 0.3), st.sampled_from(["lfp", "nmc", "lmo"]))
def test_a_healthier_pack_is_never_worth_less(soh: float, more: float, chemistry: str) -> None:
    """With the shipped files, the energy going with the SOH, in every application that states a value."""

    def medians(value: float) -> dict[str, float]:
        facts = known(value, 0.01)
        energy = facts["energy_kwh"].figure
        facts["energy_kwh"] = replace(facts["energy_kwh"], figure=replace(energy, value=12.0 * value))
        found = appraise(FILES, facts, PackFacts(chemistry, 12.0), Draws(2, 100))
        return {one.profile.application: one.worth.amounts["value"].median for one in found.applications if one.worth}

    worse, better = medians(soh), medians(soh + more)
    assert "recycle" in worse
    for application in worse.keys() & better.keys():
        assert better[application] >= worse[application] - 1e-6 * abs(worse[application])


def read(kind: str, name: str) -> tuple[str, str]:
    path = SHIPPED / kind / f"{name}.yaml"
    return path.read_text(encoding="utf-8"), str(path)


FILES = Files(
    [load_profile(path.read_text(encoding="utf-8"), str(path)) for path in sorted(SHIPPED.glob("applications/*.yaml"))],
    load_ageing(*read("life", "ageing")),
    load_money(*read("value", "assumptions")),
)


def test_every_shipped_application_has_a_price_and_every_number_an_origin() -> None:
    assert {one.application for one in FILES.profiles if not one.always_open} == set(FILES.money.prices)
    found = appraise(FILES, known(0.85, 0.01), PACK, Draws(1, 100))
    money = [one for one in found.assumed if one.group == "money" or one.name == "price"]
    assert money
    assert all(one.spread.is_assumed and one.unit for one in money)
    assert len({(one.group, one.name) for one in found.assumed}) == len(found.assumed)
    drawn = {bar.name for one in found.applications if one.worth for bar in one.worth.tornado} - {"measured_state"}
    assert drawn <= {one.name for one in found.assumed}


def test_the_best_application_is_one_that_is_met() -> None:
    met = PROFILE.replace('  - {figure: dcir_rise, at_most: 0.5, source: "assumption: so"}\n', "")
    richer = PROFILE.replace("application: storage", "application: richer")  # unknown: no resistance was measured
    money = MONEY.replace("prices:", "prices:\n  richer: {per: kwh, value: 9.0, source: house}")
    profiles = [load_profile(text, "p") for text in (met, richer, RECYCLE)]
    files = Files(profiles, load_ageing(AGEING, "a"), load_money(money, "m"))
    found = appraise(files, known(), PACK, Draws(1, 100))
    assert [one.match.verdict for one in found.applications] == ["meets", "unknown", "meets"]
    assert (found.chosen, found.candidate) == ("storage", "richer")
    poorer = load_money(money.replace("value: 9.0", "value: 0.9"), "m")
    assert appraise(replace(files, money=poorer), known(), PACK, Draws(1, 100)).candidate is None
    cheap = load_money(
        money.replace("value: 9.0", "value: 0.01").replace("value: 1.0, source", "value: 0.15, source"), "m"
    )
    ranked = appraise(replace(files, money=cheap), known(), PACK, Draws(1, 100))
    # Net 233 against a material of 360: never worth less than the material, and still not the better choice.
    assert (ranked.chosen, ranked.candidate) == ("recycle", "storage")
    assert appraise(files, known(0.65), PACK, Draws(1, 100)).chosen == "recycle"


@pytest.mark.parametrize(
    ("pack", "key"),
    [
        (PackFacts(None, 12.0), "chemistry"),
        (PackFacts("lto", 12.0), "chemistry"),
        (PackFacts("lfp", None), "rated_energy"),
    ],
)
def test_what_is_not_known_of_the_pack_leaves_no_value(pack: PackFacts, key: str) -> None:
    found = appraised(pack=pack)
    assert found.worth is None
    assert [one.key for one in found.refused] == [key]


@pytest.mark.parametrize(
    ("old", "new", "field", "expected"),
    [
        ("per: kwh,", "per: month,", "prices.storage.per", "'kwh' or 'kwh_year'"),
        ("warranty_share: {value: 0.1", "warranty_share: {value: 7.0", "warranty_share.value", "0 to 1"),
        ("currency: CNY", "currency: yuan", "currency", "three letters"),
        ("years_max: {value: 5.0, source: house}", "years_max: {value: 5.0}", "years_max.source", "where the number"),
        ("lfp: {value: 30.0,", "lfp: {value: 1e3,", "material_per_kwh.lfp.value", "1000"),
    ],
)
def test_a_wrong_file_is_refused_where_it_is_wrong(old: str, new: str, field: str, expected: str) -> None:
    assert old in MONEY
    with pytest.raises(InputError) as refused:
        load_money(MONEY.replace(old, new, 1), "m.yaml")
    (problem,) = refused.value.problems
    assert (problem.file, problem.field) == ("m.yaml", field)
    assert problem.line
    assert expected in (problem.expected or "")
