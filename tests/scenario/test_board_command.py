"""`packbench board` against the firmware as a process: what it shows of a trip, and its reset with key and name."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.board.conftest import make_firmware
from tests.scenario.support import Answer, ask

HEALTHY = ("estop_ok=1", "hvil_ok=1", "gas_ok=1", "insulation_ok=1", "sensors_ok=1")
"""What the wires show from the start."""


class Board:
    """The firmware's process, whose wires are words on its input."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [str(program), "--tcp", "0", *HEALTHY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = "rtu+tcp://" + json.loads(self.process.stdout.readline())["line"]

    def wire(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = tmp_path_factory.mktemp("firmware")
    make_firmware(build)
    return build / "packbench-board-pty"


@pytest.fixture
def board(program: Path) -> Iterator[Board]:
    started = Board(program)
    yield started
    started.process.kill()
    started.process.communicate()


def say(capsys: pytest.CaptureFixture[str], verb: str, board: Board, *more: str) -> Answer:
    return ask(capsys, "board", verb, "--url", board.url, *more)


def until(capsys: pytest.CaptureFixture[str], board: Board, **wanted: str) -> Answer:
    for _ in range(50):
        answer = say(capsys, "show", board)
        if all(answer.data[name] == value for name, value in wanted.items()):
            return answer
    pytest.fail(f"the board did not come to {wanted}")


def test_a_trip_is_shown_and_reset_by_key_and_name(capsys: pytest.CaptureFixture[str], board: Board) -> None:
    assert until(capsys, board, state="safe").data["matches"]
    board.wire("estop_ok=0")
    shown = until(capsys, board, state="tripped").data
    assert (shown["trip"], shown["snapshot"]["state"]) == ("estop", 2)
    assert "estop_ok" not in shown["inputs"]
    assert ("trip", "estop") in [(event["kind"], event["name"]) for event in shown["events"]]

    refused = say(capsys, "reset", board, "--operator", "Li")
    assert refused.code == 4
    assert "key_off" in refused.data["errors"][0]["message"]
    board.wire("estop_ok=1")
    board.wire("key_on=1")
    answer = say(capsys, "reset", board, "--operator", "Li")
    for _ in range(50):
        if answer.code == 0:
            break
        answer = say(capsys, "reset", board, "--operator", "Li")
    assert (answer.code, answer.data["state"], answer.data["trip"]) == (0, "safe", "")
    assert answer.data["events"][-1]["kind"] in ("reset", "outputs")


def test_a_reset_without_a_name_is_none(capsys: pytest.CaptureFixture[str], board: Board) -> None:
    assert say(capsys, "reset", board, "--operator", " ").code == 2
