"""The EA PSB in both of its languages: golden bytes, one port for two languages, the idle close."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.unit.golden import golden_frames
from tests.unit.scpi_bench import MS, S, Wire, driver_of, on_wire
from tests.unit.wire_parts import PlainCycler, device_map

from packbench.clock import MonotonicClock
from packbench.drivers.protocols import Setpoint
from packbench.maps.codec import compile_block
from packbench.wire.modbus import rtu_frame
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
