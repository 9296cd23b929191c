"""What the channel's process and the supervisor say to each other, and the two ways to carry it.

Owns the messages, their form on a stream and the bounds of that stream. Must not know when a lease is renewed. Between
two processes a message is one line of JSON on a local socket; within one loop (virtual time) the same message is handed
over as it is. Both are bounded: a side that does not read is a side that is lost, since nothing here may be dropped.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from packbench.core.samples import BoardSample
from packbench.run.renewal import Feed

LINE_MAX = 65_536
"""Bytes of the longest line."""
UNREAD_MAX = 262_144
"""Bytes that may wait for the other side to read."""


class Ping(NamedTuple):
    """Supervisor to channel: are you there, and what do you see?"""

    number: int


class Pong(NamedTuple):
    """Channel to supervisor, at once."""

    number: int
    """Of the ping."""
    feed: Feed


class Ask(NamedTuple):
    """Channel to supervisor: a command for the board, or for the supervisor itself."""

    number: int
    command: str
    arguments: tuple[Any, ...] = ()


class Answer(NamedTuple):
    """Supervisor to channel: what became of it."""

    number: int
    error: str
    """Class of a DeviceError; empty when it was done."""
    value: Any
    """What the command gives; the error's words when there is one."""


class Beat(NamedTuple):
    """Supervisor to channel: the lease was renewed, and this is the board's status."""

    sample: BoardSample


class Missed(NamedTuple):
    """Supervisor to channel: the board did not answer a heartbeat."""

    error: str
    words: str


class Withheld(NamedTuple):
    """Supervisor to channel: why no lease is renewed; empty: it is again. Said when it changes."""

    reason: str


Message = Ping | Pong | Ask | Answer | Beat | Missed | Withheld
_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (Ping, Pong, Ask, Answer, Beat, Missed, Withheld)}
OnMessage = Callable[[Message], None]
OnLost = Callable[[str], None]


class End(Protocol):
    """One end of the link."""

    def attach(self, on_message: OnMessage, on_lost: OnLost) -> None:
        """Set who receives; `on_lost` is called once, with a reason."""
        ...

    def send(self, message: Message) -> None:
        """Send without waiting; what cannot be sent has been told to `on_lost`."""
        ...

    def close(self) -> None:
        """End the link. Idempotent; not told to the own `on_lost`."""
        ...


class MemoryEnd:
    """One end of a pair within one loop: a message is in hand in the turn in which it is sent."""

    def __init__(self) -> None:
        self.peer: MemoryEnd | None = None
        self._on_message: OnMessage | None = None
        self._on_lost: OnLost | None = None

    def attach(self, on_message: OnMessage, on_lost: OnLost) -> None:
        self._on_message, self._on_lost = on_message, on_lost

    def send(self, message: Message) -> None:
        if self.peer is not None and self.peer._on_message is not None:
            self.peer._on_message(message)

    def close(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None and peer.peer is not None:
            peer.peer = None
            if peer._on_lost is not None:
                peer._on_lost("the link was closed")


def memory_ends() -> tuple[MemoryEnd, MemoryEnd]:
    """A pair within one loop."""
    first, second = MemoryEnd(), MemoryEnd()
    first.peer, second.peer = second, first
    return first, second


class StreamEnd(asyncio.Protocol):
    """One end on a local socket."""

    def __init__(self) -> None:
        self._on_message: OnMessage | None = None
        self._on_lost: OnLost | None = None
        self._transport: asyncio.Transport | None = None
        self._kept = bytearray()
        self._over = False

    @classmethod
    async def on(cls, connected: socket.socket) -> StreamEnd:
        """The end of a connected socket."""
        loop = asyncio.get_running_loop()
        _, end = await loop.create_connection(cls, sock=connected)
        return end

    def attach(self, on_message: OnMessage, on_lost: OnLost) -> None:
        self._on_message, self._on_lost = on_message, on_lost
        self._hand_over()
        if self._over:
            on_lost("the link was closed")

    def send(self, message: Message) -> None:
        if self._transport is None or self._over:
            return
        self._transport.write(encode(message))
        if self._transport.get_write_buffer_size() > UNREAD_MAX:
            self._lose("the other side does not read")

    def close(self) -> None:
        self._over = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._kept += data
        self._hand_over()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose("the other side is gone" if exc is None else str(exc))

    def _hand_over(self) -> None:
        while self._on_message is not None and not self._over:
            end = self._kept.find(b"\n")
            if end < 0:
                if len(self._kept) > LINE_MAX:
                    self._lose("a line without an end")
                return
            line = bytes(self._kept[:end])
            del self._kept[: end + 1]
            try:
                message = decode(line)
            except ValueError as error:
                self._lose(str(error))
                return
            self._on_message(message)

    def _lose(self, reason: str) -> None:
        if self._over:
            return
        self.close()
        if self._on_lost is not None:
            self._on_lost(reason)


def encode(message: Message) -> bytes:
    """One line. NaN is written as JavaScript does; both sides are ours."""
    return json.dumps([type(message).__name__, *message], separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line; ValueError for what is none."""
    try:
        name, *fields = json.loads(line)
        kind = _KINDS[name]
        if kind is Pong:
            return Pong(fields[0], Feed(*fields[1]))
        if kind is Beat:
            return Beat(BoardSample(*fields[0]))
        if kind is Ask:
            return Ask(fields[0], fields[1], tuple(fields[2]))
        return kind(*fields)
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ValueError(f"no message: {line[:80]!r} ({error})") from error
