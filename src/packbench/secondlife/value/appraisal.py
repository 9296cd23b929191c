"""Everything about one pack's second life in every application that is looked at.

Owns the bringing together: the same draws serve matching, life and value, so that figures that are compared met the
same luck. Must not read files. What cannot be stated is refused with its reasons, application by application.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from packbench.core.samples import FloatArray
from packbench.secondlife.applications.match import (
    MEASURED_TOGETHER,
    Known,
    LifeDraws,
    Match,
    drawn,
    match,
    state_of,
)
from packbench.secondlife.applications.profile import SERVICE_UNITS, Asked, ProfileModel, ServiceModel
from packbench.secondlife.draws import Draws
from packbench.secondlife.life.ageing import UNITS as AGEING_UNITS
from packbench.secondlife.life.ageing import AgeingModel
from packbench.secondlife.life.remaining import Life, Refused, ended, refusals, summed_up
from packbench.secondlife.spread import Spread
from packbench.secondlife.value.assumptions import COST_UNITS, MoneyModel
from packbench.secondlife.value.worth import SOH_LEAST, STATE, Case, Worth, material_worth, worth

_COMMON: Final = {"ageing": 0, "money": 1}


@dataclass(frozen=True, slots=True)
class PackFacts:
    """What is known of a pack besides its test."""

    chemistry: str | None
    rated_kwh: float | None


@dataclass(frozen=True, slots=True)
class Assumed:
    """A number that an estimate rests on."""

    group: str
    """ageing, money, or the application's name."""
    name: str
    spread: Spread
    unit: str


@dataclass(frozen=True, slots=True)
class Appraised:
    """One application."""

    profile: ProfileModel
    match: Match
    life: Life | None
    worth: Worth | None
    refused: tuple[Refused, ...]
    """Why there is no life, or no value."""
    assumed: tuple[Assumed, ...]
    """What its life and value rest on."""


@dataclass(frozen=True, slots=True)
class Appraisal:
    """Every application that was looked at."""

    applications: tuple[Appraised, ...]
    chosen: str | None
    """The one that brings most (`_brings`) among those that the pack meets; None: no value can be stated."""
    candidate: str | None
    """The next to look at: worth more than the chosen one were what is unknown met, or the best second life where
    recycling brings more; None: there is none."""
    currency: str
    draws: Draws
    is_uncertainty_stated: bool
    """False: the run's own figures state none, and the ranges leave it out."""

    @property
    def assumed(self) -> tuple[Assumed, ...]:
        """Every number that anything here rests on, once; the common ones first."""
        every = dict.fromkeys(one for application in self.applications for one in application.assumed)
        return tuple(sorted(every, key=lambda one: _COMMON.get(one.group, len(_COMMON))))

    @property
    def best(self) -> Appraised | None:
        """The chosen one."""
        return self._named(self.chosen)

    @property
    def shown(self) -> tuple[Appraised, ...]:
        """Those whose money is worth looking at in detail: the chosen one, and the candidate."""
        return tuple(one for one in (self.best, self._named(self.candidate)) if one is not None)

    def _named(self, name: str | None) -> Appraised | None:
        return next((one for one in self.applications if one.profile.application == name), None)


@dataclass(frozen=True, slots=True)
class Files:
    """What an appraisal reads."""

    profiles: Sequence[ProfileModel]
    ageing: AgeingModel
    money: MoneyModel


def appraise(files: Files, known: Mapping[Asked, Known], pack: PackFacts, draws: Draws) -> Appraisal:
    """Match, life and value in every application. The same seed and files give the same figures."""
    applications = tuple(_appraised(profile, files, known, pack, draws) for profile in files.profiles)
    has_u = any(name in known and known[name].figure.U is not None for name in MEASURED_TOGETHER)
    if len(applications) == 1:
        # Asked for by name: it is shown whether it is met or not.
        chosen, candidate = (applications[0] if applications[0].worth is not None else None), None
    else:
        valued = [one for one in applications if one.worth is not None]
        chosen = max((one for one in valued if one.match.verdict == "meets"), key=_brings, default=None)
        candidate = _candidate(valued, chosen)
    names = [None if one is None else one.profile.application for one in (chosen, candidate)]
    return Appraisal(applications, names[0], names[1], files.money.currency, draws, has_u)


def _candidate(valued: Sequence[Appraised], chosen: Appraised | None) -> Appraised | None:
    """The best of the others that are not ruled out, where it is better than the chosen one or that is recycling."""
    others = [one for one in valued if one is not chosen and one.match.verdict != "fails" and one.life is not None]
    best = max(others, key=_brings, default=None)
    if best is None or chosen is None or chosen.profile.always_open:
        return best
    return best if _brings(best) > _brings(chosen) else None


def _brings(one: Appraised) -> float:
    """What applications are ranked by: the net, of recycling the material.

    Not the value: that is floored draw by draw, as if one could see the outcome and recycle after all, and would put
    every second life above recycling.
    """
    if one.worth is None:
        return -math.inf
    amounts = one.worth.amounts
    return amounts["net" if "net" in amounts else "material"].median


