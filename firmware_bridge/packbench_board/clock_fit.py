"""The board's clock against the host's.

Owns the conversion of the board's uptime to the host's monotonic time. Must not read a clock: both times are arguments.
It exists so that the board's sequence of events can stand beside the run's record.

A status was made before it was received, so `received - uptime` is never less than the true offset, and least where
the line was fastest: the least of many is taken (as NTP's clock filter does, RFC 5905, 10). Two that are minutes apart
give the drift.
"""

from __future__ import annotations

WINDOW_NS = 60_000_000_000
NS_PER_US = 1000


class ClockFit:
    """Offset and drift of a board's clock."""

    __slots__ = ("_began_ns", "_first", "_newest", "_window_ns")

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None
        """(uptime ns, offset ns) with the least offset of the first minute."""
        self._newest: tuple[int, int] | None = None
        self._began_ns = self._window_ns = 0

    def add(self, received_ns: int, uptime_us: int) -> None:
        """A status that says `uptime_us` was in hand at `received_ns`. A board that started anew starts it anew."""
        up_ns = uptime_us * NS_PER_US
        offset_ns = received_ns - up_ns
        if self._newest is None or up_ns < self._newest[0]:
            self._first = self._newest = (up_ns, offset_ns)
            self._began_ns = self._window_ns = up_ns
            return
        if up_ns - self._window_ns >= WINDOW_NS:
            self._window_ns = up_ns
            self._newest = (up_ns, offset_ns)
        elif offset_ns < self._newest[1]:
            self._newest = (up_ns, offset_ns)
        assert self._first is not None
        if up_ns < self._began_ns + WINDOW_NS and offset_ns < self._first[1]:
            self._first = (up_ns, offset_ns)

    def host_ns(self, uptime_us: int) -> int | None:
        """The host's time of an instant of the board's; None before the first status."""
        if self._newest is None:
            return None
        up_ns = uptime_us * NS_PER_US
        at_ns, offset_ns = self._newest
        return up_ns + offset_ns + round((up_ns - at_ns) * self.drift)

    @property
    def drift(self) -> float:
        """How much faster the host's clock goes, relative; 0 until two minutes have been seen."""
        if self._first is None or self._newest is None or self._newest[0] - self._first[0] < WINDOW_NS:
            return 0.0
        return (self._newest[1] - self._first[1]) / (self._newest[0] - self._first[0])
