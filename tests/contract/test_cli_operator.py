"""Questions and parameters on the command line: what is refused before anything is touched, and a real terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import PROGRAM, ask, environment, fresh, one_object

from packbench.store.reader import RunReader

PATIENCE_S = 40.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
"""What colours and moves a terminal."""
PROFILE = """profile: asked
title: {en: "With questions", zh: "有问"}
record: {dt: 500 ms}
parameters: {rate: 0.2C}
steps:
  - pause:
      label: look
      prompt: {en: "Is the case whole?", zh: "外壳是否完好？"}
      answers:
        whole: {en: "Yes, undamaged", zh: "完好"}
        damaged: {en: "No, damaged", zh: "损坏", goto: reject}
  - rest: {label: settle, for: 1 s}
  - pause: {label: plug, prompt: {en: "Polarity checked?", zh: "极性已核对？"}}
  - cc_discharge: {label: down, current: $rate, for: 2 s, until: cell_min <= cell_cutoff}
  - set: {seen: $rate}
  - end: {label: done}
  - end: {label: reject, verdict: fail, reason: {en: "the case is damaged", zh: "外壳损坏"}}
"""
OUTER = """profile: outer
title: {en: "Outer", zh: "外"}
record: {dt: 1 s}
steps:
  - profile: {label: inner, use: inner, with: {time: 3 s}}
  - current_profile: {label: wave, file: wave.csv}
  - set: {waited: time(inner.wait)}
"""
INNER = """profile: inner
title: {en: "Inner", zh: "内"}
parameters: {time: 2 s}
steps:
  - rest: {label: wait, until: step_time >= $time}
