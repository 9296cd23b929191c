"""What each step of the language may say: one model a step type.

Owns the keys of the steps. Adding a step type is one model here, one line in `STEP_MODELS`, one builder in
`building`, one dataclass in `plan`, one class in the engine.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema

from packbench.config.fields import Name, ReadBy, TimeNs
from packbench.config.pack import TitleModel
from packbench.config.validation import StrictModel
from packbench.core.units import EXPECTED
from packbench.profile.language.conditions import AGREEMENT_EXPECTED, AgreementText, is_agreement, parse_agreement
from packbench.profile.language.schema import (
    CELL_VOLTAGE,
    LABEL,
    PACK_VOLTAGE,
    POWER,
    AnyAmount,
    CellVoltage,
    Kelvin,
    Magnitude,
    PackVoltage,
    PowerAmount,
    ResistanceAmount,
    ScaleAmount,
    StepModel,
    TemperatureAmount,
    Until,
    UntilModel,
    VariableName,
)
from packbench.profile.language.values import parse_any
from packbench.profile.language.written import AGREEMENT, amount, point, shared

ROUNDS_MAX = 10_000
POINTS_MAX = 100_000


class CellLimitModel(StrictModel):
    """What a charge does when any one cell reaches its limit first."""

    at: CellVoltage = Field(description=CELL_VOLTAGE)
    action: Literal["taper", "end"] = Field(description="taper or end")
    end_current: Magnitude | None = Field(default=None, description=EXPECTED["current"])


class ChargingModel(StepModel):
    """A step that charges may watch its cells."""

    on_cell_limit: CellLimitModel | None = Field(default=None, description="a mapping {at: ..., action: ...}")


class RestModel(StepModel):
    """`rest`: output off."""


class CcModel(StepModel):
    """`cc_discharge`."""

    current: Magnitude = Field(description=EXPECTED["current"])
    clamp: PackVoltage | None = Field(default=None, description=PACK_VOLTAGE)


class CcChargeModel(CcModel, ChargingModel):
    """`cc_charge`."""


class CccvModel(StepModel):
    """`cccv_discharge`."""

    current: Magnitude = Field(description=EXPECTED["current"])
    voltage: PackVoltage = Field(description=PACK_VOLTAGE)
    end_current: Magnitude = Field(description=EXPECTED["current"])


class CccvChargeModel(CccvModel, ChargingModel):
    """`cccv_charge`."""


class CvModel(StepModel):
    """`cv_discharge`."""

    voltage: PackVoltage = Field(description=PACK_VOLTAGE)
    current: Magnitude = Field(description=f"the most that may flow: {EXPECTED['current']}")
    end_current: Magnitude | None = Field(default=None, description=EXPECTED["current"])


class CvChargeModel(CvModel, ChargingModel):
    """`cv_charge`."""


class CpModel(StepModel):
    """`cp_discharge`."""

    power: PowerAmount = Field(description=POWER)
    clamp: PackVoltage | None = Field(default=None, description=PACK_VOLTAGE)


class CpChargeModel(CpModel, ChargingModel):
    """`cp_charge`."""


class CrModel(StepModel):
    """`cr_discharge`."""

    resistance: ResistanceAmount = Field(description=EXPECTED["resistance"])
    clamp: PackVoltage | None = Field(default=None, description=PACK_VOLTAGE)


class PieceModel(StrictModel):
    """One piece of a pulse train: exactly one of charge, discharge, rest."""

    charge: Magnitude | None = Field(default=None, description=EXPECTED["current"])
    discharge: Magnitude | None = Field(default=None, description=EXPECTED["current"])
    for_: TimeNs | None = Field(default=None, alias="for", description=EXPECTED["time"])
    rest: TimeNs | None = Field(default=None, description=EXPECTED["time"])
    read_outs: list[TimeNs] | None = Field(default=None, description="a list of times after its edge")


class WaveModel(StepModel):
    """What pulses and profiles of current or power share."""

    repeat: int = Field(default=1, ge=1, le=ROUNDS_MAX, description="how often: a whole number")
    clamp_high: PackVoltage | None = Field(default=None, description=PACK_VOLTAGE)
    clamp_low: PackVoltage | None = Field(default=None, description=PACK_VOLTAGE)
    on_limit: Literal["hold", "end"] = Field(default="hold", description="hold or end")


class PulseModel(WaveModel):
    """`pulse`: a train of currents, read out after each edge."""

    train: list[PieceModel] = Field(
        min_length=1, description="a list of {discharge: 1C, for: 18 s}, {rest: 40 s}, {charge: 0.75C, for: 20 s}"
    )
    read_outs: list[TimeNs] = Field(default_factory=list[int], description="a list of times, such as [2 s, 10 s]")


class TableModel(WaveModel):
    """What profiles of current and of power share: points of a file, or in place."""

    file: str | None = Field(default=None, description="the name of a CSV file beside the profile")
    points: list[Any] | None = Field(default=None)
    scale: ScaleAmount | None = Field(default=None, description=EXPECTED["ratio"])
    peak: AnyAmount | None = Field(default=None)


class CurrentTableModel(TableModel):
    """`current_profile`."""

    points: list[Annotated[Any, WithJsonSchema(point("current"))]] | None = Field(
        default=None,
        min_length=1,
        max_length=POINTS_MAX,
        description="a list of [time, value], the last with its end: [[0 s, 10 A], [30 s, 0 A]]",
    )
    peak: Annotated[Any, ReadBy(parse_any, amount("current"))] | None = Field(
        default=None, description="what the largest value is to become, such as 0.5C"
    )


class PowerTableModel(TableModel):
    """`power_profile`."""

    points: list[Annotated[Any, WithJsonSchema(point("power"))]] | None = Field(
        default=None,
        min_length=1,
        max_length=POINTS_MAX,
        description="a list of [time, value], the last with its end: [[0 s, 5 kW], [30 s, 0 W]]",
    )
    peak: Annotated[Any, ReadBy(parse_any, amount("power", "Pmax"))] | None = Field(
        default=None, description="what the largest value is to become, such as 30 %Pmax"
    )


class SoakModel(StepModel):
    """`soak`: until every sensor has been near the temperature for a time."""

    temperature: TemperatureAmount = Field(description=EXPECTED["temperature"])
    within: Kelvin = Field(description=EXPECTED["temperature_difference"])
    stable_for: TimeNs = Field(description=EXPECTED["time"])


class TextModel(TitleModel):
    """A text in both languages."""

    en: str = Field(min_length=1, description="the text in English")
    zh: str = Field(min_length=1, description="the text in Chinese")


class AnswerModel(TextModel):
    """An answer's text in both languages, and where it leads."""

    goto: str | None = Field(default=None, description="the label of a later step")


