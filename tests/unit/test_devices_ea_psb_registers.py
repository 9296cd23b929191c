"""The EA PSB emulator's lesser registers and coils, as EA's register lists have them."""

from __future__ import annotations

import struct

import pytest
from tests.unit.wire_parts import PlainCycler, device_map

from packbench.wire.modbus import rtu_frame
from packbench_sim.devices import EaPsbDevice
from packbench_sim.devices.delta_sm15k import DeltaDevice
from packbench_sim.devices.ea_psb_counts import EaCounts
from packbench_sim.devices.itech_it6000c import ItechDevice
from packbench_sim.devices.scpi_device import ScpiDevice
from packbench_sim.parts import CyclerReading

EA = device_map("ea-psb")
MS = 1_000_000
HOUR_NS = 3_600_000 * MS
ON, OFF = b"\xff\x00", b"\x00\x00"
REFUSED_ADDRESS, REFUSED_VALUE, DENIED = b"\2", b"\3", b"\7"


class Psb:
    """The device behind a client that speaks Modbus RTU to unit 1 (0 in "Limited") and SCPI."""

    def __init__(self, *, limited: bool = False, remote: bool = True) -> None:
        self.part = PlainCycler()
        self.device = EaPsbDevice(EA, self.part, framing="rtu", limited=limited, execution_delay_ns=0)
        self.unit = 0 if limited else 1
        self.t_ns = 0
        if remote:
            assert self.coil(402, ON) == ON

    def tell(self, function: int, register: int, data: bytes) -> bytes:
        """The data of the answer, or the code of a refusal; nothing for silence."""
        request = bytes((function,)) + register.to_bytes(2, "big") + data
        reply = self.device.on_bytes(self.t_ns, rtu_frame(self.unit, request))
        if not reply or reply[1] & 0x80:
            return reply[2:3]
        return reply[3:-2] if function in (1, 3) else reply[4:-2]

    def read(self, register: int, count: int) -> bytes:
        return self.tell(3, register, count.to_bytes(2, "big"))

    def write(self, register: int, word: int) -> bytes:
        return self.tell(6, register, word.to_bytes(2, "big"))

    def coil(self, number: int, value: bytes | None = None) -> bytes:
        return self.tell(1, number, b"\0\1") if value is None else self.tell(5, number, value)

    def say(self, text: str) -> str:
        return self.device.on_bytes(self.t_ns, text.encode() + b"\n").decode().rstrip()


def test_a_device_alone_has_no_second_state_no_slaves_and_no_totals_of_others() -> None:
    psb = Psb()
    assert psb.read(511, 2) == bytes(4)
    assert psb.read(650, 13) == bytes(26)
    assert psb.read(662, 1) == bytes(2)
    for register in (511, 520, 650, 662, 21009):
        assert psb.write(register, 1) == REFUSED_ADDRESS, "nobody's to write"


@pytest.mark.parametrize(
    ("name", "sink", "register"),
    [
        ("over_voltage", False, 520),
        ("over_current", False, 521),
        ("over_power", False, 522),
        ("over_temperature", False, 523),
        ("power_fail", False, 524),
        ("over_current", True, 525),
        ("over_power", True, 526),
    ],
)
def test_alarms_are_counted_since_power_up(name: str, sink: bool, register: int) -> None:
    psb = Psb()
    machine = psb.device.machine
    for count in range(1, 4):
        machine.set_alarm(0, name, present=True, sink=sink)
        machine.set_alarm(0, name, present=True, sink=sink)
        assert psb.read(register, 1) == count.to_bytes(2, "big"), "the same one, still there, is no second"
        machine.set_alarm(0, name, present=False)
        assert psb.coil(411, ON) == ON
    counters = struct.unpack(">8H", psb.read(520, 8))
    assert (sum(counters), counters[register - 520]) == (3, 3), "acknowledging does not take them back"


@pytest.mark.parametrize(("current_a", "register"), [(40.0, 521), (-40.0, 525)])
def test_its_own_over_current_protection_is_counted_on_its_side(current_a: float, register: int) -> None:
    psb = Psb()
    assert psb.say("CURR 60;SINK:CURR 60;CURR:PROT 30;SINK:CURR:PROT 30;OUTP ON") == ""
    psb.device.tick(0)
    psb.part.current_a = current_a
    psb.read(505, 5)
    assert psb.device.machine.latched == {"over_current"}
    assert psb.read(register, 1) == b"\0\1"
    assert psb.read(520, 8).count(b"\1") == 1


