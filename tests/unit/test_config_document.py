"""Strict YAML: what YAML 1.1 would misread is refused, with its place; the rest is plain data."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from packbench.config.document import field_text, load_document, typing_trap
from packbench.config.validation import StrictModel, validate
from packbench.core.errors import InputError


def test_plain_data_with_places():
    text = "a: 1\nb:\n  - x: 2.5\n    t: text here\n  - {z: true, w: null}\n"
    document = load_document(text, "f.yaml")
    assert document.problems == ()
    assert document.data == {"a": 1, "b": [{"x": 2.5, "t": "text here"}, {"z": True, "w": None}]}
    mark = document.values["b", 0, "t"]
    assert (mark.line, mark.column) == (4, 8)
    key = document.keys["b", 1, "w"]
    assert (key.line, key.column) == (5, 15)
    assert field_text(("b", 1, "w")) == "b[2].w"


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1.0e-3", 0.001),
        ("1.", 1.0),
        ("true", True),
        ("~", None),
        ("'off'", "off"),
        ('"1e-3"', "1e-3"),
        ("3.65 V", "3.65 V"),
        ("2026-01-01", "2026-01-01"),
        ("192.0.2.1", "192.0.2.1"),
        ("a:b", "a:b"),
        ("emulated:modbus+tcp", "emulated:modbus+tcp"),
    ],
)
def test_scalars(scalar, value):
    document = load_document(f"k: {scalar}", "f")
    assert document.problems == ()
    assert document.data == {"k": value}
    assert type(document.data["k"]) is type(value)


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("1e-3", "0.001 or 1.0e-3"),
        ("12e03", "12000 or 1.2e+4"),
        ("1.5e3", "1500 or 1.5e+3"),
        ("1e400", "finite"),
        ("off", "true or false"),
        ("On", "true or false"),
        ("yes", "true or false"),
        ("N", "true or false"),
        ("True", "true"),
        ("NULL", "null"),
        ("1:30", "90 min or 1 h 30 min"),
        ("1:30:00", "with its unit"),
        ("0123", "123 without the leading zero"),
        ("0x1F", "decimal number"),
        ("0o17", "decimal number"),
        ("1_000", "decimal number"),
        (".inf", "finite"),
        ("-.inf", "finite"),
        (".NaN", "finite"),
    ],
)
def test_typing_traps(scalar, expected):
    document = load_document(f"# first\nkey: {scalar}\n", "f.yaml")
    (problem,) = document.problems
    assert (problem.file, problem.line, problem.column, problem.field) == ("f.yaml", 2, 6, "key")
    assert problem.found == scalar
    assert expected in problem.expected


def test_what_yaml_would_have_made_of_the_traps():
    # Why the traps are traps: PyYAML's own loader reads these silently.
    loaded = yaml.safe_load("a: 1e-3\nb: off\nc: 1:30\nd: 0123\ne: 1\ne: 2\n")
    assert loaded == {"a": "1e-3", "b": False, "c": 90, "d": 83, "e": 2}


@pytest.mark.parametrize(
    ("text", "place", "field", "found"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1), "a", "a second 'a' (the first is on line 1)"),
        ("a: &x 1\n", (1, 4), "a", "the anchor &x"),
        ("a: &x 1\nb: *x\n", (2, 4), "b", "the alias *x"),
        ("a: !!python/object:os.system 1\n", (1, 4), "a", "the tag"),
        ("a: !foo 1\n", (1, 4), "a", "the tag !foo"),
        ("a: 1\n---\nb: 2\n", (2, 1), "(file)", "a second document"),
        ("on: 1\n", (1, 1), "on", "the key on"),
        ("1e3: 1\n", (1, 1), "1e3", "the key 1e3"),
        ("<<: {a: 1}\n", (1, 1), "<<", "a merge key"),
        ("? [a, b]\n: 1\n", (1, 3), "(file)", "a key that is no word"),
    ],
)
def test_yaml_features_refused(text, place, field, found):
    problems = load_document(text, "f").problems
    match = [problem for problem in problems if found in problem.found]
    assert match, problems
    assert (match[0].line, match[0].column) == place
    assert match[0].field == field


@pytest.mark.parametrize(
    ("text", "line", "column", "found"),
    [
        ("a:\n\tb: 1\n", 2, 1, "a tab"),
        ("a:\n  - b\n \t - c\n", 3, 2, "a tab"),
        ("a: [1, 2\n", 2, 1, "the end of the line"),
        ("a: 'x\n", 2, 1, "the end of the line"),
        ("a: b: c\n", 1, 5, "': c'"),
        ("a: @x\n", 1, 4, "'@x'"),
        ("a: \x00\n", 1, 1, "a character YAML does not allow"),
    ],
)
def test_no_yaml_at_all(text, line, column, found):
    with pytest.raises(InputError) as caught:
        load_document(text, "f.yaml")
    problem = caught.value.problems[0]
    assert (problem.file, problem.line, problem.column) == ("f.yaml", line, column)
    assert found in problem.found


def test_traps_before_a_syntax_error_are_reported_with_it():
    with pytest.raises(InputError) as caught:
        load_document("a: off\nb: [1\n", "f")
    assert [problem.found for problem in caught.value.problems] == ["off", "the end of the line"]


def test_traps_inside_a_duplicate_are_told_too():
    problems = load_document("a: 1\na: {b: off}\n", "f").problems
    assert [(problem.line, problem.column, problem.found) for problem in problems] == [
        (2, 1, "a second 'a' (the first is on line 1)"),
        (2, 8, "off"),
    ]


def test_deep_nesting_is_refused_not_a_recursion_error():
    with pytest.raises(InputError, match="nested deeper"):
        load_document("[" * 5000 + "]" * 5000, "f")


class Inner(StrictModel):
    size: int = Field(ge=1, description="a size")
    kind: str = Field(default="x", description="a kind")


class Outer(StrictModel):
    name: str = Field(description="a name")
    inner: list[Inner] = Field(description="a list of inner things")


def test_every_problem_of_a_file_at_once_in_its_order():
    text = "name: 5\ninner:\n  - size: 0\n    knd: a\n  - kind: off\n  - 3\nextra: 1\n"
    with pytest.raises(InputError) as caught:
        validate(Outer, load_document(text, "f.yaml"))
    lines = [str(problem) for problem in caught.value.problems]
    assert lines == [
        "f.yaml:1:7: name: found '5', expected a name",
        "f.yaml:3:11: inner[1].size: found '0', expected 1 or more",
        "f.yaml:4:5: inner[1].knd: unknown key: found 'knd', expected one of kind, size (did you mean 'kind'?)",
        "f.yaml:5:5: inner[2].size: required: found nothing, expected a size",
        "f.yaml:5:11: inner[2].kind: YAML reads this as something else: found off, expected true or false, "
        "or 'off' in quotes (YAML 1.1 makes a truth value of it)",
        "f.yaml:6:5: inner[3]: found '3', expected a mapping",
        "f.yaml:7:1: extra: unknown key: found 'extra', expected one of inner, name",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "just text\n", "- 1\n"])
def test_a_file_that_is_no_mapping(text):
    with pytest.raises(InputError) as caught:
        validate(Outer, load_document(text, "f.yaml"))
    assert caught.value.problems[0].expected == "a mapping"
    assert caught.value.problems[0].line == 1 if text != "# nothing\n" else True


@given(st.text(max_size=60))
def test_any_text_loads_or_is_refused_with_a_place(text):
    try:
        document = load_document(text, "f")
    except InputError as error:
        assert all(problem.line is not None for problem in error.problems)
    else:
        for problem in document.problems:
            assert problem.line is not None and problem.expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_with_a_dot_is_that_number(number):
    text = repr(number)
    if typing_trap(text) is None:
        value = load_document(f"k: {text}", "f").data["k"]
        assert value == number


def test_a_thousand_steps_load():
    text = "steps:\n" + "  - rest: {label: a, for: 30 min, record: {dt: 5 s}}\n" * 1000
    assert len(load_document(text, "f").data["steps"]) == 1000
