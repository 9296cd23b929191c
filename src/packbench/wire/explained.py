"""One frame, taken apart and put together again.

Owns the shape in which every protocol says what a frame means (its `explain` function), for golden captures,
`devices check` and property tests. It exists so that one test can hold every protocol to the same two
promises: a frame decodes to what its source states, and what was decoded encodes to the very same bytes.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Direction = Literal["request", "reply"]


class Explained(NamedTuple):
    """What a frame says."""

    values: dict[str, Any]
    """By name, in SI units; the names of `core.samples` where it has one."""
    again: bytes
    """The frame made anew from what was decoded (not a copy of what came in)."""
