"""The reserve: room that is really held, gives way in time, and never outlives the run."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.unit.store_samples import make_meta, make_row

from packbench.app import disk
from packbench.app.disk import HEADROOM_BYTES, LOG_BYTES, STOP_BYTES, Reserve, give_way, reserved, room_for
from packbench.app.job import Job, load_job
from packbench.clock import MonotonicClock
from packbench.core.errors import InputError
from packbench.store import RunReader, RunStore

MB = 1024 * 1024


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def job() -> Job:
    return load_job("quick-check", "lmo-25ah", None)


def test_the_worst_case_is_held_while_the_run_goes_on_and_free_again_after(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    before = shutil.disk_usage(tmp_path).free
    with reserved(job, folder) as reserve:
        assert reserve.held_bytes == room_for(job, tmp_path).needed_bytes
        held = os.fstat(reserve._file.fileno())
        assert held.st_blocks * 512 >= reserve.held_bytes, "it is set aside, not only said"
        assert list(folder.iterdir()) == [], "a killed process leaves nothing behind"
        reserve.release()
        assert os.fstat(reserve._file.fileno()).st_blocks == 0
    assert shutil.disk_usage(tmp_path).free > before - 100 * MB


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_cannot_hold_it_refuses_the_run(
    number: int, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int, _offset: int, _length: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"store\.full") as caught, reserved(job, tmp_path):
        pytest.fail("it began")
    assert caught.value.problems[0].field == "disk space"


def test_a_file_system_that_holds_nothing_is_only_watched(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_handle: int, _offset: int, _length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", none)
    with reserved(job, tmp_path) as reserve:
        assert reserve.held_bytes == 0
        assert reserve.look() is None
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, HEADROOM_BYTES - 1))
        assert "store.full" in (reserve.look() or "")


def test_how_it_gives_way() -> None:
    needed, much = 100 * MB, 10**12
    assert give_way(needed, 0, needed, much) == needed
    assert give_way(needed, 30 * MB, needed, much) == 70 * MB, "as the record grows"
    assert give_way(needed, 2 * needed, 70 * MB, much) == STOP_BYTES, "never less than a stop takes"
    assert give_way(needed, 0, 70 * MB, much) == 70 * MB, "it never grows again"
    assert give_way(needed, 0, needed, 0) == needed - HEADROOM_BYTES, "somebody fills the disk"
    assert give_way(needed, 10 * MB, needed, 0) == needed - HEADROOM_BYTES, "what the record took counts towards it"
    least = STOP_BYTES + HEADROOM_BYTES
    assert give_way(needed, 0, least, 0) == STOP_BYTES
    assert give_way(needed, 0, least - 1, 0) is None
    assert give_way(needed, 0, 0, HEADROOM_BYTES) == 0, "nothing is held, and there is room"


def test_it_follows_the_record(job: Job, tmp_path: Path) -> None:
    with reserved(job, tmp_path) as reserve:
        needed = reserve.held_bytes
        (tmp_path / "run.db").write_bytes(bytes(3 * MB))
        (tmp_path / "run.db-wal").write_bytes(bytes(2 * MB))
        assert reserve.look() is None
        assert reserve.held_bytes == max(needed - 5 * MB, STOP_BYTES)


async def test_a_disk_that_fills_up_stops_the_run_once_with_all_the_room(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "LOOK_NS", 1_000_000)
    stops: list[str] = []
    with reserved(job, tmp_path) as reserve:
        async with reserve.watched(MonotonicClock(), stops.append):
            await asyncio.sleep(0.05)
            assert stops == []
            monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, 0))
            await wait_for(stops)
            assert reserve.held_bytes == 0, "the stop has all of it"
            await asyncio.sleep(0.05)
    assert len(stops) == 1
    assert stops[0].startswith("store.full: the disk of ")


async def test_the_records_end_has_the_room(job: Job, tmp_path: Path) -> None:
    with reserved(job, tmp_path) as reserve:
        async with reserve.watched(MonotonicClock(), lambda _reason: None):
            assert reserve.held_bytes > 0
        assert reserve.held_bytes == 0


def test_the_log_has_blocks_of_its_own(job: Job, tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta())
    log = tmp_path / "run.db-wal"
    with reserved(job, tmp_path) as reserve:
        held, size_bytes = reserve.held_bytes, log.stat().st_size
        reserve.hold_log()
        assert reserve.held_bytes == held - LOG_BYTES
        assert log.stat().st_blocks * 512 >= LOG_BYTES
        assert log.stat().st_size == size_bytes, "it became no longer"
        assert reserve.look() is None
        assert reserve.held_bytes <= held - LOG_BYTES
    store.append_rows([make_row(index) for index in range(1, 50)])
    store.commit()
    store.seal()
    store.close()
    with RunReader.open(tmp_path / "run.db") as reader:
        assert reader.verify().rows == 49
    assert not log.exists()


async def wait_for(stops: list[str]) -> None:
    for _ in range(500):
        if stops:
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody stopped the run")


def test_what_is_held_on_a_real_small_disk_cannot_be_taken(tmp_path: Path) -> None:
    """posix_fallocate on this file system: the blocks are there when the size is."""
    with (tmp_path / "reserve").open("w+b") as file:
        reserve = Reserve(file, tmp_path, 4 * MB)
        reserve.hold()
        assert os.fstat(file.fileno()).st_blocks * 512 >= 4 * MB
