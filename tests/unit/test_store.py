"""The run file: what goes in comes out, and nothing that was changed goes unnoticed."""

import math
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import apsw
import numpy as np
import pytest
from tests.unit.store_samples import GAP, TRIP, make_event, make_meta, make_row, make_step, same

from packbench.core.errors import InputError, StoreError, VerificationFailed
from packbench.core.records import Event, Row
from packbench.core.samples import Provenance
from packbench.store import Durability, RunReader, RunStore, require_safe_sqlite
from packbench.store.codec import gap_event, step_event, trip_event
from packbench.store.schema import SCHEMA_VERSION

FAST = Durability.PROCESS_SAFE


def write_run(path: Path, rows: int = 20, *, seal: bool = True) -> str:
    """Event, rows, step, trip, gap: rows + 4 records, committed in two transactions."""
    store = RunStore.create(path, make_meta(), FAST)
    store.append_events([make_event(1)])
    store.append_rows([make_row(index) for index in range(1, rows + 1)])
    store.commit()
    step = make_step(2, step=3, started_ns=0, ended_ns=10**9)
    store.append_events([step_event(step), trip_event(TRIP), gap_event(GAP)])
    assert store.commit() == rows + 4
    log_sha256 = store.seal() if seal else store.log_sha256
    store.close()
    return log_sha256


def test_everything_written_is_read_back(tmp_path: Path) -> None:
    log_sha256 = write_run(tmp_path / "run.db")
    with RunReader.open(tmp_path / "run.db") as reader:
        assert reader.meta == make_meta()
        assert reader.log_sha256 == log_sha256
        assert reader.sealed
        kinds = [event.kind for event in reader.events()]
        assert kinds == ["step_intent", "step_ended", "trip", "gap"]
        first = reader.events("step_intent")[0]
        assert (first.seq, first.t_ns, first.data) == (1, 10**9, dict(make_event(1).data))
        (step,) = reader.steps()
        expected = make_step(2, step=3, started_ns=0, ended_ns=10**9)
        assert math.isnan(step.cell_min_end_v)
        for name in ("number", "end_cell", "charge_ah", "imbalance_limited", "overshoot", "end_reason"):
            assert getattr(step, name) == getattr(expected, name)
        assert reader.trips() == [TRIP]
        assert reader.gaps() == [GAP]
        verified = reader.verify(log_sha256)
        assert (verified.records, verified.rows, verified.events, verified.sealed) == (24, 20, 4, True)


def test_rows_come_back_bit_for_bit(tmp_path: Path) -> None:
    write_run(tmp_path / "run.db")
    rows = [make_row(index) for index in range(1, 21)]
    with RunReader.open(tmp_path / "run.db") as reader:
        table = reader.rows()
        assert reader.rows(after_seq=11).t_ns.tolist() == [row.t_ns for row in rows[10:]]
    assert len(table) == 20
    assert table.seq.tolist() == list(range(2, 22))
    for name in ("t_ns", "step", "cycle", "voltage_v", "cycler_voltage_v", "step_ah", "step_wh", "bms_t_ns"):
        assert same(getattr(table, name), [getattr(row, name) for row in rows]), name
    assert same(table.current_a, [row.current_a + 0.0 for row in rows])  # zero has no sign in the record
    for name in ("bms_current_a", "soc"):
        values = [getattr(row, name) for row in rows]
        assert same(getattr(table, name), [math.nan if value is None else value for value in values])
    assert table.cell_voltages_v.shape == (20, 96)
    assert np.isnan(table.cell_voltages_v[0]).all()
    assert np.isnan(table.temperatures_c[0]).all()
    for at in range(1, 20):
        assert same(table.cell_voltages_v[at], rows[at].cell_voltages_v)
        assert same(table.temperatures_c[at], rows[at].temperatures_c)


def test_an_empty_run_is_a_run(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta(), FAST)
    head = store.log_sha256
    assert store.commit() == 0
    store.close()
    with RunReader.open(tmp_path / "run.db") as reader:
        assert len(reader.rows()) == 0
        assert reader.rows().cell_voltages_v.shape == (0, 0)
        assert reader.steps() == []
        assert reader.verify().log_sha256 == head == reader.log_sha256
        assert not reader.sealed


def test_numbers_that_sqlite_would_change_still_verify(tmp_path: Path) -> None:
    odd = [
        Row(0, 1, 1, math.nan, -math.nan, -0.0, math.inf, -0.0, -1, np.array([-0.0, math.nan]), (), -0.0, math.nan),
        Row(1, 1, 1, np.float64("nan"), 3.0, 1e-320, -math.inf, 2.0**60, 0, np.ones(3, ">f8"), (1,), 5, 1),
    ]
    store = RunStore.create(tmp_path / "run.db", make_meta(), FAST)
    store.append_rows(odd)
    store.commit()
    store.close()
    with RunReader.open(tmp_path / "run.db") as reader:
        reader.verify()
        table = reader.rows()
    assert np.isnan(table.voltage_v).all()
    assert table.step_ah.tolist() == [math.inf, -math.inf]
    assert table.current_a.tolist() == [0.0, 1e-320]
    assert math.isnan(table.soc[0])
    assert same(table.cell_voltages_v, [[-0.0, math.nan, math.nan], [1, 1, 1]])


