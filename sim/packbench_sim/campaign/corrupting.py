"""A record on a disk that changes what it holds: one letter of one event or one figure of one sample, in a copy.

Owns the change and the question whether verifying finds it, and says where. (tests/unit/test_store.py changes every
byte.)
"""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

from packbench.core.errors import InputError, VerificationFailed
from packbench.store.database import Durability, open_writer
from packbench.store.reader import RunReader


def missed(record: Path, rng: Random) -> str:
    """What verifying a changed copy of a sealed record fails to say; empty: it names the record that was changed."""
    copy = record.with_name("corrupt.db")
    shutil.copyfile(record, copy)
    db = open_writer(copy, Durability.PROCESS_SAFE, create=False)
    table = rng.choice(("events", "samples"))
    seqs = [seq for (seq,) in db.execute(f"SELECT seq FROM {table}").fetchall()]
    if not seqs:
        table, seqs = "events", [seq for (seq,) in db.execute("SELECT seq FROM events").fetchall()]
    seq = rng.choice(seqs)
    if table == "samples":
        db.execute("UPDATE samples SET current_a = current_a + 0.001 WHERE seq = ?", (seq,))
    else:
        db.execute("UPDATE events SET kind = kind || 'x' WHERE seq = ?", (seq,))
    db.close()
    try:
        with RunReader.open(copy) as reader:
            reader.verify()
    except (InputError, VerificationFailed) as error:
        # Nothing is before the first but the description of the run: nobody can tell which of the two it was.
        named = (
            f"record {seq} has been changed" if seq > 1 else "record 1 or the description of the run has been changed"
        )
        return "" if named in str(error) else f"record {seq} was changed; it says: {error}"
    finally:
        copy.unlink()
    return f"record {seq} was changed, and it verifies"
