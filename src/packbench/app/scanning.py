"""The pack's code from a scanner, wherever `--serial` takes a word.

    --serial -                                        one line of standard input: a scanner that types, or a pipe
    --serial serial:///dev/ttyACM0?baudrate=9600      the next whole scan of a scanner on a serial line (or pty://)

Owns the waiting for one scan. A half scan is never taken; what looks like a mistyped battery code is said, and taken
as it stands: a serial number of one's own may have any form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TextIO

from packbench.clock import MonotonicClock
from packbench.core.errors import InputError, LinkError, Problem
from packbench.trace.codes.code import FORMS, read
from packbench.trace.codes.repair import diagnose
from packbench.trace.codes.scanning import ScanReader, parse_scan
from packbench.transport.open import open_transport

SCAN_TIMEOUT_S = 60.0
_LINES = ("serial://", "pty://")


def serial_of(word: str, stdin: TextIO, tell: Callable[[str], None], *, timeout_s: float = SCAN_TIMEOUT_S) -> str:
    """The serial number that a `--serial` word stands for. Raises InputError when no scan comes, LinkError."""
    if word == "-":
        text = parse_scan(stdin.readline()).text
        if not text:
            raise InputError(Problem("", field="--serial -", found="an empty line", expected="a scan or a typed code"))
    elif word.startswith(_LINES):
        tell("Scan the pack's code ...")
        text = asyncio.run(_scan(word, timeout_s))
    else:
        text = parse_scan(word).text
    if len(text) in FORMS and read(text) is None:
        likely = diagnose(text).likely
        hint = f": did you mean {likely}?" if likely else " (packbench code parse says where)"
        tell(f"{text} is as long as a battery code and is none{hint}")
    return text


async def _scan(url: str, timeout_s: float) -> str:
    """The next whole scan on a line."""
    clock = MonotonicClock()
    reader = ScanReader()
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_bytes(data: bytes) -> None:
        whole = [scan for scan in reader.feed(data, clock.now_ns()) if not scan.half]
        if whole and not ended.done():
            ended.set_result(whole[0].text)

    def on_lost(reason: str) -> None:
        if not ended.done():
            ended.set_exception(LinkError(f"{url}: {reason}"))

    transport = await open_transport(url)
    try:
        transport.attach(on_bytes, on_lost)
        return await asyncio.wait_for(ended, timeout_s)
    except TimeoutError as error:
        expected = f"a scan within {timeout_s:g} s"
        raise InputError(Problem("", field="--serial", found=f"nothing on {url}", expected=expected)) from error
    finally:
        transport.close()
