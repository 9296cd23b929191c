"""The only one who renews the board's lease.

Owns the heartbeat. It renews only when the channel whose contactor the board holds answers its
ping with "fresh, plausible and within limits" at that very moment; a channel that is stuck, or
has tripped, simply gets no renewal, and the board opens by itself. It never raises a limit, never
retries, and knows nothing of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from packbench.clock import Clock
from packbench.core.errors import DeviceError
from packbench.core.samples import BoardSample
from packbench.drivers.protocols import Board

PROOF_LOOK_NS = 20_000_000
PROOF_SLACK_NS = 500_000_000
"""How long after the lease a proof test waits for the contact to open."""


class ProofTest(NamedTuple):
    """What was seen when the lease was withheld once."""

    lease_ns: int
    """From the last heartbeat that was acknowledged until the board was seen to open."""
    open_ns: int
    """The same until the auxiliary contact was seen open."""
    opened: bool
    """Whether it was."""


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
    _proving: bool = False
    _renewed_ns: int = 0

    async def prove(self, lease_ns: int) -> ProofTest:
        """Withhold the lease once, and watch the board open by itself. Raises DeviceError when it does not answer."""
        await self.board.prove()
        self._proving = True
        try:
            return await self._watched(self._renewed_ns, lease_ns)
        finally:
            self._proving = False

    async def _watched(self, since_ns: int, lease_ns: int) -> ProofTest:
        left_ns = 0
        deadline_ns = self.clock.now_ns() + lease_ns + PROOF_SLACK_NS
        while True:
            status = await self.board.read()
            now_ns = self.clock.now_ns()
            if status.state != "closed" and not left_ns:
                left_ns = now_ns - since_ns
            if not status.contactor_closed or now_ns >= deadline_ns:
                return ProofTest(left_ns, now_ns - since_ns, not status.contactor_closed)
            await self.clock.sleep_until(now_ns + PROOF_LOOK_NS)

    async def run(self, first_ns: int) -> None:
        """Renew for ever, first at the instant `first_ns`."""
        due_ns = first_ns
        while True:
            await self.clock.sleep_until(due_ns)
            if not self._proving and self.ping(self.clock.now_ns()):
                try:
                    status = await self.board.heartbeat()
                except DeviceError as error:
                    self.on_error(error)
                else:
                    self.heartbeats += 1
                    self._renewed_ns = status.t_ns
                    self.on_status(status)
            else:
                self.withheld += 1
            due_ns = max(due_ns + self.period_ns, self.clock.now_ns())
