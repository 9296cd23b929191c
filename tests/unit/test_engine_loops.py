"""Loops and jumps: rounds, what agreements compare, a loop's variables, what is forgotten on the way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.engine_parts import (
    RECORD,
    S,
    began,
    condition,
    discharge,
    drive,
    driven,
    end,
    goto,
    loop,
    plan,
    rest,
    snapshot,
)

from packbench.core.samples import Snapshot
from packbench.engine.advance import advance, start
from packbench.engine.effects import Note
from packbench.engine.state import EngineState
from packbench.profile.amounts import Formula, Read, RoundVariable, UserVariable
from packbench.profile.plan import Agreement, Condition, Plan, SetVariables, Test


def seconds(count: int, current_a: float = 0.0) -> list[Snapshot]:
    return [snapshot(t, current_a) for t in range(count)]


def test_a_jump_out_of_two_loops_forgets_both_and_one_out_of_the_inner_forgets_that() -> None:
    def nested(target: int) -> Plan:
        leave = replace(
            rest(1, "b"),
            until=(condition("test_time", ">=", 8, goto=target), condition("step_time", ">=", 1)),
        )
        steps = (rest(1, "a"), leave, loop(0, 3, "inner"), rest(1, "c"), loop(0, 9, "outer"), rest(1, "out"), end())
        return plan(*steps)

    # a b a b a b c | a b -> at 8 s, in the outer loop's second round and the inner one's first.
    state, effects = drive(nested(5), seconds(9))
    assert began(effects)[-1] == "out"
    assert state.step.loop_counts == ()
    state, effects = drive(nested(3), seconds(9))
    assert began(effects)[-1] == "c"
    assert dict(state.step.loop_counts) == {4: 1}


def agreeing(within: float, cycles: int = 2) -> dict[str, Any]:
    return {"agreement": Agreement(step=0, within=within, cycles=cycles)}


def test_what_a_loop_compares_is_of_one_pass() -> None:
    """An outer loop enters it again: the last capacity of the first pass is none of the second's."""
    inner = loop(0, 3, "inner", **agreeing(0.001))
    the_plan = plan(discharge(10.0, condition("step_time", ">=", 10)), rest(1), inner, loop(0, 2, "outer"), end())
    _, effects = drive(the_plan, seconds(60, -10.0))
    assert began(effects) == ["discharge", "rest"] * 4 + ["end"], "two rounds a pass"
    notes = [effect.text for effect in effects if isinstance(effect, Note)]
    assert notes == ["after 2 rounds the capacities agree"] * 2


def test_what_was_compared_is_forgotten_with_a_jump_out_of_the_first_round() -> None:
    inner = loop(0, 3, "inner", **agreeing(0.001))
    once = replace(rest(1), until=(condition("test_time", "<=", 12, goto=3), condition("step_time", ">=", 1)))
    cycle = discharge(10.0, condition("step_time", ">=", 10))
    the_plan = plan(cycle, once, inner, rest(1, "between"), loop(0, 2, "outer"), end())
    _, effects = drive(the_plan, seconds(60, -10.0))
    assert began(effects) == ["discharge", "rest", "between", *["discharge", "rest"] * 2, "between", "end"]


def test_no_more_rounds_are_kept_than_are_compared() -> None:
    the_loop = loop(0, 10_000, **agreeing(-1.0, cycles=3))
    the_plan = plan(discharge(10.0, condition("step_time", ">=", 1)), the_loop, end())
    state, _ = drive(the_plan, seconds(50, -10.0))
    assert len(state.step.rounds[1]) == 3


def test_two_loops_may_compare_the_same_step() -> None:
    inner, outer = loop(0, 2, "inner", **agreeing(-1.0)), loop(0, 5, "outer", **agreeing(0.001, cycles=3))
    the_plan = plan(discharge(10.0, condition("step_time", ">=", 10)), inner, outer, end())
    state, effects = drive(the_plan, seconds(80, -10.0))
    assert began(effects).count("discharge") == 4, "three of them agree when the second pass is over"
    assert the_plan.steps[state.step.index].kind == "end"


