"""The order in which the actor's deeds reach a cycler: an "off" first, whatever waits or is being waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from tests.unit.store_samples import TRIP

from packbench.app.job import load_job
from packbench.app.virtual import NoJournal
from packbench.core.records import Event, Trip
from packbench.drivers.protocols import Setpoint
from packbench.engine.effects import Drive, Effect, Finish, Note, OutputOff, StepBegan
from packbench.run.actor import Actor
from packbench.run.channel import Channel
from packbench.run.driving import Driving
from packbench.run.stopping import Stopper
from packbench.safety.judge import Latched
from packbench.safety.view import Expectation
from packbench_sim.loop import VirtualClock, run_virtual

S = 1_000_000_000


class Disk(NoJournal):
    """Takes `seconds` for each flush."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.kinds: list[str] = []
        self.order: list[str] = []

    def put_event(self, event: Event) -> int:
        self.kinds.append(event.kind)
        if event.kind == "stopped":
            self.order.append("told")
        return 0

    def put_trip(self, trip: Trip) -> int:
        del trip
        self.order.append("trip")
        return 0

    async def flush(self) -> int:
        await asyncio.sleep(self.seconds)
        return 0


class Cycler:
    """Remembers what it was told, and what was expected of it when it was."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    async def apply(self, setpoint: Setpoint) -> None:
        self.bench.deeds.append((self.bench.clock.now_ns() / S, setpoint.current_a))
        self.bench.seen.append(self.bench.channel.expected)
        await asyncio.sleep(0.02)

    async def off(self) -> None:
        self.bench.deeds.append((self.bench.clock.now_ns() / S, None))
        await asyncio.sleep(0.01)


@dataclass
class Watched:
    """As much of a channel as the actor needs."""

    expected: Expectation
    clock: VirtualClock

    def told(self, current_a: float | None, clamp_v: float | None) -> None:
        self.expected = self.expected.told(self.clock.now_ns(), current_a, clamp_v)


class Bench:
    """An actor between a slow disk and a cycler."""

    def __init__(self, clock: VirtualClock, disk_s: float, stopper: object = None) -> None:
        self.clock = clock
        self.deeds: list[tuple[float, float | None]] = []
        self.seen: list[Expectation] = []
        self.disk = Disk(disk_s)
        stale = MappingProxyType({"cycler": S, "bms": S})
        closed: dict[str, Any] = {"contactor_closed": True, "ignored_alarms": frozenset[str]()}
        self.channel = Watched(Expectation(4, 1, stale, None, None, 0, 0.5, S, **closed), clock)
        bench = load_job("quick-check", "lfp-16s", "sim-lv").bench
        driving = cast("Driving", Cycler(self))
        self.actor = Actor(clock, bench, driving, cast("Stopper", stopper), self.disk)
        self.actor.attach(cast("Channel", self.channel))

    def put(self, *effects: Effect) -> None:
        self.actor.effects(effects)

    @property
    def currents(self) -> list[float | None]:
        return [current_a for _, current_a in self.deeds]


def on_bench(disk_s: float, script: Callable[[Bench], Coroutine[Any, Any, None]], stopper: object = None) -> Bench:
    async def main(clock: VirtualClock) -> Bench:
        bench = Bench(clock, disk_s, stopper)
        try:
            await script(bench)
        finally:
            await bench.actor.close()
        return bench

    return run_virtual(main)


def test_an_off_goes_ahead_of_what_waits_and_drops_what_would_switch_on() -> None:
    async def script(bench: Bench) -> None:
        bench.put(StepBegan(1, 1, "a", 1), Drive(5.0, 60.0), Note("n", "t"))
        bench.put(OutputOff(), StepBegan(2, 2, "b", 1))
        await asyncio.sleep(5)

    bench = on_bench(0.1, script)
    assert bench.currents == [None]
    assert bench.disk.kinds == ["output_off", "step_began", "n", "step_began"]


def test_an_off_does_not_wait_for_a_disk_that_a_current_waits_for() -> None:
    async def script(bench: Bench) -> None:
        bench.put(Drive(5.0, 60.0))
        await asyncio.sleep(5)
        bench.put(Drive(9.0, 60.0))
        await asyncio.sleep(1)
        bench.put(OutputOff())
        await asyncio.sleep(10)

    bench = on_bench(3.0, script)
    assert bench.currents == [5.0, None]
    began_s = bench.deeds[0][0] - 3.0
    assert bench.deeds[1][0] - began_s < 6.1
    assert "output_withdrawn" in bench.disk.kinds


def test_what_comes_after_an_off_is_done() -> None:
    async def script(bench: Bench) -> None:
        bench.put(OutputOff(), StepBegan(1, 1, "a", 1), Drive(5.0, 60.0))
        await asyncio.sleep(2)
        bench.put(Drive(3.0, 60.0))
        await asyncio.sleep(2)

    assert on_bench(0.1, script).currents == [None, 5.0, 3.0]


def test_a_current_that_is_seen_before_its_acknowledgement_ignores_no_off() -> None:
    async def script(bench: Bench) -> None:
        await asyncio.sleep(30)
        bench.put(Drive(5.0, 60.0))
        await asyncio.sleep(2)

    bench = on_bench(0.1, script)
    (expected,) = bench.seen
    assert expected.current_a is None, "not acknowledged yet"
    assert expected.switched_ns / S == bench.deeds[0][0], "what is read from here on may be the new current"


def test_a_profile_ends_once() -> None:
    async def script(bench: Bench) -> None:
        bench.put(Finish("aborted", "first"))
        bench.put(Finish("aborted", "second"))
        await asyncio.sleep(1)
        assert (await bench.actor.finished).reason == "first"

    assert on_bench(0.1, script).disk.kinds == ["finished"]


def test_a_trip_is_written_before_the_bench_is_stopped() -> None:
    order: list[str] = []

    class Stops:
        failures = ()

        async def stop(self, _reaction: str) -> None:
            order.append("stop")
            await asyncio.sleep(1.0)
            order.append("stopped")

    async def script(bench: Bench) -> None:
        bench.disk.order = order
        bench.actor.trip(Latched(TRIP, "S1"))
        await bench.clock.sleep_until(2 * S)

    on_bench(0.0, script, Stops())
    assert order == ["trip", "stop", "stopped", "told"]
