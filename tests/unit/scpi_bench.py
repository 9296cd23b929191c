"""A SCPI driver on an emulator in virtual time, with every message and answer that went over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.unit.wire_parts import PlainCycler, device_map

from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.protocols import Cycler
from packbench.maps.schema import Scheme
from packbench.run.port import Port
from packbench.wire.scpi.messages import ScpiCodec, ScpiRequest
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.parts import WireDevice
from packbench_sim.wire import MemoryLink

MS = 1_000_000
S = 1_000 * MS


@dataclass(slots=True)
class Wire:
    """What a test looks at."""

    clock: VirtualClock
    port: Port
    link: MemoryLink
    sent: list[bytes] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)

    async def settle(self, seconds: float = 0.02) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + round(seconds * S))

    def texts(self) -> list[str]:
        """The commands that were sent since the last time, joined ones one by one."""
        texts = [text for frame in self.sent for text in frame.decode().rstrip("\n").split(";")]
        self.sent.clear()
        return texts


def on_wire(device: WireDevice, use: Callable[[Wire], Awaitable[None]]) -> None:
    """Run `use` in virtual time with a port on a memory link to the device."""

    async def main(clock: VirtualClock) -> None:
        link = MemoryLink(asyncio.get_running_loop(), device, clock)
        wire = Wire(clock, Port(link, clock), link)

        def outgoing(_t_ns: int, data: bytes) -> bytes:
            wire.sent.append(data)
            return data

        def incoming(_t_ns: int, data: bytes) -> bytes:
            wire.heard.append(data)
            return data

        link.to_device, link.from_device = outgoing, incoming
        await use(wire)

    run_virtual(main)


def driver_of(
    wire: Wire, name: str, settings: Mapping[str, Any] | None = None, scheme: Scheme = "scpi+tcp", unit: int = 0
) -> Cycler:
    device = device_map(name)
    wanted = Wanted(device, unit, scheme, wire.port, device.line.reply_timeout_ns, settings or {})
    return make_driver(wanted)  # type: ignore[return-value]


async def ask(wire: Wire, *requests: ScpiRequest) -> list[Any]:
    """The answers to some messages, one after the other."""
    from packbench.transport.link import Timing

    link = wire.port.link(
        ScpiCodec(wire.port.counters), Timing(200 * MS, gap_ns=5 * MS), silent=lambda request: request.silent
    )
    return [(await link.exchange(request)).value for request in requests]


__all__ = ["MS", "PlainCycler", "S", "Wire", "ask", "driver_of", "on_wire"]
