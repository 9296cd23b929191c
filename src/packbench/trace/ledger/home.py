"""Where the bench's own ledgers are: one for what was measured and what people enter, one marked test.

    PACKBENCH_HOME/ledger/ledger.jsonl         real
    PACKBENCH_HOME/ledger/ledger-test.jsonl    test: whatever was simulated or emulated ends here

Owns these two paths. Must not decide which run goes where (`analysis.verdict` does).
"""

from __future__ import annotations

import os
import socket
from datetime import datetime
from pathlib import Path

from packbench.files import data_home
from packbench.trace.keyring import bench_key
from packbench.trace.ledger.file import REAL, TEST, Ledger


def ledger_path(purpose: str) -> Path:
    """The file of the bench's ledger for a purpose, real or test."""
    return data_home() / "ledger" / ("ledger.jsonl" if purpose == REAL else "ledger-test.jsonl")


def open_own(purpose: str, now: datetime) -> Ledger:
    """The bench's ledger for writing; made with its first entry. Raises what `Ledger.open` and the keyring raise."""
    path = ledger_path(purpose)
    if not path.exists():
        aside = path.with_name(f"{path.name}.new-{os.getpid()}")
        aside.unlink(missing_ok=True)
        Ledger.create(aside, purpose, socket.gethostname(), bench_key(now), now).close()
        aside.with_name(aside.name + ".index").unlink(missing_ok=True)
        try:
            # A link fails when the name is taken: of two processes that begin together one makes the ledger.
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return Ledger.open(path, write=True)


__all__ = ["REAL", "TEST", "ledger_path", "open_own"]
