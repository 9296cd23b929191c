"""Damaged and senseless records: the diagnostics never raise, and what they say can be written and read back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.unit import analysis_run as run_made
from tests.unit import diagnose_records as made

from packbench.analysis.diagnose.build import diagnose
from packbench.analysis.diagnose.evidence import Span
from packbench.analysis.table import SampleTable
from packbench.core.measured import Measured
from packbench.report.content_diagnostics import diagnostic_sections
from packbench.report.json_out import result_from_json, result_to_json


def damaged(rows: SampleTable, rng: np.random.Generator, kind: int) -> SampleTable:
    """The same record with something wrong in it."""
    t_s, v, i = rows.t_s.copy(), rows.voltage_v.copy(), rows.current_a.copy()
    cells, warm = rows.cell_voltages_v.copy(), rows.temperatures_c.copy()
    if kind == 0:
        cells[rng.random(cells.shape) < 0.1] = np.nan
    elif kind == 1:
        cells[:, rng.integers(0, 4)] = np.nan
    elif kind == 2:
        v[:] = rng.choice([0.0, 1.0])
    elif kind == 3:
        i[:] = rng.choice([0.0, -1.0, 1.0])
    elif kind == 4:
        t_s = np.repeat(t_s[::5], 5)[: t_s.size]
    elif kind == 5:
        warm[:] = np.nan
    elif kind == 6:
        cells[:] = rng.choice([3.3, 0.0])
    elif kind == 7:
        i = rng.standard_normal(i.size) * rng.choice([0.001, 10.0])
    elif kind == 8:
        cells = rng.random(cells.shape)
    else:
        v, cells = v + rng.standard_normal(v.size), cells + 0.1 * rng.standard_normal(cells.shape)
    whole = SampleTable(t_s, v, i, cells, warm, rows.step, rows.cycle)
    kept = rng.random(len(rows)) >= rng.choice([0.0, 0.0, 0.5, 0.97])
    return whole.part(kept) if kept.any() else whole


@pytest.mark.parametrize("kind", range(10))
def test_a_damaged_run_is_analysed_written_and_read_back(kind):
    rng = np.random.default_rng(kind)
    base = run_made.made_up_run()
    for _ in range(12):
        steps = base.steps
        if rng.random() < 0.2:
            nothing = [bool(rng.integers(0, 2)) for _ in steps]
            steps = tuple(
                replace(s, charge_ah=s.charge_ah * n, energy_wh=0.0) for s, n in zip(steps, nothing, strict=True)
            )
        result = run_made.analysed(replace(base, rows=damaged(base.rows, rng, kind), steps=steps))
        written = result_to_json(result)
        assert result_to_json(result_from_json(written)) == written
        for lang in ("en", "zh"):
            diagnostic_sections(result, {}, lang)


def test_senseless_steps_over_senseless_samples_raise_nothing():
    rng = np.random.default_rng(99)
    for _ in range(250):
        count, series = int(rng.integers(0, 400)), int(rng.integers(0, 5))
        t_s = np.sort(rng.random(count) * rng.choice([10.0, 1e4, 3e5]))
        rows = made.table(
            t_s, 50.0 + rng.standard_normal(count), rng.choice([0.0, 10.0, -10.0], count),
            3.5 + rng.standard_normal((count, series)),
        )  # fmt: skip
        cuts = np.sort(rng.integers(0, count + 1, 6)).tolist()
        spans = tuple(
            Span(
                number, str(rng.choice(["rest", "cc_charge", "cc_discharge", "pulse"])), 1, low, high,
                float(t_s[low]) if low < count else 0.0, float(t_s[high - 1]) if high > low else 0.0,
                float(rng.choice([0.0, 5.0, -5.0])), float(rng.choice([0.0, 50.0, -50.0])),
                end_voltage_v=None if rng.random() < 0.5 else 40.0,
            )
            for number, (low, high) in enumerate(pairwise(cuts), start=1)
        )  # fmt: skip
        settings: dict[str, Any] = {"counted": int(rng.integers(0, 5))}
        settings["capacity_ah"] = Measured(float(rng.choice([0.0, 5.0])), 0.1, 2.0, 0.95, "Ah")
        settings["pack"] = run_made.PACK if rng.random() < 0.5 else None
        told = diagnose(made.evidence(rows, made.METERS if rng.random() < 0.5 else None, spans=spans, **settings))
        assert {each.figure for each in told.absent} <= set(told.__dataclass_fields__)
