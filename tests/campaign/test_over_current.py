"""Too much current, as a campaign makes and judges it: the BMS may allow it, and no other rule may stand for it."""

from __future__ import annotations

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from tests.campaign.test_campaign_parts import S, life, watched_cycler

from packbench.app.virtual_bench import VirtualBench
from packbench_sim.campaign.conclusions import names_cause
from packbench_sim.campaign.judged import judged
from packbench_sim.campaign.person import Person
from packbench_sim.campaign.profile import campaign_job
from packbench_sim.campaign.watch import Watch
from packbench_sim.devices.jk_pb import JkPbDevice
from packbench_sim.faults.catalogue import BY_ID
from packbench_sim.faults.injector import Injected
from packbench_sim.loop import VirtualClock, VirtualLoop, run_virtual
from packbench_sim.world import build_parts

ROW = BY_ID["power.overcurrent"]
UNSEEN = Injected(ROW.id, 9 * S, "charge_cc", lambda: None)
"""Within what the board lets pass: no part but the host can tell."""


@pytest.mark.parametrize(("wide", "factor"), [(False, 1.0), (True, 2.0)])
def test_a_bms_may_allow_more_than_the_packs_maker(wide: bool, factor: float) -> None:
    async def main(clock: VirtualClock) -> None:
        job, loop = campaign_job(), asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = build_parts(job.bench, job.pack, start_ns=0, seed=1)
        bench = VirtualBench(job, world)
        bms = bench.played["bms"]
        assert isinstance(bms, JkPbDevice)
        Person(job, world, bms, clock, Random(1), lambda *_: None).sets_the_bms(wide=wide)
        host = bench.devices(bench.lines(loop, clock), clock).bms
        await host.identify()
        sample = await host.read()
        limits = job.pack.limits
        assert limits.charge_current_max_a is not None
        assert sample.charge_limit_a == factor * limits.charge_current_max_a
        assert limits.discharge_current_max_a is not None
        assert sample.discharge_limit_a == factor * limits.discharge_current_max_a

    run_virtual(main)


def test_too_much_current_is_stopped_as_such_unless_another_limit_was_passed_before() -> None:
    watch = Watch(offs=[11 * S])
    voltage, current = life(watch, trip="power.load_dump"), life(watch, trip=ROW.id)
    assert judged(ROW, UNSEEN, voltage, 0).held, "no reading showed the current"
    watch.beyond = [10 * S]
    found = judged(ROW, UNSEEN, voltage, 0)
    assert not found.held, "a category 1 for a category 0"
    assert found.found == "too much current was stopped as power.load_dump"
    assert judged(ROW, UNSEEN, current, 0).held
    watch.beyond = [8 * S, 12 * S]
    assert judged(ROW, UNSEEN, voltage, 0).held, "another life's, and after the command"


def test_a_reading_that_was_given_shows_too_much_current() -> None:
    watch, cycler = watched_cycler()
    for t_s, current_a, given in ((1, 104.9, True), (2, 105.1, True), (3, -106.0, True), (4, 120.0, False)):
        cycler.on_meters(t_s * S, 50.0, current_a, given)
    assert watch.beyond == [2 * S, 3 * S]
    assert watch.read_beyond(2 * S, 2 * S)
    assert not watch.read_beyond(3 * S + 1, 9 * S)


def test_the_board_says_by_itself_that_its_contact_has_dropped() -> None:
    def ended(text: str) -> Any:
        return SimpleNamespace(outcome=SimpleNamespace(trip=SimpleNamespace(text_en=text)))

    def names(text: str) -> bool:
        return names_cause(ended(text), "power.opened_hot", "")

    assert names("The board tripped (contactor dropped).")
    assert not names("The board tripped (host).")
