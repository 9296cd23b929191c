"""Where a step ends: debounce, ends that are true already, where between two samples a bound was met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.engine_parts import (
    HOUR,
    RECORD,
    S,
    began,
    condition,
    discharge,
    drive,
    driven,
    end,
    ended,
    loop,
    plan,
    rest,
    snapshot,
)

from packbench.core.samples import Snapshot, bms_sample
from packbench.engine.advance import advance, start
from packbench.engine.due import due_ns
from packbench.engine.effects import Finish, OutputOff
from packbench.profile.amounts import Apply, Constant, Formula, Past, Read, UserVariable
from packbench.profile.plan import (
    CellLimit,
    Condition,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    Most,
    SetVariables,
    Test,
)

NAN = float("nan")


def both(for_s: float, *tests: tuple[str, str, float]) -> Condition:
    return Condition(tuple(Test(*test) for test in tests), round(for_s * S), None, "both")  # type: ignore[arg-type]


def at(view: Snapshot, t_s: float) -> Snapshot:
    """The same readings, later."""
    return view._replace(t_ns=round(t_s * S))


# --- for ------------------------------------------------------------------------------------------


def test_one_reading_is_no_stretch_of_time() -> None:
    held = condition("voltage", "<=", 7.0, for_s=0.4)
    the_plan = plan(discharge(10.0, held), end())
    low = snapshot(1, -10.0, (3.4, 3.5))
    state, _ = drive(the_plan, [snapshot(0), low, at(low, 1.3), at(low, 1.4), at(low, 1.49)])
    assert state.step.index == 0, "the reading is from 1 s, whatever the time by now"
    assert due_ns(the_plan, state, round(1.2 * S)) == HOUR + 1, "time alone confirms nothing"
    state, _ = advance(the_plan, state, snapshot(1.5, -10.0, (3.4, 3.5)), round(1.5 * S))
    assert state.step.index == 1


def test_a_reading_that_is_false_begins_the_stretch_anew_for_all_of_the_tests() -> None:
    held = both(2.0, ("voltage", "<=", 7.0), ("current", "<=", 5.0))
    the_plan = plan(discharge(10.0, held), end())
    views = [snapshot(0), snapshot(1, -4.0, (3.4, 3.5)), snapshot(2, -6.0, (3.4, 3.5)), snapshot(3, -4.0, (3.4, 3.5))]
    state, _ = drive(the_plan, [*views, snapshot(4.9, -4.0, (3.4, 3.5))])
    assert state.step.index == 0
    state, _ = drive(the_plan, [*views, snapshot(5, -4.0, (3.4, 3.5))])
    assert state.step.index == 1


def test_a_stretch_over_two_sources_lasts_as_long_as_the_older_ones() -> None:
    held = both(1.0, ("current", "<=", 5.0), ("cell_min", "<=", 3.0))
    the_plan = plan(discharge(10.0, held), end())
    state, _ = drive(the_plan, [snapshot(0), snapshot(1, -4.0, (2.9, 3.5))])
    cycler_alone = snapshot(2.5, -4.0, (2.9, 3.5))._replace(bms=snapshot(1, -4.0, (2.9, 3.5)).bms)
    state, _ = advance(the_plan, state, cycler_alone, cycler_alone.t_ns)
    assert state.step.index == 0, "the cells were last read at 1 s"
    state, _ = advance(the_plan, state, snapshot(2.6, -4.0, (2.9, 3.5)), round(2.6 * S))
    assert state.step.index == 1


def test_a_stretch_of_time_alone_needs_no_reading() -> None:
    held = condition("step_time", ">=", 10.0, for_s=5)
    the_plan = plan(replace(rest(100), until=(held,)), end())
    state, _ = drive(the_plan, [snapshot(0), snapshot(9)])
    assert due_ns(the_plan, state, 9 * S) == 10 * S
    state, _ = advance(the_plan, state, at(snapshot(9), 10), 10 * S)
    assert due_ns(the_plan, state, 10 * S) == 15 * S
    state, _ = advance(the_plan, state, at(snapshot(9), 15), 15 * S)
    assert state.step.index == 1


def test_nan_holds_nothing_and_breaks_a_stretch() -> None:
    held = condition("voltage", "<=", 7.0, for_s=1)
    the_plan = plan(discharge(10.0, held), end())
    low = snapshot(1, -10.0, (3.4, 3.5))
    blind = replace_voltage(snapshot(1.5, -10.0, (3.4, 3.5)), NAN)
    state, _ = drive(the_plan, [snapshot(0), low, blind, snapshot(2, -10.0, (3.4, 3.5))])
    assert state.step.index == 0
    state, _ = drive(the_plan, [snapshot(0), low, snapshot(1.5, -10.0, (3.4, 3.5)), snapshot(2, -10.0, (3.4, 3.5))])
    assert state.step.index == 1


def replace_voltage(view: Snapshot, voltage_v: float) -> Snapshot:
    return view._replace(pack_voltage_v=voltage_v)


# --- true already ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "already",
    [condition("test_time", ">=", 5), condition("test_ah", ">=", 0.001), condition("cycle", ">=", 1)],
)
def test_a_step_whose_end_is_true_already_gives_no_current(already: Condition) -> None:
    first = discharge(10.0, condition("step_time", ">=", 5))
    second = replace(discharge(20.0, already, condition("cell_min", "<=", 3.0)), label="second")
    the_plan = plan(first, second, rest(5, "after"), end())
    state, effects = drive(the_plan, [snapshot(0), *[snapshot(t, -10.0) for t in range(1, 6)]])
    assert began(effects) == ["discharge", "second", "after"]
    assert driven(effects) == [-10.0]
    assert state.step.index == 2
    record = ended(effects)[1] if len(ended(effects)) > 1 else state.step.closing
    assert record is not None
    assert (record.label, record.charge_ah, record.ended_ns) == ("second", 0.0, record.started_ns)
    assert record.end_reason == already.text


def test_ten_thousand_rounds_of_steps_that_have_ended_before_they_begin_are_one_moment() -> None:
    skipped = discharge(10.0, condition("test_time", ">=", 0))
    the_plan = plan(skipped, loop(0, 10_000), end())
    state, effects = start(the_plan, snapshot(0), 0)
    assert state.step.index == 2
    assert len(began(effects)) == 10_001
    assert driven(effects) == []


def test_what_the_readings_say_ends_no_step_before_it_begins() -> None:
    the_plan = plan(discharge(10.0, condition("voltage", "<=", 100.0)), end())
    state, _ = start(the_plan, snapshot(0), 0)
    assert state.step.index == 0
    state, _ = advance(the_plan, state, snapshot(0.5, -10.0), S // 2)
    assert state.step.index == 1


def test_a_reading_that_was_on_its_way_ends_nothing() -> None:
    """The step begins between two polls; the answer on its way still shows the current of the step before."""
    ladder = plan(
        discharge(10.0, condition("voltage", "<=", 7.0), condition("step_time", ">=", 1.2)),
        replace(discharge(5.0, condition("voltage", "<=", 7.0), condition("current", "<=", 1.0)), label="second"),
        end(),
    )
    state, effects = start(ladder, snapshot(0), 0)
    for view in (snapshot(1, -10.0, (3.5, 3.6)), at(snapshot(1, -10.0, (3.5, 3.6)), 1.2)):
        state, effects = advance(ladder, state, view, view.t_ns)
    assert began(effects) == ["second"]
    state, _ = advance(ladder, state, snapshot(1.21, -10.0, (3.4, 3.5)), round(1.21 * S))
    assert state.step.index == 1, "6.9 V, but at the first step's 10 A"
    state, _ = advance(ladder, state, snapshot(1.7, -5.0, (3.45, 3.6)), round(1.7 * S))
    assert state.step.index == 1
    state, _ = advance(ladder, state, snapshot(2.2, -5.0, (3.4, 3.6)), round(2.2 * S))
    assert state.step.index == 2


def test_a_current_that_never_comes_is_waited_for_two_seconds() -> None:
    the_plan = plan(discharge(10.0, condition("current", "<=", 1.0)), end())
    state, _ = drive(the_plan, [snapshot(0), snapshot(0.5), snapshot(1.5), snapshot(2.0)])
    assert state.step.index == 0
    state, _ = advance(the_plan, state, snapshot(2.1), round(2.1 * S))
    assert state.step.index == 1


# --- located --------------------------------------------------------------------------------------


def located(until: Condition, *views: Snapshot) -> float | None:
    """When, in s, the end was met by the samples' own times."""
    state, effects = drive(plan(discharge(10.0, until), end()), [snapshot(0), *views])
    record = [*ended(effects), state.step.closing][0]
    assert record is not None
    return None if record.met_ns is None else record.met_ns / S


