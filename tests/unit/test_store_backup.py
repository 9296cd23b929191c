"""Backups: what is in them is what was recorded, or they are none; what is there is never written over."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.store_samples import make_event, make_meta, make_row

from packbench.core.errors import InputError, StoreError, VerificationFailed
from packbench.store import Durability, RunReader, RunStore, backup
from packbench.store.backup import holds, make_backup, restore_backup, verify_backup
from packbench.store.durable_files import copy_record
from packbench.store.manifest import BackedUpRun, FileEntry, Manifest, manifest_from_json

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
KINDS = ("kept", "kept.tar")


def record(folder: Path, run_id: str, rows: int = 20, *, seal: bool = True) -> Path:
    store = RunStore.create(folder / "run.db", make_meta(run_id=run_id), Durability.PROCESS_SAFE)
    store.append_events([make_event(1)])
    store.append_rows([make_row(index) for index in range(1, rows + 1)])
    store.commit()
    if seal:
        store.seal()
    store.close()
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two sealed runs with what lies beside a record, and one that was cut short."""
    one, two = record(tmp_path / "runs/one", "R-1"), record(tmp_path / "runs/two", "R-2", rows=3)
    (one / "result.json").write_text('{"verdict": "PASS"}', "utf-8")
    (one / "report.html").write_bytes(bytes(range(256)) * 999)
    (two / "photos").mkdir()
    (two / "photos" / "label.jpg").write_bytes(b"picture")
    record(two / "previous", "R-0", rows=2, seal=False)
    return [one, two, record(tmp_path / "runs/cut", "R-3", seal=False)]


def nowhere(_run_id: str) -> Path | None:
    return None


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", KINDS)
def test_what_is_restored_is_what_was_recorded(name: str, runs: list[Path], tmp_path: Path) -> None:
    target, home = tmp_path / name, tmp_path / "home"
    manifest = make_backup(runs, target, "1.2.3", NOW).manifest
    assert (manifest.software_version, manifest.made_at) == ("1.2.3", "2026-07-01T12:00:00+00:00")
    assert [(run.run_id, run.folder, run.sealed) for run in manifest.runs] == [
        ("R-1", "one", True),
        ("R-2", "two", True),
        ("R-3", "cut", False),
    ]
    assert verify_backup(target) == manifest
    restored = restore_backup(target, home, nowhere)
    assert restored.folders == (home / "one", home / "two", home / "cut")
    for original, copy, run in zip(runs, restored.folders, manifest.runs, strict=True):
        with RunReader.open(original / "run.db") as was, RunReader.open(copy / "run.db") as now:
            assert now.verify(run.log_sha256) == was.verify(run.log_sha256)
            assert now.meta == was.meta
    assert (home / "one/result.json").read_bytes() == (runs[0] / "result.json").read_bytes()
    assert (home / "one/report.html").read_bytes() == (runs[0] / "report.html").read_bytes()
    assert (home / "two/photos/label.jpg").read_bytes() == b"picture"
    with RunReader.open(home / "two/previous/run.db") as reader:
        assert (reader.meta.run_id, reader.verify().rows) == ("R-0", 2), "a record that was moved aside"
    assert left_in(home) == ["cut", "one", "two"], "no staging folder is left"
    assert left_in(tmp_path) == sorted(["home", "runs", name])


def test_a_run_that_was_cut_short_can_be_resumed_from_its_copy(runs: list[Path], tmp_path: Path) -> None:
    make_backup(runs[2:], tmp_path / "kept", "0", NOW)
    restore_backup(tmp_path / "kept", tmp_path / "home", nowhere)
    store = RunStore.resume(tmp_path / "home/cut/run.db")
    store.append_rows([make_row(21)])
    store.seal()
    store.close()
    with RunReader.open(tmp_path / "home/cut/run.db") as reader:
        assert reader.verify().rows == 21


