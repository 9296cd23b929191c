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

NAME = "run.db"
HASHES = "SELECT seq, hash FROM events UNION ALL SELECT seq, hash FROM samples ORDER BY seq"
RECOVERIES = 40
"""Of a workload's states, so many are cut a second time."""


@dataclass(slots=True)
class Found:
    """What a workload's points came to."""

    states: Counter[str] = field(default_factory=Counter[str])
    """By kind; each distinct disk once for a point."""
    second: int = 0
    """States of a second cut, in recovery."""
    problems: list[str] = field(default_factory=list[str])

    @property
    def total(self) -> int:
        return sum(self.states.values()) + self.second


def recorded(workload: Workload, folder: Path, name: str, durability: Durability) -> list[Operation]:
    """What the workload asks of its disk."""
    folder.mkdir(parents=True, exist_ok=True)
    with Disk(f"crash-{name}") as disk:
        workload(folder / NAME, disk, durability)
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
    hashes = written(whole)
    rng, found = Random(f"{name} {seed}"), Found()
    due = {round(RECOVERIES * number) for number in range(10_000)}
    for index, (kind, contents, acknowledged) in enumerate(_states(operations, rng, every)):
        found.states[kind] += 1
        folder = base / "cut"
        problem = _judged(folder, contents, acknowledged, hashes)
        if problem:
            found.problems.append(f"{name}, {kind}, state {index}: {problem}")
        elif index in due and acknowledged >= 0:
            found.second += _second(folder, contents, hashes, rng, found, f"{name}, state {index}")
    shutil.rmtree(base)
    return found


def _states(operations: list[Operation], rng: Random, every: int) -> Iterator[tuple[str, Contents, int]]:
    cut, seen = Cut(), set[bytes]()
    for number, operation in enumerate(operations):
        cut.apply(operation)
        if number % every:
            continue
        for kind, contents in cut.states(rng):
            digest = hashlib.sha256()
            digest.update(str(cut.acknowledged).encode())
            for file, data in sorted(contents.items()):
                digest.update(file.encode() + b"\0" + hashlib.sha256(data).digest())
            if digest.digest() not in seen:
                seen.add(digest.digest())
                yield kind, contents, cut.acknowledged


def _lay_out(folder: Path, contents: Contents) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)


def _judged(folder: Path, contents: Contents, acknowledged: int, hashes: list[bytes]) -> str:
    """What is wrong with a state; empty: nothing."""
    _lay_out(folder, contents)
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


def _second(folder: Path, contents: Contents, hashes: list[bytes], rng: Random, found: Found, what: str) -> int:
    """Cut the power again while the run is being resumed; how many states were looked at."""
    _lay_out(folder, contents)
    count = 0
    with Disk("crash-second") as disk:
        cut = Cut()
        for name, data in contents.items():
            # After a restart, what is on the disk is on the disk.
            cut.apply(Operation("open", name))
            cut.apply(Operation("write", name, 0, data))
            cut.apply(Operation("sync", name))
        cut.apply(Operation("folder", ""))
        try:
            store = RunStore.resume(folder / NAME, Durability.POWER_SAFE, vfs=disk.vfs)
        except InputError:
            return 0  # sealed: nothing to go on with
        before = store.durable_seq
        cut.acknowledged = before
        store.append([encode_event(make_event(1))])
        disk.acknowledged(store.commit())
        store.close()
    longer = written(folder)
    for operation in disk.operations:
        cut.apply(operation)
        for kind, left in cut.states(rng):
            count += 1
            problem = _judged(folder, left, cut.acknowledged, longer)
            if problem:
                found.problems.append(f"{what}, second cut, {kind}: {problem}")
    assert longer[:before] == hashes[:before]
    return count
