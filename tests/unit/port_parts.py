"""Ports on a scripted transport, and the requests that tests of the line ask through them."""

from __future__ import annotations

import asyncio

from tests.unit.wire_parts import ScriptedTransport

from packbench.run.port import Port, PortLink
from packbench.transport.link import Timing
from packbench.wire.modbus import Framing, ModbusCodec, ModbusRequest, rtu_frame
from packbench_sim.loop import VirtualClock

MS = 1_000_000


def make_port(
    wire: ScriptedTransport, clock: VirtualClock, *, framing: Framing = "rtu", quiet_ms: int = 200, gap_ms: int = 0,
    retries: int = 0,
) -> PortLink[ModbusRequest, bytes]:  # fmt: skip
    port = Port(wire, clock)
    return port.link(
        ModbusCodec(framing, counters=port.counters),
        Timing(100 * MS, quiet_ms * MS, gap_ms * MS),
        retries=retries,
        repeatable=lambda request: request.repeatable,
        echoed=lambda request: not request.repeatable,
    )


def registers(*words: int, unit: int = 1) -> bytes:
    body = b"".join(word.to_bytes(2, "big") for word in words)
    return rtu_frame(unit, bytes((3, len(body))) + body)


def later(clock: VirtualClock, delay_ms: float, wire: ScriptedTransport, data: bytes) -> None:
    asyncio.get_running_loop().call_later(delay_ms / 1e3, wire.hear, data)