def test_a_run_that_is_being_recorded_is_copied_as_of_one_moment(tmp_path: Path) -> None:
    """The writer goes on all the while, and is not held up; every copy verifies and holds what was durable before."""
    store = RunStore.create(tmp_path / "run/run.db", make_meta(), Durability.PROCESS_SAFE)
    over, begun, written = threading.Event(), 0, 0

    def write() -> None:
        nonlocal begun, written
        while not over.is_set():
            begun = written + 5
            store.append_rows([make_row(written + index) for index in range(1, 6)])
            written = store.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen: list[int] = []
        for number in range(8):
            before = written
            copy = tmp_path / f"copy-{number}.db"
            copy_record(tmp_path / "run/run.db", copy)
            with RunReader.open(copy) as reader:
                seen.append(reader.verify().records)
            assert before <= seen[-1] <= begun
            assert not copy.with_name(f"{copy.name}-wal").exists()
        assert seen[-1] > seen[0], "the writer went on"
    finally:
        over.set()
        writer.join()
    store.seal()
    store.close()


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_ever_written_over(name: str, runs: list[Path], tmp_path: Path) -> None:
    target, home = tmp_path / name, tmp_path / "home"
    make_backup(runs, target, "0", NOW)
    before = target.stat()
    with pytest.raises(InputError, match="never written over"):
        make_backup(runs, target, "0", NOW)
    assert target.stat() == before
    (home / "two").mkdir(parents=True)
    with pytest.raises(InputError, match=r"run R-2.*is already there"):
        restore_backup(target, home, nowhere)
    assert left_in(home) == ["two"], "nothing is put in place when one run is refused"
    assert left_in(home / "two") == []
    with pytest.raises(InputError, match=r"run R-3.*elsewhere"):
        restore_backup(target, tmp_path / "other", lambda run_id: Path("elsewhere") if run_id == "R-3" else None)
    assert left_in(tmp_path / "other") == []


def flip(path: Path) -> None:
    """One bit of a file, in its middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def changed_manifest(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "manifest.json"
        data = json.loads(path.read_bytes())
        change(data)
        path.write_text(json.dumps(data), "utf-8")

    return damage


def swap_records(folder: Path) -> None:
    """A record of another run, with the manifest made to fit: only the chain tells."""
    shutil.copyfile(folder / "two/run.db", folder / "one/run.db")
    size_bytes, sha256 = backup.digest(folder / "one/run.db")
    path = folder / "manifest.json"
    data = json.loads(path.read_bytes())
    for entry in data["runs"][0]["files"]:
        if entry["path"] == "run.db":
            entry |= {"size_bytes": size_bytes, "sha256": sha256}
    path.write_text(json.dumps(data), "utf-8")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a record": lambda folder: flip(folder / "one/run.db"),
    "a report": lambda folder: flip(folder / "one/report.html"),
    "a cut-off file": lambda folder: os.truncate(folder / "one/report.html", 100),
    "a lost file": lambda folder: (folder / "two/photos/label.jpg").unlink(),
    "a strange file": lambda folder: (folder / "two/more.txt").write_text("?"),
    "another run's record": swap_records,
    "the manifest": lambda folder: (folder / "manifest.json").write_text("{"),
    "another format": changed_manifest(lambda data: data.update(format="packbench-backup/9")),
    "a missing word": changed_manifest(lambda data: data.pop("made_at")),
    "a way out": changed_manifest(lambda data: data["runs"][0].update(folder="../one")),  # type: ignore[index]
    "an absolute path": changed_manifest(lambda data: data["runs"][0]["files"][0].update(path="/etc/passwd")),  # type: ignore[index]
}


@pytest.mark.parametrize("what", DAMAGES)
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_backup_is_found_and_nothing_of_it_is_restored(
    what: str, packed: bool, runs: list[Path], tmp_path: Path
) -> None:
    target, home = tmp_path / "kept", tmp_path / "home"
    make_backup(runs, target, "0", NOW)
    DAMAGES[what](target)
    if packed:
        with tarfile.open(tmp_path / "kept.tar", "w") as tar:
            for path in sorted(target.rglob("*")):
                if path.is_file():
                    tar.add(path, arcname=str(path.relative_to(target)))
        target = tmp_path / "kept.tar"
    with pytest.raises(VerificationFailed):
        verify_backup(target)
    with pytest.raises(VerificationFailed):
        restore_backup(target, home, nowhere)
    assert left_in(home) == []


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "", ".", "a//b", "a/./b", "a\0b"])
def test_a_manifest_never_leads_out_of_its_backup(path: str) -> None:
    entry = FileEntry(path, 1, "0" * 64)
    run = BackedUpRun("R-1", "one", "simulated", "", "0" * 64, 1, sealed=True, files=(entry,))
    with pytest.raises(VerificationFailed, match="leads out"):
        manifest_from_json(Manifest("0", "", (run,)).to_json().encode(), "m")
    inside = replace(run, files=(replace(entry, path="a/b.txt"),))
    sound = Manifest("0", "", (inside,))
    assert manifest_from_json(sound.to_json().encode(), "m") == sound
    for folder in ("..", "a/b", "manifest.json"):
        wrong = Manifest("0", "", (replace(inside, folder=folder),))
        with pytest.raises(VerificationFailed):
            manifest_from_json(wrong.to_json().encode(), "m")


def test_a_tar_that_is_cut_off_or_no_backup_is_refused(runs: list[Path], tmp_path: Path) -> None:
    target, home = tmp_path / "kept.tar", tmp_path / "home"
    make_backup(runs, target, "0", NOW)
    cut, whole = tmp_path / "cut.tar", target.read_bytes()
    for size in (0, 100, 700, len(whole) // 2):
        cut.write_bytes(whole[:size])
        with pytest.raises(VerificationFailed):
            restore_backup(cut, home, nowhere)
    (tmp_path / "a.txt").write_text("not a tar")
    with pytest.raises(InputError, match="is no backup"):
        restore_backup(tmp_path / "a.txt", home, nowhere)
    with pytest.raises(InputError, match="no such backup"):
        restore_backup(tmp_path / "absent", home, nowhere)
    with pytest.raises(InputError, match=r"no manifest\.json"):
        restore_backup(runs[0], home, nowhere)
    assert left_in(home) == []


@pytest.mark.parametrize("name", KINDS)
def test_of_all_there_is_what_is_damaged_is_left_out_and_told(name: str, runs: list[Path], tmp_path: Path) -> None:
    with (runs[1] / "run.db").open("r+b") as file:
        file.write(b"\0" * 4000)
    made = make_backup(runs, tmp_path / name, "0", NOW, whole=False)
    assert [each.folder for each in made.left_out] == [runs[1]]
    assert "run.db" in made.left_out[0].problem
    assert [run.folder for run in verify_backup(tmp_path / name).runs] == [runs[0].name, runs[2].name]
    with pytest.raises(VerificationFailed, match=r"run\.db"):
        make_backup(runs[1:2], tmp_path / f"none-{name}", "0", NOW, whole=False)
    assert left_in(tmp_path) == [name, "runs"]


def test_a_backup_is_put_where_there_is_a_place(runs: list[Path], tmp_path: Path) -> None:
    """The folder of a disk that is not connected is not made on another one."""
    with pytest.raises(InputError, match="nowhere to put the backup"):
        make_backup(runs, tmp_path / "mnt/kept", "0", NOW)
    assert left_in(tmp_path) == ["runs"]


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_record_is_not_backed_up(name: str, runs: list[Path], tmp_path: Path) -> None:
    with (runs[1] / "run.db").open("r+b") as file:
        file.seek(-3000, os.SEEK_END)
        file.write(b"\x55" * 2000)
    with pytest.raises(VerificationFailed, match=r"run\.db"):
        make_backup(runs, tmp_path / name, "0", NOW)
    assert left_in(tmp_path) == ["runs"]


@pytest.mark.parametrize("name", KINDS)
def test_a_copy_that_is_not_what_was_read_is_found_before_it_has_its_name(
    name: str, runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A medium that stores something else than was written."""
    real = backup.write_file

    def bad(path: Path, content: bytes) -> None:
        real(path, content)
        flip(path.parent / "one" / "report.html")

    monkeypatch.setattr(backup, "write_file", bad)
    with pytest.raises(VerificationFailed, match=r"report\.html is not the file"):
        make_backup(runs, tmp_path / name, "0", NOW)
    assert left_in(tmp_path) == ["runs"]


