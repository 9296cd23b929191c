"""`run` on the wall clock: our emulators behind real sockets, a process of its own, and its ends.

The far side is played, everything above the sockets is what drives a real bench.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import PROGRAM, Truth, ask, environment, one_object

from packbench.cli import main
from packbench.core.errors import InputError
from packbench.store.reader import RunReader

PROFILE = """profile: blink
title: {en: "Seconds of both directions", zh: "数秒充放"}
record: {dt: 500 ms}
steps:
  - rest: {label: settle, for: 1 s}
  - cc_charge:
      label: up
      current: 0.2C
      for: 2 s
      on_cell_limit: {at: cell_full, action: end}
      until: voltage >= pack_full
  - cc_discharge: {label: down, current: 0.2C, for: 2 s, until: cell_min <= cell_cutoff}
  - end
"""
LONG = PROFILE.replace("for: 2 s\n", "for: 60 s\n")
"""A charge that does not end by itself while a test watches."""
PATIENCE_S = 40.0


@dataclass(frozen=True, slots=True)
class Live:
    """A run in a process of its own."""

    process: subprocess.Popen[str]
    out: Path

    def finish(self) -> tuple[int, dict[str, Any]]:
        """Wait for its end: exit code and the object of --json."""
        stdout, stderr = self.process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in stderr, stderr
        return self.process.returncode, one_object(stdout)

    def wait_for(self, kind: str, **data: Any) -> None:
        """Wait until the record, read while it is written, holds such an event."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            assert self.process.poll() is None, self.process.communicate()
            # Before its first commit the file is not a record yet.
            with suppress(InputError):
                if any(data.items() <= found.items() for found in self.events(kind)):
                    return
            time.sleep(0.1)
        raise AssertionError(f"no {kind} {data} within {PATIENCE_S:g} s")

    def events(self, kind: str) -> list[dict[str, Any]]:
        with RunReader.open(self.out / "run.db") as reader:
            return [event.data for event in reader.events(kind)]


def start(tmp_path: Path, text: str, *more: str, under: Sequence[str] = ()) -> Live:
    profile = tmp_path / "blink.yaml"
    profile.write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    words = ("run", str(profile), "--pack", "lmo-25ah", "--serial", "LIVE-1", "--operator", "Li", "--arm")
    process = subprocess.Popen(
        [*under, *PROGRAM, *words, "--out", str(out), "--no-report", "--json", *more],
        env=environment(tmp_path / "home"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Live(process, out)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Callable[..., Live]]:
    """Starts runs, and leaves no process behind."""
    started: list[Live] = []

    def begin(text: str, *more: str, under: Sequence[str] = ()) -> Live:
        started.append(start(tmp_path, text, *more, under=under))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def kinds_of(out: Path) -> list[str]:
    with RunReader.open(out / "run.db") as reader:
        return [event.kind for event in reader.events()]


def assert_whole(out: Path, *, sealed: bool, log_sha256: str | None = None) -> None:
    with RunReader.open(out / "run.db") as reader:
        verified = reader.verify(log_sha256)
        assert verified.sealed is sealed
        assert verified.rows > 0


def test_a_run_on_emulated_hardware_ends_well_and_releases_nothing(live: Callable[..., Live]) -> None:
    run = live(PROFILE)
    code, data = run.finish()
    assert code == 0, data
    assert (data["ok"], data["interrupted"], data["trips"]) == (True, False, [])
    result = data["result"]
    assert (result["provenance"], result["releasing"]) == ("emulated", False)
    assert (result["serial"], result["operator"], result["bench"]) == ("LIVE-1", "Li", "sim-cell")
    steps = {step["label"]: step for step in result["steps"]}
    assert list(steps) == ["settle", "up", "down"]
    # 0.2C of 25 Ah for two seconds, and what a poll of half a second adds.
    for label, sign in (("up", 1.0), ("down", -1.0)):
        assert 1.5 < steps[label]["duration_s"] < 4.0
        # The trapezoid sees the ramp at either end at one poll's resolution.
        one_poll_ah = 5.0 * 0.5 / 3600
        assert sign * steps[label]["charge_ah"] == pytest.approx(
            5.0 * steps[label]["duration_s"] / 3600, abs=1.5 * one_poll_ah
        )
    assert_whole(run.out, sealed=True, log_sha256=data["log_sha256"])
    kinds = kinds_of(run.out)
    assert kinds.count("identified") == 3
    assert kinds.index("contactor_closed") < kinds.index("set_output")
    assert kinds[0] == "supervisor_ready"
    assert kinds[-4:] == ["finished", "board_log", "lease_statistics", "shut_down"]
    assert "poll_failed" not in kinds
    assert run.events("shut_down") == [{"at_rest": True, "problems": []}]
    # Real time: the record's clock is the wall's.
    with RunReader.open(run.out / "run.db") as reader:
        assert 4.5 < reader.events("finished")[0].t_ns / 1e9 < 15.0


def test_ctrl_c_stops_safely_first(live: Callable[..., Live]) -> None:
    run = live(LONG)
    run.wait_for("step_began", label="up")
    run.wait_for("output_acknowledged")
    run.process.send_signal(signal.SIGINT)
    code, data = run.finish()
    assert code == 130
    assert data["interrupted"] is True
    result = data["result"]
    assert (result["verdict"], result["releasing"]) == ("ABORTED", False)
    assert result["end_reason"] == "interrupted by the operator"
    assert_whole(run.out, sealed=True, log_sha256=data["log_sha256"])
    kinds = kinds_of(run.out)
    # Off before anything else, and every device did what it was told: the board opened the contactor.
    on = max(place for place, kind in enumerate(kinds) if kind == "set_output")
    off = kinds.index("output_off", on)
    assert off < kinds.index("finished") < kinds.index("shut_down") == len(kinds) - 1
    assert run.events("shut_down") == [{"at_rest": True, "problems": []}]
    assert "trip" not in kinds


def test_ctrl_c_switches_off_and_opens_in_the_plant(
    capsys: pytest.CaptureFixture[str], truth: Truth, tmp_path: Path
) -> None:
    """The same in this process, and what the plant behind the sockets says of it."""
    profile = tmp_path / "blink.yaml"
    profile.write_text(LONG, encoding="utf-8")
    seen: list[int] = []
    record = tmp_path / "out" / "run.db"

    def flows() -> int:
        if not record.exists():
            return 0
        with suppress(InputError), RunReader.open(record) as reader:
            return len(reader.events("output_acknowledged"))
        return 0

    def interrupt_under_current() -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not flows():
            if time.monotonic() > deadline_s:
                return
            time.sleep(0.05)
        time.sleep(0.5)
        seen.append(flows())
        signal.raise_signal(signal.SIGINT)

    watcher = threading.Thread(target=interrupt_under_current)
    watcher.start()
    words = ("run", str(profile), "--pack", "lmo-25ah", "--serial", "LIVE-2", "--operator", "Li", "--arm")
    answer = ask(capsys, *words, "--out", str(tmp_path / "out"), "--no-report")
    watcher.join()
    assert seen, "no current ever flowed"
    assert answer.code == 130
    found = truth.assert_safe()
    assert found["charge_ah"] + found["discharge_ah"] > 0.0
    assert found["output_edges"][-1][0] <= found["coil_edges"][-1][0], "the output first"
    assert found["hot_openings"] == 0
    assert found["board_state"] == "SAFE", "a stop by hand is no trip"


def test_a_second_ctrl_c_does_not_skip_the_stop(live: Callable[..., Live]) -> None:
    run = live(LONG)
    run.wait_for("output_acknowledged")
    for _ in range(2):
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.003)
    code, data = run.finish()
    assert (code, data["interrupted"]) == (130, True)
    assert run.events("shut_down") == [{"at_rest": True, "problems": []}]
    assert_whole(run.out, sealed=True)


