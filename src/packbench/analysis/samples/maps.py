"""Column maps of files with one row a sample (configs/columns/*.yaml, `layout: samples`).

Owns the model, its checks, and the match of a header row. Must not read data files. A header may
hold `{unit}`, which stands for the unit that the file itself writes there: `Current({unit})` reads
Current(A) and Current(mA). Cells and temperatures are found by a pattern with one number group.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from packbench.config.document import load_document
from packbench.config.fields import Name
from packbench.config.pack import TitleModel
from packbench.config.validation import StrictModel, check_model, sort_problems
from packbench.core.errors import InputError, Problem
from packbench.files import find_config, list_configs

Direction = Literal["charge", "discharge", "rest"]
Sign = Literal["as_is", "inverted", "direction"]
Order = Literal["ymd", "mdy", "dmy", "unix"]

FACTORS: dict[str, float] = {
    **{"V": 1.0, "mV": 1e-3, "A": 1.0, "mA": 1e-3, "uA": 1e-6, "Ah": 1.0, "mAh": 1e-3, "uAh": 1e-6},
    **{"Wh": 1.0, "mWh": 1e-3, "kWh": 1e3, "s": 1.0, "sec": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0},
    **{"degC": 1.0, "C": 1.0, "℃": 1.0, "°C": 1.0, "1": 1.0},
    **{"h:min:s": 1.0, "h:min:s.ms": 1.0, "h:min:s:ms": 1.0, "auto": 1.0},
}
"""Unit, as files and maps write it, to the factor into V, A, Ah, Wh, s, degC. The h:min:s forms are text."""
_KIND_OF: dict[str, tuple[str, ...]] = {
    "time": ("s", "sec", "ms", "min", "h", "h:min:s", "h:min:s.ms", "h:min:s:ms", "auto"),
    "voltage": ("V", "mV"),
    "current": ("A", "mA", "uA"),
    "capacity": ("Ah", "mAh", "uAh"),
    "energy": ("Wh", "mWh", "kWh"),
    "temperature": ("degC", "C", "℃", "°C"),
    "none": (),
}
UNITS_OF: dict[str, str] = {
    **{"test_time": "time", "instant": "none", "voltage": "voltage", "current": "current", "direction": "none"},
    **{"step": "none", "cycle": "none", "charge": "capacity", "discharge": "capacity", "capacity": "capacity"},
    **{"charge_energy": "energy", "discharge_energy": "energy", "energy": "energy"},
}
"""Field to the kind of its unit."""
_OFFSET = re.compile(r"[+-](?:0[0-9]|1[0-4]):[0-5][0-9]")
_BRACKETS = "()[]"


class ColumnModel(StrictModel):
    """One column."""

    header: str | list[str] = Field(description="the header's text, or a list of texts; {unit} stands for the unit")
    unit: str | None = Field(None, description=f"one of {', '.join(FACTORS)}; needed where no header says {{unit}}")
    sign: Sign = Field("as_is", description="as_is, inverted, or direction: unsigned, the direction column says")
    order: Order = Field("ymd", description="of an instant: ymd, mdy, dmy, or unix (seconds)")


class PatternModel(StrictModel):
    """Columns that are alike."""

    pattern: str = Field(description=r"a regular expression with one group, the number: 'CAN1_V(\d+)'")
    unit: str = Field(description="V or mV; degC")


class SampleFieldsModel(StrictModel):
    """The columns of a file with one row a sample."""

    test_time: ColumnModel | None = Field(None, description="time since the start of the test")
    instant: ColumnModel | None = Field(None, description="the wall clock")
    voltage: ColumnModel = Field(description="voltage of the cell or pack")
    current: ColumnModel = Field(description="current")
    direction: ColumnModel | None = Field(None, description="the column that says charge, discharge or rest")
    step: ColumnModel | None = Field(None, description="number of the step")
    cycle: ColumnModel | None = Field(None, description="number of the cycle")
    charge: ColumnModel | None = Field(None, description="counter of the charge that went in")
    discharge: ColumnModel | None = Field(None, description="counter of the charge that came out")
    capacity: ColumnModel | None = Field(None, description="one counter of both directions")
    charge_energy: ColumnModel | None = Field(None, description="counter of the energy that went in")
    discharge_energy: ColumnModel | None = Field(None, description="counter of the energy that came out")
    energy: ColumnModel | None = Field(None, description="one counter of both directions")


class SamplesModel(StrictModel):
    """The file as a whole."""

    columns: Name = Field(description="the map's name")
    title: TitleModel = Field(description="a mapping {en: ..., zh: ...}")
    layout: Literal["samples"] = Field(description="samples: one row a sample")
    source: str = Field(description="where the headers come from; says so when no maker's manual was at hand")
    utc_offset: str | None = Field(None, description='the zone of the instants, such as "+08:00", when they have none')
    drop: list[float] = Field(default_factory=list[float], description="values that mean nothing, such as 999999")
    fields: SampleFieldsModel = Field(description="the columns")
    cells: PatternModel | None = Field(None, description="one column a cell")
    temperatures: PatternModel | None = Field(None, description="one column a sensor")
    directions: dict[str, Direction] = Field(
        default_factory=dict[str, Direction], description="the file's words of the direction column"
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A column of a file: where it is and how it becomes ours."""

    index: int
    header: str
    factor: float
    clock: bool
    """Written h:min:s."""
    sign: Sign
    order: Order


