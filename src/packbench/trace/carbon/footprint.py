"""The footprint of both lives of a battery, by stage, per kWh that each delivers.

Owns the arithmetic and its uncertainty (GUM, first order; factors independent of each other). The functional unit is
the energy delivered over a life: usable energy x full equivalent cycles a year x years (draft delegated act of
2024-04-30, secondary source), times the mean share that an ageing battery still delivers.

    cut-off     the first life carries extraction, production and distribution; the second carries what repurposing
                takes, and recycling, at the end of which it stands
    by-energy   what the new battery and its recycling emit is shared as the lives share the delivered energy
    fixed       ... shared as the file says

Repurposing is the second life's under every rule: electricity and parts in MainProduction, transport in Distribution.
Which rule applies is a choice: none of them is prescribed by a text that was read for this project.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot
from typing import Any, Final, Literal

from packbench.core.result import Measured
from packbench.trace.carbon.bench_energy import BenchEnergy
from packbench.trace.carbon.factors import STAGES, BenchEnergyModel, FactorModel, FactorsModel, ItemModel, LifeModel

Life = Literal["first_life", "second_life"]
LIVES: Final[tuple[Life, ...]] = ("first_life", "second_life")
ELECTRICITY_STAGE: Final = "MainProduction"
BENCH: Final = "bench_energy"
K: Final = 2.0
P: Final = 0.95


@dataclass(frozen=True, slots=True)
class Part:
    """One contribution to one life, in kg CO2e for the whole battery."""

    life: Life
    stage: str
    name: str
    kg: float
    U_kg: float
    sources: tuple[str, ...] = ()
    """Names of what it rests on."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from."""

    name: str
    basis: str
    source: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of one battery."""

    rule: str
    delivered_kwh: dict[Life, Measured]
    shares: dict[str, float]
    """Of the first life, by stage of the new battery."""
    parts: tuple[Part, ...]
    sources: tuple[Source, ...]

    @property
    def assumptions(self) -> tuple[Source, ...]:
        """What rests on no source."""
        return tuple(each for each in self.sources if each.basis == "assumption")

    def sources_of(self, life: Life) -> tuple[Source, ...]:
        """Those that one life's figure rests on: a stage of which it carries nothing is none."""
        carried = {name for part in self.parts if part.life == life and (part.kg or part.U_kg) for name in part.sources}
        lives = set(LIVES) if self.rule == "by-energy" else {life}
        return tuple(each for each in self.sources if each.name in carried | lives)

    def kg(self, life: Life) -> Measured:
        """kg CO2e of the whole battery in one life."""
        chosen = [part for part in self.parts if part.life == life]
        return Measured(sum(part.kg for part in chosen), hypot(*(part.U_kg for part in chosen)), K, P, "kg")

    def per_kwh(self, life: Life, stage: str | None = None) -> Measured:
        """kg CO2e per kWh delivered; of all stages when none is named."""
        delivered = self.delivered_kwh[life]
        chosen = [part for part in self.parts if part.life == life and stage in (None, part.stage)]
        kg = sum(part.kg for part in chosen)
        wide = hypot(*(part.U_kg for part in chosen)) if chosen else 0.0
        value = kg / delivered.value
        by_energy = value * (delivered.U or 0.0) / delivered.value
        return Measured(value, hypot(wide / delivered.value, by_energy), K, P, "kg/kWh")


def footprint(model: FactorsModel, remaining_wh: Measured, bench: BenchEnergy) -> Footprint:
    """The footprint of a battery whose remaining energy was measured by a test that took `bench`."""
    first = _delivered(model.first_life, model.first_life.usable_energy, 0.0)
    relative = 0.0 if remaining_wh.U is None else remaining_wh.U / remaining_wh.value
    second = _delivered(model.second_life, remaining_wh.value, relative)
    shares = _shares(model, first.value, second.value)
    parts = (*_new(model, shares), *_repurposing(model, bench))
    return Footprint(
        model.allocation.rule, {"first_life": first, "second_life": second}, shares, parts, tuple(_sources(model))
    )


def _delivered(life: LifeModel, usable_wh: float, relative_u: float) -> Measured:
    kwh = usable_wh / 1e3 * life.full_cycles_per_year * life.years * life.mean_energy
    return Measured(kwh, kwh * hypot(life.U, relative_u), K, P, "kWh")


def _shares(model: FactorsModel, first_kwh: float, second_kwh: float) -> dict[str, float]:
    match model.allocation.rule:
        case "cut-off":
            return {stage: 0.0 if stage == "Recycling" else 1.0 for stage in STAGES}
        case "by-energy":
            return dict.fromkeys(STAGES, first_kwh / (first_kwh + second_kwh))
        case "fixed":
            return dict.fromkeys(STAGES, model.allocation.first_life_share or 0.0)


def _new(model: FactorsModel, shares: dict[str, float]) -> Iterator[Part]:
    """What the new battery emits, and its end."""
    usable_kwh = model.first_life.usable_energy / 1e3
    for stage in STAGES:
        factor: FactorModel = getattr(model.stages, stage)
        kg = factor.kg_co2e_per_kwh * usable_kwh
        for life, share in zip(LIVES, (shares[stage], 1.0 - shares[stage]), strict=True):
            yield Part(life, stage, stage, kg * share, kg * share * factor.U, (stage,))


def _repurposing(model: FactorsModel, bench: BenchEnergy) -> Iterator[Part]:
    # What a test gave back to the mains is no credit: it came out of the pack.
    kwh, factor = max(bench.kwh, 0.0), model.electricity
    kg = kwh * factor.kg_co2e_per_kwh
    wide = hypot(kg * factor.U, bench.U_kwh * factor.kg_co2e_per_kwh)
    yield Part("second_life", ELECTRICITY_STAGE, "electricity of the test", kg, wide, ("electricity", BENCH))
    for item in model.repurposing:
        yield Part("second_life", item.stage, item.name, item.kg_co2e, item.kg_co2e * item.U, (item.name,))


def _sources(model: FactorsModel) -> Iterator[Source]:
    named: list[tuple[str, FactorModel | LifeModel | ItemModel | BenchEnergyModel]] = [
        *((stage, getattr(model.stages, stage)) for stage in STAGES),
        ("electricity", model.electricity),
        ("first_life", model.first_life),
        ("second_life", model.second_life),
        *((item.name, item) for item in model.repurposing),
        (BENCH, model.bench_energy),
    ]
    for name, each in named:
        yield Source(name, each.basis, each.source)


def footprint_to_dict(found: Footprint) -> dict[str, Any]:
    """For JSON."""
    return {
        "rule": found.rule,
        "first_life_shares": found.shares,
        "delivered_kwh": {life: _figure(found.delivered_kwh[life]) for life in LIVES},
        "kg_co2e_per_kwh": {
            life: {
                "stages": {stage: _figure(found.per_kwh(life, stage)) for stage in STAGES},
                "total": _figure(found.per_kwh(life)),
            }
            for life in LIVES
        },
        "parts": [
            {"life": part.life, "stage": part.stage, "name": part.name, "kg_co2e": part.kg, "U": part.U_kg}
            for part in found.parts
        ],
        "sources": [{"name": each.name, "basis": each.basis, "source": each.source} for each in found.sources],
        "assumptions": [each.name for each in found.assumptions],
    }


def _figure(measured: Measured) -> dict[str, Any]:
    return {"value": measured.value, "U": measured.U, "k": measured.k, "p": measured.p, "unit": measured.unit}
