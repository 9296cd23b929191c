"""A foreign pack log gets the same diagnostics as a run of ours, without any uncertainty: nobody stated its meters."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.benchmarks import redraws

from packbench.analysis.importer import analyze_file
from packbench.core.measured import Measured


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any]:
    """(case, truth, result): an NMC pack's charge, rest and discharge as a log of another system."""
    case = redraws.case("nmc", 3)
    course = redraws.Course(case, redraws.InstrumentErrors.draw(case.bench, case.pack.series, 5), 5)
    for step in (course.charge, course.rest, course.discharge):
        step()
    rows = course.rows()
    names = ["Time(s)", "Step", "Voltage(V)", "Current(A)"]
    names += [f"CAN1_V{k + 1}" for k in range(case.pack.series)]
    columns = (rows.t_s[:, None], rows.step[:, None], rows.voltage_v[:, None], rows.current_a[:, None])
    path: Path = tmp_path_factory.mktemp("log") / "pack.csv"
    np.savetxt(path, np.hstack((*columns, rows.cell_voltages_v)), "%.6g", ",", header=",".join(names), comments="")
    return case, redraws.true_end(case), analyze_file(path, None, case.pack)


def test_which_cell_ended_each_step_is_said(logged):
    _, truth, result = logged
    charge, rest, discharge = result.steps
    assert discharge.end_cell == truth.cell == result.weakest_cell.index
    assert rest.end_cell is None
    assert charge.end_cell == result.diagnostics.balance.charge_cell is not None
    assert result.diagnostics.balance.limited_by == "imbalance"
    assert result.imbalance_limited is False


def test_cells_are_compared_and_nothing_has_an_uncertainty(logged):
    case, _, result = logged
    told = result.diagnostics
    true_ah = redraws.PackModel(case.pack, 25.0).cells.capacity_as / 3600.0
    found_ah = np.array([one.capacity_ah.value for one in told.cells.cells])
    assert np.std(found_ah / true_ah) < 0.002
    assert told.dc_resistance and told.relaxation and told.derivatives

    def measured(value: object) -> list[Measured]:
        if isinstance(value, Measured):
            return [value]
        if dataclasses.is_dataclass(value):
            return [one for field in dataclasses.fields(value) for one in measured(getattr(value, field.name))]
        return [one for each in value for one in measured(each)] if isinstance(value, tuple) else []

    with_u = [one for one in measured(told) if one.U is not None]
    # A time constant's own scatter is known without knowing the meter.
    allowed = [rest.time_constant_s for rest in told.relaxation]
    assert all(one in allowed for one in with_u)


def test_without_a_pack_file_no_cell_is_said_to_have_ended_a_step(logged, tmp_path):
    del logged
    rows = ["Time(s),Step,Voltage(V),Current(A),CAN1_V1,CAN1_V2"]
    rows += [f"{t},{1 + t // 100},7.0,{10 if t < 100 else -10},{4.2 if t == 99 else 3.5},3.4" for t in range(200)]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert [step.end_cell for step in analyze_file(path).steps] == [None, None]