class PauseModel(StrictModel):
    """`pause`: the operator is asked."""

    label: Name | None = Field(default=None, description=LABEL)
    max_time: TimeNs | None = Field(default=None, description=EXPECTED["time"])
    prompt: TextModel = Field(description="a mapping {en: ..., zh: ...}")
    answers: dict[Name, AnswerModel] = Field(
        default_factory=dict[str, AnswerModel], description="a mapping of answers, each {en: ..., zh: ..., goto: ...}"
    )


class ChamberModel(StrictModel):
    """`chamber`: a set-point, without waiting for it."""

    label: Name | None = Field(default=None, description=LABEL)
    temperature: TemperatureAmount | None = Field(default=None, description=EXPECTED["temperature"])
    stop: bool = Field(default=False, description="true: stop conditioning")


class GotoModel(StrictModel):
    """`goto`."""

    label: Name | None = Field(default=None, description=LABEL)
    to: str = Field(description="the label of a later step")
    when: Until | None = Field(default=None, description="a condition, or a list of which any")


class SetModel(StrictModel):
    """`set`: the mapping of variables to values itself; the loader fills it in (its keys are the author's)."""

    values: dict[str, Any]


def _kind_of_until(value: Any) -> str:
    return "agreement" if is_agreement(value) else "conditions"


LoopUntil = Annotated[
    Annotated[Any, ReadBy(parse_agreement, AGREEMENT), Tag("agreement")] | Annotated[Until, Tag("conditions")],
    Discriminator(_kind_of_until),
]