def test_the_chain_depends_on_what_is_recorded_and_on_nothing_else(tmp_path: Path) -> None:
    reference = write_run(tmp_path / "a.db")
    assert write_run(tmp_path / "b.db") == reference
    one_by_one = RunStore.create(tmp_path / "c.db", make_meta(), FAST)
    one_by_one.append_events([make_event(1)])
    for index in range(1, 21):
        one_by_one.append_rows([make_row(index)])
        one_by_one.commit()
    step = make_step(2, step=3, started_ns=0, ended_ns=10**9)
    one_by_one.append_events([step_event(step), trip_event(TRIP), gap_event(GAP)])
    assert one_by_one.seal() == reference
    one_by_one.close()
    assert write_run(tmp_path / "d.db", rows=19) != reference


@pytest.mark.parametrize(
    "change",
    [
        {"serial": "other"},
        {"provenance": Provenance.MEASURED},
        {"seed": 8},
        {"operator": None},
        {"started_at": datetime(2026, 1, 1, 8, 0, 0, 1, tzinfo=UTC)},
        {"extra": {}},
    ],
)
def test_the_description_opens_the_chain(tmp_path: Path, change: dict[str, object]) -> None:
    heads: set[str] = set()
    for name, meta in (("a", make_meta()), ("b", make_meta(**change))):
        store = RunStore.create(tmp_path / name, meta, FAST)
        heads.add(store.log_sha256)
        store.close()
    assert len(heads) == 2


COLUMNS = ["t_ns", "step", "cycle", "voltage_v", "cycler_voltage_v", "current_a", "step_ah", "step_wh"]
COLUMNS += ["bms_t_ns", "bms_current_a", "soc"]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_number_is_found_and_named(tmp_path: Path, column: str) -> None:
    write_run(tmp_path / "run.db")
    edit(tmp_path / "run.db", f"UPDATE samples SET {column} = ifnull({column}, 0) + 1 WHERE seq = 9")
    assert "record 9 has been changed" in failure(tmp_path / "run.db")


@pytest.mark.parametrize("column", ["cell_voltages", "temperatures", "hash"])
def test_every_changed_byte_of_a_row_is_found(tmp_path: Path, column: str) -> None:
    write_run(tmp_path / "run.db", rows=4)
    db = apsw.Connection(str(tmp_path / "run.db"))
    db.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")
    found = db.execute(f"SELECT {column} FROM samples WHERE seq = 4").fetchone()
    assert found is not None
    good: bytes = found[0]
    with RunReader.open(tmp_path / "run.db") as reader:
        for at in range(len(good)):
            bad = bytearray(good)
            bad[at] ^= 1 << (at % 8)
            db.execute(f"UPDATE samples SET {column} = ? WHERE seq = 4", (bytes(bad),))
            with pytest.raises(VerificationFailed, match="record 4 has been changed"):
                reader.verify()
        db.execute(f"UPDATE samples SET {column} = ? WHERE seq = 4", (good,))
        reader.verify()
    db.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET t_ns = t_ns + 1 WHERE seq = 22",
        "UPDATE events SET kind = 'step_ende' WHERE seq = 22",
        "UPDATE events SET data = replace(data, '-19.9145', '-29.9145') WHERE seq = 22",
        "UPDATE events SET data = data || ' ' WHERE seq = 22",
        "UPDATE events SET hash = zeroblob(32) WHERE seq = 22",
    ],
)
def test_a_changed_event_is_found_and_named(tmp_path: Path, sql: str) -> None:
    write_run(tmp_path / "run.db")
    edit(tmp_path / "run.db", sql)
    assert "record 22 has been changed" in failure(tmp_path / "run.db")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DELETE FROM samples WHERE seq = 9", "record 9 is missing"),
        ("DELETE FROM events WHERE seq = 1", "record 1 is missing"),
        ("DELETE FROM events WHERE seq = 24", "sealed with 24 records"),
        ("UPDATE run SET serial = 'x'", "record 1 or the description"),
        ("UPDATE run SET provenance = 'measured'", "record 1 or the description"),
        ("UPDATE run SET profile_text = 'x'", "the stored profile text"),
        ("UPDATE run SET bench_sha256 = 'x'", "the stored bench text"),
        ("UPDATE run SET records = 23", "sealed with 23 records"),
        ("UPDATE samples SET seq = 99 WHERE seq = 9", "record 9 is missing"),
    ],
)
def test_what_was_taken_away_or_rewritten_is_found(tmp_path: Path, sql: str, says: str) -> None:
    write_run(tmp_path / "run.db")
    edit(tmp_path / "run.db", sql)
    assert says in failure(tmp_path / "run.db")


