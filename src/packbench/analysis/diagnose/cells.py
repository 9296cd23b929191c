"""Cell by cell: capacities and resistances, and how far they spread.

Owns which curves are compared, and how a position on them becomes a capacity. The cell that ended the charge was full
and the one that ended the discharge is empty; every other cell's capacity is what the pack gave, what the cell still
had at the end, and what it was short of full at the beginning:

    sloping curves (NMC, LMO)   C_i = b_f (Q + l_f) / b_i       whole discharge (alignment.align); f ended the charge
    flat curves (LFP)           C_i = Q + l_i + u_i              both ends by themselves (alignment.shift)

Resistances are those after one edge, the counted discharge's own beginning where it can be read. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from packbench.analysis.diagnose.alignment import Aligned, Shifted, align, binned_cells, flat, relative_u, shift
from packbench.analysis.diagnose.derivatives import steady_rows
from packbench.analysis.diagnose.evidence import Evidence, Span, figure, without_budget
from packbench.analysis.diagnose.resistance import Edge, edges_of, placed, resistance
from packbench.analysis.table import FloatArray, cumulative_ah
from packbench.core.diagnostics import CellFigure, Cells
from packbench.core.measured import Contribution, Measured

END_PART, CHARGE_PART = 0.3, 0.5
"""Flat curves: the last part of the discharge, and of the constant-current charge, that is compared."""
UNKNOWN_REL = 0.1
"""A capacity with a larger standard uncertainty than this is not said."""
TIMES_S = (10.0, 18.0, 30.0, 5.0)
"""The first of these at which the edge can be read."""
LEAST_REL = 0.5


@dataclass(frozen=True, slots=True)
class Compared:
    """What the cells' curves gave."""

    given_ah: float
    """Q: what the pack gave."""
    capacities_ah: tuple[float | None, ...]
    by_fit_ah: tuple[float | None, ...]
    """Standard uncertainty of each by the comparison alone: the ammeter's part is common to all."""
    full_cell: int
    """The cell that was full, from 1."""
    empty_cell: int


def charge_before(evidence: Evidence) -> Span | None:
    """The last charge before the counted discharge that filled the pack."""
    if evidence.counted is None:
        return None
    least_ah = LEAST_REL * abs(evidence.spans[evidence.counted].charge_ah)
    before = [span for span in evidence.spans[: evidence.counted] if span.charge_ah >= least_ah * 0.5]
    return before[-1] if before else None


def extreme_cell(evidence: Evidence, span: Span, *, highest: bool) -> int | None:
    """The cell that ended a step, else the one highest (lowest) in its last row, from 1; None without cells."""
    if span.end_cell is not None:
        return span.end_cell
    if span.high <= span.low or evidence.series < 2:
        return None
    last_v = evidence.rows.cell_voltages_v[span.high - 1]
    if not np.isfinite(last_v).all():
        return None
    return int(np.argmax(last_v) if highest else np.argmin(last_v)) + 1


def compare(evidence: Evidence) -> Compared | None:
    """The cells' capacities by their curves; None where there are no curves to compare."""
    charge = charge_before(evidence)
    if evidence.counted is None or charge is None or evidence.series < 2:
        return None
    discharge = evidence.spans[evidence.counted]
    full, empty = extreme_cell(evidence, charge, highest=True), extreme_cell(evidence, discharge, highest=False)
    curve = _curve(evidence, discharge)
    if full is None or empty is None or curve is None:
        return None
    to_go_ah, cells_v = curve
    given_ah = abs(discharge.charge_ah)
    if flat(to_go_ah, cells_v[:, empty - 1]):
        filling = _curve(evidence, charge)
        if filling is None:
            return None
        found = _by_ends(given_ah, curve, filling, full - 1, empty - 1)
    else:
        found = _by_whole(given_ah, to_go_ah, cells_v, full - 1, empty - 1)
    known = [value is not None and u is not None and u < UNKNOWN_REL * value for value, u in found]
    if not any(known):
        return None
    capacities = tuple(value if good else None for (value, _), good in zip(found, known, strict=True))
    errors = tuple(u if good else None for (_, u), good in zip(found, known, strict=True))
    return Compared(given_ah, capacities, errors, full, empty)


def _curve(evidence: Evidence, span: Span) -> tuple[FloatArray, FloatArray] | None:
    rows = steady_rows(evidence, span)
    if rows is None or not np.isfinite(rows.cell_voltages_v).all():
        return None
    moved_ah = np.abs(cumulative_ah(rows))
    return binned_cells(moved_ah, rows.cell_voltages_v) if moved_ah[-1] > 0.0 else None


Found = list[tuple[float | None, float | None]]


def _by_whole(given_ah: float, to_go_ah: FloatArray, cells_v: FloatArray, full: int, empty: int) -> Found:
    reference_v = cells_v[:, empty]
    fitted: list[Aligned | None] = [align(to_go_ah, reference_v, cells_v[:, k]) for k in range(cells_v.shape[1])]
    fitted[empty] = Aligned(1.0, 0.0, np.zeros((2, 2)))
    filled = fitted[full]
    if filled is None:
        return [(None, None)] * len(fitted)
    full_ah = given_ah + filled.left_ah
    full_u_ah = math.sqrt(max(float(filled.covariance[1, 1]), 0.0))
    found: Found = []
    for place, one in enumerate(fitted):
        if one is None:
            found.append((None, None))
        elif place == full:
            found.append((full_ah, full_u_ah))
        else:
            value = filled.ratio * full_ah / one.ratio
            others = [relative_u(each) for where, each in ((full, filled), (place, one)) if where != empty]
            found.append((value, math.hypot(full_u_ah, *(value * u for u in others))))
    return found


