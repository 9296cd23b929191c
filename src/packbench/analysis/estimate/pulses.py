"""`estimate` on a file of pulse tests: which model, which cells it may judge, what it says of each.

Owns the choice of the model and the answer's making. Several tests of one cell are averaged; their errors are mostly
the cell's, so the interval does not shrink.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from packbench.analysis.estimate.features import responses
from packbench.analysis.estimate.outcome import CellEstimate, Estimate, estimated
from packbench.analysis.estimate.pulse_data import PulseTests
from packbench.analysis.estimate.pulse_json import NamedModel, about_of, find_model, model_paths, read_model
from packbench.analysis.estimate.pulse_model import COVERAGE_P, Head
from packbench.analysis.estimate.pulse_table import PulseFile, read_pulse_table
from packbench.analysis.estimate.unlike import unlike
from packbench.core.errors import InputError, Problem
from packbench.core.result import Note
from packbench.core.samples import FloatArray, Provenance

METHOD = "Gaussian processes on the voltages of five pulses, interval calibrated on cells left out"
NOMINAL_REL = 0.05
COUNTED_LIMITS = (0.0, 1.2)


def estimate_pulses(path: Path, *, model: str | None, counted: bool, rated_ah: float | None) -> Estimate:
    """Capacity and SOH of every cell of a table of pulse tests.

    Args:
        path: U1 to U21 a row (`pulse_table`).
        model: A model's name or file; None: the one trained on this kind of cell.
        counted: The file's SOC is charge *counted* from empty over nominal capacity, and may be used.
        rated_ah: Nominal capacity where the file states none.

    Raises InputError when the file cannot be read or no model fits it.
    """
    file = read_pulse_table(path)
    named = read_model(find_model(model) if model is not None else _chosen(path, file, rated_ah))
    _same_pulses(path, file, named)
    head = named.model.free
    if counted:
        head = _counted_head(path, file, named)
    odd = unlike(file.tests)
    names = list(dict.fromkeys(file.tests.cells.tolist()))
    cells = tuple(
        _cell(name, file.tests.part(file.tests.cells == name), named, head, rated_ah, odd.get(name, ()))
        for name in names
    )
    return Estimate(
        kind="pulses",
        method=METHOD,
        file=path.name,
        sha256=file.sha256,
        provenance=str(Provenance.IMPORTED),
        model={"name": named.name, **named.about},
        cells=cells,
        notes=_notes(named, head, sorted(set(names) & set(named.model.tests.cells.tolist()))),
        details={"counted_soc_used": head.counted},
    )


def _chosen(path: Path, file: PulseFile, rated_ah: float | None) -> Path:
    """The shipped model of the file's material and nominal capacity. Raises InputError when there is not one."""
    tests = file.tests
    material = "".join(sorted(set(tests.material.tolist()) - {""}))
    known = np.append(tests.nominal_ah[np.isfinite(tests.nominal_ah)], [] if rated_ah is None else rated_ah)
    nominal = float(np.median(known)) if known.size else None
    abouts = {name: about_of(shipped) for name, shipped in model_paths().items()}
    fits = [
        name
        for name, about in abouts.items()
        if (not material or about["material"] == material)
        and (nominal is None or abs(about["nominal_ah"] - nominal) <= NOMINAL_REL * nominal)
    ]
    if len(fits) == 1 and (material or nominal is not None):
        return model_paths()[fits[0]]
    kind = " ".join(part for part in (material, "" if nominal is None else f"{nominal:g} Ah") if part)
    offered = ", ".join(f"{name} ({about['material']} {about['nominal_ah']:g} Ah)" for name, about in abouts.items())
    message = "no model of this kind of cell; `packbench estimate train` makes one, --model chooses one"
    found = kind or "a file that states neither material (Mat) nor nominal capacity (Qn)"
    raise InputError(Problem(message, file=str(path), field="--model", found=found, expected=offered or "a model"))


def _same_pulses(path: Path, file: PulseFile, named: NamedModel) -> None:
    """A model answers for its own material and its own width of pulse. Raises InputError for another."""
    trained = named.about.get("pulse_s")
    material = str(named.about["material"])
    others = sorted(set(file.tests.material.tolist()) - {"", material})
    if others and material:
        found = ", ".join(others)
        raise InputError(Problem("another material", file=str(path), field="Mat", found=found, expected=material))
    if trained is not None and file.pulse_s is not None and trained != file.pulse_s:
        found, expected = f"{file.pulse_s:g} s", f"{trained:g} s, as the model was trained on"
        raise InputError(Problem("another pulse width", file=str(path), field="Pt", found=found, expected=expected))


