"""The stated size of a record is one that it keeps to, and not by much."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.store_samples import make_meta, make_row

from packbench.store.database import Durability
from packbench.store.size import row_bytes, run_bytes
from packbench.store.writer import RunStore

ROWS = 4000


@pytest.mark.parametrize(("cells", "sensors"), [(1, 4), (16, 4), (45, 4), (96, 4), (200, 4), (400, 4), (1200, 4)])
def test_a_file_of_rows_is_as_large_as_stated(cells: int, sensors: int, tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta(), Durability.PROCESS_SAFE)
    store.append_rows(make_row(index, cells=cells) for index in range(2, ROWS + 2))
    store.seal()
    store.close()
    empty = RunStore.create(tmp_path / "empty.db", make_meta(), Durability.PROCESS_SAFE)
    empty.seal()
    empty.close()
    took = (tmp_path / "run.db").stat().st_size - (tmp_path / "empty.db").stat().st_size
    stated = run_bytes(ROWS, 0, cells + sensors) - run_bytes(0, 0, cells + sensors)
    assert took <= stated
    assert stated <= 1.25 * took if cells < 1000 else stated <= 2 * took


def test_the_figures_of_the_text() -> None:
    assert [round(row_bytes(values)) for values in (108, 20, 2)] == [1022, 303, 154]


def test_steps_take_room_too() -> None:
    assert run_bytes(0, 1000, 20) - run_bytes(0, 0, 20) == 1000 * 1024
