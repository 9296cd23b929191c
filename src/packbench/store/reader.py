"""Reading a run file, while it is written or long after.

Owns the way from tables back to records and columns, and the verification of the chain. Must not
write, and never checkpoints. Reading one's own file needs no trust in it: `verify` recomputes
every hash from what is stored.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

import apsw
import numpy as np
from numpy.typing import NDArray

from packbench.core.errors import VerificationFailed
from packbench.core.records import Gap, StepRecord, Trip
from packbench.core.samples import FloatArray, Provenance
from packbench.store.chain import EncodedEvent, RowFields, event_bytes, genesis, link, row_bytes
from packbench.store.codec import GAP, STEP_ENDED, TRIP, gap_from, step_from, trip_from
from packbench.store.database import Database, open_reader, unreadable
from packbench.store.meta import RunMeta, Source
from packbench.store.schema import require_run_file

IntArray = NDArray[np.int64]

_NUMBER_COLUMNS: Final = (
    "seq",
    "t_ns",
    "step",
    "cycle",
    "voltage_v",
    "cycler_voltage_v",
    "current_a",
    "step_ah",
    "step_wh",
    "bms_t_ns",
    "bms_current_a",
    "soc",
)
_INT_COLUMNS: Final = frozenset({"seq", "t_ns", "step", "cycle", "bms_t_ns"})
_ROW_COLUMNS: Final = ", ".join(_NUMBER_COLUMNS) + ", cell_voltages, temperatures"


@dataclass(frozen=True, slots=True, eq=False)
class SampleTable:
    """All rows as columns of equal length n. NaN: no number. SI units; positive charges."""

    seq: IntArray
    t_ns: IntArray
    """From the start of the run."""
    step: IntArray
    """Index into the plan's steps, from 1."""
    cycle: IntArray
    voltage_v: FloatArray
    """At the pack's terminals."""
    cycler_voltage_v: FloatArray
    current_a: FloatArray
    step_ah: FloatArray
    step_wh: FloatArray
    bms_t_ns: IntArray
    """-1: the BMS had not answered yet."""
    bms_current_a: FloatArray
    soc: FloatArray
    cell_voltages_v: FloatArray
    """shape (n, series cells); a row without cells is all NaN."""
    temperatures_c: FloatArray
    """shape (n, sensors)."""

    def __len__(self) -> int:
        return len(self.seq)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The one-dimensional columns by name."""
        return {name: getattr(self, name) for name in _NUMBER_COLUMNS}


class LoggedEvent(NamedTuple):
    """An event as it stands in the log."""

    seq: int
    t_ns: int
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a successful verification covered."""

    records: int
    rows: int
    events: int
    log_sha256: str
    sealed: bool
    """False: the run did not end properly; records after the last one may be missing."""


