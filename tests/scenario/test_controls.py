"""What an operator asks of a running test: on the simulated bench, down to the wire and the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from packbench.app.conclude import conclude, job_of
from packbench.app.edits import profile_of
from packbench.app.job import Job, load_job
from packbench.app.verifying import verify_run
from packbench.app.virtual import Command, Options, Simulated, Told, simulate
from packbench.core.result import Result, StepResult
from packbench.run.controls import Kind
from packbench.store.meta import Source
from packbench.store.reader import LoggedEvent, RunReader

S = 1_000_000_000
PROFILE = """profile: controlled
title: {en: "A charge, a rest, a discharge", zh: "充电、静置、放电"}
record: {dt: 1 s}
steps:
  - rest: {label: settle, for: 30 s}
  - cc_charge:
      label: up
      current: 0.5C
      for: 60 s
      on_cell_limit: {at: cell_full, action: end}
      until: voltage >= pack_full
  - rest: {label: between, for: 10 s}
  - cc_discharge:
      label: down
      current: 0.5C
      for: 60 s
      until:
        - cell_min <= cell_cutoff
        - voltage <= pack_cutoff
  - end
"""
UP = 50 * S
"""The bench is ready well before, and the charge runs well after."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A run with its requests."""

    simulated: Simulated
    told: list[Told]
    folder: Path

    @property
    def verdict(self) -> str:
        return self.simulated.outcome.finish.verdict

    @property
    def events(self) -> list[LoggedEvent]:
        with RunReader.open(self.folder / "run.db") as reader:
            reader.verify()
            return reader.events()

    def at(self, kind: str, after: int = 0) -> LoggedEvent:
        return next(event for event in self.events if event.kind == kind and event.seq > after)

    @property
    def result(self) -> Result:
        return conclude(self.folder, "en", with_report=False).result

    @property
    def steps(self) -> dict[str, StepResult]:
        return {step.label: step for step in self.result.steps}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return job_in(tmp_path)


def job_in(tmp_path: Path) -> Job:
    profile = tmp_path / "controlled.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    return load_job(str(profile), "lfp-16s", "sim-lv")


def command(at_s: float, kind: Kind, **data: Any) -> Command:
    return Command(round(at_s * S), kind, {"operator": "Li", **data})


def going(job: Job, folder: Path, *commands: Command, **options: Any) -> Gone:
    told: list[Told] = []
    ran = simulate(job, Options(commands=commands, told=told.append, **options), folder, lambda *_: None)
    assert len(told) == len(commands) or ran.outcome.finish.verdict != "pass", told
    return Gone(ran, told, folder)


def edit_of(job: Job, text: str) -> Mapping[str, Any]:
    """As the command line states it."""
    return profile_of(replace(job, profile_source=Source(name="edited.yaml", text=text)))


def test_a_paused_test_keeps_its_charge_and_goes_on(job: Job, tmp_path: Path) -> None:
    plain = going(job, tmp_path / "plain")
    held = going(job, tmp_path / "held", command(60, "pause", why="look at the lug"), command(160, "continue"))
    assert [told.refused for told in held.told] == ["", ""]
    assert held.told[0].done is not None and held.told[0].done["output_off"] is True
    assert held.told[0].done["step"] == "up"
    assert (held.verdict, plain.verdict) == ("pass", "pass")
    up, undisturbed = held.steps["up"], plain.steps["up"]
    assert up.charge_ah == pytest.approx(undisturbed.charge_ah, rel=0.01), "an operator's pause is no charge"
    assert up.duration_s == pytest.approx(undisturbed.duration_s + 100, abs=2.0)
    paused, continued = held.at("paused"), held.at("continued")
    assert (paused.data["operator"], paused.data["why"], paused.data["at"]["step"]) == ("Li", "look at the lug", "up")
    assert paused.data["wall"] and continued.data["operator"] == "Li"
    kinds = [event.kind for event in held.events]
    assert kinds.count("contactor_closed") == plain_closings(plain), "the contactor stays closed in a pause"
    off = held.at("output_off", paused.seq)
    assert off.t_ns - paused.t_ns < 50_000_000, "the output goes off at once"
    on = held.at("set_output", continued.seq)
    assert not [e for e in held.events if e.kind == "set_output" and paused.seq < e.seq < continued.seq]
    assert on.seq > continued.seq, "the word is on record before the current"


