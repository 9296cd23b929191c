"""The published schemas of passports: their fields by path, and whether a document fits them.

Owns reading the packaged schemas (draft-04; `schemas/LICENCE.md` says whose they are), the list of leaf fields and the
judgement of a document. Must not know where values come from.

A path is `Model.object.list[1].field`: names joined by dots, list items counted from 1. Beyond the schema's letter a
required list must hold an item or be stated as empty, `format` is checked, and a text must not be blank: an empty
document must never pass for a complete one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

from packbench.core.errors import PackbenchError, Problem

Kind = Literal["batterypass", "catenax", "din99100"]
KINDS: Final[tuple[Kind, ...]] = ("batterypass", "catenax", "din99100")
NAMES: Final[dict[Kind, str]] = {
    "batterypass": "BatteryPass data model 1.2.0 (PerformanceAndDurability 1.2.1)",
    "catenax": "urn:samm:io.catenax.battery.battery_pass:6.1.0",
    "din99100": "DIN DKE SPEC 99100:2025-02, field map of this project",
}
ANY_TEXT: Final = "en"
"""Key under which a text in several languages is asked for, in English."""

_SCHEMAS: Final = Path(__file__).resolve().parent / "schemas"
_PART: Final = re.compile(r"([A-Za-z0-9_:-]+)((?:\[[1-9][0-9]{0,3}\])?)")
_SHOWN: Final = ("enum", "pattern", "format", "minimum", "maximum", "maxLength")

Schema = dict[str, Any]
Keys = tuple[str | int, ...]
"""A path as keys and indices (from 0)."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One field that takes a value."""

    path: str
    type: str
    required: bool
    """In itself; a required field of an optional object is wanted once the object is there."""
    rules: Mapping[str, Any]
    """enum, pattern, format, minimum, maximum, maxLength as the schema states them."""
    text: str

    @property
    def expected(self) -> str:
        """For people: the type and its rules."""
        return expectation(self.type, self.rules)


def expectation(kind: str, rules: Mapping[str, Any]) -> str:
    """A type and its rules, for people."""
    words = {"string": "a text", "number": "a number", "boolean": "true or false", "array": "a list"}.get(kind, kind)
    if "enum" in rules:
        return f"one of {', '.join(dict.fromkeys(str(each) for each in rules['enum']))}"
    bounds = [f"{name} {rules[name]:g}" for name in ("minimum", "maximum") if abs(rules.get(name, 1e18)) < 1e18]
    more = [f"like {_shape(rules['pattern'])}"] if "pattern" in rules else []
    more += [f"a {rules['format']}"] if "format" in rules else []
    more += [f"at most {rules['maxLength']} characters"] if "maxLength" in rules else []
    return ", ".join((words, *bounds, *more))


def _shape(pattern: str) -> str:
    """A time's pattern is 250 characters long; an example says more."""
    return "2026-01-31T12:00:00Z" if pattern.startswith("-?([1-9][0-9]{3,}") else pattern


