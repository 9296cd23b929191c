"""PACE on RS-232: other clients' requests, captures with and without appended bytes, signs, whose answer is whose."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ydt1363_frames import (
    PACE_ALARMS,
    PACE_ALARMS_APPENDED,
    PACE_ANALOG,
    PACE_ANALOG_APPENDED,
    PACE_COUNT,
    PACE_SERIAL,
    PACE_SOFTWARE,
    answer,
    info_of,
    line,
)

from packbench.core.errors import BadReply
from packbench.wire.ydt1363 import pace
from packbench.wire.ydt1363.frames import YdtCodec, reply_frame, request_frame
from packbench.wire.ydt1363.info import Packs
from packbench.wire.ydt1363.pace import ALL, explain
from packbench.wire.ydt1363.pace_data import PackAlarms, PackAnalog, decode_alarms, decode_analog

CAPTURES = [
    PACE_ANALOG,
    PACE_ALARMS,
    PACE_SOFTWARE,
    PACE_SERIAL,
    PACE_COUNT,
    PACE_ANALOG_APPENDED,
    PACE_ALARMS_APPENDED,
]


@pytest.mark.parametrize("frame", CAPTURES, ids=lambda frame: frame[:22].decode())
def test_captures_come_back_byte_for_byte(frame: bytes) -> None:
    assert explain("reply", frame).again == frame


@pytest.mark.parametrize(
    ("request_", "frame"),
    [
        (pace.read_analog(0, ALL), line("~25004642E002FFFD06")),
        (pace.read_alarms(0, 1), line("~25004644E00201FD2F")),
        (pace.read_software(0), line("~250046C10000FD9B")),
        (pace.read_serial(0), line("~250046C20000FD9A")),
        (pace.read_analog(1, 1), line("~25014642E00201FD30")),
        (pace.read_alarms(1, 1), line("~25014644E00201FD2E")),
        (pace.read_pack_count(1), line("~250146900000FDA5")),
    ],
    ids=lambda value: value.decode().strip() if isinstance(value, bytes) else value.describe(),
)
def test_requests_of_other_clients(request_, frame: bytes) -> None:
    """The first four are dbus-serialbattery's, the others esphome-pace-bms's."""
    assert request_frame(request_) == frame
    assert explain("request", frame).again == frame


def test_measured_values() -> None:
    values = explain("reply", PACE_ANALOG).values
    assert values["cell_voltages_v"][:6] == (3.271, 3.272, 3.271, 3.271, 3.271, 3.269)
    assert len(values["cell_voltages_v"]) == 16
    assert values["temperatures_c"] == (24.0, 23.8, 23.8, 23.8, 26.4, 27.3)
    assert (values["voltage_v"], values["remaining_ah"], values["full_ah"]) == (52.429, 48.19, 103.46)
    assert (values["rated_ah"], values["cycles"]) == (100.0, 140)
    assert values["soc"] == pytest.approx(48.19 / 103.46)
    assert "soh" not in values
    assert values["protocol_version"] == "2.5"


def test_they_stand_where_dbus_serialbattery_looks_for_them() -> None:
    """Its indices count characters from ~ (16 cells, 6 temperatures)."""
    for frame, cells in ((PACE_ANALOG, 16), (PACE_ANALOG_APPENDED, 16)):
        pack = decode_analog(info_of(frame)).packs[0]
        assert int(frame[17:19], 16) == cells
        assert int(frame[19:23], 16) / 1000 == pack.cell_voltages_v[0]
        assert int(frame[83:85], 16) == 6
        assert (int(frame[85:89], 16) - 2731) / 10 == pack.temperatures_c[0]
        assert int(frame[113:117], 16) / 1000 == pack.voltage_v
        assert int(frame[117:121], 16) / 100 == pack.remaining_ah
        assert int(frame[123:127], 16) / 100 == pack.full_ah
        assert int(frame[127:131], 16) == pack.cycles


@pytest.mark.parametrize(
    ("raw", "current_a"),
    [("FF1F", -2.25), ("FFFF", -0.01), ("8000", -327.68), ("9000", -286.72), ("7FFF", 327.67), ("0001", 0.01)],
)
def test_currents_are_two_s_complement(raw: str, current_a: float) -> None:
    """pace.py subtracts 65535, and takes 8xxx and 9xxx for positive."""
    info = info_of(PACE_ANALOG).replace(bytes.fromhex("FF1FCCCD"), bytes.fromhex(raw + "CCCD"))
    assert decode_analog(info).packs[0].current_a == current_a
    assert decode_analog(info).encode() == info


def test_appended_bytes_are_kept_and_hold_the_state_of_health() -> None:
    pack = decode_analog(info_of(PACE_ANALOG_APPENDED)).packs[0]
    assert len(pack.appended) == 14
    assert (pack.user_items, pack.full_ah, pack.rated_ah, pack.cycles) == (9, 208.03, 200.0, 5)
    assert pack.soh == 1.0
    assert pack.soc == pytest.approx(0.7726, abs=1e-4)
    assert pack.appended[0] == 77


def test_a_reply_to_all_has_a_count_where_one_pack_has_its_number() -> None:
    pack = decode_analog(info_of(PACE_ANALOG_APPENDED)).packs[0]
    packs = tuple(replace(pack, cycles=number) for number in range(10))
    info = Packs(0, 10, packs).encode()
    assert decode_analog(info).packs == packs
    frame = reply_frame(0x25, 0, info)
    assert answer(pace.read_analog(0, ALL), frame) is not None
    with pytest.raises(BadReply):
        answer(pace.read_analog(0, 10), frame)
    with pytest.raises(BadReply):
        answer(
            pace.read_analog(0, ALL),
            reply_frame(0x25, 0, info_of(PACE_ANALOG).replace(b"\x00\x01\x10", b"\x00\x02\x10")),
        )


# -------------------------------------------------------------------- alarms

CALM = decode_alarms(info_of(PACE_ALARMS)).packs[0]


def test_a_pack_that_discharges_without_complaint() -> None:
    assert CALM.names == ()
    assert (CALM.charging_allowed, CALM.discharging_allowed, CALM.balancing) == (True, True, False)
    assert (CALM.values()["discharging"], CALM.values()["charging"]) == (True, False)
    assert decode_alarms(info_of(PACE_ALARMS_APPENDED)).packs[0].appended == b"\x00"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        *(({"protections": (1 << bit, 0)}, (name,)) for bit, name in enumerate((
            "cell_over_voltage", "cell_under_voltage", "pack_over_voltage", "pack_under_voltage",
            "charge_over_current", "discharge_over_current", "short_circuit", "protection_1_bit_7"))),
        *(({"protections": (0, 1 << bit)}, (name,)) for bit, name in enumerate((
            "charge_over_temperature", "discharge_over_temperature", "charge_under_temperature",
            "discharge_under_temperature", "mos_over_temperature", "environment_over_temperature",
            "environment_under_temperature"))),
        ({"protections": (0, 0x80)}, ()),
        *(({"fault": 1 << bit}, (name,)) for bit, name in enumerate((
            "charge_fet_fault", "discharge_fet_fault", "temperature_sensor_fault", "fault_bit_3", "cell_fault",
            "voltage_sensor_fault"))),
        ({"warnings": (0x02, 0)}, ("cell_under_voltage_warning",)),
        ({"warnings": (0, 0x40)}, ("mos_over_temperature_warning",)),
        ({"warnings": (0, 0x80)}, ("low_capacity_warning",)),
        ({"instruction": 0x16}, ("reverse_polarity",)),
        ({"cell_states": (2,) * 16, "warnings": (0x01, 0)}, ("cell_over_voltage_warning",)),
        ({"temperature_states": (0, 0, 0, 0, 0, 0x85)}, ("temperature_warning",)),
        ({"charge_current_state": 2}, ("charge_over_current_warning",)),
        ({"discharge_current_state": 2}, ("discharge_over_current_warning",)),
        ({"voltage_state": 1}, ("pack_under_voltage_warning",)),
    ],
    ids=str,
)  # fmt: skip
def test_alarms_have_the_bench_s_names(changes: dict[str, object], names: tuple[str, ...]) -> None:
    pack = replace(CALM, **changes)
    assert pack.names == names
    assert decode_alarms(Packs(0, 1, (pack,)).encode()).packs == (pack,)


def test_fets_and_balancing() -> None:
    assert (replace(CALM, instruction=0x04).charging_allowed, replace(CALM, instruction=0x04).discharging_allowed) == (
        False,
        True,
    )
    assert replace(CALM, balance=(0x01, 0)).balancing
    assert replace(CALM, balance=(0, 0x80)).balancing


# ------------------------------------------------------------- whose answer


def test_who_it_is() -> None:
    assert explain("reply", PACE_SOFTWARE).values["firmware"] == "P16S100A-1812-1.00"
    values = explain("reply", PACE_SERIAL).values
    assert (values["serial"], values["pack_serial"]) == ("1812101380309D", "")
    assert explain("reply", PACE_COUNT).values["pack_count"] == 2


ANSWERS = {
    pace.read_analog(1, 1): PACE_ANALOG,
    pace.read_alarms(1, 1): PACE_ALARMS,
    pace.read_software(1): PACE_SOFTWARE,
    pace.read_serial(1): PACE_SERIAL,
    pace.read_pack_count(1): PACE_COUNT,
}


@pytest.mark.parametrize("request_", ANSWERS, ids=lambda request: request.describe())
def test_only_the_answer_to_the_command_is_taken(request_) -> None:
    late = b"".join(
        frame
        for other, frame in ANSWERS.items()
        # A serial number may be as short as a software version, and nothing else tells them apart.
        if other != request_ and (request_.command, other.command) != (pace.SERIAL, pace.SOFTWARE)
    )
    codec = YdtCodec()
    reply = answer(request_, late + ANSWERS[request_], codec)
    assert reply is not None
    assert reply.info == info_of(ANSWERS[request_])
    assert codec.counters.foreign_frames == late.count(b"~")


@pytest.mark.parametrize("build", [pace.read_analog, pace.read_alarms])
def test_another_pack_s_answer_is_not_taken(build) -> None:
    frame = PACE_ANALOG if build is pace.read_analog else PACE_ALARMS
    with pytest.raises(BadReply):
        answer(build(1, 2), frame)


@pytest.mark.parametrize("frame", [PACE_ANALOG, PACE_ANALOG_APPENDED])
def test_measured_values_are_never_alarms_nor_the_other_way_round(frame: bytes) -> None:
    with pytest.raises(BadReply):
        decode_alarms(info_of(frame))
    for alarms in (PACE_ALARMS, PACE_ALARMS_APPENDED):
        with pytest.raises(BadReply):
            decode_analog(info_of(alarms))


# ----------------------------------------------------------------- properties

U16 = st.integers(0, 0xFFFF)
BYTE = st.integers(0, 255)
HUNDREDTHS = U16.map(lambda raw: raw / 100)
MILLIVOLTS = U16.map(lambda raw: raw / 1000)
STATE = st.one_of(st.integers(0, 2), st.integers(0x80, 0xF0))
PAIR = st.tuples(BYTE, BYTE)


def analog_packs(appended: int) -> st.SearchStrategy[PackAnalog]:
    return st.builds(
        PackAnalog,
        st.lists(MILLIVOLTS, min_size=1, max_size=16).map(tuple),
        st.lists(U16.map(lambda raw: (raw - 2731) / 10), min_size=1, max_size=6).map(tuple),
        st.integers(-0x8000, 0x7FFF).map(lambda raw: raw / 100),
        MILLIVOLTS,
        HUNDREDTHS,
        BYTE,
        HUNDREDTHS,
        U16,
        HUNDREDTHS,
        st.binary(min_size=appended, max_size=appended),
    )


@given(st.sampled_from((0, 10, 14)), st.integers(2, 16), st.data())
def test_groups_survive_the_wire(appended: int, count: int, data: st.DataObject) -> None:
    pack = data.draw(analog_packs(appended))
    packs = tuple(replace(pack, cycles=number, appended=bytes(reversed(pack.appended))) for number in range(count))
    assert decode_analog(Packs(0, count, packs).encode()).packs == packs


@given(BYTE, BYTE, st.sampled_from((0, 10, 14)).flatmap(analog_packs))
def test_measured_values_survive_the_wire(flag: int, number: int, pack: PackAnalog) -> None:
    message = Packs(flag, number, (pack,))
    assert decode_analog(message.encode()) == message


@given(
    st.builds(
        PackAlarms,
        st.lists(STATE, max_size=16).map(tuple),
        st.lists(STATE, max_size=6).map(tuple),
        *(STATE, STATE, STATE, PAIR, BYTE, BYTE, BYTE, PAIR, PAIR),
        st.binary(max_size=1),
    )
)
def test_alarms_survive_the_wire(pack: PackAlarms) -> None:
    message = Packs(0, 1, (pack,))
    assert decode_alarms(message.encode()) == message
    assert len(pack.names) == len(set(pack.names))


@given(st.sampled_from(sorted(pace.DIALECT.commands)), st.binary(max_size=160))
def test_any_info_is_a_message_that_encodes_to_it_or_a_typed_error(command: int, info: bytes) -> None:
    with suppress(BadReply):
        message = pace.DIALECT.commands[command].decode(info)
        message.values()
        assert message.encode() == info
