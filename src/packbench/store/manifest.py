"""The manifest of a backup: which runs, which files, which hashes.

Owns its form in JSON, both ways. Reading is strict: a manifest comes from a medium that may be damaged or from somebody
else, so a path that leads out of the backup is refused like a wrong type is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final, cast

from packbench.core.errors import VerificationFailed

MANIFEST_NAME: Final = "manifest.json"
FORMAT: Final = "packbench-backup/1"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a run."""

    path: str
    """Below the run's folder, with slashes."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BackedUpRun:
    """One run, as it stood when it was copied."""

    run_id: str
    folder: str
    provenance: str
    started_at: str
    log_sha256: str
    """The head of the copied chain."""
    records: int
    sealed: bool
    """False: it was being recorded, or had been cut short."""
    files: tuple[FileEntry, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says about itself."""

    software_version: str
    made_at: str
    """RFC 3339, UTC."""
    runs: tuple[BackedUpRun, ...]

    def to_json(self) -> str:
        """The text of manifest.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1) + "\n"


def manifest_from_json(content: bytes, name: str) -> Manifest:
    """Read a manifest. Raises VerificationFailed when it is damaged, of another format, or leads out of the backup."""
    try:
        data = json.loads(content)
        if not isinstance(data, dict) or cast("Mapping[str, Any]", data).get("format") != FORMAT:
            raise ValueError(f"it is not of the format {FORMAT}")
        fields = cast("Mapping[str, Any]", data)
        runs = tuple(_run(each) for each in _of(list, fields["runs"]))
        manifest = Manifest(_of(str, fields["software_version"]), _of(str, fields["made_at"]), runs)
        names = [run.folder for run in runs]
        if len(set(names)) != len(names):
            raise ValueError("two runs have one name")
    except (ValueError, KeyError, TypeError) as error:
        raise VerificationFailed(f"{name}: the manifest cannot be read: {error}") from error
    return manifest


def _run(data: Any) -> BackedUpRun:
    fields: Mapping[str, Any] = _of(dict, data)
    folder = _of(str, fields["folder"])
    if len(_inside(folder).parts) != 1 or folder == MANIFEST_NAME:
        raise ValueError(f"{folder!r} is no folder's name")
    return BackedUpRun(
        run_id=_of(str, fields["run_id"]),
        folder=folder,
        provenance=_of(str, fields["provenance"]),
        started_at=_of(str, fields["started_at"]),
        log_sha256=_of(str, fields["log_sha256"]),
        records=_of(int, fields["records"]),
        sealed=_of(bool, fields["sealed"]),
        files=tuple(_file(each) for each in _of(list, fields["files"])),
    )


def _file(data: Any) -> FileEntry:
    fields: Mapping[str, Any] = _of(dict, data)
    path = str(_inside(_of(str, fields["path"])))
    return FileEntry(path, _of(int, fields["size_bytes"]), _of(str, fields["sha256"]))


def _inside(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in text or str(path) != text:
        raise ValueError(f"{text!r} leads out of the backup")
    return path


def _of(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"found {value!r}, expected {kind.__name__}")
    return value
