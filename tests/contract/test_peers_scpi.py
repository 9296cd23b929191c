"""lxi-tools and mbpoll, and pymodbus, against our cyclers: the EA PSB in all of its languages, Delta, ITECH.

Each `lxi` call is a client of its own that connects, says one line and leaves.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.framer import FramerType
from tests.contract.peers import emulated, probed, run_peer, system_tool

from packbench.wire.scpi.messages import parse_answer

Lxi = Callable[[str], str]
TCP = "scpi+tcp://127.0.0.1:0"


def port_of(ready: dict[str, str]) -> int:
    return int(ready["url"].rpartition(":")[2])


def lxi_on(port: int) -> Lxi:
    program = system_tool("lxi", "lxi-tools")

    def say(text: str) -> str:
        done = run_peer(program, "scpi", "-a", "127.0.0.1", "-p", str(port), "-t", "5", "-r", text)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout.removesuffix("\n")

    return say


def reaches(ask: Callable[[], float], wanted: float) -> bool:
    """Whether a current gets there: what is accepted is carried out a little later, and ramps."""
    until_s = time.monotonic() + 5
    while abs(ask() - wanted) > 0.02:
        if time.monotonic() > until_s:
            return False
    return True


def mbpoll(*words: str, code: int = 0) -> dict[int, float]:
    """What it printed, by register."""
    done = run_peer(system_tool("mbpoll", "mbpoll"), "-0", "-1", "-o", "5", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return {int(number): float(value) for number, value in re.findall(r"^\[(\d+)\]:\s+(\S+)", done.stdout, re.M)}


# ------------------------------------------------------------------ lxi-tools


def test_lxi_drives_our_ea_psb() -> None:
    with emulated("ea-psb", "--url", TCP) as ready:
        lxi = lxi_on(port_of(ready))
        assert lxi("*IDN?") == "EA Elektro-Automatik,PSB simulated,SIM0000001,V3.02 simulated"
        assert lxi("SYST:NOM:VOLT?;SYST:NOM:CURR?;SYST:NOM:POW?") == "80.00V;340.00A;10000W"
        assert lxi("VOLT 60") == ""
        assert lxi("SYST:ERR?") == '-201,"Invalid while in local"', "not in remote control"
        for text in ("SYST:LOCK ON", "VOLT 60;CURR 20;SINK:CURR 0", "VOLT 99", "OUTP ON"):
            assert lxi(text) == ""
        assert lxi("VOLT?;CURR?;SINK:CURR?;OUTP?") == "60.00V;20.00A;0.00A;ON"
        assert [lxi("SYST:ERR?") for _ in range(2)] == ['-222,"Data out of range"', '0,"No error"']

        def amps() -> float:
            return float(lxi("MEAS:CURR?").removesuffix("A"))

        assert reaches(amps, 20.0), "the pack takes it"
        volts, _, watts = parse_answer(("V", "A", "W"), lxi("MEAS:ARR?"))
        assert watts == pytest.approx(float(str(volts)) * 20.0, rel=0.01)
        lxi("CURR 0;VOLT 40;SINK:CURR 30")
        assert reaches(amps, -30.0), "it sinks"
        lxi("OUTP OFF")
        assert reaches(amps, 0.0)
        assert lxi("OUTP?") == "OFF"
        lxi("SYST:LOCK OFF")
        assert lxi("SYST:LOCK:OWN?") == "NONE"


def test_lxi_drives_our_delta_sm15k() -> None:
    with emulated("delta-sm15k", "--url", TCP) as ready:
        lxi = lxi_on(port_of(ready))
        assert lxi("*IDN?") == "DELTA ELEKTRONIKA BV,SM15K simulated,SIM0000002,V1.0"
        assert (lxi("SOUR:VOLT:MAX?"), lxi("SOUR:CURR:MAX?")) == ("80.0000", "340.0000")
        lxi("SOUR:CUR 20")
        assert lxi("SYST:ERR?") == '-221,"Settings conflict"', "the front panel programs it"
        for quantity in ("CV", "CC", "CP"):
            lxi(f"SYST:REM:{quantity} eth")
        for text in ("SOURCE:VOLTAGE 60", "SOUR:CUR 20", "OUTPUT 1"):
            assert lxi(text) == ""
        assert (lxi("OUTP?"), lxi("SOUR:VOLT?")) == ("1", "60.0000")
        assert reaches(lambda: float(lxi("MEAS:CUR?")), 20.0)
        for text in ("SOUR:CUR 0", "SOUR:VOLT 40", "SOUR:CUR:NEG -30"):
            lxi(text)
        assert reaches(lambda: float(lxi("MEASURE:CURRENT?")), -30.0)
        lxi("OUTP 0")
        assert reaches(lambda: float(lxi("MEAS:CURR?")), 0.0)
        assert (lxi("OUTP?"), lxi("SYST:ERR?")) == ("0", '0,"No error"')


def test_lxi_drives_our_itech_it6000c() -> None:
    with emulated("itech-it6000c", "--url", TCP) as ready:
        lxi = lxi_on(port_of(ready))
        assert lxi("*IDN?").startswith("ITECH Electronics,IT6000C simulated,")
        for text in ("SYST:REM", "FUNC VOLT", "VOLT 60", "CURR:LIM 20", "CURR:LIM:NEG 0", "OUTP ON"):
            assert lxi(text) == ""
        assert (lxi("OUTP?"), lxi("FUNC?"), lxi("SYST:ERR?")) == ("1", "VOLTage", '0,"No error"')
        assert reaches(lambda: float(lxi("MEAS:CURR?")), 20.0)
        assert lxi("STAT:OPER:COND?") == str(1 << 7), "constant current"
        for text in ("CURR:LIM 0", "VOLT 40", "CURR:LIM:NEG -30"):
            lxi(text)
        assert reaches(lambda: float(lxi("FETC:CURR?")), -30.0)
        assert lxi("CURR:LIM:NEG?") == "-30.0000"
        lxi("CURR:LIM:NEG 30")
        assert lxi("SYST:ERR?") == '-222,"Data out of range"'
        lxi("OUTP OFF")
        assert reaches(lambda: float(lxi("MEAS:CURR?")), 0.0)
        assert lxi("OUTP?") == "0"


@pytest.mark.parametrize("name", ["ea-psb", "delta-sm15k", "itech-it6000c"])
def test_what_lxi_set_is_what_our_driver_reads(name: str) -> None:
    with emulated(name, "--url", TCP) as ready:
        before = probed(name, "--url", ready["url"])
        # An SM15K says nothing of alarms: they are absent, not empty.
        alarms = None if name == "delta-sm15k" else []
        assert (before["output_on"], before["regulation"], before.get("alarms")) == (False, "off", alarms)
        lxi = lxi_on(port_of(ready))
        for text in {
            "ea-psb": ("SYST:LOCK 1;VOLT 40;SINK:CURR 25;OUTP 1",),
            "delta-sm15k": ("SYST:REM:CV eth", "SYST:REM:CC eth", "SOUR:VOLT 40", "SOUR:CUR:NEG -25", "OUTP 1"),
            "itech-it6000c": ("VOLT 40", "CURR:LIM:NEG -25", "OUTP 1"),
        }[name]:
            lxi(text)
        after = probed(name, "--url", ready["url"])
        assert (after["output_on"], after["current_a"]) == (True, pytest.approx(-25.0, abs=0.02))
        assert after["voltage_v"] < before["voltage_v"]
        assert (after.get("alarms"), after["plausible"], after["link"]["timeouts"]) == (alarms, True, 0)


# -------------------------------------------------------------------- mbpoll


def test_mbpoll_reads_and_writes_our_ea_psb_on_a_pty(tmp_path: Path) -> None:
    """It refuses unit 0, so the compliance is "Full" here."""
    line = tmp_path / "line"
    with emulated("ea-psb", "--url", f"pty://{line}", "--unit", "1"):
        rtu = ("-m", "rtu", "-a", "1", "-b", "115200", "-P", "none")
        assert mbpoll(*rtu, "-t", "4:float", "-B", "-r", "121", "-c", "3", str(line)) == {121: 80, 123: 340, 125: 10000}
        mbpoll(*rtu, "-t", "4", "-r", "501", str(line), "26214", code=1)
        mbpoll(*rtu, "-t", "0", "-r", "402", str(line), "1")
        mbpoll(*rtu, "-t", "4", "-r", "501", str(line), "26214")
        assert mbpoll(*rtu, "-t", "4", "-r", "501", str(line)) == {501: 26214}
        assert mbpoll(*rtu, "-t", "0", "-r", "402", str(line)) == {402: 1}
        state = int(mbpoll(*rtu, "-t", "4:int", "-B", "-r", "505", str(line))[505])
        assert (state & 0x1F, state >> 11 & 1) == (3, 1), "USB, in remote control"
        mbpoll(*rtu, "-t", "0", "-r", "402", str(line), "0")


def test_mbpoll_reads_our_ea_psb_on_modbus_tcp_as_unit_0_alone() -> None:
    with emulated("ea-psb", "--url", "modbus+tcp://127.0.0.1:0") as ready:
        tcp = ("-m", "tcp", "-p", str(port_of(ready)), "-t", "4:float", "-B", "-r", "121", "-c", "3")
        assert mbpoll(*tcp, "-a", "0", "127.0.0.1") == {121: 80, 123: 340, 125: 10000}
        assert mbpoll(*tcp, "-a", "1", "127.0.0.1", code=1) == {}


# ----------------------------------------------- one port, a dead client, idling

HOLD = """
import socket, sys, time
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
line.sendall(b"SYST:LOCK ON\\n")
line.sendall(b"SYST:COMM:MON:TIM 1;SYST:COMM:MON:ACT ON\\nVOLT 60;CURR 20;OUTP ON\\n")
while True:
    line.sendall(b"MEAS:CURR?;OUTP?\\n")
    print(line.recv(100).decode(), end="", flush=True)
    time.sleep(0.1)
