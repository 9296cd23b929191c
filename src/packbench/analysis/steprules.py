"""What a table of steps says: end reasons, gaps, cross-checks, and which discharge is the capacity.

Owns the rules for files that hold steps and no samples. Pure. Every rule is said in the result's
notes, and what cannot be decided is said to be so.

End reasons (the file does not give them):
  manual_jump   the file says so
  current       a CC-CV charge whose current had fallen to at most half of what it began with
  time          the same program step lasts equally long in another round and ended there on another
                voltage; or the duration is a round number (multiple of 10 s, or of 10 ms below a minute)
  voltage       a current step that ended on the given pack's cut-off, was shorter than the time the
                same program step takes in other rounds, or has no such duration
  undecided     a round duration seen once, and an end voltage on the 50 mV grid (to 2 mV)

The capacity: the discharge with the most charge among those that began full and ended empty. Full:
the last step with current before it is a charge that reached the upper cut-off and whose current
fell (CC-CV), or that ended on the upper cut-off. Empty: it ended on the lower cut-off. The cut-offs
are the pack's when a pack is given, else the highest and lowest that the file itself reached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from packbench.analysis.steptable import StepTable, TableStep
from packbench.core.specs import PackSpec

CURRENT_FELL_TO = 0.5
ROUND_LONG_S = 10.0
ROUND_SHORT_S = 0.01
LONG_S = 60.0
TIME_TOLERANCE_S = 0.0015
VOLTAGE_GRID_V = 0.05
VOLTAGE_TOLERANCE_V = 0.002
CUTOFF_TOLERANCE_V = 0.015
"""How far from a cut-off a step's end may lie and still have reached it (per cell)."""
CHECK_LONGER_THAN_S = 60.0
CHECK_REL = 1e-3
PAUSE_S = 1.0
IDLE_S = 5.0
VOLTAGE_DIFFERS_V = 0.005
"""A program step that ended this far apart in two rounds of equal length was not ended by voltage."""

RoundKey = tuple[int | None, str, int]
"""(program step, kind, duration in ms)."""
Rounds = defaultdict[RoundKey, list[float]]


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """Mean current x time against the file's own counter, on one CC step."""

    number: int
    product_ah: float
    counter_ah: float

    @property
    def deviation(self) -> float:
        """Relative, signed."""
        return self.product_ah / self.counter_ah - 1.0


@dataclass(frozen=True, slots=True)
class TableGap:
    """Something missing: in time, or in the program's numbering."""

    started_s: float | None
    ended_s: float | None
    reason_en: str
    reason_zh: str


def end_reasons(table: StepTable, pack: PackSpec | None) -> tuple[str, ...]:
    """The end reason of every step, in the form of a condition (`voltage <= 2.6995 V`)."""
    rounds: Rounds = defaultdict(list)
    for step in table.steps:
        if step.program_step is not None and step.voltage_end_v is not None:
            rounds[_round_key(step)].append(step.voltage_end_v)
    timed = {key[:2]: key[2] for key, volts in rounds.items() if max(volts) - min(volts) > VOLTAGE_DIFFERS_V}
    return tuple(_end_reason(step, timed.get(_round_key(step)[:2]), pack) for step in table.steps)


def _round_key(step: TableStep) -> RoundKey:
    return step.program_step, step.kind, round(step.duration_s * 1000.0)


def _end_reason(step: TableStep, program_ms: int | None, pack: PackSpec | None) -> str:
    """`program_ms`: how long this program step lasts when time ends it; None: not known."""
    if step.outcome == "manual_jump":
        return f"manual jump ({step.outcome_text})"
    at_time = f"step_time >= {step.duration_s:g} s"
    if step.kind == "rest":
        return at_time
    start_a, end_a, end_v = step.current_start_a, step.current_end_a, step.voltage_end_v
    if step.kind in ("cccv_charge", "cccv_discharge"):
        if start_a is not None and end_a is not None and abs(end_a) <= CURRENT_FELL_TO * abs(start_a):
            where = "" if end_v is None else f" at {end_v:g} V"
            return f"current <= {abs(end_a):g} A{where}"
        return at_time if _is_round(step.duration_s) else "undecided"
    if end_v is None:
        return at_time if _is_round(step.duration_s) else "undecided"
    sign = "<=" if step.kind == "cc_discharge" else ">="
    at_voltage = f"voltage {sign} {end_v:g} V"
    if reaches_cutoff(step, pack):
        return at_voltage
    if program_ms is not None:
        return at_voltage if _round_key(step)[2] < program_ms else at_time
    if not _is_round(step.duration_s):
        return at_voltage
    return f"undecided: {at_time} or {at_voltage}" if _on_grid(end_v) else at_time


