"""The simulated chamber and meter: whoever talks to them, the pack lives in that air and leaks as it does."""

from __future__ import annotations

from math import exp

import pytest
from tests.unit.mapped_bench import INSULATION, S
from tests.unit.sim_bench import ManualClock, make_bench, make_pack, make_plant
from tests.unit.wire_parts import memory_port

from packbench.core.errors import InputError, ReplyTimeout
from packbench.core.specs import DeviceSpec
from packbench.drivers.mapped_meter import MappedMeter
from packbench_sim.cells import plant_options
from packbench_sim.chamber import ClimateChamber
from packbench_sim.direct import DirectChamber, DirectMeter
from packbench_sim.faults import parse_injection
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.plant import Plant
from packbench_sim.wiring import play, playing
from packbench_sim.world import build_parts

CHAMBER_SPEC = DeviceSpec("chamber", "modbus-chamber", "emulated:modbus+tcp", 1, 2 * S, 6 * S, S // 2)
METER_SPEC = DeviceSpec("meter", "modbus-insulation", "emulated:modbus+tcp", 1, S, 3 * S, S // 2)


def direct(plant: Plant) -> tuple[DirectChamber, DirectMeter, ManualClock]:
    clock = ManualClock(plant.now_ns)
    return DirectChamber(plant, clock, CHAMBER_SPEC), DirectMeter(plant, clock, METER_SPEC), clock


async def pass_time(chamber: DirectChamber, clock: ManualClock, seconds: float) -> None:
    """Poll for that long."""
    end_ns = clock.t_ns + round(seconds * S)
    while clock.t_ns < end_ns:
        clock.t_ns = min(clock.t_ns + CHAMBER_SPEC.poll_period_ns, end_ns)
        await chamber.read()


async def test_a_soak_heats_the_cells_through_their_own_time_constant() -> None:
    plant = make_plant(make_pack(thermal_tau_s=1800.0))
    chamber, _, clock = direct(plant)
    await chamber.hold(45.0)
    sample = await chamber.read()
    assert (sample.setpoint_c, sample.running, sample.temperature_c) == (45.0, True, 25.0)
    await pass_time(chamber, clock, 120)
    assert (await chamber.read()).temperature_c == pytest.approx(25.0 + 2 * 3.0), "3 K/min"
    assert plant.pack.ambient_c == pytest.approx(31.0)
    await pass_time(chamber, clock, 3600 - 120)
    assert (await chamber.read()).temperature_c == pytest.approx(45.0, abs=0.01)
    cells_c = plant.pack.temperature_c
    # As of a step of 20 K, later by the time that the chamber itself takes: 20 K at 3 K/min, and settling.
    late_s = (20.0 / 3.0) * 60.0 / 2 + 30.0
    assert cells_c.mean() == pytest.approx(45.0 - 20.0 * exp(-(3600.0 - late_s) / 1800.0), abs=0.3)
    await chamber.hold(10.0)
    await pass_time(chamber, clock, 5 * 3600)
    assert plant.pack.temperature_c.mean() == pytest.approx(10.0, abs=0.1), "and it cools, too"


async def test_a_chamber_that_is_stopped_drifts_to_the_room() -> None:
    plant = make_plant()
    chamber, _, clock = direct(plant)
    await chamber.hold(45.0)
    await pass_time(chamber, clock, 3600)
    await chamber.stop()
    await chamber.stop()
    assert (await chamber.read()).running is False
    await pass_time(chamber, clock, 3600)
    assert plant.pack.ambient_c == pytest.approx(25.0 + 20.0 / 2.71828, abs=0.05)


async def test_a_chamber_that_nobody_sets_changes_nothing() -> None:
    plant = make_plant()
    chamber, _, clock = direct(plant)
    await pass_time(chamber, clock, 600)
    assert plant.pack.ambient_c == 25.0


async def test_a_silent_chamber_costs_its_reply_timeout_and_does_what_it_was_told_last() -> None:
    plant = make_plant()
    chamber, meter, clock = direct(plant)
    await chamber.hold(45.0)
    plant.inject("comms.chamber_lost")
    for call in (chamber.identify, chamber.read, chamber.stop):
        before_ns = clock.t_ns
        with pytest.raises(ReplyTimeout, match="chamber"):
            await call()
        assert clock.t_ns - before_ns == S // 2
    clock.t_ns += 60 * S
    with pytest.raises(ReplyTimeout):
        await chamber.read()
    assert plant.pack.ambient_c > 27.0
    assert chamber.chamber.running
    assert (await meter.read()).t_ns == clock.t_ns, "the meter is another device"


async def test_a_silent_meter() -> None:
    plant = make_plant()
    chamber, meter, _ = direct(plant)
    plant.inject("comms.meter_lost")
    for call in (meter.identify, meter.read):
        with pytest.raises(ReplyTimeout, match="meter"):
            await call()
    await chamber.read()


async def test_the_meter_shows_the_insulation_of_this_pack_and_a_leak_as_soon_as_there_is_one() -> None:
    plant = make_plant(make_pack(insulation_ohm=3e6))
    _, meter, clock = direct(plant)
    assert meter.quantities == {"insulation_ohm"}
    assert (await meter.read()).values == {"insulation_ohm": 3e6}
    plant.schedule(parse_injection("pack.insulation@5"))
    clock.t_ns += 5 * S - 1
    assert (await meter.read()).values == {"insulation_ohm": 3e6}
    clock.t_ns += 1
    assert (await meter.read()).values == {"insulation_ohm": 50_000.0}


def test_the_emulated_tester_shows_the_same_until_it_is_told_otherwise() -> None:
    async def main(clock: VirtualClock) -> None:
        pack = make_pack(insulation_ohm=3e6)
        world = build_parts(make_bench(), pack, start_ns=clock.now_ns(), seed=1, perfect=True)
        own, stated = (
            MappedMeter(INSULATION, memory_port(device, "rtu", clock)[0], 1)
            for device in (
                play(playing(world, INSULATION, 1, "pty")),
                play(playing(world, INSULATION, 1, "pty", options={"insulation_ohm": "250000"})),
            )
        )
        assert own.quantities == {"insulation_ohm", "test_voltage_v"}
        assert (await own.read()).values["insulation_ohm"] == 3e6
        world.plant.inject("pack.insulation")
        sample = await own.read()
        assert (sample.values["insulation_ohm"], sample.alarms) == (50_000.0, ("insulation_low",))
        assert (await stated.read()).values["insulation_ohm"] == 250_000.0

    run_virtual(main)


def test_insulation_beyond_what_its_register_shows_is_not_taken_for_no_result() -> None:
    async def main(clock: VirtualClock) -> None:
        world = build_parts(make_bench(), make_pack(insulation_ohm=1e12), start_ns=clock.now_ns(), seed=1)
        port, _ = memory_port(play(playing(world, INSULATION, 1, "modbus+tcp")), "mbap", clock)
        assert (await MappedMeter(INSULATION, port, 1).read()).values["insulation_ohm"] == 0xFFFF_FFFE

    run_virtual(main)


def test_a_pack_without_insulation_is_none() -> None:
    with pytest.raises(InputError, match=r"plant\.insulation_ohm: found 0.0, expected above 0"):
        plant_options({"insulation_ohm": 0.0}, 12)
    assert plant_options({}, 12).insulation_ohm == 20e6


def air_after(step_s: int) -> tuple[float, float]:
    """The air after 1400 s towards 60 degC, and 1600 s after it was stopped, looked at every `step_s`."""
    told: list[float] = []
    chamber = ClimateChamber(25.0, lambda _t_ns, air_c: told.append(air_c))
    chamber.set_goal(0, 60.0)
    chamber.run(0, True)
    for t_s in range(0, 1400, step_s):
        chamber.temperature_c(t_s * S)
    hot_c = chamber.temperature_c(1400 * S)
    chamber.run(1400 * S, False)
    for t_s in range(1400, 3000, step_s):
        chamber.temperature_c(t_s * S)
    cold_c = chamber.temperature_c(3000 * S)
    assert told[-1] == cold_c
    return hot_c, cold_c


def test_it_does_not_matter_how_often_the_chamber_is_looked_at() -> None:
    """Once a second by the wire, or at every poll without one: the air is exact for a step of any length."""
    assert air_after(1) == pytest.approx(air_after(7))
    assert air_after(1) == pytest.approx(air_after(1400))


@pytest.mark.parametrize("fault_id", ["comms.chamber_lost", "comms.meter_lost", "pack.insulation"])
def test_a_bench_without_them_does_not_notice_their_faults(fault_id: str) -> None:
    plant = make_plant()
    plant.inject(fault_id)
    before_v = plant.true_voltage_v
    plant.advance_to(plant.now_ns + 10 * S)
    assert plant.true_voltage_v == pytest.approx(before_v, abs=1e-3)
