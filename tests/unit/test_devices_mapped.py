"""Cyclers, chambers and meters by map alone, on their emulators in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from tests.unit.sim_bench import make_bench, make_pack
from tests.unit.wire_parts import PlainCycler, device_map, memory_port

from packbench.core.errors import BadReply, DeviceRefused, InputError
from packbench.core.samples import Quality
from packbench.drivers.mapped_chamber import MappedChamber
from packbench.drivers.mapped_cycler import MappedCycler
from packbench.drivers.mapped_meter import MappedMeter
from packbench.drivers.protocols import Setpoint
from packbench.maps.schema import DeviceType
from packbench.wire.modbus import ModbusRefused, read_coil, read_registers, write_coil, write_register, write_registers
from packbench_sim.devices.modbus_chamber import ModbusChamberDevice
from packbench_sim.devices.modbus_cycler import ModbusCyclerDevice
from packbench_sim.devices.modbus_insulation import ModbusInsulationDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.wiring import play, playing
from packbench_sim.world import build_parts

MS = 1_000_000
S = 1_000_000_000
CYCLER, CHAMBER, INSULATION = (device_map(f"modbus-{name}") for name in ("cycler", "chamber", "insulation"))


def golden_replies(device: DeviceType, framing: str) -> dict[bytes, bytes]:
    return {item.request: item.reply for item in device.golden if item.framing == framing}


async def noted(done: list[str], name: str, doing: Awaitable[Any]) -> None:
    await doing
    done.append(name)


# ------------------------------------------------------------------ cycler


def with_cycler(
    use: Callable[[MappedCycler, ModbusCyclerDevice, PlainCycler, VirtualClock], Awaitable[None]],
    settings: dict[str, Any] | None = None,
    *,
    device_type: DeviceType = CYCLER,
    **device: Any,
) -> None:
    async def main(clock: VirtualClock) -> None:
        part = PlainCycler()
        emulator = ModbusCyclerDevice(CYCLER, part, **device)
        port, _ = memory_port(emulator, "mbap", clock, gap_ms=2)
        await use(MappedCycler(device_type, port, 1, settings), emulator, part, clock)

    run_virtual(main)


def test_cycler_charges_discharges_and_goes_off() -> None:
    async def use(cycler: MappedCycler, device: ModbusCyclerDevice, part: PlainCycler, clock: VirtualClock) -> None:
        identity = await cycler.identify()
        assert (identity.model, identity.serial, identity.firmware) == ("Packbench cycler", "CY-0001", "1.0")
        await cycler.prepare()
        assert (device.remote, device.output_on, part.output_on) == (True, False, False)
        await cycler.apply(Setpoint(50.0, 400.0))
        assert (part.output_on, part.current_a, part.clamp_v) == (True, 50.0, 400.0)
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation, sample.quality) == (True, "cc", Quality.GOOD)
        assert (sample.voltage_v, sample.current_a, sample.t_ns) == (350.0, 50.0, clock.now_ns())
        await cycler.apply(Setpoint(-20.5, 288.0))
        assert (part.current_a, part.clamp_v) == (-20.5, 288.0)
        assert (await cycler.read()).current_a == -20.5
        await cycler.off()
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation, sample.current_a) == (False, "off", 0.0)
        await cycler.apply(Setpoint(1.0, 400.0))
        await cycler.release()
        assert (device.remote, part.output_on) == (False, False)

    with_cycler(use)


def test_cycler_sends_output_on_only_when_it_is_not_known_to_be_on() -> None:
    async def use(cycler: MappedCycler, device: ModbusCyclerDevice, part: PlainCycler, clock: VirtualClock) -> None:
        sent: list[int] = []
        write_coil_there = device.write_coil

        def noted(t_ns: int, address: int, on: bool) -> None:
            sent.append(address if on else -address)
            write_coil_there(t_ns, address, on)

        device.write_coil = noted  # pyright: ignore[reportAttributeAccessIssue]
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        await cycler.apply(Setpoint(40.0, 400.0))
        assert sent.count(1) == 1
        device.set_alarm(clock.now_ns(), "over_temperature", present=True)
        # Not known to be off yet: a set-point goes out, and no command that would switch it on again.
        await cycler.apply(Setpoint(30.0, 400.0))
        assert sent.count(1) == 1
        assert not part.output_on
        sample = await cycler.read()
        assert (sample.output_on, sample.alarms) == (False, ("over_temperature",))
        with pytest.raises(ModbusRefused) as refused:
            await cycler.apply(Setpoint(30.0, 400.0))
        assert refused.value.code == 7, "latched"
        with pytest.raises(DeviceRefused, match="alarms stay after acknowledging them: over_temperature"):
            await cycler.prepare()
        device.set_alarm(clock.now_ns(), "over_temperature", present=False)
        await cycler.prepare()
        assert (await cycler.read()).alarms == ()

    with_cycler(use)


def test_cycler_that_hears_nothing_switches_off() -> None:
    async def use(cycler: MappedCycler, device: ModbusCyclerDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        await cycler.apply(Setpoint(-50.0, 288.0))
        began_ns = clock.now_ns()
        # Every request is a sign of life.
        while clock.now_ns() < began_ns + 5 * S:
            await clock.sleep_until(clock.now_ns() + 2900 * MS)
            assert (await cycler.read()).output_on
        heard_ns = clock.now_ns()
        await clock.sleep_until(heard_ns + 2900 * MS)
        assert part.output_on
        await clock.sleep_until(heard_ns + 3100 * MS)
        assert not part.output_on
        sample = await cycler.read()
        assert (sample.output_on, sample.alarms) == (False, ("communication_lost",))

    with_cycler(use)


@pytest.mark.parametrize(("watchdog_s", "off"), [(0.5, True), (0.0, False), (20.0, False)])
def test_cycler_s_watchdog_is_set_from_the_bench_file(watchdog_s: float, off: bool) -> None:
    async def use(cycler: MappedCycler, device: ModbusCyclerDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        await cycler.apply(Setpoint(-50.0, 288.0))
        await clock.sleep_until(clock.now_ns() + 10 * S)
        assert part.output_on is not off

    with_cycler(use, {"watchdog_s": watchdog_s})


def test_cycler_beyond_its_ratings_is_refused_by_the_device_and_keeps_what_it_had() -> None:
    async def use(cycler: MappedCycler, _device: ModbusCyclerDevice, part: PlainCycler, _clock: VirtualClock) -> None:
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        with pytest.raises(ModbusRefused) as refused:
            await cycler.apply(Setpoint(120.1, 400.0))
        assert refused.value.code == 3
        assert part.current_a == 50.0
        with pytest.raises(DeviceRefused, match=r"set_voltage_v: 2001 is not within 0 to 2000 V"):
            await cycler.apply(Setpoint(50.0, 2001.0))

    with_cycler(use)


def test_cycler_takes_nothing_outside_remote() -> None:
    async def main(clock: VirtualClock) -> None:
        port, _ = memory_port(ModbusCyclerDevice(CYCLER, PlainCycler()), "mbap", clock)
        switches = (write_coil(1, 1, True), write_coil(1, 2, True))
        for request in (*switches, write_register(1, 110, 30), write_registers(1, 100, bytes(8))):
            with pytest.raises(ModbusRefused) as refused:
                await port.exchange(request)
            assert refused.value.code == 7
        with pytest.raises(ModbusRefused) as refused:
            await port.exchange(write_register(1, 0, 1))
        assert refused.value.code == 2, "a measurement is nobody's to write"

    run_virtual(main)


def test_cycler_with_other_ratings_than_the_bench_file_says_is_refused() -> None:
    async def use(cycler: MappedCycler, _d: ModbusCyclerDevice, _p: PlainCycler, _clock: VirtualClock) -> None:
        with pytest.raises(InputError, match=r"rated_current_a: .*found 120, expected 60"):
            await cycler.identify()

    with_cycler(use, {"rated_voltage_v": 500.0, "rated_current_a": 60.0})


def test_cycler_that_does_not_keep_a_write_is_found_out_before_the_output_is_on() -> None:
    class Forgetful(ModbusCyclerDevice):
        def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
            super().write_registers(t_ns, address, payload if address != 100 else bytes(8))

    async def main(clock: VirtualClock) -> None:
        part = PlainCycler()
        port, _ = memory_port(Forgetful(CYCLER, part), "mbap", clock, gap_ms=5)
        cycler = MappedCycler(CYCLER, port, 1, {"read_back_ms": 100})
        await cycler.prepare()
        began_ns = clock.now_ns()
        with pytest.raises(BadReply, match="wrote 00061a80000030d4 to 100, read back 0000000000000000"):
            await cycler.apply(Setpoint(12.5, 400.0))
        assert 100 * MS < clock.now_ns() - began_ns < 130 * MS
        assert not part.output_on

    run_virtual(main)


def test_cycler_that_says_it_is_not_in_remote_or_still_on_is_not_prepared() -> None:
    class Stubborn(ModbusCyclerDevice):
        lies: tuple[str, ...] = ()

        def _values(self, t_ns: int) -> dict[str, Any]:
            return {**super()._values(t_ns), "state": self.lies}

    async def main(clock: VirtualClock) -> None:
        device = Stubborn(CYCLER, PlainCycler())
        port, _ = memory_port(device, "mbap", clock)
        cycler = MappedCycler(CYCLER, port, 1)
        with pytest.raises(BadReply, match="the state says it is not in remote"):
            await cycler.prepare()
        device.lies = ("output_on", "cc", "remote")
        began_ns = clock.now_ns()
        with pytest.raises(BadReply, match="was switched off, but the state says it is on"):
            await cycler.prepare()
        assert 300 * MS < clock.now_ns() - began_ns < 310 * MS
        # On and holding nothing, or two things at once: nothing is decided on that.
        for lies, quality in ((("output_on",), Quality.IMPLAUSIBLE), (("output_on", "cv", "cc"), Quality.IMPLAUSIBLE)):
            device.lies = lies
            assert (await cycler.read()).quality is quality

    run_virtual(main)


def test_cycler_s_off_is_believed_when_the_state_shows_it_and_not_before() -> None:
    """An echo means "accepted": a device that echoes and goes on delivering is found out, and one that lags is not."""

    async def use(cycler: MappedCycler, device: ModbusCyclerDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        switch = device._switch
        device._switch = lambda t_ns, *, on: None  # type: ignore[method-assign]
        told_ns = clock.now_ns()
        with pytest.raises(BadReply, match="was switched off, but the state says it is on"):
            await cycler.off()
        assert 100 * MS < clock.now_ns() - told_ns < 110 * MS
        assert part.output_on
        # Executed 50 ms after its echo.
        values, due_ns = device._values, clock.now_ns() + 50 * MS

        def late(t_ns: int) -> dict[str, Any]:
            if t_ns >= due_ns:
                switch(t_ns, on=False)
            return values(t_ns)

        device._values = late  # type: ignore[method-assign]
        await cycler.off()
        assert (part.output_on, clock.now_ns() - due_ns < 5 * MS) == (False, True)
        await cycler.off()

    with_cycler(use, {"read_back_ms": 100, "watchdog_s": 0})


def test_cycler_s_output_that_does_not_come_on_is_found_out() -> None:
    async def use(cycler: MappedCycler, device: ModbusCyclerDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        switch = device._switch
        device._switch = lambda t_ns, *, on: None  # type: ignore[method-assign]
        with pytest.raises(BadReply, match="was switched on, but the state says it is off"):
            await cycler.apply(Setpoint(50.0, 400.0))
        device._switch = switch  # type: ignore[method-assign]
        await cycler.apply(Setpoint(50.0, 400.0))
        assert part.output_on, "the command is sent again: nobody believed the first"

    with_cycler(use)


def test_cycler_s_state_that_is_no_state_is_no_proof_of_off() -> None:
    """A map whose `output_on` is a register of its own, at the value that says "invalid"."""
    said = {"type": "u16", "names": (), "quantity": None, "unknown_bits": "report"}
    own = replace(CYCLER.fields["state"], name="output_on", sentinels=(0xFFFF,), **said)
    fields = {name: item for name, item in CYCLER.fields.items() if name != "state"} | {"output_on": own}

    async def use(cycler: MappedCycler, device: ModbusCyclerDevice, _part: PlainCycler, _clock: VirtualClock) -> None:
        encode, words = device._layout.encode_into, [b"\0\0"]

        class Layout:
            @staticmethod
            def encode_into(data: bytearray, at: int, values: dict[str, Any]) -> None:
                encode(data, at, values)
                data[:2] = words[0]

        device._layout = Layout()  # type: ignore[assignment]
        await cycler.prepare()
        words[0] = b"\xff\xff"
        with pytest.raises(BadReply, match="the state says it is on"):
            await cycler.off()

    with_cycler(use, device_type=replace(CYCLER, fields=MappingProxyType(fields)))


def test_cycler_that_lost_remote_control_says_so() -> None:
    async def use(cycler: MappedCycler, device: ModbusCyclerDevice, _part: PlainCycler, clock: VirtualClock) -> None:
        assert (await cycler.read()).alarms == (), "nobody has taken it yet"
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        assert (await cycler.read()).alarms == ()
        device.write_coil(clock.now_ns(), 0, False)
        sample = await cycler.read()
        assert (sample.output_on, sample.alarms) == (False, ("remote_control_lost",))
        await cycler.prepare()
        await cycler.release()
        assert (await cycler.read()).alarms == (), "given back"

    with_cycler(use)


def test_cycler_s_off_goes_ahead_of_what_waits() -> None:
    async def use(cycler: MappedCycler, _device: ModbusCyclerDevice, _part: PlainCycler, _clock: VirtualClock) -> None:
        await cycler.prepare()
        done: list[str] = []
        await asyncio.gather(
            *(noted(done, f"read {n}", cycler.read()) for n in (1, 2, 3)), noted(done, "off", cycler.off())
        )
        assert done.index("off") <= 1, "with the look that proves it, after the one reading on its way at the most"

    with_cycler(use)


def test_cycler_with_one_magnitude_a_direction_and_a_power_limit() -> None:
    """Another map of the same conventions: registers for switches, source and sink apart, a rating as full scale."""
    fields = dict(CYCLER.fields)
    signed = fields.pop("set_current_a")
    percent = {"type": "u16", "scale": 1.0, "full_scale_raw": 1000, "low": None, "high": None}
    volts = replace(fields["set_voltage_v"], address=100, full_scale_of="rated_voltage_v", **percent)
    fields["set_voltage_v"] = volts
    for number, name in enumerate(("source_current_a", "sink_current_a"), start=101):
        fields[name] = replace(signed, name=name, address=number, full_scale_of="rated_current_a", **percent)
    fields["set_power_w"] = replace(volts, name="set_power_w", address=103, full_scale_of="rated_power_w")
    fields["output"] = replace(volts, name="output", address=300, full_scale_of=None, access="w")
    other = replace(CYCLER, fields=MappingProxyType(fields), coils=MappingProxyType({}))

    class Registers(ModbusCyclerDevice):
        written: list[tuple[int, str]] = []

        def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
            self.written.append((address, payload.hex()))
            if address == 100:
                self._space.area(address, 4).write(address, payload)
            elif address == 300:
                self.output_on = payload == b"\0\1"

    async def main(clock: VirtualClock) -> None:
        device = Registers(CYCLER, PlainCycler())
        device.remote = True
        port, _ = memory_port(device, "mbap", clock)
        cycler = MappedCycler(other, port, 1, {"max_power_w": 15_000})
        await cycler.prepare()
        device.written.clear()
        await cycler.apply(Setpoint(-60.0, 250.0))
        assert device.written == [(100, "01f4000001f401f4"), (300, "0001")]
        await cycler.off()
        assert device.written[-1] == (300, "0000")
        device.written.clear()
        await cycler.apply(Setpoint(30.0, 250.0))
        assert device.written[0] == (100, "01f400fa000001f4")

    run_virtual(main)


def test_cycler_s_power_limit_has_to_be_stated() -> None:
    fields = dict(CYCLER.fields)
    power = replace(fields["set_current_a"], name="set_power_w", address=104)
    block = replace(CYCLER.block("setpoint"), count=6)
    blocks = tuple(block if item.name == "setpoint" else item for item in CYCLER.blocks)
    for name in ("rated_voltage_v", "rated_current_a", "rated_power_w"):
        del fields[name]
    other = replace(CYCLER, fields=MappingProxyType({**fields, "set_power_w": power}), blocks=blocks)

    async def use(cycler: MappedCycler, _d: ModbusCyclerDevice, _p: PlainCycler, _clock: VirtualClock) -> None:
        with pytest.raises(InputError, match=r"rated_power_w: .*the power limit that goes with every set-point"):
            await cycler.prepare()

    with_cycler(use, device_type=other)


def test_cycler_s_golden_exchanges_come_from_the_emulator_byte_for_byte() -> None:
    answer = golden_replies(CYCLER, "rtu")
    part = PlainCycler()
    device = ModbusCyclerDevice(CYCLER, part, framing="rtu")
    live, setpoint, watchdog, output_on = (
        bytes.fromhex(text)
        for text in ("010300000006c5c8", "01100064000408 00046500ffff15a085cc", "0106006e001e681f", "01050001ff00ddfa")
    )
    assert device.on_bytes(0, output_on).hex() == "0185070352"
    device.write_coil(0, 0, True)
    assert device.on_bytes(0, setpoint).hex() == "0110006400048015"
    assert device.on_bytes(0, watchdog) == answer[watchdog]
    assert device.on_bytes(0, output_on) == output_on
    part.voltage_v = 345.678
    assert device.on_bytes(0, live) == answer[live]
    part.rated_current_a = 50.0
    assert device.on_bytes(0, setpoint).hex() == "0190030c01", "beyond the ratings"
    whole = ModbusCyclerDevice(CYCLER, PlainCycler())
    for request, reply in golden_replies(CYCLER, "mbap").items():
        assert whole.on_bytes(0, request) == reply


# ----------------------------------------------------------------- chamber


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


# ------------------------------------------------------------------- meter


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


@pytest.mark.parametrize("value", ["soon", -1, True])
def test_a_time_to_read_back_that_is_none_is_refused(value: Any) -> None:
    async def main(clock: VirtualClock) -> None:
        port, _ = memory_port(ModbusChamberDevice(CHAMBER, Air()), "mbap", clock)
        with pytest.raises(InputError, match="read_back_ms"):
            MappedChamber(CHAMBER, port, 1, {"read_back_ms": value})

    run_virtual(main)
