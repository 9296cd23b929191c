"""Everything that keeps a result from counting.

Owns the collection of the reasons; the single ones that need no run are in `verdict`. A profile with a `result:`
is about a residual capacity, and has none to show without a whole discharge. A profile without one is about its
own variables, read-outs and verdict: those count when the run's instruments and record do. A profile that ended
with its own word "fail" has said what it had to say, with or without figures.
"""

from __future__ import annotations

from packbench.analysis import verdict as rules
from packbench.analysis.gaps import gap_reasons
from packbench.analysis.interventions import intervention_reasons
from packbench.analysis.run_inputs import NS, Counted, RunInputs
from packbench.analysis.table import charge_ah, energy_wh
from packbench.analysis.uncertainty import Accuracies
from packbench.analysis.verdict import Reason
from packbench.core.records import StepRecord
from packbench.profile.plan import DirectedStep

CROSS_CHECK_REL = 1e-3
"""Stored samples against the engine's totals (invariant I8)."""


def reasons_of(
    run: RunInputs,
    counted: list[Counted],
    discharges: list[StepRecord],
    *,
    agreed: bool,
    stated: Accuracies | None,
    stopped: bool,
) -> list[Reason]:
    """Everything that keeps the result from counting; nothing of it, where nothing was measured at all."""
    if run.failed and not run.steps:
        return []
    reasons = rules.stop_reasons(run.trips, run.end_reason) if stopped else []
    reasons += rules.signature_reasons(run.signature)
    reasons += rules.certificate_reasons(run.bench.instruments, run.ended_at)
    if run.bench.instruments and stated is None:
        reasons.append(
            Reason(
                "the bench does not state the accuracy of current, voltage, cell voltage and time",
                "台架文件未给出电流、电压、单体电压和时间的准确度",
            )
        )
    rule = run.plan.result
    if rule is None:
        says = run.failed or run.variables or any(record.read_outs for record in run.steps)
        nothing = [] if says else [Reason("the profile states no result", "试验方案未规定结果")]
        return [*reasons, *rules.record_reasons(run.gaps), *nothing]
    if run.balancing:
        reasons.append(
            Reason("the BMS balanced cells during a counted discharge", "计入结果的放电过程中 BMS 进行了均衡")
        )
    if not counted:
        nothing = [] if run.failed else [Reason("no discharge reached its end", "没有完整的放电过程")]
        return [*reasons, *nothing]
    if not agreed and rule.agreement is not None:
        reasons.append(
            Reason(
                f"no {rule.agreement.cycles} consecutive capacities within {rule.agreement.within:.4g} Ah "
                f"in {len(discharges)} discharges",
                f"{len(discharges)} 次放电中没有连续 {rule.agreement.cycles} 次容量相差不超过 "
                f"{rule.agreement.within:.4g} Ah",
            )
        )
    for each in counted:
        record = each.record
        reasons += rules.temperature_reasons(
            record.temperature_min_c,
            record.temperature_max_c,
            rule.temperature_min_c,
            rule.temperature_max_c,
            record.cycle,
        )
        reasons += gap_reasons(run.gaps, record)
        reasons += intervention_reasons(run.interventions, record)
        reasons += _end_reasons(run, each)
        reasons += _cross_check(each)
    return reasons


def _end_reasons(run: RunInputs, each: Counted) -> list[Reason]:
    """A discharge that did not end on a cut-off voltage is no capacity."""
    step = run.plan.steps[each.record.step - 1]
    met = next((one for one in step.until if one.text == each.record.end_reason), None)
    cut_off = ("voltage", "cell_min", "cell_any")
    by_voltage = met is None or any(test.variable in cut_off for test in met.tests)
    if isinstance(step, DirectedStep) and step.sign < 0 and not by_voltage:
        cycle, reason = each.record.cycle, each.record.end_reason
        return [
            Reason(
                f"discharge of cycle {cycle} ended on {reason}, not on a cut-off voltage",
                f"第 {cycle} 次循环放电因 {reason} 结束，未达到截止电压",
            )
        ]
    return []


def _cross_check(each: Counted) -> list[Reason]:
    """The stored samples' own integrals against the engine's totals (I8)."""
    record = each.record
    started_s, ended_s = record.started_ns / NS, record.ended_ns / NS
    pairs = (
        ("Ah", charge_ah(each.rows, started_s, ended_s), record.charge_ah),
        ("Wh", energy_wh(each.rows, started_s, ended_s), record.energy_wh),
    )
    return [
        Reason(
            f"discharge of cycle {record.cycle}: stored samples give {stored:.4f} {unit}, "
            f"the count during the run {counted:.4f} {unit}",
            f"第 {record.cycle} 次循环放电：由存储数据积分得 {stored:.4f} {unit}，运行中累计 {counted:.4f} {unit}",
        )
        for unit, stored, counted in pairs
        if not abs(stored - counted) <= CROSS_CHECK_REL * abs(counted)
    ]
