"""The one shape that every diagnostic reads, whether the record is a run of ours or a foreign file.

Owns the shape, the charge counted along it, and SOC. Must not judge. Pure. Charge is counted by the steps' own
counts, which know what flowed between recorded rows; inside a step it follows the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from packbench.analysis.extremes import standard_bound
from packbench.analysis.table import SECONDS_PER_HOUR, FloatArray, SampleTable
from packbench.analysis.uncertainty import COVERAGE_P, combine
from packbench.core.measured import Contribution, Measured
from packbench.core.specs import Accuracy, PackSpec

REST_REL = 0.005
"""A current below this part of the largest one is none."""


@dataclass(frozen=True, slots=True)
class Span:
    """One executed step."""

    number: int
    kind: str
    cycle: int
    low: int
    """Its first row; equal to `high` where it has none."""
    high: int
    """After its last row."""
    started_s: float
    ended_s: float
    charge_ah: float
    """Signed, by the step's own count."""
    energy_wh: float
    end_cell: int | None = None
    limited: bool = False
    """One cell ended it early, as the engine marked it."""
    end_reason: str = ""
    """As the engine recorded it; empty: the record does not say."""
    end_voltage_v: float | None = None
    """Of the pack."""
    volt_hours: float = 0.0
    """Integral of the pack's voltage over time, V h."""
    amp2_hours: float = 0.0
    """Integral of the squared current over time, A^2 h."""


@dataclass(frozen=True, slots=True)
class Meters:
    """What the bench states of its instruments; temperature may be missing where the others are stated."""

    current: Accuracy
    voltage: Accuracy
    cell: Accuracy
    time: Accuracy
    temperature: Accuracy | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A record with what is known of it."""

    rows: SampleTable
    spans: tuple[Span, ...]
    meters: Meters | None = None
    """None: nobody stated them, and no figure has a U."""
    pack: PackSpec | None = None
    capacity_ah: Measured | None = None
    energy_wh: Measured | None = None
    counted: int | None = None
    """Which span is the last counted discharge."""
    gaps_s: tuple[tuple[float, float], ...] = ()
    start_within_s: float | None = None
    """How soon after a step's start its current flows; None: the record does not say when a step really began."""
    cable_u_ohm: float = 0.0
    """Standard uncertainty of a cable inside the voltmeter's loop; 0: it senses at the pack."""
    bms_lag_s: float = 0.0
    """How much older than the current a cell's reading may be."""

    @property
    def series(self) -> int:
        """Cells recorded; 0: none."""
        return int(self.rows.cell_voltages_v.shape[1])


def charge_along(evidence: Evidence) -> FloatArray:
    """shape (n,): charge from the record's start, Ah; NaN in rows that belong to no step."""
    rows = evidence.rows
    charge_ah = np.full(len(rows), np.nan)
    base_ah = 0.0
    t_s, current_a = rows.metered_s, rows.current_a
    parts = np.concatenate(((0.0,), 0.5 * (current_a[1:] + current_a[:-1]) * np.diff(t_s) / SECONDS_PER_HOUR))
    running_ah = np.cumsum(parts)
    for span in evidence.spans:
        if span.high > span.low:
            inside = running_ah[span.low : span.high] - running_ah[span.low]
            # Rows may miss what flowed before the first and after the last of them: it goes to the step's beginning.
            charge_ah[span.low : span.high] = base_ah + inside + (span.charge_ah - inside[-1])
        base_ah += span.charge_ah
    return charge_ah


def holed(evidence: Evidence, from_s: float, to_s: float) -> bool:
    """Whether a gap lies between two instants."""
    low_s, high_s = min(from_s, to_s), max(from_s, to_s)
    return any(start_s < high_s and end_s > low_s for start_s, end_s in evidence.gaps_s)


def soc_at(evidence: Evidence, charge_ah: FloatArray, row: int) -> Measured | None:
    """SOC at a row, from the end of the counted discharge (SOC 0) and the capacity; None where they do not reach.

    `charge_ah` is `charge_along`. Errors: the capacity's own, and the ammeter's on the charge and the time between.
    """
    capacity, counted = evidence.capacity_ah, evidence.counted
    if capacity is None or counted is None or capacity.value <= 0.0:
        return None
    span = evidence.spans[counted]
    empty = span.high - 1
    if span.high <= span.low or not math.isfinite(float(charge_ah[row] - charge_ah[empty])):
        return None
    t_s = evidence.rows.t_s
    if holed(evidence, float(t_s[row]), float(t_s[empty])):
        return None
    above_ah = float(charge_ah[row] - charge_ah[empty])
    value = above_ah / capacity.value
    if capacity.U is None or capacity.k is None or evidence.meters is None:
        return Measured(value, None, None, COVERAGE_P, "1")
    current = evidence.meters.current
    hours = abs(float(t_s[row] - t_s[empty])) / SECONDS_PER_HOUR
    offset_ah = standard_bound(current.offset, current.distribution) * hours
    # The gain acts on charge and capacity alike and cancels; the capacity's other parts do not.
    lines = (
        Contribution("capacity", abs(value) * capacity.U / capacity.k / capacity.value, None, correlated=True),
        Contribution("current_offset", offset_ah / capacity.value, None, correlated=True),
    )
    return without_budget(combine(value, lines, "1"))


def temperature_at(evidence: Evidence, low: int, high: int) -> Measured | None:
    """Mean of the sensors over rows low to high, degC; None where nobody measured."""
    part = evidence.rows.temperatures_c[low:high]
    read = part[np.isfinite(part)]
    if read.size == 0:
        return None
    stated = None if evidence.meters is None else evidence.meters.temperature
    value = float(read.mean())
    if stated is None:
        return Measured(value, None, None, COVERAGE_P, "degC")
    bound = standard_bound(stated.gain, stated.distribution) * abs(value)
    lines = (
        Contribution("temperature_offset", standard_bound(stated.offset, stated.distribution), None, correlated=True),
        Contribution("temperature_gain", bound, None, correlated=True),
        Contribution("temperature_noise", stated.noise / math.sqrt(read.size), None, correlated=False),
    )
    return without_budget(combine(value, lines, "degC"))


def figure(value: float, lines: tuple[Contribution, ...] | None, unit: str) -> Measured:
    """A figure with its budget; without U where there is none."""
    return Measured(value, None, None, COVERAGE_P, unit) if lines is None else combine(value, lines, unit)


def without_budget(one: Measured) -> Measured:
    """The figure alone: where there are hundreds, docs/diagnostics.md has the budget once."""
    return replace(one, budget=())
