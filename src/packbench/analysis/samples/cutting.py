"""Samples cut into steps, with each step's charge and energy, gaps taken out.

Owns the cut (the file's step and cycle numbers, else the current's sign), the integrals (trapezoids
on the samples' own instants) and the gaps. Nothing is interpolated: what flowed in a gap is not in
the charge. Between the last row of a step and the first of the next nobody measured; where the file
numbers its steps and that time is no longer than the step's own rows are apart, it belongs to the
new step at its first current. All of it is arithmetic on whole columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packbench.analysis.samples.imported import ImportedSamples
from packbench.analysis.steptable import StepKind
from packbench.analysis.table import SECONDS_PER_HOUR, FloatArray, IntArray, SampleTable

NO_CURRENT_REL = 0.005
"""A current below this fraction of the largest one is a rest."""
CV_FALL = 0.8
"""A step whose last current is below this fraction of its largest one ended in CV or a taper."""
GAP_ROWS = 10.0
"""Rows further apart than this many times the median distance in their step have a gap between them ..."""
GAP_SPARSE = 5.0
"""... and than this many times the longest tenth's (a cycler that records on dV is sparse on a plateau) ..."""
GAP_MIN_S = 5.0
"""... and than this."""
HEAD_ROWS = 1.5
SHORT_ROWS = 3
"""With no step numbers: a change of the current's sign shorter than this many rows is noise."""


@dataclass(frozen=True, slots=True, eq=False)
class CutSteps:
    """Steps of a table, in order; every array has shape (steps,) unless said otherwise."""

    starts: IntArray
    ends: IntArray
    """Index of the last row."""
    kinds: tuple[StepKind, ...]
    started_s: FloatArray
    ended_s: FloatArray
    duration_s: FloatArray
    """Without its gaps."""
    charge_ah: FloatArray
    energy_wh: FloatArray
    gaps: tuple[tuple[float, float, int], ...]
    """(from s, to s, index of the step), in order."""
    by_number: bool


def cut(table: ImportedSamples) -> CutSteps:
    """Cut a table into steps. Pure."""
    rows = table.rows
    threshold_a = NO_CURRENT_REL * float(np.max(np.abs(rows.current_a)))
    changes, by_number = _changes(table, threshold_a)
    starts = np.flatnonzero(changes)
    ends = np.append(starts[1:], len(rows)) - 1
    dt_s = np.diff(rows.t_s)
    usual_s, sparse_s = _usual(dt_s, starts, ends)
    limit_s = np.maximum(np.maximum(GAP_ROWS * usual_s, GAP_SPARSE * sparse_s), GAP_MIN_S)
    owner = np.cumsum(changes) - 1
    edge = changes[1:]
    gap = dt_s > np.where(edge, np.maximum(limit_s[owner[1:]], limit_s[owner[:-1]]), limit_s[owner[1:]])
    current_a, power_w = rows.current_a, rows.current_a * rows.voltage_v
    flow = _per_step(_spans(current_a, dt_s, edge, gap), owner, starts.size)
    work = _per_step(_spans(power_w, dt_s, edge, gap), owner, starts.size)
    seen = _per_step(np.where(gap | edge, 0.0, dt_s), owner, starts.size)
    if by_number and starts.size > 1:
        head_s = dt_s[starts[1:] - 1]
        held_s = np.where(head_s <= HEAD_ROWS * usual_s[1:], head_s, 0.0)
        flow[1:] += current_a[starts[1:]] * held_s
        work[1:] += power_w[starts[1:]] * held_s
        seen[1:] += held_s
    where = np.flatnonzero(gap)
    gaps = tuple((float(rows.t_s[k]), float(rows.t_s[k + 1]), int(owner[k + 1])) for k in where.tolist())
    return CutSteps(
        starts,
        ends,
        tuple(_kind(rows, low, high, threshold_a) for low, high in zip(starts.tolist(), ends.tolist(), strict=True)),
        rows.t_s[starts],
        rows.t_s[ends],
        seen,
        flow / SECONDS_PER_HOUR,
        work / SECONDS_PER_HOUR,
        gaps,
        by_number,
    )


def _changes(table: ImportedSamples, threshold_a: float) -> tuple[NDArray[np.bool_], bool]:
    rows = table.rows
    changes = np.zeros(len(rows), dtype=np.bool_)
    changes[0] = True
    if table.has_steps:
        changes[1:] = (np.diff(rows.step) != 0) | (np.diff(rows.cycle) != 0)
        if changes[1:].any():
            return changes, True
    sign = np.where(np.abs(rows.current_a) <= threshold_a, 0, np.sign(rows.current_a)).astype(np.int8)
    turns = np.append(0, np.flatnonzero(np.diff(sign)) + 1)
    length = np.diff(np.append(turns, len(rows)))
    # A short excursion goes to the stretch before it; the sign of long stretches alone cuts.
    lasting = turns[(length >= SHORT_ROWS) | (turns == 0)]
    kept = [int(lasting[0])]
    kept += [int(at) for at in lasting[1:] if sign[at] != sign[kept[-1]]]
    changes[kept] = True
    return changes, False


def _usual(dt_s: FloatArray, starts: IntArray, ends: IntArray) -> tuple[FloatArray, FloatArray]:
    """shape (steps,) each: median and 90th percentile of the rows' distance in each step, in s."""
    usual_s: FloatArray = np.full(starts.size, float(np.median(dt_s)) if dt_s.size else 0.0)
    sparse_s = usual_s.copy()
    for index, (low, high) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if high > low + 1:
            ordered = np.sort(dt_s[low:high])
            usual_s[index] = ordered[ordered.size // 2]
            sparse_s[index] = ordered[int(0.9 * (ordered.size - 1))]
    return usual_s, sparse_s


def _spans(values: FloatArray, dt_s: FloatArray, edge: NDArray[np.bool_], gap: NDArray[np.bool_]) -> FloatArray:
    return np.where(edge | gap, 0.0, 0.5 * (values[1:] + values[:-1]) * dt_s)


def _per_step(spans: FloatArray, owner: IntArray, count: int) -> FloatArray:
    return np.bincount(owner[1:], weights=spans, minlength=count).astype(np.float64)


def _kind(rows: SampleTable, low: int, high: int, threshold_a: float) -> StepKind:
    current_a = rows.current_a[low : high + 1]
    middle_a = float(np.median(current_a))
    if abs(middle_a) <= threshold_a:
        largest = float(np.max(np.abs(current_a)))
        first_a = math.copysign(largest, float(current_a[int(np.argmax(np.abs(current_a)))]))
        if largest <= 20.0 * threshold_a:
            return "rest"
        middle_a = first_a
    largest = float(np.max(np.abs(current_a)))
    fell = abs(float(current_a[-1])) <= CV_FALL * largest
    if middle_a > 0.0:
        return "cccv_charge" if fell else "cc_charge"
    return "cccv_discharge" if fell else "cc_discharge"
