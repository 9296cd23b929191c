"""From a Document to a validated pydantic model, with every problem of the file at once.

Owns the translation of pydantic's errors into Problems that say where, what was found and what was
expected in the file's own words. Must not know any one file type. It exists so that every kind of
configuration file is refused in the same shape (DESIGN.md 10).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from packbench.config.document import Document, Path, list_of, mapping_of
from packbench.core.errors import InputError, Problem

_Model = TypeVar("_Model", bound=BaseModel)

_TYPE_WORDS: dict[str, str] = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
}

_BOUND_WORDS: dict[str, str] = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_short": "a text of at least {min_length} characters",
    "string_too_long": "a text of at most {max_length} characters",
}


class StrictModel(BaseModel):
    """Base of every file's model: no unknown keys, no coercion, no change afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=False)


def validate(model: type[_Model], document: Document) -> _Model:
    """Validate a whole document. Raises one InputError with every problem, in the file's order."""
    value, problems = check_model(model, document, ())
    if value is None or problems or document.problems:
        raise InputError(sort_problems([*document.problems, *problems]))
    return value


def check_model(
    model: type[_Model], document: Document, path: Path, *, empty_is_mapping: bool = False
) -> tuple[_Model | None, list[Problem]]:
    """Validate the part of a document at `path`; the model, or the problems (one a place).

    Places that the reader already refused (typing traps) are not reported a second time.
    `empty_is_mapping` lets a key without a value stand for a mapping without keys.
    """
    data = document.at(path)
    if data is None and empty_is_mapping:
        data = {}
    problems = _keys_without_value(model, document, path, data)
    value: _Model | None = None
    try:
        value = model.model_validate(data)
    except ValidationError as error:
        details = _without_shadows(error.errors(include_url=False))
        problems = _one_a_place([*(_problem(model, document, path, detail) for detail in details), *problems])
    known = {(problem.line, problem.column) for problem in document.problems}
    return None if problems else value, [problem for problem in problems if (problem.line, problem.column) not in known]


def _keys_without_value(model: type[BaseModel], document: Document, base: Path, data: Any) -> list[Problem]:
    """Keys that the file states and leaves empty, which is not leaving them out."""
    problems: list[Problem] = []
    waiting: list[tuple[Path, Any]] = [((), data)]
    while waiting:
        loc, value = waiting.pop()
        for key, inner in (mapping_of(value) or {}).items():
            here = (*loc, key)
            if inner is not None:
                waiting.append((here, inner))
            elif (expected := _description(_model_at(model, loc), key)) is not None:
                problems.append(document.problem("", (*base, *here), "nothing", f"{expected}; or without this key"))
        waiting += [((*loc, position), item) for position, item in enumerate(list_of(value) or ())]
    return problems


def _one_a_place(problems: list[Problem]) -> list[Problem]:
    """The first problem of each place."""
    first: dict[tuple[int | None, int | None], Problem] = {}
    for problem in problems:
        first.setdefault((problem.line, problem.column), problem)
    return list(first.values())


def sort_problems(problems: Iterable[Problem]) -> list[Problem]:
    """In the order in which a reader of the file meets them, each once."""
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda problem: (problem.line or 0, problem.column or 0))


def suggestion(word: str, known: Iterable[str]) -> str:
    """`one of a, b, c`, and the nearest one or two when `word` looks like a slip."""
    names = sorted(known)
    listing = f"one of {', '.join(names)}" if names else "nothing here"
    near = difflib.get_close_matches(word, names, n=2, cutoff=0.6)
    if len(near) == 2 and _likeness(word, near[0]) > _likeness(word, near[1]) + 0.15:
        near.pop()
    return f"{listing} (did you mean {' or '.join(repr(name) for name in near)}?)" if near else listing


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, word, name).ratio()


def _problem(model: type[BaseModel], document: Document, base: Path, detail: Any) -> Problem:
    loc: Path = tuple(detail["loc"])
    kind: str = detail["type"]
    context: dict[str, Any] = detail.get("ctx", {})
    path = (*base, *loc)
    if kind == "extra_forbidden":
        owner = _model_at(model, loc[:-1])
        known = _keys(owner) if owner is not None else ()
        key = str(loc[-1])
        return document.problem("unknown key", path, repr(key), suggestion(key, known), key=True)
    if kind == "missing":
        owner = _model_at(model, loc[:-1])
        near = document.nearest(path)
        at = near if near in document.keys else path
        expected = _description(owner, str(loc[-1])) or "a value"
        return document.problem("required", path, "nothing", expected, at=at, key=True)
    shown = document.nearest(path)
    if "found" in context and "expected" in context:
        shown = document.nearest((*path, *context.get("path", ())))
        return document.problem(str(context.get("message", "")), shown, context["found"], context["expected"])
    expected = _expected(kind, context, model, loc) or detail["msg"]
    return document.problem("", shown, document.found(shown), expected)


def _without_shadows(details: Sequence[Any]) -> list[Any]:
    """Leave out a `missing` whose key is there with a slip: the unknown key says it already."""
    unknown = [tuple(detail["loc"]) for detail in details if detail["type"] == "extra_forbidden"]
    kept: list[Any] = []
    for detail in details:
        loc = tuple(detail["loc"])
        beside = [str(other[-1]) for other in unknown if other[:-1] == loc[:-1]]
        if detail["type"] != "missing" or not difflib.get_close_matches(str(loc[-1]), beside, n=1):
            kept.append(detail)
    return kept


def _expected(kind: str, context: dict[str, Any], model: type[BaseModel], loc: Path) -> str | None:
    if kind == "literal_error":
        return f"one of {context['expected']}"
    if kind in _BOUND_WORDS:
        return _BOUND_WORDS[kind].format(**context)
    owner = _model_at(model, loc[:-1])
    described = _description(owner, str(loc[-1])) if loc else None
    return described or _TYPE_WORDS.get(kind)


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _description(model: type[BaseModel] | None, key: str) -> str | None:
    if model is None:
        return None
    for name, info in model.model_fields.items():
        if (info.alias or name) == key:
            return info.description
    return None


def _model_at(model: type[BaseModel], loc: Path) -> type[BaseModel] | None:
    """The model class whose fields live at `loc` (list indices and mapping keys are stepped over)."""
    current: type[BaseModel] | None = model
    for part in loc:
        if current is None:
            return None
        for name, info in current.model_fields.items():
            if (info.alias or name) == part:
                current = _inner_model(info.annotation)
                break
        # Anything else is a list index or the key of a free mapping: the model stays the same.
    return current


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        if (found := _inner_model(argument)) is not None:
            return found
    return None
