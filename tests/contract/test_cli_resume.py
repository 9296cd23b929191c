"""`packbench runs resume`: nobody resumes a run anonymously, by accident, or one that cannot go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.scenario.support import ask, fresh
from tests.scenario.test_resume import PROFILE, Rig, S, on_rig

from packbench.app.holding import held
from packbench.app.job import Job, load_job
from packbench.app.live import LiveOptions
from packbench.app.places import forget_conclusion
from packbench.cli import runs_resume
from packbench.cli.console import Done, Terminal
from packbench.cli.progress import Progress
from packbench.cli.resume_view import compared_table
from packbench.core.errors import SafetyStop
from packbench.report.terminal import LiveView
from packbench.report.texts import Lang
from packbench.run.resuming import Found
from packbench.store.reader import RunReader


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose controller was killed."""
    base = tmp_path_factory.mktemp("resume")
    profile = base / "resume-me.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    job = load_job(str(profile), "lfp-16s", "sim-lv")

    async def script(rig: Rig) -> None:
        await rig.life(100 * S, begins=True)

    on_rig(job, base / "run", script)
    return base / "run"


def events(folder: Path) -> int:
    with RunReader.open(folder / "run.db") as reader:
        return len(reader.events())


@pytest.mark.parametrize(
    ("words", "fields"),
    [((), ["--operator", "--arm"]), (("--operator", "Li"), ["--arm"]), (("--arm",), ["--operator"])],
)
def test_a_persons_word_is_needed(
    words: tuple[str, ...], fields: list[str], cut_short: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = events(cut_short)
    answer = ask(capsys, "runs", "resume", str(cut_short), *words)
    assert answer.code == 2
    assert [error["field"] for error in answer.data["errors"]] == fields
    assert events(cut_short) == before, "nothing was begun"


def test_a_run_that_has_ended_is_refused_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(capsys, "simulate", "quick-check", "--pack", "lmo-25ah", "--out", str(tmp_path / "run"), "--no-report")
    answer = ask(capsys, "runs", "resume", str(tmp_path / "run"), "--operator", "Li", "--arm")
    assert answer.code == 2
    assert "the run has ended" in answer.data["errors"][0]["message"]


def test_a_run_that_another_program_goes_through_is_left_alone(cut_short: Path, tmp_path: Path) -> None:
    """Two controllers on one record number their records alike, and the chain of both is lost."""
    before = {path.name: path.read_bytes() for path in cut_short.iterdir()}
    out = ("--out", str(cut_short), "--no-report")
    bench = ("--bench", "sim-cell", "--pack", "lmo-25ah", "--serial", "S", "--operator", "Li", "--arm")
    with held(cut_short):
        for words in (
            ("runs", "resume", str(cut_short), "--operator", "Li", "--arm", "--no-report"),
            ("run", "quick-check", *bench, *out),
            ("simulate", "quick-check", "--pack", "lmo-25ah", *out),
            ("report", str(cut_short)),
        ):
            answer = fresh(*words, "--json", home=tmp_path)
            assert answer.returncode == 2, answer.stdout
            assert "this run is being controlled already" in answer.stdout
    assert {path.name: path.read_bytes() for path in cut_short.iterdir()} == before, "nothing was begun or moved"


def test_what_was_made_of_a_record_is_forgotten_when_it_is_to_grow(tmp_path: Path) -> None:
    """A result, a report and a signature of the record as it stood would be taken for damage of what it becomes."""
    made = ("run.sig.json", "result.json", "report.html", "report.pdf")
    for name in (*made, "run.db"):
        (tmp_path / name).touch()
    forget_conclusion(tmp_path)
    forget_conclusion(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.db"]


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", ("SOC by the BMS", "DOES NOT MATCH", "at most 2 s")), ("zh", ("BMS 报告的 SOC", "不一致", "至多 2 s"))],
)
def test_what_matches_and_what_does_not_is_shown_even_when_the_run_is_refused_at_once(
    lang: Lang, words: tuple[str, ...]
) -> None:
    """The refusal ends the view in the very moment in which it has something to show."""
    screen = StringIO()
    console = Console(file=screen, width=100)
    job = load_job("quick-check", "lmo-25ah", "sim-cell")
    found = (Found("soc", "0.51", "0.51", ok=True), Found("gap", "at most 2 s", "4.4 s", ok=False))
    with Progress(LiveView(console, lang), job, 1.0) as progress:
        progress.show(compared_table(found, lang))
    shown = screen.getvalue()
    assert [word for word in words if word not in shown] == []
    assert len([line for line in shown.splitlines() if words[1] in line]) == 1


def test_a_refusal_says_in_json_too_what_was_compared(
    cut_short: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Found("gap", "at most 2 s", "4.4 s", ok=False)

    def refused(
        job: Job, options: Callable[[Progress], LiveOptions], _out: Path, terminal: Terminal, **_: bool
    ) -> Done:
        with Progress(LiveView(terminal.err, terminal.lang), job, 1.0) as progress:
            options(progress).compared((found,))
        raise SafetyStop("the run was not resumed")

    monkeypatch.setattr(runs_resume, "run_and_tell", refused)
    answer = ask(capsys, "runs", "resume", str(cut_short), "--operator", "Li", "--arm")
    assert (answer.code, answer.data["ok"], answer.data["compared"]) == (3, False, [found._asdict()])


def test_a_run_whose_program_is_gone_is_nobodys(tmp_path: Path) -> None:
    program = (
        "import os; from pathlib import Path; from packbench.app.holding import held; "
        f"holding = held(Path({str(tmp_path)!r})); holding.__enter__(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    with held(tmp_path):
        pass
