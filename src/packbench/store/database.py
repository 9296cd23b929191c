"""Opening SQLite the only way this project opens it.

Owns the version check, the connection settings and what "durable" means. Must not know tables.
One connection writes and checkpoints; readers never do either, which together with the version
check keeps clear of the WAL-reset corruption of SQLite 3.7.0 to 3.51.2.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, cast

import apsw

from packbench.core.errors import InputError, StoreError, VerificationFailed

PAGE_SIZE_BYTES: Final = 8192
"""A row with 96 cells takes about 1 kB; a page of 8 kB wastes less of it than one of 4 kB."""

CHECKPOINT_PAGES: Final = 1_000
"""So long may the write-ahead log be before it is folded into the file."""

_FIXED: Final = ((3, 51, 3), (3, 50, 7), (3, 44, 6))


class Durability(StrEnum):
    """What a committed record survives."""

    POWER_SAFE = "power_safe"
    """A power cut: every commit waits for the disk (synchronous=FULL)."""
    PROCESS_SAFE = "process_safe"
    """The death of the process, not of the machine (synchronous=OFF)."""


_SYNCHRONOUS: Final = {Durability.POWER_SAFE: "FULL", Durability.PROCESS_SAFE: "OFF"}


class Cursor(Protocol):
    """The answer to a statement: rows as tuples."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
        ...

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The remaining rows."""
        ...


class Database(Protocol):
    """The part of apsw.Connection that is used here, with types that check.

    As a context manager it is one transaction. Every method may raise apsw.Error.
    """

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, statements: str, bindings: Sequence[object] | None = None, /) -> Cursor:
        """Run statements."""
        ...

    def executemany(self, statements: str, sequenceofbindings: Iterable[Sequence[object]], /) -> Cursor:
        """Run one statement with each of the bindings."""
        ...

    def config(self, op: int, /, *args: int) -> int:
        """Set a connection option."""
        ...

    def set_wal_hook(self, callable: Callable[[apsw.Connection, str, int], int] | None, /) -> None:
        """What is called after each commit: (connection, database, pages in the log)."""
        ...

    def set_busy_timeout(self, milliseconds: int, /) -> None:
        """How long to wait for another connection's lock."""
        ...

    def close(self) -> None:
        """Let go of the file; idempotent."""
        ...

    def __enter__(self) -> Database: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...


def require_safe_sqlite(version: str | None = None) -> None:
    """Refuse a SQLite library that can corrupt a WAL database.

    Fixed in 3.51.3, and in the maintenance releases 3.50.7 and 3.44.6 of their branches.
    Raises StoreError.
    """
    text = apsw.sqlite_lib_version() if version is None else version
    found = tuple(int(part) for part in text.split("."))
    newest = _FIXED[0]
    if found >= newest or any(found[:2] == fixed[:2] and found >= fixed for fixed in _FIXED[1:]):
        return
    raise StoreError(
        f"SQLite {text} can corrupt a record (WAL reset, fixed in 3.51.3, 3.50.7 and 3.44.6): "
        "install apsw 3.51.3 or newer"
    )


def open_writer(path: Path, durability: Durability, *, create: bool, vfs: str | None = None) -> Database:
    """The connection that writes and checkpoints. `vfs` names another SQLite file layer.

    Raises StoreError when the file cannot be opened so.
    """
    require_safe_sqlite()
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    try:
        db = cast("Database", apsw.Connection(str(path), flags=flags, vfs=vfs))
        db.set_busy_timeout(2_000)
        db.execute(f"PRAGMA page_size = {PAGE_SIZE_BYTES}")
        # To the end: SQLite answers before it commits the change, and what fails then is said to the last step alone.
        mode = db.execute("PRAGMA journal_mode = WAL").fetchall()
        if mode != [("wal",)]:
            raise StoreError(f"{path.name}: the file system does not allow a write-ahead log")
        db.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        db.set_wal_hook(_checkpoint)
    except apsw.Error as error:
        raise StoreError(f"{path.name}: cannot be opened for writing: {error}") from error
    return db


def _checkpoint(db: apsw.Connection, name: str, pages: int) -> int:
    """Fold the log into the file when it has grown. SQLite's own way of doing this says nothing when the disk fails."""
    if pages >= CHECKPOINT_PAGES:
        with suppress(apsw.BusyError):  # a reader holds it up; later, then
            db.wal_checkpoint(name)
    return apsw.SQLITE_OK


def open_reader(path: Path, *, vfs: str | None = None) -> Database:
    """A connection that reads, and never checkpoints. `vfs` names another SQLite file layer.

    A file in a folder that cannot be written to is opened as immutable: nobody can be writing it.
    Raises InputError when there is no such file, VerificationFailed when it is damaged.
    """
    require_safe_sqlite()
    if not path.is_file():
        raise InputError(f"{path}: no such run file")
    try:
        return _opened(path, vfs)
    except apsw.ReadOnlyError:
        # The power went while the record was sealed: what was begun is to be undone first, which takes a writer.
        _undo_what_was_begun(path, vfs)
    except apsw.Error as error:
        raise unreadable(path, error) from error
    try:
        return _opened(path, vfs)
    except apsw.Error as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> InputError | VerificationFailed:
    """Only records are opened here: what is no database any more, or makes no sense, was damaged.

    What is merely not there yet was left by a program that was killed, or is being made.
    """
    words = f"{path} cannot be read as a run file: {error}"
    damaged = isinstance(error, apsw.CorruptError | apsw.NotADBError | ValueError)
    return VerificationFailed(words) if damaged else InputError(words)


def _opened(path: Path, vfs: str | None) -> Database:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    frozen = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
    uri = path.resolve().as_uri() + ("?immutable=1" if frozen else "")
    db = cast("Database", apsw.Connection(uri, flags=flags, vfs=vfs))
    db.set_busy_timeout(2_000)
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return db


def _undo_what_was_begun(path: Path, vfs: str | None) -> None:
    """Roll a transaction back that nobody will end any more; nothing else is written."""
    with suppress(apsw.Error):
        db = cast("Database", apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs))
        try:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        finally:
            db.close()


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
