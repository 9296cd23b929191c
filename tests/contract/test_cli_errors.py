"""What the command line says to bad input: one sentence a problem, the right exit code, never a traceback."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import ask, fresh, one_object

from packbench.cli.program import main

PROBLEM_KEYS = {"file", "line", "column", "field", "found", "expected", "message"}
SIMULATE = ("simulate", "quick-check", "--pack", "lmo-25ah", "--level", "object", "--no-report")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    """Exit code 2 and the contract's error object, with its problems."""
    answer = ask(capsys, *words)
    assert answer.code == 2, answer
    assert set(answer.data) == {"ok", "code", "errors"}
    assert (answer.data["ok"], answer.data["code"]) == (False, 2)
    assert answer.data["errors"]
    assert all(set(problem) == PROBLEM_KEYS and problem["message"] for problem in answer.data["errors"])
    return answer.data["errors"]


# -- typing traps ----------------------------------------------------------------------------------

PROFILE = """profile: trap
title: {en: "Trap", zh: "陷阱"}
record: {dt: 5 s}
steps:
  - rest: {label: settle, for: 5 min}
  - cc_charge:
      label: up
      current: 10 A
      until: voltage >= pack_full
      on_cell_limit: {at: cell_full, action: end}
  - cc_discharge:
      label: down
      current: 10 A
      until: cell_min <= cell_cutoff
  - end: {verdict: pass}
"""
TRAPS = {
    # name: (what stands there, what is put in its place, line, column, field, found, expected)
    "1e-3": ("current: 10 A\n      until: voltage", "current: 1e-3\n      until: voltage", 8, 16,
             "steps[2].cc_charge.current", "1e-3", "1.0e-3"),
    "off": ("{verdict: pass}", "{verdict: off}", 15, 20, "steps[4].end.verdict", "off", "'off' in quotes"),
    "1:30": ("for: 5 min", "for: 1:30", 5, 32, "steps[1].rest.for", "1:30", "1 h 30 min"),
    "duplicate key": ("for: 5 min", "for: 5 min, for: 6 min", 5, 39, "steps[1].rest.for", "a second 'for'", "once"),
    "unknown key": ("      label: down\n", "      label: down\n      colour: red\n", 13, 7,
                    "steps[3].cc_discharge.colour", "'colour'", "label"),
    "missing unit": ("for: 5 min", "for: 300", 5, 32, "steps[1].rest.for", "300", "unit"),
    "impossible limit": ("cell_min <= cell_cutoff", "cell_min <= 0.5 V", 14, 14, "steps[3].cc_discharge.until",
                         "0.5 V", "2.5 V"),
    "beyond the pack": ("current: 10 A\n      until: cell_min", "current: 900 A\n      until: cell_min", 13, 16,
                        "steps[3].cc_discharge.current", "900 A", "150 A"),
}  # fmt: skip


def write(folder: Path, text: str) -> Path:
    path = folder / "trap.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_profile_without_a_trap_is_accepted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    answer = ask(capsys, "check", str(write(tmp_path, PROFILE)))
    assert (answer.code, answer.data["ok"], answer.data["errors"]) == (0, True, [])


