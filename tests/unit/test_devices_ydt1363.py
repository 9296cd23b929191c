"""Drivers of Pylontech, Seplos V2 and PACE on their emulators, byte by byte in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.golden import golden_frames
from tests.unit.wire_parts import PlainBms, ScriptedTransport, device_map
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

from packbench.core.errors import BadReply, InputError, ReplyTimeout
from packbench.core.samples import BmsSample, Quality
from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.pace import PaceBms
from packbench.drivers.pylontech import PylontechBms
from packbench.drivers.seplos_v2 import SeplosV2Bms
from packbench.maps.schema import DeviceType
from packbench.run.port import Port
from packbench.wire.ydt1363 import pace, pylontech, seplos_v2
from packbench.wire.ydt1363.frames import (
    BAD_ADDRESS,
    BAD_CHECKSUM,
    BAD_COMMAND,
    BAD_DATA,
    BAD_DEVICE,
    BAD_FORMAT,
    BAD_LENGTH,
    BAD_VERSION,
    YdtRefused,
    YdtRequest,
    checksum,
    reply_frame,
    request_frame,
    take_apart,
)
from packbench.wire.ydt1363.info import Packs
from packbench.wire.ydt1363.pace_data import decode_alarms as pace_alarms
from packbench.wire.ydt1363.pylontech_data import NARROW, WIDE, decode_alarms, decode_analog
from packbench.wire.ydt1363.pylontech_facts import Firmware, Management, decode_management, decode_system_parameters
from packbench.wire.ydt1363.seplos_v2_alarms import decode_alarms as seplos_alarms
from packbench_sim.devices.bus import BusDevices
from packbench_sim.devices.pace import BoardFacts as PaceFacts
from packbench_sim.devices.pace import PaceDevice
from packbench_sim.devices.pylontech import PackFacts, PylontechDevice
from packbench_sim.devices.seplos_v2 import BoardFacts as SeplosFacts
from packbench_sim.devices.seplos_v2 import SeplosV2Device
from packbench_sim.devices.ydt1363 import YdtDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.parts import BmsPart, WireDevice
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

MS = 1_000_000
PYLONTECH = device_map("pylontech")
PARAMETERS = decode_system_parameters(info_of(PYLON_PARAMETERS))
FACTS = PackFacts(100.0, PARAMETERS)
PYLON_GOLDEN = next(item.frame for item in golden_frames("pylontech") if item.direction == "reply")
SEPLOS_GOLDEN, SEPLOS_VERSION = (item.frame for item in golden_frames("seplos_v2") if item.direction == "reply")


def stated(**values: Any) -> StatedBms:
    arrays = {name: np.array(values[name]) for name in ("cell_voltages_v", "temperatures_c") if name in values}
    return StatedBms(PlainBms(16, 4), {**values, **arrays})


def say(device: WireDevice, request: YdtRequest | bytes) -> bytes:
    return device.on_bytes(0, request if isinstance(request, bytes) else request_frame(request))


def refusal(device: WireDevice, request: YdtRequest | bytes) -> int:
    return take_apart(say(device, request)).code


def device_of(name: str, part: BmsPart | None = None, **changes: Any) -> YdtDevice:
    part = part or PlainBms(16, 4)
    if name == "pylontech":
        return PylontechDevice([part], FACTS, **changes)
    if name == "seplos-v2":
        return SeplosV2Device(part, SeplosFacts(100.0), **changes)
    return PaceDevice(part, PaceFacts(100.0), **changes)


async def driven(
    name: str, device: WireDevice, clock: VirtualClock, unit: int | None = None, **settings: Any
) -> tuple[Any, MemoryLink, Port]:
    """A driver of that name, the wire and the port between it and the device."""
    device_type = device_map(name)
    wire = MemoryLink(asyncio.get_running_loop(), device, clock)
    port: Any = Port(wire, clock)
    wanted = Wanted(
        device_type,
        device_type.unit if unit is None else unit,
        "serial",
        port,
        device_type.line.reply_timeout_ns,
        settings,
    )
    return make_driver(wanted), wire, port


def read_once(name: str, device: WireDevice, unit: int | None = None, **settings: Any) -> BmsSample:
    samples: list[BmsSample] = []

    async def main(clock: VirtualClock) -> None:
        driver, _, _ = await driven(name, device, clock, unit, **settings)
        samples.append(await driver.read())

    run_virtual(main)
    return samples[0]


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


def _sent(
    name: str, replies: Sequence[bytes], use: Callable[[Any], Awaitable[Any]], unit: int, **settings: Any
) -> list[bytes]:
    sent: list[bytes] = []

    async def main(clock: VirtualClock) -> None:
        queue = list(replies)
        wire = ScriptedTransport(lambda _data: clock.call_at(clock.now_ns() + MS, lambda: wire.hear(queue.pop(0))))
        device_type: DeviceType = device_map(name)
        port: Any = Port(wire, clock)
        driver = make_driver(Wanted(device_type, unit, "serial", port, 500 * MS, settings))
        await use(driver)
        sent.extend(wire.sent)

    run_virtual(main)
    return sent


def test_pylontech_s_driver_sends_the_golden_request() -> None:
    """The second golden request (FF at address 1) is another client's; the codec makes it."""
    replies = [PYLON_GOLDEN, PYLON_ALARMS, PYLON_MANAGEMENT_FULL]
    golden = [item.frame for item in golden_frames("pylontech") if item.direction == "request"]
    sent = _sent("pylontech", replies, PylontechBms.read, 2)
    assert sent == [golden[0], line("~20024644E00202FD31"), line("~20024692E00202FD2E")]