def test_a_loops_variable_goes_through_its_values_and_begins_anew() -> None:
    rate = Formula(RoundVariable("rate", 1, (1.0, 2.0, 3.0)), 1.0, "$rate")
    pulse = replace(discharge(1.0, condition("step_time", ">=", 1)), current_a=rate)
    the_plan = plan(pulse, loop(0, 3, "each"), loop(0, 2, "outer"), end())
    _, effects = drive(the_plan, seconds(10, -1.0))
    assert driven(effects) == [-1.0, -2.0, -3.0] * 2


def test_a_goto_out_of_a_loop_makes_its_variable_begin_anew() -> None:
    rate = Formula(RoundVariable("rate", 2, (1.0, 2.0, 3.0)), 1.0, "$rate")
    pulse = replace(discharge(1.0, condition("step_time", ">=", 1)), current_a=rate)
    leave = goto(3, condition("cycle", ">=", 2))
    the_plan = plan(pulse, leave, loop(0, 3, "each"), loop(0, 2, "outer"), end())
    _, effects = drive(the_plan, seconds(10, -1.0))
    # Left in its second round; cycle is 3 by then, so that the next pass is left in its first.
    assert driven(effects) == [-1.0, -2.0, -1.0]


def test_a_loops_condition_is_looked_at_when_a_round_ends() -> None:
    until = (condition("cycle_ah", ">=", 10.0 * 2.5 / 3600),)
    grows = Condition((Test("step_time", ">=", Formula(Read("cycle", 1.0), 1.0, "")),), 0, None, "as many s as cycles")
    the_loop = replace(loop(0, 9), until=until)
    the_plan = plan(discharge(10.0, grows), the_loop, end())
    _, effects = drive(the_plan, seconds(20, -10.0))
    assert began(effects).count("discharge") == 3
    assert [effect.text for effect in effects if isinstance(effect, Note)] == ["after 3 rounds its condition holds"]


def test_between_two_steps_the_steps_own_variables_are_those_of_the_one_that_has_ended() -> None:
    values = (
        ("charge", Formula(Read("step_ah", 3600.0), 3600.0, "step_ah")),
        ("energy", Formula(Read("step_wh", 3600.0), 3600.0, "step_wh")),
        ("time", Formula(Read("step_time", 1.0), 1.0, "step_time")),
        ("cycle_charge", Formula(Read("cycle_ah", 3600.0), 3600.0, "cycle_ah")),
    )
    given = SetVariables(label="set", kind="set", record=RECORD, max_time_ns=S, values=values)
    next_step = replace(discharge(), current_a=Formula(UserVariable("time", 1.0), 1.0, "$time"))
    the_plan = plan(discharge(10.0, condition("step_time", ">=", 4)), given, next_step, end())
    state, effects = drive(the_plan, seconds(6, -10.0))
    variables = dict(state.step.variables)
    assert variables["charge"] == variables["cycle_charge"] == 40.0 / 3600
    assert variables["energy"] == 40.0 * 7.3 / 3600
    assert variables["time"] == 4.0
    assert driven(effects) == [-10.0, -4.0]


def test_a_long_loop_costs_no_more_at_its_end_than_at_its_beginning() -> None:
    """What is remembered does not grow with the rounds."""
    the_plan = plan(rest(1), discharge(10.0, condition("step_time", ">=", 1)), loop(0, 10_000), end())
    state, _ = start(the_plan, snapshot(0), 0)
    sizes: list[int] = []
    for t_s in range(1, 2_000):
        state, _ = advance(the_plan, state, snapshot(t_s, -10.0), t_s * S)
        sizes.append(size_of(state))
    assert max(sizes[100:]) <= max(sizes[:100])


def size_of(state: EngineState) -> int:
    step = state.step
    return len(step.past) + len(step.rounds) + len(step.loop_counts) + len(step.variables) + len(state.slopes)
