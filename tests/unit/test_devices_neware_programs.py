"""The Neware driver on its emulator: programs uploaded, run, stopped and fetched, with a pack behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.neware_bench import CELLS, HERE, driver_on, on_a_pack, program, sleep
from tests.unit.sim_bench import ALIKE, make_pack
from tests.unit.wire_parts import PlainCycler

from packbench.core.errors import DeviceRefused, InputError
from packbench.core.limits import LimitSet, merge_limits
from packbench.core.samples import Quality
from packbench.core.step_program import (
    CccvStep,
    CcStep,
    CvStep,
    CycleStep,
    PauseStep,
    ProgramStep,
    RestStep,
    StepProgram,
)
from packbench.drivers.neware_bts import NewareBts
from packbench.drivers.protocols import ProgramRow
from packbench.profile.exchange.neware import to_step_program
from packbench.profile.language.compiler import compile_profile
from packbench.wire.neware.frames import NewareRefused
from packbench.wire.neware.replies import Acknowledged
from packbench.wire.neware.requests import MAX_ROWS, ChannelAction
from packbench.wire.neware.steps import to_neware_xml
from packbench_sim.devices.neware_bts import NewareBtsDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.plant import Plant


def files(**programs: StepProgram) -> Callable[[str], bytes]:
    """Step files by name, in place of a folder."""
    return lambda path: to_neware_xml(programs[path]).encode() if path in programs else b""


async def until_over(driver: NewareBts, clock: VirtualClock, *, hours: float = 5.0) -> str:
    for _ in range(round(hours * 360)):
        status = await driver.status()
        if status != "running":
            return status
        await sleep(clock, 10.0)
    pytest.fail("the program does not end")


async def all_rows(driver: NewareBts) -> list[ProgramRow]:
    rows: list[ProgramRow] = []
    while more := await driver.rows(len(rows)):
        assert more[0].number == len(rows) + 1
        rows += more
    return rows


# ------------------------------------------------------------ a whole test


def test_a_program_is_uploaded_run_by_the_cycler_watched_and_fetched(tmp_path: Path) -> None:
    what = program(
        RestStep(30.0),
        CccvStep(100.0, CELLS * 4.2, 5.0),
        RestStep(60.0),
        CcStep("discharge", 100.0, CELLS * 2.8),
        RestStep(30.0),
        voltage_max_v=CELLS * 4.3,
    )

    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        assert await driver.status() == "finished"
        await driver.upload(what)
        await driver.start()
        assert await driver.status() == "running"
        sample = await driver.read()
        assert (sample.output_on, sample.regulation, sample.quality) == (False, "off", Quality.GOOD)
        await sleep(clock, 40.0)
        sample = await driver.read()
        assert (sample.output_on, sample.regulation, sample.alarms) == (True, "cc", ())
        assert sample.current_a == pytest.approx(100.0, abs=1e-3)
        assert sample.voltage_v == pytest.approx(plant.cycler.terminal_voltage_v, abs=1e-3)
        seen: set[tuple[bool, str]] = set()
        while await driver.status() == "running":
            await sleep(clock, 20.0)
            sample = await driver.read()
            seen.add((sample.current_a < 0.0, sample.regulation))
        assert seen >= {(False, "off"), (False, "cc"), (False, "cv"), (True, "cc")}
        assert await driver.status() == "finished"
        assert plant.cycler.current_a == 0.0
        assert not plant.cycler.output_on
        rows = await all_rows(driver)
        assert len(rows) > 3 * MAX_ROWS
        assert [row.number for row in rows] == list(range(1, len(rows) + 1))
        kinds = [step.kind for step in what.steps]
        assert [row.kind for row in rows if row.step_time_s == 0.0] == kinds
        charge = [row for row in rows if row.kind == "cccv_charge"]
        assert charge[-1].voltage_v == pytest.approx(CELLS * 4.2, abs=0.01)
        assert 4.5 < charge[-1].current_a <= 5.0
        assert charge[-1].step_ah == pytest.approx(50.0, rel=0.1)
        discharge = [row for row in rows if row.kind == "cc_discharge"]
        assert discharge[-1].current_a == pytest.approx(-100.0, abs=1e-6)
        assert discharge[-1].voltage_v == pytest.approx(CELLS * 2.8, abs=0.05)
        hours = discharge[-1].step_time_s / 3600.0
        assert discharge[-1].step_ah == pytest.approx(-100.0 * hours, rel=1e-3)
        assert discharge[-1].step_ah == pytest.approx(-100.0, rel=0.1)
        assert discharge[-1].step_wh == pytest.approx(discharge[-1].step_ah * CELLS * 3.6, rel=0.05)

    on_a_pack(use, tmp_path)


def test_the_cycler_stops_by_its_own_protection(tmp_path: Path) -> None:
    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        limit_v = plant.cycler.terminal_voltage_v + 1.5
        await driver.upload(program(CcStep("charge", 100.0, 60.0), voltage_max_v=limit_v, delay_s=2.0))
        await driver.start()
        assert await until_over(driver, clock) == "protected"
        assert not plant.cycler.output_on
        sample = await driver.read()
        assert (sample.output_on, sample.alarms) == (False, ("protection",))
        rows = await all_rows(driver)
        over = [row for row in rows if row.voltage_v > limit_v]
        assert 3 <= len(over) <= 4, "two seconds of delay, a row a second"
        await driver.prepare()
        cleared = device.answer(clock.now_ns(), ChannelAction("clearflag", (HERE,)))
        assert cleared == Acknowledged("clearflag", ((HERE, False),)), "prepare has acknowledged it already"
        await driver.start()
        assert await driver.status() == "running"

    on_a_pack(use, tmp_path)


@pytest.mark.parametrize(
    ("limits", "step"),
    [
        ({"voltage_min_v": 43.0}, CcStep("discharge", 100.0, 30.0)),
        ({"charge_current_max_a": 40.0}, CcStep("charge", 50.0, 60.0)),
        ({"discharge_current_max_a": 40.0}, CcStep("discharge", 50.0, 30.0)),
        ({"capacity_max_ah": 0.5}, CcStep("discharge", 50.0, 30.0)),
    ],
)
def test_every_protection_of_a_program_acts(limits: dict[str, float], step: ProgramStep, tmp_path: Path) -> None:
    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        await driver.upload(program(step, **limits))
        await driver.start()
        assert await until_over(driver, clock) == "protected"
        assert not plant.cycler.output_on

    on_a_pack(use, tmp_path)


def test_stop_is_at_once_and_does_not_mind_being_said_twice(tmp_path: Path) -> None:
    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        await driver.stop()
        await driver.upload(program(CcStep("discharge", 50.0, 30.0)))
        await driver.start()
        await sleep(clock, 60.0)
        assert (await driver.read()).output_on
        await driver.stop()
        assert not plant.cycler.output_on
        assert await driver.status() == "idle"
        await driver.stop()
        rows = await all_rows(driver)
        assert rows[-1].step_time_s == pytest.approx(60.0, abs=0.2)

    on_a_pack(use, tmp_path)


def test_a_pause_waits_for_continue(tmp_path: Path) -> None:
    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        await driver.upload(program(PauseStep(), RestStep(5.0)))
        await driver.start()
        await sleep(clock, 3600.0)
        assert await driver.status() == "paused"
        assert (await driver.read()).output_on is False
        with pytest.raises(DeviceRefused, match="starts from finish, stop, protect, and the channel says pause"):
            await driver.start()
        ask = ChannelAction("continue", (HERE,))
        assert device.answer(clock.now_ns(), ask) == Acknowledged("continue", ((HERE, True),))
        assert device.answer(clock.now_ns(), ask) == Acknowledged("continue", ((HERE, False),))
        await sleep(clock, 6.0)
        assert await driver.status() == "finished"
        await driver.start()
        await driver.prepare()
        assert await driver.status() == "idle", "prepare stops what is paused, too"

    on_a_pack(use, tmp_path)


def test_loops_count_rounds_and_cycles(tmp_path: Path) -> None:
    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        inner = (RestStep(1.0), CcStep("charge", 10.0, until_time_s=2.0), CycleStep(2, 2))
        await driver.upload(program(RestStep(1.0), *inner[1:], CycleStep(1, 3)))
        await driver.start()
        await until_over(driver, clock)
        began = [(row.step, row.cycle) for row in await all_rows(driver) if row.step_time_s == 0.0]
        assert began == [(1, 1), (2, 1), (2, 2), (1, 3), (2, 3), (2, 4), (1, 5), (2, 5), (2, 6)]

    on_a_pack(use, tmp_path)


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (CcStep("discharge", 50.0, 30.0, until_time_s=12.3), 12.3),
        (CcStep("discharge", 36.0, 30.0, until_capacity_ah=0.1), 10.0),
        (CccvStep(36.0, 60.0, 1.0, until_capacity_ah=0.1), 10.0),
        (CccvStep(36.0, 60.0, 1.0, until_time_s=7.0), 7.0),
        (CvStep("charge", 45.0, 20.0, None, until_time_s=4.0), 4.0),
        (RestStep(0.25), 0.25),
    ],
)
def test_a_step_ends_by_time_or_charge(step: ProgramStep, seconds: float, tmp_path: Path) -> None:
    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        await driver.upload(program(step))
        await driver.start()
        await until_over(driver, clock)
        assert (await all_rows(driver))[-1].step_time_s == pytest.approx(seconds, abs=0.2)

    on_a_pack(use, tmp_path)


def test_a_held_voltage_ends_by_its_current_in_both_directions(tmp_path: Path) -> None:
    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        steps = (CvStep("charge", 46.0, 60.0, 20.0), CvStep("discharge", 44.0, 60.0, 20.0))
        await driver.upload(program(*steps))
        await driver.start()
        await until_over(driver, clock)
        rows = await all_rows(driver)
        for kind, voltage_v, sign in (("cv_charge", 46.0, 1.0), ("cv_discharge", 44.0, -1.0)):
            of_kind = [row for row in rows if row.kind == kind]
            assert max(abs(row.current_a) for row in of_kind) == pytest.approx(60.0, abs=1e-6)
            assert sign * of_kind[-1].current_a == pytest.approx(20.0, abs=0.5)
            assert of_kind[-1].voltage_v == pytest.approx(voltage_v, abs=0.01)
            assert sign * of_kind[-1].step_ah > 0.0

    on_a_pack(use, tmp_path)


def test_a_new_test_has_no_rows_of_the_one_before(tmp_path: Path) -> None:
    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        await driver.upload(program(RestStep(20.0)))
        await driver.start()
        await until_over(driver, clock)
        assert len(await all_rows(driver)) > 20
        await driver.start()
        assert len(await all_rows(driver)) < 5

    on_a_pack(use, tmp_path)


def test_a_killed_client_changes_nothing_for_the_program(tmp_path: Path) -> None:
    """There is no watchdog: the program is the cycler's own business."""

    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        await driver.upload(program(CcStep("discharge", 50.0, until_time_s=600.0)))
        await driver.start()
        # Only the device's own clockwork from here on.
        for _ in range(7000):
            device.tick(clock.now_ns())
            await sleep(clock, 0.1)
        assert device.run is not None
        assert (device.run.state, plant.cycler.output_on) == ("finish", False)

    on_a_pack(use, tmp_path)


