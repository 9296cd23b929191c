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
from packbench.profile.plan import (
    AnyStep,
    CcCharge,
    CccvCharge,
    CcDischarge,
    End,
    LoopEnd,
    Plan,
)
from packbench.profile.setpoints import SLACK, Pen, limit_problems, step_problems, too_much

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
        errors += _structure(plan, step, Pen(index, file, places))
        if bench is not None:
            errors += _against_cycler(step, Pen(index, file, places), pack, bench)
    if bench is not None:
        errors += _pack_on_bench(pack, bench, Pen(-1, file, places))
    warnings = _warnings(plan, pack, bench)
    return Report(tuple(sort_problems(errors)), tuple(sort_problems(warnings)))


def _structure(plan: Plan, step: AnyStep, pen: Pen) -> list[Problem]:
    """Jumps land, loops end, every step can end: again, for plans that no loader has read."""
    problems: list[Problem] = []
    for position, condition in enumerate(step.until):
        if condition.goto is not None and not pen.index < condition.goto < len(plan.steps):
            expected = f"a later step, at most {len(plan.steps)}"
            problems.append(pen.write(f"until.{position}.goto", "goto nowhere", f"step {condition.goto + 1}", expected))
    if isinstance(step, LoopEnd):
        if not 0 <= step.start < pen.index:
            problems.append(pen.write("", "empty loop", f"start {step.start + 1}", f"1 to {pen.index}"))
        if step.repeat < 1:
            problems.append(pen.write("repeat", "", str(step.repeat), "1 or more"))
    elif not isinstance(step, End) and step.max_time_ns <= 0:
        problems.append(pen.write("max_time", "", f"{step.max_time_ns} ns", "more than 0"))
    return problems


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
    if not isinstance(step, CcCharge | CccvCharge | CcDischarge):
        return []
    ratings = bench.cycler.settings
    problems = too_much(step, pen, ratings.get("rated_current_a"), f"the rating of {bench.name}'s cycler")
    top_v = step.voltage_v if isinstance(step, CccvCharge) else pack.cell_full_v * pack.series
    power_w = step.current_a * top_v
    for most_w, whose in (
        (ratings.get("rated_power_w"), f"the rating of {bench.name}'s cycler"),
        (pack.max_power_w, "the pack's max_power"),
    ):
        if most_w is not None and power_w > most_w * (1 + SLACK):
            found = f"{step.current_a:g} A, at {top_v:g} V {power_w:.0f} W"
            problems.append(pen.write("current", "set-point beyond a limit", found, f"at most {most_w:g} W, {whose}"))
    return problems


def _pack_on_bench(pack: PackSpec, bench: BenchSpec, pen: Pen) -> list[Problem]:
    rated_v = bench.cycler.settings.get("rated_voltage_v")
    full_v = pack.cell_full_v * pack.series
    if rated_v is not None and full_v > rated_v:
        expected = f"at most {rated_v:g} V, the rating of {bench.name}'s cycler"
        return [pen.write("", "pack and bench do not match", f"a full pack of {full_v:g} V", expected)]
    return []


def _warnings(plan: Plan, pack: PackSpec, bench: BenchSpec | None) -> list[Problem]:
    warnings: list[Problem] = []
    for index, step in enumerate(plan.steps):
        pen = Pen(index, plan.source_file, plan.places)
        if isinstance(step, LoopEnd | End):
            continue
        if step.record.dt_ns > RECORD_MAX_NS:
            found = f"a sample every {step.record.dt_ns / 1e9:g} s"
            warnings.append(pen.write("record.dt", "slow recording", found, "15 s or less (GB 38031-2025 6.4)"))
        if bench is not None and step.record.dt_ns < bench.cycler.poll_period_ns:
            found = f"a sample every {step.record.dt_ns / 1e9:g} s"
            expected = f"at least the cycler's poll period, {bench.cycler.poll_period_ns / 1e9:g} s"
            warnings.append(pen.write("record.dt", "recording faster than polling", found, expected))
        if isinstance(step, CcCharge | CccvCharge):
            watched = any(condition.variable == "cell_max" for condition in step.until)
            if step.cell_limit is None and not watched and pack.series > 1:
                expected = "on_cell_limit, or until cell_max: the weakest cell fills first"
                warnings.append(pen.write("", "no per-cell limit", "a charge that watches the pack alone", expected))
            warnings += _end_current(step, pen, bench)
        elif isinstance(step, CcDischarge):
            warnings += _discharge_warnings(step, pen, pack)
        else:
            warnings += _rest(plan, step, index, pen, pack)
    return warnings


def _end_current(step: CcCharge | CccvCharge, pen: Pen, bench: BenchSpec | None) -> list[Problem]:
    """An end current that the cycler's own error hides."""
    least_a = step.end_current_a if isinstance(step, CccvCharge) else None
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


def _discharge_warnings(step: CcDischarge, pen: Pen, pack: PackSpec) -> list[Problem]:
    falling = [condition for condition in step.until if condition.operator in ("<=", "<")]
    cell = [condition for condition in falling if condition.variable == "cell_min"]
    if not cell and pack.series > 1:
        expected = "until cell_min <= cell_cutoff: the weakest cell empties first"
        return [pen.write("", "no per-cell limit", "a discharge that watches the pack alone", expected)]
    warnings: list[Problem] = []
    for position, condition in enumerate(step.until):
        if condition in cell and condition.value < pack.cell_cutoff_v * (1 - SLACK):
            expected = f"at least the maker's cut-off, {pack.cell_cutoff_v:g} V"
            warnings.append(
                pen.write(f"until.{position}", "below the maker's cut-off", f"{condition.value:g} V", expected)
            )
    return warnings


def _rest(plan: Plan, step: AnyStep, index: int, pen: Pen, pack: PackSpec) -> list[Problem]:
    """A rest between two steps with current that is shorter than the standard's."""
    least_ns = REST_PACK_NS if pack.series > 1 else REST_CELL_NS
    active = (CcCharge, CccvCharge, CcDischarge)
    if plan.result is None or index == 0 or not isinstance(plan.steps[index - 1], active):
        return []  # a profile without a result measures nothing that a rest could spoil
    timed = [c.value for c in step.until if c.variable == "step_time" and c.operator in (">=", ">")]
    if not timed or min(timed) * 1e9 >= least_ns:
        return []
    clause = "7.2.2, a pack" if pack.series > 1 else "7.1.1, a cell"
    expected = f"at least {least_ns / 60e9:g} min (GB 38031-2025 {clause})"
    return [pen.write("", "short rest", f"{min(timed) / 60:g} min", expected)]
