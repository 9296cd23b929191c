"""The instruments of a bench file: what each measures, how well, and until when its certificate holds.

Owns their model and the checks of an accuracy statement. Must not judge a certificate's date against today: that is
the result's business (`analysis`), since a bench file is true on any day.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from pydantic import Field

from packbench.config.document import Document, Path
from packbench.config.fields import Date, Name, RatioText
from packbench.config.validation import StrictModel
from packbench.core.errors import Problem
from packbench.core.specs import Accuracy, Distribution, Instrument
from packbench.core.units import EXPECTED, Dimension, UnitError, parse_quantity

QUANTITIES: dict[str, tuple[str, Dimension]] = {
    "current": ("current_a", "current"),
    "voltage": ("voltage_v", "voltage"),
    "cell_voltage": ("cell_voltage_v", "voltage"),
    "temperature": ("temperature_c", "temperature_difference"),
    "energy": ("energy_wh", "energy"),
    "time": ("time", "time"),
}
"""A quantity's key in the file: its key in Instrument.quantities and the dimension of its offset."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "cycler": ("current", "voltage", "time"),
    "bms": ("cell_voltage", "temperature"),
}
"""Instrument to the quantities that a result cannot do without."""


class AccuracyModel(StrictModel):
    """One accuracy statement: bound = gain x reading + offset."""

    gain: RatioText = Field(default=0.0, description=EXPECTED["ratio"])
    offset: Any = Field(default=None, description="a quantity with its unit, such as 20 mV")
    distribution: Distribution = Field(default="rectangular", description="rectangular or normal (expanded, k = 2)")
    resolution: Any = Field(default=None, description="a quantity with its unit, such as 1 mV")
    noise: Any = Field(default=None, description="a quantity with its unit, such as 1 mV")


class QuantitiesModel(StrictModel):
    """What an instrument measures."""

    current: AccuracyModel | None = Field(default=None, description="the accuracy of the current")
    voltage: AccuracyModel | None = Field(default=None, description="the accuracy of the voltage")
    cell_voltage: AccuracyModel | None = Field(default=None, description="the accuracy of a cell's voltage")
    temperature: AccuracyModel | None = Field(default=None, description="the accuracy of a temperature")
    energy: AccuracyModel | None = Field(
        default=None, description="the accuracy of a counter's difference, such as {gain: 1 %}"
    )
    time: AccuracyModel | None = Field(
        default=None, description="the accuracy of the time base, such as {gain: 50 ppm}"
    )


class InstrumentModel(StrictModel):
    """An instrument with its paper trail."""

    name: Name = Field(description="cycler, bms, or a name of your own")
    serial: str = Field(min_length=1, description="the serial number")
    certificate: str = Field(min_length=1, description="the certificate's number")
    calibrated_on: Date = Field(description="a day as YYYY-MM-DD")
    due_on: Date = Field(description="a day as YYYY-MM-DD")
    quantities: QuantitiesModel = Field(description="what it measures, each with its accuracy")


def read_instruments(models: list[InstrumentModel], document: Document) -> tuple[tuple[Instrument, ...], list[Problem]]:
    """The bench's instruments, and every problem found; those that a result cannot do without must be there."""
    problems: list[Problem] = []
    instruments: dict[str, Instrument] = {}
    for index, item in enumerate(models):
        path: Path = ("instruments", index)
        if item.name in instruments:
            problems.append(document.problem("twice", (*path, "name"), repr(item.name), "each instrument once"))
        if item.due_on <= item.calibrated_on:
            expected = f"a day after calibrated_on, {item.calibrated_on}"
            problems.append(document.problem("", (*path, "due_on"), item.due_on, expected))
        quantities: dict[str, Accuracy] = {}
        for key, (name, dimension) in QUANTITIES.items():
            accuracy: AccuracyModel | None = getattr(item.quantities, key)
            if accuracy is not None:
                built, bad = _accuracy(accuracy, dimension, document, (*path, "quantities", key))
                quantities[name] = built
                problems += bad
        for key in REQUIRED.get(item.name, ()):
            if QUANTITIES[key][0] not in quantities:
                expected = f"the accuracy of the {item.name}'s {key.replace('_', ' ')}"
                at = (*path, "quantities")
                problems.append(document.problem("required", (*at, key), "nothing", expected, at=at, key=True))
        instruments[item.name] = Instrument(
            item.name, item.serial, item.certificate, item.calibrated_on, item.due_on, MappingProxyType(quantities)
        )
    for name in REQUIRED:
        if name not in instruments:
            expected = f"an instrument named {name}: a result without its accuracy is no measurement"
            problems.append(document.problem("missing instrument", ("instruments",), "nothing", expected, key=True))
    return tuple(instruments.values()), problems


def _accuracy(
    model: AccuracyModel, dimension: Dimension, document: Document, path: Path
) -> tuple[Accuracy, list[Problem]]:
    problems: list[Problem] = []
    values = {"offset": 0.0, "resolution": 0.0, "noise": 0.0}
    stated = {key: getattr(model, key) for key in values if getattr(model, key) is not None}
    if dimension == "time":
        for key in stated:
            found = document.found((*path, key))
            problems.append(document.problem("", (*path, key), found, "only a gain for time"))
        return Accuracy(model.gain, 0.0, model.distribution), problems
    for key, value in stated.items():
        try:
            values[key] = parse_quantity(value, dimension)
        except UnitError as error:
            problems.append(document.problem("", (*path, key), error.found, error.expected))
            continue
        if values[key] < 0.0:
            problems.append(document.problem("", (*path, key), repr(value), "0 or more"))
    if model.gain >= 0.1 or (model.gain == 0.0 and values["offset"] == 0.0 and not problems):
        found = f"gain {model.gain:g}, offset {values['offset']:g}"
        expected = "a gain below 10 %, or an offset: no instrument is without error"
        problems.append(document.problem("", path, found, expected, key=True))
    built = Accuracy(model.gain, values["offset"], model.distribution, values["resolution"], values["noise"])
    return built, problems
