"""A step program being run on the simulated cycler, as a programmed cycler's own controller does it.

Owns when a step ends, what its loops count, the program's own protections and the rows that are recorded.
Must not know a protocol. Time comes in with every call: the runner looks at its meters when it is told to
(`advance`), never at instants that have passed, and says when it wants to be told next.

A CC step does not hold its end voltage, it ends there; a CC-CV step holds it until its current has
fallen. Discharge currents are negative, capacities and energies of a step are magnitudes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from packbench.core.step_program import (
    CccvStep,
    CcStep,
    CvStep,
    CycleStep,
    PauseStep,
    ProgramStep,
    RestStep,
    StepProgram,
)
from packbench_sim.parts import CyclerPart, CyclerReading

RunState = Literal["working", "pause", "finish", "stop", "protect"]

LOOK_NS: Final = 100_000_000
"""How often the meters are looked at."""
SETTLE_NS: Final = 1_000_000_000
"""A held voltage is not judged by its current while that still rises."""


class Point(NamedTuple):
    """One row."""

    number: int
    """From 1."""
    step: int
    """From 1."""
    cycle: int
    """From 1."""
    kind: str
    """The step's kind: "cc_charge", "rest", ..."""
    step_time_ns: int
    t_ns: int
    voltage_v: float
    current_a: float
    step_ah: float
    step_wh: float


@dataclass(slots=True)
class Ran:
    """One step that was run, first and last row included."""

    step: int
    cycle: int
    kind: str
    first: Point
    last: Point


@dataclass(slots=True)
class _Meter:
    """What the step has moved so far."""

    began_ns: int
    t_ns: int
    current_a: float
    voltage_v: float
    ah: float = 0.0
    wh: float = 0.0

    def add(self, t_ns: int, reading: CyclerReading) -> None:
        """Trapezoid from the last look to this one."""
        hours = (t_ns - self.t_ns) / 3.6e12
        self.ah += (abs(self.current_a) + abs(reading.current_a)) / 2 * hours
        before_w, now_w = self.current_a * self.voltage_v, reading.current_a * reading.voltage_v
        self.wh += (abs(before_w) + abs(now_w)) / 2 * hours
        self.t_ns, self.current_a, self.voltage_v = t_ns, reading.current_a, reading.voltage_v


