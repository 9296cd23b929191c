"""Whether a pack gives what an application asks: meets, fails or unknown, with its probability and what limits it.

Owns the judgement. A requirement whose figure is not there is unknown, and an application with an unknown requirement
never meets. A figure may be known only as "at least so much" (a power that the test happened to draw): that can meet a
bound and never fails one. Probabilities come from the figures' own uncertainties; a figure without one leaves them
unknown. SOH, SOCE and energy, which share one integral of the current, move together, and the life follows the SOH.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from packbench.core.result import Measured
from packbench.core.samples import FloatArray
from packbench.secondlife.applications.profile import LIFE, Asked, ProfileModel, RequirementModel
from packbench.secondlife.draws import Draws
from packbench.secondlife.grading.judge import degrees_of_freedom, p_reached
from packbench.secondlife.life.remaining import Ended, Refused

Verdict = Literal["meets", "fails", "unknown"]
_MEASURED: Final[tuple[Asked, ...]] = ("soh", "soce", "energy_kwh")
MEASURED_TOGETHER: Final[frozenset[Asked]] = frozenset(_MEASURED)


@dataclass(frozen=True, slots=True)
class Known:
    """A figure of the pack."""

    figure: Measured
    is_lower_bound: bool = False
    """The pack gives at least this; how much more nobody has looked."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one requirement came to."""

    figure: Asked
    bound: float
    higher_is_better: bool
    source: str
    verdict: Verdict
    value: Measured | None
    """What the pack has (a life: its median); None: not known."""
    is_lower_bound: bool
    p: float | None
    """That the requirement is met; None: unknown."""
    refused: tuple[Refused, ...] = ()
    """Why there is no life."""


@dataclass(frozen=True, slots=True)
class Match:
    """What an application came to."""

    verdict: Verdict
    p: float | None
    """That every requirement is met; None: one is unknown, or a figure states no uncertainty."""
    limiting: Outcome | None
    """The requirement that decides: one that fails, else one that is unknown, else the nearest."""
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class LifeDraws:
    """The life of each draw in this application, or why there is none."""

    ended: Ended | None
    cycles: FloatArray | None
    refused: tuple[Refused, ...] = ()


def state_of(known: Mapping[Asked, Known], draws: Draws) -> FloatArray:
    """How far the run's one integral of the current is off in each draw, in standard uncertainties."""
    for name in _MEASURED:
        found = known.get(name)
        if found is not None and found.figure.k is not None:
            return draws.student("measured_state", degrees_of_freedom(found.figure.k, found.figure.p))
    return np.zeros(draws.count)


def drawn(figure: Measured, t: FloatArray) -> FloatArray:
    """A figure at deviations `t` of its standard uncertainty; the value itself where it states none."""
    if figure.U is None or figure.k is None or not figure.k > 0.0:
        return np.full_like(t, figure.value)
    return figure.value + figure.U / figure.k * t


def match(profile: ProfileModel, known: Mapping[Asked, Known], life: LifeDraws, draws: Draws) -> Match:
    """Judge a pack's figures by an application's requirements."""
    if profile.always_open:
        return Match("meets", 1.0, None, ())
    state = state_of(known, draws)
    fits = np.ones(draws.count, dtype=np.bool_)
    outcomes: list[Outcome] = []
    for requirement in profile.requirements:
        if requirement.figure in LIFE:
            outcome, values = _of_life(requirement, known, life)
        else:
            outcome, values = _of_figure(requirement, known.get(requirement.figure), state, draws)
        outcomes.append(outcome)
        if values is not None:
            fits &= values >= requirement.bound if requirement.higher_is_better else values <= requirement.bound
    verdicts = {outcome.verdict for outcome in outcomes}
    verdict: Verdict = "fails" if "fails" in verdicts else "unknown" if "unknown" in verdicts else "meets"
    is_known = all(outcome.p is not None for outcome in outcomes)
    return Match(verdict, float(fits.mean()) if is_known else None, _limiting(outcomes, verdict), tuple(outcomes))


def _of_figure(
    requirement: RequirementModel, known: Known | None, state: FloatArray, draws: Draws
) -> tuple[Outcome, FloatArray | None]:
    higher = requirement.higher_is_better
    if known is None:
        return _outcome(requirement, "unknown", None, None), None
    figure, bound = known.figure, requirement.bound
    is_reached = figure.value >= bound if higher else figure.value <= bound
    if known.is_lower_bound and not is_reached:
        return _outcome(requirement, "unknown", figure, None, is_lower_bound=True), None
    p = p_reached(figure, bound, higher=higher)
    if requirement.figure in MEASURED_TOGETHER:
        values = drawn(figure, state)
    else:
        dof = None if figure.k is None else degrees_of_freedom(figure.k, figure.p)
        values = drawn(figure, draws.student(requirement.figure, dof))
    verdict: Verdict = "meets" if is_reached else "fails"
    return _outcome(requirement, verdict, figure, p, is_lower_bound=known.is_lower_bound), values


def _of_life(
    requirement: RequirementModel, known: Mapping[Asked, Known], life: LifeDraws
) -> tuple[Outcome, FloatArray | None]:
    if life.ended is None or life.cycles is None:
        return _outcome(requirement, "unknown", None, None, refused=life.refused), None
    years = requirement.figure == "life_years"
    values = life.ended.years if years else life.cycles
    median = float(np.median(values))
    verdict: Verdict = "meets" if median >= requirement.bound else "fails"
    has_u = known["soh"].figure.U is not None
    p = float((values >= requirement.bound).mean()) if has_u else None
    value = Measured(median, None, None, 0.9, "a" if years else "1")
    return _outcome(requirement, verdict, value, p), values


def _outcome(
    requirement: RequirementModel,
    verdict: Verdict,
    value: Measured | None,
    p: float | None,
    *,
    is_lower_bound: bool = False,
    refused: tuple[Refused, ...] = (),
) -> Outcome:
    return Outcome(
        requirement.figure,
        requirement.bound,
        requirement.higher_is_better,
        requirement.source,
        verdict,
        value,
        is_lower_bound,
        p,
        refused,
    )


def _limiting(outcomes: list[Outcome], verdict: Verdict) -> Outcome:
    """Among those that decide, the least probable; of those that are as probable, the first of the file."""
    deciding = [outcome for outcome in outcomes if outcome.verdict == verdict]
    return min(deciding, key=lambda outcome: 0.0 if outcome.p is None else outcome.p)
