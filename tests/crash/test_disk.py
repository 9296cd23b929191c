"""The model of a disk itself: what it may keep, what it may lose, and how it fails."""

from __future__ import annotations

from pathlib import Path
from random import Random

import apsw
import pytest

from packbench_sim.disk import Disk, DiskError, DiskFull, Kind, Operation
from packbench_sim.disk_states import Contents, Cut


def after(*operations: Operation, draws: int = 40) -> list[Contents]:
    """The states that may be there."""
    cut, found = Cut(), list[Contents]()
    for operation in operations:
        cut.apply(operation)
    rng = Random(1)
    for _ in range(draws):
        for _, contents in cut.states(rng):
            found += [contents] if contents not in found else []
    return found


def write(data: bytes, offset: int = 0) -> Operation:
    return Operation("write", "a", offset, data)


OPEN, SYNC, FAILED, DELETE = (Operation(kind, "a") for kind in ("open", "sync", "sync_failed", "delete"))
FOLDER = Operation("folder", "")


def test_what_was_synced_with_its_name_is_there() -> None:
    assert after(OPEN, write(b"x" * 9), SYNC, FOLDER) == [{"a": b"x" * 9}]


def test_a_new_file_may_be_gone_with_all_that_was_synced_in_it() -> None:
    assert after(OPEN, write(b"x"), SYNC) == [{}, {"a": b"x"}]


def test_a_new_folder_may_be_gone_with_all_that_is_in_it() -> None:
    made = Operation("made", "/runs/one")
    assert {} in after(made, OPEN, write(b"x"), SYNC, FOLDER)
    assert after(made, OPEN, write(b"x"), SYNC, FOLDER, Operation("folder", "/runs")) == [{"a": b"x"}]


def test_of_what_was_not_synced_any_sectors_are_there() -> None:
    states = after(OPEN, write(bytes(1536)), SYNC, FOLDER, write(b"1" * 1536), draws=200)
    kept = {tuple(contents["a"][at : at + 1] for at in (0, 512, 1024)) for contents in states}
    assert len(kept) == 8
    assert all(len(set(contents["a"][at : at + 512])) == 1 for contents in states for at in (0, 512, 1024))


def test_writes_come_in_any_order() -> None:
    states = after(OPEN, FOLDER, write(b"1"), write(b"2", 1))
    assert {"a": b"\x002"} in states
    assert {"a": b"1"} in states


def test_a_torn_write_has_its_first_sectors() -> None:
    states = after(OPEN, SYNC, FOLDER, write(b"1" * 8192))
    assert {len(contents["a"]) % 512 for contents in states} == {0}
    assert {"a": b"1" * 4096} in states


def test_what_a_failed_sync_was_to_keep_may_be_lost_for_good() -> None:
    states = after(OPEN, SYNC, FOLDER, write(b"1"), FAILED, write(b"2", 1), SYNC)
    assert sorted(contents["a"] for contents in states) == [b"\x002", b"12"]


def test_a_deletion_may_not_have_happened_and_then_what_was_there_is_there_again() -> None:
    before = (OPEN, write(b"old"), SYNC, FOLDER, DELETE)
    assert after(*before) == [{"a": b"old"}, {}]
    assert after(*before, FOLDER) == [{}]
    anew = after(*before, OPEN, write(b"n"), SYNC)
    assert {"a": b"old"} in anew
    assert {"a": b"n"} in anew
    assert after(*before, OPEN, write(b"n"), SYNC, FOLDER) == [{"a": b"n"}]


def test_the_states_follow_from_the_seed_alone() -> None:
    operations = (OPEN, FOLDER, write(b"1" * 9000), write(b"2" * 9000, 4000))
    assert after(*operations) == after(*operations)


@pytest.mark.parametrize(("full", "error"), [(True, apsw.FullError), (False, apsw.IOError)])
def test_a_disk_that_fails_says_so_and_heals(full: bool, error: type[Exception], tmp_path: Path) -> None:
    with Disk("heals") as disk:
        db = apsw.Connection(str(tmp_path / "x.db"), vfs=disk.vfs)
        db.execute("CREATE TABLE t (a)")
        disk.fail("write", after=1, full=full, times=1000)
        with pytest.raises(error):
            db.execute("INSERT INTO t VALUES (1)")
        disk.heal()
        db.execute("INSERT INTO t VALUES (2)")
        assert db.execute("SELECT a FROM t").fetchall() == [(2,)]
        db.close()
    assert disk.failed >= 1


@pytest.mark.parametrize("kind", ["open", "write", "truncate", "delete", "sync"])
def test_it_fails_as_often_as_was_said_and_knows_that_syncing_takes_no_room(kind: Kind) -> None:
    disk = Disk("counts")
    disk.fail(kind, after=1, full=True, times=2)
    disk.note(Operation(kind, "a"))
    for _ in range(2):
        with pytest.raises(DiskError if kind == "sync" else DiskFull):
            disk.note(Operation(kind, "a"))
    disk.note(Operation(kind, "a"))
    assert (disk.failed, disk.asked[kind]) == (2, 4)


def test_a_stalled_disk_goes_on_when_it_is_let(tmp_path: Path) -> None:
    stalled: list[str] = []
    with Disk("stalls") as disk:
        disk.stall = lambda operation: stalled.append(operation.kind)
        db = apsw.Connection(str(tmp_path / "x.db"), vfs=disk.vfs)
        db.execute("CREATE TABLE t (a)")
        db.close()
    assert stalled == [each.kind for each in disk.operations if each.kind != "folder"]
    assert "sync" in stalled
