"""What an operator did to a running test, and what that does to its result.

Owns the reading of those events and the rule. A pause within a counted discharge leaves the result valid as long as it
is no longer than a gap may be (`gaps.GAP_MAX_NS`, for the same reason: a pack that rests recovers); its charge was
counted throughout, so nothing is added to U. A discharge that an operator left by a jump is no capacity. An edit keeps
nothing from counting: what had been executed could not change, and what came after was measured under the profile that
the report shows. All of it is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from packbench.analysis.gaps import GAP_MAX_NS
from packbench.analysis.verdict import Reason
from packbench.core.records import StepRecord
from packbench.core.result import Note
from packbench.engine.advance import OPERATOR_JUMP
from packbench.store.edits import EDITED, WITHDRAWN

PAUSED, CONTINUED, JUMPED, ABORTED = "paused", "continued", "jumped", "aborted"
"""Kinds of events, as run/controls.py writes them."""
NOTES_MAX = 20
"""A result tells so many one by one; the record tells all."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """One of them."""

    kind: Literal["paused", "jumped", "edited", "aborted"]
    t_ns: int
    """From the start of the run."""
    ended_ns: int
    """Of a pause: when it went on, or the run's last event. Of all others `t_ns`."""
    operator: str
    why: str
    step: str
    """The label of the step that ran."""


_KINDS: Mapping[str, Literal["paused", "jumped", "edited", "aborted"]] = {
    PAUSED: "paused",
    JUMPED: "jumped",
    EDITED: "edited",
    ABORTED: "aborted",
}
_REQUESTS = {"continue": CONTINUED, "jump": JUMPED, "edit": EDITED}
"""What may be withdrawn: recorded before it was to be done."""

Told = tuple[int, str, Mapping[str, Any]]


def interventions_of(events: Iterable[Told]) -> tuple[Intervention, ...]:
    """From (t_ns, kind, data) of a run's events in order."""
    found: list[Intervention] = []
    paused: int | None = None
    last_ns = 0
    for t_ns, kind, data in _done(events):
        last_ns = max(last_ns, t_ns)
        if kind in (CONTINUED, JUMPED, "finished") and paused is not None:
            found[paused] = replace(found[paused], ended_ns=t_ns)
            paused = None
        if kind in _KINDS:
            step = str(dict(data.get("at") or {}).get("step", ""))
            found.append(Intervention(_KINDS[kind], t_ns, t_ns, str(data["operator"]), str(data["why"]), step))
            if kind == PAUSED:
                paused = len(found) - 1
    if paused is not None:
        found[paused] = replace(found[paused], ended_ns=last_ns)
    return tuple(found)


def _done(events: Iterable[Told]) -> list[Told]:
    """The events without the requests that were withdrawn."""
    kept: list[Told] = []
    for event in events:
        if event[1] != WITHDRAWN:
            kept.append(event)
            continue
        wanted = _REQUESTS.get(str(event[2]["request"]))
        at = max((place for place, one in enumerate(kept) if one[1] == wanted), default=None)
        if at is not None:
            del kept[at]
    return kept


def intervention_reasons(interventions: Sequence[Intervention], record: StepRecord) -> list[Reason]:
    """Why a counted discharge in which these happened does not count."""
    reasons = [
        Reason(
            f"discharge of cycle {record.cycle}: paused for {(one.ended_ns - one.t_ns) / 1e9:.0f} s by {one.operator}",
            f"第 {record.cycle} 次循环放电：被 {one.operator} 暂停 {(one.ended_ns - one.t_ns) / 1e9:.0f} s",
        )
        for one in interventions
        if one.kind == "paused"
        and one.ended_ns > record.started_ns
        and one.t_ns < record.ended_ns
        and one.ended_ns - one.t_ns > GAP_MAX_NS
    ]
    if record.end_reason == OPERATOR_JUMP:
        reasons.append(
            Reason(
                f"discharge of cycle {record.cycle}: an operator went on to another step before its end",
                f"第 {record.cycle} 次循环放电：操作员在其结束前跳转到其他工步",
            )
        )
    return reasons


def intervention_notes(interventions: Sequence[Intervention]) -> list[Note]:
    """What a reader must know of them."""
    notes = [_note(one) for one in interventions[:NOTES_MAX]]
    more = len(interventions) - NOTES_MAX
    if more > 0:
        notes.append(
            Note("interventions", f"{more} more by operators: see the record.", f"另有 {more} 次人工干预，见记录。")
        )
    return notes


def _note(one: Intervention) -> Note:
    at, lasted = f"{one.t_ns / 1e9:.0f} s", f"{(one.ended_ns - one.t_ns) / 1e9:.0f} s"
    why, why_zh = (f" ({one.why})", f"（{one.why}）") if one.why else ("", "")
    match one.kind:
        case "paused":
            en = f"{one.operator} paused step {one.step} at {at} for {lasted}{why}."
            zh = f"{one.operator} 在 {at} 暂停工步 {one.step}，持续 {lasted}{why_zh}。"
        case "jumped":
            en = f"{one.operator} left step {one.step} at {at} by a jump{why}."
            zh = f"{one.operator} 在 {at} 由工步 {one.step} 跳转{why_zh}。"
        case "edited":
            en = f"{one.operator} edited the profile at {at}, in step {one.step}{why}."
            zh = f"{one.operator} 在 {at}（工步 {one.step}）修改了试验方案{why_zh}。"
        case "aborted":
            en = f"{one.operator} aborted the test at {at}{why}."
            zh = f"{one.operator} 在 {at} 中止了试验{why_zh}。"
    return Note(one.kind, en, zh)
