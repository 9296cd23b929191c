"""Limits against each other: nested, possible, and the tightest of several with its owner.

Owns the comparison of whole sets of limits. Must not know a step's set-points (`setpoints`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packbench.config.chemistry import CHEMISTRIES
from packbench.config.fields import LIMIT_KEYS, LIMIT_PAIRS, limit_unit
from packbench.core.errors import Problem
from packbench.core.limits import LIMIT_NAMES, LimitSet
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.checking.pen import Pen, Places

NO_LIMITS = LimitSet()
SLACK = 1e-9
"""Relative slack of comparisons between products of the same file's numbers."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The tightest of several layers of limits, with the layer each one comes from."""

    limits: LimitSet
    origin: Mapping[str, str]

    def of(self, name: str) -> tuple[float | None, str]:
        """A limit and whose it is, in words."""
        return getattr(self.limits, name), f"the {self.origin.get(name, 'run')}'s {LIMIT_KEYS[name]}"


def tightest(layers: Mapping[str, LimitSet]) -> Bounds:
    """Merge layers; a limit that nobody states stays None (refusing that is `merge_limits`' business)."""
    values: dict[str, float] = {}
    origin: dict[str, str] = {}
    for name in LIMIT_NAMES:
        for layer, limits in layers.items():
            value = getattr(limits, name)
            if value is not None and (name not in values or wider(name, values[name], value)):
                values[name], origin[name] = value, layer
    return Bounds(LimitSet(**values), origin)


def limit_problems(
    limits: LimitSet,
    index: int,
    attribute: str,
    pack: PackSpec,
    file: str,
    places: Places,
    around: LimitSet = NO_LIMITS,
) -> list[Problem]:
    """Limits that are impossible, outside the chemistry, or wider than the pack's own or those `around` them."""
    pen = Pen(index, file, places)
    problems: list[Problem] = []
    for low_name, high_name in LIMIT_PAIRS:
        low, high = getattr(limits, low_name), getattr(limits, high_name)
        if low is not None and high is not None and low >= high:
            unit = limit_unit(low_name)
            expected = f"less than {LIMIT_KEYS[high_name]}, {high:g} {unit}"
            problems.append(
                pen.write(f"{attribute}.{LIMIT_KEYS[low_name]}", "impossible limit", f"{low:g} {unit}", expected)
            )
    problems += _crossed(limits, pen, attribute, tightest({"pack": pack.limits, "profile": around}))
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
        elif outer is not None and wider(name, value, outer):
            expected = f"within the pack's own limit, {outer:g} {unit}"
            problems.append(pen.write(f"{attribute}.{key}", "limit not nested", f"{value:g} {unit}", expected))
        elif (own := getattr(around, name)) is not None and wider(name, value, own):
            expected = f"within the profile's own limit, {own:g} {unit}"
            problems.append(pen.write(f"{attribute}.{key}", "limit not nested", f"{value:g} {unit}", expected))
    return problems


def _crossed(limits: LimitSet, pen: Pen, attribute: str, outer: Bounds) -> list[Problem]:
    """Limits that leave no window with those of another layer."""
    problems: list[Problem] = []
    for low_name, high_name in LIMIT_PAIRS:
        unit, low, high = limit_unit(low_name), getattr(limits, low_name), getattr(limits, high_name)
        least, whose_least = outer.of(low_name)
        most, whose_most = outer.of(high_name)
        if high is not None and low is None and least is not None and high <= least:
            where, expected = f"{attribute}.{LIMIT_KEYS[high_name]}", f"more than {least:g} {unit}, {whose_least}"
            problems.append(pen.write(where, "impossible limit", f"{high:g} {unit}", expected))
        if low is not None and high is None and most is not None and low >= most:
            where, expected = f"{attribute}.{LIMIT_KEYS[low_name]}", f"less than {most:g} {unit}, {whose_most}"
            problems.append(pen.write(where, "impossible limit", f"{low:g} {unit}", expected))
    return problems


def never_met(limits: LimitSet, pen: Pen, attribute: str, bench: BenchSpec) -> list[Problem]:
    """Limits wider than the bench's own, which are met first: safe, and not what their author thought."""
    found: list[Problem] = []
    outer = tightest(bench.limits)
    for name in LIMIT_NAMES:
        value, (least, whose) = getattr(limits, name), outer.of(name)
        if value is not None and least is not None and wider(name, value, least):
            key, unit = LIMIT_KEYS[name], limit_unit(name)
            expected = f"within {least:g} {unit}, {whose} of {bench.name}, which is met first"
            found.append(pen.write(f"{attribute}.{key}", "limit never met", f"{value:g} {unit}", expected))
    return found


def wider(name: str, value: float, outer: float) -> bool:
    """Whether a limit allows more than the outer one, beyond rounding."""
    slack = SLACK * abs(outer)
    return value < outer - slack if "_min_" in name else value > outer + slack
