"""Records for the tests of the store and the recorder: plausible, and with the awkward cases in."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from packbench.core.records import Event, Gap, Row, StepRecord, Trip
from packbench.core.samples import Provenance
from packbench.store import RunMeta, Source

NAN = float("nan")


def make_meta(**changes: Any) -> RunMeta:
    values: dict[str, Any] = {
        "run_id": "R-0001",
        "provenance": Provenance.SIMULATED,
        "serial": "04QPE0A1A1B23C456",
        "profile": Source(name="gbt34015", text="name: 剩余容量\nsteps: []\n"),
        "pack": Source(name="nmc-96s", text="cells: 96\n"),
        "bench": Source(name="bench-1", text="cycler: {}\n"),
        "software_version": "0.1.0",
        "started_at": datetime(2026, 1, 1, 8, 0, tzinfo=UTC),
        "origin_ns": 123,
        "seed": 7,
        "operator": "李雷",
        "extra": {"level": "bytes"},
    }
    return RunMeta(**(values | changes))


def make_row(index: int, *, cells: int = 96, step: int = 1, cycle: int = 1) -> Row:
    """Row 1, 2, ...: half a second apart; every number differs from row to row."""
    volts = 3.6 + 0.001 * np.arange(cells, dtype=np.float64) + 1e-9 * index
    return Row(
        t_ns=index * 500_000_000 + 1,
        step=step,
        cycle=cycle,
        voltage_v=350.0 + index / 3,
        cycler_voltage_v=350.1 + index / 3,
        current_a=-0.0 if index % 7 == 0 else 20.0 + index / 7,
        step_ah=index * 20 / 7200,
        step_wh=index * 7000 / 7200,
        bms_t_ns=-1 if index == 1 else index * 500_000_000 - 300_000_000,
        cell_voltages_v=volts if index > 1 else np.empty(0),
        temperatures_c=(25.0, 25.5 + index / 9, NAN, -0.0) if index > 1 else (),
        bms_current_a=None if index % 5 == 0 else 19.9,
        soc=None if index % 3 == 0 else 0.5,
    )


def make_step(number: int, *, step: int, started_ns: int, ended_ns: int, cycle: int = 1) -> StepRecord:
    return StepRecord(
        number=number,
        step=step,
        label=f"s{step}",
        kind="cc_discharge",
        cycle=cycle,
        started_ns=started_ns,
        ended_ns=ended_ns,
        charge_ah=-19.9145,
        energy_wh=-71.789,
        tail_ah=-0.001,
        end_reason="cell_min <= 2.8 V",
        end_cell=None if number % 2 else 17,
        voltage_end_v=288.8,
        current_end_a=-20.0,
        cell_min_end_v=NAN,
        cell_max_end_v=3.1,
        temperature_min_c=24.0,
        temperature_max_c=26.5,
        imbalance_limited=number % 2 == 0,
        overshoot=None,
    )


TRIP = Trip("cell_over_voltage", "cell.over", 77, 4.31, 4.3, "V", "Cell 3 is too high.", "第 3 节电芯电压过高。")
GAP = Gap(100, 900, "restart")


def make_event(index: int) -> Event:
    return Event(index * 1_000_000_000, "step_intent", {"step": index, "note": "充电", "b": None, "a": [1.5, True]})


def same(left: Any, right: Any) -> bool:
    """Equal arrays, NaN equal to NaN, and the same sign of zero."""
    return np.array_equal(left, right, equal_nan=True) and bool(np.all(np.signbit(left) == np.signbit(right)))