def test_a_profile_is_exported_run_and_its_charge_fetched(tmp_path: Path) -> None:
    pack = make_pack(series=CELLS, initial_soc=0.5, **ALIKE)
    plan = compile_profile(
        "profile: by-voltage\ntitle: {en: T, zh: 测}\nrecord: {dt: 10 s}\nsteps:\n"
        "  - cccv_charge: {current: 50 A, voltage: pack_full, end_current: 5 A}\n"
        "  - rest: {for: 10 min}\n"
        "  - cc_discharge: {label: discharge, current: 50 A, until: voltage <= pack_cutoff}\n",
        "p.yaml",
        pack,
    )
    run = LimitSet(
        cell_spread_max_v=0.5, temperature_rate_max_k_min=5.0, pack_voltage_max_v=52.0, pack_voltage_min_v=30.0
    )
    what = to_step_program(plan, merge_limits({"pack": pack.limits, "run": run}), cable_ohm=0.004)

    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        await driver.upload(what)
        await driver.start()
        assert await until_over(driver, clock) == "finished"
        rows = await all_rows(driver)
        charged, discharged = (
            next(row for row in reversed(rows) if row.kind == kind) for kind in ("cccv_charge", "cc_discharge")
        )
        # Less the drop of the cable, the pack came to the profile's own voltages.
        assert charged.voltage_v - 0.004 * charged.current_a == pytest.approx(CELLS * 4.2, abs=0.01)
        assert discharged.voltage_v - 0.004 * discharged.current_a == pytest.approx(CELLS * 2.8, abs=0.05)
        assert -105.0 < discharged.step_ah < -90.0

    on_a_pack(use, tmp_path)


