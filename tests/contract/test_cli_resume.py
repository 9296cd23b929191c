"""`packbench runs resume`: nobody resumes a run anonymously, by accident, or one that cannot go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.scenario.support import ask
from tests.scenario.test_resume import PROFILE, Rig, S, on_rig

from packbench.app.job import load_job
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
