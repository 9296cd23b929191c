"""The engine beside a cycler that runs the program by itself, on hand-made readings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from packbench.core.limits import LimitSet
from packbench.core.records import StepRecord
from packbench.core.samples import CyclerSample, ProgramState, Snapshot, bms_sample
from packbench.engine.effects import Drive, Effect, Finish, Launch, OutputOff, StepBegan, StepEnded
from packbench.engine.follow import BEGINS_WITHIN_NS, expected_drive, follow, start
from packbench.engine.state import EngineState
from packbench.profile.plan import (
    AnyStep,
    Condition,
    ConstantCurrent,
    ConstantVoltage,
    End,
    LoopEnd,
    Plan,
    RecordRule,
    Rest,
    Test,
)

S = 1_000_000_000
RECORD = RecordRule(dt_ns=S)
HOUR = 3600 * S


def condition(variable: str, operator: str, value: float) -> Condition:
    return Condition((Test(variable, operator, value),), 0, None, f"{variable} {operator} {value:g}")  # type: ignore[arg-type]


def rest(seconds: float) -> Rest:
    until = (condition("step_time", ">=", seconds),)
    return Rest(label="rest", kind="rest", until=until, record=RECORD, max_time_ns=round((seconds + 60) * S))


def charge() -> ConstantVoltage:
    return ConstantVoltage(
        sign=1,
        label="charge", kind="cccv_charge", record=RECORD, max_time_ns=HOUR,
        current_a=8.0, voltage_v=4.2, end_current_a=1.0,
    )  # fmt: skip


def discharge(*until: Condition) -> ConstantCurrent:
    return ConstantCurrent(
        sign=-1,
        label="discharge", kind="cc_discharge", until=until or (condition("voltage", "<=", 2.7),), record=RECORD,
        max_time_ns=HOUR, current_a=5.0, clamp_voltage_v=2.5,
    )  # fmt: skip


def loop(start_index: int, repeat: int) -> LoopEnd:
    return LoopEnd(
        label=f"loop-{start_index}", kind="loop", record=RECORD, max_time_ns=HOUR, start=start_index, repeat=repeat
    )


def end() -> End:
    return End(label="end", kind="end", record=RECORD, max_time_ns=HOUR)


def plan(*steps: AnyStep) -> Plan:
    return Plan("p", "p", "p", steps, LimitSet(), None, "", "p.yaml")


def seen(
    t_s: float, program: ProgramState | None, current_a: float = 0.0, voltage_v: float = 3.7, **cycler: Any
) -> Snapshot:
    """A moment with a new reading of both."""
    t_ns = round(t_s * S)
    sample = CyclerSample(t_ns, voltage_v, current_a, current_a != 0, "cc" if current_a else "off", program=program)
    bms = bms_sample(t_ns, np.array([voltage_v - 0.001]), (25.0,))
    return Snapshot(t_ns, sample._replace(**cycler), bms, None, voltage_v)


def at(step: int | None, step_time_s: float | None, cycle: int = 1) -> ProgramState:
    return ProgramState("running", step, cycle, step_time_s)


IDLE = ProgramState("idle", None, 1, None)
FINISHED = ProgramState("finished", None, 1, None)


def go(the_plan: Plan, *moments: Snapshot) -> tuple[EngineState, list[Effect]]:
    """A run that began at 0, and everything it wanted done since."""
    state, effects = start(the_plan, seen(0, IDLE), 0)
    assert effects == (Launch(),)
    everything: list[Effect] = []
    for moment in moments:
        state, effects = follow(the_plan, state, moment, moment.t_ns)
        everything += effects
    return state, everything


def records(effects: list[Effect]) -> list[StepRecord]:
    return [effect.record for effect in effects if isinstance(effect, StepEnded)]


def aborted(effects: list[Effect]) -> str:
    """Why a run was stopped: the program's stop goes first, the reason is told last."""
    assert isinstance(effects[-1], Finish)
    assert effects[-1].verdict == "aborted"
    assert OutputOff() in effects
    return effects[-1].reason


WHOLE = plan(charge(), rest(60.0), discharge(), rest(60.0), end())
READINGS = (
    seen(2, IDLE),
    seen(5, at(1, 4.0), 8.0, 4.0),
    seen(10, at(1, 9.0), 8.0, 4.1),
    seen(15, at(1, 14.0), 1.2, 4.2),
    seen(20, at(2, 3.0), 0.0, 4.18),
    seen(75, at(2, 58.0), 0.0, 4.15),
    seen(80, at(3, 3.0), -5.0, 3.9),
    seen(85, at(3, 8.0), -5.0, 2.75),
    seen(90, at(4, 1.5), 0.0, 2.9),
    seen(145, at(4, 56.5), 0.0, 3.0),
    seen(150, FINISHED, 0.0, 3.0),
)


