"""The JK PB's own driver, and the habits of its emulator beyond its registers: switches, actions, JK's own frames."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from struct import unpack_from
from typing import Any

import numpy as np
import pytest
from tests.unit.wire_parts import PlainBms, device_map, memory_port

from packbench.core.errors import InputError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.jk_pb import JkPbBms
from packbench.run.port import Port
from packbench.wire.modbus import ModbusRefused, rtu_frame, write_registers
from packbench_sim.devices.jbd import JbdDevice
from packbench_sim.devices.jk_4e57 import Jk4e57Device
from packbench_sim.devices.jk_pb import JkPbDevice
from packbench_sim.devices.modbus_slave import Refuse
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

JK = device_map("jk-pb")
MS = 1_000_000


def stated(cells: int = 16, sensors: int = 2, **values: Any) -> StatedBms:
    return StatedBms(PlainBms(cells, sensors), values)


def with_jk(use: Callable[[JkPbBms, JkPbDevice, Any], Awaitable[None]], part: Any = None, **device: Any) -> None:
    async def main(clock: VirtualClock) -> None:
        emulator = JkPbDevice(JK, part or stated(), **device)
        link, _ = memory_port(emulator, "rtu", clock, gap_ms=30, quiet_ms=100)
        await use(JkPbBms(JK, link, 1), emulator, link)

    run_virtual(main)


def test_the_file_names_this_driver() -> None:
    async def main(clock: VirtualClock) -> None:
        port = Port(MemoryLink(asyncio.get_running_loop(), JkPbDevice(JK, stated()), clock), clock)
        bms = make_driver(Wanted(JK, 1, "pty", port, 500 * MS, {}))
        assert isinstance(bms, JkPbBms)
        assert (await bms.identify()).serial == "JK-SIM-0001"

    run_virtual(main)


@pytest.mark.parametrize("sensors", [1, 2, 5])
def test_only_sensors_that_are_fitted_have_a_temperature(sensors: int) -> None:
    part = stated(sensors=sensors)

    async def use(bms: JkPbBms, device: JkPbDevice, _link: Any) -> None:
        # What a board without the sensor has there: zero, not a mark.
        for number in range(sensors + 1, 6):
            device._space.set({f"temperature_{number}_c": 0.0})
        sample = await bms.read()
        assert sample.temperatures_c == tuple(part.reading(0).temperatures_c.tolist())
        assert sample.quality is Quality.GOOD

    with_jk(use, part)


def test_an_unfitted_sensor_cannot_be_implausible() -> None:
    async def use(bms: JkPbBms, device: JkPbDevice, _link: Any) -> None:
        device._space.set({"temperature_4_c": 3000.0})
        assert (await bms.read()).quality is Quality.GOOD
        device._space.set({"temperature_2_c": 3000.0})
        device._part = stated(sensors=1)
        assert (await bms.read()).quality is Quality.GOOD

    with_jk(use)


def test_what_is_switched_off_is_off_for_plant_and_driver() -> None:
    switched: list[tuple[bool, bool]] = []

    async def use(bms: JkPbBms, _device: JkPbDevice, link: Any) -> None:
        await bms.identify()
        for address, charge_a, discharge_a in ((0x1070, 0.0, 100.0), (0x1074, 0.0, 0.0)):
            await link.exchange(write_registers(1, address, bytes(4)))
            sample = await bms.read()
            assert (sample.charge_limit_a, sample.discharge_limit_a) == (charge_a, discharge_a)
        await link.exchange(write_registers(1, 0x1070, b"\0\0\0\1\0\0\0\1"))
        assert (await bms.read()).discharge_limit_a == 100.0
        assert (await bms.read()).balancing is True
        await link.exchange(write_registers(1, 0x1078, bytes(4)))
        assert (await bms.read()).balancing is False
        await link.exchange(write_registers(1, 0x1004, bytes(4)))
        assert switched == [(False, True), (False, False), (True, True), (True, True)]

    with_jk(
        use,
        stated(balancing=True),
        switches=lambda _t, charge, discharge: switched.append((charge, discharge)),
    )


def test_settings_are_read_back_and_limits_are_the_driver_s() -> None:
    async def use(bms: JkPbBms, _device: JkPbDevice, link: Any) -> None:
        await link.exchange(write_registers(1, 0x102C, (45_500).to_bytes(4, "big")))
        await bms.identify()
        assert (await bms.read()).charge_limit_a == 45.5
        for address in (0x1122, 0x1120, 0x1200, 0x1400, 0x1071, 0x1630):
            with pytest.raises(ModbusRefused):
                await link.exchange(write_registers(1, address, bytes(4)))

    with_jk(use)


def test_a_pack_that_may_not_be_charged_has_its_switch_open() -> None:
    async def use(bms: JkPbBms, _device: JkPbDevice, _link: Any) -> None:
        await bms.identify()
        sample = await bms.read()
        assert sample.charge_limit_a == 0.0
        assert sample.alarms == ("charge_under_temperature",)

    with_jk(use, stated(charge_limit_a=0.0, alarms=("under_temperature",)))


def test_a_preset_changes_the_thresholds_and_shutdown_ends_the_talk() -> None:
    async def use(bms: JkPbBms, device: JkPbDevice, link: Any) -> None:
        await link.exchange(write_registers(1, 0x160C, b"\0\1"))
        assert device.read_registers(0, 0x1004, 8).hex(" ", 4) == "00000a28 00000bb8 00000e10 00000d48"
        await link.exchange(write_registers(1, 0x1610, b"\0\1"))
        with pytest.raises(ReplyTimeout):
            await link.exchange(write_registers(1, 0x1604, b"\0\1"))
        with pytest.raises(ReplyTimeout):
            await bms.read()

    with_jk(use)


def test_the_clock_goes_on_from_what_it_was_set_to() -> None:
    device = JkPbDevice(JK, stated())
    device.write_registers(5_000 * MS, 0x1612, (900).to_bytes(4, "big"))
    assert int.from_bytes(device.read_registers(65_000 * MS, 0x1300, 2), "big") == 960
    with pytest.raises(Refuse):
        device.write_registers(0, 0x1612, b"\0\0")


def test_chatter_before_an_answer_is_skipped() -> None:
    async def use(bms: JkPbBms, _device: JkPbDevice, link: Any) -> None:
        await bms.identify()
        assert (await bms.read()).cell_voltages_v.size == 16
        assert link.port.counters.noise_bytes > 0
        assert link.port.stats.retries == 0

    with_jk(use, chatter=True)


# ------------------------------------------------------- JK's own frames


def table(device: JkPbDevice, t_ns: int, address: int) -> tuple[bytes, bytes]:
    """(JK's frame, what follows it) of one action register."""
    said = device.on_bytes(t_ns, rtu_frame(1, bytes((0x10, *address.to_bytes(2, "big"), 0, 1, 2, 0, 0))))
    return said[:300], said[300:]


def test_a_table_is_said_little_endian_before_the_acknowledgement() -> None:
    part = stated(
        cell_voltages_v=np.round(np.linspace(3.28, 3.31, 16), 3),
        voltage_v=52.8,
        current_a=-12.345,
        soc=0.87,
        soh=1.0,
        cycles=321,
        temperatures_c=np.array([-3.5, 24.0]),
    )
    device = JkPbDevice(JK, part, rated_ah=280.0)
    frame, rest = table(device, 0, 0x1620)
    assert frame[:6].hex() == "55aaeb900200"
    assert frame[299] == sum(frame[:299]) & 0xFF
    assert rest == b"\0" + rtu_frame(1, bytes.fromhex("1016200001")) + b"\0"
    # The places that dbus-serialbattery (jkbms_pb) reads.
    assert unpack_from("<16H", frame, 6) == tuple(round(1000 * value) for value in np.linspace(3.28, 3.31, 16))
    assert unpack_from("<I", frame, 150) == (52_800,)
    assert unpack_from("<i", frame, 158) == (-12_345,)
    assert unpack_from("<hh", frame, 162) == (-35, 240)
    assert (frame[173], frame[190], frame[214]) == (87, 100, 0b111)
    assert unpack_from("<i", frame, 174) == (243_600,)
    assert unpack_from("<i", frame, 182) == (321,)
    assert frame[198:200] == b"\1\1"


def test_every_table_has_its_number_and_its_numbers_turned() -> None:
    device = JkPbDevice(JK, stated(), unit=1, rated_ah=280.0)
    settings, _ = table(device, 0, 0x161E)
    assert settings[4] == 1
    assert unpack_from("<i", settings, 18) == (3650,), "cell over-voltage"
    assert unpack_from("<i", settings, 98) == (-50,), "charge under-temperature"
    assert unpack_from("<5i", settings, 114) == (16, 1, 1, 1, 280_000)
    assert unpack_from("<i", settings, 270) == (1,)
    about, _ = table(device, 100 * MS, 0x161C)
    assert about[4] == 3
    assert about[6:21].rstrip(b"\0") == b"JK_PB2A16S20P"
    assert (about[22:30].rstrip(b"\0"), about[30:38].rstrip(b"\0")) == (b"15A", b"15.24")
    assert unpack_from("<I", about, 42) == (42,)
    assert table(device, 110 * MS, 0x161C) == (b"", b""), "right after its own answer"


@pytest.mark.parametrize(
    "make", [lambda part: JkPbDevice(JK, part), JbdDevice, Jk4e57Device], ids=["jk-pb", "jbd", "jk-4e57"]
)
def test_a_pack_of_too_many_cells_is_refused(make: Callable[[PlainBms], Any]) -> None:
    assert make(PlainBms(32, 2)) is not None
    with pytest.raises(InputError, match="32 cells, not 33"):
        make(PlainBms(33, 2))
