"""`analyze`: any file that this project can read, to the same Result as a run of our own.

Owns the choice of a reader by what the file is, and the making of a Result from a StepTable. The
reading is at the edge (`samples`, `nebula`, `bdf_import`); from the StepTable on everything is pure.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from packbench.analysis import steprules
from packbench.analysis.bdf_import import analyse_own, changed_note, has_metadata, read_table
from packbench.analysis.columns import load_columns
from packbench.analysis.diagnose.balance import balance_notes
from packbench.analysis.diagnose.build import diagnose
from packbench.analysis.diagnose.gathering import of_samples, of_steps
from packbench.analysis.nebula import read_step_export
from packbench.analysis.samples.as_steps import steps_of
from packbench.analysis.samples.ends import gaps_in, spread_of, weakest_of
from packbench.analysis.samples.imported import ImportedSamples
from packbench.analysis.samples.maps import all_sample_maps, is_sample_map, parse_sample_columns, read_map_text
from packbench.analysis.samples.reading import read_samples
from packbench.analysis.steprules import CrossCheck
from packbench.analysis.steptable import StepTable
from packbench.analysis.uncertainty import COVERAGE_P, scaled
from packbench.analysis.verdict import Reason, decide, may_release
from packbench.core.errors import InputError, Problem
from packbench.core.result import Measured, Note, Result, StepResult
from packbench.core.samples import Provenance
from packbench.core.specs import PackSpec

DEFAULT_COLUMNS = "nebula-workstep"
BDF_SUFFIXES = (".csv", ".parquet", ".pq")


def analyze_file(path: Path, columns: str | None = None, pack: PackSpec | None = None) -> Result:
    """Analyse any file of samples or of steps that a column map fits (our own exports too, as the runs they were).

    `columns` names a column map (configs/columns) or is a path to one; without it the map is chosen by
    the file's headers, and the result's notes say which. Without `pack` there is no SOH: a rated
    capacity is never guessed from a file's name. Raises InputError (found and expected) when the file cannot be read.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise InputError(Problem("no such file", file=str(path), found=found, expected="a file to analyse"))
    suffix = path.suffix.lower()
    if columns is None:
        own = _own_export(path) if suffix in BDF_SUFFIXES else None
        return own or _by_content(path, pack)
    text, map_file = read_map_text(columns)
    if not is_sample_map(text):
        return result_from_steps(read_step_export(path, load_columns(columns)), pack)
    chosen = parse_sample_columns(text, map_file)
    table = read_samples(path, [chosen])
    if table is None:
        found, expected = "other headers", f"the headers of {chosen.name}: {chosen.expected}"
        raise InputError(Problem("the column map does not fit", str(path), found=found, expected=expected))
    return result_from_samples(table, pack)


def _own_export(path: Path) -> Result | None:
    """The result of a run's own export; None when the file has no metadata of ours that fits its numbers."""
    if not has_metadata(path):
        return None
    file = read_table(path)
    own = analyse_own(path, file)
    if own is not None:
        return own
    table = read_samples(path, all_sample_maps())
    return None if table is None else result_from_samples(table, None, changed_note(file))


def _by_content(path: Path, pack: PackSpec | None) -> Result:
    """A foreign file under the map that knows most of its headers; a work-step export when none is of samples."""
    table = read_samples(path, all_sample_maps())
    if table is not None:
        return result_from_samples(table, pack)
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        return result_from_steps(read_step_export(path, load_columns(DEFAULT_COLUMNS)), pack)
    names = ", ".join(columns.name for columns in all_sample_maps())
    expected = f"the headers of a column map ({names}, {DEFAULT_COLUMNS}), or your own map with --columns"
    raise InputError(Problem("no column map fits", str(path), found="other headers", expected=expected))


def result_from_samples(table: ImportedSamples, pack: PackSpec | None, notes: tuple[Note, ...] = ()) -> Result:
    """The result of a table of samples: its steps, and the cells at the end of the counted discharge."""
    steps, made, said = steps_of(table)
    result = result_from_steps(steps, pack, notes=(*notes, *said))
    chosen = steprules.capacity_step(steps, pack)
    evidence = of_samples(table, made, steps, pack, chosen, (result.capacity_ah, result.energy_wh))
    told = diagnose(evidence)
    not_full = balance_notes(told.balance)
    result = replace(
        result,
        diagnostics=told,
        imbalance_limited=bool(not_full),
        notes=(*result.notes, *not_full),
    )
    if chosen is None:
        return result
    gap_reasons = gaps_in(made, chosen)
    invalid = tuple(reason.text_en for reason in gap_reasons)
    return replace(
        result,
        weakest_cell=weakest_of(table, made, chosen),
        cell_spread_v=spread_of(steps.steps[chosen]),
        invalid_reasons=(*result.invalid_reasons, *invalid),
        invalid_reasons_zh=(*result.invalid_reasons_zh, *(reason.text_zh for reason in gap_reasons)),
        verdict="INVALID" if invalid else result.verdict,
        valid=result.valid and not invalid,
        releasing=result.releasing and not invalid,
    )


