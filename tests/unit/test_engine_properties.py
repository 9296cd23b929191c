"""The engine against random plans and random readings: nothing beyond the limits, everything in order, all repeatable.

A plan is any mixture of steps that the language can say; readings come as they like, as long as time does not run
backwards. What holds at every moment is asserted there; in the end the whole sequence is played again, and comes to
the same effects.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.engine_parts import HOUR, RECORD, S, instant

from packbench.core.limits import LimitSet
from packbench.core.samples import BmsSample, CyclerSample, Snapshot, bms_sample
from packbench.engine import advance as engine
from packbench.engine.due import due_ns
from packbench.engine.effects import Drive, Effect, Finish, StepBegan, StepEnded
from packbench.engine.state import EngineState
from packbench.profile.amounts import Amount, Apply, Constant, Formula, Past, Read, UserVariable
from packbench.profile.plan import (
    Agreement,
    Answer,
    AnyStep,
    CellLimit,
    Condition,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    End,
    Goto,
    LoopEnd,
    Most,
    Pause,
    Plan,
    Rest,
    Segment,
    SetVariables,
    Soak,
    Test,
    Waveform,
)

MOST = Most(charge_current_a=40.0, discharge_current_a=60.0, voltage_max_v=9.0, voltage_min_v=5.0, power_w=300.0)
VARIABLES = ("voltage", "current", "power", "step_time", "cycle_time", "test_time", "step_ah", "cycle_ah", "test_wh")
OTHERS = ("cell_max", "cell_min", "cell_any", "cell_1", "temperature_max", "dV/dt", "abs(dV/dt)", "cycle", "insulation")

X = Formula(UserVariable("x", 1.0), 1.0, "$x")
READ = Formula(Apply("-", (Constant(10.0), Read("voltage", 1.0))), 1.0, "10 V - voltage")
RARE = (
    Formula(Past("ah", 1, 3600.0), 3600.0, "ah(s1)"),
    Formula(Apply("/", (Constant(3.0), Apply("-", (X.expression, Constant(5.0))))), 1.0, "3 / ($x - 5)"),
)
"""Which come to no number, often enough."""
usual = st.one_of(st.floats(0.5, 38.0), st.just(X), st.just(READ))
amounts: st.SearchStrategy[Amount] = st.one_of(usual, usual, usual, st.floats(0.0, 100.0), st.sampled_from(RARE))
names = st.sampled_from(VARIABLES + OTHERS)
bounds = st.one_of(st.floats(0, 50), st.floats(0, 50), st.just(X), st.just(READ))
tests = st.builds(Test, names, st.sampled_from((">=", "<=", ">", "<")), bounds)


@st.composite
def conditions(draw: st.DrawFn, index: int, count: int) -> tuple[Condition, ...]:
    """Up to three ends; they may jump on, not back."""
    found: list[Condition] = []
    for _ in range(draw(st.integers(0, 3))):
        group = tuple(draw(st.lists(tests, min_size=1, max_size=2)))
        goto = draw(st.one_of(st.none(), st.integers(index + 1, count)))
        found.append(Condition(group, draw(st.sampled_from((0, S // 2, 5 * S))), goto, "an end"))
    return tuple(found)


@st.composite
def step(draw: st.DrawFn, index: int, count: int) -> AnyStep:
    """Any step but a loop."""
    shared: dict[str, Any] = {
        "label": f"s{index}",
        "record": RECORD,
        "until": draw(conditions(index, count)),
        "max_time_ns": draw(st.sampled_from((30 * S, HOUR))),
    }
    sign = draw(st.sampled_from((1, -1)))
    limit = draw(st.sampled_from((None, CellLimit(3.9, "taper", 1.0), CellLimit(3.9, "end")))) if sign > 0 else None
    clamp_v = draw(st.sampled_from((5.0, 8.4, 9.0)))
    values = draw(st.lists(st.one_of(st.floats(-40, 40), st.just(0.0), st.floats(-90, 90)), min_size=1, max_size=4))
    read_outs = draw(st.sampled_from(((), (S // 10, 2 * S), (S,))))
    times = [draw(st.sampled_from((S // 5, S, 7 * S))) for _ in values]
    segments = tuple(Segment(for_ns, value, read_outs) for for_ns, value in zip(times, values, strict=True))
    moves: dict[str, Any] = {**shared, "sign": sign, "cell_limit": limit}
    onward, when, end_a = draw(st.integers(index + 1, count)), draw(conditions(index, count)), draw(st.floats(0, 5))
    answers = (Answer("ok", "", ""), Answer("no", "", "", count))
    kinds: list[AnyStep] = [
        Rest(kind="rest", **shared),
        ConstantCurrent(kind="cc", current_a=draw(amounts), clamp_voltage_v=clamp_v, **moves),
        ConstantVoltage(
            kind="cv", current_a=draw(amounts), voltage_v=clamp_v, end_current_a=end_a, **moves
        ),
        ConstantPower(kind="cp", power_w=draw(amounts), clamp_voltage_v=clamp_v, **moves),
        ConstantResistance(kind="cr", resistance_ohm=draw(st.floats(0.05, 10)), clamp_voltage_v=5.0, **shared),
        Waveform(
            kind="wave", quantity=draw(st.sampled_from(("current", "power"))), segments=segments, repeat=3,
            clamp_high_v=8.4, clamp_low_v=5.0, on_limit=draw(st.sampled_from(("hold", "end"))), **shared,
        ),
        Soak(kind="soak", temperature_c=25.0, within_k=2.0, stable_ns=3 * S, **shared),
        Pause(kind="pause", prompt_en="?", prompt_zh="?", answers=answers, **shared),
        SetVariables(**instant(f"s{index}", "set"), values=(("x", draw(amounts)),)),
        Goto(**instant(f"s{index}", "goto"), target=onward, until=when),
    ]  # fmt: skip
    return draw(st.sampled_from(kinds))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Steps, a loop around some of them, and an end."""
    count = draw(st.integers(3, 8))
    steps = [draw(step(index, count)) for index in range(count)]
    steps[0] = SetVariables(**instant("s0", "set"), values=(("x", draw(st.floats(1.0, 20.0))),))
    at = draw(st.integers(2, count - 1))
    agreement = draw(st.sampled_from((None, Agreement(1, 0.001, 2))))
    until = draw(conditions(at, count))
    loop = LoopEnd(**instant("loop", "loop"), start=draw(st.integers(1, at - 1)), repeat=3, agreement=agreement)
    steps[at] = replace(loop, until=tuple(replace(condition, goto=None) for condition in until))
    # Nothing jumps into the loop from before it, which the compiler refuses.
    steps.append(End(label="end", kind="end", record=RECORD, max_time_ns=HOUR))
    holder = draw(st.sampled_from(("cycler", "engine")))
    return Plan("p", "p", "p", tuple(steps), LimitSet(), None, "", "p.yaml", most=MOST, holds_voltage=holder)


