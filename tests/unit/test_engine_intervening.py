"""An operator's word in the middle of a run: what a hold keeps, where a jump may lead, what may be edited."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.engine_parts import HOUR, RECORD, S, condition, discharge, end, plan, rest, snapshot

from packbench.core.errors import RequestRefused
from packbench.core.records import StepRecord
from packbench.engine.advance import OPERATOR_JUMP, advance, answer, start
from packbench.engine.checkpoint import checkpoint_of, restored
from packbench.engine.due import due_ns
from packbench.engine.editing import moved_to
from packbench.engine.effects import Ask, Drive, Effect, Finish, Note, OutputOff, StepBegan, StepEnded
from packbench.engine.intervening import go_on, hold, index_of, jump
from packbench.engine.reentering import held_again, reenter
from packbench.engine.state import EngineState, Hold
from packbench.profile.amounts import Formula, Past, UserVariable
from packbench.profile.plan import (
    Agreement,
    Answer,
    CellLimit,
    ConstantCurrent,
    End,
    Goto,
    LoopEnd,
    Most,
    Pause,
    Plan,
    ResultRule,
    Segment,
    SetVariables,
    Waveform,
)

FAILED = End(label="failed", kind="end", verdict="fail", record=RECORD, max_time_ns=HOUR)


class Hand:
    """Drives the engine second by second at a current that follows its commands."""

    def __init__(self, the_plan: Plan, cells: tuple[float, ...] = (3.6, 3.7)) -> None:
        self.plan, self.cells, self.t_s = the_plan, cells, 0.0
        self.flowing_a = 0.0
        self.effects: list[Effect] = []
        self.state: EngineState
        view = snapshot(0.0, cells=cells)
        self.took(start(the_plan, view, view.t_ns))

    def took(self, outcome: tuple[EngineState, tuple[Effect, ...]]) -> tuple[Effect, ...]:
        self.state, effects = outcome
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Drive):
                self.flowing_a = effect.current_a
            elif isinstance(effect, OutputOff):
                self.flowing_a = 0.0
        return effects

    def on(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.5)):
            self.t_s += 0.5
            view = snapshot(self.t_s, self.flowing_a, self.cells)
            self.took(advance(self.plan, self.state, view, view.t_ns))

    def hold(self, most_s: float = 7200.0) -> tuple[Effect, ...]:
        view = snapshot(self.t_s, self.flowing_a, self.cells)
        return self.took(hold(self.plan, self.state, view, view.t_ns, round(most_s * S)))

    def go_on(self) -> tuple[Effect, ...]:
        view = snapshot(self.t_s, self.flowing_a, self.cells)
        return self.took(go_on(self.plan, self.state, view, view.t_ns))

    def jump(self, label: str) -> tuple[Effect, ...]:
        view = snapshot(self.t_s, self.flowing_a, self.cells)
        return self.took(jump(self.plan, self.state, view, view.t_ns, index_of(self.plan, label)))

    @property
    def ended(self) -> list[StepRecord]:
        return [effect.record for effect in self.effects if isinstance(effect, StepEnded)]

    @property
    def finish(self) -> Finish | None:
        return next((effect for effect in self.effects if isinstance(effect, Finish)), None)


def timed(seconds: float, current_a: float = 36.0) -> ConstantCurrent:
    return discharge(current_a, condition("step_time", ">=", seconds))


# --- hold and going on ----------------------------------------------------------------------------


def test_a_held_step_keeps_its_charge_and_its_own_time_stands_still() -> None:
    hand = Hand(plan(timed(100.0), end()))
    hand.on(40)
    before = hand.state
    assert hand.hold() == (OutputOff(),)
    hand.on(500)
    assert not hand.ended, "its time ended a step that stood still"
    # The half second before the hold, which no reading had shown yet, is counted; nothing of the hold is.
    assert hand.state.meter.ah == pytest.approx(before.meter.ah, abs=36.0 * 0.6 / 3600)
    assert hand.state.step.own_ns(540 * S) == 40 * S
    assert any(isinstance(effect, Drive) for effect in hand.go_on())
    hand.on(59)
    assert not hand.ended
    hand.on(3)
    (record,) = hand.ended
    assert record.number == 1 and record.charge_ah == pytest.approx(-1.0, rel=0.01)
    assert record.ended_ns - record.started_ns == pytest.approx(600 * S, abs=S), "as long as it really took"


def test_a_hold_commands_no_current_and_nothing_but_its_end_is_due() -> None:
    hand = Hand(plan(timed(100.0), end()))
    hand.on(10)
    hand.hold(most_s=300)
    assert hand.state.step.drive is None and hand.flowing_a == 0.0
    assert due_ns(hand.plan, hand.state, 11 * S) == 310 * S


def test_a_hold_that_nobody_ends_ends_the_run() -> None:
    hand = Hand(plan(timed(100.0), end()))
    hand.on(10)
    hand.hold(most_s=60)
    hand.on(59)
    assert hand.finish is None
    hand.on(2)
    assert hand.finish is not None and hand.finish.verdict == "aborted"
    assert hand.finish.reason == "the pause lasted longer than its 60 s"
    assert hand.ended[-1].end_reason == hand.finish.reason


def test_a_hold_counts_for_no_step_s_greatest_time() -> None:
    hand = Hand(plan(replace(timed(100.0), max_time_ns=110 * S), end()))
    hand.on(50)
    hand.hold()
    hand.on(200)
    hand.go_on()
    hand.on(40)
    assert hand.finish is None
    hand.on(60)
    assert hand.finish is not None and hand.finish.verdict == "pass"


def test_two_holds_of_one_step_add_up() -> None:
    hand = Hand(plan(timed(30.0), end()))
    for _ in range(2):
        hand.on(10)
        hand.hold()
        hand.on(10)
        hand.go_on()
    hand.on(9)
    assert not hand.ended
    hand.on(2)
    assert hand.ended[0].started_ns == 0


def test_a_condition_that_has_held_for_a_while_begins_anew() -> None:
    lasting = discharge(10.0, condition("cell_min", "<=", 3.65, for_s=20))
    hand = Hand(plan(lasting, end()))
    hand.on(18)
    hand.hold()
    hand.on(60)
    hand.go_on()
    hand.on(18)
    assert not hand.ended
    hand.on(6)
    assert hand.ended


def test_a_tapered_charge_goes_on_with_what_the_taper_left() -> None:
    step = ConstantCurrent(
        sign=1, label="up", kind="cc_charge", record=RECORD, max_time_ns=HOUR, current_a=20.0,
        clamp_voltage_v=9.0, cell_limit=CellLimit(3.65, "taper", 1.0),
    )  # fmt: skip
    hand = Hand(plan(step, end()))
    while hand.flowing_a == 20.0:
        hand.on(0.5)
    assert 0.0 < hand.flowing_a < 20.0, "a cell at its limit steps the current down"
    left_a = hand.flowing_a
    hand.hold()
    hand.cells = (3.5, 3.5)
    hand.on(30)
    (drive,) = (effect for effect in hand.go_on() if isinstance(effect, Drive))
    assert drive.current_a == pytest.approx(left_a)


def test_a_tapered_charge_whose_controller_died_while_it_was_held_keeps_the_taper() -> None:
    step = ConstantCurrent(
        sign=1, label="up", kind="cc_charge", record=RECORD, max_time_ns=HOUR, current_a=20.0,
        clamp_voltage_v=9.0, cell_limit=CellLimit(3.65, "taper", 1.0),
    )  # fmt: skip
    hand = Hand(plan(step, end()))
    while hand.flowing_a == 20.0:
        hand.on(0.5)
    left_a = hand.flowing_a
    hand.hold()
    now_ns = round(hand.t_s * S)
    saved = checkpoint_of(hand.plan, hand.state, now_ns)
    state = restored(hand.plan, saved, (), now_ns, now_ns)
    state = state._replace(step=replace(state.step, hold=Hold(now_ns, now_ns + HOUR)))
    hand.state = held_again(state, now_ns, saved.taper_a)
    assert checkpoint_of(hand.plan, hand.state, now_ns).taper_a == pytest.approx(left_a), "it may die a second time"
    hand.cells = (3.5, 3.5)
    (drive,) = (effect for effect in hand.go_on() if isinstance(effect, Drive))
    assert drive.current_a == pytest.approx(left_a)


def test_a_waveform_that_was_held_begins_anew_and_says_so() -> None:
    wave = Waveform(
        label="pulses", kind="pulse", record=RECORD, max_time_ns=HOUR, quantity="current",
        segments=(Segment(10 * S, -10.0), Segment(10 * S, 0.0)), repeat=3,
        clamp_high_v=9.0, clamp_low_v=2.0, on_limit="hold",
    )  # fmt: skip
    wave = replace(wave, max_time_ns=70 * S)
    hand = Hand(replace(plan(wave, end()), most=Most(50.0, 50.0, 9.0, 2.0, 1e6)))
    hand.on(35)
    hand.hold()
    hand.on(100)
    effects = hand.go_on()
    assert any(isinstance(effect, Note) and effect.kind == "step_begun_anew" for effect in effects)
    hand.on(58)
    assert not hand.ended, "three whole rounds, from the first piece"
    hand.on(4)
    assert hand.ended and hand.ended[0].started_ns == 0
    assert hand.finish is None or hand.finish.verdict == "pass", "its own time begins anew with it"


@pytest.mark.parametrize("held", [False, True])
def test_a_second_word_of_the_same_kind_is_refused(held: bool) -> None:
    hand = Hand(plan(timed(100.0), end()))
    hand.on(5)
    if held:
        hand.hold()
        with pytest.raises(RequestRefused, match="paused already"):
            hand.hold()
    else:
        with pytest.raises(RequestRefused, match="not paused"):
            hand.go_on()


def test_a_question_is_not_held() -> None:
    pause = Pause(label="look", kind="pause", prompt_en="?", prompt_zh="?", answers=(), record=RECORD, max_time_ns=HOUR)
    hand = Hand(plan(pause, end()))
    with pytest.raises(RequestRefused, match="waits for an answer"):
        hand.hold()


def test_a_run_that_is_over_takes_no_word() -> None:
    hand = Hand(plan(timed(2.0), rest(1.0), end()))
    hand.on(30)
    for word in (hand.hold, hand.go_on, lambda: hand.jump("rest")):
        with pytest.raises(RequestRefused, match=r"over|come to its end"):
            word()


def test_the_step_before_is_told_when_the_next_one_is_held_at_once() -> None:
    hand = Hand(plan(timed(5.0), rest(50.0), end()))
    while hand.state.step.number == 1:
        hand.on(0.5)
    assert hand.state.step.closing is not None
    hand.hold()
    assert [record.label for record in hand.ended] == ["discharge"]
    hand.on(10)
    hand.go_on()
    hand.on(60)
    assert [record.label for record in hand.ended] == ["discharge", "rest"]


def test_a_checkpoint_of_a_held_step_says_so() -> None:
    hand = Hand(plan(timed(100.0), end()))
    hand.on(20)
    hand.hold()
    hand.on(60)
    saved = checkpoint_of(hand.plan, hand.state, round(hand.t_s * S))
    assert (saved.held, saved.elapsed_ns, saved.drive) == (True, 20 * S, None)


def test_reentering_keeps_the_step_and_counts_nothing_for_the_time_between() -> None:
    hand = Hand(plan(timed(100.0), end()))
    hand.on(30)
    before = hand.state
    view = snapshot(90.0, 0.0)
    state, effects = reenter(hand.plan, before, view, view.t_ns)
    assert effects == (Drive(-36.0, 5.0),)
    assert (state.step.number, state.step.index, state.step.cycle) == (1, 0, 1)
    assert state.meter.ah == before.meter.ah and state.meter.t_ns == 90 * S


# --- jumps ----------------------------------------------------------------------------------------


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


def looped() -> Plan:
    """0 a; 1 b, 2 c, 3 loop of b and c; 4 d; 5 end."""
    loop = LoopEnd(label="loop", kind="loop", record=RECORD, max_time_ns=1, start=1, repeat=3)
    return plan(rest(10, "a"), rest(10, "b"), rest(10, "c"), loop, rest(10, "d"), end())


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


# --- edits ----------------------------------------------------------------------------------------


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
