"""JK 4E57 frames and items: the golden ones, further captures, what sources disagree about, and any bytes at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.golden import golden_frames

from packbench.core.errors import BadReply, DeviceError
from packbench.wire.explained import Direction
from packbench.wire.jk_4e57 import frames as jk
from packbench.wire.jk_4e57.frames import JkCodec, JkFrame, JkRequest, decode_frame, explain, take_request
from packbench.wire.jk_4e57.items import (
    CURRENT,
    ITEMS,
    JkConventions,
    JkTable,
    Raw,
    alarm_bits,
    decode_table,
    encode_item,
)

GOLDEN = golden_frames("jk_4e57")
READ_ALL_FRAME, REPLY_13S, REPLY_14S = (item.frame for item in GOLDEN)

REPLY_7S = bytes.fromhex(
    "4e570106000000000600017915010ed2020ed2030ed2040ed2050edb060edb070edb80001c81001c82001c830a62840000855a8602870000"
    "89000000058a00078b00008c00038e0b7c8f07b6901068911054920003930b04940b2295000396012c9700c898012c9900199a001e9b0bb8"
    "9c000a9d019e00649f0050a00046a1003ca20014a30046a40046a5ffeca6fff6a7ffeca8fff6a907aa00000075ab01ac01ad03ccae01af01"
    "b0000ab114b231323334353600000000b300b4496e707574205573b532343037b600000819b731312e58415f5331312e35315f5f5fb800b9"
    "00000075ba496e707574205573657264614a4b5f423141385332305000c001000000006800004d89"
)
"""JK_B1A8S20P, software 11.51, published with its request (a protocol description on GitHub)."""
REPLY_4S = bytes.fromhex(
    "4e5700fd00000000060001790c010d06020d06030d07040d0780001081000e82000d8305358400008562860287000089000000058a00048b"
    "00008c00038e05a08f0410900e10910dde920005930a28940a5a95000596012c97007898001e99003c9a001e9b0d489c00059d019e00509f"
    "0041a00064a10064a20014a30032a40037a50003a60008a7ffeca8fff6a904aa00000131ab01ac01ad037eae01af00b0000ab114b2353331"
    "34000000000000b300b4496e707574205573b532333132b6000036a6b731312e58575f5331312e3231485f5fb800b900000131ba496e7075"
    "74205573657264614564646965426c7565424d53c00100000000680000446f"
)
"""A 4S pack with its own name, software 11.21H (jblance/mpp-solar, jkserial)."""

READ_ALL = jk.read_all()


def table_of(frame: bytes) -> JkTable:
    return decode_table(decode_frame(frame).data)


def reply(items: bytes, command: int = jk.READ_ALL, **more: int) -> bytes:
    return JkFrame(command, jk.FROM_BMS, jk.REPLY, items, **more).encode()


# ------------------------------------------------------------------- golden


@pytest.mark.parametrize("item", GOLDEN, ids=lambda item: item.meaning[:8])
def test_golden_frames_come_back_byte_for_byte(item) -> None:
    assert explain(item.direction, item.frame).again == item.frame


@pytest.mark.parametrize("frame", [REPLY_7S, REPLY_4S])
def test_further_captures_come_back_byte_for_byte(frame: bytes) -> None:
    assert explain("reply", frame).again == frame
    assert table_of(frame).rest == b""


def test_the_golden_request_is_what_the_builder_makes() -> None:
    assert JkCodec().encode(READ_ALL) == READ_ALL_FRAME
    assert explain("request", READ_ALL_FRAME).values == {"command": "read all"}


def test_golden_13s_means_what_its_source_says() -> None:
    values = explain("reply", REPLY_13S).values
    assert values["cell_voltages_v"][:3] == (4.092, 4.047, 4.093)
    assert len(values["cell_voltages_v"]) == values["cell_count"] == 13
    assert (values["voltage_v"], values["current_a"], values["soc"]) == (53.13, 0.0, 0.94)
    assert values["mos_temperature_c"] == 22.0
    assert values["temperatures_c"] == (19.0, 19.0)
    assert values["alarms"] == ()
    assert (values["charging_allowed"], values["discharging_allowed"], values["balancing"]) == (False, False, True)
    assert (values["charge_limit_a"], values["discharge_limit_a"]) == (25, 150)
    assert values["charge_under_temperature_c"] == -20
    assert values["firmware"] == "10.XW_S10.07___"
    assert values["maker"] == "Input UserdaJK-B2A24S15P"
    assert len(REPLY_13S) == 282


def test_golden_14s_charges_with_two_amperes() -> None:
    values = explain("reply", REPLY_14S).values
    assert table_of(REPLY_14S).raw(CURRENT) == 0x80D0
    assert values["protocol_version"] == 1
    assert values["current_a"] == 2.08
    assert (values["voltage_v"], values["soc"], values["cycles"]) == (53.59, 0.15, 4)
    assert values["cell_voltages_v"][0] == 3.821
    assert (values["cell_over_voltage_v"], values["pack_under_voltage_v"]) == (4.05, 42.7)
    assert values["current_calibration_a"] == 1.041
    assert values["uptime_s"] == 0xE200 * 60
    assert len(REPLY_14S) == 285


# -------------------------------------------------------------------- traps


def test_the_length_leaves_out_the_first_two_bytes_and_the_sum_the_last_four() -> None:
    assert int.from_bytes(REPLY_13S[2:4], "big") == len(REPLY_13S) - 2
    assert int.from_bytes(REPLY_13S[-2:], "big") == sum(REPLY_13S[:-4])
    for at in (2, 3, len(REPLY_13S) - 5):
        broken = bytearray(REPLY_13S)
        broken[at] ^= 1
        broken[-2:] = (sum(broken[:-4]) & 0xFFFF).to_bytes(2, "big")
        with pytest.raises(BadReply):
            decode_frame(bytes(broken))


@pytest.mark.parametrize(
    ("raw", "version", "amperes"),
    [
        (0x80D0, 1, 2.08),
        (0x07D0, 1, -20.0),
        (0x87D0, 1, 20.0),
        (0x0000, 1, 0.0),
        (0x8000, 1, 0.0),
        (11000, 0, -10.0),
        (9500, 0, 5.0),
        (10000, 0, 0.0),
        (0x80D0, 0, -229.76),
    ],
)
def test_the_current_is_coded_by_the_protocol_version(raw: int, version: int, amperes: float) -> None:
    table = decode_table(encode_item(CURRENT, raw) + (encode_item(0xC0, version) if version else b""))
    assert table.values()["current_a"] == amperes
    assert JkConventions(current="sign_bit" if version else "offset").amperes(raw, 1 - version) == amperes


@pytest.mark.parametrize(
    ("raw", "document", "ice_bath", "esphome"),
    [(0, 0, 0, 0), (99, 99, 99, 99), (100, 100, 0, -1), (101, -1, -1, -2), (140, -40, -40, -41)],
)
def test_where_temperatures_turn_negative_is_an_option(
    raw: int, document: float, ice_bath: float, esphome: float
) -> None:
    assert JkConventions().celsius(raw) == document
    assert JkConventions("100_is_minus_0").celsius(raw) == ice_bath
    assert JkConventions("100_is_minus_1").celsius(raw) == esphome


@given(st.integers(-40, 99), st.sampled_from(["101_is_minus_1", "100_is_minus_0", "100_is_minus_1"]))
def test_temperatures_survive(celsius: int, convention) -> None:
    conventions = JkConventions(convention)
    assert conventions.celsius(conventions.temperature_raw(celsius)) == celsius


@given(st.integers(-10000, 10000), st.integers(0, 1))
def test_currents_survive(centi: int, version: int) -> None:
    conventions = JkConventions()
    assert conventions.amperes(conventions.current_raw(centi / 100, version), version) == centi / 100


@pytest.mark.parametrize(("amperes", "version"), [(328.0, 1), (-328.0, 1), (100.01, 0), (-555.36, 0)])
def test_currents_that_the_item_cannot_hold_are_refused(amperes: float, version: int) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        JkConventions().current_raw(amperes, version)


def test_an_unknown_code_ends_the_decoding_and_loses_nothing() -> None:
    items = encode_item(0x85, 55) + b"\xf0\x01\x02" + encode_item(0x87, 4)
    table = decode_table(items)
    assert table.values() == {"soc": 0.55}
    assert table.rest == b"\xf0\x01\x02\x87\x00\x04"
    assert table.encode() == items
    explained = explain("reply", reply(items))
    assert explained.values == {"command": "read all", "soc": 0.55, "unknown": "f00102870004"}
    assert explained.again == reply(items)


def test_order_repetition_and_odd_cell_numbers_are_kept() -> None:
    items = encode_item(0x87, 4) + encode_item(0x79, ((7, 3300), (7, 3301))) + encode_item(0x85, 1) * 2
    assert decode_table(items).encode() == items


@pytest.mark.parametrize("items", ["79", "7903", "790401ffff02", "8501" + "83", "8351", "b23132"])
def test_an_item_cut_short_is_refused(items: str) -> None:
    with pytest.raises(BadReply):
        decode_table(bytes.fromhex(items))


def test_alarms_have_names() -> None:
    table = decode_table(encode_item(0x8B, 0b0111_0100_0000_0011))
    assert table.values()["alarms"] == (
        "low_capacity",
        "mos_over_temperature",
        "cell_over_voltage",
        "protection_309_a",
        "protection_309_b",
        "alarms_bit_14",
    )
    assert alarm_bits(("cell_over_voltage", "low_capacity", "not one of these")) == 0x0401


def test_the_terminal_and_record_numbers_come_back() -> None:
    frame = reply(encode_item(0x85, 55), terminal=0x01020304, record=0x0A0B0C0D, unused=0x0E0F)
    assert explain("reply", frame) == ({"command": "read all", "terminal": 0x01020304, "soc": 0.55}, frame)


def test_writes_and_reads_of_one_item() -> None:
    write = jk.write_item(0x97, 120)
    assert explain("request", jk.request_frame(write)).values == {"command": "write", "discharge_limit_a": 120}
    assert explain("request", jk.request_frame(jk.read_item(0x97))).values["item"] == "discharge_limit_a"
    assert not write.repeatable
    assert not jk.send_password(b"123456").repeatable
    assert READ_ALL.repeatable
    assert jk.activate().repeatable
    assert write.describe() == "write discharge_limit_a"
    assert jk.send_password(b"123456").data == b"123456\0\0\0\0"
    assert jk.activate().silent
    assert JkCodec().decode(jk.activate(), bytearray()) == b""
    assert not READ_ALL.silent
    for code, raw in ((0x83, 5000), (0xF0, 1), (0x97, 1 << 16), (0xB2, b"12345678901")):
        with pytest.raises(ValueError, match=r"written|hold"):
            jk.write_item(code, raw)


# ----------------------------------------------------------------- the line


@pytest.mark.parametrize("frame", [REPLY_13S, REPLY_14S])
def test_an_answer_is_found_byte_by_byte_in_noise(frame: bytes) -> None:
    codec = JkCodec()
    buffer = bytearray()
    noise = b"NW\x01\x18\x00NNW\xff\xff"
    found = None
    for byte in noise + frame:
        assert found is None
        buffer.append(byte)
        found = codec.decode(READ_ALL, buffer)
    assert found == frame[11:-9]
    assert buffer == b""
    assert codec.counters.noise_bytes == len(noise)


@pytest.mark.parametrize(
    "foreign",
    [
        READ_ALL_FRAME,
        reply(b"\x85\x01", jk.READ),
        JkFrame(jk.READ_ALL, jk.FROM_BMS, jk.UNSOLICITED, b"\x85\x01").encode(),
    ],
    ids=["echo", "another command", "unsolicited"],
)
def test_other_frames_are_no_answer(foreign: bytes) -> None:
    codec = JkCodec()
    assert codec.decode(READ_ALL, bytearray(foreign)) is None
    assert codec.counters.foreign_frames == 1
    assert codec.decode(READ_ALL, bytearray(foreign + REPLY_13S)) == REPLY_13S[11:-9]


def test_an_answer_must_hold_the_item_asked_for() -> None:
    codec = JkCodec()
    soc, cycles = reply(b"\x85\x01", jk.READ), reply(b"\x87\x00\x04", jk.READ)
    assert codec.decode(jk.read_item(0x87), bytearray(soc + cycles)) == b"\x87\x00\x04"
    assert codec.counters.foreign_frames == 1
    # What an unknown code hides is not known: the driver looks.
    unknown = reply(b"\xf0\x87\x00", jk.READ)
    assert codec.decode(jk.read_item(0x87), bytearray(unknown)) == b"\xf0\x87\x00"
    # Some firmware answers a single read with everything (jblance/mpp-solar, jkserial).
    whole = reply(REPLY_13S[11:-9], jk.READ)
    assert codec.decode(jk.read_item(0x87), bytearray(whole)) == REPLY_13S[11:-9]


def test_everything_can_be_read_with_the_command_for_one_item() -> None:
    """As jblance/mpp-solar does; its capture of 14 cells answers so."""
    request = JkRequest(jk.READ, jk.EVERYTHING)
    assert explain("request", jk.request_frame(request)).values == {"command": "read"}
    assert JkCodec().decode(request, bytearray(reply(REPLY_13S[11:-9], jk.READ))) == REPLY_13S[11:-9]


def test_an_answer_must_come_from_the_terminal_asked() -> None:
    codec = JkCodec()
    request = JkRequest(jk.READ_ALL, terminal=2)
    other, ours = reply(b"\x85\x01", terminal=1), reply(b"\x85\x02", terminal=2)
    assert codec.decode(request, bytearray(other + ours)) == b"\x85\x02"
    assert codec.decode(READ_ALL, bytearray(other)) == b"\x85\x01"


def test_a_corrupted_answer_costs_only_itself() -> None:
    codec = JkCodec()
    broken = bytearray(REPLY_13S)
    broken[100] ^= 0x80
    assert codec.decode(READ_ALL, broken + REPLY_14S) == REPLY_14S[11:-9]
    assert codec.counters.crc_errors == 1


def test_frames_have_a_longest_length() -> None:
    with pytest.raises(ValueError, match="bytes"):
        JkFrame(jk.READ_ALL, 0, 1, bytes(1005)).encode()
    buffer = bytearray()
    for _ in range(100):
        buffer += b"NW\x03\xfe" + bytes(300)
        JkCodec().decode(READ_ALL, buffer)
        assert len(buffer) < jk.MAX_FRAME


@given(st.binary(max_size=600), st.sampled_from([READ_ALL, jk.read_item(0x85), jk.activate()]))
def test_any_bytes_give_an_answer_nothing_or_a_device_error(data: bytes, request_: JkRequest) -> None:
    buffer = bytearray()
    codec = JkCodec()
    for start in range(0, len(data), 50):
        buffer += data[start : start + 50]
        with suppress(DeviceError):
            codec.decode(request_, buffer)
        assert len(buffer) < jk.MAX_FRAME


@given(st.binary(max_size=120), st.sampled_from(["request", "reply"]))
def test_any_bytes_are_explained_or_refused(data: bytes, direction: Direction) -> None:
    with suppress(BadReply):
        assert explain(direction, data).again == data


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=80), st.integers(0, 2**32 - 1))
def test_any_valid_frame_comes_back(command: int, source: int, kind: int, data: bytes, terminal: int) -> None:
    frame = JkFrame(command, source, kind, data, terminal).encode()
    assert decode_frame(frame) == JkFrame(command, source, kind, data, terminal)
    for direction in ("request", "reply"):
        with suppress(BadReply):
            assert explain(direction, frame).again == frame


@given(st.sampled_from([1, 2, 3, 5, 6]), st.binary(max_size=40), st.integers(0, 9), st.integers(1, 3))
def test_a_device_takes_every_request(command: int, data: bytes, terminal: int, source: int) -> None:
    request = JkRequest(command, data, terminal, source, record=7)
    buffer = bytearray(b"NW" + REPLY_14S + jk.request_frame(request) + b"N")
    assert take_request(buffer) == request
    assert take_request(buffer) is None
    assert buffer == b"N"


def raws(code: int) -> st.SearchStrategy[Raw]:
    item = ITEMS[code]
    if item.kind == "cells":
        return st.lists(st.tuples(st.integers(0, 255), st.integers(0, 0xFFFF)), max_size=32).map(tuple)
    if item.kind == "text":
        return st.binary(min_size=item.size, max_size=item.size)
    bits = 8 * item.size
    return (
        st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if item.kind == "signed" else st.integers(0, (1 << bits) - 1)
    )


@given(st.lists(st.sampled_from(sorted(ITEMS)).flatmap(lambda code: st.tuples(st.just(code), raws(code))), max_size=20))
def test_items_survive_their_wire(items: list[tuple[int, Raw]]) -> None:
    table = JkTable(tuple(items))
    assert decode_table(table.encode()) == table
    table.values()
