"""The profile language as pydantic models: what a file may say, step type by step type.

Owns the keys and their types. Must not know an order of steps, a label's target or a pack; that is
the compiler's. Adding a step type is one model here, one line in `STEP_MODELS`, one builder in
`compiler.py`, one dataclass in `plan.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from packbench.config.document import list_of
from packbench.config.fields import CurrentA, LimitsModel, Name, TemperatureC, TimeNs, VoltageV, reading, refuse
from packbench.config.pack import TitleModel
from packbench.config.validation import StrictModel
from packbench.core.units import EXPECTED, UnitError, parse_quantity
from packbench.profile.expressions import (
    AGREEMENT_EXPECTED,
    CONDITION_EXPECTED,
    AgreementText,
    ConditionText,
    Value,
    parse_agreement,
    parse_condition,
    parse_magnitude,
    parse_voltage,
)

PackVoltage = Annotated[Any, reading(lambda value: parse_voltage(value, "pack"))]
CellVoltage = Annotated[Any, reading(lambda value: parse_voltage(value, "cell"))]
Magnitude = Annotated[Any, reading(parse_magnitude)]
WhenText = Annotated[Any, reading(parse_condition)]
UntilText = Annotated[Any, reading(parse_agreement)]

_PACK_VOLTAGE = f"{EXPECTED['voltage']}, or pack_full or pack_cutoff"
_CELL_VOLTAGE = f"{EXPECTED['voltage']}, or cell_full or cell_cutoff"


def _as_conditions(value: Any) -> Any:
    """`until` may be one condition or a list; a condition may be its text alone."""
    if value is None:
        raise refuse("nothing", CONDITION_EXPECTED)
    items = list_of(value)
    if items is None:
        items = [value]
    return [item if isinstance(item, dict) else {"when": item} for item in items]


def _fraction(value: Any) -> float:
    fraction = parse_quantity(value, "ratio")
    if not 0.0 < fraction <= 1.2:
        raise UnitError(repr(value), "more than 0 % and at most 120 %, such as 80 %")
    return fraction


class UntilModel(StrictModel):
    """One end condition."""

    when: WhenText = Field(description=CONDITION_EXPECTED)
    for_: TimeNs | None = Field(default=None, alias="for", description=EXPECTED["time"])
    goto: str | None = Field(default=None, description="the label of a later step")

    @property
    def condition(self) -> ConditionText:
        """The parsed text."""
        assert isinstance(self.when, ConditionText)
        return self.when


Until = Annotated[list[UntilModel], BeforeValidator(_as_conditions)]


class RecordModel(StrictModel):
    """When a sample is written down, whichever comes first."""

    dt: TimeNs | None = Field(default=None, description=EXPECTED["time"])
    dV: VoltageV | None = Field(default=None, description=EXPECTED["voltage"])  # noqa: N815 - as the field writes it
    dI: CurrentA | None = Field(default=None, description=EXPECTED["current"])  # noqa: N815 - as the field writes it


class ProtectModel(LimitsModel):
    """Tighter limits for one step, in force once `delay` is over."""

    delay: TimeNs | None = Field(default=None, description=EXPECTED["time"])


class CellLimitModel(StrictModel):
    """What a charge does when any one cell reaches its limit first."""

    at: CellVoltage = Field(description=_CELL_VOLTAGE)
    action: Literal["taper", "end"] = Field(description="taper or end")
    end_current: Magnitude | None = Field(default=None, description=EXPECTED["current"])


class StepModel(StrictModel):
    """What every step may say."""

    label: Name | None = Field(default=None, description="a name of lower-case letters, digits, - and _")
    until: Until = Field(default_factory=list[UntilModel], description=CONDITION_EXPECTED)
    for_: TimeNs | None = Field(default=None, alias="for", description=EXPECTED["time"])
    record: RecordModel | None = Field(default=None, description="a mapping {dt: ..., dV: ..., dI: ...}")
    protect: ProtectModel | None = Field(default=None, description="a mapping of limits, and delay")
    max_time: TimeNs | None = Field(default=None, description=EXPECTED["time"])


class RestModel(StepModel):
    """`rest`: output off."""


class CcChargeModel(StepModel):
    """`cc_charge`."""

    current: Magnitude = Field(description=EXPECTED["current"])
    clamp: PackVoltage | None = Field(default=None, description=_PACK_VOLTAGE)
    on_cell_limit: CellLimitModel | None = Field(default=None, description="a mapping {at: ..., action: ...}")


class CccvChargeModel(StepModel):
    """`cccv_charge`."""

    current: Magnitude = Field(description=EXPECTED["current"])
    voltage: PackVoltage = Field(description=_PACK_VOLTAGE)
    end_current: Magnitude = Field(description=EXPECTED["current"])
    on_cell_limit: CellLimitModel | None = Field(default=None, description="a mapping {at: ..., action: ...}")


class CcDischargeModel(StepModel):
    """`cc_discharge`."""

    current: Magnitude = Field(description=EXPECTED["current"])
    clamp: PackVoltage | None = Field(default=None, description=_PACK_VOLTAGE)


class LoopModel(StrictModel):
    """`loop`: its own steps are validated one by one, like the profile's."""

    label: Name | None = Field(default=None, description="a name of lower-case letters, digits, - and _")
    repeat: int = Field(ge=1, le=10_000, description="how often at most: a whole number")
    until: UntilText | None = Field(default=None, description=AGREEMENT_EXPECTED)
    steps: list[Any] = Field(min_length=1, description="a list of steps")

    @property
    def agreement(self) -> AgreementText | None:
        """The parsed `until`."""
        assert self.until is None or isinstance(self.until, AgreementText)
        return self.until


