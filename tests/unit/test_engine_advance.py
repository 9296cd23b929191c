"""The engine on hand-made snapshots: endings, totals, tapers, loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.engine_parts import HOUR, RECORD, S, condition, discharge, drive, end, plan, rest, snapshot

from packbench.core.samples import bms_sample
from packbench.engine.advance import advance, start, stop
from packbench.engine.effects import Drive, Finish, OutputOff, StepBegan, StepEnded
from packbench.engine.state import EngineState
from packbench.profile.plan import (
    Agreement,
    CellLimit,
    ConstantVoltage,
    LoopEnd,
    Plan,
    Rest,
)


def test_rest_then_discharge_then_end() -> None:
    the_plan = plan(rest(10), discharge(), end())
    state, effects = drive(
        the_plan,
        [
            snapshot(0),
            snapshot(9.9),
            snapshot(10),
            snapshot(11, -10.0),
            snapshot(12, -10.0, (2.99, 3.5)),
            snapshot(13, 0.0),
            snapshot(14, 0.0),
        ],
    )
    kinds = [type(effect).__name__ for effect in effects]
    assert kinds == [
        "StepBegan", "OutputOff",
        "StepBegan", "Drive",
        "StepEnded",
        "StepBegan", "OutputOff",
        "StepEnded", "Finish",
    ]  # fmt: skip
    assert state.step.finished
    ended = [effect.record for effect in effects if isinstance(effect, StepEnded)]
    assert ended[1].end_reason == "cell_min <= 3"
    assert ended[1].end_cell == 1
    assert ended[1].overshoot == pytest.approx(0.01)
    assert next(effect for effect in effects if isinstance(effect, Drive)) == Drive(-10.0, 5.0)


def test_charge_is_the_trapezoid_of_the_samples_own_times() -> None:
    the_plan = plan(discharge(), end())
    # Uneven sampling of a linear ramp: the trapezoid is exact there, a rectangle is not. The first reading after
    # the command counts for the whole interval before it: what flowed before was another current.
    times = [0.0, 0.7, 1.0, 2.5, 4.0]
    views = [snapshot(t, -3.0 * t) for t in times]
    views.append(snapshot(4.5, -13.5, (2.9, 3.5)))
    _, effects = drive(the_plan, [*views, snapshot(5, 0.0)])
    record = next(effect.record for effect in effects if isinstance(effect, StepEnded))
    assert record.charge_ah == pytest.approx(-(3.0 * 4.5**2 / 2 + 2.1 * 0.7 / 2) / 3600, rel=1e-12)
    assert record.energy_wh < 0


def test_the_tail_is_counted_apart() -> None:
    the_plan = plan(discharge(), rest(100), end())
    _, effects = drive(
        the_plan,
        [snapshot(0, -10.0), snapshot(1, -10.0, (2.9, 3.5)), snapshot(1.5, -10.0), snapshot(2.0, 0.0)],
    )
    record = next(effect.record for effect in effects if isinstance(effect, StepEnded))
    assert record.charge_ah == pytest.approx(-10.0 / 3600)
    assert record.tail_ah == pytest.approx(-(5.0 + 2.5) / 3600)


def test_a_bms_reading_between_two_cycler_readings_ends_on_its_own_time() -> None:
    the_plan = plan(discharge(), end())
    state, _ = start(the_plan, snapshot(0, -10.0), 0)
    state, _ = advance(the_plan, state, snapshot(1, -10.0), 1 * S)
    late = snapshot(1, -10.0)
    low = bms_sample(round(1.4 * S), np.array([2.9, 3.6]), (25.0,))
    state, _ = advance(the_plan, state, late._replace(t_ns=round(1.4 * S), bms=low), round(1.4 * S))
    assert state.step.closing is not None
    assert state.step.closing.charge_ah == pytest.approx(-(10.0 + 4.0) / 3600)


@pytest.mark.parametrize("variable", ["voltage", "cell_min", "cell_1"])
def test_a_reading_from_before_a_step_does_not_end_it(variable: str) -> None:
    """A ladder: the smaller current begins where the greater one had gone too low, on the reading that showed it."""
    bound = 6.6 if variable == "voltage" else 3.0
    rungs = [discharge(current_a, condition(variable, "<=", bound)) for current_a in (10.0, 2.0)]
    the_plan = plan(*rungs, end())
    low = snapshot(2, -10.0, (2.99, 3.5))
    state, _ = drive(the_plan, [snapshot(0), snapshot(1, -10.0), low])
    assert (state.step.number, state.step.started_ns) == (2, 2 * S)
    for passed_s in (0.0, 0.3):  # another source speaks, and the cycler and the cells have said nothing since
        state, _ = advance(the_plan, state, low, round((2 + passed_s) * S))
        assert state.step.number == 2
    state, _ = advance(the_plan, state, snapshot(3, -2.0, (3.1, 3.6)), 3 * S)
    assert state.step.number == 2
    state, _ = advance(the_plan, state, snapshot(4, -2.0, (2.99, 3.5)), 4 * S)
    assert state.step.number == 3


def test_for_needs_an_unbroken_stretch() -> None:
    held = condition("current", "<=", 2.0, for_s=5)
    the_plan = plan(discharge(10.0, held), end())
    views = [snapshot(0), snapshot(1, -1.0), snapshot(5, -1.0), snapshot(5.5, -3.0), snapshot(6, -1.0)]
    state, _ = drive(the_plan, [*views, snapshot(10.9, -1.0)])
    assert state.step.index == 0
    state, _ = drive(the_plan, [*views, snapshot(10.9, -1.0), snapshot(11.0, -1.0)])
    assert state.step.index == 1


def test_goto() -> None:
    jump = condition("voltage", "<=", 6.0, goto=2)
    the_plan = plan(discharge(10.0, jump), rest(5, "skipped"), rest(5, "landed"), end())
    state, effects = drive(the_plan, [snapshot(0), snapshot(1, -10.0, (2.9, 3.0))])
    assert state.step.index == 2
    assert [effect.label for effect in effects if isinstance(effect, StepBegan)] == ["discharge", "landed"]


def charge(action: str) -> ConstantVoltage:
    limit = CellLimit(4.2, "taper", 1.0) if action == "taper" else CellLimit(4.2, "end")
    return ConstantVoltage(
        sign=1,
        label="charge",
        kind="cccv_charge",
        record=RECORD,
        max_time_ns=HOUR,
        current_a=10.0,
        voltage_v=8.4,
        end_current_a=0.5,
        cell_limit=limit,
    )


def test_a_cell_at_its_limit_ends_the_charge_as_imbalance_limited() -> None:
    _, effects = drive(plan(charge("end"), end()), [snapshot(0), snapshot(10, 10.0, (4.0, 4.21)), snapshot(11)])
    record = next(effect.record for effect in effects if isinstance(effect, StepEnded))
    assert record.imbalance_limited
    assert record.end_cell == 2
    assert record.overshoot == pytest.approx(0.01)


def test_a_cell_that_was_at_its_limit_before_a_charge_does_not_end_it() -> None:
    the_plan = plan(replace(charge("end"), label="fast"), replace(charge("end"), current_a=2.0), end())
    high = snapshot(2, 10.0, (3.6, 4.21))
    state, _ = drive(the_plan, [snapshot(0), snapshot(1, 10.0), high])
    assert state.step.number == 2
    state, _ = advance(the_plan, state, high, round(2.3 * S))
    assert state.step.number == 2
    state, _ = advance(the_plan, state, snapshot(3, 2.0, (3.6, 4.21)), 3 * S)
    assert state.step.number == 3


def test_a_cell_at_its_limit_tapers_the_current_and_never_raises_it() -> None:
    the_plan = plan(charge("taper"), end())
    state, effects = start(the_plan, snapshot(0), 0)
    currents = [effect.current_a for effect in effects if isinstance(effect, Drive)]
    t_s, current_a = 0.0, 10.0
    while state.step.index == 0 and t_s < 200:
        t_s += 1
        cell = 4.21 if int(t_s) % 7 < 5 else 4.19
        state, effects = advance(the_plan, state, snapshot(t_s, current_a, (4.0, cell)), round(t_s * S))
        for effect in effects:
            if isinstance(effect, Drive):
                current_a = effect.current_a
                currents.append(current_a)
    assert currents == sorted(currents, reverse=True)
    assert currents[-1] == 1.0
    assert currents[1] == pytest.approx(7.0)
    assert state.step.closing is not None
    assert not state.step.closing.imbalance_limited
    assert state.step.closing.end_cell == 2


def test_cv_ends_at_the_end_current_but_not_during_the_ramp() -> None:
    the_plan = plan(charge("taper"), end())
    state, _ = drive(the_plan, [snapshot(0), snapshot(1, 0.2, (4.0, 4.1), regulation="cv")])
    assert state.step.index == 0
    state, _ = drive(the_plan, [snapshot(0), snapshot(5, 0.6, (4.0, 4.1), regulation="cv")])
    assert state.step.index == 0
    state, _ = drive(the_plan, [snapshot(0), snapshot(5, 0.5, (4.0, 4.1), regulation="cv")])
    assert state.step.index == 1


def test_a_pack_that_stands_above_the_voltage_is_charged_already() -> None:
    the_plan = plan(charge("taper"), end())
    below, above = (4.0, 4.1), (4.2, 4.3)
    state, _ = drive(the_plan, [snapshot(0), snapshot(5, 0.0, below, regulation="cc")])
    assert state.step.index == 0
    state, _ = drive(the_plan, [snapshot(0), snapshot(1, 0.0, above, regulation="cc")])
    assert state.step.index == 0
    state, _ = drive(the_plan, [snapshot(0), snapshot(5, 0.0, above, regulation="cc")])
    assert state.step.index == 1


def test_the_end_of_a_cv_phase_is_located_between_its_two_readings() -> None:
    views = [snapshot(t_s, current_a, (4.0, 4.1), regulation="cv") for t_s, current_a in ((0, 0), (8, 2.0), (10, 0.8))]
    the_plan = plan(replace(charge("taper"), end_current_a=1.1), end())
    state, _ = drive(the_plan, views)
    assert state.step.closing is not None
    assert state.step.closing.ended_ns == 10 * S
    assert state.step.closing.met_ns == pytest.approx(9.5 * S, abs=2)


def looped(repeat: int, within_ah: float) -> Plan:
    agreement = Agreement(step=0, within=within_ah, cycles=2)
    loop = LoopEnd(
        label="loop", kind="loop", record=RECORD, max_time_ns=HOUR, start=0, repeat=repeat, agreement=agreement
    )
    return plan(discharge(3600.0, condition("cell_min", "<=", 3.0)), rest(1), loop, end())


def run_cycles(the_plan: Plan, seconds: list[float]) -> EngineState:
    state, _ = start(the_plan, snapshot(0), 0)
    t_s = 0.0
    for length_s in seconds:
        for dt_s, current_a, low_v in ((0.001, -3600.0, 3.5), (length_s, -3600.0, 2.9), (0.001, 0.0, 3.5), (2, 0, 3.5)):
            t_s += dt_s
            state, _ = advance(the_plan, state, snapshot(t_s, current_a, (low_v, 3.6)), round(t_s * S))
    return state


def test_the_loop_ends_when_two_capacities_agree() -> None:
    the_plan = looped(5, within_ah=0.5)
    assert run_cycles(the_plan, [10.0]).step.cycle == 2
    assert run_cycles(the_plan, [10.0, 11.0]).step.index == 0
    state = run_cycles(the_plan, [10.0, 11.0, 11.2])
    assert the_plan.steps[state.step.index].kind == "end"
    assert state.step.cycle == 3


def test_the_loop_gives_up_after_its_repeats() -> None:
    the_plan = looped(3, within_ah=0.1)
    state = run_cycles(the_plan, [10.0, 11.0, 12.0])
    assert the_plan.steps[state.step.index].kind == "end"


def test_a_step_that_never_ends_is_stopped() -> None:
    the_plan = plan(replace(discharge(), max_time_ns=10 * S), end())
    state, effects = drive(the_plan, [snapshot(0), snapshot(5, -1), snapshot(11, -1)])
    assert state.step.finished
    assert isinstance(effects[-1], Finish)
    assert effects[-1].verdict == "aborted"
    assert any(isinstance(effect, OutputOff) for effect in effects)


def test_stop_is_idempotent_and_records_the_step() -> None:
    the_plan = plan(discharge(), end())
    state, _ = drive(the_plan, [snapshot(0), snapshot(5, -10)])
    state, effects = stop(the_plan, state, snapshot(6, -10), 6 * S, "by hand")
    assert [type(effect) for effect in effects] == [OutputOff, StepEnded, Finish]
    assert stop(the_plan, state, snapshot(7), 7 * S, "again") == (state, ())
    assert advance(the_plan, state, snapshot(8), 8 * S) == (state, ())


def test_a_loop_that_was_jumped_out_of_begins_anew() -> None:
    def loop(label: str, start: int, repeat: int) -> LoopEnd:
        return LoopEnd(label=label, kind="loop", record=RECORD, max_time_ns=HOUR, start=start, repeat=repeat)

    # Inner loop of two rests, three rounds; its second rest jumps out in the second round of the first pass.
    leave = Rest(
        label="b",
        kind="rest",
        until=(condition("test_time", ">=", 4, goto=3), condition("step_time", ">=", 1)),
        record=RECORD,
        max_time_ns=HOUR,
    )
    the_plan = plan(rest(1, "a"), leave, loop("inner", 0, 3), rest(1, "after"), loop("outer", 0, 2), end())
    views = [snapshot(t) for t in range(30)]
    labels = [effect.label for effect in drive(the_plan, views)[1] if isinstance(effect, StepBegan)]
    # The jump comes in the inner loop's second round; from then on its condition is true at once.
    assert labels == ["a", "b", "a", "b", "after", "a", "b", "after", "end"]
    state, _ = drive(the_plan, views[:5])
    assert the_plan.steps[state.step.index].label == "after"
    assert [rounds for index, rounds in state.step.loop_counts if index == 2] == []
