"""Undisturbed runs, and runs that stop as they should, break no invariant."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.campaign.invariants_rig import SHORT, WHO, Rig, watched

from packbench.app.conclude import conclude
from packbench_sim.invariants import TEXTS, same_bytes, same_control


def concluded(folder: Path) -> None:
    """Make the result beside the record."""
    conclude(folder, "en", with_report=False)


@pytest.mark.parametrize(
    ("profile", "pack"),
    [("quick-check", "nmc-96s"), ("quick-check", "lfp-16s"), (SHORT, "nmc-96s"), (SHORT, "lmo-25ah")],
)
def test_an_undisturbed_run_breaks_nothing(tmp_path: Path, profile: str, pack: str) -> None:
    run = watched(tmp_path, profile=profile, pack=pack, settings=("plant.initial_soc=0.05",), tamper=concluded)
    assert run.words == []
    assert run.outcome.trip is None
    assert run.outcome.finish.verdict == "pass"
    monitor = run.monitor
    assert monitor is not None
    # It has looked: a monitor that sees nothing would be content as well.
    assert monitor.ticks > 1000
    assert monitor.data.rows_checked > 50
    assert monitor.board.valid_heartbeats > 300
    assert {name for _, name, _ in monitor.commands} >= {"Arm", "Close", "Open", "cycler", "CONTACTOR"}


@pytest.mark.parametrize(
    ("fault_id", "rule"),
    [
        ("sensor.weak_cell", "cell_under_voltage"),
        ("comms.bms_lost", "bms_stale"),
        ("comms.cycler_lost", "cycler_stale"),
        ("power.setpoint", "setpoint_not_followed"),
        ("power.ignores_off", "off_ignored"),
        ("sensor.scale", "pack_under_voltage"),
        ("pack.hvil", "board_open"),
        ("power.weld", "contactor_not_open"),
    ],
)
def test_a_run_that_stops_as_it_should_breaks_nothing(tmp_path: Path, fault_id: str, rule: str) -> None:
    run = watched(tmp_path, faults=((fault_id, 45.0),))
    assert run.words == []
    assert run.outcome.trip is not None
    assert run.outcome.trip.rule == rule


def test_an_operator_who_aborts_and_is_written_down_breaks_nothing(tmp_path: Path) -> None:
    def meddle(rig: Rig) -> None:
        def abort() -> None:
            assert rig.run is not None
            assert rig.monitor is not None
            rig.monitor.operator_command("run", WHO)
            rig.monitor.operator_command("abort", WHO)
            rig.tell("abort", by=WHO)
            rig.run.abort("enough")

        rig.at(45.0, abort)

    run = watched(tmp_path, meddle=meddle)
    assert run.words == []
    assert run.outcome.finish.verdict == "aborted"


def test_the_monitor_changes_nothing(tmp_path: Path) -> None:
    with_it = watched(tmp_path / "with")
    watched(tmp_path / "without", watch=False)
    assert with_it.words == []
    assert same_bytes(tmp_path / "with" / "run.db", tmp_path / "without" / "run.db") is None


def test_a_jump_of_the_wall_clock_changes_nothing(tmp_path: Path) -> None:
    def jump(rig: Rig) -> None:
        from datetime import timedelta

        wall = rig.clock.wall
        rig.at(40.0, lambda: setattr(rig.clock, "wall", lambda: wall() + timedelta(hours=5)))

    one, other = watched(tmp_path / "one"), watched(tmp_path / "other", meddle=jump)
    assert one.monitor is not None
    assert other.monitor is not None
    files = (tmp_path / "one" / "run.db", tmp_path / "other" / "run.db")
    assert same_control(one.monitor.commands, other.monitor.commands, files) is None


def test_every_invariant_has_words() -> None:
    assert list(TEXTS) == [f"I{number}" for number in range(1, 15)]
