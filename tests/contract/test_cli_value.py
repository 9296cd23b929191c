"""`packbench value` from the outside: a real run to its value, both schemas, files, words that are wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from tests.contract.test_cli_grade import write

from packbench.cli import main
from packbench.files import packaged_configs

PROFILE = """profile: swift
title: {en: "A swift discharge", zh: "快速放电"}
record: {dt: 15 s}
result: {capacity_of: down}
steps:
  - cccv_charge:
      label: up
      current: 1 I3
      voltage: pack_full
      end_current: 0.2 I1
      on_cell_limit: {at: cell_full, action: taper, end_current: 0.2 I1}
  - rest: {for: 1 min}
  - cc_discharge: {label: down, current: 0.5 I1, until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]}
  - end
"""
SMALL = ("--draws", "400")


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run of a small pack, from the simulated bench."""
    folder = tmp_path_factory.mktemp("valued") / "run"
    profile = folder.parent / "swift.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACKBENCH_HOME", str(folder.parent / "home"))
        words = ["simulate", str(profile), "--pack", "lfp-45s-176ah", "--set", "plant.initial_soc=0.97", "--no-report"]
        assert main([*words, "--level", "object", "--serial", "S-9", "--out", str(folder), "--json"]) == 0
    return folder


@pytest.fixture
def run(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PACKBENCH_HOME", str(run_folder.parent / "home"))
    return str(run_folder)


def schema_of(name: str, capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def test_a_real_run_is_valued_and_its_json_fits_the_schema(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    out = tmp_path / "out"
    code, data = ask(capsys, "value", run, "--set", "dcir_rise=0.3+-0.1", "--out", str(out), *SMALL)
    assert code == 0
    jsonschema.validate(data, schema_of("value", capsys))
    (pack,) = data["packs"]
    assert (pack["serial"], pack["provenance"], pack["record_verified"]) == ("S-9", "simulated", True)
    found = {one["application"]: one for one in pack["applications"]}
    assert set(found) == {path.stem for path in (packaged_configs() / "applications").glob("*.yaml")}
    storage = found["stationary-storage"]
    assert storage["match"]["verdict"] == "meets"
    assert 0.5 < storage["match"]["p"] < 1.0
    assert 1.0 < storage["life"]["years"]["p5"] < storage["life"]["years"]["median"] < storage["life"]["years"]["p95"]
    worth = storage["worth"]
    assert worth["value"]["median"] >= worth["material"]["p5"]
    assert worth["usable"]["central"] == pytest.approx(worth["earned"]["central"] / 0.15, rel=0.6)
    spans = [abs(bar["net_at_high"] - bar["net_at_low"]) for bar in worth["tornado"]]
    assert spans == sorted(spans, reverse=True) and len(spans) > 10
    assert found[pack["chosen"]]["worth"]["value"] == pack["value"]
    assert all(one["source"] for one in pack["assumptions"])
    assert json.loads((out / "value.json").read_text(encoding="utf-8")) == data
    assert "<svg" in Path(pack["paths"]["tornado_svg"]).read_text(encoding="utf-8")
    assert Path(pack["paths"]["tornado_png"]).read_bytes().startswith(b"\x89PNG")
    # The same seed gives the same figures, another one others.
    words = ("value", run, "--set", "dcir_rise=0.3+-0.1", *SMALL)
    again, other = ask(capsys, *words)[1], ask(capsys, *words, "--seed", "2")[1]
    assert again["packs"][0]["applications"] == pack["applications"]
    assert other["packs"][0]["applications"] != pack["applications"]


def test_a_grade_fits_its_schema(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = schema_of("grade", capsys)
    invalid, bare = write(tmp_path / "invalid.json", valid=False), write(tmp_path / "bare.json")
    code, data = ask(capsys, "grade", run, str(invalid), str(bare), "--set", "age_years=7+-1")
    assert code == 0
    jsonschema.validate(data, schema)
    assert [pack["grade"] for pack in data["packs"]][1] is None


def test_what_is_missing_stays_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare, invalid = write(tmp_path / "bare.json"), write(tmp_path / "invalid.json", valid=False)
    code, data = ask(capsys, "value", str(bare), str(invalid), *SMALL)
    assert code == 0
    jsonschema.validate(data, schema_of("value", capsys))
    known, refused = data["packs"]
    assert (known["chosen"], known["value"], known["record_verified"]) == (None, None, False)
    verdicts = {one["application"]: one["match"]["verdict"] for one in known["applications"]}
    assert verdicts.pop("recycle") == "meets"
    assert set(verdicts.values()) == {"unknown"}
    assert {reason["key"] for one in known["applications"] for reason in one["refused"]} == {"chemistry"}
    assert (refused["refused"], refused["applications"]) == (["a gap"], [])
    # With the pack named, the chemistry is known; the energy is not measured, so there is a life and no value.
    _, data = ask(capsys, "value", str(bare), "--pack", "nmc-96s", *SMALL)
    storage = next(one for one in data["packs"][0]["applications"] if one["application"] == "stationary-storage")
    assert storage["life"] and not storage["worth"]
    assert [reason["key"] for reason in storage["refused"]] == ["energy"]


def test_one_application_from_a_file_of_ones_own(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = (packaged_configs() / "applications" / "stationary-storage.yaml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.yaml"
    mine.write_text(shipped.replace("application: stationary-storage", "application: mine"), encoding="utf-8")
    code, data = ask(capsys, "value", run, "--application", str(mine), *SMALL)
    assert code == 2
    assert data["errors"][0]["field"] == "prices.mine"
    assert data["errors"][0]["file"].endswith("assumptions.yaml")
    money = tmp_path / "money.yaml"
    shipped = (packaged_configs() / "value" / "assumptions.yaml").read_text(encoding="utf-8")
    money.write_text(shipped.replace("  stationary-storage:", "  mine:"), encoding="utf-8")
    code, data = ask(capsys, "value", run, "--application", str(mine), "--assumptions", str(money), *SMALL)
    (one,) = data["packs"][0]["applications"]
    assert (code, one["application"], data["packs"][0]["chosen"]) == (0, "mine", "mine")
    money.write_text(shipped.replace("warranty_share: {value: 0.06", "warranty_share: {value: six"), encoding="utf-8")
    code, data = ask(capsys, "value", run, "--assumptions", str(money), *SMALL)
    (error,) = data["errors"]
    assert (code, error["file"], error["field"]) == (2, str(money), "warranty_share.value")
    assert (error["line"], error["found"], error["expected"]) == (24, "'six'", "a number")


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--set", "colour=3"), "--set"),
        (("--set", "life_years=9"), "--set"),
        (("--set", "energy_kwh=20"), "--set"),
        (("--set", "soh=0.9"), "--set"),
        (("--seed", "-1"), "--seed"),
        (("--draws", "3"), "--draws"),
        (("--application", "submarine"), "application"),
        (("--life", "elsewhere"), "ageing file"),
    ],
)
def test_wrong_words_are_refused(
    words: tuple[str, ...], field: str, run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, data = ask(capsys, "value", run, *words)
    assert (code, data["ok"], data["code"]) == (2, False, 2)
    assert data["errors"][0]["field"] == field


def test_the_terminal_says_it_in_both_languages(
    run: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["value", run, "--set", "dcir_rise=0.3+-0.1", *SMALL]
    assert main(words) == 0
    english = capsys.readouterr().out
    for part in (
        "provenance: simulated",
        "Stationary storage",
        "What moves the value",
        "│",
        "assumption: lithium prices",
    ):
        assert part in english
    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    assert main(words) == 0
    chinese = capsys.readouterr().out
    for part in ("数据来源：simulated", "固定式储能", "价值敏感性", "剩余年数"):
        assert part in chinese


def test_figures_come_from_the_record_and_not_from_an_edited_result(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(run, tmp_path / "edited")
    path = folder / "result.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    was = result["soh"]["value"]
    result["soh"]["value"] = 0.99
    path.write_text(json.dumps(result), encoding="utf-8")
    _, data = ask(capsys, "value", str(folder), *SMALL)
    soh = next(
        one["value"]["value"]
        for one in data["packs"][0]["applications"][-2]["match"]["requirements"]
        if one["figure"] == "soh"
    )
    assert soh == pytest.approx(was)
    _, data = ask(capsys, "grade", str(folder))
    assert data["packs"][0]["criteria"][0]["value"]["value"] == pytest.approx(was)
    # A record that was changed itself is refused as such.
    (folder / "run.db").write_bytes((folder / "run.db").read_bytes().replace(b"output_off", b"output_0ff"))
    code, data = ask(capsys, "value", str(folder), *SMALL)
    assert (code, data["ok"], data["code"]) == (5, False, 5)


def test_the_report_has_its_second_life_pages(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = ask(capsys, "report", run, "--lang", "zh", "--set", "dcir_rise=0.3+-0.1")
    assert code == 0
    page = Path(data["paths"]["report_html"]).read_text(encoding="utf-8")
    for part in ("梯次利用", "固定式储能", "价值敏感性", "首年日历损失", "[Naumann 2018]"):
        assert part in page
    code, data = ask(capsys, "report", run, "--no-second-life")
    assert code == 0
    assert "Second life" not in Path(data["paths"]["report_html"]).read_text(encoding="utf-8")
    code, data = ask(capsys, "report", run, "--rules", "nowhere")
    assert (code, data["errors"][0]["field"]) == (2, "grading scheme")