def ended_cell(step: TableStep, pack: PackSpec | None) -> int | None:
    """The cell that stood at the given pack's limit of a cell when a charge (discharge) ended, from 1; else None."""
    if pack is None or pack.series < 2 or step.kind == "rest":
        return None
    if step.charge_ah > 0.0 and step.cell_max_end_v is not None:
        return step.highest_cell if step.cell_max_end_v >= pack.cell_full_v - CUTOFF_TOLERANCE_V else None
    if step.charge_ah < 0.0 and step.cell_min_end_v is not None:
        return step.lowest_cell if step.cell_min_end_v <= pack.cell_cutoff_v + CUTOFF_TOLERANCE_V else None
    return None


def reaches_cutoff(step: TableStep, pack: PackSpec | None) -> bool:
    """Whether a step ended on the given pack's cut-off of its direction; False without a pack."""
    if pack is None or step.voltage_end_v is None:
        return False
    tolerance_v = CUTOFF_TOLERANCE_V * pack.series
    if step.charge_ah < 0.0:
        return step.voltage_end_v <= pack.cell_cutoff_v * pack.series + tolerance_v or _cell_empty(step, pack)
    return step.voltage_end_v >= pack.cell_full_v * pack.series - tolerance_v or _cell_full(step, pack)


def _cell_empty(step: TableStep, pack: PackSpec | None) -> bool:
    """Whether one cell ended a discharge, where cells were recorded."""
    if pack is None or step.cell_min_end_v is None:
        return False
    return step.cell_min_end_v <= pack.cell_cutoff_v + CUTOFF_TOLERANCE_V


def _cell_full(step: TableStep, pack: PackSpec | None) -> bool:
    if pack is None or step.cell_max_end_v is None:
        return False
    return step.cell_max_end_v >= pack.cell_full_v - CUTOFF_TOLERANCE_V


def _is_round(duration_s: float) -> bool:
    grid_s = ROUND_LONG_S if duration_s >= LONG_S else ROUND_SHORT_S
    return abs(duration_s - round(duration_s / grid_s) * grid_s) < TIME_TOLERANCE_S


def _on_grid(volts_v: float) -> bool:
    return abs(volts_v - round(volts_v / VOLTAGE_GRID_V) * VOLTAGE_GRID_V) < VOLTAGE_TOLERANCE_V


def cross_checks(table: StepTable) -> tuple[CrossCheck, ...]:
    """Every CC step longer than a minute with its start and end current known."""
    found: list[CrossCheck] = []
    for step in table.steps:
        if step.kind not in ("cc_charge", "cc_discharge") or step.duration_s <= CHECK_LONGER_THAN_S:
            continue
        if step.current_start_a is None or step.current_end_a is None or step.charge_ah == 0.0:
            continue
        mean_a = 0.5 * (step.current_start_a + step.current_end_a)
        found.append(CrossCheck(step.number, mean_a * step.duration_s / 3600.0, step.charge_ah))
    return tuple(found)


def gaps(table: StepTable) -> tuple[TableGap, ...]:
    """Lost rows, program steps left out, pauses inside a step, idle time between steps."""
    found = [
        TableGap(None, None, f"row {each.source_row} says nothing ({each.found})", f"第 {each.source_row} 行无有效数据")
        for each in table.lost
    ]
    if table.pauses is not None:
        return (*found, *_pauses(table.pauses))
    for before, step in zip((None, *table.steps), table.steps, strict=False):
        if before is not None:
            found += _between(before, step)
        if step.started_s is not None and step.ended_s is not None:
            pause_s = step.ended_s - step.started_s - step.duration_s
            if pause_s > PAUSE_S:
                found.append(
                    TableGap(
                        step.started_s,
                        step.ended_s,
                        f"step {step.number} counts {step.duration_s:g} s, the wall clock {pause_s:.1f} s more: paused",
                        f"工步 {step.number} 计时 {step.duration_s:g} s，时钟多出 {pause_s:.1f} s：曾暂停",
                    )
                )
    return tuple(found)


