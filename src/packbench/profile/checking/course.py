"""What a reviewer would remark on in the order of steps: rests, what a result needs before it, what is read too soon.

Owns the warnings about steps and those before them, each with its source: [S] a secondary source of the standard's
text, [M] ours.
"""

from __future__ import annotations

from collections.abc import Callable

from packbench.core.errors import Problem
from packbench.core.specs import PackSpec
from packbench.profile.amounts import Past, Read, constant
from packbench.profile.checking.bounds import SLACK
from packbench.profile.checking.ends import lasting_ns
from packbench.profile.checking.flow import successors
from packbench.profile.checking.formulas import uses_of
from packbench.profile.checking.pen import Pen
from packbench.profile.plan import (
    AnyStep,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    DirectedStep,
    DrivenStep,
    InstantStep,
    Plan,
    Rest,
    SetVariables,
    Soak,
    Waveform,
)

REST_PACK_NS = 30 * 60 * 1_000_000_000
"""GB 38031-2025 7.2.2: 30 min between charge and discharge of a pack [S]."""
REST_CELL_NS = 60 * 60 * 1_000_000_000
"""GB 38031-2025 7.1.1: 1 h for a cell [S]."""
_OPEN_CIRCUIT = ("ocv", "open_circuit")
"""How a variable's name begins that is meant to hold a voltage at rest."""


