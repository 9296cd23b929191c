"""Backing up, restoring and pruning runs, as commands ask for it.

Owns which runs are meant, the ledger of backups that were made (`backups.json` in the data folder), and the order in
which a pruned run goes. The forms and rules are the store's (`store.backup`, `store.retention`). Nothing here reads a
clock: the time is passed in.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from packbench import __version__
from packbench.app.job import read_text
from packbench.app.places import DATA_NAME, runs_home
from packbench.app.records import find_run, list_runs
from packbench.config.retention import RetentionRules, load_retention
from packbench.core.errors import InputError, PackbenchError, Problem
from packbench.files import data_home
from packbench.store.backup import BackedUp, Restored, Told, holds, make_backup, restore_backup
from packbench.store.database import sync_folder
from packbench.store.durable_files import write_file
from packbench.store.reader import RunReader
from packbench.store.retention import Judged, RunFacts, judge_runs

LEDGER_NAME = "backups.json"
RETENTION_NAME = "retention.yaml"
_GOING = "pruned"
"""A run that is being deleted lies here, out of every list: a deletion that was cut short is finished next time."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A backup that was made of one run."""

    target: str
    made_at: str
    run_id: str
    log_sha256: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning came to."""

    judged: tuple[Judged, ...]
    folders: tuple[Path, ...]
    """Of each judged run, in the same order."""
    rules_file: Path | None
    """None: there is none."""
    done: bool
    """False: it was only shown."""


def back_up(target: Path, names: Sequence[str], now: datetime, tell: Told) -> BackedUp:
    """Back up the named runs, or what is sound of all in the data folder, and note it in the ledger."""
    if names:
        folders = list(dict.fromkeys(find_run(name).resolve() for name in names))
    else:
        folders = [run.folder for run in list_runs()]
        if not folders:
            raise InputError(Problem("", field="RUN", found="no runs recorded yet", expected="at least one run"))
    made = make_backup(folders, target.absolute(), __version__, now, tell, whole=bool(names))
    place, manifest = str(target.absolute()), made.manifest
    _note([LedgerEntry(place, manifest.made_at, run.run_id, run.log_sha256) for run in manifest.runs])
    return made


def restore(source: Path, to: Path | None) -> Restored:
    """Put a backup's runs back: into the data folder, or into another one."""
    home = (to or runs_home()).absolute()

    def taken(run_id: str) -> Path | None:
        return _runs_in(home).get(run_id)

    return restore_backup(source.absolute(), home, taken)


def prune(now: datetime, *, measured_too: bool, only_show: bool) -> Pruned:
    """Judge every run of the data folder by retention.yaml, and delete those that may go.

    Raises InputError when the file is wrong: nothing is deleted then.
    """
    path = data_home() / RETENTION_NAME
    rules = load_retention(read_text(path), str(path)) if path.exists() else None
    runs = list_runs()
    # Looking for its backups reads each one whole: not for a run that is kept anyway.
    facts = [_facts(run.folder, rules, now) for run in runs]
    judged = judge_runs(rules, facts, now, measured_too=measured_too)
    if not only_show:
        _finish_going()
        for run, one in zip(runs, judged, strict=True):
            if one.delete:
                _delete(run.folder)
    folders = tuple(run.folder for run in runs)
    return Pruned(tuple(judged), folders, path if rules is not None else None, not only_show)


def _facts(folder: Path, rules: RetentionRules | None, now: datetime) -> RunFacts:
    try:
        with RunReader.open(folder / DATA_NAME) as reader:
            meta, sealed, log_sha256 = reader.meta, reader.sealed, reader.log_sha256
    except PackbenchError as error:
        return RunFacts(folder.name, "", None, sealed=False, backed_up=False, problem=str(error))
    written_at = datetime.fromtimestamp((folder / DATA_NAME).stat().st_mtime, UTC)
    kept_from = max(meta.started_at, written_at)
    facts = RunFacts(meta.run_id, str(meta.provenance), kept_from, sealed, backed_up=True)
    (would,) = judge_runs(rules, (facts,), now, measured_too=True)
    if not would.delete:
        return replace(facts, backed_up=False)
    targets = dict.fromkeys(
        entry.target for entry in _ledger() if (entry.run_id, entry.log_sha256) == (meta.run_id, log_sha256)
    )
    backed_up = any(holds(Path(target), meta.run_id, log_sha256) for target in targets)
    return replace(facts, backed_up=backed_up)


def _delete(folder: Path) -> None:
    """Out of sight in one step, then gone."""
    going = data_home() / _GOING
    going.mkdir(exist_ok=True)
    number, place = 1, going / folder.name
    while place.exists():
        number += 1
        place = going / f"{folder.name}-{number}"
    folder.rename(place)
    sync_folder(folder.parent)
    shutil.rmtree(place)


def _finish_going() -> None:
    going = data_home() / _GOING
    for left in sorted(going.iterdir()) if going.is_dir() else ():
        shutil.rmtree(left)


def _runs_in(home: Path) -> dict[str, Path]:
    """Run id to folder of the runs that can be read there."""
    found: dict[str, Path] = {}
    for folder in sorted(home.iterdir()) if home.is_dir() else ():
        try:
            if (folder / DATA_NAME).is_file():
                with RunReader.open(folder / DATA_NAME) as reader:
                    found[reader.meta.run_id] = folder
        except PackbenchError:
            continue  # what cannot be read has no id; its folder's name is looked at by itself
    return found


def _ledger() -> list[LedgerEntry]:
    """Backups that were made; a ledger that cannot be read vouches for none."""
    try:
        return _read_ledger()
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _read_ledger() -> list[LedgerEntry]:
    data: Any = json.loads((data_home() / LEDGER_NAME).read_bytes())
    return [LedgerEntry(**cast("dict[str, str]", each)) for each in data["backups"]]


def _aside(path: Path) -> Path:
    place, number = path.with_name(f"{path.name}.unreadable"), 1
    while place.exists():
        number += 1
        place = path.with_name(f"{path.name}.unreadable-{number}")
    return place


def _note(made: Sequence[LedgerEntry]) -> None:
    """Add to the ledger; another backup that ends at the same time waits. One that cannot be read is kept aside."""
    home = data_home()
    home.mkdir(parents=True, exist_ok=True)
    path = home / LEDGER_NAME
    handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            entries = [*_read_ledger(), *made]
        except FileNotFoundError:
            entries = list(made)
        except (OSError, ValueError, KeyError, TypeError):
            path.replace(_aside(path))
            entries = list(made)
        data = {"backups": [asdict(entry) for entry in entries]}
        draft = home / f".{LEDGER_NAME}.draft"
        write_file(draft, (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode())
        draft.replace(path)
        sync_folder(home)
    finally:
        os.close(handle)
