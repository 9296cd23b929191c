"""DC resistance by pulse: right in closed form, absent where the samples are too far apart, covered by its U."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.unit import diagnose_records as made

from packbench.analysis.diagnose.resistance import dc_resistances


def ohms(found) -> dict[float, Any]:
    return {one.at_s: one.resistance_ohm for one in found.read_outs}


def test_every_time_is_read_from_a_fast_record():
    rows, edge_s = made.pulse(0.02)
    (found,) = dc_resistances(made.evidence(rows))
    assert found.t_s == pytest.approx(edge_s, abs=0.011)
    assert found.before_a == 0.0 and found.after_a == -50.0
    assert found.rest_before_s == pytest.approx(20.0, abs=0.1)
    assert tuple(ohms(found)) == (0.1, 1.0, 2.0, 5.0, 10.0, 18.0, 30.0)
    for at_s, figure in ohms(found).items():
        assert figure.value == pytest.approx(made.true_ohm(at_s), abs=figure.U)
        assert figure.value == pytest.approx(made.true_ohm(at_s), rel=2e-3)
        assert figure.unit == "ohm" and 0.0 < figure.U < 0.02 * figure.value


@pytest.mark.parametrize(
    ("period_s", "times"),
    [
        (0.1, (0.1, 1.0, 2.0, 5.0, 10.0, 18.0, 30.0)),
        (1.0, (1.0, 2.0, 5.0, 10.0, 18.0, 30.0)),
        (4.0, (5.0, 10.0, 18.0, 30.0)),
    ],
)
def test_a_time_finer_than_the_samples_is_absent(period_s, times):
    rows, _ = made.pulse(period_s, length_s=44.0)
    (found,) = dc_resistances(made.evidence(rows))
    assert tuple(ohms(found)) == times


def test_nothing_is_read_beyond_the_pulse_or_after_its_current_moved():
    for length_s, last_s in ((12.0, 10.0), (10.1, 10.0), (9.9, 5.0)):
        rows, _ = made.pulse(0.1, length_s=length_s)
        (found,) = dc_resistances(made.evidence(rows))
        assert max(ohms(found)) == last_s
    rows, edge_s = made.pulse(0.1)
    late = rows.t_s > edge_s + 6.0
    rows.current_a[late] *= 0.9
    (found,) = dc_resistances(made.evidence(rows))
    assert max(ohms(found)) == 5.0


def test_a_taper_and_the_return_to_rest_are_no_edges():
    rows, _ = made.pulse(0.1)
    rows.current_a[400:] = 0.0
    assert len(dc_resistances(made.evidence(rows))) == 1
    rows.current_a[300:400] = -25.0
    assert len(dc_resistances(made.evidence(rows))) == 1
    rows.current_a[300:400] = 40.0
    assert len(dc_resistances(made.evidence(rows))) == 2


def test_of_a_drive_cycle_only_the_rare_change_after_a_steady_current_counts():
    rng = np.random.default_rng(8)
    for period_s in (0.1, 1.0):
        t_s = np.arange(0.0, 2000.0, period_s)
        current = rng.uniform(-50.0, 50.0, t_s.size)
        rows = made.table(t_s, made.OCV_V + 0.01 * current, current)
        assert len(dc_resistances(made.evidence(rows))) <= 0.005 * t_s.size


def test_a_pulse_after_a_pulse_counts_once_the_current_stood_for_two_seconds():
    rows, edge_s = made.pulse(0.1, length_s=40.0)
    again = (rows.t_s > edge_s + 20.0) & (rows.t_s < edge_s + 40.0)
    rows.current_a[again] = -80.0
    assert [round(one.after_a) for one in dc_resistances(made.evidence(rows))] == [-50, -80]
    rows.current_a[(rows.t_s > edge_s + 19.5) & (rows.t_s < edge_s + 20.0)] = 0.0
    assert [round(one.after_a) for one in dc_resistances(made.evidence(rows))] == [-50]


@pytest.mark.parametrize("period_s", [0.02, 1.0])
def test_monte_carlo_confirms_the_uncertainty(period_s):
    rng = np.random.default_rng(5)
    errors, widths = [], []
    for _ in range(300):
        rows, _ = made.pulse(period_s, phase=rng.uniform(0.0, 1.0))
        (found,) = dc_resistances(made.evidence(made.read(rows, made.METERS, rng)))
        read = ohms(found)
        errors.append([read[at_s].value - made.true_ohm(at_s) for at_s in (2.0, 10.0, 30.0)])
        widths.append([read[at_s].U for at_s in (2.0, 10.0, 30.0)])
    errors, widths = np.abs(errors), np.array(widths)
    covered = np.mean(errors <= widths, axis=0)
    assert np.all(covered >= 0.93), covered
    assert np.all(np.median(widths, axis=0) <= 1.45 * np.quantile(errors, 0.95, axis=0))


def test_nobody_stated_the_meters_so_there_is_no_uncertainty():
    rows, _ = made.pulse(0.1)
    (found,) = dc_resistances(made.evidence(rows, None))
    assert all(figure.U is None and figure.k is None for figure in ohms(found).values())
