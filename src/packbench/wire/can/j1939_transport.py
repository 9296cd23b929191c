"""J1939 messages longer than one frame, by connection (RTS/CTS), both roles.

Owns the transport protocol of SAE J1939-21:2006 (5.4.7, 5.10) as a pure state machine: `advance(state, frame or
None, now)` gives the next state, the frames to send and the message that has become complete; `wake_ns` says
when time alone will move it. Must not do I/O, read a clock, or know what a message means. Broadcast (BAM) is
not spoken: GB/T 27930 has two addresses and uses connections alone.

What traces of real chargers show and this keeps: byte 5 of an RTS (packets per CTS) may be 0xFF or less than
the message needs; a sender that gets no CTS aborts (reason 0xFF in one trace) and repeats its RTS.
A TP.DT does not say to which message it belongs, so there is one message at a time from one node to another;
a new RTS from the same node therefore replaces the old one, which its sender has evidently left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import (
    ABORT,
    CTS,
    END_ACK,
    MESSAGE_MAX,
    PACKET_BYTES,
    PGN_TP_CM,
    PGN_TP_DT,
    RTS,
    TP_PRIORITY,
    abort_data,
    control_frame,
    cts_data,
    data_packets,
    end_ack_data,
    pack_id,
    rts_data,
    unpack_id,
)

REASON_NO_RESOURCES: Final = 2
REASON_TIMEOUT: Final = 3
REASON_RETRANSMISSIONS: Final = 5

_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Times and bounds of J1939-21 5.10.2.4, and what it leaves to the node."""

    t1_ns: int = 750 * _MS
    """Receiver: from one packet to the next."""
    t2_ns: int = 1250 * _MS
    """Receiver: from its CTS to the first packet."""
    t3_ns: int = 1250 * _MS
    """Sender: from its RTS or its last packet to the CTS or the end acknowledgement."""
    t4_ns: int = 1050 * _MS
    """Sender: from a CTS that says "not now" to the next."""
    retransmissions: int = 2
    """Receiver: how often the same packet is asked for again before it aborts."""
    attempts: int = 3
    """Sender: how often a message is begun before it is given up (3 in the trace of a BMS that got no CTS)."""
    packet_gap_ns: int = 10 * _MS
    """Sender: from one packet to the next; 10 to 11 ms in the real trace, at most 200 allowed."""
    packets_per_cts: int = 0xFF
    """Receiver: the most it asks for at once."""
    rts_limit: int = 0xFF
    """Sender: byte 5 of its RTS, the most it is willing to send on one CTS."""
    sessions_max: int = 8
    """Messages in the making at once, from different nodes."""


class Message(NamedTuple):
    """A long message, complete."""

    source: int
    destination: int
    pgn: int
    payload: bytes
    t_ns: int
    """The instant of its last packet."""


@dataclass(frozen=True, slots=True)
class TransportCounts:
    """What went wrong, since the beginning."""

    malformed: int = 0
    """TP frames that make no sense, or belong to no session."""
    timeouts: int = 0
    retransmissions: int = 0
    """Packets asked for again."""
    aborted: int = 0
    """Sessions that either side gave up."""
    replaced: int = 0
    """Sessions left by their sender for a new RTS."""


@dataclass(frozen=True, slots=True)
class Receiving:
    """A message on its way in."""

    source: int
    pgn: int
    size: int
    limit: int
    """Packets that its sender is willing to send on one CTS."""
    parts: tuple[bytes, ...]
    """By packet; b"" while missing."""
    window_end: int
    """The last packet that was asked for; counts from 1."""
    requests: int
    """How often the first missing packet was asked for again."""
    deadline_ns: int


