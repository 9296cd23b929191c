"""The EA PSB in both of its languages: golden bytes, one port for two languages, the watchdog, the idle close."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.golden import golden_frames
from tests.unit.scpi_bench import MS, S, Wire, ask, driver_of, on_wire
from tests.unit.wire_parts import PlainCycler, device_map

from packbench.clock import MonotonicClock
from packbench.core.errors import BadReply, DeviceRefused, InputError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.protocols import Setpoint
from packbench.maps.codec import compile_block
from packbench.wire.modbus import rtu_frame
from packbench.wire.scpi.messages import command, query
from packbench_sim.devices import EaPsbDevice
from packbench_sim.devices.ea_psb_machine import EaMachine
from packbench_sim.devices.ea_psb_scpi import EaScpi
from packbench_sim.serve import serve_tcp

EA = device_map("ea-psb")


class PlainPsb(PlainCycler):
    """An 80 V unit at the working point of the guide's examples."""

    rated_voltage_v, rated_current_a = 80.0, 1000.0

    def __init__(self) -> None:
        super().__init__()
        self.voltage_v = 80.0 * 0x2620 / 0xCCCC
        self.shown_a = 1000.0 * 0x0C9B / 0xCCCC
        # So that the power of that working point is the guide's 0x091B counts of it.
        self.rated_power_w = self.voltage_v * self.shown_a * 0xCCCC / 0x091B


def scpi(**settings: Any) -> dict[str, Any]:
    return {"rated_voltage_v": 500.0, "rated_current_a": 120.0, "rated_power_w": 30_000.0, **settings}


# ----------------------------------------------------------------- golden bytes


def test_every_golden_reply_comes_out_of_the_emulator_byte_for_byte() -> None:
    """In the file's order: writes and their echoes, actual values, ratings, state, both refusals."""
    part = PlainPsb()
    device = EaPsbDevice(EA, part, framing="rtu", limited=False, execution_delay_ns=0, remote_bit=False)
    frames = {frame.frame: frame for frame in golden_frames("ea_psb")}
    requests = [frame.frame for frame in frames.values() if frame.direction == "request"]
    replies = {frame.frame for frame in frames.values() if frame.direction == "reply"}
    seen: set[bytes] = set()

    def tell(request: bytes, t_ns: int = 0) -> bytes:
        reply = device.on_bytes(t_ns, request)
        seen.add(reply)
        return reply

    write_half, actuals, nominal, state, on, off, *full = requests
    switch_on = rtu_frame(1, bytes.fromhex("050195ff00"))
    assert tell(switch_on).hex() == "0185070352", "not in remote"
    assert tell(on) == on
    for write in (write_half, *full):
        assert tell(write) == write, "a write is echoed"
    assert tell(nominal).hex() == "01030442a00000ee69"
    tell(switch_on)
    device.tick(MS)
    part.current_a = part.shown_a
    assert tell(actuals, MS).hex() == "01030626200c9b091b9350"
    assert tell(state, MS).hex() == "01030400000483b952", "USB, output on, CC; the guide shows bit 11 clear"
    assert tell(off, MS) == off
    device.local = True
    assert tell(on, MS).hex() == "018517029e"
    assert replies <= seen


def test_the_golden_exchange_of_modbus_tcp_comes_out_of_the_emulator() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="mbap")
    assert device.on_bytes(0, bytes.fromhex("471100000006000300790002")).hex() == "47110000000700030443fa0000"


def test_every_golden_request_comes_out_of_the_driver() -> None:
    """With the options that make the reads and writes of the guide's own examples."""
    part = PlainPsb()
    device = EaPsbDevice(EA, part, framing="rtu", limited=False)

    async def use(wire: Wire) -> None:
        settings = {"actuals_read": "split", "setpoint_write": "single"}
        cycler = driver_of(wire, "ea-psb", settings, scheme="rtu+tcp", unit=1)
        await cycler.identify()
        await cycler.prepare()
        await cycler.apply(Setpoint(500.0, 20.0))
        await cycler.apply(Setpoint(1000.0, 20.0))
        await cycler.read()
        await cycler.release()
        missing = [
            frame.frame.hex()
            for frame in golden_frames("ea_psb")
            if frame.direction == "request" and frame.frame not in wire.sent
        ]
        assert not missing

    on_wire(device, use)


