"""`packbench estimate` from the outside: train on a table of its own layout, ask, be refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from packbench.cli import main

HEADERS = [f"U{number}" for number in range(1, 22)]


def write_tests(path: Path, cells: int, *, with_soc: bool = True, scale: float = 1.0, seed: int = 1) -> None:
    """Cells whose resistance tells their health, in columns of another order than PulseBat's."""
    draw = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*reversed(HEADERS), "Q", "Qn", "Cell", "Mat", *(["SOC"] if with_soc else [])])
        for cell in range(cells):
            soh = draw.uniform(0.7, 1.0)
            for soc in draw.choice([10, 20, 30, 40], size=3, replace=False):
                u = [3.4 + 0.4 * soc / 100.0 / soh]
                r = 0.04 * scale * (1.0 + 3.0 * (1.0 - soh)) * (1.0 + 0.01 * draw.normal())
                for rate in (0.5, -0.5, 1.0, -1.0, 1.5):
                    u += [u[0] + rate * r, u[0] + rate * 1.5 * r, u[0] + rate * 0.5 * r, u[0] + 1e-4 * rate]
                values = [f"{one:.4f}" for one in reversed(u)]
                writer.writerow([*values, f"{50 * soh:.4f}", 50, f"S{cell}", "LFP", *([soc] if with_soc else [])])


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    code = main(["estimate", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    write_tests(folder / "measured.csv", 30)
    model = folder / "model.json"
    words = ["estimate", "train", str(folder / "measured.csv"), "--out", str(model), "--no-check", "--licence", "CC0"]
    assert main(words) == 0
    return model


def test_a_model_trained_on_another_layout_estimates_cells_it_has_not_seen(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tests(tmp_path / "asked.csv", 20, with_soc=False, seed=2)
    code, said = ask(capsys, str(tmp_path / "asked.csv"), "--model", str(trained))
    assert code == 0
    assert (said["kind"], said["basis"], said["provenance"]) == ("pulses", "estimate", "imported")
    assert said["model"]["licence"] == "CC0"
    with (tmp_path / "asked.csv").open(encoding="utf-8") as file:
        truth = {row["Cell"]: float(row["Q"]) for row in csv.DictReader(file)}
    kept = [cell for cell in said["cells"] if cell["capacity_ah"] is not None]
    assert len(kept) >= 15
    errors = [abs(cell["capacity_ah"]["value"] - truth[cell["name"]]) for cell in kept]
    assert np.mean(errors) < 1.0
    held = [
        cell["capacity_ah"]["interval"][0] <= truth[cell["name"]] <= cell["capacity_ah"]["interval"][1] for cell in kept
    ]
    assert np.mean(held) >= 0.8
    assert {"value", "U", "k", "p", "unit", "interval"} == set(kept[0]["capacity_ah"])


def test_cells_out_of_the_domain_are_refused_with_the_reason_and_done_is_0(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tests(tmp_path / "worn.csv", 3, scale=4.0)
    code, said = ask(capsys, str(tmp_path / "worn.csv"), "--model", str(trained))
    assert code == 0
    assert said["refused"] is True
    note = said["cells"][0]["refusals"][0]
    assert "training data have" in note["text_en"]
    assert "训练数据" in note["text_zh"]


def test_a_kind_of_cell_without_a_model_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tests(tmp_path / "asked.csv", 3)
    code, said = ask(capsys, str(tmp_path / "asked.csv"))
    assert code == 2
    assert "estimate train" in said["errors"][0]["message"]
    assert said["errors"][0]["found"] == "LFP 50 Ah"


def test_the_counted_charge_is_used_only_when_asked_for_and_stated(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tests(tmp_path / "with.csv", 8, seed=3)
    _, without = ask(capsys, str(tmp_path / "with.csv"), "--model", str(trained))
    _, counted = ask(capsys, str(tmp_path / "with.csv"), "--model", str(trained), "--counted")
    assert (without["details"]["counted_soc_used"], counted["details"]["counted_soc_used"]) == (False, True)
    write_tests(tmp_path / "none.csv", 8, with_soc=False)
    code, said = ask(capsys, str(tmp_path / "none.csv"), "--model", str(trained), "--counted")
    assert (code, said["errors"][0]["field"]) == (2, "SOC")


@pytest.mark.parametrize("words", [["nothing.csv"], ["train"], ["train", "nothing.csv"], ["x", "y"]])
def test_bad_words_are_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ask(capsys, *words)
    assert code == 2
    assert said["errors"][0]["found"]


def test_too_few_cells_train_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tests(tmp_path / "few.csv", 4)
    code, said = ask(capsys, "train", str(tmp_path / "few.csv"), "--out", str(tmp_path / "m.json"))
    assert code == 2
    assert said["errors"][0]["found"].startswith("4 cells")


def test_cells_that_the_model_was_trained_on_are_pointed_out_and_another_material_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = ask(capsys, str(trained.with_name("measured.csv")), "--model", str(trained))
    assert code == 0
    assert any(note["key"] == "trained_on" and "30 of these" in note["text_en"] for note in said["notes"])
    code, said = ask(capsys, str(trained.with_name("measured.csv")), "--model", "pulse-nmc-21ah")
    assert (code, said["errors"][0]["found"], said["errors"][0]["expected"]) == (2, "LFP", "NMC")


def test_a_damaged_model_is_refused(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(trained.read_text(encoding="utf-8"))
    document["training"]["voltages_v"][0] = [3.6]
    (tmp_path / "bad.json").write_text(json.dumps(document), encoding="utf-8")
    write_tests(tmp_path / "asked.csv", 3)
    code, said = ask(capsys, str(tmp_path / "asked.csv"), "--model", str(tmp_path / "bad.json"))
    assert code == 2
    assert "damaged model" in said["errors"][0]["message"]
