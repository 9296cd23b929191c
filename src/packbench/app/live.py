"""A run on the wall clock: real devices, or our own emulators behind real sockets.

Owns the composition of a live run. A device whose URL begins with `emulated:` is played by our
emulator on a loopback socket; everything above the socket is the same as on a real bench. The
provenance follows from what was composed: one emulated device makes the whole run `emulated`.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packbench import __version__
from packbench.app.control_link import ControlServer
from packbench.app.devices import EMULATED, Buses, Line, connect, line_names, load_types
from packbench.app.disk import reserved
from packbench.app.edits import drafts_of
from packbench.app.emulated_world import start_world
from packbench.app.emulated_world import work_of as world_work
from packbench.app.holding import held
from packbench.app.job import Job
from packbench.app.operators import Answers, Beforehand
from packbench.app.places import DATA_NAME, forget_conclusion
from packbench.app.programmed import handed_over_in
from packbench.app.resuming import resumption
from packbench.app.signing import sign_record, signing_key
from packbench.app.supervising import start_supervisor, work_of
from packbench.app.virtual import Observer
from packbench.clock import Clock, MonotonicClock
from packbench.core.errors import PackbenchError
from packbench.core.samples import Provenance
from packbench.core.specs import DeviceSpec
from packbench.run.bench import BenchRun, RunOutcome
from packbench.run.operator import INPUT_ENDED, Nobody, Operator
from packbench.run.recorder import Recorder, ThreadWriter
from packbench.run.resuming import Found, Stood
from packbench.store.database import Durability
from packbench.store.meta import RunMeta
from packbench.store.sources import kept
from packbench.store.writer import RunStore
from packbench.transport.open import open_transport, parse_url

if TYPE_CHECKING:
    from packbench_sim.faults import Injection

INTERRUPTED = "interrupted by the operator"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What a live run is told besides its job."""

    run_id: str
    serial: str
    operator: str
    seed: int
    """Of the emulated devices' errors and noise; nothing else is random."""
    injections: tuple[Injection, ...] = ()
    answers: Answers = ()
    """Given before the run."""
    vouched: Answers = ()
    """What arming without being asked says of the questions before it."""
    asked: Operator = field(default_factory=Nobody)
    """Who is asked every other question."""
    resumed: Stood | None = None
    """Go on with the run in the folder, which stood there; None: begin one."""
    world: dict[str, str] | None = None
    """An emulated bench that runs already: its URLs, by line; None: one is started."""
    heard: Callable[[str], None] = lambda _words: None
    """Told in words what an operator did from elsewhere."""
    compared: Callable[[Sequence[Found]], None] = lambda _found: None
    """Told what was held against the record before a run goes on."""
    truth: Path | None = None
    """Where an emulated bench that is started says what really happened."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a live run ended."""

    outcome: RunOutcome
    interrupted: bool
    """A signal or an operator's word asked for the stop, or the operator went away from a question."""


def is_emulated(spec: DeviceSpec) -> bool:
    """Whether our own emulator plays the device."""
    return spec.url.startswith(EMULATED)


def new_run_id(clock: Clock, job: Job) -> str:
    """An id that sorts by time and does not collide."""
    return f"{clock.wall():%Y%m%dT%H%M%SZ}-{job.pack.name}-{secrets.token_hex(2)}"


async def run_live(job: Job, options: LiveOptions, folder: Path, observe: Observer, clock: Clock) -> Ended:
    """Run the job on the bench's devices; the record goes to `folder`.

    SIGINT, SIGTERM and SIGHUP (unless it is ignored, as under nohup) ask for a safe stop: output off, contactor open,
    record sealed. However often they come, none of them cuts that short.
    """
    job = handed_over_in(folder, job)
    async with AsyncExitStack() as stack:
        # Left last: a signal that comes while the record is being sealed does not stop that.
        signals = stack.enter_context(_Signals())
        reserve = stack.enter_context(reserved(job, folder))
        urls = await _urls(job, options, stack)
        recorder = Recorder(_store(job, options, folder / DATA_NAME, clock), ThreadWriter())
        closing = _Closing(recorder, seals=options.resumed is None)
        # The record is closed after the bench has stopped, whatever stopped it.
        stack.push_async_callback(closing.close)
        buses = Buses(clock)
        stack.push_async_callback(buses.close)
        supervision = await start_supervisor(work_of(job, urls["board"]))
        stack.push_async_callback(supervision.close)
        lines = await _lines(urls, stack)
        devices = connect(job, load_types(job.bench), lines, buses, supervision.board)
        vouched = Beforehand(options.vouched, f"{options.operator} (--arm)", options.asked)
        who = Beforehand(options.answers, f"{options.operator} (--answer)", vouched)
        goes_on = None if options.resumed is None else resumption(options.resumed, job, clock, options.operator)
        run = BenchRun(clock, devices, job.plan, job.limits, job.bench, job.pack, recorder, observe, who, goes_on)
        run.compared = options.compared
        run.tell("supervisor_ready", **supervision.ready)
        await stack.enter_async_context(reserve.watched(clock, run.abort))
        signals.stop(run, options.operator)
        await _controlled(run, job, options, folder, stack)
        token = clock.now_ns() // 1_000_000 % 0xFFFF_FFFF + 1
        try:
            outcome = await run.run(token)
        finally:
            closing.seals = run.began
        interrupted = signals.received or run.controls.aborted or outcome.finish.reason == INPUT_ENDED
        return Ended(outcome, interrupted)


