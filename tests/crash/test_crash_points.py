"""Nothing acknowledged is lost, whenever the power goes, whatever the disk made of what was not synced or refuses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apsw
import pytest
from tests.crash import points
from tests.crash.failing import failures
from tests.crash.points import NAME, crash_points
from tests.crash.workloads import WORKLOADS
from tests.unit.store_samples import make_meta

from packbench.core.errors import StoreError
from packbench.store import database
from packbench.store.database import Durability
from packbench.store.writer import RunStore
from packbench_sim.disk import Disk, Kind

EVERY = {"tiny_commits": 4, "a_row_a_second": 4, "checkpointed": 6, "long_batches": 6, "steps_and_trips": 3}
"""The whole of it is `make crash-points`."""


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_state_after_a_power_cut_comes_back(name: str, tmp_path: Path) -> None:
    found = crash_points(name, WORKLOADS[name], tmp_path / "x", seed=1, every=EVERY.get(name, 1))
    assert not found.problems, found.problems[:5]
    assert sum(found.states.values()) >= 30
    assert found.second >= 20
    assert set(found.states) >= {"nothing unsynced", "everything", "torn at 512", "any sectors"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_an_error_of_the_disk_loses_nothing_acknowledged_and_ends_the_record(name: str, tmp_path: Path) -> None:
    found = failures(name, WORKLOADS[name], tmp_path / "x", seed=1, every=2 * EVERY.get(name, 1))
    assert not found.problems, found.problems[:5]
    assert found.total >= 20
    assert found.cuts >= 40


@pytest.mark.parametrize("kind", ["write", "sync", "delete"])
def test_a_log_that_could_not_be_begun_is_said(kind: Kind, tmp_path: Path) -> None:
    # SQLite answers "wal" before it commits that; a store that went on without a log lost its newest record.
    with Disk("begun") as disk:
        disk.fail(kind, after=0, full=False)
        with pytest.raises(StoreError, match="cannot be opened for writing"):
            RunStore.create(tmp_path / NAME, make_meta(), vfs=disk.vfs)
        assert disk.failed == 1


# That the checks can fail.


def problems_of(name: str, tmp_path: Path, durability: Durability = Durability.POWER_SAFE) -> str:
    found = crash_points(name, WORKLOADS[name], tmp_path / "x", seed=1, durability=durability)
    return "\n".join(found.problems)


def test_without_syncs_acknowledged_records_are_lost(tmp_path: Path) -> None:
    text = problems_of("a_row_a_second", tmp_path, Durability.PROCESS_SAFE)
    assert "12 records were acknowledged, 11 are there" in text


def test_without_syncs_of_the_folders_the_run_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Disk, "folder_synced", lambda _disk, _folder=None: None)
    assert "no such run file" in problems_of("only_created", tmp_path)


def test_a_sync_that_says_too_early_that_it_is_done_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(database._SYNCHRONOUS, Durability.POWER_SAFE, "NORMAL")
    assert "records were acknowledged" in problems_of("a_row_a_second", tmp_path)


def without_the_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink(missing_ok=True)


def without_the_newest(path: Path) -> None:
    changed(path, "DELETE FROM samples WHERE seq = (SELECT max(seq) FROM samples)")


def with_the_newest_two_changed_about(path: Path) -> None:
    newest = "(SELECT max(seq) FROM samples)"
    changed(
        path,
        f"UPDATE samples SET seq = -1 WHERE seq = {newest}; UPDATE samples SET seq = seq + 1 WHERE seq = {newest};"
        f"UPDATE samples SET seq = {newest} - 1 WHERE seq = -1",
    )


def with_the_newest_twice(path: Path) -> None:
    columns = "t_ns,step,cycle,voltage_v,cycler_voltage_v,current_a,step_ah,step_wh,bms_t_ns,bms_current_a,soc"
    rest = f"{columns},cell_voltages,temperatures,hash"
    changed(path, f"INSERT INTO samples SELECT seq + 1,{rest} FROM samples ORDER BY seq DESC LIMIT 1")


def changed(path: Path, sql: str) -> None:
    with suppress(apsw.Error):  # there may be nothing in it yet
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            db.execute(sql).fetchall()
        finally:
            db.close()


@pytest.mark.parametrize(
    "tamper", [without_the_log, without_the_newest, with_the_newest_two_changed_about, with_the_newest_twice]
)
@pytest.mark.parametrize("in_resume", [False, True])
def test_a_recovery_that_does_wrong_is_noticed(
    tamper: Callable[[Path], None], in_resume: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_resume:
        plain = RunStore.resume

        def resume(path: Path, durability: Durability, *, vfs: str | None = None) -> RunStore:
            tamper(path)
            return plain(path, durability, vfs=vfs)

        monkeypatch.setattr(RunStore, "resume", resume)
    else:
        plain_look = points.looked_at

        def looked_at(folder: Path, acknowledged: int, hashes: list[bytes]) -> str:
            tamper(folder / NAME)
            return plain_look(folder, acknowledged, hashes)

        monkeypatch.setattr(points, "looked_at", looked_at)
    found = crash_points("a_row_a_second", WORKLOADS["a_row_a_second"], tmp_path / "x", seed=1, every=7)
    assert found.problems


@pytest.mark.parametrize("name", ["a_row_a_second", "sealed"])
def test_a_store_that_goes_on_after_an_error_is_noticed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunStore, "_require_sound", lambda _store: None)
    found = failures(name, WORKLOADS[name], tmp_path / "x", seed=1, every=3, kinds=["sync"])
    assert any("goes on after it failed" in problem for problem in found.problems)


def test_an_error_that_is_kept_quiet_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quiet(db: apsw.Connection, name: str, _pages: int) -> int:
        try:
            db.wal_checkpoint(name)
        except apsw.Error:
            return apsw.SQLITE_OK
        return apsw.SQLITE_OK

    monkeypatch.setattr(database, "_checkpoint", quiet)
    found = failures("a_row_a_second", WORKLOADS["a_row_a_second"], tmp_path / "x", seed=1, every=3, kinds=["write"])
    assert any("the store said nothing" in problem for problem in found.problems)
