"""The bench's keys on disk: made once, private to their owner, rotated and revoked on the record.

    PACKBENCH_HOME/keys/
      KID.key.pem     the private key, mode 0600
      KID.pub.pem     its public key, for others
      keyring.json    which key signs now, which ones did, which ones are revoked, when and why

Owns these files. Must not sign entries or know of ledgers: that a rotation also enters the ledger is the ledger's
business. A private key that others may read is refused, not mended: whoever could read it may have.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any, Final

from packbench.core.errors import InputError, PackbenchError, Problem
from packbench.files import data_home
from packbench.trace.keys import PublicKey, SigningKey, private_from_pem, public_from_text

RING_NAME: Final = "keyring.json"
PRIVATE_MODE: Final = 0o600
ACTIVE: Final = "active"
RETIRED: Final = "retired"
REVOKED: Final = "revoked"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What the keyring says of one key."""

    key_id: str
    state: str
    """active, retired (it signed until it was rotated) or revoked (nothing it signs after `revoked_at` counts)."""
    created_at: str
    ended_at: str | None = None
    successor: str | None = None
    reason: str | None = None


def keys_home() -> Path:
    """The folder of the keys."""
    return data_home() / "keys"


def records() -> tuple[KeyRecord, ...]:
    """Every key the bench has or had, oldest first. Raises InputError when the file is damaged."""
    path = keys_home() / RING_NAME
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["keys"]
        return tuple(KeyRecord(**each) for each in found)
    except FileNotFoundError:
        return ()
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(Problem("is damaged", file=str(path), found=str(error), expected="a keyring")) from error


def active_record() -> KeyRecord | None:
    """The key that signs now; None before set-up."""
    return next((each for each in reversed(records()) if each.state == ACTIVE), None)


def bench_key(now: datetime) -> SigningKey:
    """The key that signs now; made on the first call.

    Raises PackbenchError when others may read its file, or when the file is another key's.
    """
    record = active_record()
    if record is None:
        with _locked():
            record = active_record()
            if record is None:
                _require_none_yet()
                key = _write_new(SigningKey.new())
                _write_ring((*records(), KeyRecord(key.key_id, ACTIVE, _text(now))))
                return key
    return _load(record.key_id)


def _require_none_yet() -> None:
    """A bench whose keys are there and whose keyring is not must not quietly begin anew with another key."""
    if not records() and (kept := next(iter(sorted(keys_home().glob("*.key.pem"))), None)) is not None:
        raise PackbenchError(
            f"{keys_home() / RING_NAME} is missing, and {kept.name} is there: put the keyring back from a backup"
        )


def load_private(key_id: str) -> SigningKey | None:
    """A key that signed before, for what it still has to say; None when it has been deleted."""
    return _load(key_id) if _private_path(key_id).exists() else None


def rotate(now: datetime, reason: str, *, revoke: bool = False) -> tuple[SigningKey, SigningKey]:
    """(old, new): a new key signs from now on; with `revoke` the old one is not trusted any more.

    The old private key stays (a ledger of it must be able to name its successor) unless it is revoked: the caller
    signs with it what the old one has to say, and then calls `forget`.
    """
    record = active_record()
    # A key that others could read can still say who follows it: that is why it goes.
    old = bench_key(now) if record is None else _load(record.key_id, as_private=not revoke)
    with _locked():
        new = _write_new(SigningKey.new())
        ended = {"ended_at": _text(now), "successor": new.key_id, "reason": reason}
        kept = [
            replace(each, state=REVOKED if revoke else RETIRED, **ended) if each.key_id == old.key_id else each
            for each in records()
        ]
        _write_ring((*kept, KeyRecord(new.key_id, ACTIVE, _text(now))))
    return old, new


def revoke(key_id: str, now: datetime, reason: str) -> KeyRecord:
    """Mark a key that signs no more as revoked. Raises InputError for one that is unknown or still signs."""
    with _locked():
        known = {each.key_id: each for each in records()}
        record = known.get(key_id)
        if record is None or record.state == ACTIVE:
            expected = "a key that was rotated out" if record else f"one of {', '.join(known) or 'none yet'}"
            raise InputError(Problem("", field="KEY", found=key_id, expected=expected))
        known[key_id] = replace(record, state=REVOKED, ended_at=_text(now), reason=reason)
        _write_ring(tuple(known.values()))
        return known[key_id]


def forget(key_id: str) -> None:
    """Delete a private key; its public key stays."""
    _private_path(key_id).unlink(missing_ok=True)


def public_keys() -> dict[str, PublicKey]:
    """Public keys by id: the bench's own, and those of others laid into its folder as NAME.pub.pem."""
    home = keys_home()
    if not home.is_dir():
        return {}
    found = [load_public(path) for path in sorted(home.glob("*.pub.pem"))]
    return {key.key_id: key for key in found}


def load_public(path: Path) -> PublicKey:
    """A public key from a PEM or JWK file. Raises InputError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or "no text"
        raise InputError(Problem("cannot be read", file=str(path), found=found, expected="a public key")) from error
    return public_from_text(text, str(path))


def _load(key_id: str, *, as_private: bool = True) -> SigningKey:
    path = _private_path(key_id)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise PackbenchError(f"{path}: the bench's key cannot be read: {error.strerror}") from error
    if as_private and mode & 0o077:
        raise PackbenchError(
            f"{path}: others may read the bench's key (mode {mode:04o}, expected {PRIVATE_MODE:04o}); "
            f"if nobody did: chmod 600, otherwise: packbench ledger key rotate --revoke"
        )
    key = private_from_pem(text, str(path))
    if key.key_id != key_id:
        raise PackbenchError(f"{path}: holds the key {key.key_id}")
    return key


def _write_new(key: SigningKey) -> SigningKey:
    home = keys_home()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(_private_path(key.key_id), key.pem(), PRIVATE_MODE)
    _write(home / f"{key.key_id}.pub.pem", key.public.pem(), 0o644)
    return key


def _write_ring(keys: tuple[KeyRecord, ...]) -> None:
    text = json.dumps({"keys": [asdict(each) for each in keys]}, indent=2)
    path = keys_home() / RING_NAME
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    _write(aside, text + "\n", 0o644)
    aside.replace(path)


def _write(path: Path, text: str, mode: int) -> None:
    """A new durable file that had its mode before its first byte."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.fchmod(handle, mode)
        os.write(handle, text.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def _private_path(key_id: str) -> Path:
    return keys_home() / f"{key_id}.key.pem"


@contextmanager
def _locked() -> Generator[None]:
    """One process at a time makes or changes keys."""
    home = keys_home()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(home / ".lock", os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
    try:
        flock(handle, LOCK_EX)
        yield
    finally:
        os.close(handle)


def _text(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds")
