"""A disk that stands still does not trip the board: the run ends by itself, with the lease renewed meanwhile."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from tests.scenario.support import Truth, ask
from tests.scenario.test_live import LONG

from packbench.run.recorder import STALLED_S, Pump
from packbench.run.supervised import SupervisedBoard
from packbench.run.supervision_link import Beat, Message
from packbench.store.writer import Record
from packbench_board.codes import TripCode

STALL_S = 12.0


def test_a_disk_that_stalls_ends_the_run_and_never_the_lease(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    truth: Truth,
    tmp_path: Path,
) -> None:
    stalled_s: list[float] = []
    beaten_s: list[float] = []
    write, took = Pump.write, SupervisedBoard._on_message

    def slow(self: Pump, batch: list[Record]) -> int:
        # The charge has begun by then; its first seconds are on record.
        if not stalled_s and any(getattr(record, "kind", "") == "output_acknowledged" for record in batch):
            seq = write(self, batch)
            stalled_s.append(time.monotonic())
            time.sleep(STALL_S)
            return seq
        return write(self, batch)

    def heard(self: SupervisedBoard, message: Message) -> None:
        if isinstance(message, Beat):
            beaten_s.append(time.monotonic())
        took(self, message)

    monkeypatch.setattr(Pump, "write", slow)
    monkeypatch.setattr(SupervisedBoard, "_on_message", heard)
    profile = tmp_path / "blink.yaml"
    profile.write_text(LONG, encoding="utf-8")
    words = (
        "run",
        str(profile),
        "--pack",
        "lmo-25ah",
        "--serial",
        "LIVE-D",
        "--operator",
        "Li",
        "--arm",
        "--no-report",
    )
    answer = ask(capsys, *words, "--out", str(tmp_path / "out"))
    assert answer.code != 0
    found = truth.assert_safe()
    opened_s = truth.coil_off_s()
    after_s = opened_s - stalled_s[0]
    assert STALLED_S <= after_s < STALLED_S + 3.0, "it ends by itself while the disk still stands"
    # Until then the lease was renewed as ever, and the board was opened by its host.
    gaps = [later - earlier for earlier, later in pairwise(beaten_s) if later < opened_s]
    assert max(gap for gap, at in zip(gaps, beaten_s, strict=False) if at > stalled_s[0] - 1.0) < 0.45
    assert TripCode(found["board_trip"]) in (TripCode.NONE, TripCode.HOST)
