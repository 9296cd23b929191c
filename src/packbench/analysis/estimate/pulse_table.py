"""Reading pulse tests: PulseBat's feature sheets (.xlsx), or the same columns as .csv.

Owns which header is what, in any order and any case, and the sheets of a workbook: one with all tests, or one a SOC
level. Must not judge values: rows without a number stay NaN, for the trainer to leave out and the estimate to refuse.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from packbench.analysis.estimate.features import VOLTAGES
from packbench.analysis.estimate.pulse_data import PulseTests
from packbench.core.errors import InputError, Problem

Rows = Sequence[Sequence[Any]]
COLUMNS = {
    "cell": ("id", "cell", "cell_id", "serial", "battery", "pack", "no.", "编号", "电芯"),
    "nominal": ("qn", "nominal_ah", "nominal capacity / ah", "rated_ah", "额定容量"),
    "capacity": ("q", "capacity_ah", "capacity / ah", "容量"),
    "soh": ("soh",),
    "fraction": ("socr", "counted_soc"),
    "percent": ("soc",),
    "material": ("mat", "material", "chemistry", "材料"),
    "width": ("pt", "pulse_s", "pulse width / s"),
}
"""Ours to the headers that mean it, the better ones first."""
_VOLTAGE = re.compile(r"u_?(\d{1,2})(?:\s*/\s*v)?")
MILLIVOLT_FROM = 100.0
"""A single cell's or a pack's voltage in V is below this many times 10; larger medians are in mV."""


@dataclass(frozen=True, slots=True, eq=False)
class PulseFile:
    """A file of pulse tests."""

    tests: PulseTests
    sha256: str
    pulse_s: float | None
    """Width of the pulses; None: the file does not say."""


def is_pulse_table(path: Path) -> bool:
    """Whether a workbook or table has U1 to U21 among its headers."""
    try:
        return bool(_with_voltages(_sheets(path, path.read_bytes())))
    except (InputError, OSError):
        return False


def read_pulse_table(path: Path) -> PulseFile:
    """Read a file. Raises InputError that says what is missing."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror or error}", file=str(path))) from error
    found = _with_voltages(_sheets(path, data))
    if not found:
        expected = f"columns U1 to U{VOLTAGES}, with ID, Q and Qn or SOH to train"
        raise InputError(Problem("no pulse tests", file=str(path), found="no sheet with them", expected=expected))
    whole = max(found, key=len)
    pieces = [whole] if len(whole) - 1 >= sum(len(rows) - 1 for rows in found if rows is not whole) else found
    columns: dict[str, list[Any]] = {}
    for rows in pieces:
        for name, values in _columns(rows).items():
            columns.setdefault(name, []).extend(values)
    tests = _tests(columns)
    widths = _numbers(columns["width"])
    known = widths[np.isfinite(widths)]
    if known.size and known.min() != known.max():
        span = f"{known.min():g} to {known.max():g} s"
        raise InputError(Problem("several pulse widths", file=str(path), field="Pt", found=span, expected="one width"))
    return PulseFile(tests, hashlib.sha256(data).hexdigest(), float(known[0]) if known.size else None)


def _sheets(path: Path, data: bytes) -> list[Rows]:
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        from python_calamine import CalamineError, CalamineWorkbook

        try:
            book = CalamineWorkbook.from_filelike(io.BytesIO(data))
            return [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]
        except (CalamineError, zipfile.BadZipFile, OSError) as error:
            raise InputError(Problem("not a readable workbook", file=str(path), found=str(error))) from error
    try:
        return [list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))]
    except (UnicodeDecodeError, csv.Error) as error:
        expected = "an .xlsx workbook or UTF-8 .csv"
        raise InputError(
            Problem("not a readable table", file=str(path), found=str(error), expected=expected)
        ) from error


def _with_voltages(sheets: list[Rows]) -> list[Rows]:
    return [rows for rows in sheets if rows and len(_voltage_places(rows[0])) == VOLTAGES]


def _voltage_places(headers: Sequence[Any]) -> dict[int, int]:
    """U's number to its column."""
    found: dict[int, int] = {}
    for place, header in enumerate(headers):
        match = _VOLTAGE.fullmatch(str(header).strip().lower())
        if match and 1 <= int(match[1]) <= VOLTAGES:
            found.setdefault(int(match[1]), place)
    return found


def _columns(rows: Rows) -> dict[str, list[Any]]:
    """Every column of ours, absent ones as None, and each row's number."""
    headers = [str(header).strip().lower() for header in rows[0]]
    body = [(line, row) for line, row in enumerate(rows[1:], start=2) if any(value not in ("", None) for value in row)]
    table: dict[str, list[Any]] = {"line": [line for line, _ in body]}
    for name, aliases in COLUMNS.items():
        place = next((headers.index(alias) for alias in aliases if alias in headers), None)
        table[name] = [None if place is None or place >= len(row) else row[place] for _, row in body]
    for number, place in _voltage_places(rows[0]).items():
        table[f"u{number}"] = [row[place] if place < len(row) else None for _, row in body]
    return table


def _numbers(values: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = np.full(len(values), np.nan)
    for index, value in enumerate(values):
        if value is None or isinstance(value, bool):
            continue
        try:
            found[index] = float(value)
        except (TypeError, ValueError):
            continue
    found[~np.isfinite(found)] = np.nan
    return found


def _tests(columns: dict[str, list[Any]]) -> PulseTests:
    voltages = np.column_stack([_numbers(columns[f"u{number}"]) for number in range(1, VOLTAGES + 1)])
    finite = voltages[np.isfinite(voltages)]
    if finite.size and np.median(finite) > 10.0 * MILLIVOLT_FROM:
        voltages /= 1000.0
    nominal, capacity, soh = (_numbers(columns[name]) for name in ("nominal", "capacity", "soh"))
    soh = np.where(soh > 2.0, soh / 100.0, soh)
    capacity = np.where(np.isfinite(capacity), capacity, soh * nominal)
    nominal = np.where(np.isfinite(nominal), nominal, capacity / soh)
    percent = _numbers(columns["percent"])
    scale = 100.0 if np.isfinite(percent).any() and np.nanmax(percent) > 1.5 else 1.0
    fraction = _numbers(columns["fraction"])
    lines = columns["line"]
    cells = [_cell_name(value) or f"row {line}" for value, line in zip(columns["cell"], lines, strict=True)]
    material = ["" if value is None else str(value).strip().upper() for value in columns["material"]]
    return PulseTests(
        np.array(cells, dtype=np.str_),
        voltages,
        capacity,
        nominal,
        np.where(np.isfinite(fraction), fraction, percent / scale),
        np.array(material, dtype=np.str_),
        np.array(lines, dtype=np.int64),
    )


def _cell_name(value: Any) -> str:
    """A name that is the same however a sheet stores it: 12 and 12.0 are one cell."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()
