"""Register maps: what files are refused, what decodes to what, and the way back."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire_parts import DEVICES, MAP_NAMES, device_map

from packbench.core.errors import InputError
from packbench.drivers.golden import check_golden
from packbench.maps.codec import Layout, compile_block, compile_layout
from packbench.maps.file import load_device
from packbench.maps.schema import DeviceType, Field

RATINGS = {"rated_voltage_v": 500.0, "rated_current_a": 120.0, "rated_power_w": 30_000.0}
MAPS = {name: device_map(name) for name in MAP_NAMES}
BLOCKS = [(name, block.name) for name, device in MAPS.items() for block in device.blocks]

SMALL = """
packbench_device: 1
name: small
title: A small map
kind: bms
links: [serial]
unit: 1
verified_on_hardware: false
sources: ["a test"]
blocks:
  live: {address: 0, count: 22}
fields:
  high: {address: 0, type: u8, byte: high}
  low: {address: 0, type: u8, byte: low, scale: 0.01}
  big: {address: 1, type: u32, word_order: low_first}
  signed: {address: 3, type: s32, word_order: low_first, scale: 0.001}
  real: {address: 5, type: f32, word_order: low_first}
  kelvin: {address: 7, type: u16, scale: 0.1, offset: -273.1, range: [-50, 100], sentinels: [65535]}
  text: {address: 8, type: char, count: 4}
  flags: {address: 10, type: bits16, bits: {0: first, 15: last}}
  pair: {address: 11, type: s32, count: 2, word_order: low_first}
  count: {address: 15, type: u16}
  some:
    {address: 16, type: s16, count: 3, scale: 0.5, range: [-10, 10], absent: [-32768], sentinels: [32767],
     count_from: count}
  spare: {address: 19, type: u16, absent: [65535], sentinels: [65534]}
  turned: {address: 20, type: s16, scale: -0.1, range: [-100, 100]}
  mode: {address: 21, type: u16, states: {0: idle, 7: busy}, absent: [65535]}
golden:
  - {framing: rtu, source: "a test", reply: "01 83 02 C0 F1", refused: 2}
