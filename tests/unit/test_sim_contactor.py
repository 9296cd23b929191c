"""The contactor: delays, both sides' voltages, precharge, and what it remembers."""

import pytest
from tests.unit.sim_bench import ALIKE, S, drive, make_pack, make_plant, pass_time, switch_off

MS = 1_000_000


def test_the_contact_follows_the_coil_after_its_delay():
    plant = make_plant(closed=False)
    plant.contactor.drive(S, closed=True)
    assert not plant.contactor.is_closed(S + 24 * MS)
    assert plant.contactor.is_closed(S + 25 * MS)
    plant.contactor.drive(2 * S, closed=False)
    assert plant.contactor.is_closed(2 * S + 19 * MS)
    assert not plant.contactor.is_closed(2 * S + 20 * MS)


def test_a_coil_pulse_shorter_than_the_pull_in_closes_nothing():
    plant = make_plant(closed=False)
    plant.contactor.drive(S, closed=True)
    plant.contactor.drive(S + 10 * MS, closed=False)
    assert not plant.contactor.is_closed(2 * S)
    assert plant.contactor.closings == 0


def test_current_stops_at_the_instant_of_opening():
    plant = make_plant(make_pack(**ALIKE))
    drive(plant, 36.0)
    pass_time(plant, 10.0)
    before_ah = plant.true_charge_ah
    plant.contactor.drive(plant.now_ns, closed=False)
    pass_time(plant, 1.0)
    assert plant.true_charge_ah - before_ah == pytest.approx(36.0 * 0.020 / 3600.0, rel=1e-6)
    assert plant.true_current_a == 0.0
    assert plant.contactor.hot_openings == 1


def test_opening_without_load_is_not_hot():
    plant = make_plant()
    drive(plant, 36.0)
    pass_time(plant, 2.0)
    switch_off(plant)
    pass_time(plant, 1.0)
    plant.contactor.drive(plant.now_ns, closed=False)
    pass_time(plant, 1.0)
    assert plant.contactor.hot_openings == 0


def test_the_board_measures_both_sides():
    plant = make_plant(make_pack(**ALIKE), closed=False)
    pack_v, cycler_v, current_a = plant.contactor.measure(plant.now_ns)
    assert pack_v == pytest.approx(12 * 3.682, abs=1e-3)
    assert (cycler_v, current_a) == (0.0, 0.0)
    plant.contactor.drive(plant.now_ns, closed=True)
    drive(plant, -30.0)
    pass_time(plant, 1.0)
    pack_v, cycler_v, current_a = plant.contactor.measure(plant.now_ns)
    assert current_a == -30.0
    assert pack_v - cycler_v == pytest.approx(30.0 * 0.004, abs=1e-9)


def test_precharge_lifts_the_cycler_side():
    plant = make_plant(closed=False)
    started_ns = plant.now_ns
    plant.contactor.drive_precharge(started_ns, closed=True)
    pack_v, early_v, _ = plant.contactor.measure(started_ns + 100 * MS)
    assert early_v == pytest.approx(pack_v * (1 - 0.36788), rel=1e-3)
    _, late_v, _ = plant.contactor.measure(started_ns + S)
    assert pack_v - late_v < 0.01
    plant.contactor.drive(plant.now_ns, closed=True)
    pass_time(plant, 1.0)
    assert plant.contactor.worst_closing_dv_v < 0.01


def test_closing_onto_an_empty_side_is_remembered():
    plant = make_plant()
    assert plant.contactor.worst_closing_dv_v == pytest.approx(plant.true_voltage_v, rel=1e-3)


def test_the_cycler_side_bleeds_after_opening():
    plant = make_plant()
    plant.contactor.drive(plant.now_ns, closed=False)
    pass_time(plant, 0.5)
    _, soon_v, _ = plant.contactor.measure(plant.now_ns)
    pass_time(plant, 100.0)
    _, later_v, _ = plant.contactor.measure(plant.now_ns)
    assert soon_v > 20.0
    assert later_v < 0.01


def test_a_weld_stays_closed():
    plant = make_plant()
    plant.inject("power.weld")
    plant.contactor.drive(plant.now_ns, closed=False)
    pass_time(plant, 5.0)
    assert plant.contactor.is_closed(plant.now_ns)