"""


def state_of(port: int) -> int:
    """The device's state word, asked for by pymodbus on the same port in RTU frames."""
    with ModbusTcpClient("127.0.0.1", port=port, framer=FramerType.RTU, timeout=5, retries=0) as client:
        high, low = client.read_holding_registers(505, count=2, device_id=0).registers
    return high << 16 | low


def test_a_killed_client_trips_the_watchdog_and_the_same_port_tells_it_in_modbus() -> None:
    with emulated("ea-psb", "--url", TCP) as ready:
        port = port_of(ready)
        client = subprocess.Popen([sys.executable, "-c", HOLD, str(port)], stdout=subprocess.PIPE, text=True)
        assert client.stdout is not None
        with client.stdout:
            assert any(line.strip() == "20.00A;ON" for line in client.stdout)
            assert (state_of(port) & 0x1F, state_of(port) >> 7 & 1) == (6, 1), "Ethernet, output on"
            client.send_signal(signal.SIGKILL)
            assert client.wait(timeout=10) == -signal.SIGKILL
        # The watchdog's second: whoever asked meanwhile would keep it from expiring.
        time.sleep(1.5)
        assert (state_of(port) & 0x1F, state_of(port) >> 7 & 1) == (0x1C, 0)
        assert lxi_on(port)("OUTP?;MEAS:CURR?;SYST:LOCK:OWN?") == "OFF;0.00A;NONE"


