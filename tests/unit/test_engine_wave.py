"""Waveforms: edges by the clock, read-outs at their instants, clamps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.engine_parts import S, condition, drive, driven, end, ended, plan, rest, snapshot, waveform

from packbench.core.records import ReadOut, StepRecord
from packbench.core.samples import Snapshot
from packbench.engine.advance import advance, start
from packbench.engine.control import Source, Wave
from packbench.engine.due import due_ns
from packbench.engine.effects import Drive, Effect, Finish
from packbench.engine.state import EngineState
from packbench.profile.plan import Most, Segment, Waveform


def piece(seconds: float, value: float, *read_outs: float) -> Segment:
    return Segment(round(seconds * S), value, tuple(round(at * S) for at in read_outs))


def seen(t_s: float, current_a: float, voltage_v: float = 7.3, **more: object) -> Snapshot:
    return snapshot(t_s, current_a, (voltage_v / 2, voltage_v / 2), **more)


def tick(t_s: float, of: Snapshot) -> Snapshot:
    """The clock alone, no reading."""
    return of._replace(t_ns=round(t_s * S))


def after(the_step: Waveform, *views: Snapshot) -> tuple[EngineState, list[Effect]]:
    return drive(plan(the_step, rest(100), end()), [seen(0, 0.0), *views])


def read_outs(state: EngineState, effects: list[Effect]) -> list[ReadOut]:
    record = next((record for record in ended(effects) if record.kind == "pulse"), state.step.closing)
    if isinstance(record, StepRecord):
        return list(record.read_outs)
    assert isinstance(state.control, Wave)
    return list(state.control.read_outs)


def taken_s(read_out: ReadOut) -> float | None:
    return None if read_out.taken_ns is None else read_out.taken_ns / S


# --- time -----------------------------------------------------------------------------------------


def test_edges_come_by_the_clock_and_every_piece_that_was_missed_is_gone_through() -> None:
    train = waveform((5, -10.0), (0.2, 20.0), (0.2, 0.0), (3, 5.0), repeat=2)
    state, effects = after(train, seen(1, -10.0), tick(5, seen(1, -10.0)))
    assert driven(effects) == [-10.0, 20.0]
    assert due_ns(plan(train), state, 5 * S) == round(5.2 * S)
    state, effects = after(train, seen(1, -10.0), seen(5.5, -10.0))
    assert driven(effects) == [-10.0, 5.0], "late by 0.5 s: the pieces between are over"
    assert due_ns(plan(train), state, round(5.5 * S)) == round(8.4 * S), "and the clock goes on from its start"
    _, effects = after(train, *[tick(t / 10, seen(0, 0.0)) for t in range(1, 168)])
    assert driven(effects) == [-10.0, 20.0, 0.0, 5.0] * 2
    state, effects = after(train, *[tick(t / 10, seen(0, 0.0)) for t in range(1, 169)])
    assert state.step.closing is not None
    assert state.step.closing.end_reason == "the waveform's end"
    assert state.step.closing.ended_ns == round(16.8 * S)


def test_a_piece_without_current_is_driven_at_nothing() -> None:
    state, effects = after(waveform((2, -10.0), (5, 0.0)), tick(2, seen(1, -10.0)))
    assert driven(effects) == [-10.0, 0.0]
    assert state.step.drive == Drive(0.0, 9.0)


# --- read-outs ------------------------------------------------------------------------------------


def test_a_read_out_lies_between_the_two_samples_around_it_by_their_own_times() -> None:
    train = waveform(piece(18, -10.0, 2, 10), piece(10, 0.0))
    views = [seen(1.5, -10.0, 7.20), seen(2.5, -10.2, 7.16), seen(9.5, -10.0, 7.1), seen(10.5, -10.0, 7.0)]
    first, second = read_outs(*after(train, *views))
    assert (first.piece, first.at_ns, first.taken_ns) == (1, 2 * S, None)
    assert first.voltage_v == pytest.approx(7.18)
    assert first.current_a == pytest.approx(-10.1)
    assert first.resistance_ohm == pytest.approx((7.18 - 7.3) / -10.1)
    assert second.voltage_v == pytest.approx(7.05)


def iso(t_s: list[float], voltages: dict[float, float]) -> list[Snapshot]:
    """18 s at 10 A, then 7.5 A: readings at these instants, the edge by a timer that fires just before a reading."""
    views: list[Snapshot] = []
    for at in t_s:
        current_a = -10.0 if at <= 18 else -7.5
        if at >= 18 and not any(view.t_ns == 18 * S for view in views):
            views.append(tick(18, views[-1]))
        views.append(seen(at, current_a, voltages.get(at, 7.2 - at / 1000 if at <= 18 else 7.25)))
    return views


def test_the_instant_of_the_next_edge_is_the_last_of_the_piece_before_it() -> None:
    """ISO 12405-4: 18 s is read in the pulse, 18.1 s after it."""
    train = waveform(piece(18, -10.0, 18, 18.1), (102, -7.5))
    taken = read_outs(*after(train, *iso([17.5, 18, 18.5], {})))
    assert [(each.at_ns / S, taken_s(each)) for each in taken] == [(18.0, None), (18.1, 18.5)]
    assert taken[0].voltage_v == pytest.approx(7.182)
    assert taken[0].current_a == -10.0
    assert taken[1].voltage_v == pytest.approx(7.25)
    assert taken[1].current_a == -7.5
    # Without a sample at the very edge the last one before it stands, and says so; nothing is mixed across the edge.
    taken = read_outs(*after(train, *iso([17.75, 18.25], {})))
    assert [(each.at_ns / S, taken_s(each)) for each in taken] == [(18.0, 17.75), (18.1, 18.25)]
    assert [each.current_a for each in taken] == [-10.0, -7.5]


def test_a_sample_comes_late_and_finds_the_edge_passed_in_the_same_turn() -> None:
    train = waveform(piece(18, -10.0, 18, 18.1), (102, -7.5))
    # The timer is late: at 18.02 s a reading arrives first. Nothing has been commanded: it is of the pulse.
    views = [seen(17.5, -10.0, 7.2), seen(18.02, -10.0, 7.18), seen(18.5, -7.5, 7.25)]
    state, effects = after(train, *views)
    taken = read_outs(state, effects)
    assert driven(effects) == [-10.0, -7.5]
    assert taken[0].voltage_v == pytest.approx(7.2 - 0.02 * 0.5 / 0.52)
    assert (taken[1].taken_ns, taken[1].current_a) == (round(18.5 * S), -7.5)


def test_a_sample_of_a_current_on_its_way_is_nobodys_read_out() -> None:
    train = waveform(piece(18, -10.0, 0.1), (10, 0.0))
    taken = read_outs(*after(train, seen(0.05, 0.0, 7.3), seen(0.12, -4.0, 7.26), seen(0.2, -10.0, 7.2)))
    assert [(each.taken_ns, each.voltage_v, each.current_a) for each in taken] == [(S // 5, 7.2, -10.0)]


def test_what_is_due_at_the_end_is_read_at_the_end() -> None:
    train = waveform((5, 0.0), piece(20, 10.0, 10, 20))
    views = [tick(5, seen(4.5, 0.0)), *[seen(5.5 + t, 10.0, 7.4) for t in range(20)], tick(25, seen(24.5, 10.0, 7.4))]
    state, effects = after(train, *views)
    assert state.step.closing is not None
    taken = read_outs(state, effects)
    assert [(each.at_ns / S, taken_s(each)) for each in taken] == [(10.0, None), (20.0, 19.5)]
    # The voltage just before the edge is that of its last sample.
    assert taken[0].resistance_ohm == pytest.approx((7.4 - 7.3) / 10.0)


def test_a_step_that_is_cut_short_takes_no_read_out_it_has_not_come_to() -> None:
    train = waveform(piece(20, 10.0, 2, 18), until=(condition("cell_max", ">=", 3.8),))
    state, effects = after(train, seen(1, 10.0, 7.4), seen(3, 10.0, 7.5), seen(4, 10.0, 7.7))
    assert state.step.closing is not None
    assert [each.at_ns for each in read_outs(state, effects)] == [2 * S]


def test_a_piece_without_a_sample_of_its_own_has_no_read_out() -> None:
    train = waveform((1, 0.0), piece(0.2, 10.0, 0.1), (5, 0.0))
    views = [seen(0.9, 0.0), tick(1, seen(0.9, 0.0)), tick(1.2, seen(0.9, 0.0)), seen(1.4, 0.0)]
    assert read_outs(*after(train, *views)) == []


def test_repeats_are_counted_on() -> None:
    train = waveform(piece(2, 10.0, 1), piece(2, -10.0, 1), repeat=2)
    views = [seen(t + half, -10.0 if t % 4 >= 2 else 10.0) for t in range(8) for half in (0.4, 0.9)]
    taken = read_outs(*after(train, *with_ticks(views)))
    assert [(each.piece, each.at_ns) for each in taken] == [(1, S), (2, S), (3, S), (4, S)]
    assert [each.current_a for each in taken] == [10.0, -10.0, 10.0, -10.0]


def with_ticks(views: list[Snapshot]) -> list[Snapshot]:
    """With the clock's own instants, every 2 s."""
    found: list[Snapshot] = []
    for view in views:
        second = view.t_ns // S
        if found and second % 2 == 0 and found[-1].t_ns < second * S:
            found.append(tick(second, found[-1]))
        found.append(view)
    return found


