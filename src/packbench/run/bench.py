"""One run on one bench, from "who is there?" to "contactor open, remote control given back".

Owns the order of a run: identify, take control, watch, ask, arm and close (run/arming.py), test, open.
It must not decide (the channel does) nor choose devices (the composition root does). The order in
which things are shut down is explicit, because a task group's is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from packbench.clock import Clock
from packbench.core.errors import DeviceError, SafetyStop, StoreError
from packbench.core.limits import Limits
from packbench.core.records import Row, Trip
from packbench.core.samples import Snapshot
from packbench.core.specs import BenchSpec, PackSpec
from packbench.drivers.protocols import Board, Identity
from packbench.engine.effects import Finish
from packbench.engine.prelude import FROM_THE_TOP
from packbench.engine.state import EngineState
from packbench.profile.plan import Plan
from packbench.run.actor import DURABLE_WITHIN_S, Actor, Journal
from packbench.run.arming import Arming
from packbench.run.channel import Channel, Outbox
from packbench.run.checkpoints import CHECKPOINT
from packbench.run.controls import Controls
from packbench.run.devices import Devices
from packbench.run.energy_counter import BEGIN, END, RESUMED, note_counter
from packbench.run.first_questions import FirstQuestions, Stopped
from packbench.run.operator import Operator
from packbench.run.renewal import Feed, feed_of, renewal_rules
from packbench.run.resuming import Found, Resumption
from packbench.run.stopping import Stopper
from packbench.run.supervised import SupervisedBoard, SupervisedHere
from packbench.run.watching import Watching
from packbench.safety.sources import NAMES
from packbench.safety.view import Expectation
from packbench_board.words import BoardEvent

FIRST_READINGS_NS = 10_000_000_000
"""Every source must have answered once within this time."""
LOOK_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended, and how much was asked on the way."""

    finish: Finish
    trip: Trip | None
    """What stopped or refused it, or what was found unsafe when it was over."""
    polls: int
    heartbeats: int
    bench_ns: int
    """From the profile's first step to its end; 0 when it never began."""
    failures: tuple[str, ...]
    """Commands of the stop and of the shutdown that were not taken, in words."""


