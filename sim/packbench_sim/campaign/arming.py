"""One fault of a life, waiting for the state of the controller in which it is to become true.

Owns the waiting alone: what a fault does is `faults.injector`'s, which one comes when is `draw`'s.
"""

from __future__ import annotations

from packbench_sim.campaign.draw import Draw
from packbench_sim.faults.active import PASSING
from packbench_sim.faults.catalogue import BY_ID
from packbench_sim.faults.injector import Injected, Injector
from packbench_sim.faults.seen import state_of
from packbench_sim.loop import VirtualLoop
from packbench_sim.world import World

S = 1_000_000_000
LOOK_NS = 20_000_000
BRIEF_NS = 400_000_000
"""A fault that shows for a moment is over so long after: a whole poll has seen it."""
PASSES_NS = {"power.setpoint": 1_200_000_000}
"""A fault in passing is over so long after it shows, well before its rule's delay (2 s) and well after half of it."""
BRIEF = frozenset({"sensor.cells_missing", "pack.insulation", "pack.hvil", "pack.runaway"})
"""Rows of which the slight form is the same for a moment: what trips at once stays tripped (a loose contact)."""
AT_START = frozenset({"config.mismatch", "config.resume", "host.port_swap", "store.corrupt"})
"""Made true before a life begins, not in one of its states."""


class Arming:
    """One fault of a life, waiting for its state."""

    def __init__(self, draw: Draw, injector: Injector, world: World, loop: VirtualLoop) -> None:
        self.injected: Injected | None = None
        self.draw = draw
        self._injector, self._world, self._loop = injector, world, loop
        self._over = False
        self._since_ns: int | None = None

    def set(self) -> None:
        """Begin to look."""
        self._look()

    def over(self) -> None:
        """The life is over."""
        self._over = True

    def _inject(self) -> None:
        self.injected = self._injector.inject(self.draw.row, slight=self.draw.slight, form=self.draw.form)
        # What took another form is no loose contact: a meter that is silent for a moment has been asked again.
        if self.draw.slight and self.draw.row in BRIEF and not self.injected.form:
            self._until_shown(BRIEF_NS)
        elif self.injected.form == PASSING:
            self._until_shown(PASSES_NS[self.draw.row])

    def _until_shown(self, lasts_ns: int) -> None:
        """Wait until it has been seen; then it is no more."""
        assert self.injected is not None
        now_ns, shown_ns = self._loop.now_ns(), self.injected.shown_ns
        if shown_ns is not None and now_ns - shown_ns >= lasts_ns:
            self._injector.repair(self.draw.row)
        elif not self._over:
            self._loop.at_ns(now_ns + LOOK_NS, self._until_shown, lasts_ns)

    def _look(self) -> None:
        if self.draw.row in AT_START or self._over or self.injected is not None:
            return
        now_ns = self._loop.now_ns()
        if state_of(self._world) == self.draw.state:
            if self._since_ns is None:
                self._since_ns = now_ns
            if now_ns - self._since_ns >= self.draw.after_s * S:
                self._inject()
                return
        elif self._since_ns is not None:
            # The state was shorter than drawn. The same one may come again; what it has become may do as well.
            self._since_ns = None
            if state_of(self._world) in BY_ID[self.draw.row].states:
                self._inject()
                return
        self._loop.at_ns(now_ns + LOOK_NS, self._look)
