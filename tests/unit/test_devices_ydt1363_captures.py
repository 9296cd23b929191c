"""Pylontech, Seplos V2 and PACE: captured replies out of the emulators, captured requests out of the drivers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.golden import golden_frames
from tests.unit.ydt1363_bench import (
    FACTS,
    PARAMETERS,
    PYLON_GOLDEN,
    SEPLOS_GOLDEN,
    SEPLOS_VERSION,
    device_of,
    refusal,
    say,
    sent_by,
    stated,
)
from tests.unit.ydt1363_frames import (
    PACE_ALARMS,
    PACE_ALARMS_APPENDED,
    PACE_ANALOG,
    PACE_ANALOG_APPENDED,
    PACE_SERIAL,
    PACE_SOFTWARE,
    PYLON_ALARMS,
    PYLON_GROUP_US2000,
    PYLON_MANAGEMENT,
    PYLON_MANAGEMENT_FULL,
    PYLON_MANUFACTURER,
    PYLON_PARAMETERS,
    PYLON_SERIAL,
    PYLON_UP2500,
    SEPLOS_TELEMETRY,
    SEPLOS_VENDOR,
    answer,
    info_of,
    line,
)

from packbench.drivers.pace import PaceBms
from packbench.drivers.pylontech import PylontechBms
from packbench.drivers.seplos_v2 import SeplosV2Bms
from packbench.wire.ydt1363 import pace, pylontech, seplos_v2
from packbench.wire.ydt1363.frames import BAD_ADDRESS, reply_frame, request_frame, take_apart
from packbench.wire.ydt1363.pylontech_data import NARROW, WIDE, decode_alarms, decode_analog
from packbench.wire.ydt1363.pylontech_facts import decode_management
from packbench_sim.devices.pace import BoardFacts as PaceFacts
from packbench_sim.devices.pace import PaceDevice
from packbench_sim.devices.pylontech import PylontechDevice
from packbench_sim.devices.seplos_v2 import BoardFacts as SeplosFacts
from packbench_sim.devices.seplos_v2 import SeplosV2Device

# --------------------------------------------- captured replies out of the emulators


def test_pylontech_s_golden_reply_comes_out_of_its_state() -> None:
    """Cells, 28 and 29 degrees, 51.8 of 74 Ah: the wide fields."""
    part = stated(
        cell_voltages_v=[3.397, 3.396, 3.397, 3.396, 3.397, 3.396, 3.390, 3.397,
                         3.402, 3.402, 3.403, 3.402, 3.402, 3.402, 3.402],
        temperatures_c=[28.0, 28.0, 28.0, 29.0, 29.0], voltage_v=50.981, current_a=0.0, soc=0.7, soh=1.0, cycles=2,
    )  # fmt: skip
    device = PylontechDevice([part], replace(FACTS, rated_capacity_ah=74.0))
    assert say(device, pylontech.read_analog(2)) == PYLON_GOLDEN


def test_seplos_s_golden_replies_come_out_of_their_state() -> None:
    part = stated(
        cell_voltages_v=[3.287, 3.305, 3.316, 3.286, 3.311, 3.301, 3.297, 3.292,
                         3.305, 3.312, 3.304, 3.311, 3.306, 3.290, 3.294, 3.288],
        temperatures_c=[25.1, 24.5, 23.6, 25.1, 25.0, 24.7], voltage_v=52.8, current_a=-6.76, soc=133.9 / 170, soh=1.0,
        cycles=70,
    )  # fmt: skip
    device = SeplosV2Device(part, SeplosFacts(180.0, full_ah=170.0, port_drop_v=0.01, group=1))
    assert say(device, seplos_v2.read_telemetry(0)) == SEPLOS_GOLDEN
    assert say(device, seplos_v2.read_protocol_version(0)) == SEPLOS_VERSION


def test_a_seplos_board_with_something_in_reserve() -> None:
    decoded = seplos_v2.decode_telemetry(info_of(SEPLOS_TELEMETRY))
    part = stated(
        cell_voltages_v=decoded.cell_voltages_v, temperatures_c=decoded.temperatures_c, voltage_v=decoded.voltage_v,
        current_a=decoded.current_a, soc=decoded.remaining_ah / decoded.full_ah, soh=1.0, cycles=decoded.cycles,
    )  # fmt: skip
    facts = SeplosFacts(
        decoded.rated_ah, full_ah=decoded.full_ah, port_drop_v=decoded.voltage_v - decoded.port_voltage_v, group=0,
        reserved=decoded.reserved, model="1101-SP15", versions=(2, 7), vendor="CANProtocol:Sofar",
    )  # fmt: skip
    device = SeplosV2Device(part, facts)
    assert say(device, seplos_v2.read_telemetry(0)) == SEPLOS_TELEMETRY
    assert say(device, seplos_v2.read_vendor(0)) == SEPLOS_VENDOR


@pytest.mark.parametrize("capture", [PACE_ANALOG, PACE_ANALOG_APPENDED], ids=["plain", "appended"])
def test_pace_s_captured_values_come_out_of_their_state(capture: bytes) -> None:
    decoded = pace.decode_analog(info_of(capture)).packs[0]
    part = stated(
        cell_voltages_v=decoded.cell_voltages_v, temperatures_c=decoded.temperatures_c, voltage_v=decoded.voltage_v,
        current_a=decoded.current_a, soc=decoded.remaining_ah / decoded.full_ah, soh=1.0, cycles=decoded.cycles,
    )  # fmt: skip
    appends = bool(decoded.appended)
    device = PaceDevice(
        part, PaceFacts(decoded.rated_ah, full_ah=decoded.full_ah, appends=appends, port_drop_v=53.297 - 53.145)
    )
    assert say(device, pace.read_analog(1, 1)) == capture


def test_pace_s_other_captures_come_out_of_their_state() -> None:
    part = stated(cell_voltages_v=[3.27] * 16, temperatures_c=[24.0] * 4, current_a=-2.25)
    plain = PaceFacts(100.0, appends=False, software="P16S100A-1812-1.00", serial="1812101380309D")
    device = PaceDevice(part, plain)
    assert say(device, pace.read_alarms(1, 1)) == PACE_ALARMS
    # The captured board fills 20 characters with one space and a zero.
    assert take_apart(say(device, pace.read_software(1))).info[:18] == info_of(PACE_SOFTWARE)[:18]
    assert say(device, pace.read_serial(1)) == PACE_SERIAL
    resting = PaceDevice(
        stated(cell_voltages_v=[3.3] * 16, temperatures_c=[24.0] * 4, current_a=0.0), PaceFacts(100.0), unit=2
    )
    assert say(resting, pace.read_alarms(2, 2)) == PACE_ALARMS_APPENDED


def test_pylontech_s_further_captures_come_out_of_their_state() -> None:
    part = stated(cell_voltages_v=[3.3] * 15, temperatures_c=[25.0] * 4, current_a=0.0)
    device = PylontechDevice(
        [part],
        replace(FACTS, model="US2000C", maker="Pylon", versions=(1, 7), serial="HPTCR03171112590"),
        info_flag=0x10,
        appended=b"\0",
    )
    assert say(device, pylontech.read_alarms(2)) == PYLON_ALARMS
    assert say(device, pylontech.read_manufacturer(2)) == PYLON_MANUFACTURER
    assert say(device, pylontech.read_serial(2)) == PYLON_SERIAL
    assert say(device, pylontech.read_system_parameters(2)) == PYLON_PARAMETERS


@pytest.mark.parametrize("capture", [PYLON_MANAGEMENT, PYLON_MANAGEMENT_FULL], ids=["up2500", "us5000_full"])
def test_pylontech_s_captured_limits_come_out_of_their_state(capture: bytes) -> None:
    limits = decode_management(info_of(capture))
    part = stated(
        cell_voltages_v=[3.3] * 10,
        charge_limit_a=limits.charge_current_a,
        discharge_limit_a=-limits.discharge_current_a,
    )
    parameters = replace(
        PARAMETERS, cell_high_v=limits.charge_voltage_v / 10, cell_low_v=limits.discharge_voltage_v / 10
    )
    assert say(PylontechDevice([part], replace(FACTS, parameters=parameters)), pylontech.read_management(2)) == capture


def test_a_captured_group_comes_out_of_three_packs() -> None:
    decoded = decode_analog(info_of(PYLON_GROUP_US2000)).packs
    parts = [
        stated(
            cell_voltages_v=pack.cell_voltages_v, temperatures_c=pack.temperatures_c, voltage_v=pack.voltage_v,
            current_a=pack.current_a, soc=pack.soc, soh=1.0, cycles=pack.cycles,
        )
        for pack in decoded
    ]  # fmt: skip
    device = PylontechDevice(parts, replace(FACTS, rated_capacity_ah=50.0))
    assert say(device, pylontech.read_analog(2, pylontech.ALL)) == PYLON_GROUP_US2000
    for number, pack in enumerate(decoded):
        reply = answer(pylontech.read_analog(2 + number), say(device, pylontech.read_analog(2 + number)))
        assert reply is not None
        assert decode_analog(reply.info).packs == (pack,)
    assert say(device, pylontech.read_analog(5)) == b""
    assert refusal(device, pylontech.read_analog(3, pylontech.ALL)) == BAD_ADDRESS
    alarms = decode_alarms(take_apart(say(device, pylontech.read_alarms(2, pylontech.ALL))).info)
    assert (alarms.command, alarms.count) == (3, 3)


@pytest.mark.parametrize(("rated_ah", "items"), [(50.0, NARROW), (65.0, NARROW), (65.1, WIDE), (111.0, WIDE)])
def test_above_65_ah_a_pack_answers_in_wide_fields(rated_ah: float, items: int) -> None:
    device = PylontechDevice([stated(soh=1.0, soc=0.5)], replace(FACTS, rated_capacity_ah=rated_ah))
    pack = decode_analog(take_apart(say(device, pylontech.read_analog(2))).info).packs[0]
    assert pack.user_items == items
    assert pack.full_ah == rated_ah
    assert pack.remaining_ah == pytest.approx(rated_ah / 2, abs=0.001)


def test_up2500_comes_out_of_its_state() -> None:
    pack = decode_analog(info_of(PYLON_UP2500)).packs[0]
    part = stated(
        cell_voltages_v=pack.cell_voltages_v, temperatures_c=pack.temperatures_c, voltage_v=pack.voltage_v,
        current_a=pack.current_a, soc=pack.soc, soh=1.0, cycles=0,
    )  # fmt: skip
    device = PylontechDevice([part], replace(FACTS, rated_capacity_ah=111.0), info_flag=0x10)
    assert say(device, pylontech.read_analog(2)) == PYLON_UP2500


# ------------------------------------------------------ requests out of the drivers


def test_pylontech_s_driver_sends_the_golden_request() -> None:
    """The second golden request (FF at address 1) is another client's; the codec makes it."""
    replies = [PYLON_GOLDEN, PYLON_ALARMS, PYLON_MANAGEMENT_FULL]
    golden = [item.frame for item in golden_frames("pylontech") if item.direction == "request"]
    sent = sent_by("pylontech", replies, PylontechBms.read, 2)
    assert sent == [golden[0], line("~20024644E00202FD31"), line("~20024692E00202FD2E")]


