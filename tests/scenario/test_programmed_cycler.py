"""A cycler that runs the whole program by itself, down to the bytes: handed over, followed, and stopped with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.scenario.programmed import BMS_POLL_S, CAPACITY, CONFIGS, DOWN_S, MINUTES, POLL_S, STALE_S, UP_S
from tests.scenario.support import Answer, S, Witness, ask, fresh, one_object

from packbench.store.reader import RunReader
from packbench_board.codes import TripCode


@pytest.fixture
def profile(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "profile.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


# ------------------------------------------------------------ on the command line


def simulated(capsys: pytest.CaptureFixture[str], profile: str, out: Path, *more: str) -> Answer:
    words = ("simulate", profile, "--pack", "lmo-25ah", "--bench", "sim-neware", "--set", "plant.initial_soc=0.9")
    return ask(capsys, *words, "--out", str(out), "--no-report", *more)


@pytest.mark.parametrize("perfect", [False, True])
def test_a_program_is_handed_over_run_and_followed_to_its_end(
    perfect: bool,
    capsys: pytest.CaptureFixture[str],
    witnesses: list[Witness],
    profile: Callable[[str], str],
    tmp_path: Path,
) -> None:
    answer = simulated(capsys, profile(CAPACITY), tmp_path, *(["--perfect"] if perfect else []))
    assert (answer.code, answer.data["trips"]) == (0, [])
    result = answer.data["result"]
    assert (result["verdict"], result["invalid_reasons"], result["provenance"]) == ("PASS", [], "simulated")
    assert [(step["label"], step["end_reason"]) for step in result["steps"]] == [
        ("charge", "current <= 5 A at 4.2 V"),
        ("between", "step_time >= 1 min"),
        ("discharge", "voltage <= pack_cutoff"),
        ("after", "step_time >= 1 min"),
    ]
    run, _truth = witnesses
    run.assert_safe()
    # What the plant's own counter says left the pack, in this very run: it was discharged once.
    true_ah = run.world.plant.true_discharge_ah
    assert true_ah > 18.0
    found = result["capacity_ah"]
    assert (
        abs(found["value"] - true_ah) < found["U"] < 0.12
    )  # its share of noise at the cut-off is an estimate from few readings
    if perfect:
        # The program's steps are known to a tenth of a second, whatever the readings' period.
        assert found["value"] == pytest.approx(true_ah, abs=0.3 * 25.0 / 3600)
        assert result["steps"][0]["charge_ah"] == pytest.approx(run.world.plant.true_charge_ah, abs=0.02)
    assert answer.data["truth"]["capacity_ah"] == pytest.approx(true_ah, rel=0.01)
    assert run.world.plant.contactor.hot_openings == 0
    with RunReader.open(tmp_path / "run.db") as reader:
        assert reader.verify().sealed
        kinds = [event.kind for event in reader.events()]
    assert kinds.index("contactor_closed") < kinds.index("launch") < kinds.index("launch_acknowledged")
    assert kinds.index("launch_acknowledged") < kinds.index("step_began")
    assert "set_output" not in kinds, "a programmed cycler takes no set-points"
    assert (tmp_path / "packbench-21-1-1.xml").is_file(), "the program stands beside the record"


@pytest.mark.parametrize(
    ("fault", "rule", "within_s", "hot"),
    [
        (f"sensor.weak_cell@{UP_S + 30.1:g}", "cell_over_voltage", BMS_POLL_S + 0.1, False),
        (f"sensor.weak_cell@{DOWN_S + 30.1:g}", "cell_under_voltage", BMS_POLL_S + 0.1, False),
        (f"comms.bms_lost@{DOWN_S + 30.1:g}", "bms_stale", 2.5 + 1.0, False),
        (f"power.setpoint@{UP_S + 30.1:g}", "setpoint_not_followed", POLL_S + 2.0 + BMS_POLL_S, False),
        # The program runs on where nobody hears of it: the contactor ends it, at once with the order to stop.
        (f"comms.cycler_lost@{UP_S + 30.1:g}", "cycler_stale", STALE_S + 1.0, True),
    ],
)
def test_a_rule_that_trips_stops_the_program(
    fault: str,
    rule: str,
    within_s: float,
    hot: bool,
    capsys: pytest.CaptureFixture[str],
    witnesses: list[Witness],
    profile: Callable[[str], str],
    tmp_path: Path,
) -> None:
    answer = simulated(capsys, profile(MINUTES), tmp_path, "--fault", fault)
    assert answer.code == 3
    (trip,) = answer.data["trips"]
    assert trip["rule"] == rule
    assert answer.data["result"]["verdict"] == "ABORTED"
    (witness,) = witnesses
    witness.assert_safe()
    witness.assert_latched(by=(TripCode.HOST, TripCode.LEASE))
    assert 0 < (witness.output_off_ns() - witness.fault_ns) / S <= within_s
    # Invariant I2: open within 1 s of the sample that made the program stop.
    assert 0 <= (witness.coil_off_ns() - witness.fault_ns) / S <= within_s + 1.0
    assert witness.world.plant.contactor.hot_openings <= int(hot)
    with RunReader.open(tmp_path / "run.db") as reader:
        kinds = [event.kind for event in reader.events()]
    assert "launch" not in kinds[kinds.index("trip") :]


def test_a_trip_before_the_start_leaves_the_program_where_it_is(
    capsys: pytest.CaptureFixture[str], witnesses: list[Witness], profile: Callable[[str], str], tmp_path: Path
) -> None:
    answer = simulated(capsys, profile(MINUTES), tmp_path, "--set", "ambient_c=70")
    assert (answer.code, [trip["rule"] for trip in answer.data["trips"]]) == (3, ["temperature_high"])
    (witness,) = witnesses
    witness.assert_safe()
    assert not any(on for _, on in witness.output)
    assert witness.world.plant.contactor.closings == 0


def test_the_same_seed_gives_the_same_record_wherever_the_program_is_handed_over(
    capsys: pytest.CaptureFixture[str], profile: Callable[[str], str], tmp_path: Path
) -> None:
    path = profile(MINUTES)
    one, other = (simulated(capsys, path, tmp_path / name, "--seed", "7") for name in ("one", "other"))
    assert one.code == 0
    assert one.data["log_sha256"] == other.data["log_sha256"]


CARRIED_BY_NONE = MINUTES.replace(
    "until: voltage <= pack_cutoff, for", "until: [cell_min <= 3 V, voltage <= 2.7 V], for"
)


@pytest.mark.parametrize("command", ["check", "simulate", "run"])
def test_what_a_program_cannot_carry_is_refused_with_its_line_before_any_device_is_touched(
    command: str,
    capsys: pytest.CaptureFixture[str],
    witnesses: list[Witness],
    profile: Callable[[str], str],
    tmp_path: Path,
) -> None:
    words = [command, profile(CARRIED_BY_NONE), "--pack", "lmo-25ah", "--bench", "sim-neware"]
    if command == "run":
        words += ["--serial", "X", "--operator", "Li", "--arm"]
    if command != "check":
        words += ["--out", str(tmp_path / "out")]
    answer = ask(capsys, *words)
    assert answer.code == 2
    (error,) = answer.data["errors"]
    assert (error["line"], error["found"]) == (11, "cell_min <= 3 V")
    assert error["file"].endswith("profile.yaml")
    assert "a step program cannot carry this" in error["message"]
    assert witnesses == []
    assert not (tmp_path / "out").exists()


def test_a_step_that_no_reading_is_sure_to_show_is_refused_with_its_line(
    capsys: pytest.CaptureFixture[str], profile: Callable[[str], str]
) -> None:
    text = MINUTES.replace("label: between, for: 30 s", "label: between, for: 10 s")
    answer = ask(capsys, "check", profile(text), "--pack", "lmo-25ah", "--bench", "sim-neware")
    assert answer.code == 2
    (error,) = answer.data["errors"]
    assert (error["line"], error["found"]) == (7, "a step of 10 s")
    assert error["expected"].startswith("at least 11 s: sim-neware's poll of the cycler")


# ------------------------------------------------------------ on real sockets

QUICK = """profile: quick-program
title: {en: A short program, zh: 短程序}
record: {dt: 5 s}
steps:
  - cc_discharge: {label: down, current: 0.2 I1, until: voltage <= pack_cutoff, for: 12 s}
  - rest: {label: after, for: 7 s}
  - end
