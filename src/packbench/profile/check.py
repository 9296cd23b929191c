"""The static check: what is wrong with a plan for this pack and this bench, before current flows.

Owns the judgement of set-points, cut-offs and limits, each pointing at the profile's line, and the
warnings a reviewer would raise. Must not simulate (that is `app`) nor estimate (`estimate`).
`step_problems` and `limit_problems` need the pack alone and run inside the compiler; `check_plan`
repeats them, since a plan may have been made by other hands, and adds the bench.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from packbench.config.chemistry import CHEMISTRIES
from packbench.config.fields import LIMIT_KEYS, LIMIT_PAIRS, limit_unit
from packbench.config.validation import sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LIMIT_NAMES, Limits, LimitSet, merge_limits
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.plan import (
    AnyStep,
    CcCharge,
    CccvCharge,
    CcDischarge,
    Condition,
    End,
    LoopEnd,
    Place,
    Plan,
    Rest,
)

Places = Mapping[tuple[int, str], Place]

RECORD_MAX_NS = 15_000_000_000
"""GB 38031-2025 6.4: log interval <= 15 s [S]."""
REST_PACK_NS = 30 * 60 * 1_000_000_000
"""GB 38031-2025 7.2.2: 30 min between charge and discharge of a pack [S]."""
REST_CELL_NS = 60 * 60 * 1_000_000_000
"""GB 38031-2025 7.1.1: 1 h for a cell [S]."""
SLACK = 1e-9
"""Relative slack of comparisons between products of the same file's numbers."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. Errors refuse the run; warnings are for a reviewer."""

    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether the plan may run."""
        return not self.errors


@dataclass(frozen=True, slots=True)
class _Pen:
    """Writes Problems about one step (or about the profile, index -1)."""

    index: int
    file: str
    places: Places

    def write(self, attribute: str, message: str, found: str, expected: str) -> Problem:
        place = None
        key = attribute
        while place is None:
            place = self.places.get((self.index, key))
            if not key:
                break
            key = key.rpartition(".")[0]
        if place is None:
            field = f"steps[{self.index + 1}].{attribute}" if self.index >= 0 else attribute
            return Problem(message, self.file, None, None, field, found, expected)
        field = place.field
        exact = self.places.get((self.index, attribute))
        if exact is None and attribute:
            field = f"{field}.{attribute}"
        return Problem(message, self.file, place.line, place.column, field, found, expected)


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
    for index, step in enumerate(plan.steps):
        errors += step_problems(step, index, pack, file, places)
        errors += limit_problems(step.protect, index, "protect", pack, file, places)
        errors += _structure(plan, step, _Pen(index, file, places))
        if bench is not None:
            errors += _against_cycler(step, _Pen(index, file, places), pack, bench)
        if limits is not None:
            errors += _against_limits(step, _Pen(index, file, places), pack, limits)
    if bench is not None:
        errors += _pack_on_bench(pack, bench, _Pen(-1, file, places))
    warnings = _warnings(plan, pack, bench)
    return Report(tuple(sort_problems(errors)), tuple(sort_problems(warnings)))


def limit_problems(
    limits: LimitSet, index: int, attribute: str, pack: PackSpec, file: str, places: Places
) -> list[Problem]:
    """Limits that are impossible, outside the chemistry, or wider than the pack's own."""
    pen = _Pen(index, file, places)
    problems: list[Problem] = []
    for low_name, high_name in LIMIT_PAIRS:
        low, high = getattr(limits, low_name), getattr(limits, high_name)
        if low is not None and high is not None and low >= high:
            unit = limit_unit(low_name)
            expected = f"less than {LIMIT_KEYS[high_name]}, {high:g} {unit}"
            problems.append(
                pen.write(f"{attribute}.{LIMIT_KEYS[low_name]}", "impossible limit", f"{low:g} {unit}", expected)
            )
    window = CHEMISTRIES[pack.chemistry]
    for name in LIMIT_NAMES:
        value, outer = getattr(limits, name), getattr(pack.limits, name)
        if value is None:
            continue
        key, unit = LIMIT_KEYS[name], limit_unit(name)
        cells = pack.series if name.startswith("pack_voltage") else 1
        low_v, high_v = window.cell_min_v * cells, window.cell_max_v * cells
        if name.startswith(("pack_voltage", "cell_voltage")) and not low_v <= value <= high_v:
            expected = f"{low_v:g} to {high_v:g} V, what {cells} {pack.chemistry} cell(s) in series can take"
            problems.append(pen.write(f"{attribute}.{key}", "impossible limit", f"{value:g} V", expected))
        elif outer is not None and _wider(name, value, outer):
            expected = f"within the pack's own limit, {outer:g} {unit}"
            problems.append(pen.write(f"{attribute}.{key}", "limit not nested", f"{value:g} {unit}", expected))
    return problems


