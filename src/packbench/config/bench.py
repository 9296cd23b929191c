"""A bench file (configs/benches/*.yaml) read into a BenchSpec.

Owns the bench file's model and its cross checks (timing that cannot be met, limits beyond ratings); the
instruments are `config/instruments.py`'s. Must not open anything a URL names: whether the devices suit
the bench is `app/suits.py`.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field

from packbench.config.document import Document, load_document
from packbench.config.fields import (
    LIMIT_KEYS,
    CurrentA,
    LimitsModel,
    Name,
    PowerW,
    ReadBy,
    ResistanceOhm,
    TemperatureC,
    TimeNs,
    VoltageV,
)
from packbench.config.instruments import InstrumentModel, read_instruments
from packbench.config.pack import TitleModel, limit_window_problems
from packbench.config.validation import StrictModel, check_model, sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import BenchSpec, CellTapSpec, DeviceSpec, Precedence, Role
from packbench.core.units import EXPECTED, UnitError

_HOST = r"(?:[^\s/:\[\]]+|\[[0-9a-fA-F:.]+\])"
_URL = re.compile(
    rf"(?:emulated:)?(?:modbus\+tcp://{_HOST}(?::[0-9]{{1,5}})?|(?:rtu|scpi|xml)\+tcp://{_HOST}:[0-9]{{1,5}}|"
    r"(?:serial|pty|slcan):///\S+)|"
    r"emulated:(?:modbus\+tcp|rtu\+tcp|scpi\+tcp|xml\+tcp|serial|pty|slcan)"
)
_URL_EXPECTED = (
    "modbus+tcp://host:port, rtu+tcp://host:port, serial:///dev/ttyUSB0?baudrate=9600, or emulated: and a scheme"
)


def _url(value: Any) -> str:
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise UnitError(repr(value), _URL_EXPECTED)
    return value


class PlaceModel(StrictModel):
    """What a device is, and where."""

    device: Name = Field(description="a device name, such as ea-psb")
    url: Annotated[str, ReadBy(_url)] = Field(description=_URL_EXPECTED)
    unit: int = Field(ge=0, le=255, description="a unit (slave) number from 0 to 255")
    reply_timeout: TimeNs = Field(description=EXPECTED["time"])
    settings: dict[str, int | float | str | bool] = Field(
        default_factory=dict[str, "int | float | str | bool"], description="a mapping of the driver's own options"
    )


class DeviceModel(PlaceModel):
    """One device of the bench."""

    poll: TimeNs = Field(description=EXPECTED["time"])
    stale_after: TimeNs = Field(description=EXPECTED["time"])


class CellTapModel(PlaceModel):
    """An external monitor on the cells; it is asked whenever the BMS is."""

    precedence: Precedence = Field(default="tap", description="tap or bms: whose cells count")
    cross_check: VoltageV | None = Field(default=None, description=EXPECTED["voltage"])
    bms_required: bool = Field(default=True, description="true, or false for a pack whose BMS is dead or locked")


class RatingsModel(StrictModel):
    """What a cycler can do, from its data sheet."""

    voltage: VoltageV = Field(description=EXPECTED["voltage"])
    current: CurrentA = Field(description=EXPECTED["current"])
    power: PowerW = Field(description=EXPECTED["power"])


class CyclerModel(DeviceModel):
    """A cycler states its ratings."""

    ratings: RatingsModel = Field(description="a mapping {voltage: ..., current: ..., power: ...}")
    poll_fast: TimeNs | None = Field(default=None, description=EXPECTED["time"])


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
    """The three devices every bench has, and those that only some have."""

    cycler: CyclerModel = Field(description="the cycler")
    bms: DeviceModel = Field(description="the BMS")
    board: DeviceModel = Field(description="the interlock board")
    cell_tap: CellTapModel | None = Field(default=None, description="a monitor on the pack's cells")
    chamber: DeviceModel | None = Field(default=None, description="the climate chamber")
    meter: DeviceModel | None = Field(default=None, description="an instrument beside them: an insulation meter")


class BenchLimitsModel(StrictModel):
    """The bench's own layers of the effective limits."""

    cycler: LimitsModel = Field(description="what the cycler allows")
    cable: LimitsModel = Field(description="what cables, fuses and connectors allow")
    board: LimitsModel = Field(description="what the interlock board is set to")


