"""The campaign's parts: the draw, the sums, the file that it goes on from, shrinking, judging."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from tests.scenario.support import ask
from tests.unit.test_store import write_run

from packbench.core.errors import InputError
from packbench.store import RunReader
from packbench_sim.campaign import runner, shrink
from packbench_sim.campaign.conclusions import excused
from packbench_sim.campaign.corrupting import missed
from packbench_sim.campaign.draw import Draw, drawn, near_miss, pairs_of
from packbench_sim.campaign.judged import Life, judged
from packbench_sim.campaign.profile import campaign_job
from packbench_sim.campaign.report import Injection, TrialReport, Violation, report_from
from packbench_sim.campaign.spec import TrialSpec
from packbench_sim.campaign.tally import Tally
from packbench_sim.campaign.trial import run_trial
from packbench_sim.campaign.watch import Watch
from packbench_sim.faults.active import PASSING
from packbench_sim.faults.catalogue import BY_ID, FORM_BUDGETS_NS, INJECTABLE
from packbench_sim.faults.injector import Injected
from packbench_sim.faults.seen import Sights
from packbench_sim.invariants.twice import Told, same_control

S = 1_000_000_000


def as_data(report: TrialReport) -> dict[str, object]:
    return {**report.as_dict(), "wall_s": 0.0}


def test_a_trial_depends_on_its_seed_alone() -> None:
    spec = TrialSpec(5, 4.0, INJECTABLE)
    first, second = run_trial(spec), run_trial(spec)
    assert as_data(first) == as_data(second)
    assert as_data(run_trial(replace(spec, seed=6))) != as_data(first)
    assert not first.violations


def test_a_wall_clock_that_jumps_changes_no_command() -> None:
    """I10: the same trial with and without the jump tells cycler and board the same, at the same instants."""
    told: list[list[Told]] = []
    for draws in ((), (Draw("host.clock_jump", "charge_cc", 2.0),), (Draw("pack.balancing", "charge_cc", 2.0),)):
        told.append([])
        report = run_trial(TrialSpec(3, 4.0, INJECTABLE, only=(draws, ())), told[-1])
        assert len(report.injections) == 1 + len(draws), "and the tick that wraps"
        assert not report.violations
    assert same_control(told[0], told[1]) is None
    assert len(told[0]) > 30
    del told[1][20]
    assert same_control(told[0], told[1]) is not None


def test_every_row_comes_up_in_every_state_in_which_it_can_occur() -> None:
    lives = Counter((draw.row, draw.state) for seed in range(300) for draws in drawn(seed, INJECTABLE, pairs=False)[:5]
                    for draw in draws)  # fmt: skip
    assert set(lives) == set(pairs_of(INJECTABLE))
    assert all(len(draws) == 2 for draws in drawn(1, INJECTABLE, pairs=True))


def test_a_near_miss_comes_before_a_lifes_fault_and_is_told_by_no_rule_of_it() -> None:
    lives = [(life, draws) for life, draws in enumerate(drawn(1, INJECTABLE, pairs=False) * 8, start=1)]
    near = [(draws, found) for life, draws in lives if (found := near_miss(1, life, draws)) is not None]
    assert len(near) > len(lives) / 4
    for draws, found in near:
        assert (found.row, found.state, found.form) == ("power.setpoint", "charge_cc", PASSING)
        assert all(draw.state not in ("connecting", "precharge", "charge_cc") for draw in draws)
        assert all("power.setpoint" not in (draw.row, *BY_ID[draw.row].rules) for draw in draws)
    assert near_miss(1, 1, ()) is None


def made_up(seed: int, *, held: bool = True) -> TrialReport:
    report = TrialReport(seed, simulated_s=600.0, wall_s=2.0, lives=3, resumed=1, ended={"pass": 2}, trips={"x": 1})
    report.injections.append(Injection("comms.noise", "rest", 1, 5.0, 5.1, 0.2 * seed, held, "borne"))
    if not held:
        report.violations.append(Violation("I2", 7.0, "too late", seed, "again", ("comms.noise",)))
    return report


def test_the_sums() -> None:
    tally = Tally({"comms.noise": 1.0})
    tally.add_all([made_up(1), made_up(2, held=False), made_up(3)])
    data = tally.as_dict()
    assert data["injections"] == {"comms.noise": {"rest": 3}}
    assert data["held"] == {"comms.noise": 2}
    assert data["latencies"]["comms.noise"] == {
        "count": 3, "p99_s": pytest.approx(0.6), "worst_s": pytest.approx(0.6), "budget_s": 1.0,
    }  # fmt: skip
    assert data["simulated_hours"] == 0.5
    assert data["simulated_years_per_cpu_hour"] == pytest.approx(0.5 / 8766 / (6.0 / 3600))
    assert [each["of"] for each in data["violations"]] == ["I2"]


def test_a_form_with_a_budget_of_its_own_is_summed_apart() -> None:
    (name, budget_ns), *_ = FORM_BUDGETS_NS.items()
    row, _, form = name.partition("/")
    found = Injected(row, 9 * S, "discharge", lambda: 10 * S, form)
    tally, report, watch = Tally({row: 0.02, name: budget_ns / S}), TrialReport(1), stopped(10.4, 10.5)
    report.injections.append(judged(BY_ID[row], found, life(watch, trip=row), 0))
    report.injections.append(judged(BY_ID[row], replace(found, form=""), life(stopped(10.01, 10.1), trip=row), 0))
    tally.add(report)
    assert [each.held for each in report.injections] == [True, True]
    latencies = tally.as_dict()["latencies"]
    assert {of: each["worst_s"] for of, each in latencies.items()} == pytest.approx({row: 0.01, name: 0.4})
    late = replace(found, shown=lambda: 10 * S - budget_ns)
    assert not judged(BY_ID[row], late, life(watch, trip=row), 0).held


def test_a_report_survives_its_file() -> None:
    report = made_up(4, held=False)
    assert report_from(json.loads(json.dumps(report.as_dict()))) == report


def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    def run(spec: TrialSpec) -> TrialReport:
        ran.append(spec.seed)
        return made_up(spec.seed)

    monkeypatch.setattr(runner, "run_trial", run)
    specs = [TrialSpec(seed, 1.0, INJECTABLE) for seed in (1, 2, 3)]
    kept, told = tmp_path / "kept.jsonl", list[int]()
    runner.run_campaign(specs[:2], 1, kept, lambda report: told.append(report.seed))
    whole = kept.read_text(encoding="utf-8")
    kept.write_text(whole + '{"seed": 3, "simul', encoding="utf-8")  # cut short by a power cut
    runner.run_campaign(specs, 1, kept, lambda report: told.append(report.seed))
    assert (ran, told) == ([1, 2, 3], [1, 2, 1, 2, 3])
    assert [json.loads(line).get("seed") for line in kept.read_text(encoding="utf-8").splitlines()] == [None, 1, 2, 3]
    with pytest.raises(InputError, match="another campaign"):
        runner.run_campaign([TrialSpec(1, 2.0, INJECTABLE)], 1, kept, lambda _: None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("profile: short\n", 1),
        ("", 1),
        ('{"campaign": "WORDS"}\n[1]\n', 2),
        ('{"campaign": "WORDS"}\n{"seed": 1}\n', 2),
    ],
)
def test_a_file_that_is_no_campaigns_is_told_so(tmp_path: Path, text: str, line: int) -> None:
    spec, kept = TrialSpec(1, 1.0, INJECTABLE), tmp_path / "kept.jsonl"
    kept.write_text(text.replace('"WORDS"', json.dumps(spec.words())), encoding="utf-8")
    with pytest.raises(InputError, match="a campaign's report") as told:
        runner.run_campaign([spec], 1, kept, lambda _: None)
    assert told.value.problems[0].line == line
    assert kept.read_text(encoding="utf-8") == text.replace('"WORDS"', json.dumps(spec.words()))


def test_bad_words_are_told_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, found, expected in (
        (("--seeds", "x"), "'x'", "a whole number from 1"),
        (("--first-seed", "-1"), "'-1'", "a whole number from 0"),
        (("--minutes", "long"), "'long'", "minutes from 0.1 to 600"),
        (("--out", str(tmp_path)), "Is a directory", "a campaign's report"),
    ):
        answer = ask(capsys, "campaign", *words)
        assert answer.code == 2
        assert f"found {found}, expected {expected}" in answer.data["errors"][0]["message"]


def test_a_violation_is_shrunk_to_the_faults_that_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    guilty = {"comms.noise", "host.clock_jump"}
    lives = tuple((Draw(row, "rest", 1.0),) for row in ("comms.noise", "pack.hvil", "host.clock_jump", "sensor.scale"))

    def run(spec: TrialSpec) -> TrialReport:
        report = TrialReport(spec.seed, lives=4)
        there = {draw.row for draws in spec.only or () for draw in draws}
        if guilty <= there:
            report.violations.append(Violation("I1", 1.0, "found", spec.seed, "again"))
        return report

    monkeypatch.setattr(shrink, "run_trial", run)
    spec = TrialSpec(1, 1.0, INJECTABLE, only=lives)
    (found,) = shrink.shrunk([Violation("I1", 1.0, "found", 1, "again")], {1: spec})
    assert found.faults == ("comms.noise", "host.clock_jump")


def life(watch: Watch, *, verdict: str = "aborted", trip: str = "", marked: bool = False) -> Life:
    return Life(1, 0, 100 * S, verdict, trip, marked, watch)


def seen(row: str, state: str = "discharge", shown_ns: int = 10 * S) -> Injected:
    return Injected(row, 9 * S, state, lambda: shown_ns)


def on_line(row: str, *, of_command: bool) -> Injected:
    return Injected(row, 9 * S, "discharge", lambda: 10 * S, of_command=lambda: of_command)


def stopped(off_s: float, open_s: float) -> Watch:
    watch = Watch()
    watch.coil = [(1 * S, True), (round(open_s * S), False)]
    watch.ons, watch.offs = [2 * S], [round(off_s * S)]
    watch.quiet = [(3 * S, False), (round(off_s * S), True)]
    return watch


def test_a_stop_within_its_budget_is_held_and_a_late_one_is_not() -> None:
    row = BY_ID["comms.cycler_lost"]
    assert row.budget_ns == 2 * S
    assert judged(row, seen(row.id), life(stopped(11.9, 12.1)), 0).held
    late = judged(row, seen(row.id), life(stopped(12.1, 12.2)), 0)
    assert (late.held, late.latency_s) == (False, pytest.approx(2.1))
    assert not judged(row, seen(row.id), life(stopped(10.5, 12.6)), 0).held, "the contactor lags"


def test_a_contactor_that_closes_again_is_not_held() -> None:
    row, watch = BY_ID["comms.cycler_lost"], stopped(11.0, 11.1)
    watch.coil.append((20 * S, True))
    assert not judged(row, seen(row.id), life(watch), 0).held


def test_a_refusal_is_one_only_where_no_current_flowed() -> None:
    row, watch = BY_ID["sensor.sign"], Watch()
    assert judged(row, seen(row.id, "connecting"), life(watch, verdict="refused"), 0).held
    watch.quiet = [(20 * S, False)]
    assert not judged(row, seen(row.id, "connecting"), life(watch, verdict="refused"), 0).held
    assert not judged(row, seen(row.id, "connecting"), life(Watch(), verdict="pass"), 0).held


def test_a_board_with_a_slow_clock_is_refused_before_a_current_flows() -> None:
    row, watch = BY_ID["host.mcu_hang"], Watch()
    watch.coil = [(10 * S, True), (12 * S, False)]
    assert judged(row, seen(row.id, "connecting"), life(watch, verdict="aborted"), 0).held
    watch.quiet = [(20 * S, False)]
    assert not judged(row, seen(row.id, "connecting"), life(watch, verdict="aborted"), 0).held
    assert not judged(row, seen(row.id, "connecting"), life(Watch(), verdict="pass"), 0).held


def test_what_is_to_be_borne_must_not_trip_and_what_is_to_be_marked_must_be() -> None:
    noise, weld = BY_ID["comms.noise"], BY_ID["power.weld"]
    assert judged(noise, seen(noise.id), life(Watch(), verdict="pass"), 0).held
    assert not judged(noise, seen(noise.id), life(Watch(), trip="comms.noise"), 0).held
    assert judged(weld, seen(weld.id), life(Watch(), verdict="pass", marked=True), 0).held
    assert not judged(weld, seen(weld.id), life(Watch(), verdict="pass"), 0).held


@pytest.mark.parametrize("row_id", ["comms.noise", "comms.wrong_unit", "comms.late_reply"])
def test_a_command_whose_answer_is_none_may_end_the_run_and_a_reading_may_not(row_id: str) -> None:
    row, lost = BY_ID[row_id], life(Watch(), trip="comms.link_lost")
    assert judged(row, on_line(row_id, of_command=True), lost, 0).held
    assert not judged(row, on_line(row_id, of_command=False), lost, 0).held
    assert not judged(row, on_line(row_id, of_command=True), life(Watch(), trip="power.weld"), 0).held


def test_a_budget_of_current_that_flows_ends_with_the_step() -> None:
    """The profile's own "off" is no reaction: the stop that follows in the rest is told apart from a late contactor."""
    row, watch = BY_ID["sensor.frozen"], stopped(57.0, 60.5)
    assert row.budget_ns == 48 * S
    late = judged(row, seen(row.id), life(watch, trip="sensor.scale"), 0)
    assert not late.held, 'one "off", and the contactor 3.5 s later'
    watch.offs.append(round(60.4 * S))
    over = judged(row, seen(row.id), life(watch, trip="sensor.scale"), 0)
    assert (over.held, over.latency_s) == (True, None)
    assert not judged(row, seen(row.id), life(watch, trip="pack.hvil"), 0).held, "another reason"
    watch.offs[0] = 59 * S
    assert not judged(row, seen(row.id), life(watch, trip="sensor.scale"), 0).held, "beyond the budget"


