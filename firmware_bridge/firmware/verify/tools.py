"""Finds and runs the compilers and checkers that verify the firmware.

Owns where the sources lie and which Debian package brings a missing tool. Must not skip: a tool that is missing is an
error that names the command, because a check that silently did not run looks like one that passed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from packbench.clock import stopwatch_s

FIRMWARE = Path(__file__).resolve().parent.parent
ROOT = FIRMWARE.parent.parent
CORE = FIRMWARE / "core"
BOARDS = FIRMWARE / "boards"
HOST = BOARDS / "host"
BUILD = ROOT / "build"

PACKAGES = {
    "clang-19": "clang-19 libclang-rt-19-dev",
    "clang-tidy-19": "clang-tidy-19",
    "llvm-cov-19": "llvm-19",
    "llvm-profdata-19": "llvm-19",
    "cppcheck": "cppcheck",
    "gcc": "gcc libc6-dev",
}
"""Debian 12's package of each program that is run here."""


class Failed(Exception):
    """A check did not hold, or could not be made; the text is for people."""


def tool(name: str) -> str:
    """The path of a program. Raises Failed with the command that installs it."""
    path = shutil.which(name)
    if path is None:
        packages = PACKAGES.get(name, name)
        raise Failed(f"{name} is missing: sudo apt-get install --no-install-recommends {packages}")
    return path


def run(
    command: list[str], timeout_s: float, env: dict[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run to the end with both outputs kept, whatever the exit code. Raises Failed after `timeout_s`."""
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{Path(command[0]).name} did not end within {timeout_s:.0f} s") from error


def must(command: list[str], timeout_s: float, env: dict[str, str] | None = None) -> str:
    """Like run, but an exit code other than 0 raises Failed with what the program said. Returns its output."""
    done = run(command, timeout_s, env)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise Failed(f"{Path(command[0]).name} failed ({done.returncode}):\n{said[-6000:]}")
    return done.stdout


def core_sources() -> list[Path]:
    """The C files of the core, in a fixed order."""
    return sorted(CORE.glob("*.c"))


def relative(path: Path) -> str:
    """As seen from the checkout, for commands and messages."""
    return str(path.relative_to(ROOT))


def say(text: str) -> None:
    """One line for whoever reads the run."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start_s = stopwatch_s()

    @property
    def seconds(self) -> float:
        """Seconds gone."""
        return stopwatch_s() - self._start_s
