"""The contract of `packbench audit`: a sound folder holds, and each way to damage one is found."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.contract.test_cli_backup import records_of
from tests.contract.test_runs_enter_the_ledger import PACK, PROFILE, as_measured
from tests.scenario.support import ask
from tests.unit.passport_parts import PREDECESSOR, facts_text, values

from packbench.app.conclude import conclude
from packbench.app.entering import enter_run
from packbench.app.places import runs_home
from packbench.app.signing import sign_record
from packbench.cli.program import main
from packbench.files import data_home
from packbench.store import Durability, RunReader, RunStore
from packbench.trace import keyring
from packbench.trace.ledger.entry import canonical
from packbench.trace.ledger.home import REAL, ledger_path

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
RATED = "performance.rated.capacity.value"


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A data folder with a measured run in the ledger, a signed passport, and a checkpoint kept elsewhere."""
    (tmp_path / "nearly-empty.yaml").write_text(PROFILE, "utf-8")
    words = ("simulate", str(tmp_path / "nearly-empty.yaml"), "--pack", "lmo-25ah", "--level", "object")
    more = ("--set", "plant.initial_soc=0.05", "--serial", PACK, "--operator", "Li", "--no-report")
    assert ask(capsys, *words, *more, "--out", str(tmp_path / "out")).code == 0
    folder = runs_home() / "measured-1"
    folder.mkdir(parents=True)
    as_measured(tmp_path / "out", folder)
    sign_record(folder, NOW, durable=False)
    concluded = conclude(folder, "en", with_report=False)
    assert enter_run(concluded.result, folder, NOW).problem is None
    facts = tmp_path / "facts.json"
    facts.write_text(
        facts_text("catenax", {**values("catenax"), RATED: 25.0, "performance.rated.energy.value": 0.09}), "utf-8"
    )
    following = ("--status", "repurposed", "--predecessor", PREDECESSOR, "--credential")
    assert ask(capsys, "passport", PACK, "--as", "catenax", "--facts", str(facts), *following).code == 0
    assert ask(capsys, "ledger", "checkpoint", "--out", str(tmp_path / "kept.txt")).code == 0
    return data_home()


def audited(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    answer = ask(capsys, "audit", *words)
    return answer.code, answer.data


def test_a_sound_folder_holds(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = audited(capsys, "--checkpoint", str(tmp_path / "kept.txt"))
    assert (code, data["ok"], data["findings"]) == (0, True, [])
    assert (data["runs"], data["passports"]) == (1, 1)
    assert data["ledger_entries"] >= 3
    assert [each["checkpoint_size"] for each in data["vouches_for"] if each["purpose"] == "real"] == [2]
    assert {each["part"] for each in data["remarks"]} == {"ledger", "retention"}
    code, data = audited(capsys)
    assert code == 0
    assert any("no checkpoint was given" in each["what"] for each in data["remarks"])
    assert home.is_dir()


def _edited(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def _byte_in_record(home: Path) -> None:
    path = home / "runs" / "measured-1" / "run.db"
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"capacity_of")
    raw[at] ^= 1
    path.write_bytes(raw)


def _renumbered_passport(home: Path) -> None:
    folder = home / "runs" / "measured-1"
    path = folder / "passport.catenax.json"
    document = json.loads(path.read_text("utf-8"))
    document["performance"]["rated"]["capacity"]["value"] = 26.0
    path.write_text(json.dumps(document), "utf-8")


def _better_passport(home: Path) -> None:
    """A capacity that nobody measured, with the hash made anew and the credential that would tell taken away."""
    folder = home / "runs" / "measured-1"
    path, about = folder / "passport.catenax.json", folder / "passport.catenax.about.json"
    document, told = json.loads(path.read_text("utf-8")), json.loads(about.read_text("utf-8"))
    document["performance"]["dynamic"]["capacity"]["capacity"]["value"] = 24.9
    told["passport_sha256"] = hashlib.sha256(canonical(document)).hexdigest()
    path.write_text(json.dumps(document), "utf-8")
    about.write_text(json.dumps(told), "utf-8")
    (folder / "passport.catenax.vc.jwt").unlink()


def _swapped_token(home: Path) -> None:
    path = home / "runs" / "measured-1" / "passport.catenax.vc.jwt"
    text = path.read_text("ascii")
    path.write_text(text[:400] + ("A" if text[400] != "A" else "B") + text[401:], "ascii")


def _cut_ledger(_home: Path) -> None:
    path = ledger_path(REAL)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def _open_key(_home: Path) -> None:
    (key,) = keyring.keys_home().glob("*.key.pem")
    key.chmod(0o644)


DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (_byte_in_record, "runs"),
    (lambda home: _edited(home / "runs" / "measured-1" / "run.sig.json", "measured-1", "measured-2"), "runs"),
    (lambda home: (home / "runs" / "measured-1" / "run.sig.json").unlink(), "runs"),
    (lambda _home: _edited(ledger_path(REAL), '"Li"', '"Lo"'), "ledger"),
    (_cut_ledger, "ledger"),
    (_renumbered_passport, "passports"),
    (_better_passport, "passports"),
    (_swapped_token, "passports"),
    (lambda home: (home / "runs" / "measured-1" / "passport.catenax.json").unlink(), "passports"),
    (_open_key, "keys"),
    (lambda home: (home / "retention.yaml").write_text("keep: 3\n"), "retention"),
]


@pytest.mark.parametrize(("damage", "part"), DAMAGE)
def test_damage_is_found_and_exits_5(
    damage: Callable[[Path], object], part: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(home)
    code, data = audited(capsys, "--checkpoint", str(tmp_path / "kept.txt"))
    assert (code, data["ok"], data["code"]) == (5, False, 5)
    assert part in {each["part"] for each in data["findings"]}


def test_a_passport_that_a_newer_run_overtook_is_remarked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newer = runs_home() / "measured-2"
    newer.mkdir()
    with RunReader.open(runs_home() / "measured-1" / "run.db") as reader:
        later = replace(reader.meta, run_id="measured-2", started_at=reader.meta.started_at + timedelta(days=1))
        store = RunStore.create(newer / "run.db", later, Durability.PROCESS_SAFE)
        store.append(records_of(reader))
        store.seal()
        store.close()
    sign_record(newer, NOW, durable=False)
    conclude(newer, "en", with_report=False)
    code, data = audited(capsys)
    told = [each["what"] for each in data["remarks"] if each["part"] in ("passports", "runs")]
    assert code == 0
    assert told[0].startswith("is in no ledger")
    assert told[1].startswith("is not current: the run measured-2")
    assert home.is_dir()


def test_a_checkpoint_of_a_ledger_that_is_gone_is_a_finding(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(home / "ledger")
    code, data = audited(capsys, "--checkpoint", str(tmp_path / "kept.txt"))
    assert (code, data["findings"][0]["part"]) == (5, "checkpoints")


def test_bad_words_and_chinese(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert audited(capsys, "--checkpoint", str(tmp_path / "none"))[0] == 2
    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    assert main(["audit"]) == 0
    assert "全部核验通过" in capsys.readouterr().out
