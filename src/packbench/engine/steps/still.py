"""Steps without current: rest, soak, pause."""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.control import Asked, Soaking
from packbench.engine.control.soaking import NEVER, watched
from packbench.engine.effects import Ask, SetChamber
from packbench.engine.state import EngineState
from packbench.engine.steps.logic import NOTHING, Beginning, Ending, Outcome
from packbench.profile.amounts import constant
from packbench.profile.plan import Pause, Rest, Soak


class RestLogic:
    """Output off; only `until` ends it."""

    def begin(self, step: Rest, snapshot: Snapshot, now_ns: int) -> Beginning:
        return Beginning()

    def watch(self, step: Rest, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        return NOTHING

    def due_ns(self, step: Rest, state: EngineState) -> int | None:
        return None


class SoakLogic:
    """The chamber at the temperature, until every sensor has been near it for long enough."""

    def begin(self, step: Soak, snapshot: Snapshot, now_ns: int) -> Beginning:
        return Beginning(control=Soaking(), effects=(SetChamber(constant(step.temperature_c)),))

    def watch(self, step: Soak, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        bms, target_c = snapshot.bms, constant(step.temperature_c)
        assert isinstance(state.control, Soaking) and target_c is not None
        if bms is None or bms.t_ns <= state.step.started_ns:
            return NOTHING
        soaking = watched(state.control, bms.temperatures_c, target_c, step.within_k, bms.t_ns)
        if soaking.since_ns != NEVER and bms.t_ns - soaking.since_ns >= step.stable_ns:
            held = f"every sensor within {step.within_k:g} K of {target_c:g} degC for {step.stable_ns / 1e9:g} s"
            return Outcome(ending=Ending(held))
        return NOTHING if soaking is state.control else Outcome(control=soaking)

    def due_ns(self, step: Soak, state: EngineState) -> int | None:
        """Only a reading of the sensors shows that they are still where they were."""
        return None


def question(step: Pause) -> Ask:
    """What a pause asks."""
    return Ask(step.label, step.prompt_en, step.prompt_zh, step.choices)


class PauseLogic:
    """Output off, and a question; its answer ends it."""

    def begin(self, step: Pause, snapshot: Snapshot, now_ns: int) -> Beginning:
        return Beginning(control=Asked(), effects=(question(step),))

    def watch(self, step: Pause, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        assert isinstance(state.control, Asked)
        word = state.control.answer
        if word is None:
            return NOTHING
        goto = next(answer.goto for answer in step.choices if answer.word == word)
        return Outcome(ending=Ending(f"answered {word}", goto=goto))

    def due_ns(self, step: Pause, state: EngineState) -> int | None:
        return None
