"""Stops at the worst moments: during start-up, in the turn of another stop, with devices and disks that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from packbench.app.job import Job, load_job
from packbench.app.virtual import NoJournal
from packbench.core.errors import ReplyTimeout
from packbench.core.samples import BmsSample, BoardSample, CyclerSample
from packbench.drivers.protocols import Identity, Setpoint
from packbench.run.bench import BenchRun, RunOutcome
from packbench.run.devices import Devices
from packbench.run.driving import Stepping
from packbench_board.words import BoardEvent
from packbench_sim.board import DirectBoard
from packbench_sim.faults import parse_injection
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.world import World, build_parts, direct_devices

S = 1_000_000_000


@dataclass
class Spy:
    """Passes every command on, and remembers what was sent when. `before` may raise or change things."""

    devices: Devices
    now_ns: Callable[[], int]
    sent: list[tuple[int, str, float]] = field(default_factory=list)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)

    async def _pass(self, name: str, command: Awaitable[None], current_a: float = 0.0) -> None:
        self.sent.append((self.now_ns(), name, current_a))
        try:
            self.before.get(name, lambda: None)()
        except BaseException:
            command.close()  # type: ignore[attr-defined]
            raise
        await command

    async def identify(self) -> Identity:
        return await self.devices.cycler.identify()

    async def prepare(self) -> None:
        await self._pass("prepare", self.devices.cycler.prepare())

    async def read(self) -> CyclerSample:
        return await self.devices.cycler.read()

    async def apply(self, setpoint: Setpoint) -> None:
        await self._pass("apply", self.devices.cycler.apply(setpoint), setpoint.current_a)

    async def off(self) -> None:
        await self._pass("off", self.devices.cycler.off())

    async def release(self) -> None:
        await self._pass("release", self.devices.cycler.release())


class BoardSpy:
    """The same for the board."""

    def __init__(self, spy: Spy) -> None:
        assert isinstance(spy.devices.board, DirectBoard)
        self._spy, self._board = spy, spy.devices.board

    async def identify(self) -> Identity:
        return await self._board.identify()

    async def arm(self, token: int) -> None:
        await self._spy._pass("arm", self._board.arm(token))

    async def close(self) -> None:
        await self._spy._pass("close", self._board.close())

    async def prove(self) -> None:
        await self._spy._pass("prove", self._board.prove())

    async def announce(self, current_a: float) -> None:
        await self._spy._pass("announce", self._board.announce(current_a))

    async def open(self) -> None:
        await self._spy._pass("open", self._board.open())

    async def trip(self, code: int) -> None:
        await self._spy._pass("trip", self._board.trip(code))

    async def log(self) -> tuple[BoardEvent, ...]:
        return await self._board.log()

    async def heartbeat(self) -> BoardSample:
        return await self._board.heartbeat()

    async def read(self) -> BoardSample:
        self._spy.before.get("status", lambda: None)()
        return await self._board.read()


@dataclass
class Ran:
    """What a scenario looks at afterwards."""

    outcome: RunOutcome
    sent: list[tuple[int, str, float]]
    world: World
    ended_ns: int

    def assert_at_rest(self) -> None:
        self.world.plant.advance_to(self.ended_ns + S)
        assert self.world.plant.true_current_a == 0.0
        assert not self.world.plant.contactor.closed


Meddle = Callable[[BenchRun, Spy, VirtualClock], Awaitable[None]]


def run(job: Job, *faults: str, meddle: Meddle | None = None, journal: NoJournal | None = None) -> Ran:
    """Run a job at object level with spied devices; it must end within two virtual hours."""

    async def main(clock: VirtualClock) -> Ran:
        injections = tuple(parse_injection(word) for word in faults)
        world = build_parts(job.bench, job.pack, start_ns=clock.now_ns(), seed=1, injections=injections)
        spy = Spy(direct_devices(world, clock, job.limits), clock.now_ns)
        devices = Devices(Stepping(spy), spy.devices.bms, BoardSpy(spy))  # type: ignore[arg-type]
        bench = BenchRun(
            clock, devices, job.plan, job.limits, job.bench, job.pack, journal or NoJournal(), lambda _s, _e: None
        )
        meddling = None if meddle is None else asyncio.create_task(meddle(bench, spy, clock))  # type: ignore[arg-type]
        async with asyncio.timeout(7200):
            outcome = await bench.run(1)
        if meddling is not None:
            await meddling
        return Ran(outcome, spy.sent, world, clock.now_ns())

    return run_virtual(main)


@pytest.fixture(scope="module")
def job() -> Job:
    return load_job("quick-check", "lmo-25ah", None)


def switching_on(ran: Ran, since_ns: int) -> list[str]:
    """Commands that give energy, after the first command of a stop that came at or after an instant."""
    places = [place for place, (t_ns, name, _) in enumerate(ran.sent) if t_ns >= since_ns and name in ("off", "trip")]
    return [name for _, name, _ in ran.sent[places[0] :] if name in ("arm", "apply", "close")]


def test_an_undisturbed_run_ends_at_rest(job: Job) -> None:
    ran = run(job)
    assert ran.outcome.trip is None
    assert ran.outcome.finish.verdict == "pass"
    assert ran.outcome.failures == ()
    ran.assert_at_rest()


def test_a_shutdown_that_takes_its_time_is_no_board_that_opened_by_itself(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heartbeats go on until the bench is at rest, and show the contactor open on the way there."""

    async def slow(self: Spy) -> None:
        await asyncio.sleep(1.0)
        await self.devices.cycler.release()

    monkeypatch.setattr(Spy, "release", slow)
    ran = run(job)
    assert ran.outcome.trip is None
    assert ran.outcome.finish.verdict == "pass"
    ran.assert_at_rest()


