"""One question, one answer, on a bus that has one owner.

Owns the seams around `run/port.py`, the only implementation of Bus and Link: drivers ask through a
Link, a Codec knows one protocol's frames, and a Bus makes links, one a device on it. Splitting them
keeps the discipline of the line (one request in flight, drain after a time-out, statistics) in one
place for every protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from packbench.wire.counters import LineCounters

Request = TypeVar("Request")
Answer = TypeVar("Answer")
RequestIn = TypeVar("RequestIn", contravariant=True)
AnswerOut = TypeVar("AnswerOut", covariant=True)


class Reply(NamedTuple, Generic[Answer]):
    """A matched answer and the monotonic instant at which its last byte was in hand."""

    t_ns: int
    value: Answer


class Codec(Protocol[RequestIn, AnswerOut]):
    """One protocol's frames. Pure: bytes in, answers out; holds no I/O and no time."""

    def encode(self, request: RequestIn) -> bytes:
        """The bytes of one request; assigns transaction ids or sequence numbers where there are some."""
        ...

    def decode(self, request: RequestIn, buffer: bytearray) -> AnswerOut | None:
        """Take the answer to `request` (the last one encoded) from the front of `buffer`.

        Removes what it consumed, noise and foreign frames included, and keeps `buffer` bounded.
        None: not complete yet. Raises BadReply for a frame that is an answer but not to this
        request, DeviceRefused for the device's own exception.
        """
        ...


class Timing(NamedTuple):
    """What one device needs of the line."""

    reply_timeout_ns: int
    """From the last byte sent to the complete answer."""
    quiet_ns: int = 0
    """Its worst turnaround: how long nothing is believed after a time-out. 0 where replies carry an id."""
    gap_ns: int = 0
    """Silence that it needs before a request, whoever spoke last."""
    reply_max: int = 2048
    """Bytes kept while a reply arrives: at least its longest one. More is a babbler's, and its oldest are dropped."""


class Link(Protocol[RequestIn, Answer]):
    """What a driver asks through."""

    def exchange(self, request: RequestIn, *, urgent: bool = False) -> Coroutine[Any, Any, Reply[Answer]]:
        """Send one request and return its answer. Urgent ones (off, open) go ahead of the queue.

        Raises ReplyTimeout, BadReply, DeviceRefused or LinkError.
        """
        ...


def never(_request: object) -> bool:
    """What holds of no request: none may be sent twice, all are answered."""
    return False


class Bus(Protocol):
    """A line with one owner, and any number of devices on it."""

    @property
    def counters(self) -> LineCounters:
        """For the codecs of its links: what was seen on the line and was not an answer."""
        ...

    def link(
        self,
        codec: Codec[Request, Answer],
        timing: Timing,
        *,
        retries: int = 0,
        repeatable: Callable[[Request], bool] = never,
        silent: Callable[[Request], bool] = never,
        echoed: Callable[[Request], bool] = never,
    ) -> Link[Request, Answer]:
        """A device's own way onto the bus.

        Args:
            codec: The protocol's frames; it counts into `counters`.
            timing: What the device needs of the line.
            retries: How often a request that is `repeatable` is sent again.
            repeatable: Whether sending a request twice does no harm. An order is not: an "off" that got no answer
                is the caller's to repeat at once, ahead of everything.
            silent: Whether a request gets no reply: then the codec's answer to no bytes is the answer, once sent.
            echoed: Whether its answer repeats what was asked, so that no late one can be taken for it. An urgent
                request does not wait out a quarantine when it is echoed or silent; an urgent question does.
        """
        ...