@pytest.mark.parametrize(
    ("asked", "volts", "amps", "digits", "answer"),
    [
        (b"MEAS:VOLT?\n", 43.5, 0.0, (2, 2, 0), b"43.50V\n"),
        # 12.5 V and 33.3 A are 416 W: the guide's device shows tens of watts.
        (b"MEAS:ARR?\n", 12.5, 33.3, (1, 1, -1), b"12.5V, 33.3A, 420W\n"),
    ],
)
def test_the_guide_s_scpi_answers_come_out_of_the_emulator(
    asked: bytes, volts: float, amps: float, digits: tuple[int, int, int], answer: bytes
) -> None:
    part = PlainPsb()
    part.voltage_v, part.current_a, part.output_on = volts, amps, True
    assert EaScpi(EaMachine(EA, part, interface="ethernet"), digits=digits).on_bytes(0, asked) == answer


# ------------------------------------------------------- one port, two languages


def test_the_first_byte_of_a_message_says_its_language() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")
    read = rtu_frame(0, bytes.fromhex("030079 0002".replace(" ", "")))
    assert device.on_bytes(0, read).hex().startswith("000304")
    assert device.on_bytes(10 * MS, b"*IDN?\n").startswith(b"EA Elektro-Automatik,PSB simulated,SIM0000001,")
    assert device.on_bytes(20 * MS, read).hex().startswith("000304")
    # In pieces: the beginning of a message decides for the rest of it.
    assert device.on_bytes(30 * MS, read[:3]) == b""
    assert device.on_bytes(31 * MS, read[3:]).hex().startswith("000304")
    assert device.on_bytes(40 * MS, b"MEAS:VO") == b""
    assert device.on_bytes(41 * MS, b"LT?\r\n") == b"350.00V\n"
    assert device.on_bytes(42 * MS, b"*IDN?") == b""
    assert device.on_bytes(43 * MS, b"\n").startswith(b"EA"), "the LF alone is no Modbus"
    # 2 to 41 is a Modbus error, whoever is meant; 42 ("*") is text.
    assert device.on_bytes(50 * MS, rtu_frame(41, read[1:-2])) == rtu_frame(41, b"\x83\x02")
    assert device.on_bytes(150 * MS, b"*IDN?\n").startswith(b"EA")
    # A Modbus frame that was never finished does not swallow the text after it.
    assert device.on_bytes(200 * MS, read[:3]) == b""
    assert device.on_bytes(400 * MS, b"*IDN?\n").startswith(b"EA")


def test_port_502_speaks_modbus_tcp_alone() -> None:
    assert EaPsbDevice(EA, PlainCycler(), framing="mbap").on_bytes(0, b"*IDN?\n") == b""


def test_what_one_language_sets_the_other_shows() -> None:
    part = PlainCycler()
    device = EaPsbDevice(EA, part, framing="rtu", limited=False, execution_delay_ns=0)
    say = lambda text: device.on_bytes(0, text.encode() + b"\n").decode().strip()  # noqa: E731
    assert say("SYST:LOCK ON;VOLT 250;SINK:CURR 60 A;SYST:LOCK:OWN?") == "REMOTE"
    setpoints = device.on_bytes(0, rtu_frame(1, bytes.fromhex("0301f20003")))
    assert setpoints[3:9].hex() == "cccc66666666", "sink power 100 %, sink current and voltage 50 %"
    device.on_bytes(0, rtu_frame(1, bytes.fromhex("0601f53333")))
    assert say("CURR?;VOLT?;SINK:CURR?;SINK:POW?") == "30.00A;250.00V;60.00A;30000W"
    say("OUTP ON")
    device.tick(MS)
    assert (part.output_on, part.clamp_v, part.current_a) == (True, pytest.approx(250.0, abs=0.01), pytest.approx(-30))
    state = int.from_bytes(device.on_bytes(MS, rtu_frame(1, bytes.fromhex("0301f90002")))[3:7], "big")
    assert state >> 12 & 1, "it sinks"
    assert say("MEAS:ARR?;OUTP?;STAT:OPER?") == f"350.00V, -30.00A, -10500W;ON;{1 << 9 | 1 << 12}"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("VOLT 501", 0),  # up to 102 %
        ("VOLT 511", -222),
        ("VOLT -1", -222),
        ("CURR 1e9", -222),
        ("VOLT 5 A", -224),
        ("VOLT abc", -224),
        ("VOLT", -220),
        ("VOLT 1,2", -108),
        ("OUTP MAYBE", -224),
        ("VOLT:PROT 551", -222),
        ("MEAS:VOLT? 1", -108),
        ("FOO 1", -100),
        ("MEAS:VOLT 1", -100),
        ("SYST:COMM:MON:TIM 0", -222),
        ("SYST:COMM:MON:TIM 36001", -222),
        ("A;B;C;D;E;F", -223),
        ("V" * 256, -225),
    ],
)
def test_what_is_refused_says_nothing_and_waits_in_the_error_queue(text: str, code: int) -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")
    assert device.on_bytes(0, b"SYST:LOCK 1\n") == b""
    assert device.on_bytes(0, text.encode() + b"\n") == b""
    assert device.on_bytes(0, b"SYST:ERR?\n").decode().startswith(f"{code},")
    assert device.on_bytes(0, b"SYST:ERR?\n") == b'0,"No error"\n'