def _counted_head(path: Path, file: PulseFile, named: NamedModel) -> Head:
    if named.model.counted is None:
        message = "this model knows no counted charge: its training data stated none"
        raise InputError(Problem(message, file=named.name, field="--counted"))
    if not np.isfinite(file.tests.counted_soc).any():
        expected = "SOC or SOCR: charge counted from empty over nominal capacity"
        raise InputError(Problem("no counted charge", file=str(path), field="SOC", found="none", expected=expected))
    return named.model.counted


def _cell(
    name: str, tests: PulseTests, named: NamedModel, head: Head, rated_ah: float | None, odd: tuple[Note, ...]
) -> CellEstimate:
    lines = tuple(int(line) for line in tests.lines)
    refusals: list[Note] = []
    kept = np.zeros(len(tests), dtype=bool)
    for row, voltages in enumerate(tests.voltages):
        why = _unusable(voltages, tests.counted_soc[row] if head.counted else None) or named.model.domain.refusals(
            voltages
        )
        kept[row] = not why
        refusals += [
            Note(note.key, f"row {lines[row]}: {note.text_en}", f"第 {lines[row]} 行：{note.text_zh}") for note in why
        ]
    if not kept.any():
        return CellEstimate(name, lines, None, None, tuple(refusals), odd)
    asked = tests.part(kept)
    soh, sd = head.predict(asked.voltages, asked.counted_soc)
    value, spread = float(soh.mean()), float(sd.mean())
    half = head.factor * spread
    stated = asked.nominal_ah[np.isfinite(asked.nominal_ah)]
    nominal = rated_ah or (float(stated[0]) if stated.size else named.model.nominal_ah)
    return CellEstimate(
        name,
        lines,
        estimated(
            value * nominal, (value - half) * nominal, (value + half) * nominal, spread * nominal, COVERAGE_P, "Ah"
        ),
        estimated(value, value - half, value + half, spread, COVERAGE_P, "1"),
        tuple(refusals),
        odd,
    )


def _unusable(voltages: FloatArray, counted_soc: float | None) -> tuple[Note, ...]:
    """Why a row cannot be asked about at all; empty: it can."""
    if not np.isfinite(voltages).all():
        missing = ", ".join(f"U{index + 1}" for index in np.flatnonzero(~np.isfinite(voltages)))
        return (Note("incomplete", f"no number in {missing}", f"{missing} 没有数值"),)
    seen = responses(voltages[None])
    if min(float(seen.instant.min()), float(seen.release.min())) <= 0.0:
        return (
            Note(
                "not_the_pulses",
                "the voltages do not answer the pulses as a resistance does: another order, sign or test?",
                "电压对脉冲的响应不像电阻：顺序、符号或试验类型是否不同？",
            ),
        )
    if counted_soc is not None and not COUNTED_LIMITS[0] <= counted_soc <= COUNTED_LIMITS[1]:
        found = f"{counted_soc:g}"
        return (Note("counted_soc", f"counted charge is {found} of nominal", f"计数电量为额定容量的 {found}"),)
    return ()


def _notes(named: NamedModel, head: Head, trained_on: list[str]) -> tuple[Note, ...]:
    notes = [
        Note(
            "estimate",
            "An estimate, not a measurement: it releases nothing. "
            "The interval is made to hold 95 % of cells like those trained on.",
            "这是估计值，不是测量值，不能作为放行依据。区间对与训练电芯相似的电芯按 95 % 的覆盖率校准。",
        )
    ]
    figures: dict[str, Any] | None = named.about.get("cross_validation")
    if figures is not None:
        own = figures["counted" if head.counted else "free"]
        notes.append(
            Note(
                "cross_validation",
                f"On cells left out: mean error {own['mae']:.2f} SOH points ({own['mae_rest_voltage_alone']:.2f} from "
                f"the rest voltage without any pulse), interval held {own['coverage']:.1%}.",
                f"对未参与训练的电芯：平均误差 {own['mae']:.2f} 个 SOH 百分点（仅用静置电压为 "
                f"{own['mae_rest_voltage_alone']:.2f}），区间覆盖率 {own['coverage']:.1%}。",
            )
        )
    if trained_on:
        notes.append(
            Note(
                "trained_on",
                f"The model was trained on {len(trained_on)} of these very cells: what it says of them proves nothing.",
                f"模型的训练数据包含其中 {len(trained_on)} 个电芯：对它们的估计不能说明模型的好坏。",
            )
        )
    if head.counted:
        notes.append(
            Note(
                "counted",
                "The file's SOC was taken as charge counted from empty over nominal capacity. A BMS's SOC is not that.",
                "文件中的 SOC 视为从放空起计数的电量与额定容量之比。BMS 显示的 SOC 不是这个量。",
            )
        )
    return tuple(notes)
