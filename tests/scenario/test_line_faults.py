"""Every device's driver on a line that misbehaves: noise, pieces, late, cut short, endless, somebody else's words.

One table of faults, run for each device that has a driver and an emulator, in virtual time. A reading is right or it
is an error of ours in time; what is never accepted is a value that belongs to another moment or another request.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import Any

import pytest
from tests.unit.wire_parts import PlainBms, PlainCycler, device_map

from packbench.app.devices import Buses, Line
from packbench.app.probe import reading
from packbench.config.pack import load_pack
from packbench.core.errors import DeviceError
from packbench.core.specs import PackSpec
from packbench.files import packaged_configs
from packbench.maps.schema import DeviceType
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.playing import Playing
from packbench_sim.wire import MemoryLink
from packbench_sim.wiring import PLAYERS, play

MS = 1_000_000
SECOND = 1_000_000_000
AT_REST = {"eastron-sdm": {"standby_w": "0"}}
"""What makes a device show the same from one reading to the next: a counter counts on, even of a bench at rest."""
ON_A_PORT = sorted(name for name in PLAYERS if device_map(name).protocol != "gbt27930")


def pack_of(device: DeviceType) -> PackSpec:
    path = packaged_configs() / "packs" / f"{device.emulated_pack}.yaml"
    return load_pack(path.read_text("utf-8"), path.name)


class Bench:
    """One device, its driver, and the wire between them."""

    def __init__(self, name: str, clock: VirtualClock) -> None:
        self.clock = clock
        self.type = device_map(name)
        pack = pack_of(self.type)
        self.bms = PlainBms(pack.series, 4)
        self.cycler = PlainCycler()
        scheme = self.type.links[0]
        playing = Playing(self.type, self.type.unit, scheme, pack, self.cycler, self.bms, options=AT_REST.get(name, {}))
        self.device = play(playing)
        self.wire = MemoryLink(asyncio.get_running_loop(), self.device, clock)
        self.buses = Buses(clock)
        self.line = Line(self.wire)
        self.driver: Any = self.buses.driver(
            self.line,
            self.type,
            unit=self.type.unit,
            scheme=scheme,
            reply_timeout_ns=self.type.line.reply_timeout_ns,
            settings=MappingProxyType({}),
        )

    @property
    def patience_ns(self) -> int:
        """One request and its retry, each with its time-out, a quarantine and a gap prolonged to their caps."""
        line = self.type.line
        return 2 * line.reply_timeout_ns + 4 * line.turnaround_ns + 8 * line.gap_ns + 200 * MS

    async def read(self) -> dict[str, Any]:
        return reading(await self.driver.read())

    async def ready(self) -> dict[str, Any]:
        """Identified, and read once on a good line."""
        await self.driver.identify()
        return await self.read()

    async def read_within(self, tries: int) -> dict[str, Any]:
        """The first reading that comes in so many polls, a second apart."""
        for left in reversed(range(tries)):
            try:
                return await self.read()
            except DeviceError:
                assert left, "the line did not recover"
                await self.clock.sleep_until(self.clock.now_ns() + SECOND)
        raise AssertionError

    def move(self) -> None:
        """Another moment: what is read from now on differs from what was."""
        self.bms.current_a = 7.25
        self.cycler.voltage_v = 300.0

    def moved(self, shown: dict[str, Any]) -> bool:
        if self.type.kind == "bms":
            return shown["current_a"] == pytest.approx(7.25, abs=0.1)
        if self.type.kind == "cycler":
            return shown["voltage_v"] == pytest.approx(300.0, abs=0.2)
        return True


def on_each(test: Callable[[Bench], Awaitable[None]]) -> Callable[[str], None]:
    """Run a test in virtual time for one device."""

    def run(name: str) -> None:
        async def main(clock: VirtualClock) -> None:
            bench = Bench(name, clock)
            await test(bench)
            await bench.buses.close()

        run_virtual(main)

    run.__doc__ = test.__doc__
    return run


def each(test: Callable[[Bench], Awaitable[None]]) -> Any:
    return pytest.mark.parametrize("name", ON_A_PORT)(on_each(test))


async def _noise(bench: Bench) -> None:
    """Noise before and after each reply costs at most one poll, and no value is wrong."""
    good = await bench.ready()
    dice = random.Random(1)
    bench.wire.from_device = lambda _t, data: (
        dice.randbytes(dice.randint(1, 12)) + data + dice.randbytes(dice.randint(0, 6))
    )
    lost = 0
    for _ in range(12):
        try:
            assert await bench.read() == good
        except DeviceError:
            lost += 1
        await bench.clock.sleep_until(bench.clock.now_ns() + SECOND)
    bench.wire.from_device = lambda _t, data: data
    assert await bench.read_within(2) == good


async def _pieces(bench: Bench) -> None:
    """A reply that comes byte by byte is one reply."""
    good = await bench.ready()
    whole = bench.wire._deliver

    def piecemeal(data: bytes) -> None:
        for index in range(len(data)):
            whole(data[index : index + 1])

    bench.wire._deliver = piecemeal
    assert await bench.read() == good


async def _cut_short(bench: Bench) -> None:
    """A reply of which the end is missing is a time-out, and the next poll is whole."""
    good = await bench.ready()
    cuts = [3]

    def cut(_t_ns: int, data: bytes) -> bytes:
        if cuts[0] > 0:
            cuts[0] -= 1
            return data[:-1]
        return data

    bench.wire.from_device = cut
    assert await bench.read_within(4) == good


async def _late(bench: Bench) -> None:
    """A reply that comes after its time-out is never taken for the answer to the next request."""
    await bench.ready()
    late = bench.type.line.reply_timeout_ns + 1 * MS
    held: list[bytes] = []

    def hold_back(_t_ns: int, data: bytes) -> bytes:
        if not held:
            held.append(data)
            bench.clock.call_at(bench.clock.now_ns() + late, lambda: bench.wire._deliver(data))
            return b""
        return data

    bench.wire.from_device = hold_back
    # The first request and, where reading is repeated, its retry: held back once, answered the second time.
    with contextlib.suppress(DeviceError):
        await bench.read()
    assert held
    bench.move()
    assert bench.moved(shown := await bench.read_within(3)), shown
    await bench.clock.sleep_until(bench.clock.now_ns() + SECOND)
    assert bench.moved(shown := await bench.read()), shown


async def _endless(bench: Bench) -> None:
    """Bytes that never stop end in a time-out within bounds, and the line is usable afterwards."""
    good = await bench.ready()
    port = bench.buses.port(bench.line)
    flooding = [True]

    def flood() -> None:
        if flooding[0]:
            bench.wire._deliver(b"\x55\xaa\x01\x03\xff~7\r" * 200)
            bench.clock.call_at(bench.clock.now_ns() + 5 * MS, flood)

    bench.wire.from_device = lambda _t, _data: b""
    flood()
    began_ns = bench.clock.now_ns()
    with pytest.raises(DeviceError):
        await bench.read()
    assert bench.clock.now_ns() - began_ns <= bench.patience_ns
    assert len(port._buffer) <= 2048
    flooding[0] = False
    bench.wire.from_device = lambda _t, data: data
    await bench.clock.sleep_until(bench.clock.now_ns() + 5 * SECOND)
    assert await bench.read_within(2) == good


async def _deaf(bench: Bench) -> None:
    """Silence is an error of ours within the time allowed; the device is read again when it is back."""
    good = await bench.ready()
    bench.wire.to_device = lambda _t, _data: b""
    began_ns = bench.clock.now_ns()
    with pytest.raises(DeviceError):
        await bench.read()
    assert bench.clock.now_ns() - began_ns <= bench.patience_ns
    bench.wire.to_device = lambda _t, data: data
    assert await bench.read_within(2) == good


async def _noise_to_the_device(bench: Bench) -> None:
    """What the device hears may be noise, too: it is answered again afterwards."""
    good = await bench.ready()
    dice = random.Random(2)
    bench.wire.to_device = lambda _t, data: dice.randbytes(30)
    with pytest.raises(DeviceError):
        for _ in range(3):
            await bench.read()
    bench.wire.to_device = lambda _t, data: data
    assert await bench.read_within(3) == good


test_noise = each(_noise)
test_pieces = each(_pieces)
test_cut_short = each(_cut_short)
test_late = each(_late)
test_endless = each(_endless)
test_deaf = each(_deaf)
test_noise_to_the_device = each(_noise_to_the_device)