def test_seplos_s_driver_sends_the_golden_requests() -> None:
    golden = [item.frame for item in golden_frames("seplos_v2") if item.direction == "request"]
    alarms = device_of("seplos-v2").on_bytes(0, request_frame(seplos_v2.read_alarms(0)))
    assert sent_by("seplos-v2", [SEPLOS_GOLDEN, alarms], SeplosV2Bms.read, 0) == [
        golden[0],
        line("~20004644E00200FD35"),
    ]
    assert sent_by("seplos-v2", [SEPLOS_VENDOR], SeplosV2Bms.identify, 0) == [golden[2]]
    assert sent_by("seplos-v2", [SEPLOS_GOLDEN, alarms], SeplosV2Bms.read, 0, group=1) == [
        line("~20004642E00201FD36"),
        line("~20004644E00201FD34"),
    ]


def test_pace_s_driver_asks_as_other_clients_do() -> None:
    analog = reply_frame(0x25, 0, info_of(PACE_ANALOG))
    alarms = reply_frame(0x25, 0, info_of(PACE_ALARMS))
    asked = sent_by("pace", [analog, alarms], PaceBms.read, 0, pack=1, analog_of="all")
    assert asked == [line("~25004642E002FFFD06"), line("~25004644E00201FD2F")]
    identity = [reply_frame(0x25, 0, info_of(PACE_SOFTWARE)), reply_frame(0x25, 0, info_of(PACE_SERIAL))]
    assert sent_by("pace", identity, PaceBms.identify, 0) == [line("~250046C10000FD9B"), line("~250046C20000FD9A")]
    assert sent_by("pace", [PACE_ANALOG, PACE_ALARMS], PaceBms.read, 1) == [
        line("~25014642E00201FD30"),
        line("~25014644E00201FD2E"),
    ]