def test_what_is_over_before_its_delay_must_not_trip() -> None:
    row = BY_ID["power.setpoint"]
    passing = Injected(row.id, 9 * S, "discharge", lambda: 10 * S, PASSING)
    assert judged(row, passing, life(Watch(), verdict="pass"), 0).held
    assert not judged(row, passing, life(stopped(11.5, 11.6), trip="power.setpoint"), 0).held


def test_a_frozen_bms_has_the_time_in_which_enough_charge_flows() -> None:
    row, watch = BY_ID["sensor.frozen"], stopped(65.0, 65.1)
    of = life(watch, trip="sensor.frozen")
    assert not judged(row, seen(row.id), of, 0).held, "after 55 s of 48 s"
    slowly, quickly = (replace(of, moved_by_ns=lambda _from_ns, _ah, at=at: at * S) for at in (63, 61))
    assert judged(row, seen(row.id), slowly, 0).held
    assert not judged(row, seen(row.id), quickly, 0).held
    nearly = replace(of, moved_by_ns=lambda _from_ns, ah: 63 * S if ah < 0.5 else None)
    assert judged(row, seen(row.id), nearly, 0).held, "what the bench had counted, the plant had not"


def watched_cycler() -> tuple[Watch, Any]:
    """A watch on a cycler that is told and read by hand; its cable has 3 mOhm, its pack's limits are 100 A."""
    watch, loop = Watch(), SimpleNamespace(on_tick=None)
    cycler = SimpleNamespace(
        on_command=None, on_meters=None, enabled=True, current_a=0.0, set_voltage_v=53.85, set_source_a=50.0
    )
    bench = SimpleNamespace(cable_resistance_ohm=0.003, sense_point="cycler")
    plant = SimpleNamespace(
        contactor=SimpleNamespace(on_coil=None), cycler=cycler, bench=bench, spec=campaign_job().pack
    )
    watch.attach(SimpleNamespace(plant=plant), loop)  # pyright: ignore[reportArgumentType]
    return watch, cycler


