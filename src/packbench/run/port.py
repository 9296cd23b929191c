"""One owner of one bus: one request in flight, the urgent first, and no reply ever to the wrong question.

Owns the discipline of the line (docs/devices.md), however many devices are on it: the queue, the gap
between frames, the time-out, the quarantine after it, the few retries, the statistics. It is the only
place that retries. Must not know any protocol (that is the codec's) nor what an answer means.

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
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from packbench.clock import Clock
from packbench.core.errors import BadReply, DeviceError, LinkError, ReplyTimeout
from packbench.run.port_stats import LATENCY_BUCKETS, PortStats
from packbench.transport.base import Transport
from packbench.transport.link import Codec, Reply, Timing, never
from packbench.wire.counters import LineCounters

_QUEUE_MAX = 64
_QUARANTINE_FACTOR = 4
"""A line that is never quiet is used again after so many quarantines: a babbler must not block an "off"."""
_GAP_FACTOR = 4
"""A device that goes on after its reply (a Daly board sends all 16 frames) has so many gaps to come to an end."""


RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")


class PortLink(Generic[RequestT, AnswerT]):
    """`transport.link.Link` of one device on a port; `Port.link` makes it."""

    __slots__ = ("codec", "decode", "echoed", "port", "repeatable", "retries", "silent", "timing")

    def __init__(
        self,
        port: Port,
        codec: Codec[RequestT, AnswerT],
        timing: Timing,
        retries: int,
        repeatable: Callable[[RequestT], bool],
        silent: Callable[[RequestT], bool],
        echoed: Callable[[RequestT], bool],
    ) -> None:
        self.port = port
        self.codec = codec
        self.decode = codec.decode
        self.timing = timing
        self.retries = retries
        self.repeatable = repeatable
        self.silent = silent
        self.echoed = echoed

    def exchange(self, request: RequestT, *, urgent: bool = False) -> Coroutine[Any, Any, Reply[AnswerT]]:
        """See `transport.link.Link`. Cancelling the caller leaves the transaction to end by itself."""
        # The port's own coroutine, not one around it: an exchange on a socket is a matter of microseconds.
        return self.port.ask(self, request, urgent)


@dataclass(slots=True, eq=False)
class _Ask:
    """One request on its way."""

    link: PortLink[Any, Any]
    request: Any
    future: asyncio.Future[Reply[Any]]
    retries_left: int
    urgent: bool
    unmistakable: bool
    """Urgent, and no late answer can be taken for its own: it does not wait out a quarantine."""
    sent_ns: int = 0


class Port:
    """`transport.link.Bus` over a transport.

    Args:
        transport: The connected byte stream; the port owns it from now on.
        clock: Stamps replies; timers run on the running event loop.
        local_echo: The RS-485 adapter hands back what it sends: exactly one copy is dropped.
    """

    def __init__(self, transport: Transport, clock: Clock, *, local_echo: bool = False) -> None:
        self._transport = transport
        self._clock = clock
        self._now_ns = clock.now_ns
        self._loop = asyncio.get_running_loop()
        self._local_echo = local_echo
        self._echo = b""
        """What was sent and is still to be heard back."""
        self.stats = PortStats()
        self._urgent: deque[_Ask] = deque()
        self._normal: deque[_Ask] = deque()
        self._current: _Ask | None = None
        self._buffer = bytearray()
        self._gap_ns = 0
        """The longest silence that any device on the bus needs."""
        self._deadline_ns = 0
        self._alarm_ns = -1
        """When the timer goes off; -1: none is set."""
        self._wake_ns = -1
        """When the pump is called by itself; an instant that has passed: it is not."""
        self._free_ns = 0
        """When the gap after the last reply is over."""
        self._free_cap_ns = 0
        self._quiet_until_ns = 0
        self._quiet_cap_ns = 0
        self._lost: str | None = None
        transport.attach(self._on_bytes, self._on_lost)

    def link(
        self,
        codec: Codec[RequestT, AnswerT],
        timing: Timing,
        *,
        retries: int = 0,
        repeatable: Callable[[RequestT], bool] = never,
        silent: Callable[[RequestT], bool] = never,
        echoed: Callable[[RequestT], bool] = never,
    ) -> PortLink[RequestT, AnswerT]:
        """See `transport.link.Bus`."""
        self._gap_ns = max(self._gap_ns, timing.gap_ns)
        return PortLink(self, codec, timing, retries, repeatable, silent, echoed)

    @property
    def counters(self) -> LineCounters:
        """See `transport.link.Bus`."""
        return self.stats.counters

    @property
    def lost(self) -> str | None:
        """Why the link is gone; None while it is there."""
        return self._lost

    def close(self) -> None:
        """Close the transport; whoever waits gets a LinkError. Idempotent."""
        self._transport.close()
        self._on_lost("the port was closed")

    async def ask(self, link: PortLink[RequestT, AnswerT], request: RequestT, urgent: bool) -> Reply[AnswerT]:
        """One exchange for one of the port's links, which is who calls this."""
        if self._lost is not None:
            raise LinkError(self._lost)
        retries = link.retries if link.retries and link.repeatable(request) else 0
        future: asyncio.Future[Reply[AnswerT]] = self._loop.create_future()
        unmistakable = urgent and (link.echoed(request) or link.silent(request))
        ask = _Ask(link, request, future, retries, urgent, unmistakable)
        if self._current is None and not self._normal and not self._urgent:
            now_ns = self._now_ns()
            if now_ns >= self._free_ns and (unmistakable or now_ns >= self._quiet_until_ns):
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

    # ------------------------------------------------------------- sending

    def _pump(self) -> None:
        """Send the next request if the line is free for it; else make sure to come back."""
        if self._current is not None or self._lost is not None:
            return
        queue = _waiting(self._urgent) or _waiting(self._normal)
        if not queue:
            return
        now_ns = self._clock.now_ns()
        ask = queue[0]
        if now_ns < self._quiet_until_ns:
            # Whose answer could be a late one's waits; what needs none, or has an echo, goes ahead of it.
            going = (waiting for waiting in self._urgent if waiting.unmistakable and not waiting.future.done())
            ask = next(going, ask)
        ready_ns = self._free_ns if ask.unmistakable else max(self._free_ns, self._quiet_until_ns)
        if now_ns < ready_ns:
            if self._wake_ns <= now_ns or ready_ns < self._wake_ns:
                self._wake_ns = ready_ns
                self._clock.call_at(ready_ns, self._pump)
            return
        queue.remove(ask)
        self._send(ask, now_ns)

    def _send(self, ask: _Ask, now_ns: int) -> None:
        link = ask.link
        try:
            frame = link.codec.encode(ask.request)
        except ValueError as exc:
            # Nothing that can be sent: its caller's mistake, and nobody else waits for it.
            ask.future.set_exception(exc)
            self._loop.call_soon(self._pump)
            return
        self._current = ask
        ask.sent_ns = now_ns
        self.stats.requests += 1
        self._deadline_ns = now_ns + link.timing.reply_timeout_ns
        if self._local_echo:
            self._echo = frame
        try:
            self._transport.write(frame)
        except LinkError as exc:
            self._on_lost(str(exc))
            return
        if self._current is not ask:
            # A transport that answers while it is written to (a replay) has been heard already.
            return
        if link.silent is not never and link.silent(ask.request):
            self._loop.call_soon(self._answered_by_silence, ask)
            return
        self._arm_timer()

    def _answered_by_silence(self, ask: _Ask) -> None:
        """A request that gets no reply is done once it is sent; later, so that its caller waits by then."""
        if self._current is ask:
            now_ns = self._now_ns()
            self._finish(ask, Reply(now_ns, ask.link.decode(ask.request, bytearray())), now_ns)

    def _arm_timer(self) -> None:
        """One timer serves all exchanges; a deadline earlier than the one that is set gets a timer of its own."""
        if not 0 <= self._alarm_ns <= self._deadline_ns:
            self._alarm_ns = self._deadline_ns
            self._clock.call_at(self._deadline_ns, self._on_timer)

    # ----------------------------------------------------------- receiving

    def _on_bytes(self, data: bytes) -> None:
        ask = self._current
        if ask is None:
            self._on_unasked(data)
            return
        buffer = self._buffer
        buffer += data
        if self._echo and not self._heard_echo(buffer):
            return
        if len(buffer) > (most := ask.link.timing.reply_max):
            self.stats.dropped_bytes += len(buffer) - most // 2
            del buffer[: len(buffer) - most // 2]
        try:
            value = ask.link.decode(ask.request, buffer)
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

    def _heard_echo(self, buffer: bytearray) -> bool:
        """Drop the copy of what was sent from the front; False while it may still be on its way."""
        echo = self._echo
        if len(buffer) < len(echo) and echo.startswith(buffer):
            return False
        if buffer.startswith(echo):
            del buffer[: len(echo)]
        self._echo = b""
        return bool(buffer)

    def _on_unasked(self, data: bytes) -> None:
        """Late replies, noise, more than was asked for: the silence that is waited for begins anew, up to a cap."""
        if self._echo:
            # Of a request that gets no reply.
            self._echo = b""
            return
        self.stats.dropped_bytes += len(data)
        now_ns = self._clock.now_ns()
        if now_ns < self._free_ns:
            self._free_ns = min(now_ns + self._gap_ns, self._free_cap_ns)
        if now_ns < self._quiet_until_ns:
            self._quiet_until_ns = min(max(self._quiet_until_ns, now_ns + self._gap_ns), self._quiet_cap_ns)

    def _on_bad_reply(self, ask: _Ask, exc: BadReply) -> None:
        self.stats.bad_replies += 1
        now_ns = self._clock.now_ns()
        if now_ns < self._quiet_until_ns:
            # Sent urgently into a quarantine: this is the late answer to the request before. Ours follows.
            self._on_bytes(b"")
            return
        self._quarantine(now_ns, ask.link.timing.quiet_ns)
        self._retry_or_fail(ask, exc)

    def _finish(self, ask: _Ask, outcome: Reply[Any] | DeviceError, now_ns: int | None = None) -> None:
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
        self._free_cap_ns = now_ns + self._gap_ns * _GAP_FACTOR
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
        """The timer is set anew for the current deadline, or left off. One that was overtaken counts nothing."""
        now_ns = self._clock.now_ns()
        if now_ns < self._alarm_ns:
            return
        self._alarm_ns = -1
        ask = self._current
        if ask is None:
            return
        if now_ns < self._deadline_ns:
            self._arm_timer()
            return
        self.stats.timeouts += 1
        self._quarantine(now_ns, ask.link.timing.quiet_ns)
        waited_ms = (now_ns - ask.sent_ns) / 1e6
        self._retry_or_fail(ask, ReplyTimeout(f"no complete reply within {waited_ms:.0f} ms"))

    def _quarantine(self, now_ns: int, quiet_ns: int) -> None:
        """Believe nothing for the device's worst turnaround."""
        self.stats.dropped_bytes += len(self._buffer)
        self._buffer.clear()
        self._echo = b""
        self._quiet_until_ns = now_ns + quiet_ns
        self._quiet_cap_ns = now_ns + quiet_ns * _QUARANTINE_FACTOR

    def _retry_or_fail(self, ask: _Ask, exc: DeviceError) -> None:
        self._current = None
        self._buffer.clear()
        if ask.retries_left > 0 and not ask.future.done():
            ask.retries_left -= 1
            self.stats.retries += 1
            if ask.urgent:
                # A question still: behind the orders that wait.
                self._urgent.append(ask)
            else:
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


def _waiting(queue: deque[_Ask]) -> deque[_Ask]:
    """The queue, without requests in front whose caller was cancelled: those are not sent."""
    while queue and queue[0].future.done():
        queue.popleft()
    return queue