def test_seplos_s_driver_sends_the_golden_requests() -> None:
    golden = [item.frame for item in golden_frames("seplos_v2") if item.direction == "request"]
    alarms = device_of("seplos-v2").on_bytes(0, request_frame(seplos_v2.read_alarms(0)))
    assert _sent("seplos-v2", [SEPLOS_GOLDEN, alarms], SeplosV2Bms.read, 0) == [golden[0], line("~20004644E00200FD35")]
    assert _sent("seplos-v2", [SEPLOS_VENDOR], SeplosV2Bms.identify, 0) == [golden[2]]
    assert _sent("seplos-v2", [SEPLOS_GOLDEN, alarms], SeplosV2Bms.read, 0, group=1) == [
        line("~20004642E00201FD36"),
        line("~20004644E00201FD34"),
    ]


def test_pace_s_driver_asks_as_other_clients_do() -> None:
    analog = reply_frame(0x25, 0, info_of(PACE_ANALOG))
    alarms = reply_frame(0x25, 0, info_of(PACE_ALARMS))
    asked = _sent("pace", [analog, alarms], PaceBms.read, 0, pack=1, analog_of="all")
    assert asked == [line("~25004642E002FFFD06"), line("~25004644E00201FD2F")]
    identity = [reply_frame(0x25, 0, info_of(PACE_SOFTWARE)), reply_frame(0x25, 0, info_of(PACE_SERIAL))]
    assert _sent("pace", identity, PaceBms.identify, 0) == [line("~250046C10000FD9B"), line("~250046C20000FD9A")]
    assert _sent("pace", [PACE_ANALOG, PACE_ALARMS], PaceBms.read, 1) == [
        line("~25014642E00201FD30"),
        line("~25014644E00201FD2E"),
    ]


# -------------------------------------------------------------- driver on emulator


