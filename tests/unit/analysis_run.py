"""A small made-up run for the analysis tests: four cells, two cycles, curves known in closed form."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from packbench.analysis.capacity import analyse_run
from packbench.analysis.run_inputs import RunInputs
from packbench.analysis.table import SampleTable, charge_ah, energy_wh
from packbench.analysis.verdict import Signature
from packbench.core.limits import Limits, LimitSet
from packbench.core.records import StepRecord
from packbench.core.specs import Accuracy, BenchSpec, DeviceSpec, Instrument, PackSpec
from packbench.profile.plan import (
    Agreement,
    CellLimit,
    Condition,
    ConstantCurrent,
    ConstantVoltage,
    End,
    LoopEnd,
    Plan,
    RecordRule,
    Rest,
    ResultRule,
    Test,
)


def analysed(run: RunInputs) -> Any:
    """The result; Any, because the tests know which of its figures are there."""
    return analyse_run(run)


RATED_AH = 50.0
CURRENT_A = 10.0
CAPACITIES_AH = (40.0, 40.2)
NEXT_AH = 0.5
"""What the second cell would still give."""


def device(role, period_ns):
    return DeviceSpec(role, "x", "x", 1, period_ns, 10**9, 10**9)


def instruments(due_on="2027-06-30"):
    cycler = MappingProxyType(
        {
            "current_a": Accuracy(0.001, 0.01, resolution=0.001, noise=0.005),
            "voltage_v": Accuracy(0.0005, 0.01, resolution=0.001, noise=0.001),
            "time": Accuracy(5e-5, 0.0),
        }
    )
    bms = MappingProxyType({"cell_voltage_v": Accuracy(0.0002, 0.002, resolution=0.001, noise=0.0003)})
    return (
        Instrument("cycler", "C-1", "cert-1", "2026-06-30", due_on, cycler),
        Instrument("bms", "B-1", "cert-2", "2026-06-30", "2027-06-30", bms),
    )


def bench(**changes):
    base = BenchSpec(
        "made-up", "made up", device("cycler", 500_000_000), device("bms", 1_000_000_000),
        device("board", 200_000_000), 200_000_000, 500_000_000, 20_000_000, "pack", 0.0, 0.0, 25.0,
        MappingProxyType({}), 2.0, 2, MappingProxyType({}), instruments(),
    )  # fmt: skip
    return replace(base, **changes)


PACK = PackSpec("made-up-4s", "4s", "nmc", 4, 1, RATED_AH, 740.0, 2.8, 4.2, 1, 1000.0, LimitSet())
LIMITS = Limits(17.2, 10.0, 4.25, 2.5, 50.0, 50.0, 55.0, 0.0, 2.0, 0.8, origin=(("cell_voltage_max_v", "pack"),))
AGREEMENT = Agreement(step=2, within=1.5, cycles=2)
TIMES: dict[str, Any] = {"record": RecordRule(10_000_000_000), "max_time_ns": 10**14}


def plan(min_soh=None, until=None):
    cutoff = Condition((Test("cell_min", "<=", 2.8),), 0, None, "cell_min <= 2.8 V")
    return Plan(
        "made-up", "Made up", "虚构",
        (
            ConstantVoltage(
                sign=1,
                label="charge", kind="cccv_charge", current_a=16.7, voltage_v=16.8, end_current_a=2.5,
                cell_limit=CellLimit(4.2, "taper", 2.5), **TIMES,
            ),
            Rest(label="rest", kind="rest", **TIMES),
            ConstantCurrent(
                sign=-1,
                label="discharge", kind="cc_discharge", current_a=CURRENT_A, clamp_voltage_v=10.0,
                until=until or (cutoff,), **TIMES,
            ),
            LoopEnd(label="loop", kind="loop", start=0, repeat=5, agreement=AGREEMENT, **TIMES),
            End(label="end", kind="end", **TIMES),
        ),
        LimitSet(), ResultRule(2, AGREEMENT, min_soh, 17.0, 37.0), "0" * 64, "made-up.yaml",
    )  # fmt: skip


def curve_v(to_go_ah):
    """A cell's voltage by what it still has: a straight line and a knee."""
    return 3.3 + 0.015 * to_go_ah - 0.5 * np.exp(-to_go_ah / 0.8)


