"""A profile that is changed while its test runs, made ready for it.

Owns the form of an edit in a request, and the compiling of one: a changed profile meets the same pack, bench,
parameters and checker as the first one did. What may change is the engine's to say (engine/editing.py); how it is found
again in the record is the store's (store/edits.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packbench.app.disk import room_for
from packbench.app.job import Job, Texts, find_beside, job_of_texts
from packbench.core.errors import InputError, Problem
from packbench.run.controls import Draft, Drafts
from packbench.store.meta import RunMeta, Source
from packbench.store.sources import Remembering, kept, library_of, parameters_in, used_in


def profile_of(job: Job) -> dict[str, Any]:
    """A job's profile as an edit states it."""
    source = job.profile_source
    return {"name": source.name, "text": source.text, **kept(job.files, ())}


def drafts_of(job: Job, folder: Path | None = None) -> Drafts:
    """Compiles edits for a run of this job.

    `folder`: of a run on the wall clock, which has a pack to watch meanwhile and a disk that may be too small.
    """

    async def draft(profile: Mapping[str, Any]) -> Draft:
        if folder is None:
            edited = _compiled(job, profile)
        else:
            edited = await asyncio.to_thread(_compiled, job, profile)
            _require_more_room(job, edited, folder)
        return Draft(edited.plan, edited.limits, {"profile": profile_of(edited)})

    return draft


def drafted(meta: RunMeta, profile: Source) -> Job:
    """A changed profile compiled and checked for a recorded run, with files beside it. Raises InputError."""
    settings = tuple(str(word) for word in meta.extra.get("settings", ()))
    texts = Texts(profile, meta.pack, meta.bench, settings, parameters_in(meta.extra))
    return job_of_texts(texts, Remembering(find_beside, profile.name))


def _require_more_room(job: Job, edited: Job, folder: Path) -> None:
    """Raises InputError when what the changed profile may record more than the first one does not fit on the disk."""
    room = room_for(edited, folder)
    more = replace(room, needed_bytes=room.needed_bytes - room_for(job, folder).needed_bytes)
    if not more.fits:
        raise InputError(more.problem())


def _compiled(job: Job, profile: Mapping[str, Any]) -> Job:
    try:
        source = Source(name=str(profile["name"]), text=str(profile["text"]))
        library = library_of(used_in(profile), source.name)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        expected = "{name, text, sources}"
        raise InputError(Problem("cannot be read", field="profile", found=str(error), expected=expected)) from error
    texts = Texts(source, job.pack_source, job.bench_source, job.settings, job.parameters)
    edited = job_of_texts(texts, Remembering(library, source.name))
    # Warnings are for whoever wrote it: the command line has shown them.
    return replace(edited, warnings=())
