"""A Daly driver on its emulator in virtual time, and the boards that are stated to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tests.unit.wire_parts import PlainBms, device_map

from packbench.drivers.factory import Wanted, make_driver
from packbench.maps.schema import DeviceType
from packbench.run.port import Port
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.parts import WireDevice
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

MS = 1_000_000
SECOND = 1_000_000_000
BYTE_TIME_9600_NS = 1_041_667
A5, D2, P81 = device_map("daly-a5"), device_map("daly-d2"), device_map("daly-p81")


def stated(cells: int = 16, sensors: int = 4, **values: Any) -> StatedBms:
    return StatedBms(PlainBms(cells, sensors), {"current_a": 0.0, **values})


def array(*values: float) -> Any:
    return np.array(values)


@dataclass(slots=True, eq=False)
class Bench:
    """A driver, the line to the emulator at its other end, and what went over it."""

    bms: Any
    clock: VirtualClock
    link: MemoryLink
    port: Port
    sent: list[str] = field(default_factory=list)

    async def wait(self, ns: int) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + ns)


def with_daly(
    device_type: DeviceType,
    device: WireDevice,
    use: Callable[[Bench], Awaitable[None]],
    *,
    settings: dict[str, Any] | None = None,
    unit: int | None = None,
) -> None:
    async def main(clock: VirtualClock) -> None:
        link = MemoryLink(asyncio.get_running_loop(), device, clock, byte_time_ns=BYTE_TIME_9600_NS)
        port = Port(link, clock)
        number = device_type.unit if unit is None else unit
        wanted = Wanted(device_type, number, "pty", port, device_type.line.reply_timeout_ns, settings or {})
        bench = Bench(make_driver(wanted), clock, link, port)

        def heard(_t_ns: int, sent: bytes) -> bytes:
            bench.sent.append(sent.hex())
            return sent

        link.to_device = heard
        await use(bench)
        port.close()

    run_virtual(main)
