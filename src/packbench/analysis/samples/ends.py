"""What the cells and the gaps say of a counted discharge of a foreign file.

Owns the weakest cell with its margin, the spread, and the gaps that keep a discharge from counting.
Pure. Nobody stated these instruments' accuracy, so nothing here has a U.
"""

from __future__ import annotations

from packbench.analysis.ends import fit_end
from packbench.analysis.samples.cutting import CutSteps
from packbench.analysis.samples.imported import ImportedSamples
from packbench.analysis.steptable import TableStep
from packbench.analysis.uncertainty import COVERAGE_P
from packbench.analysis.verdict import Reason
from packbench.analysis.weakest import named
from packbench.core.result import Measured, WeakestCell


def weakest_of(table: ImportedSamples, made: CutSteps, index: int) -> WeakestCell | None:
    """The cell that read lowest when the discharge ended, with the next one's margin; None without a margin."""
    series = table.rows.cell_voltages_v.shape[1]
    rows = table.rows.part(slice(int(made.starts[index]), int(made.ends[index]) + 1))
    if series <= 1:
        return None
    last_v = rows.cell_voltages_v[-1]
    known = [number for number in range(series) if last_v[number] == last_v[number]]
    if not known:
        return None
    cell = min(known, key=lambda number: last_v[number]) + 1
    end = fit_end(rows, cell, float(last_v[cell - 1]), series, abs(float(made.charge_ah[index])))
    return named(rows, end, cell, "lowest at the end of the discharge", None)


def spread_of(step: TableStep) -> Measured | None:
    """Highest less lowest cell at the end of a step, in V."""
    if step.cell_min_end_v is None or step.cell_max_end_v is None:
        return None
    return Measured(step.cell_max_end_v - step.cell_min_end_v, None, None, COVERAGE_P, "V")


def gaps_in(made: CutSteps, index: int) -> list[Reason]:
    """Why gaps keep a discharge from counting: what flowed in them was not seen."""
    inside = [to_s - from_s for from_s, to_s, step in made.gaps if step == index]
    if not inside:
        return []
    total_s = sum(inside)
    return [
        Reason(
            f"the counted discharge has {len(inside)} gaps of {total_s:.1f} s together: what flowed in them is unknown",
            f"计入结果的放电过程有 {len(inside)} 处缺失，共 {total_s:.1f} s，其间电量未知",
        )
    ]
