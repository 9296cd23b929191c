"""PyBaMM's experiment: its steps, and the JSON of `Experiment.to_config()`, both directions.

Owns the keys and words of PyBaMM (26.10: `pybamm/experiment/`, `Serialise.serialise_experiment`), read and written
alike. Must not translate: here a positive current discharges, a voltage is the model's, temperatures are in kelvin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from packbench.config.document import Document, Path, list_of
from packbench.config.fields import ReadBy
from packbench.config.validation import StrictModel, check_model
from packbench.core.errors import Problem
from packbench.core.units import UnitError

StepType = Literal["current", "c-rate", "voltage", "power", "resistance", "rest"]
TerminationType = Literal["voltage", "current", "c-rate"]
Operator = Literal["<", ">"]
Direction = Literal["charge", "discharge", "rest"]
Table = tuple[tuple[float, float], ...]
"""(time in s, value) pairs; PyBaMM goes in a straight line from one to the next."""

NUMBER = "a number"
TIME = "a time in s, or a text such as 10 minutes"
TEMPERATURE = "a temperature in K, or a text such as 25 oC"
TABLE = "a number, or a list of [time, value] that begins at 0"
_SECONDS = {
    **dict.fromkeys(("second", "seconds", "s", "sec"), 1.0),
    **dict.fromkeys(("minute", "minutes", "m", "min"), 60.0),
    **dict.fromkeys(("hour", "hours", "h", "hr"), 3600.0),
}
KELVIN_0C = 273.15


@dataclass(frozen=True, slots=True)
class Termination:
    """What ends a step. Without an operator: a voltage from the side the step comes from, a current's magnitude."""

    type: TerminationType
    value: float
    operator: Operator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PybammStep:
    """One step of an experiment."""

    type: StepType
    value: float | Table | str = 0.0
    """A text is the name of a parameter that PyBaMM is given later."""
    duration_s: float | None = None
    terminations: tuple[Termination, ...] = ()
    temperature_k: float | None = None
    period_s: float | None = None
    tags: tuple[str, ...] = ()
    description: str | None = None
    direction: Direction | None = None
    start_time: str | None = None
    skip_ok: bool = True

    @property
    def leads(self) -> Direction | None:
        """The direction as PyBaMM sees it: from the value's sign; a voltage must be told, a table has none."""
        if self.type == "voltage":
            return self.direction
        if not isinstance(self.value, float | int):
            return None
        return "rest" if self.value == 0.0 else "discharge" if self.value > 0.0 else "charge"

    def config(self) -> dict[str, Any]:
        """As `to_config` writes it."""
        config: dict[str, Any] = {"type": self.type}
        if self.duration_s is not None:
            config["duration"] = self.duration_s
        if self.type != "rest":
            config["value"] = [list(pair) for pair in self.value] if isinstance(self.value, tuple) else self.value
        if self.terminations:
            config["terminations"] = [_termination_config(termination) for termination in self.terminations]
        for key, value in (
            ("temperature", self.temperature_k),
            ("period", self.period_s),
            ("tags", list(self.tags) or None),
            ("description", self.description),
            ("direction", self.direction if self.type == "voltage" else None),
            ("start_time", self.start_time),
        ):
            if value is not None:
                config[key] = value
        if not self.skip_ok:
            config["skip_ok"] = False
        return config


def _termination_config(termination: Termination) -> dict[str, Any]:
    config: dict[str, Any] = {"type": termination.type, "value": termination.value}
    return config if termination.operator is None else {**config, "operator": termination.operator}


# --- reading ----------------------------------------------------------------------------------------


def parse_number(value: Any) -> float:
    """A finite number, also one in quotes. Raises UnitError."""
    if not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise UnitError("nothing" if value is None else repr(value), NUMBER)


def parse_time_s(value: Any) -> float:
    """A time in s: a number, or PyBaMM's text (`10 minutes`, `0.5 hours`). Raises UnitError."""
    if isinstance(value, str):
        unit = value.lstrip("0123456789.-eE ")
        if unit not in _SECONDS:
            raise UnitError(repr(value), TIME)
        seconds = parse_number(value[: -len(unit)]) * _SECONDS[unit]
    else:
        seconds = parse_number(value)
    if not 0.0 < seconds < 1e9:
        raise UnitError(repr(value), f"{TIME}, more than 0")
    return seconds


