"""An operator's words, a disk that is slow, and a controller that dies: what is on record is what was done."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.test_controls import PROFILE, S, command, drafted_job, edit_of, going, job_in
from tests.scenario.test_resume import Rig, on_rig

from packbench.analysis.importer import analyze_file
from packbench.app.edits import drafts_of
from packbench.app.job import Job
from packbench.app.resuming import recorded
from packbench.app.virtual import Command, NoJournal, Options, Told, run_unrecorded
from packbench.core.errors import InputError
from packbench.core.records import Event, StepRecord
from packbench.core.samples import Snapshot
from packbench.engine.state import EngineState
from packbench.run.bench import RunOutcome
from packbench.run.controls import Kind, Request
from packbench.store.export import export_run
from packbench.store.reader import RunReader
from packbench_sim.campaign.controller import Controller, Ended
from packbench_sim.faults import parse_injection


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return job_in(tmp_path)


STAIRS = """profile: stairs
title: {en: "Two currents in one step", zh: "同一工步两个电流"}
record: {dt: 1 s}
steps:
  - rest: {label: settle, for: 30 s}
  - pulse:
      label: stairs
      train:
        - {discharge: 5 A, for: 60 s}
        - {discharge: 30 A, for: 60 s}
  - rest: {label: after, for: 10 s}
  - end
