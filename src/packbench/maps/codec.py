"""Registers to values and back, for one stretch of registers at a time.

Owns the arithmetic of a map: word order, scale, ranges, sentinels, bits, arrays. Pure: bytes in,
values out, and the other way round; the driver decodes with the very object the simulator encodes
with. Compiled once a stretch, because it runs a few times in every simulated second: scalars are one
`struct` call, arrays are numpy views (a 96-cell block decodes in about 10 us).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray
from packbench.maps.arrays import DTYPE_OF, RAW_RANGE, Array, Scale, decode_array, encode_array
from packbench.maps.schema import Block, DeviceType, Field

Value = float | int | str | tuple[str, ...] | FloatArray
"""A number, a text, the names of the bits that are set, or an array in SI units."""

_STRUCT_OF: Final = {
    "u8": "H", "u16": "H", "s16": "h", "u32": "I", "s32": "i", "f32": "f", "bits16": "H", "bits32": "I",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a stretch of registers said."""

    values: dict[str, Any]
    """Field name to Value; a field whose device says "not fitted" is left out."""
    implausible: tuple[str, ...] = ()
    """Fields out of their range, not finite, at one of their sentinels, or in a state without a name."""


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A compiled scalar: where its raw value is among the unpacked ones, and what it means."""

    field: Field
    index: int
    offset: int
    """In bytes."""
    form: struct.Struct
    swap: bool
    scale: Scale
    low: float
    high: float
    bits: dict[str, int]
    """Name to bit number; of a field with states, to the raw value."""
    states: dict[int, str]
    """Raw value to name."""
    known: int
    """Mask of the bits that have a name."""

    @property
    def integer(self) -> bool:
        """Whether the value is a plain count."""
        return self.field.is_integer

    @property
    def unscaled(self) -> bool:
        """Whether encoding is nothing but packing."""
        return self.field.is_integer or (self.field.type == "f32" and self.scale.step == 1.0)

    @property
    def plain(self) -> bool:
        """Whether the value is nothing but a scale and a range, special values aside."""
        spec = self.field
        return not (self.swap or spec.names or spec.states or spec.offset or spec.raw_max is not None) and (
            # Times a negative scale, a zero would come out negative.
            spec.type not in ("char", "u8") and not (spec.sentinels and spec.type == "f32") and spec.scale > 0
        )

    @property
    def special(self) -> dict[int, bool]:
        """Raw values that are no number: True for one that is a sentinel, False for "not fitted"."""
        return dict.fromkeys(self.field.sentinels, True) | dict.fromkeys(self.field.absent, False)


@dataclass(frozen=True, slots=True)
class Layout:
    """The codec of `count` registers from `address` on. Make it with `compile_layout`."""

    address: int
    count: int
    size: int
    """In bytes."""
    _struct: struct.Struct
    _numbers: tuple[tuple[str, int, dict[int, bool], float, float, float, float], ...]
    """Scalars that are plain numbers: name, index, special raw values, factor (0: an integer), divisor, low, high."""
    _plain_out: tuple[tuple[str, int, struct.Struct, float, float, bool], ...]
    """The same for encoding: name, byte offset, form, factor (0: no scale), divisor, whether counts are whole."""
    _others: tuple[_Scalar, ...]
    """The other scalars."""
    _arrays: tuple[Array, ...]
    _fill: bytes
    """What an encoder starts from: "not fitted" where a field has such a value, else zero."""

    def decode(self, payload: bytes | bytearray | memoryview) -> Decoded:
        """Values of all fields. Raises ValueError when `payload` is not exactly `size` bytes."""
        if len(payload) != self.size:
            raise ValueError(f"{len(payload)} bytes for a stretch of {self.size}")
        raw = self._struct.unpack(payload)
        values: dict[str, Any] = {}
        bad: list[str] = []
        for name, index, special, factor, divisor, low, high in self._numbers:
            value = raw[index]
            if special and value in special:
                if special[value]:
                    bad.append(name)
                continue
            value = value * factor / divisor if factor else value
            if not low <= value <= high:
                bad.append(name)
            values[name] = value
        for item in self._others:
            self._decode_other(item, raw[item.index], values, bad)
        for array in self._arrays:
            decode_array(array, payload, values, bad)
        return Decoded(values, tuple(bad))

    def _decode_other(self, item: _Scalar, value: Any, values: dict[str, Any], bad: list[str]) -> None:
        """Texts, bits, halves of registers, swapped words, offsets, sentinels."""
        spec = item.field
        if spec.type == "char":
            values[spec.name] = value.split(b"\0", 1)[0].decode("ascii", "replace").rstrip()
            return
        if item.swap:
            value = _swapped(spec.type, value)
        if spec.names:
            shown = value & item.known if spec.unknown_bits == "ignore" else value
            values[spec.name] = _bit_names(spec, shown, item.known) if shown else ()
            return
        if spec.type == "u8":
            value = value >> 8 if spec.byte == "high" else value & 0xFF
        if value in spec.absent:
            return
        if value in spec.sentinels:
            bad.append(spec.name)
            return
        if spec.states:
            if value in item.states:
                values[spec.name] = item.states[value]
            else:
                bad.append(spec.name)
            return
        above = spec.raw_max is not None and value > spec.raw_max
        if not item.integer:
            value = value * item.scale.factor / item.scale.divisor + spec.offset
        if above or not item.low <= value <= item.high:
            bad.append(spec.name)
        values[spec.name] = value

    def encode(self, values: dict[str, Any]) -> bytes:
        """The registers that hold `values`; fields not given are "not fitted" or zero.

        Raises ValueError for a value that its type cannot hold (a set-point is never clipped).
        """
        buffer = bytearray(self._fill)
        self.encode_into(buffer, 0, values)
        return bytes(buffer)

    def encode_into(self, buffer: bytearray, at: int, values: dict[str, Any]) -> None:
        """Write the given fields into `buffer` at byte `at`; other fields keep what is there."""
        get = values.get
        for name, offset, form, factor, divisor, whole in self._plain_out:
            value = get(name)
            if value is not None:
                raw = value * divisor / factor if factor else value
                raw = round(raw) if factor and whole else raw
                try:
                    form.pack_into(buffer, at + offset, raw)
                except struct.error as exc:
                    raise ValueError(f"{name}: {value} does not fit ({exc})") from exc
        for item in self._others:
            value = get(item.field.name)
            if value is not None:
                (before,) = item.form.unpack_from(buffer, at + item.offset)
                item.form.pack_into(buffer, at + item.offset, _raw_scalar(item, value, before))
        for array in self._arrays:
            value = get(array.field.name)
            if value is not None:
                encode_array(array, buffer, at, np.asarray(value, dtype=np.float64))


def compile_layout(device: DeviceType, address: int, count: int, parameters: dict[str, float]) -> Layout:
    """The codec of a stretch of a map. `parameters` are the ratings that scales refer to.

    Raises InputError when a needed parameter is missing or two scalars overlap.
    """
    fields = device.fields_in(address, count)
    form = ">"
    end = 0
    scalars: list[_Scalar] = []
    arrays: list[Array] = []
    at_index: dict[int, int] = {}
    form_of: dict[int, str] = {}
    for item in fields:
        offset = 2 * device.words_between(address, item.address)
        scale, low, high = _scale_and_range(device, item, parameters)
        two_words = item.type in ("u32", "s32", "f32", "bits32")
        swap = two_words and item.word_order == "low_first"
        if item.count > 1 and item.type != "char":
            dtype = np.dtype(">u4" if swap else DTYPE_OF[item.type])
            marks = [raw * scale.step + item.offset for raw in item.sentinels + item.absent]
            outside = not any(low <= mark <= high for mark in marks)
            arrays.append(Array(item, offset, swap, dtype, scale, low, high, outside))
            continue
        code = f"{item.count}s" if item.type == "char" else "I" if swap else _STRUCT_OF[item.type]
        if offset not in at_index:
            if offset < end:
                raise InputError(Problem(f"{device.name}: {item.name} overlaps the field before it"))
            form += "x" * (offset - end)
            form += code
            at_index[offset], form_of[offset] = len(at_index), code
            end = offset + 2 * item.registers
            if item.type == "char" and item.count % 2:
                form += "x"
        elif form_of[offset] != code:
            raise InputError(Problem(f"{device.name}: {item.name} reads its register differently from another field"))
        scalars.append(_scalar(item, at_index[offset], offset, code, scale, low, high))
    form += "x" * (2 * count - end)
    plain = [item for item in scalars if item.plain]
    numbers = [
        (
            item.field.name,
            item.index,
            item.special,
            0.0 if item.integer else item.scale.factor,
            item.scale.divisor,
            item.low,
            item.high,
        )
        for item in plain
    ]
    plain_out = [
        (
            item.field.name,
            item.offset,
            item.form,
            0.0 if item.unscaled else item.scale.factor,
            item.scale.divisor,
            item.field.type != "f32",
        )
        for item in plain
    ]
    return Layout(
        address,
        count,
        2 * count,
        struct.Struct(form),
        tuple(numbers),
        tuple(plain_out),
        tuple(item for item in scalars if not item.plain),
        tuple(arrays),
        _absent_everywhere(count, scalars, arrays),
    )


def compile_block(device: DeviceType, block: Block, parameters: dict[str, float]) -> Layout:
    """The codec of one of the map's blocks."""
    return compile_layout(device, block.address, block.count, parameters)