# ------------------------------------------------------------ choosing a channel


def test_the_channel_must_be_named_where_there_are_several() -> None:
    async def main(clock: VirtualClock) -> None:
        device = NewareBtsDevice(PlainCycler(), channels=3, subdevid=5)
        with pytest.raises(InputError, match="one of 27-21-5-1, 27-21-5-2, 27-21-5-3"):
            await driver_on(device, clock)[0].identify()
        with pytest.raises(InputError, match="found 21-5-4"):
            await driver_on(device, clock, channel="21-5-4")[0].identify()
        for name in ("21-5-2", "27-21-5-2"):
            driver = driver_on(device, clock, channel=name)[0]
            identity = await driver.identify()
            assert (identity.model, identity.serial) == ("Neware BTS85", "21-5-2")
            assert await driver.status() == "finished"
        for wrong in ("5-2", "a-b-c", "1-2-3-4-5"):
            with pytest.raises(InputError, match="21-1-8"):
                driver_on(device, clock, channel=wrong)

    run_virtual(main)


def test_no_device_in_the_client_is_said_so() -> None:
    async def main(clock: VirtualClock) -> None:
        device = NewareBtsDevice(PlainCycler(), devices_running=False)
        with pytest.raises(DeviceRefused, match="no device is running in the BTS client"):
            await driver_on(device, clock)[0].identify()

    run_virtual(main)