# --- resistance -----------------------------------------------------------------------------------


def test_no_resistance_is_learnt_across_a_ramp() -> None:
    """A device may take its voltage before its current: on a ramp the two are of different moments."""
    train = waveform((10, -10.0), (10, 0.0))
    state, _ = after(train, seen(0.02, -3.0, 7.2), seen(0.5, -10.0, 7.2))
    assert isinstance(state.control, Wave)
    assert state.control.source.resistance_ohm == pytest.approx(0.01, rel=0.02)
    ramp, _ = after(train, seen(0.02, -3.0, 7.2))
    assert isinstance(ramp.control, Wave)
    assert ramp.control.source.resistance_ohm == 0.0


def test_noise_about_a_steady_current_teaches_nothing() -> None:
    source = Source(7.3, 0.0).learnt(7.2, -10.0)
    for turn in range(1000):
        sign = 1 if turn % 2 else -1
        source = source.learnt(7.2 + sign * 0.01, -10.0 + sign * 0.01)
    assert source.resistance_ohm == pytest.approx(0.01, rel=0.05)
    resting = Source(7.3, 0.0, scale_a=10.0)
    for turn in range(1000):
        sign = 1 if turn % 2 else -1
        resting = resting.learnt(7.3 + sign * 0.01, sign * 0.01)
    assert resting.resistance_ohm < 0.02


