"""A bench file (configs/benches/*.yaml) read into a BenchSpec.

Owns the bench file's model and its cross checks (timing that cannot be met, instruments that are
missing). Must not open anything a URL names, nor judge a calibration date against today: that is
the result's business (`analysis`), since a bench file is true on any day.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from packbench.config.document import Document, Path, load_document
from packbench.config.fields import (
    LIMIT_KEYS,
    CurrentA,
    Date,
    LimitsModel,
    Name,
    PowerW,
    RatioText,
    ResistanceOhm,
    TemperatureC,
    TimeNs,
    VoltageV,
    reading,
)
from packbench.config.pack import TitleModel, limit_window_problems
from packbench.config.validation import StrictModel, check_model, sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import Accuracy, BenchSpec, DeviceSpec, Distribution, Instrument
from packbench.core.units import EXPECTED, Dimension, UnitError, parse_quantity

_HOST = r"(?:[^\s/:\[\]]+|\[[0-9a-fA-F:.]+\])"
_URL = re.compile(
    rf"(?:emulated:)?(?:modbus\+tcp://{_HOST}(?::[0-9]{{1,5}})?|(?:rtu|scpi|xml)\+tcp://{_HOST}:[0-9]{{1,5}})|"
    r"(?:serial|pty|slcan):///\S+|"
    r"emulated:(?:modbus\+tcp|rtu\+tcp|scpi\+tcp|xml\+tcp|serial|pty|slcan)"
)
_URL_EXPECTED = (
    "modbus+tcp://host:port, rtu+tcp://host:port, serial:///dev/ttyUSB0?baudrate=9600, or emulated: and a scheme"
)

QUANTITIES: dict[str, tuple[str, Dimension]] = {
    "current": ("current_a", "current"),
    "voltage": ("voltage_v", "voltage"),
    "cell_voltage": ("cell_voltage_v", "voltage"),
    "temperature": ("temperature_c", "temperature_difference"),
    "time": ("time", "time"),
}
"""A quantity's key in the file: its key in Instrument.quantities and the dimension of its offset."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "cycler": ("current", "voltage", "time"),
    "bms": ("cell_voltage", "temperature"),
}
"""Instrument to the quantities that a result cannot do without."""


def _url(value: Any) -> str:
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise UnitError(repr(value), _URL_EXPECTED)
    return value


class DeviceModel(StrictModel):
    """One device of the bench."""

    device: Name = Field(description="a device name, such as ea-psb")
    url: Annotated[str, reading(_url)] = Field(description=_URL_EXPECTED)
    unit: int = Field(ge=0, le=255, description="a unit (slave) number from 0 to 255")
    poll: TimeNs = Field(description=EXPECTED["time"])
    stale_after: TimeNs = Field(description=EXPECTED["time"])
    reply_timeout: TimeNs = Field(description=EXPECTED["time"])
    settings: dict[str, int | float | str | bool] = Field(
        default_factory=dict[str, "int | float | str | bool"], description="a mapping of the driver's own options"
    )


class RatingsModel(StrictModel):
    """What a cycler can do, from its data sheet."""

    voltage: VoltageV = Field(description=EXPECTED["voltage"])
    current: CurrentA = Field(description=EXPECTED["current"])
    power: PowerW = Field(description=EXPECTED["power"])


class CyclerModel(DeviceModel):
    """A cycler states its ratings."""

    ratings: RatingsModel = Field(description="a mapping {voltage: ..., current: ..., power: ...}")


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


class BoardTimingModel(StrictModel):
    """The lease that holds the contactor."""

    heartbeat: TimeNs = Field(description=EXPECTED["time"])
    lease: TimeNs = Field(description=EXPECTED["time"])
    contactor_release: TimeNs = Field(description=EXPECTED["time"])


class WiringModel(StrictModel):
    """Where the voltage is sensed, and what lies between."""

    sense_point: Literal["pack", "cycler"] = Field(description="pack or cycler")
    cable_resistance: ResistanceOhm = Field(description=EXPECTED["resistance"])
    cable_resistance_u: ResistanceOhm = Field(description=f"its standard uncertainty: {EXPECTED['resistance']}")


class SetpointModel(StrictModel):
    """When a set-point counts as not followed."""

    tolerance: CurrentA = Field(description=EXPECTED["current"])
    delay: TimeNs = Field(description=EXPECTED["time"])


class DevicesModel(StrictModel):
    """The three devices every bench has."""

    cycler: CyclerModel = Field(description="the cycler")
    bms: DeviceModel = Field(description="the BMS")
    board: DeviceModel = Field(description="the interlock board")


class BenchLimitsModel(StrictModel):
    """The bench's own layers of the effective limits."""

    cycler: LimitsModel = Field(description="what the cycler allows")
    cable: LimitsModel = Field(description="what cables, fuses and connectors allow")
    board: LimitsModel = Field(description="what the interlock board is set to")


class BenchModel(StrictModel):
    """The file as a whole."""

    bench: Name = Field(description="the bench's name, such as sim-hv")
    title: TitleModel = Field(description="a mapping {en: ..., zh: ...}")
    ambient: TemperatureC = Field(description=EXPECTED["temperature"])
    devices: DevicesModel = Field(description="a mapping of cycler, bms and board")
    board_timing: BoardTimingModel = Field(description="a mapping {heartbeat: ..., lease: ..., contactor_release: ...}")
    wiring: WiringModel = Field(description="a mapping {sense_point: ..., cable_resistance: ..., ...}")
    setpoint: SetpointModel = Field(description="a mapping {tolerance: ..., delay: ...}")
    limits: BenchLimitsModel = Field(description="a mapping of cycler, cable and board limits")
    alarms: dict[str, Literal["stop", "log"]] = Field(
        default_factory=dict[str, "Literal['stop', 'log']"], description="BMS alarm names to stop or log"
    )
    instruments: list[InstrumentModel] = Field(description="a list of instruments")


