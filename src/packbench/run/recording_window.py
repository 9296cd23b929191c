"""Rows that wait: recorded, or recorded only if the set-point changes soon after them.

Owns the rows of the last few seconds, in order of time. A profile may want finer recording before an edge that nobody
has foreseen when the reading came; so readings are kept until they are older than the longest such window, and go on to
the record then, in order, those that are wanted. A plan without such windows keeps nothing: a row passes through.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from packbench.core.records import Row
from packbench.engine.recording import slack_ns
from packbench.profile.plan import Around, Plan

ROWS_MAX = 10_000
"""Of any window: older rows are let go early. At ten readings a second it is a quarter of an hour."""


@dataclass(slots=True)
class _Waiting:
    row: Row
    wanted: bool


class RecordingWindow:
    """Takes every reading as a row; gives those that are to be recorded, in order of time."""

    def __init__(self, plan: Plan) -> None:
        self._longest_ns = 0
        self._rows: deque[_Waiting] = deque()
        self.widen(plan)

    def widen(self, plan: Plan) -> None:
        """Keep rows for as long as this plan may want them, and no shorter than before."""
        rules = (step.record.around for step in plan.steps)
        longest_ns = max((around.before_ns for around in rules if around is not None), default=0)
        self._longest_ns = max(longest_ns, self._longest_ns)

    @property
    def keeps(self) -> bool:
        """Whether rows that are not wanted now may be wanted later."""
        return self._longest_ns > 0

    def add(self, row: Row, *, wanted: bool) -> list[Row]:
        """A reading; what may go on to the record by now."""
        if not self.keeps:
            return [row] if wanted else []
        self._rows.append(_Waiting(row, wanted))
        return self._gone(row.t_ns - self._longest_ns)

    def edge(self, t_ns: int, around: Around) -> None:
        """The set-point changes: the readings just before it are wanted, as far apart as the rule says."""
        last_ns: int | None = None
        for waiting in self._rows:
            row_ns = waiting.row.t_ns
            if t_ns - around.before_ns <= row_ns <= t_ns and not waiting.wanted:
                waiting.wanted = last_ns is None or row_ns - last_ns >= around.dt_ns - slack_ns(around.dt_ns)
            if waiting.wanted:
                last_ns = row_ns

    def flush(self) -> list[Row]:
        """The end, or a stop: everything that is wanted."""
        return self._gone(None)

    def _gone(self, before_ns: int | None) -> list[Row]:
        gone: list[Row] = []
        rows = self._rows
        while rows and (before_ns is None or rows[0].row.t_ns < before_ns or len(rows) > ROWS_MAX):
            waiting = rows.popleft()
            if waiting.wanted:
                gone.append(waiting.row)
        return gone
