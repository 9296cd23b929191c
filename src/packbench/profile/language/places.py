"""Where each thing of a plan stands in the text, for problems that are found later.

Owns the way from a step's path to the attributes that `checking` knows. Must not judge anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from packbench.config.document import Document, Path, field_text, list_of, mapping_of
from packbench.profile.language.walk import StepSource, Unit
from packbench.profile.plan import Place

_LISTS = ("until", "when", "train", "read_outs", "points", "temperature")
"""Keys whose items have places of their own."""


@dataclass(slots=True)
class PlaceBook:
    """(step index, attribute) to its place; index -1 for the profile's own keys."""

    places: dict[tuple[int, str], Place] = field(default_factory=dict[tuple[int, str], Place])

    def note(self, index: int, attribute: str, path: Path, unit: Unit) -> None:
        """Remember where `path` and everything directly below it stands."""
        document = unit.document
        data = document.at(path)
        self.places[index, attribute] = place_of(document, path, unit, key=not attribute)
        for key in mapping_of(data) or {}:
            self.note(index, f"{attribute}.{key}" if attribute else key, (*path, key), unit)
        if attribute.rpartition(".")[2] in _LISTS:
            for position in range(len(list_of(data) or ())):
                self.note(index, f"{attribute}.{position}", (*path, position), unit)

    def note_step(self, source: StepSource) -> None:
        """Remember where a step's own keys stand."""
        if source.kind != "loop":
            self.note(source.index, "", source.path, source.unit)
            return
        # A loop's steps have places of their own.
        document = source.unit.document
        self.places[source.index, ""] = place_of(document, source.path, source.unit, key=True)
        for key in mapping_of(document.at(source.path)) or {}:
            if key != "steps":
                self.note(source.index, key, (*source.path, key), source.unit)


def place_of(document: Document, path: Path, unit: Unit, *, key: bool = False) -> Place:
    """The place of a path; of a sub-profile's with its file."""
    mark = document.mark(path, key=key)
    file = "" if unit.parent is None else document.file
    return Place(mark.line, mark.column, field_text(path), file, document.line(mark))
