"""What of a running plan may be edited."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.engine_hand import Hand, looped, timed
from tests.unit.engine_parts import HOUR, S, condition, discharge, end, plan, rest

from packbench.core.errors import RequestRefused
from packbench.engine.editing import moved_to
from packbench.profile.plan import (
    Agreement,
    Plan,
    ResultRule,
)


def edited(old: Plan, index: int, **values: object) -> Plan:
    steps = list(old.steps)
    steps[index] = replace(steps[index], **values)  # type: ignore[type-var]
    return replace(old, steps=tuple(steps))


def test_what_comes_later_may_change() -> None:
    hand = Hand(plan(timed(10.0), rest(10, "b"), end()))
    hand.on(5)
    new = plan(hand.plan.steps[0], rest(3, "new"), rest(20, "b"), end())
    hand.state = moved_to(hand.plan, new, hand.state)
    hand.plan = new
    hand.on(60)
    assert [record.label for record in hand.ended] == ["discharge", "new", "b"]
    assert hand.ended[2].ended_ns - hand.ended[2].started_ns == pytest.approx(20 * S, abs=S)


@pytest.mark.parametrize(("index", "word"), [(0, "has been executed"), (1, "runs")])
def test_what_was_executed_or_runs_may_not_change(index: int, word: str) -> None:
    hand = Hand(plan(rest(5, "a"), timed(50.0), rest(10, "b"), end()))
    hand.on(10)
    new = edited(hand.plan, index, max_time_ns=HOUR + 1)
    with pytest.raises(RequestRefused, match=f"{word}: its max_time_ns"):
        moved_to(hand.plan, new, hand.state)


def test_a_step_may_not_be_put_in_before_the_running_one() -> None:
    hand = Hand(plan(rest(5, "a"), timed(50.0), end()))
    hand.on(10)
    new = plan(rest(5, "a"), rest(5, "new"), *hand.plan.steps[1:])
    with pytest.raises(RequestRefused, match="'discharge' runs; the edited profile has 'new' in its place"):
        moved_to(hand.plan, new, hand.state)
    with pytest.raises(RequestRefused, match="not in the edited profile"):
        moved_to(hand.plan, plan(rest(5, "a")), hand.state)


def test_the_running_step_s_jumps_lead_where_the_new_plan_has_their_target() -> None:
    running = discharge(10.0, condition("step_time", ">=", 20.0, goto=3))
    hand = Hand(plan(running, rest(5, "a"), rest(5, "b"), rest(5, "c"), end()))
    hand.on(5)
    aimed = discharge(10.0, condition("step_time", ">=", 20.0, goto=4))
    new = plan(aimed, rest(5, "a"), rest(5, "new"), rest(5, "b"), rest(5, "c"), end())
    hand.state = moved_to(hand.plan, new, hand.state)
    hand.plan = new
    hand.on(40)
    assert [record.label for record in hand.ended] == ["discharge", "c"]
    wrong = plan(running, *new.steps[1:])
    with pytest.raises(RequestRefused, match="its until may not change"):
        moved_to(new, wrong, Hand(new).state)


def test_rounds_of_a_running_loop_may_be_added_and_nothing_else_of_it() -> None:
    hand = Hand(looped())
    hand.on(35)
    longer = edited(hand.plan, 3, repeat=5)
    hand.state = moved_to(hand.plan, longer, hand.state)
    for changed in (
        edited(hand.plan, 3, start=0),
        edited(hand.plan, 3, agreement=Agreement(1, 0.1, 2)),
        replace(hand.plan, steps=(*hand.plan.steps[:3], rest(1, "more"), *hand.plan.steps[3:])),
    ):
        with pytest.raises(RequestRefused, match="'b' is being gone round"):
            moved_to(hand.plan, changed, hand.state)
    hand.plan = longer
    hand.on(200)
    assert [record.label for record in hand.ended].count("b") == 5


def test_the_result_s_rule_may_not_change_but_its_step_may_move() -> None:
    rule = ResultRule(capacity_step=2, agreement=None, min_soh=0.8)
    old = replace(plan(rest(20, "a"), rest(5, "b"), timed(5.0), end()), result=rule)
    state = Hand(old).state
    moved = replace(
        plan(rest(20, "a"), rest(5, "b"), rest(5, "new"), timed(5.0), end()), result=replace(rule, capacity_step=3)
    )
    moved_to(old, moved, state)
    for wrong in (
        replace(old, result=None),
        replace(old, result=replace(rule, min_soh=0.5)),
        replace(moved, result=rule),
    ):
        with pytest.raises(RequestRefused, match="result"):
            moved_to(old, wrong, state)
