"""Going on with a recorded run: from its folder to a job and what is to be resumed.

Owns the reading of the record: the texts that the run was made with are in it, and are what it goes on with, whatever
has become of the files. Must not touch a device.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from packbench.app.job import Job, Texts, job_of_texts
from packbench.app.places import DATA_NAME
from packbench.clock import Clock
from packbench.core.errors import InputError
from packbench.run.resuming import Resumption, Stood, stood
from packbench.store.edits import in_force
from packbench.store.meta import RunMeta
from packbench.store.reader import RunReader
from packbench.store.sources import Remembering, library_of, parameters_in


def recorded(folder: Path) -> tuple[RunMeta, Job, Stood]:
    """A run that may go on. Raises InputError for one that cannot, VerificationFailed when its record was changed."""
    with RunReader.open(folder / DATA_NAME) as reader:
        reader.verify()
        where, meta = stood(reader), reader.meta
        profile, files = in_force(meta, reader.events())
    settings = tuple(str(word) for word in meta.extra.get("settings", ()))
    texts = Texts(profile, meta.pack, meta.bench, settings, parameters_in(meta.extra))
    library = library_of(files, profile.name)
    job = job_of_texts(texts, Remembering(library, profile.name))
    if job.program is not None:
        raise InputError("a program that a cycler runs by itself cannot be gone on with: start the run anew")
    return meta, job, where


def resumption(where: Stood, job: Job, clock: Clock, operator: str) -> Resumption:
    """What is to be resumed now. The gap is told by the monotonic clock, or by the wall's after a new start of it."""
    now_ns = clock.now_ns()
    if where.boot_id and where.boot_id == clock.boot_id:
        away_ns = now_ns - where.mono_ns
    else:
        away_ns = round((clock.wall() - datetime.fromisoformat(where.wall)).total_seconds() * 1e9)
    return Resumption(where, job.bench, max(away_ns, 0), now_ns, operator)
