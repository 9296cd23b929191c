"""The profile that a run ended with, where an operator changed it while its test ran.

Owns the finding of it in a record. What a step of such a run means is what the newest profile says: nothing that had
been executed could be changed (engine/editing.py), so a record's numbers of steps hold for it from the first one on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from packbench.store.meta import RunMeta, Source
from packbench.store.sources import UsedFile, kept, used_in

EDITED: Final = "profile_edited"
WITHDRAWN: Final = "request_withdrawn"
"""Kinds of events: a profile was changed; a request that had been recorded could not be carried out (`request` says
which)."""
EDIT: Final = "edit"


class Told(Protocol):
    """An event, as far as it is looked at."""

    @property
    def kind(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


class InForce(NamedTuple):
    """The profile that a run ended with, or goes on with."""

    profile: Source
    files: tuple[UsedFile, ...]


def in_force(meta: RunMeta, events: Iterable[Told]) -> InForce:
    """The last profile that a run was given, from its events in order."""
    given = [InForce(meta.profile, used_in(meta.extra))]
    for event in events:
        if event.kind == EDITED:
            profile = event.data["profile"]
            source = Source(name=str(profile["name"]), text=str(profile["text"]))
            given.append(InForce(source, used_in(profile)))
        elif event.kind == WITHDRAWN and event.data.get("request") == EDIT and len(given) > 1:
            given.pop()
    return given[-1]


def extra_of(meta: RunMeta, found: InForce) -> dict[str, Any]:
    """`meta.extra` with the files of the profile in force in the place of those that the run was begun with."""
    others = {name: value for name, value in meta.extra.items() if name != "sources"}
    return {**others, **kept(found.files, ())}
