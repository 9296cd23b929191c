r"""Neware BTS 8: XML documents over TCP (port 502, and it is not Modbus), one request, one reply.

Owns framing and the codecs of both sides. A document ends with `</bts>` and `\n\n#\r\n`; some clients
leave the two newlines out, so any space passes there. There is no transaction id and no checksum: an
answer is recognised by its command and by the channels and rows it speaks of, and a whole document that
answers something else is dropped and counted. The step program that a cycler of this kind runs is
`wire/neware/steps.py`. Must not do I/O, wait or retry.

Source: github.com/EmpaEconversion/aurora-neware 0.2.3 (MIT), `NewareAPI.command`, and the responses of a
real BTS 8.0 in its tests.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from packbench.core.errors import BadReply, DeviceRefused
from packbench.wire.counters import LineCounters
from packbench.wire.explained import Direction, Explained
from packbench.wire.neware.reading import joint_channel, reply_from
from packbench.wire.neware.replies import REPLY_NAMES, Acknowledged, Connected, NewareReply, Readings, answers
from packbench.wire.neware.requests import (
    ACTIONS,
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
    channel_of,
    request_body,
    request_from,
)
from packbench.wire.neware.writing import reply_text
from packbench.wire.neware.xml import Element, parse_xml, text_of, whole

TERMINATOR: Final = b"\n\n#\r\n"
MAX_REPLY: Final = 1 << 21
"""Bytes of a reply at the most: 1000 rows take about 250,000."""
MAX_REQUEST: Final = 1 << 18
"""Bytes of a request at the most: a start of 720 channels, the most a client handles, takes about 180,000."""

_END: Final = re.compile(rb"</bts>[ \t\r\n]{0,16}#\r\n")
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" ?><bts version="1.0">'


class NewareRefused(DeviceRefused):
    """The device's own no: a login that failed, or channels that do not obey."""

    def __init__(self, request: NewareRequest, reply: Connected | Acknowledged) -> None:
        if isinstance(reply, Connected):
            text = f"{request.describe()}: refused with {reply.result[:60]!r}"
        else:
            refused = ", ".join(channel.pipeline for channel, ok in reply.items if not ok)
            text = f"{reply.command} refused by channel {refused}"
        super().__init__(text)
        self.reply = reply


@dataclass(slots=True)
class NewareCodec:
    """`transport.link.Codec` for the host's side."""

    counters: LineCounters = field(default_factory=LineCounters)

    def encode(self, request: NewareRequest) -> bytes:
        """The bytes of one request. Raises ValueError for text that XML cannot carry."""
        return f"{_HEAD}{request_body(request)}</bts>".encode() + TERMINATOR

    def decode(self, request: NewareRequest, buffer: bytearray) -> NewareReply | None:
        """Take the answer to `request` from `buffer`; see `transport.link.Codec`.

        A document that cannot be read is passed over while another follows it, and raised as BadReply when none
        does: it can only have been the answer. Raises NewareRefused for the device's own no.
        """
        unreadable: ValueError | None = None
        while (document := _cut(buffer, MAX_REPLY, self.counters)) is not None:
            try:
                reply = self._reply(request, document)
            except ValueError as exc:
                self.counters.crc_errors += 1
                unreadable = exc
                continue
            if reply is None:
                self.counters.foreign_frames += 1
                continue
            if isinstance(reply, Connected) and reply.result != "ok":
                raise NewareRefused(request, reply)
            if isinstance(reply, Acknowledged) and not all(ok for _, ok in reply.items):
                raise NewareRefused(request, reply)
            return reply
        if unreadable is not None:
            raise BadReply(f"{request.describe()}: the reply cannot be read: {unreadable}") from unreadable
        return None

    @staticmethod
    def _reply(request: NewareRequest, document: bytes) -> NewareReply | None:
        root, command = _message(document)
        return reply_from(request, root) if answers(request.command, command) else None


def take_request(buffer: bytearray) -> NewareRequest | None:
    """Device side: the next request that can be read; documents that cannot, and noise, are dropped.

    What a BTS client does about a request that it does not understand is not known; here it is not answered.
    """
    counters = LineCounters()
    while (document := _cut(buffer, MAX_REQUEST, counters)) is not None:
        try:
            return request_from(_message(document)[0])
        except ValueError:
            continue
    return None


