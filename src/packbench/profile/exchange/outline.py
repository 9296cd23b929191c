"""What profiles of others and ours have in common: quantities held one after the other, and rounds of them.

Owns the shapes between a plan and a foreign format: every exporter reads them, every importer makes them. Must not
know a format's keys. It exists so that what both sides mean (the voltage is the pack's, positive charges, a CC-CV step
is a current and then a voltage) is said once, and a format is one thin file a direction.

Voltages, powers and resistances are the whole pack's; currents are magnitudes and `sign` says which way they flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from packbench.config.document import Path
from packbench.core.errors import Problem

Hold = Literal["rest", "current", "voltage", "power", "resistance", "current_table", "power_table"]
Sign = Literal[-1, 0, 1]
"""+1 charges the pack; 0: no current, or a direction that nobody states."""

PHASES_MAX = 10_000
"""Phases of one protocol, its rounds counted out: more is a slip in a loop, and no tool would take it."""


@dataclass(frozen=True, slots=True)
class Level:
    """A current's magnitude, and as a rate where it was written as one."""

    current_a: float
    per_hour: float | None = None
    """Of the rated capacity."""


@dataclass(frozen=True, slots=True)
class Recording:
    """How often, and at which changes, a sample is written down. None: nobody says."""

    period_ns: int | None = None
    change_v: float | None = None
    change_a: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One quantity held until the first of its ends. None: it has no such end."""

    hold: Hold
    sign: Sign = 0
    current: Level | None = None
    """Of "current"; of "voltage" the most that may flow, where somebody says."""
    value: float = 0.0
    """Of "voltage" in V, of "power" in W, of "resistance" in ohm."""
    points: tuple[tuple[int, float], ...] = ()
    """Of a table: (when, signed value held from then on), when in ns; the last one only ends it."""
    above_v: float | None = None
    below_v: float | None = None
    falls_to: Level | None = None
    """Ends when the current has fallen to this."""
    rises_to: Level | None = None
    time_ns: int | None = None
    recording: Recording = Recording()
    temperature_c: float | None = None
    """Around the pack; None: nobody says."""
    label: str = ""
    is_joined: bool = False
    """Whether it continues the phase before it: together they are one step."""
    said: str = ""
    """The source's own words for it."""
    origin: Path = ()
    """Where it stands: the index of a plan's step, or a place of a foreign file."""

    @property
    def has_end(self) -> bool:
        """Whether anything ends it."""
        ends = (self.above_v, self.below_v, self.falls_to, self.rises_to, self.time_ns)
        return bool(self.points) or any(end is not None for end in ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """Phases gone through several times."""

    repeat: int
    items: tuple[Item, ...]
    label: str = ""
    origin: Path = ()


Item = Phase | Rounds


@dataclass(slots=True)
class Account:
    """What a conversion left behind, and what it did otherwise or added."""

    dropped: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])

    def add(self, other: Account) -> None:
        """Take over what another conversion left behind."""
        self.dropped += other.dropped
        self.warnings += other.warnings


def count(items: Iterable[Item]) -> int:
    """How many phases there are, rounds counted out."""
    return sum(item.repeat * count(item.items) if isinstance(item, Rounds) else 1 for item in items)


def unrolled(items: Iterable[Item]) -> Iterator[Phase]:
    """Every phase in the order in which it is gone through."""
    for item in items:
        if isinstance(item, Phase):
            yield item
        else:
            for _ in range(item.repeat):
                yield from unrolled(item.items)


def phases_of(items: Iterable[Item]) -> Iterator[Phase]:
    """Every phase once, however often it is gone through."""
    for item in items:
        if isinstance(item, Phase):
            yield item
        else:
            yield from phases_of(item.items)


def tidy(value: float) -> float:
    """A number without the last digits that a division or a factor leaves behind: 403.2 / 96 is 4.2."""
    return float(f"{value:.12g}")
