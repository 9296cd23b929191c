"""TDT frames: the golden ones, further captures, and any bytes at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.golden import golden_frames

from packbench.core.errors import BadReply
from packbench.wire import tdt
from packbench.wire.counters import LineCounters
from packbench.wire.explained import Direction
from packbench.wire.tdt import (
    TdtConventions,
    TdtFrame,
    decode_frame,
    decode_readings,
    decode_states,
    explain,
    take_frame,
)

GOLDEN = golden_frames("tdt")
READINGS_4S, READINGS_16S = (item.frame for item in GOLDEN)

# patman15/aiobmsble tests/bms/test_tdt_bms.py
STATES_4S = bytes.fromhex("7e004103008d0018040000000004000000000000000000000609000018000000df680d")
STATES_16S = bytes.fromhex(
    "7e000103008d0027100000000000000000000000000000000006000000000000000000020000" + "0e01000018000000000b7b0d"
)
IDENTITY = (
    bytes.fromhex("7e0001030092003c")
    + b"6032_10016S000_L_41".ljust(20, b"\0")
    + bytes(20)
    + b"60326016207270001".ljust(20, b"\0")
    + bytes.fromhex("50010d")
)
READINGS_V4 = bytes.fromhex(
    "7e040103008c003c100cb20cb80cb50cb80cb40cb60cb80cb90cb50cb90cb90cb90cba0cb70cb70cb8060ba90ba60bb80bae0bc20bbb"
    "c0a21460028504fa00d504b000332fb40d"
)
REFUSAL = bytes.fromhex("7e000103018c00010061250d")
REQUEST_1E = bytes.fromhex("1e000103008c0000b1440d")
"""patman15/BMS_BLE-HA#369."""
CAPTURES = [STATES_4S, STATES_16S, IDENTITY, READINGS_V4, REFUSAL]


@pytest.mark.parametrize("item", GOLDEN, ids=lambda item: item.meaning[:8])
def test_golden_frames_come_back_byte_for_byte(item) -> None:
    assert explain(item.direction, item.frame).again == item.frame


@pytest.mark.parametrize("frame", CAPTURES, ids=lambda frame: frame[:8].hex())
def test_further_captures_come_back_byte_for_byte(frame: bytes) -> None:
    assert explain("reply", frame).again == frame


def test_golden_4s_means_what_its_source_says() -> None:
    values = explain("reply", READINGS_4S).values
    assert values["cell_voltages_v"] == (3.297, 3.295, 3.297, 3.292)
    assert (values["voltage_v"], values["current_a"], values["soc"]) == (13.18, 0.0, 0.55)
    assert (values["remaining_ah"], values["cycles"]) == (57.5, 8)
    assert values["temperatures_c"] == (23.2, 24.0, 22.6, 22.5)


def test_golden_16s_discharges() -> None:
    values = explain("reply", READINGS_16S).values
    assert len(values["cell_voltages_v"]) == 16
    assert (values["voltage_v"], values["current_a"], values["soc"]) == (52.70, -5.7, 0.91)
    assert (values["remaining_ah"], values["full_ah"], values["nominal_ah"]) == (99.1, 108.3, 100.0)


def test_version_4_reads_alike() -> None:
    values = explain("reply", READINGS_V4).values
    assert (values["voltage_v"], values["current_a"], values["soc"], values["cycles"]) == (52.16, -16.2, 0.51, 213)


def test_states_and_identity() -> None:
    for frame, cells in ((STATES_4S, 4), (STATES_16S, 16)):
        assert explain("reply", frame).values == {
            "command": "states",
            "cell_count": cells,
            "problem_code": 0,
            "charging_allowed": True,
            "discharging_allowed": True,
        }
    assert explain("reply", IDENTITY).values == {
        "command": "identity",
        "firmware": "6032_10016S000_L_41",
        "maker": "",
        "serial": "60326016207270001",
    }
    assert explain("reply", REFUSAL).values == {"command": "readings", "refused": 1}


def test_requests_are_what_captures_have() -> None:
    assert tdt.ask(tdt.READINGS, head=0x1E).encode() == REQUEST_1E
    assert explain("request", REQUEST_1E) == ({"command": "readings"}, REQUEST_1E)
    assert tdt.ask(tdt.READINGS).encode()[0] == 0x7E


def test_the_checksum_has_its_high_byte_first() -> None:
    for frame in (READINGS_16S, STATES_4S, IDENTITY):
        with pytest.raises(BadReply):
            explain("reply", frame[:-3] + bytes((frame[-2], frame[-3])) + frame[-1:])


