"""Monte Carlo against the propagation: on a closed-form cell, and through the whole analysis of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit import analysis_run as made
from tests.unit.test_analysis_uncertainty import a_cycle, bench, combined, stated

from packbench.analysis.ends import StepEnd
from packbench.analysis.uncertainty import contributions, cycle_terms
from packbench.core.specs import Accuracy

CURRENT = Accuracy(0.001, 0.05)
CELL = Accuracy(0.0003, 0.003)
CLOCK = Accuracy(0.0002, 0.0)
DISCHARGE_A, FULL_A, OHM = 30.0, 8.0, 0.0012
FULL_V, CUTOFF_V = 4.2, 2.8

Q_GRID = np.linspace(-20.0, 150.0, 20001)
OCV_GRID = 3.25 + 0.0079 * Q_GRID - 0.45 * np.exp(-Q_GRID / 4.0)


def charge_at(volts):
    """Ah in the cell at an open-circuit voltage."""
    return np.interp(volts, OCV_GRID, Q_GRID)


def closed_form(gain, offset, clock, cell_gain, full_offset, cutoff_offset):
    """What a bench with these errors would count, Ah: reading = true (1 + gain) + offset."""
    full_a = (FULL_A - offset) / (1.0 + gain)
    out_a = (DISCHARGE_A + offset) / (1.0 + gain)
    q_full = charge_at((FULL_V - full_offset) / (1.0 + cell_gain) - OHM * full_a)
    q_empty = charge_at((CUTOFF_V - cutoff_offset) / (1.0 + cell_gain) + OHM * out_a)
    true_ah = q_full - q_empty
    return true_ah / out_a * DISCHARGE_A * (1.0 + clock)


def step_end(cell, limit_v, charge_a, ohm):
    ocv = limit_v - OHM * charge_a
    ah_per_v = float(charge_at(ocv + 5e-4) - charge_at(ocv - 5e-4)) / 1e-3
    readings = np.full(3, 3.6)
    readings[cell - 1] = limit_v
    return StepEnd(cell, limit_v, ah_per_v, ohm, abs(charge_a), limit_v, readings, 3.0 * limit_v)


def drawn(accuracy, rng, count):
    return accuracy.gain * rng.uniform(-1, 1, count), accuracy.offset * rng.uniform(-1, 1, count)


def test_the_propagation_is_the_monte_carlos_within_a_few_percent():
    rng = np.random.default_rng(20261123)
    count = 200_000
    gain, offset = drawn(CURRENT, rng, count)
    clock, _ = drawn(CLOCK, rng, count)
    cell_gain, full_offset = drawn(CELL, rng, count)
    cutoff_offset = CELL.offset * rng.uniform(-1, 1, count)
    errors = closed_form(gain, offset, clock, cell_gain, full_offset, cutoff_offset)
    true_ah = float(closed_form(0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    errors = errors - true_ah

    cycle = replace(
        a_cycle(step_end(1, FULL_V, FULL_A, OHM), step_end(2, CUTOFF_V, -DISCHARGE_A, 0.0)),
        capacity_ah=true_ah, duration_h=true_ah / DISCHARGE_A, current_a=DISCHARGE_A,
    )  # fmt: skip
    terms = [
        term
        for term in cycle_terms(cycle, bench(), stated(current=CURRENT, cell=CELL, time=CLOCK))
        if term.name != "end_delay"  # the closed form ends on the instant
    ]
    figure = combined(true_ah, contributions([true_ah], [terms], energy=False), "Ah")
    standard_u = figure.U / figure.k
    assert standard_u == pytest.approx(float(errors.std()), rel=0.03)
    assert abs(float(errors.mean())) < 0.05 * standard_u
    # k is that of a normal distribution: conservative for rectangular errors, never below 95 %.
    half_width = float(np.quantile(np.abs(errors), 0.95))
    assert 1.0 <= figure.U / half_width < 1.25
    assert float(np.mean(np.abs(errors) <= figure.U)) >= 0.95


def test_one_dominating_rectangular_error_makes_u_a_fifth_too_wide_and_no_more():
    rng = np.random.default_rng(1)
    offset = 0.05 * rng.uniform(-1, 1, 100_000) * 4.0
    terms = cycle_terms(a_cycle(), bench(), stated(current=Accuracy(0.0, 0.05)))
    figure = combined(120.0, contributions([120.0], [terms], energy=False), "Ah")
    assert figure.U / float(np.quantile(np.abs(offset), 0.95)) == pytest.approx(1.96 / 1.6454, rel=0.01)


def a_run_with_errors(seed):
    """A made-up run as a bench with drawn errors would have recorded it."""
    rng = np.random.default_rng(seed)
    instruments = {each.name: each.quantities for each in made.instruments()}
    current, cell = instruments["cycler"]["current_a"], instruments["bms"]["cell_voltage_v"]
    gain, offset = (float(each[0]) for each in drawn(current, rng, 1))
    cell_gain = cell.gain * float(rng.uniform(-1, 1))
    offsets = cell.offset * rng.uniform(-1, 1, 4)
    # Charge: cell 2 is full early by what its channel reads high (125 Ah/V). Discharge: cell 3 likewise.
    full_ah = -(made.PACK.cell_full_v * cell_gain + offsets[1]) * 125.0
    to_go = np.linspace(-0.3, 0.3, 6001)
    readings = made.curve_v(to_go) * (1.0 + cell_gain) + offsets[2]
    left_ah = float(np.interp(made.PACK.cell_cutoff_v, readings, to_go))
    true_ah = 40.0 + full_ah - left_ah
    true_a = (made.CURRENT_A + offset) / (1.0 + gain)
    parts, steps = [], []
    for cycle in (1, 2):
        charge = made.charge_rows(20000.0 * (2 * cycle - 2), cycle)
        discharge = made.discharge_rows(20000.0 * (2 * cycle - 1), true_ah / true_a * made.CURRENT_A, cycle)
        discharge.cell_voltages_v[:] = made.curve_v(
            left_ah + np.linspace(true_ah, 0.0, len(discharge))[:, None] + np.array([3.0, 0.5, 0.0, 5.0])
        )
        for part in (charge, discharge):
            seen = part.cell_voltages_v
            if part is discharge:
                seen = seen * (1.0 + cell_gain) + offsets
            part.cell_voltages_v[:] = np.round(seen + cell.noise * rng.standard_normal(seen.shape), 3)
        parts += [charge, discharge]
        steps.append(made.record(len(steps) + 1, charge, "charge", "cccv_charge", "cell 2 at 4.2 V", 2))
        steps.append(made.record(len(steps) + 1, discharge, "discharge", "cc_discharge", "cell_min <= 2.8 V", 3))
    return replace(made.made_up_run(), steps=tuple(steps), rows=made.joined(parts))


def test_through_the_whole_analysis_u_covers_and_is_not_inflated():
    # The plain truth is 40 Ah: full to cut-off with perfect channels.
    errors, widths = [], []
    for seed in range(60):
        result = made.analysed(a_run_with_errors(seed))
        assert result.verdict == "PASS", result.invalid_reasons
        errors.append(result.capacity_ah.value - 40.0)
        widths.append(result.capacity_ah.U)
    covered = np.mean(np.abs(errors) <= np.array(widths))
    assert covered >= 0.93
    assert np.median(widths) <= 1.45 * np.quantile(np.abs(errors), 0.95)