def test_a_chain_rebuilt_from_another_story_does_not_match_the_published_head(tmp_path: Path) -> None:
    published = write_run(tmp_path / "a.db")
    write_run(tmp_path / "b.db", rows=19)
    with RunReader.open(tmp_path / "b.db") as reader:
        reader.verify()
        with pytest.raises(VerificationFailed, match="expected " + published):
            reader.verify(published)


def test_flipped_bytes_of_the_file_itself_never_go_unnoticed(tmp_path: Path) -> None:
    write_run(tmp_path / "run.db", rows=30)
    original = (tmp_path / "run.db").read_bytes()
    reference = RunReader.open(tmp_path / "run.db")
    want = reference.rows()
    reference.close()
    for at in range(5_000, len(original), 997):
        damaged = tmp_path / "damaged.db"
        damaged.write_bytes(original[:at] + bytes([original[at] ^ 0x10]) + original[at + 1 :])
        try:
            with RunReader.open(damaged) as reader:
                reader.verify()
                got = reader.rows()
        except (VerificationFailed, InputError):
            continue
        # Unused space may be damaged without harm: then everything must still be there.
        assert same(got.cell_voltages_v, want.cell_voltages_v)
        assert got.columns().keys() == want.columns().keys()


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    write_run(tmp_path / "run.db", rows=300)
    edit(tmp_path / "run.db", "UPDATE events SET data = '{' WHERE kind = 'trip'")
    edit(tmp_path / "run.db", "UPDATE events SET data = '{}' WHERE kind = 'step_ended'")
    whole = bytearray((tmp_path / "run.db").read_bytes())
    whole[8192 * 20 : 8192 * 30] = b"x" * 8192 * 10
    (tmp_path / "run.db").write_bytes(whole)
    with RunReader.open(tmp_path / "run.db") as reader:
        for reading in (reader.rows, reader.trips, reader.steps, reader.verify):
            with pytest.raises(VerificationFailed, match=r"damaged|changed"):
                reading()


@pytest.mark.parametrize(("change", "says"), [({"serial": "a\udcff"}, "cannot be stored"), ({"seed": 2**63}, "seed")])
def test_a_description_that_cannot_be_stored_is_refused_before_a_file_is_made(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        RunStore.create(tmp_path / "run.db", make_meta(**change), FAST)
    assert list(tmp_path.iterdir()) == []


def test_resume_goes_on_with_the_same_chain(tmp_path: Path) -> None:
    whole = write_run(tmp_path / "whole.db", seal=False)
    store = RunStore.create(tmp_path / "run.db", make_meta(), FAST)
    store.append_events([make_event(1)])
    store.append_rows([make_row(index) for index in range(1, 8)])
    store.commit()
    store.append_rows([make_row(99)])  # never committed: gone
    store.close()
    store = RunStore.resume(tmp_path / "run.db", FAST)
    assert store.seq == store.durable_seq == 8
    store.append_rows([make_row(index) for index in range(8, 21)])
    step = make_step(2, step=3, started_ns=0, ended_ns=10**9)
    store.append_events([step_event(step), trip_event(TRIP), gap_event(GAP)])
    assert store.seal() == whole
    store.close()
    with pytest.raises(InputError, match="sealed"):
        RunStore.resume(tmp_path / "run.db", FAST)


def test_a_sealed_run_is_one_plain_file_readable_from_a_read_only_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    log_sha256 = write_run(folder / "run.db")
    assert [item.name for item in folder.iterdir()] == ["run.db"]
    folder.chmod(0o555)
    try:
        with RunReader.open(folder / "run.db") as reader:
            assert reader.verify().log_sha256 == log_sha256
    finally:
        folder.chmod(0o755)
    # As root every folder can be written to: ask for the way a read-only medium is opened.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with RunReader.open(folder / "run.db") as reader:
        assert reader.verify().log_sha256 == log_sha256
    plain = sqlite3.connect(folder / "run.db")  # any SQLite tool can query it
    assert plain.execute("SELECT label, end_cell FROM steps").fetchall() == [("s3", 17)]
    assert plain.execute("SELECT text_zh, value FROM trips").fetchall() == [(TRIP.text_zh, TRIP.value)]
    assert plain.execute("SELECT reason FROM gaps").fetchall() == [("restart",)]
    plain.close()


def test_a_reader_sees_a_run_while_it_is_written(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta(), FAST)
    store.append_rows([make_row(1)])
    with RunReader.open(tmp_path / "run.db") as reader:
        assert len(reader.rows()) == 0
        store.commit()
        assert len(reader.rows()) == 1
        store.append_rows([make_row(2)])
        store.commit()
        assert reader.rows(after_seq=1).t_ns.tolist() == [make_row(2).t_ns]
        store.seal()
        reader.verify()
    store.close()


def test_folders_are_made_and_what_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "a" / "b" / "run.db", make_meta(), Durability.POWER_SAFE)
    store.append_rows([make_row(1)])
    assert store.commit() == 1
    store.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be created"):
        RunStore.create(tmp_path / "file" / "run.db", make_meta())


