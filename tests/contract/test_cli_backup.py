"""The contract of backup, restore, runs prune and the deeper runs verify."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import ask

from packbench.app.signing import sign_record
from packbench.cli.program import main
from packbench.core.records import Event, Row
from packbench.core.samples import Provenance
from packbench.files import data_home
from packbench.store import Durability, RunReader, RunStore
from packbench.store.chain import encode_data
from packbench.store.writer import Record

PROFILE = """profile: nearly-empty
title: {en: "The last of a cell", zh: "电芯余量"}
record: {dt: 2 s}
result: {capacity_of: down}
steps:
  - rest: {for: 30 s}
  - cc_discharge: {label: down, current: 0.5C, until: cell_min <= cell_cutoff}
  - rest: {for: 30 s}
  - end: {verdict: pass}
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real simulated run's folder."""
    folder = tmp_path_factory.mktemp("simulated")
    (folder / "nearly-empty.yaml").write_text(PROFILE, "utf-8")
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setenv("PACKBENCH_HOME", str(folder / "home"))
        words = ("simulate", str(folder / "nearly-empty.yaml"), "--pack", "lmo-25ah", "--level", "object")
        more = ("--set", "plant.initial_soc=0.1", "--no-report", "--out", str(out), "--json")
        assert main([*words, *more]) == 0
    return out


def records_of(reader: RunReader) -> list[Record]:
    """Everything a run's record holds, as it could be recorded again."""
    table = reader.rows()
    found: list[tuple[int, Record]] = [
        (event.seq, encode_data(event.t_ns, event.kind, event.data)) for event in reader.events()
    ]
    for index, seq in enumerate(table.seq.tolist()):
        found.append(
            (
                seq,
                Row(
                    t_ns=int(table.t_ns[index]),
                    step=int(table.step[index]),
                    cycle=int(table.cycle[index]),
                    voltage_v=float(table.voltage_v[index]),
                    cycler_voltage_v=float(table.cycler_voltage_v[index]),
                    current_a=float(table.current_a[index]),
                    step_ah=float(table.step_ah[index]),
                    step_wh=float(table.step_wh[index]),
                    bms_t_ns=int(table.bms_t_ns[index]),
                    cell_voltages_v=table.cell_voltages_v[index],
                    temperatures_c=tuple(table.temperatures_c[index].tolist()),
                    bms_current_a=float(table.bms_current_a[index]),
                    soc=float(table.soc[index]),
                ),
            )
        )
    return [record for _, record in sorted(found, key=lambda each: each[0])]


def rewritten(source: Path, folder: Path, change: Callable[[list[Record]], list[Record]], **meta: Any) -> Path:
    """A run whose record was made otherwise: its chain holds, whatever the program that made it did wrong."""
    with RunReader.open(source / "run.db") as reader:
        records, told = records_of(reader), replace(reader.meta, **meta)
    store = RunStore.create(folder / "run.db", told, Durability.PROCESS_SAFE)
    store.append(change(records))
    store.seal()
    store.close()
    sign_record(folder, told.started_at, durable=False)
    return folder


def without_some_rows(records: list[Record]) -> list[Record]:
    rows = [record for record in records if isinstance(record, Row)]
    lost = rows[100:110]
    return [record for record in records if not any(record is one for one in lost)]


def counted_twice(records: list[Record]) -> list[Record]:
    """1 % too much in every row of the discharge, and in its step."""
    found: list[Record] = []
    for record in records:
        if isinstance(record, Row):
            found.append(replace(record, step_ah=record.step_ah * 1.01, step_wh=record.step_wh * 1.01))
        elif record.kind == "step_ended":
            data = json.loads(record.data)
            data |= {"charge_ah": data["charge_ah"] * 1.01, "energy_wh": data["energy_wh"] * 1.01}
            found.append(encode_data(record.t_ns, record.kind, data))
        else:
            found.append(record)
    return found


def test_verify_shows_continuity_and_closure_of_each_step(simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "runs", "verify", str(simulated))
    assert (found.code, found.data["ok"], found.data["findings"]) == (0, True, [])
    steps = found.data["closure"]["steps"]
    assert [step["number"] for step in steps] == [1, 2, 3]
    for step, spacing in zip(steps, found.data["continuity"]["steps"], strict=True):
        assert 0.0 < spacing["longest_s"] <= spacing["allowed_s"]
        assert step["rows"] == spacing["rows"] > 10
        for quantity in ("charge_ah", "energy_wh"):
            told = step[quantity]
            assert abs(told["by_rows"] - told["stored"]) <= told["allowed"]
    discharge = steps[1]["energy_wh"]
    assert abs(discharge["difference"]) < 1e-3 * abs(discharge["stored"])
    assert found.data["continuity"]["unchecked"] is None