class EndModel(StrictModel):
    """`end`."""

    label: Name | None = Field(default=None, description="a name of lower-case letters, digits, - and _")
    verdict: Literal["pass", "fail"] = Field(default="pass", description="pass or fail")


STEP_MODELS: dict[str, type[StrictModel]] = {
    "rest": RestModel,
    "cc_charge": CcChargeModel,
    "cccv_charge": CccvChargeModel,
    "cc_discharge": CcDischargeModel,
    "loop": LoopModel,
    "end": EndModel,
}
"""Step type to its model: the language's steps, now."""

PLANNED_STEPS = frozenset(
    {
        "cv_charge",
        "cv_discharge",
        "cccv_discharge",
        "cp_charge",
        "cp_discharge",
        "cr_discharge",
        "pulse",
        "current_profile",
        "power_profile",
        "goto",
        "set",
        "pause",
        "profile",
    }
)
"""Steps of the language that this version does not run (DESIGN.md 6)."""


class ResultModel(StrictModel):
    """Which step gives the result, and when it is valid."""

    capacity_of: str = Field(description="the label of a cc_discharge step")
    min_soh: Annotated[float, reading(_fraction)] | None = Field(default=None, description=EXPECTED["ratio"])
    temperature: list[TemperatureC] | None = Field(
        None, min_length=2, max_length=2, description="a list of two, such as [17 degC, 37 degC]"
    )


class ProfileModel(StrictModel):
    """The file as a whole; `steps` are validated one by one (loader)."""

    profile: Name = Field(description="the profile's name, such as quick-check")
    title: TitleModel = Field(description="a mapping {en: ..., zh: ...}")
    limits: LimitsModel | None = Field(default=None, description="a mapping of limits tighter than the pack's")
    record: RecordModel | None = Field(default=None, description="a mapping {dt: ..., dV: ..., dI: ...}")
    result: ResultModel | None = Field(default=None, description="a mapping {capacity_of: ...}")
    steps: list[Any] = Field(min_length=1, description="a list of steps")


def amount(value: Any) -> Value:
    """The Value that a field of type PackVoltage, CellVoltage or Magnitude holds."""
    assert isinstance(value, Value)
    return value
