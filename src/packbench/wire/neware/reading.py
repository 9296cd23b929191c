"""The replies of a Neware BTS 8 client, read from their XML.

Owns which message is the answer to which request, and what its attributes mean. Must not know framing
(`wire/neware/frames.py`).

Traps, each from the responses captured from a real BTS 8.0 or a comment of the client they belong to:
- `subdevid` sometimes comes back as 1 whatever was asked: channels are matched by their order, and the
  channel that was asked for is the one in the value. The client's own example of `start` shows a `chlid`
  of 0 for channel 1. Anything else that differs makes it another question's answer.
- The reply to `download` calls itself `donwload_resp`, that to `downloadlog` `donwloadlog_resp`; the
  vendor's document spells them right. Both are taken; `misspelt` keeps which it was.
- `--` stands for none, and `step_id` is left out when no step runs.
- `middle count="0"`: no device is running in the BTS client. `count` is otherwise not believed: a reply
  with two elements was captured that says 1.
- `testtime` and `steptime` are milliseconds since the step began; `totaltime` and `relativetime` seconds.

Source: github.com/EmpaEconversion/aurora-neware, tests/mocks.py and aurora_neware/neware.py (MIT).
"""

from __future__ import annotations

import re
from typing import Final

from packbench.wire.neware.replies import (
    REPLY_NAMES,
    Acknowledged,
    ChannelStatus,
    Connected,
    DataCount,
    DataCounts,
    DeviceChannel,
    Devices,
    Extra,
    LogEntries,
    LogEntry,
    NewareReply,
    Reading,
    Readings,
    Row,
    Rows,
    Server,
    Statuses,
    Steps,
    StepSummary,
)
from packbench.wire.neware.requests import (
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
    NewareRequest,
    Start,
    channel_of,
)
from packbench.wire.neware.xml import (
    ABSENT,
    Element,
    maybe_number,
    maybe_whole,
    number,
    required,
    text_of,
    whole,
)


def reply_from(request: NewareRequest, root: Element) -> NewareReply | None:
    """The reply of a parsed message whose `<cmd>` fits the request; None: it is about other channels or rows.

    Raises ValueError for a reply that lacks something or carries what cannot be read.
    """
    match request:
        case Connect():
            result = root.find("result")
            if result is None:
                raise ValueError("it has no <result>")
            return Connected(text_of(result))
        case GetDevices():
            return _devices(root)
        case GetStatus() | Inquire() | InquireData() | Start() | ChannelAction():
            return _of_channels(request, root)
        case Download() | DownloadLog() | DownloadSteps():
            return _downloaded(request, root)


def _of_channels(
    request: GetStatus | Inquire | InquireData | Start | ChannelAction, root: Element
) -> Statuses | Readings | DataCounts | Acknowledged | None:
    """The reply to a request about a list of channels; None when it is about others."""
    elements = root.findall(f"list/{_TAGS.get(request.command, request.command)}")
    if len(elements) != len(request.channels):
        return None
    pairs = list(zip(request.channels, elements, strict=True))
    if not all(_is_about(channel, element, request.command) for channel, element in pairs):
        return None
    match request:
        case GetStatus():
            return Statuses(
                tuple(ChannelStatus(each, text_of(item), maybe_whole(item, "reservepause")) for each, item in pairs)
            )
        case Inquire():
            return Readings(tuple(_reading(each, item) for each, item in pairs))
        case InquireData():
            return DataCounts(tuple(_data_count(each, item) for each, item in pairs))
        case Start() | ChannelAction():
            return Acknowledged(request.command, tuple((each, text_of(item) == "ok") for each, item in pairs))


def _is_about(channel: Channel, element: Element, command: str) -> bool:
    """Whether an element speaks of a channel, the numbers that come back wrong being passed over."""
    found = joint_channel(element)[0] if element.get("dev") is not None else channel_of(element)
    return (
        (found.devtype, found.devid) == (channel.devtype, channel.devid)
        and found.subdevid in (channel.subdevid, 1)
        and (found.chlid == channel.chlid or (command == "start" and found.chlid == 0))
    )


def joint_channel(element: Element) -> tuple[Channel, int]:
    """The channel and the auxiliary number in `dev="27-21-1-8-0"`. Raises ValueError."""
    joint = required(element, "dev")
    if (found := _JOINT.fullmatch(joint)) is None:
        raise ValueError(f"dev is {joint[:60]!r}, not five numbers")
    devtype, devid, subdevid, chlid, aux = (int(part) for part in found.groups())
    return Channel(devtype, devid, subdevid, chlid), aux


def _devices(root: Element) -> Devices:
    middle = root.find("middle")
    if middle is None:
        raise ValueError("it has no <middle>")
    client = root.find("client")
    return Devices(
        tuple(Server(required(item, "ip"), whole(item, "port")) for item in root.findall("serverip/server")),
        tuple(
            DeviceChannel(
                # The one command that calls it Channelid.
                Channel(*(whole(item, name) for name in _DEVICE_NUMBERS), ip=required(item, "ip")),
                text_of(item) == "true",
            )
            for item in middle.findall("channel")
        ),
        None if client is None else client.get("version"),
    )