"""


def test_a_program_runs_on_real_sockets(profile: Callable[[str], str], tmp_path: Path) -> None:
    bench = (CONFIGS / "benches" / "sim-neware.yaml").read_text("utf-8")
    # What is played measures whenever it is asked: no age, and steps of seconds can be followed.
    hasty = tmp_path / "hasty.yaml"
    hasty.write_text(bench.replace("delay: 6 s", "delay: 1 s"), encoding="utf-8")
    out = tmp_path / "out"
    words = ("run", profile(QUICK), "--pack", "lmo-25ah", "--bench", str(hasty), "--serial", "LIVE-9", "--operator")
    done = fresh(*words, "Li", "--arm", "--out", str(out), "--no-report", "--json", home=tmp_path / "home")
    assert "Traceback" not in done.stderr
    data = one_object(done.stdout)
    assert (done.returncode, data["trips"]) == (0, [])
    assert data["result"]["provenance"] == "emulated"
    down, after = data["result"]["steps"]
    assert [down["end_reason"], after["end_reason"]] == ["step_time >= 12 s", "step_time >= 7 s"]
    assert down["duration_s"] == pytest.approx(12.0, abs=0.5)
    assert down["charge_ah"] == pytest.approx(-5.0 * down["duration_s"] / 3600, rel=0.01)
    with RunReader.open(out / "run.db") as reader:
        assert reader.verify(data["log_sha256"]).sealed
        assert [event.data for event in reader.events("shut_down")] == [{"at_rest": True, "problems": []}]
        assert not reader.events("poll_failed")
