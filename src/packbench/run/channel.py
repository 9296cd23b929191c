"""One pack under test: the owner of its snapshot, its safety state and its engine state.

Owns the decisions' state and nothing else's: samples come in, safety judges first, the engine
advances (or follows: run/driving.py), effects go to the actor (run/actor.py). Everything here is
synchronous, so a sample is judged in the same loop turn it arrives in and nothing can be decided on
half-updated state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from packbench.clock import Clock
from packbench.core.errors import RequestRefused
from packbench.core.limits import Limits, looser_than
from packbench.core.records import Row
from packbench.core.samples import (
    BmsSample,
    BoardSample,
    ChamberSample,
    CyclerSample,
    MeterSample,
    Quality,
    Snapshot,
)
from packbench.core.specs import BenchSpec
from packbench.engine import intervening
from packbench.engine.advance import answer
from packbench.engine.editing import moved_to
from packbench.engine.effects import Effect, Finish, OutputOff
from packbench.engine.prelude import Begin
from packbench.engine.recording import wanted_poll_ns
from packbench.engine.reentering import held_again, reenter
from packbench.engine.state import EngineState
from packbench.engine.walk import stop
from packbench.profile.plan import Plan
from packbench.run.checkpoints import Checkpoints
from packbench.run.driving import Driving
from packbench.run.limits import StepLimits
from packbench.run.rows import Rows
from packbench.safety.judge import Latched, SafetyState, judge
from packbench.safety.view import Expectation

Act = Callable[[Plan, EngineState, Snapshot, int], tuple[EngineState, tuple[Effect, ...]]]

OFF_LOOK_NS = 500_000_000
"""So long after an "off" the cycler is read as fast as can be: an output that ignores it is to be stopped within this
time (faults catalogue, power.ignores_off)."""


@dataclass(slots=True)
class Outbox:
    """Where the channel's decisions go. Set by the bench before the first sample."""

    effects: Callable[[tuple[Effect, ...]], None]
    trip: Callable[[Latched], None]
    row: Callable[[Row], None]
    note: Callable[[str, bool], None]
    """A state that changed, for the log: its name and its new value."""
    observe: Callable[[Snapshot, EngineState], None]
    pace: Callable[[int], None]
    """The cycler is to be read at this period from now on, in ns."""
    checkpoint: Callable[[dict[str, Any]], None]
    """Where the run stands, to be recorded."""