def _reading(channel: Channel, item: Element) -> Reading:
    step_type = item.get("step_type", ABSENT)
    return Reading(
        channel,
        maybe_whole(item, "cycle_id"),
        maybe_whole(item, "step_id"),
        None if step_type == ABSENT else step_type,
        required(item, "workstatus"),
        item.get("barcode"),
        *(maybe_number(item, name) for name in _READING_NUMBERS),
        open_or_close=maybe_whole(item, "open_or_close"),
        log_code=maybe_whole(item, "log_code"),
        aux=joint_channel(item)[1],
        extra=_others(item, _READING_NAMES),
    )


def _data_count(channel: Channel, item: Element) -> DataCount:
    return DataCount(channel, whole(item, "testid"), whole(item, "count"), text_of(item) == "true")


def _downloaded(request: Download | DownloadLog | DownloadSteps, root: Element) -> Rows | LogEntries | Steps | None:
    head = root.find("downloadStepLayer" if isinstance(request, DownloadSteps) else "download")
    if head is None:
        raise ValueError("it does not say what was downloaded")
    if not _is_about(request.channel, head, request.command):
        return None
    test_id = whole(head, "testid")
    command = root.find("cmd")
    misspelt = command is not None and text_of(command) == REPLY_NAMES.get(request.command, ("",))[0]
    data = root.findall("list/data")
    match request:
        case DownloadLog(channel):
            entries = tuple(
                LogEntry(whole(item, "seqid"), whole(item, "log_code"), required(item, "atime")) for item in data
            )
            return LogEntries(channel, test_id, entries, misspelt)
        case DownloadSteps(channel):
            return Steps(channel, test_id, tuple(_step_summary(item) for item in data))
        case Download(channel):
            start, count = whole(head, "startpos"), whole(head, "count")
            if (start, count) != (request.start, request.count) or (request.test_id and test_id != request.test_id):
                return None
            rows = tuple(_row(item) for item in data)
            expected = start
            for row in rows:
                if row.seq_id < expected or row.seq_id >= start + count:
                    raise ValueError(f"row {row.seq_id} where {expected} was due")
                expected = row.seq_id + 1
            return Rows(channel, test_id, start, count, rows, maybe_whole(head, "auxid") or 0, misspelt)


def _row(item: Element) -> Row:
    return Row(
        *(whole(item, name) for name in ("seqid", "stepid", "cycleid")),
        step_type=required(item, "steptype"),
        step_time_ms=whole(item, "testtime"),
        wall_time=required(item, "atime"),
        voltage_v=number(item, "volt"),
        current_a=number(item, "curr"),
        capacity_ah=number(item, "cap"),
        energy_wh=number(item, "eng"),
        extra=_others(item, _ROW_NAMES),
    )


def _step_summary(item: Element) -> StepSummary:
    first, last, index, step_id, cycle_id, duration_ms = (whole(item, name) for name in _STEP_WHOLES)
    start_v, end_v, start_a, end_a, capacity_ah, energy_wh, dcir = (number(item, name) for name in _STEP_NUMBERS)
    return StepSummary(
        first,
        last,
        index,
        step_id,
        cycle_id,
        required(item, "steptype"),
        duration_ms,
        required(item, "endatime"),
        start_v,
        end_v,
        start_a,
        end_a,
        capacity_ah,
        energy_wh,
        dcir,
    )


def _others(item: Element, known: frozenset[str]) -> Extra:
    return tuple((name, value) for name, value in item.attrib.items() if name not in known)


_JOINT: Final = re.compile("-".join([r"([0-9]{1,19})"] * 5))
_TAGS: Final = {"getchlstatus": "status", "inquiredf": "chl"}
"""What a command calls its channels, where that is not its own name."""
_DEVICE_NUMBERS: Final = ("devtype", "devid", "subdevid", "Channelid")
_READING_NUMBERS: Final = ("current", "voltage", "capacity", "energy", "totaltime", "relativetime")
_READING_NAMES: Final = frozenset(
    ("dev", "cycle_id", "step_id", "step_type", "workstatus", "barcode", *_READING_NUMBERS, "open_or_close", "log_code")
)
_ROW_NAMES: Final = frozenset(
    ("seqid", "stepid", "cycleid", "steptype", "testtime", "atime", "volt", "curr", "cap", "eng")
)
_STEP_WHOLES: Final = ("startseqid", "endseqid", "stepindex", "stepid", "cycleid", "steptime")
_STEP_NUMBERS: Final = ("startvolt", "endvolt", "startcurr", "endcurr", "cap", "eng", "dcir")
