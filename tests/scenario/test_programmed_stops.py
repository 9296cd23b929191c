"""What others do to a program, at the BTS client, in its folder and on its line: the run notices, and ends at rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scenario.programmed import BMS_POLL_S, MINUTES, POLL_S, START_NS, UP_S, Bench, Meddle, run
from tests.scenario.support import S

from packbench.app.job import Job, load_job
from packbench.core.errors import InputError
from packbench.core.samples import bms_sample
from packbench.core.step_program import CcStep, StepProgram
from packbench.wire.neware.steps import from_neware_xml, to_neware_xml
from packbench_sim.devices.neware_bts import read_step_file


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Job:
    path = tmp_path_factory.mktemp("profile") / "minutes.yaml"
    path.write_text(MINUTES, encoding="utf-8")
    return load_job(str(path), "lmo-25ah", "sim-neware")


def test_an_undisturbed_program_ends_at_rest(minutes: Job, tmp_path: Path) -> None:
    ran = run(minutes, tmp_path)
    assert (ran.outcome.trip, ran.outcome.finish.verdict, ran.outcome.failures) == (None, "pass", ())
    assert [(step.label, step.cycle) for step in ran.bench.kept.steps] == [
        ("settle", 1), ("up", 1), ("between", 1), ("down", 1), ("after", 1), ("down", 2), ("after", 2),
    ]  # fmt: skip
    assert [round((step.ended_ns - step.started_ns) / S, 1) for step in ran.bench.kept.steps[:-1]] == [
        pytest.approx(seconds, abs=0.3) for seconds in (20, 60, 30, 60, 30, 60)
    ]
    ran.assert_at_rest()


@pytest.mark.parametrize("age_s", [0.0, 3.7, 5.0, 6.0])
def test_a_row_stands_under_the_step_that_it_shows(age_s: float, tmp_path: Path) -> None:
    """With a step that begins within a second of a reading: such a one is of no step, and no row."""
    path = tmp_path / "minutes.yaml"
    path.write_text(MINUTES.replace("label: settle, for: 20 s", "label: settle, for: 19 s"), encoding="utf-8")
    ran = run(load_job(str(path), "lmo-25ah", "sim-neware"), tmp_path, age_s=age_s)
    assert ran.reason == "the profile's end"
    rows, steps = ran.bench.kept.rows, ran.bench.kept.steps
    for row in rows:
        (step,) = [each for each in steps if (each.step, each.cycle) == (row.step, row.cycle)]
        assert step.started_ns + (age_s == 0.0) * S <= row.t_ns <= step.ended_ns
        wanted_a = {"up": 10.0, "down": -10.0}.get(step.label, 0.0)
        assert row.current_a == pytest.approx(wanted_a, abs=0.05)
        assert row.step_ah == pytest.approx(wanted_a * (row.t_ns - step.started_ns) / S / 3600, abs=0.001)
    # One measurement is one row, however often it is handed out.
    assert 40 < len(rows) <= 290 / max(age_s, POLL_S) + 1


@pytest.mark.parametrize("age_s", [1.0, 3.7, 5.0])
def test_readings_may_be_seconds_old(age_s: float, minutes: Job, tmp_path: Path) -> None:
    """Neither their age nor the jumps between them is taken for a fault, and charge is charge."""
    ran = run(minutes, tmp_path, age_s=age_s)
    assert (ran.outcome.trip, ran.reason) == (None, "the profile's end")
    plant = ran.bench.world.plant
    down_ah = -sum(step.charge_ah for step in ran.bench.kept.steps if step.label == "down")
    late_ah = 2 * 10.0 * age_s / 3600
    assert down_ah == pytest.approx(plant.true_discharge_ah, abs=late_ah)
    ran.assert_at_rest()


def somebody(command: str, at_s: float, step: int = 0) -> Meddle:
    async def meddle(bench: Bench) -> None:
        await bench.until(at_s)
        bench.order(command, step)

    return meddle


@pytest.mark.parametrize(("at_s", "where"), [(UP_S + 30, "step 2 (up)"), (UP_S + 75, "step 3 (between)")])
def test_a_program_that_somebody_stops_ends_the_run(at_s: float, where: str, minutes: Job, tmp_path: Path) -> None:
    ran = run(minutes, tmp_path, somebody("stop", at_s))
    assert (ran.outcome.trip, ran.outcome.finish.verdict) == (None, "aborted")
    assert ran.reason == f"the program was stopped at {where}, unasked"
    assert ran.bench.kept.steps[-1].end_reason == ran.reason
    assert (ran.ended_ns - START_NS) / S < at_s + POLL_S + 2.0
    ran.assert_at_rest()


def test_a_program_that_somebody_pauses_is_stopped(minutes: Job, tmp_path: Path) -> None:
    async def meddle(bench: Bench) -> None:
        await bench.until(UP_S + 30)
        assert bench.cycler.run is not None
        bench.cycler.run.state = "pause"

    ran = run(minutes, tmp_path, meddle)
    assert ran.reason == "the program was paused at step 2 (up), unasked"
    assert ran.bench.cycler.run is not None
    assert ran.bench.cycler.run.state == "stop", "a paused program can be continued by anybody"
    ran.assert_at_rest()


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (3, "the program left step 2 (up) before any of its ends"),
        (4, "the program left step 2 (up) before any of its ends"),
        (2, "the program left step 1 (settle) before any of its ends"),
    ],
)
def test_a_step_that_somebody_skips_ends_the_run(step: int, reason: str, minutes: Job, tmp_path: Path) -> None:
    ran = run(minutes, tmp_path, somebody("goto", UP_S + 30 if step > 2 else 5.0, step))
    assert (ran.outcome.trip, ran.reason) == (None, reason)
    assert ran.bench.cycler.run is not None
    assert ran.bench.cycler.run.state == "stop"
    ran.assert_at_rest()


def other_program(change: Callable[[StepProgram], StepProgram]) -> dict[str, Any]:
    """Somebody's hand in the shared folder: the cycler reads another program than was handed over."""
    return {"read_file": lambda path: to_neware_xml(change(from_neware_xml(read_step_file(path), path))).encode()}


