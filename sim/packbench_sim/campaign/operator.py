"""An operator's word in the middle of a campaign's life: pause and go on, or abort.

Owns when it is said, and what must follow at once: the output off (I12), no current before it goes on, the word in the
record (I13). Some of it is said in the instant in which a current that is about to be commanded waits for a slow disk:
what waits must not be switched on any more. Must not be heard where a fault is to be stopped by itself: a run that
stands still hides it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random

from packbench.core.errors import PackbenchError
from packbench.run.controls import Controls, Kind, Request
from packbench.run.recorder import COMMIT_NS
from packbench_sim.campaign.draw import Draw
from packbench_sim.campaign.person import WHO
from packbench_sim.faults.catalogue import BY_ID
from packbench_sim.faults.seen import state_of
from packbench_sim.invariants import Monitor
from packbench_sim.loop import VirtualClock
from packbench_sim.world import World

S = 1_000_000_000
LOOK_NS = 50_000_000
DURING = ("rest", "charge_cc", "charge_cv", "discharge")
SAID, ABORTS = 0.4, 0.3
"""How often something is said where it may be, and how often that is "abort"."""
AT_DISK = 0.4
"""How often that is where a current waits for the disk."""
BEFORE_ON = (("set_output", 1), ("set_output", 2), ("step_began", 3), ("step_began", 5))
"""What is to be on the disk before a current is switched on, and the how-manieth of a life."""
SLOW_NS, LATER_NS = 2 * S, 200_000_000
"""The disk takes so long then, and the operator speaks so long after."""
UNHEARD = frozenset({"comms.half_write", "store.corrupt"})
"""Rows whose promise is of commands that must not follow, or of a record that is whole."""
DEATHS = frozenset({"comms.host_dead", "host.reboot", "store.power_cut"})


class Operator:
    """Speaks to one life after another; whether a run was paused goes from the one to the next."""

    def __init__(
        self,
        world: World,
        clock: VirtualClock,
        monitor: Monitor,
        rng: Random,
        slow_disk: Callable[[int], object],
        *,
        silent: bool,
    ) -> None:
        """`slow_disk`: have commits take so many nanoseconds from now on."""
        self._world, self._clock, self._monitor, self._rng = world, clock, monitor, rng
        self._silent = silent
        self._slow_disk = slow_disk
        self._awaited: tuple[str, int] | None = None
        """The kind of event upon which the disk becomes slow, and how many of it are left until then."""
        self._slow = asyncio.Event()
        self._paused = False
        """The run was paused, and nobody has said that it may go on: one that is resumed stands still."""
        self.aborted = False
        """The life was ended by this word."""

    def run_begins(self) -> None:
        """A new run."""
        self._paused = False

    def on_event(self, kind: str) -> None:
        """An event is handed to the record."""
        if self._awaited is None or kind != self._awaited[0]:
            return
        self._awaited = (kind, self._awaited[1] - 1)
        if not self._awaited[1]:
            self._awaited = None
            self._slow_disk(SLOW_NS)
            self._slow.set()

    async def speaks(self, draws: tuple[Draw, ...], controls: Controls, told_a: Callable[[], float]) -> list[str]:
        """Wait for the moment, and say something; what did not follow. `told_a`: what the cycler is commanded, A."""
        self.aborted = False
        rng, paused = self._rng, self._paused
        says, state, after_s = rng.random() < SAID, rng.choice(DURING), rng.uniform(0.0, 8.0)
        aborts, pause_s = rng.random() < ABORTS, rng.uniform(0.5, 12.0)
        at_disk, awaited = rng.random() < AT_DISK, rng.choice(BEFORE_ON)
        self._awaited = None
        with suppress(PackbenchError):
            if paused:
                await self._until("rest", pause_s)
                await self._says(controls, "continue")
            elif says and not self._silent and _may(draws):
                if at_disk:
                    await self._where_a_current_waits(awaited)
                else:
                    await self._until(state, after_s)
                self.aborted = aborts
                await self._says(controls, "abort" if aborts else "pause")
                return [] if aborts else await self._pause(controls, pause_s, told_a)
        return []

    async def _pause(self, controls: Controls, pause_s: float, told_a: Callable[[], float]) -> list[str]:
        until_ns = self._clock.now_ns() + round(pause_s * S)
        while self._clock.now_ns() < until_ns:
            if told_a() > 0.0:
                return [f"the run is paused, and {told_a():.1f} A are commanded"]
            await self._clock.sleep_until(self._clock.now_ns() + LOOK_NS)
        await self._says(controls, "continue")
        return []

    async def _where_a_current_waits(self, awaited: tuple[str, int]) -> None:
        """Return when something that is to be on the disk first has waited for it a little."""
        self._slow.clear()
        self._awaited = awaited
        await self._slow.wait()
        await self._clock.sleep_until(self._clock.now_ns() + LATER_NS)
        # The commit that is under way keeps its time; those behind it are as fast as ever.
        self._slow_disk(COMMIT_NS)

    async def _until(self, state: str, after_s: float) -> None:
        """Return when the controller has been in that state for so long."""
        since_ns = None
        while since_ns is None or self._clock.now_ns() - since_ns < after_s * S:
            await self._clock.sleep_until(self._clock.now_ns() + LOOK_NS)
            since_ns = None if state_of(self._world) != state else since_ns or self._clock.now_ns()

    async def _says(self, controls: Controls, kind: Kind) -> None:
        self._paused |= kind == "pause"
        if kind != "continue":
            self._monitor.stop_asked()
        try:
            await controls.carry_out(Request(kind, WHO))
        except PackbenchError:
            self._monitor.stop_refused()
            raise
        self._paused = kind == "pause"
        self._monitor.operator_command(kind, WHO)


def _may(draws: tuple[Draw, ...]) -> bool:
    """Whether a run with these faults may be told to stand still: none that is to be stopped by itself is hidden."""
    rows = [BY_ID[draw.row] for draw in draws]
    borne = ("DISCARD", "NONE", "MARKED")
    return all(row.id in DEATHS or (row.reaction in borne and row.id not in UNHEARD) for row in rows)
