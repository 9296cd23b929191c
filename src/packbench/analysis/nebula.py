"""Reading a work-step export (.xlsx, one row a step) through a column map.

Owns the reading of cells into a StepTable: header row, units, signs, durations as text, rows that
say nothing. Must not judge what the steps mean (steprules does). python-calamine reads the sheet;
the Nebula map is configs/columns/nebula-workstep.yaml.
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from packbench.analysis.columns import Column, StepColumns
from packbench.analysis.steptable import Lost, StepTable, TableStep
from packbench.core.errors import InputError, Problem

Cell = int | float | str | bool | time | date | datetime | timedelta
Sheet = Sequence[Sequence[Cell]]
PROBLEMS_MAX = 20
"""More unreadable cells than this are not listed one by one."""


def read_step_export(path: Path, columns: StepColumns) -> StepTable:
    """Read a work-step export. Raises InputError when it is not one of the map's kind."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror or error}", file=str(path))) from error
    sheet = _first_sheet(data, str(path))
    return table_from_sheet(sheet, columns, str(path), hashlib.sha256(data).hexdigest())


def _first_sheet(data: bytes, file: str) -> Sheet:
    expected = "an Excel workbook (.xlsx)"
    if not data:
        raise InputError(Problem("the file is empty", file=file, found="0 bytes", expected=expected))
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = workbook.sheet_names
        return workbook.get_sheet_by_index(0).to_python() if names else []
    except (CalamineError, zipfile.BadZipFile, OSError) as error:
        found = "something else" if not data.startswith(b"PK") else f"a damaged one ({error})"
        raise InputError(Problem("not a readable workbook", file=file, found=found, expected=expected)) from error


def table_from_sheet(sheet: Sheet, columns: StepColumns, file: str, sha256: str) -> StepTable:
    """A sheet's rows (the first one the headers) as a StepTable. Pure; raises InputError."""
    if not sheet:
        raise InputError(Problem("the sheet is empty", file=file, found="no rows", expected=_expected(columns)))
    places = _places(sheet[0], columns, file)
    reader = _RowReader(columns, places, file)
    steps: list[TableStep] = []
    lost: list[Lost] = []
    instants: list[tuple[datetime | None, datetime | None]] = []
    for source_row, row in enumerate(sheet[1:], start=2):
        if reader.says_nothing(row):
            shown = ", ".join(sorted({str(cell) for cell in row if cell != ""})) or "nothing"
            lost.append(Lost(source_row, steps[-1].number if steps else None, shown))
            continue
        step, span = reader.step(row, source_row)
        steps.append(step)
        instants.append(span)
    if reader.problems:
        raise InputError(reader.problems[:PROBLEMS_MAX])
    if not steps:
        raise InputError(Problem("no steps", file=file, found="headers alone", expected="one row a step"))
    return _timed(steps, lost, instants, sheet[0], columns, file, sha256)


def _timed(
    steps: list[TableStep],
    lost: list[Lost],
    instants: list[tuple[datetime | None, datetime | None]],
    header: Sequence[Cell],
    columns: StepColumns,
    file: str,
    sha256: str,
) -> StepTable:
    """The table with each step's place in time since the first one's start."""
    first = instants[0][0]
    placed: list[TableStep] = []
    for step, (started, ended) in zip(steps, instants, strict=True):
        begin = None if first is None or started is None else (started - first).total_seconds()
        end = None if first is None or ended is None else (ended - first).total_seconds()
        placed.append(_with_times(step, begin, end))
    last = instants[-1][1] or instants[-1][0]
    used = {header_text for column in columns.columns.values() for header_text in column.headers}
    return StepTable(
        source=Path(file).name,
        layout=columns.name,
        steps=tuple(placed),
        lost=tuple(lost),
        started_at="" if first is None else first.isoformat(timespec="milliseconds"),
        ended_at="" if last is None else last.isoformat(timespec="milliseconds"),
        utc_offset_assumed=first is not None,
        sha256=sha256,
        headers_unused=tuple(str(cell) for cell in header if str(cell).strip() and str(cell).strip() not in used),
    )


def _with_times(step: TableStep, begin_s: float | None, end_s: float | None) -> TableStep:
    return replace(step, started_s=begin_s, ended_s=end_s)


def _places(header: Sequence[Cell], columns: StepColumns, file: str) -> dict[str, int]:
    """Field to column index. Raises InputError that names every required header not found."""
    texts = [str(cell).strip() for cell in header]
    places: dict[str, int] = {}
    problems: list[Problem] = []
    for name, column in columns.columns.items():
        found = [texts.index(text) for text in column.headers if text in texts]
        doubled = [text for text in column.headers if texts.count(text) > 1]
        if doubled:
            problems.append(
                Problem("header", file, 1, found[0] + 1, name, f"{doubled[0]!r} more than once", "each header once")
            )
        if found:
            places[name] = found[0]
        elif name in columns.required:
            shown = ", ".join(repr(text) for text in texts[:6] if text) or "an empty row"
            expected = " or ".join(repr(text) for text in column.headers)
            problems.append(Problem("header not found", file, 1, None, name, f"{shown} ...", expected))
    if problems:
        raise InputError(problems)
    return places


