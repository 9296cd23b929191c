"""The segments of waveforms: pulse trains, and tables of points from a file or in place.

Owns the way of both into pieces with a signed value and a time. Positive charges.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from packbench.config.document import list_of
from packbench.config.fields import TIME_MAX_D
from packbench.core.errors import InputError
from packbench.core.units import UnitError, parse_quantity
from packbench.profile.amounts import Amount, Apply, Constant, Formula, constant
from packbench.profile.language import step_models as m
from packbench.profile.language.schema import amount
from packbench.profile.language.tables import Point, read_table
from packbench.profile.language.values import Value, parse_of
from packbench.profile.plan import Segment

if TYPE_CHECKING:
    from packbench.profile.language.building import Builder

_NOTHING = (Segment(1, 0.0),)
"""In place of what had problems."""
SCALE_MAX = 10.0


def train_segments(b: Builder, model: m.PulseModel) -> tuple[Segment, ...]:
    """A pulse train. A piece's read-outs are its own, else those of the train that lie within it."""
    segments: list[Segment] = []
    left_ns = sum(piece.rest or piece.for_ or 0 for piece in model.train)
    for position, piece in enumerate(model.train):
        here = ("train", position)
        for_ns = piece.rest or piece.for_ or 0
        value: Amount = 0.0
        if piece.charge is not None:
            value = b.amount(piece.charge, *here, "charge")
        elif piece.discharge is not None:
            value = _times(b.amount(piece.discharge, *here, "discharge"), -1.0)
        for order, at_ns in enumerate(piece.read_outs or ()):
            if at_ns > left_ns:
                expected = f"at most {left_ns / 1e9:g} s: the train is over then"
                b.refuse("a read-out nobody takes", (*here, "read_outs", order), f"{at_ns / 1e9:g} s", expected)
        read_outs = piece.read_outs
        if read_outs is None:
            read_outs = [at for at in model.read_outs if piece.rest is None and at <= for_ns]
        sign = 1 if piece.charge is not None else -1 if piece.discharge is not None else 0
        segments.append(Segment(for_ns, value, tuple(sorted(read_outs)), sign))
        left_ns -= for_ns
    if any(piece.rest is None and piece.for_ is None for piece in model.train):
        return _NOTHING  # which has been said
    longest_ns = max((piece.for_ or 0 for piece in model.train if piece.read_outs is None), default=0)
    for order, at_ns in enumerate(model.read_outs):
        if at_ns > longest_ns:
            expected = (
                f"at most {longest_ns / 1e9:g} s, the longest piece with current and without read_outs of its own"
            )
            if longest_ns == 0:
                expected = "no read_outs here: every piece has its own"
            b.refuse("a read-out nobody takes", ("read_outs", order), f"{at_ns / 1e9:g} s", expected)
    return _of_some_length(b, model, tuple(segments))


def table_segments(b: Builder, model: m.TableModel) -> tuple[Segment, ...]:
    """Points (time, value): each value is held until the next point; the last one only ends the table."""
    quantity = "power" if b.source.kind == "power_profile" else "current"
    before = len(b.problems)
    points = _points_in_place(b, model, quantity) if model.points is not None else _points_of_file(b, model, quantity)
    if len(b.problems) > before or not points:
        return _NOTHING
    segments: list[Segment] = []
    for (at_s, value), (next_s, _) in pairwise(points):
        for_ns = round(next_s * 1e9) - round(at_s * 1e9)
        if segments and segments[-1].value == value:
            segments[-1] = replace(segments[-1], for_ns=segments[-1].for_ns + for_ns)
        else:
            segments.append(Segment(for_ns, value))
    return _of_some_length(b, model, _scaled(b, model, quantity, segments))


def _of_some_length(b: Builder, model: m.WaveModel, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Refuse what would go on for longer than anything may."""
    whole_ns = sum(segment.for_ns for segment in segments) * model.repeat
    if whole_ns > TIME_MAX_D * 86_400_000_000_000:
        b.refuse("", ("repeat",), f"{whole_ns / 86_400e9:.4g} d in all", f"at most {TIME_MAX_D} d")
    return segments


def _points_in_place(b: Builder, model: m.TableModel, quantity: str) -> list[Point]:
    """The points of `points`, up to the first that is wrong."""
    points: list[Point] = []
    for position, item in enumerate(model.points or ()):
        here = ("points", position)
        pair = list_of(item)
        if pair is None or len(pair) != 2:
            b.refuse(
                "", here, b.source.unit.document.found((*b.source.path, *here)), "[time, value], such as [10 s, -5 A]"
            )
            return []
        try:
            at_s = parse_quantity(pair[0], "time")
        except UnitError as error:
            b.refuse("", (*here, 0), error.found, error.expected)
            return []
        try:
            value = parse_of(pair[1], "power" if quantity == "power" else "current").resolve(b.scope)
        except UnitError as error:
            b.refuse("", (*here, 1), error.found, error.expected)
            return []
        known = constant(value)
        if known is None:
            b.refuse("", (*here, 1), repr(pair[1]), "a value that is known before the run (scale and peak may vary)")
            return []
        last_s = points[-1][0] if points else None
        if (last_s is None and at_s != 0.0) or (last_s is not None and round(at_s * 1e9) <= round(last_s * 1e9)):
            expected = "0 s: where the table begins" if last_s is None else f"later than {last_s:g} s: times rise"
            b.refuse("", (*here, 0), f"{at_s:g} s", expected)
            return []
        points.append((at_s, known))
    if len(points) < 2:
        expected = "at least two: the last one says when the table ends"
        b.refuse("", ("points",), f"{len(points)} point(s)", expected)
    return points


def _points_of_file(b: Builder, model: m.TableModel, quantity: str) -> list[Point]:
    if model.file is None:
        return []  # which has been said
    try:
        source = b.library(model.file, b.source.unit.document.file)
    except InputError as error:
        for problem in error.problems:
            b.refuse(problem.message, ("file",), problem.found or repr(model.file), problem.expected or "a CSV file")
        return []
    if source not in b.sources:
        b.sources.append(source)
    try:
        return read_table(source, quantity)
    except InputError as error:
        b.problems += error.problems
        return []


def _scaled(b: Builder, model: m.TableModel, quantity: str, segments: list[Segment]) -> tuple[Segment, ...]:
    """The segments by `scale`, or so that the largest value becomes `peak`; either may be a formula."""
    largest = max((abs(constant(segment.value) or 0.0) for segment in segments), default=0.0)
    if largest == 0.0:
        key = "file" if model.points is None else "points"
        b.refuse("a table without current", (key,), "nothing but 0", "a value that is not 0, or a rest")
        return _NOTHING
    factor: Amount = 1.0
    if model.scale is not None:
        value = amount(model.scale)
        factor = b.amount(Value(value.amount, "ratio", value.text, positive=True), "scale")
        if (constant(factor) or 0.0) > SCALE_MAX:
            b.refuse("", ("scale",), f"{(constant(factor) or 0.0) * 100:g} %", f"at most {SCALE_MAX * 100:g} %")
    elif model.peak is not None:
        value = amount(model.peak)
        dimension = "power" if quantity == "power" else "current"
        factor = _times(b.amount(Value(value.amount, dimension, value.text, positive=True), "peak"), 1.0 / largest)
    return tuple(replace(segment, value=_times(factor, constant(segment.value) or 0.0)) for segment in segments)


def _times(value: Amount, number: float) -> Amount:
    """A multiple of an amount."""
    if isinstance(value, Formula):
        return Formula(Apply("*", (value.expression, Constant(number))), value.factor, value.text)
    return value * number
