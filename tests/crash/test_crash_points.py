"""Nothing acknowledged is lost, whenever the power goes and whatever the disk made of what was not synced."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.crash import points
from tests.crash.points import NAME, crash_points, recorded, written
from tests.crash.workloads import WORKLOADS, begin
from tests.unit.store_samples import make_row

from packbench.core.errors import InputError, StoreError
from packbench.store.database import Durability
from packbench.store.reader import RunReader
from packbench_sim.disk import Disk, Kind

EVERY = {"tiny_commits": 3, "a_row_a_second": 3, "checkpointed": 5, "long_batches": 2}
"""The whole of it is `make crash-points`."""


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_state_after_a_power_cut_comes_back(name: str, tmp_path: Path) -> None:
    found = crash_points(name, WORKLOADS[name], tmp_path / "x", seed=1, every=EVERY.get(name, 1))
    assert not found.problems, found.problems[:5]
    assert found.total >= 20
    assert {"nothing unsynced", "everything"} <= set(found.states)


def test_the_check_can_fail_without_syncs_acknowledged_records_are_lost(tmp_path: Path) -> None:
    found = crash_points(
        "a_row_a_second", WORKLOADS["a_row_a_second"], tmp_path / "x", seed=1, durability=Durability.PROCESS_SAFE
    )
    assert any("were acknowledged" in problem or "Error" in problem for problem in found.problems)


def test_the_check_can_fail_a_record_that_changed_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "written", lambda folder: [*written(folder)[:-1], b"x" * 32])
    found = crash_points("a_row_a_second", WORKLOADS["a_row_a_second"], tmp_path / "x", seed=1, every=9)
    assert any("not those that were written" in problem for problem in found.problems)


# SQLite deletes and syncs some files without asking whether it went well; apsw then tells Python of it on the side.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("kind", ["write", "sync", "truncate", "open"])
def test_an_error_of_the_disk_at_each_operation_loses_nothing_acknowledged(
    kind: Kind, full: bool, tmp_path: Path
) -> None:
    operations = recorded(WORKLOADS["checkpointed"], tmp_path / "whole", f"count-{kind}-{full}", Durability.POWER_SAFE)
    count = sum(operation.kind == kind for operation in operations)
    hashes = written(tmp_path / "whole")
    failed = 0
    for after in range(0, count, max(count // 25, 1)):
        folder = tmp_path / f"{after}"
        folder.mkdir()
        failed += _broken_at(folder, kind, after, full, hashes)
    assert failed or not count


def _broken_at(folder: Path, kind: Kind, after: int, full: bool, hashes: list[bytes]) -> int:
    with Disk(f"broken-{kind}-{after}-{full}") as disk:
        disk.fail(kind, after=after, full=full)
        acknowledged, store = -1, None
        try:
            store = begin(folder / NAME, disk, Durability.POWER_SAFE)
            acknowledged = 0
            store._db.execute("PRAGMA wal_autocheckpoint = 6")
            for index in range(1, 22):
                store.append([make_row(index)])
                acknowledged = store.commit()
        except StoreError:
            disk.heal()
            if store is not None:
                with pytest.raises(StoreError):
                    store.append([make_row(99)])
                store.close()
        else:
            store.close()
    if acknowledged < 0:
        with pytest.raises(InputError):
            RunReader.open(folder / NAME)
    else:
        with RunReader.open(folder / NAME) as reader:
            reader.verify()
        here = written(folder)
        assert here == hashes[: len(here)]
        assert len(here) >= acknowledged
    return disk.failed
