"""Loops: round by round, and where there are too many of them the rest together.

Owns the way round. The rest is gone through as one round that begins with everything that any of them may begin
with: it is repeated until nothing new comes to its beginning, and what it counts is then multiplied.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf
from typing import TYPE_CHECKING

from packbench.config.cell_bounds import SOC_LEAST, SOC_MOST
from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.ends import decided
from packbench.profile.checking.worst.interval import ZERO, Interval
from packbench.profile.checking.worst.state import Arriving, State, Totals, arrive
from packbench.profile.checking.worst.values import between_steps, value_of
from packbench.profile.plan import LoopEnd

if TYPE_CHECKING:
    from packbench.profile.checking.worst.walk import Walk

ROUNDS_APART = (12, 4, 2)
"""So many rounds of a loop are gone through one by one, by how deep it lies."""
EXPECTED_APART = (200, 20, 4)
"""In the one case that is expected: what it comes to in the end is not what it comes to in any round."""
STEPS_APART = 2000
"""And no more than two once so many steps have been gone through."""
JOINS = 3
"""So often what comes to a round's beginning is joined; then everything that still moves is let go."""
SETTLES_WITHIN = 16


def gone_round(walk: Walk, end: int, state: State) -> Arriving:
    """The loop that ends at `end`, entered in `state`; what leads out of it."""
    step = _loop_end(walk, end)
    leading: Arriving = {}
    depths = EXPECTED_APART if walk.world.expected else ROUNDS_APART
    apart = 2 if walk.executed > STEPS_APART else depths[min(len(state.rounds), len(depths) - 1)]
    compared_before = step.agreement is not None and step.agreement.step in state.past
    head, done = _in_round(state, end, ZERO), 0
    while True:
        at_end = _round(walk, end, head, leading)
        if at_end is None:
            return leading
        done += 1
        may, surely = _leaves(walk, step, at_end, done, compared_before=compared_before)
        if may or done >= step.repeat:
            arrive(leading, end + 1, _out_of(at_end, end))
        if surely or done >= step.repeat:
            return leading
        following = _next_round(at_end, end, Interval(float(done), float(done)))
        settled = step.repeat - done > 2 and end not in walk.world.asked.loops and head.holds(following)
        if done >= apart or settled:
            _together(walk, end, following, done, leading, compared_before=compared_before)
            return leading
        head = following


def _loop_end(walk: Walk, end: int) -> LoopEnd:
    step = walk.plan.steps[end]
    assert isinstance(step, LoopEnd)
    return step


def _round(walk: Walk, end: int, head: State, leading: Arriving) -> State | None:
    """One round: the state at its end, None when it never comes there; jumps out of it are added."""
    start = _loop_end(walk, end).start
    out = walk.region(start, end, {start: head})
    at_end = out.pop(end, None)
    for target, reached in out.items():
        arrive(leading, target, reached)
    return at_end


def _together(walk: Walk, end: int, state: State, done: int, leading: Arriving, *, compared_before: bool) -> None:
    """The rest of a loop's rounds, of which no more is told apart."""
    step = _loop_end(walk, end)
    rounds, kept = step.repeat - done, state.totals
    # Totals begin at nothing: what a round adds to them is multiplied.
    walk.kept.append(replace(kept, swing=0.0))
    head, at_end, out = _settled(walk, end, state, done)
    walk.kept.pop()
    one = Totals() if at_end is None else _since(at_end.totals, head.totals)
    for target, reached in out.items():
        most = 0 if at_end is None else rounds - 1
        totals = kept.plus(one.rounds(0, most)).plus(_since(reached.totals, head.totals))
        arrive(leading, target, _counted(replace(reached, totals=totals), state, most + 1))
    if at_end is None:
        return
    if walk.cut_short is not None:
        # A run that max_time ends in any of these rounds.
        walk.cut_short = walk.cut_short.joined(walk.cut_short.plus(one.rounds(0, rounds)))
    may, surely = _leaves(walk, step, at_end, step.repeat, compared_before=compared_before)
    sooner = may or (step.agreement is not None and not walk.world.expected)
    least, most = _counted_rounds(walk, step, state, one, rounds)
    least, most = (least if sooner or most < rounds else rounds), (1 if surely else most)
    after = replace(at_end, totals=kept.plus(one.rounds(min(least, most), most)))
    arrive(leading, end + 1, _out_of(_counted(after, state, most), end))


def _settled(walk: Walk, end: int, state: State, done: int) -> tuple[State, State | None, Arriving]:
    """The round that holds all the others: its beginning, its end, and its jumps out of the loop."""
    last = _loop_end(walk, end).repeat - 1
    head = replace(_timeless(state), totals=Totals(swing=state.totals.swing))
    head = _in_round(head, end, Interval(float(done), float(last)))
    for attempt in range(SETTLES_WITHIN):
        out: Arriving = {}
        at_end = _round(walk, end, head, out)
        if at_end is None:
            return head, None, out
        following = replace(_timeless(_next_round(at_end, end, head.rounds[end])), totals=head.totals)
        if head.holds(following):
            return head, at_end, out
        if attempt < JOINS:
            head = head.joined(following)
        else:
            head = _grown(head, following, walk.steady_c if attempt < 2 * JOINS else walk.limit_c, walk.most_a)
    raise AssertionError("a loop's state did not settle")


