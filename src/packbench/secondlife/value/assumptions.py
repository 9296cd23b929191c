"""An assumptions file (configs/value/*.yaml): prices, costs, what the material brings.

Owns the file's model. Must not hold a number of its own: each stands in the file with its range and its source, and one
that rests on no source says `assumption`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import Field

from packbench.config.document import Document, Path, load_document
from packbench.config.validation import StrictModel, sort_problems, validate
from packbench.core.errors import InputError, Problem
from packbench.secondlife.life.ageing import TitleModel
from packbench.secondlife.spread import SpreadModel, spread_problems, spreads_in

Per = Literal["kwh", "kwh_year"]
COST_UNITS: Final[dict[str, str]] = {
    "discount_rate": "1/a",
    "years_max": "a",
    "test_per_pack": "",
    "regroup_per_kwh": "/kWh",
    "logistics_per_kwh": "/kWh",
    "warranty_share": "1",
}
"""Of the file's numbers; those that are empty or begin with a stroke are money."""
_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "discount_rate": (0.0, 1.0),
    "years_max": (0.1, 100.0),
    "test_per_pack": (0.0, 1e9),
    "regroup_per_kwh": (0.0, 1e6),
    "logistics_per_kwh": (0.0, 1e6),
    "warranty_share": (0.0, 1.0),
}


class PriceModel(SpreadModel):
    """What an application pays."""

    per: Per = Field(description="kwh: of every kWh delivered; kwh_year: of every usable kWh held ready for a year")


class MoneyModel(StrictModel):
    """The file as a whole."""

    value: str = Field(min_length=1, description="a name for this set of assumptions")
    title: TitleModel = Field(description="what they are for, in en and zh")
    currency: str = Field(pattern="^[A-Z]{3}$", description="a currency's three letters (ISO 4217), such as CNY")
    prices: dict[str, PriceModel] = Field(min_length=1, description="a price for each application")
    discount_rate: SpreadModel = Field(description="a year, a fraction")
    years_max: SpreadModel = Field(description="how many years of service anybody pays for")
    test_per_pack: SpreadModel = Field(description="what testing costs, for each pack")
    regroup_per_kwh: SpreadModel = Field(description="what dismantling and regrouping cost, of a rated kWh")
    logistics_per_kwh: SpreadModel = Field(description="what transport costs, of a rated kWh")
    warranty_share: SpreadModel = Field(description="set aside for warranty, as a share of what is earned")
    material_per_kwh: dict[str, SpreadModel] = Field(
        min_length=1, description="what the material brings by chemistry, net of the recycler's costs, of a rated kWh"
    )

    def costs(self) -> Iterator[tuple[str, SpreadModel]]:
        """All numbers but prices and material, by name."""
        return spreads_in(self)


def load_money(text: str, file: str) -> MoneyModel:
    """Read the text of an assumptions file. Raises InputError with every problem of it."""
    document = load_document(text, file)
    model = validate(MoneyModel, document)
    problems: list[Problem] = []
    for name, spread in model.costs():
        problems += _checked(document, (name,), spread, _BOUNDS[name])
    for application, price in model.prices.items():
        problems += _checked(document, ("prices", application), price, (0.0, 1e6))
    for chemistry, material in model.material_per_kwh.items():
        problems += _checked(document, ("material_per_kwh", chemistry), material, (-1e6, 1e6))
    if problems:
        raise InputError(sort_problems(problems))
    return model


def _checked(document: Document, path: Path, spread: SpreadModel, bounds: tuple[float, float]) -> list[Problem]:
    return spread_problems(document, path, spread, *bounds, "")