def test_a_falling_and_a_rising_bound_are_met_between_their_samples() -> None:
    falling = located(
        condition("voltage", "<=", 7.0),
        snapshot(1, -10.0, (3.6, 3.7)),
        snapshot(2, -10.0, (3.4, 3.5)),
    )
    assert falling == pytest.approx(1 + 0.3 / 0.4)
    rising = located(condition("current", ">=", 12.0), snapshot(1, -11.0), snapshot(2, -13.0))
    assert rising == pytest.approx(1.5)


def test_a_cells_bound_is_met_between_the_samples_of_the_bms() -> None:
    def view(t_s: float, bms_s: float, cell_v: float) -> Snapshot:
        bms = bms_sample(round(bms_s * S), np.array([cell_v, 3.6]), (25.0,))
        return snapshot(t_s, -10.0)._replace(bms=bms)

    # The cycler is read between the two readings of the BMS, and says nothing of when.
    until = condition("cell_min", "<=", 3.0)
    assert located(until, view(1, 1, 3.1), view(1.5, 1, 3.1), view(2, 2, 2.9)) == pytest.approx(1.5)
    assert located(replace(until, tests=(Test("cell_1", "<=", 3.0),)), view(1, 1, 3.1), view(2, 2, 2.9)) == (
        pytest.approx(1.5)
    )