def test_steps_begin_and_end_when_the_program_s_do() -> None:
    state, effects = go(WHOLE, *READINGS)
    kinds = [type(effect).__name__ for effect in effects]
    assert kinds == [
        "StepBegan",
        *["StepEnded", "StepBegan"] * 3,
        "StepEnded", "StepBegan", "OutputOff", "Finish",
    ]  # fmt: skip
    assert not any(isinstance(effect, Drive) for effect in effects), "a program takes no set-points"
    assert effects[-1] == Finish("pass", "the profile's end")
    assert state.step.finished
    began = [effect for effect in effects if isinstance(effect, StepBegan)]
    assert [(each.number, each.step, each.label) for each in began] == [
        (1, 1, "charge"), (2, 2, "rest"), (3, 3, "discharge"), (4, 4, "rest"), (5, 5, "end"),
    ]  # fmt: skip
    found = records(effects)
    assert [(each.number, each.label, each.end_reason) for each in found] == [
        (1, "charge", "current <= 1 A at 4.2 V"),
        (2, "rest", "step_time >= 60"),
        (3, "discharge", "voltage <= 2.7"),
        (4, "rest", "step_time >= 60"),
    ]
    # By the step times that the readings state, not by when they were read.
    assert [(each.started_ns / S, each.ended_ns / S) for each in found] == [
        (1.0, 17.0), (17.0, 77.0), (77.0, 88.5), (88.5, 150.0),
    ]  # fmt: skip


def test_charge_is_counted_to_the_step_s_own_ends_on_the_samples_own_times() -> None:
    _, effects = go(WHOLE, *READINGS)
    first, _, third, _ = records(effects)
    # Its first reading held back to its beginning, trapezoids between the readings, its last one held to its end.
    assert first.charge_ah == pytest.approx((8.0 * 4 + 8.0 * 5 + 4.6 * 5 + 1.2 * 2) / 3600)
    assert third.charge_ah == pytest.approx(-5.0 * 11.5 / 3600)
    assert third.energy_wh == pytest.approx(-5.0 * (3.9 * 3 + (3.9 + 2.75) / 2 * 5 + 2.75 * 3.5) / 3600)
    assert third.tail_ah == 0.0


def test_a_record_s_last_moment_is_one_of_its_own_step() -> None:
    """The reading that shows the next step is of a pack that has recovered already."""
    _, effects = go(WHOLE, *READINGS)
    third = records(effects)[2]
    assert (third.voltage_end_v, third.current_end_a) == (2.75, -5.0)
    assert third.cell_min_end_v == pytest.approx(2.749)


def test_the_state_names_the_reading_that_belongs_to_the_step() -> None:
    state, _ = go(WHOLE, *READINGS[:7])
    assert state.step.seen is READINGS[6]
    state, _ = go(WHOLE, *READINGS)
    assert state.step.seen is None, "the one that shows the end is of the step before it"


def test_a_reading_of_a_step_s_first_moment_is_passed_over() -> None:
    """Its current may be the old one, or on its way."""
    readings = [*READINGS]
    readings[8:9] = [seen(88.6, at(4, 0.1), -5.0, 2.7), seen(93.6, at(4, 5.1), 0.0, 2.9)]
    state, _ = go(WHOLE, *readings[:9])
    assert (state.step.index, state.meter.t_ns) == (2, 85 * S)
    _, effects = go(WHOLE, *readings)
    third, fourth = records(effects)[2:]
    assert third.charge_ah == pytest.approx(-5.0 * 11.5 / 3600)
    assert fourth.charge_ah == 0.0


def test_a_step_time_that_is_not_stated_begins_with_its_reading() -> None:
    _, effects = go(WHOLE, seen(5, at(1, None), 8.0, 4.0), seen(10, at(1, None), 1.1, 4.2), seen(20, at(2, None)))
    (first,) = records(effects)
    assert (first.started_ns, first.ended_ns) == (5 * S, 20 * S)


def test_a_step_time_that_reaches_into_the_step_before_is_cut_off_there() -> None:
    """The last reading showed the step before."""
    _, effects = go(WHOLE, seen(5, at(1, 4.0), 8.0, 4.0), seen(15, at(1, 14.0), 1.1, 4.2), seen(20, at(2, 9.0)))
    assert records(effects)[0].ended_ns == 15 * S


def test_what_was_there_before_the_start_is_waited_out() -> None:
    for old in (IDLE, FINISHED):
        state, effects = go(WHOLE, seen(2, old), seen(30, old))
        assert effects == []
        assert state.step.number == 0
        state, effects = go(WHOLE, seen(2, old), seen(30, at(None, None)), seen(40, at(1, 2.0), 8.0))
        assert effects == [StepBegan(1, 1, "charge", 1)]
        assert state.step.started_ns == 38 * S


