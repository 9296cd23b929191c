"""A profile that was changed while its test ran: made ready for it, and found again in the record.

Owns the form of an edit, in a request and in the record, both ways, and the compiling of one. A changed profile meets
the same pack, bench, parameters and checker as the first one did. What a step of a test that was edited means is what
the newest plan says: the engine lets nothing change that has been executed (engine/editing.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from packbench.app.job import Job, Texts, find_beside, job_of_texts
from packbench.core.errors import InputError, Problem
from packbench.run.controls import EVENTS, WITHDRAWN, Draft, Drafts
from packbench.store.meta import RunMeta, Source
from packbench.store.reader import LoggedEvent
from packbench.store.sources import Remembering, UsedFile, kept, library_of, parameters_in, used_in


class InForce(NamedTuple):
    """The profile that a run ended with, or goes on with."""

    profile: Source
    files: tuple[UsedFile, ...]


def profile_of(job: Job) -> dict[str, Any]:
    """A job's profile as an edit states it."""
    source = job.profile_source
    return {"name": source.name, "text": source.text, **kept(job.files, ())}


def drafts_of(job: Job, *, threaded: bool) -> Drafts:
    """Compiles edits for a run of this job. `threaded`: beside the loop, which has a pack to watch meanwhile."""

    async def draft(profile: Mapping[str, Any]) -> Draft:
        edited = await asyncio.to_thread(_compiled, job, profile) if threaded else _compiled(job, profile)
        return Draft(edited.plan, edited.limits, {"profile": profile_of(edited)})

    return draft


def drafted(meta: RunMeta, profile: Source) -> Job:
    """A changed profile compiled and checked for a recorded run, with files beside it. Raises InputError."""
    settings = tuple(str(word) for word in meta.extra.get("settings", ()))
    texts = Texts(profile, meta.pack, meta.bench, settings, parameters_in(meta.extra))
    return job_of_texts(texts, Remembering(find_beside, profile.name))


def in_force(meta: RunMeta, events: Iterable[LoggedEvent]) -> InForce:
    """The last profile that a run was given, from its events in order."""
    given = [InForce(meta.profile, used_in(meta.extra))]
    for event in events:
        if event.kind == EVENTS["edit"]:
            profile = event.data["profile"]
            source = Source(name=str(profile["name"]), text=str(profile["text"]))
            given.append(InForce(source, used_in(profile)))
        elif event.kind == WITHDRAWN and event.data.get("request") == "edit":
            given.pop()
    return given[-1]


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
