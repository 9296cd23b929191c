"""A factors file (configs/carbon/*.yaml): what each stage emits, how long each life is, who carries what.

Owns the file's model. Must not hold a factor of its own: there is none that this project has confirmed, so each stands
in the file with its source, and one that rests on no source says `basis: assumption`.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from packbench.config.document import Document, load_document
from packbench.config.fields import EnergyWh, PowerW, RatioText
from packbench.config.validation import StrictModel, sort_problems, validate
from packbench.core.errors import InputError, Problem

STAGES: Final = ("RawMaterialExtraction", "MainProduction", "Distribution", "Recycling")
"""EU 2023/1542 and BatteryPass 1.2: there is no use stage."""
Stage = Literal["RawMaterialExtraction", "MainProduction", "Distribution", "Recycling"]
Basis = Literal["measured", "declared", "literature", "assumption"]
Rule = Literal["cut-off", "by-energy", "fixed"]

AC_METER: Final = "ac_meter"
_OWN: Final[dict[str, tuple[str, ...]]] = {
    AC_METER: ("begin_kwh", "end_kwh", "U"),
    "efficiency_curve": ("curve", "standby", "regenerative", "U"),
}
"""What each way of counting is stated by."""

_BASIS = "measured, declared (by its maker), literature or assumption"
_SOURCE = "where the value comes from: document, edition, page; or why it was assumed"
_U = "the relative expanded uncertainty (k = 2), such as 30 %"


class FactorModel(StrictModel):
    """An emission factor."""

    kg_co2e_per_kwh: float = Field(ge=0.0, lt=1e6, description="a number of kg CO2e per kWh")
    U: RatioText = Field(description=_U)
    basis: Basis = Field(description=_BASIS)
    source: str = Field(min_length=1, description=_SOURCE)


class StagesModel(StrictModel):
    """Per kWh of usable energy when new."""

    RawMaterialExtraction: FactorModel = Field(description="a factor")
    MainProduction: FactorModel = Field(description="a factor")
    Distribution: FactorModel = Field(description="a factor")
    Recycling: FactorModel = Field(description="a factor")


class ItemModel(StrictModel):
    """Something that repurposing takes besides electricity: parts, transport."""

    name: str = Field(min_length=1, description="what it is")
    stage: Stage = Field(description=f"one of {', '.join(STAGES)}")
    kg_co2e: float = Field(ge=0.0, lt=1e9, description="a number of kg CO2e for the whole pack")
    U: RatioText = Field(description=_U)
    basis: Basis = Field(description=_BASIS)
    source: str = Field(min_length=1, description=_SOURCE)


class LifeModel(StrictModel):
    """How much energy a life delivers: usable energy x full cycles a year x years x mean share of it."""

    full_cycles_per_year: float = Field(gt=0.0, le=10000.0, description="full equivalent cycles a year")
    years: float = Field(gt=0.0, le=100.0, description="years of service")
    mean_energy: RatioText = Field(description="mean usable energy over the life against its begin, such as 90 %")
    U: RatioText = Field(description="the relative expanded uncertainty of the delivered energy, such as 20 %")
    basis: Basis = Field(description=_BASIS)
    source: str = Field(min_length=1, description=_SOURCE)


class FirstLifeModel(LifeModel):
    """The first life begins with the usable energy when new."""

    usable_energy: EnergyWh = Field(description="usable energy when new, such as 40 kWh")


class AllocationModel(StrictModel):
    """Which life carries what both have the use of."""

    rule: Rule = Field(description="cut-off, by-energy or fixed")
    first_life_share: RatioText | None = Field(default=None, description="fixed: the first life's share, such as 60 %")


class PointModel(StrictModel):
    """One point of an efficiency curve."""

    power: PowerW = Field(description="DC power, such as 5 kW")
    efficiency: RatioText = Field(description="such as 93 %")


class BenchEnergyModel(StrictModel):
    """How the bench's own use of electricity was counted."""

    counted_by: str = Field(description="ac_meter or efficiency_curve")
    begin_kwh: float | None = Field(
        default=None, ge=0.0, description="ac_meter that the bench does not read: its reading before, in kWh"
    )
    end_kwh: float | None = Field(default=None, ge=0.0, description="its reading after, in kWh")
    U: RatioText | None = Field(
        default=None,
        description="of the difference of typed readings; efficiency_curve: of an efficiency, in points, such as 1 %",
    )
    curve: list[PointModel] = Field(default_factory=list[PointModel], description="efficiency_curve: a list of points")
    standby: PowerW | None = Field(
        default=None, description="efficiency_curve: AC power with the output off, such as 120 W"
    )
    regenerative: bool | None = Field(
        default=None, description="efficiency_curve: whether a discharge goes back to the mains"
    )
    basis: Basis = Field(description=_BASIS)
    source: str = Field(min_length=1, description="the meter and its certificate, or the data sheet's edition and page")


