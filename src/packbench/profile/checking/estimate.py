"""How long, how much, how hot: closed-form bounds of a plan, for `check` and a progress display.

Owns three walks through the plan (least, expected, most) with nothing but charge counting. Must not
simulate; the simulated curve is the composition root's business, and the full interval analysis
replaces the body of this module without changing its names.

The model, and every assumption in it [A]:
- The pack holds 50 %, 80 % or 110 % of its rated capacity (least, expected, most).
- Before the first step with current its state of charge is the one that makes that step shortest
  (least), half (expected), the one that makes it longest (most).
- A charge at I to full takes (C - q) / I; of what is missing, a share (0, 5, 20 %) flows in a
  CV phase or taper that decays exponentially from I to I_end: t = q_tail ln(I / I_end) / (I - I_end).
- A discharge to its cut-off empties the pack: q / I.
- `for`, step_time and step_ah conditions shorten a step. Any other condition (temperature, a voltage
  inside the working range) may end it at once (least) or never (most).
- A loop with an agreement runs the agreement's cycles (least, expected) or all its repeats (most).
- A step is never longer than its max_time.
- Heat: R x Ah (0.10, 0.20, 0.45 ohm Ah: new, aged, worn and cold, DC over minutes), 20 J/K per Ah,
  a time constant to ambient of 1.5 h (expected) and 3 h (most); ambient +-2 K (GB 38031-2025 6.3 [S]).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from packbench.config.chemistry import CHEMISTRIES
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.amounts import constant
from packbench.profile.plan import (
    AnyStep,
    Condition,
    ConstantCurrent,
    ConstantVoltage,
    DirectedStep,
    End,
    InstantStep,
    LoopEnd,
    Plan,
    Rest,
)

Case = Literal["min", "expected", "max"]

_CAPACITY: dict[Case, float] = {"min": 0.5, "expected": 0.8, "max": 1.1}
_TAIL: dict[Case, float] = {"min": 0.0, "expected": 0.05, "max": 0.2}
_OHM_AH: dict[Case, float] = {"min": 0.10, "expected": 0.20, "max": 0.45}
_TAU_S: dict[Case, float] = {"min": 0.0, "expected": 5400.0, "max": 10800.0}
_AMBIENT_K: dict[Case, float] = {"min": -2.0, "expected": 0.0, "max": 2.0}
_HEAT_CAPACITY_J_K_AH = 20.0
_AMBIENT_DEFAULT_C = 25.0
_STEPS_MAX = 1_000_000
"""More executed steps than this are not walked: the bounds are then of that many."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A quantity in the least, the expected and the most unfavourable case."""

    min: float
    expected: float
    max: float


@dataclass(frozen=True, slots=True)
class StepBounds:
    """What one execution of a step will take; of several executions, all of them together."""

    label: str
    kind: str
    duration_s: Bounds
    charge_ah: Bounds
    """Signed, as in a step's record: positive charges the pack."""
    energy_wh: Bounds
    power_w: Bounds
    """The largest magnitude at any moment of it."""
    temperature_c: Bounds
    """The hottest sensor at any moment of it."""
    may_end: tuple[str, ...]
    """How it may end, as a step's record says it; a limiting cell is `a cell`."""
    fires: str | None
    """How it ends in every case; None: that depends on the pack."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan will take. Charge and energy are throughput: charged plus discharged, positive."""

    duration_s: Bounds
    charge_ah: Bounds
    energy_wh: Bounds
    temperature_c: Bounds
    """The hottest cell: in the least, expected and most unfavourable case."""
    step_duration_s: tuple[float, ...]
    """Expected duration of one execution of each step of the plan (loop ends and `end`: 0)."""
    steps: tuple[StepBounds, ...] = ()
    """One for each step of the plan that takes time, in the plan's order."""


