"""Copies of runs in one folder or one .tar file, and the way back, verified in both directions.

Owns the form of a backup and its verification. Must not know which runs somebody means nor where runs live, and reads
no clock: the time is passed in.

    manifest.json           format, software version, when, and of each run: id, provenance, log_sha256, its files
    NAME/run.db, ...        each run's folder, under its own name; nothing else

A record is copied through SQLite's online backup from within one read transaction: of a run that is being recorded it
holds what was durable at that moment, and the run's own writer is not held up. The copy is one plain file (no
write-ahead log), and can be resumed like the original. A backup is built under another name, verified from what was
written (every file's hash, every record's chain), made durable, and renamed into its place only then: what bears the
name of a backup is one. Nothing is ever put in place of what exists, neither by a backup nor by a restore.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from packbench.core.errors import InputError, Problem, StoreError, VerificationFailed
from packbench.store.database import sync_folder
from packbench.store.durable_files import copy_file, copy_record, digest, sync_tree, write_file
from packbench.store.manifest import MANIFEST_NAME, BackedUpRun, FileEntry, Manifest, manifest_from_json
from packbench.store.reader import RunReader
from packbench.store.tarred import TAR_SUFFIX, member, member_digest, named_files, pack, unpack

DATA_NAME: Final = "run.db"
LEFT_OUT: Final = frozenset({f"{DATA_NAME}-wal", f"{DATA_NAME}-shm", f"{DATA_NAME}-journal"})
"""Part of the record: its copy has them inside."""

Told = Callable[[str], None]
"""Is told the name of each run when its turn comes."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A run that is not in a backup of everything there is."""

    folder: Path
    problem: str


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was written."""

    manifest: Manifest
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place."""

    manifest: Manifest
    folders: tuple[Path, ...]


def make_backup(
    folders: Sequence[Path],
    target: Path,
    software_version: str,
    now: datetime,
    tell: Told = lambda _name: None,
    *,
    whole: bool = True,
) -> BackedUp:
    """Back up the runs in these folders to `target`: a new folder, or a new file when its name ends in .tar.

    `whole`: all of them or none; else a damaged one is left out, and said to be. Raises InputError when the target
    exists, has no place, or two runs have one name, VerificationFailed when a record (or, with `whole` false, each) is
    damaged or the copy is not what was read, StoreError when it cannot be written.
    """
    _require_new(target)
    _require_own_names(folders)
    try:
        with _staging(target) as staging:
            runs, left_out = _copy_runs(folders, staging, tell, whole=whole)
            made_at = now.astimezone(UTC).isoformat(timespec="seconds")
            manifest = Manifest(software_version, made_at, tuple(runs))
            write_file(staging / MANIFEST_NAME, manifest.to_json().encode())
            verify_folder(staging)
            _into_place(staging, target, manifest)
    except OSError as error:
        raise StoreError(f"{target}: the backup cannot be written: {error.strerror or error}") from error
    return BackedUp(manifest, tuple(left_out))


def verify_backup(source: Path) -> Manifest:
    """Check a backup from end to end: every file's hash, every record's chain.

    Raises InputError when it is none, VerificationFailed when it is damaged.
    """
    with _as_folder(source, source.parent) as folder:
        return verify_folder(folder)


def restore_backup(source: Path, home: Path, taken: Callable[[str], Path | None]) -> Restored:
    """Put every run of a backup back as a folder in `home`.

    `taken`: where a run of that id already is; None: nowhere. All is verified before anything is put in place, and
    again where it lies then. Raises InputError when a run is already there (nothing is put in place then) or the
    source is no backup, VerificationFailed when it is damaged, StoreError when it cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _as_folder(source, home) as folder:
            manifest = verify_folder(folder)
            _require_absent(manifest, home, taken)
            places = tuple(home / run.folder for run in manifest.runs)
            with _staging(home / "restore") as staging:
                for run in manifest.runs:
                    _copy_files(folder / run.folder, staging / run.folder, run.files)
                for run, place in zip(manifest.runs, places, strict=True):
                    _rename(staging / run.folder, place)
            sync_folder(home)
        for run, place in zip(manifest.runs, places, strict=True):
            _verify_run(run, place)
    except OSError as error:
        raise StoreError(f"{home}: the backup cannot be restored: {error}") from error
    return Restored(manifest, places)


def holds(target: Path, run_id: str, log_sha256: str) -> bool:
    """Whether there is a backup at `target` with this very record in it, sound as far as its file's hash says."""
    try:
        if target.is_dir():
            manifest = manifest_from_json((target / MANIFEST_NAME).read_bytes(), str(target))
            found = _entry(manifest, run_id, log_sha256)
            if found is None:
                return False
            run, entry = found
            return digest(target / run.folder / entry.path) == (entry.size_bytes, entry.sha256)
        with tarfile.open(target, "r:") as tar:
            manifest = manifest_from_json(member(tar, MANIFEST_NAME), str(target))
            found = _entry(manifest, run_id, log_sha256)
            if found is None:
                return False
            run, entry = found
            return member_digest(tar, f"{run.folder}/{entry.path}") == (entry.size_bytes, entry.sha256)
    except (OSError, tarfile.TarError, KeyError, InputError, VerificationFailed):
        return False


