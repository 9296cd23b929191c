"""What a gap does to a result: never filled, counted with a bound of what it hid, or the end of its validity."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit import analysis_run as made

from packbench.analysis.gaps import gap_reasons
from packbench.analysis.shape import gap_dict
from packbench.analysis.table import SampleTable, charge_ah, cumulative_ah
from packbench.analysis.verdict import record_reasons, stop_reasons
from packbench.core.records import Gap
from packbench.run.resuming import GONE

S = 1_000_000_000


def with_gap(seconds: int, unseen_ah: float | None):
    """A run whose second discharge stood still for a while: rows and step after the gap are later by its length."""
    run = made.made_up_run()
    record = run.steps[3]
    at_ns = (record.started_ns + record.ended_ns) // 2
    later = run.rows.t_s * 1e9 > at_ns
    t_s = np.where(later, run.rows.t_s + seconds, run.rows.t_s)
    gap = Gap(at_ns, at_ns + seconds * S, "the controller died", unseen_ah)
    rows = replace(run.rows, t_s=t_s, gaps_s=((gap.started_ns / 1e9, gap.ended_ns / 1e9),))
    steps = tuple(
        each
        if each.ended_ns <= at_ns
        else replace(
            each,
            ended_ns=each.ended_ns + seconds * S,
            started_ns=each.started_ns + (seconds * S if each.started_ns > at_ns else 0),
        )
        for each in run.steps
    )
    return replace(run, rows=rows, steps=steps, gaps=(gap,))


def test_a_gap_with_a_small_bound_counts_and_widens_the_uncertainty():
    whole, cut = made.analysed(made.made_up_run()), made.analysed(with_gap(120, 0.02))
    assert cut.valid, cut.invalid_reasons
    assert cut.capacity_ah.value == whole.capacity_ah.value
    named = {line.name: line.standard_u for line in cut.capacity_ah.budget}
    # One of the two discharges that the result is the mean of.
    assert named["unseen_in_gaps"] == pytest.approx(0.02 / np.sqrt(3) / 2)
    assert cut.capacity_ah.U > whole.capacity_ah.U


@pytest.mark.parametrize(
    ("seconds", "unseen_ah", "word"),
    [(120, None, "no data for 120.0 s"), (1801, 0.02, "no data for 1801.0 s"), (120, 0.21, "0.210 Ah flowed unseen")],
)
def test_a_gap_that_hides_too_much_or_lasts_too_long_is_invalid(seconds, unseen_ah, word):
    result = made.analysed(with_gap(seconds, unseen_ah))
    assert not result.valid
    assert any(word in reason for reason in result.invalid_reasons)


def test_the_longest_gap_that_counts_counts():
    assert made.analysed(with_gap(1800, 0.02)).valid


def test_integrals_leave_a_gap_out():
    t_s = np.array([0.0, 10.0, 110.0, 120.0])
    rows = SampleTable(
        t_s, np.full(4, 10.0), np.full(4, -36.0), np.empty((4, 0)), np.empty((4, 0)),
        np.ones(4, dtype=np.int64), np.ones(4, dtype=np.int64), gaps_s=((12.0, 108.0),),
    )  # fmt: skip
    assert charge_ah(rows, 0.0, 120.0) == pytest.approx(-0.01 * 24)
    assert cumulative_ah(rows)[-1] == pytest.approx(-0.01 * 24)
    assert charge_ah(replace(rows, gaps_s=()), 0.0, 120.0) == pytest.approx(-0.01 * 120)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("interrupted by the operator", "操作员停止了测试"),
        ("aborted by Wu: smell", "Wu 停止了测试：smell"),
        ("aborted by Wu", "Wu 停止了测试"),
        ("the record ends before the run did", "记录在测试结束前中断"),
        ("a profile's own words", "a profile's own words"),
    ],
)
def test_a_run_that_was_stopped_says_why_in_chinese_too(reason: str, told: str):
    (found,) = stop_reasons((), reason)
    assert (found.text_en, found.text_zh) == (
        f"the run stopped before its end: {reason}",
        f"试验未完成即停止：{told}",
    )


def test_a_gap_says_why_in_chinese_too():
    gap = Gap(0, 60 * S, GONE)
    found = [*record_reasons([gap]), *gap_reasons([gap], replace(made.made_up_run().steps[3], started_ns=0))]
    assert [each.text_zh.rpartition("数据缺失 ")[2] for each in found] == ["60.0 s（控制程序曾中断）"] * 2
    assert gap_dict(gap)["reason_zh"] == "控制程序曾中断"