@dataclass(slots=True)
class _Walk:
    """One case's way through the plan."""

    case: Case
    plan: Plan
    pack: PackSpec
    capacity_ah: float
    stored_ah: float
    duration_s: float = 0.0
    throughput_ah: float = 0.0
    rise_k: float = 0.0
    rise_max_k: float = 0.0
    per_step_s: list[float] = field(default_factory=list[float])
    per_step_ah: list[float] = field(default_factory=list[float])
    per_step_k: list[float] = field(default_factory=list[float])

    def run(self) -> None:
        steps = self.plan.steps
        self.per_step_s = [0.0] * len(steps)
        self.per_step_ah, self.per_step_k = [0.0] * len(steps), [0.0] * len(steps)
        rounds: dict[int, int] = {}
        index = executed = 0
        while index < len(steps) and executed < _STEPS_MAX:
            executed += 1
            step = steps[index]
            if isinstance(step, End):
                return
            if isinstance(step, LoopEnd):
                rounds[index] = rounds.get(index, 0) + 1
                if rounds[index] < self.repeats(step):
                    index = step.start
                    continue
                rounds[index] = 0
            elif not isinstance(step, InstantStep):
                self.step(step, index)
            index += 1

    def repeats(self, step: LoopEnd) -> int:
        return step.agreement.cycles if step.agreement is not None and self.case != "max" else step.repeat

    def step(self, step: AnyStep, index: int) -> None:
        before_ah = self.stored_ah
        if isinstance(step, ConstantCurrent | ConstantVoltage):
            seconds = self.charge(step) if step.sign > 0 else self.discharge(step)
        else:
            seconds = self.limited(step, 0.0 if self.case == "min" else step.max_time_ns / 1e9)
        self.warm(_current(step), seconds)
        self.per_step_s[index] = seconds
        self.per_step_ah[index] = self.stored_ah - before_ah
        self.per_step_k[index] = max(self.per_step_k[index], self.rise_k)
        self.duration_s += seconds

    def limited(self, step: AnyStep, seconds: float) -> float:
        """`seconds`, as the step's conditions and its max_time shorten it."""
        bounds = [end_s for condition in step.until if (end_s := _time(condition)) is not None]
        if isinstance(step, Rest) and bounds:
            seconds = min(bounds)
        for bound in bounds:
            seconds = min(seconds, bound)
        if self.case == "min" and any(_anytime(condition, self.pack) for condition in step.until):
            seconds = 0.0
        return min(seconds, step.max_time_ns / 1e9)

    def charge(self, step: ConstantCurrent | ConstantVoltage) -> float:
        missing_ah = self.capacity_ah - self.stored_ah
        end_a = _end_current(step)
        tail_ah = missing_ah * _TAIL[self.case] if end_a is not None else 0.0
        seconds = (missing_ah - tail_ah) / _current(step) * 3600.0
        if end_a is not None and tail_ah > 0.0 and end_a < _current(step):
            seconds += tail_ah * math.log(_current(step) / end_a) / (_current(step) - end_a) * 3600.0
        return self.moved(step, missing_ah, seconds, 1.0)

    def discharge(self, step: ConstantCurrent | ConstantVoltage) -> float:
        return self.moved(step, self.stored_ah, self.stored_ah / _current(step) * 3600.0, -1.0)

    def moved(self, step: ConstantCurrent | ConstantVoltage, charge_ah: float, seconds: float, sign: float) -> float:
        """Book a step that would move `charge_ah` in `seconds` if nothing cut it short."""
        allowed_s = self.limited(step, seconds)
        for condition in step.until:
            test = condition.alone
            if test is not None and test.variable == "step_ah" and test.rising:
                allowed_s = min(allowed_s, (constant(test.value) or 0.0) / _current(step) * 3600.0)
        moved_ah = charge_ah if allowed_s >= seconds else min(charge_ah, _current(step) * allowed_s / 3600.0)
        self.stored_ah += sign * moved_ah
        self.throughput_ah += moved_ah
        return allowed_s

    def warm(self, current_a: float, seconds: float) -> None:
        """Move the rise over ambient towards its steady value: first order, exact for constant heat."""
        tau_s = _TAU_S[self.case]
        if tau_s == 0.0:
            return
        rate_per_h = current_a / self.pack.rated_capacity_ah
        steady_k = rate_per_h**2 * _OHM_AH[self.case] / _HEAT_CAPACITY_J_K_AH * tau_s
        self.rise_k = steady_k + (self.rise_k - steady_k) * math.exp(-seconds / tau_s)
        self.rise_max_k = max(self.rise_max_k, self.rise_k)


