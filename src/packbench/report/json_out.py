"""result.json: writing it, reading it back, and its JSON Schema (DESIGN 10).

Owns the mapping between `core.result.Result` and JSON. Must not compute figures. NaN and infinity
are not JSON and never leave here: a figure that is not finite becomes null, and a measured figure
whose value is not finite is absent as a whole.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, cast

from pydantic import TypeAdapter, ValidationError

from packbench.core.errors import InputError, Problem
from packbench.core.result import SCHEMA_VERSION, Measured, Result

SIGNIFICANT_DIGITS: Final = 9
"""Far finer than any instrument here, and without the last bits' noise."""

_ENUMS: Final[dict[str, list[str]]] = {
    "provenance": ["measured", "emulated", "simulated", "imported"],
    "verdict": ["PASS", "FAIL", "INVALID", "ABORTED"],
}

_DESCRIPTIONS: Final[dict[str, str]] = {
    "schema_version": "Version of this shape; the number before the point changes when old readers would misread.",
    "provenance": "How the record came to be. Only 'measured' results may release anything.",
    "run_id": "Unique name of the run.",
    "serial": "Battery code as scanned or given.",
    "seed": "Seed of a simulated run; null otherwise.",
    "started_at": "RFC 3339 with offset.",
    "ended_at": "RFC 3339 with offset.",
    "end_reason": "Why the run ended.",
    "valid": "False: the figures must not be used; see invalid_reasons.",
    "imbalance_limited": "True: one cell reached its charge limit before the pack was full.",
    "capacity_ah": "Residual capacity.",
    "energy_wh": "Energy of the discharge at the pack's terminals.",
    "soh": "Capacity over rated capacity, a fraction.",
    "soce": "Energy over rated energy, a fraction.",
    "weakest_cell": "The cell that ends the discharge; margin_ah is what the next cell would still give. "
    "decided is false when that lies within its own uncertainty.",
    "diagnostics": "Figures besides the headline ones; what the record does not carry is in diagnostics.absent.",
    "cell_spread_v": "Highest minus lowest cell at the end of the discharge that counts.",
    "steps": "Every executed step in order; positive charge and energy went into the pack.",
    "gaps": "Stretches without data: {started_s, ended_s, reason, reason_zh, unseen_ah?}; never interpolated.",
    "limits": "Limit name to {value, unit, origin}: the effective limits and the layer each came from.",
    "trips": "Each {rule, fault_id, t_s, value, limit, text_en, text_zh}.",
    "hashes": "Name to SHA-256.",
    "paths": "Files of this run.",
    "capacities_ah": "Capacity of each repeat, in order.",
    "agreeing_cycles": "Repeats that make the result, from 1.",
    "end_reason_zh": "The profile's own words for its end in Chinese; empty: it gave none.",
    "subject": "What the run is to find: a residual capacity, or what the profile's variables and verdict say.",
    "variables": "The profile's own variables as they stood at the run's end: name to {value, unit}.",
    "answers": "Every question of the profile that was answered, in order, and by whom.",
    "parameters": "Of the profile, those that were not left at their defaults, as given.",
}


def result_to_dict(result: Result) -> dict[str, Any]:
    """The result as JSON types, floats rounded to nine significant digits, nothing that is not finite."""
    return {field.name: _json_value(getattr(result, field.name)) for field in dataclasses.fields(result)}


def result_to_json(result: Result, *, indent: int | None = 2) -> str:
    """result.json as text, with a line end; the same result gives the same text."""
    return json.dumps(result_to_dict(result), ensure_ascii=False, allow_nan=False, indent=indent) + "\n"


def result_from_json(content: str | bytes, file: str | None = None) -> Result:
    """Read a result back. InputError names every field that does not fit; `file` is for its text."""
    try:
        result = _adapter().validate_json(content)
    except ValidationError as error:
        raise InputError([_problem(details, file) for details in error.errors()]) from error
    if result.schema_version.split(".")[0] != SCHEMA_VERSION.split(".", maxsplit=1)[0]:
        raise InputError(
            Problem("", file=file, field="schema_version", found=result.schema_version, expected=SCHEMA_VERSION)
        )
    return result


def result_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of result.json."""
    schema = _adapter().json_schema(mode="serialization")
    properties = schema["properties"]
    for name, allowed in _ENUMS.items():
        properties[name] = {**properties[name], "enum": allowed}
    for name, description in _DESCRIPTIONS.items():
        properties[name] = {**properties[name], "description": description}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Packbench result",
        "required": [field.name for field in dataclasses.fields(Result)],
    }


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)


def _json_value(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    if isinstance(value, float):
        return _rounded(value)
    if isinstance(value, Measured) and not math.isfinite(value.value):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: _json_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in cast("Sequence[Any]", value)]
    raise TypeError(f"result.json cannot carry a {type(value).__name__}")


def _rounded(value: float) -> float | None:
    if not math.isfinite(value):
        return None
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0


def _problem(details: Any, file: str | None) -> Problem:
    field = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in details["loc"])
    found = details.get("input")
    shown = None if isinstance(found, dict | list) else repr(found)
    return Problem(str(details["msg"]), file=file, field=field or None, found=shown, expected=None)
