"""One simulated bench in virtual time: plant, devices and the board's own clockwork, wired up.

Owns the composition on the far side of the wire. The production side gets drivers (object level)
or transports (byte level) and cannot tell them from real ones. Deterministic: everything random
comes from the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from packbench.core.limits import Limits
from packbench.core.specs import BenchSpec, PackSpec
from packbench.run.board_settings import board_settings
from packbench.run.devices import Devices
from packbench.run.driving import Stepping
from packbench_board.codes import Input
from packbench_sim.board import Deadlines, DirectBoard, SimBoard
from packbench_sim.direct import DirectBms, DirectChamber, DirectCycler, DirectMeter
from packbench_sim.errors import InstrumentErrors
from packbench_sim.faults import Injection
from packbench_sim.loop import VirtualClock
from packbench_sim.plant import Plant


@dataclass(frozen=True, slots=True)
class World:
    """The simulated side of a run."""

    plant: Plant
    board: SimBoard


def build_parts(
    bench: BenchSpec,
    pack: PackSpec,
    *,
    start_ns: int,
    seed: int,
    perfect: bool = False,
    injections: Iterable[Injection] = (),
    boot_tick_us: int = 0,
) -> World:
    """Make the plant and the board. `perfect` takes every instrument error away (truth runs).

    `boot_tick_us`: where the board's 32-bit tick stands when it is switched on.
    """
    errors = InstrumentErrors.none(pack.series) if perfect else InstrumentErrors.draw(bench, pack.series, seed)
    plant = Plant(pack, bench, errors, seed=seed, start_ns=start_ns, injections=injections)
    board = SimBoard(
        plant.contactor,
        start_ns=start_ns,
        boot_tick_us=boot_tick_us,
        on_enable=_enable(plant),
        on_precharge=lambda t_ns, on: plant.contactor.drive_precharge(t_ns, closed=on),
        temperatures_c=lambda: (plant.pack.temperature_c.item(pack.series // 2),),
    )
    plant.on_fault, plant.on_repair = _on_fault(plant, board, level=False), _on_fault(plant, board, level=True)
    return World(plant, board)


def direct_devices(world: World, clock: VirtualClock, limits: Limits) -> Devices:
    """Drivers without bytes: object level. No wire wakes the board here, so its deadlines are kept apart."""
    Deadlines(world.board, clock.now_ns, clock.call_at)
    bench = world.plant.bench
    return Devices(
        Stepping(DirectCycler(world.plant, clock)),
        DirectBms(world.plant, clock),
        DirectBoard(world.board, clock, board_settings(bench, limits)),
        chamber=None if bench.chamber is None else DirectChamber(world.plant, clock, bench.chamber),
        meter=None if bench.meter is None else DirectMeter(world.plant, clock, bench.meter),
    )


def _enable(plant: Plant) -> Callable[[int, bool], None]:
    """The hard-wired enable: without it the cycler's power stage is dead, whatever its set-points."""

    def on_enable(t_ns: int, enabled: bool) -> None:
        plant.cycler.enabled = enabled
        if not enabled:
            plant.cycler.command(t_ns, output_on=False, voltage_v=0.0, source_current_a=0.0, sink_current_a=0.0)

    on_enable(plant.now_ns, enabled=False)
    return on_enable


_INPUTS = {"pack.hvil": Input.HVIL_OK, "pack.runaway": Input.GAS_OK}
"""Faults that are not the plant's but of what is wired to the board, and the input that falls."""


def _on_fault(plant: Plant, board: SimBoard, *, level: bool) -> Callable[[str], None]:
    def on_fault(fault_id: str) -> None:
        if fault_id == "pack.hvil" and plant.faults.estop_pressed:
            board.set_input(Input.ESTOP_OK, level)
        elif fault_id in _INPUTS:
            board.set_input(_INPUTS[fault_id], level)

    return on_fault
