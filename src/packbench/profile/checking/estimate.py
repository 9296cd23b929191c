"""How long, how much, how hot: bounds of a plan and of each of its steps, for `check` and a progress display.

Owns what a caller is told of the worst case. The analysis itself, with everything that it takes for granted, is
`worst`: it follows the plan with intervals, for packs of 50 to 110 % of the rated capacity, and once more for the
usual pack (expected). Must not simulate: the simulated curve is the composition root's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite

from packbench.core.limits import LIMIT_NAMES, LimitSet
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.checking.worst.assumed import World, worlds, worn
from packbench.profile.checking.worst.doubts import Refused
from packbench.profile.checking.worst.interval import ZERO, Interval, hull
from packbench.profile.checking.worst.seen import Seen
from packbench.profile.checking.worst.walk import Walk
from packbench.profile.plan import AnyStep, End, InstantStep, Plan

END_S = 3.0
"""Between the last step's end and the run's: its current settles within 2 s (engine/advance.py), and is then read."""


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
    """The hottest reading of any sensor."""
    may_end: tuple[str, ...]
    """How it may end, as a step's record says it; a limiting cell is `a cell`."""
    fires: str | None
    """How it ends in every case; None: that depends on the pack."""
    index: int = 0
    """Into the plan's steps, from 0."""
    overdue: bool = False
    """Its max_time may end the run before one of these ends is met."""
    may_pass: tuple[str, ...] = ()
    """Names of the limits in force that the worst pack may pass in it: safety would stop the run."""
    may_not_begin: bool = False
    """Its set-point may come to nothing, or beyond the limits, which ends the run."""
    refused: Refused | None = None
    """The set-point with which no pack can begin it, where one is known."""
    cannot_begin: bool = False
    """No pack can."""
    reached: bool = True
    """Some way leads to it."""
    worn_c: float = -inf
    """The hottest reading that is expected of a pack at its end of life."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan will take. Charge and energy are throughput: charged plus discharged, positive."""

    duration_s: Bounds
    charge_ah: Bounds
    energy_wh: Bounds
    temperature_c: Bounds
    """The hottest reading: in the least, expected and most unfavourable case."""
    step_duration_s: tuple[float, ...]
    """Expected duration of one execution of each step of the plan (0 where it takes no time)."""
    steps: tuple[StepBounds, ...] = ()
    """One for each step of the plan that takes time, in the plan's order."""


def estimate_plan(plan: Plan, pack: PackSpec, bench: BenchSpec | None = None) -> Estimate:
    """Bounds of a plan's duration (s), throughput (Ah, Wh) and hottest reading (degC), and those of its steps.

    What was asked last is remembered: one job asks for its warnings, its disk and its progress display.
    """
    for known in _recent:
        if known[0] is plan.steps and known[1] is plan.limits and known[2] is pack and known[3] is bench:
            return known[4]
    estimate = _estimated(plan, pack, bench)
    _recent.append((plan.steps, plan.limits, pack, bench, estimate))
    return estimate


_recent: deque[tuple[tuple[AnyStep, ...], LimitSet, PackSpec, BenchSpec | None, Estimate]] = deque(maxlen=2)


def forget() -> None:
    """Nothing that was asked is remembered: for whoever measures how long it takes."""
    _recent.clear()


def _estimated(plan: Plan, pack: PackSpec, bench: BenchSpec | None) -> Estimate:
    usual, cases_of = worlds(plan, pack, bench)
    cases = [_walked(world, plan, pack) for world in cases_of]
    expected = _walked(usual, plan, pack)
    worn_out = _walked(worn(usual), plan, pack)
    rows = tuple(
        _row(plan, index, cases, expected, worn_out)
        for index, step in enumerate(plan.steps)
        if not isinstance(step, InstantStep | End)
    )
    durations = [0.0] * len(plan.steps)
    for row in rows:
        durations[row.index] = row.duration_s.expected
    middle = expected.totals()
    return Estimate(
        duration_s=_bounds((case.totals().seconds for case in cases), middle.seconds, END_S),
        charge_ah=_bounds((case.totals().moved_ah for case in cases), middle.moved_ah),
        energy_wh=_bounds((case.totals().moved_wh for case in cases), middle.moved_wh),
        temperature_c=_bounds((case.hottest() for case in cases), expected.hottest()),
        step_duration_s=tuple(durations),
        steps=rows,
    )


def _walked(world: World, plan: Plan, pack: PackSpec) -> Walk:
    walk = Walk(world, plan, pack)
    walk.run()
    return walk


def _row(plan: Plan, index: int, cases: list[Walk], expected: Walk, worn_out: Walk) -> StepBounds:
    step = plan.steps[index]
    found = [seen for case in cases if (seen := case.seen.get(index)) is not None]
    usual, at_end = expected.seen.get(index), worn_out.seen.get(index)
    ends: dict[str, None] = {}
    for seen in found:
        ends |= seen.ends
    overdue = any(seen.overdue for seen in found)

    def bounds(name: str) -> Bounds:
        middle: Interval | None = None if usual is None else getattr(usual, name)
        return _bounds((getattr(seen, name) for seen in found), middle)

    return StepBounds(
        label=step.label,
        kind=step.kind,
        duration_s=bounds("duration_s"),
        charge_ah=bounds("charge_ah"),
        energy_wh=bounds("energy_wh"),
        power_w=bounds("power_w"),
        temperature_c=bounds("hottest_c"),
        may_end=tuple(ends),
        fires=next(iter(ends)) if len(ends) == 1 and not overdue else None,
        index=index,
        overdue=overdue,
        refused=next((wrong for case in cases if (wrong := case.refused.get(index)) is not None), None),
        cannot_begin=any(index in case.refused for case in cases) and not any(index in case.begun for case in cases),
        may_not_begin=any(index in case.unable for case in cases),
        may_pass=_passed(plan, index, cases[0].world, found),
        reached=bool(found),
        worn_c=-inf if at_end is None else at_end.hottest_c.hi,
    )


def _passed(plan: Plan, index: int, world: World, found: list[Seen]) -> tuple[str, ...]:
    """The limits that the worst of a step is beyond; a step may have tighter ones of its own."""
    names: list[str] = []
    for name in LIMIT_NAMES:
        stated = [limit for limits in (world.limits, plan.steps[index].protect) if (limit := getattr(limits, name))]
        values = [seen.beyond[name] for seen in found if name in seen.beyond]
        if not stated or not values:
            continue
        low = "_min_" in name
        if min(values) < max(stated) if low else max(values) > min(stated):
            names.append(name)
    return tuple(names)


def _bounds(values: Iterable[Interval], expected: Interval | None, more: float = 0.0) -> Bounds:
    """The hull of the cases; what is expected lies in it, half-way where nothing is."""
    whole: Interval | None = None
    for value in values:
        whole = value if whole is None else hull(whole, value)
    whole = ZERO if whole is None else whole
    middle = whole.middle if expected is None else expected.middle
    if not isfinite(middle):
        middle = whole.lo if isfinite(whole.lo) else 0.0
    high = whole.hi + more if whole.hi < inf else inf
    return Bounds(whole.lo, min(max(middle, whole.lo), high), high)
