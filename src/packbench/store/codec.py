"""Ended steps, trips and gaps as events, and back.

Owns the event kinds that have a shape of their own. It exists so that the log is one stream with
one chain: tables of steps and trips are views on events (schema.py), never a second truth.
Keys are the field names of core.records; a number that is NaN is null. Reading ignores keys it
does not know and fills in defaults for keys that are not there, so records may grow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

from packbench.core.records import Event, Gap, ReadOut, StepRecord, Trip

STEP_ENDED: Final = "step_ended"
TRIP: Final = "trip"
GAP: Final = "gap"

_Record = TypeVar("_Record", StepRecord, ReadOut, Trip, Gap)


def step_event(step: StepRecord) -> Event:
    """The event of an ended step, at the instant it ended."""
    return Event(step.ended_ns, STEP_ENDED, _to_data(step))


def trip_event(trip: Trip) -> Event:
    """The event of a trip."""
    return Event(trip.t_ns, TRIP, _to_data(trip))


def gap_event(gap: Gap) -> Event:
    """The event of a gap, at its end: before that nobody could write."""
    return Event(gap.ended_ns, GAP, _to_data(gap))


def step_from(data: Mapping[str, Any]) -> StepRecord:
    """The step that `step_event` wrote."""
    record = _from_data(StepRecord, {**data, "read_outs": ()})
    read_outs = tuple(_from_data(ReadOut, item) for item in data.get("read_outs", ()))
    return replace(record, read_outs=read_outs) if read_outs else record


def trip_from(data: Mapping[str, Any]) -> Trip:
    """The trip that `trip_event` wrote."""
    return _from_data(Trip, data)


def gap_from(data: Mapping[str, Any]) -> Gap:
    """The gap that `gap_event` wrote."""
    return _from_data(Gap, data)


def _to_data(record: StepRecord | ReadOut | Trip | Gap) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for item in fields(record):
        value = getattr(record, item.name)
        if item.name == "read_outs":
            data[item.name] = [_to_data(read_out) for read_out in value]
            continue
        data[item.name] = None if isinstance(value, float) and not math.isfinite(value) else value
    return data


def _from_data(kind: type[_Record], data: Mapping[str, Any]) -> _Record:
    values: dict[str, Any] = {}
    for item in fields(kind):
        if item.name in data:
            value = data[item.name]
            # Only a field that cannot be None can have been NaN.
            values[item.name] = math.nan if value is None and item.type == "float" else value
    return kind(**values)
