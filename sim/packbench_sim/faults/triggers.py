"""When a fault becomes true, and for how long: at a time, by chance, in a state, or when something happens.

Owns the waiting. Must not know what a fault does (injector.py), and draws nothing but from the generator that it is
given: one seed, one course. Nothing of the world is changed by waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from packbench_sim.faults.catalogue import BY_ID, MS, State
from packbench_sim.faults.injector import Injected, Injector
from packbench_sim.faults.seen import is_write, state_of

HOUR_NS = 3_600_000_000_000
LOOK_NS = 5 * MS
"""How often the world is looked at for a state; the shortest that is waited for lasts four times that."""


@dataclass(frozen=True, slots=True)
class At:
    """So long after the plan was armed."""

    t_ns: int


@dataclass(frozen=True, slots=True)
class Probability:
    """By chance, so often an hour on average. Comes again after it is over, where its duration is bounded."""

    per_hour: float


@dataclass(frozen=True, slots=True)
class InState:
    """So long after the controller has come into a state (`seen.state_of`).

    Where the state is over before that, the next time that it comes up is taken at once: never another state.
    """

    state: State
    after_ns: int = 0


@dataclass(frozen=True, slots=True)
class InStep:
    """So long after the k-th part of the test began, from 1: a rest, a charge, a discharge, as the cycler is told."""

    number: int
    after_ns: int = 0


Event = Literal["write", "precharge", "closed", "cv", "stopping", "tripped"]
EVENTS: tuple[Event, ...] = ("write", "precharge", "closed", "cv", "stopping", "tripped")


@dataclass(frozen=True, slots=True)
class When:
    """As soon as something happens.

    A command is on its way to the cycler, precharge begins, the contactor closes for the first time, the voltage is
    held, the current is being stopped, the board trips.
    """

    event: Event


Trigger = At | Probability | InState | InStep | When


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault that is to be."""

    fault_id: str
    trigger: Trigger
    duration_ns: int | None = None
    """None: until it is repaired."""

    def __post_init__(self) -> None:
        row = BY_ID.get(self.fault_id)
        if row is None or row.pending:
            raise KeyError(self.fault_id)


_STATE_OF: dict[str, State] = {
    "precharge": "precharge",
    "cv": "charge_cv",
    "stopping": "stopping",
    "tripped": "tripped",
}


class Armed:
    """A planned fault that waits. Make it in the running loop, once the injector holds lines; `over()` ends it."""

    def __init__(self, planned: Planned, injector: Injector, rng: Random) -> None:
        self.planned = planned
        self.injected: list[Injected] = []
        self._injector, self._rng = injector, rng
        self._world, self._loop = injector.world, injector.loop
        self._over = False
        self._since_ns: int | None = None
        self._too_short = False
        self._steps = 0
        self._mode: tuple[bool, bool] | None = None
        self._set()

    def over(self) -> None:
        """Nothing is waited for any more; what is true stays."""
        self._over = True

    def _set(self) -> None:
        now_ns, trigger = self._loop.now_ns(), self.planned.trigger
        match trigger:
            case At():
                self._loop.at_ns(now_ns + trigger.t_ns, self._fire)
            case Probability():
                wait_ns = round(self._rng.expovariate(trigger.per_hour / HOUR_NS))
                self._loop.at_ns(now_ns + wait_ns, self._fire)
            case When("write"):
                self._on_write()
            case InState() | InStep() | When():
                self._look()

    def _fire(self) -> None:
        if self._over:
            return
        self.injected.append(self._injector.inject(self.planned.fault_id))
        if self.planned.duration_ns is not None:
            self._loop.at_ns(self._loop.now_ns() + self.planned.duration_ns, self._end)

    def _end(self) -> None:
        self._injector.repair(self.planned.fault_id)
        if isinstance(self.planned.trigger, Probability) and not self._over:
            self._set()

    # -- looking at the world ----------------------------------------------------------------

    def _look(self) -> None:
        if self._over:
            return
        if self._is_due():
            self._fire()
        else:
            self._loop.at_ns(self._loop.now_ns() + LOOK_NS, self._look)

    def _is_due(self) -> bool:
        trigger = self.planned.trigger
        state = state_of(self._world)
        match trigger:
            case InState():
                return self._lasts(state == trigger.state, trigger.after_ns)
            case InStep():
                return self._lasts(self._step(state) == trigger.number, trigger.after_ns)
            case When("closed"):
                return self._world.plant.contactor.closed
            case When():
                return state == _STATE_OF[trigger.event]
            case _:
                return False

    def _lasts(self, there: bool, after_ns: int) -> bool:
        """Whether what is waited for has lasted long enough."""
        now_ns = self._loop.now_ns()
        if not there:
            self._too_short |= self._since_ns is not None
            self._since_ns = None
            return False
        if self._since_ns is None:
            self._since_ns = now_ns
        return self._too_short or now_ns - self._since_ns >= after_ns

    def _step(self, state: State) -> int:
        """The part of the test that runs now; 0: none does."""
        if state in ("connecting", "precharge", "tripped"):
            self._mode, self._steps = None, 0
        elif state != "stopping":
            mode = (state.startswith("charge"), state == "discharge")
            if mode != self._mode:
                self._mode = mode
                self._steps += 1
        return self._steps

    def _on_write(self) -> None:
        link = self._injector.lines["cycler"]
        before = link.on_written

        def on_written(t_ns: int, data: bytes) -> None:
            if before is not None:
                before(t_ns, data)
            if self._since_ns is None and is_write(data, tcp=True):
                self._since_ns = t_ns
                self._loop.at_ns(t_ns, self._fire)

        link.on_written = on_written