def test_a_cycler_without_its_enable_is_not_switched_on_by_what_it_is_told() -> None:
    watch, cycler = watched_cycler()
    cycler.on_command(1 * S, True, 50.0, 10.0, 0.0)
    cycler.enabled = False
    cycler.on_command(2 * S, False, 0.0, 0.0, 0.0)
    cycler.on_command(3 * S, True, 50.0, 5.0, 0.0)
    assert (watch.ons, watch.offs) == ([1 * S], [2 * S])
    assert watch.off_for_good_ns(0, 4 * S) == 2 * S


def test_less_current_than_was_told_is_excused_by_a_voltage_at_its_clamp_alone() -> None:
    watch, cycler = watched_cycler()
    for t_s, pack_v in ((1, 53.42), (2, 53.44), (3, 53.40)):
        cycler.on_meters(t_s * S, pack_v + 0.003 * 40.0, 40.0, True)
    assert watch.at_clamp == [2 * S], "53.7 V less 0.5 %"
    cycler.set_source_a = 0.0
    cycler.on_meters(4 * S, 53.7, 0.0, True)
    assert not watch.stood_at_clamp(2 * S + 1, 9 * S), "no charge"
    assert watch.stood_at_clamp(S, 2 * S)


def test_a_scale_that_is_told_a_little_late_is_excused_by_a_step_alone() -> None:
    row, watch = BY_ID["sensor.scale"], stopped(11.05, 11.2)
    late = judged(row, seen(row.id), life(watch, trip=row.id), 0)
    assert not late.held
    assert not excused(row, late, watch), "nothing was told but to stop"
    watch.ons.append(round(10.3 * S))
    assert excused(row, late, watch)
    assert not excused(row, replace(late, latency_s=1.2), watch)
    assert not excused(row, replace(late, state="connecting"), watch)


