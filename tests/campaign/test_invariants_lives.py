"""One world, one controller after another: what binds the next one, and what died with the last."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.campaign.invariants_rig import MS, WHO, Rig, S, meta_of, watched

from packbench.app.conclude import DATA_NAME
from packbench.app.job import load_job
from packbench.app.operators import Scripted
from packbench.app.virtual_bench import VirtualBench
from packbench.run.bench import BenchRun
from packbench.run.recorder import BatchPolicy, Recorder, TaskWriter
from packbench.store.database import Durability
from packbench.store.writer import RunStore
from packbench_board.codes import Input
from packbench_board.frames import Arm, Close, Heartbeat, Hello, HelloReply, Open, Reset
from packbench_sim.invariants import Monitor, layers_of
from packbench_sim.invariants.board import BoardWatch, board_message, host_message
from packbench_sim.loop import VirtualClock, VirtualLoop, run_virtual
from packbench_sim.world import build_parts


@dataclass(slots=True)
class Bench:
    """A world whose controllers come and go."""

    clock: VirtualClock
    monitor: Monitor
    bench: VirtualBench
    folder: Path
    lives: int = 0
    tasks: list[asyncio.Task[Any]] = field(default_factory=list[asyncio.Task[Any]])

    async def live(self, *, dies_at_s: float | None = None, token: int = 1) -> str:
        """One controller with a run of its own; how it ended."""
        self.lives += 1
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        job = load_job("quick-check", "nmc-96s", None)
        folder = self.folder / str(self.lives)
        folder.mkdir()
        lines = self.bench.lines(loop, self.clock)
        self.monitor.attach_lines(lines)
        store = RunStore.create(folder / DATA_NAME, meta_of(job, self.clock, 1), Durability.PROCESS_SAFE)
        recorder = Recorder(store, TaskWriter(self.clock), BatchPolicy(max_delay_s=60.0))
        journal = self.monitor.run_began(f"run {self.lives}", recorder, serial="SN-1")
        devices = self.bench.devices(lines, self.clock)
        run = BenchRun(
            self.clock,
            devices,
            job.plan,
            job.limits,
            job.bench,
            job.pack,
            journal,
            lambda _snapshot, _state: None,
            Scripted((), self.clock),
        )
        task = asyncio.create_task(run.run(token))
        if dies_at_s is None:
            outcome = await task
            await recorder.close()
            self.monitor.life_ended()
            self.monitor.record(folder)
            return outcome.finish.verdict
        await self.clock.sleep_until(round(dies_at_s * S))
        for link in lines.values():
            link.to_device = link.from_device = lambda _t_ns, _data: b""
        self.monitor.life_ended()
        await self.clock.sleep_until(self.clock.now_ns() + 2 * S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await recorder.close(seal=False)
        return "dead"


def in_a_world(folder: Path, lives: Any, **words: Any) -> Monitor:
    """Run `lives(bench)` on virtual time in one world; its monitor."""

    async def main(clock: VirtualClock) -> Monitor:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        job = load_job("quick-check", "nmc-96s", None)
        world = build_parts(job.bench, job.pack, start_ns=clock.now_ns(), seed=1)
        monitor = Monitor(world, loop, layers_of(job.plan.limits, job.pack, job.bench), **words)
        await lives(Bench(clock, monitor, VirtualBench(job, world), folder))
        return monitor

    return run_virtual(main)


async def reset(bench: Bench) -> int:
    """The key is turned and the board reset; the newest token used."""
    board, now_ns = bench.bench.world.board, bench.clock.now_ns()
    board.set_input(Input.KEY_ON, True)
    hello = board.ask(now_ns + MS, Hello(0, 0))
    assert isinstance(hello, HelloReply)
    board.ask(now_ns + 2 * MS, Reset(hello.last_token + 1, WHO.encode().ljust(16, b"\0")))
    await bench.clock.sleep_until(now_ns + S)
    board.set_input(Input.KEY_ON, False)
    return hello.last_token + 1


def test_two_runs_after_one_another_break_nothing(tmp_path: Path) -> None:
    async def lives(bench: Bench) -> None:
        assert await bench.live() == "pass"
        assert await bench.live(token=3) == "pass"

    monitor = in_a_world(tmp_path, lives)
    assert [str(violation) for violation in monitor.violations] == []


@pytest.mark.parametrize("dies_at_s", [3.0, 20.0, 33.0, 47.0])
def test_a_host_that_dies_and_its_heir_break_nothing(tmp_path: Path, dies_at_s: float) -> None:
    async def lives(bench: Bench) -> None:
        assert await bench.live(dies_at_s=dies_at_s) == "dead"
        assert not bench.bench.world.plant.contactor.closed
        token = await reset(bench)
        assert await bench.live(token=token + 1) == "pass"

    monitor = in_a_world(tmp_path, lives)
    assert [str(violation) for violation in monitor.violations] == []


def test_i3_an_heir_that_was_told_nothing(tmp_path: Path) -> None:
    """A run that begins by itself after the host has died: nobody has said the word."""

    async def lives(bench: Bench) -> None:
        bench.monitor.operator_command("run", WHO)
        assert await bench.live() == "pass"
        assert await bench.live(token=3) == "pass"

    monitor = in_a_world(tmp_path, lives, words_required=True)
    assert {violation.invariant for violation in monitor.violations} == {"I3"}
    assert "operator's word" in monitor.violations[0].text


def test_frames_are_read_as_they_were_written() -> None:
    from packbench_board.codec import encode_frame

    for message in (Arm(7, 9), Close(), Open(), Heartbeat(7, 8), Reset(9, b"Li Wei".ljust(16, b"\0"))):
        block = encode_frame(message, 5)
        assert host_message(block[:-1]) == (5, message)
        assert board_message(block[:-1]) is None
        spoiled = bytes([block[0], block[1] ^ 1, *block[2:-1]])
        assert host_message(spoiled) != (5, message)


def test_a_split_frame_is_put_together(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        watch: Any = rig.monitor and rig.monitor.board
        assert isinstance(watch, BoardWatch)
        board: Any = rig.world.board
        on_bytes = board.on_bytes

        def halves(t_ns: int, data: bytes) -> bytes:
            if len(data) < 2:
                return on_bytes(t_ns, data)
            return on_bytes(t_ns, data[:3]) + on_bytes(t_ns, data[3:])

        board.on_bytes = halves

    run = watched(tmp_path, meddle=meddle)
    assert run.words == []
    assert run.monitor is not None
    assert run.monitor.board.valid_heartbeats > 300
