"""The simulated bench's devices on byte streams.

Owns the table from a bench file's device name to the emulator that plays it. Adding an emulated
device is one file in devices/ and one line here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from packbench.clock import Clock
from packbench.core.errors import InputError, Problem
from packbench.core.specs import BenchSpec
from packbench.maps.schema import DeviceMap, Framing
from packbench.transport.base import Transport
from packbench_sim.devices.ea_psb import EaPsbDevice
from packbench_sim.devices.hv_bms import HvBmsDevice
from packbench_sim.devices.jk_pb import JkPbDevice
from packbench_sim.devices.modbus_slave import Silent
from packbench_sim.parts import WireDevice
from packbench_sim.wire import MemoryLink
from packbench_sim.world import World

NETWORK_LATENCY_NS = 200_000
"""One way, on a bench's own switch. [A]"""
BYTE_TIME_115200_NS = 86_806
"""8N1 at 115,200 baud."""


def wire_devices(
    world: World, bench: BenchSpec, maps: Mapping[str, DeviceMap], framings: Mapping[str, Framing]
) -> dict[str, WireDevice]:
    """The bench's devices by role. Raises InputError for one that nobody emulates."""
    faults = world.plant.faults
    return {
        "cycler": _cycler(world, bench, maps["cycler"], framings["cycler"], lambda _t_ns: faults.cycler_silent),
        "bms": _bms(world, bench, maps["bms"], framings["bms"], lambda _t_ns: faults.bms_silent),
        "board": world.board,
    }


def memory_transports(
    loop: asyncio.AbstractEventLoop, clock: Clock, devices: dict[str, WireDevice], framings: Mapping[str, Framing]
) -> dict[str, Transport]:
    """The far ends of in-memory links to the devices, with the latency of their kind of link."""
    return {
        role: MemoryLink(
            loop,
            device,
            clock,
            latency_ns=NETWORK_LATENCY_NS,
            byte_time_ns=BYTE_TIME_115200_NS if framings.get(role) == "rtu" else 0,
        )
        for role, device in devices.items()
    }


def _cycler(world: World, bench: BenchSpec, device: DeviceMap, framing: Framing, silent: Silent) -> WireDevice:
    if device.name == "ea-psb":
        return EaPsbDevice(device, world.plant.cycler, framing=framing, limited=bench.cycler.unit == 0, silent=silent)
    raise _unplayed("cycler", device.name, "ea-psb")


def _bms(world: World, bench: BenchSpec, device: DeviceMap, framing: Framing, silent: Silent) -> WireDevice:
    if device.name == "modbus-hv-bms":
        return HvBmsDevice(device, world.plant.bms, framing=framing, unit=bench.bms.unit, silent=silent)
    if device.name == "jk-pb":
        return JkPbDevice(device, world.plant.bms, unit=bench.bms.unit, silent=silent)
    raise _unplayed("bms", device.name, "modbus-hv-bms or jk-pb")


def _unplayed(role: str, found: str, expected: str) -> InputError:
    return InputError(Problem("no emulator plays this device", field=f"{role}.device", found=found, expected=expected))