class Channel:
    """Judges and advances on every sample."""

    def __init__(
        self,
        clock: Clock,
        plan: Plan,
        limits: Limits,
        expected: Expectation,
        bench: BenchSpec,
        driving: Driving,
        outbox: Outbox,
    ) -> None:
        self.expected = expected
        """What the bench should be doing; the actor replaces it when a command is acknowledged, and a reading does
        that says what a program is at."""
        self.given_ns = -1
        """When the cycler was last given a current; the actor says so just before."""
        self.closing = False
        """The board has been asked to close: from its first "closed" on, the contactor is expected to be."""
        self.lost: tuple[tuple[str, str], ...] = ()
        """Links that are gone."""
        self.engine: EngineState | None = None
        self._clock = clock
        self.plan = plan
        """What is carried out; an operator may put another one in its place (`edit`)."""
        self._driving = driving
        self._limits = limits
        self._step_limits = StepLimits(limits, plan)
        self._most_held_ns = bench.max_hold_ns
        self._outbox = outbox
        self._safety = SafetyState(clock.now_ns())
        # Positive current charges: the cycler's terminals then stand above the pack's.
        self._cable_ohm = bench.cable_resistance_ohm if bench.sense_point == "cycler" else 0.0
        self._cycler_fresh_ns = bench.cycler.stale_after_ns
        self._bms_fresh_ns = bench.bms.stale_after_ns
        self._cycler: CyclerSample | None = None
        self._bms: BmsSample | None = None
        self._board: BoardSample | None = None
        self._chamber: ChamberSample | None = None
        self._meter: MeterSample | None = None
        self._balancing: bool | None = None
        self._implausible: dict[str, bool] = {}
        self._rows = Rows(plan, self._row)
        self._checkpoints = Checkpoints(plan)
        self._usual_ns = self._period_ns = bench.cycler.poll_period_ns
        self._fastest_ns = min(bench.cycler.poll_fast_ns, self._usual_ns)
        self._off_until_ns = 0
        """Until then it is looked at whether an "off" is obeyed."""
        self._due_ns: int | None = None
        """When the engine is asked again, reading or not."""

    @property
    def latched(self) -> Latched | None:
        """The trip, once there is one."""
        return self._safety.latched

    def snapshot(self) -> Snapshot:
        """The newest sample of every source, now."""
        cycler = self._cycler
        voltage_v = float("nan") if cycler is None else cycler.voltage_v - cycler.current_a * self._cable_ohm
        return Snapshot(self._clock.now_ns(), cycler, self._bms, self._board, voltage_v, self._chamber, self._meter)

    def unheard(self) -> tuple[str, ...]:
        """Sources that a run needs a good reading of before anything is decided, and that have given none yet."""
        newest = {"cycler": self._cycler, "bms": self._bms, "chamber": self._chamber, "meter": self._meter}
        return tuple(name for name in ("cycler", "bms", *self.expected.fitted) if newest[name] is None)

    def begin(self, begin: Begin) -> None:
        """Start the profile where its first questions have led to, on the newest samples."""
        snapshot = self.snapshot()
        self._safety = self._safety._replace(started_ns=snapshot.t_ns)
        self.engine, effects = self._driving.start(self.plan, snapshot, snapshot.t_ns, begin)
        self._went_on(self.engine, snapshot.t_ns)
        self._hand_over(effects)

    def resume(self, state: EngineState, taper_a: float | None) -> None:
        """Go on with a profile that was cut short, in the step in which it stood."""
        snapshot = self.snapshot()
        self._safety = self._safety._replace(started_ns=state.started_ns)
        if state.step.hold is not None:
            # It was paused, and is until somebody says otherwise.
            self.engine, effects = held_again(state, snapshot.t_ns, taper_a), (OutputOff(),)
        else:
            self.engine, effects = reenter(self.plan, state, snapshot, snapshot.t_ns, taper_a)
        self._went_on(self.engine, snapshot.t_ns)
        self._hand_over(effects)

    def on_cycler(self, sample: CyclerSample) -> None:
        """A reading of the cycler. One that is not good is no reading: the source goes stale."""
        good = sample.quality is Quality.GOOD
        self._plausible("cycler", good)
        if good:
            # One that was given before is no news, and no row.
            new = self._cycler is None or sample.t_ns > self._cycler.t_ns
            self._cycler = sample
            if new:
                self.expected = self._driving.expected(self.expected, self.plan, self.snapshot())
            self._decide(record=new)

    def on_bms(self, sample: BmsSample) -> None:
        """A reading of the BMS. One that is not good is no reading: the source goes stale."""
        good = sample.quality is Quality.GOOD
        self._plausible("bms", good)
        if good:
            self._bms = sample
            if sample.balancing is not None and sample.balancing is not self._balancing:
                self._balancing = sample.balancing
                self._outbox.note("balancing", sample.balancing)
            self._decide(record=False)

    def on_board(self, sample: BoardSample) -> None:
        """The board's status. Judged at once when it is not what was asked of it."""
        self._board = sample
        if self.closing and sample.contactor_closed:
            self.closing = False
            self.expected = replace(self.expected, contactor_closed=True, closed_ns=self._clock.now_ns())
        if self.expected.contactor_closed and not sample.contactor_closed:
            self._decide(record=False)

    def on_chamber(self, sample: ChamberSample) -> None:
        """A reading of the climate chamber. One that is not good is no reading: the source goes stale."""
        good = sample.quality is Quality.GOOD
        self._plausible("chamber", good)
        if good:
            self._chamber = sample
            self._decide(record=False)

    def on_meter(self, sample: MeterSample) -> None:
        """A reading of the bench's meter. One without the insulation that a limit is on is no reading either."""
        good = sample.quality is Quality.GOOD
        self._plausible("meter", good)
        if good and (self.expected.insulation_min_ohm is None or "insulation_ohm" in sample.values):
            self._meter = sample
            self._decide(record=False)

    def told(self, current_a: float | None, clamp_v: float | None) -> None:
        """The cycler has accepted a command; None: off. Whether an "off" is obeyed is looked at without delay."""
        now_ns, flowed = self._clock.now_ns(), bool(self.expected.current_a)
        self.expected = self.expected.told(now_ns, current_a, clamp_v)
        self._off_until_ns = now_ns + OFF_LOOK_NS if flowed and current_a is None else 0
        if self._off_until_ns and self.engine is not None:
            self._pace(self.engine, now_ns)

    def on_lost(self, source: str, reason: str) -> None:
        """A link is gone; what is heard of it again changes nothing."""
        if all(source != known for known, _ in self.lost):
            self.lost = (*self.lost, (source, reason))
            self._decide(record=False)

    def ping(self, now_ns: int) -> bool:
        """Whether the lease may be renewed: nothing latched, and every source fresh right now."""
        if self._safety.latched is not None:
            return False
        cycler, bms = self._cycler, self._bms
        if cycler is None or bms is None:
            return False
        stale = now_ns - cycler.t_ns > self._cycler_fresh_ns or now_ns - bms.t_ns > self._bms_fresh_ns
        if stale or self._safety.pending:
            # Neither silence nor the end of a delay brings a sample that would be judged: the heartbeat's ping does.
            self._decide(record=False)
        return self._safety.latched is None

    def hold(self, *, tried: bool = False) -> None:
        """The running step stands still, output off. `tried`: only see whether it may. Raises RequestRefused."""
        self._intervene(partial(intervening.hold, most_ns=self._most_held_ns), tried=tried)

    def go_on(self, *, tried: bool = False) -> None:
        """The held step goes on. Raises RequestRefused."""
        self._intervene(intervening.go_on, tried=tried)

    def jump(self, label: str, *, tried: bool = False) -> None:
        """The running step ends, and the one of that label begins. Raises RequestRefused."""
        self._intervene(partial(intervening.jump, index=intervening.index_of(self.plan, label)), tried=tried)

    def edit(self, plan: Plan, limits: Limits, *, tried: bool = False) -> None:
        """The test goes on by another plan: from its next step on, and by its limits at once. Raises RequestRefused."""
        engine = self._steerable()
        if (plan.source_sha256, plan.sources) == (self.plan.source_sha256, self.plan.sources):
            raise RequestRefused("the edited profile is the one that the run goes by already")
        if loosened := looser_than(limits, self._limits):
            raise RequestRefused(f"limits may become tighter in a running test, not looser: {', '.join(loosened)}")
        moved = moved_to(self.plan, plan, engine)
        if tried:
            return
        self.engine, self.plan, self._limits = moved, plan, limits
        self._step_limits = StepLimits(limits, plan)
        self._rows.follow(plan)
        self._checkpoints.follow(plan)
        self._went_on(moved, self._clock.now_ns())
        self._decide(record=False)

    def abort(self, reason: str) -> None:
        """End the run by an operator's word: output off first, then the profile's end. Once is enough."""
        if self.engine is None:
            self._outbox.effects((Finish("aborted", reason),))
            return
        self._stop(self.engine, self.snapshot(), reason)

    def answer(self, label: str, word: str) -> None:
        """Take in the operator's answer to the pause of that label; late, or a second time, it changes nothing."""
        # What the answer leads to is begun on what is true now.
        self._decide(record=False)
        engine = self.engine
        if engine is None or engine.step.finished or engine.step.running is None:
            return
        if engine.step.running.label != label:
            return
        snapshot = self.snapshot()
        self._take(engine, snapshot, answer(self.plan, engine, snapshot, snapshot.t_ns, word))

    def _intervene(self, act: Act, *, tried: bool) -> None:
        """Have an operator's word move the engine, on what is true now. Raises RequestRefused."""
        engine, snapshot = self._steerable(), self.snapshot()
        outcome = act(self.plan, self._as_told(engine), snapshot, snapshot.t_ns)
        if not tried:
            if outcome[0].step.number != engine.step.number:
                self._rows.reading(engine, snapshot, outcome[0], force=True)
            self._take(engine, snapshot, outcome)

    def _steerable(self) -> EngineState:
        """The engine's state, judged and advanced to this moment. Raises RequestRefused, with why nothing may move."""
        self._decide(record=False)
        if (latched := self._safety.latched) is not None:
            raise RequestRefused(f"the run has tripped: {latched.trip.text_en}")
        if self.engine is None:
            raise RequestRefused("the profile has not begun")
        if not self._driving.steered:
            raise RequestRefused("the cycler runs its program by itself: abort ends the run, nothing else can be asked")
        return self.engine

    def _take(self, before: EngineState, snapshot: Snapshot, outcome: tuple[EngineState, tuple[Effect, ...]]) -> None:
        """Go on from what somebody's word has led to."""
        self.engine, effects = outcome
        self._rows.moved(before, self.engine)
        self._went_on(self.engine, snapshot.t_ns)
        self._outbox.observe(snapshot, self.engine)
        self._hand_over(effects)

    def _plausible(self, source: str, good: bool) -> None:
        """Log when a source begins to answer with values that cannot be, and when it stops doing so."""
        if self._implausible.get(source, False) is good:
            self._implausible[source] = not good
            self._outbox.note(f"{source}_implausible", not good)

    def _decide(self, *, record: bool) -> None:
        engine = self.engine
        if engine is None and self.unheard():
            # Nothing flows and the contactor is open: the bench waits for all, with a time limit of its own.
            return
        snapshot = self.snapshot()
        already = self._safety.latched is not None
        limits = self._step_limits.at(engine, snapshot.t_ns)
        self._safety = judge(self._safety, snapshot, limits, self.expected, self.lost)
        latched = self._safety.latched
        if latched is not None:
            if engine is not None and record:
                self._rows.reading(engine, snapshot, engine, force=True)
            if not already:
                self._trip(latched, snapshot)
            return
        if engine is None or engine.step.finished:
            return
        after, effects = self._driving.advance(self.plan, engine, snapshot, snapshot.t_ns)
        self.engine = after
        ended = after.step.number != engine.step.number
        # What the engine passed over as no step's own is not recorded either.
        counted = record and snapshot.cycler is not None and after.meter.t_ns >= snapshot.cycler.t_ns
        if counted or ended:
            # The reading belongs to the step that it was seen to be of, else to the one that was running.
            self._rows.reading(after if after.step.seen is snapshot else engine, snapshot, after, force=ended)
            self._outbox.observe(snapshot, after)
            self._check(after, snapshot.t_ns)
        if after.step is not engine.step or after.control is not engine.control:
            self._rows.moved(engine, after)
            self._went_on(after, snapshot.t_ns)
        elif self._period_ns != self._usual_ns or self._safety.pending:
            self._pace(after, snapshot.t_ns)
        self._hand_over(effects)

    def _hand_over(self, effects: tuple[Effect, ...]) -> None:
        """Have the effects carried out; before a run is over, what waits to be recorded is."""
        if not effects:
            return
        if any(isinstance(effect, Finish) for effect in effects):
            self._rows.flush()
        self._outbox.effects(effects)

    def _row(self, row: Row) -> None:
        self._checkpoints.row(row)
        self._outbox.row(row)

    def _check(self, engine: EngineState, now_ns: int) -> None:
        """Have it recorded where the run stands, when that is due."""
        data = self._checkpoints.look(engine, now_ns)
        if data is not None:
            self._outbox.checkpoint(data)

    def _went_on(self, engine: EngineState, now_ns: int) -> None:
        """The step's state has changed: when it is to be looked at again, and how often."""
        self._check(engine, now_ns)
        self._look_again_when_due(engine, now_ns)
        self._pace(engine, now_ns)

    def _pace(self, engine: EngineState, now_ns: int) -> None:
        """Have the cycler read as often as the running step wants, between its fastest and its usual period.

        While a rule's delay runs it is read at its fastest: a usual period on top of the delay is too late.
        """
        wanted_ns = wanted_poll_ns(engine, now_ns)
        if now_ns < self._off_until_ns or self._safety.pending:
            wanted_ns = 0
        period_ns = self._usual_ns if wanted_ns is None else max(min(wanted_ns, self._usual_ns), self._fastest_ns)
        if period_ns != self._period_ns:
            self._period_ns = period_ns
            self._outbox.pace(period_ns)

    def _look_again_when_due(self, engine: EngineState, now_ns: int) -> None:
        """Have the clock call at the next instant at which time alone ends or changes something."""
        due_ns = self._driving.due_ns(self.plan, engine, now_ns)
        if due_ns is not None and due_ns != self._due_ns:
            self._due_ns = due_ns
            self._clock.call_at(due_ns, self._on_due)

    def _on_due(self) -> None:
        """An instant that was asked for; one that has been replaced since says nothing."""
        if self._due_ns is not None and self._clock.now_ns() >= self._due_ns:
            self._due_ns = None
            self._decide(record=False)
            if self.engine is not None:
                self._went_on(self.engine, self._clock.now_ns())

    def _trip(self, latched: Latched, snapshot: Snapshot) -> None:
        """Stop the engine where it stands; the actor has already been told to stop the current."""
        self._outbox.trip(latched)
        if self.engine is not None:
            self._stop(self.engine, snapshot, latched.trip.text_en)

    def _stop(self, engine: EngineState, snapshot: Snapshot, reason: str) -> None:
        self.engine, effects = stop(self.plan, self._as_told(engine), snapshot, snapshot.t_ns, reason)
        self._hand_over(effects)

    def _as_told(self, engine: EngineState) -> EngineState:
        """The engine's state where somebody's word comes first: what still waits for the disk will not flow."""
        if self.given_ns >= engine.meter.wanted_ns:
            return engine
        return engine._replace(meter=engine.meter.withdrawn(self.expected.current_a or 0.0))
