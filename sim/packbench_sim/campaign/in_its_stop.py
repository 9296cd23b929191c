"""A process that dies right after its run has tripped: whoever comes next must not go on with that run.

Owns when it dies, and whether the run's record must say that it had tripped. It counts from the instant in which the
trip is handed to the record, never by what the record says: what is not there is what is looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from packbench.run.recorder import COMMIT_NS
from packbench.store.codec import TRIP
from packbench_sim.loop import VirtualLoop

WITHIN_NS = 60_000_000
"""After a trip: a stop takes longer."""
WRITTEN_NS = 2 * COMMIT_NS
"""A commit that is under way, and the trip's own."""


class InItsStop:
    """Ends one life after another, where it is told to. `kill`: has the process die."""

    def __init__(self, loop: VirtualLoop, rng: Random, kill: Callable[[], None]) -> None:
        self._loop, self._rng, self._kill = loop, rng, kill
        self._after_ns: int | None = None
        """How long after its trip this life's process dies; None: it does not."""
        self._written = False

    def is_to_be(self) -> None:
        """The next trip is the end of its process."""
        self._after_ns, self._written = self._rng.randrange(WITHIN_NS), False

    def on_event(self, now_ns: int, kind: str) -> None:
        """Something is handed to the record."""
        if kind == TRIP and self._after_ns is not None:
            self._loop.at_ns(now_ns + self._after_ns, self._dies)

    def life_ended(self) -> None:
        """With it or without."""
        self._after_ns = None

    def had_tripped(self) -> bool:
        """Whether the run that was cut short last is never to be gone on with. Asked once."""
        written, self._written = self._written, False
        return written

    def _dies(self) -> None:
        if self._after_ns is not None:
            self._written = self._after_ns > WRITTEN_NS
            self._kill()