@pytest.mark.parametrize(("under", "code"), [((), 130), (("nohup",), 0)])
def test_a_terminal_that_goes_away_stops_a_run_unless_it_was_to_outlive_it(
    live: Callable[..., Live], under: tuple[str, ...], code: int
) -> None:
    run = live(PROFILE, under=under)
    run.wait_for("output_acknowledged")
    run.process.send_signal(signal.SIGHUP)
    ended, data = run.finish()
    assert (ended, data["interrupted"]) == (code, code == 130)
    assert run.events("shut_down") == [{"at_rest": True, "problems": []}]


def test_a_lost_bms_stops_the_run_by_safety(live: Callable[..., Live]) -> None:
    run = live(LONG, "--fault", "comms.bms_lost@6")
    code, data = run.finish()
    assert code == 3
    (trip,) = data["trips"]
    assert (trip["rule"], trip["fault_id"]) == ("bms_stale", "comms.bms_lost")
    assert 2.5 < trip["value"] < 3.5  # stale after 2.5 s, noticed within a second
    assert data["result"]["verdict"] == "ABORTED"
    assert_whole(run.out, sealed=True, log_sha256=data["log_sha256"])
    (stopped,) = run.events("stopped")
    assert (stopped["reaction"], stopped["failures"]) == ("S1", [])
    assert run.events("shut_down") == [{"at_rest": True, "problems": []}]
    assert run.events("poll_failed")[0]["source"] == "bms"


def test_a_killed_run_leaves_a_record_that_verifies(
    live: Callable[..., Live], capsys: pytest.CaptureFixture[str]
) -> None:
    run = live(LONG)
    run.wait_for("output_acknowledged")
    time.sleep(1.5)
    assert ask(capsys, "runs", "show", str(run.out)).data["state"] == "running"
    assert ask(capsys, "report", str(run.out)).code == 2, "there is nothing to conclude yet"
    assert not (run.out / "result.json").exists()
    run.process.send_signal(signal.SIGKILL)
    run.process.communicate(timeout=PATIENCE_S)
    assert run.process.returncode == -signal.SIGKILL
    assert_whole(run.out, sealed=False)
    kinds = kinds_of(run.out)
    assert "set_output" in kinds
    assert "shut_down" not in kinds
    # And it can be concluded later: aborted, whatever it had measured.
    verified = ask(capsys, "runs", "verify", str(run.out))
    assert (verified.code, verified.data["sealed"]) == (0, False), verified.data["findings"]
    shown = ask(capsys, "runs", "show", str(run.out))
    assert (shown.code, shown.data["result"], shown.data["state"]) == (0, None, "cut short")
    main(["runs", "show", str(run.out)])
    assert "`packbench runs resume RUN` goes on with it" in " ".join(capsys.readouterr().out.split())
