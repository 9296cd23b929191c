"""A profile's text read into checked step sources, in the order in which the engine will meet them.

Owns everything about a profile that needs no pack: keys, types, labels, jumps. Must not resolve a value.
The file's author reads every problem at once.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from packbench.config.document import Document, Path, list_of, load_document, mapping_of
from packbench.core.errors import InputError, Problem
from packbench.profile.language.schema import ProfileModel
from packbench.profile.language.walk import Library, StepSource, Unit, Walk
from packbench.profile.plan import SourceFile


def no_library(name: str, beside: str) -> SourceFile:
    """A profile that may use no other file."""
    raise InputError(Problem("no such file", file=beside, found=repr(name), expected="a profile that needs no other"))


@dataclass(slots=True)
class LoadedProfile:
    """A profile as far as it can be understood without a pack."""

    unit: Unit
    """The file itself."""
    steps: list[StepSource]
    units: list[Unit]
    """Every file's share, in the order in which they were met."""
    sources: list[SourceFile]
    problems: list[Problem]
    traps: list[Problem]
    """Those of them that the reader of YAML refused."""
    explicit_end: bool = False

    @property
    def document(self) -> Document:
        """The file itself, with the places of its values."""
        return self.unit.document

    @property
    def model(self) -> ProfileModel | None:
        """The file as a whole; None: it had problems."""
        return self.unit.model


def load_profile(text: str, file: str, library: Library = no_library) -> LoadedProfile:
    """Read a profile. Raises InputError only for text that is no YAML; see `problems` for the rest."""
    document = load_document(text, file)
    walk = Walk(library)
    unit = walk.unit_of(document, "", ())
    last = walk.steps[-1] if walk.steps else None
    explicit_end = last is not None and last.kind == "end" and last.unit is unit and not last.loops
    if explicit_end and last is not None and "end" not in unit.labels:
        unit.targets["end"] = last.index
    loaded = LoadedProfile(unit, walk.steps, walk.units, walk.sources, walk.problems, walk.traps, explicit_end)
    loaded.problems += _jumps(loaded)
    return loaded


def without_shadows(problems: list[Problem], traps: list[Problem]) -> list[Problem]:
    """The problems without those that only follow from what YAML would have read as something else."""
    places = {(trap.file, trap.line, trap.column): trap for trap in traps}
    return [
        problem
        for problem in problems
        if (trap := places.get((problem.file, problem.line, problem.column))) is None or problem == trap
    ]


def _jumps(loaded: LoadedProfile) -> list[Problem]:
    """Every goto lands, forward, and never in the middle of a loop it is outside of."""
    problems: list[Problem] = []
    for source in loaded.steps:
        document, targets = source.unit.document, source.unit.targets
        for goto, path in gotos(document, source):
            found = f"goto {goto!r}"
            target = targets.get(goto)
            if target is None:
                near = difflib.get_close_matches(goto, [label for label in targets if label], n=1)
                expected = f"the label of a later step{f' (did you mean {near[0]!r}?)' if near else ''}"
                problems.append(document.problem("goto nowhere", path, found, expected))
            elif target <= source.index:
                expected = "a later step: going back is what `loop` is for, and a loop ends"
                problems.append(document.problem("goto backwards", path, found, expected))
            elif not _may_enter(loaded, source, target):
                expected = "a step of the same loop, one after it, or a loop's first step"
                problems.append(document.problem("goto into a loop", path, found, expected))
    return problems


def gotos(document: Document, source: StepSource) -> list[tuple[str, Path]]:
    """The jumps of a step and where they stand, from the text itself: also of a step with other problems."""
    if source.kind in ("loop", "set", "end", ""):
        return []
    path = source.path
    body = document.at(path)
    if source.kind == "goto":
        return [(body, path)] if isinstance(body, str) else _one((mapping_of(body) or {}).get("to"), (*path, "to"))
    found: list[tuple[str, Path]] = []
    for word, answer in (mapping_of((mapping_of(body) or {}).get("answers")) or {}).items():
        found += _one((mapping_of(answer) or {}).get("goto"), (*path, "answers", word, "goto"))
    until = (mapping_of(body) or {}).get("until")
    several = list_of(until)
    here = (*path, "until")
    places = [(until, here)] if several is None else [(item, (*here, at)) for at, item in enumerate(several)]
    for item, place in places:
        found += _one((mapping_of(item) or {}).get("goto"), (*place, "goto"))
    return found


def _one(goto: object, path: Path) -> list[tuple[str, Path]]:
    return [(goto, path)] if isinstance(goto, str) else []


def _may_enter(loaded: LoadedProfile, source: StepSource, target: int) -> bool:
    if target >= len(loaded.steps):
        return True
    around = [loop for loop in loaded.steps[target].loops if loop not in source.loops]
    return all(loop.start == target for loop in around)
