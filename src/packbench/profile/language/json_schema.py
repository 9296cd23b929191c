"""The language as a JSON Schema (draft 2020-12), for editors: completion, and errors while one writes.

Owns how the schemas of the models become one. Must not say anything about the language that the models do not: each
key, word and pattern is theirs. What a schema cannot know (labels, formulas' dimensions, physics) `check` tells.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from packbench.config.document import list_of, mapping_of
from packbench.config.written import NAMED, Written
from packbench.profile.language.schema import ProfileModel, UntilModel
from packbench.profile.language.step_models import STEP_MODELS, SetModel
from packbench.profile.language.written import ANY_AMOUNT, CONDITION, SHARED, VARIABLE_NAME, shared

_REF = "#/$defs/"
_NULL = {"type": "null"}


def profile_schema() -> dict[str, Any]:
    """The JSON Schema of a profile."""
    models = dict.fromkeys((ProfileModel, UntilModel, *STEP_MODELS.values()))
    del models[SetModel]  # its keys are the author's
    _, made = models_json_schema([(model, "validation") for model in models], ref_template="{model}")
    raw: dict[str, Written] = made["$defs"]
    raw[UntilModel.__name__] = _until_mapping(raw[UntilModel.__name__])
    tidy = _Tidy({})
    for name, schema in {**raw, **_shared_definitions()}.items():
        tidy.definitions[_plain(name)] = tidy.of(schema)
    profile = tidy.definitions.pop(_plain(ProfileModel.__name__))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **profile,
        "title": "Packbench profile",
        "description": "How a battery pack is tested: docs/profiles.md says what each word means.",
        "$defs": dict(sorted(tidy.definitions.items())),
    }


def _shared_definitions() -> dict[str, Written]:
    """What several places refer to."""
    conditions = {"type": "array", "items": shared("condition"), "minItems": 1}
    groups = [
        {"type": "object", "properties": {word: conditions}, "required": [word], "additionalProperties": False}
        for word in ("all", "any")
    ]
    until = {"anyOf": [CONDITION, {"$ref": UntilModel.__name__}]}
    bodies = {kind: _body(kind) for kind in STEP_MODELS}
    step = {"type": "object", "properties": bodies, "minProperties": 1, "maxProperties": 1}
    return {
        "condition": {"anyOf": [CONDITION, *groups]},
        "until": {"anyOf": [*until["anyOf"], {"type": "array", "items": until, "minItems": 1}]},
        "step": {"anyOf": [{"const": "end"}, {**step, "additionalProperties": False}]},
    }


def _body(kind: str) -> Written:
    """What may stand below a step's type."""
    if kind == "set":
        return {
            "description": "Variables and their values, such as {capacity: ah(discharge)}",
            "type": "object",
            "patternProperties": {f"^{VARIABLE_NAME}$": ANY_AMOUNT},
            "minProperties": 1,
        }
    model: Written = {"$ref": STEP_MODELS[kind].__name__}
    if kind == "goto":
        return {"anyOf": [{"type": "string", "description": "the label of a later step"}, model]}
    return {"anyOf": [_NULL, model]} if kind == "end" else model


def _until_mapping(schema: Written) -> Written:
    """A condition with `for`, `goto` or `over` may also say all or any itself, without `when`."""
    conditions = {"type": "array", "items": shared("condition"), "minItems": 1}
    several = {word: {**conditions, "description": f"{word} of these conditions"} for word in ("all", "any")}
    properties = {**schema["properties"], **several}
    one_of = [{"required": [word]} for word in ("when", "all", "any")]
    return {**schema, "properties": properties, "required": [], "oneOf": one_of}


class _Tidy:
    """Takes out what an editor need not read, and defines once what stands in many places."""

    def __init__(self, definitions: dict[str, Written]) -> None:
        self.definitions = definitions

    def of(self, schema: Written) -> Written:
        """A schema, made tidy."""
        left_out = {"title", NAMED, SHARED, "propertyNames"}  # of a mapping whose keys have a pattern
        found = {key: self._part(key, value) for key, value in schema.items() if key not in left_out}
        if SHARED in schema:
            found["$ref"] = f"{_REF}{schema[SHARED]}"
        if "default" in found and found["default"] in (None, [], {}, ""):
            del found["default"]
        if "patternProperties" in found:  # of which pydantic leaves open what other keys there may be
            found = {**found, "additionalProperties": False}
        if not found.get("required", True):
            del found["required"]
        return self._referring(schema[NAMED], found) if NAMED in schema else _without_null(found)

    def _part(self, key: str, value: Any) -> Any:
        if key in ("properties", "patternProperties"):
            return {name: self.of(schema) for name, schema in value.items()}
        if key == "$ref":
            return f"{_REF}{_plain(value)}"
        if key in ("anyOf", "oneOf", "prefixItems"):
            return [self.of(schema) for schema in value]
        if key in ("items", "additionalProperties") and mapping_of(value) is not None:
            return self.of(value)
        return value

    def _referring(self, name: str, schema: Written) -> Written:
        """A reference to a named schema; what its place says of it stays beside the reference."""
        beside = {key: value for key, value in schema.items() if key in ("description", "default")}
        defined = {key: value for key, value in schema.items() if key not in beside}
        assert self.definitions.setdefault(name, defined) == defined, f"{name} means two things"
        return {**beside, "$ref": f"{_REF}{name}"}


def _without_null(schema: Written) -> Written:
    """A key may be left out; it may not be there without a value."""
    several = list_of(schema.get("anyOf"))
    if several is None or len(several) != 2 or several[1] != _NULL:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**several[0], **rest}


def _plain(name: str) -> str:
    return name.removesuffix("Model")
