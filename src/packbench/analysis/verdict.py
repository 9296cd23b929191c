"""Whether a result counts, and whether it may release a pack.

Owns the verdict and the release gates. `may_release` and `may_enter` are the only functions that look at a
provenance (DESIGN 1): a run that nobody measured can be a PASS of the test, shown as such with its watermark; it
never releases a pack, and enters only a ledger marked test. Everything else here is the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from packbench.analysis.said import in_chinese
from packbench.core.records import Gap, Trip
from packbench.core.samples import Provenance
from packbench.core.specs import Instrument

Verdict = Literal["PASS", "FAIL", "INVALID", "ABORTED"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a result does not count, in both languages."""

    text_en: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class Signature:
    """What the signature over a run's record is worth."""

    key_id: str | None = None
    by_bench: bool = False
    """Made with a key of this bench, or of one that is trusted here, that is not revoked."""
    problem_en: str | None = None
    """Why the record cannot be relied on; None: it is whole."""
    problem_zh: str = ""


def signature_reasons(signature: Signature | None) -> list[Reason]:
    """A record without a valid signature proves nothing; a foreign file has none to have (None)."""
    if signature is None or signature.problem_en is None:
        return []
    return [Reason(signature.problem_en, signature.problem_zh)]


def may_enter(purpose: str, provenance: str) -> bool:
    """Whether a run may enter a ledger of this purpose: one marked test takes all, a real one what was measured."""
    return purpose == "test" or provenance == Provenance.MEASURED


def may_release(provenance: str, verdict: str, *, capacity: bool, signature: Signature | None) -> bool:
    """The release gate: only a PASS of a measured run, signed by a bench, that determined the capacity may release.

    A profile without a `result:` may pass by its own word; whoever releases a pack must know what it holds.
    """
    signed = signature is not None and signature.by_bench and signature.problem_en is None
    return provenance == Provenance.MEASURED and verdict == "PASS" and capacity and signed


def decide(
    *, stopped: bool, reasons: Sequence[Reason], soh: float | None, min_soh: float | None, failed: bool = False
) -> Verdict:
    """The verdict, worst news first.

    ABORTED: a trip, an operator or a time limit ended the run before its profile did.
    INVALID: it ran to its end, and something about it does not count (validity.py).
    FAIL: valid, and the profile ended with its own verdict "fail" (`failed`), or the health is below
    its `min_soh`; PASS otherwise.
    """
    if stopped:
        return "ABORTED"
    if reasons:
        return "INVALID"
    if failed:
        return "FAIL"
    if min_soh is not None and (soh is None or soh < min_soh):
        return "FAIL"
    return "PASS"


def stop_reasons(trips: Sequence[Trip], end_reason: str) -> list[Reason]:
    """Why a run that did not reach its profile's end does not count."""
    if not trips:
        return [Reason(f"the run stopped before its end: {end_reason}", f"试验未完成即停止：{in_chinese(end_reason)}")]
    return [Reason(f"stopped by safety: {trip.text_en}", f"安全停止：{trip.text_zh}") for trip in trips]


def certificate_reasons(instruments: Sequence[Instrument], ended_at: str) -> list[Reason]:
    """Instruments whose certificate was overdue on the day the run ended (that day itself still counts)."""
    if not instruments:
        return [Reason("the bench states no instruments", "台架文件未给出测量仪器")]
    ended = _day(ended_at)
    return [
        Reason(
            f"certificate {each.certificate} of {each.name} ({each.serial}) was due on {each.due_on}",
            f"{each.name}（{each.serial}）的校准证书 {each.certificate} 已于 {each.due_on} 到期",
        )
        for each in instruments
        if date.fromisoformat(each.due_on) < ended
    ]


def temperature_reasons(
    low_c: float, high_c: float, allowed_min_c: float | None, allowed_max_c: float | None, cycle: int
) -> list[Reason]:
    """A counted discharge outside the allowed cell temperatures; a temperature never read is outside."""
    reasons: list[Reason] = []
    if allowed_min_c is not None and not low_c >= allowed_min_c:
        reasons.append(
            Reason(
                f"discharge of cycle {cycle}: coldest cell {low_c:.1f} degC, at least {allowed_min_c:g} degC needed",
                f"第 {cycle} 次循环放电：电芯最低温度 {low_c:.1f} ℃，要求不低于 {allowed_min_c:g} ℃",
            )
        )
    if allowed_max_c is not None and not high_c <= allowed_max_c:
        reasons.append(
            Reason(
                f"discharge of cycle {cycle}: hottest cell {high_c:.1f} degC, at most {allowed_max_c:g} degC allowed",
                f"第 {cycle} 次循环放电：电芯最高温度 {high_c:.1f} ℃，要求不高于 {allowed_max_c:g} ℃",
            )
        )
    return reasons


def record_reasons(gaps: Sequence[Gap]) -> list[Reason]:
    """Gaps anywhere in a run whose every step may have been read."""
    return [
        Reason(
            f"no data for {(gap.ended_ns - gap.started_ns) / 1e9:.1f} s ({gap.reason})",
            f"数据缺失 {(gap.ended_ns - gap.started_ns) / 1e9:.1f} s（{in_chinese(gap.reason)}）",
        )
        for gap in gaps
    ]


def _day(instant: str) -> date:
    """The calendar day of an RFC 3339 instant, as written (its own offset)."""
    return datetime.fromisoformat(instant).date()
