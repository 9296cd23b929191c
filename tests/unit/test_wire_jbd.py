"""JBD frames: the golden ones, further captures, the traps of the protocol, and any bytes at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.golden import golden_frames

from packbench.core.errors import BadReply, DeviceError
from packbench.wire.explained import Direction
from packbench.wire.jbd import frames as jbd
from packbench.wire.jbd.data import Basic, Cells, Extension, decode_basic, decode_cells, decode_counts, decode_model
from packbench.wire.jbd.frames import (
    JbdCodec,
    JbdRefused,
    JbdRequest,
    explain,
    read_register,
    reply_frame,
    take_request,
)

GOLDEN = golden_frames("jbd")
BASIC_REPLY, CELLS_REPLY, MODEL_REPLY, BASIC_17S_REPLY = (item.frame for item in GOLDEN if item.direction == "reply")
READ_BASIC, READ_CELLS, READ_MODEL = read_register(jbd.BASIC), read_register(jbd.CELLS), read_register(jbd.MODEL)

# Captures beside the golden ones, each with its own checksum.
EXTENDED = bytes.fromhex("dd030022055f00004adf4e2000022d1400000000000023600304010bb10000004e204adf0000fac277")
"""JBD-DP04S007L4S100A (syssi/esphome-jbd-bms docs/pdus)."""
NO_SENSORS = bytes.fromhex("dd030017000000000000271000002c500000000000002000011000ff0577")
"""JBD-SP25S003-L16S-100A-100A-B (the same place)."""
A5_BASIC = bytes.fromhex("dda5001b13780000000003e8000022c70000000000001900030c020b640b5ffc8377")
A5_CELLS = bytes.fromhex("dda500181039103a1038103a103c103910371039103b103f1036103afc7477")
A5_MODEL = bytes.fromhex("dda500144c482d53503135533030312d503133532d333041fb3977")
"""LH-SP15S001-P13S-30A with A5 in the register's place (simat/BatteryMonitor#12)."""
MOS_ACK = bytes.fromhex("dde10000000077")
"""JBD-SP04S034-L4S-200A-B-U_MOS.txt: the sum of an empty reply is 0, and so is its complement."""


def answer(request: JbdRequest, data: bytes, codec: JbdCodec | None = None) -> bytes | None:
    return (codec or JbdCodec()).decode(request, bytearray(data))


# ------------------------------------------------------------------- golden


@pytest.mark.parametrize("item", GOLDEN, ids=lambda item: item.frame.hex()[:24])
def test_golden_frames_come_back_byte_for_byte(item) -> None:
    assert explain(item.direction, item.frame).again == item.frame


@pytest.mark.parametrize("frame", [EXTENDED, NO_SENSORS, A5_BASIC, A5_CELLS, A5_MODEL, MOS_ACK], ids=bytes.hex)
def test_further_captures_come_back_byte_for_byte(frame: bytes) -> None:
    assert explain("reply", frame).again == frame


def test_golden_requests_are_what_the_builders_make() -> None:
    made = [
        READ_BASIC,
        READ_CELLS,
        READ_MODEL,
        read_register(jbd.ERROR_COUNTS),
        jbd.set_fets(charge=True, discharge=True),
        jbd.set_fets(charge=False, discharge=True),
        jbd.set_fets(charge=True, discharge=False),
        jbd.set_fets(charge=False, discharge=False),
    ]
    assert [JbdCodec().encode(request) for request in made] == [
        item.frame for item in GOLDEN if item.direction == "request"
    ]


def test_golden_basic_information_means_what_its_source_says() -> None:
    basic = decode_basic(answer(READ_BASIC, BASIC_REPLY) or b"")
    assert (basic.voltage_v, basic.current_a) == (15.60, 0.0)
    assert (basic.remaining_ah, basic.nominal_ah) == (4.98, 5.00)
    assert (basic.soc_percent, basic.cell_count, basic.cycles) == (100, 4, 0)
    assert basic.temperatures_c == (22.4, 22.3, 21.7)
    values = basic.values()
    assert values["soc"] == 1.0
    assert values["made"] == "2022-03-28"
    assert values["firmware"] == "8.0"
    assert values["charging_allowed"] is values["discharging_allowed"] is True
    assert values["alarms"] == ()


