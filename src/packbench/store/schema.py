"""The tables of a run file, their version, and how an older file becomes a newer one.

Owns SQL definitions and migrations, oldest first; a migration once released is never edited.
Must not read or write records. One file holds one run, and is an ordinary SQLite database that
any tool can query: events, samples, and the views steps, trips and gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from packbench.core.errors import InputError, StoreError
from packbench.store.database import Database

APPLICATION_ID: Final = 0x5042_5255
"""PRAGMA application_id of a run file: "PBRU"."""

_VERSION_1: Final = """
CREATE TABLE migrations (
    version INTEGER PRIMARY KEY,
    software_version TEXT NOT NULL
) STRICT;

CREATE TABLE run (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    run_id TEXT NOT NULL,
    provenance TEXT NOT NULL,
    serial TEXT NOT NULL,
    profile_name TEXT NOT NULL,
    profile_text TEXT NOT NULL,
    profile_sha256 TEXT NOT NULL,
    pack_name TEXT NOT NULL,
    pack_text TEXT NOT NULL,
    pack_sha256 TEXT NOT NULL,
    bench_name TEXT NOT NULL,
    bench_text TEXT NOT NULL,
    bench_sha256 TEXT NOT NULL,
    software_version TEXT NOT NULL,
    started_at TEXT NOT NULL,   -- RFC 3339, UTC
    origin_ns INTEGER NOT NULL, -- monotonic instant of t_ns = 0
    seed INTEGER,
    operator TEXT,
    extra TEXT NOT NULL,        -- JSON
    log_sha256 BLOB,            -- head of the chain; NULL until the run is sealed
    records INTEGER             -- number of records; NULL until the run is sealed
) STRICT;

-- seq counts events and samples together, from 1, without gaps.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    t_ns INTEGER NOT NULL,      -- from the start of the run
    kind TEXT NOT NULL,
    data TEXT NOT NULL,         -- canonical JSON
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE samples (
    seq INTEGER PRIMARY KEY,
    t_ns INTEGER NOT NULL,
    step INTEGER NOT NULL,
    cycle INTEGER NOT NULL,
    voltage_v REAL,             -- NULL: not a number
    cycler_voltage_v REAL,
    current_a REAL,
    step_ah REAL,
    step_wh REAL,
    bms_t_ns INTEGER NOT NULL,  -- -1: never
    bms_current_a REAL,
    soc REAL,
    cell_voltages BLOB NOT NULL,    -- float64 little-endian, volt, cell 1 first
    temperatures BLOB NOT NULL,     -- float64 little-endian, degree Celsius
    hash BLOB NOT NULL
) STRICT;

CREATE VIEW steps AS SELECT seq,
    data ->> '$.number' AS number, data ->> '$.step' AS step, data ->> '$.label' AS label,
    data ->> '$.kind' AS kind, data ->> '$.cycle' AS cycle,
    data ->> '$.started_ns' AS started_ns, data ->> '$.ended_ns' AS ended_ns,
    data ->> '$.charge_ah' AS charge_ah, data ->> '$.energy_wh' AS energy_wh,
    data ->> '$.tail_ah' AS tail_ah, data ->> '$.end_reason' AS end_reason,
    data ->> '$.end_cell' AS end_cell, data ->> '$.voltage_end_v' AS voltage_end_v,
    data ->> '$.current_end_a' AS current_end_a, data ->> '$.cell_min_end_v' AS cell_min_end_v,
    data ->> '$.cell_max_end_v' AS cell_max_end_v,
    data ->> '$.temperature_min_c' AS temperature_min_c,
    data ->> '$.temperature_max_c' AS temperature_max_c,
    data ->> '$.imbalance_limited' AS imbalance_limited, data ->> '$.overshoot' AS overshoot
FROM events WHERE kind = 'step_ended';

CREATE VIEW trips AS SELECT seq, t_ns,
    data ->> '$.rule' AS rule, data ->> '$.fault_id' AS fault_id, data ->> '$.value' AS value,
    data ->> '$.limit' AS "limit", data ->> '$.unit' AS unit,
    data ->> '$.text_en' AS text_en, data ->> '$.text_zh' AS text_zh
FROM events WHERE kind = 'trip';

CREATE VIEW gaps AS SELECT seq,
    data ->> '$.started_ns' AS started_ns, data ->> '$.ended_ns' AS ended_ns,
    data ->> '$.reason' AS reason
FROM events WHERE kind = 'gap';
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """From the version before to `version`."""

    version: int
    sql: str


MIGRATIONS: Final = (Migration(1, _VERSION_1),)
SCHEMA_VERSION: Final = MIGRATIONS[-1].version


def migrate(db: Database, software_version: str) -> None:
    """Bring a file (or an empty one) to SCHEMA_VERSION, one transaction a step.

    Raises StoreError when the file is newer than this program: downgrades are refused.
    """
    found = user_version(db)
    if found > SCHEMA_VERSION:
        raise StoreError(
            f"the run file has schema version {found}, this program knows up to {SCHEMA_VERSION}: "
            "use the Packbench version that wrote it, or a newer one"
        )
    for migration in MIGRATIONS:
        if migration.version <= found:
            continue
        with db:
            db.execute(migration.sql)
            db.execute("INSERT INTO migrations VALUES (?, ?)", (migration.version, software_version))
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {migration.version}")


def require_run_file(db: Database, name: str) -> None:
    """Refuse a database that is not a run file of a version this program can read.

    Raises InputError: somebody named the wrong file.
    """
    row = db.execute("PRAGMA application_id").fetchone()
    if row is None or row[0] != APPLICATION_ID:
        raise InputError(f"{name} is not a Packbench run file")
    found = user_version(db)
    if not 1 <= found <= SCHEMA_VERSION:
        raise InputError(
            f"{name} has schema version {found}, this program reads 1 to {SCHEMA_VERSION}: use a newer Packbench"
        )


def user_version(db: Database) -> int:
    """The schema version written in the file; 0 for an empty one."""
    row = db.execute("PRAGMA user_version").fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]
