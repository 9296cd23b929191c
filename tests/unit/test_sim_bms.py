"""The BMS: per-cell errors, quantisation, its own cycle, its own coulomb count, alarms and limits."""

import numpy as np
import pytest
from tests.unit.sim_bench import ALIKE, S, drive, make_bench, make_pack, make_plant, pass_time

from packbench.core.specs import Accuracy
from packbench_sim.errors import InstrumentErrors


def noisy_plant(seed: int = 4, **accuracies: Accuracy):
    bench = make_bench(bms=accuracies or None)
    return make_plant(make_pack(series=24, capacity_spread=0.01, imbalance_sd=0.01), bench,
                      InstrumentErrors.draw(bench, 24, seed), seed=seed)  # fmt: skip


def test_perfect_instruments_show_the_truth():
    plant = make_plant(make_pack(series=24, imbalance_sd=0.01))
    drive(plant, -40.0)
    pass_time(plant, 7.5)
    reading = plant.bms.reading(plant.now_ns)
    assert np.allclose(reading.cell_voltages_v, plant.true_cell_voltages_v, atol=1e-12)
    assert reading.voltage_v == pytest.approx(plant.true_voltage_v, abs=1e-9)
    assert reading.current_a == -40.0
    assert reading.soc == pytest.approx(float(plant.pack.soc.mean()), abs=1e-4)


def test_cells_are_whole_millivolts_and_off_by_their_own_offset():
    plant = noisy_plant(cell_voltage_v=Accuracy(0.0, 0.005, resolution=0.001, noise=0.0002))
    shown: list[np.ndarray] = []
    for _ in range(400):
        pass_time(plant, 1.0)
        shown.append(plant.bms.reading(plant.now_ns).cell_voltages_v)
    assert np.allclose(shown[0] / 0.001, np.rint(shown[0] / 0.001), atol=1e-6)
    mean_error = np.mean(shown, axis=0) - plant.true_cell_voltages_v
    assert mean_error == pytest.approx(plant.errors.bms_cell_offset_v, abs=0.0006)
    assert np.abs(mean_error).max() > 0.002


def test_noise_is_new_in_every_reading_and_of_the_stated_size():
    plant = noisy_plant(cell_voltage_v=Accuracy(0.0, 0.0, resolution=1e-6, noise=0.003))
    shown = np.array([_poll(plant) for _ in range(300)])
    assert shown.std(axis=0).mean() == pytest.approx(0.003, rel=0.05)
    correlation = np.corrcoef(shown[:, 0], shown[:, 1])[0, 1]
    assert abs(correlation) < 0.2


def _poll(plant):
    pass_time(plant, 1.0)
    return plant.bms.reading(plant.now_ns).cell_voltages_v


def test_gain_is_common_to_all_cells():
    plant = noisy_plant(cell_voltage_v=Accuracy(0.01, 0.0, resolution=1e-6))
    ratio = _poll(plant) / plant.true_cell_voltages_v
    assert np.ptp(ratio) < 1e-6
    assert ratio[0] == pytest.approx(1.0 + plant.errors.bms_cell.gain, abs=1e-6)
    assert abs(plant.errors.bms_cell.gain) > 1e-4


def test_on_demand_measures_at_the_instant_asked_for():
    plant = make_plant(make_pack(**ALIKE))
    drive(plant, -50.0)
    plant.advance_to(plant.now_ns + 370_000_000)
    reading = plant.bms.reading(plant.now_ns + 13_000_000)
    assert np.allclose(reading.cell_voltages_v, plant.true_cell_voltages_v, atol=1e-12)


