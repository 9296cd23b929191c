"""A file's table as it stands: where its header is, which map fits it, and its columns by place.

Owns files, encodings, delimiters and sheets. Must not know units or meaning (`reading` does). The
maps are tried on every line near the top, with every delimiter: the one that knows most of the
columns wins, and two that know equally many are a question to the user, never a guess.
Columns stay columns: pyarrow reads text and Parquet; only a workbook passes through Python values.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import importlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from python_calamine import CalamineError, CalamineWorkbook

from packbench.analysis.samples.maps import Match, Place, SampleColumns
from packbench.analysis.table import FloatArray
from packbench.core.errors import InputError, Problem

HEADER_WITHIN_LINES = 64
HEAD_BYTES = 1 << 18
GROUP_COLUMNS = 16
DELIMITERS = (",", "\t", ";")
PARQUET = (".parquet", ".pq")
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb")
_SHOWN_MAX = 60


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """A table whose map is known; columns are pyarrow arrays of numbers or texts, by their place."""

    file: str
    columns: SampleColumns
    match: Match
    arrays: Mapping[int, Any]
    first_row: int
    """Row of the file of the first sample, from 1."""
    sha256: str
    sheets: tuple[str, ...] = ()

    def numbers(self, place: Place, field: str) -> FloatArray:
        """A column as numbers, NaN where empty. Raises InputError at the first text that is none."""
        pa, pc = arrow("pyarrow"), arrow("pyarrow.compute")
        values = self.arrays[place.index]
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            values = pc.utf8_trim_whitespace(values)
            values = pc.if_else(pc.equal(values, ""), None, values)
            try:
                values = values.cast(pa.float64())
            except pa.ArrowInvalid:
                raise self.refusal(values, place, field, _is_number, "a number") from None
        elif not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or values.type == pa.null()):
            raise InputError(self._problem(place, field, self.first_row, str(values.type), "numbers"))
        return floats(values)

    def texts(self, place: Place) -> Any:
        """A column as a pyarrow array of texts."""
        pa = arrow("pyarrow")
        return self.arrays[place.index].cast(pa.string())

    def refusal(self, values: Any, place: Place, field: str, good: Any, expected: str) -> InputError:
        """The error that names the first row whose text does not fit."""
        for number, text in enumerate(values.to_pylist()):
            if text is not None and not good(text):
                row = self.first_row + number
                return InputError(self._problem(place, field, row, repr(text[:_SHOWN_MAX]), expected))
        return InputError(self._problem(place, field, None, "texts", expected))

    def _problem(self, place: Place, field: str, row: int | None, found: str, expected: str) -> Problem:
        return Problem("", self.file, row, place.index + 1, f"{field} ({place.header})", found, expected)


def arrow(module: str) -> Any:
    """A module of pyarrow. Raises InputError that names the extra when it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError("reading tables of samples needs pyarrow: install packbench[data]") from error


def floats(values: Any) -> FloatArray:
    """A pyarrow column of numbers as numpy, NaN where empty. By its buffers: `to_numpy` would import all of pandas."""
    pa = arrow("pyarrow")
    cast = values.cast(pa.float64())
    whole = cast.combine_chunks() if isinstance(cast, pa.ChunkedArray) else cast
    if len(whole) == 0:
        return np.empty(0)
    part = slice(whole.offset, whole.offset + len(whole))
    bitmap, data = whole.buffers()
    if data is None:
        return np.full(len(whole), np.nan)
    numbers = np.frombuffer(data, dtype=np.float64)[part]
    if whole.null_count == 0:
        return numbers
    known = np.unpackbits(np.frombuffer(bitmap, dtype=np.uint8), bitorder="little")[part]
    return np.where(known == 1, numbers, np.nan)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_raw(path: Path, maps: Sequence[SampleColumns]) -> RawTable | None:
    """The file's table under the map that fits best; None when no map does. Raises InputError."""
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if not head:
            expected = "an Excel workbook (.xlsx)" if suffix in WORKBOOKS else "a table"
            raise InputError(Problem("the file is empty", file=str(path), found="0 bytes", expected=expected))
        if suffix in PARQUET:
            return _read_parquet(path, maps)
        if suffix in WORKBOOKS or head.startswith(b"PK\x03\x04"):
            return _read_workbook(path, maps)
        return _read_text(path, head, maps)
    except OSError as error:
        problem = Problem("cannot be read", file=str(path), found=error.strerror or str(error), expected="a table")
        raise InputError(problem) from error


