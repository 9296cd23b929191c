"""The static check: what is wrong with a plan for this pack and this bench, before current flows.

Owns the whole verdict: every judgement with all of the run's limits, the structure (again: a plan may have been made by
other hands than the compiler's), what the cycler can do, and the warnings a reviewer would raise. Must not simulate
(that is `app`) nor estimate (`estimate`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from packbench.config.fields import LIMIT_KEYS, limit_unit
from packbench.config.validation import sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LIMIT_NAMES, Limits, LimitSet, merge_limits
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.checking.bounds import limit_problems, never_met, tightest
from packbench.profile.checking.course import Course
from packbench.profile.checking.cycler import cycler_problems
from packbench.profile.checking.flow import flow_problems, most_rounds
from packbench.profile.checking.forewarning import worst_case_errors, worst_case_warnings
from packbench.profile.checking.formulas import formula_problems, formula_warnings
from packbench.profile.checking.pen import Pen
from packbench.profile.checking.review import step_warnings
from packbench.profile.checking.setpoints import step_problems
from packbench.profile.plan import Plan


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
    warnings: list[Problem] = []
    file, places, rounds = plan.source_file, plan.places, most_rounds(plan)
    errors += limit_problems(plan.limits, -1, "limits", pack, file, places)
    if limits is None and bench is not None:
        limits, problems = _merged(plan, pack, bench)
        errors += problems
    layers = {"pack": pack.limits, "profile": plan.limits, **_layers(limits)}
    for index, step in enumerate(plan.steps):
        pen, bounds = Pen(index, file, places), tightest({**layers, "step": step.protect})
        errors += step_problems(step, index, pack, layers, file, places, rounds)
        errors += limit_problems(step.protect, index, "protect", pack, file, places)
        if bench is not None:
            errors += cycler_problems(step, pen, pack, bench)
        warnings += step_warnings(step, index, pen, pack, bench, bounds)
    structure = flow_problems(plan)
    errors += structure
    if not structure:
        errors += formula_problems(plan, pack)
        warnings += [*formula_warnings(plan), *Course(plan, pack).warnings()]
    if bench is not None:
        errors += _pack_on_bench(pack, bench, Pen(-1, file, places))
        warnings += _insulation_monitors(pack, bench, Pen(-1, file, places))
        warnings += _limits_never_met(plan, bench)
        warnings += _board_first(limits, bench, Pen(-1, file, places))
    if not errors:
        errors += worst_case_errors(plan, pack, bench)
        warnings += worst_case_warnings(plan, pack, bench)
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


def _board_first(limits: Limits | None, bench: BenchSpec, pen: Pen) -> list[Problem]:
    """Limits of which the board's own is the tightest: it is meant to be the last that trips."""
    names = [name for name, layer in limits.origin if layer == "board"] if limits is not None else []
    return [
        pen.write(
            "",
            "limits not nested",
            f"{LIMIT_KEYS[name]} {getattr(limits, name):g} {limit_unit(name)}, the board's",
            f"a tighter one of {bench.name}'s cycler or cable, of the pack or the profile: the board trips last",
        )
        for name in names
    ]


def _limits_never_met(plan: Plan, bench: BenchSpec) -> list[Problem]:
    """Limits of the profile, or of a step, that the bench's own ones are met before."""
    file, places = plan.source_file, plan.places
    warnings = never_met(plan.limits, Pen(-1, file, places), "limits", bench)
    for index, step in enumerate(plan.steps):
        pen = Pen(index, file, places)
        if pen.states("protect"):  # else they are a sub-profile's
            warnings += never_met(step.protect, pen, "protect", bench)
    return warnings