def plain_closings(plain: Gone) -> int:
    return [event.kind for event in plain.events].count("contactor_closed")


def test_a_pause_that_nobody_ends_stops_the_run_safely(job: Job, tmp_path: Path) -> None:
    job = replace(job, bench=replace(job.bench, max_hold_ns=120 * S))
    gone = going(job, tmp_path / "run", command(60, "pause"))
    assert gone.verdict == "aborted" and gone.simulated.outcome.trip is None
    assert gone.simulated.outcome.finish.reason == "the pause lasted longer than its 120 s"
    assert gone.at("shut_down").data["at_rest"] is True


def test_energy_closes_over_a_pause(job: Job, tmp_path: Path) -> None:
    gone = going(
        job,
        tmp_path / "run",
        command(60, "pause"),
        command(100, "continue"),
        command(105, "pause"),
        command(300, "continue"),
    )
    conclude(gone.folder, "en", with_report=False)
    whole = verify_run(gone.folder)
    assert not whole.findings, whole.findings


def test_a_jump_is_recorded_before_it_acts(job: Job, tmp_path: Path) -> None:
    gone = going(job, tmp_path / "run", command(60, "jump", step="down", why="charged enough"))
    assert gone.verdict == "pass"
    steps = gone.steps
    assert list(steps) == ["settle", "up", "down"]
    assert steps["up"].end_reason == "operator jump"
    jumped = gone.at("jumped")
    assert (jumped.data["to"], jumped.data["why"], jumped.data["operator"]) == ("down", "charged enough", "Li")
    began = next(e for e in gone.events if e.kind == "step_began" and e.data["label"] == "down")
    assert jumped.seq < began.seq


def test_an_edited_profile_counts_from_the_next_step_and_explains_the_record(job: Job, tmp_path: Path) -> None:
    text = PROFILE.replace("  - end\n", "  - rest: {label: more, for: 20 s}\n  - end\n").replace(
        "{label: between, for: 10 s}", "{label: between, for: 40 s}"
    )
    gone = going(job, tmp_path / "run", command(60, "edit", why="longer rest", profile=edit_of(job, text)))
    assert gone.told[0].refused == ""
    assert gone.verdict == "pass"
    assert list(gone.steps) == ["settle", "up", "between", "down", "more"]
    assert gone.steps["between"].duration_s == pytest.approx(40, abs=1.0)
    event = gone.at("profile_edited").data
    assert (event["operator"], event["why"]) == ("Li", "longer rest")
    new = Source(name="edited.yaml", text=text)
    assert (event["sha256_before"], event["sha256_after"]) == (job.profile_source.sha256, new.sha256)
    assert event["profile"]["text"] == text
    hashes = gone.result.hashes
    assert (hashes["profile_sha256"], hashes["profile_edited_sha256"]) == (job.profile_source.sha256, new.sha256)
    with RunReader.open(gone.folder / "run.db") as reader:
        assert [step.label for step in job_of(reader).plan.steps][-2:] == ["more", "end-6"]
    assert not verify_run(gone.folder).findings


