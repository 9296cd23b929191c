"""How a bench is brought to rest: the stop sequence after a trip, and the look afterwards.

Owns the order of the last commands and the proof that they worked. Every device gets its command
whatever the others do, an "off" without an answer is repeated at once, and nothing here waits for
a disk. It must not decide that a stop is needed: the channel and the operator do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from packbench.clock import Clock
from packbench.core.records import Trip
from packbench.drivers.protocols import Chamber
from packbench.run.driving import Driving
from packbench.run.supervised import SupervisedBoard
from packbench.safety.view import Reaction

LOW_CURRENT_A = 1.0
"""Below this the contactor may open without breaking a load."""
LOW_CURRENT_WAIT_NS = 500_000_000
"""Invariant I2: |I| < 1 A within 500 ms of the off command; later is category 0."""
CURRENT_WAIT_NS = 800_000_000
"""How long a stop of category 1 waits for the cycler: the board's load-break wait and an exchange fit in after it."""
OPEN_WAIT_NS = 1_000_000_000
"""Invariant I2: the contactor is open within 1 s."""
LOOK_NS = 20_000_000
CHAMBER_WAIT_NS = 3_000_000_000
"""How long a chamber's answer is waited for; the bench is at rest before it is asked."""
OFF_TRIES = 3
"""An "off", "open" or "trip" that got no answer is repeated at once, ahead of everything on its bus."""
TRIP_BY_HOST = 1
"""The board's trip code for "the host said so"."""


@dataclass(slots=True)
class Stopper:
    """The last commands to one bench."""

    clock: Clock
    cycler: Driving
    board: SupervisedBoard
    failures: list[str] = field(default_factory=list[str])
    """What could not be done, in words."""

    async def stop(self, reaction: Reaction) -> None:
        """Current to zero and contactor open, latched on the board. S0: both at once; S1: current first."""
        if reaction == "S0":
            await asyncio.gather(self.off(), self.trip())
            return
        without_load = asyncio.create_task(self._without_load(), name="current to zero")
        # A cycler that is slow to say "off" must not hold up the contactor: late, category 1 becomes category 0.
        await asyncio.wait({without_load}, timeout=CURRENT_WAIT_NS / 1e9)
        await self.trip()
        await without_load

    async def _without_load(self) -> None:
        if await self.off():
            await self.low_current()

    async def off(self) -> bool:
        """The cycler's output off; whether it answered."""
        return await self._until_taken("cycler off", self.cycler.off)

    async def trip(self) -> bool:
        """The contactor open, latched on the board; whether it answered."""
        return await self._until_taken("board trip", lambda: self.board.trip(TRIP_BY_HOST))

    async def low_current(self) -> bool:
        """Whether the cycler's own reading came below 1 A within the time that I2 allows."""
        deadline_ns = self.clock.now_ns() + LOW_CURRENT_WAIT_NS
        while self.clock.now_ns() < deadline_ns:
            readings: list[float] = []

            async def look(into: list[float] = readings) -> None:
                into.append(abs((await self.cycler.read()).current_a))

            if not await self.attempt("cycler reading", look):
                return False
            if readings[0] < LOW_CURRENT_A:
                return True
            await self.clock.sleep_until(self.clock.now_ns() + LOOK_NS)
        return False

    async def shut_down(self, release_ns: int) -> Trip | None:
        """Everything off, open and given back, in this order; then the proof.

        Returns a trip when the contactor did not open, nobody can say whether it did, or current still
        flows: a bench that is not known to be at rest is nothing to walk up to. A cycler that does not
        answer is no danger behind a contactor that is seen open.
        """
        if await self.off():
            await self.low_current()
        await self._until_taken("board open", self.board.open)
        closed = await self._contactor(OPEN_WAIT_NS + release_ns)
        flowing_a = await self._flowing()
        await self.attempt("cycler release", self.cycler.release)
        return _unsafe(closed=closed, flowing_a=flowing_a)

    async def stop_chamber(self, chamber: Chamber) -> None:
        """Its heater must not go on by itself. Asked last, when nothing else waits, and for a bounded time."""

        async def stop() -> None:
            async with asyncio.timeout(CHAMBER_WAIT_NS / 1e9):
                await chamber.stop()

        deadline_ns = self.clock.now_ns() + CHAMBER_WAIT_NS
        for _ in range(OFF_TRIES):
            if await self.attempt("chamber stop", stop) or self.clock.now_ns() >= deadline_ns:
                return

    async def _until_taken(self, name: str, command: Callable[[], Awaitable[None]]) -> bool:
        """Give a command that takes energy away, which may be given twice, until it is answered; whether it was."""
        for _ in range(OFF_TRIES):
            if await self.attempt(name, command):
                return True
        return False

    async def attempt(self, name: str, command: Callable[[], Awaitable[None]]) -> bool:
        """Give one command; whether it was taken. What goes wrong with it must not stop the next one."""
        try:
            await command()
        except Exception as error:  # noqa: BLE001 - the one place where the rest must be done whatever happened
            told = f"{name}: {str(error) or type(error).__name__}"
            if told not in self.failures:
                self.failures.append(told)
            return False
        return True

    async def _contactor(self, limit_ns: int) -> bool | None:
        """What the board says of the contactor once it is open or its time is over; None: it does not answer."""
        deadline_ns = self.clock.now_ns() + limit_ns
        while True:
            closed: list[bool] = []

            async def look(into: list[bool] = closed) -> None:
                into.append((await self.board.read()).contactor_closed)

            answered = await self.attempt("board status", look)
            if answered and not closed[0]:
                return False
            if self.clock.now_ns() >= deadline_ns:
                return closed[0] if answered else None
            await self.clock.sleep_until(self.clock.now_ns() + LOOK_NS)

    async def _flowing(self) -> float:
        """The current that the cycler still shows, in A; 0 when it does not answer (its failure is told).

        One whose readings lag is given the time to show one from after the stop.
        """
        deadline_ns = self.clock.now_ns() + self.cycler.lag_ns
        while True:
            readings: list[float] = []

            async def look(into: list[float] = readings) -> None:
                into.append(abs((await self.cycler.read()).current_a))

            await self.attempt("cycler reading", look)
            if not readings or readings[0] < LOW_CURRENT_A or self.clock.now_ns() >= deadline_ns:
                return readings[0] if readings else 0.0
            await self.clock.sleep_until(self.clock.now_ns() + LOOK_NS)


def _unsafe(*, closed: bool | None, flowing_a: float) -> Trip | None:
    if closed:
        return Trip(
            "contactor_not_open",
            "power.weld",
            0,
            None,
            None,
            "",
            "The contactor did not open: it may be welded. Do not touch the pack; disconnect it by other means.",
            "接触器未能断开，可能已粘连。请勿接触电池包，须以其他方式断开。",
        )
    if closed is None:
        return Trip(
            "contactor_unknown",
            "comms.board_lost",
            0,
            None,
            None,
            "",
            "The interlock board does not answer: nobody knows whether the contactor is open. Treat the pack as live.",
            "联锁板没有应答，无法确认接触器是否已断开。请将电池包视为带电。",
        )
    if flowing_a >= LOW_CURRENT_A:
        return Trip(
            "current_not_off",
            "power.ignores_off",
            0,
            flowing_a,
            LOW_CURRENT_A,
            "A",
            f"The cycler still delivers {flowing_a:.1f} A although it was told to switch off.",
            f"已下达关断指令，充放电设备仍输出 {flowing_a:.1f} A。",
        )
    return None
