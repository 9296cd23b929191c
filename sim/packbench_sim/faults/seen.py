"""What a world shows: the controller's state, and the first instant at which a fault could be seen.

Owns both, as seen from outside: by board, coil, cycler and what goes over the lines, never by the host's own account.
Must not break anything. It exists because a promise is measured from the first message or sample that shows the fault.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

from packbench_board.codes import Phase
from packbench_board.codes import State as BoardState
from packbench_sim.cycler import CyclerModel
from packbench_sim.faults.active import FORBIDS
from packbench_sim.faults.catalogue import FORM_BUDGETS_NS, MS, S, State
from packbench_sim.loop import VirtualLoop
from packbench_sim.wire import MemoryLink
from packbench_sim.world import World

Delivered = Callable[[int, bytes], None]
Shown = Callable[[], int | None]
"""When a fault could first be seen; None: not yet."""

RATE_NS = 60 * S
"""A rate over a minute is known a minute after it began."""
LOOKS_NS = 1 * MS
FLOWS_A = 1.0
PULSE_A = 5.0
"""The pulse that shows the current's sign is smaller, and what a test asks for is larger."""
OFF_NS = 300 * MS
"""After so long a current that still flows is one too many (faults catalogue, power.ignores_off)."""
LASTS_NS = 3 * S
"""A current that is not as it was asked for is known after so long."""
PAUSE_NS = 40 * MS
"""Between two polls of a cycler there is at least so much; within one there is less. A BMS's are three times that."""
NEVER_NS = 1 << 62
EDGE_NS = 200 * MS
"""After a step of the current a reading may be of either (faults catalogue, sensor.scale)."""
STEPS_MAX = 400
"""Many more than a life has."""
MODBUS_READS = (3, 4)
MODBUS_WRITES = (5, 6, 15, 16)


class Poll(NamedTuple):
    """A device that was asked, and answered."""

    begun_ns: int
    read_ns: int
    """Its first reply."""


class Step(NamedTuple):
    """A command for another current, A; 0: off."""

    t_ns: int
    current_a: float


def state_of(world: World) -> State:
    """The controller's state: by board, coil and cycler.

    "precharge" is the whole arm sequence, from the word to arm until the pulse has shown the sign of the current: its
    rests and its pulse are none of the test's. "stopping" is from an "off" that goes unused, or is not yet obeyed,
    until the coil is off.
    """
    plant, board = world.plant, world.board
    state, cycler = board.state, plant.cycler
    if state is BoardState.TRIPPED:
        return "tripped"
    if state is BoardState.PRECHARGE:
        return "precharge"
    if state is BoardState.OPENING:
        return "stopping"
    if not plant.contactor.coil:
        return "connecting"
    if board.phase is not Phase.DONE:
        return "precharge"
    if not cycler.output_on:
        return "stopping" if cycler.off_again or abs(cycler.current_a) > FLOWS_A else "rest"
    asked_a = max(cycler.set_source_a, cycler.set_sink_a)
    if 0.0 < asked_a < PULSE_A:
        return "precharge"
    if cycler.set_sink_a:
        return "discharge"
    if not cycler.set_source_a:
        return "rest"
    return "charge_cv" if cycler.holds_voltage else "charge_cc"


