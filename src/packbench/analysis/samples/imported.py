"""The one table of a foreign file's samples, whoever wrote the file.

Owns the shape that `reading` fills and every analysis reads. Pure values: numpy columns, SI with
hours, positive current charges, one entry a row kept. What was dropped is counted, never repaired.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from packbench.analysis.table import FloatArray, IntArray, SampleTable
from packbench.core.result import Note

CounterName = Literal["charge", "discharge", "capacity", "charge_energy", "discharge_energy", "energy"]


@dataclass(frozen=True, slots=True, eq=False)
class ImportedSamples:
    """A whole file of samples."""

    source: str
    """Name of the file, without its folders."""
    layout: str
    """Name of the column map."""
    rows: SampleTable
    """`step` holds the file's own step number (1 without one), `cycle` its cycle number."""
    has_steps: bool
    """The file numbers its steps; otherwise they are recognised by the current."""
    counters: dict[CounterName, FloatArray]
    """The file's counters as they stand in it, in Ah or Wh, shape (n,) each; NaN where empty."""
    source_rows: IntArray
    """shape (n,): row of the file (its header counts), from 1."""
    cell_names: tuple[str, ...] = ()
    """Headers of the columns of `rows.cell_voltages_v`, in their order."""
    temperature_names: tuple[str, ...] = ()
    started_at: str = ""
    """RFC 3339 with offset; empty when the file does not say."""
    ended_at: str = ""
    utc_offset_assumed: bool = False
    sha256: str = ""
    notes: tuple[Note, ...] = field(default=())
    """What was assumed, dropped or contradicted."""
