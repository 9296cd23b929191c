"""The durable record of a run: event log and samples in one SQLite file, hash-chained.

Owns the run file and its exports. Must not know who records or why, and reads no clock.

    writing   RunStore.create(path, meta, durability) -> append(...), commit(), seal(), close()
              (through run/recorder.py, which owns the queue and decides when to commit)
    reading   RunReader.open(path) -> meta, events(), rows(), steps(), trips(), gaps(), verify()
    export    export_run(reader, "bdf-csv" | "bdf-parquet", path), read_bdf(path)
"""

from packbench.store.database import Durability, require_safe_sqlite
from packbench.store.export import BdfFile, export_run, read_bdf
from packbench.store.meta import RunMeta, Source
from packbench.store.reader import LoggedEvent, RunReader, SampleTable, Verified
from packbench.store.writer import RunStore

__all__ = [
    "BdfFile",
    "Durability",
    "LoggedEvent",
    "RunMeta",
    "RunReader",
    "RunStore",
    "SampleTable",
    "Source",
    "Verified",
    "export_run",
    "read_bdf",
    "require_safe_sqlite",
]
