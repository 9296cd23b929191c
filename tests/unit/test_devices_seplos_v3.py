"""Seplos V3: the driver on the emulator in virtual time, and both against the captured frames."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from tests.unit.golden import golden_frames
from tests.unit.wire_parts import PlainBms, device_map, memory_port

from packbench.core.errors import InputError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.seplos_v3 import SeplosV3Bms
from packbench.run.port import Port
from packbench.wire.modbus import (
    ModbusRefused,
    ModbusRequest,
    read_coils,
    read_registers,
    rtu_frame,
    write_register,
    write_registers,
)
from packbench_sim.devices.seplos_v3 import SeplosV3Device
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

MAP = device_map("seplos-v3")
GOLDEN = golden_frames("seplos_v3")
CAPTURED: dict[str, Any] = {
    "cell_voltages_v": np.array(
        [3.327] * 2 + [3.328] * 3 + [3.327, 3.328, 3.327] + [3.328] * 5 + [3.327, 3.327, 3.328]
    ),
    "voltage_v": 53.25,
    "temperatures_c": np.array([21.5, 21.2, 21.4, 21.1]),
    "current_a": -1.37,
    "soc": 0.832,
    "soh": 0.999,
    "cycles": 10,
    "charge_limit_a": 180.0,
    "discharge_limit_a": 180.0,
}
"""What the captured pack measured. One sensor read 0.1 K less when it was asked for its extremes."""


def captured(unit: int, **changes: Any) -> SeplosV3Device:
    """An emulator of the captured pack, in its state."""
    return SeplosV3Device(
        MAP,
        StatedBms(PlainBms(16, 4), {**CAPTURED, **changes}),
        unit=unit,
        rated_capacity_ah=330.0,
        total_discharged_ah=2900.0,
        ambient_c=22.5,
        power_c=21.2,
        reserved_switches=0x40,
        maker="XZH-ElecTech Co.,Ltd",
        model="SG16S200A-SP57B-A",
        firmware="15",
        serial="SP57B-A2506120022",
    )


def with_pack(
    use: Callable[[SeplosV3Bms, SeplosV3Device, PlainBms, VirtualClock], Awaitable[None]],
    settings: dict[str, Any] | None = None,
    *,
    unit: int = 0,
    cells: int = 16,
    sensors: int = 4,
    **device: Any,
) -> None:
    async def main(clock: VirtualClock) -> None:
        part = PlainBms(cells, sensors)
        emulator = SeplosV3Device(MAP, part, unit=unit, **device)
        port, _ = memory_port(emulator, "rtu", clock, gap_ms=10, quiet_ms=100)
        await use(SeplosV3Bms(MAP, port, unit, settings or {}), emulator, part, clock)

    run_virtual(main)


# ------------------------------------------------------------ captured frames


def test_the_map_states_every_captured_frame() -> None:
    stated = {item.request for item in MAP.golden} | {item.reply for item in MAP.golden}
    assert len(GOLDEN) == 16
    assert {frame.frame for frame in GOLDEN} <= stated


def test_captured_replies_come_from_the_emulator_byte_for_byte() -> None:
    pairs = [(GOLDEN[at].frame, GOLDEN[at + 1].frame) for at in range(0, len(GOLDEN), 2)]
    extremes = captured(1, temperatures_c=np.array([21.4, 21.2, 21.4, 21.1]))
    for request, reply in pairs:
        device = extremes if request[2:4] == b"\x10\x00" else captured(request[0])
        assert device.on_bytes(0, request) == reply, request.hex()


def test_a_second_pack_s_events_come_from_the_emulator_byte_for_byte() -> None:
    request, reply = (bytes.fromhex(text) for text in ("010112000090391e", "010112" + "00" * 8 + "10" + "00" * 6))
    device = captured(1, current_a=0.0)
    device._switch_bits.clear()
    assert device.on_bytes(0, request) == reply + bytes.fromhex("0300007af5")


def test_the_driver_s_requests_are_the_captured_ones() -> None:
    sent: list[bytes] = []

    async def main(clock: VirtualClock) -> None:
        for unit in (0, 1):
            port, link = memory_port(captured(unit), "rtu", clock, gap_ms=10)
            link.to_device = lambda _t_ns, data: sent.append(data) or data
            bms = SeplosV3Bms(MAP, port, unit, {"cell_count": 16})
            await bms.identify()
            await bms.read()

    run_virtual(main)
    asked = {frame.frame for frame in GOLDEN if frame.direction == "request"}
    pack_of_0, pack_of_1 = sent[:4], sent[4:]
    assert pack_of_0[0] in asked, "who it is, asked of unit 0"
    assert [frame in asked for frame in pack_of_1] == [False, True, True, False]
    assert pack_of_1[3] == bytes.fromhex("010112000090391e"), "144 coils, where the maker's master asks for 2304"


# -------------------------------------------------------------------- reading


@pytest.mark.parametrize("unit", [0, 1, 127])
def test_it_reads_what_the_part_measured(unit: int) -> None:
    async def use(bms: SeplosV3Bms, _device: SeplosV3Device, part: PlainBms, _clock: VirtualClock) -> None:
        identity = await bms.identify()
        assert (identity.model, identity.serial, identity.firmware) == ("SIM16S100A", "SIM0000001", "10")
        sample = await bms.read()
        np.testing.assert_allclose(sample.cell_voltages_v, part.cells_v, atol=1e-9)
        assert sample.voltage_v == pytest.approx(part.cells_v.sum(), abs=0.005)
        assert sample.temperatures_c == pytest.approx(part.sensors_c)
        assert (sample.current_a, sample.soc, sample.soh, sample.cycles) == (-12.34, 0.87, 0.81, 321)
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (75.0, 100.0)
        assert (sample.alarms, sample.balancing, sample.quality) == ((), False, Quality.GOOD)

    with_pack(use, unit=unit)


def test_a_pack_of_15_cells_and_2_sensors_says_so() -> None:
    async def use(bms: SeplosV3Bms, _device: SeplosV3Device, part: PlainBms, _clock: VirtualClock) -> None:
        assert (await bms.read()).cell_voltages_v.size == 16, "nobody has asked yet"
        await bms.identify()
        sample = await bms.read()
        np.testing.assert_allclose(sample.cell_voltages_v, part.cells_v, atol=1e-9)
        assert sample.temperatures_c == (20.0, 26.0)

    with_pack(use, cells=15, sensors=2)


def test_a_pack_that_shows_measurements_only_has_all_16_cells_unless_the_bench_file_says() -> None:
    class Shy(SeplosV3Device):
        def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
            return super().read_registers(t_ns, address if address < 0x1300 else 0xFFFF, count)

    async def main(clock: VirtualClock) -> None:
        port, _ = memory_port(Shy(MAP, PlainBms(15, 4)), "rtu", clock, gap_ms=10)
        for settings, cells in (({}, 16), ({"cell_count": 15}, 15)):
            bms = SeplosV3Bms(MAP, port, 0, settings)
            assert (await bms.identify()).model == "Seplos BMS V3, Modbus RTU"
            assert (await bms.read()).cell_voltages_v.size == cells

    run_virtual(main)


def test_silence_is_no_refusal() -> None:
    async def use(bms: SeplosV3Bms, device: SeplosV3Device, _part: PlainBms, _clock: VirtualClock) -> None:
        device.silent = lambda _t_ns: True
        with pytest.raises(ReplyTimeout):
            await bms.identify()

    with_pack(use)


def test_the_zero_of_temperature_and_the_step_of_current_are_options() -> None:
    async def use(bms: SeplosV3Bms, _device: SeplosV3Device, part: PlainBms, _clock: VirtualClock) -> None:
        sample = await bms.read()
        assert sample.temperatures_c == pytest.approx(part.sensors_c - 0.05)
        assert sample.current_a == -123.4
        part.current_a = 40.0
        sample = await bms.read()
        assert (sample.current_a, sample.quality) == (400.0, Quality.GOOD), "the register's range, whatever a count is"

    with_pack(use, {"temperature_zero": 2731.5, "current_step_a": 0.1})


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"temperature_zero": "warm"}, "temperature_zero: found 'warm', expected a number from 2725 to 2735"),
        ({"current_step_a": 1}, "current_step_a: found 1"),
        ({"cell_count": 17}, "ask, or a number from 1 to 16"),
        ({"cell_count": "all"}, "cell_count: found 'all'"),
    ],
)
def test_an_option_that_cannot_be_is_refused(settings: dict[str, Any], complaint: str) -> None:
    async def main(clock: VirtualClock) -> None:
        line = MemoryLink(clock._loop, SeplosV3Device(MAP, PlainBms(16, 4)), clock)
        with pytest.raises(InputError, match=complaint):
            make_driver(Wanted(MAP, 0, "rtu+tcp", Port(line, clock), 100_000_000, settings))

    run_virtual(main)


# --------------------------------------------------------------------- events


def test_events_become_alarms_and_states_do_not() -> None:
    async def use(bms: SeplosV3Bms, device: SeplosV3Device, part: PlainBms, _clock: VirtualClock) -> None:
        part.alarms, part.balancing = ("over_temperature", "cell_over_voltage", "hvil_open"), True
        sample = await bms.read()
        assert sample.alarms == (
            "cell_over_voltage", "charge_over_temperature", "discharge_over_temperature", "sensor_fault",
        )  # fmt: skip
        assert sample.balancing is True
        part.alarms, part.balancing = (), False
        assert (await bms.read()).alarms == ()

    with_pack(use)


@pytest.mark.parametrize(
    ("coil", "alarms", "balancing"),
    [
        (0x1200 + 6, ("cell_low_voltage_alarm",), False),
        (0x1210 + 15, ("cell_high_voltage_alarm",), False),
        (0x1220, ("cell_low_temperature_alarm",), False),
        (0x1228 + 3, ("cell_high_temperature_alarm",), False),
        (0x1230 + 9, (), True),
        (0x1240, (), False),
        (0x1249, ("cell_over_voltage",), False),
        (0x125E, (), False),
        (0x125F, ("coil_125f",), False),
        (0x1266, ("short_circuit",), False),
        (0x1273, ("low_soc",), False),
        (0x127E, (), False),
        (0x1280, (), True),
        (0x1283, (), False),
        (0x1284, ("cell_failure_alarm",), False),
        (0x128F, ("aerosol_alarm",), False),
    ],
)
def test_each_coil_means_what_the_document_says(coil: int, alarms: tuple[str, ...], balancing: bool) -> None:
    class Eventful(SeplosV3Device):
        def _coils_on(self, reading: Any) -> set[int]:
            return {coil, 0x1278, 0x1279}

    async def main(clock: VirtualClock) -> None:
        port, _ = memory_port(Eventful(MAP, PlainBms(16, 4)), "rtu", clock, gap_ms=10)
        sample = await SeplosV3Bms(MAP, port, 0, {}).read()
        assert (sample.alarms, sample.balancing) == (alarms, balancing)
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (75.0, 100.0)

    run_virtual(main)


def test_a_mosfet_that_is_off_permits_no_current() -> None:
    switched: list[tuple[bool, bool]] = []

    async def use(bms: SeplosV3Bms, _device: SeplosV3Device, _part: PlainBms, _clock: VirtualClock) -> None:
        await bms._link.exchange(_write16(0x1511, 0x55AA))
        sample = await bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (0.0, 100.0)
        await bms._link.exchange(_write16(0x1515, 0xAA55))
        await bms._link.exchange(_write16(0x1510, 0x55AA))
        sample = await bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (75.0, 0.0)
        await bms._link.exchange(_write16(0x1510, 0xAA55))
        assert (await bms.read()).discharge_limit_a == 100.0
        assert switched == [(False, True), (True, True), (True, False), (True, True)]

    with_pack(use, switches=lambda _t_ns, charge, discharge: switched.append((charge, discharge)))


# ---------------------------------------------------------------- the traps


def test_what_the_family_refuses() -> None:
    async def main(clock: VirtualClock) -> None:
        port, _ = memory_port(SeplosV3Device(MAP, PlainBms(16, 4), unit=1), "rtu", clock, gap_ms=10)
        for request, code in (
            (read_registers(1, 0x1000, 17), 1),
            (read_registers(1, 0x1000, 19, 4), 2),
            (read_registers(1, 0x2000, 26, 4), 2),
            (read_coils(1, 0x1200, 0x91), 2),
            (read_coils(1, 0x1208, 0x90), 2),
            (read_coils(1, 0x2200, 0x50), 2),
            (write_register(1, 0x1510, 0x55AA), 1),
            (_write16(0x1510, 1, unit=1), 3),
            (_write16(0x1302, 1, unit=1), 2),
        ):
            with pytest.raises(ModbusRefused) as refused:
                await port.exchange(request)
            assert refused.value.code == code, request.describe()
        assert (await port.exchange(read_coils(1, 0x1400, 0x50))).value == bytes(10)

    run_virtual(main)


def test_another_unit_s_request_gets_silence() -> None:
    device = SeplosV3Device(MAP, PlainBms(16, 4), unit=0)
    assert device.on_bytes(0, rtu_frame(1, bytes.fromhex("0410000011"))) == b""
    assert device.on_bytes(10**9, rtu_frame(0, bytes.fromhex("0410000011")))


def test_more_than_16_cells_are_refused() -> None:
    with pytest.raises(InputError, match="found 17, expected 16"):
        SeplosV3Device(MAP, PlainBms(17, 4))


def _write16(address: int, word: int, *, unit: int = 0) -> ModbusRequest:
    return write_registers(unit, address, word.to_bytes(2, "big"))
