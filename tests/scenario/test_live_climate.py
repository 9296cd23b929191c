"""`run` on the wall clock with a climate chamber and an insulation meter: our emulators behind real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.scenario.support import Answer, Truth, ask

from packbench.store.reader import RunReader

PROFILE = """profile: warm
title: {en: "Seconds in a chamber", zh: "环境箱内数秒"}
record: {dt: 500 ms}
steps:
  - chamber: {temperature: 50 degC}
  - rest: {label: warm, for: SECONDS, until: chamber_temperature >= 25.2 degC}
  - end
"""


def live(capsys: pytest.CaptureFixture[str], folder: Path, seconds: str, *more: str) -> Answer:
    profile = folder / "warm.yaml"
    profile.write_text(PROFILE.replace("SECONDS", seconds), encoding="utf-8")
    words = ("run", str(profile), "--pack", "lfp-16s", "--bench", "sim-climate-lv", "--serial", "LIVE-C")
    return ask(capsys, *words, "--operator", "Li", "--arm", "--out", str(folder / "out"), "--no-report", *more)


def test_a_chamber_on_a_line_that_it_shares_with_the_meter(
    capsys: pytest.CaptureFixture[str], truth: Truth, tmp_path: Path
) -> None:
    answer = live(capsys, tmp_path, "60 s")
    assert (answer.code, answer.data["trips"]) == (0, []), answer.data
    assert answer.data["result"]["provenance"] == "emulated"
    with RunReader.open(tmp_path / "out" / "run.db") as reader:
        kinds = [event.kind for event in reader.events()]
        (ended,) = reader.steps()
    assert kinds.count("identified") == 5
    assert kinds.index("set_chamber") < kinds.index("chamber_acknowledged")
    assert "poll_failed" not in kinds
    # 3 K/min: 0.2 K take four seconds, and the reading that shows them a poll more. The rest did not last its minute.
    assert 3.0 < (ended.ended_ns - ended.started_ns) / 1e9 < 15.0
    assert 25.1 < truth.assert_safe()["ambient_c"] < 26.0


def test_a_chamber_that_falls_silent_stops_a_live_run(
    capsys: pytest.CaptureFixture[str], truth: Truth, tmp_path: Path
) -> None:
    answer = live(capsys, tmp_path, "60 s", "--fault", "comms.chamber_lost@5")
    assert answer.code == 3
    (trip,) = answer.data["trips"]
    assert (trip["rule"], trip["fault_id"]) == ("chamber_stale", "comms.chamber_lost")
    truth.assert_safe()
