"""Runs on benches with a climate chamber and an insulation meter, at both levels: what they do, and how they end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.climate import LEVELS, Bench, Ran, S, run
from tests.scenario.programmed import Kept
from tests.scenario.support import ask

from packbench.app.job import load_job
from packbench.core.errors import ReplyTimeout
from packbench.drivers.protocols import Chamber
from packbench.run.bench import BenchRun, RunOutcome
from packbench.run.devices import Devices
from packbench_sim.devices.modbus_chamber import ModbusChamberDevice
from packbench_sim.devices.modbus_insulation import ModbusInsulationDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.world import build_parts, direct_devices

REST = """profile: climate
title: {en: "In a chamber", zh: "环境箱内"}
record: {dt: 10 s}
steps:
  - rest: {label: first, for: 10 s}
  - chamber: {temperature: 45 degC}
  - rest: {label: warm, for: 1 h}
  - end
"""
CHARGE = REST.replace(
    "  - rest: {label: warm, for: 1 h}\n",
    """  - cc_charge:
      {label: up, current: 0.2C, for: 10 min, on_cell_limit: {at: cell_full, action: end}, until: voltage >= pack_full}
""",
)
SOAK = REST.replace(
    "  - chamber: {temperature: 45 degC}\n  - rest: {label: warm, for: 1 h}\n",
    "  - soak: {label: soak, temperature: 29 degC, within: 2 K, stable_for: 30 min}\n",
)
ROOM_C, TAU_S, BMS_K = 25.0, 5400.0, 1.1
"""The room; the plant's default; how far a sensor of the bench may be off."""


def late_s(away_k: float) -> float:
    """By how much a step of the room's air would have to come later to heat the cells as this chamber does."""
    ramp_s = max(away_k / 3.0 * 60.0 - 60.0, 0.0)
    left_k = away_k - 3.0 * ramp_s / 60.0
    return (ramp_s * (away_k + left_k) / 2 + left_k * 60.0) / away_k


def assert_at_rest(ran: Ran) -> None:
    ran.witness.assert_safe()
    assert not ran.bench.chamber.running


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("bench", "pack"), [("sim-climate", "nmc-96s"), ("sim-climate-lv", "lfp-16s")])
def test_a_chamber_that_is_set_heats_the_cells_through_their_time_constant(
    level: str, bench: str, pack: str, tmp_path: Path
) -> None:
    seen: list[Any] = []
    ran = run(REST, tmp_path, level, bench=bench, pack=pack, observe=lambda snapshot, _state: seen.append(snapshot))
    assert ran.outcome.trip is None
    assert ran.outcome.finish.verdict == "pass"
    assert ran.outcome.failures == ()
    cells_c = ran.bench.world.plant.pack.temperature_c
    assert_at_rest(ran)
    (on_ns, _), *_ = [entry for entry in ran.bench.told if entry[1]]

    def air_after_c(after_s: float) -> float:
        return min(ran.bench.air, key=lambda told: abs(told[0] - on_ns - after_s * S))[1]

    assert air_after_c(120.0) == pytest.approx(ROOM_C + 2 * 3.0, abs=0.2), "3 K/min"
    assert air_after_c(3600.0) == pytest.approx(45.0, abs=0.05)
    hot_c = 45.0 - (45.0 - ROOM_C) * exp(-(3600.0 - late_s(45.0 - ROOM_C)) / TAU_S)
    assert cells_c.mean() == pytest.approx(hot_c, abs=0.1)
    # And the snapshot shows both: the chamber's air, and what the BMS makes of the cells.
    last = seen[-1]
    assert last.chamber.temperature_c == pytest.approx(45.0, abs=0.1)
    assert (last.chamber.running, last.chamber.setpoint_c) == (True, 45.0)
    assert last.bms.temperature_max_c == pytest.approx(hot_c, abs=BMS_K)
    assert last.meter.values["insulation_ohm"] == pytest.approx(20e6, abs=1.0)
    assert seen[0].chamber.temperature_c == pytest.approx(ROOM_C, abs=0.1)


