"""A map that nobody has written an emulator for is played from the map alone: probed, stated, written, read back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.unit.sim_bench import make_pack
from tests.unit.test_map_conventions import CHAMBER, CYCLER, HEAD
from tests.unit.wire_parts import PlainBms, PlainCycler, memory_port

from packbench.core.errors import InputError
from packbench.core.samples import Quality
from packbench.drivers.mapped import MappedBms
from packbench.drivers.mapped_chamber import MappedChamber
from packbench.drivers.mapped_cycler import MappedCycler
from packbench.drivers.mapped_meter import MappedMeter
from packbench.drivers.protocols import Setpoint
from packbench.maps.file import load_device
from packbench.maps.schema import DeviceType
from packbench.wire.modbus import ModbusRefused, read_registers, write_coil, write_register, write_registers
from packbench_sim.devices.mapped import MappedDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.playing import Playing
from packbench_sim.wiring import play, player_of

BMS = (
    HEAD.format(kind="bms")
    + """
blocks:
  live: {address: 0, count: 20, function: 4}
  more: {address: 30, count: 16}
  identity: {address: 60, count: 10, group: once}
fields:
  pack: {address: 0, type: u16, scale: 0.01, quantity: voltage_v}
  amps: {address: 1, type: s16, scale: -0.1, quantity: current_a}
  charge: {address: 2, type: u8, scale: 0.01, quantity: soc}
  first: {address: 3, type: u16, count: 4, scale: 0.001, quantity: cell_voltages_v, count_from: in_first}
  in_first: {address: 7, type: u16}
  t1: {address: 8, type: s16, scale: 0.1, quantity: temperatures_c}
  t2: {address: 9, type: s16, scale: 0.1, quantity: temperatures_c, absent: [32767]}
  t3: {address: 10, type: s16, scale: 0.1, quantity: temperatures_c}
  t4: {address: 11, type: s16, scale: 0.1, quantity: temperatures_c}
  warn: {address: 12, type: bits16, quantity: alarms, bits: {0: cell_over_voltage, 3: over_temperature}}
  more_warn: {address: 13, type: bits16, quantity: alarms, bits: {2: gas}}
  state: {address: 14, type: bits16, quantity: flags, bits: {0: charging_allowed, 1: discharging_allowed, 2: heating}}
  frequency: {address: 15, type: u16, range: [45, 65]}
  mode: {address: 16, type: u16, states: {3: normal, 5: service}}
  second: {address: 30, type: u16, count: 8, scale: 0.001, quantity: cell_voltages_v, mask_from: in_second}
  in_second: {address: 38, type: u16}
  alive: {address: 39, type: u8}
  limit: {address: 40, type: u16, scale: 0.1, range: [0, 200], access: rw, quantity: charge_limit_a}
  wide: {address: 41, type: u32, access: rw}
  model: {address: 60, type: char, count: 8}
  serial: {address: 64, type: char, count: 8}
