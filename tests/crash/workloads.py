"""Ten ways in which a run's file is written, each through a disk that remembers.

Owns the workloads. Each says after every acknowledgement what it was told to be durable. When the disk fails, the store
must say so and refuse everything from then on; that is looked at here, where the store is at hand.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest.mock import patch

import apsw
from tests.unit.store_samples import make_event, make_meta, make_row, make_step

from packbench.core.errors import StoreError
from packbench.core.records import Gap, Trip
from packbench.store import database, writer
from packbench.store.chain import encode_event
from packbench.store.codec import gap_event, step_event, trip_event
from packbench.store.database import Durability
from packbench.store.reader import RunReader
from packbench.store.writer import RunStore
from packbench_sim.disk import Disk, Operation

S = 1_000_000_000
Workload = Callable[[Path, Disk, Durability], None]


class GoesOnError(AssertionError):
    """A store took records after the disk had failed."""


@contextmanager
def begin(path: Path, disk: Disk, durability: Durability) -> Generator[RunStore]:
    """A new run file in a new folder; that it is there is the first thing that somebody is told."""
    disk.home = path.parent

    def sync_folder(folder: Path) -> None:
        try:
            disk.folder_synced(folder)
        except apsw.Error as error:
            raise OSError(errno.EIO, str(error)) from error

    for folder in reversed([folder for folder in path.parents if not folder.exists()]):
        disk.note(Operation("made", str(folder)))

    def create() -> RunStore:
        with patch.object(writer, "sync_folder", sync_folder):
            store = RunStore.create(path, make_meta(), durability, vfs=disk.vfs)
        disk.acknowledged(0)
        return store

    with writing(create, disk) as store:
        yield store


def resume(path: Path, disk: Disk, durability: Durability) -> AbstractContextManager[RunStore]:
    return writing(lambda: RunStore.resume(path, durability, vfs=disk.vfs), disk)


@contextmanager
def writing(opened: Callable[[], RunStore], disk: Disk) -> Generator[RunStore]:
    """Open it, and close it in the end; one that failed must refuse to go on."""
    before = disk.failed
    store = opened()
    try:
        yield store
        if disk.failed > before:
            raise GoesOnError("the disk failed, and the store said nothing")
    except StoreError:
        for attempt in (lambda: store.append([make_row(99)]), store.commit, store.seal):
            try:
                attempt()
            except StoreError:
                continue
            raise GoesOnError("the store goes on after it failed") from None
        raise
    finally:
        store.close()


def commit(store: RunStore, disk: Disk) -> None:
    disk.acknowledged(store.commit())


def only_created(path: Path, disk: Disk, durability: Durability) -> None:
    with begin(path, disk, durability):
        pass


def a_row_a_second(path: Path, disk: Disk, durability: Durability) -> None:
    with begin(path, disk, durability) as store:
        for index in range(1, 13):
            store.append([make_row(index)])
            commit(store, disk)


def long_batches(path: Path, disk: Disk, durability: Durability) -> None:
    with begin(path, disk, durability) as store:
        for first in (1, 41, 81):
            store.append([make_row(index) for index in range(first, first + 40)])
            commit(store, disk)


def tiny_commits(path: Path, disk: Disk, durability: Durability) -> None:
    with begin(path, disk, durability) as store:
        for index in range(1, 25):
            store.append([encode_event(make_event(index))])
            commit(store, disk)


def steps_and_trips(path: Path, disk: Disk, durability: Durability) -> None:
    with begin(path, disk, durability) as store:
        for number in range(1, 5):
            store.append([make_row(number * 10 + index) for index in range(3)])
            step = make_step(number, step=number, started_ns=number * S, ended_ns=number * S + 9)
            gap = Gap(number * S, number * S + 5, "gap")
            store.append([encode_event(step_event(step)), encode_event(gap_event(gap))])
            commit(store, disk)
        trip = Trip("bms_stale", "comms.bms_lost", 5 * S, 3.0, 2.5, "s", "The BMS is silent.", "BMS 没有应答。")
        store.append([encode_event(trip_event(trip))])
        commit(store, disk)


def sealed(path: Path, disk: Disk, durability: Durability) -> None:
    with begin(path, disk, durability) as store:
        store.append([make_row(index) for index in range(1, 9)])
        commit(store, disk)
        store.append([encode_event(make_event(9))])
        store.seal()
        disk.acknowledged(store.durable_seq)


def sealed_while_read(path: Path, disk: Disk, durability: Durability) -> None:
    with begin(path, disk, durability) as store:
        store.append([make_row(index) for index in range(1, 9)])
        commit(store, disk)
        with RunReader.open(path) as reader:
            assert len(reader.rows()) == 8
            store.seal()
            disk.acknowledged(store.durable_seq)
            store.close()


def resumed(path: Path, disk: Disk, durability: Durability) -> None:
    with begin(path, disk, durability) as store:
        store.append([make_row(index) for index in range(1, 6)])
        commit(store, disk)
        store.append([make_row(6)])  # is not committed, and so dropped
    with resume(path, disk, durability) as store:
        for index in range(6, 12):
            store.append([make_row(index)])
            commit(store, disk)


def checkpointed(path: Path, disk: Disk, durability: Durability) -> None:
    """Small checkpoints, so that the log is folded in and begun anew many times."""
    with patch.object(database, "CHECKPOINT_PAGES", 6), begin(path, disk, durability) as store:
        for index in range(1, 22):
            store.append([make_row(index)])
            commit(store, disk)


def folded_and_resumed(path: Path, disk: Disk, durability: Durability) -> None:
    """Closed well (the log is folded in and deleted), opened again, and left in mid-write."""
    with begin(path, disk, durability) as store:
        store.append([make_row(index) for index in range(1, 10)])
        commit(store, disk)
    with resume(path, disk, durability) as store:
        store.append([make_row(index) for index in range(10, 14)])
        commit(store, disk)
        store.append([make_row(index) for index in range(14, 18)])


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
