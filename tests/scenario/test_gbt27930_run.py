"""A pack still behind its charging bus: charged by a cycler while its BMS believes that it talks to a charger."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.scenario.support import Witness, ask

from packbench.files import packaged_configs
from packbench.run.charger import Charger

PROFILE = """profile: top-up
title: {en: "Charge a little", zh: "少量充电"}
record: {dt: 1 s}
steps:
  - rest: {label: settle, for: 5 s}
  - cc_charge:
      label: up
      current: 30 A
      for: 60 s
      on_cell_limit: {at: cell_full, action: end}
      until: voltage >= pack_full
  - rest: {label: relax, for: 10 s}
  - end
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Words of a run on a bench like sim-hv whose BMS is asked over CAN; `settings` are that BMS's."""
    monkeypatch.setenv("PACKBENCH_HOME", str(tmp_path / "home"))

    def write(settings: str, profile: str = PROFILE) -> tuple[str, ...]:
        text = (packaged_configs() / "benches" / "sim-hv.yaml").read_text("utf-8")
        for old, new in (
            ('device: modbus-hv-bms\n    url: "emulated:modbus+tcp"', 'device: gbt27930\n    url: "emulated:slcan"'),
            ("stale_after: 2.5 s", f"stale_after: 12 s\n    settings: {{{settings}}}"),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (tmp_path / "own.yaml").write_text(text, "utf-8")
        (tmp_path / "top-up.yaml").write_text(profile, "utf-8")
        words = ("simulate", str(tmp_path / "top-up.yaml"), "--pack", "nmc-96s", "--bench", str(tmp_path / "own.yaml"))
        return (*words, "--level", "bytes", "--no-report", "--out", str(tmp_path / "out"))

    return write


def test_a_pack_is_charged_over_its_charging_bus(
    job, capsys, witnesses: list[Witness], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[float, float]] = []
    report = Charger.report_output

    def spied(self: Charger, voltage_v: float, current_a: float) -> None:
        told.append((voltage_v, current_a))
        report(self, voltage_v, current_a)

    monkeypatch.setattr(Charger, "report_output", spied)
    answer = ask(capsys, *job("cells_reported: true"))
    assert answer.code == 0, answer.data
    assert answer.data["trips"] == []
    plant = witnesses[0].world.plant
    assert plant.true_charge_ah == pytest.approx(0.5, rel=0.02)
    assert not plant.contactor.is_closed(plant.now_ns)
    # The BMS hears what the cycler gives, not its own measurement back.
    assert max(current_a for _, current_a in told) == pytest.approx(30.0, abs=0.3)
    assert told[-1][1] == pytest.approx(0.0, abs=0.2)


def test_a_discharge_is_refused_on_a_bus_that_only_charges(job, capsys) -> None:
    profile = PROFILE.replace("cc_charge", "cc_discharge").replace(
        "      on_cell_limit: {at: cell_full, action: end}\n      until: voltage >= pack_full\n",
        "      until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]\n",
    )
    answer = ask(capsys, *job("cells_reported: true", profile))
    assert answer.code == 2
    assert "nobody watches the pack while it is discharged" in answer.data["errors"][0]["message"]
    assert answer.data["errors"][0]["line"] == 6


def test_cells_that_nobody_vouches_for_are_refused(job, capsys) -> None:
    answer = ask(capsys, *job(""))
    assert answer.code == 2
    assert "which does not report every cell" in answer.data["errors"][0]["message"]
