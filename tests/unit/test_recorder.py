"""The recorder: what is acknowledged is durable, whatever happens next."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.unit.store_samples import GAP, TRIP, make_event, make_meta, make_row, make_step

from packbench.clock import MonotonicClock
from packbench.core.errors import StoreError
from packbench.core.records import Event
from packbench.run.recorder import BatchPolicy, Recorder, TaskWriter, ThreadWriter, Writer
from packbench.store import Durability, RunReader, RunStore
from packbench_sim.loop import DeadlockError, VirtualClock, run_virtual

FAST = Durability.PROCESS_SAFE
HOUR_S = 3600.0


def make_store(path: Path, **options: Any) -> RunStore:
    return RunStore.create(path, make_meta(), options.pop("durability", FAST), **options)


async def record_some(recorder: Recorder) -> str:
    recorder.put_event(make_event(1))
    assert await recorder.flush() == 1
    for index in range(1, 31):
        recorder.put_row(make_row(index))
        if index == 17:
            await recorder.flush()
    recorder.put_step(make_step(1, step=1, started_ns=0, ended_ns=10**9))
    recorder.put_trip(TRIP)
    assert recorder.put_gap(GAP) == 34
    return await recorder.close()


async def test_both_writers_leave_the_same_chain(tmp_path: Path) -> None:
    live = await record_some(Recorder(make_store(tmp_path / "live.db"), ThreadWriter(), BatchPolicy(max_records=3)))
    task = await record_some(Recorder(make_store(tmp_path / "task.db"), TaskWriter(MonotonicClock())))

    def in_virtual_time() -> str:
        async def main(clock: VirtualClock) -> str:
            return await record_some(Recorder(make_store(tmp_path / "virtual.db"), TaskWriter(clock, 7_000_000)))

        return run_virtual(main)

    virtual = await asyncio.to_thread(in_virtual_time)
    assert live == task == virtual
    for name in ("live", "task", "virtual"):
        with RunReader.open(tmp_path / f"{name}.db") as reader:
            assert reader.verify(live).records == 34
            assert reader.sealed
            assert reader.trips() == [TRIP]


async def test_flush_acknowledges_what_another_process_could_read(tmp_path: Path) -> None:
    recorder = Recorder(make_store(tmp_path / "run.db"), ThreadWriter(), BatchPolicy(max_delay_s=HOUR_S))
    with RunReader.open(tmp_path / "run.db") as reader:
        for count in range(1, 6):
            assert recorder.put_row(make_row(count)) == recorder.seq == count
            assert recorder.durable_seq == count - 1
            assert len(reader.rows()) == count - 1
            assert await recorder.flush() == recorder.durable_seq == count
            assert len(reader.rows()) == count
    assert await recorder.flush() == 5  # nothing new: nothing to wait for
    await recorder.close()


async def test_without_a_flush_records_are_committed_in_time(tmp_path: Path) -> None:
    recorder = Recorder(make_store(tmp_path / "run.db"), ThreadWriter(), BatchPolicy(max_delay_s=0.02))
    recorder.put_row(make_row(1))
    await until(lambda: recorder.durable_seq == 1)
    await recorder.close()


@pytest.mark.parametrize("writer", ["thread", "task"])
@pytest.mark.parametrize("count", [1, 10])
async def test_a_full_batch_does_not_wait_for_the_clock(tmp_path: Path, writer: str, count: int) -> None:
    policy = BatchPolicy(max_records=count, max_delay_s=HOUR_S)
    recorder = Recorder(make_store(tmp_path / "run.db"), make_writer(writer), policy)
    for last in (lambda: recorder.put_event(make_event(1)), lambda: recorder.put_row(make_row(99))):
        before = recorder.durable_seq
        for index in range(1, count):
            recorder.put_row(make_row(index))
        await asyncio.sleep(0.02)
        assert recorder.durable_seq == before
        last()
        await until(lambda before=before: recorder.durable_seq == before + count)
    await recorder.close()


@pytest.mark.parametrize("writer", ["thread", "task"])
async def test_a_trip_does_not_wait_for_the_clock(tmp_path: Path, writer: str) -> None:
    """Whoever dies right after it must not be gone on with."""
    recorder = Recorder(make_store(tmp_path / "run.db"), make_writer(writer), BatchPolicy(max_delay_s=HOUR_S))
    recorder.put_row(make_row(1))
    seq = recorder.put_trip(TRIP)
    await until(lambda: recorder.durable_seq == seq)
    await recorder.close()


def test_virtual_time_commits_after_the_modelled_latency_and_then_lets_time_rest(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        policy = BatchPolicy(max_delay_s=10.0)
        recorder = Recorder(make_store(tmp_path / "run.db"), TaskWriter(clock, latency_ns=4_000_000), policy)
        recorder.put_row(make_row(1))
        await clock.sleep_until(10_003_999_999)
        assert recorder.durable_seq == 0
        await clock.sleep_until(10_004_000_001)
        assert recorder.durable_seq == 1
        await clock.sleep_until(50_000_000_000)
        recorder.put_row(make_row(2))
        assert await recorder.flush() == 2
        assert clock.now_ns() == 50_004_000_000
        await clock.sleep_until(80_000_000_000)
        recorder.put_row(make_row(3))
        await clock.sleep_until(90_004_000_001)
        assert recorder.durable_seq == 3
        asked_ns = clock.now_ns()
        recorder.put_row(make_row(4))
        await recorder.close()
        assert clock.now_ns() == asked_ns + 4_000_000

    run_virtual(main)
    with RunReader.open(tmp_path / "run.db") as reader:
        assert len(reader.rows()) == 4


def test_an_idle_recorder_does_not_keep_virtual_time_moving(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        recorder = Recorder(make_store(tmp_path / "run.db"), TaskWriter(clock))
        recorder.put_row(make_row(1))
        await recorder.flush()
        await asyncio.get_running_loop().create_future()  # nobody will ever answer

    with pytest.raises(DeadlockError):
        run_virtual(main)


def test_a_flush_waits_for_its_own_records(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        recorder = Recorder(make_store(tmp_path / "run.db"), TaskWriter(clock, latency_ns=500_000_000))
        recorder.put_row(make_row(1))
        first = asyncio.create_task(recorder.flush())
        await clock.sleep_until(200_000_000)
        recorder.put_row(make_row(2))
        second = asyncio.create_task(recorder.flush())
        await clock.sleep_until(500_000_001)
        assert first.done()
        assert not second.done()
        assert await second == 2
        assert clock.now_ns() == 1_000_000_000
        await recorder.close()

    run_virtual(main)


def test_what_comes_in_during_a_commit_gets_its_own_deadline(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        policy = BatchPolicy(max_delay_s=1.0)
        recorder = Recorder(make_store(tmp_path / "run.db"), TaskWriter(clock, latency_ns=500_000_000), policy)
        recorder.put_row(make_row(1))  # committed from 1.0 s to 1.5 s
        await clock.sleep_until(1_200_000_000)
        recorder.put_row(make_row(2))
        await clock.sleep_until(1_500_000_001)
        assert recorder.durable_seq == 1
        await clock.sleep_until(3_000_000_001)  # 1.5 s + 1.0 s + 0.5 s
        assert recorder.durable_seq == 2
        await recorder.close()

    run_virtual(main)


def test_a_full_queue_refuses_rows_for_good_but_keeps_room_for_the_stop(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        policy = BatchPolicy(max_delay_s=HOUR_S, capacity=5, event_reserve=2)
        recorder = Recorder(make_store(tmp_path / "run.db"), TaskWriter(clock), policy)
        for index in range(1, 6):
            recorder.put_row(make_row(index))
        assert recorder.failed is None
        with pytest.raises(StoreError, match="queue is full"):
            recorder.put_row(make_row(6))
        assert recorder.failed is not None
        recorder.put_event(make_event(1))
        recorder.put_event(make_event(2))
        with pytest.raises(StoreError, match="queue is full"):
            recorder.put_event(make_event(3))
        assert await recorder.flush() == 7  # the disk is well again
        recorder.put_event(make_event(4))
        with pytest.raises(StoreError, match="queue is full"):  # a record with a hole is no record
            recorder.put_row(make_row(7))
        await recorder.close()

    run_virtual(main)
    with RunReader.open(tmp_path / "run.db") as reader:
        verified = reader.verify()
        assert (verified.rows, verified.events) == (5, 3)


async def test_putting_goes_on_while_the_disk_hangs(tmp_path: Path) -> None:
    disk = FaultyDisk("hanging")
    store = make_store(tmp_path / "run.db", durability=Durability.POWER_SAFE, vfs=disk.name)
    policy = BatchPolicy(max_records=10, max_delay_s=HOUR_S, capacity=100)
    recorder = Recorder(store, ThreadWriter(), policy)
    disk.hang.clear()
    for index in range(1, 101):
        recorder.put_row(make_row(index))
        await asyncio.sleep(0)
    with pytest.raises(StoreError, match="100 records wait"):
        recorder.put_row(make_row(101))
    flushed = asyncio.create_task(recorder.flush())
    await asyncio.sleep(0.02)
    assert not flushed.done()
    disk.hang.set()
    assert await flushed == 100
    await recorder.close()
    disk.unregister()


@pytest.mark.parametrize("writer", ["thread", "task"])
async def test_a_failed_fsync_is_final_and_nothing_acknowledged_is_lost(tmp_path: Path, writer: str) -> None:
    disk = FaultyDisk("failing-" + writer)
    store = make_store(tmp_path / "run.db", durability=Durability.POWER_SAFE, vfs=disk.name)
    recorder = Recorder(store, make_writer(writer), BatchPolicy(max_delay_s=HOUR_S))
    for index in range(1, 21):
        recorder.put_row(make_row(index))
    assert await recorder.flush() == 20
    disk.fail_sync = True
    recorder.put_row(make_row(21))
    with pytest.raises(StoreError, match="commit failed"):
        await recorder.flush()
    assert recorder.failed is not None
    assert recorder.durable_seq == 20
    disk.fail_sync = False  # too late: the pages in memory can no longer be trusted
    for again in (lambda: recorder.put_row(make_row(22)), lambda: recorder.put_event(make_event(1))):
        with pytest.raises(StoreError, match="commit failed"):
            again()
    with pytest.raises(StoreError, match="commit failed"):
        await recorder.flush()
    for _ in range(2):
        with pytest.raises(StoreError, match="commit failed"):
            await recorder.close()
    with RunReader.open(tmp_path / "run.db") as reader:
        verified = reader.verify()
        assert verified.records in {20, 21}  # 21 was written but never acknowledged
        assert not verified.sealed
    disk.unregister()


@pytest.mark.parametrize("writer", ["thread", "task"])
async def test_a_full_disk_stops_the_record_and_keeps_what_was_acknowledged(tmp_path: Path, writer: str) -> None:
    store = make_store(tmp_path / "run.db")
    store._db.execute("PRAGMA max_page_count = 24")
    recorder = Recorder(store, make_writer(writer), BatchPolicy(max_delay_s=HOUR_S))
    index = 0
    with pytest.raises(StoreError, match="full"):
        while True:
            index += 1
            recorder.put_row(make_row(index))
            await recorder.flush()
    acknowledged = recorder.durable_seq
    assert acknowledged == index - 1 > 10
    with pytest.raises(StoreError, match="full"):
        recorder.put_row(make_row(index))
    with pytest.raises(StoreError, match="full"):
        await recorder.close()
    with RunReader.open(tmp_path / "run.db") as reader:
        assert reader.verify().records == acknowledged


async def test_a_record_the_store_cannot_take_ends_the_record_not_the_program(tmp_path: Path) -> None:
    recorder = Recorder(make_store(tmp_path / "run.db"), ThreadWriter())
    recorder.put_event(Event(2**70, "x", {}))
    with pytest.raises(StoreError, match="record 1 cannot be stored"):
        await recorder.flush()
    with pytest.raises(StoreError):
        await recorder.close()


async def test_a_mistake_in_the_writer_itself_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: told.append(arguments.exc_type))
    recorder = Recorder(make_store(tmp_path / "run.db"), ThreadWriter())
    recorder.put_row("no row")  # pyright: ignore[reportArgumentType]
    with pytest.raises(StoreError, match="ended unexpectedly"):
        await recorder.flush()
    with pytest.raises(StoreError, match="ended unexpectedly"):
        recorder.put_row(make_row(1))
    with pytest.raises(StoreError, match="ended unexpectedly"):
        await recorder.close()
    await until(lambda: told == [AssertionError])  # it is a bug, and is not hidden


async def test_event_data_is_fixed_when_it_is_put(tmp_path: Path) -> None:
    recorder = Recorder(make_store(tmp_path / "run.db"), ThreadWriter(), BatchPolicy(max_delay_s=HOUR_S))
    data: dict[str, Any] = {"step": 1, "list": [1]}
    recorder.put_event(Event(0, "x", data))
    data["step"] = 2
    data["list"].append(2)
    with pytest.raises(ValueError, match="JSON compliant"):
        recorder.put_event(Event(0, "x", {"bad": float("nan")}))
    await recorder.close()
    with RunReader.open(tmp_path / "run.db") as reader:
        assert [event.data for event in reader.events()] == [{"step": 1, "list": [1]}]


async def test_close_is_final_and_can_leave_the_run_open(tmp_path: Path) -> None:
    recorder = Recorder(make_store(tmp_path / "run.db"), ThreadWriter(), BatchPolicy(max_delay_s=HOUR_S))
    recorder.put_row(make_row(1))
    head = await recorder.close(seal=False)
    assert await recorder.close() == head
    for put in (lambda: recorder.put_row(make_row(2)), lambda: recorder.put_event(make_event(1))):
        with pytest.raises(StoreError, match="closed"):
            put()
    assert await recorder.flush() == 1
    again = Recorder(RunStore.resume(tmp_path / "run.db", FAST), ThreadWriter())
    assert again.seq == again.durable_seq == 1
    assert again.put_row(make_row(2)) == 2
    await again.close()
    with RunReader.open(tmp_path / "run.db") as reader:
        assert reader.verify().records == 2
    await until(lambda: not [item for item in threading.enumerate() if item.name == "packbench-recorder"])


async def test_a_flush_that_is_given_up_harms_nobody(tmp_path: Path) -> None:
    recorder = Recorder(make_store(tmp_path / "run.db"), ThreadWriter(), BatchPolicy(max_delay_s=HOUR_S))
    recorder.put_row(make_row(1))
    given_up = asyncio.create_task(recorder.flush())
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    recorder.put_row(make_row(2))
    assert await recorder.flush() == 2
    await recorder.close()


KILLED = """
import asyncio, sys
from pathlib import Path
from packbench.run.recorder import BatchPolicy, Recorder, ThreadWriter
from packbench.store import RunStore
from tests.unit.store_samples import make_event, make_meta, make_row

