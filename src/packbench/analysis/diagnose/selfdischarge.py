"""Self-discharge: how fast the voltage falls in the last half of a long rest.

Owns the rule of how long is long, and the slope. A shorter rest shows relaxation, not leakage, and gives nothing. The
pack's slope still has what is left of its relaxation; a cell against the median of the cells does not, since they
relax alike. Pure.

Budget: an offset cancels in a slope; the gain acts on it; noise and rounding by least squares (type A); the cells'
temperature moves the voltage by at most ENTROPY_V_K a kelvin (an assumption: the entropic coefficients of the usual
chemistries stay below it), common to all cells, so it is no part of a cell's difference from the median.
"""

from __future__ import annotations

import math

import numpy as np

from packbench.analysis.diagnose.evidence import Evidence, Span, figure
from packbench.analysis.extremes import standard_bound
from packbench.analysis.table import FloatArray
from packbench.core.diagnostics import SelfDischarge
from packbench.core.measured import Contribution

LONG_H = 24.0
"""House rule: at least a day, of which the second half counts. Slow relaxation lasts hours."""
ENTROPY_V_K = 0.0005
DAY_S = 86400.0
ROWS_MIN = 20
ROWS_MAX = 5000


def self_discharges(evidence: Evidence) -> tuple[SelfDischarge, ...]:
    """One for every rest of a day or more."""
    return tuple(
        _of(evidence, span)
        for span in evidence.spans
        if "rest" in span.kind and _hours(span) >= LONG_H and span.high - span.low >= 2 * ROWS_MIN
    )


def longest_rest_h(evidence: Evidence) -> float:
    """The longest rest of the record."""
    return max((_hours(span) for span in evidence.spans if "rest" in span.kind), default=0.0)


def _hours(span: Span) -> float:
    return (span.ended_s - span.started_s) / 3600.0


def _of(evidence: Evidence, span: Span) -> SelfDischarge:
    rows = evidence.rows.part(slice(span.low, span.high))
    late = rows.t_s >= 0.5 * (span.started_s + span.ended_s)
    rows = rows.part(late)
    rows = rows.part(slice(None, None, max(1, len(rows) // ROWS_MAX)))
    days = rows.t_s / DAY_S
    meters = evidence.meters
    (slope,), (error,) = slopes(days, rows.voltage_v[:, None])
    lines = None
    if meters is not None:
        warm = rows.temperatures_c
        moved_k = float(np.nanmax(warm) - np.nanmin(warm)) if np.isfinite(warm).any() else 0.0
        series = 1 if evidence.pack is None else evidence.pack.series
        drift = ENTROPY_V_K * series * moved_k / float(days[-1] - days[0])
        gain = abs(slope) * standard_bound(meters.voltage.gain, meters.voltage.distribution)
        lines = (
            Contribution("fit", max(error, _rounding(meters.voltage.resolution, days)), days.size - 2.0, False),
            Contribution("voltage_gain", gain, None, correlated=True),
            Contribution("temperature_drift", drift / math.sqrt(3.0), None, correlated=True),
        )
    cell, cell_slope, decided = _fastest(evidence, days, rows.cell_voltages_v)
    return SelfDischarge(span.number, _hours(span), figure(slope, lines, "V/d"), cell, cell_slope, decided)


def _fastest(evidence: Evidence, days: FloatArray, cells_v: FloatArray):
    read = np.isfinite(cells_v).all(axis=0)
    if np.count_nonzero(read) < 3:
        return None, None, None
    against_v = cells_v - np.median(cells_v[:, read], axis=1)[:, None]
    found, errors = slopes(days, np.where(read, against_v, 0.0))
    found = np.where(read, found, np.inf)
    cell = int(np.argmin(found))
    value = float(found[cell])
    if evidence.meters is None:
        return cell + 1, figure(value, None, "V/d"), None
    meter = evidence.meters.cell
    lines = (
        Contribution("fit", max(float(errors[cell]), _rounding(meter.resolution, days)), days.size - 2.0, False),
        Contribution("voltage_gain", abs(value) * standard_bound(meter.gain, meter.distribution), None, True),
    )
    one = figure(value, lines, "V/d")
    return cell + 1, one, one.U is not None and bool(abs(one.value) > one.U)


def _rounding(resolution: float, days: FloatArray) -> float:
    """A voltage that moves by less than a step of the meter shows a slope known to that step over the time."""
    return resolution / math.sqrt(12.0) / float(days[-1] - days[0])


def slopes(days: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(slope, its standard error by the residuals) of every column, per day; shape (columns,) each."""
    x = days - days.mean()
    spread = float(x @ x)
    centred = values - values.mean(axis=0)
    slope = x @ centred / spread
    residual = centred - x[:, None] * slope[None, :]
    variance = (residual**2).sum(axis=0) / max(days.size - 2, 1)
    return slope, np.sqrt(variance / spread)
