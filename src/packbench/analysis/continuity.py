"""Whether a record goes on without a hole: rows in order of time, steps without one missing, gaps told.

Owns the judgement alone, on plain values; files are the store's. What is not there is never filled in: a stretch
without rows that is longer than the rules of recording explain must stand in the record as a gap.

How far apart two rows of a running step may be: the step's `dt` (a reading that comes that long after the last row is
one), and until that reading comes, the source's stale-after (a longer silence is a trip, so ends the step) and one
period of polling. The same holds from the step's start to its first row, and from its last row to its end. Time inside
a recorded gap does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from packbench.analysis.table import IntArray
from packbench.core.records import Gap, StepRecord

NS: Final = 1e9
FINDINGS_MAX: Final = 20
"""Of one kind: a record that was shuffled is not told row by row."""

DtNs = Callable[[int], int | None]
"""Index of a plan's step, from 1, to the most that two of its rows may be apart by the recording rule; None: not
known."""


class Finding(NamedTuple):
    """Something that does not hold, and where."""

    check: str
    """A stable key."""
    where: str
    what: str


class Began(NamedTuple):
    """A step's beginning in the log."""

    seq: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class RowTimes:
    """What is looked at of the rows, each shape (n,), in the order of the record."""

    seq: IntArray
    t_ns: IntArray
    step: IntArray


@dataclass(frozen=True, slots=True)
class Pace:
    """How often there are readings, besides the step's own rule."""

    poll_ns: int
    stale_after_ns: int


@dataclass(frozen=True, slots=True)
class StepSpacing:
    """How far apart the rows of one executed step are."""

    number: int
    step: int
    rows: int
    longest_ns: int
    """Between two rows or a row and an end of the step, without gaps; 0: it lasted no time."""
    allowed_ns: int | None
    """None: the step's rule is not known."""


@dataclass(frozen=True, slots=True)
class Continuity:
    """What was found."""

    spacing: tuple[StepSpacing, ...]
    findings: tuple[Finding, ...]


def check_continuity(
    rows: RowTimes,
    began: Sequence[Began],
    steps: Sequence[StepRecord],
    gaps: Sequence[Gap],
    dt_ns: DtNs,
    pace: Pace,
) -> Continuity:
    """Judge a run's rows and steps; `steps` in the order in which they ended, `began` in the order of the log."""
    findings = [*_rising(rows), *_numbered(began, steps), *_following(steps), *_gap_findings(gaps)]
    spacing: list[StepSpacing] = []
    for record in steps:
        at = of_step(rows, record)
        marks_ns = np.concatenate(([record.started_ns], rows.t_ns[at], [record.ended_ns]))
        found, told = _spaced(record.number, record.step, marks_ns, int(at.sum()), gaps, dt_ns(record.step), pace)
        spacing.append(found)
        findings += told
    findings += _running(rows, began, steps, gaps, dt_ns, pace)
    findings += _strays(rows, began, steps)
    return Continuity(tuple(spacing), tuple(findings))


def of_step(rows: RowTimes, record: StepRecord) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """shape (n,): the rows of one executed step. The reading that ends a step is its own, not the next one's."""
    after = rows.t_ns > record.started_ns if record.number > 1 else rows.t_ns >= record.started_ns
    return (rows.step == record.step) & after & (rows.t_ns <= record.ended_ns)


def unseen_ns(gaps: Sequence[Gap], from_ns: int, to_ns: int) -> int:
    """How much of a stretch lies in gaps (which do not overlap)."""
    return sum(max(0, min(to_ns, gap.ended_ns) - max(from_ns, gap.started_ns)) for gap in gaps)


def _rising(rows: RowTimes) -> list[Finding]:
    """Each row is later than the one before it, in the order in which they were recorded."""
    at = np.flatnonzero(np.diff(rows.t_ns) <= 0)[:FINDINGS_MAX] + 1
    return [
        Finding(
            "row_times",
            f"record {rows.seq[index]}",
            f"a row at {_s(int(rows.t_ns[index]))} comes after one at {_s(int(rows.t_ns[index - 1]))}",
        )
        for index in at
    ]


def _numbered(began: Sequence[Began], steps: Sequence[StepRecord]) -> list[Finding]:
    """Steps begin and end as 1, 2, 3 ...; only the last may have no end. A resumed step may begin again."""
    findings: list[Finding] = []
    for due, record in enumerate(steps, start=1):
        if record.number != due:
            findings.append(
                Finding("step_numbers", f"step {record.number} ({record.label})", f"ended where step {due} was due")
            )
            break
    newest = 0
    for one in began:
        if one.number not in (newest, newest + 1) or one.number == 0:
            what = f"step {one.number} began where step {newest + 1} was due"
            findings.append(Finding("step_numbers", f"record {one.seq}", what))
            break
        newest = one.number
    ended = {record.number for record in steps}
    numbers = {one.number for one in began}
    last = max(numbers, default=0)
    findings += [
        Finding("step_ends", f"step {number}", "began, and never ended, though a later one began")
        for number in sorted(numbers - ended - {last})[:FINDINGS_MAX]
    ]
    findings += [
        Finding("step_ends", f"step {number}", "ended, and never began")
        for number in sorted(ended - numbers)[:FINDINGS_MAX]
    ]
    return findings


