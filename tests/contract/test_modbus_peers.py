"""Our side of the wire against independent ones: pymodbus's client and server, on real sockets.

The stale-reply trap is reproduced with pymodbus's client first, so that the test shows what it guards
against; then with our port on the same server, over RTU frames on TCP and over a pty.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from tests.unit.wire_parts import PlainBms, PlainCycler, device_map

from packbench.clock import MonotonicClock
from packbench.core.errors import LinkError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.ea_psb import EaPsb
from packbench.drivers.mapped import MappedBms
from packbench.drivers.protocols import Setpoint
from packbench.maps.codec import compile_layout
from packbench.run.port import Port, PortLink
from packbench.transport.link import Timing
from packbench.transport.open import open_transport
from packbench.wire.modbus import Framing, ModbusCodec, ModbusRequest, read_registers, rtu_frame
from packbench_sim.devices import EaPsbDevice, HvBmsDevice, JkPbDevice
from packbench_sim.serve import serve_tcp

CLOCK = MonotonicClock()


async def connect(
    url: str, framing: Framing, *, timeout_ms: float = 500, quiet_ms: float = 0
) -> PortLink[ModbusRequest, bytes]:
    port = Port(await open_transport(url), CLOCK)
    codec = ModbusCodec(framing, counters=port.counters)
    return port.link(codec, Timing(round(timeout_ms * 1e6), round(quiet_ms * 1e6)))


# ------------------------------------------------------- the stale-reply trap


def slow_to_100(frame: bytes) -> tuple[float, bytes]:
    """A device that holds one register: its value is its address. Address 100 takes 150 ms."""
    address = int.from_bytes(frame[2:4], "big")
    return (0.15 if address == 100 else 0.0), rtu_frame(1, b"\x03\x02" + address.to_bytes(2, "big"))


@contextlib.asynccontextmanager
async def slow_gateway() -> AsyncGenerator[int]:
    """RTU frames over TCP, as a serial gateway passes them on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                delay_s, reply = slow_to_100(await reader.readexactly(8))
                await asyncio.sleep(delay_s)
                writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def test_pymodbus_s_client_falls_into_the_trap() -> None:
    """If this fails, pymodbus has mended it and the quarantine's text can say so."""
    async with slow_gateway() as port:
        client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=FramerType.RTU, timeout=0.1, retries=0)
        assert await client.connect()
        with pytest.raises(Exception, match="No response"):
            await client.read_holding_registers(100, count=1, device_id=1)
        reply = await client.read_holding_registers(200, count=1, device_id=1)
        client.close()
        await asyncio.sleep(0.01)
    assert reply.registers == [100], "asked for 200"


async def test_our_port_does_not_on_rtu_over_tcp() -> None:
    async with slow_gateway() as port:
        ours = await connect(f"rtu+tcp://127.0.0.1:{port}", "rtu", timeout_ms=100, quiet_ms=100)
        with pytest.raises(ReplyTimeout):
            await ours.exchange(read_registers(1, 100, 1))
        assert (await ours.exchange(read_registers(1, 200, 1))).value == (200).to_bytes(2, "big")
        assert ours.port.stats.dropped_bytes == 7
        ours.port.close()
        await asyncio.sleep(0.01)


async def test_our_port_does_not_on_a_serial_line() -> None:
    far, near = pty.openpty()
    tty.setraw(near)
    loop = asyncio.get_running_loop()

    def heard() -> None:
        delay_s, reply = slow_to_100(os.read(far, 64))
        loop.call_later(delay_s, os.write, far, reply)

    loop.add_reader(far, heard)
    try:
        ours = await connect(f"pty://{os.ttyname(near)}", "rtu", timeout_ms=100, quiet_ms=100)
        with pytest.raises(ReplyTimeout):
            await ours.exchange(read_registers(1, 100, 1))
        assert (await ours.exchange(read_registers(1, 200, 1))).value == (200).to_bytes(2, "big")
        ours.port.close()
        with pytest.raises(LinkError):
            await ours.exchange(read_registers(1, 200, 1))
    finally:
        loop.remove_reader(far)
        os.close(far)
        os.close(near)


# ------------------------------------------- our drivers, pymodbus's server


@contextlib.asynccontextmanager
async def pymodbus_server(device: SimDevice) -> AsyncGenerator[int]:
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.listen()
    assert server.transport is not None
    try:
        yield server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    finally:
        await server.shutdown()
        await asyncio.sleep(0.01)


