"""A run's rows and steps in, its result out: which discharges count, and what they say.

Owns the selection of the counted discharges and the making of a Result. Must not look at
provenance; `verdict.may_release` does. What keeps a result from counting is `validity`'s.
Sources: GB/T 34015-2017 (residual capacity; integral of current), GB 38031-2025 7.2.2 (repeat
until consecutive capacities agree, result the mean of those), by way of the profile's ResultRule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from packbench.analysis import verdict as rules
from packbench.analysis.diagnose.balance import balance_notes
from packbench.analysis.diagnose.build import diagnose
from packbench.analysis.diagnose.gathering import of_run
from packbench.analysis.ends import StepEnd, fit_end
from packbench.analysis.extremes import standard_bound
from packbench.analysis.gaps import unseen_ah
from packbench.analysis.interventions import intervention_notes
from packbench.analysis.run_inputs import NS, Counted, RunInputs
from packbench.analysis.shape import gap_dict, limits_dict, step_result, trip_dict, variables_dict
from packbench.analysis.table import SECONDS_PER_HOUR, trapezoid
from packbench.analysis.uncertainty import (
    COVERAGE_P,
    Accuracies,
    CycleFigures,
    combine,
    contributions,
    cycle_terms,
    scaled,
    stated_accuracies,
)
from packbench.analysis.validity import reasons_of
from packbench.analysis.weakest import named, undecided_note
from packbench.core.records import StepRecord
from packbench.core.result import Contribution, Measured, Note, Result, WeakestCell
from packbench.core.specs import Accuracy
from packbench.profile.amounts import constant
from packbench.profile.plan import ConstantCurrent, ConstantPower, ConstantVoltage

AT_LIMIT_REL = 5e-3
"""A pack this close to its limit ended there: meters and the cable explain the rest."""


def analyse_run(run: RunInputs) -> Result:
    """The result of a run: figures with their uncertainty, verdict, reasons. Never raises on poor data."""
    discharges = _discharges(run)
    chosen, agreed = _agreeing(run, discharges)
    counted = [_count(run, record) for record in chosen]
    stated = stated_accuracies(run.bench)
    stopped = bool(run.trips) or not run.completed
    reasons = reasons_of(run, counted, discharges, agreed=agreed, stated=stated, stopped=stopped)
    capacity, energy = _figures(run, counted, stated)
    soh = None if capacity is None else scaled(capacity, run.pack.rated_capacity_ah, "1")
    soce = None if energy is None else scaled(energy, run.pack.rated_energy_wh, "1")
    min_soh = run.plan.result.min_soh if run.plan.result is not None else None
    decided = rules.decide(
        stopped=stopped,
        reasons=reasons,
        soh=None if soh is None else soh.value,
        min_soh=min_soh,
        failed=run.failed,
    )
    last = counted[-1] if counted else None
    weakest = None if last is None else _weakest(last, stated)
    diagnostics = diagnose(of_run(run, [each.record for each in counted], capacity, energy))
    return Result(
        provenance=run.provenance,
        run_id=run.run_id,
        serial=run.serial,
        profile=run.plan.name,
        pack=run.pack.name,
        seed=run.seed,
        started_at=run.started_at,
        ended_at=run.ended_at,
        end_reason=run.end_reason,
        verdict=decided,
        valid=decided in ("PASS", "FAIL"),
        invalid_reasons=tuple(reason.text_en for reason in reasons),
        imbalance_limited=_imbalance_limited(counted),
        capacity_ah=capacity,
        energy_wh=energy,
        soh=soh,
        soce=soce,
        weakest_cell=weakest,
        cell_spread_v=None if last is None else _spread(last, stated),
        steps=tuple(step_result(record) for record in run.steps),
        gaps=tuple(gap_dict(each) for each in run.gaps),
        limits=limits_dict(run.limits),
        trips=tuple(trip_dict(each) for each in run.trips),
        hashes=dict(run.hashes),
        paths=dict(run.paths),
        operator=run.operator,
        bench=run.bench.name,
        capacities_ah=tuple(abs(record.charge_ah) for record in discharges),
        agreeing_cycles=tuple(record.cycle for record in chosen) if agreed else (),
        releasing=rules.may_release(run.provenance, decided, capacity=capacity is not None, signature=run.signature),
        invalid_reasons_zh=tuple(reason.text_zh for reason in reasons),
        notes=(*_notes(run, counted), *undecided_note(weakest), *balance_notes(diagnostics.balance)),
        end_reason_zh=run.end_reason_zh,
        subject="profile" if run.plan.result is None else "capacity",
        variables=variables_dict(run.variables, run.plan.variables),
        answers=run.answers,
        parameters=dict(run.parameters),
        diagnostics=diagnostics,
    )


def _discharges(run: RunInputs) -> list[StepRecord]:
    """Every finished run of the step whose charge is the capacity, in order."""
    if run.plan.result is None:
        return []
    wanted = run.plan.result.capacity_step + 1
    broken = run.steps[-1].number if run.steps and (run.trips or not run.completed) else None
    return [record for record in run.steps if record.step == wanted and record.number != broken]


def _agreeing(run: RunInputs, discharges: list[StepRecord]) -> tuple[list[StepRecord], bool]:
    """The discharges whose mean is the result, and whether they meet the profile's agreement."""
    rule = run.plan.result
    if rule is None or not discharges:
        return [], False
    if rule.agreement is None:
        return discharges[-1:], True
    last = discharges[-rule.agreement.cycles :]
    values = [abs(record.charge_ah) for record in last]
    return last, len(last) == rule.agreement.cycles and max(values) - min(values) <= rule.agreement.within


