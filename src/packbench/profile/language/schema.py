"""The profile language as pydantic models: the file as a whole and what steps share.

Owns the keys and their types. Must not know an order of steps, a label's target or a pack; that is the
compiler's. The steps themselves are `step_models`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from packbench.config.document import list_of, mapping_of
from packbench.config.fields import CurrentA, LimitsModel, Name, ReadBy, TemperatureC, TimeNs, parse_time, refuse
from packbench.config.pack import TitleModel
from packbench.config.validation import StrictModel
from packbench.config.written import quantity
from packbench.core.units import EXPECTED, UnitError, parse_quantity
from packbench.profile.language import written
from packbench.profile.language.conditions import CONDITION_EXPECTED, ConditionText, parse_condition
from packbench.profile.language.formula import looks_like_formula, quoted
from packbench.profile.language.values import (
    Value,
    parse_any,
    parse_magnitude,
    parse_of,
    parse_power,
    parse_resistance,
    parse_temperature,
    parse_voltage,
)

PackVoltage = Annotated[Any, ReadBy(lambda value: parse_voltage(value, "pack"), written.PACK_VOLTAGE)]
CellVoltage = Annotated[Any, ReadBy(lambda value: parse_voltage(value, "cell"), written.CELL_VOLTAGE)]
Magnitude = Annotated[Any, ReadBy(parse_magnitude, written.amount("current"))]
PowerAmount = Annotated[Any, ReadBy(parse_power, written.amount("power", "Pmax"))]
ResistanceAmount = Annotated[Any, ReadBy(parse_resistance, written.amount("resistance"))]
TemperatureAmount = Annotated[Any, ReadBy(parse_temperature, written.amount("temperature"))]
ScaleAmount = Annotated[Any, ReadBy(lambda value: parse_of(value, "ratio"), written.amount("ratio"))]
AnyAmount = Annotated[Any, ReadBy(parse_any, written.ANY_AMOUNT)]
ConditionTree = Annotated[Any, ReadBy(parse_condition, written.shared("condition"))]

PACK_VOLTAGE = f"{EXPECTED['voltage']}, or pack_full or pack_cutoff"
CELL_VOLTAGE = f"{EXPECTED['voltage']}, or cell_full or cell_cutoff"
POWER = f"{EXPECTED['power']}, or 30 %Pmax"
LABEL = "a name of lower-case letters, digits, - and _"
VARIABLE = "a variable's name: lower-case letters, digits and _"


def parse_variable_name(value: Any) -> str:
    """The name of one of the profile's own variables. Raises UnitError."""
    if not isinstance(value, str) or not re.fullmatch(written.VARIABLE_NAME, value) or len(value) > 40:
        raise UnitError(repr(value), f"{VARIABLE} (written without the $ where it is given its value)")
    return value


VariableName = Annotated[str, ReadBy(parse_variable_name, written.NAMED_VARIABLE)]


def _as_conditions(value: Any) -> Any:
    """`until` may be one condition or a list; a condition may be its text alone, or all/any."""
    items = list_of(value)
    if value is None or items == []:
        raise refuse("nothing" if value is None else "an empty list", CONDITION_EXPECTED)
    return [_as_until(item) for item in ([value] if items is None else items)]


def _as_until(item: Any) -> Any:
    entry = mapping_of(item)
    if entry is None:
        return {"when": item}
    groups = {word: entry[word] for word in ("all", "any") if word in entry}
    if groups and "when" not in entry:
        rest = {key: value for key, value in entry.items() if key not in groups}
        return {"when": groups, **rest}
    return entry


def _fraction(value: Any) -> float:
    fraction = parse_quantity(value, "ratio")
    if not 0.0 < fraction <= 1.2:
        raise UnitError(repr(value), "more than 0 % and at most 120 %, such as 80 %")
    return fraction


def _kelvin(value: Any) -> float:
    kelvin = parse_quantity(value, "temperature_difference")
    if kelvin <= 0.0:
        raise UnitError(repr(value), f"{EXPECTED['temperature_difference']}, more than 0")
    return kelvin


Kelvin = Annotated[float, ReadBy(_kelvin, quantity("temperature_difference"))]


def _change_v(value: Any) -> float:
    volts = parse_quantity(value, "voltage")
    if volts <= 0.0:
        raise UnitError(repr(value), f"{EXPECTED['voltage']}, more than 0")
    return volts


