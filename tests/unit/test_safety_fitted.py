"""The rules on what only some benches have: the climate chamber and the meter."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from tests.unit.test_safety_judge import EXPECTED, LIMITS, S, view

from packbench.core.samples import ChamberSample, MeterSample, Snapshot
from packbench.safety.judge import Latched, SafetyState, judge
from packbench.safety.rules import RULES
from packbench.safety.view import Expectation

STALE = MappingProxyType({**EXPECTED.stale_after_ns, "chamber": 6 * S, "meter": 3 * S})
BOTH = replace(EXPECTED, fitted=("chamber", "meter"), stale_after_ns=STALE, insulation_min_ohm=100_000.0)


def chamber(t_s: float, **other: Any) -> ChamberSample:
    return ChamberSample(round(t_s * S), 25.0, 25.0, True, **other)


def meter(t_s: float, insulation_ohm: float | None = 5e6, **other: Any) -> MeterSample:
    values = {} if insulation_ohm is None else {"insulation_ohm": insulation_ohm}
    return MeterSample(round(t_s * S), values, **other)


def seen(t_s: float, air: ChamberSample | None = None, leak: MeterSample | None = None) -> Snapshot:
    """A sound moment of all other sources, with these two as they are."""
    return view(t_s)._replace(chamber=air or chamber(t_s), meter=leak or meter(t_s))


def latched(*views: Snapshot, expected: Expectation = BOTH) -> Latched | None:
    state = SafetyState(0)
    for snapshot in views:
        state = judge(state, snapshot, LIMITS, expected)
    return state.latched


def tripped(*views: Snapshot, expected: Expectation = BOTH) -> str | None:
    found = latched(*views, expected=expected)
    return None if found is None else found.trip.rule


def test_all_is_well() -> None:
    assert tripped(*(seen(t) for t in range(200))) is None


def test_a_bench_without_them_is_not_asked_for_them() -> None:
    assert tripped(*(view(t) for t in range(20)), expected=EXPECTED) is None
    low = view(1)._replace(chamber=chamber(-100, alarms=("door_open",)), meter=meter(-100, 1.0))
    assert tripped(low, expected=EXPECTED) is None


@pytest.mark.parametrize(("source", "limit_s"), [("chamber", 6), ("meter", 3)])
def test_silence_of_either(source: str, limit_s: int) -> None:
    def silent(t_s: float) -> Snapshot:
        return seen(t_s, chamber(10)) if source == "chamber" else seen(t_s, None, meter(10))

    assert tripped(*(silent(t) for t in range(10, 10 + limit_s + 1))) is None
    # Time alone is enough: no new reading of anything.
    last = silent(10 + limit_s)
    expected = replace(BOTH, stale_after_ns=MappingProxyType({**STALE, "cycler": 99 * S, "bms": 99 * S}))
    expected = replace(expected, contactor_closed=False)
    later = last._replace(t_ns=last.t_ns + S // 10)
    assert tripped(last, later, expected=expected) == f"{source}_stale"
    found = latched(last, later, expected=expected)
    assert found is not None
    assert (found.reaction, found.trip.fault_id, found.trip.limit) == ("S1", f"comms.{source}_lost", limit_s)


def test_one_that_never_answered_is_unknown_and_unknown_is_a_stop() -> None:
    assert tripped(seen(1)._replace(chamber=None)) == "chamber_stale"
    assert tripped(seen(1)._replace(meter=None)) == "meter_stale"
    found = latched(seen(1)._replace(chamber=None))
    assert found is not None
    assert found.trip.text_en == "The climate chamber has given no usable reading."
    assert found.trip.text_zh == "环境箱没有给出任何可用读数。"


def test_one_of_the_two_is_enough_for_a_bench() -> None:
    alone = replace(BOTH, fitted=("chamber",))
    assert tripped(seen(1)._replace(meter=None), expected=alone) is None
    assert tripped(seen(1)._replace(chamber=None), expected=alone) == "chamber_stale"
    other = replace(BOTH, fitted=("meter",))
    assert tripped(seen(1)._replace(chamber=None), expected=other) is None
    assert tripped(seen(1, None, meter(1, 1.0)), expected=other) == "insulation_low"


def test_an_alarm_of_the_chamber() -> None:
    found = latched(seen(1, chamber(1, alarms=("cooling_fault", "door_open"))))
    assert found is not None
    assert (found.trip.rule, found.reaction) == ("chamber_alarm", "S1")
    assert found.trip.text_en == "The climate chamber raised an alarm: cooling fault, door open."
    assert found.trip.text_zh == "环境箱报警：cooling fault, door open。"
    assert tripped(seen(1, chamber(1, alarms=None))) is None, "it says nothing of alarms"


def test_insulation_below_what_the_pack_file_asks_for() -> None:
    assert tripped(seen(1, None, meter(1, 100_000.0))) is None
    found = latched(seen(1), seen(2, None, meter(2, 99_900.0)))
    assert found is not None
    assert (found.trip.rule, found.trip.fault_id, found.reaction) == ("insulation_low", "pack.insulation", "S1")
    assert (found.trip.value, found.trip.limit, found.trip.unit) == (99_900.0, 100_000.0, "ohm")
    assert "fell to 99.9 kohm; at least 100.0 kohm is required" in found.trip.text_en
    assert "绝缘电阻降至 99.9 kΩ，低于下限 100.0 kΩ" in found.trip.text_zh


def test_insulation_is_not_watched_when_nobody_states_a_limit() -> None:
    assert tripped(seen(1, None, meter(1, 0.0)), expected=replace(BOTH, insulation_min_ohm=None)) is None


def test_what_the_meter_itself_thinks_of_the_insulation_does_not_count_but_that_it_is_broken_does() -> None:
    assert tripped(seen(1, None, meter(1, 400_000.0, alarms=("insulation_low",)))) is None
    found = latched(seen(1, None, meter(1, alarms=("insulation_low", "lead_open"))))
    assert found is not None
    assert found.trip.rule == "meter_alarm"
    assert found.trip.text_en == "The bench's meter raised an alarm: lead open."
    assert found.trip.text_zh == "外接测量仪表报警：lead open。"


def test_a_reading_is_judged_once() -> None:
    """A low value seen is a trip; the same sample that comes by again with the cycler's is no second one."""
    state = judge(SafetyState(0), seen(1, None, meter(1, 5e6)), LIMITS, BOTH)
    assert (state.chamber_ns, state.meter_ns) == (S, S)
    state = judge(state, seen(1.5, chamber(1), meter(1)), LIMITS, BOTH)
    assert (state.chamber_ns, state.meter_ns) == (S, S)
    assert judge(state, seen(2), LIMITS, BOTH).meter_ns == 2 * S


def test_every_rule_on_a_fitted_device_is_asked_only_where_it_is_fitted() -> None:
    named = {rule.name: rule.fitted for rule in RULES if rule.fitted is not None}
    assert named == {
        "chamber_stale": "chamber",
        "chamber_alarm": "chamber",
        "meter_stale": "meter",
        "insulation_low": "meter",
        "meter_alarm": "meter",
    }
    assert all(rule.fitted == rule.source for rule in RULES if rule.source in ("chamber", "meter"))
