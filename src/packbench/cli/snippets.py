"""The line that a problem is about, with a caret under the column, as compilers show it.

Owns the drawing. It must not read files (the line comes with the problem, as it was read) and must not
judge. It exists because a file:line:column is quicker seen than counted, the more so where a character
takes two cells and a tab up to eight.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from packbench.core.errors import Problem

_TAB_CELLS = 4
_AFTER_CARET = 24
"""So many cells of a long line are kept from the caret on, and more where the suggestion takes more."""
_ROOM_MIN = 24
"""Narrower than this nothing can be seen: the terminal may wrap it then."""
_CUT = "…"
_UNSHOWABLE = "\N{REPLACEMENT CHARACTER}"
"""Stands for what a terminal would obey or reorder instead of showing."""
_QUOTES = "'\""
_GUTTER_STYLE = "bright_black"
_DID_YOU_MEAN = re.compile(r"did you mean .+?\?")


def snippet(problem: Problem, width: int, style: str) -> Text | None:
    """The problem's line and a caret under it, no wider than `width` cells; None when there is no line to show.

    `style` is the caret's.
    """
    if problem.source_line is None or problem.line is None or problem.column is None:
        return None
    number = f"{problem.line:>4} | "
    blank = " " * (len(number) - 2) + "| "
    pieces = _pieces(problem.source_line)
    at = min(problem.column - 1, len(pieces))
    room = max(width - cell_len(number), _ROOM_MIN)
    said = _suggestion(problem)
    view = _window(pieces, at, room, min(max(_AFTER_CARET, cell_len(said) + _AFTER_CARET // 2), room * 2 // 3))
    length = cell_len("".join(pieces[at : min(at + _length_of(problem), view.end)]))
    caret = "^" + "~" * (length - 1)
    if view.caret + len(caret) + 1 + cell_len(said) > room:
        # The sentence above has it in full.
        said = ""
    text = Text()
    text.append(number, _GUTTER_STYLE)
    text.append(view.shown + "\n")
    text.append(blank, _GUTTER_STYLE)
    text.append(f"{' ' * view.caret}{caret} {said}".rstrip(), style)
    return text


@dataclass(frozen=True, slots=True)
class _View:
    """The part of a line that is shown."""

    shown: str
    caret: int
    """Cells before the caret."""
    end: int
    """The first character that is not shown any more."""


def _pieces(line: str) -> list[str]:
    """What is shown of each character of a line."""
    pieces: list[str] = []
    cells = 0
    for character in line:
        if character == "\t":
            piece = " " * (_TAB_CELLS - cells % _TAB_CELLS)
        elif unicodedata.category(character).startswith("C"):
            piece = _UNSHOWABLE
        else:
            piece = character
        cells += cell_len(piece)
        pieces.append(piece)
    return pieces


def _window(pieces: list[str], at: int, room: int, after: int) -> _View:
    """The whole line, or what fits around the character `at`, with a mark where something was cut off.

    `after`: cells that are kept free from there on.
    """
    whole = "".join(pieces)
    if cell_len(whole) <= room:
        return _View(whole.rstrip(), cell_len("".join(pieces[:at])), len(pieces))
    cells = [cell_len(piece) for piece in pieces]
    start, before = 0, sum(cells[:at])
    while before + after > room:
        before -= cells[start] if start else cells[start] - cell_len(_CUT)
        start += 1
    end, used = at, before
    while end < len(pieces) and used + cells[end] <= room - cell_len(_CUT):
        used += cells[end]
        end += 1
    left, right = _CUT if start else "", _CUT if end < len(pieces) else ""
    # Counted anew: some characters join into one.
    before = cell_len(left + "".join(pieces[start:at]))
    return _View((left + "".join(pieces[start:end]) + right).rstrip(), before, end)


def _length_of(problem: Problem) -> int:
    """Characters from the caret on that are what was found; at least one."""
    assert problem.source_line is not None
    assert problem.column is not None
    rest = problem.source_line[problem.column - 1 :]
    found = problem.found or ""
    bare = found[1:-1] if len(found) > 2 and found[0] in _QUOTES and found[-1] == found[0] else found
    for token in (bare, *(quote + bare + quote for quote in _QUOTES)):
        if token and rest.startswith(token):
            return len(token)
    return 1


def _suggestion(problem: Problem) -> str:
    """What to write instead, in a few words; "" when nothing is known."""
    said = _DID_YOU_MEAN.search(problem.expected or "") or _DID_YOU_MEAN.search(problem.message)
    if said is not None:
        return said[0]
    return "" if problem.expected is None else f"expected {problem.expected}"
