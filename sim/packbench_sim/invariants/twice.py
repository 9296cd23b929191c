"""I10 and I11: two runs of one seed, compared.

Owns the comparisons. Must not run anything: whoever has two runs hands over their files, or what was commanded in them.

I10. Two runs that differ by the wall clock alone (it jumped in one): the traces of commands to cycler and board are
    equal to the nanosecond, and so are all records once what a wall clock says is taken out of them (the time of the
    start, and every text in an event that reads as a date and time). No tolerance.
I11. Two runs of one seed: every stored byte is the same. No tolerance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from packbench_sim.invariants.record_file import Open, open_plain, read_run
from packbench_sim.invariants.violation import Violation

Told = tuple[int, str, tuple[Any, ...]]
"""(instant, to whom, what): one command."""

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*")
_TABLES = (
    ("run", "SELECT * FROM run"),
    ("events", "SELECT * FROM events ORDER BY seq"),
    ("samples", "SELECT * FROM samples ORDER BY seq"),
)


def same_control(
    one: Sequence[Told], other: Sequence[Told], files: tuple[Path, Path] | None = None, opening: Open = open_plain
) -> Violation | None:
    """I10: the first difference in what was commanded, or in what was recorded besides the wall clock's times."""
    for index, (first, second) in enumerate(zip_longest(one, other)):
        if first != second:
            t_ns = min(told[0] for told in (first, second) if told is not None)
            data = {"command": index + 1, "one": repr(first), "other": repr(second)}
            return Violation("I10", t_ns, f"command {index + 1} differs after a jump of the wall clock", data)
    return None if files is None else _same_records(*files, opening)


def _same_records(one: Path, other: Path, opening: Open) -> Violation | None:
    runs = [read_run(path, opening) for path in (one, other)]
    for first, second in zip_longest(*(_timeless(run.events) for run in runs)):
        if first != second:
            return Violation(
                "I10", 0, "an event differs after a jump of the wall clock", {"one": first, "other": second}
            )
    marks = [[mark for mark in run.marks.values() if mark[0] != "event"] for run in runs]
    if marks[0] != marks[1]:
        return Violation("I10", 0, "the samples differ after a jump of the wall clock")
    return None


def _timeless(events: Sequence[tuple[int, int, str, dict[str, Any]]]) -> list[str]:
    """Events as texts without dates. The jump itself may be logged: that line is the wall clock's own."""
    return [
        _DATE.sub("*", json.dumps([t_ns, kind, data], sort_keys=True, ensure_ascii=False))
        for _, t_ns, kind, data in events
        if not kind.startswith(("clock_", "wall_clock"))
    ]


def same_bytes(one: Path, other: Path, opening: Open = open_plain) -> Violation | None:
    """I11: the first difference between two run files of one seed."""
    databases = [opening(path) for path in (one, other)]
    try:
        for name, sql in _TABLES:
            tables = (list(map(tuple, db.execute(sql))) for db in databases)
            for number, (first, second) in enumerate(zip_longest(*tables), start=1):
                if first != second:
                    data = {"table": name, "row": number}
                    return Violation("I11", 0, f"row {number} of {name} differs between two runs of one seed", data)
    finally:
        for db in databases:
            db.close()
    return None