def verify_folder(folder: Path) -> Manifest:
    """Check an unpacked backup. Raises InputError when it is none, VerificationFailed when it is damaged."""
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise InputError(Problem("is no backup: it has no manifest.json", field="SOURCE", found=str(folder)))
    manifest = manifest_from_json(path.read_bytes(), str(path))
    known = {MANIFEST_NAME} | {f"{run.folder}/{entry.path}" for run in manifest.runs for entry in run.files}
    found = {str(each.relative_to(folder)) for each in folder.rglob("*") if not each.is_dir()}
    if found != known:
        missing, strange = sorted(known - found), sorted(found - known)
        what = f"{missing[0]} is missing" if missing else f"{strange[0]} is not in its manifest"
        raise VerificationFailed(f"{folder.name}: {what}")
    for run in manifest.runs:
        _verify_run(run, folder / run.folder)
    return manifest


def _verify_run(run: BackedUpRun, folder: Path) -> None:
    for entry in run.files:
        path = folder / entry.path
        if path.is_symlink() or not path.is_file():
            raise VerificationFailed(f"{run.folder}/{entry.path} is missing")
        if digest(path) != (entry.size_bytes, entry.sha256):
            raise VerificationFailed(f"{run.folder}/{entry.path} is not the file that was backed up")
        if path.name == DATA_NAME:
            expected = run.log_sha256 if entry.path == DATA_NAME else None
            with RunReader.open(path) as reader:
                reader.verify(expected)
                if entry.path == DATA_NAME and reader.meta.run_id != run.run_id:
                    raise VerificationFailed(f"{run.folder}: the record is of run {reader.meta.run_id}")


def _copy_runs(
    folders: Sequence[Path], staging: Path, tell: Told, *, whole: bool
) -> tuple[list[BackedUpRun], list[LeftOut]]:
    runs: list[BackedUpRun] = []
    left_out: list[LeftOut] = []
    for folder in folders:
        tell(folder.name)
        try:
            if not whole:
                _require_sound(folder)
            runs.append(_copy_run(folder, staging / folder.name))
        except (InputError, VerificationFailed) as error:
            if whole or (len(left_out) == len(folders) - 1 and not runs):
                raise
            shutil.rmtree(staging / folder.name, ignore_errors=True)
            left_out.append(LeftOut(folder, str(error)))
    return runs, left_out


def _require_sound(folder: Path) -> None:
    """What a disk does not give back any more is said of the run, not of the backup."""
    with RunReader.open(folder / DATA_NAME) as reader:
        reader.verify()


def _copy_run(folder: Path, target: Path) -> BackedUpRun:
    """Copy one run's folder; says what was copied, by what was written."""
    target.mkdir(parents=True)
    entries: list[FileEntry] = []
    for path in _files_of(folder):
        name = str(path.relative_to(folder))
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.name == DATA_NAME:
            copy_record(path, copy)
        else:
            copy_file(path, copy)
        size_bytes, sha256 = digest(copy)
        entries.append(FileEntry(name, size_bytes, sha256))
    sync_tree(target)
    with RunReader.open(target / DATA_NAME) as reader:
        verified = reader.verify()
        meta = reader.meta
    return BackedUpRun(
        run_id=meta.run_id,
        folder=folder.name,
        provenance=str(meta.provenance),
        started_at=meta.started_text,
        log_sha256=verified.log_sha256,
        records=verified.records,
        sealed=verified.sealed,
        files=tuple(entries),
    )


