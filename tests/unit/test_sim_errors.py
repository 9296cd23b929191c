"""Instrument errors come from the bench file's own distributions, and from nothing else."""

import dataclasses

import numpy as np
import pytest
from tests.unit.sim_bench import make_bench

from packbench.core.specs import Accuracy
from packbench_sim.errors import InstrumentErrors, ReadingError

SEEDS = range(600)


def draws(accuracy: Accuracy) -> tuple[np.ndarray, np.ndarray]:
    bench = make_bench(cycler={"current_a": accuracy})
    errors = [InstrumentErrors.draw(bench, 2, seed).cycler_current for seed in SEEDS]
    return np.array([e.gain for e in errors]), np.array([e.offset for e in errors])


def test_rectangular_bounds_fill_the_interval():
    gain, offset = draws(Accuracy(0.002, 0.05))
    for values, bound in ((gain, 0.002), (offset, 0.05)):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.98 * bound
        assert values.std() == pytest.approx(bound / np.sqrt(3.0), rel=0.06)
        assert abs(values.mean()) < 0.1 * bound
    assert abs(np.corrcoef(gain, offset)[0, 1]) < 0.12


def test_normal_bounds_are_two_sigma():
    gain, offset = draws(Accuracy(0.002, 0.05, "normal"))
    assert gain.std() == pytest.approx(0.001, rel=0.08)
    assert offset.std() == pytest.approx(0.025, rel=0.08)
    assert np.abs(gain).max() > 0.002


def test_cell_offsets_are_independent_and_the_gain_is_common():
    bench = make_bench(bms={"cell_voltage_v": Accuracy(0.0002, 0.002)})
    errors = InstrumentErrors.draw(bench, 96, 1)
    assert errors.bms_cell_offset_v.shape == (96,)
    assert errors.bms_cell_offset_v.std() == pytest.approx(0.002 / np.sqrt(3.0), rel=0.15)
    assert errors.bms_cell.offset == 0.0
    assert errors.bms_cell.gain != 0.0


def test_cable_is_normal_about_the_bench():
    bench = make_bench()
    drawn = np.array([InstrumentErrors.draw(bench, 1, seed).cable_resistance_error_ohm for seed in SEEDS])
    assert drawn.std() == pytest.approx(0.0002, rel=0.08)


def test_time_base_is_a_gain():
    bench = make_bench()
    drawn = np.array([InstrumentErrors.draw(bench, 1, seed).time_gain for seed in SEEDS])
    assert np.abs(drawn).max() <= 5e-5
    assert drawn.std() == pytest.approx(5e-5 / np.sqrt(3.0), rel=0.06)


def test_a_seed_is_a_run_and_quantities_do_not_share_draws():
    bench = make_bench()
    one, same, other = (InstrumentErrors.draw(bench, 12, seed) for seed in (11, 11, 12))
    assert one.cycler_current == same.cycler_current
    assert np.array_equal(one.bms_cell_offset_v, same.bms_cell_offset_v)
    assert one.cycler_current != other.cycler_current
    less = InstrumentErrors.draw(dataclasses.replace(bench, instruments=bench.instruments[:1]), 12, 11)
    assert less.cycler_current == one.cycler_current
    assert less.bms_current == ReadingError()


def test_none_is_perfect():
    errors = InstrumentErrors.none(5)
    assert errors.perfect
    assert not errors.bms_cell_offset_v.any()
    assert errors.cycler_current == errors.bms_cell == ReadingError()
    assert errors.time_gain == errors.cable_resistance_error_ohm == errors.soc_error == 0.0


def test_shown_and_true_are_inverse():
    error = ReadingError(0.01, -0.2)
    assert error.shown(error.true_for(37.0)) == pytest.approx(37.0)
    assert ReadingError(resolution=0.02, noise=0.1).shown(1.0, 0.35) == pytest.approx(1.04)