"""


def small() -> DeviceType:
    return load_device(SMALL, "small.yaml")


@pytest.mark.parametrize("name", MAP_NAMES)
def test_every_shipped_map_agrees_with_its_golden_captures(name: str) -> None:
    assert check_golden(MAPS[name]) == []
    assert MAPS[name].golden
    assert MAPS[name].verified_on_hardware is False


@pytest.mark.parametrize(
    ("text", "new", "complaint"),
    [
        ("scale: 0.001, unit: V, range: [0, 200]}", "scale: 0.01, unit: V, range: [0, 200]}", "voltage_v is 528.0"),
        ('voltage_v: {address: "0x1290"', 'voltage_v: {address: "0x1292"', "voltage_v is None"),
        ("type: s32, scale: 0.001, unit: A, range: [-500, 500]", "type: u32, scale: 0.001, unit: A", "4294954.951"),
        ("type: u8, byte: low, scale: 0.01, range: [0, 1]}", "type: u8, byte: high, scale: 0.01}", "soc is 0.0"),
        ('reply: "01 83 02 C0 F1"', 'reply: "01 83 02 C0 F2"', "checksum is wrong"),
        ('request: "01 03 12 90 00 02 C1 5E"', 'request: "01 03 12 90 00 02 C1 5F"', "checksum is wrong"),
    ],
)
def test_a_wrong_map_disagrees_with_its_captures(text: str, new: str, complaint: str) -> None:
    original = (DEVICES / "jk-pb.yaml").read_text("utf-8")
    assert text in original
    problems = check_golden(load_device(original.replace(text, new), "jk-pb.yaml"))
    assert any(complaint in problem for problem in problems), problems


def test_decoding_by_hand() -> None:
    payload = (
        bytes((0x07, 0x57)) + struct.pack(">HH", 0x5678, 0x1234)
        + struct.pack(">HH", 0xCFC7, 0xFFFF) + struct.pack(">HH", 0x0000, 0x42A0)
        + struct.pack(">H", 2981) + b"ab\0c" + struct.pack(">H", 0xC001)
        + struct.pack(">HHHH", 0xFFFE, 0xFFFF, 5, 0) + struct.pack(">H", 2)
        + struct.pack(">hhh", -4, 5, 99) + struct.pack(">H", 65535)
        + struct.pack(">h", 137) + struct.pack(">H", 7)
    )  # fmt: skip
    decoded = compile_block(small(), small().block("live"), {}).decode(payload)
    values = decoded.values
    assert (values["high"], values["low"], values["big"]) == (7, 0.87, 0x12345678)
    assert (values["signed"], values["real"]) == (-12.345, 80.0)
    assert values["kelvin"] == pytest.approx(25.0)
    assert values["text"] == "ab"
    assert values["flags"] == ("first", "last", "flags_bit_14")
    assert values["pair"].tolist() == [-2.0, 5.0]
    assert values["some"].tolist() == [-2.0, 2.5], "count says two"
    assert "spare" not in values, "not fitted"
    assert (values["turned"], values["mode"]) == (-13.7, "busy")
    assert decoded.implausible == ()


@pytest.mark.parametrize(
    ("field", "raw", "bad"),
    [
        ("kelvin", 2230, True),
        ("kelvin", 2231, False),
        ("kelvin", 3731, False),
        ("kelvin", 3732, True),
        ("kelvin", 65535, True),
        ("spare", 65534, True),
        ("spare", 65535, False),
        ("some", 21, True),
        ("some", 20, False),
        ("some", 32767, True),
        ("count", 4, True),
        ("turned", 1001, True),
        ("turned", 1000, False),
        ("mode", 1, True),
        ("mode", 0, False),
        ("mode", 65535, False),
    ],
)
def test_ranges_and_sentinels(field: str, raw: int, bad: bool) -> None:
    device = small()
    layout = compile_block(device, device.block("live"), {})
    payload = bytearray(layout.encode({"kelvin": 20.0, "count": 3, "some": [0.0, 0.0, 0.0], "spare": 1}))
    struct.pack_into(">H", payload, 2 * device.fields[field].address, raw)
    decoded = layout.decode(payload)
    expected = {"count": "some"}.get(field, field)
    assert (expected in decoded.implausible) is bad


def test_a_zero_that_is_counted_the_other_way_round_is_plain_zero() -> None:
    device = small()
    layout = compile_block(device, device.block("live"), {})
    payload = layout.encode({"kelvin": 20.0, "turned": 0.0})
    assert str(layout.decode(payload).values["turned"]) == "0.0"
    turned = layout.encode({"turned": 12.3})[2 * 20 : 2 * 21]
    assert int.from_bytes(turned, "big", signed=True) == -123


def test_absent_elements_are_left_out_not_zero() -> None:
    device = small()
    layout = compile_block(device, device.block("live"), {})
    payload = bytearray(layout.encode({"kelvin": 20.0, "count": 3, "some": [1.0, 2.0, 3.0]}))
    struct.pack_into(">h", payload, 2 * 17, -32768)
    decoded = layout.decode(payload)
    assert decoded.values["some"].tolist() == [1.0, 3.0]
    assert decoded.implausible == ()


def test_encoding_touches_nothing_but_the_given_fields() -> None:
    device = small()
    layout = compile_block(device, device.block("live"), {})
    buffer = bytearray(b"\xa5" * layout.size)
    layout.encode_into(buffer, 0, {"kelvin": 20.0})
    assert [index for index, byte in enumerate(buffer) if byte != 0xA5] == [14, 15]


def test_values_that_do_not_fit_are_refused_not_clipped() -> None:
    device = small()
    layout = compile_block(device, device.block("live"), {})
    for values in (
        {"spare": 70_000},
        {"kelvin": -300.0},
        {"text": "12345"},
        {"some": [1.0] * 4},
        {"some": [20_000.0]},
        {"mode": "asleep"},
    ):
        with pytest.raises(ValueError, match=next(iter(values))):
            layout.encode(values)
    ea = compile_block(MAPS["ea-psb"], MAPS["ea-psb"].block("setpoints"), RATINGS)
    ea.encode({"source_current_a": 120.0 * 1.02})
    with pytest.raises(ValueError, match="source_current_a"):
        ea.encode({"source_current_a": 120.0 * 1.021})


def test_a_wrong_length_is_an_error() -> None:
    layout = compile_block(small(), small().block("live"), {})
    with pytest.raises(ValueError, match="43 bytes"):
        layout.decode(b"\0" * 43)


def test_a_missing_rating_is_named() -> None:
    with pytest.raises(InputError, match="rated_voltage_v"):
        compile_layout(MAPS["ea-psb"], 507, 1, {})


def _plausible(item: Field, layout: Layout, draw: Any) -> Any:
    """A value on the field's own grid, within its range and no special value."""
    if item.type == "char":
        return draw(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=item.count))
    if item.names:
        return tuple(sorted(draw(st.sets(st.sampled_from([name for _, name in item.names])))))
    if item.states:
        return draw(st.sampled_from([word for _, word in item.states]))
    if item.type == "f32":
        # Whole raw numbers up to 2^24: a float of 32 bits holds each of them exactly.
        low, high = int((item.low or 0) / item.scale), int((item.high or 1e6) / item.scale)
        return draw(st.integers(low + 1, min(high, 2**24))) * float(item.scale)
    span = {"u8": (0, 255), "u16": (0, 65535), "s16": (-32768, 32767)}.get(item.type, (-(2**31), 2**31 - 1))
    span = (0, 2**32 - 1) if item.type == "u32" else span
    scale = RATINGS[item.full_scale_of] / item.full_scale_raw if item.full_scale_of else item.scale
    low = span[0] if item.low is None else max(span[0], round((item.low - item.offset) / scale))
    high = span[1] if item.high is None else min(span[1], round((item.high - item.offset) / scale))
    high = high if item.raw_max is None else min(high, item.raw_max)
    raws = st.integers(low, high).filter(lambda raw: raw not in item.sentinels + item.absent)
    if item.count > 1:
        some = draw(st.lists(raws, min_size=1, max_size=4))
        return np.resize([raw * scale + item.offset for raw in some], item.count)
    return draw(raws) if item.is_integer else draw(raws) * scale + item.offset