async def main():
    store = RunStore.create(Path(sys.argv[1]), make_meta())
    recorder = Recorder(store, ThreadWriter(), BatchPolicy(max_records=40, max_delay_s=0.005))
    told = 0
    for index in range(1, 1_000_000):
        recorder.put_row(make_row(index))
        if index % 50 == 0:
            recorder.put_event(make_event(index))
            await recorder.flush()
        elif index % 10 == 0:
            await asyncio.sleep(0.001)
        if recorder.durable_seq > told:
            told = recorder.durable_seq
            print(told, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("after_s", [0.02, 0.11, 0.3])
def test_kill_9_loses_nothing_acknowledged(tmp_path: Path, after_s: float) -> None:
    path = tmp_path / "run.db"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    whole = [line for line in lines if line.endswith("\n")]
    acknowledged = int(whole[-1])
    assert acknowledged > 0
    with RunReader.open(path) as reader:
        verified = reader.verify()
        assert verified.records >= acknowledged
        assert not verified.sealed
        assert reader.rows().t_ns.tolist() == [make_row(index).t_ns for index in range(1, verified.rows + 1)]
    store = RunStore.resume(path)  # and the record can go on
    assert store.seq == verified.records
    store.append_rows([make_row(verified.rows + 1)])
    store.seal()
    store.close()
    with RunReader.open(path) as reader:
        assert reader.verify().records == verified.records + 1


def make_writer(kind: str) -> Writer:
    return ThreadWriter() if kind == "thread" else TaskWriter(MonotonicClock(), latency_ns=0)


async def until(met: Any) -> None:
    async with asyncio.timeout(5):
        while not met():  # noqa: ASYNC110 - what is awaited is seen from outside alone
            await asyncio.sleep(0.002)


class FaultyDisk(apsw.VFS):
    """The system's files, but fsync fails or hangs on demand."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fail_sync = False
        self.hang = threading.Event()
        self.hang.set()
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        return FaultyFile(self, name, flags)


class FaultyFile(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self.disk = disk

    def xSync(self, flags: int) -> None:
        self.disk.hang.wait(5)
        if self.disk.fail_sync:
            raise apsw.IOError("fsync failed")
        super().xSync(flags)
