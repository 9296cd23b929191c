"""Made-up records for the diagnostics: a cell whose every figure is known in closed form, read with stated meters."""

from __future__ import annotations

from typing import Any

import numpy as np

from packbench.analysis.diagnose.evidence import Evidence, Meters, Span
from packbench.analysis.table import SampleTable
from packbench.core.specs import Accuracy

R0_OHM, R1_OHM, TAU_S, OCV_V = 0.010, 0.006, 8.0, 48.0
METERS = Meters(
    current=Accuracy(0.001, 0.02, resolution=0.002, noise=0.004),
    voltage=Accuracy(0.0005, 0.01, resolution=0.001, noise=0.0015),
    cell=Accuracy(0.0005, 0.002, resolution=0.0001, noise=0.0003),
    time=Accuracy(5e-5, 0.0),
    temperature=Accuracy(0.0, 1.0),
)


def table(t_s, voltage_v, current_a, cells_v=None, temperature_c: float = 25.0):
    count = t_s.size
    cells_v = np.empty((count, 0)) if cells_v is None else cells_v
    warm = np.full((count, 2), temperature_c)
    ones = np.ones(count, dtype=np.int64)
    return SampleTable(t_s, voltage_v, current_a, cells_v, warm, ones, ones)


def one_span(rows, kind="pulse"):
    moved_ah = float(np.trapezoid(rows.current_a, rows.t_s)) / 3600.0
    work_wh = float(np.trapezoid(rows.current_a * rows.voltage_v, rows.t_s)) / 3600.0
    return Span(1, kind, 1, 0, len(rows), float(rows.t_s[0]), float(rows.t_s[-1]), moved_ah, work_wh)


def true_ohm(at_s):
    return R0_OHM + R1_OHM * (1.0 - np.exp(-at_s / TAU_S))


def pulse(period_s, current_a=-50.0, length_s=40.0, phase=0.5, rest_s=20.0):
    """Rest and one pulse, sampled every `period_s`; the edge lies at `phase` between two samples. (rows, edge s)"""
    before = round(rest_s / period_s)
    t_s = np.arange(0, before + round(length_s / period_s)) * period_s
    edge_s = float(t_s[before - 1]) + phase * period_s
    since_s = t_s - edge_s
    current = np.where(since_s >= 0.0, current_a, 0.0)
    voltage = OCV_V + current * true_ohm(np.maximum(since_s, 0.0))
    return table(t_s, voltage, current), edge_s


def read(rows, meters, rng):
    """What the meters show of true rows: a gain and an offset once, noise each time, rounded."""
    shown = []
    for true, accuracy in ((rows.voltage_v, meters.voltage), (rows.current_a, meters.current)):
        gain, offset = accuracy.gain * rng.uniform(-1, 1), accuracy.offset * rng.uniform(-1, 1)
        value = true * (1.0 + gain) + offset + accuracy.noise * rng.standard_normal(true.shape)
        shown.append(np.round(value / accuracy.resolution) * accuracy.resolution)
    return table(rows.t_s, shown[0], shown[1], rows.cell_voltages_v)


def evidence(rows, meters: Any = METERS, spans: Any = None, **changes: Any) -> Any:
    return Evidence(rows, (one_span(rows),) if spans is None else spans, meters, **changes)
