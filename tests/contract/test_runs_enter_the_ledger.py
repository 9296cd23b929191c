"""Every run is signed and enters a ledger; what nobody measured enters the one marked test alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.contract.test_cli_backup import records_of
from tests.scenario.support import ask

from packbench.app.conclude import conclude
from packbench.app.entering import enter_run
from packbench.app.ledgers import own_ledger
from packbench.app.signing import judge_signature, sign_record, signature_in
from packbench.core.errors import InputError
from packbench.core.samples import Provenance
from packbench.store import Durability, RunReader, RunStore
from packbench.trace import keyring
from packbench.trace.keys import SigningKey, test_key
from packbench.trace.ledger.home import REAL, TEST, ledger_path
from packbench.trace.signatures import SIGNATURE_NAME, sign_statement

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PACK = "001PB005000001D7B0500007"
PROFILE = """profile: nearly-empty
title: {en: "The last of a cell", zh: "电芯余量"}
record: {dt: 2 s}
result: {capacity_of: down}
steps:
  - cc_discharge: {label: down, current: 0.5C, until: cell_min <= cell_cutoff}
  - end: {verdict: pass}
"""


@pytest.fixture
def out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A simulated run's folder; its home is this test's."""
    (tmp_path / "nearly-empty.yaml").write_text(PROFILE, "utf-8")
    words = ("simulate", str(tmp_path / "nearly-empty.yaml"), "--pack", "lmo-25ah", "--level", "object")
    more = ("--set", "plant.initial_soc=0.05", "--serial", PACK, "--operator", "Li", "--no-report")
    answer = ask(capsys, *words, *more, "--out", str(tmp_path / "out"))
    assert answer.data["ledger"] == {"file": str(ledger_path(TEST)), "purpose": "test", "seq": 2, "problem": None}
    return tmp_path / "out"


def as_measured(source: Path, folder: Path) -> Path:
    """The same record as a bench would have made it: nothing was played, no seed."""
    with RunReader.open(source / "run.db") as reader:
        told = replace(reader.meta, provenance=Provenance.MEASURED, seed=None, run_id="measured-1")
        store = RunStore.create(folder / "run.db", told, Durability.PROCESS_SAFE)
        store.append(records_of(reader))
        store.seal()
        store.close()
    return folder


def test_the_entry_says_all_that_the_result_rests_on(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = ask(capsys, "ledger", "query", PACK, "--test").data
    (entry,) = told["entries"]
    result = json.loads((out / "result.json").read_bytes())
    assert (entry["action"], entry["code"], entry["operator"], entry["verdict"]) == ("run", PACK, "Li", "PASS")
    figures = {name: value for name, value in result["capacity_ah"].items() if name != "budget"}
    assert entry["result"]["capacity_ah"] == figures
    assert entry["result"]["capacity_ah"]["U"] > 0
    for name in ("profile_sha256", "pack_sha256", "bench_sha256", "log_sha256"):
        assert entry["hashes"][name] == result["hashes"][name]
    assert entry["software_version"]
    assert entry["firmware_hash"] == entry["devices"]["board"]["firmware"]
    assert [each["calibrated_on"] for each in entry["instruments"]] == ["2025-07-01"] * len(entry["instruments"]) != []
    found = signature_in(out)
    assert found is not None
    assert entry["signature"] == {"kid": test_key(1).key_id, "signature": found.signature}
    assert entry["data"]["bytes"] == (out / "run.db").stat().st_size
    assert told["asset"]["states"] == {"tested": 1}
    assert ask(capsys, "ledger", "verify", "--test").code == 0
    assert not ledger_path(REAL).exists()


def test_a_run_enters_once(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ask(capsys, "report", str(out))
    assert again.data["ledger"]["seq"] == 2
    assert ask(capsys, "ledger", "list", "--test").data["size"] == 2


def test_a_real_ledger_refuses_what_was_not_measured(out: Path) -> None:
    body = {"action": "run", "run_id": "x", "code": PACK, "provenance": "simulated"}
    with own_ledger(REAL, NOW) as (ledger, key):
        with pytest.raises(InputError, match="measured run"):
            ledger.append([body], key, NOW)
        ledger.append([{**body, "provenance": "measured"}], key, NOW)
    with own_ledger(TEST, NOW) as (ledger, key):
        ledger.append([{**body, "run_id": "y", "provenance": "measured"}], key, NOW)


def test_a_measured_run_enters_the_real_ledger_and_releases(out: Path, tmp_path: Path) -> None:
    folder = as_measured(out, tmp_path / "bench")
    unsigned = conclude(folder, "en", with_report=False).result
    assert (unsigned.verdict, unsigned.releasing) == ("INVALID", False)
    assert unsigned.invalid_reasons == ("the record is not signed",)
    sign_record(folder, NOW, durable=True)
    result = conclude(folder, "en", with_report=False).result
    assert (result.verdict, result.releasing) == ("PASS", True)
    entered = enter_run(result, folder, NOW)
    assert (entered.purpose, entered.problem) == ("real", None)
    # Nobody's key: a test key that anybody can make, or one that is not known here.
    statement = dict(signature_in(folder).statement)  # type: ignore[union-attr]
    for key in (test_key(None), test_key(1), SigningKey.new()):
        (folder / SIGNATURE_NAME).write_text(sign_statement(statement, key), "utf-8")
        result = conclude(folder, "en", with_report=False).result
        assert (result.verdict, result.releasing) == ("INVALID", False)
    sign_record(folder, NOW, durable=True)
    old, _ = keyring.rotate(NOW, "yearly")
    assert conclude(folder, "en", with_report=False).result.releasing
    keyring.revoke(old.key_id, NOW, "stolen")
    result = conclude(folder, "en", with_report=False).result
    assert "revoked" in result.invalid_reasons[0]


@pytest.mark.parametrize("change", ["statement", "signature", "other record", "none", "nonsense"])
def test_runs_verify_finds_a_signature_that_does_not_hold(
    change: str, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(out, folder)
    assert ask(capsys, "runs", "verify", str(folder)).data["signature"]["problem"] is None
    path = folder / SIGNATURE_NAME
    parts: dict[str, Any] = json.loads(path.read_bytes())
    if change == "statement":
        parts["statement"]["operator"] = "Wang"
        path.write_text(json.dumps(parts), "utf-8")
    elif change == "signature":
        parts["signature"] = parts["signature"][:-4] + "AAAA"
        path.write_text(json.dumps(parts), "utf-8")
    elif change == "other record":
        path.write_text(sign_statement({**parts["statement"], "log_sha256": "0" * 64}, test_key(1)), "utf-8")
    elif change == "none":
        path.unlink()
    else:
        path.write_text("{", "utf-8")
    answer = ask(capsys, "runs", "verify", str(folder))
    assert answer.code == 5
    assert "signature" in [finding["check"] for finding in answer.data["findings"]]
    assert conclude(folder, "en", with_report=False).result.verdict == "INVALID"


def test_a_ledger_that_cannot_take_a_run_costs_no_result(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ledger_path(TEST)
    path.write_bytes(path.read_bytes() + path.read_bytes())
    words = ("simulate", "quick-check", "--pack", "lmo-25ah", "--level", "object", "--no-report")
    answer = ask(capsys, *words, "--out", str(tmp_path / "two"))
    assert answer.code == 0
    assert "does not follow" in answer.data["ledger"]["problem"]


def test_the_key_is_judged_by_who_it_is(out: Path) -> None:
    with RunReader.open(out / "run.db") as reader:
        signature = judge_signature(out, reader.meta, reader.log_sha256)
    assert (signature.by_bench, signature.problem_en) == (False, None)
