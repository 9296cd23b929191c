"""Questions to a person, and their answers.

Owns the protocol of whoever answers, and the order of a question: written down, asked, answered, the answer
written down, each durable before the next. It must not know a screen, nor what an answer leads to. It exists so
that a run never waits for a person in a place where it should watch a pack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from packbench.engine.effects import Ask

INPUT_ENDED = "the operator's input ended"
"""The reason of a run whose operator went away."""


class OperatorGone(Exception):
    """Nobody will answer any more; its text is what the run ends with."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    word: str
    by: str
    """Whose it is, for the record."""


class Operator(Protocol):
    """Whoever answers a profile's questions."""

    async def ask(self, question: Ask) -> Reply:
        """One of the question's answers. Cancelled when the question does not stand any more.

        Raises OperatorGone.
        """
        ...


class Nobody:
    """There is no operator: a question stands until its step's time is over."""

    async def ask(self, question: Ask) -> Reply:
        return await asyncio.get_running_loop().create_future()


class Log(Protocol):
    """What of a record a question needs."""

    def event(self, kind: str, **data: object) -> None:
        """Log something now."""
        ...

    def durable(self) -> Awaitable[None]:
        """Return when everything said so far is on disk. Raises StoreError."""
        ...


async def put(question: Ask, operator: Operator, log: Log) -> str:
    """Ask, and write both down; the word that was answered.

    Raises OperatorGone, also for an answer that is none of the question's; StoreError.
    """
    answers = [[answer.word, answer.text_en, answer.text_zh] for answer in question.answers]
    log.event(
        "asked", label=question.label, prompt_en=question.prompt_en, prompt_zh=question.prompt_zh, answers=answers
    )
    await log.durable()
    reply = await operator.ask(question)
    if all(reply.word != answer.word for answer in question.answers):
        raise OperatorGone(f"the answer {reply.word!r} to {question.label} is none of its own")
    log.event("answered", label=question.label, word=reply.word, by=reply.by)
    await log.durable()
    return reply.word
