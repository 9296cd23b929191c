"""Neware BTS 8: a cycler that is handed a step program and runs it by itself.

Owns the order of messages that a test takes (log in, find the channel, put the step file where the BTS
client reads it, start, watch, fetch rows) and what the device's words mean in ours. Must not retry, sleep
or read a clock, and steps nothing: what the cycler does next is in the program alone.

The BTS client loads a step file by its path; no message carries one. So `upload` writes it into a folder
that both machines see (`program_directory`), and `start` names it as the client's machine does
(`program_path`).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any, Final, TypeVar

from packbench.core.errors import BadReply, DeviceRefused, InputError, Problem
from packbench.core.samples import CyclerSample, ProgramState, ProgramStatus, Quality
from packbench.core.step_program import CccvStep, StepProgram
from packbench.drivers.protocols import Identity, ProgramRow
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.neware.frames import NewareRefused
from packbench.wire.neware.replies import (
    DataCounts,
    Devices,
    NewareReply,
    Reading,
    Readings,
    Row,
    Rows,
    Statuses,
)
from packbench.wire.neware.requests import (
    MAX_ROWS,
    Channel,
    ChannelAction,
    Connect,
    Download,
    GetDevices,
    GetStatus,
    Inquire,
    InquireData,
    Job,
    NewareRequest,
    Start,
)
from packbench.wire.neware.steps import to_neware_xml

_STATUS: Final[dict[str, ProgramStatus]] = {
    "working": "running",
    "pause": "paused",
    "finish": "finished",
    "stop": "idle",
    "protect": "protected",
    # Of the BTSAPI's own table, never captured; what each is counted as is the safe side of its name.
    "waitStart": "running",
    "synCtrl": "running",
    "waitTimeOut": "protected",
    "ligth": "idle",
}
_STARTABLE: Final = ("finish", "stop", "protect")
"""aurora-neware starts from these alone."""
_KINDS: Final = {
    "cc": "cc_charge",
    "dc": "cc_discharge",
    "cv": "cv_charge",
    "dv": "cv_discharge",
    "cccv": "cccv_charge",
    "cccd": "cccv_discharge",
    "cp": "cp_charge",
    "dp": "cp_discharge",
    "dr": "cr_discharge",
}
"""The device's step types in the words of a profile; `rest`, `pause` and all others are the same in both."""
_REGULATION: Final = {"cv": "cv", "dv": "cv", "cp": "cp", "dp": "cp", "cr": "cr", "dr": "cr"}
_NO_CURRENT: Final = ("rest", "pause", "end")
_MODELS: Final = {
    20: "BTS78",
    21: "BTS79",
    22: "BTS80",
    23: "BTS81",
    24: "BTS82",
    25: "BTS83",
    26: "BTS84",
    27: "BTS85",
}
"""Device types by number, as public clients of the BTSAPI list them."""
_STOP_LOOKS: Final = 3
"""How often the status is asked for after an accepted stop: how long a channel takes to show it is not documented."""
_CC_SHARE: Final = 0.99
"""A CC-CV step with less than this share of its current has passed over to its voltage."""

ReplyT = TypeVar("ReplyT", bound=NewareReply)


