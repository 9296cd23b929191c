"""The flat plan that a profile compiles to: what the engine runs, one dataclass a kind of step.

Owns the shapes between the loader and the engine. Everything is resolved here: C-rates are amperes, times
are nanoseconds, labels are indices, sub-profiles are their steps. What only the run can know is a formula
(`amounts`). Currents and powers of steps with a direction are magnitudes, `sign` says which way they flow;
those of waveforms are signed: positive charges.

Indices into `Plan.steps` count from 0 here (they are Python indices); records and texts for people count
steps from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from packbench.core.limits import LimitSet
from packbench.core.units import Dimension
from packbench.profile.amounts import Amount, Formula, constant

Operator = Literal[">=", "<=", ">", "<"]
Sign = Literal[1, -1]
"""+1 charges the pack, -1 discharges it."""

NO_LIMITS = LimitSet()
SLOPE_WINDOW_NS = 60_000_000_000
"""Over which a rate of change is taken when the profile does not say."""


@dataclass(frozen=True, slots=True)
class Test:
    """`variable operator value`, at one moment."""

    __test__ = False
    """Not a case for a test runner, whatever its name looks like."""
    variable: str
    """A reading (`amounts.READINGS`, `cell_N`), or `$name`: one of the profile's own."""
    operator: Operator
    value: Amount
    left: Formula | None = None
    """What `$name` stands for; None: the variable is a reading."""

    @property
    def rising(self) -> bool:
        """Whether it is met from below."""
        return self.operator in (">=", ">")


@dataclass(frozen=True, slots=True)
class Condition:
    """One end condition: all of its tests, held for `for_ns`, then perhaps a jump."""

    tests: tuple[Test, ...]
    for_ns: int
    goto: int | None
    """Index of the step to go to; None: the next one."""
    text: str
    """As the author wrote it: it becomes the end reason."""
    window_ns: int = SLOPE_WINDOW_NS
    """Over which its rates of change are taken."""

    @property
    def alone(self) -> Test | None:
        """Its test, when it has one alone."""
        return self.tests[0] if len(self.tests) == 1 else None


@dataclass(frozen=True, slots=True)
class Around:
    """Finer recording around every change of the set-point."""

    before_ns: int
    after_ns: int
    dt_ns: int


@dataclass(frozen=True, slots=True)
class RecordRule:
    """When a sample is written down: whichever comes first. None: that trigger is off."""

    dt_ns: int
    dv_v: float | None = None
    di_a: float | None = None
    dt_k: float | None = None
    """Of the hottest sensor."""
    around: Around | None = None


@dataclass(frozen=True, slots=True)
class CellLimit:
    """What a charge does when any one cell reaches its limit first.

    "taper": the current steps down (engine/taper.py) until `end_current_a`, then the step ends.
    "end": the step ends at once and the result is marked imbalance_limited.
    """

    voltage_v: Amount
    action: Literal["taper", "end"]
    end_current_a: Amount = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What every step has."""

    label: str
    """Unique in the plan."""
    kind: str
    """The language's word for it."""
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
class Soak(Step):
    """The chamber at a temperature, output off, until every sensor has been near it for a time."""

    temperature_c: Amount
    within_k: float
    stable_ns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One of a pause's answers."""

    word: str
    text_en: str
    text_zh: str
    goto: int | None = None
    """None: the next step."""


