"""A recorded run looked up by a word, and its result anew from a record that holds.

Owns the look-up (a run, or the newest run of a battery code) and the refusal of records that do not verify. Whatever
states something of a battery to others rests on this, never on the result.json beside a record.
"""

from __future__ import annotations

from pathlib import Path

from packbench.analysis.verdict import may_enter
from packbench.app.conclude import analysed
from packbench.app.places import DATA_NAME
from packbench.app.records import find_run, list_runs, read_result
from packbench.app.verifying import verify_run
from packbench.core.errors import InputError, Problem, VerificationFailed
from packbench.core.result import Result
from packbench.trace.codes.code import read
from packbench.trace.ledger.home import REAL


def run_of(word: str) -> tuple[Path, Result, bool]:
    """Folder and result of a run, or of a code's newest, verified; and whether nobody measured it."""
    folder = folder_of(word)
    if folder is None:
        raise InputError(Problem("", field="RUN|CODE", found=f"{word}, of which no run is recorded", expected="a run"))
    result = verified(folder)
    return folder, result, not may_enter(REAL, result.provenance)


def folder_of(word: str) -> Path | None:
    """The folder of a run, or of the newest run of a code: a measured one when there is any."""
    try:
        return find_run(word)
    except InputError as error:
        of_code = [run for run in list_runs() if run.serial and run.serial == word and run.result is not None]
        if of_code:
            measured = [run for run in of_code if may_enter(REAL, run.provenance)]
            return (measured or of_code)[-1].folder
        if read(word) is not None:
            return None
        raise InputError(
            Problem("", field="RUN|CODE", found=word, expected="a run, or a battery code (packbench runs list)")
        ) from error


def verified(folder: Path) -> Result:
    """The result anew from a record that holds: the result.json beside it could have been edited.

    Raises VerificationFailed, InputError for a run that was never concluded.
    """
    whole = verify_run(folder)
    if whole.findings:
        first = whole.findings[0]
        raise VerificationFailed(f"{folder / DATA_NAME}: {first.where}: {first.what}")
    if read_result(folder) is None:
        raise InputError(
            Problem("", field="RUN", found=f"{folder.name}, not concluded", expected="packbench report first")
        )
    return analysed(folder)
