"""The board as a process: behind a pty or a TCP port, with wires and sensors as lines of text."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from tests.firmware.harness import CONFIG

from packbench_board.codec import BoardCodec
from packbench_board.codes import Input, State, TripCode
from packbench_board.frames import (
    FIRMWARE_HASH,
    PROTOCOL_HASH,
    Arm,
    BoardMessage,
    Close,
    Heartbeat,
    Hello,
    HelloReply,
    HostMessage,
    Status,
    StatusQuery,
)

HEALTHY = ("estop_ok=1", "hvil_ok=1", "gas_ok=1", "sensors_ok=1", "pack_mv=360000", "cycler_mv=360000")
WAIT_S = 10.0


class Process:
    """packbench-board-pty with its three pipes."""

    def __init__(self, program: Path, *words: str) -> None:
        self.popen = subprocess.Popen([program, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.ready = self.wait_for("ready")
        self._codec, self._buffer = BoardCodec(), bytearray()

    def _listen(self) -> None:
        assert self.popen.stdout
        for line in self.popen.stdout:
            self._told.put(json.loads(line))

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self._listener.join(WAIT_S)
        for pipe in (self.popen.stdin, self.popen.stdout):
            assert pipe
            pipe.close()

    def wait_for(self, key: str, value: object = None, on: bool | None = None) -> dict[str, Any]:
        end_s = time.monotonic() + WAIT_S
        while True:
            told = self._told.get(timeout=max(end_s - time.monotonic(), 0.001))
            if key in told and value in (None, told[key]) and on in (None, told.get("on")):
                return told

    def say(self, text: str) -> None:
        assert self.popen.stdin
        self.popen.stdin.write(text.encode() + b"\n")
        self.popen.stdin.flush()

    def ask(self, line: int | socket.socket, request: HostMessage) -> BoardMessage:
        data = self._codec.encode(request)
        if isinstance(line, int):
            os.write(line, data)
        else:
            line.sendall(data)
        end_s = time.monotonic() + WAIT_S
        while (answer := self._codec.decode(request, self._buffer)) is None:
            assert time.monotonic() < end_s, f"no answer to {request}"
            with contextlib.suppress(BlockingIOError):
                self._buffer += os.read(line, 4096) if isinstance(line, int) else line.recv(4096)
        return answer

    def status(self, line: int | socket.socket) -> Status:
        answer = self.ask(line, StatusQuery())
        assert isinstance(answer, Status)
        return answer

    def close_contactor(self, line: int) -> int:
        """The instant before the last heartbeat, on this system's monotonic clock."""
        self.ask(line, Hello(PROTOCOL_HASH, FIRMWARE_HASH))
        self.ask(line, CONFIG)
        hello = self.ask(line, Hello(PROTOCOL_HASH, FIRMWARE_HASH))
        assert isinstance(hello, HelloReply)
        self.ask(line, Arm(1, hello.config_crc))
        self.ask(line, Close())
        self.wait_for("output", "contactor", on=True)
        end_s = time.monotonic() + WAIT_S
        for counter in range(1, 10_000):
            beaten_ns = time.monotonic_ns()
            status = self.ask(line, Heartbeat(1, counter))
            if isinstance(status, Status) and status.state == State.CLOSED and status.inputs & Input.AUX_CLOSED:
                return beaten_ns
            assert time.monotonic() < end_s
        raise AssertionError


@contextlib.contextmanager
def running(program: Path, *words: str) -> Generator[Process]:
    process = Process(program, *words)
    try:
        yield process
    finally:
        process.end()


@contextlib.contextmanager
def opened(path: Path) -> Generator[int]:
    line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield line
    finally:
        os.close(line)


@pytest.fixture(scope="module")
def program(images: Path) -> Path:
    return images / "packbench-board-pty"


def test_it_says_who_it_is_and_where(program: Path, tmp_path: Path) -> None:
    link = tmp_path / "board"
    with running(program, "--link", str(link), *HEALTHY) as board, opened(link) as line:
        assert board.ready["firmware_hash"] == f"{FIRMWARE_HASH:08x}"
        assert board.ready["protocol_hash"] == f"{PROTOCOL_HASH:08x}"
        assert str(link.readlink()) == board.ready["line"]
        status = board.status(line)
        assert (status.state, status.pack_mv) == (State.SAFE, 360_000)
        board.popen.send_signal(signal.SIGTERM)
        board.wait_for("stopped")
        assert board.popen.wait(WAIT_S) == 0
    assert not link.is_symlink()


def test_silence_opens_after_the_lease(program: Path, tmp_path: Path) -> None:
    link = tmp_path / "board"
    with running(program, "--link", str(link), *HEALTHY) as board, opened(link) as line:
        beaten_ns = board.close_contactor(line)
        opened_ms = (board.wait_for("output", "contactor", on=False)["t_ns"] - beaten_ns) / 1e6
        assert CONFIG.lease_ms - 1.0 < opened_ms < CONFIG.lease_ms + 100.0
        assert board.status(line).trip_code == TripCode.LEASE


def test_the_contactor_is_off_when_it_is_told_to_stop(program: Path, tmp_path: Path) -> None:
    link = tmp_path / "board"
    with running(program, "--link", str(link), *HEALTHY) as board, opened(link) as line:
        board.close_contactor(line)
        board.popen.send_signal(signal.SIGTERM)
        board.wait_for("output", "contactor", on=False)
        board.wait_for("stopped")
        assert board.popen.wait(WAIT_S) == 0


def test_wires_are_lines_and_a_closed_input_is_cut_wires(program: Path, tmp_path: Path) -> None:
    link = tmp_path / "board"
    with running(program, "--link", str(link), *HEALTHY) as board, opened(link) as line:
        board.close_contactor(line)
        board.say("current_ma=-1500 temperature_2_dc=251 nonsense pack_mv=1x")
        assert board.wait_for("not_understood")["not_understood"] == len("nonsense")
        assert board.wait_for("not_understood")["not_understood"] == len("pack_mv=1x")
        time.sleep(0.05)
        assert (board.status(line).current_ma, board.status(line).pack_mv) == (-1_500, 360_000)
        assert board.popen.stdin
        board.popen.stdin.close()
        board.wait_for("output", "contactor", on=False)
        cut = (TripCode.ESTOP, TripCode.HVIL, TripCode.GAS, TripCode.SENSOR_INVALID)  # whichever is seen first
        assert board.status(line).trip_code in cut


def test_a_tcp_port_takes_the_newest_host(program: Path) -> None:
    with running(program, "--tcp", "0", *HEALTHY) as board:
        host, port = board.ready["line"].split(":")
        with socket.create_connection((host, int(port)), WAIT_S) as first:
            assert board.status(first).state == State.SAFE
            with socket.create_connection((host, int(port)), WAIT_S) as second:
                assert board.status(second).state == State.SAFE
                assert first.recv(1) == b""
        with socket.create_connection((host, int(port)), WAIT_S) as third:
            assert board.status(third).state == State.SAFE


@pytest.mark.parametrize("words", [["pack_mv"], ["estop_ok=2"], ["--link"], ["--tcp", "70000"]])
def test_it_refuses_words_it_does_not_know(program: Path, words: list[str]) -> None:
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode != 0
    assert done.stderr
