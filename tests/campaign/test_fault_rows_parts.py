"""The parts that make faults true: lines, triggers, the controller's state, and that each fault can be undone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from packbench.app.job import Job
from packbench.app.operators import Scripted
from packbench.app.virtual import NoJournal, Options, run_unrecorded
from packbench.app.virtual_bench import VirtualBench
from packbench.cli.program import main
from packbench.run.bench import BenchRun, RunOutcome
from packbench.wire.modbus import crc16
from packbench_sim.campaign.profile import campaign_job
from packbench_sim.faults import FAULT_FLAGS, Faults, Injection, wires
from packbench_sim.faults.active import FORBIDS
from packbench_sim.faults.catalogue import BY_ID, ROWS, S
from packbench_sim.faults.injector import OF_THE_BENCH, Injector
from packbench_sim.faults.seen import state_of
from packbench_sim.faults.triggers import EVENTS, Armed, At, InState, InStep, Planned, Probability, When
from packbench_sim.loop import VirtualClock, VirtualLoop, run_virtual
from packbench_sim.wire import MemoryLink, unchanged
from packbench_sim.world import World, build_parts

MS = 1_000_000
BLOCK = bytes.fromhex("000100000011 00 10 01F4 0005 0A 0001 0002 0003 0004 0005")
"""Modbus TCP: write five registers from 500."""


# -- lines -------------------------------------------------------------------------------------


class Echo:
    """Answers a write of registers as Modbus asks, and anything else with itself."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        del t_ns
        if not data:
            return b""
        self.heard.append(data)
        return data[:4] + b"\x00\x06" + data[6:12] if data[7:8] == b"\x10" else data

    def tick(self, t_ns: int) -> int | None:
        del t_ns
        return None


