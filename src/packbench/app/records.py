"""Finding runs that were recorded: by id, by folder, or all of them.

Owns the look-up. A run is a folder with a record in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packbench.app.control_link import is_controlled
from packbench.app.places import DATA_NAME, runs_home
from packbench.core.errors import InputError, PackbenchError, Problem
from packbench.core.result import Result
from packbench.report.build import RESULT_NAME
from packbench.report.json_out import result_from_json
from packbench.store.reader import RunReader

State = Literal["running", "cut short", "not concluded", "concluded", "unreadable"]
"""Of a recorded run: a controller goes through it; its controller is gone and it was not ended; it has ended and has no
result yet; it has one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A recorded run, as a list shows it."""

    run_id: str
    folder: Path
    provenance: str
    started_at: str
    serial: str
    profile: str
    state: State
    result: Result | None
    """None: not concluded."""
    problem: str | None = None
    """Why the record could not be read."""


def list_runs() -> list[Listed]:
    """Every run in the data folder, oldest first; one that cannot be read is listed with the reason."""
    home = runs_home()
    if not home.is_dir():
        return []
    found = [_listed(folder) for folder in sorted(home.iterdir()) if (folder / DATA_NAME).is_file()]
    return sorted(found, key=lambda run: (run.started_at, run.run_id))


def find_run(name: str) -> Path:
    """The folder of a run: a path to it (or to its run.db), a folder name in the data folder, or a run id."""
    path = Path(name)
    if path.name == DATA_NAME and path.is_file():
        return path.parent
    for folder in (path, runs_home() / name):
        if (folder / DATA_NAME).is_file():
            return folder
    matching = [run.folder for run in list_runs() if run.run_id == name]
    if matching:
        return matching[-1]
    known = ", ".join(run.folder.name for run in list_runs()[-5:]) or "no runs recorded yet"
    raise InputError(Problem("no such run", field="RUN", found=name, expected=f"a folder or one of: {known}"))


def read_result(folder: Path) -> Result | None:
    """The concluded result of a run; None when it was never concluded."""
    path = folder / RESULT_NAME
    return result_from_json(path.read_bytes(), str(path)) if path.is_file() else None


def state_of(reader: RunReader, folder: Path, result: Result | None) -> State:
    """How a record stands."""
    if result is not None:
        return "concluded"
    if reader.sealed:
        return "not concluded"
    return "running" if is_controlled(folder) else "cut short"


def _listed(folder: Path) -> Listed:
    try:
        with RunReader.open(folder / DATA_NAME) as reader:
            meta, result = reader.meta, read_result(folder)
            state = state_of(reader, folder, result)
    except PackbenchError as error:
        return Listed(folder.name, folder, "", "", "", "", "unreadable", None, str(error))
    profile = Path(meta.profile.name).stem
    return Listed(meta.run_id, folder, str(meta.provenance), meta.started_text, meta.serial, profile, state, result)
