"""The language's JSON Schema: what an editor accepts and marks, beside what the reader does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.unit.profile_legal import LEGAL
from tests.unit.profile_mutants.bases import FILES
from tests.unit.profile_mutants.conditions import CONDITIONS
from tests.unit.profile_mutants.steps import STEPS
from tests.unit.profile_mutants.waves import WAVES
from tests.unit.profile_mutants.writing import WRITING

from packbench.config.document import load_document
from packbench.config.written import quantity
from packbench.core.units import EXPECTED, UNITS, UnitError, parse_current, parse_quantity
from packbench.profile.language.conditions import parse_condition
from packbench.profile.language.json_schema import profile_schema
from packbench.profile.language.step_models import STEP_MODELS
from packbench.profile.language.values import parse_voltage

ROOT = Path(__file__).parents[2]
SCHEMA = profile_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/profiles.md").read_text(encoding="utf-8"), flags=re.DOTALL)


def wrong(text: str) -> list[str]:
    """Where the schema marks a profile, deepest first."""
    errors = VALIDATOR.iter_errors(load_document(text, "t.yaml").data)
    return [error.message for error in errors]


def of_definition(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    text = str(SCHEMA)
    assert "$named" not in text and "$shared" not in text and "Model" not in text
    assert "'null'" not in text.replace("{'type': 'null'}, {'$ref': '#/$defs/End'}", ""), "a key has a value"


def test_every_step_is_an_alternative_with_its_keys():
    steps = SCHEMA["$defs"]["step"]["anyOf"][1]
    assert list(steps["properties"]) == list(STEP_MODELS)
    for kind, model in STEP_MODELS.items():
        body = steps["properties"][kind]
        if kind == "set":
            continue
        reference = body.get("$ref") or body["anyOf"][1]["$ref"]
        definition = SCHEMA["$defs"][reference.removeprefix("#/$defs/")]
        assert set(definition["properties"]) == {info.alias or key for key, info in model.model_fields.items()}
        assert all(key["description"] for key in definition["properties"].values())
        assert definition["additionalProperties"] is False


@pytest.mark.parametrize("path", sorted((ROOT / "configs/profiles").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_profile_is_accepted(path):
    assert wrong(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_is_accepted(example):
    assert wrong(example) == []


@pytest.mark.parametrize("legal", LEGAL, ids=lambda legal: legal.name)
def test_what_is_legal_is_accepted(legal):
    assert wrong(legal.text) == []


def test_a_sub_profile_is_accepted():
    assert wrong(FILES["charge"]) == []


UNSEEN = {
    # What YAML itself hides from a schema, and ranges of quantities.
    *("exponent", "off", "sexagesimal", "octal", "duplicate key", "duplicate top key", "tab", "second document"),
    *("alias", "anchor", "negative current", "zero current", "zero time"),
}
OF_FORM = {
    # Mutations of the other tables that are of a form that a schema knows.
    *("a read-out without a unit", "a limit to do what", "amperes for watts", "a point of three", "a pause that waits"),
    *("a question in one language", "a chamber that is off", "a soak within a temperature", "a resistance in volts"),
    *("a sub-profile as text", "a parameter that it has not given", "neither all nor any", "a group of nothing"),
    *("a group that is no list", "a number for a condition", "no condition at all", "a share of 1", "a rate in volts"),
    *("kelvin for a temperature", "half a round", "cell 0", "not equal", "the value on the left", "for within a group"),
    *("an operator turned round", "a slip deep in a group", "a list in a list", "two groups"),
}
MARKED = [
    *(case for case in WRITING if case.name not in UNSEEN),
    *(case for case in (*WAVES, *STEPS, *CONDITIONS) if case.name in OF_FORM),
]


@pytest.mark.parametrize("case", MARKED, ids=lambda case: case.name)
def test_a_slip_of_typing_is_marked(case):
    assert wrong(case.base.replace(case.old, case.new.replace("§", "")))


NUMBERS = st.from_regex(r"[-+]?(?:[0-9]{1,3}(?:\.[0-9]{0,2})?|\.[0-9]{1,2})(?:[eE][-+]?[0-9])?", fullmatch=True)
LITERALS = st.builds(
    "{}{}{}".format,
    st.one_of(NUMBERS, st.sampled_from(["", "C/", "I", "1 h ", "C/ "])),
    st.sampled_from(["", " ", "  "]),
    st.sampled_from(["", *UNITS, "C", "c", "I1", "I3", "I4", "It", "m", "Celsius", "30 min", "3", "%Pmax"]),
)


@settings(max_examples=600)
@given(LITERALS, st.sampled_from(sorted(EXPECTED)))
def test_a_quantity_is_marked_exactly_when_it_is_refused(literal, dimension):
    marked = not Draft202012Validator(quantity(dimension)).is_valid(literal)
    try:
        parse_current(literal) if dimension == "current" else parse_quantity(literal, dimension)
    except UnitError as error:
        # 1/0 and `2 min 1 h` are of the right form.
        assert marked or "finite" in error.found or "each once" in error.expected or literal.startswith("C/")
    else:
        assert not marked


VARIABLES = ["voltage", "cell_min", "cell_7", "cell_any", "current", "power", "step_time", "cycle_ah", "test_wh", "soc"]
VARIABLES += [
    "temperature_max",
    "temperature_spread",
    "insulation",
    "dV/dt",
    "abs(dV/dt)",
    "dT/dt",
    "cycle",
    "$x",
    "foo",
]
VALUES = ["3 V", "20 mV", "cell_full", "pack_full", "rated", "rated_energy", "Pmax", "30 %Pmax", "2 s", "1 h 30 min"]
VALUES += ["0.5C", "1 I3", "3 A", "5 Ah", "5 Wh", "3 kW", "30 degC", "2 K", "0.1 K/min", "1 mV/min", "2 ohm", "3 %"]
VALUES += ["3", "$x", "0.5 * rated", "cell_full - 50 mV", "ah(d) / 3 h", "2.8", ""]


@settings(max_examples=600)
@given(st.sampled_from(VARIABLES), st.sampled_from([">=", "<=", "<", ">", "=", "≥", ""]), st.sampled_from(VALUES))
def test_a_condition_that_is_read_is_accepted(variable, operator, value):
    text = f"{variable} {operator} {value}"
    accepted = of_definition("condition-text").is_valid(text)
    try:
        parse_condition(text)
    except UnitError:
        # A pattern cannot read a formula, nor say which of a voltage's words go with what.
        assert not accepted or re.search(r"[$(*]| [-+/] ", value)
    else:
        assert accepted


@pytest.mark.parametrize(("value", "right"), [("3.65", False), ("3.65 V", True), ("pack_full", True), ("$v", True)])
def test_a_voltage_without_its_unit_is_marked(value, right):
    assert of_definition("pack-voltage-amount").is_valid(value) is right
    if right:
        assert parse_voltage(value, "pack")


def test_a_number_without_quotes_is_marked_too():
    assert not of_definition("pack-voltage-amount").is_valid(3.65)