def compared_s(*happened: tuple[float, str, float]) -> float | None:
    """When cells and pack can be compared, of a fault at 10 s: (s, "told" A, "bms" or "cycler" and 0) in order."""
    bms, cycler = (cast("Any", SimpleNamespace(on_written=None, on_delivered=Mock())) for _ in range(2))
    told: Any = SimpleNamespace(on_command=None)
    plant = SimpleNamespace(cycler=told, contactor=SimpleNamespace(closed=True))
    sights = Sights(cast("Any", SimpleNamespace(plant=plant)), loop=cast("Any", None))
    sights.attach_lines(cast("Any", {"cycler": cycler, "bms": bms}))
    shown: Any = None  # until it becomes true
    for at_s, what, current_a in (*happened, (1000.0, "", 0.0)):
        if shown is None and at_s > 10.0:
            shown = sights.comparable(10 * S)
        t_ns = round(at_s * S)
        if what == "told":
            told.on_command(t_ns, current_a != 0.0, 50.0, max(current_a, 0.0), max(-current_a, 0.0))
        elif what:
            link = bms if what == "bms" else cycler
            link.on_written(t_ns, b"?")
            link.on_delivered(t_ns, b"!")
    assert shown is not None
    shown_ns: int | None = shown()
    return None if shown_ns is None else shown_ns / S