def test_outside_remote_and_in_local_control_nothing_is_set() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")
    assert device.on_bytes(0, b"VOLT 10;SYST:ERR?;VOLT?\n") == b'-201,"Invalid while in local";0.00V\n'
    device.local = True
    assert device.on_bytes(0, b"SYST:LOCK 1;SYST:ERR?;SYST:LOCK:OWN?\n") == b'-201,"Invalid while in local";LOCAL\n'


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


# ------------------------------------------------------------- TCP connections


async def closed_after(device: EaPsbDevice, say: bytes = b"") -> float:
    """Seconds of silence after which a TCP client is hung up on."""
    server = await serve_tcp(device, "127.0.0.1", 0, MonotonicClock())
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        began_s = asyncio.get_running_loop().time()
        writer.write(say)
        async with asyncio.timeout(3):
            while await reader.read(100):
                pass
        writer.close()
        return asyncio.get_running_loop().time() - began_s
    finally:
        await server.close()


async def test_a_tcp_client_that_says_nothing_is_hung_up_on() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")
    assert device.idle_close_ns == 5 * S, "the factory's"
    device.on_bytes(0, b"SYST:LOCK 1;SYST:COMM:LAN:TIM 1\n")
    assert device.idle_close_ns == 1 * S
    assert 0.9 < await closed_after(device, b"*IDN?\n") < 2.0


def test_the_idle_time_is_a_register_of_two_numbers_and_the_keep_alive_ends_it() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu", limited=False)
    device.on_bytes(0, rtu_frame(1, bytes.fromhex("050192ff00")))
    for register in (10889, 10573):
        for seconds in (0, 30):
            write = rtu_frame(1, b"\x06" + register.to_bytes(2, "big") + seconds.to_bytes(2, "big"))
            assert device.on_bytes(0, write) == write
            assert device.idle_close_ns == seconds * S, "0: never"
            for other in (10889, 10573):
                read = rtu_frame(1, b"\x03" + other.to_bytes(2, "big") + b"\0\1")
                assert device.on_bytes(0, read)[3:5] == seconds.to_bytes(2, "big")
    for coil in (10007, 10821):
        for on, idle_ns in ((b"\xff\x00", 0), (b"\0\0", 30 * S)):
            write = rtu_frame(1, b"\x05" + coil.to_bytes(2, "big") + on)
            assert device.on_bytes(0, write) == write
            assert device.idle_close_ns == idle_ns
            read = device.on_bytes(0, rtu_frame(1, b"\x01" + coil.to_bytes(2, "big") + b"\0\1"))
            assert read[3] == (on[0] & 1)


def test_clients_do_not_mix_their_bytes_and_share_one_device() -> None:
    device = EaPsbDevice(EA, PlainCycler(), framing="rtu")
    first, second = device.session(), device.session()
    assert first.on_bytes(0, b"SYST:LO") == b""
    assert second.on_bytes(0, rtu_frame(0, bytes.fromhex("0300790002")))[:7].hex() == "00030443fa0000"
    assert first.on_bytes(0, b"CK 1;FOO\n") == b""
    assert second.on_bytes(0, b"SYST:LOCK:OWN?;SYST:ERR?\n") == b'REMOTE;-100,"Command error"\n'
    device.silent = lambda t_ns: True
    assert (first.on_bytes(0, b"*IDN?\n"), second.on_bytes(0, b"*IDN?\n")) == (b"", b"")


def test_golden_frames_of_this_family_are_all_there() -> None:
    path = Path(__file__).parents[1] / "data" / "frames" / "golden_frames.json"
    count = sum(item["family"] == "ea_psb" for item in json.loads(path.read_text("utf-8")))
    assert len(golden_frames("ea_psb")) == count == 13
    assert compile_block(EA, EA.block("nominal_voltage"), {}).size == 4
