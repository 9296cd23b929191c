"""A pack file (configs/packs/*.yaml) read into a PackSpec.

Owns the pack file's model and its cross checks. Must not decide anything about a test. The `plant:`
section is checked for its types here and read by the simulator alone.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from packbench.config.chemistry import CHEMISTRIES
from packbench.config.document import Document, load_document
from packbench.config.fields import (
    LIMIT_KEYS,
    LIMIT_PAIRS,
    ChargeAh,
    EnergyWh,
    InsulationOhm,
    LimitsModel,
    Name,
    PowerW,
    VoltageV,
)
from packbench.config.validation import StrictModel, check_model, sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import PackSpec
from packbench.core.units import EXPECTED


class WeakCellModel(StrictModel):
    """One cell that the simulator makes worse than the rest, on top of its own draw."""

    cell: int = Field(ge=1, description="a cell number, counted from 1")
    capacity_factor: float = Field(
        default=1.0, gt=0.0, le=1.5, description="a factor on the cell's capacity, such as 0.93"
    )
    resistance_factor: float = Field(
        default=1.0, gt=0.0, le=20.0, description="a factor on the cell's resistance, such as 1.4"
    )


class PlantModel(StrictModel):
    """How the simulator makes one pack of this type; bare numbers are fractions and factors."""

    soh: float = Field(
        default=1.0, gt=0.0, le=1.2, description="the cells' mean capacity as a fraction of rated, such as 0.85"
    )
    capacity_spread: float = Field(
        default=0.0, ge=0.0, le=0.2, description="a relative standard deviation, such as 0.01"
    )
    resistance_factor: float = Field(
        default=1.0, gt=0.0, le=20.0, description="mean resistance against new, such as 1.4"
    )
    resistance_spread: float = Field(
        default=0.0, ge=0.0, le=0.5, description="a relative standard deviation, such as 0.04"
    )
    weak_cells: list[WeakCellModel] = Field(default_factory=list[WeakCellModel], description="a list of weak cells")
    imbalance_sd: float = Field(
        default=0.0, ge=0.0, le=0.2, description="standard deviation of SOC as a fraction, such as 0.01"
    )
    initial_soc: float = Field(default=0.5, ge=0.0, le=1.0, description="a state of charge from 0 to 1")
    self_discharge_per_day: float = Field(
        default=0.0, ge=0.0, le=0.05, description="SOC fraction a day, such as 0.0003"
    )
    cycles: int = Field(default=0, ge=0, description="the cycles its BMS has counted: a whole number")
    insulation: InsulationOhm = Field(default=20e6, description=EXPECTED["resistance"])
    seed: int = Field(default=1, ge=0, description="a whole number: fixes this one pack's draw of cells")


class TitleModel(StrictModel):
    """A title in both languages."""

    en: str = Field(min_length=1, description="the title in English")
    zh: str = Field(min_length=1, description="the title in Chinese")


class BeginOfLifeModel(StrictModel):
    """What the pack was when new, maker's data: what the EU's fade figures are relative to."""

    resistance: InsulationOhm | None = Field(default=None, description=EXPECTED["resistance"])
    power: PowerW | None = Field(default=None, description=EXPECTED["power"])
    round_trip_efficiency: float | None = Field(
        default=None, gt=0.0, le=1.0, description="energy out over energy in as a fraction, such as 0.96"
    )


class PackModel(StrictModel):
    """The file as a whole."""

    pack: Name = Field(description="the pack's name, such as nmc-96s")
    title: TitleModel = Field(description="a mapping {en: ..., zh: ...}")
    chemistry: Literal["nmc", "lfp", "lmo"] = Field(description="one of nmc, lfp, lmo")
    series: int = Field(ge=1, le=1000, description="the number of cells in series")
    parallel: int = Field(default=1, ge=1, le=1000, description="the number of cells in parallel")
    rated_capacity: ChargeAh = Field(description=EXPECTED["charge"])
    rated_energy: EnergyWh = Field(description=EXPECTED["energy"])
    cell_full: VoltageV = Field(description=EXPECTED["voltage"])
    cell_cutoff: VoltageV = Field(description=EXPECTED["voltage"])
    temperature_sensors: int = Field(ge=1, le=1000, description="the number of temperature sensors the BMS reports")
    max_power: PowerW = Field(description=EXPECTED["power"])
    default_bench: Name | None = Field(default=None, description="the name of a bench that suits it, such as sim-hv")
    insulation_min: InsulationOhm | None = Field(default=None, description=EXPECTED["resistance"])
    insulation_monitor: bool = Field(default=False, description="true when the pack has a monitor of its own")
    begin_of_life: BeginOfLifeModel = Field(
        default_factory=BeginOfLifeModel, description="what it was when new: resistance, power, round_trip_efficiency"
    )
    limits: LimitsModel = Field(description="what the pack's maker allows")
    plant: PlantModel = Field(default_factory=PlantModel, description="how the simulator makes one")


def load_pack(text: str, file: str) -> PackSpec:
    """Read a pack file's text. Raises InputError with every problem found."""
    document = load_document(text, file)
    model, problems = check_model(PackModel, document, ())
    if model is None:
        raise InputError(sort_problems([*document.problems, *problems]))
    limits = model.limits.limit_set(model.rated_capacity)
    problems = [*document.problems, *_cross_checks(model, limits, document)]
    if problems:
        raise InputError(sort_problems(problems))
    return PackSpec(
        name=model.pack,
        title=model.title.en,
        chemistry=model.chemistry,
        series=model.series,
        parallel=model.parallel,
        rated_capacity_ah=model.rated_capacity,
        rated_energy_wh=model.rated_energy,
        cell_cutoff_v=model.cell_cutoff,
        cell_full_v=model.cell_full,
        temperature_sensors=model.temperature_sensors,
        max_power_w=model.max_power,
        limits=limits,
        plant=MappingProxyType(_plant(model.plant)),
        title_zh=model.title.zh,
        default_bench=model.default_bench,
        insulation_min_ohm=model.insulation_min,
        bol_resistance_ohm=model.begin_of_life.resistance,
        bol_power_w=model.begin_of_life.power,
        bol_round_trip_efficiency=model.begin_of_life.round_trip_efficiency,
        insulation_monitor=model.insulation_monitor,
    )


