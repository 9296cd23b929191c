"""Readings of the simulated parts as values of a map's fields, whatever shapes the map has for them.

Owns the way from what something means (`voltage_v`, a cell's voltage, a flag) to the fields that a map has for it:
lists spread over several fields, counts and masks that go with them, names that the map knows, numbers within what a
register can hold. Pure; `devices/mapped.py` keeps the registers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray
from packbench.maps.arrays import RAW_RANGE
from packbench.maps.conventions import LISTS
from packbench.maps.schema import DeviceType, Field


class FieldValues:
    """Turns values by meaning into values by field.

    Args:
        device: The map.
        fields: The fields that are filled.
        parameters: Ratings that scales refer to.
    """

    def __init__(self, device: DeviceType, fields: Iterable[Field], parameters: Mapping[str, float]) -> None:
        self._device = device
        self._lists: dict[str, tuple[Field, ...]] = {}
        self._others: list[Field] = []
        for item in fields:
            if item.meaning in LISTS:
                self._lists[item.meaning] = (*self._lists.get(item.meaning, ()), item)
            else:
                self._others.append(item)
        self._span = {item.name: span_of(item, parameters) for item in device.fields.values() if item.is_number}

    def room(self, meaning: str) -> tuple[int, int]:
        """(fewest, most) elements of a list that the map can say; (0, 0) when it has no such field."""
        fields = self._lists.get(meaning, ())
        fixed = sum(item.count for item in fields if not _may_be_short(item))
        return fixed, sum(item.count for item in fields)

    def fill(self, meant: Mapping[str, Any]) -> dict[str, Any]:
        """Values by field name; a field of which nothing is known is left as it is."""
        found: dict[str, Any] = {}
        for meaning, fields in self._lists.items():
            if meaning in meant:
                self._spread(np.asarray(meant[meaning], dtype=np.float64), fields, found)
        for item in self._others:
            if item.names:
                wanted = meant.get(item.meaning, ())
                found[item.name] = tuple(name for _, name in item.names if name in wanted)
            elif (value := meant.get(item.meaning)) is not None:
                if item.states:
                    if value in [word for _, word in item.states]:
                        found[item.name] = value
                elif item.is_number:
                    found[item.name] = self.held(item, float(value))
                else:
                    found[item.name] = str(value)[: item.count]
        return found

    def held(self, item: Field, value: float) -> float:
        """The nearest value that the field can hold; a count stays a whole number."""
        low, high = self._span[item.name]
        value = min(max(value, low), high)
        return round(value) if item.is_integer else value

    def _spread(self, values: FloatArray, fields: tuple[Field, ...], found: dict[str, Any]) -> None:
        """A list over the fields that share it, in their order; counts and masks say how much of each there is.

        A field that cannot say "not fitted" is a sensor that is there: it reads what the last one reads.
        """
        at = 0
        for item in fields:
            part = values[at : at + item.count]
            at += item.count
            if values.size and not _may_be_short(item):
                part = np.concatenate([part, np.full(item.count - part.size, values[-1])])
            if item.count_from is not None:
                found[item.count_from] = part.size
            if item.mask_from is not None:
                found[item.mask_from] = (1 << part.size) - 1
            low, high = self._span[item.name]
            if item.count > 1:
                found[item.name] = np.clip(part, low, high)
            elif part.size:
                found[item.name] = self.held(item, part.item(0))


def _may_be_short(item: Field) -> bool:
    """Whether the field can say that some of its elements are not there."""
    return bool(item.count_from or item.mask_from or item.absent)


def span_of(item: Field, parameters: Mapping[str, float]) -> tuple[float, float]:
    """(lowest, highest) value that a numeric field can hold and that is plausible.

    Raises InputError when its scale needs a rating that nobody states.
    """
    low, high = -np.inf, np.inf
    if item.type != "f32":
        step = item.scale
        if item.full_scale_of is not None:
            if item.full_scale_of not in parameters:
                expected = f"--set {item.full_scale_of}=NUMBER: the scale of {item.name} refers to it"
                raise InputError(Problem("", field=item.full_scale_of, found="nothing", expected=expected))
            step = parameters[item.full_scale_of] / item.full_scale_raw
        least, most = RAW_RANGE[item.type]
        ends = (least * step + item.offset, (item.raw_max or most) * step + item.offset)
        low, high = min(ends), max(ends)
    low = low if item.low is None else max(low, item.low)
    high = high if item.high is None else min(high, item.high)
    return float(low), float(high)


def initial_value(item: Field, parameters: Mapping[str, float]) -> Any:
    """What a field says of which nobody knows anything: "not fitted" (None), or the plausible value nearest to zero."""
    if item.absent or item.names or item.type == "char" or item.count > 1:
        return None
    if item.states:
        return item.states[0][1]
    low, high = span_of(item, parameters)
    value = min(max(0.0, low), high)
    return round(value) if item.is_integer else value


def parse_value(item: Field, text: str) -> Any:
    """A stated value (`--set FIELD=VALUE`) in the shape of the field. Raises InputError."""

    def wrong(expected: str) -> InputError:
        return InputError(Problem("", field=f"--set {item.name}", found=text, expected=expected))

    words = [word.strip() for word in text.split(",") if word.strip()]
    if item.names:
        known = [name for _, name in item.names]
        if not set(words) <= set(known):
            raise wrong(f"names of its bits: {', '.join(known)}")
        return tuple(words)
    if item.states:
        known = [word for _, word in item.states]
        if text not in known:
            raise wrong(f"one of {', '.join(known)}")
        return text
    if item.type == "char":
        if len(text.encode("ascii", "replace")) > item.count:
            raise wrong(f"at most {item.count} characters")
        return text
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= item.count:
        raise wrong("a number" if item.count == 1 else f"1 to {item.count} numbers, with commas between")
    if item.count > 1:
        return np.array(numbers)
    return int(numbers[0]) if item.is_integer else numbers[0]