def result_from_steps(
    table: StepTable, pack: PackSpec | None, *, provenance: str = Provenance.IMPORTED, notes: tuple[Note, ...] = ()
) -> Result:
    """The result of a table of steps. No bench statement, so no uncertainty: U is None."""
    reasons_of_steps = steprules.end_reasons(table, pack)
    chosen = steprules.capacity_step(table, pack)
    counted = None if chosen is None else table.steps[chosen]
    capacity = None if counted is None else Measured(abs(counted.charge_ah), None, None, COVERAGE_P, "Ah")
    energy = None if counted is None else Measured(abs(counted.energy_wh), None, None, COVERAGE_P, "Wh")
    soh = soce = None
    if pack is not None and capacity is not None and energy is not None:
        soh, soce = scaled(capacity, pack.rated_capacity_ah, "1"), scaled(energy, pack.rated_energy_wh, "1")
    reasons: list[Reason] = []
    if counted is None:
        reasons.append(
            Reason(
                "no discharge from full to the lower cut-off was found",
                "未找到从满电到放电截止电压的完整放电过程",
            )
        )
    decided = decide(stopped=False, reasons=reasons, soh=None if soh is None else soh.value, min_soh=None)
    found_gaps = steprules.gaps(table)
    return Result(
        provenance=str(provenance),
        run_id=Path(table.source).stem,
        serial=Path(table.source).stem,
        profile=table.layout,
        pack="" if pack is None else pack.name,
        seed=None,
        started_at=table.started_at,
        ended_at=table.ended_at,
        end_reason="the end of the file" if chosen is None else reasons_of_steps[chosen],
        verdict=decided,
        valid=decided in ("PASS", "FAIL"),
        invalid_reasons=tuple(reason.text_en for reason in reasons),
        imbalance_limited=False,
        capacity_ah=capacity,
        energy_wh=energy,
        soh=soh,
        soce=soce,
        weakest_cell=None,
        cell_spread_v=None,
        steps=tuple(
            StepResult(
                number=step.number,
                label=step.label,
                kind=step.kind,
                cycle=step.cycle,
                duration_s=step.duration_s,
                charge_ah=step.charge_ah,
                energy_wh=step.energy_wh,
                end_reason=reason,
                end_cell=steprules.ended_cell(step, pack),
                voltage_end_v=step.voltage_end_v,
                current_end_a=step.current_end_a,
                cell_min_end_v=step.cell_min_end_v,
                cell_max_end_v=step.cell_max_end_v,
                temperature_max_c=step.temperature_max_c,
            )
            for step, reason in zip(table.steps, reasons_of_steps, strict=True)
        ),
        gaps=tuple(
            {"started_s": gap.started_s, "ended_s": gap.ended_s, "reason": gap.reason_en, "reason_zh": gap.reason_zh}
            for gap in found_gaps
        ),
        limits={},
        trips=(),
        hashes={"file": table.sha256} if table.sha256 else {},
        capacities_ah=() if capacity is None else (capacity.value,),
        agreeing_cycles=() if counted is None else (1,),
        releasing=may_release(provenance, decided, capacity=capacity is not None, signature=None),
        invalid_reasons_zh=tuple(reason.text_zh for reason in reasons),
        notes=(*notes, *_notes(table, pack, chosen, len(found_gaps))),
        diagnostics=diagnose(of_steps(table, pack, chosen, (capacity, energy))),
    )


def _notes(table: StepTable, pack: PackSpec | None, chosen: int | None, gap_count: int) -> list[Note]:
    notes: list[Note] = []
    if chosen is not None:
        number = table.steps[chosen].number
        notes.append(
            Note(
                "capacity_rule",
                f"The capacity is step {number}: the largest discharge that began after a full charge and ended on "
                "the lower cut-off.",
                f"容量取自工步 {number}：满电后放电至截止电压的各次放电中电量最大的一次。",
            )
        )
    notes.append(
        Note(
            "no_accuracy",
            "Nobody stated the accuracy of these instruments: the figures have no uncertainty.",
            "未给出测量仪器的准确度，因此各数值没有不确定度。",
        )
    )
    if pack is None:
        notes.append(Note("no_rated_capacity", "No pack was given: no SOH.", "未给出电池型号文件，因此没有 SOH。"))
    notes += _check_notes(steprules.cross_checks(table))
    notes.append(
        Note(
            "end_reasons",
            "End reasons are inferred from duration, voltage and current; the file does not state them.",
            "终止原因由时长、电压和电流推断，文件中未直接给出。",
        )
    )
    if gap_count:
        notes.append(Note("gaps", f"{gap_count} gaps were found and are listed.", f"发现 {gap_count} 处缺失，已列出。"))
    if table.utc_offset_assumed:
        notes.append(
            Note(
                "utc_offset",
                "The file's instants have no time zone; the column map's is assumed.",
                "文件中的时间没有时区，采用列映射文件中的设定。",
            )
        )
    return notes


def _check_notes(checks: tuple[CrossCheck, ...]) -> list[Note]:
    """Mean current x time against the counter: the worst, and every one beyond the bound."""
    if not checks:
        return []
    worst = max(checks, key=lambda check: abs(check.deviation))
    bound = steprules.CHECK_REL
    notes = [
        Note(
            "cross_check",
            f"Mean current x time agrees with the counter on {len(checks)} constant-current steps longer than 60 s; "
            f"worst {worst.deviation * 100:+.3f} % at step {worst.number}.",
            f"{len(checks)} 个超过 60 s 的恒流工步：平均电流×时间与计数器一致，最大偏差 {worst.deviation * 100:+.3f} %"
            f"（工步 {worst.number}）。",
        )
    ]
    beyond = [check for check in checks if abs(check.deviation) > bound]
    if beyond:
        listed = ", ".join(f"{check.number} ({check.deviation * 100:+.2f} %)" for check in beyond[:10])
        notes[0] = Note(
            "cross_check_failed",
            f"Mean current x time differs from the counter by more than {bound * 100:g} % on {len(beyond)} of "
            f"{len(checks)} constant-current steps longer than 60 s: {listed}.",
            f"{len(checks)} 个超过 60 s 的恒流工步中有 {len(beyond)} 个平均电流×时间与计数器相差超过 "
            f"{bound * 100:g} %：{listed}。",
        )
    return notes
