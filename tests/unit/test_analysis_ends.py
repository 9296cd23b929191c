"""dQ/dV and the noise-free reading at the end of a step, on curves whose answers are known."""

import itertools

import numpy as np
import pytest

from packbench.analysis.ends import fit_end
from packbench.analysis.table import SampleTable


def table(t_s, current_a, cells_v):
    count = t_s.size
    one = np.ones(count, dtype=np.int64)
    return SampleTable(t_s, cells_v.sum(axis=1), current_a, cells_v, np.empty((count, 0)), one, one)


def falling(noise_v=0.0, seed=1, extra_v=0.3):
    """A discharge at 30 A, rows every 10 s, v = 2.8 + 0.15 q + 0.02 q^2 with q Ah still to go."""
    t_s = np.arange(0.0, 1200.0, 10.0)
    to_go = 30.0 * (t_s[-1] - t_s) / 3600.0
    weak = 2.8 + 0.15 * to_go + 0.02 * to_go**2
    cells = np.column_stack((weak + extra_v, weak))
    if noise_v:
        cells = cells + noise_v * np.random.default_rng(seed).standard_normal(cells.shape)
    return table(t_s, np.full(t_s.size, -30.0), cells)


def test_the_slope_at_the_end_of_a_discharge_is_the_curves_own():
    end = fit_end(falling(), 2, 2.8, 2, 50.0)
    assert end is not None
    assert end.ah_per_v == pytest.approx(1.0 / 0.15, rel=0.01)
    assert end.reading_v == pytest.approx(2.8, abs=1e-4)
    assert end.cell_readings_v == pytest.approx([3.1, 2.8], abs=1e-4)
    assert end.resistance_ohm == 0.0
    assert end.current_a == pytest.approx(30.0)
    assert end.pack_voltage_v == pytest.approx(5.9, abs=2e-4)


def test_noise_of_a_millivolt_leaves_the_slope_within_a_tenth():
    ends = [fit_end(falling(0.001, seed), 2, 2.8, 2, 50.0) for seed in range(40)]
    slopes = [end.ah_per_v for end in ends if end is not None]
    assert len(slopes) == 40
    assert np.median(slopes) == pytest.approx(1.0 / 0.15, rel=0.05)
    assert np.percentile(slopes, 90) < 1.2 / 0.15


def test_the_pack_voltage_is_taken_when_no_cell_ended_the_step():
    end = fit_end(falling(), None, 5.9, 2, 50.0)
    assert end is not None
    assert end.cell is None
    assert end.ah_per_v == pytest.approx(1.0 / 0.30, rel=0.01)
    assert end.reading_v == pytest.approx(5.9, abs=2e-4)


def taper():
    """CC at 50 A, then a staircase of 0.7 down to 7.5 A at 4.2 V: v = 4.2 + 0.008 (q - q_end) + 0.0015 (i - i_end)."""
    currents = [50.0]
    while currents[-1] > 7.5:
        currents.append(max(0.7 * currents[-1], 7.5))
    slope, ohm = 0.008, 0.0015
    drops = [ohm * (high - low) / slope for high, low in itertools.pairwise(currents)]
    spans = [4.0, *drops]  # Ah in each stair: what lifts the voltage back by the drop
    t_s, current_a, q = [0.0], [50.0], [0.0]
    for current, span in zip(currents, spans, strict=True):
        for _ in range(int(span / current * 3600.0 / 5.0)):
            t_s.append(t_s[-1] + 5.0)
            current_a.append(current)
            q.append(q[-1] + current * 5.0 / 3600.0)
    t_s, current_a, q = np.array(t_s), np.array(current_a), np.array(q)
    v = 4.2 + slope * (q - q[-1]) + ohm * (current_a - current_a[-1])
    return table(t_s, current_a, v[:, None])


def test_a_taper_tells_slope_and_resistance_apart():
    end = fit_end(taper(), 1, 4.2, 1, 50.0)
    assert end is not None
    assert end.ah_per_v == pytest.approx(125.0, rel=0.03)
    assert end.resistance_ohm == pytest.approx(0.0015, rel=0.03)
    assert end.current_a == pytest.approx(7.5)
    assert end.reading_v == pytest.approx(4.2, abs=2e-4)


def polarised_taper():
    """As a real cell: 11 mV/Ah, 0.6 mohm at once and 0.6 mohm more with a time constant of 240 s, 0.3 mV of noise."""
    slope, ohm, slow_ohm, tau_s, limit_v = 0.011, 0.0006, 0.0006, 240.0, 4.2
    t_s, current_a, v, q, slow_a, current, changed_s = [0.0], [50.0], [3.9], 0.0, 0.0, 50.0, -10.0
    noise = np.random.default_rng(3)
    ocv_v = 3.6
    while True:
        slow_a += (1.0 - np.exp(-1.0 / tau_s)) * (current - slow_a)
        q += current / 3600.0
        reading = ocv_v + slope * q + ohm * current + slow_ohm * slow_a + 0.0003 * noise.standard_normal()
        t_s.append(t_s[-1] + 1.0)
        current_a.append(current)
        v.append(reading)
        if reading >= limit_v and t_s[-1] - changed_s >= 3.0:
            if current <= 7.5:
                break
            current, changed_s = max(0.7 * current, 7.5), t_s[-1]
    return table(np.array(t_s), np.array(current_a), np.array(v)[:, None])


def test_slow_polarisation_in_a_taper_does_not_pass_for_a_flat_curve():
    end = fit_end(polarised_taper(), 1, 4.2, 1, 150.0)
    assert end is not None
    assert end.ah_per_v == pytest.approx(1.0 / 0.011, rel=0.1)
    assert end.resistance_ohm == pytest.approx(0.0012, rel=0.2)
    assert -0.002 < end.reading_v - 4.2 < -0.0002  # ended early, on noise


def test_rows_without_a_cell_reading_are_left_out():
    rows = falling()
    rows.cell_voltages_v[5, 1] = np.nan
    rows.cell_voltages_v[-4, 1] = np.nan
    end = fit_end(rows, 2, 2.8, 2, 50.0)
    assert end is not None
    assert end.ah_per_v == pytest.approx(1.0 / 0.15, rel=0.01)


def test_too_little_data_gives_nothing_rather_than_a_guess():
    rows = falling()
    assert fit_end(rows.between(0.0, 50.0), 2, 2.8, 2, 50.0) is None
    assert fit_end(rows, 3, 2.8, 2, 50.0) is None
