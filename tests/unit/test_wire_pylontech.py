"""Pylontech V3.3: what the golden frames and further captures say, wide capacities, groups, whose answer is whose."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.golden import golden_frames
from tests.unit.ydt1363_frames import (
    PYLON_ALARMS,
    PYLON_GROUP_MIXED,
    PYLON_GROUP_US2000,
    PYLON_MANAGEMENT,
    PYLON_MANAGEMENT_FULL,
    PYLON_MANUFACTURER,
    PYLON_PARAMETERS,
    PYLON_PARAMETERS_US5000,
    PYLON_SERIAL,
    PYLON_UP2500,
    answer,
    info_of,
)

from packbench.core.errors import BadReply
from packbench.wire.ydt1363 import pylontech
from packbench.wire.ydt1363.frames import YdtCodec, reply_frame, request_frame
from packbench.wire.ydt1363.info import Packs
from packbench.wire.ydt1363.pylontech import ALL, explain
from packbench.wire.ydt1363.pylontech_data import NARROW, WIDE, PackAlarms, PackAnalog, decode_alarms, decode_analog
from packbench.wire.ydt1363.pylontech_facts import (
    Firmware,
    Management,
    decode_firmware,
    decode_management,
    decode_manufacturer,
    decode_serial,
    decode_system_parameters,
)

GOLDEN = golden_frames("pylontech")
REPLY = next(item.frame for item in GOLDEN if item.direction == "reply")
CAPTURES = [
    PYLON_ALARMS,
    PYLON_SERIAL,
    PYLON_MANUFACTURER,
    PYLON_PARAMETERS,
    PYLON_PARAMETERS_US5000,
    PYLON_MANAGEMENT,
    PYLON_MANAGEMENT_FULL,
    PYLON_UP2500,
    PYLON_GROUP_MIXED,
    PYLON_GROUP_US2000,
]


# ------------------------------------------------------------------- golden


@pytest.mark.parametrize("item", GOLDEN, ids=lambda item: item.frame[:18].decode())
def test_golden_frames_come_back_byte_for_byte(item) -> None:
    assert explain(item.direction, item.frame).again == item.frame


@pytest.mark.parametrize("frame", CAPTURES, ids=lambda frame: frame[:22].decode())
def test_further_captures_come_back_byte_for_byte(frame: bytes) -> None:
    assert explain("reply", frame).again == frame


def test_golden_requests_are_what_the_builders_make() -> None:
    made = [pylontech.read_analog(2), pylontech.read_analog(1, ALL)]
    assert [request_frame(request) for request in made] == [
        item.frame for item in GOLDEN if item.direction == "request"
    ]


def test_the_golden_reply_means_what_its_source_says() -> None:
    values = explain("reply", REPLY).values
    assert values["cell_voltages_v"] == (
        *(3.397, 3.396, 3.397, 3.396, 3.397, 3.396, 3.390, 3.397),
        *(3.402, 3.402, 3.403, 3.402, 3.402, 3.402, 3.402),
    )
    assert values["temperatures_c"] == (28.0, 28.0, 28.0, 29.0, 29.0)
    assert (values["current_a"], values["voltage_v"], values["cycles"]) == (0.0, 50.981, 2)
    assert (values["remaining_ah"], values["full_ah"]) == (51.8, 74.0)
    assert values["soc"] == pytest.approx(0.7)
    assert (values["address"], values["protocol_version"], values["answers"]) == (2, "2.0", "analog values")


def test_golden_requests_say_which_packs_they_ask_about() -> None:
    one, every = (explain("request", item.frame).values for item in GOLDEN if item.direction == "request")
    assert (one["command"], one["address"], one["pack"]) == (0x42, 2, 2)
    assert (every["command"], every["address"], every["pack"]) == (0x42, 1, 0xFF)


# ------------------------------------------------------------- analog values


def test_above_65_ah_the_wide_fields_count_and_the_others_are_full_of_ones() -> None:
    pack = decode_analog(info_of(PYLON_UP2500)).packs[0]
    assert (pack.remaining_ah, pack.full_ah, pack.user_items, pack.short_mah) == (95.46, 111.0, WIDE, (0xFFFF, 0xFFFF))
    assert pack.current_a == -0.6


def test_a_full_narrow_field_without_wide_ones_is_no_capacity() -> None:
    """65.535 Ah is how a pack says that it cannot say."""
    pack = decode_analog(info_of(REPLY)).packs[0]
    info = bytes((0x11, 2)) + replace(pack, user_items=NARROW, remaining_ah=None, full_ah=None).encode()
    assert info[-7:] == bytes.fromhex("FFFF02FFFF0002")
    found = decode_analog(info).packs[0]
    assert found.remaining_ah is found.full_ah is found.soc is None
    assert not {"soc", "remaining_ah", "full_ah"} & set(found.values())


def test_wide_fields_count_below_65_ah_too() -> None:
    """A US2000 behind a US3000 answers like it."""
    packs = decode_analog(info_of(PYLON_GROUP_MIXED)).packs
    assert [(pack.remaining_ah, pack.full_ah, pack.cycles) for pack in packs] == [(32.56, 74.0, 564), (24.5, 50.0, 658)]


def test_narrow_fields_of_wide_replies_come_back_whatever_they_hold() -> None:
    info = info_of(REPLY).replace(b"\xff\xff\x04", b"\x12\x34\x04")
    assert decode_analog(info).packs[0].remaining_ah == 51.8
    assert decode_analog(info).encode() == info


def test_a_group_of_three_has_all_their_cells() -> None:
    found = decode_analog(info_of(PYLON_GROUP_US2000))
    assert (found.command, found.count) == (3, 3)
    assert [pack.current_a for pack in found.packs] == [-2.6, -2.5, -2.7]
    assert [pack.voltage_v for pack in found.packs] == [49.545, 49.52, 49.504]
    assert [len(pack.cell_voltages_v) for pack in found.packs] == [15, 15, 15]
    assert [pack.soc for pack in found.packs] == [0.67, 0.67, 0.67]
    assert explain("reply", PYLON_GROUP_US2000).values["packs"][2]["temperatures_c"] == (23.0, 21.0, 21.0, 21.0, 21.0)


@pytest.mark.parametrize("items", [0, 1, 3, 5, 255])
def test_other_user_items_are_refused(items: int) -> None:
    info = bytearray(info_of(REPLY))
    info[-13 + 2] = items
    assert info_of(REPLY)[-11] == WIDE
    with pytest.raises(BadReply):
        decode_analog(bytes(info))


@pytest.mark.parametrize("cut", [1, 2, 3, 10, 40, 60])
def test_a_shorter_reply_is_refused(cut: int) -> None:
    with pytest.raises(BadReply):
        decode_analog(info_of(REPLY)[:-cut])
    with pytest.raises(BadReply):
        decode_analog(info_of(REPLY) + bytes(cut))


# -------------------------------------------------------------------- alarms


def test_a_healthy_pack_with_a_byte_more_than_documented() -> None:
    pack = decode_alarms(info_of(PYLON_ALARMS)).packs[0]
    assert pack.names == ()
    assert pack.appended == b"\x00"
    values = pack.values()
    assert values["charge_fet"] is values["discharge_fet"] is values["module_power"] is True
    assert values["charging"] is values["discharging"] is values["precharge_fet"] is False


HEALTHY = PackAlarms((0,) * 15, (0,) * 5, 0, 0, 0, (0, 0x0E, 0, 0, 0))


@pytest.mark.parametrize(
    ("pack", "names"),
    [
        (replace(HEALTHY, cell_states=(0, 1, *(0,) * 13)), ("cell_under_voltage_warning",)),
        (replace(HEALTHY, cell_states=(2,) * 15), ("cell_over_voltage_warning",)),
        (replace(HEALTHY, temperature_states=(1, 0, 2, 0, 0xF0)), (
            "under_temperature_warning", "over_temperature_warning", "temperature_warning")),
        (replace(HEALTHY, charge_current_state=2), ("charge_over_current_warning",)),
        (replace(HEALTHY, voltage_state=1), ("pack_under_voltage_warning",)),
        (replace(HEALTHY, discharge_current_state=2), ("discharge_over_current_warning",)),
        (replace(HEALTHY, status=(0x80, 0, 0, 0, 0)), ("pack_under_voltage",)),
        (replace(HEALTHY, status=(0x40, 0, 0, 0, 0)), ("charge_over_temperature",)),
        (replace(HEALTHY, status=(0x20, 0, 0, 0, 0)), ("discharge_over_temperature",)),
        (replace(HEALTHY, status=(0x10, 0, 0, 0, 0)), ("discharge_over_current",)),
        (replace(HEALTHY, status=(0x08, 0, 0, 0, 0)), ("status_1_bit_3",)),
        (replace(HEALTHY, status=(0x04, 0, 0, 0, 0)), ("charge_over_current",)),
        (replace(HEALTHY, status=(0x02, 0, 0, 0, 0)), ("cell_under_voltage",)),
        (replace(HEALTHY, status=(0x01, 0, 0, 0, 0)), ("pack_over_voltage",)),
        (replace(HEALTHY, status=(0, 0, 0, 0, 0x40)), ("cell_fault",)),
    ],
    ids=lambda value: "" if isinstance(value, PackAlarms) else "+".join(value),
)  # fmt: skip
def test_alarms_have_the_bench_s_names(pack: PackAlarms, names: tuple[str, ...]) -> None:
    assert pack.names == names
    info = Packs(0x11, 2, (pack,)).encode()
    assert decode_alarms(info).packs == (pack,)


@pytest.mark.parametrize(("status", "name"), [(0x80, "charging"), (0x40, "discharging"), (0x20, "heating"),
                                              (0x08, "fully_charged"), (0x01, "buzzer")])  # fmt: skip
def test_status_3_tells_what_goes_on(status: int, name: str) -> None:
    values = replace(HEALTHY, status=(0, 0, status, 0, 0)).values()
    assert [key for key in ("charging", "discharging", "heating", "fully_charged", "buzzer") if values[key]] == [name]


@pytest.mark.parametrize(("cells", "appended"), [((15, 15), b"\x05"), ((15, 16, 8), b"")])
def test_alarms_of_a_group(cells: tuple[int, ...], appended: bytes) -> None:
    packs = tuple(replace(HEALTHY, cell_states=(0,) * count, appended=appended) for count in cells)
    assert decode_alarms(Packs(0, len(packs), packs).encode()).packs == packs


# ------------------------------------------------------------ what it allows


def test_limits_have_a_sign_on_the_wire_and_none_in_the_vocabulary() -> None:
    found = decode_management(info_of(PYLON_MANAGEMENT))
    assert found == Management(2, 28.4, 23.2, 55.5, -55.5, 0xC0)
    values = found.values()
    assert (values["charge_limit_a"], values["discharge_limit_a"]) == (55.5, 55.5)
    assert values["charging_allowed"] is values["discharging_allowed"] is True
    assert values["charge_at_once"] is values["full_charge_wanted"] is False


def test_a_full_pack_takes_no_charge() -> None:
    found = decode_management(info_of(PYLON_MANAGEMENT_FULL))
    assert (found.charge_voltage_v, found.charge_current_a, found.discharge_current_a) == (53.25, 0.0, -80.0)
    assert (found.charging_allowed, found.discharging_allowed) == (False, True)


@pytest.mark.parametrize(("status", "name"), [(0x20, "charge_at_once"), (0x10, "charge_at_once"),
                                              (0x08, "full_charge_wanted")])  # fmt: skip
def test_what_a_pack_wants(status: int, name: str) -> None:
    values = Management(2, 53.25, 45.0, 37.0, -37.0, status).values()
    assert [key for key in ("charge_at_once", "full_charge_wanted") if values[key]] == [name]


def test_system_parameters_are_in_tenths_of_an_ampere() -> None:
    """The document says 10 mA, and a US5000 has 100 A (python-pylontech#31)."""
    values = decode_system_parameters(info_of(PYLON_PARAMETERS_US5000)).values()
    assert (values["charge_current_max_a"], values["discharge_current_max_a"]) == (100.0, 100.0)
    assert (values["cell_voltage_high_v"], values["cell_voltage_low_v"], values["cell_voltage_under_v"]) == (
        3.65,
        3.05,
        2.8,
    )
    assert (values["voltage_high_v"], values["voltage_low_v"], values["voltage_under_v"]) == (54.0, 46.0, 43.0)
    assert (values["charge_temperature_high_c"], values["discharge_temperature_low_c"]) == (60.0, -10.0)


def test_who_it_is() -> None:
    assert decode_serial(info_of(PYLON_SERIAL)).values() == {"serial": "HPTCR03171112590"}
    assert decode_manufacturer(info_of(PYLON_MANUFACTURER)).values() == {
        "model": "US2000C",
        "software": "1.7",
        "manufacturer": "Pylon",
    }
    found = decode_firmware(bytes.fromhex("020102030405"))
    assert found == Firmware(2, (1, 2), (3, 4, 5))
    assert found.values()["firmware"] == "3.4.5"
    assert found.encode() == bytes.fromhex("020102030405")


# ------------------------------------------------------------- whose answer


def _alike() -> dict[str, bytes]:
    """An answer to each command, of one pack at address 2."""
    return {
        "analog": info_of(REPLY),
        "alarms": info_of(PYLON_ALARMS),
        "alarms_as_documented": info_of(PYLON_ALARMS)[:-1],
        "management": info_of(PYLON_MANAGEMENT),
        "serial": info_of(PYLON_SERIAL),
        "firmware": bytes.fromhex("020102030405"),
        "parameters": info_of(PYLON_PARAMETERS),
        "manufacturer": info_of(PYLON_MANUFACTURER),
        "version": b"",
    }


REQUESTS = {
    "analog": pylontech.read_analog(2),
    "alarms": pylontech.read_alarms(2),
    "management": pylontech.read_management(2),
    "serial": pylontech.read_serial(2),
    "firmware": pylontech.read_firmware(2),
    "parameters": pylontech.read_system_parameters(2),
    "manufacturer": pylontech.read_manufacturer(2),
    "version": pylontech.read_protocol_version(2),
}


@pytest.mark.parametrize("asked", REQUESTS)
def test_only_the_answer_to_the_command_is_taken(asked: str) -> None:
    """The alarms of 15 cells are as long as the manufacturer's reply."""
    request = REQUESTS[asked]
    late = b"".join(reply_frame(0x20, 2, info) for name, info in _alike().items() if not name.startswith(asked))
    codec = YdtCodec()
    reply = answer(request, late + reply_frame(0x20, 2, _alike()[asked]), codec)
    assert reply is not None
    assert reply.info == _alike()[asked]
    assert codec.counters.foreign_frames == sum(not name.startswith(asked) for name in _alike())


def test_measured_values_are_never_alarms() -> None:
    """Cell 8 at 3.356 V makes the length of an alarm reply with 28 temperatures."""
    pack = decode_analog(info_of(REPLY)).packs[0]
    for low_byte in range(256):
        cells = (*pack.cell_voltages_v[:7], (0x0D00 + low_byte) / 1000, *pack.cell_voltages_v[8:])
        info = Packs(0x11, 2, (replace(pack, cell_voltages_v=cells),)).encode()
        with pytest.raises(BadReply):
            decode_alarms(info)


@pytest.mark.parametrize("asked", ["analog", "alarms", "management", "serial", "firmware"])
def test_another_pack_s_answer_is_not_taken(asked: str) -> None:
    """The master answers for its slaves, and each reply repeats the pack in INFO."""
    build = {"analog": pylontech.read_analog, "alarms": pylontech.read_alarms, "serial": pylontech.read_serial,
             "management": pylontech.read_management, "firmware": pylontech.read_firmware}[asked]  # fmt: skip
    request = build(3)
    with pytest.raises(BadReply):
        answer(request, reply_frame(0x20, 3, _alike()[asked]))


def test_a_request_without_a_pack_takes_any() -> None:
    """python-pylontech asks 47 and 93 without INFO."""
    for asked in ("serial", "parameters"):
        request = replace(REQUESTS[asked], info=b"")
        reply = answer(request, reply_frame(0x20, 2, _alike()[asked]))
        assert reply is not None
        assert reply.info == _alike()[asked]


def test_the_version_is_learnt_from_ver() -> None:
    assert answer(pylontech.read_protocol_version(2), reply_frame(0x35, 2)) == (0x35, b"")


# ----------------------------------------------------------------- properties

MILLIVOLTS = st.integers(0, 0xFFFF).map(lambda raw: raw / 1000)
SENSORS = st.integers(0, 0xFFFF).map(lambda raw: (raw - 2731) / 10)


@st.composite
def analog_packs(draw: st.DrawFn) -> PackAnalog:
    wide = draw(st.booleans())
    amount = st.integers(0, 0xFFFFFF if wide else 0xFFFE).map(lambda raw: raw / 1000)
    capacity = amount if wide else st.one_of(st.none(), amount)
    short = (0xFFFF, 0xFFFF)
    return PackAnalog(
        tuple(draw(st.lists(MILLIVOLTS, max_size=16))),
        tuple(draw(st.lists(SENSORS, max_size=6))),
        draw(st.integers(-0x8000, 0x7FFF)) / 10,
        draw(MILLIVOLTS),
        draw(capacity),
        draw(capacity),
        draw(st.integers(0, 0xFFFF)),
        WIDE if wide else NARROW,
        draw(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))) if wide else short,
    )