def _wider(name: str, value: float, outer: float) -> bool:
    """Whether a limit allows more than the outer one, beyond rounding."""
    slack = SLACK * abs(outer)
    return value < outer - slack if "_min_" in name else value > outer + slack


def step_problems(step: AnyStep, index: int, pack: PackSpec, file: str, places: Places) -> list[Problem]:
    """Set-points and end conditions that cannot be right on this pack."""
    pen = _Pen(index, file, places)
    if isinstance(step, CccvCharge | CcCharge):
        problems = _charge(step, pen, pack)
    elif isinstance(step, CcDischarge):
        problems = _discharge(step, pen, pack)
    else:
        problems = []
    for position, condition in enumerate(step.until):
        problems += _condition(step, condition, pen, f"until.{position}", pack)
    return problems


def _current(step: CcCharge | CccvCharge | CcDischarge, pen: _Pen, most_a: float | None, whose: str) -> list[Problem]:
    if most_a is None or step.current_a <= most_a * (1 + SLACK):
        return []
    return [pen.write("current", "set-point beyond a limit", f"{step.current_a:g} A", f"at most {most_a:g} A, {whose}")]


def _charge(step: CcCharge | CccvCharge, pen: _Pen, pack: PackSpec) -> list[Problem]:
    problems = _current(step, pen, pack.limits.charge_current_max_a, "the pack's charge_current_max")
    full_v, cutoff_v = pack.cell_full_v * pack.series, pack.cell_cutoff_v * pack.series
    if isinstance(step, CccvCharge):
        if step.voltage_v > full_v * (1 + SLACK):
            expected = f"at most pack_full, {full_v:g} V"
            problems.append(pen.write("voltage", "impossible limit", f"{step.voltage_v:g} V", expected))
        elif step.voltage_v <= cutoff_v:
            expected = f"more than pack_cutoff, {cutoff_v:g} V"
            problems.append(pen.write("voltage", "impossible limit", f"{step.voltage_v:g} V", expected))
        if step.end_current_a >= step.current_a:
            expected = f"less than the charge's current, {step.current_a:g} A"
            problems.append(pen.write("end_current", "impossible limit", f"{step.end_current_a:g} A", expected))
    elif (limit_v := pack.limits.pack_voltage_max_v) is not None and step.clamp_voltage_v > limit_v:
        expected = f"at most the pack's pack_voltage_max, {limit_v:g} V"
        problems.append(pen.write("clamp", "impossible limit", f"{step.clamp_voltage_v:g} V", expected))
    if (cell := step.cell_limit) is not None:
        if not pack.cell_cutoff_v < cell.voltage_v <= pack.cell_full_v * (1 + SLACK):
            expected = f"more than cell_cutoff, {pack.cell_cutoff_v:g} V, and at most cell_full, {pack.cell_full_v:g} V"
            problems.append(pen.write("on_cell_limit.at", "impossible limit", f"{cell.voltage_v:g} V", expected))
        if cell.action == "taper" and cell.end_current_a >= step.current_a:
            expected = f"less than the charge's current, {step.current_a:g} A"
            found = f"{cell.end_current_a:g} A"
            problems.append(pen.write("on_cell_limit.end_current", "impossible limit", found, expected))
    return problems


def _discharge(step: CcDischarge, pen: _Pen, pack: PackSpec) -> list[Problem]:
    problems = _current(step, pen, pack.limits.discharge_current_max_a, "the pack's discharge_current_max")
    limit_v = pack.limits.pack_voltage_min_v
    if limit_v is not None and step.clamp_voltage_v < limit_v * (1 - SLACK):
        expected = f"at least the pack's pack_voltage_min, {limit_v:g} V"
        problems.append(pen.write("clamp", "impossible limit", f"{step.clamp_voltage_v:g} V", expected))
    if step.clamp_voltage_v >= pack.cell_full_v * pack.series:
        expected = f"less than pack_full, {pack.cell_full_v * pack.series:g} V"
        problems.append(pen.write("clamp", "impossible limit", f"{step.clamp_voltage_v:g} V", expected))
    return problems


