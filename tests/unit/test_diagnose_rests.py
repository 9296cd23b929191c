"""Efficiency, relaxation, self-discharge and the reference temperature: right in closed form, absent with a reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit import analysis_run as run_made
from tests.unit import diagnose_records as made

from packbench.analysis.diagnose.build import diagnose
from packbench.analysis.diagnose.efficiency import efficiencies
from packbench.analysis.diagnose.evidence import Span
from packbench.analysis.diagnose.reference import at_reference
from packbench.analysis.diagnose.relaxation import fit_exponential, relaxations
from packbench.analysis.diagnose.selfdischarge import self_discharges
from packbench.core.measured import Measured


def step(number, kind, hours, charge_ah, voltage_v, end_v, started_h=0.0):
    return Span(
        number, kind, number, 0, 0, started_h * 3600.0, (started_h + hours) * 3600.0, charge_ah, charge_ah * voltage_v,
        end_voltage_v=end_v, volt_hours=voltage_v * hours, amp2_hours=(charge_ah / hours) ** 2 * hours,
    )  # fmt: skip


def cycle(in_ah=100.5, in_v=50.0, out_ah=100.0, out_v=48.0):
    return (
        step(1, "cccv_charge", 2.0, 60.0, 50.0, 56.0),
        step(2, "cc_discharge", 5.0, -100.0, 48.0, 40.0, 2.0),
        step(3, "cccv_charge", 4.0, in_ah, in_v, 56.0, 7.0),
        step(4, "cc_discharge", 5.0, -out_ah, out_v, 40.01, 11.0),
    )


EMPTY = made.table(np.empty(0), np.empty(0), np.empty(0))


def test_a_cycle_lies_between_two_like_ends():
    (found,) = efficiencies(made.evidence(EMPTY, spans=cycle()))
    assert found.charge_steps == (3,) and found.discharge_steps == (4,)
    assert found.coulombic.value == pytest.approx(100.0 / 100.5)
    assert found.energy.value == pytest.approx(100.0 * 48.0 / (100.5 * 50.0))
    drifting = (*cycle()[:2], step(9, "rest", 0.5, -0.01, 40.0, 41.0, 7.0), *cycle()[2:])
    assert len(efficiencies(made.evidence(EMPTY, spans=drifting))) == 1, "a rest's residue ends no discharge"
    unlike = (*cycle()[:3], replace(cycle()[3], end_voltage_v=44.0))
    assert efficiencies(made.evidence(EMPTY, spans=unlike)) == ()
    assert efficiencies(made.evidence(EMPTY, spans=cycle()[2:])) == ()
    assert efficiencies(made.evidence(EMPTY, spans=cycle(), gaps_s=((8 * 3600.0, 8.1 * 3600.0),))) == ()


def test_monte_carlo_confirms_the_efficiencies():
    rng, truth = np.random.default_rng(3), cycle()
    current, voltage = made.METERS.current, made.METERS.voltage
    true = efficiencies(made.evidence(EMPTY, spans=truth))[0]
    errors = []
    for _ in range(2000):
        gain, offset = current.gain * rng.uniform(-1, 1), current.offset * rng.uniform(-1, 1)
        gain_v, offset_v = voltage.gain * rng.uniform(-1, 1), voltage.offset * rng.uniform(-1, 1)
        read = []
        for span in truth:
            hours = (span.ended_s - span.started_s) / 3600.0
            moved = span.charge_ah * (1 + gain) + offset * hours
            mean_v = span.energy_wh / span.charge_ah * (1 + gain_v) + offset_v
            read.append(replace(span, charge_ah=moved, energy_wh=moved * mean_v))
        found = efficiencies(made.evidence(EMPTY, spans=tuple(read)))[0]
        errors.append((found.coulombic.value - true.coulombic.value, found.energy.value - true.energy.value))
    spread = np.std(errors, axis=0)
    for figure, sd in zip((true.coulombic, true.energy), spread, strict=True):
        assert figure.U is not None and figure.k is not None
        assert figure.U / figure.k == pytest.approx(sd, rel=0.05)


def rest(v, t_s, **changes):
    """A charge and a rest whose readings are given."""
    rows = made.table(np.concatenate(((-10.0, -5.0), t_s)), np.concatenate(((50.0, 50.0), v)),
                      np.concatenate(((20.0, 20.0), np.zeros(t_s.size))))  # fmt: skip
    spans = (
        Span(1, "cc_charge", 1, 0, 2, -10.0, -5.0, 0.03, 1.5),
        Span(2, "rest", 1, 2, len(rows), 0.0, float(t_s[-1]), 0.0, 0.0),
    )
    return made.evidence(rows, spans=spans, **changes)


def test_a_relaxation_is_read_and_its_slow_time_constant_fitted():
    rng = np.random.default_rng(1)
    t_s = np.arange(0.0, 3601.0, 2.0)
    true_v = 48.0 + 0.4 * np.exp(-t_s / 6.0) + 0.3 * np.exp(-t_s / 700.0)
    misses, settled = [], []
    found: Any = None
    for _ in range(40):
        (found,) = relaxations(rest(true_v + 0.001 * rng.standard_normal(t_s.size), t_s))
        assert found.after_a == 20.0
        figure: Any = found.time_constant_s
        settled_v: Any = found.settled_v
        misses.append(abs(figure.value - 700.0) <= figure.U)
        settled.append(abs(settled_v.value - 48.0) <= settled_v.U)
        assert figure.value == pytest.approx(700.0, rel=0.03)
        assert figure.k > 1.96
    assert np.mean(misses) >= 0.9 and np.mean(settled) >= 0.9
    read = {one.at_s: one.voltage_v for one in found.voltages}
    assert tuple(read) == (10.0, 60.0, 300.0, 600.0, 1800.0, 3600.0), "1 s is finer than the samples"
    for at_s, one in read.items():
        exact = 48.0 + 0.4 * np.exp(-at_s / 6.0) + 0.3 * np.exp(-at_s / 700.0)
        assert abs(one.value - exact) <= one.U


def test_a_relaxation_that_is_no_single_exponential_gets_no_time_constant():
    rng = np.random.default_rng(2)
    t_s = np.arange(0.0, 3601.0, 2.0)
    two = 48.0 + 0.3 * np.exp(-t_s / 500.0) + 0.3 * np.exp(-t_s / 2500.0) + 1e-4 * rng.standard_normal(t_s.size)
    assert fit_exponential(t_s, two) is None
    still = 48.0 + 1e-3 * rng.standard_normal(t_s.size)
    assert fit_exponential(t_s, still) is None
    slow = 48.0 + 0.3 * np.exp(-t_s / 20000.0) + 1e-3 * rng.standard_normal(t_s.size)
    assert fit_exponential(t_s, slow) is None


def long_rest(hours, leaky_v_day, rng):
    t_s = np.arange(0.0, hours * 3600.0, 60.0)
    days = t_s / 86400.0
    cells = 4.0 - 0.002 * days[:, None] + 0.03 * np.exp(-t_s / 3000.0)[:, None] * np.ones(6)
    cells[:, 4] += leaky_v_day * days
    cells = np.round(cells + 3e-4 * rng.standard_normal(cells.shape), 4)
    return rest(cells.sum(axis=1), t_s), cells


def with_cells(evidence, cells):
    rows = evidence.rows
    return replace(evidence, rows=replace(rows, cell_voltages_v=np.vstack((cells[:2], cells))))


def test_self_discharge_needs_a_day_and_names_the_leaky_cell():
    rng = np.random.default_rng(4)
    short, cells = long_rest(20.0, -0.01, rng)
    told = diagnose(with_cells(short, cells))
    assert told.self_discharge == ()
    assert any(each.figure == "self_discharge" and "20.0 h" in each.reason_en for each in told.absent)
    long, cells = long_rest(48.0, -0.01, rng)
    (found,) = self_discharges(with_cells(long, cells))
    assert found.fastest_cell == 5 and found.decided
    cell: Any = found.cell_slope_v_day
    assert abs(cell.value + 0.01) <= cell.U < 0.002
    assert found.slope_v_day.value == pytest.approx(-0.022, abs=0.001)
    sound, cells = long_rest(48.0, 0.0, rng)
    assert self_discharges(with_cells(sound, cells))[0].decided is False


def test_the_capacity_at_25_degrees_stands_beside_the_measured_one():
    t_s = np.linspace(0.0, 3600.0, 100)
    rows = made.table(t_s, 48.0 - t_s / 1e4, np.full(100, -10.0), temperature_c=35.0)
    capacity = Measured(10.0, 0.05, 2.0, 0.95, "Ah")
    base = made.evidence(rows, capacity_ah=capacity, counted=0)
    found: Any = at_reference(base)
    assert found.capacity_ah.value == pytest.approx(10.0 / 1.03)
    rng = np.random.default_rng(6)
    drawn = (10.0 + 0.025 * rng.standard_normal(20000)) / (
        1.0 + 0.006 * rng.uniform(0, 1, 20000) * (10.0 + rng.uniform(-1, 1, 20000))
    )
    assert found.capacity_ah.U / found.capacity_ah.k == pytest.approx(float(np.std(drawn)), rel=0.05)
    assert "assumption" in found.source_en
    far = made.evidence(replace(rows, temperatures_c=rows.temperatures_c - 30.0), capacity_ah=capacity, counted=0)
    assert at_reference(far) is None


def test_a_whole_run_has_its_diagnostics():
    told = run_made.analysed(run_made.made_up_run()).diagnostics
    assert len(told.efficiency) == 1, "the first charge began at an unknown state"
    assert told.at_reference is not None
    assert {each.figure for each in told.absent} >= {"self_discharge", "relaxation"}


def test_a_meter_that_nobody_stated_gives_no_uncertainty():
    found = efficiencies(made.evidence(EMPTY, None, spans=cycle()))[0]
    assert found.coulombic.U is None and found.energy.U is None
