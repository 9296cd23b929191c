"""A foreign cycler's file as a table of steps, whatever its maker called the columns.

Owns the shape between a reader (nebula, bdf_import) and the rules that judge it (steprules). Pure
values: SI units, positive current and charge go into the cell, steps in the order of execution.
A row that could not be read stays in the table as a `Lost`: nothing is dropped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

StepKind = Literal["rest", "cc_charge", "cccv_charge", "cc_discharge", "cccv_discharge", "other"]
Outcome = Literal["completed", "manual_jump", "unknown"]


@dataclass(frozen=True, slots=True)
class TableStep:
    """One executed step as the file states it. None: the file does not say."""

    number: int
    """Running number, from 1."""
    kind: StepKind
    duration_s: float
    charge_ah: float
    """Signed."""
    energy_wh: float
    """Signed."""
    program_step: int | None = None
    """Step of the cycler's program: comes again with every round of a loop."""
    cycle: int = 1
    label: str = ""
    """The step's kind in the file's own word."""
    outcome: Outcome = "unknown"
    outcome_text: str = ""
    started_s: float | None = None
    """From the first step's start, by the file's own wall clock."""
    ended_s: float | None = None
    voltage_start_v: float | None = None
    voltage_max_v: float | None = None
    voltage_end_v: float | None = None
    current_start_a: float | None = None
    current_end_a: float | None = None
    temperature_max_c: float | None = None
    source_row: int | None = None
    """Row of the file, from 1."""
    cell_min_end_v: float | None = None
    cell_max_end_v: float | None = None
    lowest_cell: int | None = None
    """The cell that reads lowest in the last row, from 1."""
    highest_cell: int | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A row that is there and says nothing (or not enough), with what is around it."""

    source_row: int
    after_number: int | None
    """Number of the last step before it."""
    found: str


@dataclass(frozen=True, slots=True)
class StepTable:
    """A whole file."""

    source: str
    """Name of the file, without its folders."""
    layout: str
    """Name of the column map, or of the format."""
    steps: tuple[TableStep, ...]
    lost: tuple[Lost, ...] = ()
    started_at: str = ""
    """RFC 3339 with offset; empty when the file does not say."""
    ended_at: str = ""
    utc_offset_assumed: bool = False
    sha256: str = ""
    headers_unused: tuple[str, ...] = field(default=())
    """Headers of the file that the column map does not use."""
    pauses: tuple[tuple[float, float, int], ...] | None = None
    """Time without rows in a file of samples: (from s, to s, index of the step). None: a file of steps."""
