"""The EA PSB driver on its emulator, byte by byte in virtual time: what the device's habits do to its driver."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.wire_parts import PlainCycler, device_map, memory_port

from packbench.core.errors import BadReply, DeviceRefused, InputError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.ea_psb import EaPsb
from packbench.drivers.protocols import Setpoint
from packbench.wire.modbus import (
    Framing,
    ModbusRefused,
    read_coil,
    read_registers,
    rtu_frame,
    write_coil,
    write_register,
)
from packbench_sim.devices import EaPsbDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.parts import CyclerReading

MS = 1_000_000
EA = device_map("ea-psb")


def with_ea(
    use: Callable[[EaPsb, EaPsbDevice, PlainCycler, VirtualClock], Awaitable[None]],
    *,
    framing: Framing = "mbap",
    settings: dict[str, Any] | None = None,
    **device: Any,
) -> None:
    async def main(clock: VirtualClock) -> None:
        part = PlainCycler()
        emulator = EaPsbDevice(EA, part, framing=framing, **device)
        port, _ = memory_port(emulator, framing, clock, gap_ms=5, quiet_ms=100)
        await use(EaPsb(EA, port, 0, settings), emulator, part, clock)

    run_virtual(main)


@pytest.mark.parametrize("framing", ["mbap", "rtu"])
@pytest.mark.parametrize("settings", [{}, {"actuals_read": "split", "setpoint_write": "single"}])
def test_ea_charges_discharges_and_goes_off(framing: Framing, settings: dict[str, Any]) -> None:
    strict = bool(settings)

    async def use(cycler: EaPsb, device: EaPsbDevice, part: PlainCycler, clock: VirtualClock) -> None:
        identity = await cycler.identify()
        assert identity.model == "PSB simulated"
        await cycler.prepare()
        assert (device.remote, part.output_on) == (True, False)
        await cycler.apply(Setpoint(50.0, 400.0))
        await clock.sleep_until(clock.now_ns() + 20 * MS)
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation, sample.quality) == (True, "cc", Quality.GOOD)
        assert sample.current_a == pytest.approx(50.0, abs=120 / 52428)
        assert sample.voltage_v == pytest.approx(350.0, abs=500 / 52428)
        # Read in two halves, a sample is as old as its older half.
        assert clock.now_ns() - sample.t_ns == (5.4 * MS if strict else 0)
        assert part.clamp_v == pytest.approx(400.0, abs=500 / 52428)
        await cycler.apply(Setpoint(-20.0, 288.0))
        await clock.sleep_until(clock.now_ns() + 20 * MS)
        assert (await cycler.read()).current_a == pytest.approx(-20.0, abs=120 / 52428)
        await cycler.off()
        await clock.sleep_until(clock.now_ns() + 20 * MS)
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation, sample.current_a) == (False, "off", 0.0)
        await cycler.release()
        assert device.remote is False

    with_ea(use, framing=framing, settings=settings, joint_read=not strict, block_write=not strict)


@pytest.mark.parametrize(
    ("device", "settings"), [({"joint_read": False}, {}), ({"block_write": False}, {})], ids=["read", "write"]
)
def test_ea_that_refuses_the_default_is_found_out_in_prepare(device: dict[str, Any], settings: dict[str, Any]) -> None:
    async def use(cycler: EaPsb, _device: EaPsbDevice, part: PlainCycler, _clock: VirtualClock) -> None:
        with pytest.raises(DeviceRefused):
            await cycler.prepare()
        assert not any(output_on for _, output_on, _ in part.commands)

    with_ea(use, settings=settings, **device)


def test_ea_echo_is_accepted_not_executed() -> None:
    async def use(cycler: EaPsb, _device: EaPsbDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        part.commands.clear()
        await cycler.apply(Setpoint(10.0, 400.0))
        acknowledged_ns = clock.now_ns()
        assert not part.output_on
        await clock.sleep_until(acknowledged_ns + 60 * MS)
        assert part.output_on
        assert part.commands[-1][0] > acknowledged_ns

    with_ea(use, execution_delay_ns=50 * MS)


def test_ea_that_is_told_a_set_point_gives_no_reading_out() -> None:
    """It counts its ampere-hours up to a command by its own meters: whoever asks sees nothing of that."""

    async def use(cycler: EaPsb, _device: EaPsbDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        await cycler.apply(Setpoint(10.0, 400.0))
        part.given.clear()
        await cycler.apply(Setpoint(8.0, 400.0))
        assert part.commands[-1][2] == pytest.approx(8.0, abs=120 / 52428)
        assert part.given == []
        await cycler.read()
        assert len(part.given) == 1

    with_ea(use)


def test_ea_writes_outside_remote_and_in_local_are_refused() -> None:
    async def main(clock: VirtualClock) -> None:
        device = EaPsbDevice(EA, PlainCycler())
        port, _ = memory_port(device, "mbap", clock)
        for local, code in ((False, 7), (True, 0x17)):
            device.local = local
            with pytest.raises(ModbusRefused) as refused:
                await port.exchange(write_register(0, 501, 1))
            assert refused.value.code == code
        with pytest.raises(ModbusRefused) as refused:
            await port.exchange(write_coil(0, 402, True))
        assert refused.value.code == 0x17

    run_virtual(main)


def test_ea_limited_compliance_serves_unit_0_alone() -> None:
    async def main(clock: VirtualClock) -> None:
        limited, _ = memory_port(EaPsbDevice(EA, PlainCycler(), framing="rtu"), "rtu", clock)
        assert (await limited.exchange(read_coil(0, 405))).value == b"\x00\x00"
        with pytest.raises(ModbusRefused) as refused:
            await limited.exchange(read_coil(1, 405))
        assert refused.value.code == 2
        full, _ = memory_port(EaPsbDevice(EA, PlainCycler(), framing="rtu", limited=False), "rtu", clock)
        for unit in (0, 1):
            assert (await full.exchange(read_coil(unit, 405))).value == b"\x00"

    run_virtual(main)


def test_ea_set_values_beyond_the_device_are_refused_on_both_sides() -> None:
    async def use(cycler: EaPsb, device: EaPsbDevice, _part: PlainCycler, _clock: VirtualClock) -> None:
        await cycler.prepare()
        with pytest.raises(DeviceRefused, match="source_current_a"):
            await cycler.apply(Setpoint(123.0, 400.0))
        # The adjust limit of the source current to 50 %: the device rejects, the driver passes it on.
        device.write_registers(0, 9002, (0x6666).to_bytes(2, "big"))
        with pytest.raises(ModbusRefused) as refused:
            await cycler.apply(Setpoint(61.0, 400.0))
        assert refused.value.code == 3
        assert not device.output_on

    with_ea(use)


def test_ea_alarm_latches_shows_and_is_not_overrun() -> None:
    async def use(cycler: EaPsb, device: EaPsbDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        await clock.sleep_until(clock.now_ns() + 20 * MS)
        device.set_alarm(clock.now_ns(), "over_temperature", present=True)
        sample = await cycler.read()
        assert (sample.output_on, sample.alarms, part.output_on) == (False, ("over_temperature",), False)
        device.set_alarm(clock.now_ns(), "over_temperature", present=False)
        assert (await cycler.read()).alarms == ("over_temperature",), "latched until acknowledged"
        with pytest.raises(ModbusRefused):
            await cycler.apply(Setpoint(50.0, 400.0))
        assert not part.output_on
        await cycler.prepare()
        assert (await cycler.read()).alarms == ()
        device.set_alarm(clock.now_ns(), "over_temperature", present=True)
        with pytest.raises(DeviceRefused, match="over_temperature"):
            await cycler.prepare()

    with_ea(use)


def test_ea_own_over_voltage_protection() -> None:
    async def use(cycler: EaPsb, _device: EaPsbDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        await clock.sleep_until(clock.now_ns() + 20 * MS)
        assert (await cycler.read()).output_on
        part.voltage_v = 430.0
        sample = await cycler.read()
        assert (sample.output_on, sample.alarms) == (False, ("over_voltage",))

    with_ea(use, settings={"over_voltage_v": 420.0})


def test_ea_that_echoes_a_write_and_does_not_keep_it_is_found_out() -> None:
    class Forgetful(EaPsbDevice):
        forgets = False

        def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
            if not self.forgets:
                super().write_registers(t_ns, address, payload)

    async def main(clock: VirtualClock) -> None:
        device = Forgetful(EA, PlainCycler())
        port, _ = memory_port(device, "mbap", clock, gap_ms=5)
        cycler = EaPsb(EA, port, 0)
        await cycler.prepare()
        device.forgets = True
        started_ns = clock.now_ns()
        with pytest.raises(BadReply, match="read back"):
            await cycler.apply(Setpoint(10.0, 400.0))
        assert 300 * MS < clock.now_ns() - started_ns < 330 * MS
        assert not device.output_on

    run_virtual(main)


def test_ea_with_other_ratings_than_the_bench_file_says_is_refused() -> None:
    async def use(cycler: EaPsb, _device: EaPsbDevice, _part: PlainCycler, _clock: VirtualClock) -> None:
        with pytest.raises(InputError, match=r"rated_current_a: .*found 120, expected 60"):
            await cycler.identify()

    with_ea(use, settings={"rated_voltage_v": 500.0, "rated_current_a": 60.0})


def test_ea_off_goes_ahead_of_what_waits() -> None:
    async def main(clock: VirtualClock) -> None:
        part = PlainCycler()
        port, _ = memory_port(EaPsbDevice(EA, part), "mbap", clock, gap_ms=5)
        cycler = EaPsb(EA, port, 0)
        await cycler.prepare()
        done: list[str] = []

        async def read(number: int) -> None:
            await port.exchange(read_registers(0, 505, 5))
            done.append(f"read {number}")

        async def off() -> None:
            await cycler.off()
            done.append("off")

        await asyncio.gather(read(1), read(2), read(3), off())
        assert done == ["off", "read 1", "read 2", "read 3"] or done[:2] == ["read 1", "off"]
        assert done.index("off") <= 1

    run_virtual(main)


@pytest.mark.parametrize("on", [True, False])
def test_ea_that_echoes_a_switch_and_does_not_do_it_is_found_out(on: bool) -> None:
    async def use(cycler: EaPsb, device: EaPsbDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        if not on:
            await cycler.apply(Setpoint(10.0, 400.0))
            await clock.sleep_until(clock.now_ns() + 20 * MS)
        switch = device.machine.switch
        device.machine.switch = lambda t_ns, on: None  # type: ignore[method-assign]
        words = "switched on, but the state says it is off" if on else "switched off, but the state says it is on"
        began_ns = clock.now_ns()
        with pytest.raises(BadReply, match=words):
            await (cycler.apply(Setpoint(10.0, 400.0)) if on else cycler.off())
        assert 300 * MS < clock.now_ns() - began_ns < 330 * MS
        device.machine.switch = switch  # type: ignore[method-assign]
        await (cycler.apply(Setpoint(10.0, 400.0)) if on else cycler.off())
        await clock.sleep_until(clock.now_ns() + 20 * MS)
        assert part.output_on is on, "the command is sent again: nobody believed the first"

    with_ea(use)


def test_ea_off_waits_for_a_device_that_lags_behind_its_echo() -> None:
    async def use(cycler: EaPsb, device: EaPsbDevice, _part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        await cycler.apply(Setpoint(10.0, 400.0))
        switch, measure = device.machine.switch, device.machine.measure
        due_ns = clock.now_ns() + 100 * MS
        device.machine.switch = lambda t_ns, on: None  # type: ignore[method-assign]

        def late(t_ns: int) -> CyclerReading:
            if t_ns >= due_ns:
                switch(t_ns, False)
            return measure(t_ns)

        device.machine.measure = late  # type: ignore[method-assign]
        await cycler.off()
        assert due_ns <= clock.now_ns() < due_ns + 20 * MS
        await cycler.off()

    with_ea(use)


@pytest.mark.parametrize(
    ("state", "alarms"),
    [
        (0x0C86, ()),
        (0x8C80, ("alarm",)),
        (0x00C08C80, ("alarm",)),
        (0x80408C80, ("alarm",)),
        (0x00018C80, ("over_voltage",)),
        (0x0483, ("remote_control_lost",)),
        (0x041C, ("communication_timeout",)),
        (0x841C, ("alarm", "communication_timeout")),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"actuals_read": "split"}])
def test_ea_state_says_what_no_alarm_bit_names(state: int, alarms: tuple[str, ...], settings: dict[str, Any]) -> None:
    """Alarms without a name, and remote control that is not ours any more: only once it was."""

    async def use(cycler: EaPsb, device: EaPsbDevice, _part: PlainCycler, _clock: VirtualClock) -> None:
        await cycler.prepare()
        values = device.machine._values
        shown = state

        def lying(t_ns: int) -> dict[str, int | float]:
            return {**values(t_ns), "state": shown}

        device.machine._values = lying  # type: ignore[method-assign]
        assert (await cycler.read()).alarms == alarms
        device.machine._values = values  # type: ignore[method-assign]
        await cycler.release()
        device.machine._values = lying  # type: ignore[method-assign]
        ours = {"remote_control_lost", "communication_timeout"}
        assert (await cycler.read()).alarms == tuple(name for name in alarms if name not in ours)

    with_ea(use, settings=settings)


def test_ea_remote_control_that_was_taken_away_is_an_alarm_until_it_is_taken_anew() -> None:
    async def use(cycler: EaPsb, device: EaPsbDevice, _part: PlainCycler, clock: VirtualClock) -> None:
        assert (await cycler.read()).alarms == (), "nobody has taken it yet"
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        device.machine.set_remote(clock.now_ns(), False)
        sample = await cycler.read()
        assert (sample.output_on, sample.alarms) == (False, ("remote_control_lost",))
        await cycler.prepare()
        assert (await cycler.read()).alarms == ()
        await cycler.release()
        assert (await cycler.read()).alarms == (), "given back"

    with_ea(use)


def test_ea_communication_timeout_is_an_alarm() -> None:
    async def use(cycler: EaPsb, device: EaPsbDevice, part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        device.machine.monitored, device.machine.monitor_s = True, 1
        await cycler.apply(Setpoint(50.0, 400.0))
        await clock.sleep_until(clock.now_ns() + 1_100 * MS)
        assert not part.output_on
        assert (await cycler.read()).alarms == ("communication_timeout",)

    with_ea(use)


def test_a_silent_device_times_out_and_is_heard_again() -> None:
    async def use(cycler: EaPsb, device: EaPsbDevice, _part: PlainCycler, clock: VirtualClock) -> None:
        await cycler.prepare()
        device.silent = lambda t_ns: t_ns < 2_000 * MS
        with pytest.raises(ReplyTimeout):
            await cycler.read()
        await clock.sleep_until(2_000 * MS)
        assert (await cycler.read()).quality is Quality.GOOD

    with_ea(use, framing="rtu")


def test_ea_golden_exchanges_come_from_the_emulator_byte_for_byte() -> None:
    part = PlainCycler()
    part.rated_voltage_v = 80.0
    device = EaPsbDevice(EA, part, framing="rtu", limited=False)
    answer = {golden.request: golden.reply for golden in EA.golden if golden.framing == "rtu" and golden.request}
    remote_on, remote_off = bytes.fromhex("01050192ff002c2b"), bytes.fromhex("0105019200006ddb")
    refused, local = bytes.fromhex("0185070352"), bytes.fromhex("018517029e")
    output_on = rtu_frame(1, bytes.fromhex("050195ff00"))
    assert device.on_bytes(0, output_on) == refused, "not in remote"
    nominal = bytes.fromhex("01030079000215d2")
    assert device.on_bytes(0, nominal) == answer[nominal]
    assert device.on_bytes(0, remote_on) == answer[remote_on]
    for write in ("010601f56666338e", "010601f5cccccd51", "010601f6cccc3d51"):
        assert device.on_bytes(0, bytes.fromhex(write)) == bytes.fromhex(write)
    assert device.on_bytes(0, remote_off) == answer[remote_off]
    device.local = True
    assert device.on_bytes(0, remote_on) == local