def _plant(model: PlantModel) -> dict[str, Any]:
    plant: dict[str, Any] = model.model_dump()
    plant["insulation_ohm"] = plant.pop("insulation")
    plant["weak_cells"] = tuple(MappingProxyType(cell) for cell in plant["weak_cells"])
    return plant


def _cross_checks(model: PackModel, limits: LimitSet, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    window = CHEMISTRIES[model.chemistry]
    chemistry = f"{window.cell_min_v:g} to {window.cell_max_v:g} V, what {model.chemistry} cells can take"
    for key, value in (("cell_full", model.cell_full), ("cell_cutoff", model.cell_cutoff)):
        if not window.cell_min_v <= value <= window.cell_max_v:
            problems.append(document.problem("outside the chemistry", (key,), f"{value:g} V", chemistry))
    if model.cell_cutoff >= model.cell_full:
        expected = f"less than cell_full, {model.cell_full:g} V"
        problems.append(document.problem("cut-off above full", ("cell_cutoff",), f"{model.cell_cutoff:g} V", expected))
    cell_problems = bool(problems)
    nominal_wh = model.series * window.nominal_v * model.rated_capacity
    if not 0.7 <= model.rated_energy / nominal_wh <= 1.3:
        expected = f"about series x {window.nominal_v:g} V x rated_capacity, {nominal_wh:.0f} Wh"
        problems.append(document.problem("", ("rated_energy",), f"{model.rated_energy:g} Wh", expected))
    problems += limit_window_problems(limits, document, ("limits",))
    if not cell_problems:  # else these would be their shadows
        problems += _limits_against_cells(model, limits, document)
    for index, cell in enumerate(model.plant.weak_cells):
        if cell.cell > model.series:
            path = ("plant", "weak_cells", index, "cell")
            problems.append(document.problem("no such cell", path, str(cell.cell), f"1 to {model.series}"))
    return problems


def limit_window_problems(limits: LimitSet, document: Document, path: tuple[str | int, ...]) -> list[Problem]:
    """A lower limit at or above its upper one is impossible."""
    problems: list[Problem] = []
    for low_name, high_name in LIMIT_PAIRS:
        low, high = getattr(limits, low_name), getattr(limits, high_name)
        if low is not None and high is not None and low >= high:
            here = (*path, LIMIT_KEYS[low_name])
            expected = f"less than {LIMIT_KEYS[high_name]}, {high:g}"
            problems.append(document.problem("impossible limit", here, f"{low:g}", expected))
    return problems


def _limits_against_cells(model: PackModel, limits: LimitSet, document: Document) -> list[Problem]:
    """The safety limits lie outside the working range, or every test would trip at its own end."""
    rules = (
        ("cell_voltage_max_v", model.cell_full, True, "cell_full"),
        ("cell_voltage_min_v", model.cell_cutoff, False, "cell_cutoff"),
        ("pack_voltage_max_v", model.cell_full * model.series, True, "series x cell_full"),
        ("pack_voltage_min_v", model.cell_cutoff * model.series, False, "series x cell_cutoff"),
    )
    problems: list[Problem] = []
    for name, bound, upper, text in rules:
        value = getattr(limits, name)
        key = LIMIT_KEYS[name]
        if value is None:
            missing = f"the maker's {key}"
            problems.append(document.problem("required", ("limits", key), "nothing", missing, at=("limits",), key=True))
        elif value < bound if upper else value > bound:
            expected = f"{'at least' if upper else 'at most'} {text}, {bound:g} V"
            problems.append(
                document.problem("limit inside the working range", ("limits", key), f"{value:g} V", expected)
            )
    window = CHEMISTRIES[model.chemistry]
    for name in ("cell_voltage_max_v", "cell_voltage_min_v"):
        value = getattr(limits, name)
        if value is not None and not window.cell_min_v <= value <= window.cell_max_v:
            expected = f"{window.cell_min_v:g} to {window.cell_max_v:g} V, what {model.chemistry} cells can take"
            problems.append(
                document.problem("outside the chemistry", ("limits", LIMIT_KEYS[name]), f"{value:g} V", expected)
            )
    return problems