@pytest.mark.parametrize(
    ("change", "check"), [(without_some_rows, "row_spacing"), (counted_twice, "energy_closure")]
)  # fmt: skip
def test_verify_fails_with_what_and_where_though_the_chain_holds(
    change: Callable[[list[Record]], list[Record]],
    check: str,
    simulated: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sound = rewritten(simulated, tmp_path / "sound", lambda records: records)
    assert ask(capsys, "runs", "verify", str(sound)).code == 0
    wrong = rewritten(simulated, tmp_path / "wrong", change)
    found = ask(capsys, "runs", "verify", str(wrong))
    assert (found.code, found.data["ok"], found.data["code"]) == (5, False, 5)
    assert check in [finding["check"] for finding in found.data["findings"]]
    assert "step 2" in found.data["errors"][0]["message"]
    assert main(["runs", "verify", str(wrong)]) == 5
    assert "step 2" in capsys.readouterr().out


def test_a_result_that_says_something_else_does_not_verify(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(simulated, copy)
    data = json.loads((copy / "result.json").read_bytes())
    data["energy_wh"]["value"] *= 1.002
    (copy / "result.json").write_text(json.dumps(data), "utf-8")
    found = ask(capsys, "runs", "verify", str(copy))
    assert found.code == 5
    assert [finding["check"] for finding in found.data["findings"]] == ["result_figures"]


@pytest.mark.parametrize("name", ["kept", "kept.tar"])
def test_backup_and_restore(name: str, simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / name
    made = ask(capsys, "backup", str(target), str(simulated))
    assert made.code == 0
    assert (made.data["ok"], made.data["target"]) == (True, str(target))
    (run,) = made.data["runs"]
    assert (run["folder"], run["provenance"], run["sealed"], run["files"]) == ("out", "simulated", True, 3)
    assert datetime.fromisoformat(made.data["made_at"]).tzinfo is not None
    restored = ask(capsys, "restore", str(target), "--to", str(tmp_path / "back"))
    assert restored.code == 0
    assert restored.data["runs"] == [
        {
            "run_id": run["run_id"],
            "folder": str(tmp_path / "back/out"),
            "log_sha256": run["log_sha256"],
            "sealed": True,
        }
    ]
    assert ask(capsys, "runs", "verify", str(tmp_path / "back/out")).data["log_sha256"] == run["log_sha256"]
    again = ask(capsys, "restore", str(target), "--to", str(tmp_path / "back"))
    assert (again.code, again.data["ok"]) == (2, False)
    assert run["run_id"] in again.data["errors"][0]["message"]
    assert ask(capsys, "backup", str(target), str(simulated)).code == 2, "nothing is written over"


def test_all_runs_are_backed_up_and_come_back_to_the_data_folder(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(capsys, "backup", str(tmp_path / "none")).code == 2, "there is no run yet"
    home = data_home() / "runs"
    for name in ("one", "two"):
        rewritten(simulated, home / name, lambda records: records, run_id=f"R-{name}")
    listed = ask(capsys, "runs", "list").data["runs"]
    made = ask(capsys, "backup", str(tmp_path / "all.tar"))
    assert sorted(run["run_id"] for run in made.data["runs"]) == ["R-one", "R-two"]
    shutil.rmtree(home)
    assert ask(capsys, "restore", str(tmp_path / "all.tar")).code == 0
    assert ask(capsys, "runs", "list").data["runs"] == listed
    shutil.move(home / "one", home / "renamed")
    taken = ask(capsys, "restore", str(tmp_path / "all.tar"))
    assert taken.code == 2
    assert any("R-one" in error["message"] and "renamed" in error["message"] for error in taken.data["errors"])


def test_a_damaged_backup_is_5_and_bad_words_are_2(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "kept"
    assert ask(capsys, "backup", str(target), str(simulated)).code == 0
    with (target / "out/run.db").open("r+b") as file:
        file.seek(20_000)
        file.write(b"\x55\xaa")
    damaged = ask(capsys, "restore", str(target), "--to", str(tmp_path / "back"))
    assert (damaged.code, damaged.data["code"]) == (5, 5)
    assert "out/run.db" in damaged.data["errors"][0]["message"]
    assert list((tmp_path / "back").iterdir()) == []
    assert ask(capsys, "restore", str(tmp_path / "absent")).code == 2
    assert ask(capsys, "restore", str(simulated)).code == 2, "a run is no backup"
    assert ask(capsys, "backup", str(tmp_path / "more"), "no-such-run").code == 2
    assert ask(capsys, "backup").code == 2


@pytest.mark.parametrize("at", [0, 17, 59, 100, 110])
def test_a_record_that_sqlite_cannot_read_any_more_does_not_verify(
    at: int, simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(simulated, tmp_path / "run")
    with (folder / "run.db").open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0xFF]))
    answer = ask(capsys, "runs", "verify", str(folder))
    assert (answer.code, answer.data["ok"]) == (5, False)


def test_a_run_that_cannot_be_read_does_not_keep_the_others_from_being_backed_up(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = data_home() / "runs"
    rewritten(simulated, home / "sound", lambda records: records, run_id="R-sound")
    shutil.copytree(home / "sound", home / "torn")
    (home / "torn/run.db").write_bytes(b"\0" * 50_000)
    made = ask(capsys, "backup", str(tmp_path / "all.tar"))
    assert (made.code, made.data["ok"]) == (5, False)
    assert [run["run_id"] for run in made.data["runs"]] == ["R-sound"]
    assert [Path(each["folder"]).name for each in made.data["left_out"]] == ["torn"]
    assert "torn was left out" in made.data["errors"][0]["message"]
    assert ask(capsys, "restore", str(tmp_path / "all.tar"), "--to", str(tmp_path / "back")).code == 0
    named = ask(capsys, "backup", str(tmp_path / "both.tar"), str(home / "sound"), str(home / "torn"))
    assert named.code == 5
    assert not (tmp_path / "both.tar").exists(), "runs that were named are all there, or there is no backup"


def test_the_ledger_of_backups_is_never_begun_anew_in_silence(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = data_home() / "backups.json"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    ledger.write_text("{", encoding="utf-8")
    assert ask(capsys, "backup", str(tmp_path / "one"), str(simulated)).code == 0
    assert ask(capsys, "backup", str(tmp_path / "two"), str(simulated)).code == 0
    kept = json.loads(ledger.read_text(encoding="utf-8"))["backups"]
    assert [Path(entry["target"]).name for entry in kept] == ["one", "two"]
    assert ledger.with_name("backups.json.unreadable").read_text(encoding="utf-8") == "{"


def ages(folder: Path, days: float) -> None:
    """Have a record be as old as that."""
    then = datetime.now(UTC).timestamp() - days * 86_400
    os.utime(folder / "run.db", (then, then))


def test_prune(simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = data_home() / "runs"
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    for name, provenance in (("sim", "simulated"), ("real", "measured"), ("new", "simulated")):
        folder = home / name
        words = {"run_id": f"R-{name}", "provenance": Provenance(provenance), "started_at": long_ago}
        rewritten(simulated, folder, lambda records: records, **words)
        ages(folder, 400)
    (home / "new/run.db").touch()
    store = RunStore.create(home / "cut/run.db", replace(meta_of(home / "sim"), run_id="R-cut"))
    store.append_events([Event(0, "finished", {})])
    store.commit()
    store.close()
    ages(home / "cut", 400)

    def pruned(*words: str) -> dict[str, tuple[bool, str]]:
        found = ask(capsys, "runs", "prune", *words)
        assert found.code == 0
        return {run["run_id"]: (run["delete"], run["reason"]) for run in found.data["runs"]}

    assert not any(delete for delete, _ in pruned("--yes").values()), "there are no rules"
    (data_home() / "retention.yaml").write_text("keep:\n  simulated: 30 days\n  measured: 1 year\n", "utf-8")
    assert not any(delete for delete, _ in pruned("--yes").values()), "nothing is backed up"

    backup = tmp_path / "all.tar"
    assert ask(capsys, "backup", str(backup)).code == 0
    judged = pruned("--dry-run", "--yes")
    assert {run_id: delete for run_id, (delete, _) in judged.items()} == {
        "R-sim": True,
        "R-real": True,
        "R-new": False,
        "R-cut": False,
    }
    assert "29 more" in judged["R-new"][1]
    assert "not sealed" in judged["R-cut"][1]
    assert sorted(path.name for path in home.iterdir()) == ["cut", "new", "real", "sim"], "it was only shown"

    away = backup.rename(tmp_path / "away.tar")
    assert not any(delete for delete, _ in pruned("--yes").values()), "a backup that is not there vouches for nothing"
    away.rename(backup)
    assert pruned()["R-real"] == (False, "it was measured: only --yes deletes it")
    assert sorted(path.name for path in home.iterdir()) == ["cut", "new", "real"]
    assert pruned("--yes")["R-real"][0]
    assert sorted(path.name for path in home.iterdir()) == ["cut", "new"]
    assert list((data_home() / "pruned").iterdir()) == []
    assert ask(capsys, "restore", str(backup), "--to", str(tmp_path / "back")).code == 0

    (data_home() / "retention.yaml").write_text("keep:\n  simulated: 30\n", "utf-8")
    wrong = ask(capsys, "runs", "prune")
    assert (wrong.code, wrong.data["errors"][0]["field"]) == (2, "keep.simulated")


def meta_of(folder: Path) -> Any:
    with RunReader.open(folder / "run.db") as reader:
        return reader.meta
