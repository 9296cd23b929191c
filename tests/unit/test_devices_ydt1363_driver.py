"""Drivers of Pylontech, Seplos V2 and PACE on their emulators: readings, limits, alarms and settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.wire_parts import PlainBms, device_map
from tests.unit.ydt1363_bench import FACTS, PYLON_GOLDEN, device_of, driven, read_once, sent_by, stated
from tests.unit.ydt1363_frames import PACE_ALARMS, PACE_ANALOG, PYLON_ALARMS, PYLON_MANAGEMENT, info_of

from packbench.core.errors import BadReply, InputError
from packbench.core.samples import BmsSample, Quality
from packbench.drivers.pace import PaceBms
from packbench.drivers.pylontech import PylontechBms
from packbench.wire.ydt1363 import pace, pylontech
from packbench.wire.ydt1363.frames import BAD_COMMAND, YdtRefused, reply_frame
from packbench.wire.ydt1363.pace_data import decode_alarms as pace_alarms
from packbench.wire.ydt1363.pylontech_data import decode_analog
from packbench.wire.ydt1363.pylontech_facts import Management
from packbench_sim.devices.pace import BoardFacts as PaceFacts
from packbench_sim.devices.pace import PaceDevice
from packbench_sim.devices.pylontech import PylontechDevice
from packbench_sim.loop import VirtualClock, run_virtual

PYLONTECH = device_map("pylontech")


@pytest.mark.parametrize("name", ["pylontech", "seplos-v2", "pace"])
def test_a_reading_is_the_plant_s(name: str) -> None:
    part = PlainBms(16, 4)
    sample = read_once(name, device_of(name, part))
    np.testing.assert_allclose(sample.cell_voltages_v, part.cells_v, atol=1e-9)
    assert sample.voltage_v == pytest.approx(part.cells_v.sum(), abs=0.0051)
    assert sample.current_a == pytest.approx(-12.345, abs=0.051)
    assert sample.temperatures_c == tuple(part.sensors_c)
    assert sample.soc == pytest.approx(0.87, abs=0.001)
    assert (sample.cycles, sample.alarms, sample.quality) == (321, (), Quality.GOOD)
    part.current_a = 7.25
    part.cells_v = part.cells_v + 0.1
    moved = read_once(name, device_of(name, part))
    assert moved.current_a == pytest.approx(7.25, abs=0.051)
    assert moved.cell_min_v == pytest.approx(3.3)


def test_what_each_protocol_says_of_health_and_limits() -> None:
    """Absent is None: Pylontech has no state of health, the others have no limits."""
    pylon, seplos, board = (read_once(name, device_of(name)) for name in ("pylontech", "seplos-v2", "pace"))
    assert (pylon.soh, pylon.charge_limit_a, pylon.discharge_limit_a, pylon.balancing) == (None, 75.0, 100.0, None)
    assert (seplos.soh, seplos.charge_limit_a, seplos.discharge_limit_a, seplos.balancing) == (0.81, None, None, False)
    assert (board.soh, board.charge_limit_a, board.discharge_limit_a, board.balancing) == (0.81, None, None, False)
    plain = PaceDevice(PlainBms(16, 4), PaceFacts(100.0, appends=False))
    assert read_once("pace", plain).soh is None


@pytest.mark.parametrize("name", ["pylontech", "seplos-v2", "pace"])
def test_what_is_not_allowed_has_a_limit_of_zero(name: str) -> None:
    sample = read_once(name, device_of(name, stated(charge_limit_a=0.0)))
    assert sample.charge_limit_a == 0.0
    assert sample.discharge_limit_a == (100.0 if name == "pylontech" else None)
    sample = read_once(name, device_of(name, stated(discharge_limit_a=0.0)))
    assert sample.discharge_limit_a == 0.0


@pytest.mark.parametrize(
    ("status", "charge_a", "discharge_a"), [(0xC0, 50.0, 60.0), (0x40, 0.0, 60.0), (0x80, 50.0, 0.0)]
)
def test_what_92_allows_stands_above_its_limits_and_the_fets(status: int, charge_a: float, discharge_a: float) -> None:
    """The alarm reply says that both FETs are on."""
    limits = Management(2, 53.25, 45.0, 50.0, -60.0, status)
    found: list[BmsSample] = []

    async def use(driver: PylontechBms) -> None:
        found.append(await driver.read())

    sent_by("pylontech", [PYLON_GOLDEN, PYLON_ALARMS, reply_frame(0x20, 2, limits.encode())], use, 2)
    assert (found[0].charge_limit_a, found[0].discharge_limit_a) == (charge_a, discharge_a)


def test_a_pack_that_holds_more_than_it_should_is_full() -> None:
    """A state of charge is a fraction, and remaining and full capacity are counted apart."""
    packs = decode_analog(info_of(PYLON_GOLDEN))
    over = replace(packs, packs=(replace(packs.packs[0], remaining_ah=74.5),))
    found: list[BmsSample] = []

    async def use(driver: PylontechBms) -> None:
        found.append(await driver.read())

    sent_by("pylontech", [reply_frame(0x20, 2, over.encode()), PYLON_ALARMS, PYLON_MANAGEMENT], use, 2)
    assert found[0].soc == 1.0


@pytest.mark.parametrize("name", ["seplos-v2", "pace"])
def test_balancing_is_told(name: str) -> None:
    assert read_once(name, device_of(name, stated(balancing=True))).balancing is True


@pytest.mark.parametrize(
    ("name", "alarms", "told"),
    [
        ("pylontech", ("cell_under_voltage",), ("cell_under_voltage",)),
        ("pylontech", ("pack_over_voltage", "charge_over_current"), ("pack_over_voltage", "charge_over_current")),
        ("pylontech", ("cell_over_voltage",), ("cell_over_voltage_warning",)),
        ("pylontech", ("over_temperature",), ("discharge_over_temperature", "charge_over_temperature")),
        ("pylontech", ("under_temperature",), ("under_temperature_warning",)),
        ("seplos-v2", ("cell_over_voltage",), ("cell_over_voltage",)),
        ("seplos-v2", ("short_circuit", "low_capacity_warning"), ("short_circuit", "low_capacity_warning")),
        ("seplos-v2", ("under_temperature",), ("charge_under_temperature", "discharge_under_temperature")),
        ("pace", ("cell_under_voltage",), ("cell_under_voltage",)),
        ("pace", ("pack_over_voltage_warning", "cell_fault"), ("cell_fault", "pack_over_voltage_warning")),
        ("pace", ("over_temperature",), ("charge_over_temperature", "discharge_over_temperature")),
    ],
)
def test_alarms_go_through_the_wire(name: str, alarms: tuple[str, ...], told: tuple[str, ...]) -> None:
    assert read_once(name, device_of(name, stated(alarms=alarms))).alarms == told


@pytest.mark.parametrize("name", ["pylontech", "seplos-v2", "pace"])
def test_an_alarm_without_a_bit_is_refused_and_so_is_too_large_a_pack(name: str) -> None:
    with pytest.raises(InputError, match="insulation_low"):
        device_of(name, stated(alarms=("insulation_low",)))
    with pytest.raises(InputError, match="too large a pack"):
        device_of(name, PlainBms(96, 4))


@pytest.mark.parametrize(
    ("name", "sensors", "cells", "every"),
    [
        ("pylontech", [28.0, 28.5, 29.0, 29.5, 30.0], (28.5, 29.0, 29.5, 30.0), (28.0, 28.5, 29.0, 29.5, 30.0)),
        ("pylontech", [20.0, 30.0], (20.0, 20.0, 30.0, 30.0), (30.0, 20.0, 20.0, 30.0, 30.0)),
        (
            "seplos-v2",
            [21.0, 22.0, 23.0, 24.0, 40.0, 60.0],
            (21.0, 22.0, 23.0, 24.0),
            (21.0, 22.0, 23.0, 24.0, 40.0, 60.0),
        ),
        ("seplos-v2", [21.0, 22.0], (21.0, 21.0, 22.0, 22.0), (21.0, 21.0, 22.0, 22.0, 25.0, 22.0)),
        ("pace", [21.0, 22.0, 23.0, 24.0, 60.0, 40.0], (21.0, 22.0, 23.0, 24.0), (21.0, 22.0, 23.0, 24.0, 60.0, 40.0)),
        ("pace", [21.0], (21.0,) * 4, (21.0, 21.0, 21.0, 21.0, 21.0, 25.0)),
    ],
)
def test_limits_are_for_cells_unless_all_temperatures_are_wanted(name, sensors, cells, every) -> None:
    device = device_of(name, stated(temperatures_c=sensors))
    assert read_once(name, device).temperatures_c == cells
    assert read_once(name, device, temperatures="all").temperatures_c == every


def test_a_sensor_that_is_not_there_makes_a_reading_implausible() -> None:
    """A raw zero is absolute zero."""
    for name in ("pylontech", "seplos-v2", "pace"):
        sample = read_once(name, device_of(name, stated(temperatures_c=[25.0, 25.0, 25.0, -273.1])))
        assert sample.quality is Quality.IMPLAUSIBLE
    sample = read_once("pylontech", device_of("pylontech", stated(cell_voltages_v=[3.3] * 7 + [6.5])))
    assert sample.quality is Quality.IMPLAUSIBLE


def test_a_pack_that_does_not_know_92_is_read_without_limits() -> None:
    class Older(PylontechDevice):
        def handlers(self):
            known = super().handlers()
            del known[pylontech.MANAGEMENT], known[pylontech.FIRMWARE], known[pylontech.MANUFACTURER]
            return known

    async def main(clock: VirtualClock) -> None:
        device = Older([stated(discharge_limit_a=0.0)], FACTS)
        driver, _, _ = await driven("pylontech", device, clock)
        identity = await driver.identify()
        assert (identity.model, identity.serial, identity.firmware) == (PYLONTECH.title, "PBSIM00000000002", "")
        with pytest.raises(YdtRefused) as refused:
            await driver.read()
        assert refused.value.code == BAD_COMMAND
        driver, _, _ = await driven("pylontech", device, clock, limits="none")
        sample = await driver.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (None, 0.0)

    run_virtual(main)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pylontech", ("US5000SIM", "PBSIM00000000002", "3.3.0")),
        ("seplos-v2", ("1101-SIM16", "", "2.0")),
        ("pace", ("P16S100A", "PBSIM0000000001", "SIM-1.00")),
    ],
)
def test_who_answers(name: str, expected: tuple[str, str, str]) -> None:
    async def main(clock: VirtualClock) -> None:
        driver, _, _ = await driven(name, device_of(name), clock)
        identity = await driver.identify()
        assert (identity.model, identity.serial, identity.firmware) == expected

    run_virtual(main)


@pytest.mark.parametrize(
    ("name", "unit", "settings"),
    [
        ("pylontech", 2, {"temperatures": "some"}),
        ("pylontech", 2, {"limits": "maybe"}),
        ("pylontech", 2, {"version": 20}),
        ("pylontech", 2, {"version": "2"}),
        ("pace", 1, {"device_type": "XY"}),
        ("pace", 1, {"pack": 256}),
        ("pace", 1, {"pack": True}),
        ("pace", 1, {"analog_of": "none"}),
        ("seplos-v2", 0, {"group": "first"}),
        ("seplos-v2", 16, {}),
        ("pace", 16, {}),
        ("pylontech", 0, {}),
        ("pylontech", 255, {}),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(name: str, unit: int, settings: dict[str, Any]) -> None:
    async def main(clock: VirtualClock) -> None:
        with pytest.raises(InputError):
            await driven(name, device_of(name), clock, unit, **settings)

    run_virtual(main)


def test_the_device_type_and_the_version_are_settings() -> None:
    analog, alarms = (reply_frame(0x21, 1, info_of(frame), device=0x4F) for frame in (PACE_ANALOG, PACE_ALARMS))
    asked = sent_by("pace", [analog, alarms], PaceBms.read, 1, version="21", device_type="4F")
    assert [frame[:9] for frame in asked] == [b"~21014F42", b"~21014F44"]


def test_a_pack_that_is_not_in_the_reply_to_all_is_missed() -> None:
    replies = [
        reply_frame(0x25, 1, info_of(PACE_ANALOG)),
        reply_frame(0x25, 1, replace(pace_alarms(info_of(PACE_ALARMS)), command=2).encode()),
    ]

    async def use(driver: PaceBms) -> None:
        with pytest.raises(BadReply, match="1 packs answered, number 2 is wanted"):
            await driver.read()

    sent_by("pace", replies, use, 1, pack=2, analog_of="all")


def test_linked_packs_of_a_pace_are_picked_out_of_the_reply_to_all() -> None:
    first = pace.decode_analog(info_of(PACE_ANALOG)).packs[0]
    every = pace.decode_analog(info_of(PACE_ANALOG))
    packs = replace(every, command=2, packs=(first, replace(first, cycles=7, current_a=1.5)))
    replies = [
        reply_frame(0x25, 1, packs.encode()),
        reply_frame(0x25, 1, replace(pace_alarms(info_of(PACE_ALARMS)), command=2).encode()),
    ]
    found: list[BmsSample] = []

    async def use(driver: PaceBms) -> None:
        found.append(await driver.read())

    sent_by("pace", replies, use, 1, pack=2, analog_of="all")
    assert (found[0].cycles, found[0].current_a) == (7, 1.5)
