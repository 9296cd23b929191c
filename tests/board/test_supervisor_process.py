"""Controller and supervisor as processes, the firmware under QEMU: whoever of them stops, the contactor opens in time.

The line is a pty: what a serial port is to the program.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.board.qemu import Machine
from tests.board.trials import WORST_MS, busy_host

from packbench_board.codes import Output, State, TripCode

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
GONE_MS = 250.0
"""A supervisor that sees its channel gone has the board tripped at once. Generous: four processes spin beside it."""


class Host:
    """A controller with its supervisor, on a board's line."""

    def __init__(self, board: Machine, folder: Path) -> None:
        assert shutil.which("socat"), "socat is missing: sudo apt-get install --no-install-recommends socat"
        self.board = board
        board.line.unplug()
        port = folder / "port"
        self.cable = subprocess.Popen(["socat", f"PTY,link={port},rawer", f"UNIX-CONNECT:{board.line.path}"])
        end_s = time.monotonic() + PATIENCE_S
        while not port.exists():
            assert time.monotonic() < end_s, "socat made no port"
            time.sleep(0.02)
        self.controller = subprocess.Popen(
            [sys.executable, "-m", "tests.board.controller", f"serial://{port}?baudrate=460800"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.controller.stdout is not None
        self.said: dict[str, Any] = json.loads(self.controller.stdout.readline())
        self.supervisor = int(self.said["supervisor"]["pid"])
        assert board.outputs & Output.CONTACTOR

    def block(self, duration_s: float) -> None:
        assert self.controller.stdin is not None
        self.controller.stdin.write(f"{duration_s}\n")
        self.controller.stdin.flush()

    def assert_open_for_good(self, trips: set[TripCode]) -> None:
        """It stays open while whoever is left goes on, and the board says why."""
        since_ns = time.monotonic_ns()
        time.sleep(1.5)
        rose = [edge for edge in self.board.edges if edge.t_ns > since_ns and edge.high]
        assert not [edge for edge in rose if edge.output in (Output.CONTACTOR, Output.PRECHARGE, Output.CYCLER_ENABLE)]
        self.end()
        self.board.line.plug()
        status = self.board.line.first_status()
        assert status.state == State.TRIPPED
        assert status.trip_code in trips

    def end(self) -> None:
        for pid in (self.supervisor, self.controller.pid):
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    break
        self.controller.communicate()
        self.cable.kill()
        self.cable.wait()


@pytest.fixture
def host(board: Machine, tmp_path: Path) -> Iterator[Host]:
    started = Host(board, tmp_path)
    yield started
    started.end()


def opened_after_ms(host: Host, since_ns: int) -> float:
    return (host.board.wait_low(since_ns, 5.0) - since_ns) / 1e6


def test_the_lease_is_kept_by_two_processes_on_a_busy_host(host: Host) -> None:
    assert host.said["beats"] >= 2
    since_ns = time.monotonic_ns()
    with busy_host():
        time.sleep(4.0)
    assert not [edge for edge in host.board.edges if edge.t_ns > since_ns and edge.output is Output.CONTACTOR]


@pytest.mark.parametrize(
    ("who", "number", "bound_ms", "trips"),
    [
        ("controller", signal.SIGKILL, GONE_MS, {TripCode.HOST}),
        ("controller", signal.SIGSTOP, WORST_MS, {TripCode.LEASE}),
        ("supervisor", signal.SIGKILL, WORST_MS, {TripCode.LEASE}),
        ("supervisor", signal.SIGSTOP, WORST_MS, {TripCode.LEASE}),
    ],
)
def test_whoever_is_killed_or_stopped_the_contactor_opens(
    host: Host, who: str, number: signal.Signals, bound_ms: float, trips: set[TripCode]
) -> None:
    with busy_host():
        since_ns = time.monotonic_ns()
        os.kill(host.controller.pid if who == "controller" else host.supervisor, number)
        opened_ms = opened_after_ms(host, since_ns)
    assert opened_ms < bound_ms
    host.assert_open_for_good(trips)


def test_a_blocked_control_loop_opens_and_its_return_closes_nothing(host: Host) -> None:
    since_ns = time.monotonic_ns()
    host.block(1.5)
    assert opened_after_ms(host, since_ns) < WORST_MS
    time.sleep(1.5)
    host.assert_open_for_good({TripCode.LEASE})


def test_a_cut_cable_opens(host: Host) -> None:
    since_ns = time.monotonic_ns()
    host.cable.send_signal(signal.SIGSTOP)
    assert opened_after_ms(host, since_ns) < WORST_MS
    host.cable.send_signal(signal.SIGCONT)
    host.assert_open_for_good({TripCode.LEASE})