def test_a_program_that_finishes_early_is_no_end_of_the_profile(minutes: Job, tmp_path: Path) -> None:
    ran = run(minutes, tmp_path, **other_program(lambda program: replace(program, steps=program.steps[:2])))
    assert (ran.outcome.trip, ran.outcome.finish.verdict) == (None, "aborted")
    assert ran.reason == "the program finished early, at step 2 (up)"
    ran.assert_at_rest()


def test_a_program_with_other_set_points_is_not_believed(minutes: Job, tmp_path: Path) -> None:
    def doubled(program: StepProgram) -> StepProgram:
        steps = tuple(replace(step, current_a=20.0) if isinstance(step, CcStep) else step for step in program.steps)
        return replace(program, steps=steps)

    ran = run(minutes, tmp_path, **other_program(doubled))
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "setpoint_not_followed"
    assert ran.outcome.trip.text_en == "The cycler was told 10.0 A but delivered 20.0 A."
    # From the first reading that shows the step: the bench's delay, the next reading, the rule's own delay.
    assert ran.outcome.trip.t_ns / S < UP_S + 3 * POLL_S + 2.0 + BMS_POLL_S
    ran.assert_at_rest()


def test_a_protection_of_the_cycler_is_a_trip(minutes: Job, tmp_path: Path) -> None:
    def tight(program: StepProgram) -> StepProgram:
        return replace(program, protections=replace(program.protections, charge_current_max_a=9.0))

    ran = run(minutes, tmp_path, **other_program(tight))
    assert ran.outcome.trip is not None
    assert (ran.outcome.trip.rule, ran.outcome.finish.verdict) == ("cycler_alarm", "aborted")
    assert ran.reason == "The cycler raised an alarm: protection."
    ran.assert_at_rest()


