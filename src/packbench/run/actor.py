"""Carries out what the channel decided, in order, on real devices.

Owns the order of deeds and words: a step's intent is durable before its command is sent, its
acknowledgement after; commands that take energy away go first and are recorded after. A trip
cancels whatever was being done (so that a half-sent command can never switch on again what the
trip switched off) and then runs the stop sequence, which nothing can cancel.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from packbench.clock import Clock
from packbench.core.errors import DeviceError, StoreError
from packbench.core.records import Event, Row, StepRecord, Trip
from packbench.core.specs import BenchSpec
from packbench.drivers.protocols import Board, Cycler, Setpoint
from packbench.engine.effects import Drive, Effect, Finish, Note, OutputOff, StepBegan, StepEnded
from packbench.run.channel import Channel
from packbench.safety.judge import Latched

LOW_CURRENT_A = 1.0
"""Below this the contactor may open without breaking a load."""
LOW_CURRENT_WAIT_NS = 500_000_000
"""Invariant I2: |I| < 1 A within 500 ms of the off command; later is category 0."""
WATCH_NS = 20_000_000
TRIP_BY_HOST = 1
"""The board's trip code for "the host said so"."""


class Journal(Protocol):
    """What a run needs of the recorder."""

    def put_event(self, event: Event, /) -> int:
        """Queue an event; returns its number."""
        ...

    def put_row(self, row: Row, /) -> int:
        """Queue a recorded sample; returns its number."""
        ...

    def put_step(self, record: StepRecord, /) -> int:
        """Queue an ended step; returns its number."""
        ...

    def put_trip(self, trip: Trip, /) -> int:
        """Queue a trip; returns its number."""
        ...

    async def flush(self) -> int:
        """Return when everything queued so far is durable, with the number reached."""
        ...


