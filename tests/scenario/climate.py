"""A run in virtual time on a bench with a climate chamber and a meter, with its far side in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scenario.programmed import Kept
from tests.scenario.support import Witness

from packbench.app.devices import Buses, Line, board_driver, connect, line_names, load_types, scheme_of
from packbench.app.job import Job, load_job
from packbench.run.bench import BenchRun, RunOutcome
from packbench.run.devices import Devices
from packbench_sim.chamber import ClimateChamber
from packbench_sim.devices.modbus_chamber import ModbusChamberDevice
from packbench_sim.devices.modbus_insulation import ModbusInsulationDevice
from packbench_sim.direct import DirectChamber
from packbench_sim.faults import parse_injection
from packbench_sim.loop import VirtualClock, VirtualLoop, run_virtual
from packbench_sim.parts import WireDevice
from packbench_sim.wiring import memory_transports, on_lines, wire_devices
from packbench_sim.world import World, build_parts, direct_devices

S = 1_000_000_000
LEVELS = ("object", "bytes")


@dataclass
class Bench:
    """What a scenario may meddle with, and looks at."""

    clock: VirtualClock
    world: World
    devices: Devices
    chamber: ClimateChamber
    """The chamber itself, behind the wire."""
    played: dict[str, WireDevice]
    """The emulators by role; empty at object level."""
    abort: Callable[[str], None] = lambda _reason: None
    """An operator's word."""
    told: list[tuple[int, bool]] = field(default_factory=list)
    """(instant, running) whenever the chamber was told to run or to stop."""
    air: list[tuple[int, float]] = field(default_factory=list)
    """(instant, ambient) whenever the plant was told of its air."""

    def __post_init__(self) -> None:
        run, plant = self.chamber.run, self.world.plant
        surround = plant.pack.set_surroundings

        def noted_run(t_ns: int, on: bool) -> None:
            self.told.append((t_ns, on))
            run(t_ns, on)

        def noted_air(ambient_c: float, heater_w: float = 0.0) -> None:
            self.air.append((plant.now_ns, ambient_c))
            surround(ambient_c, heater_w)

        self.chamber.run = noted_run  # type: ignore[method-assign]
        plant.pack.set_surroundings = noted_air  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class Ran:
    """How it went."""

    outcome: RunOutcome
    bench: Bench
    witness: Witness
    kept: Kept
    ended_ns: int

    @property
    def rule(self) -> str | None:
        return None if self.outcome.trip is None else self.outcome.trip.rule

    def kinds(self) -> list[str]:
        return [event.kind for event in self.kept.events]

    def chamber_stopped_ns(self) -> int:
        """When the chamber was last told anything, which must have been to stop."""
        t_ns, on = self.bench.told[-1]
        assert not on
        assert not self.bench.chamber.running
        return t_ns


Meddle = Callable[[Bench], Awaitable[None]]


def run(
    text: str,
    folder: Path,
    level: str,
    *faults: str,
    pack: str = "nmc-96s",
    bench: str = "sim-climate",
    settings: tuple[str, ...] = (),
    perfect: bool = False,
    meddle: Meddle | None = None,
    wrap: Callable[[Devices], Devices] = lambda devices: devices,
    observe: Callable[[Any, Any], None] = lambda _snapshot, _state: None,
) -> Ran:
    """Run a profile's text; it must end within thirty virtual hours. `meddle` runs beside it from the start."""
    path = folder / "profile.yaml"
    path.write_text(text, encoding="utf-8")
    job = load_job(str(path), pack, bench, settings)

    async def main(clock: VirtualClock) -> Ran:
        injections = tuple(parse_injection(word) for word in faults)
        world = build_parts(
            job.bench, job.pack, start_ns=clock.now_ns(), seed=1, perfect=perfect, injections=injections
        )
        witness = Witness(world)
        far = _far_side(job, world, clock, level)
        kept = Kept()
        bench_run = BenchRun(clock, wrap(far.devices), job.plan, job.limits, job.bench, job.pack, kept, observe)
        far.abort = bench_run.abort
        meddling = None if meddle is None else asyncio.create_task(meddle(far))  # type: ignore[arg-type]
        async with asyncio.timeout(30 * 3600):
            outcome = await bench_run.run(1)
        if meddling is not None:
            meddling.cancel()
            await asyncio.gather(meddling, return_exceptions=True)
        return Ran(outcome, far, witness, kept, clock.now_ns())

    return run_virtual(main)


def _far_side(job: Job, world: World, clock: VirtualClock, level: str) -> Bench:
    if level == "object":
        devices = direct_devices(world, clock, job.limits)
        assert isinstance(devices.chamber, DirectChamber)
        return Bench(clock, world, devices, devices.chamber.chamber, {})
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    types, names = load_types(job.bench), line_names(job.bench)
    played = wire_devices(world, job.bench, types.by_role)
    schemes = {names[role]: scheme_of(spec) for role, spec in job.bench.devices.items() if role != "board"}
    far = memory_transports(loop, clock, on_lines(played, names), schemes)
    shared = {name: Line(transport) for name, transport in far.items()}
    lines = {role: shared[name] for role, name in names.items()}
    buses = Buses(clock)
    devices = connect(job, types, lines, buses, board_driver(job, lines["board"], buses))
    chamber, meter = played["chamber"], played["meter"]
    assert isinstance(chamber, ModbusChamberDevice)
    assert isinstance(meter, ModbusInsulationDevice)
    return Bench(clock, world, devices, chamber.chamber, played)
