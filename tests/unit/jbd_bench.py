"""A JBD driver on its emulator in virtual time, and the golden frames of the family."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.unit.golden import golden_frames
from tests.unit.wire_parts import PlainBms, device_map

from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.jbd import JbdBms
from packbench.run.port import Port
from packbench.wire.jbd import frames as jbd
from packbench.wire.jbd.frames import JbdRequest
from packbench_sim.devices.jbd import JbdDevice, Plate
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

JBD = device_map("jbd")
GOLDEN = golden_frames("jbd")
BASIC_4S, CELLS_4S, MODEL_4S, BASIC_17S = (item.frame for item in GOLDEN if item.direction == "reply")


def stated(cells: int = 4, sensors: int = 3, **values: Any) -> StatedBms:
    return StatedBms(PlainBms(cells, sensors), {"current_a": 0.0, **values})


@dataclass(slots=True, eq=False)
class Bench:
    """A driver, the emulator at the other end of its line, and what went over it."""

    bms: JbdBms
    device: JbdDevice
    clock: VirtualClock
    link: MemoryLink
    port: Port
    sent: list[bytes] = field(default_factory=list)
    switched: list[tuple[bool, bool]] = field(default_factory=list)


LIMITS = {"limits_from": "eeprom"}
"""Asked for: by default nothing is written to a board."""


def with_jbd(
    use: Callable[[Bench], Awaitable[None]],
    *,
    part: Any = None,
    plate: Plate | None = None,
    settings: dict[str, Any] | None = None,
) -> None:
    async def main(clock: VirtualClock) -> None:
        switched: list[tuple[bool, bool]] = []
        device = JbdDevice(
            part or stated(), plate, switches=lambda _t, charge, discharge: switched.append((charge, discharge))
        )
        link = MemoryLink(asyncio.get_running_loop(), device, clock, byte_time_ns=1_041_667)
        port = Port(link, clock)
        bms = make_driver(Wanted(JBD, JBD.unit, "pty", port, JBD.line.reply_timeout_ns, {**LIMITS, **(settings or {})}))
        assert isinstance(bms, JbdBms)
        bench = Bench(bms, device, clock, link, port, switched=switched)

        def record(_t_ns: int, data: bytes) -> bytes:
            bench.sent.append(data)
            return data

        link.to_device = record
        await use(bench)

    run_virtual(main)


def ask(device: JbdDevice, *requests: JbdRequest) -> list[bytes]:
    return [device.on_bytes(0, jbd.request_frame(request)) for request in requests]