@pytest.mark.parametrize("command", [("check",), ("simulate", "--pack", "nmc-96s")], ids=lambda words: words[0])
@pytest.mark.parametrize("trap", TRAPS)
def test_a_typing_trap_is_refused_where_it_stands(
    trap: str, command: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old, new, line, column, field, found, expected = TRAPS[trap]
    assert PROFILE.count(old) == 1
    path = write(tmp_path, PROFILE.replace(old, new))
    (problem,) = refused(capsys, command[0], str(path), *command[1:])
    assert problem["file"].endswith("trap.yaml")
    assert (problem["line"], problem["column"], problem["field"]) == (line, column, field)
    assert found in problem["found"]
    assert expected in problem["expected"]

    # A person reads the same, as file:line:column: field: found ..., expected ..., and sees the line itself.
    assert main([command[0], str(path), *command[1:]]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    said, source, caret = [text for text in printed.err.splitlines() if text]
    assert said.startswith("packbench: ")
    assert f"trap.yaml:{line}:{column}: {field}: " in said
    assert f"found {problem['found']}, expected {problem['expected']}" in said
    shown = path.read_text("utf-8").split("\n")[line - 1]
    assert source == f"{line:>4} | {shown}"
    assert caret.index("^") == len("   0 | ") + column - 1


def test_all_errors_of_a_file_come_at_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = PROFILE
    wanted: set[str] = set()
    text = text.replace("{dt: 5 s}", "{dt: 5 s, colour: red}")
    wanted.add("record.colour")
    for trap in ("1e-3", "off", "1:30", "impossible limit"):
        old, new, _line, _column, field, _found, _expected = TRAPS[trap]
        text = text.replace(old, new)
        wanted.add(field)
    problems = refused(capsys, "check", str(write(tmp_path, text)))
    assert {problem["field"] for problem in problems} == wanted
    assert len(problems) == len(wanted), "one mistake is one problem"
    places = [(problem["line"], problem["column"]) for problem in problems]
    assert places == sorted(places), "in the order of the file"


# -- names and words -------------------------------------------------------------------------------

WRONG_WORDS = [
    (),
    ("nonsense",),
    ("simulate",),
    ("simulate", "quick-check"),
    ("check",),
    ("runs",),
    ("runs", "burn"),
    ("export", "somewhere"),
    ("export", "somewhere", "--to", "docx"),
    ("schema", "nonsense"),
    (*SIMULATE, "--level", "atoms"),
    (*SIMULATE, "--seed", "many"),
    (*SIMULATE, "--fault", "power.gremlin@12"),
    (*SIMULATE, "--fault", "comms.bms_lost"),
    (*SIMULATE, "--fault", "comms.bms_lost@noon"),
    (*SIMULATE, "--set", "plant.soh"),
    (*SIMULATE, "--set", "plant.soh=good"),
    (*SIMULATE, "--set", "plant.colour=1"),
    (*SIMULATE, "--bench", "nowhere"),
    ("run", "quick-check", "--pack", "lmo-25ah"),
    ("run", "quick-check", "--pack", "lmo-25ah", "--serial", " ", "--operator", "Li", "--arm"),
    ("run", "quick-check", "--pack", "lmo-25ah", "--serial", "A", "--arm"),
    ("run", "quick-check", "--pack", "lmo-25ah", "--bench", "example-real", "--serial", "A", "--operator", "Li",
     "--arm", "--fault", "comms.bms_lost@1"),
    ("runs", "show", "no-such-run"),
    ("runs", "verify", "no-such-run"),
    ("report", "no-such-run"),
    ("export", "no-such-run", "--to", "bdf-csv"),
    ("analyze", "no-such-file.xlsx"),
]  # fmt: skip


@pytest.mark.parametrize("words", WRONG_WORDS, ids=shlex.join)
def test_wrong_words_are_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str], own_home: Path) -> None:
    refused(capsys, *words)
    assert not (own_home / "runs").exists(), "a refusal leaves no run behind"


@pytest.mark.parametrize(
    "word", ["plant.soh=-1", "plant.soh=0", "plant.soh=nan", "plant.soh=1e9", "plant.initial_soc=7"]
)
def test_a_plant_that_cannot_be_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    (problem,) = refused(capsys, *SIMULATE, "--set", word)
    assert problem["field"] in ("--set", word.partition("=")[0])
    assert problem["found"] is not None and problem["expected"] is not None


@pytest.mark.parametrize(
    ("words", "kind", "close"),
    [
        (("check", "quick-chek"), "profile", "quick-check"),
        (("simulate", "gbt34015", "--pack", "nmc-96s"), "profile", "gbt34015-residual-capacity"),
        (("check", "quick-check", "--pack", "nmc-96"), "pack", "nmc-96s"),
        (("simulate", "quick-check", "--pack", "LFP-16s-neu"), "pack", "lfp-16s-new"),
        (("check", "quick-check", "--bench", "sim-cel"), "bench", "sim-cell"),
    ],
)
def test_an_unknown_name_is_told_with_the_known_ones(
    words: tuple[str, ...], kind: str, close: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (problem,) = refused(capsys, *words)
    assert problem["field"] == kind
    assert problem["found"] in words
    assert close in problem["expected"]
    if close != "gbt34015-residual-capacity":
        assert f"did you mean {close}" in problem["message"]


# -- junk ------------------------------------------------------------------------------------------

JUNK: dict[str, bytes] = {
    "empty.yaml": b"",
    "binary.yaml": bytes(range(256)) * 8,
    "nul.yaml": b"\0\1\2\3",
    "broken.yaml": b"profile: [1, 2",
    "list.yaml": b"- one\n- two\n",
    "number.yaml": b"42\n",
    "loop.yaml": b"profile: &a [*a]\n",
    "deep.yaml": b"steps: " + b"[" * 3000,
    "object.yaml": b"profile: !!python/object/apply:os.getcwd []\n",
    "many.yaml": b"---\nprofile: a\n---\nprofile: b\n",
}


@pytest.fixture
def junk(tmp_path: Path) -> Path:
    for name, content in JUNK.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.yaml").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", [*JUNK, "folder.yaml", "absent.yaml"])