def estimate_plan(plan: Plan, pack: PackSpec, bench: BenchSpec | None = None) -> Estimate:
    """Bounds of a plan's duration (s), throughput (Ah, Wh) and hottest cell (degC); see the module."""
    walks: dict[Case, _Walk] = {}
    first = next((step for step in plan.steps if isinstance(step, DirectedStep)), None)
    for case, fraction in _CAPACITY.items():
        capacity_ah = fraction * pack.rated_capacity_ah
        start_soc = 0.5
        if case != "expected":
            # Full makes a charge short and a discharge long.
            start_soc = 1.0 if (first is not None and first.sign < 0) == (case == "max") else 0.0
        walk = _Walk(case, plan, pack, capacity_ah, capacity_ah * start_soc)
        walk.run()
        walks[case] = walk
    nominal_v = CHEMISTRIES[pack.chemistry].nominal_v * pack.series
    ambient_c = bench.ambient_c if bench is not None else _AMBIENT_DEFAULT_C
    low, expected, high = walks["min"], walks["expected"], walks["max"]
    return Estimate(
        duration_s=Bounds(low.duration_s, expected.duration_s, high.duration_s),
        charge_ah=Bounds(low.throughput_ah, expected.throughput_ah, high.throughput_ah),
        energy_wh=Bounds(*(walk.throughput_ah * nominal_v for walk in (low, expected, high))),
        temperature_c=Bounds(*(ambient_c + _AMBIENT_K[walk.case] + walk.rise_max_k for walk in (low, expected, high))),
        step_duration_s=tuple(expected.per_step_s),
        steps=tuple(
            _row(step, index, walks, pack, ambient_c)
            for index, step in enumerate(plan.steps)
            if not isinstance(step, InstantStep | End)
        ),
    )


def _row(step: AnyStep, index: int, walks: dict[Case, _Walk], pack: PackSpec, ambient_c: float) -> StepBounds:
    nominal_v = CHEMISTRIES[pack.chemistry].nominal_v * pack.series
    cases = [walks[case] for case in _CAPACITY]
    seconds = sorted(walk.per_step_s[index] for walk in cases)
    moved = sorted(walk.per_step_ah[index] for walk in cases)
    power_w = _current(step) * pack.cell_full_v * pack.series
    ends = tuple(condition.text for condition in step.until)
    return StepBounds(
        label=step.label,
        kind=step.kind,
        duration_s=Bounds(*seconds),
        charge_ah=Bounds(*moved),
        energy_wh=Bounds(*(ah * nominal_v for ah in moved)),
        power_w=Bounds(0.0, power_w, power_w),
        temperature_c=Bounds(*(ambient_c + _AMBIENT_K[walk.case] + walk.per_step_k[index] for walk in cases)),
        may_end=ends,
        fires=ends[0] if len(ends) == 1 else None,
    )


def _current(step: AnyStep) -> float:
    if not isinstance(step, ConstantCurrent | ConstantVoltage):
        return 0.0
    return constant(step.current_a) or 1.0


def _time(condition: Condition) -> float | None:
    test = condition.alone
    if test is None or test.variable != "step_time" or not test.rising:
        return None
    return constant(test.value)


def _end_current(step: ConstantCurrent | ConstantVoltage) -> float | None:
    """The current at which a tail ends; None when the step has no tail."""
    ends: list[float] = []
    if isinstance(step, ConstantVoltage) and (end_a := constant(step.end_current_a)) is not None:
        ends.append(end_a)
    if step.cell_limit is not None and step.cell_limit.action == "taper":
        ends.append(constant(step.cell_limit.end_current_a) or 0.0)
    return min(ends) if ends else None


def _anytime(condition: Condition, pack: PackSpec) -> bool:
    """Whether a condition may end a step before charge counting says so."""
    test = condition.alone
    if test is None:
        return True
    if _time(condition) is not None or test.variable in ("step_ah", "step_wh"):
        return False
    scale = pack.series if test.variable == "voltage" else 1
    value = constant(test.value)
    if value is not None and test.variable in ("voltage", "cell_min", "cell_max"):
        bounds = (pack.cell_full_v * scale, pack.cell_cutoff_v * scale)
        return not any(math.isclose(value, bound, rel_tol=1e-6) for bound in bounds)
    return True
