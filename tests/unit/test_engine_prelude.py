"""What is asked before a pack is connected, and what the answers lead to."""

from __future__ import annotations

import pytest
from tests.unit.engine_parts import snapshot

from packbench.app.job import read_source
from packbench.config.pack import load_pack
from packbench.engine.advance import advance, answer, start
from packbench.engine.effects import Ask, Finish, Note, StepBegan
from packbench.engine.prelude import Begin, prelude
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import Pause, Plan

S = 1_000_000_000
HEAD = """profile: asked
title: {en: "Asked first", zh: "先问"}
steps:
"""
LOOK = """
  - pause:
      label: look
      prompt: {en: "Is the case whole?", zh: "外壳是否完好？"}
      answers:
        whole: {en: "Yes", zh: "是"}
        doubtful: {en: "Not sure", zh: "不确定", goto: second-look}
        damaged: {en: "No", zh: "否", goto: reject}
"""
SECOND = """
  - goto: measure
  - pause:
      label: second-look
      prompt: {en: "What does the second person say?", zh: "第二人意见？"}
      answers:
        whole: {en: "Whole", zh: "完好"}
        damaged: {en: "Damaged", zh: "损坏", goto: reject}
"""
MEASURE = """
  - rest: {label: measure, for: 10 s}
  - end: {label: done}
  - end: {label: reject, verdict: fail, reason: {en: "the case is damaged", zh: "外壳损坏"}}
"""
PLAIN = """
  - rest: {label: measure, for: 10 s}
"""
OK = """
  - pause: {label: plug, prompt: {en: "Connect the pack", zh: "连接电池包"}}
"""


@pytest.fixture(scope="module")
def compiled() -> object:
    source = read_source("packs", "lmo-25ah")
    pack = load_pack(source.text, source.name)
    return lambda steps: compile_profile(HEAD + steps.replace("\n\n", "\n"), "asked.yaml", pack)


def labels(plan: Plan) -> dict[str, int]:
    return {step.label: index for index, step in enumerate(plan.steps)}


def asked(plan: Plan, *words: str) -> str:
    """The label of the question that comes after these answers."""
    found = prelude(plan, words)
    assert isinstance(found, Pause)
    return found.label


def test_the_first_question_comes_first_and_its_plain_answer_leads_on(compiled) -> None:
    plan = compiled(LOOK + SECOND + MEASURE)
    assert asked(plan) == "look"
    assert prelude(plan, ["whole"]) == Begin(labels(plan)["measure"])


def test_an_answer_may_lead_to_another_question_past_a_goto(compiled) -> None:
    plan = compiled(LOOK + SECOND + MEASURE)
    assert asked(plan, "doubtful") == "second-look"
    assert prelude(plan, ["doubtful", "whole"]) == Begin(labels(plan)["measure"])


@pytest.mark.parametrize("words", [["damaged"], ["doubtful", "damaged"]])
def test_an_answer_that_turns_the_pack_away_ends_the_run(compiled, words: list[str]) -> None:
    plan = compiled(LOOK + SECOND + MEASURE)
    assert prelude(plan, words) == Finish("fail", "the case is damaged", "外壳损坏")


def test_a_chain_of_gotos_is_followed_to_its_end(compiled) -> None:
    plan = compiled(
        LOOK.replace("goto: second-look", "goto: a")
        + """
  - goto: b
  - goto: {label: a, to: b}
  - goto: {label: b, to: c}
  - pause: {label: c, prompt: {en: "Sure?", zh: "确定？"}}
"""
        + MEASURE
    )
    for word in ("whole", "doubtful"):
        assert asked(plan, word) == "c"
        assert prelude(plan, [word, "ok"]) == Begin(labels(plan)["measure"])


def test_a_question_without_answers_is_answered_with_ok(compiled) -> None:
    plan = compiled(OK + PLAIN)
    (found,) = [step for step in plan.steps if isinstance(step, Pause)]
    assert [choice.word for choice in found.choices] == ["ok"]
    assert prelude(plan, ["ok"]) == Begin(1)


def test_loops_are_not_entered(compiled) -> None:
    plan = compiled(
        OK
        + """
  - loop:
      repeat: 2
      steps:
        - pause: {label: again, prompt: {en: "Once more?", zh: "再来？"}}
        - rest: {for: 1 s}
"""
    )
    assert asked(plan) == "plug"
    assert prelude(plan, ["ok"]) == Begin(labels(plan)["again"])


@pytest.mark.parametrize(
    "before",
    [
        "  - rest: {for: 1 s}\n",
        "  - chamber: {temperature: 25 degC}\n",
        "  - goto: {to: plug, when: 'cell_max >= 3 V'}\n",
        "  - set: {open: voltage}\n",
    ],
    ids=["time", "a device", "a condition", "a reading"],
)
def test_what_takes_time_or_a_reading_or_sets_a_device_is_the_runs(compiled, before: str) -> None:
    plan = compiled(before + OK + PLAIN)
    assert prelude(plan) == Begin(0)


def test_variables_that_need_no_reading_are_given_on_the_way(compiled) -> None:
    plan = compiled(
        """
  - set: {least: 20 Ah, share: 0.5}
  - pause: {label: plug, prompt: {en: "Connect the pack", zh: "连接电池包"}}
  - set: {half: $least * $share}
  - rest: {for: 10 s}
"""
    )
    found = prelude(plan, ["ok"])
    assert isinstance(found, Begin)
    assert (found.index, dict(found.variables)) == (3, {"least": 20.0, "share": 0.5, "half": 10.0})
    state, effects = start(plan, snapshot(0), 0, found)
    assert dict(state.step.variables) == dict(found.variables)
    assert [effect.text for effect in effects if isinstance(effect, Note)][-1] == "$half = 10"
    began = [effect for effect in effects if isinstance(effect, StepBegan)]
    assert [(one.number, one.step) for one in began] == [(1, 4)]


def test_a_questions_answer_in_the_middle_leads_where_it_says(compiled) -> None:
    plan = compiled("  - rest: {for: 1 s}\n" + LOOK.replace("second-look", "measure") + MEASURE)
    state, _ = start(plan, snapshot(0), 0)
    state, effects = advance(plan, state, snapshot(1.0), S)
    (question,) = [effect for effect in effects if isinstance(effect, Ask)]
    assert [choice.word for choice in question.answers] == ["whole", "doubtful", "damaged"]
    unchanged, nothing = answer(plan, state, snapshot(2), 2 * S, "perhaps")
    assert (unchanged, nothing) == (state, ())
    state, effects = answer(plan, state, snapshot(3), 3 * S, "damaged")
    record = state.step.closing
    assert record is not None
    assert (record.label, record.end_reason) == ("look", "answered damaged")
    assert state.step.index == labels(plan)["reject"]
    later, nothing = answer(plan, state, snapshot(3), 3 * S, "whole")
    assert (later.step.index, nothing) == (state.step.index, ()), "a second answer is no answer"
    _, effects = advance(plan, state, snapshot(4), 4 * S)
    assert effects[-1] == Finish("fail", "the case is damaged", "外壳损坏")