STATE = st.one_of(st.integers(0, 2), st.integers(0x80, 0xF0))
ALARM_PACKS = st.builds(
    PackAlarms,
    st.lists(STATE, max_size=16).map(tuple),
    st.lists(STATE, max_size=6).map(tuple),
    STATE,
    STATE,
    STATE,
    st.tuples(*[st.integers(0, 255)] * 5),
)


@given(st.integers(0, 255), st.integers(0, 255), analog_packs())
def test_analog_values_survive_the_wire(flag: int, address: int, pack: PackAnalog) -> None:
    message = Packs(flag, address, (pack,))
    assert decode_analog(message.encode()) == message


@given(st.integers(0, 255), st.lists(analog_packs(), min_size=2, max_size=16))
def test_groups_survive_the_wire(flag: int, packs: list[PackAnalog]) -> None:
    message = Packs(flag, len(packs), tuple(packs))
    assert decode_analog(message.encode()) == message


@given(st.integers(0, 255), st.integers(0, 255), ALARM_PACKS)
def test_alarms_survive_the_wire(flag: int, address: int, pack: PackAlarms) -> None:
    message = Packs(flag, address, (pack,))
    assert decode_alarms(message.encode()) == message
    assert len(pack.names) == len(set(pack.names))


@given(st.sampled_from(sorted(pylontech.DIALECT.commands)), st.binary(max_size=200))
def test_any_info_is_a_message_that_encodes_to_it_or_a_typed_error(command: int, info: bytes) -> None:
    with suppress(BadReply):
        message = pylontech.DIALECT.commands[command].decode(info)
        message.values()
        assert message.encode() == info
