"""What a report says of a pack's second life: its grade and its value, by the files that a command names.

Owns the bringing together for a run that is concluded. Must not judge: that is `secondlife`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from packbench.app.grading import Subject, figures_of, may_be_judged, rules_of
from packbench.app.worth import DEFAULT_ASSUMPTIONS, DEFAULT_LIFE, appraisal_of, read_files
from packbench.core.result import Measured, Result
from packbench.core.specs import PackSpec
from packbench.report.content_second_life import SecondLife
from packbench.secondlife.applications.profile import Asked
from packbench.secondlife.draws import Draws
from packbench.secondlife.grading.judge import grade
from packbench.secondlife.grading.rules import UNITS as GRADED
from packbench.secondlife.grading.rules import Figure

DEFAULT_RULES = "echelon"
SecondLifeOf = Callable[[Result, PackSpec], SecondLife | None]


@dataclass(frozen=True, slots=True)
class Named:
    """The files and figures that a command names."""

    stated: Mapping[Asked, Measured]
    rules: str = DEFAULT_RULES
    life: str = DEFAULT_LIFE
    assumptions: str = DEFAULT_ASSUMPTIONS
    application: str | None = None


def second_life_by(named: Named, draws: Draws) -> SecondLifeOf:
    """What to ask of each result; the files are read now. Raises InputError with what is wrong in them."""
    rules, _path = rules_of(named.rules)
    read = read_files(named.application, named.life, named.assumptions)
    graded: dict[Figure, Measured] = {name: named.stated[name] for name in GRADED if name in named.stated}

    def of(result: Result, pack: PackSpec) -> SecondLife | None:
        # A run that was about something else than a capacity has nothing to be graded or valued by.
        if result.soh is None or not may_be_judged(result):
            return None
        subject = Subject(result, True, pack)
        appraisal = appraisal_of(subject, read, named.stated, draws)
        grading = grade(rules, figures_of(subject, graded))
        return None if appraisal is None else SecondLife(rules, grading, appraisal)

    return of
