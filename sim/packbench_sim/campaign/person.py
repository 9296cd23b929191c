"""The person at a campaign's bench: repairs, lets the pack rest, turns the key and resets the board in a name.

Owns what a person does between two lives, wrong things first: a reset without a turned key, or with one that was left
turned, must be refused (a key that nobody touches is no decision). Must not judge anything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

from packbench.app.devices import Buses, Line, board_driver
from packbench.app.job import Job
from packbench.core.errors import DeviceError
from packbench_board.codes import Input
from packbench_sim.campaign.profile import AWAY_NS
from packbench_sim.devices.jk_pb import JkPbDevice
from packbench_sim.loop import VirtualClock
from packbench_sim.wire import MemoryLink
from packbench_sim.world import World

WHO = "Li"
USED_A, USED_S = 40.0, 720.0
"""Somebody else's use of a pack: eight amp-hours, a tenth of what it holds."""
EXCHANGED, EXCHANGED_V = 3, 0.2
WIDE = 2.0
"""What a BMS that allows more than the pack's maker allows, to what the maker does."""
LOWER_V = 0.4
"""Every cell of another pack of the same shape stands so much lower, on the same BMS."""


class Person:
    """Acts on one world. `violates`: told (of, text) of what should have been refused."""

    def __init__(
        self,
        job: Job,
        world: World,
        bms: JkPbDevice,
        clock: VirtualClock,
        rng: Random,
        violates: Callable[[str, str], None],
    ) -> None:
        self._job, self._world, self._bms, self._clock, self._rng = job, world, bms, clock, rng
        self._violates = violates

    async def resets(self, line: MemoryLink, *, tripped: bool) -> None:
        """Reset the board, on a line of one's own; one that has not tripped may still know of an earlier turn."""
        client = board_driver(self._job, Line(line), Buses(self._clock))
        try:
            await client.greet()
            if not tripped or await self._refused(client.reset):
                # A real board looks a thousand times a second, and has seen the key off by now.
                self._turn(on=False)
                self._turn(on=True)
                await client.reset(WHO)
        except DeviceError as error:
            self._violates("reset", f"the board was not reset: {error}")
        self._turn(on=self._rng.random() < 0.5)

    def sets_the_bms(self, *, wide: bool) -> None:
        """How much current the BMS allows: what the pack's maker does, or more, and then the host alone tells."""
        limits, factor = self._job.pack.limits, WIDE if wide else 1.0
        assert limits.charge_current_max_a is not None
        assert limits.discharge_current_max_a is not None
        self._bms.allow(factor * limits.charge_current_max_a, factor * limits.discharge_current_max_a)

    async def lets_it_change(self) -> None:
        """A run that was cut short is not gone on with for too long, or its pack serves another purpose meanwhile."""
        match self._rng.randrange(5):
            case 0:
                self.uses_the_pack()
            case 1:
                self._exchanges_a_cell()
            case 2:
                self._exchanges_the_pack()
            case 3:
                self._exchanges_the_bms()
            case _:
                await self._clock.sleep_until(self._clock.now_ns() + AWAY_NS)

    def uses_the_pack(self) -> None:
        """Somebody charges the pack, or discharges it, while no controller looks."""
        pack = self._world.plant.pack
        full = float(pack.soc.mean()) > 0.5
        self._world.plant.advance_to(self._clock.now_ns())
        pack.advance(USED_S, -USED_A if full else USED_A)
        pack.refresh(0.0)
        pack.advance(USED_S, 0.0)

    def _exchanges_a_cell(self) -> None:
        """One that stands higher than the others takes its place; by the pack's charge nobody would know."""
        plant = self._world.plant
        plant.advance_to(self._clock.now_ns())
        plant.pack.push_cell(EXCHANGED, float(plant.pack.cell_voltages_v(0.0).mean()) + EXCHANGED_V, 0.0)

    def _exchanges_the_pack(self) -> None:
        """Another one on the same BMS, which counts on as if nothing had been."""
        plant = self._world.plant
        plant.advance_to(self._clock.now_ns())
        plant.pack.lower_all(LOWER_V, 0.0)

    def _exchanges_the_bms(self) -> None:
        """Another one of the same model, which knows as much."""
        self._bms.exchange(f"JK-SIM-{self._rng.randrange(1000, 10_000)}")

    def sets_right(self) -> None:
        """The pack has its own cells again."""
        self._world.plant.pack.leave_all(self._world.plant.cycler.current_a)

    async def _refused(self, reset: Callable[[str], Awaitable[object]]) -> bool:
        """Whether a reset is refused by whom nobody has turned the key for: it is off, or it was left on."""
        try:
            await reset(WHO)
        except DeviceError:
            return True
        self._violates("reset", "the board was reset although nobody had turned its key")
        return False

    def _turn(self, *, on: bool) -> None:
        board = self._world.board
        board.set_input(Input.KEY_ON, on)
        board.on_bytes(self._clock.now_ns(), b"")