class RunReader:
    """One run file, read only. Use it as a context manager, or `close` it."""

    def __init__(self, db: Database, path: Path) -> None:
        self._db = db
        self._path = path
        self._meta, self._sealed = read_meta(db)

    @classmethod
    def open(cls, path: Path, *, vfs: str | None = None) -> RunReader:
        """Open a run file.

        Raises InputError when it is none or of an unknown version, VerificationFailed when it is damaged.
        `vfs` names a SQLite file layer to read through; None is the system's own.
        """
        db = open_reader(path, vfs=vfs)
        with ExitStack() as undo:
            undo.callback(db.close)
            try:
                require_run_file(db, str(path))
                reader = cls(db, path)
            except (apsw.Error, ValueError, LookupError) as error:
                raise unreadable(path, error) from error
            undo.pop_all()
        return reader

    def __enter__(self) -> RunReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._db.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def meta(self) -> RunMeta:
        """What the run said about itself when it started."""
        return self._meta

    @property
    def sealed(self) -> bool:
        """Whether the run ended properly (as far as was known when the file was opened)."""
        return self._sealed is not None

    @property
    def log_sha256(self) -> str:
        """The stored head of the chain. Only `verify` says whether it is right."""
        with self._damage():
            _, head = chain_end(self._db)
        return (head or genesis(self._meta)).hex()

    def events(self, kind: str | None = None) -> list[LoggedEvent]:
        """The event log in order; only one kind when given."""
        sql = "SELECT seq, t_ns, kind, data FROM events"
        with self._damage():
            if kind is None:
                found = self._db.execute(sql + " ORDER BY seq")
            else:
                found = self._db.execute(sql + " WHERE kind = ? ORDER BY seq", (kind,))
            return [LoggedEvent(seq, t_ns, name, json.loads(data)) for seq, t_ns, name, data in found]

    def steps(self) -> list[StepRecord]:
        """The executed steps, in the order in which they ended."""
        with self._damage():
            return [step_from(event.data) for event in self.events(STEP_ENDED)]

    def trips(self) -> list[Trip]:
        """The trips, in order."""
        with self._damage():
            return [trip_from(event.data) for event in self.events(TRIP)]

    def gaps(self) -> list[Gap]:
        """The stretches without data, in order."""
        with self._damage():
            return [gap_from(event.data) for event in self.events(GAP)]

    def rows(self, after_seq: int = 0) -> SampleTable:
        """All samples as columns; only those after a record's number when given.

        This and the other readings raise VerificationFailed when the file is damaged.
        """
        with self._damage():
            found = self._db.execute(
                f"SELECT {_ROW_COLUMNS} FROM samples WHERE seq > ? ORDER BY seq", (after_seq,)
            ).fetchall()
        columns = list(zip(*found, strict=True)) or [()] * (len(_NUMBER_COLUMNS) + 2)
        numbers: dict[str, Any] = {
            # None becomes NaN in a float array
            name: np.array(column, dtype=np.int64 if name in _INT_COLUMNS else np.float64)
            for name, column in zip(_NUMBER_COLUMNS, columns[:-2], strict=True)
        }
        return SampleTable(**numbers, cell_voltages_v=_matrix(columns[-2]), temperatures_c=_matrix(columns[-1]))

    def verify(self, expected_log_sha256: str | None = None) -> Verified:
        """Recompute the whole chain from the stored records.

        `expected_log_sha256`: the head that was published elsewhere (result.json), to be matched too.
        Raises VerificationFailed that names the first record that is wrong.
        """
        head, rows, events = genesis(self._meta), 0, 0
        try:
            self._verify_texts()
            for seq, stored, record in _records(self._db):
                due = rows + events + 1
                if seq != due:
                    raise VerificationFailed(f"{self._path.name}: record {due} is missing (the next is {seq})")
                if isinstance(record, RowFields):
                    rows += 1
                    head = link(head, row_bytes(seq, record))
                else:
                    events += 1
                    head = link(head, event_bytes(seq, record))
                if head != stored:
                    raise VerificationFailed(self._mismatch(seq))
        except (apsw.Error, ValueError, TypeError, AttributeError) as error:
            place = rows + events + 1
            raise VerificationFailed(f"{self._path.name}: damaged at or after record {place}: {error}") from error
        _, sealed = read_meta(self._db)
        if sealed is not None and sealed != (head, rows + events):
            raise VerificationFailed(
                f"{self._path.name}: the run was sealed with {sealed[1]} records and another hash; "
                f"{rows + events} are there"
            )
        if expected_log_sha256 is not None and expected_log_sha256 != head.hex():
            raise VerificationFailed(f"{self._path.name}: log_sha256 is {head.hex()}, expected {expected_log_sha256}")
        return Verified(rows + events, rows, events, head.hex(), sealed is not None)

    @contextmanager
    def _damage(self) -> Generator[None]:
        """Turn what a damaged file makes of a query into words."""
        try:
            yield
        except (apsw.Error, ValueError, TypeError) as error:
            raise VerificationFailed(f"{self._path.name}: the run file is damaged: {error}") from error

    def _mismatch(self, seq: int) -> str:
        if seq == 1:
            return f"{self._path.name}: record 1 or the description of the run has been changed"
        return f"{self._path.name}: record {seq} has been changed"

    def _verify_texts(self) -> None:
        sql = "SELECT profile_sha256, pack_sha256, bench_sha256 FROM run"
        stored = self._db.execute(sql).fetchone()
        meta = self._meta
        for name, source, digest in zip(
            ("profile", "pack", "bench"), (meta.profile, meta.pack, meta.bench), stored or (), strict=True
        ):
            if source.sha256 != digest:
                raise VerificationFailed(f"{self._path.name}: the stored {name} text has been changed")


