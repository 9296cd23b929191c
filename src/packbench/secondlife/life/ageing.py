"""An ageing file (configs/life/*.yaml): how fast a chemistry loses capacity, standing and cycling, and where that ends.

Owns the file's model. Must not hold a parameter of its own: published cells differ by a factor of ten, so each number
stands in the file with its range and its source.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from packbench.config.document import Document, Path, load_document
from packbench.config.validation import StrictModel, sort_problems, validate
from packbench.core.errors import InputError, Problem
from packbench.secondlife.spread import Spread, SpreadModel, spread_problems, spreads_in

UNITS: Final[dict[str, str]] = {
    "calendar_loss": "1/a",
    "calendar_exponent": "1",
    "calendar_activation": "J/mol",
    "soc_slope": "1",
    "cycle_loss": "1/1000 cycles",
    "cycle_exponent": "1",
    "cycle_activation": "J/mol",
    "dod_exponent": "1",
    "calendar_share": "1",
    "knee_soh": "1",
}
"""Every parameter of a chemistry."""
_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "calendar_loss": (1e-6, 0.5),
    "calendar_exponent": (0.2, 1.5),
    "calendar_activation": (0.0, 150_000.0),
    "soc_slope": (-3.0, 5.0),
    "cycle_loss": (1e-6, 2.0),
    "cycle_exponent": (0.2, 1.5),
    "cycle_activation": (0.0, 150_000.0),
    "dod_exponent": (0.0, 4.0),
    "calendar_share": (0.01, 0.99),
    "knee_soh": (0.0, 0.95),
}


class TitleModel(StrictModel):
    """Words in both languages."""

    en: str = Field(min_length=1, description="English")
    zh: str = Field(min_length=1, description="Chinese")


class ChemistryModel(StrictModel):
    """One chemistry; losses are fractions of the capacity when new."""

    calendar_loss: SpreadModel = Field(description="loss of the first year when new, standing at 25 degC and 50 % SOC")
    calendar_exponent: SpreadModel = Field(description="z of loss = a * years^z")
    calendar_activation: SpreadModel = Field(description="activation energy of the calendar loss, J/mol")
    soc_slope: SpreadModel = Field(description="s of the factor exp(s * (SOC - 0.5)) on the calendar loss")
    cycle_loss: SpreadModel = Field(
        description="loss of the first 1000 full equivalent cycles when new, at 25 degC and 80 % depth of discharge"
    )
    cycle_exponent: SpreadModel = Field(description="z of loss = b * cycles^z")
    cycle_activation: SpreadModel = Field(description="activation energy of the cycle loss, J/mol")
    dod_exponent: SpreadModel = Field(description="m of the factor (depth of discharge / 0.8)^m on the cycle loss")
    calendar_share: SpreadModel = Field(description="how much of the loss so far came of standing: 0 to 1")
    knee_soh: SpreadModel = Field(description="SOH below which fading may accelerate: the model ends there")

    def spreads(self) -> dict[str, Spread]:
        """The parameters by name."""
        return {name: model.spread for name, model in spreads_in(self)}


class AgeingModel(StrictModel):
    """The file as a whole."""

    ageing: str = Field(min_length=1, description="a name for this set of parameters")
    title: TitleModel = Field(description="what it is for, in en and zh")
    temperature_min_c: SpreadModel = Field(description="the coldest that the parameters speak for, degC")
    temperature_max_c: SpreadModel = Field(description="the warmest that the parameters speak for, degC")
    horizon_years: SpreadModel = Field(description="how far ahead is looked; a longer life is said to be at least this")
    chemistries: dict[str, ChemistryModel] = Field(min_length=1, description="a mapping of chemistries")


def load_ageing(text: str, file: str) -> AgeingModel:
    """Read the text of an ageing file. Raises InputError with every problem of it."""
    document = load_document(text, file)
    model = validate(AgeingModel, document)
    problems = [
        *_exact(document, ("temperature_min_c",), model.temperature_min_c, (-40.0, 60.0), "degC"),
        *_exact(document, ("temperature_max_c",), model.temperature_max_c, (-40.0, 80.0), "degC"),
        *_exact(document, ("horizon_years",), model.horizon_years, (1.0, 100.0), "a"),
    ]
    if model.temperature_min_c.value >= model.temperature_max_c.value:
        path = ("temperature_min_c", "value")
        expected = f"less than temperature_max_c, {model.temperature_max_c.value:g}"
        problems.append(document.problem("", path, document.found(path), expected))
    for chemistry, parameters in model.chemistries.items():
        for name, spread in spreads_in(parameters):
            path = ("chemistries", chemistry, name)
            problems += spread_problems(document, path, spread, *_BOUNDS[name], UNITS[name])
    if problems:
        raise InputError(sort_problems(problems))
    return model


def _exact(
    document: Document, path: Path, spread: SpreadModel, bounds: tuple[float, float], unit: str
) -> list[Problem]:
    """A number that is a decision, not a quantity: it has no range."""
    if spread.low is not None or spread.high is not None:
        here = (*path, "low" if spread.low is not None else "high")
        return [document.problem("", here, document.found(here), "a value alone: this number is not drawn")]
    return spread_problems(document, path, spread, *bounds, unit)