HOLD_MODBUS = """
import sys, time
from pymodbus.client import ModbusTcpClient
client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]), timeout=5, retries=0)
client.connect()
client.write_coil(402, True, device_id=0)
client.write_registers(498, [0xCCCC, 0, 0x9999, 0x0F0F, 0xCCCC], device_id=0)
client.write_coil(405, True, device_id=0)
while True:
    print(client.read_holding_registers(505, count=5, device_id=0).registers[3], flush=True)
    time.sleep(0.1)
"""


def test_a_killed_modbus_client_trips_a_watchdog_that_was_stored() -> None:
    with emulated("ea-psb", "--url", "modbus+tcp://127.0.0.1:0", "--set", "watchdog_s=1") as ready:
        client = subprocess.Popen(
            [sys.executable, "-c", HOLD_MODBUS, str(port_of(ready))], stdout=subprocess.PIPE, text=True
        )
        assert client.stdout is not None
        with client.stdout:
            assert any(int(line) == 0x0F0F for line in client.stdout), "the current is flowing"
            client.send_signal(signal.SIGKILL)
            assert client.wait(timeout=10) == -signal.SIGKILL
        time.sleep(1.5)
        after = probed("ea-psb", "--url", ready["url"])
        assert (after["output_on"], after["current_a"]) == (False, 0.0)
        tcp = ("-m", "tcp", "-p", str(port_of(ready)), "-a", "0", "-t", "4", "-r", "506", "127.0.0.1")
        assert int(mbpoll(*tcp)[506]) & 0x1F == 0x1C, "control is free due to a communication time-out"


def test_a_socket_on_which_nothing_is_said_is_closed_by_the_device() -> None:
    with emulated("ea-psb", "--url", TCP) as ready:
        lxi = lxi_on(port_of(ready))
        lxi("SYST:LOCK ON")
        assert lxi("SYST:COMM:LAN:TIM?") == "5", "the factory's"
        lxi("SYST:COMM:LAN:TIM 1")
        # A command gets no answer: asked for again, it is known to have been heard before the next client comes.
        assert lxi("SYST:COMM:LAN:TIM?") == "1"
        with socket.create_connection(("127.0.0.1", port_of(ready)), timeout=10) as line:
            began_s = time.monotonic()
            assert line.recv(1) == b""
            assert 0.9 < time.monotonic() - began_s < 5
