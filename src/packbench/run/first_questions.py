"""What is asked before the contactor closes: the pauses that open a profile, or whether a run goes on.

Owns these questions and what a missing or a wrong answer does. Must not touch a device: what an answer turns away is
never connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from packbench.clock import Clock
from packbench.core.errors import SafetyStop
from packbench.engine.effects import Ask, Finish
from packbench.engine.prelude import Begin, prelude
from packbench.engine.steps.still import question
from packbench.engine.walk import too_long
from packbench.profile.plan import Pause, Plan
from packbench.run.actor import Actor
from packbench.run.operator import OperatorGone
from packbench.run.resuming import GO_ON, Found, Resumption, whether_to_go_on


class Stopped(Exception):
    """The run is over before its profile began; the actor knows why."""


class FirstQuestions:
    """Asks, while the run may still begin.

    Args:
        clock: For the record.
        actor: Who puts a question, and knows when the run is over.
        require_clear: Raises Stopped once the run is over or a rule has tripped.
    """

    def __init__(self, clock: Clock, actor: Actor, require_clear: Callable[[], None]) -> None:
        self._clock = clock
        self._actor = actor
        self._require_clear = require_clear

    async def of(self, plan: Plan) -> Begin | Finish:
        """The answers lead to the profile's beginning, or to its end. Raises SafetyStop, Stopped."""
        words: list[str] = []
        while isinstance(following := prelude(plan, words), Pause):
            words.append(await self._answer_to(following))
        if words:
            self._actor.event("questions_done", at=self._clock.wall().isoformat())
        return following

    async def whether_to_go_on(self, resumption: Resumption, found: Sequence[Found]) -> None:
        """The bench was held against the record: have somebody who sees both say that the run goes on.

        Raises SafetyStop when they do not agree, or nobody says so.
        """
        self._actor.event("resuming", operator=resumption.operator, found=[list(one) for one in found])
        apart = [one for one in found if not one.ok]
        if apart:
            named = "; ".join(f"{one.name} was {one.was}, is {one.now}" for one in apart)
            raise SafetyStop(f"the run was not resumed: the bench is not as the record left it ({named})")
        if resumption.bench.resume_automatic and not resumption.operator:
            return
        if await self._asked(whether_to_go_on(), None) != GO_ON:
            raise SafetyStop("the run was not resumed: the operator said no")

    async def _answer_to(self, pause: Pause) -> str:
        """The operator's answer, unless the run is over before, or the pause's time is."""
        word = await self._asked(question(pause), pause.max_time_ns / 1e9)
        if word is None:
            raise SafetyStop(too_long(pause))
        return word

    async def _asked(self, asked: Ask, within_s: float | None) -> str | None:
        """The answer; None when there is none in time. Raises SafetyStop when nobody will answer, Stopped."""
        asking = asyncio.create_task(self._actor.ask(asked), name="question")
        waited_for = {asking, self._actor.finished}
        try:
            await asyncio.wait(waited_for, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            self._require_clear()
            return asking.result() if asking.done() else None
        except OperatorGone as gone:
            raise SafetyStop(str(gone)) from gone
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
