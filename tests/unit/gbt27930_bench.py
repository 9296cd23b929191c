"""A charger on an emulated BMS in virtual time, and every frame that went over the line between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.wire_parts import PlainBms, device_map

from packbench.config.pack import load_pack
from packbench.core.samples import BmsSample
from packbench.core.specs import PackSpec
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.run.charger import Charger
from packbench.transport.slcan import SlcanTransport
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.slcan import HostReader
from packbench.wire.gbt27930.frames import BITRATE, message_in
from packbench_sim.devices.gbt27930 import Gbt27930Device
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

MS, S = 1_000_000, 1_000_000_000
GBT = device_map("gbt27930")
PACKS = Path(__file__).parents[2] / "configs" / "packs"
TIMEOUT_NS = 30 * S
BYTE_TIME_NS = 86_806


def pack(name: str = "nmc-96s") -> PackSpec:
    path = PACKS / f"{name}.yaml"
    return load_pack(path.read_text("utf-8"), path.name)


def stated(**values: Any) -> StatedBms:
    return StatedBms(PlainBms(), {"current_a": 12.3, **values})


@dataclass(slots=True, eq=False)
class Bench:
    """The charger, the emulator at the other end of its line, and what was done to the plant."""

    charger: Charger
    device: Gbt27930Device
    clock: VirtualClock
    link: MemoryLink
    switched: list[tuple[bool, bool]] = field(default_factory=list)
    heard: list[tuple[int, CanFrame]] = field(default_factory=list)
    """What came from the adapter: instant in ms, frame."""
    said: list[tuple[int, CanFrame]] = field(default_factory=list)

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + round(seconds * S))

    def let_pass(self, seconds: float) -> None:
        """Time for the BMS alone: a closed line wakes nobody."""
        now_ns = self.clock.now_ns()
        for ms in range(0, round(seconds * 1000), 10):
            self.device.tick(now_ns + ms * MS)

    async def charging(self) -> BmsSample:
        await self.charger.identify()
        return await self.charger.read()

    def messages(self, kind: type, frames: list[tuple[int, CanFrame]]) -> list[tuple[int, Any]]:
        found = ((t, message_in(frame)) for t, frame in frames)
        return [(t, message) for t, message in found if type(message) is kind]


def with_bms(
    use: Callable[[Bench], Awaitable[None]],
    *,
    part: Any = None,
    settings: ChargerSettings | None = None,
    timeout_ns: int = TIMEOUT_NS,
    bitrate: int = BITRATE,
    spec: str = "nmc-96s",
    **device: Any,
) -> None:
    async def main(clock: VirtualClock) -> None:
        switched: list[tuple[bool, bool]] = []
        bms = Gbt27930Device(
            part or stated(),
            pack(spec),
            switches=lambda _t, charge, discharge: switched.append((charge, discharge)),
            **device,
        )
        link = MemoryLink(asyncio.get_running_loop(), bms, clock, byte_time_ns=BYTE_TIME_NS)
        charger = Charger(SlcanTransport(link, bitrate), clock, settings or ChargerSettings(), timeout_ns)
        bench = Bench(charger, bms, clock, link, switched)
        readers = HostReader(), HostReader()

        def record(reader: HostReader, to: list[tuple[int, CanFrame]]) -> Callable[[int, bytes], bytes]:
            def recorded(t_ns: int, data: bytes) -> bytes:
                to.extend((t_ns // MS, item) for item in reader.feed(data) if isinstance(item, CanFrame))
                return data

            return recorded

        link.to_device = record(readers[0], bench.said)
        link.from_device = record(readers[1], bench.heard)
        await use(bench)
        await charger.close()

    run_virtual(main)
