"""`packbench regroup` from the outside: a plan that fits its schema, files, words that are wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest

from packbench.cli import main

HEADER = ("id", "capacity_ah", "r_mohm", "voltage_v", "soh", "temperature_c")
ROWS = [(f"m{n}", 40 + (7 * n) % 5, 1 + n % 3, 3.6 + n % 4 / 100, 0.8 + (7 * n) % 5 / 50, 25) for n in range(10)]


def write(path: Path, rows: Sequence[tuple[object, ...]], header: tuple[str, ...] = HEADER) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    code = main(["regroup", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_plan_fits_its_schema_and_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "regroup"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    table, out = write(tmp_path / "members.csv", ROWS), tmp_path / "plan.csv"
    code, data = ask(capsys, str(table), "--series", "2", "--parallel", "2", "--rate", "1", "--out", str(out))
    assert code == 0
    jsonschema.validate(data, schema)
    assert (len(data["packs"]), len(data["left"]), data["not_used"]) == (2, 2, ["temperature_c"])
    assert data["usable_wh"] == pytest.approx(sum(pack["usable_wh"] for pack in data["packs"]), abs=0.01)
    assert data["discharge"] == {"rate_c": 1.0, "current_a": 84.0}
    assert {one["reason"] for one in data["left"]} == {"remainder"}
    for pack in data["packs"]:
        loaded_v = pack["mean_v"] - pack["loss_v"]
        assert pack["loss_v"] == pytest.approx(84.0 * pack["resistance_ohm"], rel=1e-6)
        assert pack["usable_wh"] == pytest.approx(pack["usable_ah"] * loaded_v, abs=0.002)
    with out.open(encoding="utf-8", newline="") as file:
        written = {row["id"]: row["pack"] for row in csv.DictReader(file)}
    told = {name: str(pack["pack"]) for pack in data["packs"] for group in pack["groups"] for name in group}
    assert written == told | {one["id"]: "" for one in data["left"]}
    # One by one in series, under a rule, with nothing left over: the same promise.
    code, data = ask(capsys, str(table), "--series", "2", "--rule", "eu-remanufacturing", "--packs", "1")
    jsonschema.validate(data, schema)
    assert (code, data["rules"]["name"]) == (0, "eu-remanufacturing")


def test_what_is_assumed_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = write(tmp_path / "bare.csv", [row[:2] for row in ROWS], HEADER[:2])
    code, data = ask(capsys, str(bare), "--series", "5")
    assert (code, data["status"], data["spread_proven"]) == (0, "optimal", True)
    assert [(one["quantity"], one["source"], one["assumed"]) for one in data["given"]] == [
        ("voltage", "nominal", 3.6), ("resistance", "none", None),
    ]  # fmt: skip
    assert all(pack["loss_v"] is None for pack in data["packs"])
    assert main(["regroup", str(bare), "--series", "4"]) == 0
    english = capsys.readouterr().out
    for part in ("assumed: mean voltage 3.6 V", "no loss in resistance is taken off", "proven", "left over (2)"):
        assert part in english
    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    assert main(["regroup", str(bare), "--series", "4"]) == 0
    chinese = capsys.readouterr().out
    for part in ("未扣除内阻损耗", "剩余 (2)", "替换电池包"):
        assert part in chinese


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--series", "4", "--rate", "-1"), "--rate"),
        (("--series", "4", "--nominal-v", "0"), "--nominal-v"),
        (("--series", "4", "--rate", "90"), "dcir_ohm"),
        (("--series", "4", "--rule", "nowhere"), "regrouping rules"),
    ],
)
def test_words_that_are_wrong(
    words: tuple[str, ...], field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(*row[:2], 12 if row[0] == "m4" else 1, *row[3:]) for row in ROWS]
    code, data = ask(capsys, str(write(tmp_path / "members.csv", rows)), *words)
    assert (code, data["ok"], data["errors"][0]["field"]) == (2, False, field)


def test_every_wrong_cell_of_the_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a", "forty", 1, 3.6, 0.8, 25), ("b", 40, 1, 3.6, 82, 25), ("b", 40, 1, -1, 0.8, 25)]
    path = write(tmp_path / "members.csv", rows)
    code, data = ask(capsys, str(path), "--series", "2")
    assert code == 2
    assert [(one["line"], one["field"]) for one in data["errors"]] == [
        (2, "capacity_ah"), (3, "soh"), (4, "id"), (4, "voltage_v"),
    ]  # fmt: skip
    code, data = ask(capsys, str(write(tmp_path / "few.csv", ROWS[:3])), "--series", "4")
    assert (code, data["errors"][0]["found"]) == (2, "3 members")