def test_a_pack_that_is_too_hot_is_never_connected(job: Job) -> None:
    hot = load_job("quick-check", "lmo-25ah", None, ("ambient_c=70",))
    ran = run(hot)
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "temperature_high"
    assert ran.outcome.bench_ns == 0
    assert ran.world.plant.contactor.closings == 0
    assert switching_on(ran, 0) == []
    ran.assert_at_rest()


@pytest.mark.parametrize("at_ms", [*range(0, 1000, 50), 1500, 5400])
def test_whenever_a_fault_comes_nothing_is_switched_on_after_the_trip(job: Job, at_ms: int) -> None:
    ran = run(job, f"sensor.cells_missing@{at_ms / 1000}")
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "cells_missing"
    assert ran.outcome.finish.verdict == "aborted"
    (tripped_ns,) = [t_ns for t_ns, name, _ in ran.sent if name == "trip"]
    stopped_ns = max(t_ns for t_ns, name, _ in ran.sent if name == "off" and t_ns <= tripped_ns)
    # The BMS is read once a second.
    assert 0 <= stopped_ns - at_ms * 1_000_000 <= 1.1 * S
    assert switching_on(ran, stopped_ns) == []
    ran.assert_at_rest()


def test_a_trip_in_the_instant_of_an_abort_ends_the_run(job: Job) -> None:
    async def meddle(bench: BenchRun, _spy: Spy, clock: VirtualClock) -> None:
        await clock.sleep_until(12 * S)
        bench.abort("by hand")
        bms = bench.channel.snapshot().bms
        assert isinstance(bms, BmsSample)
        bench.channel.on_bms(bms._replace(t_ns=clock.now_ns(), alarms=("cell_over_voltage",)))

    ran = run(job, meddle=meddle)
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "bms_alarm"
    ran.assert_at_rest()