class Sights:
    """Finds the first instant at which a fault shows, in one world."""

    def __init__(self, world: World, loop: VirtualLoop) -> None:
        self._world, self._loop = world, loop
        self._lines: Mapping[str, MemoryLink] = {}
        self._asked_ns: dict[str, int] = {}
        """When the host wrote last, by role."""
        self._steps: deque[Step] = deque(maxlen=STEPS_MAX)
        """The newest commands to the cycler that asked for another current than before."""
        self._note_steps()

    def attach_lines(self, lines: Mapping[str, MemoryLink]) -> None:
        """The lines that the host holds now."""
        self._lines = lines
        self._asked_ns.clear()
        for role in ("cycler", "bms", "meter"):
            if role in lines:
                self._note_asking(role, lines[role])

    def _note_steps(self) -> None:
        cycler, steps = self._world.plant.cycler, self._steps
        before = cycler.on_command

        def on_command(t_ns: int, output_on: bool, voltage_v: float, source_a: float, sink_a: float) -> None:
            current_a = source_a - sink_a if output_on else 0.0
            if not steps or steps[-1].current_a != current_a:
                steps.append(Step(t_ns, current_a))
            if before is not None:
                before(t_ns, output_on, voltage_v, source_a, sink_a)

        cycler.on_command = on_command

    def _note_asking(self, role: str, link: MemoryLink) -> None:
        asked_ns, before = self._asked_ns, link.on_written
        its_own = self._its_own(role)

        def on_written(t_ns: int, data: bytes) -> None:
            if its_own(data):
                asked_ns[role] = t_ns
            if before is not None:
                before(t_ns, data)

        link.on_written = on_written

    def _its_own(self, role: str) -> Callable[[bytes], bool]:
        """Tells a device's messages from those of others on the same line."""
        if role != "meter":
            return lambda _data: True
        unit = self._world.plant.bench.devices[role].unit
        return lambda data: data[:1] == bytes([unit])

    def of(self, row: str, now_ns: int) -> Shown:
        """When a fault of the plant that becomes true now can first be seen."""
        match row:
            case "power.cooling":
                return lambda: now_ns + RATE_NS if self._loop.now_ns() >= now_ns + RATE_NS else None
            case "power.ignores_off":
                return self._first_off(now_ns)
            case "power.overcurrent":
                return self._first_over(now_ns)
            case "power.opened_hot":
                return self._first_opening(now_ns)
            case "power.setpoint" | "power.load_dump":
                return self._while_asked(now_ns)
            case "power.mains":
                return self._first_question("cycler")
            case _:
                source = _SHOWN_BY.get(row)
                return self.first_reading(source, now_ns) if source is not None else lambda: now_ns

    def forbidden(self, now_ns: int) -> Shown:
        """The first reading of cycler or BMS at which a current flows that the BMS has said it does not allow.

        Where a step ends by itself before a poll of the cycler can have told, the next current counts.
        """
        bms, cycler = self._polls("bms", now_ns), self._world.plant.cycler
        most_ns = FORM_BUDGETS_NS[f"power.overcurrent/{FORBIDS}"]
        flows: list[tuple[int, bool]] = []
        for role in ("bms", "cycler"):
            link = self._lines[role]
            link.on_delivered = self._noting(link.on_delivered, bms, flows, cycler)

        def shown() -> int | None:
            begun_ns, found = None, list[int]()
            for t_ns, flowing in flows:
                if not flowing:
                    begun_ns = None
                elif begun_ns is None:
                    begun_ns = t_ns
                    found.append(t_ns)
                elif t_ns - begun_ns >= most_ns:
                    return begun_ns
            return found[-1] if found else None

        return shown

    @staticmethod
    def _noting(
        before: Delivered | None, bms: list[Poll], flows: list[tuple[int, bool]], cycler: CyclerModel
    ) -> Delivered:
        """Notes whether current flows with each reply, once the BMS has been read."""

        def on_delivered(t_ns: int, data: bytes) -> None:
            if before is not None:
                before(t_ns, data)
            if bms:
                flows.append((t_ns, abs(cycler.current_a) >= PULSE_A))

        return on_delivered

    def _while_asked(self, now_ns: int) -> Shown:
        """The first reading of the cycler; anew with each command for current that is the last for `LASTS_NS`.

        Without current nothing shows, and what comes soon after a command is the command's.
        """
        read, cycler = self.first_reading("cycler", now_ns), self._world.plant.cycler
        told: list[tuple[int, bool]] = []
        before = cycler.on_command

        def on_command(t_ns: int, output_on: bool, voltage_v: float, source_a: float, sink_a: float) -> None:
            told.append((t_ns, output_on and max(source_a, sink_a) >= PULSE_A))
            if before is not None:
                before(t_ns, output_on, voltage_v, source_a, sink_a)

        cycler.on_command = on_command

        def shown() -> int | None:
            read_ns = read()
            if read_ns is None:
                return None
            later = [one for one in told if one[0] > read_ns]
            begun = [read_ns, *(t_ns for t_ns, asks in later if asks)]
            ends = [t_ns for t_ns, _ in later]
            whole = (at_ns for at_ns in begun if not any(at_ns < end_ns <= at_ns + LASTS_NS for end_ns in ends))
            return next(whole, begun[-1])

        return shown

    def _first_question(self, role: str) -> Shown:
        """The first message that is not answered."""
        seen: list[int] = []
        link = self._lines[role]
        before = link.on_written

        def on_written(t_ns: int, data: bytes) -> None:
            if not seen:
                seen.append(t_ns)
            if before is not None:
                before(t_ns, data)

        link.on_written = on_written
        return lambda: seen[0] if seen else None

    def first_reading(self, role: str, now_ns: int) -> Shown:
        """The first reply of the first poll that begins from now on: one that is under way may have read before."""
        if role not in self._lines:
            return lambda: now_ns
        polls = self._polls(role, now_ns)
        return lambda: polls[0].read_ns if polls else None

    def _polls(self, role: str, now_ns: int) -> list[Poll]:
        """The polls of a device that begin from now on and are answered, as they come."""
        polls: list[Poll] = []
        link, contactor = self._lines[role], self._world.plant.contactor
        pause_ns = PAUSE_NS if role == "cycler" else 3 * PAUSE_NS
        asked_ns, begun_ns = self._asked_ns.get(role, now_ns), -1
        its_own = self._its_own(role)
        before_written, before_delivered = link.on_written, link.on_delivered

        def on_written(t_ns: int, data: bytes) -> None:
            nonlocal asked_ns, begun_ns
            if its_own(data):
                if t_ns - asked_ns > pause_ns:
                    begun_ns = t_ns
                asked_ns = t_ns
            if before_written is not None:
                before_written(t_ns, data)

        def on_delivered(t_ns: int, data: bytes) -> None:
            nonlocal begun_ns
            if begun_ns >= 0 and its_own(data) and (role != "cycler" or contactor.closed):
                polls.append(Poll(begun_ns, t_ns))
                begun_ns = -1
            if before_delivered is not None:
                before_delivered(t_ns, data)

        link.on_written, link.on_delivered = on_written, on_delivered
        return polls

    def comparable(self, now_ns: int) -> Shown:
        """The cycler's first reading that can be held against the cells: both were read at the same current.

        A step of it has to have been over for `EDGE_NS` before either was read, and none may lie between the two.
        """
        cycler, bms = self._polls("cycler", now_ns), self._polls("bms", now_ns)
        stepped_ns = self._steps[-1].t_ns if self._steps else -EDGE_NS
        read_ns = self._asked_ns.get("bms", -1)
        """Of the BMS, before: it may have been after the last step already."""

        def shown() -> int | None:
            begins = [stepped_ns, *(step.t_ns for step in self._steps if step.t_ns > now_ns)]
            for step_ns, next_ns in pairwise((*begins, NEVER_NS)):
                told = [poll.read_ns for poll in cycler if poll.begun_ns > step_ns + EDGE_NS]
                cells = [poll.read_ns for poll in bms if poll.begun_ns > step_ns + EDGE_NS]
                if step_ns == stepped_ns and read_ns > step_ns + EDGE_NS:
                    cells.insert(0, read_ns)
                if told and cells and max(told[0], cells[0]) < next_ns:
                    return max(told[0], cells[0])
            return None

        return shown

    def stale(self, role: str, now_ns: int) -> Shown:
        """When a device that answers nothing from now on is known to be silent."""
        stale_ns = now_ns + self._world.plant.bench.devices[role].stale_after_ns
        return lambda: stale_ns if self._loop.now_ns() >= stale_ns else None

    def _first_over(self, now_ns: int) -> Shown:
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

    def _first_off(self, now_ns: int) -> Shown:
        """The first "off" that is not obeyed although current flows, and stands for as long as it takes to see."""
        seen: list[int] = []
        cycler = self._world.plant.cycler
        before = cycler.on_command

        def on_command(t_ns: int, output_on: bool, voltage_v: float, source_a: float, sink_a: float) -> None:
            if output_on and seen and t_ns - seen[0] < OFF_NS:
                seen.clear()
            elif not seen and not output_on and t_ns >= now_ns and abs(cycler.current_a) > FLOWS_A:
                seen.append(t_ns)
            if before is not None:
                before(t_ns, output_on, voltage_v, source_a, sink_a)

        cycler.on_command = on_command
        return lambda: seen[0] if seen else None

    def _first_opening(self, now_ns: int) -> Shown:
        """When the contact has moved: its auxiliary contact says so from then on."""
        seen: list[int] = []
        contactor = self._world.plant.contactor
        before = contactor.on_move

        def on_move(t_ns: int, closes: bool, across_v: float, current_a: float) -> None:
            if not seen and not closes and t_ns >= now_ns:
                seen.append(t_ns)
            if before is not None:
                before(t_ns, closes, across_v, current_a)

        contactor.on_move = on_move
        return lambda: seen[0] if seen else None


def is_write(data: bytes, *, tcp: bool) -> bool:
    """Whether a request of Modbus changes something."""
    at = 7 if tcp else 1
    return len(data) > at and data[at] in MODBUS_WRITES


_SHOWN_BY: dict[str, str] = {
    "sensor.frozen": "bms",
    "sensor.sentinel": "bms",
    "sensor.scale": "cycler",
    "sensor.thermo_open": "bms",
    "sensor.sense_lead": "cycler",
    "sensor.cells_missing": "bms",
    "sensor.weak_cell": "bms",
    "pack.insulation": "meter",
    "pack.balancing": "bms",
}
"""Which device's next reading shows it; others are there at once."""
