"""A live run whose controller is killed or stopped: the board opens by itself, and the run goes on to its end."""

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.scenario.killing import KeptBench, send, started

from packbench.app.job import load_job
from packbench.core.errors import InputError
from packbench.store.reader import RunReader

OPENS_WITHIN_S = 0.6
BUSY_S = 0.3
"""What a machine that runs other tests beside may be late by."""
PROFILE = """
profile: half-minute
title: {en: "A charge and a discharge", zh: "充电与放电"}
record: {dt: 1 s}
steps:
  - cc_charge:
      label: up
      current: 0.5C
      for: 6 s
      on_cell_limit: {at: cell_full, action: end}
      until: voltage >= pack_full
  - cc_discharge:
      label: down
      current: 0.5C
      for: 8 s
      until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]
  - end
"""


def flowing(record: Path, kind: str = "output_acknowledged") -> bool:
    if not record.exists():
        return False
    with suppress(InputError), RunReader.open(record) as reader:
        return bool(reader.events(kind))
    return False  # it is in the making


def wait_for_current(record: Path) -> None:
    deadline_s = time.monotonic() + 60.0
    while not flowing(record):
        assert time.monotonic() < deadline_s, "no current ever flowed"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_board_opens_by_itself_and_a_killed_run_goes_on_to_its_end(number: signal.Signals, tmp_path: Path) -> None:
    profile = tmp_path / "half-minute.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    job = load_job(str(profile), "lmo-25ah", "sim-cell")
    out, home = tmp_path / "out", tmp_path / "home"
    with KeptBench(job, tmp_path) as bench:
        words = ("run", str(profile), "--bench", "sim-cell", "--pack", "lmo-25ah", "--serial", "K-1", "--out", str(out))
        program = started(bench, home, *words)
        wait_for_current(out / "run.db")
        time.sleep(2.0)
        killed_s = send(program, number)
        time.sleep(1.5)
        if number == signal.SIGSTOP:
            send(program, signal.SIGKILL)
        program.communicate(timeout=20)
        bench.reset_board(home)
        resumed = started(bench, home, "runs", "resume", str(out))
        told, said = resumed.communicate(timeout=90)
        assert resumed.returncode == 0, said
        truth = bench.end()
    offs_s = [t_ns / 1e9 for t_ns, on in truth["coil_edges"] if not on]
    opened_s = next(at_s for at_s in offs_s if at_s >= killed_s - 0.01)
    assert opened_s - killed_s < OPENS_WITHIN_S + BUSY_S
    ons_s = [t_ns / 1e9 for t_ns, on in truth["coil_edges"] if on]
    assert not [at_s for at_s in ons_s if opened_s < at_s < opened_s + 1.0], "it does not close again"
    assert "time unobserved" in said, "what was held against the record is shown, though nobody was asked"
    data = json.loads(told)
    assert [one["name"] for one in data["compared"] if not one["ok"]] == []
    assert {"board", "cycler", "bms", "soc", "gap"} <= {one["name"] for one in data["compared"]}
    assert data["trips"] == []
    steps = {step["label"]: step for step in data["result"]["steps"]}
    (gap,) = data["result"]["gaps"]
    moved_ah = truth["charge_ah"] - truth["discharge_ah"]
    counted_ah = sum(step["charge_ah"] for step in steps.values())
    assert abs(moved_ah - counted_ah) <= gap["unseen_ah"] + 0.002
    assert steps["down"]["charge_ah"] == pytest.approx(-12.5 * 8 / 3600, abs=gap["unseen_ah"] + 0.001)
