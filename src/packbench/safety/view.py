"""What a safety rule may look at, and what it may say.

Owns the shapes shared by the rules. Pure: one function a rule, (View) -> Finding; what
needs memory (delays, rates, the latch) is kept by `judge`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple

from packbench.core.limits import Limits
from packbench.core.samples import BmsSample, ChamberSample, CyclerSample, MeterSample, Snapshot
from packbench.core.specs import Fitted

Source = Literal["cycler", "bms", "pair", "chamber", "meter", "time"]
"""Which news makes a rule worth asking: a new sample of that source ("pair": of cycler or BMS), or time alone."""
SETTLE_NS = 300_000_000
"""Within this time of a command the current may be anywhere between the two set-points (faults catalogue,
power.ignores_off: 300 ms)."""
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
    """How long the current may differ from its set-point: the cycler ramps, or says late what it does."""
    contactor_closed: bool
    """Whether the board has been told to hold the contactor closed."""
    ignored_alarms: frozenset[str]
    """BMS alarms the bench file says to log rather than stop on."""
    cable_ohm: float = 0.0
    """Between where the cycler regulates its voltage and the pack, both leads."""
    cycler_lag_ns: int = 0
    """How long the cycler's newest reading may still be that of a moment before: 0 for one that measures when asked."""
    closed_ns: int = 0
    """When the contactor was first seen closed."""
    fitted: tuple[Fitted, ...] = ()
    """What this bench has that not every bench has."""
    insulation_min_ohm: float | None = None
    """The least insulation of the pack; None: nobody states it, or no meter of this bench measures it."""
    capacity_ah: float = float("inf")
    """What the pack is rated at: how fast its values must move while current flows."""
    recent: tuple[tuple[int, float], ...] = ()
    """(until when, current) of the set-points before it that were in force within `SETTLE_NS` of it, the oldest first.
    Output off is 0 A."""
    stepped_ns: int = 0
    """When the set-point last moved by more than the tolerance: what comes more often, a power that is followed or a
    voltage that is held, is no edge."""
    switched_ns: int = 0
    """When the output was last told to go on or off."""

    def told(self, now_ns: int, current_a: float | None, clamp_v: float | None) -> Expectation:
        """After a command that the cycler has accepted; None: off."""
        before_a, after_a = self.current_a or 0.0, current_a or 0.0
        recent = (*self.recent, (now_ns, before_a))
        stepped = abs(after_a - before_a) > self.setpoint_tolerance_a
        switched = (current_a is None) is not (self.current_a is None)
        return replace(
            self,
            current_a=current_a,
            clamp_v=clamp_v,
            commanded_ns=now_ns,
            recent=tuple(entry for entry in recent if entry[0] > now_ns - SETTLE_NS),
            stepped_ns=now_ns if stepped else self.stepped_ns,
            switched_ns=now_ns if switched else self.switched_ns,
        )

    def in_force(self, t_ns: int) -> tuple[float, ...]:
        """The set-points that a reading may show of a current that is on its way: those within `SETTLE_NS` before."""
        recent = tuple(current_a for until_ns, current_a in self.recent if until_ns > t_ns - SETTLE_NS)
        return (*recent, self.current_a or 0.0)


class View(NamedTuple):
    """One moment, as the rules see it."""

    snapshot: Snapshot
    limits: Limits
    expected: Expectation
    temperature_rate_k_min: float
    """Of the hottest sensor over the last window; NaN while the window is not full."""
    lost: tuple[tuple[str, str], ...]
    """(source, reason) of links that are gone."""
    cells_apart: float = float("nan")
    """How far the sum of the cells stood from the pack's voltage in the mean of the last readings, as a part of it; NaN
    while there are too few."""
    same_s: float = 0.0
    """For how long the BMS has said the very same in everything, while current flowed."""
    same_ah: float = 0.0
    """What flowed meanwhile."""
    drift_v_s: float = 0.0
    """How fast the pack's voltage moves, by the cycler's last two readings or the BMS's, whichever moves faster."""

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
    patience_ns: int = 0
    """How much longer than its rule's delay it may last."""


class Undecided:
    """A reading that says nothing of a rule: what was pending before it still is, and nothing begins with it."""


UNDECIDED = Undecided()
Finding = Violation | Undecided | None
"""What a rule makes of a moment; None: all is well."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as `judge` runs it."""

    name: str
    fault_id: str
    """A row of the faults catalogue, or an id of the same form where the catalogue has no row."""
    source: Source
    check: Callable[[View], Finding]
    delay_ns: int
    """How long the violation must last before it trips."""
    reaction: Reaction
    compares: bool = False
    """It holds another source's reading against the cycler's: what the cycler's lag explains is no violation yet."""
    fitted: Fitted | None = None
    """Asked only on a bench that has such a device."""
