"""Whether a run's record fits on the disk: compared before it begins, and held free for it while it runs.

Owns the comparison of the worst case with what is free where the run would be stored, and the reserve. A disk that
fills up during a test of days stops it at its most expensive moment.

The reserve (faults catalogue, store.full) is a file without a name beside the record, of the worst case's size: nobody
sees it, and it is gone with this process, however that ends. A run for which it cannot be had is refused before
anything is switched on. While the run goes on, the reserve gives way: by as much as the record has grown, and, when
somebody else fills the disk, by as much as keeps `HEADROOM_BYTES` free for what is written next. When less is left of
it than a safe stop takes, all of it is given up and the run is stopped: the stop and the record's end have that room.
What is given up, a neighbour may be quicker to take. So `LOG_BYTES` of it become the write-ahead log's own blocks
before the run begins, which nobody can take: what is recorded until the stop is over fits in there.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from packbench.app.job import Job
from packbench.app.places import DATA_NAME
from packbench.clock import Clock
from packbench.core.errors import InputError, Problem
from packbench.profile.checking.estimate import estimate_plan
from packbench.profile.checking.recording import written_at_most
from packbench.store.size import run_bytes

_TIGHT_SHARE = 0.5
"""A record that may take more than this of what is free is remarked on: others write there too."""


HEADROOM_BYTES: Final = 16 * 1024 * 1024
"""Kept free besides the reserve: twice the write-ahead log."""
STOP_BYTES: Final = 8 * 1024 * 1024
"""What a safe stop and the end of the record may take, with the write-ahead log folded into the file."""
LOG_BYTES: Final = 16 * 1024 * 1024
"""Set aside in the write-ahead log itself: minutes of 64 channels, and twice what it grows to by itself."""
LOOK_NS: Final = 1_000_000_000
_KEEP_SIZE: Final = 1
"""FALLOC_FL_KEEP_SIZE: blocks beyond a file's end."""
_NOT_THERE: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""The file system cannot hold room."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


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


def give_way(needed_bytes: int, recorded_bytes: int, held_bytes: int, free_bytes: int) -> int | None:
    """What is to be held from now on, never more than now; None: too little is left, the run has to stop."""
    held = min(held_bytes, max(needed_bytes - recorded_bytes, STOP_BYTES))
    short = HEADROOM_BYTES - (free_bytes + held_bytes - held)  # what is given up is free then
    if short <= 0:
        return held
    return held - short if held - short >= STOP_BYTES else None


class Reserve:
    """Room held free beside a run's record. Make it with `reserved`."""

    def __init__(self, file: IO[bytes], folder: Path, needed_bytes: int) -> None:
        self._file = file
        self._folder = folder
        self._needed_bytes = needed_bytes
        self._grows = (DATA_NAME, f"{DATA_NAME}-wal")
        self.held_bytes = 0

    def hold(self) -> None:
        """Have the file system set the worst case aside. Raises InputError when it has less."""
        try:
            os.posix_fallocate(self._file.fileno(), 0, self._needed_bytes)
        except OSError as error:
            if error.errno in _FULL:
                free = shutil.disk_usage(self._folder).free
                raise InputError(
                    Problem(
                        "the room for the record cannot be held free (store.full): nothing was switched on",
                        field="disk space",
                        found=size_text(free),
                        expected=f"{size_text(self._needed_bytes)} in {self._folder}",
                    )
                ) from error
            if error.errno not in _NOT_THERE:
                raise
            return  # nothing is held; the disk is still watched
        self.held_bytes = self._needed_bytes

    def hold_log(self) -> None:
        """Make part of what is held the blocks of the write-ahead log. Raises InputError when somebody took them.

        SQLite locks the record and its index of the log, never the log: opening and closing it here drops no lock.
        """
        log = self._folder / f"{DATA_NAME}-wal"
        if self.held_bytes < LOG_BYTES + STOP_BYTES or not log.is_file():
            return
        self._shrink(self.held_bytes - LOG_BYTES)
        with log.open("r+b") as file:
            error = _fallocate_behind(file.fileno(), LOG_BYTES)
        if error in _FULL:
            expected = f"{size_text(LOG_BYTES)} in {self._folder}"
            raise InputError(Problem("store.full", field="disk space", found="a full disk", expected=expected))
        if error == 0:
            self._needed_bytes -= LOG_BYTES
            self._grows = (DATA_NAME,)

    def look(self) -> str | None:
        """Give way as far as it has come to; the reason when the run has to stop. May wait for the disk."""
        recorded = sum(_size(self._folder / name) for name in self._grows)
        free = shutil.disk_usage(self._folder).free
        held = give_way(self._needed_bytes, recorded, self.held_bytes, free)
        self._shrink(held or 0)
        if held is not None:
            return None
        return f"store.full: the disk of {self._folder} is full ({size_text(free)} free)"

    def release(self) -> None:
        """Give up all of it."""
        self._shrink(0)

    @asynccontextmanager
    async def watched(self, clock: Clock, stop: Callable[[str], object]) -> AsyncGenerator[None]:
        """Give way while the run goes on; `stop` is told the reason, once, when it has to end."""
        self.hold_log()
        task = asyncio.create_task(self._watch(clock, stop), name="packbench-reserve")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.release()  # the record's end has all of it

    async def _watch(self, clock: Clock, stop: Callable[[str], object]) -> None:
        reason = None
        while reason is None:
            await clock.sleep_until(clock.now_ns() + LOOK_NS)
            # A disk that hangs must not hold up the loop.
            reason = await asyncio.to_thread(self.look)
        stop(reason)

    def _shrink(self, size_bytes: int) -> None:
        if size_bytes < self.held_bytes:
            os.ftruncate(self._file.fileno(), size_bytes)
            self.held_bytes = size_bytes


@contextmanager
def reserved(job: Job, folder: Path) -> Generator[Reserve]:
    """Hold the worst case of a job's record free in its folder, and let go of it at the end.

    Raises InputError when there is not as much.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Without a name: a process that is killed leaves nothing behind that would fill the disk.
    with tempfile.TemporaryFile(dir=folder) as file:
        reserve = Reserve(file, folder, room_for(job, folder).needed_bytes)
        reserve.hold()
        yield reserve


def _fallocate_behind(handle: int, size_bytes: int) -> int:
    """Have a file own so many blocks without becoming longer; 0, or the error's number."""
    try:
        call = ctypes.CDLL(None, use_errno=True).fallocate
    except (AttributeError, OSError):
        return errno.ENOSYS
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return 0 if call(handle, _KEEP_SIZE, 0, size_bytes) == 0 else ctypes.get_errno()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