def test_an_off_without_an_answer_is_repeated_and_the_run_ends(job: Job) -> None:
    async def meddle(bench: BenchRun, spy: Spy, clock: VirtualClock) -> None:
        await clock.sleep_until(12 * S)
        left = [2]

        def lose() -> None:
            if left[0]:
                left[0] -= 1
                raise ReplyTimeout("no complete reply")

        spy.before["off"] = lose
        bench.abort("by hand")

    ran = run(job, meddle=meddle)
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "link_lost"
    # Two that were lost: the step's own and the stop's first; then the repeated one, at once.
    offs = [t_ns for t_ns, name, _ in ran.sent if name == "off" and t_ns >= 12 * S]
    assert len(offs) >= 3
    assert offs[2] - offs[0] < 200_000_000
    ran.assert_at_rest()


@pytest.mark.parametrize("broken", ["trip", "off", "open", "release"])
def test_one_device_that_fails_in_an_unforeseen_way_does_not_spare_the_others(job: Job, broken: str) -> None:
    async def meddle(_bench: BenchRun, spy: Spy, clock: VirtualClock) -> None:
        await clock.sleep_until(12 * S)

        def fail() -> None:
            raise ValueError("nobody thought of this")

        spy.before[broken] = fail

    ran = run(job, "comms.bms_lost@12.5", meddle=meddle)
    names = {name for t_ns, name, _ in ran.sent if t_ns > 12 * S}
    assert {"off", "trip", "open", "release"} <= names
    assert any("nobody thought of this" in failure for failure in ran.outcome.failures)
    assert ran.outcome.finish.verdict == "aborted"
    # The board opens by its lease, its trip or its open, and its enable takes the cycler down with it.
    ran.assert_at_rest()


class StuckDisk(NoJournal):
    """Takes everything, and makes nothing durable from an instant on."""

    def __init__(self) -> None:
        self.stuck = False

    async def flush(self) -> int:
        if self.stuck:
            await asyncio.get_running_loop().create_future()
        return 0


def test_a_disk_that_stalls_never_keeps_current_flowing(job: Job) -> None:
    disk = StuckDisk()

    async def meddle(_bench: BenchRun, _spy: Spy, clock: VirtualClock) -> None:
        await clock.sleep_until(12 * S)
        disk.stuck = True

    # The charge of quick-check ends about 25 s in; the rest after it switches off before it waits for the disk.
    ran = run(job, meddle=meddle, journal=disk)
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "link_lost"
    assert "disk" in ran.outcome.trip.text_en
    charge_ns = next(t_ns for t_ns, name, current_a in ran.sent if name == "apply" and current_a > 0)
    off_ns = next(t_ns for t_ns, name, _ in ran.sent if name == "off" and t_ns > charge_ns)
    assert off_ns - charge_ns < 21 * S
    assert ran.ended_ns - off_ns < 12 * S
    assert all(current_a <= 0 for t_ns, name, current_a in ran.sent if name == "apply" and t_ns > off_ns)
    ran.assert_at_rest()


def test_a_welded_contactor_is_told(job: Job) -> None:
    ran = run(job, "power.weld@10")
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "contactor_not_open"
    assert "welded" in ran.outcome.trip.text_en


def test_a_board_that_does_not_answer_is_not_taken_for_an_open_contactor(job: Job) -> None:
    async def meddle(_bench: BenchRun, spy: Spy, clock: VirtualClock) -> None:
        await clock.sleep_until(12 * S)

        def lose() -> None:
            raise ReplyTimeout("no complete reply")

        spy.before["status"] = lose

    ran = run(job, meddle=meddle)
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "contactor_unknown"
    assert sum("board status" in failure for failure in ran.outcome.failures) == 1


def test_an_output_that_ignores_off_opens_the_contactor(job: Job) -> None:
    ran = run(job, "power.ignores_off@10")
    assert ran.outcome.trip is not None
    assert ran.outcome.trip.rule == "off_ignored"
    ran.world.plant.advance_to(ran.ended_ns + S)
    assert not ran.world.plant.contactor.closed
