"""From connected byte streams to drivers: one port a bus, the codec its URL names, the device's driver.

Owns that composition, the same for real devices, emulated ones on sockets and simulated ones in
memory: what is on the far side of the stream is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packbench.app.job import Job, read_source
from packbench.clock import Clock
from packbench.core.errors import InputError, Problem
from packbench.core.specs import DeviceSpec
from packbench.drivers.factory import make_bms, make_cycler
from packbench.drivers.protocols import Identity
from packbench.maps.file import load_map
from packbench.maps.schema import DeviceMap
from packbench.run.bench import Devices
from packbench.run.board_settings import board_settings
from packbench.run.port import Port
from packbench.transport.base import Transport
from packbench.wire.modbus import Framing, ModbusCodec, ModbusRequest
from packbench_board.client import BoardClient
from packbench_board.codec import BoardCodec
from packbench_board.frames import BoardMessage, HostMessage

ROLES = ("cycler", "bms", "board")
EMULATED = "emulated:"
"""URL prefix: the composition root is to start our own emulator on that kind of link."""


@dataclass(frozen=True, slots=True)
class Maps:
    """The register maps of the bench's mapped devices."""

    cycler: DeviceMap
    bms: DeviceMap


def load_maps(job: Job) -> Maps:
    """Read the maps that the bench file names."""
    return Maps(_map(job.bench.cycler), _map(job.bench.bms))


def _map(spec: DeviceSpec) -> DeviceMap:
    source = read_source("devices", spec.device)
    return load_map(source.text, source.name)


def scheme_of(spec: DeviceSpec) -> str:
    """The kind of link a device's URL names, e.g. "modbus+tcp"."""
    return spec.url.removeprefix(EMULATED).split("://", maxsplit=1)[0]


def framing_of(spec: DeviceSpec, device: DeviceMap) -> Framing:
    """Modbus framing on that link. Raises InputError when the device does not speak it there."""
    framing: Framing = "mbap" if scheme_of(spec) == "modbus+tcp" else "rtu"
    if framing not in device.framings:
        expected = " or ".join(device.framings)
        raise InputError(
            Problem(f"{device.name} does not speak it", field=f"{spec.role}.url", found=spec.url, expected=expected)
        )
    return framing


def connect(job: Job, maps: Maps, transports: Mapping[str, Transport], clock: Clock) -> Devices:
    """Drivers on connected transports, one for each of ROLES."""
    bench = job.bench
    cycler = _modbus_port(bench.cycler, maps.cycler, transports["cycler"], clock)
    bms = _modbus_port(bench.bms, maps.bms, transports["bms"], clock)
    board = Port[HostMessage, BoardMessage](
        transports["board"], BoardCodec(), clock, reply_timeout_ns=bench.board.reply_timeout_ns
    )
    return Devices(
        make_cycler(bench.cycler, cycler, maps.cycler),
        make_bms(bench.bms, bms, maps.bms),
        BoardClient(board, board_settings(bench, job.limits), Identity),
    )


def _modbus_port(spec: DeviceSpec, device: DeviceMap, transport: Transport, clock: Clock) -> Port[ModbusRequest, bytes]:
    codec = ModbusCodec(framing_of(spec, device))
    return Port(
        transport,
        codec,
        clock,
        reply_timeout_ns=spec.reply_timeout_ns,
        # Without a transaction id only silence separates a late reply from the next one.
        quiet_ns=0 if codec.has_transaction_id else device.line.turnaround_ns,
        gap_ns=device.line.gap_ns,
        retries=1,
        repeatable=lambda request: request.repeatable,
        counters=codec.counters,
    )
