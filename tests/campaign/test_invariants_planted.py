"""Each invariant, broken on purpose, is found by its own check and by no other.

What is made to do the forbidden thing is a part of the world (a board, a contactor, a wire), a driver, the recorder or
the finished file; the monitor is never told anything that did not happen.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.campaign.invariants_rig import MS, SHORT, WHO, Rig, S, watched

from packbench.app.conclude import conclude
from packbench.app.job import effective_limits, load_job
from packbench.core.limits import LIMIT_NAMES, LimitSet
from packbench.core.samples import BmsSample, CyclerSample
from packbench_board.codes import Output
from packbench_sim.invariants import layers_of, refusal_missing, same_bytes, same_control, tightest

REST_S = 33.0
"""In the rest between the two currents of the quick check; the contactor is closed, the output off."""
CHARGING_S = 20.0


# -- I1 --------------------------------------------------------------------------------------------


def deafen(rig: Rig) -> None:
    """Nothing that the host says reaches the board any more; the board's own time goes on."""
    rig.lines["board"].to_device = lambda _t_ns, _data: b""


def test_i1_a_coil_that_stays_on_when_the_lease_is_over(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        contactor: Any = rig.world.plant.contactor
        drive = contactor.drive

        def sticking(t_ns: int, *, closed: bool) -> None:
            if closed or t_ns < REST_S * S:
                drive(t_ns, closed=closed)

        contactor.drive = sticking
        rig.at(REST_S, lambda: deafen(rig))

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I1"}, run.words
    assert "coil" in run.words[0]
    # Judged from the newest heartbeat, so at the first instant after 600 ms of it.
    first = run.monitor.violations[0] if run.monitor else None
    assert first is not None
    assert 0.6 < first.data["age_s"] < 0.75


def test_i1_a_current_that_goes_on_through_a_welded_contact(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        faults = rig.world.plant.faults

        def lose_everything() -> None:
            faults.welded = faults.ignores_off = True
            deafen(rig)

        rig.at(CHARGING_S, lose_everything)

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I1"}, run.words
    assert "flow" in run.words[0]


def test_i1_a_board_that_takes_an_old_counter(tmp_path: Path) -> None:
    """The board goes on, although every heartbeat is a copy of one that it has had."""

    def meddle(rig: Rig) -> None:
        board: Any = rig.world.board
        core = board._core
        step = core.step
        copied: list[bytes] = []

        def step_with_a_fresh_one(tick_us: int, inputs: int, measured: Any, received: bytes = b"") -> bytes:
            return step(tick_us, inputs, measured, received)

        on_bytes = board.on_bytes

        def replayed(t_ns: int, data: bytes) -> bytes:
            if not data or t_ns < REST_S * S:
                return on_bytes(t_ns, data)
            # The core gets what the host sent; what a tap on the wire sees is the copy.
            heard, board.on_heard = board.on_heard, None
            sent = on_bytes(t_ns, data)
            board.on_heard = heard
            copied.append(data)
            heard(t_ns, copied[0], sent)
            return sent

        core.step = step_with_a_fresh_one
        board.on_bytes = replayed

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I1"}, run.words


# -- I2 and I12 ------------------------------------------------------------------------------------


def test_i2_a_limit_that_the_run_does_not_know(tmp_path: Path) -> None:
    run = watched(tmp_path, layers={"room": LimitSet(temperature_max_c=20.0)})
    assert run.found == {"I2"}, run.words
    said = " ".join(run.words)
    assert "not told to switch off" in said
    assert "still flow" in said
    assert "coil is still on" in said


def slow_off(rig: Rig, after_s: float) -> None:
    """An "off" that takes its time, from an instant on."""
    cycler: Any = rig.devices.cycler
    off = cycler.off

    async def late() -> None:
        if rig.clock.now_ns() >= CHARGING_S * S:
            await rig.clock.sleep_until(rig.clock.now_ns() + round(after_s * S))
        await off()

    cycler.off = late


def test_i2_an_off_that_comes_late(tmp_path: Path) -> None:
    run = watched(tmp_path, faults=(("sensor.weak_cell", CHARGING_S),), meddle=lambda rig: slow_off(rig, 0.4))
    assert run.found == {"I2"}, run.words
    assert "not told to switch off" in run.words[0]


def test_i12_an_off_that_waits_for_the_disk(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        slow_off(rig, 0.4)
        assert rig.monitor is not None
        rig.monitor.impair(active=True)

    run = watched(tmp_path, faults=(("sensor.weak_cell", CHARGING_S),), meddle=meddle)
    assert run.found == {"I12"}, run.words


def test_i12_an_operators_stop_that_waits(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        slow_off(rig, 2.0)

        def abort() -> None:
            assert rig.run is not None
            assert rig.monitor is not None
            rig.monitor.operator_command("abort", WHO)
            rig.tell("abort", by=WHO)
            rig.run.abort("enough")

        rig.at(CHARGING_S, abort)

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I12"}, run.words


# -- I3 and I4 -------------------------------------------------------------------------------------


def outputs(rig: Rig, bits: int) -> Callable[[], None]:
    """The board's outputs stand at these bits, whatever its program says."""

    def act() -> None:
        board: Any = rig.world.board
        board.halted = True
        board._outputs = bits
        board._drive(rig.clock.now_ns())

    return act


def test_i3_a_coil_that_goes_on_again_by_itself(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        precharge, both = int(Output.PRECHARGE), int(Output.PRECHARGE | Output.CONTACTOR)
        for after_s, bits in ((0.0, 0), (0.03, precharge), (0.13, both), (0.2, 0)):
            rig.at(REST_S + after_s, outputs(rig, bits))

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I3"}, run.words
    assert "coil" in run.words[0]


def test_i3_an_output_that_comes_back_by_itself(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        cycler = rig.world.plant.cycler

        def come_back() -> None:
            cycler.enabled = True
            cycler.command(
                rig.clock.now_ns(), output_on=True, voltage_v=350.0, source_current_a=1.0, sink_current_a=0.0
            )

        # Right after the coil went off for good, while all readings are fresh.
        contactor: Any = rig.world.plant.contactor
        drive = contactor.drive

        def drive_and_come_back(t_ns: int, *, closed: bool) -> None:
            drive(t_ns, closed=closed)
            if not closed and t_ns > REST_S * S:
                rig.loop.at_ns(t_ns + 50 * MS, come_back)
                rig.loop.at_ns(t_ns + 100 * MS, lambda: setattr(cycler, "enabled", False))

        contactor.drive = drive_and_come_back
        rig.at(REST_S, lambda: rig.run.abort("enough") if rig.run else None)

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I3"}, run.words
    assert "output" in run.words[0]


def test_i4_a_board_that_does_not_precharge(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        board: Any = rig.world.board
        drive = board._drive

        def without(t_ns: int) -> None:
            bits = board._outputs
            board._outputs = bits & ~int(Output.PRECHARGE)
            drive(t_ns)
            board._outputs = bits

        board._drive = without

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I4"}, run.words
    assert "precharged" in run.words[0]


def test_i4_a_closing_across_a_voltage(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        plant = rig.world.plant
        contactor: Any = plant.contactor
        drive = contactor.drive

        def drive_and_step(t_ns: int, *, closed: bool) -> None:
            drive(t_ns, closed=closed)
            if closed:
                plant.cycler.set_voltage_v -= 15.0
                plant.cycler.update()

        contactor.drive = drive_and_step

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I4"}, run.words
    assert "across" in run.words[0]


# -- I5 and I6 -------------------------------------------------------------------------------------


def test_i5_a_run_that_holds_the_last_value(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        rig.bench = replace(rig.bench, bms=replace(rig.bench.bms, stale_after_ns=3600 * S))

    run = watched(tmp_path, faults=(("comms.bms_lost", CHARGING_S),), meddle=meddle)
    assert run.found == {"I5"}, run.words
    assert any("heartbeat" in words for words in run.words)
    assert any("told more" in words for words in run.words)


def test_i6_cells_of_another_register(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        bms: Any = rig.devices.bms
        read = bms.read

        async def shifted() -> BmsSample:
            sample: BmsSample = await read()
            return sample._replace(cell_voltages_v=np.roll(sample.cell_voltages_v, 1))

        bms.read = shifted

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I6"}, run.words


def test_i6_an_answer_to_an_earlier_question(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        cycler: Any = rig.devices.cycler
        read = cycler.read
        before: list[CyclerSample] = []

        async def late() -> CyclerSample:
            sample: CyclerSample = await read()
            before.append(sample)
            late_now = rig.clock.now_ns() > REST_S * S
            return sample._replace(voltage_v=before[-5].voltage_v) if late_now else sample

        cycler.read = late

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I6"}, run.words


# -- I7, I8, I13 and I14 ---------------------------------------------------------------------------


def sql(*statements: str) -> Callable[[Path], None]:
    """Do this to the closed record."""

    def tamper(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "run.db")) as db, db:
            for statement in statements:
                db.execute(statement)

    return tamper


def test_i7_an_acknowledged_record_that_is_lost(tmp_path: Path) -> None:
    run = watched(tmp_path, tamper=sql("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)"))
    assert run.found == {"I7"}, run.words


@pytest.mark.parametrize("kind", ["doubled", "reordered"])
def test_i7_a_store_that_doubles_or_reorders(tmp_path: Path, kind: str) -> None:
    def meddle(rig: Rig) -> None:
        store: Any = rig.store
        append = store.append

        def careless(batch: list[Any]) -> None:
            if len(batch) > 1 and rig.clock.now_ns() > 30 * S:
                batch = [*batch, batch[-1]] if kind == "doubled" else [batch[1], batch[0], *batch[2:]]
            append(batch)

        store.append = careless

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I7"}, run.words


class Meddling:
    """Changes the ended steps on their way to the recorder."""

    def __init__(self, journal: Any, change: Callable[[Any], Any]) -> None:
        self._journal = journal
        self._change = change

    def put_step(self, record: Any) -> int:
        return self._journal.put_step(self._change(record))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


@pytest.mark.parametrize(
    ("name", "profile", "factor"),
    [("energy_wh", "quick-check", 1.002), ("charge_ah", SHORT, 1.005), ("charge_ah", "quick-check", 2.0)],
)
def test_i8_a_step_that_counts_wrong(tmp_path: Path, name: str, profile: str, factor: float) -> None:
    def meddle(rig: Rig) -> None:
        rig.journal = Meddling(rig.journal, lambda record: replace(record, **{name: getattr(record, name) * factor}))

    run = watched(tmp_path, profile=profile, settings=("plant.initial_soc=0.05",), meddle=meddle)
    assert run.found == {"I8"}, run.words


@pytest.mark.parametrize("where", ["steps", "energy_wh"])
def test_i8_a_result_that_reports_something_else(tmp_path: Path, where: str) -> None:
    def tamper(folder: Path) -> None:
        conclude(folder, "en", with_report=False)
        path = folder / "result.json"
        result = json.loads(path.read_text())
        if where == "steps":
            result["steps"][-2]["energy_wh"] *= 1.002
        else:
            assert result["energy_wh"] is not None
            result["energy_wh"]["value"] *= 1.003
        path.write_text(json.dumps(result))

    run = watched(tmp_path, profile=SHORT, settings=("plant.initial_soc=0.05",), tamper=tamper)
    assert run.found == {"I8"}, run.words


def test_i13_a_word_that_nobody_wrote_down(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        assert rig.monitor is not None
        rig.monitor.operator_command("run", WHO)
        rig.tell("pause", by="somebody else")
        rig.monitor.operator_command("pause", WHO)

    run = watched(tmp_path, meddle=meddle)
    assert run.found == {"I13"}, run.words
    assert len(run.words) == 1


def test_i13_a_log_that_was_changed(tmp_path: Path) -> None:
    # In a column that no other check looks at.
    run = watched(tmp_path, tamper=sql("UPDATE samples SET soc = 0.5 WHERE seq = (SELECT min(seq) + 3 FROM samples)"))
    assert run.found == {"I13"}, run.words


@pytest.mark.parametrize("lie", ["serial", "hash", "unsealed", "trip"])
def test_i14_a_pass_that_is_none(tmp_path: Path, lie: str) -> None:
    def tamper(folder: Path) -> None:
        conclude(folder, "en", with_report=False)
        path = folder / "result.json"
        result = json.loads(path.read_text())
        result["verdict"] = "PASS"
        if lie == "serial":
            result["serial"] = ""
        elif lie == "hash":
            result["hashes"]["log_sha256"] = "0" * 64
        elif lie == "unsealed":
            sql("UPDATE run SET records = records - 1")(folder)
        path.write_text(json.dumps(result))

    faults = (("sensor.weak_cell", CHARGING_S),) if lie == "trip" else ()
    run = watched(tmp_path, faults=faults, tamper=tamper)
    assert run.found == {"I14"}, run.words


# -- I9 --------------------------------------------------------------------------------------------


def test_i9_a_set_point_beyond_the_tightest_limit(tmp_path: Path) -> None:
    wide = watched(tmp_path / "wide")
    assert wide.monitor is not None
    most_a = max(values[2] for _, name, values in wide.monitor.commands if name == "cycler")
    run = watched(tmp_path / "tight", layers={"fuse": LimitSet(charge_current_max_a=most_a - 0.05)})
    assert run.found == {"I9"}, run.words


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_i9_a_missing_limit_refuses_the_run(name: str) -> None:
    job = load_job("quick-check", "nmc-96s", None)
    plan = replace(job.plan, limits=replace(job.plan.limits, **{name: None}))
    pack = replace(job.pack, limits=replace(job.pack.limits, **{name: None}))
    limits = {layer: replace(stated, **{name: None}) for layer, stated in job.bench.limits.items()}
    bench = replace(job.bench, limits=limits)
    layers = layers_of(plan.limits, pack, bench)
    assert refusal_missing(name, layers, lambda: effective_limits(plan, pack, bench)) is None
    found = refusal_missing(name, layers, lambda: None)
    assert found is not None
    assert found.invariant == "I9"


def test_i9_the_merge_is_the_programs_too() -> None:
    job = load_job("quick-check", "nmc-96s", None)
    mine = tightest(layers_of(job.plan.limits, job.pack, job.bench))
    assert {name: getattr(job.limits, name) for name in LIMIT_NAMES} == mine


# -- I10 and I11 -----------------------------------------------------------------------------------


def test_i10_control_that_follows_the_wall_clock(tmp_path: Path) -> None:
    def hurried(rig: Rig) -> None:
        rig.at(REST_S, lambda: rig.run.abort("the day is over") if rig.run else None)

    one, other = watched(tmp_path / "one"), watched(tmp_path / "other", meddle=hurried)
    assert one.monitor is not None
    assert other.monitor is not None
    found = same_control(one.monitor.commands, other.monitor.commands)
    assert found is not None
    assert found.invariant == "I10"
    files = (tmp_path / "one" / "run.db", tmp_path / "other" / "run.db")
    found = same_control([], [], files)
    assert found is not None
    assert found.invariant == "I10"


def test_i11_a_log_that_differs(tmp_path: Path) -> None:
    watched(tmp_path / "one")
    watched(tmp_path / "same")
    watched(tmp_path / "other", tamper=sql("UPDATE events SET t_ns = t_ns + 1 WHERE seq = 5"))
    one, same, other = (tmp_path / name / "run.db" for name in ("one", "same", "other"))
    assert same_bytes(one, same) is None
    found = same_bytes(one, other)
    assert found is not None
    assert found.invariant == "I11"
    assert found.data == {"table": "events", "row": 5}
