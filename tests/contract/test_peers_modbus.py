"""mbpoll and pymodbus, programs of other people, against what is described by maps: on ptys, TCP, both ways.

mbpoll (libmodbus underneath) and pymodbus's client read and write our emulators; our mapped drivers ask pymodbus's
server. The discipline of the line is in test_modbus_peers.py.
"""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from tests.contract.peers import emulated, probed, run_peer, system_tool
from tests.unit.wire_parts import device_map

from packbench.clock import MonotonicClock
from packbench.core.errors import DeviceRefused
from packbench.core.samples import Quality
from packbench.drivers.mapped_chamber import MappedChamber
from packbench.drivers.mapped_cycler import MappedCycler
from packbench.drivers.mapped_meter import MappedMeter
from packbench.drivers.protocols import Setpoint
from packbench.drivers.seplos_v3 import SeplosV3Bms
from packbench.maps.codec import compile_layout
from packbench.maps.schema import DeviceType
from packbench.run.port import Port, PortLink
from packbench.transport.link import Timing
from packbench.transport.open import open_transport
from packbench.wire.modbus import ModbusCodec, ModbusRequest

CELLS = "3.301,3.302,3.303,3.304,3.305,3.306,3.307,3.308,3.309,3.31,3.311,3.312,3.313,3.314,3.315,3.316"
TCP = "modbus+tcp://127.0.0.1:0"
COIL, INPUT, HOLDING = "0", "3", "4"


