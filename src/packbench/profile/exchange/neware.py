"""A plan as the step program of a cycler that runs it by itself.

Owns what such a cycler can be asked to do, and refuses the rest by name: nothing is left out silently.
It sees its own terminals alone, ends a step at a voltage, a current, a charge or a time, and goes on to
the next one. Cells and temperatures are the BMS's, so a step that ends by them needs a cycler that is
stepped; the safety rules go on watching both, and stop the program as a whole.

Not part of the program, and left to whoever supervises it: a step's longest time, and the verdict.

Voltages of a plan are the pack's; those of a program are at the cycler's sense point, by the cable's drop
away while current flows.
"""

from __future__ import annotations

from packbench.core.errors import InputError, Problem
from packbench.core.limits import Limits
from packbench.core.step_program import (
    CccvStep,
    CcStep,
    CycleStep,
    ProgramStep,
    Protections,
    Recording,
    RestStep,
    StepProgram,
)
from packbench.profile.amounts import Amount, Formula
from packbench.profile.checking.pen import Pen
from packbench.profile.plan import (
    NO_LIMITS,
    AnyStep,
    ConstantCurrent,
    ConstantVoltage,
    End,
    LoopEnd,
    Plan,
    Rest,
    Test,
)

_THERE = "what a cycler that runs programs by itself can do"


def to_step_program(
    plan: Plan, limits: Limits, *, cable_ohm: float = 0.0, current_tolerance_a: float = 0.0
) -> StepProgram:
    """The plan as a step program, with the run's limits as the cycler's own protections.

    Raises InputError with everything that it cannot carry, each at its place in the profile.

    Args:
        plan: The compiled profile.
        limits: The run's effective limits; those of voltage and current become the program's protections.
        cable_ohm: Resistance between the cycler's sense point and the pack; 0 with sense leads at the pack.
        current_tolerance_a: How far a current may be from its set-point: one that is set to its limit must not be
            taken for one that is beyond it.
    """
    translator = _Translator(plan, limits, cable_ohm)
    steps = tuple(translator.step(index, step) for index, step in enumerate(plan.steps))
    if all(isinstance(step, End) for step in plan.steps):
        translator.refuse("", "a profile without a step", "a step before its end")
    if translator.problems:
        raise InputError(translator.problems)
    return StepProgram(
        plan.name,
        tuple(step for step in steps if step is not None),
        Protections(
            voltage_max_v=limits.pack_voltage_max_v,
            voltage_min_v=limits.pack_voltage_min_v,
            charge_current_max_a=limits.charge_current_max_a + current_tolerance_a,
            discharge_current_max_a=limits.discharge_current_max_a + current_tolerance_a,
        ),
        _recording(plan),
    )


def _recording(plan: Plan) -> Recording:
    """One rule for the whole program: the finest of the steps', so that every row they want is there."""
    rules = [step.record for step in plan.steps if not isinstance(step, LoopEnd | End)]
    changes_v = [rule.dv_v for rule in rules if rule.dv_v is not None]
    changes_a = [rule.di_a for rule in rules if rule.di_a is not None]
    period_ns = min(rule.dt_ns for rule in rules)
    return Recording(period_ns / 1e9, min(changes_v, default=None), min(changes_a, default=None))


class _Ends:
    """What ends one step, once its conditions have been sorted."""

    __slots__ = ("capacity_ah", "current_a", "time_s", "voltage_v")

    def __init__(self) -> None:
        self.voltage_v: float | None = None
        self.time_s: float | None = None
        self.capacity_ah: float | None = None
        self.current_a: float | None = None