@dataclass(frozen=True, slots=True)
class Match:
    """A map laid on a header row."""

    fields: MappingProxyType[str, Place]
    cells: tuple[Place, ...]
    temperatures: tuple[Place, ...]

    @property
    def score(self) -> int:
        """How many of the header's columns the map knows; a row of alike columns counts once."""
        return len(self.fields) + bool(self.cells) + bool(self.temperatures)


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """A column map for files with one row a sample."""

    name: str
    source: str
    utc_offset: str | None
    drop: tuple[float, ...]
    directions: MappingProxyType[str, Direction]
    model: SamplesModel

    def match(self, header: Sequence[str]) -> Match | None:
        """Where the map's columns are in a header row; None when one that is needed is not there."""
        # Most rows that are tried are no header: two columns say so.
        if any(_find(name, getattr(self.model.fields, name), header) is None for name in ("voltage", "current")):
            return None
        fields: dict[str, Place] = {}
        for name in SampleFieldsModel.model_fields:
            column: ColumnModel | None = getattr(self.model.fields, name)
            place = None if column is None else _find(name, column, header)
            if place is not None:
                fields[name] = place
        if not {"voltage", "current"} <= fields.keys() or not {"test_time", "instant"} & fields.keys():
            return None
        if self.model.fields.current.sign == "direction" and "direction" not in fields:
            return None
        return Match(
            MappingProxyType(fields), _alike(self.model.cells, header), _alike(self.model.temperatures, header)
        )

    @property
    def expected(self) -> str:
        """The needed headers in words."""
        wanted = [self.model.fields.test_time or self.model.fields.instant, self.model.fields.voltage]
        wanted.append(self.model.fields.current)
        return "; ".join(" or ".join(_headers(column)) for column in wanted if column is not None)


def _headers(column: ColumnModel) -> list[str]:
    return [column.header] if isinstance(column.header, str) else column.header


@cache
def _template(header: str) -> tuple[str, bool, str]:
    """What stands before the unit, whether there is one, and what stands after it."""
    before, mark, after = header.lower().partition("{unit}")
    return before, bool(mark), after


def _unit_of(template: tuple[str, bool, str], found: str) -> str | None:
    """The unit that a header has where its template says `{unit}` ("": it says none); None: another header."""
    before, has_unit, after = template
    folded = found.lower()
    if not has_unit:
        return "" if folded == before else None
    if not (folded.startswith(before) and folded.endswith(after)):
        return None
    unit = found[len(before) : len(found) - len(after)]
    return unit if unit and not any(one in _BRACKETS for one in unit) else None


