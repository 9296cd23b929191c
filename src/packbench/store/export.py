"""Exporting a run as Battery Data Format files, and reading such files back.

Owns the files; names and metadata are bdf.py. Must not compute: what is written is what was
recorded, bit for bit (CSV numbers are Python's shortest texts that read back the same), and the
run's provenance travels with it.

    NAME.bdf.csv      and NAME.bdf.metadata.json beside it (BDF's convention)
    NAME.bdf.parquet  with the same metadata inside, and beside it
"""

from __future__ import annotations

import csv
import importlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from packbench.core.errors import InputError, StoreError
from packbench.store.bdf import (
    CURRENT,
    INTEGER_COLUMNS,
    METADATA_SUFFIX,
    PARQUET_KEY,
    TEST_TIME,
    VOLTAGE,
    Columns,
    bdf_columns,
    bdf_metadata,
    columns_sha256,
)
from packbench.store.reader import RunReader

Format = Literal["bdf-csv", "bdf-parquet"]

_CHUNK_ROWS: Final = 4096


@dataclass(frozen=True, slots=True)
class BdfFile:
    """A BDF table as read."""

    columns: Columns
    """By the label in the header; int64 for counters, float64 otherwise, NaN where empty.
    Columns that are not numbers are left out."""
    metadata: dict[str, Any]
    """The whole metadata document; empty without one."""
    intact: bool
    """The numbers are those that the metadata was written for: only then is its provenance theirs."""

    @property
    def packbench(self) -> dict[str, Any]:
        """Our part of the metadata (bdf.py); empty when another program wrote the file."""
        extras = self.metadata.get("extras")
        ours = extras.get("packbench") if isinstance(extras, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return dict(ours) if isinstance(ours, dict) else {}  # pyright: ignore[reportUnknownArgumentType]


def export_run(reader: RunReader, to: Format, path: Path) -> list[Path]:
    """Write a run's samples to `path`, and the metadata beside it. Returns the files written.

    Existing files are replaced, each at once. Raises InputError for an unknown format or a missing
    optional package, StoreError when the disk refuses.
    """
    table = reader.rows()
    columns = bdf_columns(table, reader.steps(), reader.meta.started_at.timestamp())
    document = json.dumps(bdf_metadata(reader, columns, table), ensure_ascii=False, indent=1, allow_nan=False)
    beside = metadata_path(path)
    parts = [path.with_name(path.name + ".part"), beside.with_name(beside.name + ".part")]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if to == "bdf-csv":
            _write_csv(parts[0], columns)
        elif to == "bdf-parquet":
            _write_parquet(parts[0], columns, document)
        else:
            raise InputError(f"unknown export format {to!r}, expected bdf-csv or bdf-parquet")
        parts[1].write_text(document + "\n", encoding="utf-8")
        parts[1].replace(beside)
        parts[0].replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}") from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return [path, beside]


def read_bdf(path: Path) -> BdfFile:
    """Read a BDF CSV or Parquet file, ours or another program's.

    Raises InputError when it is not one.
    """
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            columns, text = _read_parquet(path)
        else:
            columns, text = _read_csv(path), None
        beside = metadata_path(path)
        if text is None and beside.is_file():
            text = beside.read_text(encoding="utf-8")
        metadata: Any = {} if text is None else json.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as Battery Data Format: {error}") from error
    missing = [label for label in (TEST_TIME, VOLTAGE, CURRENT) if label not in columns]
    if missing:
        raise InputError(f"{path}: not Battery Data Format: no column {', '.join(map(repr, missing))}")
    if not isinstance(metadata, dict):
        raise InputError(f"{metadata_path(path)}: expected a JSON object")
    found = BdfFile(columns, metadata, intact=False)  # pyright: ignore[reportUnknownArgumentType]
    intact = found.packbench.get("columns_sha256") == columns_sha256(columns)
    return BdfFile(columns, found.metadata, intact)


def metadata_path(path: Path) -> Path:
    """NAME.bdf.csv to NAME.bdf.metadata.json, as BDF's own tools do."""
    return path.with_suffix(METADATA_SUFFIX)


def parquet_has_metadata(path: Path) -> bool:
    """Whether a Parquet file carries metadata of BDF. False for a file that cannot be read."""
    pa, parquet = _pyarrow("pyarrow"), _pyarrow("pyarrow.parquet")
    try:
        inside: dict[bytes, bytes] = parquet.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return PARQUET_KEY in inside


def _write_csv(path: Path, columns: Columns) -> None:
    count = len(columns[TEST_TIME])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for start in range(0, count, _CHUNK_ROWS):
            texts: list[list[Any]] = []
            for values in columns.values():
                part = values[start : start + _CHUNK_ROWS]
                numbers: list[Any] = part.tolist()
                if part.dtype.kind == "f" and np.isnan(part).any():
                    numbers = [None if number != number else number for number in numbers]  # noqa: PLR0124
                texts.append(numbers)
            writer.writerows(zip(*texts, strict=True))


def _read_csv(path: Path) -> Columns:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        first: list[str] = next(reader, list[str]())
        header = [label.strip() for label in first]
        parts: list[list[Any] | None] = [[] for _ in header]
        for lines in _chunks(reader):
            if any(len(line) != len(header) for line in lines):
                raise ValueError("a row has another number of fields than the header")
            for index, texts in enumerate(zip(*lines, strict=True)):
                column = parts[index]
                if column is None:
                    continue
                try:
                    if header[index] in INTEGER_COLUMNS:
                        column.append(np.array(list(map(int, texts)), dtype=np.int64))
                    else:
                        column.append(np.array([float(text) if text else np.nan for text in texts]))
                except ValueError:
                    parts[index] = None  # text, such as "Step Type": not ours to interpret
    return {
        label: np.concatenate(column) if column else np.empty(0, np.int64 if label in INTEGER_COLUMNS else np.float64)
        for label, column in zip(header, parts, strict=True)
        if column is not None
    }


def _chunks(reader: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while lines := list(itertools.islice(reader, _CHUNK_ROWS)):
        yield lines


def _pyarrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError("Parquet needs pyarrow: install packbench[data]") from error


def _write_parquet(path: Path, columns: Columns, document: str) -> None:
    pa, parquet = _pyarrow("pyarrow"), _pyarrow("pyarrow.parquet")
    table = pa.table({label: pa.array(values) for label, values in columns.items()})
    parquet.write_table(table.replace_schema_metadata({PARQUET_KEY: document.encode()}), path, compression="zstd")


def _read_parquet(path: Path) -> tuple[Columns, str | None]:
    pa, parquet = _pyarrow("pyarrow"), _pyarrow("pyarrow.parquet")
    table = parquet.read_table(path)
    columns: Columns = {}
    for label in table.column_names:
        values = table.column(label)
        if label in INTEGER_COLUMNS and values.null_count == 0:
            columns[label] = values.cast(pa.int64()).to_numpy()
        elif pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
            columns[label] = values.cast(pa.float64()).to_numpy()
    inside: dict[bytes, bytes] = table.schema.metadata or {}
    text = inside.get(PARQUET_KEY)
    return columns, None if text is None else text.decode()
