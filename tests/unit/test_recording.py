"""Which readings are recorded: by time and change, finer around edges, in order of time; how often one is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.engine_parts import S, condition, discharge, end, loop, plan, rest, snapshot, waveform

from packbench.core.records import Row
from packbench.core.samples import Snapshot, bms_sample
from packbench.engine.advance import advance, start
from packbench.engine.due import due_ns
from packbench.engine.recording import Looked, due, wanted_poll_ns
from packbench.profile.plan import Around, Plan, RecordRule, Segment
from packbench.run.rows import Rows

MS = S // 1000


def looked(t_s: float, voltage_v: float = 7.0, current_a: float = -10.0, temperature_c: float = 25.0) -> Looked:
    return Looked(round(t_s * S), voltage_v, current_a, temperature_c)


# --- the rule -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "now", "is_due"),
    [
        (RecordRule(5 * S), looked(4.9), False),
        (RecordRule(5 * S), looked(4.989), False),
        (RecordRule(5 * S), looked(4.991), True),
        (RecordRule(500 * MS), looked(0.4894), False),
        (RecordRule(500 * MS), looked(0.4904), True),
        (RecordRule(10 * MS), looked(0.0085), False),
        (RecordRule(10 * MS), looked(0.0091), True),
        (RecordRule(5 * S, dv_v=0.01), looked(1, voltage_v=6.991), False),
        (RecordRule(5 * S, dv_v=0.01), looked(1, voltage_v=6.989), True),
        (RecordRule(5 * S, di_a=1.0), looked(1, current_a=-10.9), False),
        (RecordRule(5 * S, di_a=1.0), looked(1, current_a=-8.9), True),
        (RecordRule(5 * S, dt_k=0.5), looked(1, temperature_c=25.4), False),
        (RecordRule(5 * S, dt_k=0.5), looked(1, temperature_c=25.5), True),
        (RecordRule(5 * S, dt_k=0.5), looked(1, temperature_c=24.5), True),
        (RecordRule(5 * S, dt_k=0.5), looked(1, temperature_c=float("nan")), False),
    ],
)
def test_time_or_a_change_of_voltage_current_or_temperature(rule: RecordRule, now: Looked, is_due: bool) -> None:
    assert due(rule, looked(0), now, 10 * S) is is_due
    assert due(rule, None, now, 10 * S), "the first of a step always is"


def test_after_an_edge_the_interval_is_finer_for_a_time() -> None:
    rule = RecordRule(5 * S, around=Around(before_ns=2 * S, after_ns=3 * S, dt_ns=100 * MS))
    assert due(rule, looked(0), looked(0.1), 3 * S)
    assert not due(rule, looked(0), looked(0.05), 3 * S)
    assert not due(rule, looked(0), looked(0.1), 3 * S + 1)


# --- rows in order --------------------------------------------------------------------------------

FINE = RecordRule(10 * S, around=Around(before_ns=2 * S, after_ns=1 * S, dt_ns=500 * MS))


def played(the_plan: Plan, views: list[Snapshot]) -> list[Row]:
    """As the channel does it: readings with the clock's own instants between them."""
    found: list[Row] = []
    rows = Rows(the_plan, found.append)
    state, _ = start(the_plan, views[0], views[0].t_ns)
    for view in views[1:]:
        while (at_ns := due_ns(the_plan, state, state.before.t_ns if state.before else 0)) and at_ns < view.t_ns:
            stale = (state.before or views[0])._replace(t_ns=at_ns)
            after, _ = advance(the_plan, state, stale, at_ns)
            if after.step.number != state.step.number:
                rows.reading(state, stale, after, force=True)
            rows.moved(state, after)
            state = after
        after, _ = advance(the_plan, state, view, view.t_ns)
        rows.reading(state, view, after, force=after.step.number != state.step.number)
        rows.moved(state, after)
        state = after
    rows.flush()
    return found


def every(step_s: float, until_s: float, current: Any) -> list[Snapshot]:
    return [snapshot(step_s * k, current(step_s * k)) for k in range(round(until_s / step_s) + 1)]


def seconds(rows: list[Row]) -> list[float]:
    return [row.t_ns / S for row in rows]


def test_before_a_pulse_the_rows_of_the_rest_are_finer_and_stay_the_rests() -> None:
    pulse = replace(waveform((5, -10.0), (5, 0.0)), record=FINE)
    the_plan = plan(replace(rest(25), record=RecordRule(10 * S)), pulse, end())
    rows = played(the_plan, every(0.25, 34.0, lambda t: -10.0 if 25.0 < t <= 30.0 else 0.0))
    # The first edge of the pulse: from 23 s on in the rest, up to 26 s in the pulse; its second edge is at 30 s.
    assert [t for t in seconds(rows) if t < 23.0] == [0.25, 10.25, 20.25]
    around = [t for t in seconds(rows) if 23.0 <= t <= 26.0]
    assert around == [23.0, 23.5, 24.0, 24.5, 25.0, 25.25, 25.75]
    assert {row.step for row in rows if row.t_ns <= 25 * S} == {1}
    assert {row.step for row in rows if row.t_ns > 25 * S} == {2}
    middle = [t for t in seconds(rows) if 28.0 <= t <= 31.0]
    assert len(middle) >= 6, "and around the edge within the pulse"
    assert [t for t in seconds(rows) if 26.25 < t < 28.0] == []


