"""A run file read without the store: plain SQL, and the hash chain worked out anew.

Owns a second reader of the tables (docs: store/schema.py, store/chain.py). Must not import `packbench.store`: it is
what the store is held against.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from packbench_sim.invariants.journal import Mark, event_mark, row_mark, step_mark, trip_mark

_EVENT = struct.Struct("<cqqH")
_ROW = struct.Struct("<cqqiidddddqddHH")
_ROW_COLUMNS = (
    "seq, t_ns, step, cycle, voltage_v, cycler_voltage_v, current_a, step_ah, step_wh, bms_t_ns, bms_current_a, soc,"
    " cell_voltages, temperatures, hash"
)


class Sql(Protocol):
    """An open database: `sqlite3.Connection`, or `apsw.Connection` on a file system of its own."""

    def execute(self, sql: str, /) -> Iterable[tuple[Any, ...]]:
        """The rows of a query."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


Open = Callable[[Path], Sql]


def open_plain(path: Path) -> Sql:
    """The file as it stands on this machine's disk, read only."""
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


@dataclass(slots=True)
class StoredRun:
    """Everything in a run file."""

    meta: dict[str, Any]
    """The columns of the one row of `run`."""
    seqs: list[int]
    marks: dict[int, Mark]
    events: list[tuple[int, int, str, dict[str, Any]]]
    """(seq, t_ns, kind, data)."""
    rows: dict[str, NDArray[np.float64]] = field(default_factory=dict[str, NDArray[np.float64]])
    """Columns t_ns, step, cycle, voltage_v, current_a, step_ah, step_wh; NaN: no number."""
    broken: int | None = None
    """The first record whose hash is not what it must be; None: the chain holds."""
    head: str = ""
    """The last hash of the chain, as worked out here."""

    @property
    def sealed(self) -> bool:
        """The run says that it is complete, and is as long as it says."""
        return self.meta["log_sha256"] is not None and self.meta["records"] == len(self.seqs)

    def data_of(self, kind: str) -> list[dict[str, Any]]:
        """The data of all events of a kind, in order."""
        return [data for _, _, found, data in self.events if found == kind]


def read_run(path: Path, opening: Open = open_plain) -> StoredRun:
    """Read a run file to its end. Raises what the database raises for a file that is none."""
    with closing(opening(path)) as db:
        names = [str(row[1]) for row in db.execute("PRAGMA table_info(run)")]
        (values,) = list(db.execute("SELECT * FROM run"))
        run = StoredRun(dict(zip(names, values, strict=True)), [], {}, [])
        _records(db, run)
    return run


def _records(db: Sql, run: StoredRun) -> None:
    head = hashlib.sha256(_genesis(run.meta)).digest()
    columns: list[tuple[float, ...]] = []
    for seq, stored, covered, row in _merged(db, run):
        head = hashlib.sha256(head + covered).digest()
        if head != stored and run.broken is None:
            run.broken = seq
        run.seqs.append(seq)
        if row is not None:
            columns.append(row)
    run.head = head.hex()
    table = np.array(columns, dtype=np.float64).reshape(len(columns), 7)
    for index, name in enumerate(("t_ns", "step", "cycle", "voltage_v", "current_a", "step_ah", "step_wh")):
        run.rows[name] = table[:, index]


def _merged(db: Sql, run: StoredRun) -> Iterator[tuple[int, bytes, bytes, tuple[float, ...] | None]]:
    """(seq, stored hash, bytes that the hash covers, row's numbers) of all records in order of their numbers."""
    events = {row[0]: row for row in db.execute("SELECT seq, t_ns, kind, data, hash FROM events")}
    rows = {row[0]: row for row in db.execute(f"SELECT {_ROW_COLUMNS} FROM samples")}
    for seq in sorted([*events, *rows]):
        if seq in events:
            _, t_ns, kind, text, stored = events[seq]
            name, body, data = kind.encode(), text.encode(), json.loads(text)
            run.events.append((seq, t_ns, kind, data))
            run.marks[seq] = _event_mark(t_ns, kind, text, data)
            yield seq, stored, _EVENT.pack(b"e", seq, t_ns, len(name)) + name + body, None
        if seq in rows:
            yield _row(run, rows[seq])


def _event_mark(t_ns: int, kind: str, text: str, data: dict[str, Any]) -> Mark:
    if kind == "step_ended":
        return step_mark(data["number"], data["ended_ns"], data["charge_ah"])
    if kind == "trip":
        return trip_mark(data["rule"], t_ns)
    if kind == "gap":
        return "gap", data["started_ns"], data["ended_ns"]
    return event_mark(t_ns, kind, text)


def _row(run: StoredRun, row: tuple[Any, ...]) -> tuple[int, bytes, bytes, tuple[float, ...]]:
    seq, t_ns, step, cycle, volt, cycler, amp, ah, wh, bms_t_ns, bms_amp, soc, cells, temperatures, stored = row
    run.marks[seq] = row_mark(t_ns, step, amp, ah, cells)
    numbers = [math.nan if value is None else value for value in (volt, cycler, amp, ah, wh)]
    rest = [math.nan if value is None else value for value in (bms_amp, soc)]
    head = _ROW.pack(b"s", seq, t_ns, step, cycle, *numbers, bms_t_ns, *rest, len(cells) >> 3, len(temperatures) >> 3)
    return seq, stored, head + cells + temperatures, (t_ns, step, cycle, numbers[0], *numbers[2:])


def _genesis(meta: dict[str, Any]) -> bytes:
    def text_of(name: str) -> dict[str, str]:
        digest = hashlib.sha256(str(meta[f"{name}_text"]).encode()).hexdigest()
        return {"name": meta[f"{name}_name"], "sha256": digest}

    plain = ("run_id", "provenance", "serial", "software_version", "started_at", "origin_ns", "seed", "operator")
    said = {name: meta[name] for name in plain}
    said |= {name: text_of(name) for name in ("profile", "pack", "bench")} | {"extra": json.loads(meta["extra"])}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