def load_bench(text: str, file: str) -> BenchSpec:
    """Read a bench file's text. Raises InputError with every problem found."""
    document = load_document(text, file)
    model, problems = check_model(BenchModel, document, ())
    if model is None:
        raise InputError(sort_problems([*document.problems, *problems]))
    problems = [*document.problems, *_timing(model, document)]
    limits, limit_problems = _limits(model, document)
    instruments, instrument_problems = _instruments(model, document)
    problems += limit_problems + instrument_problems
    if problems:
        raise InputError(sort_problems(problems))
    ratings = model.devices.cycler.ratings
    rated = {
        "rated_voltage_v": ratings.voltage,
        "rated_current_a": ratings.current,
        "rated_power_w": ratings.power,
    }
    return BenchSpec(
        name=model.bench,
        title=model.title.en,
        cycler=_device("cycler", model.devices.cycler, rated),
        bms=_device("bms", model.devices.bms, {}),
        board=_device("board", model.devices.board, {}),
        heartbeat_period_ns=model.board_timing.heartbeat,
        lease_ns=model.board_timing.lease,
        contactor_release_ns=model.board_timing.contactor_release,
        sense_point=model.wiring.sense_point,
        cable_resistance_ohm=model.wiring.cable_resistance,
        cable_resistance_u_ohm=model.wiring.cable_resistance_u,
        ambient_c=model.ambient,
        limits=MappingProxyType(limits),
        setpoint_tolerance_a=model.setpoint.tolerance,
        setpoint_delay_ns=model.setpoint.delay,
        alarm_policy=MappingProxyType(dict(model.alarms)),
        instruments=instruments,
        title_zh=model.title.zh,
    )


def _device(role: Literal["cycler", "bms", "board"], model: DeviceModel, rated: dict[str, float]) -> DeviceSpec:
    return DeviceSpec(
        role=role,
        device=model.device,
        url=model.url,
        unit=model.unit,
        poll_period_ns=model.poll,
        stale_after_ns=model.stale_after,
        reply_timeout_ns=model.reply_timeout,
        settings=MappingProxyType({**model.settings, **rated}),
    )


def _timing(model: BenchModel, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    for role in ("cycler", "bms", "board"):
        device: DeviceModel = getattr(model.devices, role)
        least_ns = 2 * device.poll + device.reply_timeout
        path = ("devices", role)
        if device.stale_after < least_ns:
            # One lost answer must not be a stale source: the next poll's answer has to fit in.
            expected = f"at least 2 x poll + reply_timeout, {_seconds(least_ns)}"
            found = _seconds(device.stale_after)
            problems.append(document.problem("cannot be met", (*path, "stale_after"), found, expected))
        if device.reply_timeout >= device.poll:
            expected = f"less than poll, {_seconds(device.poll)}"
            found = _seconds(device.reply_timeout)
            problems.append(document.problem("cannot be met", (*path, "reply_timeout"), found, expected))
    timing = model.board_timing
    if 2 * timing.heartbeat >= timing.lease:
        expected = f"less than half the lease, {_seconds(timing.lease // 2)}: one lost heartbeat must not trip"
        path = ("board_timing", "heartbeat")
        problems.append(document.problem("cannot be met", path, _seconds(timing.heartbeat), expected))
    if timing.lease > 500_000_000:
        path = ("board_timing", "lease")
        problems.append(document.problem("longer than promised", path, _seconds(timing.lease), "500 ms or less"))
    return problems


def _seconds(t_ns: int) -> str:
    return f"{t_ns / 1e6:g} ms" if t_ns < 1_000_000_000 else f"{t_ns / 1e9:g} s"


def _limits(model: BenchModel, document: Document) -> tuple[dict[str, LimitSet], list[Problem]]:
    limits: dict[str, LimitSet] = {}
    problems: list[Problem] = []
    for layer in ("cycler", "cable", "board"):
        layer_model: LimitsModel = getattr(model.limits, layer)
        path = ("limits", layer)
        try:
            limits[layer] = layer_model.limit_set(None)
        except ValueError:
            for key in ("charge_current_max", "discharge_current_max"):
                text = document.texts.get((*path, key), "")
                if text and not text.rstrip().endswith("A"):
                    expected = "a current in A: a bench has no rated capacity"
                    problems.append(document.problem("", (*path, key), repr(text), expected))
            continue
        problems += limit_window_problems(limits[layer], document, path)
    ratings = model.devices.cycler.ratings
    for name, rated in (
        ("pack_voltage_max_v", ratings.voltage),
        ("charge_current_max_a", ratings.current),
        ("discharge_current_max_a", ratings.current),
    ):
        value = getattr(limits.get("cycler", LimitSet()), name)
        if value is not None and value > rated:
            path = ("limits", "cycler", LIMIT_KEYS[name])
            problems.append(document.problem("beyond the cycler's ratings", path, f"{value:g}", f"{rated:g} or less"))
    return limits, problems


def _instruments(model: BenchModel, document: Document) -> tuple[tuple[Instrument, ...], list[Problem]]:
    problems: list[Problem] = []
    instruments: dict[str, Instrument] = {}
    for index, item in enumerate(model.instruments):
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
