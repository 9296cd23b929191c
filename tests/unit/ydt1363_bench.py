"""Drivers of Pylontech, Seplos V2 and PACE on their emulators in virtual time, and captured replies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from tests.unit.golden import golden_frames
from tests.unit.wire_parts import PlainBms, ScriptedTransport, device_map
from tests.unit.ydt1363_frames import PYLON_PARAMETERS, info_of

from packbench.core.samples import BmsSample
from packbench.drivers.factory import Wanted, make_driver
from packbench.maps.schema import DeviceType
from packbench.run.port import Port
from packbench.wire.ydt1363.frames import YdtRequest, request_frame, take_apart
from packbench.wire.ydt1363.pylontech_facts import decode_system_parameters
from packbench_sim.devices.pace import BoardFacts as PaceFacts
from packbench_sim.devices.pace import PaceDevice
from packbench_sim.devices.pylontech import PackFacts, PylontechDevice
from packbench_sim.devices.seplos_v2 import BoardFacts as SeplosFacts
from packbench_sim.devices.seplos_v2 import SeplosV2Device
from packbench_sim.devices.ydt1363 import YdtDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.parts import BmsPart, WireDevice
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

MS = 1_000_000
PARAMETERS = decode_system_parameters(info_of(PYLON_PARAMETERS))
FACTS = PackFacts(100.0, PARAMETERS)
PYLON_GOLDEN = next(item.frame for item in golden_frames("pylontech") if item.direction == "reply")
SEPLOS_GOLDEN, SEPLOS_VERSION = (item.frame for item in golden_frames("seplos_v2") if item.direction == "reply")


def stated(**values: Any) -> StatedBms:
    arrays = {name: np.array(values[name]) for name in ("cell_voltages_v", "temperatures_c") if name in values}
    return StatedBms(PlainBms(16, 4), {**values, **arrays})


def say(device: WireDevice, request: YdtRequest | bytes) -> bytes:
    return device.on_bytes(0, request if isinstance(request, bytes) else request_frame(request))


def refusal(device: WireDevice, request: YdtRequest | bytes) -> int:
    return take_apart(say(device, request)).code


def device_of(name: str, part: BmsPart | None = None, **changes: Any) -> YdtDevice:
    part = part or PlainBms(16, 4)
    if name == "pylontech":
        return PylontechDevice([part], FACTS, **changes)
    if name == "seplos-v2":
        return SeplosV2Device(part, SeplosFacts(100.0), **changes)
    return PaceDevice(part, PaceFacts(100.0), **changes)


async def driven(
    name: str, device: WireDevice, clock: VirtualClock, unit: int | None = None, **settings: Any
) -> tuple[Any, MemoryLink, Port]:
    """A driver of that name, the wire and the port between it and the device."""
    device_type = device_map(name)
    wire = MemoryLink(asyncio.get_running_loop(), device, clock)
    port: Any = Port(wire, clock)
    wanted = Wanted(
        device_type,
        device_type.unit if unit is None else unit,
        "serial",
        port,
        device_type.line.reply_timeout_ns,
        settings,
    )
    return make_driver(wanted), wire, port


def read_once(name: str, device: WireDevice, unit: int | None = None, **settings: Any) -> BmsSample:
    samples: list[BmsSample] = []

    async def main(clock: VirtualClock) -> None:
        driver, _, _ = await driven(name, device, clock, unit, **settings)
        samples.append(await driver.read())

    run_virtual(main)
    return samples[0]


def sent_by(
    name: str, replies: Sequence[bytes], use: Callable[[Any], Awaitable[Any]], unit: int, **settings: Any
) -> list[bytes]:
    sent: list[bytes] = []

    async def main(clock: VirtualClock) -> None:
        queue = list(replies)
        wire = ScriptedTransport(lambda _data: clock.call_at(clock.now_ns() + MS, lambda: wire.hear(queue.pop(0))))
        device_type: DeviceType = device_map(name)
        port: Any = Port(wire, clock)
        driver = make_driver(Wanted(device_type, unit, "serial", port, 500 * MS, settings))
        await use(driver)
        sent.extend(wire.sent)

    run_virtual(main)
    return sent
