"""What a step type has: a beginning, a look at every reading, and perhaps an instant of its own.

Owns the protocol of the step types and the shapes they answer in. Pure: a step decides from its own entry with
its formulas worked out, its state and a snapshot, and returns what should change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from packbench.core.samples import Snapshot
from packbench.engine.control import Control
from packbench.engine.effects import Drive, Effect
from packbench.engine.state import EngineState
from packbench.profile.plan import Test


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a step ends by its own nature."""

    reason: str
    end_cell: int | None = None
    imbalance_limited: bool = False
    overshoot: float | None = None
    goto: int | None = None
    """None: the next step."""
    met_ns: int | None = None
    """When its bound was met, between two samples; absolute."""
    bound: Test | None = None
    """What the step itself waited for, to be located so."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """A step's first command (None: output off), what it remembers, and what else is to be done."""

    drive: Drive | None = None
    control: Control | None = None
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reading did to a step: perhaps a new command, perhaps its end."""

    drive: Drive | None = None
    control: Control | None = None
    """None: unchanged."""
    ending: Ending | None = None


NOTHING = Outcome()


class StepLogic(Protocol):
    """A step type. `step` is the plan's entry with its formulas worked out."""

    def begin(self, step: Any, snapshot: Snapshot, now_ns: int) -> Beginning:
        """The first command, and the state it starts with."""
        ...

    def watch(self, step: Any, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        """What this moment changes."""
        ...

    def due_ns(self, step: Any, state: EngineState) -> int | None:
        """The next instant at which time alone changes something; None: only readings do."""
        ...
