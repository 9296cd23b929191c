"""The recorder: takes what a channel wants written down, and says when it is durable.

Owns the bounded queue between the control loop and the store, batching, and acknowledgement.
Must not touch SQL, and must never make the control loop wait: putting is synchronous and O(1).
SQLite on the loop costs tens of milliseconds at p99, so the live writer is a thread of its own.
Executor threads do not know virtual time, so where the loop's clock jumps the writer is a task of
that loop that commits after a modelled latency. Both stand behind `Writer` and take the same
batches from the same queue, so that both leave the same chain.

The queue is bounded by what has not been acknowledged. When it is full, rows are refused from then
on (a record with a hole is worse than one that ends) and the run must stop; events have a reserve,
so that the safe stop itself is still on record. A failed write is final: nothing is retried,
everything acknowledged stays, and every later put and flush raises StoreError.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from packbench.clock import Clock
from packbench.core.errors import StoreError
from packbench.core.records import Event, Gap, Row, StepRecord, Trip
from packbench.store.chain import encode_event
from packbench.store.codec import gap_event, step_event, trip_event
from packbench.store.writer import Record, RunStore

_Value = TypeVar("_Value")

STALLED_S: Final = 5.0
"""What a disk may take for one commit (faults catalogue, store.fsync: 5 s of spool, then a stop)."""
COMMIT_NS: Final = 5_000_000
"""What a commit is taken to last where time is virtual."""
_TRANSACTION_RECORDS_MAX: Final = 5_000
"""A longer transaction would stall the commit that a step waits for."""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """When to commit, and how much may wait."""

    max_records: int = 500
    """Commit as soon as so many wait."""
    max_delay_s: float = 1.0
    """No record waits longer than this for its commit to begin."""
    capacity: int = 20_000
    """Unacknowledged records at which rows are refused: at 10 rows/s, over half an hour."""
    event_reserve: int = 1_000
    """Room for events beyond `capacity`."""


class Pump:
    """What a writer does with the queue: take a batch, write it, report. Any one thread."""

    def __init__(self, store: RunStore, queue: deque[Record]) -> None:
        self._store = store
        self._queue = queue

    def waiting(self) -> int:
        """How many records wait."""
        return len(self._queue)

    def take(self, count: int) -> list[Record]:
        """The next batch, oldest first: `count` records that wait, or one transaction's worth."""
        queue = self._queue
        return [queue.popleft() for _ in range(min(count, _TRANSACTION_RECORDS_MAX))]

    def write(self, batch: list[Record]) -> int:
        """Write and commit a batch. Returns the number that is now durable. Raises StoreError."""
        self._store.append(batch)
        return self._store.commit()

    def finish(self, seal: bool) -> str:
        """End the record and let go of the file. Returns log_sha256. Raises StoreError."""
        try:
            return self._store.seal() if seal else self._store.log_sha256
        finally:
            self._store.close()

    def abandon(self) -> None:
        """Let go of the file after a failure."""
        self._store.close()


@dataclass(frozen=True, slots=True)
class Reports:
    """Where a writer tells what happened. To be called in the loop."""

    begun: Callable[[int], None]
    """The commit of so many records begins."""
    durable: Callable[[int], None]
    failed: Callable[[StoreError], None]
    finished: Callable[[str | None], None]
    """The writer has ended, with log_sha256, or None after a failure. Always the last report."""


class Writer(Protocol):
    """What drains the queue."""

    def start(self, pump: Pump, reports: Reports, max_delay_s: float) -> None:
        """Begin; called once, in the running loop."""
        ...

    def arm(self) -> None:
        """A record waits: begin its commit within max_delay_s."""
        ...

    def wake(self) -> None:
        """Begin a commit now."""
        ...

    def stop(self, seal: bool) -> None:
        """Write what waits, end the record, report `finished`."""
        ...