class BenchRun:
    """One execution of one plan. Make it, `await run()`, look at the outcome."""

    def __init__(
        self,
        clock: Clock,
        devices: Devices,
        plan: Plan,
        limits: Limits,
        bench: BenchSpec,
        pack: PackSpec,
        journal: Journal,
        observe: Callable[[Snapshot, EngineState], None],
        operator: Operator | None = None,
        resumption: Resumption | None = None,
    ) -> None:
        """`resumption`: go on with a run that was cut short; None: begin one."""
        self.began = resumption is None
        """Whether the record is this run's to end: one whose resumption was refused may be tried again."""
        self.compared: Callable[[Sequence[Found]], None] = lambda _found: None
        """Told what was held against the record before a run goes on, for whoever says that it does."""
        self._resumption = resumption
        self._identities: dict[str, dict[str, Any]] = {}
        self._clock = clock
        self._devices = devices
        self._plan = plan
        self._bench = bench
        self._pack = pack
        self._limits = limits
        self._journal = journal
        self._board = _supervised(clock, devices.board, bench, pack, limits)
        self._stopper = Stopper(clock, devices.cycler, self._board)
        self._actor = Actor(clock, bench, devices.cycler, self._stopper, journal, devices.chamber, operator)
        outbox = Outbox(
            self._actor.effects, self._actor.trip, self._row, self._changed, observe, self._pace, self._checkpoint
        )
        expected = _expectation(bench, pack, devices)
        self.channel = Channel(clock, plan, limits, expected, bench, devices.cycler, outbox)
        self._actor.attach(self.channel)
        self.controls = Controls(clock, self.channel, self._actor)
        """What an operator may ask of the run while it goes on."""
        self._watching = Watching(clock, bench, devices, self.channel, self._note)
        self._hear_board()
        self._tasks: list[asyncio.Task[None]] = []
        self._begin = FROM_THE_TOP

    def tell(self, kind: str, **data: Any) -> None:
        """One line in the record, of what the composition of the bench has to say."""
        self._note(kind, **data)

    def abort(self, reason: str) -> None:
        """Stop safely by an operator's word."""
        self.channel.abort(reason)

    async def run(self, token: int) -> RunOutcome:
        """Run the plan to its end. `token` is the operator's word to arm; it and the next are newer than any before.

        A bench that refuses to start is an outcome with a reason. Raises DeviceError when a device
        cannot be reached or refuses its part of the start.
        """
        began_ns = bench_ns = 0
        if self._resumption is not None:
            now_ns = self._clock.now_ns()
            self._actor.begin(now_ns - self._resumption.run_ns(now_ns))
        try:
            starting = asyncio.create_task(self._start_up(token), name="start-up")
            self._actor.guard(starting)
            if await self._started(starting):
                began_ns = self._begin_profile()
            finish = await self._actor.finished
            bench_ns = self._clock.now_ns() - began_ns if began_ns else 0
        finally:
            unsafe = await self._shut_down(began_ns)
        latched = self.channel.latched
        return RunOutcome(
            finish,
            unsafe or (None if latched is None else latched.trip),
            self._watching.polls,
            self._board.beats,
            bench_ns,
            tuple(self._stopper.failures),
        )

    def _begin_profile(self) -> int:
        """From its first step, or from where it was cut short; the instant from which the run's times count."""
        now_ns, resumption = self._clock.now_ns(), self._resumption
        if resumption is None:
            self._actor.begin(now_ns)
            self.channel.begin(self._begin)
            return now_ns
        state = resumption.state(self._plan, now_ns)
        self._actor.gap(resumption.gap(now_ns))
        self.began = True
        self.channel.resume(state, resumption.taper_a)
        return state.started_ns

    async def _started(self, starting: asyncio.Task[None]) -> bool:
        """Whether the start-up came to its end. A trip cancels it; a refusal ends the run with its reason."""
        await asyncio.wait([starting])
        if starting.cancelled():
            return False
        error = starting.exception()
        if isinstance(error, Stopped):
            return False
        if isinstance(error, SafetyStop) and self.began:
            self._actor.effects((Finish("aborted", str(error)),))
            return False
        if error is not None:
            raise error
        # A trip in the very turn in which the start-up ended: nothing may begin any more.
        return self.channel.latched is None

    async def _start_up(self, token: int) -> None:
        await self._connect()
        await self._watch()
        await note_counter(self._devices.meter, BEGIN if self._resumption is None else RESUMED, self._note)
        await self._ask()
        await self._arming().close(token)

    async def _connect(self) -> None:
        """Ask everyone who they are; all failures at once, not the first alone."""
        devices = self._devices
        asked: dict[str, Coroutine[Any, Any, Identity]] = {
            name: device.identify()
            for name, device in (
                ("board", self._board),
                ("cycler", devices.cycler),
                ("bms", devices.bms),
                ("chamber", devices.chamber),
                ("meter", devices.meter),
            )
            if device is not None
        }
        answers = await asyncio.gather(*asked.values(), return_exceptions=True)
        failures: list[str] = []
        for name, answer in zip(asked, answers, strict=True):
            if isinstance(answer, DeviceError):
                failures.append(f"{name}: {answer}")
            elif isinstance(answer, BaseException):
                raise answer
        if failures:
            raise DeviceError("; ".join(failures))
        self._identities = {name: _public(answer) for name, answer in zip(asked, answers, strict=True)}
        for name, told in self._identities.items():
            self._note("identified", device=name, **told)
        await self._devices.cycler.prepare()

    async def _watch(self) -> None:
        """Start polling, and wait until every source has answered once."""
        now_ns = self._clock.now_ns()
        for name, watching in self._watching.tasks(now_ns):
            self._tasks.append(self._actor.watch(asyncio.create_task(watching, name=f"poll {name}")))
        await self._until(
            lambda: not self.channel.unheard(),
            FIRST_READINGS_NS,
            lambda: f"no good reading of the {' and the '.join(NAMES[name][0] for name in self.channel.unheard())}",
        )

    async def _ask(self) -> None:
        """What is to be known before the pack is connected. An answer may end the run here."""
        questions = FirstQuestions(self._clock, self._actor, self._require_clear)
        if self._resumption is None:
            following = await questions.of(self._plan)
            if isinstance(following, Finish):
                self._actor.effects((following,))
                raise Stopped
            self._begin = following
        else:
            found = self._resumption.compare(self.channel.snapshot(), self._pack, self._identities)
            self.compared(found)
            await questions.whether_to_go_on(self._resumption, found)

    def _arming(self) -> Arming:
        return Arming(
            self._clock,
            self._board,
            self._devices.cycler,
            self.channel,
            self._bench,
            self._limits,
            self._note,
            self._require_clear,
        )

    def _require_clear(self) -> None:
        """Nothing is switched on once the run is over or a rule has tripped."""
        if self._actor.finished.done() or self.channel.latched is not None:
            raise Stopped

    async def _until(self, met: Callable[[], bool], limit_ns: int, complaint: Callable[[], str]) -> None:
        deadline_ns = self._clock.now_ns() + limit_ns
        while True:
            self._require_clear()
            if met():
                return
            if self._clock.now_ns() >= deadline_ns:
                raise SafetyStop(f"the run was refused: {complaint()} within {limit_ns / 1e9:g} s")
            await self._clock.sleep_until(self._clock.now_ns() + LOOK_NS)

    async def _shut_down(self, began_ns: int) -> Trip | None:
        """Output off, contactor open, remote control back, chamber off, then the watchers; each whatever the others do.

        Returns a trip when the bench is not at rest afterwards.
        """
        await self._actor.close()
        # The contactor is to open from here on: that it does is no news to the rules, and the proof comes with it.
        self.channel.expected = replace(self.channel.expected, contactor_closed=False)
        unsafe = await self._stopper.shut_down(self._bench.contactor_release_ns)
        if unsafe is not None:
            unsafe = replace(unsafe, t_ns=self._clock.now_ns() - began_ns if began_ns else 0)
            self._actor.put_trip(unsafe)
        await self._tell_board()
        if self._devices.chamber is not None:
            await self._stopper.stop_chamber(self._devices.chamber)
        await note_counter(self._devices.meter, END, self._note)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._board.stop()
        if unsafe is not None:
            self._actor.put_stopped(unsafe, failures=list(self._stopper.failures))
        self._note("shut_down", problems=list(self._stopper.failures), at_rest=unsafe is None)
        with suppress(StoreError, TimeoutError):
            # A store that failed or stands still has been told already; the bench is at rest either way.
            async with asyncio.timeout(DURABLE_WITHIN_S):
                await self._journal.flush()
        return unsafe

    async def _tell_board(self) -> None:
        """What the board remembers of the run, and how its lease was kept, for the record."""
        with suppress(DeviceError):
            origin_ns = self._clock.now_ns()
            events = await self._board.log()
            self._note("board_log", events=[_told(event, origin_ns) for event in events])
        with suppress(DeviceError):
            self._note("lease_statistics", **await self._board.statistics())

    def _hear_board(self) -> None:
        """The supervisor asks the channel before each renewal, and tells what the board answered."""
        board, channel = self._board, self.channel
        board.on_ping = self._feed
        board.on_status = channel.on_board
        board.on_missed = self._watching.failed("board")
        board.on_withheld = self._withheld
        board.on_lost = lambda reason: channel.on_lost("board", f"the supervisor is gone ({reason})")

    def _feed(self) -> Feed:
        """The channel's answer to a ping. Silence brings no sample that would be judged: asking it does."""
        channel, expected = self.channel, self.channel.expected
        channel.ping(self._clock.now_ns())
        snapshot = channel.snapshot()
        cycler = snapshot.cycler
        read = cycler is not None and cycler.t_ns >= expected.closed_ns + expected.cycler_lag_ns
        return feed_of(snapshot, latched=channel.latched is not None, connected=expected.contactor_closed and read)

    def _withheld(self, reason: str) -> None:
        """A trip has its own words in the record; everything else that keeps the lease from being renewed is told."""
        if self.channel.latched is None:
            self._note("lease_withheld", reason=reason)

    def _pace(self, period_ns: int) -> None:
        self._watching.pace(period_ns)

    def _row(self, row: Row) -> None:
        try:
            self._journal.put_row(row)
        except StoreError as error:
            self._actor.store_failed(error)

    def _checkpoint(self, at: dict[str, Any]) -> None:
        clock = self._clock
        wall = clock.wall().isoformat(timespec="microseconds")
        self._note(CHECKPOINT, at=at, mono_ns=clock.now_ns(), wall=wall, boot_id=clock.boot_id)

    def _changed(self, name: str, value: bool) -> None:
        self._actor.event(name, active=value)

    def _note(self, kind: str, **data: Any) -> None:
        self._actor.event(kind, **data)


