"""Capacity from a window of a charge, on packs of another model family (PyBaMM's SPMe and DFN, aged).

The electrodes of Chen2020, Mohtat2020 and Prada2013 are among the known ones; kinetics, electrolyte and age are what
the fit does not know. ORegan2022 and Ai2020 are strangers. More windows: tests/benchmarks/estimate_window.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.estimate_cells import can_charge, cells_of, write_discharge, write_pack, write_reference, write_window

from packbench.cli import main

WIDTH = 0.3


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["estimate", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def estimated(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, cells: list[dict[str, Any]], starts: list[float]
) -> dict[str, Any]:
    write_pack(folder / "pack.yaml", name, len(cells))
    measured_ah = write_reference(folder / "reference.csv", name, len(cells))
    write_window(folder / "window.csv", cells, starts, WIDTH)
    words = ["--reference", str(folder / "reference.csv"), "--reference-ah", f"{measured_ah:.4f}"]
    code, said = ask(capsys, str(folder / "window.csv"), "--pack", str(folder / "pack.yaml"), *words)
    assert code == 0
    assert (said["kind"], said["basis"], said["provenance"]) == ("window", "estimate", "imported")
    return said


@pytest.mark.parametrize("start", [0.1, 0.3])
@pytest.mark.parametrize("name", ["Chen2020", "Mohtat2020"])
def test_a_window_of_a_charge_gives_the_capacity_within_one_and_a_half_per_cent_or_says_why_not(
    name: str, start: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [cell for cell in cells_of(name)[1:] if can_charge(cell, start, WIDTH + 0.05)]
    said = estimated(tmp_path, capsys, name, cells, [start] * len(cells))
    kept = [(one["capacity_ah"], cell) for one, cell in zip(said["cells"], cells, strict=True) if one["capacity_ah"]]
    assert len(kept) >= (7 if start == 0.1 else 1)
    errors = [abs(figure["value"] / cell["capacity_third_ah"] - 1.0) for figure, cell in kept]
    assert np.mean(errors) < 0.015
    inside = [figure["interval"][0] <= cell["capacity_third_ah"] <= figure["interval"][1] for figure, cell in kept]
    assert np.mean(inside) >= 0.9
    for one in said["cells"]:
        if one["capacity_ah"] is None:
            assert {note["key"] for note in one["refusals"]} <= {"little_information", "unlike_type"}
    if (name, start) == ("Mohtat2020", 0.3):  # graphite's plateau: too little in it for most cells
        assert sum(one["capacity_ah"] is None for one in said["cells"]) >= 5


def test_cells_in_series_make_a_pack_of_the_first_one_empty_to_the_first_one_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells, starts = list(cells_of("Chen2020")[1:5]), [0.10, 0.13, 0.16, 0.12]
    said = estimated(tmp_path, capsys, "Chen2020", cells, starts)
    capacities = np.array([cell["capacity_third_ah"] for cell in cells])
    below, above = capacities * starts, capacities * (1.0 - np.array(starts))
    pack = said["pack"]["capacity_ah"]
    assert pack["value"] == pytest.approx(below.min() + above.min(), rel=0.025)
    assert pack["value"] < min(one["capacity_ah"]["value"] for one in said["cells"]) + 0.01


def test_an_lfp_plateau_is_refused_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = list(cells_of("Prada2013")[1:5])
    said = estimated(tmp_path, capsys, "Prada2013", cells, [0.35] * 4)
    assert said["refused"] is True
    notes = [note for one in (*said["cells"], said["pack"]) for note in one["refusals"]]
    assert any("plateau" in note["text_en"] or "electrodes" in note["text_en"] for note in notes)
    assert all(note["text_zh"] for note in notes)


@pytest.mark.parametrize("name", ["ORegan2022", "Ai2020"])
def test_a_type_of_unknown_electrodes_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = estimated(tmp_path, capsys, name, list(cells_of(name)[1:3]), [0.2, 0.2])
    assert said["refused"] is True
    assert {note["key"] for note in said["pack"]["refusals"]} <= {"unknown_electrodes", "reference_does_not_close"}


def test_without_a_reference_or_with_too_little_there_is_no_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pack(tmp_path / "pack.yaml", "Chen2020", 1)
    write_window(tmp_path / "window.csv", [cells_of("Chen2020")[1]], [0.2], 0.08)
    words = [str(tmp_path / "window.csv"), "--pack", str(tmp_path / "pack.yaml")]
    code, said = ask(capsys, *words)
    assert code == 0
    assert [note["key"] for note in said["pack"]["refusals"]] == ["no_reference"]
    measured_ah = write_reference(tmp_path / "reference.csv", "Chen2020", 1)
    code, said = ask(capsys, *words, "--reference", str(tmp_path / "reference.csv"), "--reference-ah", str(measured_ah))
    assert [note["key"] for note in said["pack"]["refusals"]] == ["short_window"]
    code, said = ask(capsys, *words, "--reference", str(tmp_path / "reference.csv"), "--reference-ah", "4.0")
    assert [note["key"] for note in said["pack"]["refusals"]] == ["reference_does_not_close"]


def discharged(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, cells: list[dict[str, Any]], minutes: float = 30.0
) -> dict[str, Any]:
    write_pack(folder / "pack.yaml", name, len(cells))
    write_discharge(folder / "window.csv", cells, minutes)
    measured_ah = write_reference(folder / "reference.csv", name, len(cells), "half")
    words = ["--reference", str(folder / "reference.csv"), "--reference-ah", f"{measured_ah:.4f}"]
    code, said = ask(capsys, str(folder / "window.csv"), "--pack", str(folder / "pack.yaml"), *words)
    assert code == 0
    return said


@pytest.mark.parametrize(("name", "least"), [("Chen2020", 5), ("Mohtat2020", 0)])
def test_half_an_hour_of_a_discharge_gives_the_capacity_within_three_per_cent_or_says_why_not(
    name: str, least: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = list(cells_of(name)[1:])
    said = discharged(tmp_path, capsys, name, cells)
    kept = [(one["capacity_ah"], cell) for one, cell in zip(said["cells"], cells, strict=True) if one["capacity_ah"]]
    assert len(kept) >= least
    errors = [abs(figure["value"] / cell["capacity_third_ah"] - 1.0) for figure, cell in kept]
    assert sum(errors) <= 0.03 * len(kept)
    inside = [figure["interval"][0] <= cell["capacity_third_ah"] <= figure["interval"][1] for figure, cell in kept]
    assert sum(inside) >= len(kept) - 1
    refused = [one for one in said["cells"] if one["capacity_ah"] is None]
    assert {note["key"] for one in refused for note in one["refusals"]} <= {"little_information", "unlike_type"}
    assert (said["pack"]["capacity_ah"] is None) == bool(refused)


def test_an_lfp_discharge_is_refused_as_a_plateau(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = discharged(tmp_path, capsys, "Prada2013", list(cells_of("Prada2013")[1:4]))
    assert said["refused"] is True
    assert all("plateau" in [note["key"] for note in one["refusals"]] for one in said["cells"])


def test_cells_that_are_discharged_together_make_a_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [cells_of("Chen2020")[number] for number in (1, 2, 5)]
    said = discharged(tmp_path, capsys, "Chen2020", cells)
    values = [one["capacity_ah"]["value"] for one in said["cells"]]
    # All began full, so the smallest is empty first, and the pack has what it has.
    assert said["pack"]["capacity_ah"]["value"] == pytest.approx(min(values), rel=1e-3)
    assert "discharge" in said["method"]


def test_a_discharge_without_its_rest_at_full_or_with_another_reference_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = cells_of("Chen2020")[2]
    write_pack(tmp_path / "pack.yaml", "Chen2020", 1)
    window, reference = tmp_path / "window.csv", tmp_path / "reference.csv"
    write_discharge(window, [cell], 30.0)
    code, said = ask(capsys, str(window), "--pack", str(tmp_path / "pack.yaml"))
    assert [note["key"] for note in said["pack"]["refusals"]] == ["no_reference"]
    measured_ah = write_reference(reference, "Chen2020", 1, "half")
    words = ["--pack", str(tmp_path / "pack.yaml"), "--reference", str(reference), "--reference-ah", f"{measured_ah}"]
    whole = window.read_text(encoding="utf-8").splitlines()
    # The rest is gone; then it is 30 mV and 80 mV below full; then too little was discharged.
    window.write_text("\n".join([whole[0], *whole[17:]]) + "\n", encoding="utf-8")
    assert [note["key"] for note in ask(capsys, str(window), *words)[1]["pack"]["refusals"]] == ["no_rest"]
    for rest_v, refusals in (("4.17000", []), ("4.12000", ["not_full"])):
        rest = [line.replace("4.20000", rest_v) for line in whole[1:17]]
        window.write_text("\n".join([whole[0], *rest, *whole[17:]]) + "\n", encoding="utf-8")
        said = ask(capsys, str(window), *words)[1]
        keys = [note["key"] for note in said["pack"]["refusals"]]
        assert keys == (refusals or keys) and ("not_full" in keys) == bool(refusals)
    write_discharge(window, [cell], 10.0)
    assert [note["key"] for note in ask(capsys, str(window), *words)[1]["pack"]["refusals"]] == ["short_window"]
    # A charge is no reference for a discharge.
    write_discharge(window, [cell], 30.0)
    write_reference(reference, "Chen2020", 1)
    code, said = ask(capsys, str(window), *words)
    assert (code, said["errors"][0]["field"]) == (2, "--reference")


@pytest.mark.parametrize("name", ["ORegan2022", "Ai2020"])
def test_a_discharge_of_unknown_electrodes_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = discharged(tmp_path, capsys, name, [cells_of(name)[1]])
    assert [note["key"] for note in said["pack"]["refusals"]] == ["unknown_electrodes"]


def test_what_is_missing_or_wrong_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_window(tmp_path / "window.csv", [cells_of("Chen2020")[1]], [0.2], 0.3)
    code, said = ask(capsys, str(tmp_path / "window.csv"))
    assert (code, said["errors"][0]["field"]) == (2, "--pack")
    write_pack(tmp_path / "pack.yaml", "Chen2020", 2)
    code, said = ask(capsys, str(tmp_path / "window.csv"), "--pack", str(tmp_path / "pack.yaml"))
    assert (code, said["errors"][0]["found"]) == (2, "1 cells")
