"""A disk that remembers what was asked of it, in which order, and that fails on demand.

Owns a SQLite file layer (VFS) over the system's own. What it remembers is enough to say what could be on a real disk
after the power went at any moment (disk_states.py). Must not know what the files mean.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import apsw

Kind = Literal["open", "write", "truncate", "sync", "sync_failed", "delete", "made", "folder", "acknowledged"]

_LEADING = 512
"""Of a write that fails, whole sectors up to its half have been written."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that was asked of the disk."""

    kind: Kind
    name: str
    """Of the file, without its folder; "open": it was not there before. Of "made" and "folder", a folder's whole path;
    "folder" without a name is the folder in which the files are."""
    offset: int = 0
    """Of a write; a truncation's new size; of "acknowledged", the number that was said to be durable."""
    data: bytes = b""


_JOURNALS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL


class DiskFull(apsw.FullError):
    """ENOSPC."""


class DiskError(apsw.IOError):
    """EIO."""


@dataclass(slots=True)
class Failure:
    """The operation that fails, and how."""

    kinds: tuple[Kind, ...]
    after: int
    """So many of them still go well."""
    full: bool
    """ENOSPC; else EIO."""
    times: int
    """It fails so often, and then goes well again."""


@dataclass(slots=True)
class Disk:
    """The recorder. `vfs` is the name to open files through."""

    vfs: str
    operations: list[Operation] = field(default_factory=list[Operation])
    failure: Failure | None = None
    failed: int = 0
    """How often it has failed."""
    asked: Counter[Kind] = field(default_factory=Counter[Kind])
    """How often an operation could have failed, by kind."""
    stall: Callable[[Operation], None] | None = None
    """Is called before each operation, and may take its time."""
    home: Path | None = None
    """The folder in which the files are; None: nobody has said."""
    _layer: Any = None

    def __enter__(self) -> Disk:
        self._layer = _Layer(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._layer.unregister()

    def fail(self, *kinds: Kind, after: int, full: bool, times: int = 1) -> None:
        """Have operations of these kinds fail, `times` times from the one after `after` on. A sync knows EIO alone."""
        self.failure = Failure(kinds, after, full, times)

    def heal(self) -> None:
        """Everything goes well again."""
        self.failure = None

    def acknowledged(self, seq: int) -> None:
        """Somebody was told that everything up to this number is durable."""
        self.operations.append(Operation("acknowledged", "", seq))

    def folder_synced(self, folder: Path | None = None) -> None:
        """A folder itself was synced: what was made in it stays. None: the one in which the files are."""
        self.note(Operation("folder", "" if folder is None or folder == self.home else str(folder)))

    def note(self, operation: Operation) -> None:
        """Remember an operation; raises when it is to fail."""
        self.asked[operation.kind] += 1
        if self.stall is not None:
            self.stall(operation)
        failure = self.failure
        if failure is not None and operation.kind in failure.kinds:
            if failure.after <= 0 and failure.times > 0:
                self.failed += 1
                failure.times -= 1
                if operation.kind == "sync":
                    self.operations.append(Operation("sync_failed", operation.name))
                if failure.full and operation.kind != "sync":
                    raise DiskFull(f"{operation.kind} of {operation.name}: no space left on device")
                raise DiskError(f"{operation.kind} of {operation.name}: input/output error")
            failure.after -= 1
        self.operations.append(operation)


def _untold(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
    """Of some operations SQLite does not ask how they went. What was to fail needs no telling then."""
    if kind is not None and error is not None and not isinstance(error, DiskFull | DiskError):
        sys.excepthook(kind, error, trace)
    return True


class _Layer(apsw.VFS):
    def excepthook(
        self, etype: type[BaseException] | None, evalue: BaseException | None, etraceback: TracebackType | None
    ) -> bool:
        return _untold(etype, evalue, etraceback)

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(disk.vfs, "")

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - apsw's name
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)) if name else None
        new = path is not None and not path.exists()
        if path is not None and new:
            self._disk.note(Operation("open", path.name))
        return _File(self._disk, name, path.name if path is not None else "", flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - apsw's name
        self._disk.note(Operation("delete", Path(filename).name))
        super().xDelete(filename, syncdir)
        if syncdir:
            self._disk.operations.append(Operation("folder", ""))


class _File(apsw.VFSFile):
    def excepthook(
        self, etype: type[BaseException] | None, evalue: BaseException | None, etraceback: TracebackType | None
    ) -> bool:
        return _untold(etype, evalue, etraceback)

    def __init__(self, disk: Disk, name: Any, short: str, flags: list[int]) -> None:
        # SQLite syncs the folder of a journal or a log that it may have made, once, with the first sync of the file.
        self._folder_too = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _JOURNALS)
        super().__init__("", name, flags)
        self._disk, self._short = disk, short

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        try:
            self._disk.note(Operation("write", self._short, offset, bytes(data)))
        except apsw.Error:
            part = bytes(data)[: len(data) // 2 // _LEADING * _LEADING]
            if part:
                self._disk.operations.append(Operation("write", self._short, offset, part))
                super().xWrite(part, offset)  # pyright: ignore[reportUnknownMemberType]
            raise
        super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType]

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - apsw's name
        self._disk.note(Operation("truncate", self._short, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        self._disk.note(Operation("sync", self._short))
        super().xSync(flags)
        if self._folder_too:
            self._folder_too = False
            self._disk.operations.append(Operation("folder", ""))