def _count(run: RunInputs, record: StepRecord) -> Counted:
    """A discharge with what its own samples and its charge's samples say of the ends."""
    started_s, ended_s = record.started_ns / NS, record.ended_ns / NS
    rows = run.rows.of_step(record.step, started_s, ended_s)
    charge = _charge_before(run, record)
    series, rated_ah = run.pack.series, run.pack.rated_capacity_ah
    charge_end = discharge_end = None
    if charge is not None:
        charge_rows = run.rows.of_step(charge.step, charge.started_ns / NS, charge.ended_ns / NS)
        limit_v = _charge_limit_v(run, charge)
        if _ended_at(charge, limit_v):
            charge_end = fit_end(charge_rows, charge.end_cell, limit_v, series, rated_ah)
    cutoff_v = _cutoff_v(run, record)
    if _ended_at(record, cutoff_v):
        discharge_end = fit_end(rows, record.end_cell, cutoff_v, series, rated_ah)
    began_s, over_s = rows.metered(np.array((started_s, ended_s))).tolist()
    duration_h = (over_s - began_s) / SECONDS_PER_HOUR
    capacity_ah = abs(record.charge_ah)
    figures = CycleFigures(
        capacity_ah=capacity_ah,
        energy_wh=abs(record.energy_wh),
        duration_h=duration_h,
        current_a=capacity_ah / duration_h if duration_h > 0.0 else 0.0,
        volt_hours=trapezoid(rows.metered_s, rows.voltage_v) / SECONDS_PER_HOUR,
        amp2_hours=trapezoid(rows.metered_s, rows.current_a**2) / SECONDS_PER_HOUR,
        start_voltage_v=float(rows.voltage_v[0]) if len(rows) else math.nan,
        charge_end=charge_end,
        discharge_end=discharge_end,
        unseen_ah=unseen_ah(run.gaps, record.started_ns, record.ended_ns),
    )
    return Counted(record, rows, charge, figures)


def _charge_before(run: RunInputs, record: StepRecord) -> StepRecord | None:
    """The last step before a discharge that moved charge, if it is a charge (a rest only has its residue)."""
    moved_ah = 0.01 * abs(record.charge_ah)
    before = [each for each in run.steps if each.number < record.number and abs(each.charge_ah) > moved_ah]
    return before[-1] if before and before[-1].charge_ah > 0.0 else None


def _ended_at(record: StepRecord, limit_v: float) -> bool:
    """Whether a voltage ended the step. One that ended on time or charge owes nothing to a voltmeter's error."""
    if record.end_cell is not None:
        return True
    short_v = limit_v - record.voltage_end_v if record.charge_ah > 0.0 else record.voltage_end_v - limit_v
    return short_v <= AT_LIMIT_REL * limit_v


def _charge_limit_v(run: RunInputs, record: StepRecord) -> float:
    """The voltage at which a charge ended: the cell's limit, or the pack's."""
    step = run.plan.steps[record.step - 1]
    stated: float | None = None
    if isinstance(step, ConstantCurrent | ConstantVoltage | ConstantPower):
        if record.end_cell is not None and step.cell_limit is not None:
            stated = constant(step.cell_limit.voltage_v)
        elif record.end_cell is None:
            stated = constant(step.voltage_v if isinstance(step, ConstantVoltage) else step.clamp_voltage_v)
    if stated is not None:
        return stated
    return run.pack.cell_full_v if record.end_cell is not None else record.voltage_end_v


def _cutoff_v(run: RunInputs, record: StepRecord) -> float:
    """The voltage at which a discharge ended: the condition it met, else the pack's own cut-off."""
    step = run.plan.steps[record.step - 1]
    wanted = "voltage" if record.end_cell is None else "cell_min"
    for condition in step.until:
        for test in condition.tests:
            value_v = constant(test.value)
            if test.variable == wanted and not test.rising and value_v is not None:
                return value_v
    return run.pack.cell_cutoff_v if record.end_cell is not None else record.voltage_end_v


