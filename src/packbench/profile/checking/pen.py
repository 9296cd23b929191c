"""Writes Problems that point at the profile's own lines.

Owns the way from a step's attribute back to the text that states it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packbench.core.errors import Problem
from packbench.profile.plan import Place

Places = Mapping[tuple[int, str], Place]


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes Problems about one step (or about the profile, index -1), pointing at its lines."""

    index: int
    file: str
    places: Places

    def states(self, attribute: str) -> bool:
        """Whether the text says something of an attribute; without places, it may have."""
        return (self.index, attribute) in self.places or not self.places

    def write(self, attribute: str, message: str, found: str, expected: str) -> Problem:
        """A Problem about an attribute, at its own place or the nearest one around it."""
        key = attribute
        while (place := self.places.get((self.index, key))) is None and key:
            key = key.rpartition(".")[0]
        # What the file does not have is named under the nearest thing it has; a list that the file
        # writes as one value has no items.
        missing = [part for part in attribute[len(key) :].split(".") if part and part != "tests" and not part.isdigit()]
        if place is None:
            around = f"steps[{self.index + 1}]" if self.index >= 0 else ""
            field = ".".join(part for part in (around, attribute) if part)
            return Problem(message, self.file, None, None, field, found, expected)
        field = ".".join([place.field, *missing])
        file = place.file or self.file
        return Problem(message, file, place.line, place.column, field, found, expected, place.source_line)


def lasting_text(seconds: float) -> str:
    """A time as people say it: 30 min, 24 h, 1.5 s."""
    for unit, factor in (("h", 3600), ("min", 60)):
        if seconds >= factor and seconds % factor == 0:
            return f"{seconds / factor:g} {unit}"
    return f"{seconds:.6g} s"