def test_a_program_that_does_not_begin_ends_the_run_without_a_step() -> None:
    wait_s = BEGINS_WITHIN_NS / S
    state, effects = go(WHOLE, seen(wait_s, IDLE), seen(wait_s + 1, IDLE))
    assert aborted(effects) == "the program did not begin within 60 s"
    assert records(effects) == []
    assert state.step.finished


@pytest.mark.parametrize(
    ("status", "word", "number"),
    [
        ("idle", "stopped", 1),
        ("paused", "paused", 0),
        ("paused", "paused", 1),
        ("protected", "stopped by the cycler's protection", 0),
        ("protected", "stopped by the cycler's protection", 1),
    ],
)
def test_a_program_that_is_ended_by_others_ends_the_run(status: Any, word: str, number: int) -> None:
    before = [seen(5, at(1, 4.0), 8.0, 4.0)][:number]
    state, effects = go(WHOLE, *before, seen(10, ProgramState(status, None, 1, None), 0.0, 3.9))
    where = "step 1 (charge)" if number else "its start"
    assert aborted(effects) == f"the program was {word} at {where}, unasked"
    assert [each.end_reason for each in records(effects)] == [aborted(effects)] * number
    assert state.step.finished


def test_after_the_end_nothing_is_followed() -> None:
    state, _ = go(WHOLE, *READINGS)
    assert follow(WHOLE, state, seen(160, at(1, 5.0)), 160 * S) == (state, ())


@pytest.mark.parametrize("wrong", [at(3, 2.0), at(4, 2.0), at(7, 2.0), at(1, 2.0, cycle=2), at(2, 2.0, cycle=3)])
def test_a_program_may_only_go_where_the_plan_goes(wrong: ProgramState) -> None:
    """The step after next: nobody has watched the one between."""
    _, effects = go(WHOLE, seen(5, at(1, 4.0), 8.0, 4.0), seen(10, at(1, 9.0), 1.1, 4.2), seen(15, wrong, -5.0))
    assert aborted(effects) == f"the program went from step 1 (charge) to its step {wrong.step}, not to step 2"
    assert [each.number for each in records(effects)] == [1]


def test_a_program_begins_with_its_first_step() -> None:
    _, effects = go(WHOLE, seen(5, at(2, 4.0)))
    assert aborted(effects) == "the program went from its start to its step 2, not to step 1"


@pytest.mark.parametrize(
    ("last", "ended"),
    [
        (seen(15, at(1, 14.0), 1.9, 4.2), True),
        (seen(15, at(1, 14.0), 2.1, 4.2), False),
        (seen(15, at(1, 14.0), 8.0, 4.0), False),
    ],
)
def test_a_step_is_left_at_one_of_its_ends_alone(last: Snapshot, ended: bool) -> None:
    """ "Next step", pressed at the BTS client, makes a capacity of what is none."""
    _, effects = go(WHOLE, READINGS[1], last, seen(20, at(2, 3.0)))
    if ended:
        assert records(effects)[0].end_reason == "current <= 1 A at 4.2 V"
    else:
        assert aborted(effects) == "the program left step 1 (charge) before any of its ends"


def test_of_several_ends_the_one_that_was_reached_is_the_reason() -> None:
    ends = (condition("voltage", "<=", 2.7), condition("step_ah", ">=", 0.02), condition("step_time", ">=", 100.0))

    def reason(voltage_v: float, ended_s: float, current_a: float = -0.1) -> str:
        the_plan = plan(discharge(*ends), rest(60.0), end())
        readings = (seen(1, at(1, 1.0), current_a, 3.0), seen(ended_s, at(1, ended_s), current_a, voltage_v))
        _, effects = go(the_plan, *readings, seen(ended_s + 5, at(2, 4.0)))
        return records(effects)[0].end_reason if isinstance(effects[-1], StepBegan) else aborted(effects)

    assert reason(2.72, 50.0) == "voltage <= 2.7"
    assert reason(2.72, 99.5) == "step_time >= 100", "the time was over, the voltage only near"
    assert reason(3.4, 92.0) == "step_time >= 100"
    assert reason(3.4, 80.0) == "the program left step 1 (discharge) before any of its ends"
    assert reason(3.4, 70.0, -1.0) == "step_ah >= 0.02"


