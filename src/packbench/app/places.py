"""Where a run's files go.

Owns the choice of a run's folder. A record is never written over: one that is in the way moves
aside, whole, into a numbered folder beside the new one.
"""

from __future__ import annotations

from pathlib import Path

from packbench.app.holding import held
from packbench.files import data_home
from packbench.report.build import HTML_NAME, PDF_NAME, RESULT_NAME
from packbench.trace.signatures import SIGNATURE_NAME

DATA_NAME = "run.db"
RUN_FILES = (
    DATA_NAME,
    f"{DATA_NAME}-wal",
    f"{DATA_NAME}-shm",
    SIGNATURE_NAME,
    RESULT_NAME,
    HTML_NAME,
    PDF_NAME,
)


def runs_home() -> Path:
    """The folder of all runs that were not sent elsewhere with --out."""
    return data_home() / "runs"


def forget_conclusion(folder: Path) -> None:
    """The record is to grow: what was made of it as it stood (result, report, signature) is of another record then."""
    for name in (SIGNATURE_NAME, RESULT_NAME, HTML_NAME, PDF_NAME):
        (folder / name).unlink(missing_ok=True)


def run_folder(out: Path | None, run_id: str) -> Path:
    """The folder of a new run, made, with no record in it.

    Raises InputError when a run is going on in it: its record is not pulled away from under it.
    """
    folder = out if out is not None else _unused(runs_home() / run_id)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        if (folder / DATA_NAME).exists():
            aside = _unused(folder / "previous")
            aside.mkdir()
            for name in RUN_FILES:
                if (folder / name).exists():
                    (folder / name).rename(aside / name)
    return folder


def _unused(path: Path) -> Path:
    """The path itself, or the first numbered one that does not exist."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
