"""Cyclers by map alone, on their emulator in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from tests.unit.mapped_bench import CYCLER, MS, S, noted
from tests.unit.wire_parts import PlainCycler, memory_port

from packbench.core.errors import BadReply, DeviceRefused, InputError
from packbench.core.samples import Quality
from packbench.drivers.mapped_cycler import MappedCycler
from packbench.drivers.protocols import Setpoint
from packbench.maps.schema import DeviceType
from packbench.wire.modbus import ModbusRefused, write_coil, write_register, write_registers
from packbench_sim.devices.modbus_cycler import ModbusCyclerDevice
from packbench_sim.loop import VirtualClock, run_virtual


def golden_replies(device: DeviceType, framing: str) -> dict[bytes, bytes]:
    return {item.request: item.reply for item in device.golden if item.framing == framing}


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