"""
)


def own(text: str, **changes: str) -> DeviceType:
    for old, new in changes.items():
        text = text.replace(old, new)
    return load_device(text, "own.yaml")


def playing(device: DeviceType, bms: PlainBms, cycler: PlainCycler | None = None, /, **options: str) -> Playing:
    return Playing(device, 1, "pty", make_pack(), cycler or PlainCycler(), bms, options=options)


def test_a_bms_of_many_shapes_reads_what_was_measured() -> None:
    part = PlainBms(10, 2)
    part.alarms, part.current_a = ("over_temperature", "not_in_this_map"), -12.3

    async def main(clock: VirtualClock) -> None:
        device = own(BMS)
        port, _ = memory_port(play(playing(device, part)), "rtu", clock)
        bms = MappedBms(device, port, 1)
        identity = await bms.identify()
        assert (identity.model, identity.serial) == ("An engin", "EMULATED")
        sample = await bms.read()
        np.testing.assert_allclose(sample.cell_voltages_v, part.cells_v, atol=1e-9)
        assert sample.voltage_v == pytest.approx(part.cells_v.sum(), abs=0.006)
        assert (sample.current_a, sample.soc, sample.soh, sample.cycles) == (-12.3, 0.87, None, None)
        # Sensors that the map cannot leave out read what the last one reads.
        assert sample.temperatures_c == (20.0, 26.0, 26.0, 26.0)
        assert (sample.alarms, sample.balancing) == (("over_temperature",), None)
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (0.0, None)
        assert sample.quality is Quality.GOOD
        first_ns = sample.t_ns
        await clock.sleep_until(clock.now_ns() + 1_000_000_000)
        assert (await bms.read()).t_ns > first_ns, "it is alive"

    run_virtual(main)


@pytest.mark.parametrize(("state", "limit_a"), [("charging_allowed", 12.5), ("heating", 0.0)])
def test_a_bms_that_forbids_charging_allows_no_current(state: str, limit_a: float) -> None:
    async def main(clock: VirtualClock) -> None:
        device = own(BMS)
        port, _ = memory_port(play(playing(device, PlainBms(4, 1), state=state, limit="12.5")), "rtu", clock)
        assert (await MappedBms(device, port, 1).read()).charge_limit_a == limit_a

    run_virtual(main)


def test_what_is_stated_stands_and_what_is_written_is_read_back() -> None:
    async def main(clock: VirtualClock) -> None:
        device = own(BMS)
        options = {"warn": "cell_over_voltage", "more_warn": "gas", "amps": "5", "mode": "service", "limit": "12.5"}
        port, _ = memory_port(play(playing(device, PlainBms(4, 1), **options)), "rtu", clock)
        bms = MappedBms(device, port, 1)
        sample = await bms.read()
        assert (sample.alarms, sample.current_a, sample.charge_limit_a) == (("cell_over_voltage", "gas"), 5.0, 12.5)
        await port.exchange(write_register(1, 40, 1999))
        assert (await bms.read()).charge_limit_a == 199.9
        await port.exchange(write_registers(1, 41, bytes.fromhex("12345678")))
        assert (await port.exchange(read_registers(1, 41, 2))).value.hex() == "12345678"
        for request, code in (
            (write_register(1, 40, 2001), 3), (write_register(1, 0, 1), 2), (write_register(1, 41, 1), 2),
            (write_register(1, 500, 1), 2), (read_registers(1, 50, 1), 2),
        ):  # fmt: skip
            with pytest.raises(ModbusRefused) as refused:
                await port.exchange(request)
            assert refused.value.code == code
        assert (await bms.read()).charge_limit_a == 199.9, "a refused write changes nothing"

    run_virtual(main)


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ({"warn": "smoke"}, "--set warn: found smoke, expected names of its bits: cell_over_voltage, over_temperature"),
        ({"mode": "busy"}, "expected one of normal, service"),
        ({"model": "far too long"}, "at most 8 characters"),
        ({"amps": "many"}, "--set amps: found many, expected a number"),
        ({"first": "3,3,3,3,3"}, "1 to 4 numbers"),
        ({"amps": "4000"}, "amps: 4000"),
        ({"colour": "red"}, "--set: own: found colour"),
    ],
)
def test_a_word_that_the_map_cannot_hold_is_refused(option: dict[str, str], complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        play(playing(own(BMS), PlainBms(4, 1), **option))
    assert complaint in str(refused.value)


@pytest.mark.parametrize(("cells", "fits"), [(12, True), (13, False)])
def test_a_pack_with_more_cells_than_the_map_has_room_for_is_refused(cells: int, fits: bool) -> None:
    device = own(BMS)
    if fits:
        play(playing(device, PlainBms(cells, 1)))
        return
    with pytest.raises(InputError, match=r"cells: .*found 13, expected 0 to 12"):
        play(playing(device, PlainBms(cells, 1)))


def test_a_map_that_always_says_so_many_cells_is_not_played_with_fewer() -> None:
    text = BMS.replace(", count_from: in_first", "").replace(", mask_from: in_second", "")
    with pytest.raises(InputError, match=r"cells: .*found 10, expected 12"):
        play(playing(own(text), PlainBms(10, 1)))


def test_a_map_without_cells_leaves_everything_absent() -> None:
    text = (
        HEAD.format(kind="bms")
        + """
blocks:
  live: {address: 0, count: 1}
fields:
  whatever: {address: 0, type: u16}