def test_golden_discharge_is_negative_and_stays_signed() -> None:
    values = explain("reply", BASIC_17S_REPLY).values
    assert values["voltage_v"] == 66.23
    assert values["current_a"] == -20.12
    assert (values["remaining_ah"], values["nominal_ah"], values["soc"]) == (34.93, 40.00, 0.87)
    assert (values["cell_count"], values["cycles"]) == (17, 2)
    assert values["temperatures_c"] == (23.7, 25.4, 23.5, 23.6)


def test_golden_cells_and_model() -> None:
    assert decode_cells(answer(READ_CELLS, CELLS_REPLY) or b"").voltages_v == (3.909, 3.901, 3.895, 3.901)
    assert decode_model(answer(READ_MODEL, MODEL_REPLY) or b"").model == "JBD-SP04S034-L4S-200A-B-U"


@pytest.mark.parametrize(
    ("charge", "discharge", "text"),
    [(True, True, "ff1d"), (False, True, "ff1c"), (True, False, "ff1b"), (False, False, "ff1a")],
)
def test_mos_control_bits_mean_off(charge: bool, discharge: bool, text: str) -> None:
    frame = jbd.request_frame(jbd.set_fets(charge=charge, discharge=discharge))
    assert frame[-3:-1].hex() == text
    values = explain("request", frame).values
    assert (values["charging_allowed"], values["discharging_allowed"]) == (charge, discharge)


@pytest.mark.parametrize("data", [b"\xc0\x01", b"\x00\x07"])
def test_mos_control_with_bits_of_no_meaning_comes_back_as_it_was(data: bytes) -> None:
    frame = jbd.request_frame(jbd.write_register(jbd.FETS, data))
    explained = explain("request", frame)
    assert explained.again == frame
    assert explained.values["charging_allowed"] is False


# -------------------------------------------------------------------- traps


def test_the_status_byte_is_inside_a_reply_s_checksum() -> None:
    """A frame whose checksum leaves the status out is no frame, though its data are right."""
    wrong = bytearray(reply_frame(jbd.CELLS, b"\x0f\x45", status=1))
    wrong[-3:-1] = (int.from_bytes(wrong[-3:-1], "big") + 1 & 0xFFFF).to_bytes(2, "big")
    codec = JbdCodec()
    assert answer(READ_CELLS, bytes(wrong), codec) is None
    assert codec.counters.crc_errors == 1


def test_an_error_reply_is_the_device_s_refusal() -> None:
    frame = bytes.fromhex("dd048000ff8077")
    with pytest.raises(JbdRefused) as refused:
        answer(READ_CELLS, frame)
    assert refused.value.status == jbd.REFUSED
    assert explain("reply", frame) == ({"register": 4, "refused": 0x80}, frame)


def test_an_empty_acknowledgement_has_the_sum_zero() -> None:
    assert answer(jbd.set_fets(charge=True, discharge=True), MOS_ACK) == b""
    assert reply_frame(jbd.FETS) == MOS_ACK


@pytest.mark.parametrize("request_", [READ_BASIC, jbd.set_fets(charge=False, discharge=True), jbd.enter_factory()])
def test_an_echoed_request_is_a_valid_frame_and_no_answer(request_: JbdRequest) -> None:
    codec = JbdCodec()
    echo = codec.encode(request_)
    assert answer(request_, echo, codec) is None
    assert codec.counters.foreign_frames == 1
    assert answer(request_, echo + reply_frame(request_.register, b"\1\2\3"), codec) == b"\1\2\3"


def test_a_read_that_is_overheard_does_not_answer_a_write() -> None:
    """Its register stands where an A5 board has its status."""
    codec = JbdCodec()
    assert answer(jbd.enter_factory(), jbd.request_frame(READ_BASIC), codec) is None
    assert codec.counters.foreign_frames == 1


def test_an_answer_with_a5_for_its_register_is_known_by_its_shape() -> None:
    for codec in (JbdCodec(), JbdCodec("request")):
        basic = decode_basic(answer(READ_BASIC, A5_CELLS + A5_BASIC, codec) or b"")
        assert (basic.voltage_v, basic.cell_count, basic.nominal_ah) == (49.84, 12, 10.0)
        assert basic.temperatures_c == (18.5, 18.0)
        assert codec.counters.foreign_frames == 1, "cells are no basic information"
        cells = decode_cells(answer(READ_CELLS, A5_BASIC + A5_CELLS, codec) or b"")
        assert len(cells.voltages_v) == 12
        assert cells.voltages_v[0] == 4.153
        assert decode_model(answer(READ_MODEL, A5_BASIC + A5_MODEL, codec) or b"").model == "LH-SP15S001-P13S-30A"


