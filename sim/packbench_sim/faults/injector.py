"""Makes a row of the catalogue true in a world, and undoes it.

Owns the way from a row's id to the part that breaks: the plant's flags, the board, a line, the host, the disk. The host
and the disk are not of this world: whoever has them implements `HostFaults`. Must not decide when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from packbench_board.codes import State as BoardState
from packbench_sim.faults import wires
from packbench_sim.faults.active import FAULT_FLAGS
from packbench_sim.faults.catalogue import BY_ID, MS, S, State
from packbench_sim.loop import VirtualLoop
from packbench_sim.wire import MemoryLink
from packbench_sim.world import World

ROGUE_A = 30.0
LOOKS_NS = 1 * MS
"""How often the board looks by itself while its own reaction is what counts."""
RATE_NS = 60 * S
"""A rate over a minute is known a minute after it began."""
RESET_NS = 10 * S
FLOWS_A = 1.0
PAUSE_NS = 40 * MS
"""Between two polls of a cycler there is at least so much; within one there is less."""


class HostFaults(Protocol):
    """What can go wrong with the host: implemented by whoever runs it."""

    def kill(self) -> None:
        """The process dies."""
        ...

    def stick(self, duration_ns: int) -> None:
        """The control loop stands still, its supervisor lives."""
        ...

    def jump_wall(self, seconds: float) -> None:
        """The wall clock jumps."""
        ...

    def raise_in_loop(self) -> Callable[[], int | None]:
        """An error that nobody foresaw, at the next occasion; tells when that was."""
        ...

    def stall_disk(self, duration_ns: int) -> None:
        """The next commits take so long."""
        ...

    def fail_disk(self, *, full: bool) -> None:
        """Writing fails from now on: an error of the device, or no room."""
        ...

    def power_cut(self) -> None:
        """The process dies, and what was not synced is gone."""
        ...

    def reboot(self) -> None:
        """The process dies, and the machine's monotonic clock begins anew."""
        ...


@dataclass(slots=True)
class Injected:
    """A fault that was made true."""

    row: str
    t_ns: int
    state: str
    """Of the controller, as the world saw it then."""
    shown: Callable[[], int | None]
    """When it could first be seen; None: not yet."""

    @property
    def shown_ns(self) -> int | None:
        """The same."""
        return self.shown()