def test_a_full_disk_leaves_nothing_behind(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "copy_file", full)
    with pytest.raises(StoreError, match="No space left"):
        make_backup(runs, tmp_path / "kept", "0", NOW)
    assert left_in(tmp_path) == ["runs"]


def test_two_runs_of_one_name_are_refused(runs: list[Path], tmp_path: Path) -> None:
    other = record(tmp_path / "elsewhere/one", "R-9")
    with pytest.raises(InputError, match="runs of one name"):
        make_backup([*runs, other], tmp_path / "kept", "0", NOW)
    with pytest.raises(InputError, match="at least one run"):
        make_backup([], tmp_path / "kept", "0", NOW)


@pytest.mark.parametrize("name", KINDS)
def test_a_backup_vouches_only_for_the_very_record(name: str, runs: list[Path], tmp_path: Path) -> None:
    target = tmp_path / name
    first, _, cut = make_backup(runs, target, "0", NOW).manifest.runs
    assert holds(target, "R-1", first.log_sha256)
    assert not holds(target, "R-1", "0" * 64)
    assert not holds(target, "R-9", first.log_sha256)
    assert not holds(target, "R-3", cut.log_sha256), "it was not sealed then"
    assert not holds(tmp_path / "absent", "R-1", first.log_sha256)
    if target.is_dir():
        flip(target / "one/run.db")
    else:
        content = target.read_bytes()
        at = content.index(b"SQLite format 3") + 9000
        target.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert not holds(target, "R-1", first.log_sha256)
