"""From a file's columns to the one table: units, signs, sentinels, times, duplicates.

Owns the meaning of a column map's words. Must not fill a hole or repair a value: a row without
time, voltage or current is left out and counted, a sentinel is no number, an instant that comes
twice keeps its first row, and a clock that runs back is refused with its row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from packbench.analysis.samples.imported import CounterName, ImportedSamples
from packbench.analysis.samples.instants import alike_instants
from packbench.analysis.samples.maps import Place, SampleColumns
from packbench.analysis.samples.raw import RawTable, arrow, floats, read_raw
from packbench.analysis.table import FloatArray, SampleTable
from packbench.core.errors import InputError, Problem
from packbench.core.result import Note

_CLOCK = r"^\s*(?:(?P<d>\d+)\s*[dD天]?\s+)?(?P<h>\d+):(?P<m>\d{1,2}):(?P<s>\d{1,2}(?:\.\d+)?)(?::(?P<ms>\d{1,3}))?\s*$"
TO_ISO = {
    "ymd": (r"^\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[T ]+(\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?)\s*$", r"\1-0\2-0\3 0\4"),
    "mdy": (r"^\s*(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})[T ]+(\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?)\s*$", r"\3-0\1-0\2 0\4"),
    "dmy": (r"^\s*(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})[T ]+(\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?)\s*$", r"\3-0\2-0\1 0\4"),
}


def read_samples(path: Path, maps: Sequence[SampleColumns]) -> ImportedSamples | None:
    """A file of samples under the map that fits; None when none of them does. Raises InputError."""
    raw = read_raw(path, maps)
    return None if raw is None else samples_from(raw)


def samples_from(raw: RawTable) -> ImportedSamples:
    """The table of a file whose map is known. Raises InputError (row, field, found, expected)."""
    fields, columns = raw.match.fields, raw.columns
    notes = [_map_note(raw)]
    voltage_v = _quantity(raw, "voltage")
    current_a, sign_note = _current(raw)
    notes += sign_note
    clock = _clock(raw)
    good = np.isfinite(clock.t_s) & np.isfinite(voltage_v) & np.isfinite(current_a)
    kept = np.flatnonzero(good)
    if kept.size == 0:
        found = "headers alone" if good.size == 0 else "no row with time, voltage and current"
        raise InputError(Problem("no samples", raw.file, found=found, expected="one row a sample"))
    kept, time_notes = _orderly(raw, clock.t_s, kept)
    if good.size != int(np.count_nonzero(good)):
        notes.append(
            _count_note(
                "rows_dropped",
                good.size - int(np.count_nonzero(good)),
                "rows say no time, voltage or current",
                "行缺少时间、电压或电流",
            )
        )
    notes += time_notes
    t_s = clock.t_s[kept]
    ones = np.ones(kept.size, dtype=np.int64)
    step = _whole(raw, "step", kept) if "step" in fields else ones
    cycle = _whole(raw, "cycle", kept) if "cycle" in fields else ones
    rows = SampleTable(
        t_s,
        voltage_v[kept],
        current_a[kept],
        _alike(raw, raw.match.cells, "cells", kept),
        _alike(raw, raw.match.temperatures, "temperatures", kept),
        step,
        cycle,
    )
    counters = {name: _quantity(raw, name)[kept] for name in get_args(CounterName) if name in fields}
    started = None if clock.origin is None else clock.origin + timedelta(seconds=float(t_s[0]))
    ended = None if clock.origin is None else clock.origin + timedelta(seconds=float(t_s[-1]))
    return ImportedSamples(
        source=Path(raw.file).name,
        layout=columns.name,
        rows=replace(rows, t_s=t_s - t_s[0]) if clock.absolute else rows,
        has_steps="step" in fields,
        counters=counters,
        source_rows=kept + raw.first_row,
        cell_names=tuple(place.header for place in raw.match.cells),
        temperature_names=tuple(place.header for place in raw.match.temperatures),
        started_at="" if started is None else started.isoformat(timespec="milliseconds"),
        ended_at="" if ended is None else ended.isoformat(timespec="milliseconds"),
        utc_offset_assumed=clock.offset_assumed,
        sha256=raw.sha256,
        notes=tuple(notes),
    )


def _map_note(raw: RawTable) -> Note:
    name, source = raw.columns.name, raw.columns.source
    sheets = f" (sheet {', '.join(raw.sheets)})" if raw.sheets else ""
    return Note(
        "column_map",
        f"Read with the column map {name}{sheets}. Its source: {source}",
        f"采用列映射 {name}{sheets}。来源：{source}",
    )


def _count_note(key: str, count: int, text_en: str, text_zh: str) -> Note:
    return Note(key, f"{count} {text_en}: left out.", f"{count} {text_zh}，已舍去。")


def _quantity(raw: RawTable, name: str) -> FloatArray:
    place = raw.match.fields[name]
    values = _scaled(raw, place, name)
    return -values if place.sign == "inverted" else values


def _scaled(raw: RawTable, place: Place, name: str) -> FloatArray:
    values = raw.numbers(place, name)
    for sentinel in raw.columns.drop:
        gone = values == sentinel
        if gone.any():
            values = np.where(gone, np.nan, values)
    return values if place.factor == 1.0 else values * place.factor


def _directions(raw: RawTable) -> NDArray[np.int8] | None:
    """shape (n,): 1 charge, -1 discharge, 0 rest, 2 a word the map does not know."""
    place = raw.match.fields.get("direction")
    if place is None:
        return None
    encoded = raw.texts(place).dictionary_encode()
    values = {"charge": 1, "discharge": -1, "rest": 0}
    known = {word.lower(): values[way] for word, way in raw.columns.directions.items()}
    words = [known.get(str(word).strip().lower(), 2) for word in encoded.dictionary.to_pylist()]
    table = np.array([*words, 2], dtype=np.int8)
    codes = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    return table[codes]


def _current(raw: RawTable) -> tuple[FloatArray, list[Note]]:
    """Current, positive charges. An unsigned one takes its sign from the direction column."""
    current_a = _quantity(raw, "current")
    way = _directions(raw)
    if way is None:
        return current_a, []
    out = way == -1
    unsigned = raw.match.fields["current"].sign == "direction"
    if not unsigned and out.any() and not (current_a < 0.0).any() and (current_a[out] > 0.0).any():
        unsigned = True
    if unsigned:
        flows = np.abs(current_a) > 0.0
        unknown = (way == 2) & flows
        if unknown.any():
            row = int(np.argmax(unknown)) + raw.first_row
            place = raw.match.fields["direction"]
            word = raw.texts(place)[int(np.argmax(unknown))].as_py()
            expected = f"one of {', '.join(raw.columns.directions)}"
            raise InputError(Problem("", raw.file, row, place.index + 1, "direction", repr(word), expected))
        signed = np.where(out, -np.abs(current_a), np.abs(current_a))
        note = Note(
            "sign_from_kind",
            "The file's current has no sign: it was taken from the step's kind.",
            "文件中的电流不带符号，其方向取自工步类型。",
        )
        return signed, [note]
    against = int(np.count_nonzero((out & (current_a > 0.0)) | ((way == 1) & (current_a < 0.0))))
    if not against:
        return current_a, []
    return current_a, [
        Note(
            "sign_contradicts",
            f"In {against} rows the current's sign contradicts the step's kind; the current was believed.",
            f"有 {against} 行电流符号与工步类型不一致，以电流为准。",
        )
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Clock:
    t_s: FloatArray
    origin: datetime | None
    """The instant of t_s = 0."""
    offset_assumed: bool
    absolute: bool
    """t_s counts from another instant than the test's start."""