@pytest.mark.parametrize(
    ("raw", "amperes", "always_tenths"),
    [
        (0x4000, 0.0, 0.0),
        (0xC000, 0.0, 0.0),
        (0xC039, -5.7, -5.7),
        (0x40B5, 18.1, 18.1),
        (0x0039, 57.0, 5.7),
        (0x8039, -57.0, -5.7),
    ],
)
def test_what_bit_14_means_is_an_option(raw: int, amperes: float, always_tenths: float) -> None:
    assert TdtConventions().amperes(raw) == amperes
    assert TdtConventions(bit_14_means_tenths=False).amperes(raw) == always_tenths


def test_which_fet_is_which_is_an_option() -> None:
    data = bytearray(decode_frame(STATES_4S).data)
    data[10 + 6] = 0x02
    states = decode_states(bytes(data))
    assert states.values()["charging_allowed"] is True
    assert states.values()["discharging_allowed"] is False
    turned = states.values(TdtConventions(charge_fet_bit=4))
    assert (turned["charging_allowed"], turned["discharging_allowed"]) == (False, True)


def test_problem_codes_are_the_first_two_status_bytes() -> None:
    data = bytearray(decode_frame(STATES_4S).data)
    data[10 + 4 : 10 + 6] = b"\x80\x01"
    assert decode_states(bytes(data)).values()["problem_code"] == 0x8001


@pytest.mark.parametrize(
    ("decode", "frame", "length"),
    [
        (decode_readings, READINGS_4S, 0),
        (decode_readings, READINGS_4S, 9),
        (decode_readings, READINGS_4S, 31),
        (decode_states, STATES_4S, 0),
        (decode_states, STATES_4S, 16),
    ],
)
def test_messages_shorter_than_their_counts_are_refused(decode, frame: bytes, length: int) -> None:
    with pytest.raises(BadReply):
        decode(decode_frame(frame).data[:length])


@pytest.mark.parametrize("frame", ["7e100103008c000100ad190d", "7e000103008c000100a1180c", "7e000103008c000100a1000d"])
def test_other_versions_tails_and_checksums_are_no_frames(frame: str) -> None:
    with pytest.raises(BadReply):
        decode_frame(bytes.fromhex(frame))


def test_frames_are_cut_out_of_noise_byte_by_byte() -> None:
    counters = LineCounters()
    buffer = bytearray()
    found: list[bytes] = []
    for byte in b"\x7e\x00\x1e" + READINGS_4S + b"\x0d" + REQUEST_1E + STATES_16S:
        buffer.append(byte)
        frame = take_frame(buffer, counters)
        if frame is not None:
            found.append(frame.encode())
    assert found == [READINGS_4S, REQUEST_1E, STATES_16S]
    assert counters.noise_bytes == 4
    assert buffer == b""


def test_a_length_that_no_message_has_is_not_waited_for() -> None:
    buffer = bytearray(bytes.fromhex("7e000103008cffff") + READINGS_4S[:20])
    assert take_frame(buffer, LineCounters()) is None
    assert buffer == READINGS_4S[:20]


@given(st.binary(max_size=1200))
def test_any_bytes_leave_a_bounded_buffer(data: bytes) -> None:
    buffer = bytearray()
    for start in range(0, len(data), 100):
        buffer += data[start : start + 100]
        take_frame(buffer, LineCounters())
        assert len(buffer) < 11 + tdt.MAX_DATA


@given(st.binary(max_size=120), st.sampled_from(["request", "reply"]))
def test_any_bytes_are_explained_or_refused(data: bytes, direction: Direction) -> None:
    with suppress(BadReply):
        assert explain(direction, data).again == data


@given(
    st.sampled_from([0x8C, 0x8D, 0x92, 0x95]),
    st.binary(max_size=90),
    st.integers(0, 255),
    st.sampled_from(tdt.VERSIONS),
    st.sampled_from(tdt.HEADS),
    st.sampled_from(["request", "reply"]),
)
def test_any_valid_frame_comes_back(
    command: int, data: bytes, error: int, version: int, head: int, direction: Direction
) -> None:
    frame = TdtFrame(command, data, error, version, head, (0x41, 0x03)).encode()
    with suppress(BadReply):
        assert explain(direction, frame).again == frame


@given(st.integers(0, 20), st.integers(0, 8), st.binary(min_size=200, max_size=200))
def test_any_readings_survive_their_wire(cells: int, sensors: int, noise: bytes) -> None:
    data = bytes((cells,)) + noise[: 2 * cells] + bytes((sensors,)) + noise[2 * cells : 2 * cells + 2 * sensors + 30]
    readings = decode_readings(data)
    assert readings.encode() == data
    readings.values()