class NewareBts:
    """`protocols.ProgrammedCycler` of one channel of a BTS 8.

    Args:
        device: The device file `neware-bts8`.
        link: The connection to the BTS client.
        unit: Not used: a channel has four numbers, see the option `channel`.
        settings: The bench file's: the device file's options by name.
    """

    def __init__(
        self,
        device: DeviceType,
        link: Link[NewareRequest, NewareReply],
        unit: int,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        options = {**device.options, **(settings or {})}
        self._device = device
        self._link = link
        self._wanted = _channel_option(str(options["channel"]))
        self._barcode = str(options["barcode"])
        self._directory = str(options["program_directory"])
        self._path = str(options["program_path"]) or self._directory
        self._found: Channel | None = None
        self._program: StepProgram | None = None
        self._old_test: int | None = None
        """The channel's newest test before ours was started; its rows are nobody's business."""
        self._measured: tuple[float | None, int] = (None, 0)
        """The test's time at the newest measurement, and when that was first seen."""
        self._acknowledged = False
        """What stopped the test before ours is known, and no news until ours is seen to run."""

    async def identify(self) -> Identity:
        """Log in and find the channel.

        Raises DeviceRefused when no device runs in the BTS client, InputError when the channel that is wanted is
        not there, or several are and the bench file names none.
        """
        await self._link.exchange(Connect())
        devices = await self._ask(GetDevices(), Devices)
        channels = [item.channel for item in devices.channels]
        if not channels:
            raise DeviceRefused("Neware BTS: no device is running in the BTS client")
        matching = [each for each in channels if self._wanted in ((), _numbers(each), _numbers(each)[1:])]
        if len(matching) != 1:
            names = ["-".join(map(str, _numbers(each))) for each in channels]
            expected = f"one of {', '.join(names[:16])}{', ...' if len(names) > 16 else ''}"
            found = "-".join(map(str, self._wanted)) or "nothing"
            raise InputError(Problem("which channel?", field="channel", found=found, expected=expected))
        self._found = channel = matching[0]
        model = _MODELS.get(channel.devtype, f"type {channel.devtype}")
        return Identity(f"Neware {model}", channel.pipeline, devices.client_version or "")

    async def prepare(self) -> None:
        """Stop what runs (or might, for all that its word says), and acknowledge what stopped it."""
        if self._found is None:
            await self.identify()
        state = _STATUS.get(await self._state(), "running")
        if state in ("running", "paused"):
            await self.stop()
        elif state == "protected":
            await self._acknowledge()
            self._acknowledged = True

    async def upload(self, program: StepProgram) -> None:
        """Write the step file. Raises InputError when there is nowhere to write it, or it cannot be written.

        A write on the loop's own time: it takes as long as the folder does, and nothing is switched on yet.
        """
        if not self._directory:
            expected = "the folder that this machine and the BTS client's both see"
            raise InputError(Problem("", field="program_directory", found="nothing", expected=expected))
        path = Path(self._directory) / self._file_name
        try:
            path.write_text(to_neware_xml(program), encoding="utf-8")
        except OSError as error:
            place = Problem("the step file cannot be written", field="program_directory", found=str(path))
            raise InputError(place) from error
        self._program = program

    async def start(self) -> None:
        """Run the uploaded program. Raises DeviceRefused when the channel is busy, or refuses the step file."""
        assert self._program is not None, "upload comes first"
        state = await self._state()
        if state not in _STARTABLE:
            raise DeviceRefused(f"Neware BTS: a test starts from {', '.join(_STARTABLE)}, and the channel says {state}")
        self._old_test = (await self._count())[0]
        self._measured = (None, 0)
        await self._link.exchange(Start((Job(self._channel, self._barcode, self._path_there),)))

    async def stop(self) -> None:
        """Stop, and look that it did; a channel that refuses because nothing runs there is stopped.

        Raises BadReply for one that accepts it and still runs.
        """
        try:
            await self._link.exchange(ChannelAction("stop", (self._channel,)), urgent=True)
        except NewareRefused:
            if await self._is_busy():
                raise
            return
        for _ in range(_STOP_LOOKS):
            if not await self._is_busy():
                return
        raise BadReply("Neware BTS: the stop was accepted, but the channel still runs")

    async def status(self) -> ProgramStatus:
        """What it is doing. Raises BadReply for a word that nobody knows."""
        return _known(await self._state())

    async def read(self) -> CyclerSample:
        """One reading, with the state of the program. Raises BadReply as `status` does.

        The client hands out its newest measurement, which may be seconds old: as long as the test's own time
        stands still while the channel works, a sample keeps the instant at which its measurement was first seen.
        """
        reply = await self._link.exchange(Inquire((self._channel,)))
        reading = self._of(reply.value, Readings).items[0]
        t_ns = reply.t_ns
        if reading.status == "working" and reading.total_time_s is not None:
            if reading.total_time_s == self._measured[0]:
                t_ns = self._measured[1]
            else:
                self._measured = (reading.total_time_s, t_ns)
        on = reading.status == "working" and reading.step_type not in (None, *_NO_CURRENT)
        complete = reading.voltage_v is not None and reading.current_a is not None
        program = self._program_state(reading)
        return CyclerSample(
            t_ns,
            nan if reading.voltage_v is None else reading.voltage_v,
            nan if reading.current_a is None else reading.current_a,
            on,
            self._regulation(reading) if on else "off",
            _alarms(reading) if program.status == "protected" else (),
            Quality.GOOD if complete else Quality.IMPLAUSIBLE,
            program,
        )

    async def rows(self, after: int) -> tuple[ProgramRow, ...]:
        """Rows of the started test with a number above `after`, 1000 at the most; none while it has none."""
        test, count = await self._count()
        if test == self._old_test or count <= after:
            return ()
        reply = await self._ask(Download(self._channel, after + 1, min(count - after, MAX_ROWS)), Rows)
        if reply.test_id != test:
            raise BadReply(f"Neware BTS: rows of test {reply.test_id}, where {test} is the newest")
        return tuple(_row(row) for row in reply.rows)

    # ------------------------------------------------------------------ inside

    @property
    def _channel(self) -> Channel:
        assert self._found is not None, "identify comes first"
        return self._found

    @property
    def _file_name(self) -> str:
        return f"packbench-{self._channel.pipeline}.xml"

    @property
    def _path_there(self) -> str:
        """The step file as the BTS client's machine names it."""
        separator = "\\" if "\\" in self._path else "/"
        return self._path.rstrip("/\\") + separator + self._file_name

    async def _ask(self, request: NewareRequest, kind: type[ReplyT], *, urgent: bool = False) -> ReplyT:
        return self._of((await self._link.exchange(request, urgent=urgent)).value, kind)

    @staticmethod
    def _of(reply: NewareReply, kind: type[ReplyT]) -> ReplyT:
        """The codec gives each request its own kind of reply."""
        assert isinstance(reply, kind)
        return reply

    async def _state(self, *, urgent: bool = False) -> str:
        """The channel's own word."""
        return (await self._ask(GetStatus((self._channel,)), Statuses, urgent=urgent)).items[0].status

    async def _is_busy(self) -> bool:
        """Whether a test runs or waits to go on; a word that nobody knows might mean it."""
        return _STATUS.get(await self._state(urgent=True), "running") in ("running", "paused")

    async def _count(self) -> tuple[int, int]:
        """The newest test's number, and how many rows it has."""
        item = (await self._ask(InquireData((self._channel,)), DataCounts)).items[0]
        return item.test_id, item.count

    async def _acknowledge(self) -> None:
        """Clear the flag; a channel with nothing to clear says no (captured), and that is fine."""
        try:
            await self._link.exchange(ChannelAction("clearflag", (self._channel,)))
        except NewareRefused:
            return

    def _program_state(self, reading: Reading) -> ProgramState:
        """Where the program stands. A protection that `prepare` has acknowledged is that of a test before ours."""
        status = _known(reading.status)
        if status == "running":
            self._acknowledged = False
        elif status == "protected" and self._acknowledged:
            status = "idle"
        return ProgramState(status, reading.step_id, reading.cycle_id or 1, reading.step_time_s)

    def _regulation(self, reading: Reading) -> str:
        """Which quantity is held; of a CC-CV step that is seen from how much of its current still flows."""
        known = _REGULATION.get(reading.step_type or "")
        if known is not None or reading.step_type != "cccv" or self._program is None or reading.step_id is None:
            return known or "cc"
        steps = self._program.steps
        step = steps[reading.step_id - 1] if 1 <= reading.step_id <= len(steps) else None
        if isinstance(step, CccvStep) and (reading.current_a or 0.0) < _CC_SHARE * step.current_a:
            return "cv"
        return "cc"


def _numbers(channel: Channel) -> tuple[int, ...]:
    return channel.devtype, channel.devid, channel.subdevid, channel.chlid


def _channel_option(text: str) -> tuple[int, ...]:
    """`27-21-1-8`, `21-1-8`, or nothing for the only one there is. Raises InputError."""
    if not text:
        return ()
    parts = text.split("-")
    if len(parts) not in (3, 4) or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        expected = "device, unit and channel as in 21-1-8, the device type before them or not"
        raise InputError(Problem("", field="channel", found=repr(text), expected=expected))
    return tuple(int(part) for part in parts)


def _known(state: str) -> ProgramStatus:
    """A channel's word as ours. Raises BadReply for one that nobody knows: it might mean that current flows."""
    known = _STATUS.get(state)
    if known is None:
        raise BadReply(f"Neware BTS: the channel says {state[:40]!r}, a state that is not known here")
    return known


def _alarms(reading: Reading) -> tuple[str, ...]:
    """What stopped a protected channel is a code that only the vendor's list explains."""
    return ("protection", *((f"log_code_{reading.log_code}",) if reading.log_code else ()))


def _row(row: Row) -> ProgramRow:
    sign = -1.0 if row.step_type in ("dc", "dv", "cccd", "dp", "dr") else 1.0
    return ProgramRow(
        row.seq_id,
        row.step_id,
        row.cycle_id,
        _KINDS.get(row.step_type, row.step_type),
        row.step_time_ms / 1000.0,
        row.voltage_v,
        row.current_a,
        sign * row.capacity_ah,
        sign * row.energy_wh,
    )