class LoopModel(StrictModel):
    """`loop`: its own steps are validated one by one, like the profile's."""

    label: Name | None = Field(default=None, description=LABEL)
    repeat: int | None = Field(default=None, ge=1, le=ROUNDS_MAX, description="how often at most: a whole number")
    each: dict[VariableName, list[AnyAmount]] = Field(
        default_factory=dict[str, "list[Any]"], description="a mapping of variables to lists, one value a round"
    )
    until: LoopUntil | None = Field(
        default=None, description=f"{AGREEMENT_EXPECTED}, or a condition looked at when a round ends"
    )
    steps: list[Annotated[Any, WithJsonSchema(shared("step"))]] = Field(min_length=1, description="a list of steps")

    @property
    def agreement(self) -> AgreementText | None:
        """The parsed agreement, where that is what `until` says."""
        return self.until if isinstance(self.until, AgreementText) else None

    @property
    def conditions(self) -> list[UntilModel]:
        """The parsed conditions, where that is what `until` says."""
        return [] if self.until is None or isinstance(self.until, AgreementText) else self.until


class UseModel(StrictModel):
    """`profile`: the steps of another profile."""

    label: Name | None = Field(default=None, description=LABEL)
    use: str = Field(description="the name of a profile, or its file beside this one")
    with_: dict[VariableName, AnyAmount] = Field(
        default_factory=dict[str, Any], alias="with", description="a mapping of its parameters to values"
    )


class EndModel(StrictModel):
    """`end`."""

    label: Name | None = Field(default=None, description=LABEL)
    verdict: Literal["pass", "fail"] = Field(default="pass", description="pass or fail")
    reason: TextModel | None = Field(default=None, description="a mapping {en: ..., zh: ...}")


STEP_MODELS: dict[str, type[StrictModel]] = {
    "rest": RestModel,
    "cc_charge": CcChargeModel,
    "cc_discharge": CcModel,
    "cv_charge": CvChargeModel,
    "cv_discharge": CvModel,
    "cccv_charge": CccvChargeModel,
    "cccv_discharge": CccvModel,
    "cp_charge": CpChargeModel,
    "cp_discharge": CpModel,
    "cr_discharge": CrModel,
    "pulse": PulseModel,
    "current_profile": CurrentTableModel,
    "power_profile": PowerTableModel,
    "chamber": ChamberModel,
    "soak": SoakModel,
    "pause": PauseModel,
    "set": SetModel,
    "goto": GotoModel,
    "loop": LoopModel,
    "profile": UseModel,
    "end": EndModel,
}
"""Step type to its model."""

MOVES_CHARGE = frozenset(kind for kind in STEP_MODELS if kind.endswith(("_charge", "_discharge", "_profile", "pulse")))
"""Steps with current."""
EXAMPLES: dict[str, str] = {
    "rest": "{for: 30 min}",
    "cc_charge": "{current: C/3, until: cell_max >= cell_full}",
    "cc_discharge": "{current: 1 I3, until: cell_min <= cell_cutoff}",
    "cv_charge": "{voltage: pack_full, current: C/3, end_current: 0.05 I1}",
    "cv_discharge": "{voltage: pack_cutoff, current: C/3, end_current: 0.05 I1}",
    "cccv_charge": "{current: 1 I3, voltage: pack_full, end_current: 0.05 I1}",
    "cccv_discharge": "{current: 1 I3, voltage: pack_cutoff, end_current: 0.05 I1}",
    "cp_charge": "{power: 30 %Pmax, until: cell_max >= cell_full}",
    "cp_discharge": "{power: 30 %Pmax, until: cell_min <= cell_cutoff}",
    "cr_discharge": "{resistance: 5 ohm, until: cell_min <= cell_cutoff}",
    "pulse": "{train: [{discharge: 1C, for: 18 s}, {rest: 40 s}], read_outs: [10 s]}",
    "current_profile": "{file: drive.csv, peak: 0.5C}",
    "power_profile": "{file: drive.csv, peak: 30 %Pmax}",
    "chamber": "{temperature: 25 degC} or {stop: true}",
    "soak": "{temperature: 25 degC, within: 2 K, stable_for: 1 h}",
    "pause": "{prompt: {en: ..., zh: ...}}",
    "set": "{capacity: ah(discharge)}",
    "goto": "LABEL, or {to: LABEL, when: cell_min <= cell_cutoff}",
    "loop": "{repeat: 3, steps: [...]}",
    "profile": "{use: full-charge}",
    "end": "{verdict: pass}",
}
"""How each step is written, for messages."""
