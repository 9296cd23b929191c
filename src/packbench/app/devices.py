"""From connected byte streams to drivers: one port a bus, and on it the driver of each device.

Owns that composition, the same for real devices, emulated ones on sockets and simulated ones in
memory: what is on the far side of the stream is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from packbench.app.job import Job, read_source
from packbench.clock import Clock
from packbench.core.errors import InputError, Problem
from packbench.core.samples import CyclerSample, Quality
from packbench.core.specs import BenchSpec, DeviceSpec
from packbench.core.step_program import StepProgram
from packbench.drivers.cell_tap import CellTap, TapRules
from packbench.drivers.factory import SESSIONS, Driver, Wanted, make_driver, require_link
from packbench.drivers.gbt27930_settings import settings_from
from packbench.drivers.protocols import Bms, Board, Chamber, Cycler, Identity, Meter, ProgrammedCycler
from packbench.maps.file import load_device
from packbench.maps.schema import DeviceType, Kind, Scheme
from packbench.run.board_settings import board_settings
from packbench.run.charger import Charger
from packbench.run.devices import Devices
from packbench.run.driving import Driving, Following, Stepping, program_lag_ns
from packbench.run.port import Port
from packbench.run.supervised import SupervisedBoard
from packbench.transport.base import Transport
from packbench.transport.link import Timing
from packbench.transport.open import parse_url
from packbench.transport.slcan import SlcanTransport
from packbench_board.client import BoardClient
from packbench_board.codec import RETRIES, BoardCodec, repeatable

EMULATED = "emulated:"
"""URL prefix: the composition root is to start our own emulator on that kind of link."""
_KINDS: dict[str, Kind] = {
    "cycler": "cycler",
    "bms": "bms",
    "cell_tap": "bms",
    "chamber": "chamber",
    "meter": "meter",
}
"""Role to the kind of device that is fit for it; the board is no device of the list."""


@dataclass(frozen=True, slots=True)
class DeviceTypes:
    """The types of the bench's devices, from their files."""

    cycler: DeviceType
    bms: DeviceType
    cell_tap: DeviceType | None = None
    chamber: DeviceType | None = None
    meter: DeviceType | None = None

    @property
    def by_role(self) -> dict[str, DeviceType]:
        """Those that the bench has, by role; the board has no file."""
        named = (
            ("cycler", self.cycler),
            ("bms", self.bms),
            ("cell_tap", self.cell_tap),
            ("chamber", self.chamber),
            ("meter", self.meter),
        )
        return {role: device for role, device in named if device is not None}


def load_type(name: str) -> DeviceType:
    """Read a device file, found by path or name. Raises InputError."""
    source = read_source("devices", name)
    return load_device(source.text, source.name)


def load_types(bench: BenchSpec) -> DeviceTypes:
    """The types that the bench file names, each fit for its place. Raises InputError with every problem."""
    problems: list[Problem] = []
    types: dict[str, DeviceType] = {}
    for role, spec in bench.devices.items():
        kind = _KINDS.get(role)
        if kind is not None:
            types[role] = load_type(spec.device)
            problems += _misplaced(spec, types[role], kind)
    if problems:
        raise InputError(problems)
    return DeviceTypes(**types)


def _misplaced(spec: DeviceSpec, device: DeviceType, kind: Kind) -> list[Problem]:
    problems: list[Problem] = []
    if device.kind != kind:
        found = f"{device.name}, a {device.kind}"
        problems.append(Problem("", field=f"devices.{spec.role}.device", found=found, expected=f"a {kind}"))
    scheme = scheme_of(spec)
    if scheme not in device.links:
        expected = " or ".join(device.links)
        where = f"devices.{spec.role}.url"
        problems.append(Problem(f"{device.name} is not reached so", field=where, found=scheme, expected=expected))
    return problems


def scheme_of(spec: DeviceSpec) -> Scheme:
    """The kind of link a device's URL names, e.g. "modbus+tcp"; the bench file has checked it."""
    return cast("Scheme", spec.url.removeprefix(EMULATED).split("://", maxsplit=1)[0])


