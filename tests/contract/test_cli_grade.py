"""`packbench grade` from the outside: a grade with its probabilities, an invalid result, words that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from packbench.cli import main
from packbench.core.result import Measured, Result
from packbench.report.json_out import result_to_json


def write(path: Path, *, valid: bool = True) -> Path:
    result = Result(
        provenance="simulated", run_id="r1", serial="S1", profile="p", pack="k", seed=1,
        started_at="2026-01-01T00:00:00Z", ended_at="2026-01-01T01:00:00Z", end_reason="done",
        verdict="PASS" if valid else "INVALID", valid=valid, invalid_reasons=() if valid else ("a gap",),
        imbalance_limited=False, capacity_ah=None, energy_wh=None, soh=Measured(0.805, 0.01, 1.96, 0.95, "1"),
        soce=None, weakest_cell=None, cell_spread_v=None, steps=(), gaps=(), limits={}, trips=(), hashes={},
    )  # fmt: skip
    path.write_text(result_to_json(result), encoding="utf-8")
    return path


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    code = main(["grade", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_grade_with_its_probabilities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = ask(capsys, str(write(tmp_path / "result.json")), "--set", "age_years=6+-0.5")
    (pack,) = data["packs"]
    assert (code, pack["grade"], pack["provenance"], pack["record_verified"]) == (0, "A", "simulated", False)
    assert pack["borderline"]
    assert sum(pack["probabilities"].values()) == pytest.approx(1.0)
    assert pack["probabilities"]["A"] == pytest.approx(0.8364, abs=1e-3)
    assert {item["figure"] for item in pack["criteria"] if not item["assessed"]} == {
        "cell_spread_v", "dcir_rise", "self_discharge_per_month", "insulation_ohm_per_v", "trips",
    }  # fmt: skip


def test_an_invalid_result_is_not_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = ask(capsys, str(write(tmp_path / "result.json", valid=False)))
    (pack,) = data["packs"]
    assert (code, pack["grade"], pack["refused"]) == (0, None, ["a gap"])


def test_a_required_figure_that_is_missing_leaves_no_grade(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = ask(capsys, str(write(tmp_path / "result.json")), "--rules", "insulation-required")
    assert (code, data["packs"][0]["grade"], data["packs"][0]["refused"]) == (0, None, ["insulation_ohm_per_v"])


@pytest.mark.parametrize("stated", ["colour=3", "age_years=old", "soh=0.9", "age_years=nan", "age_years"])
def test_what_cannot_be_stated_is_refused(stated: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = ask(capsys, str(write(tmp_path / "result.json")), "--set", stated)
    assert (code, data["ok"], data["errors"][0]["field"]) == (2, False, "--set")


def test_the_terminal_says_it_in_both_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(write(tmp_path / "result.json"))
    assert main(["grade", path]) == 0
    assert "within its uncertainty" in capsys.readouterr().out
    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    assert main(["grade", path]) == 0
    assert "不确定度" in capsys.readouterr().out


def write_record(path: Path, resistance_ohm: float) -> Path:
    """A cycler's file of one cell: charged, rested, discharged at C/2, charged by half, pulsed."""
    lines, time_s, charge_ah = ["Test Time / s,Current / A,Voltage / V"], 0.0, 0.0

    def rows(current_a: float, duration_s: int) -> None:
        nonlocal time_s, charge_ah
        for _ in range(duration_s):
            time_s += 1.0
            charge_ah += current_a / 3600.0
            voltage_v = 3.0 + 1.2 * charge_ah / 25.0 + resistance_ohm * current_a
            lines.append(f"{time_s},{current_a},{voltage_v:.6f}")

    whole, half = ((12.5, 7200), (0.0, 1800), (-12.5, 6600), (0.0, 1800)), ((12.5, 3000), (0.0, 1800), (-12.5, 60))
    for current_a, duration_s in (*whole, *half):
        rows(current_a, duration_s)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_rise_of_resistance_that_was_measured_is_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = (Path(__file__).parents[2] / "configs/packs/lmo-25ah.yaml").read_text(encoding="utf-8")
    new = "rated_energy: 90 Wh\ncell_cutoff: 3.0 V\nbegin_of_life: {resistance: 4 mohm}\n"
    lines = [line for line in pack.splitlines() if not line.startswith(("rated_energy", "cell_cutoff"))]
    stated = tmp_path / "pack.yaml"
    stated.write_text("\n".join(lines) + "\n" + new, encoding="utf-8")
    record = write_record(tmp_path / "cell.bdf.csv", 0.010)
    code, data = ask(capsys, str(record), "--pack", str(stated))
    (rise,) = (item for item in data["packs"][0]["criteria"] if item["figure"] == "dcir_rise")
    assert (code, rise["assessed"]) == (0, True)
    moved_v = 1.2 * 10.0 * 12.5 / 3600.0 / 25.0  # by the charge of ten seconds
    expected = (0.010 + moved_v / 12.5) / 0.004 - 1.0
    assert rise["value"]["value"] == pytest.approx(expected, abs=0.01)
    assert data["packs"][0]["grade"] == "C", "its SOH is an A: the resistance limits it"
    code, data = ask(capsys, str(record), "--pack", str(stated), "--set", "dcir_rise=0.1")
    assert (code, data["errors"][0]["found"]) == (2, "dcir_rise, which the run measured")