OK = Answer("ok", "OK", "确认")
"""The one answer of a pause that states none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Step):
    """Output off, until the operator answers."""

    prompt_en: str
    prompt_zh: str
    answers: tuple[Answer, ...]

    @property
    def choices(self) -> tuple[Answer, ...]:
        """What may be answered."""
        return self.answers or (OK,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantCurrent(Step):
    """`cc_charge`, `cc_discharge`; the cycler's voltage clamp is the pack's limit."""

    sign: Sign
    current_a: Amount
    clamp_voltage_v: Amount
    cell_limit: CellLimit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantVoltage(Step):
    """`cv_*`, `cccv_*`: constant pack voltage with at most this current, until the current has fallen."""

    sign: Sign
    current_a: Amount
    """The most: what a CC-CV step begins with."""
    voltage_v: Amount
    end_current_a: Amount | None
    """None: only `until` ends it."""
    cell_limit: CellLimit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantPower(Step):
    """`cp_charge`, `cp_discharge`: constant power at the pack's terminals."""

    sign: Sign
    power_w: Amount
    clamp_voltage_v: Amount
    cell_limit: CellLimit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantResistance(Step):
    """`cr_discharge`: the current that a resistor at the pack's terminals would draw."""

    resistance_ohm: Amount
    clamp_voltage_v: Amount
    sign: Sign = -1


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a waveform: a signed value held for a time."""

    for_ns: int
    value: Amount
    """A or W; positive charges; 0: no current."""
    read_outs_ns: tuple[int, ...] = ()
    """When voltage and resistance are read, after this segment's edge; beyond its end in those that follow."""
    sign: Literal[1, -1, 0] = 0
    """Which way a piece of a pulse was said to flow; 0: its value alone says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveform(Step):
    """`pulse`, `current_profile`, `power_profile`: segments one after the other, in time alone."""

    quantity: Literal["current", "power"]
    segments: tuple[Segment, ...]
    repeat: int
    clamp_high_v: Amount
    clamp_low_v: Amount
    on_limit: Literal["hold", "end"]
    """At a clamp: hold the voltage and go on in time, or end the step."""

    @property
    def period_ns(self) -> int:
        """One round of the segments."""
        return sum(segment.for_ns for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Agreement:
    """`capacity within T of rated for N cycles`: the last N cycle capacities agree within T."""

    step: int
    """Index of the step whose charge (energy) is the cycle's capacity."""
    within: float
    """In Ah, or in Wh."""
    cycles: int
    quantity: Literal["ah", "wh"] = "ah"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEnd(Step):
    """End of a loop's body: back to `start` until `repeat` rounds are done, they agree, or `until` holds.

    Takes no time, as do all that follow.
    """

    start: int
    repeat: int
    agreement: Agreement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goto(Step):
    """On to a later step: always, or when one of `until` holds."""

    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariables(Step):
    """Give variables of the profile their values, in order."""

    values: tuple[tuple[str, Amount], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChamberSet(Step):
    """Give the chamber a set-point and go on; None: it stops conditioning."""

    temperature_c: Amount | None


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Step):
    """The profile ends here, by its own word."""

    verdict: Literal["pass", "fail"] = "pass"
    reason_en: str = ""
    reason_zh: str = ""


DrivenStep = ConstantCurrent | ConstantVoltage | ConstantPower | ConstantResistance | Waveform
"""With current."""
DirectedStep = ConstantCurrent | ConstantVoltage | ConstantPower | ConstantResistance
"""With current that flows one way."""
TimedStep = Rest | Soak | Pause | DrivenStep
InstantStep = LoopEnd | Goto | SetVariables | ChamberSet
"""The engine goes through these."""
AnyStep = TimedStep | InstantStep | End


def discharges(step: AnyStep) -> bool:
    """Whether current may flow out of the pack in a step; what only the run knows may."""
    if isinstance(step, Waveform):
        return any((value := constant(segment.value)) is None or value < 0.0 for segment in step.segments)
    return isinstance(step, DirectedStep) and step.sign < 0


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
    """Where something stands in a source of the profile; line and column count from 1."""

    line: int
    column: int
    field: str
    file: str = ""
    """Of a sub-profile; empty: the profile's own file."""
    source_line: str | None = None
    """The whole line, as it was read."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that the profile is made of besides its own: a sub-profile, a table of points."""

    name: str
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Most:
    """What no set-point of a run may go beyond, whatever a formula comes to: the limits in force."""

    charge_current_a: float
    discharge_current_a: float
    voltage_max_v: float
    voltage_min_v: float
    power_w: float


def _no_places() -> Mapping[tuple[int, str], Place]:
    return MappingProxyType({})


def _no_variables() -> Mapping[str, Dimension | None]:
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
    variables: Mapping[str, Dimension | None] = field(default_factory=_no_variables)
    """The profile's own variables that `set` gives values, and their dimensions."""
    sources: tuple[SourceFile, ...] = ()
    most: Most | None = None
    """Set once the run's limits are known; without it a formula's set-point is refused."""
    holds_voltage: Literal["cycler", "engine"] = "cycler"
    """Who holds a constant voltage: the cycler by itself, or the engine's controller (engine/control)."""
    compared: Mapping[int, tuple[tuple[int, int], ...]] = field(init=False, compare=False, repr=False)
    """Index of a step to the loops that compare what it came to: (index of the LoopEnd, rounds it looks at)."""

    def __post_init__(self) -> None:
        found: dict[int, tuple[tuple[int, int], ...]] = {}
        for index, step in enumerate(self.steps):
            if isinstance(step, LoopEnd) and step.agreement is not None:
                compared, cycles = step.agreement.step, step.agreement.cycles
                found[compared] = (*found.get(compared, ()), (index, cycles))
        object.__setattr__(self, "compared", MappingProxyType(found))