@dataclass(frozen=True, slots=True)
class Sending:
    """A message on its way out."""

    destination: int
    pgn: int
    payload: bytes
    attempt: int
    """Counts from 1."""
    next_packet: int
    """Counts from 1."""
    window_end: int
    """The last packet that was asked for; less than `next_packet`: none is."""
    due_ns: int
    """When `next_packet` goes out."""
    deadline_ns: int
    """By when the other side has to say something; not looked at while packets are due."""

    @property
    def packets(self) -> int:
        return -(-len(self.payload) // PACKET_BYTES)


@dataclass(frozen=True, slots=True)
class TransportState:
    """A node and its sessions."""

    address: int
    settings: TransportSettings = TransportSettings()
    receiving: tuple[Receiving, ...] = ()
    """At most one a source."""
    sending: tuple[Sending, ...] = ()
    """At most one a destination."""
    counts: TransportCounts = TransportCounts()


class Step(NamedTuple):
    """What one call gives."""

    state: TransportState
    frames: tuple[CanFrame, ...]
    message: Message | None = None


def is_sending(state: TransportState, destination: int) -> bool:
    """Whether a message to this node is on its way: no other can be begun."""
    return any(item.destination == destination for item in state.sending)


def wake_ns(state: TransportState) -> int | None:
    """When `advance` has to be called without a frame; None: never."""
    instants = [item.deadline_ns for item in state.receiving]
    instants += [item.due_ns if item.next_packet <= item.window_end else item.deadline_ns for item in state.sending]
    return min(instants, default=None)


def send(state: TransportState, destination: int, pgn: int, payload: bytes, now_ns: int) -> Step:
    """Begin a message of 9 to 1785 bytes (shorter ones fit a frame, but are carried as well).

    Raises:
        ValueError: The length is not possible, or a message to this node is on its way (`is_sending`).
    """
    if not 0 < len(payload) <= MESSAGE_MAX or is_sending(state, destination):
        raise ValueError(f"cannot send {len(payload)} bytes to {destination:#x} now")
    item = Sending(destination, pgn, payload, 1, 1, 0, now_ns, now_ns + state.settings.t3_ns)
    return Step(replace(state, sending=(*state.sending, item)), (_rts(state, item),))


def advance(state: TransportState, frame: CanFrame | None, now_ns: int) -> Step:
    """Take a received frame (any: what is not this protocol's or not for this node is ignored), or let time pass.

    Never raises; the state stays within `settings.sessions_max` messages of `MESSAGE_MAX` bytes.
    """
    frames: list[CanFrame] = []
    message = None
    if frame is not None and frame.extended and not frame.remote:
        where = unpack_id(frame.can_id)
        if where.destination == state.address and where.pgn in (PGN_TP_CM, PGN_TP_DT):
            if len(frame.data) != 8:
                state = _count(state, malformed=1)
            elif where.pgn == PGN_TP_CM:
                state = _control(state, where.source, frame.data, now_ns, frames)
            else:
                state, message = _packet(state, where.source, frame.data, now_ns, frames)
    state = _expire(state, now_ns, frames)
    return Step(_emit(state, now_ns, frames), tuple(frames), message)


def _count(state: TransportState, **more: int) -> TransportState:
    counts = state.counts
    return replace(state, counts=replace(counts, **{name: getattr(counts, name) + n for name, n in more.items()}))


def _without_source(state: TransportState, source: int) -> tuple[Receiving, ...]:
    return tuple(item for item in state.receiving if item.source != source)


def _without_destination(state: TransportState, destination: int) -> tuple[Sending, ...]:
    return tuple(item for item in state.sending if item.destination != destination)


# ------------------------------------------------------------------------- control frames


def _control(state: TransportState, source: int, data: bytes, now_ns: int, frames: list[CanFrame]) -> TransportState:
    kind, pgn = data[0], int.from_bytes(data[5:8], "little")
    if kind == RTS:
        return _begin(state, source, data, pgn, now_ns, frames)
    ours = next((item for item in state.sending if item.destination == source and item.pgn == pgn), None)
    if kind == CTS and ours is not None:
        return _cleared(state, ours, data[1], data[2], now_ns)
    if kind == END_ACK and ours is not None:
        return replace(state, sending=_without_destination(state, source))
    if kind == ABORT:
        theirs = any(item.source == source and item.pgn == pgn for item in state.receiving)
        if ours is not None or theirs:
            sending = state.sending if ours is None else _without_destination(state, source)
            receiving = _without_source(state, source) if theirs else state.receiving
            return _count(replace(state, sending=sending, receiving=receiving), aborted=1)
    return _count(state, malformed=1)


def _begin(
    state: TransportState, source: int, data: bytes, pgn: int, now_ns: int, frames: list[CanFrame]
) -> TransportState:
    """A request to send: answer with the first CTS, or with an abort when there is no room."""
    size, packets, limit = data[1] | data[2] << 8, data[3], data[4]
    if not 0 < size <= MESSAGE_MAX or packets != -(-size // PACKET_BYTES) or limit == 0:
        return _count(state, malformed=1)
    others = _without_source(state, source)
    if len(others) != len(state.receiving):
        state = _count(state, replaced=1)
    elif len(others) >= state.settings.sessions_max:
        frames.append(control_frame(state.address, source, abort_data(REASON_NO_RESOURCES, pgn)))
        return _count(state, aborted=1)
    item = Receiving(source, pgn, size, limit, (b"",) * packets, 0, 0, 0)
    return replace(state, receiving=(*others, _ask(state, item, now_ns, frames)))


def _ask(state: TransportState, item: Receiving, now_ns: int, frames: list[CanFrame]) -> Receiving:
    """Clear to send for the packets from the first missing one on."""
    first = item.parts.index(b"") + 1
    window_end = item.window_end
    if first > window_end:
        window_end = min(len(item.parts), first + min(item.limit, state.settings.packets_per_cts) - 1)
    frames.append(control_frame(state.address, item.source, cts_data(window_end - first + 1, first, item.pgn)))
    return replace(item, window_end=window_end, deadline_ns=now_ns + state.settings.t2_ns)


def _ask_again(
    state: TransportState, item: Receiving, reason: int, now_ns: int, frames: list[CanFrame]
) -> TransportState:
    """Packets are missing and their sender is silent: ask again, or give up."""
    others = _without_source(state, item.source)
    if item.requests >= state.settings.retransmissions:
        frames.append(control_frame(state.address, item.source, abort_data(reason, item.pgn)))
        return _count(replace(state, receiving=others), aborted=1)
    again = _ask(state, replace(item, requests=item.requests + 1), now_ns, frames)
    return _count(replace(state, receiving=(*others, again)), retransmissions=1)


def _cleared(state: TransportState, item: Sending, count: int, first: int, now_ns: int) -> TransportState:
    """A clear to send: so many packets from there on, or (0) not now."""
    if count == 0:
        item = replace(item, window_end=0, next_packet=1, deadline_ns=now_ns + state.settings.t4_ns)
    elif 1 <= first <= item.packets:
        window_end = min(item.packets, first + count - 1)
        item = replace(item, next_packet=first, window_end=window_end, due_ns=now_ns)
    else:
        return _count(state, malformed=1)
    return replace(state, sending=(*_without_destination(state, item.destination), item))


# ---------------------------------------------------------------------------- data frames


def _packet(
    state: TransportState, source: int, data: bytes, now_ns: int, frames: list[CanFrame]
) -> tuple[TransportState, Message | None]:
    item = next((item for item in state.receiving if item.source == source), None)
    number = data[0]
    if item is None or not 1 <= number <= item.window_end:
        return _count(state, malformed=1), None
    if item.parts[number - 1]:
        # A packet that is already here keeps no session alive.
        parts, deadline_ns = item.parts, item.deadline_ns
    else:
        parts = (*item.parts[: number - 1], data[1:], *item.parts[number:])
        deadline_ns = now_ns + state.settings.t1_ns
    others = _without_source(state, source)
    if b"" not in parts:
        frames.append(control_frame(state.address, source, end_ack_data(item.size, item.pgn)))
        payload = b"".join(parts)[: item.size]
        return replace(state, receiving=others), Message(source, state.address, item.pgn, payload, now_ns)
    missing = parts.index(b"")
    requests = item.requests if missing == item.parts.index(b"") else 0
    item = replace(item, parts=parts, deadline_ns=deadline_ns, requests=requests)
    if missing >= item.window_end:
        item = _ask(state, item, now_ns, frames)
    elif number == item.window_end:
        # The sender has sent all it was asked for, and something of it is missing.
        return _ask_again(state, item, REASON_RETRANSMISSIONS, now_ns, frames), None
    return replace(state, receiving=(*others, item)), None


# ------------------------------------------------------------------------------------ time


def _rts(state: TransportState, item: Sending) -> CanFrame:
    data = rts_data(len(item.payload), item.pgn, state.settings.rts_limit)
    return control_frame(state.address, item.destination, data)


def _expire(state: TransportState, now_ns: int, frames: list[CanFrame]) -> TransportState:
    """What did not come in time is asked for again, begun again, or given up."""
    for item in state.receiving:
        if now_ns >= item.deadline_ns:
            state = _ask_again(_count(state, timeouts=1), item, REASON_TIMEOUT, now_ns, frames)
    for item in state.sending:
        if item.next_packet <= item.window_end or now_ns < item.deadline_ns:
            continue
        frames.append(control_frame(state.address, item.destination, abort_data(REASON_TIMEOUT, item.pgn)))
        state = _count(replace(state, sending=_without_destination(state, item.destination)), timeouts=1, aborted=1)
        if item.attempt < state.settings.attempts:
            again = replace(
                item, attempt=item.attempt + 1, next_packet=1, window_end=0, deadline_ns=now_ns + state.settings.t3_ns
            )
            frames.append(_rts(state, again))
            state = replace(state, sending=(*state.sending, again))
    return state


def _emit(state: TransportState, now_ns: int, frames: list[CanFrame]) -> TransportState:
    """Packets that are due."""
    for item in state.sending:
        moved = item
        can_id = pack_id(TP_PRIORITY, PGN_TP_DT, item.destination, state.address)
        packets = data_packets(item.payload) if item.next_packet <= item.window_end else []
        while moved.next_packet <= moved.window_end and moved.due_ns <= now_ns:
            frames.append(CanFrame(can_id, packets[moved.next_packet - 1]))
            moved = replace(
                moved,
                next_packet=moved.next_packet + 1,
                due_ns=now_ns + state.settings.packet_gap_ns,
                deadline_ns=now_ns + state.settings.t3_ns,
            )
        if moved is not item:
            state = replace(state, sending=(*_without_destination(state, item.destination), moved))
    return state
