"""What a campaign does between two lives, and what must keep a run from going on."""

from __future__ import annotations

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from packbench.core.records import Trip
from packbench.run import resuming
from packbench.run.actor import Actor
from packbench_sim.campaign.in_its_stop import ROW, STATE, WRITTEN_NS, InItsStop
from packbench_sim.campaign.person import LOWER_V, Person
from packbench_sim.campaign.profile import campaign_job
from packbench_sim.campaign.spec import TrialSpec
from packbench_sim.campaign.trial import run_trial
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.world import build_parts

SPEC = TrialSpec(8, 5.0, ("config.resume",))
"""One of whose lives dies while it is being stopped."""


def test_a_run_that_tripped_is_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    report = run_trial(SPEC)
    assert report.violations == []
    assert [each.found for each in report.injections if each.row == "config.resume"][:1] == ["it had tripped: refused"]
    monkeypatch.setattr(resuming, "TRIP", "nothing")
    found = [(each.of, each.text) for each in run_trial(SPEC).violations]
    assert ("config.resume", "a run that had tripped is gone on with") in found


def test_a_trip_that_is_written_after_the_stop_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    put, stopped = Actor.put_trip, Actor.put_stopped

    def late(self: Actor, trip: Trip, **data: Any) -> None:
        put(self, trip)
        stopped(self, trip, **data)

    monkeypatch.setattr(Actor, "put_trip", lambda _self, _trip: None)
    monkeypatch.setattr(Actor, "put_stopped", late)
    assert "a run that had tripped is gone on with" in [each.text for each in run_trial(SPEC).violations]


@pytest.mark.parametrize("after_ns", [WRITTEN_NS, WRITTEN_NS + 1])
def test_a_trip_has_the_time_of_two_commits(after_ns: int) -> None:
    async def main(clock: VirtualClock) -> None:
        killed: list[int] = []
        plant = SimpleNamespace(faults=SimpleNamespace(cells_missing=False))
        rng = SimpleNamespace(randrange=lambda _most: after_ns, uniform=lambda first, _last: first)
        loop: Any = asyncio.get_running_loop()
        of = InItsStop(loop, cast("Any", plant), cast("Any", rng), lambda: killed.append(clock.now_ns()))
        assert [(draw.row, draw.state) for draw in of.is_to_be()] == [(ROW, STATE)]
        of.on_command(0, False)
        plant.faults.cells_missing = True
        of.on_command(0, True)
        await clock.sleep_until(2 * after_ns)
        assert not killed, "an off of the profile, and a current"
        of.on_command(clock.now_ns(), False)
        of.on_command(clock.now_ns(), False)
        await clock.sleep_until(4 * after_ns)
        assert killed == [3 * after_ns]
        assert of.had_tripped() is (after_ns > WRITTEN_NS)
        assert not of.had_tripped(), "asked once"
        of.is_to_be()
        of.life_ended()
        of.on_command(clock.now_ns(), False)
        await clock.sleep_until(10 * after_ns)
        assert len(killed) == 1, "the next life is not told to die"

    run_virtual(main)


def test_another_pack_and_another_bms_take_the_place_of_those_of_before() -> None:
    async def main(clock: VirtualClock) -> None:
        job, serials = campaign_job(), list[str]()
        world = build_parts(job.bench, job.pack, start_ns=0, seed=1)
        bms = cast("Any", type("Bms", (), {"exchange": lambda _self, serial: serials.append(serial)})())
        changed: set[str] = set()
        for seed in range(20):
            person = Person(job, world, bms, clock, Random(seed), lambda *_: None)
            pack = world.plant.pack
            before_v, soc = pack.cell_voltages_v(0.0).copy(), float(pack.soc.mean())
            await person.lets_it_change()
            moved_v = before_v - pack.cell_voltages_v(0.0)
            if abs(moved_v - LOWER_V).max() < 0.01:
                changed.add("pack")
                assert float(pack.soc.mean()) == pytest.approx(soc, abs=1e-4), "the BMS would count on"
            person.sets_right()
            assert not pack.emf_offset_v.any()
        assert changed == {"pack"}
        assert serials
        assert "JK-SIM-0001" not in serials

    run_virtual(main)
