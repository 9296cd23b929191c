"""A plan as phases: what every exporter begins with.

Owns what becomes of each of our steps: one quantity held, or two one after the other (a CC-CV step, a charge that
tapers at a cell), or nothing that a target could do. Must not know a format's keys.

A target has one voltage. Where it is a cell's (PyBaMM's model), every cell is that cell: the pack's voltage is the
cell's times their number, and what ends a step at any one cell ends it there. Where it is the pack's, a cell's end is
weakened to the voltage at which cells that are all alike would be there, and that is a loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from packbench.core.errors import InputError
from packbench.core.specs import PackSpec
from packbench.profile.amounts import Amount
from packbench.profile.checking.bounds import SLACK
from packbench.profile.exchange.ends import Ends, Steady, ends_of, note_clamp
from packbench.profile.exchange.leaving import Leaving, Target
from packbench.profile.exchange.outline import (
    PHASES_MAX,
    Account,
    Hold,
    Item,
    Level,
    Phase,
    Recording,
    Rounds,
    Sign,
    tidy,
)
from packbench.profile.exchange.tree import Body, Node, number, tree, varies
from packbench.profile.exchange.tree import Rounds as InRounds
from packbench.profile.exchange.waveforms import table, train
from packbench.profile.exchange.wording import time
from packbench.profile.plan import (
    NO_LIMITS,
    AnyStep,
    ChamberSet,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    DirectedStep,
    End,
    Goto,
    LoopEnd,
    Pause,
    Plan,
    Rest,
    SetVariables,
    Soak,
    TimedStep,
    Waveform,
)


def phases_of_plan(plan: Plan, pack: PackSpec, target: Target) -> tuple[tuple[Item, ...], Account]:
    """The plan in phases, and what stayed behind. Raises InputError for a loop that would come to too many."""
    maker = _Maker(plan, pack, Leaving(plan, target, pack.rated_capacity_ah))
    items = maker.walk(tree(plan.steps), {})
    if plan.result is not None:
        maker.leaving.lose(-1, "result", "what the result is made of", "steps alone: nothing is judged there")
    return tuple(items), maker.leaving.account


@dataclass(slots=True)
class _Maker:
    plan: Plan
    pack: PackSpec
    leaving: Leaving
    temperature_c: float | None = None
    """What the chamber was told last, in the order of execution."""

    # --- loops ----------------------------------------------------------------------------------

    def walk(self, nodes: tuple[Node, ...], rounds: InRounds) -> list[Item]:
        items: list[Item] = []
        for node in nodes:
            items += self._loop(node, rounds) if isinstance(node, Body) else self._step(node, rounds)
        return items

    def _loop(self, body: Body, rounds: InRounds) -> list[Item]:
        loop = self.plan.steps[body.end]
        assert isinstance(loop, LoopEnd)
        if loop.agreement is not None:
            self.leaving.lose(body.end, "until", "rounds that end when they agree", "a number of rounds alone")
        elif loop.until:
            self.leaving.lose(body.end, "until", loop.until[0].text, "a number of rounds alone")
        if varies(self.plan.steps, body):
            items: list[Item] = []
            for round_ in range(loop.repeat):
                items += self.walk(body.nodes, {**rounds, body.end: round_})
                if len(items) > PHASES_MAX:
                    found, expected = "a loop of too many steps", f"at most {PHASES_MAX}, its rounds written out"
                    raise InputError(self.leaving.pen(body.end).write("", "too long", found, expected))
            return items
        before_c = self.temperature_c
        first = self.walk(body.nodes, rounds)
        if self.temperature_c == before_c:
            return self._rounds(loop, body, first, loop.repeat)
        # The chamber is elsewhere when the second round begins: from then on all rounds are alike.
        return [*first, *self._rounds(loop, body, self.walk(body.nodes, rounds), loop.repeat - 1)]

    def _rounds(self, loop: LoopEnd, body: Body, items: list[Item], repeat: int) -> list[Item]:
        if not items or repeat < 1:
            return []
        return [Rounds(repeat=repeat, items=tuple(items), label=loop.label, origin=(body.end,))]

    # --- steps ----------------------------------------------------------------------------------

    def _step(self, index: int, rounds: InRounds) -> list[Item]:
        step = self.plan.steps[index]
        if isinstance(step, TimedStep):
            self._of_its_own(index, step)
        match step:
            case Rest():
                return self._ended(index, step, self._ends(index, step, rounds), self._phase("rest", index, step))
            case Soak():
                return self._soak(index, step, rounds)
            case ConstantCurrent():
                return self._current(index, step, rounds)
            case ConstantVoltage():
                return self._voltage(index, step, rounds)
            case ConstantPower():
                return self._power(index, step, rounds)
            case ConstantResistance():
                return self._resistance(index, step, rounds)
            case Waveform():
                return self._waveform(index, step, rounds)
            case ChamberSet():
                self._chamber(index, step.temperature_c, rounds)
            case End():
                self._end(index, step)
            case Pause() | SetVariables() | Goto() | LoopEnd():
                self.leaving.lose(index, "", f"a {step.kind} step", "steps one after the other, and loops")
        return []

    def _of_its_own(self, index: int, step: TimedStep) -> None:
        """What a step says beside what it does."""
        if step.protect != NO_LIMITS:
            self.leaving.lose(index, "protect", "limits of a single step", "steps without limits of their own")
        if self.leaving.states(index, "max_time"):
            found = f"{time(step.max_time_ns)} after which the run is aborted"
            self.leaving.lose(index, "max_time", found, self.leaving.target.knows)
        rule = step.record
        parts = (
            ("dV", rule.dv_v is not None and not self.leaving.target.records_changes, "at a change of voltage"),
            ("dI", rule.di_a is not None and not self.leaving.target.records_changes, "at a change of current"),
            ("dT", rule.dt_k is not None, "at a change of temperature"),
            ("around", rule.around is not None, "finer around a change of the set-point"),
        )
        owner = index if self.leaving.states(index, "record") else -1
        for key, is_lost, what in parts:
            if is_lost:
                self.leaving.lose(owner, f"record.{key}", f"a sample {what}", "samples at a steady pace")

    def _phase(self, hold: Hold, index: int, step: AnyStep, sign: Sign = 0) -> Phase:
        rule = step.record
        label = step.label if self.leaving.states(index, "label") else ""
        return Phase(
            hold=hold,
            sign=sign,
            recording=Recording(rule.dt_ns, rule.dv_v, rule.di_a),
            temperature_c=self.temperature_c,
            label=label,
            origin=(index,),
        )

    def _ends(self, index: int, step: AnyStep, rounds: InRounds, steady: Steady | None = None) -> Ends:
        return ends_of(index, step, self.leaving, self.pack.series, rounds, steady)

    def _ended(self, index: int, step: AnyStep, ends: Ends, phase: Phase) -> list[Item]:
        """The phase with its ends; nothing, when it is over at once or would never be."""
        if ends.time_ns is not None and ends.time_ns <= 0:
            self.leaving.remark(index, "", "left out: it ends as it begins")
            return []
        ended = ends.on(phase)
        if not ended.has_end:
            self.leaving.lose(index, "", f"a {step.kind} step with no end left", self.leaving.target.knows)
            return []
        return [ended]

    def _soak(self, index: int, step: Soak, rounds: InRounds) -> list[Item]:
        self._chamber(index, step.temperature_c, rounds)
        found = f"waiting until every sensor is within {step.within_k:g} K"
        self.leaving.lose(index, "within", found, "a rest for a time")
        ends = self._ends(index, step, rounds)
        ends.after(step.stable_ns)
        return self._ended(index, step, ends, self._phase("rest", index, step))

    def _chamber(self, index: int, temperature: Amount | None, rounds: InRounds) -> None:
        if not self.leaving.target.has_temperature:
            self.leaving.lose(index, "temperature", "a chamber's temperature", "no temperature")
        elif temperature is None:
            self.temperature_c = None
        else:
            self.temperature_c = self.leaving.known(index, "temperature", temperature, rounds)

    def _end(self, index: int, step: End) -> None:
        if step.verdict != "pass" or index != len(self.plan.steps) - 1:
            self.leaving.lose(index, "", f"an end with verdict {step.verdict}", "the end of the last step")
        elif step.reason_en or step.reason_zh:
            self.leaving.lose(index, "reason", "the reason of an end", "the end of the last step")

    # --- with current ---------------------------------------------------------------------------

    def _current(self, index: int, step: ConstantCurrent, rounds: InRounds) -> list[Item]:
        level = self.leaving.level(index, "current", step.current_a, rounds)
        if level is None:
            return self._lost(index, step)
        steady = Steady("step_ah", level.current_a, f"{level.current_a:g} A")
        ends = self._ends(index, step, rounds, steady)
        return self._tapered(index, step, rounds, ends, replace(self._phase("current", index, step), current=level))

    def _power(self, index: int, step: ConstantPower, rounds: InRounds) -> list[Item]:
        power_w = self.leaving.known(index, "power", step.power_w, rounds)
        if power_w is None:
            return self._lost(index, step)
        ends = self._ends(index, step, rounds, Steady("step_wh", power_w, f"{power_w:g} W"))
        return self._tapered(index, step, rounds, ends, replace(self._phase("power", index, step), value=power_w))

    def _resistance(self, index: int, step: ConstantResistance, rounds: InRounds) -> list[Item]:
        ohm = self.leaving.known(index, "resistance", step.resistance_ohm, rounds)
        if ohm is None:
            return self._lost(index, step)
        ends = self._ends(index, step, rounds)
        note_clamp(index, step, self.leaving, ends, rounds)
        return self._ended(index, step, ends, replace(self._phase("resistance", index, step, step.sign), value=ohm))

    def _waveform(self, index: int, step: Waveform, rounds: InRounds) -> list[Item]:
        phase = self._phase("rest", index, step)
        if step.kind == "pulse":
            items = train(index, step, phase, self.leaving, rounds)
        else:
            items = table(index, step, phase, self.leaving, rounds, self._ends(index, step, rounds))
        return items if items is not None else self._lost(index, step)

    def _lost(self, index: int, step: AnyStep) -> list[Item]:
        self.leaving.lose(index, "", f"a {step.kind} step without a number", self.leaving.target.knows)
        return []

    def _tapered(
        self, index: int, step: ConstantCurrent | ConstantPower, rounds: InRounds, ends: Ends, phase: Phase
    ) -> list[Item]:
        """A current or a power, and the voltage that a taper at a cell comes to when all cells are alike."""
        phase = replace(phase, sign=step.sign)
        limit = self._cell_limit(index, step, rounds)
        if limit is None:
            note_clamp(index, step, self.leaving, ends, rounds)
            return self._ended(index, step, ends, phase)
        at_v, end = limit
        is_first = ends.above_v is None or at_v < ends.above_v * (1 - SLACK)
        ends.above(at_v)
        note_clamp(index, step, self.leaving, ends, rounds)
        if end is None or not is_first:
            return self._ended(index, step, ends, phase)
        self._no_time(index, ends)
        held = replace(phase, hold="voltage", value=at_v, falls_to=end, recording=phase.recording, is_joined=True)
        return [ends.on(phase), held]

    def _voltage(self, index: int, step: ConstantVoltage, rounds: InRounds) -> list[Item]:
        held_v = self.leaving.known(index, "voltage", step.voltage_v, rounds)
        level = self.leaving.level(index, "current", step.current_a, rounds)
        if held_v is None or level is None:
            return self._lost(index, step)
        ends = self._ends(index, step, rounds)
        if step.end_current_a is not None:
            end = self.leaving.level(index, "end_current", step.end_current_a, rounds)
            if end is not None:
                ends.fall(end)
        limit = self._cell_limit(index, step, rounds)
        if limit is not None and limit[0] < held_v * (1 - SLACK):
            held_v = limit[0]
            if limit[1] is None:
                ends.above(held_v)
            else:
                ends.fall(limit[1])
        return self._led(index, step, tidy(held_v), level, ends)

    def _led(self, index: int, step: ConstantVoltage, held_v: float, level: Level, ends: Ends) -> list[Item]:
        """The current up to the voltage, then the voltage."""
        phase = replace(self._phase("voltage", index, step, step.sign), value=held_v, current=level)
        reached = ends.above_v if step.sign > 0 else ends.below_v
        is_over = reached is not None and (
            reached <= held_v * (1 + SLACK) if step.sign > 0 else reached >= held_v * (1 - SLACK)
        )
        if not is_over:  # while the voltage is held, one beyond it is never met
            ends.above_v, ends.below_v = (None, ends.below_v) if step.sign > 0 else (ends.above_v, None)
        follows = self._is_led_by(index, held_v, level, step.sign)
        if step.kind.startswith("cv_") and (follows or ends.time_ns is not None) and not is_over:
            if not follows:
                found = f"at most {level.current_a:g} A while a voltage is held"
                self.leaving.lose(index, "current", found, "a current that is not limited then")
                phase = replace(phase, current=None)
            return self._ended(index, step, ends, phase)
        lead = Ends(time_ns=ends.time_ns if is_over else None)
        (lead.above if step.sign > 0 else lead.below)(reached if is_over and reached is not None else held_v)
        current = lead.on(replace(phase, hold="current", value=0.0))
        if is_over:
            return [current]
        self._no_time(index, ends)
        if ends.falls_to is None and ends.below_v is None and ends.above_v is None:
            self.leaving.lose(index, "", f"a {step.kind} step with no end left", self.leaving.target.knows)
            return []
        return [current, ends.on(replace(phase, is_joined=True))]

    def _is_led_by(self, index: int, held_v: float, level: Level, sign: int) -> bool:
        """Whether the step before comes to this voltage with this current: the hold begins where it ends."""
        steps = self.plan.steps
        begins_a_round = any(isinstance(step, LoopEnd) and step.start == index for step in steps)
        before = steps[index - 1] if index > 0 and not begins_a_round else None
        if not isinstance(before, ConstantCurrent) or before.sign != sign:
            return False
        bounds = [
            number(test.value, {})
            for condition in before.until
            if (test := condition.alone) is not None and test.variable == "voltage" and test.rising == (sign > 0)
        ]
        return number(before.current_a, {}) == level.current_a and held_v in [tidy(v) for v in bounds if v is not None]

    def _no_time(self, index: int, ends: Ends) -> None:
        """Two phases have no time in common."""
        if ends.time_ns is not None:
            where = "for" if self.leaving.states(index, "for") else "until"
            found = f"{time(ends.time_ns)} for the current and the voltage together"
            self.leaving.lose(index, where, found, "a time for each of the two")
            ends.time_ns = None

    def _cell_limit(self, index: int, step: DirectedStep, rounds: InRounds) -> tuple[float, Level | None] | None:
        """Where a cell ends a charge, as the pack's voltage, and at which current its taper ends."""
        limit = None if isinstance(step, ConstantResistance) else step.cell_limit
        if limit is None:
            return None
        if self.pack.series > 1 and not self.leaving.target.is_one_cell:
            found = f"to {limit.action} at a cell's limit"
            self.leaving.lose(index, "on_cell_limit", found, "the whole pack's voltage: a full cell goes further there")
        at_v = self.leaving.known(index, "on_cell_limit.at", limit.voltage_v, rounds)
        if at_v is None:
            return None
        if limit.action == "end":
            return tidy(at_v * self.pack.series), None
        end = self.leaving.level(index, "on_cell_limit.end_current", limit.end_current_a, rounds)
        return tidy(at_v * self.pack.series), end