def words(data: bytes) -> list[int]:
    return np.frombuffer(data, ">u2").tolist()


async def test_hv_bms_driver_reads_pymodbus_s_server() -> None:
    bms_map = device_map("modbus-hv-bms")
    live = compile_layout(bms_map, 0, 124, {}).encode(
        {
            "alive": 7,
            "state": ("balancing", "charging_allowed"),
            "alarms": ("cell_over_voltage", "alarms_bit_30"),
            "voltage_v": 351.234,
            "current_a": -12.5,
            "soc": 0.5,
            "cell_count": 96,
            "sensor_count": 3,
            "cell_voltages_v": np.linspace(3.5, 3.7, 96),
            "temperatures_c": (20.0, -5.5, 31.2),
            "charge_limit_a": 80.0,
            "discharge_limit_a": 90.0,
        }
    )
    identity = compile_layout(bms_map, 200, 40, {}).encode({"model": "peer", "serial": "P1", "firmware": "9"})
    data = [
        SimData(0, values=words(live), datatype=DataType.REGISTERS),
        SimData(200, values=words(identity), datatype=DataType.REGISTERS),
    ]
    async with pymodbus_server(SimDevice(id=1, simdata=data)) as port:
        ours = await connect(f"modbus+tcp://127.0.0.1:{port}", "mbap")
        bms = MappedBms(bms_map, ours, 1)
        identified = await bms.identify()
        sample = await bms.read()
        ours.port.close()
    assert (identified.model, identified.serial, identified.firmware) == ("peer", "P1", "9")
    assert sample.cell_voltages_v.shape == (96,)
    assert (sample.cell_min_v, sample.cell_max_v, sample.cell_min_index, sample.cell_max_index) == (3.5, 3.7, 1, 96)
    assert (sample.voltage_v, sample.current_a, sample.soc, sample.soh) == (351.234, -12.5, 0.5, None)
    assert sample.temperatures_c == (20.0, -5.5, 31.2)
    assert sample.alarms == ("cell_over_voltage", "alarms_bit_30")
    assert sample.balancing is True
    assert (sample.charge_limit_a, sample.discharge_limit_a) == (80.0, 0.0), "discharging is not allowed"
    assert sample.quality is Quality.GOOD


async def test_ea_driver_drives_pymodbus_s_server() -> None:
    """A register store with the two habits the driver relies on: coils show in the state word."""
    ea_map = device_map("ea-psb")
    ratings = {"rated_voltage_v": 500.0, "rated_current_a": 120.0, "rated_power_w": 30_000.0}
    head = bytearray(compile_layout(ea_map, 0, 211, ratings).encode({**ratings, "model": "PSB peer", "serial": "S1"}))
    coils: dict[int, bool] = {}
    seen: list[tuple[int, int]] = []

    async def action(
        function_code: int, start: int, address: int, count: int, current: list[int], new: list[Any] | None
    ) -> None:
        seen.append((function_code, address))
        if new is not None and function_code == 5:
            coils[address] = bool(new[0])
        elif new is None and address == 505:
            state = coils.get(405, False) << 7 | 0b10 << 9 | coils.get(402, False) << 11 | 1 << 12 | 6
            current[505 - start : 510 - start] = [0, state, 0x8000, 0x4000, 0x1000]

    store = SimDevice(
        id=1,
        simdata=(
            [SimData(0, count=500, values=False, datatype=DataType.BITS)],
            [SimData(0, values=False, datatype=DataType.BITS)],
            [
                SimData(0, values=words(bytes(head)), datatype=DataType.REGISTERS),
                SimData(498, count=100, values=0, datatype=DataType.REGISTERS),
            ],
            [SimData(0, values=0, datatype=DataType.REGISTERS)],
        ),
        action=action,
    )
    async with pymodbus_server(store) as port:
        ours = await connect(f"modbus+tcp://127.0.0.1:{port}", "mbap")
        cycler = EaPsb(ea_map, ours, 1, {"rated_voltage_v": 500.0})
        identified = await cycler.identify()
        await cycler.prepare()
        await cycler.apply(Setpoint(-30.0, 300.0))
        sample = await cycler.read()
        await cycler.off()
        assert coils == {402: True, 405: False, 411: True}
        await cycler.release()
        ours.port.close()
    assert (identified.model, identified.serial) == ("PSB peer", "S1")
    assert sample.output_on
    assert sample.regulation == "cc"
    assert sample.current_a == pytest.approx(-0x4000 / 0xCCCC * 120.0), "the sign is state bit 12"
    assert sample.voltage_v == pytest.approx(0x8000 / 0xCCCC * 500.0)
    assert coils == {402: False, 405: False, 411: True}
    assert (16, 498) in seen, "the set-points went in one write"


