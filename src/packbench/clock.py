"""The only module that reads a clock.

Owns the seam of time: integer nanoseconds, monotonic, plus the wall clock for people. The
composition root hands a Clock to whoever needs one; pure layers are told `now` as a value.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Monotonic time and waiting for it."""

    @property
    def boot_id(self) -> str:
        """Of this start of the machine: instants of another one's monotonic clock cannot be compared."""
        ...

    def now_ns(self) -> int:
        """Monotonic nanoseconds from an arbitrary start."""
        ...

    async def sleep_until(self, t_ns: int) -> None:
        """Return at or after the monotonic instant t_ns; at once when it has passed."""
        ...

    def call_at(self, t_ns: int, callback: Callable[[], object]) -> None:
        """Have the running loop call back at or after an instant. Cannot be taken back: the callee looks again."""
        ...

    def wall(self) -> datetime:
        """The wall clock in UTC: for people and records, never for control."""
        ...


class MonotonicClock:
    """Real time."""

    @property
    def boot_id(self) -> str:
        """See `Clock`; "" where the system does not say."""
        with suppress(OSError):
            return BOOT_ID.read_text(encoding="ascii").strip()
        return ""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep_until(self, t_ns: int) -> None:
        delay_ns = t_ns - time.monotonic_ns()
        await asyncio.sleep(max(delay_ns, 0) / 1e9)

    def call_at(self, t_ns: int, callback: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(max(t_ns - time.monotonic_ns(), 0) / 1e9, callback)

    def wall(self) -> datetime:
        return datetime.now(UTC)


def stopwatch_s() -> float:
    """Seconds of real time from an arbitrary start, to tell people how long something took."""
    return time.perf_counter()
