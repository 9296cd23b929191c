"""A simulated bench in virtual time: its devices, which stay, and the lines of one controller after another.

Owns the composition of the far side and of the drivers on it. It exists so that a controller can be gone, by itself or
because it was killed, while the pack, the cycler and the board go on, and another one can be connected to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from packbench.app.devices import Buses, Line, board_driver, connect, line_names, load_types, scheme_of
from packbench.app.job import Job
from packbench.run.devices import Devices

if TYPE_CHECKING:
    from packbench_sim.loop import VirtualClock, VirtualLoop
    from packbench_sim.parts import WireDevice
    from packbench_sim.wire import MemoryLink
    from packbench_sim.world import World


class VirtualBench:
    """The emulated devices of a world, each on its line."""

    def __init__(self, job: Job, world: World) -> None:
        from packbench_sim.wiring import on_lines, wire_devices

        self.world = world
        self._job = job
        self._types = load_types(job.bench)
        self._names = line_names(job.bench)
        self.played: dict[str, WireDevice] = wire_devices(world, job.bench, self._types.by_role)
        """By role."""
        self._on_lines = on_lines(self.played, self._names)
        specs = job.bench.devices
        self._schemes = {self._names[role]: scheme_of(spec) for role, spec in specs.items() if role != "board"}

    def lines(self, loop: VirtualLoop, clock: VirtualClock) -> dict[str, MemoryLink]:
        """New lines to the devices, by role; roles that share a place share a line.

        The devices' own time passes with them: somebody must always hold a set.
        """
        from packbench_sim.wiring import memory_transports

        far = memory_transports(loop, clock, self._on_lines, self._schemes)
        return {role: cast("MemoryLink", far[name]) for role, name in self._names.items()}

    def devices(self, lines: dict[str, MemoryLink], clock: VirtualClock) -> Devices:
        """The production drivers on a set of lines."""
        shared: dict[int, Line] = {}
        held = {role: shared.setdefault(id(line), Line(line)) for role, line in lines.items()}
        buses = Buses(clock)
        board = board_driver(self._job, held["board"], buses)
        return connect(self._job, self._types, held, buses, board)