def test_a_charge_is_met_within_the_last_interval_and_what_came_too_much_is_recorded() -> None:
    until = condition("step_ah", ">=", 10.0 * 2.5 / 3600)
    state, effects = drive(plan(discharge(10.0, until), end()), [snapshot(0), *[snapshot(t, -10.0) for t in (1, 2, 3)]])
    record = [*ended(effects), state.step.closing][0]
    assert record is not None
    assert record.ended_ns == 3 * S, "the step ends on the sample"
    assert record.met_ns == pytest.approx(2.5 * S)
    assert record.overshoot == pytest.approx(10.0 * 0.5 / 3600)
    assert abs(record.charge_ah) == pytest.approx(10.0 * 3 / 3600)


def test_a_bound_that_moves_with_a_reading_is_met_where_the_two_cross() -> None:
    half = Formula(Apply("-", (Read("voltage", 1.0), Constant(3.4))), 1.0, "voltage - 3.4 V")
    moving = Condition((Test("cell_max", ">=", half),), 0, None, "cell_max >= voltage - 3.4 V")
    # Two sources: nobody can say when.
    assert located(moving, snapshot(1, -10.0, (3.5, 3.6)), snapshot(2, -10.0, (3.3, 3.6))) is None
    own = Condition(
        (Test("power", ">=", Formula(Apply("*", (Read("voltage", 1.0), Constant(11.0))), 1.0, "")),), 0, None, ""
    )
    found = located(own, snapshot(1, -10.0, (3.5, 3.5)), snapshot(2, -12.0, (3.5, 3.5)))
    assert found == pytest.approx(1.5)


