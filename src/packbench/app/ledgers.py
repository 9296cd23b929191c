"""The bench's ledgers for the command line: opened, with the key that signs in them, and rotated.

Owns the pairing of a ledger with the keyring. Must not judge entries.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from packbench.core.errors import InputError, Problem
from packbench.trace import keyring
from packbench.trace.keys import PublicKey, SigningKey
from packbench.trace.ledger import states
from packbench.trace.ledger.file import Ledger
from packbench.trace.ledger.home import REAL, TEST, ledger_path, open_own


@contextmanager
def own_ledger(purpose: str, now: datetime) -> Generator[tuple[Ledger, SigningKey]]:
    """The bench's own ledger for writing, and its key."""
    key = keyring.bench_key(now)
    with open_own(purpose, now) as ledger:
        _catch_up_with_keyring(ledger, now)
        yield ledger, key


def _catch_up_with_keyring(ledger: Ledger, now: datetime) -> None:
    """Enter rotations that the keyring has and the ledger has not: whoever rotated was cut off between the two."""
    ring = {record.key_id: record for record in keyring.records()}
    while (record := ring.get(ledger.signer())) is not None and record.successor is not None:
        old, new = keyring.load_private(record.key_id), keyring.load_private(record.successor)
        if old is None or new is None:
            return
        ledger.rotate(old, new, record.reason or "", now, revoked=record.state == keyring.REVOKED)


@contextmanager
def opened(path: Path) -> Generator[Ledger]:
    """A ledger for reading. Raises InputError for one that is not there."""
    if not path.exists():
        expected = "a ledger; the bench's own begins with its first entry"
        raise InputError(Problem("", file=str(path), found="nothing", expected=expected))
    with Ledger.open(path) as ledger:
        yield ledger


def trusted_keys(files: list[Path]) -> list[PublicKey]:
    """The keys a reader trusts: those of the files, or without any, the bench's own and what lies in its key folder."""
    if files:
        return [keyring.load_public(path) for path in files]
    return list(keyring.public_keys().values())


def rotate_key(now: datetime, reason: str, *, revoke: bool) -> dict[str, Any]:
    """A new key for the bench; the old one names it in every ledger of the bench before it retires."""
    old, new = keyring.rotate(now, reason, revoke=revoke)
    entered: list[str] = []
    for purpose in (REAL, TEST):
        if ledger_path(purpose).exists():
            with open_own(purpose, now) as ledger:
                if ledger.signer() == old.key_id:
                    ledger.rotate(old, new, reason, now, revoked=revoke)
                entered.append(str(ledger.path))
    if revoke:
        keyring.forget(old.key_id)
    return {"old": old.key_id, "new": new.key_id, "revoked": revoke, "ledgers": entered}


def revoke_key(key_id: str, now: datetime, reason: str) -> dict[str, Any]:
    """Put on record that a key that signs no more is not trusted any more, in every ledger of the bench."""
    record = keyring.revoke(key_id, now, reason)
    entered: list[str] = []
    body = {"action": states.KEY_REVOKED, "kid": record.key_id, "reason": reason}
    for purpose in (REAL, TEST):
        if ledger_path(purpose).exists():
            with own_ledger(purpose, now) as (ledger, key):
                ledger.append([body], key, now)
                entered.append(str(ledger.path))
    keyring.forget(key_id)
    return {"revoked": record.key_id, "ledgers": entered}
