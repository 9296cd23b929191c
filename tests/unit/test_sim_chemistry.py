"""Chemistry tables: rising OCV, sane ranges, an interpolation that does not overshoot."""

import numpy as np
import pytest

from packbench.core.errors import InputError
from packbench_sim.chemistry import CHEMISTRIES, ROWS, SOC_GRID, SOC_GRID_STEP, chemistry, monotone_cubic


@pytest.mark.parametrize("name", sorted(CHEMISTRIES))
def test_ocv_rises_everywhere(name: str):
    columns = chemistry(name).columns()
    assert columns.shape == (len(ROWS), len(SOC_GRID))
    assert np.all(np.diff(columns[0]) > 0.0)
    assert np.allclose(columns[0][:-1] + columns[1][:-1], columns[0][1:], atol=1e-12)


@pytest.mark.parametrize("name", sorted(CHEMISTRIES))
def test_both_hysteresis_branches_rise(name: str):
    """A branch that fell would let a cell gain charge and lose voltage at rest."""
    columns = chemistry(name).columns()
    inside = (SOC_GRID >= 0.0) & (SOC_GRID <= 1.0)
    for sign in (-1.0, 1.0):
        branch = columns[0] + sign * columns[5]
        assert np.all(np.diff(branch[inside]) > 0.0)


@pytest.mark.parametrize(("name", "soc", "volts"), [("nmc", 0.5, 3.682), ("lmo", 0.3, 3.318), ("lfp", 0.4, 3.2925)])
def test_tables_pass_through_their_points(name: str, soc: float, volts: float):
    index = round((soc - SOC_GRID[0]) / SOC_GRID_STEP)
    assert chemistry(name).columns()[0][index] == pytest.approx(volts, abs=1e-6)


@pytest.mark.parametrize("name", sorted(CHEMISTRIES))
def test_resistance_shapes_are_one_at_half_charge(name: str):
    source, columns = chemistry(name), chemistry(name).columns()
    index = round((0.5 - SOC_GRID[0]) / SOC_GRID_STEP)
    stated = (source.r1_ohm_ah, source.r2_ohm_ah, source.r0_ohm_ah)
    assert columns[2:5, index] == pytest.approx(stated, rel=1e-3)
    assert np.all(columns[2:5] > 0.0)


def test_monotone_cubic_does_not_overshoot_a_step():
    y = monotone_cubic(((0.0, 0.0), (1.0, 0.0), (2.0, 1.0), (3.0, 1.0)), np.linspace(0.0, 3.0, 301))
    assert y.min() >= 0.0
    assert y.max() <= 1.0
    assert np.all(np.diff(y) >= -1e-15)


def test_monotone_cubic_refuses_points_out_of_order():
    with pytest.raises(ValueError, match="rise in x"):
        monotone_cubic(((0.0, 0.0), (0.0, 1.0)))


def test_unknown_chemistry_names_the_known_ones():
    with pytest.raises(InputError, match="lfp"):
        chemistry("nca")
