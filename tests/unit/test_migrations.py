"""Run files of every version of the schema: read as they are, brought up to date only by their writer, never down."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.run_fixtures import FOLDER, NAMES, ROWS
from tests.unit.store_samples import make_row, same

from packbench.core.errors import InputError, StoreError
from packbench.store import RunReader, RunStore, schema
from packbench.store.backup import make_backup
from packbench.store.schema import MIGRATIONS, SCHEMA_VERSION, Migration

VERSIONS = [migration.version for migration in MIGRATIONS]
LATER = Migration(SCHEMA_VERSION + 1, "CREATE TABLE remarks (seq INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;")
FAILING = Migration(SCHEMA_VERSION + 1, "CREATE TABLE remarks (seq INTEGER) STRICT; SELECT no_such_function();")


@pytest.fixture(
    params=[(version, name) for version in VERSIONS for name in NAMES], ids=lambda each: f"v{each[0]}-{each[1]}"
)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A copy of a fixture, alone in a folder: (its version, the file)."""
    version, name = request.param
    path = tmp_path / "run.db"
    shutil.copyfile(FOLDER / f"v{version}" / f"{name}.db", path)
    yield version, path


def install(monkeypatch: pytest.MonkeyPatch, later: Migration) -> None:
    """Make a program of the version after this one."""
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, later))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", later.version)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def tables(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        sql = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"
        return [(name, text) for name, text in db.execute(sql)]


def made_by(migrations: tuple[Migration, ...], path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        for migration in migrations:
            db.executescript(migration.sql)
    return tables(path)


def test_versions_go_up_by_one() -> None:
    assert list(range(1, SCHEMA_VERSION + 1)) == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_version_has_its_fixtures_and_no_released_migration_was_edited(
    version: int, name: str, tmp_path: Path
) -> None:
    """A migration that is added or changed without a file of what was before fails here."""
    path = FOLDER / f"v{version}" / f"{name}.db"
    assert path.is_file(), "make it: python -m tests.unit.run_fixtures"
    assert path.stat().st_size < 100_000
    copy = tmp_path / "copy.db"
    shutil.copyfile(path, copy)
    assert version_of(copy) == version
    assert tables(copy) == made_by(MIGRATIONS[:version], tmp_path / "made.db"), "a released migration is never edited"


def test_an_old_file_is_read_whole_and_not_changed(old: tuple[int, Path]) -> None:
    _version, path = old
    before = digest(path)
    with RunReader.open(path) as reader:
        verified = reader.verify()
        assert (verified.rows, verified.events) == (ROWS, 4)
        table = reader.rows()
        assert same(table.current_a, [make_row(index, cells=4).current_a + 0.0 for index in range(1, ROWS + 1)])
        assert [len(found) for found in (reader.steps(), reader.trips(), reader.gaps())] == [1, 1, 1]
    assert digest(path) == before


def test_reading_by_a_later_program_changes_nothing(old: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    version, path = old
    before = digest(path)
    install(monkeypatch, LATER)
    with RunReader.open(path) as reader:
        assert reader.verify().rows == ROWS
        assert len(reader.rows()) == ROWS
    assert digest(path) == before
    assert version_of(path) == version


def test_a_run_that_goes_on_is_brought_up_to_date(old: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _version, path = old
    install(monkeypatch, LATER)
    with RunReader.open(path) as reader:
        before, sealed = reader.verify(), reader.sealed
    if sealed:
        with pytest.raises(InputError, match="sealed"):
            RunStore.resume(path)
        return
    store = RunStore.resume(path)
    store.append_rows([make_row(ROWS + 1, cells=4)])
    store.commit()
    store.close()
    assert version_of(path) == LATER.version
    with RunReader.open(path) as reader:
        assert reader.verify().records == before.records + 1, "the chain goes on over the migration"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT version FROM migrations ORDER BY version").fetchall() == [
            (version,) for version in range(1, LATER.version + 1)
        ]
        assert db.execute("SELECT count(*) FROM remarks").fetchone() == (0,)


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.db"
    shutil.copyfile(FOLDER / f"v{SCHEMA_VERSION}" / "cut-short.db", path)
    before = tables(path)
    install(monkeypatch, FAILING)
    with pytest.raises(StoreError, match="cannot be resumed"):
        RunStore.resume(path)
    assert (version_of(path), tables(path)) == (SCHEMA_VERSION, before)
    with RunReader.open(path) as reader:
        assert reader.verify().rows == ROWS


def test_a_newer_file_is_refused_and_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.db"
    shutil.copyfile(FOLDER / f"v{SCHEMA_VERSION}" / "cut-short.db", path)
    with monkeypatch.context() as later:
        install(later, LATER)
        RunStore.resume(path).close()
    before = digest(path)
    words = f"schema version {LATER.version}, this program reads 1 to {SCHEMA_VERSION}: use a newer Packbench"
    with pytest.raises(InputError, match=words):
        RunReader.open(path)
    with pytest.raises(InputError, match=words):
        RunStore.resume(path)
    assert digest(path) == before


def test_a_backup_keeps_an_old_file_old(old: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    version, path = old
    install(monkeypatch, LATER)
    target = path.parent.parent / f"{path.parent.name}-backup"
    make_backup([path.parent], target, "0", datetime(2026, 1, 1, tzinfo=UTC))
    assert version_of(target / path.parent.name / "run.db") == version
