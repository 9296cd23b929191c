"""What the engine asks the shell to do. It never awaits: it returns these.

Owns the few shapes. Currents are signed (positive charges), voltages are at the pack's terminals;
the channel translates them to the cycler's.
"""

from __future__ import annotations

from dataclasses import dataclass

from packbench.core.records import StepRecord


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


Effect = Drive | Launch | OutputOff | StepBegan | StepEnded | Note | Finish