class Actor:
    """One task that works through effects, and one that stops."""

    def __init__(self, clock: Clock, bench: BenchSpec, cycler: Cycler, board: Board, journal: Journal) -> None:
        self.finished: asyncio.Future[Finish] = asyncio.get_running_loop().create_future()
        """Done when the profile is over and, after a trip, the stop sequence too."""
        self._clock = clock
        self._cable_ohm = bench.cable_resistance_ohm if bench.sense_point == "cycler" else 0.0
        self._cycler = cycler
        self._board = board
        self._journal = journal
        self._channel: Channel | None = None
        self._origin_ns: int | None = None
        self._effects: deque[Effect] = deque()
        self._news = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    def attach(self, channel: Channel) -> None:
        """Say whose effects these are, and start working."""
        self._channel = channel
        self._working = self._start()

    def begin(self) -> None:
        """The profile starts now: event times count from here."""
        self._origin_ns = self._clock.now_ns()

    def effects(self, effects: tuple[Effect, ...]) -> None:
        """Queue effects. An output-off goes ahead of everything else in its batch."""
        first = [effect for effect in effects if isinstance(effect, OutputOff)]
        rest = [effect for effect in effects if not isinstance(effect, OutputOff)]
        self._effects.extend([*first, *rest])
        self._news.set()

    def trip(self, latched: Latched) -> None:
        """Stop now. Effects that were still to be carried out are dropped."""
        self._effects.clear()
        if self._stopping is None:
            # Cancelled before anything else can be queued: the effects that follow wait for the stop.
            if self._working is not None:
                self._working.cancel()
            self._stopping = asyncio.create_task(self._stop(latched), name="stop")

    async def close(self) -> None:
        """End the tasks, the stop sequence last and never by force."""
        if self._stopping is not None:
            await asyncio.shield(self._stopping)
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    def watch(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        """Let the run end with the error of a task that must not end by itself."""

        def on_done(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None and not self.finished.done():
                self.finished.set_exception(error)

        task.add_done_callback(on_done)
        return task

    def _start(self) -> asyncio.Task[None]:
        return self.watch(asyncio.create_task(self._work(), name="actor"))

    def event(self, kind: str, **data: object) -> None:
        """Log something now. Before the profile begins the time is 0. A store that refuses stops the run."""
        t_ns = 0 if self._origin_ns is None else self._clock.now_ns() - self._origin_ns
        try:
            self._journal.put_event(Event(t_ns, kind, dict(data)))
        except StoreError as error:
            self.store_failed(error)

    def store_failed(self, error: StoreError) -> None:
        """Stop the run: what cannot be recorded must not happen. Called from anywhere, acts after it."""
        assert self._channel is not None
        asyncio.get_running_loop().call_soon(self._channel.on_lost, "store", str(error))

    async def _work(self) -> None:
        while True:
            while self._effects:
                effect = self._effects.popleft()
                try:
                    await self._carry_out(effect)
                except (DeviceError, StoreError) as error:
                    self._command_failed(error)
            self._news.clear()
            await self._news.wait()

    def _command_failed(self, error: DeviceError | StoreError) -> None:
        """A command that failed leaves a bench nobody controls: stop, do not retry.

        After a trip the stop sequence has done what could be done; what follows is only told.
        """
        assert self._channel is not None
        if self._stopping is None:
            self._channel.on_lost("cycler" if isinstance(error, DeviceError) else "store", str(error))

    async def _carry_out(self, effect: Effect) -> None:
        match effect:
            case OutputOff():
                await self._cycler.off()
                self._expect(None, None)
                self.event("output_off")
            case StepBegan():
                self.event("step_began", number=effect.number, step=effect.step, label=effect.label, cycle=effect.cycle)
                await self._journal.flush()
            case Drive():
                setpoint = Setpoint(effect.current_a, effect.voltage_v + effect.current_a * self._cable_ohm)
                self.event("set_output", current_a=setpoint.current_a, voltage_v=setpoint.voltage_v)
                await self._journal.flush()
                await self._cycler.apply(setpoint)
                self._expect(effect.current_a, effect.voltage_v)
                self.event("output_acknowledged")
            case StepEnded():
                self._journal.put_step(effect.record)
            case Note():
                self.event(effect.kind, text=effect.text)
            case Finish():
                self.event("finished", verdict=effect.verdict, reason=effect.reason)
                if not self.finished.done():
                    self.finished.set_result(effect)

    def _expect(self, current_a: float | None, clamp_v: float | None) -> None:
        assert self._channel is not None
        now_ns = self._clock.now_ns()
        self._channel.expected = replace(
            self._channel.expected, current_a=current_a, clamp_v=clamp_v, commanded_ns=now_ns
        )

    async def _stop(self, latched: Latched) -> None:
        """The stop sequence. Each device gets its command even when another one does not answer."""
        assert self._channel is not None
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        failures: list[str] = []
        off_failures: list[str] = []
        if latched.reaction == "S0":
            await self._attempt(self._board.trip(TRIP_BY_HOST), "board", failures)
        await self._attempt(self._cycler.off(), "cycler", off_failures)
        self._expect(None, None)
        if latched.reaction == "S1" and not off_failures:
            await self._wait_low_current()
        await self._attempt(self._board.trip(TRIP_BY_HOST), "board", failures)
        self._channel.expected = replace(self._channel.expected, contactor_closed=False)
        # The store may be why this stop happened: the bench is safe either way, and the caller is told.
        with suppress(StoreError):
            self._journal.put_trip(latched.trip)
            self._journal.put_event(
                Event(latched.trip.t_ns, "stopped", {"reaction": latched.reaction, "failures": off_failures + failures})
            )
        self._working = self._start()
        self._news.set()

    async def _attempt(self, command: Awaitable[None], name: str, failures: list[str]) -> None:
        try:
            await command
        except DeviceError as error:
            failures.append(f"{name}: {error}")

    async def _wait_low_current(self) -> None:
        """Wait for a reading newer than now below 1 A, bounded."""
        assert self._channel is not None
        begun_ns = self._clock.now_ns()
        while self._clock.now_ns() - begun_ns < LOW_CURRENT_WAIT_NS:
            cycler = self._channel.snapshot().cycler
            if cycler is not None and cycler.t_ns > begun_ns and abs(cycler.current_a) < LOW_CURRENT_A:
                return
            await self._clock.sleep_until(self._clock.now_ns() + WATCH_NS)
