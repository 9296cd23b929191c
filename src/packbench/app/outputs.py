"""Where a command may write: never over what the bench cannot do without.

Owns the refusal, before anything is written, of an --out that names a record, its signature, a ledger, or anything in
the folders of keys and ledgers: a slip in a file's name must not cost evidence, or the key that signs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from packbench.app.places import DATA_NAME
from packbench.core.errors import InputError, Problem
from packbench.files import data_home
from packbench.trace.signatures import SIGNATURE_NAME

_BEGINNINGS: Final = (b"SQLite format 3\x00", b'{"body":{', b"-----BEGIN PRIVATE KEY", b"-----BEGIN ENCRYPTED PRIVATE")
"""Of a record, a ledger, a key: whatever their names are."""


def require_harmless(path: Path) -> Path:
    """The path, when writing there destroys nothing that is evidence. Raises InputError."""
    # A link is judged by where it leads: that is what would be written.
    target = path.resolve()
    kept = [data_home() / name for name in ("keys", "ledger")]
    inside = next((folder for folder in kept if target.is_relative_to(folder.resolve())), None)
    if inside is not None:
        raise _refused(path, f"a place in {inside}", "another folder: what is there is the bench's evidence")
    if target.name in (DATA_NAME, SIGNATURE_NAME) or (target.is_file() and _beginning(target) is not None):
        raise _refused(path, "a record, its signature, a ledger or a key", "another name")
    return path


def _beginning(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            first = file.read(64)
    except OSError:
        return None
    return next((each for each in _BEGINNINGS if first.startswith(each)), None)


def _refused(path: Path, found: str, expected: str) -> InputError:
    return InputError(Problem("", str(path), field="--out", found=found, expected=expected))
