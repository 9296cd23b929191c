"""The cycler: regulation within two current bounds, ramp, power limit, and meters that it believes."""

import numpy as np
import pytest
from tests.unit.sim_bench import ALIKE, S, drive, make_bench, make_pack, make_plant, pass_time, switch_off

from packbench.core.errors import InputError
from packbench.core.specs import Accuracy
from packbench_sim.errors import InstrumentErrors


def alike(initial_soc: float = 0.5, chemistry: str = "nmc"):
    return make_pack(chemistry, **ALIKE, initial_soc=initial_soc)


@pytest.mark.parametrize("current_a", [33.0, -50.0])
def test_constant_current_while_the_voltage_leaves_room(current_a: float):
    plant = make_plant(alike())
    drive(plant, current_a, 50.4 if current_a > 0 else 33.6)
    pass_time(plant, 60.0)
    reading = plant.cycler.reading(plant.now_ns)
    assert reading.current_a == current_a
    assert reading.regulation == "cc"
    assert reading.voltage_v == pytest.approx(plant.true_voltage_v + current_a * 0.004, abs=1e-9)


def test_sense_leads_see_the_pack():
    plant = make_plant(alike(), make_bench(sense_point="pack"))
    drive(plant, 40.0)
    pass_time(plant, 10.0)
    assert plant.cycler.reading(plant.now_ns).voltage_v == pytest.approx(plant.true_voltage_v, abs=1e-12)


def test_charge_goes_over_to_constant_voltage_and_the_current_falls():
    plant = make_plant(alike(0.93))
    drive(plant, 33.0, 50.4)
    regulations: list[str] = []
    currents: list[float] = []
    for _ in range(3600):
        pass_time(plant, 1.0)
        reading = plant.cycler.reading(plant.now_ns)
        regulations.append(reading.regulation)
        currents.append(reading.current_a)
        assert reading.voltage_v <= 50.4 + 1e-6
    change = regulations.index("cv")
    assert 60 < change < 3000
    assert set(regulations[change:]) == {"cv"}
    assert np.all(np.diff(currents[change:]) < 1e-9)
    assert plant.cycler.reading(plant.now_ns).voltage_v == pytest.approx(50.4, abs=1e-9)


def test_held_voltage_does_not_depend_on_the_poll():
    """Charge taken in 30 min of CC and CV, polled every 0.1 s and every 10 s."""
    taken_ah: list[float] = []
    for step_s in (0.1, 1.0, 10.0):
        plant = make_plant(alike(0.93))
        drive(plant, 33.0, 50.4)
        pass_time(plant, 1800.0, step_s)
        assert plant.cycler.regulation() == "cv"
        taken_ah.append(plant.true_charge_ah)
    assert taken_ah[1:] == pytest.approx([taken_ah[0]] * 2, rel=2e-5)


def test_discharge_stops_at_the_lower_clamp():
    plant = make_plant(alike(0.04))
    drive(plant, -50.0, 12 * 3.2)
    pass_time(plant, 1200.0)
    reading = plant.cycler.reading(plant.now_ns)
    assert reading.regulation == "cv"
    assert reading.voltage_v == pytest.approx(38.4, abs=1e-9)
    assert -50.0 < reading.current_a < 0.0


def test_the_current_ramps():
    plant = make_plant(alike(), make_bench(slew_a_s=100.0))
    drive(plant, 50.0)
    started_ns = plant.now_ns
    shown = []
    for step_ms in (100, 200, 300, 400, 500, 600):
        plant.advance_to(started_ns + step_ms * 1_000_000)
        shown.append(plant.true_current_a)
    assert shown == pytest.approx([10.0, 20.0, 30.0, 40.0, 50.0, 50.0], abs=1e-6)
    assert plant.true_charge_ah * 3600.0 == pytest.approx(50.0 * 0.5 / 2 + 50.0 * 0.1, rel=1e-6)


