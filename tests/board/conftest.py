"""The firmware's images, built once, and a board in an emulator."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.board.qemu import Machine

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "firmware"
TOOLS = ("qemu-system-arm", "clang-19", "ld.lld-19", "llvm-size-19", "llvm-objcopy-19", "llvm-nm-19")
APT = "sudo apt-get install --no-install-recommends qemu-system-arm clang-19 lld-19 llvm-19"


def make_firmware(build: Path) -> str:
    """Build every image into a folder and return what make says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--no-print-directory", "-f", "make/boards.mk", "firmware", f"FW_BUILD={build}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def images() -> Path:
    """The folder of the images. A missing tool is a failure that names the command: a skipped test proves nothing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"{', '.join(missing)} missing: {APT}", pytrace=False)
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:  # several test processes, one build
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_firmware(BUILD)
    return BUILD


@pytest.fixture(scope="session")
def image(images: Path) -> Path:
    """What QEMU's board runs."""
    return images / "packbench-lm3s6965evb.elf"


@pytest.fixture
def board(image: Path) -> Iterator[Machine]:
    """A board that has just started, safe."""
    with Machine(image) as machine:
        yield machine
