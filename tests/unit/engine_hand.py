"""The hand of an operator on a plan that runs: what the tests of its words begin with."""

from __future__ import annotations

from tests.unit.engine_parts import HOUR, RECORD, S, condition, discharge, end, plan, rest, snapshot

from packbench.core.records import StepRecord
from packbench.engine.advance import advance, start
from packbench.engine.effects import Drive, Effect, Finish, OutputOff, StepEnded
from packbench.engine.intervening import go_on, hold, index_of, jump
from packbench.engine.state import EngineState
from packbench.profile.plan import (
    ConstantCurrent,
    End,
    LoopEnd,
    Plan,
)

FAILED = End(label="failed", kind="end", verdict="fail", record=RECORD, max_time_ns=HOUR)


class Hand:
    """Drives the engine second by second at a current that follows its commands."""

    def __init__(self, the_plan: Plan, cells: tuple[float, ...] = (3.6, 3.7)) -> None:
        self.plan, self.cells, self.t_s = the_plan, cells, 0.0
        self.flowing_a = 0.0
        self.effects: list[Effect] = []
        self.state: EngineState
        view = snapshot(0.0, cells=cells)
        self.took(start(the_plan, view, view.t_ns))

    def took(self, outcome: tuple[EngineState, tuple[Effect, ...]]) -> tuple[Effect, ...]:
        self.state, effects = outcome
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Drive):
                self.flowing_a = effect.current_a
            elif isinstance(effect, OutputOff):
                self.flowing_a = 0.0
        return effects

    def on(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.5)):
            self.t_s += 0.5
            view = snapshot(self.t_s, self.flowing_a, self.cells)
            self.took(advance(self.plan, self.state, view, view.t_ns))

    def hold(self, most_s: float = 7200.0) -> tuple[Effect, ...]:
        view = snapshot(self.t_s, self.flowing_a, self.cells)
        return self.took(hold(self.plan, self.state, view, view.t_ns, round(most_s * S)))

    def go_on(self) -> tuple[Effect, ...]:
        view = snapshot(self.t_s, self.flowing_a, self.cells)
        return self.took(go_on(self.plan, self.state, view, view.t_ns))

    def jump(self, label: str) -> tuple[Effect, ...]:
        view = snapshot(self.t_s, self.flowing_a, self.cells)
        return self.took(jump(self.plan, self.state, view, view.t_ns, index_of(self.plan, label)))

    @property
    def ended(self) -> list[StepRecord]:
        return [effect.record for effect in self.effects if isinstance(effect, StepEnded)]

    @property
    def finish(self) -> Finish | None:
        return next((effect for effect in self.effects if isinstance(effect, Finish)), None)


def timed(seconds: float, current_a: float = 36.0) -> ConstantCurrent:
    return discharge(current_a, condition("step_time", ">=", seconds))


def looped() -> Plan:
    """0 a; 1 b, 2 c, 3 loop of b and c; 4 d; 5 end."""
    loop = LoopEnd(label="loop", kind="loop", record=RECORD, max_time_ns=1, start=1, repeat=3)
    return plan(rest(10, "a"), rest(10, "b"), rest(10, "c"), loop, rest(10, "d"), end())
