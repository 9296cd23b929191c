"""Emulators of Pylontech, Seplos V2 and PACE: the manners of a device, and several on one line."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.wire_parts import PlainBms, device_map
from tests.unit.ydt1363_bench import (
    FACTS,
    MS,
    PYLON_GOLDEN,
    SEPLOS_GOLDEN,
    device_of,
    driven,
    read_once,
    refusal,
    say,
    sent_by,
    stated,
)
from tests.unit.ydt1363_frames import PACE_ALARMS, PACE_ANALOG, PACE_ANALOG_APPENDED, info_of, line

from packbench.core.errors import BadReply, ReplyTimeout
from packbench.core.samples import BmsSample, Quality
from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.pace import PaceBms
from packbench.run.port import Port
from packbench.wire.ydt1363 import pace, pylontech, seplos_v2
from packbench.wire.ydt1363.frames import (
    BAD_CHECKSUM,
    BAD_COMMAND,
    BAD_DATA,
    BAD_DEVICE,
    BAD_FORMAT,
    BAD_LENGTH,
    BAD_VERSION,
    YdtRequest,
    checksum,
    reply_frame,
    request_frame,
    take_apart,
)
from packbench.wire.ydt1363.info import Packs
from packbench.wire.ydt1363.pace_data import decode_alarms as pace_alarms
from packbench.wire.ydt1363.pylontech_data import decode_alarms
from packbench.wire.ydt1363.pylontech_facts import Firmware
from packbench.wire.ydt1363.seplos_v2_alarms import decode_alarms as seplos_alarms
from packbench_sim.devices.bus import BusDevices
from packbench_sim.devices.pace import BoardFacts as PaceFacts
from packbench_sim.devices.pace import PaceDevice
from packbench_sim.devices.pylontech import PylontechDevice
from packbench_sim.devices.seplos_v2 import BoardFacts as SeplosFacts
from packbench_sim.devices.seplos_v2 import SeplosV2Device
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.parts import WireDevice
from packbench_sim.wire import MemoryLink

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

    sent_by("pace", replies, use, 1, pack=15, analog_of="all")
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
