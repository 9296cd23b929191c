"""Stand-ins for the plant behind simulated devices, and ports on them, for tests of the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np

from packbench.clock import Clock
from packbench.maps.file import load_device
from packbench.maps.schema import DeviceType
from packbench.run.port import Port, PortLink
from packbench.transport.base import BytesSink, LostSink
from packbench.transport.link import Timing
from packbench.wire.modbus import Framing, ModbusCodec, ModbusRequest
from packbench_sim.parts import BmsReading, CyclerReading, WireDevice
from packbench_sim.wire import MemoryLink

DEVICES = Path(__file__).parents[2] / "configs" / "devices"
MAP_NAMES = tuple(sorted(path.stem for path in DEVICES.glob("*.yaml")))


def device_map(name: str) -> DeviceType:
    path = DEVICES / f"{name}.yaml"
    return load_device(path.read_text("utf-8"), path.name)


class PlainCycler:
    """Follows its command at once: |V| fixed, current is what was asked for."""

    rated_voltage_v, rated_current_a, rated_power_w = 500.0, 120.0, 30_000.0

    def __init__(self) -> None:
        self.voltage_v = 350.0
        self.output_on = False
        self.current_a = 0.0
        self.clamp_v = 0.0
        self.commands: list[tuple[int, bool, float]] = []
        self.given: list[int] = []
        """When a reading was asked for that a reply shows."""

    def command(
        self, t_ns: int, *, output_on: bool, voltage_v: float, source_current_a: float, sink_current_a: float
    ) -> None:
        self.output_on, self.clamp_v = output_on, voltage_v
        self.current_a = source_current_a - sink_current_a
        self.commands.append((t_ns, output_on, self.current_a))

    def reading(self, t_ns: int, *, given: bool = True) -> CyclerReading:
        if given:
            self.given.append(t_ns)
        current_a = self.current_a if self.output_on else 0.0
        return CyclerReading(self.voltage_v, current_a, self.output_on, "cc" if self.output_on else "off")


class PlainBms:
    def __init__(self, cells: int = 96, sensors: int = 4) -> None:
        self.cells_v = np.linspace(3.2, 3.3, cells).round(3)
        self.sensors_c = np.linspace(20.0, 26.0, sensors).round(1)
        self.alarms: tuple[str, ...] = ()
        self.balancing = False
        self.current_a = -12.345

    def reading(self, t_ns: int) -> BmsReading:
        pack_v = float(self.cells_v.sum())
        return BmsReading(
            cell_voltages_v=self.cells_v,
            voltage_v=pack_v,
            current_a=self.current_a,
            temperatures_c=self.sensors_c,
            soc=0.87,
            soh=0.81,
            cycles=321,
            alarms=self.alarms,
            charge_limit_a=75.0,
            discharge_limit_a=100.0,
            balancing=self.balancing,
        )


def memory_port(
    device: WireDevice, framing: Framing, clock: Clock, *, reply_timeout_ms: float = 100, quiet_ms: float = 0,
    gap_ms: float = 0, retries: int = 0, byte_time_ns: int = 0,
) -> tuple[PortLink[ModbusRequest, bytes], MemoryLink]:  # fmt: skip
    link = MemoryLink(asyncio.get_running_loop(), device, clock, byte_time_ns=byte_time_ns)
    port = Port(link, clock)
    timing = Timing(round(reply_timeout_ms * 1e6), round(quiet_ms * 1e6), round(gap_ms * 1e6))
    codec = ModbusCodec(framing, counters=port.counters)
    return port.link(codec, timing, retries=retries, repeatable=lambda request: request.repeatable), link


class ScriptedTransport:
    """Bytes by hand: `write` hands what was sent to a function, `hear` plays the device."""

    def __init__(self, on_write: Callable[[bytes], None] | None = None) -> None:
        self.sent: list[bytes] = []
        self.on_write = on_write
        self.closed = False
        self._on_bytes: BytesSink | None = None
        self._on_lost: LostSink | None = None

    def attach(self, on_bytes: BytesSink, on_lost: LostSink) -> None:
        self._on_bytes, self._on_lost = on_bytes, on_lost

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        if self.on_write is not None:
            self.on_write(data)

    def hear(self, data: bytes) -> None:
        assert self._on_bytes is not None
        self._on_bytes(data)

    def lose(self, reason: str) -> None:
        assert self._on_lost is not None
        self._on_lost(reason)

    def close(self) -> None:
        self.closed = True
