"""Questions to the operator: before the pack is connected, and in the middle of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.scenario.support import Witness

from packbench.app.job import Job, load_job
from packbench.app.virtual import NoJournal
from packbench.core.records import Event, StepRecord
from packbench.engine.effects import Ask
from packbench.run.bench import BenchRun, RunOutcome
from packbench.run.operator import Operator, OperatorGone, Reply
from packbench_board.codes import State
from packbench_sim.faults import parse_injection
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.world import build_parts, direct_devices

S = 1_000_000_000
HEAD = """profile: asked
title: {en: "With questions", zh: "有问"}
record: {dt: 5 s}
steps:
"""
LOOK = """  - pause:
      label: look
      max_time: 2 h
      prompt: {en: "Is the case whole?", zh: "外壳是否完好？"}
      answers:
        whole: {en: "Yes", zh: "是"}
        damaged: {en: "No", zh: "否", goto: reject}
  - pause: {label: plug, prompt: {en: "Polarity checked?", zh: "极性已核对？"}}
"""
REST = """  - cc_charge:
      label: up
      current: 0.2C
      for: 20 s
      until: voltage >= pack_full
      on_cell_limit: {at: cell_full, action: end}
"""
MIDDLE = """  - pause:
      label: middle
      max_time: 30 min
      prompt: {en: "Go on?", zh: "继续？"}
      answers:
        proceed: {en: "Yes", zh: "是"}
        refuse: {en: "No", zh: "否", goto: reject}
"""
ENDS = """  - cc_discharge: {label: down, current: 0.2C, for: 20 s, until: cell_min <= cell_cutoff}
  - end: {label: done}
  - end: {label: reject, verdict: fail, reason: {en: "turned away", zh: "拒收"}}
"""


class Kept(NoJournal):
    """Remembers events and steps, and how far they are durable."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.steps: list[StepRecord] = []
        self.durable = 0

    def put_event(self, event: Event) -> int:
        self.events.append(event)
        return len(self.events)

    def put_step(self, record: StepRecord) -> int:
        self.steps.append(record)
        return 0

    async def flush(self) -> int:
        await asyncio.sleep(0.01)
        self.durable = len(self.events)
        return self.durable

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@dataclass
class Person:
    """Answers each question after a time; a question without a word stands for ever."""

    words: dict[str, str]
    after_s: float = 600.0
    seen: list[tuple[str, int]] = field(default_factory=list)
    """(label, instant) of every question."""
    withdrawn: list[str] = field(default_factory=list)
    looks: Callable[[], None] = lambda: None
    """Called when a question is put, and when it is answered."""

    def on(self, clock: VirtualClock) -> Person:
        self.clock = clock
        return self

    async def ask(self, question: Ask) -> Reply:
        self.seen.append((question.label, self.clock.now_ns()))
        self.looks()
        try:
            if question.label not in self.words:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(self.after_s)
        except asyncio.CancelledError:
            self.withdrawn.append(question.label)
            raise
        self.looks()
        word = self.words[question.label]
        if word == "gone":
            raise OperatorGone("the operator's input ended")
        return Reply(word, "Li")


@dataclass
class Ran:
    """What a scenario looks at afterwards."""

    outcome: RunOutcome
    kept: Kept
    witness: Witness
    ended_ns: int

    def assert_at_rest(self) -> None:
        self.witness.world.plant.advance_to(self.ended_ns + S)
        self.witness.assert_safe()

    def of(self, kind: str) -> list[dict]:
        return [event.data for event in self.kept.events if event.kind == kind]

    def assert_never_connected(self) -> None:
        assert self.witness.coil == []
        assert self.witness.world.plant.contactor.closings == 0
        assert State(self.witness.board().state) is not State.TRIPPED or self.outcome.trip is not None
        assert not any(on for _, on in self.witness.output)


Meddle = Callable[[BenchRun, Witness, VirtualClock], Awaitable[None]]
MakeJob = Callable[[str], Job]