def _supervised(
    clock: Clock, board: Board | SupervisedBoard, bench: BenchSpec, pack: PackSpec, limits: Limits
) -> SupervisedBoard:
    if isinstance(board, SupervisedBoard):
        return board
    rules = renewal_rules(bench, pack, limits)
    return SupervisedHere(clock, board, rules, period_ns=bench.heartbeat_period_ns, lease_ns=bench.lease_ns)


def _told(event: BoardEvent, now_ns: int) -> dict[str, Any]:
    """One of the board's events; `ago_s` is before the log was fetched."""
    told: dict[str, Any] = {"number": event.number, "uptime_us": event.uptime_us, "kind": event.kind}
    if event.t_ns is not None:
        told["ago_s"] = round((now_ns - event.t_ns) / 1e9, 6)
    told |= {"name": event.name} if event.name else {}
    told |= {"value": event.value} if event.value else {}
    return told | ({"words": list(event.words)} if event.words else {})


def _public(answer: object) -> dict[str, Any]:
    """The identity a device gave, for the log; the board's identify gives none."""
    return {name: getattr(answer, name) for name in ("model", "serial", "firmware") if hasattr(answer, name)}


def _expectation(bench: BenchSpec, pack: PackSpec, devices: Devices) -> Expectation:
    asked = {"cycler": bench.cycler, "bms": bench.bms, "board": bench.board, **bench.fitted}
    measured = devices.meter is not None and "insulation_ohm" in devices.meter.quantities
    return Expectation(
        series=pack.series,
        temperature_sensors=pack.temperature_sensors,
        stale_after_ns=MappingProxyType({name: spec.stale_after_ns for name, spec in asked.items()}),
        current_a=None,
        clamp_v=None,
        commanded_ns=0,
        setpoint_tolerance_a=bench.setpoint_tolerance_a,
        setpoint_delay_ns=bench.setpoint_delay_ns,
        contactor_closed=False,
        ignored_alarms=frozenset(name for name, policy in bench.alarm_policy.items() if policy == "log"),
        cable_ohm=bench.cable_resistance_ohm if bench.sense_point == "cycler" else 0.0,
        cycler_lag_ns=devices.cycler.lag_ns,
        fitted=tuple(bench.fitted),
        capacity_ah=pack.rated_capacity_ah,
        insulation_min_ohm=pack.insulation_min_ohm if measured else None,
    )
