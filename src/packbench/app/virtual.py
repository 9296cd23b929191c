"""A run in virtual time: the same drivers, engine and rules, on the simulated bench.

Owns the composition of a simulated run: the virtual loop, the world, the level (bytes or objects)
and a record that need not survive a power cut that cannot happen. Its truth is a second run with
perfect instruments, at object level.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from packbench import __version__
from packbench.app.edits import drafts_of
from packbench.app.job import Job
from packbench.app.operators import Answers, Scripted
from packbench.app.places import DATA_NAME
from packbench.app.programmed import handed_over_in, stepped
from packbench.app.signing import sign_record
from packbench.app.virtual_bench import VirtualBench
from packbench.clock import Clock, MonotonicClock, stopwatch_s
from packbench.core.errors import PackbenchError
from packbench.core.records import Event, Gap, Row, StepRecord, Trip
from packbench.core.samples import Provenance, Snapshot
from packbench.engine.state import EngineState
from packbench.engine.walk import agree
from packbench.run.actor import Journal
from packbench.run.bench import BenchRun, RunOutcome
from packbench.run.controls import Controls, Kind, Request
from packbench.run.recorder import BatchPolicy, Recorder, TaskWriter
from packbench.store.database import Durability
from packbench.store.meta import RunMeta
from packbench.store.sources import kept
from packbench.store.writer import RunStore

if TYPE_CHECKING:
    from packbench_sim.faults import Injection
    from packbench_sim.loop import VirtualClock
    from packbench_sim.plant import Plant

Level = Literal["object", "bytes"]
Observer = Callable[[Snapshot, EngineState], None]

TOKEN = 1
"""The operator's word to arm: a fresh simulated board has heard none before."""
COMMIT_DELAY_S = 60.0
"""Virtual seconds between commits that nobody waits for."""


class Command(NamedTuple):
    """A request of the simulated operator to the running test."""

    at_ns: int
    """From the instant at which the bench was switched on."""
    kind: Kind
    data: Mapping[str, Any] = MappingProxyType({})
    """What `Request` has besides: operator, why, step, profile."""


class Told(NamedTuple):
    """What came of a command."""

    command: Command
    done: Mapping[str, Any] | None
    """None: it was refused."""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What a simulated run may be told besides its job."""

    seed: int = 1
    level: Level = "bytes"
    serial: str = ""
    operator: str = ""
    injections: tuple[Injection, ...] = ()
    perfect: bool = False
    """Instruments without errors: to compare a result with the truth."""
    answers: Answers = ()
    """What the simulated operator answers; the first answer to every other question."""
    commands: tuple[Command, ...] = field(default=(), repr=False)
    """What the operator asks of the running test, and when."""
    told: Callable[[Told], None] = field(default=lambda _told: None, compare=False, repr=False)
    """Hears what came of each."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """How a simulated run went."""

    outcome: RunOutcome
    wall_seconds: float
    log_sha256: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What the pack gives under the same profile with perfect instruments."""

    capacity_ah: float | None
    energy_wh: float | None
    ending_cell: int | None
    wall_seconds: float


def run_id_of(job: Job, options: Options) -> str:
    """The id of a simulated run follows from what it is made of: the same run has the same id."""
    parts = (
        job.profile_source.text,
        job.pack_source.text,
        job.bench_source.text,
        repr(job.settings),
        repr(job.parameters),
        *(used.file.text for used in job.files),
        repr(options),
        *(repr(command) for command in options.commands),
    )
    return "sim-" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def simulate(job: Job, options: Options, folder: Path, observe: Observer) -> Simulated:
    """Run the job in virtual time; the record goes to `folder`."""
    from packbench_sim.loop import run_virtual

    job = handed_over_in(folder, job)
    # Loading modules is no part of the run that is timed.
    import_module("packbench_sim.wiring")

    began_s = stopwatch_s()

    async def main(clock: VirtualClock) -> tuple[RunOutcome, str]:
        store = RunStore.create(folder / DATA_NAME, _meta(job, options, clock), Durability.PROCESS_SAFE)
        recorder = Recorder(store, TaskWriter(clock), BatchPolicy(max_delay_s=COMMIT_DELAY_S))
        try:
            outcome = await _execute(job, options, clock, recorder, observe)
        finally:
            log_sha256 = await recorder.close()
        return outcome, log_sha256

    outcome, log_sha256 = run_virtual(main)
    wall_seconds = stopwatch_s() - began_s
    sign_record(folder, MonotonicClock().wall(), durable=False)
    return Simulated(outcome, wall_seconds, log_sha256)


def find_truth(job: Job, options: Options) -> Truth:
    """What the plant itself counted, in a run of the same plan with perfect instruments at object level.

    The coulombs are the plant's own, read at the instants at which a step ended: not what any
    meter, engine or analysis of ours made of them.
    """
    began_s = stopwatch_s()
    perfect = Options(seed=options.seed, level="object", perfect=True, answers=options.answers)
    marks = PlantMarks()

    outcome = run_unrecorded(job, perfect, NoJournal(), marks.observe, marks.attach)
    finished = outcome.trip is None and outcome.finish.verdict == "pass"
    return _truth(job, marks.discharges if finished else [], stopwatch_s() - began_s)


@dataclass(frozen=True, slots=True)
class PlantStep:
    """What the plant gave during one executed step."""

    step: int
    """Index into the plan's steps, from 0."""
    discharged_ah: float
    discharged_wh: float
    lowest_cell: int
    """At its end, from 1."""