def over_a_line(
    put_on: Callable[[MemoryLink, Callable[[], int]], None], messages: list[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """What the device heard and what the host got, with faults on the line between them."""
    device, got = Echo(), list[bytes]()

    async def main(clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        link = MemoryLink(loop, device, clock)
        link.attach(got.append, lambda _why: None)
        put_on(link, clock.now_ns)
        for data in messages:
            link.write(data)
            await clock.sleep_until(clock.now_ns() + 100 * MS)

    run_virtual(main)
    return device.heard, got


def test_a_fault_that_is_over_leaves_the_others_on_the_line() -> None:
    def put_on(link: MemoryLink, now_ns: Callable[[], int]) -> None:
        dead = wires.Dead(link, now_ns)
        wires.Once(link, now_ns, lambda data: data[::-1]).take_off()
        other = wires.EveryReply(link, now_ns, lambda data: data + b"!")
        dead.take_off()
        assert link.from_device is not unchanged
        link.write(b"abcdefgh")
        other.take_off()
        wires.Dead(link, now_ns)

    assert over_a_line(put_on, [b"ijklmnop"]) == ([], [])


def test_a_line_is_itself_again_after_its_faults() -> None:
    def put_on(link: MemoryLink, now_ns: Callable[[], int]) -> None:
        first, second = wires.Dead(link, now_ns), wires.Dead(link, now_ns)
        second.take_off()
        first.take_off()
        assert (link.to_device, link.from_device) == (unchanged, unchanged)

    assert over_a_line(put_on, [b"abcdefgh"]) == ([b"abcdefgh"], [b"abcdefgh"])


@pytest.mark.parametrize("how", ["lost", "doubled", "halved", "unanswered"])
def test_half_a_write(how: str) -> None:
    silent = how in ("lost", "unanswered")

    def put_on(link: MemoryLink, now_ns: Callable[[], int]) -> None:
        fault = next(
            made
            for seed in range(50)
            if (made := wires.HalfWrite(link, now_ns, Random(seed), tcp=True, silent=silent)).how == how
            or made.take_off()
        )
        assert fault.how == how

    read = bytes.fromhex("000200000006 00 03 01F4 0005")
    heard, got = over_a_line(put_on, [read, BLOCK, BLOCK])
    whole = BLOCK[:4] + b"\x00\x06" + BLOCK[6:12]
    half = bytes.fromhex("00010000000B 00 10 01F4 0002 04 0001 0002")
    assert heard[0] == read
    came = {"lost": [BLOCK], "doubled": [BLOCK + BLOCK, BLOCK], "halved": [half, BLOCK], "unanswered": [BLOCK, BLOCK]}
    assert came[how] == heard[1:]
    assert got[-1] == whole, "the one after it is as it should be"
    assert len(got) == (2 if how in ("lost", "unanswered") else 3)
    assert got[1] == whole, "and whoever wrote is told that all of it was"


@pytest.mark.parametrize("tcp", [True, False])
def test_changed_frames_pass_their_own_check_and_damaged_ones_do_not(tcp: bool) -> None:
    body = bytes.fromhex("01 03 04 1234 5678")
    frame = bytes.fromhex("000300000007") + body if tcp else wires.with_crc(bytearray(body))
    other = wires.of_another_unit(tcp=tcp)(frame)
    swapped = wires.swapped(tcp=tcp)(frame)
    assert other[6 if tcp else 0] != frame[6 if tcp else 0]
    assert bytes.fromhex("3412 7856") in swapped
    assert wires.swapped(tcp=tcp)(swapped) == frame
    if not tcp:
        for changed in (other, swapped):
            assert crc16(changed[:-2]) == int.from_bytes(changed[-2:], "little")
        for seed in range(50):
            assert frame not in wires.damaged(Random(seed), tcp=False)(frame)


# -- a bench -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Played:
    """What came of a run with plans."""

    armed: list[Armed] = field(default_factory=list[Armed])
    states: list[str] = field(default_factory=list[str])
    """In order, each until another one came."""
    writes_ns: list[int] = field(default_factory=list[int])
    world: World | None = None

    def at_s(self, plan: int = 0) -> list[float]:
        """When a plan's fault became true."""
        return [round(each.t_ns / S, 3) for each in self.armed[plan].injected]


def benched(
    job: Job, clock: VirtualClock, rng: Random
) -> tuple[VirtualLoop, World, VirtualBench, dict[str, MemoryLink], Injector]:
    """The campaign's bench, the lines to it, and what breaks it."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    world = build_parts(job.bench, job.pack, start_ns=0, seed=1)
    bench = VirtualBench(job, world)
    lines = bench.lines(loop, clock)
    injector = Injector(world, loop, None, rng)
    injector.attach_lines(lines)
    return loop, world, bench, lines, injector


def ended_with(row: str, at_ns: int, **how: Any) -> RunOutcome:
    """How a run ends in which a row becomes true."""
    job, ended = campaign_job(), list[RunOutcome]()

    async def main(clock: VirtualClock) -> None:
        loop, _, bench, lines, injector = benched(job, clock, Random(1))
        loop.at_ns(at_ns, lambda: injector.inject(row, **how))
        run = BenchRun(
            clock, bench.devices(lines, clock), job.plan, job.limits, job.bench, job.pack, NoJournal(),
            lambda _snapshot, _state: None, Scripted((), clock),
        )  # fmt: skip
        ended.append(await run.run(1))

    run_virtual(main)
    return ended[0]


def test_a_board_whose_clock_is_slow_is_found_by_its_proof() -> None:
    outcome = ended_with("host.mcu_hang", 50 * MS)
    assert "without a heartbeat the board opened the contactor 0.8" in outcome.finish.reason


def test_a_bms_that_allows_no_current_any_more_stops_the_run() -> None:
    for at_s in (30, 130):
        trip = ended_with("power.overcurrent", at_s * S, slight=True, form=FORBIDS).trip
        assert trip is not None, at_s
        assert trip.fault_id == "power.overcurrent", at_s
        assert "at most 0.0 A" in trip.text_en


def play(*plans: Planned, seed: int = 1, look: Callable[[World, Injector], None] | None = None) -> Played:
    """The campaign's profile on its bench, without a record. `look`: at the end."""
    job, played = campaign_job(), Played()

    async def main(clock: VirtualClock) -> None:
        loop, world, bench, lines, injector = benched(job, clock, Random(f"faults {seed}"))
        played.armed = [Armed(plan, injector, Random(f"{seed} {number}")) for number, plan in enumerate(plans)]

        def on_tick(_t_ns: int) -> None:
            state = state_of(world)
            if played.states[-1:] != [state]:
                played.states.append(state)

        loop.on_tick = on_tick
        run = BenchRun(
            clock, bench.devices(lines, clock), job.plan, job.limits, job.bench, job.pack, NoJournal(),
            lambda _snapshot, _state: None, Scripted((), clock),
        )  # fmt: skip
        await run.run(1)
        for armed in played.armed:
            armed.over()
        if look is not None:
            look(world, injector)

    run_virtual(main)
    return played


def test_the_states_of_a_run() -> None:
    told = play().states
    # The proof test opens the contactor in between; a pulse and the rests beside it are no test yet.
    assert told[:4] == ["connecting", "precharge", "connecting", "precharge"]
    assert told[4:] == [
        "rest", "charge_cc", "charge_cv", "stopping", "rest", "discharge", "stopping", "rest", "stopping", "connecting",
    ]  # fmt: skip


def test_a_fault_at_a_time_and_for_a_time() -> None:
    def look(world: World, _injector: Injector) -> None:
        assert not world.plant.faults.balancing

    played = play(Planned("pack.balancing", At(20 * S), duration_ns=5 * S), look=look)
    assert played.at_s() == [20.0]
    assert "tripped" not in played.states


def test_a_fault_in_a_state_and_in_a_step() -> None:
    played = play(
        Planned("host.tick_wrap", At(10**15)),
        Planned("pack.balancing", InState("charge_cv", 10 * S), 1),
        Planned("pack.balancing", InState("discharge", 30 * S), 1),
        Planned("pack.balancing", InState("stopping", 10 * S), 1),
        Planned("pack.balancing", InStep(2, 3 * S), 1),
        Planned("pack.balancing", InStep(4), 1),
    )
    assert not played.at_s(0)
    states = [armed.injected[0].state for armed in played.armed[1:]]
    assert states == ["charge_cv", "discharge", "stopping", "charge_cc", "discharge"]
    (cv,), (down,), (stopping,), (second,), (fourth,) = (played.at_s(plan) for plan in range(1, 6))
    assert 24.0 < cv < 40.0
    assert down == pytest.approx(fourth + 30.0, abs=0.1)
    assert stopping == pytest.approx(147.68, abs=0.1), "the first stop was shorter: the next one, at once"
    assert second == pytest.approx(12.7 + 3.0, abs=0.1)


def test_a_fault_when_something_happens() -> None:
    played = play(*(Planned("pack.balancing", When(event), 1) for event in EVENTS))
    found = {event: played.armed[number].injected for number, event in enumerate(EVENTS)}
    assert not found.pop("tripped")
    states = {event: each.state for event, (each,) in found.items()}
    assert states == {
        "write": "connecting", "precharge": "precharge", "closed": "precharge", "cv": "charge_cv",
        "stopping": "stopping",
    }  # fmt: skip
    assert found["write"][0].t_ns < found["precharge"][0].t_ns < found["closed"][0].t_ns < 1 * S


def test_faults_by_chance_come_from_the_seed() -> None:
    plan = Planned("pack.balancing", Probability(360.0), duration_ns=10 * MS)
    times = [play(plan, seed=seed).at_s() for seed in (1, 1, 2)]
    assert times[0] == times[1] != times[2]
    assert all(6 <= len(each) <= 30 for each in times), "sixteen in 158 s, on average"


def test_a_pending_row_cannot_be_planned() -> None:
    for row in ("net.csrf", "power.unheard_of"):
        with pytest.raises(KeyError):
            Planned(row, At(0))


@pytest.mark.parametrize("row", [row.id for row in ROWS if row.id in FAULT_FLAGS or row.id in OF_THE_BENCH])
def test_a_fault_can_be_undone(row: str) -> None:
    """Made true once the run is over, where nothing reacts to it."""
    looked: list[str] = []

    def look(world: World, injector: Injector) -> None:
        plant = world.plant
        before = (world.board.inputs, plant.cycler.charge_passes, plant.cycler.discharge_passes)
        injector.inject(row)
        if row in FAULT_FLAGS and row not in OF_THE_BENCH and plant.faults != Faults():
            looked.append("plant")
        if any(
            link.to_device is not unchanged or link.from_device is not unchanged for link in injector.lines.values()
        ):
            looked.append("line")
        injector.repair(row)
        assert plant.faults == Faults()
        assert (world.board.inputs, plant.cycler.charge_passes, plant.cycler.discharge_passes) == before
        for link in injector.lines.values():
            assert (link.to_device, link.from_device) == (unchanged, unchanged)

    play(look=look)
    assert looked or row in ("net.malformed", "net.rogue_writer", "host.mcu_hang"), "it did nothing"


# -- simulate --fault --------------------------------------------------------------------------


def test_simulate_breaks_lines_and_board_too() -> None:
    job = campaign_job()
    for row, rule in (("host.mcu_hang", "power.board_tripped"), ("comms.noise", ""), ("net.rogue_writer", None)):
        options = Options(injections=(Injection(row, 30 * S),))
        outcome = run_unrecorded(job, options, NoJournal(), lambda _snapshot, _state: None, lambda _plant: None)
        trip = "" if outcome.trip is None else outcome.trip.fault_id
        assert trip == rule if rule is not None else trip in BY_ID[row].rules


def test_a_line_that_does_not_exist_cannot_be_broken(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "unheard-of", "--pack", "lfp-16s", "--fault", "comms.noise@30", "--json", "--level"]
    for level, problem in (("object", "'comms.noise'"), ("bytes", "unheard-of")):
        assert main([*words, level]) == 2
        (error, *_) = json.loads(capsys.readouterr().out)["errors"]
        assert problem in error["found"] + error["message"]


@pytest.mark.parametrize(("function", "command"), [(5, True), (3, False)])
def test_whether_a_command_lost_its_answer_is_known_when_its_controller_is_gone(function: int, command: bool) -> None:
    """Function 5 tells the cycler something, function 3 asks."""
    job, told = campaign_job(), list[bool]()

    async def main(clock: VirtualClock) -> None:
        loop, _, bench, lines, injector = benched(job, clock, Random(1))
        injected = injector.inject("comms.half_write", slight=False)
        cycler = lines["cycler"]
        assert cycler.on_written is not None
        cycler.on_written(clock.now_ns(), bytes([0, 1, 0, 0, 0, 6, 0, function, 1, 149, 0, 0]))
        # Whatever the fault touches: it is seen now.
        cycler.to_device(clock.now_ns(), bytes([0, 1, 0, 0, 0, 11, 0, 16, 1, 242, 0, 2, 4, 0, 0, 0, 0]))
        assert injected.shown_ns is not None
        injector.attach_lines(bench.lines(loop, clock), kept=True)
        told.append(injected.of_command())

    run_virtual(main)
    assert told == [command]