def test_rounds_are_counted_as_the_plan_has_them() -> None:
    the_plan = plan(rest(20.0), rest(30.0), loop(0, 2), end())
    readings = [
        seen(5, at(1, 5.0)), seen(20, at(1, 20.0)),
        seen(25, at(2, 4.0)), seen(50, at(2, 29.0)),
        seen(55, at(1, 4.0, 2)), seen(70, at(1, 19.0, 2)),
        seen(75, at(2, 4.0, 2)), seen(100, at(2, 29.0, 2)),
    ]  # fmt: skip
    state, effects = go(the_plan, *readings, seen(105, FINISHED))
    assert effects[-1] == Finish("pass", "the profile's end")
    assert [(each.step, each.cycle) for each in records(effects)] == [(1, 1), (2, 1), (1, 2), (2, 2)]
    assert {index: record.cycle for index, record in state.step.past.items()} == {0: 2, 1: 2}
    # A round fewer than the plan's, and a round too many.
    _, effects = go(the_plan, *readings[:4], seen(55, FINISHED))
    assert aborted(effects) == "the program finished early, at step 2 (rest)"
    _, effects = go(the_plan, *readings, seen(105, at(1, 4.0, 3)))
    assert aborted(effects) == "the program went from step 2 (rest) to its step 1, not to step 4"


def test_a_loop_around_one_step_is_followed_by_its_cycle() -> None:
    the_plan = plan(rest(20.0), loop(0, 3), end())
    readings = [seen(t, at(1, t % 20.0 or 20.0, 1 + (t - 1) // 20)) for t in range(5, 60, 5)]
    _, effects = go(the_plan, *readings, seen(62, FINISHED))
    assert [(each.cycle, each.started_ns / S, each.ended_ns / S) for each in records(effects)] == [
        (1, 0.0, 20.0), (2, 20.0, 40.0), (3, 40.0, 62.0),
    ]  # fmt: skip


@pytest.mark.parametrize("count", [2, 6, 8])
def test_a_program_that_finishes_early_is_no_end_of_the_profile(count: int) -> None:
    t_s = READINGS[count - 1].t_ns / S + 5
    _, effects = go(WHOLE, *READINGS[:count], seen(t_s, FINISHED))
    assert aborted(effects).startswith("the program finished early, at step ")


def test_in_its_last_step_a_program_may_finish_at_an_end_alone() -> None:
    _, effects = go(WHOLE, *READINGS[:9], seen(120, FINISHED))
    assert aborted(effects) == "the program finished early, at step 4 (rest)"


def test_the_last_current_of_a_program_falls_between_two_readings() -> None:
    the_plan = plan(discharge(), end())
    _, effects = go(the_plan, seen(1, at(1, 1.0), -5.0, 3.0), seen(5, at(1, 5.0), -5.0, 2.71), seen(9, FINISHED))
    (record,) = records(effects)
    assert record.charge_ah == pytest.approx(-5.0 * (5 + 2) / 3600)
    assert (record.end_reason, record.voltage_end_v) == ("voltage <= 2.7", 2.71)


def test_a_step_s_longest_time_is_the_supervisor_s_business() -> None:
    state, effects = go(WHOLE, *READINGS[:6])
    assert not any(isinstance(effect, Finish) for effect in effects)
    # A reading of the BMS alone: time goes on without the cycler's.
    later = READINGS[5]._replace(t_ns=(17 + 120) * S)
    assert follow(WHOLE, state, later, later.t_ns)[1] == ()
    later = READINGS[5]._replace(t_ns=(17 + 120) * S + 1)
    _, stopped = follow(WHOLE, state, later, later.t_ns)
    assert aborted(list(stopped)) == "step rest lasted longer than its 120 s"


def test_a_reading_that_was_given_before_is_not_counted_again() -> None:
    state, _ = go(WHOLE, *READINGS[:3])
    again = READINGS[2]._replace(t_ns=12 * S)
    assert follow(WHOLE, state, again, again.t_ns) == (state, ())


def test_temperatures_are_the_step_s_own() -> None:
    def warm(moment: Snapshot, *temperatures_c: float) -> Snapshot:
        return moment._replace(bms=bms_sample(moment.t_ns, np.array([3.7]), temperatures_c))

    readings = [
        warm(READINGS[1], 20.0, 30.0), warm(READINGS[3], 22.0, 31.0), warm(READINGS[4], 24.0, 26.0), *READINGS[5:7],
    ]  # fmt: skip
    first, second = records(go(WHOLE, *readings)[1])
    assert (first.temperature_min_c, first.temperature_max_c) == (20.0, 31.0)
    assert (second.temperature_min_c, second.temperature_max_c) == (24.0, 26.0)


def test_what_is_expected_is_what_the_running_step_wants() -> None:
    the_plan = plan(charge(), discharge(), rest(60.0), loop(0, 2), end())
    assert expected_drive(the_plan, at(1, 5.0), seen(1, None)) == Drive(8.0, 4.2)
    assert expected_drive(the_plan, at(2, 5.0), seen(1, None)) == Drive(-5.0, 2.5)
    for nothing in (at(3, 5.0), at(4, 5.0), at(5, 5.0), at(6, 5.0), at(0, 5.0), at(None, None), IDLE, FINISHED):
        assert expected_drive(the_plan, nothing, seen(1, None)) is None
    assert expected_drive(the_plan, at(1, 5.0)._replace(status="paused"), seen(1, None)) is None
