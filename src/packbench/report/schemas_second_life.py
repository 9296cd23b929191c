"""The JSON Schemas of what `grade --json`, `value --json` and `regroup --json` print.

Owns the promise alone; `json_value` and `regroup_json` fulfil it, and a test holds real output against it.
"""

from __future__ import annotations

from typing import Any, Final

from packbench.secondlife.applications.profile import UNITS
from packbench.secondlife.grading.rules import UNITS as GRADED

_Schema = dict[str, Any]
_NUMBER: Final[_Schema] = {"type": "number"}
_TEXT: Final[_Schema] = {"type": "string"}
_COUNT: Final[_Schema] = {"type": "integer", "minimum": 1}
_FLAG: Final[_Schema] = {"type": "boolean"}
_TEXTS: Final[_Schema] = {"type": "array", "items": _TEXT}
_P: Final[_Schema] = {
    "type": ["number", "null"],
    "minimum": 0,
    "maximum": 1,
    "description": "A probability; null: unknown.",
}


def _object(properties: _Schema, *, optional: tuple[str, ...] = (), description: str = "") -> _Schema:
    required = [name for name in properties if name not in optional]
    schema: _Schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return {**schema, "description": description} if description else schema


def _or_null(schema: _Schema) -> _Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: _Schema) -> _Schema:
    return {"type": "array", "items": schema}


_MEASURED: Final = _object(
    {
        "value": _NUMBER,
        "U": {"type": ["number", "null"], "description": "Expanded uncertainty; null: nobody stated one."},
        "k": {"type": ["number", "null"]},
        "p": _NUMBER,
        "unit": _TEXT,
    }
)
_REFUSED: Final = _object({"key": _TEXT, "text_en": _TEXT, "text_zh": _TEXT})
_HEAD: Final[_Schema] = {
    "run_id": _TEXT,
    "serial": _TEXT,
    "provenance": {"enum": ["measured", "emulated", "simulated", "imported"]},
    "record_verified": {"type": "boolean", "description": "The record's chain and signature were checked."},
    "verdict": {"enum": ["PASS", "FAIL", "INVALID", "ABORTED"]},
}
_ODDS: Final[_Schema] = {"anyOf": [{"type": "object", "additionalProperties": _P}, {"type": "null"}]}
_RANGE: Final = _object({"p5": _NUMBER, "median": _NUMBER, "p95": _NUMBER})
_AMOUNT: Final = _object(
    {"central": _NUMBER, "median": _NUMBER, "p5": _NUMBER, "p95": _NUMBER},
    description="With every input at its value, and over the draws.",
)


_USABLE: Final = _object(
    {"unit": {"enum": ["kWh", "kWh a"]}, **_AMOUNT["properties"]},
    description="Energy delivered, or held ready, over the remaining life.",
)


def grade_schema() -> _Schema:
    """The JSON Schema (draft 2020-12) of `grade --json`."""
    near = _object({"grade": _TEXT, "bound": _NUMBER, "source": _TEXT, "p_reached": _P})
    criterion = _object(
        {
            "figure": {"enum": sorted(GRADED)},
            "required": _FLAG,
            "assessed": _FLAG,
            "value": _or_null(_MEASURED),
            "grade": {"type": ["string", "null"]},
            "probabilities": _ODDS,
            "near": _list(near),
        }
    )
    pack = _object(
        {
            **_HEAD,
            "grade": {"type": ["string", "null"], "description": "What the values reach; null: see refused."},
            "refused": _TEXTS,
            "probabilities": _ODDS,
            "assured_grade": {"type": ["string", "null"]},
            "borderline": _FLAG,
            "criteria": _list(criterion),
        }
    )
    rules = _object({"name": _TEXT, "file": _TEXT, "grades": _TEXTS})
    body = _object({"ok": {"const": True}, "rules": rules, "stated": _TEXTS, "packs": _list(pack)})
    return _document("Packbench grade", body)


def value_schema() -> _Schema:
    """The JSON Schema (draft 2020-12) of `value --json`."""
    pack = _object(
        {
            **_HEAD,
            "chosen": {
                "type": ["string", "null"],
                "description": "The one of the highest median net (recycling: material) among those that are met.",
            },
            "candidate": {
                "type": ["string", "null"],
                "description": "Better but for something unknown, or the best second life where recycling is chosen.",
            },
            "value": _or_null(_AMOUNT),
            "refused": {**_TEXTS, "description": "Why the result is not valued at all."},
            "uncertainty_stated": {"type": "boolean", "description": "False: the ranges leave the test's own out."},
            "applications": _list(_application()),
            "assumptions": _list(_assumption()),
            "paths": {"type": "object", "additionalProperties": _TEXT},
        }
    )
    body = _object(
        {
            "ok": {"const": True},
            "seed": {"type": "integer", "minimum": 0},
            "draws": {"type": "integer", "minimum": 1},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "files": _object({"life": _TEXT, "assumptions": _TEXT}),
            "stated": _TEXTS,
            "packs": _list(pack),
        }
    )
    return _document("Packbench value", body)


