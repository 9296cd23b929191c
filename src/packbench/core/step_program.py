"""A step program: what a cycler that runs whole tests by itself is handed before it starts.

Owns the few kinds of step that such cyclers share, and what makes a program sound. Must not know a file
format (`wire/neware/steps.py`) nor a profile (`profile/to_neware.py`). It exists because a programmed
cycler is supervised, not stepped: everything it is to do must be in its hands before it begins.

SI units; currents and capacities are magnitudes, the step's kind says which way they flow. Steps count
from 1. The program ends after its last step.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal

Direction = Literal["charge", "discharge"]


@dataclass(frozen=True, slots=True)
class CcStep:
    """Constant current until any of its ends; at least one must be stated."""

    direction: Direction
    current_a: float
    until_voltage_v: float | None = None
    """Of the pack: reached from below while charging, from above while discharging."""
    until_time_s: float | None = None
    until_capacity_ah: float | None = None

    @property
    def kind(self) -> str:
        """Its name in a profile's words."""
        return f"cc_{self.direction}"


@dataclass(frozen=True, slots=True)
class CccvStep:
    """Charge with a constant current up to a voltage, then hold it until the current has fallen."""

    current_a: float
    voltage_v: float
    end_current_a: float
    until_time_s: float | None = None
    until_capacity_ah: float | None = None
    kind: ClassVar[str] = "cccv_charge"


@dataclass(frozen=True, slots=True)
class CvStep:
    """Hold a voltage until the current has fallen, or a time is over; at least one must be stated."""

    direction: Direction
    voltage_v: float
    current_max_a: float | None = None
    """What it begins with at the most; None: the cycler's own limit."""
    end_current_a: float | None = None
    until_time_s: float | None = None

    @property
    def kind(self) -> str:
        """Its name in a profile's words."""
        return f"cv_{self.direction}"


@dataclass(frozen=True, slots=True)
class RestStep:
    """No current for a time."""

    time_s: float
    kind: ClassVar[str] = "rest"


@dataclass(frozen=True, slots=True)
class PauseStep:
    """Wait until somebody says continue."""

    kind: ClassVar[str] = "pause"


@dataclass(frozen=True, slots=True)
class CycleStep:
    """Go back to `first_step` until the steps from there to here have run `rounds` times in all."""

    first_step: int
    """Counts from 1; before this one."""
    rounds: int
    """The total, the first time through included."""
    kind: ClassVar[str] = "loop"


ProgramStep = CcStep | CccvStep | CvStep | RestStep | PauseStep | CycleStep


@dataclass(frozen=True, slots=True)
class Protections:
    """Limits at which the cycler stops by itself, for the whole program. None: it has none of its own."""

    voltage_max_v: float | None = None
    voltage_min_v: float | None = None
    charge_current_max_a: float | None = None
    discharge_current_max_a: float | None = None
    """A magnitude."""
    capacity_max_ah: float | None = None
    """Of one step."""
    delay_s: float = 0.0
    """How long a limit must be exceeded."""


@dataclass(frozen=True, slots=True)
class Recording:
    """When a row is recorded: whichever comes first."""

    period_s: float
    voltage_change_v: float | None = None
    current_change_a: float | None = None


@dataclass(frozen=True, slots=True)
class StepProgram:
    """A whole program. Raises ValueError, naming the step, for one that no cycler could run."""

    name: str
    steps: tuple[ProgramStep, ...]
    protections: Protections
    recording: Recording

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("a program needs a step")
        for number, step in enumerate(self.steps, 1):
            if (problem := _problem(step)) is not None:
                raise ValueError(f"step {number} ({step.kind}): {problem}")
        _check_loops(self.steps)
        _check_protections(self.protections)
        recording = self.recording
        if not _positive(recording.period_s, recording.voltage_change_v, recording.current_change_a):
            raise ValueError("recording: periods and changes must be positive")


def _positive(*values: float | None) -> bool:
    """Whether each value that is stated is a finite number above zero."""
    return all(value is None or (isfinite(value) and value > 0.0) for value in values)


def _problem(step: ProgramStep) -> str | None:
    """What makes a step impossible by itself."""
    match step:
        case CcStep(_, current_a, voltage_v, time_s, capacity_ah):
            if voltage_v is None and time_s is None and capacity_ah is None:
                return "it never ends"
            sound = _positive(current_a, voltage_v, time_s, capacity_ah)
        case CccvStep(current_a, voltage_v, end_current_a, time_s, capacity_ah):
            sound = _positive(current_a, voltage_v, end_current_a, time_s, capacity_ah)
            if sound and end_current_a >= current_a:
                return f"it ends at {end_current_a:g} A, where it begins with {current_a:g} A"
        case CvStep(_, voltage_v, current_max_a, end_current_a, time_s):
            if end_current_a is None and time_s is None:
                return "it never ends"
            sound = _positive(voltage_v, current_max_a, end_current_a, time_s)
        case RestStep(time_s):
            sound = _positive(time_s)
        case PauseStep() | CycleStep():
            return None
    return None if sound else "its values must be positive"


def _check_loops(steps: tuple[ProgramStep, ...]) -> None:
    """Loops go back over something that takes time, and lie wholly inside each other or wholly apart."""
    loops: list[tuple[int, int]] = []
    for number, step in enumerate(steps, 1):
        if not isinstance(step, CycleStep):
            continue
        if not 1 <= step.first_step < number:
            raise ValueError(f"step {number} (loop): it must go back, not to step {step.first_step}")
        if all(isinstance(inner, CycleStep) for inner in steps[step.first_step - 1 : number - 1]):
            raise ValueError(f"step {number} (loop): there is nothing in it but loops")
        if step.rounds < 1:
            raise ValueError(f"step {number} (loop): {step.rounds} rounds")
        for first, last in loops:
            if first < step.first_step <= last:
                raise ValueError(f"step {number} (loop): it goes into the middle of the loop that ends at step {last}")
        loops.append((step.first_step, number))


def _check_protections(limits: Protections) -> None:
    if not _positive(
        limits.voltage_max_v, limits.charge_current_max_a, limits.discharge_current_max_a, limits.capacity_max_ah
    ):
        raise ValueError("protections: limits must be positive")
    if not (isfinite(limits.delay_s) and limits.delay_s >= 0.0):
        raise ValueError("protections: the delay cannot be negative")
    low_v, high_v = limits.voltage_min_v, limits.voltage_max_v
    if low_v is not None and not (isfinite(low_v) and (high_v is None or low_v < high_v)):
        raise ValueError("protections: the lower voltage must be below the upper one")
