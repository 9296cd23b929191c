"""What the profile asks for, and what a person does, as a campaign judges them: each has seen a wrong answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import pytest
from tests.unit.store_samples import make_meta, make_row

from packbench.core.errors import DeviceRefused
from packbench.core.records import Gap
from packbench.store import Durability, RunStore
from packbench.store.codec import gap_event
from packbench_sim.campaign import asked, conclusions, operator
from packbench_sim.campaign.asked import Asked
from packbench_sim.campaign.draw import Draw
from packbench_sim.campaign.person import Person
from packbench_sim.campaign.profile import (
    LOW_CELL_LIMIT_V,
    PLAIN,
    PROTECT_C,
    Variant,
    campaign_job,
    campaign_texts,
    variant_of,
)
from packbench_sim.campaign.spec import TrialSpec
from packbench_sim.campaign.trial import run_trial
from packbench_sim.invariants.lines import Delivered, Given

S = 1_000_000_000


def cells(t_s: float, highest_v: float) -> Delivered:
    values = np.array([3.3, highest_v])
    return Delivered(round(t_s * S), 0, Given("bms", round(t_s * S), (values,)))


def begun(variant: Variant = PLAIN) -> Asked:
    following = Asked(variant)
    following.run_begins()
    following.life_begins()
    return following


def charges(following: Asked, t_s: float, current_a: float) -> None:
    following.on_command(round(t_s * S), current_a > 0.0, current_a, 0.0)


def test_a_cell_at_its_limit_steps_the_charge_down() -> None:
    sound, stuck = begun(Variant(tapers=True)), begun(Variant(tapers=True))
    for following in (sound, stuck):
        charges(following, 0.0, 50.0)
        for t_s in range(1, 12):
            if following is sound and t_s == 5:
                charges(following, t_s, 35.0)
            following.on_delivered(cells(t_s, LOW_CELL_LIMIT_V + 0.01))
    assert sound.found == []
    assert len(stuck.found) == 1
    assert "50.0 A go on" in stuck.found[0]


def test_what_a_cell_has_taken_away_stays_away_over_a_death() -> None:
    for died_s, found in ((20.0, 1), (6.0, 0)):
        following = begun(Variant(tapers=True))
        charges(following, 0.0, 50.0)
        charges(following, 5.0, 35.0)
        following.life_ended(round(died_s * S))
        following.life_begins()
        charges(following, 40.0, 50.0)
        assert len(following.found) == found, "what was done just before a death may not be on record"


def test_a_step_lasts_as_long_as_it_is_told_over_all_lives() -> None:
    for again_s, long in ((24.0, False), (60.0, True)):
        following = begun()
        charges(following, 0.0, 50.0)
        following.life_ended(40 * S)
        following.life_begins()
        charges(following, 100.0, 50.0)
        charges(following, 100.0 + again_s, 0.0)
        assert bool(following.lasted(whole=False)) is long


def test_a_run_that_ended_well_has_discharged_to_the_end() -> None:
    for lasted_s, short in ((60.0, False), (30.0, True)):
        following = begun()
        following.on_command(0, True, 0.0, 50.0)
        following.on_command(round(lasted_s * S), False, 0.0, 0.0)
        assert bool(following.lasted(whole=True)) is short
        assert following.lasted(whole=False) == []


def test_rows_that_come_too_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = TrialSpec(5, 2.0, ("host.clock_jump",), only=((Draw("host.clock_jump", "rest", 1.0),),), spoken_to=False)
    assert run_trial(spec).violations == []
    monkeypatch.setattr(asked, "ROW_S", 0.2)
    (found,) = run_trial(spec).violations
    assert (found.of, "0.50 s apart" in found.text) == ("profile", True)


def test_a_chamber_that_is_told_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = TrialSpec(5, 2.0, ("host.clock_jump",), only=((Draw("host.clock_jump", "rest", 1.0),),), spoken_to=False)
    monkeypatch.setattr(conclusions, "CHAMBER_C", 15.0)
    (found,) = run_trial(spec).violations
    assert (found.of, "was told 25 degC, 15 asked" in found.text) == ("profile", True)


@pytest.mark.parametrize(("gap_s", "told"), [((5.0, 64.0), False), ((63.9, 64.0), True), (None, True)])
def test_a_hole_in_a_record_that_it_does_not_own_up_to(
    tmp_path: Path, gap_s: tuple[float, float] | None, told: bool
) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta(), Durability.PROCESS_SAFE)
    times_s = [0.5 * number for number in range(1, 10)] + [64.0 + 0.5 * number for number in range(1, 10)]
    store.append_rows([replace(make_row(seq), t_ns=round(t_s * S)) for seq, t_s in enumerate(times_s, start=1)])
    if gap_s is not None:
        store.append_events([gap_event(Gap(round(gap_s[0] * S), round(gap_s[1] * S), "the controller was gone", 0.1))])
    store.commit()
    store.close()
    found = asked.sparse(tmp_path)
    assert ("no row for 60.0 s" in found) is told, found


def test_a_board_that_is_reset_without_its_key_is_told() -> None:
    told: list[str] = []
    none = cast("Any", None)
    person = Person(none, none, none, none, Random(1), lambda _of, text: told.append(text))

    async def taken(_who: str) -> None:
        return None

    async def refused(_who: str) -> None:
        raise DeviceRefused("the key is off")

    assert asyncio.run(person._refused(refused))
    assert not told
    assert not asyncio.run(person._refused(taken))
    assert "nobody had turned its key" in told[0]


def test_benches_differ_from_seed_to_seed() -> None:
    drawn = {variant_of(seed) for seed in range(1, 40)}
    assert len(drawn) >= 6
    whole = Variant(tapers=True, protects=True, slow=True)
    job = campaign_job(campaign_texts(whole))
    timed = [step for step in job.plan.steps if step.label in ("settle", "up", "between", "down", "relax")]
    assert [step.protect.temperature_max_c for step in timed] == [PROTECT_C] * 5
    bench, pack = whole.world(job.bench, job.pack)
    assert bench.cycler.settings["slew_a_s"] and pack.limits.temperature_max_c == PROTECT_C
    assert PLAIN.world(job.bench, job.pack) == (job.bench, job.pack)


def test_no_current_flows_from_one_step_to_the_next_while_the_disk_is_waited_for() -> None:
    for off_s, told in ((20.1, False), (23.0, True)):
        following = begun()
        following.on_command(0, True, 0.0, 50.0)
        following.on_event(20 * S, "step_began")
        following.on_command(round(off_s * S), False, 0.0, 0.0)
        assert bool(following.found) is told


def test_an_operator_is_heard_and_nothing_is_commanded_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "SAID", 1.0)
    monkeypatch.setattr(operator, "ABORTS", 0.0)
    spec = TrialSpec(5, 6.0, ("host.clock_jump",), only=((Draw("host.clock_jump", "rest", 1.0),),) * 2)
    assert run_trial(spec).violations == []
    monkeypatch.setattr(Asked, "told_a", property(lambda _asked: 3.0))
    found = [each.text for each in run_trial(spec).violations if each.of == "profile"]
    assert found
    assert "the run is paused, and 3.0 A are commanded" in found[0]


def test_a_deviation_that_passes_over_the_end_of_a_round_is_borne() -> None:
    """A new command begins no new time for it: 1.2 s from its first reading on it is over, and the delay is 2 s."""
    borne = 0
    for seed in (seed for seed in range(1, 30) if variant_of(seed).rounds and not variant_of(seed).tapers):
        draws = (Draw("power.setpoint", "discharge", 19.0, slight=True),)
        report = run_trial(TrialSpec(seed, 3.0, ("power.setpoint",), only=(draws,), spoken_to=False))
        assert report.violations == [], seed
        borne += any(each.row == "power.setpoint" and each.found == "borne" for each in report.injections)
        if borne == 2:
            break
    assert borne == 2
