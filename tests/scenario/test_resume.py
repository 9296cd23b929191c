"""A controller that is killed, and the one that goes on with its run: on a bench that outlives both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TypeVar

import pytest
from rich.console import Console

from packbench import __version__
from packbench.app.job import Job, load_job
from packbench.app.virtual_bench import VirtualBench
from packbench.cli.resume_view import compared_table
from packbench.core.errors import InputError
from packbench.core.samples import Provenance
from packbench.run.controls import Request
from packbench.run.recorder import Recorder
from packbench.run.resuming import Found, stood
from packbench.store.meta import RunMeta
from packbench.store.reader import RunReader
from packbench_board.codes import Input
from packbench_sim.campaign.controller import Controller, Disk, Ended
from packbench_sim.loop import VirtualClock, VirtualLoop, run_virtual
from packbench_sim.plant import Plant
from packbench_sim.world import World, build_parts

S = 1_000_000_000
T = TypeVar("T")
PROFILE = """
profile: resume-me
title: {en: "A charge, a rest, a discharge", zh: "充电、静置、放电"}
record: {dt: 1 s}
steps:
  - rest: {label: settle, for: 5 s}
  - cc_charge:
      label: up
      current: 0.5C
      for: 60 s
      on_cell_limit: {at: cell_full, action: end}
      until: voltage >= pack_full
  - rest: {label: between, for: 10 s}
  - cc_discharge:
      label: down
      current: 0.5C
      for: 120 s
      until:
        - cell_min <= cell_cutoff
        - voltage <= pack_cutoff
  - end
