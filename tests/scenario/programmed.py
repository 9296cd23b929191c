"""A bench whose cycler runs programs by itself, in virtual time and down to the bytes, with its far side in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.scenario.support import S

from packbench.app.devices import Buses, Line, board_driver, connect, load_types, scheme_of
from packbench.app.job import Job
from packbench.app.programmed import handed_over_in
from packbench.app.virtual import NoJournal
from packbench.core.records import Event, Row, StepRecord
from packbench.run.bench import BenchRun, RunOutcome
from packbench.wire.neware.replies import Reading
from packbench.wire.neware.requests import Channel, ChannelAction
from packbench_sim.devices.neware_bts import NewareBtsDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.wire import MemoryLink
from packbench_sim.wiring import memory_transports, wire_devices
from packbench_sim.world import World, build_parts

CONFIGS = Path(__file__).parents[2] / "configs"
POLL_S, BMS_POLL_S, STALE_S = 5.0, 1.0, 35.0
"""As configs/benches/sim-neware.yaml states them."""
CAPACITY = """profile: short-capacity
title: {en: Short capacity, zh: 短容量}
record: {dt: 5 s}
result: {capacity_of: discharge}
steps:
  - cccv_charge: {label: charge, current: 0.8 I1, voltage: pack_full, end_current: 0.2 I1}
  - rest: {label: between, for: 1 min}
  - cc_discharge: {label: discharge, current: 1 I1, until: voltage <= pack_cutoff}
  - rest: {label: after, for: 1 min}
  - end
"""
MINUTES = """profile: minutes
title: {en: A few minutes, zh: 数分钟}
record: {dt: 5 s}
steps:
  - rest: {label: settle, for: 20 s}
  - cc_charge: {label: up, current: 0.4 I1, until: voltage >= pack_full, for: 1 min}
  - rest: {label: between, for: 30 s}
  - loop:
      repeat: 2
      steps:
        - cc_discharge: {label: down, current: 0.4 I1, until: voltage <= pack_cutoff, for: 1 min}
        - rest: {label: after, for: 30 s}
  - end
"""
START_NS = 100 * S
"""When a run of `run` begins: nothing that counts from a start may count from the clock's own."""
UP_S, DOWN_S = 20.0, 20.0 + 60.0 + 30.0
"""When its charge and its first discharge begin."""


class Kept(NoJournal):
    """A record that can be looked at."""

    def __init__(self) -> None:
        self.steps: list[StepRecord] = []
        self.events: list[Event] = []
        self.rows: list[Row] = []

    def put_step(self, record: StepRecord) -> int:
        self.steps.append(record)
        return 0

    def put_event(self, event: Event) -> int:
        self.events.append(event)
        return 0

    def put_row(self, row: Row) -> int:
        self.rows.append(row)
        return 0


class OldNews(NewareBtsDevice):
    """A BTS client that hands out what it measured at instants of its own, whatever was ordered since.

    The second instant is just before the precharge: what is seen of a closed contactor is as old as it can be.
    """

    def __init__(self, world: World, period_s: float, **device: Any) -> None:
        super().__init__(world.plant.cycler, **device)
        self._period_ns = round(period_s * S)
        self._next_ns = START_NS + S // 20
        self._news: Reading | None = None

    def tick(self, t_ns: int) -> int | None:
        wanted_ns = super().tick(t_ns)
        if self._news is None:
            self._news = self._measured(t_ns, self.channels[0])
        if t_ns >= self._next_ns:
            self._news = self._measured(t_ns, self.channels[0])
            self._next_ns += self._period_ns
        return self._next_ns if wanted_ns is None else min(wanted_ns, self._next_ns)

    def _reading(self, t_ns: int, channel: Channel, aux: int, barcode: bool) -> Reading:
        assert self._news is not None
        return replace(self._news, channel=channel, barcode=self.barcode if barcode else None, aux=aux)


@dataclass(frozen=True, slots=True)
class Bench:
    """A run in virtual time, with its far side in hand."""

    run: BenchRun
    clock: VirtualClock
    world: World
    cycler: NewareBtsDevice
    line: MemoryLink
    kept: Kept

    async def until(self, t_s: float) -> None:
        """So many seconds after the program's start."""
        while self.cycler.run is None:
            await self.clock.sleep_until(self.clock.now_ns() + S // 10)
        await self.clock.sleep_until(self.cycler.run.began_ns + round(t_s * S))

    def order(self, command: Any, step: int = 0) -> None:
        """What somebody does at the BTS client itself."""
        channel = self.cycler.channels[0]
        self.cycler.answer(self.clock.now_ns(), ChannelAction(command, (channel,), step=step))


Meddle = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ran:
    outcome: RunOutcome
    bench: Bench
    ended_ns: int

    @property
    def reason(self) -> str:
        return self.outcome.finish.reason

    def assert_at_rest(self) -> None:
        plant = self.bench.world.plant
        plant.advance_to(self.ended_ns + S)
        assert plant.true_current_a == 0.0
        assert not plant.contactor.closed
        assert not plant.cycler.output_on


def run(job: Job, folder: Path, meddle: Meddle | None = None, *, age_s: float = 0.0, **device: Any) -> Ran:
    """Run a job down to the bytes; it must end within three virtual hours.

    `age_s`: how old the client's newest measurement may be; `device`: whatever else is particular to it.
    """
    job = handed_over_in(folder, job)

    async def main(clock: VirtualClock) -> Ran:
        loop: Any = asyncio.get_running_loop()
        await clock.sleep_until(START_NS)
        world = build_parts(job.bench, job.pack, start_ns=clock.now_ns(), seed=1)
        types = load_types(job.bench)
        played = wire_devices(world, job.bench, types.by_role)
        cycler = OldNews(world, age_s, **device) if age_s else NewareBtsDevice(world.plant.cycler, **device)
        played["cycler"] = cycler
        schemes = {role: scheme_of(spec) for role, spec in job.bench.devices.items() if role != "board"}
        links = memory_transports(loop, clock, played, schemes)
        buses, lines = Buses(clock), {role: Line(link) for role, link in links.items()}
        devices = connect(job, types, lines, buses, board_driver(job, lines["board"], buses))
        kept = Kept()
        run = BenchRun(clock, devices, job.plan, job.limits, job.bench, job.pack, kept, lambda _s, _e: None)
        line = links["cycler"]
        assert isinstance(line, MemoryLink)
        bench = Bench(run, clock, world, cycler, line, kept)
        meddling = None if meddle is None else asyncio.create_task(meddle(bench))  # type: ignore[arg-type]
        async with asyncio.timeout(3 * 3600):
            outcome = await run.run(1)
        if meddling is not None:
            await meddling
        return Ran(outcome, bench, clock.now_ns())

    return run_virtual(main)
