"""The pack model: exact steps, energy, heat, hysteresis, cells from their own seed."""

from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from tests.unit.sim_bench import ALIKE, make_pack

from packbench.core.errors import InputError
from packbench_sim.cells import draw_cells, plant_options
from packbench_sim.chemistry import CHEMISTRIES, SOC_GRID
from packbench_sim.pack import SEGMENT_NS, PackModel

SEGMENT_S = SEGMENT_NS * 1e-9


def run_pack(pack: PackModel, current_a: float, seconds: float, step_s: float = SEGMENT_S) -> None:
    """Constant current with the plant's own segment grid."""
    if pack.needs_refresh(current_a):
        pack.refresh(current_a)
    per_segment = round(SEGMENT_S / step_s)
    for _ in range(round(seconds / SEGMENT_S)):
        for _ in range(per_segment):
            pack.advance(step_s, current_a)
        pack.refresh(current_a)


def make(chemistry: str = "nmc", series: int = 4, **plant: Any) -> PackModel:
    return PackModel(make_pack(chemistry, series, **{**ALIKE, **plant}), 25.0)


def test_rc_response_is_the_analytic_one():
    pack = make(initial_soc=0.5)
    rest_v = pack.emf_v
    pack.refresh(-20.0)
    ohms = pack.parameters[2:5, 0].copy()
    slope = float(pack.parameters[1].sum())
    pack.advance(3.0, -20.0)
    w1, w2 = -20.0 * (1.0 - np.exp(-3.0 / 4.0)), -20.0 * (1.0 - np.exp(-3.0 / 240.0))
    expected = rest_v + 4.0 * (ohms[0] * w1 + ohms[1] * w2) - 60.0 * slope
    assert pack.emf_v == pytest.approx(expected, abs=1e-5)


def test_step_length_does_not_matter_within_a_segment():
    coarse, fine = make(), make()
    for pack, step_s in ((coarse, 5.0), (fine, 0.05)):
        run_pack(pack, -40.0, 600.0, step_s)
    assert fine.emf_v == pytest.approx(coarse.emf_v, abs=1e-9)
    assert fine.discharge_ah == pytest.approx(coarse.discharge_ah, rel=1e-12)
    assert fine.dissipated_j == pytest.approx(coarse.dissipated_j, rel=1e-9)
    assert fine.energy_in_j == pytest.approx(coarse.energy_in_j, rel=1e-9)


def test_ampere_hours_are_what_flowed():
    pack = make(initial_soc=0.8)
    run_pack(pack, -25.0, 3600.0)
    run_pack(pack, 10.0, 1800.0)
    assert pack.discharge_ah == pytest.approx(25.0, rel=1e-12)
    assert pack.charge_ah == pytest.approx(5.0, rel=1e-12)
    assert pack.soc == pytest.approx(np.full(4, 0.8 - 0.20), abs=1e-9)


@pytest.mark.parametrize("chemistry", ["nmc", "lmo"])
def test_energy_is_conserved(chemistry: str):
    """Into the terminals = rise of the stored energy + heat of R0, R1, R2."""
    pack = make(chemistry, initial_soc=0.3)
    grid = np.linspace(0.3, 0.7, 20_001)
    run_pack(pack, 50.0, 0.4 * 100.0 / 50.0 * 3600.0)
    assert pack.soc[0] == pytest.approx(0.7, abs=1e-9)
    found = make(chemistry)
    ocv = np.array([_ocv_v(found, soc) for soc in grid[::100]])
    stored_j = 4 * 0.4 * 100.0 * 3600.0 * float(np.mean((ocv[1:] + ocv[:-1]) / 2.0))
    lost_j = pack.dissipated_j + pack.stored_polarisation_j
    assert lost_j > 0.005 * stored_j
    assert pack.energy_in_j == pytest.approx(stored_j + lost_j, rel=2e-4)


def _ocv_v(pack: PackModel, soc: float) -> float:
    return PackModel(make_pack(pack.spec.chemistry, 1, **ALIKE, initial_soc=float(soc)), 25.0).emf_v


def test_heat_of_a_swinging_current_is_what_the_terminals_lost():
    """+-50 A every 5 s: the charge comes back, so all energy that went in is heat or in a capacitor."""
    pack = make(initial_soc=0.5)
    for _ in range(100):
        run_pack(pack, 50.0, 5.0)
        run_pack(pack, -50.0, 5.0)
    assert pack.energy_in_j == pytest.approx(pack.dissipated_j + pack.stored_polarisation_j, rel=2e-3)
    all_current_j = float(pack.parameters[2:5].sum()) * 50.0**2 * 1000.0
    assert pack.dissipated_j < 0.6 * all_current_j