def _scale_and_range(device: DeviceType, item: Field, parameters: dict[str, float]) -> tuple[Scale, float, float]:
    size = abs(item.scale)
    divisor = round(1 / size) if 0 < size < 1 else 0
    exact = divisor and math.isclose(divisor * size, 1.0, rel_tol=1e-12)
    scale = Scale(math.copysign(1.0, item.scale), divisor) if exact else Scale(item.scale, 1.0)
    if item.full_scale_of is not None:
        rating = parameters.get(item.full_scale_of)
        if rating is None:
            raise InputError(
                Problem(
                    f"{device.name}: the scale of {item.name} needs a rating",
                    field=item.full_scale_of,
                    found="not stated",
                    expected="a number in the device's settings",
                )
            )
        scale = Scale(rating, item.full_scale_raw)
    low = -math.inf if item.low is None else item.low
    high = math.inf if item.high is None else item.high
    # Half a count of tolerance: the limit itself must not fail by rounding.
    slack = 0.0 if item.is_integer or item.type == "f32" else abs(scale.step) / 2
    return scale, low - slack, high + slack


def _scalar(item: Field, index: int, offset: int, code: str, scale: Scale, low: float, high: float) -> _Scalar:
    bits = {name: number for number, name in item.names or item.states}
    known = sum(1 << bit for bit, _ in item.names)
    swap = code == "I" and item.type != "char" and item.word_order == "low_first"
    form = struct.Struct(">" + code)
    return _Scalar(item, index, offset, form, swap, scale, low, high, bits, dict(item.states), known)


