"""Tables of a waveform in a CSV file: what stands on which line.

Owns the form of such a file: a header, times in seconds that begin at 0 and rise, values in amperes or watts, one row a
line. The first thing that is wrong ends the reading and is told at its place in the file itself. Must not scale or
judge the values.
"""

from __future__ import annotations

import csv
import re

from packbench.config.document import source_lines
from packbench.config.written import NUMBER
from packbench.core.errors import InputError, Problem
from packbench.profile.plan import SourceFile

HEADERS = {
    "current": ("current_a", "Current / A"),
    "power": ("power_w", "Power / W"),
}
"""Names of the column of values; the second as the Battery Data Format writes it."""
TIME_HEADERS = ("time_s", "Test Time / s", "Test Time (s)")
ROWS_MAX = 100_000
BEYOND = 1e9
"""Neither a time in seconds nor a value is as large as this."""

Point = tuple[float, float]
"""A time in s and a value in A or W."""


def read_table(source: SourceFile, quantity: str) -> list[Point]:
    """The points of a file. Raises InputError with the line at which it stops being a table."""
    lines = source_lines(source.text)
    width = _width_of(source.name, lines[0], quantity)
    points: list[Point] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        if len(points) == ROWS_MAX:
            raise _problem(source.name, number, line, 0, f"more than {ROWS_MAX} rows", f"at most {ROWS_MAX}")
        at_s, value = _row(source.name, number, line, width)
        last_s = points[-1][0] if points else None
        if last_s is None and at_s != 0.0:
            raise _problem(source.name, number, line, 0, f"{at_s:g} s", "0 s: where the table begins")
        if last_s is not None and round(at_s * 1e9) <= round(last_s * 1e9):
            raise _problem(source.name, number, line, 0, f"{at_s:g} s", f"later than {last_s:g} s: times rise")
        points.append((at_s, value))
    if len(points) < 2:
        expected = "at least two rows: the last one says when the table ends"
        raise _problem(source.name, len(lines), lines[-1], 0, f"{len(points)} row(s) of numbers", expected)
    return points


def _width_of(file: str, line: str, quantity: str) -> int:
    """The number of columns, when the header names the two that are meant."""
    names, values = _cells(line), HEADERS[quantity]
    if len(names) >= 2 and names[0] in TIME_HEADERS and names[1] in values:
        return len(names)
    expected = f"a first row {TIME_HEADERS[0]},{values[0]}"
    if re.search(r"[;\t]", line):
        expected += " (commas between the columns, decimal points in the numbers)"
    raise _problem(file, 1, line, 0, _shown(line), expected)


def _row(file: str, number: int, line: str, width: int) -> Point:
    cells = _cells(line)
    if not 2 <= len(cells) <= width:
        expected = f"{width} columns, as in the first row"
        if len(cells) > width:
            expected += " (a decimal point in the numbers: a comma separates)"
        raise _problem(file, number, line, 0, f"{_shown(line)}, {len(cells)} column(s)", expected)
    numbers: list[float] = []
    for column, cell in enumerate(cells[:2]):
        known = float(cell) if re.fullmatch(NUMBER, cell) else BEYOND
        if abs(known) >= BEYOND:
            raise _problem(file, number, line, column, repr(cell[:40]), "a number such as 12.5")
        numbers.append(known)
    return numbers[0], numbers[1]


def _cells(line: str) -> list[str]:
    """A line's columns; one alone where its quotes are not closed."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], strict=True, skipinitialspace=True), [""])]
    except csv.Error:
        return [line]


def _shown(line: str) -> str:
    return repr(line[:60]) if line.strip() else "an empty line"


def _problem(file: str, number: int, line: str, column: int, found: str, expected: str) -> InputError:
    """What is wrong on a line, pointing at one of its columns (from 0)."""
    at = len(",".join(line.split(",")[:column])) + 1 if column else 0
    return InputError(Problem("", file, number, at + 1, "(table)", found, expected, line))
