"""A Neware BTS 8 client with its cycler, backed by the simulated source: XML of `wire/neware/frames.py`.

Owns the client's habits: a step file is read from the path that `start` names, a test starts from finish,
stop or protect alone, the program then runs by itself whether or not anybody is connected, a channel
refuses what does not fit its state with `false`, and rows are handed out 1000 at a time. One channel has
the simulated cycler behind it; the others are there and idle.

Not known of the real one, and so chosen here: a request that cannot be read is not answered; a protected
channel keeps its state when its flag is cleared; a stop, a pause and a protection leave no log entry, as
their codes are the vendor's secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from packbench.core.errors import InputError
from packbench.wire.neware.frames import reply_frame, take_request
from packbench.wire.neware.replies import (
    Acknowledged,
    ChannelStatus,
    Connected,
    DataCount,
    DataCounts,
    DeviceChannel,
    Devices,
    LogEntries,
    NewareReply,
    Reading,
    Readings,
    Rows,
    Server,
    Statuses,
    Steps,
)
from packbench.wire.neware.requests import (
    MAX_ROWS,
    Channel,
    ChannelAction,
    Connect,
    Download,
    DownloadLog,
    DownloadSteps,
    GetDevices,
    GetStatus,
    Inquire,
    InquireData,
    Job,
    NewareRequest,
    Start,
)
from packbench.wire.neware.steps import MAX_STEP_FILE, from_neware_xml
from packbench_sim.devices.neware_records import WallClock, log_of, row_of, step_type, summaries_of
from packbench_sim.devices.step_runner import Point, StepRunner
from packbench_sim.parts import CyclerPart
from packbench_sim.playing import Player, Playing, Silent

_FIRST_TEST: Final = 101
_LOG_WORKING: Final = 102_000
"""As captured, of any channel that works."""


def read_step_file(path: str) -> bytes:
    """The step file that a client names; `b""` for one that is not there, is no file or is too long."""
    place = Path(path)
    try:
        if not place.is_file() or place.stat().st_size > MAX_STEP_FILE:
            return b""
        return place.read_bytes()
    except (OSError, ValueError):
        return b""


class NewareBtsDevice:
    """`parts.SessionDevice`.

    Args:
        part: The simulated cycler, behind the first channel.
        channels: How many there are, all of one unit.
        subdevid: That unit's number.
        unit_mistake: Status replies say unit 1, as real ones sometimes do.
        documented: Replies to downloads are spelt as in the vendor's document, not as captured.
        refresh_ns: How often a new measurement is handed out; the vendor promises no better than 5 s.
        devices_running: False: the client shows no device (`middle count="0"`).
        read_file: Reads a step file; for tests.
        silent: A fault: while it returns True, nothing is answered. A program runs on.
    """

    idle_close_ns = 0

    def __init__(
        self,
        part: CyclerPart,
        *,
        channels: int = 1,
        subdevid: int = 1,
        unit_mistake: bool = False,
        documented: bool = False,
        refresh_ns: int = 0,
        devices_running: bool = True,
        read_file: Callable[[str], bytes] = read_step_file,
        silent: Silent | None = None,
    ) -> None:
        self.part = part
        self.channels = tuple(Channel(27, 21, subdevid, number) for number in range(1, channels + 1))
        self.silent = silent
        self.run: StepRunner | None = None
        """The newest test of the first channel."""
        self.test_id = _FIRST_TEST - 1
        self.barcode = ""
        self.lit: set[Channel] = set()
        self._flagged = False
        """A protection has stopped the test, and nobody has cleared that."""
        self._unit_mistake = unit_mistake
        self._misspelt = not documented
        self._refresh_ns = refresh_ns
        self._devices_running = devices_running
        self._read_file = read_file
        self._wall = WallClock()
        self._alone: _Session | None = None
        self._shown: tuple[int, Reading] | None = None

    # ------------------------------------------------------------- parts.SessionDevice

    def session(self) -> _Session:
        """One client's connection."""
        return _Session(self)

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        """For a link that knows no sessions: whoever talks is one client."""
        if self._alone is None:
            self._alone = _Session(self)
        return self._alone.on_bytes(t_ns, data)

    def tick(self, t_ns: int) -> int | None:
        """The program runs, whoever is connected."""
        self._wall.begin(t_ns)
        run = self.run
        if run is None or not run.running:
            return None
        wanted_ns = run.advance(t_ns)
        self._flagged = run.state == "protect"
        return wanted_ns

    # ------------------------------------------------------------- answering

    def answer(self, t_ns: int, request: NewareRequest) -> NewareReply:
        """What the client replies at t_ns."""
        self.tick(t_ns)
        match request:
            case Connect():
                return Connected("ok")
            case GetDevices():
                return self._devices()
            case GetStatus(channels):
                return Statuses(tuple(ChannelStatus(self._echo(each), self._state(each), 1) for each in channels))
            case Inquire(channels, aux, barcode):
                return Readings(tuple(self._reading(t_ns, each, aux, barcode) for each in channels))
            case InquireData(channels):
                return DataCounts(tuple(self._count(each) for each in channels))
            case Start():
                return Acknowledged("start", tuple((job.channel, self._start(t_ns, job)) for job in request.jobs))
            case ChannelAction(command, channels):
                return Acknowledged(command, tuple((each, self._obey(t_ns, request, each)) for each in channels))
            case Download(channel, start, count, test_id, aux):
                # Row 0, of which none are wanted, is how clients ask for the test's number.
                end = max(start - 1 + min(count, MAX_ROWS), 0)
                rows = self._rows(channel, test_id)[max(start - 1, 0) : end]
                found = tuple(row_of(point, self._wall) for point in rows)
                return Rows(channel, self._test_of(channel), start, count, found, aux, self._misspelt)
            case DownloadLog(channel):
                run = self._run_of(channel)
                entries = () if run is None else log_of(run, self._wall)
                return LogEntries(channel, self._test_of(channel), entries, self._misspelt)
            case DownloadSteps(channel):
                run = self._run_of(channel)
                return Steps(channel, self._test_of(channel), () if run is None else summaries_of(run, self._wall))

    def _run_of(self, channel: Channel) -> StepRunner | None:
        """The newest test of a channel; only the first one ever has one."""
        return self.run if self._is_live(channel) else None

    def _is_live(self, channel: Channel) -> bool:
        return replace(channel, ip="127.0.0.1") == self.channels[0]

    def _exists(self, channel: Channel) -> bool:
        return replace(channel, ip="127.0.0.1") in self.channels

    def _echo(self, channel: Channel) -> Channel:
        return replace(channel, subdevid=1) if self._unit_mistake else channel

    def _state(self, channel: Channel) -> str:
        """The channel's word; `false` is what clients have seen of a channel that there is not."""
        if not self._exists(channel):
            return "false"
        run = self._run_of(channel)
        return "finish" if run is None else run.state

    def _test_of(self, channel: Channel) -> int:
        return 0 if self._run_of(channel) is None else self.test_id

    def _devices(self) -> Devices:
        idle = self.run is None or not self.run.running
        return Devices(
            (Server("127.0.0.1", 3306),),
            tuple(DeviceChannel(each, idle or not self._is_live(each)) for each in self.channels)
            if self._devices_running
            else (),
        )

    def _reading(self, t_ns: int, channel: Channel, aux: int, barcode: bool) -> Reading:
        if not self._is_live(channel):
            state, no_barcode = self._state(channel), "" if barcode else None
            nothing = (0.0,) * 6
            return Reading(channel, 1, None, None, state, no_barcode, *nothing, open_or_close=0, log_code=0, aux=aux)
        if self._shown is None or t_ns - self._shown[0] >= self._refresh_ns:
            self._shown = (t_ns, self._measured(t_ns, channel))
        reading = self._shown[1]
        return replace(reading, channel=channel, barcode=self.barcode if barcode else None, aux=aux)

    def _measured(self, t_ns: int, channel: Channel) -> Reading:
        meters, run = self.part.reading(t_ns), self.run
        if run is None or not run.running:
            state = "finish" if run is None else run.state
            idle = (round(meters.current_a, 4), round(meters.voltage_v, 4), 0.0, 0.0, 0.0, 0.0)
            return Reading(channel, 1, None, None, state, None, *idle, open_or_close=0, log_code=0)
        kind = run.kind or ""
        return Reading(
            channel,
            run.cycle,
            run.step,
            step_type(kind),
            run.state,
            None,
            # Four decimals, and tenths of a second, as captured.
            round(meters.current_a, 4),
            round(meters.voltage_v, 4),
            round(run.step_ah, 4),
            round(run.step_wh, 4),
            (t_ns - run.began_ns) // 100_000_000 / 10,
            run.step_time_ns(t_ns) // 100_000_000 / 10,
            0,
            _LOG_WORKING,
        )

    def _count(self, channel: Channel) -> DataCount:
        run = self._run_of(channel)
        if run is None:
            return DataCount(channel, 0, 0, complete=True)
        return DataCount(channel, self.test_id, len(run.rows), complete=not run.running)

    # ------------------------------------------------------------- obeying

    def _start(self, t_ns: int, job: Job) -> bool:
        """Whether it starts: an idle channel of this cycler, and a step file that can be run."""
        if not self._is_live(job.channel) or (self.run is not None and self.run.running):
            return False
        try:
            program = from_neware_xml(self._read_file(job.path), job.path)
        except InputError:
            return False
        self.test_id += 1
        self.barcode, self._flagged, self._shown = job.barcode, False, None
        self.run = StepRunner(self.part, program, t_ns)
        return True

    def _obey(self, t_ns: int, request: ChannelAction, channel: Channel) -> bool:
        """Whether a channel does what it is told."""
        if request.command == "light":
            (self.lit.add if request.on else self.lit.discard)(channel)
            return self._exists(channel)
        run = self._run_of(channel)
        if run is None:
            return False
        self._shown = None
        match request.command:
            case "stop":
                was_running = run.running
                run.stop(t_ns)
                return was_running
            case "continue":
                return run.resume(t_ns)
            case "goto":
                return run.jump(t_ns, request.step)
            case _:
                was_flagged, self._flagged = self._flagged, False
                return was_flagged

    # ------------------------------------------------------------- records

    def _rows(self, channel: Channel, test_id: int) -> list[Point]:
        """Those of the newest test; older ones are not kept."""
        run = self._run_of(channel)
        return [] if run is None or test_id not in (0, self.test_id) else run.rows