@pytest.mark.parametrize("name", ["pylontech", "seplos-v2", "pace"])
def test_a_reading_is_the_plant_s(name: str) -> None:
    part = PlainBms(16, 4)
    sample = read_once(name, device_of(name, part))
    np.testing.assert_allclose(sample.cell_voltages_v, part.cells_v, atol=1e-9)
    assert sample.voltage_v == pytest.approx(part.cells_v.sum(), abs=0.0051)
    assert sample.current_a == pytest.approx(-12.345, abs=0.051)
    assert sample.temperatures_c == tuple(part.sensors_c)
    assert sample.soc == pytest.approx(0.87, abs=0.001)
    assert (sample.cycles, sample.alarms, sample.quality) == (321, (), Quality.GOOD)
    part.current_a = 7.25
    part.cells_v = part.cells_v + 0.1
    moved = read_once(name, device_of(name, part))
    assert moved.current_a == pytest.approx(7.25, abs=0.051)
    assert moved.cell_min_v == pytest.approx(3.3)


def test_what_each_protocol_says_of_health_and_limits() -> None:
    """Absent is None: Pylontech has no state of health, the others have no limits."""
    pylon, seplos, board = (read_once(name, device_of(name)) for name in ("pylontech", "seplos-v2", "pace"))
    assert (pylon.soh, pylon.charge_limit_a, pylon.discharge_limit_a, pylon.balancing) == (None, 75.0, 100.0, None)
    assert (seplos.soh, seplos.charge_limit_a, seplos.discharge_limit_a, seplos.balancing) == (0.81, None, None, False)
    assert (board.soh, board.charge_limit_a, board.discharge_limit_a, board.balancing) == (0.81, None, None, False)
    plain = PaceDevice(PlainBms(16, 4), PaceFacts(100.0, appends=False))
    assert read_once("pace", plain).soh is None


@pytest.mark.parametrize("name", ["pylontech", "seplos-v2", "pace"])
def test_what_is_not_allowed_has_a_limit_of_zero(name: str) -> None:
    sample = read_once(name, device_of(name, stated(charge_limit_a=0.0)))
    assert sample.charge_limit_a == 0.0
    assert sample.discharge_limit_a == (100.0 if name == "pylontech" else None)
    sample = read_once(name, device_of(name, stated(discharge_limit_a=0.0)))
    assert sample.discharge_limit_a == 0.0


@pytest.mark.parametrize(
    ("status", "charge_a", "discharge_a"), [(0xC0, 50.0, 60.0), (0x40, 0.0, 60.0), (0x80, 50.0, 0.0)]
)
def test_what_92_allows_stands_above_its_limits_and_the_fets(status: int, charge_a: float, discharge_a: float) -> None:
    """The alarm reply says that both FETs are on."""
    limits = Management(2, 53.25, 45.0, 50.0, -60.0, status)
    found: list[BmsSample] = []

    async def use(driver: PylontechBms) -> None:
        found.append(await driver.read())

    _sent("pylontech", [PYLON_GOLDEN, PYLON_ALARMS, reply_frame(0x20, 2, limits.encode())], use, 2)
    assert (found[0].charge_limit_a, found[0].discharge_limit_a) == (charge_a, discharge_a)


def test_a_pack_that_holds_more_than_it_should_is_full() -> None:
    """A state of charge is a fraction, and remaining and full capacity are counted apart."""
    packs = decode_analog(info_of(PYLON_GOLDEN))
    over = replace(packs, packs=(replace(packs.packs[0], remaining_ah=74.5),))
    found: list[BmsSample] = []

    async def use(driver: PylontechBms) -> None:
        found.append(await driver.read())

    _sent("pylontech", [reply_frame(0x20, 2, over.encode()), PYLON_ALARMS, PYLON_MANAGEMENT], use, 2)
    assert found[0].soc == 1.0


@pytest.mark.parametrize("name", ["seplos-v2", "pace"])
def test_balancing_is_told(name: str) -> None:
    assert read_once(name, device_of(name, stated(balancing=True))).balancing is True


