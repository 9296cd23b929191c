"""Every point of a workload, every disk that a power cut there may leave, and whether the run comes back from it.

Owns the check. A state is good when the run opens, its chain holds, everything that somebody was told to be durable is
in it exactly once and in order, what is beyond that is a prefix of what was written, and the run can be gone on with;
and when the same holds after a second cut in the middle of that recovery.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.crash.workloads import Workload
from tests.unit.store_samples import make_event, make_row

from packbench.core.errors import InputError, PackbenchError
from packbench.store.chain import encode_event
from packbench.store.database import Durability, open_reader
from packbench.store.reader import RunReader
from packbench.store.writer import RunStore
from packbench_sim.disk import Disk, Operation
from packbench_sim.disk_states import Contents, Cut

FOLDER, NAME = "run", "run.db"
HASHES = "SELECT seq, hash FROM events UNION ALL SELECT seq, hash FROM samples ORDER BY seq"
SECOND_EVERY = 12
"""Of a workload's states, one in so many is cut a second time."""
STALE_EVERY = 5
"""In one state of so many, what the log's index had been is left on the disk, too: SQLite never syncs it."""


@dataclass(slots=True)
class Found:
    """What a workload's points came to."""

    states: Counter[str] = field(default_factory=Counter[str])
    """By kind; each distinct disk once for a point."""
    second: int = 0
    """States of a second cut, in recovery."""
    revived: int = 0
    """Of these, those with a record of the first life which the recovery had not found."""
    problems: list[str] = field(default_factory=list[str])

    @property
    def total(self) -> int:
        return sum(self.states.values()) + self.second


def recorded(workload: Workload, base: Path, name: str, durability: Durability) -> list[Operation]:
    """What the workload asks of its disk."""
    base.mkdir(parents=True, exist_ok=True)
    with Disk(f"crash-{name}") as disk:
        workload(base / FOLDER / NAME, disk, durability)
    return disk.operations


def written(folder: Path) -> list[bytes]:
    """The hashes of all records of a run, in order."""
    db = open_reader(folder / NAME)
    try:
        found = db.execute(HASHES).fetchall()
    finally:
        db.close()
    assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
    return [bytes(value) for _, value in found]


def crash_points(
    name: str, workload: Workload, base: Path, seed: int, durability: Durability = Durability.POWER_SAFE, every: int = 1
) -> Found:
    """Cut the power at every `every`-th operation of a workload, and look at what is left."""
    whole = base / "whole"
    operations = recorded(workload, whole, name, durability)
    hashes = written(whole / FOLDER)
    rng, found = Random(f"{name} {seed}"), Found()
    folder = base / "cut"
    for index, (kind, contents, acknowledged) in enumerate(distinct_states(Cut(), operations, rng, every)):
        found.states[kind] += 1
        stale = {"run.db-shm": rng.randbytes(32_768)} if "run.db-wal" in contents and index % STALE_EVERY == 0 else {}
        problem = judged(folder, contents | stale, acknowledged, hashes)
        if problem:
            found.problems.append(f"{name}, {kind}, state {index}: {problem}")
        elif index % SECOND_EVERY == 0 and acknowledged >= 0:
            _second(folder, contents, hashes, rng, found, f"{name}, state {index}")
    shutil.rmtree(base)
    return found


def distinct_states(
    cut: Cut, operations: list[Operation], rng: Random, every: int = 1
) -> Iterator[tuple[str, Contents, int]]:
    """(kind, files, number acknowledged) at every `every`-th operation, each but once."""
    seen = set[bytes]()
    for number, operation in enumerate(operations):
        cut.apply(operation)
        if number % every:
            continue
        for kind, contents in cut.states(rng):
            digest = hashlib.sha256(str(cut.acknowledged).encode())
            for file, data in sorted(contents.items()):
                digest.update(file.encode() + b"\0" + hashlib.sha256(data).digest())
            if digest.digest() not in seen:
                seen.add(digest.digest())
                yield kind, contents, cut.acknowledged


def lay_out(folder: Path, contents: Contents) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)


def judged(folder: Path, contents: Contents, acknowledged: int, hashes: list[bytes]) -> str:
    """What is wrong with a state; empty: nothing. Below zero acknowledged: not even that there is a run."""
    lay_out(folder, contents)
    return looked_at(folder, acknowledged, hashes)


def looked_at(folder: Path, acknowledged: int, hashes: list[bytes]) -> str:
    """What is wrong with a run that is there; empty: nothing."""
    try:
        with RunReader.open(folder / NAME) as reader:
            verified = reader.verify()
            sealed = reader.sealed
        here = written(folder)
    except PackbenchError as error:
        # A file of which nobody was told may be none yet; it is refused in words.
        return f"{type(error).__name__}: {error}" if acknowledged >= 0 else ""
    if verified.records != len(here):
        return f"{verified.records} records verified, {len(here)} there"
    return _prefix(here, hashes, acknowledged) or ("" if sealed else _gone_on_with(folder, here))


def _prefix(here: list[bytes], hashes: list[bytes], acknowledged: int) -> str:
    if here != hashes[: len(here)]:
        return "the records are not those that were written, in their order"
    if len(here) < acknowledged:
        return f"{acknowledged} records were acknowledged, {len(here)} are there"
    return ""


def _gone_on_with(folder: Path, here: list[bytes]) -> str:
    """Resume it and write on."""
    try:
        store = RunStore.resume(folder / NAME, Durability.PROCESS_SAFE)
        store.append([encode_event(make_event(1)), make_row(900)])
        store.commit()
        store.close()
        with RunReader.open(folder / NAME) as reader:
            reader.verify()
        after = written(folder)
    except (PackbenchError, InputError) as error:
        return f"it cannot be gone on with: {error}"
    return "" if after[: len(here)] == here and len(after) == len(here) + 2 else "going on changed what was there"


def _second(folder: Path, contents: Contents, hashes: list[bytes], rng: Random, found: Found, what: str) -> None:
    """Cut the power again while the run is being recovered."""
    lay_out(folder, contents)
    cut = Cut()
    for name, data in contents.items():
        # After a restart, what is on the disk is on the disk.
        cut.apply(Operation("open", name))
        cut.apply(Operation("write", name, 0, data))
        cut.apply(Operation("sync", name))
    cut.apply(Operation("folder", ""))
    with Disk("crash-second") as disk:
        before = cut.acknowledged = _recovered(folder, disk)
    longer = written(folder)
    assert longer[:before] == hashes[:before]
    for kind, left, acknowledged in distinct_states(cut, disk.operations, rng):
        found.second += 1
        problem = judged(folder, left, acknowledged, longer)
        if problem and acknowledged == before:
            # Half of the new record's frame over half of the old one's, of neither of which anybody was told, can make
            # the old one whole that the recovery had found torn: still what was written, in its order.
            problem = judged(folder, left, acknowledged, hashes)
            found.revived += not problem
        if problem:
            found.problems.append(f"{what}, second cut, {kind}: {problem}")


def _recovered(folder: Path, disk: Disk) -> int:
    """Open a run as somebody would after a power cut, and go on with it; how many records it had."""
    with RunReader.open(folder / NAME, vfs=disk.vfs) as reader:
        before = reader.verify().records
        if reader.sealed:
            return before
    store = RunStore.resume(folder / NAME, Durability.POWER_SAFE, vfs=disk.vfs)
    for number in (1, 2):
        store.append([encode_event(make_event(number))])
        disk.acknowledged(store.commit())
    store.close()
    return before
