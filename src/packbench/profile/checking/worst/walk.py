"""The way through a plan: jumps, loops, variables; what every step comes to on the way.

Owns the control flow of the analysis. Jumps only go on, so the steps are gone through in their order, each with
everything that leads to it; a loop is gone through round by round, and where it has too many, until nothing new
comes to its beginning: what such a round counts is then multiplied.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

from packbench.core.specs import PackSpec
from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.doubts import Refused, doubtful, refused
from packbench.profile.checking.worst.driven import Driven
from packbench.profile.checking.worst.ends import decided
from packbench.profile.checking.worst.interval import ZERO, Interval, hull
from packbench.profile.checking.worst.moving import driven_outcome
from packbench.profile.checking.worst.outcome import Outcome
from packbench.profile.checking.worst.period import Shape
from packbench.profile.checking.worst.rounds import gone_round
from packbench.profile.checking.worst.seen import Seen, seen_in
from packbench.profile.checking.worst.state import Arriving, State, Totals, arrive, nothing
from packbench.profile.checking.worst.still import still_outcome
from packbench.profile.checking.worst.values import CHAMBER_C, begun_with, between_steps, value_of
from packbench.profile.checking.worst.waveform import waveform_outcome
from packbench.profile.plan import (
    ChamberSet,
    End,
    Goto,
    LoopEnd,
    Pause,
    Plan,
    Rest,
    SetVariables,
    Soak,
    TimedStep,
    Waveform,
)


@dataclass(slots=True)
class Walk:
    """One case's way through a plan."""

    world: World
    plan: Plan
    pack: PackSpec
    seen: dict[int, Seen] = field(default_factory=dict[int, Seen])
    finished: State | None = None
    """Everything that an end of the profile may leave."""
    cut_short: Totals | None = None
    """What a run may have come to that a step's max_time ends; its least says nothing."""
    unable: dict[int, None] = field(default_factory=dict[int, None])
    """Steps that may not begin: a set-point that is nothing, or beyond the limits."""
    begun: set[int] = field(default_factory=set[int])
    """Steps that may begin."""
    refused: dict[int, Refused | None] = field(default_factory=dict[int, Refused | None])
    """Steps that some state cannot begin, and with which set-point."""
    executed: int = 0
    steady_c: float = -inf
    """Where temperatures would go in the end."""
    limit_c: float = -inf
    hottest_c: float = -inf
    most_a: float = 0.0
    """The largest current at the end of any step: polarisation feels no other."""
    _shapes: dict[int, Shape] = field(default_factory=dict[int, Shape])
    _loops: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """Beginning to ends, the outermost first."""
    kept: list[Totals] = field(default_factory=list[Totals])
    """What was counted before each loop whose rounds are gone through together: they begin at nothing."""

    def run(self) -> None:
        """From the plan's first step to its ends."""
        for index, step in enumerate(self.plan.steps):
            if isinstance(step, LoopEnd):
                self._loops.setdefault(step.start, []).insert(0, index)
        self.region(0, len(self.plan.steps), {0: self._beginning()})

    def totals(self) -> Totals:
        """What a run may come to: the least of those that end by the profile's own word, the most of all."""
        if self.finished is None:
            return self.cut_short or Totals()
        totals = self.finished.totals
        if self.cut_short is None:
            return totals
        more = self.cut_short
        return Totals(
            Interval(totals.seconds.lo, max(totals.seconds.hi, more.seconds.hi)),
            Interval(totals.moved_ah.lo, max(totals.moved_ah.hi, more.moved_ah.hi)),
            Interval(totals.moved_wh.lo, max(totals.moved_wh.hi, more.moved_wh.hi)),
        )

    def hottest(self) -> Interval:
        """The hottest reading of a run."""
        begun_c = self.world.start_c.lo if self.finished is None else self.finished.hottest_c.lo
        return Interval(begun_c, max(self.hottest_c, begun_c))

    def _beginning(self) -> State:
        world = self.world
        return State(
            soc=world.soc,
            filtered_a=ZERO,
            current_a=ZERO,
            temperature_c=world.start_c,
            around_c=world.ambient_c,
            hottest_c=world.start_c,
            variables=nothing(),
            past={},
            optional=frozenset(),
            rounds={},
            test_s=ZERO,
            cycle_s=ZERO,
            step_s=ZERO,
            cycle=Interval(1.0, 1.0),
            test_ah=ZERO,
            test_wh=ZERO,
            cycle_ah=ZERO,
            cycle_wh=ZERO,
            totals=Totals(),
        )

    # -- in order ---------------------------------------------------------------------------

    def region(self, begin: int, end: int, arriving: Arriving) -> Arriving:
        """From `begin` up to `end` (not with it): what leads out of it."""
        out: Arriving = {}
        index = begin
        while index < end:
            loop = next((loop for loop in self._loops.get(index, ()) if loop < end), None)
            state = arriving.pop(index, None)
            following = index + 1
            if state is None:
                leading: Arriving = {}
            elif loop is not None:
                leading = gone_round(self, loop, state)
            else:
                leading = self._step(index, state)
            if loop is not None:
                following = loop + 1
            for target, reached in leading.items():
                arrive(arriving if target < end else out, target, reached)
            index = following
        return out

    def _step(self, index: int, state: State) -> Arriving:
        step = self.plan.steps[index]
        self.executed += 1
        match step:
            case End():
                state = self._whole(state)
                self.finished = state if self.finished is None else self.finished.joined(state)
                return {}
            case Goto():
                return self._goto(step, index, state)
            case SetVariables():
                return self._set(step, index, state)
            case ChamberSet():
                return {index + 1: self._chamber(step, state)}
            case LoopEnd():
                raise AssertionError("a loop's end is gone through with its loop")
            case _:
                return self._timed(step, index, state)

    def _timed(self, step: TimedStep, index: int, state: State) -> Arriving:
        outcome = self._outcome(step, index, state)
        self._beginning_of(step, index, state, begins=outcome is not None)
        if outcome is None or (index in self.world.asked.formulas and doubtful(step, self.world, state)):
            self.unable[index] = None
            self._cut(state, Totals())
        if outcome is None:
            return {}
        seen = self.seen.get(index)
        if seen is None:
            self.seen[index] = seen_in(outcome)
        else:
            seen.add(outcome)
        self.steady_c = max(self.steady_c, outcome.warmth.steady_c)
        self.limit_c = max(self.limit_c, outcome.warmth.limit_c)
        self.hottest_c = max(self.hottest_c, outcome.hottest_c.hi)
        if outcome.overdue or not outcome.ends:
            moved = (i.magnitude(outcome.charge_ah), i.magnitude(outcome.energy_wh))
            self._cut(state, Totals(outcome.duration_s, *moved))
        leading: Arriving = {}
        for way, after in outcome.ends:
            self.most_a = max(self.most_a, -after.current_a.lo, after.current_a.hi)
            if way.goto is None:
                arrive(leading, index + 1, after)
            else:
                arrive(leading, way.goto, self._left_loops(after, index, way.goto))
        return leading

    def _beginning_of(self, step: TimedStep, index: int, state: State, *, begins: bool) -> None:
        """Whether no pack can begin a step in this state."""
        wrong = refused(step, self.world, state) if index in self.world.asked.formulas else None
        if begins and wrong is None:
            self.begun.add(index)
        elif self.refused.get(index) is None:
            self.refused[index] = wrong

    def _outcome(self, step: TimedStep, index: int, state: State) -> Outcome | None:
        if isinstance(step, Rest | Soak | Pause):
            return still_outcome(self.world, state, step, index)
        if isinstance(step, Waveform):
            return waveform_outcome(self.world, state, step, index, self._shapes)
        return driven_outcome(Driven(self.world, state, step, self.pack.chemistry), index)

    def _cut(self, state: State, more: Totals) -> None:
        """A run that ends in a step before one of the step's own ends."""
        totals = self._whole(replace(state, totals=state.totals.plus(more))).totals
        self.cut_short = totals if self.cut_short is None else self.cut_short.joined(totals)

    def _whole(self, state: State) -> State:
        """With what was counted before the loops that it is in."""
        totals = state.totals
        for kept in self.kept:
            totals = totals.plus(kept)
        return replace(state, totals=totals)

    # -- what takes no time -----------------------------------------------------------------

    def _goto(self, step: Goto, index: int, state: State) -> Arriving:
        readings = between_steps(self.world, state)
        holding = [decided(condition, state, readings) for condition in step.until]
        surely = not holding or any(sure for _, sure in holding)
        may = surely or (not self.world.expected and any(may for may, _ in holding))
        leading: Arriving = {}
        if may:
            leading[step.target] = self._left_loops(state, index, step.target)
        if not surely:
            arrive(leading, index + 1, state)
        return leading

    def _set(self, step: SetVariables, index: int, state: State) -> Arriving:
        for name, amount in step.values:
            value = value_of(amount, state, between_steps(self.world, state))
            if value.missing:
                self.unable[index] = None
                self._cut(state, Totals())
            # A value that is not there ends the run: who goes on has one.
            state = replace(state, variables={**state.variables, name: value._replace(missing=False)})
        return {index + 1: state}

    def _chamber(self, step: ChamberSet, state: State) -> State:
        world = self.world
        if step.temperature_c is None:
            return replace(state, around_c=hull(state.around_c, world.ambient_c))
        target = begun_with(step.temperature_c, state, between_steps(world, state), *CHAMBER_C)
        if world.expected:
            return replace(state, around_c=target)
        return replace(state, around_c=hull(state.around_c, i.widened(target, world.chamber_k)))

    def _left_loops(self, state: State, index: int, target: int) -> State:
        """A loop that is jumped out of begins anew when it is entered again."""
        left = [
            loop
            for loop in state.rounds
            if isinstance(step := self.plan.steps[loop], LoopEnd)
            and step.start <= index <= loop
            and not step.start <= target <= loop
        ]
        if not left:
            return state
        return replace(state, rounds={loop: done for loop, done in state.rounds.items() if loop not in left})