def best_match(
    lines: Sequence[tuple[int, Sequence[str]]], maps: Sequence[SampleColumns], file: str
) -> tuple[int, SampleColumns, Match] | None:
    """(line, map, match) of the header among candidate rows. Raises InputError when two maps fit alike."""
    found = [
        (matched.score, line, columns, matched)
        for line, cells in lines
        for columns in maps
        if (matched := columns.match(cells)) is not None
    ]
    if not found:
        return None
    best = max(each[0] for each in found)
    tied = [each for each in found if each[0] == best]
    names = sorted({each[2].name for each in tied})
    if len(names) > 1:
        problem = Problem("more than one column map fits", file, found=", ".join(names), expected="one: give --columns")
        raise InputError(problem)
    return tied[0][1], tied[0][2], tied[0][3]


def _places(match: Match) -> list[int]:
    used = [*match.fields.values(), *match.cells, *match.temperatures]
    return sorted({place.index for place in used})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_parquet(path: Path, maps: Sequence[SampleColumns]) -> RawTable | None:
    pa, parquet = arrow("pyarrow"), arrow("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path, memory_map=True) as opened:
            names: list[str] = opened.schema_arrow.names
            chosen = best_match([(0, names)], maps, str(path))
            if chosen is None:
                return None
            _, columns, match = chosen
    except (pa.ArrowException, ValueError, OSError) as error:
        raise _bad_parquet(path, error) from error
    fields = sorted({place.index for place in match.fields.values()})
    kept = _read_columns(path, names, fields)
    return RawTable(str(path), columns, match, _ParquetColumns(path, names, _places(match), kept), 1, _digest(path))


def _bad_parquet(path: Path, error: Exception) -> InputError:
    found = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return InputError(Problem("not readable as Parquet", str(path), found=found, expected="Parquet"))


def _read_columns(path: Path, names: Sequence[str], places: Sequence[int]) -> dict[int, Any]:
    pa, parquet = arrow("pyarrow"), arrow("pyarrow.parquet")
    try:
        table = parquet.read_table(path, columns=[names[index] for index in places], memory_map=True)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise _bad_parquet(path, error) from error
    return {index: _plain(table.column(names[index])) for index in places}


def _plain(values: Any) -> Any:
    """Texts in one piece (their dictionaries must be one); numbers as they came, not copied."""
    types = arrow("pyarrow").types
    return values if types.is_floating(values.type) or types.is_integer(values.type) else values.combine_chunks()


class _ParquetColumns(Mapping[int, Any]):
    """The columns of a Parquet file, the many alike ones a group at a time: memory is used again, not asked for."""

    def __init__(self, path: Path, names: Sequence[str], places: Sequence[int], kept: dict[int, Any]) -> None:
        self._path, self._names, self._places, self._kept = path, names, places, kept
        self._group: dict[int, Any] = {}

    def __getitem__(self, index: int) -> Any:
        if index in self._kept:
            return self._kept[index]
        if index not in self._group:
            later = [place for place in self._places if place >= index and place not in self._kept]
            self._group = {}
            self._group = _read_columns(self._path, self._names, later[:GROUP_COLUMNS])
        return self._group[index]

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def _read_text(path: Path, head: bytes, maps: Sequence[SampleColumns]) -> RawTable | None:
    encoding = _encoding(head)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head).removeprefix("\ufeff")
    if "\0" in text:
        problem = Problem("is not text", str(path), found="bytes that are no text", expected="a table as text")
        raise InputError(problem)
    lines = text.splitlines()[: HEADER_WITHIN_LINES + 1]
    candidates: list[tuple[int, SampleColumns, Match, str]] = []
    for delimiter in DELIMITERS:
        split = [(number, _split(line, delimiter)) for number, line in enumerate(lines[:HEADER_WITHIN_LINES])]
        found = best_match([each for each in split if len(each[1]) > 2], maps, str(path))
        if found is not None:
            candidates.append((*found, delimiter))
    if not candidates:
        return None
    line, columns, match, delimiter = max(candidates, key=lambda each: each[2].score)
    first = _split(lines[line + 1], delimiter) if line + 1 < len(lines) else []
    width = max(len(_split(lines[line], delimiter)), len(first))
    comma = delimiter == ";" and any(re.fullmatch(r"-?\d+,\d+", cell.strip()) for cell in first)
    form = _TextForm(delimiter, line + 1, width, "," if comma else ".")
    table = _parse_text(path, encoding, form, match)
    arrays = {index: _plain(table.column(str(index))) for index in _places(match)}
    return RawTable(str(path), columns, match, arrays, line + 2, _digest(path))


@dataclass(frozen=True, slots=True)
class _TextForm:
    delimiter: str
    skip_lines: int
    width: int
    decimal: str