def regroup_schema() -> _Schema:
    """The JSON Schema (draft 2020-12) of `regroup --json`."""
    body = _object(
        {
            "ok": {"const": True},
            "status": {"enum": ["optimal", "bounded"], "description": "optimal: proven to step_wh."},
            "packs_asked": _COUNT,
            "usable_wh": {"type": "number", "description": "Of all packs; what is made as large as can be."},
            "bound_wh": {"type": "number", "description": "No plan of as many packs has more."},
            "gap": {"type": "number", "minimum": 0, "maximum": 1},
            "step_wh": {"type": "number", "description": "The step of a proof."},
            "spread_ah": {"type": "number", "description": "Largest less smallest group, added up over the packs."},
            "spread_proven": _FLAG,
            "sort_and_slice": _or_null(_object({"usable_wh": _NUMBER, "spread_ah": _NUMBER})),
            "margin": {"type": ["number", "null"], "description": "Energy over sorting and slicing, as a part of it."},
            "discharge": _object({"rate_c": _NUMBER, "current_a": _NUMBER}),
            "given": _list(_given()),
            "not_used": {**_TEXTS, "description": "Columns of the file that nothing was made of."},
            "rules": _object({"name": _TEXT, "sources": {"type": "object", "additionalProperties": _TEXT}}),
            "packs": _list(_regrouped()),
            "left": _list(_left()),
            "paths": _object({"plan": _TEXT}),
        },
        optional=("paths",),
    )
    return _document("Packbench regroup", body)


def _given() -> _Schema:
    return _object(
        {
            "quantity": {"enum": ["voltage", "resistance"]},
            "source": {"enum": ["voltage_v", "ocv_v", "dcir_ohm", "nominal", "none"]},
            "assumed": {"type": ["number", "null"], "description": "Stands for members without a value of their own."},
            "missing": {"type": "integer", "minimum": 0, "description": "How many these are."},
        }
    )


def _regrouped() -> _Schema:
    numbers = ("usable_wh", "usable_ah", "mean_v")
    limiting = _object(
        {"group": _COUNT, "member": _TEXT, "next_group_gives_ah": _NUMBER, "next_group_gives_wh": _NUMBER}
    )
    return _object(
        {
            "pack": _COUNT,
            **dict.fromkeys(numbers, _NUMBER),
            "resistance_ohm": {"type": ["number", "null"]},
            "loss_v": {"type": ["number", "null"], "description": "Null: no resistance is known, none is taken off."},
            "spread_ah": _NUMBER,
            "limiting": limiting,
            "groups": _list(_TEXTS),
        }
    )


def _left() -> _Schema:
    return _object(
        {
            "id": _TEXT,
            "reason": {"enum": ["not_asked", "remainder", "rules", "rule"]},
            "instead_of": {"type": "string", "description": "The member whose place would suit this one best."},
            "pack": _COUNT,
            "change_wh": {"type": "number", "description": "What all packs would gain by that."},
        }
    )


def _application() -> _Schema:
    verdict: _Schema = {"enum": ["meets", "fails", "unknown"]}
    figure: _Schema = {"enum": sorted(UNITS)}
    outcome = _object(
        {
            "figure": figure,
            "at_least": _NUMBER,
            "at_most": _NUMBER,
            "source": _TEXT,
            "verdict": verdict,
            "p": _P,
            "value": _or_null(_MEASURED),
            "lower_bound": _FLAG,
            "refused": _list(_REFUSED),
        },
        optional=("at_least", "at_most"),
    )
    limiting = _object({"figure": figure, "text_en": _TEXT, "text_zh": _TEXT})
    match = _object({"verdict": verdict, "p": _P, "limiting": _or_null(limiting), "requirements": _list(outcome)})
    life = _object(
        {
            "years": _RANGE,
            "cycles": _RANGE,
            "end_of_life_soh": _NUMBER,
            "horizon_years": _NUMBER,
            "p_beyond_horizon": _P,
            "p_knee_first": _P,
        }
    )
    return _object(
        {
            "application": _TEXT,
            "match": match,
            "life": _or_null(life),
            "worth": _or_null(_worth()),
            "refused": {**_list(_REFUSED), "description": "Why there is no life, or no value."},
        }
    )


def _worth() -> _Schema:
    costs = ("earned", "test", "regroup", "logistics", "warranty", "net")
    ends = ("low", "high", "net_at_low", "net_at_high", "value_at_low", "value_at_high")
    bar = _object({"input": _TEXT, **dict.fromkeys(ends, _NUMBER)})
    return _object(
        {
            **dict.fromkeys((*costs, "material", "value"), _AMOUNT),
            "usable": _or_null(_USABLE),
            "p_floor": _P,
            "tornado": {**_list(bar), "description": "Largest span of the net first."},
        },
        optional=costs,
    )


def _assumption() -> _Schema:
    return _object(
        {
            "group": {"type": "string", "description": "ageing, money, or an application."},
            "name": _TEXT,
            "value": _NUMBER,
            "low": _NUMBER,
            "high": _NUMBER,
            "unit": _TEXT,
            "source": _TEXT,
            "assumption": {"type": "boolean", "description": "Nobody but the file says so."},
        }
    )


def _document(title: str, body: _Schema) -> _Schema:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **body}
