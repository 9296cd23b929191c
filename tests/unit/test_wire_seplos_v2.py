"""Seplos V2: what the golden frames and further captures say, alarm bits one by one, whose answer is whose."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.golden import golden_frames
from tests.unit.ydt1363_frames import SEPLOS_ALARMS, SEPLOS_TELEMETRY, SEPLOS_VENDOR, answer, info_of

from packbench.core.errors import BadReply
from packbench.wire.ydt1363 import seplos_v2
from packbench.wire.ydt1363.frames import YdtCodec, reply_frame, request_frame
from packbench.wire.ydt1363.seplos_v2 import Telemetry, decode_telemetry, decode_vendor, explain
from packbench.wire.ydt1363.seplos_v2_alarms import CUSTOM, EVENTS, Alarms, decode_alarms

GOLDEN = golden_frames("seplos_v2")
REPLY, VERSION_REPLY = (item.frame for item in GOLDEN if item.direction == "reply")


# ------------------------------------------------------------------- golden


@pytest.mark.parametrize("item", GOLDEN, ids=lambda item: item.frame[:18].decode())
def test_golden_frames_come_back_byte_for_byte(item) -> None:
    assert explain(item.direction, item.frame).again == item.frame


@pytest.mark.parametrize(
    "frame", [SEPLOS_ALARMS, SEPLOS_TELEMETRY, SEPLOS_VENDOR], ids=lambda frame: frame[:22].decode()
)
def test_further_captures_come_back_byte_for_byte(frame: bytes) -> None:
    assert explain("reply", frame).again == frame


def test_golden_requests_are_what_the_builders_make() -> None:
    made = [seplos_v2.read_telemetry(0), seplos_v2.read_protocol_version(0), seplos_v2.read_vendor(0)]
    assert [request_frame(request) for request in made] == [
        item.frame for item in GOLDEN if item.direction == "request"
    ]


def test_the_golden_telemetry_means_what_its_source_says() -> None:
    values = explain("reply", REPLY).values
    assert values["cell_voltages_v"] == (
        *(3.287, 3.305, 3.316, 3.286, 3.311, 3.301, 3.297, 3.292),
        *(3.305, 3.312, 3.304, 3.311, 3.306, 3.290, 3.294, 3.288),
    )
    assert values["temperatures_c"] == (25.1, 24.5, 23.6, 25.1, 25.0, 24.7)
    assert (values["current_a"], values["voltage_v"], values["port_voltage_v"]) == (-6.76, 52.80, 52.79)
    assert (values["remaining_ah"], values["full_ah"], values["rated_ah"]) == (133.90, 170.0, 180.0)
    assert (values["soc"], values["soh"], values["cycles"]) == (0.787, 1.0, 70)


def test_the_golden_version_is_in_ver_alone() -> None:
    assert explain("reply", VERSION_REPLY).values == {
        "address": 0,
        "protocol_version": "2.0",
        "answers": "protocol version",
    }
    assert answer(seplos_v2.read_protocol_version(0), VERSION_REPLY) == (0x20, b"")


def test_the_vendor_says_what_it_speaks_to_the_inverter() -> None:
    assert decode_vendor(info_of(SEPLOS_VENDOR)).values() == {
        "model": "1101-SP15",
        "firmware": "2.7",
        "manufacturer": "CANProtocol:Sofar",
    }


@pytest.mark.parametrize(
    ("address", "telemetry", "alarms"),
    [(0, b"~20004642E00200FD37\r", b"~20004644E00200FD35\r"), (9, b"~20094642E00209FD25\r", b"~20094644E00209FD23\r"),
     (15, b"~200F4642E0020FFD0B\r", b"~200F4644E0020FFD09\r")],
)  # fmt: skip
def test_requests_of_the_document_s_tables(address: int, telemetry: bytes, alarms: bytes) -> None:
    assert request_frame(seplos_v2.read_telemetry(address)) == telemetry
    assert request_frame(seplos_v2.read_alarms(address)) == alarms


def test_the_group_of_a_reply_is_not_compared() -> None:
    """The golden capture was asked about 0 and says 1, another says 0."""
    for frame, group in ((REPLY, 1), (SEPLOS_TELEMETRY, 0)):
        reply = answer(seplos_v2.read_telemetry(0), frame)
        assert reply is not None
        assert decode_telemetry(reply.info).group == group


# -------------------------------------------------------------------- alarms

CALM = decode_alarms(info_of(SEPLOS_ALARMS))


def _with(place: int, value: int) -> Alarms:
    custom = bytearray(CUSTOM)
    custom[place] = value
    return replace(CALM, custom=bytes(custom))


def test_waiting_to_charge_again_is_no_alarm() -> None:
    values = CALM.values()
    assert values["alarms"] == ()
    assert values["charging_allowed"] is values["discharging_allowed"] is values["discharging"] is True
    assert values["balancing"] is values["charging"] is values["standby"] is False
    assert CALM.custom[EVENTS[5]] == 0x02


@pytest.mark.parametrize(
    ("event", "bit", "name"),
    [
        (1, 0, "voltage_sensor_fault"),
        (1, 4, "cell_spread"),
        (2, 0, "cell_over_voltage_warning"),
        (2, 1, "cell_over_voltage"),
        (2, 2, "cell_under_voltage_warning"),
        (2, 3, "cell_under_voltage"),
        (2, 4, "pack_over_voltage_warning"),
        (2, 5, "pack_over_voltage"),
        (2, 6, "pack_under_voltage_warning"),
        (2, 7, "pack_under_voltage"),
        (3, 0, "charge_over_temperature_warning"),
        (3, 1, "charge_over_temperature"),
        (3, 2, "charge_under_temperature_warning"),
        (3, 3, "charge_under_temperature"),
        (3, 4, "discharge_over_temperature_warning"),
        (3, 5, "discharge_over_temperature"),
        (3, 6, "discharge_under_temperature_warning"),
        (3, 7, "discharge_under_temperature"),
        (4, 1, "environment_over_temperature"),
        (4, 4, "mos_over_temperature"),
        (4, 5, "mos_over_temperature_warning"),
        (5, 0, "charge_over_current_warning"),
        (5, 1, "charge_over_current"),
        (5, 2, "discharge_over_current_warning"),
        (5, 3, "discharge_over_current"),
        (5, 4, "transient_over_current"),
        (5, 5, "short_circuit"),
        (5, 7, "short_circuit_lockout"),
        (6, 2, "low_capacity_warning"),
        (6, 3, "low_capacity"),
        (6, 5, "reverse_polarity"),
        (8, 0, "memory_fault"),
    ],
)
def test_events_have_the_bench_s_names(event: int, bit: int, name: str) -> None:
    assert _with(EVENTS[event - 1], 1 << bit).names == (name,)


@pytest.mark.parametrize(("event", "bit"), [(4, 6), (6, 1), (6, 7), (7, 4), (7, 5), (8, 5)])
def test_states_and_inside_bits_are_no_alarms(event: int, bit: int) -> None:
    assert _with(EVENTS[event - 1], 1 << bit).names == ()


def test_a_warning_told_twice_is_told_once() -> None:
    alarms = replace(_with(EVENTS[1], 0x01), cell_states=(2, *(0,) * 15))
    assert alarms.names == ("cell_over_voltage_warning",)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"cell_states": (0, 1) + (0,) * 14}, "cell_under_voltage_warning"),
        ({"temperature_states": (0, 0, 2, 0, 0, 0)}, "over_temperature_warning"),
        ({"current_state": 0xF0}, "current_warning"),
        ({"voltage_state": 1}, "pack_under_voltage_warning"),
    ],
)
def test_alarm_bytes_count_where_no_bit_does(changes: dict[str, object], name: str) -> None:
    assert replace(CALM, custom=bytes(CUSTOM), **changes).names == (name,)


def test_switches_balancing_and_lost_wires() -> None:
    assert (_with(6, 0x01).charging_allowed, _with(6, 0x01).discharging_allowed) == (False, True)
    assert (_with(6, 0x02).charging_allowed, _with(6, 0x02).discharging_allowed) == (True, False)
    assert _with(7, 0x10).balancing
    assert _with(8, 0x80).balancing
    assert _with(10, 0x01).names == _with(11, 0x80).names == ("cell_disconnected",)
    assert [name for name in ("discharging", "charging", "floating", "standby", "shut_down")
            if _with(9, 0x32).values()[name]] == ["charging", "standby", "shut_down"]  # fmt: skip


# ------------------------------------------------------------- whose answer

ANSWERS = {
    seplos_v2.read_telemetry(0): info_of(REPLY),
    seplos_v2.read_alarms(0): info_of(SEPLOS_ALARMS),
    seplos_v2.read_vendor(0): info_of(SEPLOS_VENDOR),
    seplos_v2.read_protocol_version(0): b"",
}


@pytest.mark.parametrize("request_", ANSWERS, ids=lambda request: request.describe())
def test_only_the_answer_to_the_command_is_taken(request_) -> None:
    late = b"".join(reply_frame(0x20, 0, info) for other, info in ANSWERS.items() if other != request_)
    codec = YdtCodec()
    reply = answer(request_, late + reply_frame(0x20, 0, ANSWERS[request_]), codec)
    assert reply is not None
    assert reply.info == ANSWERS[request_]
    assert codec.counters.foreign_frames == 3


def test_alarms_are_never_telemetry() -> None:
    """With both switches on and an empty reserve they look like three temperatures without custom items."""
    custom = bytearray(CALM.custom)
    custom[6], custom[14:] = 0x03, bytes(6)
    with pytest.raises(BadReply, match="custom items"):
        decode_telemetry(replace(CALM, custom=bytes(custom)).encode())


def test_alarms_without_the_events_that_are_known_are_refused() -> None:
    assert len(decode_alarms(replace(CALM, custom=bytes(14)).encode()).custom) == 14
    with pytest.raises(BadReply, match="13 bytes of events"):
        decode_alarms(replace(CALM, custom=bytes(13)).encode())


@pytest.mark.parametrize("cut", [1, 2, 8, 30])
def test_other_lengths_are_refused(cut: int) -> None:
    for decode, frame in ((decode_telemetry, REPLY), (decode_alarms, SEPLOS_ALARMS), (decode_vendor, SEPLOS_VENDOR)):
        with pytest.raises(BadReply):
            decode(info_of(frame)[:-cut])
        with pytest.raises(BadReply):
            decode(info_of(frame) + bytes(cut))


# ----------------------------------------------------------------- properties

U16 = st.integers(0, 0xFFFF)
HUNDREDTHS = U16.map(lambda raw: raw / 100)
THOUSANDTHS = U16.map(lambda raw: raw / 1000)
BYTE = st.integers(0, 255)
STATE = st.one_of(st.integers(0, 2), st.integers(0x80, 0xF0))


@given(
    st.builds(
        Telemetry,
        BYTE,
        BYTE,
        st.lists(THOUSANDTHS, max_size=16).map(tuple),
        st.lists(U16.map(lambda raw: (raw - 2731) / 10), max_size=6).map(tuple),
        st.integers(-0x8000, 0x7FFF).map(lambda raw: raw / 100),
        HUNDREDTHS,
        HUNDREDTHS,
        HUNDREDTHS,
        THOUSANDTHS,
        HUNDREDTHS,
        U16,
        THOUSANDTHS,
        HUNDREDTHS,
        st.lists(U16, max_size=6).map(tuple),
    )
)
def test_telemetry_survives_the_wire(message: Telemetry) -> None:
    assert decode_telemetry(message.encode()) == message


@given(
    st.builds(
        Alarms,
        BYTE,
        BYTE,
        st.lists(STATE, max_size=16).map(tuple),
        st.lists(STATE, max_size=6).map(tuple),
        STATE,
        STATE,
        st.binary(min_size=14, max_size=24),
    )
)
def test_alarms_survive_the_wire(message: Alarms) -> None:
    assert decode_alarms(message.encode()) == message
    assert len(message.names) == len(set(message.names))


@given(st.sampled_from(sorted(seplos_v2.DIALECT.commands)), st.binary(max_size=120))
def test_any_info_is_a_message_that_encodes_to_it_or_a_typed_error(command: int, info: bytes) -> None:
    with suppress(BadReply):
        message = seplos_v2.DIALECT.commands[command].decode(info)
        message.values()
        assert message.encode() == info
