"""Reading Battery Data Format files: our own exports back as the runs they were.

Owns our own exports. A file of ours whose metadata fits its numbers carries profile, pack and bench in
full, so it is analysed exactly as the run was, uncertainty included, and keeps its provenance
(DESIGN 1). Any other BDF table is read by `samples` as every foreign file; it is `imported`, also
when metadata of ours lies beside it and the numbers are not those it was written for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from packbench.analysis import said
from packbench.analysis.capacity import analyse_run
from packbench.analysis.interventions import interventions_of
from packbench.analysis.run_inputs import RunInputs
from packbench.analysis.table import FloatArray, IntArray, SampleTable
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, Problem
from packbench.core.limits import merge_limits
from packbench.core.records import StepRecord, Trip
from packbench.core.result import Note, Result
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import End, LoopEnd, Plan
from packbench.store.bdf import (
    CURRENT,
    CYCLE_COUNT,
    STEP_ID,
    TEST_TIME,
    VOLTAGE,
    Columns,
    cell_column,
    temperature_column,
)
from packbench.store.codec import gap_from, step_from, trip_from
from packbench.store.export import BdfFile, metadata_path, parquet_has_metadata, read_bdf
from packbench.store.sources import library_of, parameters_in, used_in


def read_table(path: Path) -> BdfFile:
    """A BDF file with an orderly time column. Raises InputError."""
    file = read_bdf(path)
    t_s = file.columns[TEST_TIME]
    if t_s.size == 0:
        raise InputError(Problem("no samples", file=str(path), found="headers alone", expected="one row a sample"))
    unread = [name for name in (TEST_TIME, VOLTAGE, CURRENT) if not np.isfinite(file.columns[name]).all()]
    if unread:
        problem = Problem(
            "empty fields", file=str(path), field=unread[0], found="rows without a number", expected="one"
        )
        raise InputError(problem)
    if np.any(np.diff(t_s) < 0.0):
        row = int(np.argmax(np.diff(t_s) < 0.0)) + 3
        found = f"a time before the row above in row {row}"
        raise InputError(Problem("time runs back", file=str(path), field=TEST_TIME, found=found, expected="rising"))
    return file


def has_metadata(path: Path) -> bool:
    """Whether metadata of a BDF file lies beside it, or in it."""
    if metadata_path(path).is_file():
        return True
    return path.suffix.lower() in (".parquet", ".pq") and parquet_has_metadata(path)


def samples_of(columns: Columns) -> SampleTable:
    """The table's samples; cells and temperatures by their numbered names."""
    count = columns[TEST_TIME].size
    return SampleTable(
        columns[TEST_TIME],
        columns[VOLTAGE],
        columns[CURRENT],
        _numbered(columns, cell_column, count),
        _numbered(columns, temperature_column, count),
        _integers(columns, STEP_ID, count),
        _integers(columns, CYCLE_COUNT, count),
    )


def _numbered(columns: Columns, name: Any, count: int) -> FloatArray:
    found: list[FloatArray] = []
    while (label := name(len(found) + 1)) in columns:
        found.append(columns[label])
    return np.column_stack(found) if found else np.empty((count, 0))


def _integers(columns: Columns, name: str, count: int) -> IntArray:
    return columns[name].astype(np.int64) if name in columns else np.ones(count, dtype=np.int64)


def run_inputs(path: Path, file: BdfFile) -> RunInputs | None:
    """Our own export as the run it was; None when it is not (or no longer) one."""
    ours = file.packbench
    if not file.intact or not ours:
        return None
    pack = load_pack(_text(ours, "pack"), f"{path}: pack")
    bench = load_bench(_text(ours, "bench"), f"{path}: bench")
    own, extra = f"{path}: profile", ours.get("extra", {})
    parameters = parameters_in(extra)
    plan = compile_profile(_text(ours, "profile"), own, pack, library_of(used_in(extra), own), dict(parameters))
    steps = tuple(step_from(data) for data in ours["steps"])
    trips = tuple(trip_from(data) for data in ours["trips"])
    samples = samples_of(file.columns)
    events = [(str(event["kind"]), event["data"]) for event in ours.get("said", ())]
    ending = _ending(events, plan, steps, trips)
    began = [data["at"] for kind, data in events if kind == said.QUESTIONS_DONE]
    started = datetime.fromisoformat(began[-1] if began else ours["started_at"])
    return RunInputs(
        run_id=ours["run_id"],
        serial=ours["serial"],
        provenance=ours["provenance"],
        seed=ours["seed"],
        started_at=ours["started_at"],
        ended_at=(started + timedelta(seconds=float(samples.t_s[-1]))).isoformat(timespec="microseconds"),
        end_reason=ending.reason,
        end_reason_zh=ending.reason_zh,
        completed=ending.completed,
        failed=ending.verdict == "fail",
        variables=ending.variables,
        answers=said.answers_of(events),
        parameters=parameters,
        interventions=interventions_of(
            (int(one.get("t_ns", 0)), one["kind"], one["data"]) for one in ours.get("said", ())
        ),
        plan=plan,
        pack=pack,
        bench=bench,
        limits=merge_limits({"profile": plan.limits, "pack": pack.limits, **bench.limits}),
        steps=steps,
        rows=samples,
        trips=trips,
        gaps=tuple(gap_from(data) for data in ours["gaps"]),
        operator=ours.get("operator"),
        hashes={"log_sha256": ours["log_sha256"], "columns_sha256": ours["columns_sha256"]},
    )


def _text(ours: Mapping[str, Any], name: str) -> str:
    return str(ours[name]["text"])


def _ending(
    events: list[tuple[str, Any]], plan: Plan, steps: tuple[StepRecord, ...], trips: tuple[Trip, ...]
) -> said.Ending:
    """How the run ended; from its steps alone where an export from before does not say."""
    finished = [data for kind, data in events if kind == said.FINISHED]
    if finished:
        return said.ending_of(finished[-1])
    if trips:
        return said.Ending("aborted", trips[0].text_en, "", ())
    completed = _reached_end(plan, steps[-1].step if steps else 0)
    return said.Ending(*(("pass", "the profile's end") if completed else ("aborted", "stopped before its end")), "", ())


def _reached_end(plan: Plan, last_step: int) -> bool:
    """Whether nothing but loop ends lies between the last executed step (from 1) and the profile's end."""
    rest = plan.steps[last_step:]
    return last_step > 0 and all(isinstance(step, LoopEnd | End) for step in rest)


def analyse_own(path: Path, file: BdfFile) -> Result | None:
    """The result of our own export, as the run's; None when the file is not one."""
    inputs = run_inputs(path, file)
    return None if inputs is None else analyse_run(inputs)


def changed_note(file: BdfFile) -> tuple[Note, ...]:
    """A warning when metadata of ours lies with numbers it was not written for."""
    if file.intact or not file.packbench:
        return ()
    return (
        Note(
            "changed_export",
            "The numbers are not those that the metadata was written for: the file counts as imported.",
            "数据与其元数据不符：按外部导入文件处理。",
        ),
    )
