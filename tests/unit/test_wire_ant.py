"""ANT frames: the golden ones, further captures, and any bytes at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.golden import golden_frames

from packbench.core.errors import BadReply
from packbench.wire import ant
from packbench.wire.ant import AntConventions, AntFrame, decode_reply, decode_status, explain, take_reply
from packbench.wire.counters import LineCounters
from packbench.wire.explained import Direction

GOLDEN = golden_frames("ant")
STATUS_REQUEST, STATUS_REPLY = (item.frame for item in GOLDEN)

# syssi/esphome-ant-bms docs/pdus: one pack, the second 32 s after the first; its requests and other replies.
EARLIER, LATER = (
    bytes.fromhex(
        "7ea11100008e05010210000000000000000080008001000000000000000000000000" + cells + "00010100000076b0" + rest
    )
    for cells, rest in (
        (
            "e40ce40ce50ce50ce80ce70ce70ce60ce80ce70ce70ce70ce70ce70ce60ce90c0100020002000700a41403005b0064",
            "10d5670e0fba324a000f00000010582e0200000000e90c1000e40c01000500e60c000080007a000f02f2fab98c3b00bbd85800da2d"
            "4300e8b649000543aa55",
        ),
        (
            "e10ce10ce30ce30ce60ce40ce50ce30ce60ce50ce50ce50ce40ce50ce40ce60c0000020002000700a0140a005b0064",
            "1040430e0fbf324a003400000030582e0200000000e60c0500e10c01000500e40c010080007a000f02f2fac28c3b00bbd85800fa2d"
            "4300e8b64900a643aa55",
        ),
    )
)
DEVICE_INFO = bytes.fromhex(
    "7ea1126c022031365a4d00000000000000000000000031365a4d554230302d323131303236417208ff0b000041f2aa55"
)
SETTING, ORDER = bytes.fromhex("7ea142000002420eb44cff0a00001032aa55"), bytes.fromhex("7ea1610700020100b62baa55")
SETTINGS = bytes.fromhex(
    "7ea112000038420ede0dd80e740e600248023408c409d007c409c800c80020035802ffffffff100eac0d48022802b80b1c0cc800c80058029001"
    "ffffffffd944ff0b000041f2aa55"
)
PERMISSION = bytes.fromhex("7ea11400000c40703b18dc8f9e1137428401a8f9aa55")
COLD = bytes.fromhex(
    "7ea11100008e0501040e02000000000000000000000100000000000000000000000011101110111011101110111011101110111011101110"
    "1110111011101c001c00d8ff1c001c001c007e160000600064000102000080c3c9014f55b30108530000000000006b281200000000001110"
    "01001110010000001110020070000300ac02f1fa7d2e000094770000de0700007776000035e2aa55"
)
"""A 14S pack with one sensor missing (model2021-req-7ea1010000be1855aa55.txt)."""
CAPTURES = [EARLIER, LATER, DEVICE_INFO, SETTING, ORDER, SETTINGS, PERMISSION, COLD]


@pytest.mark.parametrize("item", GOLDEN, ids=lambda item: item.direction)
def test_golden_frames_come_back_byte_for_byte(item) -> None:
    assert explain(item.direction, item.frame).again == item.frame


@pytest.mark.parametrize("frame", CAPTURES, ids=lambda frame: frame[:7].hex())
def test_further_captures_come_back_byte_for_byte(frame: bytes) -> None:
    assert explain("reply", frame).again == frame


def test_requests_are_what_captures_have() -> None:
    assert ant.read_status().encode() == STATUS_REQUEST
    assert ant.read_device_info().encode().hex() == "7ea1026c022058c4aa55"
    assert ant.authenticate(b"12345678").encode().hex() == "7ea123016a083132333435363738d9eeaa55"
    for frame in ("7ea1026c022058c4aa55", "7ea123016a083132333435363738d9eeaa55", "7ea122020002de0ded2daa55"):
        assert explain("request", bytes.fromhex(frame)).again.hex() == frame


def test_golden_status_means_what_its_source_says() -> None:
    values = explain("reply", STATUS_REPLY).values
    assert len(values["cell_voltages_v"]) == 22
    assert values["cell_voltages_v"][:2] == (2.334, 2.331)
    assert values["cell_voltages_v"][9] == 2.19
    assert (values["voltage_v"], values["soc"], values["soh"]) == (50.88, 0.10, 1.0)
    assert values["device_current_a"] == 2.1
    assert values["temperatures_c"] == (29.0,) * 4
    assert (values["mos_temperature_c"], values["balancer_temperature_c"]) == (30.0, 30.0)
    assert (values["design_ah"], values["remaining_ah"], values["cycle_ah"]) == (80.0, 9.957766, 15265.082)
    assert values["cell_spread_v"] == 0.148
    assert values["charging_allowed"] is values["discharging_allowed"] is True
    assert values["balancing"] is False


def test_a_positive_current_discharges_as_two_captures_of_one_pack_show() -> None:
    before, after = (explain("reply", frame).values for frame in (EARLIER, LATER))
    assert after["uptime_s"] - before["uptime_s"] == 32
    assert (before["device_current_a"], after["device_current_a"]) == (0.3, 1.0)
    assert before["remaining_ah"] - after["remaining_ah"] == pytest.approx(1.05 * 32 / 3600, rel=0.01)
    assert after["cycle_ah"] - before["cycle_ah"] == pytest.approx(0.005, abs=0.0001)
    assert (before["current_a"], after["current_a"]) == (-0.3, -1.0)
    assert after["power_w"] == -52.0


def test_the_sign_of_the_current_is_an_option() -> None:
    status = decode_status(decode_reply(LATER).data)
    assert status.values(AntConventions(positive_discharges=False))["current_a"] == 1.0
    assert status.values()["current_a"] == -1.0


def test_temperatures_are_signed_and_a_mosfet_says_why_it_is_off() -> None:
    values = explain("reply", COLD).values
    assert values["temperatures_c"] == (28.0, 28.0, -40.0, 28.0)
    assert (values["charging_allowed"], values["discharging_allowed"]) == (True, False)
    assert values["current_a"] == 0.0


def test_device_info_has_bytes_that_its_length_leaves_out() -> None:
    assert explain("reply", DEVICE_INFO).values == {
        "function": 0x12,
        "address": 0x026C,
        "hardware": "16ZM",
        "firmware": "16ZMUB00-211026A",
    }
    assert len(DEVICE_INFO) == DEVICE_INFO[5] + 16
    assert decode_reply(DEVICE_INFO).trailer.hex() == "ff0b000041f2"


@pytest.mark.parametrize("at", [1, 2, 5, 40, len(EARLIER) - 4, len(EARLIER) - 1])
def test_a_changed_byte_is_no_reply(at: int) -> None:
    broken = bytearray(EARLIER)
    broken[at] ^= 4
    with pytest.raises(BadReply):
        explain("reply", bytes(broken))


@pytest.mark.parametrize("length", [0, 27, 100, 141 - 33])
def test_a_status_shorter_than_its_counts_is_refused(length: int) -> None:
    with pytest.raises(BadReply):
        decode_status(decode_reply(EARLIER).data[:length])


def test_replies_are_cut_out_of_noise_byte_by_byte() -> None:
    counters = LineCounters()
    buffer = bytearray()
    found: list[AntFrame] = []
    for byte in b"\x7e\xa1\x11\x00\x00\xff" + EARLIER + DEVICE_INFO + b"\x7e\x7e" + SETTING:
        buffer.append(byte)
        reply = take_reply(buffer, counters)
        if reply is not None:
            found.append(reply)
    assert [reply.encode() for reply in found] == [EARLIER, DEVICE_INFO, SETTING]
    assert counters.noise_bytes == 8
    assert buffer == b""


@given(st.binary(max_size=700))
def test_any_bytes_leave_a_bounded_buffer(data: bytes) -> None:
    buffer = bytearray()
    for start in range(0, len(data), 50):
        buffer += data[start : start + 50]
        take_reply(buffer, LineCounters())
        assert len(buffer) < 10 + 6 + 255


@given(st.binary(max_size=120), st.sampled_from(["request", "reply"]))
def test_any_bytes_are_explained_or_refused(data: bytes, direction: Direction) -> None:
    with suppress(BadReply):
        assert explain(direction, data).again == data


@given(st.integers(0, 255), st.integers(0, 0xFFFF), st.binary(max_size=255), st.sampled_from(["request", "reply"]))
def test_any_valid_frame_comes_back(function: int, address: int, data: bytes, direction: Direction) -> None:
    trailer = bytes(6) if function in (0x12, 0x42) and direction == "reply" else b""
    frame = AntFrame(function, address, len(data), data, trailer).encode()
    with suppress(BadReply):
        assert explain(direction, frame).again == frame


@given(st.integers(0, 16), st.integers(0, 4), st.binary(min_size=222, max_size=222), st.integers(0, 20))
def test_any_status_survives_its_wire(cells: int, sensors: int, data: bytes, more: int) -> None:
    size = 28 + 2 * cells + 2 * sensors + 4 + 48 + more
    data = (data[:2] + bytes((sensors, cells)) + data[4:])[:size]
    status = decode_status(data)
    assert status.encode() == data
    status.values()
