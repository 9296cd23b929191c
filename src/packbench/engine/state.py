"""Everything the engine remembers between two samples, and nothing else.

Owns the state that `advance` and `follow` fold over. Split in two so that an ordinary sample, which only
moves the meters and what the step itself remembers, builds one small object and shares the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from packbench.core.records import StepRecord
from packbench.core.samples import Snapshot
from packbench.engine.control import Control
from packbench.engine.effects import Drive
from packbench.engine.meter import Meter
from packbench.engine.slopes import Slopes
from packbench.profile.plan import AnyStep

NOT_HELD = -1


def _nothing() -> Mapping[str, float]:
    return MappingProxyType({})


def _no_rounds() -> Mapping[int, tuple[tuple[float, float], ...]]:
    return MappingProxyType({})


def _no_records() -> Mapping[int, StepRecord]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Hold:
    """The running step stands still by an operator's word, its output off."""

    since_ns: int
    until_ns: int
    """A hold that lasts longer ends the run."""


@dataclass(frozen=True, slots=True)
class StepState:
    """The step being executed. Replaced when something other than a meter moves."""

    index: int
    """Into plan.steps, from 0."""
    number: int
    """Execution order, from 1; 0: none has begun."""
    cycle: int
    started_ns: int
    drive: Drive | None
    """What was commanded; None: output off."""
    held_since_ns: tuple[int, ...]
    """Per end condition, since when it has been true; NOT_HELD when it is not."""
    running: AnyStep | None = None
    """The plan's step with its formulas worked out; None: none runs."""
    fresh_ns: int = -1
    """Readings of the cycler and the BMS up to this instant are of the step before, or of a current that is still on
    its way: no condition looks at them."""
    loop_counts: tuple[tuple[int, int], ...] = ()
    """(index of a LoopEnd, rounds done) of every loop that is being gone round."""
    rounds: Mapping[int, tuple[tuple[float, float], ...]] = field(default_factory=_no_rounds)
    """What loops compare: by the index of the LoopEnd, (Ah, Wh) of the last rounds that its agreement looks at."""
    variables: Mapping[str, float] = field(default_factory=_nothing)
    """The profile's own, in the project's units."""
    past: Mapping[int, StepRecord] = field(default_factory=_no_records)
    """The last record of each step, by its index."""
    closing: StepRecord | None = None
    """The step before, whose output has not settled yet."""
    cycle_ah: float = 0.0
    """Of the cycle's ended steps, signed."""
    cycle_wh: float = 0.0
    cycle_started_ns: int = 0
    test_ah: float = 0.0
    """Of all ended steps, signed."""
    test_wh: float = 0.0
    finished: bool = False
    seen: Snapshot | None = None
    """The newest moment that certainly belongs to the step, where the cycler's readings say which one runs."""
    began_ns: int | None = None
    """When the step really began, where it has stood still since (held, or cut short and resumed): `started_ns` is
    then later by as long, so that its own time leaves that out. None: it has not."""
    hold: Hold | None = None
    """None: it goes on."""

    @property
    def first_ns(self) -> int:
        """When the step really began."""
        return self.started_ns if self.began_ns is None else self.began_ns

    def own_ns(self, now_ns: int) -> int:
        """How long it has lasted by its own time, which stands still while it is held."""
        return (now_ns if self.hold is None else self.hold.since_ns) - self.started_ns


class EngineState(NamedTuple):
    """The whole of it."""

    step: StepState
    meter: Meter
    """Since the step began."""
    started_ns: int
    temperature_min_c: float
    temperature_max_c: float
    before: Snapshot | None = None
    """The moment before this one, to find when a bound was met between the two."""
    meter_before: Meter | None = None
    slopes: Slopes = ()
    control: Control | None = None
    """What the running step itself remembers."""
