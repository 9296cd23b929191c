"""A process that dies while its run is being stopped for a fault: whoever comes next must not go on with that run.

Owns when it dies, and whether that run may go on. It counts from the cycler's "off", as the world sees it, never from
when the bench says that it has tripped: a trip that is written too late, or not at all, is what is looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from packbench.run.recorder import COMMIT_NS
from packbench_sim.campaign.draw import Draw
from packbench_sim.loop import VirtualLoop
from packbench_sim.plant import Plant

ROW, STATE = "sensor.cells_missing", "discharge"
"""The host alone sees it, and stops the current before it has the contactor opened."""
AFTER_S = (3.0, 12.0)
"""The current has not ended by itself until it is noticed: the shortest round of a discharge takes 20 s."""
WITHIN_NS = 60_000_000
"""After the "off": the current has not been read to be none, and the contact is not open."""
WRITTEN_NS = 2 * COMMIT_NS
"""A commit that is under way, and the trip's own."""


class InItsStop:
    """Ends a life where it is told to. `kill`: has the process die."""

    def __init__(self, loop: VirtualLoop, plant: Plant, rng: Random, kill: Callable[[], None]) -> None:
        self._loop, self._plant, self._rng, self._kill = loop, plant, rng, kill
        self._after_ns: int | None = None
        """How long after the "off" of its stop this life's process dies; None: it does not."""
        self._written = False

    def is_to_be(self) -> tuple[Draw, ...]:
        """The next life is to end like this: its fault."""
        self._after_ns, self._written = self._rng.randrange(WITHIN_NS), False
        return (Draw(ROW, STATE, self._rng.uniform(*AFTER_S)),)

    def on_command(self, t_ns: int, output_on: bool) -> None:
        """The cycler is told something."""
        if self._after_ns is not None and not output_on and self._plant.faults.cells_missing:
            after_ns, self._after_ns = self._after_ns, None
            self._loop.at_ns(t_ns + after_ns, self._dies, after_ns > WRITTEN_NS)

    def life_ended(self) -> None:
        """With it or without."""
        self._after_ns = None

    def had_tripped(self) -> bool:
        """Whether the run that was cut short last is never to be gone on with. Asked once."""
        written, self._written = self._written, False
        return written

    def _dies(self, written: bool) -> None:
        self._written = written
        self._kill()
