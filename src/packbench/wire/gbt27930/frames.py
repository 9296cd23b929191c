"""GB/T 27930-2015 on the bus: which frame carries which message, between charger and BMS.

Owns the table of messages (group, priority, direction, period), the way from a CAN frame or a reassembled
J1939 message to its meaning and back, and `explain`. Must not know times or what follows what: that is
`drivers/gbt27930`, and its emulator. 250 kbit/s, 29-bit identifiers, charger 0x56, BMS 0xF4.

Sources: see `gbt27930_messages`. Identifiers are (priority << 26) | (PF << 16) | (destination << 8) | source.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, NamedTuple

from packbench.core.errors import BadReply
from packbench.wire.can import j1939
from packbench.wire.can.frame import DATA_MAX, CanFrame
from packbench.wire.can.slcan import END, AdapterReader, AdapterReply, HostReader, frame_line, parse_frame
from packbench.wire.explained import Direction, Explained
from packbench.wire.gbt27930.layout import LAYOUTS, decode_message, encode_message
from packbench.wire.gbt27930.messages import (
    Bcl,
    Bcp,
    Bcs,
    Bem,
    Bhm,
    Bmt,
    Bmv,
    Brm,
    Bro,
    Bsd,
    Bsm,
    Bsp,
    Bst,
    Ccs,
    Cem,
    Chm,
    Cml,
    Crm,
    Cro,
    Csd,
    Cst,
    Cts,
    GbtMessage,
    causes,
)

BITRATE: Final = 250_000
CHARGER: Final = 0x56
BMS: Final = 0xF4


class Kind(NamedTuple):
    """One message of the standard's tables 3 to 7."""

    pgn: int
    priority: int
    source: int
    period_ms: int
    """As the standard has it; BEM and CEM 250 (unsure: the tables differ)."""


KINDS: Final[dict[type[GbtMessage], Kind]] = {
    Chm: Kind(0x2600, 6, CHARGER, 250),
    Bhm: Kind(0x2700, 6, BMS, 250),
    Crm: Kind(0x0100, 6, CHARGER, 250),
    Brm: Kind(0x0200, 7, BMS, 250),
    Bcp: Kind(0x0600, 7, BMS, 500),
    Cts: Kind(0x0700, 6, CHARGER, 500),
    Cml: Kind(0x0800, 6, CHARGER, 250),
    Bro: Kind(0x0900, 4, BMS, 250),
    Cro: Kind(0x0A00, 4, CHARGER, 250),
    Bcl: Kind(0x1000, 6, BMS, 50),
    Bcs: Kind(0x1100, 7, BMS, 250),
    Ccs: Kind(0x1200, 6, CHARGER, 50),
    Bsm: Kind(0x1300, 6, BMS, 250),
    Bmv: Kind(0x1500, 7, BMS, 10_000),
    Bmt: Kind(0x1600, 7, BMS, 10_000),
    Bsp: Kind(0x1700, 7, BMS, 10_000),
    Bst: Kind(0x1900, 4, BMS, 10),
    Cst: Kind(0x1A00, 4, CHARGER, 10),
    Bsd: Kind(0x1C00, 6, BMS, 250),
    Csd: Kind(0x1D00, 6, CHARGER, 250),
    Bem: Kind(0x1E00, 2, BMS, 250),
    Cem: Kind(0x1F00, 2, CHARGER, 250),
}
_BY_GROUP: Final = {(kind.pgn, kind.source): message for message, kind in KINDS.items()}


def other(address: int) -> int:
    """The address of the other side."""
    return CHARGER if address == BMS else BMS


def frame_of(message: GbtMessage) -> CanFrame:
    """The frame of a message of up to 8 bytes.

    Raises:
        ValueError: It is longer (`payload_of` and the transport protocol carry it), or cannot be encoded.
    """
    kind, payload = payload_of(message)
    if len(payload) > DATA_MAX:
        raise ValueError(f"{type(message).__name__.upper()} of {len(payload)} bytes does not fit a frame")
    return CanFrame(j1939.pack_id(kind.priority, kind.pgn, other(kind.source), kind.source), payload)


def payload_of(message: GbtMessage) -> tuple[Kind, bytes]:
    """What a message is, and its bytes."""
    return KINDS[type(message)], encode_message(message)


def message_of(source: int, destination: int, pgn: int, payload: bytes) -> GbtMessage | None:
    """What came from one side for the other, in one frame or in many; None for what is none of these messages.

    Raises:
        BadReply: One of these messages, of a length that it cannot have.
    """
    kind = _BY_GROUP.get((pgn, source))
    if kind is None or destination != other(source):
        return None
    # Some devices fill short frames up to 8 bytes, with the ones that unused bits are: chapter 6 wants them short.
    longest = max(LAYOUTS[kind].lengths)
    filling = payload[longest:]
    return decode_message(kind, payload[:longest] if filling.count(0xFF) == len(filling) else payload)


def message_in(frame: CanFrame) -> GbtMessage | None:
    """What a single frame says; see `message_of`. Frames of the transport protocol say nothing by themselves."""
    if not frame.extended or frame.remote:
        return None
    where = j1939.unpack_id(frame.can_id)
    return message_of(where.source, where.destination, where.pgn, frame.data)


# -------------------------------------------------------------------------------- explaining


def message_values(message: GbtMessage) -> dict[str, Any]:
    """A message as names and values, for people: `message` is its code, states are the names of what is set."""
    values: dict[str, Any] = {"message": type(message).__name__.upper()}
    values |= {field.name: getattr(message, field.name) for field in fields(message)}
    if isinstance(message, Bst | Cst | Bem | Cem):
        values["causes"] = causes(message)
    return values