def reference_v(chemistry: str, soc: float, branch: float, current_a: float, seconds: float) -> float:
    """One 100 Ah cell by small steps straight from the tables, without segments."""
    source = CHEMISTRIES[chemistry]
    table = source.columns()
    w1 = w2 = 0.0
    step_s = 0.05
    sign = np.sign(current_a)
    for _ in range(round(seconds / step_s)):
        w1 += (current_a - w1) * (1.0 - np.exp(-step_s / source.tau1_s))
        w2 += (current_a - w2) * (1.0 - np.exp(-step_s / source.tau2_s))
        dz = current_a * step_s / 360_000.0
        branch = sign + (branch - sign) * np.exp(-source.hysteresis_gamma * abs(dz))
        soc += dz
    ocv, _, r1, r2, r0, half_gap, *_ = (float(np.interp(soc, SOC_GRID, row)) for row in table)
    return ocv + half_gap * branch + (r1 * w1 + r2 * w2 + r0 * current_a) / 100.0


@pytest.mark.parametrize(
    ("chemistry", "soc", "current_a"),
    [
        ("nmc", 0.02, -50.0),
        ("lmo", 0.02, -50.0),
        ("nmc", 0.6, 50.0),
        ("lfp", 0.02, -50.0),
        ("lfp", 0.96, 50.0),
        ("lfp", 0.5, 50.0),
    ],
)
def test_segments_follow_the_tables(chemistry: str, soc: float, current_a: float):
    """At C/2, in the knees: within 0.2 mV of small steps, at the start, middle and end of a segment."""
    pack = make(chemistry, series=1, initial_soc=soc, thermal_tau_s=1e-3, entropic_heat=False)
    pack.refresh(current_a)
    passed_s = 0.0
    for _ in range(6):
        for _ in range(4):
            pack.advance(1.25, current_a)
            passed_s += 1.25
            expected = reference_v(chemistry, soc, 0.0, current_a, passed_s)
            assert pack.voltage_v(current_a) == pytest.approx(expected, abs=0.0002)
        pack.refresh(current_a)


@pytest.mark.parametrize(("branch", "current_a"), [(-1.0, 50.0), (1.0, -50.0)])
def test_segments_follow_the_change_of_branch(branch: float, current_a: float):
    """On the plateau after a reversal, where the voltage is almost hysteresis alone: within 0.02 mV."""
    pack = make("lfp", series=1, initial_soc=0.5, thermal_tau_s=1e-3, entropic_heat=False)
    pack._hysteresis[:] = branch
    pack.refresh(current_a)
    for step in range(1, 25):
        pack.advance(1.25, current_a)
        expected = reference_v("lfp", 0.5, branch, current_a, 1.25 * step)
        assert pack.voltage_v(current_a) == pytest.approx(expected, abs=0.00002)
        if step % 4 == 0:
            pack.refresh(current_a)


def test_lfp_hysteresis_has_the_sign_of_the_current():
    charged, discharged = make("lfp", initial_soc=0.30), make("lfp", initial_soc=0.70)
    run_pack(charged, 50.0, 0.2 * 7200.0)
    run_pack(discharged, -50.0, 0.2 * 7200.0)
    for pack in (charged, discharged):
        pack.refresh(0.0)
        for _ in range(1000):
            pack.advance(SEGMENT_S, 0.0)
    assert charged.soc[0] == pytest.approx(discharged.soc[0], abs=1e-9)
    assert charged.hysteresis[0] == pytest.approx(1.0, abs=0.02)
    assert discharged.hysteresis[0] == pytest.approx(-1.0, abs=0.02)
    gap_v = (charged.emf_v - discharged.emf_v) / 4
    assert gap_v == pytest.approx(0.020, abs=0.001)


def test_without_hysteresis_both_ways_to_an_soc_end_at_one_voltage():
    charged, discharged = (
        make("lfp", initial_soc=0.30, hysteresis=False),
        make("lfp", initial_soc=0.70, hysteresis=False),
    )
    run_pack(charged, 50.0, 0.2 * 7200.0)
    run_pack(discharged, -50.0, 0.2 * 7200.0)
    for pack in (charged, discharged):
        run_pack(pack, 0.0, 7200.0)
    assert charged.emf_v == pytest.approx(discharged.emf_v, abs=1e-6)
    assert charged.emf_v / 4 == pytest.approx(np.interp(0.5, SOC_GRID, CHEMISTRIES["lfp"].columns()[0]), abs=1e-6)


def test_nmc_has_no_hysteresis():
    pack = make("nmc", initial_soc=0.3)
    run_pack(pack, 50.0, 1000.0)
    assert not pack.hysteresis.any()


