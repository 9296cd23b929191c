"""One question, one answer, on a bus that has one owner.

Owns the two seams around `run/port.py`, the only implementation of Link: drivers ask through a
Link, and a Codec knows one protocol's frames. Splitting them keeps the discipline of the line
(one request in flight, drain after a time-out, statistics) in one place for every protocol.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol, TypeVar

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


class Link(Protocol[RequestIn, Answer]):
    """What a driver asks through."""

    async def exchange(self, request: RequestIn, *, urgent: bool = False) -> Reply[Answer]:
        """Send one request and return its answer. Urgent ones (off, open) go ahead of the queue.

        Raises ReplyTimeout, BadReply, DeviceRefused or LinkError.
        """
        ...