def test_a_cell_over_its_limit_stops_a_program_that_sees_no_cells(minutes: Job, tmp_path: Path) -> None:
    """The cell monitor alone sees it: the cycler's own voltage is well."""
    off_s: list[float] = []

    async def meddle(bench: Bench) -> None:
        await bench.until(UP_S + 32)
        plant, clock, channel = bench.world.plant, bench.clock, bench.run.channel
        assert plant.true_current_a == pytest.approx(10.0, abs=0.1)
        began_ns = clock.now_ns()
        channel.on_bms(bms_sample(began_ns, np.array([4.26]), (25.0,)))
        while plant.true_current_a:
            await clock.sleep_until(clock.now_ns() + S // 1000)
            plant.advance_to(clock.now_ns())
        off_s.append((clock.now_ns() - began_ns) / S)

    ran = run(minutes, tmp_path, meddle)
    assert ran.outcome.trip is not None
    assert (ran.outcome.trip.rule, ran.outcome.finish.verdict) == ("cell_over_voltage", "aborted")
    assert ran.bench.cycler.run is not None
    assert ran.bench.cycler.run.state == "stop", "it was the run that stopped it"
    assert off_s[0] < 0.1
    assert ran.bench.world.plant.contactor.hot_openings == 0
    ran.assert_at_rest()


def test_a_step_file_that_the_cycler_does_not_read_ends_the_run_before_it_began(minutes: Job, tmp_path: Path) -> None:
    ran = run(minutes, tmp_path, read_file=lambda _path: b"")
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "link_lost"
    assert "start" in ran.outcome.trip.text_en
    assert ran.bench.kept.steps == []
    assert ran.bench.world.plant.true_charge_ah == 0.0
    ran.assert_at_rest()


def test_a_program_that_cannot_be_handed_over_energises_nothing(minutes: Job, tmp_path: Path) -> None:
    seen: list[Bench] = []

    async def meddle(bench: Bench) -> None:
        seen.append(bench)

    with pytest.raises(InputError, match="the step file cannot be written"):
        run(minutes, tmp_path / "missing", meddle)
    (bench,) = seen
    assert bench.cycler.run is None
    assert bench.world.plant.contactor.closings == 0


def test_a_link_that_is_cut_opens_the_contactor_on_a_program_that_runs_on(minutes: Job, tmp_path: Path) -> None:
    async def meddle(bench: Bench) -> None:
        await bench.until(UP_S + 32)
        bench.line.cut()
        await bench.clock.sleep_until(bench.clock.now_ns() + round((POLL_S + 1.0) * S))
        assert not bench.world.plant.contactor.closed
        assert bench.world.plant.true_current_a == 0.0

    ran = run(minutes, tmp_path, meddle)
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "link_lost"
    assert any("cycler off" in failure for failure in ran.outcome.failures)
    ran.bench.world.plant.advance_to(ran.ended_ns + S)
    assert not ran.bench.world.plant.contactor.closed


def test_an_operator_s_stop_stops_the_program(minutes: Job, tmp_path: Path) -> None:
    async def meddle(bench: Bench) -> None:
        await bench.until(UP_S + 32)
        bench.run.abort("by hand")

    ran = run(minutes, tmp_path, meddle)
    assert (ran.outcome.trip, ran.reason) == (None, "by hand")
    assert ran.bench.cycler.run is not None
    assert ran.bench.cycler.run.state == "stop"
    assert ran.bench.kept.steps[-1].end_reason == "by hand"
    assert (ran.ended_ns - ran.bench.cycler.run.rows[-1].t_ns) / S < 2.0
    ran.assert_at_rest()


def test_after_a_stop_an_old_reading_is_not_taken_for_a_current_that_flows(minutes: Job, tmp_path: Path) -> None:
    async def meddle(bench: Bench) -> None:
        await bench.until(UP_S + 32)
        bench.run.abort("by hand")

    ran = run(minutes, tmp_path, meddle, age_s=5.0)
    assert (ran.outcome.trip, ran.reason, ran.outcome.failures) == (None, "by hand", ())
    ran.assert_at_rest()


def test_whenever_a_trip_comes_no_program_runs_after_it(minutes: Job, tmp_path: Path) -> None:
    def tripped_at(at_ms: int) -> str | None:
        async def meddle(bench: Bench) -> None:
            channel = bench.run.channel
            while (bms := channel.snapshot().bms) is None:
                await bench.clock.sleep_until(bench.clock.now_ns() + S // 1000)
            await bench.clock.sleep_until(START_NS + at_ms * S // 1000)
            channel.on_bms(bms._replace(t_ns=bench.clock.now_ns(), alarms=("cell_over_voltage",)))

        ran = run(minutes, tmp_path, meddle)
        assert ran.outcome.trip is not None
        assert (ran.outcome.trip.rule, ran.outcome.finish.verdict) == ("bms_alarm", "aborted")
        ran.assert_at_rest()
        return None if ran.bench.cycler.run is None else ran.bench.cycler.run.state

    # The order to start goes out about 1750 ms after the first question: two closings and the proof between them.
    states = {at_ms: tripped_at(at_ms) for at_ms in (*range(0, 1690, 130), *range(1690, 1810, 6), 2000, 2400)}
    assert set(states.values()) == {None, "stop"}
    assert states[0] is None
    assert states[2400] == "stop"
