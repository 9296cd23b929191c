"""The only one who renews the board's lease.

Owns the heartbeat. It renews only when the channel whose contactor the board holds answers its
ping with "fresh, plausible and within limits" at that very moment; a channel that is stuck, or
has tripped, simply gets no renewal, and the board opens by itself. It never raises a limit, never
retries, and knows nothing of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from packbench.clock import Clock
from packbench.core.errors import DeviceError
from packbench.core.samples import BoardSample
from packbench.drivers.protocols import Board


@dataclass(slots=True)
class Supervisor:
    """Sends a heartbeat every `period_ns` as long as `ping` says yes, until cancelled."""

    clock: Clock
    period_ns: int
    board: Board
    ping: Callable[[int], bool]
    """Asked with now; True only when everything is fresh and within limits."""
    on_status: Callable[[BoardSample], None]
    on_error: Callable[[DeviceError], None]
    heartbeats: int = 0
    withheld: int = 0

    async def run(self, first_ns: int) -> None:
        """Renew for ever, first at the instant `first_ns`."""
        due_ns = first_ns
        while True:
            await self.clock.sleep_until(due_ns)
            if self.ping(self.clock.now_ns()):
                try:
                    status = await self.board.heartbeat()
                except DeviceError as error:
                    self.on_error(error)
                else:
                    self.heartbeats += 1
                    self.on_status(status)
            else:
                self.withheld += 1
            due_ns = max(due_ns + self.period_ns, self.clock.now_ns())
