"""Insulation testers by map alone, on their emulator in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.mapped_bench import INSULATION, MS, S
from tests.unit.wire_parts import memory_port

from packbench.core.samples import Quality
from packbench.drivers.mapped_meter import MappedMeter
from packbench.wire.modbus import ModbusRefused, read_coil, read_registers, write_coil, write_register, write_registers
from packbench_sim.devices.modbus_insulation import ModbusInsulationDevice
from packbench_sim.loop import VirtualClock, run_virtual


def with_meter(
    use: Callable[[MappedMeter, ModbusInsulationDevice, VirtualClock], Awaitable[None]], **device: Any
) -> None:
    async def main(clock: VirtualClock) -> None:
        emulator = ModbusInsulationDevice(INSULATION, **device)
        port, _ = memory_port(emulator, "mbap", clock)
        await use(MappedMeter(INSULATION, port, 1), emulator, clock)

    run_virtual(main)


def test_insulation_is_absent_until_it_has_been_measured() -> None:
    async def use(meter: MappedMeter, device: ModbusInsulationDevice, clock: VirtualClock) -> None:
        sample = await meter.read()
        assert (sample.values, sample.alarms, sample.quality) == ({"test_voltage_v": 0.0}, (), Quality.GOOD)
        await meter._link.exchange(write_registers(1, 100, (2500).to_bytes(2, "big")))
        await meter._link.exchange(write_coil(1, 0, True))
        assert (await meter.read()).values == {"test_voltage_v": 250.0}
        assert (await meter._link.exchange(read_coil(1, 0))).value == b"\x01"
        await clock.sleep_until(clock.now_ns() + 2100 * MS)
        sample = await meter.read()
        assert sample.values == {"insulation_ohm": 120_000.0, "test_voltage_v": 250.0}
        assert sample.alarms == ("insulation_low",)
        # A limit of 100 kohm: the same result is no alarm any more.
        await meter._link.exchange(write_registers(1, 101, (100_000).to_bytes(4, "big")))
        assert (await meter.read()).alarms == ()
        await meter._link.exchange(write_coil(1, 0, True))
        await meter._link.exchange(write_coil(1, 0, False))
        assert (await meter.read()).values == {"test_voltage_v": 0.0}, "broken off"

    with_meter(use, insulation_ohm=120_000.0, done=False)


def test_insulation_tester_refuses_a_voltage_that_it_has_not_got() -> None:
    async def use(meter: MappedMeter, _device: ModbusInsulationDevice, _clock: VirtualClock) -> None:
        for request, code in (
            (write_registers(1, 100, (20_000).to_bytes(2, "big")), 3), (write_register(1, 3, 1), 2),
            (write_coil(1, 1, True), 2), (read_coil(1, 1), 2),
        ):  # fmt: skip
            with pytest.raises(ModbusRefused) as refused:
                await meter._link.exchange(request)
            assert refused.value.code == code
        assert (await meter._link.exchange(read_registers(1, 100, 1))).value == (5000).to_bytes(2, "big")

    with_meter(use)


def test_insulation_s_golden_exchanges_come_from_the_emulator_byte_for_byte() -> None:
    device = ModbusInsulationDevice(INSULATION, framing="rtu")
    done, measuring, start = INSULATION.golden
    assert device.on_bytes(0, done.request) == done.reply
    assert device.on_bytes(0, start.request) == start.reply
    assert device.on_bytes(0, measuring.request) == measuring.reply
    assert device.on_bytes(3 * S, done.request) == done.reply