def test_own_cycle_shows_the_newest_whole_cycle():
    plant = make_plant(make_pack(**ALIKE), bms_period_ns=S // 4)
    drive(plant, -80.0)
    plant.advance_to(2 * S)
    at_boundary = plant.true_cell_voltages_v
    late = plant.bms.reading(2 * S + 200_000_000)
    assert np.allclose(late.cell_voltages_v, at_boundary, atol=1e-12)
    assert plant.true_cell_voltages_v[0] < at_boundary[0] - 1e-6
    assert plant.bms.reading(2 * S + 249_999_999) is late
    newer = plant.bms.reading(2 * S + 250_000_000)
    assert np.allclose(newer.cell_voltages_v, plant.true_cell_voltages_v, atol=1e-12)


def test_a_kept_measurement_survives_the_end_of_a_segment():
    """The cycle boundary lies before a refresh, the question after it."""
    plant = make_plant(make_pack(**ALIKE), bms_period_ns=700_000_000)
    drive(plant, -80.0)
    plant.advance_to(4_900_000_000)
    expected = plant.true_cell_voltages_v
    reading = plant.bms.reading(5_100_000_000)
    assert np.allclose(reading.cell_voltages_v, expected, atol=1e-12)


def test_a_kept_measurement_survives_a_change_of_direction():
    plant = make_plant(make_pack(**ALIKE, initial_soc=0.2), bms_period_ns=S)
    drive(plant, -80.0)
    plant.advance_to(3 * S)
    expected = plant.true_cell_voltages_v
    drive(plant, 80.0)
    plant.advance_to(3 * S + 900_000_000)
    reading = plant.bms.reading(plant.now_ns)
    assert np.allclose(reading.cell_voltages_v, expected, atol=1e-12)
    assert plant.true_cell_voltages_v[0] > expected[0] + 0.05


def test_temperatures_follow_their_cells_in_steps_of_the_resolution():
    plant = noisy_plant(temperature_c=Accuracy(0.0, 1.0, resolution=0.1))
    plant.pack.set_surroundings(35.0)
    pass_time(plant, 600.0, 5.0)
    reading = plant.bms.reading(plant.now_ns)
    assert reading.temperatures_c.shape == (4,)
    expected = plant.pack.temperature_c[[3, 9, 15, 21]] + plant.errors.bms_temperature.offset
    assert reading.temperatures_c == pytest.approx(expected, abs=0.0501)
    assert np.allclose(reading.temperatures_c * 10, np.rint(reading.temperatures_c * 10), atol=1e-6)


def test_coulomb_count_carries_the_current_sensors_error():
    plant = noisy_plant(current_a=Accuracy(0.05, 0.0))
    before = plant.bms.reading(plant.now_ns).soc
    drive(plant, -50.0)
    pass_time(plant, 1800.0, 5.0)
    moved = plant.bms.reading(plant.now_ns).soc - before
    gain = plant.errors.bms_current.gain
    assert abs(gain) > 0.002
    assert moved == pytest.approx(-0.25 * (1.0 + gain), abs=0.0015)


def test_alarms_stand_beyond_the_makers_limits_and_take_the_dynamic_limit_to_zero():
    plant = make_plant(make_pack(**ALIKE, initial_soc=0.99))
    assert plant.bms.reading(plant.now_ns).alarms == ()
    assert plant.bms.reading(plant.now_ns).charge_limit_a == 100.0
    drive(plant, 100.0)
    while plant.true_cell_voltages_v.max() < 4.25 + 0.029:
        pass_time(plant, 1.0)
        assert plant.bms.reading(plant.now_ns).alarms == ()
    pass_time(plant, 60.0)
    reading = plant.bms.reading(plant.now_ns)
    assert reading.alarms == ("cell_over_voltage",)
    assert reading.charge_limit_a == 0.0
    assert reading.discharge_limit_a == 200.0


def test_low_cells_alarm_too():
    plant = make_plant(make_pack(**ALIKE, initial_soc=0.0))
    drive(plant, -100.0)
    pass_time(plant, 60.0)
    reading = plant.bms.reading(plant.now_ns)
    assert reading.alarms == ("cell_under_voltage",)
    assert reading.discharge_limit_a == 0.0


def test_heat_derates_then_alarms():
    plant = make_plant(make_pack(**ALIKE, initial_temperature_c=52.5))
    assert plant.bms.reading(plant.now_ns).charge_limit_a == pytest.approx(50.0, rel=0.01)
    hot = make_plant(make_pack(**ALIKE, initial_temperature_c=62.0))
    reading = hot.bms.reading(hot.now_ns)
    assert reading.alarms == ("over_temperature",)
    assert reading.charge_limit_a == 0.0


def test_readings_are_not_to_be_written_to():
    plant = make_plant()
    with pytest.raises(ValueError, match="read-only"):
        plant.bms.reading(plant.now_ns).cell_voltages_v[0] = 0.0
