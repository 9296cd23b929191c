"""The contract of `packbench ledger`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import ask as ask_

from packbench.cli.program import main

PACK = "001PB005000001D7B0500007"
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*words: str) -> tuple[int, dict[str, Any]]:
        answer = ask_(capsys, "ledger", *words)
        return answer.code, answer.data

    return asked


def a_life(ask: Ask) -> None:
    for words in (
        ("received", PACK, "--holder", "Recycler", "--mass", "310", "--origin", "EV"),
        ("graded", PACK, "--grade", "B"),
        ("dismantled", PACK, "--part", "M-1,module,22", "--part", "M-2,module,22", "--residue", "266"),
        ("graded", "M-1", "--grade", "B"),
        ("leased", "M-1", "--holder", "Tower", "--application", "backup", "--due", "2026-01-01", "--duty", "report"),
    ):
        assert ask("add", *words)[0] == 0


def test_add_list_query(ask: Ask, own_home: Path) -> None:
    a_life(ask)
    code, data = ask("list", "--last", "2")
    assert (code, data["size"], [each["action"] for each in data["entries"]]) == (0, 6, ["graded", "leased"])
    assert data["ledger"] == str(own_home / "ledger" / "ledger.jsonl")
    code, data = ask("query", f"]d1{PACK}")
    assert [each["code"] for each in data["became"]] == ["M-1", "M-2"]
    assert data["asset"]["states"] == {"dismantled": 1}
    assert ask("query", "--holder", "Tower")[1]["assets"][0]["code"] == "M-1"
    owed = ask("query", "--obligations")[1]["obligations"]
    assert [(each["name"], each["overdue"]) for each in owed] == [("return", True), ("report", False)]
    assert ask("query", "--holder", "Nobody")[0] == 2
    assert ask("query", "M-9")[0] == 2
    assert ask("query")[0] == 2


def test_refusals_name_the_field(ask: Ask, tmp_path: Path) -> None:
    code, data = ask("add", "stored", PACK)
    assert (code, data["errors"][0]["field"]) == (2, "code")
    code, data = ask("add", "received", PACK.replace("B05", "BO5"), "--holder", "x")
    assert code == 2
    assert PACK in data["errors"][0]["message"]
    assert ask("add", "received", PACK.replace("B05", "BO5"), "--holder", "x", "--level", "pack", "--odd")[0] == 0
    file = tmp_path / "entries.jsonl"
    file.write_text(f'{{"action": "received", "code": "{PACK}", "holder": "R"}}\n{{"action": "stored"}}\n', "utf-8")
    code, data = ask("add", "--file", str(file))
    assert (code, data["errors"][0]["line"], data["errors"][0]["field"]) == (2, 2, "code")
    file.write_text("[1]\n", "utf-8")
    code, data = ask("add", "--file", str(file))
    assert (code, data["errors"][0]["line"]) == (2, 1)
    assert ask("list", str(tmp_path / "none"))[0] == 2


def test_verify_needs_the_file_and_the_key_alone(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_life(ask)
    assert ask("key", "show", "--out", str(tmp_path / "bench.pem"))[0] == 0
    assert ask("key", "show", "--jwk", "--out", str(tmp_path / "bench.jwk"))[0] == 0
    note, proof, grown = (str(tmp_path / name) for name in ("cp.txt", "proof.json", "grown.json"))
    assert ask("checkpoint", "--out", note)[1]["size"] == 6
    assert ask("prove", "--entry", "3", "--out", proof)[0] == 0
    ledger = Path(ask("list")[1]["ledger"])
    copy = tmp_path / "elsewhere" / "copy.jsonl"
    copy.parent.mkdir()
    copy.write_bytes(ledger.read_bytes())
    assert ask("add", "stored", "M-2")[0] == 0
    assert ask("prove", "--since", "6", "--out", grown)[0] == 0
    assert ask("checkpoint", "--out", note + "2")[0] == 0
    # From here on it is another machine: no keys of the bench, no index.
    monkeypatch.setenv("PACKBENCH_HOME", str(tmp_path / "nobody"))
    for key in ("bench.pem", "bench.jwk"):
        code, data = ask("verify", str(copy), "--key", str(tmp_path / key))
        assert (code, data["entries"], data["findings"]) == (0, 6, [])
        assert "only a checkpoint held elsewhere" in " ".join(data["vouches_for"])
    key = ("--key", str(tmp_path / "bench.pem"))
    assert "contains all of the 6" in " ".join(ask("verify", str(copy), *key, "--checkpoint", note)[1]["vouches_for"])
    assert ask("verify", proof, *key, "--checkpoint", note)[0] == 0
    assert ask("verify", proof, *key)[0] == 5
    assert ask("verify", grown, *key, "--checkpoint", note, "--checkpoint", note + "2")[0] == 0
    code, data = ask("verify", str(copy), *key, "--checkpoint", note + "2")
    assert (code, data["ok"], data["findings"][0]["seq"]) == (5, False, 7)
    changed = copy.read_bytes().replace(b'"grade":"B"', b'"grade":"A"', 1)
    copy.write_bytes(changed)
    code, data = ask("verify", str(copy), *key)
    assert (code, data["findings"][0]["line"], data["errors"] != []) == (5, 3, True)
    assert ask("verify", str(copy))[0] == 5


def test_the_command_lines_own_words_when_it_holds(
    ask: Ask, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_life(ask)
    assert main(["ledger", "verify"]) == 0
    assert "every byte of 6 entries" in capsys.readouterr().out
    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    assert main(["ledger", "verify"]) == 0
    assert "检查点" in capsys.readouterr().out


def test_keys_rotate_and_are_revoked_on_the_record(ask: Ask) -> None:
    a_life(ask)
    old = ask("key", "show")[1]["kid"]
    code, data = ask("key", "rotate", "--reason", "yearly")
    assert (code, data["old"]) == (0, old)
    assert ask("add", "stored", "M-2")[0] == 0
    assert ask("key", "revoke", data["new"], "--reason", "x")[0] == 2
    assert ask("key", "revoke", old, "--reason", "lost")[0] == 0
    assert [each["state"] for each in ask("key", "show")[1]["keys"]] == ["revoked", "active"]
    code, data = ask("verify")
    assert (code, data["entries"]) == (0, 9)
    assert old in data["remarks"][0]


def test_merge(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for name in ("a", "b"):
        monkeypatch.setenv("PACKBENCH_HOME", str(tmp_path / name))
        assert ask("add", "received", f"{name}-1", "--level", "cell", "--holder", "R")[0] == 0
        assert ask("key", "show", "--out", str(tmp_path / f"{name}.pem"))[0] == 0
        files.append(ask("list")[1]["ledger"])
    keys = ("--key", str(tmp_path / "a.pem"), "--key", str(tmp_path / "b.pem"))
    target = str(tmp_path / "all.jsonl")
    code, data = ask("merge", target, *files, *keys)
    assert (code, data["entries"], len(data["ledgers"]), data["conflicts"]) == (0, 4, 2, [])
    assert ask("verify", target, *keys)[0] == 0
    assert ask("query", "a-1", "--ledger", target)[1]["asset"]["states"] == {"received": 1}
    assert ask("merge", target, *files, *keys)[0] == 2


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_report_as_csv_and_pdf(ask: Ask, tmp_path: Path, lang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKBENCH_LANG", lang)
    a_life(ask)
    code, data = ask("report", "--from", "2026-01-01", "--to", "2099-12-31", "--out", str(tmp_path))
    assert (code, data["balances"]) == (0, True)
    assert data["unexplained_kg"] == [{"code": PACK, "kg": 0.0}]
    modules = next(each for each in data["types"] if each["level"] == "module")
    assert (modules["flows"]["made"], modules["used"], modules["stored"], modules["stored_kg"]) == (2, 1, 1, 22)
    text = (tmp_path / "account.csv").read_text("utf-8-sig")
    assert ("模组" if lang == "zh" else "module") in text
    entries = (tmp_path / "entries.csv").read_text("utf-8-sig").splitlines()
    assert len(entries) == 1 + len(data["lines"])
    assert (tmp_path / "account.pdf").read_bytes().startswith(b"%PDF-")
    assert ask("report", "--from", "2026-02-30", "--to", "2026-03-01")[0] == 2
    assert ask("report", "--from", "2026-03-02", "--to", "2026-03-01")[0] == 2
    assert json.dumps(data)


@pytest.mark.parametrize(("begin", "end"), [("0001-01-01", "2026-01-01"), ("2026-01-01", "9999-12-31")])
def test_a_report_of_no_sane_period_is_refused(ask: Ask, begin: str, end: str) -> None:
    a_life(ask)
    code, data = ask("report", "--from", begin, "--to", end)
    assert (code, data["errors"][0]["expected"]) == (2, "a day from 2000-01-01 to 2999-12-31")