def run(job: Job, person: Person, *faults: str, meddle: Meddle | None = None, asked: Operator | None = None) -> Ran:
    """Run a job at object level; it must end within a virtual day."""

    async def main(clock: VirtualClock) -> Ran:
        injections = tuple(parse_injection(word) for word in faults)
        world = build_parts(job.bench, job.pack, start_ns=clock.now_ns(), seed=1, injections=injections)
        witness, kept = Witness(world), Kept()
        devices = direct_devices(world, clock, job.limits)
        operator = asked or person.on(clock)
        bench = BenchRun(clock, devices, job.plan, job.limits, job.bench, job.pack, kept, lambda _s, _e: None, operator)
        meddling = None if meddle is None else asyncio.create_task(meddle(bench, witness, clock))  # type: ignore[arg-type]
        async with asyncio.timeout(86_400):
            outcome = await bench.run(1)
        if meddling is not None:
            await meddling
        current = asyncio.current_task()
        assert [task for task in asyncio.all_tasks() if task is not current] == []
        return Ran(outcome, kept, witness, clock.now_ns())

    return run_virtual(main)


@pytest.fixture
def job(tmp_path: Path) -> MakeJob:
    def make(steps: str) -> Job:
        path = tmp_path / "asked.yaml"
        path.write_text(HEAD + steps, encoding="utf-8")
        return load_job(str(path), "lmo-25ah", None)

    return make


# -- before arming ---------------------------------------------------------------------------------


def test_first_questions_are_asked_with_the_contactor_open_and_the_board_not_armed(job: MakeJob) -> None:
    person = Person({"look": "whole", "plug": "ok"})
    witnesses: list[Witness] = []
    states: list[tuple[bool, State]] = []

    async def meddle(_bench: BenchRun, witness: Witness, _clock: VirtualClock) -> None:
        witnesses.append(witness)

    def look() -> None:
        (witness,) = witnesses
        witness.world.plant.advance_to(person.clock.now_ns())
        states.append((witness.world.plant.contactor.closed, State(witness.board().state)))

    person.looks = look
    ran = run(job(LOOK + REST + ENDS), person, meddle=meddle)
    assert ran.outcome.finish.verdict == "pass"
    assert [label for label, _ in person.seen] == ["look", "plug"]
    assert states == [(False, State.SAFE)] * 4
    answered_ns = person.seen[1][1] + 600 * S
    closed_ns, closed = ran.witness.coil[0]
    assert closed
    assert closed_ns > answered_ns
    assert all(t_ns > answered_ns for t_ns, on in ran.witness.output if on)
    # The sources were read all the while: 20 min at two and one readings a second.
    assert ran.outcome.polls > 3 * 1200
    # A person's time is none of the bench's.
    assert ran.outcome.bench_ns < 60 * S
    assert [record.label for record in ran.kept.steps] == ["up", "down"]
    ran.assert_at_rest()


def test_question_and_answer_are_on_disk_before_it_goes_on(job: MakeJob) -> None:
    person = Person({"look": "whole", "plug": "ok"})
    kept: list[Kept] = []
    behind: list[int] = []

    async def meddle(bench: BenchRun, _witness: Witness, _clock: VirtualClock) -> None:
        kept.append(bench._journal)  # type: ignore[arg-type]

    person.looks = lambda: behind.append(len(kept[0].events) - kept[0].durable)
    ran = run(job(LOOK + ENDS), person, meddle=meddle)
    assert behind == [0, 0, 0, 0]
    assert ran.of("asked")[0] == {
        "label": "look",
        "prompt_en": "Is the case whole?",
        "prompt_zh": "外壳是否完好？",
        "answers": [["whole", "Yes", "是"], ["damaged", "No", "否"]],
    }
    assert ran.of("asked")[1]["answers"] == [["ok", "OK", "确认"]]
    assert ran.of("answered") == [
        {"label": "look", "word": "whole", "by": "Li"},
        {"label": "plug", "word": "ok", "by": "Li"},
    ]
    kinds = ran.kept.kinds()
    assert kinds.index("identified") < kinds.index("asked") < kinds.index("contactor_closed")
    last_answer = len(kinds) - 1 - kinds[::-1].index("answered")
    assert last_answer < kinds.index("contactor_closed") < kinds.index("step_began")