def test_nothing_is_written_over_and_nothing_foreign_is_read(tmp_path: Path) -> None:
    write_run(tmp_path / "run.db")
    with pytest.raises(InputError, match="never written over"):
        RunStore.create(tmp_path / "run.db", make_meta(), FAST)
    with pytest.raises(InputError, match="no such run file"):
        RunReader.open(tmp_path / "nothing.db")
    with pytest.raises(InputError, match="no such run file"):
        RunStore.resume(tmp_path / "nothing.db")
    (tmp_path / "text.db").write_text("hello " * 1000)
    with pytest.raises(VerificationFailed, match="cannot be read as a run file"):
        RunReader.open(tmp_path / "text.db")
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE t (x)")
    foreign.close()
    with pytest.raises(InputError, match="not a Packbench run file"):
        RunReader.open(tmp_path / "foreign.db")
    with pytest.raises(InputError, match="not a Packbench run file"):
        RunStore.resume(tmp_path / "foreign.db")


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run.db", seal=False)
    edit(tmp_path / "run.db", f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(InputError, match="newer Packbench"):
        RunReader.open(tmp_path / "run.db")
    with pytest.raises(InputError, match="newer Packbench"):
        RunStore.resume(tmp_path / "run.db")


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0", "3.50.7", "3.50.9", "3.44.6"])
def test_sound_sqlite_versions_are_accepted(version: str) -> None:
    require_safe_sqlite(version)


@pytest.mark.parametrize("version", ["3.51.2", "3.51.0", "3.50.6", "3.49.9", "3.44.5", "3.45.0", "3.40.1", "3.7.0"])
def test_sqlite_versions_that_corrupt_are_refused(version: str) -> None:
    with pytest.raises(StoreError, match="WAL reset"):
        require_safe_sqlite(version)


def test_the_library_in_use_is_sound() -> None:
    require_safe_sqlite()


@pytest.mark.parametrize(("durability", "synchronous"), [(Durability.POWER_SAFE, 2), (Durability.PROCESS_SAFE, 0)])
def test_durability_sets_what_a_commit_waits_for(tmp_path: Path, durability: Durability, synchronous: int) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta(), durability)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (synchronous,)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_full_disk_breaks_the_store_and_keeps_what_was_committed(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta(), FAST)
    store.append_rows([make_row(index) for index in range(1, 30)])
    acknowledged = store.commit()
    store._db.execute("PRAGMA max_page_count = 16")
    with pytest.raises(StoreError, match="full"):
        for start in range(30, 3000, 10):
            store.append_rows([make_row(index) for index in range(start, start + 10)])
            acknowledged = store.commit()
    for again in (store.commit, store.seal, lambda: store.append_rows([make_row(1)])):
        with pytest.raises(StoreError, match="full"):
            again()
    store.close()
    with RunReader.open(tmp_path / "run.db") as reader:
        assert reader.verify().records == acknowledged >= 29


def test_a_record_that_cannot_be_stored_breaks_the_store(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta(), FAST)
    store.append_rows([make_row(1)])
    with pytest.raises(StoreError, match="record 2 cannot be stored"):
        store.append_rows([Row(0, 2**40, 1, 0, 0, 0, 0, 0, 0, np.empty(0), (), 0, 0)])
    with pytest.raises(StoreError, match="record 2 cannot be stored"):
        store.commit()
    store.close()
    with RunReader.open(tmp_path / "run.db") as reader:
        assert reader.verify().records == 0  # what was not committed is gone


@pytest.mark.parametrize("data", [{"x": math.nan}, {"x": math.inf}, {"x": object()}, {"x": "\ud800"}])
def test_events_hold_plain_json_alone(tmp_path: Path, data: dict[str, object]) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta(), FAST)
    with pytest.raises((ValueError, TypeError)):
        store.append_events([Event(0, "x", data)])
    store.append_events([Event(0, "x", {})])  # the store itself is unharmed
    assert store.commit() == 1
    store.close()


def edit(path: Path, sql: str) -> None:
    db = apsw.Connection(str(path))
    db.execute(sql)
    db.close()


def failure(path: Path) -> str:
    with RunReader.open(path) as reader, pytest.raises(VerificationFailed) as caught:
        reader.verify()
    return str(caught.value)
