"""What a gap in the record does to a result.

Owns the rule. A gap is never filled: integrals leave it out (`table.metered`), and what may have flowed unseen in it is
not added to any figure. A gap within a counted discharge leaves the result valid when three things hold; else the
result is INVALID, for that discharge was not seen whole:

1. The record states the most that may have flowed unseen (`Gap.unseen_ah`): a run that was resumed does, since the
   board opens the contactor within its lease; a foreign file does not.
2. That is no more than `UNSEEN_MAX` of what the discharge gave. It widens the capacity's U, as a rectangular
   distribution of that half-width (GUM 4.3.7: the truth lies between the figure and the figure plus all of it; the
   interval is not made one-sided, which is on the safe side).
3. It lasted no longer than `GAP_MAX_NS`: a pack that rests for long recovers, and then gives more than it would have
   without a stop (GB/T 34015-2017 discharges without one; the bound is a house rule).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packbench.analysis.said import in_chinese
from packbench.analysis.verdict import Reason
from packbench.core.records import Gap, StepRecord

UNSEEN_MAX = 0.005
GAP_MAX_NS = 30 * 60 * 1_000_000_000


def unseen_ah(gaps: Iterable[Gap], started_ns: int, ended_ns: int) -> float:
    """The most that the gaps in this stretch may have hidden, as far as it is known."""
    return sum(gap.unseen_ah or 0.0 for gap in _within(gaps, started_ns, ended_ns))


def gap_reasons(gaps: Sequence[Gap], record: StepRecord) -> list[Reason]:
    """Why a counted discharge with these gaps does not count."""
    inside = _within(gaps, record.started_ns, record.ended_ns)
    reasons = [reason for gap in inside if (reason := _unknown_or_long(gap, record.cycle)) is not None]
    hidden_ah = unseen_ah(gaps, record.started_ns, record.ended_ns)
    if hidden_ah > UNSEEN_MAX * abs(record.charge_ah):
        reasons.append(
            Reason(
                f"discharge of cycle {record.cycle}: up to {hidden_ah:.3f} Ah flowed unseen in gaps, "
                f"more than {UNSEEN_MAX:.1%} of its charge",
                f"第 {record.cycle} 次循环放电：数据缺失期间最多有 {hidden_ah:.3f} Ah 未计入，"
                f"超过其电量的 {UNSEEN_MAX:.1%}",
            )
        )
    return reasons


def _unknown_or_long(gap: Gap, cycle: int) -> Reason | None:
    seconds = (gap.ended_ns - gap.started_ns) / 1e9
    if gap.unseen_ah is not None and gap.ended_ns - gap.started_ns <= GAP_MAX_NS:
        return None
    return Reason(
        f"discharge of cycle {cycle}: no data for {seconds:.1f} s ({gap.reason})",
        f"第 {cycle} 次循环放电：数据缺失 {seconds:.1f} s（{in_chinese(gap.reason)}）",
    )


def _within(gaps: Iterable[Gap], started_ns: int, ended_ns: int) -> list[Gap]:
    return [gap for gap in gaps if gap.ended_ns > started_ns and gap.started_ns < ended_ns]
