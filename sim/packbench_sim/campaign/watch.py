"""What the world saw of a reaction: when the cycler was told to stop, when the coil fell, when no current flowed.

Owns these instants, by watching the parts themselves. Must not know a fault. A reaction is measured to the command
(coil or cycler off): the contactor's own release comes on top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from packbench_sim.loop import VirtualLoop
from packbench_sim.world import World

CLAMP = 0.005
CLEARLY_A = 5.0
"""So much more than its limit is no noise, and no set-point that is a little off."""
QUIET_A = 5.0
"""Above this it is more than the pulse that shows the current's sign."""


@dataclass(slots=True)
class Watch:
    """Edges of one world, in order of time."""

    coil: list[tuple[int, bool]] = field(default_factory=list[tuple[int, bool]])
    offs: list[int] = field(default_factory=list[int])
    """When the cycler was commanded off."""
    ons: list[int] = field(default_factory=list[int])
    """When it was commanded on, with its enable given."""
    at_clamp: list[int] = field(default_factory=list[int])
    """Readings of a charge that stood within `CLAMP` of the voltage that it was told."""
    beyond: list[int] = field(default_factory=list[int])
    """Readings, given to the host, of clearly more current than the pack's maker allows."""
    on_told: Callable[[int, bool, float, float], None] | None = None
    """Told (t_ns, output on, source A, sink A) of every command that reaches the cycler."""
    quiet: list[tuple[int, bool]] = field(default_factory=list[tuple[int, bool]])
    """When more than a pulse began and ceased to flow, as of the tick at which it was seen."""

    def attach(self, world: World, loop: VirtualLoop) -> None:
        """Begin to watch. Others that watch the same parts keep hearing of them."""
        plant = world.plant
        cycler, bench = plant.cycler, plant.bench
        cable_ohm = bench.cable_resistance_ohm if bench.sense_point == "cycler" else 0.0
        before_coil, before_command, before_tick = plant.contactor.on_coil, cycler.on_command, loop.on_tick
        before_meters = cycler.on_meters
        limits = plant.spec.limits
        source_max_a = inf if limits.charge_current_max_a is None else limits.charge_current_max_a
        sink_max_a = inf if limits.discharge_current_max_a is None else limits.discharge_current_max_a

        def on_coil(t_ns: int, closed: bool) -> None:
            self.coil.append((t_ns, closed))
            if before_coil is not None:
                before_coil(t_ns, closed)

        def on_command(t_ns: int, output_on: bool, voltage_v: float, source_a: float, sink_a: float) -> None:
            if plant.cycler.enabled or not output_on:
                # One that its board has switched off may be told what it likes.
                (self.ons if output_on else self.offs).append(t_ns)
            if self.on_told is not None:
                self.on_told(t_ns, output_on, source_a, sink_a)
            if before_command is not None:
                before_command(t_ns, output_on, voltage_v, source_a, sink_a)

        def on_meters(t_ns: int, voltage_v: float, current_a: float, given: bool) -> None:
            # At the pack, as the host sees it: the set-point is made of what is lost on the way there.
            clamp_v = cycler.set_voltage_v - cycler.set_source_a * cable_ohm
            if cycler.set_source_a and voltage_v - current_a * cable_ohm >= (1.0 - CLAMP) * clamp_v:
                self.at_clamp.append(t_ns)
            if given and not -sink_max_a - CLEARLY_A <= current_a <= source_max_a + CLEARLY_A:
                self.beyond.append(t_ns)
            if before_meters is not None:
                before_meters(t_ns, voltage_v, current_a, given)

        def on_tick(t_ns: int) -> None:
            quiet = abs(plant.cycler.current_a) < QUIET_A
            if not self.quiet or self.quiet[-1][1] is not quiet:
                self.quiet.append((t_ns, quiet))
            if before_tick is not None:
                before_tick(t_ns)

        plant.contactor.on_coil, cycler.on_command, loop.on_tick = on_coil, on_command, on_tick
        cycler.on_meters = on_meters

    def coil_at(self, t_ns: int) -> bool:
        """Whether the coil was on at an instant."""
        on = False
        for at_ns, closed in self.coil:
            if at_ns > t_ns:
                break
            on = closed
        return on

    def coil_off_for_good_ns(self, from_ns: int, to_ns: int) -> int | None:
        """When the coil went off last before `to_ns`, or `from_ns` where it was off from then on; None: it is on."""
        if self.coil_at(to_ns):
            return None
        found_ns = from_ns
        for at_ns, closed in self.coil:
            if from_ns <= at_ns <= to_ns and not closed:
                found_ns = at_ns
        return found_ns

    def off_for_good_ns(self, from_ns: int, to_ns: int) -> int | None:
        """When the cycler was told to stop, and to nothing else before `to_ns`; None: it was not."""
        last_on_ns = max((at_ns for at_ns in self.ons if at_ns <= to_ns), default=-1)
        return next((max(at_ns, from_ns) for at_ns in self.offs if last_on_ns <= at_ns <= to_ns), None)

    def first_off_ns(self, from_ns: int, to_ns: int) -> int | None:
        """When the cycler was told to stop first within a time; None: it was not."""
        return next((at_ns for at_ns in self.offs if from_ns <= at_ns <= to_ns), None)

    def stood_at_clamp(self, from_ns: int, to_ns: int) -> bool:
        """Whether a reading within a time did."""
        return any(from_ns <= at_ns <= to_ns for at_ns in self.at_clamp)

    def read_beyond(self, from_ns: int, to_ns: int) -> bool:
        """Whether a reading within a time showed clearly too much current."""
        return any(from_ns <= at_ns <= to_ns for at_ns in self.beyond)

    def told(self, from_ns: int, to_ns: int) -> bool:
        """Whether the cycler was told anything within a time."""
        return any(from_ns <= at_ns <= to_ns for at_ns in (*self.ons, *self.offs))

    def told_on_at(self, t_ns: int) -> bool:
        """Whether the cycler had been told to be on at an instant, and not yet to stop."""
        last_on_ns = max((at_ns for at_ns in self.ons if at_ns <= t_ns), default=-1)
        return last_on_ns >= 0 and not any(last_on_ns <= at_ns < t_ns for at_ns in self.offs)

    def flowed(self, from_ns: int, to_ns: int) -> bool:
        """Whether more than a pulse flowed at any time between."""
        flows = False
        for at_ns, is_quiet in self.quiet:
            if at_ns > to_ns:
                break
            if at_ns <= from_ns:
                flows = not is_quiet
            elif not is_quiet:
                return True
        return flows
