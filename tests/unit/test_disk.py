"""Room for the record: no run writes more than was counted, and one that may not fit is refused before it begins."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from packbench.app.disk import require_room, room_for
from packbench.app.job import load_job
from packbench.app.virtual import NoJournal, Options, run_unrecorded
from packbench.core.errors import InputError
from packbench.core.records import Row, StepRecord
from packbench.profile.checking.estimate import estimate_plan
from packbench.profile.checking.recording import Written, written_at_most
from packbench.store.size import run_bytes

FOR_EVER_S = 1e12
REST = """profile: p
title: {{en: p, zh: p}}
record: {record}
steps:
{steps}
"""


def written(
    folder: Path, steps: str, record: str = "{dt: 5 s}", duration_max_s: float = FOR_EVER_S, **bench: Any
) -> Written:
    path = folder / "p.yaml"
    path.write_text(REST.format(record=record, steps=steps), "utf-8")
    job = load_job(str(path), "lmo-25ah", None)
    return written_at_most(job.plan, replace(job.bench, **bench), duration_max_s)


def test_a_rest_writes_by_its_longest_time(tmp_path: Path) -> None:
    """`max_time` is `for` and a minute; the first reading and the last come on top."""
    rest = "  - rest: {for: 10 min}"
    assert written(tmp_path, rest) == Written(11 * 60 // 5 + 2, 1)
    assert written(tmp_path, rest, "{dt: 100 ms}").rows == 11 * 60 * 2 + 2, "no row without a reading"
    assert written(tmp_path, rest, "{dt: 5 s, dV: 1 mV}").rows == 11 * 60 * 2 + 2, "every reading may be one: noise"
    assert written(tmp_path, rest, duration_max_s=600.0).rows == 121 + 2, "the run's own bound, where it is closer"


def test_a_change_beyond_the_noise_comes_as_often_as_the_limits_are_wide(tmp_path: Path) -> None:
    """sim-cell: 0.3 mV of noise and steps of 0.4 mV; the cell may go from 2.5 V to 4.25 V, and back."""
    rest = "  - rest: {for: 10 min}"
    noise_v = 8.5 * 0.3e-3 + 0.4e-3
    rows = written(tmp_path, rest, "{dt: 5 s, dV: 20 mV}").rows
    volts = load_job("quick-check", "lmo-25ah", None).limits
    swing_v = volts.pack_voltage_max_v - volts.pack_voltage_min_v
    assert rows == 11 * 60 // 5 + 2 + int(2 * swing_v / (20e-3 - noise_v) + 1)
    assert written(tmp_path, rest, "{dt: 5 s, dV: 20 mV}", instruments=()).rows == 11 * 60 * 2 + 2, "nobody states it"
    pulse = "  - pulse: {train: [{discharge: 0.5C, for: 5 min}, {rest: 5 min}]}"
    edges = written(tmp_path, pulse, "{dt: 5 s, dV: 20 mV}").rows - written(tmp_path, pulse).rows
    assert edges > 10 * 60, "a pulse's voltage goes to and fro: every reading"


def test_loops_go_all_their_rounds(tmp_path: Path) -> None:
    loop = """  - loop:
      repeat: 3
      steps:
        - rest: {for: 4 min}
        - loop:
            repeat: 10
            steps:
              - rest: {for: 9 min}
"""
    assert written(tmp_path, loop) == Written(3 * (60 + 2) + 30 * (120 + 2), 3 + 30)


def test_more_rounds_than_any_disk_takes_are_refused_before_they_are_counted(tmp_path: Path) -> None:
    steps, indent = "", "  "
    for _ in range(4):
        steps += f"{indent}- loop:\n{indent}    repeat: 10000\n{indent}    steps:\n"
        indent += "      "
    with pytest.raises(InputError, match="too many rounds"):
        written(tmp_path, f"{steps}{indent}- rest: {{for: 1 h}}\n")


class Counted(NoJournal):
    def __init__(self) -> None:
        self.rows = self.steps = 0

    def put_row(self, row: Row) -> int:
        self.rows += 1
        return 0

    def put_step(self, record: StepRecord) -> int:
        self.steps += 1
        return 0


FINE = """profile: fine
title: {en: fine, zh: fine}
record: {dt: 2 s, dV: 10 mV}
steps:
  - rest: {for: 30 s}
  - loop:
      repeat: 4
      steps:
        - cc_discharge: {label: down, current: 0.3C, for: 40 s, until: cell_min <= cell_cutoff}
        - rest: {for: 20 s, record: {dt: 100 ms}}
"""


@pytest.mark.parametrize(("profile", "pack"), [("quick-check", "lfp-16s"), (FINE, "lmo-25ah"), (FINE, "nmc-96s")])
def test_no_run_writes_more_than_was_counted(profile: str, pack: str, tmp_path: Path) -> None:
    if "\n" in profile:
        (tmp_path / "fine.yaml").write_text(profile, "utf-8")
        profile = str(tmp_path / "fine.yaml")
    job = load_job(profile, pack, None)
    counted = Counted()
    outcome = run_unrecorded(job, Options(level="object"), counted, lambda _s, _e: None, lambda _plant: None)
    assert outcome.trip is None
    duration_s = estimate_plan(job.plan, job.pack, job.bench).duration_s.max
    most = written_at_most(job.plan, job.bench, duration_s)
    assert 0.1 * most.rows < counted.rows <= most.rows
    assert 0 < counted.steps <= most.steps


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, count))


def test_what_may_not_fit_is_refused_and_what_fills_the_disk_is_remarked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = load_job("gbt34015-residual-capacity", "nmc-96s", None)
    home = tmp_path / "not" / "there" / "yet"
    room = room_for(job, home)
    assert room.folder == tmp_path
    assert room.needed_bytes == run_bytes(room.rows, room.steps, 96 + 12)

    free(monkeypatch, room.needed_bytes)
    assert (room_for(job, home).fits, room_for(job, home).is_tight) == (True, True)
    require_room(job, home)
    free(monkeypatch, 2 * room.needed_bytes)
    assert not room_for(job, home).is_tight

    free(monkeypatch, room.needed_bytes - 1)
    with pytest.raises(InputError) as caught:
        require_room(job, home)
    (problem,) = caught.value.problems
    assert problem.field == "disk space"
    assert problem.message == "the record does not fit on the disk"
    assert f"({room.rows:,} samples)" in str(problem.found)
    assert str(tmp_path) in str(problem.expected)