def line_names(bench: BenchSpec) -> dict[str, str]:
    """Role to what names its line: devices whose URLs name the same place share one.

    An emulator whose URL names no place (`emulated:pty`) has a line of its own.
    """
    return {
        role: parse_url(url).place if "://" in (url := spec.url.removeprefix(EMULATED)) else role
        for role, spec in bench.devices.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A connected byte stream; devices that were given the same one share a bus."""

    transport: Transport
    local_echo: bool = False
    """Its adapter hands back what it sends."""
    bitrate: int = 250_000
    """Of the CAN bus behind it."""


class Buses:
    """One port a line, or one session: the only one who talks on it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ports: dict[Line, Port] = {}
        self._sessions: dict[Line, Charger] = {}

    def port(self, line: Line) -> Port:
        """The line's port, made when it is first asked for."""
        port = self._ports.get(line)
        if port is None:
            port = self._ports[line] = Port(line.transport, self._clock, local_echo=line.local_echo)
        return port

    def statistics(self, line: Line) -> dict[str, int | list[int]]:
        """What happened on a line since it was opened."""
        session = self._sessions.get(line)
        return self.port(line).stats.as_dict() if session is None else {**session.statistics()}

    def tell_sessions(self, sample: CyclerSample) -> None:
        """Each charging session says what the cycler gives as its charger's; an implausible reading is none."""
        if sample.quality is not Quality.GOOD:
            return
        for session in self._sessions.values():
            session.report_output(sample.voltage_v, sample.current_a)

    async def close(self) -> None:
        """End every session as its protocol wants it, and close every line; whoever waits gets a LinkError."""
        for session in self._sessions.values():
            await session.close()
        for port in self._ports.values():
            port.close()

    def driver(
        self,
        line: Line,
        device: DeviceType,
        *,
        unit: int,
        scheme: Scheme,
        reply_timeout_ns: int,
        settings: Mapping[str, Any],
    ) -> Driver:
        """The driver of one device on a line. Raises InputError when there is none for such a link."""
        if device.driver in SESSIONS:
            require_link(device, scheme)
            return self._session(line, device, reply_timeout_ns, settings)
        return make_driver(Wanted(device, unit, scheme, self.port(line), reply_timeout_ns, settings))

    def _session(self, line: Line, device: DeviceType, timeout_ns: int, settings: Mapping[str, Any]) -> Charger:
        """A charging session, which shares its line with nobody."""
        if line in self._ports or line in self._sessions:
            raise InputError(Problem(f"{device.name} is alone on its line", field="url", found="another device on it"))
        chosen = settings_from({**device.options, **settings})
        charger = Charger(SlcanTransport(line.transport, line.bitrate), self._clock, chosen, timeout_ns)
        self._sessions[line] = charger
        return charger

    def bench_driver(self, line: Line, device: DeviceType, spec: DeviceSpec) -> Driver:
        """The driver of a bench's device."""
        return self.driver(
            line,
            device,
            unit=spec.unit,
            scheme=scheme_of(spec),
            # A session is begun once; what the bench allows an answer in a poll says nothing about that.
            reply_timeout_ns=device.line.reply_timeout_ns if device.driver in SESSIONS else spec.reply_timeout_ns,
            settings=spec.settings,
        )


def board_driver(job: Job, line: Line, buses: Buses) -> BoardClient[Identity]:
    """The driver of the board on a line of this process; on a live bench the supervisor's process has it."""
    link = buses.port(line).link(
        BoardCodec(), Timing(job.bench.board.reply_timeout_ns), retries=RETRIES, repeatable=repeatable
    )
    return BoardClient(link, board_settings(job.bench, job.limits, stepped=job.program is None), Identity)


def connect(
    job: Job, types: DeviceTypes, lines: Mapping[str, Line], buses: Buses, board: Board | SupervisedBoard
) -> Devices:
    """Drivers on connected lines, one for each device of the bench besides its board."""
    bench = job.bench
    return Devices(
        _cycler(job, types, lines["cycler"], buses),
        _bms(types, lines, bench, buses),
        board,
        buses.tell_sessions,
        cast("Chamber | None", _fitted(bench.chamber, types.chamber, lines, buses)),
        cast("Meter | None", _fitted(bench.meter, types.meter, lines, buses)),
    )


def _fitted(
    spec: DeviceSpec | None, device: DeviceType | None, lines: Mapping[str, Line], buses: Buses
) -> Driver | None:
    """What only some benches have."""
    return None if spec is None or device is None else buses.bench_driver(lines[spec.role], device, spec)


def _cycler(job: Job, types: DeviceTypes, line: Line, buses: Buses) -> Driving:
    """The cycler, and the way it is driven."""
    driver = buses.bench_driver(line, types.cycler, job.bench.cycler)
    if job.program is None:
        return Stepping(cast("Cycler", driver))
    return Following(cast("ProgrammedCycler[StepProgram]", driver), job.program, program_lag_ns(job.bench))


def _bms(types: DeviceTypes, lines: Mapping[str, Line], bench: BenchSpec, buses: Buses) -> Bms:
    """The pack's BMS, with the cell tap where the bench has one."""
    bms = cast("Bms", buses.bench_driver(lines["bms"], types.bms, bench.bms))
    if bench.cell_tap is None or types.cell_tap is None:
        return bms
    tap = cast("Bms", buses.bench_driver(lines["cell_tap"], types.cell_tap, bench.cell_tap.device))
    rules = TapRules(bench.cell_tap.precedence, bench.cell_tap.cross_check_v, bench.cell_tap.bms_required)
    return CellTap(bms, tap, rules)
