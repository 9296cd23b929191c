"""A disk that fails at any operation of a workload: what is left at once, and what a power cut then leaves of it.

Owns the check. Whatever the disk refuses, once or from then on: as long as the file is open the store says so and takes
nothing more (workloads.py looks), and what had been acknowledged is in the run that is left, and in every run that a
power cut may leave of it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.crash.points import FOLDER, distinct_states, judged, looked_at, written
from tests.crash.workloads import GoesOnError, Workload

from packbench.core.errors import PackbenchError
from packbench.store.database import Durability
from packbench_sim.disk import Disk, Kind, Operation
from packbench_sim.disk_states import Cut

KINDS: Final[tuple[Kind, ...]] = ("open", "write", "truncate", "sync", "delete", "folder")
FOR_GOOD: Final = 1_000_000


@dataclass(slots=True)
class Failures:
    """What a workload's failures came to."""

    tried: Counter[str] = field(default_factory=Counter[str])
    """By kind of operation and error."""
    unsaid: Counter[str] = field(default_factory=Counter[str])
    """Of these, those that came while the file was closed, of which nobody is told: nothing is owed to anybody then."""
    cuts: int = 0
    """States after a power cut behind them."""
    problems: list[str] = field(default_factory=list[str])

    @property
    def total(self) -> int:
        return sum(self.tried.values())


def failures(
    name: str, workload: Workload, base: Path, seed: int, *, every: int = 1, kinds: Sequence[Kind] = KINDS
) -> Failures:
    """Let every `every`-th operation of each kind fail: for want of room and otherwise, once and from then on."""
    (base / "whole").mkdir(parents=True)
    with Disk(f"count-{name}") as disk:
        workload(base / "whole" / FOLDER / "run.db", disk, Durability.POWER_SAFE)
    count, hashes = disk.asked, written(base / "whole" / FOLDER)
    rng, found = Random(f"{name} {seed}"), Failures()
    for kind in kinds:
        for after in range(0, count[kind], every):
            for full in (False, True):
                if full and kind in ("sync", "delete", "folder"):
                    continue  # takes no room
                for times in (1, FOR_GOOD):
                    one = _One(kind, after, full, times)
                    problem = one.tried(workload, base / "one", hashes, rng, found)
                    if problem:
                        found.problems.append(f"{name}, {one.text} after {after} of its kind: {problem}")
    shutil.rmtree(base)
    return found


@dataclass(frozen=True, slots=True)
class _One:
    kind: Kind
    after: int
    full: bool
    times: int

    @property
    def text(self) -> str:
        often = "once" if self.times == 1 else "for good"
        return f"{'ENOSPC' if self.full else 'EIO'} {often} at {self.kind}"

    def tried(self, workload: Workload, base: Path, hashes: list[bytes], rng: Random, found: Failures) -> str:
        """What is wrong; empty: nothing."""
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir()
        found.tried[self.text] += 1
        with Disk("failing") as disk:
            disk.fail(self.kind, after=self.after, full=self.full, times=self.times)
            try:
                workload(base / FOLDER / "run.db", disk, Durability.POWER_SAFE)
            except GoesOnError as error:
                return str(error)
            except PackbenchError:
                pass
            else:
                found.unsaid[self.text] += 1
        if not disk.failed:
            return "it did not fail"
        acknowledged = max((each.offset for each in disk.operations if each.kind == "acknowledged"), default=-1)
        return looked_at(base / FOLDER, acknowledged, hashes) or _cut_then(
            base / "cut", disk.operations, hashes, rng, found
        )


def _cut_then(folder: Path, operations: list[Operation], hashes: list[bytes], rng: Random, found: Failures) -> str:
    """The power goes after all of it."""
    cut = Cut()
    for operation in operations[:-1]:
        cut.apply(operation)
    for kind, contents, acknowledged in distinct_states(cut, operations[-1:], rng):
        found.cuts += 1
        problem = judged(folder, contents, acknowledged, hashes)
        if problem:
            return f"then cut, {kind}: {problem}"
    return ""