"""
WAVE = "time_s,current_a\n0,-2\n5,0\n8,0\n"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "asked.yaml"
    path.write_text(PROFILE, encoding="utf-8")
    return path


def run_words(profile: Path, *more: str) -> tuple[str, ...]:
    return ("run", str(profile), "--pack", "lmo-25ah", "--serial", "S-1", "--operator", "Li", "--no-report", *more)


def simulate_words(profile: Path, *more: str) -> tuple[str, ...]:
    return ("simulate", str(profile), "--pack", "lmo-25ah", "--level", "object", *more)


# -- refused before anything is touched ----------------------------------------------------------------


def test_a_headless_run_names_every_question_that_nobody_would_answer(profile: Path, own_home: Path) -> None:
    done = fresh(*run_words(profile, "--arm", "--answer", "look=whole", "--json"), home=own_home)
    assert done.returncode == 2
    (problem,) = one_object(done.stdout)["errors"]
    assert (problem["field"], problem["expected"]) == ("--answer", "plug=ok")
    assert "'plug' (Polarity checked?)" in problem["found"]
    done = fresh(*run_words(profile, "--json"), home=own_home)
    problems = one_object(done.stdout)["errors"]
    fields = [problem["field"] for problem in problems]
    assert (done.returncode, fields) == (2, ["--arm", "--answer", "--answer"])
    assert problems[1]["expected"] == "one of look=whole, look=damaged"
    assert not own_home.exists(), "no run was begun"


@pytest.mark.parametrize(
    ("words", "found", "expected"),
    [
        (["--answer", "lok=whole"], "'lok'", "one of look, plug (did you mean 'look'?)"),
        (["--answer", "look=good"], "'look=good'", "one of look=whole, look=damaged"),
        (["--answer", "look"], "'look'", "one of look=whole, look=damaged"),
        (["--answer", "plug=yes"], "'plug=yes'", "plug=ok"),
        (["--answer", "look=whole", "--answer", "look=damaged"], "'look=damaged'", "one answer each"),
    ],
)
@pytest.mark.parametrize("command", ["run", "simulate", "check"])
def test_an_answer_to_no_question_is_refused(
    capsys: pytest.CaptureFixture[str], profile: Path, command: str, words: list[str], found: str, expected: str
) -> None:
    more = {"run": ("--serial", "S", "--operator", "Li", "--arm"), "simulate": (), "check": ()}[command]
    answer = ask(capsys, command, str(profile), "--pack", "lmo-25ah", *more, *words)
    assert answer.code == 2
    (problem,) = answer.data["errors"]
    assert (problem["field"], problem["found"], problem["expected"]) == ("--answer", found, expected)


def test_a_profile_without_questions_takes_no_answers(capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, "simulate", "quick-check", "--pack", "lmo-25ah", "--answer", "look=whole")
    (problem,) = answer.data["errors"]
    assert (answer.code, problem["expected"]) == (2, "nothing: the profile asks nothing")


@pytest.mark.parametrize(
    ("words", "field", "found"),
    [
        (["--with", "rat=1C"], "--with", "'rat'"),
        (["--with", "rate"], "--with", "'rate'"),
        (["--with", "rate="], "--with", "'rate='"),
        (["--with", "rate=3 V"], "--with rate", "'3 V'"),
        (["--with", "rate=quick"], "--with rate", "'quick'"),
        (["--with", "rate=1C", "--with", "rate=2C"], "--with rate", "'2C'"),
    ],
)
@pytest.mark.parametrize("command", ["run", "simulate", "check"])
def test_a_parameter_that_does_not_fit_is_refused_by_its_option(
    capsys: pytest.CaptureFixture[str], profile: Path, command: str, words: list[str], field: str, found: str
) -> None:
    answer = ask(capsys, command, str(profile), "--pack", "lmo-25ah", *words)
    assert answer.code == 2
    (problem,) = answer.data["errors"]
    assert problem["field"] == field
    assert found in problem["found"]


# -- simulated -----------------------------------------------------------------------------------------


def test_a_simulated_operator_gives_the_first_answer_after_five_seconds(
    capsys: pytest.CaptureFixture[str], profile: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = ask(capsys, *simulate_words(profile, "--out", str(out), "--no-report")).data["result"]
    assert (result["verdict"], result["valid"], result["releasing"]) == ("PASS", True, False)
    assert [(one["label"], one["word"], one["by"]) for one in result["answers"]] == [
        ("look", "whole", "simulated operator"),
        ("plug", "ok", "simulated operator"),
    ]
    pause = next(step for step in result["steps"] if step["label"] == "plug")
    assert pause["duration_s"] == pytest.approx(5.0, abs=0.1)
    with RunReader.open(out / "run.db") as reader:
        kinds = [event.kind for event in reader.events()]
    assert kinds.index("answered") < kinds.index("contactor_closed")


def test_an_answer_that_turns_the_pack_away_fails_with_its_reason(
    capsys: pytest.CaptureFixture[str], profile: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    answer = ask(capsys, *simulate_words(profile, "--answer", "look=damaged", "--out", str(out)))
    assert (answer.code, answer.data["ok"], answer.data["bench_seconds"]) == (0, True, 0.0)
    result = answer.data["result"]
    assert (result["verdict"], result["end_reason"], result["end_reason_zh"]) == (
        "FAIL",
        "the case is damaged",
        "外壳损坏",
    )
    assert (result["steps"], result["variables"]) == ([], {})
    with RunReader.open(out / "run.db") as reader:
        assert "contactor_closed" not in [event.kind for event in reader.events()]
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in ("Is the case whole?", "No, damaged", "The case is damaged."):
        assert words in page


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_parameters_and_variables_are_in_result_and_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, profile: Path, tmp_path: Path, lang: str
) -> None:
    monkeypatch.setenv("PACKBENCH_LANG", lang)
    out = tmp_path / "out"
    result = ask(capsys, *simulate_words(profile, "--with", "rate=0.4C", "--out", str(out))).data["result"]
    assert result["parameters"] == {"rate": "0.4C"}
    assert result["variables"] == {"seen": {"value": 10.0, "unit": "A"}}
    assert result["subject"] == "profile"
    step = next(step for step in result["steps"] if step["label"] == "down")
    assert step["current_end_a"] == pytest.approx(-10.0, abs=0.1)
    page = (out / "report.html").read_text(encoding="utf-8")
    heading = {"en": "Read-outs of the profile", "zh": "试验读数"}[lang]
    for words in (heading, "10\u00a0A", {"en": "Parameter rate", "zh": "参数 rate"}[lang], "0.4C"):
        assert words in page
    assert {"en": "Test report", "zh": "测试报告"}[lang] in page


def test_a_run_is_reproduced_from_its_record_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = {"outer.yaml": OUTER, "inner.yaml": INNER, "wave.csv": WAVE}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    made = ask(capsys, *simulate_words(tmp_path / "outer.yaml", "--out", str(out), "--no-report")).data["result"]
    assert [step["label"] for step in made["steps"]] == ["inner.wait", "wave"]
    assert made["variables"]["waited"] == {"value": pytest.approx(3.0, abs=1e-6), "unit": "s"}
    with RunReader.open(out / "run.db") as reader:
        kept = {Path(entry["name"]).name: entry["text"] for entry in reader.meta.extra["sources"]}
    assert kept == {name: files[name] for name in ("inner.yaml", "wave.csv")}
    assert {"inner.yaml", "wave.csv"} <= set(made["hashes"])
    # The files become others, and are gone; the record does not mind.
    (tmp_path / "inner.yaml").write_text(INNER.replace("label: wait", "label: other"), encoding="utf-8")
    (tmp_path / "wave.csv").unlink()
    (tmp_path / "outer.yaml").unlink()
    before = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert ask(capsys, "report", str(out)).code == 0
    after = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert {**after, "paths": {}} == {**before, "paths": {}}
    assert ask(capsys, "runs", "verify", str(out)).code == 0


def test_other_parameters_and_other_files_are_another_run(capsys: pytest.CaptureFixture[str], profile: Path) -> None:
    ids = {
        ask(capsys, *simulate_words(profile, "--no-report", *more)).data["result"]["run_id"]
        for more in ((), ("--with", "rate=0.3C"), ("--answer", "look=damaged"))
    }
    assert len(ids) == 3


def test_a_converted_profile_has_its_parameters_and_another_format_has_none(
    capsys: pytest.CaptureFixture[str], profile: Path, tmp_path: Path
) -> None:
    words = ("convert", str(profile), "--to", "pybamm", "--pack", "lmo-25ah", "--lossy")
    found = ask(capsys, *words, "--with", "rate=0.4C").data["experiment"]
    assert [step["value"] for cycle in found["cycles"] for step in cycle if step["type"] == "current"] == [10.0]
    theirs = tmp_path / "theirs.json"
    theirs.write_text(json.dumps(found), encoding="utf-8")
    back = ask(capsys, "convert", str(theirs), "--to", "packbench", "--pack", "lmo-25ah", "--with", "rate=1C")
    (problem,) = back.data["errors"]
    assert (back.code, problem["field"], problem["found"]) == (2, "--with", "rate")


# -- on real terminals ---------------------------------------------------------------------------------


def test_a_headless_run_answers_what_it_was_told(profile: Path, own_home: Path) -> None:
    words = run_words(profile, "--arm", "--answer", "look=whole", "--answer", "plug=ok", "--json")
    done = fresh(*words, home=own_home)
    data = one_object(done.stdout)
    assert (done.returncode, data["ok"], data["result"]["verdict"]) == (0, True, "PASS")
    assert [one["by"] for one in data["result"]["answers"]] == ["Li (--answer)"] * 2
    assert (data["result"]["provenance"], data["result"]["releasing"]) == ("emulated", False)


class Terminal:
    """A person at a terminal: the program's input and its standard error; standard output is a pipe."""

    def __init__(self, home: Path, *words: str, **extra: str) -> None:
        self.master, slave = pty.openpty()

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [*PROGRAM, *words],
            env=environment(home, TERM="xterm", COLUMNS="100", **extra),
            stdin=slave,
            stderr=slave,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=take_terminal,  # noqa: PLW1509 - the child needs a terminal of its own for Ctrl-C
        )
        os.close(slave)
        self.seen = ""

    def wait_for(self, words: str) -> None:
        """Read what is shown until these words are; what came before is forgotten."""
        deadline_s = time.monotonic() + PATIENCE_S
        while words not in self.seen:
            left_s = deadline_s - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(left_s, 0.0))
            assert ready, f"no {words!r} in {self.seen[-2000:]!r}"
            try:
                self.seen = ESCAPES.sub("", self.seen + os.read(self.master, 65536).decode("utf-8", "replace"))
            except OSError as error:
                raise AssertionError(f"closed before {words!r}: {self.seen[-2000:]!r}") from error
        self.seen = self.seen.partition(words)[2]

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def finish(self) -> tuple[int, dict[str, Any]]:
        """Exit code and the object of --json; the screen is read on, so that nobody waits for it."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < deadline_s:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.master, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        stdout, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, one_object(stdout)

    def hang_up(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


Start = Callable[..., Terminal]


@pytest.fixture
def terminal(own_home: Path) -> Iterator[Start]:
    """Starts programs on terminals of their own, and leaves none behind."""
    started: list[Terminal] = []

    def begin(*words: str, **extra: str) -> Terminal:
        started.append(Terminal(own_home, *words, **extra))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()
        one.hang_up()


def test_a_person_at_a_terminal_is_asked_there(terminal: Start, profile: Path) -> None:
    screen = terminal(*run_words(profile, "--json"))
    screen.wait_for("once the first questions are answered")
    screen.type("ARM\n")
    screen.wait_for("Is the case whole?")
    screen.wait_for("1  Yes, undamaged")
    screen.wait_for("Type a number and press Enter:")
    screen.type("7\n")
    screen.wait_for("Type a number from 1 to 2:")
    screen.type("1\n")
    screen.wait_for("Polarity checked?")
    screen.wait_for("press Enter:")
    screen.type("\n")
    code, data = screen.finish()
    assert (code, data["result"]["verdict"]) == (0, "PASS")
    assert [(one["word"], one["by"]) for one in data["result"]["answers"]] == [("whole", "Li"), ("ok", "Li")]


def test_it_asks_in_chinese_and_takes_a_word_as_well(terminal: Start, profile: Path) -> None:
    screen = terminal(*run_words(profile, "--arm", "--answer", "plug=ok", "--json"), PACKBENCH_LANG="zh")
    screen.wait_for("外壳是否完好？")
    screen.wait_for("2  损坏")
    screen.wait_for("请输入序号并按回车：")
    screen.type("damaged\n")
    code, data = screen.finish()
    result = data["result"]
    assert (code, result["verdict"], result["end_reason_zh"]) == (0, "FAIL", "外壳损坏")
    assert result["steps"] == []


@pytest.mark.parametrize("question", ["first", "middle"])
@pytest.mark.parametrize("how", ["ctrl-c", "end of input", "hang-up"])
def test_a_person_who_leaves_a_question_stops_the_run_safely(
    terminal: Start, profile: Path, own_home: Path, how: str, question: str
) -> None:
    answers = ("--answer", "look=whole") if question == "middle" else ()
    screen = terminal(*run_words(profile, "--arm", *answers, "--json"))
    screen.wait_for("Polarity checked?" if question == "middle" else "Is the case whole?")
    screen.wait_for("Enter:")
    match how:
        case "ctrl-c":
            screen.type("\x03")
        case "end of input":
            screen.type("\x04")
        case _:
            screen.hang_up()
            screen.process.wait(timeout=PATIENCE_S)
    if how == "hang-up":
        stdout, _ = screen.process.communicate()
        code, data = screen.process.returncode, one_object(stdout)
    else:
        code, data = screen.finish()
    assert (code, data["interrupted"], data["result"]["verdict"]) == (130, True, "ABORTED")
    (record,) = own_home.glob("runs/*/run.db")
    with RunReader.open(record) as reader:
        assert reader.sealed
        events = reader.events()
    kinds = [event.kind for event in events]
    assert events[-1].data == {"at_rest": True, "problems": []}
    assert ("contactor_closed" in kinds) is (question == "middle")
    assert kinds.count("finished") == 1
