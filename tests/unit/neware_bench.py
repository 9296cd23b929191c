"""A Neware driver on the Neware emulator in virtual time, with or without a simulated pack behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.unit.sim_bench import ALIKE, make_bench, make_pack, make_plant
from tests.unit.wire_parts import device_map

from packbench.core.step_program import ProgramStep, Protections, Recording, StepProgram
from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.neware_bts import NewareBts
from packbench.run.port import Port
from packbench.wire.neware.requests import Channel
from packbench_sim.devices.neware_bts import NewareBtsDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.plant import Plant
from packbench_sim.wire import MemoryLink

S = 1_000_000_000
BTS = device_map("neware-bts8")
HERE = Channel(27, 21, 1, 1)
CELLS = 12


def program(*steps: ProgramStep, period_s: float = 1.0, **protections: float) -> StepProgram:
    return StepProgram("test", steps, Protections(**protections), Recording(period_s))


def driver_on(device: NewareBtsDevice, clock: VirtualClock, **settings: Any) -> tuple[NewareBts, MemoryLink]:
    line = MemoryLink(asyncio.get_running_loop(), device, clock)
    made = make_driver(Wanted(BTS, 0, "xml+tcp", Port(line, clock), S, settings))
    assert isinstance(made, NewareBts)
    return made, line


Use = Callable[[NewareBts, NewareBtsDevice, Plant, VirtualClock], Awaitable[None]]


def on_a_pack(use: Use, folder: Path, *, soc: float = 0.5, **device: Any) -> None:
    """A driver whose step files the emulator reads, on 12 NMC cells of 100 Ah."""

    async def main(clock: VirtualClock) -> None:
        plant = make_plant(make_pack(series=CELLS, initial_soc=soc, **ALIKE), make_bench())
        emulator = NewareBtsDevice(plant.cycler, **device)
        driver, _ = driver_on(emulator, clock, program_directory=str(folder))
        await clock.sleep_until(2 * S)
        await driver.identify()
        await driver.prepare()
        await use(driver, emulator, plant, clock)

    run_virtual(main)


async def sleep(clock: VirtualClock, seconds: float) -> None:
    await clock.sleep_until(clock.now_ns() + round(seconds * S))