def test_rows_are_in_order_of_time_none_twice_with_their_own_charge() -> None:
    pulse = replace(waveform((1, -10.0), (1, 0.0), (1, 10.0), repeat=4), record=FINE)
    the_plan = plan(replace(rest(5), record=RecordRule(S)), pulse, rest(5), end())
    rows = played(the_plan, every(0.1, 25.0, lambda t: -10.0 if t > 5.0 else 0.0))
    times = seconds(rows)
    assert times == sorted(set(times))
    assert [row.step for row in rows] == sorted(row.step for row in rows)
    charges = [row.step_ah for row in rows if row.step == 2]
    assert charges == sorted(charges, reverse=True), "discharged all the time: each row has the charge of its own time"


def test_a_plan_without_windows_holds_nothing_back() -> None:
    found: list[Row] = []
    the_plan = plan(replace(rest(25), record=RecordRule(S)), end())
    rows = Rows(the_plan, found.append)
    state, _ = start(the_plan, snapshot(0), 0)
    after, _ = advance(the_plan, state, snapshot(1), S)
    rows.reading(state, snapshot(1), after, force=False)
    assert seconds(found) == [1.0]


def test_a_window_is_let_go_at_its_end_and_never_grows_beyond_its_bound() -> None:
    found: list[Row] = []
    long = RecordRule(10_000 * S, around=Around(before_ns=10**15, after_ns=0, dt_ns=S))
    the_plan = plan(replace(rest(3000), record=long), end())
    rows = Rows(the_plan, found.append)
    state, _ = start(the_plan, snapshot(0), 0)
    for k in range(1, 12_000):
        view = snapshot(k / 10)
        after, _ = advance(the_plan, state, view, view.t_ns)
        rows.reading(state, view, after, force=False)
        state = after
    assert seconds(found) == [0.1], "the oldest, wanted one, has been let go"
    rows.flush()
    assert seconds(found) == [0.1]


def test_another_round_of_the_same_step_begins_its_rows_anew() -> None:
    step = replace(discharge(10.0, condition("step_time", ">=", 2)), record=RecordRule(60 * S))
    the_plan = plan(step, loop(0, 3), end())
    rows = played(the_plan, every(0.5, 7.0, lambda t: -10.0))
    of_step = [row for row in rows if row.step == 1]
    assert seconds(of_step) == [0.5, 2.0, 2.5, 4.0, 4.5, 6.0], "the first and the last of each"


# --- how often ------------------------------------------------------------------------------------


def wanted(the_plan: Plan, t_s: float, *ticks: float) -> int | None:
    """The period wanted at an instant, the clock's instants before it gone through."""
    state, _ = start(the_plan, snapshot(0), 0)
    for at_s in (*ticks, t_s):
        view = snapshot(at_s, -10.0)
        state, _ = advance(the_plan, state, view, view.t_ns)
    return wanted_poll_ns(state, round(t_s * S))


def test_read_outs_want_every_reading_near_their_instants_and_edges() -> None:
    pulse = replace(
        waveform(Segment(30 * S, -10.0, (2 * S, 18 * S)), (30, 0.0), Segment(30 * S, 10.0, (10 * S,))),
        record=RecordRule(5 * S),
    )
    the_plan = plan(pulse, end())
    usual = 5 * S
    assert wanted(the_plan, 0.5) == 0
    assert wanted(the_plan, 1.2) == 0, "2 s is near"
    assert wanted(the_plan, 5.0) == usual
    assert wanted(the_plan, 17.2, 5.0) == 0
    assert wanted(the_plan, 20.0, 17.9, 18.1) == usual
    assert wanted(the_plan, 59.5, 18.0, 18.1, 30.0) == 0, "the voltage just before the edge counts, too"
    assert wanted(the_plan, 40.0, 18.0, 18.1, 30.0) == usual


def test_a_rule_for_edges_wants_its_interval_around_them_alone() -> None:
    step = replace(discharge(10.0, condition("step_time", ">=", 100)), record=FINE)
    assert wanted(plan(step, end()), 0.5) == 500 * MS
    assert wanted(plan(step, end()), 1.5) is None
    assert wanted(plan(replace(step, record=RecordRule(100 * MS)), end()), 0.5) is None, "only edges and waveforms"
    pulse = replace(waveform((20, -10.0), (20, 0.0)), record=FINE)
    assert wanted(plan(pulse, end()), 18.5, 5.0) == 500 * MS
    assert wanted(plan(pulse, end()), 10.0, 5.0) == 10 * S


def test_the_hottest_sensor_is_the_one_that_counts() -> None:
    found: list[Row] = []
    the_plan = plan(replace(rest(100), record=RecordRule(60 * S, dt_k=1.0)), end())
    rows = Rows(the_plan, found.append)
    state, _ = start(the_plan, snapshot(0), 0)
    for t_s, hot_c in ((1, 25.0), (2, 25.9), (3, 26.0), (4, 26.5), (5, 27.0)):
        bms = bms_sample(t_s * S, np.array([3.6, 3.7]), (20.0, hot_c))
        view = snapshot(t_s)._replace(bms=bms)
        after, _ = advance(the_plan, state, view, view.t_ns)
        rows.reading(state, view, after, force=False)
        state = after
    assert seconds(found) == [1.0, 3.0, 5.0]
