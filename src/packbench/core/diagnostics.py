"""What a record says besides its capacity: resistance, efficiency, rest, curves, balance, fade.

Owns names and nesting alone, as `core.result` does for the headline figures. `analysis.diagnose` fills it in. A figure
that the record does not carry is not there, and `absent` says why; nothing is estimated to fill a place.
"""

from __future__ import annotations

from dataclasses import dataclass

from packbench.core.measured import Measured


@dataclass(frozen=True, slots=True)
class Absent:
    """A figure that was looked for and is not given."""

    figure: str
    """Name of the field, e.g. "self_discharge"."""
    reason_en: str
    reason_zh: str


@dataclass(frozen=True, slots=True)
class ResistanceAt:
    """One DC resistance of the pack: change of voltage over change of current since just before the edge."""

    at_s: float
    """After the edge."""
    resistance_ohm: Measured


@dataclass(frozen=True, slots=True)
class DcResistance:
    """The DC resistances after one edge of the current."""

    step: int
    """Number of the executed step that the edge lies in, from 1."""
    cycle: int
    t_s: float
    """Of the edge, from the start of the record."""
    charge_ah: float | None
    """Charged since the record's start, less discharged: where SOC is not known, how far apart two edges were."""
    before_a: float
    after_a: float
    """Positive charges."""
    rest_before_s: float
    """Without current before the edge; 0: the current was not zero."""
    temperature_c: Measured | None
    """Mean of the sensors at the edge."""
    soc: Measured | None
    """Charge above the end of the counted discharge over the capacity, a fraction."""
    read_outs: tuple[ResistanceAt, ...]


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Everything besides the headline figures."""

    dc_resistance: tuple[DcResistance, ...] = ()
    absent: tuple[Absent, ...] = ()
