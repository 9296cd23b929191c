"""The static check: what is wrong with a plan for this pack and this bench, before current flows.

Owns the whole verdict: the judgements of `setpoints` with all of the run's limits, the structure
(again: a plan may have been made by other hands than the compiler's), what the cycler can do, and
the warnings a reviewer would raise. Must not simulate (that is `app`) nor estimate (`estimate`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from packbench.config.validation import sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LIMIT_NAMES, Limits, LimitSet, merge_limits
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.amounts import constant
from packbench.profile.checking.bounds import SLACK, limit_problems
from packbench.profile.checking.flow import flow_problems
from packbench.profile.checking.pen import Pen
from packbench.profile.checking.setpoints import step_problems
from packbench.profile.plan import (
    AnyStep,
    ConstantCurrent,
    ConstantVoltage,
    DirectedStep,
    DrivenStep,
    End,
    InstantStep,
    Pause,
    Plan,
    Rest,
)

RECORD_MAX_NS = 15_000_000_000
"""GB 38031-2025 6.4: log interval <= 15 s [S]."""
REST_PACK_NS = 30 * 60 * 1_000_000_000
"""GB 38031-2025 7.2.2: 30 min between charge and discharge of a pack [S]."""
REST_CELL_NS = 60 * 60 * 1_000_000_000
"""GB 38031-2025 7.1.1: 1 h for a cell [S]."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. Errors refuse the run; warnings are for a reviewer."""

    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether the plan may run."""
        return not self.errors


def check_plan(plan: Plan, pack: PackSpec, bench: BenchSpec | None = None, limits: Limits | None = None) -> Report:
    """Check a plan statically.

    `limits` are the effective limits of this run; left out, they are merged from profile, pack and
    bench here. Without a bench only what concerns the pack is checked.
    """
    errors: list[Problem] = []
    file, places = plan.source_file, plan.places
    errors += limit_problems(plan.limits, -1, "limits", pack, file, places)
    if limits is None and bench is not None:
        limits, problems = _merged(plan, pack, bench)
        errors += problems
    layers = {"pack": pack.limits, "profile": plan.limits, **_layers(limits)}
    for index, step in enumerate(plan.steps):
        errors += step_problems(step, index, pack, layers, file, places)
        errors += limit_problems(step.protect, index, "protect", pack, file, places)
        if bench is not None:
            errors += _against_cycler(step, Pen(index, file, places), pack, bench)
    errors += flow_problems(plan)
    if bench is not None:
        errors += _pack_on_bench(pack, bench, Pen(-1, file, places))
    warnings = _warnings(plan, pack, bench)
    if bench is not None:
        warnings += _insulation_monitors(pack, bench, Pen(-1, file, places))
    return Report(tuple(sort_problems(errors)), tuple(sort_problems(warnings)))


def _merged(plan: Plan, pack: PackSpec, bench: BenchSpec) -> tuple[Limits | None, list[Problem]]:
    try:
        return merge_limits({"profile": plan.limits, "pack": pack.limits, **bench.limits}), []
    except InputError as error:
        return None, [replace(problem, file=plan.source_file) for problem in error.problems]


def _layers(limits: Limits | None) -> dict[str, LimitSet]:
    """Effective limits taken apart again into the layers they came from."""
    if limits is None:
        return {}
    origin = dict(limits.origin)
    layers: dict[str, dict[str, float]] = {}
    for name in LIMIT_NAMES:
        layers.setdefault(origin.get(name, "run"), {})[name] = getattr(limits, name)
    return {layer: LimitSet(**values) for layer, values in layers.items()}


def _against_cycler(step: AnyStep, pen: Pen, pack: PackSpec, bench: BenchSpec) -> list[Problem]:
    """Set-points within what the cycler can do."""
    if not isinstance(step, ConstantCurrent | ConstantVoltage):
        return []
    current_a = constant(step.current_a)
    if current_a is None:
        return []
    ratings, problems = bench.cycler.settings, list[Problem]()
    rated_a = ratings.get("rated_current_a")
    if rated_a is not None and current_a > rated_a * (1 + SLACK):
        expected = f"at most {rated_a:g} A, the rating of {bench.name}'s cycler"
        problems.append(pen.write("current", "set-point beyond a limit", f"{current_a:g} A", expected))
    held_v = constant(step.voltage_v) if isinstance(step, ConstantVoltage) and step.sign > 0 else None
    top_v = held_v if held_v is not None else pack.cell_full_v * pack.series
    power_w = current_a * top_v
    for most_w, whose in (
        (ratings.get("rated_power_w"), f"the rating of {bench.name}'s cycler"),
        (pack.max_power_w, "the pack's max_power"),
    ):
        if most_w is not None and power_w > most_w * (1 + SLACK):
            found = f"{current_a:g} A, at {top_v:g} V {power_w:.0f} W"
            problems.append(pen.write("current", "set-point beyond a limit", found, f"at most {most_w:g} W, {whose}"))
    return problems


def _pack_on_bench(pack: PackSpec, bench: BenchSpec, pen: Pen) -> list[Problem]:
    rated_v = bench.cycler.settings.get("rated_voltage_v")
    full_v = pack.cell_full_v * pack.series
    if rated_v is not None and full_v > rated_v:
        expected = f"at most {rated_v:g} V, the rating of {bench.name}'s cycler"
        return [pen.write("", "pack and bench do not match", f"a full pack of {full_v:g} V", expected)]
    return []


def _insulation_monitors(pack: PackSpec, bench: BenchSpec, pen: Pen) -> list[Problem]:
    """Each takes the other's measuring current for a leak."""
    if not pack.insulation_monitor or bench.meter is None:
        return []
    found = f"the pack's own, and {bench.name}'s {bench.meter.device}"
    return [pen.write("", "two insulation monitors active at once", found, "one of them switched off or disconnected")]