@pytest.mark.parametrize(
    "words",
    [("check", "{}"), ("check", "quick-check", "--pack", "{}"), ("check", "quick-check", "--bench", "{}"),
     ("simulate", "{}", "--pack", "lmo-25ah"), ("run", "{}", "--pack", "lmo-25ah", "--serial", "A", "--operator", "B")],
    ids=["profile", "pack", "bench", "simulate", "run"],
)  # fmt: skip
def test_junk_instead_of_a_file_is_refused_by_name(
    words: tuple[str, ...], name: str, junk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = refused(capsys, *(word.format(junk / name) for word in words))
    assert all(problem["file"] is not None and problem["file"].endswith(name) for problem in problems)


@pytest.mark.parametrize("suffix", [".xlsx", ".csv", ".parquet", ".yaml", ""])
@pytest.mark.parametrize("name", ["empty", "binary", "folder", "absent"])
def test_junk_to_analyse_is_refused_by_name(
    name: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{name}{suffix}"
    if name == "folder":
        path.mkdir()
    elif name != "absent":
        path.write_bytes(b"" if name == "empty" else bytes(range(256)) * 8)
    problems = refused(capsys, "analyze", str(path))
    assert any(path.name in problem["message"] for problem in problems)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"SQLite format 3\0" + b"\7" * 4096], ids=["empty", "zeros", "sqlite"]
)
@pytest.mark.parametrize("words", [("runs", "show"), ("runs", "verify"), ("report",), ("export", "--to", "bdf-csv")],
                         ids=shlex.join)  # fmt: skip
def test_junk_instead_of_a_record_is_refused(
    words: tuple[str, ...], content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.db").write_bytes(content)
    answer = ask(capsys, *words, str(tmp_path))
    assert answer.code in (2, 5), answer
    assert answer.data["ok"] is False
    assert "run.db" in answer.data["errors"][0]["message"]


def test_a_file_that_may_not_be_read_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's refusal, as a sentence; root may read everything, so it is made here."""

    path = write(tmp_path, PROFILE)
    read_text = Path.read_text

    def denied(self: Path, *args: Any, **words: Any) -> str:
        if self.name == path.name:
            raise PermissionError(13, "Permission denied", str(self))
        return read_text(self, *args, **words)

    monkeypatch.setattr(Path, "read_text", denied)
    (problem,) = refused(capsys, "check", str(path))
    assert "Permission denied" in problem["message"]
    assert problem["file"].endswith("trap.yaml")


def test_out_that_is_a_file_is_told_and_left_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path, PROFILE)
    answer = ask(capsys, *SIMULATE, "--out", str(path))
    assert answer.code in (1, 2)
    assert answer.data["ok"] is False
    assert str(path) in answer.data["errors"][0]["message"]
    assert path.read_text(encoding="utf-8") == PROFILE


# -- the environment, and real processes -----------------------------------------------------------


def test_an_unknown_language_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKBENCH_LANG", "de")
    (problem,) = refused(capsys, "runs", "list")
    assert "'de'" in problem["message"]


def test_a_data_folder_that_is_a_file_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PACKBENCH_HOME", str(write(tmp_path, PROFILE)))
    (problem,) = refused(capsys, *SIMULATE)
    assert problem["field"] == "PACKBENCH_HOME"


def test_a_fresh_process_keeps_its_streams_apart(tmp_path: Path) -> None:
    """With --json the object is on stdout and nothing else is; without it an error leaves stdout empty."""
    done = fresh("check", "quick-chek", "--json", home=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    assert one_object(done.stdout)["code"] == 2

    done = fresh("check", "quick-chek", home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean quick-check" in done.stderr

    done = fresh("run", "quick-check", "--pack", "lmo-25ah", "--serial", "A", "--operator", "Li", "--json",
                 home=tmp_path)  # fmt: skip
    assert done.returncode == 2  # nobody at the terminal, and no --arm
    assert one_object(done.stdout)["errors"][0]["field"] == "--arm"
    assert not (tmp_path / "runs").exists()


def test_progress_never_reaches_stdout(tmp_path: Path) -> None:
    done = fresh(*SIMULATE, "--json", home=tmp_path)
    assert done.returncode == 0
    assert one_object(done.stdout)["ok"] is True
    assert "{" not in done.stderr