def _temperature_k(value: Any) -> float:
    if isinstance(value, str):
        for unit, zero_k in (("oC", KELVIN_0C), ("K", 0.0)):
            if value.endswith(unit):
                return parse_number(value.removesuffix(unit)) + zero_k
        raise UnitError(repr(value), TEMPERATURE)
    return parse_number(value)


def _value(value: Any) -> float | Table | str:
    if isinstance(value, list):
        return _table(value)
    try:
        return parse_number(value)
    except UnitError:
        if isinstance(value, str) and value.strip():
            return value
        raise


def _table(value: Any) -> Table:
    pairs: list[tuple[float, float]] = []
    for item in value:
        pair = list_of(item)
        if pair is None or len(pair) != 2:
            raise UnitError(repr(item)[:60], TABLE)
        pairs.append((parse_number(pair[0]), parse_number(pair[1])))
        if len(pairs) > 1 and pairs[-1][0] <= pairs[-2][0]:
            raise UnitError(f"{pairs[-1][0]:g} s after {pairs[-2][0]:g} s", "times that rise")
    if len(pairs) < 2 or pairs[0][0] != 0.0:
        raise UnitError(f"a table of {len(pairs)} points", f"{TABLE}, at least two of them")
    return tuple(pairs)


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_Time = Annotated[float, ReadBy(parse_time_s)]
_Temperature = Annotated[float, ReadBy(_temperature_k)]


class _TerminationModel(StrictModel):
    type: TerminationType = Field(description="voltage, current or c-rate")
    value: Annotated[float, ReadBy(parse_number)] = Field(description=NUMBER)
    operator: Operator | None = Field(default=None, description="< or >")


class _StepModel(StrictModel):
    type: StepType = Field(description="current, c-rate, voltage, power, resistance or rest")
    value: Annotated[Any, ReadBy(_value)] = Field(default=None, description=TABLE)
    duration: _Time | None = Field(default=None, description=TIME)
    terminations: list[_TerminationModel] | None = Field(default=None, description="a list of {type: ..., value: ...}")
    temperature: _Temperature | None = Field(default=None, description=TEMPERATURE)
    period: _Time | None = Field(default=None, description=TIME)
    tags: Annotated[list[str], ReadBy(_texts)] | None = Field(default=None, description="a list of texts")
    description: str | None = None
    direction: Direction | None = Field(default=None, description="charge, discharge or rest")
    start_time: str | None = Field(default=None, description="a date and time as ISO 8601 writes it")
    skip_ok: bool = Field(default=True, description="true or false")


def read_step(document: Document, path: Path) -> tuple[PybammStep | None, list[Problem]]:
    """A step of a configuration; None, with what is wrong with it."""
    model, problems = check_model(_StepModel, document, path)
    if model is None:
        return None, problems
    if model.type != "rest" and model.value is None:
        expected = f"the value of a {model.type} step"
        return None, [document.problem("required", (*path, "value"), "nothing", expected, at=path)]
    return PybammStep(
        type=model.type,
        value=0.0 if model.type == "rest" else model.value,
        duration_s=model.duration,
        terminations=tuple(Termination(t.type, t.value, t.operator) for t in model.terminations or ()),
        temperature_k=model.temperature,
        period_s=model.period,
        tags=tuple(model.tags or ()),
        description=model.description,
        direction=model.direction,
        start_time=model.start_time,
        skip_ok=model.skip_ok,
    ), []


class ExperimentModel(StrictModel):
    """The whole of a configuration; its steps are read one by one."""

    cycles: list[Any] | None = Field(default=None, description="a list of lists of steps")
    steps: list[Any] | None = Field(default=None, description="a list of steps")
    period: _Time | None = Field(default=None, description=TIME)
    temperature: _Temperature | None = Field(default=None, description=TEMPERATURE)
    termination: Annotated[list[str], ReadBy(_texts)] | None = Field(
        default=None, description="a text such as 80% capacity, or a list"
    )
    packbench: Any = None
    """What our own export says about itself."""
