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
