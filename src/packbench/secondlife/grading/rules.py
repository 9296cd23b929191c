"""A rules file (configs/grading/*.yaml): grades, and what each asks of each figure, with where it comes from.

Owns the file's model. Must not hold a threshold of its own: no standard text that this project has read states one,
so each stands in a file with its source tag, and most are house rules.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import Field

from packbench.config.document import Document, load_document
from packbench.config.validation import StrictModel, sort_problems, validate
from packbench.core.errors import InputError, Problem

Figure = Literal[
    "soh",
    "soce",
    "dcir_rise",
    "cell_spread_v",
    "self_discharge_per_month",
    "insulation_ohm_per_v",
    "age_years",
    "trips",
]
UNITS: Final[dict[Figure, str]] = {
    "soh": "1",
    "soce": "1",
    "dcir_rise": "1",
    "cell_spread_v": "V",
    "self_discharge_per_month": "1",
    "insulation_ohm_per_v": "ohm/V",
    "age_years": "a",
    "trips": "1",
}
"""Every figure that a rule may speak of. Ratios are fractions; dcir_rise is R/R_new - 1."""
HIGHER_IS_BETTER: Final[frozenset[Figure]] = frozenset({"soh", "soce", "insulation_ohm_per_v"})
_SOURCE = re.compile(r"house rule(: .+)?|\[(GB/T|GB|EU|UL|DIN|IEC|ISO|UN) [^\]]+\].*")


class TitleModel(StrictModel):
    """Words in both languages."""

    en: str = Field(min_length=1, description="English")
    zh: str = Field(min_length=1, description="Chinese")


class GradeModel(StrictModel):
    """A grade; the file lists them best first, and the last one asks for nothing."""

    name: str = Field(min_length=1, max_length=12, description="a short name, such as A")
    title: TitleModel = Field(description="what it means, in en and zh")


class BoundModel(StrictModel):
    """What a grade asks: the figure at least (soh, soce, insulation) or at most (the others) this."""

    grade: str = Field(description="one of the file's grades")
    value: float = Field(ge=0.0, lt=1e9, description="a number in the figure's unit; ratios as fractions")
    source: str = Field(description="[GB/T ...], [EU ...], [UL ...] or another standard's tag, or house rule")


class CriterionModel(StrictModel):
    """One figure, and its bounds from the best grade down."""

    figure: Figure = Field(description=f"one of {', '.join(UNITS)}")
    required: bool = Field(description="true: without this figure there is no grade")
    bounds: list[BoundModel] = Field(min_length=1, description="a list of bounds, best grade first")


class RulesModel(StrictModel):
    """The file as a whole."""

    grading: str = Field(min_length=1, description="a name for these rules")
    title: TitleModel = Field(description="what they are for, in en and zh")
    grades: list[GradeModel] = Field(min_length=2, description="at least two grades, best first")
    criteria: list[CriterionModel] = Field(min_length=1, description="a list of criteria")

    @property
    def names(self) -> tuple[str, ...]:
        """The grades' names, best first."""
        return tuple(grade.name for grade in self.grades)


def load_rules(text: str, file: str) -> RulesModel:
    """Read the text of a rules file. Raises InputError with every problem of it."""
    document = load_document(text, file)
    model = validate(RulesModel, document)
    problems = [*_names(model, document), *_criteria(model, document)]
    if problems:
        raise InputError(sort_problems(problems))
    return model


def _names(model: RulesModel, document: Document) -> list[Problem]:
    return [
        document.problem("", path, document.found(path), "each grade once")
        for number, name in enumerate(model.names)
        if name in model.names[:number] and (path := ("grades", number, "name"))
    ]


def _criteria(model: RulesModel, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    figures = [criterion.figure for criterion in model.criteria]
    for at, criterion in enumerate(model.criteria):
        if criterion.figure in figures[:at]:
            path = ("criteria", at, "figure")
            problems.append(document.problem("", path, document.found(path), "each figure once"))
        problems += _bounds(model, criterion, at, document)
    if not any(criterion.required for criterion in model.criteria):
        problems.append(document.problem("", ("criteria",), "none that is required", "at least one required figure"))
    return problems


def _bounds(model: RulesModel, criterion: CriterionModel, at: int, document: Document) -> list[Problem]:
    """Bounds name grades above the last, best first, each laxer than the one before, each with its source."""
    problems: list[Problem] = []
    open_names, last = list(model.names[:-1]), None
    sign = 1.0 if criterion.figure in HIGHER_IS_BETTER else -1.0
    for number, bound in enumerate(criterion.bounds):
        base = ("criteria", at, "bounds", number)
        if bound.grade not in open_names:
            path = (*base, "grade")
            expected = f"one of {', '.join(model.names[:-1])}, each once and best first"
            problems.append(document.problem("", path, document.found(path), expected))
        else:
            open_names = open_names[open_names.index(bound.grade) + 1 :]
        if last is not None and sign * bound.value > sign * last:
            path = (*base, "value")
            word = "at most" if sign > 0 else "at least"
            expected = f"{word} {last:g}: a lower grade asks no more than a better one"
            problems.append(document.problem("", path, document.found(path), expected))
        last = bound.value
        if _SOURCE.fullmatch(bound.source) is None:
            path = (*base, "source")
            problems.append(document.problem("", path, document.found(path), "a tag such as [EU ...], or house rule"))
    return problems