def test_off_ramps_down_and_stays_down():
    plant = make_plant(alike())
    drive(plant, 60.0)
    pass_time(plant, 5.0)
    switch_off(plant)
    plant.advance_to(plant.now_ns + S // 2)
    assert plant.true_current_a == 0.0
    assert plant.cycler.reading(plant.now_ns).regulation == "off"
    before_ah = plant.true_charge_ah
    pass_time(plant, 60.0)
    assert plant.true_charge_ah == before_ah


@pytest.mark.parametrize("current_a", [100.0, -100.0])
def test_power_limit_bounds_the_current(current_a: float):
    plant = make_plant(alike(), make_bench(rated_power_w=1000.0))
    drive(plant, current_a)
    pass_time(plant, 60.0)
    reading = plant.cycler.reading(plant.now_ns)
    assert reading.voltage_v * abs(reading.current_a) == pytest.approx(1000.0, rel=1e-3)
    assert abs(reading.current_a) < 30.0
    assert reading.current_a * current_a > 0.0


def test_setpoints_are_held_to_the_rating():
    plant = make_plant(alike())
    drive(plant, 400.0)
    pass_time(plant, 1.0)
    assert plant.true_current_a == 180.0


def test_it_regulates_what_it_measures():
    """A meter that reads 1 % high at 0.2 A offset makes the true current too small by as much."""
    accuracies = {"current_a": Accuracy(0.01, 0.2), "voltage_v": Accuracy(0.001, 0.1)}
    bench = make_bench(cycler=accuracies)
    errors = InstrumentErrors.draw(bench, 12, 3)
    plant = make_plant(alike(0.9), bench, errors)
    drive(plant, 33.0, 50.0)
    pass_time(plant, 5.0)
    reading = plant.cycler.reading(plant.now_ns)
    assert reading.current_a == pytest.approx(33.0, abs=1e-9)
    error = errors.cycler_current
    assert error.gain != 0.0
    assert plant.true_current_a == pytest.approx((33.0 - error.offset) / (1.0 + error.gain), rel=1e-12)
    assert abs(plant.true_current_a - 33.0) > 0.005
    pass_time(plant, 2400.0)
    held = plant.cycler.reading(plant.now_ns)
    assert held.regulation == "cv"
    assert held.voltage_v == pytest.approx(50.0, abs=1e-9)
    true_terminal_v = plant.true_voltage_v + plant.true_current_a * plant.cycler.rating.cable_ohm
    assert true_terminal_v == pytest.approx((50.0 - errors.cycler_voltage.offset) / (1 + errors.cycler_voltage.gain))


def test_reading_noise_and_resolution():
    accuracies = {"current_a": Accuracy(0.0, 0.0, resolution=0.01, noise=0.05), "voltage_v": Accuracy(0.0, 0.0)}
    bench = make_bench(cycler=accuracies)
    plant = make_plant(alike(), bench, InstrumentErrors.draw(bench, 12, 1))
    drive(plant, 20.0)
    pass_time(plant, 1.0)
    shown = np.array([plant.cycler.reading(plant.now_ns).current_a for _ in range(2000)])
    assert shown.std() == pytest.approx(0.05, rel=0.1)
    assert shown.mean() == pytest.approx(20.0, abs=0.005)
    assert np.allclose(shown / 0.01, np.rint(shown / 0.01), atol=1e-6)


def test_nothing_flows_through_an_open_contactor():
    plant = make_plant(alike(), closed=False)
    drive(plant, 33.0, 50.4)
    pass_time(plant, 2.0)
    reading = plant.cycler.reading(plant.now_ns)
    assert reading.current_a == 0.0
    assert reading.output_on
    assert reading.voltage_v == 50.4
    switch_off(plant)
    assert plant.cycler.reading(plant.now_ns).voltage_v == 0.0


def test_a_bench_without_ratings_is_refused():
    bench = make_bench()
    object.__setattr__(bench.cycler, "settings", {"rated_voltage_v": 500.0})
    with pytest.raises(InputError, match=r"cycler.rated_current_a[\s\S]*cycler.rated_power_w"):
        make_plant(alike(), bench)
