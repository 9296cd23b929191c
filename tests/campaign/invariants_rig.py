"""One simulated run under the monitor's eyes, with room for a hand that meddles.

Owns the composition for the tests of the invariants: the same world, lines, drivers, recorder and run as `simulate`,
plus the monitor. `meddle` is handed the rig once the world is there and nothing has begun; `tamper` the closed record,
`layers` are limits that the monitor knows and the run does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packbench.app.conclude import DATA_NAME
from packbench.app.job import Job, load_job
from packbench.app.operators import Scripted
from packbench.app.virtual_bench import VirtualBench
from packbench.core.limits import Limits, LimitSet
from packbench.core.records import Event
from packbench.core.samples import Provenance
from packbench.core.specs import BenchSpec
from packbench.run.bench import BenchRun, RunOutcome
from packbench.run.devices import Devices
from packbench.run.recorder import BatchPolicy, Recorder, TaskWriter
from packbench.store.database import Durability
from packbench.store.meta import RunMeta
from packbench.store.writer import RunStore
from packbench_sim.faults import Injection
from packbench_sim.invariants import Monitor, layers_of
from packbench_sim.loop import VirtualClock, VirtualLoop, run_virtual
from packbench_sim.wire import MemoryLink
from packbench_sim.world import World, build_parts

S = 1_000_000_000
MS = 1_000_000
WHO = "Li Wei"
SHORT = str(Path(__file__).with_name("short-capacity.yaml"))
"""A charge, a rest and a discharge to the end, in minutes: from a pack that is nearly empty."""


@dataclass(slots=True)
class Rig:
    """Everything of a run that a test may lay hands on."""

    job: Job
    clock: VirtualClock
    loop: VirtualLoop
    world: World
    lines: dict[str, MemoryLink]
    devices: Devices
    recorder: Recorder
    store: RunStore
    monitor: Monitor | None
    journal: Any
    """What the run is handed; a test may put something in front of it."""
    limits: Limits
    """What the run takes for its limits."""
    bench: BenchSpec
    """What the run takes for its bench."""
    run: BenchRun | None = None

    def at(self, t_s: float, act: Callable[[], object]) -> None:
        """Do something at an instant of the world's clock."""
        self.loop.at_ns(round(t_s * S), act)

    def tell(self, kind: str, **data: object) -> None:
        """An event in the record."""
        self.journal.put_event(Event(self.clock.now_ns(), kind, data))


@dataclass(frozen=True, slots=True)
class Watched:
    """How it went."""

    outcome: RunOutcome
    monitor: Monitor | None
    folder: Path

    @property
    def found(self) -> set[str]:
        """The invariants that were broken."""
        assert self.monitor is not None
        return {violation.invariant for violation in self.monitor.violations}

    @property
    def words(self) -> list[str]:
        """What was said of them."""
        assert self.monitor is not None
        return [str(violation) for violation in self.monitor.violations]


def watched(
    folder: Path,
    *,
    profile: str = "quick-check",
    pack: str = "nmc-96s",
    bench: str | None = None,
    faults: tuple[tuple[str, float], ...] = (),
    seed: int = 1,
    settings: tuple[str, ...] = (),
    meddle: Callable[[Rig], None] = lambda _rig: None,
    layers: dict[str, LimitSet] | None = None,
    tamper: Callable[[Path], None] = lambda _folder: None,
    watch: bool = True,
) -> Watched:
    """Run a profile at the level of bytes under a monitor, and have the record judged."""
    job = load_job(profile, pack, bench, settings)
    folder.mkdir(parents=True, exist_ok=True)
    injections = tuple(Injection(fault_id, round(at_s * S)) for fault_id, at_s in faults)

    async def main(clock: VirtualClock) -> tuple[RunOutcome, Monitor | None]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = build_parts(job.bench, job.pack, start_ns=clock.now_ns(), seed=seed, injections=injections)
        played = VirtualBench(job, world)
        lines = played.lines(loop, clock)
        devices = played.devices(lines, clock)
        store = RunStore.create(folder / DATA_NAME, meta_of(job, clock, seed), Durability.PROCESS_SAFE)
        recorder = Recorder(store, TaskWriter(clock), BatchPolicy(max_delay_s=60.0))
        monitor = None
        if watch:
            rule = job.plan.result
            monitor = Monitor(
                world,
                loop,
                layers_of(job.plan.limits, job.pack, job.bench) | (layers or {}),
                capacity_step=None if rule is None or rule.capacity_step is None else rule.capacity_step + 1,
            )
            monitor.attach_lines(lines)
        journal = recorder if monitor is None else monitor.run_began("test", recorder, serial="SN-1")
        rig = Rig(job, clock, loop, world, lines, devices, recorder, store, monitor, journal, job.limits, job.bench)
        meddle(rig)
        rig.run = BenchRun(
            clock, devices, job.plan, rig.limits, rig.bench, job.pack, rig.journal, _unseen, Scripted((), clock)
        )
        try:
            outcome = await rig.run.run(1)
        finally:
            await recorder.close()
        return outcome, monitor

    outcome, monitor = run_virtual(main)
    tamper(folder)
    if monitor is not None:
        monitor.record(folder)
    return Watched(outcome, monitor, folder)


def _unseen(_snapshot: object, _state: object) -> None:
    return None


def meta_of(job: Job, clock: VirtualClock, seed: int) -> RunMeta:
    """What the run says of itself."""
    return RunMeta(
        run_id="test",
        provenance=Provenance.SIMULATED,
        serial="SN-1",
        profile=job.profile_source,
        pack=job.pack_source,
        bench=job.bench_source,
        software_version="test",
        started_at=clock.wall(),
        origin_ns=clock.now_ns(),
        seed=seed,
        operator=WHO,
    )
