"""The contract of the commands that make, show, check and pass on a run, and of what they write."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import Answer, ask

from packbench.cli.program import _parser, main

ROOT = Path(__file__).resolve().parents[2]
NEBULA = next((ROOT / "tests/data/pulsebat").glob("*.xlsx"))
SIMULATED = {
    "bench_seconds", "wall_seconds", "speedup", "polls", "heartbeats", "log_sha256", "trips", "result", "truth",
    "paths",
}  # fmt: skip
RESULT = {
    "schema_version", "provenance", "run_id", "serial", "profile", "pack", "seed", "started_at", "ended_at",
    "end_reason", "verdict", "valid", "invalid_reasons", "imbalance_limited", "capacity_ah", "energy_wh", "soh",
    "soce", "weakest_cell", "cell_spread_v", "steps", "gaps", "limits", "trips", "hashes", "paths",
}  # fmt: skip
PROFILE = """profile: nearly-empty
title: {en: "The last of a cell", zh: "电芯余量"}
record: {dt: 2 s}
result: {capacity_of: down}
steps:
  - rest: {for: 30 s}
  - cc_discharge: {label: down, current: 0.5C, until: cell_min <= cell_cutoff}
  - rest: {for: 30 s}
  - end: {verdict: pass}
"""


# -- JSON Schema, as much of it as our schemas use ---------------------------------------------------

SILENT = {"title", "description", "default", "$defs", "$schema", "format"}
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,), "null": (type(None),),
    "array": (list,), "object": (dict,),
}  # fmt: skip


def violations(value: Any, schema: dict[str, Any], whole: Any, place: str = "$") -> Iterator[str]:  # noqa: PLR0912
    """What of `value` the schema forbids. An unknown keyword is a failure of this test, not a pass."""
    members = list(value.items()) if isinstance(value, dict) else []
    for keyword, rule in schema.items():
        match keyword:
            case "$ref":
                yield from violations(value, whole["$defs"][rule.rpartition("/")[2]], whole, place)
            case "anyOf":
                if all(list(violations(value, option, whole, place)) for option in rule):
                    yield f"{place}: {value!r} fits nothing of {rule}"
            case "type":
                names = [rule] if isinstance(rule, str) else rule
                fits = any(isinstance(value, TYPES[name]) for name in names)
                if not fits or (type(value) is bool and "boolean" not in names):
                    yield f"{place}: {value!r} is no {rule}"
            case "enum" | "const":
                if value not in (rule if keyword == "enum" else [rule]):
                    yield f"{place}: {value!r} is not of {rule}"
            case "required":
                yield from (f"{place}: no {name}" for name in rule if isinstance(value, dict) and name not in value)
            case "properties":
                for name, part in members:
                    if name in rule:
                        yield from violations(part, rule[name], whole, f"{place}.{name}")
            case "additionalProperties":
                known = schema.get("properties", {})
                for name, part in members:
                    if name not in known:
                        if rule is False:
                            yield f"{place}: unknown {name}"
                        elif rule is not True:
                            yield from violations(part, rule, whole, f"{place}.{name}")
            case "items":
                for number, item in enumerate(value if isinstance(value, list) else ()):
                    yield from violations(item, rule, whole, f"{place}[{number}]")
            case _:
                assert keyword in SILENT, f"teach this test the keyword {keyword}"


# -- one run, looked at from all sides ---------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A discharge of a nearly empty cell with a report: its folder, and what simulate said."""
    folder = tmp_path_factory.mktemp("run")
    profile = folder / "nearly-empty.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    out = folder / "out"
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("PACKBENCH_HOME", str(folder / "home"))
        words = ("simulate", str(profile), "--pack", "lmo-25ah", "--level", "object", "--seed", "5", "--serial", "C-1")
        more = ("--set", "plant.initial_soc=0.1", "--operator", "Li", "--out", str(out), "--json")
        assert main([*words, *more]) == 0
    return out, json.loads(printed.getvalue())


