"""From a run's record to its result and its report.

Owns the path from run.db to result.json, report.html and report.pdf, the same for a run that just
ended and for one that is looked at again later: everything is read back from the record, so what
is shown is what was stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from packbench import __version__
from packbench.analysis import said
from packbench.analysis.capacity import analyse_run
from packbench.analysis.interventions import interventions_of
from packbench.analysis.run_inputs import RunInputs
from packbench.analysis.table import SampleTable
from packbench.analysis.verdict import Signature
from packbench.app.job import Job, apply_settings, effective_limits
from packbench.app.places import DATA_NAME
from packbench.app.signing import judge_signature
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.records import Gap
from packbench.core.result import Result
from packbench.core.specs import PackSpec
from packbench.profile.language.compiler import compile_profile
from packbench.report.build import RESULT_NAME, write_report
from packbench.report.content_second_life import SecondLife
from packbench.report.inputs import Columns, ReportInputs
from packbench.report.json_out import result_to_json
from packbench.report.texts import Lang
from packbench.store.edits import in_force
from packbench.store.reader import RunReader
from packbench.store.reader import SampleTable as StoredTable
from packbench.store.sources import library_of, parameters_in


@dataclass(frozen=True, slots=True)
class Concluded:
    """A run's result, and where its files are."""

    result: Result
    paths: dict[str, str]
    log_sha256: str


def conclude(
    out_dir: Path,
    lang: Lang,
    *,
    with_report: bool = True,
    wall_seconds: float | None = None,
    second_life_of: Callable[[Result, PackSpec], SecondLife | None] | None = None,
) -> Concluded:
    """Analyse the record in `out_dir` and write result.json and the report beside it.

    `second_life_of` says what the report tells of the pack's second life; None: nothing.
    Raises InputError when there is no record there, VerificationFailed when it was changed.
    """
    with RunReader.open(out_dir / DATA_NAME) as reader:
        verified = reader.verify()
        job = job_of(reader)
        stored = reader.rows()
        signature = judge_signature(out_dir, reader.meta, verified.log_sha256)
        result = _analyse(reader, job, stored, signature)
    paths = {"data": str(out_dir / DATA_NAME), "result": str(out_dir / RESULT_NAME)}
    if with_report:
        inputs = _report_inputs(result, job, stored, wall_seconds, lang)
        if second_life_of is not None:
            inputs = replace(inputs, second_life=second_life_of(result, job.pack))
        written = write_report(inputs, out_dir, lang)
        paths |= {name: str(path) for name, path in written.items()}
    result = replace(result, paths=paths)
    (out_dir / RESULT_NAME).write_text(result_to_json(result), encoding="utf-8")
    return Concluded(result, paths, verified.log_sha256)


def analysed(out_dir: Path) -> Result:
    """What the record in `out_dir` comes to, without the files of it; nothing is written.

    For whoever must not trust the result.json beside it, which anybody can edit. Raises as `conclude` does.
    """
    with RunReader.open(out_dir / DATA_NAME) as reader:
        verified = reader.verify()
        signature = judge_signature(out_dir, reader.meta, verified.log_sha256)
        return _analyse(reader, job_of(reader), reader.rows(), signature)


def job_of(reader: RunReader) -> Job:
    """The job as it was recorded, from the texts in the record itself."""
    meta = reader.meta
    settings = tuple(str(word) for word in meta.extra.get("settings", ()))
    pack, ambient_c = apply_settings(load_pack(meta.pack.text, meta.pack.name), settings)
    bench = load_bench(meta.bench.text, meta.bench.name)
    if ambient_c is not None:
        bench = replace(bench, ambient_c=ambient_c)
    parameters = parameters_in(meta.extra)
    profile, used = in_force(meta, reader.events())
    library = library_of(used, profile.name)
    plan = compile_profile(profile.text, profile.name, pack, library, dict(parameters))
    limits = effective_limits(plan, pack, bench)
    sources = (profile, meta.pack, meta.bench)
    return Job(plan, pack, bench, limits, (), *sources, settings, parameters=parameters, files=used)