@settings(max_examples=40)
@given(data=st.data())
@pytest.mark.parametrize(("name", "block"), BLOCKS)
def test_encode_then_decode_is_the_identity(name: str, block: str, data: st.DataObject) -> None:
    device = MAPS[name]
    layout = compile_block(device, device.block(block), RATINGS)
    fields = device.fields_in(layout.address, layout.count)
    values: dict[str, Any] = {}
    for item in fields:
        values[item.name] = _plausible(item, layout, data.draw)
    for item in fields:
        # Counts and masks decide how much of an array exists: all of it.
        if item.count_from:
            values[item.count_from] = item.count
        if item.mask_from:
            values[item.mask_from] = (1 << item.count) - 1
    if "alarms" in values and "state" in values and name == "ea-psb":
        # Two views of one register: the state word carries the alarm bits.
        values["state"] &= 0xFFFF
    payload = layout.encode(values)
    decoded = layout.decode(payload)
    assert decoded.implausible == ()
    for item in fields:
        expected, found = values[item.name], decoded.values[item.name]
        if item.names:
            assert sorted(found) == sorted(expected)
        elif item.name == "state" and name == "ea-psb":
            assert found & 0xFFFF == expected
        elif isinstance(expected, str):
            assert found == expected
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert layout.encode(decoded.values) == payload


@given(payload=st.binary(min_size=248, max_size=248))
def test_any_registers_decode_without_a_crash(payload: bytes) -> None:
    device = MAPS["modbus-hv-bms"]
    decoded = compile_block(device, device.block("live"), {}).decode(payload)
    assert decoded.values["cell_voltages_v"].size <= 96


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("type: u8, byte: high", "type: u9, byte: high", "13:28: fields.high.type", "u16"),
        ("count: 22}", "count: 126}", "11:29: blocks.live.count", "125 or less"),
        ("unit: 1", "unit: 1e3", "7:7: unit", "1000"),
        ("address: 0, type: u8, byte: h", "address: 70000, type: u8, byte: h", "fields.high.address", "65535 or less"),
        ("count_from: count}", "count_from: counts}", "fields.some.count_from", "the name of a field"),
        ("15: last", "16: last", "fields.flags.bits.16", "0 to 15"),
        ("kind: bms", "kind: bms\ncolour: red", "colour", "unknown key"),
        ('reply: "01 83 02 C0 F1"', 'reply: "01 8"', "golden[1].reply", "hexadecimal"),
        ("scale: -0.1", "scale: 0", "fields.turned.scale", "any other number"),
        ("7: busy}", "0x7: busy}", "fields.mode.states", "plain digits"),
        ("7: busy}", "70000: busy}", "fields.mode.states.70000", "a raw value, 0 to 65535"),
        ("7: busy}", "7: idle}", "fields.mode.states", "a name for each raw value"),
        ("type: u16, states", "type: s16, states", "fields.mode.states", "names on one u8 or u16"),
    ],
)
def test_a_bad_map_is_refused_with_its_place(old: str, new: str, where: str, what: str) -> None:
    assert old in SMALL
    with pytest.raises(InputError) as refused:
        load_device(SMALL.replace(old, new, 1), "small.yaml")
    text = str(refused.value)
    assert where in text, text
    assert what in text, text


def test_polled_blocks_of_equal_length_are_refused() -> None:
    live = "  live: {address: 0, count: 22}"
    text = SMALL.replace(live, live + "\n  more: {address: 30, count: 22}")
    with pytest.raises(InputError, match="a stale reply shows by its length"):
        load_device(text, "small.yaml")


def test_overlapping_fields_are_refused() -> None:
    overlapping = SMALL.replace("kelvin: {address: 7", "kelvin: {address: 6")
    with pytest.raises(InputError, match=r"small.yaml:11:3: blocks.live: found small: kelvin overlaps"):
        load_device(overlapping, "small.yaml")
    # A device with a driver of its own may have blocks that nobody reads whole.
    device = load_device(overlapping.replace("kind: bms", "kind: bms\ndriver: own"), "small.yaml")
    with pytest.raises(InputError, match="kelvin overlaps"):
        compile_block(device, device.block("live"), {})


@pytest.mark.parametrize(("raw", "bad"), [(10_000, False), (10_001, True), (65_535, False)])
def test_the_range_of_a_plain_number(raw: int, bad: bool) -> None:
    device = MAPS["modbus-hv-bms"]
    layout = compile_block(device, device.block("live"), {})
    payload = bytearray(layout.encode({"cell_count": 1, "cell_voltages_v": [3.6], "sensor_count": 0}))
    struct.pack_into(">H", payload, 2 * device.fields["soc"].address, raw)
    decoded = layout.decode(payload)
    assert ("soc" in decoded.implausible) is bad
    assert ("soc" in decoded.values) is (raw != 65_535), "65535: not fitted"
