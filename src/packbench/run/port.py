"""One owner of one bus: one request in flight, the urgent first, and no reply ever to the wrong question.

Owns the discipline of the line (docs/devices.md): the queue, the gap between frames, the time-out, the
quarantine after it, the few retries, the statistics. It is the only place that retries. Must not know
any protocol (that is the codec's) nor what an answer means.

Why the quarantine: Modbus RTU has no transaction id. After a time-out the late reply may still come, and
it would be taken for the answer to the next request of the same length. So after a time-out, or after
an answer that does not fit, everything received is dropped until the device's worst turnaround has
passed. A caller that is cancelled never cuts a transaction short, for the same reason: the future it
waited on is abandoned, the exchange goes on.

Callbacks and futures instead of tasks: an exchange costs one future, one `write` and one `on_bytes`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from packbench.clock import Clock
from packbench.core.errors import BadReply, DeviceError, LinkError, ReplyTimeout
from packbench.transport.base import Transport
from packbench.transport.link import Codec, Reply
from packbench.wire.counters import LineCounters

_QUEUE_MAX = 64
_BUFFER_MAX = 2048
_QUARANTINE_FACTOR = 4
"""A line that is never quiet is used again after so many quarantines: a babbler must not block an "off"."""
LATENCY_BUCKETS = 24


RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")


def _never(_request: object) -> bool:
    """Sending twice does no harm only where the protocol says so."""
    return False


@dataclass(slots=True)
class PortStats:
    """What happened on a bus since it was opened."""

    requests: int = 0
    """Frames sent, retries included."""
    replies: int = 0
    """Answers delivered, refusals included."""
    retries: int = 0
    timeouts: int = 0
    bad_replies: int = 0
    refused: int = 0
    dropped_bytes: int = 0
    """Bytes that came when nothing was asked: late replies, noise."""
    latency_us_log2: list[int] = field(default_factory=lambda: [0] * LATENCY_BUCKETS)
    """Histogram: bucket n counts replies that took less than 2**n microseconds (and at least half of it)."""
    counters: LineCounters = field(default_factory=LineCounters)

    def as_dict(self) -> dict[str, int | list[int]]:
        """For `devices probe --json` and the dashboard."""
        return {
            "requests": self.requests,
            "replies": self.replies,
            "retries": self.retries,
            "timeouts": self.timeouts,
            "bad_replies": self.bad_replies,
            "refused": self.refused,
            "crc_errors": self.counters.crc_errors,
            "foreign_frames": self.counters.foreign_frames,
            "noise_bytes": self.counters.noise_bytes,
            "dropped_bytes": self.dropped_bytes,
            "latency_us_log2": list(self.latency_us_log2),
        }


@dataclass(slots=True, eq=False)
class _Ask(Generic[RequestT, AnswerT]):
    """One request on its way."""

    request: RequestT
    future: asyncio.Future[Reply[AnswerT]]
    urgent: bool
    retries_left: int
    sent_ns: int = 0


class Port(Generic[RequestT, AnswerT]):
    """`transport.link.Link` over a transport and a codec.

    Args:
        transport: The connected byte stream; the port owns it from now on.
        codec: The protocol's frames.
        clock: Stamps replies; timers run on the running event loop.
        reply_timeout_ns: From the last byte sent to the complete answer.
        quiet_ns: The device's worst turnaround: how long nothing is believed after a time-out. 0 where
            replies carry a transaction id.
        gap_ns: Silence that the device needs between a reply and the next request.
        retries: How often a request that is `repeatable` is sent again. Never for urgent ones: an "off"
            that got no answer is the caller's to repeat at once, ahead of everything.
        repeatable: Whether sending a request twice does no harm.
        counters: The codec's counters, shown in the statistics.
    """

    def __init__(
        self,
        transport: Transport,
        codec: Codec[RequestT, AnswerT],
        clock: Clock,
        *,
        reply_timeout_ns: int,
        quiet_ns: int = 0,
        gap_ns: int = 0,
        retries: int = 0,
        repeatable: Callable[[RequestT], bool] = _never,
        counters: LineCounters | None = None,
    ) -> None:
        self._transport = transport
        self._codec = codec
        self._clock = clock
        self._now_ns = clock.now_ns
        self._decode = codec.decode
        self._loop = asyncio.get_running_loop()
        self._reply_timeout_ns = reply_timeout_ns
        self._quiet_ns = quiet_ns
        self._gap_ns = gap_ns
        self._retries = retries
        self._repeatable = repeatable
        self.stats = PortStats(counters=counters or LineCounters())
        self._urgent: deque[_Ask[RequestT, AnswerT]] = deque()
        self._normal: deque[_Ask[RequestT, AnswerT]] = deque()
        self._current: _Ask[RequestT, AnswerT] | None = None
        self._buffer = bytearray()
        self._deadline_ns = 0
        self._timer_set = False
        self._wake_ns = -1
        """When the pump is called by itself; an instant that has passed: it is not."""
        self._free_ns = 0
        """When the gap after the last reply is over."""
        self._quiet_until_ns = 0
        self._quiet_cap_ns = 0
        self._lost: str | None = None
        transport.attach(self._on_bytes, self._on_lost)

    async def exchange(self, request: RequestT, *, urgent: bool = False) -> Reply[AnswerT]:
        """See `transport.link.Link`. Cancelling the caller leaves the transaction to end by itself."""
        if self._lost is not None:
            raise LinkError(self._lost)
        retries = self._retries if self._retries and not urgent and self._repeatable(request) else 0
        future: asyncio.Future[Reply[AnswerT]] = self._loop.create_future()
        ask = _Ask(request, future, urgent, retries)
        if self._current is None and not self._normal and not self._urgent:
            now_ns = self._now_ns()
            if now_ns >= self._free_ns and (urgent or now_ns >= self._quiet_until_ns):
                # The usual case: nobody waits and the line is free.
                self._send(ask, now_ns)
                return await future
        queue = self._urgent if urgent else self._normal
        if len(queue) >= _QUEUE_MAX:
            raise LinkError(f"{_QUEUE_MAX} requests wait for this bus already")
        queue.append(ask)
        if self._current is None:
            self._pump()
        return await future

    @property
    def lost(self) -> str | None:
        """Why the link is gone; None while it is there."""
        return self._lost

    def reconnect(self, transport: Transport) -> None:
        """Go on over a new transport. What was asked over the old one has failed already."""
        self.close()
        self._transport = transport
        self._lost = None
        self._quiet_until_ns = 0
        transport.attach(self._on_bytes, self._on_lost)

    def close(self) -> None:
        """Close the transport; whoever waits gets a LinkError. Idempotent."""
        self._transport.close()
        self._on_lost("the port was closed")

    # ------------------------------------------------------------- sending

    def _pump(self) -> None:
        """Send the next request if the line is free for it; else make sure to come back."""
        if self._current is not None or self._lost is not None:
            return
        queue = _waiting(self._urgent) or _waiting(self._normal)
        if not queue:
            return
        now_ns = self._clock.now_ns()
        # An urgent request does not wait out a quarantine: its own checks (function, echo) must do.
        ready_ns = self._free_ns if queue is self._urgent else max(self._free_ns, self._quiet_until_ns)
        if now_ns < ready_ns:
            if self._wake_ns <= now_ns or ready_ns < self._wake_ns:
                self._wake_ns = ready_ns
                self._clock.call_at(ready_ns, self._pump)
            return
        self._send(queue.popleft(), now_ns)

    def _send(self, ask: _Ask[RequestT, AnswerT], now_ns: int) -> None:
        try:
            frame = self._codec.encode(ask.request)
        except ValueError as exc:
            # Nothing that can be sent: its caller's mistake, and nobody else waits for it.
            ask.future.set_exception(exc)
            self._loop.call_soon(self._pump)
            return
        self._current = ask
        ask.sent_ns = now_ns
        self.stats.requests += 1
        self._deadline_ns = now_ns + self._reply_timeout_ns
        try:
            self._transport.write(frame)
        except LinkError as exc:
            self._on_lost(str(exc))
            return
        if not self._timer_set:
            self._timer_set = True
            self._clock.call_at(self._deadline_ns, self._on_timer)

    # ----------------------------------------------------------- receiving

    def _on_bytes(self, data: bytes) -> None:
        ask = self._current
        if ask is None:
            self._on_unasked(data)
            return
        buffer = self._buffer
        buffer += data
        if len(buffer) > _BUFFER_MAX:
            self.stats.dropped_bytes += len(buffer) - _BUFFER_MAX // 2
            del buffer[: len(buffer) - _BUFFER_MAX // 2]
        try:
            value = self._decode(ask.request, buffer)
        except BadReply as exc:
            self._on_bad_reply(ask, exc)
            return
        except DeviceError as exc:
            self.stats.refused += 1
            self._finish(ask, exc)
            return
        if value is None:
            return
        now_ns = self._now_ns()
        self._finish(ask, Reply(now_ns, value), now_ns)

    def _on_unasked(self, data: bytes) -> None:
        """Nothing is asked: late replies and noise. While in quarantine they prolong it, up to a cap."""
        self.stats.dropped_bytes += len(data)
        now_ns = self._clock.now_ns()
        if now_ns < self._quiet_until_ns:
            self._quiet_until_ns = min(max(self._quiet_until_ns, now_ns + self._gap_ns), self._quiet_cap_ns)

    def _on_bad_reply(self, ask: _Ask[RequestT, AnswerT], exc: BadReply) -> None:
        self.stats.bad_replies += 1
        now_ns = self._clock.now_ns()
        if now_ns < self._quiet_until_ns:
            # Sent urgently into a quarantine: this is the late answer to the request before. Ours follows.
            self._on_bytes(b"")
            return
        self._quarantine(now_ns)
        self._retry_or_fail(ask, exc)

    def _finish(
        self, ask: _Ask[RequestT, AnswerT], outcome: Reply[AnswerT] | DeviceError, now_ns: int | None = None
    ) -> None:
        """Deliver, and send the next one."""
        now_ns = self._clock.now_ns() if now_ns is None else now_ns
        stats = self.stats
        stats.replies += 1
        bucket = ((now_ns - ask.sent_ns) // 1000).bit_length()
        stats.latency_us_log2[bucket if bucket < LATENCY_BUCKETS else LATENCY_BUCKETS - 1] += 1
        if self._buffer:
            stats.dropped_bytes += len(self._buffer)
            self._buffer.clear()
        self._current = None
        self._free_ns = now_ns + self._gap_ns
        future = ask.future
        if not future.done():
            if isinstance(outcome, DeviceError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        if self._urgent or self._normal:
            self._pump()

    # ------------------------------------------------------------- failing

    def _on_timer(self) -> None:
        """One timer serves all exchanges: it is set anew for the current deadline, or left off."""
        self._timer_set = False
        ask = self._current
        if ask is None:
            return
        now_ns = self._clock.now_ns()
        if now_ns < self._deadline_ns:
            self._timer_set = True
            self._clock.call_at(self._deadline_ns, self._on_timer)
            return
        self.stats.timeouts += 1
        self._quarantine(now_ns)
        waited_ms = (now_ns - ask.sent_ns) / 1e6
        self._retry_or_fail(ask, ReplyTimeout(f"no complete reply within {waited_ms:.0f} ms"))

    def _quarantine(self, now_ns: int) -> None:
        """Believe nothing for the device's worst turnaround."""
        self.stats.dropped_bytes += len(self._buffer)
        self._buffer.clear()
        self._quiet_until_ns = now_ns + self._quiet_ns
        self._quiet_cap_ns = now_ns + self._quiet_ns * _QUARANTINE_FACTOR

    def _retry_or_fail(self, ask: _Ask[RequestT, AnswerT], exc: DeviceError) -> None:
        self._current = None
        self._buffer.clear()
        if ask.retries_left > 0 and not ask.future.done():
            ask.retries_left -= 1
            self.stats.retries += 1
            self._normal.appendleft(ask)
        elif not ask.future.done():
            ask.future.set_exception(exc)
        self._pump()

    def _on_lost(self, reason: str) -> None:
        if self._lost is not None:
            return
        self._lost = reason
        self._buffer.clear()
        waiting = [*self._urgent, *self._normal]
        if self._current is not None:
            waiting.insert(0, self._current)
        self._current = None
        self._urgent.clear()
        self._normal.clear()
        for ask in waiting:
            if not ask.future.done():
                ask.future.set_exception(LinkError(reason))


def _waiting(queue: deque[_Ask[RequestT, AnswerT]]) -> deque[_Ask[RequestT, AnswerT]]:
    """The queue, without requests in front whose caller was cancelled: those are not sent."""
    while queue and queue[0].future.done():
        queue.popleft()
    return queue