@pytest.mark.parametrize(
    ("name", "alarms", "told"),
    [
        ("pylontech", ("cell_under_voltage",), ("cell_under_voltage",)),
        ("pylontech", ("pack_over_voltage", "charge_over_current"), ("pack_over_voltage", "charge_over_current")),
        ("pylontech", ("cell_over_voltage",), ("cell_over_voltage_warning",)),
        ("pylontech", ("over_temperature",), ("discharge_over_temperature", "charge_over_temperature")),
        ("pylontech", ("under_temperature",), ("under_temperature_warning",)),
        ("seplos-v2", ("cell_over_voltage",), ("cell_over_voltage",)),
        ("seplos-v2", ("short_circuit", "low_capacity_warning"), ("short_circuit", "low_capacity_warning")),
        ("seplos-v2", ("under_temperature",), ("charge_under_temperature", "discharge_under_temperature")),
        ("pace", ("cell_under_voltage",), ("cell_under_voltage",)),
        ("pace", ("pack_over_voltage_warning", "cell_fault"), ("cell_fault", "pack_over_voltage_warning")),
        ("pace", ("over_temperature",), ("charge_over_temperature", "discharge_over_temperature")),
    ],
)
def test_alarms_go_through_the_wire(name: str, alarms: tuple[str, ...], told: tuple[str, ...]) -> None:
    assert read_once(name, device_of(name, stated(alarms=alarms))).alarms == told


@pytest.mark.parametrize("name", ["pylontech", "seplos-v2", "pace"])
def test_an_alarm_without_a_bit_is_refused_and_so_is_too_large_a_pack(name: str) -> None:
    with pytest.raises(InputError, match="insulation_low"):
        device_of(name, stated(alarms=("insulation_low",)))
    with pytest.raises(InputError, match="too large a pack"):
        device_of(name, PlainBms(96, 4))


@pytest.mark.parametrize(
    ("name", "sensors", "cells", "every"),
    [
        ("pylontech", [28.0, 28.5, 29.0, 29.5, 30.0], (28.5, 29.0, 29.5, 30.0), (28.0, 28.5, 29.0, 29.5, 30.0)),
        ("pylontech", [20.0, 30.0], (20.0, 20.0, 30.0, 30.0), (30.0, 20.0, 20.0, 30.0, 30.0)),
        (
            "seplos-v2",
            [21.0, 22.0, 23.0, 24.0, 40.0, 60.0],
            (21.0, 22.0, 23.0, 24.0),
            (21.0, 22.0, 23.0, 24.0, 40.0, 60.0),
        ),
        ("seplos-v2", [21.0, 22.0], (21.0, 21.0, 22.0, 22.0), (21.0, 21.0, 22.0, 22.0, 25.0, 22.0)),
        ("pace", [21.0, 22.0, 23.0, 24.0, 60.0, 40.0], (21.0, 22.0, 23.0, 24.0), (21.0, 22.0, 23.0, 24.0, 60.0, 40.0)),
        ("pace", [21.0], (21.0,) * 4, (21.0, 21.0, 21.0, 21.0, 21.0, 25.0)),
    ],
)
def test_limits_are_for_cells_unless_all_temperatures_are_wanted(name, sensors, cells, every) -> None:
    device = device_of(name, stated(temperatures_c=sensors))
    assert read_once(name, device).temperatures_c == cells
    assert read_once(name, device, temperatures="all").temperatures_c == every


def test_a_sensor_that_is_not_there_makes_a_reading_implausible() -> None:
    """A raw zero is absolute zero."""
    for name in ("pylontech", "seplos-v2", "pace"):
        sample = read_once(name, device_of(name, stated(temperatures_c=[25.0, 25.0, 25.0, -273.1])))
        assert sample.quality is Quality.IMPLAUSIBLE
    sample = read_once("pylontech", device_of("pylontech", stated(cell_voltages_v=[3.3] * 7 + [6.5])))
    assert sample.quality is Quality.IMPLAUSIBLE