"""


class Rig:
    """A world, and controllers on it one after another."""

    def __init__(self, job: Job, folder: Path, clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop, self.clock, self.job, self.disk = loop, clock, job, Disk(folder)
        self.world: World = build_parts(job.bench, job.pack, start_ns=clock.now_ns(), seed=1)
        self.bench = VirtualBench(job, self.world)
        self.lines = self.bench.lines(loop, clock)
        self.token = 1

    @property
    def plant(self) -> Plant:
        return self.world.plant

    async def life(self, kill_ns: int | None = None, *, begins: bool = False, says: tuple[Request, ...] = ()) -> Ended:
        """One controller, from its start to its end or to its death so much later, after these words, 5 s apart."""
        meta = None
        if begins:
            job = self.job
            meta = RunMeta(
                run_id="r", provenance=Provenance.SIMULATED, serial="S-1", profile=job.profile_source,
                pack=job.pack_source, bench=job.bench_source, software_version=__version__,
                started_at=self.clock.wall(), origin_ns=self.clock.now_ns(), seed=1, operator="Li", extra={},
            )  # fmt: skip
        held = self.lines
        controller = Controller(
            self.bench, self.job, self.loop, self.clock, held, self.disk, _unseen, tap=_straight, meta=meta
        )
        life = asyncio.create_task(controller.live(self.token))
        self.token += 2
        if kill_ns is not None:
            await self.clock.sleep_until(self.clock.now_ns() + kill_ns)
            for number, word in enumerate(says):
                await self.clock.sleep_until(self.clock.now_ns() + (5 * S if number else 0))
                await controller.run.controls.carry_out(word)
        else:
            await asyncio.wait([life])
        self.lines = self.bench.lines(self.loop, self.clock)
        if kill_ns is not None:
            controller.kill()
        return await life

    async def repair(self, after_ns: int) -> None:
        """A person comes, turns the key, and resets the board in her name."""
        await self.clock.sleep_until(self.clock.now_ns() + after_ns)
        board = self.world.board
        board.set_input(Input.KEY_ON, True)
        from packbench.app.devices import Buses, Line, board_driver

        client = board_driver(self.job, Line(self.lines["board"]), Buses(self.clock))
        await client.greet()
        await client.reset("Li")
        board.set_input(Input.KEY_ON, False)
        for line in self.lines.values():
            line.close()
        self.lines = self.bench.lines(self.loop, self.clock)


def _straight(recorder: Recorder) -> Recorder:
    return recorder


def _unseen(_snapshot: object, _state: object) -> None:
    return None


@pytest.fixture
def job(tmp_path: Path) -> Job:
    profile = tmp_path / "resume-me.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    return load_job(str(profile), "lfp-16s", "sim-lv")


def on_rig(job: Job, folder: Path, script: Callable[[Rig], Awaitable[T]]) -> T:
    async def main(clock: VirtualClock) -> T:
        return await script(Rig(job, folder, clock))

    return run_virtual(main)


def test_a_killed_run_goes_on_in_the_same_step_with_its_charge(job: Job, tmp_path: Path) -> None:
    async def script(rig: Rig):
        first = await rig.life(100 * S, begins=True)
        assert first.killed
        await rig.clock.sleep_until(rig.clock.now_ns() + 1 * S)
        assert not rig.plant.contactor.closed, "the board opened by itself"
        await rig.repair(30 * S)
        second = await rig.life()
        return second, rig.plant.true_discharge_ah

    second, true_ah = on_rig(job, tmp_path / "run", script)
    assert second.error is None, second.error
    assert second.outcome is not None and second.outcome.finish.verdict == "pass", second.outcome
    with RunReader.open(tmp_path / "run" / "run.db") as reader:
        reader.verify()
        steps, gaps, rows = reader.steps(), reader.gaps(), reader.rows()
    down = [step for step in steps if step.label == "down"]
    assert [step.number for step in steps] == [1, 2, 3, 4, 5][: len(steps)]
    assert len(down) == 1 and len(gaps) == 1
    gap = gaps[0]
    assert gap.unseen_ah is not None
    assert down[0].started_ns < gap.started_ns < gap.ended_ns < down[0].ended_ns
    # What the pack gave is what was counted, and no more than the gap may hide.
    missing_ah = true_ah + down[0].charge_ah + down[0].tail_ah
    assert -0.01 <= missing_ah <= gap.unseen_ah
    # 120 s of discharge by the step's own time, which stood still.
    flowing_s = (down[0].ended_ns - down[0].started_ns - (gap.ended_ns - gap.started_ns)) / 1e9
    assert flowing_s == pytest.approx(120.0, abs=1.0)
    assert (rows.t_ns[1:] > rows.t_ns[:-1]).all()


def test_a_run_may_be_killed_again_and_again(job: Job, tmp_path: Path) -> None:
    async def script(rig: Rig):
        await rig.life(40 * S, begins=True)
        for _ in range(3):
            await rig.repair(5 * S)
            await rig.life(45 * S)
        await rig.repair(5 * S)
        return await rig.life(), rig.plant.true_charge_ah, rig.plant.true_discharge_ah

    ended, charge_ah, discharge_ah = on_rig(job, tmp_path / "run", script)
    assert ended.outcome is not None and ended.outcome.finish.verdict == "pass"
    with RunReader.open(tmp_path / "run" / "run.db") as reader:
        reader.verify()
        steps, gaps = reader.steps(), reader.gaps()
    assert [step.number for step in steps] == [1, 2, 3, 4]
    assert len(gaps) == 4
    counted = {step.label: step.charge_ah + step.tail_ah for step in steps}
    unseen_ah = sum(gap.unseen_ah or 0.0 for gap in gaps)
    # The pulse that shows the current's sign before each closing is no step's.
    assert charge_ah - counted["up"] == pytest.approx(0.0, abs=unseen_ah + 0.05)
    assert discharge_ah + counted["down"] == pytest.approx(0.0, abs=unseen_ah + 0.05)
    assert unseen_ah < 4 * 0.12


def test_a_pack_that_moved_while_nobody_looked_is_refused_and_the_record_stays_open(job: Job, tmp_path: Path) -> None:
    async def script(rig: Rig):
        await rig.life(100 * S, begins=True)
        await rig.repair(30 * S)
        rig.plant.pack.push_cell(3, 3.6, 0.0)
        refused = await rig.life()
        return refused, rig.plant.contactor.closings

    refused, closings = on_rig(job, tmp_path / "run", script)
    assert "the bench is not as the record left it (cells_pattern" in str(refused.error)
    assert closings == 2, "the two of the first life's start"
    with RunReader.open(tmp_path / "run" / "run.db") as reader:
        assert not reader.sealed
        assert stood(reader).checkpoint.number == 4
        told = reader.events("resuming")[-1].data
    assert told["operator"] == "Li"
    found = [Found(*one) for one in told["found"]]
    assert [one.name for one in found if not one.ok] == ["cells_pattern"]
    assert compared_table(found, "zh").row_count == len(found) > 5, "each of them has its words"


def test_too_long_a_gap_is_refused(job: Job, tmp_path: Path) -> None:
    job = replace(job, bench=replace(job.bench, resume_within_ns=60 * S))

    async def script(rig: Rig):
        await rig.life(100 * S, begins=True)
        await rig.repair(70 * S)
        return await rig.life()

    assert "gap was at most 60 s" in str(on_rig(job, tmp_path / "run", script).error)


def test_a_board_that_nobody_has_reset_is_not_switched_on(job: Job, tmp_path: Path) -> None:
    async def script(rig: Rig):
        await rig.life(100 * S, begins=True)
        await rig.clock.sleep_until(rig.clock.now_ns() + 20 * S)
        return await rig.life(), rig.plant.contactor.coil

    refused, coil = on_rig(job, tmp_path / "run", script)
    assert "tripped" in str(refused.error)
    assert not coil


def test_ended_and_tripped_runs_are_not_resumed(job: Job, tmp_path: Path) -> None:
    async def script(rig: Rig):
        await rig.life(begins=True)
        await rig.life()

    with pytest.raises(InputError, match="the run has ended"):
        on_rig(job, tmp_path / "ended", script)

    async def tripped(rig: Rig):
        life = asyncio.create_task(rig.life(100 * S, begins=True))
        await rig.clock.sleep_until(rig.clock.now_ns() + 95 * S)
        rig.plant.inject("sensor.weak_cell")
        await life
        await rig.life()

    with pytest.raises(InputError, match="stopped by safety"):
        on_rig(job, tmp_path / "tripped", tripped)
    with pytest.raises(InputError, match="had not begun"):

        async def early(rig: Rig):
            await rig.life(1 * S, begins=True)
            await rig.life()

        on_rig(job, tmp_path / "early", early)


PAUSE, CONTINUE, ABORT = Request("pause", "Li"), Request("continue", "Li"), Request("abort", "Li")
JUMP = Request("jump", "Li", why="enough", step="between")


def killed_after(job: Job, folder: Path, *words: Request) -> Ended | None:
    """A run that was killed in its discharge as soon as these words were said, gone on with; None: it may not be."""

    async def script(rig: Rig):
        assert (await rig.life(100 * S, begins=True, says=words)).killed
        await rig.repair(30 * S)
        try:
            return await rig.life()
        except InputError as error:
            return error

    ended = on_rig(job, folder, script)
    if isinstance(ended, InputError):
        assert "aborted by an operator" in str(ended)
        return None
    assert ended.error is None, ended.error
    return ended


def test_a_run_that_was_told_to_go_on_does_so_after_its_controllers_death(job: Job, tmp_path: Path) -> None:
    """The word is on the disk, what followed from it is not."""
    ended = killed_after(job, tmp_path / "run", PAUSE, CONTINUE)
    assert ended is not None and ended.outcome is not None and ended.outcome.finish.verdict == "pass", ended
    with RunReader.open(tmp_path / "run" / "run.db") as reader:
        (down,) = [step for step in reader.steps() if step.label == "down"]
        (gap,) = reader.gaps()
        (paused,), (continued,) = reader.events("paused"), reader.events("continued")
    held_ns = continued.t_ns - paused.t_ns
    flowing_s = (down.ended_ns - down.started_ns - (gap.ended_ns - gap.started_ns) - held_ns) / 1e9
    assert flowing_s == pytest.approx(120.0, abs=1.5)


def test_a_jump_that_was_not_carried_out_is_told_to_whoever_resumes(job: Job, tmp_path: Path) -> None:
    ended = killed_after(job, tmp_path / "run", JUMP)
    assert ended is not None and ended.outcome is not None and ended.outcome.finish.verdict == "pass", ended
    with RunReader.open(tmp_path / "run" / "run.db") as reader:
        (resuming,) = reader.events("resuming")
        assert ["word", "jump to between", "not carried out: say it again", True] in resuming.data["found"]
    screen = StringIO()
    Console(file=screen, width=100).print(compared_table([Found(*one) for one in resuming.data["found"]], "en"))
    (line,) = [line for line in screen.getvalue().splitlines() if "jump to between" in line]
    assert line.split("  ")[0] == "operator's request" and "matches" not in line


def test_a_run_that_an_operator_has_aborted_is_never_gone_on_with(job: Job, tmp_path: Path) -> None:
    assert killed_after(job, tmp_path / "run", ABORT) is None


def test_a_tapered_charge_goes_on_with_what_was_left_of_its_current(tmp_path: Path) -> None:
    """One cell at its limit: the whole current again would drive it beyond."""
    profile = tmp_path / "taper.yaml"
    profile.write_text(
        """