class Recorder:
    """One run's recorder. Create it inside the running loop; `close` it in every case."""

    def __init__(self, store: RunStore, writer: Writer, policy: BatchPolicy | None = None) -> None:
        self._policy = policy or BatchPolicy()
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Record] = deque()
        self._seq = self._durable_seq = store.seq
        self._room = self._policy.capacity
        self._armed = False
        self._closed = False
        self._failed: StoreError | None = None
        self._overflow: StoreError | None = None
        self._waiting: deque[tuple[int, asyncio.Future[int]]] = deque()
        self._end: asyncio.Future[str | None] = self._loop.create_future()
        self._stalled: asyncio.TimerHandle | None = None
        self._max_records = self._policy.max_records
        self._writer = writer
        reports = Reports(self._on_begun, self._on_durable, self._on_failed, self._on_finished)
        writer.start(Pump(store, self._queue), reports, self._policy.max_delay_s)

    @property
    def seq(self) -> int:
        """Number of the newest record put."""
        return self._seq

    @property
    def durable_seq(self) -> int:
        """Every record up to this number is durable."""
        return self._durable_seq

    @property
    def failed(self) -> StoreError | None:
        """Why the record cannot go on: a failed write or a full queue. The run must stop."""
        return self._failed or self._overflow

    def put_row(self, row: Row) -> int:
        """Queue a sample. Returns its number.

        Raises StoreError when the queue is full (and ever after) or writing has failed.
        """
        seq = self._seq + 1
        if seq - self._durable_seq > self._room:
            self._refuse_row()
        self._seq = seq
        queue = self._queue
        queue.append(row)
        if not self._armed:
            self._armed = True
            self._writer.arm()
        if len(queue) == self._max_records:
            self._writer.wake()
        return seq

    def put_event(self, event: Event) -> int:
        """Queue an event; its data is fixed here. Returns its number.

        Raises StoreError when even the reserve is used up or writing has failed, ValueError or
        TypeError when the data is not plain JSON with finite numbers.
        """
        encoded = encode_event(event)
        seq = self._seq + 1
        if self._failed is not None or self._closed:
            raise self._failed or StoreError("the recorder has been closed")
        if seq - self._durable_seq > self._policy.capacity + self._policy.event_reserve:
            raise self._overflowed()
        self._seq = seq
        self._queue.append(encoded)
        if not self._armed:
            self._armed = True
            self._writer.arm()
        if len(self._queue) == self._max_records:
            self._writer.wake()
        return seq

    def put_step(self, step: StepRecord) -> int:
        """Queue an ended step, like `put_event`."""
        return self.put_event(step_event(step))

    def put_trip(self, trip: Trip) -> int:
        """Queue a trip, like `put_event`; its commit begins at once: nobody may go on with a run that has tripped."""
        seq = self.put_event(trip_event(trip))
        self._writer.wake()
        return seq

    def put_gap(self, gap: Gap) -> int:
        """Queue a gap, like `put_event`."""
        return self.put_event(gap_event(gap))

    async def flush(self) -> int:
        """Return when everything put so far is durable, with the number reached.

        Await this between a step's intent and its command. Raises StoreError when writing failed.
        """
        if self._failed is not None:
            raise self._failed
        seq = self._seq
        if seq <= self._durable_seq:
            return self._durable_seq
        if self._closed:
            raise StoreError("the recorder has been closed")
        done: asyncio.Future[int] = self._loop.create_future()
        self._waiting.append((seq, done))
        self._writer.wake()
        return await done

    async def close(self, *, seal: bool = True) -> str:
        """Write what waits, end the record, let go of the file. Returns log_sha256.

        `seal=False` leaves the run open to be resumed. Idempotent. Raises StoreError when writing
        failed, after everything has been let go.
        """
        if not self._closed:
            self._closed = True
            self._room = -1
            self._writer.stop(seal)
        log_sha256 = await asyncio.shield(self._end)
        if log_sha256 is None:
            raise self._failed or StoreError("the recorder's writer ended unexpectedly")
        return log_sha256

    def _refuse_row(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._closed:
            raise StoreError("the recorder has been closed")
        raise self._overflowed()

    def _overflowed(self) -> StoreError:
        self._room = -1  # from now on every row is refused
        if self._overflow is None:
            waiting = self._seq - self._durable_seq
            self._overflow = StoreError(f"the recorder's queue is full ({waiting} records wait for the disk)")
        return self._overflow

    def _on_begun(self, count: int) -> None:
        """A commit that lasts `STALLED_S` is a failure, told while it still lasts: the run is to end by itself."""
        error = StoreError(f"the disk has not taken {count} records within {STALLED_S:g} s")
        self._over()
        self._stalled = self._loop.call_later(STALLED_S, self._on_failed, error)

    def _over(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _on_durable(self, seq: int) -> None:
        self._over()
        self._durable_seq = seq
        # The writer took everything that waited; what came in since needs its own deadline.
        self._armed = bool(self._queue)
        if self._armed:
            self._writer.arm()
        waiting = self._waiting
        while waiting and waiting[0][0] <= seq:
            done = waiting.popleft()[1]
            if not done.done():
                done.set_result(seq)

    def _on_failed(self, error: StoreError) -> None:
        self._over()
        self._failed = error
        self._room = -1
        while self._waiting:
            done = self._waiting.popleft()[1]
            if not done.done():
                done.set_exception(error)

    def _on_finished(self, log_sha256: str | None) -> None:
        if log_sha256 is None and self._failed is None:
            self._on_failed(StoreError("the recorder's writer ended unexpectedly"))
        if not self._end.done():
            self._end.set_result(log_sha256)


class ThreadWriter:
    """Commits in a thread of its own: for loops that run on real time."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self._stopping = False
        self._seal = False

    def start(self, pump: Pump, reports: Reports, max_delay_s: float) -> None:
        self._pump, self._reports, self._max_delay_s = pump, reports, max_delay_s
        self._loop = asyncio.get_running_loop()
        # A daemon: a program that dies must not hang on its recorder; the file is sound at any moment.
        threading.Thread(target=self._run, name="packbench-recorder", daemon=True).start()

    def arm(self) -> None:
        """Nothing to do: the thread looks at least every max_delay_s."""

    def wake(self) -> None:
        self._wake.set()

    def stop(self, seal: bool) -> None:
        self._seal = seal
        self._stopping = True
        self._wake.set()

    def _run(self) -> None:
        log_sha256: str | None = None
        try:
            while True:
                self._wake.wait(self._max_delay_s)
                self._wake.clear()
                stopping = self._stopping  # before counting: what is put before stop() is written
                waiting = self._pump.waiting()
                while waiting:
                    batch = self._pump.take(waiting)
                    waiting -= len(batch)
                    self._report(self._reports.begun, len(batch))
                    self._report(self._reports.durable, self._pump.write(batch))
                if stopping:
                    log_sha256 = self._pump.finish(self._seal)
                    return
        except StoreError as error:
            self._report(self._reports.failed, error)
        finally:
            self._pump.abandon()
            self._report(self._reports.finished, log_sha256)

    def _report(self, report: Callable[[_Value], None], value: _Value) -> None:
        # RuntimeError: the loop was closed without closing the recorder; nobody is left to be told.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(report, value)


class TaskWriter:
    """Commits in a task of the loop after a modelled latency: for loops on virtual time."""

    def __init__(self, clock: Clock, latency_ns: int = COMMIT_NS) -> None:
        self.latency_ns = latency_ns
        """What the next commit lasts; a disk may become slow."""
        self._clock = clock
        self._wake = asyncio.Event()
        self._stopping = False
        self._seal = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self, pump: Pump, reports: Reports, max_delay_s: float) -> None:
        self._pump, self._reports, self._max_delay_s = pump, reports, max_delay_s
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="packbench-recorder")

    def arm(self) -> None:
        # Only while something waits: an idle recorder must not keep the loop's time moving.
        if self._timer is None:
            self._timer = self._loop.call_later(self._max_delay_s, self.wake)

    def wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake.set()

    def stop(self, seal: bool) -> None:
        self._seal = seal
        self._stopping = True
        self.wake()

    async def _run(self) -> None:
        log_sha256: str | None = None
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                stopping = self._stopping
                waiting = self._pump.waiting()
                while waiting:
                    batch = self._pump.take(waiting)
                    waiting -= len(batch)
                    self._reports.begun(len(batch))
                    await self._clock.sleep_until(self._clock.now_ns() + self.latency_ns)
                    self._reports.durable(self._pump.write(batch))
                if stopping:
                    log_sha256 = self._pump.finish(self._seal)
                    return
        except StoreError as error:
            self._reports.failed(error)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._pump.abandon()
            self._reports.finished(log_sha256)
