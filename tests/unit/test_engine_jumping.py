"""Where an operator's jump may lead."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.engine_hand import FAILED, Hand, looped, timed
from tests.unit.engine_parts import HOUR, RECORD, condition, discharge, end, plan, rest, snapshot

from packbench.core.errors import RequestRefused
from packbench.engine.advance import OPERATOR_JUMP, answer
from packbench.engine.effects import Ask, Drive, OutputOff, StepBegan
from packbench.engine.intervening import index_of
from packbench.profile.amounts import Formula, Past, UserVariable
from packbench.profile.plan import (
    Answer,
    Goto,
    Most,
    Pause,
    Plan,
    SetVariables,
)


def test_a_jump_ends_the_running_step_and_begins_the_other() -> None:
    hand = Hand(plan(timed(100.0), rest(5.0, "a"), rest(5.0, "b"), end()))
    hand.on(10)
    effects = hand.jump("b")
    assert StepBegan(2, 3, "b", 1) in effects and OutputOff() in effects
    hand.on(30)
    assert [(record.label, record.end_reason == OPERATOR_JUMP) for record in hand.ended] == [
        ("discharge", True),
        ("b", False),
    ]
    assert hand.finish is not None and hand.finish.verdict == "pass"


def test_a_jump_back_repeats_a_step_also_out_of_a_hold() -> None:
    hand = Hand(plan(timed(20.0), rest(50.0), end()))
    hand.on(40)
    hand.hold()
    hand.on(5)
    assert any(isinstance(effect, Drive) for effect in hand.jump("discharge"))
    assert hand.state.step.hold is None
    hand.on(25)
    assert [record.number for record in hand.ended] == [1, 2, 3]
    assert hand.ended[2].charge_ah == pytest.approx(-0.2, rel=0.05)


def test_a_loop_is_entered_at_its_head_alone() -> None:
    hand = Hand(looped())
    hand.on(1)
    with pytest.raises(RequestRefused, match=r"inside a loop.*'b'"):
        hand.jump("c")
    hand.jump("b")
    hand.jump("c")
    assert hand.state.step.loop_counts == ()


def test_a_jump_out_of_a_loop_forgets_its_rounds() -> None:
    hand = Hand(looped())
    hand.on(35)
    assert hand.state.step.loop_counts == ((3, 1),)
    hand.jump("d")
    assert hand.state.step.loop_counts == ()
    hand.jump("b")
    hand.on(65)
    assert [record.label for record in hand.ended][-6:] == ["b", "c", "b", "c", "b", "c"]


@pytest.mark.parametrize("label", ["end", "loop", "failed"])
def test_a_jump_leads_to_a_step_that_takes_time(label: str) -> None:
    base = looped()
    hand = Hand(replace(base, steps=(*base.steps, FAILED)))
    with pytest.raises(RequestRefused, match="takes no time"):
        hand.jump(label)


def test_an_unknown_label_is_named_with_those_that_are_known() -> None:
    with pytest.raises(RequestRefused, match="no step 'x'; it has a, b, c, d"):
        index_of(looped(), "x")


def asking() -> Plan:
    answers = (Answer("yes", "yes", "是", None), Answer("no", "no", "否", 5))
    pause = Pause(
        label="tight", kind="pause", prompt_en="?", prompt_zh="?", answers=answers, record=RECORD, max_time_ns=HOUR
    )
    return plan(rest(10, "a"), pause, rest(10, "b"), rest(10, "c"), end(), FAILED)


def test_no_jump_leads_round_a_question_that_may_refuse_the_pack() -> None:
    hand = Hand(asking())
    hand.on(1)
    with pytest.raises(RequestRefused, match="'tight' may refuse"):
        hand.jump("b")
    hand.jump("tight")
    assert any(isinstance(effect, Ask) for effect in hand.effects)
    with pytest.raises(RequestRefused, match="'tight' may refuse"):
        hand.jump("c")
    hand.jump("a")
    with pytest.raises(RequestRefused, match="'tight' may refuse"):
        hand.jump("c")
    hand.jump("tight")
    view = snapshot(hand.t_s)
    hand.took(answer(hand.plan, hand.state, view, view.t_ns, "yes"))
    hand.jump("a")
    hand.jump("c")


def test_no_jump_leads_round_a_check_that_may_fail() -> None:
    check = Goto(
        label="check", kind="goto", record=RECORD, max_time_ns=1, target=3, until=(condition("voltage", "<=", 1.0),)
    )
    hand = Hand(plan(rest(10, "a"), check, rest(10, "b"), FAILED))
    with pytest.raises(RequestRefused, match="'check' may refuse"):
        hand.jump("b")


def test_no_jump_leads_to_what_needs_a_value_that_nothing_has_given() -> None:
    variable = Formula(UserVariable("x", 1.0), 1.0, "$x")
    given = SetVariables(label="given", kind="set", record=RECORD, max_time_ns=1, values=(("x", 5.0),))
    steps = (rest(10, "a"), given, rest(10, "b"), replace(discharge(), current_a=variable), end())
    hand = Hand(replace(plan(*steps), most=Most(50.0, 50.0, 9.0, 2.0, 1e6)))
    with pytest.raises(RequestRefused, match=r"\$x, which nothing has given"):
        hand.jump("b")
    hand.on(11)
    hand.jump("discharge")
    assert hand.flowing_a == -5.0


def test_no_jump_leads_to_what_needs_a_step_that_has_not_run() -> None:
    past = Formula(Past("ah", 1, 1.0), 3600.0, "ah of b")
    steps = (rest(10, "a"), rest(10, "b"), replace(discharge(), current_a=past), end())
    hand = Hand(replace(plan(*steps), most=Most(50.0, 50.0, 9.0, 2.0, 1e6)))
    with pytest.raises(RequestRefused, match="the result of step 'b'"):
        hand.jump("discharge")


def test_a_jump_that_would_end_the_run_at_once_is_refused() -> None:
    steps = (rest(10, "a"), replace(discharge(), current_a=80.0), end())
    hand = Hand(replace(plan(*steps), most=Most(50.0, 50.0, 9.0, 2.0, 1e6)))
    with pytest.raises(RequestRefused, match="would end at once"):
        hand.jump("discharge")
    assert hand.state.step.index == 0 and not hand.state.step.finished