def test_a_pack_that_does_not_know_92_is_read_without_limits() -> None:
    class Older(PylontechDevice):
        def handlers(self):
            known = super().handlers()
            del known[pylontech.MANAGEMENT], known[pylontech.FIRMWARE], known[pylontech.MANUFACTURER]
            return known

    async def main(clock: VirtualClock) -> None:
        device = Older([stated(discharge_limit_a=0.0)], FACTS)
        driver, _, _ = await driven("pylontech", device, clock)
        identity = await driver.identify()
        assert (identity.model, identity.serial, identity.firmware) == (PYLONTECH.title, "PBSIM00000000002", "")
        with pytest.raises(YdtRefused) as refused:
            await driver.read()
        assert refused.value.code == BAD_COMMAND
        driver, _, _ = await driven("pylontech", device, clock, limits="none")
        sample = await driver.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (None, 0.0)

    run_virtual(main)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pylontech", ("US5000SIM", "PBSIM00000000002", "3.3.0")),
        ("seplos-v2", ("1101-SIM16", "", "2.0")),
        ("pace", ("P16S100A", "PBSIM0000000001", "SIM-1.00")),
    ],
)
def test_who_answers(name: str, expected: tuple[str, str, str]) -> None:
    async def main(clock: VirtualClock) -> None:
        driver, _, _ = await driven(name, device_of(name), clock)
        identity = await driver.identify()
        assert (identity.model, identity.serial, identity.firmware) == expected

    run_virtual(main)