def _expected(columns: StepColumns) -> str:
    return f"the headers of {columns.name} ({columns.title_en})"


class _RowReader:
    """Cells of one row into one TableStep; collects problems rather than stopping at the first."""

    def __init__(self, columns: StepColumns, places: dict[str, int], file: str) -> None:
        self._columns = columns
        self._places = places
        self._file = file
        self._row: Sequence[Cell] = ()
        self._number = 0
        self.problems: list[Problem] = []

    def says_nothing(self, row: Sequence[Cell]) -> bool:
        """A row without a step number or a kind: its place is kept, its content is lost."""
        needed = (self._places["number"], self._places["kind"])
        return any(place >= len(row) or row[place] == "" for place in needed)

    def step(self, row: Sequence[Cell], source_row: int) -> tuple[TableStep, tuple[datetime | None, datetime | None]]:
        """The step of a row, and the instants of its start and end."""
        self._row, self._number = row, source_row
        label = str(self._cell("kind")).strip()
        kind = self._columns.kinds.get(label)
        if kind is None:
            self._refuse("kind", repr(label), f"one of {', '.join(self._columns.kinds)}")
            kind = "other"
        outcome_text = str(self._cell("outcome") or "").strip()
        number, program_step, cycle = (self._float(name) for name in ("number", "program_step", "cycle"))
        charge, discharge, energy_in, energy_out = (
            self._float(name) or 0.0 for name in ("charge", "discharge", "charge_energy", "discharge_energy")
        )
        step = TableStep(
            number=int(number or 0),
            kind=kind,
            duration_s=self._float("duration") or 0.0,
            charge_ah=charge - discharge,
            energy_wh=energy_in - energy_out,
            program_step=None if program_step is None else int(program_step),
            cycle=1 if cycle is None else int(cycle),
            label=label,
            outcome=self._columns.outcomes.get(outcome_text, "unknown"),
            outcome_text=outcome_text,
            voltage_start_v=self._float("voltage_start"),
            voltage_max_v=self._float("voltage_max"),
            voltage_end_v=self._float("voltage_end"),
            current_start_a=self._float("current_start"),
            current_end_a=self._float("current_end"),
            temperature_max_c=self._float("temperature_max"),
            source_row=source_row,
        )
        return step, (self._instant("started_at"), self._instant("ended_at"))

    def _cell(self, name: str) -> Cell | None:
        place = self._places.get(name)
        if place is None or place >= len(self._row):
            return None
        return self._row[place]

    def _float(self, name: str) -> float | None:
        """A number in our unit and sign; None when the file has no such column or an empty cell."""
        cell = self._cell(name)
        if cell is None or cell == "":
            if cell == "" and name in self._columns.required:
                self._refuse(name, "an empty cell", "a number")
            return None
        column = self._columns.columns[name]
        value = clock_seconds(cell) if column.as_clock else number_of(cell)
        if value is None:
            self._refuse(name, repr(cell), "a duration as h:min:s.ms" if column.as_clock else "a number")
            return None
        return _signed(value * column.factor, column)

    def _instant(self, name: str) -> datetime | None:
        cell = self._cell(name)
        if cell is None or cell == "":
            return None
        zone = datetime.strptime(self._columns.utc_offset, "%z").tzinfo
        if isinstance(cell, datetime):
            return cell.replace(tzinfo=zone)
        try:
            return datetime.fromisoformat(str(cell).strip()).replace(tzinfo=zone)
        except ValueError:
            self._refuse(name, repr(cell), "an instant as YYYY-MM-DD h:min:s")
            return None

    def _refuse(self, name: str, found: str, expected: str) -> None:
        place = self._places.get(name)
        column = None if place is None else place + 1
        self.problems.append(Problem("", self._file, self._number, column, name, found, expected))


def _signed(value: float, column: Column) -> float:
    if column.sign == "magnitude":
        return abs(value)
    return -value if column.sign == "inverted" else value


def number_of(cell: Cell) -> float | None:
    """A cell as a finite number, also when the file stores numbers as text; None when it is none."""
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def clock_seconds(cell: Cell) -> float | None:
    """Seconds of a duration: `h:min:s.ms`, `h:min:s:ms`, or what a spreadsheet made of it; None when it is none."""
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if isinstance(cell, time):
        return cell.hour * 3600.0 + cell.minute * 60.0 + cell.second + cell.microsecond / 1e6
    parts = str(cell).strip().split(":")
    if len(parts) not in (3, 4) or not all(part.isdigit() for part in (*parts[:2], *parts[3:])):
        return None
    seconds = number_of(parts[2])
    if seconds is None or not 0.0 <= seconds < 60.0 or int(parts[1]) >= 60:
        return None
    whole = int(parts[0]) * 3600 + int(parts[1]) * 60
    return whole + seconds + (int(parts[3]) / 1000.0 if len(parts) == 4 else 0.0)