def _clock(raw: RawTable) -> _Clock:
    fields = raw.match.fields
    instants = _instants(raw) if "instant" in fields else None
    zone, assumed = UTC, False
    if instants is not None and fields["instant"].order != "unix":
        stated = raw.columns.utc_offset
        if stated is not None:
            zone = timezone(timedelta(hours=int(stated[:3]), minutes=int(stated[0] + stated[4:])))
        assumed = True
    t_s = _test_time(raw) if "test_time" in fields else instants
    assert t_s is not None
    origin = None
    if instants is not None:
        both = np.flatnonzero(np.isfinite(instants) & np.isfinite(t_s))
        if both.size:
            first = int(both[0])
            zero_s = float(instants[first]) - (float(t_s[first]) if "test_time" in fields else 0.0)
            if "test_time" not in fields:
                t_s = t_s - zero_s
            try:
                origin = datetime.fromtimestamp(zero_s, UTC).replace(tzinfo=None).replace(tzinfo=zone)
            except (ValueError, OverflowError, OSError):
                origin = None
    return _Clock(t_s, origin, assumed and origin is not None, "test_time" not in fields)


def _test_time(raw: RawTable) -> FloatArray:
    place = raw.match.fields["test_time"]
    pa, pc = arrow("pyarrow"), arrow("pyarrow.compute")
    values: Any = raw.arrays[place.index]
    if not place.clock or not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return _scaled(raw, place, "test_time")
    if place.factor == 1.0:
        try:
            return floats(values)
        except pa.ArrowInvalid:
            pass
    parts = pc.extract_regex(values, pattern=_CLOCK)
    if parts.null_count > values.null_count:
        good = re.compile(_CLOCK).match
        raise raw.refusal(values, place, "test_time", good, "a duration as h:min:s")
    total: FloatArray = np.zeros(len(values))
    for name, factor in (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3)):
        part = pc.struct_field(parts, name)
        part = pc.if_else(pc.equal(part, ""), "0", part).cast(pa.float64())
        total = total + factor * floats(part)
    return total


