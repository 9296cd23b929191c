"""Ten ways in which a run's file is written, each through a disk that remembers.

Owns the workloads. Each says after every acknowledgement what it was told to be durable.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.unit.store_samples import make_event, make_meta, make_row, make_step

from packbench.core.records import Gap, Trip
from packbench.store.chain import encode_event
from packbench.store.codec import gap_event, step_event, trip_event
from packbench.store.database import Durability
from packbench.store.reader import RunReader
from packbench.store.writer import RunStore
from packbench_sim.disk import Disk

S = 1_000_000_000
Workload = Callable[[Path, Disk, Durability], None]


def begin(path: Path, disk: Disk, durability: Durability) -> RunStore:
    """A new run file; that it is there is the first thing that somebody is told."""
    store = RunStore.create(path, make_meta(), durability, vfs=disk.vfs)
    if durability is Durability.POWER_SAFE:
        disk.folder_synced()
    disk.acknowledged(0)
    return store


def commit(store: RunStore, disk: Disk) -> None:
    disk.acknowledged(store.commit())


def only_created(path: Path, disk: Disk, durability: Durability) -> None:
    begin(path, disk, durability).close()


def a_row_a_second(path: Path, disk: Disk, durability: Durability) -> None:
    store = begin(path, disk, durability)
    for index in range(1, 13):
        store.append([make_row(index)])
        commit(store, disk)
    store.close()


def long_batches(path: Path, disk: Disk, durability: Durability) -> None:
    store = begin(path, disk, durability)
    for first in (1, 41, 81):
        store.append([make_row(index) for index in range(first, first + 40)])
        commit(store, disk)
    store.close()


def tiny_commits(path: Path, disk: Disk, durability: Durability) -> None:
    store = begin(path, disk, durability)
    for index in range(1, 25):
        store.append([encode_event(make_event(index))])
        commit(store, disk)
    store.close()


def steps_and_trips(path: Path, disk: Disk, durability: Durability) -> None:
    store = begin(path, disk, durability)
    for number in range(1, 5):
        store.append([make_row(number * 10 + index) for index in range(3)])
        step = make_step(number, step=number, started_ns=number * S, ended_ns=number * S + 9)
        store.append([encode_event(step_event(step)), encode_event(gap_event(Gap(number * S, number * S + 5, "gap")))])
        commit(store, disk)
    trip = Trip("bms_stale", "comms.bms_lost", 5 * S, 3.0, 2.5, "s", "The BMS is silent.", "BMS 没有应答。")
    store.append([encode_event(trip_event(trip))])
    commit(store, disk)
    store.close()


def sealed(path: Path, disk: Disk, durability: Durability) -> None:
    store = begin(path, disk, durability)
    store.append([make_row(index) for index in range(1, 9)])
    commit(store, disk)
    store.append([encode_event(make_event(9))])
    store.seal()
    disk.acknowledged(store.durable_seq)
    store.close()


def sealed_while_read(path: Path, disk: Disk, durability: Durability) -> None:
    store = begin(path, disk, durability)
    store.append([make_row(index) for index in range(1, 9)])
    commit(store, disk)
    with RunReader.open(path) as reader:
        assert len(reader.rows()) == 8
        store.seal()
        disk.acknowledged(store.durable_seq)
        store.close()


def resumed(path: Path, disk: Disk, durability: Durability) -> None:
    store = begin(path, disk, durability)
    store.append([make_row(index) for index in range(1, 6)])
    commit(store, disk)
    store.append([make_row(6)])
    store.close()  # what was not committed is dropped
    store = RunStore.resume(path, durability, vfs=disk.vfs)
    for index in range(6, 12):
        store.append([make_row(index)])
        commit(store, disk)
    store.close()


def checkpointed(path: Path, disk: Disk, durability: Durability) -> None:
    """Small automatic checkpoints, so that the log is folded in and begun anew many times."""
    store = begin(path, disk, durability)
    store._db.execute("PRAGMA wal_autocheckpoint = 6")
    for index in range(1, 22):
        store.append([make_row(index)])
        commit(store, disk)
    store.close()


def folded_and_resumed(path: Path, disk: Disk, durability: Durability) -> None:
    """Closed well (the log is folded in and deleted), opened again, and left in mid-write."""
    store = begin(path, disk, durability)
    store.append([make_row(index) for index in range(1, 10)])
    commit(store, disk)
    store.close()
    store = RunStore.resume(path, durability, vfs=disk.vfs)
    store.append([make_row(index) for index in range(10, 14)])
    commit(store, disk)
    store.append([make_row(index) for index in range(14, 18)])
    store.close()


WORKLOADS: dict[str, Workload] = {
    function.__name__: function
    for function in (
        only_created,
        a_row_a_second,
        long_batches,
        tiny_commits,
        steps_and_trips,
        sealed,
        sealed_while_read,
        resumed,
        checkpointed,
        folded_and_resumed,
    )
}