ChangeV = Annotated[float, ReadBy(_change_v, quantity("voltage"))]


def _step_time(value: Any) -> int:
    if isinstance(value, str) and looks_like_formula(value):
        expected = f"{EXPECTED['time']}; a formula may stand in until: step_time >= {value.strip()}"
        raise UnitError(quoted(value), expected)
    return parse_time(value)


StepTime = Annotated[int, ReadBy(_step_time, quantity("time"))]


class UntilModel(StrictModel):
    """One end condition."""

    when: ConditionTree = Field(description=CONDITION_EXPECTED)
    for_: TimeNs | None = Field(default=None, alias="for", description=EXPECTED["time"])
    goto: str | None = Field(default=None, description="the label of a later step")
    over: TimeNs | None = Field(default=None, description=f"the window of dV/dt: {EXPECTED['time']}")

    @property
    def condition(self) -> ConditionText:
        """The parsed text."""
        assert isinstance(self.when, ConditionText)
        return self.when


Until = Annotated[list[UntilModel], ReadBy(_as_conditions, written.shared("until"))]


class AroundModel(StrictModel):
    """Finer recording around every change of the set-point."""

    before: TimeNs | None = Field(default=None, description=EXPECTED["time"])
    after: TimeNs | None = Field(default=None, description=EXPECTED["time"])
    dt: TimeNs = Field(description=EXPECTED["time"])


class RecordModel(StrictModel):
    """When a sample is written down, whichever comes first."""

    dt: TimeNs | None = Field(default=None, description=EXPECTED["time"])
    dV: ChangeV | None = Field(default=None, description=EXPECTED["voltage"])  # noqa: N815 - as the field writes it
    dI: CurrentA | None = Field(default=None, description=EXPECTED["current"])  # noqa: N815 - as the field writes it
    dT: Kelvin | None = Field(  # noqa: N815 - as the field writes it
        default=None, description=EXPECTED["temperature_difference"]
    )
    around: AroundModel | None = Field(default=None, description="a mapping {before: ..., after: ..., dt: ...}")


class ProtectModel(LimitsModel):
    """Tighter limits for one step, in force once `delay` is over."""

    delay: TimeNs | None = Field(default=None, description=EXPECTED["time"])


class StepModel(StrictModel):
    """What every step that takes time may say."""

    label: Name | None = Field(default=None, description=LABEL)
    until: Until = Field(default_factory=list[UntilModel], description=CONDITION_EXPECTED)
    for_: StepTime | None = Field(default=None, alias="for", description=EXPECTED["time"])
    record: RecordModel | None = Field(default=None, description="a mapping {dt: ..., dV: ..., dI: ...}")
    protect: ProtectModel | None = Field(default=None, description="a mapping of limits, and delay")
    max_time: TimeNs | None = Field(default=None, description=EXPECTED["time"])


class ResultModel(StrictModel):
    """Which step gives the result, and when it is valid."""

    capacity_of: str = Field(description="the label of a discharge step")
    min_soh: Annotated[float, ReadBy(_fraction, quantity("ratio"))] | None = Field(
        default=None, description=EXPECTED["ratio"]
    )
    temperature: list[TemperatureC] | None = Field(
        None, min_length=2, max_length=2, description="a list of two, such as [17 degC, 37 degC]"
    )


class ProfileModel(StrictModel):
    """The file as a whole; `steps` are validated one by one (loader)."""

    profile: Name = Field(description="the profile's name, such as quick-check")
    title: TitleModel = Field(description="a mapping {en: ..., zh: ...}")
    parameters: dict[VariableName, AnyAmount] = Field(
        default_factory=dict[str, Any], description="a mapping of names to their defaults, such as {soc: 50 %}"
    )
    limits: LimitsModel | None = Field(default=None, description="a mapping of limits tighter than the pack's")
    record: RecordModel | None = Field(default=None, description="a mapping {dt: ..., dV: ..., dI: ...}")
    result: ResultModel | None = Field(default=None, description="a mapping {capacity_of: ...}")
    steps: list[Annotated[Any, WithJsonSchema(written.shared("step"))]] = Field(
        min_length=1, description="a list of steps"
    )


def amount(value: Any) -> Value:
    """The Value that a field of an amount's type holds."""
    assert isinstance(value, Value)
    return value
