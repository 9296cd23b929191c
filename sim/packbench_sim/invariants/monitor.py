"""The monitor: watches one world, over as many controllers and runs as there are.

Owns the wiring of the checks to the world's parts, and what they found. Must not change anything in the world, with one
exception: where what the plant last knew would be a violation, it is brought to the present instant before anybody is
blamed. It exists so that invariants are judged by what really happened, at every instant at which anything could.

    monitor = Monitor(world, loop, layers_of(plan.limits, pack, bench))
    monitor.attach_lines(lines)                           # anew for each controller
    journal = monitor.run_began(run_id, recorder, serial="...")    # hand this to the run
    monitor.operator_command("pause", "Li Wei")
    monitor.record(folder)                                # when the run is over, the file closed
    monitor.violations
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from packbench.core.limits import LimitSet
from packbench.core.records import Row
from packbench.core.specs import BenchSpec, PackSpec
from packbench_board.codes import Output
from packbench_board.frames import BoardMessage, EventQuery, Heartbeat, Hello, HostMessage, SnapshotQuery, StatusQuery
from packbench_sim.bms import Measurement
from packbench_sim.invariants import energy, record
from packbench_sim.invariants.board import BoardWatch
from packbench_sim.invariants.data import DataWatch
from packbench_sim.invariants.journal import Acknowledging, Kept, TappedJournal
from packbench_sim.invariants.limits import LimitWatch, plausible
from packbench_sim.invariants.lines import Delivered, Desk, Given, LineWatch
from packbench_sim.invariants.record_file import Open, open_plain, read_run
from packbench_sim.invariants.recount import Recount
from packbench_sim.invariants.twice import Told
from packbench_sim.invariants.violation import NEVER_NS, Violation
from packbench_sim.loop import VirtualLoop
from packbench_sim.wire import MemoryLink
from packbench_sim.world import World

MOST = 200
"""Violations kept: what is broken at every tick is told often enough."""
STOPS = ("abort", "stop")
"""Words by which an operator stops a run."""
DATA_NAME = "run.db"
_QUERIES = (Heartbeat, StatusQuery, Hello, EventQuery, SnapshotQuery)
"""What asks the board and commands nothing."""
_SOURCES = frozenset({"cycler", "bms", "cell_tap"})
"""Roles whose lines carry readings that are watched."""


def layers_of(profile: LimitSet, pack: PackSpec, bench: BenchSpec) -> dict[str, LimitSet]:
    """All layers that state limits, by name."""
    return {"profile": profile, "pack": pack.limits, **bench.limits}


class Monitor:
    """Watches one world.

    Args:
        world: the plant and its board; their observers are taken.
        loop: whose ticks are watched.
        layers: the layers of limits (`layers_of`).
        dynamic: the BMS's protocol carries its dynamic limits, so that they count.
        capacity_step: the plan's step whose discharges make the result, from 1.
        gaps_allowed: a PASS may have gaps that the result owns up to.
        words_required: every word of an operator is told, that to arm among them.
    """

    def __init__(
        self,
        world: World,
        loop: VirtualLoop,
        layers: Mapping[str, LimitSet],
        *,
        dynamic: bool = False,
        capacity_step: int | None = None,
        gaps_allowed: bool = False,
        words_required: bool = False,
    ) -> None:
        self.violations: list[Violation] = []
        self.commands: list[Told] = []
        """What reached cycler and board, but for heartbeats and queries: for `twice.same_control`."""
        self._world, self._loop = world, loop
        self._capacity_step, self._gaps_allowed = capacity_step, gaps_allowed
        self.board = BoardWatch(world, self._report)
        self.board.words_required = words_required
        self.limits = LimitWatch(world, layers, self.board, self._report, dynamic=dynamic)
        self.data = DataWatch(world, self._report)
        self.recount = Recount(self._report)
        """Its `observe` is the run's, where the readings that are counted are to be counted again."""
        self._desk = Desk()
        self._lines: dict[str, LineWatch] = {}
        self._lined = False
        self._kept: dict[str, Kept] = {}
        self._words: list[record.Word] = []
        self._journal: TappedJournal | None = None
        self._run_id = self._serial = ""
        self._marks_ns: list[int] = []
        self._marks_as: list[float] = []
        self._due_ns = NEVER_NS
        self._told_a = (0.0, 0.0)
        self.ticks = 0
        self.on_delivered: Callable[[Delivered], None] | None = None
        """Told of every plausible reading that the host has in hand."""
        self._observe(world, loop)

    def _observe(self, world: World, loop: VirtualLoop) -> None:
        plant, board = world.plant, world.board
        loop.on_tick = self._tick
        board.on_heard, board.on_asked, board.on_driven = self._heard, self._asked, self._driven
        board.on_reboot = self.board.rebooted
        plant.cycler.on_command, plant.cycler.on_meters = self._command, self._meters
        plant.bms.on_measurement = self._measurement
        plant.contactor.on_coil, plant.contactor.on_move = self._coil, self._move
        self.limits.cycler_hurt = self._cycler_hurt

    def detach(self) -> None:
        """Watch no longer."""
        plant, board = self._world.plant, self._world.board
        self._loop.on_tick = None
        board.on_heard = board.on_asked = board.on_driven = None
        plant.cycler.on_command = plant.cycler.on_meters = plant.bms.on_measurement = None
        plant.contactor.on_coil = plant.contactor.on_move = None
        self._unhook()

    # -- told by whoever runs the trial ------------------------------------------------------

    def attach_lines(self, lines: Mapping[str, MemoryLink]) -> None:
        """A controller has got these lines, by role. What was on the way on others is nobody's reading."""
        self._lined = True
        self._unhook()
        self.recount.forget()
        self.data.forget()
        devices = self._world.plant.bench.devices
        together: dict[int, list[str]] = {}
        for role, link in lines.items():
            together.setdefault(id(link), []).append(role)
        for roles in together.values():
            if not _SOURCES.intersection(roles):
                continue
            timeouts_ns: dict[str, int] = {}
            for role in _SOURCES.intersection(roles):
                # A monitor on the cells measures what the BMS's model measures.
                source = "bms" if role == "cell_tap" else role
                timeouts_ns[source] = max(timeouts_ns.get(source, 0), devices[role].reply_timeout_ns)
            watch = LineWatch(lines[roles[0]], timeouts_ns, self._desk, self._delivered)
            self._lines.update(dict.fromkeys(roles, watch))

    def run_began(self, run_id: str, journal: Acknowledging, *, serial: str = "") -> TappedJournal:
        """A run (or another life of one) writes to this recorder; returns the journal to hand to it."""
        if run_id != self._run_id:
            self._words.clear()
        self._run_id, self._serial = run_id, serial
        kept = self._kept.setdefault(run_id, Kept())
        self._journal = TappedJournal(journal, kept, self._loop.now_ns, self._row)
        return self._journal

    def operator_command(self, name: str, who: str) -> None:
        """An operator has said something that changes the state of the run."""
        now_ns = self._loop.now_ns()
        self._words.append(record.Word(now_ns, name, who))
        self.board.word_said = True
        if name in STOPS:
            self.stop_asked()

    def moved_by_ns(self, from_ns: int, charge_ah: float) -> int | None:
        """When so much charge had flowed since an instant, by the readings that the cycler has taken; None: never."""
        first = bisect_left(self._marks_ns, from_ns)
        for t_ns, net_as in zip(self._marks_ns[first:], self._marks_as[first:], strict=True):
            if abs(net_as - self._marks_as[first]) >= charge_ah * 3600.0:
                return t_ns
        return None

    def stop_asked(self) -> None:
        """An operator is saying that the output is to go off; the word itself follows when it has been taken."""
        self.limits.operator_stops(self._loop.now_ns())
        self._plan()

    def stop_refused(self) -> None:
        """It was not taken: the run has tripped, or is over."""
        self.limits.operator_refused()
        self._plan()

    def impair(self, active: bool) -> None:
        """The disk, the screen or another bystander is in trouble (or no longer): stops are judged as I12."""
        self.limits.impaired = active

    def life_ended(self) -> None:
        """The controller is gone: nothing that was delivered binds anybody any more, and its recorder said its last."""
        if self._journal is not None:
            self._journal.look()
        self.limits.forget()
        self.board.life_ended()
        self._unhook()
        self._plan()

    def _unhook(self) -> None:
        for line in self._lines.values():
            line.detach()
        self._lines = {}

    def record(self, folder: Path, *, opening: Open = open_plain) -> None:
        """The run is over and its file is closed: judge what is left of it."""
        journal, kept = self._journal, self._kept.get(self._run_id)
        if journal is not None:
            journal.look()
        run = read_run(folder / DATA_NAME, opening)
        plant = self._world.plant
        if kept is not None:
            record.check_kept(run, kept, self._report)
            truth = energy.Truth(self._marks_ns, self._marks_as)
            energy.check_charge(run, kept, truth, plant.bench, plant.errors, self._report)
            energy.check_gaps(run, kept, truth, plant.errors, self._report)
        energy.check_energy(run, plant.errors, self._report)
        record.check_words(run, self._words, self._report)
        result = record.result_in(folder)
        if result is not None:
            energy.check_result(run, result, self._capacity_step, self._report)
            record.check_pass(run, result, self._serial, self._report, gaps_allowed=self._gaps_allowed)

    # -- told by the world -------------------------------------------------------------------

    def _report(self, violation: Violation) -> None:
        if len(self.violations) < MOST:
            self.violations.append(violation)

    def _tick(self, now_ns: int) -> None:
        self.ticks += 1
        if now_ns > self._due_ns:
            if now_ns > self.board.due_ns:
                self.board.overdue(now_ns)
            if now_ns > self.limits.due_ns:
                self.limits.overdue(now_ns)
            self._plan()

    def _plan(self) -> None:
        board_ns, limits_ns = self.board.due_ns, self.limits.due_ns
        self._due_ns = board_ns if board_ns < limits_ns else limits_ns

    def _heard(self, t_ns: int, data: bytes, sent: bytes) -> None:
        for request, reply in self.board.exchanged(data, sent):
            self._asked(t_ns, request, reply)

    def _asked(self, t_ns: int, request: HostMessage, reply: BoardMessage) -> None:
        if self.board.on_asked(t_ns, request, reply):
            self.data.on_heartbeat(t_ns)
        if not isinstance(request, _QUERIES):
            self.commands.append((t_ns, type(request).__name__, tuple(request)))
        self._plan()

    def _driven(self, t_ns: int, outputs: int) -> None:
        self.board.on_driven(t_ns, outputs)

    def _command(self, t_ns: int, output_on: bool, voltage_v: float, source_a: float, sink_a: float) -> None:
        cycler = self._world.plant.cycler
        if output_on and cycler.enabled and not cycler.output_on:
            self.board.on_output(t_ns)
        # Without its enable it delivers nothing, whatever it is told.
        told = output_on and cycler.enabled
        more = told and (source_a > self._told_a[0] or sink_a > self._told_a[1])
        self._told_a = (source_a, sink_a) if told else (0.0, 0.0)
        if more and self._journal is not None and not self._journal.intended():
            text = f"the cycler is told {max(source_a, sink_a):.1f} A before the record of it is on disk"
            self._report(Violation("I7", t_ns, text))
        self.commands.append((t_ns, "cycler", (output_on, voltage_v, source_a, sink_a)))
        self.limits.on_command(t_ns, output_on and cycler.enabled, voltage_v, source_a, sink_a)
        self.data.on_command(t_ns, output_on and cycler.enabled, source_a, sink_a)
        self.recount.on_command(t_ns)
        self.board.look()
        self._plan()

    def _meters(self, t_ns: int, voltage_v: float, current_a: float, given: bool) -> None:
        pack = self._world.plant.pack
        if not self._marks_ns or t_ns > self._marks_ns[-1]:
            self._marks_ns.append(t_ns)
            self._marks_as.append(pack.throughput_charge_as - pack.throughput_discharge_as)
        if given:
            self._give(Given("cycler", t_ns, (voltage_v, current_a)))

    def _measurement(self, t_ns: int, measurement: Measurement) -> None:
        self._give(Given("bms", t_ns, measurement))

    def _give(self, given: Given) -> None:
        if self._lined:
            self._desk.put(given)
        else:
            # Object level: a reading is in hand as soon as it is given out.
            self._delivered(Delivered(given.t_ns, given.t_ns, given))

    def _delivered(self, reading: Delivered) -> None:
        good = reading.given.role == "cycler" or plausible(reading.given.values)
        self.data.on_delivered(reading, good)
        if good:
            self.limits.on_delivered(reading)
            if self.on_delivered is not None:
                self.on_delivered(reading)
            self._plan()

    def _coil(self, t_ns: int, closed: bool) -> None:
        self.commands.append((t_ns, Output.CONTACTOR.name or "", (closed,)))
        self.board.on_coil(t_ns, closed)
        self._plan()

    def _move(self, t_ns: int, closes: bool, across_v: float, current_a: float) -> None:
        self.board.on_move(t_ns, closes, across_v, current_a)
        self.limits.on_move(t_ns, closes)
        self._plan()

    def _row(self, now_ns: int, origin_ns: int, row: Row) -> None:
        self.data.on_row(now_ns, origin_ns, row)

    def _cycler_hurt(self, now_ns: int, within_ns: int) -> bool:
        line: Any = self._lines.get("cycler")
        return False if line is None else line.hurt(now_ns, within_ns)