def _grown(head: State, following: State, hot_c: float, most_a: float) -> State:
    """Everything that still moves, as far as it may: temperatures to where they would settle, at most to `hot_c`."""
    grown = head.grown(following)
    temperature_c, filtered_a = grown.temperature_c, grown.filtered_a
    if temperature_c.hi > head.temperature_c.hi:
        temperature_c = temperature_c._replace(hi=max(temperature_c.hi, hot_c))
    if temperature_c.lo < head.temperature_c.lo:
        temperature_c = temperature_c._replace(lo=min(temperature_c.lo, grown.around_c.lo))
    if not i.within(filtered_a, head.filtered_a):
        most_a = max(abs(filtered_a.lo), abs(filtered_a.hi), most_a)
        filtered_a = Interval(-most_a, most_a)
    return replace(
        grown,
        temperature_c=temperature_c,
        filtered_a=filtered_a,
        soc=grown.soc if i.within(grown.soc, head.soc) else Interval(SOC_LEAST, SOC_MOST),
        step_s=grown.step_s if i.within(grown.step_s, head.step_s) else Interval(0.0, inf),
    )


def _leaves(walk: Walk, step: LoopEnd, state: State, done: int, *, compared_before: bool) -> tuple[bool, bool]:
    """Whether a loop (may, surely does) end after a round."""
    readings, expected = between_steps(walk.world, state), walk.world.expected
    holding = [decided(condition, state, readings) for condition in step.until]
    surely = any(sure for _, sure in holding)
    may = surely or (not expected and any(may for may, _ in holding))
    if step.agreement is not None:
        agreed = done >= step.agreement.cycles or (compared_before and not expected)
        return may or agreed, surely or (expected and agreed)
    return may, surely


def _counted_rounds(walk: Walk, step: LoopEnd, before: State, one: Totals, rounds: int) -> tuple[int, int]:
    """How many rounds there may be by the conditions that only count: on the test's time, on its cycles."""
    least, most = 1, rounds
    sooner = [rounds]
    for condition in step.until:
        test = condition.alone
        base, each = {
            "test_time": (before.test_s, one.seconds),
            "cycle": (before.cycle, Interval(1.0, 1.0)),
        }.get("" if test is None or not test.rising else test.variable, (ZERO, ZERO))
        if test is None or each.hi <= 0.0:
            sooner.append(1)
            continue
        bound = value_of(test.value, before, between_steps(walk.world, before))
        sooner.append(max(ceil((bound.lo - base.hi) / each.hi - 1e-9), 1))
        if each.lo > 0.0 and not bound.missing:
            most = min(most, max(ceil((bound.hi - base.lo) / each.lo - 1e-9), 1) + (0 if walk.world.expected else 1))
    least = min(sooner)
    return min(least, most), most


def _in_round(state: State, end: int, done: Interval) -> State:
    return replace(state, rounds={**state.rounds, end: done})


def _out_of(state: State, end: int) -> State:
    return replace(state, rounds={loop: done for loop, done in state.rounds.items() if loop != end})


def _next_round(state: State, end: int, done: Interval) -> State:
    """A new cycle begins."""
    return replace(
        _in_round(state, end, done),
        cycle=Interval(state.cycle.lo + 1.0, state.cycle.hi + 1.0),
        cycle_s=ZERO,
        cycle_ah=ZERO,
        cycle_wh=ZERO,
    )


def _timeless(state: State) -> State:
    """Of what a run counts only the least is known: rounds go on."""
    everything = Interval(-inf, inf)
    return replace(
        state,
        test_s=Interval(state.test_s.lo, inf),
        cycle=Interval(state.cycle.lo, inf),
        test_ah=everything,
        test_wh=everything,
    )


def _since(totals: Totals, before: Totals) -> Totals:
    """A round's own: they began at nothing, but for the charge that reversible heat remembers."""
    return replace(totals, swing=totals.swing - before.swing)


def _counted(after: State, before: State, rounds: int) -> State:
    """Behind rounds that were gone through together: what a run counts, from what they came to in all."""
    seconds = Interval(
        after.totals.seconds.lo - before.totals.seconds.lo, after.totals.seconds.hi - before.totals.seconds.hi
    )
    moved_ah = after.totals.moved_ah.hi - before.totals.moved_ah.lo
    moved_wh = after.totals.moved_wh.hi - before.totals.moved_wh.lo
    return replace(
        after,
        test_s=i.plus(before.test_s, seconds),
        cycle=Interval(before.cycle.lo, before.cycle.hi + rounds),
        test_ah=i.widened(before.test_ah, moved_ah),
        test_wh=i.widened(before.test_wh, moved_wh),
    )
