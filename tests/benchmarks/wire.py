"""Exchanges per second of port, memory link and emulator in virtual time, beside pymodbus's bare codec.

Run: python tests/benchmarks/wire.py. Figures drift with the machine; the ratios hold. Each figure is the
best of several rounds, so that neighbours on the machine do not count.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import numpy as np
from pymodbus.framer import FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadHoldingRegistersResponse

from packbench.core.samples import bms_sample
from packbench.drivers.ea_psb import EaPsb
from packbench.drivers.mapped import MappedBms
from packbench.maps.codec import compile_block
from packbench.maps.file import load_device
from packbench.maps.schema import DeviceType
from packbench.run.port import Port, PortLink
from packbench.transport.link import Timing
from packbench.wire.modbus import Framing, ModbusCodec, ModbusRequest, read_registers
from packbench_sim.devices import EaPsbDevice, HvBmsDevice, JkPbDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.parts import BmsReading, CyclerReading, WireDevice
from packbench_sim.wire import MemoryLink

ROUNDS = 7
MAPS = Path(__file__).parents[2] / "configs" / "devices"


class FixedCycler:
    rated_voltage_v, rated_current_a, rated_power_w = 500.0, 120.0, 30_000.0

    def command(self, t_ns: int, **_: float | bool) -> None:
        pass

    def reading(self, t_ns: int, *, given: bool = True) -> CyclerReading:
        return CyclerReading(350.0, -50.0, True, "cc")


class FixedBms:
    def __init__(self, cells: int, sensors: int) -> None:
        cell_v, sensor_c = np.linspace(3.6, 3.7, cells), np.full(sensors, 25.3)
        self._reading = BmsReading(cell_v, 58.4, -50.0, sensor_c, 0.5, 0.8, 87, (), 100.0, 120.0, False)

    def reading(self, t_ns: int) -> BmsReading:
        return self._reading


def best_us(work: Callable[[int], None], count: int) -> float:
    def once() -> float:
        started = time.perf_counter()
        work(count)
        return (time.perf_counter() - started) / count * 1e6

    return min(once() for _ in range(ROUNDS))


async def best_async_us(work: Callable[[], Awaitable[object]], count: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(count):
            await work()
        best = min(best, (time.perf_counter() - started) / count * 1e6)
    return best


def pymodbus_us(framing: Framing, registers: int) -> float:
    """Both sides of one exchange through pymodbus's codec alone."""
    make: type[FramerBase] = FramerSocket if framing == "mbap" else FramerRTU
    client, server = make(DecodePDU(False)), make(DecodePDU(True))
    values = list(range(3000, 3000 + registers))

    def work(count: int) -> None:
        for _ in range(count):
            request = ReadHoldingRegistersRequest(address=0, count=registers, dev_id=1, transaction_id=5)
            server.handleFrame(client.buildFrame(request), 0, 0)
            reply = ReadHoldingRegistersResponse(registers=values, dev_id=1, transaction_id=5)
            client.handleFrame(server.buildFrame(reply), 1, 5)

    return best_us(work, 300)


def device_map(name: str) -> DeviceType:
    return load_device((MAPS / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")


async def exchanges(clock: VirtualClock) -> None:
    loop = asyncio.get_running_loop()
    ea_map, hv_map, jk_map = device_map("ea-psb"), device_map("modbus-hv-bms"), device_map("jk-pb")

    def port(device: WireDevice, framing: Framing) -> PortLink[ModbusRequest, bytes]:
        bus = Port(MemoryLink(loop, device, clock), clock)
        return bus.link(ModbusCodec(framing, counters=bus.counters), Timing(500_000_000))

    print(f"{'':34}{'us':>8}{'1/s':>9}{'pymodbus us':>13}{'ratio':>7}")

    def row(label: str, us: float, base_us: float) -> None:
        print(f"{label:34}{us:8.1f}{1e6 / us:9.0f}{base_us:13.1f}{us / base_us:7.2f}")

    for framing in ("mbap", "rtu"):
        ea_port = port(EaPsbDevice(ea_map, FixedCycler(), framing=framing), framing)
        ea = EaPsb(ea_map, ea_port, 0)
        await ea.identify()
        hv_port = port(HvBmsDevice(hv_map, FixedBms(96, 6), framing=framing), framing)
        hv = MappedBms(hv_map, hv_port, 1)
        five, many = pymodbus_us(framing, 5), pymodbus_us(framing, 124)
        short, long = read_registers(0, 505, 5), read_registers(1, 0, 124)
        row(f"{framing} 5 registers, link only", await best_async_us(partial(ea_port.exchange, short), 500), five)
        row(f"{framing} EA PSB read()", await best_async_us(ea.read, 500), five)
        row(f"{framing} 124 registers, link only", await best_async_us(partial(hv_port.exchange, long), 300), many)
        row(f"{framing} HV BMS read()", await best_async_us(hv.read, 300), many)

    jk = MappedBms(jk_map, port(JkPbDevice(jk_map, FixedBms(16, 4), turnaround_ns=0), "rtu"), 1)
    await jk.identify()
    base = sum(pymodbus_us("rtu", block.count) for block in jk_map.group("poll"))
    row("rtu JK PB read(), 3 blocks", await best_async_us(jk.read, 200), base)


def codecs() -> None:
    hv_map = device_map("modbus-hv-bms")
    layout = compile_block(hv_map, hv_map.block("live"), {})
    cells = np.linspace(3.6, 3.7, 96)
    given = {"cell_count": 96, "cell_voltages_v": cells, "sensor_count": 6, "temperatures_c": np.full(6, 25.0)}
    payload = layout.encode(given)
    values = layout.decode(payload).values

    def repeat(call: Callable[[], object]) -> Callable[[int], None]:
        def work(count: int) -> None:
            for _ in range(count):
                call()

        return work

    print(f"96-cell block decode  {best_us(repeat(lambda: layout.decode(payload)), 2000):6.1f} us")
    print(f"96-cell block encode  {best_us(repeat(lambda: layout.encode(values)), 2000):6.1f} us")
    print(f"bms_sample of 96      {best_us(repeat(lambda: bms_sample(0, cells, (25.0,) * 6)), 2000):6.1f} us")


if __name__ == "__main__":
    codecs()
    run_virtual(exchanges)
