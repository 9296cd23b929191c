"""The flat plan that a profile compiles to: what the engine runs, one dataclass a step type.

Owns the shapes between the loader and the engine. Everything is resolved here: C-rates are
amperes, times are nanoseconds, labels are indices. Positive current charges, so magnitudes of
discharge steps are stored as magnitudes (`current_a > 0`) and signed by the engine.

Indices into `Plan.steps` count from 0 here (they are Python indices); records and texts for people
count steps from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from packbench.core.limits import LimitSet

Variable = Literal[
    "voltage",
    "current",
    "power",
    "step_time",
    "test_time",
    "step_ah",
    "step_wh",
    "cycle_ah",
    "cycle_wh",
    "cell_max",
    "cell_min",
    "cell_spread",
    "temperature_max",
    "temperature_min",
    "cycle",
]
"""Values are SI: V, A, W, s, Ah, Wh, degC. `current`, `power`, `*_ah`, `*_wh` are magnitudes."""

Operator = Literal[">=", "<=", ">", "<"]

NO_LIMITS = LimitSet()


@dataclass(frozen=True, slots=True)
class Condition:
    """One end condition: `variable operator value`, held for `for_ns`, then perhaps a jump."""

    variable: Variable
    operator: Operator
    value: float
    for_ns: int
    goto: int | None
    """Index of the step to go to; None: the next one."""
    text: str
    """As the author wrote it: it becomes the end reason."""


@dataclass(frozen=True, slots=True)
class RecordRule:
    """When a sample is written down: whichever comes first. None: that trigger is off."""

    dt_ns: int
    dv_v: float | None = None
    di_a: float | None = None


@dataclass(frozen=True, slots=True)
class CellLimit:
    """What a charge does when any one cell reaches its limit first.

    "taper": the current steps down (engine/taper.py) until `end_current_a`, then the step ends.
    "end": the step ends at once and the result is marked imbalance_limited.
    """

    voltage_v: float
    action: Literal["taper", "end"]
    end_current_a: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What every step has."""

    label: str
    """Unique in the plan."""
    kind: str
    until: tuple[Condition, ...] = ()
    record: RecordRule
    protect: LimitSet = NO_LIMITS
    """Tighter limits for this step alone."""
    protect_delay_ns: int = 0
    max_time_ns: int
    """A step that lasts longer ends the run as ABORTED: no step may last for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest(Step):
    """Output off, until a time or a condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CcCharge(Step):
    """Constant current into the pack; the cycler's voltage clamp is the pack's limit."""

    current_a: float
    clamp_voltage_v: float
    cell_limit: CellLimit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CccvCharge(Step):
    """Constant current, then constant pack voltage by the cycler until the current has fallen."""

    current_a: float
    voltage_v: float
    end_current_a: float
    cell_limit: CellLimit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CcDischarge(Step):
    """Constant current out of the pack; the cycler's voltage clamp is the pack's lower limit."""

    current_a: float
    clamp_voltage_v: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """`capacity within T of rated for N cycles`: the last N cycle capacities agree within T."""

    step: int
    """Index of the step whose charge is the cycle's capacity."""
    within_ah: float
    cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEnd(Step):
    """End of a loop's body: back to `start` until `repeat` rounds are done or they agree."""

    start: int
    repeat: int
    agreement: Agreement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Step):
    """The profile ends here, by its own word."""

    verdict: Literal["pass", "fail"] = "pass"


AnyStep = Rest | CcCharge | CccvCharge | CcDischarge | LoopEnd | End


@dataclass(frozen=True, slots=True)
class ResultRule:
    """Which discharge is the capacity, and what makes the result valid."""

    capacity_step: int
    agreement: Agreement | None
    """With an agreement the result is the mean of the agreeing cycles; without one, the last."""
    min_soh: float | None = None
    """PASS needs at least this fraction of the rated capacity; None: a valid result is a PASS."""
    temperature_min_c: float | None = None
    temperature_max_c: float | None = None
    """A discharge outside this range of cell temperature makes the result invalid."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the profile's source; line and column count from 1."""

    line: int
    column: int
    field: str


def _no_places() -> Mapping[tuple[int, str], Place]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled profile."""

    name: str
    title_en: str
    title_zh: str
    steps: tuple[AnyStep, ...]
    limits: LimitSet
    """The profile's layer of the effective limits."""
    result: ResultRule | None
    source_sha256: str
    source_file: str
    places: Mapping[tuple[int, str], Place] = field(default_factory=_no_places, compare=False, repr=False)
    """(step index, attribute) to its place, for the checker; attribute "" is the step itself, and
    index -1 the profile's own keys. Attributes of lists are numbered from 0: "until.0"."""
