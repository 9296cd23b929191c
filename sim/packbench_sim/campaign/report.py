"""What one trial reports, as plain data that goes through a process's pipe and into a file.

Owns the shapes. Seconds are of the bench, from the trial's beginning.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault as it was made true, and what came of it."""

    row: str
    """Id in the faults catalogue."""
    state: str
    """Of the controller, as the world saw it then."""
    life: int
    """Of the controller, from 1."""
    t_s: float
    shown_s: float | None
    """When it could first be seen; None: it never was (the run ended before)."""
    latency_s: float | None
    """From then to the first thing that was done about it; None: nothing had to be, or nothing was."""
    held: bool
    """The reaction that the catalogue promises was seen, within its budget."""
    found: str
    """What was seen, in a few words."""
    form: str = ""
    """`ROW/FORM` of one that has a budget of its own; empty: it has the row's."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never be."""

    of: str
    """An invariant (I1 to I14), or the row whose promise was not kept."""
    t_s: float
    text: str
    seed: int
    command: str
    """What shows it again."""
    faults: tuple[str, ...] = ()
    """The faults that were active in that life, in order; after shrinking, the fewest that show it."""


@dataclass(slots=True)
class TrialReport:
    """One seed."""

    seed: int
    simulated_s: float = 0.0
    wall_s: float = 0.0
    lives: int = 0
    resumed: int = 0
    ended: dict[str, int] = field(default_factory=dict[str, int])
    """How lives ended: a verdict, "killed", "refused"."""
    trips: dict[str, int] = field(default_factory=dict[str, int])
    """By rule."""
    injections: list[Injection] = field(default_factory=list[Injection])
    violations: list[Violation] = field(default_factory=list[Violation])

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def report_from(data: dict[str, Any]) -> TrialReport:
    """The report that `as_dict` gave."""
    values = dict(data)
    values["injections"] = [Injection(**each) for each in data["injections"]]
    values["violations"] = [_violation(dict(each)) for each in data["violations"]]
    return TrialReport(**values)


def _violation(values: dict[str, Any]) -> Violation:
    faults: tuple[str, ...] = tuple(values.pop("faults"))
    return Violation(**values, faults=faults)
