"""Everything the engine remembers between two samples, and nothing else.

Owns the state that `advance` and `follow` fold over. Split in two so that an ordinary sample, which only
moves the meters, builds one small object and shares the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from packbench.core.records import StepRecord
from packbench.core.samples import Snapshot
from packbench.engine.effects import Drive
from packbench.engine.meter import Meter

NOT_HELD = -1


@dataclass(frozen=True, slots=True)
class Taper:
    """Where the stepping-down of a charge current stands (engine/taper.py)."""

    current_a: float
    changed_ns: int


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
    taper: Taper | None = None
    loop_counts: tuple[tuple[int, int], ...] = ()
    """(index of a LoopEnd, rounds done) of every loop entered."""
    capacities: tuple[tuple[int, float], ...] = ()
    """(index of the step, magnitude in Ah) of every charge-moving step so far, in order."""
    closing: StepRecord | None = None
    """The step before, whose output has not settled yet."""
    cycle_ah: float = 0.0
    """Of the cycle's ended steps, signed."""
    cycle_wh: float = 0.0
    finished: bool = False
    seen: Snapshot | None = None
    """The newest moment that certainly belongs to the step, where the cycler's readings say which one runs."""


class EngineState(NamedTuple):
    """The whole of it."""

    step: StepState
    meter: Meter
    """Since the step began."""
    started_ns: int
    temperature_min_c: float
    temperature_max_c: float