class _Translator:
    """Step by step; problems are gathered, and a step that has one gives None."""

    def __init__(self, plan: Plan, limits: Limits, cable_ohm: float) -> None:
        self.problems: list[Problem] = []
        self._plan = plan
        self._limits = limits
        self._cable_ohm = cable_ohm
        self._pen = Pen(-1, plan.source_file, plan.places)

    def step(self, index: int, step: AnyStep) -> ProgramStep | None:
        """One step of the program; None for an end, and for one that cannot be carried."""
        self._pen = Pen(index, self._plan.source_file, self._plan.places)
        if step.protect != NO_LIMITS:
            self.refuse("protect", "limits of a single step", "limits of the whole profile")
        match step:
            case Rest():
                ends = self._ends(step, rising=None)
                if ends.time_s is None:
                    self.refuse("", "a rest without a time", "for: 30 min")
                    return None
                return RestStep(ends.time_s)
            case ConstantCurrent():
                return self._constant_current(step, charge=step.sign > 0)
            case ConstantVoltage(kind="cccv_charge"):
                return self._cccv(step)
            case LoopEnd():
                if step.agreement is not None:
                    self.refuse("until", "a loop that ends when capacities agree", "a loop with repeat alone")
                elif step.until:
                    self.refuse("until", "a loop that ends by a condition", "a loop with repeat alone")
                return CycleStep(step.start + 1, step.repeat)
            case End():
                last = index == len(self._plan.steps) - 1
                if not last or step.verdict != "pass":
                    self.refuse("", f"an end with verdict {step.verdict}", "one end, the last step, verdict pass")
                return None
            case _:
                self.refuse("", f"a {step.kind} step", _THERE)
                return None

    def _constant_current(self, step: ConstantCurrent, *, charge: bool) -> ProgramStep | None:
        ends = self._ends(step, rising=charge)
        self._no_cell_limit(step)
        if ends.current_a is not None:
            self.refuse("until", "a constant current that ends by its current", "a voltage, a charge or a time")
        clamp_v, current_a = self._number("clamp", step.clamp_voltage_v), self._number("current", step.current_a)
        # Such a cycler ends a step at a voltage, where one that is stepped holds its clamp and goes on.
        if ends.voltage_v is None or (ends.voltage_v > clamp_v if charge else ends.voltage_v < clamp_v):
            expected = f"until: voltage {'>=' if charge else '<='} a value up to the clamp, {clamp_v:g} V"
            self.refuse("until", "a step that may come to its clamp and go on", expected)
            return None
        end_v = self._at_terminals(ends.voltage_v, current_a if charge else -current_a)
        return CcStep("charge" if charge else "discharge", current_a, end_v, ends.time_s, ends.capacity_ah)

    def _cccv(self, step: ConstantVoltage) -> ProgramStep | None:
        ends = self._ends(step, rising=True)
        self._no_cell_limit(step)
        voltage_v, current_a = self._number("voltage", step.voltage_v), self._number("current", step.current_a)
        if ends.voltage_v is not None and ends.voltage_v <= voltage_v:
            self.refuse("until", "a CC-CV charge that ends by a voltage", "its end_current, a charge or a time")
        end_a = self._number("end_current", step.end_current_a or 0.0)
        end_a = end_a if ends.current_a is None else max(end_a, ends.current_a)
        # The drop of the end current: the pack ends at its voltage, and is below it until then.
        held_v = self._at_terminals(voltage_v, end_a)
        return CccvStep(current_a, held_v, end_a, ends.time_s, ends.capacity_ah)

    def _number(self, attribute: str, amount: Amount) -> float:
        """An amount that is known before the run; a formula is none that such a cycler could work out."""
        if isinstance(amount, Formula):
            self.refuse(attribute, amount.text, "a number: such a cycler computes nothing")
            return 1.0
        return amount

    def _at_terminals(self, pack_v: float, current_a: float) -> float:
        """A pack voltage at the cycler's sense point, within the run's limits, which are its protections there."""
        terminal_v = pack_v + current_a * self._cable_ohm
        low_v, high_v = self._limits.pack_voltage_min_v, self._limits.pack_voltage_max_v
        if not low_v < terminal_v < high_v:
            found, expected = f"{terminal_v:g} V at the cycler", f"{low_v:g} to {high_v:g} V"
            self.problems.append(self._pen.write("until", "beyond the limits in force", found, expected))
        return terminal_v

    def _no_cell_limit(self, step: ConstantCurrent | ConstantVoltage) -> None:
        if step.cell_limit is not None:
            self.refuse("on_cell_limit", f"to {step.cell_limit.action} at a cell's limit", _THERE)

    def _ends(self, step: AnyStep, *, rising: bool | None) -> _Ends:
        """The conditions that the cycler sees itself; every other one is refused. `rising`: None for a rest."""
        ends = _Ends()
        for position, condition in enumerate(step.until):
            where = f"until.{position}"
            test = condition.alone
            if condition.goto is not None:
                self.refuse(where, f"{condition.text}, with a goto", "the next step")
            elif condition.for_ns:
                self.refuse(where, f"{condition.text} for {condition.for_ns / 1e9:g} s", "an end at once")
            elif test is None or not _sort(test, self._number(where, test.value), ends, rising):
                self.refuse(where, condition.text, _THERE)
        return ends

    def refuse(self, attribute: str, found: str, expected: str) -> None:
        """Note what cannot be carried, at the step being translated."""
        self.problems.append(self._pen.write(attribute, "a step program cannot carry this", found, expected))


def _sort(test: Test, value: float, ends: _Ends, rising: bool | None) -> bool:
    """Put one condition where it belongs; False: no such end is known to the cycler.

    Of several of a kind the one that comes first counts. What cannot come about (a voltage that a charge
    starts below and would have to fall under) is none of the cycler's ends either.
    """
    upward = test.rising
    match test.variable:
        case "step_time" if upward:
            ends.time_s = value if ends.time_s is None else min(ends.time_s, value)
        case "step_ah" if upward and rising is not None:
            ends.capacity_ah = value if ends.capacity_ah is None else min(ends.capacity_ah, value)
        case "voltage" if rising is not None and upward == rising:
            nearer = min if rising else max
            ends.voltage_v = value if ends.voltage_v is None else nearer(ends.voltage_v, value)
        case "current" if not upward and rising:
            ends.current_a = value if ends.current_a is None else max(ends.current_a, value)
        case _:
            return False
    return True