"""


class SlowDisk(NoJournal):
    """A journal that keeps events, and whose disk takes its time after an event of one kind."""

    def __init__(self, slow_after: Callable[[Event], bool], seconds: float) -> None:
        self.events: list[tuple[float, Event]] = []
        self.steps: list[StepRecord] = []
        self.slow = False
        self._slow_after, self._seconds = slow_after, seconds

    def put_event(self, event: Event) -> int:
        self.events.append((asyncio.get_running_loop().time(), event))
        self.slow |= self._slow_after(event)
        return 0

    def put_step(self, record: StepRecord) -> int:
        self.steps.append(record)
        return 0

    async def flush(self) -> int:
        if self.slow:
            self.slow = False
            await asyncio.sleep(self._seconds)
        return 0

    def of(self, kind: str) -> list[tuple[float, Event]]:
        return [entry for entry in self.events if entry[1].kind == kind]


def on_disk(job: Job, disk: SlowDisk, *commands: Command, **options: Any) -> tuple[RunOutcome, list[Told]]:
    told: list[Told] = []
    asked = Options(commands=commands, told=told.append, **options)
    return run_unrecorded(job, asked, disk, lambda *_: None, lambda _plant: None), told


def test_a_pause_waits_for_no_disk_and_keeps_what_waited_for_it_from_switching_on(job: Job) -> None:
    stairs = drafted_job(job, STAIRS)
    disk = SlowDisk(lambda event: event.kind == "set_output" and event.data["current_a"] < -20.0, 4.0)
    # The second current is asked for at about 93 s, and its word is not on the disk before 97 s.
    outcome, told = on_disk(stairs, disk, command(95, "pause"), command(110, "continue"))
    assert outcome.finish.verdict == "pass", outcome
    assert [one.refused for one in told] == ["", ""]
    (asked_s, _), *_ = [one for one in disk.of("set_output") if one[1].data["current_a"] < -20.0]
    (paused_s, _), (off_s, _) = disk.of("paused")[0], next(one for one in disk.of("output_off") if one[0] > asked_s)
    assert asked_s < paused_s < asked_s + 4.0, "the pause came while the disk was being waited for"
    assert off_s - paused_s < 0.1
    assert disk.of("output_withdrawn")
    acknowledged = [one for one in disk.of("output_acknowledged") if asked_s < one[0] < asked_s + 10.0]
    assert not acknowledged, "the current of before the pause was switched on after it"


def test_an_abort_waits_for_no_disk(job: Job) -> None:
    stairs = drafted_job(job, STAIRS)
    disk = SlowDisk(lambda event: event.kind == "set_output" and event.data["current_a"] < -20.0, 4.0)
    outcome, _ = on_disk(stairs, disk, command(95, "abort"))
    ((aborted_s, _),) = disk.of("aborted")
    off_s = next(at_s for at_s, _ in disk.of("output_off") if at_s >= aborted_s)
    assert off_s - aborted_s < 0.1
    assert outcome.finish.reason == "aborted by Li"


@pytest.mark.parametrize("word", ["abort", "pause"])
def test_a_current_that_still_waits_for_the_disk_is_not_counted(job: Job, word: Kind) -> None:
    def slow(event: Event) -> bool:
        return event.kind == "set_output" and event.data["current_a"] > 20.0

    before = SlowDisk(slow, 4.0)
    on_disk(job, before, command(40, "abort"))
    asked_s = next(at_s for at_s, event in before.of("set_output") if slow(event))
    disk = SlowDisk(slow, 4.0)
    # Before the next reading, which would say that nothing flows.
    waits, told = on_disk(job, disk, command(asked_s + 0.2, word), command(60, "abort"))
    assert waits.finish.verdict == "aborted" and told[0].refused == ""
    assert disk.of("output_withdrawn") and not disk.of("output_acknowledged")
    (up,) = [step for step in disk.steps if step.label == "up"]
    assert abs(up.charge_ah) < 1e-3, "nothing flowed: at 50 A this is 2.8 mAh"


def test_the_current_from_before_is_counted_while_the_next_one_waits_for_the_disk(job: Job) -> None:
    """Within one step nothing is switched off in between."""
    stairs = drafted_job(job, STAIRS)

    def slow(event: Event) -> bool:
        return event.kind == "set_output" and event.data["current_a"] < -20.0

    before = SlowDisk(slow, 4.0)
    on_disk(stairs, before, command(99, "abort"))
    asked_s = next(at_s for at_s, event in before.of("set_output") if slow(event))
    disk = SlowDisk(slow, 4.0)
    on_disk(stairs, disk, command(asked_s + 0.3, "abort"))
    (step,) = [step for step in disk.steps if step.label == "stairs"]
    # 60.3 s of 5 A, but for the poll at its beginning; 0.3 s of 30 A would be 2.1 mAh more.
    assert step.charge_ah == pytest.approx(-5.0 * 60.3 / 3600, abs=8e-4 + 0.01 * 0.0838)


def test_a_word_that_is_overtaken_is_withdrawn_and_does_nothing(job: Job) -> None:
    disk = SlowDisk(lambda event: event.kind == "jumped", 3.0)
    # The BMS goes silent; the jump is on disk after the trip.
    outcome, told = on_disk(
        job, disk, command(60, "jump", step="down", why="x"), injections=(parse_injection("comms.bms_lost@60s"),)
    )
    assert outcome.trip is not None
    assert not any(one.done for one in told)
    ((_, withdrawn),) = disk.of("request_withdrawn")
    assert (withdrawn.data["request"], withdrawn.data["operator"]) == ("jump", "Li")
    assert "down" not in [event.data["label"] for _, event in disk.of("step_began")]


def test_nothing_is_done_before_its_word_is_on_disk(job: Job) -> None:
    disk = SlowDisk(lambda event: event.kind == "jumped", 2.0)
    outcome, told = on_disk(job, disk, command(60, "jump", step="down", why="x"))
    assert outcome.finish.verdict == "pass" and told[0].refused == ""
    ((jumped_s, _),) = disk.of("jumped")
    began_s = next(at_s for at_s, event in disk.of("step_began") if event.data["label"] == "down")
    assert began_s >= jumped_s + 2.0


def test_a_disk_that_stands_still_refuses_the_word_and_stops_the_run(job: Job) -> None:
    disk = SlowDisk(lambda event: event.kind == "jumped", 30.0)
    outcome, told = on_disk(job, disk, command(60, "jump", step="down", why="x"))
    assert outcome.trip is not None and "down" not in [event.data["label"] for _, event in disk.of("step_began")]
    assert [one.done for one in told] in ([None], [])


async def life(rig: Rig, *words: tuple[float, Request], kill_s: float | None = None, begins: bool = False) -> Ended:
    """One controller on the rig, with an operator's words to it so much later each."""
    made: list[Controller] = []
    first = Controller.live

    async def live(self: Controller, token: int) -> Ended:
        made.append(self)
        return await first(self, token)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Controller, "live", live)
        living = asyncio.create_task(rig.life(None if kill_s is None else round(kill_s * S), begins=begins))
        began_ns = rig.clock.now_ns()
        for after_s, request in words:
            await rig.clock.sleep_until(began_ns + round(after_s * S))
            made[0].run.controls.drafts = drafts_of(rig.job)
            await made[0].run.controls.carry_out(request)
        return await living