class ResumeModel(StrictModel):
    """When a run that was cut short may go on."""

    automatic: bool = Field(default=False, description="true: without a person's word; false: with one alone")
    within: TimeNs = Field(default=24 * 3_600_000_000_000, description=EXPECTED["time"])


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
    resume: ResumeModel = Field(default_factory=ResumeModel, description="a mapping {automatic: ..., within: ...}")
    max_hold: TimeNs = Field(default=2 * 3_600_000_000_000, gt=0, description=EXPECTED["time"])


def load_bench(text: str, file: str) -> BenchSpec:
    """Read a bench file's text. Raises InputError with every problem found."""
    document = load_document(text, file)
    model, problems = check_model(BenchModel, document, ())
    if model is None:
        raise InputError(sort_problems([*document.problems, *problems]))
    problems = [*document.problems, *_timing(model, document)]
    limits, limit_problems = _limits(model, document)
    instruments, instrument_problems = read_instruments(model.instruments, document)
    problems += limit_problems + instrument_problems
    if problems:
        raise InputError(sort_problems(problems))
    devices = model.devices
    ratings = devices.cycler.ratings
    rated = {
        "rated_voltage_v": ratings.voltage,
        "rated_current_a": ratings.current,
        "rated_power_w": ratings.power,
    }
    return BenchSpec(
        name=model.bench,
        title=model.title.en,
        cycler=_device("cycler", devices.cycler, devices.cycler, rated),
        bms=_device("bms", devices.bms, devices.bms, {}),
        board=_device("board", devices.board, devices.board, {}),
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
        cell_tap=_cell_tap(devices),
        chamber=None if devices.chamber is None else _device("chamber", devices.chamber, devices.chamber, {}),
        meter=None if devices.meter is None else _device("meter", devices.meter, devices.meter, {}),
        resume_automatic=model.resume.automatic,
        resume_within_ns=model.resume.within,
        max_hold_ns=model.max_hold,
    )


def _cell_tap(devices: DevicesModel) -> CellTapSpec | None:
    model, bms = devices.cell_tap, devices.bms
    if model is None:
        return None
    device = _device("cell_tap", model, bms, {})
    return CellTapSpec(device, model.precedence, model.cross_check, model.bms_required)


def _device(role: Role, model: PlaceModel, times: DeviceModel, rated: dict[str, float]) -> DeviceSpec:
    return DeviceSpec(
        role=role,
        device=model.device,
        url=model.url,
        unit=model.unit,
        poll_period_ns=times.poll,
        stale_after_ns=times.stale_after,
        reply_timeout_ns=model.reply_timeout,
        settings=MappingProxyType({**model.settings, **rated}),
        stated_fast_ns=model.poll_fast if isinstance(model, CyclerModel) else None,
    )


def _timing(model: BenchModel, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    for role in ("cycler", "bms", "board", "chamber", "meter"):
        device: DeviceModel | None = getattr(model.devices, role)
        if device is None:
            continue
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
    cycler = model.devices.cycler
    if cycler.poll_fast is not None and cycler.poll_fast > cycler.poll:
        path, expected = ("devices", "cycler", "poll_fast"), f"at most poll, {_seconds(cycler.poll)}"
        problems.append(document.problem("slower than usual", path, _seconds(cycler.poll_fast), expected))
    problems += _tap_problems(model, document)
    timing = model.board_timing
    if 2 * timing.heartbeat >= timing.lease:
        expected = f"less than half the lease, {_seconds(timing.lease // 2)}: one lost heartbeat must not trip"
        path = ("board_timing", "heartbeat")
        problems.append(document.problem("cannot be met", path, _seconds(timing.heartbeat), expected))
    if timing.lease > 500_000_000:
        path = ("board_timing", "lease")
        problems.append(document.problem("longer than promised", path, _seconds(timing.lease), "500 ms or less"))
    return problems


def _tap_problems(model: BenchModel, document: Document) -> list[Problem]:
    tap, path = model.devices.cell_tap, ("devices", "cell_tap")
    if tap is None:
        return []
    problems: list[Problem] = []
    if tap.reply_timeout >= model.devices.bms.poll:
        expected = f"less than the BMS's poll, {_seconds(model.devices.bms.poll)}: they are asked together"
        found = _seconds(tap.reply_timeout)
        problems.append(document.problem("cannot be met", (*path, "reply_timeout"), found, expected))
    if tap.cross_check is not None and tap.cross_check <= 0.0:
        problems.append(document.problem("", (*path, "cross_check"), f"{tap.cross_check:g} V", "more than 0 V"))
    if tap.precedence == "bms" and not tap.bms_required:
        expected = "true: only a tap that has precedence can do without the BMS"
        problems.append(document.problem("", (*path, "bms_required"), "false", expected))
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