class Injector:
    """Breaks one world. `attach_lines` says which lines the host holds now."""

    def __init__(self, world: World, loop: VirtualLoop, host: HostFaults, rng: Random) -> None:
        self._world, self._loop, self._host, self._rng = world, loop, host, rng
        self._lines: Mapping[str, MemoryLink] = {}
        self._made: list[str] = []
        self._on_lines: list[wires.LineFault] = []
        self._heard: list[bytes] = []
        self._phase = 0
        self._first_off_ns: int | None = None

    def attach_lines(self, lines: Mapping[str, MemoryLink], *, kept: bool = False) -> None:
        """A controller's lines; what it sends the board is kept, to be sent again one day."""
        self._lines = lines
        if not kept:
            self._heard.clear()
        board = lines["board"]
        before = board.on_written

        def on_written(t_ns: int, data: bytes) -> None:
            if len(self._heard) < 4000:
                self._heard.append(data)
            if before is not None:
                before(t_ns, data)

        board.on_written = on_written

    def inject(self, row: str) -> Injected:
        """Make a row true now. Raises KeyError for one that cannot be."""
        self._made.append(row)
        now_ns = self._loop.now_ns()
        state = state_of(self._world)
        if row in _WIRES:
            return self._on_line(row, now_ns, state)
        if row in FAULT_FLAGS:
            self._world.plant.advance_to(now_ns)
            shown = self._shown_of(row, now_ns)
            self._world.plant.inject(row)
            self._look_often(row)
            return Injected(row, now_ns, state, shown)
        if row == "host.exception":
            return Injected(row, now_ns, state, self._host.raise_in_loop())
        self._others(row, now_ns)
        return Injected(row, now_ns, state, lambda: now_ns)

    def repair(self) -> None:
        """Undo everything."""
        for fault in self._on_lines:
            fault.take_off()
        self._on_lines.clear()
        plant = self._world.plant
        plant.advance_to(self._loop.now_ns())
        for row in dict.fromkeys(self._made):
            if row in FAULT_FLAGS:
                plant.repair(row)
            elif row == "pack.bms_reset":
                plant.repair("comms.bms_lost")
        self._made.clear()
        self._world.board.look_often(None)

    # -- lines -------------------------------------------------------------------------------

    def _on_line(self, row: str, now_ns: int, state: str) -> Injected:
        role = _WIRES[row] or self._rng.choice(("cycler", "bms"))
        link, tcp, rng = self._lines[role], role == "cycler", self._rng
        clock = self._loop.now_ns
        fault: wires.LineFault
        match row:
            case "comms.cycler_lost" | "comms.bms_lost" | "comms.reconnect" | "pack.bms_reset":
                fault = wires.Dead(link, clock)
                if row in ("comms.reconnect", "pack.bms_reset"):
                    back_ns = now_ns + (4 * S if row == "comms.reconnect" else RESET_NS)
                    self._loop.at_ns(back_ns, fault.take_off)
            case "comms.late_reply":
                timeout_ns = self._world.plant.bench.devices[role].reply_timeout_ns
                fault = wires.Late(link, clock, timeout_ns + rng.randrange(60 * MS))
            case "comms.wrong_unit":
                fault = wires.OneReply(link, clock, wires.of_another_unit(tcp=tcp))
            case "comms.noise":
                fault = wires.OneReply(link, clock, wires.damaged(rng, tcp=tcp))
            case "comms.half_write":
                fault = wires.HalfWrite(link, clock, rng, tcp=tcp)
            case "net.malformed":
                link.deliver_later(rng.randbytes(rng.randrange(1, 200)), 0)
                return Injected(row, now_ns, state, lambda: now_ns)
            case _:
                fault = wires.EveryReply(link, clock, wires.swapped(tcp=tcp))
        self._on_lines.append(fault)
        return Injected(row, now_ns, state, lambda: fault.seen_ns)

    # -- the plant and the board -------------------------------------------------------------

    def _shown_of(self, row: str, now_ns: int) -> Callable[[], int | None]:
        """When a fault of the plant can first be seen."""
        if row in ("power.cooling",):
            return lambda: now_ns + RATE_NS if self._loop.now_ns() >= now_ns + RATE_NS else None
        if row == "power.ignores_off":
            return self._first_off(now_ns)
        if row == "power.overcurrent":
            return self._first_over(now_ns)
        source = _SHOWN_BY.get(row)
        return self._first_reading(source, now_ns) if source is not None else lambda: now_ns

    def _first_reading(self, role: str, now_ns: int) -> Callable[[], int | None]:
        """The first reply of the first poll that begins after now: one that is under way may have read before it."""
        seen: list[int] = []
        link = self._lines.get(role)
        if link is None:
            return lambda: now_ns
        contactor = self._world.plant.contactor
        pause_ns = PAUSE_NS if role == "cycler" else 3 * PAUSE_NS
        written_ns = begun_ns = -1
        before_written, before_delivered = link.on_written, link.on_delivered

        def on_written(t_ns: int, data: bytes) -> None:
            nonlocal written_ns, begun_ns
            if begun_ns < 0 and written_ns >= 0 and t_ns - written_ns > pause_ns:
                begun_ns = t_ns
            written_ns = t_ns
            if before_written is not None:
                before_written(t_ns, data)

        def on_delivered(t_ns: int, data: bytes) -> None:
            if not seen and begun_ns >= 0 and (role != "cycler" or contactor.closed):
                seen.append(t_ns)
            if before_delivered is not None:
                before_delivered(t_ns, data)

        written_ns = now_ns
        link.on_written, link.on_delivered = on_written, on_delivered
        return lambda: seen[0] if seen else None

    def _first_over(self, now_ns: int) -> Callable[[], int | None]:
        """The first instant at which more flows than the board allows."""
        seen: list[int] = []
        cycler, limits = self._world.plant.cycler, self._world.plant.bench.limits["board"]
        most_a = max(limits.charge_current_max_a or 0.0, limits.discharge_current_max_a or 0.0)

        def look(times: int) -> None:
            if abs(cycler.current_a) > most_a:
                seen.append(self._loop.now_ns())
            elif times:
                self._loop.at_ns(self._loop.now_ns() + LOOKS_NS, look, times - 1)

        self._loop.at_ns(now_ns + LOOKS_NS, look, 2000)
        return lambda: seen[0] if seen else None

    def _first_off(self, now_ns: int) -> Callable[[], int | None]:
        """The first "off" that is not obeyed although current flows."""
        seen: list[int] = []
        cycler = self._world.plant.cycler
        before = cycler.on_command

        def on_command(t_ns: int, output_on: bool, voltage_v: float, source_a: float, sink_a: float) -> None:
            if not seen and not output_on and t_ns >= now_ns and abs(cycler.current_a) > FLOWS_A:
                seen.append(t_ns)
            if before is not None:
                before(t_ns, output_on, voltage_v, source_a, sink_a)

        cycler.on_command = on_command
        return lambda: seen[0] if seen else None

    def _look_often(self, row: str) -> None:
        """Where the board's own eyes are what counts, it looks as often as a real one does."""
        if row in ("power.overcurrent", "pack.runaway", "pack.hvil", "power.opened_hot"):
            self._world.board.look_often(LOOKS_NS)
            self._lines["board"].wake()

    def _others(self, row: str, now_ns: int) -> None:
        host, plant, board, rng = self._host, self._world.plant, self._world.board, self._rng
        match row:
            case "comms.host_dead":
                host.kill()
            case "comms.loop_stuck":
                host.stick(10 * S)
            case "comms.nuisance":
                host.stall_disk(3 * S)
            case "host.clock_jump":
                host.jump_wall(rng.choice((-7200.0, -1.5, 1.5, 3600.0, 86_400.0)))
            case "host.reboot":
                host.reboot()
            case "host.mcu_hang":
                board.hang(now_ns)
                self._lines["board"].wake()
            case "power.reclose":
                for data in self._heard[-400:]:
                    self._lines["board"].inject(data)
            case "net.rogue_writer":
                # The other way round: less of the same would be right for a cycler at its voltage clamp.
                cycler = plant.cycler
                charges = cycler.set_source_a > 0.0
                source_a, sink_a = (0.0, ROGUE_A) if charges else (ROGUE_A, 0.0)
                volts = cycler.set_voltage_v * (0.9 if charges else 1.1)
                cycler.rogue(now_ns, voltage_v=volts, source_current_a=source_a, sink_current_a=sink_a)
            case "store.power_cut":
                host.power_cut()
            case "store.fsync" | "store.full":
                host.fail_disk(full=row == "store.full")
            case _:
                raise KeyError(row)


