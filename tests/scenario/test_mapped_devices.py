"""Whole runs on devices that are nothing but a map: the profile and the rules do not know the vendor.

Down to the wire in virtual time: driver by map, port, bytes, emulator, plant.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.scenario.support import Witness, ask
from tests.unit.test_map_conventions import CYCLER

from packbench.files import packaged_configs
from packbench.store.reader import RunReader


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a bench like sim-lv with other devices, where names are found; `own` is a cycler's map of one's own."""
    monkeypatch.setenv("PACKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "own.yaml").write_text(
        CYCLER.replace("[serial, pty]", "[modbus+tcp, serial, pty]"), "utf-8"
    )

    def write(cycler: str = "ea-psb", bms: str = "jk-pb", unit: int = 1) -> str:
        text = (packaged_configs() / "benches" / "sim-lv.yaml").read_text("utf-8")
        for old, new in (("ea-psb\n", f"{cycler}\n"), ("unit: 0\n    poll: 500", f"unit: {unit}\n    poll: 500"),
                         ("jk-pb\n", f"{bms}\n")):  # fmt: skip
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / "bench.yaml").write_text(text, "utf-8")
        return str(tmp_path / "bench.yaml")

    return write


def words(tmp_path: Path, bench: str, *more: str) -> tuple[str, ...]:
    job = ("simulate", "quick-check", "--pack", "lfp-16s", "--bench", bench, "--level", "bytes", "--no-report")
    return (*job, "--out", str(tmp_path / "out"), *more)


@pytest.mark.parametrize("cycler", ["modbus-cycler", "own"], ids=["one signed current", "source and sink apart"])
def test_a_cycler_by_map_runs_the_profile_to_its_end(
    tmp_path: Path, bench, capsys, witnesses: list[Witness], cycler: str
) -> None:
    answer = ask(capsys, *words(tmp_path, bench(cycler)))
    assert answer.code == 0, answer.data
    assert answer.data["trips"] == []
    steps = {step["label"]: step for step in answer.data["result"]["steps"]}
    # 0.2C of 100 Ah for 20 s each way.
    assert steps["nudge-up"]["charge_ah"] == pytest.approx(20 * 20 / 3600, rel=0.03)
    assert steps["nudge-down"]["charge_ah"] == pytest.approx(-20 * 20 / 3600, rel=0.03)
    witnesses[0].assert_safe()


def test_a_cycler_by_map_that_falls_silent_ends_the_run_safely(
    tmp_path: Path, bench, capsys, witnesses: list[Witness]
) -> None:
    answer = ask(capsys, *words(tmp_path, bench("modbus-cycler"), "--fault", "comms.cycler_lost@12s"))
    assert answer.code == 3, answer.data
    assert answer.data["trips"][0]["rule"] == "cycler_stale"
    witnesses[0].assert_safe()


def test_a_seplos_v3_watches_a_run(tmp_path: Path, bench, capsys, witnesses: list[Witness]) -> None:
    answer = ask(capsys, *words(tmp_path, bench(bms="seplos-v3", unit=0)))
    assert answer.code == 0, answer.data
    with RunReader.open(tmp_path / "out" / "run.db") as reader:
        assert reader.rows().cell_voltages_v.shape[1] == 16
        (who,) = [event.data for event in reader.events("identified") if event.data["device"] == "bms"]
    assert who["model"] == "SIM16S100A"
    witnesses[0].assert_safe()