def mbpoll(*words: str) -> dict[int, float]:
    """One poll: register or coil number to what mbpoll prints; it must succeed."""
    done = run_peer(system_tool("mbpoll", "mbpoll"), "-0", "-1", "-q", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return {int(at): float(value) for at, value in re.findall(r"^\[(\d+)\]:\s+(-?[\d.]+)", done.stdout, re.MULTILINE)}


def refused(*words: str) -> str:
    """What mbpoll says of a request that is refused."""
    done = run_peer(system_tool("mbpoll", "mbpoll"), "-0", "-1", "-q", *words)
    assert done.returncode == 1, done.stdout
    return done.stderr


def port_of(ready: dict[str, Any]) -> str:
    return ready["url"].rsplit(":", 1)[1]


# ----------------------------------------------------------------- mbpoll


def test_mbpoll_reads_a_jk_on_a_pty(tmp_path: Path) -> None:
    line = tmp_path / "line"
    rtu = ("-m", "rtu", "-b", "115200", "-P", "none", "-a", "1")
    with emulated("jk-pb", "--url", f"pty://{line}", "--set", f"cell_voltages_v={CELLS}", "--set", "current_a=-12.345"):
        cells = mbpoll(*rtu, "-r", "0x1200", "-t", HOLDING, "-c", "16", str(line))
        assert list(cells.values()) == list(range(3301, 3317))
        assert mbpoll(*rtu, "-r", "0x1290", "-t", "4:int", "-B", str(line)) == {0x1290: 52936}
        assert mbpoll(*rtu, "-r", "0x1298", "-t", "4:int", "-B", str(line)) == {0x1298: -12345}
        assert "Illegal data address" in refused(*rtu, "-r", "0x1201", "-t", HOLDING, str(line)), "numbers count bytes"


def test_mbpoll_reads_a_seplos_v3_on_a_pty(tmp_path: Path) -> None:
    line = tmp_path / "line"
    rtu = ("-m", "rtu", "-b", "19200", "-P", "none", "-a", "5")
    words = ("--set", f"cell_voltages_v={CELLS}", "--set", "soc=0.832", "--set", "current_a=-1.37")
    with emulated("seplos-v3@5", "--url", f"pty://{line}", *words, "--set", "alarms=pack_under_voltage"):
        pack = mbpoll(*rtu, "-r", "0x1000", "-t", INPUT, "-c", "8", str(line))
        assert (pack[0x1000], pack[0x1001], pack[0x1005]) == (5294, 65536 - 137, 832)
        cells = mbpoll(*rtu, "-r", "0x1100", "-t", INPUT, "-c", "16", str(line))
        assert list(cells.values()) == list(range(3301, 3317))
        events = mbpoll(*rtu, "-r", "0x1240", "-t", COIL, "-c", "64", str(line))
        assert {at for at, on in events.items() if on} == {0x1240, 0x124F, 0x1278, 0x1279}
        assert "Illegal function" in refused(*rtu, "-r", "0x1000", "-t", HOLDING, str(line))
        probe = probed("seplos-v3@5", "--url", f"pty://{line}")
    assert probe["cell_voltages_v"] == [round(3.301 + 0.001 * number, 3) for number in range(16)]
    assert (probe["voltage_v"], probe["current_a"], probe["soc"]) == (52.94, -1.37, 0.832)
    assert (probe["alarms"], probe["plausible"]) == (["pack_under_voltage"], True)


def test_mbpoll_reads_a_high_voltage_bms_over_tcp() -> None:
    with emulated("modbus-hv-bms", "--url", TCP, "--set", "current_a=-12.345", "--set", "soc=0.5") as ready:
        tcp = ("-m", "tcp", "-a", "1", "-p", port_of(ready))
        assert mbpoll(*tcp, "-r", "6", "-t", "4:int", "-B", "127.0.0.1") == {6: -12345}
        assert mbpoll(*tcp, "-r", "8", "-t", HOLDING, "127.0.0.1") == {8: 5000}
        cells = mbpoll(*tcp, "-r", "28", "-t", HOLDING, "-c", "96", "127.0.0.1")
        assert len(cells) == 96
        assert all(3000 < cell < 4300 for cell in cells.values())
        assert "Illegal data address" in refused(*tcp, "-r", "124", "-t", HOLDING, "127.0.0.1")


def test_mbpoll_runs_a_chamber_over_tcp_and_our_probe_sees_it() -> None:
    words = ("--set", "rate_k_min=6000", "--set", "settle_s=0.1", "--set", "ambient_c=22.5")
    with emulated("modbus-chamber", "--url", TCP, *words) as ready:
        tcp = ("-m", "tcp", "-a", "1", "-p", port_of(ready))
        live = ("-r", "0", "-t", HOLDING, "-c", "5", "127.0.0.1")
        assert mbpoll(*tcp, *live) == {0: 225, 1: 225, 2: 450, 3: 0, 4: 0}
        mbpoll(*tcp, "-r", "100", "-t", HOLDING, "127.0.0.1", "350")
        mbpoll(*tcp, "-r", "0", "-t", COIL, "127.0.0.1", "1")
        assert mbpoll(*tcp, "-r", "0", "-t", COIL, "127.0.0.1") == {0: 1}
        wait_until(lambda: mbpoll(*tcp, *live) == {0: 350, 1: 350, 2: 450, 3: 1, 4: 0})
        assert "Illegal data value" in refused(*tcp, "-r", "100", "-t", HOLDING, "127.0.0.1", "1010")
        probe = probed("modbus-chamber", "--url", ready["url"])
    assert (probe["temperature_c"], probe["setpoint_c"], probe["running"], probe["humidity"]) == (
        35.0,
        35.0,
        True,
        0.45,
    )


def test_mbpoll_starts_an_insulation_measurement() -> None:
    words = ("--set", "insulation_ohm=250000", "--set", "measure_s=0.2", "--set", "state=idle")
    with emulated("modbus-insulation", "--url", TCP, *words) as ready:
        tcp = ("-m", "tcp", "-a", "1", "-p", port_of(ready))
        assert "insulation_ohm" not in probed("modbus-insulation", "--url", ready["url"])
        mbpoll(*tcp, "-r", "0", "-t", COIL, "127.0.0.1", "1")
        wait_until(lambda: mbpoll(*tcp, "-r", "0", "-t", INPUT, "127.0.0.1") == {0: 2})
        assert mbpoll(*tcp, "-r", "1", "-t", "3:int", "-B", "127.0.0.1") == {1: 250_000}
        probe = probed("modbus-insulation", "--url", ready["url"])
    assert (probe["insulation_ohm"], probe["test_voltage_v"]) == (250_000, 500)
    assert probe["alarms"] == ["insulation_low"]


def test_mbpoll_reads_the_counters_of_an_energy_meter() -> None:
    words = ("--set", "import_kwh=4321.125", "--set", "export_kwh=0.5", "--set", "standby_w=0")
    with emulated("eastron-sdm", "--url", "rtu+tcp://127.0.0.1:0", *words) as ready:
        # mbpoll speaks Modbus TCP or a serial line: rtu+tcp is what our own driver reads.
        rtu = probed("eastron-sdm", "--url", ready["url"])
    with emulated("eastron-sdm", "--url", TCP, *words) as ready:
        tcp = ("-m", "tcp", "-a", "1", "-p", port_of(ready))
        shown = mbpoll(*tcp, "-r", "72", "-t", "3:float", "-B", "-c", "2", "127.0.0.1")
    assert shown == pytest.approx({72: 4321.125, 74: 0.5}, abs=0.01)
    assert (rtu["ac_import_wh"], rtu["ac_export_wh"]) == (4_321_125.0, 500.0)


OWN_MAP = """packbench_device: 1
name: own-bms
title: A BMS that nobody here has heard of
kind: bms
links: [serial, pty]
unit: 7
verified_on_hardware: false
sources: ["its manual"]
blocks:
  live: {address: 0, count: 30, function: 4}
  permitted: {address: 100, count: 1}
fields:
  pack: {address: 0, type: u16, scale: 0.01, quantity: voltage_v}
  amps: {address: 1, type: s16, scale: -0.1, quantity: current_a}
  cells: {address: 4, type: u16, count: 16, scale: 0.001, quantity: cell_voltages_v}
  warn: {address: 23, type: bits16, quantity: alarms, bits: {0: cell_over_voltage, 3: over_temperature}}
  permitted: {address: 100, type: u16, scale: 0.1, access: rw, quantity: charge_limit_a}
golden:
  - {framing: rtu, source: "its manual", reply: "07 84 02 22 C0", refused: 2}
"""


def test_a_map_of_one_s_own_is_emulated_probed_and_read_by_mbpoll(tmp_path: Path) -> None:
    line, own = tmp_path / "line", tmp_path / "own-bms.yaml"
    own.write_text(OWN_MAP, "utf-8")
    words = ("--set", f"cell_voltages_v={CELLS}", "--set", "current_a=-12.3", "--set", "warn=over_temperature")
    rtu = ("-m", "rtu", "-b", "115200", "-P", "none", "-a", "7")
    with emulated(str(own), "--url", f"pty://{line}", *words, "--set", "permitted=80"):
        assert mbpoll(*rtu, "-r", "0", "-t", INPUT, "-c", "2", str(line)) == {0: 5294, 1: 123}, "discharge counts up"
        mbpoll(*rtu, "-r", "100", "-t", HOLDING, str(line), "455")
        probe = probed(str(own), "--url", f"pty://{line}")
        assert "Illegal data address" in refused(*rtu, "-r", "0", "-t", HOLDING, str(line), "1")
    assert (probe["voltage_v"], probe["current_a"], probe["charge_limit_a"]) == (52.94, -12.3, 45.5)
    assert probe["cell_voltages_v"] == [round(3.301 + 0.001 * number, 3) for number in range(16)]
    assert probe["alarms"] == ["over_temperature"]
    assert not {"soc", "soh", "cycles", "discharge_limit_a", "balancing", "temperatures_c"} & set(probe)


def wait_until(met: Callable[[], bool]) -> None:
    """A bounded wait for what takes a moment of real time."""
    deadline_s = time.monotonic() + 15
    while not met():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


# --------------------------------------- pymodbus's client, the cycler's watchdog

DRIVES_AND_HANGS = """
import sys, time
from pymodbus.client import ModbusTcpClient
client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]))
assert client.connect()
for write in (
    lambda: client.write_coil(0, True, device_id=1),
    lambda: client.write_registers(100, [0, 40000, 0xFFFF, 0x10000 - 20000], device_id=1),
    lambda: client.write_coil(1, True, device_id=1),
):
    assert not write().isError()
print("on", flush=True)
while True:
    client.read_holding_registers(0, count=6, device_id=1)
    time.sleep(0.1)
"""


def test_the_cycler_switches_off_when_its_client_is_killed() -> None:
    with emulated("modbus-cycler", "--url", TCP, "--set", "watchdog_s=1") as ready:
        client = subprocess.Popen(
            [sys.executable, "-c", DRIVES_AND_HANGS, port_of(ready)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert client.stdout is not None
            assert client.stdout.readline() == "on\n"
            # Longer than the watchdog: the client's own reading keeps it quiet.
            time.sleep(1.5)
            on = probed("modbus-cycler", "--url", ready["url"])
        finally:
            client.send_signal(signal.SIGKILL)
            client.communicate(timeout=10)
        assert (on["output_on"], on["current_a"], on["alarms"]) == (True, -20.0, [])
        time.sleep(1.5)
        off = probed("modbus-cycler", "--url", ready["url"])
    assert (off["output_on"], off["current_a"], off["alarms"]) == (False, 0.0, ["communication_lost"])


def test_pymodbus_s_client_drives_the_cycler_and_the_pack_feels_it() -> None:
    with emulated("modbus-cycler", "modbus-hv-bms@2", "--pack", "lfp-16s", "--url", TCP) as ready:
        client = ModbusTcpClient("127.0.0.1", port=int(port_of(ready)))
        assert client.connect()
        try:
            refusal = client.write_coil(1, True, device_id=1)
            assert refusal.exception_code == 7, "not in remote"
            client.write_coil(0, True, device_id=1)
            rated = client.read_holding_registers(240, count=6, device_id=1).registers
            assert client.convert_from_registers(rated, client.DATATYPE.UINT32) == [80_000, 340_000, 10_000]
            too_much = client.write_registers(100, [0, 58_000, 5, 65535], device_id=1)
            assert too_much.exception_code == 3
            client.write_registers(100, [0, 58_000, 0, 30_000], device_id=1)
            assert not client.write_coil(1, True, device_id=1).isError()
            wait_until(lambda: client.read_holding_registers(5, count=1, device_id=1).registers == [30_000])
            live = client.read_holding_registers(0, count=2, device_id=1).registers
            bms = client.read_holding_registers(6, count=2, device_id=2).registers
        finally:
            client.close()
    assert live == [0b111, 0], "output on, remote, constant current"
    assert client.convert_from_registers(bms, client.DATATYPE.INT32) == 30_000


# ------------------------------------------- our drivers, pymodbus's server


@asynccontextmanager
async def served(simulated: SimDevice) -> AsyncGenerator[PortLink[ModbusRequest, bytes]]:
    """Our port on pymodbus's server."""
    server = ModbusTcpServer(simulated, address=("127.0.0.1", 0))
    await server.listen()
    assert server.transport is not None
    number = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    port = Port(await open_transport(f"modbus+tcp://127.0.0.1:{number}"), MonotonicClock())
    try:
        yield port.link(ModbusCodec("mbap", counters=port.counters), Timing(2_000_000_000))
    finally:
        port.close()
        await server.shutdown()
        await asyncio.sleep(0.01)


def registers(device: DeviceType, block: str, values: dict[str, Any]) -> SimData:
    found = device.block(block)
    data = compile_layout(device, found.address, found.count, {}).encode(values)
    return SimData(found.address, values=np.frombuffer(data, ">u2").tolist(), datatype=DataType.REGISTERS)


def coils(first: int, states: list[bool]) -> SimData:
    return SimData(first, values=[bool(state) for state in states], datatype=DataType.BITS)


NOTHING = SimData(0, values=0, datatype=DataType.REGISTERS)
NO_COILS = SimData(0, values=[False] * 16, datatype=DataType.BITS)


async def test_our_chamber_driver_runs_pymodbus_s_server() -> None:
    device = device_map("modbus-chamber")
    held = [
        registers(device, "live", {"temperature_c": -10.5, "setpoint_c": 20.0, "state": ("running",)}),
        registers(device, "setpoint", {"set_temperature_c": 20.0}),
    ]
    async with served(SimDevice(1, ([NO_COILS], [NO_COILS], held, [NOTHING]))) as link:
        chamber = MappedChamber(device, link, 1)
        sample = await chamber.read()
        await chamber.hold(-12.5)
        with pytest.raises(DeviceRefused):
            await chamber.hold(101.0)
        await chamber.stop()
    assert (sample.temperature_c, sample.setpoint_c, sample.running) == (-10.5, 20.0, True)
    assert (sample.humidity, sample.alarms) == (None, ())


async def test_our_meter_driver_reads_input_registers_of_pymodbus_s_server() -> None:
    device = device_map("modbus-insulation")
    live = registers(device, "live", {"state": "done", "insulation_ohm": 1_234_567, "test_voltage_v": 250.0})
    async with served(SimDevice(1, ([NO_COILS], [NO_COILS], [NOTHING], [live]))) as link:
        sample = await MappedMeter(device, link, 1).read()
    assert sample.values == {"insulation_ohm": 1_234_567, "test_voltage_v": 250.0}
    assert sample.quality is Quality.GOOD


async def test_our_meter_driver_reads_an_energy_meter_of_pymodbus_s_server() -> None:
    device = device_map("eastron-sdm")
    live = registers(device, "energy", {"ac_import_wh": 1_234_500.0, "ac_export_wh": 250.0})
    async with served(SimDevice(1, ([NO_COILS], [NO_COILS], [NOTHING], [live]))) as link:
        sample = await MappedMeter(device, link, 1).read()
    assert sample.values == {"ac_import_wh": 1_234_500.0, "ac_export_wh": 250.0}
    assert sample.quality is Quality.GOOD


async def test_our_cycler_driver_drives_pymodbus_s_server() -> None:
    device = device_map("modbus-cycler")
    ratings = {"rated_voltage_v": 80.0, "rated_current_a": 340.0, "rated_power_w": 10_000}
    held = [
        registers(device, "live", {"state": ("remote",), "voltage_v": 52.8, "current_a": -3.25}),
        registers(device, "setpoint", {}),
        registers(device, "watchdog", {"watchdog_s": 3.0}),
        registers(device, "identity", {"model": "peer", "serial": "P1", **ratings}),
    ]
    seen: list[tuple[int, int, list[int]]] = []
    state = [0b010]

    async def action(function: int, first: int, address: int, _count: int, now: Any, new: Any) -> None:
        """The output's coil shows in the state one reading later."""
        if new is not None:
            seen.append((function, address, [int(value) for value in new]))
            if (function, address) == (5, 1):
                state.append(0b111 if new[0] else 0b010)
        elif (function, address) == (3, 0):
            now[0 - first] = state[0]
            if len(state) > 1:
                state.pop(0)

    async with served(SimDevice(1, ([NO_COILS], [NO_COILS], held, [NOTHING]), action=action)) as link:
        cycler = MappedCycler(device, link, 1, {"watchdog_s": 2.5, "rated_current_a": 340.0})
        identity = await cycler.identify()
        await cycler.prepare()
        await cycler.apply(Setpoint(-60.0, 45.5))
        sample = await cycler.read()
        await cycler.off()
    assert (identity.model, identity.serial) == ("peer", "P1")
    assert (sample.voltage_v, sample.current_a, sample.output_on) == (52.8, -3.25, True)
    assert (sample.regulation, sample.quality) == ("cc", Quality.GOOD)
    written = [(address, values) for function, address, values in seen if function == 16]
    assert written == [(110, [25]), (100, [0, 0, 0, 0]), (100, [0, 45_500, 0xFFFF, 0x10000 - 60_000])]
    switched = [(address, values) for function, address, values in seen if function == 5]
    assert switched == [(0, [1]), (1, [0]), (2, [1]), (1, [1]), (1, [0])]


async def test_our_seplos_v3_driver_reads_pymodbus_s_server() -> None:
    device = device_map("seplos-v3")
    cells = [round(3.301 + 0.001 * number, 3) for number in range(16)]
    read = [
        registers(device, "pack", {"voltage_v": 53.25, "current_a": -1.37, "soc": 0.832, "soh": 0.999, "cycles": 10}
                  | {"charge_limit_a": 180, "discharge_limit_a": 180}),
        registers(device, "cells", {"cell_voltages_v": cells, "temperatures_c": [21.5, 21.2, 21.4, 21.1]}),
    ]  # fmt: skip
    events = [at in (0x1240, 0x124B, 0x1279) for at in range(0x1200, 0x1290)]
    async with served(SimDevice(1, ([coils(0x1200, events)], [NO_COILS], [NOTHING], read))) as link:
        bms = SeplosV3Bms(device, link, 1, {})
        identity = await bms.identify()
        sample = await bms.read()
    assert identity.model == "Seplos BMS V3, Modbus RTU", "it lets nothing but measurements be read"
    assert sample.cell_voltages_v.tolist() == pytest.approx(cells)
    assert (sample.voltage_v, sample.current_a, sample.soc, sample.cycles) == (53.25, -1.37, 0.832, 10)
    assert sample.temperatures_c == pytest.approx((21.5, 21.2, 21.4, 21.1))
    assert (sample.alarms, sample.charge_limit_a, sample.discharge_limit_a) == (("cell_under_voltage",), 180, 0.0)
