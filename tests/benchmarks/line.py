"""Exchanges a second of the port on a real socket and a real pty, beside a raw asyncio echo on the same core.

The floor is the least that asyncio can do: write a request, wait for a future that `data_received` resolves, check
nothing. The far end is the same for everybody: a process that answers 10 registers, on the same core. Rounds
alternate, so that what else the machine does falls on all alike; medians are printed.

Then the CPU time that polling 16 BMSs of 16 cells on one bus costs, one reading of each a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import pty
import statistics
import tempfile
import time
import tty
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.framer import FramerType

from packbench.clock import MonotonicClock
from packbench.drivers.mapped import MappedBms
from packbench.maps.file import load_device
from packbench.run.port import Port
from packbench.transport.link import Timing
from packbench.transport.open import open_transport
from packbench.wire.modbus import ModbusCodec, read_registers, rtu_frame
from packbench_sim.devices.bus import BusDevices
from packbench_sim.devices.jk_pb import JkPbDevice
from packbench_sim.parts import BmsReading

ROUND_S = 0.4
ROUNDS = 9
COUNT = 10
CLOCK = MonotonicClock()
REQUEST = read_registers(1, 100, COUNT)
DATA = bytes(range(2 * COUNT))
MBAP_REPLY = b"\0\0\0" + bytes((3 + len(DATA), 1, 3, len(DATA))) + DATA
RTU_REPLY = rtu_frame(1, bytes((3, len(DATA))) + DATA)
RTU_REQUEST = ModbusCodec("rtu").encode(REQUEST)
Exchange = Callable[[], Awaitable[object]]


# ---------------------------------------------------------------- the far end


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data[:2] + MBAP_REPLY)


def _serve_tcp(pipe: Connection, core: int) -> None:
    os.sched_setaffinity(0, {core})

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    asyncio.run(main())


def _serve_pty(pipe: Connection, core: int) -> None:
    """Answers on the far end of a pty; the near end stays open here as well."""
    os.sched_setaffinity(0, {core})
    far, near = pty.openpty()
    tty.setraw(near)
    pipe.send(os.ttyname(near))
    pending = 0
    while not pipe.poll():
        pending += len(os.read(far, 4096))
        while pending >= len(RTU_REQUEST):
            pending -= len(RTU_REQUEST)
            os.write(far, RTU_REPLY)


@contextlib.contextmanager
def far_end(serve: Callable[[Connection, int], None], core: int):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs, core), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


# ---------------------------------------------------------------- the near ends


class _Raw(asyncio.Protocol):
    """The floor on TCP."""

    def __init__(self) -> None:
        self._future: asyncio.Future[bytes] | None = None
        self._frame = b"\0\1\0\0\0\6\1\3\0\x64\0\x0a"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._future is not None
        self._future.set_result(data)

    async def exchange(self) -> bytes:
        self._future = asyncio.get_running_loop().create_future()
        self.transport.write(self._frame)
        return await self._future


class _RawPty:
    """The floor on a pty."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._future: asyncio.Future[int] | None = None
        self._left = 0
        asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        self._left -= len(os.read(self._fd, 4096))
        if self._left == 0:
            assert self._future is not None
            self._future.set_result(0)

    async def exchange(self) -> int:
        self._future = asyncio.get_running_loop().create_future()
        self._left = len(RTU_REPLY)
        os.write(self._fd, RTU_REQUEST)
        return await self._future

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)


async def rate(exchange: Exchange) -> float:
    """Exchanges a second over one round."""
    done = 0
    began_s = time.perf_counter()
    while (now_s := time.perf_counter()) - began_s < ROUND_S:
        for _ in range(50):
            await exchange()
        done += 50
    return done / (now_s - began_s)


async def compare(floor: Exchange, others: dict[str, Exchange]) -> None:
    rates: dict[str, list[float]] = {name: [] for name in ("raw asyncio", *others)}
    ratios: dict[str, list[float]] = {name: [] for name in others}
    for _ in range(ROUNDS):
        base = await rate(floor)
        rates["raw asyncio"].append(base)
        for name, exchange in others.items():
            found = await rate(exchange)
            rates[name].append(found)
            ratios[name].append(found / base)
    for name, found in rates.items():
        ratio = statistics.median(ratios[name]) if name in ratios else 1.0
        print(f"  {name:26}{statistics.median(found):9,.0f}/s  ratio {ratio:5.2f}")