def _by_ends(
    given_ah: float,
    curve: tuple[FloatArray, FloatArray],
    filling: tuple[FloatArray, FloatArray],
    full: int,
    empty: int,
) -> Found:
    left = _shifts(curve, empty, END_PART)
    short = _shifts(filling, full, CHARGE_PART)
    return [
        (None, None)
        if one is None or other is None
        else (given_ah + one.shift_ah + other.shift_ah, math.hypot(one.standard_u_ah, other.standard_u_ah))
        for one, other in zip(left, short, strict=True)
    ]


def _shifts(curve: tuple[FloatArray, FloatArray], reference: int, part: float) -> list[Shifted | None]:
    to_go_ah, cells_v = curve
    found = [shift(to_go_ah, cells_v[:, reference], cells_v[:, k], part) for k in range(cells_v.shape[1])]
    found[reference] = Shifted(0.0, 0.0)
    return found


def cell_figures(evidence: Evidence, compared: Compared | None) -> Cells | None:
    """Every cell's capacity and resistance, and their spreads; None where there is neither."""
    edge, at_s = _best_edge(evidence)
    ohms: list[Measured | None] = [None] * evidence.series
    if edge is not None:
        ohms = [_cell_ohm(evidence, edge, at_s, place) for place in range(evidence.series)]
    if compared is None and edge is None:
        return None
    capacities: list[Measured | None] = [None] * evidence.series
    if compared is not None:
        capacities = [
            None if value is None or u is None else without_budget(_capacity(evidence, compared, value, u))
            for value, u in zip(compared.capacities_ah, compared.by_fit_ah, strict=True)
        ]
    cells = tuple(CellFigure(k + 1, capacities[k], ohms[k]) for k in range(evidence.series))
    fits = () if compared is None else compared.by_fit_ah
    step = None if edge is None else next((s.number for s in evidence.spans if s.low <= edge.after < s.high), None)
    return Cells(
        cells=cells,
        capacity_spread=_spread(capacities, fits),
        resistance_spread=_spread(ohms, tuple(None if one is None else _own_u(one) for one in ohms)),
        resistance_step=step,
        resistance_at_s=at_s if edge is not None else None,
    )


def _capacity(evidence: Evidence, compared: Compared, value: float, by_fit_ah: float) -> Measured:
    capacity = evidence.capacity_ah
    if capacity is None or capacity.U is None or capacity.k is None:
        return figure(value, None, "Ah")
    of_pack_ah = capacity.U / capacity.k / capacity.value * compared.given_ah
    lines = (
        Contribution("capacity", of_pack_ah, None, correlated=True),
        Contribution("curve_shape", by_fit_ah, None, correlated=False),
    )
    return figure(value, lines, "Ah")


def _own_u(one: Measured) -> float | None:
    return None if one.U is None or one.k is None else one.U / one.k


def _spread(figures: list[Measured | None], own_u: tuple[float | None, ...]) -> Measured | None:
    """Highest less lowest over the mean of all, a fraction; None unless every cell has a figure."""
    values = [one.value for one in figures if one is not None]
    if len(values) < 2 or len(values) < len(figures):
        return None
    high, low = int(np.argmax(values)), int(np.argmin(values))
    mean = math.fsum(values) / len(values)
    value = (values[high] - values[low]) / mean
    stated = all(one is not None and one.U is not None for one in figures)
    lines = None
    if stated:
        parts = (("highest", own_u[high]), ("lowest", own_u[low]))
        lines = tuple(Contribution(name, (u or 0.0) / abs(mean), None, correlated=False) for name, u in parts)
    return figure(value, lines, "1")


def _best_edge(evidence: Evidence) -> tuple[Edge | None, float]:
    """The edge to read the cells at: the counted discharge's first, else the largest; and when after it."""
    if evidence.series < 2:
        return None, 0.0
    edges = edges_of(evidence)
    span = None if evidence.counted is None else evidence.spans[evidence.counted]
    current_a = evidence.rows.current_a

    def rank(edge: Edge) -> tuple[bool, float]:
        inside = span is not None and span.low <= edge.after < span.high
        return not inside, -abs(float(current_a[edge.after] - current_a[edge.before]))

    for edge in sorted(edges, key=rank)[:20]:
        ends_v = evidence.rows.cell_voltages_v[[edge.before, edge.until]]
        for at_s in TIMES_S:
            if placed(evidence, edge, at_s) is not None and np.isfinite(ends_v).all():
                return edge, at_s
    return None, 0.0


def _cell_ohm(evidence: Evidence, edge: Edge, at_s: float, place: int) -> Measured | None:
    where = placed(evidence, edge, at_s)
    if where is None:
        return None
    one = resistance(evidence, edge, *where, cell=place + 1)
    return without_budget(one) if math.isfinite(one.value) else None