def _figures(
    run: RunInputs, counted: list[Counted], stated: Accuracies | None
) -> tuple[Measured | None, Measured | None]:
    """Capacity and energy: means of the counted discharges."""
    if not counted:
        return None, None
    capacities = [each.figures.capacity_ah for each in counted]
    energies = [each.figures.energy_wh for each in counted]
    capacity, energy = math.fsum(capacities) / len(counted), math.fsum(energies) / len(counted)
    if stated is None:
        return (
            Measured(capacity, None, None, COVERAGE_P, "Ah"),
            Measured(energy, None, None, COVERAGE_P, "Wh"),
        )
    terms = [cycle_terms(each.figures, run.bench, stated) for each in counted]
    return (
        combine(capacity, contributions(capacities, terms, energy=False), "Ah"),
        combine(energy, contributions(energies, terms, energy=True), "Wh"),
    )


def _imbalance_limited(counted: list[Counted]) -> bool:
    """A counted charge or discharge that one cell ended early, as the engine marked it."""
    records = [record for each in counted for record in (each.record, each.charge) if record is not None]
    return any(record.imbalance_limited for record in records)


def _weakest(each: Counted, stated: Accuracies | None) -> WeakestCell | None:
    """The cell that ended the last counted discharge, with the next one's margin."""
    end = each.figures.discharge_end
    if each.record.end_cell is None:
        return None
    accuracy = None if stated is None else stated.cell
    return named(each.rows, end, each.record.end_cell, each.record.end_reason, accuracy)


def _spread(each: Counted, stated: Accuracies | None) -> Measured | None:
    """Highest less lowest cell at the end of the last counted discharge, as read; None with a single cell."""
    record = each.record
    value = record.cell_max_end_v - record.cell_min_end_v
    if not math.isfinite(value) or each.rows.cell_voltages_v.shape[1] < 2:
        return None
    if stated is None:
        return Measured(value, None, None, COVERAGE_P, "V")
    return combine(value, _spread_budget(stated.cell, value), "V")


def _spread_budget(cell: Accuracy, spread_v: float) -> Sequence[Contribution]:
    """Two channels read against each other: offsets, rounding and noise twice, the gain on the difference."""
    twice = math.sqrt(2.0)
    return (
        Contribution("voltage_offset", twice * standard_bound(cell.offset, cell.distribution), None, correlated=True),
        Contribution("voltage_gain", spread_v * standard_bound(cell.gain, cell.distribution), None, correlated=True),
        Contribution("voltage_noise", twice * cell.noise, None, correlated=False),
        Contribution("voltage_resolution", twice * cell.resolution / math.sqrt(12.0), None, correlated=False),
    )


def _notes(run: RunInputs, counted: list[Counted]) -> tuple[Note, ...]:
    """What a reader must know to judge the figures."""
    notes: list[Note] = []
    if len(counted) == 1:
        notes.append(
            Note(
                "one_discharge",
                "One discharge counts: its repeatability is not known and not part of U.",
                "仅一次放电计入结果：重复性未知，未计入 U。",
            )
        )
    if run.balancing is None and run.pack.series > 1:
        notes.append(Note("balancing_unknown", "The BMS does not say whether it balances.", "BMS 未报告均衡状态。"))
    if run.plan.result is None and run.balancing:
        notes.append(Note("balanced", "The BMS balanced cells during the run.", "试验过程中 BMS 进行了均衡。"))
    if run.variables or any(record.read_outs for record in run.steps):
        notes.append(
            Note(
                "no_u_of_read_outs",
                "Read-outs of the profile are values at the end of the run (where a loop gives them, of its last "
                "round), without a stated uncertainty.",
                "试验读数取试验结束时的值（循环中取最后一轮），未给出不确定度。",
            )
        )
    notes += intervention_notes(run.interventions)
    for each in counted:
        notes += _end_notes(each)
    return tuple(notes)


def _end_notes(each: Counted) -> list[Note]:
    """Ends that could not be turned into an uncertainty."""
    ends: tuple[tuple[StepEnd | None, str, str], ...] = (
        (each.figures.charge_end, "charge before", "之前的充电"),
        (each.figures.discharge_end, "end", "放电终点"),
    )
    return [
        Note(
            "end_not_fitted",
            f"Discharge of cycle {each.record.cycle}: its {en} has too few samples for dQ/dV; "
            "an error of that voltage is not part of U.",
            f"第 {each.record.cycle} 次循环放电：{zh}的数据不足以求 dQ/dV，该处电压误差未计入 U。",
        )
        for end, en, zh in ends
        if end is None
    ]
