"""Chambers by map alone, on their emulator in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from tests.unit.mapped_bench import CHAMBER, S, noted
from tests.unit.sim_bench import make_bench, make_pack
from tests.unit.wire_parts import memory_port

from packbench.core.errors import DeviceRefused, InputError
from packbench.core.samples import Quality
from packbench.drivers.mapped_chamber import MappedChamber
from packbench.wire.modbus import ModbusRefused, read_coil, read_registers, write_coil, write_register
from packbench_sim.devices.modbus_chamber import ModbusChamberDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.wiring import play, playing
from packbench_sim.world import build_parts


class Air:
    def __init__(self) -> None:
        self.told: list[tuple[int, float]] = []

    def __call__(self, t_ns: int, temperature_c: float) -> None:
        self.told.append((t_ns, temperature_c))


def with_chamber(
    use: Callable[[MappedChamber, ModbusChamberDevice, Air, VirtualClock], Awaitable[None]], **device: Any
) -> None:
    async def main(clock: VirtualClock) -> None:
        air = Air()
        emulator = ModbusChamberDevice(CHAMBER, air, framing="rtu", **device)
        port, _ = memory_port(emulator, "rtu", clock, gap_ms=5)
        await use(MappedChamber(CHAMBER, port, 1), emulator, air, clock)

    run_virtual(main)


def test_chamber_goes_to_its_set_point_at_its_rate_and_takes_the_pack_along() -> None:
    async def use(chamber: MappedChamber, _device: ModbusChamberDevice, air: Air, clock: VirtualClock) -> None:
        assert (await chamber.identify()).model == "Generic climate chamber, Modbus"
        sample = await chamber.read()
        assert (sample.temperature_c, sample.running, sample.humidity, sample.alarms) == (25.0, False, 0.45, ())
        await chamber.hold(-10.0)
        began_ns = clock.now_ns()
        await clock.sleep_until(began_ns + 300 * S)
        sample = await chamber.read()
        assert (sample.running, sample.setpoint_c, sample.quality) == (True, -10.0, Quality.GOOD)
        assert sample.temperature_c == pytest.approx(25.0 - 5 * 3.0, abs=0.06), "3 K/min"
        assert [round(temperature_c, 1) for _, temperature_c in air.told[-2:]] == [10.0, 10.0]
        await clock.sleep_until(began_ns + 3600 * S)
        assert (await chamber.read()).temperature_c == -10.0
        await chamber.stop()
        await chamber.stop()
        stopped_ns = clock.now_ns()
        assert (await chamber.read()).running is False
        await clock.sleep_until(stopped_ns + 3600 * S)
        # A time constant of an hour towards the room: 35 K / e away from it.
        assert (await chamber.read()).temperature_c == pytest.approx(25.0 - 35.0 / 2.71828, abs=0.06)

    with_chamber(use)


def test_chamber_s_stop_goes_ahead_of_what_waits() -> None:
    async def use(chamber: MappedChamber, device: ModbusChamberDevice, _air: Air, _clock: VirtualClock) -> None:
        await chamber.hold(40.0)
        done: list[str] = []
        reads = (noted(done, f"read {number}", chamber.read()) for number in (1, 2, 3))
        await asyncio.gather(*reads, noted(done, "stop", chamber.stop()))
        assert done.index("stop") <= 1, "after the one reading on its way at the most"
        assert (await chamber.read()).running is False

    with_chamber(use)


def test_the_simulated_pack_lives_in_the_chamber_s_air() -> None:
    async def main(clock: VirtualClock) -> None:
        world = build_parts(make_bench(), make_pack(), start_ns=clock.now_ns(), seed=1, perfect=True)
        port, _ = memory_port(play(playing(world, CHAMBER, 1, "modbus+tcp")), "mbap", clock)
        chamber = MappedChamber(CHAMBER, port, 1)
        assert (await chamber.read()).temperature_c == 25.0, "the room's"
        before_c = world.plant.bms.reading(clock.now_ns()).temperatures_c.mean()
        await chamber.hold(45.0)
        await clock.sleep_until(clock.now_ns() + 6 * 3600 * S)
        after_c = world.plant.bms.reading(clock.now_ns()).temperatures_c.mean()
        assert before_c == pytest.approx(25.0, abs=0.5)
        assert after_c > 40.0

    run_virtual(main)


def test_chamber_that_is_near_settles_instead_of_overshooting() -> None:
    async def use(chamber: MappedChamber, _device: ModbusChamberDevice, air: Air, clock: VirtualClock) -> None:
        await chamber.hold(27.0)
        await clock.sleep_until(clock.now_ns() + 60 * S)
        assert (await chamber.read()).temperature_c == pytest.approx(27.0 - 2.0 / 2.71828, abs=0.06)
        assert max(temperature_c for _, temperature_c in air.told) < 27.0

    with_chamber(use)


def test_chamber_s_set_point_outside_its_range_is_refused_on_both_sides() -> None:
    async def use(chamber: MappedChamber, device: ModbusChamberDevice, _air: Air, _clock: VirtualClock) -> None:
        with pytest.raises(DeviceRefused, match="set_temperature_c: 120 is not within -40 to 100 degC"):
            await chamber.hold(120.0)
        assert (await chamber.read()).running is False, "not run with the old set-point either"
        with pytest.raises(ModbusRefused) as refused:
            await chamber._link.exchange(write_register(1, 100, 1200))
        assert refused.value.code == 3
        for request in (write_register(1, 0, 1), write_coil(1, 5, True), read_coil(1, 5), read_registers(1, 4, 2)):
            with pytest.raises(ModbusRefused) as refused:
                await chamber._link.exchange(request)
            assert refused.value.code == 2
        device.write_registers(0, 100, (-400).to_bytes(2, "big", signed=True))

    with_chamber(use)


def test_chamber_without_a_humidity_sensor_and_with_a_fault() -> None:
    async def use(chamber: MappedChamber, _device: ModbusChamberDevice, _air: Air, _clock: VirtualClock) -> None:
        sample = await chamber.read()
        assert (sample.humidity, sample.alarms) == (None, ("door_open",))

    with_chamber(use, humidity=None, alarms=("door_open",))


def test_chamber_whose_sensor_is_broken_is_not_believed() -> None:
    async def main(clock: VirtualClock) -> None:
        device = ModbusChamberDevice(CHAMBER, Air(), framing="rtu", room_c=3276.7)
        port, _ = memory_port(device, "rtu", clock)
        sample = await MappedChamber(CHAMBER, port, 1).read()
        assert sample.quality is Quality.IMPLAUSIBLE
        assert sample.temperature_c != sample.temperature_c, "no number"

    run_virtual(main)


def test_chamber_that_leaves_its_temperature_out_is_not_believed_either() -> None:
    temperature = replace(CHAMBER.fields["temperature_c"], absent=(250,))
    other = replace(CHAMBER, fields=MappingProxyType({**CHAMBER.fields, "temperature_c": temperature}))

    async def main(clock: VirtualClock) -> None:
        port, _ = memory_port(ModbusChamberDevice(CHAMBER, Air()), "mbap", clock)
        assert (await MappedChamber(other, port, 1).read()).quality is Quality.IMPLAUSIBLE
        assert (await MappedChamber(CHAMBER, port, 1).read()).quality is Quality.GOOD

    run_virtual(main)


def test_chamber_s_golden_exchanges_come_from_the_emulator_byte_for_byte() -> None:
    running = ModbusChamberDevice(CHAMBER, Air(), framing="rtu", room_c=23.5)
    stopped = ModbusChamberDevice(CHAMBER, Air(), framing="rtu", room_c=-10.0, humidity=None, alarms=("door_open",))
    warm, cold, write, run = CHAMBER.golden
    assert stopped.on_bytes(0, cold.request) == cold.reply
    assert stopped.on_bytes(0, write.request) == write.reply
    running.write_registers(0, 100, (250).to_bytes(2, "big"))
    assert running.on_bytes(0, run.request) == run.reply
    assert running.on_bytes(0, warm.request) == warm.reply


@pytest.mark.parametrize("value", ["soon", -1, True])
def test_a_time_to_read_back_that_is_none_is_refused(value: Any) -> None:
    async def main(clock: VirtualClock) -> None:
        port, _ = memory_port(ModbusChamberDevice(CHAMBER, Air()), "mbap", clock)
        with pytest.raises(InputError, match="read_back_ms"):
            MappedChamber(CHAMBER, port, 1, {"read_back_ms": value})

    run_virtual(main)