def discharge_rows(start_s, capacity_ah, cycle):
    length_s = capacity_ah / CURRENT_A * 3600.0
    t_s = np.linspace(0.0, length_s, round(length_s / 10.0) + 1)
    to_go = capacity_ah - CURRENT_A * t_s / 3600.0
    extra = (3.0, NEXT_AH, 0.0, 5.0)
    cells = np.column_stack([curve_v(to_go + each) for each in extra])
    return rows(start_s + t_s, np.full(t_s.size, -CURRENT_A), cells, 3, cycle)


def charge_rows(start_s, cycle):
    """CC at 16.7 A and a taper in stairs to 2.5 A, cell 2 first at 4.2 V; 8 mV/Ah and 2 mohm."""
    t_s = np.arange(0.0, 3600.0 + 1e-6, 10.0)
    current = np.select([t_s < 1800.0, t_s < 2400.0, t_s < 3000.0], [16.7, 8.0, 4.0], 2.5)
    q = np.concatenate(([0.0], np.cumsum(0.5 * (current[1:] + current[:-1]) * 10.0 / 3600.0)))
    full = 4.2 + 0.008 * (q - q[-1]) + 0.002 * (current - 2.5)
    cells = np.column_stack([full - 0.05, full, full - 0.04, full - 0.06])
    return rows(start_s + t_s, current, cells, 1, cycle)


def rows(t_s, current_a, cells, step, cycle):
    count = t_s.size
    return SampleTable(
        t_s, cells.sum(axis=1), current_a, cells, np.full((count, 1), 25.0),
        np.full(count, step, dtype=np.int64), np.full(count, cycle, dtype=np.int64),
    )  # fmt: skip


def joined(parts):
    names = ("t_s", "voltage_v", "current_a", "cell_voltages_v", "temperatures_c", "step", "cycle")
    columns: Any = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return SampleTable(**columns)


def record(number, part, label, kind, reason, end_cell):
    started_s, ended_s = float(part.t_s[0]), float(part.t_s[-1])
    return StepRecord(
        number=number, step=int(part.step[0]), label=label, kind=kind, cycle=int(part.cycle[0]),
        started_ns=round(started_s * 1e9), ended_ns=round(ended_s * 1e9),
        charge_ah=charge_ah(part, started_s, ended_s), energy_wh=energy_wh(part, started_s, ended_s), tail_ah=0.0,
        end_reason=reason, end_cell=end_cell, voltage_end_v=float(part.voltage_v[-1]),
        current_end_a=float(part.current_a[-1]), cell_min_end_v=float(part.cell_voltages_v[-1].min()),
        cell_max_end_v=float(part.cell_voltages_v[-1].max()), temperature_min_c=24.0, temperature_max_c=31.0,
        imbalance_limited=False,
    )  # fmt: skip


def made_up_run(capacities_ah=CAPACITIES_AH, **changes):
    parts, steps, t_s = [], [], 0.0
    for cycle, capacity in enumerate(capacities_ah, start=1):
        charge = charge_rows(t_s, cycle)
        parts.append(charge)
        steps.append(record(len(steps) + 1, charge, "charge", "cccv_charge", "cell 2 at 4.2 V at the end current", 2))
        t_s = float(charge.t_s[-1]) + 600.0
        discharge = discharge_rows(t_s, capacity, cycle)
        parts.append(discharge)
        steps.append(record(len(steps) + 1, discharge, "discharge", "cc_discharge", "cell_min <= 2.8 V", 3))
        t_s = float(discharge.t_s[-1]) + 600.0
    base = RunInputs(
        run_id="run-1", serial="001PB005000001D7B0500007", provenance="measured", seed=None,
        started_at="2026-11-23T08:00:00+00:00", ended_at="2026-11-23T20:00:00+00:00",
        end_reason="the profile's end", completed=True, plan=plan(), pack=PACK, bench=bench(), limits=LIMITS,
        steps=tuple(steps), rows=joined(parts), balancing=False, signature=Signature("key-1", by_bench=True),
    )  # fmt: skip
    return replace(base, **changes)
