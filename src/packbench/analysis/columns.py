"""Column maps: which header of a foreign file is which quantity, in which unit, with which sign.

Owns the model of configs/columns/*.yaml and its checks. Must not read data files (nebula does).
A map states facts; the first "if" belongs into a reader. `layout: steps` is one row a step; a map
for one row a sample is another layout of this same file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from packbench.analysis.steptable import Outcome, StepKind
from packbench.config.document import load_document
from packbench.config.fields import Name
from packbench.config.pack import TitleModel
from packbench.config.validation import StrictModel, check_model, sort_problems
from packbench.core.errors import InputError, Problem
from packbench.files import find_config

Sign = Literal["as_is", "inverted", "magnitude"]

FACTORS: dict[str, float] = {
    "V": 1.0,
    "mV": 1e-3,
    "A": 1.0,
    "mA": 1e-3,
    "Ah": 1.0,
    "mAh": 1e-3,
    "Wh": 1.0,
    "mWh": 1e-3,
    "kWh": 1e3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "degC": 1.0,
    "h:min:s": 1.0,
}
"""Unit to the factor into SI with hours (V, A, Ah, Wh, s, degC). `h:min:s` is read as text."""

UNITS_OF: dict[str, tuple[str, ...]] = {
    "duration": ("h:min:s", "s", "min", "h"),
    "voltage_start": ("V", "mV"),
    "voltage_max": ("V", "mV"),
    "voltage_end": ("V", "mV"),
    "current_start": ("A", "mA"),
    "current_end": ("A", "mA"),
    "charge": ("Ah", "mAh"),
    "discharge": ("Ah", "mAh"),
    "charge_energy": ("Wh", "mWh", "kWh"),
    "discharge_energy": ("Wh", "mWh", "kWh"),
    "temperature_max": ("degC",),
}
"""Fields that carry a unit, and the ones they may."""

_OFFSET = re.compile(r"[+-](?:0[0-9]|1[0-4]):[0-5][0-9]")


class FieldModel(StrictModel):
    """One column."""

    header: str | list[str] = Field(description="the header's text, or a list of texts")
    unit: str | None = Field(None, description=f"one of {', '.join(FACTORS)}")
    sign: Sign = Field("as_is", description="one of as_is, inverted, magnitude")


class StepFieldsModel(StrictModel):
    """The columns of a file with one row a step."""

    number: FieldModel = Field(description="the column with the running number of the step")
    program_step: FieldModel | None = Field(None, description="the column with the program's own step number")
    cycle: FieldModel | None = Field(None, description="the column with the cycle number")
    kind: FieldModel = Field(description="the column that says what the step did")
    outcome: FieldModel | None = Field(None, description="the column that says how the step ended")
    started_at: FieldModel | None = Field(None, description="the column with the instant of the start")
    ended_at: FieldModel | None = Field(None, description="the column with the instant of the end")
    duration: FieldModel = Field(description="the column with the step's duration")
    voltage_start: FieldModel | None = Field(None, description="a column in V")
    voltage_max: FieldModel | None = Field(None, description="a column in V")
    voltage_end: FieldModel | None = Field(None, description="a column in V")
    current_start: FieldModel | None = Field(None, description="a column in A")
    current_end: FieldModel | None = Field(None, description="a column in A")
    charge: FieldModel = Field(description="the column with the charge that went in")
    discharge: FieldModel = Field(description="the column with the charge that came out")
    charge_energy: FieldModel = Field(description="the column with the energy that went in")
    discharge_energy: FieldModel = Field(description="the column with the energy that came out")
    temperature_max: FieldModel | None = Field(None, description="a column in degC")


class ColumnsModel(StrictModel):
    """The file as a whole."""

    columns: Name = Field(description="the map's name, such as nebula-workstep")
    title: TitleModel = Field(description="a mapping {en: ..., zh: ...}")
    layout: Literal["steps"] = Field(description="steps: one row a step")
    format: Literal["xlsx"] = Field(description="xlsx")
    utc_offset: str = Field("+00:00", description='the zone of the file\'s instants, such as "+08:00"')
    fields: StepFieldsModel = Field(description="the columns")
    kinds: dict[str, StepKind] = Field(description="the file's words for what a step did")
    outcomes: dict[str, Outcome] = Field(default_factory=dict[str, Outcome], description="its words for how one ended")


@dataclass(frozen=True, slots=True)
class Column:
    """Where one quantity is, and how it becomes ours."""

    headers: tuple[str, ...]
    factor: float
    sign: Sign
    as_clock: bool
    """The value is written h:min:s."""


@dataclass(frozen=True, slots=True)
class StepColumns:
    """A column map for files with one row a step."""

    name: str
    title_en: str
    title_zh: str
    utc_offset: str
    columns: MappingProxyType[str, Column]
    required: frozenset[str]
    kinds: MappingProxyType[str, StepKind]
    outcomes: MappingProxyType[str, Outcome]


def load_columns(name: str) -> StepColumns:
    """The map of a name or path. Raises InputError with every problem of the file."""
    path = find_config("columns", name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem("cannot be read", file=str(path), found=str(error), expected="UTF-8 text")) from error
    return parse_columns(text, str(path))


def parse_columns(text: str, file: str) -> StepColumns:
    """Read a column map's text. Raises InputError with every problem found."""
    document = load_document(text, file)
    model, problems = check_model(ColumnsModel, document, ())
    problems = [*document.problems, *problems]
    if model is None:
        raise InputError(sort_problems(problems))
    if not _OFFSET.fullmatch(model.utc_offset):
        problems.append(document.problem("", ("utc_offset",), repr(model.utc_offset), 'an offset such as "+08:00"'))
    columns: dict[str, Column] = {}
    for field_name in StepFieldsModel.model_fields:
        field: FieldModel | None = getattr(model.fields, field_name)
        if field is None:
            continue
        headers = (field.header,) if isinstance(field.header, str) else tuple(field.header)
        allowed = UNITS_OF.get(field_name, ())
        here = ("fields", field_name)
        if not headers or not all(headers):
            problems.append(document.problem("", (*here, "header"), "no text", "the header's text"))
        if (field.unit or "") not in (allowed or ("",)):
            expected = f"one of {', '.join(allowed)}" if allowed else "no unit for this field"
            problems.append(document.problem("unit", (*here, "unit"), field.unit or "nothing", expected))
            continue
        unit = field.unit or ""
        columns[field_name] = Column(headers, FACTORS.get(unit, 1.0), field.sign, as_clock=unit == "h:min:s")
    if problems:
        raise InputError(sort_problems(problems))
    required = frozenset(name for name, info in StepFieldsModel.model_fields.items() if info.is_required())
    return StepColumns(
        model.columns,
        model.title.en,
        model.title.zh,
        model.utc_offset,
        MappingProxyType(columns),
        required,
        MappingProxyType(dict(model.kinds)),
        MappingProxyType(dict(model.outcomes)),
    )