class FactorsModel(StrictModel):
    """The file as a whole."""

    carbon: str = Field(min_length=1, description="a name for this set of factors")
    stages: StagesModel = Field(description="a factor for each stage")
    electricity: FactorModel = Field(description="the factor of the mains where the bench stands")
    first_life: FirstLifeModel = Field(description="the life before")
    second_life: LifeModel = Field(description="the life that begins now")
    allocation: AllocationModel = Field(description="the rule, and what it needs")
    repurposing: list[ItemModel] = Field(default_factory=list[ItemModel], description="a list of items")
    bench_energy: BenchEnergyModel = Field(description="how the test's electricity was counted")


def load_factors(text: str, file: str) -> FactorsModel:
    """Read the text of a factors file. Raises InputError with every problem of it."""
    document = load_document(text, file)
    model = validate(FactorsModel, document)
    problems = [*_allocation(model, document), *_bench(model.bench_energy, document)]
    if problems:
        raise InputError(sort_problems(problems))
    return model


def _allocation(model: FactorsModel, document: Document) -> list[Problem]:
    share, path = model.allocation.first_life_share, ("allocation", "first_life_share")
    if model.allocation.rule == "fixed":
        if share is None or share > 1.0:
            return [document.problem("", path, document.found(path), "a share from 0 % to 100 %, for the rule fixed")]
    elif share is not None:
        return [document.problem("", path, document.found(path), f"nothing: {model.allocation.rule} needs no share")]
    return []


def _bench(model: BenchEnergyModel, document: Document) -> list[Problem]:
    """What each way of counting needs; DC alone is none."""
    base = ("bench_energy",)
    if model.counted_by not in _OWN:
        path = (*base, "counted_by")
        message = "DC energy leaves out what the cycler itself takes" if "dc" in model.counted_by.lower() else ""
        return [document.problem(message, path, document.found(path), "ac_meter or efficiency_curve")]
    own = _OWN[model.counted_by]
    stated = [name for name in dict.fromkeys(sum(_OWN.values(), ())) if getattr(model, name) not in (None, [])]
    # An ac_meter without any of them is one that the bench reads: the record has what it showed.
    required = () if model.counted_by == AC_METER and not set(stated) & set(own) else own
    problems = [
        document.problem("", (*base, name), "nothing", f"a value, for {model.counted_by}")
        for name in required
        if name not in stated
    ]
    for name in stated:
        if name not in own:
            path = (*base, name)
            problems.append(document.problem("", path, document.found(path), f"nothing, with {model.counted_by}"))
    if problems:
        return problems
    if model.begin_kwh is not None and model.end_kwh is not None and model.end_kwh < model.begin_kwh:
        path = (*base, "end_kwh")
        problems.append(document.problem("", path, document.found(path), f"at least {model.begin_kwh:g}, as it began"))
    powers = [point.power for point in model.curve]
    for number, point in enumerate(model.curve):
        path = (*base, "curve", number, "efficiency")
        if not 0.0 < point.efficiency <= 1.0:
            problems.append(document.problem("", path, document.found(path), "more than 0 %, at most 100 %"))
        if number and powers[number - 1] >= point.power:
            path = (*base, "curve", number, "power")
            problems.append(document.problem("", path, document.found(path), "more than the point before"))
    return problems
