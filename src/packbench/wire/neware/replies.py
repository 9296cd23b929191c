"""What a Neware BTS 8 client answers: one frozen dataclass a reply, in SI units.

Owns the values. Their XML is read by `wire/neware/reading.py` and written by `wire/neware/writing.py`.
Positive current charges, as on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from packbench.wire.neware.requests import Channel

Extra = tuple[tuple[str, str], ...]
"""Attributes that are not among those named here, as they stand: auxiliary channels (`T1`, `V1`)."""


@dataclass(frozen=True, slots=True)
class Connected:
    """Reply to `connect`."""

    result: str
    """`ok`, or why not."""


@dataclass(frozen=True, slots=True)
class Server:
    """A database server behind the client."""

    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class DeviceChannel:
    """A channel that exists."""

    channel: Channel
    idle: bool
    """True where the capture's channels were finished, False where they worked."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Reply to `getdevinfo`."""

    servers: tuple[Server, ...]
    channels: tuple[DeviceChannel, ...]
    client_version: str | None = None
    """Only newer clients state it."""


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One channel's state."""

    channel: Channel
    status: str
    """`working`, `stop`, `finish`, `protect` or `pause`; the vendor's document knows a few more."""
    reserve_pause: int | None


@dataclass(frozen=True, slots=True)
class Statuses:
    """Reply to `getchlstatus`, in the order asked."""

    items: tuple[ChannelStatus, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One channel's newest measurement. SI units; current is negative while discharging."""

    channel: Channel
    cycle_id: int | None
    step_id: int | None
    step_type: str | None
    """`cc`, `dc` (discharge), `cv`, `rest`, ...; None when no step runs."""
    status: str
    barcode: str | None
    """None unless asked for."""
    current_a: float | None
    voltage_v: float | None
    capacity_ah: float | None
    """Of the step, a magnitude."""
    energy_wh: float | None
    total_time_s: float | None
    step_time_s: float | None
    open_or_close: int | None
    log_code: int | None
    aux: int = 0
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class Readings:
    """Reply to `inquire`, in the order asked."""

    items: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class DataCount:
    """How much a test has recorded."""

    channel: Channel
    test_id: int
    count: int
    """Rows, numbered from 1."""
    complete: bool
    """Nothing more will come."""


@dataclass(frozen=True, slots=True)
class DataCounts:
    """Reply to `inquiredf`, in the order asked."""

    items: tuple[DataCount, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Reply to `start` and to every order: whether each channel obeys, in the order asked."""

    command: str
    items: tuple[tuple[Channel, bool], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded point. SI units; current is negative while discharging."""

    seq_id: int
    """From 1."""
    step_id: int
    cycle_id: int
    step_type: str
    step_time_ms: int
    """Since the step began."""
    wall_time: str
    """Local time of the BTS client's machine, no zone stated."""
    voltage_v: float
    current_a: float
    capacity_ah: float
    """Of the step, a magnitude."""
    energy_wh: float
    extra: Extra = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """Reply to `download`."""

    channel: Channel
    test_id: int
    start: int
    count: int
    """As asked; fewer rows come where the test has no more."""
    rows: tuple[Row, ...]
    aux: int = 0
    misspelt: bool = True


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event of a test. What the codes mean is in a file of the vendor's; 100000 began the captured test."""

    seq_id: int
    log_code: int
    wall_time: str


@dataclass(frozen=True, slots=True)
class LogEntries:
    """Reply to `downloadlog`."""

    channel: Channel
    test_id: int
    entries: tuple[LogEntry, ...]
    misspelt: bool = True


@dataclass(frozen=True, slots=True)
class StepSummary:
    """One step that was run. SI units."""

    first_seq_id: int
    last_seq_id: int
    index: int
    """Counts the steps run, from 1."""
    step_id: int
    cycle_id: int
    step_type: str
    duration_ms: int
    end_wall_time: str
    start_voltage_v: float
    end_voltage_v: float
    start_current_a: float
    end_current_a: float
    capacity_ah: float
    energy_wh: float
    dcir: float


@dataclass(frozen=True, slots=True)
class Steps:
    """Reply to `downloadStepLayer`."""

    channel: Channel
    test_id: int
    steps: tuple[StepSummary, ...]


NewareReply = Connected | Devices | Statuses | Readings | DataCounts | Acknowledged | Rows | LogEntries | Steps

REPLY_NAMES: Final = {
    "download": ("donwload_resp", "download_resp"),
    "downloadlog": ("donwloadlog_resp", "downloadlog_resp"),
}
"""Both spellings, the captured one first; every other reply is its command and `_resp`."""


def answers(command: str, reply_command: str) -> bool:
    """Whether a reply's `<cmd>` belongs to a command."""
    return reply_command in REPLY_NAMES.get(command, (f"{command}_resp",))