class PlantMarks:
    """Reads the plant's counters whenever the engine goes on to another step."""

    def __init__(self) -> None:
        self.discharges: list[PlantStep] = []
        self._plant: Plant | None = None
        self._number = 1
        self._index = 0
        self._ah = self._wh = 0.0

    def attach(self, plant: Plant) -> None:
        """Say whose counters."""
        self._plant = plant

    def observe(self, _snapshot: Snapshot, state: EngineState) -> None:
        """Called in the loop turn in which the step changed."""
        assert self._plant is not None
        if state.step.number == self._number:
            return
        ah, wh = self._plant.true_discharge_ah, self._plant.true_energy_wh
        cell = int(self._plant.true_cell_voltages_v.argmin()) + 1
        self.discharges.append(PlantStep(self._index, ah - self._ah, self._wh - wh, cell))
        self._number, self._index, self._ah, self._wh = state.step.number, state.step.index, ah, wh


class NoJournal:
    """A journal that forgets everything."""

    def put_row(self, row: Row) -> int:
        return 0

    def put_event(self, event: Event) -> int:
        return 0

    def put_trip(self, trip: Trip) -> int:
        return 0

    def put_step(self, record: StepRecord) -> int:
        return 0

    def put_gap(self, gap: Gap) -> int:
        return 0

    async def flush(self) -> int:
        return 0


def run_unrecorded(
    job: Job, options: Options, journal: Journal, observe: Observer, look_at: Callable[[Plant], None]
) -> RunOutcome:
    """Run the job in virtual time without a record; `look_at` is handed the plant before it begins."""
    from packbench_sim.loop import run_virtual

    async def main(clock: VirtualClock) -> RunOutcome:
        return await _execute(job, options, clock, journal, observe, look_at)

    return run_virtual(main)


async def _execute(
    job: Job,
    options: Options,
    clock: VirtualClock,
    journal: Journal,
    observe: Observer,
    look_at: Callable[[Plant], None] | None = None,
) -> RunOutcome:
    from packbench_sim.faults import FAULT_FLAGS
    from packbench_sim.faults.injector import break_later
    from packbench_sim.loop import VirtualLoop
    from packbench_sim.world import build_parts, direct_devices

    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    if options.level == "object":
        job = stepped(job)
    world = build_parts(
        job.bench,
        job.pack,
        start_ns=clock.now_ns(),
        seed=options.seed,
        perfect=options.perfect,
        injections=[each for each in options.injections if each.fault_id in FAULT_FLAGS],
    )
    if look_at is not None:
        look_at(world.plant)
    if options.level == "bytes":
        bench = VirtualBench(job, world)
        lines = bench.lines(loop, clock)
        devices = bench.devices(lines, clock)
        break_later(world, loop, lines, options.injections, options.seed)
    else:
        devices = direct_devices(world, clock, job.limits)
    operator = Scripted(options.answers, clock)
    run = BenchRun(clock, devices, job.plan, job.limits, job.bench, job.pack, journal, observe, operator)
    run.controls.drafts = drafts_of(job)
    commanding = asyncio.create_task(_command(run.controls, options, clock, clock.now_ns()), name="commands")
    try:
        return await run.run(TOKEN)
    finally:
        commanding.cancel()
        await asyncio.gather(commanding, return_exceptions=True)


async def _command(controls: Controls, options: Options, clock: Clock, origin_ns: int) -> None:
    """The simulated operator's requests, one after another; what is refused is told as well."""
    for command in options.commands:
        await clock.sleep_until(origin_ns + command.at_ns)
        words: dict[str, Any] = {"operator": "simulated", **command.data}
        request = Request(command.kind, **words)
        try:
            told = Told(command, await controls.carry_out(request))
        except PackbenchError as error:
            told = Told(command, None, str(error))
        options.told(told)


def _meta(job: Job, options: Options, clock: Clock) -> RunMeta:
    extra: dict[str, Any] = {"level": options.level, "settings": list(job.settings)}
    extra |= kept(job.files, job.parameters)
    if options.injections:
        extra["faults"] = [[injection.fault_id, injection.at_ns] for injection in options.injections]
    return RunMeta(
        run_id=run_id_of(job, options),
        provenance=Provenance.SIMULATED,
        serial=options.serial,
        profile=job.profile_source,
        pack=job.pack_source,
        bench=job.bench_source,
        software_version=__version__,
        started_at=clock.wall(),
        origin_ns=clock.now_ns(),
        seed=options.seed,
        operator=options.operator or None,
        extra=extra,
    )


def _truth(job: Job, steps: list[PlantStep], wall_seconds: float) -> Truth:
    """The mean of the discharges that count, by the profile's own rule."""
    rule = job.plan.result
    discharges = [] if rule is None else [step for step in steps if step.step == rule.capacity_step]
    if rule is None or not discharges:
        return Truth(None, None, None, wall_seconds)
    counted = discharges[-1:]
    if rule.agreement is not None:
        counted = discharges[-rule.agreement.cycles :]
        if not agree(rule.agreement, [(step.discharged_ah, step.discharged_wh) for step in counted]):
            return Truth(None, None, None, wall_seconds)
    return Truth(
        sum(step.discharged_ah for step in counted) / len(counted),
        sum(step.discharged_wh for step in counted) / len(counted),
        counted[-1].lowest_cell,
        wall_seconds,
    )
