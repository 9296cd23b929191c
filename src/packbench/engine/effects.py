"""What the engine asks the shell to do. It never awaits: it returns these.

Owns the few shapes. Currents are signed (positive charges), voltages are at the pack's terminals;
the channel translates them to the cycler's.
"""

from __future__ import annotations

from dataclasses import dataclass

from packbench.core.records import StepRecord
from packbench.profile.plan import Answer


@dataclass(frozen=True, slots=True)
class Drive:
    """Hold this current, and go no further than this pack voltage."""

    current_a: float
    voltage_v: float


@dataclass(frozen=True, slots=True)
class Launch:
    """Run the program that the cycler was handed."""


@dataclass(frozen=True, slots=True)
class OutputOff:
    """No current."""


@dataclass(frozen=True, slots=True)
class SetChamber:
    """Have the chamber hold a temperature; None: stop conditioning."""

    temperature_c: float | None


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the operator; whoever answers calls `advance.answer`."""

    label: str
    prompt_en: str
    prompt_zh: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A step's intent: to be durable before the command that follows it is sent."""

    number: int
    """Execution order, from 1."""
    step: int
    """Index into the plan's steps, from 1."""
    label: str
    cycle: int


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step is over and its charge is complete."""

    record: StepRecord


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line in the event log."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The profile is over."""

    verdict: str
    """What the profile's own end step says: "pass", "fail" or "aborted"."""
    reason: str
    reason_zh: str = ""
    """The profile's own words; empty: it gave none, and a report translates `reason`."""
    variables: tuple[tuple[str, float], ...] = ()
    """The profile's own, as they stood at its end, in the project's units."""


Effect = Drive | Launch | OutputOff | SetChamber | Ask | StepBegan | StepEnded | Note | Finish
