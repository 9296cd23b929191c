"""What a safety rule may look at, and what it may say.

Owns the shapes shared by the rules. Pure: one function a rule, (View) -> Violation or None; what
needs memory (delays, rates, the latch) is kept by `judge`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from packbench.core.limits import Limits
from packbench.core.samples import BmsSample, ChamberSample, CyclerSample, MeterSample, Snapshot
from packbench.core.specs import Fitted

Source = Literal["cycler", "bms", "chamber", "meter", "time"]
"""Which news makes a rule worth asking: a new sample of that source, or time alone."""
Reaction = Literal["S0", "S1"]
"""Stop category (faults catalogue): S0 contactor at once, S1 current to zero first."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the bench is supposed to be and do right now."""

    series: int
    """Cells the pack has."""
    temperature_sensors: int
    """Temperature sensors the pack has."""
    stale_after_ns: MappingProxyType[str, int]
    """Per source: "cycler", "bms", "board", and what else the bench has."""
    current_a: float | None
    """The signed set-point in force; None: output off."""
    clamp_v: float | None
    """The pack voltage at which the current may be less than its set-point."""
    commanded_ns: int
    """When the set-point in force was accepted by the cycler."""
    setpoint_tolerance_a: float
    setpoint_delay_ns: int
    """How long the cycler may take to ramp after accepting a command."""
    contactor_closed: bool
    """Whether the board has been told to hold the contactor closed."""
    ignored_alarms: frozenset[str]
    """BMS alarms the bench file says to log rather than stop on."""
    cycler_lag_ns: int = 0
    """How long the cycler's newest reading may still be that of a moment before: 0 for one that measures when asked."""
    closed_ns: int = 0
    """When the contactor was first seen closed."""
    fitted: tuple[Fitted, ...] = ()
    """What this bench has that not every bench has."""
    insulation_min_ohm: float | None = None
    """The least insulation of the pack; None: nobody states it, or no meter of this bench measures it."""


class View(NamedTuple):
    """One moment, as the rules see it."""

    snapshot: Snapshot
    limits: Limits
    expected: Expectation
    temperature_rate_k_min: float
    """Of the hottest sensor over the last window; NaN while the window is not full."""
    lost: tuple[tuple[str, str], ...]
    """(source, reason) of links that are gone."""

    def cycler(self) -> CyclerSample:
        """The cycler's sample; only rules of source "cycler" may ask."""
        assert self.snapshot.cycler is not None
        return self.snapshot.cycler

    def bms(self) -> BmsSample:
        """The BMS's sample; only rules of source "bms" may ask."""
        assert self.snapshot.bms is not None
        return self.snapshot.bms

    def chamber(self) -> ChamberSample:
        """The chamber's sample; only rules of source "chamber" may ask."""
        assert self.snapshot.chamber is not None
        return self.snapshot.chamber

    def meter(self) -> MeterSample:
        """The meter's sample; only rules of source "meter" may ask."""
        assert self.snapshot.meter is not None
        return self.snapshot.meter


@dataclass(frozen=True, slots=True)
class Violation:
    """What a rule found, in numbers and in words for a person who does not program."""

    value: float | None
    limit: float | None
    unit: str
    text_en: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as `judge` runs it."""

    name: str
    fault_id: str
    """A row of the faults catalogue, or an id of the same form where the catalogue has no row."""
    source: Source
    check: Callable[[View], Violation | None]
    delay_ns: int
    """How long the violation must last before it trips."""
    reaction: Reaction
    compares: bool = False
    """It holds another source's reading against the cycler's: what the cycler's lag explains is no violation yet."""
    fitted: Fitted | None = None
    """Asked only on a bench that has such a device."""
