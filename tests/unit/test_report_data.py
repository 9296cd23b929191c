"""A synthetic run of a retired 96-cell pack that the report's tests share, and tests of the columns themselves."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from packbench.core.limits import LimitSet
from packbench.core.records import Row
from packbench.core.result import Contribution, Measured, Note, Result, StepResult, WeakestCell
from packbench.core.specs import Accuracy, Instrument, PackSpec
from packbench.report.inputs import Columns, ReportInputs, columns_of, no_columns

SERIES = 96
WEAK = 37
RATED_AH = 120.0
_SOC = np.array([0.0, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
_OCV = np.array([2.75, 3.15, 3.42, 3.55, 3.66, 3.90, 4.07, 4.20])


def make_columns(dt_s: float = 10.0) -> Columns:
    """Two cycles: charge 40 A, rest, discharge 24 A until cell 37 is at 2.8 V, rest."""
    rng = np.random.default_rng(7)
    capacity = np.full(SERIES, 101.0) + rng.normal(0, 0.8, SERIES)
    capacity[WEAK - 1] = 97.2
    start = np.full(SERIES, 0.3) + rng.normal(0, 0.004, SERIES)
    start[WEAK - 1] = 0.282
    resistance = 1.3e-3 + rng.normal(0, 5e-5, SERIES)
    charge_ah = start * capacity
    t, blocks, temperature = 0.0, [], 26.0
    for cycle in (1, 2):
        for step, current_a, most_s in ((1, 40.0, 4e4), (2, 0.0, 1800.0), (3, -24.0, 4e4), (4, 0.0, 1800.0)):
            began = t
            while t - began < most_s:
                cells = np.interp(charge_ah / capacity, _SOC, _OCV) + current_a * resistance
                temperature += dt_s * (1.2e-6 * current_a**2 - (temperature - 25.0) / 5400)
                noise = rng.normal(0, 2e-4, SERIES)
                blocks.append((t, cells.sum(), current_a, temperature, cells + noise, step, cycle))
                if (current_a > 0 and cells.max() >= 4.2) or (current_a < 0 and cells.min() <= 2.8):
                    break
                charge_ah = charge_ah + current_a * dt_s / 3600
                t += dt_s
            t += dt_s
    columns = list(zip(*blocks, strict=True))
    return Columns(
        np.array(columns[0]),
        np.array(columns[1]),
        np.array(columns[2]),
        np.array(columns[3]),
        np.array(columns[4]),
        np.array(columns[5], dtype=np.int64),
        np.array(columns[6], dtype=np.int64),
    )


COLUMNS = make_columns()


def _step(number, label, kind, cycle, seconds, ah, wh, reason, cell, v, a, low, high, temp):
    return StepResult(number, label, kind, cycle, seconds, ah, wh, reason, cell, v, a, low, high, temp)


STEPS = tuple(
    step
    for cycle in (1, 2)
    for step in (
        _step(
            4 * cycle - 3,
            "charge at I3",
            "cccv_charge",
            cycle,
            9312.0,
            97.913,
            37013.2,
            "cell_max >= 4.2 V",
            12,
            398.21,
            2.0,
            4.117,
            4.2,
            28.4,
        ),
        _step(
            4 * cycle - 2,
            "rest after charge",
            "rest",
            cycle,
            1800.0,
            0.0,
            0.0,
            "step_time >= 30 min",
            None,
            395.4,
            0.0,
            4.09,
            4.17,
            27.9,
        ),
        _step(
            4 * cycle - 1,
            "capacity",
            "cc_discharge",
            cycle,
            14552.0,
            -97.012,
            -35406.8,
            "cell_min <= 2.8 V",
            WEAK,
            316.6,
            -24.0,
            2.7993,
            3.3871,
            27.1,
        ),
        _step(
            4 * cycle,
            "rest after discharge",
            "rest",
            cycle,
            1800.0,
            0.0,
            0.0,
            "step_time >= 30 min",
            None,
            325.7,
            0.0,
            3.15,
            3.43,
            26.2,
        ),
    )
)

BUDGET = (
    Contribution("current_gain", 0.0561, None, correlated=True),
    Contribution("current_offset", 0.1683, None, correlated=True),
    Contribution("current_noise", 0.0004, None, correlated=False),
    Contribution("time_base", 0.0028, None, correlated=True),
    Contribution("cutoff_voltage", 0.0310, None, correlated=True),
    Contribution("end_delay", 0.0067, None, correlated=False),
    Contribution("repeatability", 0.0420, 1.0, correlated=False),
)

LIMITS = {
    "pack_voltage_max_v": {"value": 403.2, "unit": "V", "origin": "pack"},
    "pack_voltage_min_v": {"value": 268.8, "unit": "V", "origin": "pack"},
    "cell_voltage_max_v": {"value": 4.25, "unit": "V", "origin": "pack"},
    "cell_voltage_min_v": {"value": 2.7, "unit": "V", "origin": "profile"},
    "charge_current_max_a": {"value": 60.0, "unit": "A", "origin": "cable"},
    "discharge_current_max_a": {"value": 60.0, "unit": "A", "origin": "cable"},
    "temperature_max_c": {"value": 45.0, "unit": "degC", "origin": "pack"},
    "temperature_min_c": {"value": 10.0, "unit": "degC", "origin": "profile"},
    "temperature_rate_max_k_min": {"value": 2.0, "unit": "K/min", "origin": "board"},
    "cell_spread_max_v": {"value": 0.9, "unit": "V", "origin": "profile"},
}

RESULT = Result(
    provenance="simulated",
    run_id="20261123T103000Z-7F3A2C",
    serial="001PB005000001D7B0500007",
    profile="gbt34015-residual-capacity",
    pack="nmc-96s-retired",
    seed=1,
    started_at="2026-11-23T10:30:00+00:00",
    ended_at="2026-11-24T01:45:52+00:00",
    end_reason="the profile's end",
    verdict="PASS",
    valid=True,
    invalid_reasons=(),
    imbalance_limited=False,
    capacity_ah=Measured(97.0117, 0.3843, 2.02, 0.95, "Ah", BUDGET),
    energy_wh=Measured(35406.8, 171.3, 2.0, 0.95, "Wh"),
    soh=Measured(0.80843, 0.0032, 2.02, 0.95, "1"),
    soce=Measured(0.8123, 0.0039, 2.0, 0.95, "1"),
    weakest_cell=WeakestCell(WEAK, "cell_min <= 2.8 V", Measured(2.413, 0.33, 2.0, 0.95, "Ah")),
    cell_spread_v=Measured(0.5878, 0.0023, 2.0, 0.95, "V"),
    steps=STEPS,
    gaps=(),
    limits=LIMITS,
    trips=(),
    hashes={"log_sha256": "9f86d081884c7d65" * 4, "profile_sha256": "6" * 64},
    paths={"result": "result.json"},
    operator="Li Wei",
    bench="ea-psb-500",
    capacities_ah=(96.982, 97.0414),
    agreeing_cycles=(1, 2),
)

TRIP_S = 5427.4
TRIP = {
    "rule": "cell_over_voltage",
    "fault_id": "sensor.weak_cell",
    "t_s": TRIP_S,
    "value": 4.263,
    "limit": 4.25,
    "unit": "V",
    "text_en": "Cell 12 rose to 4.263 V; no cell may exceed 4.250 V.",
    "text_zh": "第 12 号单体电压升至 4.263 V，超过单体上限 4.250 V。",
}

TRIPPED = replace(
    RESULT,
    provenance="emulated",
    verdict="ABORTED",
    valid=False,
    invalid_reasons=("stopped by safety: Cell 12 rose to 4.263 V; no cell may exceed 4.250 V.",),
    invalid_reasons_zh=("安全停止：第 12 号单体电压升至 4.263 V，超过单体上限 4.250 V。",),
    end_reason="Cell 12 rose to 4.263 V; no cell may exceed 4.250 V.",
    capacity_ah=None,
    energy_wh=None,
    soh=None,
    soce=None,
    weakest_cell=None,
    cell_spread_v=None,
    steps=STEPS[:1],
    trips=(TRIP,),
    capacities_ah=(),
    agreeing_cycles=(),
    ended_at="2026-11-23T12:00:27+00:00",
    gaps=({"started_s": 2900.0, "ended_s": 3220.0, "reason": "BMS link lost"},),
)

IMPORTED = replace(
    RESULT,
    provenance="imported",
    run_id="LMO_C_25_B_24",
    serial="",
    profile="imported work steps",
    pack="lmo-25ah",
    seed=None,
    operator=None,
    bench=None,
    capacity_ah=Measured(19.9145, None, None, 0.95, "Ah"),
    energy_wh=Measured(71.789, None, None, 0.95, "Wh"),
    soh=Measured(0.79658, None, None, 0.95, "1"),
    soce=None,
    weakest_cell=None,
    cell_spread_v=None,
    steps=(
        _step(
            1,
            "恒流放电",
            "cc_discharge",
            1,
            2867.0,
            -19.9145,
            -71.789,
            "voltage <= 3 V",
            None,
            2.9993,
            -25.0,
            None,
            None,
            None,
        ),
    ),
    limits={},
    hashes={"source_sha256": "a" * 64},
    capacities_ah=(),
    agreeing_cycles=(),
    end_reason="voltage <= 3 V",
    notes=(Note("no_accuracy", "Nobody stated the accuracy of these instruments.", "未给出测量仪器的准确度。"),),
)

INSTRUMENTS = (
    Instrument(
        "cycler",
        "EA-2409170033",
        "CNAS L0579 2026-03181",
        "2026-03-18",
        "2027-03-17",
        MappingProxyType(
            {
                "current_a": Accuracy(0.001, 0.03),
                "voltage_v": Accuracy(0.0005, 0.1),
                "time": Accuracy(5e-5, 0.0),
            }
        ),
    ),
    Instrument(
        "bms",
        "BMS-0007",
        "CNAS L0579 2026-03182",
        "2025-10-01",
        "2026-09-30",
        MappingProxyType({"cell_voltage_v": Accuracy(0.0, 0.002), "temperature_c": Accuracy(0.0, 1.0)}),
    ),
)

PACK = PackSpec(
    name="nmc-96s-retired",
    title="NMC EV pack, 96s1p, retired",
    chemistry="nmc",
    series=SERIES,
    parallel=1,
    rated_capacity_ah=RATED_AH,
    rated_energy_wh=43200.0,
    cell_cutoff_v=2.8,
    cell_full_v=4.2,
    temperature_sensors=8,
    max_power_w=30e3,
    limits=LimitSet(),
)


def make_inputs(result: Result = RESULT, rows: Columns = COLUMNS) -> ReportInputs:
    """The inputs of a report, whole by default."""
    return ReportInputs(
        result=result,
        rows=rows,
        instruments=INSTRUMENTS,
        profile_title_en="Residual capacity after GB/T 34015",
        profile_title_zh="剩余容量测试（参照 GB/T 34015）",
        pack_title=PACK.title,
        bench_title="EA PSB 10500-120 bench",
        software_version="0.1.0",
        pack=PACK,
        wall_seconds=18.42,
    )


def tripped_inputs() -> ReportInputs:
    """A run that a safety rule stopped, with a gap."""
    keep = (COLUMNS.t_s <= TRIP_S) & ((COLUMNS.t_s < 2900) | (COLUMNS.t_s > 3220))
    rows = Columns(
        COLUMNS.t_s[keep],
        COLUMNS.voltage_v[keep],
        COLUMNS.current_a[keep],
        COLUMNS.temperature_max_c[keep],
        COLUMNS.cells_v[keep],
        COLUMNS.step[keep],
        COLUMNS.cycle[keep],
    )
    return make_inputs(TRIPPED, rows)


def imported_inputs() -> ReportInputs:
    """A foreign work-step file: no curves, no instruments, no uncertainty."""
    inputs = make_inputs(IMPORTED, no_columns())
    return replace(inputs, instruments=(), pack=None, bench_title="", pack_title="LMO cell, 25 Ah", wall_seconds=None)


def _row(t_ns: int, cells: list[float], temperatures: tuple[float, ...] = (25.0, 27.5)) -> Row:
    return Row(t_ns, 3, 1, 350.0, 350.2, -24.0, -1.0, -350.0, t_ns, np.array(cells), temperatures, None, 0.5)


def test_columns_of_rows_keeps_units_and_order():
    columns = columns_of([_row(0, [3.6, 3.7]), _row(1_500_000_000, [3.5, 3.6])])
    assert columns.t_s.tolist() == [0.0, 1.5]
    assert columns.cells_v.tolist() == [[3.6, 3.7], [3.5, 3.6]]
    assert columns.temperature_max_c.tolist() == [27.5, 27.5]
    assert columns.step.tolist() == [3, 3]


def test_a_row_with_too_few_cells_is_absent_not_shifted():
    columns = columns_of([_row(0, []), _row(1, [3.5, 3.6], ())])
    assert np.isnan(columns.cells_v[0]).all()
    assert columns.cells_v[1].tolist() == [3.5, 3.6]
    assert np.isnan(columns.temperature_max_c[1])


def test_no_rows_give_empty_columns():
    assert columns_of([]).t_s.size == 0


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="voltage_v"):
        replace(columns_of([_row(0, [3.6]), _row(1, [3.6])]), voltage_v=np.zeros(1))