def _absent_everywhere(count: int, scalars: list[_Scalar], arrays: list[Array]) -> bytes:
    """A stretch in which everything that can be "not fitted" is."""
    fill = bytearray(2 * count)
    for item in scalars:
        spec = item.field
        if spec.absent and spec.type in ("u16", "s16", "u32", "s32"):
            raw = _swapped("u32", spec.absent[0] & 0xFFFF_FFFF) if item.swap else spec.absent[0]
            item.form.pack_into(fill, item.offset, raw)
    for array in arrays:
        encode_array(array, fill, 0, np.empty(0))
    return bytes(fill)


def _swapped(kind: str, raw: int) -> float | int:
    """Put the words of a 32-bit value in order; `raw` was unpacked as unsigned."""
    ordered = ((raw & 0xFFFF) << 16 | raw >> 16).to_bytes(4, "big")
    return cast("float | int", struct.unpack(">" + _STRUCT_OF[kind], ordered)[0])


def _bit_names(item: Field, raw: int, known: int) -> tuple[str, ...]:
    found = [name for bit, name in item.names if raw >> bit & 1]
    if rest := raw & ~known:
        found += [f"{item.name}_bit_{bit}" for bit in range(rest.bit_length()) if rest >> bit & 1]
    return tuple(found)


def _raw_scalar(item: _Scalar, value: Any, before: Any) -> Any:
    spec = item.field
    kind = spec.type
    if kind == "char":
        text = value if isinstance(value, bytes) else str(value).encode("ascii", "replace")
        if len(text) > spec.count:
            raise ValueError(f"{spec.name}: {len(text)} characters, room for {spec.count}")
        return text
    if spec.names:
        raw: Any = _bits_raw(item, value, before)
    elif spec.states:
        if value not in item.bits:
            raise ValueError(f"{spec.name}: no state is named {value}")
        raw = item.bits[value]
    elif item.unscaled:
        raw = value if kind == "f32" else int(value)
    else:
        raw = round((value - spec.offset) * item.scale.divisor / item.scale.factor)
    if kind in RAW_RANGE:
        low, high = RAW_RANGE[kind]
        if spec.raw_max is not None:
            high = spec.raw_max
        if not low <= raw <= high:
            raise ValueError(f"{spec.name}: {value} does not fit: {raw} counts, allowed {low} to {high}")
    if kind == "u8":
        return raw << 8 | before & 0xFF if spec.byte == "high" else before & 0xFF00 | raw
    if item.swap:
        ordered = int.from_bytes(struct.pack(">" + _STRUCT_OF[kind], raw), "big")
        return (ordered & 0xFFFF) << 16 | ordered >> 16
    return raw


def _bits_raw(item: _Scalar, names: tuple[str, ...], before: int) -> int:
    """Set the named bits; bits that have no name keep their value when the map ignores them."""
    spec = item.field
    raw = before & ~item.known if spec.unknown_bits == "ignore" else 0
    for name in names:
        bit = item.bits.get(name)
        if bit is None and name.startswith(prefix := f"{spec.name}_bit_"):
            bit = int(name[len(prefix) :])
        if bit is None:
            raise ValueError(f"{spec.name}: no bit is named {name}")
        raw |= 1 << bit
    return raw
