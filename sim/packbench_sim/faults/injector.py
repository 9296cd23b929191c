"""Makes a row of the catalogue true in a world, and undoes it.

Owns the way from a row's id to the part that breaks: the plant's flags, the board, a line, the host, the disk. The host
and the disk are not of this world: whoever has them implements `HostFaults`. Must not decide when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from packbench.run.recorder import COMMIT_NS
from packbench_sim.faults import wires
from packbench_sim.faults.active import (
    APART,
    COLD,
    ESTOP,
    FAULT_FLAGS,
    FORBIDS,
    METER,
    PASSING,
    SILENT_METER,
    SLOW_CLOCK,
    SWITCHES_HOT,
    Injection,
)
from packbench_sim.faults.catalogue import CLOSED, INJECTABLE, MS, S
from packbench_sim.faults.seen import LOOKS_NS, Shown, Sights, is_write, state_of
from packbench_sim.loop import VirtualLoop
from packbench_sim.wire import MemoryLink
from packbench_sim.world import World

LIVE_BYTES, VOLTAGE_AT = 10, 4
"""Of the cycler's reply with its state (two registers), voltage, current and power."""
ROGUE_A = 30.0
ROGUE_VOLTAGES = (1.03, 1.01)
"""What a charge comes to by its current alone, and what it is held at, just beyond the campaign's limit."""
HEARD_MOST = 4000
RESET_NS = 10 * S
LOOKED_NS = 300 * MS
"""So long after a command it is looked at what has come of it (faults catalogue, comms.half_write)."""
SILENT_NS = 30 * S
AGAIN_NS, AGAIN_TIMES = 100 * MS, 20
"""How long a disk stands still that must end the run."""
STALL_NS = 3 * S
"""How long the disk stands still: one commit takes so long, and the next is as quick as ever."""


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

    def raise_in_loop(self) -> Shown:
        """An error that nobody foresaw, at the next occasion; tells when that was."""
        ...

    def stall_disk(self, duration_ns: int) -> Shown:
        """Each commit that begins from now on takes so long; tells when the first one began."""
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
    shown: Shown
    """When it could first be seen; None: not yet."""
    form: str = ""
    """Which of a row's forms it took; empty: the row's own."""
    of_command: Callable[[], bool] = lambda: False
    """Whether the reply that it touched was a command's, or of the look at what a command has done."""

    @property
    def shown_ns(self) -> int | None:
        """The same."""
        return self.shown()