def test_cells_and_pack_are_compared_at_one_current() -> None:
    before = (7.0, "told", -50.0), (9.5, "bms", 0.0)
    stepped = (9.5, "bms", 0.0), (9.7, "told", -50.0)
    ends = (10.5, "cycler", 0.0), (11.0, "bms", 0.0)
    assert compared_s(*before, *ends) == 10.5, "the BMS was read at this current"
    assert compared_s(*stepped, *ends) == 11.0, "it was read at the one before"
    assert compared_s(*stepped, *ends, (11.2, "told", -20.0), (12.0, "bms", 0.0)) == 11.0, (
        "a later step takes back none"
    )
    edge = (10.1, "told", -20.0), (10.2, "bms", 0.0), (10.5, "cycler", 0.0), (11.2, "bms", 0.0)
    assert compared_s(*before, *edge) == 11.2, "right after a step it may have read either current"
    between = (10.5, "cycler", 0.0), (10.6, "told", -20.0), (10.9, "bms", 0.0), (11.0, "cycler", 0.0)
    assert compared_s(*stepped, *between) == 11.0, "a step between the two readings"
    assert compared_s(*stepped, (10.5, "cycler", 0.0)) is None


def test_a_meter_shows_by_its_own_reply_on_a_line_that_it_shares() -> None:
    link: Any = SimpleNamespace(on_written=None, on_delivered=None)
    bench = SimpleNamespace(devices={"meter": SimpleNamespace(unit=2)})
    contactor, cycler = SimpleNamespace(closed=True), SimpleNamespace(on_command=None)
    world: Any = SimpleNamespace(plant=SimpleNamespace(bench=bench, contactor=contactor, cycler=cycler))
    sights = Sights(world, loop=None)  # pyright: ignore[reportArgumentType]
    sights.attach_lines({"meter": link})
    shown = sights.of("pack.insulation", 0)
    chamber, meter = bytes([1, 3, 0]), bytes([2, 3, 0])
    link.on_written(1 * S, chamber)
    link.on_delivered(1 * S + 1, chamber)
    assert shown() is None
    link.on_written(2 * S, meter)
    link.on_delivered(2 * S + 1, meter)
    assert shown() == 2 * S + 1


@pytest.mark.parametrize("seed", range(12))
def test_a_changed_record_is_named_whichever_it_is(tmp_path: Path, seed: int) -> None:
    """Few records, so that the first comes up: nobody can tell it from the description of the run."""
    write_run(tmp_path / "run.db", rows=2)
    assert missed(tmp_path / "run.db", Random(seed)) == ""


def test_a_changed_record_that_is_not_named_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "run.db")
    monkeypatch.setattr(RunReader, "verify", lambda _reader: None)
    assert missed(tmp_path / "run.db", Random(1)).endswith("and it verifies")
