"""A table of members from a file: CSV, a workbook, or JSON (a list of objects).

Owns the columns' names and the errors, which name row and column. Must not judge the members.
"""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from packbench.config.document import list_of, mapping_of
from packbench.core.errors import InputError, Problem
from packbench.secondlife.regrouping.members import Member, Table

COLUMNS: dict[str, tuple[str, float]] = {
    "capacity_ah": ("capacity_ah", 1.0),
    "dcir_ohm": ("dcir_ohm", 1.0),
    "r_mohm": ("dcir_ohm", 1e-3),
    "ocv_v": ("ocv_v", 1.0),
    "soh": ("soh", 1.0),
    "voltage_v": ("voltage_v", 1.0),
    "capacity_u_ah": ("capacity_u_ah", 1.0),
}
"""Column of the file to field of a member and factor."""
_IDS = ("id", "serial")
_CURVE = ("curve_ah", "curve_v")


def read_members(path: Path) -> tuple[Table, tuple[str, ...]]:
    """The members, and the columns that nothing is made of. Raises InputError with every problem of the file."""
    members: list[Member] = []
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    rows = _rows(path)
    for line, row in rows:
        name = next((str(row[key]).strip() for key in _IDS if row.get(key) not in (None, "")), "")
        if not name:
            problems.append(Problem("", str(path), line, field="id", found="nothing", expected="a name or serial"))
            continue
        if name in lines:
            found = f"{name} again (row {lines[name]})"
            problems.append(Problem("", str(path), line, field="id", found=found, expected="each once"))
        lines.setdefault(name, line)
        values: dict[str, float | None] = {}
        for column, (field, factor) in COLUMNS.items():
            value = _number(row.get(column))
            if value is None and column != "capacity_ah":
                continue
            if value is None or not math.isfinite(value) or value <= 0 or (field == "soh" and value > 1.5):
                expected = "a fraction, as 0.82" if field == "soh" else "a number above 0"
                found = repr(row.get(column))
                problems.append(Problem("", str(path), line, field=column, found=found, expected=expected))
            else:
                values[field] = value * factor
        mean_v = _curve_mean_v(row, path, line, problems)
        if mean_v is not None:
            values.setdefault("voltage_v", mean_v)
        if "capacity_ah" in values:
            members.append(Member(name, **values))  # pyright: ignore[reportArgumentType]
    if problems:
        raise InputError(problems)
    names = dict.fromkeys(name for _, row in rows for name in row if name)
    return Table.of(members), tuple(name for name in names if name not in {*COLUMNS, *_IDS, *_CURVE})


def _curve_mean_v(row: dict[str, Any], path: Path, line: int, problems: list[Problem]) -> float | None:
    """Mean voltage of a discharge curve (JSON: two lists of the same length), over its charge. None: there is none."""
    if not any(row.get(name) for name in _CURVE):
        return None
    charge, volt = ([_number(value) for value in list_of(row.get(name)) or ()] for name in _CURVE)
    numbers = np.array([math.nan if value is None else value for value in (*charge, *volt)])
    ah, v = numbers[: len(charge)], numbers[len(charge) :]
    if len(ah) != len(v) or len(ah) < 2 or not np.isfinite(numbers).all() or (np.diff(ah) <= 0).any():
        expected = "two lists of the same length, two numbers or more each, the charge rising"
        problems.append(Problem("", str(path), line, field="curve_ah, curve_v", found="another", expected=expected))
        return None
    return float(np.trapezoid(v, ah) / (ah[-1] - ah[0]))


def _number(value: Any) -> float | None:
    """NaN: something that is no number. None: nothing there."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


def _rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(Problem(error.strerror or "cannot be read", file=str(path))) from error
    try:
        if path.suffix.lower() == ".json":
            return _json_rows(path, json.loads(data.decode("utf-8-sig")))
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            sheet = _sheet(path, data)
        else:
            sheet = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, RecursionError) as error:
        expected = "an .xlsx workbook, UTF-8 .csv or .json"
        raise InputError(Problem("not a table", file=str(path), found=str(error), expected=expected)) from error
    headers = [str(header).strip().lower() for header in sheet[0]] if sheet else []
    if "capacity_ah" not in headers or not set(_IDS) & set(headers):
        found = ", ".join(headers) or "nothing"
        raise InputError(Problem("", str(path), 1, field="header", found=found, expected="id and capacity_ah"))
    body = [(line, row) for line, row in enumerate(sheet[1:], start=2) if any(one not in ("", None) for one in row)]
    return [(line, dict(zip(headers, row, strict=False))) for line, row in body]


def _json_rows(path: Path, value: Any) -> list[tuple[int, dict[str, Any]]]:
    rows = [mapping_of(one) for one in list_of(value) or ()]
    if not rows or any(row is None for row in rows):
        raise InputError(Problem("not a table", file=str(path), found="another shape", expected="a list of objects"))
    return [(number, row) for number, row in enumerate(rows, start=1) if row is not None]


def _sheet(path: Path, data: bytes) -> list[list[Any]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    except (CalamineError, OSError) as error:
        raise InputError(Problem("not a readable workbook", file=str(path), found=str(error))) from error
