"""What a test takes from the mains, from the meter's registers through driver and record to the footprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import ask

from packbench.files import packaged_configs
from packbench.run.energy_counter import EVENT
from packbench.store.reader import RunReader
from packbench_sim.mains import EFFICIENCY, STANDBY_W

PROFILE = """profile: up-and-down
title: {en: "Up a little, and down", zh: "先充后放"}
record: {dt: 5 s}
result: {capacity_of: down}
steps:
  - cc_charge: {current: 0.3C, until: step_time >= 600 s}
  - rest: {for: 5 min}
  - cc_discharge: {label: down, current: 0.4C, until: cell_min <= cell_cutoff}
  - end: {verdict: pass}
"""
LIVE = """profile: seconds
title: {en: "Seconds of rest", zh: "静置数秒"}
record: {dt: 500 ms}
steps:
  - rest: {for: 2 s}
  - end
"""
METERED = "bench_energy: {counted_by: ac_meter, basis: measured, source: on the bench's own feeder}"


def simulated(capsys: pytest.CaptureFixture[str], folder: Path, *more: str, bench: str = "sim-metered") -> Path:
    (folder / "up-and-down.yaml").write_text(PROFILE, "utf-8")
    words = ("simulate", str(folder / "up-and-down.yaml"), "--pack", "nmc-96s", "--bench", bench, *more)
    said = ("--set", "plant.initial_soc=0.05", "--operator", "Li", "--serial", "E-1", "--no-report")
    answer = ask(capsys, *words, *said, "--out", str(folder / "out"))
    assert answer.code == 0, answer.data
    return folder / "out"


def factors(folder: Path, bench_energy: str = METERED) -> str:
    text = (packaged_configs() / "carbon" / "assumptions.yaml").read_text("utf-8")
    path = folder / "factors.yaml"
    path.write_text(text[: text.index("bench_energy:")] + bench_energy + "\n", "utf-8")
    return str(path)


def counters(run: Path) -> list[dict[str, Any]]:
    with RunReader.open(run / "run.db") as reader:
        return [dict(event.data) for event in reader.events() if event.kind == EVENT]


@pytest.mark.parametrize("level", ["bytes", "object"])
def test_the_record_has_the_counter_and_carbon_counts_with_it(
    level: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = simulated(capsys, tmp_path, "--level", level)
    begin, end = counters(run)
    assert (begin["at"], end["at"]) == ("begin", "end")
    taken_wh, given_wh = (end[name] - begin[name] for name in ("ac_import_wh", "ac_export_wh"))
    with RunReader.open(run / "run.db") as reader:
        rows, steps = reader.rows(), reader.steps()
        lasted_h = (max(step.ended_ns for step in steps) - min(step.started_ns for step in steps)) / 3.6e12
        charge_wh = sum(step.energy_wh for step in steps if step.energy_wh > 0.0)
        discharge_wh = -sum(step.energy_wh for step in steps if step.energy_wh < 0.0)
    assert len(rows.t_ns) > 100
    # The closed form of the emulated bench; before the first step and after the last it stood by for under a minute.
    assert taken_wh == pytest.approx(charge_wh / EFFICIENCY + STANDBY_W * lasted_h, rel=0.002, abs=2.0)
    assert given_wh == pytest.approx(discharge_wh * EFFICIENCY, rel=0.002, abs=1.0)
    answer = ask(capsys, "carbon", str(run), "--factors", factors(tmp_path))
    assert answer.code == 0, answer.data
    counted = answer.data["bench_energy"]
    assert counted["kwh"]["value"] == pytest.approx((taken_wh - given_wh) / 1e3)
    assert counted["kwh"]["U"] == pytest.approx(2 * ((0.01 * (taken_wh + given_wh)) ** 2 / 3 + 100 / 3) ** 0.5 / 1e3)
    assert "meter SIM-SDM-0006, certificate" in counted["source"]


@pytest.mark.parametrize(
    ("bench_energy", "found"),
    [
        ("{counted_by: ac_meter, begin_kwh: 0, end_kwh: 0.1, U: 1 %, basis: measured, source: me}", "typed readings"),
        ("{counted_by: ac_meter, begin_kwh: 0, basis: measured, source: me}", "nothing"),
    ],
)
def test_nobody_types_over_what_the_meter_showed(
    bench_energy: str, found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = simulated(capsys, tmp_path, "--level", "object")
    answer = ask(capsys, "carbon", str(run), "--factors", factors(tmp_path, f"bench_energy: {bench_energy}"))
    assert (answer.code, answer.data["errors"][0]["found"]) == (2, found)


def test_a_bench_without_a_meter_has_no_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = simulated(capsys, tmp_path, "--level", "object", bench="sim-hv")
    assert counters(run) == []
    answer = ask(capsys, "carbon", str(run), "--factors", factors(tmp_path))
    (error,) = answer.data["errors"]
    assert (answer.code, error["found"]) == (2, "a record without its begin and end")


def test_a_meter_that_falls_silent_stops_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "up-and-down.yaml").write_text(PROFILE, "utf-8")
    words = ("simulate", str(tmp_path / "up-and-down.yaml"), "--pack", "nmc-96s", "--bench", "sim-metered")
    said = ("--level", "bytes", "--fault", "comms.meter_lost@60", "--no-report", "--out", str(tmp_path / "out"))
    answer = ask(capsys, *words, *said)
    assert (answer.code, answer.data["trips"][0]["rule"]) == (3, "meter_stale")
    begin, end = counters(tmp_path / "out")
    assert "ac_import_wh" in begin
    assert (end["at"], "error" in end, "ac_import_wh" in end) == ("end", True, False)


def test_a_live_run_reads_the_meter_on_a_real_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "seconds.yaml").write_text(LIVE, "utf-8")
    words = ("run", str(tmp_path / "seconds.yaml"), "--pack", "nmc-96s", "--bench", "sim-metered", "--serial", "E-2")
    answer = ask(capsys, *words, "--operator", "Li", "--arm", "--out", str(tmp_path / "out"), "--no-report")
    assert answer.code == 0, answer.data
    begin, end = counters(tmp_path / "out")
    assert begin["ac_import_wh"] >= 1_234_500.0
    # Standing by for the seconds of a start and an end, on the wall clock.
    assert 0.05 < end["ac_import_wh"] - begin["ac_import_wh"] < STANDBY_W * 120 / 3600