def test_a_pack_that_is_turned_away_is_never_connected(job: MakeJob) -> None:
    ran = run(job(LOOK + REST + ENDS), Person({"look": "damaged"}))
    finish = ran.outcome.finish
    assert (finish.verdict, finish.reason, finish.reason_zh) == ("fail", "turned away", "拒收")
    assert ran.outcome.trip is None
    assert (ran.outcome.heartbeats, ran.outcome.bench_ns) == (0, 0)
    ran.assert_never_connected()
    assert State(ran.witness.board().state) is State.SAFE, "it was never armed"
    assert ran.of("finished") == [{"verdict": "fail", "reason": "turned away", "reason_zh": "拒收", "variables": []}]
    assert ran.kept.kinds()[-4:] == ["finished", "board_log", "lease_statistics", "shut_down"]
    ran.assert_at_rest()


def test_a_first_question_that_nobody_answers_ends_the_run_when_its_time_is_over(job: MakeJob) -> None:
    person = Person({})
    ran = run(job(LOOK + REST + ENDS), person)
    assert ran.outcome.finish.verdict == "aborted"
    assert ran.outcome.finish.reason == "step look lasted longer than its 7200 s"
    assert person.withdrawn == ["look"]
    assert ran.ended_ns - person.seen[0][1] < 7210 * S
    ran.assert_never_connected()
    ran.assert_at_rest()


def test_a_fault_while_a_first_question_stands_ends_the_run(job: MakeJob) -> None:
    person = Person({})
    ran = run(job(LOOK + REST + ENDS), person, "comms.bms_lost@60")
    assert ran.outcome.trip is not None
    assert ran.outcome.finish.verdict == "aborted"
    assert person.withdrawn == ["look"]
    assert ran.ended_ns < 80 * S
    ran.assert_never_connected()
    ran.assert_at_rest()


def test_an_abort_while_a_first_question_stands_ends_the_run(job: MakeJob) -> None:
    async def meddle(bench: BenchRun, _witness: Witness, clock: VirtualClock) -> None:
        await clock.sleep_until(60 * S)
        bench.abort("interrupted by the operator")

    person = Person({})
    ran = run(job(LOOK + REST + ENDS), person, meddle=meddle)
    assert (ran.outcome.finish.verdict, ran.outcome.finish.reason) == ("aborted", "interrupted by the operator")
    assert [said["reason"] for said in ran.of("finished")] == ["interrupted by the operator"]
    assert person.withdrawn == ["look"]
    assert ran.ended_ns < 65 * S
    ran.assert_never_connected()


@pytest.mark.parametrize(
    ("word", "reason"),
    [("gone", "the operator's input ended"), ("perhaps", "the answer 'perhaps' to look is none of its own")],
)
def test_an_operator_who_goes_away_from_a_first_question_ends_the_run(job: MakeJob, word: str, reason: str) -> None:
    ran = run(job(LOOK + REST + ENDS), Person({"look": word}))
    assert (ran.outcome.finish.verdict, ran.outcome.finish.reason) == ("aborted", reason)
    ran.assert_never_connected()


def test_without_an_operator_a_question_waits_for_its_time(job: MakeJob) -> None:
    from packbench.run.operator import Nobody

    ran = run(job(LOOK + REST + ENDS), Person({}), asked=Nobody())
    assert ran.outcome.finish.reason == "step look lasted longer than its 7200 s"
    ran.assert_never_connected()


# -- in the middle ---------------------------------------------------------------------------------


def test_a_pause_keeps_the_pack_watched_without_current_until_it_is_answered(job: MakeJob) -> None:
    person = Person({"middle": "proceed"}, after_s=1200.0)
    currents: list[float] = []

    async def meddle(bench: BenchRun, witness: Witness, clock: VirtualClock) -> None:
        while not person.seen:
            await clock.sleep_until(clock.now_ns() + S)
        began_ns = person.seen[0][1]
        for minute in range(1, 20):
            await clock.sleep_until(began_ns + minute * 60 * S)
            plant = witness.world.plant
            plant.advance_to(clock.now_ns())
            currents.append(plant.true_current_a)
            assert plant.contactor.closed, "the lease goes on"
            assert not plant.cycler.output_on

    ran = run(job(REST + MIDDLE + ENDS), person, meddle=meddle)
    assert currents == [0.0] * 19
    assert (ran.outcome.finish.verdict, ran.outcome.trip) == ("pass", None)
    assert [record.label for record in ran.kept.steps] == ["up", "middle", "down"]
    pause = ran.kept.steps[1]
    assert pause.end_reason == "answered proceed"
    assert (pause.ended_ns - pause.started_ns) / S == pytest.approx(1200.0, abs=0.1)
    assert pause.charge_ah == pytest.approx(0.0, abs=0.002)
    assert ran.outcome.heartbeats > 5 * 1200
    assert [on for _, on in ran.witness.coil] == [True, False, True, False], (
        "closed and opened for the proof, and for the run"
    )
    ran.assert_at_rest()