def _split(line: str, delimiter: str) -> list[str]:
    first: list[str] = next(csv.reader([line], delimiter=delimiter), list[str]())
    return [cell.strip() for cell in first]


def _parse_text(path: Path, encoding: str, form: _TextForm, match: Match) -> Any:
    pa, pacsv = arrow("pyarrow"), arrow("pyarrow.csv")
    fields = match.fields
    as_text = [fields[name] for name in ("direction",) if name in fields]
    as_text += [fields[name] for name in ("instant",) if name in fields and fields[name].order != "unix"]
    as_text += [place for place in fields.values() if place.clock]
    names = [str(index) for index in range(form.width)]
    convert = pacsv.ConvertOptions(
        include_columns=[str(index) for index in _places(match)],
        column_types={str(place.index): pa.string() for place in as_text},
        strings_can_be_null=True,
        timestamp_parsers=[],
        decimal_point=form.decimal,
    )
    parse = pacsv.ParseOptions(delimiter=form.delimiter)
    read = pacsv.ReadOptions(column_names=names, skip_rows=form.skip_lines, encoding=encoding, block_size=1 << 22)
    try:
        return pacsv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
    except (pa.ArrowException, ValueError, UnicodeError) as error:
        if encoding == "utf-8" and "UTF8" in str(error).replace("-", "").upper():
            return _parse_text(path, "gb18030", form, match)
        cut = re.search(r"Expected (\d+) columns, got (\d+): ?(.*)", str(error))
        if cut is not None:
            found = f"{cut.group(2)} fields in {cut.group(3)[:_SHOWN_MAX]!r}"
            problem = Problem("a row is cut or garbled", str(path), None, None, "", found, f"{cut.group(1)} fields")
            raise InputError(problem) from error
        if "Empty CSV" in str(error):
            problem = Problem("no samples", str(path), found="headers alone", expected="one row a sample")
            raise InputError(problem) from error
        found = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(Problem("not readable as a table", str(path), found=found, expected="text")) from error


def _read_workbook(path: Path, maps: Sequence[SampleColumns]) -> RawTable | None:
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(path.read_bytes()))
        sheets = [(name, workbook.get_sheet_by_name(name).to_python()) for name in workbook.sheet_names]
    except (CalamineError, zipfile.BadZipFile, OSError, ValueError) as error:
        found = f"a damaged one ({error})" if _is_zip(path) else "something else"
        expected = "an Excel workbook (.xlsx)"
        raise InputError(Problem("not a readable workbook", str(path), found=found, expected=expected)) from error
    found = [(name, rows, _match_sheet(rows, maps, str(path))) for name, rows in sheets]
    fitting = [(name, rows, matched) for name, rows, matched in found if matched is not None]
    if not fitting:
        return None
    _, _, (_, columns, match) = max(fitting, key=lambda each: each[2][2].score)
    same = [each for each in fitting if each[2][1].name == columns.name and _places(each[2][2]) == _places(match)]
    body: list[Sequence[Any]] = []
    for _, rows, (line, _, _) in same:
        body += [row for row in rows[line + 1 :] if any(cell != "" for cell in row)]
    if not body:
        raise InputError(Problem("no samples", str(path), found="headers alone", expected="one row a sample"))
    arrays = {index: _cells([row[index] for row in body]) for index in _places(match)}
    sheet_names = tuple(each[0] for each in same)
    return RawTable(str(path), columns, match, arrays, same[0][2][0] + 2, _digest(path), sheet_names)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _match_sheet(
    rows: Sequence[Sequence[Any]], maps: Sequence[SampleColumns], file: str
) -> tuple[int, SampleColumns, Match] | None:
    top = [(number, [str(cell) for cell in row]) for number, row in enumerate(rows[:HEADER_WITHIN_LINES])]
    return best_match(top, maps, file)


def _cells(cells: list[Any]) -> Any:
    """A workbook's column: numbers when all are, texts otherwise."""
    pa = arrow("pyarrow")
    if all(cell == "" or (isinstance(cell, int | float) and not isinstance(cell, bool)) for cell in cells):
        return pa.array([None if cell == "" else float(cell) for cell in cells], type=pa.float64())
    return pa.array([_as_text(cell) for cell in cells], type=pa.string())


def _as_text(cell: Any) -> str | None:
    if cell == "":
        return None
    if isinstance(cell, timedelta):
        seconds = cell.total_seconds()
        return f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02d}:{seconds % 60:09.6f}"
    if isinstance(cell, datetime | date | time):
        return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()
    return str(cell)