profile: taper
title: {en: "Taper", zh: "降流"}
record: {dt: 1 s}
steps:
  - cc_charge:
      label: up
      current: 0.5C
      for: 600 s
      on_cell_limit: {at: cell_full, action: taper, end_current: 2 A}
      until: voltage >= pack_full
  - end
""",
        encoding="utf-8",
    )
    job = load_job(str(profile), "lfp-16s", "sim-lv", settings=("plant.initial_soc=0.99",))

    async def script(rig: Rig):
        await rig.life(100 * S, begins=True)
        left = checkpoint_of_record(rig)
        await rig.repair(20 * S)
        return left, await rig.life(), rig.plant.contactor.closings

    left, ended, _ = on_rig(job, tmp_path / "run", script)
    assert left.taper_a is not None and left.taper_a < 50.0
    with RunReader.open(tmp_path / "run" / "run.db") as reader:
        after = reader.events("set_output")
        gap_seq = reader.events("gap")[0].seq
        trips = reader.trips()
    driven = [event.data["current_a"] for event in after if event.seq > gap_seq]
    assert driven and max(driven) <= left.taper_a + 1e-9
    assert not trips, ended


def checkpoint_of_record(rig: Rig):
    with RunReader.open(rig.disk.path) as reader:
        return stood(reader).checkpoint