class EngineMachine(RuleBasedStateMachine):
    """Hands the engine one moment after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: Plan | None = None
        self.state: EngineState | None = None
        self.effects: list[tuple[Effect, ...]] = []
        self.calls: list[tuple[str, Snapshot, str]] = []
        self.t_ns = 0
        self.cycler: CyclerSample | None = None
        self.bms: BmsSample | None = None

    @initialize(plan=plans())
    def begin(self, plan: Plan) -> None:
        self.plan = plan
        self.cycler = CyclerSample(0, 7.4, 0.0, False, "off")
        self.bms = bms_sample(0, np.array([3.7, 3.7]), (25.0,))
        self.hand("start")

    def snapshot(self) -> Snapshot:
        voltage_v = float("nan") if self.cycler is None else self.cycler.voltage_v
        return Snapshot(self.t_ns, self.cycler, self.bms, None, voltage_v)

    def hand(self, what: str, word: str = "") -> None:
        view = self.snapshot()
        self.calls.append((what, view, word))
        assert self.plan is not None
        self.state, effects = called(self.plan, self.state, what, view, word)
        self.effects.append(effects)

    @rule(
        after_ms=st.integers(1, 3000),
        share=st.floats(-0.2, 1.2),
        voltage_v=st.floats(4.5, 9.5),
        regulation=st.sampled_from(("cc", "cv", "unknown")),
    )
    def reads_the_cycler(self, after_ms: int, share: float, voltage_v: float, regulation: str) -> None:
        """Anything from nothing to a little more than was commanded."""
        assert self.state is not None
        self.t_ns += after_ms * 1_000_000
        drive = self.state.step.drive
        current_a = 0.0 if drive is None else share * drive.current_a
        self.cycler = CyclerSample(self.t_ns, voltage_v, current_a, drive is not None, regulation)
        self.hand("advance")

    @rule(
        after_ms=st.integers(0, 1500),
        cells=st.lists(st.floats(2.5, 4.3), min_size=0, max_size=2),
        hot_c=st.floats(20, 30),
    )
    def reads_the_bms(self, after_ms: int, cells: list[float], hot_c: float) -> None:
        self.t_ns += after_ms * 1_000_000
        self.bms = bms_sample(self.t_ns, np.array(cells), (hot_c, 25.0))
        self.hand("advance")

    @rule()
    def waits_for_the_clock(self) -> None:
        """To the instant that the engine asked for; not to the end of a step that nothing ends."""
        assert self.plan is not None
        assert self.state is not None
        due = due_ns(self.plan, self.state, self.t_ns)
        if due is not None and due - self.t_ns < 60 * S:
            assert due > self.t_ns
            self.t_ns = due
            self.hand("advance")

    @precondition(lambda self: self.state is not None and isinstance(self.state.step.running, Pause))
    @rule(word=st.sampled_from(("ok", "no", "never heard of")))
    def is_answered(self, word: str) -> None:
        self.hand("answer", word)

    @precondition(lambda self: len(self.calls) > 15)
    @rule()
    def is_stopped(self) -> None:
        self.hand("stop")

    @invariant()
    def nothing_is_commanded_beyond_the_limits(self) -> None:
        for effect in self.effects[-1] if self.effects else ():
            if isinstance(effect, Drive):
                assert -MOST.discharge_current_a * (1 + 1e-6) <= effect.current_a <= MOST.charge_current_a * (1 + 1e-6)
                if effect.current_a:
                    assert MOST.voltage_min_v * (1 - 1e-6) <= effect.voltage_v <= MOST.voltage_max_v * (1 + 1e-6)

    @invariant()
    def a_directed_step_drives_its_own_way(self) -> None:
        if self.state is None or self.state.step.drive is None:
            return
        running, drive = self.state.step.running, self.state.step.drive
        if isinstance(running, ConstantCurrent | ConstantVoltage | ConstantPower):
            assert drive.current_a * running.sign >= 0.0

    @invariant()
    def steps_are_numbered_and_end_in_order_once(self) -> None:
        told = [effect for effects in self.effects for effect in effects]
        began = [effect.number for effect in told if isinstance(effect, StepBegan)]
        ended = [effect.record.number for effect in told if isinstance(effect, StepEnded)]
        assert began == list(range(1, len(began) + 1))
        assert ended == list(range(1, len(ended) + 1)), "each once, in order"
        assert len(began) - len(ended) <= 2, "the running one, and the one whose current has not gone yet"

    @invariant()
    def a_finished_run_is_finished(self) -> None:
        finishes = [at for at, effects in enumerate(self.effects) if any(isinstance(one, Finish) for one in effects)]
        assert len(finishes) <= 1
        if finishes:
            assert all(not effects for effects in self.effects[finishes[0] + 1 :])
            assert self.state is not None
            assert self.state.step.finished

    @invariant()
    def loops_and_rounds_stay_small(self) -> None:
        if self.state is not None and self.plan is not None:
            assert len(self.state.step.loop_counts) <= 1
            assert all(1 <= done < 3 for _, done in self.state.step.loop_counts)
            assert all(len(rounds) <= 2 for rounds in self.state.step.rounds.values())

    def teardown(self) -> None:
        """The same moments again come to the same effects."""
        if self.plan is None:
            return
        state: EngineState | None = None
        again: list[tuple[Effect, ...]] = []
        for what, view, word in self.calls:
            state, effects = called(self.plan, state, what, view, word)
            again.append(effects)
        assert repr(again) == repr(self.effects), "NaN is equal to itself here"


def called(
    plan: Plan, state: EngineState | None, what: str, view: Snapshot, word: str
) -> tuple[EngineState, tuple[Effect, ...]]:
    if state is None:
        return engine.start(plan, view, view.t_ns)
    if what == "answer":
        return engine.answer(plan, state, view, view.t_ns, word)
    if what == "stop":
        return engine.stop(plan, state, view, view.t_ns, "by hand")
    return engine.advance(plan, state, view, view.t_ns)


EngineMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestEngine = EngineMachine.TestCase
