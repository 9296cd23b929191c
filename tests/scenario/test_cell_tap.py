"""A pack whose BMS says nothing of its cells, or nothing at all: the run goes on by the bench's own cell tap.

The BMS is a device that nobody here has heard of, from a map in the working directory; its bytes come from that map.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scenario.support import Witness, ask, fresh, one_object

import packbench_sim.wiring
from packbench.files import packaged_configs
from packbench.store.reader import RunReader

BLIND = """packbench_device: 1
name: blind-bms
title: A BMS whose cells nobody has mapped
kind: bms
links: [modbus+tcp, rtu+tcp]
unit: 1
verified_on_hardware: false
sources: ["a test"]
blocks:
  live: {address: 0, count: 5}
fields:
  voltage_v: {address: 0, type: u16, scale: 0.01, unit: V}
  current_a: {address: 1, type: s16, scale: 0.1, unit: A}
  soc: {address: 2, type: u16, scale: 0.001}
  charge_limit_a: {address: 3, type: u16, scale: 0.1, unit: A}
  discharge_limit_a: {address: 4, type: u16, scale: 0.1, unit: A}
golden:
  - {framing: rtu, source: "a test", reply: "01 83 02 C0 F1", refused: 2}
"""
TAP = """  cell_tap:
    device: modbus-hv-bms
    url: "emulated:modbus+tcp"
    unit: 3
    reply_timeout: 300 ms
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a bench like sim-lv, with that BMS and perhaps a tap, where names are found."""
    monkeypatch.setenv("PACKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "blind-bms.yaml").write_text(BLIND, "utf-8")

    def write(tap: str, bms: str = "blind-bms") -> str:
        text = (packaged_configs() / "benches" / "sim-lv.yaml").read_text("utf-8")
        for old, new in (
            ("device: jk-pb", f"device: {bms}"),
            # Time enough for a dead BMS to fail twice.
            ("stale_after: 2.5 s", "stale_after: 3 s"),
            ("  board:\n    device", f"{tap}  board:\n    device"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / "own.yaml").write_text(text, "utf-8")
        return str(tmp_path / "own.yaml")

    return write


def words(tmp_path: Path, bench: str, *more: str) -> tuple[str, ...]:
    job = ("simulate", "quick-check", "--pack", "lfp-16s", "--bench", bench, "--level", "bytes", "--no-report")
    return (*job, "--out", str(tmp_path / "out"), *more)


def test_a_bms_without_cells_is_refused_without_a_tap(tmp_path: Path, bench, capsys) -> None:
    answer = ask(capsys, *words(tmp_path, bench("")))
    assert answer.code == 2
    (error,) = answer.data["errors"]
    assert (error["line"], error["field"]) == (18, "devices.bms.device")
    assert error["found"] == "blind-bms, which does not report every cell"
    assert "a cell tap" in error["expected"]


def test_a_bms_without_cells_and_a_tap_run_to_the_profile_s_end(
    tmp_path: Path, bench, capsys, witnesses: list[Witness]
) -> None:
    answer = ask(capsys, *words(tmp_path, bench(TAP)))
    assert answer.code == 0, answer.data
    assert answer.data["trips"] == []
    with RunReader.open(tmp_path / "out" / "run.db") as reader:
        rows = reader.rows()
        (who,) = [event.data for event in reader.events("identified") if event.data["device"] == "bms"]
    assert who["model"].endswith("with cell tap Packbench HV BMS")
    # The cells and temperatures are the tap's, the state of charge is the BMS's.
    assert rows.cell_voltages_v.shape == (len(rows), 16)
    assert not np.isnan(rows.cell_voltages_v).any()
    assert rows.temperatures_c.shape == (len(rows), 2)
    assert not np.isnan(rows.soc).any()
    witnesses[0].assert_safe()


def test_bms_and_tap_share_a_bus(tmp_path: Path, bench, capsys, witnesses: list[Witness]) -> None:
    """Two devices on one line, one request in flight: URLs that name the same place are the same bus."""
    path = bench(TAP.replace("emulated:modbus+tcp", "emulated:serial:///bus"), bms="jk-pb")
    text = Path(path).read_text("utf-8")
    assert text.count('"emulated:rtu+tcp"') == 1
    Path(path).write_text(text.replace('"emulated:rtu+tcp"', '"emulated:serial:///bus"'), "utf-8")
    seen: list[set[str]] = []
    original = packbench_sim.wiring.on_lines

    def watched(devices: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
        found = original(devices, names)
        seen.append(set(found))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packbench_sim.wiring, "on_lines", watched)
        answer = ask(capsys, *words(tmp_path, path))
    assert answer.code == 0, answer.data
    assert answer.data["trips"] == []
    assert seen == [{"cycler", "/bus", "board"}]
    with RunReader.open(tmp_path / "out" / "run.db") as reader:
        rows = reader.rows()
        failed = list(reader.events("poll_failed"))
    assert not failed
    assert not np.isnan(rows.cell_voltages_v).any()
    witnesses[0].assert_safe()


@pytest.mark.parametrize(
    ("rules", "code"),
    [("    bms_required: false\n", 0), ("    bms_required: true\n", 3), ("    precedence: bms\n", 3)],
    ids=["may be done without", "is required", "has precedence"],
)
def test_a_bms_that_falls_silent_half_way(
    tmp_path: Path, bench, capsys, witnesses: list[Witness], rules: str, code: int
) -> None:
    tapped = bench(TAP + rules, bms="jk-pb")
    answer = ask(capsys, *words(tmp_path, tapped, "--fault", "comms.bms_lost@12s"))
    assert answer.code == code, answer.data
    assert [trip["rule"] for trip in answer.data["trips"]] == ([] if code == 0 else ["bms_stale"])
    witnesses[0].assert_safe()
    if code == 0:
        with RunReader.open(tmp_path / "out" / "run.db") as reader:
            rows = reader.rows()
        # The BMS counts in whole percents; what is left when it is silent is the tap's own reading.
        assert (rows.soc[2], rows.soc[-1]) == (0.41, 0.412)
        assert not np.isnan(rows.cell_voltages_v).any()


def test_a_tap_that_disagrees_with_the_bms_stops_the_run(tmp_path: Path, bench, capsys, witnesses) -> None:
    # Two monitors with noise of their own on every cell: within 100 mV of each other, and never within 10 uV.
    good = ask(capsys, *words(tmp_path, bench(TAP + "    cross_check: 100 mV\n", bms="jk-pb")))
    assert good.code == 0, good.data
    bad = ask(capsys, *words(tmp_path, bench(TAP + "    cross_check: 0.01 mV\n", bms="jk-pb")))
    assert bad.code in (3, 4), bad.data
    assert witnesses[-1].world.plant.true_current_a == 0.0


BLINK = """profile: blink
title: {en: "Seconds of charge", zh: "数秒充电"}
record: {dt: 500 ms}
steps:
  - cc_charge:
      {label: up, current: 0.2C, for: 2 s, on_cell_limit: {at: cell_full, action: end}, until: voltage >= pack_full}
  - end
"""


def test_the_same_bench_on_sockets_and_the_wall_clock(tmp_path: Path, bench) -> None:
    (tmp_path / "blink.yaml").write_text(BLINK, "utf-8")
    job = (
        "run",
        str(tmp_path / "blink.yaml"),
        "--pack",
        "lfp-16s",
        "--bench",
        bench(TAP),
        "--out",
        str(tmp_path / "out"),
    )
    who = ("--serial", "TAP-1", "--operator", "Li", "--arm", "--no-report", "--json")
    done = fresh(*job, *who, home=tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    result = one_object(done.stdout)["result"]
    assert (result["provenance"], [step["label"] for step in result["steps"]]) == ("emulated", ["up"])
    with RunReader.open(tmp_path / "out" / "run.db") as reader:
        assert reader.rows().cell_voltages_v.shape[1] == 16