def _find(name: str, column: ColumnModel, header: Sequence[str]) -> Place | None:
    units = _KIND_OF[UNITS_OF[name]]
    for text in _headers(column):
        template = _template(text)
        for index, found in enumerate(header):
            unit = _unit_of(template, found.strip())
            if unit is None:
                continue
            unit = unit or column.unit or ""
            if units and unit not in units:
                continue
            clock = unit == "auto" or unit.startswith("h:")
            return Place(index, found, FACTORS.get(unit, 1.0), clock, column.sign, column.order)
    return None


def _alike(model: PatternModel | None, header: Sequence[str]) -> tuple[Place, ...]:
    if model is None:
        return ()
    pattern = re.compile(model.pattern, re.IGNORECASE)
    found = [(matched, index) for index, text in enumerate(header) if (matched := pattern.fullmatch(text.strip()))]
    found.sort(key=lambda pair: int(pair[0].group(1)))
    return tuple(
        Place(index, matched.group(0), FACTORS[model.unit], clock=False, sign="as_is", order="ymd")
        for matched, index in found
    )


def parse_sample_columns(text: str, file: str) -> SampleColumns:
    """Read a map's text. Raises InputError with every problem found."""
    document = load_document(text, file)
    model, problems = check_model(SamplesModel, document, ())
    problems = [*document.problems, *problems]
    if model is None:
        raise InputError(sort_problems(problems))
    if model.utc_offset is not None and not _OFFSET.fullmatch(model.utc_offset):
        problems.append(document.problem("", ("utc_offset",), repr(model.utc_offset), 'an offset such as "+08:00"'))
    if model.fields.test_time is None and model.fields.instant is None:
        problems.append(document.problem("", ("fields",), "no time", "test_time or instant"))
    for name in SampleFieldsModel.model_fields:
        column: ColumnModel | None = getattr(model.fields, name)
        if column is None:
            continue
        here, allowed = ("fields", name), _KIND_OF[UNITS_OF[name]]
        if not _headers(column) or not all(_headers(column)):
            problems.append(document.problem("", (*here, "header"), "no text", "the header's text"))
        wants = bool(allowed) and not all("{unit}" in header for header in _headers(column))
        if (column.unit is not None or wants) and column.unit not in allowed:
            expected = f"one of {', '.join(allowed)}" if allowed else "no unit for this field"
            problems.append(document.problem("unit", (*here, "unit"), column.unit or "nothing", expected))
    for name, alike, kind in (("cells", model.cells, "voltage"), ("temperatures", model.temperatures, "temperature")):
        if alike is not None:
            problems += _pattern_problems(document.problem, name, alike, _KIND_OF[kind])
    if problems:
        raise InputError(sort_problems(problems))
    return SampleColumns(
        model.columns,
        model.source,
        model.utc_offset,
        tuple(model.drop),
        MappingProxyType(dict(model.directions)),
        model,
    )


def _pattern_problems(
    problem: Callable[..., Problem], name: str, alike: PatternModel, units: tuple[str, ...]
) -> list[Problem]:
    found: list[Problem] = []
    try:
        fits = re.compile(alike.pattern).groups == 1
    except re.error:
        fits = False
    if not fits or r"(\d+)" not in alike.pattern:
        found.append(problem("", (name, "pattern"), repr(alike.pattern), r"a regular expression with one group (\d+)"))
    if alike.unit not in units:
        found.append(problem("unit", (name, "unit"), alike.unit, f"one of {', '.join(units)}"))
    return found


def is_sample_map(text: str) -> bool:
    """Whether a map's text says that it is for one row a sample."""
    return re.search(r"^layout:\s*samples\b", text, re.MULTILINE) is not None


def read_map_text(name: str) -> tuple[str, str]:
    """(text, path) of a map by name or path. Raises InputError."""
    path = find_config("columns", name)
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem("cannot be read", file=str(path), found=str(error), expected="UTF-8 text")) from error


def all_sample_maps() -> list[SampleColumns]:
    """Every map of samples that can be found by name. Raises InputError when one is wrong."""
    texts = [read_map_text(str(path)) for path in list_configs("columns").values()]
    return [parse_sample_columns(text, file) for text, file in texts if is_sample_map(text)]
