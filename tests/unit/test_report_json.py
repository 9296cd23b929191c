"""result.json: the contract's names, no NaN, and a round trip."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.unit.test_report_data import IMPORTED, RESULT, STEPS, TRIPPED

from packbench.core.errors import InputError
from packbench.core.result import Measured, Result
from packbench.report.json_out import result_from_json, result_schema, result_to_dict, result_to_json

CONTRACT = """schema_version, provenance, run_id, serial, profile, pack, seed, started_at, ended_at, end_reason,
verdict, valid, invalid_reasons, imbalance_limited, capacity_ah, energy_wh, soh, soce, weakest_cell, cell_spread_v,
steps, gaps, limits, trips, hashes, paths"""


def strict(content: str) -> dict:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(content, parse_constant=refuse)


@pytest.mark.parametrize("result", [RESULT, TRIPPED, IMPORTED], ids=["whole", "tripped", "imported"])
def test_a_result_comes_back_as_it_went(result: Result):
    assert result_from_json(result_to_json(result)) == result


def test_the_contract_s_names_are_there():
    data = result_to_dict(RESULT)
    assert set(CONTRACT.replace(",", " ").split()) <= set(data)
    assert set(data["capacity_ah"]) == {"value", "U", "k", "p", "unit", "budget"}
    assert set(data["weakest_cell"]) == {"index", "reason", "margin_ah", "decided", "next_index"}
    trip = result_to_dict(TRIPPED)["trips"][0]
    assert {"rule", "fault_id", "t_s", "value", "limit", "text_en", "text_zh"} <= set(trip)
    assert result_to_dict(IMPORTED)["capacity_ah"]["U"] is None


def test_nothing_that_is_not_finite_leaves():
    broken = replace(
        RESULT,
        soh=Measured(float("nan"), 0.1, 2.0, 0.95, "1"),
        steps=(replace(STEPS[0], voltage_end_v=float("inf")),),
        limits={"pack_voltage_max_v": {"value": float("nan"), "unit": "V", "origin": "pack"}},
    )
    data = strict(result_to_json(broken))
    assert data["soh"] is None
    assert data["steps"][0]["voltage_end_v"] is None
    assert data["limits"]["pack_voltage_max_v"]["value"] is None
    assert result_from_json(json.dumps(data)).soh is None


def test_floats_keep_nine_digits():
    figure = replace(RESULT, capacity_ah=Measured(97.01169999999999234, 0.1 + 0.2, 2.0, 0.95, "Ah"))
    data = strict(result_to_json(figure))
    assert data["capacity_ah"]["value"] == 97.0117
    assert data["capacity_ah"]["U"] == 0.3


def test_text_is_stable_and_readable():
    content = result_to_json(TRIPPED)
    assert content == result_to_json(TRIPPED)
    assert "单体" in content and content.endswith("}\n")


def test_every_misfit_is_named_with_its_place():
    data = result_to_dict(RESULT)
    data["capacity_ah"]["value"] = "much"
    data["steps"][1]["duration_s"] = None
    del data["verdict"]
    with pytest.raises(InputError) as caught:
        result_from_json(json.dumps(data), "result.json")
    fields = {problem.field for problem in caught.value.problems}
    assert {"verdict", "steps.2.duration_s"} <= fields
    assert any((field or "").startswith("capacity_ah") for field in fields)
    assert all(problem.file == "result.json" for problem in caught.value.problems)


def test_broken_json_is_the_input_s_fault():
    with pytest.raises(InputError, match=r"result\.json"):
        result_from_json('{"a": ', "result.json")


def test_a_newer_shape_is_refused():
    data = result_to_dict(RESULT) | {"schema_version": "2.0"}
    with pytest.raises(InputError, match="schema_version"):
        result_from_json(json.dumps(data))


def test_the_schema_describes_what_is_written():
    schema = result_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["verdict"]["enum"] == ["PASS", "FAIL", "INVALID", "ABORTED"]
    for result in (RESULT, TRIPPED, IMPORTED):
        data = result_to_dict(result)
        assert set(data) == set(schema["properties"]) == set(schema["required"])
        assert data["provenance"] in schema["properties"]["provenance"]["enum"]
        check(data, schema, schema)


def check(value, schema: dict, root: dict, place: str = "result") -> None:
    """A small validator for the keywords that this schema uses; an unknown keyword is a failure."""
    known = {"$ref", "$defs", "$schema", "title", "description", "default", "type", "properties", "required", "items"}
    known |= {"anyOf", "enum", "additionalProperties"}
    assert set(schema) <= known, f"{place}: {set(schema) - known}"
    if "$ref" in schema:
        check(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, place)
    if "anyOf" in schema:
        assert any(fits(value, option, root) for option in schema["anyOf"]), place
    if "type" in schema:
        kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
        kinds |= {"number": (int, float), "integer": int}
        assert isinstance(value, kinds[schema["type"]]), f"{place}: {value!r} is no {schema['type']}"
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value), place
        for name, part in schema.get("properties", {}).items():
            if name in value:
                check(value[name], part, root, f"{place}.{name}")
    if isinstance(value, list) and "items" in schema:
        for position, item in enumerate(value):
            check(item, schema["items"], root, f"{place}.{position}")


def fits(value, schema: dict, root: dict) -> bool:
    try:
        check(value, schema, root)
    except AssertionError:
        return False
    return True
