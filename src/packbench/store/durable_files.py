"""Files that are there when they are said to be: copied, written and digested, durable before a function returns.

Owns fsync for whole files and folders, and SQLite's online backup of a record. Must not know what a backup is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final, cast

import apsw

from packbench.core.errors import StoreError
from packbench.store.database import Database, open_reader, sync_folder

CHUNK_BYTES: Final = 1 << 20


def copy_record(source: Path, target: Path) -> None:
    """Copy a record as it stands, also one that is being written; the copy is one durable file.

    Raises InputError when the source is no run file, StoreError when the copy cannot be made.
    """
    reader = open_reader(source)
    try:
        copy = apsw.Connection(str(target))
        try:
            # One transaction for all of it: pages of one moment, whatever the writer does meanwhile.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            with copy.backup("main", cast("apsw.Connection", reader), "main") as pages:
                while not pages.done:
                    pages.step(-1)
            reader.execute("COMMIT")
            cast("Database", copy).execute("PRAGMA journal_mode = DELETE").fetchall()
        finally:
            copy.close()
    except apsw.Error as error:
        raise StoreError(f"{source}: the record cannot be copied: {error}") from error
    finally:
        reader.close()
    _sync_file(target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a plain file. Raises OSError."""
    with source.open("rb") as given, target.open("wb") as taken:
        shutil.copyfileobj(given, taken, CHUNK_BYTES)
        taken.flush()
        os.fsync(taken.fileno())


def write_file(path: Path, content: bytes) -> None:
    """Write a new file. Raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make the names in a folder and in those below it durable."""
    for each in [*(path for path in folder.rglob("*") if path.is_dir()), folder]:
        sync_folder(each)


def digest(path: Path) -> tuple[int, str]:
    """(bytes, sha256 in hex) of a file."""
    with path.open("rb") as file:
        return digest_of(iter(lambda: file.read(CHUNK_BYTES), b""))


def digest_of(chunks: Iterable[bytes]) -> tuple[int, str]:
    """(bytes, sha256 in hex) of what comes in pieces."""
    sha256, size_bytes = hashlib.sha256(), 0
    for chunk in chunks:
        sha256.update(chunk)
        size_bytes += len(chunk)
    return size_bytes, sha256.hexdigest()
