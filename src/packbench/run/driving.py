"""How the bench's cycler is made to do what the plan says: told every set-point, or handed a program and followed.

Owns everything in which the two differ, so that nobody else asks which it is: which engine decides, what is sent
before anything is energised, what is expected of the cycler, how it is switched off. Must not decide when: that is
the engine's, the bench's and the stop sequence's.
"""

from __future__ import annotations

from typing import Protocol

from packbench.core.samples import CyclerSample, Snapshot
from packbench.core.specs import BenchSpec
from packbench.core.step_program import StepProgram
from packbench.drivers.protocols import Cycler, Identity, ProgrammedCycler, Setpoint
from packbench.engine import advance, due, follow
from packbench.engine.effects import Effect
from packbench.engine.prelude import Begin
from packbench.engine.state import EngineState
from packbench.profile.plan import Plan
from packbench.safety.view import Expectation

Outcome = tuple[EngineState, tuple[Effect, ...]]


def program_lag_ns(bench: BenchSpec) -> int:
    """How long a programmed cycler's newest reading may still be that of a moment before: its age and a poll's wait.

    The age is part of the bench's set-point delay: what was begun shows within that time.
    """
    return bench.cycler.poll_period_ns + bench.setpoint_delay_ns


class Driving(Protocol):
    """The bench's cycler, and the way it is driven."""

    lag_ns: int
    """How long its newest reading may still be that of a moment before; 0: it measures when it is asked."""
    steered: bool
    """Whether a running step can be held, left or followed by others than those that were planned."""

    async def identify(self) -> Identity:
        """Ask who it is."""
        ...

    async def prepare(self) -> None:
        """Take control, output off, and hand over what it needs before anything is energised."""
        ...

    async def read(self) -> CyclerSample:
        """One reading."""
        ...

    async def match(self, voltage_v: float) -> float | None:
        """Bring its terminals to the pack's voltage, if it can; the set-point then in force, None: output off."""
        ...

    async def apply(self, setpoint: Setpoint) -> None:
        """A `Drive`: have it deliver this."""
        ...

    async def launch(self) -> None:
        """A `Launch`: have it run what it was handed."""
        ...

    async def off(self) -> None:
        """No current, ahead of anything queued on the bus. Idempotent."""
        ...

    async def release(self) -> None:
        """Give control back."""
        ...

    def start(self, plan: Plan, snapshot: Snapshot, now_ns: int, begin: Begin) -> Outcome:
        """The engine's beginning, after what was asked before."""
        ...

    def advance(self, plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        """The engine's next moment."""
        ...

    def due_ns(self, plan: Plan, state: EngineState, now_ns: int) -> int | None:
        """The next instant at which it wants to be asked, sample or not; None: samples are enough."""
        ...

    def expected(self, before: Expectation, plan: Plan, snapshot: Snapshot) -> Expectation:
        """What a new reading changes in what is expected of the cycler."""
        ...


class Stepping:
    """A cycler that is told every set-point: the engine advances through the plan."""

    lag_ns = 0
    steered = True

    def __init__(self, cycler: Cycler) -> None:
        self.identify = cycler.identify
        self.prepare = cycler.prepare
        self.read = cycler.read
        self.apply = cycler.apply
        self.off = cycler.off
        self.release = cycler.release
        self.start = advance.start
        self.advance = advance.advance
        self.due_ns = due.due_ns

    async def match(self, voltage_v: float) -> float | None:
        await self.apply(Setpoint(0.0, voltage_v))
        return 0.0

    async def launch(self) -> None:
        raise AssertionError("this cycler has no program: the engine that steps it asks for none")

    def expected(self, before: Expectation, plan: Plan, snapshot: Snapshot) -> Expectation:
        """Nothing: it is what was commanded, since when that was acknowledged (run/actor.py)."""
        return before


class Following:
    """A cycler that runs the whole program by itself: the engine follows where its readings say that it stands.

    Args:
        cycler: What runs it.
        program: The plan as its step program.
        lag_ns: See `Driving`.
    """

    steered = False

    def __init__(self, cycler: ProgrammedCycler[StepProgram], program: StepProgram, lag_ns: int) -> None:
        self.lag_ns = lag_ns
        self._cycler = cycler
        self._program = program
        self.identify = cycler.identify
        self.read = cycler.read
        self.launch = cycler.start
        self.off = cycler.stop
        self.start = follow.start
        self.advance = follow.follow

    async def prepare(self) -> None:
        await self._cycler.prepare()
        await self._cycler.upload(self._program)

    async def match(self, voltage_v: float) -> float | None:
        """It holds no voltage before its program runs: the board's precharge brings its terminals up."""
        return None

    async def apply(self, setpoint: Setpoint) -> None:
        raise AssertionError("this cycler takes no set-point: the engine that follows it commands none")

    def due_ns(self, plan: Plan, state: EngineState, now_ns: int) -> int | None:
        """Its readings say when a step is over."""
        return None

    async def release(self) -> None:
        """Nobody took it away: a program that has ended leaves the channel free."""

    def expected(self, before: Expectation, plan: Plan, snapshot: Snapshot) -> Expectation:
        """What the running step wants, from the first reading that shows it. One from before an order says nothing.

        That the program may be at that step is the engine's to check, in the same turn.
        """
        sample = snapshot.cycler
        if sample is None or sample.program is None or sample.t_ns <= before.commanded_ns:
            return before
        drive = follow.expected_drive(plan, sample.program, snapshot)
        wanted = (None, None) if drive is None else (drive.current_a, drive.voltage_v)
        if wanted == (before.current_a, before.clamp_v):
            return before
        return before.told(sample.t_ns, *wanted)
