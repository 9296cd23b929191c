"""BMSs by map alone on their emulators in virtual time: readings, golden exchanges, and any bytes at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.wire_parts import PlainBms, device_map, memory_port

from packbench.core.samples import Quality
from packbench.drivers.mapped import MappedBms
from packbench.wire.modbus import Framing, rtu_frame
from packbench_sim.devices import HvBmsDevice, JkPbDevice
from packbench_sim.loop import VirtualClock, run_virtual

MS = 1_000_000
HV, JK = device_map("modbus-hv-bms"), device_map("jk-pb")


def with_bms(device: Any, framing: Framing, use: Callable[[MappedBms, VirtualClock], Awaitable[None]]) -> None:
    async def main(clock: VirtualClock) -> None:
        gap_ms = 30 if isinstance(device, JkPbDevice) else 0
        port, _ = memory_port(device, framing, clock, gap_ms=gap_ms, quiet_ms=100)
        await use(MappedBms(JK if isinstance(device, JkPbDevice) else HV, port, 1), clock)

    run_virtual(main)


@pytest.mark.parametrize("framing", ["mbap", "rtu"])
def test_hv_bms_reads_what_the_part_measured(framing: Framing) -> None:
    part = PlainBms(96, 12)
    part.alarms, part.balancing = ("cell_over_voltage",), True

    async def use(bms: MappedBms, clock: VirtualClock) -> None:
        await bms.identify()
        sample = await bms.read()
        np.testing.assert_allclose(sample.cell_voltages_v, part.cells_v, atol=1e-9)
        assert sample.temperatures_c == tuple(part.sensors_c.tolist())
        assert (sample.current_a, sample.soc, sample.soh, sample.cycles) == (-12.345, 0.87, 0.81, 321)
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (75.0, 100.0)
        assert (sample.alarms, sample.balancing, sample.quality) == (("cell_over_voltage",), True, Quality.GOOD)
        assert sample.t_ns == clock.now_ns()

    with_bms(HvBmsDevice(HV, part, framing=framing), framing, use)


def test_hv_bms_of_45_cells_reports_45() -> None:
    async def use(bms: MappedBms, _clock: VirtualClock) -> None:
        sample = await bms.read()
        assert sample.cell_voltages_v.size == 45
        assert len(sample.temperatures_c) == 8
        assert sample.quality is Quality.GOOD

    with_bms(HvBmsDevice(HV, PlainBms(45, 8)), "mbap", use)


def test_hv_bms_implausible_cell_marks_the_sample() -> None:
    part = PlainBms(96)
    part.cells_v = part.cells_v.copy()
    part.cells_v[10] = 8.191

    async def use(bms: MappedBms, _clock: VirtualClock) -> None:
        assert (await bms.read()).quality is Quality.IMPLAUSIBLE

    with_bms(HvBmsDevice(HV, part), "mbap", use)


def test_hv_bms_an_alive_counter_that_stands_still_is_an_old_measurement() -> None:
    async def use(bms: MappedBms, clock: VirtualClock) -> None:
        first = await bms.read()
        await clock.sleep_until(400 * MS)
        again = await bms.read()
        assert again.t_ns == first.t_ns, "measured every 500 ms: nothing new yet"
        await clock.sleep_until(600 * MS)
        assert (await bms.read()).t_ns == clock.now_ns()

    with_bms(HvBmsDevice(HV, PlainBms(96), measure_period_ns=500 * MS), "mbap", use)


def test_jk_pb_reads_what_the_part_measured() -> None:
    part = PlainBms(16, 5)
    part.alarms, part.balancing = ("cell_under_voltage",), True

    async def use(bms: MappedBms, _clock: VirtualClock) -> None:
        identity = await bms.identify()
        assert (identity.model, identity.firmware) == ("JK_PB2A16S20P", "15.24")
        sample = await bms.read()
        np.testing.assert_allclose(sample.cell_voltages_v, part.cells_v, atol=1e-9)
        assert sample.voltage_v == pytest.approx(part.cells_v.sum(), abs=5e-4)
        assert sample.temperatures_c == tuple(part.sensors_c.tolist())
        assert (sample.current_a, sample.soc, sample.soh, sample.cycles) == (-12.345, 0.87, 0.81, 321)
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (75.0, 100.0), "from the settings"
        assert (sample.alarms, sample.balancing, sample.quality) == (("cell_under_voltage",), True, Quality.GOOD)

    with_bms(JkPbDevice(JK, part), "rtu", use)


def test_jk_pb_with_two_sensors_has_two_temperatures() -> None:
    async def use(bms: MappedBms, _clock: VirtualClock) -> None:
        assert (await bms.read()).temperatures_c == (20.0, 26.0)

    with_bms(JkPbDevice(JK, PlainBms(16, 2)), "rtu", use)


def test_jk_pb_golden_exchanges_come_from_the_emulator_byte_for_byte() -> None:
    part = PlainBms(16, 2)
    device = JkPbDevice(JK, part, turnaround_ns=0)
    for golden in JK.golden:
        if golden.refused is not None or "model" in golden.values:
            assert device.on_bytes(0, golden.request) == golden.reply
    part.cells_v = np.full(16, 3.3)
    assert device.on_bytes(0, bytes.fromhex("010312900002c15e")).hex() == "0103040000ce40afa3", "52.800 V"
    assert device.on_bytes(0, bytes.fromhex("010312980002409c")).hex() == "010304ffffcfc7ee75", "-12.345 A"
    assert device.on_bytes(0, bytes.fromhex("010312a600016151")).hex() == "0103020057f9ba", "SOC 87"


def test_jk_pb_is_deaf_right_after_its_reply_and_silent_to_errors() -> None:
    device = JkPbDevice(JK, PlainBms(16, 2))
    ask = bytes.fromhex("010312900002c15e")
    assert device.on_bytes(0, ask)
    assert device.on_bytes(2 * MS, ask) == b"", "2 ms after its own reply"
    assert device.on_bytes(32 * MS, ask)
    assert device.on_bytes(100 * MS, ask[:-1] + b"\0") == b"", "bad CRC"
    assert device.on_bytes(300 * MS, rtu_frame(2, ask[1:-2])) == b"", "another unit's"
    assert device.on_bytes(400 * MS, b"\xff\x01" + ask), "noise before a request"


@given(
    framing=st.sampled_from(["mbap", "rtu"]),
    chunks=st.lists(
        st.one_of(st.binary(max_size=300), st.sampled_from([b"\x01\x10\x00\x00\x00\x7b\xf6", b"\0\1\0\0\0\xfe\1\3"])),
        max_size=8,
    ),
)
def test_any_bytes_into_an_emulator_are_bounded_and_it_answers_afterwards(
    framing: Framing, chunks: list[bytes]
) -> None:
    device = HvBmsDevice(HV, PlainBms(8, 1), framing=framing)
    for index, chunk in enumerate(chunks):
        device.on_bytes(index * MS, chunk)
        assert len(device._buffer) <= 1024
    good = bytes.fromhex("00050000000601030000000a") if framing == "mbap" else rtu_frame(1, bytes.fromhex("030000000a"))
    device.on_bytes(10_000 * MS, b"")
    answer = device.on_bytes(20_000 * MS, good)
    assert len(answer) == (29 if framing == "mbap" else 25)
