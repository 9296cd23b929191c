"""An operator's word to a run in a process of its own, by way of its socket; and what two signals do to it."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.scenario.support import Truth, ask
from tests.scenario.test_live import LONG, PATIENCE_S, PROFILE, Live, assert_whole, kinds_of, start

from packbench.app.control_link import SOCKET_NAME
from packbench.core.errors import InputError
from packbench.store.reader import RunReader

WORDS = ("--operator", "Wang", "--why", "to see it")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Callable[..., Live]]:
    """Starts runs, and leaves no process behind."""
    started: list[Live] = []

    def begin(text: str, *more: str) -> Live:
        started.append(start(tmp_path, text, *more))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def test_a_run_is_paused_edited_continued_left_and_aborted(
    live: Callable[..., Live], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = live(LONG)
    run.wait_for("output_acknowledged")
    link = run.out / SOCKET_NAME
    assert stat.S_IMODE(link.stat().st_mode) == 0o600

    nobody = ask(capsys, "pause", str(run.out))
    assert nobody.code == 2 and "--operator" in nobody.data["errors"][0]["message"]
    early = ask(capsys, "continue", str(run.out), "--operator", "Wang")
    assert early.code == 1 and early.data["errors"][0]["message"] == "the run is not paused"

    paused = ask(capsys, "pause", str(run.out), *WORDS)
    assert paused.code == 0, paused.data
    assert (paused.data["step"], paused.data["output_off"], paused.data["paused"]) == ("up", True, True)
    (event,) = run.events("paused")
    assert (event["operator"], event["why"], event["uid"]) == ("Wang", "to see it", os.geteuid())

    edited = tmp_path / "edited.yaml"
    edited.write_text(LONG.replace("label: down, current: 0.2C", "label: down, current: 0.3C"), encoding="utf-8")
    answer = ask(capsys, "edit", str(run.out), "--profile", str(edited), *WORDS)
    assert answer.code == 0, answer.data
    assert answer.data["sha256_before"] != answer.data["sha256_after"]
    edited.write_text(
        LONG.replace("label: up\n      current: 0.2C", "label: up\n      current: 0.1C"), encoding="utf-8"
    )
    refused = ask(capsys, "edit", str(run.out), "--profile", str(edited), *WORDS)
    assert refused.code == 1 and "step 'up' runs: its current_a may not change" in refused.data["errors"][0]["message"]
    edited.write_text(LONG.replace("0.2C", "90C"), encoding="utf-8")
    wrong = ask(capsys, "edit", str(run.out), "--profile", str(edited), *WORDS)
    assert wrong.code == 2 and wrong.data["errors"][0]["line"]

    gone_on = ask(capsys, "continue", str(run.out), *WORDS)
    assert (gone_on.code, gone_on.data["paused"]) == (0, False)
    jumped = ask(capsys, "jump", str(run.out), "--to", "down", *WORDS)
    assert (jumped.code, jumped.data["step"]) == (0, "down")
    run.wait_for("set_output", current_a=-7.5)
    aborted = ask(capsys, "abort", str(run.out), *WORDS)
    assert aborted.code == 0, aborted.data

    code, data = run.finish()
    assert (code, data["interrupted"]) == (130, True)
    assert data["result"]["end_reason"] == "aborted by Wang: to see it"
    notes = [note["key"] for note in data["result"]["notes"]]
    assert [key for key in notes if key in {"paused", "edited", "jumped", "aborted"}] == [
        "paused", "edited", "jumped", "aborted",
    ]  # fmt: skip
    assert_whole(run.out, sealed=True, log_sha256=data["log_sha256"])
    assert run.events("shut_down") == [{"at_rest": True, "problems": []}]
    assert not link.exists()
    late = ask(capsys, "abort", str(run.out), *WORDS)
    assert late.code == 1 and "not running" in late.data["errors"][0]["message"]
    assert ask(capsys, "runs", "verify", str(run.out)).code == 0


def test_a_run_in_a_folder_with_a_long_path_is_heard_too(
    live: Callable[..., Live], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100) / "out"
    deep.parent.mkdir()
    run = live(PROFILE.replace("for: 1 s", "for: 60 s"), "--out", str(deep))
    run = Live(run.process, deep)
    run.wait_for("step_began")
    answer = ask(capsys, "abort", str(deep), *WORDS)
    assert answer.code == 0, answer.data
    code, data = run.finish()
    assert (code, data["result"]["verdict"]) == (130, "ABORTED")


def test_ctrl_c_twice_leaves_the_coil_off_and_a_sealed_record(
    capsys: pytest.CaptureFixture[str], truth: Truth, tmp_path: Path
) -> None:
    profile = tmp_path / "blink.yaml"
    profile.write_text(LONG, encoding="utf-8")
    out = tmp_path / "out"

    def interrupt() -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            with suppress(InputError), RunReader.open(out / "run.db") as reader:
                if reader.events("output_acknowledged"):
                    break
            time.sleep(0.05)
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.05)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    words = ("run", str(profile), "--pack", "lmo-25ah", "--serial", "LIVE-2", "--operator", "Li", "--arm")
    answer = ask(capsys, *words, "--out", str(out), "--no-report")
    watcher.join()
    assert answer.code == 130
    truth.assert_safe()
    assert_whole(out, sealed=True)
    kinds = kinds_of(out)
    assert kinds.count("aborted") == kinds.count("finished") == 1
    with RunReader.open(out / "run.db") as reader:
        (aborted,) = reader.events("aborted")
    assert (aborted.data["operator"], aborted.data["why"]) == ("Li", "signal SIGINT")