class StepRunner:
    """One run of one program, from its first step on.

    Args:
        part: The simulated cycler; it is switched off when the run ends, whichever way.
        program: What is run.
        t_ns: When it begins.
    """

    def __init__(self, part: CyclerPart, program: StepProgram, t_ns: int) -> None:
        self._part = part
        self._program = program
        self.state: RunState = "working"
        self.began_ns = t_ns
        self.step = 0
        """The running step's number, from 1."""
        self.cycle = 1
        self.rows: list[Point] = []
        self.ran: list[Ran] = []
        self._rounds: dict[int, int] = {}
        """Rounds done, by the number of the loop's last step."""
        self._exceeded_ns: int | None = None
        self._meter = _Meter(t_ns, t_ns, 0.0, 0.0)
        self._enter(t_ns, 1)

    # ------------------------------------------------------------- what others do

    @property
    def running(self) -> bool:
        """Whether the program still has the channel."""
        return self.state in ("working", "pause")

    @property
    def kind(self) -> str | None:
        """The running step's kind; None when none runs."""
        return self._program.steps[self.step - 1].kind if self.running else None

    @property
    def step_ah(self) -> float:
        """Of the running step, a magnitude."""
        return self._meter.ah

    @property
    def step_wh(self) -> float:
        """Of the running step, a magnitude."""
        return self._meter.wh

    def step_time_ns(self, t_ns: int) -> int:
        """How long the running step has lasted."""
        return max(t_ns - self._meter.began_ns, 0)

    def stop(self, t_ns: int) -> None:
        """Somebody said stop."""
        self.advance(t_ns)
        if self.running:
            self._leave(t_ns)
            self._end(t_ns, "stop")

    def resume(self, t_ns: int) -> bool:
        """Somebody said continue; False when it does not wait for that."""
        if self.state != "pause":
            return False
        self.state = "working"
        self._next(t_ns)
        return True

    def jump(self, t_ns: int, step: int) -> bool:
        """Leave the running step for another; False for a step that there is not."""
        self.advance(t_ns)
        if self.state != "working" or not 1 <= step <= len(self._program.steps):
            return False
        self._leave(t_ns)
        self._enter(t_ns, step)
        return True

    def advance(self, t_ns: int) -> int | None:
        """Look at the meters; returns when to look again, None when nothing is left to do."""
        if self.state == "working" and t_ns > self._meter.t_ns:
            reading = self._part.reading(t_ns)
            self._meter.add(t_ns, reading)
            if self._protects(t_ns, reading):
                self._leave(t_ns)
                self._end(t_ns, "protect")
            elif self._is_over(t_ns, reading):
                self._next(t_ns)
            else:
                self._record(t_ns, reading)
        return self._wanted_ns(t_ns)

    # ------------------------------------------------------------- steps

    def _enter(self, t_ns: int, number: int) -> None:
        """Begin a step; loops take no time."""
        steps = self._program.steps
        while number <= len(steps):
            step = steps[number - 1]
            if not isinstance(step, CycleStep):
                break
            rounds = self._rounds.get(number, 0) + 1
            if rounds < step.rounds:
                self._rounds[number] = rounds
                self.cycle += 1
                number = step.first_step
            else:
                # Met again in an outer loop's next round, it counts anew.
                self._rounds[number] = 0
                number += 1
        else:
            self._end(t_ns, "finish")
            return
        self.step = number
        self._command(t_ns, step)
        reading = self._part.reading(t_ns)
        self._meter = _Meter(t_ns, t_ns, reading.current_a, reading.voltage_v)
        if isinstance(step, PauseStep):
            self.state = "pause"
        first = self._row(t_ns, reading)
        self.ran.append(Ran(number, self.cycle, step.kind, first, first))

    def _next(self, t_ns: int) -> None:
        self._leave(t_ns)
        self._enter(t_ns, self.step + 1)

    def _leave(self, t_ns: int) -> None:
        """The step's last row."""
        self.ran[-1].last = self._row(t_ns, self._part.reading(t_ns))

    def _end(self, t_ns: int, state: RunState) -> None:
        self.state = state
        self._off(t_ns)

    def _command(self, t_ns: int, step: ProgramStep) -> None:
        """Set the source up; currents are limits, the voltage is what is held within them."""
        part = self._part
        match step:
            case CcStep(direction, current_a) if direction == "charge":
                self._on(t_ns, part.rated_voltage_v, current_a, 0.0)
            case CcStep(_, current_a):
                self._on(t_ns, 0.0, 0.0, current_a)
            case CccvStep(current_a, voltage_v):
                self._on(t_ns, voltage_v, current_a, 0.0)
            case CvStep(direction, voltage_v, current_a):
                most_a = part.rated_current_a if current_a is None else current_a
                charging = direction == "charge"
                self._on(t_ns, voltage_v, most_a if charging else 0.0, 0.0 if charging else most_a)
            case RestStep() | PauseStep() | CycleStep():
                self._off(t_ns)

    def _on(self, t_ns: int, voltage_v: float, source_a: float, sink_a: float) -> None:
        self._part.command(t_ns, output_on=True, voltage_v=voltage_v, source_current_a=source_a, sink_current_a=sink_a)

    def _off(self, t_ns: int) -> None:
        self._part.command(t_ns, output_on=False, voltage_v=0.0, source_current_a=0.0, sink_current_a=0.0)

    def _is_over(self, t_ns: int, reading: CyclerReading) -> bool:
        step = self._program.steps[self.step - 1]
        if isinstance(step, PauseStep | CycleStep):
            return False
        lasted_ns = t_ns - self._meter.began_ns
        time_s = step.time_s if isinstance(step, RestStep) else step.until_time_s
        if time_s is not None and lasted_ns >= round(time_s * 1e9):
            return True
        most_ah = step.until_capacity_ah if isinstance(step, CcStep | CccvStep) else None
        if most_ah is not None and self._meter.ah >= most_ah:
            return True
        if isinstance(step, CcStep):
            if step.until_voltage_v is None:
                return False
            if step.direction == "charge":
                return reading.voltage_v >= step.until_voltage_v
            return reading.voltage_v <= step.until_voltage_v
        if isinstance(step, CccvStep | CvStep) and step.end_current_a is not None and lasted_ns >= SETTLE_NS:
            return abs(reading.current_a) <= step.end_current_a
        return False

    def _protects(self, t_ns: int, reading: CyclerReading) -> bool:
        """Whether a limit of the whole program has been exceeded for its delay."""
        limits = self._program.protections
        exceeded = (
            (limits.voltage_max_v is not None and reading.voltage_v > limits.voltage_max_v)
            or (limits.voltage_min_v is not None and reading.voltage_v < limits.voltage_min_v)
            or (limits.charge_current_max_a is not None and reading.current_a > limits.charge_current_max_a)
            or (limits.discharge_current_max_a is not None and -reading.current_a > limits.discharge_current_max_a)
            or (limits.capacity_max_ah is not None and self._meter.ah > limits.capacity_max_ah)
        )
        if not exceeded:
            self._exceeded_ns = None
            return False
        if self._exceeded_ns is None:
            self._exceeded_ns = t_ns
        return t_ns - self._exceeded_ns >= round(limits.delay_s * 1e9)

    # ------------------------------------------------------------- rows

    def _record(self, t_ns: int, reading: CyclerReading) -> None:
        """A row, if the period is over or a value has moved far enough since the last one."""
        rule, last = self._program.recording, self.rows[-1]
        change_v, change_a = rule.voltage_change_v, rule.current_change_a
        if (
            t_ns - last.t_ns >= round(rule.period_s * 1e9)
            or (change_v is not None and abs(reading.voltage_v - last.voltage_v) >= change_v)
            or (change_a is not None and abs(reading.current_a - last.current_a) >= change_a)
        ):
            self._row(t_ns, reading)

    def _row(self, t_ns: int, reading: CyclerReading) -> Point:
        kind = self._program.steps[self.step - 1].kind
        meter = self._meter
        point = Point(
            len(self.rows) + 1,
            self.step,
            self.cycle,
            kind,
            t_ns - meter.began_ns,
            t_ns,
            reading.voltage_v,
            reading.current_a,
            meter.ah,
            meter.wh,
        )
        self.rows.append(point)
        return point

    def _wanted_ns(self, t_ns: int) -> int | None:
        """The next look: soon, sooner where a time is over before."""
        if self.state != "working":
            return None
        wanted_ns = t_ns + LOOK_NS
        step = self._program.steps[self.step - 1]
        if isinstance(step, PauseStep | CycleStep):
            return wanted_ns
        time_s = step.time_s if isinstance(step, RestStep) else step.until_time_s
        if time_s is not None:
            wanted_ns = min(wanted_ns, self._meter.began_ns + round(time_s * 1e9))
        return wanted_ns
