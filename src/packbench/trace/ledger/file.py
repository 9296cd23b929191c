"""A ledger as a file: appended under a lock, durable before it is acknowledged, mended where a write was torn.

Owns the file's bytes, its lock (flock) and the order of a write:

    lock -> catch up with what others appended -> set aside what was torn -> judge -> sign -> write -> fsync -> index

Whatever another process appended without the lock is seen: the chain is followed from the last known entry, and a line
that does not follow refuses every further append. Must not decide what a body may say (`bodies`, `book`).
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path
from typing import Any, Final, cast

from packbench.analysis.verdict import may_enter
from packbench.core.errors import InputError, Problem, StoreError, VerificationFailed
from packbench.trace.keys import PublicKey, SigningKey
from packbench.trace.ledger import states
from packbench.trace.ledger.bodies import problems_of
from packbench.trace.ledger.entry import NOTHING_BEFORE, Entry, NotAnEntry, make_entry, read_entry, sha256
from packbench.trace.ledger.index import SUFFIX, Index, Tail

REAL: Final = "real"
TEST: Final = "test"


def time_text(now: datetime) -> str:
    """An entry's time."""
    return now.astimezone(UTC).isoformat(timespec="microseconds")


class Ledger:
    """An open ledger. One object may be used by one thread."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path: Final = path
        self._handle = handle
        self.index: Final = Index(path.with_name(path.name + SUFFIX))
        self.recovered: tuple[Path, ...] = ()
        """What was torn and has been set aside."""

    @classmethod
    def create(cls, path: Path, purpose: str, name: str, key: SigningKey, now: datetime) -> Ledger:
        """A new ledger with its opening entry. Raises InputError when the file is there already."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError as error:
            raise InputError(Problem("is there already", file=str(path), field="ledger")) from error
        ledger = cls(path, handle)
        time = time_text(now)
        ledger_id = sha256(f"{key.key_id} {time} {name} {purpose} {os.urandom(8).hex()}".encode())[:20]
        body = {"action": states.OPENED, "name": name, "purpose": purpose, "key": key.public.jwk()}
        with ledger._locked():
            ledger._write([make_entry(ledger_id, 1, time, NOTHING_BEFORE, body, key)], 0)
        _sync_folder(path.parent)
        return ledger

    @classmethod
    def open(cls, path: Path, *, write: bool = False) -> Ledger:
        """An existing ledger, its index caught up. Raises InputError."""
        try:
            handle = os.open(path, os.O_RDWR if write else os.O_RDONLY)
        except OSError as error:
            found = error.strerror or str(error)
            raise InputError(Problem("cannot be opened", file=str(path), found=found, expected="a ledger")) from error
        ledger = cls(path, handle)
        with ExitStack() as undo:
            undo.callback(ledger.close)
            with ledger._locked():
                ledger._catch_up()
            undo.pop_all()
        return ledger

    def close(self) -> None:
        """Let go of the file."""
        self.index.close()
        os.close(self._handle)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def tail(self) -> Tail:
        """The last entry."""
        return self.index.tail()

    @property
    def opening(self) -> Entry:
        """The first entry: what the ledger is for, and by whose key it began."""
        place = self.index.place(1)
        if place is None:
            raise InputError(Problem("has no entry", file=str(self.path), expected="a ledger"))
        return self.read(place.at, place.length)

    @property
    def purpose(self) -> str:
        """real or test."""
        return str(self.opening.body.get("purpose"))

    def read(self, at: int, length: int) -> Entry:
        """The entry at a place of the file."""
        try:
            return read_entry(os.pread(self._handle, length, at))
        except NotAnEntry as error:
            raise VerificationFailed(f"{self.path}: byte {at}: {error}") from error

    def append(self, bodies: Sequence[Mapping[str, Any]], key: SigningKey, now: datetime) -> list[Entry]:
        """Append entries, all or none of them, durable before this returns.

        Raises InputError for what is not legal, VerificationFailed when the file has been tampered with so that its
        end does not follow, StoreError when the disk does not take it.
        """
        with self._locked():
            return self._append(self._ready(), bodies, key, now)

    def rotate(self, old: SigningKey, new: SigningKey, reason: str, now: datetime, *, revoked: bool) -> Entry:
        """The entry by which the old key names its successor, which agrees to all that stands before it."""
        with self._locked():
            tail = self._ready()
            body = rotation_body(new, old.public, reason, tail.ledger, tail.hash, revoked=revoked)
            return self._append(tail, [body], old, now)[0]

    def _ready(self) -> Tail:
        """The end of the file as it is under the lock, with nothing torn behind it."""
        self._catch_up()
        self._set_torn_aside()
        if len(self.index.ledgers()) > 1:
            expected = "a ledger of one bench"
            raise InputError(Problem("", file=str(self.path), found="a merged ledger", expected=expected))
        return self.tail

    def _append(self, tail: Tail, bodies: Sequence[Mapping[str, Any]], key: SigningKey, now: datetime) -> list[Entry]:
        # Under the lock: a key that was loaded before somebody else rotated it signs nothing any more.
        if (signer := self.signer()) != key.key_id:
            raise InputError(
                Problem("", file=str(self.path), field="key", found=key.key_id, expected=f"{signer}, which signs here")
            )
        entries: list[Entry] = []
        at = tail.end
        self._require_right_runs(bodies)
        with self.index.changing():
            seq, prev = tail.seq, tail.hash
            for body in bodies:
                seq += 1
                entry = make_entry(tail.ledger, seq, time_text(now), prev, body, key)
                self.index.take(entry, at, strict=True)
                entries.append(entry)
                at += len(entry.line) + 1
                prev = entry.hash
            self._write(entries, tail.end, is_indexed=True)
        return entries

    def add(self, bodies: Sequence[Mapping[str, Any]], key: SigningKey, now: datetime) -> list[Entry]:
        """Like `append`, for bodies that people wrote: their shape is checked first, every problem told at once."""
        problems: list[Problem] = []
        for number, body in enumerate(bodies, 1):
            found = problems_of(body)
            problems += found if len(bodies) == 1 else [_numbered(each, number) for each in found]
        if problems:
            raise InputError(problems)
        return self.append(bodies, key, now)

    def _require_right_runs(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        """The release gate: what nobody measured stays in a ledger marked test."""
        for body in bodies:
            if body.get("action") != states.RUN:
                continue
            stated = str(body.get("provenance", ""))
            if not may_enter(self.purpose, stated):
                expected = "a measured run: others enter the ledger marked test"
                raise InputError(Problem("", file=str(self.path), field="provenance", found=stated, expected=expected))

    def signer(self) -> str:
        """Id of the key that signs the next entry: the one that signed the last, or that this one named."""
        tail = self.tail
        place = self.index.place(tail.line)
        if place is None:
            return tail.kid
        body = self.read(place.at, place.length).body
        named: Any = body.get("key") if body.get("action") == states.KEY_ROTATED else None
        return str(cast("Mapping[str, Any]", named).get("kid")) if isinstance(named, Mapping) else tail.kid

    def _write(self, entries: Sequence[Entry], at: int, *, is_indexed: bool = False) -> None:
        data = b"".join(entry.line + b"\n" for entry in entries)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._handle, data[written:], at + written)
            os.fdatasync(self._handle)
        except OSError as error:
            # What is left, should that fail too, is torn: the next append sets it aside.
            with suppress(OSError):
                os.ftruncate(self._handle, at)
            raise StoreError(f"{self.path}: the ledger cannot be written: {error.strerror}") from error
        if not is_indexed:
            self._catch_up()

    def _catch_up(self) -> None:
        """Index what the file has and the index has not; start over when what it knows is not there any more."""
        tail = self.tail
        size = os.fstat(self._handle).st_size
        if size == tail.end and (tail.line == 0 or self._still_there(tail)):
            return
        with self.index.changing():
            if tail.line and (size < tail.end or not self._still_there(tail)):
                self.index.clear()
            self._index_from(self.tail)

    def _still_there(self, tail: Tail) -> bool:
        place = self.index.place(tail.line)
        return place is not None and sha256(os.pread(self._handle, place.length, place.at)) == tail.hash

    def _index_from(self, tail: Tail) -> None:
        last: dict[str, tuple[int, str]] = {tail.ledger: (tail.seq, tail.hash)} if tail.line else {}
        if tail.line and len(self.index.ledgers()) > 1:
            self.index.clear()  # a merged file is written as a whole
            tail, last = self.index.tail(), {}
        at, line = tail.end, tail.line
        with os.fdopen(os.dup(self._handle), "rb") as file:
            file.seek(at)
            for raw in file:
                if not raw.endswith(b"\n"):
                    break  # torn, or being written: it is judged under `append`
                line += 1
                try:
                    entry = read_entry(raw[:-1])
                except NotAnEntry as error:
                    raise VerificationFailed(f"{self.path}: line {line}: {error}") from error
                seq, prev = last.get(entry.ledger, (0, NOTHING_BEFORE))
                if entry.seq != seq + 1 or entry.prev != prev:
                    raise VerificationFailed(
                        f"{self.path}: line {line}: entry {entry.seq} does not follow entry {seq}: "
                        "packbench ledger verify says more"
                    )
                last[entry.ledger] = (entry.seq, entry.hash)
                self.index.take(entry, at, strict=False)
                at += len(raw)

    def _set_torn_aside(self) -> None:
        """A half line at the end was never acknowledged: it goes into a file of its own, and is said."""
        end, size = self.tail.end, os.fstat(self._handle).st_size
        if size == end:
            return
        torn = os.pread(self._handle, size - end, end)
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.torn-{number}")).exists():
            number += 1
        aside.write_bytes(torn)
        os.ftruncate(self._handle, end)
        os.fdatasync(self._handle)
        self.recovered = (*self.recovered, aside)

    @contextmanager
    def _locked(self) -> Generator[None]:
        flock(self._handle, LOCK_EX)
        try:
            yield
        finally:
            flock(self._handle, LOCK_UN)