"""
    )

    async def main(clock: VirtualClock) -> None:
        device = own(text)
        port, _ = memory_port(play(playing(device, PlainBms(4, 1))), "rtu", clock)
        sample = await MappedBms(device, port, 1).read()
        assert sample.cell_voltages_v.size == 0
        assert sample.temperatures_c == ()
        numbers = (sample.voltage_v, sample.current_a, sample.soc, sample.soh, sample.cycles)
        assert numbers == (None,) * 5
        assert (sample.charge_limit_a, sample.discharge_limit_a, sample.balancing) == (None, None, None)
        assert (sample.alarms, sample.quality) == (None, Quality.GOOD)
        assert device.capabilities.cells_reported is False

    run_virtual(main)


def test_a_cycler_drives_the_simulated_one_by_its_conventional_names() -> None:
    async def main(clock: VirtualClock) -> None:
        device, part = own(CYCLER), PlainCycler()
        emulator = play(playing(device, PlainBms(4, 1), part))
        assert isinstance(emulator, MappedDevice)
        port, _ = memory_port(emulator, "rtu", clock)
        cycler = MappedCycler(device, port, 1)
        await cycler.prepare()
        await cycler.apply(Setpoint(-20.5, 288.0))
        assert (part.output_on, part.current_a, part.clamp_v) == (True, -20.5, 288.0)
        sample = await cycler.read()
        assert (sample.output_on, sample.regulation, sample.current_a) == (True, "cc", -20.5)
        assert sample.voltage_v == 350.0
        await cycler.off()
        assert part.output_on is False
        assert (await cycler.read()).regulation == "off"
        await cycler.apply(Setpoint(20.5, 288.0))
        assert (part.output_on, part.current_a) == (True, 20.5)
        await port.exchange(write_coil(1, 0, False))
        assert part.output_on is False, "out of remote control"
        await cycler.release()

    run_virtual(main)


def test_a_chamber_s_writes_change_what_it_reads() -> None:
    async def main(clock: VirtualClock) -> None:
        device = own(CHAMBER)
        port, _ = memory_port(play(playing(device, PlainBms(4, 1), temperature_c="21.5")), "rtu", clock)
        chamber = MappedChamber(device, port, 1)
        sample = await chamber.read()
        assert (sample.temperature_c, sample.running) == (21.5, False)
        await chamber.hold(-12.5)
        sample = await chamber.read()
        assert (sample.setpoint_c, sample.running, sample.humidity) == (-12.5, True, None)
        await chamber.stop()
        assert (await chamber.read()).running is False

    run_virtual(main)


def test_a_voltmeter_on_the_pack_reads_the_pack_s_voltage() -> None:
    text = (
        HEAD.format(kind="meter")
        + """
blocks:
  live: {address: 0, count: 4}
fields:
  volts: {address: 0, type: f32, quantity: voltage_v}
  shunt_a: {address: 2, type: s16, full_scale_of: rated_shunt_a, full_scale_raw: 30000}
"""
    )

    async def main(clock: VirtualClock) -> None:
        device, part = own(text), PlainBms(4, 1)
        with pytest.raises(InputError, match="rated_shunt_a"):
            play(playing(device, part))
        emulator = play(playing(device, part, rated_shunt_a="300", shunt_a="-12.5"))
        port, _ = memory_port(emulator, "rtu", clock)
        sample = await MappedMeter(device, port, 1, {"rated_shunt_a": 300}).read()
        assert sample.values["voltage_v"] == pytest.approx(part.cells_v.sum(), rel=1e-6)
        assert sample.values["shunt_a"] == -12.5

    run_virtual(main)


def test_a_device_that_answers_under_another_unit_does_so() -> None:
    async def main(_clock: VirtualClock) -> None:
        device = own(BMS, **{"unit: 1\n": "unit: 1\nreply_unit_offset: 32\n"})
        emulator = play(playing(device, PlainBms(4, 1)))
        request: Any = bytes.fromhex("010400000001 31ca")
        reply = emulator.on_bytes(0, request)
        assert (reply[0], reply[1], len(reply)) == (33, 4, 7)

    run_virtual(main)


def test_only_a_map_is_played_from_itself() -> None:
    assert player_of(own(BMS)) is not None
    frames = load_device(
        "packbench_device: 1\nname: framed\ntitle: t\nkind: bms\nprotocol: tdt\ndriver: none\nlinks: [serial]\n"
        "verified_on_hardware: false\nsources: [x]\ngolden: [{source: x, reply: '00'}]\n",
        "framed.yaml",
    )
    assert player_of(frames) is None
    with pytest.raises(InputError, match="no emulator plays this device"):
        play(playing(frames, PlainBms(4, 1)))