def _instants(raw: RawTable) -> FloatArray:
    """shape (n,): seconds since 1970 on the file's own wall clock, NaN where empty."""
    place = raw.match.fields["instant"]
    pa, pc = arrow("pyarrow"), arrow("pyarrow.compute")
    values = raw.arrays[place.index]
    if place.order == "unix":
        return raw.numbers(place, "instant")
    if not pa.types.is_timestamp(values.type):
        pattern, iso = TO_ISO[place.order]
        texts = raw.texts(place)
        if (alike := alike_instants(texts, pattern, place.order)) is not None:
            return alike
        fits = pc.match_substring_regex(texts, pattern=pattern)
        if pc.all(fits).as_py() is False and pc.any(fits).as_py() is not True:
            # A year of four digits in front leaves no doubt, whatever order the map states.
            pattern, iso = TO_ISO["ymd"]
            fits = pc.match_substring_regex(texts, pattern=pattern)
        if pc.all(fits).as_py() is False:
            good = re.compile(pattern).match
            raise raw.refusal(texts, place, "instant", good, f"a date and a time ({place.order})")
        texts = pc.replace_substring_regex(texts, pattern=pattern, replacement=iso)
        texts = pc.replace_substring_regex(texts, pattern=r"([- ])0(\d\d)", replacement=r"\1\2")
        try:
            values = texts.cast(pa.timestamp("us"))
        except pa.ArrowInvalid as error:
            problem = Problem(
                "", raw.file, None, place.index + 1, f"instant ({place.header})", str(error)[:120], "a date"
            )
            raise InputError(problem) from None
    whole = values.cast(pa.timestamp("us")).cast(pa.int64())
    return floats(whole) / 1e6


def _orderly(raw: RawTable, t_s: FloatArray, kept: NDArray[np.intp]) -> tuple[NDArray[np.intp], list[Note]]:
    """The rows without those that repeat the row above. Raises InputError where time runs back."""
    notes: list[Note] = []
    steps = np.diff(t_s[kept])
    if np.any(steps < 0.0):
        at = int(np.argmax(steps < 0.0)) + 1
        row = int(kept[at]) + raw.first_row
        found = f"{t_s[kept][at]:g} s after {t_s[kept][at - 1]:g} s"
        raise InputError(Problem("time runs back", raw.file, row, None, "test_time", found, "rising"))
    same = np.flatnonzero(steps == 0.0) + 1
    if same.size:
        twice = _same_rows(raw, kept, same)
        if twice.size:
            kept = np.delete(kept, twice)
            notes.append(
                _count_note(
                    "duplicates",
                    twice.size,
                    "rows repeat the instant of the row above in the same step",
                    "行与上一行时间相同且属于同一工步",
                )
            )
    return kept, notes


def _same_rows(raw: RawTable, kept: NDArray[np.intp], same: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of rows with the instant of the row above, those of the same step (a step's end and the next start share one)."""
    if "step" not in raw.match.fields:
        return same
    step = raw.numbers(raw.match.fields["step"], "step")[kept]
    return same[step[same] == step[same - 1]]


def _whole(raw: RawTable, name: str, kept: NDArray[np.intp]) -> NDArray[np.int64]:
    """A column of whole numbers; an empty field goes on with the number above."""
    values = raw.numbers(raw.match.fields[name], name)[kept]
    empty = ~np.isfinite(values)
    if empty.any():
        above = np.maximum.accumulate(np.where(empty, 0, np.arange(values.size)))
        values = np.nan_to_num(values[above], nan=1.0, posinf=1.0, neginf=1.0)
    if np.any(np.abs(values) > 2.0**53) or np.any(values != np.floor(values)):
        at = int(np.argmax((values != np.floor(values)) | (np.abs(values) > 2.0**53)))
        row, place = int(kept[at]) + raw.first_row, raw.match.fields[name]
        raise InputError(Problem("", raw.file, row, place.index + 1, name, f"{values[at]:g}", "a whole number"))
    return values.astype(np.int64)


def _alike(raw: RawTable, places: tuple[Place, ...], name: str, kept: NDArray[np.intp]) -> FloatArray:
    """shape (n, columns), each column contiguous."""
    filled: FloatArray = np.empty((len(places), kept.size))
    for index, place in enumerate(places):
        values: Any = _scaled(raw, place, name)
        filled[index] = values if values.size == kept.size else values[kept]
    return filled.T