def test_an_a5_answer_can_be_left_out() -> None:
    codec = JbdCodec("register")
    assert answer(READ_BASIC, A5_BASIC, codec) is None
    assert codec.counters.foreign_frames == 1


def test_an_a5_board_refuses_and_acknowledges_too() -> None:
    with pytest.raises(JbdRefused):
        answer(READ_BASIC, reply_frame(jbd.BASIC, status=jbd.REFUSED, header=jbd.READ))
    write = jbd.set_fets(charge=True, discharge=True)
    assert answer(write, reply_frame(jbd.FETS, header=jbd.READ)) == b""
    assert answer(write, reply_frame(jbd.CELLS, b"\x0f\x45", header=jbd.READ)) is None


def test_longer_basic_information_is_decoded_and_not_believed_twice() -> None:
    basic = decode_basic(answer(READ_BASIC, EXTENDED) or b"")
    assert len(EXTENDED) - 7 == 0x22
    assert (basic.voltage_v, basic.remaining_ah, basic.nominal_ah) == (13.75, 191.67, 200.0)
    assert basic.temperatures_c == (26.2,)
    assert basic.extension == Extension(0, 0, 200.0, 191.67, 0.0)
    assert "balance_current_a" in basic.values()
    assert basic.values()["remaining_again_ah"] == 191.67


def test_basic_information_without_sensors_has_no_temperatures() -> None:
    basic = decode_basic(answer(READ_BASIC, NO_SENSORS) or b"")
    assert basic.temperatures_c == ()
    assert basic.values()["discharging_allowed"] is False
    assert basic.values()["charging_allowed"] is True
    assert basic.values()["made"] == "2022-02-16"


@pytest.mark.parametrize("length", [0, 22, 24, 28, 30, 37, 39])
def test_basic_information_of_another_length_is_refused(length: int) -> None:
    data = BASIC_REPLY[4:-3]
    with pytest.raises(BadReply):
        decode_basic((data + bytes(20))[:length])


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (decode_cells, b""),
        (decode_cells, b"\0"),
        (decode_cells, bytes(66)),
        (decode_counts, bytes(20)),
        (decode_model, b""),
        (decode_model, b"JBD\x01"),
    ],
)
def test_payloads_of_another_length_are_refused(decode, data: bytes) -> None:
    with pytest.raises(BadReply):
        decode(data)


@pytest.mark.parametrize("words", [11, 12])
def test_error_counters_have_eleven_names(words: int) -> None:
    counts = decode_counts(bytes(2 * words - 2) + b"\0\7")
    named = counts.values()["error_counts"]
    assert len(named) == 11
    assert named["pack_under_voltage"] == (7 if words == 11 else 0)
    assert counts.encode() == bytes(2 * words - 2) + b"\0\7"


def test_balancing_counts_cells_above_sixteen_in_the_second_word() -> None:
    data = bytearray(BASIC_REPLY[4:-3])
    data[12:16] = b"\x00\x00\x80\x01"
    assert decode_basic(bytes(data)).balancing == 1 << 31 | 1 << 16
    assert decode_basic(bytes(data)).values()["balancing"] is True


def test_protections_have_names() -> None:
    data = bytearray(BASIC_REPLY[4:-3])
    data[16:18] = b"\xb4\x01"
    assert decode_basic(bytes(data)).values()["alarms"] == (
        "cell_over_voltage",
        "short_circuit",
        "mos_software_lock",
        "charge_timeout",
        "alarms_bit_15",
    )


def test_values_that_no_field_holds_are_refused() -> None:
    basic = decode_basic(BASIC_REPLY[4:-3])
    for wrong in ({"voltage_v": -0.01}, {"current_a": 327.68}, {"cell_count": 256}):
        with pytest.raises(ValueError, match="hold"):
            replace(basic, **wrong).encode()
    with pytest.raises(ValueError, match="hold"):
        Cells((-0.001,)).encode()


# --------------------------------------------------------------- the line


