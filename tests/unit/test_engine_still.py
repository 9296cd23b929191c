"""Steps without current: what a soak and a pause wait for."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.unit.engine_parts import HOUR, RECORD, S, end, ended, plan, rest, snapshot

from packbench.core.samples import Snapshot, bms_sample
from packbench.engine.advance import advance, answer, start
from packbench.engine.due import due_ns
from packbench.engine.effects import Finish
from packbench.engine.state import EngineState
from packbench.profile.plan import Answer, Pause, Plan, Soak

SHARED: dict[str, Any] = {"record": RECORD, "max_time_ns": HOUR}
SOAK = Soak(label="soak", kind="soak", temperature_c=25.0, within_k=2.0, stable_ns=10 * S, **SHARED)
ANSWERS = (Answer("ok", "", ""), Answer("no", "", "", 2))
PAUSE = Pause(label="pause", kind="pause", prompt_en="?", prompt_zh="?", answers=ANSWERS, **SHARED)


def warm(t_s: float, *temperatures_c: float, read_s: float | None = None) -> Snapshot:
    """The clock at `t_s`, the sensors as they were read at `read_s`."""
    bms = bms_sample(round((t_s if read_s is None else read_s) * S), np.array([3.6, 3.7]), temperatures_c)
    return snapshot(t_s)._replace(bms=bms)


def soaked(*views: Snapshot) -> EngineState:
    the_plan = plan(SOAK, end())
    state, _ = start(the_plan, warm(0, 25.0, 25.0), 0)
    for view in views:
        state, _ = advance(the_plan, state, view, view.t_ns)
    return state


def test_a_soak_ends_when_every_sensor_has_been_near_for_the_time() -> None:
    near = [warm(t, 24.0, 26.9) for t in range(1, 11)]
    assert soaked(*near).step.index == 0
    assert soaked(*near, warm(11, 24.0, 26.9)).step.index == 1
    one_away = [*near[:5], warm(6, 24.0, 27.1), *near[6:], warm(11, 24.0, 26.9)]
    assert soaked(*one_away).step.index == 0


def test_a_soak_is_not_over_because_nobody_has_looked_since() -> None:
    """The readings' own times count: what was read once does not become stable by being old."""
    assert soaked(warm(1, 25.0, 25.0), warm(15, 25.0, 25.0, read_s=1)).step.index == 0
    assert soaked(warm(1, 25.0, 25.0), warm(15, 25.0, 25.0)).step.index == 1
    # A reading from before it began is of other air.
    assert soaked(warm(5, 25.0, 25.0, read_s=0), warm(10.5, 25.0, 25.0)).step.index == 0


def test_a_sensor_that_reads_nothing_is_not_near() -> None:
    assert soaked(*[warm(t, 25.0, float("nan")) for t in range(1, 20)]).step.index == 0
    assert soaked(*[warm(t) for t in range(1, 20)]).step.index == 0


def paused() -> tuple[Plan, EngineState]:
    the_plan = plan(PAUSE, rest(10), end())
    state, _ = start(the_plan, snapshot(0), 0)
    return the_plan, state


def test_a_pause_waits_for_its_answer_and_no_longer_than_it_may() -> None:
    the_plan, state = paused()
    assert due_ns(the_plan, state, 0) == HOUR + 1
    waiting, effects = advance(the_plan, state, snapshot(3600), HOUR)
    assert not effects
    late, effects = advance(the_plan, waiting, snapshot(3601)._replace(t_ns=HOUR + 1), HOUR + 1)
    assert isinstance(effects[-1], Finish)
    assert "lasted longer than its 3600 s" in effects[-1].reason
    assert answer(the_plan, late, snapshot(3700), 3700 * S, "ok") == (late, ()), "too late"


def test_an_answer_leads_where_it_says_once() -> None:
    the_plan, state = paused()
    assert answer(the_plan, state, snapshot(5), 5 * S, "perhaps") == (state, ())
    on, _ = answer(the_plan, state, snapshot(5), 5 * S, "ok")
    assert on.step.index == 1
    assert answer(the_plan, on, snapshot(6), 6 * S, "ok") == (on, ()), "nobody is asked any more"
    over, effects = answer(the_plan, state, snapshot(5), 5 * S, "no")
    assert over.step.index == 2
    record = [*ended(effects), over.step.closing][0]
    assert record is not None
    assert (record.end_reason, record.ended_ns) == ("answered no", 5 * S)
