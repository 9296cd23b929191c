"""What a profile was compiled with besides its own text: sub-profiles, tables of points, parameters.

Owns their form in a record, both ways. It exists so that a run is understood from its record alone, when the
files beside the profile have long become others. The record's hash chain covers them (`RunMeta.extra`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packbench.core.errors import InputError, Problem
from packbench.profile.language.walk import Library
from packbench.profile.plan import SourceFile

Parameters = tuple[tuple[str, str], ...]
"""(name, value as given) of a profile's parameters that were not left at their defaults."""


@dataclass(frozen=True, slots=True)
class UsedFile:
    """A file, by the name under which another one asked for it."""

    asked: str
    beside: str
    """The file that named it; empty: the profile itself."""
    file: SourceFile


class Remembering:
    """A library that passes on what another one finds, and remembers it.

    Args:
        library: Finds the files.
        own: The profile's own file.
    """

    def __init__(self, library: Library, own: str) -> None:
        self._library = library
        self._own = own
        self._used: dict[tuple[str, str], SourceFile] = {}

    def __call__(self, name: str, beside: str) -> SourceFile:
        found = self._library(name, beside)
        self._used[name, "" if beside == self._own else beside] = found
        return found

    @property
    def used(self) -> tuple[UsedFile, ...]:
        """What was found, in the order of the first question for each."""
        return tuple(UsedFile(asked, beside, file) for (asked, beside), file in self._used.items())


def kept(used: tuple[UsedFile, ...], parameters: Parameters) -> dict[str, Any]:
    """Entries for `RunMeta.extra`; empty when there is nothing to keep."""
    sources: dict[str, dict[str, Any]] = {}
    for one in used:
        file = one.file
        entry: dict[str, Any] = {"name": file.name, "sha256": file.sha256, "text": file.text, "asked": []}
        sources.setdefault(file.name, entry)["asked"].append([one.asked, one.beside])
    found: dict[str, Any] = {}
    if sources:
        found["sources"] = list(sources.values())
    if parameters:
        found["parameters"] = dict(parameters)
    return found


def parameters_in(extra: Mapping[str, Any]) -> Parameters:
    """The parameters that a record was made with."""
    return tuple((str(name), str(text)) for name, text in dict(extra.get("parameters", {})).items())


def used_in(extra: Mapping[str, Any]) -> tuple[UsedFile, ...]:
    """The files that a record was made with."""
    return tuple(
        UsedFile(str(asked), str(beside), SourceFile(str(entry["name"]), str(entry["text"]), str(entry["sha256"])))
        for entry in extra.get("sources", ())
        for asked, beside in entry["asked"]
    )


def library_of(used: tuple[UsedFile, ...], own: str) -> Library:
    """A library of these files alone. `own`: the profile's own file, as it is called this time."""
    files = {(one.asked, one.beside or own): one.file for one in used}

    def find(name: str, beside: str) -> SourceFile:
        found = files.get((name, beside))
        if found is None:
            raise InputError(Problem("not kept with the run", file=beside, found=repr(name), expected="a file kept"))
        return found

    return find
