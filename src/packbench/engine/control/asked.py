"""Whether the operator has been asked, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that stands."""

    answer: str | None = None
    """The word given; None: nobody has answered yet."""
