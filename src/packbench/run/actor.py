"""Carries out what the channel decided, in order, on real devices.

Owns the order of deeds and words: a step's intent is durable before its command is sent, its
acknowledgement after; commands that take energy away go first and are recorded after. A trip is
on its way to the disk while the bench is being stopped. It cancels whatever was being done (so
that a half-sent command can never switch on again what the trip switched off), lets nothing
through that would switch on, and runs the stop sequence, which nothing can cancel.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from packbench.clock import Clock
from packbench.core.errors import DeviceError, DeviceRefused, StoreError
from packbench.core.records import Event, Gap, Row, StepRecord, Trip
from packbench.core.specs import BenchSpec
from packbench.drivers.protocols import Chamber, Setpoint
from packbench.engine.effects import (
    Ask,
    Drive,
    Effect,
    Finish,
    Launch,
    Note,
    OutputOff,
    SetChamber,
    StepBegan,
    StepEnded,
)
from packbench.run.channel import Channel
from packbench.run.driving import Driving
from packbench.run.operator import Nobody, Operator, OperatorGone, put
from packbench.run.stopping import Stopper
from packbench.safety.judge import Latched

DURABLE_WITHIN_S = 5.0
"""The disk may take this long before a step that waits for it is stopped (faults catalogue, store.fsync)."""


_WORDS = (StepEnded, Note, Finish)
"""What may still be carried out after a trip: nothing that reaches a device."""


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

    def put_gap(self, gap: Gap, /) -> int:
        """Queue a gap; returns its number."""
        ...

    async def flush(self) -> int:
        """Return when everything queued so far is durable, with the number reached."""
        ...


class Actor:
    """One task that works through effects, and one that stops."""

    def __init__(
        self,
        clock: Clock,
        bench: BenchSpec,
        cycler: Driving,
        stopper: Stopper,
        journal: Journal,
        chamber: Chamber | None = None,
        operator: Operator | None = None,
    ) -> None:
        self.finished: asyncio.Future[Finish] = asyncio.get_running_loop().create_future()
        """Done when the profile is over and, after a trip, the stop sequence too."""
        self._clock = clock
        self._cable_ohm = bench.cable_resistance_ohm if bench.sense_point == "cycler" else 0.0
        self._cycler = cycler
        self._chamber = chamber
        self._stopper = stopper
        self._journal = journal
        self._channel: Channel | None = None
        self._origin_ns: int | None = None
        self._effects: deque[Effect] = deque()
        self._news = asyncio.Event()
        self._off_wanted = asyncio.Event()
        """An output-off waits: what is about to switch on must not, however long the disk takes."""
        self._driven_a = 0.0
        """The current last commanded; 0: the output is off."""
        self._working: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._closed = False
        self._operator = operator or Nobody()
        self._asking: asyncio.Task[None] | None = None
        """The question that stands while the profile runs."""

    def attach(self, channel: Channel) -> None:
        """Say whose effects these are, and start working."""
        self._channel = channel
        self._working = self._start()

    def begin(self, origin_ns: int) -> None:
        """Event times count from here: the instant at which the profile began."""
        self._origin_ns = origin_ns

    def guard(self, starting: asyncio.Task[None]) -> None:
        """A trip cancels this task too: the bench's start-up, which sends commands of its own."""
        self._starting = starting

    def effects(self, effects: tuple[Effect, ...]) -> None:
        """Queue effects. An output-off goes ahead of everything that waits, and what would switch on is dropped."""
        if any(isinstance(effect, Finish) for effect in effects):
            self._unask()
        if self._stopping is not None:
            effects = tuple(effect for effect in effects if isinstance(effect, _WORDS))
        first = [effect for effect in effects if isinstance(effect, OutputOff)]
        rest = [effect for effect in effects if not isinstance(effect, OutputOff)]
        if first:
            self._off_wanted.set()
            waiting = [effect for effect in self._effects if not isinstance(effect, Drive | Launch | OutputOff)]
            self._effects = deque([*first, *waiting])
        self._effects.extend(rest)
        self._news.set()

    def trip(self, latched: Latched) -> None:
        """Stop now. What would still have switched on is dropped; what is to be told stays."""
        if self._stopping is not None or self._closed:
            # Being stopped already; or the run is over, and its shutting down stops the bench by itself.
            return
        self._effects = deque(effect for effect in self._effects if isinstance(effect, _WORDS))
        self._unask()
        # Cancelled before anything else can be queued: the effects that follow wait for the stop.
        for task in (self._working, self._starting):
            if task is not None:
                task.cancel()
        self._stopping = self.watch(asyncio.create_task(self._stop(latched), name="stop"))
        self.put_trip(latched.trip)

    async def close(self) -> None:
        """End the tasks, the stop sequence last and never by force."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if (asking := self._unask()) is not None:
            await asyncio.gather(asking, return_exceptions=True)
        if self._stopping is not None:
            await asyncio.gather(asyncio.shield(self._stopping), return_exceptions=True)
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

    def event(self, kind: str, **data: Any) -> None:
        """Log something now. Before the profile begins the time is 0. A store that refuses stops the run."""
        t_ns = 0 if self._origin_ns is None else self._clock.now_ns() - self._origin_ns
        try:
            self._journal.put_event(Event(t_ns, kind, data))
        except StoreError as error:
            self.store_failed(error)

    def gap(self, gap: Gap) -> None:
        """Log a stretch of which nothing is known. A store that refuses stops the run."""
        try:
            self._journal.put_gap(gap)
        except StoreError as error:
            self.store_failed(error)

    def put_trip(self, trip: Trip) -> None:
        """Write a trip down, before anything is waited for: a run that has tripped is not gone on with."""
        # The store may be why it happened: the bench is stopped either way.
        with suppress(StoreError):
            self._journal.put_trip(trip)

    def put_stopped(self, trip: Trip, **data: Any) -> None:
        """And how the bench was stopped."""
        with suppress(StoreError):
            self._journal.put_event(Event(trip.t_ns, "stopped", data))

    def store_failed(self, error: StoreError) -> None:
        """Stop the run: what cannot be recorded must not happen. Called from anywhere, acts after it."""
        assert self._channel is not None
        asyncio.get_running_loop().call_soon(self._channel.on_lost, "store", str(error))

    def _start(self) -> asyncio.Task[None]:
        return self.watch(asyncio.create_task(self._work(), name="actor"))

    async def _work(self) -> None:
        while True:
            while self._effects:
                effect = self._effects.popleft()
                try:
                    await self._carry_out(effect)
                except (DeviceError, StoreError) as error:
                    self._command_failed(effect, error)
            self._news.clear()
            await self._news.wait()

    def _command_failed(self, effect: Effect, error: DeviceError | StoreError) -> None:
        """A command that failed leaves a bench nobody controls: stop, do not retry.

        After a trip the stop sequence has done what could be done; what follows is only told.
        """
        assert self._channel is not None
        if self._stopping is None:
            device = "chamber" if isinstance(effect, SetChamber) else "cycler"
            self._channel.on_lost(device if isinstance(error, DeviceError) else "store", str(error))

    async def _carry_out(self, effect: Effect) -> None:
        match effect:
            case OutputOff():
                await self._off()
            case StepBegan():
                if self._driven_a:
                    # From one driven step to the next: no current while the disk is waited for.
                    await self._off()
                data = {"number": effect.number, "step": effect.step, "label": effect.label, "cycle": effect.cycle}
                self.event("step_began", **data)
                await self.durable()
            case Drive():
                await self._drive(effect)
            case Launch():
                self.event("launch")
                if not await self._durable_first():
                    return
                await self._cycler.launch()
                self.event("launch_acknowledged")
            case SetChamber():
                await self._condition(effect)
            case Ask():
                # By a task of its own: a person may take hours, and an "off" waits for nobody.
                self._asking = self.watch(asyncio.create_task(self._ask(effect), name="question"))
            case StepEnded():
                self._journal.put_step(effect.record)
            case Note():
                self.event(effect.kind, text=effect.text)
            case Finish():
                if self.finished.done():
                    # Two may say in the same turn that it is over: the first has said so.
                    return
                said = {"verdict": effect.verdict, "reason": effect.reason, "reason_zh": effect.reason_zh}
                self.event("finished", **said, variables=[list(one) for one in effect.variables])
                self.finished.set_result(effect)

    async def _durable_first(self) -> bool:
        """Wait for the disk before something is switched on; false: an "off" came meanwhile, and goes first."""
        durable = asyncio.ensure_future(self.durable())
        # Whoever cancels this task does not ask how the disk fared.
        durable.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        off = asyncio.ensure_future(self._off_wanted.wait())
        try:
            await asyncio.wait({durable, off}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            off.cancel()
            if not durable.done():
                durable.cancel()
        if self._off_wanted.is_set():
            await asyncio.gather(durable, return_exceptions=True)
            self.event("output_withdrawn")
            return False
        await durable
        return True

    async def _off(self) -> None:
        self._off_wanted.clear()
        await self._cycler.off()
        self._driven_a = 0.0
        self._expect(None, None)
        self.event("output_off")

    async def _drive(self, effect: Drive) -> None:
        """Command a current. One that is smaller than what flows is sent before it is written down."""
        setpoint = Setpoint(effect.current_a, effect.voltage_v + effect.current_a * self._cable_ohm)
        same_way = self._driven_a != 0.0 and effect.current_a * self._driven_a >= 0.0
        reduces = same_way and abs(effect.current_a) <= abs(self._driven_a)
        self.event("set_output", current_a=setpoint.current_a, voltage_v=setpoint.voltage_v)
        if not reduces and not await self._durable_first():
            return
        assert self._channel is not None
        expected = self._channel.expected
        if expected.current_a is None:
            # A reading may show it before the cycler has acknowledged it: that is no "off" ignored.
            self._channel.expected = replace(expected, switched_ns=self._clock.now_ns())
        self._channel.given_ns = self._clock.now_ns()
        await self._cycler.apply(setpoint)
        self._driven_a = effect.current_a
        self._expect(effect.current_a, effect.voltage_v)
        self.event("output_acknowledged")

    async def _condition(self, effect: SetChamber) -> None:
        """Command the chamber. No current flows while its answer is waited for: an "off" would wait as well."""
        if self._driven_a:
            await self._off()
        self.event("set_chamber", temperature_c=effect.temperature_c)
        await self.durable()
        if self._chamber is None:
            raise DeviceRefused("this bench has no climate chamber")
        if effect.temperature_c is None:
            await self._chamber.stop()
        else:
            await self._chamber.hold(effect.temperature_c)
        self.event("chamber_acknowledged")

    async def ask(self, question: Ask) -> str:
        """Put a question to the operator; the word answered. Raises OperatorGone, StoreError."""
        return await put(question, self._operator, self)

    async def _ask(self, question: Ask) -> None:
        """Put a question of the running profile, and hand the answer to the channel."""
        assert self._channel is not None
        try:
            word = await self.ask(question)
        except OperatorGone as gone:
            self._asking = None
            self._channel.abort(str(gone))
        except StoreError as error:
            self.store_failed(error)
        else:
            self._asking = None
            self._channel.answer(question.label, word)

    def _unask(self) -> asyncio.Task[None] | None:
        """The question that stands, or is about to be asked, needs no answer any more. The task that is cancelled."""
        self._effects = deque(effect for effect in self._effects if not isinstance(effect, Ask))
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
        return asking

    async def durable(self) -> None:
        """Wait until everything said so far is on disk, and no longer than the disk is given."""
        try:
            async with asyncio.timeout(DURABLE_WITHIN_S):
                await self._journal.flush()
        except TimeoutError:
            raise StoreError(f"the disk did not take the record within {DURABLE_WITHIN_S:g} s") from None

    def _expect(self, current_a: float | None, clamp_v: float | None) -> None:
        assert self._channel is not None
        self._channel.told(current_a, clamp_v)

    async def _stop(self, latched: Latched) -> None:
        """The stop sequence, and then whatever is left to be told."""
        assert self._channel is not None
        cancelled = [task for task in (self._working, self._starting) if task is not None]
        await asyncio.gather(*cancelled, return_exceptions=True)
        await self._stopper.stop(latched.reaction)
        self._driven_a = 0.0
        self._expect(None, None)
        self._channel.expected = replace(self._channel.expected, contactor_closed=False)
        self.put_stopped(latched.trip, reaction=latched.reaction, failures=list(self._stopper.failures))
        if not self.finished.done() and not any(isinstance(effect, Finish) for effect in self._effects):
            # The profile had not begun, or had ended already: nobody else will say that the run is over.
            self._effects.append(Finish("aborted", latched.trip.text_en))
        self._working = self._start()
        self._news.set()