class _Signals:
    """Every signal that ends programs ends this one by way of a safe stop, and no later one cuts that short.

    A terminal that goes away is nothing to a program that was started to outlive it (nohup).
    """

    def __init__(self) -> None:
        self.received = False
        self._handled: list[int] = []

    def stop(self, run: BenchRun, operator: str) -> None:
        """This is what is to be stopped, in the name of whoever answers for it."""
        loop = asyncio.get_running_loop()

        def on_signal(number: int) -> None:
            self.received = True
            run.controls.abort_now(operator or "nobody", f"signal {signal.Signals(number).name}", INTERRUPTED)

        outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        for number in (signal.SIGINT, signal.SIGTERM, *(() if outlives else (signal.SIGHUP,))):
            loop.add_signal_handler(number, on_signal, number)
            self._handled.append(number)

    def __enter__(self) -> _Signals:
        return self

    def __exit__(self, *_raised: object) -> None:
        loop = asyncio.get_running_loop()
        for number in self._handled:
            loop.remove_signal_handler(number)


async def _controlled(run: BenchRun, job: Job, options: LiveOptions, folder: Path, stack: AsyncExitStack) -> None:
    """Let an operator ask things of the run while it goes on; it goes on without that where there is no way to it."""
    run.controls.drafts = drafts_of(job, folder)
    run.controls.heard = options.heard
    server = ControlServer(run.controls, folder)
    stack.push_async_callback(server.close)
    try:
        await server.start()
    except OSError as error:
        run.tell("control_unavailable", reason=str(error))


@dataclass(slots=True)
class _Closing:
    """The end of a record: sealed, unless its run may still be gone on with."""

    recorder: Recorder
    seals: bool

    async def close(self) -> None:
        await self.recorder.close(seal=self.seals)


def _store(job: Job, options: LiveOptions, path: Path, clock: Clock) -> RunStore:
    if options.resumed is not None:
        return RunStore.resume(path, Durability.POWER_SAFE)
    return RunStore.create(path, _meta(job, options, clock), Durability.POWER_SAFE)


async def _urls(job: Job, options: LiveOptions, stack: AsyncExitStack) -> dict[str, str]:
    """Where each device is, by role; an emulated bench is started where the bench asks for one.

    Devices whose URLs name the same place share one line.
    """
    specs, names = job.bench.devices, line_names(job.bench)
    served = options.world
    if served is None and any(is_emulated(spec) for spec in specs.values()):
        injections = tuple((fault.fault_id, fault.at_ns) for fault in options.injections)
        world = await start_world(world_work(job, options.seed, injections, options.truth))
        stack.push_async_callback(world.close)
        served = world.urls
    return {role: (served or {})[names[role]] if is_emulated(spec) else spec.url for role, spec in specs.items()}


async def _lines(urls: dict[str, str], stack: AsyncExitStack) -> dict[str, Line]:
    """Connected byte streams to all devices but the board, whose line the supervisor's process holds."""
    opened: dict[str, Line] = {}
    lines: dict[str, Line] = {}
    for role, text in urls.items():
        if role == "board":
            continue
        url = parse_url(text)
        if url.place not in opened:
            transport = await open_transport(url)
            stack.callback(transport.close)
            opened[url.place] = Line(transport, url.local_echo, url.bitrate)
        lines[role] = opened[url.place]
    return lines


def _meta(job: Job, options: LiveOptions, clock: Clock) -> RunMeta:
    emulated = any(is_emulated(spec) for spec in job.bench.devices.values())
    return RunMeta(
        run_id=options.run_id,
        # Nobody may claim a measurement when any part of the bench was played.
        provenance=Provenance.EMULATED if emulated else Provenance.MEASURED,
        serial=options.serial,
        profile=job.profile_source,
        pack=job.pack_source,
        bench=job.bench_source,
        software_version=__version__,
        started_at=clock.wall(),
        origin_ns=clock.now_ns(),
        # Only emulated devices have a seed; on a real bench nothing is random.
        seed=options.seed if emulated else None,
        operator=options.operator or None,
        extra=kept(job.files, job.parameters),
    )


def run_to_end(job: Job, options: LiveOptions, folder: Path, observe: Observer) -> Ended:
    """Run on the wall clock; how it ended. Raises InputError, with nothing touched, while another program runs it."""
    clock = MonotonicClock()
    if not any(is_emulated(spec) for spec in job.bench.devices.values()):
        # A key that cannot sign at the end refuses the run before anything is switched on.
        signing_key(None, clock.wall())
    with held(folder):
        if options.resumed is not None:
            forget_conclusion(folder)
        with ExitStack() as broken:
            broken.callback(_sign_what_there_is, folder, clock)
            ended = asyncio.run(run_live(job, options, folder, observe, clock))
            broken.pop_all()
        sign_record(folder, clock.wall(), durable=True)
    return ended


def _sign_what_there_is(folder: Path, clock: Clock) -> None:
    """Of a run that broke off, its record is signed too; what went wrong is what the operator has to hear."""
    with suppress(PackbenchError, OSError):
        sign_record(folder, clock.wall(), durable=True)