@pytest.mark.parametrize(("level", "rounded_k"), [("object", 0.0), ("bytes", 0.05)])
def test_a_soak_ends_when_every_sensor_has_been_near_for_long_enough(
    level: str, rounded_k: float, tmp_path: Path
) -> None:
    ran = run(SOAK, tmp_path, level, perfect=True)
    assert ran.outcome.finish.verdict == "pass"
    (soak,) = [step for step in ran.kept.steps if step.label == "soak"]
    # From 4 K away to 2 K, to a register's last digit, and then half an hour. They are measured once in 5 s.
    near_s = TAU_S * log(4.0 / (2.0 + rounded_k)) + late_s(4.0)
    assert (soak.ended_ns - soak.started_ns) / S == pytest.approx(near_s + 1800.0, abs=10.0)


@pytest.mark.parametrize("level", LEVELS)
def test_a_chamber_is_commanded_in_order_and_on_record(level: str, tmp_path: Path) -> None:
    ran = run(CHARGE, tmp_path, level)
    assert ran.outcome.finish.verdict == "pass"
    kinds = ran.kinds()
    order = [kind for kind in kinds if kind in ("set_chamber", "chamber_acknowledged", "set_output")]
    assert order == ["set_chamber", "chamber_acknowledged", "set_output"]
    (told,) = [event.data for event in ran.kept.events if event.kind == "set_chamber"]
    assert told == {"temperature_c": 45.0}
    assert [event.data["device"] for event in ran.kept.events if event.kind == "identified"] == [
        "board", "cycler", "bms", "chamber", "meter",
    ]  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("comms.bms_lost@300", "bms_stale"),
        ("comms.cycler_lost@300", "cycler_stale"),
        ("sensor.weak_cell@300", "cell_over_voltage"),
    ],
)
def test_the_chamber_is_stopped_after_a_trip_and_never_in_the_way_of_it(
    level: str, fault: str, rule: str, tmp_path: Path
) -> None:
    ran = run(CHARGE, tmp_path, level, fault)
    assert ran.rule == rule
    assert_at_rest(ran)
    stopped_ns = ran.chamber_stopped_ns()
    assert ran.witness.output_off_ns() < stopped_ns
    assert ran.witness.coil_off_ns() < stopped_ns
    # A bench whose cycler is silent needs its time-outs until it is known to be at rest.
    assert stopped_ns - ran.witness.coil_off_ns() < 4 * S
    assert ran.ended_ns - stopped_ns < S
    assert not any("chamber" in failure for failure in ran.outcome.failures)


@pytest.mark.parametrize("level", LEVELS)
def test_the_chamber_is_stopped_when_the_run_is_over_by_hand_or_by_itself(level: str, tmp_path: Path) -> None:
    async def meddle(bench: Bench) -> None:
        await bench.clock.sleep_until(300 * S)
        bench.abort("enough")

    by_hand, by_itself = run(CHARGE, tmp_path, level, meddle=meddle), run(CHARGE, tmp_path, level)
    assert (by_hand.outcome.finish.reason, by_itself.outcome.finish.verdict) == ("enough", "pass")
    for ran in (by_hand, by_itself):
        assert ran.outcome.trip is None
        assert_at_rest(ran)
        assert [on for _, on in ran.bench.told] == [True, False]
        assert ran.witness.output_off_ns() < ran.witness.coil_off_ns() < ran.chamber_stopped_ns() <= ran.ended_ns


@pytest.mark.parametrize("level", LEVELS)
def test_the_chamber_is_stopped_when_the_profile_never_began(level: str, tmp_path: Path) -> None:
    hot = run(CHARGE, tmp_path, level, settings=("ambient_c=70",))
    assert hot.rule == "temperature_high"
    assert hot.outcome.bench_ns == 0
    assert [on for _, on in hot.bench.told] == [False], "told to stop, and nothing else"
    assert hot.bench.world.plant.contactor.closings == 0


@pytest.mark.parametrize("level", LEVELS)
def test_no_current_flows_while_the_chamber_is_commanded(level: str, tmp_path: Path) -> None:
    """From one driven step to the next: an "off" would have to wait for the chamber's answer."""
    up = CHARGE[CHARGE.index("  - cc_charge") : CHARGE.index("  - end")]
    text = CHARGE.replace(
        "  - end", f"  - chamber: {{temperature: 50 degC}}\n{up.replace('label: up', 'label: more')}  - end"
    )
    ran = run(text, tmp_path, level)
    assert ran.outcome.finish.verdict == "pass"
    told = [kind for kind in ran.kinds() if kind in ("set_chamber", "chamber_acknowledged", "set_output", "output_off")]
    again = told.index("set_chamber", told.index("set_output"))
    assert told[again - 1 : again + 3] == ["output_off", "set_chamber", "chamber_acknowledged", "set_output"]