def reply_frame(reply: NewareReply) -> bytes:
    """Device side: the bytes of a reply. Raises ValueError for text that XML cannot carry."""
    return reply_text(reply).encode() + TERMINATOR


def _cut(buffer: bytearray, most_bytes: int, counters: LineCounters) -> bytes | None:
    """The next document, without its terminator; what stands before it is noise. None: not complete yet."""
    end = _END.search(buffer)
    if end is None:
        drop = len(buffer) - most_bytes
        if drop > 0:
            counters.noise_bytes += drop
            del buffer[:drop]
        return None
    last = end.start() + len(b"</bts>")
    # The last beginning before the end: a document that broke off in front of it costs only itself.
    start = max(buffer.rfind(b"<?xml", 0, last), 0)
    if start == 0 and not buffer.startswith(b"<?xml"):
        start = max(buffer.rfind(b"<bts", 0, last), 0)
    counters.noise_bytes += start
    document = bytes(buffer[start:last])
    del buffer[: end.end()]
    return document


def _message(document: bytes) -> tuple[Element, str]:
    """The parsed document and its command. Raises ValueError."""
    root = parse_xml(document, MAX_REPLY)
    command = root.find("cmd")
    if root.tag != "bts" or command is None:
        raise ValueError("it is no <bts> with a <cmd>")
    return root, text_of(command)


# ----------------------------------------------------------------------- explaining


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a captured document says; a lone reading also under the names of the samples' vocabulary.

    Raises BadReply for bytes that are no such document, and for one that says it in another form than the reference
    client or a BTS 8.0 does: then it is not shown what would be lost.
    """
    buffer = bytearray(frame)
    document = _cut(buffer, MAX_REPLY, LineCounters())
    if document is None or buffer:
        raise BadReply(f"{len(frame)} bytes are not one document with its terminator")
    try:
        root, command = _message(document)
        if direction == "request":
            request = request_from(root)
            found = Explained({"command": command, **asdict(request)}, NewareCodec().encode(request))
        else:
            found = _explain_reply(root, command)
    except ValueError as exc:
        raise BadReply(f"a document that cannot be read: {exc}") from exc
    if found.again != frame:
        raise BadReply(f"{command}: written in another form than is known here")
    return found


def _explain_reply(root: Element, command: str) -> Explained:
    """Raises ValueError."""
    reply = reply_from(_question_of(root, command), root)
    if reply is None:
        raise ValueError(f"{command}: its parts do not fit together")
    values: dict[str, Any] = {"command": command, **asdict(reply)}
    if isinstance(reply, Readings) and len(reply.items) == 1:
        only = reply.items[0]
        values |= {
            name: value
            for name in ("voltage_v", "current_a", "capacity_ah", "energy_wh")
            if (value := getattr(only, name)) is not None
        }
    return Explained(values, reply_frame(reply))


def _question_of(root: Element, reply_command: str) -> NewareRequest:
    """A request that this reply would answer. Raises ValueError."""
    if not reply_command.endswith("_resp"):
        raise ValueError(f"{reply_command[:40]!r} is no reply")
    command = next((name for name in REPLY_NAMES if answers(name, reply_command)), reply_command.removesuffix("_resp"))
    match command:
        case "connect":
            return Connect()
        case "getdevinfo":
            return GetDevices()
        case "getchlstatus":
            return GetStatus(tuple(channel_of(item) for item in root.iterfind("list/status")))
        case "inquire":
            return Inquire(tuple(joint_channel(item)[0] for item in root.iterfind("list/inquire")))
        case "inquiredf":
            return InquireData(tuple(channel_of(item) for item in root.iterfind("list/chl")))
        case "start":
            return Start(tuple(Job(channel_of(item), "", "") for item in root.iterfind("list/start")))
        case "download" | "downloadlog":
            head = root.find("download")
            if head is None:
                raise ValueError("it does not say what was downloaded")
            channel = channel_of(head)
            if command == "downloadlog":
                return DownloadLog(channel)
            return Download(channel, whole(head, "startpos"), whole(head, "count"))
        case "downloadStepLayer":
            head = root.find("downloadStepLayer")
            if head is None:
                raise ValueError("it does not say what was downloaded")
            return DownloadSteps(channel_of(head))
        case _:
            if command not in ACTIONS:
                raise ValueError(f"{reply_command[:40]!r} answers no command that is spoken here")
            return ChannelAction(command, tuple(channel_of(item) for item in root.iterfind(f"list/{command}")))
