"""The plant: one instant for all, independence of the polling pattern, faults, truth, plausible packs."""

import numpy as np
import pytest
from tests.unit.sim_bench import ALIKE, S, drive, make_bench, make_pack, make_plant, pass_time, switch_off

from packbench.core.errors import InputError
from packbench_sim.errors import InstrumentErrors
from packbench_sim.faults import FAULT_FLAGS, Faults, Injection, parse_injection


def ah_to_cutoff(plant, current_a: float, step_s: float) -> float:
    """True Ah until the lowest cell reaches the cut-off, interpolated between polls."""
    drive(plant, current_a)
    cutoff_v = plant.spec.cell_cutoff_v
    last_v, last_ah = 9.0, 0.0
    while True:
        pass_time(plant, step_s, step_s)
        low_v, now_ah = float(plant.true_cell_voltages_v.min()), plant.true_discharge_ah
        if low_v <= cutoff_v:
            return last_ah + (now_ah - last_ah) * (last_v - cutoff_v) / (last_v - low_v)
        last_v, last_ah = low_v, now_ah


@pytest.mark.parametrize("chemistry", ["nmc", "lfp", "lmo"])
def test_ah_to_cutoff_does_not_depend_on_the_poll(chemistry: str):
    spec = make_pack(chemistry, series=8, initial_soc=0.2, capacity_spread=0.01, imbalance_sd=0.01)
    delivered = [ah_to_cutoff(make_plant(spec), -20.0, step_s) for step_s in (0.1, 0.5, 1.0)]
    assert delivered[1:] == pytest.approx([delivered[0]] * 2, rel=1e-4)


def test_a_jittery_poll_gives_the_same_charge_and_voltage():
    spec = make_pack(initial_soc=0.6, capacity_spread=0.01)
    steady, jittery = make_plant(spec), make_plant(spec)
    rng = np.random.default_rng(3)
    for plant in (steady, jittery):
        drive(plant, -30.0)
    end_ns = steady.now_ns + 900 * S
    while jittery.now_ns < end_ns:
        jittery.advance_to(min(end_ns, jittery.now_ns + int(rng.integers(1, 2 * S))))
    steady.advance_to(end_ns)
    assert jittery.true_discharge_ah == pytest.approx(steady.true_discharge_ah, rel=1e-9)
    assert jittery.true_voltage_v == pytest.approx(steady.true_voltage_v, abs=1e-6)
    assert jittery.pack.temperature_c == pytest.approx(steady.pack.temperature_c, abs=1e-6)


def test_an_instant_that_has_passed_changes_nothing():
    plant = make_plant()
    drive(plant, -30.0)
    pass_time(plant, 3.0)
    state = (plant.true_voltage_v, plant.true_discharge_ah, plant.now_ns)
    plant.advance_to(plant.now_ns)
    plant.advance_to(plant.now_ns - S)
    assert (plant.true_voltage_v, plant.true_discharge_ah, plant.now_ns) == state


def test_the_same_seed_reads_the_same_and_another_does_not():
    spec, bench = make_pack(series=24, capacity_spread=0.01), make_bench()

    def readings(seed: int) -> list[float]:
        plant = make_plant(spec, bench, InstrumentErrors.draw(bench, 24, seed), seed=seed)
        drive(plant, -30.0)
        seen: list[float] = []
        for _ in range(30):
            pass_time(plant, 1.0)
            cycler, bms = plant.cycler.reading(plant.now_ns), plant.bms.reading(plant.now_ns)
            seen += [cycler.voltage_v, cycler.current_a, bms.voltage_v, bms.soc, *bms.cell_voltages_v.tolist()]
        return seen

    assert readings(5) == readings(5)
    assert readings(5) != readings(6)


def test_another_run_seed_is_the_same_pack():
    spec, bench = make_pack(series=24, capacity_spread=0.01, imbalance_sd=0.01), make_bench()
    one, other = (make_plant(spec, bench, InstrumentErrors.draw(bench, 24, seed), seed=seed) for seed in (1, 2))
    assert np.array_equal(one.true_cell_voltages_v, other.true_cell_voltages_v)


def test_a_fast_clock_passes_less_true_time():
    bench = make_bench()
    errors = InstrumentErrors.draw(bench, 12, 8)
    object.__setattr__(errors, "time_gain", 0.01)
    plant = make_plant(make_pack(**ALIKE), bench, errors)
    drive(plant, -30.0)
    pass_time(plant, 1.0)
    before_ah = plant.true_discharge_ah
    pass_time(plant, 360.0)
    assert plant.true_discharge_ah - before_ah == pytest.approx(-plant.true_current_a * 0.1 / 1.01, rel=1e-9)


def test_true_energy_is_the_integral_of_voltage_and_current():
    plant = make_plant(make_pack(initial_soc=0.5, capacity_spread=0.01))
    drive(plant, -50.0)
    pass_time(plant, 1.0)
    start_wh, sum_j, last_v = plant.true_energy_wh, 0.0, plant.true_voltage_v
    for _ in range(3600):
        pass_time(plant, 0.5)
        sum_j += 0.5 * (last_v + plant.true_voltage_v) / 2.0 * plant.true_current_a
        last_v = plant.true_voltage_v
    assert plant.true_energy_wh - start_wh == pytest.approx(sum_j / 3600.0, rel=1e-5)


