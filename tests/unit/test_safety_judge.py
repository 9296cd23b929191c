"""Each safety rule on hand-made snapshots, the delays and the latch."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from packbench.core.errors import InputError
from packbench.core.limits import LIMIT_NAMES, Limits, LimitSet, merge_limits
from packbench.core.samples import BoardSample, CyclerSample, Snapshot, bms_sample
from packbench.safety.judge import SafetyState, judge
from packbench.safety.rules import RULES
from packbench.safety.view import Expectation

S = 1_000_000_000
LIMITS = Limits(
    pack_voltage_max_v=17.0,
    pack_voltage_min_v=10.0,
    cell_voltage_max_v=4.25,
    cell_voltage_min_v=2.7,
    charge_current_max_a=50.0,
    discharge_current_max_a=60.0,
    temperature_max_c=55.0,
    temperature_min_c=5.0,
    temperature_rate_max_k_min=2.0,
    cell_spread_max_v=0.4,
)
EXPECTED = Expectation(
    series=4,
    temperature_sensors=2,
    stale_after_ns=MappingProxyType({"cycler": S, "bms": 2 * S, "board": S}),
    current_a=20.0,
    clamp_v=16.8,
    commanded_ns=0,
    setpoint_tolerance_a=1.0,
    setpoint_delay_ns=0,
    contactor_closed=True,
    ignored_alarms=frozenset({"low_capacity"}),
)


def view(
    t_s: float, *, current_a: float = 20.0, cells: tuple[float, ...] = (3.7, 3.7, 3.7, 3.7), **other: object
) -> Snapshot:
    t_ns = round(t_s * S)
    voltage_v = other.pop("voltage_v", sum(cells))
    cycler = CyclerSample(t_ns, voltage_v, current_a, True, "cc", other.pop("cycler_alarms", ()))  # type: ignore[arg-type]
    bms = bms_sample(t_ns, np.array(cells), other.pop("temperatures_c", (25.0, 26.0)), **other)  # type: ignore[arg-type]
    return Snapshot(t_ns, cycler, bms, BoardSample(t_ns, "closed", True), voltage_v)  # type: ignore[arg-type]


def tripped(*views: Snapshot, expected: Expectation = EXPECTED) -> str | None:
    state = SafetyState(0)
    for snapshot in views:
        state = judge(state, snapshot, LIMITS, expected)
    return None if state.latched is None else state.latched.trip.rule


def test_all_is_well() -> None:
    assert tripped(*(view(t) for t in range(200))) is None


@pytest.mark.parametrize(
    ("rule", "snapshot"),
    [
        ("pack_over_voltage", view(1, voltage_v=17.01, cells=(4.24, 4.24, 4.24, 4.24))),
        ("pack_under_voltage", view(1, voltage_v=9.99)),
        ("charge_over_current", view(1, current_a=51.1)),
        ("charge_over_current", view(1, current_a=20.0, charge_limit_a=18.0)),
        ("discharge_over_current", view(1, current_a=-61.1)),
        ("discharge_over_current", view(1, current_a=-20.0, discharge_limit_a=5.0)),
        ("cells_missing", view(1, cells=(3.7, 3.7, 3.7))),
        ("cells_missing", view(1, cells=(3.7, 3.7, 3.7, float("nan")), voltage_v=14.8)),
        ("cells_missing", view(1, cells=(3.7, 3.7, 3.7, 0.0))),
        ("temperatures_missing", view(1, temperatures_c=(25.0,))),
        ("temperatures_missing", view(1, temperatures_c=(25.0, float("nan")))),
        ("cell_over_voltage", view(1, cells=(3.9, 3.9, 3.9, 4.251))),
        ("cell_under_voltage", view(1, cells=(2.9, 2.9, 2.9, 2.699))),
        ("temperature_high", view(1, temperatures_c=(25.0, 55.1))),
        ("temperature_low", view(1, temperatures_c=(4.9, 25.0))),
        ("bms_alarm", view(1, alarms=("cell_over_voltage",))),
        ("cycler_alarm", view(1, cycler_alarms=("over_temperature",))),
    ],
)
def test_trips_on_the_first_sample(rule: str, snapshot: Snapshot) -> None:
    assert tripped(snapshot) == rule


@pytest.mark.parametrize(
    ("rule", "snapshot", "delay_s"),
    [
        ("cell_spread", view(1, cells=(3.4, 3.7, 3.7, 3.801)), 1.0),
        ("cell_sum", view(1, voltage_v=14.8 * 1.011), 0.4),
        ("setpoint_not_followed", view(1, current_a=18.0), 2.0),
        ("setpoint_not_followed", view(1, current_a=-20.0), 2.0),
    ],
)
def test_trips_after_its_delay_and_not_before(rule: str, snapshot: Snapshot, delay_s: float) -> None:
    def again(t_s: float) -> Snapshot:
        t_ns = round(t_s * S)
        assert snapshot.cycler is not None
        assert snapshot.bms is not None
        return snapshot._replace(
            t_ns=t_ns,
            cycler=snapshot.cycler._replace(t_ns=t_ns),
            bms=snapshot.bms._replace(t_ns=t_ns),
            board=BoardSample(t_ns, "closed", True),
        )

    assert tripped(snapshot, again(1 + delay_s - 0.1)) is None
    assert tripped(snapshot, again(1 + delay_s - 0.1), again(1 + delay_s)) == rule
    # A good sample in between starts the delay anew.
    assert tripped(snapshot, view(1.1), again(1.2), again(1.2 + delay_s - 0.1)) is None


def test_less_current_is_right_at_the_voltage_clamp() -> None:
    at_clamp = [view(t, current_a=5.0, voltage_v=16.79, cells=(4.19, 4.2, 4.2, 4.2)) for t in range(10)]
    assert tripped(*at_clamp) is None
    # A voltage that the pack is at already: nothing flows, and what a meter shows of nothing has either sign.
    idle = [view(t, current_a=-0.02, voltage_v=16.79, cells=(4.19, 4.2, 4.2, 4.2)) for t in range(10)]
    assert tripped(*idle) is None
    backwards = [view(t, current_a=-5.0, voltage_v=16.79, cells=(4.19, 4.2, 4.2, 4.2)) for t in range(10)]
    assert tripped(*backwards) == "setpoint_not_followed"
    more = [view(t, current_a=25.0, voltage_v=16.79, cells=(4.19, 4.2, 4.2, 4.2)) for t in range(10)]
    assert tripped(*more) == "setpoint_not_followed"


@pytest.mark.parametrize(("current_a", "beyond_v"), [(10.0, 0.1), (-10.0, -0.1)])
def test_a_voltage_that_is_driven_beyond_its_clamp(current_a: float, beyond_v: float) -> None:
    """Another master has moved it, within every limit. With less current the cable leaves more to the pack."""
    wanted_a = 20.0 if current_a > 0.0 else -20.0
    told = replace(EXPECTED.told(0, wanted_a, 16.0), cable_ohm=0.02)
    limits = replace(LIMITS, pack_voltage_min_v=5.0)
    held_v = 16.0 + (wanted_a - current_a) * 0.02

    def rule(voltage_v: float, shown_a: float, for_s: float) -> str | None:
        state, cells = SafetyState(0), (voltage_v / 4.0,) * 4
        for step in range(10, round(10 * (1.0 + for_s)) + 1):
            state = judge(state, view(step / 10, current_a=shown_a, cells=cells), limits, told)
        return None if state.latched is None else state.latched.trip.rule

    assert rule(held_v + 0.7 * beyond_v, current_a, 10.0) is None
    assert rule(held_v + 1.1 * beyond_v, current_a, 1.9) is None
    assert rule(held_v + 1.1 * beyond_v, current_a, 2.0) == "clamp_not_kept"
    # A pack that stands there by itself, and takes nothing.
    assert rule(held_v + 1.1 * beyond_v + 10.0 * 0.02 * (1 if current_a > 0 else -1), 0.0, 10.0) is None


def test_of_two_violations_the_one_that_is_stopped_at_once_counts() -> None:
    both = view(1, current_a=51.1, voltage_v=17.01, cells=(4.24, 4.24, 4.24, 4.24))
    assert tripped(both) == "charge_over_current"


def test_current_that_flows_with_the_output_off() -> None:
    off = EXPECTED.told(S, None, None)
    assert tripped(view(1.2, current_a=5.0), expected=off) is None
    assert tripped(view(1.3, current_a=5.0), expected=off) == "off_ignored"
    assert tripped(view(1.3, current_a=-5.0), expected=off) == "off_ignored"
    assert tripped(view(1.3, current_a=0.9), expected=off) is None


def test_an_output_that_switched_itself_off() -> None:
    seen = view(1, current_a=0.0)
    assert seen.cycler is not None
    dead = seen._replace(cycler=seen.cycler._replace(output_on=False))
    later = dead._replace(t_ns=dead.t_ns + 3 * S // 10)
    assert tripped(dead) is None, "the board has the time to say why"
    assert tripped(dead, later) == "output_lost"
    off = EXPECTED.told(0, None, None)
    assert tripped(dead, later, expected=off.told(S, 20.0, 16.8)) is None
    # A set-point that moves all the time hides nothing of it.
    busy = off.told(0, 20.0, 16.8).told(round(0.9 * S), 20.01, 16.8)
    assert tripped(dead, later, expected=busy) == "output_lost"


def test_silence() -> None:
    first = view(1)
    assert tripped(first, first._replace(t_ns=round(1.9 * S))) is None
    assert tripped(first, first._replace(t_ns=round(2.1 * S))) == "cycler_stale"
    assert first.cycler is not None
    fresh = first.cycler._replace(t_ns=round(3.1 * S))
    board = BoardSample(round(3.1 * S), "closed", True)
    assert tripped(first, first._replace(t_ns=round(3.1 * S), cycler=fresh, board=board)) == "bms_stale"
    assert tripped(first._replace(bms=None)) == "bms_stale"
    assert tripped(first._replace(board=BoardSample(-1, "closed", True))) == "board_stale"
    assert tripped(first._replace(board=BoardSample(S, "tripped", False, 3, "over_voltage"))) == "board_open"


def test_a_lost_link_trips_at_once() -> None:
    state = judge(SafetyState(0), view(1), LIMITS, EXPECTED, (("bms", "connection reset"),))
    assert state.latched is not None
    assert state.latched.trip.rule == "link_lost"
    assert "connection reset" in state.latched.trip.text_en


def test_heating_too_fast() -> None:
    slow = [view(t, temperatures_c=(25.0, 25.0 + t / 60 * 1.9)) for t in range(300)]
    assert tripped(*slow) is None
    fast = [view(t, temperatures_c=(25.0, 25.0 + t / 60 * 2.1)) for t in range(300)]
    assert tripped(*fast) == "temperature_rate"


def test_an_alarm_the_bench_file_ignores() -> None:
    assert tripped(view(1, alarms=("low_capacity",))) is None
    assert tripped(view(1, alarms=("low_capacity", "unknown_alarm"))) == "bms_alarm"


def test_a_trip_latches() -> None:
    state = judge(SafetyState(0), view(1, temperatures_c=(25.0, 60.0)), LIMITS, EXPECTED)
    first = state.latched
    for t_s in range(2, 10):
        state = judge(state, view(t_s), LIMITS, EXPECTED)
        assert state.latched is first


def test_every_trip_says_so_in_both_languages() -> None:
    state = judge(SafetyState(0), view(1, cells=(3.9, 3.9, 3.9, 4.3)), LIMITS, EXPECTED)
    assert state.latched is not None
    assert "Cell 4 rose to 4.300 V" in state.latched.trip.text_en
    assert "第 4 号单体" in state.latched.trip.text_zh
    assert state.latched.trip.fault_id == "sensor.weak_cell"


def test_rule_names_are_unique() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))


def test_limits_merge_to_the_tightest_and_name_their_owner() -> None:
    pack = LimitSet(*(getattr(LIMITS, name) for name in LIMIT_NAMES))
    merged = merge_limits(
        {"pack": pack, "cable": LimitSet(charge_current_max_a=30.0), "profile": LimitSet(cell_voltage_min_v=2.8)}
    )
    assert merged.charge_current_max_a == 30.0
    assert merged.cell_voltage_min_v == 2.8
    assert dict(merged.origin)["charge_current_max_a"] == "cable"
    assert dict(merged.origin)["temperature_max_c"] == "pack"


def test_a_missing_limit_refuses() -> None:
    with pytest.raises(InputError) as refused:
        merge_limits({"pack": LimitSet(cell_voltage_max_v=4.2)})
    fields = {problem.field for problem in refused.value.problems}
    assert "temperature_max_c" in fields
    assert "cell_voltage_max_v" not in fields


def test_sources_are_compared_over_the_lag_of_a_cycler_that_says_what_was_before() -> None:
    """The BMS shows a step's end at once, the cycler's newest reading 7 s later: no mismatch of two meters."""
    lagging = replace(EXPECTED, cycler_lag_ns=7 * S)
    apart = [view(t, voltage_v=14.8 * 1.011) for t in range(1, 10)]
    assert tripped(*apart[:2]) == "cell_sum"
    assert tripped(*apart[:8], expected=lagging) is None
    assert tripped(*apart[:9], expected=lagging) == "cell_sum"
    # What one source alone shows is no matter of the lag.
    assert tripped(view(1, current_a=51.1), expected=lagging) == "charge_over_current"
    spread = [view(t, cells=(3.4, 3.7, 3.7, 3.801)) for t in (1, 2)]
    assert tripped(*spread, expected=lagging) == "cell_spread"


def test_a_reading_that_may_be_of_open_terminals_is_no_empty_pack() -> None:
    lagging = replace(EXPECTED, cycler_lag_ns=7 * S, closed_ns=10 * S)
    assert tripped(view(16.9, voltage_v=0.1), expected=lagging) is None
    assert tripped(view(17, voltage_v=0.1), expected=lagging) == "pack_under_voltage"
    assert tripped(view(10, voltage_v=0.1), expected=replace(EXPECTED, closed_ns=10 * S)) == "pack_under_voltage"


def test_readings_with_a_new_set_point_between_them_show_two_currents_and_are_not_compared() -> None:
    """The BMS is read every second, a pulse's edge may lie between its reading and the cycler's."""
    told = replace(EXPECTED, current_a=0.0).told(round(10.2 * S), 20.0, 16.8)

    def astride(t_s: float) -> Snapshot:
        late = view(t_s, voltage_v=14.8 * 1.05)
        assert late.bms is not None
        return late._replace(bms=late.bms._replace(t_ns=round((t_s - 0.4) * S)))

    assert tripped(*(astride(t) for t in (10.5, 10.55, 11.5, 12.5)), expected=told) == "cell_sum", "both are after it"
    assert tripped(astride(10.5), astride(10.55), astride(11.5), expected=told) is None
    assert tripped(*(view(t, voltage_v=14.8 * 1.05) for t in (9, 10, 10.1)), expected=told) == "cell_sum"
    # A power that is followed moves the set-point at every reading, by less than anybody sees.
    followed = EXPECTED.told(round(10.2 * S), 20.01, 16.8)
    assert tripped(astride(10.5), astride(11.5), expected=followed) == "cell_sum"


@pytest.mark.parametrize(("factor", "expected"), [(1.0, None), (0.85, "cell_sum")])
def test_what_moves_between_two_readings_is_no_difference(factor: float, expected: str | None) -> None:
    """At the knee of a worn cell: 12 % a second, the BMS a second apart, the cycler just behind it."""

    def falling(t_s: float) -> float:
        return 16.5 - 1.75 * t_s

    state, bms_s = SafetyState(0), 0.0
    for step in range(5, 16):
        t_s = step * 0.2 - 0.9
        bms_s = t_s - 0.1 if step % 5 == 0 else bms_s
        one = view(t_s, current_a=-20.0, voltage_v=factor * falling(t_s))
        assert one.bms is not None
        cells = np.full(4, falling(bms_s) / 4.0)
        state = judge(
            state,
            one._replace(bms=bms_sample(round(bms_s * S), cells, (25.0, 26.0))),
            LIMITS,
            replace(EXPECTED, current_a=-20.0, clamp_v=10.0),
        )
    assert (None if state.latched is None else state.latched.trip.rule) == expected


def test_one_mean_over_edges_does_not_trip_between_two_slow_readings() -> None:
    """Readings once a second that all lie astride an edge: what one of them shows is judged again before it counts."""
    expected = EXPECTED.told(round(9.9 * S), 40.0, 16.8)
    state = SafetyState(0, apart=(0.05,) * 9)
    one = view(10.1, voltage_v=14.8 * 1.05)
    assert one.bms is not None
    one = one._replace(bms=one.bms._replace(t_ns=round(9.8 * S)))
    for t_s in (10.1, 10.6, 11.0):
        state = judge(state, one._replace(t_ns=round(t_s * S)), LIMITS, expected)
        assert [each.violation.patience_ns for each in state.pending if RULES[each.rule].name == "cell_sum"]
        assert state.latched is None
    state = judge(state, view(11.1), LIMITS, expected)
    assert not [each for each in state.pending if RULES[each.rule].name == "cell_sum"]


def frozen_after_s(*, capacity_ah: float, moves_at_s: int | None = None, current_a: float = 40.0) -> float | None:
    """When a BMS that repeats itself once a second under current trips; None: it does not in three minutes."""
    expected = replace(EXPECTED, capacity_ah=capacity_ah, current_a=current_a)
    state = SafetyState(0)
    for t in range(1, 180):
        moved = 0.001 if moves_at_s is not None and t >= moves_at_s else 0.0
        state = judge(state, view(t, current_a=current_a, cells=(3.7, 3.7, 3.7, 3.7 + moved)), LIMITS, expected)
        if state.latched is not None:
            assert state.latched.trip.fault_id == "sensor.frozen"
            assert state.latched.reaction == "S1"
            return float(t - 1)
    return None


def test_values_that_stand_still_under_current_are_frozen_after_five_digits_of_charge() -> None:
    # A thousandth of 100 Ah at 40 A takes 9 s.
    assert frozen_after_s(capacity_ah=100.0) == 45.0
    assert frozen_after_s(capacity_ah=10.0) == 10.0, "and ten seconds at least"
    assert frozen_after_s(capacity_ah=100.0, moves_at_s=44) == 89.0 - 1.0, "one digit starts the time anew"
    assert frozen_after_s(capacity_ah=100.0, current_a=0.5) is None, "at rest nothing has to move"
