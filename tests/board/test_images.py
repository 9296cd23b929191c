"""The images themselves: built alike everywhere, small, and bootable on a relative of the board that can be bought."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest
from tests.board.conftest import ROOT, make_firmware
from tests.board.line import Line

from packbench_board.codes import EventKind, Input, Output, ResetCause, State
from packbench_board.frames import FIRMWARE_HASH, PROTOCOL_HASH

FLASH_MAX, RAM_MAX = 32 * 1024, 8 * 1024
"""Far below what any of the chips has; a library that crept in would show."""


def test_a_build_elsewhere_gives_the_same_bytes(images: Path, tmp_path: Path) -> None:
    said = make_firmware(tmp_path)
    for name in ("packbench-lm3s6965evb.elf", "packbench-lm3s6965evb.bin", "packbench-stm32f446.elf"):
        assert (tmp_path / name).read_bytes() == (images / name).read_bytes(), name
        assert str(ROOT).encode() not in (images / name).read_bytes()
    sizes = re.findall(r"^packbench-(\w+)\.elf +flash +(\d+) B +RAM +(\d+) B", said, re.MULTILINE)
    assert [board for board, _, _ in sizes] == ["lm3s6965evb", "stm32f446"]
    for board, flash, ram in sizes:
        assert 4096 < int(flash) < FLASH_MAX, board
        assert 1024 < int(ram) < RAM_MAX, board


@pytest.mark.parametrize("name", ["lm3s6965evb", "stm32f446"])
def test_no_division_of_64_bits_and_no_heap(images: Path, name: str) -> None:
    listed = subprocess.run(
        ["llvm-nm-19", str(images / f"packbench-{name}.elf")], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    names = {line.split()[-1] for line in listed.splitlines()}
    assert {"pb_step", "pb_fault", "memset"} <= names
    assert not {symbol for symbol in names if re.search(r"divmod|ldiv|malloc|printf", symbol)}


@pytest.mark.parametrize("tool", ["FW_CLANG", "FW_LLD", "FW_SIZE", "FW_OBJCOPY"])
def test_a_missing_tool_is_an_error_that_names_the_command(tool: str) -> None:
    done = subprocess.run(
        ["make", "-f", "make/boards.mk", "firmware", f"{tool}=no-such-tool"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert (
        "no-such-tool is missing: sudo apt-get install --no-install-recommends clang-19 lld-19 llvm-19" in done.stderr
    )


@pytest.mark.parametrize(("name", "interrupts", "origin"), [("lm3s6965evb", 44, 0), ("stm32f446", 97, 0x08000000)])
def test_every_vector_leads_somewhere(images: Path, name: str, interrupts: int, origin: int) -> None:
    """An entry that was forgotten would be 0, and an exception there no fault but a lock-up."""
    image = (images / f"packbench-{name}.bin").read_bytes()
    stack, *vectors = struct.unpack_from(f"<{16 + interrupts}I", image)
    assert stack in (0x20010000, 0x20020000)
    assert all(origin < vector < origin + len(image) and vector & 1 for vector in vectors)
    assert len(set(vectors)) <= 4, "start, fault, line, and where there is one, the wake-up"


def test_the_nucleo_s_image_answers_on_a_relative(images: Path, tmp_path: Path) -> None:
    """A smoke test: the emulated STM32F405 has the line and the timer, but neither clocks, pins nor a converter.

    So every bounded wait of the start runs out, and the board must come up all the same: without quartz, without
    measurements, tripped by wires that nobody drives, and answering.
    """
    door = tmp_path / "line"
    command = ["qemu-system-arm", "-M", "netduinoplus2", "-nodefaults", "-display", "none", "-nic", "none"]
    command += ["-kernel", str(images / "packbench-stm32f446.elf"), "-serial", "null"]
    command += ["-chardev", f"socket,id=line,path={door},server=on,wait=off", "-serial", "chardev:line"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        line = Line(door)
        status = line.first_status()
        assert status.state == State.TRIPPED
        hello = line.hello()
        assert (hello.protocol_hash, hello.firmware_hash) == (PROTOCOL_HASH, FIRMWARE_HASH)
        assert line.newest(EventKind.BOOT).code == ResetCause.POWER_ON
        assert status.inputs == Input.AUX_CLOSED, "undriven wires read unsafe, the mirror contact's as closed"
        assert status.outputs & (Output.CONTACTOR | Output.PRECHARGE | Output.CYCLER_ENABLE) == 0
        line.unplug()
    finally:
        process.kill()
        process.wait()
