"""Whether a run's record fits on the disk, before it begins.

Owns the comparison of the worst case with what is free where the run would be stored. A disk that fills up during a
test of days stops it at its most expensive moment.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from packbench.app.job import Job
from packbench.core.errors import InputError, Problem
from packbench.profile.checking.estimate import estimate_plan
from packbench.profile.checking.recording import written_at_most
from packbench.store.size import run_bytes

_TIGHT_SHARE = 0.5
"""A record that may take more than this of what is free is remarked on: others write there too."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a run may take, and what there is."""

    rows: int
    steps: int
    """Executions of steps, in the worst case as the rows."""
    needed_bytes: int
    free_bytes: int
    folder: Path
    """The nearest that exists of where the run would go."""

    @property
    def fits(self) -> bool:
        """Whether the worst case has room."""
        return self.needed_bytes <= self.free_bytes

    @property
    def is_tight(self) -> bool:
        """Whether it takes most of what there is."""
        return self.fits and self.needed_bytes > _TIGHT_SHARE * self.free_bytes

    def problem(self) -> Problem:
        """What a person is told when it is tight, or does not fit."""
        found = f"up to {size_text(self.needed_bytes)} ({self.rows:,} samples)"
        expected = (
            f"at most the {size_text(self.free_bytes)} that are free in {self.folder}: record less often, or elsewhere"
        )
        message = "the record takes most of the disk" if self.fits else "the record does not fit on the disk"
        return Problem(message, field="disk space", found=found, expected=expected)


def room_for(job: Job, folder: Path) -> Room:
    """The worst case of a job's record, and what is free where `folder` is or would be."""
    duration_s = estimate_plan(job.plan, job.pack, job.bench).duration_s.max
    written = written_at_most(job.plan, job.bench, duration_s)
    needed = run_bytes(written.rows, written.steps, job.pack.series + job.pack.temperature_sensors)
    there = _existing(folder.absolute())
    return Room(written.rows, written.steps, needed, shutil.disk_usage(there).free, there)


def require_room(job: Job, folder: Path) -> None:
    """Raises InputError when the worst case of a job's record does not fit where `folder` is or would be."""
    room = room_for(job, folder)
    if not room.fits:
        raise InputError(room.problem())


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.is_dir())


def size_text(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000.0:
            return f"{value:.3g} {unit}"
        value /= 1000.0
    return f"{value:,.3g} TB" if value < 1000.0 else f"{value:,.0f} TB"
