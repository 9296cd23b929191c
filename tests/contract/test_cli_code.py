"""The contract of `packbench code`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import ask as ask_

from packbench.cli.program import main

CODE = "001PB005000001D7B0500007"
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*words: str) -> tuple[int, dict[str, Any]]:
        answer = ask_(capsys, *words)
        return answer.code, answer.data

    return asked


def test_parse_gives_the_contracts_fields(ask: Ask) -> None:
    code, data = ask("code", "parse", CODE)
    assert code == 0
    wanted = {"kind": "pack", "manufacturer": "001", "type": "pack", "chemistry": "LFP", "spec": "00"}
    assert {**data, **wanted, "trace": "5000001", "made": "2023-07-11", "serial": "0500007"} == data


def test_a_typo_is_bad_input_with_place_and_repair(ask: Ask) -> None:
    code, data = ask("code", "parse", CODE.replace("B05", "BO5"))
    assert (code, data["ok"], data["code"]) == (2, False, 2)
    (error,) = data["errors"]
    assert error["field"] == "position 18 (serial)"
    assert CODE in error["message"]


def test_a_scanner_on_stdin(monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"]d1{CODE}\r\n"))
    assert ask("code", "parse", "-")[1]["code"] == CODE


def test_make_and_its_echelon_code(capsys: pytest.CaptureFixture[str], ask: Ask) -> None:
    words = [
        "--manufacturer",
        "001",
        "--type",
        "pack",
        "--chemistry",
        "LFP",
        "--spec",
        "00",
        "--made",
        "2023-07-11",
        "--serial",
        "0500007",
    ]
    assert main(["code", "make", *words, "--trace", "5000001"]) == 0
    assert main(["code", "make", "--from", CODE]) == 0
    assert main(["code", "make", *words, "--echelon", "19"]) == 0
    assert capsys.readouterr().out.split() == [CODE, "001PB00D7B0500007R", "001PB00D7B0500007RP"]
    code, data = ask("code", "make", "--type", "pack")
    assert (code, len(data["errors"])) == (2, 5)
    assert ask("code", "make", *words)[0] == 2


def test_explain_in_both_languages(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["code", "explain", CODE]) == 0
    assert "not constants" in capsys.readouterr().out
    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    assert main(["code", "explain", CODE]) == 0
    assert "磷酸铁锂" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_label_files(tmp_path: Path, suffix: str, ask: Ask) -> None:
    out = tmp_path / f"label.{suffix}"
    code, data = ask("code", "label", CODE, "--symbology", "datamatrix", "--out", str(out))
    assert code == 0
    assert data["lines"] == [CODE, "PACK  LFP  2023-07-11"]
    assert out.stat().st_size > 500
    assert data["paths"]["label"] == str(out)


@pytest.mark.parametrize(
    "words", [("--out", "x.gif"), ("--out", "x.svg", "--module", "0"), ("--out", "x.svg", "--line", "电")]
)
def test_label_refuses(words: tuple[str, ...], ask: Ask) -> None:
    code, data = ask("code", "label", CODE, *words)
    assert code == 2
    assert json.dumps(data["errors"])
