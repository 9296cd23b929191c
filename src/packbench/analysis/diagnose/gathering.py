"""From a run's record, or a foreign file's table, to the evidence that diagnostics read.

Owns the two translations. Must not compute figures. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from packbench.analysis.diagnose.evidence import Evidence, Meters, Span
from packbench.analysis.run_inputs import NS, RunInputs
from packbench.analysis.samples.cutting import CutSteps
from packbench.analysis.samples.imported import ImportedSamples
from packbench.analysis.steprules import ended_cell
from packbench.analysis.steptable import StepTable
from packbench.analysis.table import EDGE_S, SECONDS_PER_HOUR, SampleTable, trapezoid
from packbench.analysis.uncertainty import stated_accuracies
from packbench.core.measured import Measured
from packbench.core.records import StepRecord
from packbench.core.specs import BenchSpec, PackSpec


def of_run(
    run: RunInputs, counted: Sequence[StepRecord], capacity: Measured | None, energy: Measured | None
) -> Evidence:
    """Our own run; `counted` are the discharges whose mean the capacity is."""
    spans = tuple(_span(run.rows, record) for record in run.steps)
    last = counted[-1].number if counted else None
    return Evidence(
        rows=run.rows,
        spans=spans,
        meters=_meters(run.bench),
        pack=run.pack,
        capacity_ah=capacity,
        energy_wh=energy,
        counted=next((place for place, span in enumerate(spans) if span.number == last), None),
        gaps_s=tuple((gap.started_ns / NS, gap.ended_ns / NS) for gap in run.gaps),
        start_within_s=run.bench.cycler.poll_period_ns / NS,
        cable_u_ohm=run.bench.cable_resistance_u_ohm if run.bench.sense_point == "cycler" else 0.0,
        bms_lag_s=run.bench.bms.poll_period_ns / NS,
    )


def _span(rows: SampleTable, record: StepRecord) -> Span:
    started_s, ended_s = record.started_ns / NS, record.ended_ns / NS
    low = int(np.searchsorted(rows.t_s, started_s - EDGE_S, side="left"))
    high = int(np.searchsorted(rows.t_s, ended_s + EDGE_S, side="right"))
    mine = np.flatnonzero(rows.step[low:high] == record.step)
    low, high = (low + int(mine[0]), low + int(mine[-1]) + 1) if mine.size else (low, low)
    return Span(
        number=record.number,
        kind=record.kind,
        cycle=record.cycle,
        low=low,
        high=high,
        started_s=started_s,
        ended_s=ended_s,
        charge_ah=record.charge_ah,
        energy_wh=record.energy_wh,
        end_cell=record.end_cell,
        limited=record.imbalance_limited,
        end_reason=record.end_reason,
        end_voltage_v=record.voltage_end_v,
        **_integrals(rows, low, high),
    )


def _integrals(rows: SampleTable, low: int, high: int) -> dict[str, float]:
    """What the voltmeter's and the cable's errors are weighed with."""
    part = rows.part(slice(low, high))
    hours = part.metered_s / SECONDS_PER_HOUR
    return {
        "volt_hours": trapezoid(hours, part.voltage_v),
        "amp2_hours": trapezoid(hours, part.current_a * part.current_a),
    }


def _meters(bench: BenchSpec) -> Meters | None:
    stated = stated_accuracies(bench)
    if stated is None:
        return None
    try:
        temperature = bench.accuracy("bms", "temperature_c")
    except KeyError:
        temperature = None
    return Meters(stated.current, stated.voltage, stated.cell, stated.time, temperature)


def of_samples(
    table: ImportedSamples,
    made: CutSteps,
    steps: StepTable,
    pack: PackSpec | None,
    counted: int | None,
    figures: tuple[Measured | None, Measured | None],
) -> Evidence:
    """A foreign file of samples; `figures` are capacity and energy. Nobody stated its meters."""
    spans = tuple(
        Span(
            number=index + 1,
            kind=made.kinds[index],
            cycle=int(table.rows.cycle[low]),
            low=low,
            high=high + 1,
            started_s=float(made.started_s[index]),
            ended_s=float(made.ended_s[index]),
            charge_ah=float(made.charge_ah[index]),
            energy_wh=float(made.energy_wh[index]),
            end_cell=ended_cell(step, pack),
            end_voltage_v=float(table.rows.voltage_v[high]),
        )
        for index, (low, high, step) in enumerate(
            zip(made.starts.tolist(), made.ends.tolist(), steps.steps, strict=True)
        )
    )
    gaps_s = tuple((from_s, to_s) for from_s, to_s, _ in made.gaps)
    rows = table.rows
    if gaps_s:
        rows = SampleTable(
            rows.t_s,
            rows.voltage_v,
            rows.current_a,
            rows.cell_voltages_v,
            rows.temperatures_c,
            rows.step,
            rows.cycle,
            gaps_s,
        )
    return Evidence(rows, spans, None, pack, *figures, counted, gaps_s)


def of_steps(
    table: StepTable, pack: PackSpec | None, counted: int | None, figures: tuple[Measured | None, Measured | None]
) -> Evidence:
    """A foreign file of steps, which has no samples: what needs them is absent."""
    nothing, index = np.empty(0), np.empty(0, dtype=np.int64)
    rows = SampleTable(nothing, nothing, nothing, np.empty((0, 0)), np.empty((0, 0)), index, index)
    spans = tuple(
        Span(
            number=step.number,
            kind=step.kind,
            cycle=step.cycle,
            low=0,
            high=0,
            started_s=0.0 if step.started_s is None else step.started_s,
            ended_s=0.0 if step.ended_s is None else step.ended_s,
            charge_ah=step.charge_ah,
            energy_wh=step.energy_wh,
            end_voltage_v=step.voltage_end_v,
        )
        for step in table.steps
    )
    return Evidence(rows, spans, None, pack, *figures, counted)
