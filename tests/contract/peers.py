"""Other people's programs against ours: where they are, and our emulators as processes of their own.

A program that is missing fails the test with the line that installs it; nothing is skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKBENCH = Path(sys.prefix) / "bin" / "packbench"


def peer(name: str, *, of: str = "peers") -> str:
    """A program of a tools' environment (`python` for a script against one of its libraries)."""
    path = Path(sys.prefix) / of / "bin" / name
    if not path.exists():
        pytest.fail(f"{name} of the {of} is not installed: make peers")
    return str(path)


def ask_model(script: Path, question: Any, *, timeout_s: float = 120) -> Any:
    """Run a script with the models' Python: the question goes in as JSON, the answer comes out as JSON."""
    # PyBaMM would otherwise ask on stdin whether it may report home, and wait ten seconds for the answer.
    environment = {**os.environ, "PYBAMM_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [peer("python", of="models"), str(script)],
        input=json.dumps(question),
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def system_tool(name: str, package: str) -> str:
    """A program of the system."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed: apt-get install {package}")
    return path


def run_peer(*command: str, timeout_s: float = 60, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one to its end."""
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, input=stdin)


@contextlib.contextmanager
def emulated(*words: str) -> Generator[dict[str, Any]]:
    """`packbench devices emulate WORDS` as a process: yields its ready line; ends it by SIGTERM and wants exit 0."""
    process = subprocess.Popen(
        [str(PACKBENCH), "devices", "emulate", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            pytest.fail(f"the emulator did not start: {process.communicate(timeout=10)[1]}")
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def probed(*words: str, code: int = 0) -> dict[str, Any]:
    """`packbench devices probe WORDS --json`: its one object."""
    done = run_peer(str(PACKBENCH), "devices", "probe", *words, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


@contextlib.contextmanager
def pty_pair(folder: Path) -> Generator[tuple[str, str]]:
    """Two names of one line: what goes into one comes out of the other (socat)."""
    left, right = folder / "left", folder / "right"
    process = subprocess.Popen(
        [
            system_tool("socat", "socat"),
            f"PTY,link={left},raw,echo=0",
            f"PTY,link={right},raw,echo=0",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(left, right)
        yield str(left), str(right)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(*paths: Path) -> None:
    """A bounded wait for socat's links: it says nothing when they are there."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            ["sh", "-c", " && ".join(f"until [ -e {path} ]; do sleep 0.02; done" for path in paths)],
            timeout=10,
            check=False,
        )
    missing = [str(path) for path in paths if not path.exists()]
    assert not missing, f"socat did not make {missing}"