@pytest.mark.parametrize(
    ("request_", "reply"), [(READ_BASIC, BASIC_REPLY), (READ_CELLS, CELLS_REPLY), (READ_MODEL, MODEL_REPLY)]
)
def test_an_answer_is_found_byte_by_byte_in_noise(request_: JbdRequest, reply: bytes) -> None:
    codec = JbdCodec()
    buffer = bytearray()
    noise = b"\xdd\x03\x00\xff\xdd\xdd\x77\x00"
    found = None
    for byte in noise + reply:
        assert found is None
        buffer.append(byte)
        found = codec.decode(request_, buffer)
    assert found == reply[4:-3]
    assert buffer == b""
    assert codec.counters.noise_bytes == len(noise)


def test_what_follows_an_answer_stays() -> None:
    buffer = bytearray(CELLS_REPLY + BASIC_REPLY[:5])
    assert JbdCodec().decode(READ_CELLS, buffer) == CELLS_REPLY[4:-3]
    assert buffer == BASIC_REPLY[:5]


def test_an_older_answer_is_dropped_and_counted() -> None:
    codec = JbdCodec()
    assert answer(READ_CELLS, BASIC_REPLY + CELLS_REPLY, codec) == CELLS_REPLY[4:-3]
    assert codec.counters.foreign_frames == 1


def test_a_torn_answer_costs_only_itself() -> None:
    codec = JbdCodec()
    assert answer(READ_CELLS, CELLS_REPLY[:9] + CELLS_REPLY, codec) == CELLS_REPLY[4:-3]


@given(st.binary(max_size=600), st.sampled_from([READ_BASIC, READ_CELLS, READ_MODEL, jbd.enter_factory()]))
def test_any_bytes_give_an_answer_nothing_or_a_device_error(data: bytes, request_: JbdRequest) -> None:
    buffer = bytearray()
    codec = JbdCodec()
    for start in range(0, len(data), 50):
        buffer += data[start : start + 50]
        with suppress(DeviceError):
            codec.decode(request_, buffer)
        assert len(buffer) < 7 + 255


@given(st.binary(max_size=80), st.sampled_from(["request", "reply"]))
def test_any_bytes_are_explained_or_refused(data: bytes, direction: Direction) -> None:
    with suppress(BadReply):
        assert explain(direction, data).again == data


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=60), st.sampled_from(["request", "reply"]))
def test_any_valid_frame_comes_back(first: int, second: int, data: bytes, direction: Direction) -> None:
    frame = reply_frame(first, data, status=second)
    with suppress(BadReply):
        assert explain(direction, frame).again == frame


@given(
    st.builds(
        JbdRequest,
        st.integers(0, 255),
        st.booleans(),
        st.binary(max_size=255),
    )
)
def test_a_device_takes_every_request(request_: JbdRequest) -> None:
    buffer = bytearray(b"\xdd\x77" + MOS_ACK + jbd.request_frame(request_) + b"\xdd")
    assert take_request(buffer) == request_
    assert take_request(buffer) is None
    assert buffer == b"\xdd"


WORD = st.integers(0, 0xFFFF)
CENTI = WORD.map(lambda raw: raw / 100)


@given(
    st.builds(
        Basic,
        voltage_v=CENTI,
        current_a=st.integers(-32768, 32767).map(lambda raw: raw / 100),
        remaining_ah=CENTI,
        nominal_ah=CENTI,
        cycles=WORD,
        made=st.tuples(st.integers(2000, 2127), st.integers(0, 15), st.integers(0, 31)),
        balancing=st.integers(0, 2**32 - 1),
        protection=WORD,
        version=st.integers(0, 255),
        soc_percent=st.integers(0, 255),
        fets=st.integers(0, 255),
        cell_count=st.integers(0, 255),
        temperatures_c=st.lists(WORD.map(lambda raw: (raw - 2731) / 10), max_size=12).map(tuple),
        extension=st.none() | st.builds(Extension, st.integers(0, 255), WORD, CENTI, CENTI, CENTI),
    )
)
def test_basic_information_survives_its_wire(basic: Basic) -> None:
    assert decode_basic(basic.encode()) == basic


@given(st.lists(WORD.map(lambda raw: raw / 1000), min_size=1, max_size=32).map(tuple))
def test_cells_survive_their_wire(voltages_v: tuple[float, ...]) -> None:
    assert decode_cells(Cells(voltages_v).encode()).voltages_v == voltages_v


def test_only_reads_may_be_sent_twice() -> None:
    assert READ_BASIC.repeatable
    assert not jbd.set_fets(charge=True, discharge=True).repeatable
    assert READ_BASIC.describe() == "read basic information"
    assert jbd.write_register(0x28, b"\0\0").describe() == "write register 28"
