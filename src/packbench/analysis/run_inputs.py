"""What an analysis is given of one run, and one counted discharge of it.

Owns the shapes alone: whoever composes (the app, an importer) fills RunInputs from a record, and everything that
judges a run reads it here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from packbench.analysis.interventions import Intervention
from packbench.analysis.table import SampleTable
from packbench.analysis.uncertainty import CycleFigures
from packbench.analysis.verdict import Signature
from packbench.core.limits import Limits
from packbench.core.records import Gap, StepRecord, Trip
from packbench.core.result import Answered
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.plan import Plan

NS = 1e9


@dataclass(frozen=True, slots=True)
class RunInputs:
    """All that an analysis needs of one run, as plain values."""

    run_id: str
    serial: str
    provenance: str
    seed: int | None
    started_at: str
    """RFC 3339 with offset."""
    ended_at: str
    end_reason: str
    completed: bool
    """The profile reached its own end (not tripped, not stopped, no step over its time)."""
    plan: Plan
    pack: PackSpec
    bench: BenchSpec
    limits: Limits
    steps: tuple[StepRecord, ...]
    rows: SampleTable
    trips: tuple[Trip, ...] = ()
    gaps: tuple[Gap, ...] = ()
    failed: bool = False
    """The profile ended with its own verdict "fail"."""
    end_reason_zh: str = ""
    """The profile's own words; empty: it gave none."""
    variables: tuple[tuple[str, float], ...] = ()
    """The profile's own, as they stood at its end, in the project's units."""
    answers: tuple[Answered, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    """Of the profile, as given."""
    interventions: tuple[Intervention, ...] = ()
    """What an operator did to the running test."""
    balancing: bool | None = None
    """Whether the BMS balanced at any time of a counted discharge; None: it does not say."""
    operator: str | None = None
    signature: Signature | None = None
    """Of the record; None: a foreign file, which has no record."""
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    paths: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """One counted discharge with its rows and the charge that filled the pack."""

    record: StepRecord
    rows: SampleTable
    charge: StepRecord | None
    figures: CycleFigures