class Course:
    """A plan with the steps that may come directly before each one; those that take no time are passed over."""

    def __init__(self, plan: Plan, pack: PackSpec) -> None:
        self.plan = plan
        self.pack = pack
        self._before: list[set[int]] = [set() for _ in plan.steps]
        for index, step in enumerate(plan.steps):
            for after in successors(step, index):
                if after < len(plan.steps):
                    self._before[after].add(index)

        self._first = self._beginnings()

    def _beginnings(self) -> set[int]:
        """The steps that take time and may be the run's first."""
        found, seen, waiting = set[int](), set[int](), [0]
        while waiting:
            index = waiting.pop()
            if index in seen or index >= len(self.plan.steps):
                continue
            seen.add(index)
            step = self.plan.steps[index]
            if isinstance(step, InstantStep):
                waiting += successors(step, index)
            else:
                found.add(index)
        return found

    def warnings(self) -> list[Problem]:
        """Every remark on the order of steps."""
        found: list[Problem] = []
        for index, step in enumerate(self.plan.steps):
            pen = Pen(index, self.plan.source_file, self.plan.places)
            if isinstance(step, Rest):
                found += self._short_rest(step, index, pen)
            elif isinstance(step, Waveform):
                found += self._pulse_in_motion(step, index, pen)
            elif isinstance(step, SetVariables):
                found += self._open_circuit(step, index, pen)
        return found + self._result()

    def before(self, index: int) -> list[int]:
        """The steps that take time and may come directly before one."""
        found: list[int] = []
        seen, waiting = {index}, list(self._before[index])
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if isinstance(self.plan.steps[one], InstantStep):
                waiting += self._before[one]
            else:
                found.append(one)
        return sorted(found)

    def _least_ns(self) -> tuple[int, str]:
        if self.pack.series > 1:
            return REST_PACK_NS, "GB 38031-2025 7.2.2, a pack [S]"
        return REST_CELL_NS, "GB 38031-2025 7.1.1, a cell [S]"

    def _short_rest(self, step: Rest, index: int, pen: Pen) -> list[Problem]:
        """A rest after a step with current that is shorter than the standard's."""
        if self.plan.result is None:
            return []  # a profile without a result measures nothing that a rest could spoil
        if not any(isinstance(self.plan.steps[one], DrivenStep) for one in self.before(index)):
            return []
        least_ns, clause = self._least_ns()
        lasts_ns = lasting_ns(step)
        if lasts_ns >= least_ns:
            return []
        expected = f"at least {least_ns / 60e9:g} min ({clause})"
        return [pen.write("", "short rest", f"{lasts_ns / 60e9:g} min", expected)]

    def _pulse_in_motion(self, step: Waveform, index: int, pen: Pen) -> list[Problem]:
        """A resistance that is read from a voltage which still moves after another current."""
        first = next((at for at, segment in enumerate(step.segments) if segment.read_outs_ns), None)
        if first is None or any(constant(segment.value) == 0.0 for segment in step.segments[:first]):
            return []
        moving = [one for one in self.before(index) if isinstance(self.plan.steps[one], DrivenStep)]
        if not moving or first > 0:
            return []
        label = self.plan.steps[moving[0]].label
        found = f"read-outs directly after {label!r}"
        return [pen.write("", "no rest before a pulse", found, "a rest before it (30 min: ISO 12405-4:2018 [C])")]

    def _open_circuit(self, step: SetVariables, index: int, pen: Pen) -> list[Problem]:
        """A voltage called open-circuit that is read while it still moves."""
        found: list[Problem] = []
        for use in uses_of(step):
            if not use.attribute.startswith(_OPEN_CIRCUIT):
                continue
            if isinstance(use.leaf, Past) and use.leaf.quantity == "voltage":
                moving = [use.leaf.step] if isinstance(self.plan.steps[use.leaf.step], DrivenStep) else []
            elif isinstance(use.leaf, Read) and use.leaf.name.startswith(("voltage", "cell_")):
                moving = [one for one in self.before(index) if isinstance(self.plan.steps[one], DrivenStep)]
            else:
                continue
            if moving:
                text = f"the voltage at the end of {self.plan.steps[moving[0]].label!r}"
                expected = f"the voltage after a rest ({self._least_ns()[1]})"
                found.append(pen.write(use.attribute, "no rest before an open-circuit voltage", text, expected))
        return found

    # --- the result -----------------------------------------------------------------------------

    def _result(self) -> list[Problem]:
        result, found = self.plan.result, list[Problem]()
        if result is None:
            return found
        index, pen = result.capacity_step, Pen(-1, self.plan.source_file, self.plan.places)
        gated = result.temperature_min_c is not None and result.temperature_max_c is not None
        if not gated and not self._conditioned(index):
            expected = "temperature: [17 degC, 37 degC] in the result, or a soak before it (GB 38031-2025 6.1.1 [S])"
            found.append(pen.write("result", "a result at any temperature", "no temperature for it", expected))
        step = self.plan.steps[index]
        if isinstance(step, DirectedStep) and (other := self._not_full(index)) is not None:
            expected = "a charge to pack_full or cell_full before it (GB 38031-2025 7.1.2 [S])"
            here = Pen(index, self.plan.source_file, self.plan.places)
            found.append(here.write("", "a result from a pack that may not be full", other, expected))
        return found

    def _conditioned(self, index: int) -> bool:
        """Whether every way to a step soaks the pack, or waits for its temperature, since the last current."""
        return self._reaches(index, _waits_for_temperature) is None

    def _not_full(self, index: int) -> str | None:
        """What comes before a discharge other than a full charge; None: nothing does."""
        wrong = self._reaches(index, lambda step: _fills(step, self.pack))
        if wrong is None:
            return None
        return (
            "nothing charges the pack before it" if wrong < 0 else f"{self.plan.steps[wrong].label!r} comes before it"
        )

    def _reaches(self, index: int, good: Callable[[AnyStep], bool]) -> int | None:
        """A step with current, or the beginning (-1), that some way comes from without a good step; None: none does."""
        seen, waiting = set[int](), [index]
        while waiting:
            here = waiting.pop()
            if here in self._first:
                return -1
            for one in self.before(here):
                if one in seen:
                    continue
                seen.add(one)
                step = self.plan.steps[one]
                if good(step):
                    continue
                if isinstance(step, DrivenStep):
                    return one
                waiting.append(one)
        return None


def _waits_for_temperature(step: AnyStep) -> bool:
    """Whether a step goes on only when the pack has a temperature."""
    if isinstance(step, Soak):
        return True
    tests = [test for until in step.until if until.goto is None for test in until.tests]
    return isinstance(step, Rest) and any(test.variable.startswith("temperature") for test in tests)


def _fills(step: AnyStep, pack: PackSpec) -> bool:
    """Whether a charge goes on until the pack is full."""
    if not isinstance(step, ConstantCurrent | ConstantVoltage | ConstantPower) or step.sign < 0:
        return False
    full = {"cell_max": pack.cell_full_v, "cell_any": pack.cell_full_v, "voltage": pack.cell_full_v * pack.series}
    ends = [(test.variable, constant(test.value)) for until in step.until if until.goto is None for test in until.tests]
    if any(variable not in full for variable, _ in ends):
        return False  # a time or a charge may end it before
    if isinstance(step, ConstantVoltage) and step.end_current_a is not None:
        ends.append(("voltage", constant(step.voltage_v)))
    if step.cell_limit is not None:
        ends.append(("cell_max", constant(step.cell_limit.voltage_v)))
    return bool(ends) and all(value is None or value >= full[variable] * (1 - SLACK) for variable, value in ends)