def _files_of(folder: Path) -> list[Path]:
    """A run's files: the record, and what lies beside it and below. No sockets, no links."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted(path for path in found if path.name not in LEFT_OUT)


def _require_new(target: Path) -> None:
    if target.exists() or target.is_symlink():
        problem = Problem(
            "exists: a backup is never written over", field="TARGET", found=str(target), expected="a new name"
        )
        raise InputError(problem)
    if not target.parent.is_dir():
        # Made here, it would be on the system's own disk whenever the one for backups is not connected.
        problem = Problem(
            "nowhere to put the backup", field="TARGET", found=str(target.parent), expected="a folder that exists"
        )
        raise InputError(problem)


def _require_own_names(folders: Sequence[Path]) -> None:
    if not folders:
        raise InputError(Problem("", field="RUN", found="no run", expected="at least one run to back up"))
    names = [folder.name for folder in folders]
    doubled = sorted({name for name in names if names.count(name) > 1} | ({"", MANIFEST_NAME} & set(names)))
    if doubled:
        raise InputError(
            Problem("runs of one name", field="RUN", found=repr(doubled[0]), expected="folders with names of their own")
        )


def _require_absent(manifest: Manifest, home: Path, taken: Callable[[str], Path | None]) -> None:
    problems: list[Problem] = []
    for run in manifest.runs:
        there = home / run.folder
        found = there if there.exists() or there.is_symlink() else taken(run.run_id)
        if found is not None:
            problem = Problem("is already there, and is never written over", field=f"run {run.run_id}")
            problems.append(Problem(problem.message, field=problem.field, found=str(found), expected="another --to"))
    if problems:
        raise InputError(problems)


def _into_place(staging: Path, target: Path, manifest: Manifest) -> None:
    """Give the finished backup its name: the last thing that is done."""
    if target.suffix != TAR_SUFFIX:
        sync_tree(staging)
        _rename(staging, target)
    else:
        packed = staging / f"{MANIFEST_NAME}{TAR_SUFFIX}"
        pack(staging, packed, manifest)
        with tarfile.open(packed, "r:") as tar:
            for name, entry in named_files(manifest):
                if member_digest(tar, name) != (entry.size_bytes, entry.sha256):
                    raise VerificationFailed(f"{target.name}: {name} was not written as it was read")
            if manifest_from_json(member(tar, MANIFEST_NAME), target.name) != manifest:
                raise VerificationFailed(f"{target.name}: its manifest was not written as it was made")
        _rename(packed, target)
    sync_folder(target.parent)


@contextmanager
def _as_folder(source: Path, beside: Path) -> Generator[Path]:
    """A backup as a folder; a .tar file is unpacked for as long as that takes, only what its manifest lists."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise InputError(Problem("no such backup", field="SOURCE", found=str(source), expected="a folder or a .tar"))
    with _staging(beside / source.name) as staging:
        try:
            with tarfile.open(source, "r:") as tar:
                unpack(tar, staging, str(source))
        except KeyError as error:
            raise VerificationFailed(f"{source.name}: {error.args[0]}") from error
        except (tarfile.TarError, EOFError) as error:
            if source.suffix == TAR_SUFFIX:
                raise VerificationFailed(f"{source.name}: damaged, or no .tar file at all: {error}") from error
            raise InputError(Problem("is no backup", field="SOURCE", found=str(source), expected="a .tar")) from error
        yield staging


def _entry(manifest: Manifest, run_id: str, log_sha256: str) -> tuple[BackedUpRun, FileEntry] | None:
    for run in manifest.runs:
        if (run.run_id, run.log_sha256) == (run_id, log_sha256) and run.sealed:
            return next(((run, entry) for entry in run.files if entry.path == DATA_NAME), None)
    return None


@contextmanager
def _staging(target: Path) -> Generator[Path]:
    """A new folder beside the target, gone again when the work is done or has failed."""
    number = 1
    while (place := target.with_name(f".{target.name}.partial-{number}")).exists():
        number += 1
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise InputError(Problem("has come to be meanwhile", field="TARGET", found=str(target)))
    source.rename(target)


def _copy_files(source: Path, target: Path, files: Iterable[FileEntry]) -> None:
    target.mkdir(parents=True)
    for entry in files:
        place = target / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        copy_file(source / entry.path, place)
    sync_tree(target)