def test_an_answer_may_turn_the_pack_away_in_the_middle(job: MakeJob) -> None:
    ran = run(job(REST + MIDDLE + ENDS), Person({"middle": "refuse"}))
    assert (ran.outcome.finish.verdict, ran.outcome.finish.reason_zh) == ("fail", "拒收")
    assert [record.label for record in ran.kept.steps] == ["up", "middle"]
    ran.assert_at_rest()


def test_a_pause_that_lasts_too_long_aborts(job: MakeJob) -> None:
    person = Person({})
    ran = run(job(REST + MIDDLE + ENDS), person)
    assert (ran.outcome.finish.verdict, ran.outcome.finish.reason) == (
        "aborted",
        "step middle lasted longer than its 1800 s",
    )
    assert person.withdrawn == ["middle"]
    assert ran.of("answered") == []
    ran.assert_at_rest()


def test_a_trip_during_a_pause_withdraws_the_question_and_an_answer_changes_nothing(job: MakeJob) -> None:
    person = Person({})

    async def meddle(bench: BenchRun, _witness: Witness, clock: VirtualClock) -> None:
        while bench.channel.latched is None:
            await clock.sleep_until(clock.now_ns() + S // 10)
        bench.channel.answer("middle", "proceed")

    ran = run(job(REST + MIDDLE + ENDS), person, "comms.bms_lost@300", meddle=meddle)
    assert ran.outcome.trip is not None
    assert ran.outcome.finish.verdict == "aborted"
    assert person.withdrawn == ["middle"]
    assert [record.label for record in ran.kept.steps] == ["up", "middle"]
    last_on_ns = max(t_ns for t_ns, on in ran.witness.output if on)
    assert last_on_ns < person.seen[0][1]
    ran.witness.assert_latched()
    ran.assert_at_rest()


def test_an_abort_during_a_pause_withdraws_the_question(job: MakeJob) -> None:
    person = Person({})

    async def meddle(bench: BenchRun, _witness: Witness, clock: VirtualClock) -> None:
        while not person.seen:
            await clock.sleep_until(clock.now_ns() + S)
        bench.abort("interrupted by the operator")

    ran = run(job(REST + MIDDLE + ENDS), person, meddle=meddle)
    assert (ran.outcome.finish.verdict, ran.outcome.trip) == ("aborted", None)
    assert person.withdrawn == ["middle"]
    ran.assert_at_rest()


def test_an_operator_who_goes_away_from_a_pause_stops_the_run_safely(job: MakeJob) -> None:
    ran = run(job(REST + MIDDLE + ENDS), Person({"middle": "gone"}))
    assert (ran.outcome.finish.verdict, ran.outcome.finish.reason) == ("aborted", "the operator's input ended")
    assert ran.outcome.trip is None
    ran.assert_at_rest()


def test_a_late_and_a_second_answer_change_nothing(job: MakeJob) -> None:
    twice = MIDDLE + MIDDLE.replace("label: middle", "label: again")
    person = Person({"middle": "proceed", "again": "proceed"}, after_s=60.0)

    async def meddle(bench: BenchRun, _witness: Witness, clock: VirtualClock) -> None:
        while len(person.seen) < 2:
            await clock.sleep_until(clock.now_ns() + S)
        for _ in range(2):
            bench.channel.answer("middle", "refuse")
        await clock.sleep_until(person.seen[1][1] + 65 * S)
        bench.channel.answer("again", "refuse")

    ran = run(job(REST + twice + ENDS), person, meddle=meddle)
    assert ran.outcome.finish.verdict == "pass"
    assert [record.end_reason for record in ran.kept.steps][1:3] == ["answered proceed", "answered proceed"]
    ran.assert_at_rest()
