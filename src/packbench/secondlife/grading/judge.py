"""The grade of one pack: which one its values reach, and how probable each is, given the values' uncertainties.

Owns the arithmetic. A figure is taken as value + U/k t(v), Student's t with the v degrees of freedom that its k and p
imply (GUM 4.3, G.3). A pack has a grade when every assessed criterion reaches it. Figures are taken as independent,
but SOH and SOCE, which share one integral of the current, as moving together. A criterion without a bound for a grade
asks there what it asks for the next lower one. Nothing is guessed: a figure that is
not there is not assessed, and one without a stated uncertainty leaves the probabilities unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from packbench.analysis.student import coverage_factor, t_cdf
from packbench.core.result import Measured
from packbench.secondlife.grading.rules import HIGHER_IS_BETTER, CriterionModel, Figure, RulesModel

ASSURED_P: Final = 0.95
"""At least this probable, a grade is called assured."""
_MOVING_TOGETHER: Final[frozenset[Figure]] = frozenset({"soh", "soce"})
_DOF_MIN: Final = 1.0
_DOF_MAX: Final = 1e6


@dataclass(frozen=True, slots=True)
class Near:
    """A bound that lies within the figure's expanded uncertainty."""

    grade: str
    bound: float
    source: str
    p_reached: float


@dataclass(frozen=True, slots=True)
class Assessed:
    """What one criterion says; `grade` None: not assessed."""

    figure: Figure
    required: bool
    value: Measured | None
    grade: str | None
    probabilities: dict[str, float] | None
    near: tuple[Near, ...]


@dataclass(frozen=True, slots=True)
class Grading:
    """The outcome; `grade` None: none can be given, `refused` says why."""

    grade: str | None
    """The one that the values reach."""
    probabilities: dict[str, float] | None
    """Of each grade; None: there is no grade, or a figure states no uncertainty."""
    assured_grade: str | None
    """The best that is reached with a probability of at least `ASSURED_P`; None: probabilities unknown."""
    borderline: bool
    criteria: tuple[Assessed, ...]
    refused: tuple[str, ...]
    """Required figures that are missing."""


def grade(rules: RulesModel, figures: Mapping[Figure, Measured]) -> Grading:
    """Judge a pack's figures by the rules."""
    names = rules.names
    reached_by: list[int] = []
    joint: list[float] | None = [1.0] * len(names)
    together: list[list[float]] = []
    criteria: list[Assessed] = []
    refused: list[str] = []
    for criterion in rules.criteria:
        value = figures.get(criterion.figure)
        if value is None or not math.isfinite(value.value):
            criteria.append(Assessed(criterion.figure, criterion.required, None, None, None, ()))
            if criterion.required:
                refused.append(criterion.figure)
            continue
        at_least = [_p_at_least(criterion, value, name, names) for name in names]
        point = next(i for i, name in enumerate(names) if _is_reached(criterion, value.value, name, names))
        reached_by.append(point)
        known = [p for p in at_least if p is not None]
        whole = known if len(known) == len(names) else None
        shown = None if whole is None else dict(zip(names, _differences(whole), strict=True))
        near = _near(criterion, value)
        criteria.append(Assessed(criterion.figure, criterion.required, value, names[point], shown, near))
        if whole is None:
            joint = None
        elif criterion.figure in _MOVING_TOGETHER:
            together.append(whole)
        elif joint is not None:
            joint = [a * b for a, b in zip(joint, whole, strict=True)]
    if refused:
        return Grading(None, None, None, False, tuple(criteria), tuple(refused))
    reached = names[max(reached_by)]
    borderline = any(found.near for found in criteria)
    if joint is None:
        return Grading(reached, None, None, borderline, tuple(criteria), ())
    lowest = [min(column) for column in zip(*together, strict=True)] if together else [1.0] * len(names)
    at_least_all = [a * b for a, b in zip(joint, lowest, strict=True)]
    assured = next(name for name, p in zip(names, at_least_all, strict=True) if p >= ASSURED_P)
    probabilities = dict(zip(names, _differences(at_least_all), strict=True))
    return Grading(reached, probabilities, assured, borderline, tuple(criteria), ())


def _differences(at_least: list[float]) -> list[float]:
    return [p - (at_least[i - 1] if i else 0.0) for i, p in enumerate(at_least)]


def _bound(criterion: CriterionModel, name: str, names: tuple[str, ...]) -> float | None:
    """What `name` or the best grade below it with a bound asks; None: nothing."""
    index = names.index(name)
    return next((bound.value for bound in criterion.bounds if names.index(bound.grade) >= index), None)


def _is_reached(criterion: CriterionModel, value: float, name: str, names: tuple[str, ...]) -> bool:
    bound = _bound(criterion, name, names)
    if bound is None:
        return True
    return value >= bound if criterion.figure in HIGHER_IS_BETTER else value <= bound


def _p_at_least(criterion: CriterionModel, value: Measured, name: str, names: tuple[str, ...]) -> float | None:
    bound = _bound(criterion, name, names)
    return 1.0 if bound is None else p_reached(value, bound, higher=criterion.figure in HIGHER_IS_BETTER)


def p_reached(value: Measured, bound: float, *, higher: bool) -> float | None:
    """The probability that the true value is on the good side of the bound; None: no uncertainty is stated."""
    margin = value.value - bound if higher else bound - value.value
    if value.U is None or value.k is None or not value.k > 0.0:
        return None
    if value.U == 0.0:
        return 1.0 if margin >= 0.0 else 0.0
    t, dof = margin / (value.U / value.k), degrees_of_freedom(value.k, value.p)
    return 0.5 * math.erfc(-t / math.sqrt(2.0)) if dof is None else t_cdf(t, dof)


@lru_cache(maxsize=256)
def degrees_of_freedom(k: float, p: float) -> float | None:
    """The degrees of freedom at which Student's t gives this k for p; None: the normal distribution."""
    if not 0.0 < p < 1.0 or k <= coverage_factor(_DOF_MAX, p):
        return None
    low, high = _DOF_MIN, _DOF_MAX
    if k >= coverage_factor(low, p):
        return low
    while high - low > 1e-9 * high:
        middle = math.sqrt(low * high)
        if coverage_factor(middle, p) > k:
            low = middle
        else:
            high = middle
    return low


def _near(criterion: CriterionModel, value: Measured) -> tuple[Near, ...]:
    if not value.U:
        return ()
    found: list[Near] = []
    for bound in criterion.bounds:
        p = p_reached(value, bound.value, higher=criterion.figure in HIGHER_IS_BETTER)
        if p is not None and abs(value.value - bound.value) <= value.U:
            found.append(Near(bound.grade, bound.value, bound.source, p))
    return tuple(found)
