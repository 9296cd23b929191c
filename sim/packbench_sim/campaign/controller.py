"""One life of the host's program, on a bench that outlives it.

Owns what the program's death means: nothing that it still does reaches a device or the disk, and the world goes on.
What runs here is the production code; the death is outside of it. A controller that was killed is not tidied up after:
its tasks are ghosts that talk to dead lines until they have run out of things to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from packbench.app.conclude import DATA_NAME
from packbench.app.job import Job
from packbench.app.operators import Beforehand
from packbench.app.resuming import recorded, resumption
from packbench.app.virtual_bench import VirtualBench
from packbench.core.errors import PackbenchError, StoreError
from packbench.core.samples import BmsSample, Snapshot
from packbench.drivers.protocols import Bms
from packbench.engine.state import EngineState
from packbench.run.actor import Journal
from packbench.run.bench import BenchRun, RunOutcome
from packbench.run.operator import Nobody
from packbench.run.recorder import COMMIT_NS, BatchPolicy, Recorder, TaskWriter
from packbench.run.renewal import renewal_rules
from packbench.run.resuming import GO_ON, QUESTION, Resumption
from packbench.run.supervised import SupervisedBoard, SupervisedHere
from packbench.store.database import Durability
from packbench.store.meta import RunMeta
from packbench.store.writer import Record, RunStore
from packbench_sim.loop import VirtualClock, VirtualLoop
from packbench_sim.wire import MemoryLink

Observer = Callable[[Snapshot, EngineState], None]


@dataclass(frozen=True, slots=True)
class Disk:
    """Where and how records are kept."""

    folder: Path
    durability: Durability = Durability.PROCESS_SAFE
    vfs: str | None = None
    policy: BatchPolicy | None = None

    @property
    def path(self) -> Path:
        """The run file."""
        return self.folder / DATA_NAME


@dataclass(frozen=True, slots=True)
class Ended:
    """How a controller's life ended."""

    killed: bool
    outcome: RunOutcome | None
    """None: it was killed, or an error ended it."""
    error: Exception | None
    durable_seq: int
    """What it had been told to be on disk when it ended."""
    sealed: bool


class Controller:
    """A life. Make it in the running loop, `await live()`; `kill()` ends it at any moment."""

    def __init__(
        self,
        bench: VirtualBench,
        job: Job,
        loop: VirtualLoop,
        clock: VirtualClock,
        lines: dict[str, MemoryLink],
        disk: Disk,
        observe: Observer,
        *,
        tap: Callable[[Recorder], Journal],
        meta: RunMeta | None = None,
        operator: str = "Li",
        asked: bool = True,
    ) -> None:
        """`meta`: of a run that begins; None: the run in `disk` is resumed. `tap`: who stands before its recorder.

        `asked` False: nobody is there to say whether a run is to be gone on with.

        Raises InputError, StoreError.
        """
        self.lines = lines
        self._loop, self._clock = loop, clock
        self._killed = False
        goes_on = None if meta is not None else resumed(disk.folder, job, clock, operator)
        if meta is not None:
            self._store = RunStore.create(disk.path, meta, disk.durability, vfs=disk.vfs)
        else:
            self._store = RunStore.resume(disk.path, disk.durability, vfs=disk.vfs)
        self.writer = SlowDisk(clock)
        self.disk_error = ""
        """Why nothing can be written any more; empty: it can."""
        store = cast("RunStore", _Breakable(self._store, lambda: self.disk_error))
        self.recorder = Recorder(store, self.writer, disk.policy)
        self.failing: list[Exception] = []
        """Raised by the next reading of the BMS: an error that nobody foresaw."""
        self.failed_ns: int | None = None
        """When it was."""
        devices = bench.devices(lines, clock)
        spec = job.bench
        rules = renewal_rules(spec, job.pack, job.limits)
        board = devices.board
        assert not isinstance(board, SupervisedBoard)
        self.board = SupervisedHere(clock, board, rules, period_ns=spec.heartbeat_period_ns, lease_ns=spec.lease_ns)
        """As the channel sees it, with the supervisor behind it."""
        devices = replace(devices, board=self.board, bms=_Failing(devices.bms, self._fails))
        who = Beforehand(((QUESTION, GO_ON),), operator, Nobody()) if asked else Nobody()
        self.run = BenchRun(
            clock, devices, job.plan, job.limits, spec, job.pack, tap(self.recorder), observe, who, goes_on
        )

    async def live(self, token: int) -> Ended:
        """The whole life. `token`: the operator's word to arm, newer than any before."""
        task = asyncio.create_task(self.run.run(token), name="controller")
        self._task = task
        outcome = error = None
        try:
            await asyncio.wait([task])
            if not task.cancelled():
                outcome = task.result()
        except Exception as failure:  # noqa: BLE001 - an error that nobody foresaw ends the process, as in life
            error = failure
        if self._killed:
            return Ended(True, None, None, self.recorder.durable_seq, sealed=False)
        seal = self.run.began
        with suppress(PackbenchError):
            await self.recorder.close(seal=seal)
        for line in self.lines.values():
            line.close()
        return Ended(False, outcome, error, self.recorder.durable_seq, sealed=seal and self.recorder.failed is None)

    def _fails(self) -> None:
        """Raise what waits to be raised."""
        if self.failing:
            self.failed_ns = self._clock.now_ns()
            raise self.failing.pop()

    def kill(self) -> None:
        """As kill -9 does: nothing more reaches a device or the disk. Others must hold lines by now."""
        self._killed = True
        self._store.close()
        for line in self.lines.values():
            line.close()
        self._task.cancel()


class SlowDisk(TaskWriter):
    """A disk that may stand still, and knows when somebody first met that."""

    def __init__(self, clock: VirtualClock) -> None:
        self.stalled_ns: int | None = None
        """When a commit began that took longer than it should; None: none yet."""
        super().__init__(clock)

    @property
    def latency_ns(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the next commit lasts. Whoever asks begins one."""
        if self.stalled_ns is None and self._slow_ns > COMMIT_NS:
            self.stalled_ns = self._clock.now_ns()
        return self._slow_ns

    @latency_ns.setter
    def latency_ns(self, duration_ns: int) -> None:
        self._slow_ns = duration_ns


class _Breakable:
    """A run file on a disk that may fail."""

    def __init__(self, store: RunStore, error: Callable[[], str]) -> None:
        self.seq, self._store, self._error = store.seq, store, error

    def append(self, records: Iterable[Record]) -> int:
        self._require_sound()
        return self._store.append(records)

    def commit(self) -> int:
        self._require_sound()
        return self._store.commit()

    def seal(self) -> str:
        self._require_sound()
        return self._store.seal()

    @property
    def log_sha256(self) -> str:
        return self._store.log_sha256

    def close(self) -> None:
        self._store.close()

    def _require_sound(self) -> None:
        if error := self._error():
            # What was begun is not committed any more, whatever comes.
            self._store.close()
            raise StoreError(f"the record can no longer be kept: {error}")


class _Failing:
    """A BMS's driver whose next reading may fail in a way that nobody foresaw."""

    def __init__(self, bms: Bms, fails: Callable[[], None]) -> None:
        self.identify = bms.identify
        self._bms = bms
        self._fails = fails

    async def read(self) -> BmsSample:
        self._fails()
        return await self._bms.read()


def resumed(folder: Path, job: Job, clock: VirtualClock, operator: str) -> Resumption:
    """What `runs resume` would go on from. Raises InputError."""
    _, _, where = recorded(folder)
    return resumption(where, job, clock, operator)
