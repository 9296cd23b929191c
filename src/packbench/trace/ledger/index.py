"""The index beside a ledger: where each entry is, which codes it concerns, what each code's state is.

Owns `LEDGER.index`, a SQLite file that can be deleted at any time: it is made again from the ledger. Nothing is ever
verified against it. It exists so that a query among a hundred thousand entries takes milliseconds, and so that an
entry can be judged without reading the whole ledger.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from packbench.core.errors import InputError, StoreError
from packbench.trace.ledger import states
from packbench.trace.ledger.assets import Asset, asset_from_json, asset_to_json
from packbench.trace.ledger.book import Book
from packbench.trace.ledger.entry import Entry
from packbench.trace.ledger.merkle import leaf_hash

SUFFIX: Final = ".index"
_SCHEMA_VERSION: Final = 3
_SCHEMA: Final = """
CREATE TABLE entries(line INTEGER PRIMARY KEY, ledger TEXT, seq INTEGER, time TEXT, action TEXT, kid TEXT,
    hash TEXT, at INTEGER, length INTEGER, leaf BLOB);
CREATE TABLE codes(code TEXT, line INTEGER, PRIMARY KEY(code, line)) WITHOUT ROWID;
CREATE TABLE assets(code TEXT PRIMARY KEY, asset TEXT) WITHOUT ROWID;
CREATE TABLE held(holder TEXT, code TEXT, PRIMARY KEY(holder, code)) WITHOUT ROWID;
CREATE TABLE bound(code TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE ledgers(ledger TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE conflicts(line INTEGER PRIMARY KEY, what TEXT);
"""


class Place(NamedTuple):
    """Where an entry's line is."""

    line: int
    """From 1."""
    seq: int
    at: int
    """Byte of the file."""
    length: int


class Tail(NamedTuple):
    """The last entry that the index knows."""

    line: int
    ledger: str
    seq: int
    time: str
    kid: str
    hash: str
    end: int
    """Byte behind its line end."""


NOTHING: Final = Tail(0, "", 0, "", "", "", 0)


def run_key(run_id: str) -> str:
    """What a run is looked up by; no code has a line feed."""
    return f"run\n{run_id}"


class DictAssets:
    """Assets in memory: for a fold of its own."""

    def __init__(self) -> None:
        self.by_code: dict[str, Asset] = {}

    def get(self, code: str) -> Asset | None:
        found = self.by_code.get(code)
        return None if found is None else copy.deepcopy(found)

    def put(self, asset: Asset) -> None:
        self.by_code[asset.code] = asset


class Index:
    """An open index; `path` None: in memory."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._db = _opened(path)
        self._book = Book(self)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def tail(self) -> Tail:
        """The last entry it knows."""
        row = self._row(
            "SELECT line, ledger, seq, time, kid, hash, at + length + 1 FROM entries ORDER BY line DESC LIMIT 1"
        )
        return NOTHING if row is None else Tail(*row)

    @contextmanager
    def changing(self) -> Generator[None]:
        """A change that is kept as a whole, or not at all; without a sync, since the ledger itself is the truth."""
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        finally:
            if not self._db.getautocommit():
                self._run("ROLLBACK")

    def clear(self) -> None:
        """Forget everything."""
        for table in ("entries", "codes", "assets", "held", "bound", "ledgers", "conflicts"):
            self._run(f"DELETE FROM {table}")

    def take(self, entry: Entry, at: int, *, strict: bool) -> tuple[str, ...]:
        """Fold one entry in; `at`: the first byte of its line. Raises InputError when `strict` and it is not legal.

        Not strict (entries that are in the file already): what is not legal is kept as a conflict.
        """
        line = (self._row("SELECT coalesce(max(line), 0) + 1 FROM entries") or (1,))[0]
        try:
            codes = self._book.apply(entry.body, entry.seq, entry.time)
        except InputError as error:
            if strict:
                raise
            codes = (str(entry.body.get("code", "")),)
            self._run("INSERT INTO conflicts VALUES(?, ?)", (line, str(error)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # A body of a shape that no version of ours writes, yet signed: it is no reason to fall over.
            codes = ()
            self._run("INSERT INTO conflicts VALUES(?, ?)", (line, f"not understood: {error}"))
        fields = (line, entry.ledger, entry.seq, entry.time, str(entry.body.get("action")), entry.key_id, entry.hash)
        self._run(
            "INSERT INTO entries VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*fields, at, len(entry.line), leaf_hash(entry.line)),
        )
        self._run("INSERT OR IGNORE INTO ledgers VALUES(?)", (entry.ledger,))
        if entry.body.get("action") == states.RUN:
            codes = (*codes, run_key(str(entry.body.get("run_id"))))
        for code in codes:
            if code:
                self._run("INSERT OR IGNORE INTO codes VALUES(?, ?)", (code, line))
        return codes

    def get(self, code: str) -> Asset | None:
        """An asset (`book.Assets`)."""
        row = self._row("SELECT asset FROM assets WHERE code = ?", (code,))
        return None if row is None else asset_from_json(row[0])

    def put(self, asset: Asset) -> None:
        """Keep an asset (`book.Assets`)."""
        self._run("INSERT OR REPLACE INTO assets VALUES(?, ?)", (asset.code, asset_to_json(asset)))
        self._run("DELETE FROM held WHERE code = ?", (asset.code,))
        for holder in {portion.holder for portion in asset.portions if portion.holder}:
            self._run("INSERT INTO held VALUES(?, ?)", (holder, asset.code))
        if asset.open_obligations:
            self._run("INSERT OR IGNORE INTO bound VALUES(?)", (asset.code,))
        else:
            self._run("DELETE FROM bound WHERE code = ?", (asset.code,))

    def places(self, code: str) -> list[Place]:
        """Where the entries of a code are, in their order."""
        sql = "SELECT line, seq, at, length FROM codes JOIN entries USING(line) WHERE code = ? ORDER BY line"
        return [Place(*row) for row in self._rows(sql, (code,))]

    def place(self, line: int) -> Place | None:
        """Where the entry of a line is."""
        row = self._row("SELECT line, seq, at, length FROM entries WHERE line = ?", (line,))
        return None if row is None else Place(*row)

    def between(self, begin: str, end: str, limit: int) -> list[Place]:
        """Entries of a stretch of time, the newest `limit` of them, in their order."""
        sql = "SELECT line, seq, at, length FROM entries WHERE time >= ? AND time < ? ORDER BY line DESC LIMIT ?"
        return [Place(*row) for row in reversed(list(self._rows(sql, (begin, end, limit))))]

    def held_by(self, holder: str) -> list[Asset]:
        """Everything of a holder."""
        sql = "SELECT asset FROM held JOIN assets USING(code) WHERE holder = ? ORDER BY code"
        return [asset_from_json(row[0]) for row in self._rows(sql, (holder,))]

    def bound(self) -> list[Asset]:
        """Everything with an open obligation."""
        rows = self._rows("SELECT asset FROM bound JOIN assets USING(code) ORDER BY code")
        return [asset_from_json(row[0]) for row in rows]

    def all_assets(self) -> Iterator[Asset]:
        """Every asset, by code."""
        for row in self._rows("SELECT asset FROM assets ORDER BY code"):
            yield asset_from_json(row[0])

    def holders(self) -> list[str]:
        """Every holder."""
        return [row[0] for row in self._rows("SELECT DISTINCT holder FROM held ORDER BY holder")]

    def conflicts(self) -> list[tuple[int, str]]:
        """(line, what) of entries that are not legal where they stand."""
        return [(row[0], row[1]) for row in self._rows("SELECT line, what FROM conflicts ORDER BY line")]

    def similar(self, code: str) -> list[str]:
        """Known codes that begin or end like one that is not known."""
        sql = "SELECT code FROM assets WHERE code LIKE ? ESCAPE '!' LIMIT 3"
        return [row[0] for row in self._rows(sql, (f"%{_like(code[-6:])}%",))] if len(code) >= 4 else []

    def leaves(self) -> list[bytes]:
        """Leaf hashes in the order of the file."""
        return [bytes(row[0]) for row in self._rows("SELECT leaf FROM entries ORDER BY line")]

    def ledgers(self) -> list[str]:
        """Ids of the ledgers in the file."""
        return [row[0] for row in self._rows("SELECT ledger FROM ledgers ORDER BY ledger")]

    def _run(self, sql: str, values: tuple[Any, ...] = ()) -> None:
        try:
            self._db.execute(sql, values)
        except apsw.Error as error:
            raise StoreError(f"{self._path}: the ledger's index: {error}") from error

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(sql, values)
        except apsw.Error as error:
            raise StoreError(f"{self._path}: the ledger's index: {error}") from error

    def _row(self, sql: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        return next(iter(self._rows(sql, values)), None)


def _like(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _opened(path: Path | None) -> Any:
    """A database with the schema; one that is damaged or of another version is made anew."""
    if path is not None:
        try:
            return _prepared(path)
        except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError):
            path.unlink(missing_ok=True)
            return _prepared(path)
        except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError):
            pass  # a ledger in a folder that is not ours: read all of it, every time
    return _prepared(None)


def _prepared(path: Path | None) -> Any:
    db: Any = apsw.Connection(":memory:" if path is None else str(path))
    db.set_busy_timeout(10_000)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA journal_mode = MEMORY")
    (version,) = next(iter(db.execute("PRAGMA user_version")))
    if version != _SCHEMA_VERSION:
        for (name,) in list(db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")):
            db.execute(f'DROP TABLE "{name}"')
        db.execute(_SCHEMA)
        db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    return db
