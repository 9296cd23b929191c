"""A whole run on every cycler and every BMS of the contract: bytes, virtual time, the same profile and its end.

What a driver and its emulator do alone is tested with them; here every device stands in a bench file, under the rules
and the record, from `simulate` to the exit code.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.scenario.support import Witness, ask

from packbench.files import packaged_configs
from packbench.store.reader import RunReader

CYCLERS = {
    "ea-psb, Modbus TCP": ("ea-psb", "modbus+tcp", 0, "PSB simulated"),
    "ea-psb, Modbus RTU": ("ea-psb", "rtu+tcp", 0, "PSB simulated"),
    "ea-psb, SCPI": ("ea-psb", "scpi+tcp", 0, "PSB simulated"),
    "delta-sm15k": ("delta-sm15k", "scpi+tcp", 0, "SM15K simulated"),
    "itech-it6000c": ("itech-it6000c", "scpi+tcp", 0, "IT6000C simulated"),
    "modbus-cycler": ("modbus-cycler", "modbus+tcp", 1, "Packbench cycler"),
}
"""Device, kind of link, unit, and the model that it says it is."""
BMS = {
    "jbd": (0, "JBD-SP20S004-L16S-150A-B"),
    "daly-a5": (1, "Daly Smart BMS, A5 protocol"),
    "daly-d2": (210, "DALY SIMULATED"),
    "daly-p81": (129, "DALY SIMULATED"),
    "jk-4e57": (0, "JK-B2A24S20P"),
    "jk-pb": (1, "JK_PB2A16S20P"),
    "pylontech": (2, "US5000SIM"),
    "seplos-v2": (0, "1101-SIM16"),
    "pace": (1, "P16S100A"),
    "seplos-v3": (0, "SIM16S100A"),
}
"""Unit and model by device; all of them on a serial line."""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Words of a quick check on a bench like sim-lv with other devices."""
    monkeypatch.setenv("PACKBENCH_HOME", str(tmp_path / "home"))

    def write(role: str, device: str, scheme: str, unit: int) -> tuple[str, ...]:
        text = (packaged_configs() / "benches" / "sim-lv.yaml").read_text("utf-8")
        pattern = rf'(  {role}:\n    device: )\S+(\n    url: "emulated:)[^"]+("\n    unit: )\d+'
        text, count = re.subn(pattern, rf"\g<1>{device}\g<2>{scheme}\g<3>{unit}", text)
        assert count == 1
        bench = tmp_path / "own.yaml"
        bench.write_text(text, "utf-8")
        words = ("simulate", "quick-check", "--pack", "lfp-16s", "--bench", str(bench), "--level", "bytes")
        return (*words, "--no-report", "--out", str(tmp_path / "out"))

    return write


@pytest.fixture
def check(job, tmp_path: Path, capsys: pytest.CaptureFixture[str], witnesses: list[Witness]):
    """Runs it: ended well, without a trip, with the device that was meant and every cell in the record."""

    def run(role: str, device: str, scheme: str, unit: int, model: str) -> None:
        answer = ask(capsys, *job(role, device, scheme, unit))
        assert answer.code == 0, answer.data
        assert answer.data["trips"] == []
        steps = {step["label"]: step for step in answer.data["result"]["steps"]}
        # 0.2C of 100 Ah for 20 s each way.
        assert steps["nudge-up"]["charge_ah"] == pytest.approx(20 * 20 / 3600, rel=0.03)
        assert steps["nudge-down"]["charge_ah"] == pytest.approx(-20 * 20 / 3600, rel=0.03)
        witnesses[0].assert_safe()
        with RunReader.open(tmp_path / "out" / "run.db") as reader:
            models = {event.data["device"]: event.data["model"] for event in reader.events("identified")}
            cells_v = reader.rows().cell_voltages_v
        assert models[role] == model
        assert cells_v.shape[1] == 16
        truth_v = witnesses[0].world.plant.bms.reading(witnesses[0].world.plant.now_ns).cell_voltages_v
        assert cells_v[-1] == pytest.approx(truth_v, abs=0.01), "at rest, within the BMS's own errors"

    return run


@pytest.mark.parametrize(("device", "scheme", "unit", "model"), CYCLERS.values(), ids=CYCLERS)
def test_a_run_on_every_cycler(check, device: str, scheme: str, unit: int, model: str) -> None:
    check("cycler", device, scheme, unit, model)


@pytest.mark.parametrize("device", BMS)
def test_a_run_watched_by_every_bms(check, device: str) -> None:
    unit, model = BMS[device]
    check("bms", device, "serial", unit, model)
