"""What a report consists of, before anyone decides on HTML or PDF.

Owns the shapes alone. It exists so that both renderings hold the same content by construction.
All strings are plain text, already in the reader's language; renderers escape them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from packbench.report.texts import Lang

Tone = Literal["plain", "good", "bad", "warn", "note"]
Align = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure or one word with its label."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `share` is its part of the width in print, relative to its neighbours."""

    label: str
    align: Align = "left"
    share: float = 1.0
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; rows in `strong` are set off (sums, weakest, overdue)."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()
    """Positions from 0."""
    note: str = ""
    narrow: bool = False
    """True: the few columns stand closer together than the page is wide."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One finished drawing. `key` finds its title and caption in texts as fig.<key>."""

    key: str
    svg: str
    cycle: int | None = None
    """The cycle that the zoom shows."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its caption, as SVG text."""

    key: str
    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    body: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A trip: the red box."""

    title: str
    body: str
    """What happened, in words a non-programmer understands."""
    facts: tuple[str, ...]
    after: str


Block = Table | Picture | Paragraph


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the report."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One report in one language."""

    lang: Lang
    title: str
    subtitle: str
    run_label: str
    run_id: str
    made_with: str
    page_of: str
    """With {page} and {pages} left to fill in."""
    watermark: str | None
    """None: measured data carries no watermark."""
    provenance: str
    provenance_note: str
    verdict: str
    verdict_note: str
    verdict_tone: Tone
    alarms: tuple[Alarm, ...]
    """The trips, shown before any figure."""
    facts: tuple[Fact, ...]
    """Beside the verdict; the first one is what the run was to find. A pack that was turned away has none."""
    identity: tuple[Fact, ...]
    """The few lines at the head: which battery, when, where."""
    footnote: str
    sections: tuple[Section, ...]
    ended_at: str
    """RFC 3339; the date of the PDF file."""