def test_a_retired_pack_is_limited_by_its_weak_cell():
    """96s at I5: less than the mean cell holds, by about what the weak cell lacks."""
    spec = make_pack(
        series=96, rated_ah=150.0, soh=0.855, capacity_spread=0.006, resistance_factor=1.5, initial_soc=0.99,
        imbalance_sd=0.0, weak_cells=[{"cell": 37, "capacity_factor": 0.955, "resistance_factor": 1.35}],
    )  # fmt: skip
    plant = make_plant(spec)
    delivered = ah_to_cutoff(plant, -30.0, 1.0)
    assert int(plant.true_cell_voltages_v.argmin()) == 36
    weak_ah = plant.pack.cells.capacity_as[36] / 3600.0
    assert delivered == pytest.approx(0.99 * weak_ah, rel=0.01)
    assert 0.79 < delivered / 150.0 < 0.84
    assert 0.1 < np.ptp(plant.true_cell_voltages_v) < 0.8


# -- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault_id", sorted(FAULT_FLAGS))
def test_a_fault_comes_at_its_time(fault_id: str):
    plant = make_plant(injections=(Injection(fault_id, 10 * S),))
    plant.advance_to(10 * S - 1)
    assert plant.faults == Faults()
    plant.advance_to(10 * S)
    assert getattr(plant.faults, FAULT_FLAGS[fault_id])


def test_setpoint_fault_leaves_the_output_short():
    plant = make_plant()
    drive(plant, -50.0)
    pass_time(plant, 2.0)
    plant.inject("power.setpoint")
    pass_time(plant, 1.0)
    assert plant.cycler.reading(plant.now_ns).current_a == pytest.approx(-40.0)


def test_weak_cell_fault_passes_the_makers_limit_both_ways():
    for current_a, limit_v, beyond in ((30.0, 4.25, 1.0), (-30.0, 2.5, -1.0)):
        plant = make_plant(make_pack(**ALIKE))
        drive(plant, current_a)
        pass_time(plant, 5.0)
        sound_v = plant.true_voltage_v
        plant.inject("sensor.weak_cell")
        cells = plant.bms.reading(plant.now_ns + S).cell_voltages_v
        assert (cells[6] - limit_v) * beyond > 0.04
        assert np.delete(cells, 6) == pytest.approx(np.full(11, cells[0]))
        assert plant.true_voltage_v - sound_v == pytest.approx(cells[6] - cells[0], abs=0.01)


def test_frozen_bms_repeats_itself():
    plant = make_plant()
    drive(plant, -50.0)
    first = plant.bms.reading(plant.now_ns)
    plant.inject("sensor.frozen")
    pass_time(plant, 30.0)
    assert plant.bms.reading(plant.now_ns) is first


def test_missing_cells_are_81_of_96():
    plant = make_plant(make_pack(series=96))
    plant.inject("sensor.cells_missing")
    assert plant.bms.reading(plant.now_ns).cell_voltages_v.shape == (81,)


def test_lost_cooling_heats_three_kelvin_a_minute():
    plant = make_plant()
    plant.inject("power.cooling")
    before_c = plant.bms.reading(plant.now_ns).temperatures_c
    pass_time(plant, 60.0, 5.0)
    assert plant.bms.reading(plant.now_ns).temperatures_c - before_c == pytest.approx(3.0, abs=0.3)


def test_scale_fault_is_a_factor_of_ten():
    plant = make_plant()
    sound_v = plant.cycler.reading(plant.now_ns).voltage_v
    plant.inject("sensor.scale")
    assert plant.cycler.reading(plant.now_ns).voltage_v == pytest.approx(sound_v / 10.0, rel=1e-6)


def test_a_cycler_that_hears_nothing_switches_itself_off():
    plant = make_plant()
    drive(plant, -50.0)
    pass_time(plant, 2.0)
    plant.inject("comms.cycler_lost")
    pass_time(plant, 1.0)
    assert plant.true_current_a == -50.0
    pass_time(plant, 1.0)
    assert plant.true_current_a == 0.0


def test_a_cycler_may_ignore_off():
    plant = make_plant()
    drive(plant, -50.0)
    plant.inject("power.ignores_off")
    switch_off(plant)
    pass_time(plant, 1.0)
    assert plant.cycler.output_on
    assert plant.true_current_a == -50.0


@pytest.mark.parametrize(
    ("text", "at_s"), [("comms.bms_lost@90", 90), ("comms.bms_lost@1.5 h", 5400), ("comms.bms_lost@10min", 600)]
)
def test_injections_are_read(text: str, at_s: int):
    assert parse_injection(text) == Injection("comms.bms_lost", at_s * S)


@pytest.mark.parametrize("text", ["comms.nothing@90", "comms.bms_lost", "comms.bms_lost@soon", "comms.bms_lost@-1"])
def test_nonsense_injections_are_refused(text: str):
    with pytest.raises(InputError, match="--fault"):
        parse_injection(text)


def test_unknown_faults_are_refused():
    with pytest.raises(InputError, match="one of"):
        make_plant().inject("power.nothing")
