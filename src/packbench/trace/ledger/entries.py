"""All entries of a ledger's file, one after another.

Owns the plain walk. What is no entry ends it with an error: `verify` says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from packbench.core.errors import VerificationFailed
from packbench.trace.ledger.entry import Entry, NotAnEntry, read_entry


def entries_of(path: Path) -> Iterator[Entry]:
    """Every whole line; a half one at the end was never acknowledged. Raises VerificationFailed, OSError."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                return
            try:
                yield read_entry(raw[:-1])
            except NotAnEntry as error:
                raise VerificationFailed(f"{path}: line {number}: {error}") from error
