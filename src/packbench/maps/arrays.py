"""Arrays in registers: numpy views on the bytes, both directions.

Owns scaling, ranges and special values of a field with many elements; scalars are `maps/codec.py`'s.
The usual case of a decode is one view, one scaling and two reductions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from packbench.core.samples import FloatArray
from packbench.maps.schema import Field

DTYPE_OF: Final = {"u16": ">u2", "s16": ">i2", "u32": ">u4", "s32": ">i4", "f32": ">f4"}
RAW_RANGE: Final = {
    "u8": (0, 0xFF), "u16": (0, 0xFFFF), "s16": (-0x8000, 0x7FFF), "u32": (0, 0xFFFF_FFFF),
    "s32": (-0x8000_0000, 0x7FFF_FFFF), "bits16": (0, 0xFFFF), "bits32": (0, 0xFFFF_FFFF),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scale:
    """value = raw * factor / divisor: division by 1000 gives 3.7 where times 0.001 gives 3.7000000000000003."""

    factor: float
    divisor: float

    @property
    def step(self) -> float:
        """The SI value of one count."""
        return self.factor / self.divisor


@dataclass(frozen=True, slots=True)
class Array:
    """A compiled array."""

    field: Field
    offset: int
    swap: bool
    dtype: np.dtype[Any]
    scale: Scale
    low: float
    high: float
    special_outside: bool
    """Sentinels and absent marks all lie outside the plausible range."""


def decode_array(array: Array, payload: bytes | bytearray | memoryview, values: dict[str, Any], bad: list[str]) -> None:
    """Add the array to `values`, and its name to `bad` when something in it is implausible."""
    spec = array.field
    raw: NDArray[Any] = np.frombuffer(payload, array.dtype, spec.count, array.offset)
    if spec.count_from is not None:
        fitted = values.get(spec.count_from, spec.count)
        if fitted > spec.count:
            bad.append(spec.name)
        elif fitted < spec.count:
            raw = raw[:fitted]
    if spec.mask_from is not None:
        mask = values.get(spec.mask_from, 0)
        top = mask.bit_length()
        if mask == (1 << top) - 1 and top <= spec.count:
            raw = raw[:top]
        else:
            raw = raw[[index for index in range(spec.count) if mask >> index & 1]]
    if array.swap:
        raw = ((raw >> 16) | (raw << 16)).astype(">u4").view(DTYPE_OF[spec.type])
    result = _scaled(array, raw)
    # The usual case costs two searches: special values are known to lie outside the range.
    if raw.size and not (array.special_outside and _within(result, array.low, array.high)):
        for missing in spec.absent:
            raw = raw[raw != missing]
        result = _scaled(array, raw)
        outside = not bool(np.all((result >= array.low) & (result <= array.high)))
        if outside or bool(np.isin(raw, spec.sentinels).any()):
            bad.append(spec.name)
    values[spec.name] = result


def _within(values: FloatArray, low: float, high: float) -> bool:
    """Whether all values lie in a range; False for a NaN, which argmin and argmax both find first.

    Half the cost of minimum.reduce and maximum.reduce on a hundred elements.
    """
    return values.item(values.argmin()) >= low and values.item(values.argmax()) <= high


def _scaled(array: Array, raw: NDArray[Any]) -> FloatArray:
    scale = array.scale
    result: FloatArray = raw.astype(np.float64)
    if scale.factor == 1.0:
        result /= scale.divisor
    else:
        result *= scale.step
    if array.field.offset:
        result += array.field.offset
    return result


def encode_array(array: Array, buffer: bytearray, at: int, values: FloatArray) -> None:
    """Write the elements given and mark the rest "not fitted"; ValueError for one that does not fit."""
    spec = array.field
    target: NDArray[Any] = np.frombuffer(buffer, array.dtype, spec.count, at + array.offset)
    size = values.size
    if size > spec.count:
        raise ValueError(f"{spec.name}: {size} values, room for {spec.count}")
    if spec.type == "f32":
        raw: NDArray[Any] = values
    else:
        shifted = values - spec.offset if spec.offset else values
        raw = shifted * (array.scale.divisor / array.scale.factor)
        np.rint(raw, raw)
        low, high = RAW_RANGE[spec.type]
        if size and not _within(raw, low, high):
            raise ValueError(f"{spec.name}: a value does not fit into {spec.type}")
    if array.swap:
        dtype = np.dtype(DTYPE_OF[spec.type])
        words = raw.astype(dtype).view(">u4")
        target[:size] = (words >> 16) | (words << 16)
    else:
        target[:size] = raw
    if size < spec.count:
        blank = spec.absent or (spec.sentinels if spec.count_from else ())
        target[size:] = blank[0] if blank else 0
