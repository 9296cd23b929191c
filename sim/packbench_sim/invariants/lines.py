"""What was on the lines: which readings left an emulator in which reply, and which of those replies were delivered.

Owns the pairing of a reading with the bytes that carried it. Must not decode a device's protocol: a reply counts as
delivered when the very bytes that the emulator sent arrive in one piece (noise may stand around them, the host's codec
finds its way), within the device's reply time-out from its request. A reply that was changed, cut short or late on the
way is no reading of the host's, whatever the host makes of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from packbench_sim.wire import MemoryLink


class Given(NamedTuple):
    """A reading as its emulator gave it out."""

    role: str
    """"cycler" or "bms"."""
    t_ns: int
    values: Any
    """Of the cycler (V, A); of the BMS a `packbench_sim.bms.Measurement`."""


class Delivered(NamedTuple):
    """A reading that the host has in hand."""

    t_ns: int
    asked_ns: int
    given: Given


DELAY_NS = 1_000_000_000
"""How long a device may take from its measurement to its reply."""
LOST_NS = 10_000_000_000
"""A reply that has not come by then will not."""
STREAM_MAX = 4096
"""Longer than any reply."""

Deliver = Callable[[Delivered], None]
Tap = Callable[[int, bytes], None]


class Desk:
    """Collects what is given out, until a reply takes it away: at once, or after the device's own delay."""

    def __init__(self) -> None:
        self._given: dict[str, list[Given]] = {"cycler": [], "bms": []}

    def put(self, given: Given) -> None:
        """A reading leaves its part."""
        waiting = self._given[given.role]
        if waiting and waiting[0].t_ns != given.t_ns:
            waiting.clear()
        waiting.append(given)

    def take(self, t_ns: int, roles: tuple[str, ...]) -> tuple[Given, ...]:
        """What these gave out last, unless it is too old to be in this reply."""
        taken: tuple[Given, ...] = ()
        for role in roles:
            if waiting := self._given[role]:
                if t_ns - waiting[0].t_ns <= DELAY_NS:
                    taken += tuple(waiting)
                waiting.clear()
        return taken


def _both(before: Tap | None, then: Tap) -> Tap:
    """Whoever listens already goes on listening."""
    if before is None:
        return then

    def tap(t_ns: int, data: bytes) -> None:
        before(t_ns, data)
        then(t_ns, data)

    return tap


class LineWatch:
    """One line of one controller."""

    def __init__(self, link: MemoryLink, timeouts_ns: dict[str, int], desk: Desk, deliver: Deliver) -> None:
        self._timeouts_ns = timeouts_ns
        self._roles = tuple(timeouts_ns)
        self._desk = desk
        self._deliver = deliver
        self._asked_ns: int | None = None
        self._first_asked_ns: int | None = None
        """The oldest request without an answer in hand."""
        self._coming: deque[tuple[bytes, int, tuple[Given, ...]]] = deque()
        self._stream = bytearray()
        """What has come since the last whole reply."""
        self.hurt_ns = -1
        """When a request last got no sound answer in time."""
        self._timeout_ns = min(timeouts_ns.values())
        self._gone = False
        link.on_written = _both(link.on_written, self._written)
        link.on_replied = _both(link.on_replied, self._replied)
        link.on_delivered = _both(link.on_delivered, self._delivered)

    def detach(self) -> None:
        """Watch no longer: whoever was at this end is gone."""
        # The link's observers stay: somebody else's may stand before or behind these.
        self._gone = True

    def hurt(self, now_ns: int, within_ns: int) -> bool:
        """Whether an exchange has failed here lately, or one is failing."""
        waiting_ns = self._first_asked_ns
        if waiting_ns is not None and now_ns - waiting_ns > self._timeout_ns // 2:
            return True
        return self.hurt_ns >= 0 and now_ns - self.hurt_ns <= within_ns

    def _written(self, t_ns: int, _data: bytes) -> None:
        if self._gone:
            return
        if self._first_asked_ns is not None:
            self.hurt_ns = t_ns
        self._asked_ns = self._first_asked_ns = t_ns

    def _replied(self, t_ns: int, data: bytes) -> None:
        if self._gone:
            return
        asked_ns, self._asked_ns = self._asked_ns, None
        self._coming.append((data, t_ns if asked_ns is None else asked_ns, self._desk.take(t_ns, self._roles)))

    def _delivered(self, t_ns: int, data: bytes) -> None:
        """Find what was on its way in what has come: whole, in one piece, whatever noise is around it."""
        if self._gone:
            return
        coming = self._coming
        if not self._stream and len(coming) == 1 and coming[0][0] == data:
            _, asked_ns, given = coming.popleft()
            self._arrived(t_ns, asked_ns, given)
            return
        self._stream += data
        for one in tuple(coming):
            reply, asked_ns, given = one
            at = self._stream.find(reply)
            if at >= 0:
                del self._stream[: at + len(reply)]
                coming.remove(one)
                self._arrived(t_ns, asked_ns, given)
            elif t_ns - asked_ns > LOST_NS:
                coming.remove(one)
        if not coming:
            self._stream.clear()
        elif len(self._stream) > STREAM_MAX:
            del self._stream[:-STREAM_MAX]

    def _arrived(self, t_ns: int, asked_ns: int, given: tuple[Given, ...]) -> None:
        if self._first_asked_ns is not None and asked_ns >= self._first_asked_ns:
            self._first_asked_ns = None
        for one in given:
            if t_ns - asked_ns <= self._timeouts_ns[one.role]:
                self._deliver(Delivered(t_ns, asked_ns, one))
