"""Facts that the bench cannot measure, as their makers state them: a file, strictly read, each with its originator.

    passport: batterypass
    sources:
      - originator: Maker Ltd
        date: 2026-01-31
        reference: data sheet DS-12, revision 3
        values:
          GeneralProductInformation.batteryMass: 310

Owns the file's form and the check of each value against the schema of its field. Must not fill in anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

from pydantic import Field

from packbench.config.document import Document, Mark, load_document
from packbench.config.fields import Date
from packbench.config.validation import StrictModel, sort_problems, validate
from packbench.core.errors import InputError, Problem
from packbench.trace.passport import schema
from packbench.trace.passport.schema import Kind

_NEAR_MAX: Final = 2


class SourceModel(StrictModel):
    """What one party states."""

    originator: str = Field(min_length=1, description="who states these values")
    date: Date = Field(description="when, as YYYY-MM-DD")
    reference: str | None = Field(default=None, min_length=1, description="where: a document, its edition, a page")
    method: str | None = Field(default=None, min_length=1, description="how the values were got, such as a standard")
    uncertainty: str | None = Field(default=None, min_length=1, description="as the originator states it")
    values: dict[str, Any] = Field(min_length=1, description="a mapping of a field's path to its value")


class FactsModel(StrictModel):
    """The file as a whole."""

    passport: Kind = Field(description=f"one of {', '.join(schema.KINDS)}")
    sources: list[SourceModel] = Field(min_length=1, description="a list of sources, each with its originator")


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of the file."""

    path: str
    value: Any
    source: SourceModel
    file: str
    mark: Mark

    def problem(self, found: str, expected: str, message: str = "") -> Problem:
        """A Problem about this value."""
        return Problem(message, self.file, self.mark.line, self.mark.column, self.path, found, expected)


def read_facts(text: str, file: str, kind: Kind) -> list[Fact]:
    """The facts of a file. Raises InputError with every problem: unknown paths, values that do not fit."""
    document = load_document(text, file)
    model = validate(FactsModel, document)
    if model.passport != kind:
        raise InputError(document.problem("", ("passport",), repr(model.passport), f"{kind}, as --as says"))
    facts: dict[str, Fact] = {}
    found: list[Problem] = []
    for number, source in enumerate(model.sources):
        for path, value in source.values.items():
            mark = document.mark(("sources", number, "values", path))
            fact = Fact(path, value, source, file, mark)
            if (problem := _judge(fact, kind)) is not None:
                found.append(problem)
            elif path in facts:
                found.append(fact.problem("it twice", f"once (it is in line {facts[path].mark.line}, too)"))
            facts.setdefault(path, fact)
    for path, fact in facts.items():
        if isinstance(fact.value, list) and any(other.startswith(f"{path}[") for other in facts):
            found.append(fact.problem("an empty list, and items of it", "one or the other"))
    if found:
        raise InputError(_with_lines(sort_problems(found), document))
    return list(facts.values())


def _judge(fact: Fact, kind: Kind) -> Problem | None:
    keys = schema.split(fact.path)
    place = None if keys is None else schema.at(kind, keys)
    if place is None:
        known = {leaf.path for leaf in schema.leaves(kind)}
        near = get_close_matches(fact.path, known, n=_NEAR_MAX, cutoff=0.7)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        return fact.problem("a path that it does not have", f"a field of {schema.NAMES[kind]}{hint}")
    if schema.is_object(place):
        return fact.problem(
            "a group of fields", f"its fields one by one, such as {fact.path}.{next(iter(schema.children(place)))}"
        )
    if place.get("type") == "array":
        if fact.value == []:
            return None
        return fact.problem("a list", f"its items one by one, such as {fact.path}[1], or [] when there are none")
    if isinstance(fact.value, str) and not fact.value.strip():
        return fact.problem("a blank text", schema.expectation(str(place.get("type")), place))
    if not schema.fits(fact.value, place):
        misfit = schema.misfit(fact.path, fact.value, place)
        return fact.problem(str(misfit.found), str(misfit.expected))
    return None


def _with_lines(problems: list[Problem], document: Document) -> list[Problem]:
    return [replace(each, source_line=document.line(Mark(each.line or 1, each.column or 1))) for each in problems]
