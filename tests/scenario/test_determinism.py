"""The same seed gives the same run, to the byte, whatever process and hash seed it runs under.

Fresh processes, because what differs between processes (hash seeds, ids, the order of sets) cannot
be seen inside one.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import ask, fresh, one_object

LEVELS = ("object", "bytes")
OF_THE_MACHINE = ("wall_seconds", "speedup", "paths", "ledger")
"""What may differ between two equal runs."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run as a fresh process left it."""

    code: int
    answer: dict[str, Any]
    tables: dict[str, list[tuple[Any, ...]]]
    """Every table of run.db, row by row as stored, hashes and blobs included."""


def record(folder: Path, hash_seed: str, *words: str) -> Recorded:
    done = fresh(
        "simulate", *words, "--out", str(folder), "--no-report", "--json",
        home=folder / "home", PYTHONHASHSEED=hash_seed,
    )  # fmt: skip
    answer = one_object(done.stdout)
    for data in (answer, answer["result"]):
        for name in OF_THE_MACHINE:
            data.pop(name, None)
    with sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        tables = {name: db.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall() for name in names}
    db.close()
    return Recorded(done.returncode, answer, tables)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "fault", [pytest.param((), id="whole"), pytest.param(("--fault", "comms.bms_lost@12"), id="tripped")]
)
def test_the_same_seed_in_two_processes_gives_the_same_bytes(
    level: str, fault: tuple[str, ...], tmp_path: Path
) -> None:
    words = ("quick-check", "--pack", "lfp-16s", "--level", level, "--seed", "7", *fault)
    one = record(tmp_path / "one", "1", *words)
    two = record(tmp_path / "two", "4242", *words)
    assert one.code == two.code == (3 if fault else 0)
    assert one.answer["log_sha256"] == two.answer["log_sha256"]
    assert one.answer == two.answer
    # The signature beside the record, too: its key follows from the seed.
    assert (tmp_path / "one/run.sig.json").read_bytes() == (tmp_path / "two/run.sig.json").read_bytes()
    assert set(one.tables) >= {"run", "events", "samples"}
    for name, rows in one.tables.items():
        assert rows == two.tables[name], name
    assert len(one.tables["events"]) > 10
    assert len(one.tables["samples"]) > (5 if fault else 50)


@pytest.mark.parametrize("level", LEVELS)
def test_another_seed_gives_another_run(level: str, tmp_path: Path) -> None:
    """Otherwise equality above would say nothing: the seed reaches the instruments."""
    words = ("quick-check", "--pack", "lmo-25ah", "--level", level)
    one = record(tmp_path / "one", "1", *words, "--seed", "1")
    two = record(tmp_path / "two", "1", *words, "--seed", "2")
    assert (one.code, two.code) == (0, 0)
    assert one.answer["log_sha256"] != two.answer["log_sha256"]
    assert one.answer["result"]["run_id"] != two.answer["result"]["run_id"]
    # Not the run's description alone: what was measured differs.
    assert [row[1:-1] for row in one.tables["samples"]] != [row[1:-1] for row in two.tables["samples"]]


def test_a_run_does_not_depend_on_what_ran_before_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The second run of a process is the first run of another."""
    words = ("quick-check", "--pack", "lmo-25ah", "--no-report")
    ask(capsys, "simulate", *words, "--seed", "3", "--out", str(tmp_path / "before"))
    here = ask(capsys, "simulate", *words, "--seed", "1", "--out", str(tmp_path / "here"))
    there = record(tmp_path / "there", "9", "quick-check", "--pack", "lmo-25ah", "--seed", "1")
    assert here.data["log_sha256"] == there.answer["log_sha256"]
