"""packbench profile schema, and every schema that is printed: what comes out is JSON, for a file as for --json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.scenario.support import ask

from packbench.cli.program import main
from packbench.config.document import load_document
from packbench.profile.language.json_schema import profile_schema

PROFILES = Path(__file__).parents[2] / "configs" / "profiles"


@pytest.mark.parametrize("words", [("profile", "schema"), ("schema", "result"), ("schema", "event")])
def test_a_printed_schema_is_json_whatever_is_in_it(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Patterns in brackets are no markup, and no line is broken for a narrow page."""
    answer = ask(capsys, *words)
    assert answer.code == 0
    assert main(list(words)) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == answer.data
    assert printed.err == ""
    Draft202012Validator.check_schema(answer.data)


def test_an_editor_gets_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    schema = ask(capsys, "profile", "schema").data
    assert schema == profile_schema()
    validator = Draft202012Validator(schema)
    paths = sorted(PROFILES.glob("*.yaml"))
    assert len(paths) > 10
    for path in paths:
        assert list(validator.iter_errors(load_document(path.read_text("utf-8"), path.name).data)) == [], path.name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("record: {dt: 1 s}", "record: {dt: 1}"),
        ("current: 0.2C", "curent: 0.2C"),
        ("current: 0.2C", "current: 0.2 c"),
        ("rest: {label: settle, for: 5 s}", "pause: {label: settle, for: 5 s}"),
        ("action: end", "action: stop"),
        ("  - end\n", "  - end: {verdict: maybe}\n"),
        ("title:", "titel:"),
    ],
)
def test_an_editor_marks_a_slip(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    validator = Draft202012Validator(ask(capsys, "profile", "schema").data)
    text = (PROFILES / "quick-check.yaml").read_text("utf-8")
    assert old in text
    assert list(validator.iter_errors(load_document(text.replace(old, new, 1), "t.yaml").data))