def _analyse(reader: RunReader, job: Job, stored: StoredTable, signature: Signature) -> Result:
    meta = reader.meta
    events = reader.events()
    finished = [event.data for event in events if event.kind == said.FINISHED]
    ending = said.ending_of(finished[-1]) if finished else said.CUT_SHORT
    last_ns = max((event.t_ns for event in events), default=0)
    # Times count from the profile's beginning, which first questions may have put off by hours.
    began = [event.data["at"] for event in events if event.kind == said.QUESTIONS_DONE]
    began_at = datetime.fromisoformat(began[-1]) if began else meta.started_at
    balancing = [event.data["active"] for event in events if event.kind == "balancing"]
    gaps = tuple(reader.gaps())
    run = RunInputs(
        run_id=meta.run_id,
        serial=meta.serial,
        provenance=str(meta.provenance),
        seed=meta.seed,
        started_at=meta.started_text,
        ended_at=(began_at + timedelta(microseconds=last_ns // 1000)).isoformat(timespec="microseconds"),
        end_reason=ending.reason,
        end_reason_zh=ending.reason_zh,
        completed=ending.completed,
        failed=ending.verdict == "fail",
        variables=ending.variables,
        answers=said.answers_of((event.kind, event.data) for event in events),
        parameters=job.parameters,
        interventions=interventions_of((event.t_ns, event.kind, event.data) for event in events),
        plan=job.plan,
        pack=job.pack,
        bench=job.bench,
        limits=job.limits,
        steps=tuple(reader.steps()),
        rows=_table(stored, gaps),
        trips=tuple(reader.trips()),
        gaps=gaps,
        balancing=any(balancing) if balancing else None,
        operator=meta.operator,
        signature=signature,
        hashes={
            "log_sha256": reader.log_sha256,
            "profile_sha256": meta.profile.sha256,
            "pack_sha256": meta.pack.sha256,
            "bench_sha256": meta.bench.sha256,
            **({} if signature.key_id is None else {"signed_by": signature.key_id}),
            **_edited(job, meta.profile.sha256),
            **{Path(used.file.name).name: used.file.sha256 for used in job.files},
        },
    )
    return analyse_run(run)


def _edited(job: Job, begun_with: str) -> dict[str, str]:
    """The hash of the profile that a run ended with, where that is not the one that it was begun with."""
    sha256 = job.profile_source.sha256
    return {} if sha256 == begun_with else {"profile_edited_sha256": sha256}


def _table(stored: StoredTable, gaps: tuple[Gap, ...]) -> SampleTable:
    return SampleTable(
        stored.t_ns / 1e9,
        stored.voltage_v,
        stored.current_a,
        stored.cell_voltages_v,
        stored.temperatures_c,
        stored.step,
        stored.cycle,
        tuple((gap.started_ns / 1e9, gap.ended_ns / 1e9) for gap in gaps),
    )


def _report_inputs(
    result: Result, job: Job, stored: StoredTable, wall_seconds: float | None, lang: Lang
) -> ReportInputs:
    temperatures = stored.temperatures_c
    hottest = temperatures.max(axis=1) if temperatures.shape[1] else stored.voltage_v * float("nan")
    columns = Columns(
        stored.t_ns / 1e9,
        stored.voltage_v,
        stored.current_a,
        hottest,
        stored.cell_voltages_v,
        stored.step,
        stored.cycle,
    )
    return ReportInputs(
        result=result,
        rows=columns,
        instruments=job.bench.instruments,
        profile_title_en=job.plan.title_en,
        profile_title_zh=job.plan.title_zh,
        pack_title=(lang == "zh" and job.pack.title_zh) or job.pack.title,
        bench_title=(lang == "zh" and job.bench.title_zh) or job.bench.title,
        software_version=__version__,
        pack=job.pack,
        wall_seconds=wall_seconds,
    )