def state_of(world: World) -> State:
    """The controller's state, as the world sees it: by board, coil and cycler."""
    plant, board = world.plant, world.board
    state = board.state
    if state == BoardState.TRIPPED:
        return "tripped"
    if state == BoardState.PRECHARGE:
        return "precharge"
    if state == BoardState.OPENING:
        return "stopping"
    if not plant.contactor.coil:
        return "connecting"
    cycler = plant.cycler
    if not cycler.output_on or not (cycler.set_source_a or cycler.set_sink_a):
        return "rest"
    if cycler.set_sink_a:
        return "discharge"
    return "charge_cv" if cycler.regulation() == "cv" else "charge_cc"


_WIRES: dict[str, str] = {
    "comms.cycler_lost": "cycler",
    "comms.bms_lost": "bms",
    "comms.reconnect": "cycler",
    "pack.bms_reset": "bms",
    "comms.late_reply": "",
    "comms.wrong_unit": "",
    "comms.noise": "",
    "comms.half_write": "cycler",
    "net.malformed": "",
    "sensor.word_order": "bms",
}
"""Rows of a line, and whose; empty: drawn."""
_SHOWN_BY: dict[str, str] = {
    "sensor.frozen": "bms",
    "sensor.sentinel": "bms",
    "sensor.scale": "cycler",
    "sensor.thermo_open": "bms",
    "sensor.sense_lead": "cycler",
    "sensor.cells_missing": "bms",
    "sensor.weak_cell": "bms",
    "power.load_dump": "cycler",
    "power.mains": "cycler",
    "power.setpoint": "cycler",
    "power.opened_hot": "board",
    "pack.insulation": "meter",
}
"""Which device's next reply shows it; others are there at once."""
assert set(_SHOWN_BY) <= set(BY_ID)
