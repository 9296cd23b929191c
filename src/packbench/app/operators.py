"""Who answers a profile's questions where nobody is asked on the spot.

Owns answers that were given beforehand, and the simulated operator. Must not ask anybody: whoever has a screen
does (cli/operator.py). It exists so that a headless run knows before it touches anything that no question will be
left without an answer.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from packbench.clock import Clock
from packbench.core.errors import InputError, Problem
from packbench.engine.effects import Ask
from packbench.engine.prelude import prelude
from packbench.profile.plan import Pause, Plan
from packbench.run.operator import Operator, Reply

THINKS_NS = 5_000_000_000
"""How long the simulated operator takes."""

Answers = tuple[tuple[str, str], ...]
"""(label of a pause, word of one of its answers)."""


def answers_of(plan: Plan, words: Sequence[str]) -> Answers:
    """`LABEL=WORD` words as answers to the plan's questions. Raises InputError for every one that is none."""
    pauses = {pause.label: pause for pause in _pauses(plan)}
    given: dict[str, str] = {}
    problems: list[Problem] = []
    for text in words:
        label, _, word = text.partition("=")
        pause = pauses.get(label)
        if pause is None:
            near = difflib.get_close_matches(label, pauses, n=1)
            known = f"one of {', '.join(pauses)}" if pauses else "nothing: the profile asks nothing"
            expected = f"{known}{f' (did you mean {near[0]!r}?)' if near else ''}"
            problems.append(Problem("no such question", field="--answer", found=repr(label), expected=expected))
        elif all(word != choice.word for choice in pause.choices):
            problems.append(Problem("no such answer", field="--answer", found=repr(text), expected=_choices(pause)))
        elif label in given:
            problems.append(Problem("answered twice", field="--answer", found=repr(text), expected="one answer each"))
        given.setdefault(label, word)
    if problems:
        raise InputError(problems)
    return tuple(given.items())


def unanswered(plan: Plan, answers: Answers) -> list[Problem]:
    """What is wrong where nobody can be asked: every question without an answer, with those that it has."""
    given = dict(answers)
    return [
        Problem(
            "nobody to ask on this input",
            field="--answer",
            found=f"nothing for {pause.label!r} ({pause.prompt_en})",
            expected=_choices(pause),
        )
        for pause in _pauses(plan)
        if pause.label not in given
    ]


def vouched_for(plan: Plan, answers: Answers) -> Answers:
    """What a named person's word to arm without being asked says of the questions before it: the first answers.

    Whoever arms a bench without looking at its questions answers for the pack all the same; the record says so.
    """
    given, vouched, words = dict(answers), dict[str, str](), list[str]()
    while isinstance(question := prelude(plan, words), Pause):
        word = given.get(question.label)
        if word is None:
            word = vouched[question.label] = question.choices[0].word
        words.append(word)
    return tuple(vouched.items())


class Beforehand:
    """Answers that were given before the run; any other question goes on to somebody else.

    Args:
        answers: The answers.
        by: Who gave them, and how.
        others: Who is asked everything else.
    """

    def __init__(self, answers: Answers, by: str, others: Operator) -> None:
        self._answers: Mapping[str, str] = dict(answers)
        self._by = by.strip()
        self._others = others

    async def ask(self, question: Ask) -> Reply:
        word = self._answers.get(question.label)
        return Reply(word, self._by) if word is not None else await self._others.ask(question)


SIMULATED_OPERATOR = "simulated operator"


class Scripted:
    """Takes a moment, and gives the answer that was stated, else the first one."""

    def __init__(self, answers: Answers, clock: Clock) -> None:
        self._answers: Mapping[str, str] = dict(answers)
        self._clock = clock

    async def ask(self, question: Ask) -> Reply:
        await self._clock.sleep_until(self._clock.now_ns() + THINKS_NS)
        return Reply(self._answers.get(question.label, question.answers[0].word), SIMULATED_OPERATOR)


def _pauses(plan: Plan) -> list[Pause]:
    return [step for step in plan.steps if isinstance(step, Pause)]


def _choices(pause: Pause) -> str:
    """Its answers as they are given on the command line."""
    words = [f"{pause.label}={choice.word}" for choice in pause.choices]
    return f"one of {', '.join(words)}" if len(words) > 1 else words[0]