async def on_tcp(port: int) -> None:
    print("Modbus TCP, 10 registers, loopback, one core")
    _, raw = await asyncio.get_running_loop().create_connection(_Raw, "127.0.0.1", port)
    bus = Port(await open_transport(f"modbus+tcp://127.0.0.1:{port}"), CLOCK)
    link = bus.link(ModbusCodec("mbap", bus.counters), Timing(1_000_000_000))
    theirs = AsyncModbusTcpClient("127.0.0.1", port=port, framer=FramerType.SOCKET, retries=0)
    await theirs.connect()
    assert (await link.exchange(REQUEST)).value == DATA
    await compare(
        raw.exchange,
        {
            "port (every check on)": lambda: link.exchange(REQUEST),
            "pymodbus client": lambda: theirs.read_holding_registers(100, count=COUNT, device_id=1),
        },
    )
    raw.transport.abort()
    bus.close()
    theirs.close()


async def on_pty(path: str) -> None:
    print("Modbus RTU, 10 registers, pty, one core")
    bus = Port(await open_transport(f"pty://{path}"), CLOCK)
    link = bus.link(ModbusCodec("rtu", bus.counters), Timing(1_000_000_000))
    assert (await link.exchange(REQUEST)).value == DATA
    bus.close()
    rates: dict[str, list[float]] = {"raw asyncio": [], "port (every check on)": [], "pymodbus client": []}
    for _ in range(ROUNDS):
        # One at a time: two readers of one pty would steal each other's bytes.
        raw = _RawPty(path)
        rates["raw asyncio"].append(await rate(raw.exchange))
        raw.close()
        bus = Port(await open_transport(f"pty://{path}"), CLOCK)
        link = bus.link(ModbusCodec("rtu", bus.counters), Timing(1_000_000_000))
        rates["port (every check on)"].append(await rate(lambda link=link: link.exchange(REQUEST)))
        bus.close()
        theirs = AsyncModbusSerialClient(path, framer=FramerType.RTU, baudrate=4_000_000, retries=0)
        await theirs.connect()
        rates["pymodbus client"].append(
            await rate(lambda theirs=theirs: theirs.read_holding_registers(100, count=COUNT, device_id=1))
        )
        theirs.close()
        await asyncio.sleep(0.01)
    for name, found in rates.items():
        pairs = zip(found, rates["raw asyncio"], strict=True)
        ratio = statistics.median(mine / floor for mine, floor in pairs)
        print(f"  {name:26}{statistics.median(found):9,.0f}/s  ratio {ratio:5.2f}")


# ---------------------------------------------------------------- sixteen BMSs


class _Fixed:
    """A BMS that measures nothing new: what is timed is the host's side."""

    def __init__(self, reading: BmsReading) -> None:
        self._reading = reading

    def reading(self, t_ns: int) -> BmsReading:
        return self._reading


def _serve_bus(pipe: Connection, core: int) -> None:
    from tests.unit.wire_parts import PlainBms, device_map

    from packbench_sim.serve import serve_pty

    os.sched_setaffinity(0, {core})
    jk = device_map("jk-pb")
    part = _Fixed(PlainBms(16, 4).reading(0))
    devices = [JkPbDevice(jk, part, unit=unit, turnaround_ns=0) for unit in range(1, 16)]
    devices.append(JkPbDevice(jk, part, unit=16, turnaround_ns=0))

    async def main() -> None:
        path = Path(tempfile.mkdtemp(prefix="packbench-bench-")) / "line"
        server = serve_pty(BusDevices(devices), path, CLOCK)
        pipe.send(str(path))
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        await server.close()

    asyncio.run(main())


async def sixteen(path: str) -> None:
    map_path = Path(__file__).parents[2] / "configs" / "devices" / "jk-pb.yaml"
    jk = load_device(map_path.read_text("utf-8"), map_path.name)
    bus = Port(await open_transport(f"pty://{path}"), CLOCK)
    drivers = [
        MappedBms(jk, bus.link(ModbusCodec("rtu", bus.counters), Timing(1_000_000_000)), unit) for unit in range(1, 17)
    ]
    for driver in drivers:
        await driver.identify()
    costs_us: list[float] = []
    for _ in range(30):
        began_s = time.process_time()
        for driver in drivers:
            sample = await driver.read()
            assert sample.cell_voltages_v.size == 16
        costs_us.append((time.process_time() - began_s) * 1e6 / len(drivers))
    cost_us = statistics.median(costs_us)
    print("16 BMSs of 16 cells (JK PB: 3 blocks, 68 registers a reading) on one bus")
    print(f"  CPU a reading {cost_us:.0f} us; all 16 once a second: {16 * cost_us / 1e4:.2f} % of one core")
    print(f"  bus: {bus.stats.requests} requests, {bus.stats.replies} replies, {bus.stats.timeouts} time-outs")
    bus.close()


def main() -> None:
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    with far_end(_serve_tcp, core) as port:
        asyncio.run(on_tcp(port))
    with far_end(_serve_pty, core) as path:
        asyncio.run(on_pty(path))
    with far_end(_serve_bus, core) as path:
        asyncio.run(sixteen(path))


if __name__ == "__main__":
    main()