def _pauses(pauses: tuple[tuple[float, float, int], ...]) -> list[TableGap]:
    return [
        TableGap(
            from_s,
            to_s,
            f"{to_s - from_s:.1f} s without a row in or before step {index + 1}",
            f"工步 {index + 1} 之中或之前有 {to_s - from_s:.1f} s 无数据",
        )
        for from_s, to_s, index in pauses
    ]


def _between(before: TableStep, step: TableStep) -> list[TableGap]:
    found: list[TableGap] = []
    if step.number != before.number + 1:
        found.append(
            TableGap(
                before.ended_s,
                step.started_s,
                f"step numbers {before.number + 1} to {step.number - 1} are missing",
                f"缺少工步序号 {before.number + 1} 至 {step.number - 1}",
            )
        )
    if (
        before.program_step is not None
        and step.program_step is not None
        and step.program_step > before.program_step + 1
    ):
        first, last = before.program_step + 1, step.program_step - 1
        names = str(first) if first == last else f"{first} to {last}"
        names_zh = str(first) if first == last else f"{first} 至 {last}"
        found.append(
            TableGap(
                before.ended_s,
                step.started_s,
                f"program step {names} is missing between steps {before.number} and {step.number}",
                f"工步 {before.number} 与 {step.number} 之间缺少步次 {names_zh}",
            )
        )
    if before.ended_s is not None and step.started_s is not None and step.started_s - before.ended_s > IDLE_S:
        idle_s = step.started_s - before.ended_s
        found.append(
            TableGap(
                before.ended_s,
                step.started_s,
                f"{idle_s:.1f} s without a step before step {step.number}",
                f"工步 {step.number} 之前有 {idle_s:.1f} s 无工步",
            )
        )
    return found


def capacity_step(table: StepTable, pack: PackSpec | None) -> int | None:
    """Index into `table.steps` of the discharge that is the capacity; None when no step fits the rule."""
    top_v, bottom_v = _cutoffs(table.steps, pack)
    if top_v is None or bottom_v is None:
        return None
    cells = 1 if pack is None else pack.series
    best: int | None = None
    for index, step in enumerate(table.steps):
        if step.kind not in ("cc_discharge", "cccv_discharge") or step.voltage_end_v is None:
            continue
        if step.outcome == "manual_jump":
            continue
        if step.voltage_end_v > bottom_v + CUTOFF_TOLERANCE_V * cells and not _cell_empty(step, pack):
            continue
        charge = _charge_before(table.steps, index)
        if charge is None or not (_is_full(charge, top_v - CUTOFF_TOLERANCE_V * cells) or _cell_full(charge, pack)):
            continue
        if best is None or abs(step.charge_ah) > abs(table.steps[best].charge_ah):
            best = index
    return best


def _cutoffs(steps: Sequence[TableStep], pack: PackSpec | None) -> tuple[float | None, float | None]:
    """(upper, lower) cut-off voltage: the pack's, else of the file's own CC-CV charges and discharges."""
    if pack is not None:
        return pack.cell_full_v * pack.series, pack.cell_cutoff_v * pack.series
    charges = [step for step in steps if step.kind == "cccv_charge"] or [s for s in steps if s.kind == "cc_charge"]
    tops = [step.voltage_end_v for step in charges if step.voltage_end_v is not None]
    bottoms = [step.voltage_end_v for step in steps if step.charge_ah < 0.0 and step.voltage_end_v is not None]
    return max(tops, default=None), min(bottoms, default=None)


def _charge_before(steps: Sequence[TableStep], index: int) -> TableStep | None:
    """The last step with current before a discharge, if it is a charge."""
    for step in reversed(steps[:index]):
        if step.kind != "rest":
            return step if step.kind in ("cc_charge", "cccv_charge") else None
    return None


def _is_full(charge: TableStep, top_v: float) -> bool:
    if charge.outcome == "manual_jump" or charge.voltage_end_v is None or charge.voltage_end_v < top_v:
        return False
    if charge.kind == "cc_charge":
        return True
    start_a, end_a = charge.current_start_a, charge.current_end_a
    return start_a is not None and end_a is not None and abs(end_a) <= CURRENT_FELL_TO * abs(start_a)
