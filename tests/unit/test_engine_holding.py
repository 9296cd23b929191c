"""What a hold keeps of the running step, and how it goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.engine_hand import Hand, timed
from tests.unit.engine_parts import HOUR, RECORD, S, condition, discharge, end, plan, rest, snapshot

from packbench.core.errors import RequestRefused
from packbench.engine.checkpoint import checkpoint_of, restored
from packbench.engine.due import due_ns
from packbench.engine.effects import Drive, Note, OutputOff
from packbench.engine.reentering import held_again, reenter
from packbench.engine.state import Hold
from packbench.profile.plan import (
    CellLimit,
    ConstantCurrent,
    Most,
    Pause,
    Segment,
    Waveform,
)


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