def test_an_edit_that_changes_nothing_is_none(job: Job, tmp_path: Path) -> None:
    gone = going(job, tmp_path / "run", command(60, "edit", why="x", profile=edit_of(job, PROFILE)))
    assert gone.told[0].done is None and "goes by already" in gone.told[0].refused, gone.told
    assert "profile_edited" not in [event.kind for event in gone.events]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("for: 60 s\n      on_cell", "for: 70 s\n      on_cell"), "step 'up' runs: its until may not change"),
        (("label: settle, for: 30 s", "label: settle, for: 31 s"), "step 'settle' has been executed"),
        (("current: 0.5C\n      for: 60 s\n      until:", "current: 9C\n      for: 60 s\n      until:"), "current"),
        (("record: {dt: 1 s}\n", "record: {dt: 1 s}\nsteps: 1\n"), "steps"),
    ],
)  # fmt: skip
def test_an_edit_is_refused_with_its_reason_and_changes_nothing(
    job: Job, tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    text = PROFILE.replace(*change)
    assert text != PROFILE
    gone = going(job, tmp_path / "run", command(60, "edit", why="x", profile=edit_of(job, text)))
    assert gone.told[0].done is None and why in gone.told[0].refused, gone.told
    assert gone.verdict == "pass"
    assert "profile_edited" not in [event.kind for event in gone.events]


def test_limits_become_tighter_at_once_and_never_looser(job: Job, tmp_path: Path) -> None:
    limits = "limits: {{temperature_max: {}}}\nsteps:"
    tight = replace(job, plan=job.plan)
    looser = PROFILE.replace("steps:", limits.format("50 degC"))
    first = PROFILE.replace("steps:", limits.format("40 degC"))
    job = drafted_job(tight, first)
    gone = going(job, tmp_path / "a", command(60, "edit", why="x", profile=edit_of(job, looser)))
    assert "not looser: temperature_max_c" in gone.told[0].refused
    cold = PROFILE.replace("steps:", limits.format("26 degC"))
    gone = going(job, tmp_path / "b", command(60, "edit", why="x", profile=edit_of(job, cold)))
    assert gone.told[0].refused == ""
    with RunReader.open(gone.folder / "run.db") as reader:
        assert job_of(reader).limits.temperature_max_c == 26.0


def drafted_job(job: Job, text: str) -> Job:
    from packbench.app.job import Texts, job_of_texts
    from packbench.store.sources import Remembering, library_of

    source = Source(name="first.yaml", text=text)
    texts = Texts(source, job.pack_source, job.bench_source, job.settings, job.parameters)
    return job_of_texts(texts, Remembering(library_of((), source.name), source.name))


def test_an_abort_stops_safely_and_is_recorded(job: Job, tmp_path: Path) -> None:
    gone = going(job, tmp_path / "run", command(60, "abort", why="smell"), command(60.02, "continue"))
    outcome = gone.simulated.outcome
    assert (outcome.finish.verdict, outcome.finish.reason, outcome.trip) == ("aborted", "aborted by Li: smell", None)
    kinds = [event.kind for event in gone.events]
    assert kinds.index("aborted") < kinds.index("finished") < kinds.index("shut_down")
    assert gone.at("shut_down").data["at_rest"] is True
    assert gone.told[1].done is None and "over" in gone.told[1].refused


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (command(60, "continue"), "the run is not paused"),
        (command(60, "jump", step="nowhere", why="x"), "no step 'nowhere'"),
        (command(60, "jump", step="down"), "--why"),
        (command(60, "pause", operator=" "), "--operator"),
        (command(1, "pause"), "the profile has not begun"),
    ],
)
def test_a_request_that_cannot_be_is_refused_with_its_reason(job: Job, tmp_path: Path, sent: Command, why: str) -> None:
    gone = going(job, tmp_path / "run", sent)
    assert gone.told[0].done is None and why in gone.told[0].refused
    assert gone.verdict == "pass"
    assert not {"paused", "continued", "jumped", "aborted"} & {event.kind for event in gone.events}


def test_a_run_that_has_tripped_says_so(job: Job, tmp_path: Path) -> None:
    from packbench_sim.faults import parse_injection

    # The stop that follows the trip takes some tens of milliseconds.
    commands = (command(61.735, "pause"), command(61.74, "abort"), command(61.745, "jump", step="down", why="x"))
    gone = going(job, tmp_path / "run", *commands, injections=(parse_injection("comms.bms_lost@60s"),))
    trip = gone.simulated.outcome.trip
    assert trip is not None
    said = [told.refused for told in gone.told]
    assert len(said) == 3 and all("the run has tripped" in one for one in said), said


def test_a_run_with_requests_is_the_same_twice(job: Job, tmp_path: Path) -> None:
    commands = (command(60, "pause"), command(100, "continue"), command(120, "jump", step="down", why="x"))
    first, second = (going(job, tmp_path / name, *commands) for name in ("a", "b"))
    assert first.simulated.log_sha256 == second.simulated.log_sha256
