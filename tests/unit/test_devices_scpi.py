"""Delta and ITECH drivers on their emulators in virtual time, and what every SCPI emulator does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scpi_bench import MS, PlainCycler, Wire, driver_of, on_wire
from tests.unit.wire_parts import device_map

from packbench.core.errors import BadReply, DeviceRefused, InputError
from packbench.core.samples import Quality
from packbench.drivers.golden import check_golden
from packbench.drivers.protocols import Cycler, Setpoint
from packbench_sim.devices.delta_sm15k import DeltaDevice
from packbench_sim.devices.framed import MAX_BUFFER
from packbench_sim.devices.itech_it6000c import ItechDevice
from packbench_sim.devices.scpi_device import ScpiDevice, SourceDevice, asking, setting
from packbench_sim.parts import CyclerReading

RATINGS = {"rated_voltage_v": 500.0, "rated_current_a": 120.0, "rated_power_w": 30_000.0}
DEVICES = {"delta-sm15k": DeltaDevice, "itech-it6000c": ItechDevice}


def made(name: str, part: PlainCycler) -> SourceDevice:
    return DEVICES[name](part)


def cycler_on(wire: Wire, name: str, **settings: Any) -> Cycler:
    return driver_of(wire, name, {**RATINGS, **settings})


@pytest.mark.parametrize("name", DEVICES)
def test_device_files_agree_with_their_golden_exchanges(name: str) -> None:
    assert check_golden(device_map(name)) == []


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("name", DEVICES)
def test_charges_discharges_and_goes_off(name: str, joined: bool) -> None:
    part = PlainCycler()
    device = made(name, part)

    async def use(wire: Wire) -> None:
        cycler = cycler_on(wire, name, joined=joined)
        await cycler.identify()
        await cycler.prepare()
        assert not part.output_on
        await cycler.apply(Setpoint(50.0, 400.0))
        assert (part.output_on, part.clamp_v, part.current_a) == (True, 400.0, 50.0)
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation, sample.quality) == (True, "cc", Quality.GOOD)
        assert (sample.voltage_v, sample.current_a) == (350.0, 50.0)
        # Of the Delta no source says how it tells alarms: it has not said that there are none.
        assert sample.alarms == (None if name == "delta-sm15k" else ())
        await cycler.apply(Setpoint(-20.5, 288.0))
        assert (part.clamp_v, part.current_a) == (288.0, -20.5)
        assert (await cycler.read()).current_a == -20.5
        await cycler.off()
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation, sample.current_a) == (False, "off", 0.0)
        assert not part.output_on
        await cycler.release()

    on_wire(device, use)


@pytest.mark.parametrize(
    ("name", "charge", "discharge"),
    [
        (
            "delta-sm15k",
            ["SOUR:CUR:NEG 0.0000", "SOUR:VOLT 400.0000", "SOUR:CUR 50.0000"],
            ["SOUR:CUR 0.0000", "SOUR:VOLT 288.0000", "SOUR:CUR:NEG -20.0000"],
        ),
        (
            "itech-it6000c",
            ["CURR:LIM:NEG 0.00", "VOLT 400.00", "CURR:LIM 50.00"],
            ["CURR:LIM 0.00", "VOLT 288.00", "CURR:LIM:NEG -20.00"],
        ),
    ],
)
def test_the_other_direction_goes_to_zero_first_and_everything_is_read_back(
    name: str, charge: list[str], discharge: list[str]
) -> None:
    async def use(wire: Wire) -> None:
        cycler = cycler_on(wire, name)
        await cycler.prepare()
        for setpoint, expected in ((Setpoint(50.0, 400.0), charge), (Setpoint(-20.0, 288.0), discharge)):
            wire.texts()
            await cycler.apply(setpoint)
            texts = wire.texts()
            assert texts[:3] == expected
            assert texts[3] == "SYST:ERR?"
            assert texts[4:7] == [text.split()[0] + "?" for text in expected]

    on_wire(made(name, PlainCycler()), use)


@pytest.mark.parametrize("name", DEVICES)
def test_a_refused_value_is_found_by_asking_and_nothing_is_switched_on(name: str) -> None:
    part = PlainCycler()

    async def use(wire: Wire) -> None:
        cycler = cycler_on(wire, name)
        await cycler.prepare()
        with pytest.raises(DeviceRefused, match="-222 Data out of range"):
            await cycler.apply(Setpoint(121.0, 400.0))
        for wrong in (Setpoint(float("nan"), 400.0), Setpoint(10.0, float("inf"))):
            with pytest.raises(DeviceRefused, match="no value to send"):
                await cycler.apply(wrong)
        assert not any(on for _, on, _ in part.commands)

    on_wire(made(name, part), use)


@pytest.mark.parametrize("base", DEVICES.values())
def test_a_value_that_is_not_kept_is_found_by_reading_back(base: Any) -> None:
    class Forgetful(base):
        forgets = False

        def set_source(self, t_ns: int, value_a: float) -> None:
            if not self.forgets:
                super().set_source(t_ns, value_a)

    device = Forgetful(PlainCycler())

    async def use(wire: Wire) -> None:
        cycler = cycler_on(wire, next(name for name, kind in DEVICES.items() if kind is base))
        await cycler.prepare()
        device.forgets = True
        started_ns = wire.clock.now_ns()
        with pytest.raises(BadReply, match=r"was set to 10, shows 0"):
            await cycler.apply(Setpoint(10.0, 400.0))
        assert wire.clock.now_ns() - started_ns > 300 * MS
        assert not device.output_on

    on_wire(device, use)


def test_cv_is_told_where_the_voltage_is_held_and_the_current_is_not() -> None:
    """Delta does not say it; a current that still ramps is no end of a charge."""

    class Shown(PlainCycler):
        volts, amps = 350.0, 50.0

        def reading(self, t_ns: int, *, given: bool = True) -> CyclerReading:
            return CyclerReading(self.volts, self.amps, self.output_on, "cc")

    part = Shown()

    async def use(wire: Wire) -> None:
        cycler = cycler_on(wire, "delta-sm15k")
        device.output_on = True
        assert (await cycler.read()).regulation == "unknown", "nothing was set"
        device.output_on = False
        await cycler.prepare()
        await cycler.apply(Setpoint(50.0, 400.0))
        for volts, amps, regulation in (
            (350.0, 50.0, "cc"),
            (350.0, 20.0, "cc"),
            (399.0, 50.2, "cc"),
            (399.0, 20.0, "cv"),
            (400.5, 0.5, "cv"),
        ):
            part.volts, part.amps = volts, amps
            assert (await cycler.read()).regulation == regulation, (volts, amps)

    device = DeltaDevice(part)
    on_wire(device, use)


# ------------------------------------------------------------------------ Delta


def test_delta_takes_the_programming_sources_and_gives_them_back() -> None:
    device = DeltaDevice(PlainCycler())

    async def use(wire: Wire) -> None:
        cycler = cycler_on(wire, "delta-sm15k", max_power_w=10_000.0)
        await cycler.prepare()
        assert set(device.sources.values()) == {"eth"}
        await cycler.apply(Setpoint(10.0, 400.0))
        assert device.power_w == 10_000.0
        await cycler.release()
        assert set(device.sources.values()) == {"front"}
        with pytest.raises(DeviceRefused, match="-221 Settings conflict"):
            await cycler.apply(Setpoint(10.0, 400.0))

    on_wire(device, use)


def test_delta_reads_its_ratings_and_refuses_another_unit() -> None:
    async def use(wire: Wire) -> None:
        with pytest.raises(InputError, match=r"rated_voltage_v: .*found 500, expected 70"):
            await cycler_on(wire, "delta-sm15k", rated_voltage_v=70.0).identify()

    on_wire(DeltaDevice(PlainCycler()), use)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("MEAS:VOL?", "350.0000"),
        ("MEASURE:VOLTAGE?", "350.0000"),
        ("MEAS:CUR?", "0.0000"),
        ("MEAS:CURR?", "0.0000"),
        ("MEAS:POW?", "0.0000"),
        ("SOUR:VOLT:MAX?", "500.0000"),
        ("SOUR:CURR:MAX?", "120.0000"),
        ("SYST:REM:CV Ethernet;SYST:REM:CV?", "eth"),
        ("SYST:REM:CC eth;SOURCE:CURRENT 5.5;SOUR:CUR?", "5.5000"),
        ("SYST:REM:CC eth;SOURCE:CURRENT:NEGATIVE -1.5;SOUR:CURR:NEG?", "-1.5000"),
        ("OUTPUT 1;OUTP?", "1"),
        ("SYST:RSD 1;OUTP ON;OUTP?", "0"),
        ("SYST:FRON 1;SYST:FRON?", "1"),
        ("FOO?;OUTP?", ""),
        ("SOUR:CUR 5;SYST:ERR?", '-221,"Settings conflict"'),
        ("SYST:REM:CC eth;SOUR:CUR:NEG 5;SYST:ERR?", '-222,"Data out of range"'),
        ("*CLS;SYST:ERR?", '0,"No error"'),
    ],
)
def test_delta_understands_what_public_scripts_say(asked: str, answer: str) -> None:
    device = DeltaDevice(PlainCycler())
    assert device.on_bytes(0, asked.encode() + b"\n") == (answer.encode() + b"\n" if answer else b"")


# ------------------------------------------------------------------------ ITECH


def test_itech_needs_ratings_from_the_bench_file_before_it_sets_anything() -> None:
    device = ItechDevice(PlainCycler())

    async def use(wire: Wire) -> None:
        cycler = driver_of(wire, "itech-it6000c")
        assert (await cycler.identify()).model == "IT6000C simulated"
        assert (await cycler.read()).voltage_v == 350.0
        wire.texts()
        with pytest.raises(InputError, match="rated_voltage_v"):
            await cycler.prepare()
        assert wire.texts() == ["*IDN?"]

    on_wire(device, use)


def test_itech_protection_latches_shows_and_is_cleared_by_prepare() -> None:
    part = PlainCycler()
    device = ItechDevice(part)

    async def use(wire: Wire) -> None:
        cycler = cycler_on(wire, "itech-it6000c", over_voltage_v=420.0)
        await cycler.prepare()
        assert device.remote
        await cycler.apply(Setpoint(10.0, 400.0))
        part.voltage_v = 430.0
        sample = await cycler.read()
        assert (sample.alarms, part.output_on) == (("over_voltage",), False)
        assert not (await cycler.read()).output_on
        with pytest.raises(DeviceRefused, match="OUTP ON: refused with -221"):
            await cycler.apply(Setpoint(10.0, 400.0))
        part.voltage_v = 350.0
        await cycler.prepare()
        assert (await cycler.read()).alarms == ()
        await cycler.release()
        assert not device.remote

    on_wire(device, use)


def test_itech_without_status_registers_and_with_a_magnitude_as_sink_limit() -> None:
    device = ItechDevice(PlainCycler())

    async def use(wire: Wire) -> None:
        cycler = cycler_on(wire, "itech-it6000c", status_registers=False, negative_limit="magnitude")
        await cycler.prepare()
        with pytest.raises(DeviceRefused, match=r"CURR:LIM:NEG 20\.00: refused with -222"):
            await cycler.apply(Setpoint(-20.0, 288.0))
        sample = await cycler.read()
        assert (sample.alarms, sample.regulation) == (None, "off")
        assert not [text for text in wire.texts() if text.startswith("STAT")]

    on_wire(device, use)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("FUNC?", "VOLTage"),
        ("CURR:LIM 2.31;CURR:LIM?;CURR:LIM:POS?", "2.3100;2.3100"),
        ("CURR:LIM:NEG -2.27;SOUR:CURR:LIM:NEG?", "-2.2700"),
        ("VOLT 4;VOLTAGE?;VOLT:LEV:IMM:AMPL?", "4.0000;4.0000"),
        ("CURR 1;SYST:ERR?", '-221,"Settings conflict"'),
        ("FUNC CURR;CURR:LIM 1;SYST:ERR?", '-221,"Settings conflict"'),
        ("FUNC CURR;CURR -20;CURR?;FUNC?", "-20.0000;CURRent"),
        ("SOUR:CURR:OVER:PROT:STAT 0;CURR:PROT:STAT?", "0"),
        ("SOUR:CURR:OVER:PROT:LEV 100;CURR:PROT?", "100.0000"),
        ("FETC:POW?", "0.0000"),
        ("VOL?", ""),
        ("STAT:QUES:COND?;STAT:OPER:COND?", "0;0"),
        ("OUTP ON;STAT:OPER:COND?", str(1 << 7)),
    ],
)
def test_itech_understands_what_public_drivers_say(asked: str, answer: str) -> None:
    device = ItechDevice(PlainCycler())
    assert device.on_bytes(0, asked.encode() + b"\n") == (answer.encode() + b"\n" if answer else b"")


def test_itech_in_current_priority_goes_as_far_as_its_voltage_limits() -> None:
    part = PlainCycler()
    device = ItechDevice(part)
    device.on_bytes(0, b"FUNC CURR;VOLT:LIM 400;VOLT:LIM:NEG 288;CURR 20;OUTP 1\n")
    assert (part.output_on, part.clamp_v, part.current_a) == (True, 400.0, 20.0)
    device.on_bytes(0, b"CURR -20\n")
    assert (part.clamp_v, part.current_a) == (288.0, -20.0)
    device.on_bytes(0, b"FUNC VOLT\n")
    assert device.on_bytes(0, b"SYST:ERR?\n").startswith(b"-221"), "not while the output is on"


# ------------------------------------------------------- every SCPI emulator


class Thermometer(ScpiDevice):
    def __init__(self, **habits: Any) -> None:
        self.value = 20.0
        put = lambda t_ns, value: setattr(self, "value", value)  # noqa: E731
        super().__init__(
            {"SOURce:TEMPerature": setting(lambda: self.value, put, "", 1), "SOURce:HUMidity": asking(lambda _t: "50")},
            **habits,
        )


def test_an_unknown_command_ends_its_message_and_a_refused_one_does_not() -> None:
    device = Thermometer()
    assert device.on_bytes(0, b"SOUR:TEMP 5;SOUR:TEMP?;FOO;SOUR:TEMP 6\n") == b"5.0\n"
    assert device.on_bytes(0, b"SOUR:TEMP x;SOUR:TEMP 7;HUM?;SYST:ERR?;SYST:ERR?\n") == (
        b'50;-100,"Command error";-224,"Illegal parameter value"\n'
    )
    assert device.value == 7.0


def test_five_errors_are_kept_and_the_last_says_that_there_were_more() -> None:
    device = Thermometer()
    device.on_bytes(0, b"FOO\n" * 7)
    answers = device.on_bytes(0, b"SYST:ERR?\n" * 6).decode().splitlines()
    assert answers == ['-100,"Command error"'] * 4 + ['-350,"Queue overflow"', '0,"No error"']


def test_an_answer_that_takes_time_comes_when_its_time_has_come() -> None:
    device = Thermometer(turnaround_ns=5 * MS)
    assert device.on_bytes(0, b"SOUR:TEMP?\n") == b""
    assert (device.tick(0), device.take_output()) == (5 * MS, b"")
    assert (device.tick(5 * MS), device.take_output(), device.take_output()) == (None, b"20.0\n", b"")
    # A second question before the first answer: both are answered.
    device.on_bytes(6 * MS, b"SOUR:TEMP?\n")
    device.on_bytes(7 * MS, b"SOUR:HUM?\n")
    device.tick(12 * MS)
    assert device.take_output() == b"20.0\n50\n"


def test_ieee_488_drops_an_answer_that_a_new_message_interrupts() -> None:
    device = Thermometer(turnaround_ns=5 * MS, interrupts=True)
    device.on_bytes(0, b"SOUR:TEMP?\n")
    device.on_bytes(2 * MS, b"SOUR:HUM?\n")
    device.tick(7 * MS)
    assert device.take_output() == b"50\n"
    device.on_bytes(10 * MS, b"SYST:ERR?\n")
    device.tick(15 * MS)
    assert device.take_output() == b'-410,"Query INTERRUPTED"\n'
    device.on_bytes(20 * MS, b"SYST:ERR?\n")
    device.tick(25 * MS)
    assert device.take_output() == b'0,"No error"\n', "an answer that was given is not interrupted"


def test_clients_of_one_device_do_not_mix_their_bytes() -> None:
    device = Thermometer()
    first, second = device.session(), device.session()
    assert first.on_bytes(0, b"SOUR:TE") == b""
    assert second.on_bytes(0, b"SOUR:TEMP 30\n") == b""
    assert first.on_bytes(0, b"MP?\n") == b"30.0\n"
    device.silent = lambda t_ns: True
    assert first.on_bytes(0, b"SOUR:TEMP?\n") == b""


@given(st.lists(st.binary(max_size=300) | st.sampled_from([b"\n", b"SOUR:VOLT 1;", b"*IDN?\n"]), max_size=10))
def test_any_bytes_are_bounded_and_the_device_answers_afterwards(chunks: list[bytes]) -> None:
    for device in (DeltaDevice(PlainCycler()), ItechDevice(PlainCycler())):
        for chunk in chunks:
            device.on_bytes(0, chunk)
            assert len(device._buffer) <= MAX_BUFFER
        device.on_bytes(0, b"\n*CLS\n")
        assert device.on_bytes(0, b"SYST:ERR?\n") == b'0,"No error"\n'
