"""What was handed to the recorder, and how much of it the recorder said to be durable.

Owns a copy of every record's mark by its number, over all lives of a run. Must not write anything. It stands between
the run and its recorder (`Journal` on both sides), where a record has left the engine and is not yet the store's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol
from zlib import crc32

from packbench.core.records import Event, Gap, Row, StepRecord, Trip
from packbench.run.actor import Journal

Mark = tuple[Any, ...]
"""What a record is told from another by."""


class Acknowledging(Journal, Protocol):
    """The recorder, as far as it is needed here."""

    @property
    def durable_seq(self) -> int:
        """Every record up to this number is durable."""
        ...


class Kept:
    """The marks of one run's records, over all its lives."""

    def __init__(self) -> None:
        self.marks: dict[int, Mark] = {}
        self.acknowledged = 0
        """The highest number that was said to be durable."""
        self.origins: list[tuple[int, int]] = []
        """(the run's time from which it holds, the world's instant of the run's t_ns = 0), one for each life."""

    def instant_ns(self, t_ns: int) -> int | None:
        """The world's instant of a time of the run; None: nothing has told."""
        found = [origin_ns for from_ns, origin_ns in self.origins if from_ns <= t_ns] or [
            one[1] for one in self.origins[:1]
        ]
        return found[-1] + t_ns if found else None


def row_mark(t_ns: int, step: int, current_a: float | None, step_ah: float | None, cells: bytes) -> Mark:
    """Of a sample."""
    return "row", t_ns, step, _number(current_a), _number(step_ah), crc32(cells)


def event_mark(t_ns: int, kind: str, data: str) -> Mark:
    """Of an event, from its canonical text."""
    return "event", t_ns, kind, crc32(data.encode())


def step_mark(number: int, ended_ns: int, charge_ah: float) -> Mark:
    """Of an ended step, whatever the shape in which it is stored."""
    return "step", number, ended_ns, charge_ah


def trip_mark(rule: str, t_ns: int) -> Mark:
    """Of a trip."""
    return "trip", rule, t_ns


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else value + 0.0  # noqa: PLR0124 - not a number


class TappedJournal:
    """Implements run.actor.Journal; passes everything on.

    Args:
        journal: the run's recorder.
        kept: what is known of this run so far.
        now_ns: the world's clock.
        on_row: told (now, world's instant of t_ns = 0, row) of every row whose origin is known.
    """

    def __init__(
        self, journal: Acknowledging, kept: Kept, now_ns: Callable[[], int], on_row: Callable[[int, int, Row], None]
    ) -> None:
        self._journal = journal
        self._kept = kept
        self._now_ns = now_ns
        self._on_row = on_row
        self.origin_ns: int | None = None
        """The world's instant of the run's t_ns = 0; None: no record has told yet."""
        self.unplaced = 0
        """Rows that came before it was known."""
        self.on_event: Callable[[int, str], None] | None = None
        """Told (now, kind) of every event that is handed over."""
        self._intent = 0
        """The number of the newest record that says what current is meant."""

    def put_row(self, row: Row, /) -> int:
        cells = row.cell_voltages_v.astype("<f8", copy=False).tobytes()
        seq = self._journal.put_row(row)
        self._put(seq, row_mark(row.t_ns, row.step, row.current_a, row.step_ah, cells))
        if self.origin_ns is None:
            self.unplaced += 1
        else:
            self._on_row(self._now_ns(), self.origin_ns, row)
        return seq

    def put_event(self, event: Event, /) -> int:
        # Every event that the actor logs carries the present instant; before the profile begins it is 0.
        # ("stopped" alone carries the trip's.)
        if self.origin_ns is None and (event.t_ns > 0 or event.kind == "step_began") and event.kind != "stopped":
            self.origin_ns = self._now_ns() - event.t_ns
            self._kept.origins.append((event.t_ns, self.origin_ns))
        text = json.dumps(event.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        seq = self._journal.put_event(event)
        self._put(seq, event_mark(event.t_ns, event.kind, text))
        if event.kind == "set_output":
            self._intent = seq
        if self.on_event is not None:
            self.on_event(self._now_ns(), event.kind)
        return seq

    def intended(self) -> bool:
        """Whether the newest record of a current that is meant is on disk; a run that has none yet means none."""
        return self._intent <= self._journal.durable_seq

    def put_trip(self, trip: Trip, /) -> int:
        seq = self._journal.put_trip(trip)
        self._put(seq, trip_mark(trip.rule, trip.t_ns))
        return seq

    def put_step(self, record: StepRecord, /) -> int:
        seq = self._journal.put_step(record)
        self._put(seq, step_mark(record.number, record.ended_ns, record.charge_ah))
        return seq

    def put_gap(self, gap: Gap, /) -> int:
        seq = self._journal.put_gap(gap)
        self._put(seq, ("gap", gap.started_ns, gap.ended_ns))
        return seq

    async def flush(self) -> int:
        seq = await self._journal.flush()
        self.look()
        return seq

    def look(self) -> None:
        """Note what is acknowledged by now."""
        self._kept.acknowledged = max(self._kept.acknowledged, self._journal.durable_seq)

    def __getattr__(self, name: str) -> Any:
        """Whatever else a run asks of its recorder."""
        return getattr(self._journal, name)

    def _put(self, seq: int, mark: Mark) -> None:
        kept = self._kept
        if seq > kept.acknowledged or seq not in kept.marks:
            # A number that was acknowledged stays with its record, whoever uses it again.
            kept.marks[seq] = mark
        kept.acknowledged = max(kept.acknowledged, self._journal.durable_seq)