def _condition(step: AnyStep, condition: Condition, pen: _Pen, attribute: str, pack: PackSpec) -> list[Problem]:
    """A voltage bound that safety would meet first, or that holds from the start."""
    scale = {"voltage": pack.series, "cell_min": 1, "cell_max": 1}.get(condition.variable)
    if scale is None or isinstance(step, Rest):
        return []
    value, found = condition.value, f"{condition.text!r} ({condition.value:g} V)"
    full_v, cutoff_v = pack.cell_full_v * scale, pack.cell_cutoff_v * scale
    falling = condition.operator in ("<=", "<")
    charging = isinstance(step, CcCharge | CccvCharge)
    if not charging and falling:
        if value >= full_v * (1 - SLACK):
            expected = f"less than full, {full_v:g} V: this cut-off is above it"
            return [pen.write(attribute, "impossible limit", found, expected)]
        least_v = pack.limits.pack_voltage_min_v if scale > 1 else pack.limits.cell_voltage_min_v
        if least_v is not None and value <= least_v * (1 + SLACK):
            expected = (
                f"more than the safety limit, {least_v:g} V: safety stops the run there (cut-off: {cutoff_v:g} V)"
            )
            return [pen.write(attribute, "impossible limit", found, expected)]
    if charging and not falling:
        if value <= cutoff_v * (1 + SLACK):
            expected = f"more than the cut-off, {cutoff_v:g} V: this holds from the start"
            return [pen.write(attribute, "impossible limit", found, expected)]
        most_v = pack.limits.pack_voltage_max_v if condition.variable == "voltage" else pack.limits.cell_voltage_max_v
        if most_v is not None and value >= most_v * (1 - SLACK):
            expected = f"less than the safety limit, {most_v:g} V: safety stops the run there (full: {full_v:g} V)"
            return [pen.write(attribute, "impossible limit", found, expected)]
    return []


def _structure(plan: Plan, step: AnyStep, pen: _Pen) -> list[Problem]:
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


def _against_cycler(step: AnyStep, pen: _Pen, pack: PackSpec, bench: BenchSpec) -> list[Problem]:
    """Set-points within what the cycler can do."""
    if not isinstance(step, CcCharge | CccvCharge | CcDischarge):
        return []
    ratings = bench.cycler.settings
    problems = _current(step, pen, ratings.get("rated_current_a"), f"the rating of {bench.name}'s cycler")
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


def _pack_on_bench(pack: PackSpec, bench: BenchSpec, pen: _Pen) -> list[Problem]:
    rated_v = bench.cycler.settings.get("rated_voltage_v")
    full_v = pack.cell_full_v * pack.series
    if rated_v is not None and full_v > rated_v:
        expected = f"at most {rated_v:g} V, the rating of {bench.name}'s cycler"
        return [pen.write("", "pack and bench do not match", f"a full pack of {full_v:g} V", expected)]
    return []


def _against_limits(step: AnyStep, pen: _Pen, pack: PackSpec, limits: Limits) -> list[Problem]:
    """Set-points within the effective limits of this run."""
    origin = dict(limits.origin)
    if isinstance(step, CcDischarge):
        whose = f"the limit of the {origin.get('discharge_current_max_a', 'run')}"
        return _current(step, pen, limits.discharge_current_max_a, whose)
    if not isinstance(step, CcCharge | CccvCharge):
        return []
    whose = f"the limit of the {origin.get('charge_current_max_a', 'run')}"
    problems = _current(step, pen, limits.charge_current_max_a, whose)
    top_v = (
        step.voltage_v if isinstance(step, CccvCharge) else min(step.clamp_voltage_v, pack.cell_full_v * pack.series)
    )
    if top_v > limits.pack_voltage_max_v * (1 + SLACK):
        owner = origin.get("pack_voltage_max_v", "run")
        expected = f"at most {limits.pack_voltage_max_v:g} V, the limit of the {owner}"
        problems.append(pen.write("voltage", "set-point beyond a limit", f"{top_v:g} V", expected))
    return problems


def _warnings(plan: Plan, pack: PackSpec, bench: BenchSpec | None) -> list[Problem]:
    warnings: list[Problem] = []
    for index, step in enumerate(plan.steps):
        pen = _Pen(index, plan.source_file, plan.places)
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


def _end_current(step: CcCharge | CccvCharge, pen: _Pen, bench: BenchSpec | None) -> list[Problem]:
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


def _discharge_warnings(step: CcDischarge, pen: _Pen, pack: PackSpec) -> list[Problem]:
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


def _rest(plan: Plan, step: AnyStep, index: int, pen: _Pen, pack: PackSpec) -> list[Problem]:
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