def test_a_chamber_that_is_not_there_is_no_chamber_that_was_set(tmp_path: Path) -> None:
    """`check` refuses such a profile; a plan from elsewhere stops the run."""
    path = tmp_path / "profile.yaml"
    path.write_text(CHARGE, encoding="utf-8")
    plan = load_job(str(path), "nmc-96s", "sim-climate").plan
    job = load_job("quick-check", "nmc-96s", "sim-hv")

    async def main(clock: VirtualClock) -> RunOutcome:
        world = build_parts(job.bench, job.pack, start_ns=clock.now_ns(), seed=1)
        devices = direct_devices(world, clock, job.limits)
        return await BenchRun(
            clock, devices, plan, job.limits, job.bench, job.pack, Kept(), lambda _snapshot, _state: None
        ).run(1)

    outcome = run_virtual(main)
    assert outcome.trip is not None
    assert outcome.trip.text_en == "The link to the climate chamber was lost: this bench has no climate chamber."
    assert outcome.failures == ()


@pytest.mark.parametrize("level", LEVELS)
def test_a_chamber_that_falls_silent_stops_the_run(level: str, tmp_path: Path) -> None:
    ran = run(CHARGE, tmp_path, level, "comms.chamber_lost@300")
    ran.witness.assert_safe()
    trip = ran.outcome.trip
    assert trip is not None
    assert (trip.rule, trip.fault_id) == ("chamber_stale", "comms.chamber_lost")
    assert "The climate chamber has been silent for 6." in trip.text_en
    assert "环境箱已 6." in trip.text_zh
    after_s = (ran.witness.output_off_ns() - ran.witness.fault_ns) / S
    # Its readings may be 6 s old; the last may be one poll older than the fault, and the cycler's poll notices it.
    assert 6.0 - 2.0 < after_s < 6.0 + 0.6
    # It cannot be told to stop: that is said, and holds up the end for its time-outs and no longer.
    assert any(failure.startswith("chamber stop: ") for failure in ran.outcome.failures)
    assert ran.bench.chamber.running
    assert ran.ended_ns - ran.witness.coil_off_ns() < 6 * S
    assert ran.kept.events[-1].kind == "shut_down"
    assert ran.kept.events[-1].data["at_rest"] is True
    assert any("chamber stop" in problem for problem in ran.kept.events[-1].data["problems"])


@pytest.mark.parametrize("level", LEVELS)
def test_a_meter_that_falls_silent_stops_the_run(level: str, tmp_path: Path) -> None:
    ran = run(CHARGE, tmp_path, level, "comms.meter_lost@300")
    assert ran.rule == "meter_stale"
    assert_at_rest(ran)
    assert 3.0 - 1.0 < (ran.witness.output_off_ns() - ran.witness.fault_ns) / S < 3.0 + 0.6


@pytest.mark.parametrize("level", LEVELS)
def test_a_leak_stops_the_run_within_the_catalogue_s_second(level: str, tmp_path: Path) -> None:
    ran = run(CHARGE, tmp_path, level, "pack.insulation@300.1")
    assert_at_rest(ran)
    trip = ran.outcome.trip
    assert trip is not None
    assert (trip.rule, trip.fault_id, trip.value) == ("insulation_low", "pack.insulation", 50_000.0)
    # From the first sample that shows it, which comes within the meter's poll.
    assert (ran.witness.output_off_ns() - ran.witness.fault_ns) / S < 1.0 + 1.0
    assert ran.bench.world.plant.contactor.hot_openings == 0


@pytest.mark.parametrize("level", LEVELS)
def test_a_pack_that_leaks_is_never_connected(level: str, tmp_path: Path) -> None:
    ran = run(CHARGE, tmp_path, level, settings=("plant.insulation_ohm=199999",))
    assert ran.rule == "insulation_low"
    assert ran.outcome.bench_ns == 0
    assert ran.bench.world.plant.contactor.closings == 0
    assert_at_rest(ran)
    sound = run(CHARGE, tmp_path, level, settings=("plant.insulation_ohm=200001",))
    assert sound.outcome.finish.verdict == "pass"


