"""What imbalance costs: the pack against its own cells, and a charge that was not full.

Owns the rule of what is full, and the estimate of what balancing would give back: with all cells full together the pack
gives its smallest cell's capacity. Pure.
"""

from __future__ import annotations

import numpy as np

from packbench.analysis.diagnose.alignment import MODEL_U_REL
from packbench.analysis.diagnose.cells import Compared, charge_before, extreme_cell
from packbench.analysis.diagnose.evidence import Evidence, Span, figure
from packbench.core.diagnostics import Balance
from packbench.core.measured import Contribution, Measured
from packbench.core.result import Note

FULL_PER_H = 0.1
"""House rule: a charge that a cell ended above a tenth of 1 I1 is not full; profiles go down to 0.05 I1."""


def balance(evidence: Evidence, compared: Compared | None) -> Balance | None:
    """The balance of the counted discharge and the charge before it; None without both, or without cells."""
    charge = charge_before(evidence)
    if evidence.counted is None or charge is None or evidence.series < 2 or charge.high <= charge.low:
        return None
    discharge = evidence.spans[evidence.counted]
    charge_cell = charge.end_cell
    end_a = _end_current(evidence, charge)
    rated_ah = evidence.pack.rated_capacity_ah if evidence.pack is not None else abs(discharge.charge_ah)
    full = charge_cell is None or end_a <= FULL_PER_H * rated_ah
    empty_cell = extreme_cell(evidence, discharge, highest=False)
    balanced, gain, decided = _estimate(evidence, compared)
    return Balance(
        charge_step=charge.number,
        charge_cell=charge_cell,
        charge_end_a=end_a,
        discharge_cell=empty_cell,
        full=full,
        limited_by=_limited_by(charge_cell, empty_cell, full=full),
        balanced_ah=balanced,
        gain_ah=gain,
        decided=decided,
    )


def _limited_by(charge_cell: int | None, empty_cell: int | None, *, full: bool) -> str:
    if not full:
        return "not_full"
    if charge_cell is None or empty_cell is None:
        return "unknown"
    return "cell" if charge_cell == empty_cell else "imbalance"


def _end_current(evidence: Evidence, charge: Span) -> float:
    return abs(float(np.median(evidence.rows.current_a[max(charge.high - 4, charge.low) : charge.high])))


def _estimate(evidence: Evidence, compared: Compared | None) -> tuple[Measured | None, Measured | None, bool | None]:
    """(capacity when balanced, gain, whether it is more than its U); nothing unless every cell's capacity is known."""
    if compared is None or any(value is None for value in compared.capacities_ah):
        return None, None, None
    values = [value or 0.0 for value in compared.capacities_ah]
    smallest = int(np.argmin(values))
    fit_ah = compared.by_fit_ah[smallest] or 0.0
    gain_ah = values[smallest] - compared.given_ah
    capacity = evidence.capacity_ah
    if capacity is None or capacity.U is None or capacity.k is None:
        return figure(values[smallest], None, "Ah"), figure(gain_ah, None, "Ah"), None
    model_ah = MODEL_U_REL * compared.given_ah
    fit = Contribution("curve_shape", float(np.hypot(fit_ah, model_ah)), None, correlated=False)
    of_pack_ah = capacity.U / capacity.k / capacity.value * compared.given_ah
    balanced = figure(values[smallest], (Contribution("capacity", of_pack_ah, None, correlated=True), fit), "Ah")
    gain = figure(gain_ah, (fit,), "Ah")
    return balanced, gain, gain.U is not None and bool(gain.value > gain.U)


def balance_notes(found: Balance | None) -> tuple[Note, ...]:
    """What a reader must know of it to judge the capacity."""
    if found is None or found.full:
        return ()
    return (
        Note(
            "charge_not_full",
            f"Cell {found.charge_cell} ended the charge before the counted discharge at {found.charge_end_a:.4g} A, "
            "more than a tenth of the rated current: the pack was not full, and the capacity is too small by what a "
            "taper and balancing would add.",
            f"计入结果的放电之前，{found.charge_cell} 号单体在 {found.charge_end_a:.4g} A 时即终止充电，"
            "超过额定电流的十分之一：电池组未充满，容量偏小，差额为降流充电与均衡可补充的部分。",
        ),
    )