# ------------------------------------------- pymodbus's client, our emulators


async def with_client(device: Any, framer: FramerType, use: Callable[[AsyncModbusTcpClient], Awaitable[None]]) -> None:
    server = await serve_tcp(device, "127.0.0.1", 0, CLOCK)
    client = AsyncModbusTcpClient("127.0.0.1", port=server.port, framer=framer, timeout=1, retries=0)
    try:
        assert await client.connect()
        await use(client)
    finally:
        client.close()
        await server.close()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("framing", "framer"), [("mbap", FramerType.SOCKET), ("rtu", FramerType.RTU)])
async def test_pymodbus_s_client_drives_our_ea(framing: Framing, framer: FramerType) -> None:
    cycler = PlainCycler()
    device = EaPsbDevice(device_map("ea-psb"), cycler, framing=framing, limited=False, execution_delay_ns=0)

    async def use(client: AsyncModbusTcpClient) -> None:
        rated = await client.read_holding_registers(121, count=6, device_id=1)
        assert client.convert_from_registers(rated.registers, client.DATATYPE.FLOAT32) == [500.0, 120.0, 30_000.0]
        refused = await client.write_register(501, 0x6666, device_id=1)
        assert (refused.isError(), refused.exception_code) == (True, 7), "not in remote"
        assert not (await client.write_coil(402, True, device_id=1)).isError()
        assert not (await client.write_register(501, 0x6666, device_id=1)).isError()
        assert not (await client.write_registers(498, [0xCCCC, 0, 0x8000, 0x6666, 0xCCCC], device_id=1)).isError()
        assert not (await client.write_coil(405, True, device_id=1)).isError()
        assert (await client.read_coils(405, count=1, device_id=1)).bits[0] is True
        actual = (await client.read_holding_registers(505, count=5, device_id=1)).registers
        assert actual[1] & 1 << 7
        assert actual[3] == 0x6666
        wrong = await client.write_register(500, 0xD0E6, device_id=1)
        assert wrong.exception_code == 3, "above 102 %"
        assert (await client.read_holding_registers(400, count=1, device_id=1)).exception_code == 2

    await with_client(device, framer, use)
    assert cycler.commands[-1][1:] == (True, pytest.approx(60.0, abs=0.01))


async def test_pymodbus_s_client_reads_our_bms() -> None:
    part = PlainBms(96)
    device = HvBmsDevice(device_map("modbus-hv-bms"), part)

    async def use(client: AsyncModbusTcpClient) -> None:
        all_of_it = (await client.read_holding_registers(0, count=124, device_id=1)).registers
        assert all_of_it[28:124] == np.rint(part.cells_v * 1000).astype(int).tolist()
        some = (await client.read_holding_registers(30, count=2, device_id=1)).registers
        assert some == all_of_it[30:32]
        current = (await client.read_holding_registers(6, count=2, device_id=1)).registers
        assert client.convert_from_registers(current, client.DATATYPE.INT32) == -12_345

    await with_client(device, FramerType.SOCKET, use)


async def test_pymodbus_s_client_reads_our_jk() -> None:
    part = PlainBms(16, 2)
    device = JkPbDevice(device_map("jk-pb"), part, turnaround_ns=0)

    async def use(client: AsyncModbusTcpClient) -> None:
        cells = (await client.read_holding_registers(0x1200, count=16, device_id=1)).registers
        assert cells == np.rint(part.cells_v * 1000).astype(int).tolist()
        voltage = (await client.read_holding_registers(0x1290, count=2, device_id=1)).registers
        assert client.convert_from_registers(voltage, client.DATATYPE.UINT32) == round(part.cells_v.sum() * 1000)
        assert (await client.read_holding_registers(0x1201, count=1, device_id=1)).exception_code == 2
        assert (await client.read_holding_registers(0x1200, count=123, device_id=1)).exception_code == 2

    await with_client(device, FramerType.RTU, use)
