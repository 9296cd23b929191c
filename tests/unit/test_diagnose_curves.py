"""OCV, ICA and DVA: a curve known in closed form comes back, with its smoothing stated and its scatter covered."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit import diagnose_records as made

from packbench.analysis.diagnose.build import diagnose
from packbench.analysis.diagnose.derivatives import POINTS, WINDOW, derivatives
from packbench.analysis.diagnose.evidence import Span
from packbench.analysis.diagnose.ocv import ocv_curves
from packbench.core.measured import Measured
from packbench.report.curves_out import write_curves

CAPACITY_AH = 50.0
STAGES = ((0.3, 0.05), (0.7, 0.04))


def ocv_v(soc) -> Any:
    """A cell with two stages, each a step of 0.15 V."""
    return 3.2 + 0.4 * soc + sum(0.15 / (1.0 + np.exp(-(soc - at) / wide)) for at, wide in STAGES)


def slope_v_ah(soc) -> Any:
    stages = (np.exp(-(soc - at) / wide) / wide / (1.0 + np.exp(-(soc - at) / wide)) ** 2 for at, wide in STAGES)
    return (0.4 + 0.15 * sum(stages)) / CAPACITY_AH


def discharge(hours, rng=None, ohm=0.001, both=False):
    """A whole discharge (after a whole charge, with `both`) of four like cells at constant current, one row in 10 s."""
    current_a, t_s = CAPACITY_AH / hours, np.arange(0.0, hours * 3600.0 + 1.0, 10.0)
    parts = []
    for sign in (1.0, -1.0) if both else (-1.0,):
        soc = t_s / t_s[-1] if sign > 0.0 else 1.0 - t_s / t_s[-1]
        parts.append((ocv_v(soc) + sign * current_a * ohm, np.full(t_s.size, sign * current_a)))
    v, current = (np.concatenate(column) for column in zip(*parts, strict=True))
    cells = np.repeat(v[:, None], 4, axis=1)
    if rng is not None:
        cells = np.round(cells + 0.0003 * rng.standard_normal(cells.shape), 4)
    all_s = np.concatenate([k * (t_s[-1] + 10.0) + t_s for k in range(len(parts))])
    rows = made.table(all_s, cells.sum(axis=1), current, cells)
    spans = tuple(
        Span(
            k + 1, "cc_charge" if both and k == 0 else "cc_discharge", 1, k * t_s.size, (k + 1) * t_s.size,
            float(all_s[k * t_s.size]), float(all_s[(k + 1) * t_s.size - 1]),
            CAPACITY_AH * (1.0 if both and k == 0 else -1.0), 0.0,
        )
        for k in range(len(parts))
    )  # fmt: skip
    capacity = Measured(CAPACITY_AH, 0.1, 2.0, 0.95, "Ah")
    return made.evidence(rows, spans=spans, capacity_ah=capacity, counted=len(spans) - 1)


def test_the_derivatives_are_those_of_the_curve_and_state_their_smoothing():
    (found,) = derivatives(discharge(5.0))
    soc = 1.0 - np.array(found.charge_ah) / CAPACITY_AH
    inner = slice(WINDOW, POINTS - WINDOW)
    assert np.array(found.voltage_v)[inner] == pytest.approx(ocv_v(soc)[inner] - 0.01, abs=1e-3)
    assert -np.array(found.dv_dq_v_ah)[inner] == pytest.approx(slope_v_ah(soc)[inner], rel=0.03)
    inverse = np.array(found.dq_dv_ah_v, dtype=float)[inner]
    assert inverse == pytest.approx(1.0 / slope_v_ah(soc)[inner], rel=0.03)
    assert found.window_ah == pytest.approx(CAPACITY_AH * WINDOW / POINTS)
    assert "Savitzky-Golay" in found.method_en and str(WINDOW) in found.method_zh
    assert found.rate_per_h == pytest.approx(0.2)
    assert found.of == "mean_cell" and found.direction == "discharge"


def test_uneven_sampling_gives_the_same_curve():
    even = derivatives(discharge(5.0))[0]
    evidence = discharge(5.0)
    rng = np.random.default_rng(1)
    kept = np.sort(rng.choice(len(evidence.rows), 900, replace=False))
    kept[0], kept[-1] = 0, len(evidence.rows) - 1
    rows = evidence.rows
    thin = made.table(rows.t_s[kept], rows.voltage_v[kept], rows.current_a[kept], rows.cell_voltages_v[kept])
    span = replace(evidence.spans[0], high=len(thin))
    uneven = derivatives(replace(evidence, rows=thin, spans=(span,)))[0]
    inner = slice(WINDOW, POINTS - WINDOW)
    assert np.array(uneven.dv_dq_v_ah)[inner] == pytest.approx(np.array(even.dv_dq_v_ah)[inner], rel=0.02)


def test_monte_carlo_confirms_the_scatter_of_dv_dq():
    rng = np.random.default_rng(2)
    exact = np.array(derivatives(discharge(5.0))[0].dv_dq_v_ah)
    drawn = [derivatives(discharge(5.0, rng))[0] for _ in range(60)]
    scatter = np.std([np.array(one.dv_dq_v_ah) - exact for one in drawn], axis=0)
    gains = np.hypot(0.0005, 0.001) / 3**0.5 * np.abs(exact)
    stated = np.median([one.dv_dq_u_v_ah for one in drawn], axis=0)
    inner = slice(WINDOW, POINTS - WINDOW)
    by_scatter = np.sqrt(stated**2 - gains**2)[inner]
    assert np.median(by_scatter) == pytest.approx(np.median(scatter[inner]), rel=0.15)


def test_the_peaks_are_the_plateaus_and_noise_makes_none():
    (found,) = derivatives(discharge(5.0, np.random.default_rng(3)))
    flattest = np.linspace(0.02, 0.98, 4000)
    slopes: Any = slope_v_ah(flattest)
    maxima = [k for k in range(1, 3999) if slopes[k] < slopes[k - 1] and slopes[k] < slopes[k + 1]]
    between = [float(ocv_v(flattest[k]) - 0.01) for k in maxima]
    assert len(found.peaks) >= 1
    for peak in found.peaks:
        assert min(abs(peak.voltage_v - at_v) for at_v in between) < 0.02
        figure: Any = peak.dq_dv_ah_v
        assert 0.0 < figure.U < 0.3 * figure.value


def test_ocv_of_a_slow_charge_and_discharge_is_their_mean_and_a_fast_one_gives_none():
    (found,) = ocv_curves(discharge(20.0, both=True))
    assert found.method == "mean" and found.rate_per_h == pytest.approx(0.05)
    for point in found.points:
        figure: Any = point.voltage_v
        assert figure.value == pytest.approx(ocv_v(point.soc), abs=1e-4)
        assert 0.0 < figure.U < 0.02
    told = diagnose(discharge(5.0, both=True))
    assert told.ocv == ()
    assert [each.reason_en for each in told.absent if each.figure == "ocv" and "C/5.0" in each.reason_en]


def test_ocv_of_rests_keeps_the_branches_apart_and_says_how_far_from_settled():
    t_s, current_a, spans, v = [], [], [], []
    at_s, soc = 0.0, 1.0
    for k in range(9):
        low = len(t_s)
        step_s = np.arange(0.0, 1801.0, 10.0)
        t_s += (at_s + step_s).tolist()
        current_a += [-10.0] * step_s.size
        v += (ocv_v(soc - 10.0 * step_s / 3600.0 / CAPACITY_AH) - 0.03).tolist()
        soc -= 5.0 / CAPACITY_AH
        spans.append(Span(2 * k + 1, "cc_discharge", 1, low, len(t_s), at_s, at_s + 1800.0, -5.0, 0.0))
        at_s, low = at_s + 1810.0, len(t_s)
        t_s += (at_s + step_s).tolist()
        current_a += [0.0] * step_s.size
        v += (ocv_v(soc) - 0.02 * np.exp(-step_s / 600.0)).tolist()
        spans.append(Span(2 * k + 2, "rest", 1, low, len(t_s), at_s, at_s + 1800.0, 0.0, 0.0))
        at_s += 1810.0
    cells = np.repeat(np.array(v)[:, None], 4, axis=1)
    rows = made.table(np.array(t_s), cells.sum(axis=1), np.array(current_a), cells)
    capacity = Measured(CAPACITY_AH, 0.1, 2.0, 0.95, "Ah")
    (found,) = ocv_curves(made.evidence(rows, spans=tuple(spans), capacity_ah=capacity))
    assert (found.method, found.branch, len(found.points)) == ("rests", "discharge", 9)
    for point, exact in zip(found.points, 0.1 + 0.1 * np.arange(9), strict=True):
        figure: Any = point.voltage_v
        # Ten minutes' decay leaves 1 mV at the end; the rest's second half moved by 4 mV, which is in U.
        assert abs(figure.value - ocv_v(exact)) <= figure.U < 0.02
        assert figure.U > 0.003
        assert point.charge_ah == pytest.approx((exact - 0.1) * CAPACITY_AH, abs=0.05)


def test_the_curves_leave_as_tables(tmp_path):
    told = diagnose(discharge(20.0, both=True))
    written = write_curves(told, tmp_path / "new")
    assert set(written) == {"ocv", "derivatives"}
    header, *rows = (tmp_path / "new" / "derivatives.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 2 * POINTS
    first = dict(zip(header.split(","), next(csv.reader([rows[0]])), strict=True))
    assert float(first["dv_dq_v_ah"]) == pytest.approx(told.derivatives[0].dv_dq_v_ah[0])
    assert "Savitzky-Golay" in first["method"]
    assert len((tmp_path / "new" / "ocv.csv").read_text(encoding="utf-8").splitlines()) == 22
    assert write_curves(None, tmp_path / "none") == {} and not (tmp_path / "none").exists()
