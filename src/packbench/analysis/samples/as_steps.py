"""A table of samples as a table of steps, with notes on its counters and its gaps.

Owns the bridge from `samples` to the rules that judge a foreign file (`steprules`). Pure.
"""

from __future__ import annotations

import math

import numpy as np

from packbench.analysis.samples.counters import CounterReading, read_counter
from packbench.analysis.samples.cutting import CutSteps, cut
from packbench.analysis.samples.imported import ImportedSamples
from packbench.analysis.steptable import StepTable, TableStep
from packbench.core.result import Note

AGREES_REL = 1e-3
"""Counter and integral further apart than this (and than AGREES_AH) on a step longer than a minute are reported."""
LONGER_THAN_S = 60.0
LISTED_MAX = 10


def steps_of(table: ImportedSamples) -> tuple[StepTable, CutSteps, tuple[Note, ...]]:
    """The table of steps, the cut it came from, and what must be said of it."""
    made = cut(table)
    readings, notes = _counters(table, made)
    del readings
    steps = tuple(_step(table, made, index) for index in range(made.starts.size))
    if not made.by_number:
        notes.append(
            Note(
                "steps_by_current",
                "The file numbers no steps: they were recognised by the current's sign.",
                "文件未给出工步号，工步由电流方向识别。",
            )
        )
    step_table = StepTable(
        source=table.source,
        layout=table.layout,
        steps=steps,
        started_at=table.started_at,
        ended_at=table.ended_at,
        utc_offset_assumed=table.utc_offset_assumed,
        sha256=table.sha256,
        pauses=made.gaps,
    )
    return step_table, made, (*table.notes, *notes)


def _step(table: ImportedSamples, made: CutSteps, index: int) -> TableStep:
    rows, low, high = table.rows, int(made.starts[index]), int(made.ends[index])
    part = slice(low, high + 1)
    current_a, voltage_v = rows.current_a[part], rows.voltage_v[part]
    kind = made.kinds[index]
    peak = float(current_a[int(np.argmax(np.abs(current_a)))])
    warmest = _largest(rows.temperatures_c[part])
    end_v = rows.cell_voltages_v[high]
    known = np.isfinite(end_v)
    return TableStep(
        number=index + 1,
        kind=kind,
        duration_s=float(made.duration_s[index]),
        charge_ah=float(made.charge_ah[index]),
        energy_wh=float(made.energy_wh[index]),
        program_step=None,
        cycle=int(rows.cycle[low]),
        label=kind,
        started_s=float(made.started_s[index]),
        ended_s=float(made.ended_s[index]),
        voltage_start_v=float(voltage_v[0]),
        voltage_max_v=float(np.max(voltage_v)),
        voltage_end_v=float(voltage_v[-1]),
        current_start_a=peak if kind.startswith("cccv") else float(current_a[0]),
        current_end_a=float(current_a[-1]),
        temperature_max_c=warmest,
        source_row=int(table.source_rows[low]),
        cell_min_end_v=float(end_v[known].min()) if known.any() else None,
        cell_max_end_v=float(end_v[known].max()) if known.any() else None,
        lowest_cell=int(np.nanargmin(end_v)) + 1 if known.any() else None,
        highest_cell=int(np.nanargmax(end_v)) + 1 if known.any() else None,
    )


def _largest(values: np.ndarray) -> float | None:
    if values.size == 0:
        return None
    warmest = float(np.fmax.reduce(values, axis=None))
    return warmest if math.isfinite(warmest) else None


def _counters(table: ImportedSamples, made: CutSteps) -> tuple[list[CounterReading], list[Note]]:
    readings: list[CounterReading] = []
    notes: list[Note] = []
    for name, values in table.counters.items():
        integral = made.energy_wh if "energy" in name else made.charge_ah
        reading = read_counter(name, values, made.starts, table.rows.cycle, integral)
        if reading is None:
            notes.append(_unknown(name, values, integral, "Wh" if "energy" in name else "Ah"))
            continue
        readings.append(reading)
        notes.append(_checked(reading, made))
    return readings, [note for note in notes if note.key]


def _unknown(name: str, values: np.ndarray, integral: np.ndarray, unit: str) -> Note:
    if not np.any(np.nan_to_num(values)):
        return Note("", "", "")
    moved = float(np.sum(np.abs(integral)))
    top = float(np.nanmax(np.abs(values)))
    return Note(
        "counter_not_understood",
        f"The file's counter {name} (largest {top:.4g} {unit}) fits our own integral of the current (through-put "
        f"{moved:.4g} {unit}) neither as one that resets a step, a cycle nor never: it is not used.",
        f"文件中的计数 {name}（最大 {top:.4g} {unit}）与电流积分（累计 {moved:.4g} {unit}）"
        "无论按工步、循环清零或不清零都不符，未采用。",
    )


_RESETS_EN = {"never": "never resets", "cycle": "resets every cycle", "step": "resets every step"}
_RESETS_ZH = {"never": "从不清零", "cycle": "每循环清零", "step": "每工步清零"}


def _checked(reading: CounterReading, made: CutSteps) -> Note:
    unit = "Wh" if "energy" in reading.name else "Ah"
    deviation = reading.deviation()
    largest = float(np.nanmax(np.abs(reading.expected)))
    judged = np.isfinite(deviation) & (made.duration_s > LONGER_THAN_S)
    judged &= np.abs(reading.expected) > 1e-3 * largest
    where = np.flatnonzero(judged)
    signs_en = ", unsigned" if reading.way == "unsigned" else ", signed" if reading.way == "signed" else ""
    signs_zh = "，无符号" if reading.way == "unsigned" else "，带符号" if reading.way == "signed" else ""
    what_en = f"The file's counter {reading.name} ({_RESETS_EN[reading.resets]}{signs_en})"
    what_zh = f"文件中的计数 {reading.name}（{_RESETS_ZH[reading.resets]}{signs_zh}）"
    beyond = where[np.abs(deviation[where]) > AGREES_REL]
    if beyond.size == 0:
        worst = 0.0 if where.size == 0 else float(deviation[where][int(np.argmax(np.abs(deviation[where])))])
        return Note(
            f"counter_{reading.name}",
            f"{what_en} agrees with our own integral on {where.size} steps longer than {LONGER_THAN_S:g} s; worst "
            f"{worst * 100:+.3f} %.",
            f"{what_zh}在 {where.size} 个超过 {LONGER_THAN_S:g} s 的工步上与积分一致，最大偏差 {worst * 100:+.3f} %。",
        )
    order = beyond[np.argsort(-np.abs(deviation[beyond]))][:LISTED_MAX]
    listed = ", ".join(
        f"{k + 1} ({reading.per_step[k]:+.5g} against {reading.expected[k]:+.5g} {unit}, {deviation[k] * 100:+.2f} %)"
        for k in order.tolist()
    )
    return Note(
        f"counter_differs_{reading.name}",
        f"{what_en} differs from our own integral, which is what the figures are, by more than {AGREES_REL * 100:g} % "
        f"on {beyond.size} of {where.size} steps longer than {LONGER_THAN_S:g} s; largest at steps {listed}.",
        f"{what_zh}在 {where.size} 个超过 {LONGER_THAN_S:g} s 的工步中有 {beyond.size} 个与积分（结果采用积分值）"
        f"相差超过 {AGREES_REL * 100:g} %；最大者为工步 {listed}。",
    )