def read_meta(db: Database) -> tuple[RunMeta, tuple[bytes, int] | None]:
    """The description of the run, and (head, number of records) when it is sealed.

    Raises ValueError or LookupError when the description makes no sense.
    """
    cursor = db.execute("SELECT * FROM run WHERE id = 1")
    found = cursor.fetchone()
    if found is None:
        raise LookupError("it holds no run")
    names = (column[0] for column in db.execute("SELECT name FROM pragma_table_info('run') ORDER BY cid"))
    row: Mapping[str, Any] = dict(zip(names, found, strict=True))
    meta = RunMeta(
        run_id=row["run_id"],
        provenance=Provenance(row["provenance"]),
        serial=row["serial"],
        profile=Source(name=row["profile_name"], text=row["profile_text"]),
        pack=Source(name=row["pack_name"], text=row["pack_text"]),
        bench=Source(name=row["bench_name"], text=row["bench_text"]),
        software_version=row["software_version"],
        started_at=datetime.fromisoformat(row["started_at"]),
        origin_ns=row["origin_ns"],
        seed=row["seed"],
        operator=row["operator"],
        extra=json.loads(row["extra"]),
    )
    sealed = row["log_sha256"]
    return meta, None if sealed is None else (sealed, row["records"])


def chain_end(db: Database) -> tuple[int, bytes | None]:
    """(number, hash) of the newest record; (0, None) without one."""
    sql = (
        "SELECT seq, hash FROM (SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1) UNION ALL "
        "SELECT seq, hash FROM (SELECT seq, hash FROM samples ORDER BY seq DESC LIMIT 1) ORDER BY seq DESC"
    )
    found = db.execute(sql).fetchone()
    return (0, None) if found is None else (found[0], found[1])


def _records(db: Database) -> Iterator[tuple[int, bytes, RowFields | EncodedEvent]]:
    """(seq, stored hash, record) of events and samples, merged by seq."""
    events = db.execute("SELECT seq, t_ns, kind, data, hash FROM events ORDER BY seq")
    rows = db.execute(f"SELECT {_ROW_COLUMNS}, hash FROM samples ORDER BY seq")
    event, row = events.fetchone(), rows.fetchone()
    while event is not None or row is not None:
        if row is None or (event is not None and event[0] <= row[0]):
            assert event is not None
            seq, t_ns, kind, data, stored = event
            yield seq, stored, EncodedEvent(t_ns, kind, data, data.encode())
            event = events.fetchone()
        else:
            yield row[0], row[-1], RowFields(*row[1:-1])
            row = rows.fetchone()


def _matrix(blobs: tuple[bytes, ...]) -> FloatArray:
    """Float64 blobs as one matrix, short ones filled up with NaN."""
    if not blobs:
        return np.empty((0, 0))
    width = max(map(len, blobs)) // 8
    if all(len(blob) == 8 * width for blob in blobs):
        return np.frombuffer(b"".join(blobs), "<f8").reshape(len(blobs), width).astype(np.float64)
    out = np.full((len(blobs), width), np.nan)
    for line, blob in zip(out, blobs, strict=True):
        line[: len(blob) // 8] = np.frombuffer(blob, "<f8")
    return out
