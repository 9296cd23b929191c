"""The result of a run or of an imported file: the shape of result.json (DESIGN 10).

Owns names and nesting alone. `analysis` fills it in, `report` shows it, `packbench schema result`
prints its JSON Schema. Fractions for soc, soh, soce; indices count from 1; times are RFC 3339.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from packbench.core.diagnostics import Diagnostics
from packbench.core.measured import Contribution, Measured

__all__ = [
    "SCHEMA_VERSION",
    "Answered",
    "Contribution",
    "Measured",
    "Note",
    "ReadOutResult",
    "Result",
    "StepResult",
    "Variable",
    "WeakestCell",
]

SCHEMA_VERSION = "1.2"


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader must know to judge the figures: a rule applied, a gap, a disagreement."""

    key: str
    """Stable, e.g. "capacity_rule"."""
    text_en: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class WeakestCell:
    """The cell that ends the discharge; margin: what the next one would still give."""

    index: int
    reason: str
    margin_ah: Measured | None
    """None: a single cell, which has no next."""
    decided: bool | None = None
    """False: the margin lies within its own U, so the next cell may be the weakest as well. None: no U, or no next."""
    next_index: int | None = None
    """The cell that stood lowest beside it, from 1."""


@dataclass(frozen=True, slots=True)
class ReadOutResult:
    """One read-out of a pulse."""

    piece: int
    """Of the train, from 1, counted on through its repeats."""
    at_s: float
    """After the piece's edge."""
    voltage_v: float
    current_a: float
    resistance_ohm: float | None
    """Change of voltage over change of current since just before the edge; None: the current did not change."""
    taken_s: float | None = None
    """After the piece's edge, too: the sample that stands for it, the nearest; None: two samples lie around it."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """One executed step in the result."""

    number: int
    label: str
    kind: str
    cycle: int
    duration_s: float
    charge_ah: float
    energy_wh: float
    end_reason: str
    end_cell: int | None
    voltage_end_v: float | None
    current_end_a: float | None
    cell_min_end_v: float | None
    cell_max_end_v: float | None
    temperature_max_c: float | None
    overshoot: float | None = None
    """By how much the ending quantity had passed its bound on the last sample, in its own unit."""
    met_after_s: float | None = None
    """From the step's start to the instant at which its bound was met, between two samples."""
    read_outs: tuple[ReadOutResult, ...] = ()
    """Of a pulse: voltage and resistance at the stated times after each edge."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the profile's own, as it stood at the run's end."""

    value: float
    unit: str
    """"1" for a ratio or a count; empty: of no named dimension, in V, A, s and K."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A question of the profile, and what the operator said."""

    label: str
    """Of its step."""
    prompt_en: str
    prompt_zh: str
    word: str
    text_en: str
    text_zh: str
    by: str
    """Whose answer it is."""


@dataclass(frozen=True, slots=True)
class Result:
    """Everything a reader may ask of one run."""

    provenance: str
    run_id: str
    serial: str
    profile: str
    pack: str
    seed: int | None
    started_at: str
    ended_at: str
    end_reason: str
    verdict: str
    """PASS, FAIL, INVALID or ABORTED."""
    valid: bool
    invalid_reasons: tuple[str, ...]
    imbalance_limited: bool
    capacity_ah: Measured | None
    energy_wh: Measured | None
    soh: Measured | None
    soce: Measured | None
    weakest_cell: WeakestCell | None
    cell_spread_v: Measured | None
    """At the end of the discharge that counts: highest minus lowest cell."""
    steps: tuple[StepResult, ...]
    gaps: tuple[dict[str, Any], ...]
    limits: dict[str, Any]
    """Limit name to {value, unit, origin}."""
    trips: tuple[dict[str, Any], ...]
    """Each {rule, fault_id, t_s, value, limit, text_en, text_zh}."""
    hashes: dict[str, str]
    paths: dict[str, str] = field(default_factory=dict[str, str])
    operator: str | None = None
    bench: str | None = None
    capacities_ah: tuple[float, ...] = ()
    """Capacity of each repeat, in order; the agreeing ones are `agreeing_cycles`."""
    agreeing_cycles: tuple[int, ...] = ()
    releasing: bool = False
    """True: this result may release a pack. Only analysis/verdict.py sets it (DESIGN 1)."""
    invalid_reasons_zh: tuple[str, ...] = ()
    """The same reasons as `invalid_reasons`, in the same order, in Chinese."""
    end_reason_zh: str = ""
    """The profile's own words for its end in Chinese; empty: it gave none."""
    subject: Literal["capacity", "profile"] = "capacity"
    """What the run is to find: a residual capacity, or what the profile's variables and verdict say."""
    variables: dict[str, Variable] = field(default_factory=dict[str, Variable])
    answers: tuple[Answered, ...] = ()
    parameters: dict[str, str] = field(default_factory=dict[str, str])
    """Of the profile, those that were not left at their defaults, as given."""
    notes: tuple[Note, ...] = ()
    diagnostics: Diagnostics | None = None
    """What the record says besides: resistance, efficiency, rest, curves, balance, fade. None: not looked for."""
    schema_version: str = SCHEMA_VERSION
