"""The contract of `packbench passport`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft4Validator
from tests.contract.test_runs_enter_the_ledger import PROFILE, as_measured
from tests.scenario.support import ask
from tests.unit.passport_parts import PREDECESSOR, RATED_ENERGY, facts_text, values

from packbench.app.conclude import conclude
from packbench.app.signing import sign_record
from packbench.cli.program import main
from packbench.files import packaged_configs
from packbench.trace.passport import schema
from packbench.trace.passport.schema import KINDS, Kind

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PACK = "001PB005000001D7B0500007"
RATED = {
    "batterypass": "PerformanceAndDurability.batteryTechicalProperties.ratedCapacity",
    "catenax": "performance.rated.capacity.value",
    "din99100": "performance.ratedCapacity.value",
}
ENERGY: dict[Kind, str] = dict(zip(("batterypass", "catenax", "din99100"), RATED_ENERGY, strict=True))
FOLLOWING = ("--status", "repurposed", "--predecessor", PREDECESSOR)


@pytest.fixture
def simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A simulated run's folder."""
    (tmp_path / "nearly-empty.yaml").write_text(PROFILE, "utf-8")
    words = ("simulate", str(tmp_path / "nearly-empty.yaml"), "--pack", "lmo-25ah", "--level", "object")
    more = ("--set", "plant.initial_soc=0.05", "--serial", PACK, "--operator", "Li", "--no-report")
    assert ask(capsys, *words, *more, "--out", str(tmp_path / "out")).code == 0
    return tmp_path / "out"


@pytest.fixture
def real(simulated: Path, tmp_path: Path) -> Path:
    """The same as a bench would have made it."""
    folder = tmp_path / "measured"
    folder.mkdir()
    as_measured(simulated, folder)
    sign_record(folder, NOW, durable=False)
    conclude(folder, "en", with_report=False)
    return folder


