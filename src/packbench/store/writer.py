"""Writing one run file: records in, chained and committed.

Owns the open transaction and the head of the chain. Must not know of queues, threads or time:
whoever calls it (run/recorder.py) decides when to commit, and calls from one thread at a time.
After any failure the store is broken for good: it writes nothing more, so that what was
acknowledged stays exactly what is on the disk.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import apsw

from packbench.core.errors import InputError, StoreError
from packbench.core.records import Event, Row
from packbench.store.chain import EncodedEvent, encode_event, event_bytes, genesis, link, row_bytes, row_fields
from packbench.store.database import Database, Durability, open_reader, open_writer, sync_folder
from packbench.store.meta import RunMeta, canonical_json
from packbench.store.reader import chain_end, read_meta
from packbench.store.schema import migrate, require_run_file

_INSERT_ROW: Final = "INSERT INTO samples VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT_EVENT: Final = "INSERT INTO events VALUES (?,?,?,?,?)"
_BAD_RECORD: Final = (struct.error, TypeError, ValueError, OverflowError)

Record = Row | EncodedEvent


class RunStore:
    """The one writer of a run file. Make it with `create` or `resume`."""

    def __init__(self, db: Database, seq: int, head: bytes) -> None:
        self._db = db
        self._seq = seq
        self._head = head
        self._durable_seq = seq
        self._in_transaction = False
        self._broken: StoreError | None = None

    @classmethod
    def create(
        cls,
        path: Path,
        meta: RunMeta,
        durability: Durability = Durability.POWER_SAFE,
        *,
        vfs: str | None = None,
    ) -> RunStore:
        """Begin a new run file; its description is durable when this returns.

        `vfs` names a SQLite file layer to write through; None is the system's own.
        Raises InputError when the file exists or the description cannot be stored, StoreError when
        the file cannot be written.
        """
        if path.exists():
            raise InputError(f"{path} exists: a run is never written over")
        try:
            head = genesis(meta)
        except (ValueError, TypeError) as error:
            raise InputError(f"the run's description cannot be stored: {error}") from error
        new_folders = [folder for folder in path.parents if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent}: cannot be created: {error}") from error
        db = open_writer(path, durability, create=True, vfs=vfs)
        with ExitStack() as undo:
            undo.callback(_let_go, db)
            try:
                migrate(db, meta.software_version)
                _insert_meta(db, meta)
                if durability is Durability.POWER_SAFE:
                    for folder in (path.parent, *(new.parent for new in new_folders)):
                        sync_folder(folder)
            except (apsw.Error, OSError) as error:
                raise StoreError(f"{path.name}: cannot be created: {error}") from error
            undo.pop_all()
        return cls(db, 0, head)

    @classmethod
    def resume(cls, path: Path, durability: Durability = Durability.POWER_SAFE, *, vfs: str | None = None) -> RunStore:
        """Go on writing a run that was not sealed (after a crash), behind its last durable record.

        It trusts the stored hashes: verify the file first. Raises InputError when it is not a run
        file or is sealed, StoreError when it cannot be written.
        """
        reader = open_reader(path, vfs=vfs)  # refuses a missing or foreign file before anything is written
        try:
            require_run_file(reader, str(path))
        finally:
            _let_go(reader)
        db = open_writer(path, durability, create=False, vfs=vfs)
        with ExitStack() as undo:
            undo.callback(_let_go, db)
            try:
                meta, sealed = read_meta(db)
                if sealed is not None:
                    raise InputError(f"{path} is sealed: the run has ended")
                migrate(db, meta.software_version)
                seq, head = chain_end(db)
            except apsw.Error as error:
                raise StoreError(f"{path.name}: cannot be resumed: {error}") from error
            undo.pop_all()
        return cls(db, seq, head or genesis(meta))

    @property
    def seq(self) -> int:
        """Number of the newest record written, committed or not."""
        return self._seq

    @property
    def durable_seq(self) -> int:
        """Number of the newest committed record."""
        return self._durable_seq

    @property
    def log_sha256(self) -> str:
        """Head of the chain: stands for the run's description and every record so far."""
        return self._head.hex()

    def append(self, records: Iterable[Record]) -> int:
        """Write records in order, without committing. Returns the newest record's number.

        Raises StoreError; nothing since the last commit is kept then.
        """
        self._require_sound()
        seq, head = self._seq, self._head
        rows: list[tuple[object, ...]] = []
        events: list[tuple[object, ...]] = []
        try:
            for record in records:
                seq += 1
                if type(record) is EncodedEvent:
                    head = link(head, event_bytes(seq, record))
                    events.append((seq, record.t_ns, record.kind, record.data, head))
                else:
                    assert isinstance(record, Row)
                    fields = row_fields(record)
                    head = link(head, row_bytes(seq, fields))
                    rows.append((seq, *fields, head))
            if not self._in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
                self._in_transaction = True
            if rows:
                self._db.executemany(_INSERT_ROW, rows)
            if events:
                self._db.executemany(_INSERT_EVENT, events)
        except apsw.Error as error:
            raise self._break(f"writing failed: {error}") from error
        except _BAD_RECORD as error:
            raise self._break(f"record {seq} cannot be stored: {error}") from error
        self._seq, self._head = seq, head
        return seq

    def append_rows(self, rows: Iterable[Row]) -> int:
        """`append` for rows."""
        return self.append(rows)

    def append_events(self, events: Iterable[Event]) -> int:
        """`append` for events that have not been encoded yet."""
        return self.append([encode_event(event) for event in events])

    def commit(self) -> int:
        """Make everything written so far durable. Returns the newest record's number.

        Raises StoreError; only what earlier commits returned is durable then.
        """
        self._require_sound()
        if self._in_transaction:
            try:
                self._db.execute("COMMIT")
            except apsw.Error as error:
                raise self._break(f"commit failed: {error}") from error
            self._in_transaction = False
        self._durable_seq = self._seq
        return self._seq

    def seal(self) -> str:
        """End the record: commit, note head and count, fold the log into one plain file.

        Returns log_sha256. A sealed file cannot be resumed. Raises StoreError.
        """
        self.commit()
        try:
            with self._db:
                self._db.execute("UPDATE run SET log_sha256 = ?, records = ? WHERE id = 1", (self._head, self._seq))
            # Leaves a single file that can be read from a read-only medium. A reader that has the
            # file open at this moment keeps it in WAL mode, which is as sound.
            with suppress(apsw.BusyError):
                self._db.set_busy_timeout(0)
                self._db.execute("PRAGMA journal_mode = DELETE").fetchall()  # to the end, or errors are not said
        except apsw.Error as error:
            raise self._break(f"sealing failed: {error}") from error
        return self.log_sha256

    def close(self) -> None:
        """Let go of the file; what was not committed is dropped. Idempotent."""
        _let_go(self._db)
        if self._broken is None:
            self._broken = StoreError("the run file has been closed")

    def _require_sound(self) -> None:
        if self._broken is not None:
            raise StoreError(str(self._broken))

    def _break(self, reason: str) -> StoreError:
        """After a failed write or fsync the pages in memory may not be what is on the disk.

        So nothing is retried, and closing must not checkpoint.
        """
        self._broken = StoreError(f"the record can no longer be kept: {reason}")
        with suppress(apsw.Error):
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            if self._in_transaction and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        return self._broken


def _let_go(db: Database) -> None:
    """Close; a disk that fails even then has been complained of already, or loses nothing that was promised."""
    with suppress(apsw.Error):
        db.close()


def _insert_meta(db: Database, meta: RunMeta) -> None:
    sources = (meta.profile, meta.pack, meta.bench)
    with db:
        db.execute(
            "INSERT INTO run VALUES (1,?,?,?, ?,?,?, ?,?,?, ?,?,?, ?,?,?,?,?,?, NULL,NULL)",
            (
                meta.run_id,
                str(meta.provenance),
                meta.serial,
                *(part for source in sources for part in (source.name, source.text, source.sha256)),
                meta.software_version,
                meta.started_text,
                meta.origin_ns,
                meta.seed,
                meta.operator,
                canonical_json(dict(meta.extra)),
            ),
        )
