"""Daly A5 frames: what the captures say, requests of the host, and what a device hears."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.daly_a5_parts import READ, READ_REPLY, asked
from tests.unit.golden import GoldenFrame, golden_frames

from packbench.core.errors import BadReply
from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5 import (
    HOST_RS485,
    HOST_UART,
    DalyCodec,
    DalyRequest,
    explain,
    read,
    reply_frame,
    request_frame,
    take_request,
    write,
)

GOLDEN = golden_frames("daly_a5")

MEANINGS: dict[str, dict[str, Any]] = {
    "a501900802100000753001f4ea": {"voltage_v": 52.8, "current_a": 0.0, "soc": 0.5},
    "a50191080ec8050e9c0901f4c2": {
        "cell_max_v": 3.784,
        "cell_max_index": 5,
        "cell_min_v": 3.74,
        "cell_min_index": 9,
        "spare": "01f4",
    },
    "a50192083d013d019c0901f456": {
        "temperature_max_c": 21.0,
        "temperature_max_index": 1,
        "temperature_min_c": 21.0,
        "temperature_min_index": 1,
        "spare": "9c0901f4",
    },
    "a50193080001011000004e20c1": {
        "activity": 0,
        "charge_mos": 1,
        "discharge_mos": 1,
        "life": 16,
        "remaining_ah": 20.0,
    },
    "a50194080e0100000200002073": {
        "cells": 14,
        "sensors": 1,
        "charger": 0,
        "load": 0,
        "io_bits": 2,
        "cycles": 0,
        "spare": "20",
    },
    "a5019608013d00000000000082": {"frame": 1, "temperatures_c": (21.0, *[-40.0] * 6)},
    "a5019508010ec00ec20ec720d7": {"frame": 1, "cell_voltages_v": (3.776, 3.778, 3.783), "spare": "20"},
    "a5019508030ec20ec20e9c20b0": {"frame": 3, "cell_voltages_v": (3.778, 3.778, 3.74), "spare": "20"},
    "a501900800850000753001e44d": {"voltage_v": 13.3, "current_a": 0.0, "soc": 0.484},
    "a501940804020000000000438b": {
        "cells": 4,
        "sensors": 2,
        "charger": 0,
        "load": 0,
        "io_bits": 0,
        "cycles": 0,
        "spare": "43",
    },
    "a501900802fc000075a1000052": {"voltage_v": 76.4, "current_a": -11.3, "soc": 0.0},
}


# ------------------------------------------------------------------ captures


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.frame.hex())
def test_golden_frames_mean_what_their_source_says_and_come_back_byte_for_byte(golden: GoldenFrame) -> None:
    found = explain(golden.direction, golden.frame)
    assert found.again == golden.frame
    command = golden.frame[2]
    if golden.direction == "request":
        assert found.values == {"board": 1, "host": HOST_RS485, "command": command}
    else:
        assert found.values == {"board": 1, "command": command, **MEANINGS[golden.frame.hex()]}


def test_every_golden_reply_has_a_stated_meaning() -> None:
    assert {golden.frame.hex() for golden in GOLDEN if golden.direction == "reply"} == set(MEANINGS)


@pytest.mark.parametrize(
    "golden", [golden for golden in GOLDEN if golden.direction == "request"], ids=lambda golden: golden.frame.hex()
)
def test_the_codec_produces_the_golden_requests(golden: GoldenFrame) -> None:
    assert DalyCodec().encode(read(golden.frame[2])) == golden.frame
    assert take_request(bytearray(golden.frame)) == read(golden.frame[2])


def test_explain_refuses_what_is_no_frame_or_goes_the_other_way() -> None:
    broken = bytearray(READ_REPLY)
    broken[4] ^= 1
    for direction, frame in (
        ("reply", bytes(broken)),
        ("reply", READ_REPLY[:-1]),
        ("reply", b""),
        ("reply", request_frame(READ)),
        ("request", READ_REPLY),
        ("request", reply_frame(0xC1, data.PACK, bytes(8))),
        ("reply", reply_frame(0x00, data.PACK, bytes(8))),
    ):
        with pytest.raises(BadReply):
            explain(direction, frame)  # pyright: ignore[reportArgumentType]


def test_a_command_without_a_meaning_of_its_own_is_explained_as_bytes() -> None:
    frame = reply_frame(1, 0x5A, bytes(range(8)))
    found = explain("reply", frame)
    assert found.values == {"board": 1, "command": 0x5A, "data": "0001020304050607"}
    assert found.again == frame


# ------------------------------------------------------------------- requests


def test_addresses_of_hosts_and_boards() -> None:
    assert request_frame(read(data.PACK, board=3))[1] == 0x42
    assert request_frame(read(data.PACK, host=HOST_UART))[1] == 0x80
    codec = asked(request := read(data.PACK, board=3))
    third = reply_frame(3, data.PACK, READ_REPLY[4:-1])
    assert third[1] == 3
    assert codec.decode(request, bytearray(READ_REPLY + third)) == (READ_REPLY[4:-1],)
    assert codec.counters.foreign_frames == 1, "board 1 answered somebody else"


def test_reads_may_be_repeated_and_writes_may_not() -> None:
    reads = [0x50, 0x53, 0x57, *range(0x90, 0x99)]
    assert all(DalyRequest(command).repeatable for command in reads)
    assert not any(DalyRequest(command).repeatable for command in (0x00, 0x21, 0xD9, 0xDA, 0x10, 0x99))


def test_what_cannot_be_asked_is_refused_before_it_is_sent() -> None:
    for make in (
        lambda: read(data.PACK, 2),
        lambda: read(data.CELLS, 0),
        lambda: read(data.CELLS, 17),
        lambda: read(data.PACK, board=0),
        lambda: read(data.PACK, board=64),
        lambda: read(data.PACK, host=0x41),
        lambda: request_frame(write(data.SWITCH_CHARGE, b"\1")),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            make()


def test_a_request_says_what_it_is_for_people() -> None:
    assert read(data.CELLS, 5, board=2).describe() == "board 2: cell voltages (0x95)"
    assert DalyRequest(0x77).describe() == "board 1: command (0x77)"


def test_writes_as_python_daly_bms_sends_them() -> None:
    on = write(data.SWITCH_DISCHARGE, data.encode_switch(data.Switch(1)))
    assert request_frame(on).hex() == "a540d9080100000000000000c7"
    assert explain("request", request_frame(on)).values["on"] == 1
    soc = write(data.SET_SOC, data.encode_set_soc(data.SetSoc(0.875)))
    assert request_frame(soc).hex() == "a5402108000000000000036b7c"
    assert data.decode_set_soc(soc.payload) == data.SetSoc(0.875)


def test_a_switch_reply_carries_leftovers_behind_its_first_byte() -> None:
    """Noted by python-daly-bms 0.5.0 (set_charge_mosfet): the tail is that of an earlier 0x94 reply."""
    payload = bytes.fromhex("0101000002006cbe")
    assert data.decode_switch(payload) == data.Switch(1, bytes.fromhex("01000002006cbe"))
    assert data.encode_switch(data.decode_switch(payload)) == payload


# ---------------------------------------------------------------- device side


def test_a_device_hears_requests_behind_noise_and_between_replies() -> None:
    asking = request_frame(read(data.STATUS, board=2, host=HOST_UART))
    broken = bytearray(asking)
    broken[-1] ^= 1
    buffer = bytearray(b"\xa5\x00" + broken + READ_REPLY + asking + asking[:5])
    assert take_request(buffer) == DalyRequest(data.STATUS, board=2, host=HOST_UART)
    assert take_request(buffer) is None
    buffer += asking[5:]
    assert take_request(buffer) == DalyRequest(data.STATUS, board=2, host=HOST_UART)
    assert not buffer


def test_what_no_host_sends_is_no_request() -> None:
    """Addresses of boards, and those of a board 64 that could not answer below the hosts' addresses."""
    for address in (0x01, 0x3F, 0x7F, 0xBF, 0xC0, 0xFF):
        assert take_request(bytearray(reply_frame(address, data.PACK, bytes(8)))) is None


def test_a_device_takes_a_host_s_filler_as_it_is() -> None:
    """Some hosts fill the data with AA or 55, so that the line settles before the checksum."""
    request = replace(READ, payload=b"\xaa\x55" * 4)
    assert take_request(bytearray(request_frame(request))) == request