def test_what_flowed_is_counted_in_both_directions_and_nothing_while_it_is_off() -> None:
    psb = Psb()
    assert psb.say("VOLT 400;SINK:CURR 0;CURR 60;OUTP ON") == ""
    psb.device.tick(0)
    for _ in range(4):
        psb.t_ns += HOUR_NS // 8
        psb.read(505, 5)
    # 60 A for half an hour at 350 V; then 30 A the other way for an hour, seen by nobody but the last command.
    assert psb.say("CURR 0;SINK:CURR 30") == ""
    psb.device.tick(psb.t_ns)
    psb.t_ns += HOUR_NS
    assert psb.say("OUTP OFF") == ""
    psb.device.tick(psb.t_ns)
    psb.t_ns += 10 * HOUR_NS
    totals = struct.unpack(">4f", psb.read(21009, 8))
    assert totals == pytest.approx((10.5, 30.0, 10.5, 30.0), rel=1e-3)
    assert struct.unpack(">f", psb.read(21015, 2))[0] == pytest.approx(30.0, rel=1e-3)
    said = psb.say("FETC:SINK:AHO?;:FETCH:SINK:WHOUR?").split(";")
    assert [text.lstrip("0123456789.") for text in said] == ["Ah", "Wh"]
    numbers = [float(text.removesuffix("Ah").removesuffix("Wh")) for text in said]
    assert numbers == pytest.approx([30.0, 10_500.0], rel=1e-3)


def test_the_meters_offset_is_no_charge() -> None:
    counts = EaCounts()
    for hour in range(3):
        counts.flow(hour * HOUR_NS, CyclerReading(350.0, 0.05, False, "off"))
    assert counts.total_registers() == bytes(16)


def test_settings_are_kept_and_nothing_is_written_outside_remote() -> None:
    psb = Psb()
    assert psb.read(408, 1) == b"\xff\xff", "off after power-up"
    assert psb.write(408, 0xFFFE) == b"\xff\xfe"
    assert psb.read(408, 1) == b"\xff\xfe"
    assert psb.write(408, 1) == REFUSED_VALUE
    assert (psb.read(427, 1), psb.write(427, 2), psb.read(427, 1)) == (b"\0\0", b"\0\2", b"\0\2")
    for number in (407, 409):
        for value, shown in ((ON, b"\1"), (OFF, b"\0")):
            assert psb.coil(number, value) == value
            assert psb.coil(number) == shown
    assert psb.coil(402, OFF) == OFF
    for number in (407, 409, 10010, 10011, 10013):
        assert psb.coil(number, ON) == DENIED
        assert psb.coil(number) in (b"\0", b"\1")
    assert psb.write(408, 0xFFFF) == DENIED


def test_compliance_is_a_coil_that_takes_effect_on_every_connection() -> None:
    psb = Psb(limited=True)
    other = psb.device.session()
    ask = bytes.fromhex("0101950001")
    assert psb.coil(10013) == OFF, "Limited answers with two bytes"
    assert other.on_bytes(0, rtu_frame(1, ask)) == rtu_frame(1, b"\x81\x02"), "unit 0 alone"
    assert psb.coil(10013, ON) == ON
    assert psb.coil(10013) == b"\1"
    assert other.on_bytes(0, rtu_frame(1, ask)) == rtu_frame(1, b"\1\1\0")
    assert psb.coil(10013, OFF) == OFF
    assert psb.coil(405) == OFF
    assert other.on_bytes(0, rtu_frame(1, ask)) == rtu_frame(1, b"\x81\x02")


def test_a_protocol_that_is_off_is_not_answered() -> None:
    psb = Psb()
    assert (psb.coil(10010), psb.coil(10011)) == (b"\1", b"\1")
    assert psb.say("*IDN") == ""
    assert psb.device.on_bytes(0, b"*ID") == b""
    other = psb.device.session()
    assert other.on_bytes(0, rtu_frame(1, bytes.fromhex("05271bff00"))) == rtu_frame(1, bytes.fromhex("05271bff00"))
    assert other.on_bytes(0, rtu_frame(1, bytes.fromhex("05271b0000"))) == rtu_frame(1, bytes.fromhex("05271b0000"))
    assert psb.say("N?") == ""
    assert psb.say("*IDN?") == ""
    assert psb.coil(10011) == b"\0", "a message that was begun does not swallow what is no SCPI"
    assert psb.coil(10011, ON) == ON
    assert psb.say("*IDN?").startswith("EA")
    assert psb.coil(10010, OFF) == OFF
    assert psb.coil(405) == b""
    assert psb.say("*IDN?").startswith("EA")


@pytest.mark.parametrize("name", ["ea-psb", "delta-sm15k", "itech-it6000c"])
def test_common_commands_that_every_generic_client_sends(name: str) -> None:
    part = PlainCycler()
    makers = {
        "ea-psb": lambda: EaPsbDevice(EA, part, framing="rtu"),
        "delta-sm15k": lambda: DeltaDevice(part),
        "itech-it6000c": lambda: ItechDevice(part),
    }
    device = makers[name]()
    assert isinstance(device, EaPsbDevice | ScpiDevice)
    assert device.on_bytes(0, b"*CLS\n") == b""
    assert device.on_bytes(0, b"*OPC?\n") == b"1\n"
    assert device.on_bytes(0, b"*ESR?\n") == b"0\n"
    assert device.on_bytes(0, b"NONSENSE 1\n") == b""
    assert device.on_bytes(0, b"*CLS\n") == b""
    assert device.on_bytes(0, b"SYST:ERR?\n").startswith(b"0,")