def stated(tmp_path: Path, kind: Kind, **less: object) -> str:
    """A complete facts file for a 25 Ah cell."""
    path = tmp_path / f"{kind}.json"
    path.write_text(facts_text(kind, {**values(kind), RATED[kind]: 25.0, ENERGY[kind]: 0.09, **less}), "utf-8")
    return str(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_complete_passport_of_a_measured_run_is_valid(
    kind: Kind, real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = ask(capsys, "passport", str(real), "--as", kind, "--facts", stated(tmp_path, kind), *FOLLOWING)
    assert (answer.code, answer.data["ok"]) == (0, True), answer.data.get("errors")
    assert (answer.data["draft"], answer.data["test"], answer.data["valid"]) == (False, False, True)
    document = json.loads(Path(answer.data["paths"]["passport"]).read_text("utf-8"))
    assert document == answer.data["passport"]
    for model, whole in schema.load(kind).items():
        assert list(Draft4Validator(whole).iter_errors(document[model] if model else document)) == []


def test_a_credential_is_made_and_verified_and_a_changed_one_exits_5(
    real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("passport", PACK, "--as", "catenax", "--facts", stated(tmp_path, "catenax"), *FOLLOWING, "--credential")
    answer = ask(capsys, "passport", str(real), *words[2:], "--out", str(tmp_path / "p.json"))
    assert answer.code == 0
    token = Path(answer.data["paths"]["credential"])
    assert token == tmp_path / "p.vc.jwt"
    good = ask(capsys, "passport", "verify", str(token))
    assert (good.code, good.data["credential"]["credentialSubject"]["id"]) == (0, answer.data["identifier"])
    text = token.read_text("ascii")
    token.write_text(text[:300] + ("A" if text[300] != "A" else "B") + text[301:], "ascii")
    bad = ask(capsys, "passport", "verify", str(token))
    assert (bad.code, bad.data["ok"], bad.data["code"]) == (5, False, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_incomplete_one_is_a_draft_that_lists_what_is_missing(
    kind: Kind, real: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = ask(capsys, "passport", str(real), "--as", kind, "--credential")
    assert (answer.code, answer.data["ok"], answer.data["code"]) == (2, False, 2)
    assert (answer.data["draft"], answer.data["valid"]) == (True, False)
    assert "credential" not in answer.data
    fields = {error["field"] for error in answer.data["errors"]}
    assert fields >= {each["path"] for each in answer.data["missing"]} >= {RATED[kind]}
    assert all(error["found"] and error["expected"] for error in answer.data["errors"])
    document = json.loads(Path(answer.data["paths"]["passport"]).read_text("utf-8"))
    assert document["draft"] is True
    assert not list(real.glob("*.jwt"))


def test_a_simulated_run_gives_a_test_passport_and_no_credential(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("passport", str(simulated), "--as", "catenax", "--facts", stated(tmp_path, "catenax"), *FOLLOWING)
    answer = ask(capsys, *words)
    assert (answer.code, answer.data["draft"]) == (0, False)
    assert (answer.data["test"], answer.data["valid"]) == (True, False)
    document = json.loads(Path(answer.data["paths"]["passport"]).read_text("utf-8"))
    assert (document["test"], document["valid"], document["provenance"]) == (True, False, "simulated")
    refused = ask(capsys, *words, "--credential")
    assert (refused.code, refused.data["errors"][0]["field"]) == (2, "--credential")


def test_a_run_whose_operator_nobody_named_needs_an_issuer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nearly-empty.yaml").write_text(PROFILE, "utf-8")
    words = ("simulate", str(tmp_path / "nearly-empty.yaml"), "--pack", "lmo-25ah", "--level", "object")
    more = ("--set", "plant.initial_soc=0.05", "--serial", PACK, "--no-report", "--out", str(tmp_path / "out"))
    assert ask(capsys, *words, *more).code == 0
    asked = ("passport", str(tmp_path / "out"), "--as", "din99100", "--facts", stated(tmp_path, "din99100"), *FOLLOWING)
    answer = ask(capsys, *asked)
    assert (answer.code, [each["field"] for each in answer.data["errors"]]) == (2, ["originator"])
    assert ask(capsys, *asked, "--issuer", "Li").code == 0


def test_a_record_that_was_changed_gives_none(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signature = real / "run.sig.json"
    signature.write_text(signature.read_text("utf-8").replace("measured-1", "measured-2"), "utf-8")
    assert ask(capsys, "passport", str(real), "--as", "catenax").code == 5


def test_the_template_leads_to_a_complete_passport(
    real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "facts.yaml"
    answer = ask(capsys, "passport", "facts", str(real), "--as", "din99100", *FOLLOWING, "--out", str(out))
    assert answer.code == 0
    text = out.read_text("utf-8")
    for path, value in ((RATED["din99100"], 25.0), ("performance.certifiedUsableEnergy.value", 0.09)):
        assert f"      # {path}: 0.0  # a number" in text
        text = text.replace(f"      # {path}: 0.0  #", f"      {path}: {value}  #")
    out.write_text(text, "utf-8")
    done = ask(capsys, "passport", str(real), "--as", "din99100", *FOLLOWING, "--facts", str(out))
    assert (done.code, done.data["valid"]) == (0, True)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("passport", PACK), "--as"),
        (("passport", "nobody", "--as", "catenax"), "RUN|CODE"),
        (("passport", PACK, "x", "--as", "catenax"), "RUN|CODE"),
        (("passport", PACK, "--as", "catenax", "--facts", "none.yaml"), "--facts"),
        (("passport", PACK, "--as", "catenax", "--predecessor", "x", "--status", "repurposed"), "--predecessor"),
        (("passport", PACK, "--as", "catenax", "--predecessor", PREDECESSOR), "--status"),
        (("passport", "verify"), "FILE"),
        (("passport", "verify", "none.jwt"), "FILE"),
    ],
)
def test_bad_words_are_told(words: tuple[str, ...], field: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, *words)
    assert (answer.code, answer.data["errors"][0]["field"]) == (2, field)


def test_it_speaks_chinese(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    assert main(["passport", PACK, "--as", "catenax"]) == 2
    assert "草稿：缺少" in capsys.readouterr().out


def test_carbon_says_what_it_rests_on(real: Path, simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, "carbon", str(real), "--factors", "assumptions")
    assert (answer.code, answer.data["test"], answer.data["rule"]) == (0, False, "cut-off")
    assert answer.data["bench_energy"]["counted_by"] == "efficiency_curve"
    assert answer.data["bench_energy"]["kwh"]["value"] > answer.data["bench_energy"]["dc_net_kwh"]
    second = answer.data["kg_co2e_per_kwh"]["second_life"]
    assert second["stages"]["RawMaterialExtraction"]["value"] == 0.0
    assert second["total"]["U"] > 0
    assert "MainProduction" in answer.data["assumptions"]
    assert ask(capsys, "carbon", str(simulated), "--factors", "assumptions").data["test"] is True
    assert ask(capsys, "carbon", str(real), "--factors", "none").code == 2
    assert ask(capsys, "carbon", "nobody", "--factors", "assumptions").data["errors"][0]["field"] == "RUN|CODE"
    assert main(["carbon", str(real), "--factors", "assumptions"]) == 0
    assert "Assumed, from no source" in capsys.readouterr().out


def test_carbon_from_dc_alone_is_refused(real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dc.yaml"
    text = (packaged_configs() / "carbon" / "assumptions.yaml").read_text("utf-8")
    path.write_text(text.replace("counted_by: efficiency_curve", "counted_by: dc"), "utf-8")
    answer = ask(capsys, "carbon", str(real), "--factors", str(path))
    assert (answer.code, answer.data["errors"][0]["field"]) == (2, "bench_energy.counted_by")
    assert "leaves out what the cycler itself takes" in answer.data["errors"][0]["message"]


def test_a_passport_with_the_runs_footprint_and_a_draft_where_it_is_assumed(
    real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "CarbonFootprintForBatteries.batteryCarbonFootprint"
    own = (path, "CarbonFootprintForBatteries.carbonFootprintPerLifecycleStage", "CarbonFootprintForBatteries.absolute")
    facts = {key: value for key, value in values("batterypass").items() if not key.startswith(own)}
    file = tmp_path / "bp.json"
    file.write_text(
        facts_text("batterypass", {**facts, RATED["batterypass"]: 25.0, ENERGY["batterypass"]: 0.09}), "utf-8"
    )
    words = ("passport", str(real), "--as", "batterypass", "--facts", str(file), *FOLLOWING, "--carbon")
    assumed = ask(capsys, *words, "assumptions", "--credential")
    assert (assumed.code, assumed.data["draft"], [each["field"] for each in assumed.data["errors"]]) == (
        2,
        True,
        [path],
    )
    assert "electricity" in assumed.data["errors"][0]["found"]
    text = (packaged_configs() / "carbon" / "assumptions.yaml").read_text("utf-8")
    sourced = tmp_path / "sourced.yaml"
    sourced.write_text(text.replace("basis: assumption", "basis: literature"), "utf-8")
    answer = ask(capsys, *words, str(sourced))
    assert (answer.code, answer.data["valid"]) == (0, True), answer.data.get("errors")
    footprint = ask(capsys, "carbon", str(real), "--factors", str(sourced)).data["kg_co2e_per_kwh"]["second_life"]
    told = answer.data["passport"]["CarbonFootprintForBatteries"]
    assert told["batteryCarbonFootprint"] == pytest.approx(footprint["total"]["value"], abs=1e-6)
    assert answer.data["origins"][path]["reference"] == "sourced.yaml (assumptions)"
    assert any(each["figure"] == "self_discharge" for each in answer.data["left_out"])
    nobody = ask(capsys, "passport", "001PB005000001D7B0500008", "--as", "batterypass", "--carbon", str(sourced))
    assert (nobody.code, nobody.data["errors"][0]["field"]) == (2, "--carbon")