class Injector:
    """Breaks one world. `attach_lines` says which lines the host holds now."""

    def __init__(self, world: World, loop: VirtualLoop, host: HostFaults | None, rng: Random) -> None:
        self.world, self.loop, self._host, self._rng = world, loop, host, rng
        self.lines: Mapping[str, MemoryLink] = {}
        self._made: dict[str, list[wires.LineFault]] = {}
        """What is true, and what it has put on lines."""
        self._heard: list[bytes] = []
        self._latest = b""
        """What the board was last sent."""
        self._sights = Sights(world, loop)
        self._commanded_ns: dict[str, list[int]] = {}
        """When something was written to a device, by role."""

    def attach_lines(self, lines: Mapping[str, MemoryLink], *, kept: bool = False) -> None:
        """A controller's lines; what it sends the board is kept, to be sent again one day."""
        self.lines = lines
        self._sights.attach_lines(lines)
        self._note_commands("cycler", tcp=True)
        self._note_commands("bms", tcp=False)
        if not kept:
            self._heard.clear()
        board = lines["board"]
        before = board.on_written

        def on_written(t_ns: int, data: bytes) -> None:
            self._latest = data
            if len(self._heard) < HEARD_MOST:
                self._heard.append(data)
            if before is not None:
                before(t_ns, data)

        board.on_written = on_written

    def _note_commands(self, role: str, *, tcp: bool) -> None:
        link, times_ns = self.lines[role], list[int]()
        self._commanded_ns[role] = times_ns
        before = link.on_written

        def on_written(t_ns: int, data: bytes) -> None:
            if is_write(data, tcp=tcp):
                times_ns.append(t_ns)
            if before is not None:
                before(t_ns, data)

        link.on_written = on_written

    def inject(self, row: str, *, slight: bool = False, form: str = "") -> Injected:
        """Make a row true now; `slight` as Plant.inject says, in this form of it or in one that is drawn.

        Raises KeyError for one that cannot be.
        """
        now_ns = self.loop.now_ns()
        state, plant = state_of(self.world), self.world.plant
        plant.advance_to(now_ns)
        if row == "power.precharge":
            # While the contact is on its way nobody can take back that it closes: the terminals are off before.
            slight = slight and state == "connecting"
        if slight and row == "sensor.sentinel":
            return Injected(row, now_ns, state, self._cycler_sentinel())
        if row in _WIRES:
            return self._on_line(row, now_ns, state, slight=slight)
        if row in FAULT_FLAGS:
            self._made.setdefault(row, [])
            shown = self._sights.of(row, now_ns)
            form = form or (self._rng.choice(_FORMS.get(row, ("",))) if slight else "")
            if form == SWITCHES_HOT:
                shown = self._sights.first_reading("bms", now_ns)
            elif form == SILENT_METER:
                shown = self._sights.stale("meter", now_ns)
            elif form == FORBIDS:
                shown = self._sights.forbidden(now_ns)
            elif form == PASSING:
                # From its first reading on, whatever is commanded meanwhile: that is what its delay counts from.
                shown = self._sights.first_reading("cycler", now_ns)
            elif slight and row == "sensor.scale":
                shown = self._sights.comparable(now_ns)
            elif slight and row in _BY_LIMITS:
                shown = _never
            plant.inject(row, slight=slight, form=form)
            self._look_often(row)
            return Injected(row, now_ns, state, shown, form)
        if row == "net.rogue_writer":
            self._rogue(now_ns, slight=slight)
            return Injected(row, now_ns, state, lambda: now_ns)
        if row == "host.mcu_hang" and state == "connecting":
            # One that hangs before anything is closed has nothing to open.
            self._made.setdefault(row, [])
            self.world.board.run_slow(now_ns)
            return Injected(row, now_ns, state, lambda: now_ns, SLOW_CLOCK)
        shown = self._others(row, now_ns, slight=slight)
        return Injected(row, now_ns, state, shown or (lambda: now_ns))

    def repair(self, row: str | None = None) -> None:
        """Undo a row, or everything. What has happened meanwhile stays happened; the host's faults are the host's."""
        self.world.plant.advance_to(self.loop.now_ns())
        for made in list(self._made) if row is None else [row]:
            for fault in self._made.pop(made, []):
                fault.take_off()
            if made in FAULT_FLAGS and made not in _WIRES:
                self.world.plant.repair(made)
            elif made == "host.mcu_hang":
                self.world.board.keep_time(self.loop.now_ns())
        if not self._made:
            self.world.board.look_often(None)

    # -- lines -------------------------------------------------------------------------------

    def _on_line(self, row: str, now_ns: int, state: str, *, slight: bool) -> Injected:
        role = _WIRES[row] or self._rng.choice(("cycler", "bms"))
        if row == "comms.noise" and self._rng.random() < 0.3 and state in CLOSED:
            # A frame that the board does not get: none of the sequence that closes its contactor, where it is refused.
            fault = wires.Once(
                self.lines["board"], self.loop.now_ns, wires.damaged(self._rng, tcp=False), on="to_device"
            )
            self._made.setdefault(row, []).append(fault)
            return Injected(row, now_ns, state, lambda: fault.seen_ns)
        link, tcp, rng = self.lines[role], role == "cycler", self._rng
        clock = self.loop.now_ns
        fault: wires.LineFault
        match row:
            case "comms.cycler_lost" | "comms.bms_lost" | "comms.reconnect" | "pack.bms_reset":
                fault = wires.Dead(link, clock)
                if row in ("comms.reconnect", "pack.bms_reset"):
                    back_ns = now_ns + (4 * S if row == "comms.reconnect" else RESET_NS)
                    self.loop.at_ns(back_ns, fault.take_off)
            case "comms.late_reply":
                timeout_ns = self.world.plant.bench.devices[role].reply_timeout_ns
                # Just behind the time-out, where a host that asks again at once has asked already; and where replies
                # have an id, as a gateway does that had it in its buffer: together with the answer to a later request.
                late_ns = rng.randrange(1, rng.choice((8, 60)) * MS)
                later = tcp and rng.random() < 0.5
                fault = (
                    wires.Buffered(link, clock, rng.randrange(1, 60))
                    if later
                    else wires.Late(link, clock, timeout_ns + late_ns)
                )
            case "comms.wrong_unit":
                change = rng.choice((wires.of_another_unit, wires.shorter))
                fault = wires.Once(link, clock, change(tcp=tcp))
            case "comms.noise":
                fault = wires.Once(link, clock, wires.damaged(rng, tcp=tcp))
            case "comms.half_write":
                fault = wires.HalfWrite(link, clock, rng, tcp=tcp, silent=slight)
            case "net.malformed":
                link.deliver_later(rng.randbytes(rng.randrange(1, 200)), 0)
                return Injected(row, now_ns, state, lambda: now_ns)
            case _:
                fault = wires.EveryReply(link, clock, wires.swapped(tcp=tcp))
        self._made.setdefault(row, []).append(fault)
        # This controller's: when it is asked, another one may hold other lines.
        commanded_ns = self._commanded_ns[role]

        def of_command() -> bool:
            seen_ns = fault.seen_ns
            return seen_ns is not None and any(0 <= seen_ns - t_ns <= LOOKED_NS for t_ns in commanded_ns)

        return Injected(row, now_ns, state, lambda: fault.seen_ns, of_command=of_command)

    def _cycler_sentinel(self) -> Shown:
        """The other reading that may be none: what the interface fills in where the cycler's voltage should stand."""
        fault = wires.EveryReply(
            self.lines["cycler"], self.loop.now_ns, wires.all_ones(LIVE_BYTES, VOLTAGE_AT, tcp=True)
        )
        self._made.setdefault("sensor.sentinel", []).append(fault)
        return lambda: fault.seen_ns

    # -- the plant and the board -------------------------------------------------------------

    def _look_often(self, row: str) -> None:
        """Where the board's own eyes are what counts, it looks as often as a real one does."""
        if row in ("power.overcurrent", "pack.runaway", "pack.hvil", "power.opened_hot"):
            self.world.board.look_often(LOOKS_NS)
            self.lines["board"].wake()

    def _others(self, row: str, now_ns: int, *, slight: bool) -> Shown | None:
        """Of the board, or of the host. Raises KeyError for a row that is neither's, or the host's where none is."""
        board = self.world.board
        match row:
            case "host.mcu_hang":
                board.hang(now_ns)
                self.lines["board"].wake()
            case "power.reclose":
                for data in self._heard[-400:]:
                    self.lines["board"].inject(data)
            case _ if self._host is None:
                raise KeyError(row)
            case _:
                return self._on_host(self._host, row, now_ns, slight=slight)
        return None

    def _on_host(self, host: HostFaults, row: str, now_ns: int, *, slight: bool) -> Shown | None:
        match row:
            case "comms.host_dead":
                host.kill()
                if slight:
                    self._again_and_again(self._latest, now_ns)
            case "comms.loop_stuck":
                host.stick(10 * S)
            case "comms.nuisance":
                host.stall_disk(STALL_NS)
                self.loop.at_ns(now_ns + STALL_NS, host.stall_disk, COMMIT_NS)
            case "host.clock_jump":
                host.jump_wall(self._rng.choice((-7200.0, -1.5, 1.5, 3600.0, 86_400.0)))
            case "host.reboot":
                host.reboot()
            case "host.exception":
                return host.raise_in_loop()
            case "store.power_cut":
                host.power_cut()
            case "store.fsync" if slight:
                # It says nothing at all.
                self.loop.at_ns(now_ns + SILENT_NS, host.stall_disk, COMMIT_NS)
                return host.stall_disk(SILENT_NS)
            case "store.fsync" | "store.full":
                host.fail_disk(full=row == "store.full")
            case _:
                raise KeyError(row)
        return None

    def _again_and_again(self, data: bytes, now_ns: int) -> None:
        """An adapter that goes on sending what it was given last, after whoever gave it is gone."""
        board = self.world.board
        for number in range(1, AGAIN_TIMES + 1):
            self.loop.at_ns(now_ns + number * AGAIN_NS, lambda: board.on_bytes(self.loop.now_ns(), data))

    def _rogue(self, now_ns: int, *, slight: bool) -> None:
        """Another master writes to the cycler."""
        cycler, limits = self.world.plant.cycler, self.world.plant.spec.limits
        charges = cycler.set_source_a > 0.0
        if slight and charges:
            # No more current than the pack may have, and a voltage a little higher than was asked for.
            source_a, sink_a = limits.charge_current_max_a or ROGUE_A, cycler.set_sink_a
            volts = cycler.set_voltage_v * self._rng.choice(ROGUE_VOLTAGES)
        else:
            # The other way round: less of the same would be right for a cycler at its voltage clamp.
            source_a, sink_a = (0.0, ROGUE_A) if charges else (ROGUE_A, 0.0)
            volts = cycler.set_voltage_v * (0.9 if charges else 1.1)
        cycler.rogue(now_ns, voltage_v=volts, source_current_a=source_a, sink_current_a=sink_a)


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
_BY_LIMITS = ("sensor.weak_cell", "power.cooling", "power.overcurrent")
"""Whether the slight one of these is ever seen past a limit depends on the test: invariants judge it, and no budget."""
_FORMS = {
    "sensor.weak_cell": ("", APART),
    "power.cooling": ("", COLD, SWITCHES_HOT),
    "power.setpoint": ("", PASSING, PASSING),
    "power.overcurrent": ("", FORBIDS, FORBIDS),
    "pack.insulation": ("", SILENT_METER),
    "pack.hvil": ("", ESTOP),
    "sensor.sign": ("", METER),
}
"""Rows whose slight form comes in several."""
OF_THE_BENCH = tuple(
    row
    for row in INJECTABLE
    if row not in FAULT_FLAGS and (row in _WIRES or row in ("host.mcu_hang", "net.rogue_writer"))
)
"""Rows that need no more than lines to devices: neither the plant's nor the host's."""


def _never() -> int | None:
    return None


def break_later(
    world: World, loop: VirtualLoop, lines: Mapping[str, MemoryLink], injections: Iterable[Injection], seed: int
) -> None:
    """Have rows of `OF_THE_BENCH` become true at their instants, counted from now. Others are left alone."""
    due = [each for each in injections if each.fault_id in OF_THE_BENCH]
    if not due:
        return
    injector = Injector(world, loop, None, Random(f"faults {seed}"))
    injector.attach_lines(lines)
    for each in due:
        loop.at_ns(loop.now_ns() + each.at_ns, injector.inject, each.fault_id)