def _appraised(
    profile: ProfileModel, files: Files, known: Mapping[Asked, Known], pack: PackFacts, draws: Draws
) -> Appraised:
    material = _material(files.money, pack)
    if profile.service is None:
        no_life = LifeDraws(None, None)
        found, reasons = (None, material) if isinstance(material, tuple) else (material, ())
        brought = None
        assumed: tuple[Assumed, ...] = ()
        if found is not None and pack.rated_kwh is not None:
            brought = material_worth(found, pack.rated_kwh, draws.uniform("material_per_kwh"))
            assumed = (_material_assumed(found, files.money),)
        return Appraised(profile, match(profile, known, no_life, draws), None, brought, reasons, assumed)
    return _of_service(profile, profile.service, files, known, pack, material, draws)


def _of_service(
    profile: ProfileModel,
    service: ServiceModel,
    files: Files,
    known: Mapping[Asked, Known],
    pack: PackFacts,
    material: Spread | tuple[Refused, ...],
    draws: Draws,
) -> Appraised:
    ageing, spreads = files.ageing, service.spreads()
    soh = known.get("soh")
    reasons = refusals(ageing, pack.chemistry, None if soh is None else soh.figure.value, spreads["temperature_c"])
    if reasons or soh is None or pack.chemistry is None:
        judged = match(profile, known, LifeDraws(None, None, reasons), draws)
        return Appraised(profile, judged, None, None, reasons, ())
    parameters = ageing.chemistries[pack.chemistry].spreads()
    state = state_of(known, draws)
    inputs = _drawn(parameters | spreads, draws)
    end_soh, horizon = service.end_of_life_soh.value, ageing.horizon_years.value
    serving = {**inputs, "soh": np.maximum(drawn(soh.figure, state), SOH_LEAST)}
    end = ended(serving, end_soh, horizon)
    life = summed_up(serving, end, end_soh, horizon)
    judged = match(profile, known, LifeDraws(end, end.years * inputs["cycles_per_year"]), draws)
    assumed = _assumed(profile, service, files, pack.chemistry)
    energy = known.get("energy_kwh")
    if energy is None:
        reasons = (Refused("energy", "energy not measured", "未测得能量"),)
    elif isinstance(material, tuple):
        reasons = material
    if reasons or energy is None or isinstance(material, tuple) or pack.rated_kwh is None:
        return Appraised(profile, judged, life, None, reasons, assumed)
    price = files.money.prices[profile.application]
    costs = {name: model.spread for name, model in files.money.costs()}
    money = costs | {"price": price.spread, "material_per_kwh": material}
    all_spreads = parameters | spreads | money
    case = Case(soh.figure, energy.figure, pack.rated_kwh, price.per, end_soh, horizon, all_spreads)
    drawn_money = _drawn(money, draws, {"price": f"price {profile.application}"})
    found = worth(case, {STATE: state, **inputs, **drawn_money}, end)
    return Appraised(profile, judged, life, found, (), assumed)


def _drawn(
    spreads: Mapping[str, Spread], draws: Draws, streams: Mapping[str, str] | None = None
) -> dict[str, FloatArray]:
    """Each input from the stream of its name; `streams` gives other names, as to the price of each application."""
    named = streams or {}
    return {name: spread.at(draws.uniform(named.get(name, name))) for name, spread in spreads.items()}


def _material(money: MoneyModel, pack: PackFacts) -> Spread | tuple[Refused, ...]:
    """What the material brings, or why nobody can say."""
    if pack.chemistry is None:
        return (Refused("chemistry", "chemistry not stated", "未给出化学体系"),)
    if pack.chemistry not in money.material_per_kwh:
        en = f"the assumptions file has no material_per_kwh for {pack.chemistry}"
        return (Refused("material", en, f"假设文件没有 {pack.chemistry} 的 material_per_kwh"),)
    if pack.rated_kwh is None:
        return (Refused("rated_energy", "rated energy not known", "未知额定能量"),)
    return money.material_per_kwh[pack.chemistry].spread


def _material_assumed(spread: Spread, money: MoneyModel) -> Assumed:
    return Assumed("money", "material_per_kwh", spread, f"{money.currency}/kWh")


def _assumed(profile: ProfileModel, service: ServiceModel, files: Files, chemistry: str) -> tuple[Assumed, ...]:
    """Every number that life and value rest on, with its source."""
    ageing, money = files.ageing, files.money
    found = [
        Assumed("ageing", name, spread, AGEING_UNITS[name])
        for name, spread in ageing.chemistries[chemistry].spreads().items()
    ]
    found.append(Assumed("ageing", "horizon_years", ageing.horizon_years.spread, "a"))
    used = {**service.spreads(), "end_of_life_soh": service.end_of_life_soh.spread}
    found += [Assumed(profile.application, name, spread, SERVICE_UNITS[name]) for name, spread in used.items()]
    price = money.prices.get(profile.application)
    if price is not None:
        unit = f"{money.currency}/kWh" if price.per == "kwh" else f"{money.currency}/(kWh a)"
        found.append(Assumed(profile.application, "price", price.spread, unit))
    for name, model in money.costs():
        unit = COST_UNITS[name]
        found.append(Assumed("money", name, model.spread, unit if unit[:1] not in ("", "/") else money.currency + unit))
    if chemistry in money.material_per_kwh:
        found.append(_material_assumed(money.material_per_kwh[chemistry].spread, money))
    return tuple(found)
