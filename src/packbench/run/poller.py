"""Asking one source, again and again, at its own period.

Owns the rhythm. It must not decide anything: a good sample and a failure are both handed on. A
poll that took longer than the period skips the missed instants instead of bunching up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from packbench.clock import Clock
from packbench.core.errors import DeviceError

SampleT = TypeVar("SampleT")


@dataclass(slots=True)
class Poller(Generic[SampleT]):
    """Polls `read` every `period_ns` and hands each outcome on, until cancelled."""

    clock: Clock
    period_ns: int
    read: Callable[[], Awaitable[SampleT]]
    on_sample: Callable[[SampleT], None]
    on_error: Callable[[DeviceError], None]
    polls: int = 0
    """Answers received."""
    failures: int = 0

    async def run(self, first_ns: int) -> None:
        """Poll for ever, first at the instant `first_ns`."""
        due_ns = first_ns
        while True:
            await self.clock.sleep_until(due_ns)
            try:
                sample = await self.read()
            except DeviceError as error:
                self.failures += 1
                self.on_error(error)
            else:
                self.polls += 1
                self.on_sample(sample)
            due_ns += self.period_ns
            now_ns = self.clock.now_ns()
            if now_ns > due_ns:
                due_ns += ((now_ns - due_ns) // self.period_ns + 1) * self.period_ns
