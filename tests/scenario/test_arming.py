"""What the host sees of the arm sequence: the proof test on record, each refusal in words, and nothing energised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import Answer, Witness, ask

from packbench.store.reader import RunReader

LEVELS = ("object", "bytes")


def simulated(capsys: pytest.CaptureFixture[str], folder: Path, level: str, *more: str) -> Answer:
    words = ("simulate", "quick-check", "--pack", "lfp-16s", "--level", level, "--no-report")
    return ask(capsys, *words, "--out", str(folder / "out"), *more)


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    with RunReader.open(folder / "out" / "run.db") as reader:
        return [event.data for event in reader.events(kind)]


@pytest.mark.parametrize("level", LEVELS)
def test_the_proof_test_and_the_sign_are_on_record(
    level: str, capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    assert simulated(capsys, tmp_path, level).code == 0
    (proof,) = events(tmp_path, "proof_test")
    assert proof["passed"]
    assert 0.4 <= proof["lease_s"] <= proof["open_s"] <= 0.7
    (shown,) = events(tmp_path, "sign_shown")
    assert shown["cycler_a"] == pytest.approx(shown["asked_a"], abs=0.1)
    assert shown["bms_a"] == pytest.approx(shown["asked_a"], abs=0.4)
    plant = witnesses[0].world.plant
    assert plant.contactor.closings == 2
    assert plant.contactor.hot_openings == 0
    assert plant.contactor.worst_closing_dv_v < 5.0
    (log,) = events(tmp_path, "board_log")
    told = [(event["kind"], event.get("name", "")) for event in log["events"]]
    assert told.index(("proof", "")) < told.index(("proved", "")) < told.index(("opened", ""))
    assert told.count(("phase", "precharge")) == 2
    assert told.count(("phase", "done")) == 1
    (lease,) = events(tmp_path, "lease_statistics")
    assert (lease["withheld"], lease["missed"]) == (0, 0)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("power.reversed", "connected the wrong way round"),
        ("sensor.sign", "moved the wrong way in the pulse that shows its sign"),
    ],
)
def test_a_fault_of_the_wiring_refuses_the_run(
    fault: str, words: str, level: str, capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    answer = simulated(capsys, tmp_path, level, "--fault", f"{fault}@0")
    assert answer.code == 3
    reason = answer.data["result"]["end_reason"]
    assert words in reason, reason
    assert [step["label"] for step in answer.data["result"]["steps"]] == [], "nothing was tested"
    (witness,) = witnesses
    witness.assert_safe()
    assert abs(witness.world.plant.true_discharge_ah) < 0.01


@pytest.mark.parametrize("level", LEVELS)
def test_an_open_interlock_takes_the_coil_in_hardware(
    level: str, capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    answer = simulated(capsys, tmp_path, level, "--fault", "pack.hvil@20")
    assert answer.code == 3
    (witness,) = witnesses
    witness.assert_safe()
    assert "hvil" in answer.data["result"]["trips"][0]["text_en"]
    # Seen when the plant is asked next: at a poll, or a heartbeat.
    assert 0 <= witness.coil_off_ns() - witness.fault_ns <= 500_000_000


@pytest.mark.parametrize("level", LEVELS)
def test_a_board_that_is_tripped_already_says_why_and_what_to_do(
    level: str, capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    answer = simulated(capsys, tmp_path, level, "--fault", "pack.hvil@0")
    assert answer.code == 4
    (error,) = answer.data["errors"]
    assert "tripped" in error["message"]
    if level == "bytes":  # at object level no time has passed: the loop opens between the greeting and the arming
        assert "the board is tripped (hvil)" in error["message"]
        assert "packbench board reset" in error["message"]
    witnesses[0].assert_safe()


def test_precharge_that_fails_refuses_the_run(
    capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    """With a cycler that matches the voltage precharge has nothing to do; a programmed one needs it."""
    words = ("simulate", "programmed-capacity", "--pack", "lmo-25ah", "--bench", "sim-neware", "--no-report")
    answer = ask(capsys, *words, "--out", str(tmp_path / "out"), "--fault", "power.precharge@0")
    assert answer.code == 3
    assert "precharge failed" in answer.data["result"]["end_reason"]
    (witness,) = witnesses
    witness.assert_safe()
    assert witness.world.plant.contactor.closings == 0
