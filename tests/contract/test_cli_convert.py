"""packbench convert at the command line: formats, streams, exit codes, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.contract.test_cli_errors import refused
from tests.scenario.support import ask

from packbench.cli.program import main

PACK = ("--pack", "nmc-96s")


def test_a_profile_by_name_goes_to_stdout_and_nothing_else_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "quick-check", "--to", "pybamm", *PACK]) == 0
    printed = capsys.readouterr()
    experiment = json.loads(printed.out)
    assert [step["type"] for (step,) in experiment["cycles"]] == ["rest", "c-rate", "rest", "c-rate", "rest"]
    assert printed.err == ""


def test_the_pack_that_was_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "quick-check", "--to", "pybamm"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["packbench"]["pack"] == "nmc-96s"
    assert "nmc-96s" in printed.err


def test_json_has_the_experiment_or_the_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    there = ask(capsys, "convert", "quick-check", "--to", "unicycler", "--pack", "lmo-25ah")
    assert there.code == 0
    assert {key: there.data[key] for key in ("ok", "format", "from", "dropped", "warnings")} == {
        "ok": True,
        "format": "unicycler",
        "from": "packbench",
        "dropped": [],
        "warnings": [],
    }
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(there.data["experiment"]), encoding="utf-8")
    back = ask(capsys, "convert", str(path), "--to", "packbench", "--pack", "lmo-25ah")
    assert (back.data["format"], back.data["from"]) == ("packbench", "unicycler")
    again = tmp_path / "ours.yaml"
    again.write_text(back.data["text"], encoding="utf-8")
    assert ask(capsys, "check", str(again), "--pack", "lmo-25ah").data["errors"] == []


def test_what_cannot_be_carried_refuses_and_lossy_drops_exactly_that(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("convert", "quick-check", "--to", "unicycler", *PACK)
    problems = refused(capsys, *words)
    assert [problem["field"] for problem in problems] == [
        "steps[2].cc_charge.on_cell_limit",
        "steps[4].cc_discharge.until[1]",
    ]
    answer = ask(capsys, *words, "--lossy")
    assert (answer.code, answer.data["dropped"]) == (0, problems)
    out = tmp_path / "out.json"
    answer = ask(capsys, *words, "--lossy", "-o", str(out))
    assert answer.data["paths"] == [str(out)]
    assert json.loads(out.read_text(encoding="utf-8")) == answer.data["experiment"]
    # A person reads on stderr what was dropped, each at its line; stdout stays fit for a pipe.
    assert main([*words, "--lossy"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == answer.data["experiment"]
    assert printed.err.count("dropped: aurora-unicycler cannot carry this") == 2
    assert "quick-check.yaml:" in printed.err


def test_sentences_from_a_file_and_to_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "my experiment.txt"
    path.write_text("Charge at C/3 until 4.1 V\nHold at 4.1 V until C/20\nRest for 1 hour\n", encoding="utf-8")
    assert (
        main(["convert", str(path), "--to", "packbench", "--pack", "lmo-25ah", "--out", str(tmp_path / "p.yaml")]) == 0
    )
    assert capsys.readouterr().out == f"{tmp_path / 'p.yaml'}\n"
    answer = ask(capsys, "convert", str(tmp_path / "p.yaml"), "--to", "pybamm", "--strings", "--pack", "lmo-25ah")
    assert answer.data["experiment"] == [
        ["Charge at C/3 until 4.1 V (5 second period)", "Hold at 4.1 V until C/20 (5 second period)"],
        ["Rest for 1 hour (5 second period)"],
    ]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("quick-check",), None),
        (("quick-check", "--to", "matlab"), None),
        (("quick-check", "--to", "unicycler", "--strings"), "--strings"),
        (("quick-check", "--to", "pybamm", "--voltages", "cell"), "--voltages"),
        (("quick-check", "--to", "packbench"), "--to"),
        (("quick-chek", "--to", "pybamm"), "profile"),
        (("no/such/file.json", "--to", "packbench"), "profile"),
        (("quick-check", "--to", "pybamm", "--pack", "nothing"), "pack"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], field: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert [problem["field"] for problem in refused(capsys, "convert", *words)] == [field]


def test_junk_is_refused_by_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, content in {"empty.json": b"", "binary.txt": bytes(range(256)), "half.json": b'{"cycles": ['}.items():
        path = tmp_path / name
        path.write_bytes(content)
        problems = refused(capsys, "convert", str(path), "--to", "packbench")
        assert all(problem["file"].endswith(name) for problem in problems)
