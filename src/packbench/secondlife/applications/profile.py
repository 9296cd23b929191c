"""An application file (configs/applications/*.yaml): how a battery would be used there, and what is asked of it.

Owns the file's model. Must not hold a requirement of its own: no standard text that this project has read states one
for second-life use, so each stands in a file with its source tag, and most are house rules.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from packbench.config.document import Document, Path, load_document
from packbench.config.validation import StrictModel, sort_problems, validate
from packbench.core.errors import InputError, Problem
from packbench.secondlife.life.ageing import TitleModel
from packbench.secondlife.spread import SOURCE_HELP, Spread, SpreadModel, source_problem, spread_problems, spreads_in

Asked = Literal[
    "soh",
    "soce",
    "energy_kwh",
    "continuous_w_per_kwh",
    "peak_w_per_kwh",
    "dcir_rise",
    "cell_spread_v",
    "self_discharge_per_month",
    "insulation_ohm_per_v",
    "age_years",
    "trips",
    "temperature_min_c",
    "temperature_max_c",
    "life_years",
    "life_cycles",
]
UNITS: Final[dict[Asked, str]] = {
    "soh": "1",
    "soce": "1",
    "energy_kwh": "kWh",
    "continuous_w_per_kwh": "W/kWh",
    "peak_w_per_kwh": "W/kWh",
    "dcir_rise": "1",
    "cell_spread_v": "V",
    "self_discharge_per_month": "1",
    "insulation_ohm_per_v": "ohm/V",
    "age_years": "a",
    "trips": "1",
    "temperature_min_c": "degC",
    "temperature_max_c": "degC",
    "life_years": "a",
    "life_cycles": "1",
}
"""Every figure that an application may ask for. Ratios are fractions; dcir_rise is R/R_new - 1; power is of a kWh of
usable energy; the temperatures are those that the pack's maker allows; the lives are those in this application."""
AT_MOST: Final[frozenset[Asked]] = frozenset(
    {"dcir_rise", "cell_spread_v", "self_discharge_per_month", "age_years", "trips", "temperature_min_c"}
)
LIFE: Final[frozenset[Asked]] = frozenset({"life_years", "life_cycles"})
_SERVICE: Final[dict[str, tuple[float, float, str]]] = {
    "temperature_c": (-40.0, 80.0, "degC"),
    "depth_of_discharge": (0.01, 1.0, "(a fraction)"),
    "cycles_per_year": (0.0, 10_000.0, "cycles a year"),
    "rest_soc": (0.0, 1.0, "(a fraction)"),
    "end_of_life_soh": (0.01, 0.99, "(a fraction)"),
}
SERVICE_UNITS: Final[dict[str, str]] = {
    "temperature_c": "degC",
    "depth_of_discharge": "1",
    "cycles_per_year": "1/a",
    "rest_soc": "1",
    "end_of_life_soh": "1",
}


class ServiceModel(StrictModel):
    """How the battery would be used: what the remaining life is estimated for."""

    temperature_c: SpreadModel = Field(description="mean temperature of the cells over the years, degC")
    depth_of_discharge: SpreadModel = Field(description="of a cycle, a fraction")
    cycles_per_year: SpreadModel = Field(description="cycles of that depth a year")
    rest_soc: SpreadModel = Field(description="mean state of charge over the years, a fraction")
    end_of_life_soh: SpreadModel = Field(description="SOH at which it is taken out, a fraction, without a range")

    def spreads(self) -> dict[str, Spread]:
        """What is drawn, by name."""
        return {name: model.spread for name, model in spreads_in(self) if name != "end_of_life_soh"}


class RequirementModel(StrictModel):
    """One thing asked: a figure, at least or at most so much."""

    figure: Asked = Field(description=f"one of {', '.join(UNITS)}")
    at_least: float | None = Field(default=None, allow_inf_nan=False, description="a number in the figure's unit")
    at_most: float | None = Field(default=None, allow_inf_nan=False, description="a number in the figure's unit")
    source: str = Field(description=SOURCE_HELP)

    @property
    def bound(self) -> float:
        """The number asked for."""
        return self.at_most if self.at_most is not None else self.at_least or 0.0

    @property
    def higher_is_better(self) -> bool:
        """At least, or at most."""
        return self.figure not in AT_MOST


class ProfileModel(StrictModel):
    """The file as a whole."""

    application: str = Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", description="a name such as telecom-base-station")
    title: TitleModel = Field(description="what it is, in en and zh")
    always_open: bool = Field(default=False, description="true: takes every pack, and asks for nothing (recycling)")
    service: ServiceModel | None = Field(default=None, description="how the battery would be used")
    requirements: list[RequirementModel] = Field(
        default_factory=list[RequirementModel], description="a list of requirements"
    )


def load_profile(text: str, file: str) -> ProfileModel:
    """Read the text of an application file. Raises InputError with every problem of it."""
    document = load_document(text, file)
    model = validate(ProfileModel, document)
    problems = [*_shape(model, document), *_service(model, document)]
    for at, requirement in enumerate(model.requirements):
        problems += _requirement(model, at, requirement, document)
    if problems:
        raise InputError(sort_problems(problems))
    return model


def _shape(model: ProfileModel, document: Document) -> list[Problem]:
    """Either always open and nothing else, or a service and requirements."""
    problems: list[Problem] = []
    for name, there in (("service", model.service is not None), ("requirements", bool(model.requirements))):
        if there == model.always_open:
            expected = "nothing, as it is always open" if there else f"{name}, as it is not always open"
            problems.append(document.problem("", (name,), document.found((name,)), expected))
    return problems


def _service(model: ProfileModel, document: Document) -> list[Problem]:
    if model.service is None:
        return []
    problems: list[Problem] = []
    for name, spread in spreads_in(model.service):
        path = ("service", name)
        if name == "end_of_life_soh" and spread.low is not None:
            problems.append(document.problem("", (*path, "low"), document.found((*path, "low")), "a value alone"))
        problems += spread_problems(document, path, spread, *_SERVICE[name])
    return problems


def _requirement(model: ProfileModel, at: int, requirement: RequirementModel, document: Document) -> list[Problem]:
    path: Path = ("requirements", at)
    problems = source_problem(document, (*path, "source"), requirement.source)
    if requirement.figure in {other.figure for other in model.requirements[:at]}:
        here = (*path, "figure")
        problems.append(document.problem("", here, document.found(here), "each figure once"))
    wanted, other = ("at_most", "at_least") if requirement.figure in AT_MOST else ("at_least", "at_most")
    if getattr(requirement, wanted) is None:
        problems.append(document.problem("required", (*path, wanted), "nothing", f"{wanted}, for {requirement.figure}"))
    if getattr(requirement, other) is not None:
        here = (*path, other)
        problems.append(document.problem("", here, document.found(here), f"{wanted} alone, for {requirement.figure}"))
    return problems
