"""`--serial` from a scanner: as a keyboard, on a (pseudo) serial line, half, late, mistyped."""

from __future__ import annotations

import io
import os
import threading
import time

import pytest

from packbench.app.scanning import serial_of
from packbench.core.errors import InputError

CODE = "001PB005000001D7B0500007"


def quiet(_words: str) -> None:
    """Nobody listens."""


def test_a_scanner_that_types() -> None:
    assert serial_of("-", io.StringIO(f"]d1{CODE}\r\nARM\n"), quiet) == CODE
    assert serial_of(f" {CODE}\n", io.StringIO(), quiet) == CODE
    assert serial_of("", io.StringIO(), quiet) == ""
    with pytest.raises(InputError, match="empty line"):
        serial_of("-", io.StringIO(""), quiet)


def test_a_scanner_on_a_serial_line_whose_first_scan_stays_half() -> None:
    master, slave = os.openpty()
    path = os.ttyname(slave)

    def scan() -> None:
        for piece, pause_s in ((b"]Q10019", 0.5), (f"]Q1{CODE[:9]}".encode(), 0.02), (f"{CODE[9:]}\r\n".encode(), 0)):
            os.write(master, piece)
            time.sleep(pause_s)

    told: list[str] = []
    beginning = threading.Timer(0.1, scan)
    beginning.start()
    try:
        assert serial_of(f"pty://{path}", io.StringIO(), told.append, timeout_s=5) == CODE
    finally:
        beginning.join()
        os.close(master)
        os.close(slave)
    assert told == ["Scan the pack's code ..."]


def test_no_scan_is_bad_input() -> None:
    master, slave = os.openpty()
    try:
        with pytest.raises(InputError, match=r"a scan within 0\.05 s"):
            serial_of(f"pty://{os.ttyname(slave)}", io.StringIO(), quiet, timeout_s=0.05)
    finally:
        os.close(master)
        os.close(slave)


def test_a_mistyped_battery_code_is_said_and_taken() -> None:
    told: list[str] = []
    wrong = CODE.replace("B05", "BO5")
    assert serial_of(wrong, io.StringIO(), told.append) == wrong
    assert CODE in told[0]
    assert serial_of("TEST-1", io.StringIO(), told.append) == "TEST-1"
    assert len(told) == 1