def test_temperature_settles_at_ambient_plus_heat_over_cooling():
    """Steady state: T = ambient + P tau / C, with the charge swinging about one SOC."""
    pack = make(initial_soc=0.5, entropic_heat=False, thermal_tau_s=1000.0)
    for _ in range(200):
        run_pack(pack, 80.0, 25.0)
        run_pack(pack, -80.0, 25.0)
    before_j = pack.dissipated_j
    temperature_before = pack.temperature_c[0]
    for _ in range(20):
        run_pack(pack, 80.0, 25.0)
        run_pack(pack, -80.0, 25.0)
    power_w = (pack.dissipated_j - before_j) / (20 * 50.0) / 4
    expected = 25.0 + power_w * 1000.0 / pack.heat_capacity_j_k
    assert power_w > 2.0
    assert pack.temperature_c[0] == pytest.approx(expected, abs=0.02)
    assert pack.temperature_c[0] == pytest.approx(temperature_before, abs=0.02)


def test_temperature_falls_exponentially_at_rest():
    pack = make(initial_temperature_c=45.0, thermal_tau_s=1000.0)
    run_pack(pack, 0.0, 1000.0)
    assert pack.temperature_c[0] == pytest.approx(25.0 + 20.0 * np.exp(-1.0), abs=0.01)


def test_entropy_coefficient_heats_or_cools():
    """Below 20 % SOC dU/dT of NMC is negative: charging absorbs heat against the same pack without."""
    temperature_c: list[float] = []
    for entropic in (True, False):
        pack = make(initial_soc=0.02, entropic_heat=entropic)
        run_pack(pack, 20.0, 1800.0)
        temperature_c.append(pack.temperature_c[0])
    assert temperature_c[0] < temperature_c[1] - 0.02


def test_cold_cells_resist_more():
    cold, warm = (PackModel(make_pack("nmc", 1, **ALIKE), ambient) for ambient in (0.0, 25.0))
    assert cold.r0_ohm / warm.r0_ohm == pytest.approx(
        np.exp(12_000 / 8.314462618 * (1 / 273.15 - 1 / 298.15)), rel=1e-6
    )
    assert cold.parameters[2, 0] / warm.parameters[2, 0] > 3.0


def test_resistance_rises_towards_empty():
    empty, half = (make(initial_soc=soc) for soc in (0.03, 0.5))
    assert empty.parameters[2, 0] > 1.5 * half.parameters[2, 0]


def test_self_discharge_empties_a_resting_cell():
    pack = make(self_discharge_per_day=0.01)
    for _ in range(24):
        pack.advance(3600.0, 0.0)
        pack.refresh(0.0)
    lost = 0.5 - pack.soc
    assert np.all(lost > 0.003)
    assert np.all(lost < 0.03)
    assert pack.discharge_ah == 0.0


def test_weak_cell_is_weak_and_falls_first():
    weak = [{"cell": 3, "capacity_factor": 0.9, "resistance_factor": 1.5}]
    pack = make(weak_cells=weak, initial_soc=1.0, soh=0.9)
    assert pack.cells.capacity_as / 3600.0 == pytest.approx([90.0, 90.0, 81.0, 90.0])
    assert pack.parameters[4, 2] / pack.parameters[4, 0] == pytest.approx(1.5)
    run_pack(pack, -40.0, 7000.0)
    assert int(pack.cell_voltages_v(-40.0).argmin()) == 2


def test_cells_come_from_the_plant_seed():
    options: dict[str, Any] = {"capacity_spread": 0.01, "resistance_spread": 0.05, "imbalance_sd": 0.01}
    first, again, other = (
        draw_cells(spec, plant_options(spec.plant, spec.series))
        for spec in (make_pack(series=96, seed=seed, **options) for seed in (5, 5, 6))
    )
    assert np.array_equal(first.capacity_as, again.capacity_as)
    assert np.array_equal(first.soc, again.soc)
    assert not np.array_equal(first.capacity_as, other.capacity_as)
    assert first.capacity_as.std() / first.capacity_as.mean() == pytest.approx(0.01, rel=0.25)
    assert first.soc.std() == pytest.approx(0.01, rel=0.25)


def test_cell_voltages_add_up_to_the_pack():
    pack = make("lfp", series=16, capacity_spread=0.02, imbalance_sd=0.01)
    run_pack(pack, -30.0, 500.0)
    assert pack.cell_voltages_v(-30.0).sum() == pytest.approx(pack.emf_v - 30.0 * pack.r0_ohm, abs=1e-9)


def test_soc_beyond_the_table_is_held_not_wrapped():
    pack = make(initial_soc=0.0)
    run_pack(pack, -100.0, 900.0)
    assert pack.soc[0] < -0.2
    assert 0.0 < pack.emf_v / 4 < 1.0


@pytest.mark.parametrize(
    ("plant", "field"),
    [
        ({"colour": "red"}, "plant.colour"),
        ({"soh": 0.0}, "plant.soh"),
        ({"weak_cells": [{"cell": 5}]}, "plant.weak_cells.cell"),
        ({"initial_soc": 1.5}, "plant.initial_soc"),
    ],
)
def test_impossible_plants_are_refused(plant: dict[str, Any], field: str):
    with pytest.raises(InputError) as caught:
        plant_options(MappingProxyType(plant), 4)
    assert [problem.field for problem in caught.value.problems] == [field]