def test_an_end_that_the_first_reading_shows_has_no_place_between_samples() -> None:
    assert located(condition("voltage", "<=", 7.0), snapshot(1, -10.0, (3.4, 3.5))) is None
    # Not from the step before either: its reading was of another current.
    first = discharge(20.0, condition("step_time", ">=", 1))
    second = replace(discharge(10.0, condition("voltage", "<=", 7.0)), label="second")
    views = [snapshot(0), snapshot(1, -20.0, (3.6, 3.7)), at(snapshot(1, -20.0, (3.6, 3.7)), 1.2)]
    state, effects = drive(plan(first, second, end()), [*views, snapshot(2, -10.0, (3.4, 3.5))])
    record = [*ended(effects)[1:], state.step.closing][0]
    assert record is not None
    assert (record.label, record.met_ns) == ("second", None)


def test_a_current_that_was_low_before_it_counted_was_met_nowhere() -> None:
    """In its first two seconds a held voltage's current is its ramp, not its end."""
    held = ConstantVoltage(
        sign=1, label="cv", kind="cv_charge", record=RECORD, max_time_ns=HOUR, current_a=10.0, voltage_v=8.4,
        end_current_a=2.0,
    )  # fmt: skip
    views = [snapshot(0), snapshot(1, 1.6, regulation="cv"), snapshot(2.5, 1.2, regulation="cv")]
    state, _ = drive(plan(held, end()), views)
    assert state.step.closing is not None
    assert state.step.closing.met_ns is None
    views = [snapshot(0), snapshot(1, 2.4, regulation="cv"), snapshot(3, 1.6, regulation="cv")]
    state, _ = drive(plan(held, end()), views)
    assert state.step.closing is not None
    assert state.step.closing.met_ns == 2 * S


def test_a_time_is_met_exactly_and_several_tests_nowhere() -> None:
    assert located(condition("step_time", ">=", 1.25), at(snapshot(1, -10.0), 1.4)) == pytest.approx(1.25)
    assert located(both(0, ("step_time", ">=", 1.0), ("current", ">=", 1.0)), snapshot(2, -10.0)) is None


def test_a_users_bound_is_met_like_any_other() -> None:
    given = SetVariables(label="set", kind="set", record=RECORD, max_time_ns=S, values=(("low", 7.0),))
    bound = Formula(UserVariable("low", 1.0), 1.0, "$low")
    until = Condition((Test("voltage", "<=", bound),), 0, None, "voltage <= $low")
    the_plan = plan(given, discharge(10.0, until), end())
    views = [snapshot(0), snapshot(1, -10.0, (3.6, 3.7)), snapshot(2, -10.0, (3.4, 3.5))]
    state, _ = drive(the_plan, views)
    assert state.step.closing is not None
    assert state.step.closing.met_ns == pytest.approx((1 + 0.3 / 0.4) * S)


# --- due ------------------------------------------------------------------------------------------


def test_the_next_instant_is_never_a_past_one() -> None:
    times = (condition("step_time", ">=", 20), condition("test_time", ">=", 100))
    either = both(0, ("step_time", ">=", 12.0), ("voltage", "<=", 7.0))
    the_plan = plan(rest(10), replace(discharge(10.0, *times), until=(either, *times)), end())
    state, _ = drive(the_plan, [snapshot(0), snapshot(10)])
    assert due_ns(the_plan, state, 10 * S) == 22 * S, "one of the tests of a condition counts, too"
    assert due_ns(the_plan, state, 22 * S) == 30 * S
    assert due_ns(the_plan, state, 30 * S) == 100 * S
    assert due_ns(the_plan, state, 100 * S) == 10 * S + HOUR + 1


