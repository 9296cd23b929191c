"""The last commands to a bench, when a device is slow to take them."""

from __future__ import annotations

from typing import Any

from packbench.core.samples import CyclerSample
from packbench.run.stopping import Stopper
from packbench_sim.loop import VirtualClock, run_virtual

MS = 1_000_000


class Slow:
    """A cycler that takes its time to say "off", and a board that does not."""

    def __init__(self, clock: VirtualClock, off_ms: int) -> None:
        self.clock, self.off_ms = clock, off_ms
        self.off_at_ms: int | None = None
        self.tripped_at_ms: int | None = None

    async def off(self) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + self.off_ms * MS)
        self.off_at_ms = self.clock.now_ns() // MS

    async def read(self) -> Any:
        now_ns = self.clock.now_ns()
        return CyclerSample(now_ns, 50.0, 0.0 if self.off_at_ms is not None else -40.0, False, "off")

    async def trip(self, code: int) -> None:
        self.tripped_at_ms = self.clock.now_ns() // MS


def stopped(off_ms: int) -> Slow:
    found: list[Slow] = []

    async def main(clock: VirtualClock) -> None:
        devices: Any = Slow(clock, off_ms)
        found.append(devices)
        await Stopper(clock, devices, devices).stop("S1")

    run_virtual(main)
    return found[0]


def test_the_contactor_opens_after_the_current_where_the_cycler_is_quick() -> None:
    devices = stopped(off_ms=20)
    assert devices.off_at_ms == 20
    assert devices.tripped_at_ms == 20


def test_a_slow_cycler_does_not_hold_up_the_contactor() -> None:
    """Category 1 that is late becomes category 0: the contactor is open within a second, the "off" goes on."""
    devices = stopped(off_ms=3000)
    assert devices.tripped_at_ms == 800
    assert devices.off_at_ms == 3000