def _warnings(plan: Plan, pack: PackSpec, bench: BenchSpec | None) -> list[Problem]:
    warnings: list[Problem] = []
    for index, step in enumerate(plan.steps):
        pen = Pen(index, plan.source_file, plan.places)
        if isinstance(step, InstantStep | End | Pause):
            continue
        if step.record.dt_ns > RECORD_MAX_NS:
            found = f"a sample every {step.record.dt_ns / 1e9:g} s"
            warnings.append(pen.write("record.dt", "slow recording", found, "15 s or less (GB 38031-2025 6.4)"))
        if bench is not None and step.record.dt_ns < bench.cycler.poll_period_ns:
            found = f"a sample every {step.record.dt_ns / 1e9:g} s"
            expected = f"at least the cycler's poll period, {bench.cycler.poll_period_ns / 1e9:g} s"
            warnings.append(pen.write("record.dt", "recording faster than polling", found, expected))
        if isinstance(step, DirectedStep):
            warnings += _cells(step, pen, pack)
        if isinstance(step, ConstantVoltage):
            warnings += _end_current(step, pen, bench)
        if isinstance(step, Rest):
            warnings += _rest(plan, step, index, pen, pack)
    return warnings


def _cells(step: DirectedStep, pen: Pen, pack: PackSpec) -> list[Problem]:
    """A step with current that watches the pack alone, or a cell below the maker's cut-off."""
    charging = step.sign > 0
    names = ("cell_max", "cell_any") if charging else ("cell_min", "cell_any")
    tests = [(at, test) for at, until in enumerate(step.until) for test in until.tests if test.variable in names]
    watching = [(at, test) for at, test in tests if test.rising == charging]
    cell_limit = None if not isinstance(step, ConstantCurrent | ConstantVoltage) else step.cell_limit
    if pack.series > 1 and not watching and cell_limit is None:
        if charging:
            expected = "on_cell_limit, or until cell_max: the weakest cell fills first"
            return [pen.write("", "no per-cell limit", "a charge that watches the pack alone", expected)]
        expected = "until cell_min <= cell_cutoff: the weakest cell empties first"
        return [pen.write("", "no per-cell limit", "a discharge that watches the pack alone", expected)]
    warnings: list[Problem] = []
    for at, test in () if charging else watching:
        value_v = constant(test.value)
        if value_v is not None and value_v < pack.cell_cutoff_v * (1 - SLACK):
            expected = f"at least the maker's cut-off, {pack.cell_cutoff_v:g} V"
            warnings.append(pen.write(f"until.{at}", "below the maker's cut-off", f"{value_v:g} V", expected))
    return warnings


def _end_current(step: ConstantVoltage, pen: Pen, bench: BenchSpec | None) -> list[Problem]:
    """An end current that the cycler's own error hides."""
    least_a = constant(step.end_current_a)
    if bench is None or least_a is None:
        return []
    try:
        offset_a = bench.accuracy("cycler", "current_a").offset
    except KeyError:
        return []
    if least_a > 2 * offset_a:
        return []
    expected = f"more than twice the cycler's current offset, {2 * offset_a:g} A"
    return [pen.write("end_current", "within the cycler's error", f"{least_a:g} A", expected)]


def _rest(plan: Plan, step: Rest, index: int, pen: Pen, pack: PackSpec) -> list[Problem]:
    """A rest between two steps with current that is shorter than the standard's."""
    least_ns = REST_PACK_NS if pack.series > 1 else REST_CELL_NS
    if plan.result is None or index == 0 or not isinstance(plan.steps[index - 1], DrivenStep):
        return []  # a profile without a result measures nothing that a rest could spoil
    timed = [
        seconds
        for condition in step.until
        if (test := condition.alone) is not None
        and test.variable == "step_time"
        and test.rising
        and (seconds := constant(test.value)) is not None
    ]
    if not timed or min(timed) * 1e9 >= least_ns:
        return []
    clause = "7.2.2, a pack" if pack.series > 1 else "7.1.1, a cell"
    expected = f"at least {least_ns / 60e9:g} min (GB 38031-2025 {clause})"
    return [pen.write("", "short rest", f"{min(timed) / 60:g} min", expected)]
