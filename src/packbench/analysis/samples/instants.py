"""Dates and times as a file writes them, all alike: read by the places of their digits.

Owns the quick way for the common file, whose instants all have the same form; anything else is `None`, and `reading`
takes the long way, which also says what is wrong. It must not accept what that one refuses.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packbench.analysis.samples.raw import arrow
from packbench.core.samples import FloatArray

_PARTS = {"ymd": (1, 2, 3), "mdy": (3, 1, 2), "dmy": (3, 2, 1)}
"""Groups of the patterns with year, month, day."""
_TIME = re.compile(r"(\d{1,2}):(\d\d):(\d\d)(?:\.(\d{1,6}))?")
_ZERO = ord("0")


def alike_instants(texts: Any, pattern: str, order: str) -> FloatArray | None:
    """Seconds since 1970 of an Arrow array of texts that are all laid out as its first one; None: they are not.

    `pattern`: of a whole text, with the date's three numbers and the time as groups.
    """
    pa = arrow("pyarrow")
    if not pa.types.is_string(texts.type) or texts.null_count or not len(texts):
        return None
    first: str = texts[0].as_py()
    matched = re.match(pattern, first)
    clock = None if matched is None else _TIME.fullmatch(matched.group(4))
    if matched is None or clock is None or not first.isascii():
        return None
    width, begin = len(first), texts.offset
    ends = np.frombuffer(texts.buffers()[1], dtype=np.int32)[begin : begin + len(texts) + 1]
    if (np.diff(ends) != width).any():
        return None
    table = np.frombuffer(texts.buffers()[2], dtype=np.uint8)[ends[0] : ends[-1]].reshape(len(texts), width)
    columns = np.ascontiguousarray(table.T)
    for column, one in zip(columns, first, strict=True):
        # Bytes below "0" wrap around: one comparison says whether it is a digit.
        if ((column - _ZERO) > 9).any() if one.isdigit() else (column != ord(one)).any():
            return None
    moved = matched.start(4)
    days = _days(columns[:moved], [matched.span(group) for group in _PARTS[order]])
    hour, minute, second = (_number(columns, clock.start(n) + moved, clock.end(n) + moved) for n in (1, 2, 3))
    if days is None or not ((hour < 24) & (minute < 60) & (second < 60)).all():
        return None
    whole = days * 86400 + (hour * 3600 + minute * 60 + second)
    if clock.group(4) is None:
        return whole.astype(np.float64)
    fraction = _number(columns, clock.start(4) + moved, clock.end(4) + moved) * 10 ** (6 - len(clock.group(4)))
    return (whole * 1_000_000 + fraction) / 1e6


def _number(columns: NDArray[np.uint8], start: int, stop: int) -> NDArray[np.int32]:
    """Of six digits at most."""
    found = np.zeros(columns.shape[1], dtype=np.int32)
    for column in columns[start:stop]:
        found *= 10
        found += column - _ZERO
    return found


def _days(columns: NDArray[np.uint8], spans: list[tuple[int, int]]) -> NDArray[np.int64] | None:
    """Days since 1970 of each row; None: one is no date. A date is mostly that of the row above."""
    new = np.zeros(columns.shape[1], dtype=np.bool_)
    new[0] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    starts = np.flatnonzero(new)
    year, month, day = (_number(columns[:, starts], *span).astype(np.int64) for span in spans)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]")
    longest = ((months + 1).astype("datetime64[D]") - first).astype(np.int64)
    if not ((month >= 1) & (month <= 12) & (day >= 1) & (day <= longest)).all():
        return None
    return np.repeat(first.astype(np.int64) + day - 1, np.diff(np.append(starts, columns.shape[1])))