def test_an_instant_that_is_asked_for_is_late_enough() -> None:
    """Seconds are floats: the instant is the first nanosecond at which the comparison holds."""
    for value in (0.1, 0.3, 1.1, 10.123456789012, 7.7777777777):
        for operator in (">=", ">"):
            the_plan = plan(replace(rest(1), until=(condition("step_time", operator, value),)), end())
            state, _ = start(the_plan, snapshot(0), 0)
            due = due_ns(the_plan, state, 0)
            assert due is not None
            before, _ = advance(the_plan, state, at(snapshot(0), 0)._replace(t_ns=due - 2), due - 2)
            assert before.step.index == 0
            after, _ = advance(the_plan, state, snapshot(0)._replace(t_ns=due), due)
            assert after.step.index == 1, (operator, value)


# --- amounts --------------------------------------------------------------------------------------

MOST = Most(charge_current_a=50.0, discharge_current_a=50.0, voltage_max_v=9.0, voltage_min_v=4.0, power_w=400.0)


def formula(value: float) -> Formula:
    return Formula(UserVariable("x", 1.0), 1.0, "$x") if value != value else Formula(Constant(value), 1.0, f"{value}")  # noqa: PLR0124


def refused(step: object) -> str:
    """Why a step may not begin."""
    the_plan = replace(plan(step, end()), most=MOST)  # type: ignore[arg-type]
    state, effects = start(the_plan, snapshot(0), 0)
    finish = effects[-1]
    assert isinstance(finish, Finish)
    assert isinstance(effects[-4], OutputOff)
    assert driven(effects) == []
    assert state.step.finished
    assert finish.verdict == "aborted"
    return finish.reason


def test_a_magnitude_that_comes_out_negative_does_not_turn_a_discharge_into_a_charge() -> None:
    assert refused(replace(discharge(), current_a=formula(-5.0))).endswith("its current comes to -5")
    power = ConstantPower(
        label="cp", kind="cp_discharge", record=RECORD, max_time_ns=HOUR, sign=-1, power_w=-5.0, clamp_voltage_v=5.0
    )
    assert refused(power).endswith("its power comes to -5")
    load = ConstantResistance(
        label="cr", kind="cr_discharge", record=RECORD, max_time_ns=HOUR, resistance_ohm=0.0, clamp_voltage_v=5.0
    )
    assert refused(load).endswith("its resistance comes to 0")
    assert "500 W is beyond 400 W" in refused(replace(power, power_w=500.0))


def test_an_end_or_a_limit_that_has_no_value_is_no_end_and_no_limit() -> None:
    past = Formula(Past("ah", 7, 1.0), 1.0, "ah(never)")
    assert refused(discharge(10.0, Condition((Test("step_ah", ">=", past),), 0, None, ""))).endswith("has no value")
    limited = ConstantCurrent(
        label="cc", kind="cc_charge", record=RECORD, max_time_ns=HOUR, sign=1, current_a=5.0, clamp_voltage_v=8.0,
        cell_limit=CellLimit(formula(NAN), "end"),
    )  # fmt: skip
    assert "limit of a single cell has no value" in refused(limited)


def test_a_set_that_has_no_value_leaves_no_record_of_a_step_that_never_ran() -> None:
    given = SetVariables(label="set", kind="set", record=RECORD, max_time_ns=S, values=(("x", formula(NAN)),))
    state, effects = drive(plan(rest(1), given, end()), [snapshot(0), snapshot(1)])
    assert state.step.finished
    assert [record.label for record in ended(effects)] == ["rest"]
    assert isinstance(effects[-1], Finish)


def test_what_ended_in_the_turn_in_which_the_run_stops_is_told_all_the_same() -> None:
    over = replace(discharge(), max_time_ns=1)
    _, effects = drive(plan(rest(1), over, end()), [snapshot(0), snapshot(1), snapshot(2, -10.0)])
    assert [record.label for record in ended(effects)] == ["rest", "discharge"]
