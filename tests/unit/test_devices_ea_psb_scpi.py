"""The SCPI driver of the EA PSB on its emulator, and the watchdog that a client arms."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.scpi_bench import MS, S, Wire, ask, driver_of, on_wire
from tests.unit.wire_parts import PlainCycler, device_map

from packbench.core.errors import BadReply, DeviceRefused, InputError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.protocols import Setpoint
from packbench.wire.modbus import rtu_frame
from packbench.wire.scpi.messages import command, query
from packbench_sim.devices import EaPsbDevice
from packbench_sim.devices.ea_psb_machine import EaMachine

EA = device_map("ea-psb")


def scpi(**settings: Any) -> dict[str, Any]:
    return {"rated_voltage_v": 500.0, "rated_current_a": 120.0, "rated_power_w": 30_000.0, **settings}


# ---------------------------------------------------------------- the SCPI driver


@pytest.mark.parametrize("joined", [True, False])
def test_scpi_driver_charges_discharges_and_goes_off(joined: bool) -> None:
    part = PlainCycler()
    device = EaPsbDevice(EA, part, framing="rtu", interface="ethernet")

    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "ea-psb", scpi(joined=joined))
        identity = await cycler.identify()
        assert (identity.model, identity.serial, identity.firmware) == (
            "PSB simulated",
            "SIM0000001",
            "V3.02 simulated",
        )
        await cycler.prepare()
        assert (device.remote, part.output_on) == (True, False)
        assert (device.machine.monitored, device.machine.monitor_s) == (True, 5)
        wire.texts()
        await cycler.apply(Setpoint(50.0, 400.0))
        texts = wire.texts()
        assert texts[:5] == ["SINK:CURR 0.00", "VOLT 400.00", "SINK:POW 30000", "POW 30000", "CURR 50.00"]
        assert texts[5:7] == ["STAT:QUES:COND?", "SYST:ERR?"], "the status first: reading errors acknowledges alarms"
        assert texts[7:12] == ["SINK:CURR?", "VOLT?", "SINK:POW?", "POW?", "CURR?"]
        assert texts[12:] == ["OUTP ON", "STAT:QUES:COND?", "SYST:ERR?"]
        await wire.settle()
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation, sample.alarms) == (True, "cc", ())
        assert (sample.voltage_v, sample.current_a, sample.quality) == (350.0, 50.0, Quality.GOOD)
        wire.texts()
        await cycler.apply(Setpoint(-20.0, 288.0))
        assert wire.texts()[:5] == ["CURR 0.00", "VOLT 288.00", "SINK:POW 30000", "POW 30000", "SINK:CURR 20.00"]
        await wire.settle()
        assert (await cycler.read()).current_a == -20.0, "negative: it sinks"
        await cycler.off()
        await wire.settle()
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation, sample.current_a) == (False, "off", 0.0)
        await cycler.release()
        assert (device.remote, device.machine.monitored) == (False, False)

    on_wire(device, use)


def test_scpi_sample_is_as_old_as_its_first_answer() -> None:
    async def use(wire: Wire) -> None:
        for joined, age_ns in ((True, 0), (False, 3 * (5 * MS + 400_000))):
            cycler = driver_of(wire, "ea-psb", scpi(joined=joined))
            await cycler.identify()
            sample = await cycler.read()
            assert wire.clock.now_ns() - sample.t_ns == age_ns

    on_wire(EaPsbDevice(EA, PlainCycler(), framing="rtu"), use)


def test_scpi_refusals_and_alarms_are_found_though_nothing_is_pushed() -> None:
    part = PlainCycler()
    device = EaPsbDevice(EA, part, framing="rtu")

    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "ea-psb", scpi())
        await cycler.prepare()
        with pytest.raises(DeviceRefused, match="-222 Data out of range"):
            await cycler.apply(Setpoint(123.0, 400.0))
        assert not part.output_on
        await cycler.apply(Setpoint(50.0, 400.0))
        await wire.settle()
        device.set_alarm(wire.clock.now_ns(), "over_temperature", present=True)
        sample = await cycler.read()
        assert (sample.output_on, sample.alarms) == (False, ("over_temperature",))
        device.set_alarm(wire.clock.now_ns(), "over_temperature", present=False)
        with pytest.raises(DeviceRefused, match="an alarm is there: over_temperature"):
            await cycler.apply(Setpoint(50.0, 400.0))
        assert (await cycler.read()).alarms == ("over_temperature",), "not acknowledged by looking"
        assert not part.output_on
        await cycler.prepare()
        assert (await cycler.read()).alarms == ()
        device.set_alarm(wire.clock.now_ns(), "over_temperature", present=True)
        with pytest.raises(DeviceRefused, match="over_temperature"):
            await cycler.prepare()

    on_wire(device, use)


def test_scpi_driver_checks_the_ratings_and_its_options() -> None:
    async def use(wire: Wire) -> None:
        with pytest.raises(InputError, match=r"rated_current_a: .*found 120, expected 60"):
            await driver_of(wire, "ea-psb", scpi(rated_current_a=60.0)).identify()
        for wrong in ({"joined": "yes"}, {"alarm_register": "both"}, {"watchdog_s": "5 s"}, {"read_back_ms": -1}):
            with pytest.raises(InputError, match=next(iter(wrong))):
                driver_of(wire, "ea-psb", scpi(**wrong))
        with pytest.raises(InputError, match="serial_language"):
            driver_of(wire, "ea-psb", {"serial_language": "german"}, scheme="pty")

    on_wire(EaPsbDevice(EA, PlainCycler(), framing="rtu"), use)


@pytest.mark.parametrize(("language", "first"), [("modbus", b"\0\3"), ("scpi", b"*IDN?\n")])
def test_on_usb_an_option_says_which_language_is_spoken(language: str, first: bytes) -> None:
    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "ea-psb", {"serial_language": language}, scheme="pty")
        assert (await cycler.identify()).model == "PSB simulated"
        assert wire.sent[0].startswith(first)

    on_wire(EaPsbDevice(EA, PlainCycler(), framing="rtu"), use)


def test_a_value_the_device_does_not_keep_is_found_out() -> None:
    class Forgetful(EaMachine):
        def write(self, t_ns: int, address: int, payload: bytes) -> None:
            if address != 501:
                super().write(t_ns, address, payload)

    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")
    device.machine.__class__ = Forgetful

    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "ea-psb", scpi())
        await cycler.prepare()
        started_ns = wire.clock.now_ns()
        with pytest.raises(BadReply, match="CURR was set to 10, shows 0"):
            await cycler.apply(Setpoint(10.0, 400.0))
        assert 300 * MS < wire.clock.now_ns() - started_ns < 400 * MS
        assert not device.output_on

    on_wire(device, use)


def test_an_off_that_is_not_followed_is_found_out_and_one_into_silence_too() -> None:
    """A command gets no acknowledgement: without asking, a pulled cable would look like success."""
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu", execution_delay_ns=0)

    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "ea-psb", scpi())
        await cycler.prepare()
        await cycler.apply(Setpoint(10.0, 400.0))
        device.machine.switch = lambda t_ns, on: None  # type: ignore[method-assign]
        with pytest.raises(BadReply, match="says it is on"):
            await cycler.off()
        device.silent = lambda t_ns: True
        with pytest.raises(ReplyTimeout):
            await cycler.off()

    on_wire(device, use)


def test_scpi_off_goes_ahead_of_what_waits() -> None:
    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "ea-psb", scpi())
        await cycler.prepare()
        await wire.settle()
        wire.texts()
        reads = [asyncio.create_task(cycler.read()) for _ in range(3)]
        await asyncio.sleep(0)
        await cycler.off()
        await asyncio.gather(*reads)
        texts = wire.texts()
        assert texts.index("OUTP OFF") == 4, "after the one reading that was on its way"

    on_wire(EaPsbDevice(EA, PlainCycler(), framing="rtu"), use)


# ------------------------------------------------------------------- watchdog


def test_a_client_that_falls_silent_trips_the_watchdog_it_armed() -> None:
    part = PlainCycler()
    device = EaPsbDevice(EA, part, framing="rtu", interface="ethernet")

    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "ea-psb", scpi(watchdog_s=2))
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        for _ in range(6):
            await wire.settle(1.0)
            await cycler.read()
        assert part.output_on, "as long as somebody asks"
        silent_ns = wire.clock.now_ns()
        await wire.settle(1.9)
        assert part.output_on
        await wire.settle(0.2)
        assert not part.output_on
        assert part.commands[-1][0] - silent_ns == pytest.approx(2 * S, abs=MS)
        assert (device.machine.location, device.remote) == (0x1C, False)
        sample = await cycler.read()
        assert (sample.output_on, sample.alarms) == (False, ("communication_timeout",))
        with pytest.raises(DeviceRefused, match="-201"):
            await cycler.apply(Setpoint(50.0, 400.0))
        assert not part.output_on, "off until it is taken over anew"
        await cycler.prepare()
        assert (await cycler.read()).alarms == ()

    on_wire(device, use)


def test_the_register_list_shows_a_communication_timeout_to_modbus() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu", limited=False)
    device.on_bytes(0, b"SYST:LOCK 1;SYST:COMM:MON:TIM 1;SYST:COMM:MON:ACT ON;OUTP ON\n")
    device.tick(999 * MS)
    assert device.output_on
    device.tick(1_000 * MS)
    state = int.from_bytes(device.on_bytes(1_001 * MS, rtu_frame(1, bytes.fromhex("0301f90002")))[3:7], "big")
    assert (state & 0x1F, state >> 7 & 1, state >> 11 & 1) == (0x1C, 0, 0)


@pytest.mark.parametrize("by", ["switches_off", "coil 425"])
def test_what_the_watchdog_switches_off_is_a_setting(by: str) -> None:
    part = PlainCycler()
    device = EaPsbDevice(EA, part, framing="rtu", limited=False, switches_off=by != "switches_off")
    device.on_bytes(0, b"SYST:LOCK 1;SYST:COMM:MON:TIM 1;SYST:COMM:MON:ACT ON;OUTP ON\n")
    if by == "coil 425":
        assert device.on_bytes(0, rtu_frame(1, bytes.fromhex("0501a9ff00"))) == rtu_frame(
            1, bytes.fromhex("0501a9ff00")
        )
    device.tick(5 * MS)
    device.tick(2 * S)
    assert (device.machine.location, part.output_on) == (0x1C, True)


def test_a_device_without_a_watchdog_refuses_it_in_prepare() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")
    assert device._scpi is not None
    device._scpi._table.find("SYST:COMM:MON:ACT")
    device._scpi._table._known["SYST:COMM:MON:ACT"] = None

    async def use(wire: Wire) -> None:
        with pytest.raises(DeviceRefused, match="communication watchdog: refused with -100"):
            await driver_of(wire, "ea-psb", scpi()).prepare()
        await driver_of(wire, "ea-psb", scpi(watchdog_s=0)).prepare()

    on_wire(device, use)


def test_remote_control_that_was_taken_away_is_an_alarm() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")

    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "ea-psb", scpi())
        assert (await cycler.read()).alarms == (), "nobody has taken it yet"
        await cycler.prepare()
        await ask(wire, command("SYST:LOCK 0"))
        assert (await cycler.read()).alarms == ("remote_control_lost",)

    on_wire(device, use)


def test_a_regulation_that_the_device_does_not_name_is_not_guessed() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")
    assert device._scpi is not None

    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "ea-psb", scpi())
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        assert (await cycler.read()).regulation == "cc"
        device._scpi._operation = lambda t_ns: 0  # type: ignore[method-assign, union-attr]
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation) == (True, "unknown")

    on_wire(device, use)


def test_the_event_register_is_read_away_and_the_condition_is_not() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")
    device.set_alarm(0, "over_voltage", present=True)

    async def use(wire: Wire) -> None:
        event, condition = query("STAT:QUES?", "integer"), query("STAT:QUES:COND?", "integer")
        assert await ask(wire, condition, condition, event) == [(1,), (1,), (1,)]
        device.set_alarm(0, "over_voltage", present=False)
        device.machine.acknowledge()
        assert await ask(wire, event, event, condition) == [(0,), (0,), (0,)]

    on_wire(device, use)