def test_simulate_says_everything_the_contract_names(run: tuple[Path, dict[str, Any]]) -> None:
    _out, data = run
    assert set(data) >= SIMULATED | {"ok"}
    assert set(data["result"]) >= RESULT
    assert data["speedup"] == pytest.approx(data["bench_seconds"] / data["wall_seconds"])
    assert data["polls"] == pytest.approx(3 * data["bench_seconds"], rel=0.05)
    assert data["heartbeats"] == pytest.approx(5 * data["bench_seconds"], rel=0.05)
    assert data["result"]["hashes"]["log_sha256"] == data["log_sha256"]
    assert data["truth"]["capacity_ah"] == pytest.approx(data["result"]["capacity_ah"]["value"], rel=0.02)
    assert set(data["paths"]) == {"result", "report_html", "report_pdf", "data"}
    for path in data["paths"].values():
        assert Path(path).stat().st_size > 1000, path


def test_result_json_is_what_its_schema_says(
    run: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    _out, data = run
    schema = ask(capsys, "schema", "result").data
    written = json.loads(Path(data["paths"]["result"]).read_text(encoding="utf-8"))
    assert list(violations(written, schema, schema)) == []
    assert written == data["result"]
    # The validator itself sees what is wrong.
    for broken in ({**written, "verdict": "GOOD"}, {**written, "seed": "5"}, {**written, "valid": 1}):
        assert list(violations(broken, schema, schema))
    assert list(violations({name: value for name, value in written.items() if name != "soh"}, schema, schema))
    for name, unit in (("capacity_ah", "Ah"), ("energy_wh", "Wh"), ("soh", "1"), ("soce", "1")):
        assert {"value", "U", "k", "p", "unit"} <= set(written[name])
        assert (written[name]["unit"], written[name]["p"]) == (unit, 0.95)
    assert 0.0 < written["soh"]["value"] < 1.0
    assert (written["serial"], written["operator"], written["seed"]) == ("C-1", "Li", 5)


def test_runs_show_and_verify(run: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    out, data = run
    shown = ask(capsys, "runs", "show", str(out)).data
    assert (shown["run_id"], shown["provenance"]) == (data["result"]["run_id"], "simulated")
    assert shown["result"] == data["result"]
    assert [event["kind"] for event in shown["events"]][-1] == "shut_down"
    verified = ask(capsys, "runs", "verify", str(out))
    assert verified.code == 0
    assert (verified.data["log_sha256"], verified.data["sealed"]) == (data["log_sha256"], True)
    assert verified.data["records"] == verified.data["rows"] + verified.data["events"]
    assert verified.data["rows"] == shown["rows"]


TAMPERINGS = {
    "a sample": "UPDATE samples SET current_a = current_a + 0.001 WHERE seq = (SELECT max(seq) - 5 FROM samples)",
    "a lost sample": "DELETE FROM samples WHERE seq = (SELECT max(seq) FROM samples)",
    "an event": "UPDATE events SET data = replace(data, 'pass', 'fail') WHERE kind = 'finished'",
    "the serial": "UPDATE run SET serial = 'C-2'",
    "the provenance": "UPDATE run SET provenance = 'measured'",
    "the profile": "UPDATE run SET profile_text = profile_text || ' '",
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_record_that_was_changed_does_not_verify(
    what: str, run: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run[0], copy)
    assert ask(capsys, "runs", "verify", str(copy)).code == 0
    with sqlite3.connect(copy / "run.db") as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in names:
            db.execute(f'DROP TRIGGER "{name}"')
        assert db.execute(TAMPERINGS[what]).rowcount == 1
    db.close()
    for words in (("runs", "verify"), ("report",)):
        answer = ask(capsys, *words, str(copy))
        assert answer.code == 5, answer
        assert (answer.data["ok"], answer.data["code"]) == (False, 5)
        assert "run.db" in answer.data["errors"][0]["message"]


@pytest.mark.parametrize("form", ["bdf-csv", "bdf-parquet"])
def test_what_is_exported_is_analysed_to_the_same(
    form: str, run: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data = run
    path = tmp_path / f"cell.{form.replace('-', '.')}"
    exported = ask(capsys, "export", str(out), "--to", form, "--out", str(path))
    assert exported.code == 0
    assert all(Path(written).is_file() for written in exported.data["paths"])
    assert str(path) in exported.data["paths"]
    again = ask(capsys, "analyze", str(path))
    assert again.code == 0
    assert again.data["provenance"] == "simulated", "our own export keeps its mark"
    assert again.data["releasing"] is False
    assert again.data["capacity_ah"]["value"] == pytest.approx(data["result"]["capacity_ah"]["value"], rel=1e-3)
    assert again.data["energy_wh"]["value"] == pytest.approx(data["result"]["energy_wh"]["value"], rel=1e-3)


def test_runs_are_kept_in_packbench_home(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "runs", "list").data == {"ok": True, "runs": []}
    made = ask(capsys, "simulate", "quick-check", "--pack", "lmo-25ah", "--level", "object", "--no-report")
    assert Path(made.data["paths"]["data"]).is_relative_to(own_home)
    (listed,) = ask(capsys, "runs", "list").data["runs"]
    run_id = made.data["result"]["run_id"]
    assert (listed["run_id"], listed["provenance"], listed["profile"]) == (run_id, "simulated", "quick-check")
    assert ask(capsys, "runs", "show", run_id).data["run_id"] == run_id


def test_analyze_reads_a_real_export(capsys: pytest.CaptureFixture[str]) -> None:
    """The first real input: a 25 Ah LMO cell of the PulseBat set; figures as the issue states them."""
    data = ask(capsys, "analyze", str(NEBULA), "--pack", "lmo-25ah").data
    assert data["capacity_ah"]["value"] == pytest.approx(19.9145, abs=5e-5)
    assert data["energy_wh"]["value"] == pytest.approx(71.789, abs=5e-4)
    assert data["soh"]["value"] == pytest.approx(19.9145 / 25, abs=1e-5)
    assert (data["provenance"], data["releasing"]) == ("imported", False)
    assert data["capacity_ah"]["U"] is None, "nobody stated this cycler's accuracy"


# -- languages and help ------------------------------------------------------------------------------


def test_chinese_is_spoken_where_asked_for(
    run: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["runs", "show", str(run[0])]) == 0
    english = capsys.readouterr().out
    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    assert main(["runs", "show", str(run[0])]) == 0
    chinese = capsys.readouterr().out
    assert "Residual capacity" in english
    assert "剩余容量" in chinese
    assert "剩余容量" not in english
    assert "Residual capacity" not in chinese


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The program's parser and that of every command and verb."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child)


@pytest.mark.parametrize("prog", sorted(parser.prog for parser in parsers(_parser([]))))
def test_every_command_has_help_with_an_example_of_itself(prog: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = prog.split()[1:]
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert prog in text
    example = text.rpartition("example: ")[2]
    assert example.startswith(prog), example
    _parser([]).parse_args(shlex.split(example)[1:])
    if words and words != ["runs"]:
        assert "--json" in text


def test_all_the_commands_of_the_contract_are_there() -> None:
    have = {parser.prog for parser in parsers(_parser([]))}
    wanted = {"demo", "run", "simulate", "check", "analyze", "report", "export", "runs list", "runs show",
              "runs verify", "doctor", "schema", "devices list", "devices show", "devices check", "devices probe",
              "devices emulate"}  # fmt: skip
    assert {f"packbench {name}" for name in wanted} <= have


def test_cheap_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    cheap = {"packbench check", "packbench doctor", "packbench runs list", "packbench schema"}
    ran: list[Answer] = []
    for parser in parsers(_parser([])):
        if parser.prog in cheap:
            example = (parser.epilog or "").rpartition("example:")[2]
            words = [word for word in shlex.split(example)[1:] if word != "--json"]
            ran.append(ask(capsys, *words))
    assert [answer.code for answer in ran] == [0] * len(cheap)