# --- clamps ---------------------------------------------------------------------------------------


def test_at_a_clamp_the_voltage_is_held_and_nothing_is_commanded() -> None:
    power = waveform((60, 70.0), (10, 0.0), quantity="power", kind="power_profile", clamp_high_v=7.4)
    views = [seen(0.5, 9.58, 7.36), seen(1.0, 9.5, 7.37)]
    clamped = [seen(1.5 + t / 2, 8.0 - t / 20, 7.4, regulation="cv") for t in range(100)]
    state, effects = after(power, *views, clamped[0])
    _, more = after(power, *views, *clamped)
    assert len(driven(more)) == len(driven(effects)), "the pack takes less and less, and is told nothing"
    assert state.step.index == 0
    ends = waveform((60, 70.0), quantity="power", kind="power_profile", clamp_high_v=7.4, on_limit="end")
    state, effects = after(ends, *views, *clamped)
    assert [record.end_reason for record in ended(effects)][:1] == ["a clamp of the waveform"]


def test_a_ramp_is_no_clamp() -> None:
    ends = waveform((60, 10.0), (60, -10.0), on_limit="end")
    views = [seen(0.01, 3.0, regulation="cv"), seen(0.5, 10.0), tick(60, seen(59.9, 10.0))]
    state, _ = after(ends, *views, seen(60.03, 2.0, regulation="cv"), seen(60.5, -10.0))
    assert state.step.index == 0


def test_a_cycler_that_does_not_say_what_it_regulates_is_seen_to_be_at_its_clamp() -> None:
    ends = waveform((60, 10.0), clamp_high_v=7.4, on_limit="end")
    state, _ = after(ends, seen(0.5, 10.0, 7.35, regulation="unknown"), seen(2, 10.0, 7.38, regulation="unknown"))
    assert state.step.index == 0
    state, _ = after(ends, seen(0.5, 10.0, 7.35, regulation="unknown"), seen(2, 9.0, 7.4, regulation="unknown"))
    assert state.step.index == 1


def test_a_power_beyond_the_limits_ends_the_run_before_it_is_given() -> None:
    most = Most(20.0, 20.0, 9.0, 5.0, 400.0)
    the_plan = replace(plan(waveform((5, -10.0), (5, -25.0)), end()), most=most)
    state, effects = start(the_plan, seen(0, 0.0), 0)
    assert state.step.finished
    assert driven(effects) == []


def test_a_power_that_the_pack_cannot_give_within_its_limits_ends_the_run() -> None:
    most = Most(20.0, 20.0, 9.0, 5.0, 400.0)
    falls = replace(plan(waveform((5, -100.0), quantity="power", kind="power_profile"), end()), most=most)
    state, effects = start(falls, seen(0, 0.0), 0)
    assert driven(effects) == [pytest.approx(-100 / 7.3)]
    state, effects = advance(falls, state, seen(0.5, -13.7, 5.1), S // 2)
    assert state.step.finished
    assert driven(effects) == []
    finish = effects[-1]
    assert isinstance(finish, Finish)
    assert "is beyond 20 A" in finish.reason
