"""Trials in parallel processes, each kept as soon as it is done: a campaign that was interrupted goes on.

Owns the processes and the file of reports. The order of seeds changes nothing: a trial depends on its own seed alone.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from threading import Thread
from typing import Any

from packbench.core.errors import InputError, Problem
from packbench_sim.campaign.report import TrialReport, report_from
from packbench_sim.campaign.spec import TrialSpec
from packbench_sim.campaign.trial import run_trial

AHEAD = 2
"""Trials that wait for each process."""


def run_campaign(
    specs: Iterable[TrialSpec], processes: int, kept: Path | None, told: Callable[[TrialReport], None]
) -> None:
    """Run trials, and tell each report as it comes, those that `kept` holds already first.

    Raises InputError when `kept` is of another campaign.
    """
    wanted = {spec.seed: spec for spec in specs}
    done: set[int] = set()
    if kept is not None and kept.exists():
        for report in read_reports(kept, _words(wanted)):
            if report.seed in wanted:
                done.add(report.seed)
                told(report)
    left = [spec for seed, spec in wanted.items() if seed not in done]
    for report in _parallel(left, processes):
        if kept is not None:
            _keep(kept, _words(wanted), report)
        told(report)


def read_reports(kept: Path, words: str) -> Iterator[TrialReport]:
    """The reports in a file. A last line that was cut short is left out: its trial runs again.

    Raises InputError for a file of another campaign, or of none.
    """
    try:
        lines = kept.read_bytes().split(b"\n")
    except OSError as error:
        expected = "a campaign's report"
        raise InputError(
            Problem("", file=str(kept), field="--out", found=str(error.strerror), expected=expected)
        ) from error
    of = _object_in(kept, 1, lines[0]).get("campaign")
    if of != words:
        found, expected = _in_short(str(of)), _in_short(words)
        raise InputError(
            Problem("of another campaign", file=str(kept), line=1, field="--out", found=found, expected=expected)
        )
    for number, line in enumerate(lines[1:-1], start=2):
        try:
            yield report_from(_object_in(kept, number, line))
        except (LookupError, TypeError) as error:
            raise _no_report(kept, number, line) from error


def _object_in(kept: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _no_report(kept, number, line)
    return found  # pyright: ignore[reportUnknownVariableType]


def _no_report(kept: Path, number: int, line: bytes) -> InputError:
    found = repr(line[:60].decode(errors="replace"))
    return InputError(
        Problem("", file=str(kept), line=number, field="--out", found=found, expected="a campaign's report")
    )


def _words(wanted: dict[int, TrialSpec]) -> str:
    """What is the same in all trials of a campaign."""
    return next((spec.words() for spec in wanted.values()), "")


def _in_short(words: str) -> str:
    """Fifty faults are too many for one sentence."""
    head, _, rows = words.rpartition(", ")
    count = rows.count(",") + 1
    return f"{head}, {count} faults" if count > 3 else words[:80]


def _keep(kept: Path, words: str, report: TrialReport) -> None:
    new = not kept.exists()
    kept.parent.mkdir(parents=True, exist_ok=True)
    if not new:
        _cut_short_away(kept)
    with kept.open("a", encoding="utf-8") as file:
        if new:
            file.write(json.dumps({"campaign": words}) + "\n")
        file.write(json.dumps(report.as_dict()) + "\n")


def _cut_short_away(kept: Path) -> None:
    data = kept.read_bytes()
    if data and not data.endswith(b"\n"):
        os.truncate(kept, data.rfind(b"\n") + 1)


def _parallel(specs: list[TrialSpec], processes: int) -> Iterator[TrialReport]:
    if processes <= 1 or len(specs) <= 1:
        for spec in specs:
            yield run_trial(spec)
        return
    # A fresh interpreter: a fork would carry over whatever threads the parent has.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_the_parent) as pool:
        left = iter(specs)
        running: set[Future[TrialReport]] = set()
        while True:
            while len(running) < processes * AHEAD and (spec := next(left, None)) is not None:
                running.add(pool.submit(run_trial, spec))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


def _end_with_the_parent() -> None:
    """A campaign that is killed leaves no process behind that goes on for nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "called in a process of the pool"

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, name="parent", daemon=True).start()
