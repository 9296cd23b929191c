"""Reading Battery Data Format files: our own exports back as the runs they were, others as steps.

Owns two ways. A file of ours whose metadata fits its numbers carries profile, pack and bench in
full, so it is analysed exactly as the run was, uncertainty included, and keeps its provenance
(DESIGN 1). Any other BDF table is cut into steps and judged by `steprules`; it is `imported`, also
when metadata of ours lies beside it and the numbers are not those it was written for.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from packbench.analysis import said
from packbench.analysis.capacity import analyse_run
from packbench.analysis.interventions import interventions_of
from packbench.analysis.run_inputs import RunInputs
from packbench.analysis.steptable import StepKind, StepTable, TableStep
from packbench.analysis.table import SECONDS_PER_HOUR, FloatArray, IntArray, SampleTable, trapezoid
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
    STEP_COUNT,
    STEP_ID,
    TEST_TIME,
    UNIX_TIME,
    VOLTAGE,
    Columns,
    cell_column,
    temperature_column,
)
from packbench.store.codec import gap_from, step_from, trip_from
from packbench.store.export import BdfFile, read_bdf
from packbench.store.sources import library_of, parameters_in, used_in

NO_CURRENT_REL = 0.005
"""A current below this fraction of the largest one is a rest."""
CV_FALL = 0.8
"""A charge whose last current is below this fraction of its largest one ended in CV or a taper."""


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


def table_of_steps(path: Path, file: BdfFile) -> StepTable:
    """Any BDF table cut into steps: by its step counter, else where the current changes its kind."""
    columns = file.columns
    t_s, current_a = columns[TEST_TIME], columns[CURRENT]
    marks = [columns[name] for name in (STEP_COUNT, STEP_ID, CYCLE_COUNT) if name in columns]
    threshold_a = NO_CURRENT_REL * float(np.max(np.abs(current_a)))
    sign = np.where(np.abs(current_a) <= threshold_a, 0.0, np.sign(current_a))
    marks = marks if any(np.any(np.diff(mark) != 0) for mark in marks) else [sign]
    changes = np.zeros(t_s.size, dtype=bool)
    for mark in marks:
        changes[1:] |= np.diff(mark) != 0
    starts = [0, *np.flatnonzero(changes).tolist(), t_s.size]
    steps = [
        _step(columns, number, slice(low, high), threshold_a)
        for number, (low, high) in enumerate(itertools.pairwise(starts), start=1)
    ]
    started = datetime.fromtimestamp(float(columns[UNIX_TIME][0]), UTC) if UNIX_TIME in columns else None
    if started is None:
        started_at = ended_at = ""
    else:
        started_at = started.isoformat(timespec="milliseconds")
        ended_at = (started + timedelta(seconds=float(t_s[-1] - t_s[0]))).isoformat(timespec="milliseconds")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return StepTable(path.name, "bdf", tuple(steps), (), started_at, ended_at, sha256=sha256)


def _step(columns: Columns, number: int, part: slice, threshold_a: float) -> TableStep:
    """One stretch of rows as a step. Charge and energy are this project's own integral of the samples."""
    t_s, v, current_a = (columns[name][part] for name in (TEST_TIME, VOLTAGE, CURRENT))
    cycle = int(columns[CYCLE_COUNT][part.start]) if CYCLE_COUNT in columns else 1
    middle_a = float(np.median(current_a))
    charging = middle_a > 0.0
    largest = float(np.max(np.abs(current_a)))
    fell = abs(float(current_a[-1])) <= CV_FALL * largest
    kind: StepKind = "rest"
    if abs(middle_a) > threshold_a:
        steady = "cc_charge" if charging else "cc_discharge"
        kind = ("cccv_charge" if charging else "cccv_discharge") if fell else steady
    temperature = columns.get(temperature_column(1))
    warmest = math.nan if temperature is None else float(np.max(temperature[part]))
    start_a = math.copysign(largest, middle_a) if kind.startswith("cccv") else float(current_a[0])
    return TableStep(
        number=number,
        kind=kind,
        duration_s=float(t_s[-1] - t_s[0]),
        charge_ah=trapezoid(t_s, current_a) / SECONDS_PER_HOUR,
        energy_wh=trapezoid(t_s, current_a * v) / SECONDS_PER_HOUR,
        cycle=cycle,
        label=kind,
        started_s=float(t_s[0]),
        ended_s=float(t_s[-1]),
        voltage_start_v=float(v[0]),
        voltage_max_v=float(np.max(v)),
        voltage_end_v=float(v[-1]),
        current_start_a=start_a,
        current_end_a=float(current_a[-1]),
        temperature_max_c=warmest if math.isfinite(warmest) else None,
    )


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