@lru_cache(maxsize=8)
def load(kind: Kind) -> Mapping[str, Schema]:
    """The schemas of a kind, by model; the one of `catenax` and of `din99100` has the name ""."""
    files = sorted((_SCHEMAS / kind).glob("*.json"))
    alone = len(files) == 1
    return {"" if alone else file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def resolved(schema: Schema, root: Schema) -> Schema:
    """A schema with its $ref and allOf put in place, its own words first."""
    merged = dict(schema)
    while "$ref" in merged:
        name = str(merged.pop("$ref")).rsplit("/", 1)[-1]
        merged = {**root["components"]["schemas"][name], **merged}
    for part in cast("list[Schema]", merged.pop("allOf", [])):
        inner = resolved(part, root)
        fields: Schema = {**inner.get("properties", {}), **merged.get("properties", {})}
        must = dict.fromkeys([*inner.get("required", []), *merged.get("required", [])])
        merged = {**inner, **merged}
        if fields:
            merged |= {"properties": fields, "required": list(must)}
    return merged


def children(schema: Schema) -> dict[str, Schema]:
    """Fields of an object; an object without any is a text by language."""
    found: dict[str, Schema] = schema.get("properties", {})
    return found or {ANY_TEXT: {"type": "string", "description": schema.get("description", "")}}


def required_names(schema: Schema) -> list[str]:
    """Names that an object must have."""
    return list(schema.get("required", [])) if schema.get("properties") else [ANY_TEXT]


def is_object(schema: Schema) -> bool:
    """Whether a schema describes an object."""
    return schema.get("type") == "object" or "properties" in schema


def joined(base: str, name: str) -> str:
    """A path one name longer."""
    return f"{base}.{name}" if base and name else base or name


@lru_cache(maxsize=8)
def leaves(kind: Kind) -> tuple[Leaf, ...]:
    """Every field of a kind, in the schema's order, lists with one item."""
    found: list[Leaf] = []
    for model, root in load(kind).items():
        found += _below(root, root, model, required=True)
    return tuple(found)


def _below(schema: Schema, root: Schema, path: str, *, required: bool) -> Iterator[Leaf]:
    whole = resolved(schema, root)
    if is_object(whole):
        must = required_names(whole)
        for name, child in children(whole).items():
            yield from _below(child, root, joined(path, name), required=required and name in must)
    elif whole.get("type") == "array":
        yield from _below(whole["items"], root, f"{path}[1]", required=required)
    else:
        rules = {name: whole[name] for name in _SHOWN if name in whole}
        text = " ".join(str(whole.get("description", "")).split())
        yield Leaf(path, str(whole.get("type", "string")), required, rules, text)


def split(path: str) -> Keys | None:
    """A path as keys; None when it is none."""
    keys: list[str | int] = []
    for part in path.split("."):
        match = _PART.fullmatch(part)
        if match is None:
            return None
        keys.append(match[1])
        if match[2]:
            keys.append(int(match[2][1:-1]) - 1)
    return tuple(keys)


def field_text(keys: Keys) -> str:
    """Its inverse."""
    text = ""
    for key in keys:
        text = f"{text}[{key + 1}]" if isinstance(key, int) else joined(text, key)
    return text


def at(kind: Kind, keys: Keys) -> Schema | None:
    """The schema of a place; None where the model has none."""
    models = load(kind)
    first = "" if "" in models else keys[0] if keys else None
    root = models.get(cast("str", first)) if first is not None else None
    if root is None:
        return None
    schema = resolved(root, root)
    for key in keys if first == "" else keys[1:]:
        if isinstance(key, int):
            inner: Schema | None = schema.get("items")
        else:
            named = is_object(schema)
            inner = children(schema).get(key) if named else None
            if named and inner is None and not schema.get("properties"):
                inner = {"type": "string"}
        if inner is None:
            return None
        schema = resolved(inner, root)
    return schema


def missing(kind: Kind, payload: Mapping[str, Any], *, wanted: bool = True) -> list[Leaf]:
    """Fields that a document lacks, by path; with `wanted` false the optional ones."""
    found: list[Leaf] = []
    for model, root in load(kind).items():
        inner = payload if model == "" else payload.get(model, {})
        found += _absent(root, root, model, inner, wanted)
    return found


def _absent(schema: Schema, root: Schema, path: str, value: Any, wanted: bool) -> Iterator[Leaf]:
    whole = resolved(schema, root)
    if is_object(whole) and isinstance(value, dict):
        must = required_names(whole)
        has = cast("dict[str, Any]", value)
        for name, child in children(whole).items():
            inner = joined(path, name)
            if name in has:
                yield from _absent(child, root, inner, has[name], wanted)
            elif (name in must) is wanted and not (has and not whole.get("properties")):
                yield from (each for each in _below(child, root, inner, required=True) if each.required)
    elif whole.get("type") == "array" and isinstance(value, list):
        for number, item in enumerate(cast("list[Any]", value), start=1):
            yield from _absent(whole["items"], root, f"{path}[{number}]", item, wanted)


def problems(kind: Kind, payload: Mapping[str, Any]) -> list[Problem]:
    """What of a document does not fit its schema, each by its path with found and expected; nothing when all does."""
    found: list[Problem] = []
    for model, validator in _validators(kind).items():
        inner = payload if model == "" else payload.get(model, {})
        for error in validator.iter_errors(inner):
            keys: Keys = (*((model,) if model else ()), *error.absolute_path)
            if error.validator == "required":
                name = str(error.message).split("'")[1]
                found.append(Problem("", field=field_text((*keys, name)), found="nothing", expected="this field"))
            else:
                found.append(misfit(field_text(keys), error.instance, error.schema))
    return found


def misfit(path: str, value: Any, schema: Mapping[str, Any]) -> Problem:
    """A value that does not fit."""
    shown = json.dumps(value, ensure_ascii=False)
    expected = expectation(str(schema.get("type", "string")), schema)
    return Problem("", field=path, found=shown if len(shown) <= 60 else shown[:57] + "...", expected=expected)


def fits(value: Any, schema: Schema) -> bool:
    """Whether one value fits the schema of its place."""
    return next(iter(_validator(schema).iter_errors(value)), None) is None


@lru_cache(maxsize=8)
def _validators(kind: Kind) -> Mapping[str, Any]:
    return {model: _validator(schema) for model, schema in load(kind).items()}


def _validator(schema: Schema) -> Any:
    """draft-04, with the formats that these schemas use."""
    try:
        from jsonschema import Draft4Validator, FormatChecker
    except ImportError as error:
        raise PackbenchError("passports need the extra: pip install 'packbench[trace]'") from error
    checker = FormatChecker(formats=())
    checker.checks("uri")(_is_uri)
    checker.checks("date-time")(_is_instant)
    return Draft4Validator(schema, format_checker=checker)


def _is_uri(value: object) -> bool:
    if not isinstance(value, str):
        return True
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    has_body = bool(parts.netloc or parts.path)
    return bool(parts.scheme) and has_body and re.fullmatch(r"[!-~]+", value) is not None


def _is_instant(value: object) -> bool:
    if not isinstance(value, str):
        return True
    try:
        return "T" in value and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
