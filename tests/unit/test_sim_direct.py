"""The direct drivers: the drivers' protocols over the parts, silence included."""

import pytest
from tests.unit.sim_bench import ManualClock, S, make_bench, make_pack, make_plant

from packbench.core.errors import ReplyTimeout
from packbench.drivers.protocols import Bms, Cycler, Setpoint
from packbench_sim.direct import DirectBms, DirectCycler
from packbench_sim.errors import InstrumentErrors


def bench_of(seed: int = 2):
    bench = make_bench()
    plant = make_plant(make_pack(series=24), bench, InstrumentErrors.draw(bench, 24, seed), seed=seed)
    clock = ManualClock(plant.now_ns)
    cycler: Cycler = DirectCycler(plant, clock)
    bms: Bms = DirectBms(plant, clock)
    return plant, clock, cycler, bms


async def test_a_cycler_charges_discharges_and_goes_off():
    _, clock, cycler, _ = bench_of()
    await cycler.prepare()
    for current_a, voltage_v in ((33.0, 100.0), (-20.0, 60.0)):
        await cycler.apply(Setpoint(current_a, voltage_v))
        clock.t_ns += 2 * S
        sample = await cycler.read()
        assert sample.t_ns == clock.t_ns
        assert sample.current_a == pytest.approx(current_a, abs=0.05)
        assert (sample.output_on, sample.regulation) == (True, "cc")
    await cycler.off()
    clock.t_ns += S
    sample = await cycler.read()
    assert sample.current_a == pytest.approx(0.0, abs=0.1)
    assert (sample.output_on, sample.regulation) == (False, "off")
    await cycler.release()


async def test_the_bms_sample_is_the_parts_reading():
    plant, clock, _, bms = bench_of()
    clock.t_ns += S
    sample = await bms.read()
    reading = plant.bms.reading(clock.t_ns)
    assert sample.cell_voltages_v is reading.cell_voltages_v
    assert sample.temperatures_c == tuple(reading.temperatures_c.tolist())
    assert (sample.soc, sample.soh, sample.voltage_v) == (reading.soc, reading.soh, reading.voltage_v)
    assert sample.cell_min_v == reading.cell_voltages_v.min()
    assert sample.charge_limit_a == 100.0


async def test_identities_name_the_bench_devices():
    _, _, cycler, bms = bench_of()
    assert "ea-psb" in (await cycler.identify()).model
    assert "modbus-hv-bms" in (await bms.identify()).model


@pytest.mark.parametrize("call", ["read", "identify", "off"])
async def test_a_lost_cycler_costs_its_reply_timeout(call: str):
    plant, clock, cycler, bms = bench_of()
    plant.inject("comms.cycler_lost")
    before_ns = clock.t_ns
    with pytest.raises(ReplyTimeout, match="cycler"):
        await getattr(cycler, call)()
    assert clock.t_ns - before_ns == S // 5
    assert (await bms.read()).t_ns == clock.t_ns


async def test_a_lost_bms_costs_its_reply_timeout():
    plant, clock, cycler, bms = bench_of()
    plant.inject("comms.bms_lost")
    before_ns = clock.t_ns
    with pytest.raises(ReplyTimeout, match="BMS"):
        await bms.read()
    assert clock.t_ns - before_ns == S // 5
    assert (await cycler.read()).t_ns == clock.t_ns