def _following(steps: Sequence[StepRecord]) -> list[Finding]:
    """No step begins before the one before it ended, or ends before it began."""
    findings: list[Finding] = []
    before_ns = 0
    for record in steps:
        where = f"step {record.number} ({record.label})"
        if record.started_ns < before_ns:
            what = f"began at {_s(record.started_ns)}, before the step before it ended at {_s(before_ns)}"
            findings.append(Finding("step_times", where, what))
        if record.ended_ns < record.started_ns:
            what = f"ended at {_s(record.ended_ns)}, before it began at {_s(record.started_ns)}"
            findings.append(Finding("step_times", where, what))
        before_ns = record.ended_ns
    return findings[:FINDINGS_MAX]


def _gap_findings(gaps: Sequence[Gap]) -> list[Finding]:
    """Gaps end after they began, and after the one before."""
    findings: list[Finding] = []
    before_ns = 0
    for number, gap in enumerate(gaps, start=1):
        if gap.ended_ns < gap.started_ns or gap.started_ns < before_ns:
            what = f"from {_s(gap.started_ns)} to {_s(gap.ended_ns)} is not behind what went before it"
            findings.append(Finding("gaps", f"gap {number}", what))
        before_ns = gap.ended_ns
    return findings


def _running(
    rows: RowTimes,
    began: Sequence[Began],
    steps: Sequence[StepRecord],
    gaps: Sequence[Gap],
    dt_ns: DtNs,
    pace: Pace,
) -> list[Finding]:
    """The step that has no end yet: its rows as far as they go."""
    over_ns = steps[-1].ended_ns if steps else -1
    newest = max((one.number for one in began), default=0)
    at = rows.t_ns > over_ns
    if newest <= len(steps) or not at.any():
        return []
    step = int(rows.step[at][-1])
    marks_ns = np.concatenate(([max(over_ns, 0)], rows.t_ns[at & (rows.step == step)]))
    return _spaced(newest, step, marks_ns, int(at.sum()), gaps, dt_ns(step), pace)[1]


def _spaced(
    number: int, step: int, marks_ns: IntArray, rows: int, gaps: Sequence[Gap], dt_ns: int | None, pace: Pace
) -> tuple[StepSpacing, list[Finding]]:
    apart_ns = np.diff(marks_ns)
    for gap in gaps:
        hidden_ns = np.minimum(marks_ns[1:], gap.ended_ns) - np.maximum(marks_ns[:-1], gap.started_ns)
        apart_ns = apart_ns - np.maximum(hidden_ns, 0)
    longest_ns = int(apart_ns.max(initial=0))
    allowed_ns = None if dt_ns is None else dt_ns + pace.stale_after_ns + pace.poll_ns
    spacing = StepSpacing(number, step, rows, longest_ns, allowed_ns)
    if allowed_ns is None or longest_ns <= allowed_ns:
        return spacing, []
    at = np.flatnonzero(apart_ns > allowed_ns)
    first = int(at[0])
    what = (
        f"nothing was recorded from {_s(marks_ns[first])} to {_s(marks_ns[first + 1])} "
        f"({_s(apart_ns[first])}, {_s(allowed_ns)} are explained by the recording rule), and no gap says so"
    )
    more = f"; {len(at) - 1} more such stretches" if len(at) > 1 else ""
    return spacing, [Finding("row_spacing", f"step {number}", what + more)]


def _strays(rows: RowTimes, began: Sequence[Began], steps: Sequence[StepRecord]) -> list[Finding]:
    """Rows of an executed stretch that are marked as another step's."""
    mine = np.zeros(rows.t_ns.size, dtype=bool)
    for record in steps:
        mine |= of_step(rows, record)
    # What comes after the last ended step is the running one's, or the last readings before the bench is at rest.
    mine |= rows.t_ns > (steps[-1].ended_ns if steps else -1)
    at = np.flatnonzero(~mine)
    if not at.size or not began:
        return []
    first = int(at[0])
    what = (
        f"a row at {_s(rows.t_ns[first])} is marked as of step {rows.step[first]} of the plan, which did not run then"
    )
    more = f"; {at.size - 1} more such rows" if at.size > 1 else ""
    return [Finding("row_steps", f"record {rows.seq[first]}", what + more)]


def _s(t_ns: float) -> str:
    return f"{t_ns / NS:.3f} s"
