"""The field types that configuration files share: quantities, names, limits.

Owns the bridge from `core.units` to pydantic and the YAML form of a LimitSet. Must not resolve
anything against a pack or a bench. Each type carries its dimension in its name, so that a model
reads like its file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from packbench.config.validation import StrictModel
from packbench.config.written import Written, quantity, text
from packbench.core.limits import LIMIT_NAMES, LimitSet
from packbench.core.units import EXPECTED, Dimension, Rate, UnitError, parse_current, parse_quantity, parse_time_ns

_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_NAME_WRITTEN = text(f"^{_NAME.pattern}$", "discharge", name="name")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


TIME_MAX_D = 3650
"""No test lasts longer; nanoseconds of more would not fit a record's 64 bits when they are added up."""


def refuse(found: str, expected: str, message: str = "", path: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """The error that a validator raises so that the file's author reads `found` and `expected`.

    `path` leads from the field to the part of it that is meant.
    """
    context = {"found": found, "expected": expected, "message": message, "path": path}
    return PydanticCustomError("refused", "{found}, expected {expected}", context)


@dataclass(frozen=True, slots=True, eq=False)
class ReadBy:
    """A field's type, read by a parser that raises UnitError; `written` is how its text looks, for an editor."""

    parse: Callable[[Any], Any]
    written: Written | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """For pydantic: the parser first, then the type itself."""
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """For pydantic: what stands in the file, not what becomes of it."""
        return handler(schema) if self.written is None else dict(self.written)

    def _read(self, value: Any) -> Any:
        try:
            return self.parse(value)
        except UnitError as error:
            raise refuse(error.found, error.expected, path=error.path) from error


def _quantity(dimension: Dimension, low: float | None = None, *, above: bool = False) -> ReadBy:
    def parse(value: Any) -> float:
        number = parse_quantity(value, dimension)
        if low is not None and (number <= low if above else number < low):
            raise UnitError(repr(value), f"{EXPECTED[dimension]}, {'more than' if above else 'not below'} {low:g}")
        return number

    return ReadBy(parse, quantity(dimension))


def parse_time(value: Any) -> int:
    """A time of more than 0 that some test could last, in ns. Raises UnitError."""
    t_ns = parse_time_ns(value)
    if t_ns <= 0:
        raise UnitError(repr(value), f"{EXPECTED['time']}, more than 0")
    if t_ns > TIME_MAX_D * 86_400_000_000_000:
        raise UnitError(repr(value), f"at most {TIME_MAX_D} d")
    return t_ns


def _current(value: Any) -> float | Rate:
    current = parse_current(value)
    if (current.per_hour if isinstance(current, Rate) else current) <= 0.0:
        raise UnitError(repr(value), f"{EXPECTED['current']}, more than 0 (the step's name says which way it flows)")
    return current


def parse_name(value: Any) -> str:
    """A name that can stand in a file name, a command and a report. Raises UnitError."""
    if not isinstance(value, str) or not _NAME.fullmatch(value) or len(value) > 64:
        raise UnitError(repr(value), "a name of lower-case letters, digits, - and _, such as nmc-96s")
    return value


def parse_date(value: Any) -> str:
    """A day as YYYY-MM-DD. Raises UnitError."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        year, month, day = (int(part) for part in match.groups())
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        exists = year >= 1900 and 1 <= month <= 12 and 1 <= day <= _MONTH_DAYS[month - 1]
        if exists and ((month, day) != (2, 29) or leap):
            return str(value)
    raise UnitError(repr(value), "a day that exists, as YYYY-MM-DD")


Name = Annotated[str, ReadBy(parse_name, _NAME_WRITTEN)]
Date = Annotated[str, ReadBy(parse_date, text(f"^{_DATE.pattern}$", "2026-01-31"))]
VoltageV = Annotated[float, _quantity("voltage")]
CurrentA = Annotated[float, _quantity("current", 0.0, above=True)]
PowerW = Annotated[float, _quantity("power", 0.0, above=True)]
ChargeAh = Annotated[float, _quantity("charge", 0.0, above=True)]
EnergyWh = Annotated[float, _quantity("energy", 0.0, above=True)]
TemperatureC = Annotated[float, _quantity("temperature", -273.15)]
ResistanceOhm = Annotated[float, _quantity("resistance", 0.0)]
InsulationOhm = Annotated[float, _quantity("resistance", 0.0, above=True)]
RatioText = Annotated[float, _quantity("ratio", 0.0)]
TimeNs = Annotated[int, ReadBy(parse_time, quantity("time"))]
CurrentOrRate = Annotated[Any, ReadBy(_current, quantity("current"))]
"""A magnitude: float in A, or a Rate that the pack turns into one."""

_LIMIT_VOLTAGE = Annotated[float, _quantity("voltage", 0.0, above=True)]
_LIMIT_SPREAD = Annotated[float, _quantity("voltage", 0.0, above=True)]
_LIMIT_RATE = Annotated[float, _quantity("temperature_rate", 0.0, above=True)]


class LimitsModel(StrictModel):
    """A LimitSet as a file writes it: the same names without unit suffixes, values with units."""

    pack_voltage_max: _LIMIT_VOLTAGE | None = Field(default=None, description=EXPECTED["voltage"])
    pack_voltage_min: _LIMIT_VOLTAGE | None = Field(default=None, description=EXPECTED["voltage"])
    cell_voltage_max: _LIMIT_VOLTAGE | None = Field(default=None, description=EXPECTED["voltage"])
    cell_voltage_min: _LIMIT_VOLTAGE | None = Field(default=None, description=EXPECTED["voltage"])
    charge_current_max: CurrentOrRate | None = Field(default=None, description=EXPECTED["current"])
    discharge_current_max: CurrentOrRate | None = Field(default=None, description=EXPECTED["current"])
    temperature_max: TemperatureC | None = Field(default=None, description=EXPECTED["temperature"])
    temperature_min: TemperatureC | None = Field(default=None, description=EXPECTED["temperature"])
    temperature_rate_max: _LIMIT_RATE | None = Field(default=None, description=EXPECTED["temperature_rate"])
    cell_spread_max: _LIMIT_SPREAD | None = Field(default=None, description=EXPECTED["voltage"])

    def limit_set(self, rated_capacity_ah: float | None) -> LimitSet:
        """The LimitSet in SI; rates are resolved against the rated capacity (ValueError without one)."""
        return LimitSet(**{name: _resolved(getattr(self, key), rated_capacity_ah) for name, key in LIMIT_KEYS.items()})


def _resolved(value: float | Rate | None, rated_capacity_ah: float | None) -> float | None:
    if not isinstance(value, Rate):
        return value
    if rated_capacity_ah is None:
        raise ValueError("a rate needs a rated capacity")
    return value.amperes(rated_capacity_ah)


LIMIT_KEYS: dict[str, str] = {
    name: next(key for key in LimitsModel.model_fields if name.startswith(key)) for name in LIMIT_NAMES
}
"""LimitSet field to the key that a file uses, in field order."""

LIMIT_PAIRS: tuple[tuple[str, str], ...] = (
    ("pack_voltage_min_v", "pack_voltage_max_v"),
    ("cell_voltage_min_v", "cell_voltage_max_v"),
    ("temperature_min_c", "temperature_max_c"),
)
"""Lower and upper limit that leave a window between them."""


def limit_unit(name: str) -> str:
    """The unit of a LimitSet field, for texts."""
    for suffix, unit in (("_v", "V"), ("_a", "A"), ("_k_min", "K/min"), ("_c", "degC")):
        if name.endswith(suffix):
            return unit
    raise AssertionError(f"no unit known for {name}")
