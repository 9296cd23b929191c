"""A disk that remembers what was asked of it, in which order, and that fails on demand.

Owns a SQLite file layer (VFS) over the system's own. What it remembers is enough to say what could be on a real disk
after the power went at any moment (disk_states.py). Must not know what the files mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import apsw

Kind = Literal["open", "write", "truncate", "sync", "delete", "folder", "acknowledged"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that was asked of the disk."""

    kind: Kind
    name: str
    """Of the file, without its folder; "open": it was not there before."""
    offset: int = 0
    """Of a write; a truncation's new size; of "acknowledged", the number that was said to be durable."""
    data: bytes = b""


class DiskFull(apsw.FullError):
    """No room."""


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
    _layer: Any = None

    def __enter__(self) -> Disk:
        self._layer = _Layer(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._layer.unregister()

    def fail(self, *kinds: Kind, after: int, full: bool, times: int = 1) -> None:
        """Have operations of these kinds fail, `times` times from the one after `after` on."""
        self.failure = Failure(kinds, after, full, times)

    def heal(self) -> None:
        """Everything goes well again."""
        self.failure = None

    def acknowledged(self, seq: int) -> None:
        """Somebody was told that everything up to this number is durable."""
        self.operations.append(Operation("acknowledged", "", seq))

    def folder_synced(self) -> None:
        """The folder itself was synced: files that were made in it stay."""
        self.operations.append(Operation("folder", ""))

    def note(self, operation: Operation) -> None:
        """Remember an operation; raises when it is to fail."""
        failure = self.failure
        if failure is not None and operation.kind in failure.kinds:
            if failure.after <= 0 and failure.times > 0:
                self.failed += 1
                failure.times -= 1
                if failure.full and operation.kind != "sync":
                    raise DiskFull(f"{operation.kind} of {operation.name}: no space left on device")
                raise apsw.IOError(f"{operation.kind} of {operation.name}: input/output error")
            failure.after -= 1
        self.operations.append(operation)


class _Layer(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(disk.vfs, "")

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - apsw\'s name
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)) if name else None
        new = path is not None and not path.exists()
        if path is not None and new:
            self._disk.note(Operation("open", path.name))
        return _File(self._disk, name, path.name if path is not None else "", flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - apsw\'s name
        self._disk.note(Operation("delete", Path(filename).name))
        super().xDelete(filename, syncdir)
        if syncdir:
            self._disk.folder_synced()


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, short: str, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk, self._short = disk, short

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw\'s name
        self._disk.note(Operation("write", self._short, offset, bytes(data)))
        super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType]

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - apsw\'s name
        self._disk.note(Operation("truncate", self._short, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw\'s name
        self._disk.note(Operation("sync", self._short))
        super().xSync(flags)