def explain(direction: Direction, frame: bytes) -> Explained:
    """What slcan lines say, one or several: a command, a frame, or all frames of one long message from its RTS on.

    `direction` is not looked at: a frame's own source address says from whom it comes.

    Raises:
        BadReply: Not whole lines, lines of something else, or not in the form in which they are written here.
    """
    explained = _explained(frame)
    if explained.again != frame:
        raise BadReply(f"{frame!r} would be written as {explained.again!r}")
    return explained


def _explained(frame: bytes) -> Explained:
    if not frame.endswith(END) or frame == END:
        return _explain_command(frame)
    lines = frame.split(END)[:-1]
    frames = [parse_frame(line) for line in lines]
    known = [item for item in frames if item is not None]
    if len(known) != len(lines):
        if len(lines) == 1:
            return _explain_command(frame)
        raise BadReply(f"not only frames: {frame!r}")
    if len(known) == 1 and (message := message_in(known[0])) is not None:
        again = frame_of(message)
        filled = CanFrame(again.can_id, again.data.ljust(len(known[0].data), b"\xff"))
        return Explained(message_values(message), frame_line(filled))
    return _explain_transport(known)


def _explain_command(line: bytes) -> Explained:
    """A line that carries no frame. Of an empty one, only the direction says what it is: here, an answer."""
    replies = HostReader().feed(line)
    if len(replies) == 1 and isinstance(reply := replies[0], AdapterReply):
        return Explained({"reply": reply.kind, "text": reply.text}, reply.line())
    commands = AdapterReader().feed(line)
    if len(commands) == 1 and (command := commands[0]).kind != "unknown":
        values: dict[str, Any] = {"command": command.kind}
        if command.bitrate is not None:
            values["bitrate"] = command.bitrate
        return Explained(values, command.line())
    raise BadReply(f"no slcan line: {line!r}")


def _explain_transport(frames: list[CanFrame]) -> Explained:
    """One TP frame as it is, or the frames of one message from its RTS on as what they make together."""
    for frame in frames:
        if len(frame.data) != DATA_MAX or j1939.unpack_id(frame.can_id).pgn not in (j1939.PGN_TP_CM, j1939.PGN_TP_DT):
            raise BadReply(f"{frame.describe()}: not of GB/T 27930")
    first = frames[0]
    where = j1939.unpack_id(first.can_id)
    if len(frames) == 1 and where.pgn == j1939.PGN_TP_DT:
        data = j1939.data_packets(first.data[1:])[0]
        values = {"transport": "data", "number": first.data[0], "data": data[1:].hex()}
        return Explained(values, frame_line(CanFrame(first.can_id, first.data[:1] + data[1:])))
    if len(frames) == 1:
        return Explained(_control_values(first.data), frame_line(CanFrame(first.can_id, _control_again(first.data))))
    controls = [item for item in frames if j1939.unpack_id(item.can_id).pgn == j1939.PGN_TP_CM]
    parts = [item.data[1:] for item in frames if j1939.unpack_id(item.can_id).pgn == j1939.PGN_TP_DT]
    size, group = int.from_bytes(first.data[1:3], "little"), int.from_bytes(first.data[5:8], "little")
    if first not in controls or first.data[0] != j1939.RTS or size > j1939.PACKET_BYTES * len(parts):
        raise BadReply(f"{first.describe()}: not the frames of one message from its RTS on")
    message = message_of(where.source, where.destination, group, b"".join(parts)[:size])
    if message is None:
        raise BadReply(f"{first.describe()}: group {group:#x} is not of GB/T 27930")
    made = j1939.data_packets(payload_of(message)[1])
    if len(made) != len(parts):
        raise BadReply(f"{first.describe()}: {len(parts)} packets for {len(made)}")
    packets = iter(made)
    again = (_control_again(item.data) if item in controls else next(packets) for item in frames)
    lines = (frame_line(CanFrame(item.can_id, data)) for item, data in zip(frames, again, strict=True))
    return Explained(message_values(message), b"".join(lines))


def _control_values(data: bytes) -> dict[str, Any]:
    """What a TP.CM frame says."""
    group = int.from_bytes(data[5:8], "little")
    size = data[1] | data[2] << 8
    if data[0] in (j1939.RTS, j1939.END_ACK) and size > j1939.MESSAGE_MAX:
        raise BadReply(f"TP.CM for {size} bytes, more than {j1939.MESSAGE_MAX}")
    match data[0]:
        case j1939.RTS:
            return {"transport": "rts", "group": group, "size": size, "packets": data[3], "limit": data[4]}
        case j1939.CTS:
            return {"transport": "cts", "group": group, "count": data[1], "first": data[2]}
        case j1939.END_ACK:
            return {"transport": "end_ack", "group": group, "size": size, "packets": data[3]}
        case j1939.ABORT:
            return {"transport": "abort", "group": group, "reason": data[1]}
        case other_kind:
            raise BadReply(f"TP.CM with control byte {other_kind:#x}: only connections are spoken")


def _control_again(data: bytes) -> bytes:
    """A TP.CM frame made anew from what it says."""
    values = _control_values(data)
    match values["transport"]:
        case "rts":
            return j1939.rts_data(values["size"], values["group"], values["limit"])
        case "cts":
            return j1939.cts_data(values["count"], values["first"], values["group"])
        case "end_ack":
            return j1939.end_ack_data(values["size"], values["group"])
        case _:
            return j1939.abort_data(values["reason"], values["group"])