def rotation_body(
    new: SigningKey, old: PublicKey, reason: str, ledger: str, prev: str, *, revoked: bool
) -> dict[str, Any]:
    """The entry by which the old key names its successor, with the new key's own word for it.

    That word covers the ledger and the hash of all that stands before it: whoever has stolen the old key cannot put it
    under a history of their own.
    """
    proof = new.sign(_agreed(new.key_id, old.key_id, ledger, prev))
    return {
        "action": states.KEY_ROTATED,
        "key": new.public.jwk(),
        "follows": old.key_id,
        "proof": proof.hex(),
        "reason": reason,
        "revoked": revoked,
    }


def rotation_holds(entry: Entry, new: PublicKey) -> bool:
    """Whether the successor itself agreed, to this entry in this place."""
    try:
        proof = bytes.fromhex(str(entry.body.get("proof")))
    except ValueError:
        return False
    agreed = _agreed(new.key_id, entry.key_id, entry.ledger, entry.prev)
    return entry.body.get("follows") == entry.key_id and new.verify(proof, agreed)


def _agreed(new_id: str, old_id: str, ledger: str, prev: str) -> bytes:
    return f"packbench: {new_id} follows {old_id} in {ledger} after {prev}".encode()


def _numbered(problem: Problem, number: int) -> Problem:
    return Problem(problem.message, None, number, None, problem.field, problem.found, problem.expected)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