def test_a_paused_run_that_is_resumed_is_paused_until_somebody_says_otherwise(job: Job, tmp_path: Path) -> None:
    async def script(rig: Rig) -> tuple[Ended, float]:
        killed = await life(rig, (60.0, Request("pause", "Li")), kill_s=80.0, begins=True)
        assert killed.killed
        await rig.repair(30 * S)
        charged_ah = rig.plant.true_charge_ah
        second = asyncio.create_task(life(rig, (60.0, Request("continue", "Wang"))))
        await rig.clock.sleep_until(rig.clock.now_ns() + 55 * S)
        stood_ah = rig.plant.true_charge_ah - charged_ah
        return await second, stood_ah

    ended, stood_ah = on_rig(job, tmp_path / "run", script)
    assert ended.error is None, ended.error
    assert ended.outcome is not None and ended.outcome.finish.verdict == "pass", ended.outcome
    # The pulse that shows the sign of the current is all that flowed.
    assert stood_ah < 0.01
    with RunReader.open(tmp_path / "run" / "run.db") as reader:
        reader.verify()
        up = next(step for step in reader.steps() if step.label == "up")
        rows = reader.rows()
    # 60 s of 50 A, the hold, the death and the second hold apart.
    assert up.charge_ah == pytest.approx(50.0 * 60 / 3600, rel=0.02)
    assert up.number == 2 and (up.ended_ns - up.started_ns) > 150 * S
    assert len(rows)


def test_a_run_that_was_edited_is_resumed_with_the_profile_in_force(job: Job, tmp_path: Path) -> None:
    text = PROFILE.replace("  - end\n", "  - rest: {label: more, for: 20 s}\n  - end\n")
    edit = Request("edit", "Li", "longer", profile=edit_of(job, text))

    async def script(rig: Rig) -> Ended:
        await life(rig, (60.0, edit), kill_s=70.0, begins=True)
        await rig.repair(30 * S)
        rig.job = recorded(rig.disk.folder)[1]
        return await life(rig)

    ended = on_rig(job, tmp_path / "run", script)
    assert ended.outcome is not None and ended.outcome.finish.verdict == "pass", ended
    with RunReader.open(tmp_path / "run" / "run.db") as reader:
        assert [step.label for step in reader.steps()][-1] == "more"


def test_an_edited_run_s_export_is_read_back_with_its_profile(job: Job, tmp_path: Path) -> None:
    text = PROFILE.replace("  - end\n", "  - rest: {label: more, for: 20 s}\n  - end\n")
    gone = going(job, tmp_path / "run", command(60, "edit", why="longer", profile=edit_of(job, text)))
    path = tmp_path / "out.bdf.csv"
    with RunReader.open(gone.folder / "run.db") as reader:
        export_run(reader, "bdf-csv", path)
    result = analyze_file(path)
    assert [step.label for step in result.steps][-1] == "more"
    assert [note.key for note in result.notes].count("edited") == 1


def test_an_edit_that_the_disk_has_no_room_for_is_refused(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = PROFILE.replace("  - end\n", "  - rest: {label: more, for: 300 h, max_time: 301 h}\n  - end\n")
    usage = shutil.disk_usage(tmp_path)

    async def last(text: str) -> str:
        return (await drafts_of(job, tmp_path)(edit_of(job, text))).plan.steps[-2].label

    assert asyncio.run(last(longer)) == "more"
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10_000_000))
    assert asyncio.run(last(PROFILE)) == "down", "no more than is held for it already"
    with pytest.raises(InputError, match="does not fit on the disk"):
        asyncio.run(last(longer))


def test_while_a_rules_delay_runs_the_cycler_is_read_at_its_fastest(job: Job) -> None:
    """A deviation counts from its first reading; a usual period on top of its delay would be too late."""
    read_ns: list[int] = []

    def observe(snapshot: Snapshot, _state: EngineState) -> None:
        if snapshot.cycler is not None and (not read_ns or snapshot.cycler.t_ns > read_ns[-1]):
            read_ns.append(snapshot.cycler.t_ns)

    options = Options(injections=(parse_injection("power.setpoint@110s"),))
    outcome = run_unrecorded(job, options, NoJournal(), observe, lambda _plant: None)
    assert outcome.trip is not None and outcome.trip.fault_id == "power.setpoint"
    apart_s = [(later - before) / S for before, later in pairwise(read_ns)]
    fastest_s, usual_s = job.bench.cycler.poll_fast_ns / S, job.bench.cycler.poll_period_ns / S
    assert 0 < fastest_s < usual_s
    # The rule waits for two seconds.
    assert max(apart_s[-10:]) < 1.5 * fastest_s
    assert sum(apart > 0.9 * usual_s for apart in apart_s) > 20, "as slow as usual when nothing is wrong"