@pytest.mark.parametrize(
    ("name", "unit", "settings"),
    [
        ("pylontech", 2, {"temperatures": "some"}),
        ("pylontech", 2, {"limits": "maybe"}),
        ("pylontech", 2, {"version": 20}),
        ("pylontech", 2, {"version": "2"}),
        ("pace", 1, {"device_type": "XY"}),
        ("pace", 1, {"pack": 256}),
        ("pace", 1, {"pack": True}),
        ("pace", 1, {"analog_of": "none"}),
        ("seplos-v2", 0, {"group": "first"}),
        ("seplos-v2", 16, {}),
        ("pace", 16, {}),
        ("pylontech", 0, {}),
        ("pylontech", 255, {}),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(name: str, unit: int, settings: dict[str, Any]) -> None:
    async def main(clock: VirtualClock) -> None:
        with pytest.raises(InputError):
            await driven(name, device_of(name), clock, unit, **settings)

    run_virtual(main)


def test_the_device_type_and_the_version_are_settings() -> None:
    analog, alarms = (reply_frame(0x21, 1, info_of(frame), device=0x4F) for frame in (PACE_ANALOG, PACE_ALARMS))
    asked = _sent("pace", [analog, alarms], PaceBms.read, 1, version="21", device_type="4F")
    assert [frame[:9] for frame in asked] == [b"~21014F42", b"~21014F44"]


def test_a_pack_that_is_not_in_the_reply_to_all_is_missed() -> None:
    replies = [
        reply_frame(0x25, 1, info_of(PACE_ANALOG)),
        reply_frame(0x25, 1, replace(pace_alarms(info_of(PACE_ALARMS)), command=2).encode()),
    ]

    async def use(driver: PaceBms) -> None:
        with pytest.raises(BadReply, match="1 packs answered, number 2 is wanted"):
            await driver.read()

    _sent("pace", replies, use, 1, pack=2, analog_of="all")


def test_linked_packs_of_a_pace_are_picked_out_of_the_reply_to_all() -> None:
    first = pace.decode_analog(info_of(PACE_ANALOG)).packs[0]
    every = pace.decode_analog(info_of(PACE_ANALOG))
    packs = replace(every, command=2, packs=(first, replace(first, cycles=7, current_a=1.5)))
    replies = [
        reply_frame(0x25, 1, packs.encode()),
        reply_frame(0x25, 1, replace(pace_alarms(info_of(PACE_ALARMS)), command=2).encode()),
    ]
    found: list[BmsSample] = []

    async def use(driver: PaceBms) -> None:
        found.append(await driver.read())

    _sent("pace", replies, use, 1, pack=2, analog_of="all")
    assert (found[0].cycles, found[0].current_a) == (7, 1.5)


# ------------------------------------------------------------------ device manners

FIVE_DIGITS = b"20024693" + b"1002E" + b"02" * 23


@pytest.mark.parametrize("name", ["pylontech", "seplos-v2", "pace"])
def test_what_is_wrong_with_a_request_is_told_by_its_code(name: str) -> None:
    device = device_of(name)
    unit = {"pylontech": 2, "seplos-v2": 0, "pace": 1}[name]
    version = {"pylontech": 0x20, "seplos-v2": 0x20, "pace": 0x25}[name]
    good = YdtRequest(version, unit, 0x42, bytes((unit,)))
    assert refusal(device, replace(good, version=0x35)) == BAD_VERSION
    assert refusal(device, replace(good, command=0x77)) == BAD_COMMAND
    assert refusal(device, replace(good, device=0x4A)) == BAD_DEVICE
    assert refusal(device, replace(good, info=b"")) == BAD_FORMAT
    damaged = bytearray(request_frame(good))
    damaged[-2] ^= 1
    assert refusal(device, bytes(damaged)) == BAD_CHECKSUM
    text = b"%02X%02X4642E0040" % (version, unit)
    assert refusal(device, b"~%b%04X\r" % (text, checksum(text))) == BAD_LENGTH
    assert say(device, replace(good, address=0x0A)) == b""
    assert refusal(device, good) == 0x00


@pytest.mark.parametrize("name", ["seplos-v2", "pace"])
def test_packs_that_are_not_there_are_refused(name: str) -> None:
    request = seplos_v2.read_telemetry(0, 0xFF) if name == "seplos-v2" else pace.read_analog(1, 9)
    assert refusal(device_of(name), request) == BAD_DATA


def test_a_length_of_five_digits_is_refused_and_the_next_request_answered() -> None:
    """python-pylontech sends one when the nibbles of LENID add up to 16."""
    frame = b"~%b%04X\r" % (FIVE_DIGITS, checksum(FIVE_DIGITS))
    said = say(device_of("pylontech"), frame + request_frame(pylontech.read_serial(2)))
    first, _, second = said.partition(b"\r")
    assert take_apart(first + b"\r").code == BAD_LENGTH
    assert take_apart(second).info[1:] == b"PBSIM00000000002"
    lenient = device_of("pylontech", lenient_length=True)
    assert take_apart(say(lenient, frame)).info[1:] == b"PBSIM00000000002"


def test_an_older_version_may_ask_for_the_version() -> None:
    for name, unit in (("pylontech", 2), ("seplos-v2", 0)):
        assert say(device_of(name), YdtRequest(0x00, unit, 0x4F)) == reply_frame(0x20, unit)


def test_address_0_is_for_asking_who_is_there() -> None:
    """python-pylontech asks 4F and 51 there; a US5000 says nothing (python-pylontech#41)."""
    device = device_of("pylontech")
    assert take_apart(say(device, pylontech.read_protocol_version(0))).address == 0
    assert len(take_apart(say(device, pylontech.read_manufacturer(0))).info) == 32
    assert say(device, pylontech.read_serial(0)) == b""
    strict = device_of("pylontech", lenient=False)
    assert say(strict, pylontech.read_protocol_version(0)) == say(strict, pylontech.read_manufacturer(0)) == b""
    assert say(device_of("pylontech", unit=3), pylontech.read_protocol_version(0)) == b""


def test_a_serial_number_without_a_pack_number() -> None:
    request = replace(pylontech.read_serial(2), info=b"")
    assert take_apart(say(device_of("pylontech"), request)).info[0] == 2
    assert say(device_of("pylontech", lenient=False), request) == b""
    parameters = replace(pylontech.read_system_parameters(2), info=b"")
    assert len(take_apart(say(device_of("pylontech", lenient=False), parameters)).info) == 25


@pytest.mark.parametrize(
    ("text", "characters"), [("~20024642C0040201FCD2", 18 + 126), ("~20024693C0040201FCCC", 18 + 34)]
)
def test_more_info_than_a_pack_number_is_no_fault(text: str, characters: int) -> None:
    """The PyPI package `pylontech` 0.1.3 sends the address and counts packs from 1 behind it, in small letters."""
    assert len(say(device_of("pylontech"), line(text))) == characters
    body = b"200A4693C0040a09"
    small = b"~%b%04X\r" % (body, checksum(body))
    reply = say(device_of("pylontech", unit=10), small)
    assert take_apart(reply).info == b"\x0aPBSIM00000000010"
    with pytest.raises(BadReply):
        pylontech.explain("request", small)


def test_what_other_devices_say_is_not_answered() -> None:
    """On two wires a device hears the replies of all the others."""
    for name in ("pylontech", "seplos-v2", "pace"):
        device = device_of(name)
        for frame in (PYLON_GOLDEN, SEPLOS_GOLDEN, PACE_ANALOG, reply_frame(0x25, 1, code=0x04)):
            assert say(device, frame) == b""


def test_dbus_serialbattery_s_requests_are_answered_as_it_wants_them() -> None:
    """It numbers a Seplos pack 1 at address 0, and waits for 161, 96, 58 and 98 characters of a PACE."""
    reply = say(device_of("seplos-v2"), line("~20004642E00201FD36"))
    assert len(reply) == 18 + 150
    assert int(reply[13 + 4 : 13 + 6], 16) == 16
    assert len(say(device_of("seplos-v2"), line("~20004644E00201FD34"))) == 18 + 98
    device = device_of("pace")
    asked = {"~25004642E002FFFD06": 161, "~25004644E00201FD2F": 96, "~250046C10000FD9B": 58, "~250046C20000FD9A": 98}
    for request, characters in asked.items():
        assert len(say(device, line(request))) >= characters
    analog = say(device, line("~25004642E002FFFD06"))
    assert int(analog[83:85], 16) == 6


@pytest.mark.parametrize("current_a", [-400.0, 400.0])
def test_what_a_field_cannot_hold_is_held_at_its_end(current_a: float) -> None:
    part = stated(current_a=current_a, soc=1.4, cycles=70_000, charge_limit_a=5000.0)
    for name, most in (("pylontech", 400.0), ("seplos-v2", 327.68), ("pace", 327.68)):
        sample = read_once(name, device_of(name, part))
        assert sample.current_a == pytest.approx(np.sign(current_a) * most, abs=0.011)
        assert (sample.soc, sample.cycles) == (1.0, 65535)


# -------------------------------------------------------------------- on the line


def test_three_families_and_a_linked_pack_share_a_bus() -> None:
    async def main(clock: VirtualClock) -> None:
        parts = {"pylontech": PlainBms(16, 4), "seplos-v2": PlainBms(16, 4), "pace": PlainBms(16, 4)}
        for number, part in enumerate(parts.values(), start=1):
            part.current_a = float(number)
        devices = [
            PylontechDevice([parts["pylontech"], PlainBms(15, 4)], FACTS, unit=2),
            SeplosV2Device(parts["seplos-v2"], SeplosFacts(100.0), unit=9),
            PaceDevice(parts["pace"], PaceFacts(100.0), unit=7),
        ]
        wire = MemoryLink(asyncio.get_running_loop(), BusDevices(devices), clock)
        port: Any = Port(wire, clock)
        drivers: list[Any] = [
            make_driver(Wanted(device_map(name), unit, "serial", port, 500 * MS, {}))
            for name, unit in (("pylontech", 2), ("pylontech", 3), ("seplos-v2", 9), ("pace", 7))
        ]
        samples = await asyncio.gather(*(driver.read() for driver in drivers))
        assert [sample.current_a for sample in samples] == [1.0, -12.3, 2.0, 3.0]
        assert [sample.cell_voltages_v.size for sample in samples] == [16, 15, 16, 16]
        assert port.stats.as_dict()["timeouts"] == 0

    run_virtual(main)


class Late:
    """Answers nothing to the first request and everything a little later, with the next."""

    def __init__(self, device: WireDevice) -> None:
        self.device = device
        self.kept = b""
        self.keep = True

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        reply = self.device.on_bytes(t_ns, data)
        if self.keep:
            self.kept, self.keep = reply, False
            return b""
        kept, self.kept = self.kept, b""
        return kept + reply

    def tick(self, t_ns: int) -> int | None:
        return None


def test_a_late_answer_to_another_command_is_not_taken_for_the_next() -> None:
    """Nothing in a reply says which command it answers; its shape does."""

    async def main(clock: VirtualClock) -> None:
        late = Late(device_of("pylontech"))
        driver, _, port = await driven("pylontech", late, clock)
        link = driver._line
        with pytest.raises(ReplyTimeout):
            await link._link.exchange(YdtRequest(0x20, 2, pylontech.SERIAL, b"\x02"))
        reply = await link.ask(pylontech.read_management(2))
        assert len(reply.value.info) == 10
        assert port.counters.foreign_frames == 1

    run_virtual(main)


def test_a_damaged_reply_is_asked_for_again() -> None:
    class Noisy:
        def __init__(self, device: WireDevice) -> None:
            self.device, self.left = device, 1

        def on_bytes(self, t_ns: int, data: bytes) -> bytes:
            reply = self.device.on_bytes(t_ns, data)
            if self.left:
                self.left -= 1
                return reply[:30] + b"Z" + reply[31:]
            return reply

        def tick(self, t_ns: int) -> int | None:
            return None

    async def main(clock: VirtualClock) -> None:
        driver, _, port = await driven("seplos-v2", Noisy(device_of("seplos-v2")), clock)
        sample = await driver.read()
        assert sample.quality is Quality.GOOD
        assert port.stats.as_dict()["retries"] == 1

    run_virtual(main)


def test_a_reply_for_sixteen_packs_fits_through_the_port() -> None:
    """It is longer than what a port keeps of other devices' replies."""
    pack = pace.decode_analog(info_of(PACE_ANALOG_APPENDED)).packs[0]
    every = Packs(0, 16, tuple(replace(pack, cycles=number) for number in range(1, 17)))
    replies = [
        reply_frame(0x25, 1, every.encode()),
        reply_frame(0x25, 1, replace(pace_alarms(info_of(PACE_ALARMS)), command=15).encode()),
    ]
    assert len(replies[0]) > 2048
    found: list[BmsSample] = []

    async def use(driver: PaceBms) -> None:
        found.append(await driver.read())

    _sent("pace", replies, use, 1, pack=15, analog_of="all")
    assert found[0].cycles == 15


def test_states_follow_the_plant() -> None:
    for current_a, system in ((5.0, 0x02), (-5.0, 0x01), (0.0, 0x10)):
        info = take_apart(say(device_of("seplos-v2", stated(current_a=current_a)), seplos_v2.read_alarms(0))).info
        assert seplos_alarms(info).custom[9] == system
    for current_a, status in ((5.0, 0x80), (-5.0, 0x40), (0.05, 0x00)):
        alarms = take_apart(say(device_of("pylontech", stated(current_a=current_a)), pylontech.read_alarms(2))).info
        assert decode_alarms(alarms).packs[0].status[2] == status
    firmware = take_apart(say(device_of("pylontech"), pylontech.read_firmware(2))).info
    assert firmware == Firmware(2, (1, 0), (3, 3, 0)).encode()
