"""The segments of waveforms: pulse trains, and tables of points from a file or in place.

Owns the reading of both into pieces with a signed value and a time. Positive charges.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from packbench.config.document import list_of
from packbench.core.errors import InputError
from packbench.core.units import UnitError, parse_quantity
from packbench.profile.amounts import Amount, Apply, Formula, constant
from packbench.profile.language import step_models as m
from packbench.profile.language.schema import amount
from packbench.profile.language.values import Value, parse_of
from packbench.profile.plan import Segment

if TYPE_CHECKING:
    from packbench.profile.language.building import Builder

_HEADERS = {
    "current": ("current_a", "Current / A"),
    "power": ("power_w", "Power / W"),
}
_TIME_HEADERS = ("time_s", "Test Time / s", "Test Time (s)")
_ROW_LIMIT = 100_000


def train_segments(b: Builder, model: m.PulseModel) -> tuple[Segment, ...]:
    """A pulse train. A piece's read-outs are its own, else those of the train that lie within it."""
    segments: list[Segment] = []
    whole_ns = sum(piece.rest or piece.for_ or 0 for piece in model.train)
    for position, piece in enumerate(model.train):
        here = ("train", position)
        for_ns = piece.rest or piece.for_ or 0
        value: Amount = 0.0
        if piece.charge is not None:
            value = b.amount(piece.charge, *here, "charge")
        elif piece.discharge is not None:
            value = _negative(b.amount(piece.discharge, *here, "discharge"))
        read_outs = piece.read_outs
        if read_outs is None:
            read_outs = [at for at in model.read_outs if piece.rest is None and at <= for_ns]
        for order, at_ns in enumerate(piece.read_outs or ()):
            if at_ns > whole_ns:
                expected = "a time within the train"
                b.refuse("", (*here, "read_outs", order), f"{at_ns / 1e9:g} s", expected)
        segments.append(Segment(for_ns, value, tuple(sorted(read_outs))))
    longest_ns = max((segment.for_ns for segment in segments if constant(segment.value) != 0.0), default=0)
    for order, at_ns in enumerate(model.read_outs):
        if at_ns > longest_ns:
            expected = f"at most {longest_ns / 1e9:g} s, the longest piece with current"
            b.refuse("a read-out nobody takes", ("read_outs", order), f"{at_ns / 1e9:g} s", expected)
    return tuple(segments)


def table_segments(b: Builder, model: m.TableModel) -> tuple[Segment, ...]:
    """Points (time, value): each value is held until the next point; the last one only ends the table."""
    quantity = "power" if b.source.kind == "power_profile" else "current"
    points = _points_in_place(b, model, quantity) if model.points is not None else _points_of_file(b, model, quantity)
    segments: list[Segment] = []
    for (at_s, value), (next_s, _) in pairwise(points):
        for_ns = round(next_s * 1e9) - round(at_s * 1e9)
        if segments and segments[-1].value == value:
            segments[-1] = replace(segments[-1], for_ns=segments[-1].for_ns + for_ns)
        else:
            segments.append(Segment(for_ns, value))
    return _scaled(b, model, quantity, segments) or (Segment(1, 0.0),)


def _points_in_place(b: Builder, model: m.TableModel, quantity: str) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for position, item in enumerate(model.points or ()):
        here = ("points", position)
        pair = list_of(item)
        if pair is None or len(pair) != 2:
            b.refuse("", here, "not a pair", "[time, value], such as [10 s, -5 A]")
            continue
        try:
            at_s = parse_quantity(pair[0], "time")
            value = parse_of(pair[1], "power" if quantity == "power" else "current").resolve(b.scope)
        except UnitError as error:
            b.refuse("", here, error.found, error.expected)
            continue
        known = constant(value)
        if known is None:
            b.refuse("", here, repr(pair[1]), "a number: a table is known before the run")
            continue
        _append(b, points, at_s, known, here)
    _long_enough(b, points, ("points",))
    return points


def _points_of_file(b: Builder, model: m.TableModel, quantity: str) -> list[tuple[float, float]]:
    here = ("file",)
    assert model.file is not None
    try:
        source = b.library(model.file, b.source.unit.document.file)
    except InputError as error:
        for problem in error.problems:
            b.refuse(problem.message, here, problem.found or repr(model.file), problem.expected or "a CSV file")
        return []
    if source not in b.sources:
        b.sources.append(source)
    rows = csv.reader(StringIO(source.text))
    header = [name.strip() for name in next(rows, list[str]())]
    if len(header) < 2 or header[0] not in _TIME_HEADERS or header[1] not in _HEADERS[quantity]:
        expected = f"a first row {_TIME_HEADERS[0]},{_HEADERS[quantity][0]}"
        b.refuse("", here, f"{model.file}:1: {','.join(header)[:60]!r}", expected)
        return []
    points: list[tuple[float, float]] = []
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if line > _ROW_LIMIT:
            b.refuse("", here, f"{model.file}: more than {_ROW_LIMIT} rows", f"at most {_ROW_LIMIT}")
            break
        try:
            at_s, value = float(row[0]), float(row[1])
        except (ValueError, IndexError):
            b.refuse("", here, f"{model.file}:{line}: {','.join(row)[:60]!r}", "two numbers")
            return []
        if not _append(b, points, at_s, value, here, f"{model.file}:{line}: "):
            return []
    _long_enough(b, points, here)
    return points


def _append(
    b: Builder,
    points: list[tuple[float, float]],
    at_s: float,
    value: float,
    here: tuple[str | int, ...],
    where: str = "",
) -> bool:
    """Add a point; False: it is out of order or no number."""
    last_s = points[-1][0] if points else None
    finite = abs(at_s) < 1e9 and abs(value) < 1e9
    if not finite or (last_s is None and at_s != 0.0) or (last_s is not None and at_s <= last_s):
        expected = "times that begin at 0 s and rise" if finite else "finite numbers"
        b.refuse("", here, f"{where}{at_s:g} s, {value:g}", expected)
        return False
    points.append((at_s, value))
    return True


def _long_enough(b: Builder, points: list[tuple[float, float]], here: tuple[str, ...]) -> None:
    if len(points) < 2 and not b.problems:
        b.refuse("", here, f"{len(points)} point(s)", "at least two: the last one says when the table ends")


def _scaled(b: Builder, model: m.TableModel, quantity: str, segments: list[Segment]) -> tuple[Segment, ...]:
    """The segments by `scale`, or so that the largest value becomes `peak`."""
    factor = 1.0
    if model.scale is not None:
        value = amount(model.scale)
        factor = constant(b.amount(Value(value.amount, "ratio", value.text, positive=True), "scale")) or 1.0
    elif model.peak is not None:
        value = amount(model.peak)
        dimension = "power" if quantity == "power" else "current"
        peak = constant(b.amount(Value(value.amount, dimension, value.text, positive=True), "peak")) or 1.0
        largest = max((abs(constant(segment.value) or 0.0) for segment in segments), default=0.0)
        factor = peak / largest if largest else 1.0
    return tuple(replace(segment, value=(constant(segment.value) or 0.0) * factor) for segment in segments)


def _negative(value: Any) -> Amount:
    if isinstance(value, Formula):
        return Formula(Apply("neg", (value.expression,)), value.factor, value.text)
    return -value