class _Session:
    """One client's connection: its own framing."""

    def __init__(self, device: NewareBtsDevice) -> None:
        self._device = device
        self._buffer = bytearray()

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        buffer, device = self._buffer, self._device
        buffer += data
        if device.silent is not None and device.silent(t_ns):
            buffer.clear()
            return b""
        replies = bytearray()
        while (request := take_request(buffer)) is not None:
            replies += reply_frame(device.answer(t_ns, request))
        return bytes(replies)

    def tick(self, t_ns: int) -> int | None:
        return self._device.tick(t_ns)


def _make(playing: Playing) -> NewareBtsDevice:
    return NewareBtsDevice(
        playing.cycler,
        channels=max(int(playing.option("channels", 1)), 1),
        subdevid=int(playing.option("subdevid", 1)),
        unit_mistake=playing.option("unit_mistake", 0) != 0,
        documented=playing.option("documented", 0) != 0,
        refresh_ns=round(playing.option("refresh_s", 0) * 1e9),
        devices_running=playing.option("running", 1) != 0,
        silent=playing.silent,
    )


play_neware_bts8 = Player(
    _make,
    {
        "channels": "how many channels there are (1); the first has the pack",
        "subdevid": "their unit's number (1)",
        "unit_mistake": "1: status replies say unit 1 whatever was asked",
        "documented": "1: download_resp as documented, instead of donwload_resp as captured",
        "refresh_s": "seconds between two measurements handed out (0: always a new one)",
        "running": "0: no device is running in the BTS client",
    },
)