@pytest.mark.parametrize("level", LEVELS)
def test_insulation_is_not_watched_where_the_pack_file_states_none(level: str, tmp_path: Path) -> None:
    ran = run(CHARGE, tmp_path, level, "pack.insulation@60", bench="sim-climate-lv", pack="lfp-16s")
    assert ran.outcome.trip is None
    assert ran.outcome.finish.verdict == "pass"


def test_an_alarm_of_the_chamber_stops_the_run(tmp_path: Path) -> None:
    async def meddle(bench: Bench) -> None:
        await bench.clock.sleep_until(300 * S)
        device = bench.played["chamber"]
        assert isinstance(device, ModbusChamberDevice)
        device._alarms = ("fan_fault",)

    ran = run(CHARGE, tmp_path, "bytes", meddle=meddle)
    assert ran.rule == "chamber_alarm"
    assert ran.outcome.trip is not None
    assert "fan fault" in ran.outcome.trip.text_en
    assert_at_rest(ran)


def test_a_tester_that_has_measured_nothing_refuses_the_run_of_a_pack_with_a_limit(tmp_path: Path) -> None:
    async def meddle(bench: Bench) -> None:
        device = bench.played["meter"]
        assert isinstance(device, ModbusInsulationDevice)
        device._state = "idle"

    ran = run(CHARGE, tmp_path, "bytes", meddle=meddle)
    assert ran.rule is None
    assert ran.outcome.finish.verdict == "aborted"
    assert ran.outcome.finish.reason == "the run was refused: no good reading of the bench's meter within 10 s"
    assert ran.bench.world.plant.contactor.closings == 0
    # No limit, no need of it.
    other = run(CHARGE, tmp_path, "bytes", meddle=meddle, bench="sim-climate-lv", pack="lfp-16s")
    assert other.outcome.finish.verdict == "pass"


def test_a_tester_that_begins_anew_during_a_run_has_its_stale_after_for_it(tmp_path: Path) -> None:
    def measuring(for_s: float) -> Ran:
        async def meddle(bench: Bench) -> None:
            await bench.clock.sleep_until(300 * S)
            device = bench.played["meter"]
            assert isinstance(device, ModbusInsulationDevice)
            device._measure_ns = round(for_s * S)
            device.write_coil(bench.clock.now_ns(), 0, True)

        return run(CHARGE, tmp_path, "bytes", meddle=meddle)

    assert measuring(1.5).outcome.finish.verdict == "pass"
    assert measuring(5.0).rule == "meter_stale"


class Deaf:
    """A chamber that answers readings and takes no command."""

    def __init__(self, chamber: Chamber) -> None:
        self.identify, self.read = chamber.identify, chamber.read

    async def hold(self, temperature_c: float) -> None:
        raise ReplyTimeout("it does not answer")

    async def stop(self) -> None:
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("level", LEVELS)
def test_a_command_that_the_chamber_does_not_take_stops_the_run_and_its_silence_is_bounded(
    level: str, tmp_path: Path
) -> None:
    def deaf(devices: Devices) -> Devices:
        assert devices.chamber is not None
        return replace(devices, chamber=Deaf(devices.chamber))

    ran = run(CHARGE, tmp_path, level, wrap=deaf)
    trip = ran.outcome.trip
    assert trip is not None
    assert trip.rule == "link_lost"
    assert trip.text_en == "The link to the climate chamber was lost: it does not answer."
    assert "环境箱" in trip.text_zh
    ran.witness.assert_safe()
    kinds = ran.kinds()
    assert "set_chamber" in kinds
    assert "chamber_acknowledged" not in kinds
    assert "set_output" not in kinds, "what came after it is not carried out"
    assert 3 * S <= ran.ended_ns - ran.witness.coil_off_ns() < 6 * S
    assert ran.outcome.failures == ("chamber stop: TimeoutError",)


@pytest.mark.parametrize("level", LEVELS)
def test_the_command_line_injects_a_leak(
    level: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, witnesses: list[Any]
) -> None:
    words = ("simulate", "quick-check", "--pack", "nmc-96s", "--bench", "sim-climate", "--level", level)
    answer = ask(capsys, *words, "--fault", "pack.insulation@20", "--out", str(tmp_path), "--no-report")
    assert answer.code == 3
    (trip,) = answer.data["trips"]
    assert trip["rule"] == "insulation_low"
    assert answer.data["result"]["verdict"] == "ABORTED"
    (witness,) = witnesses
    witness.assert_safe()
