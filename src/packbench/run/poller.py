"""Asking one source, again and again, at its own period.

Owns the rhythm, which may change while it runs. It must not decide anything: a good sample and a failure are both
handed on. A poll that took longer than the period skips the missed instants instead of bunching up, and the instants
of one period lie on a grid: time spent asking does not add up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from packbench.clock import Clock
from packbench.core.errors import DeviceError

SampleT = TypeVar("SampleT")


@dataclass(slots=True)
class Poller(Generic[SampleT]):
    """Polls `read` every `period_ns` and hands each outcome on, until cancelled."""

    clock: Clock
    period_ns: int
    """As it is now; `set_period` changes it."""
    read: Callable[[], Awaitable[SampleT]]
    on_sample: Callable[[SampleT], None]
    on_error: Callable[[DeviceError], None]
    polls: int = 0
    """Answers received."""
    failures: int = 0
    _asked_ns: int | None = field(default=None, init=False)
    """The instant on the grid at which it was asked last; None: not yet."""
    _due_ns: int = field(default=0, init=False)
    _asleep: asyncio.Future[None] | None = field(default=None, init=False)
    """Done when the sleep is over; None: it is being asked."""

    async def run(self, first_ns: int) -> None:
        """Poll for ever, first at the instant `first_ns`."""
        loop, look = asyncio.get_running_loop(), self._look
        self._due_ns = first_ns
        while True:
            # A future and a timer of its own: a sleep on the clock could not be cut short.
            asleep: asyncio.Future[None] = asyncio.Future(loop=loop)
            self._asleep = asleep
            self.clock.call_at(self._due_ns, look)
            await asleep
            self._asleep = None
            self._asked_ns = self._due_ns
            try:
                sample = await self.read()
            except DeviceError as error:
                self.failures += 1
                self.on_error(error)
            else:
                self.polls += 1
                self.on_sample(sample)
            self._due_ns += self.period_ns
            now_ns = self.clock.now_ns()
            if now_ns > self._due_ns:
                self._due_ns += ((now_ns - self._due_ns) // self.period_ns + 1) * self.period_ns

    def set_period(self, period_ns: int) -> None:
        """Ask at this period from the last poll on. A sleep that would be too long by now ends earlier.

        A longer period counts from the next poll, which comes when it was due. Two polls are never closer to each
        other than the shorter of the two periods.
        """
        assert period_ns > 0
        self.period_ns = period_ns
        if self._asleep is None or self._asked_ns is None:
            # Being asked, the next instant is worked out with the new period; the first poll comes when it was due.
            return
        late_ns = self.clock.now_ns() - self._asked_ns
        due_ns = self._asked_ns + max(-(-late_ns // period_ns), 1) * period_ns
        if due_ns < self._due_ns:
            self._due_ns = due_ns
            self.clock.call_at(due_ns, self._look)

    def _look(self) -> None:
        """A timer went off. None can be taken back: one that was set for another instant finds that out here."""
        asleep = self._asleep
        if asleep is None or asleep.done():
            return
        if self.clock.now_ns() >= self._due_ns:
            asleep.set_result(None)
        else:
            self.clock.call_at(self._due_ns, self._look)
