"""A poller's rhythm, also while its period is changed: nothing is asked late, twice, or ever more often."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from packbench.clock import Clock, MonotonicClock
from packbench.core.errors import ReplyTimeout
from packbench.run.poller import Poller
from packbench_sim.loop import VirtualClock, VirtualLoop, run_virtual

MS = 1_000_000
S = 1_000 * MS


@dataclass
class Source:
    """What is asked: notes when, and takes its time."""

    clock: Clock
    takes_ns: int = 0
    asked_ns: list[int] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    on_heard: Callable[[int], None] = lambda _number: None
    failing: frozenset[int] = frozenset()

    async def read(self) -> int:
        self.asked_ns.append(self.clock.now_ns())
        number = len(self.asked_ns)
        if self.takes_ns:
            await self.clock.sleep_until(self.clock.now_ns() + self.takes_ns)
        if number in self.failing:
            raise ReplyTimeout("nothing")
        return number

    def take(self, number: int) -> None:
        self.heard.append(number)
        self.on_heard(number)

    @property
    def asked_ms(self) -> list[float]:
        return [t_ns / MS for t_ns in self.asked_ns]


Meddle = Callable[[Poller[int], Source, VirtualClock], Awaitable[None]]


def polled(meddle: Meddle, *, period_ms: int = 1000, takes_ms: int = 0, until_ms: int = 4900) -> Source:
    """What a source was asked in virtual time, first at 0; `meddle` runs beside it."""

    async def main(clock: VirtualClock) -> Source:
        source = Source(clock, takes_ms * MS)
        poller = Poller(clock, period_ms * MS, source.read, source.take, lambda _error: None)
        task = asyncio.create_task(poller.run(0))
        await asyncio.gather(meddle(poller, source, clock), clock.sleep_until(until_ms * MS))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert poller.polls == len(source.heard)
        assert poller.polls + poller.failures in (len(source.asked_ns), len(source.asked_ns) - 1)
        return source

    return run_virtual(main)


async def nothing(_poller: Poller[int], _source: Source, _clock: VirtualClock) -> None: ...


def at(t_ms: float, period_ms: int) -> Meddle:
    async def meddle(poller: Poller[int], _source: Source, clock: VirtualClock) -> None:
        await clock.sleep_until(round(t_ms * MS))
        poller.set_period(period_ms * MS)

    return meddle


def test_time_spent_asking_does_not_add_up() -> None:
    assert polled(nothing, takes_ms=300).asked_ms == [0, 1000, 2000, 3000, 4000]


def test_a_poll_that_takes_too_long_skips_instants_and_does_not_bunch_up() -> None:
    assert polled(nothing, takes_ms=1700).asked_ms == [0, 2000, 4000]


def test_a_failure_is_no_end() -> None:
    async def fail(_poller: Poller[int], source: Source, _clock: VirtualClock) -> None:
        source.failing = frozenset({2, 3})

    source = polled(fail)
    assert source.asked_ms == [0, 1000, 2000, 3000, 4000]
    assert source.heard == [1, 4, 5]


def test_a_shorter_period_ends_a_sleep_in_progress() -> None:
    source = polled(at(1250, 100), until_ms=1650)
    assert source.asked_ms == [0, 1000, 1300, 1400, 1500, 1600], "on the grid of the poll before"


@pytest.mark.parametrize("t_ms", [1000.001, 1050, 1100, 1999, 1999.999])
def test_a_shorter_period_never_asks_sooner_than_itself_nor_later_than_before(t_ms: float) -> None:
    source = polled(at(t_ms, 100), until_ms=2350)
    after = [asked for asked in source.asked_ms if asked > 1000]
    assert t_ms <= after[0] <= t_ms + 100
    assert after[0] - 1000 >= 100
    assert after[0] <= 2000
    assert {round(b - a, 6) for a, b in pairwise(after)} == {100}


def test_a_longer_period_counts_from_the_next_poll() -> None:
    assert polled(at(1250, 1500)).asked_ms == [0, 1000, 2000, 3500]


def test_shorter_and_longer_again_before_anything_was_asked() -> None:
    async def meddle(poller: Poller[int], _source: Source, clock: VirtualClock) -> None:
        await clock.sleep_until(1250 * MS)
        for period_ms in (100, 1000, 200, 1000):
            poller.set_period(period_ms * MS)

    assert polled(meddle).asked_ms == [0, 1000, 1300, 2300, 3300, 4300]


def test_a_period_that_is_changed_while_the_source_is_asked() -> None:
    assert polled(at(1050, 200), takes_ms=100, until_ms=1700).asked_ms == [0, 1000, 1200, 1400, 1600]
    assert polled(at(1050, 100), takes_ms=130, until_ms=1700).asked_ms == [0, 1000, 1200, 1400, 1600]


def test_a_period_that_is_changed_by_what_was_heard() -> None:
    async def meddle(poller: Poller[int], source: Source, _clock: VirtualClock) -> None:
        source.on_heard = lambda number: poller.set_period((100 if number in (2, 3) else 1000) * MS)

    assert polled(meddle).asked_ms == [0, 1000, 1100, 1200, 2200, 3200, 4200]


def test_before_the_first_poll_there_is_nothing_to_hasten() -> None:
    async def main(clock: VirtualClock) -> list[float]:
        source = Source(clock)
        poller = Poller(clock, S, source.read, source.take, lambda _error: None)
        poller.set_period(500 * MS)
        task = asyncio.create_task(poller.run(2 * S))
        await clock.sleep_until(S)
        poller.set_period(100 * MS)
        await clock.sleep_until(2250 * MS)
        task.cancel()
        return source.asked_ms

    assert run_virtual(main) == [2000, 2100, 2200]


def test_the_very_instant_at_which_it_is_due() -> None:
    """Whichever comes first in the turn, the change or the timer: it is asked once, and then at the new period."""
    before = at(2000, 100)

    async def after(poller: Poller[int], _source: Source, clock: VirtualClock) -> None:
        await clock.sleep_until(1999 * MS)
        # This timer is younger than the poller's own: it goes off after it, in the same turn.
        await clock.sleep_until(2000 * MS)
        poller.set_period(100 * MS)

    for meddle in (before, after):
        assert polled(meddle, until_ms=2250).asked_ms == [0, 1000, 2000, 2100, 2200]


@pytest.mark.parametrize("seed", range(20))
def test_whenever_it_is_changed_polls_keep_their_distance_and_timers_do_not_pile_up(seed: int) -> None:
    dice = random.Random(seed)
    most = [0]

    async def meddle(poller: Poller[int], _source: Source, clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        while clock.now_ns() < 60 * S:
            await clock.sleep_until(clock.now_ns() + dice.randrange(1, 700) * MS)
            poller.set_period(dice.choice((100, 250, 1000)) * MS)
            most[0] = max(most[0], len(loop._timers))

    source = polled(meddle, takes_ms=dice.choice((0, 40, 130)), until_ms=60_000)
    gaps = [b - a for a, b in pairwise(source.asked_ms)]
    assert min(gaps) >= 100
    assert max(gaps) <= 1000
    # Its own, this test's two, and one of each sleep that was cut short within the last second.
    assert most[0] < 20


def test_a_poller_that_was_ended_in_its_sleep_stays_ended() -> None:
    async def main(clock: VirtualClock) -> None:
        source = Source(clock)
        poller = Poller(clock, S, source.read, source.take, lambda _error: None)
        task = asyncio.create_task(poller.run(0))
        await clock.sleep_until(S // 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        poller.set_period(100 * MS)
        await clock.sleep_until(5 * S)
        assert len(source.asked_ns) == 1

    run_virtual(main)


async def test_on_real_time_too_a_long_sleep_is_cut_short() -> None:
    clock = MonotonicClock()
    source, first, enough = Source(clock), asyncio.Event(), asyncio.Event()
    source.on_heard = lambda number: enough.set() if number >= 4 else first.set()
    poller = Poller(clock, 3600 * S, source.read, source.take, lambda _error: None)
    task = asyncio.create_task(poller.run(clock.now_ns()))
    async with asyncio.timeout(30):
        await first.wait()
        poller.set_period(20 * MS)
        await enough.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gaps_ns = [b - a for a, b in pairwise(source.asked_ns)]
    # Late wakings are the machine's; the grid stays, so that one that was late comes before a shorter gap.
    assert sum(gaps_ns) >= 3 * 20 * MS - 20 * MS