def test_the_unit_s_number_may_come_back_as_1() -> None:
    async def main(clock: VirtualClock) -> None:
        device = NewareBtsDevice(PlainCycler(), channels=2, subdevid=5, unit_mistake=True)
        driver, _ = driver_on(device, clock, channel="21-5-2")
        await driver.identify()
        assert await driver.status() == "finished"

    run_virtual(main)


# ------------------------------------------------------------ starting


def test_nothing_is_uploaded_without_a_folder(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        device = NewareBtsDevice(PlainCycler())
        driver, _ = driver_on(device, clock)
        await driver.identify()
        with pytest.raises(InputError, match="program_directory"):
            await driver.upload(program(RestStep(1.0)))
        driver, _ = driver_on(device, clock, program_directory=str(tmp_path / "nowhere"))
        await driver.identify()
        with pytest.raises(InputError, match="cannot be written"):
            await driver.upload(program(RestStep(1.0)))

    run_virtual(main)


@pytest.mark.parametrize(
    ("there", "path"),
    [("D:\\packbench\\", "D:\\packbench\\packbench-21-1-1.xml"), ("/mnt/steps", "/mnt/steps/packbench-21-1-1.xml")],
)
def test_the_step_file_is_named_as_the_client_s_machine_knows_it(there: str, path: str, tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        device = NewareBtsDevice(PlainCycler(), read_file=files(**{path: program(RestStep(1.0))}))
        driver, _ = driver_on(device, clock, program_directory=str(tmp_path), program_path=there, barcode="pack-7")
        await driver.identify()
        await driver.upload(program(RestStep(1.0)))
        assert (tmp_path / "packbench-21-1-1.xml").read_text("utf-8") == to_neware_xml(program(RestStep(1.0)))
        await driver.start()
        assert (await driver.status(), device.barcode) == ("running", "pack-7")

    run_virtual(main)


def test_a_step_file_that_cannot_be_run_is_refused(tmp_path: Path) -> None:
    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        await driver.upload(program(RestStep(1.0)))
        (tmp_path / "packbench-21-1-1.xml").write_text("hello there")
        with pytest.raises(NewareRefused, match="start refused by channel 21-1-1"):
            await driver.start()
        assert await driver.status() == "finished"

    on_a_pack(use, tmp_path)
