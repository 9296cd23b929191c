"""The JSON of an aurora-unicycler protocol: its keys and words, read as its own models read them.

Owns the schema (0.4.6: `aurora_unicycler/_core.py`): numbers may stand in quotes, an empty text is nothing, a C-rate
may be "C/3", "1/5" or "D/2" (a discharge). Must not translate (`unicycler_in`, `unicycler_out`).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from packbench.config.fields import ReadBy
from packbench.config.validation import StrictModel
from packbench.core.units import UnitError

VERSION = "0.4.6"
"""The version whose schema this is."""
MARK = "packbench:"
"""How the tag begins by which our own export says where it comes from."""
NUMBER = "a number"
RATE = 'a number, or a text such as "C/3", "1/5" or "D/2"'
COUNT = "a whole number from 1"


def _number(value: Any) -> float | None:
    """A finite number, also in quotes; an empty text is nothing. Raises UnitError."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise UnitError(repr(value), NUMBER)


def _some_number(value: Any) -> float:
    number = _number(value)
    if number is None:
        raise UnitError("nothing", NUMBER)
    return number


def _positive(value: Any) -> float | None:
    number = _number(value)
    if number is not None and number <= 0.0:
        raise UnitError(repr(value), f"{NUMBER}, more than 0")
    return number


def _not_negative(value: Any) -> float | None:
    number = _number(value)
    if number is not None and number < 0.0:
        raise UnitError(repr(value), f"{NUMBER}, not below 0")
    return number


def _rate(value: Any) -> float | None:
    """A rate: `0.5`, `C/3`, `D/2`, `1/5`. Raises UnitError."""
    try:
        return _number(value)
    except UnitError:
        if not isinstance(value, str):
            raise UnitError(repr(value), RATE) from None
    parts = value.replace(" ", "").split("/")
    if len(parts) != 2:
        raise UnitError(repr(value), RATE)
    sign = -1.0 if "D" in parts[0] else 1.0
    letters = parts[0].count("C") + parts[0].count("D")
    above = parts[0].replace("C", "").replace("D", "") or ("1" if letters else "")
    try:
        rate = sign * float(above) / float(parts[1])
    except (ValueError, ZeroDivisionError):
        raise UnitError(repr(value), RATE) from None
    if letters > 1 or not math.isfinite(rate):
        raise UnitError(repr(value), RATE)
    return rate


def _count(value: Any) -> int:
    number = _number(value)
    if number is None or not number.is_integer() or not 1 <= number <= 1e9:
        raise UnitError("nothing" if number is None else repr(value), COUNT)
    return int(number)


def _place(value: Any) -> int | str:
    if isinstance(value, str) and value.strip():
        return value
    return _count(value)


_Number = Annotated[float | None, ReadBy(_number)]
_Positive = Annotated[float | None, ReadBy(_positive)]
_NotNegative = Annotated[float | None, ReadBy(_not_negative)]
_Rate = Annotated[float | None, ReadBy(_rate)]


class UnicyclerModel(StrictModel):
    """`unicycler`."""

    version: str = VERSION


class SampleModel(StrictModel):
    """`sample`."""

    name: str = "$NAME"
    capacity_mAh: _Positive = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it


class RecordModel(StrictModel):
    """`record`."""

    current_mA: _Positive = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it
    voltage_V: _Positive = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it
    time_s: Annotated[float, ReadBy(_positive)] = Field(description="a time in s")


class SafetyModel(StrictModel):
    """`safety`: beyond these the whole experiment is cancelled."""

    max_voltage_V: _Number = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it
    min_voltage_V: _Number = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it
    max_current_mA: _Number = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it
    min_current_mA: _Number = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it
    max_capacity_mAh: _NotNegative = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it
    delay_s: _NotNegative = Field(default=None, description="a time in s")


class StepModel(StrictModel):
    """What every step may say."""

    id: str | None = None


class OpenCircuitVoltageModel(StepModel):
    """`open_circuit_voltage`."""

    step: Literal["open_circuit_voltage"]
    until_time_s: Annotated[float, ReadBy(_positive)] = Field(description="a time in s")


class ConstantCurrentModel(StepModel):
    """`constant_current`; a rate goes before a current, zero counts as nothing."""

    step: Literal["constant_current"]
    rate_C: _Rate = Field(default=None, description=RATE)  # noqa: N815 - as unicycler writes it
    current_mA: _Number = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it
    until_time_s: _NotNegative = Field(default=None, description="a time in s")
    until_voltage_V: _Number = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it


class ConstantVoltageModel(StepModel):
    """`constant_voltage`; a rate goes before a current, zero counts as nothing."""

    step: Literal["constant_voltage"]
    voltage_V: Annotated[float, ReadBy(_some_number)] = Field(  # noqa: N815 - as unicycler writes it
        description=NUMBER
    )
    until_time_s: _NotNegative = Field(default=None, description="a time in s")
    until_rate_C: _Rate = Field(default=None, description=RATE)  # noqa: N815 - as unicycler writes it
    until_current_mA: _Number = Field(default=None, description=NUMBER)  # noqa: N815 - as unicycler writes it


class VoltageScanModel(StepModel):
    """`voltage_scan`."""

    step: Literal["voltage_scan"]
    start_voltage_V: Annotated[float, ReadBy(_some_number)]  # noqa: N815 - as unicycler writes it
    end_voltage_V: Annotated[float, ReadBy(_some_number)]  # noqa: N815 - as unicycler writes it
    scan_rate_mV_per_s: Annotated[float, ReadBy(_positive)]  # noqa: N815 - as unicycler writes it


class ImpedanceSpectroscopyModel(StepModel):
    """`impedance_spectroscopy`."""

    step: Literal["impedance_spectroscopy"]
    amplitude_V: _Number = None  # noqa: N815 - as unicycler writes it
    amplitude_mA: _Number = None  # noqa: N815 - as unicycler writes it
    start_frequency_Hz: Annotated[float, ReadBy(_some_number)]  # noqa: N815 - as unicycler writes it
    end_frequency_Hz: Annotated[float, ReadBy(_some_number)]  # noqa: N815 - as unicycler writes it
    points_per_decade: Annotated[int, ReadBy(_count)] = 10
    measures_per_point: Annotated[int, ReadBy(_count)] = 1
    drift_correction: bool | None = False


class LoopModel(StepModel):
    """`loop`: back to a tag, or to a step by its number."""

    step: Literal["loop"]
    loop_to: Annotated[int | str, ReadBy(_place)] = Field(default=1, description="a tag, or the number of a step")
    cycle_count: Annotated[int, ReadBy(_count)] = Field(description=COUNT)


class TagModel(StepModel):
    """`tag`."""

    step: Literal["tag"]
    tag: str = Field(min_length=1, description="a text")


STEP_MODELS: dict[str, type[StepModel]] = {
    "open_circuit_voltage": OpenCircuitVoltageModel,
    "constant_current": ConstantCurrentModel,
    "constant_voltage": ConstantVoltageModel,
    "voltage_scan": VoltageScanModel,
    "impedance_spectroscopy": ImpedanceSpectroscopyModel,
    "loop": LoopModel,
    "tag": TagModel,
}
"""`step` to its model."""


class ProtocolModel(StrictModel):
    """The whole of a protocol; its steps are read one by one."""

    unicycler: UnicyclerModel = UnicyclerModel()
    sample: SampleModel = SampleModel()
    record: RecordModel = Field(description="a mapping {time_s: ...}")
    safety: SafetyModel = SafetyModel()
    method: list[Any] = Field(min_length=1, description="a list of steps")
