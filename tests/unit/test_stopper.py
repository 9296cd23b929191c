"""The last commands to a bench, when a device is slow to take them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from packbench.core.errors import ReplyTimeout
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


class Noisy(Slow):
    """A board on whose line the first commands are lost, and the contactor that it holds."""

    lag_ns = 0

    def __init__(self, clock: VirtualClock, lost: int) -> None:
        super().__init__(clock, off_ms=10)
        self.lost, self.contactor_closed = lost, True

    async def release(self) -> None:
        pass

    async def open(self) -> None:
        await self._taken()

    async def trip(self, code: int) -> None:
        await self._taken()

    async def read(self) -> Any:
        # Of the cycler and of the board.
        return SimpleNamespace(current_a=0.0, contactor_closed=self.contactor_closed)

    async def _taken(self) -> None:
        if self.lost:
            self.lost -= 1
            await self.clock.sleep_until(self.clock.now_ns() + 80 * MS)
            raise ReplyTimeout("no complete reply within 80 ms")
        self.contactor_closed = False


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
@pytest.mark.parametrize("how", ["shut down", "S0", "S1"])
def test_a_command_to_open_that_is_lost_is_given_again(how: str, lost: int) -> None:
    """One damaged frame is no welded contactor; a board that never answers is told of."""
    found: list[Any] = []

    async def main(clock: VirtualClock) -> None:
        devices: Any = Noisy(clock, lost)
        stopper = Stopper(clock, devices, devices)
        if how == "shut down":
            found.append(await stopper.shut_down(release_ns=20 * MS))
        else:
            await stopper.stop("S0" if how == "S0" else "S1")
        found.append((devices.contactor_closed, stopper.failures))

    run_virtual(main)
    command = "board open" if how == "shut down" else "board trip"
    assert found[-1] == (lost == 3, [f"{command}: no complete reply within 80 ms"] if lost else [])
    if how == "shut down":
        assert (found[0] is not None and found[0].fault_id == "power.weld") == (lost == 3)
